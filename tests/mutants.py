"""Wrong gradients made by hand: the tests must notice each. Run as `python tests/mutants.py [words of a reason]`.

A mutant is a file, a text in it, what takes its place, and why one could write that. It is applied to a copy of the
package, which runs uncompiled; a mutant that survives is a hole in the tests, and the exit status is 1.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    """One wrong gradient, or one wrong promise about gradients."""

    file: str
    old: str
    new: str
    reason: str
    tests: str


OPS, VALUE, CALCULUS, BATCH = "test_ops", "test_value", "test_calculus", "test_batch"
NET, LEARN = "test_net", "test_learn"

MUTANTS = [
    # rules
    Mutant(
        "ops.py",
        "lambda a, b, y: 1.0, lambda a, b, y: -1.0, form",
        "lambda a, b, y: 1.0, lambda a, b, y: 1.0, form",
        "the sign of the subtrahend",
        OPS,
    ),
    Mutant(
        "ops.py",
        "lambda a, b, y: 1.0 / b, lambda a, b, y: -y / b",
        "lambda a, b, y: 1.0 / b, lambda a, b, y: y / b",
        "the sign in the quotient rule",
        OPS,
    ),
    Mutant("ops.py", "lambda x, y: -sin(x))", "lambda x, y: sin(x))", "the sign of cos'", OPS),
    Mutant(
        "ops.py",
        "lambda x, y: 4.0 * sigmoid(2.0 * x) * sigmoid(-2.0 * x)",
        "lambda x, y: 1.0 - y * y",
        "tanh' in the form that cancels",
        OPS,
    ),
    Mutant(
        "ops.py",
        "lambda x, y: 4.0 * sigmoid(2.0 * x) * sigmoid(-2.0 * x)",
        "lambda x, y: square(1.0 / cosh(x))",
        "tanh'' is nan where cosh overflows",
        OPS,
    ),
    Mutant(
        "ops.py",
        "lambda x, y: y * sigmoid(-x))",
        "lambda x, y: y * (1.0 - y))",
        "sigmoid' in the form that cancels",
        OPS,
    ),
    Mutant(
        "ops.py", "lambda x, y: 0.5 / y, domain", "lambda x, y: 0.5005 / y, domain", "sqrt' off by a thousandth", OPS
    ),
    Mutant("ops.py", "LOG10_E / x", "0.4343 / x", "a constant with four digits", OPS),
    Mutant("ops.py", "lambda x, y: y * LN2)", "lambda x, y: y)", "exp2 taken for exp", OPS),
    Mutant("ops.py", "-a / hypot(a, b) / hypot(a, b)", "-a / (a * a + b * b)", "atan2 overflows at 1e200", OPS),
    Mutant("ops.py", "lambda x, y: sigmoid(-x))\nsilu", "lambda x, y: sigmoid(x))\nsilu", "logsigmoid' mirrored", OPS),
    Mutant(
        "ops.py", "normal_cdf(x) + x * normal_pdf(x)", "normal_cdf(x) + normal_pdf(x)", "gelu' without its factor", OPS
    ),
    Mutant("ops.py", "polygamma(n + 1.0, x),", "polygamma(n, x),", "the order of polygamma'", OPS),
    Mutant(
        "special.py", "if 0.5 < x < 2.5:", "if 0.5 < x < 0.6:", "lgamma near its roots as the C library has it", OPS
    ),
    Mutant("special.py", "    if 1.0 < x < 3.0:\n", "    if x < 0.0:\n", "digamma near its root by the series", OPS),
    # conventions
    Mutant(
        "ops.py",
        'relu = row("relu", lambda x: where(x <= 0.0, 0.0, x), lambda x, y: where(x <= 0.0, ABSENT, 1.0)',
        'relu = row("relu", lambda x: where(x <= 0.0, 0.0, x), lambda x, y: where(x < 0.0, ABSENT, 1.0)',
        "relu'(0) = 1",
        OPS,
    ),
    Mutant(
        "ops.py", "where(a > b, 1.0, where(a == b, 0.5, ABSENT))", "where(a >= b, 1.0, ABSENT)", "ties of maximum", OPS
    ),
    Mutant(
        "ops.py",
        "lambda x, y: where(x <= 0.0, 0.01, 1.0)",
        "lambda x, y: where(x < 0.0, 0.01, 1.0)",
        "leaky_relu'(0)",
        OPS,
    ),
    Mutant("ops.py", "where(y == 0.0, 0.0, a / y)", "a / y", "hypot'(0, 0) is nan", OPS),
    Mutant(
        "ops.py",
        "where((a == 0.0) & (b == 0.0), 0.0, b * pow(a, b - 1.0))",
        "b * pow(a, b - 1.0)",
        "d(0**0) is nan",
        OPS,
    ),
    Mutant(
        "ops.py",
        "where((y == 0.0) | ((a == 0.0) & (b == 0.0)), 0.0, y * log(a))",
        "y * log(a)",
        "0 * log(0) in the exponent's partial",
        OPS,
    ),
    Mutant(
        "ops.py",
        "lambda c, a, b, y: where(c, 1.0, ABSENT)",
        "lambda c, a, b, y: where(c, 1.0, 0.0)",
        "the dead branch passes 0, which makes nan of inf",
        OPS,
    ),
    Mutant(
        "ops.py",
        "    for x in xs[:-1]:\n        before.append(before[-1] * x)",
        "    for x in xs[1:]:\n        before.append(before[-1] * x)",
        "the products of the others",
        OPS,
    ),
    Mutant("ops.py", "[where(y == 0.0, 0.0, x / y) for x in xs]", "[x / y for x in xs]", "norm'(0) is nan", OPS),
    # the sweeps
    Mutant(
        "value.py",
        "                n._adjoint = p if n._adjoint == ABSENT else n._adjoint + p",
        "                n._adjoint = p",
        "x * x loses an edge",
        VALUE,
    ),
    Mutant(
        "value.py",
        "v._adjoint = g if v._adjoint == ABSENT else v._adjoint + g",
        "v._adjoint = g",
        "the last use overwrites the others",
        VALUE,
    ),
    Mutant(
        "value.py",
        "                v._grad += v._adjoint\n",
        "                v._grad = v._adjoint\n",
        "leaves do not accumulate",
        VALUE,
    ),
    Mutant(
        "value.py",
        "            v._grad = v._adjoint if v._adjoint != ABSENT else 0.0",
        "            v._grad += v._adjoint",
        "inner nodes accumulate over sweeps",
        VALUE,
    ),
    Mutant("value.py", "    v._adjoint = seed\n", "    v._adjoint = 1.0\n", "the seed is forgotten", VALUE),
    Mutant(
        "value.py",
        "                if isinstance(v._b, Value):\n                    n = v._b",
        "                if False:\n                    n = v._b",
        "second operands are not visited",
        VALUE,
    ),
    Mutant(
        "value.py",
        "        for x, p in local(v, number):\n            if wanted",
        "        for x, p in list(local(v, number))[:1]:\n            if wanted",
        "the generic sweep stops after one operand",
        VALUE,
    ),
    Mutant(
        "value.py",
        "tangents[id(v)] = plus(tangents.get(id(v)), times(tangents[id(x)], p))",
        "tangents[id(v)] = times(tangents[id(x)], p)",
        "the forward sweep keeps the last operand",
        VALUE,
    ),
    Mutant(
        "value.py",
        "        if v.op is None or id(v) in seeds:\n",
        "        if v.op is None:\n",
        "a seeded node computes its own tangent",
        VALUE,
    ),
    Mutant(
        "value.py",
        "        if v._row is None and id(v) not in known:",
        "        if False:",
        "closures over Values lose their gradient",
        CALCULUS,
    ),
    Mutant(
        "value.py",
        "            _sweep(order, adjoint)\n            _commit(order)",
        "            _commit(order)\n            _sweep(order, adjoint)\n            _commit(order)",
        "a sweep shows before it is finished",
        VALUE,
    ),
    # functions of functions
    Mutant(
        "calculus.py",
        "ops.identity(x) if _flows(x) else Value(",
        "x if _flows(x) else Value(",
        "the inner variable is the outer one",
        CALCULUS,
    ),
    Mutant(
        "calculus.py",
        'weighted = ops.dot(ys, _leaves_like(call.y, u, "vjp: u"))',
        "weighted = ops.sum(ys)",
        "vjp without its weights",
        CALCULUS,
    ),
    Mutant(
        "calculus.py",
        "reverse_sweep(order, 1.0, lambda v: v, wanted)",
        "reverse_sweep(order, 1.0, lambda v: v.data, wanted)",
        "derivatives are numbers, so their derivatives are 0",
        CALCULUS,
    ),
    # lanes
    Mutant(
        "batch.py",
        "    return np.where(absent, ABSENT, g * p) if absent.any() else g * p",
        "    return g * p",
        "the mark of absence is multiplied",
        BATCH,
    ),
    Mutant(
        "batch.py",
        "return np.broadcast_to(np.where(p == ABSENT, 0.0, p), x.shape)",
        "return np.broadcast_to(p, x.shape)",
        "the mark of absence is a slope",
        BATCH,
    ),
    # nets
    Mutant(
        "netcode.py",
        "delta[tile.rows] += tile.sums(work.weights, delta)",
        "delta[tile.rows] = tile.sums(work.weights, delta)",
        "an output that feeds on loses the loss's term",
        NET,
    ),
    Mutant(
        "netcode.py",
        "_times(sigma.slope(a[rows], phi[rows]), delta[rows])",
        "_times(sigma.slope(delta[rows], phi[rows]), delta[rows])",
        "the misprint of equation (13)",
        NET,
    ),
    Mutant(
        "netcode.py",
        "work.weight_gradient[tile.links] += tile.products(delta, phi)",
        "work.weight_gradient[tile.links] += tile.products(delta, a)",
        "the weight's gradient from a in place of phi",
        NET,
    ),
    Mutant(
        "netcode.py",
        "return self.weight_gradient[:-1] / samples, self.bias_gradient / samples",
        "return self.weight_gradient[:-1] / samples, self.bias_gradient",
        "the bias's gradient is a sum, not a mean",
        NET,
    ),
    Mutant(
        "netcode.py",
        "        return d @ self._gather(phi).T",
        "        return -d @ self._gather(phi).T",
        "a sign in the matrix product",
        NET,
    ),
    Mutant(
        "learn.py",
        "velocity = self.momentum * state + gradient",
        "velocity = -self.momentum * state + gradient",
        "momentum runs backwards",
        LEARN,
    ),
]


def dies(mutant: Mutant) -> bool:
    """Apply a mutant to a copy of the package and run its tests."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copytree(
            ROOT / "autograd", home / "autograd", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
        )
        shutil.copytree(ROOT / "tests", home / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", home)
        source = home / "autograd" / mutant.file
        source.write_text(source.read_text().replace(mutant.old, mutant.new, 1))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"tests/{mutant.tests}.py"]
        environment = os.environ | {"PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=600)
        if done.returncode not in (0, 1):
            raise SystemExit(
                f"the tests could not run on the mutant {mutant.reason!r}:\n{done.stdout[-2000:]}{done.stderr}"
            )
        return done.returncode == 1


def main() -> int:
    """Run all mutants, or those whose reason has the words given."""
    words = " ".join(sys.argv[1:])
    chosen = [m for m in MUTANTS if words in m.reason]
    for m in chosen:
        if m.old not in (ROOT / "autograd" / m.file).read_text():
            raise SystemExit(f"{m.file} has no {m.old!r} any more; adapt the mutant: {m.reason}")
    verdicts = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for mutant, dead in zip(chosen, pool.map(dies, chosen), strict=True):
            print(f"{'killed  ' if dead else 'SURVIVED'}  {mutant.file:12} {mutant.reason}", flush=True)
            verdicts.append(dead)
    print(f"{sum(verdicts)} of {len(chosen)} killed")
    return 0 if all(verdicts) and chosen else 1


if __name__ == "__main__":
    sys.exit(main())
