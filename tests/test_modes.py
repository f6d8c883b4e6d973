"""Every way that a compiled function can run, against the eager engine: lines, tapes, threads, C, layouts, pickles."""

import ctypes
import math
import multiprocessing
import pickle
import shutil
import subprocess
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import AnomalyError, Value, jit, ops, record, workers
from autograd.testing.strategies import programs

MODES = pytest.mark.parametrize("mode", ["line", "tape"])
nan = math.nan


@pytest.fixture(scope="module", autouse=True)
def any_share_is_worth_a_thread():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "LEAST_SHARE", 1e-18)
        yield


def close(a, b, rel=1e-12):
    b = np.asarray(b)
    np.testing.assert_allclose(a, b, rtol=rel, atol=rel * max(1.0, np.nanmax(np.abs(b), initial=0.0)))


def eager(f, rows):
    found = [ag.value_and_grad(f)(row.tolist()) for row in rows]
    return np.array([value for value, _ in found]), np.array([gradient for _, gradient in found])


# Programs with branches. ---------------------------------------------------------------------------------------------


class Branching:
    """A straight-line program with branches, a loop and choices behind it, on two of its intermediate results."""

    __name__ = "branching"

    def __init__(self, program, i, j, level):
        count = len(program.inputs) + len(program.steps)
        self.program, self.i, self.j, self.level = program, i % count, j % count, level

    def __call__(self, x):
        made = self.program.trace(x)
        y, a, b = made[-1], made[self.i], made[self.j]
        if a > b + self.level:
            y = y + 0.5 * a
        elif not abs(b) > 1.7:
            y = y - a * b
        y = y + ag.where(a > self.level, ag.sin(a), 0.25 * b) + ag.relu(b - self.level)
        z = abs(a) + 0.9
        while z > 1.13:  # as many steps as the data say
            z = 0.41 * z + 0.1 * ag.tanh(x[0])
            y = y + z
        return ag.maximum(y, b) + ag.minimum(a, self.level)

    def __repr__(self):
        return f"Branching({self.program.source()}, {self.i}, {self.j}, {self.level})"


LEVELS = st.sampled_from([0.123, -0.377, 1.019, -1.411])


def branching(nodes=6):
    return st.builds(Branching, programs(nodes=nodes, bound=8.0), st.integers(0, 9), st.integers(0, 9), LEVELS)


def around(f, n, seed=0, size=0.3):
    """Rows around the point of a program, that point the first."""
    point = np.array(f.program.point)
    rows = point + size * np.random.default_rng(seed).uniform(-1, 1, (n, len(point)))
    rows[0] = point
    return rows


def inside(f, rows):
    """Rows at which everything is finite."""
    values, gradients = eager(f, rows)
    good = np.isfinite(values) & np.isfinite(gradients).all(1) & (np.abs(gradients).max(1) < 1e6)
    return rows[good]


@settings(max_examples=10)
@given(branching(nodes=5), st.integers(1, 3))
def test_all_modes_agree_with_the_eager_engine(f, n):
    rows = inside(f, around(f, n))
    expected = eager(f, rows)
    hessians = np.array([ag.hessian(f)(row.tolist()) for row in rows]).reshape(len(rows), *2 * rows.shape[1:])
    directions = np.random.default_rng(1).uniform(-1, 1, rows.shape)
    for mode in ("line", "tape"):
        compiled = jit(f, mode=mode)
        for found, wanted in zip(compiled.value_and_grad(rows), expected, strict=True):
            close(found, wanted)
        close(compiled.hessian(rows), hessians, 1e-9)
        close(compiled.hvp(rows, directions), np.einsum("nij,nj->ni", hessians, directions), 1e-9)
        value, slope = compiled.jvp(rows, directions)
        close(value, expected[0])
        close(slope, np.einsum("ni,ni->n", expected[1], directions))
        before = compiled.variants
        compiled.value_and_grad(rows[::-1])
        assert compiled.variants == before


