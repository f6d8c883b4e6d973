"""Derivatives of functions against closed forms and mpmath: every order, every shape of argument, every nesting."""

import collections
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

import autograd as ag
from autograd import (
    AnomalyError,
    Value,
    constant,
    derivative,
    detect_anomaly,
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    value_and_grad,
    vjp,
)
from autograd.testing import check_gradient

Pair = collections.namedtuple("Pair", "left right")


# Functions of the literature with their gradients. ------------------------------------------------------------------


def rosenbrock(x):
    return ag.sum((1 - a) ** 2 + 100 * (b - a * a) ** 2 for a, b in pairwise(x))


def rosenbrock_gradient(x):
    g = np.zeros(len(x))
    for i in range(len(x) - 1):
        g[i] += -2 * (1 - x[i]) - 400 * x[i] * (x[i + 1] - x[i] ** 2)
        g[i + 1] += 200 * (x[i + 1] - x[i] ** 2)
    return g


A = np.array([[1.0 / (i + j + 1) for j in range(4)] for i in range(4)])
B = np.array([0.01, 0.02, 0.03, 0.04])


def helmholtz(x):
    """The Helmholtz energy of a mixed fluid (Griewank and Walther, Evaluating Derivatives)."""
    bx = ag.dot(B, x)
    ax = ag.sum(A[i, j] * x[i] * x[j] for i in range(4) for j in range(4))
    root = math.sqrt(2.0)
    mixing = ag.sum(v * ag.log(v / (1 - bx)) for v in x)
    return mixing - ax / (root * 2 * bx) * ag.log((1 + (1 + root) * bx) / (1 + (1 - root) * bx))


def helmholtz_gradient(x):
    root, bx, ax = math.sqrt(2.0), B @ x, x @ A @ x
    up, down = 1 + (1 + root) * bx, 1 + (1 - root) * bx
    log = np.log(up / down)
    g = np.log(x / (1 - bx)) + 1 + x.sum() * B / (1 - bx)
    g -= 2 * (A @ x) / (2 * root * bx) * log
    g += ax * B / (2 * root * bx**2) * log
    return g - ax / (2 * root * bx) * ((1 + root) * B / up - (1 - root) * B / down)


def speelpenning(x):
    product = 1.0
    for v in x:
        product = product * v
    return product


def broyden(x):
    padded = [0.0, *x, 0.0]
    terms = (
        ((3 - 2 * padded[i]) * padded[i] - padded[i - 1] - 2 * padded[i + 1] + 1) ** 2 for i in range(1, len(x) + 1)
    )
    return ag.sum(terms)


