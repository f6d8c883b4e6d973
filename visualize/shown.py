"""Channel, what a picture shows of its nodes or edges in colour: sizes on the decade scale, and marks beside it.

Most often that is the gradient: delta of the nodes, the message w*delta of the edges. It can be dL/dw, the value, the
update ratio rate*|dL/dw| / |w|, or how two sweeps of one graph differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from autograd.diagnose import norms as norms_of
from visualize.graph import ALIVE, BLANK, DEAD, DETACHED, INPUT, LOSS, NONFINITE, UNSWEPT, Bools, Graph
from visualize.scales import Floats, Ints, Scale, classes_of, widths_of

#: What the colour of nodes and of edges can show.
FILLS = ("delta", "gradient", "value", "update")
EDGES = ("message", "weight", "update")
#: The update ratio that is usual: a step moves a weight by a thousandth of its size.
USUAL_UPDATE = 1e-3

_SIZES = ("vanishing", "healthy", "exploding")


@dataclass(frozen=True, eq=False)
class Channel:
    """What colours and marks show, one entry per node (or per edge).

    Attributes:
        name: "delta", "gradient", "value" or "update" of nodes, "message", "weight" or "update" of edges, or
            "difference".
        title: what it is, as in a legend: "|δ| relative to the output δ".
        values: the numbers.
        marks: `ALIVE` where the number is on the scale, else what is in its place, as in `Graph.marks`; `BLANK` where
            there is none, as the weights of an input.
        scale: the scale.
        ends: what the scale calls small, usual and large.
        flipped: where the sign has changed since the other sweep; nothing is known of it (None) but in a difference.
    """

    name: str
    title: str
    values: Floats
    marks: Ints
    scale: Scale
    ends: tuple[str, str, str] = _SIZES
    flipped: Bools | None = None

    @cached_property
    def decades(self) -> Floats:
        """The log10 of each size over the reference."""
        return self.scale.decades(self.values)

    @cached_property
    def classes(self) -> Ints:
        """The class of each, -6 to +6; look at the marks first."""
        return classes_of(self.decades)

    @cached_property
    def widths(self) -> Floats:
        """The width in points of an edge of each size."""
        return widths_of(self.decades)

    def word(self, i: int) -> str:
        """Return what the mark of entry i is called, "" if it is on the scale."""
        mark = int(self.marks[i])
        if mark == DEAD:
            return "dead" if self.name in ("delta", "difference") else "exactly 0"
        return {NONFINITE: "not finite", DETACHED: "no path", UNSWEPT: "not run"}.get(mark, "")


def of_nodes(graph: Graph, fill: str, ref: float | str = "output", rate: float | None = None) -> Channel:
    """Return what the colour of the nodes shows.

    Args:
        graph: the graph.
        fill: one of `FILLS`. "gradient" is the norm of dL/dw over the links that lead into a unit of a net, of other
            graphs what "delta" is; "update" is rate times that over the norm of their weights.
        ref: what counts as healthy, as in `Graph.scale`; "update" is relative to `USUAL_UPDATE`, "value" to 1 unless
            this is a number.
        rate: the size of a step, for "update".

    Raises:
        ValueError: for a fill or reference that is not known, or that this graph has not.
    """
    if fill not in FILLS:
        raise ValueError(f"fill={fill!r} is not known; it is one of {', '.join(map(repr, FILLS))}")
    if fill == "value":
        scale = Scale(1.0, "absolute") if isinstance(ref, str) else graph.scale(ref)
        marks = np.where(graph.values == 0, DEAD, np.where(np.isfinite(graph.values), ALIVE, NONFINITE))
        if np.isnan(graph.values).all():
            marks[:] = UNSWEPT
        return Channel(fill, _title("|v|", scale), graph.values, marks, scale, ("small", "1", "large"))
    if fill == "delta" or (fill == "gradient" and graph.noun != "unit"):
        scale = graph.scale(ref)
        # The loss of a net is no unit: its dL/dL is not on the scale.
        marks = np.where(~graph.units & (graph.marks == ALIVE), BLANK, graph.marks)
        return Channel(fill, _title(f"|{graph.symbol}|", scale), graph.gradients, marks, scale)
    by_weight = _weight_gradients(graph, f"fill={fill!r}")
    weights = np.isfinite(by_weight) | (graph.kinds[graph.target] != LOSS)
    weights[graph.gates.start : graph.gates.stop] = False
    norms = norms_of(by_weight[weights], graph.target[weights], len(graph))
    with_weights = np.bincount(graph.target[weights], minlength=len(graph)) > 0
    marks = np.where(with_weights & (graph.kinds != INPUT), graph.marks, BLANK)
    if fill == "gradient":
        scale = graph.scale(ref, norms[graph.outputs], "∂w")
        title, ends = _title("norm of ∂L/∂w of the links that lead in", scale), _SIZES
    else:
        sizes = norms_of(graph.factors[weights], graph.target[weights], len(graph))
        norms = _ratio(norms, sizes, rate)
        scale, title, ends = _update_scale()
    return Channel(fill, title, norms, _marked(norms, marks), scale, ends)


def of_edges(graph: Graph, edges: str, ref: float | str = "output", rate: float | None = None) -> Channel:
    """Return what the colour and width of the edges show.

    Args:
        graph: the graph.
        edges: one of `EDGES`: the message w*delta that flows back, dL/dw, or rate*|dL/dw| / |w|.
        ref: as in `of_nodes`.
        rate: the size of a step, for "update".

    Raises:
        ValueError: for a choice or reference that is not known, or that this graph has not.
    """
    if edges not in EDGES:
        raise ValueError(f"edges={edges!r} is not known; it is one of {', '.join(map(repr, EDGES))}")
    passes = np.ones(graph.edges, bool) if graph.open is None else graph.open
    marks = np.full(graph.edges, ALIVE if graph.swept else UNSWEPT)
    if graph.swept:
        marks[~passes | (graph.messages == 0) | ~graph.connected[graph.target]] = DEAD
    if edges == "message":
        marks[~np.isfinite(graph.messages) & (marks == ALIVE)] = NONFINITE
        scale = graph.scale(ref)
        title = _title("w·δ" if graph.noun == "unit" else "∂·g", scale)
        return Channel(edges, title, graph.messages, marks, scale)
    by_weight = _weight_gradients(graph, f"edges={edges!r}")
    marks = np.where(np.isnan(by_weight) & (graph.kinds[graph.target] == LOSS), BLANK, marks)
    marks[graph.gates.start : graph.gates.stop] = BLANK
    if edges == "weight":
        into = np.isin(graph.target, graph.outputs) & (marks != BLANK)
        scale = graph.scale(ref, by_weight[into], "∂w")
        values, title, ends = by_weight, _title("∂L/∂w", scale), _SIZES
    else:
        values = _ratio(by_weight, graph.factors, rate)
        scale, title, ends = _update_scale()
    return Channel(edges, title, values, _marked(values, np.where(marks == DEAD, ALIVE, marks)), scale, ends)


def difference(now: Channel, before: Channel, many: bool) -> Channel:
    """Return how much larger each size is than in another sweep of the same graph.

    What is exactly 0 now is marked as such; what was 0 before and is not now counts as infinitely larger.

    Args:
        now: a channel.
        before: the same of the other sweep.
        many: whether the numbers stand for several samples, which have no common sign.
    """
    ones = Scale(1.0, "relative to the other sweep")
    with np.errstate(all="ignore"):
        decades = now.scale.decades(now.values) - before.scale.decades(before.values)
        decades += math.log10(now.scale.reference) - math.log10(before.scale.reference)
        # Only of a 0 is the change infinite, and only to a 0 is it 0; a larger one than a double holds is cut off.
        decades = np.where(np.isfinite(decades), np.clip(decades, -300.0, 300.0), decades)
        ratio = np.sign(now.values) * np.sign(before.values) * 10.0**decades
    marks = np.where((now.marks == ALIVE) & (before.marks != ALIVE) & (before.marks != DEAD), before.marks, now.marks)
    ratio[(before.marks == DEAD) & (now.marks == ALIVE)] = math.inf
    flipped = (np.sign(now.values) * np.sign(before.values) == -1) & (marks == ALIVE)
    if many:
        ratio, flipped = np.abs(ratio), np.zeros(len(flipped), bool)
    what = now.title.removesuffix(f" {now.scale.words}")
    return Channel("difference", f"{what} over that of the other sweep", ratio, marks, ones,
                   ("smaller", "as before", "larger"), flipped)  # fmt: skip


def same_structure(graph: Graph, other: Graph) -> None:
    """Refuse graphs that do not have the same nodes and edges.

    Raises:
        ValueError: if they differ; it names the first difference.
    """
    if (len(graph), graph.edges) != (len(other), other.edges):
        raise ValueError(f"two sweeps are compared on one graph; one has {len(graph)} nodes and {graph.edges} edges, "
                         f"the other {len(other)} and {other.edges} (draw both after backward() or a sweep)")
    for a, b in zip(graph.names, other.names, strict=True):
        if a != b:
            raise ValueError(f"two sweeps are compared on one graph; here {a!r} stands where the other has {b!r}")
    if not (np.array_equal(graph.source, other.source) and np.array_equal(graph.target, other.target)):
        raise ValueError("two sweeps are compared on one graph; these have the same nodes and other edges")


def _title(what: str, scale: Scale) -> str:
    return what if scale.words == "absolute" else f"{what} {scale.words}"


def _weight_gradients(graph: Graph, asked: str) -> Floats:
    if graph.weight_gradients is None:
        why = "sweep it first" if graph.noun == "unit" else "its edges have no weights"
        raise ValueError(f"{asked} needs dL/dw of a net after a sweep, and this graph has none: {why}")
    return graph.weight_gradients


def _ratio(gradient: Floats, weight: Floats, rate: float | None) -> Floats:
    if rate is None or not 0 < rate < math.inf:
        raise ValueError(f"the update ratio rate*|dL/dw| / |w| needs rate=, the size of a step, got {rate!r}")
    with np.errstate(all="ignore"):
        ratio = np.abs(gradient / weight) * rate
    ratio[gradient == 0] = 0.0  # also of a weight of 0
    return np.asarray(ratio)


def _update_scale() -> tuple[Scale, str, tuple[str, str, str]]:
    scale = Scale(USUAL_UPDATE, "relative to the usual 10⁻³")
    return scale, _title("update ratio, rate · |∂L/∂w| / |w|", scale), ("slow", "usual", "fast")


def _marked(values: Floats, marks: Ints) -> Ints:
    """Return the marks with those of the values in place of those of delta."""
    known = (marks == ALIVE) | (marks == DEAD) | (marks == NONFINITE)
    own = np.where(values == 0, DEAD, np.where(np.isfinite(values), ALIVE, NONFINITE))
    return np.where(known, own, marks)
