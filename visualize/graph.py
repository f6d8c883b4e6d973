"""Graph, what is drawn: nodes and edges with the numbers that the last sweep left, in arrays.

Diagrams, tables and verdicts know this class only. `from_value` and `from_net` make one from the engine's objects;
anything else that has nodes, edges and gradients can be drawn by making one by hand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograd.op import ABSENT
from visualize.scales import Floats, Ints, Scale, number

Bools = NDArray[np.bool_]

#: Kinds of node.
INPUT, UNIT, LOSS = 0, 1, 2
#: What a node's gradient is, beside a number: none was computed, it cannot reach the loss, it is exactly 0, or it is
#: NaN or infinite.
ALIVE, UNSWEPT, DETACHED, DEAD, NONFINITE = 0, 1, 2, 3, 4


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes and edges with values and gradients. Node i is the i-th entry of every node list.

    Args:
        names: one per node, unique.
        ops: the operation or activation of each node, "" for an input.
        kinds: `INPUT`, `UNIT` or `LOSS` per node.
        values: the number at each node; nan where none was computed.
        gradients: dL/d(node); with several samples the root mean square over them.
        levels: the level of each node; an edge leads to a higher level.
        source: the node that each edge leads from, in the direction of the values.
        target: the node that it leads to.
        factors: what a gradient is multiplied by on its way back along each edge: a weight or a local partial.
        messages: the gradient that each edge carries back to its source: factor * gradient of the target.
        weight_gradients: dL/dw per edge, or None if the edges have no weights.
        gates: the edges that lead from a gate, whose factors are no weights.
        open: whether each edge lets a gradient through at all (the branch that `where` did not take does not).
        outputs: the nodes whose gradient is the reference.
        swept: whether there was a backward sweep.
        samples: how many samples the numbers stand for.
        call: the sweep, as the user writes it: "L.backward()".
        symbol: the letter for a unit's gradient; an input's is always g.
        noun: what a node is called.
        loss: the value of the loss, or None.
        unnamed: the nodes whose name was made up here.
        notes: what a reader of a picture should know beside.
    """

    names: Sequence[str]
    ops: Sequence[str]
    kinds: Ints
    values: Floats
    gradients: Floats
    levels: Ints
    source: Ints
    target: Ints
    factors: Floats
    messages: Floats
    weight_gradients: Floats | None = None
    gates: range = range(0)
    open: Bools | None = None
    outputs: Ints = field(default_factory=lambda: np.empty(0, np.intp))
    swept: bool = True
    samples: int = 1
    call: str = "backward()"
    symbol: str = "g"
    noun: str = "node"
    loss: float | None = None
    unnamed: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def edges(self) -> int:
        """The number of edges."""
        return len(self.source)

    @cached_property
    def connected(self) -> Bools:
        """Whether the gradient of the outputs (or of the loss) reaches each node at all."""
        roots = self.outputs if not (self.kinds == LOSS).any() else np.flatnonzero(self.kinds == LOSS)
        reached = np.zeros(len(self), bool)
        reached[roots] = True
        open_ = np.ones(self.edges, bool) if self.open is None else self.open
        order = np.argsort(-self.levels[self.target], kind="stable")
        order = order[open_[order]]
        found = reached.tolist()
        for s, t in zip(self.source[order].tolist(), self.target[order].tolist(), strict=True):
            found[s] = found[s] or found[t]
        return np.array(found, bool)

    @cached_property
    def edges_by_source_level(self) -> list[Ints]:
        """The edges in groups, by the level of their sources, lowest first: the order of a forward pass."""
        level = self.levels[self.source]
        order = np.argsort(level, kind="stable")
        cuts = np.flatnonzero(np.diff(level[order])) + 1
        return [group for group in np.split(order, cuts) if len(group)]

    @cached_property
    def marks(self) -> Ints:
        """What each node's gradient is: `ALIVE`, `UNSWEPT`, `DETACHED`, `DEAD` or `NONFINITE`."""
        marks = np.full(len(self), ALIVE)
        if not self.swept:
            marks[:] = UNSWEPT
        marks[self.gradients == 0] = DEAD if self.swept else UNSWEPT
        marks[~self.connected] = DETACHED
        marks[~np.isfinite(self.gradients) & (marks == ALIVE)] = NONFINITE
        if not self.swept:
            marks[marks == NONFINITE] = UNSWEPT
        return marks

    @cached_property
    def units(self) -> Bools:
        """Which nodes the tables count: all but the node of the loss that stands for no unit."""
        return self.kinds != LOSS if self.noun == "unit" else np.ones(len(self), bool)

    def letter(self, i: int) -> str:
        """Return the letter of node i's gradient: δ for a unit of a net, g for anything else."""
        return self.symbol if self.kinds[i] == UNIT else "g"

    def level_name(self, level: int) -> str:
        """Return what a heading calls a level of a net: "input", "level 3", "output"; of other graphs "level 3"."""
        if self.noun == "unit":
            if level in self._input_levels:
                return "input"
            if level == self.last_level and len(self.outputs):
                return "output"
            if level > self.last_level:
                return "loss"
        return f"level {level}"

    @cached_property
    def _input_levels(self) -> frozenset[int]:
        """The levels with nothing but inputs."""
        return frozenset(np.unique(self.levels[self.kinds == INPUT]).tolist()) - frozenset(
            np.unique(self.levels[self.kinds != INPUT]).tolist())

    @cached_property
    def last_level(self) -> int:
        """The highest level with a node that the tables count."""
        return int(self.levels[self.units].max()) if self.units.any() else 0

    def scale(self, ref: float | str = "output") -> Scale:
        """Return the decade scale around a reference.

        Args:
            ref: "output" (the median gradient of the outputs), "loss" (the value of the loss, so that the
                scale shows d log L), "absolute" (1), or a positive number.

        Raises:
            ValueError: if it is none of these, or the loss is asked for and there is none.
        """
        if isinstance(ref, str):
            if ref == "absolute":
                return Scale(1.0, "absolute")
            if ref == "loss":
                if self.loss is None or not 0 < abs(self.loss) < math.inf:
                    raise ValueError(f"ref='loss' needs a finite loss other than 0, here it is {self.loss}; "
                                     "use ref='output', 'absolute' or a number")
                return Scale(abs(self.loss), "relative to the loss")
            if ref == "output":
                sizes = np.abs(self.gradients[self.outputs])
                sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
                if not len(sizes):
                    return Scale(1.0, "absolute")
                return Scale(float(np.median(sizes)), f"relative to the output {self.symbol}")
        elif 0 < float(ref) < math.inf:
            return Scale(float(ref), f"relative to {number(float(ref))}")
        raise ValueError(f"ref is 'output', 'loss', 'absolute' or a positive finite number, got {ref!r}")


