"""The pytest plugin: what it counts, what it tells, what it fails, and that nobody else notices it."""

import subprocess
import sys

import mpmath
import numpy as np
import pytest

from autograd import batch, net, testing
from autograd.testing import plugin

#: Runs in this process forget the modules that they import, and these must not be there twice.
SHARED = (mpmath, np, batch, net, testing.check_gradient)

#: Points with each of the verdicts: of a smooth function, one that turns faster than doubles can tell, a kink, an end.
HEAD = """
import autograd as ag
import pytest

def fine(check, n=1, **options):
    for i in range(n):
        check(ag.tanh, 0.25 + i, order=1, **options)

def turn(x):
    return ag.sin(1e17 * x)

def blurred(check, n=1, **options):
    for i in range(n):
        assert check(turn, 0.3 + i, order=1, **options).verdict == "undecidable"
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest, in this process or another, on a module of tests."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(text, *arguments, apart=False):
        pytester.makepyfile(HEAD + text)
        start = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return start("-p", "no:cacheprovider", *arguments)

    return run


def told(result):
    """Return what the run says of its checks: the line of sums and what follows up to the next rule."""
    lines = iter(result.outlines)
    for line in lines:
        if "= gradient checks" in line:
            section = [line.strip("= ")]
            for line in lines:
                if line.startswith("="):
                    break
                section.append(line)
            return section
    return []


MIXED = """
def test_mixed(gradcheck):
    fine(gradcheck, 12)
    blurred(gradcheck, 2)
    gradcheck(lambda x: x[0] + abs(x[1]), [2.0, 0.0])
    gradcheck(lambda x: ag.log(x[0]), [-1.0])

def test_fine(gradcheck):
    fine(gradcheck, 3)
"""


def test_the_run_ends_with_what_is_undecidable_at_a_kink_or_invalid(run):
    result = run(MIXED)
    result.assert_outcomes(passed=2)
    section = told(result)
    assert section[0] == "gradient checks: 19 checks in 2 tests: 15 ok, 2 undecidable, 1 subgradient, 1 invalid"
    name = "test_the_run_ends_with_what_is_undecidable_at_a_kink_or_invalid.py::test_mixed"
    assert section[1] == f"{name}: 12 ok, 2 undecidable, 1 subgradient, 1 invalid"
    assert section[2].startswith("  undecidable turn at 0.3: x (reverse): ")
    assert section[3].startswith("  undecidable turn at 1.3: x (reverse): ")
    assert section[4].startswith("  subgradient <lambda> at [2.0, 0.0]: x[1] (reverse): 0.0, at a kink with slopes -1")
    assert section[5].startswith("  invalid     <lambda> at [-1.0]: x[0] (value): nan")
    assert len(section) == 6


def test_a_run_without_such_points_ends_without_a_word(run):
    result = run("def test_fine(gradcheck): fine(gradcheck, 3)")
    result.assert_outcomes(passed=1)
    assert told(result) == []


def test_a_verbose_run_says_how_many_checks_there_were(run):
    result = run("def test_one(gradcheck): fine(gradcheck)\ndef test_none(gradcheck): pass", "-v")
    result.assert_outcomes(passed=2)
    assert told(result) == ["gradient checks: 1 check in 1 test: 1 ok"]


def test_only_the_first_tests_are_shown_unless_all_are_asked_for(run):
    text = """
@pytest.mark.parametrize("i", range(12))
def test_kink(gradcheck, i):
    gradcheck(ag.relu, 0.0)
"""
    short, whole = told(run(text)), told(run(text, "-v"))
    assert short[0] == whole[0] == "gradient checks: 12 checks in 12 tests: 12 subgradient"
    assert len(whole) == 1 + 12 * 2
    assert short == [*whole[:21], "and 2 more tests; -v shows all"]


def test_long_points_are_cut_and_kept_in_a_line(run):
    result = run("""
import numpy as np

def test_kink(gradcheck):
    gradcheck(lambda x: ag.sum(abs(v) for row in x for v in row), np.zeros((16, 2)), modes=["reverse"], order=1)
""")
    _, _, line = told(result)
    assert line.startswith("  subgradient <lambda> at [[0. 0.] [0. 0.]")
    assert " ... " in line
    assert len(line) < 400


def test_what_is_kept_of_a_test_does_not_grow_with_its_checks(run, pytester):
    pytester.makeconftest("""
