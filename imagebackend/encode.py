"""Pictures as PNG, SVG and WebP. PNG is written here: 4 bits a pixel, straight from cells."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from isal import isal_zlib
from PIL import WebPImagePlugin  # noqa: F401  else the first WebP would wait for all of Pillow
from PIL.PngImagePlugin import PngImageFile

from .art import CELLS, GRID


def _chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    crc = zlib.crc32(data, zlib.crc32(kind))
    return b"".join((len(data).to_bytes(4, "big"), kind, data, crc.to_bytes(4, "big")))


_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRANSPARENT_FIRST = _chunk(b"tRNS", b"\0")
_END = _chunk(b"IEND", b"")


class _Plan(NamedTuple):
    """What depends only on the size in pixels."""

    head: bytes  # signature and IHDR
    factor: int  # pixels a cell, when all cells are equally wide; else 0
    width: int  # pixels in a row of whole bytes
    columns: tuple[tuple[slice, slice], ...]  # without a factor: (place in the rows, cells shown)
    rows: tuple[tuple[slice, bytes], ...]  # (bytes of a row, its repetitions and what follows)


@lru_cache(maxsize=32)  # more than anybody uses at a time; all sizes together would take 300 MB
def _plan(size: int) -> _Plan:
    width = size + size % 2
    factor = size // GRID if size % GRID == 0 else 0
    shown = [(2 * i + 1) * GRID // (2 * size) for i in range(size)]  # nearest cell of each pixel
    columns = tuple(
        (slice(i, None, width), slice(column, None, GRID)) for i, column in enumerate(shown)
    )
    # A row starts with its filter. Type 2 is "as above, plus": a repeated row is all zeros.
    again = b"\2" + bytes(width // 2)
    counts = Counter(shown)  # of pixel rows by row of cells, in order
    after = {count: again * (count - 1) + b"\0" for count in counts.values()}
    rows = [
        (slice(row * width // 2, (row + 1) * width // 2), after[count])
        for row, count in counts.items()
    ]
    rows[-1] = (rows[-1][0], rows[-1][1][:-1])  # no row follows the last one
    header = struct.pack(">IIBBBBB", size, size, 4, 3, 0, 0, 0)
    return _Plan(_SIGNATURE + _chunk(b"IHDR", header), factor, width, columns, tuple(rows))


def _digits(cells: int) -> bytes:
    """The cells as hex digits, row by row."""
    return cells.to_bytes(CELLS // 2, "big").hex().encode()


def png(cells: int, colours: bytes, size: int) -> bytes:
    """A PNG of size x size pixels, the cells enlarged without smoothing; `colours` are those of the
    16 roles (48 bytes)."""
    plan = _plan(size)
    digits = _digits(cells)
    wide = bytearray(b"0" * (plan.width * GRID))
    if plan.factor:
        for i in range(plan.factor):
            wide[i :: plan.factor] = digits
    else:
        for place, column in plan.columns:
            wide[place] = digits[column]
    lines = bytes.fromhex(wide.decode())
    raw = b"\0" + b"".join([lines[row] + rest for row, rest in plan.rows])
    data = _chunk(b"IDAT", isal_zlib.compress(raw, 1))
    return b"".join((plan.head, _chunk(b"PLTE", colours), _TRANSPARENT_FIRST, data, _END))


_RUN = re.compile(r"([1-9a-f])\1*")  # neighbours of one role; 0 is clear
_TO = [f"M{x} {y}" for y in range(GRID) for x in range(GRID + 1)]  # GRID + 1: the line's end
_ALONG = [f"h{width}" for width in range(GRID + 1)]


def svg(cells: int, colours: bytes, size: int) -> bytes:
    """An SVG of the cells: one path a colour, of horizontal strokes that are one cell thick."""
    digits = _digits(cells).decode()
    text = "\n".join([digits[at : at + GRID] for at in range(0, CELLS, GRID)])
    paths: dict[str, list[str]] = {}
    for run in _RUN.finditer(text):
        start, end = run.span()
        paths.setdefault(text[start], []).append(_TO[start] + _ALONG[end - start])
    body = "".join(
        f'<path stroke="#{colours[3 * role : 3 * role + 3].hex()}" d="{"".join(strokes)}"/>'
        for role, strokes in sorted((int(digit, 16), strokes) for digit, strokes in paths.items())
    )
    # A stroke lies half above and half below its line, hence the half cell.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" '
        f'viewBox="0 -.5 {GRID} {GRID}" shape-rendering="crispEdges">{body}</svg>'
    ).encode()


def webp(cells: int, colours: bytes, size: int) -> bytes:
    """A lossless WebP with the same pixels as the PNG."""
    with PngImageFile(io.BytesIO(png(cells, colours, size))) as image:
        out = io.BytesIO()
        image.convert("RGBA").save(out, "WEBP", lossless=True, method=0, exact=True)
    return out.getvalue()
