"""Graph, what is drawn: nodes and edges with the numbers that the last sweep left, in arrays.

Diagrams, tables and verdicts know this class only. `visualize.sources` makes one from the engine's objects; anything
else that has nodes, edges and gradients can be drawn by making one by hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualize.scales import Floats, Ints, Scale, number

Bools = NDArray[np.bool_]

#: Kinds of node.
INPUT, UNIT, LOSS = 0, 1, 2
#: What a node's gradient is, beside a number: none was computed, it cannot reach the loss, it is exactly 0, or it is
#: NaN or infinite. A picture can also show what a node has not, as an input has no weights.
ALIVE, UNSWEPT, DETACHED, DEAD, NONFINITE, BLANK = 0, 1, 2, 3, 4, 5


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes and edges with values and gradients. Node i is the i-th entry of every node list.

    Args:
        names: one per node, unique.
        ops: the operation or activation of each node, "" for an input.
        kinds: `INPUT`, `UNIT` or `LOSS` per node.
        values: the number at each node; nan where none was computed.
        gradients: dL/d(node); with several samples the root mean square over them.
        levels: the level of each node; an edge leads to a higher level.
        source: the node that each edge leads from, in the direction of the values.
        target: the node that it leads to.
        factors: what a gradient is multiplied by on its way back along each edge: a weight or a local partial.
        messages: the gradient that each edge carries back to its source: factor * gradient of the target.
        weight_gradients: dL/dw per edge, or None if the edges have no weights.
        gates: the edges that lead from a gate, whose factors are no weights.
        open: whether each edge lets a gradient through at all (the branch that `where` did not take does not).
        outputs: the nodes whose gradient is the reference.
        swept: whether there was a backward sweep.
        samples: how many samples the numbers stand for.
        call: the sweep, as the user writes it: "L.backward()".
        symbol: the letter for a unit's gradient; an input's is always g.
        noun: what a node is called.
        loss: the value of the loss, or None.
        unnamed: the nodes whose name was made up here.
        notes: what a reader of a picture should know beside.
        delayed: whether each edge reads an earlier step of time, so that it may lead to any level; None for none.
        over_time: of a net over time, the gradient of each node at each step, and at the loss the share of the
            sequences to which it sends one there [n, T]; else None.
        last_alone: the same of the loss at the last step of each sequence alone, with the ends of the sequences under
            one another [n, L]; None where `over_time` shows that already.
    """

    names: Sequence[str]
    ops: Sequence[str]
    kinds: Ints
    values: Floats
    gradients: Floats
    levels: Ints
    source: Ints
    target: Ints
    factors: Floats
    messages: Floats
    weight_gradients: Floats | None = None
    gates: range = range(0)
    open: Bools | None = None
    outputs: Ints = field(default_factory=lambda: np.empty(0, np.intp))
    swept: bool = True
    samples: int = 1
    call: str = "backward()"
    symbol: str = "g"
    noun: str = "node"
    loss: float | None = None
    unnamed: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    delayed: Bools | None = None
    over_time: Floats | None = None
    last_alone: Floats | None = None

    def __post_init__(self) -> None:
        """Check what was given, and turn lists into arrays.

        Raises:
            ValueError: if lengths differ, an edge leads to no node or to none of a higher level, or names repeat.
        """
        n, m = len(self.names), np.size(self.source)
        per_node = [("ops", None), ("kinds", np.intp), ("values", float), ("gradients", float), ("levels", np.intp)]
        per_edge = [("source", np.intp), ("target", np.intp), ("factors", float), ("messages", float),
                    ("weight_gradients", float), ("open", bool), ("delayed", bool)]
        for rows, size, each in ((per_node, n, f"node, and names has {n}"), (per_edge, m, f"edge, and source has {m}")):
            for name, kind in rows:
                given = getattr(self, name)
                if given is None or (kind is None and len(given) == size):
                    continue
                array = np.asarray(given)
                if array.shape != (size,):
                    raise ValueError(f"{name} has the shape {array.shape}, expected ({size},): one per {each}")
                object.__setattr__(self, name, _of_kind(name, array, kind))
        object.__setattr__(self, "outputs", _of_kind("outputs", np.asarray(self.outputs).reshape(-1), np.intp))
        for name, what in (("source", "leads from"), ("target", "leads to"), ("outputs", "is")):
            wrong = np.flatnonzero((getattr(self, name) < 0) | (getattr(self, name) >= n))
            if len(wrong):
                of = "output" if name == "outputs" else "edge"
                raise ValueError(f"{of} {wrong[0]} {what} node {getattr(self, name)[wrong[0]]}, "
                                 f"but there are {n} nodes, counted from 0")
        if n and int(self.levels.min()) < 0:
            raise ValueError(f"node {int(self.levels.argmin())} has level {int(self.levels.min())}; the lowest is 0")
        wrong = np.flatnonzero((self.kinds < INPUT) | (self.kinds > LOSS))
        if len(wrong):
            raise ValueError(f"node {wrong[0]} is of kind {self.kinds[wrong[0]]}; kinds are INPUT, UNIT and LOSS "
                             f"({INPUT}, {UNIT}, {LOSS})")
        goes_back = self.levels[self.target] <= self.levels[self.source]
        back = np.flatnonzero(goes_back if self.delayed is None else goes_back & ~self.delayed)
        if len(back):
            s, t = int(self.source[back[0]]), int(self.target[back[0]])
            raise ValueError(f"edge {back[0]} leads from {self.names[s]!r:.60} at level {self.levels[s]} to "
                             f"{self.names[t]!r:.60} at level {self.levels[t]}, not to a higher one; levels are the "
                             "longest paths from the inputs, and only delayed= edges may close a cycle")
        if len(set(self.names)) < n:
            seen: dict[str, int] = {}
            for i, name in enumerate(self.names):
                if seen.setdefault(name, i) != i:
                    raise ValueError(f"nodes {seen[name]} and {i} are both called {name!r:.60}; names are unique")
        # These come from names and go to a terminal.
        object.__setattr__(self, "call", short(self.call))
        object.__setattr__(self, "notes", tuple(short(note, 1000) for note in self.notes))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def edges(self) -> int:
        """The number of edges."""
        return len(self.source)

    @cached_property
    def short_names(self) -> list[str]:
        """The names as tooltips of edges show them."""
        return [short(name, 80) for name in self.names]

    @property
    def roots(self) -> Ints:
        """Where the gradient comes from: the loss, or the outputs if there is none."""
        found = np.flatnonzero(self.kinds == LOSS)
        return found if len(found) else self.outputs

    @cached_property
    def connected(self) -> Bools:
        """Whether the gradient of the outputs (or of the loss) reaches each node at all."""
        reached = np.zeros(len(self), bool)
        reached[self.roots] = True
        open_ = np.ones(self.edges, bool) if self.open is None else self.open
        if self.delayed is None and (reached | (np.bincount(self.source[open_], minlength=len(self)) > 0)).all():
            return ~np.zeros(len(self), bool)  # every way goes on, so none ends before it is there
        order = np.argsort(-self.levels[self.target], kind="stable")
        order = order[open_[order]]
        source, target = self.source[order], self.target[order]
        found = reached.tolist()
        while True:
            for s, t in zip(source.tolist(), target.tolist(), strict=True):
                found[s] = found[s] or found[t]
            reached = np.array(found, bool)
            # One pass is enough, but for links that lead back in time.
            if self.delayed is None or not (reached[target] & ~reached[source]).any():
                return reached

    @cached_property
    def edges_by_source_level(self) -> list[Ints]:
        """The edges in groups, by the level of their sources, lowest first: the order of a forward pass."""
        level = self.levels[self.source]
        order = np.argsort(level, kind="stable")
        cuts = np.flatnonzero(np.diff(level[order])) + 1
        return [group for group in np.split(order, cuts) if len(group)]

    @cached_property
    def marks(self) -> Ints:
        """What each node's gradient is: `ALIVE`, `UNSWEPT`, `DETACHED`, `DEAD` or `NONFINITE`."""
        marks = np.full(len(self), ALIVE)
        if not self.swept:
            marks[:] = UNSWEPT
        marks[self.gradients == 0] = DEAD if self.swept else UNSWEPT
        marks[~self.connected] = DETACHED
        marks[~np.isfinite(self.gradients) & (marks == ALIVE)] = NONFINITE
        if not self.swept:
            marks[marks == NONFINITE] = UNSWEPT
        return marks

    @cached_property
    def units(self) -> Bools:
        """Which nodes the tables count: all but the node of the loss that stands for no unit."""
        return self.kinds != LOSS if self.noun == "unit" else np.ones(len(self), bool)

    def letter(self, i: int) -> str:
        """Return the letter of node i's gradient: δ for a unit of a net, g for anything else."""
        return self.symbol if self.kinds[i] == UNIT else "g"

    def level_name(self, level: int) -> str:
        """Return what a heading calls a level of a net: "input", "level 3", "output"; of other graphs "level 3"."""
        if self.noun == "unit":
            if level in self._input_levels:
                return "input"
            if level == self.last_level and len(self.outputs):
                return "output"
            if level > self.last_level:
                return "loss"
        return f"level {level}"

    @cached_property
    def _input_levels(self) -> frozenset[int]:
        """The levels with nothing but inputs."""
        return frozenset(np.unique(self.levels[self.kinds == INPUT]).tolist()) - frozenset(
            np.unique(self.levels[self.kinds != INPUT]).tolist())

    @cached_property
    def last_level(self) -> int:
        """The highest level with a node that the tables count."""
        return int(self.levels[self.units].max()) if self.units.any() else 0

    def scale(self, ref: float | str = "output", at_outputs: Floats | None = None, symbol: str = "") -> Scale:
        """Return the decade scale around a reference.

        Args:
            ref: "output" (the median gradient of the outputs), "loss" (the value of the loss, so that the
                scale shows d log L), "absolute" (1), or a positive number.
            at_outputs: the numbers at the outputs, if they are not the gradients.
            symbol: the letter for these.

        Raises:
            ValueError: if it is none of these, or the loss is asked for and there is none.
        """
        if isinstance(ref, str):
            if ref == "absolute":
                return Scale(1.0, "absolute")
            if ref == "loss":
                if self.loss is None or not 0 < abs(self.loss) < math.inf:
                    raise ValueError(f"ref='loss' needs a finite loss other than 0, here it is {self.loss}; "
                                     "use ref='output', 'absolute' or a number")
                return Scale(abs(self.loss), "relative to the loss")
            if ref == "output":
                reference = typical(self.gradients[self.outputs] if at_outputs is None else at_outputs)
                if math.isnan(reference):
                    return Scale(1.0, "absolute")
                return Scale(reference, f"relative to the output {symbol or self.symbol}")
        elif 0 < float(ref) < math.inf:
            return Scale(float(ref), f"relative to {number(float(ref))}")
        raise ValueError(f"ref is 'output', 'loss', 'absolute' or a positive finite number, got {ref!r}")