def as_graph(x: Any) -> Graph:
    """Return the `Graph` of a Value, a Net or a Graph.

    Args:
        x: the node on which backward() was called, a net after a sweep, or a Graph.

    Raises:
        TypeError: if it is none of these.
    """
    if isinstance(x, Graph):
        return x
    if hasattr(x, "operands") and hasattr(x, "partials"):
        return from_value(x)
    if hasattr(x, "activation_names") and hasattr(x, "weights"):
        return from_net(x)
    raise TypeError(f"expected a Value, a Net or a visualize.Graph, got {type(x).__name__}: {x!r:.80}; "
                    "for a list of results, draw the one on which backward() was called")


def short(name: str, most: int = 200) -> str:
    """Return a name on one line and no longer than `most` letters, with what cannot be printed replaced."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(name.split()))
    return line if len(line) <= most else line[: most - 1] + "…"


# Values. -------------------------------------------------------------------------------------------------------------


def from_value(root: Any) -> Graph:
    """Return the graph under a Value, with the gradients that ``root.backward()`` left.

    Levels count the steps to the root (the longest way), so a weight stands beside what it is multiplied with.

    Args:
        root: the result, usually the loss.
    """
    from autograd.value import topological_order

    order = topological_order(root)
    n = len(order)
    index = {id(v): i for i, v in enumerate(order)}
    source: list[int] = []
    target: list[int] = []
    factors: list[float] = []
    is_open: list[bool] = []
    for i, v in enumerate(order):
        if v.op is None:
            continue
        for x, p in zip(v.operands, v.partials(), strict=True):
            j = index.get(id(x))
            if j is not None:
                source.append(j)
                target.append(i)
                factors.append(math.nan if p is None else p)
                is_open.append(p is not None and not getattr(x, "is_constant", False))
    depth = [0] * n
    for j, i in zip(reversed(source), reversed(target), strict=True):
        # The edges are sorted by target, so backwards every target is final when it passes its depth on.
        depth[j] = max(depth[j], depth[i] + 1)
    gradients = np.array([v.grad for v in order], float)
    sources, targets, factor = np.array(source, np.intp), np.array(target, np.intp), np.array(factors, float)
    open_ = np.array(is_open, bool)
    with np.errstate(all="ignore"):
        messages = np.where(open_, factor * gradients[targets], 0.0)
    swept = bool(gradients[-1] != 0)
    names, unnamed = _unique([v.name for v in order])
    return Graph(
        names=names,
        ops=[_operation(v) for v in order],
        kinds=np.array([INPUT if v.op is None else UNIT for v in order[:-1]] + [LOSS], np.intp),
        values=np.array([v.data for v in order], float),
        gradients=gradients,
        levels=max(depth) - np.array(depth, np.intp),
        source=sources,
        target=targets,
        factors=factor,
        messages=messages,
        open=open_,
        outputs=np.array([n - 1], np.intp),
        swept=swept,
        call=f"{root.name}.backward()" if root.name else "backward()",
        loss=float(root.data),
        unnamed=unnamed,
        notes=_accumulated(order, gradients, sources, messages) if swept else (),
    )


def _accumulated(order: Sequence[Any], gradients: Floats, source: Ints, messages: Floats) -> tuple[str, ...]:
    """Say so if leaves hold the sum of several sweeps, which edges of the last sweep do not add up to."""
    arrived = np.zeros(len(order))
    np.add.at(arrived, source, messages)
    leaf = np.array([v.op is None for v in order[:-1]] + [False])
    leaf &= np.isfinite(arrived) & np.isfinite(gradients)
    size = np.zeros(len(order))
    np.add.at(size, source, np.abs(messages))
    with np.errstate(invalid="ignore"):
        more = leaf & (np.abs(gradients - arrived) > 1e-9 * (size + np.abs(gradients)))
    if not more.any():
        return ()
    return (f"{int(more.sum())} leaves hold gradients of more than one sweep (zero_grad() starts afresh)",)


#: Signs as they are printed in a diagram.
_SIGNS = {"*": "×", "-": "−", "/": "÷", "**": "^"}


def _operation(v: Any) -> str:
    """Return the label of a node's operation; plain numbers among the operands are part of it, as in "+ 3"."""
    op = v.op
    if op is None:
        return ""
    if op.name == "neg":
        return "neg"
    sign = _SIGNS.get(op.symbol, op.symbol)
    plain = [isinstance(x, float) for x in v.operands]
    if not any(plain) or op.arity < 0:
        return str(sign)
    shown = [number(x) if p else "·" for x, p in zip(v.operands, plain, strict=True)]
    if len(shown) == 2 and sign != op.name:  # an infix operator
        return " ".join(s for s in (shown[0], sign, shown[1]) if s != "·")
    return f"{op.name}({', '.join(shown)})"


