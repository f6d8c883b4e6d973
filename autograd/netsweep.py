"""The delta sweep: the equations of a net over samples and time, one unit at a time, as readable as they get.

The notation is that of `net.py`. With delays a net has states over time: unit l has phi_l(t) for the steps t = 0, ...,
T - 1 and, before them, for the D steps t = -D, ..., -1 that the longest delay D reads. A link from j to l of delay d
reads d steps back, so that (3), (4) and (7) of the source document become

    a_l(t)     = b_l + sum over j of w_lj phi_j(t - d)                              (3)
    phi_l(t)   = sigma(a_l(t))                                                      (4)
    delta_l(t) = sigma'(a_l(t)) * sum over k in P(l) of w_kl delta_k(t + d)         (7)

which is back-propagation through time (P. Werbos, 1990). A net without delays is the case T = 1, D = 0. Beside units
that sum there are pairs, phi = f(phi_x(t - d), phi_y(t)), that stand for gates and aggregations (see `netgraph.py`);
a pair passes its dL/dphi on to its two arguments by the partials of f.

A path that is not there passes nothing on, not even 0 times infinity: a slope that is `ABSENT`, a loss of slope 0, and
whatever only such paths lead to. All other numbers are IEEE doubles. sigma' and the partials come from the rows in
`ops.py`, never from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autograd import batch
from autograd.netgraph import Activation, Bools, Floats, Graph, Ints, Lists
from autograd.op import ABSENT, Op

if TYPE_CHECKING:
    from autograd.learn import Loss

#: About how many numbers of each state (a, phi, delta) are worked on at a time (32 samples at least without delays).
BLOCK = 2**20


class Parameters(NamedTuple):
    """What a net is evaluated at, or the gradient by it: weights [E], biases [n] and states before step 0 [n]."""

    weights: Floats
    biases: Floats
    initial: Floats


class State(NamedTuple):
    """Pre-activations a [T, n, N], and outputs phi [D + T, n, N] from step -D on."""

    a: Floats
    phi: Floats


@dataclass(frozen=True, slots=True)
class Seen:
    """What a loss sees of the outputs: some steps of some samples, with their targets.

    Attributes:
        loss: the loss.
        row: the sample of each place, ascending [M].
        step: its step [M].
        targets: its targets [k, M].
    """

    loss: Loss
    row: Ints
    step: Ints
    targets: Floats

    def part(self, rows: slice, steps: slice) -> Seen:
        """Return what is seen of a block of samples and a window of steps, counted from their starts."""
        at = np.arange(*np.searchsorted(self.row, [rows.start, rows.stop]))
        at = at[(self.step[at] >= steps.start) & (self.step[at] < steps.stop)]
        return Seen(self.loss, self.row[at] - rows.start, self.step[at] - steps.start, self.targets[:, at])

    def losses(self, outputs: Floats) -> tuple[float, Floats]:
        """Return the sum of the losses, and the slope by every output where one is seen, 0 elsewhere.

        Args:
            outputs: phi of the outputs [T, q, N].
        """
        slopes = np.zeros_like(outputs)
        if not len(self.row):
            return 0.0, slopes
        losses, seen = self.loss.value_and_slopes(outputs[self.step, :, self.row].T, self.targets)
        slopes[self.step, :, self.row] = seen.T
        return float(losses.sum()), slopes


class _Ends(NamedTuple):
    """The links at one end of a unit: their positions, the units at the other end, their delays (None: all 0)."""

    links: Ints
    others: Ints
    delay: Ints | None


class Sweep:
    """The two passes over a net.

    Args:
        graph: the net.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        n, units = graph.size, range(graph.size)
        into, out = Lists.by(graph.target, n), Lists.by(graph.source, n)
        self._into = [self._ends(into.of(i), graph.source) for i in units]
        # Only what reaches the loss sends a delta; the others have none, whatever their phi.
        live = graph.reaches[graph.target]
        self._out = [self._ends(links[live[links]], graph.target) for links in map(out.of, units)]
        self._pair = {unit: p for p, unit in enumerate(graph.pairs.unit.tolist())}
        self._order = graph.order.tolist()
        alike: dict[Activation, list[int]] = {}
        for i in self._order:
            sigma = graph.activations[i]
            if sigma is not None and graph.reaches[i]:
                alike.setdefault(sigma, []).append(i)
        self._alike = [(sigma, np.array(rows)) for sigma, rows in alike.items()]
        self._back = [i for i in [*graph.inputs.tolist(), *self._order] if graph.reaches[i]][::-1]

    def _ends(self, links: Ints, others: Ints) -> _Ends:
        delay = self.graph.delay[links]
        return _Ends(links, others[links], delay if delay.any() else None)

    def frames(self, initial: Floats, samples: int, state: Floats | None = None) -> Floats:
        """Return phi of the steps before the first [D, n, N].

        Args:
            initial: phi of each of the net's own units before the first step.
            samples: N.
            state: instead of that, phi of the D steps before the first [N, D, n], the oldest first.
        """
        graph, own = self.graph, len(initial)
        before = np.zeros((graph.max_delay, graph.size, samples))  # what stands for gates is not read with a delay
        before[:, :own] = initial[:, None] if state is None else state.transpose(1, 2, 0)
        return before

    def forward(self, at: Parameters, x: Floats, before: Floats) -> State:
        """Compute a and phi of every unit, step by step.

        Args:
            at: the parameters.
            x: the inputs [T, p, N].
            before: phi of the steps before the first [D, n, N]; see `frames`.
        """
        graph, weights = self.graph, np.concatenate([at.weights, self.graph.constants])
        a = np.empty((len(x), graph.size, x.shape[2]))
        phi = np.concatenate([before, np.empty_like(a)])
        with np.errstate(all="ignore"):  # values are IEEE doubles: overflow is inf, not a warning
            for t, frame in enumerate(range(len(before), len(phi))):
                a[t, graph.inputs] = phi[frame, graph.inputs] = x[t]
                for i in self._order:
                    sigma = graph.activations[i]
                    if sigma is None:
                        a[t, i] = phi[frame, i] = _apply(*self._arguments(i, phi, frame))
                        continue
                    a[t, i] = at.biases[i] if i < len(at.biases) else 0.0
                    links, sources, delay = self._into[i]
                    if len(links):
                        a[t, i] += weights[links] @ _read(phi, frame, sources, delay)  # (3): a = b + sum w phi
                    phi[frame, i] = sigma.value(a[t, i])  # (4): phi = sigma(a)
        return State(a, phi)

    def backward(self, at: Parameters, state: State, slopes: Floats) -> tuple[Floats, Parameters]:
        """Compute delta of every unit, from the last step back, and the gradient.

        An output that feeds other neurons gets both the term of the loss and that of its parents.

        Args:
            at: the parameters.
            state: what `forward` returned for them.
            slopes: dL/dphi of the outputs [T, q, N] by the loss itself; 0 says that the loss does not see it.

        Returns:
            delta [D + T, n, N], in the steps before the first dL/dphi; and the gradient of the summed loss.
        """
        graph, (a, phi) = self.graph, state
        start, weights = len(phi) - len(a), np.concatenate([at.weights, graph.constants])
        by_weight, by_bias = np.zeros(len(weights)), np.zeros(graph.size)
        # Until its unit is come to, delta holds what the loss and the pairs sent: a part of dL/dphi.
        delta, arrived = np.zeros_like(phi), np.zeros(phi.shape, bool)
        delta[start:, graph.outputs], arrived[start:, graph.outputs] = slopes, slopes != 0.0
        with np.errstate(all="ignore"):
            for frame in range(len(phi) - 1, start - 1, -1):
                slope = np.empty_like(a[0])
                for sigma, rows in self._alike:
                    slope[rows] = sigma.slope(a[frame - start, rows], phi[frame, rows])
                for i in self._back:
                    self._pull(i, frame, start, weights, delta, arrived)
                    g, there = delta[frame, i], arrived[frame, i]
                    if i in self._pair:
                        self._push(i, frame, phi, delta, arrived)
                    elif graph.activations[i] is not None and there.any():
                        there &= slope[i] != ABSENT
                        g[:] = np.where(there, slope[i] * g, 0.0)  # (7): sigma'(a) * sum over P(l)
                        links, sources, delay = self._into[i]
                        by_weight[links] += _product(_read(phi, frame, sources, delay), g, there)  # delta_l phi_j
                        by_bias[i] += g.sum()  # dL/db = delta: the weight of a source that is 1
            for frame in range(start):
                for i in np.flatnonzero(graph.reaches).tolist():
                    self._pull(i, frame, start, weights, delta, arrived)
        own = len(at.biases)
        by_initial: Floats = delta[:start, :own].sum(axis=(0, 2))
        return delta, Parameters(by_weight[: len(at.weights)], by_bias[:own], by_initial)

    def _arguments(self, i: int, phi: Floats, frame: int) -> tuple[Any, Floats, Floats]:
        """Return the function of a pair and its two arguments at a step."""
        pairs, p = self.graph.pairs, self._pair[i]
        return pairs.functions[pairs.function[p]], phi[frame - pairs.x_delay[p], pairs.x[p]], phi[frame, pairs.y[p]]

    def _pull(self, i: int, frame: int, start: int, weights: Floats, delta: Floats, arrived: Bools) -> None:
        """Add to dL/dphi of a unit what its parents send: sum over k of w_kl delta_k(t + d), the sum of (7)."""
        links, parents, delay = self._out[i]
        if delay is None:
            if not len(links) or frame < start:
                return
            later: Any = frame
        else:
            later = frame + delay
            inside = (later >= start) & (later < len(delta))
            if not inside.any():
                return
            links, parents, later = links[inside], parents[inside], later[inside]
        delta[frame, i] += weights[links] @ delta[later, parents]
        arrived[frame, i] |= arrived[later, parents].any(axis=0)

    def _push(self, i: int, frame: int, phi: Floats, delta: Floats, arrived: Bools) -> None:
        """Add to dL/dphi of the arguments of a pair what it sends them."""
        pairs, p = self.graph.pairs, self._pair[i]
        there = arrived[frame, i]
        if not there.any():
            return
        function, x, y = self._arguments(i, phi, frame)
        places = (frame - int(pairs.x_delay[p]), int(pairs.x[p])), (frame, int(pairs.y[p]))
        for place, partial in zip(places, _partials(function, x, y, phi[frame, i]), strict=True):
            passes = there & (partial != ABSENT)
            delta[place] += np.where(passes, delta[frame, i] * partial, 0.0)
            arrived[place] |= passes


