"""How nodes and edges look: colours, outlines, widths and dashes, and the words in and on them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from visualize.graph import ALIVE, BLANK, DEAD, DETACHED, INPUT, LOSS, NONFINITE, UNSWEPT, Graph, short
from visualize.scales import Floats, edge_role, fill_role, ink_role, number, signed
from visualize.scene import text_width
from visualize.shown import Channel

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
    """

    fill: str
    line: str
    ink: str
    dash: str = "solid"
    pen: float = 1.1


MARKED = {
    DEAD: Look("paper", "line", "muted", "dashed", 1.3),
    NONFINITE: Look("alarm", "alarm", "ialarm", "solid", 1.3),
    DETACHED: Look("paper", "faint", "muted", "dotted", 1.6),
    UNSWEPT: Look("paper", "line", "ink"),
    BLANK: Look("cell", "line", "ink"),
}
#: With more circles in a column than this they are smaller.
TALL = 36
#: The outline of a node whose gradient has changed its sign since another sweep.
FLIPPED_PEN = 3.0


def look_of(mark: int, decade: int) -> Look:
    """Return the look of a node with a mark, or of a class if it is alive."""
    if mark != ALIVE:
        return MARKED[mark]
    fill = fill_role(decade)
    return Look(fill, "line", ink_role(fill))


def looks_of(nodes: Channel) -> list[Look]:
    """Return the look of every node."""
    looks = [look_of(mark, decade) for mark, decade in zip(nodes.marks.tolist(), nodes.classes.tolist(), strict=True)]
    if nodes.flipped is not None:
        for i in np.flatnonzero(nodes.flipped).tolist():
            looks[i] = dataclasses.replace(looks[i], pen=FLIPPED_PEN)
    return looks


def shape_of(graph: Graph, nodes: Channel, i: int) -> str:
    """Return the shape of a node: "box" for an input, "round", "ellipse" for the loss, "octagon" if not finite."""
    if nodes.marks[i] == NONFINITE:
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


def strokes_of(edges: Channel) -> list[Stroke]:
    """Return how every edge is drawn.

    With several samples a message has no sign of its own; the dash shows that of its weight.
    """
    strokes = []
    columns = (edges.marks, edges.values, edges.classes, edges.widths)
    for mark, value, decade, width in zip(*(x.tolist() for x in columns), strict=True):
        if mark in (UNSWEPT, BLANK):
            strokes.append(Stroke("faint", 1.0, "solid"))
        elif mark == DEAD:
            strokes.append(Stroke("faint", 1.0, "dotted"))
        elif mark != ALIVE:
            strokes.append(Stroke("alarm", 2.0, "solid"))
        else:
            strokes.append(Stroke(edge_role(decade), width, "dashed" if value < 0 else "solid"))
    return strokes


def counts(graph: Graph) -> str:
    """Return the size in words: "11 nodes · 15 edges"."""
    return f"{len(graph):,} node{'s' * (len(graph) != 1)} · {graph.edges:,} edge{'s' * (graph.edges != 1)}"



def node_lines(graph: Graph, nodes: Channel, i: int) -> list[str]:
    """Return the lines of text in a node: what it is, its value, its gradient, and what its colour shows beside."""
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
    lines = [first, f"v = {value}", f"{graph.letter(i)} = {number(float(graph.gradients[i]))}{word}"]
    return [*lines, *_more(nodes, i)]


#: What the numbers of a channel are called in a node, where they are not in its other lines.
_LETTERS = {"gradient": "‖∂w‖ = ", "update": "update ", "difference": "× "}


def _more(nodes: Channel, i: int) -> list[str]:
    """Return the line with what the colour shows, if that is not the gradient or the value."""
    if nodes.name not in _LETTERS or nodes.marks[i] not in (ALIVE, DEAD):
        return []
    if nodes.name == "gradient" and nodes.title.startswith("|"):
        return []
    size = abs(float(nodes.values[i]))
    if nodes.name == "difference" and math.isinf(nodes.decades[i]):
        return ["was 0" if size else "is 0"]
    flipped = " sign flipped" if nodes.flipped is not None and nodes.flipped[i] else ""
    return [f"{_LETTERS[nodes.name]}{number(size)}{flipped}"]


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


def sizes(graph: Graph, nodes: Channel, circles: bool) -> tuple[Floats, Floats]:
    """Return the widths and heights of the nodes."""
    if circles:
        size = np.where(graph.kinds == LOSS, 26.0, np.where(graph.kinds == INPUT, 15.0, 18.0))
        tallest = int(np.bincount(graph.levels).max(initial=1))
        size = np.round(size * min(1.0, max(TALL / tallest, 0.6)), 1)  # a page is higher than a screen soon enough
        return size, size
    widths, heights = np.zeros(len(graph)), np.zeros(len(graph))
    for i in range(len(graph)):
        lines = node_lines(graph, nodes, i)
        widths[i] = ROOM * max(text_width(line, TEXT) for line in lines) + 20
        heights[i] = LEADING * len(lines) + 10
        if graph.kinds[i] == LOSS:
            widths[i] = heights[i] = max(widths[i], heights[i]) + 14
        elif nodes.marks[i] == NONFINITE:
            widths[i], heights[i] = 1.3 * widths[i], heights[i] + 14  # room for the cut corners
    return widths, heights


def node_tip(graph: Graph, nodes: Channel, i: int) -> str:
    """Return what a pointer on a node shows."""
    lines = [short(graph.names[i], 200) + (f" · {graph.ops[i]}" if graph.ops[i] else ""),
             f"v = {number(float(graph.values[i]))}"]
    if graph.marks[i] == UNSWEPT:
        return "\n".join([*lines, f"{graph.call} not run"])
    lines += [f"{graph.letter(i)} = {number(float(graph.gradients[i]))}", *_more(nodes, i)]
    if nodes.marks[i] == ALIVE:
        lines.append(f"log10 {signed(float(nodes.decades[i]), 1, plus=True)} {nodes.scale.words}")
    elif nodes.word(i):
        lines.append(nodes.word(i))
    lines.append(graph.level_name(int(graph.levels[i])))
    return "\n".join(lines)


def edge_tip(graph: Graph, e: int) -> str:
    """Return what a pointer on an edge shows."""
    s, t = int(graph.source[e]), int(graph.target[e])
    lines = [f"{graph.short_names[s]} → {graph.short_names[t]}", *edge_lines(graph, e)]
    if graph.swept and graph.noun == "unit":
        lines.append(f"message {number(float(graph.messages[e]))}")
    return "\n".join(lines)
