"""A formula over arrays: the rows of the table applied element by element, and differentiated so.

`differentiate` records a formula once on arrays and sweeps it in reverse: every element of a result is a function of
the same element of the columns. Nets use it for activations and losses given as formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import ops
from autograd.op import ABSENT, HANDLERS, Op, register
from autograd.value import reverse_sweep

Array = NDArray[np.float64]

#: NumPy's functions of other names than the rows'.
_UFUNC = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "pow": "power", "add": "add", "sub": "subtract", "mul": "multiply", "div": "divide",
    "neg": "negative", "mod": "mod",
}  # fmt: skip
_UFUNC |= {
    name: name
    for name in (
        *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "square", "reciprocal", "hypot"),
        *("sin", "cos", "tan", "sinh", "cosh", "tanh", "floor", "ceil", "abs", "fmod"),
    )
}


def elementwise(op: Op, args: Sequence[Any]) -> Any:
    """Apply a row to arrays element by element, broadcasting.

    Args:
        op: the row.
        args: numbers and arrays, of floats or of objects such as Values.

    Returns:
        An array, of floats where all elements are numbers. Elements that differ from what the row gives for a float do
        so by rounding alone.

    Raises:
        TypeError: if an array holds something else than numbers, or a variadic row is given columns.
    """
    arrays = [x if type(x) in HANDLERS else np.asarray(x) for x in args]
    if any(a.dtype == object for a in arrays if isinstance(a, np.ndarray)) or any(type(x) in HANDLERS for x in arrays):
        return _each(op, args)
    for a in arrays:
        if a.dtype.kind not in "fiub":
            raise TypeError(f"{op.name}: expected an array of real numbers, got one of {a.dtype}")
    numbers = [a if op is ops.where and k == 0 else a.astype(np.float64, copy=False) for k, a in enumerate(arrays)]
    return evaluate(op, numbers)


def evaluate(op: Op, arrays: Sequence[Any]) -> Array:
    """Return a row's values on float arrays: NumPy's function of this meaning, the row's own formula, or one by one."""
    with np.errstate(all="ignore"):
        if op is ops.where:
            return np.asarray(np.where(np.asarray(arrays[0]) != 0, arrays[1], arrays[2]))
        if op in _NORMAL:
            return _NORMAL[op](np.abs(np.asarray(arrays[0], dtype=np.float64)))
        if op.name in _UFUNC and ops.TABLE[op.name] is op:
            return getattr(np, _UFUNC[op.name])(*arrays)  # type: ignore[no-any-return]
        if op.arity < 0:
            return _variadic(op, arrays)
        if getattr(op.value, "__name__", "") == "<lambda>":
            try:
                return np.asarray(op.value(*arrays), dtype=np.float64)
            except (TypeError, ValueError):
                pass  # a formula that is not one for arrays, such as one that branches
        floats = [np.asarray(a, dtype=np.float64) for a in arrays]
        result = np.frompyfunc(lambda *xs: op.call([float(x) for x in xs]), op.arity, 1)(*floats)
        return np.asarray(result, dtype=np.float64)


def _exp_minus_square(x: Array, scale: float) -> Array:
    """Return exp(-scale x^2) for x >= 0, by the split of `special`, on whole arrays."""
    hi = np.floor(np.minimum(x, 60.0) * 2.0**20) * 2.0**-20
    result: Array = np.exp(-scale * (hi * hi)) * np.exp(-scale * (x - hi) * (x + hi))
    return result


_NORMAL: dict[Op, Callable[[Array], Array]] = {
    ops.gaussian: lambda x: _exp_minus_square(x, 1.0),
    ops.normal_pdf: lambda x: _exp_minus_square(x, 0.5) / np.sqrt(2.0 * np.pi),
}


def _variadic(op: Op, columns: Sequence[Any]) -> Array:
    stack = np.stack(np.broadcast_arrays(*[np.asarray(c, dtype=np.float64) for c in columns]))
    if op is ops.sum:
        return stack.sum(axis=0)  # type: ignore[no-any-return]
    if op is ops.mean:
        return stack.mean(axis=0)  # type: ignore[no-any-return]
    if op is ops.logsumexp:
        top = stack.max(axis=0)
        shift = np.where(np.isfinite(top), top, 0.0)
        return shift + np.log(np.exp(stack - shift).sum(axis=0))  # type: ignore[no-any-return]
    return np.apply_along_axis(lambda xs: op.call(xs.tolist()), 0, stack)


def _each(op: Op, args: Sequence[Any]) -> Any:
    arrays = np.broadcast_arrays(*[_object(x) for x in args])
    out = np.empty(arrays[0].shape, dtype=object)
    for i in np.ndindex(out.shape):
        out[i] = op(*[a[i] for a in arrays])
    return out


def _object(x: Any) -> NDArray[np.object_]:
    if isinstance(x, np.ndarray):
        return x.astype(object)
    cell = np.empty((), dtype=object)
    cell[()] = x
    return cell


