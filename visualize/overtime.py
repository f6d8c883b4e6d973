"""The view of a recurrent net: its units by the steps of its sequences, one strip or several under one another.

Columns are time steps, so the gradient reads from right to left. Rows are units, by groups of names; of more than fit,
each group shows a few quantiles over its units at every step. Many steps share columns.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from visualize import terminal
from visualize.given import as_graph
from visualize.graph import ALIVE, BLANK, DEAD, DETACHED, INPUT, NONFINITE, Graph, short
from visualize.groups import Grouping, grouped
from visualize.looks import MARKED, look_of
from visualize.picture import Picture
from visualize.scales import LIMIT, Floats, Ints, Scale, classes_of, number
from visualize.scene import Box, Run, Scene, Text, text_width
from visualize.sheet import MARGIN, Sheet
from visualize.steps import AT_LOSS, Steps, rate

if TYPE_CHECKING:
    from visualize.diagrams import Diagram

#: Up to so many units have a row each, and a group among more than that has quantiles.
MOST_ROWS = 48
#: Up to so many steps have a column each.
MOST_COLUMNS = 200
#: Up to so many cells are drawn one by one; of more, equal neighbours in a row are one rectangle.
MOST_CELLS = 1200
#: The widest strip and the widest column, in points.
ACROSS, WIDEST = 900.0, 34.0
#: The least gap between two numbers of the axis.
APART = 30.0
RMS = "log10 RMS δ"
#: Quantiles of a group in words, from many to few; the first that fits is taken.
Ladder = tuple[tuple[str, float], ...]
LADDER: tuple[Ladder, ...] = (
    (("largest", 1.0), ("90 %", 0.9), ("75 %", 0.75), ("median", 0.5), ("25 %", 0.25), ("10 %", 0.1),
     ("smallest", 0.0)),
    (("largest", 1.0), ("75 %", 0.75), ("median", 0.5), ("25 %", 0.25), ("smallest", 0.0)),
    (("largest", 1.0), ("median", 0.5), ("smallest", 0.0)),
    (("median", 0.5),),
)  # fmt: skip
#: What the rows of `autograd.layers.lstm` and `gru` are, by the letter in their names.
LSTM = {"": "outputs", "_c": "cells", "_s": "squashed cells", "_i": "input gates", "_f": "forget gates",
        "_o": "output gates", "_g": "candidates"}  # fmt: skip
GRU = {"": "outputs", "_z": "update gates", "_r": "reset gates", "_n": "candidates", "_m": "sums before the reset"}


def compose_time(diagram: Diagram) -> Scene:
    """Return the picture of a recurrent net: units by time steps.

    Raises:
        ValueError: if the graph has no gradient over time, or the picture is to show something else.
    """
    if diagram.nodes.name != "delta":
        raise ValueError(f"view='time' shows delta at every step; of {diagram.nodes.title!r} there is one number "
                         "a unit: take view='labels', 'circles' or 'levels'")
    graph = diagram.graph
    steps = Steps.of(graph)
    # A reference that was asked for is kept; the one by default is the outputs' delta of all steps together.
    scale = steps.scale if diagram.scale == graph.scale() else diagram.scale
    said = diagram.verdict.split("\n")
    verdict = [*(w for w in steps.words() if w not in said), *said]
    bunch = _bunch([steps])
    if steps.alone is None:
        drawn = [_Strip.of("", steps, scale, diagram.group, bunch=bunch)]
    else:
        drawn = [_Strip.of("", steps.alone, steps.alone.scale, diagram.group, bunch=bunch)]
        if not steps.ragged:
            title, alone = "all losses together", "the loss at the last step alone"
            drawn = [_Strip.of(title, steps, scale, diagram.group, bunch=bunch), drawn[0]._replace(title=alone)]
    description = "\n".join([*verdict, diagram.caption])
    return _compose(diagram.title, [_size(steps), steps.where], drawn, verdict, diagram.caption, description)


# Several nets. -------------------------------------------------------------------------------------------------------


def strips(
    nets: Mapping[str, Any],
    *,
    group: Grouping | None = None,
    title: str = "Backpropagation through time",
    format: str = "svg",
    theme: str = "light",
    path: str | os.PathLike[str] | None = None,
    engine: str | os.PathLike[str] | None = None,
    timeout: float = 10.0,
) -> Strips:
    """Draw the gradient over time of several recurrent nets under one another, on one time axis and one scale.

    Args:
        nets: what is drawn by its heading: a Net with delays after a sweep over sequences, or a Graph of one. Each is
            relative to its own delta where its loss is; of one with losses at several steps, the loss at the last step
            of each sequence alone is drawn, so that the nets compare. Sequences of different lengths have their ends
            under one another.
        group: tells the group of a unit, as for `draw`.
        title: the bold part of the title line.
        format: "svg", "png", "pdf" or "text": what a notebook shows.
        theme: "light", "dark" or "auto".
        path: a file to save it in, as `Strips.save` does.
        engine: the layout engine that makes PNG and PDF, as for `draw`.
        timeout: seconds that it may take.

    Raises:
        TypeError: if something is no graph.
        ValueError: if there is nothing to draw, or a net has no gradient over time.

    >>> from autograd import Net
    >>> from autograd.layers import elman
    >>> def after_a_sweep(weight):
    ...     net = Net()
    ...     net.output(*elman(net, "h", 1, net.input("x"), "linear"))
    ...     net.set_weight("h_1", "h_1", weight)
    ...     net.forward([[0.0]] * 20)
    ...     net.sweep([1.0])
    ...     return net
    >>> picture = strips({"weight 0.5": after_a_sweep(0.5), "weight 1": after_a_sweep(1.0)})
    >>> picture.trends
    {'weight 0.5': 'gradient shrinks ×0.5 per step back in time', 'weight 1': 'gradient preserved (×1 per step)'}
    """
    picture = Strips(nets, group=group, title=title, format=format, theme=theme, engine=engine, timeout=timeout)
    _ = picture.scene  # what cannot be drawn is known here
    if path is not None:
        picture.save(path)
    return picture


class Strips(Picture):
    """Strips of several recurrent nets. Notebooks show the picture, `print` the text. Made by `strips`.

    Attributes:
        steps: the nets' gradients over time, by their headings.
    """

    def __init__(
        self,
        nets: Mapping[str, Any],
        *,
        group: Grouping | None = None,
        title: str = "Backpropagation through time",
        format: str = "svg",
        theme: str = "light",
        engine: str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
    ) -> None:
        super().__init__(short(title), format, theme, engine, timeout)
        if not isinstance(nets, Mapping):
            raise TypeError(f"strips takes nets by their headings, as in strips({{'tanh': net}}); got a "
                            f"{type(nets).__name__}; to draw one net, use draw(net)")
        if not nets:
            raise ValueError("strips needs a net to draw, and got none")
        self.steps: dict[str, Steps] = {}
        for name, net in nets.items():
            try:
                self.steps[str(name)] = Steps.of(as_graph(net))
            except ValueError as error:
                raise ValueError(f"{name!r}: {error}") from None
        self._group = group

    @property
    def trends(self) -> dict[str, str]:
        """How the gradient of each changes back in time, in words; "" where nothing can be said."""
        return {name: steps.trend for name, steps in self.steps.items()}

    @cached_property
    def scene(self) -> Scene:
        """The composed picture."""
        budget = max(MOST_ROWS // len(self.steps), 8)
        bunch = _bunch(self.steps.values())
        all_steps = self.steps.values()
        sizes, places = {_size(steps) for steps in all_steps}, {steps.where for steps in all_steps}
        back = len({len(steps) for steps in all_steps}) > 1 or any(steps.alone for steps in all_steps)
        drawn = []
        for name, steps in self.steps.items():
            words = [_size(steps)] * (len(sizes) > 1) + [steps.where] * (len(places) > 1) + _said_of(steps)
            shown = steps.alone or steps
            strip = _Strip.of(name, shown, shown.scale, self._group, budget, bunch)
            drawn.append(strip._replace(words=words, back=back))
        alike = [*(sizes if len(sizes) == 1 else ()), *(places if len(places) == 1 else ())]
        description = "\n".join(f"{name}: {'; '.join(_said_of(steps))}" for name, steps in self.steps.items())
        return _compose(self.title, alike, drawn, [], "view 'time'", description)

    @cached_property
    def text(self) -> str:
        """The same as tables: per net the log10 of its RMS delta at some steps."""
        parts = [self.title]
        for name, steps in self.steps.items():
            parts += ["", f"{short(name)} · {_size(steps)} · {steps.where}", *_said_of(steps), "", table(steps)]
        return "\n".join(parts)


def _said_of(steps: Steps) -> list[str]:
    """Return what is said of one of several nets, which are compared by the loss at the last step alone."""
    return steps.words() if steps.single or not steps.alone else [
        f"of the loss at the last step alone: {sentence}" for sentence in steps.alone.words()]


def table(steps: Steps, scale: Scale | None = None) -> str:
    """Return the log10 of the RMS delta at some steps as a table with bars, the last step first.

    Args:
        steps: of a recurrent net; where the loss sees several steps, the table is of the last one alone, if it can be.
        scale: what it is relative to; default `Steps.scale`.
    """
    shown = steps.alone or steps
    scale = scale if scale is not None and shown is steps else shown.scale
    back = [len(shown) - step for step, _ in shown.rows(scale)] if shown.aligned else []
    rows = [("to end" if back else "step", "log10", "10⁻⁶   1   10⁶")]
    for k, (step, decade) in enumerate(shown.rows(scale)):
        drawn = terminal.bar(decade) if math.isfinite(decade) else ""
        rows.append((f"{back[k] if back else step:,}", Steps.log(decade), f"{drawn:13}"))
    what = f"log10 of the RMS δ over {_many(len(shown.carriers), 'unit')}, {scale.words}"
    return f"{what}\n{terminal.align(rows, left=(2,))}"


def _many(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


def _size(steps: Steps) -> str:
    graph = steps.graph
    inputs = int((graph.kinds == INPUT).sum())
    return f"{_many(int(graph.units.sum()) - inputs, 'unit')} × {_many(len(steps), 'step')}"


# What a strip shows. -------------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A row of cells: what is said of it, and |delta| and mark of each column."""

    label: str
    sizes: Floats
    marks: Ints


