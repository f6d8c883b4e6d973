"""Tests of the colours by computation: contrast of text and strokes, classes told apart with three kinds of sight.

Colour blindness is simulated as in Machado, Oliveira & Fernandes, "A physiologically-based model for simulation of
color vision deficiency", IEEE TVCG 15 (2009), table 1, severity 1.0, on linear RGB. Differences of colour are those of
CIEDE2000 (Sharma, Wu & Dalal, "The CIEDE2000 color-difference formula", Color Res. Appl. 30, 2005), where about 2.3 can
just be seen side by side.
"""

import itertools
import math

import numpy as np
import pytest

from visualize import Graph, draw, scales
from visualize.graph import INPUT, LOSS, UNIT
from visualize.scales import CLASSES, DARK, LIGHT, LIMIT, contrast, edge_role, fill_role, ink_role
from visualize.scene import Box, Text

SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                            [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
#: sRGB to CIE XYZ, white D65 (IEC 61966-2-1).
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])

themes = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
sights = pytest.mark.parametrize("sight", SIGHTS)
ramps = pytest.mark.parametrize("role", [fill_role, edge_role], ids=["fills", "strokes"])


def linear(colour):
    encoded = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def seen(colour, sight):
    """The colour as CIELAB, as it is seen."""
    xyz = TO_XYZ @ np.clip(SIGHTS[sight] @ linear(colour), 0, 1) / TO_XYZ.sum(axis=1)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def simulated(colour, sight):
    """The colour as "#rrggbb", as it is seen."""
    light = np.clip(SIGHTS[sight] @ linear(colour), 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * x):02x}" for x in encoded.tolist())


def difference(lab1, lab2):
    """CIEDE2000 with k_L = k_C = k_H = 1, equations 2 to 22 of Sharma et al."""
    (l1, a1, b1), (l2, a2, b2) = lab1.tolist(), lab2.tolist()
    mean7 = ((math.hypot(a1, b1) + math.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * math.sqrt(mean7 / (mean7 + 25**7))
    c1, c2 = math.hypot(stretch * a1, b1), math.hypot(stretch * a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    hue = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = (1 - 0.17 * math.cos(math.radians(hue - 30)) + 0.24 * math.cos(math.radians(2 * hue))
         + 0.32 * math.cos(math.radians(3 * hue + 6)) - 0.2 * math.cos(math.radians(4 * hue - 63)))  # fmt: skip
    s_l = 1 + 0.015 * (lightness - 50) ** 2 / math.sqrt(20 + (lightness - 50) ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    rotation = (-2 * math.sqrt(chroma**7 / (chroma**7 + 25**7))
                * math.sin(math.radians(60 * math.exp(-(((hue - 275) / 25) ** 2)))))  # fmt: skip
    d_l, d_c = (l2 - l1) / s_l, (c2 - c1) / s_c
    d_h = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / s_h
    return math.sqrt(d_l**2 + d_c**2 + d_h**2 + rotation * d_c * d_h)


# The instruments. ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b", "expected"), [
    # Pairs 1, 4, 7, 10, 13, 17, 19, 25 and 34 of table 1 of Sharma et al.
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425), ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669), ((50, 2.49, -0.001), (50, -2.49, 0.0010), 7.1792),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045), ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (56, -27, -3), 31.9030), ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
])  # fmt: skip
def test_differences_are_those_that_were_published(a, b, expected):
    assert difference(np.array(a), np.array(b)) == pytest.approx(expected, abs=6e-5)


def test_colours_become_those_of_cielab():
    np.testing.assert_allclose(seen("#ffffff", "normal"), [100, 0, 0], atol=1e-3)
    np.testing.assert_allclose(seen("#ff0000", "normal"), [53.24, 80.09, 67.20], atol=0.05)
    np.testing.assert_allclose(seen("#0000ff", "normal"), [32.30, 79.19, -107.86], atol=0.05)


@sights
def test_greys_look_the_same_to_all(sight):
    for grey in ("#000000", "#777777", "#ffffff"):
        np.testing.assert_allclose(seen(grey, sight), seen(grey, "normal"), atol=0.2)


def test_red_and_green_are_confused_by_those_who_confuse_them():
    red, green = "#b05050", "#7a6a2a"
    assert difference(seen(red, "normal"), seen(green, "normal")) > 30
    assert difference(seen(red, "deuteranopia"), seen(green, "deuteranopia")) < 15


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


# Classes. ------------------------------------------------------------------------------------------------------------


@themes
@sights
@ramps
def test_neighbouring_classes_can_be_told_apart(palette, sight, role):
    least = 6.0 if role is fill_role else 4.4
    labs = [seen(palette[role(decade)], sight) for decade in CLASSES]
    for decade, (a, b) in zip(CLASSES, itertools.pairwise(labs), strict=False):
        assert difference(a, b) >= least, f"classes {decade} and {decade + 1}"


