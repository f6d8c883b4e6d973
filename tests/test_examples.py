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
    "gallery.py": r"vanishing\.svg: 1\d\d kB[\s\S]*through_time\.svg: [\s\S]*motion\.svg: [\s\S]*page\.html: ",
    "vanishing.py": r"h3[\s\S]*picture:",
    "neat_xor.py": r"sent back: fitness 3\.99[\s\S]*1 xor 1 = 0\.0",
    "connectome.py": r"\(a\) the worm's wiring is .* p = [\s\S]*\(b\) the worm's wiring is .* p = ",
    "lstm.py": (
        r"recurrent layer +squared error 0\.03\d+[\s\S]*no forget gates +squared error 0\.000\d+"
        r"[\s\S]* 512 of 512 never seen"
    ),
    "vanishing_in_time.py": (
        r"w = 1\.25 +0\.619144 .* 6\.852e-05 +6\.852e-05 [\s\S]*times 1\.1 .* 1\.378e\+04 +1\.378e\+04\n"
        r"[\s\S]*of 1997 +1\.000000( +1){6}\n"
    ),
}
#: Arguments of those that would take long without.
OPTIONS = {
    "connectome.py": ["--quick"],
    "gallery.py": ["out", "--only", "vanishing", "dead", "through_time", "worm", "motion", "course", "page"],
}


def test_every_example_is_run() -> None:
    assert {p.name for p in EXAMPLES.glob("*.py")} == set(SHOWS)


@pytest.mark.parametrize("name", SHOWS)
def test_example(name: str, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, EXAMPLES / name, *OPTIONS.get(name, [])],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error::RuntimeWarning"},
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert re.search(SHOWS[name], result.stdout), result.stdout
