"""Value, the scalar node of a computation graph, and the two sweeps that differentiate it.

A node keeps its number, the operation that made it and the operands; the derivative stays in the row of `ops.py`.
`topological_order` lists the nodes under a result, operands first. `reverse_sweep` walks that list backwards and
accumulates adjoints, `forward_sweep` walks it forwards and accumulates tangents; both are generic in the kind of
number, so that adjoints may be nodes again and the derivative of a derivative is the same few lines. `Value.backward`
is the reverse sweep on plain floats, written out for speed.

The source runs as it is; a build with a C compiler makes an extension of it, typed by `value.pxd`.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Self

from autograd import ops
from autograd.op import ABSENT, HANDLERS, Op, install, number, register

ADD, SUB, MUL, DIV, NEG, POW, MOD = ops.add, ops.sub, ops.mul, ops.div, ops.neg, ops.pow, ops.mod
FLOORDIV = ops.floordiv
RELU, TANH, EXP, LOG = ops.relu, ops.tanh, ops.exp, ops.log

#: The "operation" of a constant: a node without operands that no gradient flows to.
CONSTANT = Op("constant", float, ())

# How nodes are made in this thread or task: as a graph, without one (no_grad), or watched (detect_anomaly). `_watch`
# counts the contexts that are open anywhere, and one for constants once there are any; at 0 `node` need not look.
GRAPH, NO_GRAD, ANOMALY = 0, 1, 2
_context: ContextVar[tuple[int, Any]] = ContextVar("how nodes are made", default=(GRAPH, None))
_watch = 0
_constants = False

# A sweep marks the nodes themselves, so one runs at a time; a mark below the clock is stale.
_lock = threading.RLock()
_clock = 1
# The mark of the nodes that a running sweep has listed; -1 when none runs.
_running = -1

# Freeing a node frees what only it refers to. That goes down directly for a few levels; deeper nodes wait in a list, so
# that a graph of any depth is freed without deep recursion.
_LEVELS = 64
_level = 0
_waiting: list[Any] = []


class Value:
    """A number that remembers how it was computed.

    A Value refers only to what it was computed from, so a graph is freed with its last result, without the garbage
    collector. (A subclass that keeps a result of itself in an attribute makes a cycle, which stays.)

    Arithmetic on Values (with ints, floats, NumPy scalars and arrays on either side) builds the graph,
    `backward()` sweeps it. Every operation of `autograd.ops` is also a method: ``x.tanh()`` is ``autograd.tanh(x)``.

    Args:
        data: the number.
        name: a label for listings and diagrams.

    >>> x, y = Value(2.0, name="x"), Value(3.0, name="y")
    >>> z = x * y + x
    >>> z.backward()
    >>> x.grad, y.grad
    (4.0, 2.0)
    """

    __slots__ = ("_a", "_adjoint", "_b", "_data", "_grad", "_mark", "_name", "_row")
    _row: Op | None
    _a: Any
    _b: Any
    _data: float
    _grad: float
    _adjoint: float
    _name: str | None
    _mark: int

    def __init__(self, data: Any, name: str | None = None) -> None:
        if type(data) is not float:
            if isinstance(data, Value):
                raise TypeError(
                    f"Value({data!r}) would lose its gradient: use the Value itself, its .detach(), or Value(x.data)"
                )
            data = number(data, "Value")
        self._data = data
        self._grad = 0.0
        self._row = None
        self._a = None
        self._b = None
        self._name = _label(name)
        self._mark = 0

    def __dealloc__(self) -> None:
        # Only the extension calls this; Python frees its own objects without deep recursion.
        global _level
        if self._row is None:
            return
        if _level == _LEVELS:
            _waiting.append(self._a)
            _waiting.append(self._b)
            return
        _level += 1
        self._a = self._b = None
        if _level == 1:
            while _waiting:
                _waiting.pop()
        _level -= 1

    # What a node shows. --------------------------------------------------------------------------------------------

    @property
    def data(self) -> float:
        """The number. A leaf's may be set, as training does; an inner node's is the result of its operands.

        Results that were computed before keep their numbers: compute them again before the next sweep.
        """
        return self._data

    @data.setter
    def data(self, x: Any) -> None:
        if self._row is not None and self._row is not CONSTANT:
            raise AttributeError(
                f"{self!r} is the result of {self._row.name}, so its data follows from its operands; "
                "set the data of the leaves and compute again, or start from Value(...)"
            )
        self._data = number(x, "Value.data")

    @property
    def grad(self) -> float:
        """What `backward()` found: at a leaf the sum over all sweeps since `zero_grad`, at an inner node the last's."""
        return self._grad

    @grad.setter
    def grad(self, x: Any) -> None:
        self._grad = number(x, "Value.grad")

    @property
    def name(self) -> str | None:
        """The label for listings and diagrams."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = _label(name)

    @property
    def op(self) -> Op | None:
        """The operation that made this node; None for a leaf or a constant."""
        return None if self._row is CONSTANT else self._row

    @property
    def operands(self) -> tuple[Any, ...]:
        """What the node was computed from: Values, and floats for plain numbers. Empty for a leaf."""
        if self._row is None or self._row is CONSTANT:
            return ()
        if self._row.arity == 1:
            return (self._a,)
        if self._row.arity == 2:
            return (self._a, self._b)
        return tuple(self._a)

    @property
    def is_leaf(self) -> bool:
        """Whether a gradient accumulates here: made by `Value(...)`, not by an operation."""
        return self._row is None

    @property
    def is_constant(self) -> bool:
        """Whether no gradient flows here: made by `constant`, `detach` or under `no_grad`."""
        return self._row is CONSTANT

    def partials(self) -> tuple[float | None, ...]:
        """The derivative of this node by each operand at the present numbers; None where an operand does not reach it.

        >>> (Value(2.0) * Value(3.0)).partials()
        (3.0, 2.0)
        """
        if self.op is None:
            return ()
        xs = [_float(x) for x in self.operands]
        return tuple(None if p == ABSENT else float(p) for p in self.op.slopes(xs, self._data))

    def detach(self) -> Value:
        """Return a constant with the same number: the graph ends there."""
        return constant(self._data, self._name)

    # Sweeps. -------------------------------------------------------------------------------------------------------

    def backward(self, seed: float = 1.0) -> None:
        """Sweep the graph under this node in reverse and leave dself/dx, times seed, in every node's `grad`.

        Leaves accumulate over sweeps until `zero_grad`; an inner node shows the last sweep that reached it. Should a
        derivative raise, no `grad` has changed.

        Args:
            seed: the adjoint of this node.

        Raises:
            ValueError: at a constant, which has no graph to sweep.
            AnomalyError: under `detect_anomaly`, at the first nan or infinite adjoint.
        """
        adjoint = number(seed, "backward(seed)")
        if self._row is CONSTANT:
            raise ValueError(
                f"{self!r} has no graph: it was made by constant or detach, under no_grad, or from constants alone"
            )
        with _lock:
            order = _order(self)
            _sweep(order, adjoint)
            _commit(order)

    def zero_grad(self) -> None:
        """Set `grad` to 0 at this node and at every node under it."""
        with _lock:
            for v in _order(self):
                v.grad = 0.0

    # Arithmetic. ---------------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Value) or type(other) is float:
            return node(ADD, self, other, self._data + _float(other))
        return right(ADD, self, other)

    def __radd__(self, other: Any) -> Any:
        return left(ADD, other, self)

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Value) or type(other) is float:
            return node(SUB, self, other, self._data - _float(other))
        return right(SUB, self, other)

    def __rsub__(self, other: Any) -> Any:
        return left(SUB, other, self)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Value) or type(other) is float:
            return node(MUL, self, other, self._data * _float(other))
        return right(MUL, self, other)

    def __rmul__(self, other: Any) -> Any:
        return left(MUL, other, self)

    def __truediv__(self, other: Any) -> Any:
        return right(DIV, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return left(DIV, other, self)

    def __pow__(self, other: Any, modulo: None = None) -> Any:
        if modulo is not None:
            raise TypeError("pow() of a Value takes no modulus; write (x ** y) % m")
        return right(POW, self, other)

    def __rpow__(self, other: Any, modulo: None = None) -> Any:
        return left(POW, other, self)

    def __mod__(self, other: Any) -> Any:
        return right(MOD, self, other)

    def __rmod__(self, other: Any) -> Any:
        return left(MOD, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return right(FLOORDIV, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return left(FLOORDIV, other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __neg__(self) -> Value:
        return node(NEG, self, None, -self._data)

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Any:
        return ops.abs(self)

    def __floor__(self) -> Any:
        return ops.floor(self)

    def __ceil__(self) -> Any:
        return ops.ceil(self)

    def relu(self) -> Value:
        """Return max(self, 0) as a node."""
        return made_by(RELU, self)

    def tanh(self) -> Value:
        """Return the hyperbolic tangent as a node."""
        return made_by(TANH, self)

    def exp(self) -> Value:
        """Return the exponential as a node."""
        return made_by(EXP, self)

    def log(self) -> Value:
        """Return the natural logarithm as a node."""
        return made_by(LOG, self)

    def __getattr__(self, name: str) -> Any:
        # Every row is a method, so that NumPy's functions work on arrays of Values: np.sin calls .sin().
        operation = ops.TABLE.get(_NUMPY_NAMES.get(name, name))
        if operation is None or operation.arity < 0:
            raise AttributeError(f"a Value has no attribute {name!r}, and no operation of one number has this name")
        return _Method(operation, self)

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *(name for name, op in ops.TABLE.items() if op.arity > 0)]

    # Comparisons are of the numbers; hashing is by identity. ---------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return NotImplemented if _no_number(other) else self._data == _float(other)

    def __ne__(self, other: object) -> bool:
        return NotImplemented if _no_number(other) else self._data != _float(other)

    def __lt__(self, other: Any) -> bool:
        return NotImplemented if _no_number(other) else self._data < _float(other)

    def __le__(self, other: Any) -> bool:
        return NotImplemented if _no_number(other) else self._data <= _float(other)

    def __gt__(self, other: Any) -> bool:
        return NotImplemented if _no_number(other) else self._data > _float(other)

    def __ge__(self, other: Any) -> bool:
        return NotImplemented if _no_number(other) else self._data >= _float(other)

    def __hash__(self) -> int:
        return id(self) >> 4

    def __bool__(self) -> bool:
        return self._data != 0.0

    def __float__(self) -> float:
        raise TypeError(
            f"a float would lose the gradient of {self!r}: use autograd's function of the same name "
            "(autograd.exp instead of math.exp), or .data if the number alone is wanted"
        )

    def __int__(self) -> int:
        raise TypeError(f"an int would lose the gradient of {self!r}: use autograd.floor, or int(x.data)")

    def __index__(self) -> int:
        raise TypeError(f"{self!r} cannot be an index; use int(x.data) if the number alone is wanted")

    def __complex__(self) -> complex:
        raise TypeError(f"complex numbers are not supported, nor the conversion of {self!r}; use .data")

    def __round__(self, digits: int | None = None) -> Any:
        raise TypeError(f"rounding would lose the gradient of {self!r}: use autograd.floor, or round(x.data)")

    # Printing, copying, pickling. ------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        named = f", name={self._name!r}" if self._name is not None else ""
        made = f", op={self.op.name!r}" if self.op is not None else ", constant" if self._row is CONSTANT else ""
        return f"Value(data={self._data!r}, grad={self._grad!r}{made}{named})"

    def __format__(self, spec: str) -> str:
        return format(self._data, spec) if spec else repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # The whole graph as one flat program, so that depth does not matter.
        if self._row is None or self._row is CONSTANT:
            more = getattr(self, "__dict__", None)
            return _leaf, (type(self), self._data, self._grad, self._name, self._row is CONSTANT, more)
        return _rebuild, (type(self), *_flatten(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        with _lock:
            order = _order(self)
        for v in order:
            if id(v) in memo:
                continue
            twin = type(v).__new__(type(v))
            _copy(twin, v, [memo.get(id(x), x) for x in v.operands])
            memo[id(v)] = twin
        return memo[id(self)]  # type: ignore[no-any-return]

    def __copy__(self) -> Value:
        twin = type(self).__new__(type(self))
        _copy(twin, self, self.operands)
        return twin

    @property
    def _prev(self) -> set[Value]:
        """micrograd's name for the operands, which its drawing code reads."""
        return {x for x in self.operands if isinstance(x, Value)}

    @property
    def _op(self) -> str:
        """micrograd's name for the sign of the operation."""
        return self.op.symbol if self.op is not None else ""


