"""The three views of a graph, composed: title and verdict on top, the picture, the legend below."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from visualize import layout
from visualize.engines import BUILTIN
from visualize.graph import ALIVE, DEAD, DETACHED, LOSS, NONFINITE, Graph
from visualize.layout import Route
from visualize.looks import (
    LEADING,
    MARKED,
    ROOM,
    SMALL,
    TEXT,
    Look,
    Stroke,
    counts,
    edge_lines,
    edge_tip,
    look_of,
    looks_of,
    node_lines,
    node_tip,
    shape_of,
    sizes,
    strokes_of,
)
from visualize.scales import (
    CLASSES,
    LIMIT,
    Floats,
    Ints,
    classes_of,
    edge_role,
    fill_role,
    ink_role,
    number,
    power_of_ten,
    signed,
    widths_of,
)
from visualize.scene import Box, Curve, Group, Point, Run, Scene, Text, straight, text_width
from visualize.verdict import levels, percent, skips

if TYPE_CHECKING:
    from visualize.diagrams import Diagram

MARGIN = 28.0
#: With more nodes the edges of circles are a background: straight, and all but the strongest faded.
CALM = 400
#: So many of the strongest edges stand out then.
STRONGEST = 400
#: With more edges than this, all but those are faded.
CROWD = 1200
#: More edges than this are ink, not information: circles leave out the weakest.
MOST_EDGES = 20_000
#: So many skip edges can be seen apart, and are drawn stronger if they matter.
FEW = 24
#: Boxes of the levels view; more levels share boxes.
MOST_BOXES, BOXES_A_ROW = 48, 8


# Composition: what all views share. ----------------------------------------------------------------------------------


def _wrap(runs: Sequence[Run], size: float, width: float) -> list[tuple[Run, ...]]:
    """Break runs into lines no wider than `width`, between words."""
    lines: list[list[Run]] = [[]]
    used = 0.0
    for run in runs:
        for word in re.findall(r"\S+\s*|\s+", run.text):
            wide = text_width(word, size, run.bold)
            if used and used + text_width(word.rstrip(), size, run.bold) > width:
                lines.append([])
                used = 0.0
            if lines[-1] and lines[-1][-1].role == run.role and lines[-1][-1].bold == run.bold:
                lines[-1][-1] = Run(lines[-1][-1].text + word, run.role, run.bold)
            else:
                lines[-1].append(Run(word, run.role, run.bold))
            used += wide
    return [tuple(line) for line in lines]


class _Page:
    """A page that is filled from top to bottom: text, then the picture, then the legend."""

    def __init__(self, diagram: Diagram, width: float) -> None:
        self.diagram = diagram
        self.width = max(width, 620.0)
        self.y = MARGIN
        description = f"{diagram.verdict}\n{diagram.caption}"
        self.scene = Scene(self.width + 2 * MARGIN, 0.0, f"{diagram.title} · {counts(diagram.graph)}", description)

    def put(self, *shapes: Box | Curve | Text, name: str = "", tip: str = "") -> None:
        """Add shapes in front."""
        self.scene.front.append(Group(name, list(shapes), tip))

    def lines(self, runs: Sequence[Run], size: float = TEXT, leading: float = 1.45) -> None:
        """Add text at the left, wrapped to the page."""
        for line in _wrap(runs, size, self.width):
            self.y += size
            self.put(Text(MARGIN, self.y, line, size))
            self.y += size * (leading - 1)

    def head(self, more: str) -> None:
        """Add the title line and the verdict."""
        self.lines([Run(self.diagram.title, bold=True), Run(f"  ·  {more}")], 15.0)
        for sentence in self.diagram.verdict.split("\n"):
            self.lines([Run(sentence, "muted")], 12.0)
        self.y += 14

    def legend(self, what: str, rows: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Add the legend.

        Args:
            what: what the colours show.
            rows: rows of (glyph, words); a glyph is a name that `_glyph` knows.
        """
        self.y += 26
        if self.diagram.graph.swept:
            self.colours(what)
        for row in rows:
            if row:
                self.legend_row(row)

    def colours(self, what: str) -> None:
        """Add the part of the legend that explains the colours."""
        self.put(Text(MARGIN, self.y, (Run(what, bold=True),), 12.0))
        self.y += 8
        cell = 40.0
        for k, decade in enumerate(CLASSES):
            self.put(Box(MARGIN + k * cell, self.y, cell, 15, fill_role(decade)))
            words = {-LIMIT: "≤" + power_of_ten(-LIMIT), LIMIT: "≥" + power_of_ten(LIMIT)}.get(decade)
            if words is None and decade % 3 == 0:
                words = power_of_ten(decade)
            if words:
                self.put(Text(MARGIN + (k + 0.5) * cell, self.y + 27, (Run(words),), 9.5, "middle"))
        self.put(
            Text(MARGIN, self.y + 41, (Run("← vanishing", "cool"),), 10.0),
            Text(MARGIN + 6.5 * cell, self.y + 41, (Run("healthy", "muted"),), 10.0, "middle"),
            Text(MARGIN + 13 * cell, self.y + 41, (Run("exploding →", "warm"),), 10.0, "end"),
        )
        self.y += 48

    def legend_row(self, row: Sequence[tuple[str, str]]) -> None:
        """Add a row of glyphs with words, wrapped to the page."""
        x = MARGIN
        self.y += 17
        for glyph, words in row:
            drawn = _glyph(glyph, x, self.y)
            wide = (30.0 if drawn else 0.0) + ROOM * text_width(words, 10.0) + 18
            if x > MARGIN and x + wide > MARGIN + self.width:
                x = MARGIN
                self.y += 17
                drawn = _glyph(glyph, x, self.y)
            for shape in drawn:
                if isinstance(shape, Curve):
                    self.scene.back.append(Group("", [shape]))
                else:
                    self.put(shape)
            self.put(Text(x + (30 if drawn else 0), self.y, (Run(words),), 10.0))
            x += wide

    def finish(self) -> Scene:
        """Return the scene, as high as it has become."""
        self.y += 6
        self.lines([Run(self.diagram.caption, "muted")], 9.0)
        self.scene.height = self.y + MARGIN * 0.6
        return self.scene


