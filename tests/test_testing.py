"""The checker is itself checked: right gradients pass everywhere, wrong ones fail, and it knows what it cannot know."""

import collections
import itertools
import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autograd as ag
from autograd import Net, ops
from autograd.testing import GradientError, check_gradient, check_graph, check_net, check_op, rows


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
        (lambda x: 1e16 + x * 1e-3, 1.0),
        (lambda x: (1e60 + x) - 1e60, 1.0),
        (lambda x: ag.logaddexp(x[0], x[1]), [1000.0, 0.0]),
        (lambda x: ag.sin(x), 1e17),
        (lambda x: ag.sigmoid(ag.sigmoid(x * 1e-30)), 2.0),
        (lambda x: np.sin(x).sum(), np.array([0.5, 2.0])),
        (lambda x: x[0] * x[1], [0.0, 0.0]),
        (lambda x: ag.exp(-x * x) * 1e-200, 1.0),
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
        (lambda x: x**1.5, 0.0, "subgradient"),
        (lambda x: x * abs(x), 0.0, "subgradient"),
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
    assert modes == {"reverse", "reverse, seed -3", "forward"}
    # right as a float, wrong as a node: only the second order sees it
    second = ops.primitive("bad_second", good, lambda x, y: slope(x, y) if isinstance(x, float) else 3 * x * x.data)
    report = check_gradient(second, 1.3, raise_=False)
    assert {x.mode for x in report.wrong} == {"second, along x", "second, twice reverse, along x"}
    with pytest.raises(GradientError, match=r"the derivative of d.*\(second.*, along x\)"):
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
    report = check_gradient(f, [0.3, 2.0], gradient=gradient)
    assert report.verdict == "ok"
    assert float in seen
    # Other numbers were tried, refused by math.sin, and nothing else came of it.
    assert report.oracle == "extrapolated differences of floats"
    assert "use autograd's function of the same name" in report.notes[0]
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
        (lambda x: "7", 1.0, TypeError, "must return one number, got 7"),
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


# Oracles. ------------------------------------------------------------------------------------------------------------


def curved(x):
    return ag.tanh(x[0] * x[1]) + ag.sqrt(ag.exp(x[0]))


@pytest.mark.parametrize("oracle", ["exact", "differences", "complex", "ball", "forward"])
def test_every_oracle_tells_right_from_wrong(oracle):
    at = [0.3, 0.7]
    assert check_gradient(curved, at, oracle=oracle).verdict == "ok"
    claim = ag.grad(curved)(at)
    for k, factor in itertools.product((0, 1), (1 + 1e-9, -1.0)):
        wrong = [g * (factor if i == k else 1.0) for i, g in enumerate(claim)]
        report = check_gradient(curved, at, gradient=wrong, oracle=oracle, raise_=False)
        assert [x.path for x in report.wrong] == [f"x[{k}]"]


def test_the_exact_oracle_sees_the_thirteenth_digit_and_differences_do_not():
    claim = [g * (1 + 3e-13) for g in ag.grad(curved)([0.3, 0.7])]
    assert verdict(curved, [0.3, 0.7], gradient=claim, oracle="exact") == "wrong"
    assert verdict(curved, [0.3, 0.7], gradient=claim, oracle="differences") == "ok"


def test_what_the_exact_oracle_cannot_run_is_said():
    black = lambda x: math.sin(x[0]) * x[1]
    with pytest.raises(TypeError, match=r'cannot be run at 50 digits .*oracle="differences"'):
        check_gradient(black, [0.3, 2.0], gradient=[1.0, 1.0], oracle="exact")
    report = check_gradient(black, [0.3, 2.0], gradient=[math.cos(0.3) * 2.0, math.sin(0.3)])
    assert (report.verdict, report.oracle) == ("ok", "extrapolated differences of floats")
    assert report.notes[0].startswith("not checked at 50 digits: TypeError: a float would lose the digits")


