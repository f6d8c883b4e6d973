"""The scalar node: what it promises line by line, and both sweeps over random programs (see `testing.strategies`)."""

import copy
import functools
import gc
import io
import itertools
import math
import pickle
import random
import re
import subprocess
import sys
import threading
import tracemalloc
import weakref
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

import autograd as ag
from autograd import (
    Value,
    constant,
    detect_anomaly,
    grad,
    gradients,
    hessian,
    hvp,
    jvp,
    no_grad,
    ops,
    print_graph,
    program,
    topological_order,
)
from autograd.testing.strategies import graphs, programs
from autograd.value import AnomalyError, forward_sweep, reverse_sweep

# Random programs: sweeps. --------------------------------------------------------------------------------------------


def exact_gradient(program):
    """The gradient by central differences at 60 digits."""
    with mp.workdps(60):
        h = mpf(10) ** -25
        answer = []
        for k in range(len(program.inputs)):
            up, down = ([mpf(x) + h * s * (i == k) for i, x in enumerate(program.point)] for s in (1, -1))
            answer.append((program(up) - program(down)) / (2 * h))
        return answer


def swept(program):
    """The leaves and everything else that a program computes, after a sweep."""
    xs = [Value(x) for x in program.point]
    made = program.trace(xs)
    made[-1].backward()
    return xs, made


def absolute_adjoints(root):
    """Per node the sum over all paths from the root of the size of their product: what rounding errors are part of."""
    weight = {id(root): 1.0}
    for v in reversed(topological_order(root)):
        for x, p in zip(v.operands, v.partials(), strict=True):
            if isinstance(x, Value):
                weight[id(x)] = weight.get(id(x), 0.0) + weight.get(id(v), 0.0) * abs(p or 0.0)
    return weight


def absolute_gradient(root, xs):
    weight = absolute_adjoints(root)
    return [weight.get(id(x), 0.0) for x in xs]


@given(programs(wheres=True, kinked=True))
def test_reverse_sweep_against_differences_at_60_digits(program):
    xs, made = swept(program)
    size = absolute_gradient(made[-1], xs)
    for x, true, s in zip(xs, exact_gradient(program), size, strict=True):
        assert abs(x.grad - true) <= 1e-9 * (abs(true) + s) + 1e-12


@given(programs(wheres=True, kinked=True))
def test_forward_sweep_is_the_transpose_of_reverse(program):
    xs, made = swept(program)
    order = topological_order(made[-1])
    size = absolute_gradient(made[-1], xs)
    for x, s in zip(xs, size, strict=True):
        tangents = forward_sweep(order, {id(x): 1.0}, lambda v: v.data)
        assert tangents.get(id(made[-1]), 0.0) == pytest.approx(x.grad, rel=1e-9, abs=1e-12 * (1 + s))


@given(programs(exact=True, nodes=20))
def test_forward_and_reverse_are_the_same_bits_in_whole_numbers(program):
    xs, made = swept(program)
    order = topological_order(made[-1])
    for x in xs:
        tangents = forward_sweep(order, {id(x): 1.0}, lambda v: v.data)
        assert tangents.get(id(made[-1]), 0.0) == x.grad


@given(programs(nodes=8), st.data())
def test_reverse_over_forward_is_forward_over_reverse(program, data):
    v = data.draw(st.lists(st.integers(-2, 2).map(float), min_size=len(program.inputs), max_size=len(program.inputs)))
    first = hvp(program, program.point, v)  # the gradient of a tangent
    second = jvp(grad(program), program.point, v)[1]  # the tangent of a gradient
    third = [ag.dot(row, v) for row in hessian(program)(program.point)]  # reverse over reverse
    size = 1 + max(map(abs, itertools.chain(first, second, third, *hessian(program)(program.point))))
    assert first == pytest.approx(second, rel=1e-9, abs=1e-9 * size)
    assert first == pytest.approx(third, rel=1e-9, abs=1e-9 * size)


@given(programs(exact=True))
def test_hessians_are_symmetric_to_the_bit_in_whole_numbers(program):
    rows = hessian(program)(program.point)
    assert rows == [list(column) for column in zip(*rows, strict=True)]
    for k, row in enumerate(rows):
        unit = [float(i == k) for i in range(len(rows))]
        assert hvp(program, program.point, unit) == row
        assert jvp(grad(program), program.point, unit)[1] == row


def test_a_seeded_node_is_an_input_whatever_it_was_made_from():
    x = Value(2.0)
    y = x * 2.0
    tangents = forward_sweep(topological_order(y + x), {id(x): 1.0, id(y): 5.0}, lambda v: v.data)
    assert (tangents[id(y)], list(tangents.values())[-1]) == (5.0, 6.0)


