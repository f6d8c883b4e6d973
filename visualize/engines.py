"""Finding a layout engine and running it: in a child process, with a timeout, after a smoke test.

Graphviz crashes on some inputs and takes minutes on others, so it never runs inside this process. The engines are
tried in this order: the one asked for, the one that GRAPHVIZ_DOT names, `dot` on the PATH, the one embedded in the
wheel graphviz-pure, pygraphviz. An engine that is there but does not work is passed over, and the `Search` remembers
why. Who finds none lays out with `visualize.layout`, which needs none.
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
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

#: The name of the layout that needs no engine.
BUILTIN = "builtin"

#: What a run of the smoke test may take, in seconds: hundreds of times what it takes, for machines with much to do.
SMOKE_TIMEOUT = 5.0
#: Dots per inch of a PNG.
DPI = 144

#: The bold font in a picture's source; each engine is given its own name of it. In a label its quotes are escaped.
BOLD = 'fontname="Helvetica-Bold"'

#: Options for a picture in which everything has its place already: nothing is laid out.
PINNED = "-Knop2"

#: A graph whose layout or picture tells whether an engine works, text beyond ASCII included.
_SMOKE = 'digraph { a [label="δ → 1" pos="20,20"]; b [pos="120,20"]; a -> b [pos="e,100,20 40,20 60,20 70,20 90,20"] }'

# Reads DOT from stdin and writes the result to stdout, as the dot program does; a crash in there is only a child's.
_PYGRAPHVIZ = """
import sys, pygraphviz
if int(pygraphviz.__version__.split(".")[0]) < 2:
    sys.exit(f"version {pygraphviz.__version__} is older than 2")
args = sys.argv[1:]
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format=args[-1][2:], prog=args[0][2:], args=" ".join(args[1:-1])))
"""


class EngineError(RuntimeError):
    """A layout engine that was asked for is missing, or did not do what was asked.

    Args:
        message: the whole of it.
        reason: what a caption says after the engine's name; the message if it is not given.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


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

    @property
    def bold(self) -> str:
        """What it calls a bold font of the widths that pictures count with.

        The embedded engine knows the fonts of PostScript; the others ask the system, whose Helvetica may be any font.
        """
        return "Helvetica-Bold" if self.name == "graphviz-pure" else "Arial Bold"

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
            raise self.error(f"cannot be started: {error}") from error
        try:
            out, err = child.communicate(dot.encode(errors="replace"), timeout=timeout)
        except subprocess.TimeoutExpired:
            reason = f"did not finish in {timeout:g} s"
            raise EngineTimeoutError(
                f"the layout engine {self.name} {reason}; give it longer with timeout=, "
                f"or draw with engine={BUILTIN!r} or view='levels', which need none", reason
            ) from None  # fmt: skip
        finally:
            _kill(child)
        if child.returncode != 0:
            said = err.decode(errors="replace").strip().splitlines()
            how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit status {child.returncode}"
            raise self.error(f"failed ({how}): {said[-1][:200] if said else 'without a word'}")
        return out

    def error(self, reason: str) -> EngineError:
        """Return the error that says what is wrong with this engine."""
        return EngineError(f"the layout engine {self.name} {reason}", reason)


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
def complaint(engine: Engine, kind: str) -> str:
    """Return why an engine does not pass the smoke test for a kind of output, "" if it does; tried once per process.

    An engine that cannot even lay out is tried for nothing else: one that hangs does so once.

    Args:
        engine: the engine.
        kind: "json0" for positions, or a picture's format.
    """
    try:
        if kind == "json0":
            out = engine.run(_SMOKE, ["-Kdot", "-Tjson0"], SMOKE_TIMEOUT)
        else:
            broken = complaint(engine, "json0")
            if broken:
                return broken
            if not _pins(engine.run(_SMOKE, [PINNED, "-Tjson0"], SMOKE_TIMEOUT)):
                return "does not keep nodes in their places"
            out = engine.run(_SMOKE, [PINNED, f"-T{kind}"], SMOKE_TIMEOUT)
    except EngineTimeoutError:
        return f"did not finish the smoke test in {SMOKE_TIMEOUT:g} s"
    except EngineError as error:
        return error.reason
    return "" if looks_like(kind, out) else f"wrote {out[:40]!r} when asked for {kind}"


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
            raise EngineError("graphviz-pure is not installed; pip install graphviz-pure", "is not installed")
        return Engine(name, (found,))
    if name == "pygraphviz":
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            raise EngineError(f"pygraphviz is not installed; {_EXTRA}", "is not installed") from None
        return Engine(name, (sys.executable, "-c", _PYGRAPHVIZ))
    program = shutil.which(name)
    if program is None:
        raise EngineError(f"there is no program {name!r} to lay out the graph; engine= is 'dot', 'graphviz-pure', "
                          f"'pygraphviz', {BUILTIN!r} or the path of a program with the options of dot", "is not there")
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


