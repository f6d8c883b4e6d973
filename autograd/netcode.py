"""A net as kernels over samples: activations on arrays, the plan of evaluation, and the delta sweep.

The notation is that of `net.py`. `forward_pass` is equations (3) and (4) of the source document, `delta_sweep` (5)
and (7); sigma' comes from the activation's row in `ops.py`, never from here. What makes the sums fast is the `Plan`:
neurons are taken level by level; neurons of one level that share one list of sources are one matrix product (so a
layered net runs as its matrix notation), the others are gathered in padded tiles. Nothing here knows names or `Net`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import batch, ops
from autograd.op import ABSENT, Op, did_you_mean

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
#: Rows of an array: a slice where they are neighbours (a view, no copy), else their indices.
Rows = slice | Ints

#: What an activation may be given as: a row's name, a row, a formula of one argument, or an `Activation`.
ActivationLike = Any

#: Links of a tile, padding included: small enough that a gathered block of samples stays in the cache.
TILE = 4096
#: A level with no more links than this is one tile whatever it costs in padding: calls would cost more.
SMALL = 512
#: Neurons with one list of sources become a matrix product from this many links on.
PRODUCT = 256
#: About how many numbers of each state (a, phi, delta) are worked on at a time (32 samples at least).
BLOCK = 2**20


# Activations. -----------------------------------------------------------------------------------------------


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
    def is_row(self) -> bool:
        """Whether it is a row of the table, which can be saved by name, rather than a user's formula."""
        return isinstance(self.function, Op)

    def value(self, a: Floats) -> Floats:
        """Return phi = sigma(a), element by element (4)."""
        if not isinstance(self.function, Op):
            phi, _ = batch.differentiate(self.function, a)
        elif self.function in FAST:
            phi = FAST[self.function][0](a)
        else:
            phi = self.function(a)
        return phi if np.shape(phi) == a.shape else np.full(a.shape, phi, float)

    def slope(self, a: Floats, phi: Floats) -> Floats:
        """Return sigma'(a), element by element; `ABSENT` where a does not reach phi at all."""
        if not isinstance(self.function, Op):
            _, (slope,) = batch.differentiate(self.function, a)
        elif self.function in FAST:
            slope = FAST[self.function][1](a, phi)
        else:
            slope = self.function.partials[0](a, phi)
        return slope if np.shape(slope) == a.shape else np.full(a.shape, slope, float)

    def __eq__(self, other: object) -> bool:
        # A formula may be an object of any kind, with or without an equality and a hash of its own.
        return isinstance(other, Activation) and self.name == other.name and self.function is other.function

    def __hash__(self) -> int:
        return hash((self.name, id(self.function)))


def find_activation(given: ActivationLike) -> Activation:
    """Return the `Activation` for a name, a row of the table or a formula.

    Args:
        given: "linear", the name of any one-argument row ("tanh", "relu", "sin", ...), the row itself
            (``ops.tanh``), a callable of one argument written in the engine's operations, or an `Activation`.

    Raises:
        ValueError: if no row has this name (close names are suggested) or the formula does not work.
        TypeError: if it is none of these.
    """
    if isinstance(given, Activation):
        return given
    if isinstance(given, str):
        row = ops.TABLE.get("identity" if given == "linear" and "linear" not in ops.TABLE else given)
        known = [name for name, op in ops.TABLE.items() if op.arity == 1]
        if row is None:
            raise ValueError(
                f"unknown activation {given!r}{did_you_mean(given, [*known, 'linear'])}; give the name "
                "of a one-argument row of autograd.ops.TABLE, or a formula such as lambda a: a * a"
            )
        given = row
    if isinstance(given, Op):
        if given.arity != 1:
            raise ValueError(
                f"the activation {given.name!r} takes {_arity(given)}, an activation takes one; "
                f"fix the others in a formula, such as lambda a: ops.{given.name}(a, 0.0)"
            )
        return Activation("linear" if given is ops.identity else given.name, given)
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


