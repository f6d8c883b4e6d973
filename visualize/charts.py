"""Charts of a training over its epochs: the loss, how |delta| flowed through the levels, how far weights moved.

All panels share one axis of epochs. The flow has the colours of every other picture: one class per decade, relative to
the output at the same look, so that a column is the strip of one diagram and a row the life of one level.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from visualize.graph import ALIVE, BLANK, DEAD, DETACHED, NONFINITE, Bools, short
from visualize.looks import TEXT, look_of
from visualize.picture import Picture, check_choice, format_of
from visualize.recording import Course, course_of
from visualize.scales import Floats, Ints, classes_of, number, number_at, power_of_ten, signed
from visualize.scene import Box, Curve, Group, Point, Run, Scene, Text, straight, text_width
from visualize.sheet import MARGIN, Sheet
from visualize.shown import USUAL_UPDATE

AXES = ("linear", "log")
#: Widths of the panels, of the room for the names at their left and for what is said of each line at their right.
PLOT, LEFT, RIGHT = 600.0, 84.0, 124.0
#: Heights of the panels.
LOSS_HEIGHT, UPDATE_HEIGHT, DEAD_HEIGHT = 130.0, 110.0, 56.0
#: Rows of the flow; more levels share rows. So many cells at most, none narrower than this.
MOST_ROWS, MOST_CELLS, NARROWEST = 40, 2400, 4.0
#: With more levels than this, single lines are a background to their median.
MOST_LINES = 6
#: Points of a line; of more, the least and the largest of each stretch are drawn.
MOST_POINTS = 400
#: Room for a line of small text.
SIZE, LINE = 9.0, 11.0


def curves(
    x: Any, *, axis: str = "linear", spread: bool = False, title: str = "training", format: str | None = None,
    path: str | os.PathLike[str] | None = None, theme: str = "light", engine: str | os.PathLike[str] | None = None,
    timeout: float = 10.0,
) -> Chart:  # fmt: skip
    """Draw the course of a training: loss, flow of the gradient level by level, update ratios, dead units.

    Args:
        x: a recording (see `visualize.record`), or the history that ``fit(..., diagnose=10)`` returned, which knows
            nothing of updates.
        axis: "linear", or "log" for an axis of epochs that shows the first ones at large.
        spread: whether each cell of the flow shows the largest, the median and the least unit of its level, one above
            the other, and not the median alone.
        title: the bold part of the title line.
        format: "svg", "png", "pdf" or "text": what is made at once; default that of `path`, else "svg".
        path: a file to save it in.
        theme: "light", "dark", or "auto" for an SVG that follows the reader's system.
        engine: what makes PNG and PDF, as for `visualize.draw`.
        timeout: seconds that this may take.

    Raises:
        TypeError: if x is neither recording nor history.
        ValueError: if there was no look, or an option is none of those above.
        EngineError: if no engine makes the format.

    >>> from autograd.net import Net
    >>> net = Net.layered([2, 8, 1], seed=1)
    >>> xor = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> history = net.fit(xor, [0, 1, 1, 0], epochs=200, rate=0.05, diagnose=50)
    >>> curves(history)
    <Chart of training: 200 epochs · 5 looks · 3 levels>
    """
    if format is None:
        format = format_of(path, Chart.FORMATS) if path is not None else "svg"
    chart = Chart(course_of(x), axis, spread, short(title), format, theme, engine, timeout)
    chart.render(format)
    if path is not None:
        chart.save(path, format)
    return chart


class Chart(Picture):
    """A drawn course of a training. Notebooks show the picture, `print` the table. Made by `curves`.

    Attributes:
        course: what is drawn.
        axis: "linear" or "log".
        spread: whether the flow shows the largest and the least units beside the median.
    """

    def __init__(
        self, course: Course, axis: str, spread: bool, title: str, format: str, theme: str,
        engine: str | os.PathLike[str] | None, timeout: float,
    ) -> None:  # fmt: skip
        check_choice("axis", axis, AXES)
        super().__init__(title, format, theme, engine, timeout)
        self.course = course
        self.axis = axis
        self.spread = spread

    @cached_property
    def verdict(self) -> str:
        """What the picture shows, in words; a sentence per line."""
        return "\n".join(_sentences(self.course))

    @property
    def caption(self) -> str:
        """How to read it, and what it leaves out."""
        course = self.course
        parts = ["|δ| of a unit is its root mean square over the samples looked at, the same at every look"]
        rows = math.ceil(len(course.levels) / _bunch(course))
        if rows < len(course.levels):
            parts.append(f"{len(course.levels)} levels share {rows} rows, the median of their medians in each")
        shown = len(_columns(course, self._epochs, rows))
        if shown < len(course.epochs):
            parts.append(f"the flow shows {shown} of {len(course.epochs)} looks")
        if len(course.loss) and _log_axis(course) and not _positive(course.loss).all():
            parts.append("losses of 0 are not on the logarithmic axis")
        return " · ".join(parts)

    @cached_property
    def scene(self) -> Scene:
        """The composed picture."""
        return _compose(self)

    @cached_property
    def text(self) -> str:
        """The same in words, with a line per look."""
        return f"{self.title} · {_counts(self.course)}\n\n{self.verdict}\n\n{_table(self.course)}"

    @cached_property
    def _epochs(self) -> Axis:
        return epochs_of(self.course, MARGIN + LEFT, MARGIN + LEFT + PLOT, self.axis == "log")

    def __repr__(self) -> str:
        return f"<Chart of {self.title}: {_counts(self.course)}>"


# Axes. ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: where a number is on the page.

    Args:
        low: the number at its start.
        high: the number at its end.
        start: where it starts on the page.
        end: where it ends.
        log: whether it is logarithmic, in 1 + x - origin.
        origin: what a logarithmic axis counts from.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    origin: float = 0.0

    def __call__(self, x: float) -> float:
        """Return the place of a number, kept within the axis."""
        low, high, at = (math.log1p(v - self.origin) if self.log else v for v in
                         (self.low, self.high, min(max(x, self.low), self.high)))
        return self.start + (self.end - self.start) * (at - low) / (high - low)

    def ticks(self, most: int) -> list[float]:
        """Return the round numbers to write at it, at most so many."""
        if not self.log:
            return ticks(self.low, self.high, most)
        powers = range(math.floor(math.log10(1 + self.high - self.origin)) + 1)
        for step, digits in ((1, (1, 2, 5)), *((step, (1,)) for step in range(1, len(powers) + 1))):
            found = [self.origin, *(self.origin + digit * 10**k for k in powers[::step] for digit in digits)]
            found = [x for x in found if x <= self.high]
            if len(found) <= most:
                break
        return found


def epochs_of(course: Course, start: float, end: float, log: bool = False) -> Axis:
    """Return the axis of the epochs of a course, from one place on the page to another."""
    last = max(int(course.epochs[-1]), int(course.loss_epochs.max(initial=0)))
    first = min(int(course.epochs[0]), int(course.loss_epochs.min(initial=last)))
    return Axis(first, max(last, first + 1), start, end, log, first)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return the multiples of 1, 2 or 5 times a power of ten between two numbers: the finest with at most so many.

    Args:
        low: the lower number.
        high: the higher number.
        most: the largest number of ticks, at least 2.

    >>> ticks(0, 2000), ticks(0.13, 0.31, 4)
    ([0, 500, 1000, 1500, 2000], [0.15, 0.2, 0.25, 0.3])
    """
    power = math.floor(math.log10((high - low) / most)) if high > low else 0
    for exponent in itertools.count(power):
        for digit in (1, 2, 5):
            step = digit * 10.0**exponent
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last - first < most:
                # Rounded to the digits that count, else 3 * 0.1 is 0.30000000000000004.
                found = [round(k * step, max(-exponent, 0)) for k in range(first, last + 1)]
                return [int(x) if exponent >= 0 else x for x in found]
    raise AssertionError


