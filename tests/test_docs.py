"""What README.md and the docstrings show is what happens."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import autograd
import visualize

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODULES = [
    m.name
    for package in (autograd, visualize)
    for m in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    if not m.name.endswith(("__main__", "_native"))
]


@pytest.mark.parametrize("name", [*MODULES, "autograd", "visualize"])
def test_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module)
    assert failed == 0


def test_readme() -> None:
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    before = dict(autograd.ops.TABLE)
    try:
        failed, tried = doctest.testfile(
            str(ROOT / "README.md"), module_relative=False, encoding="utf-8", optionflags=flags
        )
    finally:
        autograd.ops.TABLE.clear()
        autograd.ops.TABLE.update(before)
    assert tried > 5
    assert failed == 0


def test_the_table_of_conventions_is_that_of_the_rows() -> None:
    shown = re.search(r"<!-- conventions -->\n(.*?)\n<!-- end -->", README, re.S)
    assert shown is not None
    assert shown[1] == autograd.ops.conventions()


def test_import_is_light() -> None:
    code = (
        "import sys, autograd; heavy = {'numpy', 'numba', 'llvmlite', 'graphviz', 'tqdm', 'scipy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_nobody_imports_visualize() -> None:
    for source in (ROOT / "autograd").glob("*.py"):
        assert not re.search(r"^\s*(import|from) visualize", source.read_text(encoding="utf-8"), re.M), source


def test_imports_run_one_way() -> None:
    order = ["op", "special", "ops", "value", "calculus", "batch", "netcode", "net", "learn", "nn", "testing"]
    for place, name in enumerate(order):
        text = (ROOT / "autograd" / f"{name}.py").read_text(encoding="utf-8")
        top = re.findall(r"^from autograd(?:\.(\w+))? import ([\w, ]+)$", text, re.M)
        for module, names in top:
            for used in [module] if module else names.replace(",", " ").split():
                if used in order:
                    assert order.index(used) < place, f"{name} imports {used}"


def test_the_namesake_is_told_of(tmp_path: Path) -> None:
    info = tmp_path / "autograd-1.7.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: autograd\nVersion: 1.7.0\n")
    result = subprocess.run(
        [sys.executable, "-c", "import autograd"], capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}
    )
    assert "pip uninstall autograd" in result.stderr
