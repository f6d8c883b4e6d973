"""How nodes and edges look: colours, outlines, widths and dashes, and the words in and on them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from visualize.graph import ALIVE, DEAD, DETACHED, INPUT, LOSS, NONFINITE, UNSWEPT, Graph, short
from visualize.scales import Floats, Scale, classes_of, edge_role, fill_role, ink_role, number, signed, widths_of
from visualize.scene import text_width

#: Sizes of text in nodes and on edges, and the height of a line in a node.
TEXT, SMALL, LEADING = 11.0, 9.0, 14.0
#: Boxes are made for wider letters than Helvetica's: not every machine has Helvetica or a font of its widths.
ROOM = 1.08


@dataclass(frozen=True, slots=True)
class Look:
    """How one node is drawn, as roles of a palette.

    Args:
        fill: role of the fill.
        line: role of the outline.
        ink: role of the text.
        dash: dash of the outline.
        pen: its width.
        word: what its mark is called, "" for a node that is alive.
    """

    fill: str
    line: str
    ink: str
    dash: str = "solid"
    pen: float = 1.1
    word: str = ""


MARKED = {
    DEAD: Look("paper", "line", "muted", "dashed", 1.3, "dead"),
    NONFINITE: Look("alarm", "alarm", "ialarm", "solid", 1.3, "not finite"),
    DETACHED: Look("paper", "faint", "muted", "dotted", 1.6, "no path"),
    UNSWEPT: Look("paper", "line", "ink"),
}


def look_of(mark: int, decade: int) -> Look:
    """Return the look of a node with a mark, or of a class if it is alive."""
    if mark != ALIVE:
        return MARKED[mark]
    fill = fill_role(decade)
    return Look(fill, "line", ink_role(fill))


def looks_of(graph: Graph, scale: Scale) -> list[Look]:
    """Return the look of every node."""
    classes = scale.classes(graph.gradients).tolist()
    looks = [look_of(mark, decade) for mark, decade in zip(graph.marks.tolist(), classes, strict=True)]
    for i in np.flatnonzero(~graph.units & (graph.marks == ALIVE)).tolist():
        looks[i] = Look("cell", "line", "ink")  # The loss of a net is no unit, so its dL/dL is not on the scale.
    return looks


def shape_of(graph: Graph, i: int) -> str:
    """Return the shape of a node: "box" for an input, "round", "ellipse" for the loss, "octagon" if not finite."""
    if graph.marks[i] == NONFINITE:
        return "octagon"
    return {INPUT: "box", LOSS: "ellipse"}.get(int(graph.kinds[i]), "round")


@dataclass(frozen=True, slots=True)
class Stroke:
    """How one edge is drawn.

    Args:
        line: role of its colour.
        pen: its width in points.
        dash: its dash.
    """

    line: str
    pen: float
    dash: str


def strokes_of(graph: Graph, scale: Scale) -> list[Stroke]:
    """Return how every edge is drawn."""
    decades = scale.decades(graph.messages)
    widths, classes = widths_of(decades).tolist(), classes_of(decades).tolist()
    passes = np.ones(graph.edges, bool) if graph.open is None else graph.open
    strokes = []
    for e, message in enumerate(graph.messages.tolist()):
        if not graph.swept:
            strokes.append(Stroke("faint", 1.0, "solid"))
        elif not passes[e] or message == 0 or not graph.connected[graph.target[e]]:
            strokes.append(Stroke("faint", 1.0, "dotted"))
        elif not math.isfinite(message):
            strokes.append(Stroke("alarm", 2.0, "solid"))
        else:
            # With several samples the message has no sign of its own; its weight has.
            dash = "dashed" if message < 0 else "solid"
            strokes.append(Stroke(edge_role(classes[e]), widths[e], dash))
    return strokes


def counts(graph: Graph) -> str:
    """Return the size in words: "11 nodes · 15 edges"."""
    return f"{len(graph):,} node{'s' * (len(graph) != 1)} · {graph.edges:,} edge{'s' * (graph.edges != 1)}"



def node_lines(graph: Graph, i: int) -> list[str]:
    """Return the lines of text in a node: what it is, its value, its gradient."""
    name, op = short(graph.names[i], 24), short(graph.ops[i], 24)
    first = (f"{op} {name}" if op else name) if i in graph.unnamed else f"{name} · {op}" if op else name
    value = number(float(graph.values[i]))
    mark = int(graph.marks[i])
    if graph.kinds[i] == LOSS:
        lines = [first, value]
        return lines if graph.swept else [*lines, f"{graph.call.split('.')[-1]} not run"]
    if mark == UNSWEPT:
        return [first, f"v = {value}"]
    if mark == DETACHED and not graph.swept:
        return [first, f"v = {value}", "no path"]
    word = {DEAD: "  dead", DETACHED: "  no path"}.get(mark, "")
    return [first, f"v = {value}", f"{graph.letter(i)} = {number(float(graph.gradients[i]))}{word}"]


def edge_lines(graph: Graph, e: int) -> list[str]:
    """Return the label of an edge: weight and its gradient in a net, local partial and message elsewhere."""
    factor = float(graph.factors[e])
    if e in graph.gates:
        return ["gate", f"× {number(factor)}"]
    if graph.weight_gradients is not None:
        gradient = float(graph.weight_gradients[e])
        return [] if math.isnan(gradient) and graph.kinds[graph.target[e]] == LOSS else [
            f"w {number(factor)}", f"∂w {number(gradient)}"]
    if graph.noun == "unit":
        return [f"w {number(factor)}"]
    if graph.open is not None and not graph.open[e]:
        return ["no gradient"]
    return [f"∂ {number(factor)}", *([f"← {number(float(graph.messages[e]))}"] if graph.swept else [])]


def sizes(graph: Graph, circles: bool) -> tuple[Floats, Floats]:
    """Return the widths and heights of the nodes."""
    if circles:
        size = np.where(graph.kinds == LOSS, 26.0, np.where(graph.kinds == INPUT, 15.0, 18.0))
        return size, size
    widths, heights = np.zeros(len(graph)), np.zeros(len(graph))
    for i in range(len(graph)):
        lines = node_lines(graph, i)
        widths[i] = ROOM * max(text_width(line, TEXT) for line in lines) + 20
        heights[i] = LEADING * len(lines) + 10
        if graph.kinds[i] == LOSS:
            widths[i] = heights[i] = max(widths[i], heights[i]) + 14
        elif graph.marks[i] == NONFINITE:
            widths[i], heights[i] = 1.3 * widths[i], heights[i] + 14  # room for the cut corners
    return widths, heights


def node_tip(graph: Graph, scale: Scale, i: int) -> str:
    """Return what a pointer on a node shows."""
    lines = [short(graph.names[i], 200) + (f" · {graph.ops[i]}" if graph.ops[i] else ""),
             f"v = {number(float(graph.values[i]))}"]
    mark = int(graph.marks[i])
    if mark == UNSWEPT:
        return "\n".join([*lines, f"{graph.call} not run"])
    lines.append(f"{graph.letter(i)} = {number(float(graph.gradients[i]))}")
    if mark == ALIVE:
        decade = float(scale.decades(graph.gradients[i : i + 1])[0])
        lines.append(f"log10 {signed(decade, 1, plus=True)} {scale.words}")
    elif MARKED[mark].word:
        lines.append(MARKED[mark].word)
    lines.append(graph.level_name(int(graph.levels[i])))
    return "\n".join(lines)


def edge_tip(graph: Graph, e: int) -> str:
    """Return what a pointer on an edge shows."""
    names = (short(graph.names[int(k)], 80) for k in (graph.source[e], graph.target[e]))
    lines = [" → ".join(names), *edge_lines(graph, e)]
    if graph.swept and graph.noun == "unit":
        lines.append(f"message {number(float(graph.messages[e]))}")
    return "\n".join(lines)