@settings(max_examples=8)
@given(branching(), st.integers(33, 150))
def test_threads_change_nothing(f, n):
    rows = around(f, n)
    for mode in ("line", "tape"):
        one, two = (jit(f, mode=mode, threads=k) for k in (1, 2))
        for a, b in zip(one.value_and_grad(rows), two.value_and_grad(rows), strict=True):
            np.testing.assert_array_equal(a, b)
        assert one.variants == two.variants
    assert workers.count(one._variants[0].kernel("value", (), 0, np.float64, "line"), n, 2) == 2


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@settings(max_examples=2)
@given(st.lists(branching(), min_size=12, max_size=12))
def test_c_agrees_with_the_eager_engine(tmp_path_factory, functions):
    folder, texts, cases = tmp_path_factory.mktemp("c"), [], []
    for k, f in enumerate(functions):
        rows, compiled = inside(f, around(f, 6)), jit(f)
        compiled(rows)
        names = [f"f{k}_{j}" for j in range(compiled.variants)]
        texts += [compiled.c_source(name, j) for j, name in enumerate(names)]
        cases.append((f, rows, names, [v.guarded for v in compiled._variants]))
    (folder / "all.c").write_text("\n".join(texts))
    command = ["cc", "-std=c99", "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", folder / "all.so", folder / "all.c", "-lm"], check=True)
    library = ctypes.CDLL(str(folder / "all.so"))
    for f, rows, names, guarded in cases:
        n = rows.shape[1]
        for row, value, gradient in zip(rows, *eager(f, rows), strict=True):
            met = 0
            for name, flag in zip(names, guarded, strict=True):
                y = (ctypes.c_double * (n + 2))()
                getattr(library, name)((ctypes.c_double * n)(*row), y)
                if not flag or y[n + 1]:
                    met += 1
                    close(list(y)[: n + 1], [value, *gradient])
            assert met == 1


@settings(max_examples=15)
@given(programs(nodes=6, bound=5.0, wheres=True))
def test_float32_has_the_accuracy_of_float32(program):
    rows = np.tile(np.float32(program.point), (5, 1))
    leaves, y = program.graph()
    y.backward()
    nodes, stack = {id(y): y}, [y]
    while stack:
        for v in stack.pop().operands:
            if isinstance(v, Value) and id(v) not in nodes:
                nodes[id(v)] = v
                stack.append(v)
    bound = sum(abs(v.data * v.grad) for v in nodes.values()) + 1.0
    f = jit(lambda x: program(x))
    value, gradient = f.value_and_grad(rows.astype(float))
    for mode in ("line", "tape"):
        found = jit(lambda x: program(x), mode=mode).value_and_grad(rows)
        assert all(x.dtype == np.float32 for x in found)
        assert np.abs(found[0] - value).max() <= 8 * 2.0**-23 * bound
        close(found[1], gradient, 1e-3)
    assert len(leaves) == rows.shape[1]


# Buffers. ------------------------------------------------------------------------------------------------------------


def wave(x):
    return ag.sin(x[0]) * x[1] + x[2] ** 2 * x[0] if x[0] > x[1] else ag.exp(x[2]) * x[1]


ROWS = np.random.default_rng(3).uniform(-2.0, 2.0, (37, 3))


def buffers(shape, dtype=np.float64):
    """Arrays of a shape that lie in memory in many ways."""
    yield np.full(shape, nan, dtype)
    yield np.full(shape, nan, dtype, order="F")
    yield np.full(shape[::-1], nan, dtype).T
    yield np.full((2 * shape[0], *shape[1:]), nan, dtype)[::2]
    yield np.full((*shape, 2), nan, dtype)[..., 1]
    yield np.full(shape, nan, dtype)[::-1]
    yield np.full(shape, nan, dtype)[..., ::-1]
    size = math.prod(shape) * np.dtype(dtype).itemsize
    yield np.full(size + 1, 255, np.uint8)[1:].view(dtype).reshape(shape)  # unaligned
    packed = np.zeros(shape, np.dtype([("flag", np.uint8), ("number", dtype)]))
    yield packed["number"]  # strides that are no whole numbers of elements


@MODES
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_out_may_lie_anyhow(mode, dtype):
    f, rows = jit(wave, mode=mode), ROWS.astype(dtype)
    calls = {
        "value": ((37,), f(rows), lambda out: f(rows, out=out)),
        "jacobian": ((37, 1, 3), f.jacobian(rows), lambda out: f.jacobian(rows, out=out)),
        "hessian": ((37, 3, 3), f.hessian(rows), lambda out: f.hessian(rows, out=out)),
        "hvp": ((37, 3), f.hvp(rows, rows), lambda out: f.hvp(rows, rows, out=out)),
    }
    for name, (shape, expected, call) in calls.items():
        for out in buffers(shape, dtype):
            assert call(out) is out
            np.testing.assert_array_equal(out, expected, err_msg=name)
    value, gradient = f.value_and_grad(rows)
    for a, b in zip(buffers((37,), dtype), buffers((37, 3), dtype), strict=True):
        found = f.value_and_grad(rows, out=(a, b))
        assert found[0] is a
        assert found[1] is b
        np.testing.assert_array_equal(a, value)
        np.testing.assert_array_equal(b, gradient)
    value, slope = f.jvp(rows, rows[::-1])
    out = np.empty(37, dtype), np.empty(37, dtype)
    f.jvp(rows, rows[::-1], out=out)
    np.testing.assert_array_equal(out, (value, slope))


