"""Shapes on a grid of cells: what the parts in parts.py are drawn with.

A drawing is a dict of (column, row) to role: what a cell is (skin, line, horn), not its colour.
Nothing here runs while the service does: it reads the finished drawings from v1.bin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

GRID = 40
CELLS = GRID * GRID

# Roles: what a cell is, not which colour it has; the palette decides that per monster.
CLEAR, LINE, SKIN, LIGHT, SHADE, BELLY, PATTERN, HORN = range(8)
HORN_SHADE, HORN_LIGHT, WHITE, PUPIL, MOUTH, TONGUE, CHEEK, IRIS = range(8, 16)

Cell = tuple[int, int]
Cells = dict[Cell, int]
Test = Callable[[float, float], bool]  # whether a point is inside a shape
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Body:
    """A body: its cells, and the rows where the other parts go."""

    cells: Cells
    top: int
    bottom: int
    eyes: int
    mouth: int
    shoulder: int

    def left(self, row: int) -> int:
        """First column of the body in a row (GRID // 2 where there is none)."""
        return min((x for x, y in self.cells if y == row), default=GRID // 2)


# --- shapes -------------------------------------------------------------------------------------


def fill(inside: Test, role: int = SKIN) -> Cells:
    """All cells whose centre is inside; coordinates have their origin in the middle column, x
    from -19.5 to 19.5, y downwards from 0.5."""
    half = GRID / 2
    return {
        (x, y): role for y in range(GRID) for x in range(GRID) if inside(x + 0.5 - half, y + 0.5)
    }


def oval(cx: float, cy: float, rx: float, ry: float, power: float = 2.0) -> Test:
    """Inside of an ellipse; a `power` above 2 makes it squarer."""
    return lambda x, y: abs((x - cx) / rx) ** power + abs((y - cy) / ry) ** power <= 1


def either(*tests: Test) -> Test:
    """Inside any of the shapes."""
    return lambda x, y: any(test(x, y) for test in tests)


def limb(points: Points, widths: Sequence[float]) -> Test:
    """Inside of a thick line through points; the width (radius) changes from point to point."""

    def inside(x: float, y: float) -> bool:
        for (x1, y1), (x2, y2), w1, w2 in zip(points, points[1:], widths, widths[1:], strict=False):
            length = (x2 - x1) ** 2 + (y2 - y1) ** 2
            t = max(0.0, min(1.0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length))
            if math.hypot(x - x1 - t * (x2 - x1), y - y1 - t * (y2 - y1)) <= w1 + t * (w2 - w1):
                return True
        return False

    return inside


def polygon(points: Points) -> Test:
    """Inside of a closed polygon (even-odd rule)."""

    def inside(x: float, y: float) -> bool:
        odd = False
        for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]], strict=True):
            if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
                odd = not odd
        return odd

    return inside


def mirrored(cells: Cells) -> Cells:
    """The cells and their reflection on the middle axis."""
    return cells | {(GRID - 1 - x, y): role for (x, y), role in cells.items()}


def moved(cells: Cells, dx: int, dy: int) -> Cells:
    """The cells moved right and down; what leaves the grid is cut off."""
    return {
        (x + dx, y + dy): role
        for (x, y), role in cells.items()
        if 0 <= x + dx < GRID and 0 <= y + dy < GRID
    }


def outlined(cells: Cells) -> Cells:
    """The cells with a dark line around them."""
    line: Cells = {}
    for x, y in cells:
        for near in ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)):
            if near not in cells and 0 <= near[0] < GRID and 0 <= near[1] < GRID:
                line[near] = LINE
    return cells | line


def shaded(cells: Cells, role: int, light: int, dark: int, depth: int = 3) -> Cells:
    """Light from the top left: darker cells along the right and lower edge, lighter opposite."""
    result = dict(cells)
    for (x, y), now in cells.items():
        if now != role:
            continue
        if (x + depth, y + depth - 1) not in cells or (x, y + depth) not in cells:
            result[x, y] = dark
        elif (x - depth + 1, y - depth) not in cells and (x - depth, y) in cells:
            result[x, y] = light
    return result


def sprite(rows: str) -> Cells:
    """Cells of a small drawing in characters, centred on column 0 and row 0."""
    roles = {
        "#": LINE, "s": SKIN, "l": LIGHT, "d": SHADE, "b": BELLY, "p": PATTERN, "h": HORN,
        "H": HORN_SHADE, "L": HORN_LIGHT, "w": WHITE, "k": PUPIL, "m": MOUTH, "t": TONGUE,
        "c": CHEEK, "i": IRIS,
    }  # fmt: skip
    lines = rows.strip("\n").split("\n")
    width = max(map(len, lines))
    return {
        (x - width // 2, y - len(lines) // 2): roles[char]
        for y, line in enumerate(lines)
        for x, char in enumerate(line)
        if char not in ". "
    }


def placed(cells: Cells, x: int, y: int) -> Cells:
    """A sprite with its centre at a cell; what leaves the grid is cut off."""
    return moved(cells, x, y)
