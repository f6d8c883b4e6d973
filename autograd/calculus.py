"""Derivatives of Python functions, to any order: the sweeps of `value.py` behind a function's door.

Functions may take scalars, and lists, tuples, dicts and arrays of them, nested; a derivative has the shape of what it
is taken by. Answers are floats. Inside another derivative, or where the function uses Values from outside, they are
nodes, so that the outer derivative sees them: each call makes fresh leaves, and a sweep asks only for those, so a
variable of an outer derivative is never mistaken for one of the inner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from operator import index
from typing import Any, TypeVar

from autograd import ops
from autograd.op import number
from autograd.value import Value, fix, float_adjoints, forward_sweep, recording, reverse_sweep, topological_order

T = TypeVar("T")

# Arguments as trees. ------------------------------------------------------------------------------------------------


def _is_array(x: Any) -> bool:
    return hasattr(x, "ndim") and hasattr(x, "ravel")


def _leaves(tree: Any, what: str) -> list[Any]:
    """Return the numbers in a tree, left to right."""
    if isinstance(tree, Value):
        return [tree]
    if isinstance(tree, dict):
        return [leaf for key in tree for leaf in _leaves(tree[key], what)]
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in _leaves(branch, what)]
    if _is_array(tree) and tree.ndim > 0:
        return [leaf for x in tree.ravel().tolist() for leaf in _leaves(x, what)]
    if _is_array(tree) and isinstance(tree.item(), Value):
        return [tree.item()]
    return [number(tree, what)]


def _leaves_like(tree: Any, other: Any, what: str) -> list[Any]:
    """Return the numbers of another tree in the places of the first; raise ValueError if the shapes differ."""
    if isinstance(tree, dict):
        if not isinstance(other, dict) or set(other) != set(tree):
            raise ValueError(f"{what} must have the keys {list(tree)}, got {other!r}")
        return [leaf for key in tree for leaf in _leaves_like(tree[key], other[key], f"{what}[{key!r}]")]
    if isinstance(tree, list | tuple):
        if not isinstance(other, list | tuple) and not (_is_array(other) and other.ndim > 0):
            raise ValueError(f"{what} must be a sequence of {len(tree)}, got {other!r}")
        if len(other) != len(tree):
            raise ValueError(f"{what} must have {len(tree)} elements, got {len(other)}")
        pairs = enumerate(zip(tree, other, strict=True))
        return [leaf for i, (a, b) in pairs for leaf in _leaves_like(a, b, f"{what}[{i}]")]
    if _is_array(tree) and tree.ndim > 0:
        return _leaves_like(tree.tolist(), other.tolist() if _is_array(other) else other, what)
    if isinstance(other, dict | list | tuple) or (_is_array(other) and other.ndim > 0):
        raise ValueError(f"{what} must be one number, got {other!r}")
    return _leaves(other, what)


def _like(tree: Any, leaves: Sequence[Any]) -> Any:
    """Return a tree of the same shape with other leaves."""
    return _fill(tree, iter(leaves))


def _fill(tree: Any, leaves: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _fill(tree[key], leaves) for key in tree}
    if isinstance(tree, list):
        return [_fill(branch, leaves) for branch in tree]
    if isinstance(tree, tuple):
        branches = [_fill(branch, leaves) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)
    if _is_array(tree) and tree.ndim > 0:
        return _array([next(leaves) for _ in range(tree.size)], tree.shape)
    return next(leaves)


def _array(items: list[Any], shape: tuple[int, ...]) -> Any:
    import numpy as np

    if all(type(x) is float for x in items):
        return np.array(items, dtype=np.float64).reshape(shape)
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out.reshape(shape)


class _Call:
    """One call of a function on fresh leaves."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], argnums: int | Sequence[int], kwargs: Any) -> None:
        self.single = not isinstance(argnums, Sequence)
        places = tuple(map(index, argnums if isinstance(argnums, Sequence) else (argnums,)))
        for k in places:
            if not -len(args) <= k < len(args):
                raise TypeError(
                    f"the derivative of {_name(f)} is by argument {k}, but the call has {len(args)} positional ones"
                )
        if len({k % len(args) for k in places}) < len(places):
            raise ValueError(f"the derivative of {_name(f)} is asked for twice by one argument: argnums={argnums!r}")
        self.what = f"argument of {_name(f)}"
        self.trees = [args[k] for k in places]
        given = [_leaves(tree, self.what) for tree in self.trees]
        # A node from outside goes in through an identity, so that this call's variable is one of its own.
        self.given = [x for leaves in given for x in leaves]
        self.xs = [ops.identity(x) if _flows(x) else Value(x.data if isinstance(x, Value) else x) for x in self.given]
        arguments, at = list(args), 0
        for k, tree, leaves in zip(places, self.trees, given, strict=True):
            arguments[k] = _like(tree, self.xs[at : at + len(leaves)])
            at += len(leaves)
        self.y = f(*arguments, **kwargs)

    def done(self, answer: T) -> T:
        """Return the answer; from now on this call's own leaves are mere numbers to whoever uses it."""
        for x in self.xs:
            if x.is_leaf:
                fix(x)
        return answer

    def shaped(self, leaves: Sequence[Any]) -> Any:
        """Return numbers, one per leaf, in the shape of the arguments."""
        answers, at = [], 0
        for tree in self.trees:
            n = len(_leaves(tree, self.what))
            answers.append(_like(tree, leaves[at : at + n]))
            at += n
        return answers[0] if self.single else tuple(answers)

    def known(self, xs: Sequence[Any]) -> list[Any]:
        """Return nodes as floats if they lead to nothing but this call's own leaves."""
        own = set(map(id, self.xs))
        if any(map(_flows, self.given)):
            return list(xs)
        for x in xs:
            if isinstance(x, Value) and any(v.is_leaf and id(v) not in own for v in topological_order(x)):
                return list(xs)
        return [x.data if isinstance(x, Value) else x for x in xs]


