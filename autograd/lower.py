"""From recordings to programs: every operation as steps that have native code.

A row has code of its own name (an instruction, a vector form, a function of the C library), or is a formula of other
rows, or is code in Python, which is called sample by sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from autograd import ops
from autograd.codegen import BINARY, COMPARISONS, INTRINSICS, LOGIC, VECTORS, Program, Step
from autograd.op import Op
from autograd.record import CONDITIONS, Symbol, order

_OWN = {*BINARY, *COMPARISONS, *LOGIC, "neg", "not", "where", *INTRINSICS}
_BUILT_IN = frozenset({*ops.TABLE.values(), *CONDITIONS.values()})


def _has_code(op: Op, native: frozenset[str]) -> bool:
    """Whether codegen knows an operation by its name: one of ours, for a user's may have the name of an instruction."""
    return op in _BUILT_IN and (op.name in _OWN or op.name in native)



def lowered(
    results: Sequence[Any], native: frozenset[str] = VECTORS, known: dict[Symbol, Any] | None = None
) -> list[Any]:
    """Write results in operations that have native code: a row without is its own formula of its operands.

    Args:
        results: symbols and floats.
        native: names of rows that have code of that name.
        known: what symbols have been lowered to; is added to.
    """
    known = {} if known is None else known
    for v in order(results, known):
        if v.op is None:
            known[v] = v
            continue
        xs = [known[x] if type(x) is Symbol else x for x in v.operands]
        known[v] = _lower(v, v.op, xs, native, known)
    return [known[x] if isinstance(x, Symbol) else x for x in results]


def _lower(v: Symbol, op: Op, xs: list[Any], native: frozenset[str], known: dict[Symbol, Any]) -> Any:
    """Return what a symbol is lowered to, its operands having become xs."""
    if not any(type(x) is Symbol for x in xs):
        return op.call(xs)
    if op is ops.mul:
        product = _product_of_twins(v.operands[0], v.operands[1], known)
        if product is not None:
            return lowered([product], native, known)[0]
    formula: Any = None
    if not _has_code(op, native):
        formula = FORMULAS.get(op.name) if op in _BUILT_IN else None
        formula = formula or (op.value if _is_formula(op) else None)
    if formula is not None:
        for x in xs:
            if type(x) is Symbol:
                known.setdefault(x, x)
        try:
            result = formula(xs) if op.arity < 0 else formula(*xs)
        except (TypeError, AttributeError):
            pass  # code on floats after all: it is called, sample by sample
        else:
            return lowered([result], native, known)[0]
    if all(a is b for a, b in zip(xs, v.operands, strict=True)):
        return v
    return v.recording.make(op, xs)


def _product_of_twins(a: Any, b: Any, known: dict[Symbol, Any]) -> Any:
    """Return sigmoid(u) sigmoid(-u), times a constant if there is one, without the choice by the sign of u.

    Derivatives of sigmoid and tanh are such products; they are even in u.
    """
    scale = 1.0
    if type(a) is Symbol and a.op is ops.mul and any(type(x) is float for x in a.operands):
        scale, a = a.operands if type(a.operands[0]) is float else a.operands[::-1]
    if not (type(a) is Symbol and type(b) is Symbol and a.op is ops.sigmoid and b.op is ops.sigmoid):
        return None
    u, other = a.operands[0], b.operands[0]
    if type(u) is not Symbol or type(other) is not Symbol:
        return None
    if not ((other.op is ops.neg and other.operands[0] is u) or (u.op is ops.neg and u.operands[0] is other)):
        return None
    low = known[u]
    if type(low) is Symbol:
        known.setdefault(low, low)
    e, upper = _halves_of_sigmoid(low)
    return scale * (e * upper * upper)


def _is_formula(op: Op) -> bool:
    """Whether a row's value is written in these operations, as far as its form tells."""
    return not hasattr(op.value, "c") and op.value.__name__ == "<lambda>"


def _halved(xs: list[Any], plus: Callable[[Any, Any], Any]) -> Any:
    """Join numbers two by two: short chains, small errors."""
    while len(xs) > 1:
        xs = [plus(*xs[i : i + 2]) if i + 1 < len(xs) else xs[i] for i in range(0, len(xs), 2)]
    return xs[0] if xs else 0.0


def halved_sum(xs: list[Any]) -> Any:
    """Add numbers up two by two."""
    return _halved(xs, lambda a, b: a + b)


