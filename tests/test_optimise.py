"""Optimisers, schedules and solvers against other implementations, closed forms and what they promise."""

import copy
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares, rosen, rosen_der

from autograd.optimise import (
    LBFGS,
    SGD,
    Adam,
    AdamW,
    Constant,
    Cosine,
    Exponential,
    LevenbergMarquardt,
    OneCycle,
    RMSprop,
    Rprop,
    StepDecay,
    Warmup,
    find_optimiser,
)

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60)

OPTIMISERS = [
    SGD(0.1),
    SGD(0.1, 0.9),
    SGD(0.1, 0.9, nesterov=True),
    RMSprop(0.02),
    RMSprop(0.02, 0.9, 0.8, centred=True),
    Adam(0.1),
    AdamW(0.1, decay=0.2),
    Rprop(0.1),
]
EACH = pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)

# Optimisers. ----------------------------------------------------------------------------------------------------------

A = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.25], [0.0, -0.25, 0.125]])
B = np.array([1.0, -1.0, 0.5])


def descend(optimiser, steps, w, slope=lambda w: A @ w - B):
    state = optimiser.init(w)
    for _ in range(steps):
        w, state = optimiser.step(w, slope(w), state)
    return w


# 20 steps on w A w / 2 - B w from (1, 2, -3) by the optimisers of torch 2.13 (Rprop's is iRprop-, too).
@pytest.mark.parametrize(
    ("optimiser", "expected"),
    [
        (SGD(0.1), [0.7455686892877367, -1.3305448737828227, -1.5506663199317037]),
        (SGD(0.1, 0.9), [-0.13290118096128473, -0.41796664397366345, 0.13112925790980196]),
        (SGD(0.1, 0.9, nesterov=True), [0.5920590458586891, -0.859061860850422, 0.4035167220440071]),
        (RMSprop(0.02), [0.30447710532084876, 0.6487374550475631, -1.5892578673010436]),
        (RMSprop(0.02, 0.9, 0.8, eps=1e-3), [0.3859278744025005, -0.03883530844306524, -0.8438762239101788]),
        (RMSprop(0.02, 0.9, 0.8, centred=True), [0.5040892492837331, -0.6229165813242528, -0.048366703721097776]),
        (Adam(0.1), [0.0719817970255825, 0.14672637580169862, -1.0889664053535215]),
        (Adam(0.1, (0.8, 0.95), 1e-3), [0.28102446334687575, 0.1861875198155431, -1.1200907714805677]),
        (AdamW(0.1, decay=0.2), [0.18235038661735098, -0.14358715485292378, -0.4584065809582514]),
        (Rprop(0.1), [0.9241936746086399, -1.1184507652505598, 1.583663272247295]),
        (Rprop(0.3, (0.4, 1.5), (1e-2, 0.5)), [0.7000000000000002, -0.7369999999999998, 2.3745000000000007]),
    ],
    ids=str,
)
def test_steps_are_those_of_torch(optimiser, expected):
    np.testing.assert_allclose(descend(optimiser, 20, np.array([1.0, 2.0, -3.0])), expected, rtol=1e-12)


@PROPERTY
@given(st.floats(0.05, 2.0), st.floats(0.01, 0.5), st.floats(0.0, 0.95), st.booleans(), st.integers(1, 40))
def test_sgd_on_a_parabola_is_the_power_of_a_matrix(curvature, rate, momentum, nesterov, steps):
    """One step maps (w, v) linearly: v' = m v + h w, w' = w - rate v' (Nesterov: w - rate (h w + m v'))."""
    nesterov = nesterov and momentum > 0
    velocity = np.array([curvature, momentum])
    direction = np.array([curvature, 0.0]) + momentum * velocity if nesterov else velocity
    matrix = np.stack([np.array([1.0, 0.0]) - rate * direction, velocity])
    expected = np.linalg.matrix_power(matrix, steps) @ [3.0, 0.0]
    w = descend(SGD(rate, momentum, nesterov), steps, np.array([3.0]), lambda w: curvature * w)
    np.testing.assert_allclose(w, expected[:1], rtol=1e-9, atol=1e-12)


