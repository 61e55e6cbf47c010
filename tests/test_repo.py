"""Gates over the tree itself: what a reader may rely on without looking.

They read the files that git tracks or would track, so a forgotten file in a working tree counts.
"""

from __future__ import annotations

import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible.galaxy.dependency_resolution.versioning import meets_requirements

ROOT = Path(__file__).resolve().parents[1]
ROLES = sorted(path.parent.name for path in ROOT.glob("roles/*/tasks"))
PLAYBOOKS = sorted(path.name for path in ROOT.glob("playbooks/*.yml"))


def project_files() -> list[Path]:
    """Tracked files and new ones that git does not ignore, without links, relative to ROOT."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    paths = [Path(name) for name in listed.split("\0") if name]
    return [path for path in paths if (ROOT / path).is_file() and not (ROOT / path).is_symlink()]


FILES = project_files()


def text_of(path: Path) -> str:
    """The file's text; bytes that are no UTF-8 (pictures) become replacement characters."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def load(name: str) -> Any:
    """The YAML document in the file of that name."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_there_is_something_to_check() -> None:
    """A parametrised test without parameters would only be skipped."""
    assert ROLES
    assert PLAYBOOKS
    assert len(FILES) > 50


def test_the_tree_finds_itself_as_a_collection() -> None:
    galaxy = load("galaxy.yml")
    link = ROOT / "collections/ansible_collections" / galaxy["namespace"] / galaxy["name"]
    assert link.is_symlink()
    assert str(link.readlink()) == "../../.."
    assert link.resolve() == ROOT


@pytest.mark.parametrize("role", ROLES)
def test_defaults_agree_with_the_argument_spec(role: str) -> None:
    """Optional inputs have a default, required ones stand there commented out; that is all."""
    source = (ROOT / "roles" / role / "defaults/main.yml").read_text(encoding="utf-8")
    defaults: dict[str, Any] = yaml.safe_load(source) or {}
    spec = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]
    options: dict[str, dict[str, Any]] = spec.get("options", {})
    required = {name for name, option in options.items() if option.get("required")}
    assert set(defaults) == set(options) - required
    shown = set(re.findall(r"^# ?(\w+):", source, flags=re.MULTILINE))
    assert required <= shown, f"not commented out in defaults: {sorted(required - shown)}"
    stated = {name: o["default"] for name, o in options.items() if "default" in o}
    assert stated == {name: defaults[name] for name in stated}
    assert not [name for name in options if not name.startswith(f"{role}_")]
    assert not [name for name, option in options.items() if not option.get("description")]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_explains_itself(role: str) -> None:
    readme = ROOT / "roles" / role / "README.md"
    assert readme.is_file(), f"write {readme.relative_to(ROOT)}"
    assert f"roles/{role}" in text_of(Path("README.md")), "the README does not list this role"


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_the_readme_lists_the_playbook(playbook: str) -> None:
    listed = re.findall(r"[\w-]+\.yml", text_of(Path("README.md")))
    assert playbook in listed, "the README does not list this playbook"


def test_root_playbooks_are_thin_wrappers_by_path() -> None:
    """An import by collection name may pick up a stale installed copy."""
    for name in ("site.yml", "rolling_update.yml"):
        imports = [play["ansible.builtin.import_playbook"] for play in load(name)]
        assert imports == [f"playbooks/{name}"]


def test_the_version_has_release_notes() -> None:
    """Every version is either released in changelogs/changelog.yaml or has fragments waiting."""
    version = load("galaxy.yml")["version"]
    history = ROOT / "changelogs/changelog.yaml"
    released = load("changelogs/changelog.yaml")["releases"] if history.exists() else {}
    fragments = sorted((ROOT / "changelogs/fragments").glob("*.yml"))
    assert (version in released) != bool(fragments)


def test_dependencies_are_said_once_and_used() -> None:
    dependencies: dict[str, str] = load("galaxy.yml")["dependencies"]
    galaxy_users = load("requirements.yml")["collections"]
    assert {entry["name"]: entry["version"] for entry in galaxy_users} == dependencies
    content = "".join(
        text_of(path)
        for path in FILES
        if path.parts[0] in ("roles", "playbooks", "plugins", "stacks")
    )
    used = set(
        re.findall(r"\b((?:community|ansible|containers)\.(?!builtin\b)[a-z]\w+)\.", content)
    )
    used -= {"ansible.module_utils", "ansible.errors", "ansible.plugins", "ansible.utils"}
    used -= {"ansible.template", "ansible.parsing", "ansible.playbook"}
    assert used == set(dependencies)


SCENARIO_ROW = re.compile(r"^\| `(\w+)` \|.*\| ([0-9a-f]{7,40}|-) \|[^|]*\|$", re.M)
CLAIM = re.compile(
    r"(in one go|never ran|not (yet )?run on machines|has not run|not run as a whole|not run again)"
)


@pytest.mark.fault("C20")
def test_one_page_says_which_scenario_passed_and_names_all_of_them() -> None:
    rows = SCENARIO_ROW.findall(text_of(Path("docs/measurements.md")))
    scenarios = {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")}
    assert {name for name, _commit in rows} == scenarios
    assert len(rows) == len(scenarios)


def test_the_labs_of_all_inventories_can_run_side_by_side() -> None:
    found: dict[str, str] = {}
    for file in sorted(ROOT.glob("*/*/**/lab.yml")):
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
        for key in ("lab_name", "lab_subnet", "lab_private_subnet"):
            value = f"{key}: {settings.get(key)}"
            if key in settings:
                assert value not in found, f"{file} and {found[value]} both have {value}"
                found[value] = str(file)
    assert len(found) > 20


@pytest.mark.fault("C20")
def test_no_other_page_says_which_scenario_ran() -> None:
    pages = [path for path in FILES if path.suffix == ".md" and path.name != "measurements.md"]
    found = [
        f"{path}: {line}"
        for path in pages
        for line in text_of(path).split("\n")
        if CLAIM.search(line)
    ]
    assert found == []


BOUNDS = {"4.8.5": False, "4.8.7": True, "5.0.2": False, "5.0.6": True, "5.4.0": True}


@pytest.mark.fault("C19")
@pytest.mark.parametrize(("version", "taken"), BOUNDS.items(), ids=BOUNDS)
def test_galaxy_brings_a_community_docker_for_docker_29(version: str, taken: bool) -> None:
    wanted = load("galaxy.yml")["dependencies"]["community.docker"]
    assert meets_requirements(version, wanted) is taken


@pytest.mark.fault("C19")
def test_what_the_oldest_community_docker_does_wrong_changes_nothing() -> None:
    """requirements.in: 4.8.5 calls each pulled image changed, with Docker 29.2 and newer."""
    pulling = [str(path) for path in FILES if "docker_image_pull:" in text_of(path)]
    assert [path for path in pulling if path.endswith(".yml")] == [
        "roles/images/tasks/build_one.yml"
    ]


def test_the_oldest_ansible_is_the_one_that_is_tested() -> None:
    oldest = re.search(r"^ansible-core==(\d+\.\d+)\.\d+ ; python_full_version < ", lock(), re.M)
    assert oldest is not None
    assert load("meta/runtime.yml")["requires_ansible"] == f">={oldest[1]}.0"


def lock(name: str = "requirements.txt") -> str:
    """The text of a lock file."""
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("wanted", sorted(str(path) for path in FILES if path.suffix == ".in"))
def test_locks_hold_what_is_wanted(wanted: str) -> None:
    """Each requirement is in the lock, at its pin where it has one, and all have hashes."""
    locked = lock(str(Path(wanted).with_suffix(".txt")))
    names = {
        canonical(match[1])
        for match in re.finditer(r"^([\w.-]+)(?:\[.*?\])?==", locked, flags=re.MULTILINE)
    }
    for line in lock(wanted).splitlines():
        requirement = line.split("#")[0].strip()
        if not requirement or requirement.startswith("-"):
            continue
        match = re.match(r"([\w.-]+)", requirement)
        assert match is not None, requirement
        assert canonical(match[1]) in names, f"{requirement}: make the lock anew"
        pin = re.match(r"[\w.-]+==([\w.]+)", requirement)
        assert pin is None or pin[0] in locked, f"{requirement}: make the lock anew"
    blocks = re.split(r"^(?=[\w.-]+(?:\[.*?\])?==)", locked, flags=re.MULTILINE)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)


def canonical(name: str) -> str:
    """The spelling of a Python package's name that PEP 503 makes comparable."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_scripts_can_be_called() -> None:
    """Ansible's own modules have a first line too, but nobody calls them."""
    scripts = [
        path for path in FILES if text_of(path).startswith("#!") and path.parts[0] != "plugins"
    ]
    assert Path("bin/test") in scripts
    assert not [path for path in scripts if not (ROOT / path).stat().st_mode & stat.S_IXUSR]


