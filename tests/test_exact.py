"""The rows on numbers of 50 digits, on complex ones and on balls: the same meaning, and no digit lost silently."""

import itertools
import math
import random

import flint
import numpy as np
import pytest
from mpmath import mp, mpf
from test_ops import SPEC, cases

import autograd as ag
from autograd import Value, ops
from autograd.exact import Ball, Complex, Exact, NoExactForm, Uncertain, meaning

inf, nan = math.inf, math.nan
FIXED = [op for op in ops.TABLE.values() if op.arity > 0]


def moderate(op, n=6):
    """Points of a row where nothing overflows, also not in a complex exponential."""
    return [xs for xs in cases(op, n) if all(x == 0 or 1e-6 < abs(x) < 20 for x in xs)]


@pytest.mark.parametrize("op", FIXED, ids=lambda op: op.name)
def test_a_row_at_50_digits_is_its_meaning(op):
    seen = 0
    for xs in moderate(op):
        with mp.workdps(50):
            y = op(*map(mpf, xs))
            true = SPEC[op.name](*map(mpf, xs))
            assert isinstance(y, mpf)
            assert abs(y - true) <= mpf(10) ** -45 * max(abs(true), 1)
            seen += 1
    assert seen > 5


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "norm", "logsumexp", "dot"])
def test_a_sequence_at_50_digits_is_its_meaning(name):
    xs = [mpf(k) / 7 for k in (3, -5, 2, 8)]
    with mp.workdps(50):
        op = ops.TABLE[name]
        y = op(xs[:2], xs[2:]) if name == "dot" else op(xs)
        assert abs(y - SPEC[name](*xs)) < mpf(10) ** -48


#: Rows that the standard library has no complex form of, or FLINT no power series.
NO_COMPLEX = {"erf", "erfc", "normal_cdf", "gelu", "lgamma", "digamma", "polygamma"}
NO_BALL = {"polygamma", "digamma"}


@pytest.fixture
def digits():
    """FLINT at 50 digits."""
    before, flint.ctx.dps = flint.ctx.dps, 50
    yield
    flint.ctx.dps = before


@pytest.mark.parametrize("op", FIXED, ids=lambda op: op.name)
@pytest.mark.parametrize("kind", [Complex, Ball])
def test_one_step_gives_the_partial(op, kind, digits):
    if op.name in (NO_COMPLEX if kind is Complex else NO_BALL):
        x = Complex(0.7 + 1j) if kind is Complex else Ball(flint.arb_series([0.75, 1.0], 2))
        with pytest.raises(NoExactForm, match=f"for a .*{'complex' if kind is Complex else 'ball'}"):
            meaning(op, kind, [x] * op.arity)
        return
    seen = 0
    for xs in moderate(op, 4):
        for k in range(op.arity):
            if op is ops.where or (op.name == "where" and k == 0):
                continue
            if kind is Complex:
                lifted = [Complex(complex(x, 1e-200 * (i == k))) for i, x in enumerate(xs)]
                y = op(*lifted)
                slope = y.x.imag / 1e-200 if isinstance(y, Complex) else 0.0
            else:
                lifted = [Ball(flint.arb_series([flint.arb(x), flint.arb(float(i == k))], 2)) for i, x in enumerate(xs)]
                y = op(*lifted)
                slope = float(y.x[1].mid()) if isinstance(y, Ball) and isinstance(y.x, flint.arb_series) else 0.0
            p = op.slopes(xs, op.call(xs))[k]
            p = 0.0 if p == ag.ABSENT else p
            assert slope == pytest.approx(p, rel=1e-9, abs=1e-12), (xs, k)
            seen += 1
    assert seen > 3 or op is ops.where


def test_balls_enclose_the_truth():
    rng = random.Random(0)
    for op in (ops.exp, ops.tanh, ops.sin, ops.sigmoid, ops.log1p, ops.softplus):
        for _ in range(5):
            x = rng.uniform(0.1, 3.0)
            ball = op(flint.arb(x))
            with mp.workdps(40):
                true = mp.nstr(SPEC[op.name](mpf(x)), 35)
            assert flint.arb(true).overlaps(ball)
            assert float(ball.rad()) < 1e-14


def test_numbers_of_mpmath_and_flint_give_their_own_kind():
    assert isinstance(ag.tanh(mpf("0.3")), mpf)
    assert isinstance(ag.atan2(mpf(1), 2), mpf)
    assert isinstance(ag.where(True, mpf(1), 0.0), mpf)
    assert isinstance(ag.exp(flint.arb(1)), flint.arb)
    assert isinstance(ag.tanh(flint.arb_series([1, 1])), flint.arb_series)


