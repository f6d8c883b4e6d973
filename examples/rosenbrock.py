"""Minimise Rosenbrock's function with scipy, given our gradient and our Hessian-vector product.

    python examples/rosenbrock.py

The function is ten lines of ordinary arithmetic; nothing is derived by hand.
"""

from itertools import pairwise

import numpy as np
from scipy.optimize import minimize

from autograd import hvp, value_and_grad

N = 20


def rosenbrock(x):
    """Rosenbrock (1960), in n dimensions: 0 at (1, ..., 1)."""
    total = 0.0
    for a, b in pairwise(x):
        total = total + 100 * (b - a**2) ** 2 + (1 - a) ** 2
    return total


def main() -> float:
    start = np.tile([-1.2, 1.0], N // 2)
    objective = value_and_grad(rosenbrock)
    calls = {
        "no gradient (BFGS, finite differences)": lambda: minimize(rosenbrock, start, method="BFGS"),
        "our gradient (L-BFGS-B)": lambda: minimize(objective, start, jac=True, method="L-BFGS-B", tol=1e-15),
        "our gradient and Hessian products (trust-ncg)": lambda: minimize(
            objective, start, jac=True, hessp=lambda x, v: hvp(rosenbrock, x, v), method="trust-ncg", tol=1e-9
        ),
    }
    error = np.inf
    for name, call in calls.items():
        result = call()
        error = float(np.abs(result.x - 1).max())
        print(f"{name}: f = {result.fun:.1e} after {result.nfev} calls; |x - 1| <= {error:.1e}")
    return error


if __name__ == "__main__":
    if main() > 1e-6:
        raise SystemExit("the minimum was not found")
