"""The table of operations against mathematics: every value and every partial at 50 digits, in units of the last place.

`SPEC` says what each row means, in mpmath. Its derivatives are taken there by central differences with a step of
1e-40: no derivative rule is used, so none of ours can agree with itself. A row without a line in `SPEC` fails.
"""

import itertools
import math
import pickle
import random

import numpy as np
import pytest
from mpmath import mp, mpf

from autograd import ABSENT, Value, gradients, jvp, ops, primitive, program, where
from autograd.batch import differentiate
from autograd.testing import check_op

inf, nan = math.inf, math.nan


# What the rows mean. -------------------------------------------------------------------------------------------------


def _selu(x):
    scale, alpha = mpf(ops.SELU_SCALE), mpf(ops.SELU_ALPHA)
    return scale * (alpha * mp.expm1(x) if x <= 0 else x)


def _erfc(x):
    return mp.erfc(max(mpf(-40), min(mpf(40), x)))  # beyond, doubles have long reached 0 or 2


def _gamma_family(n, x):
    return mp.psi(int(n), x)


SPEC = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda x: -x,
    "pow": lambda a, b: mp.power(a, b),
    "floordiv": lambda a, b: mp.floor(a / b),
    "mod": lambda a, b: a - b * mp.floor(a / b),
    "fmod": lambda a, b: a - b * (mp.floor(a / b) if a * b >= 0 else mp.ceil(a / b)),
    "identity": lambda x: x,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "exp": mp.exp,
    "exp2": lambda x: mp.power(2, x),
    "expm1": mp.expm1,
    "log": mp.log,
    "log2": lambda x: mp.log(x) / mp.log(2),
    "log10": lambda x: mp.log(x) / mp.log(10),
    "log1p": mp.log1p,
    "sqrt": mp.sqrt,
    "cbrt": lambda x: mp.sign(x) * mp.root(abs(x), 3),
    "logaddexp": lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))),
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "asin": mp.asin,
    "acos": mp.acos,
    "atan": mp.atan,
    "atan2": mp.atan2,
    "hypot": lambda a, b: mp.sqrt(a * a + b * b),
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "asinh": mp.asinh,
    "acosh": mp.acosh,
    "atanh": mp.atanh,
    "gaussian": lambda x: mp.exp(-x * x),
    "normal_pdf": lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi),
    "normal_cdf": lambda x: _erfc(-x / mp.sqrt(2)) / 2,
    "erf": lambda x: mp.erf(max(mpf(-40), min(mpf(40), x))),
    "erfc": _erfc,
    "lgamma": lambda x: mp.re(mp.loggamma(x)),
    "digamma": lambda x: _gamma_family(0, x),
    "polygamma": _gamma_family,
    "abs": abs,
    "sign": mp.sign,
    "floor": mp.floor,
    "ceil": mp.ceil,
    "maximum": max,
    "minimum": min,
    "clip": lambda x, lo, hi: min(max(x, lo), hi),
    "where": lambda c, a, b: a if c else b,
    "relu": lambda x: max(x, mpf(0)),
    "leaky_relu": lambda x: x if x > 0 else mpf(0.01) * x,
    "elu": lambda x: x if x > 0 else mp.expm1(x),
    "selu": _selu,
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "logsigmoid": lambda x: -mp.log1p(mp.exp(-x)),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "gelu": lambda x: x * _erfc(-x / mp.sqrt(2)) / 2,
    "softsign": lambda x: x / (1 + abs(x)),
    "sum": lambda *xs: mp.fsum(xs),
    "mean": lambda *xs: mp.fsum(xs) / len(xs),
    "dot": lambda *xs: mp.fdot(xs[: len(xs) // 2], xs[len(xs) // 2 :]),
    "prod": lambda *xs: mp.fprod(xs),
    "norm": lambda *xs: mp.sqrt(mp.fsum(x * x for x in xs)),
    "logsumexp": lambda *xs: max(xs) + mp.log(mp.fsum(mp.exp(x - max(xs)) for x in xs)),
}


def exact(name, xs, *by):
    """The value of a row's meaning at floats xs, or its derivative by the arguments at these places, to 50 digits."""
    sizes = [abs(x) for x in xs if x and math.isfinite(x)]
    step = mpf(10) ** -40 * min([1.0, *sizes])
    digits = int(160 + 2.2 * max((abs(math.log10(size)) for size in sizes), default=0.0))
    while True:
        with mp.workdps(digits):
            terms = []
            for signs in itertools.product((1, -1), repeat=len(by)):
                at = [mpf(x) for x in xs]
                for k, sign in zip(by, signs, strict=True):
                    at[k] += sign * step
                terms.append(math.prod(signs) * SPEC[name](*at))
            total = mp.fsum(terms)
            largest = max(mp.mag(t) for t in terms)
            if not by or digits > 900 or (total != 0 and mp.mag(total) > largest - mp.prec + 200):
                return total / (2 * step) ** len(by)
        digits *= 2


TINIEST = mpf(2) ** -1074
LARGEST = mpf(np.finfo(float).max)


def ulps(got, true, scale=0):
    """The error of a float in units of the last place of the true result (or of scale, if that is larger).

    Below 64 of the smallest subnormals the unit no longer shrinks: results there are intermediate roundings.
    """
    if abs(true) > LARGEST:
        return 0.0 if (math.isinf(got) and (got > 0) == (true > 0)) or abs(got) > 0.999 * LARGEST else inf
    if not math.isfinite(got):
        return 0.0 if abs(true) > 0.999 * LARGEST else inf
    size = max(abs(true), abs(mpf(scale)), 64 * TINIEST * 2**52)
    unit = mpf(2) ** (mp.frexp(size)[1] - 53)
    return float(abs(mpf(got) - true) / unit)


# Where the rows are looked at. ---------------------------------------------------------------------------------------

ROUND = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 4.0, 1024.0, 2.0**-20, -(2.0**-30), 0.1, -0.1, 3.0, 10.0, -7.5]


