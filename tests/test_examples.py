"""Every example runs, reaches what it claims, and prints it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

SHOWS = {
    "xor.py": r"1 xor 1 = 0",
    "moons.py": r"step 59: .* (98|99|100)% right",
    "digits.py": r"digits never seen: (9[6-9]|100)\.\d%[\s\S]*50 random weights[\s\S]*level 1[\s\S]*picture:",
    "on_gradient.py": r"\(  13\) holds[\s\S]*misprint",
    "literature.py": r"(?:\n\w+ +\d+ +ok .*){11}",
    "rosenbrock.py": r"trust-ncg\): f = \d\.\de-(1[5-9]|[2-9]\d)",
    "vanishing.py": r"h3[\s\S]*picture:",
}


def test_every_example_is_run() -> None:
    assert {p.name for p in EXAMPLES.glob("*.py")} == set(SHOWS)


@pytest.mark.parametrize("name", SHOWS)
def test_example(name: str, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, EXAMPLES / name],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error::RuntimeWarning"},
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert re.search(SHOWS[name], result.stdout), result.stdout