@EACH
def test_a_step_is_pure(optimiser):
    w, gradient = np.array([1.0, -2.0]), np.array([0.5, 4.0])
    _, state = optimiser.step(w, gradient, optimiser.init(w))
    kept = copy.deepcopy((w, -gradient, state))
    first, second = (optimiser.step(w, -gradient, state) for _ in range(2))
    for a, b in [(kept, (w, -gradient, state)), (first, second)]:
        np.testing.assert_equal(a, b)
    assert all(isinstance(part, np.ndarray | int) for part in state)


@EACH
@PROPERTY
@given(st.integers(0, 2**20), st.integers(1, 4), st.integers(1, 6))
def test_every_weight_goes_its_own_way(optimiser, seed, parts, steps):
    """A vector moves as its parts would, each alone."""
    rng = np.random.default_rng(seed)
    w, gradients = rng.normal(size=parts), rng.normal(size=(steps, parts))

    def run(places):
        here, state = w[places], optimiser.init(w[places])
        for gradient in gradients:
            here, state = optimiser.step(here, gradient[places], state)
        return here

    np.testing.assert_array_equal(run(slice(None)), np.concatenate([run(slice(i, i + 1)) for i in range(parts)]))


@PROPERTY
@given(st.integers(0, 2**20), st.sampled_from([-900, -20, 20, 900]))
def test_rprop_sees_only_signs(seed, power):
    gradients = np.random.default_rng(seed).normal(size=(8, 3))
    runs = []
    for factor in (1.0, 2.0**power):
        w, state = np.zeros(3), Rprop().init(np.zeros(3))
        for gradient in gradients:
            w, state = Rprop().step(w, factor * gradient, state)
        runs.append(w)
    np.testing.assert_array_equal(*runs)


@PROPERTY
@given(st.integers(0, 2**20), st.integers(-20, 20), st.sampled_from(["adam", "rmsprop", "centred"]))
def test_adam_and_rmsprop_do_not_see_the_scale_of_a_loss(seed, power, kind):
    gradients = np.random.default_rng(seed).normal(size=(8, 3))
    optimiser = {"adam": Adam(eps=1e-300), "rmsprop": RMSprop(eps=1e-300)}.get(kind, RMSprop(centred=True, eps=1e-300))
    runs = []
    for factor in (1.0, 2.0**power):
        w, state = np.zeros(3), optimiser.init(np.zeros(3))
        for gradient in gradients:
            w, state = optimiser.step(w, factor * gradient, state)
        runs.append(w)
    np.testing.assert_array_equal(*runs)


def test_rprop_rests_where_the_sign_changes_and_then_does_not_grow():
    rprop, w = Rprop(1.0, (0.5, 2.0), (0.3, 3.0)), np.zeros(1)
    state, path = rprop.init(w), []
    for sign in (1, 1, 1, -1, -1, -1, 1, 1, -1, -1, 1):
        w, state = rprop.step(w, np.array([float(sign)]), state)
        path.append(w[0])
    # sizes: 1, 2, 3 (the largest), rest and 1.5, 1.5, 3, rest and 1.5, 1.5, rest and 0.75, 0.75, rest and 0.375
    np.testing.assert_allclose(np.diff([0.0, *path]), [-1, -2, -3, 0, 1.5, 3, 0, -1.5, 0, 0.75, 0])
    assert rprop.step(w, np.ones(1), state)[1].size == 0.375
    assert rprop.step(w, -np.ones(1), rprop.step(w, np.ones(1), state)[1])[1].size == 0.3


def test_weight_decay_is_decoupled():
    """With a gradient of 0 Adam rests, and AdamW takes away the same share of every weight, large or small."""
    w, zero = np.array([5.0, -1e-3]), np.zeros(2)
    optimiser = AdamW(0.5 * StepDecay(1, 0.5), decay=0.1)
    np.testing.assert_allclose(descend(optimiser, 3, w, lambda w: zero), w * 0.95 * 0.975 * 0.9875, rtol=1e-14)
    np.testing.assert_array_equal(descend(Adam(0.5), 3, w, lambda w: zero), w)


def test_a_constant_gradient_has_no_spread():
    """Centred RMSprop divides by a variance, which rounding must not turn into the root of a negative number."""
    w = descend(RMSprop(1e-9, 0.9, centred=True, eps=1e-3), 400, np.zeros(3), lambda w: np.array([0.1, 1e8, -1e-8]))
    assert np.isfinite(w).all()


