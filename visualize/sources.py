"""Graphs of the engine's objects: of the Value on which backward() was called, and of a Net after a sweep."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from autograd.netsweep import _partials
from autograd.op import ABSENT
from autograd.value import links, outdated, topological_order
from visualize.graph import INPUT, LOSS, UNIT, Bools, Graph
from visualize.scales import Floats, Ints, number

# Values. -------------------------------------------------------------------------------------------------------------


def from_value(root: Any) -> Graph:
    """Return the graph under a Value, with the gradients that ``root.backward()`` left.

    Levels count the steps to the root (the longest way), so a weight stands beside what it is multiplied with.

    Args:
        root: the result, usually the loss.
    """
    order = topological_order(root)
    n = len(order)
    source, target, partials, depth = links(order)
    gradients = np.array([v.grad for v in order], float)
    sources, targets, factor = np.array(source, np.intp), np.array(target, np.intp), np.array(partials, float)
    leads = np.array([not v.is_constant for v in order], bool)
    open_ = (factor != ABSENT) & leads[sources]
    factor[factor == ABSENT] = math.nan
    with np.errstate(all="ignore"):
        messages = np.where(open_, factor * gradients[targets], 0.0)
    swept = bool(gradients[-1] != 0)
    names, unnamed = unique([v.name for v in order])
    return Graph(
        names=names,
        ops=operations(order),
        kinds=np.array([INPUT if v.op is None else UNIT for v in order[:-1]] + [LOSS], np.intp),
        values=np.array([v.data for v in order], float),
        gradients=gradients,
        levels=np.max(depth) - np.array(depth, np.intp),
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
        notes=_apart(order, gradients, sources, messages, swept),
    )


def _apart(order: list[Any], gradients: Floats, source: Ints, messages: Floats, swept: bool) -> tuple[str, ...]:
    """Say so where the numbers are not of one computation and one sweep, so that edges do not add up to gradients."""
    try:
        stale = outdated(order)
    except (ArithmeticError, ValueError):  # of the user's row, which has met its operands before
        stale = True
    if stale:
        return ("leaves were given new values after this was computed: edges have the factors of now, gradients and "
                "results are those of before (compute and sweep anew)",)
    if not swept:
        return ()
    with np.errstate(all="ignore"):
        arrived, size = (np.bincount(source, x, len(order)) for x in (messages, np.abs(messages)))
        other = np.abs(gradients - arrived) > 1e-9 * (size + np.abs(gradients))
    other[-1] = False  # has what the sweep began with
    other &= np.isfinite(arrived) & np.isfinite(gradients)
    leaf = np.array([v.op is None for v in order], bool)
    several, elsewhere = int((other & leaf).sum()), int((other & ~leaf).sum())
    notes = []
    if elsewhere:
        who = f"{elsewhere} inner nodes show" if elsewhere > 1 else "1 inner node shows"
        notes.append(f"{who} the gradient of a later sweep, from another result")
    if several:
        who = f"{several} leaves hold" if several > 1 else "1 leaf holds"
        notes.append(f"{who} gradients of more than one sweep (zero_grad() starts afresh)")
    return tuple(notes)


#: Signs as they are printed in a diagram.
_SIGNS = {"*": "×", "-": "−", "/": "÷", "**": "^"}


def operations(order: Iterable[Any]) -> list[str]:
    """Return the labels of the nodes' operations; plain numbers among the operands are part of it, as in "+ 3"."""
    signs: dict[Any, str] = {None: ""}
    labels = []
    for v in order:
        op = v.op
        sign = signs.get(op)
        if sign is None:
            sign = signs[op] = "neg" if op.name == "neg" else str(_SIGNS.get(op.symbol, op.symbol))
        if op is not None and op.arity >= 0 and op.name != "neg":
            operands = v.operands
            for x in operands:
                if type(x) is float:
                    sign = _with_numbers(op, sign, operands)
                    break
        labels.append(sign)
    return labels


def _with_numbers(op: Any, sign: str, operands: Sequence[Any]) -> str:
    shown = [number(x) if isinstance(x, float) else "·" for x in operands]
    if len(shown) == 2 and sign != op.name:  # an infix operator
        return " ".join(s for s in (shown[0], sign, shown[1]) if s != "·")
    return f"{op.name}({', '.join(shown)})"


