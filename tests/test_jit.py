"""Compiled functions against the eager engine: values, gradients, Hessians, branches, every row of the table."""

import ctypes
import math
import pickle
import shutil
import subprocess
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import Value, ops
from autograd.codegen import Kernel, Program, Step
from autograd.compiler import jit
from autograd.testing import samples
from autograd.testing.strategies import programs

inf, nan = math.inf, math.nan
FEW = settings(max_examples=40)


def eager(f, x, hessian=False):
    value, gradient = ag.value_and_grad(f)(list(x))
    return (value, gradient, ag.hessian(f)(list(x))) if hessian else (value, gradient)


def close(a, b, rel=1e-12, absolute=1e-13):
    np.testing.assert_allclose(a, b, rtol=rel, atol=absolute * max(1.0, np.nanmax(np.abs(b), initial=0.0)))


# Programs. -----------------------------------------------------------------------------------------------------------


@FEW
@given(programs(), st.integers(1, 11))
def test_random_programs_agree_with_the_eager_engine(program, samples_):
    rng = np.random.default_rng(samples_)
    rows = np.array(program.point) * (1.0 + 1e-3 * rng.uniform(-1, 1, (samples_, len(program.point))))
    rows[0] = program.point
    f = jit(lambda x: program(x))
    values, gradients = f.value_and_grad(rows)
    hessians = f.hessian(rows)
    assert np.array_equal(f(rows), values)
    for k, row in enumerate(rows):
        value, gradient, hessian = eager(program, row.tolist(), hessian=True)
        close(values[k], value)
        close(gradients[k], gradient, 1e-10)
        close(hessians[k], hessian, 1e-8, 1e-11)
    # A sample is the same alone, and wherever it stands in a batch.
    single, gradient = f.value_and_grad(rows[-1])
    assert single == values[-1]
    assert gradient.tolist() == gradients[-1].tolist()
    backwards = f.value_and_grad(rows[::-1])
    assert np.array_equal(backwards[1][::-1], gradients)


@FEW
@given(programs(exact=True))
def test_exact_programs_agree_to_the_last_bit(program):
    value, gradient = jit(lambda x: program(x)).value_and_grad(program.point)
    assert (value, gradient.tolist()) == eager(program, program.point)


