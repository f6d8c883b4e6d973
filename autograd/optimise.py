"""Optimisers: how weights move along a gradient. They know neither nets nor losses.

An *optimiser* is a small pure step over a flat vector of weights w: ``init(w)`` gives the first state and
``step(w, gradient, state)`` the weights and the state after a step. States are tuples of numbers and arrays, so that
a training can be saved and resumed exactly. A *schedule* says how the rate changes from step to step. A *solver*
wants more than one gradient: `LBFGS` takes the whole function, `LevenbergMarquardt` the residuals and their Jacobian.
"""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from autograd.op import did_you_mean

Floats = NDArray[np.float64]

#: The size of the steps: a number, or a function of the number of steps done before, such as a `Schedule`. What it
#: returns must be a finite number of at least 0.
Rate = float | Callable[[int], float]


# Schedules. -----------------------------------------------------------------------------------------------------------


class Schedule(ABC):
    """A factor for each step, counted from 0. ``rate * schedule`` and ``schedule * schedule`` are schedules, too.

    A step is a batch: an epoch of N samples in batches of B has ceil(N / B) steps.

    >>> rate = 0.1 * Warmup(10) * Cosine(100)
    >>> [round(rate(step), 4) for step in (0, 5, 10, 50, 100)]
    [0.0, 0.0497, 0.0976, 0.05, 0.0]
    """

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the factor at this step."""

    def __mul__(self, other: float | Schedule) -> Schedule:
        if not isinstance(other, Schedule) and not _is_number(other):
            return NotImplemented
        return Product(self, other if isinstance(other, Schedule) else Constant(other))

    __rmul__ = __mul__


@dataclass(frozen=True, slots=True)
class Constant(Schedule):
    """The same factor at every step.

    Args:
        factor: above 0.
    """

    factor: float = 1.0

    def __post_init__(self) -> None:
        check_positive(self.factor, "factor")

    def __call__(self, step: int) -> float:
        """Return the factor at this step."""
        return float(self.factor)


@dataclass(frozen=True, slots=True)
class StepDecay(Schedule):
    """The factor is multiplied by a number after every so many steps: factor ** floor(step / every).

    Args:
        every: steps from one change to the next.
        factor: above 0.
    """

    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_count(self.every, "every")
        check_positive(self.factor, "factor")

    def __call__(self, step: int) -> float:
        """Return the factor at this step."""
        return float(self.factor ** (step // self.every))


@dataclass(frozen=True, slots=True)
class Exponential(Schedule):
    """The factor shrinks by the same share at every step: factor ** step.

    Args:
        factor: above 0 and at most 1.
    """

    factor: float

    def __post_init__(self) -> None:
        check_within(self.factor, "factor", 0.0, 1.0)

    def __call__(self, step: int) -> float:
        """Return the factor at this step."""
        return float(self.factor**step)


@dataclass(frozen=True, slots=True)
class Cosine(Schedule):
    """Half a cosine from 1 down to `end` (I. Loshchilov, F. Hutter, "SGDR", 2017, equation 5).

    Args:
        steps: steps of the way down; afterwards the factor stays at `end`, or starts anew.
        end: where it ends, from 0 to 1.
        restarts: whether it starts anew at 1 when the end is reached ("warm restarts").
        growth: how many times as long each way down is as the one before (SGDR's T_mult).
    """

    steps: int
    end: float = 0.0
    restarts: bool = False
    growth: int = 1

    def __post_init__(self) -> None:
        check_count(self.steps, "steps")
        check_count(self.growth, "growth")
        check_within(self.end, "end", 0.0, 1.0, least_too=True)

    def __call__(self, step: int) -> float:
        """Return the factor at this step."""
        length = self.steps
        if not self.restarts:
            step = min(step, length)
        elif self.growth == 1:
            step %= length
        else:
            while step >= length:
                step, length = step - length, length * self.growth
        return _between(1.0, self.end, step / length)


@dataclass(frozen=True, slots=True)
class Warmup(Schedule):
    """A straight line from `start` up to 1, where it stays.

    Args:
        steps: steps of the way up.
        start: the factor of the first step, from 0 to 1. At 0 the first step does not move the weights.
    """

    steps: int
    start: float = 0.0

    def __post_init__(self) -> None:
        check_count(self.steps, "steps")
        check_within(self.start, "start", 0.0, 1.0, least_too=True)

    def __call__(self, step: int) -> float:
        """Return the factor at this step."""
        return self.start + (1.0 - self.start) * min(1.0, step / self.steps)


@dataclass(frozen=True, slots=True)
class OneCycle(Schedule):
    """Up from `start` to 1 and down to `end`, both as half a cosine (L. Smith, N. Topin, 2018).

    Args:
        steps: steps of the whole cycle; afterwards the factor stays at `end`.
        rise: the share of them that leads up, above 0 and below 1.
        start: the factor of the first step, from 0 to 1.
        end: the factor at the end, from 0 to 1.
    """

    steps: int
    rise: float = 0.3
    start: float = 0.04
    end: float = 4e-6

    def __post_init__(self) -> None:
        check_count(self.steps, "steps")
        check_within(self.rise, "rise", 0.0, 1.0, most_too=False)
        check_within(self.start, "start", 0.0, 1.0, least_too=True)
        check_within(self.end, "end", 0.0, 1.0, least_too=True)

    def __call__(self, step: int) -> float:
        """Return the factor at this step."""
        peak = self.rise * self.steps
        if step < peak:
            return _between(self.start, 1.0, step / peak)
        return _between(1.0, self.end, min(1.0, (step - peak) / (self.steps - peak)))


@dataclass(frozen=True, slots=True)
class Product(Schedule):
    """The product of two schedules, as ``a * b`` makes it."""

    a: Schedule
    b: Schedule

    def __call__(self, step: int) -> float:
        """Return the factor at this step."""
        return self.a(step) * self.b(step)


def _between(first: float, last: float, share: float) -> float:
    """Return the point of half a cosine from first to last."""
    return last + (first - last) * (1.0 + math.cos(math.pi * share)) / 2.0


def _rate_at(rate: Rate, step: int) -> float:
    """Return the rate of a step; a schedule of a user's may return anything, so what it returns is checked."""
    if not callable(rate):
        return rate
    found = rate(step)
    if not (_is_number(found) and 0.0 <= found < math.inf):
        name = rate if isinstance(rate, Schedule) else getattr(rate, "__qualname__", repr(rate))
        raise ValueError(f"the schedule {name} returned {found!r} at step {step}; a rate is a number of at least 0")
    return float(found)


# Optimisers. ----------------------------------------------------------------------------------------------------------


class Optimiser(Protocol):
    """What `autograd.learn.fit` needs of an optimiser: two pure functions, the state being the caller's.

    One whose steps only make sense on the gradient of all samples may say so by ``full_batch = True``; `fit` then
    gives it that, and refuses smaller batches.
    """

    def init(self, w: Floats) -> Any:
        """Return the state before the first step from the weights w."""
        ...

    def step(self, w: Floats, gradient: Floats, state: Any) -> tuple[Floats, Any]:
        """Return the weights and the state after a step; the arguments stay as they are."""
        ...


class Velocity(NamedTuple):
    """The state of `SGD`: number of steps, the velocity v."""

    steps: int
    velocity: Floats


@dataclass(frozen=True, slots=True)
class SGD:
    """Gradient descent with momentum: v <- momentum v + gradient, w <- w - rate v.

    Nesterov's variant looks ahead: w <- w - rate (gradient + momentum v), with the new v (I. Sutskever et al., 2013,
    with the velocity in units of the gradient).

    Args:
        rate: the size of the steps, a number or a schedule.
        momentum: share of the last step's v that goes on, from 0 to below 1.
        nesterov: whether to look ahead; it needs a momentum.

    >>> sgd = SGD(rate=0.1)
    >>> w = np.array([1.0])
    >>> w, state = sgd.step(w, 2 * w, sgd.init(w))
    >>> w
    array([0.8])
    """

    rate: Rate = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        _check_rate(self.rate)
        check_share(self.momentum, "momentum")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov=True looks ahead along the momentum; give one, such as momentum=0.9")

    def init(self, w: Floats) -> Velocity:
        """Return the state before the first step."""
        return Velocity(0, np.zeros_like(w))

    def step(self, w: Floats, gradient: Floats, state: Velocity) -> tuple[Floats, Velocity]:
        """Return the weights and the state after a step."""
        velocity = self.momentum * state.velocity + gradient
        direction = gradient + self.momentum * velocity if self.nesterov else velocity
        return w - _rate_at(self.rate, state.steps) * direction, Velocity(state.steps + 1, velocity)


class Squares(NamedTuple):
    """The state of `RMSprop`: number of steps, means of the gradient's square and of itself, the velocity."""

    steps: int
    square: Floats
    mean: Floats
    velocity: Floats


@dataclass(frozen=True, slots=True)
class RMSprop:
    """RMSprop (T. Tieleman, G. Hinton, lecture 6.5 of 2012): steps of the gradient over its root mean square.

    Args:
        rate: the size of the steps, a number or a schedule.
        decay: how slowly the mean forgets, from 0 to below 1.
        momentum: share of the last step that goes on, from 0 to below 1.
        centred: divide by the standard deviation instead (A. Graves, 2013, equations 38 to 41).
        eps: added to the root.
    """

    rate: Rate = 0.01
    decay: float = 0.99
    momentum: float = 0.0
    centred: bool = False
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _check_rate(self.rate)
        check_share(self.decay, "decay")
        check_share(self.momentum, "momentum")
        check_positive(self.eps, "eps")

    def init(self, w: Floats) -> Squares:
        """Return the state before the first step."""
        return Squares(0, np.zeros_like(w), np.zeros_like(w), np.zeros_like(w))

    def step(self, w: Floats, gradient: Floats, state: Squares) -> tuple[Floats, Squares]:
        """Return the weights and the state after a step."""
        square = self.decay * state.square + (1 - self.decay) * gradient**2
        mean = self.decay * state.mean + (1 - self.decay) * gradient
        # A variance is not negative, though rounding may make the difference so.
        spread = np.sqrt(np.maximum(square - mean**2, 0.0) if self.centred else square)
        velocity = self.momentum * state.velocity + gradient / (spread + self.eps)
        return w - _rate_at(self.rate, state.steps) * velocity, Squares(state.steps + 1, square, mean, velocity)


class Moments(NamedTuple):
    """The state of `Adam` and `AdamW`: number of steps, mean of the gradients, mean of their squares."""

    steps: int
    mean: Floats
    square: Floats


@dataclass(frozen=True, slots=True)
class Adam:
    """Adam (D. Kingma, J. Ba, 2015, algorithm 1): steps of the mean gradient over the root of its mean square.

    Args:
        rate: the size of the steps, a number or a schedule.
        betas: how slowly the two means forget, each from 0 to below 1.
        eps: added to the root.
    """

    rate: Rate = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _check_rate(self.rate)
        check_positive(self.eps, "eps")
        for beta in self.betas:
            check_share(beta, "betas")

    def init(self, w: Floats) -> Moments:
        """Return the state before the first step."""
        return Moments(0, np.zeros_like(w), np.zeros_like(w))

    def step(self, w: Floats, gradient: Floats, state: Moments) -> tuple[Floats, Moments]:
        """Return the weights and the state after a step."""
        b1, b2 = self.betas
        t = state.steps + 1
        mean = b1 * state.mean + (1 - b1) * gradient
        square = b2 * state.square + (1 - b2) * gradient**2
        # The means start at 0; dividing by the share that they have seen removes that bias.
        step = mean / (1 - b1**t) / (np.sqrt(square / (1 - b2**t)) + self.eps)
        return w - _rate_at(self.rate, state.steps) * step, Moments(t, mean, square)


@dataclass(frozen=True, slots=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (I. Loshchilov, F. Hutter, 2019, algorithm 2).

    Each step also takes away rate * decay * w. Unlike the gradient of an l2 term, that share is not divided by the
    root of the mean square. It applies to every parameter, biases included.

    Args:
        rate: the size of the steps, a number or a schedule.
        betas: how slowly the two means forget, each from 0 to below 1.
        eps: added to the root.
        decay: the share of the weights that a step of rate 1 would take away, from 0 to below 1.
    """

    decay: float = 0.01

    def __post_init__(self) -> None:
        Adam.__post_init__(self)
        check_share(self.decay, "decay")

    def step(self, w: Floats, gradient: Floats, state: Moments) -> tuple[Floats, Moments]:
        """Return the weights and the state after a step."""
        moved, after = Adam.step(self, w, gradient, state)
        return moved - _rate_at(self.rate, state.steps) * self.decay * w, after


class Sizes(NamedTuple):
    """The state of `Rprop`: the size of each weight's step, and the gradient before (0 where it was taken back)."""

    size: Floats
    gradient: Floats


@dataclass(frozen=True, slots=True)
class Rprop:
    """Resilient propagation, iRprop- (C. Igel, M. Huesken, 2000): steps by the gradient's sign alone.

    A weight's step grows while its slope keeps the sign; it shrinks where the sign changes, and there the weight
    rests for one step. It compares gradients of one function, so each must be that of all samples: in
    `autograd.learn.fit` smaller batches are refused.

    Args:
        rate: the size of the first steps.
        factors: by how much a step shrinks, above 0 and below 1, and grows, above 1.
        sizes: the smallest and the largest step.
    """

    rate: float = 0.01
    factors: tuple[float, float] = (0.5, 1.2)
    sizes: tuple[float, float] = (1e-6, 50.0)

    full_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if callable(self.rate):
            raise TypeError("Rprop finds the size of its steps itself: its rate is a number, that of the first steps")
        check_positive(self.rate, "rate")
        shrink, grow = self.factors
        check_within(shrink, "the first of factors", 0.0, 1.0, most_too=False)
        check_within(grow, "the second of factors", 1.0, math.inf, most_too=False)
        least, most = self.sizes
        check_positive(least, "the first of sizes")
        check_within(most, "the second of sizes", least, math.inf, most_too=False)

    def init(self, w: Floats) -> Sizes:
        """Return the state before the first step."""
        return Sizes(np.full_like(w, self.rate), np.zeros_like(w))

    def step(self, w: Floats, gradient: Floats, state: Sizes) -> tuple[Floats, Sizes]:
        """Return the weights and the state after a step."""
        same = np.sign(gradient) * np.sign(state.gradient)  # the product of the gradients themselves may underflow
        (shrink, grow), (least, most) = self.factors, self.sizes
        size = np.where(same > 0, np.minimum(state.size * grow, most), state.size)
        size = np.where(same < 0, np.maximum(size * shrink, least), size)
        gradient = np.where(same < 0, 0.0, gradient)
        return w - np.sign(gradient) * size, Sizes(size, gradient)


# Solvers. -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LBFGS:
    """L-BFGS (D. Liu, J. Nocedal, 1989) as scipy has it: steps by curvature seen in the last few gradients.

    Args:
        history: how many steps it remembers.
        tolerance: it has converged when no part of the gradient is larger, or no step lowers the value any more.

    >>> solver = LBFGS()
    >>> w, message = solver.minimise(lambda w: (w @ w, 2 * w), np.array([3.0, -4.0]), iterations=20)
    >>> bool(abs(w).max() < 1e-9)
    True
    """

    history: int = 10
    tolerance: float = 1e-10

    full_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_count(self.history, "history")
        check_positive(self.tolerance, "tolerance")

    def minimise(
        self,
        function: Callable[[Floats], tuple[float, Floats]],
        w: Floats,
        *,
        iterations: int,
        after: Callable[[Floats], object] = lambda w: None,
    ) -> tuple[Floats, str]:
        """Return the weights at the end and, in words, why it ended: "" if all iterations were done.

        Args:
            function: the value and the gradient at w.
            w: where to start.
            iterations: how many at most.
            after: called with the weights after every iteration; an exception that it raises ends it all.

        Raises:
            ImportError: if scipy is not installed.
            FloatingPointError: if value or gradient are not finite at the start. Later such places are avoided.
        """
        try:
            from scipy.optimize import minimize  # type: ignore[import-untyped,unused-ignore]
        except ImportError as error:
            raise ImportError(
                "L-BFGS comes from scipy, which is not installed here: pip install scipy; or choose an optimiser "
                "that needs no scipy, such as 'rprop' or 'adam'"
            ) from error
        best, lowest = w, math.inf

        def walled(x: Floats) -> tuple[float, Floats]:
            """Return value and gradient, or where they are not finite a hill around the best point so far."""
            # scipy's line search has no way back from nan and inf, but it has one from a value that is too high.
            nonlocal best, lowest
            value, gradient = function(x)
            if math.isfinite(value) and np.isfinite(gradient).all():
                if value < lowest:
                    best, lowest = x.copy(), value
                return value, gradient
            if lowest == math.inf:
                raise FloatingPointError(f"the value {value} or its gradient is not finite where L-BFGS starts")
            away, height = x - best, 1.0 + abs(lowest)
            return lowest + height, 2.0 * height * away / (away @ away)

        # scipy's ftol is absolute for values below 1, where a loss has just become interesting: 0 turns it off.
        options = {"maxcor": self.history, "maxiter": iterations, "maxfun": 10**9, "gtol": self.tolerance, "ftol": 0.0}
        found = minimize(walled, w, jac=True, method="L-BFGS-B", callback=lambda xk: after(xk.copy()), options=options)
        small = np.abs(found.jac).max(initial=0.0) <= self.tolerance
        return found.x, "" if found.status == 1 else "the gradient vanishes" if small else "no step lowers the value"


class Damping(NamedTuple):
    """The state of `LevenbergMarquardt`: the damping and its next growth, the scales seen, whether it is done."""

    damping: float
    growth: float
    scale: Floats
    converged: bool


@dataclass(frozen=True, slots=True)
class LevenbergMarquardt:
    """Least squares for few weights: steps h of (J^T J + damping D) h = -J^T r (D. Marquardt, 1963).

    D holds the largest diagonal of J^T J so far, so that the steps do not depend on the units of the weights (J. More,
    1978). The damping follows the gain ratio, what a step gained over what the linear model promised (H. B. Nielsen,
    report IMM-REP-1999-05).

    Args:
        damping: that of the first step, relative to D.
        tolerance: it has converged when no part of the gradient of |r|^2 is larger, or steps are smaller than this
            share of the weights.
        memory: bytes that the Jacobian may take in `autograd.learn.fit`.

    >>> solver, w = LevenbergMarquardt(), np.array([-1.2, 1.0])  # Rosenbrock's valley
    >>> state = solver.init(w)
    >>> while not state.converged:
    ...     w, state = solver.step(
    ...         lambda w: np.array([10 * (w[1] - w[0] ** 2), 1 - w[0]]),
    ...         lambda w: np.array([[-20 * w[0], 10.0], [-1.0, 0.0]]), w, state)
    >>> w.round(9)
    array([1., 1.])
    """

    damping: float = 1e-3
    tolerance: float = 1e-10
    memory: int = 2**30

    full_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_positive(self.damping, "damping")
        check_positive(self.tolerance, "tolerance")
        check_count(self.memory, "memory")

    def init(self, w: Floats) -> Damping:
        """Return the state before the first step."""
        return Damping(float(self.damping), 2.0, np.zeros_like(w), False)

    def step(
        self,
        residuals: Callable[[Floats], Floats],
        jacobian: Callable[[Floats], Floats],
        w: Floats,
        state: Damping,
    ) -> tuple[Floats, Damping]:
        """Return the weights and the state after a step that lowers |r|^2; the same weights once it has converged.

        Args:
            residuals: r [m] at w.
            jacobian: dr/dw [m, P] at w.
            w: the weights [P].
            state: what `init` or the last step returned.

        Raises:
            FloatingPointError: if residuals or Jacobian at w are not finite.
        """
        r = residuals(w)
        j = jacobian(w) if np.isfinite(r).all() else r
        if not np.isfinite(j).all():
            raise FloatingPointError("the residuals or their Jacobian are not finite where the step starts")
        with np.errstate(all="ignore"):  # a trial that overflows is refused
            curvature, slope, cost = j.T @ j, j.T @ r, float(r @ r)
            scale = np.maximum(state.scale, curvature.diagonal())
            metric = np.where(scale > 0.0, scale, 1.0)  # a weight that no residual has seen yet stays where it is
            damping, growth = state.damping, state.growth
            while 2.0 * np.abs(slope).max(initial=0.0) > self.tolerance and damping < _HOPELESS:
                h = _solve(curvature + np.diag(damping * metric), -slope)
                if np.linalg.norm(h) <= self.tolerance * (np.linalg.norm(w) + self.tolerance):
                    break
                trial = residuals(w + h) if np.isfinite(h).all() else r
                gained, promised = cost - float(trial @ trial), float(h @ (damping * metric * h - slope))
                if gained > 0.0 and promised > 0.0:  # false for nan, too
                    gain = min(1.0, gained / promised)
                    damping = max(damping * max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3), _FAINT)
                    return w + h, Damping(damping, 2.0, scale, False)
                damping, growth = damping * growth, growth * 2.0
        return w, Damping(damping, growth, scale, True)


#: Bounds of the damping: above the first a step no longer changes a double, below the second it damps nothing.
_HOPELESS, _FAINT = 1e20, 1e-20


def _solve(matrix: Floats, right: Floats) -> Floats:
    """Return the solution, or nan for a singular matrix: a step that will be refused."""
    try:
        solution: Floats = np.asarray(np.linalg.solve(matrix, right), np.float64)
    except np.linalg.LinAlgError:
        return np.full_like(right, math.nan)
    return solution


# Names. ---------------------------------------------------------------------------------------------------------------

Solver = LBFGS | LevenbergMarquardt

OPTIMISERS: dict[str, Callable[..., Any]] = {
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
    "rprop": Rprop,
    "lbfgs": LBFGS,
    "lm": LevenbergMarquardt,
}


def find_optimiser(optimiser: Any, rate: Rate | None = None) -> Optimiser | Solver:
    """Return the optimiser or solver for a name with this rate, or the given instance.

    Args:
        optimiser: a name in `OPTIMISERS`, an `Optimiser`, or a solver.
        rate: a number or a schedule, for an optimiser given by name; None is its default.

    Raises:
        ValueError: for an unknown name, a rate beside an instance, which has its own, or beside a solver.
        TypeError: for what is neither.
    """
    if isinstance(optimiser, str):
        if optimiser not in OPTIMISERS:
            raise ValueError(
                f"unknown optimiser {optimiser!r}{did_you_mean(optimiser, OPTIMISERS)}; there are "
                f"{', '.join(OPTIMISERS)}, or give an instance such as SGD(0.1, momentum=0.9)"
            )
        if rate is not None and optimiser in ("lbfgs", "lm"):
            raise ValueError(f"{optimiser!r} finds the size of its steps itself; leave out rate={rate}")
        made: Optimiser | Solver = OPTIMISERS[optimiser](**({} if rate is None else {"rate": rate}))
        return made
    steps = hasattr(optimiser, "init") and hasattr(optimiser, "step")
    if isinstance(optimiser, type) or not (steps or isinstance(optimiser, LBFGS)):
        raise TypeError(f"an optimiser is a name or an instance such as Adam(0.01), got {optimiser!r}")
    if rate is not None:
        raise ValueError(f"{optimiser!r} has a rate of its own; leave out rate={rate}")
    result: Optimiser | Solver = optimiser
    return result


# Reading what users give. ---------------------------------------------------------------------------------------------


def _is_number(x: Any) -> bool:
    return isinstance(x, numbers.Real) and not isinstance(x, bool)


def _check_rate(rate: Rate) -> None:
    if isinstance(rate, type):
        raise TypeError(f"rate is a number or a schedule such as 0.1 * Cosine(1000), got the class {rate.__name__}")
    if not callable(rate):
        check_positive(rate, "rate")


def check_positive(x: float, what: str) -> None:
    """Refuse what is no finite number above 0."""
    if not (_is_number(x) and 0 < x < math.inf):
        raise ValueError(f"{what} is a number above 0, got {x!r}")


def check_share(x: float, what: str) -> None:
    """Refuse what is no number from 0 to below 1."""
    if not (_is_number(x) and 0 <= x < 1):
        raise ValueError(f"{what} is a number from 0 to below 1, got {x!r}")


def check_within(
    x: float, what: str, least: float, most: float, *, least_too: bool = False, most_too: bool = True
) -> None:
    """Refuse what is no number between the bounds."""
    if not (_is_number(x) and (least < x < most or (x == least and least_too) or (x == most and most_too))):
        words = f"{'from' if least_too else 'above'} {least:g}"
        if most < math.inf:
            words += f" {'to' if least_too and most_too else 'and at most' if most_too else 'and below'} {most:g}"
        raise ValueError(f"{what} is a number {words}, got {x!r}")


def check_count(x: int, what: str) -> None:
    """Refuse what is no whole number of at least 1."""
    if isinstance(x, bool) or not isinstance(x, numbers.Integral) or x < 1:
        raise ValueError(f"{what} is a whole number of at least 1, got {x!r}")
