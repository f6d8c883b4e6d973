"""The measure of a test suite: how many wrong gradients made by hand it notices.

A *mutant* is a small wrong change of the sources that somebody could write: a sign, a dropped term, a stale gradient.
It is *killed* if a test fails on it and *survives* if all pass; a survivor is a hole in the tests. (R. DeMillo,
R. Lipton, F. Sayward, Hints on test data selection, 1978. There a program makes the mutants; here somebody who knows
where gradients go wrong.)

`mutation_score` applies each mutant to a copy of the sources, which runs uncompiled; the checkout is never touched. On
the command line it takes a catalogue, a Python file with a list `MUTANTS`:

    python -m autograd.testing.mutation tests/mutants.py

A mutant should cost little more than its first failing test. So a server imports once all that the tests import,
except the package under test, and every run is a fork of it; the tests that a mutant names run first, the others only
if these pass; and a failing example of hypothesis is not shrunk. Where processes cannot fork, each run is a process.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import queue
import runpy
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import KW_ONLY, dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, NamedTuple

from autograd.testing._runs import CAN_FORK, Forks, Processes, Stopped

# What one states, and what comes out. --------------------------------------------------------------------------------


class MutationError(ValueError):
    """The score cannot be measured: a mutant does not apply, or the tests fail without any."""


@dataclass(frozen=True)
class Mutant:
    """One wrong change of the sources.

    Args:
        name: its name, unique in a catalogue.
        old: the text that it replaces; long enough to be in the file once.
        new: what takes its place.
        reason: why one could write that.
        witness: what would notice it: the test to write if it survives.
        file: where, relative to the root, such as ``"autograd/ops.py"``.
        kind: its class, such as "rules" or "sweeps".
        tests: files or ids of pytest that are run first, such as ``"tests/test_ops.py::test_row"``.
        nth: which occurrence is replaced, counted from 1, where the text is in the file several times.
    """

    name: str
    old: str
    new: str
    reason: str
    witness: str
    _: KW_ONLY
    file: str
    kind: str = ""
    tests: str | Sequence[str] = ()
    nth: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tests", (self.tests,) if isinstance(self.tests, str) else tuple(self.tests))

    def apply(self, source: str) -> str:
        """Return the text of the file with the change.

        Raises:
            MutationError: if the old text is not there once (or `nth` times), or the change is none or no Python.
        """
        if self.old == self.new or not self.old:
            raise self._error("replaces a text by itself" if self.old else "has no text to replace")
        places = list(_places(self.old, source))
        if not places:
            lines = [line.strip() for line in source.splitlines()]
            close = difflib.get_close_matches(self.old.strip().splitlines()[0].strip(), lines, 1, 0.5)
            hint = f"; the line most like it is {close[0]!r}" if close else ""
            raise self._error(f"{self.file} has no {self.old!r} any more{hint}")
        if self.nth is None and len(places) > 1:
            lines = [str(source.count("\n", 0, at) + 1) for at in places]
            raise self._error(
                f"{self.file} has {self.old!r} {len(places)} times, in the lines {', '.join(lines)}; give a longer "
                f"text, or nth=1 to nth={len(places)}"
            )
        if self.nth is not None and not 1 <= self.nth <= len(places):
            raise self._error(f"nth={self.nth}, but {self.file} has {self.old!r} {len(places)} time(s), counted from 1")
        at = places[(self.nth or 1) - 1]
        changed = source[:at] + self.new + source[at + len(self.old) :]
        if self.file.endswith(".py"):
            try:
                compile(changed, self.file, "exec", dont_inherit=True)
            except SyntaxError as error:
                raise self._error(f"makes no Python of {self.file}: {error}") from None
        return changed

    def _error(self, message: str) -> MutationError:
        return MutationError(f"mutant {self.name!r}: {message}")

    def _matches(self, words: Sequence[str]) -> bool:
        text = f"{self.name} {self.kind} {self.file} {self.reason} {self.witness}".lower()
        return all(word.lower() in text for word in words)


def _places(text: str, source: str) -> Iterator[int]:
    at = source.find(text)
    while at >= 0:
        yield at
        at = source.find(text, at + 1)


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        mutant: the mutant.
        verdict: "killed", "survived", or "error" if that could not be found out.
        how: the test that killed it, or that it hung or crashed; of an error, what went wrong.
        seconds: the time that it took.
    """

    mutant: Mutant
    verdict: str
    how: str
    seconds: float