def decades(low: float, high: float, most: int = 6) -> list[float]:
    """Return ticks of a logarithmic axis, as log10: powers of ten, or 1, 2 and 5 times them, or others, to have enough.

    Args:
        low: log10 of the lower end.
        high: log10 of the higher end.
        most: the largest number of ticks.
    """
    for found in (
        [float(x) for x in ticks(low, high, most) if x == int(x)],
        [k + math.log10(digit) for k in range(math.floor(low), math.ceil(high) + 1) for digit in (1, 2, 5)],
    ):
        found = [x for x in found if low - 1e-9 <= x <= high + 1e-9]
        if 3 <= len(found) <= most:
            return found
    return [math.log10(x) for x in ticks(10.0**low, 10.0**high, most)]


# The picture. --------------------------------------------------------------------------------------------------------


def _compose(chart: Chart) -> Scene:
    course, epochs = chart.course, chart._epochs
    sheet = Sheet(LEFT + PLOT + RIGHT, f"{chart.title} · {_counts(course)}", f"{chart.verdict}\n{chart.caption}")
    sheet.head(chart.title, _counts(course), chart.verdict)
    if np.isfinite(course.loss).any():
        loss_panel(sheet, course, epochs)
        _best(sheet, course, epochs)
    _flow(sheet, course, epochs, chart.spread)
    if not np.isnan(course.update).all():
        _updates(sheet, course, epochs)
    if course.dead.any():
        _dead(sheet, course, epochs)
    epoch_axis(sheet, epochs)
    marks = [(mark, glyph, words) for mark, glyph, words in (
        (DEAD, "dead", "all of the level are dead: δ exactly 0"), (NONFINITE, "nonfinite", "δ is NaN or infinite"),
        (DETACHED, "detached", "no path to the loss")) if (course.marks == mark).any()]  # fmt: skip
    sheet.legend("colour: |δ| relative to the output δ, at the same look", ("vanishing", "healthy", "exploding"),
                 [[(glyph, words) for _, glyph, words in marks]])
    return sheet.finish(chart.caption)


