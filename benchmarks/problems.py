"""Smooth functions with known gradients, to measure gradient checkers on: a set of our own, favouring nobody.

Each function is written once, over a namespace `m` of elementary functions and a list `x` of numbers, so that the same
text runs on floats, on mpmath numbers and in every engine. `truth` gives its gradient to 30 digits from differences of
120 and 160, without any rule of differentiation. `conditioning` says how far rounding may carry a gradient.

This file imports no engine.
"""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

#: A function of a namespace and a list of numbers.
Function = Callable[[Any, Any], Any]

#: What a namespace has, by C's names.
FUNCTIONS = (
    *("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "atan2"),
    *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "lgamma"),
)

#: A gradient is well conditioned if moving every number on the way by one ulp moves it by less than this part.
WELL_CONDITIONED = 1e-6


@dataclass(frozen=True)
class Problem:
    """A function and a point."""

    name: str
    f: Function = field(repr=False)
    x: tuple[float, ...]


PROBLEMS: list[Problem] = []


def add(name: str, f: Function, *points: Sequence[float]) -> None:
    for i, x in enumerate(points):
        PROBLEMS.append(Problem(f"{name}.{i}" if len(points) > 1 else name, f, tuple(map(float, x))))


def at(*points: Sequence[float]) -> Callable[[Function], Function]:
    """Enter a function at these points."""

    def enter(f: Function) -> Function:
        add(f.__name__, f, *points)
        return f

    return enter


# Truth and conditioning. ---------------------------------------------------------------------------------------------


def mpmath_namespace() -> SimpleNamespace:
    from mpmath import mp

    names = {name: getattr(mp, name) for name in FUNCTIONS if name != "lgamma"}
    return SimpleNamespace(**names, lgamma=mp.loggamma)


def math_namespace() -> SimpleNamespace:
    return SimpleNamespace(**{name: getattr(math, name) for name in FUNCTIONS})


def differences(f: Callable[[list[Any]], Any], x: Sequence[float], step: int) -> list[Any]:
    """Return the central differences of f at x, with steps of 10**-step of each number, at the working precision."""
    from mpmath import mpf

    slopes = []
    for k in range(len(x)):
        h = mpf(abs(x[k]) or 1.0) * mpf(10) ** -step
        up, down = [mpf(v) for v in x], [mpf(v) for v in x]
        up[k] += h
        down[k] -= h
        slopes.append((f(up) - f(down)) / (2 * h))
    return slopes


def truth(problem: Problem) -> tuple[Any, list[Any]]:
    """Return the value and the gradient as mpmath numbers that are good to 30 digits; 0 where it is 0.

    Raises:
        ArithmeticError: if two precisions and steps do not agree to 30 digits.
    """
    from mpmath import mp, mpf

    m = mpmath_namespace()
    found = []
    for digits, step in ((120, 40), (160, 55)):
        with mp.workdps(digits):
            value = problem.f(m, [mpf(v) for v in problem.x])
            slopes = differences(lambda x: problem.f(m, x), problem.x, step)
            least = [mpf(10) ** -60 * abs(value) / (abs(v) or 1) for v in problem.x]
            found.append((value, [s if abs(s) > t else mpf(0) for s, t in zip(slopes, least, strict=True)]))
    (value, slopes), (value2, slopes2) = found
    for a, b in zip([value, *slopes], [value2, *slopes2], strict=True):
        if not mp.isfinite(a) or abs(a - b) > mpf(10) ** -30 * abs(b):
            raise ArithmeticError(f"{problem.name}: no truth, {mp.nstr(a, 35)} or {mp.nstr(b, 35)}")
    return value2, slopes2


class Moved:
    """A number of many digits; every result is moved by a part of 2**-52 or -2**-52, as `signs` say."""

    def __init__(self, value: Any, signs: Any) -> None:
        self.signs = signs
        self.value = value * (1 + next(signs) * type(value)(2) ** -52)

    def _with(self, a: Any, b: Any, operation: Callable[[Any, Any], Any]) -> Moved:
        return Moved(operation(getattr(a, "value", a), getattr(b, "value", b)), self.signs)

    def __add__(self, b: Any) -> Moved:
        return self._with(self, b, operator.add)

    def __radd__(self, a: Any) -> Moved:
        return self._with(a, self, operator.add)

    def __sub__(self, b: Any) -> Moved:
        return self._with(self, b, operator.sub)

    def __rsub__(self, a: Any) -> Moved:
        return self._with(a, self, operator.sub)

    def __mul__(self, b: Any) -> Moved:
        return self._with(self, b, operator.mul)

    def __rmul__(self, a: Any) -> Moved:
        return self._with(a, self, operator.mul)

    def __truediv__(self, b: Any) -> Moved:
        return self._with(self, b, operator.truediv)

    def __rtruediv__(self, a: Any) -> Moved:
        return self._with(a, self, operator.truediv)

    def __pow__(self, b: Any) -> Moved:
        return self._with(self, b, operator.pow)

    def __rpow__(self, a: Any) -> Moved:
        return self._with(a, self, operator.pow)

    def __neg__(self) -> Moved:
        return Moved(-self.value, self.signs)


def conditioning(problem: Problem, slopes: Sequence[Any], draws: int = 8) -> float:
    """Return the largest relative change of a component that is not 0 when all numbers on the way move by an ulp.

    Every input and every intermediate result is multiplied by 1 + 2**-52 or 1 - 2**-52, by chance but the same for all
    points near the point; the gradient of that function is compared with the truth. This is the rounding of a program
    of doubles, seen from 80 digits, and knows of no checker.
    """
    from mpmath import mp

    functions = mpmath_namespace()

    def moved(function: Callable[..., Any]) -> Callable[..., Moved]:
        return lambda *xs: Moved(function(*(x.value for x in xs)), xs[0].signs)

    m = SimpleNamespace(**{name: moved(function) for name, function in vars(functions).items()})
    worst = 0.0
    with mp.workdps(80):
        for draw in range(draws):

            def f(x: list[Any], draw: int = draw) -> Any:
                rng = random.Random(f"{problem.name} {draw}")
                signs = iter(lambda: rng.choice((-1, 1)), 0)
                return problem.f(m, [Moved(v, signs) for v in x]).value

            for a, b in zip(differences(f, problem.x, 27), slopes, strict=True):
                if b:
                    worst = max(worst, float(abs(a - b) / abs(b)))
    return worst


# Elementary functions over their domains. ----------------------------------------------------------------------------

ELEMENTARY: dict[str, list[float]] = {
    "exp": [-20.0, 1e-6, 0.3, 50.0],
    "expm1": [1e-9, -3.0, 20.0],
    "log": [1e-8, 0.3, 1e6],
    "log1p": [1e-9, -0.999, 1e5],
    "sqrt": [1e-8, 2.0, 1e6],
    "sin": [1e-6, 1.1, 1e4, 1e6],
    "cos": [1e-3, 2.2, -1e5],
    "tan": [1e-5, 0.4, 1.5],
    "asin": [0.1, 0.999999],
    "acos": [-0.9999, 0.3],
    "atan": [1e-6, 1.0, 1e5],
    "sinh": [0.2, -15.0],
    "cosh": [1e-4, 8.0],
    "tanh": [1e-5, 0.5, 8.0, 15.0],
    "asinh": [3.0, 1e6],
    "acosh": [1.0001, 10.0],
    "atanh": [0.5, 0.99999],
    "erf": [0.5, 3.0],
    "erfc": [0.5, 5.0],
    "lgamma": [0.1, 3.3, 100.0],
}


def elementary(name: str) -> Function:
    return lambda m, x: getattr(m, name)(x[0])


for _name, _points in ELEMENTARY.items():
    add(_name, elementary(_name), *([point] for point in _points))


@at([0.3, -0.7], [-1e-3, 1e3])
def angle(m: Any, x: Any) -> Any:
    return m.atan2(x[0], x[1])


@at([3.0, 4.0], [1e-6, 1.0])
def distance(m: Any, x: Any) -> Any:
    return m.sqrt(x[0] * x[0] + x[1] * x[1])


# Sums, products, quotients, powers. ----------------------------------------------------------------------------------