@dataclass(frozen=True)
class Score:
    """What `mutation_score` found; `print` shows it.

    Attributes:
        outcomes: one per mutant that was tried, in the order of the catalogue.
        mutants: how many there were.
        seconds: how long it all took.
        notes: what the reader should know, such as tests that a mutant names but nobody has.
    """

    outcomes: tuple[Outcome, ...]
    mutants: int
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def killed(self) -> tuple[Outcome, ...]:
        """The mutants that a test noticed, those that hung or crashed included."""
        return self._of("killed")

    @property
    def survived(self) -> tuple[Outcome, ...]:
        """The mutants that no test noticed."""
        return self._of("survived")

    @property
    def errors(self) -> tuple[Outcome, ...]:
        """The mutants on which the tests could not run; they do not count as killed."""
        return self._of("error")

    @property
    def share(self) -> float:
        """The share of the tried mutants that were killed, from 0 to 1."""
        return len(self.killed) / len(self.outcomes) if self.outcomes else 0.0

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it before all were tried."""
        return len(self.outcomes) < self.mutants

    def _of(self, verdict: str) -> tuple[Outcome, ...]:
        return tuple(x for x in self.outcomes if x.verdict == verdict)

    def __str__(self) -> str:
        lines = []
        for title, found in (("survived", self.survived), ("could not be tried", self.errors)):
            for x in found:
                m = x.mutant
                lines.append(f"{title}: {m.name} ({m.kind + ', ' if m.kind else ''}{m.file}): {m.reason}")
                lines.append(f"    {'a test that would kill it: ' + m.witness if title == 'survived' else x.how}")
        lines += [f"note: {note}" for note in self.notes]
        kinds: dict[str, list[bool]] = {}
        for x in self.outcomes:
            kinds.setdefault(x.mutant.kind, []).append(x.verdict == "killed")
        if len(kinds) > 1:
            lines.append(", ".join(f"{kind or 'others'} {sum(dead)}/{len(dead)}" for kind, dead in kinds.items()))
        if self.interrupted:
            lines.append(f"interrupted: {len(self.outcomes)} of {self.mutants} mutants were tried")
        rest = f", {len(self.survived)} survived" + f", {len(self.errors)} could not be tried" * bool(self.errors)
        share = f"{100 * self.share:.1f} %" if self.outcomes else "nothing to tell"
        lines.append(f"{len(self.killed)} of {len(self.outcomes)} killed{rest}: {share}, in {self.seconds:.0f} s")
        return "\n".join(lines)


def sample(mutants: Sequence[Mutant], n: int) -> list[Mutant]:
    """Return n of the mutants, spread evenly over the classes and within each; always the same ones.

    >>> kinds = ["rules"] * 7 + ["nets"] * 2
    >>> ms = [Mutant(str(i), "+", "-", "a sign", "f(1)", file="f.py", kind=k) for i, k in enumerate(kinds)]
    >>> [m.name for m in sample(ms, 4)]
    ['0', '3', '7', '8']
    """
    if n < 1:
        raise ValueError(f"sample: n is a whole number from 1 on, got {n!r}")
    by_kind: dict[str, list[int]] = {}
    for i, m in enumerate(mutants):
        by_kind.setdefault(m.kind, []).append(i)
    quota = dict.fromkeys(by_kind, 0)
    left = min(n, len(mutants))
    while left:
        for kind, places in by_kind.items():
            if left and quota[kind] < len(places):
                quota[kind] += 1
                left -= 1
    chosen = [places[i * len(places) // quota[kind]] for kind, places in by_kind.items() for i in range(quota[kind])]
    return [mutants[i] for i in sorted(chosen)]


# Measuring. ----------------------------------------------------------------------------------------------------------


def mutation_score(
    tests: str | Sequence[str],
    mutants: Iterable[Mutant],
    *,
    root: str | os.PathLike[str] = ".",
    package: str | Sequence[str] = (),
    also: Sequence[str] = (),
    jobs: int = 2,
    timeout: float = 600.0,
    extensions: bool = False,
    progress: Callable[[str], object] | None = None,
) -> Score:
    """Apply each mutant to a copy of a package, run the tests on it, and count the mutants that they notice.

    Args:
        tests: a list of arguments for pytest, such as ``["tests"]``; or, as one text, a command whose exit status 0
            means that all tests pass, such as ``"python -m unittest discover"``. The copy is the working directory,
            and first on the path of imports. Tests that read other files need these in `also`.
        mutants: the catalogue.
        root: the folder that holds the package and the tests.
        package: the packages (or single modules) under test, relative to the root, such as ``"src/mine"``; default:
            those that the mutants' files belong to.
        also: further files and folders, relative to the root, that the tests read.
        jobs: how many mutants to try at a time.
        timeout: seconds that a run of the tests may take; one on a mutant also at most 20 s and five times as long as
            without it. A mutant on which the tests hang counts as killed.
        extensions: whether to copy extension modules. Those that stand beside a Python source of their name never
            are, since the mutant would have no effect; those without one raise ImportError in the copy by default.
        progress: called with a line of text whenever something is known, such as ``print``.

    Returns:
        The score. Ctrl-C ends it early: the score then tells what was found so far.

    Raises:
        MutationError: naming each mutant whose text is not in its file once; or if the tests that mutants name (all,
            where one names none) fail on a copy without a mutant, with the failure; or if they import the package from
            somewhere else than the copy. Should only the rest of the tests fail so, a mutant that needs them has the
            verdict "error".
    """
    begin = time.perf_counter()
    home = Path(root).resolve()
    listed = list(mutants)
    texts = _mutated_texts(listed, home)
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ValueError(f"jobs is a whole number from 1 on, got {jobs!r}")
    if not timeout > 0:
        raise ValueError(f"timeout is a number of seconds above 0, got {timeout!r}")
    packages = [package] if isinstance(package, str) else list(package) or _packages(listed, home)
    wanted = [*packages, *also, *_test_files(tests, listed, home)]
    say = progress or (lambda line: None)
    outcomes: dict[int, Outcome] = {}
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        clean = Path(folder, "clean")
        _copy(home, clean, wanted, extensions)
        crew = _Crew(Path(folder), clean, packages, min(jobs, len(listed)), say)
        say(f"{len(listed)} mutant{'s' * (len(listed) != 1)}; first the tests without any")
        try:
            suite = _Command(tests, crew, timeout) if isinstance(tests, str) else _Pytest(tests, crew, timeout)
            notes += suite.prepare(listed)
            running = {crew.start(suite.outcome, m, texts[i]): i for i, m in enumerate(listed)}
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    i = running.pop(future)
                    outcomes[i] = x = future.result()
                    how = f"  by {x.how}" if x.verdict == "killed" else f"  {x.how}" if x.how else ""
                    count = f"[{len(outcomes)}/{len(listed)}]"
                    verdict = x.verdict.upper() if x.verdict != "killed" else x.verdict
                    say(f"{count:>9} {verdict:8} {x.seconds:5.1f} s  {x.mutant.name}{how}")
        except KeyboardInterrupt:
            notes.append("stopped by Ctrl-C")
        finally:
            crew.stop()
    ordered = tuple(outcomes[i] for i in sorted(outcomes))
    return Score(ordered, len(listed), time.perf_counter() - begin, tuple(notes))


def _mutated_texts(mutants: Sequence[Mutant], root: Path) -> list[str]:
    """Return the changed text of each mutant's file; an error names all that do not apply."""
    if not mutants:
        raise MutationError("there are no mutants to try")
    wrong, texts, names = [], [], set()
    sources: dict[str, str] = {}
    for m in mutants:
        if m.name in names:
            wrong.append(f"mutant {m.name!r}: the name is taken; each mutant has a name of its own")
        names.add(m.name)
        if not _is_inside(m.file):
            wrong.append(f"mutant {m.name!r}: {m.file} is no path below the root {root}")
            continue
        try:
            if m.file not in sources:
                sources[m.file] = (root / m.file).read_text(encoding="utf-8")
            texts.append(m.apply(sources[m.file]))
        except OSError as error:
            wrong.append(f"mutant {m.name!r}: {m.file} cannot be read ({error.strerror}); files are relative to {root}")
        except MutationError as error:
            wrong.append(str(error))
    if wrong:
        raise MutationError("\n".join(wrong))
    return texts


