"""`jit`: record a Python function once, write its derivative out, and run both as vector code over a batch.

Recording runs the function on `Symbol`s, numbers that remember what was done to them. The derivative is the same
reverse sweep as anywhere, over the rows of `ops.py`, with symbols for numbers; equal expressions become one node as
they are made. `codegen` turns what the outputs need into native code.

A comparison gives a condition. Handed to `where`, it selects sample by sample. Used as a truth value, by ``if``,
``while``, ``max``, it becomes a *guard*: the recording holds for samples that would have decided likewise, and each
sample is checked. Those that would not run on another recording, a *variant*, made at the first of them and kept. A
loop whose length depends on the data is right thereby.

What cannot be recorded is refused (a float made of a symbol) or is the caller's business: a global that the function
reads is read while recording.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cache, update_wrapper
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import ops
from autograd.codegen import (
    BINARY,
    COMPARISONS,
    INTRINSICS,
    LOGIC,
    VECTORS,
    Kernel,
    PointCall,
    Program,
    Step,
    c_source,
    compile_program,
)
from autograd.op import ABSENT, Op, number, register
from autograd.value import _NUMPY_NAMES, Value, reverse_sweep

Floats = NDArray[np.float64]

#: How many recordings of one function are kept before it is refused: each costs a compilation.
MOST_VARIANTS = 256


def _absent(*_: Any) -> float:
    return ABSENT


def _truth(name: str, form: str, value: Callable[..., bool], arity: int = 2) -> Op:
    return Op(name, lambda *xs: float(value(*xs)), (_absent,) * arity, arity=arity, form=form)


# Conditions are nodes too, of operations that have no derivative.
LT, LE = _truth("lt", "{0} < {1}", lambda a, b: a < b), _truth("le", "{0} <= {1}", lambda a, b: a <= b)
GT, GE = _truth("gt", "{0} > {1}", lambda a, b: a > b), _truth("ge", "{0} >= {1}", lambda a, b: a >= b)
EQ, NE = _truth("eq", "{0} == {1}", lambda a, b: a == b), _truth("ne", "{0} != {1}", lambda a, b: a != b)
AND = _truth("and", "{0} and {1}", lambda a, b: bool(a and b))
OR = _truth("or", "{0} or {1}", lambda a, b: bool(a or b))
NOT = _truth("not", "not {0}", lambda a: not a, arity=1)
CONDITIONS = frozenset({LT, LE, GT, GE, EQ, NE, AND, OR, NOT})


class Recording:
    """What one run of a function recorded: its symbols, each expression once, and the guards.

    Attributes:
        guards: conditions that were used as truth values, with what they were.
    """

    def __init__(self) -> None:
        self.known: dict[Any, Symbol] = {}
        self.guards: dict[Symbol, bool] = {}

    def input(self, x: float) -> Symbol:
        """Return a new input whose number, while recording, is x."""
        return Symbol(self, None, (), x)

    def make(self, op: Op, operands: Sequence[Any]) -> Any:
        """Return the node of an operation, a simpler equal one, or a float if all is known."""
        here = [x.here if isinstance(x, Symbol) else x for x in operands]
        simple = _simpler(op, operands)
        if simple is not None:
            return simple
        if not any(isinstance(x, Symbol) for x in operands):
            return op.call(here)
        key = (op, *[x if isinstance(x, Symbol) else x.hex() for x in operands])
        node = self.known.get(key)
        if node is None:
            node = self.known[key] = Symbol(self, op, tuple(operands), op.call(here))
        return node


def _simpler(op: Op, operands: Sequence[Any]) -> Any:
    """Return an operand that an operation leaves as it is, by the rules of IEEE arithmetic, or None."""
    if op is ops.mul or op is ops.div:
        a, b = operands
        if type(b) is float and b == 1.0:
            return a
        if op is ops.mul and type(a) is float and a == 1.0:
            return b
    elif op is ops.where:
        c, a, b = operands
        if type(c) is float:
            return a if c else b
        if a is b:
            return a
    elif op is ops.pow:
        a, b = operands
        if type(b) is float and isinstance(a, Symbol) and b in (1.0, 2.0, 3.0, -1.0):
            return a if b == 1.0 else 1.0 / a if b == -1.0 else a * a if b == 2.0 else a * a * a
    elif op is ops.identity:
        return operands[0]
    elif op is AND or op is OR:
        for x, other in (operands, operands[::-1]):
            if type(x) is float:
                return other if bool(x) == (op is AND) else x
    return None


class Symbol(ops.Operators):
    """A number of a function that is being recorded.

    Attributes:
        op: the operation that made it; None at an input.
        operands: symbols and floats.
        here: its number at the point where the recording is made. It decides branches, and is not for the function.
    """

    __slots__ = ("here", "op", "operands", "recording")
    takes_nodes = True

    def __init__(self, recording: Recording, op: Op | None, operands: tuple[Any, ...], here: float) -> None:
        self.recording, self.op, self.operands, self.here = recording, op, operands, here

    def __floordiv__(self, other: Any) -> Any:
        return _apply(ops.floordiv, (self, other))

    def __rfloordiv__(self, other: Any) -> Any:
        return _apply(ops.floordiv, (other, self))

    def __pos__(self) -> Any:
        return self

    def __floor__(self) -> Any:
        return _apply(ops.floor, (self,))

    def __ceil__(self) -> Any:
        return _apply(ops.ceil, (self,))

    def __lt__(self, other: Any) -> Any:
        return _apply(LT, (self, other))

    def __le__(self, other: Any) -> Any:
        return _apply(LE, (self, other))

    def __gt__(self, other: Any) -> Any:
        return _apply(GT, (self, other))

    def __ge__(self, other: Any) -> Any:
        return _apply(GE, (self, other))

    def __eq__(self, other: object) -> Any:
        return _apply(EQ, (self, other))

    def __ne__(self, other: object) -> Any:
        return _apply(NE, (self, other))

    def __and__(self, other: Any) -> Any:
        return _apply(AND, (self, other))

    def __rand__(self, other: Any) -> Any:
        return _apply(AND, (other, self))

    def __or__(self, other: Any) -> Any:
        return _apply(OR, (self, other))

    def __ror__(self, other: Any) -> Any:
        return _apply(OR, (other, self))

    def __xor__(self, other: Any) -> Any:
        return _apply(NE, (self, other))

    def __rxor__(self, other: Any) -> Any:
        return _apply(NE, (other, self))

    def __invert__(self) -> Any:
        return _apply(NOT, (self,))

    def __hash__(self) -> int:
        return id(self) >> 4

    def __bool__(self) -> bool:
        taken = bool(self.here)
        self.recording.guards[self if self.op in CONDITIONS else self != 0.0] = taken
        return taken

    def __float__(self) -> float:
        raise TypeError(
            "a float made of a number that jit records would stay what it is now: use autograd's function of the same "
            "name (autograd.exp instead of math.exp), and autograd.where or an if for choices"
        )

    def __index__(self) -> int:
        raise TypeError("a number that jit records cannot be an index or a whole number; it differs between samples")

    def __getattr__(self, name: str) -> Any:
        row = ops.TABLE.get(_NUMPY_NAMES.get(name, name))
        if row is None or row.arity < 0:
            raise AttributeError(f"a number that jit records has no attribute {name!r}")
        return lambda *others: row(self, *others)

    def __repr__(self) -> str:
        return f"<symbol {'input' if self.op is None else self.op.name}, here {self.here!r}>"


def _apply(op: Op, args: Sequence[Any]) -> Any:
    """Record an operation; the handler of all rows for symbols."""
    recording = next(x.recording for x in args if isinstance(x, Symbol))
    return recording.make(op, [_operand(x, op) for x in args])


def _operand(x: Any, op: Op) -> Any:
    if isinstance(x, Symbol):
        return x
    if isinstance(x, Value):
        raise TypeError(
            f"jit: the function reads {x!r} from outside, and would go on with that number when it has changed; make "
            "it an argument, or use its .data if it is a constant"
        )
    return number(x, op.name)


register(Symbol, _apply)


# Derivatives of recordings. ------------------------------------------------------------------------------------------


class _Adjoint(NamedTuple):
    """An adjoint that may be absent: its number (0 where it is), and the condition of that, if there is one."""

    value: Any
    absent: Any = None


def _split(p: Any) -> _Adjoint:
    """Return a partial as its number and the condition under which it is `ABSENT`."""
    if type(p) is float and p == ABSENT:
        return _Adjoint(0.0, 1.0)
    if not isinstance(p, Symbol) or p.op is not ops.where:
        return _Adjoint(p)
    c, a, b = p.operands
    (a, without_a), (b, without_b) = _split(a), _split(b)
    if without_a is None and without_b is None:
        return _Adjoint(p)
    absent = _either(_both(c, without_a), _both(_negated(c), without_b))
    return _Adjoint(ops.where(c, a, b), absent)


def _negated(c: Any) -> Any:
    return ~c if isinstance(c, Symbol) else float(not c)


def _both(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return None
    return a & b if isinstance(a, Symbol) or isinstance(b, Symbol) else float(bool(a and b))


def _either(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return a | b if isinstance(a, Symbol) or isinstance(b, Symbol) else float(bool(a or b))


def _times(g: _Adjoint, p: Any) -> _Adjoint:
    q = _split(p)
    absent = _either(g.absent, q.absent)
    product = g.value * q.value
    # What is absent is not multiplied: 0 * inf would be nan.
    return _Adjoint(product if absent is None else ops.where(absent, 0.0, product), absent)


def _plus(a: _Adjoint | None, b: _Adjoint) -> _Adjoint:
    return b if a is None else _Adjoint(a.value + b.value, _both(a.absent, b.absent))


def _order(results: Iterable[Any]) -> list[Symbol]:
    """List the symbols under results, operands first."""
    met: set[Symbol] = set()
    order: list[Symbol] = []
    stack = [(x, False) for x in results if isinstance(x, Symbol)]
    while stack:
        x, done = stack.pop()
        if done:
            order.append(x)
        elif x not in met:
            met.add(x)
            stack.append((x, True))
            stack += [(y, False) for y in x.operands if isinstance(y, Symbol) and y not in met]
    return order


def _gradient(y: Any, inputs: Sequence[Symbol]) -> list[Any]:
    """Return dy/dx for the inputs, as symbols or floats."""
    if not isinstance(y, Symbol):
        return [0.0] * len(inputs)
    order = _order([y])
    wanted = {id(x) for x in inputs}
    for v in order:
        if any(id(x) in wanted for x in v.operands):
            wanted.add(id(v))
    if id(y) not in wanted:
        return [0.0] * len(inputs)
    found = reverse_sweep(order, _Adjoint(1.0), lambda v: v, wanted, _times, _plus)
    return [found[id(x)].value if id(x) in found else 0.0 for x in inputs]


# To programs. --------------------------------------------------------------------------------------------------------

#: Rows whose operation codegen knows by the row's own name.
_NATIVE = {*BINARY, *COMPARISONS, *LOGIC, "neg", "not", "where", *INTRINSICS}


def lowered(results: Sequence[Any], native: frozenset[str]) -> list[Any]:
    """Write results in operations that have native code: a row without is its own formula of its operands.

    Args:
        results: symbols and floats.
        native: names of rows that have code of that name.
    """
    known: dict[Symbol, Any] = {}
    for v in _order(results):
        xs = [known[x] if isinstance(x, Symbol) else x for x in v.operands]
        known[v] = v if v.op is None else _lower(v.op, xs, native)
    return [known[x] if isinstance(x, Symbol) else x for x in results]


def _lower(op: Op, xs: list[Any], native: frozenset[str]) -> Any:
    if op.name in native and ops.TABLE.get(op.name) is op and any(isinstance(x, Symbol) for x in xs):
        return _apply(op, xs)
    if not any(isinstance(x, Symbol) for x in xs):
        return op.call(xs)
    formula: Any = FORMULAS.get(op.name) if ops.TABLE.get(op.name) is op else None
    if formula is not None:
        return _lowered_again(formula(xs) if op.arity < 0 else formula(*xs), native)
    if op.name not in _NATIVE and not hasattr(op.value, "c") and op.value.__name__ == "<lambda>":
        try:
            return _lowered_again(op.value(*xs), native)
        except (TypeError, AttributeError):
            pass  # code on floats after all: it is called, sample by sample
    return _apply(op, xs)


def _lowered_again(result: Any, native: frozenset[str]) -> Any:
    """Lower what a formula made; its operands have been lowered."""
    if not isinstance(result, Symbol) or result.op is None:
        return result
    return lowered([result], native)[0]


def _halved(xs: list[Any], plus: Callable[[Any, Any], Any]) -> Any:
    """Join numbers two by two: short chains, small errors."""
    while len(xs) > 1:
        xs = [plus(*xs[i : i + 2]) if i + 1 < len(xs) else xs[i] for i in range(0, len(xs), 2)]
    return xs[0] if xs else 0.0


def _sum(xs: list[Any]) -> Any:
    return _halved(xs, lambda a, b: a + b)


def _norm(xs: list[Any]) -> Any:
    top = _halved([abs(x) for x in xs], ops.maximum)
    safe = ops.where(top == 0.0, 1.0, top)
    return top * ops.sqrt(_sum([(x / safe) * (x / safe) for x in xs]))


def _logsumexp(xs: list[Any]) -> Any:
    top = _halved(xs, ops.maximum)
    shift = ops.where(abs(top) < math.inf, top, 0.0)
    return shift + ops.log(_sum([ops.exp(x - shift) for x in xs]))


def _mod(a: Any, b: Any) -> Any:
    rest = ops.fmod(a, b)
    return ops.where((rest != 0.0) & ((rest < 0.0) ^ (b < 0.0)), rest + b, rest)


def _bell(x: Any, scale: float) -> Any:
    """exp(-scale x^2) with the square split, as in `special`."""
    size = ops.minimum(abs(x), 60.0)
    high = ops.floor(size * 2.0**20) * 2.0**-20
    return ops.exp(-scale * (high * high)) * ops.exp(-scale * ((size - high) * (size + high)))


#: Rows whose values are code on floats, as formulas of other rows.
FORMULAS: dict[str, Callable[..., Any]] = {
    "mod": _mod,
    "gaussian": lambda x: _bell(x, 1.0),
    "normal_pdf": lambda x: _bell(x, 0.5) / math.sqrt(2.0 * math.pi),
    "floordiv": lambda a, b: ops.floor((a - _mod(a, b)) / b + 0.5),
    "sum": _sum,
    "mean": lambda xs: _sum(xs) / float(len(xs)),
    "dot": lambda xs: _sum([a * b for a, b in zip(*ops._halves(xs), strict=True)]),
    "prod": lambda xs: _halved(xs, lambda a, b: a * b),
    "norm": _norm,
    "logsumexp": _logsumexp,
}


def program_of(inputs: Sequence[Symbol], results: Sequence[Any], native: frozenset[str] = VECTORS) -> Program:
    """Return the straight-line program of results, with nothing in it that they do not need."""
    results = lowered(results, native)
    place: dict[Symbol, int] = {x: i for i, x in enumerate(inputs)}
    steps: list[Step] = []
    for v in _order(results):
        if v.op is None:
            continue
        place[v] = len(inputs) + len(steps)
        operands = tuple(place[x] if isinstance(x, Symbol) else x for x in v.operands)
        own = v.op.name in _NATIVE or v.op.name in native
        c = v.op.name if own else getattr(v.op.value, "c", None)
        steps.append(Step(c, operands) if c else Step(v.op.name, operands, _on_floats(v.op)))
    return Program(len(inputs), tuple(steps), tuple(place[x] if isinstance(x, Symbol) else float(x) for x in results))


@cache
def _on_floats(op: Op) -> Callable[..., float]:
    return lambda *xs: op.call(xs)


# Compiled functions. -------------------------------------------------------------------------------------------------


class _Variant:
    """One recording of a function, and the programs that were compiled from it."""

    def __init__(self, f: Callable[..., Any], x: Sequence[float], scalars: bool) -> None:
        self.recording = Recording()
        self.inputs = [self.recording.input(float(v)) for v in x]
        y = f(*self.inputs) if scalars else f(list(self.inputs))
        self.single, self.results = _results(f, y)
        self._programs: dict[tuple[str, frozenset[str]], Program] = {}
        self._kernels: dict[tuple[str, int], Kernel] = {}

    def program(self, what: str, native: frozenset[str] = VECTORS) -> Program:
        """Return the program of "value", "gradient" or "hessian": its results, and last whether the guards hold."""
        if (what, native) not in self._programs:
            wanted = list(self.results)
            if what != "value":
                rows = [_gradient(y, self.inputs) for y in self.results]
                if what == "hessian":
                    rows = [_gradient(g, self.inputs) for row in rows for g in row]
                    wanted = []
                wanted += [g for row in rows for g in row]
            held: Any = 1.0
            for condition, taken in self.recording.guards.items():
                held = _both(held, condition if taken else ~condition)
            self._programs[what, native] = program_of(self.inputs, [*wanted, held], native)
        return self._programs[what, native]

    def kernel(self, what: str, lanes: int) -> Kernel:
        """Return a program as native code."""
        if (what, lanes) not in self._kernels:
            self._kernels[what, lanes] = compile_program(self.program(what), lanes)
        return self._kernels[what, lanes]


def _results(f: Callable[..., Any], y: Any) -> tuple[bool, list[Any]]:
    """Return whether a function gave one number, and its numbers."""
    name = getattr(f, "__name__", repr(f))
    if y is None:
        raise TypeError(f"jit: {name} returned None; does it lack a return?")
    several = isinstance(y, list | tuple) or (hasattr(y, "ndim") and y.ndim > 0)
    numbers = [*(y.ravel().tolist() if hasattr(y, "ravel") else y)] if several else [y]
    for x in numbers:
        if not isinstance(x, Symbol | float | int | np.floating):
            raise TypeError(f"jit: {name} must return a number or a flat list of them, got {x!r}")
    return not several, [x if isinstance(x, Symbol) else float(x) for x in numbers]


class Compiled:
    """A function that `jit` compiles, variant by variant, as calls need them."""

    def __init__(self, f: Callable[..., Any], scalars: bool) -> None:
        self._f, self._scalars = f, scalars
        self._variants: list[_Variant] = []  # for any number of inputs, in the order of their making
        self._lock = threading.Lock()
        self._points = threading.local()
        update_wrapper(self, f)

    def __call__(self, *args: ArrayLike) -> Any:
        """Return f at one point, or at every row of a batch."""
        found, single = self._at_point("value", args)
        if found is not None:
            return float(found[0]) if single else found
        rows, one = self._rows(args)
        y, single = self._run("value", rows)
        return self._shaped(y.T, one, single)

    def value_and_grad(self, *args: ArrayLike) -> tuple[Any, Any]:
        """Return f and its gradient, at one point or at every row of a batch [N, n].

        Raises:
            TypeError: if f gives more than one number; `jacobian` is for several.
        """
        found, single = self._at_point("gradient", args)
        if found is not None and single:
            return float(found[0]), tuple(found[1:].tolist()) if self._scalars else found[1:]
        rows, one = self._rows(args)
        y, single = self._run("gradient", rows)
        if not single:
            raise TypeError(f"jit: {self._name} returns several numbers, which have no gradient; use jacobian")
        gradient = y[1:]
        if one:
            first = tuple(float(g[0]) for g in gradient) if self._scalars else gradient[:, 0].copy()
            return float(y[0, 0]), first
        return y[0], tuple(gradient) if self._scalars else gradient.T

    def jacobian(self, *args: ArrayLike) -> Floats:
        """Return the derivatives of every result by every number: [m, n], or [N, m, n] for a batch."""
        rows, one = self._rows(args)
        y, _ = self._run("gradient", rows)
        n = rows.shape[1]
        m = len(y) // (n + 1)
        found = y[m:].reshape(m, n, -1).transpose(2, 0, 1)
        return found[0] if one else found

    def hessian(self, *args: ArrayLike) -> Floats:
        """Return the second derivatives of the one result: [n, n], or [N, n, n] for a batch."""
        rows, one = self._rows(args)
        y, single = self._run("hessian", rows)
        if not single:
            raise TypeError(f"jit: {self._name} returns several numbers; compile one of them for its Hessian")
        n = rows.shape[1]
        found = y.reshape(n, n, -1).transpose(2, 0, 1)
        return found[0] if one else found

    def listing(self, what: str = "gradient", variant: int = 0) -> str:
        """Return what is compiled, one operation a line.

        Args:
            what: "value", "gradient" or "hessian".
            variant: which recording, counted from 0.

        >>> f = jit(lambda x: x[0] * ops.exp(x[1]))
        >>> _ = f([1.0, 2.0])
        >>> print(f.listing())
        v0 = exp(x[1])
        v1 = x[0] * v0
        return v1, v0, v1
        """
        program = self._recorded(variant).program(what)
        names = [self._input_name(k) for k in range(program.inputs)]
        names += [f"v{i}" for i in range(len(program.steps))]

        def shown(x: int | float) -> str:
            return names[x] if type(x) is int else repr(x)

        lines = [f"v{i} = {_printed(step, [shown(x) for x in step.operands])}" for i, step in enumerate(program.steps)]
        guard = program.outputs[-1]
        if type(guard) is int:
            lines.append(f"guard {shown(guard)}")
        return "\n".join([*lines, f"return {', '.join(map(shown, program.outputs[:-1]))}"])

    def c_source(self, name: str = "f", variant: int = 0) -> str:
        """Return value and gradient as standalone C99, ``void name(const double *x, double *y)`` for one sample.

        y receives the results, their derivatives, and last 1 where the guards of this variant hold, else 0.

        Args:
            name: of the C function.
            variant: which recording, counted from 0.
        """
        if not name.isidentifier():
            raise ValueError(f"c_source: the name of a function in C is an identifier, got {name!r}")
        about = f"{self._name}: value, gradient and guard of variant {variant}"
        return c_source(self._recorded(variant).program("gradient", frozenset()), name, about.replace("*/", "* /"))

    def _recorded(self, variant: int) -> _Variant:
        if not 0 <= variant < len(self._variants):
            raise IndexError(
                f"jit: {self._name} has {self.variants} recordings, and none has the number {variant}; a call records"
            )
        return self._variants[variant]

    def _input_name(self, k: int) -> str:
        names = list(signature(self._f).parameters)
        return names[k] if self._scalars and k < len(names) else f"{names[0]}[{k}]"

    @property
    def variants(self) -> int:
        """How many recordings there are: one, and one more for every way of branching that has been met."""
        return len(self._variants)

    @property
    def _name(self) -> str:
        return str(getattr(self._f, "__name__", self._f))

    def __repr__(self) -> str:
        return f"<compiled {self._name}, {self.variants} variant{'s' * (self.variants != 1)}>"

    def _rows(self, args: Sequence[ArrayLike]) -> tuple[Floats, bool]:
        """Return the arguments as rows [N, n], and whether they are one point."""
        if self._scalars:
            arrays = np.broadcast_arrays(*[np.asarray(a, dtype=np.float64) for a in args])
            if arrays[0].ndim > 1:
                raise ValueError(f"jit: {self._name} takes numbers, or arrays [N] for a batch; got {arrays[0].shape}")
            return np.stack([np.atleast_1d(a) for a in arrays], axis=1), arrays[0].ndim == 0
        if len(args) != 1:
            raise TypeError(f"jit: {self._name} takes one array [n], or [N, n] for a batch; got {len(args)} arguments")
        x = np.asarray(args[0], dtype=np.float64)
        if x.ndim not in (1, 2):
            raise ValueError(f"jit: {self._name} takes one array [n], or [N, n] for a batch; got shape {x.shape}")
        return np.atleast_2d(x), x.ndim == 1

    def _at_point(self, what: str, args: Sequence[Any]) -> tuple[Floats | None, bool]:
        """Return the results at one point by the first variant, or None if that is not the case at hand: the short way.

        It is the same code as for a batch, with everything that a call needs made before.
        """
        x = args if self._scalars else args[0] if len(args) == 1 else ()
        if type(x) is np.ndarray:
            if x.ndim != 1:
                return None, False
        elif not isinstance(x, list | tuple) or not x or type(x[0]) is not float:
            return None, False
        calls: dict[Any, tuple[PointCall, bool]] = vars(self._points)
        call, single = calls.get((what, len(x)), (None, False))
        if call is None:
            with self._lock:
                known = self._made_for(len(x))
                if not known:
                    return None, False
                call, single = PointCall(known[0].kernel(what, 1)), known[0].single
            calls[what, len(x)] = call, single
        try:
            call.x[:] = x
        except (TypeError, ValueError):
            return None, False  # an array among the numbers
        call.run()
        return (call.y[:-1].copy() if call.y[-1] else None), single

    def _run(self, what: str, rows: Floats) -> tuple[Floats, bool]:
        """Return the results [outputs, N] of a kind, each sample by the variant whose guards it meets."""
        n = len(rows)
        if not n:
            width = rows.shape[1]
            known = self._made_for(width)
            m = len(known[0].results) if known else 1
            sizes = {"value": m, "gradient": m * (width + 1), "hessian": m * width * width}
            return np.empty((sizes[what], 0)), not known or known[0].single
        todo = np.arange(n)
        out: Floats | None = None
        tried = 0
        while len(todo):
            with self._lock:
                variant = self._variant(tried, rows[todo[0]])
                kernel = variant.kernel(what, 1 if n == 1 else 0)
            found = self._batch(kernel, rows if len(todo) == n else rows[todo])
            held = found[-1] != 0.0
            if out is None:
                if held.all():
                    return found[:-1], variant.single
                out = np.empty((len(found) - 1, n))
            out[:, todo[held]] = found[:-1, held]
            todo = todo[~held]
            tried += 1
        assert out is not None
        return out, variant.single

    def _made_for(self, n: int) -> list[_Variant]:
        return [v for v in self._variants if len(v.inputs) == n]

    def _variant(self, tried: int, row: Floats) -> _Variant:
        known = self._made_for(len(row))
        if tried >= len(known):
            if tried >= MOST_VARIANTS:
                raise RuntimeError(
                    f"jit: {self._name} branches in more than {MOST_VARIANTS} ways on these data; write choices as "
                    "autograd.where, or leave it uncompiled"
                )
            known.append(_Variant(self._f, row.tolist(), self._scalars))
            self._variants.append(known[-1])
        return known[tried]

    def __reduce__(self) -> tuple[Any, ...]:
        return jit, (self._f,)  # recorded again where it is loaded

    @staticmethod
    def _batch(kernel: Kernel, rows: Floats) -> Floats:
        n, lanes = len(rows), kernel.lanes
        padded = -(-n // lanes) * lanes
        if padded == n:
            return kernel(np.ascontiguousarray(rows.T))
        columns = np.empty((rows.shape[1], padded))
        columns[:, :n] = rows.T
        columns[:, n:] = rows[-1][:, None]
        return kernel(columns)[:, :n]

    @staticmethod
    def _shaped(y: Floats, one: bool, single: bool) -> Any:
        if one:
            return float(y[0, 0]) if single else y[0].copy()
        return y[:, 0] if single else y


def _printed(step: Step, xs: list[str]) -> str:
    signs = BINARY.keys() | COMPARISONS.keys() | LOGIC.keys()
    known = {op.name: op for op in (*CONDITIONS, *ops.TABLE.values())}
    if step.name in signs or step.name in ("neg", "not"):
        return known[step.name].form.format(*xs)
    return f"{step.name}({', '.join(xs)})"


def jit(f: Callable[..., Any]) -> Compiled:
    """Compile a function of numbers, and its derivatives, to vector code over batches.

    Args:
        f: written in operators and autograd's operations. With one parameter it is given a list of n numbers; with
            several, one number each. It returns a number or a list of numbers. What else it reads is read when it is
            recorded.

    Returns:
        A function of an array [n], or of a batch [N, n] (numbers, or arrays [N], for several parameters), with
        `value_and_grad`, `jacobian` and `hessian`.

    >>> f = jit(lambda x: x[0] * ops.exp(-x[1]) if x[0] > 0 else x[1])
    >>> f.value_and_grad([[2.0, 0.0], [-1.0, 5.0]])
    (array([2., 5.]), array([[ 1., -2.],
           [ 0.,  1.]]))
    >>> f.variants
    2
    """
    if not callable(f):
        raise TypeError(f"jit takes a function, got {f!r}")
    parameters = signature(f).parameters.values()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return Compiled(f, scalars=len([p for p in positional if p.default is p.empty]) > 1)