def _glyph(name: str, x: float, y: float) -> list[Box | Curve]:
    """Return the sample of a legend row, 22 points wide, on a baseline."""
    middle = y - 3.5
    a, b = (x, middle), (x + 22, middle)
    if name in ("solid", "dashed", "dotted"):
        return [Curve(straight(a, b), "ink" if name != "dotted" else "faint", 1.6, name)]
    if name == "width":
        return [Curve(straight((x, middle), (x + 10, middle)), "ink", 0.7),
                Curve(straight((x + 11, middle), (x + 22, middle)), "ink", 4.5)]
    box = (x + 2, y - 10.5, 18.0, 13.0)
    ring = (x + 4, y - 10.5, 14.0, 14.0)
    if name == "input":
        return [Box(x + 4, y - 10.5, 14, 14, "paper", "line")]
    if name == "unit":
        return [Box(*box, fill="paper", line="line", shape="round")]
    if name == "circle":
        return [Box(*ring, fill="paper", line="line", shape="ellipse")]
    if name == "loss":
        return [Box(*ring, fill="paper", line="line", shape="ellipse"),
                Box(x + 6.5, y - 8, 9, 9, "paper", "line", "ellipse")]
    marks = {"dead": DEAD, "nonfinite": NONFINITE, "detached": DETACHED}
    if name in marks:
        look = MARKED[marks[name]]
        shape = "octagon" if name == "nonfinite" else "round"
        return [Box(*box, fill=look.fill, line=look.line, shape=shape, pen=look.pen, dash=look.dash)]
    return []


def _mark_legend(graph: Graph) -> list[tuple[str, str]]:
    """Return the legend entries of the marks that occur."""
    letter = graph.symbol
    entries = [(DEAD, "dead", f"{letter} exactly 0 (dead)"), (NONFINITE, "nonfinite", f"{letter} is NaN or infinite"),
               (DETACHED, "detached", "no path to the loss")]
    return [(glyph, words) for mark, glyph, words in entries if (graph.marks == mark).any()]


