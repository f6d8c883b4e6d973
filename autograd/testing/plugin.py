"""The pytest plugin: the fixture `gradcheck`, a marker for its options, and the count of checks at the end of a run.

Pytest loads this module at the start of every run, wherever the package is installed, so the checks themselves are
imported when the first is asked for, and a run that asks for none is left as it is.
"""

from __future__ import annotations

import argparse
import inspect
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from autograd.testing import GradientError, OpReport, Report

#: The verdicts as a count names them. On those of `_TOLD` the run ends with a word.
_VERDICTS = ("ok", "undecidable", "subgradient", "invalid", "wrong")
_TOLD = ("undecidable", "subgradient", "invalid")
#: How many checks of each such verdict are remembered for a test, and how many tests are shown unless -v asks for all.
_EXAMPLES = 3
_TESTS = 10
#: The share of undecidable checks that a test may have, and the number of checks from which on it is a share.
_SHARE = 0.2
_ENOUGH = 10
#: The digits that the checks take.
_FEWEST_DIGITS, _MOST_DIGITS = 20, 500

_MARKER = (
    f"gradcheck(*, digits=50, undecidable={_SHARE}, **options): how the fixture gradcheck checks in this test: options "
    "of check_gradient, check_op, check_graph and check_net, each for those of them that have it, and which share of "
    "the checks may end undecidable."
)


