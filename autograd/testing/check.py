"""`check_gradient`: the derivatives of a function, from any engine, held against an independent truth.

The function is run again on numbers of 50 digits (every operation of `autograd` takes them), and its differences there
are the truth: no rule for a derivative is used. A function that takes floats alone is a black box, and gets
extrapolated differences of floats. The tolerance is no constant: the graph of the function is swept a few times with
every number moved by its last place, and a claim may be as far off as that moves it. What rounding leaves open is
called undecidable, a kink a kink; only a wrong gradient fails.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Any

from autograd import ops
from autograd.calculus import _fill, _is_array, _leaves, grad, hvp, jvp, value_and_grad
from autograd.exact import Ball, Complex, Exact, Number, at_most
from autograd.op import ABSENT
from autograd.testing.oracles import (
    NOTHING,
    Slope,
    ball_slope,
    clarke_directions,
    clarke_gradients,
    complex_slope,
    difference_slopes,
    exact_curvature,
    exact_slope,
    noise_levels,
    step_scale,
)
from autograd.testing.report import NONE, Finding, Report, judge, shortened
from autograd.value import Value, forward_sweep, no_grad, recording, topological_order

ORACLES = ("auto", "exact", "differences", "complex", "ball", "forward")
MODES = ("reverse", "forward", "batch")
KINKS = ("clarke", "convention")

_ULP = 2.0**-53
_LANES = 4  # sweeps with moved numbers
_SPREAD = 64.0  # how many times the largest move a claim may be off
_SIGNS = random.Random(0).choices((-1.0, 1.0), k=4099)


def check_gradient(
    f: Callable[[Any], Any],
    x: Any,
    *,
    gradient: Any = None,
    order: int | None = None,
    oracle: str = "auto",
    digits: int = 50,
    modes: Sequence[str] = ("reverse", "forward"),
    seeds: Sequence[float] = (-3.0,),
    kinks: str = "clarke",
    directions: int = 3,
    raise_: bool = True,
) -> Report:
    """Check the derivatives of a function at a point against an independent truth.

    Args:
        f: takes one argument and returns one number. Written in operators and autograd's operations it can be checked
            at 50 digits; with a `gradient` it may also be any function of plain floats.
        x: the argument: a number, or a list, tuple, dict or array of numbers, nested.
        gradient: a claimed gradient in the shape of x, or a function of x that returns it, to check instead of ours:
            from torch, jax, another autograd, or by hand.
        order: 1 checks the gradient; 2 (the default for our own) also the Hessian.
        oracle: the truth. "auto" is "exact" (differences at `digits` digits) where f allows it, else "differences" (of
            floats); "complex" is one complex step, "ball" a power series with a rigorous bound by python-flint, and
            "forward" our own forward sweep, which tells about the sweep and not about the rules.
        digits: of the exact oracle; more are taken by itself where they are needed.
        modes: what to check of ours: "reverse", "forward", "batch" (three points at once, as lanes of arrays).
        seeds: adjoints of the result to repeat the reverse sweep with.
        kinks: where the slopes to both sides differ, "clarke" accepts any element of Clarke's subdifferential and
            "convention" what the documented conventions of the operations give.
        directions: how many columns of the Hessian to check, or random directions where x has more numbers than that.
        raise_: False returns the report in any case.

    Returns:
        The report; `print` shows it. Its `verdict` is "ok", "wrong", "undecidable" (rounding leaves no digits),
        "subgradient" (at a kink) or "invalid" (the value or the derivative is not finite).

    Raises:
        GradientError: if a derivative is wrong. It is an AssertionError.
        TypeError: if f does not return one number, or x holds something else than numbers.
        ValueError: if x is empty, or f is not deterministic or changes its argument.

    >>> check_gradient(lambda x: x[0] ** 2 * x[1], [3.0, 2.0]).verdict
    'ok'
    >>> check_gradient(lambda x: x[0] ** 2 * x[1], [3.0, 2.0], gradient=[12.0, 8.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autograd.testing.report.GradientError: d<lambda>/dx[1] is 8.0 (gradient), expected 9 +- ...: off by 1, at x = ...
    """
    _options(oracle, modes, kinks, order, digits, gradient)
    subject = Subject(f, x, plain=gradient is not None)
    report = partial(Report, subject.name, subject.point, subject.value)
    if not math.isfinite(subject.value):
        why = "the value is not finite, so there is no derivative to check"
        findings = [judge(path, "value", math.nan, NOTHING) for path in subject.paths]
        return report("nothing", tuple(findings), (why,))
    truth = _Truth(subject, oracle, digits)
    if gradient is not None:
        claims = {"gradient": subject.claimed(gradient, subject.xs)}
    else:
        claims = _sweeps(subject, modes, seeds)
    findings = truth.of_value() + _first(subject, truth, claims, gradient, kinks)
    if order is None:
        order = 2 if gradient is None and truth.name in ("exact", "differences") else 1
    if order == 2 and all(x.verdict in ("ok", "undecidable") and x.note != NONE for x in findings):
        findings += _second(subject, truth, directions)
    answer = report(truth.words, tuple(findings), tuple(truth.notes))
    return answer.check() if raise_ else answer


def _options(oracle: str, modes: Sequence[str], kinks: str, order: int | None, digits: int, gradient: Any) -> None:
    for name, given, known in (("oracle", oracle, ORACLES), ("kinks", kinks, KINKS)):
        if given not in known:
            raise ValueError(f"check_gradient: {name} is one of {', '.join(known)}; got {given!r}")
    if isinstance(modes, str) or any(mode not in MODES for mode in modes):
        raise ValueError(f"check_gradient: modes is a list of {', '.join(MODES)}; got {modes!r}")
    if order not in (None, 1, 2):
        raise ValueError(f"check_gradient: order is 1 or 2, got {order!r}")
    if order == 2 and (gradient is not None or oracle in ("complex", "ball", "forward")):
        given = "a claimed gradient" if gradient is not None else f"the oracle {oracle!r}"
        raise ValueError(f"check_gradient: {given} goes with order=1; to check a Hessian, check its rows as gradients")
    if not isinstance(digits, int) or not 20 <= digits <= 500:
        raise ValueError(f"check_gradient: digits is a whole number from 20 to 500, got {digits!r}")


# The function under test. --------------------------------------------------------------------------------------------


class Subject:
    """The function on flat lists of numbers, with the promises of a function checked.

    Args:
        f: the function.
        x: where it is looked at, a tree of numbers.
        plain: whether f is given floats, rather than Values, for its value.
    """

    def __init__(self, f: Callable[[Any], Any], x: Any, plain: bool) -> None:
        self.f = f
        self.plain = plain
        self.name = str(getattr(f, "__name__", f))
        self.xs = [float(v.data if isinstance(v, Value) else v) for v in _leaves(x, "check_gradient: x")]
        if not self.xs:
            raise ValueError(f"check_gradient: x = {x!r} holds no number to differentiate {self.name} by")
        self.tree = copy.copy(x)
        #: How many operations one evaluation on other numbers may take.
        self.patience = 100_000
        self.paths = list(_paths(x, "x"))
        self.point = self.shaped(self.xs)
        try:
            self.value = self._call(self.xs)
        except Exception as error:
            error.add_note(
                f"This was raised by {self.name} at x = {shortened(self.point)}, where check_gradient looks at it."
            )
            raise
        again = self._call(self.xs)
        if again != self.value and not (again != again and self.value != self.value):
            raise ValueError(
                f"check_gradient: {self.name} is not deterministic: it gave {self.value!r} and then {again!r} at the "
                f"same point {shortened(self.point)}; draw random numbers outside of it"
            )

    def shaped(self, leaves: Sequence[Any]) -> Any:
        """Return numbers in the shape of the argument."""
        return _fill(self.tree, iter(leaves))

    def _call(self, xs: Sequence[float]) -> float:
        with no_grad():
            given = list(xs) if self.plain else [Value(x) for x in xs]
            argument = self.shaped(given)
            y = self.f(argument)
        left = _leaves(argument, "x")
        if len(left) != len(given) or any(
            a is not b and (a != b or not self.plain) for a, b in zip(left, given, strict=True)
        ):
            raise ValueError(
                f"check_gradient: {self.name} changes its argument in place; let it work on a copy, since a caller's "
                "numbers would change too"
            )
        return float(self._one(y))

    def _one(self, y: Any) -> Any:
        """Return the one number that a result is."""
        if isinstance(y, Value):
            return y.data
        if y is None or isinstance(y, list | tuple | dict | str) or getattr(y, "ndim", 0) > 0:
            raise TypeError(
                f"check_gradient: {self.name} must return one number, got {shortened(y)}; of several check a weighted "
                "sum, such as lambda x: autograd.dot(weights, f(x))"
            )
        if hasattr(y, "item") and not isinstance(y, Number):
            y = y.item()  # of NumPy, torch, jax
        return y if isinstance(y, Number) else _leaves(y, f"check_gradient: result of {self.name}")[0]

    def number(self, xs: Sequence[float]) -> float:
        """Return f, or nan where it is not defined."""
        try:
            return self._call(xs)
        except (ArithmeticError, ValueError):
            return math.nan

    def on(self, kind: type[Number], numbers: Sequence[Any]) -> Any:
        """Return f of numbers of a kind, as one of them or a float.

        Raises:
            Overrun: if f needs far more operations than on floats.
        """
        with at_most(self.patience):
            return self._one(self.f(self.shaped(numbers)))

    def exact(self, xs: Sequence[Any]) -> Any:
        """Return f of mpmath numbers as one; nan where it is not defined."""
        try:
            return Exact.lift(self.on(Exact, [Exact(x) for x in xs]))
        except (ArithmeticError, ValueError):
            return Exact.lift(math.nan)

    def graph(self) -> tuple[list[Value], Any]:
        """Return fresh leaves at the point and the result that f makes of them."""
        with recording():
            leaves = [Value(x) for x in self.xs]
            return leaves, self.f(self.shaped(leaves))

    def gradient(self, xs: Sequence[float]) -> list[float]:
        """Return the gradient by the reverse sweep, or nan where it is not defined."""
        try:
            return _plain(value_and_grad(self.f)(self.shaped(xs))[1])
        except (ArithmeticError, ValueError):
            return [math.nan] * len(xs)

    def curvature(self, xs: Sequence[float], v: Sequence[float]) -> list[float]:
        """Return the Hessian times v: forward along v, then in reverse."""
        return _plain(hvp(self.f, self.shaped(xs), self.shaped(v)))

    def curvature_twice(self, xs: Sequence[float], v: Sequence[float]) -> list[float]:
        """Return the Hessian times v: twice in reverse."""

        def along(x: Any) -> Any:
            return ops.dot(_leaves(grad(self.f)(x), "gradient"), list(v))

        return _plain(grad(along)(self.shaped(xs)))

    def claimed(self, gradient: Any, xs: Sequence[float]) -> list[float]:
        """Return a claimed gradient at xs as a flat list."""
        claim = _plain(_untensored(gradient(self.shaped(xs)) if callable(gradient) else gradient))
        if len(claim) != len(self.xs):
            raise ValueError(f"check_gradient: the gradient has {len(claim)} numbers, but x has {len(self.xs)}")
        return claim


def _plain(tree: Any) -> list[float]:
    """Return the numbers of a derivative; they are nodes where the function holds nodes of somebody else's."""
    leaves = _leaves(tree, "check_gradient: gradient")
    return [float(g.data if isinstance(g, Value) else g) for g in leaves]


def _untensored(tree: Any) -> Any:
    """Return a tree with the tensors of other engines as lists."""
    if isinstance(tree, dict):
        return {key: _untensored(branch) for key, branch in tree.items()}
    if isinstance(tree, list | tuple) and not hasattr(tree, "_fields"):
        return [_untensored(branch) for branch in tree]
    return tree if _is_array(tree) or not hasattr(tree, "tolist") else tree.tolist()


def _paths(tree: Any, path: str) -> Iterator[str]:
    if isinstance(tree, dict):
        for key in tree:
            yield from _paths(tree[key], f"{path}[{key!r}]")
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        for name, branch in zip(tree._fields, tree, strict=True):
            yield from _paths(branch, f"{path}.{name}")
    elif isinstance(tree, list | tuple):
        for i, branch in enumerate(tree):
            yield from _paths(branch, f"{path}[{i}]")
    elif _is_array(tree) and tree.ndim > 0:
        import numpy as np

        yield from (f"{path}[{', '.join(map(str, i))}]" for i in np.ndindex(tree.shape))
    else:
        yield path


# Claims of our own. --------------------------------------------------------------------------------------------------


def _sweeps(subject: Subject, modes: Sequence[str], seeds: Sequence[float]) -> dict[str, list[float]]:
    """Return the gradient by every mode that is asked for."""
    n = len(subject.xs)
    claims = {}
    if "reverse" in modes:
        claims["reverse"] = subject.gradient(subject.xs)
        leaves, root = subject.graph()
        if isinstance(root, Value) and not root.is_constant:
            for seed in seeds:
                claims[f"reverse, seed {seed:g}"] = [g / seed for g in _backward(root, leaves, seed)]
    if "forward" in modes:
        units = [subject.shaped([float(i == k) for i in range(n)]) for k in range(n)]
        claims["forward"] = [_plain(jvp(subject.f, subject.point, unit)[1])[0] for unit in units]
    if "batch" in modes:
        claims["batch"] = _in_a_lane(subject)
    return claims


def _backward(root: Value, leaves: Sequence[Value], seed: float) -> list[float]:
    """Return what `Value.backward` adds to the leaves, and leave the nodes that others hold as they were."""
    before = [(v, v.grad) for v in topological_order(root)]
    try:
        root.backward(seed)
        return [leaf.grad for leaf in leaves]
    finally:
        for v, g in before:
            v.grad = g


def _in_a_lane(subject: Subject) -> list[float]:
    """Return the gradient from the middle one of three lanes, with other points beside it."""
    import numpy as np

    from autograd.batch import differentiate

    columns = [np.array([x * (1 + 2.0**-20), x, x * (1 - 2.0**-20)]) for x in subject.xs]
    _, slopes = differentiate(lambda *xs: subject.f(subject.shaped(xs)), *columns)
    return [float(s[1]) for s in slopes]


# The truth. ----------------------------------------------------------------------------------------------------------


class _Truth:
    """An oracle for one subject, and how far rounding may carry an honest computation of its derivatives."""

    def __init__(self, subject: Subject, oracle: str, digits: int) -> None:
        self.subject, self.digits = subject, digits
        self.notes: list[str] = []
        self._known: dict[Any, Any] = {}
        self.leaves, self.root = self._graph()
        #: The size of the largest number on the way, which rounding errors at any precision are parts of.
        sizes = self._sizes()
        subject.patience = max(subject.patience, 100 * len(sizes))
        self.size = max([1.0, abs(subject.value), *sizes])
        self.spread, self.value_spread = self._rounding()
        self.name = oracle
        if oracle in ("auto", "exact"):
            self.name = self._exact_or_not(oracle)
        self.words = {
            "exact": f"differences at {digits} digits",
            "differences": "extrapolated differences of floats",
            "complex": "a complex step",
            "ball": f"a power series of balls of {digits} digits",
            "forward": "the forward sweep",
        }[self.name]

    def _graph(self) -> tuple[list[Value], Any]:
        """Return the function's graph, or nothing if it is a black box."""
        try:
            leaves, root = self.subject.graph()
            same = isinstance(root, Value) and abs(root.data - self.subject.value) <= 1e-9 * abs(self.subject.value)
            return (leaves, root) if same else ([], None)
        except Exception:
            if not self.subject.plain:
                raise
            return [], None

    def _sizes(self) -> list[float]:
        nodes = topological_order(self.root) if self.root is not None else []
        return [abs(v.data) for v in nodes if math.isfinite(v.data)]

    def _rounding(self) -> tuple[list[float], float]:
        if self.root is None or self.root.is_constant:
            return [0.0] * len(self.subject.xs), 0.0
        return conditioning(self.root, self.leaves)

    def _exact_or_not(self, oracle: str) -> str:
        """Return "exact" if the function runs on exact numbers and means the same there, else say why not."""
        try:
            from mpmath import mp, mpf

            with mp.workdps(self.digits):
                value = Exact.lift(self.subject.on(Exact, [Exact(mpf(x)) for x in self.subject.xs]))
                off = abs(value - mpf(self.subject.value))
                allowed = _SPREAD * (self.value_spread + _ULP * abs(self.subject.value))
                if not mp.isfinite(value):
                    why = f"at {self.digits} digits {self.subject.name} gives {value}"
                elif self.subject.plain and off > max(allowed, 1e-9 * abs(value)):
                    why = f"at {self.digits} digits {self.subject.name} gives {mp.nstr(value, 20)}"
                else:
                    self.value = float(value)
                    return "exact"
        except Exception as error:
            # Whatever a black box makes of numbers that it was not written for.
            why = f"{type(error).__name__}: {shortened(str(error), 200)}"
        if oracle == "exact":
            raise TypeError(
                f"check_gradient: {self.subject.name} cannot be run at {self.digits} digits ({why}); write it in "
                'operators and autograd\'s operations, or take oracle="differences"'
            )
        self.notes.append(f"not checked at {self.digits} digits: {why}")
        return "differences"

    def of_value(self) -> list[Finding]:
        """Return a finding about the function's own value, where the oracle knows it."""
        if self.name != "exact" or self.root is None:
            return []
        slope = Slope(self.value, 0.0, self.value, self.value)
        found = judge("value", "value", self.subject.value, slope, _SPREAD * self.value_spread)
        return [found] if found.verdict == "wrong" else []

    def along(self, k: int, claims: Sequence[float], digits: int = 0) -> Slope:
        """Return the derivative by the k-th number.

        Args:
            k: which.
            claims: what it will be compared with.
            digits: of the exact oracle.
        """
        subject, xs = self.subject, self.subject.xs
        unit = [float(i == k) for i in range(len(xs))]
        if self.name == "exact":
            return exact_slope(self._exactly(unit), self.scale(k), digits or self.digits, self.size, claims)
        if self.name == "complex":
            return complex_slope(partial(self.subject.on, Complex), xs, unit)
        if self.name == "ball":
            return ball_slope(partial(self.subject.on, Ball), xs, unit, digits or self.digits)
        if self.name == "forward":
            (slope,) = _plain(jvp(subject.f, subject.point, subject.shaped(unit))[1])
            return Slope(slope, 0.0, slope, slope)
        (found,) = difference_slopes(lambda t: [subject.number([*xs[:k], t, *xs[k + 1 :]])], xs[k], 1, math.ulp(xs[k]))
        return found

    def _exactly(self, v: Sequence[float], k: int = -1) -> Callable[..., Any]:
        """Return f on the line x + t v, or on the plane x + t v + s e_k, at the working precision."""
        from mpmath import mp, mpf

        xs, known, line = self.subject.xs, self._known, tuple(v)

        def phi(t: Any, s: Any = 0) -> Any:
            # On a plane, what lies on a line is shared by all planes that cross there.
            key = (mp.prec, line if t else None, t, k if s else -1, s)
            if key not in known:
                at = [mpf(x) + t * e for x, e in zip(xs, v, strict=True)]
                if s:
                    at[k] += s * mpf(self.scale(k))
                known[key] = self.subject.exact(at)
            return known[key]

        return phi

    def scale(self, k: int) -> float:
        """Return the length that steps of the k-th number are parts of."""
        return step_scale(self.subject.xs, k)

    def curvature(self, k: int, v: Sequence[float], claims: Sequence[float]) -> Slope:
        """Return the derivative by the k-th number of the derivative along v."""
        scale = self.scale(k)
        found = exact_curvature(self._exactly(v, k), 1.0, self.digits, self.size, [c * scale for c in claims])
        return found.times(1.0 / scale)


def conditioning(root: Value, leaves: Sequence[Value]) -> tuple[list[float], float]:
    """Return how far droot/dleaf, and root itself, move when every number on the way moves by its last place.

    Four sweeps of the graph, in each of which every leaf, result, partial and adjoint is moved up or down by one unit
    of its last place; the largest move of each derivative is the answer. All is computed from the leaves' present
    data; comparisons stay as recorded.

    Args:
        root: the result.
        leaves: what it is differentiated by; inner nodes too.
    """
    spread, values = moves(topological_order(root), leaves)
    return spread, values[-1]


def moves(order: Sequence[Value], nodes: Sequence[Value]) -> tuple[list[float], list[float]]:
    """Return what `conditioning` does for nodes of an order, and the moves of the value of every node of the order."""
    place = {id(v): i for i, v in enumerate(order)}
    steps = [
        (i, v.op, [place.get(id(x), -1) for x in v.operands], v.operands)
        for i, v in enumerate(order)
        if v.op is not None
    ]
    data = [v.data for v in order]
    own = [place.get(id(v), -1) for v in nodes]
    leaves = {i for i, v in enumerate(order) if v.op is None}
    # On a kink the operands meet exactly, and stay there; whether that is so but for rounding, `_confirm` asks.
    kinked = {i for i, v in enumerate(order) if _at_a_kink(v)}

    def swept(signs: Iterator[float] | None) -> tuple[list[float], list[float]]:
        values, g, partials = data[:], [0.0] * len(order), []
        for i, op, places, operands in steps:
            # A result has been moved where it was made, a leaf is at each use: twice could cancel.
            at, step = (data, None) if i in kinked else (values, signs)
            xs = [
                x if j < 0 else _moved(at[j], step) if j in leaves else at[j]
                for j, x in zip(places, operands, strict=True)
            ]
            y = op.call(xs)
            # A result that underflows has lost its digits, and may be multiplied by large numbers later.
            values[i] = _moved(y, signs) if y or not signs or not all(xs) else 5e-324
            partials.append(op.slopes(xs, y, [j >= 0 for j in places]))
        g[-1] = 1.0
        for (i, _, places, _), slopes in zip(reversed(steps), reversed(partials), strict=True):
            if g[i]:
                for j, p in zip(places, slopes, strict=True):
                    if j >= 0 and p and p != ABSENT:
                        g[j] += _moved(g[i] * p, signs) or (5e-324 if signs else 0.0)
        return [g[j] if j >= 0 else 0.0 for j in own], values

    signs = cycle(_SIGNS)
    here = swept(None)
    spread = ([0.0] * len(own), [0.0] * len(order))
    for _ in range(_LANES):
        for most, found, true in zip(spread, swept(signs), here, strict=True):
            for k, (x, y) in enumerate(zip(found, true, strict=True)):
                move = abs(x - y)
                if most[k] < move < math.inf:
                    most[k] = move
    return spread


def _moved(x: float, signs: Iterator[float] | None) -> float:
    return x + math.ulp(x) * next(signs) if signs is not None and x and math.isfinite(x) else x


# Judging. ------------------------------------------------------------------------------------------------------------


def _first(
    subject: Subject, truth: _Truth, claims: dict[str, list[float]], gradient: Any, kinks: str
) -> list[Finding]:
    """Hold first derivatives against the truth."""
    jitter = _claimed_rounding(subject, gradient) if truth.root is None else [0.0] * len(subject.xs)
    findings, kinked = [], False
    for k, path in enumerate(subject.paths):
        slope = truth.along(k, [claim[k] for claim in claims.values()])
        kinked = kinked or slope.kind in ("kink", "edge")
        rounding = _SPREAD * truth.spread[k] + 8.0 * jitter[k]
        for mode, claim in claims.items():
            found = judge(path, mode, claim[k], slope, rounding)
            if found.verdict == "wrong" and slope.is_smooth and truth.name == "exact":
                found = _confirm(subject, truth, k, found, rounding)
            findings.append(found)
    if kinks == "convention" and (kinked or any(x.verdict == "wrong" for x in findings)):
        return _by_convention(subject, truth, claims, findings)
    if kinked and truth.name == "exact" and 1 < len(subject.xs) <= 16:
        findings += _by_clarke(subject, truth, claims)
    return findings


def _confirm(subject: Subject, truth: _Truth, k: int, found: Finding, rounding: float) -> Finding:
    """Ask again before a claim is called wrong: at twice the digits, and whether a branch is a rounding away."""
    again = truth.along(k, [found.claimed], 2 * truth.digits)
    if not again.is_smooth or abs(again.value - found.expected) > found.tolerance:
        return judge(found.path, found.mode, found.claimed, again, rounding)
    if truth.root is None:
        return found
    near = 2.0 * _moves(subject.gradient, subject.xs)[k]
    if found.off <= near:
        decided = judge(found.path, found.mode, found.claimed, again, rounding + near)
        return replace(decided, note="a branch of the program is a rounding away")
    rows = sorted({v.op.name for v in topological_order(truth.root) if v.op is not None and _at_a_kink(v)})
    if rows:
        why = f'the program sits on a kink of {", ".join(rows)}; kinks="convention" accepts what their conventions give'
        return replace(found, note=why)
    return found


def _at_a_kink(v: Value) -> bool:
    """Whether the operands of a node lie where a convention stands in for its derivative."""
    if v.op is None or v.op.kinks is None:
        return False
    return bool(v.op.kinks(*[x.data if isinstance(x, Value) else x for x in v.operands]))


def _claimed_rounding(subject: Subject, gradient: Any) -> list[float]:
    """Return how far rounding may carry a gradient of which only the function is known: its moves and its noise."""
    if not callable(gradient):
        return [0.0] * len(subject.xs)
    claimed = partial(subject.claimed, gradient)
    rng = random.Random(2)
    v = [rng.choice((-1.0, 1.0)) * (abs(x) or 1.0) for x in subject.xs]

    def along(t: float) -> list[float]:
        return claimed([x + t * e for x, e in zip(subject.xs, v, strict=True)])

    grains = [noise_levels(along, 0.0, 2.0**-e, len(v)) for e in (44, 30)]
    return [max(levels) for levels in zip(_moves(claimed, subject.xs), *grains, strict=True)]


def _moves(derivative: Callable[[list[float]], list[float]], xs: list[float]) -> list[float]:
    """Return how far a derivative moves when every argument moves by its last place, the program run afresh."""
    rng = random.Random(1)
    here = derivative(xs)
    moved = [derivative([x * (1.0 + rng.choice((-2, 2)) * _ULP) for x in xs]) for _ in range(_LANES)]
    return [max(abs(m[k] - g) for m in moved) if math.isfinite(g) else 0.0 for k, g in enumerate(here)]


def _by_convention(
    subject: Subject, truth: _Truth, claims: dict[str, list[float]], findings: list[Finding]
) -> list[Finding]:
    """Hold claims at a kink against what the conventions of the rows give."""
    if truth.root is None:
        raise TypeError(
            f'check_gradient: kinks="convention" needs {subject.name} written in autograd\'s operations, whose '
            "conventions are meant"
        )
    known = {(x.path, x.mode): x for x in findings}
    order = topological_order(truth.root)
    answer = [x for x in findings if x.path == "value"]
    for k, path in enumerate(subject.paths):
        tangents = forward_sweep(order, {id(truth.leaves[k]): 1.0}, lambda v: v.data)
        rule = float(tangents.get(id(truth.root), 0.0))
        for mode, claim in claims.items():
            found = known[path, mode]
            if found.verdict in ("wrong", "subgradient", "invalid", "undecidable"):
                decided = judge(path, mode, claim[k], Slope(rule, 0.0, rule, rule), _SPREAD * truth.spread[k])
                if decided.verdict == "ok":
                    sides = Slope(found.expected, found.error, *found.slopes, "kink")
                    found = judge(path, mode, claim[k], sides, math.inf)
                    found = replace(found, note="by the operations' conventions")
                else:
                    found = replace(decided, note="not what the operations' conventions give")
            answer.append(found)
    return answer


def _by_clarke(subject: Subject, truth: _Truth, claims: dict[str, list[float]]) -> list[Finding]:
    """Hold whole gradients at a kink against Clarke's subdifferential, direction by direction."""
    try:
        around = clarke_gradients(subject.exact, subject.xs, truth.digits)
    except (TypeError, OverflowError):
        return []
    findings: dict[str, Finding] = {}
    for v in clarke_directions(len(subject.xs)):
        if not around or sum(map(bool, v)) == 1:
            continue  # the axes have been looked at
        heights = [math.fsum(g * e for g, e in zip(gradient, v, strict=True)) for gradient in around]
        low, high = min(heights), max(heights)
        rounding = _SPREAD * math.fsum(s * abs(e) for s, e in zip(truth.spread, v, strict=True))
        rounding += 64.0 * _ULP * max(map(abs, heights))
        for mode, claim in claims.items():
            c = math.fsum(g * e for g, e in zip(claim, v, strict=True))
            if mode not in findings and math.isfinite(c) and not low - rounding <= c <= high + rounding:
                path = f"x along {[float(f'{e:.3g}') for e in v]}"
                note = "outside of Clarke's subdifferential"
                nearest = low if c < low else high
                findings[mode] = Finding(path, mode, c, nearest, 0.0, rounding, (low, high), "wrong", note)
    return list(findings.values())


def _second(subject: Subject, truth: _Truth, directions: int) -> list[Finding]:
    """Hold the Hessian, along columns or random directions, against differences of f or of the gradient."""
    xs, n, rng = subject.xs, len(subject.xs), random.Random(0)
    size = [min(abs(x), 1.0) or 1.0 for x in xs]
    if n <= directions:
        columns = [(subject.paths[k], [size[k] * (i == k) for i in range(n)]) for k in range(n)]
    else:
        drawn = [[s * rng.uniform(0.5, 1.0) * rng.choice((-1, 1)) for s in size] for _ in range(directions)]
        columns = [(f"direction {j}", v) for j, v in enumerate(drawn)]
    findings = []
    for name, v in columns:
        claims = {
            "second": subject.curvature(xs, v),
            "second, twice reverse": subject.curvature_twice(xs, v),
        }
        if truth.name == "exact":
            spread = _second_rounding(truth, v)
            rounding = [_SPREAD * s for s in spread]
            slopes = [truth.curvature(k, v, [c[k] for c in claims.values()]) for k in range(n)]
        else:
            rounding = [8.0 * j for j in _moves(partial(subject.curvature, v=v), xs)]

            def along(t: float, v: list[float] = v) -> list[float]:
                return subject.gradient([x + t * e for x, e in zip(xs, v, strict=True)])

            grain = max(math.ulp(x) / abs(e) for x, e in zip(xs, v, strict=True) if e)
            slopes = difference_slopes(along, 0.0, n, grain)
        for mode, claim in claims.items():
            findings += [
                judge(path, f"{mode}, along {name}", c, s, r)
                for path, c, s, r in zip(subject.paths, claim, slopes, rounding, strict=True)
            ]
    return findings


def _second_rounding(truth: _Truth, v: Sequence[float]) -> list[float]:
    """Return the conditioning of the Hessian times v: that of the gradient of the graph of the tangent along v."""
    if truth.root is None or truth.root.is_constant:
        return [0.0] * len(v)
    with recording():
        seeds = {id(x): e for x, e in zip(truth.leaves, v, strict=True)}
        tangent = forward_sweep(topological_order(truth.root), seeds, lambda node: node).get(id(truth.root), 0.0)
    if not isinstance(tangent, Value) or tangent.is_constant:
        return [0.0] * len(v)
    return conditioning(tangent, truth.leaves)[0]
