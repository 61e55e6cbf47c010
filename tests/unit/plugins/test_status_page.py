"""The view, the table and the page of clusters that are invented (status_sample.py)."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import status_page
from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import MAINTENANCE
from ansible_collections.monsterstack.swarm.tests.unit.plugins import status_sample
from ansible_collections.monsterstack.swarm.tests.unit.plugins.status_sample import NOW

TEMPLATE = Path(__file__).parents[3] / "playbooks/templates/status.html.j2"

AGES = {
    "a moment": ("2026-11-24T22:39:20Z", "40 s"),
    "minutes": ("2026-11-24T22:38:59.5Z", "1 min"),
    "more than an hour": ("2026-11-24T21:10:00Z", "90 min"),
    "hours": ("2026-11-24T20:10:00.123456789Z", "2 h"),
    "more than a day": ("2026-11-23T20:10:00Z", "26 h"),
    "days": ("2026-11-20T09:12:00Z", "4 d"),
    "a clock that is ahead": ("2026-11-24T23:00:00Z", "0 s"),
    "never": ("0001-01-01T00:00:00Z", ""),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("when", "expected"), AGES.values(), ids=AGES)
def test_ages(when: str, expected: str) -> None:
    assert status_page.age(when, NOW) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [(800 * 2**20, "0.8 GB"), (2**30, "1 GB"), (3900 * 2**20, "3.8 GB"), (2**34, "16 GB")],
)
def test_gigabytes(number: int, expected: str) -> None:
    assert status_page.gigabytes(number) == expected


def view(status: dict[str, Any]) -> dict[str, Any]:
    return status_page.make_view(status, "m1", NOW)


def test_a_cluster_that_is_well() -> None:
    seen = view(status_sample.well())
    assert (seen["level"], seen["problems"]) == ("good", [])
    tiles = {tile["label"]: (tile["value"], tile["of"], tile["note"]) for tile in seen["tiles"]}
    assert tiles == {
        "nodes ready": (7, 7, ""),
        "managers": (3, 3, "1 may fail"),
        "services whole": (4, 4, ""),
        "tasks running": (7, 7, ""),
    }
    zones = {zone["name"]: [node["name"] for node in zone["nodes"]] for zone in seen["zones"]}
    assert zones == {"a": ["m1", "w1", "w4"], "b": ["m2", "w2"], "c": ["m3", "w3"]}
    w3 = seen["zones"][2]["nodes"][1]
    assert [task["label"] for task in w3["tasks"]] == ["frontend.3", "imagebackend.1"]
    assert [(e["title"], e["verdict"]) for e in seen["events"][:2]] == [
        ("shop 2.1", "converged · runs now"),
        ("shop 2.1-rc1", "rolled back"),
    ]


def test_a_cluster_that_is_not() -> None:
    seen = view(status_sample.ill())
    assert seen["level"] == "bad"
    assert [problem["text"] for problem in seen["problems"]] == [
        "the other managers do not reach m3",
        "w3 is down",
        "w4 takes no new tasks (drain)",
        "shop_frontend: 2 of 3 tasks run",
        "shop_frontend: update paused",
        "shop_imagebackend: 1 of 2 tasks run",
    ]
    frontend = seen["stacks"][1]["services"][0]
    assert [task["old"] for task in frontend["tasks"]] == [True, True, False]
    assert frontend["tasks"][2]["error"].startswith("No such image")
    titles = [(event["title"], event["verdict"]) for event in seen["events"]]
    assert titles[0] == ("shop_frontend.3", "rejected")
    assert ("shop_frontend.2", "failed") in titles
    assert ("shop_frontend", "paused") in titles


@pytest.mark.fault("A9")
def test_a_global_service_that_fits_no_node_is_not_well() -> None:
    """Swarm counts 0 of 0 tasks, which looked complete."""
    status = status_sample.well()
    status["services"].append(status_sample.service("shop", "agent", 0, mode="global"))
    seen = view(status)
    assert seen["level"] == "bad"
    assert [problem["text"] for problem in seen["problems"]] == [
        "shop_agent: no node that takes tasks may have it"
    ]


@pytest.mark.fault("C1")
def test_who_works_on_a_node_is_told() -> None:
    """Seen: of a node in maintenance it said only that it takes no new tasks."""
    status = status_sample.well()
    status["nodes"][6].update(availability="pause", labels={MAINTENANCE: "active"})
    beginning = "w4 takes no new tasks (pause): it is in maintenance, "
    (problem,) = view(status)["problems"]
    ended = "and that run did not end: maintenance.yml -e node=w4 -e do=nothing gives its work back"
    assert problem["text"] == f"{beginning}{ended}"
    owner = {"owner": "ann@desk, process 100, maintenance.yml", "age": 30, "renewed": 3, "ends": 90}
    status["locks"] = [{**owner, "scope": "stack shop"}, {**owner, "scope": "cluster"}]
    (problem,) = view(status)["problems"]
    assert problem["text"].startswith(f"{beginning}the cluster is locked by ann@desk, process 100")


def test_the_view_is_plain_data() -> None:
    json.dumps(view(status_sample.ill()))


def test_the_table() -> None:
    table = status_page.table(view(status_sample.ill()))
    lines = table.splitlines()
    assert lines[0].startswith("2026-11-24 22:40:00 UTC, as m1 sees it: not all is well")
    assert "! w3 is down" in lines
    node = next(line for line in lines if line.startswith("w1 "))
    assert node.split()[:6] == ["w1", "a", "worker", "ready", "active", "26.1.5"]
    assert "frontend.3(rejected)" in node
    assert any(line.split()[:3] == ["shop_redis", "1/1", "8.0"] for line in lines)
    assert not [line for line in lines if line != line.rstrip()]


def page(status: dict[str, Any]) -> str:
    return status_page.render(view(status), TEMPLATE.read_text(encoding="utf-8"))


class Resources(HTMLParser):
    """Whatever a browser would fetch or run, and tags that are not closed."""

    VOID = ("meta", "link", "br", "circle")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.found += [
            f"{tag} {name}={value}"
            for name, value in attrs
            if name in ("src", "href", "action", "srcset") and value != "data:,"
        ]
        self.found += [tag] if tag in ("script", "iframe", "object", "img") else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that is closed where it begins."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("status", [status_sample.well(), status_sample.ill()], ids=["well", "ill"])
def test_the_page_stands_alone(status: dict[str, Any]) -> None:
    text = page(status)
    parser = Resources()
    parser.feed(text)
    assert parser.found == []
    assert parser.open == []
    assert "url(" not in text
    assert "@import" not in text


def test_nothing_gets_out_of_its_place() -> None:
    status = status_sample.ill()
    for evil in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'):
        status["nodes"][0]["hostname"] = evil
        status["tasks"][3]["error"] = evil
        status["releases"]["shop"][0]["who"] = evil
        text = page(status)
        assert "<script" not in text
        assert "<img" not in text


def test_an_empty_swarm_has_a_page() -> None:
    status = status_sample.well() | {"services": [], "tasks": [], "releases": {}}
    text = page(status)
    assert "None yet." in text
    assert "Nothing is recorded yet." in text
    assert "NODE" in status_page.table(view(status))


def test_a_misspelt_name_in_a_template_is_no_empty_place() -> None:
    with pytest.raises(jinja2.UndefinedError):
        status_page.render(view(status_sample.well()), "{{ view.nodess }}")


IMAGES = {"frontend": "registry.example.org:5443/shop/frontend:2.1@sha256:" + f"{8 * 7919:064x}"}
NEWEST: dict[str, tuple[dict[str, str], list[str], str]] = {
    "as recorded": (IMAGES, [], "converged · runs now"),
    "another image": ({"frontend": IMAGES["frontend"][:-1] + "0"}, [], "not what runs now"),
    "a service is missing": ({"gone": IMAGES["frontend"]}, [], "not what runs now"),
    "no service is left": (IMAGES, ["shop"], "converged · its services are gone"),
}


@pytest.mark.fault("B10")
@pytest.mark.parametrize(("images", "without", "text"), NEWEST.values(), ids=NEWEST)
def test_what_the_newest_good_release_is_now(
    images: dict[str, str], without: list[str], text: str
) -> None:
    status = status_sample.well()
    status["releases"]["shop"][0]["images"] = images
    status["services"] = [one for one in status["services"] if one["stack"] not in without]
    said = [one["verdict"] for one in view(status)["events"] if one["title"] == "shop 2.1"]
    assert len(said) == 1
    assert text in said[0]
    assert ("runs now" in said[0]) == ("runs now" in text)
