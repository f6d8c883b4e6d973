"""The sweep of a net as native code: rows of samples, sums of links, matrix products, blocks of samples, time steps.

The code is the same for every net: what differs is in tables that `netcode` writes. A *row* holds one number of a unit
(phi, or delta) for all samples of a block, which are as many as four vectors of the machine hold, so that sums stay in
registers. A *frame* is the rows of all units at one time step. Tables refer to rows by their distance, in numbers, from
the row 0 of the present frame; a link that looks back in time is one whose distance is negative.

The forward pass runs down a list of records, the backward pass down another; see `Forward` and `Backward`. In the
forward pass a unit's derivative sigma'(a) goes to the row of its delta, where the backward pass finds it, multiplies it
by what comes from the parents, and leaves delta. So neither a nor sigma' takes memory of its own, and a tanh shares its
exponential with its derivative.

In the backward pass a unit *pulls* from the units it feeds: their delta is read once for both the sum over P(l) of
delta_k w_kl and the gradient delta_k phi_l. Dense groups and pairs *push* into rows of incoming sums instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cache
from typing import Any

from llvmlite import ir

from autograd import machine

I32, I64, PTR, VOID = ir.IntType(32), ir.IntType(64), ir.PointerType(), ir.VoidType()
DOUBLE = ir.DoubleType()

#: Vectors that are worked on at a time: enough sums to hide the latency of an addition, few enough for the registers.
VECTORS = 4
#: Bytes of rows that a product goes over again and again: they should stay in the first cache.
NEAR = 2**14
#: Numbers of a record.
RECORD = 9
#: Links that are looked ahead of, where a net does not fit the second cache.
AHEAD = 12


class Forward(IntEnum):
    """Records of the forward pass, and what their numbers are.

    SUM: rows of the table of links into units: first and last unit, first row of the table.
    PRODUCT: units that share their sources: first and last unit, sources, place of the sources and of the weights.
    APPLY: an activation: first and last unit, code with and without the derivative.
    PAIR: functions of two units side by side: how many, first unit, distances of the first two, code.
    """

    SUM = 0
    PRODUCT = 1
    APPLY = 2
    PAIR = 3


class Backward(IntEnum):
    """Records of the backward pass, and what their numbers are.

    PULL: rows of the table of links out of units: first and last row, 1 with a sigma', 2 before the first step.
    PUSH: from units that share their sources to those: first and last unit, sources, place of the rows, of weights.
    GRADIENT: of their weights: first and last unit, sources, place of the sources, of the gradient.
    PAIR: to the two arguments: how many, first unit, distances of the first two, their rows of incoming sums, codes.
    """

    PULL = 0
    PUSH = 1
    GRADIENT = 2
    PAIR = 3


class Field(IntEnum):
    """The numbers and addresses that `run` is given."""

    START = 0  # samples of the data, from
    STOP = 1  # to
    STEPS = 2  # time steps, T
    DELAY = 3  # frames before the first, D
    FRAME = 4  # numbers of a frame
    PHI = 5  # frames of phi, D + T
    DELTA = 6  # frames of delta, D + T + D
    INCOMING = 7  # frames of incoming sums, D + T
    INCOMING_FRAME = 8  # numbers of such a frame
    FORWARD = 9  # records
    FORWARD_COUNT = 10
    BACKWARD = 11
    BACKWARD_COUNT = 12
    INITIAL = 13  # records of the frames before the first
    INITIAL_COUNT = 14
    INTO = 15  # per row of the table of links into units, its first link
    INTO_SOURCE = 16  # distance of the source
    OUT = 17  # per row of the table of links out of units, its first link
    OUT_TARGET = 18  # distance of the target
    OUT_UNIT = 19  # per row: distance of the unit
    OUT_INCOMING = 20  # per row: distance of its incoming sums, -1 without
    LISTS = 21  # sources of dense groups, and their rows of incoming sums
    WEIGHTS = 22  # in the order of the tables: into, out of, dense groups
    WEIGHTS_OUT = 23
    WEIGHTS_DENSE = 24
    BIASES = 25  # per unit
    GRADIENT_OUT = 26  # doubles, in the order of the table of links out of units
    GRADIENT_DENSE = 27
    GRADIENT_BIAS = 28  # per row of the table of links out of units
    X = 29  # data: address, distances by sample, step and input
    X_SAMPLE = 30
    X_STEP = 31
    X_INPUT = 32
    INPUTS = 33  # how many; they are the first units
    OUTPUTS = 34  # how many
    OUTPUT_ROWS = 35  # distances of the outputs
    OUTPUT_INCOMING = 36  # distances of their incoming sums
    LOSS = 37  # code of the loss, 0 without
    LOSS_ARGUMENTS = 38
    Y = 39  # targets, as X
    Y_SAMPLE = 40
    Y_STEP = 41
    Y_NUMBER = 42
    SEEN = 43  # weight of the loss of every sample and step, 0: all count alike
    SEEN_SAMPLE = 44
    SEEN_STEP = 45
    FIRST_LOSS = 46  # the first step with a loss
    TOTAL = 47  # where the sum of the losses goes: a double
    ROOM = 48  # room for outputs, losses and their slopes
    RESULT = 49  # outputs, 0 if nobody wants them
    RESULT_SAMPLE = 50
    RESULT_STEP = 51
    RESULT_OUTPUT = 52
    BEFORE = 53  # phi before the first step, by sample, frame, unit
    BEFORE_SAMPLE = 54
    BEFORE_FRAME = 55
    BEFORE_UNIT = 56
    AFTER = 57  # where phi of the last frames goes, 0 if nobody wants them
    AFTER_SAMPLE = 58
    AFTER_FRAME = 59
    AFTER_UNIT = 60
    UNITS = 61  # how many
    TRANSPOSED = 62  # room for the sources of a dense group
    BACK = 63  # whether there is a backward pass
    VECTOR = 64  # the parameters, doubles
    FIXED = 65  # weights and biases that are no parameters, doubles
    PICK = 66  # per weight of the tables its parameter; below 0, -1 - the place among those that are none
    PICK_COUNT = 67
    PICK_BIAS = 68  # the same per unit for biases
    PICK_BEFORE = 69  # and for phi before the first step, 0 for none: given otherwise
    GRADIENTS = 70  # how many doubles the gradients are, from GRADIENT_OUT on
    PARAMETERS = 71
    PLACE_START = 72  # per parameter the first of its places among the gradients
    PLACES = 73
    SHARE = 74  # what the sums are multiplied by, a double
    RESULTS = 75  # where the gradient by the parameters goes, behind it the loss, and 0 if all of them are finite
    LATER = 76  # frames of incoming sums, the last ones, that hold what a later stretch of the sequences sent


class Shape:
    """How many samples a block has, and in what numbers.

    Args:
        scalar: "double" or "float".
        alone: whether there is only one sample.
        ahead: whether to fetch rows before they are needed.
    """

    def __init__(self, scalar: str, alone: bool = False, ahead: bool = False) -> None:
        self.scalar, self.ahead = scalar, ahead
        self.itemsize = 8 if scalar == "double" else 4
        self.lanes = 1 if alone else machine.vector_lanes() * 8 // self.itemsize
        self.vectors = 1 if alone else VECTORS
        #: Samples of a block.
        self.samples = self.lanes * self.vectors
        #: Units of a dense group that are computed at a time, as the registers allow.
        self.tile = 6 if machine.vector_lanes() == 8 else 3
        if alone:  # then vectors lie along the units
            self.tile = VECTORS * machine.vector_lanes() * 8 // self.itemsize
        #: What the numbers of sources of a dense group are padded to, where its gradient is added up.
        self.padding = self.tile if alone else self.samples
        self.name = f"net {scalar} {self.samples} {'ahead' if ahead else ''}"


class _Writer:
    """A function under construction, over the vectors of a shape."""

    def __init__(self, module: Any, shape: Shape, name: str, arguments: int, internal: bool = True) -> None:
        self.module, self.shape = module, shape
        kinds = [PTR] + [I64] * (arguments - 1)
        self.function = ir.Function(module, ir.FunctionType(VOID, kinds), name)
        if internal:
            self.function.linkage = "internal"
        self.b = ir.IRBuilder(self.function.append_basic_block())
        self.scalar = DOUBLE if shape.scalar == "double" else ir.FloatType()
        self.vector = ir.VectorType(self.scalar, shape.lanes) if shape.lanes > 1 else self.scalar
        self.args = self.function.args

    # Numbers. --------------------------------------------------------------------------------------------------------

    def n(self, value: int) -> Any:
        return ir.Constant(I64, value)

    def field(self, field: Field, kind: Any = I64) -> Any:
        """Load one of what `run` was given."""
        at = self.b.gep(self.args[0], [self.n(int(field))], source_etype=I64)
        return self.b.load(at, typ=kind)

    def at(self, base: Any, index: Any, kind: Any = None) -> Any:
        """Return the address of an element."""
        return self.b.gep(base, [index], source_etype=kind or self.scalar)

    def index(self, base: Any, i: Any) -> Any:
        """Load a 32-bit distance as a number."""
        return self.b.sext(self.b.load(self.at(base, i, I32), typ=I32), I64)

    def number(self, base: Any, i: Any) -> Any:
        return self.b.load(self.at(base, i, I64), typ=I64)

    def loop(
        self, start: Any, stop: Any, carried: Sequence[Any], body: Callable[..., Sequence[Any]], step: int = 1
    ) -> list[Any]:
        """Write a loop from start while below stop; body gets the counter and what is carried, and returns that."""
        b, function = self.b, self.function
        before = b.block
        inside, after = function.append_basic_block(), function.append_basic_block()
        b.cbranch(b.icmp_signed("<", start, stop), inside, after)
        b.position_at_end(inside)
        i = b.phi(I64)
        i.add_incoming(start, before)
        kept = [b.phi(x.type) for x in carried]
        for phi, x in zip(kept, carried, strict=True):
            phi.add_incoming(x, before)
        results = list(body(i, *kept))
        last = b.block
        following = b.add(i, self.n(step))
        i.add_incoming(following, last)
        for phi, x in zip(kept, results, strict=True):
            phi.add_incoming(x, last)
        b.cbranch(b.icmp_signed("<", following, stop), inside, after)
        b.position_at_end(after)
        finals = [b.phi(x.type) for x in carried]
        for final, x, y in zip(finals, carried, results, strict=True):
            final.add_incoming(x, before)
            final.add_incoming(y, last)
        return finals

    # Rows. -----------------------------------------------------------------------------------------------------------

    def zeros(self) -> list[Any]:
        return [ir.Constant(self.vector, None if self.shape.lanes > 1 else 0.0)] * self.shape.vectors

    def row(self, address: Any) -> list[Any]:
        """Load a row."""
        places = [self.at(address, self.n(v * self.shape.lanes)) for v in range(self.shape.vectors)]
        return [self.b.load(p, typ=self.vector, align=self.shape.itemsize) for p in places]

    def put(self, row: Sequence[Any], address: Any) -> None:
        """Store a row."""
        for v, x in enumerate(row):
            self.b.store(x, self.at(address, self.n(v * self.shape.lanes)), align=self.shape.itemsize)

    def splat(self, x: Any) -> Any:
        """Return a vector of one number."""
        lanes = self.shape.lanes
        if lanes == 1:
            return x
        one = self.b.insert_element(ir.Constant(self.vector, ir.Undefined), x, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, lanes), None)
        return self.b.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), zeros)

    def weight(self, base: Any, i: Any) -> Any:
        """Load a weight into all lanes."""
        return self.splat(self.b.load(self.at(base, i), typ=self.scalar))

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        name = f"llvm.fmuladd.{f'v{self.shape.lanes}' if self.shape.lanes > 1 else ''}f{self.shape.itemsize * 8}"
        if name not in self.module.globals:
            ir.Function(self.module, ir.FunctionType(self.vector, [self.vector] * 3), name)
        return self.b.call(self.module.globals[name], [x, y, z])

    def dot(self, x: Sequence[Any], y: Sequence[Any]) -> Any:
        """Return a vector whose sum is that of the products of two rows."""
        result = self.b.fmul(x[0], y[0])
        for p, q in zip(x[1:], y[1:], strict=True):
            result = self.multiply_add(p, q, result)
        return result

    def total(self, x: Any) -> Any:
        """Return the sum of a vector's lanes, a double."""
        lanes, b = self.shape.lanes, self.b
        while lanes > 1:
            lanes //= 2
            low, high = (self._part(x, i * lanes, lanes) for i in range(2))
            x = b.fadd(low, high)
        x = b.extract_element(x, ir.Constant(I32, 0)) if self.shape.lanes > 1 else x
        return x if self.shape.scalar == "double" else b.fpext(x, DOUBLE)

    def _part(self, x: Any, start: int, count: int) -> Any:
        mask = ir.Constant(ir.VectorType(I32, count), list(range(start, start + count)))
        return self.b.shuffle_vector(x, ir.Constant(x.type, ir.Undefined), mask)

    def _pick(self, x: Any, y: Any, places: Sequence[int]) -> Any:
        return self.b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(places)), list(places)))

    def add_totals(self, xs: Sequence[Any], address: Any) -> None:
        """Add the sums of four vectors to four doubles side by side; the vectors are added as one where they can."""
        b, lanes = self.b, self.shape.lanes
        if lanes < 4:
            for k, x in enumerate(xs):
                self.add_double(self.total(x), self.at(address, self.n(k), DOUBLE))
            return

        def joined(x: Any, y: Any) -> Any:
            # Of every two lanes the sum, those of x and y by turns.
            even = [k + z for k in range(0, lanes, 2) for z in (0, lanes)]
            return b.fadd(self._pick(x, y, even), self._pick(x, y, [k + 1 for k in even]))

        pairs = joined(xs[0], xs[1]), joined(xs[2], xs[3])
        first = [q + z + k for q in range(0, lanes, 4) for z in (0, lanes) for k in (0, 1)]
        sums = b.fadd(self._pick(*pairs, first), self._pick(*pairs, [k + 2 for k in first]))
        while lanes > 4:
            lanes //= 2
            sums = b.fadd(self._part(sums, 0, lanes), self._part(sums, lanes, lanes))
        four = ir.VectorType(DOUBLE, 4)
        if self.shape.scalar == "float":
            sums = b.fpext(sums, four)
        b.store(b.fadd(b.load(address, typ=four, align=8), sums), address, align=8)

    def add_double(self, x: Any, address: Any) -> None:
        self.b.store(self.b.fadd(self.b.load(address, typ=DOUBLE), x), address)

    def fetch(self, address: Any) -> None:
        """Have a row brought near that will be needed soon."""
        if "llvm.prefetch.p0" not in self.module.globals:
            ir.Function(self.module, ir.FunctionType(VOID, [PTR, I32, I32, I32]), "llvm.prefetch.p0")
        for byte in range(0, self.shape.samples * self.shape.itemsize, 64):
            place = self.at(address, self.n(byte // self.shape.itemsize))
            flags = [ir.Constant(I32, x) for x in (0, 3, 1)]
            self.b.call(self.module.globals["llvm.prefetch.p0"], [place, *flags])

    def end(self) -> Any:
        self.b.ret_void()
        return self.function


# Forward. ------------------------------------------------------------------------------------------------------------


def _sum(module: Any, shape: Shape) -> Any:
    """a_l = b_l + sum over j of w_lj phi_j (3), unit by unit: (args, phi, first unit, last unit, first row)."""
    w = _Writer(module, shape, "sum", 5)
    _, frame, first, last, row = w.args
    frame = w.b.inttoptr(frame, PTR)
    into, source = w.field(Field.INTO, PTR), w.field(Field.INTO_SOURCE, PTR)
    weights, biases = w.field(Field.WEIGHTS, PTR), w.field(Field.BIASES, PTR)
    row = w.b.sub(row, first)

    def link(e: Any, sums: Sequence[Any]) -> list[Any]:
        if shape.ahead:
            w.fetch(w.at(frame, w.index(source, w.b.add(e, w.n(AHEAD)))))
        weight, phi = w.weight(weights, e), w.row(w.at(frame, w.index(source, e)))
        return [w.multiply_add(x, weight, s) for x, s in zip(phi, sums, strict=True)]

    def unit(u: Any) -> list[Any]:
        r = w.b.add(row, u)
        e, stop = w.index(into, r), w.index(into, w.b.add(r, w.n(1)))
        # Two sums by turns: an addition need not wait for the one before.
        even = [w.weight(biases, u)] * shape.vectors
        odd = w.zeros()
        whole = w.b.add(e, w.b.and_(w.b.sub(stop, e), w.n(-2)))

        def two(i: Any, *sums: Any) -> list[Any]:
            half = shape.vectors
            return [*link(i, sums[:half]), *link(w.b.add(i, w.n(1)), sums[half:])]

        sums = w.loop(e, whole, [*even, *odd], two, step=2)
        even, odd = sums[: shape.vectors], sums[shape.vectors :]
        odd = w.loop(whole, stop, odd, lambda i, *x: link(i, x))
        w.put([w.b.fadd(x, y) for x, y in zip(even, odd, strict=True)], w.at(frame, w.b.mul(u, w.n(shape.samples))))
        return []

    w.loop(first, last, [], unit)
    return w.end()


def _tiles(w: _Writer, first: Any, last: Any, body: Callable[[Any, int], None], tile: int = 0) -> None:
    """Write code for units from first to last in tiles: as many at a time as registers allow, then one by one."""
    tile = tile or w.shape.tile
    count = w.b.sub(last, first)
    whole = w.b.add(first, w.b.mul(w.b.sdiv(count, w.n(tile)), w.n(tile)))

    def run(size: int) -> Callable[[Any], list[Any]]:
        def step(u: Any) -> list[Any]:
            body(u, size)
            return []

        return step

    w.loop(first, whole, [], run(tile), step=tile)
    w.loop(whole, last, [], run(1))


def _near(w: _Writer, count: Any, body: Callable[[Any, Any], None]) -> None:
    """Write a loop over so many of count rows at a time that they stay in the first cache."""
    several = max(1, NEAR // (w.shape.samples * w.shape.itemsize))

    def step(near: Any) -> list[Any]:
        left = w.b.sub(count, near)
        body(near, w.b.select(w.b.icmp_signed("<", left, w.n(several)), left, w.n(several)))
        return []

    w.loop(w.n(0), count, [], step, step=several)


def _add_products(
    w: _Writer, places: Sequence[Any], count: Any, weights: Any, row: Callable[[Any], list[Any]]
) -> None:
    """Add to rows the sum over k of weight times row(k); weights lie by k, then by row."""
    shape, size = w.shape, len(places)

    def step(k: Any, *sums: Any) -> list[Any]:
        base = w.b.mul(k, w.n(size))
        factors = [w.weight(weights, w.b.add(base, w.n(i))) for i in range(size)]
        result = list(sums)
        for v, x in enumerate(row(k)):
            for i, factor in enumerate(factors):
                place = i * shape.vectors + v
                result[place] = w.multiply_add(x, factor, result[place])
        return result

    sums = w.loop(w.n(0), count, [x for place in places for x in w.row(place)], step)
    for i, place in enumerate(places):
        w.put(sums[i * shape.vectors : (i + 1) * shape.vectors], place)


def _product(module: Any, shape: Shape) -> Any:
    """A_i = W_i phi_{i-1} + b (9): (args, phi, first unit, last unit, sources, place of the list, of the weights)."""
    w = _Writer(module, shape, "product", 7)
    _, frame, first, last, count, place, start = w.args
    frame = w.b.inttoptr(frame, PTR)
    sources = w.at(w.field(Field.LISTS, PTR), place, I32)
    weights, biases = w.at(w.field(Field.WEIGHTS_DENSE, PTR), start), w.field(Field.BIASES, PTR)

    def bias(u: Any) -> list[Any]:
        w.put([w.weight(biases, u)] * shape.vectors, w.at(frame, w.b.mul(u, w.n(shape.samples))))
        return []

    w.loop(first, last, [], bias)

    def some(near: Any, count_here: Any) -> None:
        def tile(u: Any, size: int) -> None:
            own = w.at(weights, w.b.add(w.b.mul(w.b.sub(u, first), count), w.b.mul(near, w.n(size))))
            places = [w.at(frame, w.b.mul(w.b.add(u, w.n(i)), w.n(shape.samples))) for i in range(size)]
            _add_products(w, places, count_here, own,
                          lambda k: w.row(w.at(frame, w.index(sources, w.b.add(near, k)))))  # fmt: skip

        _tiles(w, first, last, tile)

    _near(w, count, some)
    return w.end()


# Backward. -----------------------------------------------------------------------------------------------------------


def _pull(module: Any, shape: Shape, absent: Any) -> Any:
    """delta_l = sigma'(a_l) sum over k of delta_k w_kl (7), and dL/dw_kl = delta_k phi_l.

    (args, phi, delta, incoming, first row, last row, sloped): sloped is 1 if the row of delta holds
    sigma', 2 before the first step, where there is no delta.
    """
    w = _Writer(module, shape, "pull", 7)
    _, phi, delta, incoming, first, last, sloped = w.args
    phi, delta, incoming = (w.b.inttoptr(x, PTR) for x in (phi, delta, incoming))
    out, target, weights = w.field(Field.OUT, PTR), w.field(Field.OUT_TARGET, PTR), w.field(Field.WEIGHTS_OUT, PTR)
    units, arriving = w.field(Field.OUT_UNIT, PTR), w.field(Field.OUT_INCOMING, PTR)
    gradient, bias = w.field(Field.GRADIENT_OUT, PTR), w.field(Field.GRADIENT_BIAS, PTR)
    b = w.b

    def row(r: Any) -> list[Any]:
        at = w.index(units, r)
        here = w.row(w.at(phi, at))
        slot = w.index(arriving, r)
        there = b.icmp_signed(">=", slot, w.n(0))
        start = w.zeros()
        before = b.block
        with b.if_then(there):
            found = w.row(w.at(incoming, slot))
            inside = b.block
        sums = []
        for x, y in zip(start, found, strict=True):
            merged = b.phi(w.vector)
            merged.add_incoming(x, before)
            merged.add_incoming(y, inside)
            sums.append(merged)

        def link(e: Any, sums: Sequence[Any]) -> tuple[list[Any], Any]:
            if shape.ahead:
                w.fetch(w.at(delta, w.index(target, b.add(e, w.n(AHEAD)))))
            weight, theirs = w.weight(weights, e), w.row(w.at(delta, w.index(target, e)))
            return [w.multiply_add(x, weight, s) for x, s in zip(theirs, sums, strict=True)], w.dot(theirs, here)

        def four(e: Any, *sums: Any) -> list[Any]:
            current, products = list(sums), []
            for k in range(4):
                current, product = link(b.add(e, w.n(k)), current)
                products.append(product)
            w.add_totals(products, w.at(gradient, e, DOUBLE))
            return current

        def one(e: Any, *sums: Any) -> list[Any]:
            current, product = link(e, sums)
            w.add_double(w.total(product), w.at(gradient, e, DOUBLE))
            return current

        e, stop = w.index(out, r), w.index(out, b.add(r, w.n(1)))
        whole = b.add(e, b.and_(b.sub(stop, e), w.n(-4)))
        sums = w.loop(e, whole, sums, four, step=4)
        sums = w.loop(whole, stop, sums, one)
        place = w.at(delta, at)
        before = b.block
        with b.if_then(b.icmp_signed("==", sloped, w.n(1))):
            scaled = []
            missing = ir.Constant(w.vector, [absent] * shape.lanes if shape.lanes > 1 else absent)
            for slope, x in zip(w.row(place), sums, strict=True):
                # An absent slope passes nothing on, not even inf times 0.
                gone = b.fcmp_ordered("==", slope, missing)
                scaled.append(b.select(gone, w.zeros()[0], b.fmul(slope, x)))
            inside = b.block
        result = []
        for x, y in zip(sums, scaled, strict=True):
            merged = b.phi(w.vector)
            merged.add_incoming(x, before)
            merged.add_incoming(y, inside)
            result.append(merged)
        with b.if_then(b.icmp_signed("!=", sloped, w.n(2))):
            w.put(result, place)
        total = result[0]
        for x in result[1:]:
            total = b.fadd(total, x)
        w.add_double(w.total(total), w.at(bias, r, DOUBLE))
        return []

    w.loop(first, last, [], row)
    return w.end()


def _push(module: Any, shape: Shape) -> Any:
    """W^T Delta of (13), added to the incoming sums of the sources.

    (args, delta, incoming, first unit, last unit, sources, place of their rows, place of the weights)
    """
    w = _Writer(module, shape, "push", 8)
    _, delta, incoming, first, last, count, place, start = w.args
    delta, incoming = w.b.inttoptr(delta, PTR), w.b.inttoptr(incoming, PTR)
    rows = w.at(w.field(Field.LISTS, PTR), place, I32)
    weights = w.at(w.field(Field.WEIGHTS_DENSE, PTR), start)
    units = w.b.sub(last, first)
    base = w.at(delta, w.b.mul(first, w.n(shape.samples)))

    def some(near: Any, units_here: Any) -> None:
        def tile(j: Any, size: int) -> None:
            own = w.at(weights, w.b.add(w.b.mul(j, units), w.b.mul(near, w.n(size))))
            places = [w.at(incoming, w.index(rows, w.b.add(j, w.n(i)))) for i in range(size)]
            _add_products(w, places, units_here, own,
                          lambda k: w.row(w.at(base, w.b.mul(w.b.add(near, k), w.n(shape.samples)))))  # fmt: skip

        _tiles(w, w.n(0), count, tile)

    _near(w, units, some)
    return w.end()


def _gradient(module: Any, shape: Shape) -> Any:
    """dL/dW_i = Delta_i phi_{i-1}^T (11), added up.

    (args, phi, delta, first unit, last unit, sources, place of their list, place of the gradient)
    The gradient lies by unit, the sources of each padded to whole rows.
    """
    w = _Writer(module, shape, "gradient", 8)
    _, phi, delta, first, last, count, place, start = w.args
    phi, delta = w.b.inttoptr(phi, PTR), w.b.inttoptr(delta, PTR)
    sources = w.at(w.field(Field.LISTS, PTR), place, I32)
    gradient = w.at(w.field(Field.GRADIENT_DENSE, PTR), start, DOUBLE)
    turned = w.field(Field.TRANSPOSED, PTR)
    padded = _padded_count(w, count, shape.samples)
    _transpose(w, phi, sources, count, padded, turned)

    def columns(k: Any) -> list[Any]:
        here = w.at(turned, k)

        def tile(u: Any, size: int) -> None:
            rows = [w.at(delta, w.b.mul(w.b.add(u, w.n(i)), w.n(shape.samples))) for i in range(size)]

            def sample(s: Any, *sums: Any) -> list[Any]:
                theirs = w.row(w.at(here, w.b.mul(s, padded)))
                factors = [w.weight(row, s) for row in rows]
                result = list(sums)
                for v, x in enumerate(theirs):
                    for i, factor in enumerate(factors):
                        p = i * shape.vectors + v
                        result[p] = w.multiply_add(x, factor, result[p])
                return result

            sums = w.loop(w.n(0), w.n(shape.samples), w.zeros() * size, sample)
            for i in range(size):
                own = w.at(gradient, w.b.add(w.b.mul(w.b.sub(w.b.add(u, w.n(i)), first), padded), k), DOUBLE)
                _add_to_doubles(w, sums[i * shape.vectors : (i + 1) * shape.vectors], own)

        _tiles(w, first, last, tile)
        return []

    w.loop(w.n(0), padded, [], columns, step=shape.samples)
    return w.end()


def _padded_count(w: _Writer, count: Any, width: int) -> Any:
    """Return the least multiple of width that is not below count."""
    return w.b.mul(w.b.sdiv(w.b.add(count, w.n(width - 1)), w.n(width)), w.n(width))


def _add_to_doubles(w: _Writer, row: Sequence[Any], address: Any) -> None:
    lanes = w.shape.lanes
    kind = ir.VectorType(DOUBLE, lanes) if lanes > 1 else DOUBLE
    for v, x in enumerate(row):
        at = w.at(address, w.n(v * lanes), DOUBLE)
        wide = x if w.shape.scalar == "double" else w.b.fpext(x, kind)
        w.b.store(w.b.fadd(w.b.load(at, typ=kind, align=8), wide), at, align=8)


def _transpose(w: _Writer, frame: Any, sources: Any, count: Any, padded: Any, to: Any) -> None:
    """Write rows of a list as columns [samples, padded]; beyond the list, zeros."""
    lanes, b = w.shape.lanes, w.b
    whole = b.mul(b.sdiv(count, w.n(lanes)), w.n(lanes))

    def several(k: Any) -> list[Any]:
        rows = [w.row(w.at(frame, w.index(sources, b.add(k, w.n(i))))) for i in range(lanes)]
        for v in range(w.shape.vectors):
            for s, column in enumerate(_turned(w, [row[v] for row in rows])):
                at = w.at(to, b.add(b.mul(w.n(v * lanes + s), padded), k))
                b.store(column, at, align=w.shape.itemsize)
        return []

    def single(k: Any, x: Callable[[Any], Any]) -> list[Any]:
        def sample(s: Any) -> list[Any]:
            b.store(x(s), w.at(to, b.add(b.mul(s, padded), k)))
            return []

        w.loop(w.n(0), w.n(w.shape.samples), [], sample)
        return []

    def one(k: Any) -> list[Any]:
        base = w.at(frame, w.index(sources, k))
        return single(k, lambda s: b.load(w.at(base, s), typ=w.scalar))

    def nothing(k: Any) -> list[Any]:
        return single(k, lambda s: ir.Constant(w.scalar, 0.0))

    w.loop(w.n(0), whole, [], several, step=lanes)
    w.loop(whole, count, [], one)
    w.loop(count, padded, [], nothing)


def _turned(w: _Writer, xs: list[Any]) -> list[Any]:
    """Transpose a square of vectors: by halves of halves."""
    lanes, distance = len(xs), 1
    while distance < lanes:
        result = list(xs)
        for i in range(lanes):
            if i & distance:
                continue
            j = i + distance
            low = [k if not k & distance else k - distance + lanes for k in range(lanes)]
            high = [k + distance if not k & distance else k + lanes for k in range(lanes)]
            result[i], result[j] = w._pick(xs[i], xs[j], low), w._pick(xs[i], xs[j], high)
        xs, distance = result, distance * 2
    return xs


# One sample. ---------------------------------------------------------------------------------------------------------
#
# A row is then one number, so that dense groups take vectors along their units: the columns of W, and the rows of W^T.


def _product_alone(module: Any, wide: Shape) -> Any:
    """As `_product`: sums of neighbouring units side by side."""
    w = _Writer(module, wide, "product", 7)
    b = w.b
    _, frame, first, last, count, place, start = w.args
    frame = b.inttoptr(frame, PTR)
    sources = w.at(w.field(Field.LISTS, PTR), place, I32)
    weights, biases = w.at(w.field(Field.WEIGHTS_DENSE, PTR), start), w.field(Field.BIASES, PTR)

    def tile(u: Any, size: int) -> None:
        own = w.at(weights, b.mul(b.sub(u, first), count))
        if size == 1:
            _scalar_product(w, own, count, w.at(biases, u), w.at(frame, u), lambda k: w.at(frame, w.index(sources, k)))
            return

        def column(k: Any, *sums: Any) -> list[Any]:
            phi, factors = w.weight(frame, w.index(sources, k)), w.row(w.at(own, b.mul(k, w.n(size))))
            return [w.multiply_add(phi, x, s) for x, s in zip(factors, sums, strict=True)]

        w.put(w.loop(w.n(0), count, w.row(w.at(biases, u)), column), w.at(frame, u))

    _tiles(w, first, last, tile, wide.samples)
    return w.end()


def _push_alone(module: Any, wide: Shape) -> Any:
    """As `_push`: sums of several sources side by side."""
    w = _Writer(module, wide, "push", 8)
    b = w.b
    _, delta, incoming, first, last, count, place, start = w.args
    delta, incoming = b.inttoptr(delta, PTR), b.inttoptr(incoming, PTR)
    rows = w.at(w.field(Field.LISTS, PTR), place, I32)
    weights = w.at(w.field(Field.WEIGHTS_DENSE, PTR), start)
    units, base = b.sub(last, first), w.at(delta, first)

    def tile(j: Any, size: int) -> None:
        own = w.at(weights, b.mul(j, units))
        if size == 1:
            sum = w.at(incoming, w.index(rows, j))
            _scalar_product(w, own, units, sum, sum, lambda k: w.at(base, k))
            return

        def column(k: Any, *sums: Any) -> list[Any]:
            theirs, factors = w.weight(base, k), w.row(w.at(own, b.mul(k, w.n(size))))
            return [w.multiply_add(theirs, x, s) for x, s in zip(factors, sums, strict=True)]

        sums = w.loop(w.n(0), units, w.zeros(), column)
        for v, vector in enumerate(sums):
            for lane in range(wide.lanes):
                at = w.at(incoming, w.index(rows, b.add(j, w.n(v * wide.lanes + lane))))
                more = b.extract_element(vector, ir.Constant(I32, lane)) if wide.lanes > 1 else vector
                b.store(b.fadd(b.load(at, typ=w.scalar), more), at)

    _tiles(w, w.n(0), count, tile, wide.samples)
    return w.end()


def _scalar_product(
    w: _Writer, weights: Any, count: Any, start: Any, to: Any, address: Callable[[Any], Any]
) -> None:
    """Store at an address what is at another plus the sum of weights times numbers."""
    b = w.b

    def add(k: Any, sum: Any) -> list[Any]:
        weight, x = b.load(w.at(weights, k), typ=w.scalar), b.load(address(k), typ=w.scalar)
        return [b.fadd(sum, b.fmul(weight, x))]

    (sum,) = w.loop(w.n(0), count, [b.load(start, typ=w.scalar)], add)
    b.store(sum, to)


def _gradient_alone(module: Any, wide: Shape) -> Any:
    """As `_gradient`: delta of a unit times the phi of its sources side by side."""
    w = _Writer(module, wide, "gradient", 8)
    b = w.b
    _, phi, delta, first, last, count, place, start = w.args
    phi, delta = b.inttoptr(phi, PTR), b.inttoptr(delta, PTR)
    sources = w.at(w.field(Field.LISTS, PTR), place, I32)
    gradient = w.at(w.field(Field.GRADIENT_DENSE, PTR), start, DOUBLE)
    gathered = w.field(Field.TRANSPOSED, PTR)
    padded = _padded_count(w, count, wide.samples)

    def gather(k: Any) -> list[Any]:
        b.store(b.load(w.at(phi, w.index(sources, k)), typ=w.scalar), w.at(gathered, k))
        return []

    def nothing(k: Any) -> list[Any]:
        b.store(ir.Constant(w.scalar, 0.0), w.at(gathered, k))
        return []

    w.loop(w.n(0), count, [], gather)
    w.loop(count, padded, [], nothing)

    def unit(u: Any) -> list[Any]:
        own, here = w.at(gradient, b.mul(b.sub(u, first), padded), DOUBLE), w.weight(delta, u)

        def columns(k: Any) -> list[Any]:
            products = [b.fmul(here, x) for x in w.row(w.at(gathered, k))]
            _add_to_doubles(w, products, w.at(own, k, DOUBLE))
            return []

        w.loop(w.n(0), padded, [], columns, step=wide.samples)
        return []

    w.loop(first, last, [], unit)
    return w.end()


# Running. ------------------------------------------------------------------------------------------------------------


def _records(
    w: _Writer, records: Any, count: Any, cases: Sequence[tuple[int, Callable[[list[Any]], None]]]
) -> None:
    """Write a loop over records that does what the first number of each says."""
    b = w.b

    def step(r: Any) -> list[Any]:
        at = w.at(records, b.mul(r, w.n(RECORD)), I64)
        numbers = [w.number(at, w.n(i)) for i in range(RECORD)]
        done = w.function.append_basic_block()
        switch = b.switch(numbers[0], done)
        for kind, case in cases:
            block = w.function.append_basic_block()
            switch.add_case(w.n(kind), block)
            b.position_at_end(block)
            case(numbers[1:])
            b.branch(done)
        b.position_at_end(done)
        return []

    w.loop(w.n(0), count, [], step)


def _call(w: _Writer, address: Any, *arguments: Any) -> None:
    """Call code by its address."""
    kind = ir.PointerType()
    kind.pointee = ir.FunctionType(VOID, [x.type for x in arguments])
    w.b.call(w.b.inttoptr(address, kind), arguments)


def _forward(module: Any, shape: Shape, parts: dict[str, Any]) -> Any:
    """One frame of the forward pass: (args, phi, delta, records, how many)."""
    w = _Writer(module, shape, "forward", 5)
    args, phi, delta, records, count = w.args
    b = w.b
    back = w.field(Field.BACK)

    def row(frame: Any, unit: Any) -> Any:
        return w.at(b.inttoptr(frame, PTR), b.mul(unit, w.n(shape.samples)))

    def apply(x: list[Any]) -> None:
        first, last, with_slope, without = x[:4]
        vectors = b.mul(b.sub(last, first), w.n(shape.samples))
        code = b.select(b.icmp_signed("!=", back, w.n(0)), with_slope, without)
        _call(w, code, row(phi, first), row(delta, first), vectors)

    def pair(x: list[Any]) -> None:
        several, unit, one, other, code = x[:5]
        frame = b.inttoptr(phi, PTR)
        _call(w, code, w.at(frame, one), w.at(frame, other), row(phi, unit), b.mul(several, w.n(shape.samples)))

    _records(w, b.inttoptr(records, PTR), count, [
        (Forward.SUM, lambda x: b.call(parts["sum"], [args, phi, *x[:3]])),
        (Forward.PRODUCT, lambda x: b.call(parts["product"], [args, phi, *x[:5]])),
        (Forward.APPLY, apply),
        (Forward.PAIR, pair),
    ])  # fmt: skip
    return w.end()


def _backward(module: Any, shape: Shape, parts: dict[str, Any]) -> Any:
    """One frame of the backward pass: (args, phi, delta, incoming sums, records, how many)."""
    w = _Writer(module, shape, "backward", 6)
    args, phi, delta, incoming, records, count = w.args
    b = w.b

    def pair(x: list[Any]) -> None:
        several, unit, one, other, to_one, to_other, code, other_code = x
        frame, sums = b.inttoptr(phi, PTR), b.inttoptr(incoming, PTR)
        own = w.at(b.inttoptr(delta, PTR), b.mul(unit, w.n(shape.samples)))
        # One after the other: both arguments may be one unit.
        for at, which in ((to_one, code), (to_other, other_code)):
            with b.if_then(b.icmp_signed("!=", which, w.n(0))):
                numbers = b.mul(several, w.n(shape.samples))
                _call(w, which, w.at(frame, one), w.at(frame, other), own, w.at(sums, at), numbers)

    _records(w, b.inttoptr(records, PTR), count, [
        (Backward.PULL, lambda x: b.call(parts["pull"], [args, phi, delta, incoming, *x[:3]])),
        (Backward.PUSH, lambda x: b.call(parts["push"], [args, delta, incoming, *x[:5]])),
        (Backward.GRADIENT, lambda x: b.call(parts["gradient"], [args, phi, delta, *x[:5]])),
        (Backward.PAIR, pair),
    ])  # fmt: skip
    return w.end()


def _pack(module: Any, shape: Shape) -> Any:
    """Copy numbers of the samples of a block into rows; the last sample stands in for those that are missing.

    (to, from, distance by sample, by row, rows, samples that there are)
    """
    w = _Writer(module, shape, "pack", 6)
    to, base, by_sample, by_row, count, left = w.args
    b = w.b
    base = b.inttoptr(base, PTR)
    most = b.sub(left, w.n(1))

    places = []
    for s in range(shape.samples):
        sample = b.select(b.icmp_signed("<", w.n(s), most), w.n(s), most)
        places.append(w.at(base, b.mul(sample, by_sample)))

    def row(k: Any) -> list[Any]:
        source, target = b.mul(k, by_row), w.at(to, b.mul(k, w.n(shape.samples)))
        for s, place in enumerate(places):
            b.store(b.load(w.at(place, source), typ=w.scalar), w.at(target, w.n(s)))
        return []

    w.loop(w.n(0), count, [], row)
    return w.end()


def _unpack(module: Any, shape: Shape) -> Any:
    """Copy a row to where its samples belong: (from, to, distance by sample, samples that there are)."""
    w = _Writer(module, shape, "unpack", 4)
    row, base, by_sample, left = w.args
    base = w.b.inttoptr(base, PTR)

    def sample(s: Any) -> list[Any]:
        w.b.store(w.b.load(w.at(row, s), typ=w.scalar), w.at(base, w.b.mul(s, by_sample)))
        return []

    w.loop(w.n(0), left, [], sample)
    return w.end()


def _loss(module: Any, shape: Shape, parts: dict[str, Any]) -> Any:
    """The loss of one step and its slopes, which are what comes to the outputs.

    (args, phi, incoming sums, first sample, samples that there are, step)
    """
    w = _Writer(module, shape, "loss", 6)
    _, phi, incoming, first, left, step = w.args
    b, samples = w.b, shape.samples
    phi, incoming = b.inttoptr(phi, PTR), b.inttoptr(incoming, PTR)
    outputs, rows, slots = w.field(Field.OUTPUTS), w.field(Field.OUTPUT_ROWS, PTR), w.field(Field.OUTPUT_INCOMING, PTR)
    room = w.field(Field.ROOM, PTR)
    size = b.mul(outputs, w.n(samples))
    slopes, losses = w.at(room, size), w.at(room, b.mul(size, w.n(2)))

    def gather(k: Any) -> list[Any]:
        at = b.mul(k, w.n(samples))
        w.put(w.row(w.at(phi, w.index(rows, k))), w.at(room, at))
        w.put(w.zeros(), w.at(slopes, at))
        return []

    w.loop(w.n(0), outputs, [], gather)
    arguments = w.field(Field.LOSS_ARGUMENTS, PTR)
    sample = b.mul(first, w.field(Field.Y_SAMPLE))
    y = w.at(w.field(Field.Y, PTR), b.add(sample, b.mul(step, w.field(Field.Y_STEP))))
    told = {0: left, 4: b.ptrtoint(room, I64), 7: b.ptrtoint(y, I64),
            10: b.ptrtoint(losses, I64), 13: b.ptrtoint(slopes, I64)}  # fmt: skip
    for place, x in told.items():
        b.store(x, w.at(arguments, w.n(place), I64))
    _call(w, w.field(Field.LOSS), arguments)

    # The samples count with their weights, those that do not exist not at all.
    seen = w.field(Field.SEEN)
    total = w.field(Field.TOTAL, PTR)
    one, zero = ir.Constant(w.scalar, 1.0), ir.Constant(w.scalar, 0.0)
    base = b.add(b.mul(first, w.field(Field.SEEN_SAMPLE)), b.mul(step, w.field(Field.SEEN_STEP)))

    def count(s: Any) -> list[Any]:
        with b.if_else(b.icmp_signed("!=", seen, w.n(0))) as (given, not_given):
            with given:
                place = b.add(base, b.mul(s, w.field(Field.SEEN_SAMPLE)))
                found = b.load(w.at(b.inttoptr(seen, PTR), place), typ=w.scalar)
                in_given = b.block
            with not_given:
                in_not = b.block
        share = b.phi(w.scalar)
        share.add_incoming(found, in_given)
        share.add_incoming(one, in_not)
        counts = b.fcmp_ordered("!=", share, zero)
        weighted = b.select(counts, b.fmul(share, b.load(w.at(losses, s), typ=w.scalar)), zero)
        w.add_double(weighted if shape.scalar == "double" else b.fpext(weighted, DOUBLE), total)

        def slope(k: Any) -> list[Any]:
            at = w.at(slopes, b.add(b.mul(k, w.n(samples)), s))
            b.store(b.select(counts, b.fmul(share, b.load(at, typ=w.scalar)), zero), at)
            return []

        with b.if_then(b.icmp_signed("!=", seen, w.n(0))):
            w.loop(w.n(0), outputs, [], slope)
        return []

    w.loop(w.n(0), left, [], count)

    def hand_on(k: Any) -> list[Any]:
        place = w.at(incoming, w.index(slots, k))
        slope = w.row(w.at(slopes, b.mul(k, w.n(samples))))
        w.put([b.fadd(x, y) for x, y in zip(w.row(place), slope, strict=True)], place)
        return []

    with b.if_then(b.icmp_signed("!=", w.field(Field.BACK), w.n(0))):
        w.loop(w.n(0), outputs, [], hand_on)
    return w.end()


def _run(module: Any, shape: Shape, parts: dict[str, Any]) -> Any:
    """All blocks of samples: `Field` says what it is given."""
    w = _Writer(module, shape, "run", 1, internal=False)
    args = w.args[0]
    b, samples = w.b, shape.samples
    f = {field: w.field(field) for field in Field}
    steps, delay = f[Field.STEPS], f[Field.DELAY]

    def frame(base: Field, size: Field, t: Any) -> Any:
        """Return the address of the frame of a step."""
        bytes = b.mul(b.mul(b.add(t, delay), f[size]), w.n(shape.itemsize))
        return b.add(f[base], bytes)

    def moved(field: Field, *moves: tuple[Any, Field]) -> Any:
        """Return an address of data, so many distances on."""
        result = f[field]
        for count, distance in moves:
            result = b.add(result, b.mul(b.mul(count, f[distance]), w.n(shape.itemsize)))
        return result

    def clear(address: Any, count: Any) -> None:
        pointer = b.inttoptr(address, PTR)

        def one(i: Any) -> list[Any]:
            w.put(w.zeros(), w.at(pointer, i))
            return []

        w.loop(w.n(0), count, [], one, step=samples)

    def block(first: Any) -> list[Any]:
        left = b.sub(f[Field.STOP], first)
        left = b.select(b.icmp_signed("<", left, w.n(samples)), left, w.n(samples))

        def before(d: Any) -> list[Any]:
            to = b.inttoptr(frame(Field.PHI, Field.FRAME, b.sub(d, delay)), PTR)
            source = moved(Field.BEFORE, (first, Field.BEFORE_SAMPLE), (d, Field.BEFORE_FRAME))
            b.call(parts["pack"], [to, source, f[Field.BEFORE_SAMPLE], f[Field.BEFORE_UNIT], f[Field.UNITS], left])
            return []

        w.loop(w.n(0), delay, [], before)
        with b.if_then(b.icmp_signed("!=", f[Field.BACK], w.n(0))):
            clear(f[Field.INCOMING], b.mul(b.sub(b.add(steps, delay), f[Field.LATER]), f[Field.INCOMING_FRAME]))

        def step(t: Any) -> list[Any]:
            phi = frame(Field.PHI, Field.FRAME, t)
            x = moved(Field.X, (first, Field.X_SAMPLE), (t, Field.X_STEP))
            b.call(parts["pack"], [b.inttoptr(phi, PTR), x, f[Field.X_SAMPLE], f[Field.X_INPUT], f[Field.INPUTS], left])
            b.call(parts["forward"], [args, phi, frame(Field.DELTA, Field.FRAME, t), f[Field.FORWARD],
                                      f[Field.FORWARD_COUNT]])  # fmt: skip
            has_loss = b.and_(b.icmp_signed(">=", t, f[Field.FIRST_LOSS]), b.icmp_signed("!=", f[Field.LOSS], w.n(0)))
            with b.if_then(has_loss):
                incoming = frame(Field.INCOMING, Field.INCOMING_FRAME, t)
                b.call(parts["loss"], [args, phi, incoming, first, left, t])
            with b.if_then(b.icmp_signed("!=", f[Field.RESULT], w.n(0))):
                rows = b.inttoptr(f[Field.OUTPUT_ROWS], PTR)
                to = moved(Field.RESULT, (first, Field.RESULT_SAMPLE), (t, Field.RESULT_STEP))

                def output(k: Any) -> list[Any]:
                    at = w.at(b.inttoptr(phi, PTR), w.index(rows, k))
                    place = b.add(to, b.mul(b.mul(k, f[Field.RESULT_OUTPUT]), w.n(shape.itemsize)))
                    b.call(parts["unpack"], [at, place, f[Field.RESULT_SAMPLE], left])
                    return []

                w.loop(w.n(0), f[Field.OUTPUTS], [], output)
            return []

        w.loop(w.n(0), steps, [], step)
        with b.if_then(b.icmp_signed("!=", f[Field.AFTER], w.n(0))):

            def after(d: Any) -> list[Any]:
                phi = b.inttoptr(frame(Field.PHI, Field.FRAME, b.add(b.sub(steps, delay), d)), PTR)
                to = moved(Field.AFTER, (first, Field.AFTER_SAMPLE), (d, Field.AFTER_FRAME))

                def unit(k: Any) -> list[Any]:
                    at = w.at(phi, b.mul(k, w.n(samples)))
                    place = b.add(to, b.mul(b.mul(k, f[Field.AFTER_UNIT]), w.n(shape.itemsize)))
                    b.call(parts["unpack"], [at, place, f[Field.AFTER_SAMPLE], left])
                    return []

                w.loop(w.n(0), f[Field.UNITS], [], unit)
                return []

            w.loop(w.n(0), delay, [], after)
        with b.if_then(b.icmp_signed("!=", f[Field.BACK], w.n(0))):

            def sweep(t: Any, records: Field, count: Field) -> None:
                b.call(parts["backward"], [
                    args, frame(Field.PHI, Field.FRAME, t), frame(Field.DELTA, Field.FRAME, t),
                    frame(Field.INCOMING, Field.INCOMING_FRAME, t), f[records], f[count],
                ])  # fmt: skip

            def back(i: Any) -> list[Any]:
                sweep(b.sub(b.sub(steps, w.n(1)), i), Field.BACKWARD, Field.BACKWARD_COUNT)
                return []

            def initial(i: Any) -> list[Any]:
                sweep(b.sub(w.n(-1), i), Field.INITIAL, Field.INITIAL_COUNT)
                return []

            w.loop(w.n(0), steps, [], back)
            w.loop(w.n(0), delay, [], initial)
        return []

    w.loop(f[Field.START], f[Field.STOP], [], block, step=samples)
    return w.end()


def _take(module: Any, shape: Shape) -> Any:
    """Put the parameters where the tables want them: (args)."""
    w = _Writer(module, shape, "take", 1, internal=False)
    b = w.b
    vector, fixed = w.field(Field.VECTOR, PTR), w.field(Field.FIXED, PTR)

    def pick(places: Any, to: Any, count: Any) -> None:
        def one(i: Any) -> list[Any]:
            at = w.index(places, i)
            own = b.icmp_signed(">=", at, w.n(0))
            base = b.select(own, vector, fixed)
            place = b.select(own, at, b.sub(w.n(-1), at))
            x = b.load(w.at(base, place, DOUBLE), typ=DOUBLE)
            b.store(x if shape.scalar == "double" else b.fptrunc(x, w.scalar), w.at(to, i))
            return []

        w.loop(w.n(0), count, [], one)

    pick(w.field(Field.PICK, PTR), w.field(Field.WEIGHTS, PTR), w.field(Field.PICK_COUNT))
    units = w.field(Field.UNITS)
    pick(w.field(Field.PICK_BIAS, PTR), w.field(Field.BIASES, PTR), units)
    with b.if_then(b.icmp_signed("!=", w.field(Field.PICK_BEFORE), w.n(0))):
        pick(w.field(Field.PICK_BEFORE, PTR), w.field(Field.BEFORE, PTR), units)
    return w.end()


def _clear(module: Any, shape: Shape) -> Any:
    """Set the sums to 0: (args)."""
    w = _Writer(module, shape, "clear", 1, internal=False)
    gradients, zero = w.field(Field.GRADIENT_OUT, PTR), ir.Constant(DOUBLE, 0.0)

    def one(i: Any) -> list[Any]:
        w.b.store(zero, w.at(gradients, i, DOUBLE))
        return []

    w.loop(w.n(0), w.field(Field.GRADIENTS), [], one)
    w.b.store(zero, w.field(Field.TOTAL, PTR))
    return w.end()


def _give(module: Any, shape: Shape) -> Any:
    """Add up the gradient of every parameter, and write loss and gradient of the mean: (args)."""
    w = _Writer(module, shape, "give", 1, internal=False)
    b = w.b
    start, places = w.field(Field.PLACE_START, PTR), w.field(Field.PLACES, PTR)
    gradients, results = w.field(Field.GRADIENT_OUT, PTR), w.field(Field.RESULTS, PTR)
    share, count = w.field(Field.SHARE, DOUBLE), w.field(Field.PARAMETERS)

    def parameter(p: Any, check: Any) -> list[Any]:
        def place(i: Any, sum: Any) -> list[Any]:
            return [b.fadd(sum, b.load(w.at(gradients, w.index(places, i), DOUBLE), typ=DOUBLE))]

        first, last = w.index(start, p), w.index(start, b.add(p, w.n(1)))
        (sum,) = w.loop(first, last, [ir.Constant(DOUBLE, 0.0)], place)
        return [store(sum, p, check)]

    def store(sum: Any, place: Any, check: Any) -> Any:
        x = b.fmul(share, sum)
        b.store(x, w.at(results, place, DOUBLE))
        return b.fadd(check, b.fsub(x, x))  # which is 0 for a finite x, and nan for others

    (check,) = w.loop(w.n(0), count, [ir.Constant(DOUBLE, 0.0)], parameter)
    check = store(b.load(w.field(Field.TOTAL, PTR), typ=DOUBLE), count, check)
    b.store(check, w.at(results, b.add(count, w.n(1)), DOUBLE))
    return w.end()


def _evaluate(module: Any, shape: Shape, parts: dict[str, Any]) -> Any:
    """Everything at one call: (numbers), of which the second to fourth are what `run` is given, parameters, results."""
    w = _Writer(module, shape, "evaluate", 1, internal=False)
    b = w.b
    args, vector, results = (w.number(w.args[0], w.n(i)) for i in (1, 2, 3))
    args = b.inttoptr(args, PTR)
    for field, x in ((Field.VECTOR, vector), (Field.RESULTS, results)):
        b.store(x, w.at(args, w.n(int(field)), I64))
    for name in ("take", "clear", "run", "give"):
        b.call(parts[name], [args])
    return w.end()


@cache
def code(scalar: str, alone: bool, ahead: bool, absent: float) -> tuple[Shape, machine.Code]:
    """Return the code of the sweep for one kind of blocks.

    Args:
        scalar: "double" or "float".
        alone: whether there is only one sample.
        ahead: whether to fetch rows before they are needed.
        absent: the number that stands for a derivative that is not there.
    """
    shape = Shape(scalar, alone, ahead)

    def text() -> str:
        module = ir.Module()
        parts: dict[str, Any] = {}
        writers: dict[str, Any] = {"sum": _sum, "pack": _pack, "unpack": _unpack}
        for name, write in writers.items():
            parts[name] = write(module, shape)
        dense: dict[str, Any] = {"product": _product, "push": _push, "gradient": _gradient}
        if alone:
            dense = {"product": _product_alone, "push": _push_alone, "gradient": _gradient_alone}
        for name, write in dense.items():
            parts[name] = write(module, Shape(scalar) if alone else shape)
        parts["pull"] = _pull(module, shape, absent)
        parts["forward"] = _forward(module, shape, parts)
        parts["backward"] = _backward(module, shape, parts)
        parts["loss"] = _loss(module, shape, parts)
        parts["run"] = _run(module, shape, parts)
        writers = {"take": _take, "clear": _clear, "give": _give}
        for name, write in writers.items():
            parts[name] = write(module, shape)
        _evaluate(module, shape, parts)
        return str(module)

    return shape, machine.load(text, f"{shape.name} {absent}".encode())
