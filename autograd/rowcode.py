"""Formulas as native code over rows of numbers: activations with their derivatives, functions of two units, losses.

What a user gives as a formula is recorded, its derivative follows from the rows of `ops.py`, and both become one piece
of code. A few activations have a form of their own, in which the derivative shares its dear part with the value; see
`vecmath.WITH_SLOPE`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from autograd import machine, ops, vecmath
from autograd.codegen import Kernel, Program, Writer, callback
from autograd.lower import program_of
from autograd.netgraph import Activation
from autograd.op import ABSENT
from autograd.record import Recording, Symbol, gradient
from autograd.tape import TapeKernel

#: Operations of a loss from which on it is a tape, whose repeated parts are compiled once.
LONG = 1000
#: Activations whose code is kept.
MOST_ACTIVATIONS = 256


class _RowWriter(Writer):
    """A program over numbers side by side in several arrays.

    Args:
        program: what to write.
        lanes: how many numbers a vector holds.
        scalar: "double" or "float".
        inputs: per input the array it is in.
        outputs: per output the array it goes to.
        arrays: how many arrays its code takes.
    """

    def __init__(
        self, program: Program, lanes: int, scalar: str, inputs: Sequence[int], outputs: Sequence[int], arrays: int
    ) -> None:
        super().__init__(program, lanes, scalar, at_once=False)
        self.inputs, self.outputs, self.arrays = inputs, outputs, arrays
        self.signature = ", ".join([f"ptr %a{k}" for k in range(self.arrays)] + ["ptr %w"])

    def input(self, k: int) -> str:
        return self.load(f"%a{self.inputs[k]}", "0")

    def output(self, j: int, value: str) -> None:
        self.store(value, f"%a{self.outputs[j]}", "0")

    def module(self) -> str:
        """Return the whole text."""
        parts = self.functions()
        return "\n".join([*sorted(self.declared), *parts, _row_loop(self, self.arrays, self.names, self.slot_count)])


class _SlopeWriter:
    """A function of `vecmath` that gives value and derivative together, as the module of a `RowCode`."""

    def __init__(self, name: str, lanes: int, scalar: str) -> None:
        self.name, self.lanes, self.scalar = name, lanes, scalar

    def module(self) -> str:
        """Return the whole text."""
        module = ir.Module()
        vecmath.declare_with_slope(module, self.name, self.scalar, self.lanes, "both")
        return f"{module}\n{_row_loop(self, 2, ['both'], 0)}"


def _row_loop(at: Any, arrays: int, calls: Sequence[str], slots: int) -> str:
    """Return the function ``run(arrays..., count)`` that calls others for vector after vector.

    What does not fill a vector is copied to where it does.
    """
    names = range(arrays)
    kind, lines = f"<{at.lanes} x {at.scalar}>", "\n  "
    formal = ", ".join([f"ptr %b{k}" for k in names] + ["i64 %n"])

    def each(text: str) -> str:
        return lines.join(text.replace("#", str(k)) for k in names)

    def chunks(letter: str) -> str:
        actual = ", ".join([f"ptr %{letter}{k}" for k in names] + ["ptr %w"])
        return lines.join(f"call void @{name}({actual})" for name in calls)

    copy = "call void @llvm.memcpy.p0.p0.i64"
    tail = each(f"%t# = getelementptr {at.scalar}, ptr %b#, i64 %whole")
    take = each(f"{copy}(ptr %r#, ptr %t#, i64 %bytes, i1 false)")
    give = each(f"{copy}(ptr %t#, ptr %r#, i64 %bytes, i1 false)")
    rooms = each(f"%r# = alloca {kind}, align 64{lines}store {kind} zeroinitializer, ptr %r#")
    return f"""
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define void @run({formal}) {{
entry:
  %w = alloca {at.scalar}, i64 {max(slots * at.lanes, 1)}, align 64
  {rooms}
  %whole = and i64 %n, {-at.lanes}
  %left = sub i64 %n, %whole
  %any = icmp sgt i64 %whole, 0
  br i1 %any, label %loop, label %check
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  {each(f"%a# = getelementptr {at.scalar}, ptr %b#, i64 %i")}
  {chunks("a")}
  %next = add i64 %i, {at.lanes}
  %more = icmp slt i64 %next, %whole
  br i1 %more, label %loop, label %check
check:
  %some = icmp sgt i64 %left, 0
  br i1 %some, label %part, label %end
part:
  %bytes = mul i64 %left, {8 if at.scalar == "double" else 4}
  {tail}
  {take}
  {chunks("r")}
  {give}
  br label %end
end:
  ret void
}}
"""


class RowCode:
    """A program over numbers side by side, as native code at `address`; see `_RowWriter` for the arguments."""

    def __init__(
        self, program: Program, scalar: str, inputs: Sequence[int], outputs: Sequence[int], arrays: int
    ) -> None:
        lanes = _lanes(scalar)
        self._callbacks = [callback(step) for step in program.steps if step.python is not None]
        self.calls_python = bool(self._callbacks)
        writer = _RowWriter(program, lanes, scalar, inputs, outputs, arrays)
        writer.vector_functions()
        made_from = program.made_from
        place = made_from and f"rows {lanes} {scalar} {inputs} {outputs} {arrays} ".encode() + made_from
        self._code = machine.load(writer.module, place)
        self.address = self._code.address("run")

    @classmethod
    def with_slope(cls, name: str, scalar: str) -> RowCode:
        """Return the code of a function of `vecmath.WITH_SLOPE`."""
        self = cls.__new__(cls)
        self.calls_python = False
        lanes = _lanes(scalar)
        made_from = f"slope {name} {lanes} {scalar}".encode()
        self._code = machine.load(_SlopeWriter(name, lanes, scalar).module, made_from)
        self.address = self._code.address("run")
        return self


def _lanes(scalar: str) -> int:
    return machine.vector_lanes() * (1 if scalar == "double" else 2)


def absent(scalar: str) -> float:
    """Return the number that stands for a derivative that is not there: in float, a tiny one of that format."""
    return ABSENT if scalar == "double" else float(np.float32(2.0**-140 + 2.0**-147))


def _marked(slope: Any, scalar: str) -> Any:
    """Return a slope with `absent` where it is not there."""
    if slope.absent is None:
        return slope.value
    return ops.where(slope.absent, absent(scalar), slope.value)


class ActivationPrograms(NamedTuple):
    """An activation as programs: from a to phi and sigma', and to phi alone."""

    both: Program
    value: Program


