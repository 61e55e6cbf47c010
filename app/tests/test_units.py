"""The parts that need no other service."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import clean_name, monster_id
from app.breaker import Breaker
from app.config import Config
from app.pictures import Lru, genuine
from app.runtime import ConfigError
from app.texts import TEXTS
from benchmarks.services.harness import ROOT, wait_until


@given(st.text())
def test_an_id_is_32_hex_digits(name: str) -> None:
    who = monster_id(name, b"salt of this test")
    assert re.fullmatch("[0-9a-f]{32}", who)
    assert who == monster_id(name, b"salt of this test")
    assert who != monster_id(name, b"another salt here")


@given(st.text(), st.text())
def test_different_names_have_different_ids(one: str, other: str) -> None:
    assert (monster_id(one, b"s") == monster_id(other, b"s")) == (one == other)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        pytest.param("  Ada   Lovelace ", "Ada Lovelace", id="spaces"),
        pytest.param("Zoe\u0308", "Zoë", id="composed"),
        pytest.param("a\u202eb\u0000c\nd", "a b c d", id="invisible"),
        pytest.param("🦕", "🦕", id="emoji"),
        pytest.param("\ud800", "", id="half a character"),
        pytest.param(" \t ", "", id="nothing"),
    ],
)
def test_a_name_is_cleaned(given: str, meant: str) -> None:
    assert clean_name(given) == meant


@given(st.text())
def test_a_clean_name_stays(name: str) -> None:
    assert clean_name(clean_name(name)) == clean_name(name)


GOOD = {"CONTEXT": "DEV"}


@pytest.mark.parametrize(
    ("env", "says"),
    [
        pytest.param({}, "ID_SALT_FILE is not set: in CONTEXT=PROD", id="no salt"),
        pytest.param({"CONTEXT": "TEST"}, "CONTEXT='TEST' is neither DEV nor PROD", id="context"),
        pytest.param({**GOOD, "REDIS_PORT": "x"}, "REDIS_PORT='x' is not a TCP port", id="port"),
        pytest.param({**GOOD, "IMAGEBACKEND_PORT": "0"}, "'0' is not a TCP port", id="port 0"),
        pytest.param({**GOOD, "REDIS_DOMAIN": "a b"}, "'a b' is not a host name", id="host"),
        pytest.param({**GOOD, "DRAIN_SECONDS": "60"}, "seconds from 0 to 15", id="drain"),
        pytest.param({**GOOD, "DRAIN_SECONDS": "nan"}, "'nan' is not a number", id="nan"),
        pytest.param(
            {**GOOD, "REDIS_PASSWORD_FILE": "/no/such"}, "/no/such, which cannot be read", id="file"
        ),
        pytest.param({"ID_SALT_FILE": "/dev/null"}, "/dev/null, which is empty", id="empty"),
        pytest.param({"ID_SALT_FILE": "{short}"}, "shorter than 16 bytes", id="short salt"),
        pytest.param({"ID_SALT_FILE": "{folder}"}, "which cannot be read", id="a folder"),
    ],
)
def test_a_wrong_setting_is_named(env: dict[str, str], says: str, tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("pepper\n")
    filled = {k: v.format(short=short, folder=tmp_path) for k, v in env.items()}
    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        Config.from_env(filled)
    assert "\n" not in str(error.value)


def test_secrets_lose_their_newline(tmp_path: Path) -> None:
    (tmp_path / "salt").write_text("0123456789abcdef\n")
    assert Config.from_env({"ID_SALT_FILE": str(tmp_path / "salt")}).id_salt == b"0123456789abcdef"


def test_the_lru_is_bounded_by_bytes() -> None:
    lru = Lru(limit=10_000, ttl=60)
    for i in range(100):
        lru.put(f"k{i}", b"x" * 700)
    kept = [i for i in range(100) if lru.get(f"k{i}") is not None]
    assert kept == list(range(91, 100)), "the newest, as many as fit"
    assert sum(Lru._cost(f"k{i}", b"x" * 700) for i in kept) <= 10_000
    lru.put("huge", b"x" * 20_000)
    assert lru.get("huge") is None
    assert lru._bytes == 0


def test_the_lru_forgets_what_was_unused_for_longest() -> None:
    lru = Lru(limit=2 * 400, ttl=60)
    lru.put("a", b"x" * 50)
    lru.put("b", b"x" * 50)
    assert lru.get("a")
    lru.put("c", b"x" * 50)
    assert (lru.get("a"), lru.get("b"), lru.get("c")) == (b"x" * 50, None, b"x" * 50)


def test_the_lru_forgets_what_is_old() -> None:
    lru = Lru(limit=1000, ttl=0.05)
    lru.put("a", b"x")
    assert lru.get("a") == b"x"
    time.sleep(0.06)
    assert lru.get("a") is None


PNG = b"\x89PNG\r\n\x1a\n...IEND\xaeB`\x82"


@pytest.mark.parametrize(
    ("kind", "data", "good"),
    [
        pytest.param("png", PNG, True, id="png"),
        pytest.param("png", PNG[:-1], False, id="cut png"),
        pytest.param("png", b"<html>", False, id="html"),
        pytest.param("png", b"", False, id="nothing"),
        pytest.param("webp", b"RIFF\x04\0\0\0WEBP", True, id="webp"),
        pytest.param("webp", b"RIFF\x05\0\0\0WEBP", False, id="cut webp"),
        pytest.param("svg", b"<svg ></svg>", True, id="svg"),
        pytest.param("svg", b"<svg ><path", False, id="cut svg"),
        pytest.param("svg", PNG, False, id="png for svg"),
    ],
)
def test_only_whole_pictures_of_their_type_are_genuine(kind: str, data: bytes, good: bool) -> None:
    assert genuine(kind, data) is good


def test_the_breaker_opens_after_failures_in_a_row_and_closes_by_itself() -> None:
    well = threading.Event()
    asked: list[float] = []

    def probe() -> None:
        asked.append(time.monotonic())
        if not well.is_set():
            raise OSError("down")

    breaker = Breaker("it", probe, limit=3, interval=0.02)
    breaker.failed(OSError("1"))
    breaker.failed(OSError("2"))
    breaker.succeeded()
    breaker.failed(OSError("1"))
    breaker.failed(OSError("2"))
    assert not breaker.open
    for _ in range(5):
        breaker.failed(OSError("3"))
    assert breaker.open
    assert sum(t.name == "probe-it" for t in threading.enumerate()) == 1
    wait_until(lambda: len(asked) > 2, "it is asked again and again")
    assert breaker.open
    well.set()
    wait_until(lambda: not breaker.open, "it closes")
    breaker.failed(OSError("1"))
    assert not breaker.open, "the count began anew"


def test_all_languages_say_the_same_things() -> None:
    assert len({frozenset(texts) for texts in TEXTS.values()}) == 1
    assert all(all(texts.values()) for texts in TEXTS.values())


@pytest.mark.parametrize("file", ["runtime.py", "healthcheck.py"])
def test_both_services_have_the_same(file: str) -> None:
    copies = [(ROOT / name / file).read_text() for name in ("app", "imagebackend")]
    assert copies[0] == copies[1]