def _norm(xs: list[Any]) -> Any:
    sizes = [abs(x) for x in xs]
    top = _halved(sizes, ops.maximum)
    safe = ops.where(top == 0.0, 1.0, top)
    length = top * ops.sqrt(halved_sum([(x / safe) * (x / safe) for x in xs]))
    # As C's hypot: infinite wherever a component is, and be another one nan.
    return ops.where(_halved([x == math.inf for x in sizes], lambda a, b: a | b), math.inf, length)


def _logsumexp(xs: list[Any]) -> Any:
    top = _halved(xs, ops.maximum)
    shift = ops.where(abs(top) < math.inf, top, 0.0)
    return shift + ops.log(halved_sum([ops.exp(x - shift) for x in xs]))


def _mod(a: Any, b: Any) -> Any:
    rest = ops.fmod(a, b)
    zero = ops.where(b < 0.0, -0.0, 0.0)
    return ops.where(_apart(rest, b), rest + b, ops.where(rest == 0.0, zero, rest))


def _floordiv(a: Any, b: Any) -> Any:
    rest = ops.fmod(a, b)
    quotient = (a - rest) / b
    quotient = ops.where(_apart(rest, b), quotient - 1.0, quotient)
    whole = ops.floor(quotient)
    whole = ops.where(quotient - whole > 0.5, whole + 1.0, whole)
    return ops.where(quotient == 0.0, 0.0 * (a / b), whole)


def _apart(rest: Any, b: Any) -> Any:
    """Whether the remainder as C has it is on the other side of 0 than Python's."""
    return (rest != 0.0) & ((rest < 0.0) ^ (b < 0.0))


def _bell(x: Any, scale: float) -> Any:
    """exp(-scale x^2) with the square split, as in `special`."""
    size = ops.minimum(abs(x), 60.0)
    high = ops.floor(size * 2.0**20) * 2.0**-20
    return ops.exp(-scale * (high * high)) * ops.exp(-scale * ((size - high) * (size + high)))


def _sigmoid(x: Any) -> Any:
    """1/(1 + exp(-x)) in terms of |x|, so that sigmoid(-x), which its derivative needs, shares all that is dear."""
    e, upper = _halves_of_sigmoid(x)
    return ops.where(x >= 0.0, upper, e * upper)


def _halves_of_sigmoid(x: Any) -> tuple[Any, Any]:
    e = ops.exp(-abs(x))
    return e, 1.0 / (1.0 + e)


def _softplus(x: Any) -> Any:
    return ops.where(x <= 0.0, 0.0, x) + ops.log1p(ops.exp(-abs(x)))


#: Rows as formulas of others: such whose values are code on floats, and such that share work with their derivatives.
FORMULAS: dict[str, Callable[..., Any]] = {
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "mod": _mod,
    "gaussian": lambda x: _bell(x, 1.0),
    "normal_pdf": lambda x: _bell(x, 0.5) / math.sqrt(2.0 * math.pi),
    "floordiv": _floordiv,
    "sum": halved_sum,
    "mean": lambda xs: halved_sum(xs) / float(len(xs)),
    "dot": lambda xs: halved_sum([a * b for a, b in zip(*ops._halves(xs), strict=True)]),
    "prod": lambda xs: _halved(xs, lambda a, b: a * b),
    "norm": _norm,
    "logsumexp": _logsumexp,
}


def program_of(
    inputs: Sequence[Symbol],
    results: Sequence[Any],
    native: frozenset[str] = VECTORS,
    **shape: Any,
) -> Program:
    """Return the straight-line program of results, with nothing in it that they do not need.

    Args:
        inputs: the symbols that are inputs, whatever they were made from.
        results: symbols and floats.
        native: names of rows that have code of that name.
        shape: what else `Program` takes.
    """
    results = lowered(results, native, {x: x for x in inputs})
    place: dict[Any, int] = {x: i for i, x in enumerate(inputs)}
    steps: list[Step] = []
    for v in order(results, place):
        place[v] = len(inputs) + len(steps)
        operands = tuple([place[x] if type(x) is Symbol else x for x in v.operands])
        steps.append(_step(v.op, operands, native))
    outputs = tuple([place[x] if isinstance(x, Symbol) else float(x) for x in results])
    return Program(len(inputs), tuple(steps), outputs, **shape)


def _step(op: Any, operands: tuple[int | float, ...], native: frozenset[str]) -> Step:
    name = op.name if _has_code(op, native) else getattr(op.value, "c", None)
    return Step(name, operands) if name else Step(op.name, operands, _on_floats(op))


@cache
def _on_floats(op: Op) -> Callable[..., float]:
    return lambda *xs: op.call(xs)
