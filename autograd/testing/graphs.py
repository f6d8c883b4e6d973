"""`check_graph` and `check_net`: whole graphs held against a second evaluation of them at 50 digits.

The graph, or the net's equations, are computed again on mpmath numbers in plain loops that share nothing with the
sweeps; every node in turn is moved a little, and what the result does is its true adjoint.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from autograd.exact import Exact, meaning
from autograd.testing.check import conditioning, moves
from autograd.testing.oracles import Slope, exact_slope
from autograd.testing.report import Finding, Report, judge
from autograd.value import Value, forward_sweep, program, reverse_sweep, topological_order

_SPREAD = 64.0


def check_graph(
    root: Value, *, seeds: Sequence[float] = (1.0, -3.0), most: int = 200, digits: int = 50, raise_: bool = True
) -> Report:
    """Check every number and every adjoint of a graph of Values.

    All nodes are computed again at many digits from the leaves' present data, so a result that is stale, because a leaf
    was set after it was computed, is found. The adjoint of every node, leaf or not, is compared with what the root does
    when that node alone is moved: by `Value.backward` with each seed, by the generic reverse sweep, and by the forward
    sweep. No `grad` of the graph is changed.

    Args:
        root: the result.
        seeds: the adjoints of the root.
        most: how many adjoints are checked at most, drawn from all; each costs two evaluations of what it feeds.
        digits: of the second evaluation.
        raise_: False returns the report in any case.

    Returns:
        The report; findings go by the names that `program(root)` prints.

    Raises:
        GradientError: if a number or an adjoint is wrong.
        TypeError: if root is not a Value, or an operation of the graph has no meaning at many digits.
        ValueError: if root is a constant.

    >>> x = Value(0.5, name="x")
    >>> check_graph((x * x).exp()).verdict
    'ok'
    """
    if not isinstance(root, Value):
        raise TypeError(f"check_graph: root must be a Value, got {root!r}")
    if root.is_constant:
        raise ValueError(f"check_graph: {root!r} is a constant and has no graph")
    order = topological_order(root)
    names = [line.split("=")[0].strip() for line in program(root).splitlines()]
    place = {id(v): i for i, v in enumerate(order)}
    free = [i for i, v in enumerate(order) if not v.is_constant]
    chosen, notes = _some(free, most, "adjoints")
    spread, value_spread = moves(order, [order[i] for i in chosen])
    graph = _ExactGraph(order, place)
    findings = []
    with _digits(digits):
        for i, true in enumerate(graph.values()):
            found = judge(names[i], "value", order[i].data, Slope(float(true), 0.0), _SPREAD * value_spread[i])
            if found.verdict == "wrong":
                findings.append(found)
    claims = _graph_claims(root, order, chosen, seeds)
    size = max([1.0, *(abs(v.data) for v in order if math.isfinite(v.data))])
    for k, i in enumerate(chosen):
        scale = min(1.0, abs(order[i].data) or 1.0)
        slope = exact_slope(graph.along(i), scale, digits, size, [claim[k] for claim in claims.values()])
        findings += [judge(names[i], mode, c[k], slope, _SPREAD * spread[k]) for mode, c in claims.items()]
    at = ", ".join(f"{names[i]} = {v.data!r}" for i, v in enumerate(order) if v.op is None)
    words = f"evaluation at {digits} digits"
    report = Report(f"graph of {len(order)} nodes", at, root.data, words, tuple(findings), notes)
    return report.check() if raise_ else report


def _digits(digits: int) -> Any:
    from mpmath import mp

    return mp.workdps(digits)


def _some(places: list[int], most: int, what: str) -> tuple[list[int], tuple[str, ...]]:
    """Return at most so many places, the same at every call, and what has been left out."""
    if len(places) <= most:
        return places, ()
    chosen = sorted(random.Random(len(places)).sample(places, most))
    return chosen, (f"{most} of {len(places)} {what} were checked, drawn from all",)


def _graph_claims(
    root: Value, order: list[Value], chosen: Sequence[int], seeds: Sequence[float]
) -> dict[str, list[float]]:
    claims: dict[str, list[float]] = {}
    before = [(v, v.grad) for v in order]
    try:
        for seed in seeds:
            for v in order:
                v.grad = 0.0
            root.backward(seed)
            claims[f"backward, seed {seed:g}"] = [order[i].grad / seed for i in chosen]
    finally:
        for v, g in before:
            v.grad = g
    adjoints = reverse_sweep(order, 1.0, lambda v: v.data)
    claims["reverse"] = [float(adjoints.get(id(order[i]), 0.0)) for i in chosen]
    claims["forward"] = [
        float(forward_sweep(order, {id(order[i]): 1.0}, lambda v: v.data).get(id(root), 0.0)) for i in chosen
    ]
    return claims


class _ExactGraph:
    """A graph evaluated again on mpmath numbers, node by node."""

    def __init__(self, order: list[Value], place: dict[int, int]) -> None:
        self.steps = [
            (i, v.op, [place[id(x)] if isinstance(x, Value) else -1 for x in v.operands], v.operands)
            for i, v in enumerate(order)
        ]
        self.leaves = {i: v.data for i, v in enumerate(order) if v.op is None}
        self.known: dict[int, list[Any]] = {}

    def values(self) -> list[Any]:
        """Return every node at the working precision."""
        from mpmath import mp, mpf

        if mp.prec not in self.known:
            values: list[Any] = [mpf(self.leaves.get(i, 0.0)) for i in range(len(self.steps))]
            self._run(values, 0)
            self.known[mp.prec] = values
        return self.known[mp.prec]

    def along(self, i: int) -> Callable[[Any], Any]:
        """Return the root as a function of the change of node i alone."""

        def phi(t: Any) -> Any:
            values = self.values()
            if t:
                values = values[:]
                values[i] += t
                self._run(values, i + 1, i)
            return values[-1]

        return phi

    def _run(self, values: list[Any], start: int, moved: int = -1) -> None:
        """Compute nodes from a place on; if one was moved, only what depends on it."""
        touched = {moved}
        for i, op, places, operands in self.steps[start:]:
            if op is None or (moved >= 0 and touched.isdisjoint(places)):
                continue
            touched.add(i)
            xs = [Exact(values[j]) if j >= 0 else x for j, x in zip(places, operands, strict=True)]
            values[i] = Exact.lift(meaning(op, Exact, xs))


# Nets. --------------------------------------------------------------------------------------------------------------


def check_net(
    net: Any,
    x: Any,
    y: Any,
    loss: Any = "mse",
    *,
    most: int = 200,
    digits: int = 50,
    raise_: bool = True,
) -> Report:
    """Check the loss of a net, every dL/dw and dL/db, and every delta.

    The equations of the source document, a_l = sum of w_lj phi_j + b_l and phi_l = sigma(a_l), are computed again at
    many digits in plain loops; every weight, bias and pre-activation in turn is moved a little. What `net.sweep` leaves
    is compared, and the gradient that `net.loss_and_gradient` gives. The net itself stays as it is.

    Args:
        net: an `autograd.Net`.
        x: samples [N, p], or one [p].
        y: targets, as for `Net.sweep`.
        loss: as for `Net.sweep`.
        most: how many derivatives of each kind are checked at most, drawn from all.
        digits: of the second evaluation.
        raise_: False returns the report in any case.

    Returns:
        The report; findings are called "loss", "w h -> y", "b h" and "delta h, sample 0".

    Raises:
        GradientError: if the loss, a derivative or a delta is wrong.
        TypeError: if an activation or a loss cannot be computed at many digits.
    """
    from autograd.learn import find_loss

    net = copy.deepcopy(net)
    formula = find_loss(loss)
    net.forward(x)
    claimed_loss = net.sweep(y, loss)
    rows, _ = net._samples(x)
    targets = formula.targets(y, len(rows), len(net.outputs)).T.tolist()
    exact = _ExactNet(net, rows.tolist(), targets, formula.formula)
    findings: list[Finding] = []
    value, gradient = net.loss_and_gradient(x, y, loss)
    spread = _net_conditioning(net, rows, targets, loss)
    with _digits(digits):
        true = float(exact.loss())
    for mode, claim in (("sweep", claimed_loss), ("loss_and_gradient", value)):
        findings.append(judge("loss", mode, claim, Slope(true, 0.0), _SPREAD * spread.loss))
    notes: tuple[str, ...] = ()
    names, links = net.names, len(net.weights)
    neurons = [i for i in range(len(net)) if net.activations[i] is not None]
    bias_at = {i: links + k for k, i in enumerate(neurons)}
    size = max([1.0, *map(abs, net.weights.tolist()), *abs(net.phi).ravel().tolist(), *abs(net.a).ravel().tolist()])

    def held(path: str, phi: Callable[[Any], Any], scale: float, claims: dict[str, float], rounding: float) -> None:
        slope = exact_slope(phi, min(1.0, abs(scale) or 1.0), digits, size, list(claims.values()))
        findings.extend(judge(path, mode, c, slope, _SPREAD * rounding) for mode, c in claims.items())

    chosen, more = _some(list(range(links)), most, "weights")
    notes += more
    for e in chosen:
        path = f"w {names[net.source[e]]} -> {names[net.target[e]]}"
        claims = {"sweep": float(net.weight_gradient[e]), "loss_and_gradient": float(gradient[e])}
        held(path, exact.by_weight(e), float(net.weights[e]), claims, spread.weights[e])
    chosen, more = _some(neurons, most, "biases")
    notes += more
    for i in chosen:
        claims = {"sweep": float(net.bias_gradient[i]), "loss_and_gradient": float(gradient[bias_at[i]])}
        held(f"b {names[i]}", exact.by_bias(i), float(net.biases[i]), claims, spread.biases[i])
    chosen, more = _some(list(range(len(net) * len(rows))), most, "deltas")
    notes += more
    for k in chosen:
        i, n = k % len(net), k // len(net)
        claims = {"sweep": float(net.delta[i, n])}
        path, rounding = f"delta {names[i]}, sample {n}", spread.deltas[n][i]
        held(path, exact.by_activation(i, n), float(net.a[i, n]), claims, rounding)
    at, words = f"{len(rows)} sample{'s' * (len(rows) > 1)}", f"its equations at {digits} digits"
    report = Report(repr(net), at, claimed_loss, words, tuple(findings), notes)
    return report.check() if raise_ else report


class _Spread:
    """How far the numbers of a net move when all on the way move by their last place."""

    def __init__(self, links: int, units: int) -> None:
        self.loss = 0.0
        self.weights, self.biases = [0.0] * links, [0.0] * units
        self.deltas: list[list[float]] = []


def _net_conditioning(net: Any, rows: Any, targets: list[list[float]], loss: Any) -> _Spread:
    """Return the conditioning of the mean loss and its derivatives, from the net's expansion sample by sample."""
    spread, samples = _Spread(len(net.weights), len(net)), len(rows)
    for row, target in zip(rows, targets, strict=True):
        graph = net.to_values(row, [target], loss)
        biases = [b for b in graph.biases if b is not None]
        leaves = [*graph.weights, *biases, *graph.a]
        if graph.loss is None or graph.loss.is_constant:
            spread.deltas.append([0.0] * len(net))
            continue
        found, value = conditioning(graph.loss, leaves)
        spread.loss += value / samples
        for e in range(len(graph.weights)):
            spread.weights[e] += found[e] / samples
        at = len(graph.weights)
        for i, b in enumerate(graph.biases):
            if b is not None:
                spread.biases[i] += found[at] / samples
                at += 1
        spread.deltas.append(found[at:])
    return spread