@MODES
def test_out_may_overlap_the_arguments(mode):
    f = jit(wave, mode=mode)
    expected = f.value_and_grad(ROWS)
    own = ROWS.copy()
    value = np.empty(37)
    f.value_and_grad(own, out=(value, own))
    np.testing.assert_array_equal(own, expected[1])
    np.testing.assert_array_equal(value, expected[0])
    own = ROWS.copy()
    f(own, out=own[:, 1])
    np.testing.assert_array_equal(own[:, 1], expected[0])
    np.testing.assert_array_equal(own[:, ::2], ROWS[:, ::2])
    long = np.zeros((74, 3))
    long[:37] = ROWS
    f.hvp(long[:37], ROWS, out=long[1:38])  # a row behind its argument
    np.testing.assert_array_equal(long[1:38], f.hvp(ROWS, ROWS))
    own = ROWS.copy()
    f.hvp(own, own, out=own[::-1])
    np.testing.assert_array_equal(own[::-1], f.hvp(ROWS, ROWS))


@MODES
def test_out_at_one_point(mode):
    f = jit(wave, mode=mode)
    value, gradient = f.value_and_grad(ROWS[0])
    a, b, h = np.empty(()), np.empty(3), np.empty((3, 3))
    f.value_and_grad(ROWS[0], out=(a, b))
    assert (float(a), b.tolist()) == (value, gradient.tolist())
    assert f.hessian(ROWS[0], out=h) is h
    np.testing.assert_array_equal(h, f.hessian(ROWS[0]))
    g = jit(lambda a, b: a * b, mode=mode)
    slopes = np.empty((2, 2))
    g.value_and_grad([2.0, 3.0], 5.0, out=(np.empty(2), slopes))
    assert slopes.tolist() == [[5.0, 2.0], [5.0, 3.0]]


@MODES
def test_out_for_no_samples(mode):
    f, none = jit(wave, mode=mode), np.empty((0, 3))
    assert f(none, out=np.empty(0)).shape == (0,)
    assert f.value_and_grad(none, out=(np.empty(0), np.empty((0, 3))))[1].shape == (0, 3)
    assert f.hessian(none, out=np.empty((0, 3, 3))).shape == (0, 3, 3)


@MODES
@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.empty((37, 3, 3), np.float32), r"out must be a float64 array of shape \(37, 3, 3\), got float32 array"),
        (np.empty((37, 9)), r"array of shape \(37, 3, 3\), got float64 array of shape \(37, 9\)"),
        (np.empty((1, 37, 3, 3)), r"array of shape \(37, 3, 3\), got float64 array of shape \(1, 37, 3, 3\)"),
        (np.empty((37, 3, 3), ">f8"), r"out must be a float64 array of shape \(37, 3, 3\), got >f8 array"),
        ([[0.0]], r"out must be a float64 array of shape \(37, 3, 3\), got \[\[0.0\]\]"),
        (np.broadcast_to(0.0, (37, 3, 3)), "out is a read-only array; give one that may be written to"),
    ],
)
def test_what_cannot_be_written_to_is_refused(mode, out, message):
    with pytest.raises(ValueError, match=message):
        jit(wave, mode=mode).hessian(ROWS, out=out)


def test_out_has_as_many_arrays_as_results():
    f = jit(wave)
    with pytest.raises(TypeError, match="wave: out must be 2 arrays, got 1"):
        f.value_and_grad(ROWS, out=np.empty(37))
    with pytest.raises(TypeError, match="wave: out must be 2 arrays, got 3"):
        f.jvp(ROWS, ROWS, out=(np.empty(37),) * 3)
    with pytest.raises(ValueError, match=r"wave: out must be a float64 array of shape \(37, 3\), got None"):
        f.value_and_grad(ROWS, out=(np.empty(37), None))


# Arguments. ----------------------------------------------------------------------------------------------------------