# Schedules. -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Constant(0.5), {0: 0.5, 10**9: 0.5}),
        (StepDecay(10, 0.5), {0: 1, 9: 1, 10: 0.5, 19: 0.5, 20: 0.25}),
        (Exponential(0.9), {0: 1, 1: 0.9, 2: 0.81}),
        (Cosine(100), {0: 1, 25: (1 + math.sqrt(0.5)) / 2, 50: 0.5, 100: 0, 101: 0, 10**9: 0}),
        (Cosine(100, end=0.2), {0: 1, 50: 0.6, 100: 0.2, 300: 0.2}),
        (Cosine(10, restarts=True), {0: 1, 5: 0.5, 10: 1, 15: 0.5, 1000: 1}),
        (Cosine(10, restarts=True, growth=2), {5: 0.5, 10: 1, 20: 0.5, 30: 1, 50: 0.5, 70: 1}),
        (Warmup(4), {0: 0, 1: 0.25, 4: 1, 5: 1}),
        (Warmup(4, start=0.2), {0: 0.2, 2: 0.6, 4: 1}),
        # torch's OneCycleLR of 51 steps with its peak at step 15
        (OneCycle(50), {0: 0.04, 15: 1, 50: 4e-6, 60: 4e-6, 7.5: 0.52}),
        (0.1 * Warmup(10) * Exponential(0.5), {0: 0, 1: 0.005, 10: 0.1 / 1024}),
        (Warmup(10) * 0.1, {5: 0.05}),
    ],
    ids=str,
)
def test_schedules_at_single_steps(schedule, expected):
    for step, factor in expected.items():
        assert schedule(step) == pytest.approx(factor, rel=1e-12, abs=1e-15)


def odd(step):
    return np.array([0.1, 0.2])


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (lambda step: math.nan, r"the schedule .*<lambda> returned nan at step 0; a rate is a number of at least 0"),
        (lambda step: math.inf, "returned inf at step 0"),
        (lambda step: 0.1 - step, "returned -0.9 at step 1"),
        (odd, r"the schedule odd returned array\(\[0.1, 0.2\]\) at step 0"),
        (lambda step: None, "returned None at step 0"),
    ],
)
@pytest.mark.parametrize("make", [SGD, RMSprop, Adam, AdamW])
def test_a_schedule_that_returns_no_rate_is_named_with_the_step(make, rate, message):
    optimiser, w = make(rate), np.array([1.0, -2.0])
    _, second = make(0.1).step(w, w, optimiser.init(w))
    state = second if "step 1" in message else optimiser.init(w)
    with pytest.raises(ValueError, match=message):
        optimiser.step(w, w, state)


def test_a_schedule_may_start_at_0_and_return_any_real_number():
    for rate in (lambda step: 0, lambda step: np.float32(0.5), lambda step: np.float64(0.5)):
        optimiser, w = SGD(rate), np.array([1.0])
        assert optimiser.step(w, w, optimiser.init(w))[0] == [1.0 - float(rate(0))]


@PROPERTY
@given(
    st.sampled_from([StepDecay(3), Exponential(0.97), Cosine(40, 0.1), Warmup(30), OneCycle(50, 0.4)]),
    st.sampled_from([1.0, 0.03]),
    st.integers(1, 60),
)
def test_a_rate_may_be_a_schedule(schedule, rate, steps):
    """An optimiser with a schedule is, step by step, that optimiser with the rate of the step."""
    for make in (SGD, RMSprop, Adam, AdamW):
        scheduled, w = make(rate * schedule), np.array([1.0, -2.0])
        moved, state = w, scheduled.init(w)
        for step in range(steps):
            now = rate * schedule(step)
            assert 0 <= now <= rate * (1 + 1e-15)
            before, kept = moved, state
            moved, state = scheduled.step(before, A[:2, :2] @ before, kept)
        if now > 0:
            expected, _ = make(now).step(before, A[:2, :2] @ before, kept)
            np.testing.assert_allclose(moved, expected, rtol=1e-13)


# Solvers. -------------------------------------------------------------------------------------------------------------