def _legend_title(diagram: Diagram, what: str) -> str:
    words = "" if diagram.scale.words == "absolute" else f" {diagram.scale.words}"
    return f"{what}: |{diagram.graph.symbol}|{words}"


def _edge_legend(graph: Graph, signs: bool) -> list[tuple[str, str]]:
    message = "w·δ" if graph.noun == "unit" else "∂·g"
    rows = [("width", f"edge: gradient message {message} (wide = large)")]
    if signs:
        signed_by = "" if graph.samples == 1 else " weight"
        rows += [("solid", f"positive{signed_by}"), ("dashed", f"negative{signed_by}"), ("dotted", "exactly 0")]
    return rows


# Labels view. --------------------------------------------------------------------------------------------------------


def _compose_labels(diagram: Diagram) -> Scene:
    graph, placed = diagram.graph, diagram.layout
    assert placed is not None
    page = _Page(diagram, placed.width)
    tail = ("values flow →, gradients flow ←  ·  log scale, one class per decade" if graph.swept
            else f"{graph.call.split('.')[-1]} not run")
    page.head(f"{counts(graph).replace(' · ', '  ·  ')}  ·  {tail}")
    dx, dy = MARGIN, page.y
    strokes = strokes_of(graph, diagram.scale)
    for e, (route, stroke) in enumerate(zip(placed.routes, strokes, strict=True)):
        curve = _moved(route, dx, dy, stroke, edge_tip(graph, e))
        page.scene.back.append(Group(f"e{e}", [curve]))
    looks = looks_of(graph, diagram.scale)
    widths, heights = sizes(graph, diagram.view == "circles")
    for i, look in enumerate(looks):
        x, y = placed.at[i]
        page.put(*_node(diagram, i, look, float(x) + dx, float(y) + dy, float(widths[i]), float(heights[i])),
                 name=f"n{i}", tip=node_tip(graph, diagram.scale, i))
    for e, route in enumerate(placed.routes):
        if route.label is not None:
            x, y = route.label[0] + dx, route.label[1] + dy
            lines = edge_lines(graph, e)
            if placed.engine == BUILTIN:  # There labels stand on their edges, parted from each other.
                wide, high = max((text_width(line, SMALL) for line in lines), default=0.0) + 4, 10.5 * len(lines)
                page.put(Box(x - wide / 2, y - high / 2 - 0.5, wide, high, "paper"))
            else:
                y += _clear(route, lines, strokes[e].pen)
            role = "faint" if graph.swept and graph.messages[e] == 0 else "muted"
            for k, line in enumerate(lines):
                base = y + (k - (len(lines) - 1) / 2) * 10.5 + 3.2
                page.put(Text(x, base, (Run(line, role),), SMALL, "middle"))
    page.y += placed.height
    letters = [("", "∂ = local partial derivative, ← = message to the operand")] if graph.noun != "unit" else []
    messages = _edge_legend(graph, signs=True) if graph.swept else []
    nodes = [("input", "input"), ("unit", "unit" if graph.noun == "unit" else "operation"), ("loss", "loss")]
    page.legend(_legend_title(diagram, "node fill"),
                [[*messages, *letters] if graph.edges else [], [*nodes, *_mark_legend(graph)]])
    return page.finish()


def _clear(route: Route, lines: Sequence[str], pen: float) -> float:
    """Return how far a label has to move up (negative) or down so that it does not touch its own edge."""
    assert route.label is not None
    x, y = route.label
    half_width = max((text_width(line, SMALL) for line in lines), default=0.0) / 2
    room = 5.25 * len(lines) + pen / 2 + 2.0
    above, below = -math.inf, math.inf
    for px, py in layout.samples(route.points):
        if abs(px - x) <= half_width:
            above, below = (max(above, py), below) if py < y else (above, min(below, py))
    if y - above < room and below - y >= room:
        return room - (y - above)
    return min(below - y - room, 0.0)


