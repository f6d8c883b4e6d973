"""Objectives against sums of the eager engine over rows: values, gradients, curvature, branches, refusals."""

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import objective, workers
from autograd.testing.strategies import programs

MODES = pytest.mark.parametrize("mode", ["line", "tape"])
RNG = np.random.default_rng(2)
X, Y, W = RNG.uniform(-2.0, 2.0, (53, 3)), RNG.uniform(-1.0, 1.0, 53), RNG.uniform(-1.0, 1.0, 4)


@pytest.fixture(scope="module", autouse=True)
def any_share_is_worth_a_thread():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "LEAST_SHARE", 1e-18)
        yield


def rows_of(arrays):
    return list(zip(*(np.asarray(a, float).tolist() for a in arrays), strict=True))


def eager(f, w, *arrays, mean=True, hessian=False):
    """The total, its gradient and perhaps its Hessian, row by row."""
    rows = rows_of(arrays)
    share = 1.0 / len(rows) if mean else 1.0
    found = [ag.value_and_grad(lambda w, row=row: f(w, *row))(list(w)) for row in rows]
    total = [math.fsum(v for v, _ in found) * share, np.sum([g for _, g in found], 0) * share]
    if hessian:
        total.append(sum(np.array(ag.hessian(lambda w, row=row: f(w, *row))(list(w))) for row in rows) * share)
    return total


def close(a, b, rel=1e-12):
    b = np.asarray(b)
    np.testing.assert_allclose(a, b, rtol=rel, atol=rel * max(1.0, np.abs(b).max(initial=0.0)))


def agrees(f, w, *arrays, rel=1e-12, modes=("line", "tape")):
    for mode in modes:
        for mean in (True, False):
            compiled = objective(f, mean=mean, mode=mode)
            value, gradient, hessian = eager(f, w, *arrays, mean=mean, hessian=True)
            found = compiled(w, *arrays)
            assert type(found[0]) is float
            close(found[0], value, rel)
            close(found[1], gradient, rel)
            assert compiled.value(w, *arrays) == pytest.approx(value, rel=1e-11, abs=1e-12 * len(arrays[0]))
            v = np.linspace(-1.0, 1.0, len(w))
            close(compiled.hvp(w, v, *arrays), hessian @ v, 100 * rel)
            close(compiled.hessian(w, *arrays), hessian, 100 * rel)


# Values and derivatives. ---------------------------------------------------------------------------------------------


def misfit(w, x, y):
    return (ag.tanh(w[0] * x[0] + w[1] * x[1]) * w[2] + ag.exp(w[3]) * x[2] - y) ** 2


FUNCTIONS = {
    "misfit": misfit,
    "guards on parameters": lambda w, x, y: w[0] * x[0] * y if w[1] > w[2] else w[3] * y * y,
    "guards on rows": lambda w, x, y: w[0] * x[0] if y > 0.2 else (w[1] * w[1] * y if x[1] > 0 else ag.sin(w[2] * y)),
    "guards on both": lambda w, x, y: ag.exp(w[0] * y) if w[0] * x[0] > w[1] * x[1] else w[3] * w[2] * x[2],
    "guards of all kinds": lambda w, x, y: (
        (w[0] * y if w[0] > -9 else w[1]) * (x[0] if x[0] > w[2] else x[1]) * (w[3] if y > 0 else 2.0 * w[3])
    ),
    "max": lambda w, x, y: max(w[0] * x[0], w[1] * x[1], w[2] * y) * w[3],
    "where": lambda w, x, y: ag.where(y > 0.0, ag.sqrt(y) * w[0] * w[0], w[1] * x[0]) + ag.relu(w[2] * x[1]) * w[3],
    "shared work": lambda w, x, y: ag.norm(w) * y + ag.logsumexp([w[0], w[1] * x[0]]) + ag.sin(w[2]) ** 2 * x[1],
    "of rows alone": lambda w, x, y: ag.exp(x[0]) * y,
    "of parameters alone": lambda w, x, y: ag.sin(w[0]) * w[1] ** 2,
    "a parameter": lambda w, x, y: w[2],
    "a number of the row": lambda w, x, y: y,
    "a constant": lambda w, x, y: 2.5,
    "a condition": lambda w, x, y: w[0] * x[0] > y,
}