def _sigmoid(a: Floats) -> Floats:
    small = np.exp(-np.abs(a))
    return np.where(a >= 0.0, 1.0, small) / (1.0 + small)


def _bell(a: Floats, scale: float) -> Floats:
    """Return scale * sigmoid'(a) without cancellation or overflow; tanh'(a) is 4 sigmoid'(2a)."""
    small = np.exp(-np.abs(a))
    result: Floats = scale * small / np.square(1.0 + small)
    return result


#: For the commonest rows the same numbers in fewer passes over an array: (phi of a, sigma' of a and phi). The
#: tests hold them against their rows.
FAST: dict[Any, tuple[Callable[[Floats], Floats], Callable[[Floats, Floats], Any]]] = {
    ops.identity: (lambda a: a, lambda a, phi: 1.0),
    ops.tanh: (np.tanh, lambda a, phi: _bell(2.0 * a, 4.0)),
    ops.sigmoid: (_sigmoid, lambda a, phi: _bell(a, 1.0)),
    ops.relu: (lambda a: np.maximum(a, 0.0), lambda a, phi: np.where(a <= 0.0, ABSENT, 1.0)),
}


def _arity(op: Op) -> str:
    return f"{op.arity} arguments" if op.arity > 0 else "a sequence"


# The equations. ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class State:
    """What every neuron holds for a block of samples: a [n, B], phi and delta [n + 1, B].

    The last row of phi and delta is 0: what the padding of a tile points to.
    """

    a: Floats
    phi: Floats
    delta: Floats


def forward_pass(plan: Plan, work: Work, x: Floats, state: State) -> None:
    """Compute a and phi of every neuron, level by level.

    Args:
        plan: the order of evaluation.
        work: weights and biases.
        x: a block of samples, as columns [p, B].
        state: where to.
    """
    a, phi = state.a, state.phi
    with np.errstate(all="ignore"):  # values are IEEE doubles: overflow is inf, not a warning
        a[plan.inputs] = phi[plan.inputs] = x
        for level in plan.levels:
            a[level.rows] = work.biases[level.rows, None]
            for tile in level.sources:
                a[tile.rows] += tile.sums(work.weights, phi)  # (3): a_l = b_l + sum_j w_lj phi_j
            for sigma, rows in level.activations:
                phi[rows] = sigma.value(a[rows])  # (4): phi_l = sigma(a_l)


def delta_sweep(plan: Plan, work: Work, output_slopes: Floats, state: State) -> None:
    """Compute delta of every neuron, from the outputs down, and add up the gradient.

    An output that feeds other neurons gets both the term of the loss and that of its parents.

    Args:
        plan: the order of evaluation.
        work: weights and biases; the gradients, summed over samples, are added to it.
        output_slopes: dL^(i)/dphi of the outputs [q, B]; no weight is needed for them.
        state: a and phi; receives delta.
    """
    a, phi, delta = state.a, state.phi, state.delta
    delta.fill(0.0)
    with np.errstate(all="ignore"):
        delta[plan.outputs] = output_slopes
        for level in reversed(plan.levels):
            for tile in level.parents:
                delta[tile.rows] += tile.sums(work.weights, delta)  # (7): sum_{k in P(l)} delta_k w_kl,
            for sigma, rows in level.reaching:
                delta[rows] = _times(sigma.slope(a[rows], phi[rows]), delta[rows])  # times sigma'(a_l)
            for tile in level.sources:
                work.weight_gradient[tile.links] += tile.products(delta, phi)  # dL/dw_lj = delta_l phi_j
        work.bias_gradient += delta[:-1].sum(axis=1)  # dL/db_l = delta_l: the weight of a source that is 1


def input_deltas(plan: Plan, work: Work, state: State) -> None:
    """Complete the sweep by dL/dx of the inputs, which training has no use for: (7) with sigma' = 1."""
    with np.errstate(all="ignore"):
        for tile in plan.input_parents:
            state.delta[tile.rows] += tile.sums(work.weights, state.delta)