def test_a_black_box_that_means_something_else_on_other_numbers():
    def f(x):  # for anything but floats another function
        return x[0] * x[0] if isinstance(x[0], float) else x[0] * 3.0

    report = check_gradient(f, [1.5], gradient=[3.0])
    assert report.verdict == "ok"
    assert "at 50 digits f gives 4.5" in report.notes[0]


def test_a_loop_that_ends_on_floats_alone():
    def root(x):  # Newton's steps, until two doubles are equal
        y, before = x, 0.0
        while y != before:
            y, before = (y + x / y) / 2, y
        return y

    report = check_gradient(root, 2.0, gradient=0.5 / math.sqrt(2.0))
    assert report.verdict == "ok"
    assert report.notes == () or "does not come to an end" in report.notes[0]
    endless = lambda x: root(x) if isinstance(x, float | ag.Value) else [x := x + 1 - 1 for _ in iter(int, 1)]
    report = check_gradient(endless, 2.0, gradient=0.5 / math.sqrt(2.0))
    assert report.verdict == "ok"
    assert "Overrun: the program does not come to an end" in report.notes[0]


def test_a_wrong_value_is_found(table):
    off = ops.primitive("off", lambda x: math.sin(x) + 1e-9, lambda x, y: ops.cos(x), exact=lambda m, x: m.sin(x))
    with pytest.raises(GradientError, match=r"^<operation off> is .* \(value\), expected 0\.479"):
        check_gradient(off, 0.5)


@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1e-5, 1.0, 1e5, 1e30, 1e150])
def test_arguments_of_every_size(scale):
    for f in (lambda x: x * x + x, lambda x: 1 / (x + 1), ops.atan, lambda x: ops.sqrt(x * x + scale * scale)):
        report = check_gradient(f, scale)
        assert report.verdict in ("ok", "undecidable"), report
        assert report.oracle == "differences at 50 digits"
    assert check_gradient(lambda x: ops.atan(x / scale), 0.3 * scale).verdict == "ok"
    assert verdict(lambda x: ops.atan(x / scale), 0.3 * scale, gradient=1 / 1.0901 / scale) == "wrong"


def test_tensors_of_other_engines_are_taken():
    class Tensor:  # as torch's and jax's: no float, no list, but tolist and item
        def __init__(self, data):
            self.data, self.ndim = data, int(isinstance(data, list))

        def tolist(self):
            return self.data

        item = tolist

    f = lambda x: Tensor(x["w"][0] ** 2 * x["w"][1])
    g = lambda x: {"w": Tensor([2 * x["w"][0] * x["w"][1], x["w"][0] ** 2])}
    assert check_gradient(f, {"w": [3.0, 2.0]}, gradient=g).verdict == "ok"
    with pytest.raises(TypeError, match="must return one number"):
        check_gradient(lambda x: Tensor([1.0]), [1.0], gradient=[0.0])


# Modes. --------------------------------------------------------------------------------------------------------------


def test_modes_and_seeds():
    report = check_gradient(curved, [0.3, 0.7], modes=["reverse", "forward", "batch"], seeds=[2.0, -0.3], order=1)
    assert {x.mode for x in report.findings} == {"reverse", "reverse, seed 2", "reverse, seed -0.3", "forward", "batch"}
    assert {x.mode for x in check_gradient(curved, [0.3, 0.7], modes=["forward"], order=1).findings} == {"forward"}
    second = {x.mode.split(", along")[0] for x in check_gradient(curved, [0.3, 0.7]).findings}
    assert {"second", "second, twice reverse"} < second


def test_a_lane_of_its_own_is_wrong_where_only_the_batch_is(monkeypatch):
    from autograd import batch

    right = batch.differentiate
    lanes = lambda f, *columns: (right(f, *columns)[0], [s[::-1] for s in right(f, *columns)[1]])
    monkeypatch.setattr(batch, "differentiate", lanes)
    assert check_gradient(curved, [0.3, 0.7], modes=["batch"], order=1).verdict == "ok"  # the middle stays the middle
    rolled = lambda f, *columns: (right(f, *columns)[0], [np.roll(s, 1) for s in right(f, *columns)[1]])
    monkeypatch.setattr(batch, "differentiate", rolled)
    report = check_gradient(curved, [0.3, 0.7], modes=["reverse", "batch"], order=1, raise_=False)
    assert {x.mode for x in report.wrong} == {"batch"}


