"""The strategies: what they draw is what they promise, nothing is rejected, and failures shrink to the least."""

import contextlib
import io
import math
import pickle
import random
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import Phase, find, given, seed, settings
from hypothesis import strategies as st
from hypothesis.statistics import collector
from mpmath import mp, mpf

from autograd import Value, grad, hessian, ops, primitive, topological_order
from autograd.exact import Exact
from autograd.testing import check_gradient
from autograd.testing.strategies import NetCase, Program, Step, cases, graphs, nets, points, programs
from autograd.value import reverse_sweep

ROWS = list(ops.TABLE.values())
SMOOTH = [op for op in ROWS if op.kinks is None or op in (ops.div, ops.hypot, ops.atan2)]
KINKED = [op for op in ROWS if op.kinks is not None and op is not ops.where]

STRATEGIES = {
    "programs": programs(),
    "programs with everything": programs(wheres=True, kinked=True),
    "exact programs": programs(exact=True, nodes=20, wheres=True),
    "programs of one row": programs(["acosh"], inputs=2),
    "graphs": graphs(),
    "nets": nets(),
    "cases": cases(),
    "exact cases": cases(exact=True),
    "cases of one activation": cases(["log"]),
    "points on kinks": points(ops.maximum, kinks=True),
    "points of any size": points(ops.hypot, extremes=True),
    "points of a function": points(math.hypot, domain=(0.0, 1.0), n=3),
}


def run(source):
    """Run a printed program; return what it prints, and its names."""
    out, names = io.StringIO(), {}
    with contextlib.redirect_stdout(out):
        exec(source, names)
    return out.getvalue().strip(), names


def drawn(strategy, n=100):
    """Many examples, the same on every run."""
    found = []

    @seed(1)
    @settings(max_examples=n, database=None, deadline=None)
    @given(strategy)
    def collect(x):
        found.append(x)

    collect()
    return found


def least(strategy, condition, n=2000):
    """The example that Hypothesis shrinks to."""
    phases = (Phase.generate, Phase.shrink)
    options = settings(max_examples=n, database=None, phases=phases)
    return find(strategy, condition, settings=options, random=random.Random(5))


# All of them. -------------------------------------------------------------------------------------------------------


def statuses(strategy):
    """How the attempts to draw 300 examples ended, as Hypothesis counts them; all its health checks are on."""
    used, phases = [], []

    @settings(max_examples=300, database=None, deadline=None, suppress_health_check=[])
    @given(strategy)
    def body(x):
        used.append(x)

    with collector.with_value(phases.append):
        body()
    assert len(used) == 300
    return {attempt["status"] for attempt in phases[0]["generate-phase"]["test-cases"]}


@pytest.mark.parametrize("name", STRATEGIES)
def test_nothing_is_rejected(name):
    # Hypothesis itself cuts some attempts short ("overrun") while it looks for small examples first.
    assert statuses(STRATEGIES[name]) <= {"valid", "overrun"}


def test_a_rejection_would_be_noticed():
    assert "invalid" in statuses(programs().filter(lambda program: len(program.steps) > 3))


@pytest.mark.parametrize("name", STRATEGIES)
def test_nothing_but_the_draws_is_random(name):
    shown = lambda x: repr(NetCase(x) if hasattr(x, "activations") else x)
    once = [shown(x) for x in drawn(STRATEGIES[name], 30)]
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    assert [shown(x) for x in drawn(STRATEGIES[name], 30)] == once
    assert len(set(once)) > 10


def test_without_hypothesis_the_error_says_what_to_install():
    code = "import sys; sys.modules['hypothesis'] = None; import autograd.testing.strategies"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: the strategies are for Hypothesis: pip install 'dagrad[testing]'" in result.stderr


# Points. ------------------------------------------------------------------------------------------------------------


def inside(op, xs):
    intervals = op.domain or [(-math.inf, math.inf)] * len(xs)
    return all(low < x < high for x, (low, high) in zip(xs, intervals, strict=True))


@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
@pytest.mark.parametrize("extremes", [False, True])
def test_points_of_a_row(op, extremes):
    found = drawn(points(op, extremes=extremes), 120 if extremes else 40)
    for xs in found:
        assert all(type(x) is float for x in xs)
        assert op.arity in (len(xs), -1)
        assert inside(op, xs)
        assert not (op.kinks and op.kinks(*xs))
        y = op.call(xs)
        assert not math.isnan(y)
        assert extremes or math.isfinite(y)
    assert len(set(map(tuple, found))) > 15
    largest = max(abs(x) for xs in found for x in xs)
    bounded = all(math.isfinite(high) for _, high in op.domain or [(0, math.inf)])
    if op in (ops.floor, ops.ceil):  # from 2**52 on all numbers are kinks
        bounded = True
    assert largest > 1e30 if extremes and not bounded else largest <= 2**53


