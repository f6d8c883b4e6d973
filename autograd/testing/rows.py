"""`check_op`: a row of the table, or an operation of one's own, held against its meaning in mpmath."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from autograd import ops
from autograd.calculus import gradients, jvp
from autograd.exact import Exact, meaning
from autograd.op import ABSENT, Op
from autograd.testing.check import conditioning
from autograd.testing.oracles import Slope, exact_curvature, exact_slope, step_scale
from autograd.testing.report import VERDICTS, Finding, Report, judge
from autograd.value import Value

#: Below this, numbers are so short that their last place says nothing about a formula.
_TINY = 64.0 * math.ldexp(1.0, -1022)

#: A documented convention: the arguments, the value, and the partials (None for one that is not checked).
Convention = tuple[Sequence[float], float, Sequence[float | None]]


@dataclass(frozen=True)
class OpReport(Report):
    """What `check_op` found.

    Attributes:
        worst: per quantity ("value", "partial 0", ...) the largest error in units of the last place, and where.
    """

    worst: tuple[tuple[str, float, tuple[float, ...]], ...] = ()

    @property
    def verdict(self) -> str:
        """The verdict on the operation: "wrong" if anything is, another than "ok" if a fifth of the numbers have it."""
        found = [x.verdict for x in self.findings]
        return next((v for v in VERDICTS if found.count(v) > (v != "wrong") * 0.2 * len(found)), "ok")

    def __str__(self) -> str:
        lines = [super().__str__()]
        lines += [f"  {what}: at most {ulps:.2g} ulp, at {at}" for what, ulps, at in self.worst]
        return "\n".join(lines)


def check_op(
    op: Op | str,
    exact: Callable[..., Any] | None = None,
    *,
    points: Iterable[Sequence[float]] | None = None,
    examples: int = 60,
    extremes: bool = False,
    conventions: Iterable[Convention] = (),
    ulps: float | None = None,
    order: int = 2,
    digits: int = 50,
    raise_: bool = True,
) -> OpReport:
    """Check an operation, value and partials, over its domain, against one line of mpmath.

    Checked are the value and every partial as floats, on nodes (both sweeps) and on arrays, the second derivatives, and
    what the operation does at its documented conventions. The derivatives of the specification are differences at
    `digits` digits, so that no rule can agree with itself.

    Args:
        op: the operation, such as `autograd.primitive` returns, or its name.
        exact: what the value means: ``lambda m, x: m.log(1 + m.exp(x))``, in the functions m of mpmath. Default: the
            column `exact` of the row, or its own formula at many digits.
        points: argument lists; default `samples(op, examples)`, from all over the domain.
        examples: how many points.
        extremes: whether arguments as small as 1e-300 and as large as 1e300 are among them.
        conventions: what holds at kinks and edges: ``((0.0,), 0.0, (0.5,))`` says that value and slope at 0 are 0, 0.5.
        ulps: the allowed error of value and partials in units of the last place; default what follows from their
            conditioning.
        order: 2 also checks the second derivatives, where arguments are 0 or between 1e-30 and 1e30 in size.
        digits: of the specification.
        raise_: False returns the report in any case.

    Returns:
        The report; its `worst` has the largest errors.

    Raises:
        GradientError: if something is wrong.
        ValueError: if there is no point to check at.

    >>> print(check_op("tanh", lambda m, x: m.tanh(x)).verdict)
    ok
    """
    op = ops.lookup(op) if isinstance(op, str) else op
    at = [tuple(map(float, xs)) for xs in (samples(op, examples, extremes) if points is None else points)]
    if not at:
        raise ValueError(f"check_op: no point to check {op.name} at; give points=[...] inside its domain {op.domain}")
    spec = partial(_specified, op, exact)
    findings: list[Finding] = []
    worst: dict[str, tuple[float, tuple[float, ...]]] = {}
    for xs in at:
        findings += _at_a_point(op, spec, xs, ulps, order, digits, worst)
    findings += _lanes(op, at)
    for place, value, partials in conventions:
        findings += _convention(op, tuple(place), value, partials)
    label = tuple((what, *found) for what, found in sorted(worst.items(), key=lambda item: item[0] != "value"))
    words = f"{'its specification' if exact else 'its meaning'} at {digits} digits, at {len(at)} points"
    report = OpReport(op.name, at[0], op.call(list(at[0])), words, tuple(findings), (), label)
    if raise_:
        report.check()
    return report


def _specified(op: Op, exact: Callable[..., Any] | None, xs: Sequence[Any]) -> Any:
    """Return the meaning of an operation at mpmath numbers, as one; nan outside its domain."""
    try:
        if exact is None:
            return Exact.lift(meaning(op, Exact, [Exact(x) for x in xs]))
        y = exact(Exact.functions, list(xs)) if op.arity < 0 else exact(Exact.functions, *xs)
        return Exact.made(Exact.lift(y) if isinstance(y, Exact | int | float) else y).x
    except (ArithmeticError, ValueError):
        return Exact.lift(math.nan)


def _at_a_point(
    op: Op,
    spec: Callable[[Sequence[Any]], Any],
    xs: tuple[float, ...],
    ulps: float | None,
    order: int,
    digits: int,
    worst: dict[str, tuple[float, tuple[float, ...]]],
) -> list[Finding]:
    from mpmath import mp, mpf

    y = op.call(list(xs))
    with mp.workdps(digits):
        true = spec([mpf(x) for x in xs])
        slope = Slope(float(true), 0.0)
    where = f"at {_shown(xs)}"

    def held(what: str, mode: str, claim: float, truth: Slope, here: float, moves: Sequence[float]) -> Finding:
        unit = math.ulp(max(abs(truth.value), _TINY)) if math.isfinite(truth.value) else math.inf
        error = abs(claim - truth.value) / unit if math.isfinite(claim) else 0.0
        found = judge(f"{what} {where}", mode, claim, truth, _rounding(here, moves) + 64.0 * 5e-324)
        if found.verdict == "ok" and error > worst.get(what, (-1.0,))[0]:
            worst[what] = error, xs
        if ulps is not None and found.verdict in ("ok", "undecidable") and error > ulps:
            found = replace(found, verdict="wrong", note=f"off by {error:.3g} ulp, allowed {ulps:g}")
        return found

    near = list(_neighbours(xs))
    findings = [held("value", "float", y, slope, y, [op.call(list(n)) for n in near])]
    if not math.isfinite(y):
        return findings
    places = [k for k in range(len(xs)) if not (op is ops.where and k == 0)]
    nodes = [Value(x) for x in xs]
    result = op(*_packed(op, nodes))
    ways = {"float": _floats(op.slopes(list(xs), y))}
    result.backward(2.0)
    ways["backward"] = [v.grad / 2.0 for v in nodes]
    first = gradients(result, nodes)
    ways["nodes"] = [g.data for g in first]
    # Arguments without a derivative, such as the order of polygamma and a condition.
    without = {k for k, p in enumerate(ways["float"]) if math.isnan(p)}
    near_slopes = [_floats(op.slopes(list(n), op.call(list(n)))) for n in near]
    for k in places:
        claims = {way: slopes[k] for way, slopes in ways.items()}
        if k in without:
            continue
        phi = partial(_line, spec, xs, k)
        truth = exact_slope(phi, step_scale(xs, k), digits, max(map(abs, (1.0, y, *xs))), list(claims.values()))
        moves = [slopes[k] for slopes in near_slopes]
        here = ways["float"][k]
        findings += [held(f"partial {k}", way, claim, truth, here, moves) for way, claim in claims.items()]
        if order < 2 or not truth.is_smooth or len(xs) > 4 or not all(x == 0 or 1e-30 < abs(x) < 1e30 for x in xs):
            continue
        spread, _ = conditioning(first[k], nodes)
        for j, second in enumerate(gradients(first[k], nodes)):
            if j in places and j not in without:
                truth = _second(spec, xs, k, j, digits, second.data)
                findings.append(judge(f"second {k},{j} {where}", "nodes", second.data, truth, 64.0 * spread[j]))
    return findings


def _second(
    spec: Callable[[Sequence[Any]], Any], xs: tuple[float, ...], k: int, j: int, digits: int, claim: float
) -> Slope:
    """Return the derivative by the k-th and the j-th argument of what an operation means."""
    from mpmath import mpf

    scale = step_scale(xs, k), step_scale(xs, j)

    def psi(t: Any, s: Any) -> Any:
        at = [mpf(x) for x in xs]
        at[k] += t * mpf(scale[0])
        at[j] += s * mpf(scale[1])
        return spec(at)

    part = 1.0 / scale[0] / scale[1]
    return exact_curvature(psi, 1.0, digits, max(map(abs, (1.0, *xs))), [claim / part]).times(part)


def _shown(xs: tuple[float, ...]) -> str:
    return repr(xs if len(xs) > 1 else xs[0])


def _line(spec: Callable[[Sequence[Any]], Any], xs: Sequence[float], k: int, t: Any) -> Any:
    from mpmath import mpf

    at = [mpf(x) for x in xs]
    at[k] += t
    return spec(at)


def _floats(slopes: Sequence[Any]) -> list[float]:
    return [0.0 if p is None or p == ABSENT else float(p) for p in slopes]


def _packed(op: Op, nodes: list[Value]) -> list[Any]:
    """Return the arguments of a call that packs to these nodes."""
    if op.arity > 0:
        return nodes
    return [nodes[: len(nodes) // 2], nodes[len(nodes) // 2 :]] if op is ops.dot else [nodes]


def _neighbours(xs: Sequence[float]) -> Iterator[list[float]]:
    """Yield the point with one argument moved by its last place."""
    for k, x in enumerate(xs):
        for toward in (-math.inf, math.inf):
            if x:
                yield [*xs[:k], math.nextafter(x, toward), *xs[k + 1 :]]


def _rounding(here: float, moves: Iterable[float]) -> float:
    """Return what a claim may be off: by how far the float result here moves with its arguments' last places."""
    return 64.0 * max((abs(m - here) for m in moves if math.isfinite(m)), default=0.0)