def activation_programs(sigma: Activation, scalar: str) -> ActivationPrograms:
    """Return the programs of an activation.

    Raises:
        NoCodeError: if it is a formula that cannot be recorded.
    """
    recording, what = Recording(), f"the activation {sigma.name!r}"
    a = recording.input(0.5)
    phi = _recorded(sigma.function, what, a)
    _done(recording, what)
    (slope,) = gradient(phi, [a])
    return ActivationPrograms(program_of([a], [phi, _marked(slope, scalar)]), program_of([a], [phi]))


class NoCodeError(Exception):
    """A user's formula that cannot be recorded, and so has no native code."""


def _recorded(formula: Callable[..., Any], what: str, *arguments: Any) -> Any:
    """Return what a formula gives for symbols; refuse what is no program over samples."""
    try:
        result = formula(*arguments)
    except Exception as error:
        raise NoCodeError(f"{what} cannot be recorded ({error})") from error
    if not isinstance(result, Symbol | float | int):
        raise NoCodeError(f"{what} gives {type(result).__name__}, not one number of a sample")
    return result if isinstance(result, Symbol) else float(result)


def _done(recording: Recording, what: str) -> None:
    recording.done = True
    if recording.guards:
        raise NoCodeError(f"{what} decides by if, which samples could do differently (use autograd.where)")


_activations: dict[Any, tuple[RowCode, RowCode]] = {}


def activation_code(sigma: Activation, programs: ActivationPrograms, scalar: str) -> tuple[RowCode, RowCode]:
    """Return code that turns a into phi and writes sigma'(a), and code that only turns a into phi."""
    key = programs, scalar
    if key not in _activations:
        while len(_activations) >= MOST_ACTIVATIONS:  # a formula that reads what changes is another one every time
            del _activations[next(iter(_activations))]
        alone = RowCode(programs.value, scalar, [0], [0], 2)
        if sigma.function is ops.TABLE.get(sigma.name) and sigma.name in vecmath.WITH_SLOPE:
            _activations[key] = RowCode.with_slope(sigma.name, scalar), alone
        else:
            _activations[key] = RowCode(programs.both, scalar, [0], [0, 1], 2), alone
    return _activations[key]


@cache
def pair_code(function: Callable[[Any, Any], Any], scalar: str) -> tuple[RowCode, RowCode, RowCode]:
    """Return code for the value of a function of two rows, and for what its delta adds to the sums of either."""
    recording = Recording()
    x, y, delta, sums = (recording.input(v) for v in (0.5, 0.25, 1.0, 0.0))
    z = function(x, y)
    recording.done = True
    codes = [RowCode(program_of([x, y], [z]), scalar, [0, 1], [2], 3)]
    for slope in gradient(z, [x, y]):
        added = sums + delta * slope.value
        if slope.absent is not None:
            added = ops.where(slope.absent, sums, added)
        codes.append(RowCode(program_of([x, y, delta, sums], [added]), scalar, [0, 1, 2, 3], [3], 4))
    return codes[0], codes[1], codes[2]


@dataclass(frozen=True, eq=False)
class LongLoss:
    """A loss of too many operations for straight-line code: its inputs, outputs first, and its value."""

    inputs: tuple[Symbol, ...]
    outputs: int
    value: Symbol


def loss_program(formula: Callable[[Any, Any], Any], outputs: int, targets: int) -> Program | LongLoss:
    """Return what `loss_kernel` makes code of: the loss of a sample as a function of its outputs and targets."""
    recording = Recording()
    phi = [recording.input(0.5) for _ in range(outputs)]
    y = [recording.input(0.25) for _ in range(targets)]
    value = _recorded(formula, "the loss", phi, y)
    _done(recording, "the loss")
    if recording.count - len(phi) - len(y) > LONG and isinstance(value, Symbol):
        return LongLoss((*phi, *y), outputs, value)
    slopes = [slope.value for slope in gradient(value, phi)]
    return program_of([*phi, *y], [value, *slopes], groups_in=(outputs, targets), groups_out=(1, outputs))


def loss_kernel(loss: Program | LongLoss, alone: bool, dtype: Any) -> Kernel:
    """Return a kernel from outputs and targets, a group each, to the loss and its slopes, a group each.

    Args:
        loss: by `loss_program`.
        alone: whether it is for one sample at a time.
        dtype: float64 or float32.
    """
    if isinstance(loss, Program):
        return Kernel(loss, int(alone), dtype)
    groups = loss.outputs, len(loss.inputs) - loss.outputs
    lanes = machine.vector_lanes() * 8 // np.dtype(dtype).itemsize
    return TapeKernel(loss.inputs, [loss.value], (0, loss.outputs), (1,), groups=groups, lanes=lanes, dtype=dtype)