def _label(name: Any) -> str | None:
    if name is not None and not isinstance(name, str):
        raise TypeError(f"the name of a Value is text, got {name!r}")
    return name


class _Method:
    """A row bound to a Value, as in ``x.sin``."""

    __slots__ = ("operation", "value")

    def __init__(self, operation: Op, value: Value) -> None:
        self.operation = operation
        self.value = value

    def __call__(self, *others: Any) -> Any:
        return self.operation(self.value, *others)

    def __repr__(self) -> str:
        return f"<{self.operation.name} of {self.value!r}>"


#: NumPy calls a method of the ufunc's name on each element of an object array.
_NUMPY_NAMES = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "fabs": "abs", "absolute": "abs", "power": "pow", "remainder": "mod",
}  # fmt: skip


# Making nodes. ------------------------------------------------------------------------------------------------------


def node(op: Op, a: Any, b: Any, data: float) -> Value:
    """Make the node of op on operands a and b (None for one operand; a is a tuple for three or more)."""
    v = Value.__new__(Value)
    v._data = data
    v._grad = 0.0
    v._row = op
    v._a = a
    v._b = b
    v._name = None
    v._mark = 0
    if _watch:
        _special(v)
    return v


def made_by(op: Op, x: Any) -> Value:
    """Make the node of a one-argument operation."""
    return node(op, x, None, op.call1(_float(x)))


