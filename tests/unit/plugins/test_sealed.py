"""Sealed files: what comes out is what went in, and whatever was done to a file is noticed."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

import pytest

from ansible_collections.monsterstack.swarm.plugins.module_utils import sealed
from ansible_collections.monsterstack.swarm.plugins.module_utils.sealed import (
    MAGIC,
    PIECE,
    SALT,
    TAG,
    Reader,
    SealedError,
    Writer,
)

HEAD = len(MAGIC) + SALT


def seal(data: bytes, key: str = "key", step: int = 300_000) -> bytes:
    target = io.BytesIO()
    with Writer(target, key) as writer:
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
    return target.getvalue()


def unseal(data: bytes, key: str = "key") -> bytes:
    return io.BufferedReader(Reader(io.BytesIO(data), key)).read()


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7])
def test_round_trip(size: int) -> None:
    data = os.urandom(size)
    assert unseal(seal(data)) == data


def test_the_same_twice_looks_different_and_shows_nothing() -> None:
    data = b"hush " * 1000
    one, two = seal(data), seal(data)
    assert one != two
    assert b"hush" not in one


THREE = seal(os.urandom(2 * PIECE + 5))


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def swapped(data: bytes) -> bytes:
    size = PIECE + TAG
    one, two = data[HEAD : HEAD + size], data[HEAD + size : HEAD + 2 * size]
    return data[:HEAD] + two + one + data[HEAD + 2 * size :]


SPOILT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "no sealed archive"),
    "something else": (lambda _: b"PK\x03\x04" * 100, "no sealed archive"),
    "only the head": (lambda data: data[:HEAD], "another one, or the file was changed"),
    "another salt": (lambda data: flipped(data, len(MAGIC)), "another one"),
    "a bit in the first piece": (lambda data: flipped(data, HEAD + 9), "another one"),
    "a bit in the last piece": (lambda data: flipped(data, len(data) - 1), "after 2 MiB"),
    "cut off between pieces": (lambda data: data[: HEAD + 2 * (PIECE + TAG)], "after 1 MiB"),
    "cut off in a piece": (lambda data: data[: HEAD + PIECE + 99], "after 1 MiB"),
    "two pieces in the wrong order": (swapped, "another one"),
    "something appended": (lambda data: data + b"x", "after 2 MiB"),
}


@pytest.mark.parametrize(("spoil", "why"), SPOILT.values(), ids=SPOILT)
def test_spoilt(spoil: Callable[[bytes], bytes], why: str) -> None:
    with pytest.raises(SealedError, match=why):
        unseal(spoil(THREE))


def test_another_key() -> None:
    with pytest.raises(SealedError, match="the key is another one"):
        unseal(THREE, "kex")


def test_an_unfinished_file_does_not_open() -> None:
    target = io.BytesIO()
    writer = Writer(target, "key")
    writer.write(b"x" * (PIECE + 1))
    with pytest.raises(SealedError):
        unseal(target.getvalue())


def test_there_is_something_to_seal_with() -> None:
    assert sealed.HAS_CRYPTOGRAPHY