def test_a_forgotten_seed_is_found(monkeypatch):
    from autograd.testing import check

    monkeypatch.setattr(check, "_backward", lambda root, leaves, seed: ag.grad(curved)([0.3, 0.7]))
    report = check_gradient(curved, [0.3, 0.7], raise_=False)
    assert {x.mode for x in report.wrong} == {"reverse, seed -3"}


def test_nodes_of_others_are_left_alone():
    w = ag.Value(2.0)
    w.grad = 7.0
    assert check_gradient(lambda x: x * w, 3.0, order=1).verdict == "ok"
    assert w.grad == 7.0
    assert check_gradient(lambda x: ag.atan2(w, x) * w, 3.0).oracle == "differences at 50 digits"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"oracle": "magic"}, "oracle is one of auto, exact"),
        ({"kinks": "no"}, "kinks is one of clarke, convention"),
        ({"modes": "reverse"}, "modes is a list of reverse, forward, batch; got 'reverse'"),
        ({"modes": ["backwards"]}, "modes is a list of"),
        ({"digits": 5}, "digits is a whole number from 20 to 500, got 5"),
        ({"order": 2, "gradient": 1.0}, "a claimed gradient goes with order=1"),
        ({"order": 2, "oracle": "ball"}, "the oracle 'ball' goes with order=1"),
        ({"order": 3}, "order is 1 or 2, got 3"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        check_gradient(lambda x: x, 1.0, **options)


# Kinks. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "expected"),
    [([0.5, 0.5], "subgradient"), ([1.0, 0.0], "subgradient"), ([1.0, 1.0], "wrong"), ([0.3, 0.6], "wrong")],
)
def test_claims_at_a_tie_are_held_against_clarkes_set_as_a_whole(claim, expected):
    assert verdict(lambda x: ag.maximum(x[0], x[1]), [1.0, 1.0], gradient=claim) == expected


@pytest.mark.parametrize(
    ("f", "x", "claim", "clarke", "convention"),
    [
        (abs, 0.0, 0.0, "subgradient", "subgradient"),
        (abs, 0.0, 1.0, "subgradient", "wrong"),
        (abs, 0.0, 1.5, "wrong", "wrong"),
        (lambda x: ag.relu(x) - ag.relu(-x), 0.0, 0.0, "wrong", "subgradient"),
        (lambda x: ag.relu(x) - ag.relu(-x), 0.0, 1.0, "ok", "ok"),
        (ag.sin, 0.0, 1.0, "ok", "ok"),
        (ag.sin, 0.0, 1.1, "wrong", "wrong"),
    ],
)
def test_kinks_by_clarkes_set_or_by_the_conventions(f, x, claim, clarke, convention):
    assert verdict(f, x, gradient=claim) == clarke
    assert verdict(f, x, gradient=claim, kinks="convention") == convention


def test_a_kink_that_cancels_is_explained():
    with pytest.raises(GradientError, match=r'sits on a kink of relu; kinks="convention" accepts'):
        check_gradient(lambda x: ag.relu(x) - ag.relu(-x), 0.0)


def test_conventions_need_operations_that_have_some():
    with pytest.raises(TypeError, match="written in autograd's operations, whose conventions are meant"):
        check_gradient(math.fabs, 0.0, gradient=0.0, kinks="convention")


def test_a_branch_that_is_a_rounding_away():
    f = lambda x: ag.maximum(x[0] + x[1], x[2])
    assert check_gradient(f, [0.1, 0.2, 0.30000000000000004]).verdict == "undecidable"
    assert check_gradient(f, [0.1, 0.2, 0.31]).verdict == "ok"


# Operations, graphs, nets. -------------------------------------------------------------------------------------------


