"""Gradients held against finite differences whose own error is known.

`check_gradient` compares the reverse sweep, the forward sweep and second derivatives of a function, or a gradient from
anywhere else, with central differences over a ladder of steps, extrapolated (Ridders). The noise of the function is
measured, the spread of the extrapolation is the error, and the tolerance follows from both: no fixed epsilon. What
rounding leaves open is called undecidable, and a kink a kink; only a wrong gradient fails. A float64 difference seldom
knows a derivative better than to about 1e-11 of itself, so a smaller mistake passes.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from autograd.calculus import _fill, _is_array, _leaves, hvp, jvp, value_and_grad
from autograd.value import Value, no_grad

#: What can be said of a derivative; the check fails on "wrong" alone.
VERDICTS = ("ok", "wrong", "undecidable", "subgradient", "invalid")

_ULP = 2.0**-53
_LEVELS = 22  # steps 2^-3, 2^-5, ... 2^-45 of the scale of the argument
_SAFETY = 10.0  # an extrapolation's spread is not a bound
_DECIDED = 1e-3  # a tolerance above this part of the slope decides nothing


class GradientError(AssertionError):
    """A derivative that finite differences contradict; `report` has the whole finding."""

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True)
class Finding:
    """One derivative, what it should be, and the verdict.

    Attributes:
        path: which argument, such as ``x['w'][2]``.
        mode: "reverse", "forward", "gradient" (a claimed one), or "second, along ..." with the direction.
        claimed: the derivative under test.
        expected: the finite difference.
        error: the estimated error of `expected`.
        tolerance: how far the two may be apart: from `error` and the rounding of `claimed`.
        slopes: the one-sided slopes, to the left and to the right.
        verdict: one of `VERDICTS`.
    """

    path: str
    mode: str
    claimed: float
    expected: float
    error: float
    tolerance: float
    slopes: tuple[float, float]
    verdict: str

    def __str__(self) -> str:
        what = f"{self.path} ({self.mode}): {self.claimed!r}"
        if self.verdict == "invalid":
            return f"{what}, not finite"
        if self.verdict == "subgradient":
            return f"{what}, at a kink with slopes {self.slopes[0]:.6g} and {self.slopes[1]:.6g}"
        expected = f"{what}, expected {self.expected:.15g} +- {self.error:.1g}"
        if self.verdict == "wrong":
            return f"{expected}, off by {abs(self.claimed - self.expected):.3g}"
        return expected


@dataclass(frozen=True)
class Report:
    """What `check_gradient` found.

    Attributes:
        name: of the function.
        point: where the check was made.
        value: the function's value there.
        findings: one per derivative that was checked.
    """

    name: str
    point: Any
    value: float
    findings: tuple[Finding, ...] = field(repr=False)

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """The derivatives that finite differences contradict, the grossest first."""
        found = [x for x in self.findings if x.verdict == "wrong"]
        return tuple(sorted(found, key=lambda x: -abs(x.claimed - x.expected) / (x.tolerance or _ULP)))

    @property
    def verdict(self) -> str:
        """The verdict on the whole: wrong before invalid, undecidable, subgradient, ok."""
        verdicts = {x.verdict for x in self.findings}
        return next(v for v in ("wrong", "invalid", "undecidable", "subgradient", "ok") if v in verdicts)

    def __str__(self) -> str:
        lines = [f"{self.name} = {self.value!r} at {self.point!r}: {self.verdict}"]
        return "\n".join(lines + [f"  {x.verdict:11} {x}" for x in self.findings])


def check_gradient(
    f: Callable[[Any], Any],
    x: Any,
    *,
    order: int = 2,
    gradient: Any = None,
    directions: int = 3,
    raise_: bool = True,
) -> Report:
    """Check the derivatives of a function at a point against finite differences.

    Args:
        f: takes one argument and returns one number; written for Values, or for plain numbers if `gradient` is given.
        x: the argument: a number, or a list, tuple, dict or array of numbers, nested.
        order: 1 checks the gradient, in reverse and forward; 2 also the Hessian, column by column.
        gradient: a claimed gradient in the shape of x, or a function that returns it, to check instead of ours.
        directions: how many columns of the Hessian, or random directions where x has more numbers than that.
        raise_: False returns the report in any case.

    Returns:
        The report; `print` shows it.

    Raises:
        GradientError: if a derivative is wrong. It is an AssertionError.
        TypeError: if f does not return one number, or x holds something else than numbers.
        ValueError: if x is empty, or f is not deterministic or changes its argument.

    >>> check_gradient(lambda x: x[0] ** 2 * x[1], [3.0, 2.0]).verdict
    'ok'
    >>> check_gradient(lambda x: x[0] ** 2 * x[1], [3.0, 2.0], gradient=[12.0, 8.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autograd.testing.GradientError: d<lambda>/dx[1] is 8.0 (gradient), expected 9 +- ...: off by 1, at x = [3.0, 2.0]
    """
    if order not in (1, 2):
        raise ValueError(f"check_gradient: order is 1 or 2, got {order!r}")
    target = _Target(f, x, plain=gradient is not None)
    xs = target.xs
    if not math.isfinite(target.value):
        unknown = _Slope(_NOTHING, _NOTHING, math.nan)
        return _finish(target, [_judge(path, "value", math.nan, unknown, 0.0) for path in target.paths], raise_)
    claims = {"gradient": _claimed(target, gradient, xs)} if gradient is not None else _sweeps(target)
    if gradient is None:
        jitter = _jitter(target.gradient, xs)
    elif callable(gradient):
        jitter = _jitter(lambda at: _claimed(target, gradient, at), xs)
    else:
        jitter = [0.0] * len(xs)
    findings = []
    for k, path in enumerate(target.paths):

        def along(t: float, k: int = k) -> list[float]:
            return [target.number([*xs[:k], t, *xs[k + 1 :]])]

        (slope,) = _slopes(along, xs[k], 1, math.ulp(xs[k]))
        findings += [_judge(path, mode, claim[k], slope, jitter[k]) for mode, claim in claims.items()]
    if order == 2 and gradient is None and all(x.verdict in ("ok", "undecidable") for x in findings):
        findings += _second(target, directions)
    return _finish(target, findings, raise_)


def _finish(target: _Target, findings: list[Finding], raise_: bool) -> Report:
    report = Report(target.name, target.point, target.value, tuple(findings))
    if report.wrong and raise_:
        x = report.wrong[0]
        more = len(report.wrong) - 1
        of = "the derivative of " if x.mode.startswith("second") else ""
        raise GradientError(
            f"{of}d{target.name}/d{x.path} is {x.claimed!r} ({x.mode}), expected {x.expected:.15g} +- {x.error:.1g}: "
            f"off by {abs(x.claimed - x.expected):.3g}, at x = {target.point!r}" + f" (and {more} more)" * (more > 0),
            report,
        )
    return report


# The function under test. --------------------------------------------------------------------------------------------


class _Target:
    """The function on flat lists of floats, with the promises of a function checked."""

    def __init__(self, f: Callable[[Any], Any], x: Any, plain: bool) -> None:
        self.f = f
        self.plain = plain
        self.name = str(getattr(f, "__name__", f))
        self.xs = [v.data if isinstance(v, Value) else v for v in _leaves(x, "check_gradient: x")]
        if not self.xs:
            raise ValueError(f"check_gradient: x = {x!r} holds no number to differentiate {self.name} by")
        self.tree = copy.copy(x)
        self.paths = list(_paths(x, "x"))
        self.point = self.shaped(self.xs)
        try:
            self.value = self._call(self.xs)
        except Exception as error:
            error.add_note(f"This was raised by {self.name} at x = {self.point!r}, where check_gradient looks at it.")
            raise
        again = self._call(self.xs)
        if again != self.value and not (again != again and self.value != self.value):
            raise ValueError(
                f"check_gradient: {self.name} is not deterministic: it gave {self.value!r} and then {again!r} at the "
                f"same point {self.point!r}; draw random numbers outside of it"
            )

    def shaped(self, leaves: Sequence[Any]) -> Any:
        """Return numbers in the shape of the argument."""
        return _fill(self.tree, iter(leaves))

    def _call(self, xs: Sequence[float]) -> float:
        with no_grad():
            given = list(xs) if self.plain else [Value(x) for x in xs]
            argument = self.shaped(given)
            y = self.f(argument)
        left = _leaves(argument, "x")
        if len(left) != len(given) or any(
            a is not b and (a != b or not self.plain) for a, b in zip(left, given, strict=True)
        ):
            raise ValueError(
                f"check_gradient: {self.name} changes its argument in place; let it work on a copy, since a caller's "
                "numbers would change too"
            )
        if isinstance(y, Value):
            return y.data
        if y is None or isinstance(y, list | tuple | dict) or (_is_array(y) and y.ndim > 0):
            raise TypeError(
                f"check_gradient: {self.name} must return one number, got {y!r}; check a weighted sum of several"
            )
        return float(_leaves(y, f"check_gradient: result of {self.name}")[0])

    def number(self, xs: Sequence[float]) -> float:
        """Return f, or nan where it is not defined."""
        try:
            return self._call(xs)
        except (ArithmeticError, ValueError):
            return math.nan

    def gradient(self, xs: Sequence[float]) -> list[float]:
        """Return the gradient by the reverse sweep, or nan where it is not defined."""
        try:
            return [float(g) for g in _leaves(value_and_grad(self.f)(self.shaped(xs))[1], "gradient")]
        except (ArithmeticError, ValueError):
            return [math.nan] * len(xs)

    def curvature(self, xs: Sequence[float], v: Sequence[float]) -> list[float]:
        """Return the Hessian times v."""
        return [float(g) for g in _leaves(hvp(self.f, self.shaped(xs), self.shaped(v)), "hvp")]


def _paths(tree: Any, path: str) -> Iterator[str]:
    if isinstance(tree, dict):
        for key in tree:
            yield from _paths(tree[key], f"{path}[{key!r}]")
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        for name, branch in zip(tree._fields, tree, strict=True):
            yield from _paths(branch, f"{path}.{name}")
    elif isinstance(tree, list | tuple):
        for i, branch in enumerate(tree):
            yield from _paths(branch, f"{path}[{i}]")
    elif _is_array(tree) and tree.ndim > 0:
        import numpy as np

        yield from (f"{path}[{', '.join(map(str, i))}]" for i in np.ndindex(tree.shape))
    else:
        yield path


def _claimed(target: _Target, gradient: Any, xs: list[float]) -> list[float]:
    found = gradient(target.shaped(xs)) if callable(gradient) else gradient
    claim = [float(g.data if isinstance(g, Value) else g) for g in _leaves(found, "check_gradient: gradient")]
    if len(claim) != len(target.xs):
        raise ValueError(f"check_gradient: the gradient has {len(claim)} numbers, but x has {len(target.xs)}")
    return claim


def _sweeps(target: _Target) -> dict[str, list[float]]:
    n = len(target.xs)
    units = [target.shaped([float(i == k) for i in range(n)]) for k in range(n)]
    forward = [float(jvp(target.f, target.point, unit)[1]) for unit in units]
    return {"reverse": target.gradient(target.xs), "forward": forward}


def _second(target: _Target, directions: int) -> list[Finding]:
    """Check the Hessian along directions against differences of the gradient."""
    xs, n, rng = target.xs, len(target.xs), random.Random(0)
    size = [min(abs(x), 1.0) or 1.0 for x in xs]
    if n <= directions:
        columns = [(target.paths[k], [size[k] * (i == k) for i in range(n)]) for k in range(n)]
    else:
        drawn = [[s * rng.uniform(0.5, 1.0) * rng.choice((-1, 1)) for s in size] for _ in range(directions)]
        columns = [(f"direction {j}", v) for j, v in enumerate(drawn)]
    findings = []
    for name, v in columns:
        claim = target.curvature(xs, v)
        jitter = _jitter(partial(target.curvature, v=v), xs)

        def along(t: float, v: list[float] = v) -> list[float]:
            return target.gradient([x + t * e for x, e in zip(xs, v, strict=True)])

        slopes = _slopes(along, 0.0, n, max(math.ulp(x) / abs(e) for x, e in zip(xs, v, strict=True) if e))
        findings += [
            _judge(path, f"second, along {name}", c, s, j)
            for path, c, s, j in zip(target.paths, claim, slopes, jitter, strict=True)
        ]
    return findings


def _jitter(derivative: Callable[[list[float]], list[float]], xs: list[float]) -> list[float]:
    """Return how far derivatives move when every number moves by its last place: their conditioning."""
    rng = random.Random(1)
    here = derivative(xs)
    moved = [derivative([x * (1.0 + rng.choice((-2, 2)) * _ULP) for x in xs]) for _ in range(4)]
    return [max(abs(m[k] - g) for m in moved) if math.isfinite(g) else 0.0 for k, g in enumerate(here)]


# Finite differences. -------------------------------------------------------------------------------------------------


class _Estimate(NamedTuple):
    """A limit for step 0, and its error."""

    value: float
    error: float


class _Slope(NamedTuple):
    """A derivative by differences: the central one, the jump between the one-sided ones, the size of secants."""

    central: _Estimate
    jump: _Estimate
    secant: float

    @property
    def kink(self) -> bool:
        """Whether the slopes to the left and to the right differ."""
        jump, error = self.jump
        return abs(jump) > _SAFETY * error and abs(jump) > 1e-6 * self.secant


_NOTHING = _Estimate(math.nan, math.inf)


def _slopes(g: Callable[[float], list[float]], x: float, n: int, grain: float) -> list[_Slope]:
    """Return the derivative of each of the n results of g at x, whose argument is rounded to grain.

    Steps are parts of |x|, which a singularity at 0 asks for, and parts of 1 if that leaves an error.
    """
    near = _ladder(g, x, abs(x), n, grain) if 0.0 < abs(x) < 0.25 else None
    if near is not None and all(s.central.error <= 1e-9 * s.secant for s in near):
        return near
    far = _ladder(g, x, max(1.0, abs(x)), n, grain)
    if near is None:
        return far
    return [a if a.central.error <= b.central.error else b for a, b in zip(near, far, strict=True)]


def _ladder(g: Callable[[float], list[float]], x: float, scale: float, n: int, grain: float) -> list[_Slope]:
    """Return the derivatives of the results of g at x from steps that are parts of one scale."""
    top = 2.0 ** math.floor(math.log2(scale)) / 8.0
    here = g(x)
    # Rounding may come in plateaus (as in 1 - cos x), which the finest steps do not see.
    grains = [max(min(top, 0.125) * 2.0**-e, 64.0 * grain) for e in (40, 30, 20)]
    noise = [max(levels) for levels in zip(*(_noise(g, x, step, n) for step in grains), strict=True)]
    steps, rows = [], []
    for i in range(_LEVELS):
        up, down = x + top * 4.0**-i, x - top * 4.0**-i
        if up - x > 16.0 * grain:
            steps.append((up - down) / 2.0)
            rows.append((g(up), g(down)))
    answers: list[_Slope] = []
    for k in range(n):
        central = [(up[k] - down[k]) / (2.0 * h) for h, (up, down) in zip(steps, rows, strict=True)]
        jump = [(up[k] - 2.0 * here[k] + down[k]) / h for h, (up, down) in zip(steps, rows, strict=True)]
        sides = [(side[k] - here[k]) / h for h, row in zip(steps[:8], rows[:8], strict=True) for side in row]
        secant = max((abs(s) for s in sides if math.isfinite(s)), default=0.0)
        limits = _limit(central, steps, noise[k], 2), _limit(jump, steps, 4.0 * noise[k], 1)
        answers.append(_Slope(*limits, secant))
    return answers


def _noise(g: Callable[[float], list[float]], x: float, step: float, n: int) -> list[float]:
    """Return the level of rounding errors in the results of g near x, from high differences over tiny steps.

    A smooth function's fourth difference over such steps is far below its rounding, so what is seen is rounding (Moré
    and Wild, Estimating computational noise, 2011). Half a unit in the last place is the least.
    """
    table = [g(x + (i - 4) * step) for i in range(9)]
    levels = []
    for k in range(n):
        values = [row[k] for row in table if math.isfinite(row[k])]
        size = max(map(abs, values), default=0.0)
        level, differences = max(size * _ULP, 5e-324), values
        for order in range(1, len(values) - 3):
            differences = [b - a for a, b in pairwise(differences)]
            if order >= 3:
                mean = math.fsum(d * d for d in differences) / len(differences)
                level = max(level, math.sqrt(mean / math.comb(2 * order, order)))
        levels.append(level)
    return levels


def _limit(values: list[float], steps: list[float], noise: float, power: int) -> _Estimate:
    """Return the limit of values for step 0 by Ridders' scheme: their error is a series in step**power.

    An entry of the tableau is as good as its distance to its neighbours, plus the noise. The best entry that no smaller
    step contradicts is taken: a kink or a scale hidden between the steps would otherwise pass for smoothness.
    """
    entries: list[tuple[float, float, int]] = []
    before: list[float] = []
    for i, (value, step) in enumerate(zip(values, steps, strict=True)):
        if not math.isfinite(value):
            before, entries = [], []  # larger steps than this one leave the domain
            continue
        row = [value]
        for k, older in enumerate(before[:5], 1):
            entry = row[-1] + (row[-1] - older) / (4.0 ** (power * k) - 1.0)
            error = max(abs(entry - other) for other in (row[-1], older, *before[k : k + 1])) + 2.0 * noise / step
            entries.append((error, entry, i))
            row.append(entry)
        before = row
    for error, entry, i in sorted(entries):
        bound = abs(values[i] - entry) + _SAFETY * error
        finer = zip(values[i + 1 :], steps[i + 1 :], strict=True)
        if all(abs(value - entry) <= bound + _SAFETY * noise / step for value, step in finer):
            return _Estimate(entry, error)
    return _NOTHING


def _judge(path: str, mode: str, claimed: float, slope: _Slope, jitter: float) -> Finding:
    """Hold a derivative against its finite difference."""
    expected, error = slope.central
    jump = slope.jump.value
    sides = (expected - jump / 2.0, expected + jump / 2.0)
    tolerance = _SAFETY * error + 8.0 * jitter + 64.0 * _ULP * abs(claimed)

    def finding(verdict: str) -> Finding:
        return Finding(path, mode, claimed, expected, error, tolerance, sides, verdict)

    size = max(abs(expected), slope.secant)
    if not math.isfinite(claimed):
        return finding("wrong" if _SAFETY * error <= _DECIDED * size else "invalid")
    if slope.kink:
        slack = tolerance + _SAFETY * slope.jump.error
        return finding("subgradient" if min(sides) - slack <= claimed <= max(sides) + slack else "wrong")
    if not math.isfinite(tolerance):
        return finding("undecidable")
    if abs(claimed - expected) > tolerance:
        return finding("wrong")
    return finding("ok" if tolerance <= _DECIDED * size or claimed == expected == 0.0 else "undecidable")