@given(programs(wheres=True, kinked=True))
def test_generic_sweep_equals_the_fast_one(program):
    xs, made = swept(program)
    order = topological_order(made[-1])
    weight = absolute_adjoints(made[-1])
    on_floats = reverse_sweep(order, 1.0, lambda v: v.data)
    on_nodes = gradients(made[-1], xs)
    for v in order:  # some rows are rounded otherwise in native code
        assert on_floats.get(id(v), 0.0) == pytest.approx(v.grad, rel=1e-14, abs=1e-14 * weight.get(id(v), 0.0))
    for x, g in zip(xs, on_nodes, strict=True):
        assert g.data == pytest.approx(x.grad, rel=1e-12, abs=1e-13 * weight.get(id(x), 0.0))


@given(programs(wheres=True, kinked=True), st.integers(-3, 3), st.floats(-10, 10))
def test_sweep_is_linear_in_its_seed(program, power, seed):
    xs, made = swept(program)
    ones = [x.grad for x in xs]
    size = absolute_gradient(made[-1], xs)
    made[-1].zero_grad()
    made[-1].backward(2.0**power)
    assert [x.grad for x in xs] == [2.0**power * g for g in ones]
    made[-1].zero_grad()
    made[-1].backward(seed)
    for x, g, s in zip(xs, ones, size, strict=True):
        assert abs(x.grad - seed * g) <= 1e-12 * abs(seed) * s + 1e-300


@given(programs(wheres=True, kinked=True))
def test_what_nodes_show_after_several_sweeps(program):
    xs, made = swept(program)
    once = [v.grad for v in made]
    made[-1].backward()
    for v, g in zip(made, once, strict=True):  # leaves have doubled, and nothing else
        assert v.grad == (2 * g if v.is_leaf else g)
    made[-1].zero_grad()
    reached = set(map(id, topological_order(made[-1])))
    assert all(v.grad == 0.0 for v in made if id(v) in reached)
    for other in made:
        other.backward()
    for x in xs:
        x.grad = 0.0
    made[-1].backward()  # the sweeps from elsewhere in between have left no trace
    assert [v.grad for v in made if id(v) in reached] == [
        g for v, g in zip(made, once, strict=True) if id(v) in reached
    ]


@given(graphs(wheres=True, kinked=True))
def test_constants_names_and_plain_numbers_in_graphs(root):
    order = topological_order(root)
    root.backward()
    once = [v.grad for v in order]
    assert all(v.grad == 0.0 for v in order if v.is_constant)
    adjoints = reverse_sweep(order, 1.0, lambda v: v.data)
    weight = absolute_adjoints(root)
    for v in order:
        if not v.is_constant:
            assert v.grad == pytest.approx(adjoints.get(id(v), 0.0), rel=1e-14, abs=1e-14 * weight.get(id(v), 0.0))
    for other in order:
        if not other.is_constant:
            other.backward(-3.0)
            other.zero_grad()
    root.backward()
    assert [v.grad for v in order] == once


@given(programs(exact=True, nodes=20))
def test_integer_programs_are_exact(program):
    xs, made = swept(program)
    n = range(len(program.inputs))
    dual = [program.trace([Dual(x, i == k) for i, x in enumerate(program.inputs)], dual_of)[-1] for k in n]
    assert [x.grad for x in xs] == [d.slope for d in dual]
    assert made[-1].data == dual[0].value


class Dual:
    """A fraction with a derivative, in Python's unbounded whole numbers."""

    def __init__(self, value, slope=0):
        self.value, self.slope = Fraction(value), Fraction(slope)


def dual_of(op, xs):
    a, b = (x if isinstance(x, Dual) else Dual(x) for x in (xs[0], xs[-1]))
    return {
        "add": lambda: Dual(a.value + b.value, a.slope + b.slope),
        "sub": lambda: Dual(a.value - b.value, a.slope - b.slope),
        "mul": lambda: Dual(a.value * b.value, a.slope * b.value + a.value * b.slope),
        "neg": lambda: Dual(-a.value, -a.slope),
        "identity": lambda: a,
    }[op.name]()


@given(programs(exact=True, nodes=20), st.randoms(use_true_random=False))
def test_any_topological_order_gives_the_same(program, rng):
    xs, made = swept(program)
    order = topological_order(made[-1])
    assert order[-1] is made[-1]
    assert len(set(map(id, order))) == len(order) == len(made)
    place = {id(v): i for i, v in enumerate(order)}
    operands = {id(v): [x for x in v.operands if isinstance(x, Value)] for v in order}
    assert all(place[id(x)] < place[id(v)] for v in order for x in operands[id(v)])
    waiting = {id(v): len({id(x) for x in operands[id(v)]}) for v in order}
    feeds = {}
    for v in order:
        for x in {id(x): x for x in operands[id(v)]}.values():
            feeds.setdefault(id(x), []).append(v)
    ready, shuffled = [v for v in order if not waiting[id(v)]], []
    while ready:
        v = ready.pop(rng.randrange(len(ready)))
        shuffled.append(v)
        for w in feeds.get(id(v), []):
            waiting[id(w)] -= 1
            if not waiting[id(w)]:
                ready.append(w)
    adjoints = reverse_sweep(shuffled, 1.0, lambda v: v.data)
    assert [adjoints.get(id(x), 0.0) for x in xs] == [x.grad for x in xs]