def typical(x: Floats) -> float:
    """Return the median size of what is finite and not 0, which is what counts as healthy; nan where nothing is.

    >>> typical(np.array([0.0, -1.0, 2.0, 4.0, np.inf]))
    2.0
    """
    sizes = np.sort(np.abs(x[np.isfinite(x) & (x != 0)]))
    if not len(sizes):
        return math.nan
    low, high = sizes[(len(sizes) - 1) // 2], sizes[len(sizes) // 2]
    return float(low + (high - low) / 2)  # the sum of both may be no double


def _of_kind(name: str, given: NDArray[Any], kind: type | None) -> NDArray[Any]:
    """Return an array in a dtype that holds its numbers; whole numbers must be whole."""
    if kind is np.intp and given.size and not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"{name} holds whole numbers, got {given.dtype}: {given.reshape(-1)[:3].tolist()}")
    try:
        return given if kind is None else np.asarray(given, kind)
    except (TypeError, ValueError):
        raise ValueError(f"{name} holds numbers, got {given.dtype}: {given.reshape(-1)[:3].tolist()}") from None


def short(name: str, most: int = 200) -> str:
    """Return a name on one line and no longer than `most` letters, with what cannot be printed replaced."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(name.split())) or "␣" * bool(name)
    return line if len(line) <= most else line[: most - 1] + "…"
