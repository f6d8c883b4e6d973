"""Where the gradient vanishes, explodes, dies or cancels: a table per level, and a verdict in words.

Which way a gradient came is answered by path attribution: a node's gradient is the sum of the messages w*delta that
its outgoing edges bring back, so its mass is traced to the nodes that it feeds in proportion to their sizes, and from
there on to the loss. That is one pass over the edges. The shares are of absolute flow: messages of opposite sign that
cancel count as flow, and are reported apart.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from visualize.given import as_graph
from visualize.graph import ALIVE, DEAD, DETACHED, INPUT, NONFINITE, Graph, short
from visualize.scales import Floats, Ints, Scale, number, number_at, signed
from visualize.shown import Channel, of_nodes
from visualize.steps import over_time_words

#: Two levels belong to one stretch while no median strays further from the straight line, in decades.
STRAY = 0.5
#: A stretch is worth a sentence when it loses or gains this many decades altogether.
WORTH = 1.0
#: A single path is worth a sentence when it carries this share of the gradient that reaches the inputs.
NOTABLE_PATH = 0.1
#: Sentences of one kind, and names in one sentence, before the rest is only counted.
MOST = 3


# Levels. -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a graph.

    Attributes:
        level: its number; values flow to higher ones, gradients to lower ones.
        name: its heading, "input", "level 3", "output".
        count: how many nodes it has.
        median: median of log10(|gradient| / reference) over the nodes with a finite gradient other than 0; nan if none.
        low: the minimum of the same.
        high: the maximum.
        dead: nodes whose gradient is exactly 0.
        nonfinite: nodes whose gradient is NaN or infinite.
        detached: nodes that have no path to the loss.
    """

    level: int
    name: str
    count: int
    median: float
    low: float
    high: float
    dead: int
    nonfinite: int
    detached: int


@dataclass(frozen=True)
class Levels(Sequence[Level]):
    """The table per level, the input first; `print` shows it aligned.

    Args:
        rows: the levels.
        scale: the scale of the logarithms.
    """

    rows: tuple[Level, ...]
    scale: Scale

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, i: int) -> Level: ...
    @overload
    def __getitem__(self, i: slice) -> tuple[Level, ...]: ...
    def __getitem__(self, i: int | slice) -> Level | tuple[Level, ...]:
        return self.rows[i]

    def __iter__(self) -> Iterator[Level]:
        return iter(self.rows)

    def __str__(self) -> str:
        heads = ("level", "nodes", "median", "min", "max", "dead", "NaN/inf", "no path")
        lines = [heads]
        for row in self.rows:
            logs = ("–" if math.isnan(x) else signed(x, 2, plus=True) for x in (row.median, row.low, row.high))
            counts = (str(c) if c else "·" for c in (row.dead, row.nonfinite, row.detached))
            lines.append((row.name, str(row.count), *logs, *counts))  # type: ignore[arg-type]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ("  ".join(c.rjust(w) if k else c.ljust(w) for k, (c, w) in enumerate(zip(line, widths, strict=True)))
                 for line in lines)
        return "\n".join([f"log10 of |gradient| {self.scale.words}", *(line.rstrip() for line in table)])


def levels(x: Any, *, ref: float | str = "output") -> Levels:
    """Return the size of the gradient per level.

    Args:
        x: a Value, a Net or a Graph, after its sweep.
        ref: what counts as 10^0: "output" (the median of the outputs), "loss", "absolute" or a number.

    Returns:
        A sequence of `Level` rows, the input first, that prints as a table.

    Raises:
        TypeError: if x is not a graph.
        ValueError: if `ref` is not a reference.
    """
    graph = as_graph(x)
    return table_of(graph, of_nodes(graph, "delta", ref))