@pytest.mark.parametrize("op", KINKED, ids=lambda op: op.name)
def test_points_on_kinks(op):
    found = drawn(points(op, kinks=True), 60)
    assert all(op.kinks(*xs) and inside(op, xs) for xs in found)
    single = op is ops.hypot or (op.arity == 1 and not op.kinks(1.0))
    assert len(set(map(repr, found))) >= (2 if single else 10)


def test_points_of_every_sort():
    pairs = drawn(points(lambda a, b: a * b, [(-math.inf, math.inf)] * 2), 800)
    numbers = [x for pair in pairs for x in pair]
    assert 0.0 in numbers
    assert any(x == 0 and math.copysign(1, x) < 0 for x in numbers)
    assert 1.0 in numbers
    assert any(a == b for a, b in pairs)
    assert any(x and math.frexp(x)[0] in (0.5, -0.5) and abs(x) < 0.1 for x in numbers)
    assert any(0 < abs(x) < 1e-9 for x in numbers)
    assert any(x != round(x, 3) and abs(x) > 1 for x in numbers)
    assert any(x == round(x, 1) != round(x) for x in numbers)
    # How often a sort comes is Hypothesis's affair, and differs between a checkout and an installed package.
    assert {len(xs) for xs in drawn(points("sum"), 400)} == {1, 2, 3, 4, 5}
    assert {len(xs) for xs in drawn(points("dot"), 200)} == {2, 4}
    near = [x for (x,) in drawn(points("atanh"), 600)]
    assert any(0 < 1 - x < 1e-6 for x in near)
    assert any(0 < 1 + x < 1e-6 for x in near)


@pytest.mark.parametrize("domain", [(100.0, 200.0), (-math.inf, -50.0), (1e-12, 2e-12), (3.0, 3.0 + 2.0**-50)])
def test_points_of_narrow_and_distant_intervals(domain):
    low, high = domain
    assert all(low < x < high for xs in drawn(points(abs, domain, n=2)) for x in xs)


