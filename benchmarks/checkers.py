"""Measure gradient checkers on one set: how often each rejects a right gradient, and accepts one that is a little off.

    python benchmarks/checkers.py                    ours, torch's and jax's
    python benchmarks/checkers.py --hips PYTHON      HIPS autograd's too, by an interpreter that has it
    python benchmarks/checkers.py --make-hips        the same in a new environment, which is removed afterwards

HIPS autograd shares its import name with dagrad, so it runs in a process of its own.

The cases are those of `problems.py`. Every checker gets the right gradient of its own engine, and then the same with
one component, drawn by chance among those that are not 0, 0.1 % too large. A gradient is right if it is within 1e-6 of
the truth, which is known to 30 digits; where an engine itself is not, the case is left out for its checker and named.
Rivals run at their defaults, in reverse mode, to first order, in doubles, on a function of one vector. Ours runs three
times: on its own sweeps; on a claimed gradient, a list of floats, of a function in its operations; and on a function
and a gradient that take and return floats alone.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import venv
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import problems
from problems import FUNCTIONS, PROBLEMS, WELL_CONDITIONED, Problem

#: A gradient this near to the truth counts as right.
RIGHT = 1e-6

ACCEPTED, REJECTED, UNDECIDED = "accepted", "rejected", "undecided"


@dataclass(frozen=True)
class Facts:
    """What is known of a problem: its gradient, how well conditioned that is, and which component to make wrong."""

    gradient: list[float]
    conditioning: float
    component: int | None


@dataclass(frozen=True)
class Outcome:
    """What a checker said of one problem.

    Attributes:
        off: the relative error of the engine's own gradient.
        right: the verdict on the engine's gradient, or nothing if that is wrong.
        planted: the verdict on the gradient with one wrong component, or nothing if there was none to make wrong.
        seconds: of each check.
        raised: an exception that is no verdict; such a check counts as rejected, as in a test suite.
    """

    off: float
    right: str = ""
    planted: str = ""
    seconds: Sequence[float] = ()
    raised: str = ""


@dataclass(frozen=True)
class Checker:
    """A checker and its engine.

    Attributes:
        name: for the table.
        gradient: takes a problem and factors, one per component; returns the engine's gradient, where the components
            are wrong by these factors. No factors: the engine's own.
        check: takes the same; returns the verdict on that gradient.
    """

    name: str
    gradient: Callable[[Problem, Sequence[float] | None], list[float]]
    check: Callable[[Problem, Sequence[float] | None], str]


# Checkers. -----------------------------------------------------------------------------------------------------------


def dagrad() -> tuple[str, list[Checker]]:
    import autograd as ag
    from autograd.testing import check_gradient

    rows = SimpleNamespace(**{name: getattr(ag, name) for name in FUNCTIONS})
    floats = problems.math_namespace()
    verdicts = {"ok": ACCEPTED, "subgradient": ACCEPTED, "wrong": REJECTED}
    wrong: dict[float, Any] = {1.0: lambda x: x}

    def identity(factor: float) -> Any:
        if factor not in wrong:
            wrong[factor] = ag.primitive(f"wrong{len(wrong)}", lambda x: x, lambda x, y: factor)
        return wrong[factor]

    def program(problem: Problem, factors: Sequence[float] | None) -> Callable[[Any], Any]:
        if factors is None:
            return lambda x: problem.f(rows, x)
        identities = [identity(factor) for factor in factors]
        return lambda x: problem.f(rows, [same(v) for same, v in zip(identities, x, strict=True)])

    def gradient(problem: Problem, factors: Sequence[float] | None) -> list[float]:
        found: list[float] = ag.grad(program(problem, factors))(list(problem.x))
        return found

    def verdict(f: Callable[[Any], Any], problem: Problem, **options: Any) -> str:
        report = check_gradient(f, list(problem.x), order=1, raise_=False, **options)
        return verdicts.get(report.verdict, UNDECIDED)

    def own(problem: Problem, factors: Sequence[float] | None) -> str:
        return verdict(program(problem, factors), problem)

    def claimed(problem: Problem, factors: Sequence[float] | None) -> str:
        return verdict(program(problem, None), problem, gradient=gradient(problem, factors))

    def black_box(problem: Problem, factors: Sequence[float] | None) -> str:
        derivative = ag.grad(program(problem, factors))
        return verdict(lambda x: problem.f(floats, [float(v) for v in x]), problem, gradient=derivative)

    names = ("dagrad, own gradient", "dagrad, a claimed gradient", "dagrad, a black box of floats")
    checks = (own, claimed, black_box)
    return f"dagrad {ag.__version__}", [Checker(n, gradient, check) for n, check in zip(names, checks, strict=True)]


def torch() -> tuple[str, list[Checker]]:
    import torch as t

    t.set_num_threads(1)
    m = SimpleNamespace(**{name: getattr(t, name) for name in FUNCTIONS})

    class Identity(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factors: Any) -> Any:
            ctx.save_for_backward(factors)
            return x.clone()

        @staticmethod
        def backward(ctx: Any, adjoint: Any) -> Any:
            return adjoint * ctx.saved_tensors[0], None

    identity: Any = Identity

    def program(problem: Problem, factors: Sequence[float] | None) -> Callable[[Any], Any]:
        def f(x: Any) -> Any:
            if factors is not None:
                x = identity.apply(x, t.tensor(factors, dtype=t.float64))
            return problem.f(m, [x[k] for k in range(len(problem.x))])

        return f

    def point(problem: Problem) -> Any:
        return t.tensor(problem.x, dtype=t.float64, requires_grad=True)

    def gradient(problem: Problem, factors: Sequence[float] | None) -> list[float]:
        x = point(problem)
        (found,) = t.autograd.grad(program(problem, factors)(x), x)
        return [float(g) for g in found]

    def check(problem: Problem, factors: Sequence[float] | None) -> str:
        f = program(problem, factors)
        return ACCEPTED if t.autograd.gradcheck(f, (point(problem),), raise_exception=False) else REJECTED

    return f"torch {t.__version__}", [Checker("torch.autograd.gradcheck", gradient, check)]


def jax() -> tuple[str, list[Checker]]:
    j, jnp, special, util = map(importlib.import_module, ("jax", "jax.numpy", "jax.scipy.special", "jax.test_util"))
    j.config.update("jax_platforms", "cpu")
    j.config.update("jax_enable_x64", True)
    m = numpy_namespace(jnp, special)

    def program(problem: Problem, factors: Sequence[float] | None) -> Callable[[Any], Any]:
        identity = j.custom_vjp(lambda x: x)
        identity.defvjp(lambda x: (x, None), lambda _, adjoint: (adjoint * jnp.array(factors),))

        def f(x: Any) -> Any:
            x = x if factors is None else identity(x)
            return problem.f(m, [x[k] for k in range(len(problem.x))])

        return f

    def gradient(problem: Problem, factors: Sequence[float] | None) -> list[float]:
        return [float(g) for g in j.grad(program(problem, factors))(jnp.array(problem.x))]

    def check(problem: Problem, factors: Sequence[float] | None) -> str:
        f = program(problem, factors)
        return asserted(lambda: util.check_grads(f, (jnp.array(problem.x),), order=1, modes=["rev"]))

    return f"jax {j.__version__}", [Checker("jax.test_util.check_grads", gradient, check)]


def hips() -> tuple[str, list[Checker]]:
    extend = importlib.import_module("autograd.extend")  # dagrad has no such module
    ag, anp, special, util = map(
        importlib.import_module, ("autograd", "autograd.numpy", "autograd.scipy.special", "autograd.test_util")
    )
    m = numpy_namespace(anp, special)
    anp.seterr(all="ignore")

    def program(problem: Problem, factors: Sequence[float] | None) -> Callable[[Any], Any]:
        identity = extend.primitive(lambda x: x.copy())
        extend.defvjp(identity, lambda y, x: lambda adjoint: adjoint * anp.array(factors))

        def f(x: Any) -> Any:
            x = x if factors is None else identity(x)
            return problem.f(m, [x[k] for k in range(len(problem.x))])

        return f

    def gradient(problem: Problem, factors: Sequence[float] | None) -> list[float]:
        return [float(g) for g in ag.grad(program(problem, factors))(anp.array(problem.x))]

    def check(problem: Problem, factors: Sequence[float] | None) -> str:
        anp.random.seed(zlib.crc32(problem.name.encode()))  # it draws its direction from NumPy's global state
        f = program(problem, factors)
        return asserted(lambda: util.check_grads(f, modes=["rev"], order=1)(anp.array(problem.x)))

    return f"HIPS autograd {version('autograd')}", [Checker("HIPS autograd.test_util.check_grads", gradient, check)]


def numpy_namespace(np: Any, special: Any) -> SimpleNamespace:
    names = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh"}
    names |= {"atanh": "arctanh", "atan2": "arctan2"}
    of_special = {"erf": special.erf, "erfc": special.erfc, "lgamma": special.gammaln}
    functions = [name for name in FUNCTIONS if name not in of_special]
    return SimpleNamespace(**{name: getattr(np, names.get(name, name)) for name in functions}, **of_special)


def asserted(check: Callable[[], None]) -> str:
    """Return the verdict of a checker that raises AssertionError."""
    try:
        check()
    except AssertionError:
        return REJECTED
    return ACCEPTED


RIVALS = {"torch": torch, "jax": jax}


# Measuring. ----------------------------------------------------------------------------------------------------------


def facts() -> list[Facts]:
    """Return what is known of every problem."""
    found = []
    for problem in PROBLEMS:
        _, slopes = problems.truth(problem)
        conditioning = problems.conditioning(problem, slopes)
        nonzero = [k for k, s in enumerate(slopes) if s]
        component = random.Random(problem.name).choice(nonzero) if nonzero else None
        found.append(Facts([float(s) for s in slopes], conditioning, component))
    return found


def relative_error(found: Sequence[float], true: Sequence[float]) -> float:
    """Return the largest error of a component as part of it; where it is 0, as part of the largest."""
    largest = max(map(abs, true)) or 1.0
    worst = 0.0
    for g, t in zip(found, true, strict=True):
        off = abs(g - t) / (abs(t) or largest)
        worst = max(worst, off if math.isfinite(off) else math.inf)
    return worst


def measure(checker: Checker, known: Sequence[Facts], error: float) -> list[Outcome]:
    """Return what a checker says of every problem."""
    outcomes = []
    for problem, fact in zip(PROBLEMS, known, strict=True):
        own = checker.gradient(problem, None)
        off = relative_error(own, fact.gradient)
        if off > RIGHT:
            outcomes.append(Outcome(off))
            continue
        right, seconds, raised = judged(checker, problem, None)
        outcome = Outcome(off, right, seconds=[seconds], raised=raised)
        if fact.component is not None:
            factors = [1.0 + error * (k == fact.component) for k in range(len(own))]
            planted = checker.gradient(problem, factors)
            if relative_error(planted, [g * factor for g, factor in zip(own, factors, strict=True)]) > 1e-12:
                raise SystemExit(f"{checker.name}, {problem.name}: {own} with the factors {factors} became {planted}")
            verdict, seconds, raised = judged(checker, problem, factors)
            outcome = Outcome(off, right, verdict, [*outcome.seconds, seconds], raised or outcome.raised)
        outcomes.append(outcome)
    return outcomes


def judged(checker: Checker, problem: Problem, factors: Sequence[float] | None) -> tuple[str, float, str]:
    """Return a verdict, how long it took, and what was raised that is no verdict."""
    start = time.perf_counter()
    try:
        verdict, raised = checker.check(problem, factors), ""
    except Exception as failure:
        verdict, raised = REJECTED, f"{type(failure).__name__}: {failure}".splitlines()[0]
    return verdict, time.perf_counter() - start, raised


def run(engine: Callable[[], tuple[str, list[Checker]]], known: Sequence[Facts], error: float) -> Measured:
    """Return the outcomes of the checkers of an engine."""
    release, checkers = engine()
    return Measured(release, {checker.name: measure(checker, known, error) for checker in checkers})


@dataclass(frozen=True)
class Measured:
    """The outcomes of the checkers of one engine, by their names."""

    release: str
    outcomes: dict[str, list[Outcome]]


def run_elsewhere(python: str, known: Sequence[Facts], error: float) -> Measured:
    """Return the outcomes of HIPS autograd's checker, from a process of another interpreter."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    answer = subprocess.run(
        [python, __file__, "--child", "--error", repr(error)],
        input=json.dumps([asdict(fact) for fact in known]),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if answer.returncode:
        raise ImportError(answer.stderr.strip().splitlines()[-1] if answer.stderr.strip() else "it failed")
    release, outcomes = json.loads(answer.stdout)
    return Measured(release, {name: [Outcome(**o) for o in found] for name, found in outcomes.items()})


