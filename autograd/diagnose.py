"""Where the gradient of a net flows and where it does not: statistics of one forward and sweep.

A gradient *vanishes* where delta gets smaller from level to level on its way back from the loss, or from step to step
back in time, and *explodes* where it gets larger (S. Hochreiter, 1991; Y. Bengio et al., 1994). X. Glorot and Y. Bengio
(2010) ask that delta has the same size in all layers; so each level is compared with the outputs here. A neuron is
*dead* if its delta is exactly 0 for all samples, and *saturated* at a sample where its sigma' is next to nothing.

`diagnose` looks at a net as it is, and `autograd.learn.fit` with ``diagnose=10`` at one that is being trained. Nothing
that the net shows is changed.
"""

from __future__ import annotations

import dataclasses
import functools
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd.net import Net, as_count
from autograd.netgraph import Activation, Bools, Floats, Ints
from autograd.netsweep import Parameters, Seen, State, block_size, slices
from autograd.op import ABSENT

if TYPE_CHECKING:
    from autograd.learn import History

#: A level is vanishing or exploding where delta is a hundred times smaller or larger than at the outputs: with one
#: rate for all, its weights then learn a hundred times slower or faster. K. He et al. (2015) report a net of 30 layers
#: that stalled at a factor of about 10^4.
VANISHING, EXPLODING = 1e-2, 1e2
#: A neuron is saturated where |sigma'| is at most this share of the largest: a tanh of |phi| above 0.995.
SATURATED = 1e-2
#: The quantiles per level.
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Where the largest |sigma'| is looked for. Every sigma' of the table that has a largest has it here, or one within 1 %
#: of it; of one that has none (exp, square) this is where a of the usual size lies.
SLOPES_AT = np.linspace(-2.0, 2.0, 257)
#: Names in one line, before the rest is only counted.
MOST_NAMES = 8
#: Levels in a table; of more, those next to the loss and next to the inputs are shown.
MOST_LEVELS = 40


class Levels(NamedTuple):
    """The flow level by level, the inputs (level 0) first.

    Of rms delta, what has no path to the loss, is dead or is not finite is left out.

    Attributes:
        units: number of units [K].
        dead: those with a path to the loss whose delta is always exactly 0 [K].
        detached: those without a path to the loss [K].
        saturated: mean of the neurons' shares of saturated samples [K]; nan at the inputs.
        rms: geometric mean of the units' rms delta [K]; nan without any.
        quantiles: quantiles of the same, `QUANTILES` [K, 5].
        ratio: how rms changes on the way back, per level, since the level before on that way [K]; nan at its start.
        relative: rms over that of the outputs (the geometric mean) [K].
        verdict: "healthy", "vanishing", "exploding", "dead" (all are), "not finite" (one is not), "detached" (none has
            a path to the loss) [K]. "" at the inputs, whose delta dL/dx depends on the units of the data.
    """

    units: Ints
    dead: Ints
    detached: Ints
    saturated: Floats
    rms: Floats
    quantiles: Floats
    ratio: Floats
    relative: Floats
    verdict: NDArray[np.str_]