@at([0.5], [-3.0], [1e-4], [1e4])
def cubic(m: Any, x: Any) -> Any:
    return x[0] ** 3 - 2.0 * x[0] ** 2 + 5.0 * x[0] - 1.0


@at([3.0])
def power_20(m: Any, x: Any) -> Any:
    return x[0] ** 20


@at([1e-3], [250.0])
def power_minus_3(m: Any, x: Any) -> Any:
    return x[0] ** -3


@at([1e-6], [1e6])
def power_tenth(m: Any, x: Any) -> Any:
    return x[0] ** 0.1


@at([-30.0], [0.7])
def power_of_two(m: Any, x: Any) -> Any:
    return 2.0 ** x[0]


@at([0.05], [2.5])
def self_power(m: Any, x: Any) -> Any:
    return x[0] ** x[0]


@at([1.4, 2.7], [1e-3, 0.5], [40.0, -3.0])
def power(m: Any, x: Any) -> Any:
    return x[0] ** x[1]


@at([1.2, 0.8, 1.1])
def power_tower(m: Any, x: Any) -> Any:
    return x[0] ** (x[1] ** x[2])


@at([2.0, -3.0, 0.5, 4.0], [1e-3, 1e3, 1e-3, 1e3])
def quotient_of_products(m: Any, x: Any) -> Any:
    return (x[0] * x[1]) / (x[2] * x[3])


@at([1.5, 2.5, -0.5])
def continued_fraction(m: Any, x: Any) -> Any:
    return x[0] + 1.0 / (x[1] + 1.0 / (x[2] + 3.0))


@at([0.7, 1.3])
def composition(m: Any, x: Any) -> Any:
    return m.exp(m.sin(m.log(x[0] + m.cosh(x[1]))))


@at([0.4])
def deep_composition(m: Any, x: Any) -> Any:
    y = x[0]
    for _ in range(12):
        y = m.sin(y) + 0.5 * m.cos(2.0 * y)
    return y


@at([0.3, 0.6])
def many_functions(m: Any, x: Any) -> Any:
    a, b = x
    return m.asin(a) * m.atanh(b) + m.acosh(1.0 + a) / m.asinh(b) - m.erf(a * b) * m.lgamma(a + b)


# Scales: values and gradients far from 1. ----------------------------------------------------------------------------


@at([0.7])
def sine_on_1e8(m: Any, x: Any) -> Any:
    return 1e8 + m.sin(x[0])


@at([3.0])
def square_on_1e12(m: Any, x: Any) -> Any:
    return 1e12 + x[0] * x[0]


@at([1.0])
def slope_hidden_by_1e16(m: Any, x: Any) -> Any:
    return 1e16 + 1e-3 * x[0]


@at([2.0, 0.3])
def tiny_value(m: Any, x: Any) -> Any:
    return 1e-12 * m.exp(x[0]) * m.cos(x[1])


@at([3.0, -5.0])
def tiny_product(m: Any, x: Any) -> Any:
    return 1e-10 * x[0] * x[1]


@at([0.3])
def large_slope(m: Any, x: Any) -> Any:
    return 1e8 * m.sin(x[0])


@at([1e-6, 1e6], [1e6, 1e-6])
def mixed_scales(m: Any, x: Any) -> Any:
    return 1e6 * x[0] + 1e-6 * x[1] + x[0] * x[1]


@at([1e5, 2e5, -3e5])
def sum_of_large_squares(m: Any, x: Any) -> Any:
    return sum(v * v for v in x)


@at([1e-5, 2e-5, -3e-5])
def sum_of_small_squares(m: Any, x: Any) -> Any:
    return sum(v * v for v in x)


@at([1e-4, 1e-2, 1.0, 1e2, 1e4])
def logarithms_of_all_sizes(m: Any, x: Any) -> Any:
    return sum((k + 1.0) * m.log(v) for k, v in enumerate(x))


@at([2.0, 0.1])
def weak_parameter(m: Any, x: Any) -> Any:
    return m.exp(x[0]) + 1e-8 * m.sin(x[1])


@at([0.5, 2.0, 1.0])
def unused_number(m: Any, x: Any) -> Any:
    return m.exp(x[0]) * x[1] + 0.0 * x[2]


@at([1e100, 1e-100])
def far_scales(m: Any, x: Any) -> Any:
    return m.log(x[0]) + m.sqrt(x[0]) * m.sqrt(x[1]) * x[1] / x[1]


# Oscillating functions. ----------------------------------------------------------------------------------------------


@at([0.3], [20.0])
def fast_sine(m: Any, x: Any) -> Any:
    return m.sin(1000.0 * x[0])


@at([0.7])
def faster_cosine(m: Any, x: Any) -> Any:
    return m.cos(1e5 * x[0])


@at([0.01], [0.001])
def sine_of_inverse(m: Any, x: Any) -> Any:
    return m.sin(1.0 / x[0])


@at([0.02])
def damped_sine_of_inverse(m: Any, x: Any) -> Any:
    return x[0] * x[0] * m.sin(1.0 / x[0])


@at([50.0])
def chirp(m: Any, x: Any) -> Any:
    return m.sin(x[0] * x[0])


@at([0.3], [5.0])
def damped_wave(m: Any, x: Any) -> Any:
    return m.exp(-x[0]) * m.cos(40.0 * x[0])


@at([1e-3], [30.0])
def sinc(m: Any, x: Any) -> Any:
    return m.sin(x[0]) / x[0]


@at([0.37])
def weierstrass(m: Any, x: Any) -> Any:
    """Eight terms of Weierstrass's function; a = 1/2, b = 7."""
    return sum(0.5**k * m.cos(7.0**k * math.pi * x[0]) for k in range(8))


@at([1.3, 0.4])
def interference(m: Any, x: Any) -> Any:
    return m.sin(200.0 * x[0]) * m.cos(170.0 * x[1]) + m.sin(30.0 * x[0] * x[1])


@at([2.5], [12.0])
def bessel_series(m: Any, x: Any) -> Any:
    """J0 by its power series, Abramowitz and Stegun 9.1.12."""
    t = term = -(x[0] * x[0]) / 4.0
    y = 1.0 + term
    for k in range(2, 40):
        term = term * t / float(k * k)
        y = y + term
    return y


# Near singularities and in far tails. --------------------------------------------------------------------------------


@at([1e-6], [-3e-3])
def reciprocal(m: Any, x: Any) -> Any:
    return 1.0 / x[0]


@at([0.999999])
def pole_at_1(m: Any, x: Any) -> Any:
    return 1.0 / (1.0 - x[0])


@at([1e-10], [0.5])
def x_log_x(m: Any, x: Any) -> Any:
    return x[0] * m.log(x[0])


@at([1.001], [1e8])
def log_log(m: Any, x: Any) -> Any:
    return m.log(m.log(x[0]))


@at([1e-6], [0.25], [0.999999])
def logit(m: Any, x: Any) -> Any:
    return m.log(x[0] / (1.0 - x[0]))


@at([0.9999999], [0.6])
def quarter_circle(m: Any, x: Any) -> Any:
    return m.sqrt(1.0 - x[0] * x[0])


@at([-30.0], [0.2], [30.0])
def sigmoid(m: Any, x: Any) -> Any:
    return 1.0 / (1.0 + m.exp(-x[0]))


@at([-30.0], [0.5], [20.0])
def softplus(m: Any, x: Any) -> Any:
    return m.log(1.0 + m.exp(x[0]))


@at([0.1], [0.5])
def flat_at_0(m: Any, x: Any) -> Any:
    """exp(-1/x**2): smooth, with all derivatives 0 at 0."""
    return m.exp(-1.0 / (x[0] * x[0]))


@at([0.8], [5.0])
def gaussian(m: Any, x: Any) -> Any:
    return m.exp(-x[0] * x[0])


@at([1e-3], [0.5])
def narrow_peak(m: Any, x: Any) -> Any:
    return 1.0 / (x[0] * x[0] + 1e-6)


@at([0.3])
def runge(m: Any, x: Any) -> Any:
    """Runge, 1901."""
    return 1.0 / (1.0 + 25.0 * x[0] * x[0])


