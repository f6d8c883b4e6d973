"""A net as the sweep and the kernels see it: activations, units in the order of evaluation, links by position.

Users give links with gates, and neurons that multiply or compare what reaches them. Here all of this becomes two kinds
of unit: one that *sums* its links and applies its activation, and a *pair*, a row of two arguments (a product, a
maximum) of two other units. A gate is then a product, and a neuron that takes the largest of its sources a chain of
maxima over units that weight one source each. So the sweep needs one rule for sums and one for pairs, whatever the net.

Nothing here knows a weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd import batch, ops
from autograd.op import ABSENT, Op, did_you_mean

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

#: What an activation may be given as: a name, a row, a formula of one argument, or an `Activation`.
ActivationLike = Any

#: Formulas that have a name for files and listings beside the rows of the table: "package.name" by custom.
NAMED: dict[str, Callable[[Any], Any]] = {}

#: What a neuron may do with its weighted sources. "mean" is the sum over their number.
AGGREGATIONS = ("sum", "mean", "product", "max", "min", "maxabs")


def maxabs(x: Any, y: Any) -> Any:
    """Return which of two is larger in magnitude; at a tie the first."""
    return ops.where(ops.abs(y) > ops.abs(x), y, x)


#: The function of two arguments that an aggregation applies again and again.
FOLDS: dict[str, Callable[[Any, Any], Any]] = {
    "product": ops.mul, "max": ops.maximum, "min": ops.minimum, "maxabs": maxabs,
}  # fmt: skip


# Activations. --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Activation:
    """The function sigma of a neuron with its derivative.

    Args:
        name: what listings, diagrams and saved nets call it.
        function: a one-argument row of `autograd.ops.TABLE`, or a formula in the engine's operations.
    """

    name: str
    function: Callable[[Any], Any]

    @property
    def has_name(self) -> bool:
        """Whether a file can hold it by its name: a row of the table or a named formula."""
        return isinstance(self.function, Op) or NAMED.get(self.name) is self.function

    def value(self, a: Floats) -> Floats:
        """Return phi = sigma(a), element by element (4)."""
        phi = self.function(a) if isinstance(self.function, Op) else batch.apply(self.function, a)
        return phi if np.shape(phi) == a.shape else np.full(a.shape, phi, float)

    def slope(self, a: Floats, phi: Floats) -> Floats:
        """Return sigma'(a), element by element; `ABSENT` where a does not reach phi at all."""
        if isinstance(self.function, Op):
            slope = self.function.partials[0](a, phi)
        else:
            slope = batch.differentiate(self.function, a, absent=ABSENT)[1][0]
        return slope if np.shape(slope) == a.shape else np.full(a.shape, slope, float)

    def __eq__(self, other: object) -> bool:
        # A formula may be an object of any kind, with or without an equality and a hash of its own.
        return isinstance(other, Activation) and self.name == other.name and self.function is other.function

    def __hash__(self) -> int:
        return hash((self.name, id(self.function)))

    def __reduce__(self) -> Any:
        # A formula is often a lambda, which no pickle can hold; its name can be.
        return (find_activation, (self.name,)) if self.has_name else (Activation, (self.name, self.function))


LINEAR = Activation("linear", ops.identity)


def find_activation(given: ActivationLike) -> Activation:
    """Return the `Activation` for a name, a row of the table or a formula.

    Args:
        given: "linear", the name of any one-argument row ("tanh", "relu", "sin", ...) or named formula, the row itself
            (``ops.tanh``), a callable of one argument written in the engine's operations, or an `Activation`.

    Raises:
        ValueError: if nothing has this name (close names are suggested) or the formula does not work.
        TypeError: if it is none of these.
    """
    if isinstance(given, Activation):
        return given
    if isinstance(given, str):
        if given.startswith("neat."):
            import autograd.neat  # noqa: F401 (it enters its names)
        if given in NAMED:
            return Activation(given, NAMED[given])
        row = ops.TABLE.get("identity" if given == "linear" and "linear" not in ops.TABLE else given)
        known = [name for name, op in ops.TABLE.items() if op.arity == 1]
        if row is None:
            raise ValueError(
                f"unknown activation {given!r}{did_you_mean(given, [*known, 'linear', *NAMED])}; give the name "
                "of a one-argument row of autograd.ops.TABLE, or a formula such as lambda a: a * a"
            )
        given = row
    if isinstance(given, Op):
        if given.arity != 1:
            raise ValueError(
                f"the activation {given.name!r} takes {_arity(given)}, an activation takes one; "
                f"fix the others in a formula, such as lambda a: ops.{given.name}(a, 0.0)"
            )
        return LINEAR if given is ops.identity else Activation(given.name, given)
    if not callable(given):
        raise TypeError(f"an activation is a name, an operation or a formula of one argument, got {given!r}")
    name = getattr(given, "__name__", type(given).__name__)
    formula = Activation("formula" if name == "<lambda>" else name, given)
    try:  # Now, where the user's line is near, rather than in the middle of a training.
        with np.errstate(all="ignore"):
            formula.value(np.array([0.25, 0.75]))
    except Exception as error:
        raise ValueError(
            f"the activation {formula.name!r} does not work as a formula of one argument in the engine's "
            f"operations (autograd.exp, autograd.where, ... ; not math's or numpy's): {error}"
        ) from error
    return formula