class Gradcheck:
    """The fixture `gradcheck`: the checks of `autograd.testing`, counted for the test that makes them.

    Arguments, results and errors are those of the checks. Options that a call does not give come from the test's marker
    ``@pytest.mark.gradcheck(...)``; the digits then from ``--gradcheck-digits`` and last from the ini file.
    """

    def __init__(self, run: _Run) -> None:
        self._run = run

    def __repr__(self) -> str:
        return "gradcheck"  # as Hypothesis shows the arguments of a failing test

    def __call__(self, f: Callable[[Any], Any], x: Any, **options: Any) -> Report:
        """Check the derivatives of a function at a point, as `check_gradient` does."""
        __tracebackhide__ = True
        report: Report = self._checked("check_gradient", f, x, **options)
        return report

    def op(self, op: Any, *args: Any, **options: Any) -> OpReport:
        """Check an operation, as `check_op` does."""
        __tracebackhide__ = True
        report: OpReport = self._checked("check_op", op, *args, **options)
        return report

    def graph(self, root: Any, **options: Any) -> Report:
        """Check a graph of Values, as `check_graph` does."""
        __tracebackhide__ = True
        report: Report = self._checked("check_graph", root, **options)
        return report

    def net(self, net: Any, x: Any, y: Any, *args: Any, **options: Any) -> Report:
        """Check a net of neurons, as `check_net` does."""
        __tracebackhide__ = True
        report: Report = self._checked("check_net", net, x, y, *args, **options)
        return report

    def _checked(self, name: str, /, *args: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        from autograd import testing

        tally, check = self._run.tally(), getattr(testing, name)
        try:
            report = check(*args, **{**tally.options(check), **options})
        except testing.GradientError as error:
            tally.add(error.report)
            raise
        tally.add(report)
        return report


@pytest.fixture(scope="session")  # Hypothesis refuses one that is made anew for every test
def gradcheck(request: pytest.FixtureRequest) -> Gradcheck:
    """Check gradients, and count what is found.

    Use gradcheck(f, x), gradcheck.op(op), gradcheck.graph(root) and gradcheck.net(net, x, y), with the options of
    `autograd.testing.check_gradient` and its kin. What is undecidable or at a kink is told at the end of the run, and a
    test with too much that is undecidable fails.
    """
    _warm_up()
    return Gradcheck(request.config.stash[_RUN])


def _warm_up() -> None:
    """Import what the checks import, so that the first example of a property does not exceed its deadline."""
    from autograd.testing import check_gradient

    check_gradient(lambda x: x * x, 1.0)


# What is remembered. --------------------------------------------------------------------------------------------------


class _Tally:
    """The checks of one test: how many had which verdict, and a few of those that are told.

    Args:
        item: the test.
        digits: what the run asks for, if it does.

    Raises:
        TypeError: if the test's marker has an option that no check has.
        ValueError: if an option of the marker is not in its range.
    """

    def __init__(self, item: pytest.Item, digits: int | None) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self._options: dict[str, Any] = {} if digits is None else {"digits": digits}
        for mark in reversed(list(item.iter_markers("gradcheck"))):  # that of the class, then that of the test
            _validated(mark)
            self._options |= mark.kwargs
        self._share = self._options.pop("undecidable", _SHARE)

    def options(self, check: Callable[..., Any]) -> dict[str, Any]:
        """Return the options that a check has when the call gives none."""
        known = _keywords(check)
        return {name: x for name, x in self._options.items() if name in known}

    def add(self, report: Report) -> None:
        """Count a report."""
        verdict = report.verdict
        self.counts[verdict] += 1
        if verdict in _TOLD:
            shown = self.examples.setdefault(verdict, [])
            if len(shown) < _EXAMPLES and (text := _in_a_line(report)) not in shown:
                shown.append(text)

    def complaint(self) -> str:
        """Return what is wrong with the points of a test that is too often undecidable, or nothing."""
        undecidable, checks = self.counts["undecidable"], self.counts.total()
        enough = checks >= _ENOUGH or undecidable == checks or not self._share
        if not undecidable or not enough or undecidable / checks <= self._share:
            return ""
        part, most = (f"{100 * share:.3g} %" for share in (undecidable / checks, self._share))
        lines = [
            f"gradcheck: {undecidable} of {_plural(checks, 'check')} ({part}) ended undecidable, and {most} may.",
            "Rounding leaves no digits at such points, so that a gradient passes there says nothing. Draw points where",
            "the function is better conditioned, or allow more by @pytest.mark.gradcheck(undecidable=...).",
            *(f"  {text}" for text in self.examples["undecidable"]),
        ]
        return "\n".join(lines)


_TALLY = pytest.StashKey[_Tally]()


def _in_a_line(report: Report) -> str:
    """Return what was checked, where, and the number that the verdict is about."""
    from autograd.testing.report import shortened

    def line(x: Any, most: int) -> str:
        return shortened(" ".join(str(x).split()), most)

    finding = next((x for x in report.findings if x.verdict == report.verdict), None)
    return f"{line(report.name, 60)} at {line(report.point, 120)}" + (f": {line(finding, 200)}" if finding else "")


def _plural(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _sum(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[v]} {v}" for v in _VERDICTS if counts.get(v))


# Options. -------------------------------------------------------------------------------------------------------------


@lru_cache(16)
def _keywords(check: Callable[..., Any]) -> frozenset[str]:
    """Return the options of a check."""
    parameters = inspect.signature(check).parameters.values()
    return frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def _validated(mark: pytest.Mark) -> None:
    """Raise an error if a marker cannot be meant."""
    from autograd import testing

    checks = (testing.check_gradient, testing.check_op, testing.check_graph, testing.check_net)
    # A test that could not fail would look like one that passes.
    known = {"undecidable"}.union(*map(_keywords, checks)) - {"raise_"}
    if mark.args or not known.issuperset(mark.kwargs):
        given = [*map(repr, mark.args), *(f"{name}=" for name in mark.kwargs if name not in known)]
        raise TypeError(f"pytest.mark.gradcheck takes the options {', '.join(sorted(known))}; got {', '.join(given)}")
    share = mark.kwargs.get("undecidable", _SHARE)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ValueError(f"pytest.mark.gradcheck: undecidable is a share from 0 to 1, got {share!r}")
    digits = mark.kwargs.get("digits", _FEWEST_DIGITS)
    if not isinstance(digits, int) or not _FEWEST_DIGITS <= digits <= _MOST_DIGITS:
        raise ValueError(f"pytest.mark.gradcheck: {_a_number_of_digits(digits)}")


def _a_number_of_digits(given: object) -> str:
    return f"digits is a whole number from {_FEWEST_DIGITS} to {_MOST_DIGITS}, got {given!r}"


def _digits(text: str) -> int:
    """Return a number of digits that a text gives."""
    try:
        digits = int(text)
    except ValueError:
        digits = -1
    if not _FEWEST_DIGITS <= digits <= _MOST_DIGITS:
        raise argparse.ArgumentTypeError(_a_number_of_digits(text))
    return digits


# The run. -------------------------------------------------------------------------------------------------------------


class _Run:
    """The hooks of a run, and what it knows of its checks.

    Args:
        digits: what the command line or the ini file asks for.
    """

    def __init__(self, digits: int | None) -> None:
        self._digits = digits
        self._item: pytest.Item | None = None
        self._tests = 0
        self._counts: Counter[str] = Counter()
        self._told: list[tuple[str, dict[str, int], dict[str, list[str]]]] = []

    def tally(self) -> _Tally:
        """Return the checks of the test that is running."""
        if self._item is None:
            raise RuntimeError("gradcheck: no test is running that this check could be counted for")
        known = self._item.stash.get(_TALLY, None)
        if known is None:
            known = self._item.stash[_TALLY] = _Tally(self._item, self._digits)
        return known

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Remember which test is running; one that runs again begins anew."""
        self._item = item
        if _TALLY in item.stash:
            del item.stash[_TALLY]

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Fail a test that has passed, but whose points say nothing."""
        tally = item.stash.get(_TALLY, None)
        if tally is not None and (complaint := tally.complaint()):
            pytest.fail(complaint, pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show the whole report of a wrong gradient, and send the counts along: a report goes where the summary is."""
        report = yield
        tally = item.stash.get(_TALLY, None)
        if tally is not None and tally.counts:
            if call.excinfo is not None:
                report.sections += [("gradient check", str(e.report)) for e in _gradient_errors(call.excinfo.value)]
            if call.when == "teardown":
                vars(report)["gradcheck"] = {"counts": dict(tally.counts), "examples": tally.examples}
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the checks of a test, which may have run in another process."""
        if found := vars(report).get("gradcheck"):
            self._tests += 1
            self._counts.update(found["counts"])
            if found["examples"]:
                self._told.append((report.nodeid, found["counts"], found["examples"]))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Tell how many checks there were, and which of them say nothing or lie at a kink."""
        verbose = config.get_verbosity() > 0
        if not self._tests or not (self._told or verbose):
            return
        where = f"{_plural(self._counts.total(), 'check')} in {_plural(self._tests, 'test')}"
        terminalreporter.write_sep("=", f"gradient checks: {where}: {_sum(self._counts)}")
        shown = self._told if verbose else self._told[:_TESTS]
        for test, counts, examples in shown:
            terminalreporter.write_line(f"{test}: {_sum(counts)}")
            for verdict in _TOLD:
                for text in examples.get(verdict, ()):
                    terminalreporter.write_line(f"  {verdict:11} {text}")
        if more := len(self._told) - len(shown):
            terminalreporter.write_line(f"and {_plural(more, 'more test')}; -v shows all")


_RUN = pytest.StashKey[_Run]()


def _gradient_errors(error: BaseException) -> Iterator[GradientError]:
    """Yield an error and, of a group such as Hypothesis raises for several failures, its members."""
    from autograd.testing import GradientError

    if isinstance(error, GradientError):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _gradient_errors(member)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the digits of the checks to the command line and to the ini file."""
    what = "the checks of the fixture gradcheck work at so many digits (default: 50)"
    parser.getgroup("gradcheck", "gradient checks").addoption(
        "--gradcheck-digits", type=_digits, metavar="N", help=what
    )
    parser.addini("gradcheck_digits", what, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and the hooks of the run, and read the digits."""
    config.addinivalue_line("markers", _MARKER)
    digits, text = config.getoption("gradcheck_digits"), config.getini("gradcheck_digits")
    if digits is None and text:
        try:
            digits = _digits(text)
        except argparse.ArgumentTypeError as error:
            raise pytest.UsageError(f"{config.inipath}: gradcheck_digits: {error}") from None
    config.stash[_RUN] = run = _Run(digits)
    config.pluginmanager.register(run, "gradcheck-run")