@at([1e-8, 3.0])
def root_sum(m: Any, x: Any) -> Any:
    return m.sqrt(x[0]) + m.sqrt(x[0] * x[1])


@at([0.5001], [0.5012])
def steep_step(m: Any, x: Any) -> Any:
    return m.tanh(1e4 * (x[0] - 0.5))


# Cancellation. -------------------------------------------------------------------------------------------------------


@at([1.01], [1.5], [-2.0])
def seventh_power_expanded(m: Any, x: Any) -> Any:
    """(x - 1)**7 multiplied out."""
    y = 1.0
    for c in (-7.0, 21.0, -35.0, 35.0, -21.0, 7.0, -1.0):
        y = y * x[0] + c
    return y


@at([5.2], [10.3])
def wilkinson(m: Any, x: Any) -> Any:
    """Wilkinson, The perfidious polynomial, 1984; with ten roots."""
    y = x[0] - 1.0
    for k in range(2, 11):
        y = y * (x[0] - float(k))
    return y


@at([0.3], [1.01])
def chebyshev(m: Any, x: Any) -> Any:
    """T10 by its recurrence."""
    a, b = 1.0, x[0]
    for _ in range(9):
        a, b = b, 2.0 * x[0] * b - a
    return b


@at([0.9])
def legendre(m: Any, x: Any) -> Any:
    """P8 by Bonnet's recurrence."""
    a, b = 1.0, x[0]
    for n in range(1, 8):
        a, b = b, ((2.0 * n + 1.0) * x[0] * b - n * a) / (n + 1.0)
    return b


@at([1.7])
def hermite(m: Any, x: Any) -> Any:
    """H6 by its recurrence."""
    a, b = 1.0, 2.0 * x[0]
    for n in range(1, 6):
        a, b = b, 2.0 * x[0] * b - 2.0 * n * a
    return b


@at([5.0], [20.0])
def alternating_series(m: Any, x: Any) -> Any:
    """Taylor's series of exp(-x)."""
    term = -x[0]
    y = 1.0 + term
    for k in range(2, 80):
        term = -term * x[0] / float(k)
        y = y + term
    return y


@at([77617.0, 33096.0], [3.0, 2.0])
def rump(m: Any, x: Any) -> Any:
    """Rump, Algorithms for verified inclusions, 1988."""
    a, b = x
    a2, b2 = a * a, b * b
    b4 = b2 * b2
    return 333.75 * b4 * b2 + a2 * (11.0 * a2 * b2 - b4 * b2 - 121.0 * b4 - 2.0) + 5.5 * b4 * b4 + a / (2.0 * b)


@at([1e8, 99999999.0])
def difference_of_squares(m: Any, x: Any) -> Any:
    return x[0] * x[0] - x[1] * x[1]


@at([1.0, 1e4, 1.0], [1.0, 1e7, 1.0])
def small_root(m: Any, x: Any) -> Any:
    """The smaller root of a quadratic by the school's formula."""
    a, b, c = x
    return (m.sqrt(b * b - 4.0 * a * c) - b) / (2.0 * a)


@at([1e6], [1e10])
def difference_of_roots(m: Any, x: Any) -> Any:
    return m.sqrt(x[0] + 1.0) - m.sqrt(x[0])


@at([0.5], [1e-2], [1e-4])
def one_minus_cosine(m: Any, x: Any) -> Any:
    return (1.0 - m.cos(x[0])) / (x[0] * x[0])


@at([1e-2], [1e-3], [1e-5])
def exponential_quotient(m: Any, x: Any) -> Any:
    return (m.exp(x[0]) - 1.0) / x[0]


@at([1e-4])
def logarithm_quotient(m: Any, x: Any) -> Any:
    return m.log(1.0 + x[0]) / x[0]


@at([1e-2])
def exponential_remainder(m: Any, x: Any) -> Any:
    return m.exp(x[0]) - 1.0 - x[0]


@at([1e-6])
def logarithm_of_nearly_1(m: Any, x: Any) -> Any:
    return m.log(1.0 + x[0])


@at([1e-2], [0.3])
def tangent_minus_sine(m: Any, x: Any) -> Any:
    return m.tan(x[0]) - m.sin(x[0])


@at([10001.0, 10002.0, 10004.0, 10007.0])
def one_pass_variance(m: Any, x: Any) -> Any:
    n = float(len(x))
    return (sum(v * v for v in x) - sum(x) ** 2 / n) / n


@at([1e5, 3.0], [0.4, 0.2])
def hyperbolic_identity(m: Any, x: Any) -> Any:
    return m.log(x[0] + x[1]) - m.log(x[0])


# Test functions of optimisation. The first ones as in Surjanovic and Bingham, Virtual Library of Simulation Experiment


@at([1.2, -0.7], [-1.2, 1.0], [1e-3, 5.0], [0.99, 0.99, 0.98, 0.97, 0.95, 0.9])
def rosenbrock(m: Any, x: Any) -> Any:
    return sum(100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 for a, b in pairwise(x))


@at([1.0, 1.0], [-2.5, 0.3])
def beale(m: Any, x: Any) -> Any:
    a, b = x
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


@at([0.5, -1.0], [4.0, 4.0])
def himmelblau(m: Any, x: Any) -> Any:
    a, b = x
    return (a * a + b - 11.0) ** 2 + (a + b * b - 7.0) ** 2


@at([-4.0, 6.0])
def booth(m: Any, x: Any) -> Any:
    a, b = x
    return (a + 2.0 * b - 7.0) ** 2 + (2.0 * a + b - 5.0) ** 2


@at([-3.0, 5.0])
def matyas(m: Any, x: Any) -> Any:
    a, b = x
    return 0.26 * (a * a + b * b) - 0.48 * a * b


@at([0.5, -0.25], [-1.5, 1.8])
def goldstein_price(m: Any, x: Any) -> Any:
    a, b = x
    first = 1.0 + (a + b + 1.0) ** 2 * (19.0 - 14.0 * a + 3.0 * a * a - 14.0 * b + 6.0 * a * b + 3.0 * b * b)
    factor = 18.0 - 32.0 * a + 12.0 * a * a + 48.0 * b - 36.0 * a * b + 27.0 * b * b
    return first * (30.0 + (2.0 * a - 3.0 * b) ** 2 * factor)


@at([2.5, 7.5], [-4.0, 1.0])
def branin(m: Any, x: Any) -> Any:
    a, b = x
    t = b - 5.1 / (4.0 * math.pi**2) * a * a + 5.0 / math.pi * a - 6.0
    return t * t + 10.0 * (1.0 - 1.0 / (8.0 * math.pi)) * m.cos(a) + 10.0


@at([0.5, -0.3], [1.6, 0.9])
def six_hump_camel(m: Any, x: Any) -> Any:
    a, b = x
    return (4.0 - 2.1 * a * a + a**4 / 3.0) * a * a + a * b + (4.0 * b * b - 4.0) * b * b


@at([1.1, -2.0])
def three_hump_camel(m: Any, x: Any) -> Any:
    a, b = x
    return 2.0 * a * a - 1.05 * a**4 + a**6 / 6.0 + a * b + b * b


@at([2.5, 3.6], [0.0, 7.0])
def easom(m: Any, x: Any) -> Any:
    a, b = x
    return -m.cos(a) * m.cos(b) * m.exp(-((a - math.pi) ** 2) - (b - math.pi) ** 2)


@at([-0.8, 1.7])
def mccormick(m: Any, x: Any) -> Any:
    a, b = x
    return m.sin(a + b) + (a - b) ** 2 - 1.5 * a + 2.5 * b + 1.0


@at([2.3, -1.4, 0.6])
def levy(m: Any, x: Any) -> Any:
    w = [1.0 + (v - 1.0) / 4.0 for v in x]
    middle = sum((v - 1.0) ** 2 * (1.0 + 10.0 * m.sin(math.pi * v + 1.0) ** 2) for v in w[:-1])
    last = (w[-1] - 1.0) ** 2 * (1.0 + m.sin(2.0 * math.pi * w[-1]) ** 2)
    return m.sin(math.pi * w[0]) ** 2 + middle + last


