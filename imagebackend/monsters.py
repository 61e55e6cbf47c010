"""From an id to a monster: its parts and colours, and its picture. Pure functions.

A picture is GRID x GRID cells, each one of 16 roles (4 bits), held as one integer with the top
left cell in its highest bits. So laying a part over a picture is two integer operations.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zlib
from pathlib import Path
from typing import NamedTuple

from .art import CELLS

VERSION = "v1"  # of the algorithm: in its URLs a picture never changes


class Part(NamedTuple):
    """One part: `keep` has ones where it leaves the picture alone, `paint` holds its roles."""

    name: str
    keep: int
    paint: int


class Palette(NamedTuple):
    """The colours of the 16 roles: red, green and blue, 48 bytes."""

    name: str
    colours: bytes


def _read(path: Path) -> tuple[list[Palette], list[dict[str, list[Part]]]]:
    """The palettes, and for each body its slots from back to front, each its parts. The format is
    described in parts.py."""
    head, _, data = zlib.decompress(path.read_bytes()).partition(b"\n")
    index = json.loads(head)
    stream = io.BytesIO(data)
    ones = int("1" * CELLS, 16)
    everything = 15 * ones

    def part(name: str) -> Part:
        paint = int.from_bytes(stream.read(CELLS // 2), "big")
        painted = (paint | paint >> 1 | paint >> 2 | paint >> 3) & ones  # one bit a painted cell
        return Part(name, everything ^ 15 * painted, paint)

    palettes = [Palette(name, stream.read(48)) for name in index["palettes"]]
    bodies = [
        {slot: [part(name) for name in names] for slot, names in body.items()}
        for body in index["bodies"]
    ]
    return palettes, bodies


_PALETTES, _BODIES = _read(Path(__file__).with_name(f"{VERSION}.bin"))
_SLOTS = tuple(_BODIES[0])
_CHOICES = tuple(tuple(tuple(parts) for parts in body.values()) for body in _BODIES)

# Different choices; every body has the same number of parts in each slot.
COUNT = len(_PALETTES) * len(_CHOICES) * math.prod(len(parts) for parts in _CHOICES[0])


class Monster(NamedTuple):
    """What an id stands for. `parts` go from back to front, `digest` names it in an ETag (80 bits
    in hex)."""

    parts: list[Part]
    palette: Palette
    digest: str


def monster(name: str) -> Monster:
    """The monster of an id: any string, the same answer for ever."""
    hashed = hashlib.sha256(name.encode("utf-8", "surrogatepass"))
    number = int.from_bytes(hashed.digest()[:16], "big")
    number, palette = divmod(number, len(_PALETTES))
    number, body = divmod(number, len(_CHOICES))
    parts = []
    for choices in _CHOICES[body]:
        number, pick = divmod(number, len(choices))
        parts.append(choices[pick])
    return Monster(parts, _PALETTES[palette], hashed.hexdigest()[:20])


def picture(what: Monster) -> int:
    """The cells of a monster's picture as one integer."""
    cells = 0
    for _, keep, paint in what.parts:
        cells = cells & keep | paint
    return cells


def describe(what: Monster) -> dict[str, str]:
    """The names of a monster's parts by slot, and of its palette."""
    names = {slot: part.name for slot, part in zip(_SLOTS, what.parts, strict=True)}
    return names | {"palette": what.palette.name}
