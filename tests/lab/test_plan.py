"""The pure parts of the lab: reading an inventory, command lines, rules, recipes."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import host, plan, recipes
from lab.plan import Boot, LabError


def inventory(**changes: Any) -> dict[str, Any]:
    """Three machines as ansible-inventory prints them; changes: HOST__VARIABLE or a variable."""
    shared = {"lab_name": "t", "lab_subnet": "198.18.9.0/24", "lab_mirror": "198.18.9.1:5000"}
    hostvars: dict[str, dict[str, Any]] = {
        "m1": {**shared, "ansible_host": "198.18.9.11"},
        "w1": {**shared, "ansible_host": "198.18.9.21", "lab_memory": 500, "lab_disk": "20G"},
        "w2": {**shared, "ansible_host": "198.18.9.22", "lab_image": "bare"},
    }
    for name, value in changes.items():
        one, _, variable = name.rpartition("__")
        for target in [one] if one else hostvars:
            hostvars[target][variable] = value
    return {
        "_meta": {"hostvars": hostvars},
        "all": {"children": ["ungrouped", "managers", "workers"]},
        "managers": {"hosts": ["m1"]},
        "workers": {"hosts": ["w1", "w2"]},
    }


@pytest.fixture
def lab() -> plan.Lab:
    return plan.read_inventory(inventory(), "here")


def test_nodes_keep_the_inventorys_order_and_settings(lab: plan.Lab) -> None:
    assert [node.name for node in lab.nodes] == ["m1", "w1", "w2"]
    assert [(node.memory, node.disk, node.image) for node in lab.nodes] == [
        (1000, 8, "engine"),
        (500, 20, "engine"),
        (1000, 8, "bare"),
    ]
    assert (str(lab.gateway), str(lab.host_address)) == ("198.18.9.1", "198.18.9.254")
    assert lab.mirror_port == 5000


def test_a_host_in_two_groups_is_one_machine() -> None:
    doubled = inventory()
    doubled["workers"]["hosts"].append("m1")
    assert len(plan.read_inventory(doubled, "here").nodes) == 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"lab_name": "Lab"}, "lab_name is 'Lab'", id="name-capital"),
        pytest.param({"lab_name": "a" * 12}, "1 to 11", id="name-long"),
        pytest.param({"lab_subnet": "198.18.9.1/24"}, "must be a network", id="subnet-host-bits"),
        pytest.param({"lab_subnet": "198.18.9.0/30"}, "between a /16", id="subnet-small"),
        pytest.param({"lab_mirror": "198.18.8.1:5000"}, "198.18.9.1:5000", id="mirror-elsewhere"),
        pytest.param({"lab_mirror": "198.18.9.1"}, "and a port", id="mirror-no-port"),
        pytest.param({"w1__ansible_host": "w1.example"}, "must be an IPv4", id="address-name"),
        pytest.param({"w1__ansible_host": "198.18.8.2"}, "not in lab_subnet", id="address-outside"),
        pytest.param({"w1__ansible_host": "198.18.9.1"}, "needs itself", id="address-gateway"),
        pytest.param({"w1__ansible_host": "198.18.9.254"}, "needs itself", id="address-host"),
        pytest.param({"w1__ansible_host": "198.18.9.11"}, "m1 and w1 both", id="address-twice"),
        pytest.param({"w1__lab_memory": "1G"}, "256 to 65536 MB", id="memory-unit"),
        pytest.param({"w1__lab_memory": 100}, "256 to 65536 MB", id="memory-small"),
        pytest.param({"w1__lab_disk": "2G"}, "3G to 1000G", id="disk-small"),
        pytest.param({"w1__lab_disk": "8"}, "3G to 1000G", id="disk-no-unit"),
        pytest.param({"w1__lab_image": "gold"}, "engine and bare", id="image"),
        pytest.param({"lab_private_subnet": "ten"}, "like 10.66.0.0/24", id="private-subnet"),
        pytest.param({"lab_private_subnet": "198.18.0.0/16"}, "overlaps", id="private-overlap"),
        pytest.param({"w1__lab_private": "10.6.0.2"}, "no lab_private_subnet", id="private-alone"),
        pytest.param(
            {"lab_private_subnet": "10.6.0.0/24", "w1__lab_private": "10.7.0.2"},
            "in lab_private_subnet 10.6.0.0/24",
            id="private-outside",
        ),
        pytest.param(
            {
                "lab_private_subnet": "10.6.0.0/24",
                "m1__lab_private": "10.6.0.2",
                "w1__lab_private": "10.6.0.2",
            },
            "m1 and w1 both",
            id="private-twice",
        ),
    ],
)
def test_bad_inventory_is_one_clear_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LabError) as caught:
        plan.read_inventory(inventory(**changes), "here")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("here: ")


def test_all_faults_are_said_at_once() -> None:
    with pytest.raises(LabError) as caught:
        plan.read_inventory(inventory(m1__lab_memory=1, w1__lab_disk="x"), "here")
    assert len(str(caught.value).splitlines()) == 2


def test_an_empty_inventory_is_refused() -> None:
    with pytest.raises(LabError, match="here has no hosts"):
        plan.read_inventory({"_meta": {"hostvars": {}}, "all": {"children": []}}, "here")


def test_an_unknown_machine_is_refused_with_the_known_names(lab: plan.Lab) -> None:
    with pytest.raises(LabError, match=r"no machine 'w9'.*m1, w1, w2"):
        lab.node("w9")


def boot(**changes: Any) -> Boot:
    paths = {name: Path("/x", name) for name in ("program", "image", "modules", "seed", "disk")}
    return Boot(**{"seccomp": True, "uml_dir": Path("/x/uml"), **paths, **changes})


def test_command_line_names_disks_card_and_memory(lab: plan.Lab) -> None:
    words = plan.kernel_command(lab, lab.node("w1"), boot())
    assert words[0] == "/x/program"
    assert {"umid=t.w1", "mem=500M", "ubda=/x/disk,/x/image", "seccomp=on"} <= set(words)
    card = next(word for word in words if word.startswith("vec0:"))
    assert f"ifname={lab.node('w1').tap}," in card
    assert card.endswith("mac=02:4c:c6:12:09:15")
    assert "seccomp=on" not in plan.kernel_command(lab, lab.node("w1"), boot(seccomp=False))


def test_a_private_network_is_a_second_card_that_a_cut_cuts_too() -> None:
    changes = {f"{name}__lab_private": f"10.6.0.{n}" for n, name in enumerate(("m1", "w1"), 11)}
    lab = plan.read_inventory(inventory(lab_private_subnet="10.6.0.0/24", **changes), "here")
    m1, w1, w2 = lab.nodes
    words = plan.kernel_command(lab, w1, boot())
    card = next(word for word in words if word.startswith("vec1:"))
    assert f"ifname={w1.private_tap}," in card
    assert card.endswith("mac=02:4d:c6:12:09:15")
    assert "address add 10.6.0.12/24 dev eth1\n" in plan.network_batch(lab, w1)
    assert len(w1.private_tap) <= 15
    assert not [word for word in plan.kernel_command(lab, w2, boot()) if "vec1" in word]
    assert "eth1" not in plan.network_batch(lab, w2)
    inside, outside = f'"{w1.tap}", "{w1.private_tap}"', f'"{m1.tap}", "{m1.private_tap}"'
    assert f'iifname {{ {inside} }} oifname {{ {outside}, "{w2.tap}" }} drop' in plan.cut_rules(
        lab, [["w1"]]
    )


@pytest.mark.parametrize("character", [",", ":", " "])
def test_a_path_the_kernel_cannot_take_is_refused(lab: plan.Lab, character: str) -> None:
    with pytest.raises(LabError, match="MONSTERSTACK_CACHE"):
        plan.kernel_command(lab, lab.nodes[0], boot(disk=Path(f"/a{character}b/disk")))


def test_names_of_interfaces_fit_the_kernel() -> None:
    long = plan.read_inventory(inventory(lab_name="a" * 11), "here")
    assert len(long.link) <= 15
    assert all(len(node.tap) <= 15 for node in long.nodes)
    wide = inventory(lab_subnet="198.18.0.0/16", lab_mirror="198.18.0.1:5000")
    wide["_meta"]["hostvars"]["w2"]["ansible_host"] = "198.18.255.22"
    assert len({node.tap for node in plan.read_inventory(wide, "here").nodes}) == 3


@pytest.mark.parametrize(
    ("before", "cut", "joined", "after"),
    [
        pytest.param([], ["w1"], [], [["w1"]], id="one"),
        pytest.param([], ["w1", "w2"], [], [["w1", "w2"]], id="two-together"),
        pytest.param([["w1"]], ["w2"], [], [["w1"], ["w2"]], id="two-apart"),
        pytest.param([["w1", "w2"]], ["w2"], [], [["w1"], ["w2"]], id="split-an-island"),
        pytest.param([["w1"]], ["w1"], [], [["w1"]], id="twice-is-once"),
        pytest.param([["w1", "w2"]], [], ["w1"], [["w2"]], id="join-one"),
        pytest.param([["w1"]], [], ["w1"], [], id="join-last"),
        pytest.param([["w1"]], [], ["m1"], [["w1"]], id="join-who-is-not-cut"),
    ],
)
def test_cut_and_join(
    before: list[list[str]], cut: list[str], joined: list[str], after: list[list[str]]
) -> None:
    now = plan.cut(before, cut) if cut else plan.join(before, joined)
    assert now == after


def test_cut_rules_stand_between_islands_and_never_before_the_host(lab: plan.Lab) -> None:
    m1, w1, w2 = (node.tap for node in lab.nodes)
    rules = plan.cut_rules(lab, [["w2"]])
    assert f'iifname {{ "{w2}" }} oifname {{ "{m1}", "{w1}" }} drop' in rules
    assert f'iifname {{ "{m1}", "{w1}" }} oifname {{ "{w2}" }} drop' in rules
    assert '"host"' not in rules
    assert "drop" not in plan.cut_rules(lab, [])


def test_a_recipe_changes_its_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    first = recipes.tree_digest(tmp_path)
    assert recipes.tree_digest(tmp_path) == first
    (tmp_path / "a").chmod(0o755)
    second = recipes.tree_digest(tmp_path)
    (tmp_path / "a").write_text("two")
    third = recipes.tree_digest(tmp_path)
    os.rename(tmp_path / "a", tmp_path / "b")
    assert len({first, second, third, recipes.tree_digest(tmp_path)}) == 4


def test_images_and_mirror_have_their_own_digests() -> None:
    assert recipes.system_digest("engine") != recipes.system_digest("bare")
    assert recipes.mirror_digest(b"one authority") != recipes.mirror_digest(b"another")
    assert "docker.io" not in " ".join(recipes.system_arguments("bare"))


def test_another_checkout_shares_the_images(tmp_path: Path) -> None:
    shutil.copytree(recipes.HERE, tmp_path / "lab")
    code = "from lab import recipes; print(recipes.system_digest('engine'))"
    there = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True)
    assert there.strip() == recipes.system_digest("engine")


@pytest.mark.parametrize(
    ("packages", "picked"),
    [
        pytest.param(["linux-source-7.2", "linux-source-7.3"], "linux-source-7.2", id="wanted"),
        pytest.param(["linux-source-7.10", "linux-source-7.9"], "linux-source-7.9", id="next"),
        pytest.param(["linux-source", "linux-source-6.12"], None, id="only-older"),
        pytest.param([], None, id="none"),
    ],
)
def test_kernel_source(packages: list[str], picked: str | None) -> None:
    assert recipes.pick_kernel_source(packages) == picked


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param(
            [
                "http://a.test/debian/ bookworm main Debian",
                "http://b.test/s bookworm-security main",
            ],
            {"main": "http://a.test/debian", "security": "http://b.test/s"},
            id="debian",
        ),
        pytest.param(["https://x.test/apt bookworm main Another"], {}, id="foreign-archive"),
        pytest.param(["http://a.test/debian bookworm contrib Debian"], {}, id="other-component"),
        pytest.param(["file:/media/cdrom bookworm main Debian"], {}, id="disc"),
        pytest.param(["http://a.test/d noble main Ubuntu"], {}, id="another-distribution"),
        pytest.param([], {}, id="nothing"),
    ],
)
def test_mirror_of_the_hosts_apt(lines: list[str], found: dict[str, str]) -> None:
    assert host.pick_mirrors("\n".join(lines), "bookworm") == found


def test_container_settings_say_what_they_are() -> None:
    for container in recipes.CONTAINERS:
        labels = copy.deepcopy(container.settings()["Labels"])
        assert isinstance(labels, dict)
        assert "Debian" in labels["org.opencontainers.image.title"]


@pytest.mark.parametrize(
    ("text", "amx"),
    [
        # The first is from an AMD EPYC, shortened; the names of the others from cpufeatures.h.
        pytest.param("model name\t: AMD EPYC\nflags\t\t: fpu avx512f fsrm\n", False, id="without"),
        pytest.param("flags\t\t: fpu amx_bf16 amx_tile amx_int8\n", True, id="with"),
        pytest.param("model name\t: amx_tile\nflags\t\t: fpu\n", False, id="other-line"),
        pytest.param("flags\t\t: fpu amx_tile2\n", False, id="other-word"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_amx_is_read_from_the_flags(tmp_path: Path, text: str, amx: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert host.has_amx(tmp_path / "cpuinfo") == amx


def test_amx_source_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONSTERSTACK_CPUINFO", "/nowhere/cpuinfo")
    with pytest.raises(LabError, match="/nowhere/cpuinfo"):
        host.has_amx()


@pytest.mark.parametrize(
    ("kind", "amx", "build", "compiler"),
    [
        ("ready", False, False, False),
        ("ready", True, False, True),
        ("auto", True, False, True),
        ("fast", True, False, False),
        ("fast", False, True, True),
    ],
)
def test_compiler_only_where_it_is_needed(
    kind: str, amx: bool, build: bool, compiler: bool
) -> None:
    packages = recipes.host_packages(kind, amx=amx, build=build)
    assert list(packages) == sorted(set(packages))
    assert ("gcc" in packages) == compiler


def test_missing_packages_are_named_with_the_command_that_lists_them() -> None:
    with pytest.raises(LabError, match=r"no-such-package.*bin/lab packages --build"):
        host.check_packages(["e2fsprogs", "no-such-package"])
