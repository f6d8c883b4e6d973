"""Programs as C: every row against the eager engine, at samples and at edges, in double and in float."""

import ctypes
import itertools
import math
import random
import re
import shutil
import subprocess

import numpy as np
import pytest

import autograd as ag
from autograd import jit, ops
from autograd.codegen import Program, Step
from autograd.csource import FUNCTIONS, LIBRARY, c_source
from autograd.testing import samples

inf, nan = math.inf, math.nan
COMPILE = ["cc", "-std=c99", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]

# A row that has a function of its own in the text comes there as that, or as far as it can as its formula.
KINDS = {"formulas": (frozenset(), "double"), "functions": (frozenset(FUNCTIONS), "double"),
         "float": (frozenset(FUNCTIONS), "float")}  # fmt: skip
ROWS = pytest.mark.parametrize("op", ops.TABLE.values(), ids=lambda op: op.name)

#: Functions by themselves: where their values are compared, and how closely. Beside its roots below zero lgamma has
#: only absolute accuracy, and so has a sum of large terms of either sign, in float above all.
RANGES = [
    ("sigmoid", [(-800, 800), (-50, 50)], 0.0, 1e-6),
    ("softplus", [(-800, 800), (-50, 50)], 0.0, 1e-6),
    ("logsigmoid", [(-800, 800), (-50, 50)], 0.0, 1e-6),
    ("gaussian", [(-65, 65), (-9, 9)], 0.0, 1e-6),
    ("normal_pdf", [(-65, 65), (-13, 13)], 0.0, 1e-6),
    ("normal_cdf", [(-45, 45), (-14, 1)], 0.0, 1e-6),
    ("lgamma", [(0, 5), (1 - 1e-6, 1 + 1e-6), (2 - 1e-6, 2 + 1e-6), (5, 1e4)], 4e-15, 1e-6),
    ("lgamma", [(-20, 0)], 1e-11, 1e-4),
    ("digamma", [(0, 5), (1.4616, 1.4617), (3, 1e3)], 1e-15, 2e-6),
    ("digamma", [(-20, 0)], 1e-13, 1e-3),
    ("mod", [(-50, 50), (-1e17, 1e17)], 0.0, None),
    ("floordiv", [(-50, 50), (-1e17, 1e17)], 0.0, None),
    ("polygamma", [(0, 3), (0, 50), (0, 2000)], 4e-15, 4e-6),
    ("polygamma", [(-5, 0)], 1e-12, None),
]

EDGES = [inf, -inf, nan, 0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 1e308, -1e308, 5e-324, -5e-324, 800.0, -800.0]
FEWER = [inf, -inf, nan, 0.0, -0.0, 1.0, -1.0, 2.5]


