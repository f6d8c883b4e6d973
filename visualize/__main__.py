"""The command ``python -m visualize``: draw a saved net, or what a Python file has made.

Exit status: 0 if all went well, 1 if something could not be read, drawn or written, 2 for a command line that makes no
sense, 130 after Ctrl-C. What is expected to go wrong is said in one sentence; an error in the user's own code shows
that code's traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import errno
import functools
import importlib
import importlib.util
import json
import math
import os
import pkgutil
import re
import sys
import tempfile
import textwrap
import traceback
import webbrowser
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NoReturn

import numpy as np

import autograd
import visualize
from autograd.op import did_you_mean
from visualize import engines
from visualize.diagrams import VIEWS, Diagram, draw
from visualize.engines import BUILTIN, EngineError
from visualize.given import as_graph
from visualize.graph import Graph, short
from visualize.groups import Grouping, Node, by_prefix
from visualize.picture import format_of
from visualize.programs import is_program
from visualize.scales import THEMES
from visualize.shown import EDGES, FILLS
from visualize.terminal import align

PROG = "python -m visualize"

#: What each view shows, for the help.
VIEW_WORDS = {
    "auto": "the first of them that suits the graph and its size",
    "labels": "every node with its numbers",
    "circles": "colour alone, and a histogram of every level",
    "levels": "a box with a histogram for every level",
    "groups": "a box with a histogram for every group of nodes",
    "time": "the units of a recurrent net by the steps of its sequences",
}

_ABOUT = """\
Draws where the gradient of a scalar graph or a net of neurons flows, where it vanishes, and where it explodes.

A picture has a node for every number and an edge for every use of it. Values run from left to right, so the gradient
runs from right to left. Above it stands the verdict in words; under it a legend.
"""

_COLOURS = """\
colours: the colour of a node is the size of its gradient, one shade a factor of 10, against that of the outputs
(--ref). Grey is healthy, blue has shrunk (vanishing), orange has grown (exploding). A dashed outline is a gradient of
exactly 0 (dead), a black octagon is NaN or infinite, dotted grey has no path to the result. An edge is as wide as the
gradient that it carries back; its line is solid for +, dashed for −, dotted for exactly 0. The scale is the same in
every picture, so that pictures can be compared.

examples:

  A net that net.save wrote, with data to sweep over, as text in the terminal:

    {prog} model.json --data train.csv

  A Value on which backward() was called, or a function that returns one, as a picture:

    {prog} experiment.py:loss -o loss.svg

  How a step of training has changed the gradient, opened in the browser:

    {prog} run.py:after --against run.py:before --open

views: {views}.

documentation: the README of dagrad, and in Python help(visualize.draw), help(visualize.Graph).

exit status: 0 done, 1 something could not be read, drawn or written, 2 wrong usage, 130 interrupted.
"""


class CommandError(Exception):
    """What a user is told in one sentence.

    Args:
        sentence: what is wrong, and the way on.
        status: 2 if it is the command line that is wrong.
    """

    def __init__(self, sentence: str, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status


class _UsersError(Exception):
    """An error of the user's own code.

    Args:
        theirs: the error.
    """

    def __init__(self, theirs: Exception) -> None:
        super().__init__(theirs)
        self.theirs = theirs


# The command line. ---------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}; {PROG} --help has all options and examples", 2)


class _Help(argparse.HelpFormatter):
    """Wraps every paragraph of a description to the terminal, and leaves examples, which are indented, as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip().split("\n\n")
        return "\n\n".join(
            textwrap.indent(part, indent) if part.startswith("    ")
            else textwrap.fill(part, width, initial_indent=indent, subsequent_indent=indent)
            for part in paragraphs
        )  # fmt: skip


def _positive(text: str) -> float:
    try:
        x = float(text)
    except ValueError:
        x = math.nan
    if not 0 < x < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return x