# In two pieces each, so that this file is none of those that it looks for.
PACKAGE_HOSTS = [
    "".join(pieces)
    for pieces in (
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("deb.de", "bian.org"),
        ("security.de", "bian.org"),
        ("snapshot.de", "bian.org"),
        ("ftp.de", "bian.org"),
        ("npm", "js.org"),
        ("npm", "js.com"),
        ("yarn", "pkg.com"),
        ("galaxy.ansi", "ble.com"),
        ("download.dock", "er.com"),
        ("archive.ub", "untu.com"),
        ("proxy.go", "lang.org"),
        ("index", "-url"),
        ("trusted", "-host"),
    )
]


@pytest.mark.parametrize("host", PACKAGE_HOSTS)
def test_no_package_registry_is_named(host: str) -> None:
    """Every machine has its own way to packages: apt's and pip's settings, never ours."""
    assert not [str(path) for path in FILES if host in text_of(path).lower()]


def test_linters_skip_nothing() -> None:
    settings = load(".ansible-lint")
    assert settings["profile"] == "production"
    assert settings["skip_list"] == settings["warn_list"] == []
    others = [".hadolint.yaml", ".shellcheckrc", ".ansible-lint-ignore", "tests/sanity"]
    assert not [name for name in others if (ROOT / name).exists()]