@at([2.2, -3.1])
def levy_13(m: Any, x: Any) -> Any:
    a, b = x
    first = m.sin(3.0 * math.pi * a) ** 2 + (a - 1.0) ** 2 * (1.0 + m.sin(3.0 * math.pi * b) ** 2)
    return first + (b - 1.0) ** 2 * (1.0 + m.sin(2.0 * math.pi * b) ** 2)


@at([2.1, 1.5, 1.2], [0.4, 2.9, 1.9])
def michalewicz(m: Any, x: Any) -> Any:
    return -sum(m.sin(v) * m.sin((k + 1.0) * v * v / math.pi) ** 20 for k, v in enumerate(x))


@at([30.0, -45.0, 12.0])
def griewank(m: Any, x: Any) -> Any:
    product = 1.0
    for k, v in enumerate(x):
        product = product * m.cos(v / math.sqrt(k + 1.0))
    return sum(v * v for v in x) / 4000.0 - product + 1.0


@at([1.3, -0.4], [20.0, 25.0])
def ackley(m: Any, x: Any) -> Any:
    n = float(len(x))
    radius = m.sqrt(sum(v * v for v in x) / n)
    waves = sum(m.cos(2.0 * math.pi * v) for v in x) / n
    return -20.0 * m.exp(-0.2 * radius) - m.exp(waves) + 20.0 + math.e


@at([0.3, -1.2, 4.1])
def rastrigin(m: Any, x: Any) -> Any:
    return 10.0 * len(x) + sum(v * v - 10.0 * m.cos(2.0 * math.pi * v) for v in x)


@at([300.0, 20.0])
def schwefel(m: Any, x: Any) -> Any:
    return 418.9829 * len(x) - sum(v * m.sin(m.sqrt(v)) for v in x)


@at([-2.0, 1.5, 3.0, 0.1])
def styblinski_tang(m: Any, x: Any) -> Any:
    return 0.5 * sum(v**4 - 16.0 * v * v + 5.0 * v for v in x)


@at([0.5, -2.0, 3.0])
def zakharov(m: Any, x: Any) -> Any:
    t = sum(0.5 * (k + 1.0) * v for k, v in enumerate(x))
    return sum(v * v for v in x) + t**2 + t**4


@at([2.0, -1.0, 0.5, 0.25])
def dixon_price(m: Any, x: Any) -> Any:
    rest = sum((k + 2.0) * (2.0 * b * b - a) ** 2 for k, (a, b) in enumerate(pairwise(x)))
    return (x[0] - 1.0) ** 2 + rest


@at([4.0, 6.5, 5.0, 3.0])
def trid(m: Any, x: Any) -> Any:
    return sum((v - 1.0) ** 2 for v in x) - sum(a * b for a, b in pairwise(x))


@at([0.7, 1.9, 2.5])
def perm(m: Any, x: Any) -> Any:
    y = 0.0
    for i in range(1, 4):
        y = y + sum((j**i + 10.0) * ((x[j - 1] / float(j)) ** i - 1.0) for j in range(1, 4)) ** 2
    return y


@at([10.0, -20.0])
def bohachevsky(m: Any, x: Any) -> Any:
    a, b = x
    return a * a + 2.0 * b * b - 0.3 * m.cos(3.0 * math.pi * a) - 0.4 * m.cos(4.0 * math.pi * b) + 0.7


@at([0.6, -0.9])
def drop_wave(m: Any, x: Any) -> Any:
    r2 = x[0] * x[0] + x[1] * x[1]
    return -(1.0 + m.cos(12.0 * m.sqrt(r2))) / (0.5 * r2 + 2.0)


@at([-1.4, 0.8])
def shubert(m: Any, x: Any) -> Any:
    a, b = (sum(k * m.cos((k + 1.0) * v + k) for k in range(1, 6)) for v in x)
    return a * b


@at([0.3, 0.5, 0.7])
def hartmann_3(m: Any, x: Any) -> Any:
    rates = ((3.0, 10.0, 30.0), (0.1, 10.0, 35.0), (3.0, 10.0, 30.0), (0.1, 10.0, 35.0))
    centres = ((0.3689, 0.117, 0.2673), (0.4699, 0.4387, 0.747), (0.1091, 0.8732, 0.5547), (0.0381, 0.5743, 0.8828))
    y = 0.0
    for c, rate, centre in zip((1.0, 1.2, 3.0, 3.2), rates, centres, strict=True):
        y = y - c * m.exp(-sum(r * (v - p) ** 2 for r, v, p in zip(rate, x, centre, strict=True)))
    return y


@at([3.8, 4.3, 4.1, 3.5], [1.0, 9.0, 2.0, 8.0])
def shekel(m: Any, x: Any) -> Any:
    y = 0.0
    for a, b, width in ((4.0, 4.0, 0.1), (1.0, 1.0, 0.2), (8.0, 8.0, 0.2), (6.0, 6.0, 0.4), (3.0, 7.0, 0.4)):
        y = y - 1.0 / (sum((v - w) ** 2 for v, w in zip(x, (a, b, a, b), strict=True)) + width)
    return y


@at([2.7, 1.1])
def langermann(m: Any, x: Any) -> Any:
    y = 0.0
    for c, a, b in ((1.0, 3.0, 5.0), (2.0, 5.0, 2.0), (5.0, 2.0, 1.0), (2.0, 1.0, 4.0), (3.0, 7.0, 9.0)):
        r2 = (x[0] - a) ** 2 + (x[1] - b) ** 2
        y = y + c * m.exp(-r2 / math.pi) * m.cos(math.pi * r2)
    return y


@at([0.4], [0.75])
def forrester(m: Any, x: Any) -> Any:
    return (6.0 * x[0] - 2.0) ** 2 * m.sin(12.0 * x[0] - 4.0)


@at([0.9])
def gramacy_lee(m: Any, x: Any) -> Any:
    return m.sin(10.0 * math.pi * x[0]) / (2.0 * x[0]) + (x[0] - 1.0) ** 4


@at([3.0, 14.0], [-5.0, 11.0])
def deckkers_aarts(m: Any, x: Any) -> Any:
    """Deckkers and Aarts, 1991: values of 1e5 and terms of 1e-5."""
    a2, b2 = x[0] * x[0], x[1] * x[1]
    return 1e5 * a2 + b2 - (a2 + b2) ** 2 + 1e-5 * (a2 + b2) ** 4


# The collection of Moré, Garbow and Hillstrom, Testing unconstrained optimization software, 1981. ---


def squares(residuals: Any) -> Any:
    return sum(r * r for r in residuals)


@at([0.5, -2.0])
def freudenstein_roth(m: Any, x: Any) -> Any:
    a, b = x
    return squares([-13.0 + a + ((5.0 - b) * b - 2.0) * b, -29.0 + a + ((b + 1.0) * b - 14.0) * b])


@at([1e-4, 1.0], [1e-5, 9.0])
def powell_badly_scaled(m: Any, x: Any) -> Any:
    a, b = x
    return squares([1e4 * a * b - 1.0, m.exp(-a) + m.exp(-b) - 1.0001])


@at([1.0, 1.0], [9.9e5, 3e-6])
def brown_badly_scaled(m: Any, x: Any) -> Any:
    a, b = x
    return squares([a - 1e6, b - 2e-6, a * b - 2.0])


@at([0.3, 0.4])
def jennrich_sampson(m: Any, x: Any) -> Any:
    return squares(2.0 + 2.0 * i - (m.exp(i * x[0]) + m.exp(i * x[1])) for i in range(1, 11))


@at([1.2, 0.3, 0.5])
def helical_valley(m: Any, x: Any) -> Any:
    a, b, c = x
    theta = m.atan(b / a) / (2.0 * math.pi)
    return squares([10.0 * (c - 10.0 * theta), 10.0 * (m.sqrt(a * a + b * b) - 1.0), c])


BARD = (0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.1, 4.39)


@at([1.0, 1.1, 0.9])
def bard(m: Any, x: Any) -> Any:
    a, b, c = x
    return squares(y - (a + u / (b * (16.0 - u) + c * min(u, 16.0 - u))) for u, y in enumerate(BARD, 1))