@dataclass(frozen=True, eq=False, repr=False)
class Flow:
    """The flow of a gradient through a net; see `diagnose`. It prints as a table.

    Arrays have an entry per unit of the net, inputs included, in the order of `net.names` [n]. Over time, each step
    of a sequence that counts is a sample here.

    Attributes:
        names: of the units.
        level: the level of each unit, `Net.level`.
        is_input: whether it is an input; its delta is dL/dx, and it has no activation.
        is_output: whether the loss sees it.
        reaches: whether a path leads from it to the loss.
        delta_mean: mean of |delta|.
        delta_rms: root mean square of delta.
        zero: share of samples with a delta of exactly 0.
        saturated: share of samples where |sigma'| is at most `SATURATED` of the largest that this activation has
            (at `SLOPES_AT`); nan at inputs. A relu is saturated where it does not fire.
        phi_mean: mean of phi.
        phi_std: standard deviation of phi, its spread.
        weight_gradient: norm of the gradient of the mean loss by the weights that lead in, as `Net.weight_gradient` has
            it: of constants, too, and of a weight that is shared the part of this link.
        bias_gradient: magnitude of that by the bias.
        weight_norm: norm of these weights.
        lag_rms: rms delta so many steps before the last one of a sequence, where the loss of that step alone counts
            [L], over the neurons that this loss reaches through time at all; nothing for nets without delays.
        loss: the mean loss of the samples looked at.
        samples: number of samples, or sequences, looked at.
    """

    names: Sequence[str]
    level: Ints
    is_input: Bools
    is_output: Bools
    reaches: Bools
    delta_mean: Floats
    delta_rms: Floats
    zero: Floats
    saturated: Floats
    phi_mean: Floats
    phi_std: Floats
    weight_gradient: Floats
    bias_gradient: Floats
    weight_norm: Floats
    lag_rms: Floats
    loss: float
    samples: int

    @property
    def dead(self) -> Bools:
        """Whether a unit has a path to the loss, but a delta of exactly 0 for every sample [n].

        A neuron that is saturated for all of them died by itself, as a relu that never fires; else what it feeds did.
        """
        dead: Bools = self.reaches & (self.zero == 1.0)
        return dead

    @property
    def detached(self) -> list[str]:
        """Names of the units without a path to the loss."""
        return self._named(~self.reaches)

    @property
    def gradient_ratio(self) -> Floats:
        """Norm of the gradient of the weights that lead in, over the norm of these weights [n]; nan without any."""
        with np.errstate(all="ignore"):
            ratio: Floats = self.weight_gradient / self.weight_norm
        return ratio

    @property
    def lag_factor(self) -> float:
        """The factor by which delta changes per step back in time: `factor_per_step` of `lag_rms`."""
        return factor_per_step(self.lag_rms)

    @property
    def lag_verdict(self) -> str:
        """"vanishing" or "exploding" where delta changes a hundredfold over the sequence, else "healthy".

        "" where there is nothing to compare.
        """
        with np.errstate(all="ignore"):
            total = np.float64(self.lag_factor) ** (len(self.lag_rms) - 1)
        if np.isnan(total):
            return ""
        return "vanishing" if total < VANISHING else "exploding" if total > EXPLODING else "healthy"

    @functools.cached_property
    def levels(self) -> Levels:
        """The same, level by level."""
        count = int(self.level.max(initial=-1)) + 1
        known = self.reaches & np.isfinite(self.delta_rms) & (self.delta_rms > 0.0)
        rms, saturated, relative, ratio = (np.full(count, np.nan) for _ in range(4))
        quantiles = np.full((count, len(QUANTILES)), np.nan)
        size, dead, detached, broken = (
            np.bincount(self.level[which], minlength=count)
            for which in (..., self.dead, ~self.reaches, self.reaches & ~np.isfinite(self.delta_rms))
        )
        for k, units in _by_level(self.level, known):
            rms[k] = _geometric_mean(self.delta_rms[units])
            quantiles[k] = np.quantile(self.delta_rms[units], QUANTILES)
        for k, units in _by_level(self.level, ~self.is_input):
            saturated[k] = self.saturated[units].mean()
        there = np.flatnonzero(~np.isnan(rms))
        with np.errstate(all="ignore"):  # from 1e-300 to 1e300 is too far for a quotient: that is inf
            ratio[there[:-1]] = (rms[there[:-1]] / rms[there[1:]]) ** (1.0 / np.diff(there))
            if (known & self.is_output).any():
                relative = rms / _geometric_mean(self.delta_rms[known & self.is_output])
        verdict = np.select(
            [
                np.bincount(self.level[~self.is_input], minlength=count) == 0, detached == size, broken > 0,
                dead + detached == size, np.isnan(relative), relative < VANISHING, relative > EXPLODING,
            ],
            ["", "detached", "not finite", "dead", "not finite", "vanishing", "exploding"],
            "healthy",
        )  # fmt: skip
        return Levels(size, dead, detached, saturated, rms, quantiles, ratio, relative, verdict)

    def _named(self, which: Bools) -> list[str]:
        return [self.names[i] for i in np.flatnonzero(which).tolist()]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Flow):
            return NotImplemented
        return list(self.names) == list(other.names) and all(
            np.array_equal(getattr(self, f.name), getattr(other, f.name), equal_nan=True)
            for f in dataclasses.fields(self)
            if f.name != "names"
        )

    __hash__ = None  # type: ignore[assignment]

    # In words. ---------------------------------------------------------------------------------------------------

    def table(self, *names: str) -> str:
        """Return a table with a row per unit, the ones nearest to the loss first.

        Args:
            names: the units to show; default all.

        Raises:
            KeyError: if a unit is not there.
        """
        place = {name: i for i, name in enumerate(self.names)}
        unknown = [name for name in names if name not in place]
        if unknown:
            raise KeyError(f"there is no unit {unknown[0]!r}; there are {_listed(self.names)}")
        rows = [place[name] for name in names] if names else np.argsort(-self.level, kind="stable").tolist()
        heads = ["unit", "level", "mean |delta|", "rms", "zero", "saturated", "phi", "+-", "|dL/dw|", "|dL/db|",
                 "|dL/dw|/|w|", ""]  # fmt: skip
        ratio, dead = self.gradient_ratio, self.dead
        return _table(heads, [
            [
                self.names[i], str(self.level[i]), *_numbers(self.delta_mean[i], self.delta_rms[i]),
                _share(self.zero[i]), _share(self.saturated[i]), *_numbers(self.phi_mean[i], self.phi_std[i]),
                *_numbers(self.weight_gradient[i], self.bias_gradient[i], ratio[i]),
                "no path to the loss" if not self.reaches[i] else "dead" if dead[i] else "",
            ]
            for i in rows
        ])  # fmt: skip

    def __str__(self) -> str:
        levels = self.levels
        heads = ["level", "units", "dead", "saturated", "rms delta", "per level", "of outputs", "verdict"]
        rows = [
            [
                "inputs" if not levels.verdict[k] else str(k), str(levels.units[k]), str(levels.dead[k] or "."),
                _share(levels.saturated[k]), *_numbers(levels.rms[k], levels.ratio[k], levels.relative[k]),
                str(levels.verdict[k]),
            ]
            for k in range(len(levels.units))[::-1]
        ]  # fmt: skip
        if len(rows) > MOST_LEVELS:
            half, more = MOST_LEVELS // 2, len(rows) - MOST_LEVELS
            rows[half:-half] = [["...", *[""] * (len(heads) - 2), f"({more:,} more levels)"]]
        lines = [f"{self._measured()}, from the loss back", _table(heads, rows)]
        if len(self.lag_rms):
            lines.append(f"back in time: {self._over_time()}")
        neurons = ~self.is_input
        for what, which in (
            ("dead", self.dead & neurons),
            ("always saturated", (self.saturated == 1.0) & ~self.dead & self.reaches),
            ("no path to the loss", ~self.reaches),
        ):
            if which.any():
                lines.append(f"{what}: {_listed(self._named(which))}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        words, counts = np.unique(self.levels.verdict[self.levels.verdict != ""], return_counts=True)
        found = zip(words.tolist(), counts.tolist(), strict=True)
        facts = [f"{count} level{'s' * (count > 1)} {word}" for word, count in found]
        dead = int((self.dead & ~self.is_input).sum())
        facts += [f"{dead} dead neuron{'s' * (dead > 1)}"] if dead else []
        facts += [f"{self._over_time()} back in time"] if len(self.lag_rms) else []
        return f"<Flow: {', '.join([self._measured(), *facts])}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def _measured(self) -> str:
        return f"{self.samples:,} sample{'s' * (self.samples != 1)}, loss {self.loss:.4g}"

    def _over_time(self) -> str:
        verdict, steps = self.lag_verdict, len(self.lag_rms) - 1
        return f"x{self.lag_factor:.4g} a step over {steps} ({verdict})" if verdict else "nothing to compare"


def factor_per_step(rms: Floats) -> float:
    """Return the factor by which sizes change per step; nan without two of them.

    It is the least-squares line through their logarithms; what is 0, not finite, or so small that its digits are lost
    is left out.

    Args:
        rms: sizes of delta, step after step [L].

    >>> round(factor_per_step(np.array([1.0, 0.5, 0.25, 0.0])), 6)
    0.5
    """
    steps = np.flatnonzero(np.isfinite(rms) & (rms >= np.finfo(float).tiny))
    if len(steps) < 2:
        return np.nan
    apart = steps - steps.mean()
    return float(np.exp(apart @ np.log(rms[steps]) / (apart @ apart)))


def diagnose(
    net: Net,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: Any = "mse",
    lengths: ArrayLike | None = None,
    at: str | None = None,
    most: int = 256,
    seed: Any = 0,
) -> Flow:
    """Return how the gradient flows through a net: per neuron, per level, back in time.

    One forward and sweep tell all of it. What the net shows (a, phi, delta, loss, gradients) is left as it is.

    Args:
        net: the net.
        x: samples [N, p], or one [p]; of a net with delays sequences [N, T, p], or one [T, p].
        y: targets, as for `Net.sweep`.
        loss: a name of `autograd.learn.LOSSES` or a formula ``loss(phi, y)``.
        lengths: number of steps of every sequence that count [N]; default all.
        at: at which steps of a sequence the loss is taken, as for `Net.sweep`.
        most: of more samples than this, so many are drawn.
        seed: of the drawing: an int or a numpy Generator.

    Raises:
        ValueError: for wrong shapes and for data that is not finite, in all the samples, and for a `most` below 1.

    >>> net = Net.from_edges([("x", "h1", 1.0), ("h1", "h2", 1.0), ("h2", "y", 1.0)], activations="sigmoid", biases={
    ...     "h2": -0.5})
    >>> flow = diagnose(net, [[0.0]], [1.0])
    >>> flow.levels.ratio
    array([1.  , 0.25, 0.25,  nan])
    >>> print(flow)
    1 sample, loss 0.25, from the loss back
    level   units  dead  saturated  rms delta  per level  of outputs  verdict
    3           1     .        0 %          1                      1  healthy
    2           1     .        0 %       0.25       0.25        0.25  healthy
    1           1     .        0 %     0.0625       0.25      0.0625  healthy
    inputs      1     .                0.0625          1      0.0625
    """
    return Probe.of(net, x, y, loss=loss, lengths=lengths, at=at, most=most, seed=seed)()


@dataclass(frozen=True, slots=True)
class Probe:
    """The samples that a net is looked at with, checked once: ``probe(parameters)`` is the flow at these.

    Attributes:
        net: the net.
        x: the inputs [N, T, p].
        lengths: how many steps count [N].
        seen: what the loss sees.
    """

    net: Net
    x: Floats
    lengths: Ints
    seen: Seen

    @classmethod
    def of(
        cls,
        net: Net,
        x: ArrayLike,
        y: ArrayLike,
        *,
        loss: Any = "mse",
        lengths: ArrayLike | None = None,
        at: str | None = None,
        most: int = 256,
        seed: Any = 0,
    ) -> Probe:
        """Check data and draw samples from it; see `diagnose` for the arguments."""
        most = as_count(most, "most")
        net._evaluable()
        data = net._data(x, lengths)
        seen = net._seen(y, loss, data.lengths, at, data.x.shape[1], data.one)
        if len(data.x) <= most:
            return cls(net, data.x, data.lengths, seen)
        drawn = np.sort(np.random.default_rng(seed).choice(len(data.x), most, replace=False))
        kept = np.isin(seen.row, drawn)
        row = np.searchsorted(drawn, seen.row[kept])
        seen = Seen(seen.loss, row, seen.step[kept], seen.targets[:, kept])
        return cls(net, data.x[drawn], data.lengths[drawn], seen)

    def __call__(self, parameters: ArrayLike | None = None) -> Flow:
        """Return the flow.

        Args:
            parameters: look at the net at this vector instead of its own parameters.
        """
        net, (samples, steps, _) = self.net, self.x.shape
        passes, at = net._evaluable(), net._at(parameters)
        graph, back, n = passes.graph, passes.graph.max_delay, len(net)
        blocks: list[_Block] = []
        total, by_weight, by_bias = 0.0, np.zeros(len(at.weights)), np.zeros(n)
        for rows in slices(samples, block_size(graph.size, samples, steps + back)):
            before = passes.frames(at.initial, rows.stop - rows.start)
            state = passes.forward(at, self.x[rows].transpose(1, 2, 0), before)
            losses, slopes = self.seen.part(rows, slice(0, steps)).losses(state.phi[back:, graph.outputs])
            delta, add = passes.backward(at, state, slopes)
            total += losses
            with np.errstate(all="ignore"):
                by_weight, by_bias = by_weight + add.weights, by_bias + add.biases
                lags = self._by_lag(at, state, slopes, delta, self.lengths[rows]) if back else ()
                counted = np.arange(steps)[:, None] < self.lengths[rows]
                blocks.append(self._block(state, delta, counted, *lags))
        seen, is_input, is_output = len(self.seen.row), np.zeros(n, bool), np.zeros(n, bool)
        is_input[net.inputs] = is_output[net.outputs] = True
        with np.errstate(all="ignore"):
            return Flow(
                list(net.names), net.level.copy(), is_input, is_output, graph.reaches[:n].copy(), *_merged(blocks),
                norms(by_weight / seen, net.target, n), np.abs(by_bias / seen), norms(at.weights, net.target, n),
                _over_lags(blocks, is_input) if back else np.empty(0), total / seen, samples,
            )  # fmt: skip

    def _block(self, state: State, delta: Floats, counted: Bools, *lags: Floats) -> _Block:
        """Return the statistics of some samples; the steps that count are given [T, N]."""
        n, back = len(self.net), len(delta) - len(state.a)
        a, phi, delta = (x[:, :n].transpose(1, 0, 2)[:, counted] for x in (state.a, state.phi[back:], delta[back:]))
        mean = phi.mean(axis=1)
        return _Block(
            a.shape[1], _power_mean(np.abs(delta), 1), _power_mean(delta, 2), (delta == 0.0).sum(axis=1),
            _saturated(self.net.activations, a, phi), mean, _power_mean(phi - mean[:, None], 2), *lags,
        )  # fmt: skip

    def _by_lag(self, at: Parameters, state: State, slopes: Floats, delta: Floats, lengths: Ints) -> tuple[Any, ...]:
        """Return by steps before the last one the number of sequences [L], and rms delta of its loss alone [n, L]."""
        n, steps = len(self.net), len(slopes)
        alone = np.where((np.arange(steps)[:, None] == lengths - 1)[:, None], slopes, 0.0)
        if not np.array_equal(alone, slopes, equal_nan=True):  # other steps have losses, too
            delta, _ = self.net._evaluable().backward(at, state, alone)
        step = lengths - 1 - np.arange(steps)[:, None]
        there = step >= 0
        back = len(delta) - steps
        found = delta[back + np.maximum(step, 0), :n, np.arange(len(lengths))].transpose(2, 0, 1)
        return there.sum(axis=1), _power_mean(np.where(there, found, 0.0), 2, there)


@runtime_checkable
class Watch(Protocol):
    """What a training reports to: ``fit(..., diagnose=watch)``.

    The parameters that it is given are those of the training itself: it may keep them, and must not change them. The
    probe looks at them whenever it is asked to, so that a watch that only keeps them costs a training next to nothing;
    `visualize.record` makes one.
    """

    def begin(self, probe: Probe, parameters: Floats, history: History) -> None:
        """Take note of a training before its first epoch, or before it goes on.

        Args:
            probe: how to look at this net: ``probe(parameters)`` is the flow, always on the same samples.
            parameters: those that it starts from.
            history: the course so far; of a training that is resumed it has epochs already.
        """

    def epoch(self, parameters: Floats, before: Floats, history: History) -> None:
        """Take note of an epoch that is done; an exception ends the training.

        Args:
            parameters: those after it.
            before: those before its last step.
            history: the course so far, this epoch included. It is the same object as in `begin`.
        """


class _Block(NamedTuple):
    """Statistics of the samples of a block, per unit [n]; over time by steps before the last one, too [L], [n, L]."""

    samples: int
    size: Floats
    rms: Floats
    zeros: Ints
    saturated: Floats
    phi: Floats
    spread: Floats
    lag_count: Any = None
    lag_rms: Any = None


def _merged(blocks: Sequence[_Block]) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Return the statistics of all samples: `delta_mean` to `phi_std`, as `Flow` has them."""
    counts = np.array([block.samples for block in blocks], float)
    size, rms, zeros, saturated, phi, spread = (np.stack(x, axis=-1) for x in list(zip(*blocks, strict=True))[1:7])
    mean = phi @ (counts / counts.sum())
    around = np.hypot(_power_mean(spread, 2, counts), _power_mean(phi - mean[:, None], 2, counts))
    zero, flat = (x.sum(axis=1) / counts.sum() for x in (zeros, saturated))
    return _power_mean(size, 1, counts), _power_mean(rms, 2, counts), zero, flat, mean, around


def _over_lags(blocks: Sequence[_Block], is_input: Bools) -> Floats:
    """Return rms delta by lag [L] over the neurons that carry a gradient back in time."""
    counts = np.stack([block.lag_count for block in blocks], axis=-1)
    rms = _power_mean(np.stack([block.lag_rms for block in blocks], axis=-1), 2, counts)[:, counts.any(axis=1)]
    carry = ~is_input & (rms[:, 1:] != 0.0).any(axis=1)
    return _power_mean(rms[carry].T, 2) if carry.any() else np.zeros(rms.shape[1])


def _saturated(activations: Sequence[Activation | None], a: Floats, phi: Floats) -> Floats:
    """Return for how many samples each unit is saturated [n]; nan for inputs."""
    found = np.full(len(a), np.nan)
    alike: dict[Activation, list[int]] = {}
    for i, sigma in enumerate(activations):
        if sigma is not None:
            alike.setdefault(sigma, []).append(i)
    for sigma, units in alike.items():
        slopes = _slopes(sigma, SLOPES_AT, sigma.value(SLOPES_AT))
        largest = slopes[np.isfinite(slopes)].max(initial=0.0)
        found[units] = (_slopes(sigma, a[units], phi[units]) <= SATURATED * largest).sum(axis=1)
    return found


def _slopes(sigma: Activation, a: Floats, phi: Floats) -> Floats:
    slope = sigma.slope(a, phi)
    return np.where(slope == ABSENT, 0.0, np.abs(slope))


def _power_mean(x: Floats, power: int, weights: NDArray[Any] | None = None) -> Floats:
    """Return mean(|x|^power)^(1/power) along the last axis, 0 where all weights are 0.

    The numbers are scaled first: the square of 1e-200 must not come out as 0, which would be a dead neuron.
    """
    largest = np.abs(x).max(axis=-1, initial=0.0, keepdims=True)
    unit = np.where((largest > 0.0) & np.isfinite(largest), largest, 1.0)
    scaled = np.abs(x / unit) ** power
    if weights is None:
        mean = scaled.mean(axis=-1)
    else:
        mean = (scaled * weights).sum(axis=-1) / np.maximum(weights.sum(axis=-1), 1)
    return np.asarray(unit[..., 0] * mean ** (1.0 / power))


def norms(x: Floats, owner: Ints, owners: int) -> Floats:
    """Return the norm of each owner's part of x, 0 of no part; scaled, so that the square of 1e-200 is no 0."""
    largest = np.zeros(owners)
    np.maximum.at(largest, owner, np.abs(x))
    unit = np.where((largest > 0.0) & np.isfinite(largest), largest, 1.0)
    return np.asarray(unit * np.sqrt(np.bincount(owner, np.square(x / unit[owner]), owners)))


def _by_level(level: Ints, which: Bools) -> Iterable[tuple[int, Ints]]:
    """Return each level that has some of these units, with their positions."""
    units = np.flatnonzero(which)
    units = units[np.argsort(level[units], kind="stable")]
    found, first = np.unique(level[units], return_index=True)
    return zip(found.tolist(), np.split(units, first[1:]), strict=True) if len(units) else ()


def _geometric_mean(x: Floats) -> float:
    largest = x.max()  # equal numbers come out as they are
    with np.errstate(under="ignore"):
        return float(largest * np.exp((np.log(x) - np.log(largest)).mean()))


# Tables. -------------------------------------------------------------------------------------------------------------


def _numbers(*xs: float) -> list[str]:
    return ["" if np.isnan(x) else f"{x:.3g}" for x in xs]


def _share(x: float) -> str:
    """Return a share in per cent, and neither 0 % nor 100 % where it is not quite that."""
    if np.isnan(x):
        return ""
    whole = round(100 * x)
    return "<1 %" if whole == 0 and x > 0 else ">99 %" if whole == 100 and x < 1 else f"{whole} %"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return aligned columns, the first and the last to the left."""
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    left = (0, len(heads) - 1)
    return "\n".join(
        "  ".join(x.ljust(w) if k in left else x.rjust(w) for k, (x, w) in enumerate(zip(line, widths, strict=True)))
        .rstrip()
        for line in lines
    )  # fmt: skip