def child(error: float) -> None:
    """Measure HIPS autograd's checker: facts come in, outcomes go out."""
    measured = run(hips, [Facts(**fact) for fact in json.load(sys.stdin)], error)
    outcomes = {name: [asdict(outcome) for outcome in found] for name, found in measured.outcomes.items()}
    json.dump([measured.release, outcomes], sys.stdout)


def hips_environment(folder: str) -> str:
    """Make an environment with HIPS autograd and return its interpreter."""
    venv.create(folder, with_pip=True)
    python = str(Path(folder) / ("Scripts" if os.name == "nt" else "bin") / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "autograd", "scipy"], check=True)
    return python


# Printing. -----------------------------------------------------------------------------------------------------------


def cells(outcomes: Sequence[Outcome]) -> list[str]:
    """Return false alarms, right gradients that are left undecided, errors missed, and pairs told apart."""
    right = [o.right for o in outcomes if o.right]
    planted = [o for o in outcomes if o.planted]
    missed = sum(o.planted != REJECTED for o in planted)
    apart = sum(o.right == ACCEPTED and o.planted == REJECTED for o in planted)
    return [
        f"{right.count(REJECTED)} of {len(right)}",
        f"{right.count(UNDECIDED)}",
        f"{missed} of {len(planted)}",
        f"{apart / len(planted):.1%}",
    ]