def test_points_shrink_to_round_numbers():
    assert least(points("add"), lambda xs: True) == [0.0, 0.0]
    assert least(points("log"), lambda xs: True) == [1.0]
    assert least(points("maximum"), lambda xs: True) == [0.0, 0.5]
    assert least(points("sum"), lambda xs: len(xs) > 2) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: points("thanh"), KeyError, "did you mean 'tanh'"),
        (lambda: points("sin", kinks=True), ValueError, "sin has no kinks"),
        (lambda: points(math.hypot), ValueError, "hypot is no row of the table; give domain="),
        (lambda: points(math.hypot, (0.0, 1.0)), ValueError, "give n, the number of arguments of hypot"),
        (lambda: points(math.hypot, [(0.0, 1.0)], n=2), ValueError, "takes 2 arguments; got n=2 and 1 intervals"),
        (lambda: points("sin", n=2), ValueError, "sin takes 1 arguments; got n=2"),
        (lambda: points("dot", n=3), ValueError, "dot takes two sequences of one length"),
        (lambda: points("sin", (1.0, 1.0)), ValueError, r"interval \(1.0, 1.0\) of sin holds no number"),
        (lambda: points("sin", (0.0, 5e-324)), ValueError, "holds no number"),
    ],
)
def test_points_refuse(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_points_where_a_row_has_no_value():
    with pytest.raises(ValueError, match="no point where log is finite"):
        drawn(points("log", (-2.0, -1.0)))
    with pytest.raises(ValueError, match="no kink of where was found"):
        drawn(points("where", kinks=True))


# Programs. ----------------------------------------------------------------------------------------------------------


@given(programs(wheres=True, kinked=True))
def test_programs_are_smooth_and_moderate_at_their_point(program):
    made = program.trace(program.point)
    for step in program.steps:
        xs = [made[x] if isinstance(x, int) else x for x in step.operands]
        if step.op is ops.where:
            assert abs(xs[0]) > 5e-4
            continue
        assert step.op.arity < 0 or inside(step.op, xs)
        assert abs(step.op.call(xs)) <= 20.0
        for k, x in enumerate(xs):
            # So near to the point there is no kink: the slopes to both sides differ by the curvature alone.
            up, down = (step.op.call([*xs[:k], x + s * 5e-4, *xs[k + 1 :]]) for s in (1, -1))
            assert abs(up - down) <= 0.0201
            assert abs(up - 2 * step.op.call(xs) + down) <= 4.1e-4
    assert made[-1] == program(program.point)


@given(programs(kinked=True))
def test_no_node_is_dead(program):
    leaves, root = program.graph()
    order = topological_order(root)
    assert len(order) == len(program.trace(program.point))
    assert {id(x) for x in leaves} <= {id(v) for v in order}
    assert [v.name for v in leaves] == [f"x{i}" for i in range(len(leaves))]
    assert root.data == program(program.point)


@given(programs(wheres=True, kinked=True))
def test_programs_print_as_python(program):
    out, names = run(program.source())
    assert out == repr(program(program.point))
    assert str(program) == repr(program) == program.source()
    # The printed function is the program: also on Values, with the same graph.
    xs, ys = [Value(x) for x in program.point], [Value(x) for x in program.point]
    for root in (names["f"](xs), program(ys)):
        root.backward()
    assert [x.grad for x in xs] == [y.grad for y in ys]


@given(programs(wheres=True))
def test_programs_take_every_kind_of_number(program):
    point, y = program.point, program(program.point)
    assert type(y) is float
    nodes = program([Value(x) for x in point])
    assert nodes.data == y
    lanes = program(np.array([point, point, point]).T)
    assert lanes == pytest.approx([y] * 3, rel=1e-10, abs=1e-10)
    with mp.workdps(40):
        precise = program([mpf(x) for x in point])
        assert abs(precise - y) <= 1e-10 * (1 + abs(y))
        assert abs(program([Exact(mpf(x)) for x in point]) - precise) <= mpf(10) ** -35 * (1 + abs(y))


def test_programs_are_values():
    program = Program([1.5, 2.0], [Step(ops.mul, [0, 0]), Step(ops.add, (2, -1.0))])
    assert program.point == [1.5, 2.0]
    assert program.trace([3.0, 4.0]) == [3.0, 4.0, 9.0, 8.0, 12.0]
    assert program.sinks == (1, 3)
    twin = pickle.loads(pickle.dumps(program))
    assert (twin, hash(twin)) == (program, hash(program))
    assert twin != Program([1.5, 2.0], [])
    with pytest.raises(AttributeError):
        program.steps = ()
    seen = []
    program.trace([1, 2], lambda op, xs: seen.append((op.name, list(xs))) or 7)
    assert seen == [("mul", [1, 1]), ("add", [7, -1.0]), ("add", [2, 7])]


def test_a_printed_program():
    steps = [
        Step(ops.pow, (-2.0, 0)), Step(ops.neg, (1,)), Step(ops.dot, (2, 0, 1, 3.0)), Step(ops.norm, (0, 3)),
        Step(ops.where, (0, 4, -1.0)), Step(ops.sub, (5, -0.5)), Step(ops.mod, (6, 2.0)),
    ]  # fmt: skip
    assert str(Program([2.0], steps)) == (
        "from autograd import dot, norm, where\n\n"
        "def f(x):\n"
        "    [x0] = x\n"
        "    x1 = (-2.0) ** x0\n"
        "    x2 = -x1\n"
        "    x3 = dot([x2, x0], [x1, 3.0])\n"
        "    x4 = norm([x0, x3])\n"
        "    x5 = where(x0 > 0, x4, -1.0)\n"
        "    x6 = x5 - (-0.5)\n"
        "    x7 = x6 % 2.0\n"
        "    return x7\n\n"
        "print(f([2.0]))"
    )


@pytest.mark.parametrize("name", ["cube", "f", "x1", "lambda", "print"])
def test_rows_of_ones_own_join_and_print(table, name):
    own = primitive(name, lambda x: x * x * x, lambda x, y: 3.0 * x * x)
    program = least(programs(), lambda program: any(step.op is own for step in program.steps))
    assert [step.op for step in program.steps] == [own]
    assert "lookup" in program.source()
    out, _ = run(Program([2.0], program.steps).source())
    assert out == "8.0"


def test_rows_with_domains_and_three_arguments_of_ones_own(table):
    def root(a, b, c):
        if a <= 2.0:
            raise ValueError("outside")
        return math.sqrt(a - 2.0) * b + c

    primitive("root", root, *[lambda a, b, c, y: 1.0] * 3, domain=((2.0, math.inf), (-1.0, 1.0), (-9.0, 9.0)))
    found = drawn(programs(["root"], inputs=(3, 6)), 200)
    used = [p for p in found if p.steps]
    assert len(used) > 40
    assert max(len(p.steps) for p in used) > 3
    made = [(p.trace(p.point), step) for p in used for step in p.steps]
    assert all(xs[step.operands[0]] > 2.0 if isinstance(step.operands[0], int) else True for xs, step in made)


def test_every_smooth_row_comes_and_no_other():
    seen = {step.op for program in drawn(programs(), 500) for step in program.steps}
    missing = {op.name for op in SMOOTH} - {op.name for op in seen}
    assert seen <= set(SMOOTH)
    assert "polygamma" in missing  # its order is a whole number, which cannot be moved
    assert len(missing) <= 8
    seen = {step.op for program in drawn(programs(kinked=True, wheres=True), 400) for step in program.steps}
    assert ops.where in seen
    assert len(seen & set(KINKED)) > 0.8 * len(KINKED)


def test_what_programs_look_like():
    found = drawn(programs(), 300)
    steps = [(i, step) for p in found for i, step in enumerate(p.steps, len(p.inputs))]
    share = lambda hits, of: sum(map(bool, hits)) / len(of)
    assert 3 < len(steps) / len(found) < 9
    assert {len(p.inputs) for p in found} == {1, 2, 3, 4}
    assert max(len(p.steps) for p in found) == 12
    pairs = [step for _, step in steps if step.op.arity == 2]
    assert share((len(set(step.operands)) == 1 for step in pairs), pairs) > 0.15  # x * x
    assert share((any(isinstance(x, float) for x in step.operands) for step in pairs), pairs) > 0.2
    assert share((i - 1 in step.operands for i, step in steps), steps) > 0.4  # chains
    counts = [[x for step in p.steps for x in step.uses] for p in found]
    assert share((len(set(c)) < len(c) for c in counts), counts) > 0.4  # sharing
    assert share((step.op.arity == 1 for _, step in steps), steps) > 0.3
    numbers = [x for p in found for x in p.point]
    assert share((x == round(x, 1) for x in numbers), numbers) > 0.4
    assert share((x != round(x, 3) for x in numbers), numbers) > 0.05
    assert any(len(set(p.point)) < len(p.point) for p in found)
    assert max(map(abs, numbers)) <= 3.0


def test_options_of_programs():
    assert {len(p.inputs) for p in drawn(programs(inputs=3), 60)} == {3}
    assert {len(p.inputs) for p in drawn(programs(inputs=(5, 6)), 60)} == {5, 6}
    assert {tuple(p.point) for p in drawn(programs(inputs=st.just([0.25, 7.0])), 60)} == {(0.25, 7.0)}
    assert max(len(p.steps) for p in drawn(programs(nodes=2), 60)) == 2
    assert min(len(p.steps) for p in drawn(programs(nodes=(4, 5)), 60)) == 4
    assert {s.op for p in drawn(programs(["sin", ops.mul]), 60) for s in p.steps} == {ops.sin, ops.mul}
    assert {s.op for p in drawn(programs("tanh"), 60) for s in p.steps} == {ops.tanh}
    small = drawn(programs(bound=0.5), 60)
    for p in small:
        made = p.trace(p.point)
        assert all(abs(x) <= 0.5 for x in made[: len(p.inputs) + len(p.steps)])
    assert max(len(p.steps) for p in small) > 8


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: programs(["sinn"]), KeyError, "did you mean 'sin"),
        (lambda: programs([math.sin]), TypeError, "a row of the table or its name"),
        (lambda: programs([]), ValueError, "the list of operations is empty"),
        (lambda: programs(inputs=0), ValueError, "programs: inputs is a whole number from 1 on"),
        (lambda: programs(inputs=(3, 2)), ValueError, r"\(least, most\); got \(3, 2\)"),
        (lambda: programs(nodes=1.5), ValueError, "programs: nodes"),
        (lambda: programs(bound=0.0), ValueError, "bound is a positive number"),
        (lambda: programs(["sin"], exact=True), ValueError, "sin rounds; exact=True takes add, sub"),
        (lambda: drawn(programs(inputs=st.just([0.5]), exact=True)), ValueError, "small whole numbers, got 0.5"),
        (lambda: drawn(programs(inputs=st.just([]))), ValueError, "at least one input"),
        (lambda: Program([1.0], [Step(ops.mul, (0, 1))]), ValueError, "uses x1, which is not computed before it"),
        (lambda: Program([1.0], [Step(ops.mul, (0,))]), ValueError, r"x1 = mul\(...\) takes 2 of operands, got 1"),
        (lambda: Program([1.0], [Step(ops.dot, (0, 0, 0))]), ValueError, "an even number of operands, got 3"),
        (lambda: Program([1.0], [])([1.0, 2.0]), ValueError, "has 1 inputs, got 2 numbers"),
    ],
)
def test_programs_refuse(make, error, message):
    with pytest.raises(error, match=message):
        make()