def test_check_op_of_ones_own(table):
    softclip = ops.primitive(
        "softclip", lambda x: x / ops.sqrt(1 + x * x), lambda x, y: 1 / ((1 + x * x) * ops.sqrt(1 + x * x))
    )
    report = check_op(softclip, lambda m, x: x / m.sqrt(1 + x * x), conventions=[((0.0,), 0.0, (1.0,))])
    assert report.verdict == "ok"
    assert {what for what, _, _ in report.worst} == {"value", "partial 0"}
    assert "ulp" in str(report)
    assert check_op("softclip", points=[[0.5], [2.0]]).verdict == "ok"


@pytest.mark.parametrize(
    ("value", "partials", "options", "path"),
    [
        (lambda x: x * x, [lambda x, y: 2.002 * x], {}, "partial 0"),
        (lambda x: x * x, [lambda x, y: 2 * (x.data if isinstance(x, ag.Value) else x)], {}, "second 0,0"),
        (lambda x: x * x * (1 + 1e-12), [lambda x, y: 2 * x], {"exact": lambda m, x: x * x}, "value"),
        (lambda x: abs(x), [lambda x, y: ops.sign(x)], {"conventions": [((0.0,), 0.0, (1.0,))]}, "partial 0 at 0.0"),
        (lambda a, b: a * b, [lambda a, b, y: a, lambda a, b, y: b], {}, "partial"),
        (lambda a, b: ops.hypot(a, b), [lambda a, b, y: a / y, lambda a, b, y: -b / y], {}, "partial 1"),
        (lambda x: ops.exp(x) - 1, [lambda x, y: ops.exp(x)], {"exact": lambda m, x: m.expm1(x), "ulps": 4.0}, "value"),
    ],
)
def test_check_op_finds(table, value, partials, options, path):
    mine = ops.primitive("mine", value, *partials)
    with pytest.raises(GradientError) as caught:
        check_op(mine, **options)
    paths = {x.path for x in caught.value.report.wrong}
    assert any(p.startswith(path) for p in paths)
    assert any(p.startswith("value") for p in paths) == (path == "value")


def test_check_op_needs_points(table):
    narrow = ops.primitive("narrow", lambda x: x, lambda x, y: 1.0, kinks=lambda x: True)
    with pytest.raises(ValueError, match="no point to check narrow at; give points="):
        check_op(narrow)
    with pytest.raises(KeyError, match="did you mean"):
        check_op("tanhh")


def test_check_graph_looks_at_every_node():
    x, w = ag.Value(0.5, name="x"), ag.Value(-3.0, name="w")
    y = ag.tanh(w * x) + x**2 + ag.sum([x, w, x]) * ag.where(x > 0, w, x)
    y.backward()
    before = [v.grad for v in (x, w, y)]
    report = check_graph(y)
    assert report.verdict == "ok"
    assert [v.grad for v in (x, w, y)] == before
    assert {"x", "w", "v0", "v1"} < {f.path for f in report.findings}
    x.data = 0.75
    stale = check_graph(y, raise_=False)
    assert {"value", "reverse", "forward", "backward, seed 1"} <= {f.mode for f in stale.wrong}
    with pytest.raises(GradientError):
        check_graph(y)
    assert "2 of 11 adjoints were checked" in check_graph(ag.exp(y), most=2, raise_=False).notes[0]


def test_check_graph_refuses(table):
    with pytest.raises(TypeError, match="root must be a Value, got 3"):
        check_graph(3.0)
    with pytest.raises(ValueError, match="is a constant and has no graph"):
        check_graph(ag.constant(2.0))
    coded = ops.primitive("coded", lambda x: math.sin(x), lambda x, y: ops.cos(x))
    with pytest.raises(TypeError, match="coded has no form beyond floats"):
        check_graph(coded(ag.Value(1.0)))


