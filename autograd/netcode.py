"""A net as native code over a batch: the tables of `netkernel`, the code of its activations, memory and threads.

It gives the numbers of `netsweep`, in another order of adding. Neurons that share their sources become matrix products;
so a layered net runs as its matrix notation. The memory is that of a block of samples, however many samples there are:
about 3 numbers per unit, sample of the block and time step, and for every thread a gradient.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autograd import invoke, machine, netkernel, ops, workers
from autograd.codegen import SCALARS, Kernel, Program, raise_what_python_raised
from autograd.netgraph import Activation, Floats, Graph, Ints, Lists
from autograd.netkernel import Field, Shape
from autograd.netsweep import Seen
from autograd.nettables import Tables
from autograd.rowcode import (
    ActivationPrograms,
    LongLoss,
    RowCode,
    absent,
    activation_code,
    activation_programs,
    loss_kernel,
    loss_program,
)

if TYPE_CHECKING:
    from autograd.learn import Loss

#: Links times samples and steps that are worth a thread, and the most parts of a batch.
PART, MOST_PARTS = 2**22, 8
#: Bytes that a thread may take for the states of a block over time; beyond, states are computed again.
MOST_ROOM = 2**28
#: Losses of which a net keeps the code.
MOST_KERNELS = 16
#: Bytes of a block's phi and delta from which on rows are fetched ahead.
LARGE = 2**20


class Places(NamedTuple):
    """Where the parameters of a net are in one vector; -1 for what is constant.

    Attributes:
        links: of the weights of the net's own links [E]; links may share one.
        biases: of the biases of its own units [n].
        initial: of their phi before the first step [n].
        size: how many parameters there are.
    """

    links: Ints
    biases: Ints
    initial: Ints
    size: int


class Batch(NamedTuple):
    """The data of a call.

    Attributes:
        x: [N, T, p].
        y: targets [k, N, steps], steps being T or, for a loss at the last step, 1; None without a loss.
        seen: the weight of every sample and step in the loss [N, T], None if all count alike.
        first: the first step with a loss.
        before: phi of all units, by their places in the tables, before the first step [N, D, size]; None for the
            initial states.
    """

    x: NDArray[Any]
    y: NDArray[Any] | None = None
    seen: NDArray[Any] | None = None
    first: int = 0
    before: NDArray[Any] | None = None


def batch_of(x: Floats, seen: Seen, before: NDArray[Any] | None = None) -> Batch:
    """Return the data of a call with a loss: inputs [N, T, p], what the loss sees, and states before the first step."""
    samples, steps, _ = x.shape
    if len(seen.row) == samples and (steps == 1 or (seen.step == steps - 1).all()):
        return Batch(x, seen.targets[:, :, None], None, steps - 1, before)
    y = np.zeros((len(seen.targets), samples, steps))
    y[:, seen.row, seen.step] = seen.targets
    counts = None
    if len(seen.row) < samples * steps:
        counts = np.zeros((samples, steps))
        counts[seen.row, seen.step] = 1.0
    return Batch(x, y, counts, int(seen.step.min()), before)


class _Room:
    """What a thread works in, for at most so many time steps.

    Attributes:
        busy: whether native code works here: a formula in Python may call the very net that called it.
    """

    def __init__(self, code: _Code, steps: int) -> None:
        self.steps, self.late, self.busy = steps, code.tables.graph.max_delay, False
        tables, shape, kind = code.tables, code.tables.shape, code.kind
        graph = tables.graph
        samples, late, n = shape.samples, graph.max_delay, graph.size
        sizes = {
            Field.PHI: (late + steps) * n * samples,
            Field.DELTA: (2 * late + steps) * n * samples,
            Field.INCOMING: (late + steps) * tables.slots * samples,
            Field.ROOM: (2 * len(graph.outputs) + 1) * samples,
            Field.TRANSPOSED: tables.widest * samples,
            Field.WEIGHTS: len(tables.pick),
            Field.BIASES: n,
            Field.BEFORE: n,
        }
        self.memory = np.zeros(sum(sizes.values()) + 16 * len(sizes) + 16, kind)
        self.fields: dict[Field, int] = {}
        self.arrays: dict[Field, NDArray[Any]] = {}
        at = self.memory.ctypes.data + 63 & -64
        for field, size in sizes.items():
            start = (at - self.memory.ctypes.data) // kind.itemsize
            self.fields[field], self.arrays[field] = at, self.memory[start : start + size]
            at += size * kind.itemsize + 63 & -64
        self.sums = np.zeros(tables.gradients + 1)
        self.fields |= _sums_at(tables, self.sums)
        weights = self.fields[Field.WEIGHTS]
        self.fields[Field.WEIGHTS_OUT] = weights + len(tables.into_links) * kind.itemsize
        self.fields[Field.WEIGHTS_DENSE] = weights + (len(tables.into_links) + len(tables.out_links)) * kind.itemsize
        self.places = np.array(list(self.fields), np.intp)
        self.addresses = np.array(list(self.fields.values()), np.int64)

    def enter(self, fields: NDArray[np.int64]) -> None:
        """Have a call work here."""
        before = fields[Field.BEFORE]
        fields[self.places] = self.addresses
        if not fields[Field.PICK_BEFORE]:
            fields[Field.BEFORE] = before
        if self.late:  # behind the last step there is no delta, but may be one of longer sequences
            size, end = int(fields[Field.FRAME]), self.late + int(fields[Field.STEPS])
            self.arrays[Field.DELTA][end * size : (end + self.late) * size] = 0.0

    def __enter__(self) -> _Room:
        self.busy = True
        return self

    def __exit__(self, *_: object) -> None:
        self.busy = False


def room_size(code: _Code, steps: int) -> int:
    """Return how many bytes a thread takes for so many steps."""
    late, size = code.tables.graph.max_delay, code.tables.graph.size
    rows = (2 * steps + 3 * late) * size + (steps + late) * code.tables.slots
    return rows * code.tables.shape.samples * code.kind.itemsize


def _sums_at(tables: Tables, sums: Floats) -> dict[Field, int]:
    """Return where in an array the gradients are, and behind them the loss."""
    fields = Field.GRADIENT_OUT, Field.GRADIENT_DENSE, Field.GRADIENT_BIAS, Field.TOTAL
    return dict(zip(fields, tables.sums_at(sums), strict=True))


class _Code:
    """The tables of a net for one kind of blocks, where its parameters are in them, and the code that runs on them."""

    def __init__(self, tables: Tables, code: machine.Code, places: Places) -> None:
        graph, self.tables, self._code = tables.graph, tables, code
        self.kind = np.dtype(np.float64 if tables.shape.scalar == "double" else np.float32)
        self._own = threading.local()
        self.evaluate = self._code.address("evaluate")
        take, clear, run, give = (self._code.address(name) for name in ("take", "clear", "run", "give"))
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        self.take, self.clear, self.run, self.give = call(take), call(clear), call(run), call(give)

        # What is no parameter lies in one array; see `NetCode.fixed`.
        own, order = len(places.biases), tables.order
        more = np.full(graph.size - own, -1)
        weights, count = _picked(np.concatenate([places.links, np.full(len(graph.constants), -1)]), 0)
        biases, count = _picked(np.concatenate([places.biases, more]), count)
        before, _ = _picked(np.concatenate([places.initial, more]), count)
        self.pick = weights[tables.pick].astype(np.int32)
        self.pick_bias, self.pick_before = (x[order].astype(np.int32) for x in (biases, before))

        # Per parameter its places among the gradients.
        owner = np.concatenate([*[places.links] * len(tables.found), places.biases, places.initial])
        found = np.concatenate([*(f[: len(places.links)] for f in tables.found), tables.found_bias[:own],
                                tables.found_initial[:own]])  # fmt: skip
        there = (owner >= 0) & (found < tables.gradients - 1)
        lists = Lists.by(owner[there], places.size)
        self.place_start, self.places = lists.start.astype(np.int32), found[there][lists.items].astype(np.int32)
        self.fields = self._fields(places)

    def room(self, steps: int) -> _Room:
        """Return memory of this thread for so many steps that nobody works in."""
        room: _Room | None = getattr(self._own, "room", None)
        if room is not None and room.busy:
            return _Room(self, steps)
        if room is None or room.steps < steps:
            room = self._own.room = _Room(self, steps)
        return room

    def _fields(self, places: Places) -> NDArray[np.int64]:
        tables, graph = self.tables, self.tables.graph
        fields = np.zeros(len(Field), np.int64)
        arrays: dict[Field, NDArray[Any]] = {
            Field.FORWARD: tables.forward, Field.BACKWARD: tables.backward, Field.INITIAL: tables.initial,
            Field.INTO: tables.into, Field.INTO_SOURCE: tables.into_source, Field.OUT: tables.out,
            Field.OUT_TARGET: tables.out_target, Field.OUT_UNIT: tables.out_unit,
            Field.OUT_INCOMING: tables.out_incoming, Field.LISTS: tables.lists, Field.OUTPUT_ROWS: tables.outputs,
            Field.OUTPUT_INCOMING: tables.output_incoming, Field.PICK: self.pick, Field.PICK_BIAS: self.pick_bias,
            Field.PICK_BEFORE: self.pick_before, Field.PLACE_START: self.place_start, Field.PLACES: self.places,
        }  # fmt: skip
        for field, array in arrays.items():
            fields[field] = array.ctypes.data
        for field, number in {
            Field.FORWARD_COUNT: len(tables.forward), Field.BACKWARD_COUNT: len(tables.backward),
            Field.INITIAL_COUNT: len(tables.initial), Field.DELAY: graph.max_delay, Field.UNITS: graph.size,
            Field.FRAME: graph.size * tables.shape.samples, Field.PICK_COUNT: len(self.pick),
            Field.INCOMING_FRAME: tables.slots * tables.shape.samples, Field.INPUTS: len(graph.inputs),
            Field.OUTPUTS: len(graph.outputs), Field.GRADIENTS: tables.gradients, Field.PARAMETERS: places.size,
        }.items():  # fmt: skip
            fields[field] = number
        return fields


def _picked(places: Ints, count: int) -> tuple[Ints, int]:
    """Return the places of parameters, for what is none -1 - its place among the constants, and how many those are."""
    constant = places < 0
    return np.where(constant, -count - np.cumsum(constant), places), count + int(constant.sum())


class NetCode:
    """A net as native code.

    Args:
        graph: the net.
        places: where its parameters are in a vector.
        like: the code of the same net with other parameters, whose tables serve here, too.
    """

    def __init__(self, graph: Graph, places: Places, like: NetCode | None = None) -> None:
        self.graph, self.places = graph, places
        self._codes: dict[Any, _Code] = {}
        alike = like is not None and like.graph is graph
        self._tables: dict[Any, tuple[Tables, machine.Code]] = like._tables if like is not None and alike else {}
        self._programs: dict[str, dict[Activation, ActivationPrograms]] = (
            like._programs if like is not None and alike else {}
        )
        self._activations = list(dict.fromkeys(graph.activations))
        #: Whether activations are formulas, which may read what changes.
        self.reads_formulas = any(sigma is not None and not sigma.has_name for sigma in self._activations)
        self._kernels: dict[Any, Kernel] = {}
        self._losses: list[tuple[Loss, int, Program | LongLoss]] = []
        self._learned = places.initial[places.initial >= 0]
        self._constant = [np.flatnonzero(x < 0) for x in (places.links, places.biases, places.initial)]

    def fixed(self, weights: Floats, biases: Floats, initial: Floats) -> Floats:
        """Return what is no parameter as one array: of the weights, of the biases, of the initial states."""
        links, units, states = self._constant
        more = np.zeros(self.graph.size - len(biases))
        return np.concatenate([
            weights[links], self.graph.constants, biases[units], more, initial[states], more,
        ])  # fmt: skip

    def loss(self, seen: Seen) -> Program | LongLoss:
        """Return the program of a loss, recorded once for every `Loss` object: its formula may read what changes."""
        targets = len(seen.targets)
        for loss, count, program in self._losses:
            if count == targets and (loss is seen.loss or (loss == seen.loss and loss.known)):
                return program
        program = loss_program(seen.loss.formula, len(self.graph.outputs), targets)
        self._losses = [*self._losses[-3:], (seen.loss, targets, program)]
        return program

    def loss_and_gradient(
        self, vector: Floats, fixed: Floats, x: Floats, seen: Seen, loss: Program | LongLoss, *,
        state: Floats | None = None, truncate: int | None = None, dtype: Any = np.float64, threads: int | None = None,
    ) -> tuple[float, Floats] | None:  # fmt: skip
        """Return the mean loss over what is seen, and its gradient by the parameters; None if float64 is not enough.

        So it is where something is not finite: then `netsweep` tells what there is from what a path that is not there
        would give.

        Args:
            vector: the parameters.
            fixed: what is no parameter, by `fixed`.
            x: the inputs [N, T, p].
            seen: what the loss sees.
            loss: by `loss_program`.
            state: phi of the net's own units before the first step [N, D, n]; None for the initial states.
            truncate: the length of windows that pass their states on, and no gradient; None is one window.
            dtype: float64 or float32, in which the net is computed. The gradient is added up in float64.
            threads: how many threads at most; None: one for every processor. The result does not depend on it.
        """
        code, share, steps = self.code(dtype, len(x)), 1.0 / len(seen.row), x.shape[1]
        vector = np.ascontiguousarray(vector, np.float64)
        before = None if state is None else self._placed(code, state)
        if truncate is None or truncate >= steps:
            if room_size(code, steps) > MOST_ROOM and steps > 4 * self.graph.max_delay:
                results = _Recomputed(self, code, fixed, loss, share)(vector, x, seen, before)
            else:
                results = self.prepared(code, fixed, batch_of(x, seen, before), loss, share, threads).evaluate(vector)
            if state is not None:
                results[self._learned] = 0.0
        else:
            results, everyone = np.zeros(self.places.size + 2), slice(0, len(x))
            for start in range(0, steps, truncate):
                window = slice(start, min(start + truncate, steps))
                part = seen.part(everyone, window)
                if not len(part.row):  # nothing to send back
                    before = self._outputs(code, vector, fixed, Batch(x[:, window], before=before), None)
                    continue
                batch = batch_of(x[:, window], part, before)
                call = self.prepared(code, fixed, batch, loss, share, threads, after=True)
                found = call.evaluate(vector)
                if start or state is not None:  # what a later window begins with is no initial state
                    found[self._learned] = 0.0
                before = call.after
                results += found
        return _if_good(code, results)

    def prepared(
        self, code: _Code, fixed: Floats, batch: Batch, loss: Program | LongLoss, share: float,
        threads: int | None = 1, after: bool = False,
    ) -> _AtOnce:  # fmt: skip
        """Return loss and gradient as a function of the parameters alone: for nets that take less time than a call.

        Args:
            code: by `code`.
            fixed: what is no parameter, by `fixed`.
            batch: the data.
            loss: by `loss_program`.
            share: one over the number of samples and steps that count, for the mean.
            threads: how many threads at most.
            after: whether the states after the last step are wanted, too.
        """
        assert batch.y is not None
        fields, kept = self._call(code, fixed, batch)
        state = self._after(code, fields, len(batch.x)) if after else None
        kernel = self._kernel(code, loss)
        fields[Field.LOSS], fields[Field.BACK] = kernel.address, 1
        fields[Field.SHARE] = np.float64(share).view(np.int64)
        workers.check(threads)
        samples, steps, _ = batch.x.shape
        fields[Field.START], fields[Field.STOP] = 0, samples
        parts = _parts(self.graph, code.tables.shape, samples, steps)
        if len(parts) > 1:
            threads = workers.processors() if threads is None else threads
            return _InParts(self, code, kernel, fields, kept, state, parts, threads)
        return _AtOnce(self, code, kernel, fields, kept, state)

    def predict(
        self, vector: Floats, fixed: Floats, x: Floats, *, state: Floats | None = None, dtype: Any = np.float64
    ) -> NDArray[Any]:
        """Return the outputs [N, T, q], window by window of the steps; for the arguments see `loss_and_gradient`."""
        code = self.code(dtype, len(x))
        before = None if state is None else self._placed(code, state)
        samples, steps, _ = x.shape
        result = np.empty((samples, steps, len(self.graph.outputs)), code.kind)
        window = max(1, self.graph.max_delay, MOST_ROOM // room_size(code, 1))
        for start in range(0, steps, window):
            part = slice(start, min(start + window, steps))
            before = self._outputs(code, vector, fixed, Batch(x[:, part], before=before), result[:, part])
        return result

    def prepared_for(
        self, fixed: Floats, x: Floats, seen: Seen, loss: Program | LongLoss, dtype: Any, threads: int | None
    ) -> _AtOnce | None:
        """Return `loss_and_gradient` of one window as a function of the parameters; None for very long sequences."""
        code = self.code(dtype, len(x))
        if room_size(code, x.shape[1]) > MOST_ROOM:
            return None
        return self.prepared(code, fixed, batch_of(x, seen), loss, 1.0 / len(seen.row), threads)

    def step(
        self, vector: Floats, fixed: Floats, x: Floats, state: Floats | None
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return the outputs [N, q] of one step with the inputs x [N, 1, p], and the states [N, D, n] after it."""
        code = self.code(np.float64, len(x))
        result = np.empty((len(x), 1, len(self.graph.outputs)))
        before = None if state is None else self._placed(code, state)
        after = self._outputs(code, vector, fixed, Batch(x, before=before), result)
        own = code.tables.number[: len(self.places.biases)]
        return result[:, 0], None if after is None else after[:, :, own]

    def _outputs(
        self, code: _Code, vector: Floats, fixed: Floats, batch: Batch, result: NDArray[Any] | None
    ) -> NDArray[Any] | None:
        """Write the outputs, and return the states after the last step."""
        fields, _kept = self._call(code, fixed, batch)
        samples, steps, _ = batch.x.shape
        if result is not None:
            _give(fields, Field.RESULT, result, Field.RESULT_SAMPLE, Field.RESULT_STEP, Field.RESULT_OUTPUT)
        state = self._after(code, fields, samples)
        vector = np.ascontiguousarray(vector, np.float64)
        fields[Field.VECTOR], fields[Field.START], fields[Field.STOP] = vector.ctypes.data, 0, samples
        with code.room(steps) as room:
            room.enter(fields)
            code.take(fields.ctypes.data)
            code.run(fields.ctypes.data)
        raise_what_python_raised()
        return state

    def _after(self, code: _Code, fields: NDArray[np.int64], samples: int) -> NDArray[Any] | None:
        if not self.graph.max_delay:
            return None
        state = np.empty((samples, self.graph.max_delay, self.graph.size), code.kind)
        _give(fields, Field.AFTER, state, Field.AFTER_SAMPLE, Field.AFTER_FRAME, Field.AFTER_UNIT)
        return state

    def _placed(self, code: _Code, state: Floats) -> NDArray[Any]:
        """Return states of the net's own units [N, D, n] as tables have them."""
        placed = np.zeros((*state.shape[:2], self.graph.size), code.kind)
        placed[:, :, code.tables.number[: state.shape[2]]] = state
        return placed

    def code(self, dtype: Any, samples: int) -> _Code:
        """Return the code for blocks of so many samples."""
        scalar = SCALARS[np.dtype(dtype).char]
        alone = samples == 1
        width = netkernel.VECTORS * machine.vector_lanes() * 8
        ahead = not alone and 2 * self.graph.size * width > LARGE
        with machine.locked():
            self._read_formulas(scalar)
            key = scalar, alone, ahead
            if key not in self._codes:
                if key not in self._tables:
                    shape, kernels = netkernel.code(scalar, alone, ahead, absent(scalar))
                    programs = self._programs[scalar]
                    codes: dict[Activation | None, tuple[RowCode, RowCode]] = {
                        sigma: activation_code(sigma, program, scalar) for sigma, program in programs.items()
                    }
                    self._tables[key] = Tables(self.graph, shape, codes), kernels
                self._codes[key] = _Code(*self._tables[key], self.places)
            return self._codes[key]

    def _read_formulas(self, scalar: str) -> None:
        """Record the activations; a user's formula every time, for it may read what has changed since."""
        known = self._programs.get(scalar)
        if known is not None and not self.reads_formulas:
            return
        known = self._programs.setdefault(scalar, {})
        for sigma in self._activations:
            if sigma is None or sigma.function is ops.identity or (sigma in known and sigma.has_name):
                continue
            programs = activation_programs(sigma, scalar)
            if sigma in known and known[sigma] != programs:
                for made in (self._codes, self._tables):
                    for key in [key for key in made if key[0] == scalar]:
                        del made[key]
            known[sigma] = programs

    def _call(self, code: _Code, fixed: Floats, batch: Batch) -> tuple[NDArray[np.int64], list[Any]]:
        """Return what a call is given, and what must live as long."""
        fields, kind, graph = code.fields.copy(), code.kind, self.graph
        x = _converted(batch.x, kind, "X")
        kept: list[Any] = [code, x, fixed]
        fields[Field.STEPS], fields[Field.FIXED] = x.shape[1], fixed.ctypes.data
        _give(fields, Field.X, x, Field.X_SAMPLE, Field.X_STEP, Field.X_INPUT)
        if batch.y is not None:
            y = _converted(batch.y, kind, "Y")
            kept.append(y)
            _give(fields, Field.Y, y, Field.Y_NUMBER, Field.Y_SAMPLE, Field.Y_STEP)
            fields[Field.FIRST_LOSS] = batch.first
            if y.shape[2] == 1:
                fields[Field.Y_STEP] = 0
        if batch.seen is not None:
            seen = np.ascontiguousarray(batch.seen, kind)
            kept.append(seen)
            _give(fields, Field.SEEN, seen, Field.SEEN_SAMPLE, Field.SEEN_STEP)
        if batch.before is not None and graph.max_delay:
            before = batch.before
            kept.append(before)
            _give(fields, Field.BEFORE, before, Field.BEFORE_SAMPLE, Field.BEFORE_FRAME, Field.BEFORE_UNIT)
            fields[Field.PICK_BEFORE] = 0
        elif not graph.max_delay:
            fields[Field.PICK_BEFORE] = 0
        else:
            fields[Field.BEFORE_UNIT] = 1
        return fields, kept

    def _kernel(self, code: _Code, loss: Program | LongLoss) -> Kernel:
        alone = code.tables.shape.lanes == 1
        key = loss, code.kind.char, alone
        with machine.locked():
            if key not in self._kernels:
                while len(self._kernels) >= MOST_KERNELS:  # a loss that reads what changes is another one every time
                    del self._kernels[next(iter(self._kernels))]
                self._kernels[key] = loss_kernel(loss, alone, code.kind)
            return self._kernels[key]