def layouts():
    whole = np.arange(-60.0, 60.0).reshape(40, 3) / 8
    unaligned = np.zeros(whole.nbytes + 1, np.uint8)[1:].view(float).reshape(whole.shape)
    unaligned[...] = whole
    packed = np.zeros(whole.shape, np.dtype([("flag", np.uint8), ("number", float)]))
    packed["number"] = whole
    locked = whole.copy()
    locked.setflags(write=False)
    wide = np.zeros((40, 7))
    wide[:, 1:6:2] = whole
    return {
        "plain": whole, "fortran": np.asfortranarray(whole), "columns": wide[:, 1:6:2], "every third": whole[::3],
        "backwards": whole[::-1], "mirrored": whole[:, ::-1], "both": whole[::-2, ::-1], "locked": locked,
        "float32": whole.astype(np.float32), "float32 columns": wide.astype(np.float32)[:, 1:6:2],
        "float16": whole.astype(np.float16), "big endian": whole.astype(">f8"), "big single": whole.astype(">f4"),
        "unaligned": unaligned, "packed": packed["number"], "int": (8 * whole).astype(int),
        "int8": (8 * whole).astype(np.int8), "bool": whole > 0, "list": whole.tolist(),
        "tuples": tuple(map(tuple, whole.tolist())), "objects": whole.astype(object), "one": whole[:1],
        "a row again and again": np.broadcast_to(whole[7], (5, 3)), "matrix": whole[:1].repeat(2, 0),
        "long double": whole.astype(np.longdouble), "two": whole[3:5], "nine": whole[:9],
    }  # fmt: skip


@MODES
@pytest.mark.parametrize("name", layouts())
def test_arguments_may_lie_anyhow(mode, name):
    given_ = layouts()[name]
    f = jit(wave, mode=mode)
    plain = np.array(given_, float, order="C")
    value, gradient = f.value_and_grad(plain)
    found = f.value_and_grad(given_)
    single = "float32" in name
    assert found[0].dtype == found[1].dtype == (np.float32 if single else np.float64)
    for a, b in zip(found, (value, gradient), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5 if single else 0.0, atol=1e-5 if single else 0.0)
    np.testing.assert_allclose(f.hvp(given_, plain), f.hvp(plain, plain), rtol=1e-5, atol=1e-5)
    row = f.value_and_grad(given_[-1])
    assert row[0] == pytest.approx(value[-1], rel=1e-5 if single else 1e-15, abs=1e-5 if single else 0.0)
    np.testing.assert_allclose(row[1], gradient[-1], rtol=1e-5 if single else 1e-15, atol=1e-5 if single else 0.0)


@MODES
def test_a_point_may_lie_anyhow(mode):
    f = jit(wave, mode=mode)
    f(ROWS)
    expected = [f.value_and_grad(row[None]) for row in ROWS]
    wide = np.zeros((37, 6))
    wide[:, 5::-2] = ROWS
    for row, other, (value, gradient) in zip(ROWS, wide[:, 5::-2], expected, strict=True):
        for x in (row, other, row.tolist(), tuple(row.tolist()), list(row), row.astype(">f8"), row.astype(object)):
            found = f.value_and_grad(x)
            assert type(found[0]) is float
            assert found[0] == value[0]
            assert found[1].tolist() == gradient[0].tolist()
            assert f(x) == value[0]
    assert f([1, 2, True]) == f([1.0, 2.0, 1.0])


@MODES
def test_several_parameters_go_together(mode):
    f = jit(lambda a, b, c: a * b + ag.exp(c) if a > b else c * b, mode=mode)
    a, b = np.linspace(-1, 1, 9), np.linspace(2, -2, 18)[::2]
    rows = np.stack([a, b, np.full(9, 0.5)], 1)
    expected = jit(lambda x: x[0] * x[1] + ag.exp(x[2]) if x[0] > x[1] else x[2] * x[1]).value_and_grad(rows)
    for c in (0.5, [0.5], np.full(9, 0.5), np.float64(0.5), np.broadcast_to(0.5, 9), [0.5] * 9):
        value, slopes = f.value_and_grad(a, b, c)
        close(value, expected[0])
        close(np.transpose(slopes), expected[1])
    assert f.value_and_grad(a.astype(np.float32), b.astype(np.float32), 0.5)[0].dtype == np.float32
    assert f.value_and_grad(a.astype(np.float32), b, 0.5)[0].dtype == np.float64
    value, slopes = f.value_and_grad(2, 1, 0.0)
    assert (value, slopes) == (3.0, (1.0, 2.0, 1.0))
    assert f.hessian(2, 1, 0.0).tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    assert f.hessian(a, b, 0.5).shape == (9, 3, 3)
    assert f.hvp(a, b, 0.5, 1.0, 0.0, 0.0).shape == (9, 3)
    assert f.jvp(2.0, 1.0, 0.0, 1.0, 10.0, 100.0) == (3.0, 121.0)
    assert f(np.empty(0), np.empty(0), 1.0).shape == (0,)
    with pytest.raises(ValueError, match=r"must go together, got shapes \(9,\), \(2,\), \(\)"):
        f(a, [1.0, 2.0], 0.0)
    with pytest.raises(ValueError, match=r"takes numbers, or arrays \[N\] for a batch; got shape \(1, 1\)"):
        f([[1.0]], 2.0, 3.0)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([1j, 2.0], TypeError, r"complex numbers are not compiled, got \[1j, 2\.0\]; give real and imaginary parts"),
        ([Value(1.0), 2.0], TypeError, "compiled code on floats, got Values; call the function itself"),
        ([1.0, Value(2.0)], TypeError, r"Value"),
        (["one", 2.0], TypeError, "takes numbers and arrays of numbers"),
        ([{}, 1.0], TypeError, "got {}"),
        (np.zeros((1, 2, 3)), ValueError, r"got shape \(1, 2, 3\)"),
    ],
)
def test_what_is_no_number_is_refused(x, error, message):
    f = jit(lambda x: x[0] * x[1])
    for _ in range(2):  # before and after there is something compiled
        for call in (f, f.value_and_grad, f.jacobian, f.hessian):
            with pytest.raises(error, match=message):
                call(x)
        f([1.0, 2.0])