def small_net(output="linear"):
    net = Net(seed=3)
    for name in ("x1", "x2"):
        net.input(name)
    net.neuron("h", "tanh", {"x1": 0.5, "x2": -1.0}, bias=0.25)
    net.neuron("g", lambda a: a * ag.sigmoid(a), {"h": 1.5, "x1": 0.75}, output=True)
    net.neuron("y", output, {"h": -0.5, "g": 2.0}, output=True)
    net.link("h", "y", 0.125)
    return net


@pytest.mark.parametrize(
    "loss", ["mse", "huber", "softmax_cross_entropy", lambda phi, y: ag.exp(phi[0] - phi[1] * y[0])]
)
def test_check_net_looks_at_every_weight_and_delta(loss):
    x = [[0.5, 1.0], [-1.0, 0.25], [2.0, -0.5]]
    y = [0, 1, 1] if loss == "softmax_cross_entropy" else [[0.5, 1.0], [0.0, 2.0], [1.0, -1.0]]
    report = check_net(small_net(), x, y, loss)
    assert report.verdict == "ok"
    paths = {f.path for f in report.findings}
    assert {"loss", "w h -> y", "w x1 -> g", "b g", "delta h, sample 2", "delta x1, sample 0"} <= paths
    assert check_net(small_net("relu"), x[0], y[:1], loss).verdict in ("ok", "subgradient")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda net: net.weight_gradient.__imul__([1, 1, 1, 1.001, 1, 1, 1]), {"w x1 -> g"}),
        (lambda net: net.delta.__setitem__((2, 1), 5.0), {"delta h, sample 1"}),
        (lambda net: net.bias_gradient.__imul__(-1.0), {"b h", "b g", "b y"}),
    ],
)
def test_check_net_finds(spoil, expected, monkeypatch):
    right = Net.sweep

    def sweep(net, *args):
        loss = right(net, *args)
        spoil(net)
        return loss

    monkeypatch.setattr(Net, "sweep", sweep)
    report = check_net(small_net(), [[0.5, 1.0], [-1.0, 0.25]], [[0.5, 1.0], [0.0, 2.0]], raise_=False)
    assert {f.path for f in report.wrong} == expected
    assert {f.mode for f in report.wrong} == {"sweep"}


def test_reports_read_well():
    report = check_gradient(curved, [0.3, 0.7], gradient=[1.0, 0.2857], raise_=False)
    lines = str(report).splitlines()
    assert lines[0] == "curved = 1.3688007424577355 at [0.3, 0.7]: wrong"
    assert lines[1] == "  2 wrong, against differences at 50 digits"
    assert "x[0] (gradient): 1.0, expected 1.25093252895696 +- " in lines[2]
    assert not report
    assert check_gradient(curved, [0.3, 0.7])
    assert "the nearest to its tolerance" in str(check_gradient(curved, [0.3, 0.7]))
    long = check_gradient(lambda x: ag.sum(x), [1.0] * 50, gradient=[0.0] * 50, raise_=False)
    assert "and 38 more" in str(long)
    assert max(map(len, str(long).splitlines())) < 400


def test_what_small_steps_contradict_is_not_believed():
    steep = lambda x: 4.0 * x if abs(x) < 1e-5 else x
    assert verdict(steep, 0.0, gradient=4.0, oracle="differences") == "ok"
    assert verdict(steep, 0.0, gradient=1.0, oracle="differences") == "wrong"


def test_check_op_finds_arrays_that_go_their_own_way(monkeypatch):
    from autograd import batch

    monkeypatch.setitem(batch._UFUNC, "tanh", "sinh")
    report = check_op(ops.tanh, raise_=False)
    assert {x.mode for x in report.wrong} == {"array"}


class Swept(ag.Value):
    """A node whose grad is off by half."""

    grad = property(lambda self: 1.5 * ag.Value.grad.__get__(self))


def test_check_op_finds_a_sweep_that_goes_its_own_way(monkeypatch):
    monkeypatch.setattr(rows, "Value", Swept)
    report = check_op(ops.tanh, raise_=False)
    assert {x.mode for x in report.wrong} == {"backward"}
