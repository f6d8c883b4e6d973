"""The views that draw every node, composed: "labels" with numbers in the nodes, "circles" with a histogram strip."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from visualize import layout
from visualize.graph import ALIVE, DEAD, DETACHED, INPUT, LOSS, NONFINITE, UNIT, Graph
from visualize.layout import Route
from visualize.looks import (
    LEADING,
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
from visualize.scales import CLASSES, LIMIT, Ints, power_of_ten, signed, widths_of
from visualize.scene import Box, Curve, Group, Run, Scene, Text, text_width
from visualize.sheet import MARGIN, Sheet, edge_legend, mark_legend
from visualize.verdict import percent, skips, strongest_paths

if TYPE_CHECKING:
    from visualize.diagrams import Diagram

#: With more nodes the edges of circles are a background: straight, and all but the strongest faded.
CALM = 400
#: So many of the strongest edges stand out then.
STRONGEST = 400
#: With more edges than this, all but those are faded.
CROWD = 1200
#: More edges than this are ink, not information: circles leave out the weakest.
MOST_EDGES = 20_000
#: So many edges with words on them.
MOST_LABELS = 1500
#: So many of the strongest paths to inputs are on top then.
PATHS = 3
#: What the title says of the directions, and the widths of edges by class.
FLOW = "values flow →, gradients flow ←"
PENS = widths_of(np.array(CLASSES, float)).tolist()
#: So many skip edges can be seen apart, and are drawn stronger if they matter.
FEW = 24


# Labels view. --------------------------------------------------------------------------------------------------------


def compose_labels(diagram: Diagram) -> Scene:
    """Return the picture with name, value and gradient in every node."""
    graph, placed = diagram.graph, diagram.layout
    assert placed is not None
    page = Sheet.of(diagram, placed.width)
    tail = FLOW if graph.swept else f"{graph.call.split('.')[-1]} not run"
    page.head(diagram.title, f"{counts(graph)} · {tail}", diagram.verdict)
    dx, dy = MARGIN, page.y
    strokes = strokes_of(diagram.edges)
    drawn = sorted(drawn_edges(graph, MOST_LABELS).tolist())
    for e in drawn:
        curve = _moved(placed.routes[e], dx, dy, strokes[e], edge_tip(graph, e))
        page.scene.back.append(Group(f"e{e}", [curve]))
    looks = looks_of(diagram.nodes)
    widths, heights = sizes(graph, diagram.nodes, circles=False)
    for i, look in enumerate(looks):
        x, y = placed.at[i]
        page.put(*_node(diagram, i, look, float(x) + dx, float(y) + dy, float(widths[i]), float(heights[i])),
                 name=f"n{i}", tip=node_tip(graph, diagram.nodes, i))
    for e in drawn:
        route = placed.routes[e]
        if route.label is not None:
            x, y = route.label[0] + dx, route.label[1] + dy
            lines = edge_lines(graph, e)
            if lines:  # where there is no room, the edges behind are interrupted
                wide, high = max(text_width(line, SMALL) for line in lines) + 3, 10.5 * len(lines) - 1
                page.put(Box(x - wide / 2, y - high / 2 - 0.5, wide, high, "paper"))
            role = "faint" if graph.swept and graph.messages[e] == 0 else "muted"
            for k, line in enumerate(lines):
                base = y + (k - (len(lines) - 1) / 2) * 10.5 + 3.2
                page.put(Text(x, base, (Run(line, role),), SMALL, "middle"))
    page.y += placed.height
    messages = edge_legend(graph, diagram.nodes, diagram.edges, signs=True) if graph.swept else []
    left_out = graph.edges - len(drawn)
    more = [("", f"{left_out:,} weaker edges are not drawn")] if left_out else []
    page.legend(f"colour: {diagram.nodes.title}", _ends(diagram), [
        _kinds(diagram, "unit"), [*messages, *more] if graph.edges else [], _letters(diagram),
    ], PENS if graph.edges else ())  # fmt: skip
    return page.finish(diagram.caption)


def _kinds(diagram: Diagram, unit: str) -> list[tuple[str, str]]:
    """Return the legend entries of the shapes and marks that occur; a unit has the glyph that is given."""
    graph = diagram.graph
    shapes = [(INPUT, "input", "input"), (UNIT, unit, "unit" if graph.noun == "unit" else "operation"),
              (LOSS, "loss", "loss")]
    found = [(glyph, words) for kind, glyph, words in shapes if (graph.kinds == kind).any()]
    return [("heading", "nodes"), *found, *mark_legend(graph, diagram.nodes)]


def _letters(diagram: Diagram) -> list[tuple[str, str]]:
    """Return what the letters in the picture stand for, those that occur."""
    graph, swept = diagram.graph, diagram.graph.swept
    if graph.noun == "unit":
        found = {"v: value": True, "δ: ∂L/∂(sum into the unit)": swept, "g: ∂L/∂v": swept, "w: weight": graph.edges,
                 "∂w: ∂L/∂w": swept and graph.weight_gradients is not None}  # fmt: skip
    else:
        found = {"v: value": True, "g: ∂L/∂v": swept, "∂: local partial derivative": graph.edges,
                 "←: message to the operand, ∂·g": swept and graph.edges}  # fmt: skip
    found[f"×: {diagram.nodes.title}"] = diagram.nodes.name == "difference"
    return [("heading", "letters"), *(("", words) for words, shown in found.items() if shown)]


def _ends(diagram: Diagram) -> tuple[str, str, str] | None:
    """Return what the ends of the scale are called; None where no colour is to be explained, as before a sweep."""
    return diagram.nodes.ends if diagram.graph.swept or diagram.nodes.name == "value" else None


def _moved(route: Route, dx: float, dy: float, stroke: Stroke, tip: str = "", opacity: float = 1.0) -> Curve:
    points = tuple((x + dx, y + dy) for x, y in route.points)
    head = (route.head[0] + dx, route.head[1] + dy) if route.head else None
    return Curve(points, stroke.line, stroke.pen, stroke.dash, head, opacity, tip)


def _node(
    diagram: Diagram, i: int, look: Look, x: float, y: float, width: float, height: float
) -> list[Box | Curve | Text]:
    """Return the shapes of a labelled node around its middle."""
    graph = diagram.graph
    shape = shape_of(graph, diagram.nodes, i)
    left, top = x - width / 2, y - height / 2
    shapes: list[Box | Curve | Text] = []
    if graph.kinds[i] == LOSS and shape == "ellipse":
        shapes.append(Box(left, top, width, height, "paper", look.line, "ellipse", look.pen))
        inner = (left + 4, top + 4, width - 8, height - 8)
        shapes.append(Box(*inner, look.fill, look.line, "ellipse", look.pen, look.dash))
    else:
        shapes.append(Box(left, top, width, height, look.fill, look.line, shape, look.pen, look.dash))
    lines = node_lines(graph, diagram.nodes, i)
    centred = graph.kinds[i] == LOSS or shape == "octagon"
    for k, line in enumerate(lines):
        base = y + (k - (len(lines) - 1) / 2) * LEADING + 0.35 * TEXT
        at, anchor = (x, "middle") if centred else (left + 9, "start")
        shapes.append(Text(at, base, (Run(line, look.ink),), TEXT, anchor))
    return shapes


# Circles view. -------------------------------------------------------------------------------------------------------


def compose_circles(diagram: Diagram) -> Scene:
    """Return the picture of coloured circles, with the histogram of every level over them."""
    graph, placed = diagram.graph, diagram.layout
    assert placed is not None
    gutter = 84.0  # for the row headings of the strip
    page = Sheet.of(diagram, placed.width + gutter + 24)
    page.head(diagram.title, f"{counts(graph)} · {FLOW}", diagram.verdict)
    dx = MARGIN + gutter
    columns = {int(level): float(placed.at[graph.levels == level, 0].mean()) + dx for level in np.unique(graph.levels)}
    if _ends(diagram):
        _strip(page, diagram, columns)
    words = skip_words(graph)
    if words:
        page.y += 14
        page.put(Text(dx + placed.width / 2, page.y, (Run(words[0], "cool"),), TEXT, "middle"))
        page.y += 8
    dy = page.y + 6
    busy = len(graph) > CALM
    crowded = busy or len(graph.source) > CROWD
    paths = strongest_paths(graph, PATHS) if crowded and graph.swept and graph.over_time is None else []
    highlighted = {e for path in paths for e in path.edges} | set(words[1] if words else ())
    strokes = strokes_of(diagram.edges)
    # What carries nothing is left out: hundreds of dotted lines would hide what the others say.
    drawn = [e for e in drawn_edges(graph).tolist() if diagram.edges.marks[e] != DEAD]
    order = [*(e for e in drawn if e not in highlighted), *sorted(highlighted)]
    # Many faint lines add up: the more there are, the fainter each.
    faded = float(np.clip(0.12 * math.sqrt(CROWD / max(len(order), 1)), 0.03, 0.12))
    for place, e in enumerate(order):
        stroke, route = strokes[e], placed.routes[e]
        s, t = graph.source[e], graph.target[e]
        if busy or graph.levels[t] - graph.levels[s] == 1:
            a, b = placed.at[s], placed.at[t]
            route = layout.line((float(a[0]), float(a[1])), (float(b[0]), float(b[1])))
        strong = e in highlighted
        thin = Stroke(stroke.line, _thin(stroke.pen) + (0.8 if strong else 0), "solid")
        if strong:
            opacity = 1.0
        elif crowded:
            opacity = 0.75 if place >= len(order) - STRONGEST else faded
        else:
            opacity = _opacity(float(diagram.edges.decades[e]))
        page.scene.back.append(Group(f"e{e}", [_moved(route, dx, dy, thin, edge_tip(graph, e), opacity)]))
    looks = looks_of(diagram.nodes)
    widths, _ = sizes(graph, diagram.nodes, circles=True)
    for i, look in enumerate(looks):
        x, y, size = float(placed.at[i, 0]) + dx, float(placed.at[i, 1]) + dy, float(widths[i])
        shape = "ellipse" if shape_of(graph, diagram.nodes, i) == "round" else shape_of(graph, diagram.nodes, i)
        shapes: list[Box | Curve | Text] = []
        if graph.kinds[i] == LOSS and shape == "ellipse":
            shapes.append(Box(x - size / 2, y - size / 2, size, size, "paper", look.line, "ellipse"))
            size -= 7
        shapes.append(Box(x - size / 2, y - size / 2, size, size, look.fill, look.line, shape, look.pen, look.dash))
        page.put(*shapes, name=f"n{i}", tip=node_tip(graph, diagram.nodes, i))
    page.y = dy + placed.height
    shown = f"all but the {STRONGEST} strongest are faded" if crowded else "weak ones are faded"
    nothing = int((diagram.edges.marks == DEAD).sum())
    weaker = graph.edges - len(order) - nothing
    left_out = [f"{weaker:,} weaker"] * (weaker > 0) + [f"{nothing:,} that carry exactly 0"] * (nothing > 0)
    if left_out:
        shown += f"; left out: {', '.join(left_out)}"
    if paths:
        shown += f"; on top the strongest path to each of {len(paths)} inputs" if len(paths) > 1 else (
            "; on top the strongest path to an input")
    page.legend(f"colour: {diagram.nodes.title}", _ends(diagram), [
        _kinds(diagram, "circle"), [*edge_legend(graph, diagram.nodes, diagram.edges, signs=False), ("", shown)],
    ], [_thin(pen) for pen in PENS] if graph.edges else ())  # fmt: skip
    return page.finish(diagram.caption)


def drawn_edges(graph: Graph, most: int | None = None) -> Ints:
    """Return the edges that are drawn, the strongest last: all, or the strongest of more than a picture can hold."""
    strength = np.nan_to_num(np.abs(graph.messages), nan=np.inf)
    return np.argsort(strength, kind="stable")[-(MOST_EDGES if most is None else most):]


def _thin(pen: float) -> float:
    """Return the width of an edge between circles, which is finer than with labels."""
    return 0.3 + 0.3 * pen


def _opacity(decade: float) -> float:
    """Return how solid an edge of the circles view is: the weak ones fade."""
    if not math.isfinite(decade):
        return 0.5
    return float(np.clip(0.35 + 0.65 * (decade + 4) / 5, 0.35, 0.9))


def skip_words(graph: Graph) -> tuple[str, list[int]] | None:
    """Return what to say of the skip edges that matter most, and which they are."""
    if not graph.swept or graph.noun != "unit" or graph.last_level < 3 or graph.over_time is not None:
        return None
    found = [skip for skip in skips(graph) if skip.share >= 0.5 and skip.level > 0]
    # Where most levels are skipped to, as in an irregular net, no single one is worth a headline.
    if not found or len(found) > 3 or found[0].count > FEW:
        return None
    best = found[0]
    edges = f"{best.count} skip edge{'s' * (best.count != 1)}"
    return (f"{edges} carr{'y' if best.count != 1 else 'ies'} {percent(best.share)} of the gradient that reaches "
            f"{graph.level_name(best.level)}", best.edges[graph.messages[best.edges] != 0].tolist())


def _strip(page: Sheet, diagram: Diagram, columns: dict[int, float]) -> None:
    """Add the histogram strip: per level, over its column, how many units are in each decade."""
    graph, nodes = diagram.graph, diagram.nodes
    classes, marks = nodes.classes, nodes.marks
    alive = graph.units & (marks == ALIVE)
    present = classes[alive]
    highest, lowest = (max(int(present.max()), 0), min(int(present.min()), -3)) if len(present) else (0, -3)
    rows: list[tuple[int, int]] = [(ALIVE, decade) for decade in range(highest, lowest - 1, -1)]
    rows += [(mark, 0) for mark in (DEAD, NONFINITE, DETACHED) if (marks[graph.units] == mark).any()]
    table = diagram.table
    places = [columns[row.level] for row in table]
    pitch = min((b - a for a, b in itertools.pairwise(places)), default=80.0)
    wide, high = min(pitch * 0.62, 46.0), 15.0
    roomy = pitch >= 40
    head_size = 9.5 if pitch >= 52 else 8.5
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
            f"≤{power_of_ten(-LIMIT)}" if decade == -LIMIT else f"≥{power_of_ten(LIMIT)}" if decade == LIMIT
            else power_of_ten(decade) if decade else "10⁰")
        page.put(Text(label_x, page.y + high - 4, (Run(heading),), 9.0, "end"))
        look = look_of(mark, decade)
        for row, x in zip(table, places, strict=True):
            here = graph.units & (graph.levels == row.level) & (marks == mark)
            count = int((here & (classes == decade)).sum()) if mark == ALIVE else int(here.sum())
            # Healthy cells are nearly as pale as empty ones, so what is not empty has an outline.
            cell = Box(x - wide / 2, page.y, wide, high - 1, look.fill if count else "cell",
                       (look.line if mark != ALIVE else "faint") if count else "",
                       pen=look.pen if mark != ALIVE else 0.6, dash=look.dash)
            text = [Text(x, page.y + high - 4.2, (Run(f"{count:,}", look.ink),), 9.0, "middle")] if count else []
            page.put(cell, *(text if wide >= 14 else []))
        page.y += high
    page.y += 11
    page.put(Text(label_x, page.y, (Run("median, log10", "muted"),), 8.5, "end"))
    for k, (row, x) in enumerate(zip(table, places, strict=True)):
        if k % every == 0 and not math.isnan(row.median):
            page.put(Text(x, page.y, (Run(signed(row.median, 1, plus=True)),), 9.0, "middle"))
    page.y += 14


