"""What a number looks like: its class on the decade scale, its colours, its width as an edge, its digits.

The scale is fixed, one class per decade from -6 to +6 around a reference, so that two pictures can be compared. Class
0 is healthy: as large as the reference. Blue classes vanish, orange ones explode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: The classes are -LIMIT to +LIMIT; what lies beyond is counted in the last one.
LIMIT = 6
CLASSES = range(-LIMIT, LIMIT + 1)

#: Width of an edge in points, at and below class -LIMIT, and at and above class +LIMIT.
THINNEST, THICKEST = 0.5, 6.5

MINUS = "\N{MINUS SIGN}"


# Numbers. ------------------------------------------------------------------------------------------------------------


def number(x: float) -> str:
    """Return x with three significant digits, in scientific notation outside 10^-2 to 10^3, with a real minus sign.

    Only 0 itself prints as 0, so that a dead unit and a vanished gradient never look alike.

    >>> [number(x) for x in (0.0, 0.0361, 1.0, 999.9, 1234.0, 1e-300)]
    ['0', '0.0361', '1', '1000', '1.23e3', '1e−300']
    """
    if math.isnan(x):
        return "NaN"
    sign = MINUS if x < 0 else ""
    if math.isinf(x):
        return sign + "∞"
    digits = f"{abs(x):.3g}"
    if digits == "1e+03":
        return f"{sign}1000"
    if "e" not in digits and not digits.startswith("0.00"):
        return digits if x == 0 else sign + digits
    digits, power = f"{abs(x):.2e}".split("e")
    return f"{sign}{digits.rstrip('0').rstrip('.')}e{signed(int(power))}"


def signed(x: float, digits: int = 0, plus: bool = False) -> str:
    """Return x with a real minus sign, and a plus sign if asked for.

    Args:
        x: a number.
        digits: how many follow the point.
        plus: whether a positive number gets its sign.
    """
    if not math.isfinite(x):
        return number(x)
    text = f"{abs(x):.{digits}f}"
    negative = x < 0 and float(text) != 0
    return (MINUS if negative else "+" if plus else "") + text


def number_at(decade: float) -> str:
    """Return 10**decade as `number` does, even where it leaves the range of a double.

    >>> number_at(-2.0), number_at(400.5)
    ('0.01', '3.16e400')
    """
    if abs(decade) < 300 or not math.isfinite(decade):
        return number(0.0 if decade == -math.inf else abs(decade) if math.isinf(decade) else 10.0**decade)
    whole = math.floor(decade)
    digits = number(10.0 ** (decade - whole))
    return f"1e{signed(whole + 1)}" if digits == "10" else f"{digits}e{signed(whole)}"


def power_of_ten(exponent: int) -> str:
    """Return the power as written in a legend: 10⁻³, and 1 for 10⁰."""
    if exponent == 0:
        return "1"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


# The scale. ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scale:
    """The decade scale around a reference.

    Args:
        reference: the magnitude that counts as healthy, positive and finite.
        words: what the reference is, as in "relative to the output δ".
    """

    reference: float
    words: str

    def decades(self, x: Floats) -> Floats:
        """Return log10(|x| / reference): -inf for 0, inf for an infinity, nan for nan."""
        with np.errstate(divide="ignore", invalid="ignore"):
            # The logarithms are subtracted, because the ratio may leave the range of a double where they do not.
            return np.asarray(np.log10(np.abs(x)) - math.log10(self.reference))

    def classes(self, x: Floats) -> Ints:
        """Return the class of each number, clamped to -6..+6; 0 goes to the lowest, nan to 0 (look at the marks)."""
        return classes_of(self.decades(x))

    def widths(self, x: Floats) -> Floats:
        """Return the width in points of an edge that carries each message: linear in the decades, then constant."""
        return widths_of(self.decades(x))


def classes_of(decades: Floats) -> Ints:
    """Return the class of each log10: rounded half up and clamped to -6..+6; nan gives 0."""
    rounded = np.floor(np.nan_to_num(decades, nan=0.0, posinf=LIMIT, neginf=-LIMIT) + 0.5)
    return np.clip(rounded, -LIMIT, LIMIT).astype(np.intp)


def widths_of(decades: Floats) -> Floats:
    """Return the edge width in points for each log10."""
    inside = np.clip(np.nan_to_num(decades, nan=0.0, posinf=LIMIT, neginf=-LIMIT), -LIMIT, LIMIT)
    return np.asarray(THINNEST + (THICKEST - THINNEST) * (inside + LIMIT) / (2 * LIMIT))


# Colours. ------------------------------------------------------------------------------------------------------------

_LIGHT_FILLS = (
    "#08306b", "#1b5893", "#3182bd", "#6aa6d0", "#9ecae1", "#c3d9e4", "#e8e8e6",
    "#f4d4ae", "#fdbe6f", "#f49947", "#e8720c", "#a94a07", "#6e2503",
)  # fmt: skip
# Edges are thin, so their ramp is darker: at least 3.3:1 on the paper, and darker with every class from the middle.
_LIGHT_STROKES = (
    "#08306b", "#00457a", "#015689", "#036596", "#1e759b", "#558295", "#8c8c8b",
    "#96795b", "#9d6630", "#9f5100", "#904400", "#813600", "#6e2503",
)  # fmt: skip
# On dark paper the ends of the scale are light: what is far from healthy stands out on either paper.
_DARK_FILLS = (
    "#cfe8ff", "#95c7f4", "#58a6e8", "#438ac6", "#2f6ea5", "#385774", "#3a3f45",
    "#705238", "#a8620f", "#cb7a1d", "#f0932b", "#f9bc7d", "#ffe3bd",
)  # fmt: skip
_DARK_STROKES = (
    "#cfe8ff", "#abd5fc", "#85c1f9", "#63abed", "#5c95cc", "#63809f", "#69696a",
    "#9b7654", "#c18343", "#e69336", "#f7ab5e", "#ffc78f", "#ffe3bd",
)  # fmt: skip


def fill_role(decade: int) -> str:
    """Return the name of the fill of a class, such as "m3" for -3 and "p1" for +1."""
    return f"{'m' if decade < 0 else 'p'}{abs(decade)}"


def edge_role(decade: int) -> str:
    """Return the name of an edge's colour for a class."""
    return "e" + fill_role(decade)