@at([0.4, 1.0, 0.1])
def gaussian_fit(m: Any, x: Any) -> Any:
    """Half of the data, which are symmetric."""
    ys = (0.0009, 0.0044, 0.0175, 0.054, 0.1295, 0.242, 0.3521, 0.3989)
    a, b, c = x
    return squares(a * m.exp(-b * ((7.0 - i) / 2.0 - c) ** 2 / 2.0) - y for i, y in enumerate(ys))


@at([0.02, 4000.0, 250.0])
def meyer(m: Any, x: Any) -> Any:
    """The first eight of the data."""
    ys = (34780.0, 28610.0, 23650.0, 19630.0, 16370.0, 13720.0, 11540.0, 9744.0)
    a, b, c = x
    return squares(a * m.exp(b / (45.0 + 5.0 * i + c)) - y for i, y in enumerate(ys, 1))


@at([0.5, 9.0, 1.5])
def box_3d(m: Any, x: Any) -> Any:
    a, b, c = x
    ts = [0.1 * i for i in range(1, 11)]
    return squares(m.exp(-t * a) - m.exp(-t * b) - c * (math.exp(-t) - math.exp(-10.0 * t)) for t in ts)


@at([3.0, -1.0, 0.1, 1.0])
def powell_singular(m: Any, x: Any) -> Any:
    a, b, c, d = x
    return (a + 10.0 * b) ** 2 + 5.0 * (c - d) ** 2 + (b - 2.0 * c) ** 4 + 10.0 * (a - d) ** 4


@at([-3.0, -1.0, -3.0, -1.0], [0.8, 1.1, 0.9, 1.2])
def wood(m: Any, x: Any) -> Any:
    a, b, c, d = x
    first = 100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 + 90.0 * (d - c * c) ** 2 + (1.0 - c) ** 2
    return first + 10.0 * (b + d - 2.0) ** 2 + 0.1 * (b - d) ** 2


@at([0.25, 0.39, 0.415, 0.39])
def kowalik_osborne(m: Any, x: Any) -> Any:
    ys = (0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246)
    us = (4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625)
    a, b, c, d = x
    return squares(y - a * (u * u + u * b) / (u * u + u * c + d) for u, y in zip(us, ys, strict=True))


@at([25.0, 5.0, -5.0, -1.0])
def brown_dennis(m: Any, x: Any) -> Any:
    a, b, c, d = x
    y = 0.0
    for t in (0.2 * i for i in range(1, 21)):
        y = y + ((a + t * b - math.exp(t)) ** 2 + (c + d * math.sin(t) - math.cos(t)) ** 2) ** 2
    return y


@at([1.0, 2.0, 1.0, 1.0, 1.0, 1.0])
def biggs_exp6(m: Any, x: Any) -> Any:
    a, b, c, d, e, f = x
    y = 0.0
    for t in (0.1 * i for i in range(1, 14)):
        data = math.exp(-t) - 5.0 * math.exp(-10.0 * t) + 3.0 * math.exp(-4.0 * t)
        y = y + (c * m.exp(-t * a) - d * m.exp(-t * b) + f * m.exp(-t * e) - data) ** 2
    return y


@at([1.0, 2.0, 3.0, 4.0])
def penalty_1(m: Any, x: Any) -> Any:
    return 1e-5 * sum((v - 1.0) ** 2 for v in x) + (sum(v * v for v in x) - 0.25) ** 2


@at([0.75, 0.5, 0.25, 0.1])
def variably_dimensioned(m: Any, x: Any) -> Any:
    t = sum((k + 1.0) * (v - 1.0) for k, v in enumerate(x))
    return sum((v - 1.0) ** 2 for v in x) + t**2 + t**4


@at([0.2, 0.25, 0.3, 0.1])
def trigonometric(m: Any, x: Any) -> Any:
    n, cosines = len(x), sum(m.cos(v) for v in x)
    return squares(n - cosines + (k + 1.0) * (1.0 - m.cos(v)) - m.sin(v) for k, v in enumerate(x))


@at([-1.0, -0.9, -1.1, -0.8, -1.0, -0.5])
def broyden_tridiagonal(m: Any, x: Any) -> Any:
    padded = [0.0, *x, 0.0]
    return squares((3.0 - 2.0 * b) * b - a - 2.0 * c + 1.0 for a, b, c in zip(padded[:-2], x, padded[2:], strict=True))


@at([-1.0, -0.5, -0.7, 0.3, -1.0])
def broyden_banded(m: Any, x: Any) -> Any:
    y = 0.0
    for i, v in enumerate(x):
        near = [w for j, w in enumerate(x) if j != i and i - 5 <= j <= i + 1]
        y = y + (v * (2.0 + 5.0 * v * v) + 1.0 - sum(w * (1.0 + w) for w in near)) ** 2
    return y


@at([-0.1, -0.2, -0.2, -0.1])
def discrete_boundary_value(m: Any, x: Any) -> Any:
    h, padded = 0.2, [0.0, *x, 0.0]
    return squares(
        2.0 * b - a - c + h * h / 2.0 * (b + h * i + 1.0) ** 3
        for i, (a, b, c) in enumerate(zip(padded[:-2], x, padded[2:], strict=True), 1)
    )


@at([0.5, 0.4, 0.3, 0.6])
def brown_almost_linear(m: Any, x: Any) -> Any:
    product = x[0] * x[1] * x[2] * x[3]
    return squares([*(v + sum(x) - 5.0 for v in x[:-1]), product - 1.0])


@at([0.5, 0.3, -0.2, 0.8])
def chebyquad(m: Any, x: Any) -> Any:
    ts = [2.0 * v - 1.0 for v in x]
    before, now, y = [1.0] * len(x), ts, 0.0
    for i in range(1, 5):
        y = y + (sum(now) / 4.0 + (1.0 / (i * i - 1.0) if i % 2 == 0 else 0.0)) ** 2
        before, now = now, [2.0 * t * b - a for t, a, b in zip(ts, before, now, strict=True)]
    return y


# Classics of automatic differentiation, and of numerical mathematics. ------------------------------------------------


@at([1.5, -2.0, 0.5, 3.0, 1.1, -0.7, 0.9, 2.0], [1e-2, 1e2, 1e-1, 10.0])
def speelpenning(m: Any, x: Any) -> Any:
    """Speelpenning's product, 1980."""
    y = x[0]
    for v in x[1:]:
        y = y * v
    return y


@at([0.1, 0.15, 0.05, 0.2], [0.02, 0.01, 0.03, 0.025])
def helmholtz_energy(m: Any, x: Any) -> Any:
    """The Helmholtz energy of mixed fluids: Griewank, On automatic differentiation, 1989; with our own constants."""
    n, bs = len(x), [0.3 + 0.1 * k for k in range(len(x))]
    bx = sum(b * v for b, v in zip(bs, x, strict=True))
    axx = sum(x[i] * x[j] / (1.0 + i + j) for i in range(n) for j in range(n))
    logs = sum(v * m.log(v / (1.0 - bx)) for v in x)
    root = math.sqrt(2.0)
    return 2.5 * logs - axx / (2.0 * root * bx) * m.log((1.0 + (1.0 + root) * bx) / (1.0 + (1.0 - root) * bx))


@at([0.8, 1.2, 0.3, 1.5])
def lighthouse(m: Any, x: Any) -> Any:
    """Where the beam of a lighthouse meets the quay: Griewank and Walther, Evaluating derivatives, 2008, chapter 2."""
    nu, gamma, omega, t = x
    turn = m.tan(omega * t)
    return nu * turn / (gamma - turn)


@at([0.1, 0.18, 0.22, 0.2, 0.12], [2.0, 3.5, 4.0, 3.0, 1.5])
def bratu(m: Any, x: Any) -> Any:
    """The norm of the residual of u'' + 3 exp(u) = 0, u(0) = u(1) = 0."""
    h = 1.0 / (len(x) + 1.0)
    padded = [0.0, *x, 0.0]
    rows = zip(padded[:-2], x, padded[2:], strict=True)
    return m.sqrt(squares((a - 2.0 * b + c) / (h * h) + 3.0 * m.exp(b) for a, b, c in rows))


