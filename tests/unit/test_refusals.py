"""Bad inventories and arguments, given to the playbook itself: refused before any host is touched.

The addresses are of a range for documentation: a run that reached for a host would not come back
within the time that is allowed here.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.playing import PROJECT, ansible_playbook


def hosts(*numbers: int, **more: Any) -> dict[str, Any]:
    """Hosts n1, n2, … each with an address and a zone of its own; `more` for all of them."""
    return {f"n{n}": {"ansible_host": f"192.0.2.{n}", "zone": f"z{n % 2}", **more} for n in numbers}


Row = tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]

# Each row: managers, workers, extra variables, what the refusal must name.
REFUSED: dict[str, Row] = {
    "no manager": ({}, hosts(4), {}, ["managers", "Put 1, 3, 5 or 7 hosts into it"]),
    "nine managers": (
        hosts(1, 2, 3, 5, 6, 7, 8, 9, 10),
        hosts(4),
        {},
        ["9 managers", "Use at most 7"],
    ),
    "a node in two groups": (hosts(1), hosts(1, 4), {}, ["n1", "managers", "workers"]),
    "one address for two": (
        hosts(1),
        hosts(4) | {"twin": {"ansible_host": "192.0.2.4", "zone": "a"}},
        {},
        ["twin", "192.0.2.4"],
    ),
    "a worker without zone": (
        hosts(1),
        hosts(4) | {"w": {"ansible_host": "192.0.2.9"}},
        {},
        ["w", "zone"],
    ),
    "SSH's port": (hosts(1), hosts(4), {"monsterstack_settings": {"port": 22}}, ["22", "SSH"]),
    "Swarm's port": (hosts(1), hosts(4), {"monsterstack_settings": {"port": 7946}}, ["7946"]),
    "the registry's port": (
        hosts(1),
        hosts(4),
        {"monsterstack_settings": {"port": 5443}},
        ["5443"],
    ),
    "an unknown variable": (
        hosts(1),
        hosts(4, swarm_adress_pool=["10.0.0.0/8"]),
        {},
        ["swarm_adress_pool", "Did you mean swarm_address_pool?"],
    ),
    "an unknown key": (
        hosts(1),
        hosts(4),
        {"monsterstack_settings": {"frontend": {"replica": 2}}},
        ["monsterstack_settings.frontend.replica", "replicas"],
    ),
    "a misspelt word": (
        hosts(1),
        hosts(4),
        {"cannary": True},
        ["cannary", "Did you mean canary?"],
    ),
    "where nothing is put back": (
        hosts(1),
        hosts(4),
        {"aside": True},
        ["aside: this word is not read by site.yml", "It belongs to restore.yml"],
    ),
    "a stack that would begin empty": (
        hosts(1),
        hosts(4),
        {"without": "shop"},
        ["without: this word is not read by site.yml", "It belongs to restore.yml"],
    ),
    "the earlier word for it": (hosts(1), hosts(4), {"data": "aside"}, ["data", "lost"]),
    "a number of replicas": (
        hosts(1),
        hosts(4),
        {"frontend": 9},
        ["frontend: only scale.yml takes numbers", "stands in monsterstack_settings"],
    ),
    "a truth that is none": (hosts(1), hosts(4), {"canary": "ture"}, ["canary", "true or false"]),
    "seconds that are none": (
        hosts(1),
        hosts(4),
        {"canary_seconds": "soon"},
        ["canary_seconds", "from 5 to 3600"],
    ),
    "no folder of the credentials": (
        hosts(1),
        hosts(4),
        {"credentials_dir": ""},
        ["credentials_dir: it was given without a value"],
    ),
    "too many requests": (hosts(1), hosts(4), {"probe_rate": 5000}, ["probe_rate", "to 200"]),
    "a release that is none": (hosts(1), hosts(4), {"release": "last"}, ["release", "whole"]),
    "two spellings of one address": (
        {"n1": {"ansible_host": "2001:db8::1", "zone": "a"}},
        {"n2": {"ansible_host": "2001:DB8:0::1", "zone": "b"}},
        {},
        ["n2/ansible_host", "is the address of n1 too"],
    ),
    "an address of nobody": (
        hosts(1),
        {"n2": {"ansible_host": "0.0.0.0", "zone": "b"}},
        {},
        ["n2/ansible_host: 0.0.0.0 leads"],
    ),
    "fewer than no replicas": (
        hosts(1),
        hosts(4),
        {"monsterstack_settings": {"frontend": {"replicas": -1}}},
        ["service frontend, replicas: -1 is no number of 0 or more"],
    ),
    "replicas in words": (
        hosts(1),
        hosts(4),
        {"monsterstack_settings": {"frontend": {"replicas": "three"}}},
        ["service frontend, replicas: 'three' is no number"],
    ),
    "a port that is none": (
        hosts(1),
        hosts(4, ansible_port="abc"),
        {},
        ["n4/ansible_port: 'abc' is no port", "from 1 to 65535"],
    ),
    "labels that are none": (
        hosts(1),
        hosts(4, node_labels="ssd"),
        {},
        ["n4/node_labels: 'ssd' is no dictionary"],
    ),
    "an empty key": (hosts(1), hosts(4), {"secret_key": ""}, ["secret_key: it has no value"]),
    "an empty secret": (
        hosts(1),
        hosts(4),
        {"monsterstack_secrets": {"id_salt": ""}},
        ["monsterstack_secrets: id_salt has no value"],
    ),
    "a bad tag": (hosts(1), hosts(4), {"tag": "not a tag"}, ["tag", "not a tag"]),
    "a registry without its password": (
        hosts(1),
        hosts(4),
        {"registry_mode": "external", "registry_host": "registry.example"},
        ["registry_password", "Give it, with registry_user"],
    ),
    "a CA's key without its certificate": (
        hosts(1),
        hosts(4),
        {"registry_ca_key": "KEY"},
        ["registry_ca_certificate", "Give registry_ca_certificate too"],
    ),
    "half a pair of the registry": (
        hosts(1),
        hosts(4),
        {"registry_key": "KEY"},
        ["registry_certificate", "Give both or none"],
    ),
    "archives that are not named": (
        hosts(1),
        hosts(4),
        {"images_mode": "load"},
        ["images_archives", "docker save"],
    ),
    "an archive that is not there": (
        hosts(1),
        hosts(4),
        {"images_mode": "load", "images_archives": ["/nowhere/images.tar"]},
        ["/nowhere/images.tar cannot be found"],
    ),
    "a number for a tag": (hosts(1), hosts(4), {"tag": 2.1}, ["tag", "2.1"]),
}


@pytest.mark.parametrize(("managers", "workers", "extra", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_before_any_host_is_touched(
    tmp_path: Path,
    managers: dict[str, Any],
    workers: dict[str, Any],
    extra: dict[str, Any],
    words: list[str],
) -> None:
    refuses(tmp_path, "site.yml", managers, workers, extra, words)


WATCH = {"canary": True, "tag": "2"}
# Each row: the playbook, its words, what stack.yml says under `probe`, what the refusal must name.
UNWATCHED: dict[str, tuple[str, dict[str, Any], Any, list[str]]] = {
    "site.yml": (
        "site.yml",
        {"canary": True},
        {"path": "/"},
        ["canary: this word is not read by site.yml"],
    ),
    "scale.yml": (
        "playbooks/scale.yml",
        {"canary": True, "web": "2"},
        {"path": "/"},
        ["canary: this word is not read by scale.yml"],
    ),
    "without its probe": (
        "rolling_update.yml",
        {**WATCH, "probe": False},
        {"path": "/"},
        ["canary: with probe=false nobody watches", "Leave out one of"],
    ),
    "a stack without one": ("rolling_update.yml", WATCH, None, ["plain/stack.yml names nothing"]),
    "while secrets are renewed": (
        "playbooks/rotate_secrets.yml",
        {"canary": True},
        {"path": "/"},
        [
            "canary: this word is not read by rotate_secrets.yml",
            "Leave it away",
        ],
    ),
    "a rollback of such a stack": (
        "playbooks/rollback.yml",
        {"canary": True},
        None,
        ["plain/stack.yml names nothing"],
    ),
}


@pytest.mark.fault("B4")
@pytest.mark.parametrize(("playbook", "extra", "probe", "words"), UNWATCHED.values(), ids=UNWATCHED)
def test_a_canary_that_nobody_watches(
    tmp_path: Path, playbook: str, extra: dict[str, Any], probe: Any, words: list[str]
) -> None:
    folder = tmp_path / "stacks" / "plain"
    folder.mkdir(parents=True)
    settings = {"port": 5200, "web": {"replicas": 1}}
    definition = {"tag": "1", "settings": settings, **({"probe": probe} if probe else {})}
    (folder / "stack.yml").write_text(json.dumps({"stack_definition": definition}))
    (folder / "compose.yml.j2").write_text(json.dumps({"services": {"web": {"image": "web:1"}}}))
    where = {"stack": "plain", "stacks_dir": str(tmp_path / "stacks")}
    refuses(tmp_path, playbook, hosts(1), hosts(4), {**where, **extra}, words)


@pytest.mark.fault("P10")
@pytest.mark.parametrize("playbook", ["site.yml", "playbooks/teardown.yml"])
def test_no_stack_is_called_like_the_clusters_registry(tmp_path: Path, playbook: str) -> None:
    """Its release or its end would remove the registry's service, whose stack has that name."""
    folder = tmp_path / "stacks" / "registry"
    folder.mkdir(parents=True)
    (folder / "stack.yml").write_text(json.dumps({"stack_definition": {"tag": "1"}}))
    (folder / "compose.yml.j2").write_text(json.dumps({"services": {"web": {"image": "web:1"}}}))
    extra = {"stack": "registry", "stacks_dir": str(tmp_path / "stacks")}
    if "teardown" in playbook:
        extra["confirm"] = "registry"
    words = ["stack: registry is the cluster's own registry"]
    refuses(tmp_path, playbook, hosts(1), hosts(4), extra, words)