def broyden_gradient(x):
    n = len(x)
    padded = np.concatenate([[0.0], x, [0.0]])
    r = (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1
    g = 2 * r * (3 - 4 * x)
    g[: n - 1] -= 2 * r[1:]
    g[1:] -= 4 * r[: n - 1]
    return g


LITERATURE = [
    (rosenbrock, rosenbrock_gradient, [-1.2, 1.0, 0.5, 2.0]),
    (helmholtz, helmholtz_gradient, [0.2, 0.5, 1.0, 2.0]),
    (speelpenning, lambda x: np.array([np.prod(np.delete(x, i)) for i in range(len(x))]), [1.5, 0.0, -2.0, 3.0]),
    (speelpenning, lambda x: np.array([np.prod(np.delete(x, i)) for i in range(len(x))]), [1.5, 0.7, -2.0, 3.0]),
    (broyden, broyden_gradient, [-1.0, 0.5, 2.0, -0.3, 1.1]),
]


@pytest.mark.parametrize(("f", "gradient", "x"), LITERATURE)
def test_functions_of_the_literature(f, gradient, x):
    expected = gradient(np.array(x))
    for argument in (x, tuple(x), np.array(x)):
        g = grad(f)(argument)
        assert type(g) is type(argument)
        assert list(g) == pytest.approx(list(expected), rel=1e-12, abs=1e-12)
    value, g = value_and_grad(f)(x)
    assert value == pytest.approx(float(f(np.array(x))), rel=1e-14)
    assert check_gradient(f, x).verdict == "ok"
    assert check_gradient(lambda v: f(np.array(v)), x, gradient=list(expected)).verdict == "ok"
    h = hessian(f)(np.array(x))
    assert h.shape == (len(x), len(x))
    assert h == pytest.approx(h.T, rel=1e-12, abs=1e-12)
    rng = np.random.default_rng(0)
    v, w = rng.normal(size=len(x)), rng.normal(size=len(x))
    assert hvp(f, np.array(x), v) == pytest.approx(h @ v, rel=1e-11, abs=1e-11)
    assert jvp(f, np.array(x), v)[1] == pytest.approx(expected @ v, rel=1e-11)
    assert jvp(grad(f), np.array(x), v)[1] == pytest.approx(h @ v, rel=1e-11, abs=1e-11)  # forward over reverse
    assert hvp(f, np.array(x), w) @ v == pytest.approx(hvp(f, np.array(x), v) @ w, rel=1e-10, abs=1e-10)


# Higher orders and nesting. -----------------------------------------------------------------------------------------

ANALYTIC = [
    (lambda x: ag.exp(ag.sin(x)), lambda x: mp.exp(mp.sin(x)), 0.7),
    (lambda x: x**5 - 2 / x, lambda x: x**5 - 2 / x, 1.3),
    (lambda x: ag.tanh(x) * ag.log(1 + x * x), lambda x: mp.tanh(x) * mp.log(1 + x * x), -0.4),
    (lambda x: ag.sqrt(1 + ag.atan(x) ** 2), lambda x: mp.sqrt(1 + mp.atan(x) ** 2), 0.9),
    (lambda x: x**x, lambda x: x**x, 1.7),
    (lambda x: ag.lgamma(x), lambda x: mp.loggamma(x), 2.2),
    (lambda x: ag.normal_cdf(x) if hasattr(ag, "normal_cdf") else ag.ops.normal_cdf(x), mp.ncdf, 0.3),
]


@pytest.mark.parametrize(("f", "g", "x"), ANALYTIC)
@pytest.mark.parametrize("order", range(6))
def test_derivatives_of_any_order(f, g, x, order):
    with mp.workdps(50):
        true = float(mp.re(mp.diff(g, mpf(x), order)))
    assert derivative(f, order)(x) == pytest.approx(true, rel=1e-10)
    nested = f
    for _ in range(order):
        nested = grad(nested)
    assert float(nested(x)) == pytest.approx(true, rel=1e-10)


def test_no_perturbation_confusion():
    # d/dx [x * d/dy (x + y)] = 1 at any point; confusion of the two perturbations gives 2.
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    # d/dx [x * d/dy (x y)] = d/dx x^2
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6.0
    # the same with the inner point made from the outer variable: d/dx d/dy (x y^2) at y = x: d/dx 2 x^2
    assert grad(lambda x: grad(lambda y: x * y * y)(x))(3.0) == 12.0
    forward = lambda f, x: jvp(f, x, 1.0)[1]
    assert forward(lambda x: x * forward(lambda y: x + y, 1.0), 1.0) == 1.0
    assert forward(lambda x: x * forward(lambda y: x * y, 2.0), 3.0) == 6.0
    assert forward(lambda x: x * grad(lambda y: x + y)(1.0), 1.0) == 1.0
    assert grad(lambda x: x * forward(lambda y: x * y, 2.0))(3.0) == 6.0
    # three deep, with a variable skipped
    assert grad(lambda x: grad(lambda y: grad(lambda z: x * y * z * z)(x))(5.0))(3.0) == 12.0


def test_higher_order_of_a_higher_order_function():
    # Manzyuk et al., Perturbation confusion in forward automatic differentiation: s(u)(f)(x) = f(x + u).
    shift = lambda u: lambda f: lambda x: f(x + u)
    twice = grad(lambda u: shift(u)(lambda v: grad(lambda w: w**3)(v))(2.0))(0.0)
    assert twice == 12.0


def test_closures_over_values_stay_differentiable():
    a = Value(3.0)
    slope = grad(lambda x: a * x * x)(2.0)
    assert isinstance(slope, Value)
    slope.backward()
    assert (slope.data, a.grad) == (12.0, 4.0)
    value, g = value_and_grad(lambda x: a * x)(5.0)
    assert (value.data, g.data) == (15.0, 3.0)
    product = hvp(lambda x: a * x[0] * x[1], [1.0, 2.0], [1.0, 0.0])
    assert [getattr(p, "data", p) for p in product] == [0.0, 3.0]
    total = jvp(lambda x: a * x**3, 2.0, 1.0)[1]
    (da,) = gradients(total, [a])
    assert da.data == 12.0


def test_value_from_outside_as_the_argument():
    a = Value(2.0)
    b = a * 3.0
    slope = grad(lambda x: x**3)(b)
    slope.backward()
    assert (slope.data, a.grad) == (108.0, 2 * 3 * 6.0 * 3.0)
    assert grad(lambda x: x * x)(Value(4.0)).data == 8.0


def test_gradients_of_graphs():
    x, y = Value(2.0), Value(3.0)
    z = x * x * y
    tree = gradients(z, {"x": x, "both": [y, (x, z)]})
    assert tree["x"].data == 12.0
    assert tree["both"][0].data == 4.0
    assert tree["both"][1][1].data == 1.0
    (inner,) = gradients(z, [z.operands[0]])
    assert inner.data == 3.0
    (none,) = gradients(x * 1.0, [y])
    assert (none.data, none.operands) == (0.0, ())
    assert (x.grad, y.grad, z.grad) == (0.0, 0.0, 0.0)
    with pytest.raises(TypeError, match=r"y must be a Value, got 3\.0"):
        gradients(3.0, [x])
    with pytest.raises(TypeError, match="xs must hold Values, got the number"):
        gradients(z, [x, 2.0])


# Shapes. ------------------------------------------------------------------------------------------------------------


def test_shapes_of_gradients():
    assert grad(lambda x: x * x)(3) == 6.0
    assert type(grad(lambda x: x * x)(3)) is float
    assert grad(lambda x: x[0] * x[1])((2.0, 3.0)) == (3.0, 2.0)
    assert grad(lambda x: x.left * x.right)(Pair(2.0, 3.0)) == Pair(3.0, 2.0)
    assert grad(lambda x: x["a"] * x["b"][1])({"a": 2.0, "b": [5.0, 3.0]}) == {"a": 3.0, "b": [0.0, 2.0]}
    assert grad(lambda x: x * x)(np.float32(3.0)) == 6.0
    assert grad(lambda x: x * x)(np.array(3.0)) == 6.0
    g = grad(lambda x: (x * x).sum())(np.arange(6.0).reshape(2, 3))
    assert g.shape == (2, 3)
    assert g.dtype == np.float64
    assert g.tolist() == [[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]
    assert grad(lambda x: ag.sum(x))([]) == []
    assert grad(lambda x: 1.0 * len(x))(np.zeros((0, 2))).shape == (0, 2)


def test_argnums():
    f = lambda a, b, *, c=1.0: a * a * b * c
    assert grad(f, 1)(3.0, 5.0) == 9.0
    assert grad(f, -1)(3.0, 5.0) == 9.0
    assert grad(f, (1, 0))(3.0, 5.0, c=2.0) == (18.0, 60.0)
    assert value_and_grad(f, (0,))(3.0, 5.0) == (45.0, (30.0,))
    assert hessian(f, 0)(3.0, 5.0) == 10.0
    assert hessian(lambda a, b: a * a * b**3, 1)(3.0, 5.0) == 9 * 6 * 5.0
    assert jacobian(lambda a, b: [a * b, b], 1)(2.0, 3.0) == [2.0, 1.0]
    with pytest.raises(TypeError, match="by argument 2, but the call has 2 positional"):
        grad(f, 2)(1.0, 2.0)


def test_argnums_of_trees():
    f = lambda a, b, c: a[0] * b["u"] + a[1] * b["v"] * c + b["u"] ** 2
    a, b = [2.0, 3.0], {"u": 5.0, "v": 7.0}
    da, db, dc = [5.0, 7.0 * 11.0], {"u": 2.0 + 10.0, "v": 3.0 * 11.0}, 21.0
    assert grad(f, (0, 1, 2))(a, b, 11.0) == (da, db, dc)
    assert grad(f, (2, 1, 0))(a, b, 11.0) == (dc, db, da)
    assert grad(f, (1, -1))(np.array(a), b, 11.0) == (db, dc)
    assert jacobian(lambda a, b: [a[0] * b, a[1]], (1, 0))(a, 4.0) == [(2.0, [4.0, 0.0]), (0.0, [0.0, 1.0])]
    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0])
    rows = jacobian(lambda x, y: x * y[:2] + y[2], (0, 1))(x, y)
    assert [[part.tolist() for part in row] for row in rows] == [
        [[3.0, 0.0], [1.0, 0.0, 1.0]],
        [[0.0, 4.0], [0.0, 2.0, 1.0]],
    ]