YAML_FILES = [path for path in FILES if path.suffix in (".yml", ".yaml")]


def test_exceptions_from_the_linter_have_a_reason_above() -> None:
    bare = []
    for path in YAML_FILES:
        lines = text_of(path).splitlines()
        for number, line in enumerate(lines):
            if "# noqa" in line and not lines[number - 1].lstrip(" -").startswith("#"):
                bare.append(f"{path}:{number + 1}")
    assert not bare


def test_no_task_hides_its_failure() -> None:
    # The words stand here because this is the check that forbids them.
    hiding = re.compile(
        r"^\s*(ignore_errors:|ignore_unreachable:|failed_when: *(false|no)\b)", re.M
    )
    assert not [str(path) for path in YAML_FILES if hiding.search(text_of(path))]


def tasks_in(part: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a YAML document: tasks, and the blocks and plays they stand in."""
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from tasks_in(inner)


def tasks_of(*folders: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every mapping of every YAML file of these folders, with its file."""
    for path in YAML_FILES:
        if path.parts[0] in folders:
            yield from ((path, task) for task in tasks_in(load(str(path))))


def test_no_loop_chooses_the_files_of_tasks() -> None:
    # Ansible runs such files in the order of the first host that answers, for every host.
    chosen = []
    for path, task in tasks_of("roles", "playbooks"):
        file = task.get("ansible.builtin.include_tasks")
        if "loop" in task and "{{" in str(file):
            chosen.append(f"{path}: {file}")
    assert not chosen


@pytest.mark.fault("A8")
def test_what_is_included_has_the_tags_of_its_include() -> None:
    """`tags` at an include are its own: with --tags it runs, and skips all tasks that it brings."""
    bare = []
    for path, task in tasks_of("roles", "playbooks"):
        for kind in ("include_tasks", "include_role"):
            given = task.get(f"ansible.builtin.{kind}")
            applied = given.get("apply", {}) if isinstance(given, dict) else {}
            if given and task.get("tags", []) != applied.get("tags", []):
                bare.append(f"{path}: {task['name']}")
    assert not bare


@pytest.mark.fault("P4")
def test_no_task_of_four_words_stands_twice() -> None:
    """A new word would have to be added in each: such a task is a file that others import."""
    places: dict[str, list[str]] = {}
    for path, task in tasks_of("roles", "playbooks"):
        for key, words in task.items():
            if "." in str(key) and isinstance(words, dict) and len(words) >= 4:
                places.setdefault(f"{key} {words}", []).append(str(path))
    assert not [where for where in places.values() if len(where) > 1]


@pytest.mark.fault("P4")
def test_a_process_that_outlives_its_task_has_one_owner() -> None:
    files = [path for path in FILES if path.suffix == ".py" and path.parts[0] == "plugins"]
    forks = [str(path) for path in files if "os.fork(" in text_of(path)]
    assert forks == ["plugins/module_utils/daemon.py"]


def texts_in(part: Any) -> Iterator[str]:
    """Every text in a YAML document."""
    if isinstance(part, str):
        yield part
    for inner in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from texts_in(inner)


@pytest.mark.fault("C1")
def test_no_line_break_is_printed_as_two_letters() -> None:
    """A line break in Jinja's quotes is one only in a text that YAML has in double quotes."""
    letters = [
        f"{path}: {text}"
        for path in YAML_FILES
        if path.parts[0] in ("roles", "playbooks")
        for text in texts_in(load(str(path)))
        if "{{" in text and r"\n" in text
    ]
    assert not letters


@pytest.mark.fault("A9")
def test_no_module_calls_what_loses_output() -> None:
    """Ansible's run_command does, where a program takes more than a second: commands.py."""
    callers = [path for path in project_files() if path.parts[0] == "plugins"]
    assert not [str(path) for path in callers if ".run_command(" in text_of(path)]


@pytest.mark.fault("C10")
def test_no_list_loses_its_order() -> None:
    """Ansible's set filters go through Python's sets: another order in each run."""
    mixed = [
        f"{path}: {text}"
        for path in YAML_FILES
        if path.parts[0] in ("roles", "playbooks", "inventory")
        for text in texts_in(load(str(path)))
        if re.search(r"\b(union|difference|intersect|symmetric_difference)\(", text)
    ]
    assert not mixed


@pytest.mark.fault("A2")
def test_no_task_posts_a_part_of_the_swarms_settings() -> None:
    """docker_swarm posts what it is given as the whole: only where a swarm is made, by init.

    Docker lays what comes with an init, also with --force-new-cluster, over the present settings.
    """
    makers = {"roles/swarm/tasks/init.yml", "roles/swarm/tasks/recover.yml"}
    posting = {
        str(path)
        for path, task in tasks_of("roles", "playbooks", "molecule", "lab")
        if isinstance(given := task.get("community.docker.docker_swarm"), dict)
        and given.get("state", "present") == "present"
    }
    assert posting == makers


@pytest.mark.fault("A2")
def test_whatever_posts_a_spec_reads_it_first() -> None:
    """One place posts the Spec of the swarm, of a node or of a service: swarm_api.update."""
    posting = [
        str(path)
        for path in FILES
        if path.parts[0] == "plugins" and re.search(r"/update[\"'?]", text_of(path))
    ]
    assert posting == ["plugins/module_utils/swarm_api.py"]


def test_links_in_documents_lead_somewhere() -> None:
    dead = []
    for path in FILES:
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)", text_of(path)):
            if "://" not in target and not (ROOT / path.parent / target).exists():
                dead.append(f"{path}: {target}")
    assert not dead