def _read(x: Floats, frame: int, units: Ints, delay: Ints | None) -> Floats:
    """Return what units held [K, N], each so many steps back."""
    read: Floats = x[frame].take(units, axis=0) if delay is None else x[frame - delay, units]
    return read


def _product(phi: Floats, delta: Floats, there: Bools) -> Floats:
    """Return for each row of phi [K, N] the sum over the samples of delta phi, over those where delta is there."""
    product: Floats = phi @ delta
    if not np.isfinite(product).all():
        product = np.where(there, phi * delta, 0.0).sum(axis=1)
    return product


def _apply(function: Any, x: Floats, y: Floats) -> Any:
    return function(x, y) if isinstance(function, Op) else batch.apply(function, x, y)


def _partials(function: Any, x: Floats, y: Floats, result: Floats) -> list[Any]:
    """Return both partials of a pair's function, `ABSENT` where an argument does not reach the result."""
    if isinstance(function, Op):
        return [np.broadcast_to(partial(x, y, result), x.shape) for partial in function.partials]
    return batch.differentiate(function, x, y, absent=ABSENT)[1]


# Whole data sets. ----------------------------------------------------------------------------------------------------


def predict(sweep: Sweep, at: Parameters, x: Floats, state: Floats | None = None) -> Floats:
    """Return the outputs [N, T, q], keeping no more states at a time than fit a block.

    Args:
        sweep: the net.
        at: the parameters.
        x: the inputs [N, T, p].
        state: phi of the steps before the first [N, D, n], in place of `at.initial`.
    """
    graph, (samples, steps, _) = sweep.graph, x.shape
    out = np.empty((samples, steps, len(graph.outputs)))
    size = block_size(graph.size, samples, 1)
    for rows in slices(samples, size):
        before = sweep.frames(at.initial, rows.stop - rows.start, None if state is None else state[rows])
        for window in slices(steps, max(1, BLOCK // (graph.size * size))):
            phi = sweep.forward(at, x[rows, window].transpose(1, 2, 0), before).phi
            out[rows, window] = phi[graph.max_delay :, graph.outputs].transpose(2, 0, 1)
            before = phi[len(phi) - graph.max_delay :]
    return out


def loss_and_gradient(
    sweep: Sweep, at: Parameters, x: Floats, seen: Seen, state: Floats | None = None, truncate: int | None = None
) -> tuple[float, Parameters]:
    """Return the mean loss over what is seen, and its gradient.

    Args:
        sweep: the net.
        at: the parameters.
        x: the inputs [N, T, p].
        seen: what the loss sees.
        state: phi of the steps before the first [N, D, n], in place of `at.initial`.
        truncate: the length of windows that pass their states on, and no gradient; None is one window.
    """
    graph, (samples, steps, _) = sweep.graph, x.shape
    window, total = truncate or steps, 0.0
    gradient = Parameters(*map(np.zeros_like, at))
    for rows in slices(samples, block_size(graph.size, samples, min(window, steps) + graph.max_delay)):
        before = sweep.frames(at.initial, rows.stop - rows.start, None if state is None else state[rows])
        for part in slices(steps, window):
            states = sweep.forward(at, x[rows, part].transpose(1, 2, 0), before)
            losses, slopes = seen.part(rows, part).losses(states.phi[graph.max_delay :, graph.outputs])
            _, add = sweep.backward(at, states, slopes)
            gradient.weights[:] += add.weights
            gradient.biases[:] += add.biases
            if part.start == 0 and state is None:
                gradient.initial[:] += add.initial
            total += losses
            before = states.phi[len(states.phi) - graph.max_delay :]
    return total / len(seen.row), Parameters(*(part / len(seen.row) for part in gradient))


def block_size(n: int, samples: int, frames: int) -> int:
    """Return how many samples to evaluate at a time: enough for a call to pay, few enough for the memory."""
    least = 32 if frames == 1 else 1
    return min(samples, max(least, min(512, BLOCK // max(n * frames, 1))))


def slices(count: int, size: int) -> Iterator[slice]:
    """Yield the slices of so many at most that make up all."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