def _reference(text: str) -> float | str:
    return text if text in ("output", "loss", "absolute") else _positive(text)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, whose help is what ``--help`` prints."""
    views = "; ".join(f"{view}: {VIEW_WORDS[view]}" for view in VIEWS)
    made = _Parser(
        prog=PROG, usage=f"{PROG} WHAT [-o FILE] [options]", description=_ABOUT,
        epilog=_COLOURS.format(prog=PROG, views=views), formatter_class=_Help, allow_abbrev=False,
    )  # fmt: skip
    made.add_argument(
        "object", nargs="?", metavar="WHAT",
        help="model.json, which net.save wrote; or file.py:name or package.module:name, a Value, a Net, a "
             "visualize.Graph, a function compiled by autograd.jit, or a function without arguments that returns one",
    )  # fmt: skip

    out = made.add_argument_group("where to")
    out.add_argument("-o", "--output", metavar="FILE",
                     help="a file; its suffix tells the format. Default: the text view, in the terminal")
    out.add_argument("--format", choices=Diagram.FORMATS, help="the format, whatever the suffix; without -o to stdout")
    out.add_argument("--open", action="store_true",
                     help="show it in the browser; without -o and --format as a page (html) of a temporary file")
    out.add_argument("--verdict", action="store_true", help="print the verdict in words and nothing else")

    look = made.add_argument_group("how it looks")
    look.add_argument("--view", choices=VIEWS, help="how much of each node is shown, see below; default auto")
    look.add_argument("--theme", choices=THEMES, help="auto follows the reader's system; default light")
    look.add_argument("--title", metavar="TEXT", help="the title; default the call that made the gradients")
    look.add_argument("--fill", choices=FILLS, help="what the colour of a node shows; default delta, its gradient")
    look.add_argument("--edges", choices=EDGES, help="what the width of an edge shows; default message")
    look.add_argument("--rate", type=_positive, metavar="X", help="the size of a step, for update")
    look.add_argument("--ref", type=_reference, metavar="REF",
                      help="the gradient that counts as healthy: output (default), loss, absolute or a number")
    look.add_argument("--group", metavar="BY",
                      help="groups of nodes: a separator such as / or . (all of a name before the last one), or "
                           "file.py:function of a visualize.Node that returns the name of its group")  # fmt: skip
    look.add_argument("--against", metavar="WHAT", help="the same graph after another sweep: draw the difference")

    data = made.add_argument_group("numbers for what has none yet")
    data.add_argument("--data", metavar="FILE",
                      help="sweep a net, or draw a compiled function, at the samples in a .csv (a row each), .npz or "
                           ".json (arrays x and y)")  # fmt: skip
    data.add_argument("--x", metavar="NAMES", help="inputs: columns by name or number from 1, as in a,b or 1-4; in "
                                                   ".npz and .json the array. Default: those that are no targets")
    data.add_argument("--y", metavar="NAMES", help="targets, likewise. Default: the last columns; the array y, if any")
    data.add_argument("--loss", metavar="NAME", help="the loss of the sweep, a name of autograd.learn.LOSSES; default "
                                                     "mse")
    data.add_argument("--at", metavar="NUMBERS",
                      help='samples for a compiled function: "4,3", or two of them "4,3;1,2"')

    layout = made.add_argument_group("who lays it out")
    layout.add_argument("--engine", metavar="NAME",
                        help=f"dot, graphviz-pure, pygraphviz, {BUILTIN} or a program with the options of dot; default "
                             "the first that works")  # fmt: skip
    layout.add_argument("--timeout", type=_positive, metavar="SECONDS", help="for the layout; default 10")
    layout.add_argument("--list-engines", action="store_true", help="list which engines work here, and why others not")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments; default those of the process.

    Returns:
        The exit status.
    """
    try:
        try:
            _run(parser().parse_args(argv))
        finally:
            with _standard_output():
                pass
    except SystemExit as done:  # --help
        return int(done.code or 0)
    except CommandError as error:
        print(f"visualize: {error}", file=sys.stderr)
        return error.status
    except _UsersError as error:
        traceback.print_exception(error.theirs.with_traceback(_of_user(error.theirs.__traceback__)))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _discard_output()  # who reads has enough
        return 141
    return 0


