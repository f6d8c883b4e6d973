"""Time the scalar programs of the GradBench suite: dagrad beside derivatives by hand in C, and beside its rivals.

    python benchmarks/gradbench.py
    python benchmarks/gradbench.py --only lstm      the cases with lstm in their name

Value and gradient of gmm, lstm and lse, the 2 x 15 derivatives of every observation of ba. One thread, one process, the
engines in turn, medians over the rounds. Before anything is timed, the answers are compared to 1e-9 of the largest
entry of every part. A rival that is not installed, or would take too long to prepare, is named and left out.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import math
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import programs

Call = Callable[[], Any]
MOST_GCC, MOST_NUMBA = 60_000, 2_000  # operations in one piece, of which a compiler makes machine code in a minute
MOST_SECONDS = 60  # for gcc
SLOW = 0.2  # seconds a call
FLAGS = ["-O3", "-march=native"]


class Left(Exception):
    """Why an engine is left out of a case."""


class Case(NamedTuple):
    """A program at one size."""

    kind: str
    x: Any  # the flat parameters, or the rows of ba
    f: Callable[[Any, Any], Any]  # of a namespace and x, or one row of ba
    lengths: list[int]  # of the parts of the gradient
    data: Any = None  # rows of gmm; state and sequence of lstm
    d: int = 0
    k: int = 0


def gmm(d: int, k: int, n: int) -> Case:
    x, rows = programs.gmm_input(d, k, n)
    return Case("gmm", x, lambda m, x: programs.gmm(m, x, rows, k), programs.gmm_lengths(d, k), rows, d, k)


def ba(n: int) -> Case:
    return Case("ba", programs.ba_input(n), programs.ba, [])


def lstm(layers: int, c: int) -> Case:
    x, state, sequence = programs.lstm_input(layers, c)
    lengths = [4 * programs.WIDTH] * (2 * layers) + [programs.WIDTH] * 3
    data = state, sequence
    return Case("lstm", x, lambda m, x: programs.lstm(m, x, *data), lengths, data)


def lse(n: int) -> Case:
    return Case("lse", programs.lse_input(n), programs.log_sum_exp, [n])


CASES: dict[str, Callable[[], Case]] = {
    "gmm d2 k5 n100": lambda: gmm(2, 5, 100),
    "gmm d2 k5 n1000": lambda: gmm(2, 5, 1000),
    "gmm d10 k10 n1000": lambda: gmm(10, 10, 1000),
    "ba n1000": lambda: ba(1000),
    "lstm l2 c8": lambda: lstm(2, 8),
    "lstm l2 c64": lambda: lstm(2, 64),
    "lstm l2 c1024": lambda: lstm(2, 1024),
    "lse n1000": lambda: lse(1000),
}


# Engines: each gives a call that returns value and gradient, or the derivatives [n, 2, 15] of ba.


def dagrad(case: Case) -> Call:
    import autograd as ag

    x, rows, k = case.x, case.data, case.k
    if case.kind == "ba":
        f = ag.jit(lambda row: programs.ba(ag, row), threads=1)
        return lambda: f.jacobian(x)[:, :, : programs.OBSERVED]
    if case.kind == "gmm":
        terms = ag.objective(lambda p, row: programs.gmm_term(ag, p, row, k), mean=False, threads=1)
        prior = ag.jit(lambda p: programs.gmm_prior(ag, p, case.d, k, len(rows)), threads=1)

        def call() -> Any:
            value, slopes = terms(x, rows)
            rest, others = prior.value_and_grad(x)
            return value + rest, slopes + others

        return call
    g = ag.jit(lambda p: case.f(ag, p), threads=1)
    return lambda: g.value_and_grad(x)


def by_hand(case: Case) -> Call:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        raise Left("there is no C compiler")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "derivatives.so"
        source = Path(__file__).with_name("derivatives.c")
        subprocess.run([compiler, "-std=c99", *FLAGS, "-shared", "-fPIC", source, "-o", made, "-lm"], check=True)
        function = getattr(ctypes.CDLL(str(made)), case.kind)
    x, gradient, n = case.x, np.empty(case.x.size), len(case.x)
    function.restype = ctypes.c_double
    arguments: list[Any] = [n, x, gradient]
    if case.kind == "gmm":
        constant = programs.gmm_constant(case.d, case.k, len(case.data))
        arguments = [case.d, case.k, len(case.data), 0.0, 1.0, constant, x, case.data, gradient]
    elif case.kind == "lstm":
        state, sequence = case.data
        arguments = [len(state), *sequence.shape, x, state, sequence, gradient]
    elif case.kind == "ba":
        function.restype, gradient = None, np.empty((n, 2, programs.OBSERVED))
        arguments = [n, x, gradient]
    types = {int: ctypes.c_int, float: ctypes.c_double}
    c = [types[type(a)](a) if type(a) in types else ctypes.c_void_p(a.ctypes.data) for a in arguments]

    def call() -> Any:
        value = function(*c)
        return gradient if value is None else (value, gradient)

    return call


def casadi_pieces(case: Case) -> Any:
    """Return CasADi's functions: of gmm what is before, in and after the rows; else the whole, of one row for ba."""
    import casadi as ca

    m = SimpleNamespace(exp=ca.exp, log=ca.log, sqrt=ca.sqrt, sin=ca.sin, cos=ca.cos, tanh=ca.tanh, maximum=ca.fmax)

    def slopes(y: Any, x: Any) -> Any:
        return ca.densify(ca.gradient(y, x))

    x = ca.SX.sym("x", case.x.shape[-1])
    xs = ca.vertsplit(x)
    if case.kind == "ba":
        j = ca.jacobian(ca.vertcat(*case.f(m, xs)), x)[:, : programs.OBSERVED]
        return [ca.Function("ba", [x], [ca.densify(j.T)])]
    if case.kind != "gmm":
        y = case.f(m, xs)
        return [ca.Function(case.kind, [x], [y, slopes(y, x)])]
    n, d = case.data.shape
    shared = ca.vertcat(*programs.gmm_shared(m, xs, d, case.k).flat())
    s, row, seed = ca.SX.sym("s", shared.numel()), ca.SX.sym("row", d), ca.SX.sym("seed", shared.numel())
    y = programs.gmm_row(m, programs.Shared.of(ca.vertsplit(s), d, case.k), ca.vertsplit(row))
    prior = programs.gmm_prior(m, xs, d, case.k, n)
    back = ca.jtimes(shared, x, seed, True)
    return [
        ca.Function("before", [x], [shared]),
        ca.Function("row", [s, row], [y, slopes(y, s)]),
        ca.Function("after", [x, seed], [prior, ca.densify(slopes(prior, x) + back)]),
    ]


