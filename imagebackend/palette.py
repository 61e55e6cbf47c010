"""Colours that go together, from the OKLCH colour space (equal steps look equal)."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """16 colours by role; `plte` is the finished PNG chunk."""

    name: str
    colours: tuple[RGB, ...]
    plte: bytes


def oklch(lightness: float, chroma: float, hue: float) -> RGB:
    """OKLCH to sRGB (Ottosson, 2020); colours outside sRGB lose chroma until they fit."""
    while True:
        a = chroma * math.cos(math.radians(hue))
        b = chroma * math.sin(math.radians(hue))
        l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        s = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        linear = (
            4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
            -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
            -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
        )
        if chroma < 0.005 or all(-0.001 <= v <= 1.001 for v in linear):
            r, g, blue = (round(255 * _gamma(min(1.0, max(0.0, v)))) for v in linear)
            return r, g, blue
        chroma *= 0.95


def _gamma(v: float) -> float:
    return 12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# Tone: lightness and chroma of the skin.  Scheme: hue distance of horns, of patterns, of the iris.
_TONES = {"pastel": (0.82, 0.09), "bright": (0.74, 0.15), "deep": (0.58, 0.13)}
_SCHEMES = {
    "neighbours": (50, -30, 90),
    "opposite": (180, 30, 200),
    "triad": (120, -45, 240),
    "split": (150, 210, 30),
    "warm": (-60, 25, 140),
    "cool": (80, 150, -100),
}
_HUES = 24


def _palette(hue: float, tone: str, scheme: str) -> Palette:
    light, chroma = _TONES[tone]
    horn, pattern, iris = (hue + turn for turn in _SCHEMES[scheme])
    horn_light = 0.86 if tone == "deep" else 0.68
    colours = (
        (0, 0, 0),
        oklch(0.27, 0.05, hue),
        oklch(light, chroma, hue),
        oklch(min(0.95, light + 0.09), chroma * 0.8, hue + 12),
        oklch(light - 0.13, chroma, hue - 18),
        oklch(0.93, 0.05, hue + 30),
        oklch(light - 0.1, chroma + 0.02, pattern),
        oklch(horn_light, 0.14, horn),
        oklch(horn_light - 0.14, 0.13, horn - 15),
        oklch(min(0.96, horn_light + 0.14), 0.1, horn + 10),
        (255, 255, 255),
        oklch(0.2, 0.03, hue),
        oklch(0.35, 0.12, 20),
        oklch(0.72, 0.15, 15),
        oklch(0.76, 0.13, 5),
        oklch(0.66, 0.17, iris),
    )
    return Palette(
        f"{tone} {hue:g} {scheme}",
        colours,
        chunk(b"PLTE", bytes(v for colour in colours for v in colour)),
    )


PALETTES = tuple(
    _palette(360 / _HUES * step, tone, scheme)
    for step in range(_HUES)
    for tone in _TONES
    for scheme in _SCHEMES
)