@at([0.3, 0.1, 0.4, 0.2])
def minimal_surface(m: Any, x: Any) -> Any:
    """The area over one cell: Averick, Carter, Moré and Xue, The MINPACK-2 test problem collection, 1992."""
    a, b, c, d = x
    lower = m.sqrt(1.0 + ((b - a) / 0.1) ** 2 + ((c - a) / 0.1) ** 2)
    return 0.005 * (lower + m.sqrt(1.0 + ((d - c) / 0.1) ** 2 + ((d - b) / 0.1) ** 2))


@at([2.0, -1.0, 0.5, 1.0, 3.0, -2.0, 0.1, 0.7, 4.0])
def determinant(m: Any, x: Any) -> Any:
    a, b, c, d, e, f, g, h, i = x
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


@at([4.0, 1.0, 0.5, 3.0, 1.0, 2.0], [1.0, 0.9999, 1.0, 1.0, 1.0, 2.0])
def linear_solution(m: Any, x: Any) -> Any:
    """The first unknown of two linear equations, by elimination."""
    a, b, c, d, p, q = x
    factor = c / a
    second = (q - factor * p) / (d - factor * b)
    return (p - b * second) / a


@at([2.0], [1e6])
def heron(m: Any, x: Any) -> Any:
    """The square root by eight of Newton's iterations."""
    y = 0.5 * (1.0 + x[0])
    for _ in range(8):
        y = 0.5 * (y + x[0] / y)
    return y


@at([1.0, 0.2], [1.0, 1e-5])
def arithmetic_geometric_mean(m: Any, x: Any) -> Any:
    a, b = x
    for _ in range(5):
        a, b = 0.5 * (a + b), m.sqrt(a * b)
    return a


@at([0.3])
def dottie(m: Any, x: Any) -> Any:
    """Twenty iterations of the cosine: the derivative dies away."""
    y = x[0]
    for _ in range(20):
        y = m.cos(y)
    return y


def logistic_map(steps: int) -> Function:
    def f(m: Any, x: Any) -> Any:
        y, r = x
        for _ in range(steps):
            y = r * y * (1.0 - y)
        return y

    return f


add("logistic_map_10", logistic_map(10), [0.3, 3.7], [0.123, 2.9])
add("logistic_map_30", logistic_map(30), [0.3, 3.9])
add("logistic_map_60", logistic_map(60), [0.3, 3.99])


@at([0.1, 0.2, 1.4, 0.3])
def henon(m: Any, x: Any) -> Any:
    """Fifteen iterations: Hénon, 1976."""
    u, v, a, b = x
    for _ in range(15):
        u, v = 1.0 - a * u * u + v, b * u
    return u


@at([-0.5, 0.3], [0.3, 0.5])
def mandelbrot(m: Any, x: Any) -> Any:
    """The squared size after eight iterations of z*z + c."""
    a, b = u, v = x
    for _ in range(8):
        u, v = u * u - v * v + a, 2.0 * u * v + b
    return u * u + v * v


def runge_kutta(slope: Callable[[list[Any]], list[Any]], state: list[Any], h: float, steps: int) -> list[Any]:
    """The classical method of fourth order."""

    def moved(state: list[Any], k: list[Any], part: float) -> list[Any]:
        return [s + part * d for s, d in zip(state, k, strict=True)]

    for _ in range(steps):
        a = slope(state)
        b = slope(moved(state, a, h / 2.0))
        c = slope(moved(state, b, h / 2.0))
        d = slope(moved(state, c, h))
        state = [s + h / 6.0 * (p + 2.0 * q + 2.0 * r + t) for s, p, q, r, t in zip(state, a, b, c, d, strict=True)]
    return state


@at([1.0, 0.5], [3.0, 0.0])
def pendulum(m: Any, x: Any) -> Any:
    """The angle after two seconds."""
    return runge_kutta(lambda s: [s[1], -9.81 * m.sin(s[0])], list(x), 0.1, 20)[0]


@at([10.0, 5.0, 1.1, 0.4])
def lotka_volterra(m: Any, x: Any) -> Any:
    prey, hunters, a, b = x

    def slope(s: list[Any]) -> list[Any]:
        return [a * s[0] - b * s[0] * s[1], 0.1 * s[0] * s[1] - 0.4 * s[1]]

    return runge_kutta(slope, [prey, hunters], 0.05, 12)[1]


@at([1.0, 1.0, 20.0])
def lorenz(m: Any, x: Any) -> Any:
    """Lorenz, 1963, for half a unit of time."""

    def slope(s: list[Any]) -> list[Any]:
        return [10.0 * (s[1] - s[0]), s[0] * (28.0 - s[2]) - s[1], s[0] * s[1] - 8.0 / 3.0 * s[2]]

    return runge_kutta(slope, list(x), 0.02, 25)[2]


@at([0.7, 0.4])
def van_der_pol(m: Any, x: Any) -> Any:
    return runge_kutta(lambda s: [s[1], 2.0 * (1.0 - s[0] * s[0]) * s[1] - s[0]], list(x), 0.1, 15)[0]


@at([0.8, 2.0], [30.0, 0.1])
def simpson(m: Any, x: Any) -> Any:
    """The integral of exp(-a t**2) cos(b t) over 0..1 by Simpson's rule."""
    a, b = x
    y = 0.0
    for i in range(21):
        t = i / 20.0
        y = y + (1.0 if i in (0, 20) else 4.0 if i % 2 else 2.0) / 60.0 * m.exp(-a * t * t) * m.cos(b * t)
    return y


@at([0.9, 0.2], [0.05, 3.0])
def elliptic_integral(m: Any, x: Any) -> Any:
    """The perimeter of an ellipse by Ramanujan's second approximation."""
    a, b = x
    h = ((a - b) / (a + b)) ** 2
    return math.pi * (a + b) * (1.0 + 3.0 * h / (10.0 + m.sqrt(4.0 - 3.0 * h)))


# Losses and small nets. ----------------------------------------------------------------------------------------------

SAMPLES = ((0.5, -1.2), (1.5, 0.3), (-0.7, 0.8), (2.1, -0.4), (-1.3, -0.9), (0.2, 1.7))
LABELS = (1.0, 1.0, 0.0, 1.0, 0.0, 0.0)


def logistic(m: Any, z: Any) -> Any:
    return 1.0 / (1.0 + m.exp(-z))


@at([0.3, -0.8, 0.1], [12.0, -9.0, 3.0])
def logistic_regression(m: Any, x: Any) -> Any:
    a, b, c = x
    y = 0.0
    for (u, v), label in zip(SAMPLES, LABELS, strict=True):
        y = y + m.log(1.0 + m.exp((1.0 - 2.0 * label) * (a * u + b * v + c)))
    return y / 6.0


WEIGHTS = (0.4, -0.7, 0.1, -0.3, 0.9, 0.2, 1.1, -0.5, 0.05)


def tanh_net(m: Any, x: Any, u: float, v: float) -> Any:
    """A net 2-2-1."""
    return x[6] * m.tanh(x[0] * u + x[1] * v + x[2]) + x[7] * m.tanh(x[3] * u + x[4] * v + x[5]) + x[8]


@at(WEIGHTS, [8.0 * w for w in WEIGHTS])
def net_mean_square(m: Any, x: Any) -> Any:
    pairs = zip(SAMPLES, LABELS, strict=True)
    return sum((tanh_net(m, x, u, v) - label) ** 2 for (u, v), label in pairs) / 6.0


@at(WEIGHTS)
def net_cross_entropy(m: Any, x: Any) -> Any:
    y = 0.0
    for (u, v), label in zip(SAMPLES, LABELS, strict=True):
        p = logistic(m, tanh_net(m, x, u, v))
        y = y - label * m.log(p) - (1.0 - label) * m.log(1.0 - p)
    return y / 6.0


@at([0.1, -0.4, 0.7, 0.2, 0.5, -0.3, 1.0, -1.1])
def deep_narrow_net(m: Any, x: Any) -> Any:
    """Eight layers of one neuron."""
    y = 0.9
    for w in x:
        y = m.tanh(w * y + 0.3)
    return y