def _heading(sheet: Sheet, words: str, more: str = "") -> None:
    sheet.y += 22
    sheet.put(Text(MARGIN, sheet.y, (Run(words, bold=True), *([Run(f"  {more}", "muted")] if more else [])), TEXT))
    sheet.y += 9


def _behind(sheet: Sheet, *shapes: Curve, name: str = "") -> None:
    sheet.scene.back.append(Group(name, list(shapes)))


def _rule(sheet: Sheet, a: Point, b: Point, role: str = "cell", pen: float = 1.0, dash: str = "solid") -> None:
    _behind(sheet, Curve(straight(a, b), role, pen, dash))


def _grid(sheet: Sheet, epochs: Axis, axis: Axis, at: Sequence[float], labels: Sequence[str]) -> None:
    """Add lines across a panel with what they stand for at the left."""
    for x, label in zip(at, labels, strict=True):
        y = axis(x)
        _rule(sheet, (epochs.start, y), (epochs.end, y))
        sheet.put(Text(epochs.start - 6, y + 3, (Run(label, "muted"),), SIZE, "end"))


def _line(
    sheet: Sheet, xs: Sequence[float], ys: Sequence[float], role: str, pen: float, dash: str = "solid", tip: str = ""
) -> None:
    """Add a line through points, with a gap where one is nan."""
    for there, run in itertools.groupby(zip(xs, ys, strict=True), key=lambda at: not math.isnan(at[1])):
        if not there:
            continue
        points = list(run)
        if len(points) == 1:
            points.append((points[0][0] + 1.5, points[0][1]))
        joined = [points[0], *(p for a, b in itertools.pairwise(points) for p in straight(a, b)[1:])]
        _behind(sheet, Curve(tuple(joined), role, pen, dash, tip=tip))


def _labels(sheet: Sheet, right: float, at: Sequence[tuple[float, str, str]], low: float, high: float) -> None:
    """Add what is said of lines at their right ends (y, words, role), parted from each other."""
    if not at:
        return
    placed = sorted(at, key=lambda label: label[0])
    want = np.array([y for y, _, _ in placed])
    steps = LINE * np.arange(len(placed))
    # Shifted by the room of those above, labels may be no closer than 0: the nearest such places are a running mean of
    # what was wanted (isotonic regression), which keeps them in order.
    y = _ascending(want - steps) + steps
    y += min(0.0, high - y[-1])
    y += max(0.0, low - y[0])
    for place, (own, words, role) in zip(y.tolist(), placed, strict=True):
        _rule(sheet, (right + 2, own), (right + 9, place), "faint", 0.6)
        sheet.put(Text(right + 12, place + 3, (Run(words, role),), SIZE))