def _unique(given: Sequence[str | None]) -> tuple[list[str], frozenset[int]]:
    """Return one name per node, made up as #i where there is none or it is taken, and the nodes of which that is so."""
    names: list[str] = []
    taken: set[str] = set()
    unnamed = set()
    for i, name in enumerate(given):
        if not name:
            name = f"#{i}"
            unnamed.add(i)
        if name in taken:
            name = next(f"{name} #{k}" for k in itertools.count(i) if f"{name} #{k}" not in taken)
        taken.add(name)
        names.append(name)
    return names, frozenset(unnamed)


# Nets. ---------------------------------------------------------------------------------------------------------------


def from_net(net: Any) -> Graph:
    """Return the graph of a Net with what its last forward and sweep left.

    With several samples, values are means and gradients root mean squares over the samples, and over the time steps of
    a net with delays. The loss is one more node that the outputs feed, once there was a sweep.

    Args:
        net: the net.
    """
    n = len(net.names)
    swept = net.delta is not None
    # Samples, or the steps of sequences one after another.
    phi, delta, slopes = (None if x is None else np.asarray(x, float).reshape(len(x), -1)
                          for x in (net.phi, net.delta, net.output_slopes))  # fmt: skip
    samples = 1 if phi is None else phi.shape[1]
    outputs = np.array(net.outputs, np.intp)
    source, target = np.array(net.source, np.intp), np.array(net.target, np.intp)
    weights = np.array(net.weights, float)
    names, _ = _unique(net.names)
    inputs = np.zeros(n, bool)
    inputs[np.array(net.inputs, np.intp)] = True
    ops = ["" if is_input else str(op or "") for op, is_input in zip(net.activation_names, inputs, strict=True)]
    kinds = np.where(inputs, INPUT, UNIT)
    levels = np.array(net.level, np.intp)
    values = np.full(n, math.nan)
    if phi is not None and samples:
        with np.errstate(all="ignore"):
            values = phi.mean(axis=1)
    gradients = np.full(n, math.nan) if delta is None else root_mean_square(delta)
    with np.errstate(all="ignore"):
        messages = weights * gradients[target]
        if phi is not None and delta is not None:
            through = np.flatnonzero(net.gates >= 0)
            messages[through] = weights[through] * root_mean_square(delta[target[through]] * phi[net.gates[through]])
    weight_gradients = None if net.weight_gradient is None else np.array(net.weight_gradient, float)
    # A gate feeds the target of the link that it multiplies, by a factor that differs between samples.
    gated = np.flatnonzero(net.gates >= 0)
    gates = range(len(source), len(source) + len(gated))
    if len(gated):
        mean, sent = _through_gates(net, gated, phi, delta)
        source, target = np.concatenate([source, net.gates[gated]]), np.concatenate([target, target[gated]])
        weights, messages = np.concatenate([weights, mean]), np.concatenate([messages, sent])
        if weight_gradients is not None:
            weight_gradients = np.concatenate([weight_gradients, np.full(len(gated), math.nan)])
    if phi is not None and slopes is not None:
        own = _from_the_loss(net, outputs, phi, slopes)
        names.append("L" if "L" not in names else next(f"L{k}" for k in itertools.count() if f"L{k}" not in names))
        ops.append("")
        kinds = np.append(kinds, LOSS)
        values = np.append(values, net.loss)
        gradients = np.append(gradients, 1.0)
        levels = np.append(levels, (levels.max() if n else 0) + 1)
        source = np.concatenate([source, outputs])
        target = np.concatenate([target, np.full(len(outputs), n)])
        weights = np.concatenate([weights, own])
        messages = np.concatenate([messages, own])
        if weight_gradients is not None:
            weight_gradients = np.concatenate([weight_gradients, np.full(len(outputs), math.nan)])
    return Graph(
        names=names, ops=ops, kinds=kinds, values=values, gradients=gradients, levels=levels, source=source,
        target=target, factors=weights, messages=messages, weight_gradients=weight_gradients, gates=gates,
        outputs=outputs, swept=swept, samples=samples, call="net.sweep()", symbol="δ", noun="unit",
        loss=None if net.loss is None else float(net.loss),
        notes=_notes(net, samples),
    )  # fmt: skip