def test_a_refused_call_leaves_nothing_behind():
    f = jit(lambda x: x[0] * x[1])
    for x in ({}, None, 3.0):
        with pytest.raises((TypeError, ValueError)):
            f(x)
        assert f([2.0, 3.0]) == 6.0
        f = jit(lambda x: x[0] * x[1])
    f([2.0, 3.0])
    with pytest.raises(ValueError, match=r"takes one array \[n\], or \[N, n\] for a batch; got shape \(\)"):
        f(3.0)


def test_numbers_of_arguments():
    f, g = jit(lambda x: x[0]), jit(lambda a, b: a * b)
    one = [1.0]
    calls = [
        (f, (), 0), (f, (one, one), 2), (f.hvp, (one,), 1), (f.jvp, (one,) * 3, 3), (g, (1.0,), 1), (g, (1.0,) * 3, 3),
        (g.hvp, (1.0,) * 3, 3), (g, ([1.0, 2.0],), 1),
    ]  # fmt: skip
    for call, args, count in calls:
        with pytest.raises(TypeError, match=rf"jit: <lambda> takes .*got {count} arguments"):
            call(*args)
    with pytest.raises(ValueError, match="must go together"):
        f.hvp([1.0, 2.0], [1.0])
    with pytest.raises(IndexError):
        f([])


@pytest.mark.parametrize("x", [[None, 1.0], np.array(["2020-01-01", "2020-01-02"], "M8[D]"), ["1", "2"], [b"1", b"2"]])
def test_what_only_numpy_takes_for_numbers_is_refused(x):
    f = jit(lambda x: x[0] * x[1])
    with pytest.raises((TypeError, ValueError)):
        f(x)


@MODES
def test_a_function_may_change_its_list(mode):
    def f(x):
        x[0] = x[0] * x[1]
        x.append(x[0] * x[1])
        return x[-1]

    value, gradient = jit(f, mode=mode).value_and_grad([[2.0, 3.0], [5.0, 7.0]])
    assert value.tolist() == [18.0, 245.0]
    assert gradient.tolist() == [[9.0, 12.0], [49.0, 70.0]]


# Results. ------------------------------------------------------------------------------------------------------------


