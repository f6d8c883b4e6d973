"""Scene, a composed picture: a list of shapes at fixed places, written as SVG or as DOT for an engine to rasterise.

Every picture is composed here, whatever laid out the graph in it, so that all engines give the same look and SVG, PNG
and PDF the same content. Lengths are points, y grows downwards. Colours are roles (see `scales.LIGHT`), which a palette
turns into colours: in SVG by one style block, which can hold a light and a dark palette at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from visualize.scales import DARK, LIGHT

Point = tuple[float, float]

# Helvetica's advance widths in thousandths for ASCII 32 to 126, and for the signs that diagrams use.
_ASCII_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
)  # fmt: skip
_ASCII_BOLD_WIDTHS = (
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556, 611,
    556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389,
    280, 389, 584,
)  # fmt: skip
_SIGN_WIDTHS = {
    "·": 333, "−": 584, "∂": 494, "δ": 556, "→": 1000, "←": 1000, "×": 584, "÷": 584, "≤": 549, "≥": 549, "…": 1000,
    "–": 556, "∞": 713,
} | dict.fromkeys("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", 365)  # fmt: skip
_WIDTHS = {
    bold: {chr(32 + k): w for k, w in enumerate(widths)} | _SIGN_WIDTHS
    for bold, widths in ((False, _ASCII_WIDTHS), (True, _ASCII_BOLD_WIDTHS))
}

#: Dash patterns in points.
DASHES = {"solid": "", "dashed": "6 3", "dotted": "0.1 4"}


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Return how wide a text is in Helvetica, in points; wide scripts count as one em a letter."""
    widths = _WIDTHS[bold]
    units = sum(widths.get(c) or (1000 if ord(c) > 0x2E80 else 600) for c in text)
    return units * size / 1000


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text of one style.

    Args:
        text: the letters.
        role: their colour.
        bold: whether they are bold.
    """

    text: str
    role: str = "ink"
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text.

    Args:
        x: where it is anchored.
        y: its baseline.
        runs: its pieces.
        size: in points.
        anchor: "start", "middle" or "end".
    """

    x: float
    y: float
    runs: tuple[Run, ...]
    size: float = 11.0
    anchor: str = "start"

    @property
    def width(self) -> float:
        """How wide it is."""
        return sum(text_width(run.text, self.size, run.bold) for run in self.runs)

    @property
    def left(self) -> float:
        """Where it starts."""
        return self.x - self.width * {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, ellipse or octagon.

    Args:
        x: its left side.
        y: its top.
        width: its width.
        height: its height.
        fill: role of the fill, "" for none.
        line: role of the outline, "" for none.
        shape: "box", "round", "ellipse" or "octagon".
        pen: width of the outline.
        dash: "solid", "dashed" or "dotted".
        tip: what a pointer resting on it shows.
    """

    x: float
    y: float
    width: float
    height: float
    fill: str = ""
    line: str = ""
    shape: str = "box"
    pen: float = 1.0
    dash: str = "solid"
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """A chain of cubic Bezier curves, with an arrowhead if it has a tip.

    Args:
        points: one point, then three per piece: two controls and an end.
        line: role of its colour.
        pen: its width.
        dash: "solid", "dashed" or "dotted".
        head: the point of the arrowhead, whose base is the last point; None for no head.
        opacity: 0 to 1.
        tip: what a pointer resting on it shows.
    """

    points: tuple[Point, ...]
    line: str
    pen: float = 1.0
    dash: str = "solid"
    head: Point | None = None
    opacity: float = 1.0
    tip: str = ""


Shape = Box | Curve | Text


@dataclass(slots=True)
class Group:
    """Shapes that belong together, such as a node with its text; an SVG group with an id.

    Args:
        name: the id, "" for none.
        shapes: drawn in this order.
        tip: what a pointer resting on any of them shows.
    """

    name: str
    shapes: list[Shape] = field(default_factory=list)
    tip: str = ""


@dataclass(slots=True)
class Scene:
    """A composed picture.

    Args:
        width: in points.
        height: in points.
        title: its name, for readers that do not see it.
        description: what it shows, in words.
        back: the edges; the engines that rasterise draw them first.
        front: everything else, in this order.
    """

    width: float
    height: float
    title: str
    description: str
    back: list[Group] = field(default_factory=list)
    front: list[Group] = field(default_factory=list)

    def svg(self, theme: str = "light") -> str:
        """Return the picture as an SVG document.

        Args:
            theme: "light", "dark", or "auto" for what the reader's system prefers.
        """
        body: list[str] = []
        for name, groups in (("edges", self.back), ("nodes", self.front)):
            body.append(f'<g class="{name}">')
            for group in groups:
                body += _svg_group(group)
            body.append("</g>")
        used = set(re.findall(r'[" ](?:f|s|t)-(\w+)', "\n".join(body))) | {"paper"}
        width, height = _n(self.width), _n(self.height)
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" class="dagrad dagrad-{theme}" role="img" width="{width}pt" '
            f'height="{height}pt" viewBox="0 0 {width} {height}">',
            f"<title>{_xml(self.title)}</title>",
            f"<desc>{_xml(self.description)}</desc>",
            f"<style>{_style(theme, used)}</style>",
            f'<rect class="f-paper" width="{width}" height="{height}"/>',
            *body,
            "</svg>\n",
        ])

    def dot(self, palette: Mapping[str, str]) -> str:
        """Return the picture as DOT in which everything has its place, for ``dot -Knop2`` and a format of its own.

        Args:
            palette: the colours, `LIGHT` or `DARK`.
        """
        return _Pinned(self, palette).source()


def _n(x: float) -> str:
    """Return a length with at most two digits after the point, and without "-0"."""
    return f"{x:.2f}".rstrip("0").rstrip(".") if abs(x) >= 0.005 else "0"


# What XML forbids, and so does an engine: control letters, lone surrogates, the two that are no letters.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _xml(text: str) -> str:
    """Return text for XML, without the letters that XML forbids."""
    return escape(_FORBIDDEN.sub("\ufffd", text), quote=True)


def quote(lines: Sequence[str], end: str = "\\n") -> str:
    """Return lines of text as a quoted DOT string in which nothing is HTML, an entity or an escape.

    Args:
        lines: the text.
        end: the escape between lines; the ones that set them to the left or right also end the last line.
    """
    safe = [_FORBIDDEN.sub("\ufffd", re.sub(r"\s", " ", line)).replace("&", "&amp;").replace("\\", "\\\\")
            .replace('"', '\\"') for line in lines]
    last = end if lines and end != "\\n" else ""
    return f'"{end.join(safe)}{last}"'


# SVG. ----------------------------------------------------------------------------------------------------------------


def _style(theme: str, used: Iterable[str]) -> str:
    roles = sorted(role for role in used if role in LIGHT)
    scope = f".dagrad-{theme} "

    def rules(palette: Mapping[str, str]) -> str:
        return "".join(f"{scope}.f-{r}{{fill:{palette[r]}}}{scope}.s-{r}{{stroke:{palette[r]}}}"
                       f"{scope}.t-{r}{{fill:{palette[r]};stroke:none}}" for r in roles)

    fixed = (f"{scope}text{{font-family:Helvetica,Arial,'Liberation Sans',sans-serif;white-space:pre}}"
             f"{scope}.edges path{{fill:none}}{scope}.dotted{{stroke-linecap:round}}")
    if theme == "auto":
        return f"{fixed}{rules(LIGHT)}@media (prefers-color-scheme:dark){{{rules(DARK)}}}"
    return fixed + rules(DARK if theme == "dark" else LIGHT)


def _svg_group(group: Group) -> list[str]:
    shapes = [_svg_shape(shape) for shape in group.shapes]
    if not group.name and not group.tip:
        return shapes
    name = f' id="{_xml(group.name)}"' if group.name else ""
    tip = [f"<title>{_xml(group.tip)}</title>"] if group.tip else []
    return [f"<g{name}>", *tip, *shapes, "</g>"]


def _svg_shape(shape: Shape) -> str:
    if isinstance(shape, Text):
        return _svg_text(shape)
    tip = f"<title>{_xml(shape.tip)}</title>" if shape.tip else ""
    dash = f' stroke-dasharray="{DASHES[shape.dash]}"' if DASHES[shape.dash] else ""
    dotted = " dotted" if shape.dash == "dotted" else ""
    if isinstance(shape, Curve):
        opacity = f' opacity="{_n(shape.opacity)}"' if shape.opacity < 1 else ""
        start, rest = shape.points[0], shape.points[1:]
        path = f"M{_n(start[0])},{_n(start[1])}C" + " ".join(f"{_n(x)},{_n(y)}" for x, y in rest)
        line = f'<path class="s-{shape.line}{dotted}" d="{path}" stroke-width="{_n(shape.pen)}"{dash}/>'
        if shape.head is not None:
            corners = " ".join(f"{_n(x)},{_n(y)}" for x, y in arrowhead(shape))
            line += f'<polygon class="t-{shape.line}" points="{corners}"/>'
        return f"<g{opacity}>{tip}{line}</g>" if tip or opacity or shape.head else line
    fill = f"f-{shape.fill}" if shape.fill else ""
    line = f"s-{shape.line}{dotted}" if shape.line else ""
    names = f' class="{" ".join(filter(None, (fill, line)))}"' if fill or line else ""
    paint = ("" if fill else ' fill="none"') + (f' stroke-width="{_n(shape.pen)}"{dash}' if line else "")
    x, y, w, h = shape.x, shape.y, shape.width, shape.height
    if shape.shape == "ellipse":
        tag, place = "ellipse", (f'cx="{_n(x + w / 2)}" cy="{_n(y + h / 2)}" rx="{_n(w / 2)}" ry="{_n(h / 2)}"')
    elif shape.shape == "octagon":
        tag, place = "polygon", f'points="{" ".join(f"{_n(a)},{_n(b)}" for a, b in octagon(shape))}"'
    else:
        tag, place = "rect", f'x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}"'
        if shape.shape == "round":
            place += f' rx="{_n(min(12.0, w / 2, h / 2))}"'
    return f"<{tag}{names} {place}{paint}>{tip}</{tag}>" if tip else f"<{tag}{names} {place}{paint}/>"


def _svg_text(text: Text) -> str:
    anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
    head = f'<text x="{_n(text.x)}" y="{_n(text.y)}" font-size="{_n(text.size)}"{anchor}'
    if len(text.runs) == 1:
        run = text.runs[0]
        bold = ' font-weight="bold"' if run.bold else ""
        return f'{head} class="t-{run.role}"{bold}>{_xml(run.text)}</text>'
    spans = "".join(
        f'<tspan class="t-{run.role}"{" font-weight=" + chr(34) + "bold" + chr(34) if run.bold else ""}>'
        f"{_xml(run.text)}</tspan>"
        for run in text.runs
    )
    return f"{head}>{spans}</text>"


def arrowhead(curve: Curve) -> tuple[Point, Point, Point]:
    """Return the corners of a curve's arrowhead, its point first."""
    assert curve.head is not None
    (bx, by), (tx, ty) = curve.points[-1], curve.head
    dx, dy = tx - bx, ty - by
    length = max((dx * dx + dy * dy) ** 0.5, 1e-9)
    half = max(0.35 * length, 0.9 * curve.pen)
    nx, ny = -dy / length * half, dx / length * half
    return (tx, ty), (bx + nx, by + ny), (bx - nx, by - ny)


def octagon(box: Box) -> list[Point]:
    """Return the corners of the octagon inside a box."""
    x, y, w, h = box.x, box.y, box.width, box.height
    a, b = 0.2929 * w, 0.2929 * h  # as Graphviz draws it
    return [(x + a, y), (x + w - a, y), (x + w, y + b), (x + w, y + h - b), (x + w - a, y + h), (x + a, y + h),
            (x, y + h - b), (x, y + b)]


# DOT with fixed places. ----------------------------------------------------------------------------------------------

_SHAPES = {"box": "box", "round": "box", "ellipse": "ellipse", "octagon": "octagon"}


class _Pinned:
    """Writes a scene as DOT: each box and text a node in its place, each curve an edge with its own spline."""

    def __init__(self, scene: Scene, palette: Mapping[str, str]) -> None:
        self.scene = scene
        self.palette = palette
        self.count = 0
        self.nodes: list[str] = []
        self.edges: list[str] = []

    def source(self) -> str:
        for group in (*self.scene.back, *self.scene.front):
            for shape in group.shapes:
                if isinstance(shape, Text):
                    self.text(shape)
                elif isinstance(shape, Curve):
                    self.curve(shape)
                else:
                    self.box(shape)
        width, height = self.scene.width, self.scene.height
        corners = [f'{self.new()} [style=invis width=0.001 height=0.001 pos="{_n(x)},{_n(y)}"]'
                   for x, y in ((0.0, 0.0), (width, height))]
        head = (f'graph [bgcolor="{self.palette["paper"]}" outputorder=edgesfirst margin=0 pad=0 splines=true '
                f'bb="0,0,{_n(width)},{_n(height)}"]')
        defaults = 'node [fixedsize=true margin=0 label="" shape=box] edge [arrowsize=0.7]'
        return "\n".join(["digraph {", head, defaults, *corners, *self.edges, *self.nodes, "}\n"])

    def new(self) -> str:
        self.count += 1
        return f"s{self.count}"

    def node(self, x: float, y: float, width: float, height: float, **attributes: str) -> None:
        place = f'pos="{_n(x)},{_n(self.scene.height - y)}" width="{width / 72:.5f}" height="{height / 72:.5f}"'
        rest = " ".join(f"{key}={value}" for key, value in attributes.items())
        self.nodes.append(f"{self.new()} [{place} {rest}]")

    def box(self, box: Box) -> None:
        styles = ["filled"] + (["rounded"] if box.shape == "round" else [])
        if box.line and box.dash != "solid":
            styles.append(box.dash)
        pen = {"penwidth": _n(box.pen), "color": f'"{self.palette[box.line]}"'} if box.line else {"penwidth": "0"}
        fill = self.palette[box.fill] if box.fill else "#ffffff00"
        self.node(box.x + box.width / 2, box.y + box.height / 2, box.width, box.height,
                  shape=_SHAPES[box.shape], style=f'"{",".join(styles)}"', fillcolor=f'"{fill}"', **pen)

    def text(self, text: Text) -> None:
        x = text.left
        for run in text.runs:
            width = text_width(run.text, text.size, run.bold)
            # Text is justified to one side of a node with room to spare, because an engine that takes it for wider than
            # the node would centre it. The node stays on the page, which it would widen.
            side = text.anchor if len(text.runs) == 1 else "start"
            end, shift = {"start": ("\\l", 1.0), "middle": ("\\n", 0.0), "end": ("\\r", -1.0)}[side]
            free = {1.0: self.scene.width - x, 0.0: width, -1.0: x + width}[shift]
            room = max(min(2 * width + 20, free - 1), width)
            # A line of text stands 0.3 of its size below the middle of the node that holds it. Both fonts have the
            # widths that were counted with; more engines and systems find them by these two names than by others.
            self.node(x + width / 2 + shift * (room - width) / 2, text.y - 0.3 * text.size, room, 1.2 * text.size,
                      shape="none", label=quote([run.text], end), fontname='"Helvetica-Bold"' if run.bold else "Arial",
                      fontsize=_n(text.size), fontcolor=f'"{self.palette[run.role]}"')
            # The next run begins where this one ends in a font that may be wider.
            x += width * (1.03 if run.bold else 1.0)

    def curve(self, curve: Curve) -> None:
        ends = (curve.points[0], curve.head or curve.points[-1])
        names = []
        for x, y in ends:
            self.edges.append(f'{self.new()} [style=invis width=0.001 height=0.001 pos="{self.point((x, y))}"]')
            names.append(f"s{self.count}")
        colour = self.palette[curve.line] + (f"{round(255 * curve.opacity):02x}" if curve.opacity < 1 else "")
        head, tail = ("", "dir=none")
        if curve.head is not None:
            (bx, by), (tx, ty) = curve.points[-1], curve.head
            head, tail = f"e,{self.point(curve.head)} ", f"arrowsize={math.hypot(tx - bx, ty - by) / 10:.3f}"
        route = head + " ".join(map(self.point, curve.points))
        self.edges.append(f'{names[0]} -> {names[1]} [pos="{route}" color="{colour}" penwidth={_n(curve.pen)} '
                          f"style={curve.dash} {tail}]")

    def point(self, at: Point) -> str:
        return f"{_n(at[0])},{_n(self.scene.height - at[1])}"


def straight(a: Point, b: Point) -> tuple[Point, ...]:
    """Return the straight line between two points as a cubic curve."""
    (ax, ay), (bx, by) = a, b
    return a, (ax + (bx - ax) / 3, ay + (by - ay) / 3), (ax + 2 * (bx - ax) / 3, ay + 2 * (by - ay) / 3), b

