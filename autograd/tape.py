"""Large graphs: a list of calls of native code, each for an operation, or for a stretch of them that repeats.

What a graph does is cut into *blocks*. A stretch of operations that occurs again and again is one kind of block, and so
is each sort of the operations that are left over. A kind is compiled once: forwards, from the numbers it needs to those
that others need of it; and backwards, from the adjoints of these to what is added to the adjoints of those. The tape
lists the blocks with the places of their arguments, so that the time to prepare it grows with the length of the graph
as a list, and not as code.

Between its two ways a block keeps what others need and what was expensive; the rest is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd import machine, ops, repeats
from autograd.codegen import SCALARS, Groups, Kernel, Program, Writer, callback, real_lanes, sample_loop
from autograd.lower import lowered, program_of
from autograd.record import CONDITIONS, Adjoint, Recording, Symbol, gradient, order

Ints = NDArray[np.int64]

#: Operations beyond which a recording is not written out as one line of code.
MOST_IN_LINE = 12_000

#: Operations from which it is not either if it repeats itself.
WORTH_A_LOOK = 6_000

#: The number that marks an adjoint to which nothing was added yet, in float as in double.
MARK = float.fromhex("-0x1.5ab5e2p-120")

#: What is computed again rather than kept.
_CHEAP = {"add", "sub", "mul", "neg", "where", "abs", "square", "identity", "relu", "maximum", "minimum", *CONDITIONS}

#: Rows of any number of operands that are written as such of two.
_SPREAD = {"sum", "mean", "dot", "prod"}
_KEPT = frozenset({*ops.TABLE, *CONDITIONS} - _SPREAD)

_HEADER = 128  # bytes in front of a workspace: where the tape is


class Graph:
    """The operations under some results as arrays.

    Args:
        inputs: the symbols that are inputs.
        results: symbols and floats.

    Attributes:
        nodes: the symbols, operands first.
        kinds: numbers that stand for their operations, and how many operands they have [T].
        starts, operands: as for `repeats.stretches`; an operand < 0 is leaf number -1 - operand, of the inputs and
            then the constants.
        constants: what is behind the inputs among the leaves.
        results: operations or leaves, likewise.
    """

    def __init__(self, inputs: Sequence[Symbol], results: Sequence[Any]) -> None:
        place: dict[Any, int] = {x: -1 - i for i, x in enumerate(inputs)}
        self.constants: list[float] = []
        self.nodes = order(results, place)
        if any(v.op.name in _SPREAD for v in self.nodes if v.op is not None):
            results = lowered(results, _KEPT, {x: x for x in inputs})
            self.nodes = order(results, place)
        known: dict[str, int] = {}

        def constant(x: float) -> int:
            name = x.hex()
            if name not in known:
                known[name] = -1 - len(inputs) - len(self.constants)
                self.constants.append(x)
            return known[name]

        kind_of: dict[Any, int] = {}
        kinds: list[int] = []
        starts, operands = [0], list[int]()
        for i, v in enumerate(self.nodes):
            place[v] = i
            kinds.append(kind_of.setdefault((v.op, len(v.operands)), len(kind_of)))
            operands += [place[x] if type(x) is Symbol else constant(x) for x in v.operands]
            starts.append(len(operands))
        self.kinds, self.starts, self.operands = (np.array(x, np.int64) for x in (kinds, starts, operands))
        self.results = np.array([place[x] if isinstance(x, Symbol) else constant(float(x)) for x in results], np.int64)
        self.leaves = len(inputs) + len(self.constants)
        self.inputs = len(inputs)

    def stretches(self) -> list[tuple[int, Ints]]:
        """Return length and positions of all kinds of blocks: stretches, and what is left over, one by one."""
        found = repeats.stretches(self.kinds, self.starts, self.operands)
        left = np.ones(len(self.nodes), bool)
        for length, positions in found:
            left[(positions[:, None] + np.arange(length)).ravel()] = False
        singles = np.flatnonzero(left)
        kinds = self.kinds[singles]
        return [*found, *((1, singles[kinds == kind]) for kind in np.unique(kinds).tolist())]


def prefers_tape(inputs: Sequence[Symbol], results: Sequence[Any]) -> bool:
    """Whether a graph is too large to be written out, or repeats itself so much that it need not be."""
    recorded = next((x.recording.count for x in results if isinstance(x, Symbol)), 0)
    if recorded < WORTH_A_LOOK:
        return False
    if len(order(results)) > MOST_IN_LINE:
        return True
    graph = Graph(inputs, results)
    count = len(graph.nodes)
    if not WORTH_A_LOOK <= count <= MOST_IN_LINE:
        return count > MOST_IN_LINE
    found = graph.stretches()
    different = sum(length if length > 1 else len(positions) for length, positions in found)
    return different * 5 < count


class _Kind(NamedTuple):
    """A kind of block: where it is, what it needs and how it is computed."""

    length: int
    positions: Ints
    arguments: Ints  # [blocks, arguments], as in `Graph.operands`
    given: list[int]  # which of its operations others need, or the results
    forward: Program
    backward: Program | None
    kept: int  # numbers kept for the way back beside those that others need
    sources: list[tuple[str, int]]  # what the inputs of the way back are
    targets: list[int]  # the arguments whose adjoints it adds to
    careful: bool


class _Template:
    """One block of a kind as a recording of its own."""

    def __init__(self, graph: Graph, length: int, positions: Ints, needed: NDArray[np.bool_]) -> None:
        self.length, self.positions = length, positions
        self.recording = recording = Recording()
        self.arguments: list[Ints] = []
        self.externals: list[Symbol] = []
        self.wanted: list[int] = []
        known: dict[bytes, Symbol] = {}
        first = int(positions[0])
        self.values: list[Any] = []
        for o in range(length):
            v = graph.nodes[first + o]
            operands: list[Any] = []
            for k, x in enumerate(v.operands):
                column = graph.operands[graph.starts[positions + o] + k]
                back = int(column[0]) - first
                if column[0] >= 0 and back >= 0:
                    operands.append(self.values[back])
                elif type(x) is not Symbol and (column == column[0]).all():
                    operands.append(x)
                else:
                    name = column.tobytes()
                    if name not in known:
                        known[name] = recording.input(x.here if type(x) is Symbol else x)
                        if ((column >= 0) | (column >= -graph.inputs)).any():
                            self.wanted.append(len(self.externals))
                        self.externals.append(known[name])
                        self.arguments.append(column)
                    operands.append(known[name])
            assert v.op is not None
            self.values.append(recording.make(v.op, operands))
        recording.done = True
        self.given = [o for o in range(length) if needed[positions + o].any()]
        self.outs = [self.values[o] for o in self.given]
        self.seeds = [recording.input(1.0) for _ in self.outs]

    def adjoints(self, careful: bool) -> list[Adjoint]:
        """Return what goes back to the arguments that are no constants.

        Args:
            careful: whether the adjoints that come in may be absent.
        """
        total: Any = 0.0
        for g, y in zip(self.seeds, self.outs, strict=True):
            if isinstance(y, Symbol):
                total = total + (ops.where(g == MARK, 0.0, g * y) if careful else g * y)
        return gradient(total, [self.externals[j] for j in self.wanted])

    def kind(self, adjoints: list[Adjoint] | None, careful: bool) -> _Kind:
        """Return the kind of block, with the way back if there is one."""
        arguments = np.stack(self.arguments, axis=1) if self.arguments else np.zeros((len(self.positions), 0), int)
        if adjoints is None:
            forward = program_of(self.externals, self.outs)
            return _Kind(self.length, self.positions, arguments, self.given, forward, None, 0, [], [], careful)
        reached = [(j, a) for j, a in zip(self.wanted, adjoints, strict=True) if type(a.absent) is not float]
        results = [a.value for _, a in reached]
        if careful:
            results += [0.0 if a.absent is None else a.absent for _, a in reached]
        dear = [v for v in self.values if isinstance(v, Symbol) and v.op is not None and v.op.name not in _CHEAP]
        memory = [y for y in self.outs if isinstance(y, Symbol) and y.op is not None]
        stop = {x: x for x in (*self.externals, *self.seeds, *memory, *dear)}
        used = {x for v in order(lowered(results, known=dict(stop)), stop) for x in v.operands if type(x) is Symbol}
        used |= {x for x in lowered(results, known=dict(stop)) if isinstance(x, Symbol)}
        outs = set(memory)
        kept = [v for v in dict.fromkeys(dear) if v in used and v not in outs]
        inputs: list[Symbol] = []
        sources: list[tuple[str, int]] = []
        for sort, symbols in (("argument", self.externals), ("own", self.outs), ("adjoint", self.seeds)):
            for j, x in enumerate(symbols):
                if isinstance(x, Symbol) and x in used and (sort != "own" or x.op is not None):
                    inputs.append(x)
                    sources.append((sort, j))
        inputs += kept
        sources += [("own", len(self.outs) + j) for j in range(len(kept))]
        return _Kind(
            self.length, self.positions, arguments, self.given, program_of(self.externals, [*self.outs, *kept]),
            program_of(inputs, results), len(kept), sources, [j for j, _ in reached], careful,
        )  # fmt: skip


def _kinds(graph: Graph, backwards: bool) -> list[_Kind]:
    """Cut a graph into blocks of as few kinds as may be."""
    found = graph.stretches()
    block = np.empty(len(graph.nodes), np.int64)
    number = 0
    for length, positions in found:
        inside = (positions[:, None] + np.arange(length)).ravel()
        block[inside] = number + np.repeat(np.arange(len(positions)), length)
        number += len(positions)
    owners = np.repeat(np.arange(len(graph.nodes)), np.diff(graph.starts))
    made = graph.operands >= 0
    needed = np.zeros(len(graph.nodes), bool)
    crossing = made.copy()
    crossing[made] = block[owners[made]] != block[graph.operands[made]]
    needed[graph.operands[crossing]] = True
    needed[graph.results[graph.results >= 0]] = True
    templates = [_Template(graph, length, positions, needed) for length, positions in found]
    if not backwards:
        return [t.kind(None, False) for t in templates]
    adjoints = [t.adjoints(False) for t in templates]
    # One operand to which nothing goes back, and every block has to reckon with adjoints that are absent.
    careful = any(a.absent is not None for found_ in adjoints for a in found_)
    if careful:
        adjoints = [t.adjoints(True) for t in templates]
    return [t.kind(a, careful) for t, a in zip(templates, adjoints, strict=True)]


class TapeKernel(Kernel):
    """A graph as a tape, which is called as a `Kernel` is.

    Args:
        inputs: the symbols that are inputs, those of every sample and then those that are shared.
        results: symbols and floats.
        by: the range of inputs by which derivatives are wanted, or None.
        values: how many of the results' values go to each array; none if they are not wanted.
        held: the condition that samples belong here, or 1.0.
        groups: how many inputs of every sample come from each array.
        shared: how many inputs are shared.
        summed: whether values and derivatives are added up over the samples.
        lanes: how many samples are computed at a time; default as seems best.
        dtype: float64 or float32.

    Attributes:
        kinds: how many kinds of blocks there are.
        blocks: how many blocks.
    """

    any_room = False

    def __init__(
        self, inputs: Sequence[Symbol], results: Sequence[Any], by: tuple[int, int] | None, values: tuple[int, ...],
        held: Any = 1.0, groups: tuple[int, ...] = (-1,), shared: int = 0, summed: bool = False, lanes: int = 0,
        dtype: Any = np.float64,
    ) -> None:  # fmt: skip
        self.dtype = np.dtype(dtype)
        guarded = isinstance(held, Symbol)
        graph = Graph(inputs, [*results, held] if guarded else results)
        kinds = _kinds(graph, by is not None)
        self.steps = 4 * len(graph.nodes)
        self.kinds, self.blocks = len(kinds), sum(len(kind.positions) for kind in kinds)
        width = machine.vector_lanes() * 8 // self.dtype.itemsize
        # Short blocks are worth it for many samples at once, long ones fill the registers with few.
        self.lanes = lanes or (width if len(graph.nodes) > 12 * self.blocks else 4 * width)
        own = len(inputs) - shared
        m = len(results)
        sizes = [*values, *([m * (by[1] - by[0])] if by else [])]
        self.summed = sum(sizes) if summed else 0
        groups_out = ([] if summed else sizes) + ([1] if guarded else [])
        groups = (own,) if groups == (-1,) else groups
        self._shape = _Shape(groups, tuple(groups_out), shared, m, by, values, guarded, summed)
        self._lists = kinds
        steps = [step for kind in kinds for p in (kind.forward, kind.backward) if p for step in p.steps]
        self._callbacks = [callback(step) for step in steps if step.python is not None]
        self.calls_python = bool(self._callbacks)
        writer = self._tape_writer()
        writer.vector_functions()
        made_from = [p.made_from for kind in kinds for p in (kind.forward, kind.backward) if p is not None]
        about = repr((self._shape, self.lanes, self.dtype.char, [k[6:] for k in kinds])).encode()
        key = None if None in made_from else b"tape " + about + b"".join(p or b"" for p in made_from)
        self._load(writer.module, key)
        self._lay(graph, kinds, writer)

    def _tape_writer(self) -> _TapeWriter:
        return _TapeWriter(self._lists, self._shape, self.lanes, SCALARS[self.dtype.char])

    def text(self) -> str:
        """Return the code of the blocks in LLVM's language."""
        return self._tape_writer().module()

    def _lay(self, graph: Graph, kinds: list[_Kind], writer: _TapeWriter) -> None:
        """Lay out the tape: for every block the code, and the places of its arguments and of its own numbers."""
        sizes = [len(kind.given) + kind.kept for kind in kinds]
        starts = np.concatenate([kind.positions for kind in kinds] or [np.zeros(0, int)])
        of_kind = np.repeat(np.arange(len(kinds)), [len(kind.positions) for kind in kinds])
        row = np.concatenate([np.arange(len(kind.positions)) for kind in kinds] or [np.zeros(0, int)])
        along = np.argsort(starts)
        size = np.array(sizes, np.int64)[of_kind] if kinds else np.zeros(0, np.int64)
        base = np.empty(len(starts), np.int64)
        base[along] = graph.leaves + np.cumsum(size[along]) - size[along]
        self.slots = graph.leaves + int(size.sum())
        slot = np.full(len(graph.nodes), -1, np.int64)
        first = 0
        for kind in kinds:
            last = first + len(kind.positions)
            for j, o in enumerate(kind.given):
                slot[kind.positions + o] = base[first:last] + j
            first = last

        def places(refs: Ints) -> Ints:
            return np.where(refs >= 0, np.append(slot, 0)[np.maximum(refs, 0)], -1 - refs)

        tables = [np.ascontiguousarray(places(kind.arguments), np.int32) for kind in kinds]
        origin = np.array([t.__array_interface__["data"][0] for t in tables], np.int64)
        step = np.array([4 * t.shape[1] for t in tables], np.int64)
        ways = []
        for way in ("forward", "backward"):
            if any(getattr(kind, way) is None for kind in kinds):
                ways.append(np.zeros((0, 3), np.int64))
                continue
            code = np.array([self._code.address(f"{way}{m}") for m in range(len(kinds))], np.int64)
            entries = (code[of_kind], origin[of_kind] + row * step[of_kind], base) if kinds else ([], [], [])
            ways.append(np.stack([np.asarray(e, np.int64)[along] for e in entries], axis=1))
        ways[1] = np.ascontiguousarray(ways[1][::-1])
        out = places(graph.results)
        self._held_arrays = [*tables, *ways, out]
        addresses = [a.__array_interface__["data"][0] for a in (*ways, out)]
        self._header = [addresses[0], len(ways[0]), addresses[1], len(ways[1]), addresses[2], self.slots]
        self._constants = graph.inputs, np.array(graph.constants, self.dtype)
        self._front = writer.front
        self.workspace = self.lanes * (writer.front + self.slots * (2 if self._shape.by else 1))

    def room(self) -> Any:
        """Return a workspace, with what does not change written to it."""
        room = np.empty(self.workspace, self.dtype)
        room[: _HEADER // self.dtype.itemsize].view(np.int64)[: len(self._header)] = self._header
        start, constants = self._constants
        values = room[self._front * self.lanes :].reshape(-1, self.lanes)
        values[start : start + len(constants)] = constants[:, None]
        return room


class _Shape(NamedTuple):
    """What a tape is given and gives."""

    groups_in: tuple[int, ...]
    groups_out: tuple[int, ...]
    shared: int
    results: int
    by: tuple[int, int] | None
    values: tuple[int, ...]
    guarded: bool
    summed: bool


# Text of LLVM. -------------------------------------------------------------------------------------------------------


class _BlockWriter(Writer):
    """The code of a kind of block, one of its ways."""

    signature = "ptr %v, ptr %g, ptr %i, i64 %b, ptr %w"

    def __init__(self, program: Program, lanes: int, scalar: str, name: str, sources: list[tuple[str, int]],
                 targets: list[int] | None, careful: bool) -> None:  # fmt: skip
        super().__init__(program, lanes, scalar, name, at_once=targets is None)
        self.sources, self.targets, self.careful = sources, targets, careful

    def _argument(self, j: int) -> str:
        pointer = self.line(f"getelementptr i32, ptr %i, i64 {j}")
        number = self.line(f"load i32, ptr {pointer}")
        return self.line(f"mul i64 {self.line(f'zext i32 {number} to i64')}, {self.lanes}")

    def _own(self, j: int) -> str:
        return self.line(f"mul i64 {self.line(f'add i64 %b, {j}')}, {self.lanes}")

    def input(self, k: int) -> str:
        """Write the loading of an argument, of one of the block's own numbers, or of its adjoint."""
        sort, j = self.sources[k]
        if sort == "argument":
            return self.load("%v", self._argument(j))
        return self.load("%v" if sort == "own" else "%g", self._own(j))

    def output(self, j: int, value: str) -> None:
        """Write the storing of a number, or the adding to an adjoint."""
        if self.targets is None:
            self.store(value, "%v", self._own(j))
            return
        if j >= len(self.targets):
            return  # whether the one before is absent
        place = self._argument(self.targets[j])
        old = self.load("%g", place)
        new = self.line(f"fadd {self.type} {old}, {value}")
        if self.careful:
            mark = self.constant(MARK)
            untouched = self.line(f"fcmp oeq {self.type} {old}, {mark}")
            new = self.line(f"select {self.mask} {untouched}, {self.type} {value}, {self.type} {new}")
            absent = self.operand(self.program.outputs[len(self.targets) + j], condition=True)
            new = self.line(f"select {self.mask} {absent}, {self.type} {old}, {self.type} {new}")
        self.store(new, "%g", place)

    def text(self) -> str:
        """Return the functions, the last of which is the way itself."""
        parts = self.functions()
        calls = "".join(f"  call void @{name}(ptr %v, ptr %g, ptr %i, i64 %b, ptr %w)\n" for name in self.names)
        return "\n".join([*parts, f"define void @{self.name}({self.signature}) {{\n{calls}  ret void\n}}"])


class _TapeWriter:
    """The module of a tape: its kinds of blocks, and what goes through the list."""

    def __init__(self, kinds: list[_Kind], shape: _Shape, lanes: int, scalar: str) -> None:
        self.shape, self.lanes, self.scalar = shape, lanes, scalar
        self.bytes = 8 if scalar == "double" else 4
        self.groups_in, self.groups_out = Groups("x", shape.groups_in), Groups("y", shape.groups_out)
        self.blocks: list[_BlockWriter] = []
        for m, kind in enumerate(kinds):
            arguments = [("argument", j) for j in range(kind.arguments.shape[1])]
            self.blocks.append(_BlockWriter(kind.forward, lanes, scalar, f"forward{m}", arguments, None, False))
            if kind.backward is not None:
                self.blocks.append(
                    _BlockWriter(kind.backward, lanes, scalar, f"backward{m}", kind.sources, kind.targets, kind.careful)
                )
        self.careful = any(kind.careful for kind in kinds)
        self.header = -(-_HEADER // (lanes * self.bytes))
        self.spare = max((block.slot_count for block in self.blocks), default=0)
        #: Vectors of the workspace in front of the values.
        self.front = self.header + self.groups_in.total + self.groups_out.total + self.spare

    def vector_functions(self) -> None:
        """Have the elementary functions ready that the blocks call."""
        for block in self.blocks:
            block.vector_functions()

    def module(self) -> str:
        """Return the whole text."""
        parts = [block.text() for block in self.blocks]
        declared = sorted({text for block in self.blocks for text in block.declared})
        actual = f"{self.groups_in.actual}{self.groups_out.actual}"
        loop = sample_loop(
            self.scalar, self.lanes, self.groups_in, self.groups_out, self.header,
            [f"call void @block(ptr %p, ptr %a, ptr %w, i64 %left{actual})"],
        )  # fmt: skip
        return "\n".join([*declared, *parts, self._helpers(), self._block(), loop])

    def _block(self) -> str:
        """Return the function that takes one block of samples."""
        shape, lanes, scalar = self.shape, self.lanes, self.scalar
        lines = [
            f"%v = getelementptr {scalar}, ptr %w, i64 {self.front * lanes}",
            f"%spare = getelementptr {scalar}, ptr %w, i64 {(self.front - self.spare) * lanes}",
        ]
        for i, (name, kind) in enumerate(
            [("fore", "ptr"), ("nfore", "i64"), ("back", "ptr"), ("nback", "i64"), ("out", "ptr"), ("slots", "i64")]
        ):
            lines += [f"%{name}_ = getelementptr i64, ptr %w, i64 {i}", f"%{name} = load {kind}, ptr %{name}_"]
        lines += [f"%behind = mul i64 %slots, {lanes}", f"%g = getelementptr {scalar}, ptr %v, i64 %behind"]
        for g, size in enumerate(shape.groups_in):
            lines.append(f"%in{g} = getelementptr {scalar}, ptr %v, i64 {self.groups_in.starts[g] * lanes}")
            lines.append(f"call void @fetch(ptr %x{g}, i64 %x{g}k, ptr %in{g}, i64 {size})")
        lines.append(f"%ins = getelementptr {scalar}, ptr %v, i64 {self.groups_in.total * lanes}")
        lines.append(f"call void @spread(ptr %p, ptr %ins, i64 {shape.shared})")
        lines.append("call void @walk(ptr %fore, ptr %v, ptr %g, ptr %spare, i64 %nfore)")
        group = len(shape.values)
        if shape.summed:
            counted = real_lanes(self._liner(lines), lanes)
            if shape.guarded:
                lines.append(f"call void @deliver(ptr %out, i64 {shape.results}, ptr %v, ptr %y0, i64 %y0k, i64 1)")
                lines.append(f"%held = load <{lanes} x {scalar}>, ptr %y0, align {self.bytes}")
                lines.append(f"%holds = fcmp une <{lanes} x {scalar}> %held, zeroinitializer")
                lines.append(f"%counted = and <{lanes} x i1> {counted}, %holds")
                counted = "%counted"
            if shape.values:
                lines += ["%slot = load i64, ptr %out", f"%far = mul i64 %slot, {lanes}",
                          f"%y = getelementptr {scalar}, ptr %v, i64 %far",
                          f"call void @add(ptr %y, ptr %a, <{lanes} x i1> {counted}, i64 1)"]  # fmt: skip
        else:
            for g, size in enumerate(shape.values):
                first, y = sum(shape.values[:g]), f"%y{g}"
                lines.append(f"call void @deliver(ptr %out, i64 {first}, ptr %v, ptr {y}, i64 {y}k, i64 {size})")
            if shape.guarded:
                last = len(shape.groups_out) - 1
                lines.append(
                    f"call void @deliver(ptr %out, i64 {shape.results}, ptr %v, ptr %y{last}, i64 %y{last}k, i64 1)"
                )
        if shape.by is not None:
            start, count = shape.by[0], shape.by[1] - shape.by[0]
            lines += ["br label %sweep", "sweep:", "%r = phi i64 [ 0, %entry ], [ %nextr, %sweep ]",
                      "call void @fill(ptr %g, i64 %slots)", "%at = getelementptr i64, ptr %out, i64 %r",
                      "%root = load i64, ptr %at", f"%rootat = mul i64 %root, {lanes}",
                      f"%rootg = getelementptr {scalar}, ptr %g, i64 %rootat",
                      f"store <{lanes} x {scalar}> {self._number(1.0)}, ptr %rootg, align {self.bytes}",
                      "call void @walk(ptr %back, ptr %v, ptr %g, ptr %spare, i64 %nback)",
                      f"%gs = getelementptr {scalar}, ptr %g, i64 {start * lanes}"]  # fmt: skip
            if shape.summed:
                lines.append(f"%as = getelementptr {scalar}, ptr %a, i64 {len(shape.values) * lanes}")
                lines.append(f"call void @add(ptr %gs, ptr %as, <{lanes} x i1> {counted}, i64 {count})")
            else:
                lines += [f"%rn = mul i64 %r, {count}", f"%rk = mul i64 %rn, %y{group}k",
                          f"%yr = getelementptr {scalar}, ptr %y{group}, i64 %rk",
                          f"call void @hand(ptr %gs, ptr %yr, i64 %y{group}k, i64 {count})"]  # fmt: skip
            lines += ["%nextr = add i64 %r, 1", f"%morer = icmp slt i64 %nextr, {shape.results}",
                      "br i1 %morer, label %sweep, label %end", "end:"]  # fmt: skip
        lines.append("ret void")
        body = "\n  ".join(lines)
        formal = f"{self.groups_in.formal}{self.groups_out.formal}"
        return f"define internal void @block(ptr %p, ptr %a, ptr %w, i64 %left{formal}) {{\nentry:\n  {body}\n}}"

    @staticmethod
    def _liner(lines: list[str]) -> Callable[[str], str]:
        def line(text: str) -> str:
            name = f"%m{len(lines)}"
            lines.append(f"{name} = {text}")
            return name

        return line

    def _number(self, x: float) -> str:
        return Writer.constant(self, x)  # type: ignore[arg-type]

    def _helpers(self) -> str:
        """Return the loops: through the list, and those that carry vectors in and out."""
        vector, scalar, lanes, align = f"<{self.lanes} x {self.scalar}>", self.scalar, self.lanes, self.bytes
        mark = self._number(MARK if self.careful else 0.0)

        def present(value: str) -> str:
            """Return lines that make %f of an adjoint, 0 if it is absent."""
            if not self.careful:
                return f"%f = select i1 true, {vector} {value}, {vector} zeroinitializer"
            return (f"%un = fcmp oeq {vector} {value}, {mark}\n"
                    f"  %f = select <{lanes} x i1> %un, {vector} zeroinitializer, {vector} {value}")  # fmt: skip

        def loop(name: str, formal: str, lines: Sequence[str]) -> str:
            body = "\n  ".join(lines)
            return f"""
define internal void @{name}({formal}, i64 %count) {{
entry:
  %any = icmp sgt i64 %count, 0
  br i1 %any, label %loop, label %end
loop:
  %j = phi i64 [ 0, %entry ], [ %next, %loop ]
  %jl = mul i64 %j, {lanes}
  {body}
  %next = add i64 %j, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %end
end:
  ret void
}}
"""

        zeros = f"<{lanes} x i32> zeroinitializer"
        return "".join([
            loop("walk", "ptr %code, ptr %v, ptr %g, ptr %w", [
                "%j3 = mul i64 %j, 3", "%e = getelementptr i64, ptr %code, i64 %j3", "%f = load ptr, ptr %e",
                "%e1 = getelementptr i64, ptr %e, i64 1", "%i = load ptr, ptr %e1",
                "%e2 = getelementptr i64, ptr %e, i64 2", "%b = load i64, ptr %e2",
                "call void %f(ptr %v, ptr %g, ptr %i, i64 %b, ptr %w)",
            ]),
            loop("fetch", "ptr %x, i64 %k, ptr %v", [
                "%jk = mul i64 %j, %k", f"%p = getelementptr {scalar}, ptr %x, i64 %jk",
                f"%f = load {vector}, ptr %p, align {align}", f"%q = getelementptr {scalar}, ptr %v, i64 %jl",
                f"store {vector} %f, ptr %q, align {align}",
            ]),
            loop("spread", "ptr %p, ptr %v", [
                f"%s = getelementptr {scalar}, ptr %p, i64 %j", f"%c = load {scalar}, ptr %s",
                f"%o = insertelement {vector} poison, {scalar} %c, i64 0",
                f"%f = shufflevector {vector} %o, {vector} poison, {zeros}",
                f"%q = getelementptr {scalar}, ptr %v, i64 %jl", f"store {vector} %f, ptr %q, align {align}",
            ]),
            loop("deliver", "ptr %out, i64 %first, ptr %v, ptr %y, i64 %k", [
                "%o = add i64 %first, %j", "%p = getelementptr i64, ptr %out, i64 %o", "%s = load i64, ptr %p",
                f"%sl = mul i64 %s, {lanes}", f"%q = getelementptr {scalar}, ptr %v, i64 %sl",
                f"%f = load {vector}, ptr %q, align {align}", "%jk = mul i64 %j, %k",
                f"%t = getelementptr {scalar}, ptr %y, i64 %jk", f"store {vector} %f, ptr %t, align {align}",
            ]),
            loop("hand", "ptr %g, ptr %y, i64 %k", [
                f"%q = getelementptr {scalar}, ptr %g, i64 %jl", f"%d = load {vector}, ptr %q, align {align}",
                present("%d"), "%jk = mul i64 %j, %k", f"%t = getelementptr {scalar}, ptr %y, i64 %jk",
                f"store {vector} %f, ptr %t, align {align}",
            ]),
            loop("fill", "ptr %g", [
                f"%q = getelementptr {scalar}, ptr %g, i64 %jl", f"store {vector} {mark}, ptr %q, align {align}",
            ]),
            loop("add", f"ptr %g, ptr %a, <{lanes} x i1> %counted", [
                f"%q = getelementptr {scalar}, ptr %g, i64 %jl", f"%d = load {vector}, ptr %q, align {align}",
                present("%d"), f"%h = select <{lanes} x i1> %counted, {vector} %f, {vector} zeroinitializer",
                f"%t = getelementptr {scalar}, ptr %a, i64 %jl", f"%old = load {vector}, ptr %t, align {align}",
                f"%new = fadd {vector} %old, %h", f"store {vector} %new, ptr %t, align {align}",
            ]),
        ])  # fmt: skip
