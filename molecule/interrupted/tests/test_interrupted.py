"""site.yml, stopped at its steps one after the other, and taken up again by the same command.

The tests of this file build on each other: together they are one bring-up with many interruptions.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from tests.cluster import PROJECT, cluster, environment

pytestmark = pytest.mark.machines

# A part of the name of the task in which the run is stopped, and for how long it has been in it;
# in the order of a bring-up.
STOPS = {
    "settings of the engine": ("Configure | Write daemon.json", 0.5),
    "restart of the engines": ("Restart the engine", 1.0),
    "kernel settings": ("Kernel | Set the values", 0.5),
    "making the cluster": ("Init | Make a Swarm", 0.7),
    "joining": ("Join | Workers", 0.7),
    "labels": ("Nodes | Labels", 0.3),
    "certificates": ("Certificate | Sign the CA", 0.2),
    "trust": ("Trust | The CA", 0.5),
    "secrets of the registry": ("Service | Certificate, key", 0.5),
    "the registry": ("Service | The registry itself", 0.7),
    "building": ("Build | The image", 5.0),
    "pushing": ("Build | Push both names", 1.0),
    "secrets of the stack": ("Deploy | Store the secrets", 0.3),
    "the deploy": ("Deploy | Hand it to Swarm", 1.0),
    "waiting for the verdict": ("Verdict | Of every service", 3.0),
}


def run_until(task: str, seconds: float) -> str:
    """Starts site.yml, sends SIGINT that long into a task; returns what it printed."""
    process = subprocess.Popen(
        ["ansible-playbook", "-i", str(cluster().inventory), "site.yml", "-vvv"],
        cwd=PROJECT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # as a terminal does: the signal reaches all its processes
    )
    assert process.stdout
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith(("TASK", "RUNNING HANDLER")) and task in line:
            time.sleep(seconds)
            os.killpg(process.pid, signal.SIGINT)
            break
    printed += process.communicate(timeout=60)[0] or ""
    assert process.returncode != 0, printed
    return printed


@pytest.mark.parametrize(("task", "seconds"), STOPS.values(), ids=STOPS)
def test_interrupted(task: str, seconds: float) -> None:
    printed = run_until(task, seconds)
    # It came as far as the task, and nothing before it failed for what an earlier stop had left.
    assert task in printed, printed
    assert "SWMTKN-1" not in printed  # whatever is interrupted, no join token is shown
    assert "fatal:" not in printed.split(task)[0], printed


def test_a_plug_is_pulled_during_the_run() -> None:
    lab = [str(PROJECT / "bin/lab"), "-i", str(cluster().inventory)]
    subprocess.run([*lab, "off", "w2"], check=True)
    run = cluster().playbook("site.yml")
    assert run.code != 0, run.output
    assert "w2" in run.output
    subprocess.run([*lab, "on", "w2"], check=True)


def test_then_it_converges() -> None:
    run = cluster().playbook("site.yml")
    assert run.code == 0, run.output
    again = cluster().playbook("site.yml")
    assert (again.code, again.changed) == (0, 0), again.output
    for node in cluster().nodes:
        assert node.get("/")[0] == 200


def test_nothing_is_there_twice() -> None:
    listed = cluster().managers[0].run("docker node ls --format '{{.Hostname}} {{.Status}}'")
    assert sorted(listed.splitlines()) == ["m1 Ready", "w1 Ready", "w2 Ready"]
    secrets = cluster().managers[0].run("docker secret ls --format '{{.Name}}'").split()
    names = [name.rpartition("_")[0] for name in secrets]
    assert len(names) == len(set(names)), secrets