def _packages(mutants: Sequence[Mutant], root: Path) -> list[str]:
    """Return the outermost packages, or single modules, that the mutants' files belong to."""
    found: dict[str, None] = {}
    for m in mutants:
        path = Path(m.file)
        while (root / path.parent / "__init__.py").exists() and path.parent != Path():
            path = path.parent
        found[path.as_posix()] = None
    return list(found)


def _test_files(tests: str | Sequence[str], mutants: Sequence[Mutant], root: Path) -> list[str]:
    """Return the files and folders that the arguments of pytest name."""
    if isinstance(tests, str):
        _command(tests)
        return []
    named = [t.partition("::")[0] for t in (*tests, *(t for m in mutants for t in m.tests)) if not t.startswith("-")]
    found = [path for path in named if (root / path).exists()]
    for path in found:
        if not _is_inside(path):
            raise MutationError(f"the tests {path!r} are no path below the root {root}; name their files or folders")
    if not found:
        raise MutationError(f"tests={list(tests)!r} names no file or folder below the root {root}, as in ['tests']")
    return found


def _is_inside(path: str) -> bool:
    """Whether a path leads below the folder that it is relative to; else the checkout would change, not the copy."""
    parts = Path(path).parts
    return bool(parts) and not Path(path).is_absolute() and ".." not in parts


