"""Machine code kept on disk: found again, made anew when it is damaged, shared by processes, not trusted blindly."""

import os
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

import autograd as ag
from autograd import jit, machine, ops
from autograd.codegen import Kernel, Program, Step

PROGRAM = Program(2, (Step("mul", (0, 1)), Step("exp", (2,)), Step("add", (3, 0.75))), (4, 2))
POINTS = np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]])
needs_posix = pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs the permissions of POSIX")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An empty folder for machine code."""
    folder = tmp_path / "kept"
    monkeypatch.setenv("DAGRAD_CACHE", str(folder))
    return folder


@pytest.fixture
def compilations(monkeypatch):
    """Lists what is compiled, and not found on disk."""
    made, write = [], machine._new_machine

    class Counting:
        def __init__(self, target):
            self.target = target

        def emit_object(self, module):
            made.append(module)
            return self.target.emit_object(module)

    parse = machine.llvm.create_mcjit_compiler
    monkeypatch.setattr(machine, "_new_machine", lambda: Counting(write()))
    monkeypatch.setattr(machine.llvm, "create_mcjit_compiler", lambda module, m: parse(module, m.target))
    return made


def run(program=PROGRAM, lanes=0, dtype=np.float64):
    """The outputs at all points, by a new kernel."""
    out = np.empty((len(POINTS), 2), dtype)
    Kernel(program, lanes, dtype)([POINTS.astype(dtype)], [out])
    return out


def expected():
    product = POINTS[:, 0] * POINTS[:, 1]
    return np.stack([np.exp(product) + 0.75, product], 1)


def files(folder):
    return sorted(folder.glob("*")) if folder.exists() else []


# Found again. --------------------------------------------------------------------------------------------------------


def test_a_program_is_compiled_once(kept, compilations):
    run()  # its exp too may be compiled here
    count, names = len(compilations), files(kept)
    assert count >= 1
    np.testing.assert_allclose(run(), expected(), rtol=1e-14)
    assert len(compilations) == count
    assert files(kept) == names
    assert all(f.suffix == ".o" and f.read_bytes().startswith(machine._MAGIC) for f in names)


def test_what_differs_is_compiled_apart(kept, compilations):
    run()
    others = [
        Program(2, (*PROGRAM.steps[:2], Step("add", (3, 0.5))), (4, 2)),
        Program(2, PROGRAM.steps, (2, 4)),
        Program(2, (Step("mul", (0, 1)), Step("exp", (2,)), Step("sub", (3, 0.75))), (4, 2)),
        Program(2, PROGRAM.steps, (4, 0.0)),
        Program(2, PROGRAM.steps, (4, -0.0)),
        Program(2, PROGRAM.steps, (4, 2), groups_out=(1, 1)),
    ]
    for other in others:
        before = len(compilations)
        Kernel(other)
        assert len(compilations) == before + 1
    for lanes, dtype in ((1, np.float64), (2, np.float64), (0, np.float32)):
        before = len(compilations)
        np.testing.assert_allclose(run(lanes=lanes, dtype=dtype), expected(), rtol=1e-6)
        assert len(compilations) > before
    count = len(compilations)
    for other in others:
        Kernel(other)
    assert len(compilations) == count


def test_another_function_of_the_same_structure_finds_the_code(kept, compilations):
    def f(x):
        return ag.tanh(x[0]) * x[1]

    for mode in ("line", "tape"):
        expected = jit(f, mode=mode).value_and_grad(POINTS)
        count = len(compilations)
        found = jit(lambda a: ag.tanh(a[0]) * a[1], mode=mode).value_and_grad(POINTS)
        assert len(compilations) == count
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    loss = ag.objective(lambda w, x: w[0] * x[0] + w[1] * x[1])
    total = loss([1.0, 2.0], POINTS)
    count = len(compilations)
    again = ag.objective(lambda w, x: w[0] * x[0] + w[1] * x[1])([1.0, 2.0], POINTS)
    assert (again[0], again[1].tolist()) == (total[0], total[1].tolist())
    assert len(compilations) == count


def test_another_host_finds_nothing(kept, compilations, monkeypatch):
    run()
    count = len(compilations)
    monkeypatch.setattr(machine, "_host", lambda: b"another")
    run()
    assert len(compilations) == count + 1


