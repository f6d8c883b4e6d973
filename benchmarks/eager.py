"""Time the eager scalar graph beside its rivals: the same programs, in one process, engines in turn.

    python benchmarks/eager.py              the installed core
    python benchmarks/eager.py --pure       the same sources without the extension

Every engine computes the same value and gradient (checked), round after round in turn, so that a noisy moment of the
machine meets all. Times are medians over the rounds; read the ratios.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = (2, 16, 16, 1)
SAMPLE = (0.5, -0.3)
MLP_OPERATIONS = sum(2 * a * b for a, b in itertools.pairwise(SIZES)) + sum(SIZES[1:-1])
STEPS = 200
FORMULA_OPERATIONS = STEPS * 11


def weights() -> list[list[list[float]]]:
    """Return the weights, the bias of a neuron last."""
    r = random.Random(0)
    return [[[r.uniform(-1, 1) for _ in range(a + 1)] for _ in range(b)] for a, b in itertools.pairwise(SIZES)]


def mlp(layers: Any, x: Any, relu: Callable[[Any], Any]) -> Any:
    """The net 2-16-16-1 in scalar operations."""
    for depth, layer in enumerate(layers):
        outputs = []
        for row in layer:
            a = row[-1]
            for w, xi in zip(row, x, strict=False):
                a = a + w * xi
            outputs.append(relu(a) if depth < 2 else a)
        x = outputs
    return x[0]


def formula(x: Any, exp: Any, log: Any, sin: Any, tanh: Any) -> Any:
    """An expression heavy in transcendental functions."""
    s = x
    for _ in range(STEPS):
        s = tanh(sin(exp(s * 0.1)) + log(s * s + 1.0)) + (s * s + 0.5) ** 0.3
    return s


def relu(x: Any) -> Any:
    return x if x > 0.0 else 0.0


# Engines: each gives two programs that return a value and the leaves, or their derivatives.


def plain() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Floats without any gradient: the floor."""
    layers = weights()
    return (
        lambda: (mlp(layers, SAMPLE, relu), None),
        lambda: (formula(0.7, math.exp, math.log, math.sin, math.tanh), None),
    )


def dagrad() -> tuple[Callable[[], Any], Callable[[], Any]]:
    import autograd as ag

    layers = [[[ag.Value(w) for w in row] for row in layer] for layer in weights()]
    leaves = [w for layer in layers for row in layer for w in row]

    def net() -> Any:
        y = mlp(layers, SAMPLE, ag.relu)
        y.backward()
        return y, leaves

    def expression() -> Any:
        x = ag.Value(0.7)
        y = formula(x, ag.exp, ag.log, ag.sin, ag.tanh)
        y.backward()
        return y, [x]

    return net, expression


def micrograd() -> tuple[Callable[[], Any], None]:
    from micrograd.engine import Value

    layers = [[[Value(w) for w in row] for row in layer] for layer in weights()]
    leaves = [w for layer in layers for row in layer for w in row]

    def net() -> Any:
        y = mlp(layers, SAMPLE, Value.relu)
        y.backward()
        return y, leaves

    return net, None  # it has no exp, log, sin or tanh


def xad() -> tuple[Callable[[], Any], Callable[[], Any]]:
    import xad.adj_1st as xa
    import xad.math as xm

    def sweep(program: Callable[[Any], Any], leaves: list[Any]) -> Any:
        with xa.Tape() as tape:
            for x in leaves:
                tape.registerInput(x)
            tape.newRecording()
            y = program(leaves)
            tape.registerOutput(y)
            y.derivative = 1.0
            tape.computeAdjoints()
            return y, [x.derivative for x in leaves]

    layers = [[[xa.Real(w) for w in row] for row in layer] for layer in weights()]
    leaves = [w for layer in layers for row in layer for w in row]
    return (
        lambda: sweep(lambda _: mlp(layers, SAMPLE, relu), leaves),
        lambda: sweep(lambda x: formula(x[0], xm.exp, xm.log, xm.sin, xm.tanh), [xa.Real(0.7)]),
    )


def torch() -> tuple[Callable[[], Any], Callable[[], Any]]:
    import torch as t

    t.set_num_threads(1)
    layers = [
        [[t.tensor(w, dtype=t.float64, requires_grad=True) for w in row] for row in layer] for layer in weights()
    ]
    leaves = [w for layer in layers for row in layer for w in row]

    def net() -> Any:
        y = mlp(layers, SAMPLE, t.relu)
        y.backward()
        return y, leaves

    def expression() -> Any:
        x = t.tensor(0.7, dtype=t.float64, requires_grad=True)
        y = formula(x, t.exp, t.log, t.sin, t.tanh)
        y.backward()
        return y, [x]

    return net, expression


