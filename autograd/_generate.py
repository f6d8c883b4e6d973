"""Write `_native.pyx`: the rows of `ops.py` as C functions, made by calling each row's own lines with symbols.

Used when the package is built with a C compiler. A line that calls a row without a C form stays in Python; nothing here
knows a derivative.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from autograd import ops
from autograd.op import Op, register


class NoNativeForm(Exception):
    """A formula that cannot be written in C."""


class Symbol:
    """A C expression that grows as a formula is applied to it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __bool__(self) -> bool:
        raise NoNativeForm("a formula that branches on its argument")

    __add__ = lambda a, b: infix(a, "+", b)
    __radd__ = lambda a, b: infix(b, "+", a)
    __sub__ = lambda a, b: infix(a, "-", b)
    __rsub__ = lambda a, b: infix(b, "-", a)
    __mul__ = lambda a, b: infix(a, "*", b)
    __rmul__ = lambda a, b: infix(b, "*", a)
    __truediv__ = lambda a, b: infix(a, "/", b)
    __rtruediv__ = lambda a, b: infix(b, "/", a)
    __pow__ = lambda a, b: call(ops.pow, (a, b))
    __rpow__ = lambda a, b: call(ops.pow, (b, a))
    __neg__ = lambda a: Symbol(f"(-{a.text})")
    __lt__ = lambda a, b: infix(a, "<", b)
    __le__ = lambda a, b: infix(a, "<=", b)
    __gt__ = lambda a, b: infix(a, ">", b)
    __ge__ = lambda a, b: infix(a, ">=", b)
    __and__ = lambda a, b: infix(a, "and", b)
    __or__ = lambda a, b: infix(a, "or", b)
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> Symbol:  # type: ignore[override]
        return infix(self, "==", other)


def text(x: Any) -> str:
    """Return a symbol or a number as C."""
    if isinstance(x, Symbol):
        return x.text
    if math.isnan(x):
        return "NAN"
    return repr(float(x)) if math.isfinite(x) else "INFINITY" if x > 0 else "(-INFINITY)"


def infix(a: Any, sign: str, b: Any) -> Symbol:
    """Return the expression (a sign b)."""
    return Symbol(f"({text(a)} {sign} {text(b)})")


def call(op: Op, args: tuple[Any, ...]) -> Symbol:
    """Return the expression of a row's value."""
    if op is ops.where:
        c, a, b = map(text, args)
        return Symbol(f"({a} if {c} else {b})")
    value_text(op)
    return Symbol(f"v_{op.name}({', '.join(map(text, args))})")


register(Symbol, call)

_ARGUMENTS = {1: ["x"], 2: ["a", "b"], 3: ["a", "b", "c"]}
_values: dict[str, str] = {}


def call_of(op: Op, *args: Symbol) -> Symbol:
    """Return the expression of a row's value, as a formula of its arguments."""
    return call(op, args)


def value_text(op: Op) -> str:
    """Return the C form of a row's value; raise NoNativeForm if it has none."""
    if op.name not in _values:
        names = _ARGUMENTS.get(op.arity)
        if names is None:
            raise NoNativeForm(op.name)
        function = getattr(op.value, "c", None)
        _values[op.name] = (
            f"c_{function}({', '.join(names)})" if function else expression(op.value, [*map(Symbol, names)])
        )
    return _values[op.name]


def expression(formula: Callable[..., Any], args: list[Symbol]) -> str:
    """Return a formula as C."""
    try:
        return text(formula(*args))
    except (TypeError, AttributeError) as error:
        raise NoNativeForm(str(error)) from None


def native_source() -> str:
    """Return the text of `_native.pyx`."""
    classes: list[str] = []
    for op in ops.TABLE.values():
        if op.arity not in (1, 2):
            continue
        names = _ARGUMENTS[op.arity]
        formulas = [(f"call{op.arity}", names, partial(call_of, op))]
        for suffix, line in zip(["1"] if op.arity == 1 else ["2a", "2b"], op.partials, strict=True):
            formulas.append((f"slope{suffix}", [*names, "y"], line))
        bodies = ""
        for method, parameters, formula in formulas:
            try:
                body = expression(formula, [*map(Symbol, parameters)])
            except NoNativeForm:
                continue
            signature = f"cdef double {method}(self, {_doubles(parameters)}) except? -1e-301"
            bodies += f"    {signature}:\n        return {body}\n"
        if bodies:
            classes.append(f"cdef class Op_{op.name}(Op):\n{bodies}\nROWS[{op.name!r}] = Op_{op.name}\n")
    libm = sorted({op.value.c for op in ops.TABLE.values() if hasattr(op.value, "c")})
    externs = "".join(
        f'    double c_{name} "{name}"({", ".join(["double"] * _c_arity(name))}) noexcept\n' for name in libm
    )
    functions = []
    for name, body in _values.items():
        signature = _doubles(_ARGUMENTS[ops.TABLE[name].arity])
        functions.append(f"cdef inline double v_{name}({signature}) noexcept:\n    return {body}\n")
    digest = hashlib.sha256(Path(ops.__file__).read_bytes()).hexdigest()
    return "\n".join(
        [
            "# Made by autograd/_generate.py from the rows of autograd/ops.py; not to be edited.",
            "# cython: language_level=3, cdivision=True",
            "from autograd.op cimport Op",
            'cdef extern from "math.h" nogil:\n    double INFINITY, NAN\n' + externs,
            f'DIGEST = "{digest}"',
            "ROWS = {}\n",
            *functions,
            *classes,
        ]
    )


def _doubles(names: list[str]) -> str:
    return ", ".join(f"double {n}" for n in names)


def _c_arity(function: str) -> int:
    return next(op.arity for op in ops.TABLE.values() if getattr(op.value, "c", None) == function)


if __name__ == "__main__":
    print(native_source())
