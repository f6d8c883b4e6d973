"""A diagram as DOT, and where an engine, or the layout of our own, puts its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import graphviz
import numpy as np

from visualize import layout
from visualize.graph import Graph
from visualize.layout import Layout, Plan
from visualize.looks import SMALL, TEXT, edge_lines, looks_of, node_lines, node_tip, shape_of, sizes, strokes_of
from visualize.scales import Ints
from visualize.scene import quote
from visualize.views import CALM, MOST_LABELS, drawn_edges

if TYPE_CHECKING:
    from visualize.diagrams import Diagram


def digraph(diagram: Diagram, palette: Mapping[str, str]) -> graphviz.Digraph:
    """Return the graph as DOT: plain attributes only, on which engines agree.

    Args:
        diagram: what is drawn.
        palette: the colours.
    """
    graph, circles = diagram.graph, diagram.view != "labels"
    dot = graphviz.Digraph("dagrad")
    dot.attr("graph", rankdir="LR", bgcolor=palette["paper"], fontname="Helvetica", fontcolor=palette["ink"],
             nodesep="0.1" if circles else "0.3", ranksep=f"{_gap(graph) / 72 if circles else 0.5:.3f}")
    if circles and (len(graph) > CALM or graph.edges > 4 * CALM):
        dot.attr("graph", splines="line")
    dot.body.append(f"\tgraph [label={quote([diagram.headline, *diagram.verdict.split(chr(10))])} labelloc=t]\n")
    dot.attr("node", fontname="Helvetica", fontsize=_points(TEXT), fixedsize="true", margin="0")
    dot.attr("edge", fontname="Helvetica", fontsize=_points(SMALL), fontcolor=palette["muted"])
    widths, heights = (x.tolist() for x in sizes(graph, diagram.nodes, circles))
    # The lines are written here, since the package checks and quotes each attribute, which takes most of a second.
    for i, look in enumerate(looks_of(diagram.nodes)):
        shape = shape_of(graph, diagram.nodes, i)
        styles = ["filled", *(["rounded"] if shape == "round" and not circles else []),
                  *([look.dash] if look.dash != "solid" else [])]
        kind = {"round": "circle" if circles else "box", "ellipse": "doublecircle"}.get(shape, shape)
        lines = [] if circles else node_lines(graph, diagram.nodes, i)
        left = kind not in ("doublecircle", "octagon")
        text = quote([f"  {line}" for line in lines] if left else lines, "\\l" if left else "\\n")
        dot.body.append(
            f'\tn{i} [label={text} shape={kind} style="{",".join(styles)}" fillcolor="{palette[look.fill]}" '
            f'color="{palette[look.line]}" fontcolor="{palette[look.ink]}" penwidth={_points(look.pen)} '
            f"width={widths[i] / 72:.4f} height={heights[i] / 72:.4f} "
            f'tooltip={quote(node_tip(graph, diagram.nodes, i).split(chr(10)))}]\n')  # fmt: skip
    ends = zip(graph.source.tolist(), graph.target.tolist(), strokes_of(diagram.edges), strict=True)
    for e, (s, t, stroke) in enumerate(ends):
        lines = [] if circles else edge_lines(graph, e)
        label = f" label={quote(lines)}" if lines else ""
        head = "arrowhead=none" if circles else f"arrowsize={_arrow_length(stroke.pen) / 10:.3f}"
        dot.body.append(f'\tn{s} -> n{t} [id=e{e} color="{palette[stroke.line]}" penwidth={_points(stroke.pen)} '
                        f"style={stroke.dash} {head}{label}]\n")
    if circles:
        before = ""
        for level in np.unique(graph.levels).tolist():
            here = [f"n{i}" for i in np.flatnonzero(graph.levels == level).tolist()]
            dot.body.append(f"\t{{ rank=same {' '.join(here)} }}\n")
            if before:  # keeps the levels in order even if no edge between them is drawn
                dot.body.append(f"\t{before} -> {here[0]} [style=invis weight=0]\n")
            before = here[0]
    return dot


def _gap(graph: Graph) -> float:
    """Return the gap between the columns of circles: a deep graph gets narrow ones, to fit on a page."""
    return float(np.clip(1600 / (int(graph.levels.max(initial=0)) + 1) - 18, 10, 46))


def _points(x: float) -> str:
    return f"{x:.2f}".rstrip("0").rstrip(".")


def _arrow_length(pen: float) -> float:
    """Return the length of an edge's arrowhead in points."""
    return 6.5 + 0.9 * pen


def _kept(diagram: Diagram) -> Ints:
    """Return the edges that the layout is told of.

    Every long edge takes a place in each column that it crosses. In an irregular net these would be most places, and
    the picture a page of lines; there the circles view lays out by the short edges alone, and draws the long ones
    behind the nodes. Each node above the lowest level has a short edge, so its column stays the same.
    """
    graph = diagram.graph
    if diagram.view == "labels":
        return np.sort(drawn_edges(graph, MOST_LABELS))
    drawn = np.sort(drawn_edges(graph))
    spans = (graph.levels[graph.target] - graph.levels[graph.source])[drawn]
    return drawn if int(np.abs(spans - 1).sum()) <= len(graph) else drawn[spans == 1]


def lay_out(diagram: Diagram) -> Layout:
    """Ask the engines in order; when they are missing, fail or take too long, lay out here."""
    graph, kept = diagram.graph, _kept(diagram)
    placed = layout.arrange(_plan(diagram, kept), diagram._engine, diagram._timeout)
    if len(kept) == graph.edges:
        return placed
    routes = [layout.swing((ax, ay), (bx, by)) for (ax, ay), (bx, by)
              in zip(placed.at[graph.source].tolist(), placed.at[graph.target].tolist(), strict=True)]  # fmt: skip
    for e, route in zip(kept.tolist(), placed.routes, strict=True):
        routes[e] = route
    return replace(placed, routes=routes)


def _plan(diagram: Diagram, kept: Ints) -> Plan:
    """Return what the layout has to place: the nodes, and the edges that are kept."""
    graph = diagram.graph
    circles = diagram.view == "circles"
    ends = (graph.levels, graph.source[kept], graph.target[kept], *sizes(graph, diagram.nodes, circles))
    if circles:
        # With many nodes all edges are drawn straight.
        return Plan(*ends, gap=_gap(graph), apart=7.0, columns=True, routed=len(graph) <= CALM)
    shapes = [shape_of(graph, diagram.nodes, i) for i in range(len(graph))]
    strokes = strokes_of(diagram.edges)
    return Plan(
        *ends, shapes=["box" if shape == "round" else shape for shape in shapes],
        arrows=np.array([_arrow_length(strokes[e].pen) for e in kept.tolist()]),
        labels=[edge_lines(graph, e) for e in kept.tolist()],
    )  # fmt: skip
