"""Formulas over arrays against the same formulas on Values, element by element."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Value, grad, ops, where
from autograd.batch import Column, differentiate, slope
from autograd.testing.strategies import programs
from autograd.value import reverse_sweep, topological_order

FORMULAS = [
    lambda x, y: x * y + 1,
    lambda x, y: (x - 2.0) * (2.0 - y) / (1.5 + y * y),
    lambda x, y: ag.exp(-x * x) * ag.tanh(y),
    lambda x, y: where(x > y, x * x, ag.sin(y)),
    lambda x, y: where((x > 0) & (y > 0), ag.sqrt(x * x + y * y + 1), x) ** 2,
    lambda x, y: where((x > 0) | (y <= 0.5), x, -y),
    lambda x, y: ag.maximum(x, y) + ag.minimum(x, 0.25) * ag.relu(y),
    lambda x, y: ag.clip(x, -0.5, 0.5) + abs(y) + ag.sigmoid(-x),
    lambda x, y: 2.0**x + (1.0 + x * x) ** y + 3 % (y * y + 1),
    lambda x, y: ag.atan2(x, y + 10) + ag.hypot(x, y) + ag.softplus(x),
    lambda x, y: x,
    lambda x, y: 1.0 / (x * x + 1.0) - (-y) % 2.0,
    lambda x, y: x.tanh() + y.exp(),
    lambda x, y: ag.lgamma(x * x + 0.5) + ag.erf(y) + ag.gelu(x),
    lambda x, y: ag.logaddexp(x, y) + ag.logsumexp([x, y, 0.3]) + ag.sum([x, x, y]) + ag.mean([x, y]),
    lambda x, y: ag.prod([x, y, x]) + ag.dot([x, y], [y, 2.0]) + ag.norm([x, y, 1.0]),
]


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= 1e-13 * (1 + abs(b))


columns = st.lists(
    st.tuples(st.floats(-3, 3), st.floats(-3, 3)) | st.tuples(*[st.sampled_from([0.0, 1.0, -0.5, 0.5, 0.25])] * 2),
    min_size=1,
    max_size=9,
)


@pytest.mark.parametrize("k", range(len(FORMULAS)))
@given(pairs=columns)
def test_formula_lane_by_lane(k, pairs):
    f = FORMULAS[k]
    xs, ys = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    values, (dx, dy) = differentiate(f, xs, ys)
    assert values.shape == dx.shape == dy.shape == xs.shape
    assert values.dtype == dx.dtype == np.float64
    for i, (x, y) in enumerate(pairs):
        a, b = Value(x), Value(y)
        node = f(a, b)
        node.backward()
        assert same(values[i], node.data)
        assert same(dx[i], a.grad)
        assert same(dy[i], b.grad)


def lanes_of(program, lanes):
    """A program at many points at once: values [n], gradients [n][inputs]."""
    values, slopes = differentiate(lambda *xs: program(xs), *np.array(lanes).T)
    return values.tolist(), np.array(slopes).T.tolist()


@given(programs(exact=True, nodes=20, wheres=True), st.data())
def test_lanes_of_programs_on_whole_numbers(program, data):
    # Signs and zeros of the inputs change from lane to lane, and with them the branches; sizes never grow.
    signs = st.lists(st.sampled_from([1.0, -1.0, 0.0]), min_size=len(program.inputs), max_size=len(program.inputs))
    lanes = [[s * x for s, x in zip(row, program.point, strict=True)] for row in data.draw(st.lists(signs, min_size=1))]
    values, slopes = lanes_of(program, lanes)
    assert values == [program(xs) for xs in lanes]
    assert slopes == [grad(program)(xs) for xs in lanes]
    order = data.draw(st.permutations(range(len(lanes))))
    assert lanes_of(program, [lanes[i] for i in order]) == ([values[i] for i in order], [slopes[i] for i in order])


@given(programs(kinked=True, wheres=True), st.lists(st.integers(-100, 100), min_size=1, max_size=9))
def test_lanes_of_programs(program, moves):
    lanes = [[x + 1e-6 * move for x in program.point] for move in moves]
    values, slopes = lanes_of(program, lanes)
    for xs, value, found in zip(lanes, values, slopes, strict=True):
        leaves = [Value(x) for x in xs]
        root = program(leaves)
        assert abs(value - root.data) <= 1e-10 * (1 + abs(root.data))
        # Rounding errors are part of the sum over all paths of the size of their product.
        order = topological_order(root)
        sizes = reverse_sweep(order, 1.0, lambda v: v.data, times=lambda g, p: g * abs(p))
        root.backward()
        for leaf, s in zip(leaves, found, strict=True):
            assert abs(s - leaf.grad) <= 1e-10 * (1e-3 + sizes.get(id(leaf), 0.0))


def test_permuted_lanes_and_odd_counts():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 33):
        xs, ys = rng.normal(size=n), rng.normal(size=n)
        order = rng.permutation(n)
        values, (dx, dy) = differentiate(FORMULAS[4], xs, ys)
        again, (dx2, dy2) = differentiate(FORMULAS[4], xs[order], ys[order])
        assert again.tolist() == values[order].tolist()
        assert dx2.tolist() == dx[order].tolist()
        assert dy2.tolist() == dy[order].tolist()


def test_shapes_and_constants():
    x = np.arange(6.0).reshape(2, 3)
    values, (dx,) = differentiate(lambda v: v * v, x)
    assert values.tolist() == (x * x).tolist()
    assert dx.tolist() == (2 * x).tolist()
    values, (dx,) = differentiate(lambda v: 3.0, x)
    assert values.tolist() == np.full((2, 3), 3.0).tolist()
    assert dx.tolist() == np.zeros((2, 3)).tolist()
    values, (dx, dy) = differentiate(lambda a, b: a, x, x)
    assert dx.tolist() == np.ones((2, 3)).tolist()
    assert dy.tolist() == np.zeros((2, 3)).tolist()
    values, (dx,) = differentiate(lambda v: v * x, x)  # an array that is not differentiated by
    assert dx.tolist() == x.tolist()
    values, (dx,) = differentiate(lambda v: (v * 2.0, v * 3.0)[0], x)  # what is computed beside it does not count
    assert dx.tolist() == np.full((2, 3), 2.0).tolist()


def test_where_takes_each_lane_its_way():
    x = np.array([-1.0, 0.0, 4.0])
    values, (dx,) = differentiate(lambda v: where(v > 0, v * 3.0, -v), x)
    assert values.tolist() == [1.0, 0.0, 12.0]
    assert dx.tolist() == [-1.0, -1.0, 3.0]
    values, (dx,) = differentiate(lambda v: where(np.array([True, False, True]), v, 2 * v), x)
    assert dx.tolist() == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("op", [ops.relu, ops.sign, ops.floor, ops.ceil], ids=lambda op: op.name)
def test_what_does_not_reach_the_result_has_slope_zero_exactly(op):
    x = np.array([-1.5, -0.25])
    values, (dx,) = differentiate(op, x)
    assert dx.tolist() == [0.0, 0.0]
    assert slope(op, x, values).tolist() == [0.0, 0.0]
    assert differentiate(ag.maximum, x, x + 1)[1][0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x > 0 else -x,
        lambda x: x * (1 if x else 2),
        lambda x: where(x > 0 and x < 1, x, 0.0),
        lambda x: max(x, 0.0),
        lambda x: next(x for _ in range(3) if x == 1),
    ],
)
def test_a_python_branch_is_refused(f):
    with pytest.raises(TypeError, match=r"write autograd.where\(condition, a, b\) instead of if"):
        differentiate(f, np.array([1.0, -1.0]))


def test_other_mistakes_are_named():
    with pytest.raises(TypeError, match="must return one number per element"):
        differentiate(lambda x: "no", np.ones(2))
    with pytest.raises(AttributeError, match="a column has no attribute 'foo'"):
        differentiate(lambda x: x.foo(), np.ones(2))
    with pytest.raises(ValueError, match=r"shape|broadcast"):
        differentiate(lambda x, y: x * y, np.ones(2), np.ones(3))


def test_a_formula_without_a_return_is_named():
    with pytest.raises(TypeError, match="returned None"):
        differentiate(lambda x: None, np.ones(2))


def test_a_lane_not_taken_passes_nothing_on_whatever_the_adjoint():
    x = np.array([-1.0, 0.0, 4.0])
    _, (slopes,) = differentiate(lambda v: 3.0 * where(v > 0, ops.sqrt(v), 7.0) + v, x)
    assert slopes.tolist() == [1.0, 1.0, 1.75]


@pytest.mark.parametrize(
    ("f", "slopes"),
    [
        (lambda v: where(v >= 1.0, 3.0 * v, v), [1.0, 3.0, 3.0]),
        (lambda v: where(v > 1.0, 3.0 * v, v), [1.0, 1.0, 3.0]),
        (lambda v: where(v <= 1.0, 3.0 * v, v), [3.0, 3.0, 1.0]),
        (lambda v: where(v < 1.0, 3.0 * v, v), [3.0, 1.0, 1.0]),
        (lambda v: where(v == 1.0, 3.0 * v, v), [1.0, 3.0, 1.0]),
        (lambda v: where(v != 1.0, 3.0 * v, v), [3.0, 1.0, 3.0]),
        (lambda v: where(np.array([-1.0, 0.0, 2.0]), 3.0 * v, v), [3.0, 1.0, 3.0]),
    ],
)
def test_conditions_at_ties_and_of_numbers(f, slopes):
    assert differentiate(f, np.array([0.0, 1.0, 2.0]))[1][0].tolist() == slopes


def test_two_uses_that_are_both_absent_are_exactly_0():
    _, (slopes,) = differentiate(lambda v: where(v > 0, v, 0.0) + ops.relu(v), np.array([-1.0, 2.0]))
    assert slopes.tolist() == [0.0, 2.0]


def test_logsumexp_of_lanes_whose_exponentials_overflow():
    x = np.array([1000.0, -1000.0])
    values, (a, b) = differentiate(lambda a, b: ag.logsumexp([a, b]), x, x)
    assert values.tolist() == (x + math.log(2.0)).tolist()
    assert a.tolist() == b.tolist() == pytest.approx([0.5, 0.5], rel=1e-12)


def test_conditions_combine():
    x = np.array([-1.0, 0.25, 2.0])
    values, _ = differentiate(lambda v: where(~(v > 0) | (v > 1), 1.0 * v, 7.0), x)
    assert values.tolist() == [-1.0, 7.0, 2.0]
    values, _ = differentiate(lambda v: where(True & (v > 0) & (v != 2.0), v * 2, 7.0), x)
    assert values.tolist() == [7.0, 0.5, 7.0]


def test_columns_do_not_mix_with_arrays_the_wrong_way_round():
    x = np.array([1.0, 2.0])
    for f in (lambda v: x + v, lambda v: v + x, lambda v: np.float64(1.0) + v):
        values, (dx,) = differentiate(f, x)
        assert dx.tolist() == [1.0, 1.0]
        assert isinstance(values, np.ndarray)
        assert not isinstance(values, Column)


@pytest.mark.parametrize("op", [op for op in ops.TABLE.values() if op.arity == 1], ids=lambda op: op.name)
def test_slope_of_a_row_on_arrays(op):
    low, high = op.domain[0]
    xs = np.linspace(max(low, -4.0), min(high, 4.0), 23)[1:-1]
    ys = op(xs)
    slopes = slope(op, xs, ys)
    assert slopes.shape == xs.shape
    for x, s in zip(xs.tolist(), slopes.tolist(), strict=True):
        node = Value(x)
        op(node).backward()
        assert same(s, node.grad)


def test_elementwise_on_arrays_broadcasts_and_reads_ints():
    assert ops.hypot(np.array([[3], [6]]), np.array([4, 8])).tolist() == np.hypot([[3.0], [6.0]], [4.0, 8.0]).tolist()
    assert ops.sigmoid(np.array([0, 0])).tolist() == [0.5, 0.5]
    assert ops.where(np.array([1, 0]), np.array([1.0, math.nan]), np.array([math.nan, 2.0])).tolist() == [1.0, 2.0]
    nodes = ops.where(np.array([True, False]), np.array([Value(1.0), Value(2.0)]), 0.0)
    assert [v.data for v in nodes] == [1.0, 0.0]
    assert ops.exp(np.zeros((2, 0))).shape == (2, 0)