@MODES
@pytest.mark.parametrize(
    ("f", "values", "jacobian"),
    [
        (lambda x: 3.0, 3.0, [[0.0, 0.0]]),
        (lambda x: np.float32(2.0), 2.0, [[0.0, 0.0]]),
        (lambda x: True, 1.0, [[0.0, 0.0]]),
        (lambda x: x[1], 5.0, [[0.0, 1.0]]),
        (lambda x: x, [2.0, 5.0], [[1.0, 0.0], [0.0, 1.0]]),
        (lambda x: (x[1], 7, x[1]), [5.0, 7.0, 5.0], [[0.0, 1.0], [0.0, 0.0], [0.0, 1.0]]),
        (lambda x: x[0] < x[1], 1.0, [[0.0, 0.0]]),
        (lambda x: [x[0] > x[1], x[0]], [0.0, 2.0], [[0.0, 0.0], [1.0, 0.0]]),
        (lambda x: np.array(x) * [3.0, 2.0], [6.0, 10.0], [[3.0, 0.0], [0.0, 2.0]]),
        (lambda x: (np.array(x) ** 2).sum(), 29.0, [[4.0, 10.0]]),
        (lambda x: np.array([x, x]), [2.0, 5.0, 2.0, 5.0], [[1.0, 0.0], [0.0, 1.0]] * 2),
        (lambda x: np.array(x) @ np.array(x), 29.0, [[4.0, 10.0]]),
        (lambda x: np.exp(np.array(x) * 0.0), [1.0, 1.0], [[0.0, 0.0], [0.0, 0.0]]),
    ],
)
def test_results_of_every_kind(mode, f, values, jacobian):
    compiled, x = jit(f, mode=mode), [2.0, 5.0]
    np.testing.assert_array_equal(compiled(x), values)
    np.testing.assert_array_equal(compiled([x, x, x]), [values] * 3)
    np.testing.assert_array_equal(compiled.jacobian(x), jacobian)
    np.testing.assert_array_equal(compiled.jacobian([x, x]), [jacobian] * 2)
    value, slope = compiled.jvp(x, [1.0, 0.0])
    np.testing.assert_array_equal(value, values)
    np.testing.assert_array_equal(slope, np.array(jacobian)[:, 0] if np.ndim(values) else jacobian[0][0])
    if np.ndim(values):
        with pytest.raises(TypeError, match="returns several numbers, which have no gradient; use jacobian"):
            compiled.value_and_grad(x)
        with pytest.raises(TypeError, match="returns several numbers, which have no Hessian"):
            compiled.hvp(x, x)
    else:
        assert compiled.value_and_grad(x)[1].tolist() == jacobian[0]


@pytest.mark.parametrize("y", [None, "text", 1j, {1: 2}, [[1.0]], [None], iter(())])
def test_results_that_are_no_numbers_are_refused(y):
    with pytest.raises(TypeError, match=r"returned None; does it lack|must return a number or a flat list of them"):
        jit(lambda x: y)([1.0])


@MODES
def test_what_does_not_reach_the_result_has_exactly_no_slope(mode):
    def f(x):
        unused = ag.log(x[1])
        return ag.where(x[0] > 0, x[0] * x[2], unused) + 0.0 * x[3] + ag.floor(x[4]) * 5.0

    value, gradient = jit(f, mode=mode).value_and_grad([[2.0, 0.0, 3.0, 5.0, 1.5], [2.0, -1.0, 3.0, 5.0, 1.5]])
    assert value.tolist() == [11.0, 11.0]
    assert gradient.tolist() == [[3.0, 0.0, 2.0, 0.0, 0.0]] * 2
    value, gradient = jit(lambda x: x[0] if x[0] > x[1] else ag.sqrt(x[2]), mode=mode).value_and_grad([1.0, 0.0, 0.0])
    assert gradient.tolist() == [1.0, 0.0, 0.0]
    assert not jit(lambda x: x[0], mode=mode).hessian([[1.0, 2.0]]).any()