def test_lbfgs_walks_down_the_valley():
    seen = []
    w, why = LBFGS().minimise(lambda w: (rosen(w), rosen_der(w)), np.full(6, -1.5), iterations=500, after=seen.append)
    np.testing.assert_allclose(w, np.ones(6), atol=1e-8)
    assert why
    np.testing.assert_array_equal(seen[-1], w)
    values = [rosen(w) for w in seen]
    assert values == sorted(values, reverse=True)
    assert len({id(w) for w in seen}) == len(seen)  # each its own array
    again, why = LBFGS().minimise(lambda w: (rosen(w), rosen_der(w)), np.full(6, -1.5), iterations=7)
    np.testing.assert_array_equal(again, seen[6])
    assert why == ""


def test_lbfgs_finds_small_minima():
    """The default of scipy stops where a value below 1 changes by less than 1e-9."""
    w, why = LBFGS(tolerance=1e-14).minimise(
        lambda w: (1e-7 * rosen(w), 1e-7 * rosen_der(w)), np.array([-1.2, 1.0]), iterations=500
    )
    np.testing.assert_allclose(w, [1, 1], atol=1e-5)
    assert why == "the gradient vanishes"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_lbfgs_avoids_where_there_is_no_value(bad):
    def parabola(w):
        if w[0] >= 1.5:
            return bad, np.full(2, bad)
        return (w[0] - 1) ** 2 + w[1] ** 2, np.array([2 * (w[0] - 1), 2 * w[1]])

    w, _ = LBFGS().minimise(parabola, np.array([-9.0, 1.0]), iterations=100)
    np.testing.assert_allclose(w, [1, 0], atol=1e-8)
    with pytest.raises(FloatingPointError, match="not finite where L-BFGS starts"):
        LBFGS().minimise(parabola, np.array([2.0, 1.0]), iterations=100)


def test_lbfgs_ends_when_it_is_told_to():
    class EnoughError(Exception):
        pass

    def after(w):
        raise EnoughError

    with pytest.raises(EnoughError):
        LBFGS().minimise(lambda w: (rosen(w), rosen_der(w)), np.zeros(3), iterations=9, after=after)


def test_lbfgs_says_how_to_get_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match="pip install scipy"):
        LBFGS().minimise(lambda w: (w @ w, 2 * w), np.ones(2), iterations=3)


def solve(residuals, jacobian, w, most=500, **options):
    solver = LevenbergMarquardt(**options)
    state, path = solver.init(w), [w]
    while not state.converged:
        assert len(path) < most
        w, state = solver.step(residuals, jacobian, w, state)
        path.append(w)
    return w, path


# D. Misra, dental research, monomolecular adsorption: the data and the certified result of NIST's StRD, "Misra1a".
X = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
Y = np.array([10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78])


def misra(units=(1.0, 1.0)):
    """Residuals and Jacobian of y = b1 (1 - exp(-b2 x)), the weights being b in other units."""
    units = np.array(units)

    def residuals(w):
        b = w * units
        return b[0] * -np.expm1(-b[1] * X) - Y

    def jacobian(w):
        b = w * units
        return np.stack([-np.expm1(-b[1] * X), b[0] * X * np.exp(-b[1] * X)], axis=1) * units

    return residuals, jacobian


@pytest.mark.parametrize("start", [[500.0, 0.0001], [250.0, 0.0005]])
def test_levenberg_marquardt_gives_the_certified_numbers(start):
    w, path = solve(*misra(), np.array(start))
    np.testing.assert_allclose(w, [2.3894212918e02, 5.5015643181e-04], rtol=1e-8)
    costs = [np.sum(misra()[0](w) ** 2) for w in path]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == pytest.approx(1.2455138894e-01, rel=1e-9)


def test_levenberg_marquardt_does_not_see_units():
    """Marquardt's scaling: the same path whatever the units of the weights (powers of 2, so to the last bit)."""
    units = (2.0**10, 2.0**-20)
    _, path = solve(*misra(), np.array([500.0, 0.0001]), tolerance=1e-6)
    _, other = solve(*misra(units), np.array([500.0, 0.0001]) / units, tolerance=1e-6)
    np.testing.assert_allclose(np.array(other[:6]) * units, path[:6], rtol=1e-12)


