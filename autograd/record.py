"""Recording: a Python function run once on `Symbol`s, numbers that remember what was done to them.

Equal expressions become one node as they are made, and what is known is computed at once. The derivatives of a
recording are the same two sweeps as anywhere, over the rows of `ops.py`, with symbols for numbers.

A comparison gives a condition. Handed to `where`, it selects sample by sample. Used as a truth value, by ``if``,
``while``, ``max``, it becomes a *guard*: the recording holds for samples that would have decided likewise.

What cannot be recorded is refused (a float made of a symbol) or is the caller's business: a global that the function
reads is read while recording.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, NamedTuple

from autograd import ops
from autograd.op import ABSENT, Op, number, register
from autograd.value import _NUMPY_NAMES, Value, forward_sweep, reverse_sweep


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
CONDITIONS = {op.name: op for op in (LT, LE, GT, GE, EQ, NE, AND, OR, NOT)}

#: Bytes that a recorded operation takes, and its share of what is made from it.
BYTES_PER_OPERATION = 1500


class Recording:
    """What one run of a function recorded: its symbols, each expression once, and the guards.

    Attributes:
        count: how many symbols were made.
        guards: conditions that were used as truth values, with what they were.
        done: whether the function has run; from then on nothing may branch.
    """

    def __init__(self) -> None:
        self.count = 0
        self.done = False
        self.known: dict[Any, Symbol] = {}
        self.guards: dict[Symbol, bool] = {}
        self.splits: dict[Symbol, Adjoint] = {}

    def input(self, x: float) -> Symbol:
        """Return a new input whose number, while recording, is x."""
        return Symbol(self, None, (), x)

    def make(self, op: Op, operands: Sequence[Any]) -> Any:
        """Return the node of an operation, a simpler equal one, or a float if all is known."""
        simpler = _SIMPLER.get(op)
        if simpler is not None:
            simple = simpler(*operands)
            if simple is not None:
                return simple
        key: list[Any] = [op]
        here = []
        known = True
        for x in operands:
            if type(x) is float:
                here.append(x)
                key.append((x or x.hex(),))  # the two zeros are different constants
            else:
                here.append(x.here)
                key.append(x.place)
                known = False
        if known:
            return op.call(here)
        name = tuple(key)
        node = self.known.get(name)
        if node is None:
            node = self.known[name] = Symbol(self, op, tuple(operands), op.call(here))
        return node


def _simpler_product(a: Any, b: Any) -> Any:
    if type(a) is float:
        a, b = b, a
    if type(b) is float and type(a) is Symbol:
        if b == 1.0:
            return a
        if b < 0.0:  # -2 x is -(2 x) where there is 2 x already
            for key in ((ops.mul, (-b,), a.place), (ops.mul, a.place, (-b,))):
                if key in a.recording.known:
                    return -a.recording.known[key]
    return None


def _simpler_size(x: Any) -> Any:
    return abs(x.operands[0]) if type(x) is Symbol and x.op is ops.neg else None


def _simpler_negative(x: Any) -> Any:
    return x.operands[0] if type(x) is Symbol and x.op is ops.neg else None


def _simpler_quotient(a: Any, b: Any) -> Any:
    return a if type(b) is float and b == 1.0 else None


def _simpler_choice(c: Any, a: Any, b: Any) -> Any:
    if type(c) is float:
        return a if c else b
    return a if a is b else None


def _simpler_power(a: Any, b: Any) -> Any:
    if type(b) is float and isinstance(a, Symbol) and b in (1.0, 2.0, 3.0, -1.0):
        return a if b == 1.0 else 1.0 / a if b == -1.0 else a * a if b == 2.0 else a * a * a
    return None


def _simpler_logic(neutral: bool) -> Callable[[Any, Any], Any]:
    def simpler(a: Any, b: Any) -> Any:
        for x, other in ((a, b), (b, a)):
            if type(x) is float:
                return other if bool(x) == neutral else x
        return None

    return simpler


#: By operation: an equal operand or expression by the rules of IEEE arithmetic, or None.
_SIMPLER: dict[Op, Callable[..., Any]] = {
    ops.mul: _simpler_product,
    ops.div: _simpler_quotient,
    ops.where: _simpler_choice,
    ops.pow: _simpler_power,
    ops.identity: lambda x: x,
    ops.abs: _simpler_size,
    ops.neg: _simpler_negative,
    AND: _simpler_logic(True),
    OR: _simpler_logic(False),
}


def _operators(op: Op) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """Return the two methods of a binary operator: the short way from a sign to a node."""

    def forward(self: Symbol, other: Any) -> Any:
        if type(other) is float or type(other) is Symbol:
            return self.recording.make(op, (self, other))
        return op(self, other)

    def backward(self: Symbol, other: Any) -> Any:
        if type(other) is float:
            return self.recording.make(op, (other, self))
        return op(other, self)

    return forward, backward


class Symbol(ops.Operators):
    """A number of a function that is being recorded.

    Attributes:
        op: the operation that made it; None at an input.
        operands: symbols and floats.
        here: its number at the point where the recording is made. It decides branches, and is not for the function.
        place: its number in the order of making, operands before results.
    """

    __slots__ = ("here", "op", "operands", "place", "recording")
    takes_nodes = True

    def __init__(self, recording: Recording, op: Op | None, operands: tuple[Any, ...], here: float) -> None:
        self.recording, self.op, self.operands, self.here = recording, op, operands, here
        self.place = recording.count
        recording.count += 1
        if not recording.count & 0xFFFF:
            _check_memory(recording.count)

    __add__, __radd__ = _operators(ops.add)
    __sub__, __rsub__ = _operators(ops.sub)
    __mul__, __rmul__ = _operators(ops.mul)
    __truediv__, __rtruediv__ = _operators(ops.div)

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

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        if self.recording.done:
            raise TypeError(
                "a derivative that jit writes out used a condition as a truth value; write the choice in the partial "
                "with autograd.where"
            )
        taken = bool(self.here)
        self.recording.guards[self if is_condition(self) else self != 0.0] = taken
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


def is_condition(x: Any) -> bool:
    """Whether a symbol is a truth value."""
    return isinstance(x, Symbol) and x.op is not None and CONDITIONS.get(x.op.name) is x.op


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


@contextmanager
def long_lists() -> Iterator[None]:
    """Keep the collector of cycles from searching millions of new symbols again and again."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _check_memory(count: int) -> None:
    """Refuse to go on before the machine runs out of memory: it would stop more than this program."""
    left = _memory_left()
    if left is not None and left < count * BYTES_PER_OPERATION // 4:
        raise MemoryError(
            f"jit: the recording has reached {count:,} operations, and what is left of the memory, "
            f"{left / 2**20:,.0f} MB, would not do for compiling them; does a loop not end? A function of one row of "
            "the data with autograd.objective, or a smaller number of steps, makes a shorter recording"
        )