def table(everything: Sequence[Measured], known: Sequence[Facts], missing: dict[str, str], error: float) -> None:
    """Print one row per checker: the well conditioned cases, then all."""
    well = [fact.conditioning < WELL_CONDITIONED for fact in known]
    errors = f"errors of {error * 100:g} % missed"
    columns = ["false alarms", "undecided", errors, "told apart"]
    columns = ["checker", *columns, *(f"all: {c}" for c in columns), "ms"]
    print(f"\n{sum(well)} of {len(known)} cases are well conditioned. Told apart: right accepted and wrong rejected.\n")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for measured in everything:
        for name, outcomes in measured.outcomes.items():
            good = [o for o, fine in zip(outcomes, well, strict=True) if fine]
            each = statistics.median(s for o in outcomes for s in o.seconds)
            print(f"| {' | '.join([name, *cells(good), *cells(outcomes), f'{each * 1e3:.2g}'])} |")
    for name, why in missing.items():
        print(f"| {name} | not measured: {why} |{' |' * (len(columns) - 2)}")


def details(measured: Measured, known: Sequence[Facts], every: bool) -> None:
    """Print the cases that were left out and, of ours or on demand, those in which a checker fails."""
    for name, outcomes in measured.outcomes.items():
        left_out = [f"{p.name} ({o.off:.0e})" for p, o in zip(PROBLEMS, outcomes, strict=True) if not o.right]
        print(f"\n{name}: left out, the engine's own gradient is off: {', '.join(left_out) or 'none'}")
        for problem, o, fact in zip(PROBLEMS, outcomes, known, strict=True):
            if o.raised:
                print(f"  {problem.name}: raised {o.raised}")
            fails = o.right in (REJECTED, UNDECIDED) or o.planted in (ACCEPTED, UNDECIDED)
            if fails and (every or measured.release.startswith("dagrad")):
                wrong = f"wrong in {fact.component} {o.planted}" if o.planted else "nothing to make wrong"
                print(f"  {problem.name}: right {o.right}, {wrong}, conditioning {fact.conditioning:.0e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hips", metavar="PYTHON", help="an interpreter that has HIPS autograd and scipy")
    parser.add_argument("--make-hips", action="store_true", help="install HIPS autograd in an environment for this run")
    parser.add_argument("--error", type=float, default=1e-3, help="the planted error (default 0.001)")
    parser.add_argument("--list", action="store_true", help="name the cases in which rivals fail, too")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    if options.child:
        child(options.error)
        return
    known = facts()
    everything, missing = [run(dagrad, known, options.error)], {}
    for name, rival in RIVALS.items():
        try:
            everything.append(run(rival, known, options.error))
        except ImportError as error:
            missing[name] = str(error)
    with tempfile.TemporaryDirectory() as folder:
        try:
            python = hips_environment(folder) if options.make_hips else options.hips
            if not python:
                raise ImportError("give --hips or --make-hips")
            everything.append(run_elsewhere(python, known, options.error))
        except (ImportError, OSError, subprocess.CalledProcessError) as error:
            missing["HIPS autograd"] = str(error)
    print(", ".join(measured.release for measured in everything) + f", Python {sys.version.split()[0]}")
    table(everything, known, missing, options.error)
    for measured in everything:
        details(measured, known, options.list)


if __name__ == "__main__":
    main()