def _lanes(op: Op, at: Sequence[tuple[float, ...]]) -> list[Finding]:
    """Hold arrays against floats, all points as lanes; and their slopes, where formulas of arrays can be swept."""
    import numpy as np

    from autograd.batch import differentiate

    if op.arity < 0 or op is ops.where:
        return []
    columns = [np.array(column) for column in zip(*at, strict=True)]
    values, slopes = differentiate(op, *columns)
    findings = []
    for i, xs in enumerate(at):
        y = op.call(list(xs))
        pairs = [("value", float(np.broadcast_to(values, columns[0].shape)[i]), y)]
        for k, p in enumerate(_floats(op.slopes(list(xs), y))):
            pairs.append((f"partial {k}", float(slopes[k][i]), p))
        for what, lane, single in pairs:
            if not (lane == single or (math.isnan(lane) and math.isnan(single))):
                moves = [op.call(n) if what == "value" else _floats(op.slopes(n, op.call(n)))[int(what[8:])]
                         for n in _neighbours(xs)]  # fmt: skip
                rounding = _rounding(single, moves) + 1e-320
                findings.append(judge(f"{what} at {_shown(xs)}", "array", lane, Slope(single, 0.0), rounding))
    return [x for x in findings if x.verdict == "wrong"]


def _convention(
    op: Op, xs: tuple[float, ...], value: float, partials: Sequence[float | None]
) -> Iterator[Finding]:
    """Hold what every way of computing gives at a point against a documented convention."""
    import numpy as np

    from autograd.batch import differentiate

    places = [k for k in range(len(xs)) if not (op is ops.where and k == 0)]
    y = op.call(list(xs))
    ways: dict[str, tuple[float, list[float]]] = {"float": (y, _floats(op.slopes(list(xs), y)))}
    nodes = [Value(x) for x in xs]
    result = op(*_packed(op, nodes))
    result.backward()
    ways["backward"] = (result.data, [v.grad for v in nodes])
    ways["nodes"] = (result.data, [g.data for g in gradients(result, nodes)])
    if op.arity > 0:
        forward = [jvp(lambda x, k=k: op(*xs[:k], x, *xs[k + 1 :]), xs[k], 1.0)[1] if k in places else 0.0
                   for k in range(len(xs))]  # fmt: skip
        ways["forward"] = (y, forward)
        columns = [np.array([1.25, x, 0.75]) for x in xs]
        if op is ops.where:
            lanes, beside = differentiate(lambda a, b: op(columns[0] > 0, a, b), *columns[1:])
            beside = [np.zeros(3), *beside]
        else:
            lanes, beside = differentiate(op, *columns)
        ways["array"] = (float(np.broadcast_to(lanes, 3)[1]), [float(s[1]) for s in beside])
    for way, (got, slopes) in ways.items():
        wanted = [("value", got, value)]
        wanted += [(f"partial {k}", slopes[k], p) for k, p in enumerate(partials) if p is not None and k in places]
        for what, claim, true in wanted:
            path = f"{what} at {_shown(xs)}"
            same = claim == true or (math.isnan(claim) and math.isnan(true)) or (
                math.isfinite(true) and abs(claim - true) <= 4.0 * math.ulp(true)
            )
            verdict = "ok" if same else "wrong"
            yield Finding(path, way, claim, true, 0.0, 4.0 * math.ulp(abs(true)) if math.isfinite(true) else 0.0,
                          (math.nan, math.nan), verdict, "" if same else "not the documented convention")  # fmt: skip