@settings(max_examples=50)
@given(programs(kinked=True, wheres=True, nodes=8))
def test_the_checker_decides_at_the_point_of_a_program(program):
    report = check_gradient(program, program.point, order=1)
    assert report.verdict == "ok", report


# Exact programs: in rational numbers. -------------------------------------------------------------------------------


class Rational:
    """A fraction with its gradient and Hessian (unless that is empty), by the rules of sums and products alone."""

    def __init__(self, value, gradient, hessian):
        self.value, self.gradient, self.hessian = value, gradient, hessian

    @classmethod
    def variables(cls, point, order=2):
        n = len(point)
        zeros = [[Fraction(0)] * n] * n if order == 2 else []
        return [cls(Fraction(x), [Fraction(i == k) for i in range(n)], zeros) for k, x in enumerate(point)]

    @classmethod
    def lift(cls, x, n, order=2):
        zeros = [[Fraction(0)] * n] * n if order == 2 else []
        return x if isinstance(x, cls) else cls(Fraction(x), [Fraction(0)] * n, zeros)

    def __gt__(self, other):
        return self.value > other

    def plus(self, other, sign=1):
        return Rational(
            self.value + sign * other.value,
            [a + sign * b for a, b in zip(self.gradient, other.gradient, strict=True)],
            [
                [a + sign * b for a, b in zip(*rows, strict=True)]
                for rows in zip(self.hessian, other.hessian, strict=True)
            ],
        )

    def times(self, other):
        n, second = range(len(self.gradient)), range(len(self.hessian))
        a, b = self, other
        return Rational(
            a.value * b.value,
            [a.value * b.gradient[i] + b.value * a.gradient[i] for i in n],
            [
                [
                    a.value * b.hessian[i][j] + b.value * a.hessian[i][j]
                    + a.gradient[i] * b.gradient[j] + a.gradient[j] * b.gradient[i]
                    for j in second
                ]
                for i in second
            ],
        )  # fmt: skip