@themes
@sights
@ramps
def test_vanishing_and_exploding_are_never_confused(palette, sight, role):
    for low, high in itertools.product(range(-LIMIT, 0), range(1, LIMIT + 1)):
        apart = difference(seen(palette[role(low)], sight), seen(palette[role(high)], sight))
        assert apart >= 20, f"classes {low} and {high}"


@themes
@sights
@ramps
def test_lightness_runs_one_way_from_the_middle_to_each_end(palette, sight, role):
    lightness = [seen(palette[role(decade)], sight)[0] for decade in CLASSES]
    outwards = [lightness[LIMIT::-1], lightness[LIMIT:]]
    way = 1 if palette is DARK else -1  # what is far from healthy stands out on either paper
    for side in outwards:
        for a, b in itertools.pairwise(side):
            assert way * (b - a) >= 2


# Text and strokes. ---------------------------------------------------------------------------------------------------


@themes
@sights
def test_strokes_can_be_seen_on_the_paper(palette, sight):
    def on_paper(role):
        return contrast(simulated(palette[role], sight), palette["paper"])

    for decade in CLASSES:
        assert on_paper(edge_role(decade)) >= 3.0
    # Outlines: of all nodes, whatever their fill; those that are a mark themselves (dead, no path, not finite).
    for role in ("line", "faint", "alarm", "muted", "ink"):
        assert on_paper(role) >= 3.0


@themes
def test_strokes_have_some_reserve_in_normal_sight(palette):
    for decade in CLASSES:
        assert contrast(palette[edge_role(decade)], palette["paper"]) >= 3.3


@themes
@sights
def test_text_can_be_read_on_all_that_it_stands_on(palette, sight):
    pairs = [(role, "paper") for role in ("ink", "muted", "faint", "cool", "warm", "line")]
    pairs += [("ink", "cell"), ("muted", "cell"), ("ialarm", "alarm")]
    pairs += [(ink_role(fill_role(decade)), fill_role(decade)) for decade in CLASSES]
    least = 4.5 if sight == "normal" else 4.2  # WCAG knows normal sight only; the others lose little
    for text, ground in pairs:
        got = contrast(simulated(palette[text], sight), simulated(palette[ground], sight))
        assert got >= least, f"{text} on {ground}: {got:.2f}"


def test_both_palettes_have_all_roles():
    assert DARK.keys() == LIGHT.keys()
    assert all(len(c) == 7 and int(c[1:], 16) >= 0 for palette in (LIGHT, DARK) for c in palette.values())


def all_looks(swept=True):
    """A graph with every class and every mark, on nodes and edges."""
    sizes = [10.0**d for d in CLASSES] + [0.0, math.nan, math.inf, 1e-300, 1e300]
    n = len(sizes) + 2  # and one without a path, and the loss
    gradients = np.array([*sizes, 1.0, 1.0])
    return Graph(
        names=[f"u{i}" for i in range(n)], ops=[""] * 3 + ["tanh"] * (n - 4) + [""],
        kinds=np.array([INPUT] * 3 + [UNIT] * (n - 4) + [LOSS]), values=np.ones(n), gradients=gradients,
        levels=np.array([0] * (n - 1) + [1]), source=np.arange(n - 2), target=np.full(n - 2, n - 1),
        factors=gradients[:-2], messages=gradients[:-2], outputs=np.array([6]), noun="unit", symbol="δ", swept=swept,
    )  # fmt: skip


@themes
@pytest.mark.parametrize("view", ["labels", "circles", "levels"])
@pytest.mark.parametrize("swept", [True, False])
def test_every_text_of_a_picture_can_be_read_on_what_is_under_it(palette, view, swept):
    scene = draw(all_looks(swept), view, ref=1.0, engine="builtin").scene
    below, seen_ = [], 0
    for group in scene.front:
        for shape in group.shapes:
            if isinstance(shape, Box) and shape.fill:
                below.append(shape)
            if isinstance(shape, Text):
                x, y = shape.left + shape.width / 2, shape.y - 0.35 * shape.size
                under = [b for b in below if b.x <= x <= b.x + b.width and b.y <= y <= b.y + b.height]
                ground = under[-1].fill if under else "paper"
                for run in shape.runs:
                    if run.text.strip():
                        seen_ += 1
                        got = contrast(palette[run.role], palette[ground])
                        assert got >= 4.5, f"{run.text!r}: {run.role} on {ground} has {got:.2f}"
    assert seen_ >= 10


@themes
def test_every_line_of_a_picture_can_be_seen(palette):
    for view in ("labels", "circles", "levels"):
        scene = draw(all_looks(), view, ref=1.0, engine="builtin").scene
        lines = {shape.line for group in (*scene.back, *scene.front) for shape in group.shapes
                 if not isinstance(shape, Text) and shape.line}  # fmt: skip
        for role in lines:
            assert contrast(palette[role], palette["paper"]) >= 3.0, role


def test_ink_is_chosen_by_contrast():
    assert scales.ink_on("#777777", "#777777") in ("#000000", "#ffffff")
    assert scales.ink_on("#ffffff", "#eeeeee", "#333333", "#000000") == "#333333"
