"""Build step of the optional extensions; everything else stands in pyproject.toml.

Without a C compiler, or with DAGRAD_PURE=1 in the environment, the same sources run as plain Python.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

HERE = Path(__file__).parent

# Nodes refer only to older nodes, so there are no cycles and nothing for the garbage collector to do; freed ones are
# kept for the next graph.
NODE = {"no_gc": True, "freelist": 4096}


def extensions() -> list[Extension]:
    """Return the compiled modules: the rows' type, the rows themselves as native code, and the node."""
    if os.environ.get("DAGRAD_PURE") == "1":
        return []
    from Cython.Build import cythonize
    from Cython.Compiler import Options

    # Cython takes these two only as decorators, which would make the source need Cython at run time.
    Options._directive_defaults |= {"no_gc": False, "freelist": 0}

    # The rows are read by the sources as they are now, not by modules that an earlier build left beside them.
    for stale in (HERE / "autograd").glob("*.so"):
        stale.unlink()
    sys.path.insert(0, str(HERE))
    from autograd._generate import native_source

    (HERE / "autograd" / "_native.pyx").write_text(native_source())
    # No fused multiply-add: native rows round as Python does.
    flags = [] if sys.platform == "win32" else ["-O3", "-ffp-contract=off", "-fno-math-errno"]
    directives = {"language_level": 3, "cdivision": True, "annotation_typing": False}
    modules = []
    for name, source, more in [("op", "op.py", {}), ("_native", "_native.pyx", {}), ("value", "value.py", NODE)]:
        extension = Extension(f"autograd.{name}", [f"autograd/{source}"], extra_compile_args=flags, optional=True)
        modules += cythonize([extension], compiler_directives=directives | more)
    return modules


setup(ext_modules=extensions())