def rational(program):
    """The program in rational numbers."""
    n = len(program.inputs)

    def apply(op, xs):
        xs = [x if isinstance(x, bool) else Rational.lift(x, n) for x in xs]
        a, b = xs[0], xs[-1]
        if op is ops.where:
            return xs[1] if a else xs[2]
        zero, one = Rational.lift(0, n), Rational.lift(1, n)
        if op.name in ("sum", "prod"):
            for x in xs:
                zero, one = zero.plus(x), one.times(x)
            return zero if op is ops.sum else one
        if op is ops.dot:
            for x, y in zip(xs[: len(xs) // 2], xs[len(xs) // 2 :], strict=True):
                zero = zero.plus(x.times(y))
            return zero
        return {
            "add": lambda: a.plus(b), "sub": lambda: a.plus(b, -1), "mul": lambda: a.times(b),
            "neg": lambda: zero.plus(a, -1), "identity": lambda: a, "square": lambda: a.times(a),
        }[op.name]()  # fmt: skip

    return program.trace(Rational.variables(program.inputs), apply)


EXACT = ["add", "sub", "mul", "neg", "identity", "square", "sum", "prod", "dot"]


@pytest.mark.parametrize("options", [{}, {"ops": EXACT, "wheres": True}])
@given(st.data())
def test_exact_programs_are_exact(options, data):
    program = data.draw(programs(exact=True, nodes=30, **options))
    true = rational(program)
    assert [Fraction(v) for v in program.trace(program.point)] == [v.value for v in true]
    root = true[-1]
    assert list(map(Fraction, grad(program)(program.point))) == root.gradient
    if len(program.steps) <= 12:
        assert [[Fraction(x) for x in row] for row in hessian(program)(program.point)] == root.hessian
    # Every number on the way, in whatever order: the sums of the sizes of all terms are doubles too.
    sizes = program.trace(program.point, grown)
    assert sizes[-1] <= 2**30


def grown(op, xs):
    xs = [max(2.0, abs(x)) if type(x) is not bool else 2.0 for x in xs]
    if op.name in ("mul", "prod", "dot"):
        return math.prod(xs)
    return xs[0] ** 2 if op is ops.square else math.fsum(xs)


def test_exact_programs_halve_and_grow():
    found = drawn(programs(exact=True, nodes=20), 200)
    values = [v for p in found for v in p.trace(p.point)]
    assert any(v != round(v) for v in values)
    assert max(map(abs, values)) > 1e3
    assert {s.op for p in found for s in p.steps} == {ops.add, ops.sub, ops.mul, ops.neg, ops.identity}
    assert any(0.5 in s.operands and s.op is ops.mul for p in found for s in p.steps)


# Graphs. ------------------------------------------------------------------------------------------------------------


def test_graphs():
    found = drawn(graphs(), 200)
    orders = [topological_order(root) for root in found]
    for root, order in zip(found, orders, strict=True):
        assert type(root) is Value
        assert not root.is_constant
        assert any(v.is_leaf for v in order)
        assert all(v.name for v in order if v.is_leaf)
        root.backward()
    nodes = [v for order in orders for v in order]
    assert any(v.is_constant for v in nodes)
    assert any(isinstance(x, float) for v in nodes for x in v.operands)
    inner = [v for v in nodes if v.op is not None]
    assert {v.name is None for v in inner} == {True, False}
    uses = [[id(x) for v in order for x in v.operands if isinstance(x, Value)] for order in orders]
    assert sum(len(set(u)) < len(u) for u in uses) > 60
    root = least(graphs(exact=True, inputs=2), lambda root: any(v.is_constant for v in topological_order(root)))
    assert len(topological_order(root)) <= 4


def failure(test):
    """What Hypothesis prints of a failing test."""
    with pytest.raises(AssertionError) as caught:
        test()
    return "\n".join(caught.value.__notes__)


QUIET = settings(
    database=None, deadline=None, max_examples=500, report_multiple_bugs=False, phases=(Phase.generate, Phase.shrink)
)


def test_a_failure_shows_a_program_that_runs():
    @QUIET
    @given(programs(), st.integers())
    def test(program, n):
        assert all(step.op is not ops.tanh for step in program.steps)

    text = failure(test)
    block = text[text.index("program=\n") + 9 : text.index("\n,")]
    assert block.startswith("from autograd import tanh\n\ndef f(x):\n    [x0] = x\n    x1 = tanh(x0)\n    return x1\n")
    assert run(block)[0] == repr(math.tanh(1.0))


def test_a_failure_shows_the_program_of_a_graph_and_the_code_of_a_net():
    @QUIET
    @given(graphs())
    def of_a_graph(root):
        assert all(v.op is not ops.cos for v in topological_order(root))

    assert "x1 = cos(x0)" in failure(of_a_graph)

    @QUIET
    @given(nets())
    def of_a_net(net):
        assert len(net.source) < 1

    text = failure(of_a_net)
    assert "net.link(" in text
    assert "net.output(" in text

    @QUIET
    @given(cases())
    def of_a_case(case):
        assert len(case.net.source) < 1

    text = failure(of_a_case)
    out, names = run(text[text.index("case=\n") + 6 : text.index("\n,")])
    assert len(names["net"].source) == 1
    assert out.startswith("(np.float64(0.0)") or out.startswith("(0.0, ")


# What failures shrink to. -------------------------------------------------------------------------------------------


def swept(program, slopes=lambda op, xs, y: op.slopes(xs, y), add_up=True, edges=lambda operands: list(operands)):
    """A reverse sweep that can be spoiled: its rules, its sum of adjoints, its edges."""
    made = program.trace(program.point)
    n, used = len(program.inputs), []

    def record(op, xs):
        used.append((op, list(xs)))
        return op.call(list(xs))

    made = program.trace(program.point, record)
    places = [list(step.operands) for step in program.steps]
    total, *rest = program.sinks
    for k, i in enumerate(rest):
        places.append([total, i])
        total = n + len(program.steps) + k
    adjoints = [0.0] * len(made)
    adjoints[-1] = 1.0
    for i in reversed(range(n, len(made))):
        op, xs = used[i - n]
        partials = slopes(op, xs, made[i])
        for k in edges(dict(enumerate(places[i - n]))):
            x = places[i - n][k]
            if isinstance(x, int):
                adjoints[x] = adjoints[x] * add_up + adjoints[i] * partials[k]
    return adjoints[:n]


def spoiled(name, wrong):
    """Rules with one that is wrong."""
    return lambda op, xs, y: wrong(xs, y) if op.name == name else op.slopes(xs, y)


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("sin", lambda xs, y: [-math.cos(xs[0])], "sin(x0)"),
        ("sin", lambda xs, y: [1.0], "sin(x0)"),
        ("sqrt", lambda xs, y: [0.5 / y * 1.001], "sqrt(x0)"),
        ("sub", lambda xs, y: [1.0, 1.0], "x0 - x0"),
        ("mul", lambda xs, y: [xs[1], xs[0] * (xs[0] != xs[1])], "x0 * x0"),
        ("norm", lambda xs, y: [1.0 for x in xs], "norm([x0, x0])"),
    ],
)
def test_a_wrong_rule_shrinks_to_one_operation_at_a_simple_point(name, wrong, expected):
    rules = spoiled(name, wrong)
    program = least(programs(), lambda p: swept(p, rules) != pytest.approx(swept(p), rel=1e-9, abs=1e-9))
    assert program.source().endswith(f"[x0] = x\n    x1 = {expected}\n    return x1\n\nprint(f([1.0]))")


