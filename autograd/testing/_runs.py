"""Runs of tests on copies of sources: the engine of `mutation`.

A run is a request, a dict: "folder" (the copy, the working directory), "paths" (where imports look first), "report" (a
file to write), and "pytest" (arguments) or "command" (a list of words). `Forks` runs pytest in forks of a server that
has imported what the tests need, `Processes` in a process each, which works everywhere and takes longer. Server and
runs execute this very file as a script, without `autograd`, which may be the package under test: it imports the
standard library alone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Stopped(Exception):
    """The run was ended from outside."""


class Processes:
    """Runs tests in a process each.

    Args:
        folder: where a server may leave files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[Any] | None = None
        self._stopped = False
        self._lock = threading.Lock()  # `stop` comes from another thread

    def run(self, request: dict[str, Any], timeout: float) -> tuple[int | None, float]:
        """Return the exit status (None after the timeout) and the seconds; `Stopped` is raised once it was stopped."""
        begin = time.perf_counter()
        command = request.get("command") or [sys.executable, "-P", __file__, "--perform", json.dumps(request)]
        with open(request["report"] + ".log", "wb") as log:
            with self._lock:
                if self._stopped:
                    raise Stopped
                self._process = process = subprocess.Popen(
                    command, cwd=request["folder"], env=_environment(request["paths"]), start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                )  # fmt: skip
            try:
                code: int | None = process.wait(timeout)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                self._end_process()
        return code, time.perf_counter() - begin

    def preload(self, modules: Sequence[str], tops: Sequence[str]) -> None:
        """Import modules before the runs, but none of these packages; here nothing can be."""

    def stop(self) -> None:
        """End what is running, with all that it started; nothing more can be run."""
        with self._lock:
            self._stopped = True
        self._end_process()

    def _end_process(self) -> None:
        process = self._process
        if process is not None:
            _kill(process.pid)
            process.kill()
            process.wait()


class Forks(Processes):
    """Runs tests in forks of a server, which has imported what they need; commands run in a process each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server: subprocess.Popen[str] | None = None

    def run(self, request: dict[str, Any], timeout: float) -> tuple[int | None, float]:
        """Return the exit status (None after the timeout) and the seconds; `Stopped` is raised once it was stopped."""
        if "command" in request:
            return super().run(request, timeout)
        answer = self._ask({**request, "timeout": timeout})
        return answer.get("code", BROKEN), answer.get("seconds", 0.0)

    def preload(self, modules: Sequence[str], tops: Sequence[str]) -> None:
        """Let the server import modules, except packages that bring along what is under test."""
        while culprit := self._ask({"preload": modules, "tops": tops}).get("culprit"):
            self._end_server()  # a package cannot be forgotten; the next server does not import that one
            modules = [m for m in modules if m.partition(".")[0] != culprit.partition(".")[0]]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            if self._stopped:
                raise Stopped
            if self._server is None:
                self._server = subprocess.Popen(
                    [sys.executable, "-P", __file__, "--serve"], cwd=self._folder, env=_environment(()),
                    start_new_session=True, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )  # fmt: skip
            server = self._server
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            print(json.dumps(request), file=server.stdin, flush=True)
            line = server.stdout.readline()
        except (OSError, ValueError):
            line = ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        if self._stopped:
            raise Stopped
        self._end_server()  # the next request has a new one
        return {}

    def stop(self) -> None:
        """End the server and what it is running."""
        super().stop()
        self._end_server()

    def _end_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.terminate()  # it takes its child along
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            for stream in (server.stdin, server.stdout):
                with contextlib.suppress(OSError):
                    stream.close()  # type: ignore[union-attr]


#: The exit status of a run that could not be made.
BROKEN = 70

#: macOS has libraries that do not survive a fork.
CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"


def _environment(paths: Sequence[str]) -> dict[str, str]:
    """Return the environment of a run: subprocesses of the tests, too, import from the copy, and nothing is cached."""
    old = os.environ.get("PYTHONPATH")
    joined = os.pathsep.join([*paths, *([old] if old else [])])
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # jobs share the machine, and forks no threads
    return {**threads, **os.environ, "PYTHONPATH": joined, "PYTHONDONTWRITEBYTECODE": "1"}


def _kill(group: int) -> None:
    """Kill a group of processes, if there is such a thing."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