def table_of(graph: Graph, nodes: Channel) -> Levels:
    """Return the table per level of anything that a picture shows of the nodes.

    Args:
        graph: the graph.
        nodes: what is shown.
    """
    decades = np.where(graph.units & (nodes.marks == ALIVE), nodes.decades, math.inf)
    height = graph.last_level + 1
    counts = np.bincount(graph.levels[graph.units], minlength=height)
    marked = [np.bincount(graph.levels[graph.units & (nodes.marks == m)], minlength=height)
              for m in (ALIVE, DEAD, NONFINITE, DETACHED)]
    # Sorted by level and then by size, the nodes without a number last: a level's median is in the middle of its part.
    members = np.flatnonzero(graph.units)
    members = members[np.lexsort((decades[members], graph.levels[members]))]
    ranked = np.append(decades[members], math.nan)
    first = np.cumsum(counts) - counts
    alive = marked[0]
    none = alive == 0
    last = len(members)  # where ranked is nan
    low = ranked[np.where(none, last, first)]
    high = ranked[np.where(none, last, first + alive - 1)]
    below, above = (np.where(none, last, first + k // 2) for k in (alive - 1, alive))
    median = (ranked[below] + ranked[above]) / 2
    rows = [
        Level(level, graph.level_name(level), *numbers)
        for level, numbers in enumerate(zip(*(column.tolist() for column in (counts, median, low, high, *marked[1:])),
                                            strict=True))
        if numbers[0]
    ]
    return Levels(tuple(rows), nodes.scale)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive levels over which the gradient changes by about the same factor per level.

    Attributes:
        start: the level nearer to the loss.
        end: the level nearer to the inputs.
        per_level: decades lost (negative) or gained per level on the way back.
    """

    start: int
    end: int
    per_level: float

    @property
    def total(self) -> float:
        """Decades lost (negative) or gained altogether."""
        return self.per_level * (self.start - self.end)


def stretches(levels: Sequence[int], medians: Sequence[float], stray: float = STRAY) -> list[Stretch]:
    """Return the polyline of medians over levels in few straight pieces, from the loss back.

    It is the simplification of Ramer, Douglas and Peucker: a piece is split at the level that strays furthest from the
    line between its ends, until none strays further than `stray` decades.

    Args:
        levels: increasing numbers.
        medians: the median log10 of each.
        stray: in decades.
    """
    x, y = np.array(levels, float), np.array(medians, float)
    if len(x) < 2:
        return []
    kept = {0, len(x) - 1}
    todo = [(0, len(x) - 1)]
    while todo:
        a, b = todo.pop()
        if b - a < 2:
            continue
        line = y[a] + (y[b] - y[a]) * (x[a : b + 1] - x[a]) / (x[b] - x[a])
        off = np.abs(y[a : b + 1] - line)
        worst = a + int(np.argmax(off))
        if off[worst - a] > stray:
            kept.add(worst)
            todo += [(a, worst), (worst, b)]
    ends = sorted(kept)
    pieces = [Stretch(levels[b], levels[a], float((y[a] - y[b]) / (x[b] - x[a]))) for a, b in itertools.pairwise(ends)]
    return pieces[::-1]


# Attribution. --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Flow:
    """Which way a gradient came, by path attribution.

    Attributes:
        nodes: the share that came through each node.
        edges: the share that came along each edge.
    """

    nodes: Floats
    edges: Floats


def attribution(x: Any, nodes: Sequence[int] | None = None) -> Flow:
    """Trace the gradient of some nodes to the loss: which share came through each node and along each edge.

    Args:
        x: a Value, a Net or a Graph, after its sweep.
        nodes: positions in the graph; default the inputs. Each counts by the size of its gradient.

    Raises:
        TypeError: if x is not a graph.
        ValueError: if links lead back in time.
    """
    graph = _forward(as_graph(x))
    traced = np.flatnonzero(graph.kinds == INPUT) if nodes is None else np.array(nodes, np.intp)
    mass = np.zeros(len(graph))
    mass[traced] = _parts(graph.gradients[traced], np.zeros(len(traced), np.intp), 1)
    share = _parts(graph.messages, graph.source, len(graph))
    edges = np.zeros(graph.edges)
    for group in graph.edges_by_source_level:
        edges[group] = mass[graph.source[group]] * share[group]
        np.add.at(mass, graph.target[group], edges[group])
    return Flow(mass, edges)


def _forward(graph: Graph) -> Graph:
    """Refuse a net over time: its numbers are means over steps, from which no way can be traced."""
    if graph.over_time is not None:
        raise ValueError("the way of a gradient through a net with delays goes from step to step, and the numbers here "
                         "are means over the steps; draw it with view='time', or trace a net without delays")
    return graph


@dataclass(frozen=True, slots=True)
class Path:
    """A way of the gradient from the loss back to an input.

    Attributes:
        nodes: positions of the nodes, the input first.
        edges: positions of the edges between them.
        share: the share that came along it of the gradient of all inputs, 0 to 1.
    """

    nodes: tuple[int, ...]
    edges: tuple[int, ...]
    share: float


def strongest_paths(x: Any, most: int = 3) -> list[Path]:
    """Return the strongest path to each of the inputs that have one, the strongest first.

    The share of a path is the product of the shares of its edges in what arrives at their sources, as in `attribution`,
    times that of its input in the gradient of all inputs.

    Args:
        x: a Value, a Net or a Graph, after its sweep.
        most: how many paths.

    Raises:
        TypeError: if x is not a graph.
        ValueError: if links lead back in time.
    """
    graph = _forward(as_graph(x))
    share = _parts(graph.messages, graph.source, len(graph))
    best = np.zeros(len(graph))
    best[graph.roots] = 1.0
    leads = np.full(len(graph), -1)  # the edge that the strongest path of each node begins with
    for group in reversed(graph.edges_by_source_level):
        carried = share[group] * best[graph.target[group]]
        # The largest last, of equal ones the first edge; the way of an output may end there.
        order = np.lexsort((-group, carried))
        group = group[order][carried[order] > best[graph.source[group[order]]]]
        carried = share[group] * best[graph.target[group]]
        leads[graph.source[group]], best[graph.source[group]] = group, carried
    inputs = np.flatnonzero(graph.kinds == INPUT)
    shares = _parts(graph.gradients[inputs], np.zeros(len(inputs), np.intp), 1) * best[inputs]
    paths = []
    for k in np.argsort(-shares, kind="stable")[:most].tolist():
        nodes, edges = [int(inputs[k])], []
        while leads[nodes[-1]] >= 0:
            edges.append(int(leads[nodes[-1]]))
            nodes.append(int(graph.target[edges[-1]]))
        if shares[k] > 0:
            paths.append(Path(tuple(nodes), tuple(edges), float(shares[k])))
    return paths


def _parts(x: Floats, owner: Ints, owners: int) -> Floats:
    """Return the part that each |x| has in the sum of its owner's; what is not finite has none."""
    size = _scaled(np.where(np.isfinite(x), np.abs(x), 0.0), owner, owners)
    total = np.bincount(owner, size, owners)
    return np.asarray(size / np.where(total > 0, total, 1.0)[owner])


def _scaled(x: Floats, owner: Ints, owners: int) -> Floats:
    """Return x over its owner's largest, so that sums neither overflow nor vanish."""
    largest = np.zeros(owners)
    np.maximum.at(largest, owner, np.abs(x))
    return np.asarray(x / np.where(largest > 0, largest, 1.0)[owner])


def cancellation(x: Any) -> Floats:
    """Return per node the part of the arriving absolute flow that cancels, 0 to 1.

    Args:
        x: a Value, a Net with one sample (the signs of several differ) or a Graph, after its sweep.

    Raises:
        TypeError: if x is not a graph.
        ValueError: if it stands for several samples.
    """
    graph = as_graph(x)
    if graph.samples != 1:
        raise ValueError(f"messages of {graph.samples} samples have no common sign; "
                         "sweep one sample to see them cancel")
    finite = _scaled(np.where(np.isfinite(graph.messages), graph.messages, 0.0), graph.source, len(graph))
    net = np.abs(np.bincount(graph.source, finite, len(graph)))
    gross = np.bincount(graph.source, np.abs(finite), len(graph))
    return np.where(gross > 0, 1.0 - net / np.where(gross > 0, gross, 1.0), 0.0)


@dataclass(frozen=True, slots=True)
class Skip:
    """The edges that reach a level from beyond the next one.

    Attributes:
        level: the level that they reach.
        count: how many edges.
        share: the share that they carry of the absolute flow that reaches the level, 0 to 1.
        edges: their positions.
    """

    level: int
    count: int
    share: float
    edges: Ints


def skips(graph: Graph) -> list[Skip]:
    """Return the skip edges per level that they reach, the largest share first.

    Args:
        graph: the graph.
    """
    level = graph.levels[graph.source]
    height = int(graph.levels.max(initial=0)) + 1
    part = _parts(graph.messages, level, height)
    edges = np.flatnonzero(graph.levels[graph.target] - level > 1)
    edges = edges[np.argsort(level[edges], kind="stable")]
    shares = np.bincount(level[edges], part[edges], height)
    counts = np.bincount(level[edges], minlength=height)
    ends = np.cumsum(counts)
    found = [Skip(k, int(counts[k]), float(shares[k]), edges[ends[k] - counts[k] : ends[k]])
             for k in np.flatnonzero(counts).tolist()]
    return sorted(found, key=lambda skip: (-skip.share, skip.level))


# Words. --------------------------------------------------------------------------------------------------------------


def verdict(x: Any, *, ref: float | str = "output") -> str:
    """Say in words where the gradient vanishes, explodes, dies, cancels or takes a short cut.

    Args:
        x: a Value, a Net or a Graph, after its sweep.
        ref: as in `levels`.

    Returns:
        One sentence per line, the most important first.

    Raises:
        TypeError: if x is not a graph.
        ValueError: if `ref` is not a reference.
    """
    graph = as_graph(x)
    return judgement(graph, levels(graph, ref=ref))


def judgement(graph: Graph, table: Levels) -> str:
    """Return the verdict, given the table of the gradient per level.

    Args:
        graph: the graph.
        table: what `levels` returns of it.
    """
    if not graph.swept:
        return f"{short(graph.call)} has not run: there is no gradient to judge"
    if graph.over_time is None:
        lines = [*_trends(graph, table), *_nonfinite(graph), *_dead(graph), *_short_cuts(graph), *_path(graph),
                 *_cancelled(graph)]  # fmt: skip
    else:  # What happens between levels is next to nothing beside what happens between steps.
        lines = [*over_time_words(graph), *_nonfinite(graph), *_dead(graph)]
    lines += _left_out(graph)
    return "\n".join(lines) or "there is one level with a gradient only, so nothing to compare"


def changes(graph: Graph, nodes: Channel, fill: str = "delta") -> str:
    """Say in words how the sizes differ from those of another sweep; a sentence.

    Args:
        graph: the graph.
        nodes: the difference, as `visualize.shown.difference` has it.
        fill: of what, one of `visualize.shown.FILLS`.
    """
    what = {"value": "value", "update": "update ratio"}.get(fill, "gradient")
    died = graph.units & (nodes.marks == DEAD) & (nodes.values == 0)
    alive = graph.units & (nodes.marks == ALIVE)
    back = alive & np.isinf(nodes.values)
    if not (alive | died).any():
        return f"no {what} to compare with the other sweep"
    words = []
    compared = nodes.decades[alive & ~back]
    if len(compared):
        median = float(np.median(compared))
        usual = "as large as before" if abs(median) < 0.005 else f"×{number_at(median)}"
        article = "an" if what.startswith("u") else "a"
        words.append(f"the median {graph.noun} has {article} {what} {usual}")
    for count, verb in ((int((compared >= WORTH).sum()), "grew"), (int((compared <= -WORTH).sum()), "shrank")):
        if count:
            words.append(f"{_count(count, graph.noun)} {verb} by a decade or more")
    for count, change in ((int(died.sum()), "to exactly 0"), (int(back.sum()), "from exactly 0")):
        if count:
            words.append(f"{_count(count, graph.noun)} went {change}")
    if nodes.flipped is not None and nodes.flipped[alive].any():
        words.append(f"{_count(int(nodes.flipped[alive].sum()), 'sign')} flipped")
    return f"against the other sweep: {', '.join(words)}"


def _trends(graph: Graph, table: Levels) -> Iterator[str]:
    # An input has no activation and so no slope of its own: it would bend the line at its end.
    with_units = np.unique(graph.levels[graph.units & (graph.kinds != INPUT)]) if graph.noun == "unit" else None
    rows = [r for r in table if math.isfinite(r.median) and (with_units is None or r.level in with_units)]
    if len(rows) < 2:
        return
    # Levels without a gradient part the others: nothing is known of how it went on there.
    gaps = [0, *(k for k in range(1, len(rows)) if rows[k].level > rows[k - 1].level + 1), len(rows)]
    pieces = [p for a, b in itertools.pairwise(gaps) for p in _pieces(rows[a:b])]
    medians = {r.level: r.median for r in rows}
    worth = sorted((p for p in pieces if abs(p.total) >= WORTH), key=lambda p: -abs(p.total))
    for p in worth[:MOST]:
        verb, what = ("lose", "vanishes") if p.total < 0 else ("gain", "explodes")
        after = medians[p.end]
        if after * p.total < 0 or abs(after) < WORTH:  # on its way back to healthy
            what = "shrinks back" if p.total < 0 else "grows back"
        size = f"{_two_digits(abs(p.per_level))} decades"
        if p.start - p.end == 1:
            yield f"the gradient {what}: the step from level {p.start} to {p.end} {verb}s {size}"
        else:
            # Two digits, as the rate has.
            factor = number(float(f"{10.0**p.per_level:.1e}")) if abs(p.per_level) < 300 else number_at(p.per_level)
            yield (f"the gradient {what}: levels {p.start} to {p.end} {verb} {size} per level (×{factor}), "
                   f"{signed(abs(p.total), 1)} in all")
    if len(worth) > MOST:
        more = len(worth) - MOST
        one = "s" * (more == 1)
        yield f"{more} smaller stretch{'es' * (more > 1)} lose{one} or gain{one} a decade or more as well"
    if not worth:
        spread = max(r.median for r in rows) - min(r.median for r in rows)
        what = "keeps its size: " if spread < WORTH else "changes by less than a decade at a stretch, yet "
        yield f"the gradient {what}the medians of all levels lie within {signed(spread, 1)} decades"


def _pieces(rows: Sequence[Level]) -> list[Stretch]:
    return stretches([r.level for r in rows], [r.median for r in rows])


def _two_digits(x: float) -> str:
    """Return a rate in decades with two digits, and at least one after the point: 0.6, 0.37, 1.2."""
    text = f"{x:.2f}" if x < 1 else f"{x:.1f}"
    return text[:-1] if text.endswith("0") and x < 1 else text


def _nonfinite(graph: Graph) -> Iterator[str]:
    bad = np.flatnonzero((graph.marks == NONFINITE) & graph.units)
    if len(bad):
        # Gradients flow back, so the trouble begins at the highest level that has it.
        first = bad[np.argsort(-graph.levels[bad], kind="stable")][0]
        yield (f"{_count(len(bad), graph.noun)} with a gradient of NaN or infinity; nearest to the loss: "
               f"{_name(graph, int(first))}")


def _dead(graph: Graph) -> Iterator[str]:
    dead = np.flatnonzero((graph.marks == DEAD) & graph.units)
    if len(dead):
        yield f"{_count(len(dead), 'dead ' + graph.noun)} (gradient exactly 0): {_names(graph, dead)}"


def _short_cuts(graph: Graph) -> Iterator[str]:
    # Levels of scalar expressions are no layers, so "skip" says little there; and two or three levels have no depth.
    if graph.noun != "unit" or graph.last_level < 3:
        return
    found = [s for s in skips(graph) if s.share >= 0.5 and s.level > 0]
    if found:
        best = found[0]
        more = f", and more than half at {_count(len(found) - 1, 'further level')}" if len(found) > 1 else ""
        yield (f"{_count(best.count, 'skip edge')} {'carry' if best.count > 1 else 'carries'} {percent(best.share)} of "
               f"the gradient that reaches {graph.level_name(best.level)}{more} (shares of absolute flow)")


def _path(graph: Graph) -> Iterator[str]:
    if graph.noun != "unit" or graph.last_level < 3:
        return
    for path in strongest_paths(graph, 1):
        if NOTABLE_PATH <= path.share < 1.0:  # of a single path it says nothing
            names = [_name(graph, i) for i in path.nodes if graph.units[i]]
            if len(names) > 2 * MOST:
                names[MOST : 1 - MOST] = ["…"]
            way = " → ".join(names)
            yield f"the strongest path, {way}, carries {percent(path.share)} of the gradient that reaches the inputs"


def _cancelled(graph: Graph) -> Iterator[str]:
    if graph.noun != "unit" or graph.samples != 1:
        return
    # Where little arrives it hardly matters that it cancels.
    arrived = np.bincount(graph.source, _scaled(
        np.where(np.isfinite(graph.messages), np.abs(graph.messages), 0.0), graph.levels[graph.source],
        int(graph.levels.max(initial=0)) + 1), len(graph))
    heavy = np.flatnonzero((cancellation(graph) > 0.99) & (arrived > 0.1))
    if len(heavy):
        yield f"at {_count(len(heavy), graph.noun)} over 99 % of the arriving gradient cancels: {_names(graph, heavy)}"


def _left_out(graph: Graph) -> Iterator[str]:
    out = np.flatnonzero((graph.marks == DETACHED) & graph.units)
    if len(out):
        yield f"left out: {_count(len(out), graph.noun)} with no path to the loss: {_names(graph, out)}"


def percent(share: float) -> str:
    """Return a share with one digit after the point, and never as 100 % what is less."""
    if 0.999 < share < 1:
        return "over 99.9 %"
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


def _name(graph: Graph, i: int) -> str:
    """Return how a sentence calls a node: its name, or for one without a name the operation and the number."""
    name = graph.names[i]
    return short(f"{graph.ops[i]} {name}" if i in graph.unnamed and graph.ops[i] else name, 40)


def _names(graph: Graph, nodes: Ints) -> str:
    shown = ", ".join(_name(graph, int(i)) for i in nodes[:MOST * 2])
    return shown + (f" and {len(nodes) - MOST * 2:,} more" if len(nodes) > MOST * 2 else "")