def _flows(x: Any) -> bool:
    """Whether x is a node that somebody further out may differentiate by."""
    return isinstance(x, Value) and not x.is_constant


def _name(f: Callable[..., Any]) -> str:
    return str(getattr(f, "__name__", f))


def _scalar(f: Callable[..., Any], y: Any) -> Any:
    if isinstance(y, Value):
        return y
    if _is_array(y) and y.ndim == 0:
        return _scalar(f, y.item())
    if isinstance(y, list | tuple | dict) or _is_array(y):
        raise TypeError(f"{_name(f)} must return one number, got {y!r}; use jacobian for several")
    if y is None:
        raise TypeError(f"{_name(f)} returned None; does it lack a return?")
    return number(y, f"result of {_name(f)}")


def _wrap(derivative: Callable[..., Any], f: Callable[..., Any], what: str) -> Callable[..., Any]:
    # Under no_grad a derivative is still a derivative: what it records is its own business.
    def recorded(*args: Any, **kwargs: Any) -> Any:
        with recording():
            return derivative(*args, **kwargs)

    update_wrapper(recorded, f)
    recorded.__name__ = f"{what}({_name(f)})"
    return recorded


# Derivatives of graphs. ---------------------------------------------------------------------------------------------


def gradients(y: Value, xs: Any) -> Any:
    """Return dy/dx for nodes of a graph, as nodes that can be differentiated again. No `grad` is touched.

    Args:
        y: the result.
        xs: a node of the graph, or a tree (list, tuple, dict, array) of nodes.

    Returns:
        A Value per node in the shape of xs; a leaf where the derivative is a mere number, such as 0 where y does not
        depend on x.

    >>> x = Value(3.0)
    >>> (dy,) = gradients(x**3, [x])
    >>> (d2y,) = gradients(dy, [x])
    >>> dy.data, d2y.data
    (27.0, 18.0)
    """
    if not isinstance(y, Value):
        raise TypeError(f"gradients(y, xs): y must be a Value, got {y!r}")
    leaves = _leaves(xs, "gradients(y, xs)")
    for x in leaves:
        if not isinstance(x, Value):
            raise TypeError(f"gradients(y, xs): xs must hold Values, got the number {x!r}")
    found = [g if isinstance(g, Value) else Value(g) for g in _adjoints(y, leaves)]
    return _like(xs, found)