@pytest.mark.parametrize("op", [op for op in ops.TABLE.values() if op is not ops.where], ids=lambda op: op.name)
def test_every_row_is_compiled_in_every_order(op):
    def f(x):
        return op(*x) if op.arity > 0 else op(x[:3], x[3:]) if op is ops.dot else op(x)

    points = [p for p in samples(op, 30) if op.arity > 0 or len(p) == (6 if op is ops.dot else 3)]
    compiled = jit(f)
    values, gradients = compiled.value_and_grad(points)
    hessians = compiled.hessian(points)
    for k, p in enumerate(points):
        value, gradient, hessian = eager(f, p, hessian=True)
        np.testing.assert_allclose(values[k], value, rtol=1e-13, atol=1e-300)
        np.testing.assert_allclose(gradients[k], gradient, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(hessians[k], hessian, rtol=1e-9, atol=1e-12)


EDGES = [
    (ops.log, [0.0, -1.0, inf]),
    (ops.sqrt, [0.0, -1.0, inf]),
    (ops.relu, [0.0, -0.0, nan, -3.0]),
    (ops.abs, [0.0, -0.0, -inf]),
    (lambda x: 1 / x, [0.0, -0.0, inf]),
    (lambda x: x**2.0, [0.0, -3.0, 1e200]),
    (lambda x: x**0.0, [0.0, 5.0]),
    (lambda x: ops.maximum(x, 2.0), [2.0, 3.0, nan]),
    (lambda x: ops.where(x > 0, ops.sqrt(x), 7.0), [0.0, 4.0, -1.0]),
    (lambda x: ops.where(x > 0, 1.0 / x, x * 3.0) * 2.0, [0.0, -1.0, 2.0]),
    (ops.sigmoid, [1000.0, -1000.0]),
    (ops.tanh, [1000.0, -1000.0, 0.0]),
]


@pytest.mark.parametrize(("f", "xs"), EDGES)
def test_edges_and_conventions_are_the_eager_ones(f, xs):
    values, gradients = jit(lambda x: f(x[0])).value_and_grad([[x] for x in xs])
    for x, value, gradient in zip(xs, values, gradients, strict=True):
        node = Value(x)
        y = f(node)
        if isinstance(y, Value):
            y.backward()
        expected = y.data if isinstance(y, Value) else y
        np.testing.assert_array_equal([value, gradient[0]], [expected, node.grad])


def test_what_is_absent_in_one_sum_may_be_there_in_another():
    def f(x):
        u = ops.exp(x[0])
        return ops.where(x[0] > 0, u, 1.0) + 2.0 * u

    for mode in ("line", "tape"):
        found = jit(f, mode=mode).value_and_grad([[-1.0], [1.0]])[1].ravel()
        np.testing.assert_allclose(found, [2.0 * math.exp(-1.0), 3.0 * math.exp(1.0)], rtol=1e-15)


def test_the_two_zeros_are_two_constants():
    assert jit(lambda x: [1.0 / (x[0] * 0.0), 1.0 / (x[0] * -0.0)])([2.0]).tolist() == [inf, -inf]


def test_calls_that_need_each_other_are_not_made_together():
    def f(x):
        a = ops.exp(x[0])
        b, far = ops.exp(a), x[0]
        for _ in range(450):  # more than a chunk
            far = far * 0.5 + x[0]
        return (far + b) * a

    compiled = jit(f)
    for x in (0.3, 0.9):
        value, gradient = compiled.value_and_grad([x])
        assert value == pytest.approx(f([x]), rel=1e-14)
        assert gradient.tolist() == pytest.approx(eager(f, [x])[1], rel=1e-14)
    nested = jit(lambda x: [ops.exp(x[0]), ops.exp(ops.sin(x[0]))])
    assert nested([0.3]).tolist() == pytest.approx([math.exp(0.3), math.exp(math.sin(0.3))], rel=1e-15)


@pytest.mark.parametrize("mode", ["line", "tape"])
def test_nothing_comes_back_from_where_the_slope_is_infinite(mode):
    f = jit(lambda x: x[0] * ops.floor(ops.sqrt(x[1])), mode=mode)
    assert f.value_and_grad([1.0, 0.0])[1].tolist() == [0.0, 0.0]


def test_choices_in_choices_are_no_matter_of_depth():
    def deep(x):
        y = x[0]
        for k in range(1500):
            y = ops.where(x[1] > k, y * 1.0, float(k)) if k % 2 else ops.where(x[0] > k, 1.0, y)
        return y * x[0]

    def wide(x):
        y = x[0]
        for k in range(40):
            y = ops.where(x[1] > k, ops.where(x[0] > k, y, float(k)), y)
        return y * x[0]

    for f in (deep, wide):
        value, gradient = jit(f).value_and_grad([0.5, 0.5])
        assert (value, gradient.tolist()) == eager(f, [0.5, 0.5])


def test_packed_arrays_and_lists_of_float32():
    f = jit(lambda x: x[0] + 10 * x[1] + 100 * x[2])
    packed = np.zeros(3, [("a", "f8"), ("b", "i1")])
    packed["a"] = [1, 2, 3]
    assert [f([1.0, 2.0, 3.0]), f(packed["a"]), f(np.array([1.0, 9.0, 2.0, 9.0, 3.0])[::2])] == [321.0] * 3
    third, numbers = jit(lambda x: x[0] / x[1]), [np.float32(1), np.float32(3)]
    assert third(numbers) == third(numbers) == 1 / 3


def test_what_is_too_much_to_write_out_is_the_same(monkeypatch):
    from autograd import compiler

    def f(x):
        return ops.sin(x[0] * x[1]) * x[2] if x[0] > 0 else x[1] * x[2] ** 2

    def several(x):
        return [f(x), x[0] * x[2], 3.0]

    rows = np.random.default_rng(4).uniform(-1.0, 1.0, (13, 3))
    expected = jit(f).hessian(rows), jit(several).jacobian(rows)
    monkeypatch.setattr(compiler, "MOST_TOGETHER", 3)
    one, many = jit(f), jit(several)
    close(one.hessian(rows), expected[0])
    close(many.jacobian(rows), expected[1])
    assert one._variants[0].by_products("auto")
    assert many._variants[0].on_tape("auto", "jacobian")


# Branches. -----------------------------------------------------------------------------------------------------------


def newton(x):
    """The square root of x[0] by as many steps as it takes."""
    y, steps = x[0], 0
    while abs(y * y - x[0]) > 1e-9 * x[0]:
        y, steps = (y + x[0] / y) / 2, steps + 1
    return y + steps * x[1]


def choose(x):
    if x[0] > 0 and not x[1] > 2:
        return x[0] * x[1]
    if x[0] == x[1]:
        return ops.exp(x[0])
    return max(x[0], x[1]) ** 2 if x else 0.0


@pytest.mark.parametrize(
    ("f", "rows"),
    [
        (newton, np.random.default_rng(0).uniform([0.1, -1], [50.0, 1], (97, 2))),
        (choose, np.array([[1.0, 1.0], [1.0, 3.0], [-2.0, -2.0], [-1.0, 0.5], [0.5, -4.0], [3.0, 3.0], [0.0, 0.0]])),
        (lambda x: x[0] if x[0] == x[0] else 7.0 * x[1], np.array([[1.0, 2.0], [nan, 3.0]])),
    ],
)
def test_every_sample_goes_its_own_way(f, rows):
    compiled = jit(f)
    values, gradients = compiled.value_and_grad(rows)
    assert compiled.variants > 1
    for row, value, gradient in zip(rows, values, gradients, strict=True):
        expected = eager(f, row.tolist())
        assert value == pytest.approx(expected[0], rel=1e-13)
        assert gradient.tolist() == pytest.approx(expected[1], rel=1e-12, nan_ok=True)
    before = compiled.variants
    again = compiled.value_and_grad(rows[::-1])
    assert np.array_equal(again[0][::-1], values)
    assert compiled.variants == before  # nothing was recorded twice


def test_too_many_ways_are_refused(monkeypatch):
    from autograd import compiler as module

    monkeypatch.setattr(module, "MOST_VARIANTS", 3)
    steps = jit(lambda x: sum(x[0] for k in range(10) if x[0] > k))
    with pytest.raises(RuntimeError, match=r"branches in more than 3 ways .* write choices as autograd\.where"):
        steps(np.arange(10.0)[:, None])


# Shapes and refusals. ------------------------------------------------------------------------------------------------


def test_shapes_in_and_out():
    f = jit(lambda x: x[0] * x[1])
    assert f([2.0, 3.0]) == 6.0
    assert type(f([2.0, 3.0])) is float
    assert f([[2.0, 3.0], [1.0, 5.0]]).tolist() == [6.0, 5.0]
    assert f.value_and_grad(np.array([2, 3]))[1].tolist() == [3.0, 2.0]
    assert f(np.empty((0, 2))).shape == (0,)
    assert f.hessian([2.0, 3.0]).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    g = jit(lambda a, b: a / b)
    value, (by_a, by_b) = g.value_and_grad(6.0, np.array([2.0, 3.0]))
    assert (value.tolist(), by_a.tolist(), by_b.tolist()) == ([3.0, 2.0], [0.5, 1 / 3], [-1.5, -6 / 9])
    assert g.value_and_grad(6.0, 3.0) == (2.0, (1 / 3, -6 / 9))
    several = jit(lambda x: [x[0] * x[1], 5.0, x[0]])
    assert several([2.0, 3.0]).tolist() == [6.0, 5.0, 2.0]
    assert several.jacobian([[2.0, 3.0], [4.0, 5.0]])[1].tolist() == [[5.0, 4.0], [0.0, 0.0], [1.0, 0.0]]
    fortran = np.asfortranarray(np.arange(24.0).reshape(8, 3)[::2])
    fortran.setflags(write=False)
    assert jit(lambda x: x[0] + 10 * x[2])(fortran).tolist() == [20.0, 86.0, 152.0, 218.0]
    total = jit(lambda x: ops.sum(x) * len(x))
    assert [total([1.0] * n) for n in (1, 2, 3, 2)] == [1.0, 4.0, 9.0, 4.0]
    assert total.value_and_grad([[1.0, 2.0, 3.0]])[1].tolist() == [[3.0, 3.0, 3.0]]
    assert total.variants == 3
    constant = jit(lambda x: 3.0)
    assert constant.value_and_grad([1.0, 2.0])[1].tolist() == [0.0, 0.0]


outer = Value(2.0, name="outer")


@pytest.mark.parametrize(
    ("f", "x", "error", "message"),
    [
        (lambda x: math.sin(x[0]), [1.0], TypeError, r"use autograd's function of the same name"),
        (lambda x: [1, 2][x[0]], [1.0], TypeError, "cannot be an index"),
        (lambda x: x[0] * outer, [1.0], TypeError, r"reads Value\(data=2.0.*make it an argument"),
        (lambda x: x[0].data, [1.0], AttributeError, "has no attribute 'data'"),
        (lambda x: None, [1.0], TypeError, "returned None; does it lack a return"),
        (lambda x: "text", [1.0], TypeError, "must return a number or a flat list of them, got 'text'"),
        (lambda x: [[x[0]]], [1.0], TypeError, "must return a number or a flat list"),
        (lambda x: x[0] + "1", [1.0], TypeError, "the text '1'"),
        (lambda x: x[0], [[[1.0]]], ValueError, r"takes one array \[n\], or \[N, n\] .* got shape \(1, 1, 1\)"),
        (lambda x: x[0], ["a"], TypeError, "takes numbers and arrays of numbers"),
    ],
)
def test_what_cannot_be_compiled_is_refused(f, x, error, message):
    with pytest.raises(error, match=message):
        jit(f)(x)


def test_other_refusals():
    with pytest.raises(TypeError, match="jit takes a function, got 3"):
        jit(3)
    with pytest.raises(TypeError, match="returns several numbers, which have no gradient; use jacobian"):
        jit(lambda x: [x[0], x[0]]).value_and_grad([1.0])
    with pytest.raises(TypeError, match="got 2 arguments"):
        jit(lambda x: x[0])([1.0], [2.0])
    with pytest.raises(IndexError, match="has 0 recordings, and none has the number 0; a call records"):
        jit(lambda x: x[0]).listing()
    with pytest.raises(ValueError, match="there is no kind 'grad'; there are value, gradient, jacobian"):
        jit(lambda x: x[0]).prepare([1.0]).listing("grad")


def test_operations_of_ones_own(table):
    cube = ops.primitive("cube", lambda x: x * x * x, lambda x, y: 3 * x * x)
    coded = ops.primitive("coded", lambda x: math.sin(x) if x > 0 else 0.0, lambda x, y: ops.cos(x))
    f = jit(lambda x: cube(x[0]) + coded(x[0]))
    value, gradient = f.value_and_grad([[0.5], [-1.0]])
    assert value.tolist() == [0.125 + math.sin(0.5), -1.0]
    assert gradient.ravel().tolist() == pytest.approx([0.75 + math.cos(0.5), 3.0 + math.cos(1.0)], rel=1e-15)
    with pytest.raises(TypeError, match="the operation coded is code in Python"):
        f.c_source()


def test_operations_with_names_of_instructions(table):
    plus = ops.primitive("eq", lambda a, b: a + b, lambda a, b, y: 1.0, lambda a, b, y: 1.0)
    f = jit(lambda x: plus(x[0], x[1]) if x[0] == x[0] else 0.0)
    assert f.value_and_grad([2.0, 3.0])[0] == 5.0
    assert pickle.loads(pickle.dumps(f))([2.0, 3.0]) == 5.0


def test_what_python_raises_in_native_code_is_raised(table):
    def root(x):
        if x < 0:
            raise ValueError(f"no root of {x}")
        return math.sqrt(x)

    op = ops.primitive("root", root, lambda x, y: 0.5 / y)
    f = jit(lambda x: op(x[0]) + 1)
    assert f([[1.0], [4.0]]).tolist() == [2.0, 3.0]
    for x in ([[1.0], [-2.0]], [-2.0]):
        with pytest.raises(ValueError, match=r"no root of -2\.0"):
            f(x)


# Text, threads, pickles. ---------------------------------------------------------------------------------------------


def energy(a, b):
    return ops.exp(-a * a) * ops.atan2(b, a) if a > b else ops.sqrt(b - a) + a % 0.75


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_c_source_agrees(tmp_path):
    f = jit(energy)
    points = np.array([[1.5, 0.5], [0.5, 1.75]])
    value, gradient = f.value_and_grad(*points.T)
    libraries = []
    for k in range(f.variants):
        (tmp_path / f"f{k}.c").write_text(f.c_source(f"f{k}", k))
        target = tmp_path / f"f{k}.so"
        subprocess.run(
            ["cc", "-std=c99", "-O2", "-ffp-contract=off", "-Wall", "-Werror", "-shared", "-fPIC", "-o", target,
             tmp_path / f"f{k}.c", "-lm"], check=True,
        )  # fmt: skip
        libraries.append(getattr(ctypes.CDLL(str(target)), f"f{k}"))
    for k, point in enumerate(points):
        for j, function in enumerate(libraries):
            x, y = (ctypes.c_double * 2)(*point), (ctypes.c_double * 4)()
            function(x, y)
            assert y[3] == (j == k)
            if j == k:
                assert list(y)[:3] == pytest.approx([value[k], gradient[0][k], gradient[1][k]], rel=1e-14)
    with pytest.raises(ValueError, match="an identifier, got 'a b'"):
        f.c_source("a b")


def test_the_listing_is_a_program():
    f = jit(energy)
    _ = f(np.array([1.5, 0.5]), np.array([0.5, 1.75]))
    text = f.listing("value")
    assert "v0 = a > b" in text
    assert "guard v0" in text
    assert "return v" in text
    assert "guard" in f.listing("value", 1)
    assert "<compiled energy, 2 variants>" == repr(f)


def test_equal_expressions_are_one_and_unused_ones_none():
    def f(x):
        unused = ops.exp(x[1])
        _ = unused * 3.0
        return ops.sin(x[0]) * ops.sin(x[0]) + 0.0 * 5.0 + (x[0] + x[1]) * 1.0

    compiled = jit(f)
    compiled([1.0, 2.0])
    assert compiled.listing("value").splitlines() == [
        "v0 = sin(x[0])", "v1 = v0 * v0", "v2 = v1 + 0.0", "v3 = x[0] + x[1]", "v4 = v2 + v3", "return v4",
    ]  # fmt: skip


def test_pickles_and_threads():
    again = pickle.loads(pickle.dumps(jit(energy)))
    assert again(1.5, 0.5) == jit(energy)(1.5, 0.5)
    f, rows = jit(newton), np.random.default_rng(1).uniform(0.5, 9.0, (400, 2))
    expected = jit(newton).value_and_grad(rows)
    found: list = [None] * 8

    def work(k):
        found[k] = f.value_and_grad(rows)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(np.array_equal(value, expected[0]) and np.array_equal(g, expected[1]) for value, g in found)


# Code generation. ----------------------------------------------------------------------------------------------------


def run(program, lanes, columns, dtype=np.float64):
    """The outputs [outputs, N] of a program for inputs [inputs, N]."""
    out = np.empty((len(program.outputs), columns.shape[1]), dtype)
    Kernel(program, lanes, dtype)([columns.astype(dtype).T], [out.T])
    return out


@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@pytest.mark.parametrize("steps", [1, 399, 400, 401, 1100])
def test_chunks_and_lanes(lanes, steps):
    rng = np.random.default_rng(steps)
    code = []
    for i in range(steps):
        a, b = rng.integers(max(0, i - 500), 3 + i, 2)
        name = ("add", "sub", "mul", "where", "lt")[rng.integers(5)] if i else "add"
        code.append(Step(name, (int(a), int(b), 0.5)[: 3 if name == "where" else 2]))
    some = range(3, 3 + steps, 29)
    program = Program(3, tuple(code), (2 + steps, 0, 1.5, *some))
    columns = rng.integers(-2, 3, (3, 16)).astype(float)
    values = list(columns)
    with np.errstate(all="ignore"):
        for name, operands, _ in code:
            xs = [values[x] if type(x) is int else x for x in operands]
            values.append({
                "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
                "where": lambda c, a, b: np.where(c != 0, a, b), "lt": lambda a, b: (a < b).astype(float),
            }[name](*xs))  # fmt: skip
    expected = [values[-1], columns[0], np.full(16, 1.5), *(values[x] for x in some)]
    np.testing.assert_array_equal(run(program, lanes, columns), expected)


@pytest.mark.parametrize("lanes", [1, 4])
def test_conditions_may_be_constants(lanes):
    steps = (Step("where", (0.5, 0, 7.0)), Step("where", (0.0, 0, 7.0)), Step("and", (0, 1.0)), Step("not", (0.0,)))
    out = run(Program(1, steps, (1, 2, 3, 4)), lanes, np.array([[2.0, 0.0, -1.0, 5.0]]))
    assert out.tolist() == [[2.0, 0.0, -1.0, 5.0], [7.0] * 4, [1.0, 0.0, 1.0, 1.0], [1.0] * 4]