@given(programs(wheres=True, kinked=True))
def test_copies_and_pickles_are_the_same_program(drawn):
    _, made = swept(drawn)
    for twin in (copy.deepcopy(made[-1]), pickle.loads(pickle.dumps(made[-1]))):
        assert program(twin) == program(made[-1])
        twin.zero_grad()
        twin.backward()
        assert [v.grad for v in topological_order(twin)] == [v.grad for v in topological_order(made[-1])]
        assert made[-1].grad == 1.0


# Random programs: functions. -----------------------------------------------------------------------------------------
# What holds for the derivatives of all functions, with == where the numbers are whole.

WHOLE = programs(exact=True, inputs=st.just([3.0, -3.0]))  # exact wherever no input is larger


def whole(n):
    return st.lists(st.integers(-3, 3).map(float), min_size=n, max_size=n)


@given(WHOLE, WHOLE, whole(2))
def test_sums_and_multiples(f, g, x):
    # The programs are polynomials, so they take any whole numbers.
    df, dg = grad(f)(x), grad(g)(x)
    assert grad(lambda x: f(x) + g(x))(x) == [a + b for a, b in zip(df, dg, strict=True)]
    assert grad(lambda x: f(x) - g(x))(x) == [a - b for a, b in zip(df, dg, strict=True)]
    assert grad(lambda x: -4.0 * f(x))(x) == [-4.0 * a for a in df]


@given(WHOLE, WHOLE, whole(2))
def test_products_and_quotients(f, g, x):
    a, b, df, dg = f(x), g(x), grad(f)(x), grad(g)(x)
    product = grad(lambda x: f(x) * g(x))(x)
    for p, s, t in zip(product, df, dg, strict=True):
        assert abs(p - (a * t + b * s)) <= 1e-15 * (abs(a * t) + abs(b * s))
    quotient = grad(lambda x: f(x) / (1.0 + g(x) * g(x)))(x)
    for q, s, t in zip(quotient, df, dg, strict=True):
        size = 1.0 + b * b
        true = s / size - 2.0 * a * b * t / size / size
        assert abs(q - true) <= 1e-14 * (abs(s) + 2.0 * abs(a * b * t) / size) / size


@given(programs(inputs=2, nodes=6), st.data())
def test_compositions(inner, data):
    y = inner(inner.point)
    outer = data.draw(programs(inputs=st.just([y, inner.point[0]]), nodes=6))
    both = grad(lambda x: outer([inner(x), x[0]]))(inner.point)
    by_y, by_x = grad(outer)(outer.point)
    for k, d in enumerate(grad(inner)(inner.point)):
        xs = [Value(x) for x in inner.point]
        size = absolute_gradient(outer([inner(xs), xs[0]]), xs)[k]
        assert abs(both[k] - (by_y * d + by_x * (k == 0))) <= 1e-12 * size + 1e-15


@given(programs(exact=True, nodes=20), st.data())
def test_an_input_that_is_a_sum_of_two(f, data):
    n = len(f.inputs)
    parts = data.draw(whole(n))
    rest = [x - p for x, p in zip(f.point, parts, strict=True)]
    both = grad(lambda x: f([a + b for a, b in zip(x[:n], x[n:], strict=True)]))(parts + rest)
    assert both == grad(f)(f.point) * 2


NOTHING = [
    lambda x: ops.identity(x),
    lambda x: x + 0.0,
    lambda x: x - 0.0,
    lambda x: 1.0 * x,
    lambda x: x / 1.0,
    lambda x: ops.neg(ops.neg(x)),
    lambda x: (x + x) * 0.5,
    lambda x: ag.sum([x]),
    lambda x: ag.where(True, x, x * x),
]


@pytest.mark.parametrize("exact", [True, False])
@given(st.data())
def test_inserted_identities_change_nothing(exact, data):
    f = data.draw(programs(exact=True) if exact else programs(kinked=True, wheres=True))
    kinds = iter(data.draw(st.lists(st.sampled_from(range(len(NOTHING))), max_size=20)))

    def inserted(op, xs):
        return op_call(op, [NOTHING[next(kinds, 0)](x) if isinstance(x, Value) else x for x in xs])

    leaves = [Value(x) for x in f.point]
    f.trace(leaves, inserted)[-1].backward()
    xs, made = swept(f)
    for leaf, x, size in zip(leaves, xs, absolute_gradient(made[-1], xs), strict=True):
        assert abs(leaf.grad - x.grad) <= (0.0 if exact else 1e-13 * size)