@contextlib.contextmanager
def _standard_output() -> Iterator[None]:
    """Write to standard output, to the end; what goes wrong is said in a sentence, as of a file."""
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard_output()
        raise CommandError(f"cannot write to standard output: {_reason(error)}") from error


def _discard_output() -> None:
    """Let nobody hear of what is left in the buffer, which would complain when Python ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(given: argparse.Namespace) -> None:
    if given.list_engines:
        with _standard_output():
            print(engine_table())
        return
    _check(given)
    names = ("view", "theme", "title", "fill", "edges", "rate", "ref", "engine", "timeout")
    options = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    with _Modules() as modules:
        graph = _graph(given.object, given, modules)
        if given.against is not None:
            options["against"] = _graph(given.against, given, modules)
        if given.group is not None:
            options["group"] = _grouping(given.group, modules)
        _show(graph, given, options)


def _check(given: argparse.Namespace) -> None:
    """Refuse what does not go together, before anything is read or run."""
    wrong = None
    if not given.object:
        wrong = "what is to be drawn is missing, as in model.json or file.py:name"
    elif sys.stdout is None and not given.output:
        wrong = "standard output is closed: give -o FILE"
    elif given.verdict and (given.output or given.format or given.open):
        wrong = "--verdict prints words alone: leave out --output, --format and --open"
    elif "update" in (given.fill, given.edges) and given.rate is None:
        wrong = "update is the size of a step, which needs --rate"
    elif given.data and given.at:
        wrong = "--at and --data are two ways to say the same: give one"
    elif not given.data and (given.x or given.y or given.loss):
        wrong = "--x, --y and --loss tell how --data is used, which is missing"
    if wrong:
        raise CommandError(f"{wrong}; {PROG} --help has all options and examples", 2)
    if given.output and not given.format:
        try:
            format_of(given.output, Diagram.FORMATS)
        except ValueError as error:
            raise CommandError(str(error).replace("say format=", "say --format"), 2) from None
    for read in (given.object, given.against, given.group, given.data):
        if given.output and read and _same_file(given.output, read):
            raise CommandError(f"--output {given.output} is what is read, and would be lost: give another file", 2)


def _same_file(output: str, read: str) -> bool:
    """Whether what is written would take the place of a file that is read: model.json, or file.py of file.py:name."""
    with contextlib.suppress(OSError, ValueError):
        return any(os.path.samefile(output, path) for path in (read, read.rpartition(":")[0]) if os.path.exists(path))
    return False


# What it shows. ------------------------------------------------------------------------------------------------------


def _show(graph: Graph, given: argparse.Namespace, options: dict[str, Any]) -> None:
    """Draw, and write to a file, to the browser, or to the terminal."""
    kind = given.format or (format_of(given.output, Diagram.FORMATS) if given.output else None)
    kind = kind or ("html" if given.open else "text")
    try:
        diagram = draw(graph, format=kind, **options)
        drawn = "" if given.verdict else diagram.render(kind)
    except (EngineError, ValueError, TypeError) as error:
        raise CommandError(_as_options(error)) from error
    if kind in ("png", "pdf") and not given.output and not given.open and sys.stdout.isatty():
        raise CommandError(f"a {kind.upper()} is nothing for a terminal: give -o picture.{kind}", 2)
    with _standard_output():
        if given.verdict:
            print(_printable(diagram.verdict))
        elif given.output or given.open:
            _write(diagram, kind, given.output, given.open)
        elif kind == "text":
            print(diagram)
        else:
            sys.stdout.buffer.write(drawn if isinstance(drawn, bytes) else drawn.encode())


def _write(diagram: Diagram, kind: str, output: str | None, in_browser: bool) -> None:
    path = Path(output or f"diagram.{kind}")
    try:
        if not output:
            path = Path(tempfile.mkdtemp(prefix="dagrad-")) / path
        diagram.save(path, kind)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {_reason(error)}") from error
    print(f"{path}: {_printable(diagram.headline)}")
    if in_browser and not webbrowser.open(path.resolve().as_uri()):
        raise CommandError(f"no browser could be started here; open {path} in one")


def _as_options(error: Exception) -> str:
    """Return what an error says with the arguments of `draw` as options of the command: engine= is --engine."""
    return re.sub(r"\b(at|against|edges|engine|fill|format|group|rate|ref|theme|timeout|view)=(?! )", r"--\1 ",
                  re.sub(r"\b(at|engine|ref|rate|timeout)=(?= |;|,|$)", r"--\1", str(error)))  # fmt: skip


def _printable(text: str) -> str:
    """Return text as the terminal can show it."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.errno == errno.ENOENT:
        reason = "there is no such file or folder"
    return reason[:1].lower() + reason[1:]