# Inside the processes. -----------------------------------------------------------------------------------------------


def _serve() -> None:
    """Answer requests: import modules, or run tests in a fork."""
    child = 0

    def end(*_: object) -> None:
        if child:
            _kill(child)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an import prints is no answer
    for line in sys.stdin:
        request = json.loads(line)
        if "preload" in request:
            answer: dict[str, Any] = {"culprit": _preload(request["preload"], request["tops"])}
        else:
            begin = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which a library may have started
                child = os.fork()
            if not child:
                _forked(request)
            code = _wait(child, request["timeout"])
            child = 0
            answer = {"code": code, "seconds": time.perf_counter() - begin}
        print(json.dumps(answer), file=answers, flush=True)
    end()


def _preload(modules: Sequence[str], tops: Sequence[str]) -> str:
    """Import modules; return the first that brought along one of the packages, or nothing."""
    for name in modules:
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(name)
        if any(top in sys.modules for top in tops):
            return name
    gc.collect()
    gc.freeze()  # what is there stays shared with the forks
    return ""


def _forked(request: dict[str, Any]) -> None:
    """Be the child of a server: a session of its own, the usual signals, and no way to the server's requests."""
    code = BROKEN
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(request["report"] + ".log", os.O_WRONLY | os.O_CREAT)
        for source, to in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, to)
        sys.stdin = open(os.devnull)  # noqa: SIM115
        os.chdir(request["folder"])
        os.environ.update(_environment(request["paths"]))
        code = _perform(request)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait(child: int, timeout: float) -> int | None:
    """Return the exit status of a child, negative after a signal, or None if it was killed for its time."""
    end = time.monotonic() + timeout
    pause = 0.001
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            _kill(child)  # what it has left behind
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            _kill(child)
            os.waitpid(child, 0)
            return None
        time.sleep(pause)
        pause = min(2 * pause, 0.02)


def _perform(request: dict[str, Any]) -> int:
    """Run pytest in this process, in the folder of a copy, and leave a report of what was seen."""
    sys.path[:0] = request["paths"]
    sys.dont_write_bytecode = not request.get("first")  # copies get the bytecode of the clean one
    importlib.invalidate_caches()
    before = set(sys.modules)
    import pytest

    seen: dict[str, Any] = {"failed": "", "broken": "", "collected": [], "modules": []}

    class Watch:
        @pytest.hookimpl(trylast=True)
        def pytest_configure(self) -> None:
            if not request.get("shrink"):
                _do_not_shrink()

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.failed:
                seen["failed"] = seen["failed"] or report.nodeid

        def pytest_collectreport(self, report: Any) -> None:
            if report.failed:
                lines = str(report.longrepr).strip().splitlines() or [""]
                seen["broken"] = seen["broken"] or f"{report.nodeid}: {lines[-1].strip()}"

        def pytest_collection_finish(self, session: Any) -> None:
            seen["collected"] = [item.nodeid for item in session.items] if request.get("first") else []

    # Asserts as they are: a plugin that is imported already could not be rewritten, and nobody reads the messages.
    options = ["--assert=plain", "-p", "no:cacheprovider", f"--rootdir={request['folder']}"]
    sys.argv = ["pytest", *request["pytest"]]
    code = int(pytest.main([*request["pytest"], *options], plugins=[Watch()]))
    if request.get("first"):
        seen["modules"] = [(name, _origin(name)) for name in list(sys.modules) if name not in before and _origin(name)]
    Path(request["report"]).write_text(json.dumps(seen))
    return code


def _origin(name: str) -> str:
    return str(getattr(sys.modules[name], "__file__", None) or "")


def _do_not_shrink() -> None:
    """Let hypothesis stop at the first failing example: making it small, or keeping it, is of no use here."""
    if "hypothesis" in sys.modules:
        from hypothesis import Phase, settings

        now = settings()
        phases = [p for p in now.phases if p not in (Phase.shrink, Phase.explain, Phase.reuse)]
        settings.register_profile("mutants", now, phases=phases, database=None)
        settings.load_profile("mutants")


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        _serve()
    sys.exit(_perform(json.loads(sys.argv[2])))