@pytest.mark.fault("C1")
def test_the_table_of_faults_names_tests_that_there_are() -> None:
    named = re.findall(r"(test_\w+\.py)::(test_\w+)", text_of(Path("docs/faults.md")))
    there: dict[str, list[str]] = {}
    for folder in ("tests", "molecule"):
        for path in (ROOT / folder).glob("**/test_*.py"):
            found = re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
            there[path.name] = there.get(path.name, []) + found
    assert len(named) > 100
    assert not [f"{file}::{name}" for file, name in named if name not in there.get(file, [])]


def test_text_for_people_has_one_owner() -> None:
    """A callback shows texts as JSON, a failure's even twice; monsterstack.swarm.say does not."""
    wrong = []
    for path, task in tasks_of("roles", "playbooks"):
        # What these fail with is shown twice, quoted and wrapped.
        for module in ("debug", "fail", "assert"):
            if f"ansible.builtin.{module}" in task:
                wrong.append(f"{path}: {module}")
    for path in FILES:
        if path.parts[:2] in (("plugins", "modules"), ("plugins", "action")):
            found = re.findall(r'(?:msg=|"msg": |AnsibleActionFail\()[^\n]*\\n.*', text_of(path))
            wrong += [f"{path}: {line}" for line in found]
    assert not wrong, "use monsterstack.swarm.say, with refuse: true where it is a refusal"


# Parts of playbooks: alone they find nobody to work on.
PARTS = ("command_line.yml", "in_turn.yml", "release.yml")


