"""Op, the type of a row of the table in `ops.py`: a function with its partial derivatives.

A row is called like a function. What it does depends on the type of its arguments: floats give a float, nodes of
a graph give a node, arrays give an array, and any other number type can join through `register`. The methods
`call1` to `slope2b` are what the sweeps call; a build with a C compiler overrides them per row with native code made
from the same lines (see `_generate.py`).
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any

#: The partial of an argument that does not reach the result at all, as in the branch that `where` did not take.
#: It is a mark and not a number: a sweep that meets it passes nothing on, not even 0 * nan. (As a float it travels
#: through native code and arrays; the value is a normal double that no formula produces.)
ABSENT: float = float.fromhex("0x1.dead0ab5e17p-1022")

#: How `Op.__call__` treats arguments of a type: handler(op, arguments) -> result.
HANDLERS: dict[type, Callable[[Op, tuple[Any, ...]], Any]] = {}

#: Arity of rows that take one sequence of any length.
VARIADIC = -1


class Op:
    """A primitive operation: its value and one partial derivative per argument, written once.

    Args:
        name: the function's name.
        value: takes floats, returns a float (a `VARIADIC` row: takes one list of floats).
        partials: one formula per argument, called with the arguments and then the result, written with the engine's
            own operators so that it serves floats, nodes and arrays alike. A `VARIADIC` row has one formula
            `(xs, y) -> list`.
        arity: number of arguments, or `VARIADIC`.
        domain: per argument the open interval in which the row is differentiable.
        kinks: true at points inside the domain where a convention stands in for the derivative.
        form: how a call is printed, such as ``"{0} + {1}"``.
        note: the convention at kinks and edges, for the documentation.
        pack: of a `VARIADIC` row, turns the arguments of a call into the one list that the row takes.
        exact: what the value means at any precision, for rows whose value is code on floats and no function of the
            C library: one line ``lambda m, x: ...`` in the functions m of mpmath; see `autograd.exact`.
    """

    __slots__ = ("arity", "domain", "exact", "form", "infix", "kinks", "name", "note", "pack", "partials", "value")

    def __init__(
        self,
        name: str,
        value: Callable[..., float],
        partials: Any,
        arity: int = 1,
        domain: tuple[tuple[float, float], ...] = (),
        kinks: Callable[..., Any] | None = None,
        form: str = "",
        note: str = "",
        pack: Callable[..., list[Any]] | None = None,
        exact: Callable[..., Any] | None = None,
    ) -> None:
        self.name = name
        self.value = value
        self.partials = partials
        self.arity = arity
        self.domain = domain
        self.kinks = kinks
        self.infix = bool(form)
        self.form = form or name + "(" + ", ".join(f"{{{i}}}" for i in range(max(arity, 1))) + ")"
        self.note = note
        self.pack = pack or one_sequence
        self.exact = exact

    @property
    def symbol(self) -> str:
        """The short label of diagrams: the operator's sign, or the name."""
        return self.form.format("", "", "").strip() if self.infix else self.name

    def __call__(self, *args: Any) -> Any:
        """Apply the operation to floats, nodes, arrays or any registered type of number."""
        if len(args) == 1 and self.arity == 1:
            x = args[0]
            if type(x) is float:
                return self.call1(x)
            if type(x) is _node_type:
                return _made_by(self, x)
        return apply(self, args)

    # What the sweeps call. An edge such as 1/0 makes Python raise where IEEE arithmetic has a value: then the same
    # line is read once more with numbers that never raise.

    def call1(self, x: float) -> float:
        """Value of a one-argument row."""
        try:
            y = self.value(x)
        except (ZeroDivisionError, OverflowError):
            y = self.value(Ieee(x))
        return y if type(y) is float else self._real(y, (x,))

    def call2(self, a: float, b: float) -> float:
        """Value of a two-argument row."""
        try:
            y = self.value(a, b)
        except (ZeroDivisionError, OverflowError):
            y = self.value(Ieee(a), Ieee(b))
        return y if type(y) is float else self._real(y, (a, b))

    def _real(self, y: Any, xs: Any) -> float:
        """Return what a formula gave as a float; Python's own power of a negative number is complex, IEEE's is nan."""
        if isinstance(y, complex):
            y = self.value(*map(Ieee, xs))
        try:
            return float(y)
        except TypeError:
            raise TypeError(f"the operation {self.name} must give a number, but at {xs} it gave {y!r}") from None

    def slope1(self, x: float, y: float) -> float:
        """Partial of a one-argument row, `ABSENT` included."""
        try:
            return self._slope(self.partials[0](x, y))
        except (ZeroDivisionError, OverflowError):
            return float(self.partials[0](Ieee(x), Ieee(y)))

    def slope2a(self, a: float, b: float, y: float) -> float:
        """Partial of a two-argument row with respect to the first."""
        try:
            return self._slope(self.partials[0](a, b, y))
        except (ZeroDivisionError, OverflowError):
            return float(self.partials[0](Ieee(a), Ieee(b), Ieee(y)))

    def slope2b(self, a: float, b: float, y: float) -> float:
        """Partial of a two-argument row with respect to the second."""
        try:
            return self._slope(self.partials[1](a, b, y))
        except (ZeroDivisionError, OverflowError):
            return float(self.partials[1](Ieee(a), Ieee(b), Ieee(y)))

    def _slope(self, p: Any) -> float:
        if type(p) is float:
            return p
        if isinstance(p, complex):
            return math.nan
        try:
            return float(p)
        except TypeError:
            raise TypeError(f"a derivative of {self.name} must be a number or ABSENT, got {p!r}") from None

    def call(self, xs: Any) -> float:
        """Value for a sequence of floats, whatever the arity."""
        if self.arity < 0:
            return float(self.value(xs))
        if self.arity == 1:
            return self.call1(xs[0])
        if self.arity == 2:
            return self.call2(xs[0], xs[1])
        try:
            y = self.value(*xs)
        except (ZeroDivisionError, OverflowError):
            y = self.value(*map(Ieee, xs))
        return y if type(y) is float else self._real(y, xs)

    def slopes(self, xs: Any, y: Any, wanted: Any = None) -> list[Any]:
        """Return the partials for a sequence of arguments (numbers of any type) and the result.

        Args:
            xs: the arguments.
            y: the result.
            wanted: per argument whether its partial is needed; the others are `ABSENT`. Default all.
        """
        try:
            return self._slopes(xs, y, wanted)
        except (ZeroDivisionError, OverflowError):
            xs, y = ([Ieee(x) if type(x) is float else x for x in xs], Ieee(y) if type(y) is float else y)
            return [float(p) if type(p) is Ieee else p for p in self._slopes(xs, y, wanted)]

    def _slopes(self, xs: Any, y: Any, wanted: Any) -> list[Any]:
        if self.arity < 0:
            return list(self.partials(xs, y))
        return [p(*xs, y) if wanted is None or wanted[k] else ABSENT for k, p in enumerate(self.partials)]

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        from autograd import ops

        return (ops.lookup, (self.name,))