def _adjoints(y: Any, xs: Sequence[Value]) -> list[Any]:
    """Return dy/dx as nodes, or floats where they are constant."""
    if not isinstance(y, Value):
        return [0.0] * len(xs)
    order = topological_order(y)
    wanted = {id(x) for x in xs}
    for v in order:
        if id(v) not in wanted and any(id(x) in wanted for x in v.operands if isinstance(x, Value)):
            wanted.add(id(v))
    if id(y) not in wanted:
        return [0.0] * len(xs)
    adjoints = reverse_sweep(order, 1.0, lambda v: v, wanted)
    return [adjoints.get(id(x), 0.0) for x in xs]


def _gradient(call: _Call, y: Any) -> list[Any]:
    """Return dy/dx of a call as floats where nobody outside can want more, else as nodes."""
    if not isinstance(y, Value):
        return [0.0] * len(call.xs)
    fast = float_adjoints(y, call.xs)
    return fast if fast is not None else _adjoints(y, call.xs)


# Derivatives of functions. ------------------------------------------------------------------------------------------


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives f(...) and its gradient.

    Args:
        f: returns one number; its arguments may be scalars, lists, tuples, dicts and arrays.
        argnums: the position, or positions, of the arguments to differentiate by.

    Returns:
        A function with the arguments of f that returns (value, gradient); the gradient has the shape of the argument,
        and is a tuple of such for several argnums.

    Raises:
        TypeError: on calls where f does not return one number, or an argument holds something else.

    >>> value_and_grad(lambda x: x[0] * x[1])([2.0, 3.0])
    (6.0, [3.0, 2.0])
    """

    def derivative(*args: Any, **kwargs: Any) -> Any:
        call = _Call(f, args, argnums, kwargs)
        y = _scalar(f, call.y)
        value = call.known([y])[0]
        return call.done((value, call.shaped(_gradient(call, y))))

    return _wrap(derivative, f, "value_and_grad")


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return the gradient of f as a function; arguments as for `value_and_grad`.

    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    """
    both = value_and_grad(f, argnums)
    return _wrap(lambda *args, **kwargs: both(*args, **kwargs)[1], f, "grad")


def derivative(f: Callable[[Any], Any], order: int = 1) -> Callable[[Any], Any]:
    """Return the derivative of any order of a function of one number.

    Args:
        f: takes one number and returns one.
        order: how many times to differentiate, from 0.

    >>> derivative(lambda x: x**4, order=3)(2.0)
    48.0
    """
    if not isinstance(order, int) or order < 0:
        raise ValueError(f"derivative: order must be a whole number from 0 on, got {order!r}")

    def taken(x: Any) -> Any:
        call = _Call(f, (x,), 0, {})
        if len(call.xs) != 1 or isinstance(x, list | tuple | dict):
            raise TypeError(f"derivative: {_name(f)} must take one number, got {x!r}; use grad or jacobian")
        y = _scalar(f, call.y)
        for _ in range(order):
            (y,) = _adjoints(y, call.xs)
        return call.done(call.known([y])[0])

    return _wrap(taken, f, f"derivative {order}")