def _moved(route: Route, dx: float, dy: float, stroke: Stroke, tip: str = "", opacity: float = 1.0) -> Curve:
    points = tuple((x + dx, y + dy) for x, y in route.points)
    head = (route.head[0] + dx, route.head[1] + dy) if route.head else None
    return Curve(points, stroke.line, stroke.pen, stroke.dash, head, opacity, tip)


def _node(
    diagram: Diagram, i: int, look: Look, x: float, y: float, width: float, height: float
) -> list[Box | Curve | Text]:
    """Return the shapes of a labelled node around its middle."""
    graph = diagram.graph
    shape = shape_of(graph, i)
    left, top = x - width / 2, y - height / 2
    shapes: list[Box | Curve | Text] = []
    if graph.kinds[i] == LOSS and shape == "ellipse":
        shapes.append(Box(left, top, width, height, "paper", look.line, "ellipse", look.pen))
        inner = (left + 4, top + 4, width - 8, height - 8)
        shapes.append(Box(*inner, look.fill, look.line, "ellipse", look.pen, look.dash))
    else:
        shapes.append(Box(left, top, width, height, look.fill, look.line, shape, look.pen, look.dash))
    lines = node_lines(graph, i)
    centred = graph.kinds[i] == LOSS or shape == "octagon"
    for k, line in enumerate(lines):
        base = y + (k - (len(lines) - 1) / 2) * LEADING + 0.35 * TEXT
        at, anchor = (x, "middle") if centred else (left + 9, "start")
        shapes.append(Text(at, base, (Run(line, look.ink),), TEXT, anchor))
    return shapes


# Circles view. -------------------------------------------------------------------------------------------------------


def _compose_circles(diagram: Diagram) -> Scene:
    graph, placed = diagram.graph, diagram.layout
    assert placed is not None
    gutter = 84.0  # for the row headings of the strip
    page = _Page(diagram, placed.width + gutter + 24)
    page.head(f"{counts(graph).replace(' · ', '  ·  ')}  ·  values flow →, gradients flow ←  ·  "
              "log scale, one class per decade")
    dx = MARGIN + gutter
    columns = {int(level): float(placed.at[graph.levels == level, 0].mean()) + dx for level in np.unique(graph.levels)}
    if graph.swept:
        _strip(page, columns)
    words = _skip_words(graph)
    if words:
        page.y += 14
        page.put(Text(dx + placed.width / 2, page.y, (Run(words[0], "cool"),), TEXT, "middle"))
        page.y += 8
    dy = page.y + 6
    highlighted = set(words[1]) if words else set()
    strokes = strokes_of(graph, diagram.scale)
    decades = diagram.scale.decades(graph.messages)
    busy = len(graph) > CALM
    crowded = busy or len(graph.source) > CROWD
    order = drawn_edges(graph)
    for place, e in enumerate(order.tolist()):
        stroke, route = strokes[e], placed.routes[e]
        s, t = graph.source[e], graph.target[e]
        if busy or graph.levels[t] - graph.levels[s] == 1:
            a, b = placed.at[s], placed.at[t]
            route = layout.line((float(a[0]), float(a[1])), (float(b[0]), float(b[1])))
        strong = e in highlighted
        dash = "dotted" if stroke.dash == "dotted" else "solid"
        thin = Stroke(stroke.line, 0.3 + 0.3 * stroke.pen + (0.8 if strong else 0), dash)
        if strong:
            opacity = 1.0
        elif crowded:
            opacity = 0.75 if place >= len(order) - STRONGEST else 0.09
        else:
            opacity = _opacity(float(decades[e]))
        page.scene.back.append(Group(f"e{e}", [_moved(route, dx, dy, thin, edge_tip(graph, e), opacity)]))
    looks = looks_of(graph, diagram.scale)
    widths, _ = sizes(graph, diagram.view == "circles")
    for i, look in enumerate(looks):
        x, y, size = float(placed.at[i, 0]) + dx, float(placed.at[i, 1]) + dy, float(widths[i])
        shape = "ellipse" if shape_of(graph, i) == "round" else shape_of(graph, i)
        shapes: list[Box | Curve | Text] = []
        if graph.kinds[i] == LOSS and shape == "ellipse":
            shapes.append(Box(x - size / 2, y - size / 2, size, size, "paper", look.line, "ellipse"))
            size -= 7
        shapes.append(Box(x - size / 2, y - size / 2, size, size, look.fill, look.line, shape, look.pen, look.dash))
        page.put(*shapes, name=f"n{i}", tip=node_tip(graph, diagram.scale, i))
    page.y = dy + placed.height
    nodes = [("input", "input"), ("circle", "unit" if graph.noun == "unit" else "operation"), ("loss", "loss")]
    shown = f"all but the {STRONGEST} strongest edges are faded" if crowded else "weak edges are faded"
    if len(order) < graph.edges:
        shown += f", {graph.edges - len(order):,} weaker ones are not drawn"
    faded = [("", shown)]
    page.legend(_legend_title(diagram, "colour"),
                [[*_edge_legend(graph, signs=False), *faded], [*nodes, *_mark_legend(graph)]])
    return page.finish()


