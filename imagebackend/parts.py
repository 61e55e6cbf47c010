"""The drawings of algorithm version 1: bodies, and what they wear.

`python3 -m imagebackend.parts` draws them all and writes v1.bin, which is what the service reads:
start-up takes milliseconds, and a picture cannot change because a library rounds differently.
v1.bin is final. New drawings are a new version: a new file and a new path beside /v1/.

Coordinates: x from -19.5 to 19.5 with 0 in the middle, y downwards from 0.5 to 39.5.
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

from .art import (
    BELLY,
    CELLS,
    CHEEK,
    GRID,
    HORN,
    HORN_LIGHT,
    HORN_SHADE,
    IRIS,
    LIGHT,
    LINE,
    PATTERN,
    PUPIL,
    SHADE,
    SKIN,
    WHITE,
    Body,
    Cells,
    Points,
    Test,
    either,
    fill,
    limb,
    mirrored,
    moved,
    outlined,
    oval,
    placed,
    polygon,
    shaded,
    sprite,
)
from .palette import palettes

MIDDLE = GRID // 2


# --- bodies -------------------------------------------------------------------------------------


def _egg(x: float, y: float) -> bool:
    t = (y - 10.5) / 24.5
    return 0 < t < 1 and abs(x) <= 11.8 * math.sin(math.pi * t**1.25) ** 0.62


def _ghost(x: float, y: float) -> bool:
    foot = 33.2 + 1.7 * math.cos(x * math.pi / 3.7)
    return abs(x) <= 11 and y <= foot and (y >= 21.5 or math.hypot(x / 11, (y - 21.5) / 11) <= 1)


def _bell(x: float, y: float) -> bool:
    return 11 <= y <= 34.4 and abs(x) <= 6 + 6.6 / (1 + math.exp((25 - y) / 2.2)) - (
        4.6 * max(0.0, (14.5 - y) / 3.5) ** 2 + 2.4 * max(0.0, (y - 32.4) / 2) ** 2
    )


def _fluffy(x: float, y: float) -> bool:
    angle = math.atan2(x, 23 - y)
    return math.hypot(x, y - 23) <= 11.2 + 1.1 * math.cos(18 * angle)


def _drop(x: float, y: float) -> bool:
    t = (y - 7) / 27.5
    return 0 < t < 1 and abs(x) <= 12 * t**0.9 * math.sqrt(max(0.0, 1 - t**5))


def _star(x: float, y: float) -> bool:
    angle = math.atan2(x, 23 - y)
    return math.hypot(x, y - 23) <= 11.4 + 1.9 * math.cos(5 * angle)


def _body(inside: Test, eyes: int, mouth: int, shoulder: int) -> Body:
    skin = fill(inside)
    rows = [y for _, y in skin]
    cells = outlined(shaded(skin, SKIN, LIGHT, SHADE))
    return Body(cells, min(rows), max(rows), eyes, mouth, shoulder)


def bodies() -> dict[str, Body]:
    """All bodies by name."""
    return {
        "blob": _body(oval(0, 23, 12, 11.5), 20, 28, 24),
        "egg": _body(_egg, 21, 29, 25),
        "pear": _body(
            either(oval(0, 18, 8.8, 7.5), oval(0, 27, 12, 8), oval(0, 22, 9, 6)), 18, 26, 24
        ),
        "pill": _body(oval(0, 22.5, 9.6, 12.4, 3.2), 18, 26, 24),
        "box": _body(oval(0, 23, 11.8, 11.3, 5.5), 20, 28, 25),
        "ghost": _body(_ghost, 20, 27, 25),
        "cloud": _body(
            either(
                oval(-6, 18, 6.2, 6.2), oval(6, 18, 6.2, 6.2), oval(-7, 27, 6.4, 6.6),
                oval(7, 27, 6.4, 6.6), oval(0, 16.5, 6, 6), oval(0, 29, 6, 6), oval(0, 23, 9, 8),
            ), 20, 27, 23,
        ),
        "bell": _body(_bell, 18, 26, 26),
        "mushroom": _body(
            either(oval(0, 19.5, 13, 8.6, 2.6), oval(0, 28, 8.6, 6.6, 3.5)), 19, 27, 28
        ),
        "toad": _body(either(oval(0, 26, 14, 8.6, 2.4), oval(0, 20, 9.5, 7)), 20, 28, 26),
        "heart": _body(
            either(oval(-5.6, 18.6, 6.6, 6.8), oval(5.6, 18.6, 6.6, 6.8),
                   polygon([(-12, 19.5), (12, 19.5), (9.5, 27), (4, 34), (-4, 34), (-9.5, 27)])),
            20, 27, 23,
        ),
        "drop": _body(_drop, 21, 29, 26),
        "fluffy": _body(_fluffy, 20, 28, 24),
        "gem": _body(oval(0, 23, 12.8, 12, 1.45), 20, 27, 24),
        "bean": _body(limb([(-2.5, 18), (-1, 23), (3, 27)], [8.2, 8.6, 8.4]), 18, 26, 24),
        "star": _body(_star, 20, 27, 21),
    }  # fmt: skip


# --- behind the body ----------------------------------------------------------------------------


def _skin(inside: Test, depth: int = 2) -> Cells:
    return outlined(shaded(fill(inside), SKIN, SKIN, SHADE, depth))


def _horn(inside: Test, depth: int = 2) -> Cells:
    return outlined(shaded(fill(inside, HORN), HORN, HORN_LIGHT, HORN_SHADE, depth))


def backs(body: Body) -> dict[str, Cells]:
    """Wings, tails and spikes, which the body covers in part."""
    s, b = body.shoulder, body.bottom
    spikes: Cells = {}
    for turn in range(-4, 5):
        a = turn * math.pi / 7
        x, y = 15.2 * math.sin(a), 22.5 - 14.6 * math.cos(a)
        spikes |= _horn(
            polygon(
                [
                    (x, max(y, 1)),
                    (9 * math.sin(a - 0.28), 23 - 9 * math.cos(a - 0.28)),
                    (9 * math.sin(a + 0.28), 23 - 9 * math.cos(a + 0.28)),
                ]
            )
        )
    return {
        "none": {},
        "bat wings": mirrored(
            _horn(
                polygon(
                    [(-6, s), (-12, s - 9), (-18.5, s - 13), (-18.6, s - 1), (-15, s - 4),
                     (-13.4, s + 2), (-10, s - 1.5)]
                )
            )
        ),
        "small wings": mirrored(
            _horn(either(oval(-13.5, s - 5, 5, 3), oval(-13.5, s - 1.5, 3.6, 2.4)))
        ),
        "insect wings": mirrored(
            outlined(
                fill(limb([(-5, s), (-14.5, s - 9)], [2, 4]), WHITE)
                | fill(limb([(-5, s), (-14.5, s + 2)], [2, 3]), WHITE)
            )
        ),
        "curly tail": _skin(
            limb([(6, b - 2), (13, b - 1), (16.8, b - 4), (16, b - 8), (13.5, b - 7)],
                 [2.4, 2, 1.7, 1.4, 1.2])
        ),
        "arrow tail": _skin(limb([(6, b - 2), (13, b - 1), (16, b - 7)], [1.8, 1.4, 1]))
        | _horn(polygon([(16.2, b - 14), (12.2, b - 7), (18.9, b - 7)])),
        "fox tail": _skin(limb([(6, b - 2), (13, b - 4), (15.5, b - 10)], [2, 3.4, 2.4]))
        | outlined(fill(limb([(15.2, b - 11), (15.8, b - 13)], [2.4, 0.6]), WHITE)),
        "spikes": spikes,
    }  # fmt: skip


def legs(body: Body) -> dict[str, Cells]:
    """Feet and legs; their upper end is hidden by the body."""
    b = body.bottom + 0.5
    return {
        "stubs": mirrored(_skin(oval(-5, b + 1, 3, 3.4))),
        "long": mirrored(
            _skin(limb([(-4.5, b - 3), (-4.5, min(b + 4, 37))], [1.8, 1.8]))
            | _skin(oval(-5.4, min(b + 4, 37.4), 3, 1.6))
        ),
        "big feet": mirrored(_skin(oval(-6, b + 1.6, 5, 2.5))),
        "claws": mirrored(
            _skin(oval(-5.5, b + 0.6, 3.8, 2.6))
            | {
                (MIDDLE + x, round(b + 2) + y): WHITE
                for x in (-9, -6, -3)
                for y in (0, 1)
                if round(b + 2) + y < GRID
            }
        ),
        "bird": mirrored(
            _horn(
                either(
                    limb([(-4.5, b - 2), (-4.5, min(b + 3.4, 37))], [0.9, 0.9]),
                    oval(-4.5, min(b + 3.6, 37.6), 3.4, 1.2),
                )
            )
        ),
        "four": mirrored(_skin(oval(-8, b + 0.4, 2.2, 2.8)) | _skin(oval(-2.7, b + 1.2, 2.3, 2.8))),
        "boots": mirrored(_horn(either(oval(-5, b + 0.6, 2.6, 3), oval(-6.2, b + 2.2, 4, 1.8, 3)))),
        "tentacles": mirrored(
            _skin(limb([(-9, b - 4), (-10.5, b + 1), (-13, b + 1.6)], [2.2, 1.7, 1.2]))
            | _skin(limb([(-3, b - 3), (-4, b + 1.6), (-6, b + 2.6)], [2.2, 1.8, 1.2]))
        ),
        "wheels": mirrored(
            outlined(fill(oval(-6, b + 1, 3.3, 3.3), PUPIL) | fill(oval(-6, b + 1, 1.4, 1.4), HORN))
        ),
        "float": fill(oval(0, min(b + 4.4, 38.4), 7, 1.1), SHADE),
    }  # fmt: skip


def arms(body: Body) -> dict[str, Cells]:
    """Arms and hands; their inner end is hidden by the body."""
    s = body.shoulder + 0.5
    e = body.left(body.shoulder) - MIDDLE + 2.0  # x just inside the body's left edge

    def hand(points: Points, w: float = 1.7) -> Cells:
        return _skin(limb([(e + x, s + y) for x, y in points], [w] * (len(points) - 1) + [w + 0.5]))

    down, up = [(0, 0), (-3, 3), (-4, 6)], [(0, 0), (-3.6, -2), (-5, -7)]
    out, hip = [(0, 0), (-5.4, 0.5)], [(0, 0), (-4.6, 2.5), (-1, 6.5)]

    def pair(left: Cells, right: Cells) -> Cells:
        return left | {(GRID - 1 - x, y): role for (x, y), role in right.items()}

    claw = sprite("w.w.w\nw.w.w")
    cx, cy = round(MIDDLE + e - 4), round(s + 8)
    return {
        "down": mirrored(hand(down)),
        "cheering": mirrored(hand(up)),
        "waving": pair(hand(down), hand(up)),
        "hello": pair(hand(up), hand(hip)),
        "open": mirrored(hand(out)),
        "hips": mirrored(hand(hip)),
        "strong": mirrored(hand([(0, 0), (-5, 0.6), (-4.4, -5)], 2.2)),
        "claws": mirrored(hand(down) | placed(claw, cx, cy)),
        "fins": mirrored(_horn(polygon([(e + 1, s - 3), (e - 6, s + 4.5), (e + 1, s + 3)]))),
        "tentacles": mirrored(
            _skin(
                limb([(e, s), (e - 3, s + 2.4), (e - 4.6, s - 1), (e - 3.4, s - 3.6)],
                     [2, 1.7, 1.4, 1])
            )
        ),
        "mittens": mirrored(
            _skin(limb([(e, s), (e - 3.6, s + 1.4)], [1.6, 1.6]))
            | _horn(oval(e - 4.4, s + 2, 2.3, 2.6))
        ),
        "none": {},
    }  # fmt: skip


# --- on the body --------------------------------------------------------------------------------


def patterns(body: Body) -> dict[str, Cells]:
    """Markings on the skin, cut to the body."""
    skin = {c: r for c, r in body.cells.items() if r != LINE}
    middle = (body.top + body.bottom) / 2 + 0.5

    def on(test: Test, role: int = PATTERN) -> Cells:
        return {c: role for c in fill(test) if c in skin}

    spots = either(
        oval(-8, middle + 4, 2.4, 2.2),
        oval(7.5, middle + 7, 2.6, 2.4),
        oval(8, middle - 4, 2, 2.2),
        oval(-5.5, middle - 8, 2, 1.8),
        oval(-2, middle + 9.5, 2, 1.6),
        oval(3, middle - 10, 1.6, 1.6),
    )
    return {
        "plain": {},
        "belly": on(oval(0, body.bottom - 3, 7, 6.5), BELLY),
        "spots": on(spots),
        "freckles": on(
            lambda x, y: int(x + 40) % 4 == 1 and int(y + int(x + 40) // 4 * 2) % 4 == 1
        ),
        "stripes": on(lambda x, y: int(y) % 6 < 2 and abs(x) > 5.4),
        "bands": on(lambda _, y: (y - middle) % 8 < 3 and y > middle + 4),
        "socks": on(lambda x, y: y > body.bottom - 4 + math.sin(x * 1.2)),
        "cap": on(lambda x, y: y < body.top + 5.5 + math.cos(x * 0.9)),
        "mask": on(either(oval(-4.6, body.eyes, 5.4, 4.6), oval(4.6, body.eyes, 5.4, 4.6)), BELLY),
        "half": on(lambda x, y: x > 0.6 * math.sin(y * 0.8)),
        "zigzag": on(lambda x, y: 0 <= y - (middle + 6) + abs((x + 40) % 6 - 3) < 2.2),
        "scales": on(
            lambda x, y: y > middle - 1
            and (
                abs(math.hypot((x + (3 if int(y) // 4 % 2 else 0)) % 6 - 3, y % 4) - 2.6) < 0.55
            )
        ),
    }  # fmt: skip


def tops(body: Body) -> dict[str, Cells]:
    """Horns, ears, hair and hats."""
    t = body.top + 0.5
    w = max(4.0, min(8.0, MIDDLE - body.left(body.top + 3)))  # half the head's width near its top

    up = max(t - 9, 1.2)
    return {
        "none": {},
        "horns": mirrored(
            _horn(limb([(-w + 1, t + 2), (-w - 2.4, t - 2), (-w - 1, up)], [2.2, 1.7, 0.5]))
        ),
        "little horns": mirrored(
            _horn(polygon([(-w - 0.5, t + 3), (-w + 0.6, t - 4.5), (-w + 4.5, t + 1.5)]))
        ),
        "unicorn": outlined(
            {
                (x, y): (HORN if (x + 2 * y) % 5 > 1 else HORN_LIGHT)
                for x, y in fill(polygon([(-2.8, t + 2.5), (0, up - 0.4), (2.8, t + 2.5)]))
            }
        ),
        "antennae": mirrored(
            _line([(-2, t + 1), (-4, t - 4), (-6.5, max(t - 7, 3.4))])
            | _horn(oval(-6.5, max(t - 7.6, 3.0), 2, 2))
        ),
        "bobble": _line([(0, t + 1), (0, t - 5)]) | _horn(oval(0, max(t - 6, 3.2), 2.4, 2.4)),
        "cat ears": mirrored(
            _skin(polygon([(-w - 2, t + 6), (-w - 1, t - 5.2), (-w + 5.5, t + 1)]))
            | fill(polygon([(-w - 0.7, t + 3), (-w - 0.2, t - 2.4), (-w + 3, t + 0.6)]), CHEEK)
        ),
        "bear ears": mirrored(
            _skin(oval(-w - 0.4, t + 0.6, 3.7, 3.7))
            | fill(oval(-w - 0.4, t + 0.6, 1.8, 1.8), CHEEK)
        ),
        "bunny ears": mirrored(
            _skin(limb([(-w + 2.6, t + 2), (-w + 1, max(t - 7.6, 3.6))], [2.2, 2.5]))
            | fill(limb([(-w + 2.2, t - 1), (-w + 1, max(t - 7, 4.2))], [0.8, 1.1]), CHEEK)
        ),
        "mohawk": _horn(
            either(
                *(polygon([(x - 1.6, t + 3), (x, t - 6 + abs(x)), (x + 2, t + 3)])
                  for x in (-4.6, -2.3, 0, 2.3, 4.6))
            )
        ),
        "curls": _horn(
            either(*(oval(x, t + 0.4 + abs(x) / 5, 2.5, 2.5) for x in (-6.6, -3.3, 0, 3.3, 6.6)))
        ),
        "quiff": _horn(
            polygon(
                [(-w, t + 3.5), (-w + 0.5, t - 2.5), (-1, t - 6), (4, t - 6.6), (2, t - 3.4),
                 (w, t - 1), (w - 0.6, t + 2.4)]
            )
        ),
        "sprout": _line([(0, t + 1), (0, t - 4)])
        | mirrored(_horn(limb([(-1, t - 3.6), (-4.8, max(t - 6, 3.2))], [1, 2.1]))),
        "crown": outlined(
            fill(
                polygon(
                    [(-6, t + 2.4), (-6.6, t - 5.4), (-3.2, t - 2), (0, t - 6.6), (3.2, t - 2),
                     (6.6, t - 5.4), (6, t + 2.4)]
                ),
                HORN,
            )
            | {(MIDDLE + x, round(t)): WHITE for x in (-4, -1, 0, 3)}
        ),
        "top hat": outlined(
            fill(polygon([(-4.6, t + 0.4), (-5, up + 0.6), (5, up + 0.6), (4.6, t + 0.4)]), PUPIL)
            | fill(polygon([(-4.8, t + 0.4), (-4.8, t - 2), (4.8, t - 2), (4.8, t + 0.4)]), HORN)
            | fill(oval(0, t + 1.2, 8.4, 1.4, 4), PUPIL)
        ),
        "fin": _horn(
            polygon([(-3.5, t + 4), (-2, t - 3), (3.5, up + 1), (2.4, t - 2), (5, t + 4)])
        ),
    }  # fmt: skip


def _line(points: Points) -> Cells:
    return fill(limb(points, [0.75] * len(points)), LINE)


GAZES = {
    "ahead": (0.0, 0.0),
    "left": (-0.9, 0.0),
    "right": (0.9, 0.0),
    "up": (0.0, -0.9),
    "down": (0.0, 0.9),
}


def eyes(body: Body, gaze: tuple[float, float]) -> dict[str, Cells]:
    """Eyes looking in a direction (cells)."""
    c = body.eyes + 0.5
    gx, gy = gaze

    def ball(x: float, y: float, r: float, pupil: float, iris: float = 0, look: float = 1) -> Cells:
        px, py = x + gx * look * r / 4, y + gy * look * r / 4
        cells = outlined(fill(oval(x, y, r, r), WHITE))
        if iris:
            cells |= fill(oval(px, py, iris, iris), IRIS)
        cells |= fill(oval(px, py, pupil, pupil, 3), PUPIL)
        gleam = fill(oval(px - pupil / 2.2, py - pupil / 2.2, pupil / 2.3, pupil / 2.3), WHITE)
        return cells | gleam

    def lid(cells: Cells, part: Test, edge: int = LINE) -> Cells:
        shut = {at: SHADE for at in fill(part) if cells.get(at, LINE) != LINE}
        rim = {(x, y + 1): edge for x, y in shut if (x, y + 1) not in shut and (x, y + 1) in cells}
        return cells | shut | rim

    def dots(x: float, y: float, r: float) -> Cells:
        return fill(oval(x, y, r, r * 1.25), PUPIL) | fill(
            oval(x - r / 3, y - r / 2, 0.6, 0.6), WHITE
        )

    def stroke(drawing: str, x: int) -> Cells:
        return placed(sprite(drawing), MIDDLE + x, body.eyes)

    two = ball(-4.6, c, 3.3, 1.7) | ball(4.6, c, 3.3, 1.7)
    big = ball(-4.5, c, 4.2, 1.9, 2.9) | ball(4.5, c, 4.2, 1.9, 2.9)
    happy = ".###.\n#...#\n#...#"
    return {
        "round": two,
        "big": big,
        "cyclops": ball(0, c, 5, 2.2, 3.5),
        "three": ball(-6, c + 1, 2.4, 1.3) | ball(6, c + 1, 2.4, 1.3) | ball(0, c - 1.6, 3, 1.6),
        "dots": dots(-4.5, c, 1.7) | dots(4.5, c, 1.7),
        "wide": dots(-5.6, c, 2.2) | dots(5.6, c, 2.2),
        "sleepy": lid(two, lambda _, y: y < c - 0.2),
        "cross": lid(two, lambda x, y: y < c - 2.4 + (5 - abs(x)) * 0.5),
        "sad": lid(big, lambda x, y: y < c - 3.6 + abs(x) * 0.42),
        "happy": stroke(happy, -4) | stroke(happy, 5),
        "wink": ball(-4.6, c, 3.6, 1.8) | stroke("#####", 5),
        "odd": ball(-4.8, c, 4.2, 1.5) | ball(4.8, c + 0.8, 2.6, 1.3),
        "cat": outlined(fill(oval(-4.6, c, 3.2, 3.2), IRIS) | fill(oval(4.6, c, 3.2, 3.2), IRIS))
        | fill(either(oval(-4.6 + gx, c, 0.9, 2.8), oval(4.6 + gx, c, 0.9, 2.8)), PUPIL)
        | fill(either(oval(-6.5, c - 1.5, 0.7, 0.7), oval(2.5, c - 1.5, 0.7, 0.7)), WHITE),
        "glasses": ball(-4.6, c, 3.9, 1.4, 0, 1.4)
        | ball(4.6, c, 3.9, 1.4, 0, 1.4)
        | fill(lambda x, y: abs(x) < 1 and abs(y - c) < 0.6, LINE),
        "many": ball(-3, c - 2.4, 2, 1) | ball(3, c - 2.4, 2, 1) | ball(-6, c + 1.6, 1.9, 1)
        | ball(6, c + 1.6, 1.9, 1) | ball(0, c + 1.8, 2.2, 1.2),
        "visor": outlined(fill(oval(0, c, 8, 2.6, 4), PUPIL))
        | fill(either(oval(-3.4 + gx * 2, c, 1.3, 1.3), oval(3.4 + gx * 2, c, 1.3, 1.3)), IRIS),
    }  # fmt: skip


MOUTHS = {
    "smile": "#.......#\n.#.....#.\n..#####..",
    "grin": "###########\n#wwwwwwwww#\n.#wwwwwww#.\n..#######..",
    "laugh": "###########\n#mmmmmmmmm#\n#mmmmmmmmm#\n.#mmtttmm#.\n..#ttttt#..\n...#####...",
    "fangs": "#.........#\n.#########.\n..#w#.#w#..\n..#w#.#w#..",
    "tooth": "#.......#\n.#######.\n...#w#...\n...###...",
    "oh": "..###..\n.#mmm#.\n#mmmmm#\n#mmmmm#\n.#ttt#.\n..###..",
    "cat": "#....#....#\n.#..#.#..#.\n..##...##..",
    "flat": "#########",
    "wobble": "..##...##..\n.#..#.#..#.\n#....#....#",
    "shark": "#############\n#w#w#w#w#w#w#\n#mwmwmwmwmwm#\n.#mwmwmwmwm#.\n..#########..",
    "tongue": "#.......#\n.#######.\n...#tt#..\n...#tt#..\n....##...",
    "braces": "###########\n#wiwiwiwiw#\n#wwwwwwwww#\n###########",
    "vampire": "###########\n#mwmmmmmwm#\n#mwmmmmmwm#\n.#mmmtmmm#.\n..#######..",
    "smirk": ".......##\n......#..\n######...",
    "beak": "..hhhhh..\n.hhhhhhh.\n#########\n.HHHHHHH.\n..HHHHH..\n....H....",
    "snout": "..#######..\n.#lllllll#.\n#ll##l##ll#\n#lllllllll#\n.#sssssss#.\n..#######..",
}


def mouths(body: Body) -> dict[str, Cells]:
    """Mouths by name."""
    return {
        name: placed(sprite(rows), MIDDLE, body.mouth + 1)
        if name != "beak"
        else outlined(placed(sprite(rows), MIDDLE, body.mouth))
        for name, rows in MOUTHS.items()
    }


def extras(body: Body) -> dict[str, Cells]:
    """Small things that make a face someone's own."""
    c, m = body.eyes, body.mouth
    blush = fill(either(oval(-8, m - 1, 2.1, 1.2, 4), oval(8, m - 1, 2.1, 1.2, 4)), CHEEK)
    skin = {at for at, role in body.cells.items() if role != LINE}
    return {
        "none": {},
        "blush": {at: role for at, role in blush.items() if at in skin},
        "wart": {
            at: role
            for at, role in moved(sprite("##.\n#pp\n.p."), MIDDLE + 8, m + 2).items()
            if at in skin
        },
        "brows": mirrored(fill(limb([(-7, c - 4), (-3, c - 5)], [0.7, 0.7]), LINE)),
    }


