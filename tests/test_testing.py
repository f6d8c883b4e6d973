"""The checker is itself checked: right gradients pass everywhere, wrong ones fail, and it knows what it cannot know."""

import collections
import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autograd as ag
from autograd import ops
from autograd.testing import GradientError, check_gradient


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def verdict(f, x, **options):
    return check_gradient(f, x, raise_=False, **options).verdict


Pair = collections.namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (rosenbrock, [1.2, -0.7]),
        (rosenbrock, np.array([1.2, -0.7])),
        (lambda x: ag.exp(x.left) * x.right, Pair(0.3, 2.0)),
        (lambda x: x["w"][0] * x["b"] + ag.exp(x["w"][1]), {"w": [1.0, 2.0], "b": 3.0}),
        (lambda x: ag.sum((x @ x).ravel()), np.array([[1.0, 2.0], [0.5, -1.0]])),
        (lambda x: ag.sin(x), 1e6),
        (lambda x: ag.sin(1000 * x), 0.3),
        (ag.log, 1e-8),
        (ag.log, 1e-20),
        (ag.exp, 50.0),
        (lambda x: x * x, 0.0),
        (lambda x: 3.0, 1.0),
        (lambda x: 3.0 + 0 * x, 1.0),
        (lambda x: x**10, 3),
        (ag.ceil, 32.58),
        (lambda x: x * x if x > 1 else x, 1.5),
        (lambda x: ag.sum(v * v for v in x), [float(k) for k in range(8)]),
        (lambda x: 1e8 + ag.sin(x), 0.7),
    ],
)
def test_right_gradients_pass(f, x):
    assert check_gradient(f, x).verdict == "ok"


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (ag.relu, 0.0, "subgradient"),
        (abs, 0.0, "subgradient"),
        (lambda x: ag.maximum(x[0], x[1]), [1.0, 1.0], "subgradient"),
        (lambda x: abs(x[0]) + x[1] ** 2, [0.0, 2.0], "subgradient"),
        (lambda x: 1e16 + x * 1e-3, 1.0, "undecidable"),
        (lambda x: (1 - ag.cos(x)) / (x * x), 1e-4, "undecidable"),
        (ag.floor, 2.0, "undecidable"),
        (ag.log, -1.0, "invalid"),
        (ag.sqrt, 0.0, "invalid"),
        (lambda x: x * x, 1e200, "invalid"),
    ],
)
def test_what_it_cannot_decide_it_says(f, x, expected):
    report = check_gradient(f, x)  # none of these fails
    assert report.verdict == expected
    assert expected in str(report)


@pytest.mark.parametrize("factor", [1.001, 0.999, -1.0, 2.0, 0.0])
@pytest.mark.parametrize("at", [[1.2, -0.7], [1e-3, 5.0], [-40.0, 3.0]])
@pytest.mark.parametrize("k", [0, 1])
def test_wrong_gradients_fail(factor, at, k):
    claim = ag.grad(rosenbrock)(at)
    assert check_gradient(rosenbrock, at, gradient=claim).verdict == "ok"
    claim[k] *= factor
    with pytest.raises(GradientError) as caught:
        check_gradient(rosenbrock, at, gradient=claim)
    assert [x.path for x in caught.value.report.wrong] == [f"x[{k}]"]


def test_message_says_which_where_and_by_how_much():
    f = lambda x: x["w"][2] * x["w"][0] + x["b"]
    f.__name__ = "energy"
    x = {"w": [2.0, 5.0, 7.0], "b": 1.0}
    with pytest.raises(AssertionError) as caught:
        check_gradient(f, x, gradient={"w": [7.0, 0.0, 3.0], "b": 1.0})
    message = str(caught.value)
    assert message.startswith("denergy/dx['w'][2] is 3.0 (gradient), expected 2 +- ")
    assert message.endswith(f"off by 1, at x = {x!r}")
    with pytest.raises(GradientError, match=r"dx\.left is .* \(and 1 more\)"):
        check_gradient(lambda x: x.left * x.right, Pair(2.0, 3.0), gradient=Pair(-3.0, 0.0))
    with pytest.raises(GradientError, match=r"dx\[1, 0\]"):
        check_gradient(lambda x: float((x * x).sum()), np.ones((2, 2)), gradient=np.array([[2.0, 2.0], [9.0, 2.0]]))