def _special(v: Value) -> None:
    """Apply what is out of the ordinary to a new node: constants, no_grad, detect_anomaly."""
    mode, anomaly = _context.get()
    if mode == ANOMALY:
        anomaly.made(v)
    if mode == NO_GRAD or not (_flows(v._a) or _flows(v._b)):
        fix(v)


def _flows(x: Any) -> bool:
    """Whether a gradient flows to an operand, or to one of a tuple of them."""
    if isinstance(x, Value):
        v = x
        return v._row is not CONSTANT
    if type(x) is tuple:
        for y in x:
            if _flows(y):
                return True
    return False


def build(op: Op, args: Sequence[Any]) -> Any:
    """Make the node of op on arguments of which at least one is a Value."""
    if len(args) == 1 and op.arity == 1:
        return made_by(op, args[0])
    if op.arity == 2:
        a, b = _operand(args[0], op), _operand(args[1], op)
        if a is None or b is None:
            from autograd import batch

            return batch.elementwise(op, args)
        return node(op, a, b, op.call2(_float(a), _float(b)))
    if op is ops.where:
        return _where(args[0], args[1], args[2])
    operands = tuple([_operand(x, op) for x in args])
    for x in operands:
        if x is None:
            from autograd import batch

            return batch.elementwise(op, args)
    return node(op, operands, None, op.call([_float(x) for x in operands]))