def refuses(
    tmp_path: Path,
    playbook: str,
    managers: dict[str, Any],
    workers: dict[str, Any],
    extra: dict[str, Any],
    words: list[str],
) -> None:
    """The playbook ends before any host is looked at and says these words."""
    inventory = tmp_path / "inventory" / "hosts.json"
    inventory.parent.mkdir()
    inventory.write_text(
        json.dumps({"managers": {"hosts": managers}, "workers": {"hosts": workers}})
    )
    done = ansible_playbook("-i", inventory, playbook, "-e", json.dumps(extra))
    refused_first(done, words)


def refused_first(done: subprocess.CompletedProcess[str], words: list[str]) -> None:
    assert done.returncode == 2, done.stdout
    assert "Look at the hosts" not in done.stdout
    message = " ".join(done.stdout.split("TASK", 1)[1].replace("''", "'").split())
    for word in words:
        assert word in message, done.stdout


def run(folder: Path, playbook: str | Path, *options: str, **inherited: Any) -> Any:
    """A playbook with one manager and one worker; `inherited` stands in group_vars/all."""
    inventory = folder / "inventory" / "hosts.json"
    (inventory.parent / "group_vars").mkdir(parents=True)
    inventory.write_text(
        json.dumps({"managers": {"hosts": hosts(1)}, "workers": {"hosts": hosts(4)}})
    )
    (inventory.parent / "group_vars/all.json").write_text(json.dumps(inherited))
    return ansible_playbook("-i", inventory, Path("playbooks", playbook), *options)