def _times(slope: Floats, delta: Floats) -> Floats:
    """Return slope * delta, and 0 where the slope is absent or nothing arrives, even if the other is not finite."""
    product: Floats = slope * delta
    product[(slope == ABSENT) | (delta == 0.0)] = 0.0
    return product


class Work:
    """The parameters as tiles want them, the gradients being summed, the states of a block of samples."""

    def __init__(self, plan: Plan, weights: Floats, biases: Floats, size: int) -> None:
        #: Weights [E + 1]; the last is 0, what the padding of a tile points to.
        self.weights: Floats = np.append(weights, 0.0)
        self.biases = biases
        self.weight_gradient: Floats = np.zeros(len(weights) + 1)
        self.bias_gradient: Floats = np.zeros(len(biases))
        #: Samples of a block.
        self.size = size
        self._plan = plan
        self._state: State | None = None

    def state(self, samples: int) -> State:
        """Return the states for a block of so many samples; those of the last block if it had as many."""
        if self._state is None or self._state.a.shape[1] != samples:
            n = len(self.biases)
            self._state = State(
                np.empty((n, samples)), np.zeros((n + 1, samples)), np.zeros((n + 1, samples))
            )
        return self._state

    def gradients(self, samples: int) -> tuple[Floats, Floats]:
        """Return the gradients of the mean loss by the weights [E] and by the biases [n]."""
        self.weight_gradient[self._plan.dead_links] = 0.0
        self.bias_gradient[self._plan.inputs] = 0.0
        return self.weight_gradient[:-1] / samples, self.bias_gradient / samples


# The plan. --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tile:
    """Some neurons of one level with the links at one end of them, as matrices [neurons, links of each].

    Attributes:
        rows: the neurons.
        others: the neurons at the other end: [m, K], padded with n; or, where all rows share one list, that
            list.
        links: positions of the links [m, K], padded with E.
        shared: whether the rows share one list of others, so that the sums are a matrix product.
    """

    rows: Rows
    others: Rows
    links: Ints
    shared: bool

    def sums(self, weights: Floats, x: Floats) -> Floats:
        """Return for each row the sum over its links of weight times x at the other end [m, B]."""
        w: Floats = weights[self.links]
        if self.shared:
            return w @ self._gather(x)
        result: Floats = np.matmul(w[:, None, :], self._gather(x))[:, 0]
        return result

    def products(self, delta: Floats, phi: Floats) -> Floats:
        """Return for each link [m, K] the sum over the samples of delta at the row times phi at the other end."""
        d = delta[self.rows]
        if self.shared:
            return d @ self._gather(phi).T
        result: Floats = np.matmul(self._gather(phi), d[:, :, None])[:, :, 0]
        return result

    def _gather(self, x: Floats) -> Floats:
        return x[self.others] if isinstance(self.others, slice) else x.take(self.others, axis=0)