class _AtOnce:
    """A call of one thread, as a function of the parameters."""

    def __init__(
        self, net: NetCode, code: _Code, loss: Kernel, fields: NDArray[np.int64], kept: list[Any],
        after: NDArray[Any] | None = None,
    ) -> None:  # fmt: skip
        self.net, self.code, self.loss, self.fields, self.kept = net, code, loss, fields, kept
        #: phi of all units in the last steps, by their places in the tables [N, D, size], if it was asked for.
        self.after = after
        self.count = net.places.size
        self.steps = int(fields[Field.STEPS])
        self.python = loss.calls_python or code.tables.calls_python
        self._own = threading.local()

    def enter(self, room: _Room) -> tuple[NDArray[np.int64], Any]:
        """Return what the native code is given to work in some memory, and what must live as long."""
        fields = self.fields.copy()
        room.enter(fields)
        return fields, _loss_arguments(self.code, self.loss, fields)

    def with_data(self, x: Floats, seen: Seen) -> _AtOnce:
        """Return the call for other data of the same shape, of which the loss sees the last step of every sample."""
        kind, entered = self.code.kind, self._own.__dict__.get("entered")
        arrays = {Field.X: _converted(x, kind, "X"), Field.Y: _converted(seen.targets, kind, "Y")}
        for fields in [self.fields, *([] if entered is None else [entered[0]])]:
            for field, array in arrays.items():
                fields[field] = array.ctypes.data
        self.data = arrays  # must live as long as it is the data
        return self

    def __call__(self, vector: Floats) -> tuple[float, Floats] | None:
        """Return loss and gradient; None as `NetCode.loss_and_gradient` does."""
        return _if_good(self.code, self.evaluate(vector))

    def evaluate(self, vector: Floats) -> Floats:
        """Return the gradient, the loss, and 0 if all are finite, as one array."""
        room, own = self.code.room(self.steps), self._own.__dict__
        if own.get("room") is not room or room.late:
            own["room"], own["entered"] = room, self.enter(room)
        results = np.empty(self.count + 2)
        room.busy = True
        try:
            invoke.batch(self.code.evaluate, 0, 1, own["entered"][0], vector, results)
        finally:
            room.busy = False
        if self.python:
            raise_what_python_raised()
        return results