# What a playbook would do with a word that lies in wait in the inventory.
@pytest.mark.parametrize(
    ("playbook", "inherited"),
    [
        ("teardown.yml", {"confirm": "monsterstack", "volumes": True, "swarm": True}),
        ("node_remove.yml", {"node": "n4", "dead": True, "data": "lost"}),
        ("maintenance.yml", {"do": "reboot", "force": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-",
)
@pytest.mark.fault("A8")
def test_words_of_the_inventory_are_refused(
    tmp_path: Path, playbook: str, inherited: dict[str, Any]
) -> None:
    done = run(tmp_path, playbook, **inherited)
    refused_first(done, [f"{word}: the inventory sets a word" for word in inherited])


@pytest.mark.fault("A8")
def test_braces_are_refused_before_they_are_used(tmp_path: Path) -> None:
    made = tmp_path / "made"
    harm = f"{{{{ lookup('ansible.builtin.pipe', 'touch {made}') }}}}"
    words = dict.fromkeys(("node", "dead", "do", "tag"), harm)
    done = run(tmp_path, "maintenance.yml", "-e", json.dumps(words))
    refused_first(done, [f"{word}: its value has braces" for word in words])
    # This one stands in the path of a file that Ansible reads before the first task.
    done = run(tmp_path / "stack", "maintenance.yml", "-e", json.dumps({"stack": harm}))
    assert done.returncode != 0
    assert "stack: its value has braces" in done.stdout
    assert not made.exists()


# Each row: the playbook, its words, a piece of the refusal.
UNNAMED: dict[str, tuple[str, list[str], str]] = {
    "a stack that nobody has confirmed": ("teardown.yml", [], "-e confirm=monsterstack"),
    "the name of another one": ("teardown.yml", ["confirm=shop"], "-e confirm=monsterstack"),
    "a group that is dead": (
        "node_remove.yml",
        ["node=n1,workers", "dead=true"],
        "workers is a group of the inventory. Name single nodes",
    ),
    "all of them": ("node_remove.yml", ["node=all", "dead=true"], "all is a group"),
    "a group in good order": ("node_remove.yml", ["node=managers"], "managers is a group"),
    "an update to nothing": ("rolling_update.yml", [], "Say which release"),
    "a misspelt release": (
        "rolling_update.yml",
        ["tga=2.0"],
        "-e tag=2.0 (tga: a word of no playbook here)",
    ),
    "a service that has no tag": (
        "rolling_update.yml",
        ["tag=2.0", "services=redis"],
        "a tag can be given to frontend, imagebackend, not to redis",
    ),
    "a misspelt service": ("scale.yml", ["frontned=6"], "frontend, imagebackend, not frontned"),
    "no work": ("maintenance.yml", ["do=rebot"], "do=rebot: there is no such work"),
    "nobody is dead": ("site.yml", ["dead=true"], "dead: this word is not read by site.yml"),
}


@pytest.mark.fault("A8", "A1")
@pytest.mark.parametrize(("playbook", "words", "piece"), UNNAMED.values(), ids=UNNAMED)
def test_what_is_not_named_is_refused_before_a_host_is_looked_at(
    tmp_path: Path, playbook: str, words: list[str], piece: str
) -> None:
    options = [option for word in words for option in ("-e", word)]
    refused_first(run(tmp_path, playbook, *options), [piece])


@pytest.mark.parametrize(
    ("playbook", "options", "piece"),
    [
        ("doctor.yml", ["--limit", "n1"], "leaves out n4"),
        ("teardown.yml", ["-e", "confirm=monsterstack", "--tags", "x"], "has no parts"),
        ("site.yml", ["--skip-tags", "images"], "a release needs its images"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
@pytest.mark.fault("B8", "C2")
def test_options_that_leave_out_the_judges(
    tmp_path: Path, playbook: str, options: list[str], piece: str
) -> None:
    refused_first(run(tmp_path, playbook, *options), [piece])


@pytest.mark.parametrize(
    "options",
    [
        ["--start-at-task", "Log in at the registry"],
        ["--skip-tags", "always"],
        ["--skip-tags", "tagged"],
    ],
    ids=lambda value: value[1],
)
@pytest.mark.fault("C2")
def test_options_that_pass_over_every_judge(tmp_path: Path, options: list[str]) -> None:
    done = run(tmp_path, "site.yml", *options)
    assert done.returncode != 0, done.stdout
    assert "PLAY [" not in done.stdout
    assert f"{' '.join(options[:1])}" in done.stdout
    assert "Leave it away" in done.stdout


# Each row: a playbook, a word that it does not read, what the refusal says of it.
UNREAD: dict[str, tuple[str, str, str]] = {
    "another release": ("rollback.yml", "tag=2.0", "It belongs to lint.yml,"),
    "another node": ("backup.yml", "node=n1", "It belongs to maintenance.yml, node_remove.yml,"),
    "a machine that is left out": ("site.yml", "dead=true", "It belongs to node_remove.yml."),
    "nothing is looked at": ("audit.yml", "report=x", "It belongs to doctor.yml."),
}


@pytest.mark.fault("A8")
@pytest.mark.parametrize(("playbook", "word", "piece"), UNREAD.values(), ids=UNREAD)
def test_a_word_that_nothing_reads_is_refused(
    tmp_path: Path, playbook: str, word: str, piece: str
) -> None:
    done = run(tmp_path, playbook, "-e", word)
    refused_first(done, [f"{word.split('=')[0]}: this word is not read by {playbook}", piece])


@pytest.mark.fault("A8")
def test_playbooks_of_others_pass_on_what_ours_read(tmp_path: Path) -> None:
    """What is typed is for all that is run, through a playbook of somebody else's too."""
    first = f"[{{'import_playbook': '{PROJECT}/rolling_update.yml'}}]"
    (tmp_path / "first.yml").write_text(first)
    own = {"hosts": "localhost", "gather_facts": False, "tasks": []}
    imports = [{"import_playbook": "first.yml"}, {"import_playbook": "monsterstack.swarm.status"}]
    (tmp_path / "mine.yml").write_text(json.dumps([own, *imports]))
    words = json.dumps(
        {"tag": "2", "page": str(tmp_path / "x"), "release": 3, "mine": 1, "table": "t"}
    )
    given = {"other_variables": ["table"]}
    done = run(tmp_path, tmp_path / "mine.yml", "-e", words, **given)
    refused_first(done, ["release: this word is not read by rolling_update.yml and status.yml"])
    assert "table:" not in done.stdout
    assert "tag:" not in done.stdout
    assert "page:" not in done.stdout


@pytest.mark.fault("A8")
@pytest.mark.parametrize("word", ["stacks_dir", "credentials_dir"])
@pytest.mark.parametrize("value", ["", "{{ lookup('ansible.builtin.pipe', 'touch MADE') }}"])
def test_folders_are_taken_as_they_are(tmp_path: Path, word: str, value: str) -> None:
    made = tmp_path / "made"
    given = {word: value.replace("MADE", str(made))}
    done = run(tmp_path, "site.yml", "-e", json.dumps(given))
    assert done.returncode != 0
    assert "Look at each host once" not in done.stdout
    what = "its value has braces" if value else "it was given without a value"
    assert f"{word}: {what}" in " ".join(done.stdout.split())
    assert not made.exists()
    if not value:
        done = run(
            tmp_path / "inherited",
            "audit.yml" if word == "credentials_dir" else "site.yml",
            **given,
        )
        assert f"{word}: {what}" in " ".join(done.stdout.split()), done.stdout


@pytest.mark.fault("A8")
def test_replicas_are_typed_never_inherited(tmp_path: Path) -> None:
    done = run(tmp_path, "scale.yml", frontend=9)
    refused_first(done, ["Say how many replicas of which service"])
    done = run(tmp_path / "both", "scale.yml", "-e", "frontend=none", frontend=9, imagebackend=8)
    refused_first(done, ["frontend=none is no number of replicas"])
    assert "imagebackend=8" not in done.stdout


@pytest.mark.fault("C7")
@pytest.mark.parametrize(
    ("playbook", "word"), [("node_remove.yml", "node"), ("restore.yml", "archive")]
)
def test_a_number_is_no_name(tmp_path: Path, playbook: str, word: str) -> None:
    done = run(tmp_path, playbook, "-e", json.dumps({word: 5}))
    refused_first(done, [f"{word}: 5 cannot be its value", "Write a text: in JSON"])