def _ascending(x: Floats) -> Floats:
    """Return the ascending numbers that are nearest to x by least squares."""
    blocks: list[tuple[float, int]] = []
    for value in x.tolist():
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, m), (b, n) = blocks.pop(-2), blocks.pop()
            blocks.append(((a * m + b * n) / (m + n), m + n))
    return np.repeat([mean for mean, _ in blocks], [count for _, count in blocks])


def epoch_axis(sheet: Sheet, epochs: Axis) -> None:
    """Add the axis that all panels share."""
    sheet.y += 8
    last = -math.inf
    for tick in epochs.ticks(9):
        x, words = epochs(tick), f"{int(tick):,}"
        if tick != int(tick):
            continue
        _rule(sheet, (x, sheet.y - 5), (x, sheet.y), "line", 0.8)
        if x - text_width(words, SIZE) / 2 > last:
            sheet.put(Text(x, sheet.y + 11, (Run(words),), SIZE, "middle"))
            last = x + text_width(words, SIZE) / 2 + 6
    _rule(sheet, (epochs.start, sheet.y - 5), (epochs.end, sheet.y - 5), "line", 0.8)
    sheet.put(Text(epochs.start - 6, sheet.y + 11, (Run("epoch", "muted"),), SIZE, "end"))
    sheet.y += 14


# Loss. ---------------------------------------------------------------------------------------------------------------


def loss_panel(
    sheet: Sheet, course: Course, epochs: Axis, height: float = LOSS_HEIGHT, also: Floats | None = None
) -> Callable[[float], float]:
    """Add the panel of the losses; return where on the page a loss is.

    Args:
        sheet: the sheet.
        course: the losses.
        epochs: the axis of epochs.
        height: of the panel.
        also: more losses that the panel has room for.
    """
    log = _log_axis(course)
    _heading(sheet, "loss", "log axis" if log else "")
    lines = [("training", course.loss, "ink", "solid"), ("validation", course.validation, "warm", "dashed")]
    drawn = [(name, np.where(_positive(y), np.log10(np.maximum(y, 5e-324)), math.nan) if log else y, y, role, dash)
             for name, y, role, dash in lines if np.isfinite(y).any()]  # fmt: skip
    more = np.empty(0) if also is None else np.log10(also[_positive(also)]) if log else also
    every = np.concatenate([more, *(shown for _, shown, *_ in drawn)])
    every = every[np.isfinite(every)]
    low, high = float(every.min()), float(every.max())
    if high - low < 1e-9 * max(1.0, abs(high)) + 1e-12:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    axis = Axis(low - 0.04 * (high - low), high + 0.04 * (high - low), sheet.y + height, sheet.y)
    at = decades(axis.low, axis.high) if log else ticks(axis.low, axis.high, 5)
    words = [_power(x) if log else number(x) for x in at]
    _grid(sheet, epochs, axis, at, words)
    labels = []
    for name, shown, true, role, dash in drawn:
        kept = thinned(shown, MOST_POINTS)
        xs = [epochs(e) for e in course.loss_epochs[kept].tolist()]
        _line(sheet, xs, [axis(y) if math.isfinite(y) else math.nan for y in shown[kept].tolist()], role, 1.5, dash)
        ends = np.flatnonzero(np.isfinite(shown))
        labels.append((axis(float(shown[ends[-1]])), f"{name} {number(float(true[ends[-1]]))}", role))
    _labels(sheet, epochs.end, labels, sheet.y, sheet.y + height)
    sheet.y += height
    return lambda loss: axis((math.log10(loss) if loss > 0 else -math.inf) if log else loss)


