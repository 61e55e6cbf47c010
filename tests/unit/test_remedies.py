"""What an operator is advised to type: every command is known, with what shows that it is safe.

Commands are collected from the texts of the sources (findings, refusals, reports) and the docs.
What is said to read only is read here: a command by its name, a playbook by its tasks.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.playing import ansible_playbook

ROOT = Path(__file__).resolve().parents[2]
REMEDIES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "tests/unit/remedies.yml").read_text())
PLAYBOOKS = {path.name for path in ROOT.glob("playbooks/*.yml")} | {"site.yml"}
# Keys of tasks, and of findings built in YAML, whose texts people read.
SPOKEN = ("fail_msg", "lines", "msg", "problem", "remedy")
DOCUMENTATION = ("DOCUMENTATION", "EXAMPLES", "RETURN")
KINDS = "node|service|swarm|config|secret|volume|network|system|stack|image|container"
VERBS = (
    "rm|ls|ps|df|prune|demote|promote|update|leave|join|init|ca|unlock-key|unlock|save|load|info|stats|"
    "commit|kill|stop|restart|inspect|logs|scale|rollback|deploy|create|pull|push|tag|login"
)
FLAGS = r"(?: (?:--(?:force|rotate|all|volumes|label-add|label-rm)\b|-[afv]+\b))*"
DOCKER = re.compile(rf"\bdocker (?:(?:{KINDS}) )?(?:{VERBS})\b{FLAGS}")
# What is run in a container is the command there.
EXEC = re.compile(r"\bdocker exec (?:-\w+ )*[\w…]+ (\w+)|\b(docker exec)\b(?! (?:-\w+ )*[\w…]+ \w)")
SHELL = re.compile(
    r"\b(?:systemctl (?:re)?(?:start|stop|load) docker|journalctl -u docker|rm -\w+|rmdir|mkfs|"
    r"dd if|truncate|cp -a|iptables -[FX]|nft flush)\b"
)
PLAYBOOK = re.compile(r"\b([a-z_]+[.]yml)\b")
# What takes something away, or does not ask.
WEIGHTY = re.compile(
    r"--(force|rotate|all|volumes)|\b(rm|rmdir|prune|leave|restart|stop)\b|--label|cp -a|"
    r"-e (aside|data|dead|force|new_credentials|release_lock|confirm|volumes|swarm|without)\b"
)
# Words of the command line; those that are weighty also without `-e` before them.
WORD = re.compile(
    r"(?:-e ['\"{ ]*([a-z_]+)=|(?<![\w-])(aside|data|dead|force|new_credentials|volumes|swarm)="
    r"(?=true|lost))(lost)?"
)


def commands(text: str) -> Iterator[str]:
    """The commands in a text, without what differs from case to case."""
    yield from DOCKER.findall(text)
    yield from (f"docker exec {what}".strip() for what, _bare in EXEC.findall(text))
    yield from SHELL.findall(text)
    yield from (name for name in PLAYBOOK.findall(text) if name in PLAYBOOKS)
    for typed, bare, value in WORD.findall(text):
        yield f"-e {typed or bare}={value}".rstrip("=")


def texts_of_python(path: Path) -> Iterator[str]:
    """The strings of a source, without documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):  # a docstring
            left_out.add(id(node.value))
        if isinstance(node, ast.Assign):
            names = {getattr(target, "id", "") for target in node.targets}
            if names & set(DOCUMENTATION):
                left_out |= {id(inner) for inner in ast.walk(node)}
        if isinstance(node, ast.JoinedStr):
            # The pieces of one text, with a hole where a value stands: `docker node rm {id}`.
            left_out |= {id(piece) for piece in node.values}
            yield "".join(str(getattr(piece, "value", "…")) for piece in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in left_out:
            yield str(node.value)


def texts_of_yaml(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key in SPOKEN:
                yield str(value)
            yield from texts_of_yaml(value)
    if isinstance(part, list):
        for one in part:
            yield from texts_of_yaml(one)


def collected() -> dict[str, set[str]]:
    """The files that advise each command."""
    found: dict[str, set[str]] = {}
    for path in sorted(ROOT.glob("plugins/**/*.py")):
        for text in texts_of_python(path):
            for command in commands(text):
                found.setdefault(command, set()).add(str(path.relative_to(ROOT)))
    for path in sorted([*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]):
        for text in texts_of_yaml(yaml.safe_load(path.read_text(encoding="utf-8"))):
            for command in commands(text):
                found.setdefault(command, set()).add(str(path.relative_to(ROOT)))
    for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]:
        for command in commands(path.read_text(encoding="utf-8")):
            found.setdefault(command, set()).add(str(path.relative_to(ROOT)))
    return found


def test_every_remedy_is_known() -> None:
    """Add a command to remedies.yml with the test that obeys it on a cluster with data."""
    found = collected()
    assert "site.yml" in found
    assert "docker swarm leave --force" in found
    missing = {command: sorted(by) for command, by in found.items() if command not in REMEDIES}
    assert not missing


def test_no_remedy_is_left_over() -> None:
    assert not set(REMEDIES) - set(collected())


@pytest.mark.fault("point2")
@pytest.mark.parametrize("command", sorted(REMEDIES))
def test_what_shows_that_a_remedy_is_safe_exists(command: str) -> None:
    entry = REMEDIES[command]
    (kind,) = {*entry} - {"where"}
    if kind == "reads":
        assert entry["reads"] is True
        assert command in READING or (command in PLAYBOOKS and not changing(command))
        return
    assert kind in ("test", "destroys", "compared")
    file, name = entry[kind].split("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.fault("point2")
def test_what_takes_something_away_stands_only_where_it_was_weighed() -> None:
    """Another place needs another proof: add it to `where` with the test that obeys it there."""
    found = collected()
    weighty = {command for command in found if WEIGHTY.search(command)}
    assert weighty == {command for command, entry in REMEDIES.items() if "where" in entry}
    assert {c: sorted(found[c]) for c in weighty} == {c: REMEDIES[c]["where"] for c in weighty}


@pytest.mark.fault("point2")
def test_no_message_advises_what_destroys_on_purpose() -> None:
    found = collected()
    apart = {c for c, entry in REMEDIES.items() if {"destroys", "compared"} & set(entry)}
    said = {file for command in apart for file in found[command]}
    assert all(file.endswith(".md") for file in said), said


# What is said to read only

READING = frozenset(
    (
        "docker config inspect",
        "docker exec cat",
        "docker info",
        "docker inspect",
        "docker node inspect",
        "docker node ls",
        "docker ps",
        "docker service ls",
        "docker service ps",
        "docker stats",
        "docker swarm unlock-key",
        "docker system df",
        "journalctl -u docker",
    )
)
# Modules of ansible-core that change nothing on a host, and those that may write on the controller.
INCLUDE = {"import_tasks", "include_tasks"}
PURE = {"add_host", "assert", "async_status", "fail", "meta", "set_fact", *INCLUDE}
ON_CONTROLLER = {"copy", "file"}
STATE_READ = {"stack_lock", "stack_release"}  # with state=read
KEYWORDS = frozenset(
    [
        "name",
        "when",
        "vars",
        "register",
        "tags",
        "loop",
        "loop_control",
        "run_once",
        "delegate_to",
        "become",
        "until",
        "retries",
        "delay",
        "check_mode",
        "changed_when",
        "async",
        "poll",
        "ignore_unreachable",
        "block",
        "rescue",
        "always",
    ]
)
# A private variable that a playbook sets where it means to do more than look.
UNLESS_SET = re.compile(r"^(?:not )?(__\w+) [|] default[(](?:false|'')[)](?: != '')?(?= and |$)")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def skipped(task: dict[str, Any], known: set[str]) -> bool:
    """Whether a task does nothing while these private variables and no word of `-e` are given."""
    for text in task["when"] if isinstance(task.get("when"), list) else [task.get("when", "")]:
        found = UNLESS_SET.match(str(text))
        if found and not str(text).startswith("not ") and found[1] not in known:
            return True
        if re.fullmatch(r"\w+ is defined", str(text)) and str(text).split()[0] in WORDS:
            return True
    return False


def changing(playbook: str, known: frozenset[str] = frozenset()) -> list[str]:
    """The tasks of a playbook that may change a host, typed without further words."""
    found: list[str] = []
    groups: set[str] = set()
    for play in load(ROOT / "playbooks" / playbook):
        if imported := play.get("ansible.builtin.import_playbook"):
            found += changing(imported, known | frozenset(play.get("vars", {})))
            continue
        needed = re.search(r"'(\w+)' in groups", play["hosts"])
        if needed and needed[1] not in groups:
            continue
        here = play.get("connection") == "local" or play["hosts"] == "localhost"
        found += [f"{playbook}: the role {role}" for role in play.get("roles", [])]
        inside = {*known, *play.get("vars", {})}
        for part in ("pre_tasks", "tasks", "post_tasks", "handlers"):
            found += changing_tasks(play.get(part, []), playbook, inside, here, groups)
    return found


def changing_tasks(
    tasks: list[dict[str, Any]], file: str, known: set[str], here: bool, groups: set[str]
) -> list[str]:
    found: list[str] = []
    for task in tasks:
        if skipped(task, known):
            continue
        for part in ("block", "rescue", "always"):
            found += changing_tasks(task.get(part, []), file, known, here, groups)
        modules = set(task) - KEYWORDS
        for module in modules:
            args, short = task[module], module.rpartition(".")[2]
            if short in INCLUDE:
                name = args["file"] if isinstance(args, dict) else args
                if "{{" in name:
                    found.append(f"{file}: {name}")
                    continue
                path = ROOT / "playbooks" / ("" if "tasks/" in name else "tasks") / name
                found += changing_tasks(load(path), str(name), known, here, groups)
            if short == "add_host":
                groups |= set(args["groups"])
            local = here or task.get("delegate_to") == "localhost"
            if not harmless(module, short, args, local):
                found.append(f"{file}: {task.get('name')}")
    return found


def harmless(module: str, short: str, args: Any, local: bool) -> bool:
    if module == f"ansible.builtin.{short}":
        return short in PURE or (local and short in ON_CONTROLLER)
    if module != f"monsterstack.swarm.{short}":
        return False
    if short in STATE_READ and args.get("state") == "read":
        return True
    sources = [ROOT / "plugins" / kind / f"{short}.py" for kind in ("modules", "action")]
    texts = [path.read_text(encoding="utf-8") for path in sources if path.exists()]
    return bool(texts) and not any(REPORTS_CHANGE.search(text) for text in texts)


REPORTS_CHANGE = re.compile(r"changed(?:=|\": )(?!False\b)")
WORDS = load(ROOT / "playbooks/vars/common.yml")["__words"]
# Each row: a task, and whether it counts as one that may change a host.
TASKS: dict[str, tuple[dict[str, Any], bool]] = {
    "a look": ({"monsterstack.swarm.host_info": {}}, False),
    "a lock": ({"monsterstack.swarm.stack_lock": {"state": "taken"}}, True),
    "the locks": ({"monsterstack.swarm.stack_lock": {"state": "read"}}, False),
    "a lock of a run that means to work": (
        {
            "monsterstack.swarm.stack_lock": {"state": "taken"},
            "when": "__locking | default('') != '' and x",
        },
        False,
    ),
    "the same, as this run does": (
        {"monsterstack.swarm.stack_lock": {"state": "taken"}, "when": "__used | default('') != ''"},
        True,
    ),
    "only with a word": (
        {"monsterstack.swarm.stack_lock": {"state": "freed"}, "when": "release_lock is defined"},
        False,
    ),
    "another condition": ({"ansible.builtin.reboot": {}, "when": "not x | default(false)"}, True),
    "a command": ({"ansible.builtin.command": "true"}, True),
    "a file of a host": ({"ansible.builtin.copy": {}}, True),
    "a file of the controller": (
        {"ansible.builtin.copy": {}, "delegate_to": "localhost"}, False
    ),
    "in a block": ({"block": [{"ansible.builtin.apt": {}}]}, True),
    "a role": ({"ansible.builtin.include_role": {"name": "x"}}, True),
    "a module that reports changes": ({"monsterstack.swarm.node_drain": {}}, True),
}  # fmt: skip


@pytest.mark.parametrize(("task", "counts"), TASKS.values(), ids=TASKS)
def test_which_tasks_may_change_a_host(task: dict[str, Any], counts: bool) -> None:
    assert bool(changing_tasks([task], "x", {"__used"}, False, set())) == counts


@pytest.mark.parametrize("playbook", ["site.yml", "maintenance.yml", "teardown.yml", "lint.yml"])
def test_who_works_is_not_taken_for_a_reader(playbook: str) -> None:
    assert changing(playbook)


@pytest.mark.fault("point2")
@pytest.mark.parametrize("playbook", ["in_turn.yml", "release.yml"])
def test_a_part_does_nothing_alone(playbook: str, tmp_path: Path) -> None:
    variables = {"ansible_connection": "local", "ansible_become": False}
    groups = {group: {"hosts": {f"{group[0]}1": variables}} for group in ("managers", "workers")}
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps(groups))
    done = ansible_playbook("-i", inventory, f"playbooks/{playbook}")
    assert done.returncode == 0, done.stdout
    assert "TASK [" not in done.stdout, done.stdout


TEXTS = {
    "holes": ("run 'docker swarm leave --force' on w1", ["docker swarm leave --force"]),
    "a sentence": ("docker stats shows who takes it", ["docker stats"]),
    "words": (
        "node_replace.yml -e node=w1 -e data=lost",
        ["node_replace.yml", "-e node", "-e data=lost"],
    ),
    "in a container": (
        "docker exec CONTAINER cat /x; docker exec -it c1 rm -rf /data",
        ["docker exec cat", "docker exec rm", "rm -rf"],
    ),
    "with flags": ("docker system prune --all --volumes", ["docker system prune --all --volumes"]),
    "none": ("Docker Engine; the compose.yml of a stack", []),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_commands_in_a_text(text: str, expected: list[str]) -> None:
    assert list(commands(text)) == expected