@at([1.0, 2.0, 0.5, -1.0], [40.0, 1.0, -3.0, 39.0])
def softmax_cross_entropy(m: Any, x: Any) -> Any:
    return m.log(sum(m.exp(v) for v in x)) - x[2]


@at([300.0, 301.0, 299.5])
def shifted_logsumexp(m: Any, x: Any) -> Any:
    return 301.0 + m.log(sum(m.exp(v - 301.0) for v in x))


@at([0.5, 1.5, -0.3])
def focal_loss(m: Any, x: Any) -> Any:
    """Lin, Goyal, Girshick, He and Dollár, 2017; gamma = 2."""
    p = m.exp(x[0]) / sum(m.exp(v) for v in x)
    return -((1.0 - p) ** 2) * m.log(p)


@at([0.3, -1.0, 1.2, 0.7, 0.9])
def gaussian_mixture(m: Any, x: Any) -> Any:
    """The log likelihood of two components; the weight is the first number."""
    w, a, b, s, t = x
    y = 0.0
    for data in (-1.4, -0.6, 0.1, 0.9, 1.3, 2.2):
        left = w / s * m.exp(-(((data - a) / s) ** 2) / 2.0)
        y = y + m.log((left + (1.0 - w) / t * m.exp(-(((data - b) / t) ** 2) / 2.0)) / math.sqrt(2.0 * math.pi))
    return y


@at([0.5, -0.2])
def poisson_regression(m: Any, x: Any) -> Any:
    counts = (2.0, 1.0, 3.0, 0.0)
    return sum(m.exp(x[0] + x[1] * t) - count * (x[0] + x[1] * t) for t, count in enumerate(counts))


@at([0.2, 1.3, 4.0])
def student_t(m: Any, x: Any) -> Any:
    mu, s, nu = x
    y = 0.0
    for data in (-0.5, 0.4, 3.0):
        y = y + m.lgamma((nu + 1.0) / 2.0) - m.lgamma(nu / 2.0) - 0.5 * m.log(math.pi * nu) - m.log(s)
        y = y - (nu + 1.0) / 2.0 * m.log1p(((data - mu) / s) ** 2 / nu)
    return y


@at([2.5, 0.7], [200.0, 300.0])
def beta_likelihood(m: Any, x: Any) -> Any:
    a, b = x
    norm = m.lgamma(a + b) - m.lgamma(a) - m.lgamma(b)
    return sum(norm + (a - 1.0) * math.log(p) + (b - 1.0) * math.log(1.0 - p) for p in (0.2, 0.5, 0.4))


@at([3.0, 0.5])
def gamma_likelihood(m: Any, x: Any) -> Any:
    k, rate = x
    return sum(k * m.log(rate) - m.lgamma(k) + (k - 1.0) * math.log(t) - rate * t for t in (1.0, 4.5, 7.0))


@at([0.4, -1.1], [3.0, 2.0])
def probit(m: Any, x: Any) -> Any:
    y = 0.0
    for (u, v), label in zip(SAMPLES, LABELS, strict=True):
        y = y - m.log(0.5 * m.erfc((1.0 - 2.0 * label) * (x[0] * u + x[1] * v) / math.sqrt(2.0)))
    return y


@at([0.5, 1.2, -0.3, 0.8])
def kullback_leibler(m: Any, x: Any) -> Any:
    """Of two normal distributions."""
    a, s, b, t = x
    return m.log(t / s) + (s * s + (a - b) ** 2) / (2.0 * t * t) - 0.5


@at([1.0, 2.0, 4.0, 4.5])
def normalisation(m: Any, x: Any) -> Any:
    """The first number, normalised over a batch."""
    mean = sum(x) / 4.0
    return (x[0] - mean) / m.sqrt(sum((v - mean) ** 2 for v in x) / 4.0 + 1e-5)


@at([0.3, -0.5, 0.8, 0.1, 1.2, -0.4])
def attention(m: Any, x: Any) -> Any:
    """One query over two keys."""
    q, k = x[:2], (x[2:4], x[4:6])
    scores = [m.exp((q[0] * a + q[1] * b) / math.sqrt(2.0)) for a, b in k]
    return (scores[0] * k[0][0] + scores[1] * k[1][1]) / (scores[0] + scores[1])


@at([0.5, 0.9, -0.2], [0.5, 3.0, 0.1])
def recurrent_net(m: Any, x: Any) -> Any:
    w, u, b = x
    h = 0.0
    for t in range(10):
        h = m.tanh(w * math.sin(1.0 + t) + u * h + b)
    return h


@at([0.4, -0.6, 0.7])
def gated_unit(m: Any, x: Any) -> Any:
    w, u, b = x
    h = 0.1
    for t in (0.5, -1.0, 2.0):
        z = logistic(m, w * t + u * h)
        h = (1.0 - z) * h + z * m.tanh(b * t + h)
    return h


@at([1.0, 0.7, 0.1])
def gaussian_process(m: Any, x: Any) -> Any:
    """The log marginal likelihood of two points; amplitude, length, noise."""
    amplitude, length, noise = x
    a = amplitude**2 + noise**2
    b = amplitude**2 * m.exp(-0.5 * (0.6 / length) ** 2)
    d = a * a - b * b
    return -0.5 * (a * (0.3**2 + 0.8**2) - 2.0 * b * 0.3 * 0.8) / d - 0.5 * m.log(d) - math.log(2.0 * math.pi)


@at([0.2, -0.4])
def cox_likelihood(m: Any, x: Any) -> Any:
    """The partial likelihood of Cox, 1972; the samples in order of time."""
    scores = [x[0] * u + x[1] * v for u, v in SAMPLES]
    return sum(scores[i] - m.log(sum(m.exp(s) for s in scores[i:])) for i in range(5))


@at([0.8, -0.3, 1.5])
def gelu_by_tanh(m: Any, x: Any) -> Any:
    """Hendrycks and Gimpel, 2016."""
    return sum(0.5 * v * (1.0 + m.tanh(math.sqrt(2.0 / math.pi) * (v + 0.044715 * v**3))) for v in x)


@at([0.6, 2.0, -0.4])
def mish(m: Any, x: Any) -> Any:
    return sum(v * m.tanh(m.log1p(m.exp(v))) for v in x)


@at([2.0, 1.0, 0.5], [1e3, 1e3, 2e3])
def ridge(m: Any, x: Any) -> Any:
    fit = sum((x[0] * u + x[1] * v + x[2] - label) ** 2 for (u, v), label in zip(SAMPLES, LABELS, strict=True))
    return fit + 0.1 * (x[0] ** 2 + x[1] ** 2)


@at([0.3, 0.5, 0.2], [1e-6, 0.4, 0.6])
def entropy(m: Any, x: Any) -> Any:
    return -sum(p * m.log(p) for p in x)


# Physics, chemistry, finance, geometry. ------------------------------------------------------------------------------


def normal_cdf(m: Any, z: Any) -> Any:
    return 0.5 * m.erfc(-z / math.sqrt(2.0))


@at([100.0, 105.0, 0.03, 0.2, 0.75], [100.0, 180.0, 0.01, 0.15, 0.25], [42.0, 40.0, 0.1, 0.2, 0.5])
def black_scholes(m: Any, x: Any) -> Any:
    """The price of a call: Black and Scholes, 1973."""
    spot, strike, rate, volatility, years = x
    spread = volatility * m.sqrt(years)
    d = (m.log(spot / strike) + (rate + volatility * volatility / 2.0) * years) / spread
    return spot * normal_cdf(m, d) - strike * m.exp(-rate * years) * normal_cdf(m, d - spread)


@at([0.04, 1000.0], [0.3, 10.0])
def bond(m: Any, x: Any) -> Any:
    """The price of a bond of ten years with a coupon of 5 %."""
    rate, face = x
    return sum(0.05 * face / (1.0 + rate) ** k for k in range(1, 11)) + face / (1.0 + rate) ** 10


@at([3.0, 5.0, 0.3])
def cobb_douglas(m: Any, x: Any) -> Any:
    return 1.2 * x[0] ** x[2] * x[1] ** (1.0 - x[2])


