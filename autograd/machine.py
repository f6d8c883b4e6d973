"""Native code on this machine: from the text of LLVM to addresses, and machine code kept on disk between runs.

A kept piece of machine code is named by a digest of what it was made from: the structure of the program, the host, the
versions of LLVM and of this package's code generators. Files are written whole under another name and then renamed, so
that processes side by side never see half of one, and each carries a digest of its contents, so that a damaged one is
made anew. The folder is ``$DAGRAD_CACHE``, or ``dagrad`` in the user's folder for caches; ``DAGRAD_CACHE=off`` keeps
nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite import ir

from autograd import vecmath

#: Bytes of machine code that are kept; beyond, what was not used for longest goes.
MOST_KEPT = 256 * 2**20

#: One in so many written files, by its name, has the folder tidied up: to look at all takes longer than to compile one.
TIDY = 64
_MAGIC = b"dagrad machine code 1\n"
_OURS = re.compile(r"[0-9a-f]{64}\.o|new-\w+\.part")
# One lock for all that compiles, made anew after a fork: another thread may have held it, and is not in the child.
_lock = threading.RLock()


def _forget_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)


def locked() -> Any:
    """Return the lock under which everything is recorded and compiled, for a ``with``."""
    return _lock


class Code:
    """A piece of loaded machine code; its functions live as long as it does."""

    def __init__(self, machine_code: bytes) -> None:
        with _lock:
            # An engine owns its machine, so each gets a new one.
            self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _new_machine())
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
            self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Return where a function is."""
        return int(self._engine.get_function_address(name))


def load(text: Callable[[], str], made_from: bytes | None) -> Code:
    """Return the code of a module, from disk if it is there.

    Args:
        text: writes the module in LLVM's language.
        made_from: what decides the text, for the name on disk; None keeps nothing.
    """
    place = None if made_from is None else _place(made_from)
    machine_code = None if place is None else _read(place)
    if machine_code is None:
        with _lock:
            module = llvm.parse_assembly(text())
            module.verify()
            machine_code = _new_machine().emit_object(module)
        if place is not None:
            _write(place, machine_code)
    return Code(machine_code)


def know(symbol: str, address: int) -> None:
    """Let native code refer to a function or object of this process by a name."""
    with _lock:
        llvm.add_symbol(symbol, address)


@cache
def vector_lanes() -> int:
    """Return how many doubles a vector of this machine holds."""
    features = llvm.get_host_cpu_features()
    return 8 if features.get("avx512f") else 4 if features.get("avx") else 2


_vectors: dict[tuple[str, str, int], tuple[str, Code]] = {}


def vector_function(name: str, scalar: str, lanes: int) -> str:
    """Return the symbol of an elementary function over vectors, ready to be called by code that declares it.

    Each is compiled once, whatever calls it: it is larger than most programs.

    Args:
        name: a key of `vecmath.FUNCTIONS`.
        scalar: "double" or "float".
        lanes: the length of the vectors.
    """
    with _lock:
        if (name, scalar, lanes) not in _vectors:
            module = ir.Module()
            function = vecmath.declare(module, name, scalar, lanes)
            function.linkage = ""
            symbol = str(function.name)
            code = load(lambda: str(module), symbol.encode())
            know(symbol, code.address(symbol))
            _vectors[name, scalar, lanes] = symbol, code
        return _vectors[name, scalar, lanes][0]


@cache
def _target() -> tuple[Any, dict[str, Any]]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    # Level 1 without passes over the IR is where preparing and running cost least together.
    return llvm.Target.from_default_triple(), {
        "cpu": llvm.get_host_cpu_name(), "features": features, "opt": 1, "jit": True,
    }  # fmt: skip


def _new_machine() -> Any:
    target, options = _target()
    return target.create_target_machine(**options)


# On disk. ------------------------------------------------------------------------------------------------------------


@cache
def _host() -> bytes:
    """Return what machine code depends on beside the program: the host, LLVM, the code generators' own text."""
    target, options = _target()
    digest = hashlib.sha256(repr((target.triple, options, llvmlite.__version__, llvm.llvm_version_info)).encode())
    for module in ("machine", "codegen", "vecmath", "tape", "netkernel", "rowcode"):
        digest.update(Path(__file__).with_name(f"{module}.py").read_bytes())
    return digest.digest()


def folder() -> Path | None:
    """Return where machine code is kept, or None if nowhere: switched off, not writable, or not the user's own."""
    wish = os.environ.get("DAGRAD_CACHE", "")
    if wish.lower() in ("off", "0", "no"):
        return None
    try:
        path = Path(wish) if wish else _user_caches() / "dagrad"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Code that somebody else may have put there is not run.
        if hasattr(os, "getuid"):
            state = path.stat()
            if state.st_uid != os.getuid() or state.st_mode & 0o022:
                return None
    except (OSError, RuntimeError):
        return None
    return path


def _user_caches() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _place(made_from: bytes) -> Path | None:
    where = folder()
    return where and where / f"{hashlib.sha256(_host() + made_from).hexdigest()}.o"


def _read(place: Path) -> bytes | None:
    """Return what is kept at a place if it is there and whole."""
    try:
        kept = place.read_bytes()
    except OSError:
        return None
    head, digest, body = kept[: len(_MAGIC)], kept[len(_MAGIC) : len(_MAGIC) + 32], kept[len(_MAGIC) + 32 :]
    if head != _MAGIC or digest != hashlib.sha256(body).digest():
        return None
    with contextlib.suppress(OSError):
        os.utime(place)  # used just now
    return body


def _write(place: Path, machine_code: bytes) -> None:
    """Keep machine code; a full or read-only disk is no reason to fail."""
    name = ""
    try:
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix="new-", suffix=".part", delete=False) as file:
            name = file.name
            file.write(_MAGIC + hashlib.sha256(machine_code).digest() + machine_code)
        os.replace(name, place)
        if int(place.name[:8], 16) % TIDY == 0:
            _tidy(place.parent)
    except OSError:
        if name:
            with contextlib.suppress(OSError):
                os.unlink(name)


def _tidy(where: Path) -> None:
    """Remove what was not used for longest while there is more than `MOST_KEPT`."""
    found = []
    for entry in os.scandir(where):
        if not _OURS.fullmatch(entry.name):
            continue
        with contextlib.suppress(OSError):  # another process may have removed it
            state = entry.stat()
            found.append((state.st_mtime, state.st_size, entry.path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= MOST_KEPT:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= size