def _best(sheet: Sheet, course: Course, epochs: Axis) -> None:
    """Mark the epoch whose weights the net was left with, in the panel just drawn."""
    if not epochs.low <= course.best < epochs.high:
        return
    x, words, top = epochs(course.best), f"best: epoch {course.best:,}", sheet.y - LOSS_HEIGHT
    _rule(sheet, (x, top), (x, sheet.y), "muted", 0.8, "dashed")
    half = text_width(words, SIZE) / 2
    middle = min(max(x, epochs.start + half), epochs.end - half)
    sheet.put(Text(middle, top - 4, (Run(words, "muted"),), SIZE, "middle"))


def _log_axis(course: Course) -> bool:
    """Whether losses are shown on a logarithmic axis: none is negative, and one is above 0."""
    shown = np.concatenate([course.loss, course.validation])
    shown = shown[np.isfinite(shown)]
    return bool((shown >= 0).all() and (shown > 0).any())


def _positive(x: Floats) -> Bools:
    return np.isfinite(x) & (x > 0)


def _power(x: float) -> str:
    """Return what a tick of a logarithmic axis is called, given its log10."""
    return power_of_ten(round(x)) if abs(x - round(x)) < 1e-9 and not -2 <= x <= 3 else number_at(x)


def thinned(y: Floats, most: int) -> Ints:
    """Return which points of a line to draw so that no peak is lost: the least and the largest of each stretch.

    Args:
        y: the line; nan is a gap, and one point of it is kept.
        most: points to draw.
    """
    if len(y) <= most:
        return np.arange(len(y))
    kept = {0, len(y) - 1}
    for part in np.array_split(np.arange(len(y)), most // 3):
        finite = part[np.isfinite(y[part])]
        if len(finite) < len(part):
            kept.add(int(part[~np.isfinite(y[part])][0]))
        if len(finite):
            kept |= {int(finite[y[finite].argmin()]), int(finite[y[finite].argmax()])}
    return np.array(sorted(kept), np.intp)


# Flow over time. -----------------------------------------------------------------------------------------------------


def _bunch(course: Course) -> int:
    """Return how many levels share a row."""
    return max(1, math.ceil(len(course.levels) / MOST_ROWS))


def _columns(course: Course, epochs: Axis, rows: int) -> list[int]:
    """Return the looks whose cells are wide enough to be seen, the first and the last always."""
    least = max(NARROWEST, PLOT * rows / MOST_CELLS)
    kept: list[int] = []
    for k, epoch in enumerate(course.epochs.tolist()):
        if not kept or epochs(epoch) - epochs(int(course.epochs[kept[-1]])) >= least:
            kept.append(k)
    last = len(course.epochs) - 1
    if kept[-1] != last:
        kept = [*kept[:-1], last] if len(kept) > 1 else [*kept, last]
    return kept


def _flow(sheet: Sheet, course: Course, epochs: Axis, spread: bool) -> None:
    """Add the cells of the flow: a row per level, the output on top, and a column per look."""
    many = " (largest, median and least unit of the level)" if spread else " (median unit of the level)"
    _heading(sheet, "gradient flow: |δ| by level", f"relative to the output δ{many}; it flows down")
    bunch = _bunch(course)
    rows = [range(k, min(k + bunch, len(course.levels))) for k in range(0, len(course.levels), bunch)][::-1]
    high = float(np.clip((240.0 if spread else 150.0) / len(rows), 7.0, 36.0 if spread else 20.0))
    kept = _columns(course, epochs, len(rows))
    middle = [epochs(int(course.epochs[k])) for k in kept]
    cuts = [epochs.start, *((a + b) / 2 for a, b in itertools.pairwise(middle)), epochs.end]
    # Cells that stand apart where all of them have room to; else they overlap, or the paper would shine through.
    widths = np.diff(cuts)
    gap = 1.0 if np.median(widths) >= 6.0 and widths.min() >= 2.5 else -0.4
    top, every = sheet.y, math.ceil(LINE / high)
    right = epochs.end
    sheet.put(Text(right + 12, top - 5, (Run("log10, first → last", "muted"),), SIZE))
    for place, levels in enumerate(rows):
        y = top + place * high
        name = course.levels[levels[0]] if len(levels) == 1 else f"levels {levels[0]}–{levels[-1]}"
        if place % every == 0 or (place == len(rows) - 1 and high >= LINE):
            sheet.put(Text(epochs.start - 6, y + high / 2 + 3, (Run(name),), SIZE, "end"))
            sheet.put(Text(right + 12, y + high / 2 + 3, (Run(_first_to_last(course, levels)),), SIZE))
        for k, a, b in zip(kept, cuts[:-1], cuts[1:], strict=True):
            wide = b - a - (gap if b < epochs.end else max(gap, 0.0))
            sheet.put(*_cell(course, k, levels, (a, y, wide, high - 1), spread), tip=_cell_tip(course, k, levels, name))
    sheet.y = top + high * len(rows)


def _decades_of(course: Course, k: int, levels: range, quantile: int = 2) -> float:
    """Return log10 of a quantile of some levels at a look, relative to the output; nan where there is none."""
    with np.errstate(all="ignore"):
        found = np.log10(course.quantiles[k, levels, quantile]) - math.log10(course.reference[k])
    return _median(found)


def _mark_of(course: Course, k: int, levels: range) -> int:
    """Return the mark of some levels at a look: the worst."""
    marks = set(course.marks[k, levels].tolist())
    if NONFINITE in marks:
        return NONFINITE
    if math.isnan(_decades_of(course, k, levels)):
        return DEAD if DEAD in marks else DETACHED if DETACHED in marks else BLANK
    return ALIVE


def _cell(
    course: Course, k: int, levels: range, place: tuple[float, float, float, float], spread: bool
) -> list[Box | Curve | Text]:
    x, y, wide, high = place
    mark = _mark_of(course, k, levels)
    if mark != ALIVE or not spread:
        look = look_of(mark, _class(_decades_of(course, k, levels)))
        outline = look.line if mark in (DEAD, DETACHED) else ""
        return [Box(x, y, wide, high, look.fill, outline, pen=min(look.pen, 0.8), dash=look.dash)]
    fills = [look_of(ALIVE, _class(_decades_of(course, k, levels, quantile))).fill for quantile in (4, 2, 0)]
    return [Box(x, y + n * high / 3, wide, high - n * high / 3, fill) for n, fill in enumerate(fills)]


def _class(decade: float) -> int:
    return int(classes_of(np.array([decade]))[0])


def _cell_tip(course: Course, k: int, levels: range, name: str) -> str:
    """Return what a pointer on a cell shows."""
    head = f"{name} · epoch {course.epochs[k]:,}"
    mark, decade = _mark_of(course, k, levels), _decades_of(course, k, levels)
    if mark != ALIVE:
        words = {NONFINITE: "not finite", DEAD: "dead", DETACHED: "no path to the loss", BLANK: "the output has no δ"}
        return f"{head}\n{words[mark]}"
    dead = int(course.dead[k, levels].sum())
    counted = f"\n{dead} of {int(course.units[levels].sum())} dead" if dead else ""
    return f"{head}\nlog10 {signed(decade, 1, plus=True)}{counted}"


def _first_to_last(course: Course, levels: range) -> str:
    """Return the medians of a row at the first and the last look."""
    ends = []
    for k in sorted({0, len(course.epochs) - 1}):
        mark, decade = _mark_of(course, k, levels), _decades_of(course, k, levels)
        ends.append(signed(decade, 1, plus=True) if mark == ALIVE else _WORDS[mark])
    return " → ".join(ends)


_WORDS = {NONFINITE: "NaN/∞", DEAD: "dead", DETACHED: "no path", BLANK: "–"}


# Updates and dead units. ---------------------------------------------------------------------------------------------


def _updates(sheet: Sheet, course: Course, epochs: Axis) -> None:
    """Add the panel of the update ratios, with the mark of what is usual."""
    usual = math.log10(USUAL_UPDATE)
    levels = [j for j in range(len(course.levels)) if not np.isnan(course.update[:, j]).all()]
    few = len(levels) <= MOST_LINES
    lines = "" if len(levels) == 1 else "; bolder = nearer to the output" if few else "; bold = their median"
    _heading(sheet, "update ratio: |Δw| / |w| by level", f"of the last step before a look, log axis; about "
             f"{power_of_ten(round(usual))} is usual (dashed){lines}")
    finite = course.update[np.isfinite(course.update)]
    low = min(usual - 1.5, math.floor(finite.min(initial=usual)))
    high = max(usual + 1.5, math.ceil(finite.max(initial=usual)))
    low = max(low, high - 16)  # smaller steps are lost in the last digit of a weight
    axis = Axis(low, high, sheet.y + UPDATE_HEIGHT, sheet.y)
    step = math.ceil((high - low) / 6)
    at = [usual + k * step for k in range(-16, 17) if low <= usual + k * step <= high]
    _grid(sheet, epochs, axis, at, [power_of_ten(round(x)) for x in at])
    _rule(sheet, (epochs.start, axis(usual)), (epochs.end, axis(usual)), "muted", 1.0, "dashed")
    xs, ends = [epochs(e) for e in course.epochs.tolist()], {}

    def draw(name: str, update: Floats, role: str, pen: float) -> None:
        """Draw a line; a step of exactly 0 is at the floor."""
        _line(sheet, xs, [math.nan if math.isnan(y) else axis(y) for y in update.tolist()], role, pen, tip=name)
        ends[name] = float(update[np.flatnonzero(~np.isnan(update))[-1]])

    for place, j in enumerate(levels):
        tone = _TONES[(place + 1) * len(_TONES) // len(levels) - 1] if few else "faint"
        draw(course.levels[j], course.update[:, j], tone, 0.8 + (place + 1) / len(levels) if few else 0.6)
    named = list(ends)[::-1]
    if not few:
        named = list(dict.fromkeys(["median", *(pick(ends, key=lambda name: ends[name]) for pick in (max, min))]))
        draw("median", np.array([_median(row) for row in course.update]), "ink", 1.8)
    labels = [(axis(ends[name]), f"{name} {number(10.0 ** ends[name])}", "ink") for name in named]
    _labels(sheet, epochs.end, labels, sheet.y, sheet.y + UPDATE_HEIGHT)
    sheet.y += UPDATE_HEIGHT


#: From the line farthest from the output to that of the output.
_TONES = ("faint", "muted", "ink")


def _median(x: Floats) -> float:
    """Return the median of what is not nan; nan of nothing."""
    known = x[~np.isnan(x)]
    return float(np.median(known)) if len(known) else math.nan


def _dead(sheet: Sheet, course: Course, epochs: Axis) -> None:
    """Add the panel of the dead units."""
    dead, total = course.dead.sum(axis=1), int(course.units.sum())
    _heading(sheet, "dead units", f"δ exactly 0 for every sample looked at, of {total:,}")
    axis = Axis(0.0, float(dead.max()), sheet.y + DEAD_HEIGHT, sheet.y)
    at = [x for x in ticks(0, float(dead.max()), 4) if x == int(x)]
    _grid(sheet, epochs, axis, at, [f"{int(x):,}" for x in at])
    xs, ys = [epochs(e) for e in course.epochs.tolist()], [axis(float(n)) for n in dead.tolist()]
    stairs = [(xs[0], ys[0])]
    for x, y in zip(xs[1:], ys[1:], strict=True):
        stairs += [(x, stairs[-1][1]), (x, y)]
    _line(sheet, [x for x, _ in stairs], [y for _, y in stairs], "ink", 1.5)
    _labels(sheet, epochs.end, [(ys[-1], f"{int(dead[-1]):,} of {total:,}", "ink")], sheet.y, sheet.y + DEAD_HEIGHT)
    sheet.y += DEAD_HEIGHT


# In words. -----------------------------------------------------------------------------------------------------------


def _counts(course: Course) -> str:
    """Return the size in words."""
    epochs, looks, levels = int(course.epochs[-1] - course.epochs[0]), len(course.epochs), len(course.levels)
    return " · ".join(f"{count:,} {noun}{'s' * (count != 1)}" for count, noun in
                      ((epochs, "epoch"), (looks, "look"), (levels, "level")))


def _sentences(course: Course) -> list[str]:
    """Return what is to be seen."""
    said = []
    finite = np.flatnonzero(np.isfinite(course.loss))
    if len(finite):
        first, last = float(course.loss[finite[0]]), float(course.loss[finite[-1]])
        many = f"{len(course.loss):,} epoch{'s' * (len(course.loss) != 1)}"
        said.append(f"the training loss went from {number(first)} to {number(last)} in {many}")
        held = np.flatnonzero(np.isfinite(course.validation))
        if len(held):
            best = int(held[course.validation[held].argmin()])
            least, end = float(course.validation[best]), float(course.validation[held[-1]])
            said.append(f"the validation loss was least after epoch {course.loss_epochs[best]:,}, {number(least)}, and "
                        f"ends at {number(end)}")
    said.append(_flow_in_words(course))
    ratio = _median(course.update[-1])
    if not math.isnan(ratio):
        usual = ratio - math.log10(USUAL_UPDATE)
        than = "about what is usual" if abs(usual) <= 1 else f"{'more' if usual > 0 else 'less'} than the usual 10⁻³"
        said.append(f"the last step moved the weights of a level by {number_at(ratio)} of their size (median), "
                    f"{than}")
    dead = course.dead.sum(axis=1)
    if dead.any():
        said.append(f"{int(dead[-1]):,} of {int(course.units.sum()):,} units are dead at the last look, "
                    f"{int(dead[0]):,} at the first")
    return said


def _flow_in_words(course: Course) -> str:
    """Return a sentence on the level that is farthest from the output at the first and at the last look."""
    parts = []
    for k in sorted({0, len(course.epochs) - 1}):
        when = f"at epoch {course.epochs[k]:,}"
        if (course.marks[k] == NONFINITE).any():
            parts.append(f"{when} δ is not finite")
            continue
        found = course.decades[k]
        usable = np.flatnonzero(np.isfinite(found))
        if not len(usable):
            parts.append(f"{when} no level has a δ other than 0")
            continue
        j = int(usable[np.abs(found[usable]).argmax()])
        decade = float(found[j])
        if abs(decade) < 0.5:
            parts.append(f"{when} the medians of all levels are within half a decade of the output δ")
        else:
            verb = "vanishes" if decade <= -2 else "explodes" if decade >= 2 else "shrinks" if decade < 0 else "grows"
            parts.append(f"{when} δ {verb} to {number_at(decade)} of the output δ in {_named(course, j)}")
    return "; ".join(parts)


def _named(course: Course, j: int) -> str:
    return course.levels[j] if course.levels[j].startswith("level") else f"the {course.levels[j]} level"


def _table(course: Course) -> str:
    """Return a line per look, the middle ones left out of many."""
    losses = dict(zip(course.loss_epochs.tolist(), course.loss.tolist(), strict=True))
    shown = list(range(len(course.levels)))[::-1]
    shown = shown if len(shown) <= 8 else [*shown[:4], *shown[-4:]]
    lines = [["epoch", "loss", *(course.levels[j] for j in shown), "update", "dead"]]
    looks = list(range(len(course.epochs)))
    looks = looks if len(looks) <= 20 else sorted({round(k * (len(looks) - 1) / 19) for k in range(20)})
    for k in looks:
        moved = _median(course.update[k])
        lines.append([
            f"{course.epochs[k]:,}", number(losses[int(course.epochs[k])]) if int(course.epochs[k]) in losses else "",
            *(_first_to_last_word(course, k, j) for j in shown),
            "" if math.isnan(moved) else number_at(moved), str(int(course.dead[k].sum()) or "."),
        ])  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    body = ["  ".join(word.rjust(w) for word, w in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(["log10 of the median |δ| of each level relative to the output, by look", *body])


def _first_to_last_word(course: Course, k: int, j: int) -> str:
    mark = _mark_of(course, k, range(j, j + 1))
    return signed(float(course.decades[k, j]), 1, plus=True) if mark == ALIVE else _WORDS[mark]
