"""Colours that can be read: WCAG contrast, and the shades of a brand's accent that keep 4.5 to 1.

Pure arithmetic on sRGB. ``#rrggbb`` goes in and comes out; anything else raises ValueError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

READABLE = 4.5
"""The least contrast of text and its ground (WCAG 2.2, AA)."""

VISIBLE = 2.0
"""The least contrast of a filled ground and the page it stands on; the words on it carry the meaning."""

LIGHT_GROUNDS = ("#ffffff", "#eceef3")
"""The lightest and the darkest ground that the accent is written on in the light theme."""

DARK_GROUNDS = ("#0f1115", "#252a34")
"""The darkest and the lightest ground that the accent is written on in the dark theme."""

INK = "#10131a"
PAPER = "#ffffff"

_HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Shades:
    """A brand's accent in one theme.

    ``text``: links and other words; ``fill``: the ground of the primary button, ``on_fill`` the words on it;
    ``hover``: the same ground under the pointer.
    """

    text: str
    fill: str
    on_fill: str
    hover: str


@dataclass(frozen=True, slots=True)
class Accent:
    """A brand's accent for both themes."""

    light: Shades
    dark: Shades


def contrast(one: str, other: str) -> float:
    """The WCAG contrast of two colours, 1.0 to 21.0; the order does not matter."""
    first, second = _luminance(one), _luminance(other)
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


def accent(colour: str) -> Accent:
    """The shades of a brand's colour, as close to it as can be read on every ground of either theme.

    Words in it are darkened for the light theme, lightened for the dark one, until they reach 4.5 to 1. A filled
    ground keeps the colour itself and takes the words' colour that is read on it; only where the colour would sink
    into the page's own ground is the readable shade taken.
    """
    light = _until_readable(colour, LIGHT_GROUNDS, towards="#000000")
    dark = _until_readable(colour, DARK_GROUNDS, towards="#ffffff")
    return Accent(
        light=_shades(light, colour if contrast(colour, LIGHT_GROUNDS[0]) >= VISIBLE else light),
        dark=_shades(dark, colour if contrast(colour, DARK_GROUNDS[0]) >= VISIBLE else dark),
    )


def _shades(text: str, fill: str) -> Shades:
    on_fill = text_on(fill)
    hover = _mix(fill, "#000000" if on_fill == PAPER else "#ffffff", 0.12)
    return Shades(text=text, fill=fill, on_fill=on_fill, hover=hover)


def text_on(ground: str) -> str:
    """White, near-black or black: the first that is read on this ground. One of them always is."""
    return next(ink for ink in (PAPER, INK, "#000000") if contrast(ink, ground) >= READABLE)


def _channels(colour: str) -> tuple[int, int, int]:
    if _HEX.fullmatch(colour) is None:
        raise ValueError(f"not a colour like #1f5fd0: {colour!r}")
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _mix(colour: str, towards: str, share: float) -> str:
    mixed = (
        round(start + (end - start) * share)
        for start, end in zip(_channels(colour), _channels(towards), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _until_readable(colour: str, grounds: tuple[str, ...], *, towards: str) -> str:
    for step in range(101):
        shade = _mix(colour, towards, step / 100)
        if all(contrast(shade, ground) >= READABLE for ground in grounds):
            return shade
    return towards
