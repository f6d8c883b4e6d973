"""Independent truths about a derivative, each with the error that it admits and with what it is blind to.

| oracle | needs | error | blind to |
|---|---|---|---|
| `exact_slope` | the function on numbers of 50 digits | about 1e-25 of the slope | nothing that the function does |
| `difference_slopes` | the function on floats | at best 1e-11 of the slope, measured | errors below that |
| `complex_slope` | analytic operations | rounding | kinks, and what rounds the real part alone |
| `ball_slope` | FLINT's power series | a rigorous bound | kinks; it stops at branches that it cannot decide |

None uses a derivative of `autograd.ops`. The best step of a central difference balances its truncation h^2 f'''/6
against the rounding u |f| / h: in doubles (u = 1e-16) that leaves a relative error of about u^(2/3), 2e-11, so no float
difference can tell a gradient that is off by less. At 50 digits the one-sided slopes for h = 1e-25 are good to 25
digits, and both are needed anyhow: where they differ there is a kink.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from autograd.exact import Ball, Complex

_ULP = 2.0**-53
#: How many digits an exact slope may be computed with when fewer leave it open.
MOST_DIGITS = 1200


@dataclass(frozen=True)
class Slope:
    """What an oracle found: a derivative along one direction.

    Attributes:
        value: the derivative; nan if none was found.
        error: how far it may be from the truth.
        left: the slope to the left; nan where the function is not defined there.
        right: the slope to the right.
        kind: "smooth"; "kink" where the two slopes differ; "edge" where one side is outside the domain; "none" at a
            jump, a vertical slope or where nothing can be told.
        size: how large slopes are nearby, for functions known by floats alone.
    """

    value: float
    error: float
    left: float = math.nan
    right: float = math.nan
    kind: str = "smooth"
    size: float = 0.0

    @property
    def is_smooth(self) -> bool:
        """Whether there is one derivative to compare with."""
        return self.kind == "smooth"

    def times(self, c: float) -> Slope:
        """Return the slope in units that are c > 0 times as small."""
        return Slope(self.value * c, self.error * c, self.left * c, self.right * c, self.kind, self.size * c)


NOTHING = Slope(math.nan, math.inf, kind="none")


# Exact: differences at 50 digits. -------------------------------------------------------------------------------------

#: For a number of digits: slopes to the left and to the right, and the rounding noise in them.
Estimate = Callable[[int], tuple[Any, Any, Any]]
#: The step to the left is this part of the one to the right: a function like x|x| would deceive equal ones.
_LEFT = 0.5


def exact_slope(
    phi: Callable[[Any], Any], scale: float, digits: int, size: float = 1.0, claims: Sequence[float] = ()
) -> Slope:
    """Return the derivative of phi at 0 from differences in high precision.

    Args:
        phi: a function of one mpmath number, computed at mpmath's working precision; nan outside its domain.
        scale: the length that the step is a part of, such as the size of the argument.
        digits: of the first try. More follow, up to `MOST_DIGITS`, until the slope is known to 20 digits, or well
            enough to judge the claims.
        size: of the largest intermediate number, which rounding errors are parts of.
        claims: the derivatives that will be compared.
    """
    from mpmath import mp, mpf

    def estimate(d: int) -> tuple[Any, Any, Any]:
        h = mpf(scale) * mpf(10) ** -(d // 2)
        here, up, down = phi(mpf(0)), phi(h), phi(-_LEFT * h)
        largest = max(mpf(size), *(abs(y) for y in (here, up, down) if mp.isfinite(y)))
        return (here - down) / (_LEFT * h), (up - here) / h, largest * mpf(10) ** (3 - d) / h

    # A step far below the largest number needs digits that reach down to it.
    return _settle(estimate, digits + 2 * _decades(size, scale), claims)


def exact_curvature(
    psi: Callable[[Any, Any], Any], scale: float, digits: int, size: float = 1.0, claims: Sequence[float] = ()
) -> Slope:
    """Return the mixed second derivative of psi at (0, 0); arguments as for `exact_slope`.

    The two sides are the quadrants of positive and of negative steps.
    """
    from mpmath import mpf

    def estimate(d: int) -> tuple[Any, Any, Any]:
        h = mpf(scale) * mpf(10) ** -(d // 3)
        nil = mpf(0)
        here = psi(nil, nil)
        left, right = (
            (psi(t, t) - psi(t, nil) - psi(nil, t) + here) / (t * t) for t in (-_LEFT * h, h)
        )
        return left, right, mpf(size) * mpf(10) ** (3 - d) / (h * h)

    return _settle(estimate, digits * 8 // 5 + 3 * _decades(size, scale), claims)


def step_scale(xs: Sequence[float], k: int) -> float:
    """Return the length that steps of the k-th of some numbers are parts of.

    It is the number's own size, at most 1; at 0 that of the smallest of the others.
    """
    return min(1.0, abs(xs[k]) or min((abs(x) for x in xs if x), default=1.0))


def _decades(size: float, scale: float) -> int:
    return math.ceil(max(0.0, math.log10(size or 1.0) - math.log10(scale)))


def _settle(estimate: Estimate, digits: int, claims: Sequence[float]) -> Slope:
    """Raise the precision until an estimate settles, and say what kind of point it is.

    The jump between the one-sided slopes shrinks with the step at a smooth point, stays at a kink, and grows at a
    discontinuity or a vertical slope.
    """
    from mpmath import mp

    enough = 1e-4 * _ULP * max((abs(c) for c in claims if math.isfinite(c)), default=0.0)
    before: tuple[Any, Any, int] | None = None
    most = max(MOST_DIGITS, 4 * digits)
    while True:
        with mp.workdps(digits):
            left, right, noise = estimate(digits)
            both = mp.isfinite(left) and mp.isfinite(right)
            if not both and not mp.isfinite(left) and not mp.isfinite(right):
                return NOTHING
            value = (left + _LEFT * right) / (1 + _LEFT) if both else right if mp.isfinite(right) else left
            jump = abs(right - left) if both else abs(value)
            error = jump / 2 + noise
            if before is not None:
                # The error falls at least as the root of the step, whatever the function.
                fell = mp.mpf(10) ** ((before[2] - digits) / 6)
                error = max(error if both else noise, abs(value - before[1]) * fell)
            slope = Slope(float(value), float(error), float(left), float(right), "smooth" if both else "edge")
            known = error <= 1e-20 * abs(value) or (error <= enough and (before or jump <= 1e-6 * abs(value)))
            agrees = claims and all(c == slope.value for c in claims) and error <= 1e-3 * abs(value)
            if known or (agrees and jump <= 10 * noise):
                return slope
            if claims and not any(claims) and max(jump, abs(value)) <= 10 * noise:
                return replace(slope, value=0.0)  # claimed to be 0, and 0 to all the digits there are
            if before is not None and jump > 100 * noise:
                if jump > 100 * before[0]:
                    return NOTHING
                if both and jump > 0.01 * before[0]:
                    return Slope(slope.value, float(noise), slope.left, slope.right, "kink")
                if not any(claims) and abs(value) <= error:
                    return replace(slope, value=0.0)  # a stationary point
                if error < 1e-330:
                    return slope
            before = jump, value, digits
        if digits == most:
            return slope if error <= 1e-6 * abs(value) else NOTHING  # steps that never met the function's own scale
        digits = min(2 * digits, most)


# Black boxes: differences of floats, extrapolated. --------------------------------------------------------------------

_LEVELS = 22  # steps 2^-3, 2^-5, ... 2^-45 of the scale of the argument
_SAFETY = 10.0  # an extrapolation's spread is not a bound


class _Limit(NamedTuple):
    """A limit for step 0, and its error."""

    value: float
    error: float


def difference_slopes(g: Callable[[float], list[float]], x: float, n: int, grain: float) -> list[Slope]:
    """Return the derivative of each of the n results of g at x from floats alone (Ridders' extrapolation).

    The noise of the function is measured, the spread of the extrapolation is the error; a kink and a scale hidden
    between the steps are told from smoothness by the steps that they contradict.

    Args:
        g: the function of one float; nan outside its domain.
        x: the point.
        n: how many results g has.
        grain: what the argument is rounded to.
    """
    # Steps are parts of |x|, which a singularity at 0 asks for, and parts of 1 if that leaves an error.
    near = _ladder(g, x, abs(x), n, grain) if 0.0 < abs(x) < 0.25 else None
    if near is not None and all(s.error <= 1e-9 * s.size for s in near):
        return near
    far = _ladder(g, x, max(1.0, abs(x)), n, grain)
    if near is None:
        return far
    return [a if a.error <= b.error else b for a, b in zip(near, far, strict=True)]


def _ladder(g: Callable[[float], list[float]], x: float, scale: float, n: int, grain: float) -> list[Slope]:
    """Return the derivatives of the results of g at x from steps that are parts of one scale."""
    top = 2.0 ** math.floor(math.log2(scale)) / 8.0
    here = g(x)
    # Rounding may come in plateaus (as in 1 - cos x), which the finest steps do not see.
    grains = [max(min(top, 0.125) * 2.0**-e, 64.0 * grain) for e in (40, 30, 20)]
    levels = [noise_levels(g, x, step, n) for step in grains]
    noise = [max(column) for column in zip(*levels, strict=True)]
    steps, rows = [], []
    for i in range(_LEVELS):
        up, down = x + top * 4.0**-i, x - top * 4.0**-i
        if up - x > 16.0 * grain:
            steps.append((up - down) / 2.0)
            rows.append((g(up), g(down)))
    answers: list[Slope] = []
    for k in range(n):
        central = [(up[k] - down[k]) / (2.0 * h) for h, (up, down) in zip(steps, rows, strict=True)]
        jumps = [(up[k] - 2.0 * here[k] + down[k]) / h for h, (up, down) in zip(steps, rows, strict=True)]
        sides = [(side[k] - here[k]) / h for h, row in zip(steps[:8], rows[:8], strict=True) for side in row]
        secant = max((abs(s) for s in sides if math.isfinite(s)), default=0.0)
        value, error = _limit(central, steps, noise[k], levels[0][k], 2)
        jump, doubt = _limit(jumps, steps, 4.0 * noise[k], 4.0 * levels[0][k], 1)
        if value == 0.0:
            error = max(error, secant / _SAFETY)  # flat within small steps alone: perhaps a plateau of rounding
        kink = abs(jump) > _SAFETY * doubt and abs(jump) > 1e-6 * secant
        kind = "kink" if kink else "smooth" if math.isfinite(error) else "none"
        error = _SAFETY * (error + kink * doubt)
        answers.append(Slope(value, error, value - jump / 2.0, value + jump / 2.0, kind, secant))
    return answers


def noise_levels(g: Callable[[float], list[float]], x: float, step: float, n: int) -> list[float]:
    """Return the level of rounding errors in each of the n results of g near x, from high differences over tiny steps.

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


def _limit(values: list[float], steps: list[float], noise: float, finest: float, power: int) -> _Limit:
    """Return the limit of values for step 0 by Ridders' scheme: their error is a series in step**power.

    An entry of the tableau is as good as its distance to its neighbours, plus the noise. The best entry that no smaller
    step contradicts is taken: a kink or a scale hidden between the steps would otherwise pass for smoothness. What
    excuses a smaller step is the noise of the finest grain; that of coarser ones may be the function itself.
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
        if all(abs(value - entry) <= bound + _SAFETY * finest / step for value, step in finer):
            return _Limit(entry, error)
    return _Limit(math.nan, math.inf)


# One evaluation on other numbers. -------------------------------------------------------------------------------------


def complex_slope(f: Callable[[list[Complex]], Any], xs: Sequence[float], v: Sequence[float]) -> Slope:
    """Return the derivative of f at xs along v by one complex step (Squire and Trapp, 1998)."""
    h = 1e-200 / max(map(abs, v))
    y = f([Complex(complex(x, h * e)) for x, e in zip(xs, v, strict=True)])
    slope = y.x.imag / h if isinstance(y, Complex) else 0.0
    return Slope(slope, 64.0 * _ULP * abs(slope), slope, slope) if math.isfinite(slope) else NOTHING


def ball_slope(f: Callable[[list[Ball]], Any], xs: Sequence[float], v: Sequence[float], digits: int) -> Slope:
    """Return the derivative of f at xs along v with a rigorous bound: the second coefficient of a power series."""
    import flint

    before = flint.ctx.dps
    flint.ctx.dps = digits
    try:
        y = f([Ball(flint.arb_series([flint.arb(x), flint.arb(e)], 2)) for x, e in zip(xs, v, strict=True)])
        if not isinstance(y, Ball) or not isinstance(y.x, flint.arb_series):
            return Slope(0.0, 0.0, 0.0, 0.0)
        middle, radius = y.x[1].mid(), y.x[1].rad()
        value, error = float(middle), float(radius)
    finally:
        flint.ctx.dps = before
    return Slope(value, error, value, value) if math.isfinite(value) and math.isfinite(error) else NOTHING


# Several directions at a kink. ----------------------------------------------------------------------------------------


def clarke_directions(n: int) -> Iterator[list[float]]:
    """Yield directions that a set of gradients is looked at along: axes, and for few numbers pairs and diagonals."""
    import random

    for k in range(n):
        yield [float(i == k) for i in range(n)]
    if n <= 8:
        for j in range(n):
            for k in range(j):
                for sign in (1.0, -1.0):
                    yield [float(i == j) + sign * (i == k) for i in range(n)]
    rng = random.Random(n)
    for _ in range(8 if n > 1 else 0):
        yield [rng.choice((-1.0, 1.0)) * rng.uniform(0.25, 1.0) for _ in range(n)]


def clarke_gradients(f: Callable[[list[Any]], Any], xs: Sequence[float], digits: int) -> list[list[float]]:
    """Return gradients at points around a kink: their convex hull is Clarke's subdifferential, as far as sampled.

    F. Clarke, Optimization and nonsmooth analysis, 1983, theorem 2.5.1.

    Args:
        f: a function of mpmath numbers.
        xs: the point.
        digits: the precision of the differences.
    """
    import random

    from mpmath import mp, mpf

    n, rng, found = len(xs), random.Random(0), []
    with mp.workdps(3 * digits):
        near, step = mpf(10) ** -digits, mpf(10) ** -(2 * digits)
        for _ in range(2 * n + 6):
            w = [rng.choice((-1, 1)) * mpf(rng.uniform(0.05, 1.0)) for _ in range(n)]
            for sign in (1, -1):
                at = [mpf(x) + sign * near * e for x, e in zip(xs, w, strict=True)]
                here = f(at)
                slopes = [(f([*at[:k], at[k] + step, *at[k + 1 :]]) - here) / step for k in range(n)]
                if all(mp.isfinite(s) for s in slopes):
                    found.append([float(s) for s in slopes])
    return found