def test_a_wrong_sweep_shrinks_to_two_edges():
    # Overwriting where it should add up.
    program = least(programs(exact=True), lambda p: swept(p, add_up=False) != swept(p))
    assert program.source().endswith("x1 = x0 + x0\n    return x1\n\nprint(f([1.0]))")
    # Operands kept in a set, as micrograd does: the second edge of x * x is lost.
    once = lambda places: {x: k for k, x in places.items()}.values()
    program = least(programs(["mul", "sin"]), lambda p: swept(p, edges=once) != swept(p))
    assert program.source().endswith("x1 = x0 * x0\n    return x1\n\nprint(f([1.0]))")


def test_the_sweep_that_is_spoiled_here_is_right():
    for program in drawn(programs(), 100):
        leaves, root = program.graph()
        root.backward()
        assert swept(program) == pytest.approx([x.grad for x in leaves], rel=1e-9, abs=1e-9)
        order = topological_order(root)
        assert list(reverse_sweep(order, 1.0, lambda v: v.data)) != []


# Nets. --------------------------------------------------------------------------------------------------------------


def activations(found):
    return {name for net in found for name in net.activation_names}


def test_nets_have_every_shape():
    found = drawn(nets(), 300)
    links = [list(zip(net.source.tolist(), net.target.tolist(), strict=True)) for net in found]
    feeds = [set(net.source.tolist()) for net in found]
    share = lambda hits: sum(map(bool, hits)) / len(found)
    assert share(len(set(pairs)) < len(pairs) for pairs in links) > 0.1  # parallel links
    assert share(set(net.outputs.tolist()) & f for net, f in zip(found, feeds, strict=True)) > 0.1  # outputs that feed
    assert share(set(net.outputs.tolist()) & set(net.inputs.tolist()) for net in found) > 0.02
    assert share(any(s > t for s, t in pairs) for pairs in links) > 0.1  # listed before what feeds them
    assert share(pairs != sorted(pairs, key=lambda p: p[1]) for pairs in links) > 0.1
    assert share(sorted(net.inputs.tolist()) != list(range(len(net.inputs))) for net in found) > 0.1
    assert share(any(not h.is_output and not h.links_out for h in net) for net in found) > 0.2  # dead
    assert share(any(not h.is_input and not h.links_in for h in net) for net in found) > 0.2  # bias-only
    assert share(net.depth > 2 for net in found) > 0.1
    assert {len(net.inputs) for net in found} == {0, 1, 2, 3, 4}
    assert {len(net.outputs) for net in found} == {1, 2, 3}
    assert len(activations(found)) > 10
    assert all(w == round(w, 1) and abs(w) <= 2.5 for net in found for w in net.weights.tolist())
    for net in found:
        for size in (0.0, 1.0, -50.0, 1e6):  # any data will do
            assert np.isfinite(net.forward(np.full((2, len(net.inputs)), size))).all()