def ink_role(fill: str) -> str:
    """Return the name of the ink that is read on a fill."""
    return "i" + fill


def luminance(colour: str) -> float:
    """Return the relative luminance of "#rrggbb" as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """Return the contrast ratio of two colours as WCAG 2 defines it, from 1 to 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def ink_on(fill: str, *inks: str) -> str:
    """Return the first of the inks that is read on the fill at 4.5:1, else black or white, one of which always is."""
    for ink in inks:
        if contrast(ink, fill) >= 4.5:
            return ink
    return max("#000000", "#ffffff", key=lambda ink: contrast(ink, fill))


def _palette(
    fills: tuple[str, ...], strokes: tuple[str, ...], inks: tuple[str, str], roles: dict[str, str]
) -> Mapping[str, str]:
    palette = dict(roles)
    for decade, fill, stroke in zip(CLASSES, fills, strokes, strict=True):
        palette[fill_role(decade)] = fill
        palette[edge_role(decade)] = stroke
        palette[ink_role(fill_role(decade))] = ink_on(fill, *inks)
    return palette


#: Colour by role. `paper` is the background, `ink` text on it, `muted` less important text, `line` the outline of a
#: node, `faint` what is there without a gradient, `cell` an empty cell, `alarm` a non-finite node and `ialarm` its ink.
LIGHT: Mapping[str, str] = _palette(_LIGHT_FILLS, _LIGHT_STROKES, ("#111111", "#ffffff"), {
    "paper": "#ffffff", "ink": "#111111", "muted": "#595959", "line": "#444444", "faint": "#757575",
    "cell": "#f1f1f0", "alarm": "#000000", "ialarm": "#ffffff", "cool": "#1b5893", "warm": "#a94a07",
})  # fmt: skip
DARK: Mapping[str, str] = _palette(_DARK_FILLS, _DARK_STROKES, ("#0d1117", "#f0f3f6"), {
    "paper": "#0d1117", "ink": "#e6e9ec", "muted": "#a3a9b0", "line": "#b4bac1", "faint": "#7d838a",
    "cell": "#191e25", "alarm": "#ffffff", "ialarm": "#000000", "cool": "#95c7f4", "warm": "#f9bc7d",
})  # fmt: skip

THEMES = ("light", "dark", "auto")