# Damage. -------------------------------------------------------------------------------------------------------------


DAMAGE = {
    "empty": lambda body: b"",
    "its head alone": lambda body: body[:30],
    "cut": lambda body: body[: len(body) // 2],
    "one byte short": lambda body: body[:-1],
    "longer": lambda body: body + b"\0",
    "one bit": lambda body: body[:-100] + bytes([body[-100] ^ 1]) + body[-99:],
    "another format": lambda body: b"x" + body[1:],
    "text": lambda body: b"no machine code at all\n" * 40,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_made_anew(kept, compilations, damage):
    run()
    before = files(kept)
    whole = [f.read_bytes() for f in before]
    for f, body in zip(before, whole, strict=True):
        f.write_bytes(DAMAGE[damage](body))
    count = len(compilations)
    np.testing.assert_allclose(run(), expected(), rtol=1e-14)
    assert len(compilations) == count + 1  # the kernel; exp is at hand in this process
    assert files(kept) == before
    assert sum(f.read_bytes() == body for f, body in zip(before, whole, strict=True)) >= 1
    run()
    assert len(compilations) == count + 1


def test_a_folder_in_the_place_of_a_file(kept, compilations):
    run()
    for f in files(kept):
        f.unlink()
        f.mkdir()
    np.testing.assert_allclose(run(), expected(), rtol=1e-14)
    assert all(f.is_dir() for f in files(kept))  # and nothing half written is left


# Folders. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["off", "OFF", "0", "no"])
def test_nothing_is_kept_if_so_wished(tmp_path, monkeypatch, compilations, word):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGRAD_CACHE", word)
    assert machine.folder() is None
    run()
    count = len(compilations)
    np.testing.assert_allclose(run(), expected(), rtol=1e-14)
    assert len(compilations) == count + 1
    assert files(tmp_path) == []


@needs_posix
def test_the_folder_is_the_users_alone(kept):
    assert machine.folder() == kept
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    run()
    assert all(not f.stat().st_mode & 0o022 for f in files(kept))


@needs_posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722, 0o720])
def test_a_folder_that_others_may_write_to_is_not_trusted(kept, compilations, mode):
    run()
    before, count = files(kept), len(compilations)
    kept.chmod(mode)
    assert machine.folder() is None
    np.testing.assert_allclose(run(), expected(), rtol=1e-14)
    assert len(compilations) == count + 1
    assert files(kept) == before
    kept.chmod(0o755)
    run()
    assert len(compilations) == count + 1


@needs_posix
def test_a_folder_of_somebody_else_is_not_trusted(kept, monkeypatch):
    assert machine.folder() == kept
    monkeypatch.setattr(os, "getuid", lambda: kept.stat().st_uid + 1)
    assert machine.folder() is None


def test_a_folder_that_cannot_be_written_to(kept, compilations, monkeypatch):
    def refuse(*args, **options):
        raise PermissionError("read-only")

    run()
    for f in files(kept):
        f.unlink()
    count = len(compilations)
    with monkeypatch.context() as patch:  # whoever runs this may be allowed everything
        patch.setattr(machine.tempfile, "NamedTemporaryFile", refuse)
        np.testing.assert_allclose(run(), expected(), rtol=1e-14)
    assert files(kept) == []
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        np.testing.assert_allclose(run(), expected(), rtol=1e-14)
    assert files(kept) == []  # nor is the new file left
    assert len(compilations) == count + 2


@needs_posix
@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="everything is writable for root")
def test_a_read_only_folder(kept, compilations):
    run()
    names = files(kept)
    kept.chmod(0o500)
    try:
        count = len(compilations)
        np.testing.assert_allclose(run(), expected(), rtol=1e-14)
        assert len(compilations) == count  # what is there is found
        Kernel(Program(2, PROGRAM.steps, (4, 3)))
        assert files(kept) == names
    finally:
        kept.chmod(0o700)


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("DAGRAD_CACHE", str(place))
        assert machine.folder() is None
        np.testing.assert_allclose(run(), expected(), rtol=1e-14)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="has other folders for caches")