def casadi(case: Case, gcc: bool = False) -> Call:
    import casadi as ca

    pieces = casadi_pieces(case)
    count = max(f.n_instructions() for f in pieces)
    options: dict[str, Any] = {}
    if gcc:
        if count > MOST_GCC:
            raise Left(f"gcc takes more than a minute over {count} operations in one function")
        limited = f"timeout {MOST_SECONDS} gcc" if shutil.which("timeout") else "gcc"
        options = {"jit": True, "compiler": "shell", "jit_options": {"compiler": limited, "flags": FLAGS}}
        options["jit_cleanup"] = options["jit_options"]["cleanup"] = False  # the folder goes as a whole
    results = [np.empty(1), np.empty(case.x.size)]
    arguments = [case.x]
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:  # where CasADi leaves its C
        os.chdir(folder)
        try:
            if case.kind == "gmm":
                before, row, after = pieces
                n, d = case.data.shape
                x, rows = ca.MX.sym("x", case.x.size), ca.MX.sym("rows", d, n)
                value, seed = row.map("rows", "serial", n, [0], [0, 1])(before(x), rows)
                rest, slopes = after(x, seed)
                f = ca.Function("gmm", [x, rows], [value + rest, slopes], options)
                arguments.append(case.data)
            elif case.kind == "ba":
                rows = ca.MX.sym("rows", *case.x.shape[::-1])
                f = ca.Function("all", [rows], [pieces[0].map(len(case.x))(rows)], options)
                results = [np.empty((len(case.x), 2, programs.OBSERVED))]
            elif gcc:
                x = ca.MX.sym("x", case.x.size)
                f = ca.Function("whole", [x], pieces[0](x), options)
            else:
                f = pieces[0]
        except RuntimeError as error:
            raise Left(f"gcc was stopped after {MOST_SECONDS} s over {count} operations") from error
        finally:
            os.chdir(home)
    buffer, trigger = f.buffer()
    for i, a in enumerate(arguments):
        buffer.set_arg(i, memoryview(a))
    for i, a in enumerate(results):
        buffer.set_res(i, memoryview(a))

    def call(kept: Any = (f, buffer)) -> Any:  # the trigger holds neither
        trigger()
        return results[0] if case.kind == "ba" else (results[0][0], results[1])

    return call