def _if_good(code: _Code, results: Floats) -> tuple[float, Floats] | None:
    """Return loss and gradient of what `evaluate` gives; None where float64 is not finite."""
    if results[-1] != 0.0 and code.kind == np.float64:
        return None
    return float(results[-2]), results[:-2]


def _loss_arguments(code: _Code, loss: Kernel, fields: NDArray[np.int64]) -> tuple[Any, Any]:
    """Give a call what its loss is given, and return that."""
    work, near = loss.room(), (1, code.tables.shape.samples)  # the distances from sample to sample and between numbers
    targets = int(fields[Field.Y_SAMPLE]), int(fields[Field.Y_NUMBER])
    arguments = np.array([0, work.ctypes.data, 0, 0, 0, *near, 0, *targets, 0, *near, 0, *near])
    fields[Field.LOSS_ARGUMENTS] = arguments.ctypes.data
    return work, arguments


class _InParts(_AtOnce):
    """A call whose samples go to several threads in parts, which depend on the work alone."""

    def __init__(
        self, net: NetCode, code: _Code, loss: Kernel, fields: NDArray[np.int64], kept: list[Any],
        after: NDArray[Any] | None, parts: list[tuple[int, int]], threads: int,
    ) -> None:  # fmt: skip
        super().__init__(net, code, loss, fields, kept, after)
        self.parts, self.threads = parts, min(threads, len(parts))

    def evaluate(self, vector: Floats) -> Floats:
        """Return the gradient, the loss, and 0 if all are finite, as one array."""
        code, room = self.code, self.code.room(self.steps)
        with room:  # which holds the weights for all
            fields = self.fields.copy()
            room.enter(fields)
            results = np.empty(self.count + 2)
            fields[Field.VECTOR], fields[Field.RESULTS] = vector.ctypes.data, results.ctypes.data
            code.take(fields.ctypes.data)
            sums = np.empty((len(self.parts), code.tables.gradients + 1))
            workers.run_all([partial(self._work, first, fields, room, sums) for first in range(self.threads)])
            total = sums.sum(axis=0)
            for field, address in _sums_at(code.tables, total).items():
                fields[field] = address
            code.give(fields.ctypes.data)
        return results

    def _work(self, first: int, taken: NDArray[np.int64], room: _Room, sums: Floats) -> None:
        """Do every so many parts, from the first on: the first thread in the room of the weights."""
        with contextlib.ExitStack() as stack:
            if first:
                room = stack.enter_context(self.code.room(self.steps))
            fields, _kept = self.enter(room)
            fields[_TAKEN] = taken[_TAKEN]
            for part in range(first, len(self.parts), self.threads):
                for field, address in _sums_at(self.code.tables, sums[part]).items():
                    fields[field] = address
                fields[Field.START], fields[Field.STOP] = self.parts[part]
                self.code.clear(fields.ctypes.data)
                self.code.run(fields.ctypes.data)
            raise_what_python_raised()


