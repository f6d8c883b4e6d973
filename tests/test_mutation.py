"""The mutation kit on a package of two files: what is killed, what survives, what is refused, what is left behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from autograd.testing import mutation
from autograd.testing.mutation import Mutant, MutationError, Score, main, mutation_score, sample

RULES = '''\
try:
    from tiny import _fast
except ImportError:
    _fast = None


def square(x):
    return 2 * x


def cube(x):
    return 3 * x * x


def steps(n):
    k = 0
    while k < n:
        k += 1
    return k


def product(a, b):
    return [b, a]
'''

TESTS = '''\
from pathlib import Path

from tiny import rules


def test_square():
    assert rules.square(3) == 6


def test_steps():
    assert rules.steps(3) == 3


def test_uncompiled():
    assert rules._fast is None
    assert sorted(p.name for p in Path(rules.__file__).parent.glob("*.*")) == ["__init__.py", "_fast.py", "rules.py"]
'''

CATALOGUE = '''\
from autograd.testing.mutation import Mutant

MUTANTS = [
    Mutant("factor", "2 * x", "3 * x", "a factor", "square(3) is 6", file="tiny/rules.py", kind="rules"),
    Mutant("stays", "3 * x * x", "2 * x * x", "another", "cube(3) is 27", file="tiny/rules.py", kind="rules"),
    Mutant("step", "k += 1", "k += 2", "too long a step", "steps(3) by hand", file="tiny/rules.py", kind="loops"),
]
'''

SQUARE = "tests/test_rules.py::test_square"


@pytest.fixture
def root(tmp_path):
    """A package with its tests, an extension module that is none, and one beside a source of its name."""
    home = tmp_path / "home"
    for name, text in {
        "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-q'\n",
        "tiny/__init__.py": "",
        "tiny/rules.py": RULES,
        f"tiny/_fast{EXTENSION_SUFFIXES[0]}": "no code",
        f"tiny/rules{EXTENSION_SUFFIXES[0]}": "no code",
        "tests/test_rules.py": TESTS,
        "tests/mutants.py": CATALOGUE,
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    return home


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """The folder for temporary files, which every run leaves empty; the runs load no plugins, which takes a second."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def mutant(name, old, new, tests=(), **more):
    about = {"file": "tiny/rules.py", "tests": tests, **more}
    return Mutant(name, old, new, f"why {name}", f"what sees {name}", **about)


def scored(root, mutants, tests=("tests",), **options):
    return mutation_score(tests, mutants, root=root, **{"jobs": 1, **options})


HANG = "__import__('time').sleep(60)"
FACTOR = mutant("factor", "2 * x", "3 * x", SQUARE, kind="rules")
SURVIVOR = mutant("survivor", "3 * x * x", "2 * x * x", SQUARE, kind="rules")


# Scores. -------------------------------------------------------------------------------------------------------------


def test_killed_survived_hung_crashed_and_broken(root):
    before, lines = tree(root), []
    mutants = [
        FACTOR,
        SURVIVOR,
        mutant("others first", "k += 1", "k += 2", SQUARE, kind="loops"),  # what it names passes, the rest does not
        mutant("hangs", "k += 1", HANG, kind="loops"),
        mutant("crashes", "    return 2 * x", "    import os\n    os.abort()", kind="rules"),
        mutant("leaves", "    return 2 * x", "    import os\n    os._exit(0)", kind="rules"),
        mutant("interrupts", "    return 2 * x", "    raise KeyboardInterrupt", kind="rules"),
        mutant("broken", "    k = 0\n", "    k = 0\n\n\nk = nothing\n\n\ndef rest(n, k):\n", kind="loops"),
        mutant("gone", "2 * x", "4 * x", "tests/test_rules.py::test_gone"),
    ]
    score = scored(root, mutants, jobs=2, timeout=5.0, progress=lines.append)
    assert tree(root) == before
    how = {x.mutant.name: (x.verdict, x.how) for x in score.outcomes}
    assert how["factor"] == how["gone"] == ("killed", SQUARE)
    assert how["survivor"] == ("survived", "")
    assert how["others first"] == ("killed", "tests/test_rules.py::test_steps")
    assert how["hangs"] == ("killed", "a run that hung: stopped after 5 s")
    assert how["crashes"] == ("killed", f"a crash: the tests ended by the signal {int(signal.SIGABRT)}")
    assert how["leaves"][0] == how["interrupts"][0] == "killed"
    assert how["broken"][0] == "error"
    assert "name 'nothing' is not defined" in how["broken"][1]
    assert [x.mutant for x in score.outcomes] == mutants
    assert (score.share, score.interrupted) == (7 / 9, False)
    assert score.notes == (
        "mutant 'gone' names tests/test_rules.py::test_gone, which does not exist; its file was run in its place",
    )
    text = str(score)
    assert "survived: survivor (rules, tiny/rules.py): why survivor\n    a test that would kill it: what sees" in text
    assert "could not be tried: broken (loops, tiny/rules.py)" in text
    assert "rules 4/5, loops 2/3, others 1/1" in text
    assert "7 of 9 killed, 1 survived, 1 could not be tried: 77.8 %, in " in text
    assert any("[9/9]" in line for line in lines)
    assert any(line.split()[1:2] == ["SURVIVED"] for line in lines)