class _ExactNet:
    """The equations of a net on mpmath numbers: (3) and (4) of the source document, sample by sample."""

    def __init__(self, net: Any, rows: list[list[float]], targets: list[list[float]], formula: Any) -> None:
        from mpmath import mpf

        self.targets, self.formula = targets, formula
        self.outputs = net.outputs.tolist()
        self.sigmas = [None if s is None else s.function for s in net.activations]
        self.rows = [dict(zip(net.inputs.tolist(), map(mpf, row), strict=True)) for row in rows]
        self.biases = list(map(mpf, net.biases.tolist()))
        self.source, self.target = net.source.tolist(), net.target.tolist()
        self.into: list[list[tuple[Any, int]]] = [[] for _ in self.sigmas]
        for s, t, w in zip(self.source, self.target, net.weights.tolist(), strict=True):
            self.into[t].append((mpf(w), s))
        level = net.level.tolist()
        self.order = sorted(range(len(self.sigmas)), key=lambda i: level[i])
        self.known: dict[Any, list[Any]] = {}
        self.fed: dict[int, list[int]] = {}

    def loss(self) -> Any:
        """Return the mean loss."""
        return self._mean([self._sample(n) for n in range(len(self.rows))])

    def by_weight(self, e: int) -> Callable[[Any], Any]:
        """Return the mean loss as a function of the change of one weight."""
        s, t = self.source[e], self.target[e]
        return lambda d: self._mean([self._sample(n, t, d * self._phi(n)[s]) for n in range(len(self.rows))])

    def by_bias(self, i: int) -> Callable[[Any], Any]:
        """Return the mean loss as a function of the change of one bias."""
        return lambda d: self._mean([self._sample(n, i, d) for n in range(len(self.rows))])

    def by_activation(self, i: int, n: int) -> Callable[[Any], Any]:
        """Return the loss of one sample as a function of the change of one pre-activation."""
        return lambda d: self._sample(n, i, d)

    def _mean(self, losses: list[Any]) -> Any:
        from mpmath import mp

        return mp.fsum(losses) / len(losses)

    def _sample(self, n: int, moved: int = -1, d: Any = 0) -> Any:
        """Return the loss of sample n with the pre-activation of one neuron moved by d."""
        phi = self._phi(n)
        if d:
            phi = phi[:]
            for i in self._downstream(moved):
                phi[i] = self._neuron(n, i, phi, d if i == moved else 0)
        return Exact.lift(self.formula([Exact(phi[i]) for i in self.outputs], self.targets[n]))

    def _phi(self, n: int) -> list[Any]:
        """Return every output of a sample, at the working precision."""
        from mpmath import mp

        key = (mp.prec, n)
        if key not in self.known:
            phi: list[Any] = [None] * len(self.sigmas)
            for i in self.order:
                phi[i] = self._neuron(n, i, phi, 0)
            self.known[key] = phi
        return self.known[key]

    def _neuron(self, n: int, i: int, phi: list[Any], d: Any) -> Any:
        from mpmath import mp

        sigma = self.sigmas[i]
        if sigma is None:
            return self.rows[n][i] + d
        a = mp.fdot((w, phi[s]) for w, s in self.into[i]) + self.biases[i] + d
        return Exact.lift(sigma(Exact(a)))

    def _downstream(self, moved: int) -> list[int]:
        """Return a neuron and those that it feeds, directly or not, in order."""
        if moved not in self.fed:
            fed = {moved}
            for i in self.order:
                if not fed.isdisjoint(s for _, s in self.into[i]):
                    fed.add(i)
            self.fed[moved] = [i for i in self.order if i in fed]
        return self.fed[moved]
