"""Tests of ``python -m visualize``: what it draws, what it says when it cannot, and how it ends."""

import json
import os
import subprocess
import sys
import textwrap
import webbrowser
from pathlib import Path

import numpy as np
import pytest

import autograd as ag
import visualize
from autograd import Net
from visualize import __main__ as command
from visualize import engines
from visualize.__main__ import engine_table, main, parser
from visualize.diagrams import VIEWS, Diagram
from visualize.scales import THEMES
from visualize.shown import EDGES, FILLS

EXPERIMENT = """
import autograd as ag
from autograd import Net, Value

x, w = Value(0.5, name="x"), Value(-3.0, name="w")
unswept = ag.tanh(w * x)

def swept(name="loss"):
    loss = ag.tanh(w * x) + x**2
    loss.name = name
    loss.backward()
    return loss

def net(targets=(1.0, 0.0)):
    made = Net.layered([2, 3, 1], seed=1)
    made.forward([[1.0, 2.0], [3.0, 4.0]])
    made.sweep(list(targets))
    return made

def later():
    return net((3.0, 2.0))

raw = Net.layered([2, 3, 1], seed=1)
program = ag.jit(lambda x: ag.sqrt(x[0]) * x[1])
careless = ag.jit(lambda x: 1 / 0 * x[0])
number = 3.0

def needs(a, b=1): ...
def boom():
    return {}["missing"]
def group(node):
    return f"level {node.level}"
def bad_group(node):
    return 1 / 0
class Thing: ...
class Space:
    inner = swept
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an experiment, a saved net and data, and the command working in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "experiment.py").write_text(EXPERIMENT)
    Net.layered([2, 3, 1], seed=1).save(tmp_path / "model.json")
    (tmp_path / "train.csv").write_text("a,b,y\n1,2,1\n3,4,0\n")
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def run(here, capsys):
    """Run the command; returns its status, output, and what it said of errors."""

    def call(*argv):
        path = list(sys.path)
        status = main(list(argv))
        assert sys.path == path
        out, err = capsys.readouterr()
        return status, out, err

    return call


def says(result, status, *parts):
    """The command ended so, with one line on stderr that has these parts, and nothing else."""
    got, out, err = result
    assert (got, out) == (status, ""), result
    assert err.startswith("visualize: ")
    assert err.count("\n") == 1, err
    for part in parts:
        assert part in err


# What is drawn. ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["experiment.py:swept", "experiment:swept", "experiment.py:Space.inner"])
def test_a_value_is_drawn_as_text(run, target):
    status, out, err = run(target)
    assert (status, err) == (0, "")
    assert out.startswith("loss.backward() · 6 nodes · 6 edges\n")
    assert "the gradient keeps its size" in out


def test_a_saved_net_is_drawn_and_told_how_to_get_gradients(run):
    status, out, err = run("model.json")
    assert status == 0
    assert "not run" in out
    assert err == ("visualize: there are no gradients, net.sweep() has not run; --data FILE with inputs and targets "
                   "makes some\n")
    assert "call it in a function" in run("experiment.py:unswept")[2]


def test_a_swept_net_is_what_draw_shows(run, here):
    net = Net.load("model.json")
    net.forward([[1, 2], [3, 4]])
    net.sweep([[1], [0]])
    wanted = visualize.draw(net).text + "\n"
    assert run("experiment.py:net") == (0, wanted, "")
    assert run("model.json", "--data", "train.csv") == (0, wanted, "")
    assert run("experiment.py:raw", "--data", "train.csv") == (0, wanted, "")


def test_a_program_is_drawn_at_samples(run, here):
    wanted = visualize.draw(ag.jit(lambda x: ag.sqrt(x[0]) * x[1]), at=[[1.0, 2.0], [3.0, 4.0]]).text + "\n"
    assert run("experiment.py:program", "--at", "1,2;3,4") == (0, wanted, "")
    assert run("experiment.py:program", "--data", "train.csv", "--x", "a,b") == (0, wanted, "")
    assert "v = 2" not in wanted
    assert run("experiment.py:program", "--at", "4,3")[1].splitlines()[4:6][0].startswith("level")


def test_a_graph_is_drawn(run, here):
    Path("made.py").write_text("from experiment import swept\nimport visualize\ngraph = visualize.as_graph(swept())\n")
    status, out, _ = run("made.py:graph", "--verdict")
    assert (status, out.count("\n")) == (0, 1)


@pytest.mark.parametrize("suffix", ["svg", "dot", "gv", "html", "txt"])
def test_the_suffix_tells_the_format(run, here, suffix):
    status, out, err = run("experiment.py:swept", "-o", f"picture.{suffix}")
    assert (status, err) == (0, "")
    assert out == f"picture.{suffix}: loss.backward() · 6 nodes · 6 edges\n"
    begins = {"svg": "<?xml", "dot": "digraph", "gv": "digraph", "html": "<!doctype html>", "txt": "loss.backward()"}
    assert Path(f"picture.{suffix}").read_text().startswith((begins[suffix], "<svg"))


def test_the_format_may_be_said(run, here):
    assert run("experiment.py:swept", "--format", "dot")[1].startswith("digraph")
    assert run("experiment.py:swept", "--format", "svg", "--output", "picture.of.it")[0] == 0
    assert "<svg" in Path("picture.of.it").read_text()
    assert "<svg" in run("experiment.py:swept", "--format", "svg")[1]


@pytest.mark.skipif(engines.embedded() is None, reason="graphviz-pure is not installed")
def test_a_png_goes_to_a_pipe_and_not_to_a_terminal(here, capsysbinary, monkeypatch):
    assert main(["experiment.py:swept", "--format", "png"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"\x89PNG")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["experiment.py:swept", "--format", "png"]) == 2
    assert b"give -o picture.png" in capsysbinary.readouterr().err


def test_options_reach_the_picture(run, here, monkeypatch):
    seen = {}

    def draw(graph, **options):
        seen.clear()
        seen.update(options)
        return visualize.draw(graph, format=options["format"])

    monkeypatch.setattr(command, "draw", draw)
    assert run("experiment.py:net")[0] == 0
    assert seen == {"format": "text"}  # what is not given is not passed
    run("experiment.py:net", "--view", "circles", "--theme", "dark", "--title", "T", "--fill", "update", "--edges",
        "weight", "--rate", "0.1", "--ref", "2", "--engine", "builtin", "--timeout", "3")  # fmt: skip
    assert seen == {
        "format": "text", "view": "circles", "theme": "dark", "title": "T", "fill": "update", "edges": "weight",
        "rate": 0.1, "ref": 2.0, "engine": "builtin", "timeout": 3.0,
    }  # fmt: skip
    run("experiment.py:net", "--ref", "absolute", "--against", "experiment.py:later", "--group", ".")
    assert seen["ref"] == "absolute"
    assert isinstance(seen["against"], visualize.Graph)
    assert callable(seen["group"])


def test_two_sweeps_are_compared(run):
    status, out, _ = run("experiment.py:later", "--against", "experiment.py:net", "--verdict")
    assert status == 0
    assert out.startswith("against the other sweep:")


def test_nodes_are_grouped(run, here):
    node = visualize.Node("a/b/c7", "tanh", 1)
    with command._Modules() as modules:
        assert command._grouping("/", modules)(node) == "a/b"
        assert command._grouping("b", modules)(node) == "a/"
        assert command._grouping(":", modules)(node) == visualize.by_prefix(node) == "a/b/c"
        assert command._grouping("experiment.py:group", modules)(node) == "level 1"
    assert run("experiment.py:net", "--group", "experiment.py:group", "-o", "groups.svg")[0] == 0
    assert "level 1" in Path("groups.svg").read_text()
    says(run("experiment.py:net", "--group", "experiment.py:number"), 1, "function of a visualize.Node", "3.0")
    says(run("experiment.py:net", "--group", ""), 2, "separator")


def test_the_browser_is_opened(run, here, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    monkeypatch.setattr("tempfile.tempdir", str(here))
    assert run("experiment.py:swept", "--open")[0] == 0
    assert opened[-1].startswith("file://")
    assert opened[-1].endswith("diagram.html")
    assert run("experiment.py:swept", "--open", "-o", "a.svg")[0] == 0
    assert opened[-1] == (here / "a.svg").as_uri()
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    status, _, err = run("experiment.py:swept", "--open", "-o", "b.svg")
    assert (status, err) == (1, "visualize: no browser could be started here; open b.svg in one\n")
    assert Path("b.svg").exists()


def test_a_module_runs_once_and_finds_its_neighbours(run, here):
    Path("helper.py").write_text("from experiment import net\nprint('helper runs')\n")
    Path("json.py").write_text("import helper\nnet = helper.net\nlater = net\n")  # a name that is taken
    status, out, err = run("json.py:net", "--against", "json.py:later", "--verdict")
    assert (status, err) == (0, "helper runs\n")  # what a module prints is no part of the picture
    assert "helper" not in out
    assert sys.modules["json"] is json
    (here / "pack").mkdir()
    (here / "pack" / "__init__.py").write_text("")
    (here / "pack" / "inner.py").write_text("from experiment import swept as thing\n")
    assert run("pack.inner:thing", "--verdict")[0] == 0


# Data. ---------------------------------------------------------------------------------------------------------------


def _like_train(run, *argv):
    return run("model.json", *argv) == run("model.json", "--data", "train.csv")


def test_data_come_in_several_files(run, here):
    x, y = [[1.0, 2.0], [3.0, 4.0]], [1.0, 0.0]
    Path("d.json").write_text(json.dumps({"x": x, "y": y, "about": "no array"}))
    np.savez("d.npz", X=x, Y=y)
    np.savez("named.npz", rows=x, wanted=y)
    Path("bare.csv").write_text("1,2,1\n\n3,4,0\n")
    Path("turned.csv").write_text("y, x2, x1\n1, 2, 1\n0, 4, 3\n")  # the names of the net's inputs
    for argv in (["d.json"], ["d.npz"], ["named.npz", "--x", "rows", "--y", "wanted"], ["bare.csv"], ["turned.csv"],
                 ["bare.csv", "--x", "1-2", "--y", "3"], ["train.csv", "--x", "a,b"], ["train.csv", "--y", "y"],
                 ["train.csv", "--loss", "mse"]):  # fmt: skip
        assert _like_train(run, "--data", *argv), argv
    assert not _like_train(run, "--data", "train.csv", "--x", "b,a")
    assert not _like_train(run, "--data", "train.csv", "--loss", "mae")


def test_without_targets_there_are_values_and_no_gradients(run, here):
    Path("x.csv").write_text("x1,x2\n1,2\n3,4\n")
    status, out, err = run("model.json", "--data", "x.csv")
    assert status == 0
    assert "x1    input        2  –  not run" in out
    assert "there are no gradients" in err
    says(run("model.json", "--data", "x.csv", "--loss", "mse"), 1, "a loss needs targets: name them by --y")


def test_a_column_of_classes_serves_several_outputs(run, here):
    Net.layered([2, 3, 3], seed=1).save("classes.json")
    Path("labels.csv").write_text("1,2,0\n3,4,2\n")
    status, out, _ = run("classes.json", "--data", "labels.csv", "--loss", "softmax_cross_entropy")
    assert status == 0
    assert "δ" in out


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("d.csv", "a,b,y\n1,2,x\n", "line 2, column 3: 'x' is no number"),
        ("d.csv", "1,2,3\n1,2\n", "line 2 has 2 columns, the first one has 3"),
        ("d.csv", "a,b\n1,2,3\n", "line 2 has 3 columns, the first one has 2"),
        ("d.csv", "a,b,y\n", "no row of numbers"),
        ("d.csv", "1,2,3,4,5\n", "2 inputs and 1 outputs, the file 5 columns; name the targets by --y"),
        ("d.csv", "1\n2\n", "X is one sample of shape (2,)"),
        ("d.csv", "1,nan,3\n", "data must be finite"),
        ("d.json", "{", "Expecting"),
        ("d.json", "[[1, 2]]", "it has no names"),
        ("d.json", '{"z": [[1, 2]]}', "has no array 'x', it has z; name it by --x"),
        ("d.json", '{"x": [[1, 2], [3]]}', "inhomogeneous"),
        ("d.json", '{"x": [[1, "a"]]}', "must hold real numbers"),
        ("d.npz", "junk", "this is no .npz file; write it with numpy.savez"),
        ("d.npz", "", "this is no .npz file"),
    ],
)
def test_data_that_do_not_fit_are_refused(run, here, name, content, said):
    Path(name).write_text(content)
    says(run("model.json", "--data", name), 1, name, said)


def test_columns_that_are_not_there_are_refused(run, here):
    says(run("model.json", "--data", "train.csv", "--y", "z"), 1, "train.csv has no column 'z', it has a, b, y")
    says(run("model.json", "--data", "train.csv", "--x", "1-9"), 1, "columns 1 to 3, and not '1-9'")
    says(run("model.json", "--data", "trian.csv"), 1, "there is no such file or folder", "did you mean 'train.csv'?")
    says(run("model.json", "--data", "train.txt"), 2, ".csv, .npz and .json")
    says(run("model.json", "--data", "train.csv", "--loss", "msee"), 1, "did you mean", "'mse'")
    says(run("experiment.py:swept", "--data", "train.csv"), 2, "is a Value, which has its numbers already")


# What goes wrong. ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "what is to be drawn is missing"),
        (["model.json", "--view", "circle"], "invalid choice: 'circle'"),
        (["model.json", "--theme", "pink"], "invalid choice: 'pink'"),
        (["model.json", "--ref", "-1"], "'-1' is no positive number"),
        (["model.json", "--timeout", "nan"], "'nan' is no positive number"),
        (["model.json", "--rate", "inf"], "'inf' is no positive number"),
        (["model.json", "-o", "a.bmp"], "does not end as a picture does"),
        (["model.json", "--fill", "update"], "needs --rate"),
        (["model.json", "--edges", "update"], "needs --rate"),
        (["model.json", "--verdict", "-o", "a.svg"], "--verdict prints words alone"),
        (["model.json", "--x", "a"], "which is missing"),
        (["model.json", "--data", "train.csv", "--at", "1"], "give one"),
        (["model.json", "--nothing"], "unrecognized arguments: --nothing"),
        (["model.json", "--ver"], "unrecognized arguments: --ver"),
        (["model.json", "--at", "1,2"], "is for functions compiled by autograd.jit, and model.json is a Net"),
        (["experiment.py"], "say which object of it, as in experiment.py:name"),
        (["experiment.py:"], "say which object of it, as in experiment.py:name"),
        (["experiment.py:program", "--at", "1,a"], "samples are numbers"),
        (["experiment.py:program", "--at", "1,2;3"], "samples are numbers"),
        (["experiment.py:program", "--at", ""], "samples are numbers"),
        ([":x"], "names no object"),
    ],
)
def test_wrong_usage_has_status_2(run, argv, said):
    says(run(*argv), 2, said)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["modle.json"], "cannot read modle.json: there is no such file or folder; did you mean 'model.json'"),
        (["train.csv"], "train.csv is not a saved net"),
        (["broken.json"], "does not read as JSON"),
        (["other.json"], "is not a net that net.save wrote"),
        (["model"], "there is no file model; an object in Python is file.py:name"),
        (["experimant.py:x"], "there is no file experimant.py; did you mean 'experiment.py'?"),
        (["experiment.py:swpt"], "experiment.py has no 'swpt'; did you mean 'swept'"),
        (["experiment.py:swept.no"], "experiment.py has no 'swept.no'"),
        (["experimant:x"], "there is no module 'experimant' (a file is named with its .py); did you mean 'experiment'"),
        (["autograd.valeu:x"], "there is no module 'valeu' in autograd (a file is named with its .py); did you mean"),
        (["experiment.py:number"], "expected a Value, a Net, a compiled function or a visualize.Graph, got float"),
        (["experiment.py:needs"], "is a function of a: what is drawn is a function without arguments"),
        (["experiment.py:Thing"], "is a class"),
        (["experiment.py:program"], "has no recording yet: call it once, or draw it at samples with --at"),
        (["experiment.py:swept", "--fill", "update", "--rate", "1"], "edges have no weights"),
        (["experiment.py:swept", "--engine", "no-such", "-o", "a.svg"], "there is no program 'no-such'"),
        (["experiment.py:swept", "-o", "no/a.svg"], "cannot write no/a.svg: there is no such file or folder"),
        (["experiment.py:swept", "-o", "folder.svg"], "cannot write folder.svg: is a directory"),
        (["experiment.py:unswept", "--against", "experiment.py:swept"], "two sweeps are compared"),
        (["leaves.py:x"], "leaves.py ended the program (exit status 3)"),
    ],
)
def test_what_cannot_be_done_has_status_1(run, here, argv, said):
    Path("broken.json").write_text("{")
    Path("other.json").write_text("{}")
    Path("leaves.py").write_text("raise SystemExit(3)\n")
    Path("folder.svg").mkdir()
    status, out, err = run(*argv)
    assert (status, out) == (1, "")
    assert said in err
    assert "Traceback" not in err
    assert not [p for p in here.iterdir() if p.name.endswith(".part")]


@pytest.mark.parametrize(
    ("target", "options", "line", "error"),
    [
        ("experiment.py:boom", [], 'return {}["missing"]', "KeyError: 'missing'"),
        ("experiment.py:careless", ["--at", "1"], "careless = ag.jit", "ZeroDivisionError"),
        ("experiment.py:net", ["--group", "experiment.py:bad_group", "-o", "a.svg"], "return 1 / 0", "ZeroDivision"),
        ("raises.py:x", [], "int('x')", "ValueError"),
        ("lacks.py:x", [], "import no_such_module", "ModuleNotFoundError"),
        ("half.py:x", [], "x = (", "SyntaxError"),
    ],
)
def test_an_error_of_the_users_own_shows_its_traceback_alone(run, here, target, options, line, error):
    Path("raises.py").write_text("int('x')\n")
    Path("lacks.py").write_text("import no_such_module\n")
    Path("half.py").write_text("x = (\n")
    status, out, err = run(target, *options)
    assert (status, out) == (1, "")
    assert line in err
    assert error in err
    before = err[: err.index(line)]
    assert "importlib" not in before
    assert str(Path(visualize.__file__).parent) not in before
    assert "raises" not in sys.modules


def test_an_interrupt_is_quiet_and_leaves_no_file(run, here, monkeypatch):
    Path("stopped.py").write_text("raise KeyboardInterrupt\n")
    assert run("stopped.py:x") == (130, "", "")

    def replace(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", replace)
    status, _, err = run("experiment.py:swept", "-o", "a.svg")
    assert (status, err) == (130, "")
    assert not [path for path in here.iterdir() if "a.svg" in path.name]


# Help and engines. ---------------------------------------------------------------------------------------------------


def test_the_help_names_all_there_is(run, monkeypatch):
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    for name in (*VIEWS, *THEMES, *FILLS, *EDGES, *Diagram.FORMATS):
        assert name in out
    words = " ".join(out.split())
    for view, said in command.VIEW_WORDS.items():
        assert f"{view}: {said}" in words
    assert set(command.VIEW_WORDS) == set(VIEWS)
    for option in ("view", "format", "theme", "output", "title", "ref", "engine", "timeout", "fill", "edges", "rate",
                   "group", "against", "open", "verdict", "list-engines", "data", "x", "y", "loss", "at"):  # fmt: skip
        assert f"--{option}" in out
    for word in ("verdict", "blue", "orange", "vanishing", "exploding", "examples", "exit status", "README"):
        assert word in out
    assert out.count(f"    {command.PROG} ") == 3


@pytest.mark.parametrize("columns", [60, 100, 140])
def test_the_help_is_as_wide_as_the_terminal(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = parser().format_help().splitlines()
    commands = [line for line in lines if line.startswith(f"    {command.PROG}")]
    assert len(commands) == 3
    words = [line for line in lines if line not in commands and "{" not in line]
    assert max(map(len, words)) <= columns
    assert max(map(len, words)) > columns - 15


def test_the_examples_of_the_help_run(run, here, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda url: True)
    monkeypatch.setattr("tempfile.tempdir", str(here))
    Path("experiment.py").write_text(EXPERIMENT + "loss = swept()\n")
    Path("run.py").write_text("from experiment import net as before, later as after\n")
    commands = [line.strip() for line in parser().format_help().splitlines() if line.startswith(f"    {command.PROG}")]
    for line in commands:
        status, _, err = run(*line.removeprefix(command.PROG).split())
        assert (status, err) == (0, ""), line


def test_the_engines_are_listed_with_reasons(run, here, tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHVIZ_DOT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    status, out, _ = run("--list-engines")
    assert status == 0
    rows = {line.split()[0]: line for line in out.splitlines() if line}
    assert rows["dot"].split()[1:4] == ["no", "no", "no"]
    assert len(rows["dot"].split()) > 4  # and why
    assert rows["builtin"].split()[1:4] == ["yes", "no", "no"]
    if engines.embedded() is not None:
        assert rows["graphviz-pure"].split()[1:3] == ["yes", "yes"]
    assert "GRAPHVIZ_DOT" not in out
    monkeypatch.setenv("GRAPHVIZ_DOT", "/no/such/dot")
    assert "/no/such/dot" in engine_table()
    assert "beginning with that of GRAPHVIZ_DOT" in engine_table()


# As a process. -------------------------------------------------------------------------------------------------------


def test_as_a_process_it_draws_and_its_errors_go_to_stderr(here):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    argv = [sys.executable, "-m", "visualize"]
    done = subprocess.run([*argv, "experiment:swept", "-o", "a.svg"], capture_output=True, encoding="ascii",
                          env=environment, timeout=120)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("a.svg: loss.backward()")
    assert "<svg" in (here / "a.svg").read_text()
    wrong = subprocess.run([*argv, "modle.json"], capture_output=True, encoding="ascii", env=environment, timeout=120)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "did you mean 'model.json'" in wrong.stderr


def test_as_a_process_it_is_quiet_when_its_reader_goes(here):
    """A pipe whose reader has closed it, as head does."""
    Path("long.py").write_text(textwrap.dedent("""
        from autograd import Net
        net = Net.layered([2, *[40] * 4, 1], seed=1)
    """))
    argv = [sys.executable, "-m", "visualize", "long.py:net", "--data", "train.csv", "--format", "svg"]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(argv, stdout=out, stderr=subprocess.PIPE, timeout=120)
    assert (done.returncode, done.stderr) == (141, b"")


def full_disk():
    """A file that takes nothing, as a full disk; None where there is none."""
    return "/dev/full" if Path("/dev/full").exists() else None


@pytest.mark.skipif(full_disk() is None, reason="there is no /dev/full")
@pytest.mark.parametrize("more", [[], ["--format", "svg"], ["--verdict"], ["--list-engines"]])
def test_as_a_process_it_says_in_a_sentence_that_its_output_has_no_room(here, more):
    argv = [sys.executable, "-m", "visualize", "model.json", "--data", "train.csv", *more]
    with open(full_disk(), "wb") as out:
        done = subprocess.run(argv, stdout=out, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == "visualize: cannot write to standard output: no space left on device\n"


def test_without_standard_output_a_file_is_needed(here, monkeypatch, capsys):
    with monkeypatch.context() as closed:
        closed.setattr(sys, "stdout", None)
        assert main(["experiment.py:swept"]) == 2
        assert main(["experiment.py:swept", "-o", "a.svg"]) == 0
    assert "standard output is closed: give -o FILE" in capsys.readouterr().err
    assert Path("a.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(("argv", "lost"), [
    (["model.json", "-o", "model.json"], "model.json"),
    (["experiment.py:swept", "-o", "./experiment.py"], "experiment.py"),
    (["model.json", "--data", "train.csv", "-o", "train.csv"], "train.csv"),
    (["model.json", "--against", "experiment.py:net", "-o", "experiment.py"], "experiment.py"),
])  # fmt: skip
def test_what_is_read_is_not_written_over(here, capsys, argv, lost):
    before = Path(lost).read_bytes()
    assert main([*argv, "--format", "svg"]) == 2
    assert "is what is read, and would be lost" in capsys.readouterr().err
    assert Path(lost).read_bytes() == before


@pytest.mark.parametrize(("end", "said"), [("", "(exit status 0)"), ("3", "(exit status 3)"),
                                           ("'no luck'", "(exit status 1, saying 'no luck')")])
def test_the_status_of_a_module_that_ends_the_program_is_told(here, capsys, end, said):
    Path("ends.py").write_text(f"import sys\nsys.exit({end})\n")
    assert main(["ends.py:x"]) == 1
    assert f"ends.py ended the program {said} when it was run" in capsys.readouterr().err


def test_two_columns_of_targets_are_no_labels(here, capsys):
    Net.layered([2, 3, 3], seed=1).save("three.json")
    Path("labels.csv").write_text("a,b,c,d\n1,2,0,1\n3,4,1,1\n")
    argv = ["three.json", "--data", "labels.csv", "--loss", "softmax_cross_entropy", "--x", "a,b", "--y"]
    assert main([*argv, "c,d"]) == 1
    assert "(2, 3)" in capsys.readouterr().err
    assert main([*argv, "c"]) == 0


# Mistakes made by hand, which the tests above did not notice (tests/mutants.py). --------------------------------------


def test_what_is_compared_with_is_the_other_one(run):
    assert "as large as before" in run("experiment.py:net", "--against", "experiment.py:net", "--verdict")[1]
    assert "as large as before" not in run("experiment.py:later", "--against", "experiment.py:net", "--verdict")[1]
