"""Problems of the literature, their gradients and Hessians checked against 50 digits.

Each function is a few lines of ordinary Python. The checker runs it again on numbers of 50 digits, so that no rule of
differentiation can agree with itself; what it prints is the largest error, in parts of what rounding allows.
"""

import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import autograd as ag
from autograd.testing import check_gradient


def rosenbrock(x: Sequence[Any]) -> Any:
    """Rosenbrock (1960), chained over any number of variables."""
    return ag.sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in pairwise(x))


def helmholtz(x: Sequence[Any]) -> Any:
    """Helmholtz energy of a mixed fluid, Griewank and Walther, Evaluating derivatives, 2008, section 4.4."""
    a = [[math.sqrt((i + 1) * (j + 1)) / 10 for j in range(len(x))] for i in range(len(x))]
    b = [0.1 / (i + 1) for i in range(len(x))]
    bx = ag.dot(b, x)
    axx = ag.sum(x[i] * a[i][j] * x[j] for i in range(len(x)) for j in range(len(x)))
    r2 = math.sqrt(2.0)
    mixing = ag.sum(v * ag.log(v / (1 - bx)) for v in x)
    return mixing - axx / (2 * r2 * bx) * ag.log((1 + (1 + r2) * bx) / (1 + (1 - r2) * bx))


def speelpenning(x: Sequence[Any]) -> Any:
    """Speelpenning's product (1980): every partial is the product of all others."""
    return ag.prod(x)


def broyden(x: Sequence[Any]) -> Any:
    """Broyden's tridiagonal system (1965) as a sum of squares; More, Garbow and Hillstrom (1981), number 30."""
    padded = [0.0, *x, 0.0]
    return ag.sum(
        ((3 - 2 * v) * v - before - 2 * after + 1) ** 2
        for before, v, after in zip(padded, x, padded[2:], strict=False)
    )


def beale(x: Sequence[Any]) -> Any:
    """Beale (1958); More, Garbow and Hillstrom (1981), number 5."""
    a, b = x
    return ag.sum((c - a * (1 - b**k)) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625)))


def powell(x: Sequence[Any]) -> Any:
    """Powell's singular function (1962): the Hessian has no inverse at the minimum."""
    a, b, c, d = x
    return (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4


def wood(x: Sequence[Any]) -> Any:
    """Wood; More, Garbow and Hillstrom (1981), number 14."""
    a, b, c, d = x
    first = 100 * (b - a * a) ** 2 + (1 - a) ** 2 + 90 * (d - c * c) ** 2 + (1 - c) ** 2
    return first + 10 * (b + d - 2) ** 2 + (b - d) ** 2 / 10


def ackley(x: Sequence[Any]) -> Any:
    """Ackley (1987)."""
    n = len(x)
    spread = ag.exp(-0.2 * ag.norm(x) / math.sqrt(n))
    return -20 * spread - ag.exp(ag.sum(ag.cos(2 * math.pi * v) for v in x) / n) + 20 + math.e


def brown_dennis(x: Sequence[Any]) -> Any:
    """Brown and Dennis (1971); More, Garbow and Hillstrom (1981), number 16."""
    a, b, c, d = x
    times = [k / 5 for k in range(1, 21)]
    return ag.sum(((a + t * b - math.exp(t)) ** 2 + (c + d * math.sin(t) - math.cos(t)) ** 2) ** 2 for t in times)


def kepler(x: Sequence[Any]) -> Any:
    """The radius of an orbit at a time, Kepler's equation solved by eight steps of Newton's method."""
    eccentricity, anomaly = x
    e = anomaly
    for _ in range(8):
        e = e - (e - eccentricity * ag.sin(e) - anomaly) / (1 - eccentricity * ag.cos(e))
    return 1 - eccentricity * ag.cos(e)


def black_scholes(x: Sequence[Any]) -> Any:
    """The price of a call, Black and Scholes (1973); its derivatives are the Greeks."""
    spot, strike, rate, volatility, years = x
    width = volatility * ag.sqrt(years)
    d = (ag.log(spot / strike) + (rate + volatility**2 / 2) * years) / width
    return spot * ag.normal_cdf(d) - strike * ag.exp(-rate * years) * ag.normal_cdf(d - width)


PROBLEMS: list[tuple[Callable[[Sequence[Any]], Any], list[float]]] = [
    (rosenbrock, [-1.2, 1.0, 0.7, -0.4]),
    (helmholtz, [0.3, 0.7, 1.1]),
    (speelpenning, [0.5, -2.0, 0.0, 3.0, 1.25]),
    (broyden, [-1.0, -0.5, 0.25, 2.0]),
    (beale, [1.0, 0.8]),
    (powell, [3.0, -1.0, 0.0, 1.0]),
    (wood, [-3.0, -1.0, -3.0, -1.0]),
    (ackley, [0.3, -1.7, 2.2]),
    (brown_dennis, [25.0, 5.0, -5.0, -1.0]),
    (kepler, [0.6, 1.9]),
    (black_scholes, [100.0, 110.0, 0.03, 0.25, 0.5]),
]


def main() -> None:
    print(f"{'problem':14} {'numbers':>8} {'verdict':>8} {'error of allowed':>17} {'ms':>7}")
    for f, x in PROBLEMS:
        start = time.perf_counter()
        report = check_gradient(f, x)
        spent = (time.perf_counter() - start) * 1e3
        worst = max(finding.off / finding.tolerance for finding in report.findings)
        print(f"{f.__name__:14} {len(x):8} {report.verdict:>8} {worst:17.3f} {spent:7.1f}")


if __name__ == "__main__":
    main()