# --- the file -----------------------------------------------------------------------------------

SLOTS = ("back", "legs", "arms", "body", "pattern", "top", "mouth", "extra", "eyes")


def draw(name: str, body: Body) -> dict[str, dict[str, Cells]]:
    """All parts that one body can have: slot (in SLOTS, from back to front) to name to drawing."""
    looks = {
        f"{look} {gaze}": cells
        for gaze, direction in GAZES.items()
        for look, cells in eyes(body, direction).items()
    }
    drawings = (
        backs(body),
        legs(body),
        arms(body),
        {name: body.cells},
        patterns(body),
        tops(body),
        mouths(body),
        extras(body),
        looks,
    )
    return dict(zip(SLOTS, drawings, strict=True))


def pack() -> bytes:
    """All drawings and palettes as one file, deflated.

    First a line of JSON: `palettes`, their names, and `bodies`, for each its slots, each a list of
    part names. Then the palettes, 48 bytes each (red, green, blue of the 16 roles), and the
    drawings in the order of the names, 800 bytes each (two cells a byte, row by row).
    """
    colours = palettes()
    bodies_slots = []
    pixels = bytearray()
    for name, body in bodies().items():
        slots = draw(name, body)
        bodies_slots.append({slot: list(drawings) for slot, drawings in slots.items()})
        for drawings in slots.values():
            for cells in drawings.values():
                digits = ["0"] * CELLS
                for (x, y), role in cells.items():
                    if 0 <= x < GRID and 0 <= y < GRID:
                        digits[y * GRID + x] = f"{role:x}"
                pixels += bytes.fromhex("".join(digits))
    head = json.dumps({"palettes": list(colours), "bodies": bodies_slots}).encode()
    lookup = bytes(v for palette in colours.values() for colour in palette for v in colour)
    return zlib.compress(head + b"\n" + lookup + pixels, 9)


if __name__ == "__main__":
    path = Path(__file__).with_name("v1.bin")
    path.write_bytes(pack())
    print(f"{path}: {path.stat().st_size} bytes")