def _where(c: Any, a: Any, b: Any) -> Any:
    if hasattr(c, "ndim") and c.ndim > 0:
        from autograd import batch

        return batch.elementwise(ops.where, (c, a, b))
    taken = bool(c)
    if (type(a) is float and a == ABSENT) or (type(b) is float and b == ABSENT):
        return a if taken else b
    a, b = _operand(a, ops.where), _operand(b, ops.where)
    return node(ops.where, (float(taken), a, b), None, _float(a if taken else b))


def _operand(x: Any, op: Op) -> Any:
    """Return x as an operand: a Value or a float; None for an array, which is a matter of one node per element."""
    if isinstance(x, Value) or type(x) is float:
        return x
    if hasattr(x, "ndim") and x.ndim > 0:
        return None
    return _plain(x, op)


def _plain(x: Any, op: Op) -> Any:
    """Return what is neither a float nor an array of numbers as a float, or as the Value that a 0-d array holds."""
    if hasattr(x, "item") and isinstance(x.item(), Value):
        return x.item()
    return number(x, op.name)


def right(op: Op, a: Value, b: Any) -> Any:
    """Return a op b for a Value a and anything b, as the operators need it."""
    if type(b) is not float and not isinstance(b, Value):
        if _foreign(b):
            return NotImplemented
        b = _plain(b, op)
    return node(op, a, b, op.call2(a._data, _float(b)))


def left(op: Op, a: Any, b: Value) -> Any:
    """Return a op b for anything a but a Value, and a Value b."""
    if type(a) is not float:
        if _foreign(a):
            return NotImplemented
        a = _plain(a, op)
    return node(op, a, b, op.call2(_float(a), b._data))


def _foreign(x: Any) -> bool:
    """Whether x is an array or another type of number that knows what to do with a Value."""
    return (type(x) in HANDLERS and not isinstance(x, float)) or (hasattr(x, "__array__") and getattr(x, "ndim", 1) > 0)


def _float(x: Any) -> float:
    """The number of an operand, a Value or a float."""
    if isinstance(x, Value):
        v = x
        return v._data
    return x  # type: ignore[no-any-return]


def _no_number(x: Any) -> bool:
    return not isinstance(x, (Value, float, int)) and not (hasattr(x, "__float__") and not hasattr(x, "__len__"))


def constant(data: Any, name: str | None = None) -> Value:
    """Return a Value that takes no gradient; operations on constants alone give constants and keep no graph.

    >>> (constant(2.0) * 3.0).operands
    ()
    """
    v = Value(data, name)
    fix(v)
    return v


def fix(v: Value) -> None:
    """Make a node a constant: its graph is dropped, and no gradient flows to it from now on."""
    global _watch, _constants
    v._row = CONSTANT
    v._a = None
    v._b = None
    if not _constants:
        with _lock:
            _watch += not _constants
            _constants = True


register(Value, build)
install(Value, made_by)


# Order and sweeps. --------------------------------------------------------------------------------------------------


def _order(root: Value) -> list[Value]:
    """List the nodes under root, operands before results, every node once; their adjoints are set to ABSENT.

    Depth first with an explicit stack. A node's mark tells whether it was met (`_clock`) or is listed (above); marks
    of earlier orders are below the clock. To be called under the lock.
    """
    global _clock
    met = _clock
    listed = met + 1
    _clock = met + 2
    order: list[Value] = []
    stack: list[Value] = []
    _meet(root, met, stack, order)
    while stack:
        v = stack[-1]
        if v._mark < met:
            v._mark = met
            before = len(stack)
            if type(v._a) is tuple:
                for x in v._a:
                    if isinstance(x, Value):
                        n = x
                        if n._mark < met:
                            _meet(n, met, stack, order)
            else:
                if isinstance(v._b, Value):
                    n = v._b
                    if n._mark < met:
                        _meet(n, met, stack, order)
                if isinstance(v._a, Value):
                    n = v._a
                    if n._mark < met:
                        _meet(n, met, stack, order)
            if len(stack) > before:
                continue
        stack.pop()
        if v._mark == met:
            v._mark = listed
            v._adjoint = ABSENT
            order.append(v)
    return order