@pytest.mark.parametrize("fork", [True, False])
def test_with_and_without_forks(root, monkeypatch, fork):
    if fork and not mutation.CAN_FORK:
        pytest.skip("this system does not fork")
    monkeypatch.setattr(mutation, "CAN_FORK", fork)
    hangs = mutant("hangs", "k += 1", HANG, "tests/test_rules.py::test_steps")
    score = scored(root, [FACTOR, SURVIVOR, hangs], jobs=2, timeout=5.0)
    assert [x.verdict for x in score.outcomes] == ["killed", "survived", "killed"]
    assert [x.how for x in score.outcomes] == [SQUARE, "", "a run that hung: stopped after 5 s"]


def test_a_command(root):
    command = "python -c 'from tiny import rules; assert rules.square(3) == 6'"
    score = scored(root, [FACTOR, SURVIVOR], command)
    assert [(x.verdict, x.how) for x in score.outcomes] == [("killed", "the exit status 1"), ("survived", "")]
    with pytest.raises(MutationError, match=r"passes even when tiny/rules\.py cannot be imported"):
        scored(root, [FACTOR], "python -c 'import math'")
    with pytest.raises(MutationError, match="without any mutant the tests fail, by the exit status 1"):
        scored(root, [FACTOR], "python -c 'assert 0'")
    with pytest.raises(MutationError, match=r"tests='tests' is no command .* give a list, as in \['tests'\]"):
        scored(root, [FACTOR], "tests")


PROPERTY = """\
from hypothesis import Phase, given, settings, strategies as st
from tiny import rules


@given(st.integers(1, 9))
def test_square(x):
    assert rules.square(x) == 2 * x
    assert (Phase.shrink in settings().phases) is {shrinks}
    assert Phase.generate in settings().phases
    assert {shrinks} or settings().database is None
"""


@pytest.mark.parametrize("shrinks", [False, True])
def test_hypothesis_shrinks_only_for_tests_that_need_it(root, monkeypatch, shrinks):
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    (root / "tests/test_rules.py").write_text(PROPERTY.format(shrinks=shrinks))
    score = scored(root, [FACTOR, mutant("survivor", "3 * x * x", "2 * x * x")])
    assert [x.verdict for x in score.outcomes] == ["killed", "survived"]


def test_subprocesses_of_the_tests_see_the_mutant(root):
    code = "import tiny.rules as r; assert r.square(3) == 6 and r._fast is None"
    call = f"subprocess.run([sys.executable, '-c', {code!r}], check=True)"
    (root / "tests/test_rules.py").write_text(f"import subprocess, sys\n\n\ndef test_square():\n    {call}\n")
    score = scored(root, [FACTOR, SURVIVOR])
    assert [x.verdict for x in score.outcomes] == ["killed", "survived"]


def test_sources_in_a_folder_of_their_own_and_files_that_tests_read(root):
    (root / "src").mkdir()
    (root / "tiny").rename(root / "src/tiny")
    (root / "data").mkdir()
    (root / "data/six.txt").write_text("6")
    (root / "tests/test_rules.py").write_text(
        "from pathlib import Path\nfrom tiny.rules import square\n\n\n"
        "def test_square():\n    assert square(3) == int(Path('data/six.txt').read_text())\n"
    )
    moved = mutant("moved", "2 * x", "3 * x", file="src/tiny/rules.py")
    assert scored(root, [moved], also=["data"]).share == 1.0