def _memory_left() -> int | None:
    """Return how many bytes this process may still take, if the system tells."""
    try:
        with open("/proc/meminfo", "rb") as file:
            left = next(int(line.split()[1]) for line in file if line.startswith(b"MemAvailable")) * 1024
    except (OSError, StopIteration, ValueError):
        try:
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, OSError, ValueError):
            return None
    try:  # the limit of a container
        with open("/sys/fs/cgroup/memory.max") as limit, open("/sys/fs/cgroup/memory.current") as used:
            left = min(left, int(limit.read()) - int(used.read()))
    except (OSError, ValueError):
        pass
    return left


# Derivatives of recordings. ------------------------------------------------------------------------------------------


class Adjoint(NamedTuple):
    """An adjoint that may be absent: its number (0 where it is), and the condition of that, if there is one."""

    value: Any
    absent: Any = None


def _split(p: Any) -> Adjoint:
    """Return a partial as its number and the condition under which it is `ABSENT`."""
    if not _is_choice(p):
        return Adjoint(0.0, 1.0) if type(p) is float and p == ABSENT else Adjoint(p)
    known: dict[Symbol, Adjoint] = p.recording.splits
    stack = [p]
    while stack:
        q = stack[-1]
        inner = [x for x in q.operands[1:] if _is_choice(x) and x not in known]
        if q not in known and inner:
            stack += inner
            continue
        stack.pop()
        if q not in known:
            c, a, b = q.operands
            (a, without_a), (b, without_b) = (known[x] if _is_choice(x) else _split(x) for x in (a, b))
            if without_a is None and without_b is None:
                known[q] = Adjoint(q)
            else:
                absent = _either(both(c, without_a), both(negated(c), without_b))
                known[q] = Adjoint(ops.where(c, a, b), absent)
    return known[p]