def _meet(v: Value, met: int, stack: list[Value], order: list[Value]) -> int:
    """Put an operand that was not met yet on the stack, or a leaf in the list at once."""
    if v._mark == _running:
        raise RuntimeError(
            f"a derivative formula looked at the graph that is being swept, at {v!r}; inside a formula, compute "
            "with the arguments that it is given"
        )
    if v._row is None:
        v._mark = met + 1
        v._adjoint = ABSENT
        order.append(v)
    else:
        stack.append(v)
    return 0


def topological_order(root: Value) -> list[Value]:
    """Return all nodes under root, every one once, operands before results; root is the last."""
    if not isinstance(root, Value):
        raise TypeError(f"the order is that of a Value's graph, got {root!r}")
    with _lock:
        return _order(root)


def links(order: list[Value]) -> tuple[list[int], list[int], list[float], list[int]]:
    """Return the edges of an order: where the operand stands, where its result does, and the partial between them.

    Args:
        order: nodes, as `topological_order` lists them. What is not in it is left out.

    Returns:
        Three lists with an entry per edge, sorted by result; a partial that does not exist is `ABSENT`. And one with an
        entry per node: the number of edges on the longest way to the last.

    >>> x = Value(2.0)
    >>> links(topological_order(x * x))
    ([0, 0], [1, 1], [2.0, 2.0], [1, 0])
    """
    global _clock
    source: list[int] = []
    target: list[int] = []
    factors: list[float] = []
    with _lock:
        first = _clock
        last = first + len(order)
        _clock = last
        for i, v in enumerate(order):
            v._mark = first + i
        for i, v in enumerate(order):
            op = v._row
            if op is None or op is CONSTANT:
                continue
            if op.arity == 1:
                _link(v._a, i, op.slope1(_float(v._a), v._data), first, last, source, target, factors)
            elif op.arity == 2:
                a = _float(v._a)
                b = _float(v._b)
                if isinstance(v._a, Value):
                    _link(v._a, i, op.slope2a(a, b, v._data), first, last, source, target, factors)
                if isinstance(v._b, Value):
                    _link(v._b, i, op.slope2b(a, b, v._data), first, last, source, target, factors)
            else:
                for x, p in zip(v._a, op.slopes([_float(x) for x in v._a], v._data)):  # noqa: B905
                    if isinstance(x, Value):
                        _link(x, i, p, first, last, source, target, factors)
    depth = [0] * len(order)
    for e in range(len(source) - 1, -1, -1):
        # Sorted by result: backwards, every result is final when it passes its depth on.
        j = source[e]
        i = target[e]
        if depth[j] <= depth[i]:
            depth[j] = depth[i] + 1
    return source, target, factors, depth


def outdated(order: list[Value]) -> bool:
    """Whether operands of a node have other values now than those that it was computed of.

    Args:
        order: nodes, as `topological_order` lists them.

    >>> x = Value(2.0)
    >>> y = topological_order(x * x)
    >>> x.data = 3.0
    >>> outdated(y)
    True
    """
    for v in order:
        op = v._row
        if op is None or op is CONSTANT:
            continue
        if op.arity == 1:
            y = op.call1(_float(v._a))
        elif op.arity == 2:
            y = op.call2(_float(v._a), _float(v._b))
        else:
            y = op.call([_float(x) for x in v._a])
        if y != v._data and (y == y or v._data == v._data):
            return True
    return False


def _link(
    x: Value, i: int, p: float, first: int, last: int, source: list[int], target: list[int], factors: list[float]
) -> None:
    """Add an edge to `links`, if its operand is in the order."""
    if x._mark >= first and x._mark < last:
        source.append(x._mark - first)
        target.append(i)
        factors.append(p)


