"""The page in a real browser: Debian's Chromium, headless. Screenshots go to artifacts/browser/."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from benchmarks.services.harness import ROOT, Service, running

from .conftest import Redis, environment, program

ARTIFACTS = ROOT / "artifacts" / "browser"
Chrome = webdriver.Chrome
DEVICES = {"phone": (360, 740, 2.0), "desk": (1280, 900, 1.0)}  # CSS pixels, and real ones for each


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, imagebackend: Service) -> Iterator[str]:
    """The address of an app that has had visitors."""
    redis = Redis(tmp_path_factory.mktemp("redis"))
    env = environment(redis.port, imagebackend.port, VERSION="2.0", REPLICA="3", NODE="w2")
    try:
        with running("app", env) as app:
            for name in ("Ada", "Grace", "Linus", "Margaret", "Dennis", "Barbara", "Ken"):
                app.get(f"/?name={name}")
            yield f"http://127.0.0.1:{app.port}/"
    finally:
        redis.stop()


def browser(folder: Path, language: str = "en", javascript: bool = True) -> Chrome:
    """A Chromium with an empty profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",  # root may not have one; it sees only our own page
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--no-proxy-server",
        "--disable-background-networking",
        f"--user-data-dir={folder}",
    ):
        options.add_argument(argument)
    preferences: dict[str, object] = {"intl.accept_languages": language}
    if not javascript:
        preferences["profile.managed_default_content_settings.javascript"] = 2
    options.add_experimental_option("prefs", preferences)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(program("chromedriver", "chromium-driver"))
    return webdriver.Chrome(options=options, service=service)


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser."""
    driver = browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


def become(chrome: Chrome, device: str, scheme: str) -> None:
    """Give the browser the screen of a device and a colour scheme."""
    width, height, scale = DEVICES[device]
    chrome.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {
            "width": width,
            "height": height,
            "deviceScaleFactor": scale,
            "mobile": device == "phone",
        },
    )
    chrome.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )


def screenshot(chrome: Chrome, device: str, file: Path) -> None:
    """The whole page, as long as it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    height = chrome.execute_script("return document.documentElement.scrollHeight")
    width, _, _ = DEVICES[device]
    shot = chrome.execute_cdp_cmd(
        "Page.captureScreenshot",
        {
            "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
        },
    )
    file.write_bytes(base64.b64decode(shot["data"]))


def pictures_are_there(chrome: Chrome) -> None:
    """Wait until every picture of the page has been loaded and shows something."""
    script = "return [...document.images].every(i => i.complete && i.naturalWidth > 0)"
    # Pictures below the screen load when they come into view.
    chrome.execute_script("for (const i of document.images) i.loading = 'eager'")
    WebDriverWait(chrome, 10).until(lambda c: c.execute_script(script))


def greeted(chrome: Chrome, words: str) -> None:
    """Wait for a greeting; while one page leaves for the next, its elements may be gone already."""
    WebDriverWait(chrome, 10, ignored_exceptions=[StaleElementReferenceException]).until(
        lambda c: words in c.find_element(By.ID, "greeting").text
    )


def complaints(chrome: Chrome) -> list[str]:
    """What the browser has complained about: blocked styles, missing pictures, script errors."""
    entries = chrome.execute("getLog", {"type": "browser"})["value"]
    return [entry["message"] for entry in entries]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", DEVICES)
def test_it_fits_and_can_be_read(chrome: Chrome, url: str, device: str, scheme: str) -> None:
    become(chrome, device, scheme)
    chrome.get(url + "?name=Ada")
    pictures_are_there(chrome)
    assert chrome.title == "MonsterStack"
    screenshot(chrome, device, ARTIFACTS / f"{device}-{scheme}.png")
    width, _, _ = DEVICES[device]
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    poor = chrome.execute_script(CONTRAST)
    assert poor == [], "text with less contrast than WCAG AA asks for (4.5:1)"
    small = chrome.execute_script(
        "return [...document.querySelectorAll('a, button, input')]"
        ".filter(e => e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"
    )
    assert small == [], "targets smaller than WCAG 2.2 AA asks for (24 px)"
    assert complaints(chrome) == []


# For every element with text of its own: its contrast to what is behind it (WCAG 2.2, 1.4.3).
CONTRAST = """
const luminance = ([r, g, b]) => {
  const [R, G, B] = [r, g, b].map(v => v / 255).map(v =>
    v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * R + 0.7152 * G + 0.0722 * B;
};
const rgba = text => text.match(/[0-9.]+/g).map(Number);
const behind = element => {
  for (; element; element = element.parentElement) {
    const colour = rgba(getComputedStyle(element).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
for (const element of document.body.querySelectorAll('*')) {
  const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  if (!own) continue;
  const light = luminance(rgba(getComputedStyle(element).color));
  const dark = luminance(behind(element));
  const ratio = (Math.max(light, dark) + 0.05) / (Math.min(light, dark) + 0.05);
  if (ratio < 4.5) poor.push(`${element.tagName} ${element.textContent.trim()}: ${ratio}`);
}
return poor;
"""


def test_by_keyboard(chrome: Chrome, url: str) -> None:
    become(chrome, "desk", "light")
    chrome.get(url)
    field = chrome.switch_to.active_element
    assert field.get_attribute("name") == "name", "one can type at once"
    field.send_keys("Zoë <b>" + Keys.ENTER)
    greeted(chrome, "Zoë <b>")
    pictures_are_there(chrome)
    large = chrome.find_element(By.CSS_SELECTOR, "img.large")
    assert large.get_attribute("alt") == "The pixel monster of Zoë <b>"
    chrome.find_element(By.NAME, "name").send_keys(Keys.TAB)
    assert chrome.switch_to.active_element.tag_name == "button"
    reached = []
    for _ in range(3):
        chrome.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(chrome.switch_to.active_element.text)
    assert reached == ["PNG", "SVG", "WebP"]
    outline = chrome.switch_to.active_element.value_of_css_property("outline-style")
    assert outline != "none", "one sees where one is"
    assert complaints(chrome) == []


def test_for_screen_readers(chrome: Chrome, url: str) -> None:
    chrome.get(url + "?name=Ada")

    def tree() -> list[tuple[str, str]]:
        """What a screen reader is told: role and name of everything."""
        nodes = chrome.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node.get("ignored")
        ]

    # Chromium begins to build the tree when it is first asked for.
    WebDriverWait(chrome, 10).until(lambda _: ("contentinfo", "") in tree())
    seen = tree()
    for wanted in (
        ("heading", "MonsterStack"),
        ("textbox", "Your name"),
        ("button", "Show my monster"),
        ("image", "The pixel monster of Ada"),
        ("main", ""),
        ("contentinfo", ""),
        ("banner", ""),
    ):
        assert wanted in seen
    assert [name for role, name in seen if role in ("image", "link", "button") and not name] == []


def test_what_is_served_is_shown(chrome: Chrome, url: str) -> None:
    chrome.get(url)
    shown = {n: chrome.find_element(By.ID, n).text for n in ("version", "replica", "node")}
    assert shown == {"version": "2.0", "replica": "3", "node": "w2"}


def test_without_javascript_and_in_french(tmp_path: Path, url: str) -> None:
    driver = browser(tmp_path / "profile", language="fr-FR", javascript=False)
    try:
        driver.get(url)
        field = driver.find_element(By.ID, "name")
        field.send_keys("Amélie")
        driver.find_element(By.TAG_NAME, "button").click()
        greeted(driver, "Le monstre dédié à Amélie")
        assert driver.find_element(By.TAG_NAME, "html").get_attribute("lang") == "fr"
    finally:
        driver.quit()
