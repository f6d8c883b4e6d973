"""Values of rows on floats: the C library under IEEE 754 rules, and the special functions it lacks.

Functions with an attribute `c` are the C library's function of that name, which native code calls directly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

inf, nan = math.inf, math.nan


def libm(
    function: Callable[..., float], overflow: float = nan, pole: dict[float, float] | None = None
) -> Callable[..., float]:
    """Return a function of `math` with the C library's answers where Python raises.

    Args:
        function: the function of `math`.
        overflow: its value where the result is too large; for sinh the sign of the argument is added.
        pole: values at single points where Python raises; elsewhere outside the domain the value is nan.
    """
    poles = pole or {}

    def value(*args: float) -> float:
        try:
            return function(*args)
        except OverflowError:
            return math.copysign(overflow, args[0]) if function is math.sinh else overflow
        except ValueError:
            return poles.get(args[0], nan)

    value.__name__ = function.__name__
    value.c = function.__name__  # type: ignore[attr-defined]
    return value


def fabs(x: float) -> float:
    """Absolute value."""
    return math.fabs(x)


def floor(x: float) -> float:
    """Largest whole number not above x, as a float; infinities and nan pass through."""
    return math.copysign(math.floor(x), x) if math.isfinite(x) else x


def ceil(x: float) -> float:
    """Smallest whole number not below x, as a float; infinities and nan pass through."""
    return math.copysign(math.ceil(x), x) if math.isfinite(x) else x


def fmod(a: float, b: float) -> float:
    """Remainder with the sign of a; nan where b is 0 or a infinite."""
    try:
        return math.fmod(a, b)
    except ValueError:
        return nan


for _function in (fabs, floor, ceil, fmod):
    vars(_function)["c"] = _function.__name__


def mod(a: float, b: float) -> float:
    """Python's a % b; nan where b is 0 or a infinite."""
    try:
        return float(a) % float(b)
    except ZeroDivisionError:
        return nan


def floordiv(a: float, b: float) -> float:
    """Python's a // b; nan where b is 0."""
    try:
        return float(a) // float(b)
    except ZeroDivisionError:
        return nan


def choose(c: Any, a: Any, b: Any) -> Any:
    """Return a if c holds, else b."""
    return a if c else b


# exp(-x*x) loses digits in proportion to x*x, so the square is split: hi is short and its square exact. ------


def _exp_minus_square(x: float, scale: float) -> float:
    """exp(-scale x^2) for scale a power of two."""
    x = math.fabs(x)
    if not x < 60.0:
        return x if x != x else 0.0
    hi = math.floor(x * 2.0**20) * 2.0**-20
    return math.exp(-scale * (hi * hi)) * math.exp(-scale * (x - hi) * (x + hi))


def gaussian(x: float) -> float:
    """exp(-x^2)."""
    return _exp_minus_square(x, 1.0)


def normal_pdf(x: float) -> float:
    """Density of the standard normal distribution."""
    return _exp_minus_square(x, 0.5) / math.sqrt(2.0 * math.pi)


_ROOT_HALF = math.sqrt(0.5)
_ROOT_HALF_HI = math.floor(_ROOT_HALF * 2.0**26) * 2.0**-26
_ROOT_HALF_LO = -4.833646656726457e-17  # sqrt(1/2) minus its double


def normal_cdf(x: float) -> float:
    """Distribution function of the standard normal: erfc(-x/sqrt 2)/2.

    The tail multiplies a relative error of its argument by x^2, so the rounding of x/sqrt 2 is put back in first order.
    """
    if not math.fabs(x) < 40.0:
        return x if x != x else float(x > 0)
    t = -x * _ROOT_HALF
    hi = math.floor(x * 2.0**20) * 2.0**-20
    product = hi * _ROOT_HALF_HI
    error = (product + t) + (x - hi) * _ROOT_HALF_HI + x * (_ROOT_HALF - _ROOT_HALF_HI) + x * _ROOT_HALF_LO
    return 0.5 * (math.erfc(t) + error * 2.0 / math.sqrt(math.pi) * gaussian(t))


# The gamma family. --------------------------------------------------------------------------------------------------

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)


def _hurwitz(s: float, x: float) -> float:
    """Hurwitz zeta: the sum of (k + x)^-s over k >= 0, for s > 1 and x > 0, by Euler and Maclaurin (DLMF 25.11)."""
    terms = []
    while x < 20.0 + s:
        terms.append(x**-s)
        x += 1.0
    terms += [x ** (1.0 - s) / (s - 1.0), 0.5 * x**-s]
    factor = s * x ** (-s - 1.0)
    for k, b in enumerate(_BERNOULLI, 1):
        factor /= 2 * k if k == 1 else (2 * k - 1) * (2 * k)
        terms.append(b * factor)
        factor *= (s + 2 * k - 1) * (s + 2 * k) / (x * x)
    return math.fsum(terms)


@cache
def _zeta_minus_1() -> tuple[float, ...]:
    return tuple(_hurwitz(float(k), 2.0) for k in range(2, 60))


_EULER = 0.57721566490153286061