# Copies. -------------------------------------------------------------------------------------------------------------

#: Files of the root that pytest reads, copied where they exist.
_CONFIGURATION = ("pyproject.toml", "pytest.toml", "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "conftest.py")

_LEFT_OUT = "raise ModuleNotFoundError('extension modules are left out of the copies of mutants', name=__name__)\n"


def _copy(root: Path, to: Path, wanted: Iterable[str], extensions: bool) -> None:
    """Copy files and folders of the root without what was built; a folder comes whole, up to the root's own entry."""

    def skipped(folder: str, names: list[str]) -> set[str]:
        skip = {n for n in names if n in ("__pycache__", ".git", ".hypothesis") or n.endswith((".pyc", ".egg-info"))}
        for n in names:
            stem = _module(n)
            if stem and (not extensions or f"{stem}.py" in names):
                skip.add(n)
        return skip

    to.mkdir()
    for path in wanted:
        if not _is_inside(path) or not (root / path).exists():
            raise MutationError(f"{path!r} is to be copied, but is no path below the root {root}")
    existing = [name for name in _CONFIGURATION if (root / name).exists()]
    for entry in dict.fromkeys(Path(path).parts[0] for path in (*wanted, *existing)):
        source = root / entry
        if source.is_dir():
            shutil.copytree(source, to / entry, ignore=skipped)
            if not extensions:
                _leave_out(source, to / entry)
        else:
            shutil.copy2(source, to / entry)


def _module(name: str) -> str:
    """Return the name of the extension module in a file of this name, or nothing."""
    suffix = max((s for s in EXTENSION_SUFFIXES if name.endswith(s)), key=len, default="")
    return name[: -len(suffix)] if suffix else ""


def _leave_out(source: Path, to: Path) -> None:
    """Put a module that raises where an extension module was: else an editable install would offer the real one."""
    for folder, _, names in os.walk(source):
        for name in names:
            stem = _module(name)
            stub = to / Path(folder).relative_to(source) / f"{stem}.py"
            if stem and stub.parent.exists() and not stub.exists():
                stub.write_text(_LEFT_OUT)


# Suites of tests. ----------------------------------------------------------------------------------------------------


class _Result(NamedTuple):
    """What came of one run of the tests.

    Attributes:
        code: the exit status; negative after a signal; None if it was stopped for its time.
        seconds: the time it took.
        seen: of pytest: "failed", "broken" (what could not be collected), "collected", "modules".
        log: the end of what it printed.
    """

    code: int | None
    seconds: float
    seen: Mapping[str, Any]
    log: str

    @property
    def passed(self) -> bool:
        return self.code == 0

    def story(self) -> str:
        """Say how it failed."""
        if self.code is None:
            return f"a run that hung: stopped after {self.seconds:.0f} s"
        if self.code < 0:
            return f"a crash: the tests ended by the signal {-self.code}"
        return str(self.seen.get("failed") or f"the exit status {self.code}")


class _Command:
    """Tests that are a command: they pass with the exit status 0."""

    def __init__(self, tests: str, crew: _Crew, timeout: float) -> None:
        self.command = _command(tests)
        self.crew = crew
        self.timeout = timeout
        self.limit = timeout

    def prepare(self, mutants: Sequence[Mutant]) -> list[str]:
        """Run the tests without a mutant, and once on files that cannot be imported."""
        result = self.crew.run({"command": self.command}, self.timeout)
        if not result.passed:
            raise _red(result)
        self.limit = _limit(result.seconds, self.timeout)
        self.crew.say(f"the tests pass without a mutant, in {result.seconds:.1f} s")
        broken = {m.file: "raise ImportError('every test should fail')\n" for m in mutants}
        with self.crew.copy(broken) as folder:
            if self.crew.run({"command": self.command}, self.limit, folder).passed:
                raise MutationError(
                    f"the command {shlex.join(self.command)!r} passes even when {', '.join(broken)} cannot be "
                    "imported, so it does not test the copy; let it import the package from the working directory"
                )
        return []

    def outcome(self, mutant: Mutant, text: str) -> Outcome:
        """Try a mutant."""
        with self.crew.copy({mutant.file: text}) as folder:
            result = self.crew.run({"command": self.command}, self.limit, folder)
        return Outcome(mutant, *(("survived", "") if result.passed else ("killed", result.story())), result.seconds)


def _command(text: str) -> list[str]:
    words = shlex.split(text)
    if not words or not (shutil.which(words[0]) or words[0] == "python"):
        raise MutationError(f"tests={text!r} is no command that can be found; for pytest give a list, as in ['tests']")
    return [sys.executable if words[0] == "python" else words[0], *words[1:]]


class _Usual(NamedTuple):
    """What tests do without a mutant: they pass, in so many seconds, and perhaps only if hypothesis shrinks."""

    seconds: float
    shrink: bool


class _Pytest:
    """Tests that pytest runs: those that a mutant names first, the others if these pass."""

    def __init__(self, tests: Sequence[str], crew: _Crew, timeout: float) -> None:
        self.tests = tuple(tests)
        self.crew = crew
        self.timeout = timeout
        #: The tests that a mutant names, by its name, as far as they exist.
        self.named: dict[str, tuple[str, ...]] = {}
        self._usual: dict[tuple[str, ...], _Usual] = {}
        self._broken: MutationError | None = None
        self._lock = threading.Lock()

    def prepare(self, mutants: Sequence[Mutant]) -> list[str]:
        """Look at the tests that are named, let the servers import what they import, and see that they pass."""
        files = list(dict.fromkeys(t.partition("::")[0] for m in mutants for t in m.tests))
        for file in files:
            if not (self.crew.clean / file).exists():
                raise MutationError(f"a mutant names {file!r} among its tests, but the root has no such file")
        look = {"pytest": [*(files or self.tests), "--collect-only"], "first": True}
        result = self.crew.run(look, self.timeout)
        if not result.passed:
            raise _red(result)
        modules = result.seen["modules"]
        own = {name for name, file in modules if Path(file).is_relative_to(self.crew.clean)}
        for name, file in modules:
            if name.partition(".")[0] in self.crew.tops and name not in own:
                raise MutationError(
                    f"the tests import {name} from {file}, not from the copy; see that no conftest.py or option puts "
                    "another place before it"
                )
        notes = self._names(mutants, result.seen["collected"])
        self.crew.preload([name for name, _ in modules if name not in own])
        parts = dict.fromkeys(self.named.values())
        if () in parts:
            parts = dict.fromkeys([self.tests, *(part for part in parts if part)])
        # Each part alone, as it will run on mutants: a test may lean on one that runs before it.
        runs = {part: self.crew.start(self._pass, part) for part in parts}
        self._usual = {part: run.result() for part, run in runs.items()}
        total = sum(usual.seconds for usual in self._usual.values())
        self.crew.say(f"the tests that are needed first pass without a mutant, in {total:.1f} s")
        return notes

    def _names(self, mutants: Sequence[Mutant], known: Sequence[str]) -> list[str]:
        """Note the tests that mutants name; the file stands in for one that is gone."""
        notes = []
        for m in mutants:
            there = []
            for t in m.tests:
                gone = not any(k == t or k.startswith((f"{t}[", f"{t}::", f"{t}/")) for k in known)
                if gone:
                    notes.append(f"mutant {m.name!r} names {t}, which does not exist; its file was run in its place")
                there.append(t.partition("::")[0] if gone else t)
            self.named[m.name] = tuple(dict.fromkeys(there))
        return notes

    def _pass(self, tests: tuple[str, ...]) -> _Usual:
        """Run tests without a mutant; they must pass."""
        run = {"pytest": [*tests, "--tb=short"]}
        result = self.crew.run(run, self.timeout)
        if result.passed:
            return _Usual(result.seconds, False)
        if result.code is not None:
            again = self.crew.run({**run, "shrink": True}, self.timeout)
            if again.passed:
                return _Usual(again.seconds, True)
        raise _red(result)

    def outcome(self, mutant: Mutant, text: str) -> Outcome:
        """Try a mutant on the tests that it names, and on the others if these pass."""
        named, spent = self.named[mutant.name], 0.0
        with self.crew.copy({mutant.file: text}) as folder:
            if named:
                result = self._try(named, self._usual[named], folder)
                spent += result.seconds
            if not named or (result.passed and result.seen):
                try:
                    usual = self._all()
                except MutationError as red:
                    how = f"the tests that it names pass; beyond them, {str(red).splitlines()[0].rstrip(':')}"
                    return Outcome(mutant, "error", how, spent)
                result = self._try((*self.tests, *(f"--deselect={t}" for t in named)), usual, folder)
                spent += result.seconds
        if result.seen.get("broken"):
            return Outcome(mutant, "error", f"the tests cannot be imported: {result.seen['broken']}", spent)
        if result.seen and result.code in (0, 5):  # 5: no test is left
            return Outcome(mutant, "survived", "", spent)
        if result.code is None or result.code in (0, 1, 2) or result.code < 0:  # 2: a KeyboardInterrupt in a test
            return Outcome(mutant, "killed", result.story(), spent)
        last = (result.log.strip() or "no output").splitlines()[-1]
        return Outcome(mutant, "error", f"pytest ended with the status {result.code}: {last}", spent)

    def _try(self, tests: Sequence[str], usual: _Usual, folder: Path) -> _Result:
        request = {"pytest": [*tests, "--tb=no", "--maxfail=1"], "shrink": usual.shrink}
        return self.crew.run(request, _limit(usual.seconds, self.timeout), folder)

    def _all(self) -> _Usual:
        """Return what all tests do without a mutant; they run when the first mutant needs them."""
        with self._lock:
            if self._broken is not None:
                raise self._broken
            if self.tests not in self._usual:
                try:
                    self._usual[self.tests] = self._pass(self.tests)
                except MutationError as red:
                    self._broken = red
                    self.crew.say(str(red))
                    raise
                self.crew.say(f"all tests pass without a mutant, in {self._usual[self.tests].seconds:.1f} s")
            return self._usual[self.tests]


def _limit(usual: float, timeout: float) -> float:
    return min(timeout, 20.0 + 5.0 * usual)


def _red(result: _Result) -> MutationError:
    how = result.seen.get("broken") or result.story()
    return MutationError(f"without any mutant the tests fail, by {how}, so they can tell nothing:\n{result.log}")


# The folder and the threads of a run. --------------------------------------------------------------------------------


class _Crew:
    """The folder of a run, with threads that run tests on copies in it, each with a process to do so."""

    def __init__(
        self, folder: Path, clean: Path, packages: Sequence[str], jobs: int, say: Callable[[str], object]
    ) -> None:
        self.folder = folder
        self.clean = clean
        self.say = say
        #: Folders to import from, and the names under test.
        self.paths = list(dict.fromkeys(Path(p).parent.as_posix() for p in packages))
        self.tops = {Path(p).stem for p in packages}
        self._pool = ThreadPoolExecutor(jobs)
        self._workers = [Forks(folder) if CAN_FORK else Processes(folder) for _ in range(jobs)]
        self._idle: queue.SimpleQueue[Processes] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._stopping = False
        self._count = iter(range(10**9))

    def start(self, task: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run a task in a thread of the crew."""
        return self._pool.submit(task, *args)

    def run(self, request: dict[str, Any], timeout: float, folder: Path | None = None) -> _Result:
        """Run tests on a copy, by default the clean one."""
        at = folder or self.clean
        report = self.folder / f"report{next(self._count)}"
        paths = [str(at / p) for p in self.paths]
        request = {**request, "folder": str(at), "paths": paths, "report": str(report)}
        worker = self._idle.get()
        try:
            code, seconds = worker.run(request, timeout)
            if self._stopping:
                raise Stopped  # so the run was cut short
        finally:
            self._idle.put(worker)
        log = report.with_suffix(".log")
        seen = json.loads(report.read_text()) if report.exists() else {}
        text = log.read_text(errors="replace")[-6000:] if log.exists() else ""
        for file in (report, log):
            file.unlink(missing_ok=True)
        return _Result(code, seconds, seen, text)

    def preload(self, modules: Sequence[str]) -> None:
        """Let every worker import these, but nothing under test."""
        chosen = [name for name in modules if name.partition(".")[0] not in self.tops]
        for load in [self.start(w.preload, chosen, sorted(self.tops)) for w in self._workers]:
            load.result()

    @contextlib.contextmanager
    def copy(self, changes: Mapping[str, str]) -> Iterator[Path]:
        """Give a fresh copy with other texts in some files, and remove it in the end."""
        folder = self.folder / f"copy{next(self._count)}"
        try:
            shutil.copytree(self.clean, folder)
            for name, text in changes.items():
                file = folder / name
                file.write_text(text, encoding="utf-8")
                for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
                    compiled.unlink()  # it is told from a stale one by size and time, which may agree
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def stop(self) -> None:
        """End all runs and threads."""
        self._stopping = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.stop()
        self._pool.shutdown()


# The command. --------------------------------------------------------------------------------------------------------

_HELP = """\
A catalogue is a Python file with a list MUTANTS:

    from autograd.testing.mutation import Mutant

    MUTANTS = [
        Mutant("cos-sign", "-sin(x)", "sin(x)", "a sign is easily lost", "cos'(1) < 0",
               file="mine/rules.py", kind="rules", tests=["tests/test_rules.py::test_cos"]),
    ]
    TESTS = ["tests"]     # arguments for pytest, or a command as one text; this is the default
    ALSO = ["data"]       # what the tests read besides; paths are relative to the root

The arguments of a Mutant are its name, a text of the file, what takes its place, why one could write that, and what
would notice it. A text that is not in the file just once is an error, so a catalogue cannot go stale unseen. First
the tests must pass without a mutant. Then each mutant is applied to a copy of the package, without its extension
modules: the tests that it names run, and all others if these pass. It is killed when one fails, and survives when
none does; a survivor is printed with the test that is missing. Tests that hang on a mutant have killed it, too.

The exit status is 0 if enough mutants were killed, 1 if not, 2 if that could not be measured, 130 after Ctrl-C.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        argv: the arguments; default those of the process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m autograd.testing.mutation",
        description="Measure a test suite by how many wrong changes of the sources it notices.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("catalogue", type=Path, help="a Python file with a list MUTANTS")
    parser.add_argument("-k", metavar="WORDS", default="", help="only mutants with all these words in their texts")
    parser.add_argument("--sample", metavar="N", type=int, help="only N of them, spread over the classes")
    parser.add_argument("--jobs", metavar="N", type=int, default=2, help="how many at a time (default 2)")
    parser.add_argument("--at-least", metavar="SHARE", type=float, default=0.95, help="share to kill (default 0.95)")
    parser.add_argument("--timeout", metavar="S", type=float, default=600.0, help="seconds for the tests (default 600)")
    parser.add_argument("--root", type=Path, help="default: the nearest folder above that has a pyproject.toml")
    parser.add_argument("--list", action="store_true", help="print the mutants, try none")
    given = parser.parse_args(argv)
    if not 0 <= given.at_least <= 1:
        parser.error(f"--at-least is a share from 0 to 1, got {given.at_least}")
    if not given.catalogue.is_file():
        parser.error(f"there is no file {given.catalogue}")
    catalogue = runpy.run_path(str(given.catalogue))
    if not catalogue.get("MUTANTS"):
        parser.error(f"{given.catalogue} has no list MUTANTS, or an empty one")
    if not all(isinstance(m, Mutant) for m in catalogue["MUTANTS"]):
        parser.error(f"{given.catalogue}: MUTANTS is a list of autograd.testing.mutation.Mutant")
    chosen = [m for m in catalogue["MUTANTS"] if m._matches(given.k.split())]
    if not chosen:
        parser.error(f"no mutant has all the words {given.k!r}; --list shows them")
    try:
        chosen = chosen if given.sample is None else sample(chosen, given.sample)
        if given.list:
            return _print_list(chosen)
        with _sigterm_as_ctrl_c():
            score = mutation_score(
                catalogue.get("TESTS", ["tests"]),
                chosen,
                root=given.root or _root(given.catalogue.resolve()),
                package=catalogue.get("PACKAGE", ()),
                also=catalogue.get("ALSO", ()),
                jobs=given.jobs,
                timeout=given.timeout,
                progress=lambda line: print(line, flush=True),
            )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(score, flush=True)
    if score.interrupted:
        return 130
    return 2 if score.errors else int(score.share < given.at_least)


def _print_list(mutants: Sequence[Mutant]) -> int:
    kind = None
    for m in mutants:
        if m.kind != kind:
            kind = m.kind
            print(f"{kind or 'others'}:")
        print(f"    {m.name:28} {m.file:24} {m.reason}")
    print(f"{len(mutants)} mutant{'s' * (len(mutants) != 1)}")
    return 0


def _root(catalogue: Path) -> Path:
    found = (p for p in catalogue.parents if any((p / f).exists() for f in ("pyproject.toml", "setup.py", ".git")))
    return next(found, catalogue.parent)


@contextlib.contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """A polite end from outside cleans up like one from the keyboard."""
    old = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)


if __name__ == "__main__":
    from autograd.testing.mutation import main as imported_main  # one class Mutant, not two

    sys.exit(imported_main())