# What is refused. ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (mutant("m", "2 * y", ""), "no '2 [*] y' any more"),
        (mutant("m", "return 2 * z", ""), "; the line most like it is 'return 2 [*] x'"),
        (mutant("m", "x", "y"), "has 'x' 6 times, in the lines 3, 7, 8, 11, 12, 12; .*, or nth=1 to nth=6"),
        (mutant("m", "x", "y", nth=7), r"nth=7, but tiny/rules.py has 'x' 6 time\(s\)"),
        (mutant("m", "x", "x"), "replaces a text by itself"),
        (mutant("m", "", "x"), "has no text to replace"),
        (mutant("m", "2 * x", "2 *"), "makes no Python of tiny/rules.py: invalid syntax"),
        (mutant("m", "x", "y", file="tiny/none.py"), r"tiny/none.py cannot be read \(No such file.*relative to"),
        (mutant("m", "x", "y", file="../tiny/rules.py"), r"\.\./tiny/rules.py is no path below the root"),
        (mutant("m", "x", "y", file=str(Path("/tiny/rules.py").absolute())), "rules.py is no path below the root"),
    ],
)
def test_a_mutant_that_does_not_apply_is_named(root, wrong, message):
    with pytest.raises(MutationError, match=f"^mutant 'm': .*{message}"):
        scored(root, [wrong])


def test_all_wrong_mutants_are_named_at_once(root):
    with pytest.raises(MutationError, match=r"(?s)'m': .* any more.*'factor': the name is taken"):
        scored(root, [FACTOR, mutant("m", "none", ""), FACTOR])


def test_the_nth_occurrence():
    assert mutant("m", "x", "y", nth=2, file="f.txt").apply("x x x") == "x y x"
    assert mutant("m", "aa", "b", nth=2, file="f.txt").apply("aaa") == "ab"  # occurrences may overlap


def test_a_suite_that_fails_without_a_mutant_measures_nothing(root):
    test = root / "tests/test_rules.py"
    test.write_text(TESTS.replace("== 6", "== 7"))
    with pytest.raises(MutationError, match=r"(?s)^without any mutant the tests fail, by tests.*test_square, so.*== 7"):
        scored(root, [FACTOR])
    test.write_text(TESTS.replace("== 3", "== 4"))  # not among the tests that the mutants name, so met later
    survived, killed = scored(root, [SURVIVOR, FACTOR]).outcomes
    assert (survived.verdict, killed.verdict) == ("error", "killed")
    assert "beyond them, without any mutant the tests fail, by tests/test_rules.py::test_steps" in survived.how
    test.write_text("import nothing\n")
    with pytest.raises(MutationError, match=r"(?s)without any mutant.*No module named 'nothing'"):
        scored(root, [FACTOR])
    test.write_text(f"def test_hangs():\n    {HANG}\n")
    with pytest.raises(MutationError, match="without any mutant the tests fail, by a run that hung"):
        scored(root, [mutant("m", "2 * x", "3 * x")], timeout=3.0)


def test_tests_of_another_place_than_the_copy_measure_nothing(root):
    (root / "tests/conftest.py").write_text(f"import sys\nsys.path.insert(0, {str(root)!r})\n")
    for suffix in EXTENSION_SUFFIXES:
        for file in root.rglob(f"*{suffix}"):
            file.unlink()
    with pytest.raises(MutationError, match=r"the tests import tiny from .*home.tiny.__init__.py, not from the copy"):
        scored(root, [FACTOR])
    shutil.rmtree(root / "tiny/__pycache__", ignore_errors=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "jobs is a whole number from 1 on, got 0"),
        ({"timeout": 0}, "timeout is a number of seconds above 0, got 0"),
        ({"mutants": []}, "there are no mutants"),
        ({"mutants": [mutant("m", "2 * x", "3 * x", "tests/none.py")]}, "names 'tests/none.py' among its tests"),
        ({"tests": ["-q"], "mutants": [mutant("m", "2 * x", "3 * x")]}, r"tests=\['-q'\] names no file or folder"),
        ({"tests": ["."]}, r"the tests '\.' are no path below the root"),
        ({"also": ["../home"]}, r"'\.\./home' is to be copied, but is no path below"),
        ({"package": "huge"}, "'huge' is to be copied, but is no path below"),
    ],
)
def test_bad_options_are_refused(root, options, message):
    given = {"tests": ["tests"], "mutants": [FACTOR], **options}
    with pytest.raises(ValueError, match=message):
        scored(root, **given)


# Samples. ------------------------------------------------------------------------------------------------------------


