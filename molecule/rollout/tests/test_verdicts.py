"""Verdicts that must be true, and what is put back, with a small second stack beside MonsterStack.

The tests build on each other: each begins with what the one before left.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import cluster
from tests.tiny import PORT, PROBE, Tiny, page, program

pytestmark = pytest.mark.machines

# Each would be another value, or an end in a traceback, after a way through YAML 1.1.
AWKWARD = {"commit": "1234e56", "octal": "0o17", "number": "1e3", "equal": "=", "time": "12:30"}
SMOKE = [{"name": "the page", "path": "/", "contains": "hello"}]
LABEL = "tiny.helper"
HELPER = program(
    "import time; time.sleep(1e6)",
    deploy={"placement": {"constraints": [f"node.labels.{LABEL} == true"]}},
)
LATE_BY = 35  # seconds: five tasks have failed long before
DATABASE = (
    f"import socket, time; time.sleep({LATE_BY}); s = socket.create_server(('', 8000))\n"
    "while True: s.accept()[0].close()"
)
CLIENT = "import socket, time; socket.create_connection(('db', 8000), 3); time.sleep(1e6)"
PYTHON = "{{ lab_mirror }}/debian-python:3.13"
ANOTHER = "{{ lab_mirror }}/debian-registry:2.8"
OTHER = {"image": "{{ image.other }}", "command": ["sleep", "1000000"], "stop_grace_period": "1s"}


def awkward(**more: Any) -> dict[str, Any]:
    return page(environment=AWKWARD, deploy={"replicas": 2, "labels": AWKWARD}, **more)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    manager = cluster().managers[0]
    manager.run(f"docker node update --label-add {LABEL}=true {manager.name}")
    made = Tiny(tmp_path_factory.mktemp("tiny"))
    yield made
    made.remove()


def write(tiny: Tiny, services: dict[str, Any], other: str = PYTHON, **more: Any) -> None:
    """With a version that Docker would not let stand beside a file without one."""
    tiny.write(
        {"other": OTHER, **services},
        version="3.8",
        images={"python": PYTHON, "other": other},
        **{"probe": PROBE, "smoke": SMOKE, **more},
    )


@pytest.mark.fault("B6", "B11")
def test_a_first_release_may_wait_for_its_database(tiny: Tiny) -> None:
    services = {"web": awkward(), "helper": HELPER}
    write(tiny, {**services, "db": program(DATABASE), "client": program(CLIENT)})
    run = tiny.release("1", "probe=false")
    assert run.code == 0, run.output
    assert "client: converged" in run.text or "client 1/1" in run.text
    assert tiny.recorded() == [1]
    assert "version" not in tiny.record(1)["compose"]


@pytest.mark.fault("B1", "B11")
def test_what_was_ill_before_undoes_nothing(tiny: Tiny) -> None:
    manager = cluster().managers[0]
    manager.run(f"docker node update --label-rm {LABEL} {manager.name}")
    write(tiny, {"web": page(deploy={"replicas": 2}), "helper": HELPER}, other=ANOTHER)
    run = tiny.release("2", "serial=2")
    assert run.code != 0
    assert "release 2: converged. Not touched by it, not well before it" in run.text, run.output
    assert "helper: pending, 0/1" in run.text
    assert "was put back" not in run.text
    record = tiny.record(2)
    assert (record["verdict"], record["behind"]) == ("converged", 1)
    assert set(record["images"]) == {"web", "helper", "other"} == tiny.services()
    assert tiny.spec("web")["UpdateConfig"]["Parallelism"] == 1, "the usual pace again"


@pytest.mark.fault("B2", "B3", "B11")
def test_what_is_put_back_is_what_it_was(tiny: Tiny) -> None:
    run = tiny.run("playbooks/rollback.yml", "probe=false")
    assert "back to release 1 (1," in run.text, run.output
    spec = tiny.spec("web")
    assert {name: spec["Labels"][name] for name in AWKWARD} == AWKWARD
    environment = dict(one.split("=", 1) for one in spec["TaskTemplate"]["ContainerSpec"]["Env"])
    assert {name: environment[name] for name in AWKWARD} == AWKWARD
    assert tiny.record(3)["images"] == tiny.record(1)["images"]


@pytest.mark.fault("B2")
def test_a_second_rollback_goes_nowhere(tiny: Tiny) -> None:
    run = tiny.run("playbooks/rollback.yml", "probe=false")
    assert run.code != 0
    assert "no good release behind the one that runs" in run.text, run.output
    assert tiny.recorded() == [1, 2, 3]


@pytest.mark.fault("B6")
def test_a_wrong_answer_is_put_back_and_never_recorded_as_good(tiny: Tiny) -> None:
    write(tiny, {"web": page(500, deploy={"replicas": 2})})
    run = tiny.release("3", "probe=false")
    assert run.code != 0
    assert "Release 3 of the stack tiny: failed" in run.text, run.output
    assert "status 500 instead of 200" in run.text
    assert "Release 3 (1) was put back: converged" in run.text
    assert tiny.record(4)["verdict"] == "failed"
    manager = cluster().managers[0]
    assert manager.get("/", PORT)[0] == 200


@pytest.mark.fault("B1")
def test_a_broken_service_is_taken_out(tiny: Tiny) -> None:
    assert "helper" in tiny.services()
    write(tiny, {"web": page(deploy={"replicas": 2})})
    run = tiny.release("4", "probe=false")
    assert run.code == 0, run.output
    assert tiny.services() == {"web", "other"}
    assert set(tiny.record(5)["images"]) == {"web", "other"}


@pytest.mark.fault("A9")
def test_what_swarm_refuses_half_way_is_put_back(tiny: Tiny) -> None:
    tight = program("import time; time.sleep(1e6)")
    tight["deploy"]["resources"] = {"limits": {"memory": "2M"}}
    write(tiny, {"web": page(deploy={"replicas": 2}), "tight": tight})
    run = tiny.release("5", "probe=false", "force=true")
    assert run.code != 0
    assert "Release 5 of the stack tiny: refused by Swarm" in run.text, run.output
    assert "Release 5 (4) was put back: converged" in run.text
    assert tiny.record(6)["verdict"] == "failed"
    assert tiny.services() == {"web", "other"}
    assert "VERSION=4" in tiny.spec("web")["TaskTemplate"]["ContainerSpec"]["Env"]


REFUSED = {
    "site.yml": ("site.yml", ["canary=true"], PROBE, "nobody watches a canary here"),
    "without its probe": (
        "rolling_update.yml",
        ["tag=6", "canary=true", "probe=false"],
        PROBE,
        "with probe=false nobody watches the canary",
    ),
    "a stack without a probe": (
        "rolling_update.yml",
        ["tag=6", "canary=true"],
        None,
        "names nothing under `probe`",
    ),
}


@pytest.mark.fault("B4")
@pytest.mark.parametrize(
    ("playbook", "words", "probe", "text"), REFUSED.values(), ids=list(REFUSED)
)
def test_a_canary_that_nobody_watches(
    playbook: str, words: list[str], probe: Any, text: str, tiny: Tiny
) -> None:
    tiny.write({"web": page()}, **({"probe": probe} if probe else {}))
    run = tiny.run(playbook, *words)
    assert run.code != 0
    assert text in run.text, run.output
    assert "m1" not in run.recap, "no host was touched"


@pytest.mark.fault("B4")
def test_a_canary_of_which_nothing_is_seen(tiny: Tiny, tmp_path: Path) -> None:
    silent = page(deploy={"replicas": 2}, environment={"VERSION": "its own"})
    write(tiny, {"web": silent})
    old = tmp_path / "probe"
    old.mkdir()
    head = '{"started": 1, "pid": 1}\n'
    sample = '{"at": 1e9, "node": "n", "kept": false, "seconds": 0.1, "version": "7"}\n'
    (old / "samples.jsonl").write_text(head + sample)
    run = tiny.release("7", "canary=true", "canary_seconds=5", f"probe_dir={old}")
    assert run.code != 0
    assert "Release 7 of the stack tiny: canary rejected" in run.text, run.output
    assert "nothing seen is not good" in run.text
    assert "was put back: converged" in run.text
    assert "VERSION=4" in tiny.spec("web")["TaskTemplate"]["ContainerSpec"]["Env"]


@pytest.mark.fault("B10")
def test_the_page_of_a_stack_whose_services_are_gone(tiny: Tiny, tmp_path: Path) -> None:
    cluster().managers[0].run("docker service rm tiny_web tiny_other")
    page_file = tmp_path / "status.html"
    run = tiny.run("playbooks/status.yml", f"page={page_file}")
    assert run.code == 0, run.output
    assert "its services are gone" in page_file.read_text()
    listed = tiny.run("playbooks/releases.yml")
    assert "the stack tiny has no services now" in listed.text, listed.output