def jacobian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return the Jacobian of f as a function: one gradient per result.

    Args:
        f: returns a number, or a list, tuple, dict or array of numbers.
        argnums: as for `value_and_grad`.

    Returns:
        A function whose answer has the shape of the result of f, with a gradient in place of each number; for arrays in
        and out one array of shape (*shape of the result, *shape of the argument).

    >>> jacobian(lambda x: [x[0] * x[1], x[0] + x[1]])([2.0, 3.0])
    [[3.0, 2.0], [1.0, 1.0]]
    """

    def taken(*args: Any, **kwargs: Any) -> Any:
        call = _Call(f, args, argnums, kwargs)
        rows = call.done([_gradient(call, y) for y in _leaves(call.y, f"result of {_name(f)}")])
        if _is_array(call.y) and call.y.ndim and call.single and _is_array(call.trees[0]):
            return _array([x for r in rows for x in r], call.y.shape + call.trees[0].shape)
        if _is_array(call.y) and call.y.ndim:
            return _like(call.y.tolist(), [call.shaped(r) for r in rows])
        return _like(call.y, [call.shaped(r) for r in rows])

    return _wrap(taken, f, "jacobian")


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Return the matrix of second derivatives of f as a function: the Jacobian of its gradient.

    Args:
        f: returns one number.
        argnums: the position of the argument.

    Returns:
        A function; for an array of n numbers its answer is an array (n, n), for a list a list of lists.

    >>> hessian(lambda x: x[0] ** 2 * x[1])([2.0, 3.0])
    [[6.0, 4.0], [4.0, 0.0]]
    """
    return _wrap(jacobian(grad(f, argnums), argnums), f, "hessian")


def _directions(call: _Call, v: Any, what: str) -> dict[int, Any]:
    tangents = _leaves_like(call.trees[0], v, what)
    return {id(x): t if _flows(t) else float(getattr(t, "data", t)) for x, t in zip(call.xs, tangents, strict=True)}


def _tangent(y: Any, seeds: dict[int, Any]) -> Any:
    if not isinstance(y, Value):
        return 0.0
    return forward_sweep(topological_order(y), seeds, lambda v: v).get(id(y), 0.0)


def jvp(f: Callable[..., Any], x: Any, v: Any) -> tuple[Any, Any]:
    """Return f(x) and its derivative along v, by a forward sweep.

    Args:
        f: a function of one argument that returns a number or a tree of numbers.
        x: the argument.
        v: the direction, in the shape of x.

    Returns:
        (f(x), J v), both in the shape of the result.

    >>> jvp(lambda x: x[0] * x[1], [2.0, 3.0], [1.0, 0.0])
    (6.0, 3.0)
    """
    with recording():
        call = _Call(f, (x,), 0, {})
        seeds = _directions(call, v, "jvp: v")
        ys = _leaves(call.y, f"result of {_name(f)}")
        tangents = call.known([_tangent(y, seeds) for y in ys])
        return call.done((_like(call.y, call.known(ys)), _like(call.y, tangents)))


def vjp(f: Callable[..., Any], x: Any, u: Any) -> tuple[Any, Any]:
    """Return f(x) and u J, the gradient of the results weighted by u, by a reverse sweep.

    Args:
        f: a function of one argument that returns a number or a tree of numbers.
        x: the argument.
        u: the weights, in the shape of the result.

    Returns:
        (f(x), u J): the second has the shape of x.

    >>> vjp(lambda x: [x[0] * x[1], x[0]], [2.0, 3.0], [1.0, 10.0])
    ([6.0, 2.0], [13.0, 2.0])
    """
    with recording():
        call = _Call(f, (x,), 0, {})
        ys = _leaves(call.y, f"result of {_name(f)}")
        weighted = ops.dot(ys, _leaves_like(call.y, u, "vjp: u"))
        return call.done((_like(call.y, call.known(ys)), call.shaped(_gradient(call, weighted))))


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """Return the Hessian of f at x times v: a forward sweep along v, and the gradient of that in reverse.

    Args:
        f: a function of one argument that returns one number.
        x: the argument.
        v: the direction, in the shape of x.

    Returns:
        The product, in the shape of x, at a few times the cost of f.

    >>> hvp(lambda x: x[0] ** 2 * x[1], [2.0, 3.0], [1.0, 0.0])
    [6.0, 4.0]
    """
    with recording():
        call = _Call(f, (x,), 0, {})
        along = _tangent(_scalar(f, call.y), _directions(call, v, "hvp: v"))
        return call.done(call.shaped(_gradient(call, along)))