def op_call(op, xs):
    """A row with the arguments of a program's step."""
    if op.arity > 0:
        return op(*xs)
    return op(xs[: len(xs) // 2], xs[len(xs) // 2 :]) if op is ops.dot else op(xs)


@given(programs(exact=True, nodes=8))
def test_duplicated_and_shared_subexpressions(f):
    n = len(f.inputs)

    def unshared(place, leaves):
        """The result of a place, computed anew from the leaves wherever it is used."""
        if place < n:
            return leaves[place]
        step = f.steps[place - n]
        return op_call(step.op, [unshared(x, leaves) if isinstance(x, int) else x for x in step.operands])

    def tree(leaves):
        return functools.reduce(lambda a, b: a + b, [unshared(i, leaves) for i in f.sinks])

    assert grad(tree)(f.point) == grad(f)(f.point)
    assert tree(f.point) == f(f.point)
    # A new leaf for every use of an input: the gradient is the sum over its uses.
    uses = []

    def fresh(place):
        if place < n:
            uses.append((place, Value(f.point[place])))
            return uses[-1][1]
        step = f.steps[place - n]
        return op_call(step.op, [fresh(x) if isinstance(x, int) else x for x in step.operands])

    functools.reduce(lambda a, b: a + b, map(fresh, f.sinks)).backward()
    total = [0.0] * n
    for place, leaf in uses:
        total[place] += leaf.grad
    assert total == grad(f)(f.point)


@given(programs(kinked=True, wheres=True), st.integers(0, 3), st.floats(-3, 3))
def test_unused_inputs_have_derivative_zero(f, place, unused):
    place = min(place, len(f.inputs))
    drop = lambda x: x[:place] + x[place + 1 :]
    longer = [*f.point[:place], unused, *f.point[place:]]
    found = grad(lambda x: f(drop(x)))(longer)
    assert found[place] == 0.0
    assert drop(found) == grad(f)(f.point)
    rows = hessian(lambda x: f(drop(x)))(longer) if len(f.steps) < 6 else []
    assert all(row[place] == 0.0 for row in rows)
    assert not any(map(any, rows[place : place + 1]))
    assert jvp(lambda x: f(drop(x)), longer, [float(i == place) for i in range(len(longer))])[1] == 0.0


# micrograd's programs. ----------------------------------------------------------------------------------------------


def test_a_program_in_the_style_of_micrograd():
    # z = 3x + 1; q = relu(z) + zx; y = z^2 + q + qx at x = -2: z = -5, q = 10, y = 25 + 10 - 20 = 15.
    # dq/dx = x dz/dx + z = -6 - 5 = -11; dy/dx = 2z 3 + (1 + x) dq/dx + q = -30 + 11 + 10 = -9.
    x = Value(-2.0)
    z = 3 * x + 1
    q = z.relu() + z * x
    y = (z * z) + q + q * x
    y.backward()
    assert (z.data, q.data, y.data, x.grad) == (-5.0, 10.0, 15.0, -9.0)
    assert (q.grad, z.grad) == (-1.0, -8.0)  # dy/dq = 1 + x; dy/dz = 2z + (1 + x) x
    assert x._prev == set()
    assert q._prev == set(q.operands)


def test_a_longer_program_in_the_style_of_micrograd():
    def f(a, b, relu):
        c = a - b * 2
        d = a * a + b**3 - relu(c)
        d += d * 2 + 1
        d += (-b + a) / 3
        e = relu(b - a) + d**2 / 10.0
        e = e - 5 / c + c**-2
        return e + (2 + e) * -0.5

    a, b = Value(-4.0), Value(1.5)
    y = f(a, b, lambda v: v.relu())
    y.backward()
    with mp.workdps(50):
        g = lambda s, t: f(s, t, lambda v: v if v > 0 else mpf(0))
        assert abs(y.data - g(mpf(-4), mpf(1.5))) < 1e-12
        assert a.grad == pytest.approx(float(mp.diff(g, (-4, 1.5), (1, 0))), rel=1e-14)
        assert b.grad == pytest.approx(float(mp.diff(g, (-4, 1.5), (0, 1))), rel=1e-14)


def test_training_loop_of_micrograd():
    w, b = Value(0.0), Value(0.0)
    for _ in range(200):
        loss = sum(((w * x + b - (2 * x - 1)) ** 2 for x in (-1.0, 0.0, 1.0, 2.0)), Value(0))
        for p in (w, b):
            p.grad = 0.0
        loss.backward()
        for p in (w, b):
            p.data -= 0.05 * p.grad
    assert w.data == pytest.approx(2.0, abs=1e-6)
    assert b.data == pytest.approx(-1.0, abs=1e-6)


# Decisions, line by line. -------------------------------------------------------------------------------------------


def test_leaves_accumulate_and_inner_nodes_show_the_last_sweep():
    x, y = Value(2.0), Value(3.0)
    a = x * y
    b = a + x
    b.backward()
    b.backward()
    assert (x.grad, y.grad, a.grad, b.grad) == (8.0, 4.0, 1.0, 1.0)
    a.backward(10.0)
    assert (x.grad, y.grad, a.grad, b.grad) == (38.0, 24.0, 10.0, 1.0)
    b.zero_grad()
    assert (x.grad, y.grad, a.grad, b.grad) == (0.0, 0.0, 0.0, 0.0)


def test_a_node_that_a_sweep_does_not_reach():
    x = Value(-1.0)
    dead = x.exp()
    y = ag.where(x > 0, dead, x * 2.0)
    dead.backward()
    y.backward()
    assert dead.grad == 0.0
    assert x.grad == math.exp(-1.0) + 2.0


def test_same_operand_twice():
    x = Value(3.0)
    for y, slope in ((x * x, 6.0), (x + x, 2.0), (x - x, 0.0), (x / x, 0.0), (ag.maximum(x, x), 1.0)):
        x.grad = 0.0
        y.backward()
        assert x.grad == pytest.approx(slope, abs=1e-15)


def test_comparisons_are_of_numbers_and_hashes_of_identity():
    a, b = Value(1.0), Value(1.0)
    assert a == b
    assert a == 1
    assert 1.0 == a
    assert a != 2
    assert a < 2 <= Value(2)
    assert 3 > a >= 1
    assert not a > b
    assert hash(a) != hash(b)
    assert len({a, b}) == 2
    assert a != "1"
    assert a is not None
    assert a != None  # noqa: E711
    assert (a == np.array([1.0, 2.0])).tolist() == [True, False]
    assert bool(Value(0.5)) is True
    assert bool(Value(0.0)) is False
    assert Value(math.nan) != Value(math.nan)
    with pytest.raises(TypeError):
        a < "1"  # noqa: B015


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (float, "autograd's function of the same name"),
        (math.exp, "autograd.exp instead of math.exp"),
        (math.sqrt, r"or \.data"),
        (int, "autograd.floor"),
        (complex, "complex numbers are not supported"),
        (round, "rounding would lose the gradient"),
        (lambda v: [1, 2][v], "cannot be an index"),
        (lambda v: np.exp(np.array([1.0])) * np.array([v], dtype=float), "gradient"),
    ],
)
def test_losing_the_gradient_is_refused(convert, message):
    with pytest.raises((TypeError, ValueError), match=message):
        convert(Value(1.0))


