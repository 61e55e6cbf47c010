"""The status page in a real browser: Chromium, headless. Screenshots go to artifacts/browser/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import status_page
from ansible_collections.monsterstack.swarm.tests.unit.plugins import status_sample
from app.tests.test_browser import (
    ARTIFACTS,
    CONTRAST,
    DEVICES,
    Chrome,
    become,
    browser,
    complaints,
    screenshot,
)

TEMPLATE = Path(__file__).parents[2] / "playbooks/templates/status.html.j2"
STATUSES = {"well": status_sample.well(), "ill": status_sample.ill()}


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser."""
    driver = browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


def show(chrome: Chrome, folder: Path, status: dict[str, Any]) -> None:
    """Open the page of a status, as somebody opens a file."""
    view = status_page.make_view(status, "m1", status_sample.NOW)
    file = folder / "status.html"
    file.write_text(status_page.render(view, TEMPLATE.read_text(encoding="utf-8")))
    chrome.get(file.as_uri())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", STATUSES)
def test_it_fits_and_can_be_read(
    chrome: Chrome, tmp_path: Path, name: str, device: str, scheme: str
) -> None:
    become(chrome, device, scheme)
    show(chrome, tmp_path, STATUSES[name])
    chrome.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    screenshot(chrome, device, ARTIFACTS / f"status-{name}-{device}-{scheme}.png")
    width, _, _ = DEVICES[device]
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    poor = chrome.execute_script(CONTRAST)
    assert poor == [], "text with less contrast than WCAG AA asks for (4.5:1)"
    small = chrome.execute_script(
        "return [...document.querySelectorAll('a, button, summary')]"
        ".filter(e => e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"
    )
    assert small == [], "targets smaller than WCAG 2.2 AA asks for (24 px)"
    assert complaints(chrome) == []
    loaded = chrome.execute_script("return performance.getEntriesByType('resource').length")
    assert loaded == 0, "the page stands alone"


def test_for_screen_readers(chrome: Chrome, tmp_path: Path) -> None:
    show(chrome, tmp_path, STATUSES["ill"])
    nodes = chrome.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    seen = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored")
    ]
    for wanted in (
        ("heading", "Not all is well"),
        ("heading", "Zone a"),
        ("heading", "Stack shop"),
        ("heading", "Releases and failures"),
        ("list", "What is not well"),
        ("region", "Services"),
        ("main", ""),
    ):
        assert wanted in seen