def test_shapes_of_jacobians():
    f = lambda x: [x[0] * x[1], x[0], 3.0]
    assert jacobian(f)([2.0, 3.0]) == [[3.0, 2.0], [1.0, 0.0], [0.0, 0.0]]
    assert jacobian(lambda x: {"p": x * x, "q": (x, 1.0)})(3.0) == {"p": 6.0, "q": (1.0, 0.0)}
    assert jacobian(lambda x: x * x)(3.0) == 6.0
    m = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    j = jacobian(lambda x: m @ x)(np.array([1.0, -1.0]))
    assert j.dtype == np.float64
    assert j.tolist() == m.tolist()
    assert jacobian(lambda x: np.outer(x, x))(np.array([2.0, 3.0])).shape == (2, 2, 2)
    assert hessian(lambda x: (x * x).sum())(np.ones((2, 2))).shape == (2, 2, 2, 2)
    assert hessian(lambda x: x["a"] * x["b"])({"a": 1.0, "b": 2.0}) == {
        "a": {"a": 0.0, "b": 1.0},
        "b": {"a": 1.0, "b": 0.0},
    }


def test_forward_and_reverse_products():
    f = lambda x: np.array([x[0] * x[1], ag.sin(x[1]), x[0] * x[0] * x[2]])
    x = np.array([1.0, 2.0, 3.0])
    j = jacobian(f)(x)
    v, u = np.array([0.3, -1.0, 2.0]), np.array([1.0, 0.5, -2.0])
    y, jv = jvp(f, x, v)
    assert y.tolist() == [2.0, math.sin(2.0), 3.0]
    assert jv == pytest.approx(j @ v, rel=1e-14)
    y, uj = vjp(f, x, u)
    assert y.tolist() == [2.0, math.sin(2.0), 3.0]
    assert uj == pytest.approx(u @ j, rel=1e-14)
    assert u @ jv == pytest.approx(uj @ v, rel=1e-14)
    assert vjp(lambda x: {"a": x[0] * x[1], "b": 5.0}, [2.0, 3.0], {"a": 10.0, "b": 1.0}) == (
        {"a": 6.0, "b": 5.0},
        [30.0, 20.0],
    )


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=4), st.data())
def test_hessians_are_symmetric_and_products_agree(xs, data):
    v = data.draw(st.lists(st.floats(-2, 2), min_size=len(xs), max_size=len(xs)))

    def f(x):
        y = ag.sin(x[0] * x[-1])
        for a, b in pairwise(x):
            y = y * ag.exp(a * 0.3) + ag.tanh(a * b) * ag.log1p(b * b)
        return y

    h = np.array(hessian(f)(xs))
    size = np.abs(h).max() + 1.0
    assert np.abs(h - h.T).max() <= 1e-13 * size
    assert np.array(hvp(f, xs, v)) == pytest.approx(h @ np.array(v), rel=1e-12, abs=1e-12 * size)
    assert np.array(jvp(grad(f), xs, v)[1]) == pytest.approx(h @ np.array(v), rel=1e-12, abs=1e-12 * size)
    assert jvp(f, xs, v)[1] == pytest.approx(float(np.dot(grad(f)(xs), v)), rel=1e-12, abs=1e-12 * size)