@dataclass(frozen=True, slots=True)
class Level:
    """The neurons whose longest path from an input has one length.

    Attributes:
        rows: the neurons.
        sources: their links from their sources, for a and for the gradient.
        parents: their links to their parents, for delta.
        activations: the activations with the neurons that have them.
        reaching: the same for the neurons from which an output can be reached; the others have delta 0.
    """

    rows: Rows
    sources: list[Tile]
    parents: list[Tile]
    activations: list[tuple[Activation, Rows]]
    reaching: list[tuple[Activation, Rows]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The order in which a net is evaluated; follows from the structure alone and never holds a weight.

    Attributes:
        level: per unit [n] the longest path that leads there.
        levels: the levels from 1 upwards.
        inputs: positions of the inputs.
        outputs: positions of the outputs.
        input_parents: the links from the inputs to their parents.
        dead_links: links into neurons from which no output can be reached: their gradient is 0 whatever phi
            is.
    """

    level: Ints
    levels: list[Level] = field(repr=False)
    inputs: Ints
    outputs: Ints
    input_parents: list[Tile] = field(repr=False)
    dead_links: Ints


@dataclass(frozen=True, slots=True)
class _Lists:
    """Links sorted by one end (compressed rows): those of unit i are ``others[start[i]:start[i + 1]]``."""

    start: Ints
    count: Ints
    others: Ints
    links: Ints
    same: NDArray[np.uint64]  # equal for units whose lists of others are equal, and by chance once in 2**64

    @classmethod
    def of(cls, rows: Ints, others: Ints, n: int) -> _Lists:
        order = np.lexsort((others, rows))
        count = np.bincount(rows, minlength=n).astype(np.intp)
        start = np.concatenate([[0], np.cumsum(count)]).astype(np.intp)
        marks = np.random.default_rng(0).integers(0, 2**64, n, np.uint64)
        running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(marks[others[order]], dtype=np.uint64)])
        return cls(start, count, others[order], order, running[start[1:]] - running[start[:-1]])


def make_plan(
    source: Ints,
    target: Ints,
    inputs: Ints,
    outputs: Ints,
    activations: Sequence[Activation | None],
    names: Sequence[str],
) -> Plan:
    """Make the plan of a net.

    Args:
        source: [E] where the links lead from.
        target: [E] where they lead to.
        inputs: positions of the inputs.
        outputs: positions of the outputs.
        activations: [n].
        names: [n], for messages.

    Raises:
        ValueError: if the links form a cycle, naming its neurons.
    """
    n = len(names)
    into, out_of = _Lists.of(target, source, n), _Lists.of(source, target, n)
    fronts, level = _fronts(into, out_of, inputs, names)
    reaches = np.zeros(n, bool)
    reaches[outputs] = True
    kinds: dict[Activation | None, int] = {}
    kind = np.array([kinds.setdefault(sigma, len(kinds)) for sigma in activations], np.intp)
    by_kind = list(kinds)
    levels = []
    for units in reversed(fronts[1:]):
        targets, owner = _gather_lists(out_of, units)
        if len(targets):
            reaches[units] |= np.bincount(owner, reaches[targets], minlength=len(units)) > 0
        groups = [(by_kind[k], units[kind[units] == k]) for k in np.unique(kind[units])]
        live = [(sigma, rows[reaches[rows]]) for sigma, rows in groups]
        levels.append(
            Level(
                rows=_as_rows(units),
                sources=_tiles(units, into),
                parents=_tiles(units[reaches[units]], out_of),
                activations=[(sigma, _as_rows(rows)) for sigma, rows in groups if sigma is not None],
                reaching=[(sigma, _as_rows(rows)) for sigma, rows in live if sigma is not None and len(rows)],
            )
        )
    levels.reverse()
    return Plan(
        level, levels, inputs, outputs, _tiles(np.sort(inputs), out_of), np.flatnonzero(~reaches[target])
    )


def _fronts(into: _Lists, out_of: _Lists, inputs: Ints, names: Sequence[str]) -> tuple[list[Ints], Ints]:
    """Return the units of every level, and every unit's level (Kahn's algorithm, front by front)."""
    n = len(names)
    waiting = into.count.copy()
    level = np.full(n, -1, np.intp)
    level[inputs] = 0
    fronts = [np.sort(inputs)]
    # A neuron without sources is as if a constant fed it: level 1, however many the inputs.
    rootless = np.flatnonzero((waiting == 0) & (level < 0))
    while True:
        targets, times = np.unique(_gather_lists(out_of, fronts[-1])[0], return_counts=True)
        waiting[targets] -= times
        ready = targets[waiting[targets] == 0]
        if len(rootless):
            ready, rootless = np.union1d(ready, rootless), rootless[:0]
        if not len(ready):
            break
        level[ready] = len(fronts)
        fronts.append(ready)
    if (level < 0).any():
        raise ValueError(_cycle(into, level < 0, names))
    return fronts, level


def _gather_lists(lists: _Lists, units: Ints) -> tuple[Ints, Ints]:
    """Return the others of these units, list after list, and for each the place in `units` it belongs to."""
    count = lists.count[units]
    owner = np.repeat(np.arange(len(units)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    return lists.others[lists.start[units][owner] + within], owner


def _cycle(into: _Lists, stuck: NDArray[np.bool_], names: Sequence[str]) -> str:
    """Return the message that names a cycle: a stuck unit has a stuck source, so walking back comes round."""
    seen: dict[int, int] = {}
    unit = int(np.flatnonzero(stuck)[0])
    while unit not in seen:
        seen[unit] = len(seen)
        sources = into.others[into.start[unit] : into.start[unit + 1]]
        unit = int(sources[stuck[sources]][0])
    walk = [*list(seen)[seen[unit] :], unit][::-1]
    shown = [names[i] for i in walk]
    if len(shown) > 12:
        shown = [*shown[:6], f"... ({len(shown) - 11} more) ...", *shown[-5:]]
    return (
        f"the links form a cycle: {' -> '.join(shown)}; a net is evaluated from its inputs on, so no neuron "
        "may feed itself; remove one of these links"
    )


def _tiles(units: Ints, lists: _Lists) -> list[Tile]:
    """Cut the lists of some units of one level into tiles: shared lists as matrix products, others padded."""
    units = units[lists.count[units] > 0]
    tiles: list[Tile] = []
    if len(units) > 1:
        _, first, group, size = np.unique(
            lists.same[units], return_index=True, return_inverse=True, return_counts=True
        )
        links = size * lists.count[units[first]]
        shared = (size > 1) & ((links >= PRODUCT) | (size == len(units)))
        for g in np.flatnonzero(shared):
            rows = units[group == g]
            others, places = _matrix(rows, lists)
            if (others != others[0]).any():  # the marks agreed by chance
                shared[g] = False
            else:
                tiles.append(Tile(_as_rows(rows), _as_rows(others[0]), places, True))
        units = units[~shared[group]]
    units = units[np.argsort(-lists.count[units], kind="stable")]
    count = lists.count[units]
    start = 0
    while start < len(units):
        width = int(count[start])
        stop = start + max(1, TILE // width)
        if (len(units) - start) * width > SMALL:  # lists of less than half the length wait for the next tile
            stop = min(stop, int(np.searchsorted(-count, -(width // 2), side="left")))
        rows = units[start : max(stop, start + 1)]
        others, places = _matrix(rows, lists)
        tiles.append(Tile(_as_rows(rows), others, places, False))
        start += len(rows)
    return tiles


def _matrix(rows: Ints, lists: _Lists) -> tuple[Ints, Ints]:
    """Return the others and the links of some units as matrices, short lists padded with n and E."""
    count = lists.count[rows]
    column = np.arange(count.max())
    there = column < count[:, None]
    at = np.where(there, lists.start[rows][:, None] + column, 0)
    return (
        np.where(there, lists.others[at], len(lists.count)),
        np.where(there, lists.links[at], len(lists.links)),
    )


def _as_rows(indices: Ints) -> Rows:
    """Return a slice where the indices are neighbours in order: reading it makes no copy."""
    if len(indices) and indices[-1] - indices[0] == len(indices) - 1 and (np.diff(indices) == 1).all():
        return slice(int(indices[0]), int(indices[-1]) + 1)
    return indices


def block_size(n: int, samples: int) -> int:
    """Return how many samples to evaluate at a time: enough for a call to pay, few enough for the memory."""
    return min(samples, max(32, min(512, BLOCK // max(n, 1))))


def blocks(samples: int, size: int) -> Iterator[slice]:
    """Yield the slices of so many samples at most that make up all."""
    for start in range(0, samples, size):
        yield slice(start, min(start + size, samples))