def _arity(op: Op) -> str:
    return f"{op.arity} arguments" if op.arity > 0 else "a sequence"


# Links by one end. ---------------------------------------------------------------------------------------------------


class Lists(NamedTuple):
    """Positions sorted by a key (compressed rows): those with key i are ``items[start[i]:start[i + 1]]``, in order."""

    start: Ints
    items: Ints

    @classmethod
    def by(cls, keys: Ints, n: int) -> Lists:
        """Sort the positions of `keys`, which are below n, by their key."""
        return cls.sorted_by(keys, n, np.argsort(keys, kind="stable"))

    @classmethod
    def sorted_by(cls, keys: Ints, n: int, items: Ints) -> Lists:
        """Make lists of items that are sorted by their key already, in an order of their own within a key."""
        start = np.zeros(n + 1, np.intp)
        np.cumsum(np.bincount(keys, minlength=n), out=start[1:])
        return cls(start, items)

    def of(self, i: int) -> Ints:
        """Return the positions with key i."""
        return self.items[self.start[i] : self.start[i + 1]]

    def gather(self, keys: Ints) -> Ints:
        """Return the positions of several keys, list after list."""
        count = self.start[keys + 1] - self.start[keys]
        first = np.repeat(self.start[keys] - np.cumsum(count) + count, count)
        return self.items[first + np.arange(len(first))]


# The graph. ----------------------------------------------------------------------------------------------------------


