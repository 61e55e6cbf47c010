"""Colours that go together, from the OKLCH colour space (equal steps look equal).

Like the drawings, they are computed once and stored in v1.bin: see parts.py.
"""

from __future__ import annotations

import math

RGB = tuple[int, int, int]


def oklch(lightness: float, chroma: float, hue: float) -> RGB:
    """OKLCH to sRGB (Ottosson, 2020); colours outside sRGB lose chroma until they fit."""
    while True:
        a = chroma * math.cos(math.radians(hue))
        b = chroma * math.sin(math.radians(hue))
        long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        linear = (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )
        if chroma < 0.005 or all(-0.001 <= v <= 1.001 for v in linear):
            r, g, blue = (round(255 * _gamma(min(1.0, max(0.0, v)))) for v in linear)
            return r, g, blue
        chroma *= 0.95


def _gamma(v: float) -> float:
    return 12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055


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


def _colours(hue: float, tone: str, scheme: str) -> list[RGB]:
    """The colours of the roles 0 to 15, in their order (see art.py)."""
    light, chroma = _TONES[tone]
    horn, pattern, iris = (hue + turn for turn in _SCHEMES[scheme])
    horn_light = 0.86 if tone == "deep" else 0.68
    return [
        (0, 0, 0),  # never seen: role 0 is transparent
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
    ]


def palettes() -> dict[str, list[RGB]]:
    """All palettes by name; colours by role."""
    return {
        f"{tone} {360 / _HUES * step:g} {scheme}": _colours(360 / _HUES * step, tone, scheme)
        for step in range(_HUES)
        for tone in _TONES
        for scheme in _SCHEMES
    }