def engine_table() -> str:
    """Return which layout engine works here for which format, as a table with the reasons."""
    named = ["dot", "graphviz-pure", "pygraphviz"]
    chosen = os.environ.get("GRAPHVIZ_DOT")
    rows = [("engine", "layout", "png", "pdf", "")]
    for name in [chosen, *named] if chosen else named:
        try:
            engine = engines.named(name)
            reasons = [engines.complaint(engine, kind) for kind in ("json0", "png", "pdf")]
        except EngineError as error:
            reasons = [error.reason or str(error)] * 3
        layout, png, pdf = ("no" if reason else "yes" for reason in reasons)
        rows.append((name, layout, png, pdf, next(filter(None, reasons), "")))
    rows.append((BUILTIN, "yes", "no", "no", "needs nothing; the last resort of a layout"))
    return (f"{align(rows, left=(0, 1, 2, 3, 4))}\n\nThe first that works is taken"
            f"{', beginning with that of GRAPHVIZ_DOT' if chosen else ''}. svg, html, dot and text need no engine, and "
            f"levels, groups and time no layout.")  # fmt: skip


# What is drawn. ------------------------------------------------------------------------------------------------------


def _graph(target: str, given: argparse.Namespace, modules: _Modules) -> Graph:
    """Return the graph of what the command line names, with data if there is any."""
    if target.endswith((".py", ":")):
        raise CommandError(f"{target} is Python: say which object of it, as in {target.rstrip(':')}:name", 2)
    x = _saved_net(target) if _is_file(target) else modules.find(target)
    if isinstance(x, type):
        raise CommandError(f"{target} is a class: draw one that was made of it, or a function that returns one")
    if callable(x) and not is_program(x):
        x = modules.call(x, target)
    at = None
    is_net = hasattr(x, "sweep") and hasattr(x, "forward")
    if given.at is not None:
        if not is_program(x):
            raise CommandError(f"--at is for functions compiled by autograd.jit, and {target} is {_kind(x)}", 2)
        at = _samples_of(given.at)
    if given.data is not None:
        if is_net:
            _sweep(x, given)
        elif is_program(x):
            at = _Data(given.data).array("x", given.x)
        else:
            raise CommandError(f"--data is for nets and compiled functions, and {target} is {_kind(x)}", 2)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            graph = as_graph(x, at)
    except Exception as error:
        if modules.ran(error):  # while it was recorded
            raise _UsersError(error) from error
        if isinstance(error, TypeError | ValueError):
            raise CommandError(f"{target}: {_as_options(error)}") from error
        raise
    if not graph.swept:
        way = ("--data FILE with inputs and targets makes some" if is_net else
               "--at NUMBERS or --data FILE makes some" if is_program(x) else
               "call it in a function, and draw that")  # fmt: skip
        print(f"visualize: there are no gradients, {graph.call} has not run; {way}", file=sys.stderr)
    return graph


def _kind(x: Any) -> str:
    return f"a {type(x).__name__}, which has its numbers already"