class _Recomputed:
    """A call for long sequences, which keeps their states at some steps and computes those between them again.

    T steps in stretches of about sqrt(T) take the memory of one stretch, and D states for each; the forward pass is
    done twice (A. Griewank, A. Walther, Evaluating Derivatives, 2008, chapter 12, with one level of checkpoints).
    """

    def __init__(self, net: NetCode, code: _Code, fixed: Floats, loss: Program | LongLoss, share: float) -> None:
        self.net, self.code, self.fixed, self.share = net, code, fixed, share
        self.loss = net._kernel(code, loss)

    def __call__(
        self, vector: Floats, x: Floats, seen: Seen, before: NDArray[Any] | None
    ) -> Floats:
        """Return the gradient, the loss, and 0 if all are finite, as one array."""
        code, late, (samples, steps, _) = self.code, self.net.graph.max_delay, x.shape
        count = max(1, steps // max(2 * late, round(steps**0.5)))
        edges = [steps * k // count for k in range(count + 1)]
        stretches = [slice(a, b) for a, b in pairwise(edges)]
        room = _Room(code, max(s.stop - s.start for s in stretches))
        results = np.empty(self.net.places.size + 2)
        finish: NDArray[np.int64] | None = None
        for start in range(0, samples, code.tables.shape.samples):
            rows = slice(start, min(start + code.tables.shape.samples, samples))
            states = [None if before is None else before[rows]]
            for stretch in stretches[:-1]:
                batch = Batch(x[rows, stretch], before=states[-1])
                states.append(self.net._outputs(code, vector, self.fixed, batch, None))
            saved: tuple[Any, Any] | None = None
            for k in range(len(stretches) - 1, -1, -1):
                stretch = stretches[k]
                part = seen.part(rows, stretch)
                batch = Batch(x[rows, stretch], before=states[k])
                if len(part.row):
                    batch = batch_of(x[rows, stretch], part, states[k])
                fields, kept = self.net._call(code, self.fixed, batch)
                room.enter(fields)
                kept += _loss_arguments(code, self.loss, fields)
                fields[Field.LOSS], fields[Field.BACK] = self.loss.address if len(part.row) else 0, 1
                fields[Field.SHARE] = np.float64(self.share).view(np.int64)
                fields[Field.VECTOR], fields[Field.RESULTS] = vector.ctypes.data, results.ctypes.data
                fields[Field.STOP] = rows.stop - rows.start
                if k:  # the stretch before pulls by itself what this one sends it
                    fields[Field.INITIAL_COUNT] = 0
                if finish is None:
                    code.clear(fields.ctypes.data)
                code.take(fields.ctypes.data)
                saved = self._stretch(room, fields, late, saved)
                finish = fields
        assert finish is not None
        code.give(finish.ctypes.data)
        raise_what_python_raised()
        return results

    def _stretch(self, room: _Room, fields: NDArray[np.int64], late: int, saved: tuple[Any, Any] | None) -> Any:
        """Run over a stretch, what the later one sent being given, and return what it sends to the earlier one."""
        steps = int(fields[Field.STEPS])
        delta = room.arrays[Field.DELTA].reshape(-1, int(fields[Field.FRAME]))
        incoming = room.arrays[Field.INCOMING].reshape(-1, int(fields[Field.INCOMING_FRAME]))
        after, last = slice(late + steps, 2 * late + steps), slice(steps, late + steps)
        if saved is not None:
            delta[after], incoming[last] = saved
            fields[Field.LATER] = late
        self.code.run(fields.ctypes.data)
        return delta[late : 2 * late].copy(), incoming[:late].copy()


#: What is written once for all threads of a call.
_TAKEN = [Field.WEIGHTS, Field.WEIGHTS_OUT, Field.WEIGHTS_DENSE, Field.BIASES, Field.BEFORE]


def _converted(given: NDArray[Any], kind: np.dtype[Any], what: str) -> NDArray[Any]:
    """Return finite data as numbers of a kind; refuse what is beyond its range."""
    if kind == np.float64:
        return np.ascontiguousarray(given, kind)
    with np.errstate(all="ignore"):
        array = np.ascontiguousarray(given, kind)
    if not np.isfinite(array).all():
        i = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
        raise ValueError(f"{what} holds {given[i]}, which is beyond float32; scale the data, or leave out dtype=")
    return array


def _give(fields: NDArray[np.int64], field: Field, array: NDArray[Any], *strides: Field) -> None:
    """Tell a call of an array: its address, and the distances along its axes."""
    fields[field] = array.ctypes.data
    for stride, step in zip(strides, array.strides, strict=True):
        fields[stride] = step // array.itemsize


def _parts(graph: Graph, shape: Shape, samples: int, steps: int) -> list[tuple[int, int]]:
    """Return the samples in parts that are worth a thread each; they depend on the work alone."""
    work = samples * steps * (len(graph.source) + 8 * graph.size)
    parts = max(1, min(MOST_PARTS, work // PART, samples // (2 * shape.samples)))
    size = -(-samples // parts // shape.samples) * shape.samples
    return [(i, min(i + size, samples)) for i in range(0, samples, size)]