NUMBERS = [2, True, np.float64(2.5), np.float32(0.5), np.int32(3), np.bool_(True), np.array(2.0)]


@pytest.mark.parametrize("other", NUMBERS)
def test_numbers_of_every_kind_on_both_sides(other):
    x = Value(3.0)
    number = float(other)
    for made, expected in [
        (x + other, 3.0 + number), (other + x, number + 3.0), (x - other, 3.0 - number), (other - x, number - 3.0),
        (x * other, 3.0 * number), (other * x, number * 3.0), (x / other, 3.0 / number), (other / x, number / 3.0),
        (x**other, 3.0**number), (other**x, number**3.0), (x % other, 3.0 % number), (other % x, number % 3.0),
    ]:  # fmt: skip
        assert type(made) is Value
        assert made.data == expected
    assert Value(other).data == number
    assert type(Value(other).data) is float


def test_arrays_on_both_sides():
    x = Value(3.0)
    floats = np.array([1.0, 2.0])
    for made in (x * floats, floats * x):
        assert made.dtype == object
        assert [v.data for v in made] == [3.0, 6.0]
    nodes = np.array([Value(1.0), Value(4.0)])
    assert [v.data for v in np.sqrt(nodes)] == [1.0, 2.0]
    assert [v.data for v in np.exp(nodes)] == [math.exp(1.0), math.exp(4.0)]
    assert [v.data for v in np.arctan(nodes)] == [math.atan(1.0), math.atan(4.0)]
    assert [v.data for v in np.abs(-nodes)] == [1.0, 4.0]
    assert (nodes @ floats).data == 9.0
    total = (nodes * nodes).sum()
    total.backward()
    assert [v.grad for v in nodes] == [2.0, 8.0]
    assert (nodes + x)[1].data == 7.0
    assert (x - nodes)[1].data == -1.0
    assert (floats ** x)[1].data == 8.0


@pytest.mark.parametrize("bad", [1j, "1", None, [1.0], object(), np.complex128(1)])
def test_other_things_are_refused(bad):
    with pytest.raises(TypeError):
        Value(bad)
    with pytest.raises(TypeError):
        Value(1.0) + bad
    with pytest.raises(TypeError):
        bad * Value(1.0)
    with pytest.raises(TypeError):
        Value(1.0).data = bad


def test_refusals_say_what_to_do():
    with pytest.raises(TypeError, match="use its real and imaginary parts"):
        Value(1.0) * 1j
    with pytest.raises(TypeError, match=r"convert it with float\(\)"):
        Value("1.5")
    with pytest.raises(TypeError, match="the name of a Value is text"):
        Value(1.0, 2.0)
    with pytest.raises(AttributeError, match="no attribute 'foo'"):
        _ = Value(1.0).foo
    with pytest.raises(TypeError, match="the order is that of a Value's graph"):
        topological_order(3.0)
    with pytest.raises(TypeError, match="no modulus"):
        pow(Value(2.0), 3, 5)