class Pairs(NamedTuple):
    """Units that are a function of two others, by position [m].

    Attributes:
        unit: the unit.
        function: the row or formula, as a position in `functions`.
        x: the first argument.
        x_delay: how many steps back in time it is read.
        y: the second argument, read at the same step.
        functions: what is applied.
    """

    unit: Ints
    function: Ints
    x: Ints
    x_delay: Ints
    y: Ints
    functions: tuple[Callable[[Any, Any], Any], ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """A net by positions. The net's own units and links come first, then those that stand for gates and aggregations.

    Attributes:
        names: of the net's own units.
        size: number of units, n.
        inputs: units whose phi is given [p].
        outputs: units that the loss sees [q].
        source: where each link leads from [E].
        target: the unit that sums it [E].
        delay: how many steps back in time its source is read [E].
        constants: weights of the links beyond the net's own.
        activations: sigma of each unit that sums; None for inputs and pairs.
        pairs: the units that do not sum.
        level: longest path to each unit, through links without delay [n]; what stands for a gate has its reader's.
        stage: within a level, lower stages are evaluated first [n].
        order: all units but the inputs, each after everything that it reads without delay.
        reaches: from which units an output can be reached [n]; the others have delta 0.
        max_delay: D, the longest delay.
    """

    names: Sequence[str]
    size: int
    inputs: Ints
    outputs: Ints
    source: Ints
    target: Ints
    delay: Ints
    constants: Floats
    activations: list[Activation | None]
    pairs: Pairs
    level: Ints
    stage: Ints
    order: Ints
    reaches: Bools
    max_delay: int


def make_graph(
    names: Sequence[str],
    activations: Sequence[Activation | None],
    inputs: Ints,
    outputs: Ints,
    source: Ints,
    target: Ints,
    delay: Ints | None = None,
    gate: Ints | None = None,
    aggregation: dict[int, str] | None = None,
    response: Floats | None = None,
) -> Graph:
    """Return the graph of a net.

    Args:
        names: [n] of the units, for messages.
        activations: [n], None for inputs.
        inputs: positions of the inputs.
        outputs: positions of the outputs.
        source: [E] where the links lead from.
        target: [E] where they lead to.
        delay: [E] steps back in time; default 0.
        gate: [E] unit whose phi multiplies the link, -1 without; default without.
        aggregation: of neurons that do not just sum, by position: a name of `AGGREGATIONS`.
        response: [n] factor on the aggregated sources of each neuron, constant; default 1.

    Raises:
        ValueError: if links without delay and gates form a cycle, naming its neurons.
    """
    n = len(names)
    delay = np.zeros(len(source), np.intp) if delay is None else delay
    gate = np.full(len(source), -1, np.intp) if gate is None else gate
    level = _levels(names, inputs, source, target, delay, gate)
    wide = _Widened(n, level, source, target, delay)
    for e in np.flatnonzero(gate >= 0):
        wide.gate(int(e), int(gate[e]))
    folded = dict(aggregation or {})
    scaled = () if response is None else np.flatnonzero(response != 1.0).tolist()
    by_target = Lists.by(target, n) if folded or len(scaled) else None
    for unit in sorted({*folded, *scaled}):
        assert by_target is not None
        links = by_target.of(unit)
        wide.aggregate(unit, links, folded.get(unit, "sum"), 1.0 if response is None else float(response[unit]))
    return wide.graph(names, activations, inputs, outputs)


class _Widened:
    """A net while gates and aggregations become units of their own."""

    def __init__(self, n: int, level: Ints, source: Ints, target: Ints, delay: Ints) -> None:
        self.n = n
        self.level: list[int] = level.tolist()
        # Units of one level are evaluated by stage: what stands for a gate or aggregation before who reads it.
        self.stage: dict[int, int] = {}
        self.source, self.target, self.delay = source.copy(), target.copy(), delay.copy()
        self.more: list[tuple[int, int, float]] = []  # links beyond the net's own: source, target, weight
        self.pairs: list[tuple[int, int, int, int, int]] = []
        self.functions: list[Callable[[Any, Any], Any]] = []
        self.gates: dict[tuple[int, int, int], int] = {}

    def unit(self, level: int, stage: int) -> int:
        i = len(self.level)
        self.level.append(level)
        self.stage[i] = stage
        return i

    def pair(self, function: Callable[[Any, Any], Any], x: int, x_delay: int, y: int, level: int, stage: int) -> int:
        if function not in self.functions:
            self.functions.append(function)
        unit = self.unit(level, stage)
        self.pairs.append((unit, self.functions.index(function), x, x_delay, y))
        return unit

    def gate(self, e: int, gate: int) -> None:
        """Let link e lead from the product of its source and its gate."""
        j, d, level = int(self.source[e]), int(self.delay[e]), self.level[self.target[e]]
        key = j, d, gate
        if key not in self.gates:
            self.gates[key] = self.pair(ops.mul, j, d, gate, level, 0)
        product = self.gates[key]
        self.level[product] = min(self.level[product], level)
        self.source[e], self.delay[e] = product, 0

    def aggregate(self, unit: int, links: Ints, how: str, response: float) -> None:
        """Let a unit read response * aggregation of its links by one more link."""
        level = self.level[unit]
        if not len(links):
            return
        if how in FOLDS:
            terms = []
            for e in links.tolist():
                self.target[e] = self.unit(level, 1)
                terms.append(int(self.target[e]))
            last = terms[0]
            for stage, term in enumerate(terms[1:], 2):
                last = self.pair(FOLDS[how], last, 0, term, level, stage)
        else:
            last = self.unit(level, 1)
            self.target[links] = last
            response = response / len(links) if how == "mean" else response
        self.more.append((last, unit, response))

    def graph(
        self, names: Sequence[str], activations: Sequence[Activation | None], inputs: Ints, outputs: Ints
    ) -> Graph:
        n = len(self.level)
        added = np.array([(s, t) for s, t, _ in self.more], np.intp).reshape(-1, 2)
        source = np.concatenate([self.source, added[:, 0]])
        target = np.concatenate([self.target, added[:, 1]])
        delay = np.concatenate([self.delay, np.zeros(len(added), np.intp)])
        columns = np.array(self.pairs, np.intp).reshape(-1, 5).T
        pairs = Pairs(columns[0], columns[1], columns[2], columns[3], columns[4], tuple(self.functions))
        sigmas = [*activations, *[LINEAR] * (n - self.n)]
        for unit in pairs.unit.tolist():
            sigmas[unit] = None
        level = np.array(self.level, np.intp)
        stage = np.full(n, n, np.intp)
        for unit, at in self.stage.items():
            stage[unit] = at
        order = np.lexsort((stage, level))
        return Graph(
            names, n, inputs, outputs, source, target, delay, np.array([w for *_, w in self.more], float), sigmas,
            pairs, level, stage, order[~np.isin(order, inputs)],
            _reaching(n, outputs, np.concatenate([source, pairs.x, pairs.y]),
                      np.concatenate([target, pairs.unit, pairs.unit])),
            int(max(delay.max(initial=0), pairs.x_delay.max(initial=0))),
        )  # fmt: skip


def _levels(names: Sequence[str], inputs: Ints, source: Ints, target: Ints, delay: Ints, gate: Ints) -> Ints:
    """Return the longest path to every unit (Kahn's algorithm, front by front)."""
    n = len(names)
    now, gated = delay == 0, gate >= 0
    source, target = np.concatenate([source[now], gate[gated]]), np.concatenate([target[now], target[gated]])
    waiting = np.bincount(target, minlength=n)
    out = Lists.by(source, n)
    level = np.full(n, -1, np.intp)
    level[inputs] = 0
    front, at = np.sort(inputs), 0
    # A neuron that reads nothing is as if a constant fed it: level 1, however many the inputs.
    rootless = np.flatnonzero((waiting == 0) & (level < 0))
    while True:
        reached, times = np.unique(target[out.gather(front)], return_counts=True)
        waiting[reached] -= times
        front, at = reached[waiting[reached] == 0], at + 1
        if len(rootless):
            front, rootless = np.union1d(front, rootless), rootless[:0]
        if not len(front):
            break
        level[front] = at
    if (level < 0).any():
        raise ValueError(_cycle(source, target, int(now.sum()), level < 0, names))
    return level


def _cycle(source: Ints, target: Ints, links: int, stuck: Bools, names: Sequence[str]) -> str:
    """Return the message that names a cycle: a stuck unit reads a stuck unit, so walking back comes round.

    The steps from position `links` on are gates.
    """
    into = Lists.by(target, len(names))
    seen: dict[int, int] = {}  # each unit with the step that leads into it
    unit = int(np.flatnonzero(stuck)[0])
    while unit not in seen:
        steps = into.of(unit)
        seen[unit] = int(steps[stuck[source[steps]]][0])
        unit = int(source[seen[unit]])
    units = list(seen)
    walk = [*units[units.index(unit) :], unit][::-1]
    shown = [names[i] for i in walk]
    if len(shown) > 12:
        shown = [*shown[:6], f"... ({len(shown) - 11} more) ...", *shown[-5:]]
    cycle = f"the links form a cycle: {' -> '.join(shown)}; "
    delay = "give one a delay (net.link(..., delay=1)) to read the step before"
    gates = [i for i in walk[1:] if seen[i] >= links]
    if not gates:
        return f"{cycle}within one time step no neuron may read itself, by links or by gates; remove one, or {delay}"
    h, k = names[int(source[seen[gates[0]]])], names[gates[0]]
    others = f", or of the links that are no gates {delay}" * (len(gates) < len(walk) - 1)
    return (
        f"{cycle}the step {h!r} -> {k!r} is a gate: gates act in the same step, whatever the delay of the link that "
        f"they multiply; take as the gate a linear neuron that reads {h!r} with a delay{others}"
    )


def _reaching(n: int, outputs: Ints, source: Ints, target: Ints) -> Bools:
    """Return from which units an output can be reached, now or later."""
    reaches = np.zeros(n, bool)
    reaches[outputs] = True
    into, front = Lists.by(target, n), np.unique(outputs)
    while len(front):
        found = source[into.gather(front)]
        front = np.unique(found[~reaches[found]])
        reaches[front] = True
    return reaches
