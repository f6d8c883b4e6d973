"""A straight-line program over a batch of samples as native code: LLVM IR with explicit vectors, through llvmlite.

A `Program` is a list of steps on numbered values. `Kernel` is a function that runs it for `lanes` samples at a time,
every value one vector. Nothing here knows a derivative: programs come with theirs written out.

One huge function compiles in more than linear time, so the steps are cut into chunks, and a value that a later chunk
needs passes through a workspace, or is computed there again where that is as cheap as to load it.
"""

from __future__ import annotations

import bisect
import ctypes
import marshal
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from autograd import invoke, machine, vecmath

#: Steps per function of LLVM.
CHUNK = 400

#: Steps that are one instruction: by the names of the rows, and of the conditions that `record` knows.
BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
COMPARISONS = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
LOGIC = {"and": "and", "or": "or"}
INTRINSICS = {"sqrt": "sqrt", "fabs": "fabs", "floor": "floor", "ceil": "ceil"}
EXTREMES = {"maximum": "ogt", "minimum": "olt"}
#: Functions that have a vector form but no name in C.
VECTORS = frozenset({"gaussian", "normal_pdf", "normal_cdf", "maximum", "minimum"})

_NOTHING = np.empty(0)
_CONDITIONS = {*COMPARISONS, *LOGIC, "not"}
_CHEAP = {"neg", "add", "sub", "mul"}


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
        shared: how many of the inputs, the last ones, are one number for all samples.
        summed: how many of the outputs, the first ones, are added up over the samples; if the program has other
            outputs, the last is a condition, and samples where it does not hold are not added.
        groups_in: how many of the inputs that are not shared come from one array each; default all from one.
        groups_out: how many of the outputs that are not summed go to one array each; default all to one.
    """

    inputs: int
    steps: tuple[Step, ...]
    outputs: tuple[int | float, ...]
    shared: int = 0
    summed: int = 0
    groups_in: tuple[int, ...] = (-1,)
    groups_out: tuple[int, ...] = (-1,)

    def __post_init__(self) -> None:
        if self.groups_in == (-1,):
            object.__setattr__(self, "groups_in", (self.inputs - self.shared,))
        if self.groups_out == (-1,):
            object.__setattr__(self, "groups_out", (len(self.outputs) - self.summed,))

    def is_condition(self, place: int) -> bool:
        """Whether a value is a truth value."""
        if place < self.inputs:
            return False
        step = self.steps[place - self.inputs]
        return step.python is None and step.name in _CONDITIONS

    @cached_property
    def made_from(self) -> bytes | None:
        """What decides the code, as bytes; None where a step calls into this process."""
        if any(step.python is not None for step in self.steps):
            return None
        steps = [(step.name, step.operands) for step in self.steps]
        shape = self.shared, self.summed, self.groups_in, self.groups_out
        # Version 2 of the format writes equal things equally.
        return marshal.dumps((self.inputs, steps, self.outputs, shape), 2)


SCALARS = {"d": "double", "f": "float"}


class Kernel:
    """A program as native code.

    Args:
        program: what it runs.
        lanes: how many samples are computed at a time; default what a vector of the host holds.
        dtype: float64 or float32.

    Attributes:
        workspace: how many numbers a call needs room for beside its arguments, however many samples there are.
        steps: how many steps it takes for a sample.
        calls_python: whether some step is a function in Python.
        any_room: whether any memory of that size will do as workspace.
    """

    any_room = True

    def __init__(self, program: Program, lanes: int = 0, dtype: Any = np.float64) -> None:
        self.program, self.dtype = program, np.dtype(dtype)
        self.lanes = lanes or machine.vector_lanes() * 8 // self.dtype.itemsize
        self.summed = program.summed
        self._callbacks = [callback(step) for step in program.steps if step.python is not None]
        self.steps, self.calls_python = len(program.steps), bool(self._callbacks)
        writer = self._writer()
        writer.vector_functions()
        self.workspace = self.lanes * writer.vectors
        made_from = program.made_from
        self._load(writer.module, made_from and f"samples {self.lanes} {self.dtype.char} ".encode() + made_from)

    def _writer(self) -> SampleWriter:
        return SampleWriter(self.program, self.lanes, SCALARS[self.dtype.char])

    def text(self) -> str:
        """Return the code in LLVM's language."""
        return self._writer().module()

    def _load(self, text: Callable[[], str], made_from: bytes | None) -> None:
        self._code = machine.load(text, made_from)
        self.address = self._code.address("run")
        self._own = threading.local()

    def room(self) -> Any:
        """Return a workspace."""
        return np.empty(max(self.workspace, 1), self.dtype)

    def __call__(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        shared: Any = _NOTHING,
        sums: Any = _NOTHING,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """Run the program, without the lock of the interpreter.

        Args:
            inputs: an array [N, k] for every group of inputs, of the kernel's type, with any strides.
            outputs: an array [N, j] for every group of outputs, to write to.
            shared: the shared inputs [shared], contiguous.
            sums: [summed, lanes], contiguous, what is added to; the sums are those over its last axis.
            start: the first sample.
            stop: the one behind the last; default all.
        """
        if stop is None:
            stop = len(inputs[0])
        try:
            room = self._own.room
        except AttributeError:
            room = self.room()
            if not self.calls_python:  # what is called may call this very program
                self._own.room = room  # kept, for the pages of fresh memory cost more than many a program
        invoke.batch(self.address, start, stop, room, shared, sums, *inputs, *outputs)
        if self.calls_python:
            raise_what_python_raised()


# Text of LLVM. -------------------------------------------------------------------------------------------------------


class Writer:
    """Writes steps as functions of LLVM. Where inputs come from and outputs go is for those who inherit.

    Args:
        program: what to write.
        lanes: how many samples a vector holds.
        scalar: "double" or "float".
        name: in front of the names of its functions.
        at_once: whether an output is written as soon as there is its value; else all of them at the end, in order.
    """

    signature: str

    def __init__(self, program: Program, lanes: int, scalar: str, name: str = "", at_once: bool = True) -> None:
        self.program, self.lanes, self.scalar, self.name = program, lanes, scalar, name
        self.type, self.mask = f"<{lanes} x {scalar}>", f"<{lanes} x i1>"
        self.bytes = 8 if scalar == "double" else 4
        #: How many calls of one elementary function are made as one where there is one sample.
        self.together = machine.vector_lanes() * 8 // self.bytes if lanes == 1 else 1
        self.names: list[str] = []
        self.declared: set[str] = set()
        self.at_once = at_once
        count = len(program.steps)
        self.chunks = [range(i, min(i + CHUNK, count)) for i in range(0, max(count, 1), CHUNK)]
        self.written: dict[int, list[int]] = {}
        for j, x in enumerate(program.outputs):
            if type(x) is int and x >= program.inputs:
                self.written.setdefault(x, []).append(j)
        self.slots, self.slot_count = self._crossing()

    def input(self, k: int) -> str:
        """Write the loading of an input."""
        raise NotImplementedError

    def output(self, j: int, value: str) -> None:
        """Write the storing of an output."""
        raise NotImplementedError

    def functions(self) -> list[str]:
        """Return the functions that together compute the outputs; `names` lists them in order."""
        return [self._chunk(k, steps) for k, steps in enumerate(self.chunks)]

    def vector_functions(self) -> None:
        """Have the elementary functions ready that the steps call."""
        for name in {step.name for step in self.program.steps if _elementary(step)}:
            for lanes in {self.lanes, self.lanes * self.together}:
                machine.vector_function(name, self.scalar, lanes)

    def _is_step(self, x: int | float) -> bool:
        return type(x) is int and x >= self.program.inputs

    def _again(self, x: int | float) -> bool:
        """Whether a value is as cheap to compute once more as to load."""
        if not self._is_step(x):
            return False
        step = self.program.steps[int(x) - self.program.inputs]
        return step.python is None and step.name in _CHEAP and not any(self._is_step(o) for o in step.operands)

    def _crossing(self) -> tuple[dict[int, int], int]:
        """Return the workspace slot of every value that passes from chunk to chunk, and how many slots there are."""
        first = self.program.inputs
        last: dict[int, int] = {}  # the last chunk that reads a value of an earlier one
        for k, steps in enumerate(self.chunks):
            for i in steps:
                for x in self.program.steps[i].operands:
                    if self._is_step(x) and (x - first) // CHUNK != k and not self._again(x):
                        last[int(x)] = k
        if not self.at_once:
            end = len(self.chunks) - 1
            last |= {x: end for x in self.written if (x - first) // CHUNK != end and not self._again(x)}
        slots: dict[int, int] = {}
        free: list[int] = []
        count = 0
        ending: list[list[int]] = [[] for _ in self.chunks]
        for k, steps in enumerate(self.chunks):
            for x in range(first + steps.start, first + steps.stop):
                if x in last:
                    if not free:
                        free.append(count)
                        count += 1
                    slots[x] = free.pop()
                    ending[last[x]].append(slots[x])
            free += ending[k]
        return slots, count

    def _chunk(self, k: int, steps: range) -> str:
        self.lines: list[str] = []
        self.here: dict[int, str] = {}
        self.count = 0
        self.waiting: dict[str, list[int]] = {}
        for i in self._scheduled(steps) if self.together > 1 else steps:
            place, step = self.program.inputs + i, self.program.steps[i]
            if self.together > 1 and _elementary(step):
                for x in step.operands:
                    self._wait_for(x)  # calls that need each other cannot be made together
                calls = self.waiting.setdefault(step.name, [])
                calls.append(place)
                if len(calls) == self.together:
                    self._call_together(step.name)
            else:
                self._made(place, self._step(step, place))
        while self.waiting:
            self._call_together(next(iter(self.waiting)))
        if k == len(self.chunks) - 1:
            for j, x in enumerate(self.program.outputs):
                if not (self.at_once and self._is_step(x)):
                    self.output(j, self.operand(x))
        name = f"{self.name}chunk{k}"
        self.names.append(name)
        body = "\n".join(f"  {line}" for line in self.lines)
        return f"define internal void @{name}({self.signature}) {{\nentry:\n{body}\n  ret void\n}}"

    def _made(self, place: int, value: str) -> None:
        """Take note of a value, and store it where it is needed later."""
        self.here[place] = value
        if place in self.slots:
            self.store(self._number(place), "%w", str(self.slots[place] * self.lanes))
        if self.at_once:
            for j in self.written.get(place, ()):
                self.output(j, self._number(place))

    def _scheduled(self, steps: range) -> list[int]:
        """Return steps in the order of their depth, so that calls which do not need each other are neighbours."""
        first = self.program.inputs + steps.start
        depth: list[int] = []
        for i in steps:
            inner = [x - first for x in self.program.steps[i].operands if type(x) is int and x >= first]
            depth.append(1 + max((depth[x] for x in inner), default=0))
        return [steps.start + o for o in sorted(range(len(steps)), key=depth.__getitem__)]

    def _wait_for(self, x: int | float) -> None:
        """Make the call that a value waits for, if it does."""
        if self._is_step(x):
            name = self.program.steps[int(x) - self.program.inputs].name
            if x in self.waiting.get(name, ()):
                self._call_together(name)

    def _call_together(self, name: str) -> None:
        """Make the calls of an elementary function that wait as one call, each a lane of its vectors."""
        places = self.waiting.pop(name)
        if len(places) == 1:
            self._made(places[0], self._step(self.program.steps[places[0] - self.program.inputs], places[0]))
            return
        wide = f"<{self.together} x {self.scalar}>"
        arguments = []
        for xs in zip(*[self.program.steps[place - self.program.inputs].operands for place in places], strict=True):
            vector = "zeroinitializer"
            for lane, x in enumerate(xs):
                number = self.line(f"extractelement {self.type} {self.operand(x)}, i64 0")
                vector = self.line(f"insertelement {wide} {vector}, {self.scalar} {number}, i64 {lane}")
            arguments.append(f"{wide} {vector}")
        function = self._elementary_function(name, len(arguments), self.together)
        results = self.line(f"call {wide} @{function}({', '.join(arguments)})")
        for lane, place in enumerate(places):
            number = self.line(f"extractelement {wide} {results}, i64 {lane}")
            self._made(place, self.line(f"insertelement {self.type} poison, {self.scalar} {number}, i64 0"))

    def _elementary_function(self, name: str, arity: int, lanes: int) -> str:
        """Declare an elementary function over vectors, and return its name."""
        wide = f"<{lanes} x {self.scalar}>"
        function = f'"dagrad.{name}.v{lanes}f{self.bytes * 8}"'
        self.declared.add(f"declare {wide} @{function}({', '.join([wide] * arity)})")
        return function

    def line(self, text: str) -> str:
        """Write an instruction with a result, and return its name."""
        self.count += 1
        self.lines.append(f"%t{self.count} = {text}")
        return f"%t{self.count}"

    def pointer(self, base: str, index: str) -> str:
        """Write the address of an element."""
        return self.line(f"getelementptr {self.scalar}, ptr {base}, i64 {index}")

    def store(self, value: str, base: str, index: str) -> None:
        """Write the storing of a vector."""
        self.lines.append(f"store {self.type} {value}, ptr {self.pointer(base, index)}, align {self.bytes}")

    def load(self, base: str, index: str) -> str:
        """Write the loading of a vector."""
        return self.line(f"load {self.type}, ptr {self.pointer(base, index)}, align {self.bytes}")

    def splat(self, value: str) -> str:
        """Write a vector of one number."""
        one = self.line(f"insertelement {self.type} poison, {self.scalar} {value}, i64 0")
        return self.line(f"shufflevector {self.type} {one}, {self.type} poison, <{self.lanes} x i32> zeroinitializer")

    def constant(self, x: float) -> str:
        """Return a constant vector, bit by bit; in float, the nearest."""
        if self.scalar == "float":
            with np.errstate(over="ignore"):
                x = float(np.float32(x))
        bits = struct.unpack("<Q", struct.pack("<d", x))[0]
        return f"splat ({self.scalar} 0x{bits:016X})"

    def _number(self, place: int) -> str:
        """Return a value of this chunk as a number."""
        value = self.here[place]
        return self.line(f"uitofp {self.mask} {value} to {self.type}") if self.program.is_condition(place) else value

    def operand(self, x: int | float, condition: bool = False) -> str:
        """Write what is needed for a value to be at hand, as a number or as a truth value, and return its name."""
        if type(x) is not int:
            return f"splat (i1 {'true' if x else 'false'})" if condition else self.constant(float(x))
        self._wait_for(x)
        if x not in self.here:
            if x < self.program.inputs:
                self.here[x] = self.input(x)
            elif x not in self.slots:
                self.here[x] = self._step(self.program.steps[x - self.program.inputs], x)
            else:
                self.here[x] = self.load("%w", str(self.slots[x] * self.lanes))
                if self.program.is_condition(x):
                    self.here[x] = self._truth(self.here[x])
        if condition:
            return self.here[x] if self.program.is_condition(x) else self._truth(self.here[x])
        return self._number(x)

    def _truth(self, value: str) -> str:
        return self.line(f"fcmp une {self.type} {value}, zeroinitializer")

    def _step(self, step: Step, place: int) -> str:
        name, operands, python = step
        if python is not None:
            return self._lane_by_lane(symbol(step), [self.operand(x) for x in operands])
        if name == "where":
            c = self.operand(operands[0], condition=True)
            a, b = map(self.operand, operands[1:])
            return self.line(f"select {self.mask} {c}, {self.type} {a}, {self.type} {b}")
        if name in LOGIC or name == "not":
            xs = [self.operand(x, condition=True) for x in operands]
            return self.line(f"{LOGIC[name]} {self.mask} {xs[0]}, {xs[1]}" if name in LOGIC else
                             f"xor {self.mask} {xs[0]}, splat (i1 true)")  # fmt: skip
        xs = [self.operand(x) for x in operands]
        if name in BINARY:
            return self.line(f"{BINARY[name]} {self.type} {xs[0]}, {xs[1]}")
        if name == "neg":
            return self.line(f"fneg {self.type} {xs[0]}")
        if name in COMPARISONS:
            return self.line(f"fcmp {COMPARISONS[name]} {self.type} {xs[0]}, {xs[1]}")
        if name in EXTREMES:
            first = self.line(f"fcmp {EXTREMES[name]} {self.type} {xs[0]}, {xs[1]}")
            chosen = self.line(f"select {self.mask} {first}, {self.type} {xs[0]}, {self.type} {xs[1]}")
            missing = self.line(f"fcmp uno {self.type} {xs[0]}, {xs[0]}")  # of the second the choice is itself
            return self.line(f"select {self.mask} {missing}, {self.type} {xs[0]}, {self.type} {chosen}")
        if name in INTRINSICS:
            function = f"llvm.{INTRINSICS[name]}.v{self.lanes}f{self.bytes * 8}"
            self.declared.add(f"declare {self.type} @{function}({self.type})")
            return self.line(f"call {self.type} @{function}({self.type} {xs[0]})")
        if _elementary(step):
            function = self._elementary_function(name, len(xs), self.lanes)
            arguments = ", ".join(f"{self.type} {x}" for x in xs)
            return self.line(f"call {self.type} @{function}({arguments})")
        return self._lane_by_lane(name, xs)

    def _lane_by_lane(self, name: str, xs: Sequence[str]) -> str:
        """Call a function of doubles for every sample by itself."""
        name = f'"{name}"'
        self.declared.add(f"declare double @{name}({', '.join(['double'] * len(xs))})")
        result = "poison"
        for lane in range(self.lanes):
            singles = [self.line(f"extractelement {self.type} {x}, i32 {lane}") for x in xs]
            if self.scalar == "float":
                singles = [self.line(f"fpext float {s} to double") for s in singles]
            y = self.line(f"call double @{name}({', '.join(f'double {s}' for s in singles)})")
            if self.scalar == "float":
                y = self.line(f"fptrunc double {y} to float")
            result = self.line(f"insertelement {self.type} {result}, {self.scalar} {y}, i32 {lane}")
        return result


def _elementary(step: Step) -> bool:
    """Whether a step is a call of a function over vectors."""
    return step.python is None and step.name not in INTRINSICS and vecmath.has(step.name)


class SampleWriter(Writer):
    """A program over samples, as the module of a `Kernel`."""

    def __init__(self, program: Program, lanes: int, scalar: str) -> None:
        super().__init__(program, lanes, scalar, at_once=not program.summed)
        self.groups_in, self.groups_out = Groups("x", program.groups_in), Groups("y", program.groups_out)
        self.signature = f"ptr %p, ptr %a, ptr %w, i64 %left{self.groups_in.formal}{self.groups_out.formal}"
        # Behind the slots there is room for a block's inputs and outputs, for samples that do not lie side by side.
        self.vectors = self.slot_count + self.groups_in.total + self.groups_out.total

    def input(self, k: int) -> str:
        """Write the loading of an input."""
        if k >= self.groups_in.total:
            pointer = self.pointer("%p", str(k - self.groups_in.total))
            return self.splat(self.line(f"load {self.scalar}, ptr {pointer}"))
        base, stride, within = self.groups_in.of(k)
        return self.load(base, self.line(f"mul i64 {within}, {stride}"))

    def output(self, j: int, value: str) -> None:
        """Write the storing of an output, or its adding to the sums."""
        if j >= self.program.summed:
            base, stride, within = self.groups_out.of(j - self.program.summed)
            self.store(value, base, self.line(f"mul i64 {within}, {stride}"))
            return
        counted = self.line(f"select {self.mask} {self._counted()}, {self.type} {value}, {self.type} zeroinitializer")
        at = str(j * self.lanes)
        self.store(self.line(f"fadd {self.type} {self.load('%a', at)}, {counted}"), "%a", at)

    def _counted(self) -> str:
        """Return which samples are added up: those of the batch on which the condition holds."""
        if -1 not in self.here:
            counted = real_lanes(self.line, self.lanes)
            if self.groups_out.total:
                held = self.operand(self.program.outputs[-1], condition=True)
                counted = self.line(f"and {self.mask} {counted}, {held}")
            self.here[-1] = counted
        return self.here[-1]

    def module(self) -> str:
        """Return the whole text."""
        parts = self.functions()
        calls = [
            f"call void @{name}(ptr %p, ptr %a, ptr %w, i64 %left{self.groups_in.actual}{self.groups_out.actual})"
            for name in self.names
        ]
        loop = sample_loop(self.scalar, self.lanes, self.groups_in, self.groups_out, self.slot_count, calls)
        return "\n".join([*sorted(self.declared), *parts, loop])


def real_lanes(line: Callable[[str], str], lanes: int) -> str:
    """Write the mask of the lanes that are samples, of which there are %left, and no copies of the last."""
    left = line(f"insertelement <{lanes} x i64> poison, i64 %left, i64 0")
    zeros = f"<{lanes} x i32> zeroinitializer"
    left = line(f"shufflevector <{lanes} x i64> {left}, <{lanes} x i64> poison, {zeros}")
    numbers = ", ".join(f"i64 {lane}" for lane in range(lanes))
    return line(f"icmp slt <{lanes} x i64> <{numbers}>, {left}")


class Groups:
    """Inputs or outputs by the arrays that hold them: names of the base and stride of each array within a block."""

    def __init__(self, letter: str, sizes: tuple[int, ...]) -> None:
        self.letter, self.sizes, self.total = letter, sizes, sum(sizes)
        self.starts = [sum(sizes[:g]) for g in range(len(sizes))]
        names = [f"{letter}{g}" for g in range(len(sizes))]
        self.formal = "".join(f", ptr %{name}, i64 %{name}k" for name in names)
        self.actual = "".join(f", ptr %{name}b, i64 %{name}kb" for name in names)

    def of(self, k: int) -> tuple[str, str, int]:
        """Return the names of base and stride of the array that holds number k, and its place therein."""
        g = bisect.bisect_right(self.starts, k) - 1
        while not self.sizes[g]:  # empty groups start where the next one does
            g -= 1
        return f"%{self.letter}{g}", f"%{self.letter}{g}k", k - self.starts[g]


def sample_loop(scalar: str, lanes: int, inputs: Groups, outputs: Groups, before: int, calls: Sequence[str]) -> str:
    """Return the function ``run`` that takes a batch block by block.

    Its one argument is an array of 64-bit integers: the number of samples; the addresses of workspace, shared inputs
    and sums; then for every group of inputs and of outputs the address, the stride from sample to sample and that from
    number to number. Samples that lie side by side are read and written where they are. Others, and the last ones
    where they do not fill a vector, are copied: the last sample stands in for those that are missing.

    Args:
        scalar: "double" or "float".
        lanes: samples in a block.
        inputs: the groups of inputs that differ between samples.
        outputs: the groups of outputs of every sample.
        before: vectors of the workspace in front of the room for copies.
        calls: what computes a block, from %x0b with %x0kb between its inputs and so on.
    """
    entry = ["%n = load i64, ptr %args"]
    for i, name in enumerate(["w", "p", "a"], 1):
        entry += [f"%{name}_ = getelementptr i64, ptr %args, i64 {i}", f"%{name} = load ptr, ptr %{name}_"]
    names = [f"{groups.letter}{g}" for groups in (inputs, outputs) for g in range(len(groups.sizes))]
    for g, name in enumerate(names):
        for i, (suffix, kind) in enumerate([("", "ptr"), ("s", "i64"), ("k", "i64")]):
            place = f"%{name}{suffix}_"
            entry.append(f"{place} = getelementptr i64, ptr %args, i64 {4 + 3 * g + i}")
            entry.append(f"%{name}{suffix} = load {kind}, ptr {place}")
        entry.append(f"%{name}beside = icmp eq i64 %{name}s, 1")
    begin: list[str] = []
    end: list[str] = []
    for groups, start in ((inputs, before), (outputs, before + inputs.total)):
        for g, size in enumerate(groups.sizes):
            name, room = f"{groups.letter}{g}", (start + groups.starts[g]) * lanes
            if not size:
                entry += [f"%{name}b = bitcast ptr %{name} to ptr", f"%{name}kb = add i64 0, 0"]
                continue
            begin += [
                f"%{name}direct = and i1 %full, %{name}beside",
                f"%{name}at = getelementptr {scalar}, ptr %{name}, i64 %r",
                f"%{name}room = getelementptr {scalar}, ptr %w, i64 {room}",
                f"%{name}b = select i1 %{name}direct, ptr %{name}at, ptr %{name}room",
                f"%{name}kb = select i1 %{name}direct, i64 %{name}k, i64 {lanes}",
            ]
            arguments = f"ptr %{name}room, ptr %{name}, i64 %{name}s, i64 %{name}k, i64 %r, i64 %left, i64 {size}"
            copy = ["pack", "unpack"][groups is outputs]
            target = begin if groups is inputs else end
            target += [
                f"br i1 %{name}direct, label %{name}done, label %{name}copy", f"{name}copy:",
                f"call void @{copy}({arguments})", f"br label %{name}done", f"{name}done:",
            ]  # fmt: skip
    lines = "\n  "
    offsets = lines.join(
        f"%q{lane} = call i64 @llvm.smin.i64(i64 {lane}, i64 %most)\n  %i{lane} = add i64 %r, %q{lane}\n"
        f"  %o{lane} = mul i64 %i{lane}, %s"
        for lane in range(lanes)
    )
    copies = lines.join(
        f"%f{lane} = add i64 %at, %o{lane}\n  %g{lane} = getelementptr {scalar}, ptr %x, i64 %f{lane}\n"
        f"  %v{lane} = load {scalar}, ptr %g{lane}\n  %t{lane} = add i64 %to, {lane}\n"
        f"  %h{lane} = getelementptr {scalar}, ptr %room, i64 %t{lane}\n  store {scalar} %v{lane}, ptr %h{lane}"
        for lane in range(lanes)
    )
    return f"""
declare i64 @llvm.smin.i64(i64, i64)

define internal void @pack(ptr %room, ptr %x, i64 %s, i64 %k, i64 %r, i64 %left, i64 %count) {{
entry:
  %most = sub i64 %left, 1
  {offsets}
  br label %loop
loop:
  %j = phi i64 [ 0, %entry ], [ %next, %loop ]
  %at = mul i64 %j, %k
  %to = mul i64 %j, {lanes}
  {copies}
  %next = add i64 %j, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %end
end:
  ret void
}}

define internal void @unpack(ptr %room, ptr %y, i64 %s, i64 %k, i64 %r, i64 %left, i64 %count) {{
entry:
  %samples = call i64 @llvm.smin.i64(i64 %left, i64 {lanes})
  br label %outer
outer:
  %j = phi i64 [ 0, %entry ], [ %nextj, %done ]
  %from = mul i64 %j, {lanes}
  %base = mul i64 %j, %k
  br label %inner
inner:
  %l = phi i64 [ 0, %outer ], [ %nextl, %inner ]
  %f = add i64 %from, %l
  %g = getelementptr {scalar}, ptr %room, i64 %f
  %v = load {scalar}, ptr %g
  %q = add i64 %r, %l
  %o = mul i64 %q, %s
  %t = add i64 %base, %o
  %h = getelementptr {scalar}, ptr %y, i64 %t
  store {scalar} %v, ptr %h
  %nextl = add i64 %l, 1
  %morel = icmp slt i64 %nextl, %samples
  br i1 %morel, label %inner, label %done
done:
  %nextj = add i64 %j, 1
  %morej = icmp slt i64 %nextj, %count
  br i1 %morej, label %outer, label %end
end:
  ret void
}}

define void @run(ptr %args) {{
entry:
  {lines.join(entry)}
  %any = icmp sgt i64 %n, 0
  br i1 %any, label %loop, label %end
loop:
  %r = phi i64 [ 0, %entry ], [ %next, %round ]
  %left = sub i64 %n, %r
  %full = icmp sge i64 %left, {lanes}
  {lines.join(begin)}
  {lines.join(calls)}
  {lines.join(end)}
  br label %round
round:
  %next = add i64 %r, {lanes}
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}}
"""


# Calls into Python. --------------------------------------------------------------------------------------------------


def symbol(step: Step) -> str:
    """Return the name by which native code calls a step's Python function."""
    return f"dagrad.{step.name}.{id(step.python)}"


def callback(step: Step) -> Any:
    """Let native code call a Python function; the result must live as long as the code."""
    assert step.python is not None
    function = _callback(step.python, len(step.operands))
    machine.know(symbol(step), ctypes.cast(function, ctypes.c_void_p).value or 0)
    return function


@cache
def _callback(python: Callable[..., float], arity: int) -> Any:
    """Return the function of C for a function, always the same: all code that calls it is bound to it."""

    def call(*xs: float) -> float:
        try:
            return python(*xs)
        except BaseException as error:  # native code cannot be left from here
            vars(_raised).setdefault("errors", []).append(error)
            return float("nan")

    return ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * arity)(call)


_raised = threading.local()


def raise_what_python_raised() -> None:
    """Raise the first exception that functions in Python raised while native code called them in this thread."""
    errors = vars(_raised).pop("errors", None)
    if errors:
        raise errors[0]