@PROPERTY
@given(st.integers(0, 2**20), st.integers(1, 6), st.integers(0, 8))
def test_levenberg_marquardt_on_a_line_is_least_squares(seed, parameters, more):
    rng = np.random.default_rng(seed)
    j, y = rng.normal(size=(parameters + more, parameters)), rng.normal(size=parameters + more)
    w, _ = solve(lambda w: j @ w - y, lambda w: j, np.zeros(parameters), tolerance=1e-12)
    expected = np.linalg.lstsq(j, y, rcond=None)[0]
    np.testing.assert_allclose(w, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_a_step_of_levenberg_marquardt_is_the_formulas():
    """A step that is taken at once, and one that overshoots at first, as Nielsen has them with D = diag(J^T J)."""
    solver, w = LevenbergMarquardt(damping=0.5), np.array([2.0])
    moved, state = solver.step(lambda w: w**2, lambda w: 2 * w[None], w, solver.init(w))
    # r = 4 and J = 4, so h = -16 / (16 * 1.5), and |r|^2 falls from 16 to (4/3)^4
    h = -2 / 3
    gain = (16 - (4 / 3) ** 4) / (h * (0.5 * 16 * h - 16))
    np.testing.assert_allclose(moved, 2 + h, rtol=1e-15)
    assert state.damping == pytest.approx(0.5 * max(1 / 3, 1 - (2 * gain - 1) ** 3), rel=1e-12)
    assert (state.growth, state.scale, state.converged) == (2.0, 16.0, False)
    # atan far out: the undamped step overshoots, so that the damping grows by 2, 4, 8, ... until it does not.
    w = np.array([3.0])
    moved, state = solver.step(np.arctan, lambda w: 1 / (1 + w[None] ** 2), w, solver.init(w))
    damping, growth = 0.5, 2.0
    while abs(np.arctan(3 - np.arctan(3) * 10 / (1 + damping))) >= np.arctan(3):
        damping, growth = damping * growth, growth * 2
    assert damping == 4.0
    np.testing.assert_allclose(moved, 3 - np.arctan(3) * 10 / (1 + damping), rtol=1e-14)
    # The scale is the largest so far: steps are damped by the steepest place seen.
    j = 1 / (1 + moved**2)
    assert state.scale == pytest.approx(0.01)
    assert solver.step(np.arctan, lambda w: 1 / (1 + w[None] ** 2), moved, state)[1].scale == max(0.01, j[0] ** 2)


def test_levenberg_marquardt_agrees_with_scipy():
    t = np.linspace(0, 4, 30)
    y = 2 * np.exp(-0.7 * t) + 0.5 * np.cos(3 * t) + 0.01 * np.sin(40 * t)

    def residuals(w):
        return w[0] * np.exp(-w[1] * t) + w[2] * np.cos(w[3] * t) - y

    def jacobian(w):
        e, c, s = np.exp(-w[1] * t), np.cos(w[3] * t), np.sin(w[3] * t)
        return np.stack([e, -w[0] * t * e, c, -w[2] * t * s], axis=1)

    start = np.array([1.0, 1.0, 0.3, 2.8])
    expected = least_squares(residuals, start, jacobian, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    np.testing.assert_allclose(solve(residuals, jacobian, start)[0], expected, rtol=1e-7)


def test_levenberg_marquardt_at_odd_places():
    # a weight that no residual sees, a trial that is nan, a start that is nan
    w, _ = solve(lambda w: w[:1] - 1, lambda w: np.array([[1.0, 0.0]]), np.array([5.0, 7.0]))
    np.testing.assert_allclose(w, [1, 7])
    with np.errstate(invalid="ignore", divide="ignore"):
        w, _ = solve(lambda w: np.log(w) + 3, lambda w: 1 / w[None], np.array([2.0]))
    np.testing.assert_allclose(w, math.exp(-3))
    solver, one = LevenbergMarquardt(), np.ones(1)
    for r, j in ((math.nan, 1.0), (1.0, math.inf)):
        with pytest.raises(FloatingPointError, match="not finite where the step starts"):
            solver.step(lambda w, r=r: r * one, lambda w, j=j: j * one[None], one, solver.init(one))
    # at the bottom it says so and stays
    w, state = solver.step(lambda w: w, lambda w: np.eye(2), np.zeros(2), solver.init(np.zeros(2)))
    assert state.converged
    np.testing.assert_array_equal(w, [0, 0])


# What is refused. -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0.0), "rate is a number above 0, got 0.0"),
        (lambda: SGD(math.nan), "rate is a number above 0"),
        (lambda: SGD(True), "rate is a number above 0"),
        (lambda: SGD("0.1"), "rate is a number above 0"),
        (lambda: SGD(0.1, 1.0), "momentum is a number from 0 to below 1"),
        (lambda: SGD(0.1, nesterov=True), "give one, such as momentum=0.9"),
        (lambda: RMSprop(0.1, 1.0), "decay is a number"),
        (lambda: RMSprop(0.1, momentum=-0.1), "momentum is a number"),
        (lambda: RMSprop(0.1, eps=0.0), "eps is a number"),
        (lambda: Adam(0.1, (0.9, 1.0)), "betas is a number"),
        (lambda: Adam(0.1, eps=0.0), "eps is a number"),
        (lambda: AdamW(0.1, decay=1.0), "decay is a number"),
        (lambda: AdamW(-0.1), "rate is a number"),
        (lambda: Rprop(0.1, (1.0, 1.2)), "the first of factors is a number above 0 and below 1"),
        (lambda: Rprop(0.1, (0.5, 1.0)), "the second of factors is a number above 1"),
        (lambda: Rprop(0.1, sizes=(0.0, 1.0)), "the first of sizes is a number above 0"),
        (lambda: Rprop(0.1, sizes=(1.0, 0.5)), "the second of sizes is a number above 1"),
        (lambda: LBFGS(0), "history is a whole number"),
        (lambda: LBFGS(tolerance=0.0), "tolerance is a number above 0"),
        (lambda: LevenbergMarquardt(0.0), "damping is a number above 0"),
        (lambda: LevenbergMarquardt(tolerance=-1.0), "tolerance is a number above 0"),
        (lambda: LevenbergMarquardt(memory=0.5), "memory is a whole number"),
        (lambda: Constant(0.0), "factor is a number above 0"),
        (lambda: StepDecay(0), "every is a whole number"),
        (lambda: StepDecay(3, -1.0), "factor is a number above 0"),
        (lambda: Exponential(1.1), "factor is a number above 0 and at most 1"),
        (lambda: Cosine(0), "steps is a whole number"),
        (lambda: Cosine(5, 1.5), "end is a number from 0 to 1"),
        (lambda: Cosine(5, growth=0), "growth is a whole number"),
        (lambda: Warmup(5, -0.1), "start is a number from 0 to 1"),
        (lambda: OneCycle(5, 1.0), "rise is a number above 0 and below 1"),
        (lambda: OneCycle(5, start=2.0), "start is a number from 0 to 1"),
        (lambda: find_optimiser("rmspropp"), "unknown optimiser 'rmspropp'; did you mean 'rmsprop'"),
        (lambda: find_optimiser(Adam(), 0.1), "has a rate of its own"),
        (lambda: find_optimiser("lm", 0.1), "'lm' finds the size of its steps itself; leave out rate=0.1"),
    ],
)
def test_what_cannot_work_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rprop(Cosine(5)), "Rprop finds the size of its steps itself"),
        (lambda: SGD(Cosine), "got the class Cosine"),
        (lambda: find_optimiser(Adam), "an instance such as Adam"),
        (lambda: find_optimiser(LBFGS), "an instance such as Adam"),
        (lambda: find_optimiser(3.0), "an instance such as Adam"),
        (lambda: Cosine(5) * "2", "unsupported operand|can't multiply"),
    ],
)
def test_what_is_something_else_is_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_optimisers_by_name():
    assert find_optimiser("sgd") == SGD()
    assert find_optimiser("rmsprop", 0.5) == RMSprop(0.5)
    assert find_optimiser("adamw", 0.1 * Cosine(5)) == AdamW(0.1 * Cosine(5))
    assert find_optimiser("rprop", 0.2) == Rprop(0.2)
    assert find_optimiser("lbfgs") == LBFGS()
    assert find_optimiser(LevenbergMarquardt(memory=5)) == LevenbergMarquardt(memory=5)