# Constants, plain numbers and errors. -------------------------------------------------------------------------------


def test_functions_that_do_not_depend_on_their_argument():
    for f in (lambda x: 3.0, lambda x: 3, lambda x: np.float64(3.0), lambda x: 0 * x, lambda x: Value(3.0)):
        assert float(getattr(grad(f)(2.0), "data", grad(f)(2.0))) == 0.0
    assert value_and_grad(lambda x: 7)([1.0, 2.0]) == (7.0, [0.0, 0.0])
    assert hessian(lambda x: x[0])([1.0, 2.0]) == [[0.0, 0.0], [0.0, 0.0]]
    assert jvp(lambda x: 5.0, 1.0, 1.0) == (5.0, 0.0)
    assert hvp(lambda x: 5.0, [1.0], [1.0]) == [0.0]
    assert derivative(lambda x: 5.0, 2)(1.0) == 0.0
    assert grad(lambda x: x)(4.0) == 1.0
    assert value_and_grad(lambda x: np.array(x * 2, dtype=object))(4.0) == (8.0, 2.0)


def test_control_flow_is_pythons():
    def f(x):
        y = x
        while y < 100:
            y = y * x
        return y if x > 2 else -y

    assert grad(f)(3.0) == 5 * 3.0**4
    assert grad(f)(2.0) == -7 * 2.0**6


