"""Time the vector functions beside NumPy's and the C library's: the same 4096 numbers, in cache, in one process.

    python benchmarks/vecmath.py            doubles
    python benchmarks/vecmath.py float      32-bit floats

Every contestant runs in turn, round after round, so that a noisy moment of the machine meets all; results are compared
before anything is timed. Times are medians over the rounds, in nanoseconds per number; read the ratios.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from autograd import vecmath

COUNT, ROUNDS, CALLS = 4096, 41, 8

# Arguments from the working range of each function; the default is that of pre-activations of neurons.
RANGES = {"log": (1e-3, 1e3), "log2": (1e-3, 1e3), "log10": (1e-3, 1e3), "log1p": (-0.9, 10.0), "acosh": (1.0, 10.0)}
RANGES |= dict.fromkeys(("asin", "acos", "atanh"), (-1.0, 1.0))
RANGES |= dict.fromkeys(("pow", "hypot", "cbrt", "sqrt"), (0.1, 10.0))
RANGES |= dict.fromkeys(("sin", "cos", "tan"), (-30.0, 30.0))
NUMPY = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "pow": "power"}
NUMPY |= {name: f"arc{name[1:]}" for name in ("asinh", "acosh", "atanh")}


def libm_loop(name: str, arity: int, scalar: str) -> Callable[..., None] | None:
    """A compiled loop that calls the C library for one number at a time."""
    kind, suffix = {"double": ("double", ""), "float": ("float", "f")}[scalar]
    if llvm.address_of_symbol(name + suffix) is None:
        return None
    arrays = [f"ptr %x{i}" for i in range(arity)]
    places = [f"%p{i} = getelementptr {kind}, ptr %x{i}, i64 %i\n%v{i} = load {kind}, ptr %p{i}" for i in range(arity)]
    values = ", ".join(f"{kind} %v{i}" for i in range(arity))
    code = f"""
    declare {kind} @{name}{suffix}({", ".join([kind] * arity)})
    define void @libm(i64 %n, ptr %y, {", ".join(arrays)}) {{
    entry:
      br label %body
    body:
      %i = phi i64 [0, %entry], [%j, %body]
      {chr(10).join(places)}
      %r = call {kind} @{name}{suffix}({values})
      %q = getelementptr {kind}, ptr %y, i64 %i
      store {kind} %r, ptr %q
      %j = add i64 %i, 1
      %more = icmp slt i64 %j, %n
      br i1 %more, label %body, label %done
    done:
      ret void
    }}"""
    target = llvm.Target.from_default_triple().create_target_machine(cpu=llvm.get_host_cpu_name(), opt=1, jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(code), target)
    engine.finalize_object()
    loop = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (arity + 1))(engine.get_function_address("libm"))

    def call(*args: int) -> None:
        loop(*args)

    call.engine = engine  # type: ignore[attr-defined]
    return call


def contest(name: str, scalar: str, lanes: int) -> tuple[float, float | None, float | None]:
    """Nanoseconds per number of ours, NumPy's and the C library's."""
    arity = vecmath.FUNCTIONS[name].arity
    kernel = vecmath.compile_elementwise(name, scalar, lanes)
    low, high = RANGES.get(name, (-5.0, 5.0))
    rng = np.random.default_rng(0)
    columns = [rng.uniform(low, high, COUNT).astype(kernel.dtype) for _ in range(arity)]
    result = np.empty(COUNT, kernel.dtype)
    pointers = (COUNT, result.ctypes.data, *(c.ctypes.data for c in columns))
    ufunc: Any = getattr(np, NUMPY.get(name, name), None)
    scalar_loop = libm_loop(name, arity, scalar)
    engines: list[Callable[[], Any] | None] = [
        lambda: kernel.function(*pointers),
        (lambda: ufunc(*columns, out=result)) if isinstance(ufunc, np.ufunc) else None,
        (lambda: scalar_loop(*pointers)) if scalar_loop else None,
    ]
    outcomes = []
    for engine in engines:
        if engine:
            engine()
            outcomes.append(result.copy())
    for other in outcomes[1:]:
        np.testing.assert_allclose(other, outcomes[0], rtol=8 * float(np.finfo(kernel.dtype).eps))
    times: list[list[float]] = [[] for _ in engines]
    for _ in range(ROUNDS):
        for engine, record in zip(engines, times, strict=True):
            if engine:
                start = time.perf_counter()
                for _ in range(CALLS):
                    engine()
                record.append((time.perf_counter() - start) / CALLS / COUNT * 1e9)
    ours, numpy, libm = [statistics.median(record) if record else None for record in times]
    assert ours is not None
    return ours, numpy, libm


def main(scalar: str = "double", *names: str) -> None:
    features = llvm.get_host_cpu_features()
    bits = 512 if features.get("avx512f") else 256 if features.get("avx2") else 128
    lanes = bits // {"double": 64, "float": 32}[scalar]
    print(f"{scalar}, {lanes} lanes, NumPy {np.__version__}, LLVM for {llvm.get_host_cpu_name()}\n")
    print("| function | ns | NumPy | times ours | C library | times ours |\n|---|---|---|---|---|---|")
    for name in names or vecmath.FUNCTIONS:
        if vecmath.FUNCTIONS[name].arity == 3:
            continue
        ours, numpy, libm = contest(name, scalar, lanes)
        cells = [f"{t:.2f} | {t / ours:.1f}" if t is not None else "- | -" for t in (numpy, libm)]
        print(f"| {name} | {ours:.2f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