def test_a_sample_is_spread_over_the_classes_and_always_the_same():
    kinds = ["a"] * 10 + ["b"] * 3 + ["c"]
    mutants = [mutant(str(i), "x", "y", kind=kind) for i, kind in enumerate(kinds)]
    names = lambda n: [int(m.name) for m in sample(mutants, n)]
    assert names(3) == [0, 10, 13]
    assert names(5) == [0, 5, 10, 11, 13]
    assert names(6) == [0, 3, 6, 10, 11, 13]
    assert names(14) == names(99) == list(range(14))
    with pytest.raises(ValueError, match="n is a whole number from 1 on, got 0"):
        sample(mutants, 0)


# The command. --------------------------------------------------------------------------------------------------------


def test_exit_statuses(root, capsys):
    catalogue = str(root / "tests/mutants.py")
    assert main([catalogue, "--at-least", "0.6", "--jobs", "1"]) == 0
    assert "2 of 3 killed, 1 survived: 66.7 %" in capsys.readouterr().out
    assert main([catalogue, "-k", "RULES another", "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    assert "survived: stays (rules, tiny/rules.py): another\n    a test that would kill it: cube(3) is 27" in out
    assert main([catalogue, "--sample", "2", "--jobs", "1"]) == 0  # the first of each class
    assert "2 of 2 killed" in capsys.readouterr().out
    (root / "tiny/rules.py").write_text(RULES.replace("2 * x", "x + x"))
    assert main([catalogue]) == 2
    assert "mutant 'factor': tiny/rules.py has no '2 * x' any more" in capsys.readouterr().err


def test_the_list(root, capsys):
    assert main([str(root / "tests/mutants.py"), "--list", "-k", "factor RULES"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "rules:"
    assert lines[1].split()[:2] == ["factor", "tiny/rules.py"]
    assert lines[2:] == ["1 mutant"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.py"], "there is no file none.py"),
        (["{catalogue}", "-k", "nowhere"], "no mutant has all the words 'nowhere'"),
        (["{catalogue}", "--at-least", "95"], "--at-least is a share from 0 to 1"),
        (["{empty}"], "has no list MUTANTS"),
        (["{texts}"], "MUTANTS is a list of autograd.testing.mutation.Mutant"),
    ],
)
def test_the_command_refuses(root, capsys, arguments, message):
    (root / "tests/empty.py").write_text("")
    (root / "tests/texts.py").write_text("MUTANTS = ['cos']")
    places = {"catalogue": root / "tests/mutants.py"} | {n: root / f"tests/{n}.py" for n in ("empty", "texts")}
    with pytest.raises(SystemExit) as caught:
        main([a.format(**places) for a in arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_the_help_teaches(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert "MUTANTS = [" in out
    assert "exit status" in out


def test_an_empty_score_prints():
    score = Score((), 5)
    assert (score.share, score.interrupted) == (0.0, True)
    assert "0 of 5 mutants were tried" in str(score)


@pytest.mark.skipif(os.name == "nt", reason="Windows has another Ctrl-C")
def test_ctrl_c_tells_what_was_found_and_leaves_nothing_behind(root):
    pids = root.parent / "pids"
    hang = "    import os, subprocess\n    subprocess.Popen(['sleep', '60'])\n"
    hang += f"    open({str(pids)!r}, 'w').write(str(os.getpid()))\n"
    more = [("hangs", "    k = 0\n", f"{hang}    k = -1e300\n"), ("never", "2 * x", "5 * x")]
    (root / "tests/mutants.py").write_text(
        CATALOGUE + f"MUTANTS += [Mutant(*m, '', '', file='tiny/rules.py') for m in {more!r}]\n"
    )
    command = [sys.executable, "-m", "autograd.testing.mutation", "tests/mutants.py", "--jobs", "1"]
    # A shell lets what it starts in the background ignore Ctrl-C, and that is inherited.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=root, preexec_fn=heed, **pipes) as run:
        try:
            wait_for(lambda: pids.exists() and pids.read_text())
            run.send_signal(signal.SIGINT)
            out, _ = run.communicate(timeout=20)
        finally:
            run.kill()
    assert run.returncode == 130, out
    assert "interrupted: 3 of 5 mutants were tried" in out
    assert "2 of 3 killed, 1 survived: 66.7 %" in out
    assert "Traceback" not in out
    wait_for(lambda: not alive(int(pids.read_text())))


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