#: Roots, poles and places where a careless formula cancels or overflows; inside the domain or beside it.
SPECIAL = {
    "reciprocal": [-3.0, -1e-200, 1e155, 1e200],
    "cbrt": [-8.0, -1e-300, -2.7],
    "log": [1 + 2.0**-52, 1 - 2.0**-53, 0.9999, 1e-310],
    "log2": [1 + 2.0**-52, 1 - 2.0**-53],
    "log10": [1 + 2.0**-52, 1 - 2.0**-53, 1000.0],
    "sin": [math.pi, 1e22, 355.0],
    "cos": [math.pi / 2, 1e22, 11.0],
    "tan": [math.nextafter(math.pi / 2, 0), -1.57, math.pi / 4],
    "atan": [1e155, -1e160],
    "tanh": [20.0, -350.0, 710.0, -800.0, 1e10],
    "sinh": [710.0, -710.0, 1e-9],
    "cosh": [710.0, -710.0, 1e-9],
    "sigmoid": [1000.0, -1000.0, 36.0, -36.7, 709.0, -709.0, -720.0, 37.0],
    "softplus": [1000.0, -1000.0, 36.0, -36.7, 709.0, -709.0],
    "logsigmoid": [1000.0, -1000.0, 36.0, -36.7],
    "silu": [1000.0, -700.0, -36.7],
    "gelu": [1000.0, -37.0, -8.0, 9.0, 38.0],
    "erf": [6.0, -1e-300, 26.0],
    "erfc": [26.0, -26.0, 5.9],
    "normal_cdf": [-38.0, -8.3, 8.3, -37.5],
    "gaussian": [26.0, -25.9],
    "normal_pdf": [37.0, -38.0],
    "lgamma": [1 + 2.0**-40, 1 - 2.0**-50, 2 + 2.0**-40, 2 - 2.0**-50, 2.5, 1.5, 4.5, 1e-300],
    "digamma": [1.4616321449683622, 1.4616321449683625, 1.46, 1.0, 3.0, 19.9, 20.0],
}


