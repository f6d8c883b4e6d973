"""Diagrams of the gradient: `draw` makes a `Diagram`, which gives the picture in any format.

The layout engine says only where nodes go. The picture around them is composed in `views`: title, verdict, histogram
strip, legend. Three views by size: "labels" writes name, value and gradient into every node; "circles" colours nodes
and puts a histogram of every level over them; "levels" draws levels as boxes with a histogram each.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import graphviz
import numpy as np

from autograd import files
from visualize import engines, layout, terminal
from visualize.engines import BUILTIN, EngineError, EngineTimeoutError
from visualize.graph import Graph, as_graph, short
from visualize.layout import Layout, Route
from visualize.looks import SMALL, TEXT, counts, edge_lines, looks_of, node_lines, node_tip, shape_of, sizes, strokes_of
from visualize.scales import DARK, LIGHT, THEMES, Ints, Scale
from visualize.scene import Scene, text_width
from visualize.verdict import verdict
from visualize.views import CALM, COMPOSERS, MOST_EDGES, drawn_edges

FORMATS = ("svg", "png", "pdf", "dot", "text")
VIEWS = ("auto", "labels", "circles", "levels")
#: Largest numbers of nodes and edges of a view that "auto" takes.
LABELLED, LABELLED_EDGES = 60, 150
CIRCLES, CIRCLES_EDGES = 2000, MOST_EDGES
#: Dots per inch of a PNG.
DPI = 144


def draw(
    x: Any,
    view: str = "auto",
    *,
    format: str | None = None,
    path: str | os.PathLike[str] | None = None,
    theme: str = "light",
    title: str | None = None,
    ref: float | str = "output",
    engine: str | os.PathLike[str] | None = None,
    timeout: float = 10.0,
) -> Diagram:
    """Draw a graph with the gradients that its last sweep left.

    Args:
        x: the Value on which backward() was called, a Net after a sweep, or a `Graph`.
        view: "labels" (every node with its numbers), "circles" (colour and a histogram per level), "levels" (a box
            per level), or "auto": the first of them that suits the size.
        format: "svg", "png", "pdf", "dot" or "text": what is made at once, so that what cannot be made is known here;
            a Diagram gives the others when asked. Default: that of `path`, else "svg".
        path: a file to save it in, as `Diagram.save` does.
        theme: "light", "dark", or "auto": an SVG that follows the reader's system.
        title: the bold part of the title line; default the call that made the gradients.
        ref: the gradient that counts as healthy: "output" (median of the outputs), "loss", "absolute" or a number.
        engine: "dot", "graphviz-pure", "pygraphviz", "builtin" or the path of a program with the options of dot;
            default the first that works.
        timeout: seconds for the layout; after that the built-in layout takes over, unless `engine` was given.

    Returns:
        The diagram; a notebook shows it, `print` gives its text view.

    Raises:
        TypeError: if x is not a graph.
        ValueError: if an option is none of those above.
        EngineError: if the engine asked for is missing or fails, or no engine makes the format.

    >>> from autograd import Value
    >>> x = Value(3.0, name="x")
    >>> y = x * x
    >>> y.backward()
    >>> draw(y).verdict
    'the gradient keeps its size: the medians of all levels lie within 0.8 decades'
    """
    if format is None:
        format = _format_of(path) if path is not None else "svg"
    for what, given, known in (("format", format, FORMATS), ("view", view, VIEWS), ("theme", theme, THEMES)):
        if given not in known:
            raise ValueError(f"{what}={given!r} is not known; it is one of {', '.join(map(repr, known))}")
    if not timeout > 0:
        raise ValueError(f"timeout is a positive number of seconds, got {timeout!r}")
    graph = as_graph(x)
    if view == "auto":
        view = _view_for(len(graph), graph.edges)
    diagram = Diagram(graph, view, format, theme, short(title or graph.call), graph.scale(ref), engine, timeout)
    if format in ("svg", "png", "pdf"):
        diagram.render(format)
    if path is not None:
        diagram.save(path, format)
    return diagram


def _view_for(nodes: int, edges: int) -> str:
    if nodes <= LABELLED and edges <= LABELLED_EDGES:
        return "labels"
    return "circles" if nodes <= CIRCLES and edges <= CIRCLES_EDGES else "levels"


def _format_of(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower().removeprefix(".")
    found = {"gv": "dot", "txt": "text"}.get(suffix, suffix)
    if found not in FORMATS:
        raise ValueError(f"{os.fspath(path)!r} does not end as a picture does: use .svg, .png, .pdf, .dot (.gv) or "
                         ".txt, or say format=")
    return found


class Diagram:
    """A drawn graph. Notebooks show the picture, `print` the text view. Made by `draw`.

    Args:
        graph: what is drawn.
        view: "labels", "circles" or "levels".
        format: what a notebook shows beside the text.
        theme: "light", "dark" or "auto".
        title: the bold part of the title line.
        scale: the decade scale.
        engine: the engine asked for, or None.
        timeout: seconds for the layout.
    """

    def __init__(
        self, graph: Graph, view: str, format: str, theme: str, title: str, scale: Scale,
        engine: str | os.PathLike[str] | None, timeout: float,
    ) -> None:  # fmt: skip
        self.graph = graph
        self.view = view
        self.format = format
        self.theme = theme
        self.title = title
        self.scale = scale
        self._engine = engine
        self._timeout = timeout
        self._pictures: dict[str, bytes] = {}

    @cached_property
    def verdict(self) -> str:
        """What the picture shows, in words; a sentence per line."""
        return verdict(self.graph, ref=self.scale.reference)

    @cached_property
    def layout(self) -> Layout | None:
        """Where the nodes are; None for the levels view, which has none."""
        return None if self.view == "levels" else _lay_out(self)

    @property
    def caption(self) -> str:
        """What the picture leaves out and who laid it out."""
        parts = [f"view {self.view!r}", *self.graph.notes]
        if self.view == "circles":
            parts.append("names, values and signs are in the tooltips and in the text view")
        if self.view == "levels":
            parts.append(f"{len(self.graph):,} nodes are shown by level, none by itself")
        if self.layout is not None:
            parts.append(f"layout: {self.layout.engine}")
        return " · ".join(parts)

    @cached_property
    def scene(self) -> Scene:
        """The composed picture."""
        return COMPOSERS[self.view](self)

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG document."""
        return self.scene.svg(self.theme)

    @property
    def dot(self) -> graphviz.Digraph:
        """The graph as DOT with its labels and colours, laid out by nobody yet."""
        return _digraph(self, DARK if self.theme == "dark" else LIGHT, with_title=True)

    @cached_property
    def text(self) -> str:
        """The text view: verdict and table, in Unicode."""
        return terminal.text(self.graph, self.scale, self._headline, self.verdict)

    @property
    def _headline(self) -> str:
        return f"{self.title} · {counts(self.graph)}"

    def png(self) -> bytes:
        """Return the picture as PNG.

        Raises:
            EngineError: if no engine makes one; with what to install.
        """
        return self._picture("png")

    def pdf(self) -> bytes:
        """Return the picture as PDF.

        Raises:
            EngineError: if no engine makes one; with what to install.
        """
        return self._picture("pdf")

    def _picture(self, kind: str) -> bytes:
        """Let an engine turn the composed picture into PNG or PDF; nothing is laid out again."""
        if kind in self._pictures:
            return self._pictures[kind]
        dot = self.scene.dot(DARK if self.theme == "dark" else LIGHT)
        options = [engines.PINNED, *([f"-Gdpi={DPI}"] if kind == "png" else []), f"-T{kind}"]
        asked = None if self._engine == BUILTIN else self._engine
        failures = []
        for candidate in engines.working(kind, asked):
            try:
                out = candidate.run(dot, options, max(self._timeout, engines.SMOKE_TIMEOUT))
            except EngineError as error:
                failures.append(str(error))
                continue
            if engines.looks_like(kind, out):
                self._pictures[kind] = out
                return out
            failures.append(f"the layout engine {candidate.name} wrote something that is no {kind}")
        advice = ("pip install graphviz-pure, or install Graphviz" if kind == "png" else
                  "install Graphviz (apt install graphviz, brew install graphviz), or print the SVG from a browser")
        why = "; ".join(failures) or f"no engine here writes {kind.upper()}"
        raise EngineError(f"cannot make a {kind.upper()}: {why}. {advice}; SVG needs no engine")

    def render(self, format: str) -> str | bytes:
        """Return the diagram in a format: text for "svg", "dot" and "text", bytes for "png" and "pdf".

        Args:
            format: one of those.

        Raises:
            ValueError: if it is none of them.
            EngineError: if no engine makes it.
        """
        if format in ("png", "pdf"):
            return self._picture(format)
        if format == "svg":
            return self.svg
        if format == "dot":
            return str(self.dot.source)
        if format == "text":
            return self.text + "\n"
        raise ValueError(f"format={format!r} is not known; it is one of {', '.join(map(repr, FORMATS))}")

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> Path:
        """Save the diagram; the file is complete or not there at all.

        Args:
            path: where; the suffix tells the format: .svg, .png, .pdf, .dot, .gv or .txt.
            format: the format, whatever the suffix.

        Returns:
            The path.

        Raises:
            ValueError: if the format is not known.
            EngineError: if no engine makes it.
            OSError: if the file cannot be written.
        """
        drawn = self.render(format or _format_of(path))
        path = Path(path)
        whole = drawn if isinstance(drawn, bytes) else drawn.encode()
        return files.write(path, whole)

    def __str__(self) -> str:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        try:
            "δ█−".encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return terminal.text(self.graph, self.scale, self._headline, self.verdict, ascii_only=True)
        return self.text

    def __repr__(self) -> str:
        return f"<Diagram of {self.title}: {counts(self.graph)}, view {self.view!r}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": self.text}
        if self.format in ("svg", "pdf"):
            bundle["image/svg+xml"] = self.svg
        elif self.format == "png":
            bundle["image/png"] = self.png()
        return bundle