def pytest_runtest_logreport(report):
    if report.when == "teardown":
        print("KEPT", report.gradcheck)
""")
    result = run("""
@pytest.mark.gradcheck(undecidable=1)
def test_kinks(gradcheck):
    for i in range(50):
        gradcheck(lambda x: abs(x - i), float(i))
        blurred(gradcheck, 2)
""", "-s")
    result.assert_outcomes(passed=1)
    (line,) = [line for line in result.outlines if "KEPT" in line]
    kept = eval(line.partition("KEPT ")[2])
    assert kept["counts"] == {"subgradient": 50, "undecidable": 100}
    kinks = [text.partition(":")[0] for text in kept["examples"]["subgradient"]]
    assert kinks == ["<lambda> at 0.0", "<lambda> at 1.0", "<lambda> at 2.0"]
    assert len(kept["examples"]["undecidable"]) == 2  # the same two, time and again


def test_hypothesis_may_call_it_hundreds_of_times(run):
    result = run("""
from hypothesis import given, settings, strategies as st

@settings(max_examples=150, database=None)
@given(x=st.floats(-3, 3))
def test_given(gradcheck, x):
    gradcheck(ag.sin, x, order=1)
""", "-v")
    result.assert_outcomes(passed=1)
    assert told(result) == ["gradient checks: 150 checks in 1 test: 150 ok"]


def test_a_failure_among_several_that_hypothesis_finds_is_shown(run):
    result = run("""
from hypothesis import given, settings, strategies as st

@settings(database=None)
@given(x=st.integers(-9, 9))
def test_given(gradcheck, x):
    assert x > -6
    if x > 5:
        gradcheck(ag.square, float(x), gradient=1.0)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines_random([
        "*ExceptionGroup: *2 *",
        "*gradcheck=gradcheck,",
        "*- gradient check -*",
        "<operation square> = 36.0 at 6.0: wrong",
    ])


# What fails. ----------------------------------------------------------------------------------------------------------


def test_a_wrong_gradient_fails_and_its_report_is_shown(run):
    result = run("def test_wrong(gradcheck): gradcheck(ag.square, 3.0, gradient=5.0)", "-v")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([
        "*def test_wrong(gradcheck): gradcheck(ag.square, 3.0, gradient=5.0)",
        "E * autograd.testing.report.GradientError: d<operation square>/dx is 5.0 (gradient), expected 6 *",
        "*- gradient check -*",
        "<operation square> = 9.0 at 3.0: wrong",
        "  1 wrong, against differences at 50 digits",
        "  wrong *",
        "*gradient checks: 1 check in 1 test: 1 wrong*",
    ])
    assert "plugin.py" not in result.stdout.str()  # the way to the check is no part of the story


def test_a_wrong_gradient_may_be_asked_for(run):
    result = run("""
def test_wrong(gradcheck):
    assert not gradcheck(ag.square, 3.0, gradient=5.0, raise_=False)
    with pytest.raises(AssertionError):
        gradcheck(ag.square, 3.0, gradient=5.0)
""", "-v")
    result.assert_outcomes(passed=1)
    assert told(result) == ["gradient checks: 2 checks in 1 test: 2 wrong"]


@pytest.mark.parametrize(
    ("ok", "undecidable", "marker", "fails"),
    [
        (8, 2, "", False),
        (7, 3, "", True),
        (1, 8, "", False),  # too few to speak of a share
        (0, 1, "", True),  # but all are all
        (5, 5, "undecidable=0.5", False),
        (4, 6, "undecidable=0.5", True),
        (71, 29, "undecidable=0.29", False),
        (2, 1, "undecidable=0", True),
        (0, 12, "undecidable=1", False),
    ],
)
def test_too_many_undecidable_checks_fail_a_test(run, ok, undecidable, marker, fails):
    result = run(f"""
@pytest.mark.gradcheck({marker})
def test_share(gradcheck):
    fine(gradcheck, {ok})
    blurred(gradcheck, {undecidable})
""")
    result.assert_outcomes(passed=not fails, failed=fails)
    checks, most = ok + undecidable, marker.partition("=")[2] or 0.2
    if fails:
        part, most = f"{100 * undecidable / checks:.3g} %", f"{100 * float(most):.3g} %"
        result.stdout.fnmatch_lines([
            f"gradcheck: {undecidable} of {checks} check* ({part}) ended undecidable, and {most} may.",
            "Rounding leaves no digits at such points, *",
            "*@pytest.mark.gradcheck(undecidable=...).",
            "  turn at 0.3: x (reverse): *, rounding leaves *",
        ])