def drawn_edges(graph: Graph) -> Ints:
    """Return the edges that the circles view draws, the strongest last: all, or the `MOST_EDGES` strongest."""
    strength = np.nan_to_num(np.abs(graph.messages), nan=np.inf)
    return np.argsort(strength, kind="stable")[-MOST_EDGES:]


def _opacity(decade: float) -> float:
    """Return how solid an edge of the circles view is: the weak ones fade."""
    if not math.isfinite(decade):
        return 0.5
    return float(np.clip(0.35 + 0.65 * (decade + 4) / 5, 0.35, 0.9))


def _skip_words(graph: Graph) -> tuple[str, list[int]] | None:
    """Return what to say of the skip edges that matter most, and which they are."""
    if not graph.swept or graph.noun != "unit" or graph.last_level < 3:
        return None
    found = [skip for skip in skips(graph) if skip.share >= 0.5 and skip.level > 0]
    # Where most levels are skipped to, as in an irregular net, no single one is worth a headline.
    if not found or len(found) > 3 or found[0].count > FEW:
        return None
    best = found[0]
    edges = f"{best.count} skip edge{'s' * (best.count != 1)}"
    return (f"{edges} carr{'y' if best.count != 1 else 'ies'} {percent(best.share)} of the gradient that reaches "
            f"{graph.level_name(best.level)}", best.edges[graph.messages[best.edges] != 0].tolist())


def _strip(page: _Page, columns: dict[int, float]) -> None:
    """Add the histogram strip: per level, over its column, how many units are in each decade."""
    diagram = page.diagram
    graph, scale = diagram.graph, diagram.scale
    classes = scale.classes(graph.gradients)
    alive = graph.units & (graph.marks == ALIVE)
    present = classes[alive]
    highest, lowest = (max(int(present.max()), 0), min(int(present.min()), -3)) if len(present) else (0, -3)
    rows: list[tuple[int, int]] = [(ALIVE, decade) for decade in range(highest, lowest - 1, -1)]
    rows += [(mark, 0) for mark in (DEAD, NONFINITE, DETACHED) if (graph.marks[graph.units] == mark).any()]
    table = levels(graph, ref=scale.reference)
    places = [columns[row.level] for row in table]
    pitch = min((b - a for a, b in itertools.pairwise(places)), default=80.0)
    wide, high = min(pitch * 0.62, 46.0), 15.0
    roomy = pitch >= 40
    head_size = 9.5 if pitch >= 52 else 8.0
    page.y += 10
    label_x = MARGIN + 64
    unit = "units" if graph.noun == "unit" else "nodes"
    page.put(Text(label_x, page.y, (Run(f"{unit} per decade", "muted"),), 8.5, "end"))
    every = max(1, math.ceil(34 / pitch))
    for k, (row, x) in enumerate(zip(table, places, strict=True)):
        if k % every == 0:
            name = row.name if roomy else row.name.removeprefix("level ")
            page.put(Text(x, page.y, (Run(name, bold=True),), head_size, "middle"))
    page.y += 7
    for mark, decade in rows:
        heading = {DEAD: "0 (dead)", NONFINITE: "NaN or ∞", DETACHED: "no path"}.get(mark) or (
            f"≤ {power_of_ten(-LIMIT)}" if decade == -LIMIT else f"≥ {power_of_ten(LIMIT)}" if decade == LIMIT
            else power_of_ten(decade) if decade else "10⁰")
        page.put(Text(label_x, page.y + high - 4, (Run(heading),), 9.0, "end"))
        look = look_of(mark, decade)
        for row, x in zip(table, places, strict=True):
            here = graph.units & (graph.levels == row.level) & (graph.marks == mark)
            count = int((here & (classes == decade)).sum()) if mark == ALIVE else int(here.sum())
            cell = Box(x - wide / 2, page.y, wide, high - 1, look.fill if count else "cell",
                       look.line if count and mark != ALIVE else "", pen=look.pen, dash=look.dash)
            text = [Text(x, page.y + high - 4.2, (Run(f"{count:,}", look.ink),), 9.0, "middle")] if count else []
            page.put(cell, *(text if wide >= 14 else []))
        page.y += high
    page.y += 11
    page.put(Text(label_x, page.y, (Run("median, log10", "muted"),), 8.5, "end"))
    for k, (row, x) in enumerate(zip(table, places, strict=True)):
        if k % every == 0 and not math.isnan(row.median):
            page.put(Text(x, page.y, (Run(signed(row.median, 1, plus=True)),), 9.0, "middle"))
    page.y += 14