# DOT and layout. -----------------------------------------------------------------------------------------------------


def _digraph(
    diagram: Diagram, palette: Mapping[str, str], with_title: bool, edges: Sequence[int] | None = None
) -> graphviz.Digraph:
    """Return the graph, or the part with some of its edges, as DOT: plain attributes only, on which engines agree."""
    graph, circles = diagram.graph, diagram.view != "labels"
    dot = graphviz.Digraph("dagrad")
    dot.attr("graph", rankdir="LR", bgcolor=palette["paper"], fontname="Helvetica", fontcolor=palette["ink"],
             nodesep="0.1" if circles else "0.3", ranksep=f"{_gap(graph) / 72 if circles else 0.5:.3f}")
    if circles and (len(graph) > CALM or graph.edges > 4 * CALM):
        dot.attr("graph", splines="line")
    if with_title:
        caption = f"{diagram._headline}\n{diagram.verdict}"
        dot.attr("graph", label=_dot_text(caption.split("\n"), "\\n"), labelloc="t")
    dot.attr("node", fontname="Helvetica", fontsize=_points(TEXT), fixedsize="true", margin="0")
    dot.attr("edge", fontname="Helvetica", fontsize=_points(SMALL), fontcolor=palette["muted"])
    widths, heights = sizes(graph, diagram.view == "circles")
    for i, look in enumerate(looks_of(graph, diagram.scale)):
        shape = shape_of(graph, i)
        styles = ["filled", *(["rounded"] if shape == "round" and not circles else []),
                  *([look.dash] if look.dash != "solid" else [])]
        kind = {"round": "circle" if circles else "box", "ellipse": "doublecircle"}.get(shape, shape)
        lines = [] if circles else node_lines(graph, i)
        justify = "\\n" if kind in ("doublecircle", "octagon") else "\\l"
        text = _dot_text([line if justify == "\\n" else f"  {line}" for line in lines], justify)
        dot.node(f"n{i}", label=text, shape=kind, style=",".join(styles), fillcolor=palette[look.fill],
                 color=palette[look.line], fontcolor=palette[look.ink], penwidth=_points(look.pen),
                 width=f"{widths[i] / 72:.4f}", height=f"{heights[i] / 72:.4f}",
                 tooltip=_dot_text(node_tip(graph, diagram.scale, i).split("\n"), "\\n"))
    strokes = strokes_of(graph, diagram.scale)
    for k, e in enumerate(range(graph.edges) if edges is None else edges):
        stroke = strokes[e]
        lines = [] if circles else edge_lines(graph, e)
        attributes = {"label": _dot_text(lines, "\\n")} if lines else {}
        dot.edge(f"n{graph.source[e]}", f"n{graph.target[e]}", id=f"e{k}", color=palette[stroke.line],
                 penwidth=_points(stroke.pen), style=stroke.dash, arrowsize=f"{_arrow_size(stroke.pen):.3f}",
                 **({"arrowhead": "none"} if circles else {}), **attributes)
    if circles:
        before = ""
        for level in np.unique(graph.levels).tolist():
            here = [f"n{i}" for i in np.flatnonzero(graph.levels == level).tolist()]
            with dot.subgraph() as rank:
                rank.attr(rank="same")
                for node in here:
                    rank.node(node)
            if before:  # keeps the levels in order even if no edge between them is drawn
                dot.edge(before, here[0], style="invis", weight="0")
            before = here[0]
    return dot