def unique(given: Sequence[str | None]) -> tuple[list[str], frozenset[int]]:
    """Return one name per node, made up as #i where there is none or it is taken, and the nodes without one."""
    names = [name or f"#{i}" for i, name in enumerate(given)]
    taken: set[str] = set()
    if len(set(names)) < len(names):
        for i, name in enumerate(names):
            if name in taken:
                names[i] = next(f"{name} #{k}" for k in itertools.count(i) if f"{name} #{k}" not in taken)
            taken.add(names[i])
    return names, frozenset(i for i, name in enumerate(given) if not name)


# Nets. ---------------------------------------------------------------------------------------------------------------


def from_net(net: Any) -> Graph:
    """Return the graph of a Net with what its last forward and sweep left.

    With several samples, values are means and gradients root mean squares over the samples, and over the time steps of
    a net with delays. The loss is one more node that the outputs feed, once there was a sweep. Weights are those that
    the last forward and sweep were with, whatever they are now.

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
    seen = net.weights if net._forwarded is None else net._forwarded.at.weights
    weights = np.array(seen, float)
    names, _ = unique(net.names)
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
    # A gate feeds the target of the link that it multiplies, by a factor that differs between samples.
    gated = np.flatnonzero(net.gates >= 0)
    back, at = (None, target) if delta is None else _at_links(net, delta)
    with np.errstate(all="ignore"):
        messages = weights * (np.full(len(target), math.nan) if back is None else root_mean_square(back)[at])
        if phi is not None and back is not None:
            messages[gated] = weights[gated] * root_mean_square(back[at[gated]] * phi[net.gates[gated]])
    weight_gradients = None if net.weight_gradient is None else np.array(net.weight_gradient, float)
    gates = range(len(source), len(source) + len(gated))
    if len(gated):
        mean, sent = _through_gates(net, gated, weights[gated], phi, None if back is None else back[at[gated]])
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
    over_time, last_alone = _over_time(net) if swept and net.delta.ndim == 3 else (None, None)
    delayed = np.zeros(len(source), bool)
    delayed[: len(net.delays)] = net.delays > 0
    return Graph(
        names=names, ops=ops, kinds=kinds, values=values, gradients=gradients, levels=levels, source=source,
        target=target, factors=weights, messages=messages, weight_gradients=weight_gradients, gates=gates,
        outputs=outputs, swept=swept, samples=samples, call="net.sweep()", symbol="δ", noun="unit",
        loss=None if net.loss is None else float(net.loss),
        notes=_notes(net, samples), delayed=delayed, over_time=over_time, last_alone=last_alone,
    )  # fmt: skip


def _over_time(net: Any) -> tuple[Floats, Floats | None]:
    """Return delta of each unit at each step, and as the last row that of the loss [n + 1, T]; and `Graph.last_alone`.

    With several sequences it is the root mean square over those whose loss comes then or later: after its last loss
    a sequence, such as one that was padded, has no gradient to show. nan where none has. In the row of the loss is the
    share of the sequences to which it sends a gradient at that step.
    """
    delta, slopes = (np.asarray(x, float) for x in (net.delta, net.output_slopes))
    _, samples, steps = delta.shape
    sees = (slopes != 0).any(axis=0)
    ends = np.where(sees.any(axis=1), steps - np.argmax(sees[:, ::-1], axis=1), steps)
    over_time = np.vstack([_over_sequences(delta, np.arange(steps) < ends[:, None]), sees.mean(axis=0)])
    if np.count_nonzero(sees.any(axis=0)) < 2:
        return over_time, None
    if (sees.sum(axis=1) > 1).any():
        found = _of_the_last(net, slopes[:, np.arange(samples), ends - 1].T, ends)
        if found is None:
            return over_time, None
        delta = found
    step = ends[:, None] - np.arange(ends.max(), 0, -1)
    aligned = delta[:, np.arange(samples)[:, None], np.maximum(step, 0)]
    loss = np.arange(ends.max()) == ends.max() - 1
    return over_time, np.vstack([_over_sequences(aligned, step >= 0), loss])


def _over_sequences(delta: Floats, there: Bools) -> Floats:
    """Return the root mean square over the sequences that are there, step by step [n, T]; nan where none is."""
    n, samples, steps = delta.shape
    by_step = np.where(there, delta, 0.0).transpose(0, 2, 1).reshape(n * steps, samples)
    with np.errstate(all="ignore"):
        sizes = root_mean_square(by_step).reshape(n, steps) * np.sqrt(samples / there.sum(axis=0))
    sizes[:, ~there.any(axis=0)] = math.nan
    return np.asarray(sizes)


def _of_the_last(net: Any, slopes: Floats, ends: Ints) -> Floats | None:
    """Return delta of the loss at each sequence's last step alone [n, N, T]: a sweep of a copy of the net.

    None where it cannot be had: the weights have changed since the sweep, or the loss's slopes are not finite.

    Args:
        net: the net.
        slopes: dL/dphi of the outputs at the last steps [N, q].
        ends: the number of steps of each sequence [N].
    """
    twin = copy.copy(net)
    try:
        # The loss that is linear in phi has these slopes.
        twin.sweep(slopes, lambda phi, y: sum(p * t for p, t in zip(phi, y, strict=True)), lengths=ends, at="last")
    except (RuntimeError, ValueError):
        return None
    return np.asarray(twin.delta, float)


def _at_links(net: Any, delta: Floats) -> tuple[Floats, Ints]:
    """Return dL/d(w phi), which a link multiplies by w on the way back: rows [m, M], and the row of each link [E].

    Of a neuron that just sums it is delta. Another one, as the net sees it, reads units that scale and aggregate (see
    `autograd.netgraph`), and what these get of its delta comes on top of the rows.

    Args:
        net: the net, after its sweep.
        delta: of the net's own units, per sample [n, M].
    """
    graph, links = net.graph, len(net.source)
    if graph.size == len(delta) or np.array_equal(graph.target[:links], net.target):
        return delta, np.array(net.target, np.intp)
    back = np.zeros((graph.size, delta.shape[1]))
    back[: len(delta)] = delta
    phi = net._forwarded.state.phi[graph.max_delay :].transpose(1, 2, 0).reshape(graph.size, -1)
    pairs = graph.pairs
    with np.errstate(all="ignore"):
        for s, t, w in zip(graph.source[links:], graph.target[links:], graph.constants, strict=True):
            back[s] = w * back[t]
        for unit, function, x, y in reversed(list(zip(pairs.unit, pairs.function, pairs.x, pairs.y, strict=True))):
            if y >= len(delta):  # two terms of an aggregation; the others are gates
                slopes = _partials(pairs.functions[function], phi[x], phi[y], phi[unit])
                for term, slope in zip((x, y), slopes, strict=True):
                    back[term] = np.where((slope != ABSENT) & (back[unit] != 0), back[unit] * slope, 0.0)
    return back, graph.target[:links]


def _through_gates(
    net: Any, gated: Ints, weights: Floats, phi: Floats | None, back: Floats | None
) -> tuple[Floats, Floats]:
    """Return for gated links what their gates' gradient is multiplied by, w_lj phi_j(t-d), and what they are sent.

    The first is the mean over the samples, the second the root mean square, as everywhere in a picture.

    Args:
        net: the net.
        gated: the links.
        weights: theirs.
        phi: of the net's units, or None before a forward.
        back: what the links get back, as in `_at_links`, or None before a sweep.
    """
    missing = np.full(len(gated), math.nan)
    if phi is None:
        return missing, missing
    source, delays = net.source[gated], net.delays[gated]
    read = np.array(net.phi, float).reshape(len(phi), -1, net.phi.shape[2] if net.phi.ndim == 3 else 1)[source]
    for k, delay in enumerate(delays):
        if delay:
            steps = read.shape[2]
            later = read[k, :, : max(steps - delay, 0)].copy()
            read[k, :, :delay] = net._forwarded.at.initial[source[k]]
            read[k, :, delay:] = later
    with np.errstate(all="ignore"):
        factors = weights[:, None] * read.reshape(len(gated), -1)
        return factors.mean(axis=1), missing if back is None else root_mean_square(factors * back)


def _notes(net: Any, samples: int) -> tuple[str, ...]:
    notes = []
    if samples > 1:
        notes.append(f"{samples} samples: δ is the root mean square, v the mean")
    if (net.gates >= 0).any():
        notes.append("an edge from a gate has the mean of w times what comes through it as its factor")
    if len(net.graph.constants):  # of units that scale or aggregate
        notes.append("an edge carries back from a unit that does not just sum w·δ times the slope of what this does")
    done = net._forwarded
    now = net.weights, net.biases, net.initial
    if done is not None and not all(np.array_equal(x, y, equal_nan=True) for x, y in zip(done.at, now, strict=True)):
        notes.append("weights or biases have changed since this sweep, which is shown with those that it had")
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