def test_cases_are_drawn_by_value():
    found = drawn(cases(), 300)
    smooth = {op.name for op in SMOOTH if op.arity == 1} - {"identity"} | {"linear", ""}
    seen = activations(case.net for case in found)
    assert seen <= smooth
    assert len(seen) > 0.9 * len(smooth)
    for net, x, y in found:
        assert x.shape == (len(x), len(net.inputs))
        assert y.shape == (len(x), len(net.outputs))
        net.forward(x)
        net.sweep(y)
        assert np.isfinite(net.a).all()
        assert np.isfinite(net.delta).all()
        for i, sigma in enumerate(net.activations):
            if sigma is not None:
                ((low, high),) = sigma.function.domain
                assert (net.a[i] > low + 9e-4).all()
                assert (net.a[i] < high - 9e-4).all()
                assert (abs(net.phi[i]) <= 20.001).all()
    assert {len(case.x) for case in found} == {1, 2, 3, 4}
    assert any(not len(case.net.inputs) and len(case.x) > 1 for case in found)
    kinked = drawn(cases(["relu", "abs", "floor"]), 100)
    for net, x, _ in kinked:
        net.forward(x)
        for a, name in zip(net.a, net.activation_names, strict=True):
            assert not name or abs(a - np.round(a) * (name == "floor")).min() > 5e-4


def test_one_activation_is_that_activation():
    for name in ("log", "acosh", "asin", "sqrt", "relu"):
        assert activations(case.net for case in drawn(cases([name]), 60)) == {"", name}
    found = drawn(cases(["acosh"], inputs=(1, 3), neurons=(2, 5)), 100)
    assert sum(len(case.net.source) > 2 for case in found) > 30  # the bias moves before links go
    with pytest.raises(ValueError, match=r"at no bias near .* does log stay within the bound 1e-06"):
        drawn(cases(["log"], bound=1e-6))


@given(cases(kinked=True))
def test_cases_print_as_python(case):
    out, names = run(case.source())
    net, twin = case.net, names["net"]
    assert (twin.names, twin.activations) == (net.names, net.activations)
    for part in ("inputs", "outputs", "source", "target", "weights", "biases"):
        assert getattr(twin, part).tolist() == getattr(net, part).tolist()
    assert np.array(names["x"]).reshape(case.x.shape).tolist() == case.x.tolist()
    assert out == str(net.loss_and_gradient(case.x, case.y))