def _is_file(target: str) -> bool:
    """Whether a target is a file of its own, such as model.json, and no object in Python."""
    return Path(target).suffix.lower() == ".json" or Path(target).is_file() or ":" not in target


def _saved_net(path: str) -> Any:
    """Return the net that net.save wrote."""
    from autograd.net import Net

    if Path(path).suffix == "" and not Path(path).exists():
        raise CommandError(f"there is no file {path}; an object in Python is file.py:name or package.module:name")
    try:
        return Net.load(path)
    except OSError as error:
        near = did_you_mean(Path(path).name, _listed(Path(path).parent))
        raise CommandError(f"cannot read {path}: {_reason(error)}{near}") from error
    except ValueError as error:
        raise CommandError(str(error)) from error


def _listed(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(p.name for p in folder.iterdir())
    return []


class _Modules:
    """The user's modules, each run once; their folders are on the path meanwhile, as Python puts them."""

    def __init__(self) -> None:
        self._made: dict[str, ModuleType] = {}
        self._path: list[str] = []

    def __enter__(self) -> _Modules:
        self._path = list(sys.path)
        return self

    def __exit__(self, *_: object) -> None:
        sys.path[:] = self._path

    def find(self, target: str) -> Any:
        """Return the object that "file.py:name" or "package.module:name" stands for."""
        where, _, name = target.rpartition(":")
        if not where or not name:
            raise CommandError(f"{target!r} names no object; it is file.py:name or package.module:name", 2)
        if where not in self._made:
            self._made[where] = self._file(where) if where.endswith(".py") else self._module(where)
        x: Any = self._made[where]
        for part in name.split("."):
            try:
                x = getattr(x, part)
            except AttributeError:
                near = did_you_mean(part, [known for known in dir(x) if not known.startswith("_")])
                raise CommandError(f"{where} has no {name!r}{near}") from None
        return x

    def call(self, f: Callable[[], Any], target: str) -> Any:
        """Return what a function of the user's gives."""
        from inspect import signature

        try:
            needed = [p.name for p in signature(f).parameters.values()
                      if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]  # fmt: skip
        except (TypeError, ValueError):
            needed = []
        if needed:
            raise CommandError(
                f"{target} is a function of {', '.join(needed)}: what is drawn is a function without arguments, or one "
                "compiled by autograd.jit, with --at"
            )
        return _guarded(f, target)()

    def ran(self, error: Exception) -> bool:
        """Whether an error came while code of these modules was running."""
        files = {getattr(module, "__file__", None) for module in self._made.values()}
        return any(frame.f_code.co_filename in files for frame, _ in traceback.walk_tb(error.__traceback__))

    def _file(self, where: str) -> ModuleType:
        path = Path(where)
        if not path.is_file():
            near = did_you_mean(path.name, [name for name in _listed(path.parent) if name.endswith(".py")])
            raise CommandError(f"there is no file {where}{near}")
        sys.path.insert(0, str(path.resolve().parent))
        name = path.stem if path.stem not in sys.modules else f"__{path.stem}__"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # as dataclasses and pickles expect
        try:
            _guarded(spec.loader.exec_module, where)(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    def _module(self, where: str) -> ModuleType:
        sys.path.insert(0, os.getcwd())
        importlib.invalidate_caches()
        parts = where.split(".")
        for k in range(len(parts)):
            name = ".".join(parts[: k + 1])
            try:
                missing = importlib.util.find_spec(name) is None
            except (ImportError, ValueError):
                missing = True
            if missing:
                package = ".".join(parts[:k])
                inside = getattr(sys.modules.get(package), "__path__", None) if k else sys.path
                near = did_you_mean(parts[k], sorted({m.name for m in pkgutil.iter_modules(inside or [])}))
                of = f" in {package}" if k else ""
                raise CommandError(f"there is no module {parts[k]!r}{of} (a file is named with its .py){near}")
            _guarded(importlib.import_module, where)(name)
        return sys.modules[where]


def _guarded(f: Callable[..., Any], where: str) -> Callable[..., Any]:
    """Return a function of the user's whose errors are known to be so, and whose words do not get into the picture."""

    @functools.wraps(f, updated=())
    def run(*args: Any) -> Any:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return f(*args)
        except (CommandError, _UsersError, BrokenPipeError):
            raise
        except SystemExit as error:
            status = 0 if error.code is None else error.code if isinstance(error.code, int) else 1
            said = f", saying {short(error.code)!r}" if isinstance(error.code, str) else ""
            raise CommandError(f"{where} ended the program (exit status {status}{said}) when it was run for drawing; "
                               "guard its main part by if __name__ == '__main__'") from None  # fmt: skip
        except Exception as error:
            raise _UsersError(error) from error

    return run


def _of_user(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from where the user's code begins; of a file that does not even compile, nothing is left."""
    ours = tuple(str(Path(module.__file__ or "").parent) for module in (autograd, visualize, importlib))
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith((*ours, "<frozen")):
        trace = trace.tb_next
    return trace


def _grouping(by: str, modules: _Modules) -> Grouping:
    """Return the grouping that --group asks for."""
    if ":" in by and by.strip(":"):
        found = modules.find(by)
        if not callable(found):
            raise CommandError(f"--group {by}: a function of a visualize.Node is wanted, got {found!r:.80}")
        return _guarded(found, by)
    if not by:
        raise CommandError("--group is a separator such as / or ., or file.py:function", 2)

    def before(node: Node) -> str:
        return node.name.rpartition(by)[0] or by_prefix(node)

    return before


# Data. ---------------------------------------------------------------------------------------------------------------


def _samples_of(text: str) -> Any:
    """Return the samples of --at: [n], or [N, n] if there is a semicolon."""
    try:
        rows = [[float(x) for x in row.split(",")] for row in text.strip(";").split(";")]
    except ValueError:
        rows = []
    if not rows or len({len(row) for row in rows}) > 1:
        raise CommandError(f'--at {text!r}: samples are numbers, as in "4,3", or "4,3;1,2" for two of them', 2)
    return rows if ";" in text else rows[0]


def _sweep(net: Any, given: argparse.Namespace) -> None:
    """Run a net forward on the data, and back if there are targets."""
    data = _Data(given.data)
    x, y = data.of_net([net.names[i] for i in net.inputs], len(net.outputs), given.x, given.y)
    try:
        net.forward(x)
        if y is None:
            if given.loss:
                raise ValueError("a loss needs targets: name them by --y")
        elif given.loss:
            net.sweep(y, given.loss)
        else:
            net.sweep(y)
    except (ValueError, TypeError, MemoryError) as error:
        raise CommandError(f"{given.data}: {error}") from error


class _Data:
    """A file of samples: the columns of a table, or arrays by name.

    Args:
        path: .csv, with or without a line of names; .npz; or .json, an object of lists.

    Raises:
        CommandError: if it cannot be read, or holds no numbers.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.arrays: dict[str, Any] = {}
        self.table: Any = None
        self.names: list[str] = []
        read = {".csv": self._csv, ".npz": self._npz, ".json": self._json}.get(Path(path).suffix.lower())
        if read is None:
            raise CommandError(f"--data {path}: samples are read from .csv, .npz and .json files", 2)
        try:
            read()
        except OSError as error:
            near = did_you_mean(Path(path).name, _listed(Path(path).parent))
            raise CommandError(f"cannot read {path}: {_reason(error)}{near}") from error
        except (ValueError, csv.Error, zipfile.BadZipFile, RecursionError) as error:
            raise CommandError(f"{path}: {error}") from error

    def _csv(self) -> None:
        rows: list[list[float]] = []
        with open(self.path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for row in reader:
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                if not rows and not self.names and not any(map(_is_number, cells)):
                    self.names = cells
                    continue
                wrong = next((k for k, cell in enumerate(cells) if not _is_number(cell)), None)
                if wrong is not None:
                    raise ValueError(f"line {reader.line_num}, column {wrong + 1}: {cells[wrong]!r} is no number")
                first = self.names or (rows[0] if rows else cells)
                if len(cells) != len(first):
                    raise ValueError(f"line {reader.line_num} has {len(cells)} columns, the first one has {len(first)}")
                rows.append([float(cell) for cell in cells])
        if not rows:
            raise ValueError("there is no row of numbers in it")
        self.names = self.names or [str(k + 1) for k in range(len(rows[0]))]
        self.table = np.array(rows)

    def _npz(self) -> None:
        with open(self.path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("this is no .npz file; write it with numpy.savez(path, x=..., y=...)")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                self.arrays = {name: arrays[name] for name in arrays.files}

    def _json(self) -> None:
        content = json.loads(Path(self.path).read_bytes())
        if not isinstance(content, dict):
            raise ValueError('it has no names: it is an object of arrays, {"x": [[...], ...], "y": [...]}')
        self.arrays = {name: np.array(x) for name, x in content.items() if isinstance(x, list)}

    def of_net(self, inputs: Sequence[str], outputs: int, x: str | None, y: str | None) -> tuple[Any, Any]:
        """Return inputs and targets, None where there are none.

        Args:
            inputs: the names of the net's inputs.
            outputs: how many outputs it has.
            x: which columns or array are inputs, as the user says, or None.
            y: likewise the targets.
        """
        if self.table is None:
            has_y = y is not None or "y" in self._lower()
            return self.array("x", x), self.array("y", y) if has_y else None
        every = list(range(len(self.names)))
        targets = self._columns(y) if y is not None else None
        if x is not None:
            chosen = self._columns(x)
        elif set(inputs) <= set(self.names):
            chosen = [self.names.index(name) for name in inputs]
        else:
            chosen = [k for k in every if k not in (targets or [])][: len(inputs) if targets is None else None]
        if targets is None:
            targets = [k for k in every if k not in chosen] or None
        if targets is not None and y is None and len(targets) not in (1, outputs):
            raise CommandError(
                f"{self.path}: the net has {len(inputs)} inputs and {outputs} outputs, the file {len(every)} columns; "
                "name the targets by --y"
            )
        wanted = None if targets is None else self.table[:, targets]
        if wanted is not None and wanted.shape[1] == 1 < outputs and (wanted == np.round(wanted)).all():
            wanted = wanted[:, 0].astype(int)  # labels of classes
        return self.table[:, chosen], wanted

    def array(self, default: str, name: str | None) -> Any:
        """Return an array by its name, or the columns of that name; default: the array x or y, or all columns."""
        if self.table is not None:
            return self.table if name is None else self.table[:, self._columns(name)]
        found = self.arrays if name is not None else self._lower()
        if (name or default) not in found:
            known = ", ".join(self.arrays) or "none"
            near = did_you_mean(name or default, self.arrays)
            option = f"; name it by --{default}" if name is None else ""
            raise CommandError(f"{self.path} has no array {name or default!r}, it has {known}{near}{option}")
        return found[name or default]

    def _lower(self) -> dict[str, Any]:
        """The arrays by names in small letters: X is as common as x."""
        return {name.lower(): x for name, x in self.arrays.items()}

    def _columns(self, names: str) -> list[int]:
        """Return the columns that a text such as "a,b" or "1-3,5" stands for."""
        chosen: list[int] = []
        for part in (part.strip() for part in names.split(",")):
            first, dash, last = part.partition("-")
            if part in self.names:
                chosen.append(self.names.index(part))
            elif first.isdecimal() and (last.isdecimal() or not dash):
                low, high = int(first), int(last or first)
                if not 1 <= low <= high <= len(self.names):
                    raise CommandError(f"{self.path} has columns 1 to {len(self.names)}, and not {part!r}")
                chosen += range(low - 1, high)
            else:
                near = did_you_mean(part, self.names)
                raise CommandError(f"{self.path} has no column {part!r}, it has {', '.join(self.names)}{near}")
        return chosen


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