def called(op):
    """A row as a function of one list."""

    def f(x):
        return op(*x) if op.arity > 0 else op(x[: len(x) // 2], x[len(x) // 2 :]) if op is ops.dot else op(x)

    return f


def points(op):
    size = op.arity if op.arity > 0 else 6 if op is ops.dot else 3
    return [p for p in samples(op, 20) if len(p) == size]


def edges(op):
    if op is ops.polygamma:
        orders = [0.0, 1.0, 2.0, 7.0, 150.0, 151.0, -1.0, 0.5]
        return list(itertools.product(orders, [*(x for x in EDGES if x != 800.0), -3.0, -1e-9, -1000.5, 1e-100]))
    if op.arity == 1:
        return [(x,) for x in [*EDGES, -3.0, 1.5, 2.5, 4.5, 1 + 2**-52, 2 - 2**-52, math.pi / 2, -1e-9, 39.0, 60.0]]
    if op is ops.dot:
        return [(x, y) * 3 for x, y in itertools.product(FEWER, repeat=2)]
    return list(itertools.product(FEWER, repeat=2 if op.arity == 2 else 3))


def shared(folder, texts):
    (folder / "all.c").write_text("\n".join(texts))
    subprocess.run([*COMPILE, "-o", folder / "all.so", folder / "all.c", "-lm"], check=True)
    return ctypes.CDLL(str(folder / "all.so"))


def run(function, x, outputs, number=ctypes.c_double):
    y = (number * outputs)()
    function((number * len(x))(*x), y)
    return list(y)


#: Programs beside those of rows, by name.
V2 = 2  # the place of the first step of two inputs
PROGRAMS = {
    # Truth values in arithmetic are numbers: 0/0 is nan, and -0 is negative.
    "truths": Program(
        2,
        (Step("lt", (0, 1)), Step("gt", (0, 1)), Step("div", (V2, V2)), Step("neg", (V2,)), Step("not", (V2,)),
         Step("and", (V2 + 1, 0)), Step("or", (V2, nan)), Step("where", (V2, V2 + 1, 0.25)), Step("add", (V2 + 1, 0))),
        (V2 + 2, V2 + 3, V2 + 4, V2 + 5, V2 + 6, V2 + 7, V2 + 8),
    ),
    # What no output needs would be a warning.
    "unused": Program(2, (Step("exp", (0,)), Step("digamma", (1,)), Step("sqrt", (1,))), (V2 + 2,)),
    "constant": Program(2, (), (nan, inf, -inf, -0.0, 0.1, -1e300, 5e-324, 2.0, np.float64(0.3))),
}  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    recorded = {name: jit(called(op)) for name, op in ops.TABLE.items()}
    for name, f in recorded.items():
        f(points(ops.TABLE[name])[0])
    texts = []
    for kind, (native, scalar) in KINDS.items():
        if scalar == "float":
            texts.append('#pragma GCC diagnostic error "-Wdouble-promotion"')
        for name, f in recorded.items():
            program = f._variants[0].program("gradient", native=native)
            texts.append(c_source(program, f"{name}_{kind}", f"{name} /* as {kind} */", scalar))
        for name in FUNCTIONS if kind != "formulas" else ():
            places = tuple(range(ops.TABLE[name].arity))
            alone = Program(len(places), (Step(name, places),), (len(places),))
            texts.append(c_source(alone, f"{name}_alone_{scalar}", name, scalar))
        for name, program in PROGRAMS.items() if kind != "formulas" else ():
            texts.append(c_source(program, f"{name}_{scalar}", name, scalar))
    return shared(tmp_path_factory.mktemp("csource"), texts)


def exported(library, op, kind, x):
    number = ctypes.c_float if kind == "float" else ctypes.c_double
    return run(getattr(library, f"{op.name}_{kind}"), x, len(x) + 1, number)


def eager(op, x):
    value, gradient = ag.value_and_grad(called(op))(list(x))
    return [value, *gradient]


def rounded(x):
    return ctypes.c_float(x).value


# Rows. ---------------------------------------------------------------------------------------------------------------


@ROWS
@pytest.mark.parametrize("kind", ["formulas", "functions"])
def test_rows_agree_with_the_eager_engine(library, op, kind):
    for x in points(op):
        np.testing.assert_allclose(exported(library, op, kind, x), eager(op, x), rtol=4e-15, atol=1e-300)


@ROWS
def test_rows_agree_in_float(library, op):
    for x in points(op):
        x = [rounded(v) for v in x]
        expected = [rounded(v) for v in eager(op, x)]
        # Below the normal numbers a factor that is one of float's few small numbers has no digits.
        np.testing.assert_allclose(exported(library, op, "float", x), expected, rtol=3e-6, atol=1e-36)


@ROWS
@pytest.mark.parametrize("kind", ["formulas", "functions"])
def test_edges_are_the_eager_ones(library, op, kind):
    for x in edges(op):
        found, expected = exported(library, op, kind, x), eager(op, x)
        np.testing.assert_allclose(found, expected, rtol=1e-14, atol=0.0, err_msg=f"at {x}")
        if op not in (ops.sum, ops.mean, ops.dot):  # fsum has no -0
            signs = [(math.copysign(1.0, a), math.copysign(1.0, b)) for a, b in zip(found, expected, strict=True)]
            assert all(a == b for (a, b), y in zip(signs, expected, strict=True) if y == 0.0), x


@pytest.mark.parametrize(("name", "intervals", "double", "single"), RANGES)
def test_functions_agree_all_over(library, name, intervals, double, single):
    op, rng = ops.TABLE[name], random.Random(name)
    for low, high in intervals:
        for _ in range(200):
            x = [rng.uniform(low, high)]
            if op is ops.polygamma:
                x.insert(0, float(rng.randrange(13)))
            elif op.arity == 2:
                x = [rng.choice([x[0], float(round(x[0]))]), rng.choice([rng.uniform(-5, 5), 0.1, 3.0, -2.0])]
            found = run(getattr(library, f"{name}_alone_double"), x, 1)
            np.testing.assert_allclose(found, [op(*x)], rtol=double, atol=0.0, err_msg=f"at {x}")
            if single is not None:
                x = [rounded(v) for v in x]
                found = run(getattr(library, f"{name}_alone_float"), x, 1, ctypes.c_float)
                np.testing.assert_allclose(found, [rounded(op(*x))], rtol=single, atol=1e-36, err_msg=f"at {x}")


def test_high_orders_do_not_underflow_on_the_way(library):
    mpmath = pytest.importorskip("mpmath")
    for n, x in ((150.0, 800.0), (100.0, 2000.0), (149.0, 166.875), (60.0, 3e4)):
        truth = float(mpmath.psi(int(n), mpmath.mpf(x)))
        assert run(library.polygamma_alone_double, [n, x], 1) == pytest.approx([truth], rel=2e-14, abs=0.0)
    for n, x in ((30.0, 50.0), (34.0, 100.0)):
        truth = float(mpmath.psi(int(n), mpmath.mpf(x)))
        assert run(library.polygamma_alone_float, [n, x], 1, ctypes.c_float) == pytest.approx([truth], rel=3e-6, abs=0)
    for n in (35.0, nan, inf, -1.0, 0.5):
        assert math.isnan(run(library.polygamma_alone_float, [n, 50.0], 1, ctypes.c_float)[0])


# Text. ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scalar", "number"), [("double", ctypes.c_double), ("float", ctypes.c_float)])
def test_programs_by_hand(library, scalar, number):
    truths = getattr(library, f"truths_{scalar}")
    nothing, minus, *rest = run(truths, [2.0, 1.0], 7, number)
    assert math.isnan(nothing)
    assert (minus, math.copysign(1.0, minus)) == (0.0, -1.0)
    assert rest == [1.0, 1.0, 1.0, 0.25, 3.0]
    assert run(truths, [1.0, 2.0], 7, number) == [1.0, -1.0, 0.0, 0.0, 1.0, 0.0, 1.0]
    assert run(getattr(library, f"unused_{scalar}"), [nan, 9.0], 1, number) == [3.0]
    constants = PROGRAMS["constant"].outputs
    expected = [number(float(x)).value for x in constants]
    found = run(getattr(library, f"constant_{scalar}"), [1.0, 1.0], len(constants), number)
    np.testing.assert_array_equal(found, expected)
    assert math.copysign(1.0, found[3]) == -1.0


def test_the_text_has_what_it_needs_and_no_more():
    step = Step("mul", (0, 0.1))
    plain = c_source(Program(1, (step,), (1,)), "f", "twice */ x")
    assert plain == (
        "/* twice * / x */\n#include <math.h>\n\nvoid f(const double *x, double *y)\n{\n"
        "    const double v0 = x[0];\n    const double v1 = v0 * 0.1;\n    y[0] = v1;\n}\n"
    )
    assert "const float v1 = v0 * 0.1f;" in c_source(Program(1, (step,), (1,)), "f", "", "float")
    twice = Program(2, (Step("logsigmoid", (0,)), Step("softplus", (1,)), Step("add", (2, 3))), (4,))
    text = c_source(twice, "f", "")
    assert re.findall(r"static double dagrad_(\w+)\(", text) == ["softplus", "logsigmoid"]
    assert "$" not in "".join(c_source(Program(2, (Step(k, (0,)),), (2,)), "f", "", "float") for k in FUNCTIONS)


def test_float_is_float_throughout():
    for name in FUNCTIONS:
        places = tuple(range(ops.TABLE[name].arity))
        text = c_source(Program(2, (Step(name, places),), (2,)), "f", "", "float")
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert not re.search(r"\bdouble\b|[\d.]\d*\.\d+(e-?\d+)?(?![\df.e])", code)
        assert not {*re.findall(r"\b(\w+)\(", code)} & LIBRARY


def test_what_cannot_be_written_is_refused(table):
    coded = ops.primitive("coded", lambda x: math.sin(x) if x > 0 else 0.0, lambda x, y: ops.cos(x))
    f = jit(lambda x: coded(x[0]))
    f([1.0])
    with pytest.raises(TypeError, match="the operation coded is code in Python, and C has none of this name"):
        c_source(f._variants[0].program("value"), "f", "")
    with pytest.raises(TypeError, match="C has no function gamma"):
        c_source(Program(1, (Step("gamma", (0,)),), (1,)), "f", "")
    nothing = Program(1, (), (0,))
    for name in ("a b", "", "1x", "größe", "dagrad_f", "double", "exp", "expf"):
        with pytest.raises(ValueError, match=f"an identifier.*, got {name!r}"):
            c_source(nothing, name, "")
    with pytest.raises(ValueError, match='"double" or "float", got \'half\''):
        c_source(nothing, "f", "", "half")