# Levels view. --------------------------------------------------------------------------------------------------------


def _compose_levels(diagram: Diagram) -> Scene:
    graph, scale = diagram.graph, diagram.scale
    table = levels(graph, ref=scale.reference)
    bunch = max(1, math.ceil(len(table) / MOST_BOXES))
    wide, high, gap, drop = 132.0, 84.0, 40.0, 34.0
    a_row = min(BOXES_A_ROW, math.ceil(len(table) / bunch)) or 1
    page = _Page(diagram, a_row * (wide + gap) - gap)
    boxes = [table.rows[k : k + bunch] for k in range(0, len(table), bunch)]
    box_of = np.zeros(int(graph.levels.max(initial=0)) + 1, np.intp)
    for k, rows in enumerate(boxes):
        box_of[[row.level for row in rows]] = k
    page.head(f"{counts(graph).replace(' · ', '  ·  ')}  ·  shown as {len(boxes)} groups of "
              f"{'one level' if bunch == 1 else f'{bunch} levels'}  ·  header: median |{graph.symbol}|")
    decades, marks = scale.decades(graph.gradients), graph.marks
    member = np.where(graph.units, box_of[graph.levels], -1)
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(len(boxes) + 1))
    corners = [(MARGIN + (k % a_row) * (wide + gap), page.y + (k // a_row) * (high + drop)) for k in range(len(boxes))]
    _level_arrows(page, box_of, corners, wide, high)
    for k, rows in enumerate(boxes):
        here = order[starts[k] : starts[k + 1]]
        name = rows[0].name if len(rows) == 1 else f"levels {rows[0].level}–{rows[-1].level}"
        page.put(*_level_box(graph, name, decades[here], marks[here], corners[k], wide, high), name=f"level{k}",
                 tip="\n".join([name, f"{len(here):,} {graph.noun}s"]))
    page.y += math.ceil(len(boxes) / a_row) * (high + drop) - drop
    page.legend(_legend_title(diagram, "colour"), [
        [("width", "arrow: median message to the level before; its width and colour as those of an edge"),
         ("", "bars: nodes per decade, scaled within each box; orange letters count the nodes without a bar")]])
    return page.finish()


def _level_box(
    graph: Graph, name: str, decades: Floats, marks: Any, corner: Point, wide: float, high: float
) -> list[Box | Curve | Text]:
    """Return a box with a header in the colour of the median, counts, and the histogram in eight bins."""
    x, y = corner
    alive = decades[marks == ALIVE]
    median = float(np.median(alive)) if len(alive) else math.nan
    fill = fill_role(int(classes_of(np.array([median]))[0])) if len(alive) else "cell"
    ink = ink_role(fill) if len(alive) else "muted"
    words = f"{len(decades):,} {graph.noun}s · " + (f"median {number(10.0**median)}" if len(alive) else "no gradient")
    shapes: list[Box | Curve | Text] = [
        Box(x, y, wide, high, "paper", "line"),
        Box(x + 0.5, y + 0.5, wide - 1, 17, fill),
        Text(x + wide / 2, y + 12.5, (Run(name, ink, bold=True),), 10.0, "middle"),
        Text(x + 5, y + 28, (Run(words),), 8.5),
    ]
    # Eight bins of one decade each around the median, which itself is in the middle.
    first = int(np.clip(math.floor((0.0 if math.isnan(median) else median) + 0.5) - 4, -LIMIT, LIMIT - 7))
    classes = classes_of(alive)
    counts = [int((classes == d).sum()) for d in range(first, first + 8)]
    counts[0] += int((classes < first).sum())
    counts[-1] += int((classes > first + 7).sum())
    tallest = max([*counts, 1])
    floor, cell = y + high - 13, (wide - 12) / 8
    for k, count in enumerate(counts):
        decade = first + k
        if count:
            height = max(28.0 * count / tallest, 1.5)
            shapes.append(Box(x + 6 + k * cell, floor - height, cell - 1, height, fill_role(decade)))
        if decade % 2 == 0:
            tick = (Run(power_of_ten(decade), "muted"),)
            shapes.append(Text(x + 6 + (k + 0.5) * cell, y + high - 4, tick, 6.5, "middle"))
    lost = [(DEAD, "dead"), (NONFINITE, "NaN/∞"), (DETACHED, "no path")]
    said = " · ".join(f"{int((marks == m).sum()):,} {word}" for m, word in lost if (marks == m).any())
    if said:
        shapes.append(Text(x + wide - 5, y + 39, (Run(said, "warm", bold=True),), 8.0, "end"))
    return shapes


def _level_arrows(page: _Page, box_of: Any, corners: list[Point], wide: float, high: float) -> None:
    """Add an arrow between neighbouring boxes, as wide as the median message between them."""
    graph, scale = page.diagram.graph, page.diagram.scale
    if not graph.edges or not graph.swept:
        return
    decades = scale.decades(graph.messages)
    a, b = box_of[graph.levels[graph.source]], box_of[np.minimum(graph.levels[graph.target], len(box_of) - 1)]
    usable = (b == a + 1) & np.isfinite(decades) & graph.units[graph.target]
    order = np.flatnonzero(usable)
    order = order[np.argsort(a[order], kind="stable")]
    starts = np.searchsorted(a[order], np.arange(len(corners)))
    for k in range(len(corners) - 1):
        here = order[starts[k] : starts[k + 1]]
        if not len(here):
            continue
        median = float(np.median(decades[here]))
        line, pen = edge_role(int(classes_of(np.array([median]))[0])), float(widths_of(np.array([median]))[0])
        (x0, y0), (x1, y1) = corners[k], corners[k + 1]
        tip = f"{len(here):,} edges, median message {number(10.0**median)} {scale.words}"
        if y0 == y1:
            start, end, head = (x0 + wide, y0 + high / 2), (x1 - 11, y1 + high / 2), (x1 - 1, y1 + high / 2)
            page.scene.back.append(Group("", [Curve(straight(start, end), line, pen, head=head, tip=tip)]))
        else:  # on to the next row of boxes
            down = y1 - 17
            points = (*straight((x0 + wide / 2, y0 + high), (x0 + wide / 2, down)),
                      *straight((x0 + wide / 2, down), (x1 + wide / 2, down))[1:],
                      *straight((x1 + wide / 2, down), (x1 + wide / 2, y1 - 9))[1:])
            page.scene.back.append(Group("", [Curve(points, line, pen, head=(x1 + wide / 2, y1 - 1), tip=tip)]))


COMPOSERS: dict[str, Callable[[Diagram], Scene]] = {
    "labels": _compose_labels, "circles": _compose_circles, "levels": _compose_levels,
}  # fmt: skip