def lgamma(x: float) -> float:
    """Logarithm of |gamma(x)|; near its roots 1 and 2 by the Taylor series, which keeps the digits (DLMF 5.7.3)."""
    if 0.5 < x < 2.5:
        t = x - 1.0 if x < 1.5 else x - 2.0
        power, terms = t, [t * (1.0 - _EULER)]
        for k, z in enumerate(_zeta_minus_1(), 2):
            power *= -t
            terms.append(-power * z / k)
        if x < 1.5:
            terms.append(-math.log1p(t))
        return math.fsum(terms)
    if 2.5 <= x < 4.5:
        return math.log(x - 1.0) + lgamma(x - 1.0)
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):
        return inf


_DIGAMMA_ROOT, _DIGAMMA_ROOT_LO = 1.4616321449683622, 9.549995429965697e-17


def digamma(x: float) -> float:
    """Derivative of lgamma; accurate at its positive root too. nan at 0, -1, -2, ... and at -inf."""
    if x <= 0.0:
        if x == -inf or x == math.floor(x):
            return nan
        # Reflection (DLMF 5.5.4); the argument of tan is reduced first, which loses nothing.
        return digamma(1.0 - x) - math.pi / math.tan(math.pi * (x - math.floor(x + 0.5)))
    if 1.0 < x < 3.0:
        return _digamma_near_root(x)
    terms = []
    while x < 20.0:
        terms.append(-1.0 / x)
        x += 1.0
    terms += [math.log(x), -0.5 / x]
    w = 1.0 / (x * x)
    power = w
    for k, b in enumerate(_BERNOULLI, 1):
        terms.append(-b * power / (2 * k))
        power *= w
    return math.fsum(terms)


def _digamma_near_root(x: float) -> float:
    """digamma(x) = (x - x0) S, where S is the sum of 1/((k + x)(k + x0)) over k >= 0 and x0 the root.

    The tail of S from k = 20 is the difference of the asymptotic series at both points, divided by x - x0 term by term.
    """
    d = (x - _DIGAMMA_ROOT) - _DIGAMMA_ROOT_LO
    terms = [1.0 / ((k + x) * (k + _DIGAMMA_ROOT)) for k in range(20)]
    a, b = 20.0 + x, 20.0 + _DIGAMMA_ROOT
    ratio = d / b
    terms.append((math.log1p(ratio) / ratio if ratio else 1.0) / b)
    terms.append(0.5 / (a * b))
    u, v = 1.0 / (a * a), 1.0 / (b * b)
    u_minus_v_over_d = -(a + b) * u * v
    for k, bernoulli in enumerate(_BERNOULLI, 1):
        powers = math.fsum(u**i * v ** (k - 1 - i) for i in range(k))
        terms.append(-bernoulli / (2 * k) * powers * u_minus_v_over_d)
    return d * math.fsum(terms)


def polygamma(n: float, x: float) -> float:
    """The n-th derivative of digamma, for whole n >= 0; nan for other n and at the poles (DLMF 5.15.1)."""
    if n == 0.0:
        return digamma(x)
    if n != math.floor(n) or n < 0 or x != x or n > 150 or x == -inf:
        return nan
    if x == inf:
        return 0.0
    if x <= 0.0:
        if x == math.floor(x):
            return nan
        # The recurrence lifts x above zero: psi_n(x) = psi_n(x + 1) - (-1)^n n! / x^(n+1).
        if x < -1000.0:
            return nan
        terms = []
        while x <= 0.0:
            terms.append(power_term(n, x))
            x += 1.0
        return math.fsum([*terms, polygamma(n, x)])
    try:
        size = math.gamma(n + 1.0) * _hurwitz(n + 1.0, x)
    except OverflowError:
        size = inf
    return size if n % 2.0 == 1.0 else -size


def power_term(n: float, x: float) -> float:
    """-(-1)^n n! / x^(n+1), one step of the recurrence of `polygamma`."""
    size: float = math.gamma(n + 1.0) / x ** (n + 1.0)
    return size if n % 2.0 == 1.0 else -size


# Sequences. ---------------------------------------------------------------------------------------------------------


def sum(xs: Sequence[float]) -> float:
    """Sum of floats, correctly rounded where it is finite."""
    try:
        return math.fsum(xs)
    except (OverflowError, ValueError):
        total = 0.0
        for x in xs:
            total += x
        return total


def mean(xs: Sequence[float]) -> float:
    """Arithmetic mean; nan of nothing."""
    return sum(xs) / len(xs) if xs else nan


def dot(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Sum of products."""
    return sum([x * y for x, y in zip(xs, ys, strict=True)])


def prod(xs: Sequence[float]) -> float:
    """Product of floats; 1 of nothing."""
    return float(math.prod(xs, start=1.0))


def norm(xs: Sequence[float]) -> float:
    """Euclidean norm without overflow on the way."""
    return math.hypot(*xs)


def logsumexp(xs: Sequence[float]) -> float:
    """Logarithm of the sum of exponentials, the largest taken out."""
    top = max(xs, default=-inf)
    if not math.isfinite(top) or any(x != x for x in xs):
        return nan if any(x != x for x in xs) else top
    i = xs.index(top)
    rest = math.fsum(math.exp(x - top) for k, x in enumerate(xs) if k != i)
    return top + math.log1p(rest)