@dataclass(slots=True)
class Search:
    """The engines that pass the smoke test for a kind of output, best first; they are looked for while it is iterated.

    Args:
        kind: "json0" for positions, or a picture's format.
        asked: the engine that the user asks for; then no other is tried.
        passed: what was passed over and why, in the words of a caption: "dot failed (signal 11): without a word".
    """

    kind: str
    asked: str | os.PathLike[str] | None = None
    passed: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Engine]:
        """Yield the engines that work.

        Raises:
            EngineError: if the engine asked for is not there or does not work.
        """
        if self.asked is not None:
            engine = named(self.asked)
            why = complaint(engine, self.kind)
            if why:
                raise EngineError(f"engine={os.fspath(self.asked)!r} was asked for and does not work: "
                                  f"the layout engine {engine.name} {why}", why)
            yield engine
            return
        for engine in self.there():
            why = complaint(engine, self.kind)
            if why:
                self.passed.append(f"{engine.name} {why}")
            else:
                yield engine

    def there(self) -> Iterator[Engine]:
        """Yield the engines that are there, working or not. What GRAPHVIZ_DOT names is missed, the others are not."""
        chosen = os.environ.get("GRAPHVIZ_DOT")
        found: list[Engine] = []
        for name in (*([chosen] if chosen else []), "dot", "graphviz-pure", "pygraphviz"):
            try:
                engine = named(name)
            except EngineError as error:
                if name == chosen:
                    self.passed.append(f"GRAPHVIZ_DOT={chosen!r} {error.reason}")
                continue
            if engine not in found:
                found.append(engine)
                yield engine

    def failed(self, engine: Engine, error: EngineError) -> None:
        """Pass over an engine that failed at the task itself.

        Raises:
            EngineError: `error`, if it is the engine that was asked for.
        """
        if self.asked is not None:
            raise error
        self.passed.append(f"{engine.name} {error.reason}")


def working(kind: str, engine: str | os.PathLike[str] | None = None) -> Search:
    """Return the engines that pass the smoke test for a kind of output, best first, to be iterated.

    Args:
        kind: "json0" for positions, or a picture's format.
        engine: the one that the user asks for; then no other is tried.
    """
    return Search(kind, engine)


_EXTRA = "pip install 'dagrad[pdf]' (pygraphviz >= 2, which needs Graphviz's libraries)"
_ADVICE = {
    "png": "pip install graphviz-pure, or install Graphviz (apt install graphviz, brew install graphviz)",
    "pdf": f"{_EXTRA}, or install Graphviz itself (apt install graphviz, brew install graphviz), "
           "or print the SVG from a browser",
}  # fmt: skip


def picture(kind: str, dot: str, engine: str | os.PathLike[str] | None = None, timeout: float = 10.0) -> bytes:
    """Return a picture in which everything has its place already; nothing is laid out.

    Args:
        kind: "png" or "pdf".
        dot: the source, with all nodes and edges pinned; its bold font is `BOLD`.
        engine: the one that the user asks for, if any.
        timeout: in seconds.

    Raises:
        EngineError: if no engine makes it, with what each said and what to install.
    """
    search = working(kind, None if engine == BUILTIN else engine)
    options = [PINNED, *([f"-Gdpi={DPI}"] if kind == "png" else []), f"-T{kind}"]
    for candidate in search:
        try:
            out = candidate.run(dot.replace(BOLD, f'fontname="{candidate.bold}"'), options, timeout)
            if looks_like(kind, out):
                return out
            raise candidate.error(f"wrote something that is no {kind.upper()}")
        except EngineError as error:
            search.failed(candidate, error)
    why = "; ".join(search.passed) or f"no engine here writes {kind.upper()}"
    raise EngineError(f"cannot make a {kind.upper()}: {why}. {_ADVICE[kind]}; SVG needs no engine")