def test_where_it_is_without_a_wish(tmp_path, monkeypatch):
    monkeypatch.delenv("DAGRAD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert machine.folder() == tmp_path / "caches" / "dagrad"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert machine.folder() == tmp_path / "home" / ".cache" / "dagrad"


# Size, and what is not kept. -----------------------------------------------------------------------------------------


def test_what_was_not_used_for_longest_goes_first(kept, monkeypatch):
    programs = [Program(2, PROGRAM.steps, (4, float(k))) for k in range(6)]
    found = []
    for k, program in enumerate(programs):
        Kernel(program)
        new = [f for f in files(kept) if f not in found]
        for f in new:
            os.utime(f, (time.time() - 1000 + k,) * 2)
        found += new
    own = found[-6:]  # before them may be exp
    Kernel(programs[0])  # is used again
    size = max(f.stat().st_size for f in own)
    monkeypatch.setattr(machine, "TIDY", 1)
    monkeypatch.setattr(machine, "MOST_KEPT", 3 * size + size // 2)
    Kernel(Program(2, PROGRAM.steps, (4, 99.0)))
    left = files(kept)
    assert sum(f.stat().st_size for f in left) <= machine.MOST_KEPT
    assert own[0] in left
    assert not {*own[1:4]} & {*left}


def test_the_files_of_others_stay(kept, monkeypatch):
    monkeypatch.setattr(machine, "TIDY", 1)
    monkeypatch.setattr(machine, "MOST_KEPT", 10)
    kept.mkdir(mode=0o700, exist_ok=True)
    strangers = [kept / "thesis.pdf", kept / "new-plan", kept / "some.o"]
    for stranger in strangers:
        stranger.write_bytes(b"x" * 1000)
        os.utime(stranger, (1.0, 1.0))
    Kernel(PROGRAM)
    assert all(stranger.exists() for stranger in strangers)


def test_a_limit_below_one_file(kept, monkeypatch):
    monkeypatch.setattr(machine, "TIDY", 1)
    monkeypatch.setattr(machine, "MOST_KEPT", 10)
    np.testing.assert_allclose(run(), expected(), rtol=1e-14)
    assert files(kept) == []


def test_what_calls_python_is_not_kept(kept, compilations, table):
    coded = ops.primitive("coded", lambda x: float(np.sin(float(x))), lambda x, y: ops.cos(x))

    def f(x):
        return coded(x[0]) * x[1] + 0.8125

    for mode in ("line", "tape"):
        jit(f, mode=mode)([2.0, 1.0])
        before, count = files(kept), len(compilations)
        values = jit(f, mode=mode)(POINTS)
        np.testing.assert_allclose(values, np.sin(POINTS[:, 0]) * POINTS[:, 1] + 0.8125, rtol=1e-15)
        assert len(compilations) > count
        assert files(kept) == before
    assert Kernel(Program(1, (Step("f", (0,), abs),), (1,))).calls_python
    assert files(kept) == before


# Processes. ----------------------------------------------------------------------------------------------------------


WORK = """
import numpy as np, sys
import autograd as ag
def f(x):
    y = x[0]
    for k in range(12):
        y = ag.tanh(y * x[1] + 0.3 * k) if y > 0.5 else y * y + ag.exp(-x[1])
    return y
rows = np.linspace(-1.0, 2.0, 24).reshape(12, 2)
found = ag.jit(f).value_and_grad(rows), ag.jit(f, mode="tape").value_and_grad(rows)
total = ag.objective(lambda w, x: ag.sin(w[0] * x[0]) * x[1])([0.5], rows)
print([[a.tolist() for a in pair] for pair in found], total[0], total[1].tolist())
"""


def test_processes_side_by_side(kept):
    def answers(count):
        jobs = [subprocess.Popen([sys.executable, "-c", WORK], stdout=subprocess.PIPE, text=True) for _ in range(count)]
        found = [job.communicate(timeout=120)[0] for job in jobs]
        assert all(job.returncode == 0 for job in jobs)
        return found

    first = answers(4)
    assert len({*first}) == 1
    assert len(first[0]) > 100
    for f in files(kept):
        assert f.suffix == ".o"
        assert machine._read(f) is not None
    names = files(kept)
    for f in names[::2]:
        f.write_bytes(f.read_bytes()[:-5])
    assert answers(2) == first[:2]
    assert files(kept) == names
    assert all(machine._read(f) is not None for f in names)
