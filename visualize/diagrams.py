"""Diagrams of the gradient: `draw` makes a `Diagram`, which gives the picture in any format.

The layout engine says only where nodes go. The picture around them is composed by the views: title, verdict, histogram
strip, legend. "labels" writes name, value and gradient into every node; "circles" colours nodes and puts a histogram of
every level over them; "levels" and "groups" draw boxes with a histogram each; "time" draws the units of a recurrent net
by the steps of its sequences.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import graphviz

from visualize import pages, terminal
from visualize.digraph import digraph, lay_out
from visualize.given import Recorded, as_graph
from visualize.graph import Graph, short
from visualize.groups import Grouping, compose_groups, compose_levels
from visualize.layout import Layout
from visualize.looks import counts
from visualize.overtime import compose_time
from visualize.overtime import table as over_time_table
from visualize.picture import Picture, check_choice, format_of
from visualize.programs import is_program
from visualize.scales import DARK, LIGHT
from visualize.scene import Scene
from visualize.shown import Channel, difference, of_edges, of_nodes, same_structure
from visualize.steps import Steps
from visualize.verdict import Levels, changes, judgement, levels, table_of
from visualize.views import MOST_EDGES, compose_circles, compose_labels

COMPOSERS: dict[str, Callable[[Diagram], Scene]] = {
    "labels": compose_labels, "circles": compose_circles, "levels": compose_levels, "groups": compose_groups,
    "time": compose_time,
}  # fmt: skip
VIEWS = ("auto", *COMPOSERS)
#: Views with a place for each node, so that a page can show it at several times.
PLACED = ("labels", "circles")
#: Largest numbers of nodes and edges of a view that "auto" takes.
LABELLED, LABELLED_EDGES = 60, 150
CIRCLES, CIRCLES_EDGES = 2000, MOST_EDGES
#: So many nodes are drawn by a view that is asked for.
MOST_NODES = {"labels": 5_000, "circles": 20_000}


def draw(
    x: Any,
    view: str = "auto",
    *,
    format: str | None = None,
    path: str | os.PathLike[str] | None = None,
    theme: str = "light",
    title: str | None = None,
    fill: str = "delta",
    edges: str = "message",
    ref: float | str = "output",
    rate: float | None = None,
    against: Any = None,
    group: Grouping | None = None,
    at: Any = None,
    steps: Recorded | Sequence[tuple[str, Graph]] = (),
    engine: str | os.PathLike[str] | None = None,
    timeout: float = 10.0,
) -> Diagram:
    """Draw a graph with the gradients that its last sweep left.

    Args:
        x: the Value on which backward() was called, a Net after a sweep, a function compiled by `autograd.jit`, or a
            `Graph`.
        view: "labels" (every node with its numbers), "circles" (colour and a histogram per level), "levels" (a box
            per level), "groups" (a box per group), "time" (the units of a recurrent net by time steps), or "auto": the
            first that suits the graph and its size.
        format: "svg", "png", "pdf", "html", "dot" or "text": what is made at once, so that what cannot be made is known
            here; a Diagram gives the others when asked. Default: that of `path`, else "svg".
        path: a file to save it in, as `Diagram.save` does.
        theme: "light", "dark", or "auto": an SVG that follows the reader's system.
        title: the bold part of the title line; default the call that made the gradients.
        fill: what the colour of the nodes shows: "delta", "gradient" (the norm of dL/dw over the links that lead in),
            "value", or "update" (the update ratio rate*|dL/dw| / |w|, on a scale around the usual 10^-3).
        edges: what colour and width of the edges show: "message" (w*delta), "weight" (dL/dw) or "update".
        ref: the gradient that counts as healthy: "output" (median of the outputs), "loss", "absolute" or a number.
        rate: the size of a step, for "update".
        against: the same graph after another sweep (a `Graph`, made before this one): the picture shows how sizes have
            changed, and where signs flipped.
        group: a function that tells the group of a node, given a `visualize.Node` (name, op, level); "hidden 1/weights"
            is a group in the cluster "hidden 1". Default, in the view "groups": by the name without the numbers at its
            end. With it, "auto" is "groups".
        at: the samples [N, p] at which a compiled function is drawn.
        steps: the `record` of a training, or pairs (label, graph) of the same graph at several times: a page (HTML) has
            a slider over them, in the views "labels" and "circles". Drawn is x; a recording given as x is drawn as it
            ended, with its steps where the view can show them.
        engine: "dot", "graphviz-pure", "pygraphviz", "builtin" or the path of a program with the options of dot;
            default the first that works.
        timeout: seconds for the layout; after that the built-in layout takes over, unless `engine` was given.

    Returns:
        The diagram; a notebook shows it, `print` gives its text view.

    Raises:
        TypeError: if x is not a graph.
        ValueError: if an option is none of those above, the graph has not what is to be shown, or more nodes than the
            view can place.
        EngineError: if the engine asked for is missing or fails, or no engine makes the format.

    >>> from autograd import Value
    >>> x = Value(3.0, name="x")
    >>> y = x * x
    >>> y.backward()
    >>> draw(y).verdict
    'the gradient keeps its size: the medians of all levels lie within 0.8 decades'
    """
    if format is None:
        format = format_of(path, Diagram.FORMATS) if path is not None else "svg"
    check_choice("view", view, VIEWS)
    recorded = isinstance(x, Recorded) and not steps
    if isinstance(x, Recorded):
        try:
            x, steps = x.graph(-1), steps or x
        except IndexError as error:
            raise ValueError(f"there is nothing to draw: {error}") from None
    graph = as_graph(x, at)
    other = None if against is None else as_graph(against, at if is_program(against) else None)
    if view == "auto":
        timed = graph.over_time is not None and fill == "delta" and other is None and not (format == "html" and steps)
        view = "groups" if group is not None else "time" if timed else _view_for(graph)
    if recorded and view not in PLACED:
        steps = ()
        note = "this is the last look of a recording; the views labels and circles have a page with all of them"
        graph = dataclasses.replace(graph, notes=(*graph.notes, note))
    diagram = Diagram(graph, view, fill=fill, edges=edges, ref=ref, rate=rate, against=other, group=group, steps=steps,
                      format=format, theme=theme, title=title, engine=engine, timeout=timeout)  # fmt: skip
    if format in ("svg", "png", "pdf", "html"):
        diagram.render(format)
    if path is not None:
        diagram.save(path, format)
    return diagram


def _view_for(graph: Graph) -> str:
    if len(graph) <= LABELLED and graph.edges <= LABELLED_EDGES:
        return "labels"
    return "circles" if len(graph) <= CIRCLES and graph.edges <= CIRCLES_EDGES else "levels"


def _refuse_crowd(graph: Graph, view: str) -> None:
    """Refuse more nodes than a view can place in a minute or two, in a picture that nobody could read."""
    most = MOST_NODES.get(view, math.inf)
    if len(graph) > most:
        raise ValueError(f"view={view!r} draws every node, and {len(graph):,} are too many for it (at most {most:,}); "
                         "draw them in boxes: view='levels', or view='groups' with group=")


class Diagram(Picture):
    """A drawn graph. Notebooks show the picture, `print` the text view. Made by `draw`, which has the arguments.

    Attributes:
        graph: what is drawn.
        view: "labels", "circles", "levels", "groups" or "time".
        nodes: what the colour of the nodes shows.
        edges: what colour and width of the edges show.
        scale: the decade scale of the gradients.
        group: what tells the group of a node.
        against: the graph after the other sweep, or None.
    """

    FORMATS: ClassVar[tuple[str, ...]] = ("svg", "png", "pdf", "html", "dot", "text")

    def __init__(
        self,
        graph: Graph,
        view: str,
        *,
        fill: str = "delta",
        edges: str = "message",
        ref: float | str = "output",
        rate: float | None = None,
        against: Graph | None = None,
        group: Grouping | None = None,
        steps: Recorded | Sequence[tuple[str, Graph]] = (),
        format: str = "svg",
        theme: str = "light",
        title: str | None = None,
        engine: str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
    ) -> None:
        super().__init__(short(title or graph.call), format, theme, engine, timeout)
        _refuse_crowd(graph, view)
        self.graph = graph
        self.view = view
        self.scale = graph.scale(ref)
        self.group = group
        self.against = against
        self._steps = steps
        self._shown = fill, edges, ref, rate
        self.nodes, self.edges = self.channels(graph)
        if against is not None:
            same_structure(graph, against)
            for one, what in ((graph, "x"), (against, "against")):
                if not one.swept:
                    raise ValueError(f"two sweeps are compared, and {what} has none: {one.call} not run")
            many = max(graph.samples, against.samples) > 1
            nodes, lines = self.channels(against)
            self.nodes, self.edges = difference(self.nodes, nodes, many), difference(self.edges, lines, many)

    def channels(self, graph: Graph) -> tuple[Channel, Channel]:
        """Return what this diagram shows of nodes and edges, of the same graph at another time.

        Args:
            graph: that graph.
        """
        fill, edges, _, rate = self._shown
        ref = self.reference(graph)
        return of_nodes(graph, fill, ref, rate), of_edges(graph, edges, ref, rate)

    def reference(self, graph: Graph) -> float | str:
        """Return what counts as healthy in the same graph at another time.

        Args:
            graph: that graph.
        """
        ref = self._shown[2]
        lost = ref == "loss" and not (graph.loss and math.isfinite(graph.loss))
        return self.scale.reference if lost else ref  # of a time without a loss

    @cached_property
    def table(self) -> Levels:
        """What the picture shows of the nodes, per level."""
        return table_of(self.graph, self.nodes)

    @cached_property
    def verdict(self) -> str:
        """What the picture shows, in words; a sentence per line."""
        own = self.nodes.name == "delta"
        found = judgement(self.graph, self.table if own else levels(self.graph, ref=self.scale.reference))
        return found if self.against is None else f"{changes(self.graph, self.nodes, self._shown[0])}\n{found}"

    @cached_property
    def layout(self) -> Layout | None:
        """Where the nodes are; None for the views of boxes and strips, which have no engine."""
        return lay_out(self) if self.view in PLACED else None

    @property
    def caption(self) -> str:
        """What the picture leaves out and who laid it out."""
        parts = [f"view {self.view!r}", *(self.graph.notes if self.view != "time" else ())]
        if self.view == "circles":
            parts.append("names, values and signs are in the tooltips and in the text view")
        if self.view in ("levels", "groups"):
            parts.append(f"{len(self.graph):,} nodes are shown by {self.view[:-1]}, none by itself")
        if self.layout is not None:
            parts.append(f"layout: {self.layout.credit}")
        return " · ".join(parts)

    @cached_property
    def scene(self) -> Scene:
        """The composed picture."""
        return COMPOSERS[self.view](self)

    @property
    def dot(self) -> graphviz.Digraph:
        """The graph as DOT with its labels and colours, laid out by nobody yet."""
        return digraph(self, DARK if self.theme == "dark" else LIGHT)

    @cached_property
    def steps(self) -> Sequence[tuple[str, Graph]]:
        """The graph at several times, for the slider of a page; those of a recording are worked out here."""
        return self._steps.steps() if isinstance(self._steps, Recorded) else self._steps

    @cached_property
    def html(self) -> str:
        """The picture as a page of its own: zoom, search, paths; it needs no network."""
        # The views of boxes and strips have the difference in the picture itself.
        return pages.page(self, self.steps, None if self.layout is None else self.against)

    @cached_property
    def text(self) -> str:
        """The text view: verdict and table, in Unicode."""
        parts = [terminal.text(self.graph, self.nodes, self.headline, self.verdict)]
        if self.graph.over_time is not None and self.graph.swept:
            parts.append(over_time_table(Steps.of(self.graph)))
        return "\n\n".join(parts)

    @property
    def headline(self) -> str:
        """The title and the size."""
        return f"{self.title} · {counts(self.graph)}"

    def render(self, format: str) -> str | bytes:
        """Return the diagram in a format: bytes for "png" and "pdf", else text.

        Args:
            format: one of `FORMATS`.

        Raises:
            ValueError: if it is none of them.
            EngineError: if no engine makes it.
        """
        if format == "html":
            return self.html
        return str(self.dot.source) if format == "dot" else super().render(format)

    def __repr__(self) -> str:
        return f"<Diagram of {self.title}: {counts(self.graph)}, view {self.view!r}>"