class _Block(NamedTuple):
    """Rows that belong together; with a heading where they need one."""

    heading: str
    more: str
    rows: list[_Row]


class _Strip(NamedTuple):
    """What is drawn of one net.

    Attributes:
        title: the heading, "" for none.
        steps: its gradient over time.
        scale: the decade scale.
        blocks: its rows, nearest to the loss first.
        bunch: how many steps share a column.
        back: whether steps are counted back from the last one.
        words: what the heading says beside.
    """

    title: str
    steps: Steps
    scale: Scale
    blocks: list[_Block]
    bunch: int
    back: bool
    words: list[str]

    @classmethod
    def of(
        cls, title: str, steps: Steps, scale: Scale, group: Grouping | None, budget: int = MOST_ROWS, bunch: int = 1
    ) -> _Strip:
        """Return what a strip of a net shows, in at most so many rows and with so many steps a column."""
        sizes, marks = _bunched(steps.sizes, steps.marks, bunch)
        groups = _groups(steps.graph, group)
        ladder: Ladder = ()
        if sum(len(nodes) for _, nodes in groups) > budget:
            if len(groups) > budget:
                groups = _by_level(steps.graph, budget)
            ladder = next((rungs for rungs in LADDER if sum(min(len(nodes), len(rungs)) for _, nodes in groups)
                           <= budget), LADDER[-1])
        several = sum(len(nodes) > 1 for _, nodes in groups) > 1
        what = _layers({name for name, _ in groups})
        blocks: list[_Block] = []
        for name, nodes in groups:
            whole = not ladder or len(nodes) <= len(ladder)
            rows = ([_Row(short(steps.graph.names[i], 24), sizes[i], marks[i]) for i in nodes.tolist()] if whole
                    else _quantiles(sizes[nodes], marks[nodes], ladder))
            facts = [what[name]] if name in what else []
            facts.append(_many(len(nodes), "unit"))
            factor = steps.factor(steps.rms_of(nodes))
            if not math.isnan(factor) and several:
                facts.append(f"{rate(factor)} per step back")
            headed = len(nodes) > 1 and (several or not whole)
            blocks.append(_Block(name if headed else "", " · ".join(facts), rows))
        return cls(title, steps, scale, _joined(blocks), bunch, steps.aligned, [])

    @property
    def columns(self) -> int:
        """How many columns it has."""
        return math.ceil(len(self.steps) / self.bunch)

    @property
    def by_quantile(self) -> bool:
        """Whether some rows are quantiles of a group."""
        return self.rows < int(self.steps.graph.units.sum())

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(len(block.rows) for block in self.blocks)

    def at(self, column: int) -> tuple[int, int]:
        """Return the first and the last step of a column, counted from 1; bunches are counted from the last step."""
        last = len(self.steps) - (self.columns - 1 - column) * self.bunch
        return max(last - self.bunch + 1, 1), last

    def when(self, a: int, b: int) -> str:
        """Return which steps the columns from a until before b are, in words."""
        first, last = self.at(a)[0], self.at(b - 1)[1]
        if self.steps.aligned:
            return self.steps.name(first - 1) if first == last else (
                f"{len(self.steps) - first:,} to {len(self.steps) - last:,} steps before the last")
        steps = f"step {first:,}" if first == last else f"steps {first:,} to {last:,}"
        return f"{steps} of {len(self.steps):,}"