def test_augmented_assignment_rebinds():
    v = x = Value(1.0)
    v += 1
    assert v is not x
    assert (v.data, x.data) == (2.0, 1.0)
    v *= x
    v.backward()
    assert x.grad == 3.0


def test_data_of_an_inner_node_is_its_operands_business():
    x = Value(2.0)
    y = x * x
    with pytest.raises(AttributeError, match="is the result of mul"):
        y.data = 5.0
    x.data = 3
    assert type(x.data) is float
    assert y.data == 4.0
    c = constant(1.0)
    c.data = 2.0
    assert c.data == 2.0


def test_constants_and_no_grad_build_nothing():
    x, c = Value(2.0), constant(3.0, name="c")
    assert c.is_constant
    assert not c.is_leaf
    assert (c * c + 1).is_constant
    assert (c * c).operands == ()
    y = x * (c * c)
    y.backward()
    assert x.grad == 9.0
    assert not y.is_constant
    with no_grad():
        z = x * x + 1
        assert z.is_constant
        assert z.data == 5.0
        with no_grad():
            pass
        assert (x * x).is_constant
    assert not (x * x).is_constant
    assert x.detach().is_constant
    assert (x.detach() * x).partials() == (2.0, 2.0)
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert not (x * x).is_constant


def test_partials_operands_and_op():
    x, y = Value(2.0), Value(3.0)
    v = x / y
    assert v.op is ops.div
    assert v.operands == (x, y)
    assert v.operands[0] is x
    assert v.partials() == (1 / 3.0, -2 / 3.0 / 3.0)
    assert (x.op, x.operands, x.partials()) == (None, (), ())
    assert ag.where(x > 0, x, y).partials() == (None, 1.0, None)
    assert ag.clip(x, 0.0, 1.0).partials() == (None, None, 1.0)
    assert x.is_leaf
    assert +x is x


def test_ieee_edges_never_raise():
    x = Value(0.0)
    assert (1 / x).data == math.inf
    assert (-1 / x).data == -math.inf
    assert math.isnan((x / x).data)
    assert math.isnan((Value(-8.0) ** (1 / 3)).data)
    assert (Value(10.0) ** 400).data == math.inf
    assert math.isnan((x % 0).data)
    assert x.log().data == -math.inf
    y = Value(4.0) ** 0.5
    y.backward()
    (Value(-8.0) ** (1 / 3)).backward()


# detect_anomaly. ----------------------------------------------------------------------------------------------------


def test_anomaly_in_a_value_names_operation_line_and_path():
    x = Value(-1.0, name="speed")
    with pytest.raises(AnomalyError) as caught, detect_anomaly():
        (x * 2.0).log()
    message = str(caught.value)
    assert "log(-2.0) is nan" in message
    assert re.search(r"test_value\.py, line \d+, in test_anomaly_in_a_value", message)
    assert "log <- mul <- the leaf speed" in message
    assert caught.value.node.data != caught.value.node.data
    assert math.isnan(x.log().data)  # outside, no exception


def test_anomaly_in_an_adjoint():
    x = Value(0.0, name="x")
    with pytest.raises(AnomalyError) as caught, detect_anomaly():
        (x.sqrt() * 3.0).backward()
    message = str(caught.value)
    assert "sqrt(0.0) has the derivative inf by operand 0" in message
    assert "test_value.py, line" in message
    assert "the leaf x" in message
    assert x.grad == 0.0
    with pytest.raises(AnomalyError, match="the adjoint of"), detect_anomaly():
        (x + 1.0).backward(math.inf)
    with detect_anomaly():
        ag.where(x > 0, 1.0, x * 2.0).backward()


def test_no_anomaly_in_partials_that_nobody_asked_for():
    x = Value(-2.0)
    with detect_anomaly():
        (g,) = gradients(x**2, [x])  # the exponent is a number: log(-2) is none of our business
    assert g.data == -4.0


# Depth and memory. --------------------------------------------------------------------------------------------------

DEEP = 1_000_000 if ag.compiled else 100_000


def chain(n, x):
    y = x
    for _ in range(n):
        y = y + 1.0
    return y


def test_a_deep_chain():
    x = Value(1.0)
    y = chain(DEEP, x)
    y.backward()
    assert (y.data, x.grad) == (DEEP + 1.0, 1.0)
    assert len(topological_order(y)) == DEEP + 1
    (g,) = gradients(y, [x])
    assert g.data == 1.0
    repr(y)
    del y  # freeing recurses nowhere