SLOW = ("micrograd", "torch")  # these run in every eighth round only
ENGINES = {"plain floats, no gradient": plain, "dagrad": dagrad, "XAD": xad, "micrograd": micrograd, "torch": torch}


def answers(result: Any) -> tuple[float, list[float] | None]:
    """Return value and gradient as floats, and set the gradients back to zero."""
    y, leaves = result
    value = float(getattr(y, "data", getattr(y, "value", y)))
    if leaves is None:
        return value, None
    gradient = [float(g) if isinstance(g, float) else float(g.grad) for g in leaves]
    for leaf in leaves:
        if not isinstance(leaf, float):
            leaf.grad = None if hasattr(leaf, "requires_grad") else 0.0
    return value, gradient


def agree(a: Any, b: Any) -> bool:
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-95)


def measure(programs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the seconds of each program: per round the mean of ten runs in a row, the median of the rounds."""
    times: dict[str, list[float]] = {name: [] for name in programs}
    for k in range(rounds):
        for name, program in programs.items():
            if k > 8 and name in SLOW and k % 8:
                continue
            start = time.perf_counter()
            for _ in range(10):
                program()
            times[name].append((time.perf_counter() - start) / 10)
    return {name: statistics.median(ts) for name, ts in times.items()}


def table(title: str, operations: int, programs: dict[str, Callable[[], Any]], rounds: int) -> None:
    """Check that the engines agree, time them and print a table."""
    value, gradient = answers(programs["dagrad"]())
    for name, program in programs.items():
        v, g = answers(program())
        if not agree(v, value) or (g is not None and not all(map(agree, g, gradient or []))):
            raise SystemExit(f"{title}: {name} disagrees with dagrad: {v!r} instead of {value!r}, or in the gradient")
    gc.collect()
    seconds = measure(programs, rounds)
    ours, floor = seconds["dagrad"], seconds["plain floats, no gradient"]
    print(f"\n{title}, {operations} operations\n")
    print("| engine | ns per operation | times plain floats | times dagrad |\n|---|---|---|---|")
    for name, s in seconds.items():
        print(f"| {name} | {s / operations * 1e9:.0f} | {s / floor:.1f} | {s / ours:.2f} |")


def large() -> None:
    """Print time and memory of a graph of ten million nodes, the garbage collector off."""
    import autograd as ag

    def resident() -> int:
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    if not os.path.exists("/proc/self/statm"):
        print("\nThe memory of a large graph is read from /proc, which this system lacks.")
        return
    gc.disable()
    n = 10**7 if ag.compiled else 10**6
    before, start = resident(), time.perf_counter()
    y: Any = ag.Value(1.0)
    for _ in range(n // 2):
        y = (y + y) * 0.5
    built, full = time.perf_counter(), resident()
    y.backward()
    swept = time.perf_counter()
    del y
    freed, after = time.perf_counter(), resident()
    gc.enable()
    print(f"\nA ladder of diamonds, {n:.0e} nodes: built in {built - start:.2f} s, swept in {swept - built:.2f} s, ")
    print(f"freed in {freed - swept:.2f} s; {(full - before) / n:.0f} bytes a node, {(after - before) / n:.1f} left.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pure", action="store_true", help="measure the sources without the extension")
    parser.add_argument("--rounds", type=int, default=60, help="rounds of ten runs of each program (default 60)")
    options = parser.parse_args()
    if options.pure:
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / "autograd"
            package.mkdir()
            import autograd as ag

            for source in Path(ag.__file__).parent.glob("*.py"):
                (package / source.name).write_bytes(source.read_bytes())
            environment = os.environ | {"PYTHONPATH": folder}
            command = [sys.executable, __file__, "--rounds", str(options.rounds)]
            raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)
    import autograd as ag

    core = "compiled" if ag.compiled else "in plain Python"
    print(f"dagrad {ag.__version__}, core {core}, Python {sys.version.split()[0]}")
    nets: dict[str, Callable[[], Any]] = {}
    expressions: dict[str, Callable[[], Any]] = {}
    for name, engine in ENGINES.items():
        try:
            net, expression = engine()
        except ImportError as error:
            print(f"{name} is not measured: {error}")
            continue
        nets[name] = net
        if expression is not None:
            expressions[name] = expression
    table("Scalar net 2-16-16-1, build and sweep", MLP_OPERATIONS, nets, options.rounds)
    table("An expression of exp, log, sin, tanh and **", FORMULA_OPERATIONS, expressions, options.rounds)
    large()


if __name__ == "__main__":
    main()