def test_wrong_rows_are_found_in_every_mode(table):
    good = lambda x: x**3
    slope = lambda x, y: 3 * x**2
    bad = ops.primitive("bad_first", good, lambda x, y: 3.003 * x**2)
    modes = {x.mode for x in check_gradient(bad, 1.3, raise_=False).wrong}
    assert modes == {"reverse", "forward"}
    # right as a float, wrong as a node: only the second order sees it
    second = ops.primitive("bad_second", good, lambda x, y: slope(x, y) if isinstance(x, float) else 3 * x * x.data)
    report = check_gradient(second, 1.3, raise_=False)
    assert {x.mode for x in report.wrong} == {"second, along x"}
    with pytest.raises(GradientError, match=r"the derivative of d.*second, along x"):
        check_gradient(second, 1.3)
    assert check_gradient(second, 1.3, order=1).verdict == "ok"


def test_claims_at_kinks_and_infinities():
    assert verdict(abs, 0.0, gradient=0.3) == "subgradient"
    assert verdict(abs, 0.0, gradient=1.1) == "wrong"
    assert verdict(math.exp, 0.0, gradient=math.nan) == "wrong"
    assert verdict(math.exp, 0.0, gradient=math.inf) == "wrong"
    assert verdict(lambda x: math.nan, 0.0, gradient=math.nan) == "invalid"
    assert verdict(lambda x: 1.0, 0.0, gradient=1e-3) == "wrong"


def test_gradient_as_a_function_and_plain_numbers():
    seen = set()

    def f(x):
        seen.update(type(v) for v in x)
        return math.sin(x[0]) * x[1]

    gradient = lambda x: [math.cos(x[0]) * x[1], math.sin(x[0])]
    assert check_gradient(f, [0.3, 2.0], gradient=gradient).verdict == "ok"
    assert seen == {float}
    with pytest.raises(ValueError, match="the gradient has 1 numbers, but x has 2"):
        check_gradient(f, [0.3, 2.0], gradient=[1.0])


@pytest.mark.parametrize("op", [op for op in ops.TABLE.values() if op.arity == 1], ids=lambda op: op.name)
def test_no_false_alarm_over_the_table_and_a_thousandth_is_found(op):
    rng = random.Random(op.name)
    low, high = op.domain[0]
    decided = 0
    for _ in range(12):
        x = rng.uniform(max(low, -4.0), min(high, 4.0))
        report = check_gradient(op, x)
        slope = ag.grad(op)(x)
        if slope and report.verdict == "ok":
            decided += 1
            assert verdict(op, x, gradient=1.001 * slope) == "wrong"
    assert decided >= 9 or op.name in ("relu", "sign", "floor", "ceil")


@example([0.0, 2.225073858507e-311], 0.125)
@given(st.lists(st.floats(-3, 3), min_size=2, max_size=5), st.floats(0.1, 3))
def test_no_false_alarm_on_a_program(xs, c):
    def f(v):
        total = v[0] * c
        for a, b in pairwise(v):
            total = total + ag.tanh(a * b + c) * ag.exp(-b * b)
        return total * total

    assert check_gradient(f, xs, directions=2).verdict in ("ok", "undecidable")


def noisy():
    rng = random.Random(0)
    return lambda x: x * rng.random()


def changes(x):
    x[0] = x[0] + 1.0
    return x[0]


def grows(x):
    x.append(1.0)
    return x[0]


def raises(x):
    raise RuntimeError("no luck")


@pytest.mark.parametrize(
    ("f", "x", "error", "message"),
    [
        (lambda x: [x, x], 1.0, TypeError, "must return one number"),
        (lambda x: None, 1.0, TypeError, "must return one number, got None"),
        (lambda x: "7", 1.0, TypeError, "expected a number"),
        (noisy(), 1.0, ValueError, "is not deterministic"),
        (changes, [1.0], ValueError, "changes its argument in place"),
        (grows, [1.0], ValueError, "changes its argument in place"),
        (raises, [1.0], RuntimeError, "no luck"),
        (rosenbrock, [], ValueError, "holds no number"),
        (rosenbrock, ["a", "b"], TypeError, "the text 'a'"),
    ],
)
@pytest.mark.parametrize("plain", [False, True])
def test_bad_functions_are_named(f, x, error, message, plain):
    with pytest.raises(error, match=message):
        check_gradient(f, x, gradient=[0.0] if plain else None)


def test_a_raising_function_says_where():
    with pytest.raises(RuntimeError) as caught:
        check_gradient(raises, [1.0])
    assert "raised by raises at x = [1.0]" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="order is 1 or 2, got 3"):
        check_gradient(abs, 1.0, order=3)


def test_the_argument_is_left_alone():
    x = {"w": [1.0, 2.0], "v": [ag.Value(3.0)]}
    check_gradient(lambda x: x["w"][0] * x["v"][0], x)
    assert x["w"] == [1.0, 2.0]
    assert x["v"][0].grad == 0.0