def test_an_expected_failure_may_be_that_of_the_points(run):
    run("""
@pytest.mark.xfail(strict=True)
def test_share(gradcheck):
    blurred(gradcheck)
""").assert_outcomes(xfailed=1)


def test_the_failure_of_a_test_goes_before_that_of_its_points(run):
    result = run("""
def test_share(gradcheck):
    blurred(gradcheck)
    assert "this" == "that"
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * assert 'this' == 'that'"])
    result.stdout.no_fnmatch_line("*ended undecidable*")


# Options. -------------------------------------------------------------------------------------------------------------

DIGITS = """
def digits(report):
    return int(report.oracle.split(" digits")[0].split()[-1])

def test_plain(gradcheck):
    print("PLAIN", digits(gradcheck(ag.tanh, 0.5)))

@pytest.mark.gradcheck(digits=80)
def test_marked(gradcheck):
    assert digits(gradcheck(ag.tanh, 0.5, digits=90)) == 90
    print("MARKED", digits(gradcheck(ag.tanh, 0.5)))

def test_others(gradcheck):
    x = ag.Value(0.5)
    net = ag.Net.layered([1, 1], seed=0)
    reports = [gradcheck.op("tanh", examples=2), gradcheck.graph(x * x), gradcheck.net(net, [[0.5]], [1.0])]
    print("OTHERS", *map(digits, reports))
"""


@pytest.mark.parametrize(
    ("ini", "arguments", "plain"),
    [("", (), 50), ("60", (), 60), ("60", ("--gradcheck-digits", "70"), 70), ("", ("--gradcheck-digits=70",), 70)],
)
def test_the_call_goes_before_the_marker_the_command_line_and_the_ini_file(run, pytester, ini, arguments, plain):
    if ini:
        pytester.makeini(f"[pytest]\ngradcheck_digits = {ini}")
    result = run(DIGITS, "-s", *arguments)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines([f"*PLAIN {plain}", "*MARKED 80", f"*OTHERS {plain} {plain} {plain}"])


@pytest.mark.parametrize("given", ["fifty", "19", "501", "50.0", ""])
def test_impossible_digits_are_refused(run, pytester, given):
    result = run("", f"--gradcheck-digits={given}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    why = f"digits is a whole number from 20 to 500, got '{given}'"
    result.stderr.fnmatch_lines([f"*error: argument --gradcheck-digits: {why}"])
    if given:
        path = pytester.makeini(f"[pytest]\ngradcheck_digits = {given}")
        result = run("")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {path}: gradcheck_digits: {why}"])


@pytest.mark.parametrize("digits", [19, 20, 500, 501])
def test_the_digits_that_the_plugin_takes_are_those_of_the_checks(digits):
    try:
        testing.check_gradient(lambda x: x * x, 2.0, digits=digits)
    except ValueError:
        assert digits in (plugin._FEWEST_DIGITS - 1, plugin._MOST_DIGITS + 1)
    else:
        assert digits in (plugin._FEWEST_DIGITS, plugin._MOST_DIGITS)


def test_the_verdicts_that_the_plugin_counts_are_those_of_the_checks():
    assert set(plugin._VERDICTS) == set(testing.VERDICTS)


def test_a_marker_sets_what_a_call_does_not(run):
    run("""
@pytest.mark.gradcheck(kinks="convention", order=1)
class TestClass:
    def test_of_the_class(self, gradcheck):
        (found, *_) = gradcheck(ag.abs, 0.0).findings
        assert found.note == "by the operations' conventions"

    @pytest.mark.gradcheck(order=2)
    def test_of_its_own(self, gradcheck):
        assert any("second" in x.mode for x in gradcheck(ag.sin, 0.5).findings)
        assert not any("second" in x.mode for x in gradcheck(ag.sin, 0.5, order=1).findings)
        (found, *_) = gradcheck(ag.abs, 0.0).findings
        assert found.note == "by the operations' conventions"

    def test_of_a_check_that_has_no_such_option(self, gradcheck):
        assert gradcheck.graph(ag.Value(2.0) * 3.0)
""").assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("marker", "why"),
    [
        ("kink='clarke'", "TypeError: *takes the options conventions, digits, *undecidable*; got kink=*"),
        ("100", "TypeError: *takes the options *; got 100"),
        ("raise_=False", "TypeError: *takes the options *; got raise_="),
        ("undecidable=20", "ValueError: *undecidable is a share from 0 to 1, got 20"),
        ("undecidable='few'", "ValueError: *undecidable is a share from 0 to 1, got 'few'"),
        ("undecidable=float('nan')", "ValueError: *undecidable is a share from 0 to 1, got nan"),
        ("undecidable=True", "ValueError: *undecidable is a share from 0 to 1, got True"),
        ("digits=10", "ValueError: *digits is a whole number from 20 to 500, got 10"),
        ("digits='60'", "ValueError: *digits is a whole number from 20 to 500, got '60'"),
    ],
)
def test_a_marker_that_cannot_be_meant_is_refused(run, marker, why):
    result = run(f"@pytest.mark.gradcheck({marker})\ndef test_marked(gradcheck): fine(gradcheck)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E * {why}"])


def test_an_error_of_the_arguments_is_that_of_the_check(run):
    result = run("""
def test_arguments(gradcheck):
    with pytest.raises(ValueError, match="check_gradient: oracle is one of"):
        gradcheck(ag.tanh, 0.5, oracle="delphi")
    with pytest.raises(TypeError):
        gradcheck(ag.tanh)
""", "-v")
    result.assert_outcomes(passed=1)
    assert told(result) == []


# What the checks are. -------------------------------------------------------------------------------------------------


def test_it_checks_operations_graphs_and_nets(run):
    result = run("""
def test_all(gradcheck):
    op = gradcheck.op("tanh", lambda m, x: m.tanh(x), points=[(0.5,), (2.0,)])
    assert op.worst and "specification" in op.oracle
    x = ag.Value(0.5, name="x")
    assert gradcheck.graph(x * x + x, seeds=[1.0]).name == "graph of 3 nodes"
    net = ag.Net.layered([2, 2, 1], activation="tanh", seed=1)
    assert gradcheck.net(net, [[0.5, -1.0]], [1.0], "mse", most=3).notes

def test_wrong(gradcheck):
    with pytest.raises(ag.testing.GradientError):
        gradcheck.op("tanh", lambda m, x: m.sin(x), points=[(0.5,)])
    x = ag.Value(0.5)
    y = x * x
    x.data = 2.0
    with pytest.raises(ag.testing.GradientError):
        gradcheck.graph(y)
""", "-v")
    result.assert_outcomes(passed=2)
    assert told(result) == ["gradient checks: 5 checks in 2 tests: 3 ok, 2 wrong"]


def test_checks_of_fixtures_count_for_the_test_that_needs_them(run):
    result = run("""
@pytest.fixture(scope="module")
def before(gradcheck):
    gradcheck(ag.abs, 0.0)
    yield
    gradcheck(ag.relu, 0.0)

def test_first(before): pass
def test_second(before, request): fine(request.getfixturevalue("gradcheck"))
""")
    result.assert_outcomes(passed=2)
    (name,) = {line.partition("::")[0] for line in told(result) if "::" in line}
    section = [line for line in told(result) if not line.startswith("  ")]
    assert section == [
        "gradient checks: 3 checks in 2 tests: 1 ok, 2 subgradient",
        f"{name}::test_first: 1 subgradient",
        f"{name}::test_second: 1 ok, 1 subgradient",
    ]


def test_a_test_that_runs_again_is_counted_anew(run, pytester):
    pytester.makeconftest("""
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(2):
        runtestprotocol(item, nextitem=nextitem)
    return True
""")
    result = run("def test_fine(gradcheck): fine(gradcheck, 2)", "-v")
    assert told(result) == ["gradient checks: 4 checks in 2 tests: 4 ok"]


def test_classes_of_unittest(run):
    result = run("""
import unittest

class TestCase(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _checks(self, gradcheck):
        self.check = gradcheck

    def test_fine(self):
        fine(self.check)

    def test_wrong(self):
        self.check(ag.square, 3.0, gradient=5.0)

    def test_share(self):
        blurred(self.check)

    def test_skipped(self):
        blurred(self.check)
        self.skipTest("later")

    @unittest.expectedFailure
    def test_expected(self):
        self.check(ag.square, 3.0, gradient=5.0)
""")
    result.assert_outcomes(passed=1, failed=2, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines_random([
        "<operation square> = 9.0 at 3.0: wrong",
        "gradcheck: 1 of 1 check (100 %) ended undecidable, and 20 % may.",
    ])
    assert told(result)[0] == "gradient checks: 5 checks in 5 tests: 1 ok, 2 undecidable, 2 wrong"


def test_a_check_outside_of_tests_is_refused():
    with pytest.raises(RuntimeError, match="no test is running"):
        plugin.Gradcheck(plugin._Run(None))(lambda x: x, 1.0)


# Other ways to run. ---------------------------------------------------------------------------------------------------


def test_counts_travel_from_the_workers_of_xdist(run):
    result = run(MIXED + """
@pytest.mark.parametrize("i", range(4))
def test_more(gradcheck, i):
    report = gradcheck(ag.sin, 0.5 + i)
    assert report.oracle.endswith("70 digits")

def test_wrong(gradcheck):
    gradcheck(ag.square, 3.0, gradient=5.0)

def test_share(gradcheck):
    blurred(gradcheck)
""", "-n", "2", "--gradcheck-digits=70", apart=True)  # fmt: skip
    result.assert_outcomes(passed=6, failed=2)
    section = told(result)
    found = "19 ok, 3 undecidable, 1 subgradient, 1 invalid, 1 wrong"
    assert section[0] == f"gradient checks: 25 checks in 8 tests: {found}"
    assert sum("  undecidable turn at 0.3: x (reverse): " in line for line in section) == 2
    result.stdout.fnmatch_lines_random([
        "<operation square> = 9.0 at 3.0: wrong",
        "gradcheck: 1 of 1 check (100 %) ended undecidable, and 20 % may.",
    ])


def test_it_is_strict_about_markers_and_warnings(run):
    result = run("""
import sys

@pytest.mark.gradcheck(digits=60)
def test_marked(gradcheck):
    assert "mpmath" in sys.modules  # imports are no part of the first example's time
    fine(gradcheck)
    gradcheck(ag.abs, 0.0)
""", "-W", "error", "--strict-markers", "--strict-config", apart=True)  # fmt: skip
    result.assert_outcomes(passed=1)
    assert told(result)[0] == "gradient checks: 2 checks in 1 test: 1 ok, 1 subgradient"


def test_it_can_be_left_out(run):
    result = run("def test_plain(): pass\ndef test_fine(gradcheck): fine(gradcheck)", "-p", "no:gradcheck")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E * fixture 'gradcheck' not found"])


def test_marker_fixture_and_options_are_described(pytester):
    result = pytester.runpytest_inprocess("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.gradcheck(*, digits=50, undecidable=0.2, [*][*]options): *"])
    result = pytester.runpytest_inprocess("--fixtures")
    result.stdout.fnmatch_lines(["gradcheck [[]session scope[]]*", "    Check gradients, and count what is found."])
    result = pytester.runpytest_inprocess("--help")
    result.stdout.fnmatch_lines(["gradient checks:", "  --gradcheck-digits=N*", "*gradcheck_digits (string)*"])


def test_a_fixture_or_marker_of_that_name_of_somebody_else_is_left_alone(run):
    result = run("""
@pytest.fixture
def gradcheck():
    return 7

@pytest.mark.gradcheck(100, tolerance=1e-3)
def test_theirs(gradcheck):
    assert gradcheck == 7
""", "-v")
    result.assert_outcomes(passed=1)
    assert told(result) == []


def test_a_run_that_does_not_ask_for_it_imports_nothing_for_it(pytester):
    result = subprocess.run(
        [sys.executable, "-c", "import sys, pytest, autograd.testing; before = set(sys.modules); "
         "import autograd.testing.plugin; print(sorted(set(sys.modules) - before)); "
         "print(sorted({'mpmath', 'numpy', 'flint', 'hypothesis'} & set(sys.modules)))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.splitlines() == ["['autograd.testing.plugin']", "[]"]
    pytester.makeconftest("""
import sys

def pytest_unconfigure():
    print("IMPORTED", sorted({"mpmath", "numpy", "flint"} & set(sys.modules)))
""")
    pytester.makepyfile("def test_nothing(): pass")
    result = pytester.runpytest_subprocess("-v")
    result.assert_outcomes(passed=1)
    assert "IMPORTED []" in result.outlines
    assert "gradient check" not in result.stdout.str()
