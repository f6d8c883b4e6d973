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
    for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if not m.name.endswith(("__main__", "_native"))
]


@pytest.mark.parametrize("name", [*MODULES, "autograd", "visualize"])
def test_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module)
    assert failed == 0


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_page(page: Path, table: object) -> None:
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8", optionflags=flags)
    assert tried > 5
    assert failed == 0


def test_the_tests_that_the_page_on_testing_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    blocks = [text for text in re.findall(r"```python\n(.*?)```", page, re.S) if "def test_" in text]
    assert len(blocks) == 1
    (tmp_path / "test_shown.py").write_text(blocks[0])
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shown.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "3 passed" in result.stdout, result.stdout


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


def run_one_way(package: str, order: list[str]) -> None:
    """Check that the modules of a package are these, and that each imports from those before it alone."""
    for place, name in enumerate(order):
        path = ROOT / package / name.replace(".", "/")
        text = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
        top = re.findall(rf"^from {package}(?:\.([\w.]+))? import \(?([\w, ]+)", text, re.M)
        for module, names in top:
            for used in [module] if module else names.replace(",", " ").split():
                if used in order:
                    assert order.index(used) < place, f"{name} imports {used}"
    found = {m.removeprefix(f"{package}.") for m in MODULES if m.startswith(f"{package}.")}
    assert found - {"_generate"} == set(order)


def test_imports_run_one_way() -> None:
    order = ["op", "special", "ops", "value", "exact", "calculus", "vecmath", "machine", "invoke", "codegen", "csource"]
    order += ["record", "lower", "repeats", "tape", "workers", "compiler", "objectives"]
    order += ["files", "batch", "netgraph", "netsweep", "netkernel", "rowcode", "nettables", "netcode", "net"]
    order += ["diagnose", "optimise", "learn", "neat", "layers", "nn"]
    order += [f"testing.{name}" for name in ("oracles", "report", "check", "rows", "graphs", "strategies")]
    order += ["testing", "testing.plugin", "testing._runs", "testing.mutation"]
    run_one_way("autograd", order)


def test_imports_of_the_diagrams_run_one_way() -> None:
    order = ["scales", "scene", "engines", "layout", "picture", "graph", "sources", "programs", "given", "shown"]
    order += ["steps", "verdict", "looks", "terminal", "sheet", "views", "groups", "overtime", "digraph", "pages"]
    order += ["diagrams", "recording", "charts", "animation"]
    run_one_way("visualize", order)


def test_the_namesake_is_told_of(tmp_path: Path) -> None:
    info = tmp_path / "autograd-1.7.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: autograd\nVersion: 1.7.0\n")
    result = subprocess.run(
        [sys.executable, "-c", "import autograd"], capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}
    )
    assert "pip uninstall autograd" in result.stderr
