"""Time compiled programs beside their rivals: value and gradient of random graphs, over a batch and at one point.

    python benchmarks/compiled.py
    python benchmarks/compiled.py --only large    one of batch, point, ways, large

Every engine computes the same values and gradients (checked to 1e-9), engines in turn, medians over the rounds. A rival
that is not installed is named and left out. The unit is nanoseconds per operation of the program and sample, for value
and gradient together.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd as ag

INPUTS, SAMPLES = 16, 1024
Code = list[tuple[str, int, int]]


def random_code(operations: int, transcendental: float, seed: int) -> Code:
    """Return straight-line code on 16 inputs: + - *, and a share of sin, exp(-x*x) and tanh, which keep it bounded."""
    rng = random.Random(seed)
    code = []
    for i in range(operations):
        a, b = (INPUTS + i - 1 - min(int(rng.expovariate(0.05)), INPUTS + i - 1) for _ in range(2))
        if rng.random() < transcendental:
            code.append((rng.choice(("sin", "tanh", "atan")), a, b))
        else:
            code.append((rng.choice(("add", "sub", "mul")), a, b))
    return code


def run(code: Code, x: Any, sin: Any, tanh: Any, atan: Any) -> Any:
    """Run code on any kind of numbers; sums are halved, so that nothing grows."""
    v = [x[k] for k in range(INPUTS)]
    for name, a, b in code:
        if name == "mul":
            v.append(v[a] * v[b])
        elif name == "add":
            v.append((v[a] + v[b]) * 0.5)
        elif name == "sub":
            v.append((v[a] - v[b]) * 0.5)
        else:
            v.append({"sin": sin, "tanh": tanh, "atan": atan}[name](v[a]))
    return v[-1] + v[-2] + v[-3]


def operations(code: Code) -> int:
    return sum(2 if name in ("add", "sub") else 1 for name, _, _ in code) + 2


def dagrad(code: Code, rows: Any) -> Callable[[], Any]:
    f = ag.jit(lambda x: run(code, x, ag.sin, ag.tanh, ag.atan), threads=1)
    f.value_and_grad(rows)
    return lambda: f.value_and_grad(rows)


def casadi(code: Code, rows: Any, jit: bool = False) -> Callable[[], Any]:
    import casadi as ca

    x = ca.SX.sym("x", INPUTS)
    y = run(code, [x[k] for k in range(INPUTS)], ca.sin, ca.tanh, ca.atan)
    options = {"jit": True, "compiler": "shell", "jit_options": {"flags": ["-O3", "-march=native"]}} if jit else {}
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:  # where CasADi leaves its C
        os.chdir(folder)
        try:
            f = ca.Function("f", [x], [y, ca.gradient(y, x)], options).map(len(rows))
        finally:
            os.chdir(home)
    columns = ca.DM(rows.T)

    def call() -> Any:
        value, gradient = f(columns)
        return np.array(value).ravel(), np.array(gradient).T

    return call


def torch(code: Code, rows: Any) -> Callable[[], Any]:
    import torch as t

    t.set_num_threads(1)

    def call() -> Any:
        x = t.tensor(rows.T, requires_grad=True)
        y = run(code, x, t.sin, t.tanh, t.atan)
        (gradient,) = t.autograd.grad(y.sum(), x)
        return y.detach().numpy(), gradient.numpy().T

    return call


def jax(code: Code, rows: Any) -> Callable[[], Any]:
    import jax as j

    j.config.update("jax_enable_x64", True)
    f = j.jit(j.vmap(j.value_and_grad(lambda x: run(code, x, j.numpy.sin, j.numpy.tanh, j.numpy.arctan))))
    x = j.numpy.asarray(rows)

    def call() -> Any:
        value, gradient = f(x)
        return np.asarray(value), np.asarray(gradient)

    call()
    return call


ENGINES: list[tuple[str, Callable[..., Callable[[], Any]], int]] = [
    ("dagrad", dagrad, 10**9),
    ("CasADi, gcc", lambda code, rows: casadi(code, rows, jit=True), 10**9),
    ("CasADi, virtual machine", casadi, 10**9),
    ("torch over the samples", torch, 10**9),
    ("jax.jit(vmap)", jax, 100),
]


def median(call: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def batch(rounds: int) -> None:
    """Over 1 024 samples, beside the rivals."""
    rows = np.random.default_rng(0).uniform(-1.0, 1.0, (SAMPLES, INPUTS))
    for size, share in ((300, 0.0), (3000, 0.0), (300, 0.1), (3000, 0.1)):
        code = random_code(size, share, seed=size)
        count = operations(code)
        print(f"\n### {count} operations, {share:.0%} transcendental, {SAMPLES} samples, one thread\n")
        calls: dict[str, Callable[[], Any]] = {}
        prepared: dict[str, float] = {}
        truth = None
        for name, engine, most in ENGINES:
            if size > most:
                print(f"{name} was left out: it takes minutes to prepare {count} operations\n")
                continue
            start = time.perf_counter()
            try:
                call = engine(code, rows)
            except ImportError as error:
                print(f"{name} is not installed ({error})\n")
                continue
            prepared[name] = time.perf_counter() - start
            found = call()
            truth = truth or found
            for a, b in zip(found, truth, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
            calls[name] = call
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                call()  # with what the engine before left in the caches
                start = time.perf_counter()
                done = 0
                while time.perf_counter() - start < 0.01 or not done:
                    call()
                    done += 1
                times[name].append((time.perf_counter() - start) / done)
        medians = {name: statistics.median(t) / count / SAMPLES * 1e9 for name, t in times.items()}
        print("| engine | ns per operation and sample | times dagrad | prepared in |\n|---|---|---|---|")
        for name, t in medians.items():
            print(f"| {name} | {t:.3f} | {t / medians['dagrad']:.1f} | {prepared[name]:.2f} s |")


def point(rounds: int) -> None:
    """At one point: what a call costs, and an operation."""
    print("\n### One point, value and gradient\n")
    print("| operations | transcendental | us a call | ns per operation | CasADi's virtual machine, us a call |")
    print("|---|---|---|---|---|")
    for size, share in ((1, 0.0), (300, 0.0), (3000, 0.0), (3000, 0.1)):
        code = random_code(size, share, seed=size)
        x = np.random.default_rng(0).uniform(-1.0, 1.0, (1, INPUTS))
        f = ag.jit(lambda x, code=code: run(code, x, ag.sin, ag.tanh, ag.atan))
        numbers = x[0].tolist()
        f.value_and_grad(numbers)
        mine = median(lambda f=f, numbers=numbers: [f.value_and_grad(numbers) for _ in range(100)], rounds) / 100
        try:
            other = median(casadi(code, x), 10 * rounds)
        except ImportError:
            other = float("nan")
        count = operations(code)
        print(f"| {count} | {share:.0%} | {mine * 1e6:.2f} | {mine / count * 1e9:.2f} | {other * 1e6:.0f} |")


def ways(rounds: int) -> None:
    """The same work in float32, on two threads, as a tape."""
    print("\n### The same 5 032 operations in other ways, 65 536 samples, times float64 on one thread\n")
    code = random_code(3000, 0.0, seed=3000)
    rows = np.random.default_rng(0).uniform(-1.0, 1.0, (65_536, INPUTS))

    def f(x: Any) -> Any:
        return run(code, x, ag.sin, ag.tanh, ag.atan)

    one, two, tape = ag.jit(f, threads=1), ag.jit(f, threads=2), ag.jit(f, threads=1, mode="tape")
    short = rows.astype(np.float32)
    calls: dict[str, Callable[[], Any]] = {
        "one thread": lambda: one.value_and_grad(rows),
        "two threads": lambda: two.value_and_grad(rows),
        "float32": lambda: one.value_and_grad(short),
        "as a tape": lambda: tape.value_and_grad(rows),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(median(call, 1))
    # The clock of a core that works alone may be higher: the best rounds of each compare the machine at its best.
    base, best = statistics.median(times["one thread"]), min(times["one thread"])
    print("| way | speed, by medians | by the best rounds |\n|---|---|---|")
    for name, t in times.items():
        print(f"| {name} | {base / statistics.median(t):.2f} | {best / min(t):.2f} |")


def large(rounds: int) -> None:
    """Graphs of up to a million operations: how long until the first gradient, and how fast then."""
    print("\n### Large graphs\n")
    print("| graph | operations | recorded in | compiled in | kinds of blocks | ns per operation at a point |")
    print("|---|---|---|---|---|---|")

    def pendulum(steps: int) -> Callable[[Any], Any]:
        def f(x: Any) -> Any:
            angle, speed = x[0], x[1]
            for _ in range(steps):
                speed = speed - 0.01 * (ag.sin(angle) * x[2] + 0.1 * speed)
                angle = angle + 0.01 * speed
            return angle * angle + speed

        return f

    for count in (10**4, 10**5, 10**6):
        code = random_code(count * 3 // 5, 0.05, seed=1)
        for name, f in (
            ("a loop", pendulum(count // 7)),
            ("random", lambda x, code=code: run(code, x, ag.sin, ag.tanh, ag.atan)),
        ):
            g = ag.jit(f, mode="tape")
            x = np.random.default_rng(0).uniform(0.1, 1.0, INPUTS)
            start = time.perf_counter()
            g.prepare(x, kind="value")
            recorded = time.perf_counter() - start
            start = time.perf_counter()
            g.value_and_grad(x)
            first = time.perf_counter() - start
            kernel = g._kernel(g._variants[0], "gradient", (INPUTS,), 1, np.dtype(np.float64))
            done = kernel.steps // 4
            t = median(lambda g=g, x=x: g.value_and_grad(x), rounds)
            print(f"| {name} | {done} | {recorded:.1f} s | {first:.1f} s | {kernel.kinds} | {t / done * 1e9:.1f} |")


SECTIONS = {section.__name__: section for section in (batch, point, ways, large)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=SECTIONS)
    options = parser.parse_args()
    os.environ.setdefault("DAGRAD_CACHE", "off")  # so that preparing is what it is the first time
    for name, section in SECTIONS.items():
        if options.only in (None, name):
            section(options.rounds)


if __name__ == "__main__":
    main()