@pytest.mark.parametrize("playbook", [name for name in PLAYBOOKS if name not in PARTS])
@pytest.mark.fault("A8")
def test_a_playbook_begins_with_the_command_line(playbook: str) -> None:
    """What was typed is judged before any word of it is used, so nothing may stand before that."""
    first = playbook
    while first != "command_line.yml":
        play = load(f"playbooks/{first}")[0]
        assert "ansible.builtin.import_playbook" in play, f"{first} begins with another play"
        first = play["ansible.builtin.import_playbook"]
    (judge,) = load("playbooks/command_line.yml")
    assert not set(judge) & {"vars_files", "vars", "roles", "pre_tasks"}
    assert judge["hosts"] == "{{ lookup('monsterstack.swarm.judged_on') }}"


@pytest.mark.fault("A8")
def test_every_word_is_in_the_table() -> None:
    """A word that is not in the table is neither checked nor kept out of the inventory."""
    common = load("playbooks/vars/common.yml")
    words = set(common["__words"])
    assert "{{" not in str(common["__words"])
    # `scale.yml -e frontend=6` takes services' names.
    known = words | {"frontend"}
    inputs = tuple(f"{role}_" for role in ROLES)
    unknown = []
    for path in FILES:
        if path.parts[0] in ("playbooks", "plugins", "roles", "docs") or path == Path("README.md"):
            for word in re.findall(r"-e ['\"]?(\w+)=", text_of(path)):
                if word not in known and not word.startswith(inputs):
                    unknown.append(f"{path}: -e {word}=")
    assert not unknown


TEMPLATES = jinja2.Environment()
EXPRESSIONS = ("when", "that", "until", "changed_when", "failed_when")


def variables(value: Any, bare: bool = False) -> set[str]:
    """The variables that the templates in a piece of YAML read; `bare`: it is an expression."""
    if isinstance(value, dict):
        pairs = value.items()
        return {found for key, one in pairs for found in variables(one, key in EXPRESSIONS)}
    if isinstance(value, list):
        return {found for one in value for found in variables(one, bare)}
    if not isinstance(value, str) or not (bare or "{{" in value):
        return set()
    text = value if "{{" in value else f"{{{{ {value} }}}}"
    return {name.name for name in TEMPLATES.parse(text).find_all(jinja2.nodes.Name)}


def read_by(playbook: str) -> set[str]:
    """The variables that a playbook and all it imports and includes read, common.yml among it."""
    common = load("playbooks/vars/common.yml")
    files: set[str] = set()
    names: set[str] = set()
    rest = [playbook]
    while rest:
        path = rest.pop()
        if path not in files:
            files.add(path)
            names |= variables(load(f"playbooks/{path}"))
            text = text_of(Path("playbooks", path))
            rest += re.findall(r"import_playbook: (\S+)", text)
            rest += re.findall(r"\btasks/\w+[.]yml", text)
    rest = sorted(names)
    while rest:
        more = variables(common.get(rest.pop())) - names
        names |= more
        rest += sorted(more)
    return names


@pytest.mark.fault("A8")
def test_the_table_says_which_playbook_reads_a_word() -> None:
    """What a playbook's own plays read are its words; it takes none that nothing of it reads."""
    words = load("playbooks/vars/common.yml")["__words"]
    played = [name for name in PLAYBOOKS if name not in (*PARTS, "survey.yml")]
    table = {
        playbook: {name for name, word in words.items() if playbook in word.get("playbooks", ())}
        for playbook in played
    }
    assert {name for word in words.values() for name in word.get("playbooks", ())} == set(played)
    assert not [
        name for name, word in words.items() if ("playbooks" in word) == ("inventory" in word)
    ]
    settings = {name for name, word in words.items() if "inventory" in word}
    for playbook, taken in table.items():
        assert taken <= read_by(playbook), playbook
        assert variables(load(f"playbooks/{playbook}")) & set(words) - settings <= taken, playbook


@pytest.mark.fault("A5")
def test_the_data_port_has_one_owner() -> None:
    """In Python wire.py, in YAML the input of the role that makes the Swarm; others ask them."""
    parts = ("plugins", "playbooks", "roles")
    naming = {str(path) for path in FILES if path.parts[0] in parts and "4789" in text_of(path)}
    assert naming == {
        "plugins/module_utils/wire.py",
        "roles/swarm/defaults/main.yml",
        "roles/swarm/meta/argument_specs.yml",
    }
