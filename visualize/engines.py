"""Finding a layout engine and running it: in a child process, with a timeout, after a smoke test.

Graphviz crashes on some inputs and takes minutes on others, so it never runs inside this process. The engines are
tried in this order: the one asked for, the one that GRAPHVIZ_DOT names, `dot` on the PATH, the one embedded in the
wheel graphviz-pure, pygraphviz. Who finds none lays out with `visualize.layout`, which needs none.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

#: The name of the layout that needs no engine.
BUILTIN = "builtin"

#: What a smoke test and a layout may take, in seconds.
SMOKE_TIMEOUT = 15.0

#: Options for a picture in which everything has its place already: nothing is laid out.
PINNED = "-Knop2"

#: A graph whose layout or picture tells whether an engine works, text beyond ASCII included.
_SMOKE = 'digraph { a [label="δ → 1" pos="20,20"]; b [pos="120,20"]; a -> b [pos="e,100,20 40,20 60,20 70,20 90,20"] }'

# Reads DOT from stdin and writes the result to stdout, as the dot program does; a crash in there is only a child's.
_PYGRAPHVIZ = """
import sys, pygraphviz
args = sys.argv[1:]
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format=args[-1][2:], prog=args[0][2:], args=" ".join(args[1:-1])))
"""


class EngineError(RuntimeError):
    """A layout engine that was asked for is missing, or did not do what was asked."""


class EngineTimeoutError(EngineError):
    """A layout engine ran out of time."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that lays out DOT.

    Args:
        name: what messages and captions call it.
        command: how it starts; the options of the `dot` program follow.
    """

    name: str
    command: tuple[str, ...]

    def run(self, dot: str, options: Sequence[str], timeout: float) -> bytes:
        """Run the engine on DOT source and return what it writes.

        Args:
            dot: the source.
            options: as of the dot program, the last one the format: ["-Kdot", "-Tsvg"].
            timeout: in seconds; the engine and what it started are killed after that.

        Raises:
            EngineTimeoutError: if it took longer.
            EngineError: if it cannot be started, crashes or fails; with what it said.
        """
        try:
            child = subprocess.Popen(
                [*self.command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=os.name == "posix",
            )  # fmt: skip
        except OSError as error:
            raise EngineError(f"the layout engine {self.name} cannot be started: {error}") from error
        try:
            out, err = child.communicate(dot.encode(), timeout=timeout)
        except subprocess.TimeoutExpired:
            raise EngineTimeoutError(
                f"the layout engine {self.name} did not finish in {timeout:g} s; give it longer with timeout=, "
                f"or draw with engine={BUILTIN!r} or view='levels', which need none"
            ) from None
        finally:
            _kill(child)
        if child.returncode != 0:
            said = err.decode(errors="replace").strip().splitlines()
            how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit status {child.returncode}"
            raise EngineError(f"the layout engine {self.name} failed ({how}): {said[-1] if said else 'without a word'}")
        return out

    def works(self, kind: str) -> bool:
        """Whether the engine passes the smoke test for a kind of output: "json0" or a picture's format."""
        return _complaint(self, kind) == ""


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and everything in its session: a wrapper script's engine would go on and hold the pipes."""
    if child.poll() is None:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            child.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(5)
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


@functools.cache
def _complaint(engine: Engine, kind: str) -> str:
    """Return what is wrong with an engine for a kind of output, "" if nothing; asked once per process."""
    try:
        if kind != "json0" and not _pins(engine.run(_SMOKE, [PINNED, "-Tjson0"], SMOKE_TIMEOUT)):
            return f"the layout engine {engine.name} does not keep nodes in their places"
        out = engine.run(_SMOKE, ["-Kdot" if kind == "json0" else PINNED, f"-T{kind}"], SMOKE_TIMEOUT)
    except EngineError as error:
        return str(error)
    if looks_like(kind, out):
        return ""
    return f"the layout engine {engine.name} wrote {out[:40]!r} when asked for {kind}"


def _pins(out: bytes) -> bool:
    """Whether the nodes of the smoke test have kept their places, b 100 points to the right of a."""
    try:
        (ax, ay), (bx, by) = (map(float, node["pos"].split(",")) for node in json.loads(out)["objects"])
    except (ValueError, KeyError, TypeError):
        return False
    return abs(bx - ax - 100) < 1 and abs(by - ay) < 1


def looks_like(kind: str, out: bytes) -> bool:
    """Whether an engine's output is of the kind that it was asked for."""
    if kind == "json0":
        try:
            drawn = json.loads(out)
            return len(drawn["objects"]) == 2 and all("pos" in o for o in drawn["objects"])
        except (ValueError, KeyError, TypeError):
            return False
    magic = {"png": b"\x89PNG\r\n", "pdf": b"%PDF-", "svg": b"<"}
    return out.startswith(magic.get(kind, b""))


def named(engine: str | os.PathLike[str]) -> Engine:
    """Return the engine that a user asks for.

    Args:
        engine: "dot", "graphviz-pure", "pygraphviz", or the path of a program that takes the options of `dot`.

    Raises:
        EngineError: if it is not there.
    """
    name = os.fspath(engine)
    if name == "graphviz-pure":
        found = embedded()
        if found is None:
            raise EngineError("graphviz-pure is not installed; pip install graphviz-pure")
        return Engine(name, (found,))
    if name == "pygraphviz":
        return Engine(name, (sys.executable, "-c", _PYGRAPHVIZ))
    program = shutil.which(name)
    if program is None:
        raise EngineError(f"there is no program {name!r} to lay out the graph; engine= is 'dot', 'graphviz-pure', "
                          f"'pygraphviz', {BUILTIN!r} or the path of a program with the options of dot")
    return Engine(Path(name).name, (program,))


def embedded() -> str | None:
    """Return the path of the engine inside the wheel graphviz-pure, or None; its folder is often not on the PATH."""
    try:
        files = metadata.files("graphviz-pure") or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        path = Path(str(file.locate()))
        if path.stem == "graphviz-pure" and path.suffix in ("", ".exe") and path.is_file():
            return os.path.normpath(path)
    return None


def candidates() -> Iterator[Engine]:
    """Yield the engines that may be there, best first."""
    chosen = os.environ.get("GRAPHVIZ_DOT")
    if chosen:
        with contextlib.suppress(EngineError):
            yield named(chosen)
    with contextlib.suppress(EngineError):
        yield named("dot")
    with contextlib.suppress(EngineError):
        yield named("graphviz-pure")
    try:
        metadata.version("pygraphviz")
    except metadata.PackageNotFoundError:
        return
    yield named("pygraphviz")


def working(kind: str, engine: str | os.PathLike[str] | None = None) -> Iterator[Engine]:
    """Yield the engines that pass the smoke test for a kind of output, best first.

    Args:
        kind: "json0" for positions, or a picture's format.
        engine: the one that the user asks for; then no other is tried.

    Raises:
        EngineError: if the engine asked for does not work.
    """
    if engine is not None:
        asked = named(engine)
        complaint = _complaint(asked, kind)
        if complaint:
            raise EngineError(f"engine={os.fspath(engine)!r} was asked for and does not work: {complaint}")
        yield asked
        return
    for candidate in candidates():
        if candidate.works(kind):
            yield candidate