def local(node: Any, number: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """Yield (operand, partial) for the operands of a node that are nodes and reach it; `number` reads a node."""
    kind = type(node)
    nodes = [isinstance(x, kind) for x in node.operands]
    xs = [number(x) if isinstance(x, kind) else x for x in node.operands]
    for x, p, is_node in zip(node.operands, node.op.slopes(xs, number(node), nodes), nodes, strict=True):
        if is_node and not (type(p) is float and p == ABSENT):
            yield x, p


def times(a: Any, b: Any) -> Any:
    """Return a * b without a node for a factor of one."""
    if type(b) is float and b == 1.0:
        return a
    return b if type(a) is float and a == 1.0 else a * b


def plus(a: Any, b: Any) -> Any:
    """Return a + b, or b alone if a is absent."""
    return b if a is None else a + b


def reverse_sweep(
    order: Iterable[Any],
    seed: Any,
    number: Callable[[Any], Any],
    wanted: Any = None,
    times: Callable[[Any, Any], Any] = times,
    plus: Callable[[Any, Any], Any] = plus,
) -> dict[int, Any]:
    """Accumulate adjoints from the last node of an order back to the leaves.

    The adjoint of a node is the sum over the nodes that it feeds of their adjoint times the local partial: delta_l =
    sum over k in P(l) of delta_k da_k/da_l, equation (7) of the source document for any graph.

    Args:
        order: nodes, operands before results; any type with `op` and `operands`.
        seed: the adjoint of the last.
        number: what stands for a node in the partials: its float, its array, or the node itself (higher orders).
        wanted: ids of the nodes whose adjoints are needed on the way; default all.
        times: the product of an adjoint and a partial.
        plus: the sum of two adjoints, the first None at first.

    Returns:
        The adjoint of each node by id; a node that the last one does not depend on is absent.
    """
    order = list(order)
    adjoints = {id(order[-1]): seed}
    for v in reversed(order):
        g = adjoints.get(id(v))
        if g is None or v.op is None:
            continue
        for x, p in local(v, number):
            if wanted is not None and id(x) not in wanted:
                continue
            adjoints[id(x)] = plus(adjoints.get(id(x)), times(g, p))
    return adjoints


def forward_sweep(
    order: Iterable[Any],
    seeds: dict[int, Any],
    number: Callable[[Any], Any],
    times: Callable[[Any, Any], Any] = times,
    plus: Callable[[Any, Any], Any] = plus,
) -> dict[int, Any]:
    """Accumulate tangents from the seeds on: the twin of `reverse_sweep` over the same order.

    Args:
        order: nodes, operands before results.
        seeds: tangents by id of the node; a seeded node is an input, whatever it was made from.
        number: as for `reverse_sweep`.
        times: as there.
        plus: as there.

    Returns:
        The tangent of each node by id; a node that depends on no seed is absent.
    """
    tangents = dict(seeds)
    for v in order:
        if v.op is None or id(v) in seeds:
            continue
        for x, p in local(v, number):
            if id(x) in tangents:
                tangents[id(v)] = plus(tangents.get(id(v)), times(tangents[id(x)], p))
    return tangents


def _sweep(order: list[Value], seed: float) -> None:
    """`reverse_sweep` on floats, with the adjoints in the nodes."""
    global _running
    outer = _running
    v = order[-1]
    _running = v._mark
    try:
        _pull(order, seed)
    finally:
        _running = outer


def _pull(order: list[Value], seed: float) -> None:
    """Pass the adjoints down an order, the commonest rows written out."""
    mode, anomaly = _context.get()
    v = order[-1]
    v._adjoint = seed
    for v in reversed(order):
        op = v._row
        g = v._adjoint
        if op is None or op is CONSTANT or g == ABSENT:
            continue
        if mode == ANOMALY:
            anomaly.sweeping(v, g)
        if op is ADD:
            _accumulate(v._a, g)
            _accumulate(v._b, g)
        elif op is MUL:
            if isinstance(v._a, Value) and isinstance(v._b, Value):
                m = v._a
                n = v._b
                p = g * n._data
                m._adjoint = p if m._adjoint == ABSENT else m._adjoint + p
                p = g * m._data
                n._adjoint = p if n._adjoint == ABSENT else n._adjoint + p
            else:
                _accumulate(v._a, g * _float(v._b))
                _accumulate(v._b, g * _float(v._a))
        elif op.arity == 1:
            p = op.slope1(_float(v._a), v._data)
            if p != ABSENT:
                _accumulate(v._a, g * p)
        elif op.arity == 2:
            a = _float(v._a)
            b = _float(v._b)
            if isinstance(v._a, Value):
                p = op.slope2a(a, b, v._data)
                if p != ABSENT:
                    _accumulate(v._a, g * p)
            if isinstance(v._b, Value):
                p = op.slope2b(a, b, v._data)
                if p != ABSENT:
                    _accumulate(v._b, g * p)
        else:
            for x, q in zip(v._a, op.slopes([_float(x) for x in v._a], v._data)):  # noqa: B905
                if q != ABSENT:
                    _accumulate(x, g * q)


def _accumulate(x: Any, g: float) -> None:
    """Add g to the adjoint of an operand, if it is a node."""
    if isinstance(x, Value):
        v = x
        v._adjoint = g if v._adjoint == ABSENT else v._adjoint + g


def _commit(order: list[Value]) -> None:
    """Show the adjoints of a finished sweep in `grad`."""
    for v in order:
        if v._row is None:
            if v._adjoint != ABSENT:
                v._grad += v._adjoint
        elif v._row is not CONSTANT:
            v._grad = v._adjoint if v._adjoint != ABSENT else 0.0


def _adjoints(xs: Sequence[Value]) -> list[float]:
    answer: list[float] = [0.0] * len(xs)
    for i in range(len(xs)):
        v = xs[i]
        answer[i] = 0.0 if v._adjoint == ABSENT else v._adjoint
    return answer


def float_adjoints(root: Value, xs: Sequence[Value]) -> list[float] | None:
    """Return droot/dx for each x as floats, without touching any `grad`; None if root has leaves besides xs.

    The other leaves belong to somebody further out, who may want to differentiate the answer by them.
    """
    with _lock:
        order = _order(root)
        known = set(map(id, xs))
        for v in order:
            if v._row is None and id(v) not in known:
                return None
        for v in xs:
            if v._row is not None:
                return None
            v._adjoint = ABSENT
        _sweep(order, 1.0)
        return _adjoints(xs)


# no_grad and detect_anomaly. ----------------------------------------------------------------------------------------


class _Mode:
    """A context that sets how nodes are made in this thread or task, and restores what was there."""

    __slots__ = ("tokens",)

    def __init__(self) -> None:
        self.tokens: list[Any] = []

    def _enter(self, mode: int, anomaly: Any) -> None:
        global _watch
        with _lock:
            _watch += 1
        self.tokens.append(_context.set((mode, anomaly)))

    def __exit__(self, *error: object) -> None:
        global _watch
        _context.reset(self.tokens.pop())
        with _lock:
            _watch -= 1


class no_grad(_Mode):
    """Context in which operations build no graph: their results are constants.

    >>> x = Value(2.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.operands
    ()
    """

    __slots__ = ()

    def __enter__(self) -> Self:
        self._enter(NO_GRAD, None)
        return self


class recording(_Mode):
    """Context in which operations build a graph whatever the context outside says; `detect_anomaly` goes on."""

    __slots__ = ()

    def __enter__(self) -> Self:
        mode, anomaly = _context.get()
        self._enter(ANOMALY if mode == ANOMALY else GRAPH, anomaly)
        return self


class AnomalyError(ArithmeticError):
    """A nan or an infinity where `detect_anomaly` was watching; `node` is the first node that has it."""

    def __init__(self, message: str, node: Value | None = None) -> None:
        super().__init__(message)
        self.node = node


class detect_anomaly(_Mode):
    """Context that raises `AnomalyError` at the first operation whose value or adjoint is nan or infinite.

    The message names the operation, the numbers, the line of the program and the path to a leaf.

    >>> with detect_anomaly():
    ...     Value(0.0, name="x").log()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    autograd.value.AnomalyError: log(0.0) is -inf, ...
    """

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[int, tuple[Value, str]] = {}

    def __enter__(self) -> Self:
        self._enter(ANOMALY, self)
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.lines.clear()

    def made(self, v: Value) -> None:
        """Note where v was made, and check its number."""
        line, operands = _user_line(), v.operands
        self.lines[id(v)] = (v, line)
        if not math.isfinite(v.data):
            raise AnomalyError(f"{_call(v, operands)} is {v.data}, at {line}{_path(v)}", v)

    def sweeping(self, v: Value, adjoint: float) -> None:
        """Check the adjoint of v, and what it passes on."""
        line = self.lines.get(id(v), (v, "a line outside of detect_anomaly"))[1]
        if not math.isfinite(adjoint):
            raise AnomalyError(f"the adjoint of {_call(v, v.operands)} is {adjoint}, at {line}{_path(v)}", v)
        for k, (x, p) in enumerate(zip(v.operands, v.partials(), strict=True)):
            if isinstance(x, Value) and p is not None and not math.isfinite(adjoint * p):
                raise AnomalyError(
                    f"{_call(v, v.operands)} has the derivative {p} by operand {k}, which times the adjoint {adjoint} "
                    f"makes {adjoint * p}, at {line}{_path(v)}",
                    v,
                )


def _user_line() -> str:
    """The nearest line that is not the engine's own."""
    frame = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not (module.startswith("autograd.") and not module.startswith("autograd.testing")):
            return f"{frame.f_code.co_filename}, line {frame.f_lineno}, in {frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return "an unknown line"


def _call(v: Value, operands: tuple[Any, ...]) -> str:
    op = v.op
    if op is None:
        return f"the leaf {v.name or v.data!r}"
    return _print(op, [f"{_float(x)!r}" for x in operands[:8]] + ["..."] * (len(operands) > 8))


def _print(op: Op, texts: list[str]) -> str:
    if op.arity < 0:
        return f"{op.name}({', '.join(texts)})"
    return op.form.format(*texts)


def _path(v: Value) -> str:
    """The way from a node to a leaf, along first operands."""
    steps: list[str] = []
    while v.op is not None and len(steps) < 8:
        steps.append(v.op.name)
        nodes = [x for x in v.operands if isinstance(x, Value)]
        v = nodes[0]
    end = f"the leaf {v.name or repr(v.data)}" if v.op is None else "..."
    return f"; on the path {' <- '.join([*steps, end])}"


def watching() -> bool:
    """Return whether `detect_anomaly` is on in this thread or task."""
    return _watch > 0 and _context.get()[1] is not None


# Listing. -----------------------------------------------------------------------------------------------------------


def program(root: Value) -> str:
    """Return the graph as a straight-line program, one line per node, with value and gradient.

    >>> x = Value(3.0, name="x")
    >>> y = (x * x).log()
    >>> y.backward()
    >>> print(program(y))
    x  = 3.0      # grad 0.666667
    v0 = x * x    # 9, grad 0.111111
    v1 = log(v0)  # 2.19722, grad 1
    """
    return "\n".join(_listing(root))


def print_graph(root: Value, file: Any = None) -> None:
    """Print `program(root)` line by line.

    Args:
        root: the result whose graph is printed.
        file: where to; default the standard output.
    """
    for line in _listing(root):
        print(line, file=file)


def _listing(root: Value) -> Iterator[str]:
    order = topological_order(root)
    taken: dict[str, int] = {}
    for v in order:
        if v.name is not None:
            taken[v.name] = taken.get(v.name, 0) + 1
    names: dict[int, str] = {}
    lines = []
    fresh = leaf = 0
    for v in order:
        name = v.name
        if name is None or taken[name] > 1:
            while True:
                if v.op is None:
                    name, leaf = f"x{leaf}", leaf + 1
                else:
                    name, fresh = f"v{fresh}", fresh + 1
                if name not in taken:
                    break
        names[id(v)] = name
        if v.op is None:
            lines.append((name, repr(v.data), "constant" if v.is_constant else f"grad {v.grad:.6g}"))
        else:
            texts = [names[id(x)] if isinstance(x, Value) else repr(x) for x in v.operands]
            lines.append((name, _print(v.op, texts), f"{v.data:.6g}, grad {v.grad:.6g}"))
    width = max(len(name) for name, _, _ in lines)
    columns = min(60, max(len(text) for _, text, _ in lines))
    for name, text, note in lines:
        yield f"{name:{width}} = {text:{columns}}  # {note}"


# Copies. ------------------------------------------------------------------------------------------------------------


def _copy(twin: Value, v: Value, operands: Sequence[Any]) -> None:
    """Make twin a copy of v on other operands."""
    _fill(twin, v._row, v._data, v._grad, v._name, operands)
    if hasattr(v, "__dict__"):
        twin.__dict__.update(v.__dict__)


def _fill(v: Value, op: Op | None, data: float, grad: float, name: str | None, operands: Sequence[Any]) -> None:
    v._data = data
    v._grad = grad
    v._row = op
    v._name = name
    v._mark = 0
    v._a = v._b = None
    if op is not None and op is not CONSTANT:
        if op.arity == 1:
            v._a = operands[0]
        elif op.arity == 2:
            v._a, v._b = operands[0], operands[1]
        else:
            v._a = tuple(operands)


def _leaf(kind: type[Value], data: float, grad: float, name: str | None, fixed: bool, more: Any) -> Value:
    """Make a leaf or a constant as it was pickled; `more` are the attributes of a subclass."""
    v = kind.__new__(kind)
    _fill(v, None, data, grad, name, ())
    if fixed:
        fix(v)
    if more:
        v.__dict__.update(more)
    return v


def _call_name(v: Value) -> str:
    return v.op.name if v.op is not None else ""


def _flatten(root: Value) -> tuple[Any, ...]:
    """Return the graph under root as flat lists for `_rebuild`.

    Leaves stay objects, so that a pickle of several results keeps the leaves that they share. Operands count leaves
    and then inner nodes; those below zero are places of plain numbers.
    """
    order = topological_order(root)
    leaves = [v for v in order if v.op is None]
    inner = [v for v in order if v.op is not None]
    place = {id(v): i for i, v in enumerate([*leaves, *inner])}
    rows: dict[str, int] = {}
    kinds, counts, operands = [], [], []
    numbers: list[float] = []
    for v in inner:
        kinds.append(rows.setdefault(_call_name(v), len(rows)))
        counts.append(len(v.operands))
        for x in v.operands:
            if isinstance(x, Value):
                operands.append(place[id(x)])
            else:
                numbers.append(x)
                operands.append(-len(numbers))
    names = {i: v.name for i, v in enumerate(inner) if v.name is not None}
    more = getattr(root, "__dict__", None)
    shape = (list(rows), kinds, counts, operands, numbers)
    return leaves, shape, [v.data for v in inner], [v.grad for v in inner], names, more


def _rebuild(
    kind: type[Value],
    leaves: list[Value],
    shape: tuple[list[str], list[int], list[int], list[int], list[float]],
    data: list[float],
    grads: list[float],
    names: dict[int, str],
    more: Any,
) -> Value:
    rows, kinds, counts, operands, numbers = shape
    table = [ops.lookup(row) for row in rows]
    made = list(leaves)
    at = 0
    for i, k in enumerate(kinds):
        v = kind.__new__(kind) if i == len(kinds) - 1 else Value.__new__(Value)
        xs = [made[j] if j >= 0 else numbers[-j - 1] for j in operands[at : at + counts[i]]]
        at += counts[i]
        _fill(v, table[k], data[i], grads[i], names.get(i), xs)
        made.append(v)
    if more:
        made[-1].__dict__.update(more)
    return made[-1]
