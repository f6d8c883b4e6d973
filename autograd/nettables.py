"""A net as the tables that `netkernel` reads: where units, links, weights and gradients are, and in what order.

Units are numbered in the order of their evaluation: by level, within it the members of a dense group side by side, then
those of one activation, those of few links first. So what one record takes lies side by side, and loops of one length
follow each other. Units that read the same (a layer, for its neurons) are a *dense group*, whose sums are a matrix
product. The others are sparse: for the forward pass their links are listed by target, for the backward pass by source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd import netkernel, ops
from autograd.netgraph import Activation, Bools, Floats, Graph, Ints, Lists
from autograd.netkernel import RECORD, Backward, Forward, Shape
from autograd.rowcode import RowCode, pair_code

#: Units with one list of sources become a matrix product from so many units and sources on.
GROUP = 4

Distances = NDArray[np.int32]
Records = NDArray[np.int64]


@dataclass(slots=True)
class Group:
    """Units that read the same.

    Attributes:
        links: the links of their matrix [units, sources].
        first: the number of the first unit; the others follow.
        sources: distances of the sources.
        incoming: distances of the sources' rows of incoming sums.
        push: whether some source takes a sum.
        lists: where the sources are in the list of all groups; the rows of incoming sums follow.
        weights: where the weights of the forward pass are among those of all groups.
        weights_back: where those of the backward pass are.
        gradient: where the gradient is among those of all groups.
        padded: how many numbers the gradient has for a unit.
    """

    links: Ints
    first: int
    sources: Ints
    incoming: Ints
    push: bool
    lists: int = 0
    weights: int = 0
    weights_back: int = 0
    gradient: int = 0
    padded: int = 0


class Tables:
    """The tables of a net for blocks of one shape.

    Args:
        graph: the net.
        shape: of the blocks.
        codes: of the activations, with and without their derivative.

    Attributes:
        order: the units in the order of their numbers [size].
        number: the number of each unit [size].
        slots: how many rows of incoming sums a frame has; the last is for sums that nobody wants.
        into, into_source, into_links: per sparse unit its first link, and per link the distance of its source and its
            position in the graph.
        out, out_target, out_links, out_unit, out_incoming: per unit in the order of the backward pass its first link,
            and so on; its own distance, and that of its row of incoming sums, -1 without.
        lists: sources and incoming rows of the dense groups.
        widest: the largest number of sources of a dense group, padded.
        pick: the links whose weights the kernels read, in their order: into, out, dense groups.
        outputs, output_incoming: distances of the outputs, and of their rows of incoming sums.
        forward, backward, initial: the records of the passes, and of the frames before the first step.
        gradients: how many numbers the kernels add up: by the links `out_links`, by the dense groups' weights, by the
            biases and initial states of the rows of the backward pass, and one of which nothing depends.
        found: where the gradient by each link is among them [1, E], of nets with delays in two parts [2, E].
        found_bias, found_initial: where those by each unit's bias and initial state are.
        calls_python: whether some code calls a function in Python.
    """

    def __init__(
        self, graph: Graph, shape: Shape, codes: dict[Activation | None, tuple[RowCode, RowCode]]
    ) -> None:
        self.graph, self.shape, self.codes = graph, shape, codes
        n = graph.size
        self._check_size()
        self._is_input, self._sums = np.zeros(n, bool), np.ones(n, bool)
        self._is_input[graph.inputs] = True
        self._sums[graph.inputs] = self._sums[graph.pairs.unit] = False
        # Ranks of evaluation: what has one rank may be computed side by side.
        stages = int(graph.stage.max(initial=0)) + 1
        self._rank: Ints = np.unique(graph.level * stages + graph.stage, return_inverse=True)[1]
        self._kinds, self._kind = _kinds_of(graph.activations)
        self._linear: Bools = np.array([s is None or s.function is ops.identity for s in self._kinds], bool)[self._kind]

        # Links by target, those of a target by what they read.
        deep = graph.max_delay + 1
        reads = graph.source * deep + graph.delay
        self._into = Lists.sorted_by(graph.target, n, np.argsort(graph.target * (n * deep) + reads))
        self._fan_in = np.diff(self._into.start)
        self._group, members = self._find_groups(reads)
        self._number_units()
        self._find_slots(members)
        self._pairs = [pair_code(function, shape.scalar) for function in graph.pairs.functions]
        every = [code for several in (*codes.values(), *self._pairs) for code in several]
        self.calls_python = any(code.calls_python for code in every)

        dense = self._lay_groups(members)
        self._lay_forward()
        self._lay_backward()
        self._find_gradients()
        self.pick: Ints = np.concatenate([self.into_links, self.out_links, *dense])
        self.outputs = self._distance(graph.outputs).astype(np.int32)
        arriving = self._slot[graph.outputs]
        # An input may be an output; it wants no sum.
        self.output_incoming: Distances = (np.where(arriving < 0, self.slots - 1, arriving) * shape.samples).astype(
            np.int32
        )

    # Places. ---------------------------------------------------------------------------------------------------------

    def _find_groups(self, reads: Ints) -> tuple[Ints, list[Ints]]:
        """Return the group of each unit, of sparse ones the number of groups; and the members of each group."""
        into = self._into
        running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(_marks(reads[into.items]), dtype=np.uint64)])
        mark = running[into.start[1:]] - running[into.start[:-1]]  # equal for units that read the same
        units = np.flatnonzero(self._sums & self.graph.reaches & (self._fan_in >= GROUP))
        units = units[np.lexsort((mark[units], self._rank[units]))]
        keys = np.stack([mark[units], self._rank[units].astype(np.uint64)])
        edges = np.concatenate([[0], np.flatnonzero((np.diff(keys) != 0).any(axis=0)) + 1, [len(units)]])
        groups: list[Ints] = []
        for members in (units[a:b] for a, b in pairwise(edges.tolist()) if b - a >= GROUP):
            first, *others = (reads[into.of(u)] for u in members)
            # Marks may agree by chance. What is read twice would get but one of its two sums back.
            if np.diff(first).all() and all(np.array_equal(first, other) for other in others):
                groups.append(members)
        group = np.full(self.graph.size, len(groups), np.intp)
        for k, members in enumerate(groups):
            group[members] = k
        return group, groups

    def _number_units(self) -> None:
        graph, rest = self.graph, self.graph.order
        # Pairs lie as what they read, so that those of a layer are one run.
        tie, pairs = self._fan_in.copy(), graph.pairs
        tie[pairs.unit[np.lexsort((pairs.x, pairs.y, pairs.x_delay, pairs.function))]] = np.arange(len(pairs.unit))
        keys = tie, self._kind, self._group, ~self._sums, self._rank  # the last one first
        self.order: Ints = np.concatenate([graph.inputs, rest[np.lexsort([key[rest] for key in keys])]])
        self.number: Ints = np.empty(graph.size, np.intp)
        self.number[self.order] = np.arange(graph.size)

    def _distance(self, units: Ints, delay: Any = 0) -> Ints:
        """Return the distances of units, so many steps back, from the first row of the present frame."""
        distance: Ints = (self.number[units] - delay * self.graph.size) * self.shape.samples
        return distance

    def _find_slots(self, members: Sequence[Ints]) -> None:
        """Give rows of incoming sums to the units that are sent something: outputs, what groups and pairs read."""
        graph, n = self.graph, self.graph.size
        pairs = graph.reaches[graph.pairs.unit]
        sent = np.zeros(n, bool)
        sent[graph.outputs] = sent[graph.pairs.x[pairs]] = sent[graph.pairs.y[pairs]] = True
        for units in members:
            sent[graph.source[self._into.of(units[0])]] = True
        # An input wants a sum before the first step alone, where its phi is an initial state.
        self._wants = ~self._is_input
        self._wants[graph.source[graph.delay > 0]] = self._wants[graph.pairs.x[graph.pairs.x_delay > 0]] = True
        units = self.order[(sent & self._wants)[self.order]]
        self._slot = np.full(n, -1, np.intp)
        self._slot[units] = np.arange(len(units))
        self.slots = len(units) + 1

    def _check_size(self) -> None:
        graph, samples = self.graph, self.shape.samples
        largest = max((graph.max_delay + 1) * graph.size * samples, 4 * len(graph.source))
        if largest >= 2**31:
            raise MemoryError(
                f"a net of {graph.size:,} units and {len(graph.source):,} links with delays up to {graph.max_delay} is "
                "too large: the kernels count with 32 bits; take fewer units, or shorter delays"
            )

    # Dense groups. ---------------------------------------------------------------------------------------------------

    def _lay_groups(self, members: Sequence[Ints]) -> list[Ints]:
        """Lay out the dense groups, and return the links whose weights they want, in order."""
        graph, shape = self.graph, self.shape
        self.groups: list[Group] = []
        lists: list[Ints] = []
        picked: list[Ints] = []
        listed = weights = gradients = 0
        for units in members:
            units = units[np.argsort(self.number[units])]
            links = np.stack([self._into.of(u) for u in units])
            source, delay = graph.source[links[0]], graph.delay[links[0]]
            slot = self._slot[source]
            incoming = np.where(slot < 0, self.slots - 1, slot - delay * self.slots) * shape.samples
            first, push = int(self.number[units[0]]), bool((slot >= 0).any())
            g = Group(links, first, self._distance(source, delay), incoming, push)
            g.lists, g.weights, g.weights_back, g.gradient = listed, weights, weights + links.size, gradients
            g.padded = -(-links.shape[1] // shape.padding) * shape.padding
            lists += [g.sources, g.incoming]
            picked += [_tiled(links, shape.tile)] + [_tiled(links.T, shape.tile)] * g.push
            listed += 2 * links.shape[1]
            weights += links.size * (1 + g.push)
            gradients += len(units) * g.padded
            self.groups.append(g)
        self.lists: Distances = np.concatenate([*lists, np.zeros(1, np.intp)]).astype(np.int32)
        self.widest = max((g.padded for g in self.groups), default=0)
        self.dense_gradients = gradients
        return picked

    # Forward. --------------------------------------------------------------------------------------------------------

    def _lay_forward(self) -> None:
        graph = self.graph
        numbers = np.arange(len(graph.inputs), graph.size)
        units = self.order[numbers]
        sparse = self._sums[units] & (self._group[units] == len(self.groups))
        rows, owners = numbers[sparse], units[sparse]
        self.into_links: Ints = self._into.gather(owners)
        self.into: Distances = np.concatenate([[0], np.cumsum(self._fan_in[owners])]).astype(np.int32)
        self.into_source = _ahead(self._distance(graph.source[self.into_links], graph.delay[self.into_links]))
        first, last = _runs(self._rank[owners], rows)
        records = [_records(Forward.SUM, self._rank[owners[first]], rows[first], rows[last] + 1, first)]
        for g in self.groups:
            count, sources = g.links.shape
            rank = self._rank[self.order[g.first]]
            records.append(_records(Forward.PRODUCT, rank, g.first, g.first + count, sources, g.lists, g.weights))

        curved = numbers[~self._linear[units]]
        kind, rank = self._kind[self.order[curved]], self._rank[self.order[curved]]
        first, last = _runs(rank * len(self._kinds) + kind, curved)
        addresses = np.zeros((len(self._kinds), 2), np.int64)
        for k in np.unique(kind).tolist():
            addresses[k] = [code.address for code in self.codes[self._kinds[k]]]
        records.append(_records(
            Forward.APPLY, rank[first], curved[first], curved[last] + 1, *addresses[kind[first]].T
        ))  # fmt: skip

        unit, function, x, delay, y = self._pairs_in_order(np.arange(len(graph.pairs.unit)))
        rank, values = self._rank[unit], np.array([value.address for value, *_ in self._pairs], np.int64)
        places = [self.number[unit], self._distance(x, delay), self._distance(y)]
        records += self._pair_records(Forward.PAIR, rank, places, [values[function]])
        self.forward = _in_order(records)

    # Backward. -------------------------------------------------------------------------------------------------------

    def _lay_backward(self) -> None:
        graph, samples = self.graph, self.shape.samples
        sparse = self._sums & (self._group == len(self.groups)) & graph.reaches
        out = self._by_source(np.flatnonzero(sparse[graph.target]))
        fan_out = np.diff(out.start)
        inner = np.flatnonzero(graph.reaches & ~self._is_input)
        inner = inner[np.lexsort((fan_out[inner], self._linear[inner], -self._rank[inner]))]
        inputs = graph.inputs[fan_out[graph.inputs] > 0]
        inputs = inputs[np.argsort(fan_out[inputs], kind="stable")]
        self._rows = np.concatenate([inner, inputs])
        self._inner = len(inner)

        # Before the first step only delayed links matter, and the units that they, or groups and pairs, look back at.
        late = self._by_source(np.flatnonzero(sparse[graph.target] & (graph.delay > 0)))
        read = [graph.source[graph.delay > 0], graph.pairs.x[graph.pairs.x_delay > 0]]
        back = np.unique(np.concatenate(read))
        self._back = back[graph.reaches[back] & self._wants[back]]
        links, late_links = out.gather(self._rows), late.gather(self._back)
        self._links, self._late_links = links, late_links
        rows = np.concatenate([self._rows, self._back])
        counts = np.concatenate([fan_out[self._rows], np.diff(late.start)[self._back]])
        self.out: Distances = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        self.out_links: Ints = np.concatenate([links, late_links])
        target, delay = graph.target[self.out_links], graph.delay[self.out_links]
        self.out_target = _ahead(self._distance(target, -delay))
        self.out_unit: Distances = self._distance(rows).astype(np.int32)
        self.out_incoming: Distances = np.where(self._slot[rows] < 0, -1, self._slot[rows] * samples).astype(np.int32)

        down = int(self._rank.max(initial=0)) + 1 - self._rank
        at = np.arange(len(inner))
        linear = self._linear[inner]
        first, last = _runs(self._rank[inner] * 2 + linear, at)
        records = [_records(Backward.PULL, down[inner[first]], first, last + 1, 1 - linear[first])]
        for g in self.groups:
            count, sources = g.links.shape
            when, units = down[self.order[g.first]], (g.first, g.first + count, sources)
            if g.push:
                records.append(_records(Backward.PUSH, when, *units, g.lists + sources, g.weights_back))
            records.append(_records(Backward.GRADIENT, when, *units, g.lists, g.gradient))
        unit, function, x, delay, y = self._pairs_in_order(np.flatnonzero(graph.reaches[graph.pairs.unit]))
        sends = np.array([[code.address for code in pair[1:]] for pair in self._pairs], np.int64).reshape(-1, 2)
        to_x, to_y = self._slot[x] - delay * self.slots, self._slot[y]
        places = [self.number[unit], self._distance(x, delay), self._distance(y), to_x * samples, to_y * samples]
        codes = [np.where(self._slot[z] < 0, 0, sends[function, k]) for k, z in enumerate((x, y))]
        records += self._pair_records(Backward.PAIR, down[unit], places, codes)
        if len(inputs):
            records.append(_records(Backward.PULL, int(down.max()) + 1, len(inner), len(self._rows), 0))
        self.backward = _in_order(records)
        before = [_records(Backward.PULL, 0, len(self._rows), len(rows), 2)] if len(self._back) else []
        self.initial = _in_order(before)

    def _pairs_in_order(self, which: Ints) -> list[Ints]:
        """Return some pairs in the order of their numbers: unit, function, x, its delay, y."""
        which = which[np.argsort(self.number[self.graph.pairs.unit[which]])]
        return [column[which] for column in self.graph.pairs[:5]]

    def _pair_records(self, kind: int, when: Ints, places: Sequence[Ints], codes: Sequence[Ints]) -> list[Records]:
        """Return records of pairs, one for those that lie side by side in every respect."""
        if not len(when):
            return []
        new = (np.diff(places[0]) != 1) | (np.diff(when) != 0)
        for distance in places[1:]:
            new |= np.diff(distance) != self.shape.samples
        for code in codes:
            new |= np.diff(code) != 0
        first = np.concatenate([[0], np.flatnonzero(new) + 1])
        count = np.diff(np.append(first, len(when)))
        return [_records(kind, when[first], count, *(x[first] for x in (*places, *codes)))]

    def _by_source(self, links: Ints) -> Lists:
        """Return some links by their source, those of a source by the number of their target."""
        source, target, n = self.graph.source[links], self.graph.target[links], self.graph.size
        return Lists.sorted_by(source, n, links[np.argsort(source * n + self.number[target])])

    # Gradients. ------------------------------------------------------------------------------------------------------

    def _find_gradients(self) -> None:
        graph, n = self.graph, self.graph.size
        dense = len(self.out_links)
        rows = dense + self.dense_gradients
        nothing = rows + len(self.out_unit)
        self.gradients = nothing + 1
        self.found = np.full((2 if len(self._late_links) else 1, len(graph.source)), nothing, np.intp)
        self.found[0, self._links] = np.arange(len(self._links))
        if len(self._late_links):
            self.found[1, self._late_links] = len(self._links) + np.arange(len(self._late_links))
        for g in self.groups:
            units, sources = g.links.shape
            self.found[0, g.links] = dense + g.gradient + np.arange(units)[:, None] * g.padded + np.arange(sources)
        inner = self._rows[: self._inner]
        self.found_bias: Ints = np.full(n, nothing, np.intp)
        self.found_bias[inner] = rows + np.arange(len(inner))
        self.found_initial: Ints = np.full(n, nothing, np.intp)
        self.found_initial[self._back] = rows + len(self._rows) + np.arange(len(self._back))

    def sums_at(self, sums: Floats) -> tuple[int, int, int, int]:
        """Return the addresses of the gradients by sparse links, dense groups and rows in an array, and of the loss."""
        at = sums.ctypes.data
        dense = at + 8 * len(self.out_links)
        return at, dense, dense + 8 * self.dense_gradients, at + 8 * self.gradients


def _marks(numbers: Ints) -> NDArray[np.uint64]:
    """Return for every number one of 64 bits that looks random (two rounds of multiplying and shifting)."""
    mark = numbers.astype(np.uint64)
    for factor in (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93):
        mark = mark * np.uint64(factor)
        mark ^= mark >> np.uint64(32)
    return mark


def _kinds_of(activations: Sequence[Activation | None]) -> tuple[list[Activation | None], Ints]:
    """Return the different activations, and which of them each unit has."""
    ids, first, which = np.unique(list(map(id, activations)), return_index=True, return_inverse=True)
    kinds: dict[Activation | None, int] = {}
    kind = np.array([kinds.setdefault(activations[i], len(kinds)) for i in first.tolist()], np.intp)
    return list(kinds), kind[which] if len(ids) else np.zeros(0, np.intp)


def _ahead(distances: Ints) -> Distances:
    """Return distances with some more behind them, for who looks ahead."""
    return np.concatenate([distances, np.zeros(netkernel.AHEAD, np.intp)]).astype(np.int32)


def _tiled(links: Ints, tile: int) -> Ints:
    """Return the links of a matrix as products read weights: tile after tile of rows, each by columns."""
    whole = len(links) // tile * tile
    tiles = links[:whole].reshape(-1, tile, links.shape[1]).transpose(0, 2, 1)
    return np.concatenate([tiles.ravel(), links[whole:].ravel()])


def _runs(keys: Ints, places: Ints) -> tuple[Ints, Ints]:
    """Return first and last of every run of equal keys at neighbouring places."""
    new = np.flatnonzero((np.diff(keys) != 0) | (np.diff(places) != 1)) + 1
    starts = np.concatenate([np.zeros(min(1, len(keys)), np.intp), new])
    return starts, np.append(starts[1:], len(keys))[: len(starts)] - 1


def _records(kind: int, when: Any, *numbers: Any) -> Records:
    """Return records behind the number by which they are put in order."""
    columns = np.broadcast_arrays(*[np.atleast_1d(x) for x in (when, int(kind), *numbers)])
    result = np.zeros((len(columns[0]), 1 + RECORD), np.int64)
    result[:, : len(columns)] = np.stack(columns, axis=1)
    return result


def _in_order(records: Sequence[Records]) -> Records:
    table = np.concatenate([np.zeros((0, 1 + RECORD), np.int64), *records])
    return np.ascontiguousarray(table[np.lexsort((table[:, 1], table[:, 0])), 1:])
