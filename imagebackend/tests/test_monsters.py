"""The pictures: the same for ever, many, and equal in every format."""

from __future__ import annotations

import hashlib
import io
import re
import zlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagebackend import encode, parts
from imagebackend.art import CELLS, GRID
from imagebackend.monsters import _BODIES, COUNT, describe, monster, picture


def pixels(data: bytes) -> bytes:
    """The RGBA pixels of an encoded picture, colour 0 where nothing is seen."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        rgba = image.convert("RGBA")
    clear = Image.new("RGBA", rgba.size)
    clear.paste(rgba, mask=rgba.getchannel("A"))
    return clear.tobytes()


def png(name: str, size: int) -> bytes:
    """The PNG of an id."""
    what = monster(name)
    return encode.png(picture(what), what.palette.colours, size)


# Written down when version 1 was made. A failure here means that somebody's picture changes:
# do not update the numbers, make a version 2.
GOLDEN = {
    ("John Doe", 80): "e99bfdb387c1cacc7d4cde8513d863b2",
    ("", 40): "b8a91e209666ba539b18a85499cdda88",
    ("Zoë 🦕", 200): "8336e686a7081f00fabe382c234afd90",
    ("97d4436cd001edbb958c82596704d1eb", 33): "142ff3da595a8d1a3b3dabc15656a365",
    ("x" * 256, 1024): "67f4923b59a28d20d9c8bd291530867c",
}


@pytest.mark.parametrize(("name", "size"), GOLDEN, ids=lambda v: str(v)[:12])
def test_a_picture_never_changes(name: str, size: int) -> None:
    assert hashlib.sha256(pixels(png(name, size))).hexdigest()[:32] == GOLDEN[name, size]


def test_the_file_of_parts_is_what_the_drawings_give() -> None:
    stored = Path(parts.__file__).with_name("v1.bin").read_bytes()
    assert zlib.decompress(stored) == zlib.decompress(parts.pack())


def test_there_are_more_than_a_billion() -> None:
    assert COUNT > 10**9
    for body in _BODIES:
        assert [len(choices) for choices in body.values()] == [
            len(choices) for choices in _BODIES[0].values()
        ]


@pytest.mark.parametrize("slot", parts.SLOTS)
def test_every_part_of_a_slot_is_different(slot: str) -> None:
    for body in _BODIES:
        drawings = Counter(part.paint for part in body[slot])
        # Closed eyes look nowhere: their five gazes are one drawing.
        most = 5 if slot == "eyes" else 1
        assert max(drawings.values()) <= most, body["body"][0].name


def test_ids_spread_over_all_choices() -> None:
    seen: dict[str, Counter[str]] = {}
    for i in range(20_000):
        for slot, name in describe(monster(f"id {i}")).items():
            seen.setdefault(slot, Counter())[name] += 1
    # Each choice is as likely as any other: 20,000 / 432 = 46 for the rarest kind.
    assert len(seen["palette"]) == 432
    for slot, names in seen.items():
        mean = 20_000 / (len(names) if slot != "eyes" else 80)
        assert min(names.values()) > mean / 3, slot
        assert max(names.values()) < mean * 2.5, slot


def test_different_ids_look_different() -> None:
    pictures = {picture(what) for what in (monster(f"{i}") for i in range(50_000))}
    assert len(pictures) > 49_990  # two of 50,000 may well differ in colours alone


@settings(max_examples=60, deadline=None)
@given(name=st.text(max_size=300), size=st.integers(12, 1024))
def test_any_id_at_any_size_is_a_good_picture(name: str, size: int) -> None:
    data = png(name, size)
    assert data == png(name, size)
    with Image.open(io.BytesIO(data)) as image:
        image.verify()
        assert (image.format, image.size, image.mode) == ("PNG", (size, size), "P")


@pytest.mark.parametrize("size", [12, 13, 20, 39, 40, 41, 79, 80, 97, 120, 200, 333, 1024])
def test_a_pixel_shows_the_cell_under_its_middle(size: int) -> None:
    what = monster("geometry")
    cells = f"{picture(what):0{CELLS}x}"
    with Image.open(io.BytesIO(png("geometry", size))) as image:
        shown = image.tobytes()
    for y in range(size):
        row = (2 * y + 1) * GRID // (2 * size)
        for x in range(size):
            column = (2 * x + 1) * GRID // (2 * size)
            assert shown[y * size + x] == int(cells[row * GRID + column], 16)


@pytest.mark.parametrize("size", [40, 80, 97])
def test_webp_has_the_pixels_of_png(size: int) -> None:
    what = monster("formats")
    data = encode.webp(picture(what), what.palette.colours, size)
    assert pixels(data) == pixels(png("formats", size))


def test_svg_has_the_cells_of_png() -> None:
    what = monster("formats")
    svg = encode.svg(picture(what), what.palette.colours, GRID).decode()
    image = Image.new("RGBA", (GRID, GRID))
    assert 'viewBox="0 -.5 40 40"' in svg
    for colour, path in re.findall(r'<path stroke="#(\w{6})" d="([^"]+)"/>', svg):
        assert re.fullmatch(r"(M\d+ \d+h\d+)+", path)
        for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)", path):
            box = (int(x), int(y), int(x) + int(width), int(y) + 1)
            image.paste((*bytes.fromhex(colour), 255), box)
    assert image.tobytes() == pixels(png("formats", GRID))


def test_pictures_are_small() -> None:
    assert sum(len(png(f"{i}", 80)) for i in range(500)) / 500 <= 1000
    assert sum(len(png(f"{i}", 200)) for i in range(500)) / 500 <= 2000