def _no_node(op: Op, x: Any) -> Any:
    raise TypeError(f"{op.name}: no type of node is installed")


# The one type of node with a short way to its one-argument operations.
_node_type: Any = Op
_made_by: Callable[[Op, Any], Any] = _no_node


def install(node_type: type, made_by: Callable[[Op, Any], Any]) -> None:
    """Let `Op.__call__` make nodes of this type directly; `Value` does so on import."""
    global _node_type, _made_by
    _node_type = node_type
    _made_by = made_by


class Ieee(float):
    """A float whose division and power follow IEEE 754 where Python's raise: 1/0 is inf, 0/0 is nan."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return _ieee(float.__add__(self, other))

    def __sub__(self, other: Any) -> Any:
        return _ieee(float.__sub__(self, other))

    def __rsub__(self, other: Any) -> Any:
        return _ieee(float.__rsub__(self, other))

    def __mul__(self, other: Any) -> Any:
        return _ieee(float.__mul__(self, other))

    def __neg__(self) -> Any:
        return Ieee(float.__neg__(self))

    def __truediv__(self, other: Any) -> Any:
        return Ieee(divide(self, other)) if isinstance(other, float | int) else NotImplemented

    def __rtruediv__(self, other: Any) -> Any:
        return Ieee(divide(other, self)) if isinstance(other, float | int) else NotImplemented

    def __pow__(self, other: Any, mod: None = None) -> Any:
        return Ieee(power(self, other)) if isinstance(other, float | int) else NotImplemented

    def __rpow__(self, other: Any, mod: None = None) -> Any:
        return Ieee(power(other, self)) if isinstance(other, float | int) else NotImplemented

    __radd__ = __add__
    __rmul__ = __mul__


def _ieee(result: Any) -> Any:
    return result if result is NotImplemented else Ieee(result)


def divide(a: float, b: float) -> float:
    """Return a/b as IEEE 754 defines it: x/0 is an infinity, 0/0 is nan."""
    if b:
        return float(a) / float(b)
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def power(a: float, b: float) -> float:
    """Return a**b as C's pow: a negative base with a broken exponent is nan, 0**-1 is inf, overflow is inf."""
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        if a == 0:
            return math.copysign(math.inf, a) if b % 2 == 1 else math.inf
        return math.nan