@MODES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_objectives_agree_with_eager_sums(name, mode):
    if name == "a condition":  # for `value_and_grad` of the eager engine it is no number
        f = objective(FUNCTIONS[name], mode=mode)
        value, gradient = f(W, X, Y)
        assert value == pytest.approx(np.mean(W[0] * X[:, 0] > Y), rel=1e-15)
        assert not gradient.any()
        return
    agrees(FUNCTIONS[name], W, X, Y, modes=(mode,))


@settings(max_examples=10)
@given(programs(inputs=(2, 4), nodes=6, bound=6.0, wheres=True), st.data())
def test_random_programs_as_objectives(program, data):
    n = len(program.point)
    k = data.draw(st.integers(1, n - 1))
    w, columns = program.point[:k], np.tile(program.point[k:], (5, 1))
    columns *= 1.0 + 1e-4 * np.random.default_rng(n).uniform(-1, 1, columns.shape)

    def f(w, x):
        return program([*w, *x])

    for mode in ("line", "tape"):
        value, gradient, hessian = eager(f, w, columns, hessian=True)
        compiled = objective(f, mode=mode)
        close(compiled(w, columns)[0], value, 1e-11)
        close(compiled(w, columns)[1], gradient, 1e-10)
        close(compiled.hvp(w, np.ones(k), columns), hessian.sum(1), 1e-8)


def test_rows_of_every_shape():
    def one(w, y):
        return (w[0] - y) ** 2 * w[1]

    agrees(one, [0.5, 2.0], Y)
    agrees(lambda w, x: w[0] * x[0], [0.5], X[:, :1])
    agrees(lambda w, a, b, c: w[0] * a[0] * b + w[1] * c[1] * a[2], [0.5, -1.0], X, Y, X[:, ::-1][:, :2])
    agrees(one, [0.5, 2.0], Y[::-3])
    agrees(one, [0.5, 2.0], Y[:1])
    agrees(misfit, W, np.asfortranarray(X), Y)
    agrees(misfit, W.tolist(), X.tolist(), Y.tolist())
    f = objective(misfit)
    expected = f(W, X, Y)
    for x, y in ((X.astype(">f8"), Y), (np.hstack([X, X])[:, ::2][:, [0, 2, 1]], Y), (X[::-1][::-1], Y)):
        close(f(W, x, y)[1], expected[1])
    assert f(W, (X, Y))[0] == expected[0]
    assert f(W, (X, Y))[1].tolist() == expected[1].tolist()
    assert f.value(W, (X, Y)) == f.value(W, X, Y)
    assert f.hvp(W, W, (X, Y)).tolist() == f.hvp(W, W, X, Y).tolist()
    integers = objective(lambda w, x: w[0] * x, mean=False)
    assert integers([2], [1, 2, 3])[0] == 12.0
    wide = objective(lambda w, x: ag.sum(w[0] * t for t in x), mean=False)
    assert [wide([2.0], np.ones((3, k)))[0] for k in (1, 2, 5)] == [6.0, 12.0, 30.0]
    assert wide.variants == 3