def points(rng, low, high, n=12):
    """Numbers of an open interval: uniform, log-uniform about 0 and its edges, huge and tiny ones, round ones."""
    sign = lambda: rng.choice([-1.0, 1.0])
    xs = list(ROUND)
    xs += [rng.uniform(-10, 10) for _ in range(n)] + [rng.uniform(-1, 1) for _ in range(n)]
    xs += [sign() * 10 ** rng.uniform(-20, 3) for _ in range(n)]
    xs += [sign() * 10 ** rng.uniform(3, 300) for _ in range(n // 3)]
    xs += [sign() * 10 ** rng.uniform(-300, -20) for _ in range(n // 3)]
    for edge, inward in ((low, 1), (high, -1)):
        if math.isfinite(edge):
            xs += [edge + inward * 10 ** rng.uniform(-16, 0) for _ in range(n)]
            xs += [math.nextafter(edge, edge + inward)] if edge else [10 ** rng.uniform(-300, -3) for _ in range(n)]
    return [x for x in xs if low < x < high]


def cases(op, n=12):
    """Argument lists in the domain of a row, off its kinks."""
    rng = random.Random(op.name)
    if op in (ops.lgamma, ops.digamma):
        columns = [[x for x in points(rng, *op.domain[0], n) if 1e-15 < x < 1e15]]
    elif op is ops.polygamma:
        columns = [[float(k) for k in range(12)], [x for x in points(rng, *op.domain[1], n) if 1e-20 < x < 1e20]]
    elif op is ops.where:
        columns = [[0.0, 1.0]] + [points(rng, -inf, inf, n)] * 2
    else:
        columns = [points(rng, *interval, n) for interval in op.domain]
    if op.arity == 1:
        tuples = [[x] for x in columns[0] + SPECIAL.get(op.name, [])]
    else:
        tuples = [[rng.choice(c) for c in columns] for _ in range(8 * n)]
        for x in columns[-1][: 2 * n]:  # ties and near ties
            if all(low < x < high for low, high in op.domain) and op is not ops.polygamma:
                tuples += [[x] * op.arity, [x * (1 + 2.0**-40)] + [x] * (op.arity - 1), [x] + [-x] * (op.arity - 1)]
        inside = lambda t: all(low < x < high for x, (low, high) in zip(t, op.domain, strict=True))
        tuples = [t for t in tuples if op is ops.polygamma or inside(t)]
    if op in (ops.mod, ops.fmod, ops.floordiv):
        tuples = [[a, b] for a, b in tuples if abs(a / b) < 1e18]
    if op is ops.clip:
        tuples = [[x, min(lo, hi), max(lo, hi)] for x, lo, hi in tuples if lo != hi]
    return [t for t in tuples if op.kinks is None or not bool(op.kinks(*t))]


# The table test. -----------------------------------------------------------------------------------------------------

BOUND = 4.0


def bound(name, xs, k):
    """The allowed error (ulp, and a scale that the ulp is taken at): 4 ulp of the result, with these exceptions."""
    if name == "cbrt" and k is not None:
        return 8.0, 0  # the C library's cbrt is good to 2.2 ulp, and enters squared
    if name == "lgamma" and k is None:
        return 5.0, 0  # math.lgamma below 1/2
    if name == "pow" and k == 0:
        return BOUND + abs((xs[1] - 1) * math.log(xs[0])), 0  # b - 1 is rounded, and the power multiplies that
    if name == "logaddexp" and k is None:
        return BOUND, max(map(abs, xs))  # the result may cancel: max(a, b) has been rounded before
    if name == "logaddexp":
        return BOUND + abs(xs[0] - xs[1]), 0  # a - b is rounded, and exp multiplies that
    if name in ("silu", "gelu") and k is not None:
        return BOUND, 0.1  # the partial is a sum that passes through zero
    if name == "exp2" and k is not None and abs(xs[0]) > 1023.9:
        return inf, 0  # 2**x overflows a little before its derivative does
    return BOUND, 0


FIXED = [op for op in ops.TABLE.values() if op.arity > 0]
NARY = [op for op in ops.TABLE.values() if op.arity < 0]
TABLE = FIXED + NARY
MEANINGLESS = {("polygamma", 0), ("where", 0)}  # whole numbers and conditions have no derivative


def test_the_constants_of_selu_keep_mean_0_and_variance_1():
    """G. Klambauer et al., Self-normalizing neural networks, 2017: what the two constants are made for."""
    with mp.workdps(30):
        density = lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)
        moment = lambda k: mp.quad(lambda x: density(x) * _selu(x) ** k, [-mp.inf, 0, mp.inf])
        assert abs(moment(1)) < 1e-15
        assert abs(moment(2) - 1) < 1e-15


def test_every_row_has_a_meaning():
    assert set(SPEC) == set(ops.TABLE)


@pytest.mark.parametrize("op", FIXED, ids=lambda op: op.name)
def test_row(op):
    examined = cases(op)
    assert len(examined) >= 25
    for xs in examined:
        y = op.call(xs)
        allowed, scale = bound(op.name, xs, None)
        assert ulps(y, exact(op.name, xs), scale) <= allowed, (op.name, xs, y)
        for k, p in enumerate(op.slopes(xs, y)):
            if (op.name, k) not in MEANINGLESS:
                p = 0.0 if p == ABSENT else float(p)
                allowed, scale = bound(op.name, xs, k)
                error = ulps(p, exact(op.name, xs, k), scale)
                assert error <= allowed, f"d{op.name}{tuple(xs)} by argument {k} is {p!r}, off by {error} ulp"


@pytest.mark.parametrize("op", FIXED, ids=lambda op: op.name)
def test_second_derivatives_of_a_row(op):
    """The rows' formulas hold when nodes stand in them: no nan from inf * 0, no derivative lost."""
    for xs in cases(op, 4):
        if not all(x == 0 or 1e-30 < abs(x) < 1e30 for x in xs):
            continue
        if math.isinf(op.call(xs)):
            continue
        nodes = [Value(x) for x in xs]
        first = gradients(op(*nodes), nodes)
        for j, slope in enumerate(first):
            if (op.name, j) in MEANINGLESS:
                continue
            for k, second in enumerate(gradients(slope, nodes)):
                if (op.name, k) not in MEANINGLESS:
                    true = exact(op.name, xs, j, k)
                    size = abs(true) + abs(exact(op.name, xs, j)) / max(1, abs(xs[k]))
                    if size < LARGEST:
                        message = (op.name, xs, j, k, second.data, float(true))
                        assert abs(second.data - true) <= 1e-10 * size + mpf(10) ** -300, message


# Conventions at kinks and edges: (row, arguments, value, partials). A partial None is one that does not exist. -------

CONVENTIONS = [
    ("abs", [0.0], 0.0, [0.0]),
    ("abs", [-0.0], 0.0, [0.0]),
    ("relu", [0.0], 0.0, [0.0]),
    ("relu", [-0.0], 0.0, [0.0]),
    ("relu", [nan], nan, [1.0]),
    ("leaky_relu", [0.0], 0.0, [0.01]),
    ("elu", [0.0], 0.0, [1.0]),
    ("selu", [0.0], 0.0, [ops.SELU_SCALE * ops.SELU_ALPHA]),
    ("maximum", [2.0, 2.0], 2.0, [0.5, 0.5]),
    ("minimum", [2.0, 2.0], 2.0, [0.5, 0.5]),
    ("maximum", [0.0, -0.0], 0.0, [0.5, 0.5]),
    ("maximum", [nan, 1.0], nan, [None, None]),
    ("maximum", [1.0, nan], nan, [None, None]),
    ("minimum", [nan, 1.0], nan, [None, None]),
    ("minimum", [1.0, nan], nan, [None, None]),
    ("maximum", [inf, 1.0], inf, [1.0, 0.0]),
    ("minimum", [-inf, 1.0], -inf, [1.0, 0.0]),
    ("clip", [1.0, 1.0, 2.0], 1.0, [1.0, 0.0, 0.0]),
    ("clip", [2.0, 1.0, 2.0], 2.0, [1.0, 0.0, 0.0]),
    ("clip", [0.0, 1.0, 2.0], 1.0, [0.0, 1.0, 0.0]),
    ("clip", [9.0, 1.0, 2.0], 2.0, [0.0, 0.0, 1.0]),
    ("clip", [2.0, 3.0, 1.0], 1.0, [0.0, 0.0, 1.0]),
    ("sign", [0.0], 0.0, [0.0]),
    ("sign", [-3.0], -1.0, [0.0]),
    ("sign", [nan], nan, [0.0]),
    ("floor", [2.0], 2.0, [0.0]),
    ("floor", [-2.5], -3.0, [0.0]),
    ("floor", [inf], inf, [0.0]),
    ("ceil", [2.0], 2.0, [0.0]),
    ("ceil", [2.5], 3.0, [0.0]),
    ("sqrt", [0.0], 0.0, [inf]),
    ("sqrt", [-1.0], nan, [nan]),
    ("cbrt", [0.0], 0.0, [inf]),
    ("cbrt", [-8.0], -2.0, [1 / 12]),
    ("log", [0.0], -inf, [inf]),
    ("log", [-1.0], nan, [-1.0]),
    ("log2", [0.0], -inf, [inf]),
    ("log10", [0.0], -inf, [inf]),
    ("log1p", [-1.0], -inf, [inf]),
    ("log1p", [-2.0], nan, [-1.0]),
    ("exp", [1000.0], inf, [inf]),
    ("exp", [-1000.0], 0.0, [0.0]),
    ("exp", [-inf], 0.0, [0.0]),
    ("exp2", [2000.0], inf, [inf]),
    ("expm1", [1000.0], inf, [inf]),
    ("sinh", [1000.0], inf, [inf]),
    ("sinh", [-1000.0], -inf, [inf]),
    ("cosh", [-1000.0], inf, [-inf]),
    ("sin", [inf], nan, [nan]),
    ("cos", [-inf], nan, [nan]),
    ("tan", [inf], nan, [nan]),
    ("asin", [1.0], math.pi / 2, [inf]),
    ("asin", [1.5], nan, [nan]),
    ("acos", [-1.0], math.pi, [-inf]),
    ("acosh", [1.0], 0.0, [inf]),
    ("acosh", [0.5], nan, [nan]),
    ("atanh", [1.0], inf, [inf]),
    ("atanh", [-1.0], -inf, [inf]),
    ("atanh", [2.0], nan, [-1 / 3]),
    ("atan", [inf], math.pi / 2, [0.0]),
    ("tanh", [inf], 1.0, [0.0]),
    ("tanh", [-1000.0], -1.0, [0.0]),
    ("sigmoid", [1000.0], 1.0, [0.0]),
    ("sigmoid", [-1000.0], 0.0, [0.0]),
    ("sigmoid", [-inf], 0.0, [0.0]),
    ("softplus", [1000.0], 1000.0, [1.0]),
    ("softplus", [-1000.0], 0.0, [0.0]),
    ("softplus", [inf], inf, [1.0]),
    ("logsigmoid", [-1000.0], -1000.0, [1.0]),
    ("erf", [inf], 1.0, [0.0]),
    ("normal_cdf", [-inf], 0.0, [0.0]),
    ("normal_cdf", [nan], nan, [nan]),
    ("gaussian", [1e200], 0.0, [0.0]),
    ("div", [1.0, 0.0], inf, [inf, -inf]),
    ("div", [-1.0, 0.0], -inf, [inf, inf]),
    ("div", [1.0, -0.0], -inf, [-inf, -inf]),
    ("div", [0.0, 0.0], nan, [inf, nan]),
    ("reciprocal", [0.0], inf, [-inf]),
    ("reciprocal", [-0.0], -inf, [-inf]),
    ("mod", [5.5, 0.0], nan, [1.0, nan]),
    ("floordiv", [-7.0, 3.0], -3.0, [0.0, 0.0]),
    ("floordiv", [1.0, 0.0], nan, [0.0, 0.0]),
    ("mod", [-7.0, 3.0], 2.0, [1.0, 3.0]),
    ("mod", [7.0, -3.0], -2.0, [1.0, 3.0]),
    ("mod", [6.0, 3.0], 0.0, [1.0, -2.0]),
    ("fmod", [-7.0, 3.0], -1.0, [1.0, 2.0]),
    ("fmod", [7.0, -3.0], 1.0, [1.0, 2.0]),
    ("fmod", [1.0, 0.0], nan, [1.0, nan]),
    ("pow", [0.0, 2.0], 0.0, [0.0, 0.0]),
    ("pow", [0.0, 0.0], 1.0, [0.0, 0.0]),
    ("pow", [0.0, 1.0], 0.0, [1.0, 0.0]),
    ("pow", [3.0, 0.0], 1.0, [0.0, math.log(3.0)]),
    ("pow", [0.0, 0.5], 0.0, [inf, 0.0]),
    ("pow", [0.0, -1.0], inf, [-inf, -inf]),
    ("pow", [-0.0, -1.0], -inf, [-inf, inf]),
    ("pow", [-8.0, 1 / 3], nan, [nan, nan]),
    ("pow", [-2.0, 3.0], -8.0, [12.0, nan]),
    ("pow", [-2.0, -1.0], -0.5, [-0.25, nan]),
    ("pow", [10.0, 400.0], inf, [inf, inf]),
    ("pow", [-10.0, 401.0], -inf, [inf, nan]),
    ("pow", [1e-200, 2.0], 0.0, [2e-200, 0.0]),
    ("hypot", [0.0, 0.0], 0.0, [0.0, 0.0]),
    ("hypot", [3e200, 4e200], 5e200, [0.6, 0.8]),
    ("hypot", [3e-200, 4e-200], 5e-200, [0.6, 0.8]),
    ("hypot", [1.5e308, 1.5e308], inf, [0.0, 0.0]),
    ("atan2", [0.0, 0.0], 0.0, [0.0, 0.0]),
    ("atan2", [1e200, 1e200], math.pi / 4, [5e-201, -5e-201]),
    ("atan2", [1e-200, 1e-200], math.pi / 4, [5e199, -5e199]),
    ("atan2", [0.0, -1.0], math.pi, [-1.0, 0.0]),
    ("logaddexp", [3.0, 3.0], 3.0 + math.log(2.0), [0.5, 0.5]),
    ("logaddexp", [1000.0, -1000.0], 1000.0, [1.0, 0.0]),
    ("logaddexp", [-inf, 1.0], 1.0, [0.0, 1.0]),
    ("logaddexp", [inf, inf], inf, [None, None]),
    ("logaddexp", [-inf, -inf], -inf, [None, None]),
    ("lgamma", [1.0], 0.0, [-0.5772156649015329]),
    ("lgamma", [2.0], 0.0, [0.42278433509846713]),
    ("lgamma", [0.0], inf, [nan]),
    ("lgamma", [-1.0], inf, [nan]),
    ("lgamma", [inf], inf, [inf]),
    ("digamma", [-1.0], nan, [nan]),
    ("digamma", [-1.25], 3.714139120213528, [19.181879647671606]),
    ("polygamma", [1.0, 1.0], math.pi**2 / 6, [nan, -2.4041138063191885]),
    ("polygamma", [2.0, -0.5], -0.8287966442343200, [nan, 193.40909103400244]),
    ("where", [1.0, 2.0, 3.0], 2.0, [0.0, 1.0, 0.0]),
    ("where", [0.0, 2.0, 3.0], 3.0, [0.0, 0.0, 1.0]),
    ("where", [1.0, 2.0, nan], 2.0, [0.0, 1.0, 0.0]),
    ("where", [0.0, inf, 3.0], 3.0, [0.0, 0.0, 1.0]),
]


def same(got, expected):
    """Equal to 4 ulp, nan and infinities included."""
    if math.isnan(expected) or math.isnan(got) or math.isinf(expected):
        return got == expected or (math.isnan(got) and math.isnan(expected))
    return abs(got - expected) <= 4 * math.ulp(expected)


@pytest.mark.parametrize("op", TABLE, ids=lambda op: op.name)
def test_row_by_the_public_check(op):
    """Floats, nodes, both sweeps and arrays agree with the meaning, second derivatives and conventions included."""
    promised = [(xs, value, partials) for name, xs, value, partials in CONVENTIONS if name == op.name]
    report = check_op(op, lambda m, *xs: SPEC[op.name](*_flat(xs)), extremes=True, conventions=promised)
    assert report.verdict == "ok"
    ways = {x.mode for x in report.findings if not x.path.startswith("second")}
    assert {"float", "backward", "nodes"} | ({"forward", "array"} if promised else set()) <= ways


def _flat(xs):
    return xs[0] if len(xs) == 1 and isinstance(xs[0], list) else xs


SECOND = [  # (row, arguments, which, second derivative) where a convention or an extreme decides
    ("relu", [0.0], (0, 0), 0.0),
    ("abs", [0.0], (0, 0), 0.0),
    ("elu", [0.0], (0, 0), 1.0),
    ("softsign", [0.0], (0, 0), 0.0),
    ("pow", [0.0, 2.0], (0, 0), 2.0),
    ("pow", [0.0, 1.0], (0, 0), 0.0),
    ("pow", [0.0, 0.0], (0, 0), 0.0),
    ("pow", [0.0, 3.0], (1, 1), 0.0),
    ("pow", [5.0, 0.0], (0, 0), 0.0),
    ("tanh", [1000.0], (0, 0), 0.0),
    ("tanh", [-1000.0], (0, 0), 0.0),
    ("sigmoid", [1000.0], (0, 0), 0.0),
    ("softplus", [-1000.0], (0, 0), 0.0),
    ("softplus", [1000.0], (0, 0), 0.0),
    ("maximum", [2.0, 2.0], (0, 1), 0.0),
    ("hypot", [0.0, 0.0], (0, 0), 0.0),
    ("atan2", [0.0, 0.0], (0, 1), 0.0),
    ("sign", [0.0], (0, 0), 0.0),
    ("clip", [0.0, 1.0, 2.0], (1, 1), 0.0),
]


@pytest.mark.parametrize(("name", "xs", "which", "expected"), SECOND)
def test_convention_at_second_order(name, xs, which, expected):
    nodes = [Value(x) for x in xs]
    (first,) = gradients(ops.TABLE[name](*nodes), [nodes[which[0]]])
    (second,) = gradients(first, [nodes[which[1]]])
    assert second.data == expected
    if which[0] == which[1]:
        first.backward()
        assert nodes[which[0]].grad == expected


@pytest.mark.parametrize(
    ("x", "y", "d", "d2"), [(0.0, 7.0, 0.0, 0.0), (4.0, 2.0, 0.25, -1 / 32), (-1.0, 7.0, 0.0, 0.0)]
)
def test_branch_not_taken_contributes_nothing(x, y, d, d2):
    f = lambda v: where(v > 0, v.sqrt(), 7.0)  # sqrt'(0) = inf, sqrt(-1) = nan
    v = Value(x)
    result = f(v)
    result.backward()
    (first,) = gradients(f(v), [v])
    (second,) = gradients(first, [v])
    assert (result.data, v.grad, first.data, second.data) == (y, d, d, d2)
    assert jvp(f, x, 1.0) == (y, d)


def test_branch_not_taken_contributes_nothing_in_a_lane():
    values, (slopes,) = differentiate(lambda c: where(c > 0, ops.sqrt(c), 7.0), np.array([-1.0, 0.0, 4.0]))
    assert values.tolist() == [7.0, 7.0, 2.0]
    assert slopes.tolist() == [0.0, 0.0, 0.25]


def test_a_bare_constant_partial_does_not_leak_through_a_dead_branch():
    x = Value(0.0)
    y = where(x > 0, 1.0 / x, x * 3.0) * 2.0
    y.backward()
    assert x.grad == 6.0


# Rows of any number of arguments. ------------------------------------------------------------------------------------


def _sequences():
    rng = random.Random(5)
    for n in (1, 2, 3, 7, 40):
        yield [rng.uniform(-3, 3) for _ in range(n)]
        yield [rng.choice([-1, 1]) * 10 ** rng.uniform(-6, 6) for _ in range(n)]
    yield from ([0.0], [2.0, 0.0, 5.0], [2.0, 0.0, 0.0], [1e200, 1.0, -1e200, 3.0], [3e200, 4e200], [3e-200, 4e-200])


@pytest.mark.parametrize("op", NARY, ids=lambda op: op.name)
def test_row_of_any_length(op):
    for xs in _sequences():
        if op is ops.dot:
            xs = xs + xs[::-1]
        y = op.call(xs)
        true = exact(op.name, xs)
        if abs(true) > LARGEST or (op is ops.norm and not any(xs)):
            continue
        half = len(xs) // 2
        scale = 0  # a sum may cancel; its parts have been rounded before
        if op is ops.dot:
            scale = sum(abs(a * b) for a, b in zip(xs[:half], xs[half:], strict=True))
        elif op is ops.logsumexp:
            scale = max(map(abs, xs))
        allowed = len(xs) if op is ops.prod else BOUND
        if math.isfinite(scale):
            assert ulps(y, true, scale) <= allowed, (op.name, xs, y)
        if len(xs) > 10 and op is not ops.logsumexp:
            continue
        for k, p in enumerate(op.slopes(xs, y)):
            spread = max(xs) - min(xs) if op is ops.logsumexp else 0.0  # x - y is rounded, and exp multiplies that
            if spread < 1e5:
                error = ulps(float(p), exact(op.name, xs, k))
                assert error <= allowed + spread + abs(y) * (spread > 0), (op.name, xs, k)


@pytest.mark.parametrize(
    ("name", "xs", "value", "partials"),
    [
        ("sum", [], 0.0, []),
        ("mean", [], nan, []),
        ("prod", [], 1.0, []),
        ("norm", [], 0.0, []),
        ("logsumexp", [], -inf, []),
        ("sum", [inf, 1.0], inf, [1.0, 1.0]),
        ("sum", [inf, -inf], nan, [1.0, 1.0]),
        ("sum", [1e308, 1e308], inf, [1.0, 1.0]),
        ("prod", [0.0, 2.0, 3.0], 0.0, [6.0, 0.0, 0.0]),
        ("prod", [0.0, 0.0, 3.0], 0.0, [0.0, 0.0, 0.0]),
        ("norm", [0.0, 0.0], 0.0, [0.0, 0.0]),
        ("logsumexp", [1000.0, 1000.0], 1000.0 + math.log(2.0), [0.5, 0.5]),
        ("logsumexp", [-1000.0, -1000.0], -1000.0 + math.log(2.0), [0.5, 0.5]),
        ("logsumexp", [-inf, 1.0], 1.0, [0.0, 1.0]),
        ("logsumexp", [inf, 1.0], inf, [nan, 0.0]),
        ("logsumexp", [-inf, -inf], -inf, [nan, nan]),
        ("logsumexp", [nan, 1.0], nan, [nan, nan]),
        ("logsumexp", [inf, nan], nan, [nan, nan]),
    ],
)
def test_convention_of_a_sequence(name, xs, value, partials):
    op = ops.TABLE[name]
    assert same(op(xs), value)
    slopes = [float(p) for p in op.slopes(xs, op(xs))]
    assert slopes == pytest.approx(partials, rel=1e-12, nan_ok=True)
    if xs:
        nodes = [Value(x) for x in xs]
        y = op(nodes)
        y.backward()
        assert same(y.data, value)
        assert [v.grad for v in nodes] == slopes or math.isnan(slopes[0])


def test_sequences_take_any_iterable_and_one_node_each():
    xs = [Value(float(k)) for k in range(5)]
    total = ops.sum(x for x in xs)
    assert total.data == 10.0
    assert len(total.operands) == 5
    assert ops.sum(np.array(xs, dtype=object).reshape(5, 1)).data == 10.0
    assert ops.sum(np.arange(6.0).reshape(2, 3)) == 15.0
    assert ops.dot(xs, [1, 2, 3, 4, 5]).data == 40.0
    assert ops.dot(np.arange(3.0), np.arange(3.0)) == 5.0
    with pytest.raises(ValueError, match="two sequences of one length, got 5 and 2"):
        ops.dot(xs, [1.0, 2.0])
    with pytest.raises(TypeError, match="expected a sequence of numbers"):
        ops.sum(3.0)
    with pytest.raises(TypeError, match="expected a sequence of numbers"):
        ops.sum("123")


def test_prod_at_second_order_with_zeros():
    xs = [Value(0.0), Value(0.0), Value(3.0)]
    first = gradients(ops.prod(xs), xs)
    assert [g.data for g in gradients(first[0], xs)] == [0.0, 3.0, 0.0]


# One row, every kind of number. --------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", FIXED, ids=lambda op: op.name)
def test_floats_arrays_and_nodes_agree(op):
    examined = cases(op, 6)
    columns = [np.array(c) for c in zip(*examined, strict=True)]
    whole = op(*columns)
    assert isinstance(whole, np.ndarray)
    assert whole.dtype == np.float64
    for xs, y in zip(examined, whole, strict=True):
        single = op(*xs)
        node = op(*[Value(x) for x in xs])
        assert type(single) is float
        assert isinstance(node, Value)
        assert node.data == single or (math.isnan(single) and math.isnan(node.data))
        _, scale = bound(op.name, xs, None)
        true = mpf(single) if math.isfinite(single) else LARGEST * 2
        assert single == y or ulps(y, true, scale) <= 4, (xs, y, single)


@pytest.mark.parametrize("op", FIXED, ids=lambda op: op.name)
def test_object_arrays_broadcast(op):
    xs = cases(op, 4)[0]
    columns = [np.array([[Value(xs[0])], [Value(xs[0])]], dtype=object), *xs[1:]]
    result = op(*columns)
    assert result.shape == (2, 1)
    assert isinstance(result[0, 0], Value)
    assert result[1, 0].data == op(*xs)


def test_kinds_of_numbers():
    for x in (2, True, np.float32(0.5), np.int64(3), np.array(1.5)):
        y = ops.exp(x)
        assert type(y) is float
        assert y == math.exp(float(x))
    with pytest.raises(TypeError, match="complex numbers are not supported"):
        ops.exp(1j)
    with pytest.raises(TypeError, match=r"the text '1'; convert it with float\(\)"):
        ops.exp("1")
    with pytest.raises(TypeError, match="expected a number or a Value, got NoneType"):
        ops.add(1.0, None)
    with pytest.raises(TypeError, match=r"atan2\(\) takes 2 arguments, got 1"):
        ops.atan2(1.0)
    with pytest.raises(TypeError, match=r"exp\(\) takes 1 argument, got 2"):
        ops.exp(1.0, 2.0)
    with pytest.raises(TypeError, match="expected an array of real numbers"):
        ops.exp(np.array(["a"]))


def test_rows_know_their_names_and_forms():
    for name, op in ops.TABLE.items():
        assert op.name == name
        assert ops.lookup(name) is op
        assert pickle.loads(pickle.dumps(op)) is op
        assert name in repr(op)
        if op.arity > 0:
            assert len(op.partials) == op.arity
            assert len(op.domain) == op.arity
            text = op.form.format(*"abc")
            assert all(letter in text for letter in "abc"[: op.arity])
    assert ops.mul.symbol == "*"
    assert ops.tanh.symbol == "tanh"
    with pytest.raises(KeyError, match=r"did you mean .*tanh"):
        ops.lookup("tanhh")
    with pytest.raises(KeyError, match="TABLE lists them"):
        ops.lookup("qqqq")


# Native code of the rows. --------------------------------------------------------------------------------------------


#: Rows that use hypot: CPython has one of its own, which rounds otherwise than the C library's.
HYPOT = ("hypot", "atan2", "atan", "asinh")


@pytest.mark.skipif(not ops._native, reason="the rows run as Python here")
@pytest.mark.parametrize("name", sorted(ops._native))
def test_native_code_equals_its_row(name):
    op = ops.TABLE[name]
    assert type(op) is ops._native[name]
    near = 3 if name in HYPOT else 1
    convention = [xs for n, xs, _, _ in CONVENTIONS if n == name]
    for xs in cases(op) + convention:
        nodes = [Value(x) for x in xs]
        y = op(*nodes)
        value = op.call(xs)
        assert y.data == value or same_to(near, y.data, value), (xs, y.data, value)
        y.backward()
        for v, p in zip(nodes, op.slopes(xs, y.data), strict=True):
            p = 0.0 if p == ABSENT else float(p)
            assert v.grad == p or same_to(near, v.grad, p), (xs, v.grad, p)


def same_to(ulp, a, b):
    return (a != a and b != b) or abs(a - b) <= ulp * math.ulp(b)


def test_native_code_is_used_where_it_was_built():
    from autograd import compiled

    assert not compiled or len(ops._native) > 40


# Rows of one's own. --------------------------------------------------------------------------------------------------


def test_primitive_has_all_rights(table):
    softcube = primitive("softcube", lambda x: x**3 / (1 + x * x), lambda x, y: (3 * x**2 - 2 * x * y) / (1 + x * x))
    assert ops.lookup("softcube") is softcube
    x = Value(1.5, name="x")
    y = x.softcube()
    first, = gradients(y, [x])
    second, = gradients(first, [x])
    f = lambda t: t**3 / (1 + t**2)
    with mp.workdps(50):
        assert abs(softcube(1.5) - f(mpf(1.5))) < 1e-15
        assert abs(first.data - mp.diff(f, 1.5)) < 1e-14
        assert abs(second.data - mp.diff(f, 1.5, 2)) < 1e-14
    assert softcube(np.array([1.5, 2.0])).tolist() == [softcube(1.5), softcube(2.0)]
    values, (slopes,) = differentiate(softcube, np.array([1.5, 2.0]))
    assert values[0] == softcube(1.5)
    assert abs(slopes[0] - first.data) < 1e-14
    assert "softcube(x)" in program(y)
    assert pickle.loads(pickle.dumps(y)).op is softcube
    assert pickle.loads(pickle.dumps(softcube)) is softcube
    assert jvp(softcube, 1.5, 1.0)[1] == pytest.approx(first.data, rel=1e-14)


def test_primitive_of_two_arguments_with_a_printed_form(table):
    at = primitive("at", lambda a, b: a * b * b, lambda a, b, y: b * b, lambda a, b, y: 2 * a * b, form="{0} @ {1}")
    a, b = Value(3.0, name="a"), Value(2.0, name="b")
    y = at(a, b)
    y.backward()
    assert (y.data, a.grad, b.grad) == (12.0, 4.0, 12.0)
    assert "a @ b" in program(y)
    assert at.symbol == "@"
    assert a.at(2).data == 12.0


def test_primitive_may_be_absent_and_may_branch_on_floats(table):
    gate = primitive(
        "gate", lambda c, x: x if c > 0 else 0.0, lambda c, x, y: ABSENT, lambda c, x, y: where(c > 0, 1.0, ABSENT)
    )
    c, x = Value(-1.0), Value(inf)
    y = gate(c, x) + 1.0
    y.backward()
    assert (y.data, c.grad, x.grad) == (1.0, 0.0, 0.0)
    assert gate(np.array([-1.0, 1.0]), np.array([5.0, 5.0])).tolist() == [0.0, 5.0]


def test_a_partial_may_be_absent_in_one_branch_and_a_node_in_the_other(table):
    ramp = primitive("ramp", lambda x: where(x > 0, x * x, 0.0), lambda x, y: where(x > 0, 2.0 * x, ABSENT))
    for x, first, second in ((-3.0, 0.0, 0.0), (3.0, 6.0, 2.0)):
        v = Value(x)
        (slope,) = gradients(ramp(v) * 1e300, [v])
        assert slope.data == first * 1e300
        assert gradients(slope, [v])[0].data == second * 1e300
        assert jvp(ramp, x, 1e300) == (max(x, 0.0) ** 2, first * 1e300)


def test_a_derivative_that_leaves_the_real_line_is_nan(table):
    """Python's own power of a negative number is complex; its real part would be a wrong gradient."""
    root = primitive("root", lambda x: x**0.5, lambda x, y: 0.5 * x**-0.5)
    two = primitive("two", lambda a, b: a * b**0.5, lambda a, b, y: b**0.5, lambda a, b, y: 0.5 * a * b**-0.5)
    x, y = Value(-4.0), Value(-9.0)
    (root(x) + two(x, y)).backward()
    assert math.isnan(x.grad)
    assert math.isnan(y.grad)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: primitive("not a name", abs, abs), ValueError, "must be an identifier, got 'not a name'"),
        (lambda: primitive("tanh", abs, abs), ValueError, "there is an operation 'tanh' already"),
        (lambda: primitive("q1", abs), TypeError, "give one partial derivative per argument"),
        (lambda: primitive("q2", abs, 3), TypeError, "value and partials must be callable, got 3"),
        (lambda: primitive("q3", None, abs), TypeError, "must be callable, got None"),
        (lambda: primitive("q4", abs, abs, domain=((0, 1), (0, 1))), ValueError, "1 arguments but 2 intervals"),
    ],
)
def test_primitive_refuses(table, make, error, message):
    before = set(table)
    with pytest.raises(error, match=message):
        make()
    assert set(table) == before
