"""A straight-line program over a batch of samples as native code: LLVM IR with explicit vectors, through llvmlite.

A `Program` is a list of steps on numbered values. `compile_program` turns it into a function that runs it for `lanes`
samples at a time, every value one vector; samples lie side by side in memory, a column of the batch per input and per
output. Nothing here knows a derivative: programs come with theirs written out.

One huge function compiles in more than linear time, so the steps are cut into chunks, and a value that a later chunk
needs passes through a workspace. Code generation at level 1 without passes over the IR is where preparing and running
cost least together.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from autograd import vecmath

#: Steps per function of LLVM.
CHUNK = 400

#: Steps that are one instruction: by the names of the rows, and of the conditions that `record` knows.
BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
COMPARISONS = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
LOGIC = {"and": "and", "or": "or"}
INTRINSICS = {"sqrt": "sqrt", "fabs": "fabs", "floor": "floor", "ceil": "ceil"}
#: Functions that have a vector form but no name in C.
VECTORS = frozenset({"sigmoid", "softplus", "logsigmoid", "gaussian", "normal_pdf", "normal_cdf"})


class Step(NamedTuple):
    """One operation of a program.

    Args:
        name: of the operation: a key of the tables above, "neg", "not", "where", or a function of the C library.
        operands: places of earlier values, or constants.
        python: a function of floats to call instead, sample by sample, where there is no code of that name.
    """

    name: str
    operands: tuple[int | float, ...]
    python: Callable[..., float] | None = None


@dataclass(frozen=True)
class Program:
    """Straight-line code: value number k < inputs is an input, the others are the results of the steps.

    Args:
        inputs: how many inputs.
        steps: the operations in order.
        outputs: places of the results, or constants.
    """

    inputs: int
    steps: tuple[Step, ...]
    outputs: tuple[int | float, ...]

    def is_condition(self, place: int) -> bool:
        """Whether a value is a truth value."""
        return place >= self.inputs and self.steps[place - self.inputs].name in _CONDITIONS


_CONDITIONS = {*COMPARISONS, *LOGIC, "not"}


class Kernel:
    """A compiled program.

    Args:
        program: what it runs.
        lanes: how many samples are computed at a time.

    Attributes:
        workspace: bytes that a call needs beside its arguments.
    """

    def __init__(self, program: Program, lanes: int) -> None:
        self.program, self.lanes = program, lanes
        text, slots = _module(program, lanes)
        self.workspace = 8 * max(slots, 1) * lanes
        self._callbacks = [_callback(step) for step in program.steps if step.python is not None]
        self._engine = _engine(text)
        address = self._engine.get_function_address("run")
        pointer = ctypes.c_void_p
        self.run = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, ctypes.c_int64)(address)

    def __call__(self, columns: NDArray[np.float64], out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Run the program.

        Args:
            columns: [inputs, N], contiguous; N a multiple of `lanes`.
            out: [outputs, N], contiguous, to write to; default a new array.

        Returns:
            The outputs [outputs, N].
        """
        n = columns.shape[1]
        if out is None:
            out = np.empty((len(self.program.outputs), n))
        work = np.empty(self.workspace // 8)
        self.run(columns.ctypes.data, out.ctypes.data, work.ctypes.data, n)
        return out


class PointCall:
    """A program ready to run at one point again and again, with its buffers; for one thread.

    Args:
        kernel: of one lane.

    Attributes:
        x: where the inputs are written before a call.
        y: where the outputs are after it.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.x = np.empty(kernel.program.inputs)
        self.y = np.empty(len(kernel.program.outputs))
        work = np.empty(kernel.workspace // 8)
        self._held = kernel, work
        addresses = [ctypes.c_void_p(a.ctypes.data) for a in (self.x, self.y, work)]
        self.run = partial(kernel.run, *addresses, ctypes.c_int64(1))


def compile_program(program: Program, lanes: int = 0) -> Kernel:
    """Return a program as native code.

    Args:
        program: what to compile.
        lanes: samples at a time; default what a vector of the host holds.
    """
    return Kernel(program, lanes or vector_lanes())


@cache
def vector_lanes() -> int:
    """Return how many doubles a vector of this machine holds."""
    features = llvm.get_host_cpu_features()
    return 8 if features.get("avx512f") else 4 if features.get("avx") else 2


# Text of LLVM. -------------------------------------------------------------------------------------------------------


def _module(program: Program, lanes: int) -> tuple[str, int]:
    """Return the module's text, and how many vectors of workspace it uses."""
    chunks = [range(i, min(i + CHUNK, len(program.steps))) for i in range(0, len(program.steps), CHUNK)]
    slots = _crossing(program, chunks)
    writer = _Writer(program, lanes, slots)
    parts = [writer.chunk(k, steps) for k, steps in enumerate(chunks)]
    parts.append(writer.outputs())
    calls = "\n".join(f"  call void @{name}(ptr %x, ptr %y, ptr %w, i64 %r, i64 %n)" for name in writer.names)
    run = f"""
define void @run(ptr %x, ptr %y, ptr %w, i64 %n) {{
entry:
  %any = icmp sgt i64 %n, 0
  br i1 %any, label %loop, label %end
loop:
  %r = phi i64 [ 0, %entry ], [ %next, %loop ]
{calls}
  %next = add i64 %r, {lanes}
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}}
"""
    functions = str(writer.functions)
    missing = [name for name in sorted(writer.intrinsics) if name not in functions]
    declared = [f"declare {writer.type} @{name}({writer.type})" for name in missing]
    return "\n".join([functions, *declared, *sorted(writer.declared), *parts, run]), len(slots)


def _crossing(program: Program, chunks: Sequence[range]) -> dict[int, int]:
    """Return the workspace slot of every value that is used outside of the chunk that makes it."""
    home = {program.inputs + i: k for k, steps in enumerate(chunks) for i in steps}
    crossing: dict[int, int] = {}
    for i, step in enumerate(program.steps):
        for x in step.operands:
            if type(x) is int and x in home and home[x] != home[program.inputs + i]:
                crossing.setdefault(x, len(crossing))
    for x in program.outputs:
        if type(x) is int and x in home:
            crossing.setdefault(x, len(crossing))
    return crossing


class _Writer:
    """Writes the functions of a module."""

    def __init__(self, program: Program, lanes: int, slots: dict[int, int]) -> None:
        self.program, self.lanes, self.slots = program, lanes, slots
        self.type = f"<{lanes} x double>"
        self.mask = f"<{lanes} x i1>"
        self.names: list[str] = []
        self.declared: set[str] = set()
        self.intrinsics: set[str] = set()
        self.functions = ir.Module()

    def chunk(self, k: int, steps: range) -> str:
        """Return the function that computes some steps."""
        self.lines: list[str] = []
        self.here: dict[int, str] = {}
        self.count = 0
        for i in steps:
            place, step = self.program.inputs + i, self.program.steps[i]
            self.here[place] = self._step(step, place)
            if place in self.slots:
                value = self.here[place]
                if self.program.is_condition(place):
                    value = self._line(f"uitofp {self.mask} {value} to {self.type}")
                self._store(value, "%w", str(self.slots[place] * self.lanes))
        return self._function(f"chunk{k}")

    def outputs(self) -> str:
        """Return the function that writes the outputs of a block of samples."""
        self.lines, self.here, self.count = [], {}, 0
        for j, x in enumerate(self.program.outputs):
            value = self._load(x) if type(x) is int else _constant(float(x), self.lanes)
            at = self._line(f"mul i64 {j}, %n")
            self._store(value, "%y", self._line(f"add i64 {at}, %r"))
        return self._function("outputs")

    def _function(self, name: str) -> str:
        self.names.append(name)
        body = "\n".join(f"  {line}" for line in self.lines)
        head = f"define internal void @{name}(ptr %x, ptr %y, ptr %w, i64 %r, i64 %n)"
        return f"{head} {{\nentry:\n{body}\n  ret void\n}}"

    def _line(self, text: str) -> str:
        self.count += 1
        self.lines.append(f"%t{self.count} = {text}")
        return f"%t{self.count}"

    def _pointer(self, base: str, index: str) -> str:
        return self._line(f"getelementptr double, ptr {base}, i64 {index}")

    def _store(self, value: str, base: str, index: str) -> None:
        self.lines.append(f"store {self.type} {value}, ptr {self._pointer(base, index)}, align 8")

    def _load(self, place: int) -> str:
        """Load an input from the batch, or a value of another chunk from the workspace."""
        if place < self.program.inputs:
            at = self._line(f"mul i64 {place}, %n")
            pointer = self._pointer("%x", self._line(f"add i64 {at}, %r"))
        else:
            pointer = self._pointer("%w", str(self.slots[place] * self.lanes))
        return self._line(f"load {self.type}, ptr {pointer}, align 8")

    def _operand(self, x: int | float, condition: bool = False) -> str:
        if type(x) is not int:
            return _constant_mask(bool(x), self.lanes) if condition else _constant(float(x), self.lanes)
        if x not in self.here:
            self.here[x] = self._load(x)
            if self.program.is_condition(x):
                self.here[x] = self._line(f"fcmp une {self.type} {self.here[x]}, {_constant(0.0, self.lanes)}")
        value = self.here[x]
        if condition and not self.program.is_condition(x):
            return self._line(f"fcmp une {self.type} {value}, {_constant(0.0, self.lanes)}")
        if not condition and self.program.is_condition(x):
            return self._line(f"uitofp {self.mask} {value} to {self.type}")
        return value

    def _step(self, step: Step, place: int) -> str:
        name, operands, python = step
        if name == "where":
            c = self._operand(operands[0], condition=True)
            a, b = map(self._operand, operands[1:])
            return self._line(f"select {self.mask} {c}, {self.type} {a}, {self.type} {b}")
        if name in LOGIC or name == "not":
            xs = [self._operand(x, condition=True) for x in operands]
            return self._line(f"{LOGIC[name]} {self.mask} {xs[0]}, {xs[1]}" if name in LOGIC else
                              f"xor {self.mask} {xs[0]}, {_constant_mask(True, self.lanes)}")  # fmt: skip
        xs = [self._operand(x) for x in operands]
        if name in BINARY:
            return self._line(f"{BINARY[name]} {self.type} {xs[0]}, {xs[1]}")
        if name == "neg":
            return self._line(f"fneg {self.type} {xs[0]}")
        if name in COMPARISONS:
            return self._line(f"fcmp {COMPARISONS[name]} {self.type} {xs[0]}, {xs[1]}")
        if name in INTRINSICS:
            function = f"llvm.{INTRINSICS[name]}.v{self.lanes}f64"
            self.intrinsics.add(function)
            return self._line(f"call {self.type} @{function}({self.type} {xs[0]})")
        if python is None and vecmath.has(name):
            vector = vecmath.declare(self.functions, name, "double", self.lanes)
            arguments = ", ".join(f"{self.type} {x}" for x in xs)
            return self._line(f'call {self.type} @"{vector.name}"({arguments})')
        return self._lane_by_lane(name if python is None else _symbol(step), xs)

    def _lane_by_lane(self, name: str, xs: Sequence[str]) -> str:
        """Call a function of the C library for every sample by itself."""
        name = f'"{name}"'
        self.declared.add(f"declare double @{name}({', '.join(['double'] * len(xs))})")
        result = "poison"
        for lane in range(self.lanes):
            singles = [self._line(f"extractelement {self.type} {x}, i32 {lane}") for x in xs]
            y = self._line(f"call double @{name}({', '.join(f'double {s}' for s in singles)})")
            result = self._line(f"insertelement {self.type} {result}, double {y}, i32 {lane}")
        return result


def _constant(x: float, lanes: int) -> str:
    """Return a constant vector, bit by bit."""
    bits = struct.unpack("<Q", struct.pack("<d", x))[0]
    return f"<{', '.join([f'double 0x{bits:016X}'] * lanes)}>"


def _constant_mask(x: bool, lanes: int) -> str:
    return f"<{', '.join([f'i1 {x}'.lower()] * lanes)}>"


# The machine. --------------------------------------------------------------------------------------------------------


def _symbol(step: Step) -> str:
    return f"dagrad.{step.name}.{id(step.python)}"


def _callback(step: Step) -> Any:
    """Let native code call a Python function; the result must live as long as the code."""
    assert step.python is not None
    function = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * len(step.operands))(step.python)
    address = ctypes.cast(function, ctypes.c_void_p).value
    llvm.add_symbol(_symbol(step), address)
    return function