@MODES
def test_float32_rows_are_computed_in_float32(mode):
    single = X.astype(np.float32), Y.astype(np.float32)
    f = objective(misfit, mode=mode)
    value, gradient = f(W, *single)
    expected = objective(misfit)(W, *(a.astype(float) for a in single))
    assert 0.0 < abs(value - expected[0]) < 1e-5
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(f.hvp(W, W, *single), objective(misfit).hvp(W, W, X, Y), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(f(W, single[0], Y)[1], f(W, X, Y)[1], rtol=1e-5, atol=1e-6)


def test_a_variant_that_no_row_meets_adds_nothing():
    f = objective(lambda w, x: w[0] * x if x > 0 else ag.sqrt(w[1]) * x)
    f([1.0, 4.0], [-1.0, 2.0])
    assert f([1.0, 0.0], [1.0, 2.0])[1].tolist() == [1.5, 0.0]


def test_no_numbers_a_row_are_not_one_number():
    f = objective(lambda w, x: w[0] * x)
    f([1.0], [1.0, 2.0])
    with pytest.raises(TypeError, match="expected a number"):
        f([1.0], np.empty((50, 0)))


@MODES
def test_a_parameter_that_no_row_reaches_has_no_slope_however_steep_it_is(mode):
    f = objective(lambda w, x: ag.where(x > 0.0, w[0] * x, ag.sqrt(w[1])), mean=False, mode=mode)
    value, gradient = f([2.0, 0.0], [1.0, 2.0])
    assert (value, gradient.tolist()) == (6.0, [3.0, 0.0])
    assert f([2.0, 4.0], [1.0, -1.0])[1].tolist() == [1.0, 0.25]


@MODES
def test_a_branch_that_is_never_taken_contributes_nothing(mode):
    def f(w, x):
        steep = ag.sqrt(w[1] * x)  # infinite slope at 0
        return ag.where(x > 0.0, 2.0 * w[0], steep) + ag.where(w[1] > 5.0, ag.log(w[2]), 1.0)

    compiled = objective(f, mean=False, mode=mode)
    value, gradient = compiled([3.0, 0.0, 0.0], [1.0, 2.0, 3.0])
    assert value == 21.0
    assert gradient.tolist() == [6.0, 0.0, 0.0]
    assert compiled.hvp([3.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 2.0]).tolist() == [0.0, 0.0, 0.0]
    value, gradient = compiled([3.0, 4.0, 0.0], [1.0, -0.0, 3.0])
    assert value == 15.0
    assert gradient[0] == 4.0
    assert gradient[2] == 0.0


@MODES
def test_no_rows(mode):
    total = objective(misfit, mean=False, mode=mode)
    value, gradient = total(W, X[:0], Y[:0])
    assert (value, gradient.tolist()) == (0.0, [0.0] * 4)
    assert total.value(W, X[:0], Y[:0]) == 0.0
    assert total.hvp(W, W, X[:0], Y[:0]).tolist() == [0.0] * 4
    assert total.hessian(W, X[:0], Y[:0]).shape == (4, 4)
    for call in (objective(misfit, mode=mode), objective(misfit, mode=mode).value):
        with pytest.raises(ValueError, match="the mean of misfit over no rows is no number; give rows"):
            call(W, X[:0], Y[:0])


@MODES
def test_a_function_may_change_its_lists(mode):
    def f(w, x):
        w[0] = w[0] * w[1]
        x.append(w[0])
        return x[0] * x[-1]

    value, gradient = objective(f, mean=False, mode=mode)([2.0, 3.0], [[1.0], [4.0]])
    assert value == 30.0
    assert gradient.tolist() == [15.0, 10.0]


# Branches, threads, parts. -------------------------------------------------------------------------------------------


def test_each_way_is_recorded_once():
    f = objective(FUNCTIONS["guards on rows"], mean=False)
    first = f(W, X, Y)
    assert f.variants == 3
    again = f(W, X[::-1], Y[::-1])
    close(again[1], first[1])
    f.hvp(W, W, X, Y)
    assert f.variants == 3
    assert repr(f) == "<sum of <lambda> over rows, 3 variants>"
    g = objective(FUNCTIONS["guards on parameters"])
    for w in (W, W[::-1], W, W[::-1]):
        close(g(w, X, Y)[1], eager(FUNCTIONS["guards on parameters"], w, X, Y)[1])
    assert g.variants == 2


# Native code adds two by two: 1 is lost beside 1e16, and not for `fsum`.
LOST = [1e16, 1.0, -1e16]


@MODES
def test_what_the_last_digit_decides_gets_an_answer(mode):
    def f(w, x, y):
        if y < 0:
            return 100.0 * w[0]
        return w[0] if ag.sum(x) == 1.0 else 2.0 * w[0]

    compiled, y = objective(f, mean=False, mode=mode), np.ones(40)
    y[::10] = -1.0
    for _ in range(2):
        value, gradient = compiled([1.0], np.tile(LOST, (40, 1)), y)
        assert 436.0 <= value <= 472.0  # each of 36 rows gives 1 or 2
        assert value == gradient[0] == int(value)
        assert compiled.variants == 2

    def by_parameters(w, x):
        return w[0] * x if ag.sum(w) == 1.0 else 2.0 * w[0] * x

    compiled = objective(by_parameters, mean=False, mode=mode)
    for _ in range(2):
        assert compiled(LOST, [1.0, 2.0])[0] in (3e16, 6e16)
        assert compiled.variants == 1


@MODES
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_threads_change_no_bit(mode, dtype):
    x = RNG.uniform(-1.0, 1.0, (30_001, 3)).astype(dtype)
    y = RNG.uniform(-1.0, 1.0, 30_001).astype(dtype)
    for f in (misfit, FUNCTIONS["guards on rows"]):
        one = objective(f, mode=mode, threads=1)
        expected = one(W, x, y), one.hvp(W, W, x, y)
        for threads in (2, 5):
            g = objective(f, mode=mode, threads=threads)
            for _ in range(3):
                found = g(W, x, y), g.hvp(W, W, x, y)
                assert found[0][0] == expected[0][0]
                assert found[0][1].tolist() == expected[0][1].tolist()
                assert found[1].tolist() == expected[1].tolist()


@settings(max_examples=10)
@given(st.lists(st.integers(0, 53), max_size=4))
def test_parts_add_up(cuts):
    total = SHARED(W, X, Y)
    bounds = [0, *sorted(cuts), 53]
    parts = [SHARED(W, X[i:j], Y[i:j]) for i, j in itertools.pairwise(bounds)]
    close(sum(value for value, _ in parts), total[0])
    close(sum(gradient for _, gradient in parts), total[1])
    chosen = np.random.default_rng(len(cuts)).permutation(53)
    close(SHARED(W, X[chosen], Y[chosen])[1], total[1])


SHARED = objective(misfit, mean=False)


# Optimisers, pickles, refusals. --------------------------------------------------------------------------------------


def decay(p, t, y):
    return (p[0] * ag.exp(-p[1] * t) + p[2] - y) ** 2


@MODES
def test_scipy_minimises(mode):
    optimize = pytest.importorskip("scipy.optimize")
    t = np.linspace(0.0, 5.0, 200)
    y = 2.0 * np.exp(-0.7 * t) + 0.3
    f = objective(decay, mode=mode)
    found = optimize.minimize(f, [1.0, 1.0, 0.0], args=(t, y), jac=True, tol=1e-12)
    np.testing.assert_allclose(found.x, [2.0, 0.7, 0.3], rtol=1e-5)
    found = optimize.minimize(f, [1.0, 1.0, 0.0], args=((t, y),), jac=True, tol=1e-12)
    np.testing.assert_allclose(found.x, [2.0, 0.7, 0.3], rtol=1e-5)
    found = optimize.minimize(
        f, [1.5, 1.0, 0.2], args=(t, y), jac=True, hessp=f.hvp, method="trust-ncg", options={"gtol": 1e-10}
    )
    np.testing.assert_allclose(found.x, [2.0, 0.7, 0.3], rtol=1e-7)


def test_scipy_fits_a_line():
    optimize = pytest.importorskip("scipy.optimize")
    design = np.column_stack([X, np.ones(53)])
    f = objective(lambda w, x, y: (ag.dot(w, x) - y) ** 2)
    found = optimize.minimize(f, np.zeros(4), args=(design, Y), jac=True, method="BFGS", options={"gtol": 1e-10})
    np.testing.assert_allclose(found.x, np.linalg.lstsq(design, Y, rcond=None)[0], rtol=1e-6)
    close(f.hessian(W, design, Y), 2.0 * design.T @ design / 53, 1e-10)


def test_pickles():
    again = pickle.loads(pickle.dumps(objective(decay, mean=False)))
    assert again([1.0, 2.0, 0.0], [0.0], [0.0])[0] == 1.0
    f = objective(FUNCTIONS["guards on both"])
    with pytest.raises(pickle.PicklingError, match="has no recording yet; call it once before"):
        pickle.dumps(f)
    expected, product = f(W, X, Y), f.hvp(W, W, X, Y)
    again = pickle.loads(pickle.dumps(f))
    assert repr(again) == repr(f)
    found = again(W, X, Y)
    assert (found[0], found[1].tolist()) == (expected[0], expected[1].tolist())
    assert again.hvp(W, W, X, Y).tolist() == product.tolist()
    one = objective(lambda w, x: w[0] * x if x > 0 else w[0])
    one([1.0], [1.0])
    again = pickle.loads(pickle.dumps(one))
    with pytest.raises(RuntimeError, match="came from a pickle without its Python, and some row branches as none of"):
        again([1.0], [1.0, -1.0])
    with ag.detect_anomaly(), pytest.raises(RuntimeError, match="and cannot be watched"):
        again([1.0], [1.0])


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((W,), TypeError, "misfit takes parameters and 2 arrays of rows, got 0"),
        ((W, X), TypeError, "misfit takes parameters and 2 arrays of rows, got 1"),
        ((W, X, Y, Y), TypeError, "got 3"),
        ((W, X, Y[:9]), ValueError, r"all of one N; got shapes \(53, 3\), \(9,\)"),
        ((W, X, 1.0), ValueError, r"got shapes \(53, 3\), \(\)"),
        ((W, X[None], Y), ValueError, r"got shapes \(1, 53, 3\), \(53,\)"),
        ((W[None], X, Y), ValueError, r"the parameters of misfit are one array \[n\], got shape \(1, 4\)"),
        ((W * 1j, X, Y), TypeError, "complex numbers are not compiled"),
        (([ag.Value(1.0)] * 4, X, Y), TypeError, "compiled code on floats, got Values"),
        ((W, X, ["a"] * 53), TypeError, "takes numbers and arrays of numbers"),
    ],
)
def test_what_does_not_go_together_is_refused(args, error, message):
    for call in (objective(misfit), objective(misfit).value):
        with pytest.raises(error, match=message):
            call(*args)


