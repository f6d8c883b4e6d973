"""The vector functions against 50 digits, over the whole range, in every lane; their edges against the C library's."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from llvmlite import ir
from mpmath import mp, mpf

from autograd import ops, vecmath

SCALARS = ("double", "float")
TYPES = {"double": np.float64, "float": np.float32}
INTRINSICS = ("sqrt", "floor", "ceil", "fabs", "fma")
inf, nan = math.inf, math.nan


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(50):
        yield


@pytest.fixture
def count(request):
    return 4000 if request.config.getoption("--long") else 100


# The truth. ---------------------------------------------------------------------------------------------------------

EXACT = {
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)) if x < 700 else x + mp.exp(-x),
    "logsigmoid": lambda x: -EXACT["softplus"](-x),
    "exp2": lambda x: mpf(2) ** x,
    "log2": lambda x: mp.log(x) / mp.log(2),
    "erfc": lambda x: mp.erfc(x) if abs(x) < 100 else mpf(0 if x > 0 else 2),
    "erf": lambda x: mp.erf(x) if abs(x) < 100 else mp.sign(x),
    "gaussian": lambda x: mp.exp(-x * x),
    "normal_pdf": lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi),
    "normal_cdf": lambda x: EXACT["erfc"](-x / mp.sqrt(2)) / 2,
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "pow": lambda x, y: mp.exp(y * mp.log(x)),
    "fabs": abs,
    "fma": lambda a, b, c: a * b + c,
}
DOMAIN = {
    **dict.fromkeys(("log", "log2", "log10", "sqrt"), (0, inf)),
    **dict.fromkeys(("asin", "acos", "atanh"), (-1, 1)),
    "log1p": (-1, inf),
    "acosh": (1, inf),
    "pow": (0, inf),
}


def exact(name):
    return EXACT.get(name) or getattr(mp, name)


def ulps(got, truth, scalar):
    """The distance of a number of the format from the truth in its last place; inf stands as 2^1024."""
    form = vecmath.FORMATS[scalar]
    limit = mp.ldexp(1, form.bias + 1)
    if got != got:
        return inf
    value = mpf(float(got)) if abs(got) < inf else math.copysign(1, got) * limit
    truth = max(-limit, min(limit, truth))
    exponent = mp.frexp(truth)[1] - 1 if truth else -form.bias
    unit = mp.ldexp(1, min(max(int(exponent), 1 - form.bias), form.bias) - form.fraction)
    return float(abs(value - truth) / unit)


# Where formulas change and results end: neighbours of these are always among the points.
BREAKS = [
    *(2.0**k for k in (-1022, -126, -53, -27, -24, -12, 0, 1, 12, 13, 14, 24, 26, 28, 30, 53, 54, 64, 127, 500)),
    *(math.pi / 4 * k for k in (*range(1, 17), 1000, 12345, 2**20, 2**30, 3 * 2**28)),
    *(math.log(2) / 2 * k for k in (*range(1, 16, 2), 101, 201, 2043, 2047)),
    *(math.sqrt(0.5) * 2.0**k for k in (-10, -1, 0, 1, 2, 10)),
    *(math.sqrt(0.5) - 1, math.sqrt(2) - 1, math.sqrt(2) + 1, 1 / 3, 0.75, 1.5, 3.0, 6.0, 22.0, 28.0, 50.0, 64.0),
    *(709.782712893384, 708.3964185322641, 744.4400719213812, 745.1332191019411, 710.4758600739439, 36.7, 37.4),
    *(88.72283905206835, 87.33654475055310, 103.27892990343185, 103.97207708399179, 89.41598629223294),
    *(26.5432584543, 27.2263, 38.5, 37.5194, 5.9, 9.19, 10.05, 13.0, 14.2, 1024.0, 1075.0, 149.0, 150.0),
    # doubles and floats very close to a multiple of pi/2
    *(6381956970095103 * 2.0**797, 5.0e15, 3.3e8, 16367173 * 2.0**72, 1e22, 47.12389, 355.0, 710.0, 103993.0, 104348.0),
]


def points(name, scalar, count, seed=0):
    """Arguments for a function: columns of one length, in its domain, from all over the range."""
    kind, form, rng = TYPES[scalar], vecmath.FORMATS[scalar], np.random.default_rng(seed)
    info = np.finfo(kind)

    def log_uniform(low, high):
        return np.exp2(rng.uniform(low, high, count)) * rng.choice([-1.0, 1.0], count)

    lowest = 1 - form.bias - form.fraction
    near = np.array(BREAKS)
    near = np.concatenate([near, -near])
    near = near[abs(near) <= float(info.max)].astype(kind)
    neighbours = [near]
    for side in (inf, -inf):
        x = near
        for _ in range(2):
            x = np.nextafter(x, kind(side))
            neighbours.append(x)
    with np.errstate(all="ignore"):
        x = np.concatenate(
            [
                log_uniform(lowest, form.bias + 1),
                log_uniform(lowest, 2 - form.bias),
                log_uniform(-30, 10),
                log_uniform(-30, 0) + 1,
                log_uniform(-30, 0) - 1,
                *(rng.uniform(-a, a, count) for a in (1, 3, 40, 760)),
                np.round(rng.uniform(0, 1e6, count)) * (math.pi / 2),
                *neighbours,
            ]
        ).astype(kind)
    arity = vecmath.FUNCTIONS[name].arity
    x = x[np.isfinite(x)]
    low, high = DOMAIN.get(name, (-inf, inf))
    if arity == 1:
        return (x[(x >= low) & (x <= high) & (x != low if math.isinf(high) else True)],)
    others = [rng.permutation(x) for _ in range(arity - 1)]
    if name == "pow":
        x = abs(x[x != 0])
        with np.errstate(all="ignore"):
            span = 1.04 * form.bias * math.log(2)
            y = rng.uniform(-span, span, len(x)) / np.log(x.astype(float))
            y = np.where(rng.random(len(x)) < 0.2, np.round(y), y).astype(kind)
        y[~np.isfinite(y)] = 0.5
        return x, y
    # partners of like size, where the formulas change
    factor = np.where(rng.random(len(x)) < 0.4, rng.uniform(0.1, 3.0, len(x)), 1.0)
    with np.errstate(all="ignore"):
        others = [np.where(rng.random(len(x)) < 0.6, x * factor, o).astype(kind) for o in others]
    keep = np.all([np.isfinite(o) & (o != 0) for o in (x, *others)], axis=0)
    return (x[keep], *(o[keep] for o in others))


def worst(name, scalar, count, fma=None, seed=0, lanes=8, measure=ulps):
    """The largest error over the points, and where it is."""
    columns = points(name, scalar, count, seed)
    results = vecmath.compile_elementwise(name, scalar, lanes, fma)(*columns)
    truth = exact(name)
    return max(
        (measure(y, truth(*map(mpf, map(float, args))), scalar), tuple(map(float, args)), float(y))
        for *args, y in zip(*columns, results, strict=True)
    )


# Accuracy. ----------------------------------------------------------------------------------------------------------

FORMULAS = [name for name in vecmath.FUNCTIONS if name not in INTRINSICS]


@pytest.mark.parametrize("name", vecmath.FUNCTIONS)
@pytest.mark.parametrize("scalar", SCALARS)
def test_stays_within_its_bound(name, scalar, count):
    error, args, got = worst(name, scalar, count)
    assert error <= vecmath.FUNCTIONS[name].ulps, f"{name}{args} = {got} is off by {error} ulp"


@pytest.mark.parametrize("name", FORMULAS)
def test_stays_within_its_bound_without_fused_multiply_add(name, count):
    error, args, got = worst(name, "double", count // 4, fma=False)
    assert error <= vecmath.FUNCTIONS[name].ulps, f"{name}{args} = {got} is off by {error} ulp"


# Edges. -------------------------------------------------------------------------------------------------------------

SPECIAL = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 1.0 + 2.0**-20, 40.0, 700.0, 1e5, inf]


def special(scalar):
    info = np.finfo(TYPES[scalar])
    whole = 2.0**info.nmant
    extra = [info.smallest_subnormal, info.tiny, info.eps, whole - 1.0, whole + 1.0, 2 * whole, 4 * whole + 2, info.max]
    positive = np.array([*SPECIAL, *extra], TYPES[scalar])
    return np.concatenate([positive, -positive, [nan]]).astype(TYPES[scalar])


def same(a, b, bound):
    """Both nan, or one number with one sign, or close to one another."""
    if a != a or b != b:
        return a != a and b != b
    if math.isinf(a) or math.isinf(b) or a == 0 or b == 0:
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return abs(a - b) <= 2 * (bound + 2) * np.spacing(min(abs(a), abs(b)) / 2)


UNARY = [name for name in FORMULAS if vecmath.FUNCTIONS[name].arity == 1]


@pytest.mark.parametrize("name", [*UNARY, "sqrt"])
@pytest.mark.parametrize("scalar", SCALARS)
def test_edges_are_those_of_the_table_of_operations(name, scalar):
    xs = special(scalar)
    for x, got in zip(xs, vecmath.compile_elementwise(name, scalar)(xs), strict=True):
        with np.errstate(all="ignore"):
            expected = TYPES[scalar](ops.TABLE[name].value(float(x)))
        assert same(got, expected, vecmath.FUNCTIONS[name].ulps), f"{name}({x}) = {got}, not {expected}"


@pytest.mark.parametrize(("name", "truth"), [("pow", np.power), ("atan2", np.arctan2), ("hypot", np.hypot)])
@pytest.mark.parametrize("scalar", SCALARS)
def test_edges_of_two_arguments_are_those_of_the_c_library(name, truth, scalar):
    pairs = np.array(list(itertools.product(special(scalar), repeat=2)), TYPES[scalar]).T
    results = vecmath.compile_elementwise(name, scalar)(*pairs)
    with np.errstate(all="ignore"):
        expected = truth(*pairs.astype(np.float64)).astype(TYPES[scalar])
    for x, y, a, b in zip(*pairs, results, expected, strict=True):
        assert same(a, b, vecmath.FUNCTIONS[name].ulps), f"{name}({x}, {y}) = {a}, not {b}"


def test_floor_and_ceil_are_those_of_numpy():
    for scalar, name in itertools.product(SCALARS, ("floor", "ceil")):
        xs = np.append(special(scalar), [-0.25, 0.25]).astype(TYPES[scalar])
        assert np.array_equal(bits(vecmath.compile_elementwise(name, scalar)(xs)), bits(getattr(np, name)(xs)))


# Lanes and targets. -------------------------------------------------------------------------------------------------


def bits(x):
    """Representations, all nan alike."""
    return np.where(np.isnan(x), x.dtype.type(nan), x).view(f"i{x.itemsize}")


@pytest.mark.parametrize("name", vecmath.FUNCTIONS)
@pytest.mark.parametrize("scalar", SCALARS)
def test_a_result_depends_on_no_other_lane_and_no_length(name, scalar):
    xs = np.concatenate([special(scalar), *points(name, scalar, 3, seed=1)[:1]])
    rng = np.random.default_rng(2)
    columns = [xs] + [rng.permutation(xs) for _ in range(vecmath.FUNCTIONS[name].arity - 1)]
    expected = bits(vecmath.compile_elementwise(name, scalar, 8)(*columns))
    order = rng.permutation(len(xs))
    for lanes in (1, 2, 4, 16):
        kernel = vecmath.compile_elementwise(name, scalar, lanes)
        assert np.array_equal(bits(kernel(*columns)), expected)
        assert np.array_equal(bits(kernel(*[c[order] for c in columns])), expected[order])


@pytest.mark.parametrize("name", vecmath.FUNCTIONS)
def test_the_plainest_processor_gives_the_same_bits(name):
    columns = points(name, "double", 5, seed=3)
    ours = vecmath.compile_elementwise(name, fma=False)(*columns)
    plain = vecmath.compile_elementwise(name, fma=False, cpu="generic")(*columns)
    assert np.array_equal(bits(ours), bits(plain))


# Coefficients. ------------------------------------------------------------------------------------------------------


def of_square(function):
    return lambda z: function(mp.sqrt(z))


def recipes():
    """name: (function, interval, degree for double, for float, None where floats go through double)."""
    ln2, s = mp.log(2) / 2, (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)
    half = mpf(1) / 2

    def erfc(t):
        x = 3 * (1 + t) / (1 - t)
        return (x + half) * mp.exp(x * x) * mp.erfc(x)

    log = of_square(lambda s: (2 * mp.atanh(s) - 2 * s) / s**3)
    return {
        "exp": (lambda r: (mp.expm1(r) - r) / r**2, (-ln2, ln2), 9, 4),
        "exp2": (lambda r: (mpf(2) ** r - 1) / r, (-half, half), 10, 5),
        "log": (log, (0, s * s), 6, 2),
        "log1p": (log, (0, mpf(1) / 9), 9, 4),
        "atanh": (of_square(lambda s: (mp.atanh(s) - s - s**3 / 3) / s**5), (0, s * s), 6, None),
        "sin": (of_square(lambda r: (mp.sin(r) - r) / r**3), (0, (mp.pi / 4) ** 2), 5, 2),
        "cos": (of_square(lambda r: (mp.cos(r) - 1 + r * r / 2) / r**4), (0, (mp.pi / 4) ** 2), 5, 2),
        "atan": (of_square(lambda r: (mp.atan(r) - r) / r**3), (0, mp.tan(mp.pi / 8) ** 2), 10, 4),
        "asin": (of_square(lambda r: (mp.asin(r) - r) / r**3), (0, half / 2), 12, 4),
        "erf": (of_square(lambda r: mp.erf(r) / r - 1), (0, 1), 11, None),
        "erfc": (erfc, ((half - 3) / (half + 3), mpf(25) / 31), 22, None),
        "cbrt": (mp.cbrt, (mp.sqrt(half), mp.sqrt(2)), 5, None),
    }


def fit(function, interval, degree):
    """Coefficients of the polynomial through the Chebyshev points, by Newton's divided differences."""
    a, b = map(mpf, interval)
    n = degree + 1
    xs = [(a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    xs = [x if abs(x) > mpf(10) ** -25 else mpf(10) ** -25 for x in xs]  # the formulas are 0/0 at 0
    c = [function(x) for x in xs]
    for j in range(1, n):
        for i in range(n - 1, j - 1, -1):
            c[i] = (c[i] - c[i - 1]) / (xs[i] - xs[i - j])
    p = [c[-1]]
    for x, constant in zip(xs[-2::-1], c[-2::-1], strict=True):
        p = [(p[k - 1] if k else 0) - (x * p[k] if k < len(p) else 0) for k in range(len(p) + 1)]
        p[0] += constant
    return p


def test_coefficients_are_the_stated_polynomials():
    with mp.workdps(100):
        every = recipes()
        assert set(every) == set(vecmath.POLYNOMIALS)
        for name, (function, interval, *degrees) in every.items():
            for degree, given, kind in zip(degrees, vecmath.POLYNOMIALS[name], TYPES.values(), strict=True):
                if degree is None:
                    assert given == ()
                    continue
                derived = [kind(float(c)) for c in fit(function, interval, degree)]
                assert derived == [kind(c) for c in given], name


def test_parts_add_up_and_are_short():
    high, middle, low = vecmath.parts(vecmath.PI, 42, 53, 53)
    assert math.frexp(high)[0] * 2**42 % 1 == 0
    with mp.workdps(60):
        assert abs(mpf(high) + mpf(middle) + mpf(low) - mp.pi) < mpf(2) ** -145
    assert vecmath.parts(vecmath.Fraction(1), 42, 53) == (1.0, 0.0)


# The interface. -----------------------------------------------------------------------------------------------------


def test_a_function_is_declared_once():
    module = ir.Module()
    function = vecmath.declare(module, "exp", "double", 8)
    assert function.name == "dagrad.exp.v8f64"
    assert vecmath.declare(module, "exp") is function
    assert vecmath.declare(module, "exp", "float", 16).name == "dagrad.exp.v16f32"
    assert str(module).count("define internal") == 2


def test_has_knows_what_there_is():
    assert vecmath.has("tanh")
    assert not vecmath.has("lgamma")


def test_bad_requests_are_refused():
    module = ir.Module()
    with pytest.raises(KeyError, match="no vector form of 'lgamma'; there are exp, expm1"):
        vecmath.declare(module, "lgamma")
    with pytest.raises(ValueError, match="'double' or 'float', got 'half'"):
        vecmath.declare(module, "exp", "half")
    for lanes in (0, 2.0):
        with pytest.raises(ValueError, match="whole number of at least 1"):
            vecmath.declare(module, "exp", lanes=lanes)
    function = vecmath.declare(module, "pow")
    builder = ir.IRBuilder(function.blocks[0])
    with pytest.raises(TypeError, match=r"pow\(\) takes 2 vectors of one type"):
        vecmath.emit(builder, "pow", function.args[:1])
    with pytest.raises(TypeError, match="vectors of double or float, got i32"):
        vecmath.emit(builder, "exp", [ir.IntType(32)(1)])


def test_arrays_are_of_one_length():
    kernel = vecmath.compile_elementwise("hypot")
    assert len(kernel([], [])) == 0
    assert list(kernel([3.0] * 9, [4.0] * 9)) == [5.0] * 9
    with pytest.raises(ValueError, match=r"2 arrays of one length, got lengths \[1, 2\]"):
        kernel([1.0], [1.0, 2.0])


def test_importing_the_package_leaves_llvm_alone():
    code = "import autograd, sys; sys.exit('llvmlite' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