def _is_choice(x: Any) -> bool:
    return type(x) is Symbol and x.op is ops.where


def negated(c: Any) -> Any:
    """Return the opposite of a condition."""
    return ~c if isinstance(c, Symbol) else float(not c)


def both(a: Any, b: Any) -> Any:
    """Return whether two conditions hold, or None if one of them is none."""
    if a is None or b is None:
        return None
    return a & b if isinstance(a, Symbol) or isinstance(b, Symbol) else float(bool(a and b))


def _either(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return a | b if isinstance(a, Symbol) or isinstance(b, Symbol) else float(bool(a or b))


def _times(g: Adjoint, p: Any) -> Adjoint:
    q = _split(p)
    absent = _either(g.absent, q.absent)
    product = g.value * q.value
    # What is absent is not multiplied: 0 * inf would be nan.
    return Adjoint(product if absent is None else ops.where(absent, 0.0, product), absent)


def _plus(a: Adjoint | None, b: Adjoint) -> Adjoint:
    return b if a is None else Adjoint(a.value + b.value, both(a.absent, b.absent))


def order(results: Iterable[Any], known: Container[Symbol] = ()) -> list[Symbol]:
    """List the symbols under results, operands first.

    Args:
        results: symbols and floats.
        known: symbols that are not listed, nor what only they need.
    """
    found = {x for x in results if isinstance(x, Symbol) and x not in known}
    stack = list(found)
    while stack:
        for x in stack.pop().operands:
            if type(x) is Symbol and x not in found and x not in known:
                found.add(x)
                stack.append(x)
    return sorted(found, key=attrgetter("place"))


def gradient(y: Any, inputs: Sequence[Symbol]) -> list[Adjoint]:
    """Return dy/dx for the inputs, which count as independent whatever they were made from."""
    absent = Adjoint(0.0, 1.0)
    if not isinstance(y, Symbol):
        return [absent] * len(inputs)
    if any(x is y for x in inputs):
        return [Adjoint(1.0) if x is y else absent for x in inputs]
    nodes = order([y], set(inputs))
    wanted = {id(x) for x in inputs}
    for v in nodes:
        if any(id(x) in wanted for x in v.operands):
            wanted.add(id(v))
    if id(y) not in wanted:
        return [absent] * len(inputs)
    found = reverse_sweep(nodes, Adjoint(1.0), lambda v: v, wanted, _times, _plus)
    return [found.get(id(x), absent) for x in inputs]


def tangent(y: Any, inputs: Sequence[Symbol], directions: Sequence[Any]) -> Any:
    """Return the derivative of y along a direction, a symbol or float per input."""
    if not isinstance(y, Symbol):
        return 0.0
    seeds = {id(x): Adjoint(v) for x, v in zip(inputs, directions, strict=True)}
    found = forward_sweep(order([y]), seeds, lambda v: v, _times, _plus)
    return found[id(y)].value if id(y) in found else 0.0