def _joined(blocks: Sequence[_Block]) -> list[_Block]:
    """Return the blocks, with neighbours of one row each in one block: their names say all."""
    joined: list[_Block] = []
    for block in blocks:
        if len(block.rows) == 1 and joined and not joined[-1].heading and joined[-1].more == block.more:
            joined[-1].rows.extend(block.rows)
        else:
            joined.append(block)
    return joined


def _bunch(all_steps: Iterable[Steps]) -> int:
    """Return how many steps share a column, so that all fit."""
    return max(1, math.ceil(max(map(len, all_steps)) / MOST_COLUMNS))


def _groups(graph: Graph, group: Grouping | None) -> list[tuple[str, Ints]]:
    """Return the units in groups, those nearest to the loss first and the inputs last."""
    found = grouped(graph, group)
    groups = [(name, np.flatnonzero(found.of == k)) for k, name in enumerate(found.names)]
    groups.reverse()
    return sorted(groups, key=lambda item: bool((graph.kinds[item[1]] == INPUT).all()))


def _by_level(graph: Graph, budget: int) -> list[tuple[str, Ints]]:
    """Return the units in bands of levels, where there are more groups of names than rows."""
    levels = np.unique(graph.levels[graph.units])
    bands = np.array_split(levels, min(len(levels), budget // 3 or 1))
    return [(graph.level_name(int(band[0])) if len(band) == 1 else f"levels {band[0]} to {band[-1]}",
             np.flatnonzero(graph.units & np.isin(graph.levels, band))) for band in bands[::-1]]


def _layers(names: set[str]) -> dict[str, str]:
    """Return what groups are whose names say that they are the rows of a layer of gated units."""
    found: dict[str, str] = {}
    for rows, least in ((LSTM, ("", "_c", "_i", "_o", "_g")), (GRU, ("", "_z", "_r", "_n"))):
        for base in sorted(names):
            if all(base + row in names for row in least):
                found |= {base + row: words for row, words in rows.items() if base + row in names}
    return found


def _bunched(sizes: Floats, marks: Ints, bunch: int) -> tuple[Floats, Ints]:
    """Return sizes and marks by columns of several steps: the root mean square of those that have a gradient."""
    if bunch == 1:
        return sizes, marks
    n, steps = sizes.shape
    missing = -steps % bunch
    shape = (n, (steps + missing) // bunch, bunch)
    x = np.pad(sizes, ((0, 0), (missing, 0))).reshape(shape)
    mark = np.pad(marks, ((0, 0), (missing, 0)), constant_values=BLANK).reshape(shape)
    known = (mark == ALIVE) | (mark == DEAD)
    x = np.where(known, x, 0.0)
    largest = x.max(axis=2)
    safe = np.where(largest > 0, largest, 1.0)
    mean = np.square(x / safe[:, :, None]).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
    broken = (mark == NONFINITE).any(axis=2)
    merged = np.select([broken, largest > 0, known.any(axis=2)], [NONFINITE, ALIVE, DEAD], mark[:, :, -1])
    return np.where(broken, math.nan, safe * np.sqrt(mean)), merged


def _quantiles(sizes: Floats, marks: Ints, ladder: Ladder) -> list[_Row]:
    """Return a row per quantile over units, column by column: each cell is that of one unit; NaN counts as largest."""
    count, columns = sizes.shape
    broken = marks == NONFINITE
    order = np.argsort(np.where(broken, math.inf, np.where((marks == ALIVE) | (marks == DEAD), sizes, -1.0)), axis=0,
                       kind="stable")
    rows = []
    for label, level in ladder:
        unit = order[round(level * (count - 1))]
        rows.append(_Row(label, sizes[unit, np.arange(columns)], marks[unit, np.arange(columns)]))
    return rows


# Composing. ----------------------------------------------------------------------------------------------------------


class _Grid(NamedTuple):
    """Where cells are: the left end, width and height of a cell, the gap between two; and how far numbers stand out."""

    left: float
    cell: float
    high: float
    gap: float
    over: float

    def heading(self, page: Sheet, words: str, role: str = "ink") -> None:
        """Write the name of a row of numbers, which may stand out to the left."""
        page.put(Text(self.left - 6 - self.over, page.y, (Run(words, role),), 9.0, "end"))


def _compose(
    title: str, facts: Sequence[str], drawn: Sequence[_Strip], verdict: Sequence[str], caption: str, description: str
) -> Scene:
    """Return the picture of some strips, all with their ends under one another."""
    columns = max(strip.columns for strip in drawn)
    rows = max(strip.rows for strip in drawn)
    high = 16.0 if rows <= 16 else 12.0
    label = max(text_width(row.label, 9.0) for strip in drawn for block in strip.blocks for row in block.rows)
    # Whole half points: cells then end on pixels, and no seam shows between equal ones.
    cell = max(min(math.floor(2 * ACROSS / columns) / 2, WIDEST), 2.0)
    over = max(text_width("−88.8", 9.0) - cell, 0.0) / 2  # by so much numbers stand out beside the outermost columns
    left = math.ceil(MARGIN + max(min(label, 150.0), text_width(RMS, 9.0) + over) + 8)
    grid = _Grid(left, cell, high, 1.0 if cell >= 8 else 0.0, over)
    page = Sheet(left - MARGIN + columns * cell + over, " · ".join([title, *facts]), description)
    more = "  ·  ".join([*facts, "read right to left"])
    if verdict:
        page.head(title, more, "\n".join(verdict))
        page.y -= 4
    else:
        page.heading(title, more)
    for k, strip in enumerate(drawn):
        if strip.title:
            page.y += 8 if k and drawn[k - 1].back != strip.back else 0
            _heading(page, strip, [s.scale.words for s in drawn])
        _draw(page, strip, grid, columns)
        if k == len(drawn) - 1 or drawn[k + 1].back != strip.back:
            _axis(page, [s for s in drawn if s.back == strip.back], grid, columns)
    _legend(page, drawn)
    return page.finish(" · ".join([caption, *_notes(drawn)]))


def _heading(page: Sheet, strip: _Strip, scales: Sequence[str]) -> None:
    """Add the title of a strip and its words, and what it is relative to where the legend does not say it for all."""
    words = [*strip.words, strip.scale.words] if _relative(scales) is None else strip.words
    page.y += 16
    runs = [Run(short(strip.title, 80), bold=True)]
    page.lines([*runs, Run(f"  ·  {'  ·  '.join(words)}")] if words else runs, 12.0)
    page.y += 4


def _relative(scales: Sequence[str]) -> str | None:
    """Return what all strips are relative to, in words; None if they have nothing in common."""
    if len(set(scales)) == 1:
        return scales[0]
    return f"{AT_LOSS} where the loss is" if all(words.startswith(AT_LOSS) for words in scales) else None


def _notes(drawn: Sequence[_Strip]) -> list[str]:
    """Return what a reader should know of how cells came about."""
    notes = []
    sequences = {strip.steps.sequences for strip in drawn}
    if sequences != {1}:
        several = " to ".join(f"{n:,}" for n in sorted({min(sequences), max(sequences)}))
        notes.append(f"δ is the root mean square over {several} sequences, of those whose loss comes then or later")
    if drawn[0].bunch > 1:
        notes.append(f"{drawn[0].bunch} steps a column: their root mean square")
    if any(strip.by_quantile for strip in drawn):
        notes.append("a group of many units shows quantiles over them, at each step anew")
    carriers = " and ".join(f"{n:,}" for n in sorted({len(strip.steps.carriers) for strip in drawn}))
    notes.append(f"RMS δ: over the {carriers} units that carry it back in time")
    return notes


def _draw(page: Sheet, strip: _Strip, grid: _Grid, columns: int) -> None:
    """Add the cells of a strip, and the log10 of its RMS delta below them."""
    steps = strip.steps
    left = grid.left + (columns - strip.columns) * grid.cell
    page.y = math.ceil(2 * page.y) / 2
    if not steps.single and not (steps.losses == 1).all():
        _losses(page, strip, left, grid)
    ended = next((k for k in range(strip.columns) if strip.at(k)[0] > steps.last + 1), strip.columns)
    by_cell = strip.rows * strip.columns <= MOST_CELLS
    for k, block in enumerate(strip.blocks):
        if block.heading:
            page.y += 12 if k == 0 else 17
            runs = (Run(short(block.heading, 40), bold=True), Run(f"  ·  {block.more}", "muted"))
            page.put(Text(grid.left, page.y, runs, 9.5))
            page.y += 4.5
        elif k:
            page.y += 5
        page.y = math.ceil(2 * page.y) / 2
        top = page.y
        for row in block.rows:
            page.put(Text(grid.left - 6, page.y + grid.high / 2 + 2.7, (Run(row.label),), 9.0, "end"))
            page.put(*_cells(strip, row, left, page.y, grid, by_cell))
            page.y += grid.high
        if ended < strip.columns:
            look = MARKED[DETACHED]
            page.put(Box(left + ended * grid.cell + 1, top + 0.5, (strip.columns - ended) * grid.cell - 2,
                         page.y - top - 2, look.fill, look.line, pen=1.0, dash=look.dash, tip="after the last loss"))
    page.y += 12.5
    grid.heading(page, RMS)
    decades = strip.scale.decades(steps.rms)
    for step, _, x in _ticks(strip, left, grid):
        if step <= steps.last + 1:
            page.put(Text(x, page.y, (Run(steps.log(float(decades[step - 1]), brief=True)),), 9.0, "middle"))
    page.y += 3


def _cells(strip: _Strip, row: _Row, left: float, y: float, grid: _Grid, by_cell: bool) -> list[Box | Text]:
    """Return the cells of a row; neighbours of one look are one rectangle where there are many cells, or no number."""
    shapes: list[Box | Text] = []
    decades = strip.scale.decades(row.sizes)
    classes = classes_of(decades)
    looks = np.where(row.marks == ALIVE, classes, LIMIT + 1 + row.marks)
    new = np.diff(looks, prepend=-LIMIT - 1) != 0
    if by_cell:
        new |= row.marks == ALIVE
    for a, b in itertools.pairwise([*np.flatnonzero(new).tolist(), len(looks)]):
        mark = int(row.marks[a])
        if mark == BLANK:
            continue
        look = look_of(mark, int(classes[a]))
        x, wide, high = left + a * grid.cell, (b - a) * grid.cell - grid.gap, grid.high - 1
        said = _said(mark, row.sizes[a:b].tolist(), decades[a:b].tolist())
        tip = "\n".join([f"{row.label} · {strip.when(a, b)}", *said])
        if mark == ALIVE:
            shapes.append(Box(x, y, wide, high, look.fill, tip=tip))
        elif mark == NONFINITE:
            shapes += _broken(bool(np.isnan(row.sizes[a:b]).any()), x, y, wide, high, tip)
        else:
            shapes.append(Box(x + 0.75, y + 0.75, max(wide - 1.5, 1.0), high - 1.5, look.fill, look.line, pen=1.0,
                              dash=look.dash, tip=tip))
    return shapes


def _said(mark: int, sizes: Sequence[float], decades: Sequence[float]) -> list[str]:
    """Return what a pointer on a stretch of a row shows below its name."""
    if mark != ALIVE:
        return [{DEAD: "δ is exactly 0", NONFINITE: "δ is NaN or infinite", DETACHED: "no path to the loss"}[mark]]
    pairs = ((number(min(sizes)), number(max(sizes))), (Steps.log(min(decades)), Steps.log(max(decades))))
    (size, decade) = (low if low == high else f"{low} to {high}" for low, high in pairs)
    return [f"|δ| = {size}", f"log10 {decade}"]


def _broken(nan: bool, x: float, y: float, wide: float, high: float, tip: str) -> list[Box | Text]:
    """Return a stretch of a row that is not finite: black with the word, or with a dot where that has no room."""
    look = MARKED[NONFINITE]
    word = "NaN" if nan else "∞"
    shapes: list[Box | Text] = [Box(x, y, wide, high, look.fill, tip=tip)]
    if wide >= text_width(word, 8.5) + 3:
        shapes.append(Text(x + wide / 2, y + high / 2 + 3.1, (Run(word, look.ink),), 8.5, "middle"))
    else:
        dot = min(wide, high) * 0.4
        shapes.append(Box(x + (wide - dot) / 2, y + (high - dot) / 2, dot, dot, look.ink))
    return shapes


def _losses(page: Sheet, strip: _Strip, left: float, grid: _Grid) -> None:
    """Add a row that shows at which steps the loss is: highest where it sees most sequences."""
    losses = strip.steps.losses
    shares = [float(losses[a - 1 : b].max()) for a, b in map(strip.at, range(strip.columns))]
    page.put(Text(grid.left - 6, page.y + 9, (Run("loss"),), 9.0, "end"))
    for share, run in itertools.groupby(range(strip.columns), key=shares.__getitem__):
        columns = list(run)
        if share:
            tall = max(10 * share / max(shares), 1.0)
            page.put(Box(left + columns[0] * grid.cell, page.y + 10 - tall, len(columns) * grid.cell - grid.gap, tall,
                         "muted", tip=f"the loss sees {100 * share:.3g} % of the sequences here"))
    page.y += 14


def _ticks(strip: _Strip, left: float, grid: _Grid) -> list[tuple[int, str, float]]:
    """Return the steps that are numbered, their numbers and places: round ones, and both ends if there is room."""
    count, per = len(strip.steps), grid.cell / strip.bunch
    room = max(text_width(f"{count:,}", 9.0), text_width("−88.8", 9.0)) + APART
    every = next(k for p in itertools.count() for k in (10**p, 2 * 10**p, 4 * 10**p, 5 * 10**p) if k * per >= room)
    numbers = range(count) if strip.back else range(1, count + 1)
    inner = [k for k in numbers if k % every == 0 and min(k - numbers[0], numbers[-1] - k) * per >= room]
    both = [numbers[0], *inner, numbers[-1]] if (count - 1) * per >= room else [numbers[0 if strip.back else -1]]
    ticks = [(count - k if strip.back else k, f"{k:,}") for k in both]
    return sorted((step, label, left + (strip.columns - 1 - (count - step) // strip.bunch + 0.5) * grid.cell)
                  for step, label in ticks)


def _axis(page: Sheet, drawn: Sequence[_Strip], grid: _Grid, columns: int) -> None:
    """Add the time axis below some strips that share it."""
    longest = max(drawn, key=lambda strip: len(strip.steps))
    page.y += 15
    grid.heading(page, "steps to end" if longest.back else "time step t")
    left = grid.left + (columns - longest.columns) * grid.cell
    for _, label, x in _ticks(longest, left, grid):
        page.put(Text(x, page.y, (Run(label),), 9.0, "middle"))


def _legend(page: Sheet, drawn: Sequence[_Strip]) -> None:
    rows = [row for strip in drawn for block in strip.blocks for row in block.rows]
    marks = {int(mark) for row in rows for mark in np.unique(row.marks)}
    relative = _relative([strip.scale.words for strip in drawn]) or "relative to what its heading says"
    found = [(glyph, said) for mark, glyph, said in (
        (DEAD, "dead", "δ exactly 0: nothing arrives"), (NONFINITE, "nonfinite", "δ is NaN or infinite"),
        (DETACHED, "detached", "no path to the loss"), (BLANK, "detached", "after the last loss")) if mark in marks]
    page.legend(f"colour: |δ| of a unit at step t, {relative}", ("vanishing", "healthy", "exploding"), [found])