def _gap(graph: Graph) -> float:
    """Return the gap between the columns of circles: a deep graph gets narrow ones, to fit on a page."""
    return float(np.clip(1600 / (int(graph.levels.max(initial=0)) + 1) - 18, 10, 46))


def _points(x: float) -> str:
    return f"{x:.2f}".rstrip("0").rstrip(".")


def _dot_text(lines: Sequence[str], end: str) -> str:
    """Return lines as a DOT label that is neither read as HTML nor as escapes."""
    safe = [re.sub("[\x00-\x1f\x7f\ud800-\udfff]", " ", line).replace("\\", "\\\\") for line in lines]
    joined = end.join(safe) + (end if end == "\\l" and safe else "")
    return str(graphviz.nohtml(joined))


def _arrow_size(pen: float) -> float:
    return 0.65 + 0.09 * pen


def _kept(diagram: Diagram) -> Ints:
    """Return the edges that the layout is told of.

    Every long edge takes a place in each column that it crosses. In an irregular net these would be most places, and
    the picture a page of lines; there the circles view lays out by the short edges alone, and draws the long ones
    behind the nodes. Each node above the lowest level has a short edge, so its column stays the same.
    """
    graph = diagram.graph
    if diagram.view == "labels":
        return np.arange(graph.edges)
    drawn = np.sort(drawn_edges(graph))
    spans = (graph.levels[graph.target] - graph.levels[graph.source])[drawn]
    return drawn if int((spans - 1).sum()) <= len(graph) else drawn[spans == 1]