@cache
def _host() -> tuple[Any, dict[str, Any]]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple(), {"cpu": llvm.get_host_cpu_name(), "features": features, "opt": 1}


def _engine(text: str) -> Any:
    target, options = _host()
    module = llvm.parse_assembly(text)
    module.verify()
    # An engine owns its machine, so each gets a new one.
    engine = llvm.create_mcjit_compiler(module, target.create_target_machine(**options))
    engine.finalize_object()
    return engine


# Text of C. ----------------------------------------------------------------------------------------------------------

_C_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==",
            "ne": "!=", "and": "&&", "or": "||"}  # fmt: skip


def c_source(program: Program, name: str, about: str) -> str:
    """Return a program as standalone C99: ``void name(const double *x, double *y)`` for one sample.

    Args:
        program: what to write.
        name: of the function.
        about: the comment above it.

    Raises:
        TypeError: if a step calls Python.
    """
    lines = [f"    const double v{i} = x[{i}];" for i in range(program.inputs)]
    for i, step in enumerate(program.steps):
        place = program.inputs + i
        if step.python is not None:
            raise TypeError(f"c_source: the operation {step.name} is code in Python, and C has none of this name")
        kind = "int" if program.is_condition(place) else "double"
        lines.append(f"    const {kind} v{place} = {_in_c(step)};")
    lines += [f"    y[{j}] = {_c_number(x)};" for j, x in enumerate(program.outputs)]
    body = "\n".join(lines)
    return f"/* {about} */\n#include <math.h>\n\nvoid {name}(const double *x, double *y)\n{{\n{body}\n}}\n"


def _in_c(step: Step) -> str:
    xs = [_c_number(x) for x in step.operands]
    if step.name in _C_SIGNS:
        return f"{xs[0]} {_C_SIGNS[step.name]} {xs[1]}"
    if step.name == "where":
        return f"{xs[0]} ? {xs[1]} : {xs[2]}"
    if step.name in ("neg", "not"):
        return f"{'-' if step.name == 'neg' else '!'}{xs[0]}"
    return f"{step.name}({', '.join(xs)})"


def _c_number(x: int | float) -> str:
    if type(x) is int:
        return f"v{x}"
    if x != x:
        return "NAN"
    if x in (float("inf"), float("-inf")):
        return "INFINITY" if x > 0 else "(-INFINITY)"
    return f"({x!r})" if x < 0 or str(x).startswith("-") else repr(x)