power.c = "pow"  # type: ignore[attr-defined]


def register(kind: type, handler: Callable[[Op, tuple[Any, ...]], Any]) -> None:
    """Let every row accept a further type of number.

    Args:
        kind: the type.
        handler: called as handler(op, arguments) whenever an argument is of this type.
    """
    HANDLERS[kind] = handler


def apply(op: Op, args: tuple[Any, ...]) -> Any:
    """Apply a row to arguments of any supported type; the general way behind `Op.__call__`."""
    if op.arity < 0:
        args = tuple(op.pack(*args))
    elif len(args) != op.arity:
        raise TypeError(f"{op.name}() takes {op.arity} argument{'s' * (op.arity != 1)}, got {len(args)}")
    array = False
    # Floats and nodes are what they are; only others may be an array without dimensions, around a number or a node.
    args = tuple([x if type(x) is float or type(x) in HANDLERS else _unwrapped(x) for x in args])
    chosen = None
    for x in args:
        if type(x) is float:
            continue
        for kind in type(x).__mro__:
            handler = HANDLERS.get(kind)
            if handler is not None and (chosen is None or getattr(kind, "takes_nodes", False)):
                chosen = handler
                break
        if chosen is not None:
            continue
        package = type(x).__module__.partition(".")[0]
        if package in ("mpmath", "flint"):
            from autograd import exact

            exact.admit(package)
            chosen = HANDLERS.get(type(x), chosen)
            continue
        array = array or (hasattr(x, "ndim") and hasattr(x, "dtype") and x.ndim > 0)
    if chosen is not None:
        return chosen(op, args)
    if array:
        from autograd import batch

        return batch.elementwise(op, args)
    floats = [x if type(x) is float else number(x, op.name) for x in args]
    return op.call(floats)


def _unwrapped(x: Any) -> Any:
    return x.item() if getattr(x, "ndim", None) == 0 and hasattr(x, "item") else x


def one_sequence(*args: Any) -> list[Any]:
    """Return the numbers of the one sequence (any iterable, an array of any shape) that a variadic row takes."""
    if len(args) > 1 and any(hasattr(x, "__iter__") for x in args):
        raise TypeError("this operation takes one sequence of numbers; for an axis of an array use NumPy's function")
    (xs,) = args if len(args) == 1 else (args,)
    if isinstance(xs, str) or not hasattr(xs, "__iter__") or getattr(xs, "ndim", 1) == 0:
        raise TypeError(f"expected a sequence of numbers, got {xs!r}")
    return list(xs.ravel().tolist() if hasattr(xs, "ravel") else xs)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known names that are spelled like this one, or nothing."""
    import difflib

    close = difflib.get_close_matches(name, list(known))
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def number(x: Any, where: str) -> float:
    """Return x as a float if it is a real number of any kind (int, bool, NumPy scalar), else raise TypeError.

    Args:
        x: anything.
        where: the operation's name, for the message.
    """
    if isinstance(x, numbers.Real) or (hasattr(x, "dtype") and x.ndim == 0 and x.dtype.kind in "fiub"):
        try:
            return float(x)
        except OverflowError:
            raise OverflowError(f"{where}: the number is too large for a double: {str(x)[:20]}...") from None
    if isinstance(x, complex):
        raise TypeError(f"{where}: complex numbers are not supported, got {x!r}; use its real and imaginary parts")
    if isinstance(x, str):
        raise TypeError(f"{where}: expected a number, got the text {x!r}; convert it with float() first")
    raise TypeError(f"{where}: expected a number or a Value, got {type(x).__name__}: {x!r}")


def _apply_ieee(op: Op, args: tuple[Any, ...]) -> Ieee:
    return Ieee(op.call([float(x) for x in args]))


register(Ieee, _apply_ieee)
