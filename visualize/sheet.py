"""Sheet, a page that is filled from top to bottom: title and verdict, the picture, the legend, the caption."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from visualize.graph import DEAD, DETACHED, NONFINITE, Graph
from visualize.looks import FLIPPED_PEN, MARKED, ROOM, TEXT, counts
from visualize.scales import CLASSES, LIMIT, edge_role, fill_role, power_of_ten
from visualize.scene import Box, Curve, Group, Run, Scene, Text, straight, text_width
from visualize.shown import Channel

if TYPE_CHECKING:
    from visualize.diagrams import Diagram

MARGIN = 28.0
#: The least width: room for the legend.
LEAST = 620.0
#: Where the rows of the legend that have a name begin.
INDENT = 48.0


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


class Sheet:
    """A page that is filled from top to bottom; `y` is how far.

    Args:
        width: of what stands on it, without the margins; it has at least room for the legend.
        title: the name of the picture, for readers that do not see it.
        description: what it shows, in words.
    """

    def __init__(self, width: float, title: str, description: str) -> None:
        self.width = max(width, LEAST)
        self.y = MARGIN
        self.scene = Scene(self.width + 2 * MARGIN, 0.0, title, description)

    @classmethod
    def of(cls, diagram: Diagram, width: float) -> Sheet:
        """Return the sheet of a diagram."""
        description = f"{diagram.verdict}\n{diagram.caption}"
        return cls(width, f"{diagram.title} · {counts(diagram.graph)}", description)

    def put(self, *shapes: Box | Curve | Text, name: str = "", tip: str = "") -> None:
        """Add shapes in front."""
        self.scene.front.append(Group(name, list(shapes), tip))

    def lines(self, runs: Sequence[Run], size: float = TEXT, leading: float = 1.45) -> None:
        """Add text at the left, wrapped to the page."""
        for line in _wrap(runs, size, self.width):
            self.y += size
            self.put(Text(MARGIN, self.y, line, size))
            self.y += size * (leading - 1)

    def head(self, title: str, more: str, verdict: str) -> None:
        """Add the title, the facts, parted by " · ", and the verdict, a sentence per line."""
        self.heading(title, more)
        for sentence in verdict.split("\n"):
            self.lines([Run(sentence)], 12.0)
        self.y += 14

    def heading(self, title: str, more: str) -> None:
        """Add the title and the facts: on one line if they fit, else these smaller on lines of their own."""
        facts = re.split(r" +· +", more)
        beside = "  ·  ".join(["", *facts])
        if text_width(title, 15.0, bold=True) + text_width(beside, 15.0) <= self.width:
            self.lines([Run(title, bold=True), Run(beside, "muted")], 15.0)
            return
        self.lines([Run(title, bold=True)], 15.0)
        rows = [""]  # none ends with a dot
        for fact in facts:
            longer = f"{rows[-1]}  ·  {fact}" if rows[-1] else fact
            if rows[-1] and ROOM * text_width(longer, 12.0) > self.width:
                rows.append(fact)
            else:
                rows[-1] = longer
        for row in rows:
            self.lines([Run(row, "muted")], 12.0)

    def legend(
        self, what: str, ends: tuple[str, str, str] | None, rows: Sequence[Sequence[tuple[str, str]]],
        pens: Sequence[float] = (),
    ) -> None:  # fmt: skip
        """Add the legend.

        Args:
            what: what the colours show.
            ends: what is said of small, usual and large; None leaves the colours out.
            rows: rows of (glyph, words); a glyph is a name that `_glyph` knows, or "heading" for the name of the row.
            pens: how wide an edge of each class is, if edges have the colours of lines.
        """
        self.y += 26
        if ends:
            self.colours(what, ends, pens)
        for row in rows:
            if row:
                self.legend_row(row)

    def colours(self, what: str, ends: tuple[str, str, str], pens: Sequence[float] = ()) -> None:
        """Add the part of the legend that explains the colours, of nodes and under them of edges."""
        self.put(Text(MARGIN, self.y, (Run(what, bold=True), Run("  ·  one class per decade", "muted")), 12.0))
        self.y += 8
        cell = 40.0
        for k, decade in enumerate(CLASSES):
            self.put(Box(MARGIN + k * cell, self.y, cell, 15, fill_role(decade)))
            if pens:
                left, middle = MARGIN + k * cell, self.y + 20.5
                line = Curve(straight((left + 2, middle), (left + cell - 2, middle)), edge_role(decade), pens[k])
                self.scene.back.append(Group("", [line]))
        self.y += 10 if pens else 0
        for k, decade in enumerate(CLASSES):
            words = {-LIMIT: "≤" + power_of_ten(-LIMIT), LIMIT: "≥" + power_of_ten(LIMIT)}.get(decade)
            if words is None and decade % 3 == 0:
                words = power_of_ten(decade)
            if words:
                self.put(Text(MARGIN + (k + 0.5) * cell, self.y + 27, (Run(words),), 9.5, "middle"))
        self.put(
            Text(MARGIN, self.y + 41, (Run(f"← {ends[0]}", "cool"),), 10.0),
            Text(MARGIN + 13 * cell, self.y + 41, (Run(f"{ends[2]} →", "warm"),), 10.0, "end"),
        )
        if ends[1] != power_of_ten(0):  # which stands there already
            self.put(Text(MARGIN + 6.5 * cell, self.y + 41, (Run(ends[1], "muted"),), 10.0, "middle"))
        self.y += 48

    def legend_row(self, row: Sequence[tuple[str, str]]) -> None:
        """Add a row of glyphs with words, wrapped to the page."""
        x = MARGIN
        self.y += 17
        for glyph, words in row:
            drawn = _glyph(glyph, x, self.y)
            heading = glyph == "heading"
            wide = INDENT if heading else (30.0 if drawn else 0.0) + ROOM * text_width(words, 10.0) + 18
            if x > MARGIN + INDENT and x + wide > MARGIN + self.width:
                x = MARGIN + (INDENT if row[0][0] == "heading" else 0)
                self.y += 17
                drawn = _glyph(glyph, x, self.y)
            for shape in drawn:
                if isinstance(shape, Curve):
                    self.scene.back.append(Group("", [shape]))
                else:
                    self.put(shape)
            self.put(Text(x + (30 if drawn else 0), self.y, (Run(words, bold=heading),), 10.0))
            x += wide

    def finish(self, caption: str) -> Scene:
        """Add the caption and return the scene, as high as it has become."""
        self.y += 12
        self.lines([Run(caption, "muted")], 9.0)
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
    if name == "flipped":
        return [Box(*box, fill="paper", line="line", shape="round", pen=FLIPPED_PEN)]
    if name == "loss":
        return [Box(*ring, fill="paper", line="line", shape="ellipse"),
                Box(x + 6.5, y - 8, 9, 9, "paper", "line", "ellipse")]
    marks = {"dead": DEAD, "nonfinite": NONFINITE, "detached": DETACHED}
    if name in marks:
        look = MARKED[marks[name]]
        shape = "octagon" if name == "nonfinite" else "round"
        return [Box(*box, fill=look.fill, line=look.line, shape=shape, pen=look.pen, dash=look.dash)]
    return []


def mark_legend(graph: Graph, nodes: Channel) -> list[tuple[str, str]]:
    """Return the legend entries of the marks that occur."""
    letter = {"value": "v", "gradient": "gradient", "update": "update"}.get(nodes.name, graph.symbol)
    dead = " (dead)" if nodes.name == "delta" else ""
    entries = [(DEAD, "dead", f"{letter} exactly 0{dead}"), (NONFINITE, "nonfinite", f"{letter} is NaN or infinite"),
               (DETACHED, "detached", "no path to the loss")]
    found = [(glyph, words) for mark, glyph, words in entries if (nodes.marks == mark).any()]
    if nodes.flipped is not None and nodes.flipped.any():
        found.append(("flipped", "its sign has flipped"))
    return found


def edge_legend(graph: Graph, nodes: Channel, edges: Channel, signs: bool) -> list[tuple[str, str]]:
    """Return the legend entries of the edges.

    Args:
        graph: the graph.
        nodes: what the colour of the nodes shows, on whose scale the legend is.
        edges: what their colour and width show.
        signs: whether dashes show signs.
    """
    what = edges.title if edges.name != "message" else f"gradient message {edges.title}"
    if edges.scale.words == nodes.scale.words and edges.name != "difference":
        what = what.removesuffix(f" {edges.scale.words}")
    rows = [("heading", "edges"), ("width", f"{what} (wide = large)")]
    if signs and edges.name == "update":
        rows.append(("dotted", "exactly 0"))
    elif signs:
        if edges.flipped is not None:
            flips = [("dashed", "its sign has flipped")] if edges.flipped.any() else []
            return [*rows, *flips, ("dotted", "exactly 0")]
        by = " weight" if graph.samples != 1 and edges.name == "message" and graph.noun == "unit" else ""
        rows += [("solid", f"positive{by}"), ("dashed", f"negative{by}"), ("dotted", "exactly 0")]
    return rows