def python_source(f: Any) -> str:
    """Return a CasADi function as straight-line Python on arrays, its results added to what is there."""
    import casadi as ca

    forms = {
        "ASSIGN": "{0}", "ADD": "{0} + {1}", "SUB": "{0} - {1}", "MUL": "{0} * {1}", "DIV": "{0} / {1}", "NEG": "-{0}",
        "TWICE": "{0} + {0}", "SQ": "{0} * {0}", "INV": "1.0 / {0}", "EXP": "exp({0})", "LOG": "log({0})",
        "SQRT": "sqrt({0})", "SIN": "sin({0})", "COS": "cos({0})", "TANH": "tanh({0})", "FMAX": "max({0}, {1})",
        "LT": "({0} < {1}) * 1.0", "LE": "({0} <= {1}) * 1.0", "NOT": "({0} == 0.0) * 1.0",
        "IF_ELSE_ZERO": "({1} if {0} != 0.0 else 0.0)",
    }  # fmt: skip
    by_number = {getattr(ca, f"OP_{name}"): form for name, form in forms.items()}
    names = [f"a{i}" for i in range(f.n_in())] + [f"r{i}" for i in range(f.n_out())]
    lines = [f"def {f.name()}({', '.join(names)}):"]
    for i in range(f.n_instructions()):
        number, xs, ys = f.instruction_id(i), f.instruction_input(i), f.instruction_output(i)
        if number == ca.OP_OUTPUT:
            lines.append(f"r{ys[0]}[{ys[1]}] += v{xs[0]}")
        elif number == ca.OP_INPUT:
            lines.append(f"v{ys[0]} = a{xs[0]}[{xs[1]}]")
        elif number == ca.OP_CONST:
            lines.append(f"v{ys[0]} = {f.instruction_constant(i)!r}")
        else:
            lines.append(f"v{ys[0]} = " + by_number[number].format(*(f"v{x}" for x in xs)))
    return "\n    ".join(lines)


