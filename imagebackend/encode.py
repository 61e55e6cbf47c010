"""Pictures as PNG, SVG and WebP. PNG is written here: four bits a pixel, straight from the cells."""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import NamedTuple

from isal import isal_zlib

from .art import CELLS, GRID
from .palette import Palette, chunk

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRANSPARENT_FIRST = chunk(b"tRNS", b"\0")
_END = chunk(b"IEND", b"")


class _Plan(NamedTuple):
    """What depends only on the size in pixels."""

    head: bytes  # signature and IHDR
    pitch: int  # hex digits a row: two of the filter type, then the pixels, padded to bytes
    columns: tuple[tuple[slice, slice], ...]  # (place in a row of pixels, cells it shows)
    rows: tuple[tuple[slice, bytes], ...]  # (bytes of the row, repetitions of it)


@lru_cache(maxsize=1024)
def _plan(size: int) -> _Plan:
    pitch = 2 + size + size % 2
    shows = [(2 * i + 1) * GRID // (2 * size) for i in range(size)]  # nearest cell of each pixel
    columns = tuple(
        (slice(2 + i, None, pitch), slice(column, None, GRID)) for i, column in enumerate(shows)
    )
    # Filter type 2 is the difference to the row above: a repeated row is all zeros.
    again = b"\2" + bytes(pitch // 2 - 1)
    rows = tuple(
        (slice(row * pitch // 2, (row + 1) * pitch // 2), again * (shows.count(row) - 1))
        for row in sorted(set(shows))
    )
    header = struct.pack(">IIBBBBB", size, size, 4, 3, 0, 0, 0)
    return _Plan(_SIGNATURE + chunk(b"IHDR", header), pitch, columns, rows)


def _digits(cells: int) -> bytes:
    """The cells as hex digits, row by row."""
    return cells.to_bytes(CELLS // 2, "big").hex().encode()


def png(cells: int, palette: Palette, size: int) -> bytes:
    """A PNG of size x size pixels, the cells enlarged without smoothing."""
    plan = _plan(size)
    digits = _digits(cells)
    wide = bytearray(b"0" * (plan.pitch * GRID))
    for place, column in plan.columns:
        wide[place] = digits[column]
    lines = bytes.fromhex(wide.decode())
    raw = b"".join([lines[row] + again for row, again in plan.rows])
    data = chunk(b"IDAT", isal_zlib.compress(raw, 1))
    return b"".join((plan.head, palette.plte, _TRANSPARENT_FIRST, data, _END))


def svg(cells: int, palette: Palette, size: int) -> bytes:
    """An SVG of the cells: one path a colour, made of runs."""
    digits = _digits(cells).decode()
    paths: dict[str, list[str]] = {}
    for y in range(GRID):
        row = digits[y * GRID : (y + 1) * GRID]
        x = 0
        while x < GRID:
            end = x + 1
            while end < GRID and row[end] == row[x]:
                end += 1
            if row[x] != "0":
                paths.setdefault(row[x], []).append(f"M{x} {y}h{end - x}v1H{x}z")
            x = end
    body = "".join(
        '<path fill="#{:02x}{:02x}{:02x}" d="{}"/>'.format(
            *palette.colours[int(role, 16)], "".join(runs)
        )
        for role, runs in sorted(paths.items())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" '
        f'viewBox="0 0 {GRID} {GRID}" shape-rendering="crispEdges">{body}</svg>'
    ).encode()


def webp(cells: int, palette: Palette, size: int) -> bytes:
    """A lossless WebP with the same pixels as the PNG."""
    from PIL import Image  # only WebP needs it: start-up stays short without

    with Image.open(io.BytesIO(png(cells, palette, size))) as image:
        out = io.BytesIO()
        image.convert("RGBA").save(out, "WEBP", lossless=True, method=0, exact=True)
    return out.getvalue()