def _through_gates(net: Any, gated: Ints, phi: Floats | None, delta: Floats | None) -> tuple[Floats, Floats]:
    """Return for gated links what their gates' gradient is multiplied by, w_lj phi_j(t-d), and what they are sent.

    The first is the mean over the samples, the second the root mean square, as everywhere in a picture.
    """
    missing = np.full(len(gated), math.nan)
    if phi is None:
        return missing, missing
    source, delays, weights = net.source[gated], net.delays[gated], np.asarray(net.weights)[gated]
    read = np.array(net.phi, float).reshape(len(phi), -1, net.phi.shape[2] if net.phi.ndim == 3 else 1)[source]
    for k, delay in enumerate(delays):
        if delay:
            steps = read.shape[2]
            later = read[k, :, : max(steps - delay, 0)].copy()
            read[k, :, :delay] = net.initial[source[k]]
            read[k, :, delay:] = later
    with np.errstate(all="ignore"):
        factors = weights[:, None] * read.reshape(len(gated), -1)
        sent = missing if delta is None else root_mean_square(factors * delta[net.target[gated]])
        return factors.mean(axis=1), sent


def _notes(net: Any, samples: int) -> tuple[str, ...]:
    notes = []
    if samples > 1:
        notes.append(f"{samples} samples: δ is the root mean square, v the mean")
    if (net.gates >= 0).any():
        notes.append("an edge from a gate has the mean of w times what comes through it as its factor")
    if any(how in ("product", "max", "min", "maxabs") for how in net.aggregations):
        notes.append("edges into units that do not sum are as wide as if these did")
    return tuple(notes)


def root_mean_square(x: Floats) -> Floats:
    """Return the root mean square of each row; of one column the column itself, with its signs.

    The rows are scaled before they are squared: 1e-200 must not come out as 0, which would be a dead unit.
    """
    if x.shape[1] == 1:
        return x[:, 0].copy()
    largest = np.abs(x).max(axis=1, initial=0.0)
    safe = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    with np.errstate(all="ignore"):
        return np.asarray(safe * np.sqrt(np.mean((x / safe[:, None]) ** 2, axis=1)))


def _from_the_loss(net: Any, outputs: Ints, phi: Floats, slopes: Floats) -> Floats:
    """Return what each output's delta gets from the loss itself, without what comes back from units that it feeds."""
    own = slopes.copy()
    for k, i in enumerate(outputs):
        sigma = net.activations[i]
        if sigma is not None:
            with np.errstate(all="ignore"):
                slope = sigma.slope(np.asarray(net.a[i], float).ravel(), phi[i])
            own[k] = np.where(slope == ABSENT, 0.0, own[k] * slope)
    return root_mean_square(own)