def numba(case: Case) -> Call:
    import numba as nb

    pieces = casadi_pieces(case)
    count = max(f.n_instructions() for f in pieces)
    if count > MOST_NUMBA:
        raise Left(f"it takes more than a minute over {count} operations in one function")
    made = []
    for f in pieces:
        place = {name: getattr(math, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tanh")}
        exec(python_source(f), place)
        made.append(nb.njit(place[f.name()]))
    x, rows = case.x, case.data
    if case.kind == "ba":
        (one,) = made

        @nb.njit
        def derivatives(x):
            found = np.zeros((len(x), 2 * programs.OBSERVED))
            for i in range(len(x)):
                one(x[i], found[i])
            return found

        return lambda: derivatives(x).reshape(-1, 2, programs.OBSERVED)
    if case.kind != "gmm":
        (whole,) = made

        def simple() -> Any:
            value, slopes = np.zeros(1), np.zeros(len(x))
            whole(x, value, slopes)
            return value[0], slopes

        return simple
    before, row, after = made
    width = pieces[0].numel_out(0)

    @nb.njit
    def gradient(x, rows):
        shared, seeds, value, slopes = np.zeros(width), np.zeros(width), np.zeros(1), np.zeros(len(x))
        before(x, shared)
        for i in range(len(rows)):
            row(shared, rows[i], value, seeds)
        after(x, seeds, value, slopes)
        return value[0], slopes

    return lambda: gradient(x, rows)


def xad(case: Case) -> Call:
    import xad.adj_1st as xa
    import xad.math as xm

    m = SimpleNamespace(
        exp=xm.exp, log=xm.log, sqrt=xm.sqrt, sin=xm.sin, cos=xm.cos, tanh=xm.tanh,
        maximum=lambda a, b: a if a > b else b,
    )  # fmt: skip

    def gradients(x: list[float], data: list[float]) -> Any:
        with xa.Tape() as tape:
            leaves = [xa.Real(v) for v in x]
            tape.registerInputs(leaves)
            tape.newRecording()
            found = case.f(m, leaves + data)
            results = found if isinstance(found, list) else [found]
            slopes = []
            for y in results:
                tape.registerOutput(y)
            for y in results:
                tape.clearDerivatives()
                y.derivative = 1.0
                tape.computeAdjoints()
                slopes.append([v.derivative for v in leaves])
            return results[0].value, slopes

    def call() -> Any:
        if case.kind == "ba":
            cut = programs.OBSERVED
            return np.array([gradients(row[:cut], row[cut:])[1] for row in case.x.tolist()])
        value, slopes = gradients(case.x.tolist(), [])
        return value, np.array(slopes[0])

    return call


# For jax and torch the same formulas over arrays, as their users write them.


def gmm_arrays(xp: Any, log_sum_exp: Any, case: Case) -> Callable[[Any, Any, Any], Any]:
    d, k, n = case.d, case.k, len(case.data)
    place = np.zeros((d, d), int)  # of an entry in [0, its diagonal, what is below it]
    place[np.diag_indices(d)] = 1 + np.arange(d)
    place.T[np.triu_indices(d, 1)] = 1 + d + np.arange(d * (d - 1) // 2)
    constant = programs.gmm_constant(d, k, n)
    ends = np.cumsum(case.lengths).tolist()

    def f(x: Any, rows: Any, zero: Any) -> Any:
        means, logs, lower = (x[a:b].reshape(k, -1) for a, b in itertools.pairwise(ends))
        weights = x[:k]
        factors = xp.concatenate([zero, xp.exp(logs), lower], 1)[:, place]
        white = xp.einsum("kij,nkj->nki", factors, rows[:, None, :] - means)
        densities = weights + logs.sum(-1) - 0.5 * (white**2).sum(-1)
        return constant + log_sum_exp(densities).sum() - n * log_sum_exp(weights) - 0.5 * (factors**2).sum()

    return f


def lstm_step(xp: Any, sigmoid: Any, x: Any, layers: int) -> Callable[..., Any]:
    blocks = x.reshape(-1, programs.WIDTH)

    def step(state: Any, now: Any, following: Any) -> Any:
        x, moved = now * blocks[-3], []
        for layer, (hidden, cell) in enumerate(state):
            w, o = blocks[8 * layer : 8 * layer + 4], blocks[8 * layer + 4 : 8 * layer + 8]
            forget, take, give = sigmoid(x * w[0] + o[0]), sigmoid(hidden * w[1] + o[1]), sigmoid(x * w[2] + o[2])
            cell = cell * forget + take * xp.tanh(hidden * w[3] + o[3])
            x = give * xp.tanh(cell)
            moved.append((x, cell))
        y = x * blocks[-2] + blocks[-1]
        return moved, (following * (y - xp.log(xp.exp(y).sum() + 2.0))).sum()

    return step


def jax(case: Case) -> Call:
    import jax as j

    j.config.update("jax_enable_x64", True)
    xp = j.numpy
    x = xp.asarray(case.x)
    if case.kind == "ba":
        cut = programs.OBSERVED

        def one(x: Any, feature: Any) -> Any:
            return xp.stack(case.f(xp, [*x, *feature]))

        f = j.jit(j.vmap(j.jacrev(one)))
        points, features = x[:, :cut], x[:, cut:]
        return lambda: np.asarray(f(points, features))
    if case.kind == "gmm":
        over = gmm_arrays(xp, lambda a: j.nn.logsumexp(a, axis=-1), case)
        rows, zero = xp.asarray(case.data), xp.zeros((case.k, 1))
        f = j.jit(j.value_and_grad(lambda x: over(x, rows, zero)))
    elif case.kind == "lse":
        f = j.jit(j.value_and_grad(j.nn.logsumexp))
    else:
        start, text = (xp.asarray(a) for a in case.data)

        def loss(x: Any) -> Any:
            step = lstm_step(xp, j.nn.sigmoid, x, len(start))
            state = [(h, c) for h, c in start]
            parts = j.lax.scan(lambda s, t: step(s, *t), state, (text[:-1], text[1:]))[1]
            return -parts.sum() / text[1:].size

        f = j.jit(j.value_and_grad(loss))

    def call() -> Any:
        value, slopes = f(x)
        return float(value), np.asarray(slopes)

    return call


def torch(case: Case) -> Call:
    import torch as t

    t.set_num_threads(1)

    def over() -> Callable[[Any], Any]:
        if case.kind == "gmm":
            f = gmm_arrays(t, lambda a: t.logsumexp(a, -1), case)
            rows, zero = t.tensor(case.data), t.zeros((case.k, 1), dtype=t.float64)
            return lambda x: f(x, rows, zero)
        if case.kind == "lse":
            return lambda x: t.logsumexp(x, 0)
        start, text = (t.tensor(a) for a in case.data)

        def loss(x: Any) -> Any:
            step = lstm_step(t, t.sigmoid, x, len(start))
            state, total = [(h, c) for h, c in start], 0.0
            for now, following in itertools.pairwise(text):
                state, part = step(state, now, following)
                total = total + part
            return -total / text[1:].numel()

        return loss

    if case.kind == "ba":

        def derivatives() -> Any:
            x = t.tensor(case.x.T, requires_grad=True)
            found = [t.autograd.grad(y.sum(), x, retain_graph=True)[0] for y in case.f(t, x)]
            return t.stack(found).numpy()[:, : programs.OBSERVED].transpose(2, 0, 1)

        return derivatives
    f = over()

    def call() -> Any:
        x = t.tensor(case.x, requires_grad=True)
        y = f(x)
        y.backward()
        return y.item(), x.grad.numpy()

    return call


ENGINES: dict[str, Callable[[Case], Call]] = {
    "dagrad": dagrad,
    "by hand in C, gcc -O3": by_hand,
    "CasADi, gcc -O3": lambda case: casadi(case, gcc=True),
    "CasADi, virtual machine": casadi,
    "numba on CasADi's graph": numba,
    "XAD in Python": xad,
    "jax.jit over arrays": jax,
    "torch over arrays": torch,
}


def parts(case: Case, found: Any) -> list[Any]:
    """Return what has a scale of its own: the value, and every sort of derivative."""
    if case.kind == "ba":
        return [found[:, :, a:b] for a, b in ((0, 3), (3, 6), (6, 9), (9, 11), (11, 14), (14, 15))]
    value, slopes = found
    return [np.array(value), *np.split(np.asarray(slopes), np.cumsum(case.lengths)[:-1])]


def check(case: Case, name: str, found: Any, truth: list[Any]) -> None:
    for a, b in zip(parts(case, found), truth, strict=True):
        off = np.max(np.abs(a - b)) / np.max(np.abs(b))
        if not off <= 1e-9:
            raise SystemExit(f"{case.kind}: {name} and dagrad differ by {off:.1e} of the largest entry")


def seconds(call: Call) -> float:
    """Return the mean time of a call, over a hundredth of a second of calls after one to warm up."""
    start = time.perf_counter()
    call()
    begun = end = time.perf_counter()
    if begun - start > SLOW:
        return begun - start
    calls = 0
    while end - begun < 0.01:
        call()
        calls += 1
        end = time.perf_counter()
    return (end - begun) / calls


def report(title: str, case: Case, rounds: int) -> None:
    print(f"\n### {title}\n")
    calls: dict[str, Call] = {}
    prepared: dict[str, float] = {}
    truth: list[Any] = []
    for name, engine in ENGINES.items():
        start = time.perf_counter()
        try:
            call = engine(case)
            found = call()
        except ImportError as error:
            print(f"{name} is not installed ({error})\n")
            continue
        except Left as error:
            print(f"{name} was left out: {error}\n")
            continue
        prepared[name] = time.perf_counter() - start
        truth = truth or [np.array(p) for p in parts(case, found)]
        check(case, name, found, truth)
        calls[name] = call
    times: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(rounds):
        for name, call in calls.items():
            if i < 3 or times[name][0] < SLOW:  # three rounds are enough for the slow
                times[name].append(seconds(call))
    medians = {name: statistics.median(t) * 1e6 for name, t in times.items()}
    print("| engine | microseconds | times dagrad | prepared in |\n|---|---|---|---|")
    for name, t in medians.items():
        print(f"| {name} | {t:.4g} | {t / medians['dagrad']:.2f} | {prepared[name]:.2f} s |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", metavar="CASE", default="", help="a part of the name of a case")
    options = parser.parse_args()
    os.environ |= {"NPROC": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}  # one thread for jax
    os.environ["DAGRAD_CACHE"] = "off"  # what is prepared is prepared anew
    chosen = [name for name in CASES if options.only == name] or [name for name in CASES if options.only in name]
    for name in chosen:
        report(name, CASES[name](), options.rounds)


if __name__ == "__main__":
    main()