@at([3.0, 5.0, -0.5])
def constant_elasticity(m: Any, x: Any) -> Any:
    return (0.4 * x[0] ** x[2] + 0.6 * x[1] ** x[2]) ** (1.0 / x[2])


@at([1.1], [0.6], [6.0])
def lennard_jones(m: Any, x: Any) -> Any:
    s = (1.0 / x[0]) ** 6
    return 4.0 * (s * s - s)


@at([0.0, 0.0, 0.1, 1.1, 0.2, -0.1, 0.4, 1.2, 0.3])
def lennard_jones_cluster(m: Any, x: Any) -> Any:
    """Three atoms."""
    atoms = [x[:3], x[3:6], x[6:]]
    y = 0.0
    for i in range(3):
        for j in range(i):
            s = 1.0 / sum((a - b) ** 2 for a, b in zip(atoms[i], atoms[j], strict=True)) ** 3
            y = y + 4.0 * (s * s - s)
    return y


@at([4.5, 1.9, 0.74, 0.9])
def morse(m: Any, x: Any) -> Any:
    """Morse, 1929: depth, width, rest length, distance."""
    depth, a, rest, r = x
    return depth * (1.0 - m.exp(-a * (r - rest))) ** 2


@at([1.2, 0.3, 0.8], [0.05, 0.97, 0.01])
def kepler(m: Any, x: Any) -> Any:
    """The residual of Kepler's equation."""
    anomaly, e, mean = x
    return anomaly - e * m.sin(anomaly) - mean


@at([0.8, 0.3], [0.1, 0.9])
def kepler_solved(m: Any, x: Any) -> Any:
    """The eccentric anomaly by ten of Newton's steps."""
    mean, e = x
    y = mean + e
    for _ in range(10):
        y = y - (y - e * m.sin(y) - mean) / (1.0 - e * m.cos(y))
    return y


@at([1.0, 9.81, 0.5])
def pendulum_period(m: Any, x: Any) -> Any:
    """The series in the amplitude up to its fourth power."""
    length, g, angle = x
    return 2.0 * math.pi * m.sqrt(length / g) * (1.0 + angle**2 / 16.0 + 11.0 * angle**4 / 3072.0)


@at([0.5, 1.0, 0.3, -0.2])
def double_pendulum_energy(m: Any, x: Any) -> Any:
    a, b, p, q = x
    kinetic = p * p + 0.5 * q * q + p * q * m.cos(a - b)
    return kinetic - 9.81 * (2.0 * m.cos(a) + m.cos(b))


@at([300.0, 0.025], [500.0, 1e-4])
def van_der_waals(m: Any, x: Any) -> Any:
    """The pressure of a mole of carbon dioxide in SI units."""
    temperature, volume = x
    return 8.314462618 * temperature / (volume - 4.267e-5) - 0.364 / (volume * volume)


@at([5e14, 5800.0], [1e9, 300.0])
def planck(m: Any, x: Any) -> Any:
    """The spectral radiance in SI units: frequency, temperature."""
    frequency, temperature = x
    ratio = 6.62607015e-34 / 1.380649e-23 * frequency / temperature
    return 2.0 * 6.62607015e-34 / 299792458.0**2 * frequency**3 / m.expm1(ratio)


@at([300.0, 5e4], [1000.0, 1e5])
def arrhenius(m: Any, x: Any) -> Any:
    return 1e13 * m.exp(-x[1] / (8.314462618 * x[0]))


@at([0.6, 300.0])
def diode(m: Any, x: Any) -> Any:
    """The current by Shockley's equation: voltage, temperature."""
    return 1e-12 * m.expm1(x[0] * 1.602176634e-19 / (1.380649e-23 * x[1]))


@at([145.0, 5.0, 310.0])
def nernst(m: Any, x: Any) -> Any:
    return 8.314462618 * x[2] / 96485.33212 * m.log(x[1] / x[0])


@at([2.0, 0.5, 1.5])
def michaelis_menten(m: Any, x: Any) -> Any:
    return x[0] * x[2] / (x[1] + x[2])


@at([2.0, 0.5, 2.7], [1e-3, 0.5, 4.0])
def hill(m: Any, x: Any) -> Any:
    dose, half, n = x
    return dose**n / (half**n + dose**n)


@at([1e8], [2.99e8])
def lorentz_factor(m: Any, x: Any) -> Any:
    beta = x[0] / 299792458.0
    return 1.0 / m.sqrt(1.0 - beta * beta)


@at([5.972e24, 7.348e22, 3.844e8])
def gravity(m: Any, x: Any) -> Any:
    """The force between Earth and Moon in SI units."""
    return 6.6743e-11 * x[0] * x[1] / (x[2] * x[2])


@at([5.1, 5.0, 0.025], [7.0, 5.0, 0.025])
def fermi_dirac(m: Any, x: Any) -> Any:
    return 1.0 / (m.exp((x[0] - x[1]) / x[2]) + 1.0)


@at([0.01], [2.0])
def bose_einstein(m: Any, x: Any) -> Any:
    return 1.0 / (m.exp(x[0]) - 1.0)


@at([0.1], [1e-3], [4.0])
def langevin(m: Any, x: Any) -> Any:
    """coth(x) - 1/x, which cancels near 0."""
    return 1.0 / m.tanh(x[0]) - 1.0 / x[0]


@at([500.0, 300.0])
def maxwell_boltzmann(m: Any, x: Any) -> Any:
    """The density of speeds of nitrogen: speed, temperature."""
    v, t = x
    a = 4.65e-26 / (2.0 * 1.380649e-23 * t)
    return 4.0 * math.pi * (a / math.pi) ** 1.5 * v * v * m.exp(-a * v * v)


@at([91.0, 91.1876, 2.4952])
def breit_wigner(m: Any, x: Any) -> Any:
    e, mass, width = x
    return 1.0 / ((e * e - mass * mass) ** 2 + mass * mass * width * width)


@at([0.02, 1e5, 1e-4])
def colebrook(m: Any, x: Any) -> Any:
    """The residual of Colebrook's equation: friction, Reynolds number, roughness."""
    f, reynolds, roughness = x
    root = m.sqrt(f)
    return 1.0 / root + 2.0 / math.log(10.0) * m.log(roughness / 3.7 + 2.51 / (reynolds * root))


@at([30.0, 0.7])
def projectile(m: Any, x: Any) -> Any:
    return x[0] * x[0] * m.sin(2.0 * x[1]) / 9.81


@at([0.9, 0.2, 0.85, 0.6])
def haversine(m: Any, x: Any) -> Any:
    """The distance on Earth between two points, in metres: latitude and longitude, twice."""
    a, b, c, d = x
    h = m.sin((c - a) / 2.0) ** 2 + m.cos(a) * m.cos(c) * m.sin((d - b) / 2.0) ** 2
    return 2.0 * 6371008.8 * m.asin(m.sqrt(h))


@at([1.0, 0.2, 0.0, 0.3, 1.1, 0.1])
def angle_of_vectors(m: Any, x: Any) -> Any:
    a, b = x[:3], x[3:]
    dot = sum(p * q for p, q in zip(a, b, strict=True))
    return m.acos(dot / m.sqrt(sum(p * p for p in a) * sum(q * q for q in b)))


@at([3.0, 4.0, 5.5])
def triangle(m: Any, x: Any) -> Any:
    """The area by Heron's formula."""
    a, b, c = x
    s = (a + b + c) / 2.0
    return m.sqrt(s * (s - a) * (s - b) * (s - c))


@at([1.0, 0.1, 20.0, 0.7])
def damped_oscillator(m: Any, x: Any) -> Any:
    amplitude, damping, frequency, t = x
    return amplitude * m.exp(-damping * t) * m.cos(frequency * m.sqrt(1.0 - damping * damping) * t)


@at([1e-10, 2e-10, 1e-19])
def coulomb(m: Any, x: Any) -> Any:
    """The energy of two charges at a distance, in SI units."""
    return 8.9875517923e9 * x[2] * x[2] / m.sqrt(x[0] * x[0] + x[1] * x[1])