def test_documented_wrapping():
    def energy(x):
        """The energy."""
        return x * x

    assert grad(energy).__doc__ == "The energy."
    assert grad(energy).__name__ == "grad(energy)"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: grad(lambda x: [x, x])(1.0), TypeError, "must return one number.*use jacobian"),
        (lambda: grad(lambda x: np.array([x, x]))(1.0), TypeError, "must return one number"),
        (lambda: grad(lambda x: None)(1.0), TypeError, "returned None; does it lack a return"),
        (lambda: grad(lambda x: "y")(1.0), TypeError, "the text 'y'"),
        (lambda: grad(lambda x: x)("3"), TypeError, r"argument of <lambda>: expected a number, got the text '3'"),
        (lambda: grad(lambda x: x)([1.0, None]), TypeError, "got NoneType"),
        (lambda: grad(lambda x: x)(1j), TypeError, "complex"),
        (lambda: grad(lambda x: x)(), TypeError, "the call has 0 positional"),
        (lambda: derivative(lambda x: x, -1), ValueError, "order must be a whole number from 0 on, got -1"),
        (lambda: derivative(lambda x: x, 1.5), ValueError, "got 1.5"),
        (lambda: derivative(lambda x: x[0])([1.0]), TypeError, "must take one number"),
        (lambda: jvp(lambda x: x[0], [1.0, 2.0], [1.0]), ValueError, "jvp: v must have 2 elements, got 1"),
        (lambda: hvp(lambda x: x[0], [1.0], [1.0, 2.0]), ValueError, "hvp: v must have 1 elements, got 2"),
        (lambda: vjp(lambda x: [x, x], 1.0, [1.0]), ValueError, "vjp: u must have 2 elements, got 1"),
        (lambda: jacobian(lambda x: [x, "a"])(1.0), TypeError, "the text 'a'"),
    ],
)
def test_errors_name_the_thing(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_no_grad_of_the_callers_values_is_touched():
    a = Value(3.0)
    grad(lambda x: a * x)(2.0)
    hessian(lambda x: a * x[0] * x[1])([1.0, 2.0])
    assert a.grad == 0.0


# Contexts, shapes and what is nested. -------------------------------------------------------------------------------


def test_a_constant_argument_is_a_number_like_any_other():
    for x in (constant(2.0), Value(2.0).detach()):
        assert grad(lambda t: t**3)(x) == 12.0
        assert jvp(lambda t: t**3, x, 1.0) == (8.0, 12.0)
        assert jvp(lambda t: t**3, 2.0, constant(1.0)) == (8.0, 12.0)


def test_a_derivative_under_no_grad_is_still_a_derivative():
    def cube(t):
        return t**3

    with no_grad():
        found = grad(cube)(2.0), jvp(cube, 2.0, 1.0)[1], hvp(cube, 2.0, 1.0), derivative(cube, 2)(2.0)
        found += vjp(cube, 2.0, 1.0)[1], jacobian(lambda t: [cube(t)])(2.0)[0]
        assert (Value(1.0) * 2.0).operands == ()  # and the context goes on
    assert found == (12.0, 12.0, 12.0, 12.0, 12.0, 12.0)


def test_no_grad_inside_the_function_counts():
    def f(t):
        with no_grad():
            held = t * t
        return held * t

    assert grad(f)(3.0) == 9.0


@pytest.mark.parametrize(
    "nested",
    [
        lambda a: grad(lambda b: a * b * b)(3.0),
        lambda a: jvp(lambda b: a * b * b, 3.0, 1.0)[1],
        lambda a: vjp(lambda b: a * b * b, 3.0, 1.0)[1],
        lambda a: hvp(lambda b: a * b**3, 3.0, 1 / 3),
        lambda a: derivative(lambda b: a * b * b)(3.0),
        lambda a: jacobian(lambda b: [a * b * b])(3.0)[0],
    ],
)
def test_a_nested_derivative_gives_a_float(nested):
    g = grad(nested)(2.0)
    assert type(g) is float
    assert g == pytest.approx(6.0, rel=1e-15)


def test_directions_go_by_key_and_shape():
    def f(p):
        return p["a"] ** 2 + 10 * p["b"] ** 2

    at = {"a": 1.0, "b": 1.0}
    assert hvp(f, at, {"b": 1.0, "a": 0.0}) == {"a": 0.0, "b": 20.0}
    assert jvp(f, at, {"b": 1.0, "a": 0.0})[1] == 20.0
    assert vjp(lambda t: {"a": t, "b": 10 * t}, 1.0, {"b": 1.0, "a": 0.0})[1] == 10.0
    for x, v in [
        (np.ones((2, 3)), np.ones((3, 2))),
        (np.ones((2, 2)), np.ones(4)),
        ([1.0, 2.0], [[1.0], [0.0]]),
        ([1.0, 2.0], [1.0]),
        ({"a": 1.0}, {"b": 1.0}),
        (1.0, [1.0]),
    ]:
        with pytest.raises(ValueError, match=r"^hvp: v"):
            hvp(lambda t: 1.0, x, v)


def test_one_argument_twice_is_refused():
    for argnums in ((0, 0), (0, -1)):
        with pytest.raises(ValueError, match="twice"):
            grad(lambda a: a * a, argnums)(3.0)


@pytest.mark.parametrize(
    "inner",
    [
        lambda x: value_and_grad(lambda y: y**3)(x)[0],
        lambda x: vjp(lambda y: y**3, x, 1.0)[0],
        lambda x: jvp(lambda y: y**3, x, 1.0)[0],
        lambda x: jvp(lambda y: y**3, 2.0, x)[1],
        lambda x: vjp(lambda y: y**3, 2.0, x)[1],
        lambda x: hvp(lambda y: y**3, 1.0, 2 * x),
        lambda x: hvp(lambda y: y**4, x, 1 / x),
    ],
)
def test_an_outer_derivative_sees_values_points_and_directions(inner):
    slope = grad(inner)(2.0)  # of x^3 or of 12 x
    assert type(slope) is float
    assert slope == pytest.approx(12.0, rel=1e-14)


def test_a_derivative_is_watched_for_anomalies():
    for derivative_of in (grad, lambda f: lambda x: jvp(f, x, 1.0)):
        with pytest.raises(AnomalyError, match=r"log\(0.0\) is -inf"), detect_anomaly():
            derivative_of(lambda x: ag.log(x - 2.0))(2.0)