def _lay_out(diagram: Diagram) -> Layout:
    """Ask the engines in order; when they are missing, fail or take too long, lay out here."""
    placed = _by_engine(diagram) or _by_ourselves(diagram)
    kept = _kept(diagram)
    if len(kept) == diagram.graph.edges:
        return placed
    routes: list[Route] = []
    for s, t in zip(diagram.graph.source.tolist(), diagram.graph.target.tolist(), strict=True):
        (ax, ay), (bx, by) = placed.at[s].tolist(), placed.at[t].tolist()
        routes.append(layout.swing((ax, ay), (bx, by)))
    for e, route in zip(kept.tolist(), placed.routes, strict=True):
        routes[e] = route
    return Layout(placed.at, routes, placed.width, placed.height, placed.engine)


def _by_engine(diagram: Diagram) -> Layout | None:
    graph, asked = diagram.graph, diagram._engine
    if asked == BUILTIN or not len(graph):
        return None
    kept = _kept(diagram)
    dot = str(_digraph(diagram, LIGHT, with_title=False, edges=kept.tolist()).source)
    for candidate in engines.working("json0", asked):
        try:
            return layout.ask(candidate, dot, len(graph), len(kept), diagram._timeout)
        except EngineTimeoutError:
            if asked is not None:
                raise
            break  # Another engine would work on the same problem for as long.
        except EngineError:
            if asked is not None:
                raise
    return None


def _by_ourselves(diagram: Diagram) -> Layout:
    graph, kept = diagram.graph, _kept(diagram)
    widths, heights = sizes(graph, diagram.view == "circles")
    ends = (graph.levels, graph.source[kept], graph.target[kept], widths, heights)
    if diagram.view == "circles":
        return layout.layered(*ends, gap=_gap(graph), apart=7.0)
    lines = [edge_lines(graph, e) for e in range(graph.edges)]
    widest = max((text_width(line, SMALL) for label in lines for line in label), default=0.0)
    label = 10.5 * max(map(len, lines), default=0) + 3
    return layout.layered(*ends, gap=widest + 44.0, apart=20.0, arrows=8.0, label=label)