class Column(ops.Operators):
    """A node whose number is an array, one element per sample; made by `differentiate`."""

    __slots__ = ("data", "op", "operands", "tape")
    __array_ufunc__ = None  # array + column is the column's business
    __hash__ = object.__hash__

    def __init__(self, data: Array, op: Op | None, operands: tuple[Any, ...], tape: list[Column]) -> None:
        self.data = data
        self.op = op
        self.operands = operands
        self.tape = tape
        tape.append(self)

    def __getattr__(self, name: str) -> Any:
        operation = ops.TABLE.get(name)
        if operation is None or operation.arity < 0 or name.startswith("__"):
            raise AttributeError(f"a column has no attribute {name!r}, and no operation of one number has this name")
        return lambda *others: operation(self, *others)

    def __bool__(self) -> bool:
        raise TypeError(_BRANCH)

    __lt__ = lambda a, b: Condition(a.data < _data(b))
    __le__ = lambda a, b: Condition(a.data <= _data(b))
    __gt__ = lambda a, b: Condition(a.data > _data(b))
    __ge__ = lambda a, b: Condition(a.data >= _data(b))

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return Condition(self.data == _data(other))

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return Condition(self.data != _data(other))


_BRANCH = (
    "this formula runs on whole arrays, where a condition is true for some elements and false for others: "
    "write autograd.where(condition, a, b) instead of if, and & | instead of and, or"
)


class Condition:
    """A comparison of columns, element by element; `where` takes it."""

    __slots__ = ("data",)

    def __init__(self, data: NDArray[np.bool_]) -> None:
        self.data = data

    def __bool__(self) -> bool:
        raise TypeError(_BRANCH)

    def __and__(self, other: Any) -> Condition:
        return Condition(self.data & _data(other))

    def __or__(self, other: Any) -> Condition:
        return Condition(self.data | _data(other))

    def __invert__(self) -> Condition:
        return Condition(~self.data)

    __rand__ = __and__
    __ror__ = __or__


def _data(x: Any) -> Any:
    return x.data if isinstance(x, Column | Condition) else x


def _build(op: Op, args: tuple[Any, ...]) -> Any:
    tape = next((x.tape for x in args if isinstance(x, Column)), None)
    numbers = [_data(x) for x in args]
    data = evaluate(op, numbers)
    if tape is None:
        return data
    operands = tuple(x if isinstance(x, Column) else n for x, n in zip(args, numbers, strict=True))
    return Column(data, op, operands, tape)


register(Column, _build)
register(Condition, _build)


def apply(f: Callable[..., Any], *columns: Any) -> Array:
    """Apply a formula to arrays element by element; see `differentiate`, of which it is the first result."""
    leaves = _leaves(columns)
    return _values(f, f(*leaves), leaves)


def differentiate(f: Callable[..., Any], *columns: Any, absent: float = 0.0) -> tuple[Array, list[Array]]:
    """Apply a formula to arrays element by element, with its derivative by each argument.

    Args:
        f: a formula in the operations of `autograd`, of as many arguments as there are columns.
        columns: arrays of one shape.
        absent: what stands for the derivative where an argument does not reach the result, such as `ABSENT`.

    Returns:
        The values, and per column the array of partial derivatives.

    Raises:
        TypeError: if f branches on its arguments, or returns something else than one number per element.

    >>> y, (dy,) = differentiate(lambda x: x * x, np.array([1.0, 2.0]))
    >>> y.tolist(), dy.tolist()
    ([1.0, 4.0], [2.0, 4.0])
    """
    leaves = _leaves(columns)
    y = f(*leaves)
    values = _values(f, y, leaves)
    if not isinstance(y, Column):
        return values, [np.full(values.shape, absent) for _ in leaves]
    tape = y.tape
    order = tape[: next(i for i, v in enumerate(tape) if v is y) + 1]
    with np.errstate(all="ignore"):
        adjoints = reverse_sweep(order, np.ones(values.shape), lambda v: v.data, times=times, plus=plus)
        found = [np.asarray(adjoints.get(id(leaf), ABSENT)) for leaf in leaves]
    slopes = [np.broadcast_to(np.where(g == ABSENT, absent, g), values.shape).astype(np.float64) for g in found]
    return values, slopes


def _leaves(columns: Sequence[Any]) -> list[Column]:
    tape: list[Column] = []
    return [Column(np.asarray(c, dtype=np.float64), None, (), tape) for c in columns]


def _values(f: Callable[..., Any], y: Any, leaves: Sequence[Column]) -> Array:
    """Return what a formula gave for columns as an array of their shape; refuse what is not a number per element."""
    shape = np.broadcast_shapes(*[leaf.data.shape for leaf in leaves])
    if y is None:
        raise TypeError(f"the formula {getattr(f, '__name__', f)!r} returned None; does it lack a return?")
    if isinstance(y, Column):
        return np.broadcast_to(y.data, shape).copy()
    try:
        return np.broadcast_to(np.asarray(y, dtype=np.float64), shape).copy()
    except (TypeError, ValueError):
        raise TypeError(
            f"the formula {getattr(f, '__name__', f)!r} must return one number per element, got {y!r}"
        ) from None


def times(g: Any, p: Any) -> Any:
    """Return g * p, ABSENT in the lanes where either is: such a lane passes nothing on, not even inf * 0."""
    absent = np.equal(g, ABSENT) | np.equal(p, ABSENT)
    return np.where(absent, ABSENT, g * p) if absent.any() else g * p


def plus(a: Any, b: Any) -> Any:
    """Return a + b lane by lane, and the other alone where one is ABSENT."""
    if a is None:
        return b
    return np.where(np.equal(a, ABSENT), b, np.where(np.equal(b, ABSENT), a, a + b))


def slope(op: Op, x: Array, y: Array) -> Array:
    """Return the derivative of a one-argument row on an array, given the values y of the row on x."""
    with np.errstate(all="ignore"):
        p = np.asarray(op.partials[0](x, y), dtype=np.float64)
    return np.broadcast_to(np.where(p == ABSENT, 0.0, p), x.shape)