def test_a_program_runs_on_every_kind():
    def f(x, y):
        z = 2 * x - y / 3 + x**2 - 1 / y + 2.0**x
        return ag.where(z > 0, ag.sqrt(abs(z)) % 2.0, -z // 1.0) * (z >= x) + max(x, y) - +x

    expected = f(0.7, 1.9)
    for kind in (Exact, Complex, Ball):
        y = f(kind(kind.lift(0.7)), kind(kind.lift(1.9)))
        number = y.x.real if kind is Complex else y.x.mid() if kind is Ball else y.x
        assert float(number) == pytest.approx(expected, rel=1e-14)
    node = f(Value(0.7), Value(1.9))
    assert node.data == pytest.approx(expected, rel=1e-15)


def test_arrays_of_exact_numbers():
    xs = np.array([Exact(mpf("0.5")), Exact(mpf(2))])
    y = (np.sin(xs) * np.array([1.0, 2.0]) @ xs) + np.float64(3.0) * xs[0] + xs[0] * np.float64(3.0)
    with mp.workdps(15):
        assert float(y.x) == pytest.approx(math.sin(0.5) * 0.5 + 2 * math.sin(2.0) * 2 + 3.0, rel=1e-14)


EDGES = [
    (lambda x: 1 / x, 0.0, inf),
    (lambda x: -1 / x, 0.0, -inf),
    (lambda x: x / x, 0.0, nan),
    (lambda x: (x - 1) ** 0.5, 0.0, nan),
    (lambda x: x**-2, 0.0, inf),
    (ops.log, 0.0, -inf),
    (ops.log, -1.0, nan),
    (ops.digamma, -1.0, nan),
    (ops.atanh, 1.0, inf),
    (ops.acosh, 0.5, nan),
    (ops.relu, nan, nan),
    (lambda x: ops.exp(ops.exp(ops.exp(x))), 20.0, inf),
    (lambda x: 1 / ops.exp(ops.exp(x)), 20.0, 0.0),
    (lambda x: ops.exp(ops.exp(ops.exp(ops.exp(x)))), 5.0, inf),
]


@pytest.mark.parametrize(("f", "x", "expected"), EDGES)
def test_edges_are_those_of_doubles(f, x, expected):
    y = f(Exact(mpf(x)))
    number = float(y.x) if isinstance(y, Exact) else y
    assert number == expected or (math.isnan(number) and math.isnan(expected))


def test_comparisons():
    for kind, (a, b) in itertools.product((Exact, Complex, Ball), [(1.0, 2.0), (2.0, 1.0), (1.5, 1.5)]):
        x = kind(kind.lift(a))
        assert (x < b, x <= b, x > b, x >= b, x == b, x != b) == (a < b, a <= b, a > b, a >= b, a == b, a != b)
        assert bool(x)
        assert hash(x) == hash(x)
    wide = Ball(flint.arb(1.0, 0.5))
    with pytest.raises(Uncertain, match="overlap"):
        _ = wide < 1.2
    with pytest.raises(Uncertain, match="overlap"):
        ops.relu(wide - 1.0)
    with pytest.raises(Uncertain, match="whole number"):
        ops.floor(wide)


@pytest.mark.parametrize(
    "lose", [float, math.sin, lambda x: [0.0][x], lambda x: np.asarray([x], dtype=float), lambda x: np.float64(x)]
)
@pytest.mark.parametrize("kind", [Exact, Complex, Ball])
def test_digits_are_not_lost_silently(lose, kind):
    with pytest.raises(TypeError):
        lose(kind(kind.lift(1.5)))


def test_a_value_among_exact_numbers_is_its_number():
    x = Exact(mpf(2))
    for y in (x * Value(3.0), Value(3.0) * x, ops.mul(x, Value(3.0)), ops.mul(Value(3.0), x)):
        assert isinstance(y, Exact)
        assert y == 6.0
    with pytest.raises(TypeError):
        x + "1"
    with pytest.raises(AttributeError, match="no attribute 'backward'"):
        _ = x.backward
    assert x.data is x
    assert "Exact(2" in repr(x)


def test_a_row_of_ones_own(table):
    coded = ops.primitive("coded", lambda x: math.sin(x), lambda x, y: ops.cos(x))
    with pytest.raises(NoExactForm, match=r"coded has no form beyond floats .* exact=lambda m, x"):
        coded(mpf(1))
    told = ops.primitive("told", lambda x: math.sin(x), lambda x, y: ops.cos(x), exact=lambda m, x: m.sin(x))
    formula = ops.primitive("formula", lambda x: x * ops.sin(x), lambda x, y: ops.sin(x) + x * ops.cos(x))
    with mp.workdps(40):
        assert told(mpf(1)) == mp.sin(1)
        assert formula(mpf(2)) == 2 * mp.sin(2)