def test_a_long_sum_and_a_ladder_of_diamonds():
    xs = [Value(1.0) for _ in range(DEEP // 2)]
    total = functools.reduce(lambda a, b: a + b, xs)
    total.backward()
    assert all(x.grad == 1.0 for x in xs)
    x = Value(1.0)
    y = x
    for _ in range(1000):
        y = y * 0.5 + y * 0.5  # 2^1000 paths
    y.backward()
    assert (y.data, x.grad) == (1.0, 1.0)
    total = ag.sum(xs)
    total.backward()
    assert xs[-1].grad == 2.0


def test_deep_graphs_print_copy_and_pickle():
    n = 100_000 if ag.compiled else 20_000
    x = Value(1.0, name="x")
    y = chain(n, x)
    out = io.StringIO()
    print_graph(y, file=out)
    assert out.getvalue().count("\n") == n + 1
    twin = copy.deepcopy(y)
    twin.backward()
    assert topological_order(twin)[0].grad == 1.0
    assert x.grad == 0.0
    again = pickle.loads(pickle.dumps(y))
    assert again.data == y.data
    assert topological_order(again)[0].name == "x"
    del y, twin, again


def test_memory_comes_back_without_the_collector():
    x = Value(1.0)
    chain(1000, x)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        y = chain(200_000 if ag.compiled else 20_000, x)
        y.backward()
        grown = tracemalloc.get_traced_memory()[0] - before
        del y
        after = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert after < grown / 10  # a few thousand nodes may be kept for the next graph


def test_nodes_make_no_reference_cycles():
    gc.collect()
    for _ in range(100):
        x = Value(2.0)
        y = (x * x + ag.sum([x, x, 3.0])).tanh()
        y.backward()
        gradients(y, [x])
        ag.grad(lambda v: v * v)(2.0)
        del x, y
    assert gc.collect() == 0


class Marked(Value):
    """A node that can be watched dying."""

    __slots__ = ("__weakref__",)


def test_shared_operands_outlive_a_result():
    x = Marked(2.0)
    shared = x * 3.0
    y = shared * 2.0
    watch = weakref.ref(x)
    del y, x
    gc.collect()
    assert watch() is not None
    assert shared.operands[0].data == 2.0
    del shared
    assert watch() is None


# Exceptions and threads. --------------------------------------------------------------------------------------------


def test_an_exception_in_a_derivative_changes_no_grad(table):
    def fail(x, y):
        raise RuntimeError("no derivative today")

    moody = ops.primitive("moody", lambda x: x * 2.0, fail)
    x, z = Value(1.0), Value(5.0)
    inner = x * z
    inner.backward()
    seen = [v.grad for v in (x, z, inner)]
    y = moody(inner) * z + inner
    with pytest.raises(RuntimeError, match="no derivative today"):
        y.backward()
    assert [v.grad for v in (x, z, inner, y)] == [*seen, 0.0]
    inner.backward()
    assert [v.grad for v in (x, z, inner)] == [10.0, 2.0, 1.0]


def test_an_overflow_in_a_formula_of_ones_own_ends(table):
    steep = ops.primitive("steep", lambda x: x, lambda x, y: math.exp(x) * x)
    with pytest.raises(OverflowError):
        steep.slopes([1000.0], 1000.0)


def test_threads_share_leaves():
    w = Value(3.0)
    failures = []

    def work(k):
        try:
            for _ in range(50):
                x = Value(float(k))
                y = (w * x + x * x).tanh() * 0.0 + w * x
                y.backward()
                if x.grad != 3.0:
                    failures.append(x.grad)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []
    assert w.grad == 50.0 * (1 + 2 + 3 + 4)


# Printing and pickling. ---------------------------------------------------------------------------------------------


def test_listing():
    x, y = Value(2.0, name="x"), Value(0.5)
    z = (x * y + 1.0).tanh()
    z.backward()
    lines = program(z).split("\n")
    lines = sorted(lines[:2]) + lines[2:]  # leaves in any order
    assert [line.split("#")[0].split() for line in lines] == [
        ["x", "=", "2.0"],
        ["x0", "=", "0.5"],
        ["v0", "=", "x", "*", "x0"],
        ["v1", "=", "v0", "+", "1.0"],
        ["v2", "=", "tanh(v1)"],
    ]
    assert lines[0].endswith(f"# grad {x.grad:.6g}")
    assert lines[2].endswith(f"# 1, grad {(x * y).data * z.operands[0].grad:.6g}")
    out = io.StringIO()
    print_graph(z, file=out)
    assert out.getvalue() == program(z) + "\n"


def test_listing_keeps_names_apart():
    a, b = Value(1.0, name="w"), Value(2.0, name="w")
    taken = Value(3.0, name="x0")
    names = [line.split()[0] for line in program(a * b + taken + constant(4.0)).split("\n")]
    assert len(set(names)) == len(names)
    assert "constant" in program(a + constant(4.0, name="c"))
    assert "where(1.0, w, 7.0)" in program(ag.where(a > 0, a, 7.0))
    assert "sum(w, x0, 1.0)" in program(ag.sum([a, taken, 1.0]))


def test_repr_and_format():
    x = Value(2.0, name="x")
    assert repr(x) == "Value(data=2.0, grad=0.0, name='x')"
    assert repr(x * 2) == "Value(data=4.0, grad=0.0, op='mul')"
    assert repr(constant(1.0)) == "Value(data=1.0, grad=0.0, constant)"
    assert f"{x:.3f}" == "2.000"
    assert f"{x}" == repr(x)


def test_pickle_keeps_names_constants_grads_and_sharing():
    x = Value(2.0, name="x")
    shared = x * constant(3.0, name="three")
    y = shared * shared + ag.sum([x, shared, 1.0])
    y.backward()
    twin = pickle.loads(pickle.dumps(y))
    assert program(twin) == program(y)
    a, b = twin.operands[0].operands
    assert a is b
    assert a.operands[1].is_constant
    assert a.operands[1].name == "three"
    assert topological_order(twin)[0].grad == x.grad
    pair = pickle.loads(pickle.dumps([Value(1.0, name="a"), constant(2.0)]))
    assert (pair[0].name, pair[1].is_constant) == ("a", True)


def test_deepcopy_of_several_results_keeps_what_they_share():
    x = Value(2.0)
    a, b = x * 3.0, x + 1.0
    a2, b2 = copy.deepcopy([a, b])
    assert a2.operands[0] is b2.operands[0]
    assert a2.operands[0] is not x
    one = copy.copy(a)
    assert one is not a
    assert one.operands[0] is x


def test_random_graph_is_reproducible():
    rng = random.Random(3)
    xs = [Value(rng.uniform(-1, 1)) for _ in range(20)]
    y = ag.tanh(ag.dot(xs, xs[::-1]) + ag.norm(xs))
    y.backward()
    once = [x.grad for x in xs]
    y.zero_grad()
    y.backward()
    assert [x.grad for x in xs] == once


# What a sweep must not be confused by. ------------------------------------------------------------------------------


def test_a_formula_may_differentiate_but_not_touch_the_swept_graph(table):
    x = Value(1.5)
    s = x * x
    nested = ops.primitive("nested", lambda a: 6.0 * a, lambda a, y: ag.grad(lambda z: z * z)(3.0))
    (nested(x) * x).backward()
    assert x.grad == 2 * 6 * 1.5
    x.zero_grad()
    for touch in (lambda: ag.topological_order(s), s.backward, lambda: program(s)):
        peek = ops.primitive(f"peek{len(ops.TABLE)}", lambda a: a * 2, lambda a, y, touch=touch: (touch(), 2.0)[1])
        with pytest.raises(RuntimeError, match="being swept"):
            (peek(s) * s).backward()
        assert x.grad == 0.0
    (s * 1.0).backward()
    assert x.grad == 3.0


def test_pickles_of_several_results_share_their_leaves():
    x = Value(2.0)
    a, y, z = pickle.loads(pickle.dumps((x, x * x, x + 1.0)))
    assert y.operands[0] is a
    assert z.operands[0] is a
    y.backward()
    z.backward()
    assert a.grad == 5.0


def test_copies_of_a_subclass_keep_its_attributes():
    m = Tagged(3.0, "t")
    m.tag = 5
    for twin in (copy.copy(m), copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert type(twin) is Tagged
        assert (twin.tag, twin.name, twin.data) == (5, "t", 3.0)


class Tagged(Value):
    """A subclass with attributes of its own."""


def test_results_under_no_grad_are_constants_from_the_first_on():
    code = "from autograd import Value, no_grad\nx = Value(2.0)\nwith no_grad(): c = x * x\nprint((c * 3).operands)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "()"


def test_floor_division_is_that_of_python():
    for a, b in [(7.0, 2.0), (-7.0, 2.0), (7.0, -2.0), (2.0**52 + 1, 1.0), (1.0, 0.1), (-5.0, math.inf)]:
        assert (Value(a) // b).data == a // b
        assert (a // Value(b)).data == a // b
        assert tuple(v.data for v in divmod(Value(a), b)) == divmod(a, b)


def test_rows_of_ones_own_follow_ieee(table):
    cube = ops.primitive("cube", lambda x: x**3, lambda x, y: 3 * x**2)
    assert cube(1e200) == cube(Value(1e200)).data == math.inf
    root = ops.primitive("root", lambda x: x**0.5, lambda x, y: 0.5 / y)
    assert math.isnan(root(-1.0))
    assert math.isnan(root(Value(-1.0)).data)


def test_arrays_without_dimensions_are_numbers():
    x = Value(2.0)
    for y in (x * np.array(x), np.array(x) * x, ag.square(np.array(x))):
        y.backward()
        assert x.grad == 4.0
        x.zero_grad()


def test_a_sequence_is_one_argument():
    for row in (ag.sum, ag.mean, ag.prod, ag.norm, ag.logsumexp):
        with pytest.raises(TypeError, match="one sequence"):
            row(np.ones((2, 3)), 0)
    with pytest.raises(TypeError, match="two sequences"):
        ag.dot(np.eye(2), np.ones((2, 2)))


def test_a_pickle_keeps_the_numbers_of_a_program_apart():
    x = Value(5.0)
    y = (2.0 * x + 3.0) / 7.0
    twin = pickle.loads(pickle.dumps(y))
    assert program(twin) == program(y)
    twin.backward()
    assert topological_order(twin)[0].grad == 2.0 / 7.0