def test_other_refusals():
    with pytest.raises(ValueError, match=r"the vector goes with parameters of shape \(4,\), got shape \(3,\)"):
        objective(misfit).hvp(W, W[:3], X, Y)
    with pytest.raises(TypeError, match="objective takes a function of parameters and a row, got 3"):
        objective(3)
    with pytest.raises(TypeError, match=r"<lambda> must take the parameters and then a row, got \(w\)"):
        objective(lambda w: w[0])
    with pytest.raises(TypeError, match="must return one number"):
        objective(lambda w, x: [w[0], x])([1.0], [2.0])
    with pytest.raises(TypeError, match="returned None; does it lack a return"):
        objective(lambda w, x: None)([1.0], [2.0])
    with pytest.raises(ValueError, match='mode is "auto", "line" or "tape", got \'fast\''):
        objective(misfit, mode="fast")
    for threads in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="threads must be a whole number of at least 1"):
            objective(misfit, threads=threads)


def test_too_many_ways_are_refused(monkeypatch):
    from autograd import objectives

    monkeypatch.setattr(objectives, "MOST_VARIANTS", 3)
    f = objective(lambda w, x: sum(w[0] for k in range(10) if x > k))
    with pytest.raises(RuntimeError, match=r"branches in more than 3 ways .* write choices as autograd\.where"):
        f([1.0], np.arange(1.0, 9.0))