def test_a_printed_case_with_a_formula():
    from autograd import Net

    def swell(a):
        return a * a

    net = Net()
    net.input("x")
    net.neuron("h", swell, {"x": 2.0}, bias=1.0, output=True)
    assert str(NetCase(net)) == (
        "from autograd import Net\n\nnet = Net()\nnet.input('x')\nnet.neuron('h', swell, bias=1.0)\n"
        "net.link('x', 'h', 2.0)\nnet.output('h')"
    )


@given(cases(exact=True))
def test_exact_cases_are_exact(case):
    net, x, y = case
    assert len(x) in (1, 2, 4)
    assert len(net.outputs) in (1, 2, 4)
    assert activations([net]) <= {"", "linear", "relu", "square"}
    loss, slopes = exact_loss(case)
    net.forward(x)
    assert Fraction(net.sweep(y)) == loss
    found = [*net.weight_gradient.tolist(), *np.delete(net.bias_gradient, net.inputs).tolist()]
    assert list(map(Fraction, found)) == slopes


def exact_loss(case):
    """The mean loss and its gradient in rational numbers."""
    net, x, y = case
    neurons = [i for i, s in enumerate(net.activations) if s is not None]
    n = len(net.weights) + len(neurons)
    parameters = Rational.variables([*net.weights.tolist(), *net.biases[neurons].tolist()], 1)
    order = np.argsort(net.level, kind="stable").tolist()
    total = Rational.lift(0, n, 1)
    for row, target in zip(x.tolist(), y.tolist(), strict=True):
        phi = {int(i): Rational.lift(v, n, 1) for i, v in zip(net.inputs, row, strict=True)}
        for i in order:
            if i in phi:
                continue
            a = parameters[len(net.weights) + neurons.index(i)]
            for e in np.flatnonzero(net.target == i).tolist():
                a = a.plus(parameters[e].times(phi[int(net.source[e])]))
            name = net.activation_names[i]
            assert name != "relu" or a.value != 0
            phi[i] = a.times(a) if name == "square" else Rational.lift(0, n, 1) if name == "relu" and a.value < 0 else a
        for i, t in zip(net.outputs.tolist(), target, strict=True):
            off = phi[i].plus(Rational.lift(-t, n, 1))
            total = total.plus(off.times(off))
    part = Fraction(1, len(x) * len(net.outputs))
    return total.value * part, [g * part for g in total.gradient]


def test_options_of_nets():
    found = drawn(nets(["tanh"], inputs=2, neurons=(3, 4), fan_in=1, outputs=1), 60)
    assert activations(found) == {"", "tanh"}
    assert {len(net.inputs) for net in found} == {2}
    assert {len(net) for net in found} == {5, 6}
    assert {len(net.outputs) for net in found} == {1}
    assert max(np.bincount(net.target, minlength=1).max() for net in found) == 1
    assert activations(drawn(nets(kinked=True), 200)) > {"relu", "abs", "tanh"}
    assert activations(drawn(nets(exact=True), 200)) == {"", "linear", "relu", "square"}
    assert {len(case.x) for case in drawn(cases(samples=2))} == {1, 2}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nets(["thanh"]), KeyError, "did you mean 'tanh'"),
        (lambda: cases(["maximum"]), ValueError, "maximum is no activation here; take rows of one argument"),
        (lambda: cases(["tanh"], exact=True), ValueError, "tanh is no activation here; take linear, square and relu"),
        (lambda: cases(neurons=0), ValueError, "cases: neurons is a whole number from 1 on"),
        (lambda: cases(samples=0), ValueError, "cases: samples"),
        (lambda: nets(inputs=-1), ValueError, "cases: inputs"),
        (lambda: nets(outputs=0), ValueError, "cases: outputs"),
        (lambda: nets(fan_in=-1), ValueError, "cases: fan_in"),
    ],
)
def test_nets_refuse(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_nets_shrink_to_the_least():
    case = least(cases(), lambda case: "sin" in case.net.activation_names)
    assert case.source() == (
        "from autograd import Net\n\nnet = Net()\nnet.neuron('h1', 'sin')\nnet.output('h1')\n\n"
        "x = [[]]\ny = [[0.0]]\nprint(net.loss_and_gradient(x, y))"
    )
    net = least(nets(), lambda net: len(set(map(tuple, np.stack([net.source, net.target], 1)))) < len(net.source))
    assert (len(net), len(net.source), net.weights.tolist()) == (2, 2, [0.0, 0.0])
    feeding = lambda net: set(net.outputs.tolist()) & set(net.source.tolist())
    assert (lambda net: (len(net), len(net.source)))(least(nets(), feeding)) == (2, 1)
    case = least(cases(), lambda case: case.net.predict(case.x).max() > 1.5)
    assert (len(case.net), case.x.shape, len(case.net.source)) == (1, (1, 0), 0)