# Where rows are looked at. --------------------------------------------------------------------------------------------

_ROUND = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 4.0, 1024.0, 2.0**-20, -(2.0**-30), 0.1, -0.1, 3.0, 10.0, -7.5)


def samples(op: Op, n: int = 60, extremes: bool = False, *, seed: int = 0) -> list[list[float]]:
    """Return argument lists from all over the domain of a row, off its kinks; the same at every call.

    Args:
        op: the row.
        n: about how many.
        extremes: whether a quarter of them reach from 1e-300 to 1e300 in size, rather than from 1e-3 to 1e3.
        seed: for others.

    Numbers are round ones, uniform ones, and log-uniform ones about 0 and the ends of the domain, where the result is
    finite; arguments also tie, nearly tie, and are opposite.
    """
    rng = random.Random(f"{op.name} {seed}")
    if op.arity < 0:
        sizes = [1, 2, 3, 7] * (n // 4 + 1)
        sizes = [k * (1 + (op is ops.dot)) for k in sizes[:n]]
        lists = [[_number(rng, -math.inf, math.inf, 6.0) for _ in range(k)] for k in sizes]
        return [xs for xs in lists if math.isfinite(op.call(xs))]
    found: list[list[float]] = []
    for i in range(60 * n):
        if len(found) >= n:
            break
        wide = 300.0 if extremes and i % 4 == 0 else 3.0
        xs = [_number(rng, *interval, wide) for interval in op.domain]
        if op.arity > 1 and i % 5 == 0:
            xs = [xs[0] * rng.choice((1.0, 1.0 + 2.0**-40, -1.0)) for _ in xs]
        if op is ops.polygamma:
            xs[0] = float(rng.randrange(12))
        if _inside(op, xs) and math.isfinite(op.call(xs)):
            found.append(xs)
    return found


def _inside(op: Op, xs: Sequence[float]) -> bool:
    if op is ops.where:
        return True
    if op in (ops.mod, ops.fmod, ops.floordiv) and xs[1] and abs(xs[0] / xs[1]) > 1e15:
        return False  # the jumps lie closer than doubles
    if op is ops.clip and not xs[1] < xs[2]:
        return False  # no interval
    inside = all(low < x < high for x, (low, high) in zip(xs, op.domain, strict=True))
    whole = op is ops.polygamma and 0.0 <= xs[0] and op.domain[1][0] < xs[1]
    return (inside or whole) and not (op.kinks is not None and bool(op.kinks(*xs)))


def _number(rng: random.Random, low: float, high: float, decades: float) -> float:
    """Return a number of an open interval."""
    kind = rng.randrange(4)
    if kind == 0:
        x = rng.choice(_ROUND)
    elif kind == 1:
        x = rng.uniform(max(low, -10.0), min(high, 10.0))
    elif kind == 2 and (math.isfinite(low) or math.isfinite(high)):
        edge, inward = (low, 1.0) if math.isfinite(low) and (rng.random() < 0.5 or high == math.inf) else (high, -1.0)
        x = edge + inward * 10.0 ** rng.uniform(-min(decades, 15.0) if edge else -decades, 0.0)
    else:
        x = rng.choice((-1.0, 1.0)) * 10.0 ** rng.uniform(-decades, decades)
    return x if low < x < high else rng.uniform(max(low, -10.0), min(high, 10.0))