# To add once such are refused: `lambda x: [*x, *x]`. Until then its kernel writes behind the end of the results.
@MODES
@pytest.mark.parametrize("other", [lambda x: x[:1], lambda x: [], lambda x: x[0]])
def test_branches_must_give_as_many_results(mode, other):
    f = jit(lambda x: x if x[0] > 0 else other(x), mode=mode)
    f([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises((TypeError, ValueError)):
        f([[1.0, 2.0], [-1.0, 2.0], [3.0, 4.0]])
    with pytest.raises((TypeError, ValueError)):
        f([-1.0, 2.0])


# Anomalies. ----------------------------------------------------------------------------------------------------------


@MODES
def test_anomalies_say_where(mode):
    def steep(x):
        return ag.log(x[0] - x[1]) * x[0]

    here = f"test_modes.py, line {steep.__code__.co_firstlineno + 1}, in steep"
    f, rows = jit(steep, mode=mode), [[2.0, 1.0], [3.0, 1.0], [1.0, 1.0]]
    f(rows)
    for call in (f, f.value_and_grad, f.jacobian, f.hessian, lambda x: f.hvp(x, x), lambda x: f.jvp(x, x)):
        for x, where in ((rows, "steep, sample 2"), (rows[2], "steep")):
            with ag.detect_anomaly(), pytest.raises(AnomalyError, match=r"-inf, at .*the leaf x\[0\]") as caught:
                call(x)
            assert str(caught.value).startswith(f"{where}: log(0.0)")
            assert here in str(caught.value)
        with ag.detect_anomaly():
            call(rows[:2])
    with ag.detect_anomaly(), pytest.raises(AnomalyError, match=r"root, sample 1: .*sqrt"):
        jit(root, mode=mode).value_and_grad([1.0, 0.0], [1.0, 1.0])  # its value is fine, its slope is not
    with ag.detect_anomaly():
        assert jit(root, mode=mode)([1.0, 0.0], [1.0, 1.0]).tolist() == [1.0, 0.0]


def root(a, b):
    return ag.sqrt(a) * b


def test_anomalies_of_objectives_say_where():
    def loss(w, x, y):
        return ag.log(w[0] * x[1] - y)

    f = ag.objective(loss)
    with ag.detect_anomaly(), pytest.raises(AnomalyError, match="loss, row 1: log") as caught:
        f([1.0], [[0.0, 2.0], [0.0, 1.0]], [1.0, 1.0])
    assert f"test_modes.py, line {loss.__code__.co_firstlineno + 1}, in loss" in str(caught.value)
    assert "the leaf w[0]" in str(caught.value)
    with ag.detect_anomaly():
        assert f([1.0], [[0.0, 2.0]], [1.0])[0] == 0.0


# Pickles and processes. ----------------------------------------------------------------------------------------------


compiled_wave = jit(wave, threads=2)


def answers(f, rows):
    return f.value_and_grad(rows)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_compiled_functions_go_to_other_processes(method):
    by_hand = jit(lambda x: x[0] * ag.exp(x[1]) if x[0] > 0 else x[2])
    expected = [answers(f, ROWS) for f in (compiled_wave, by_hand)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads
        with multiprocessing.get_context(method).Pool(1) as pool:
            jobs = [pool.apply_async(answers, (f, ROWS)) for f in (jit(wave), compiled_wave, by_hand)]
            found = [job.get(60) for job in jobs]
    for (value, gradient), (v, g) in zip(found, [expected[0], *expected], strict=True):
        np.testing.assert_array_equal(value, v)
        np.testing.assert_array_equal(gradient, g)


@MODES
def test_a_lambda_goes_with_its_recordings(mode):
    f = jit(lambda x: x[0] * 2.0 + (ag.log(x[1]) if x[1] > 0 else 1.0), mode=mode)
    with pytest.raises(pickle.PicklingError, match="has no recording yet; call it once before"):
        pickle.dumps(f)
    expected = f.value_and_grad([[1.0, 2.0], [2.0, 3.0]])
    again = pickle.loads(pickle.dumps(f))
    assert repr(again) == repr(f)
    for a, b in zip(again.value_and_grad([[1.0, 2.0], [2.0, 3.0]]), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(again.hessian([1.0, 2.0]), f.hessian([1.0, 2.0]))
    assert again.listing() == f.listing()
    assert again.c_source() == f.c_source()
    for x in ([1.0, -1.0], [[1.0, 2.0], [1.0, -1.0]]):
        with pytest.raises(RuntimeError, match=r"came from a pickle without its Python.*its 1 recordings"):
            again(x)
    with ag.detect_anomaly(), pytest.raises(RuntimeError, match="without its Python, and cannot be watched"):
        again([1.0, 2.0])
    f([1.0, -1.0])
    assert pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(f))))([1.0, -1.0]) == 3.0


@settings(max_examples=10)
@given(branching(nodes=4))
def test_pickled_recordings_are_the_same(f):
    rows = around(f, 4)
    compiled = jit(lambda x: f(x))
    expected = compiled.value_and_grad(rows)
    again = pickle.loads(pickle.dumps(compiled))
    assert again.variants == compiled.variants
    for a, b in zip(again.value_and_grad(rows), expected, strict=True):
        np.testing.assert_array_equal(a, b)


# What recording refuses, and its ends. -------------------------------------------------------------------------------


# Native code adds two by two: 1 is lost beside 1e16, and not for `fsum`.
LOST = [1e16, 1.0, -1e16]


@MODES
def test_what_the_last_digit_decides_gets_an_answer(mode):
    def f(x):
        if x[3] > 0:
            return 5.0 * x[0]
        return x[4] if ag.sum(x[:3]) == 1.0 else 3.0 * x[4]

    compiled = jit(f, mode=mode)
    for _ in range(3):
        assert compiled([*LOST, 0.0, 7.0]) in (7.0, 21.0)
        assert compiled.value_and_grad([[*LOST, 0.0, 7.0]])[1][0, 4] in (1.0, 3.0)
    assert compiled.variants == 1
    # Many such samples, beside ones that belong elsewhere.
    rows = np.tile([*LOST, 0.0, 7.0], (600, 1))
    rows[:, 4] = np.arange(600.0)
    rows[::50, 3] = 1.0
    compiled = jit(f, mode=mode)
    for _ in range(2):
        values, gradients = compiled.value_and_grad(rows)
        for row, value, gradient in zip(rows, values, gradients, strict=True):
            assert value in ((5e16,) if row[3] else (row[4], 3.0 * row[4]))
            assert gradient[4] in ((0.0,) if row[3] else (1.0, 3.0))
        assert compiled.variants == 2


def test_choices_in_a_derivative_are_refused(table):
    bent = ops.primitive("bent", lambda x: x * x, lambda x, y: 2.0 * x if x > 0 else 0.0)
    f = jit(lambda x: bent(x[0]))
    assert f([3.0]) == 9.0
    for call in (f.value_and_grad, f.jacobian, f.hessian, lambda x: f.jvp(x, x)):
        with pytest.raises(TypeError, match=r"used a condition as a truth value; write the choice .*autograd\.where"):
            call([3.0])
    assert f([[3.0], [-2.0]]).tolist() == [9.0, 4.0]


def test_a_recording_ends_before_the_memory(monkeypatch):
    def f(x):
        y = x[0]
        for k in range(70_000):
            y = y + float(k + 1)
        return y

    monkeypatch.setattr(record, "_memory_left", lambda: 0)
    with pytest.raises(MemoryError, match=r"the recording has reached 65,536 operations.* does a loop not end\?"):
        jit(f)([1.0])
    monkeypatch.setattr(record, "_memory_left", lambda: 65_536 * record.BYTES_PER_OPERATION // 4)
    assert jit(f)([1.0]) == 1.0 + 70_000 * 70_001 / 2
    monkeypatch.setattr(record, "_memory_left", lambda: None)
    assert jit(f)([[1.0]])[0] == 1.0 + 70_000 * 70_001 / 2


# Large graphs. -------------------------------------------------------------------------------------------------------


def march(steps):
    def f(x):
        a, b = x[0], x[1]
        for k in range(steps):
            a, b = a + 0.01 * b, b - 0.01 * ag.sin(a) * x[2]
            if k % 500 == 0:
                b = b * 0.5
        return a * b

    return f


def kernel(f, kind="gradient"):
    assert f._variants[0].on_tape("auto")
    return f._kernel(f._variants[0], kind, (), 0, np.float64)


def test_a_long_loop_is_a_tape():
    f, rows = jit(march(2000)), np.array([[1.0, 0.5, 2.0], [0.3, -0.2, 1.0], [2.0, 0.0, 0.5]])
    value, gradient = f.value_and_grad(rows)
    for found, expected in zip((value, gradient), eager(march(2000), rows), strict=True):
        close(found, expected, 1e-11)
    v = [1.0, -2.0, 0.5]
    close(f.hvp(rows[0], v), ag.hvp(march(2000), rows[0].tolist(), v), 1e-9)
    close(f.hessian(rows[0]) @ v, f.hvp(rows[0], v), 1e-9)
    assert f.value_and_grad(rows[0])[0] == pytest.approx(value[0], rel=1e-14)


def test_a_loop_twice_as_long_is_no_more_code():
    short, long = jit(march(4000)), jit(march(8000))
    for f in (short, long):
        f([1.0, 0.5, 2.0])
    for kind in ("value", "gradient"):
        a, b = kernel(short, kind), kernel(long, kind)
        assert b.kinds <= a.kinds + 4
        assert len(b.text()) < 1.3 * len(a.text())
        assert 1.8 < (b.slots / a.slots) < 2.2
        assert 1.8 < long.workspace(kind) / short.workspace(kind) < 2.2


def test_a_random_graph_is_a_tape():
    rng = np.random.default_rng(5)
    sorts = [
        lambda a, b: 0.5 * (a + b), lambda a, b: ag.sin(a) * b, lambda a, b: a - 0.5 * b, lambda a, b: ag.tanh(a + b),
        lambda a, b: ag.where(a > b, a, 0.5 * b), lambda a, b: ag.maximum(a, -b), lambda a, b: a / (1.5 + b * b),
        lambda a, b: ag.sqrt(1.0 + a * a) - b, lambda a, b: ag.exp(-a * a), lambda a, b: abs(a) * 0.7,
    ]  # fmt: skip
    plan = [(sorts[rng.integers(10)], *rng.integers(max(0, i - 300), i, 2).tolist()) for i in range(6, 8_006)]

    def f(x):
        made = list(x)
        for sort, i, j in plan:
            made.append(sort(made[i], made[j]))
        return ag.mean(made[-50:])

    rows = rng.uniform(-1, 1, (3, 6))
    compiled = jit(f)
    found = compiled.value_and_grad(rows)
    assert kernel(compiled).blocks > 1
    for a, b in zip(found, eager(f, rows), strict=True):
        close(a, b, 1e-9)
