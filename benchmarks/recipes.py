"""The nets that `nets.py` times, made from seeds, and what they must compute, neuron by neuron.

A `Recipe` is a net as plain arrays, without any engine: rivals lay it out as they like. With phi the outputs of the
units, the inputs first,

    a_l(t) = b_l + sum over the links of l of w phi_source(t - delay) [phi_gate(t)]     phi_l(t) = sigma_l(a_l(t))

and the loss is the mean over the samples of 1/2 sum (phi - y)^2 over the outputs at the last step. `reference` is this
definition and its reverse sweep, word for word.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Ints = NDArray[np.int64]

#: sigma(a) and sigma'(a, phi) by hand, by the names that dagrad gives them.
BY_HAND: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats, Floats], Any]]] = {
    "linear": (lambda a: a, lambda a, phi: 1.0),
    "tanh": (np.tanh, lambda a, phi: 1.0 - phi * phi),
    "sigmoid": (lambda a: 1.0 / (1.0 + np.exp(-a)), lambda a, phi: phi * (1.0 - phi)),
    "relu": (lambda a: np.maximum(a, 0.0), lambda a, phi: (a > 0.0).astype(a.dtype)),
    "sin": (np.sin, lambda a, phi: np.cos(a)),
    "gaussian": (lambda a: np.exp(-a * a), lambda a, phi: -2.0 * a * phi),
}
NONE = -1  # where a link has no gate
BLOCK = 128  # samples that the reference takes at a time


@dataclass(frozen=True)
class Recipe:
    """A net as arrays; units are numbered so that links without delay, and gates, come from lower numbers.

    Args:
        name: its name.
        inputs: how many units are inputs, the first ones.
        activations: of every unit, None for the inputs.
        source: of every link [E]; links are sorted by their targets.
        target: likewise.
        weights: likewise.
        biases: of every unit, 0 for the inputs.
        outputs: the units that the loss sees.
        delay: steps back in time, of every link.
        gate: the unit that multiplies a link, or `NONE`.
        trained: which links are parameters; the others are constants.
        biased: which units have a bias that is a parameter.
        steps: the length of a sequence.
        tables: for recurrent nets, the numbers of the links as matrices [rows, columns], by name.
        seed: of the data.
    """

    name: str
    inputs: int
    activations: list[str | None]
    source: Ints
    target: Ints
    weights: Floats
    biases: Floats
    outputs: Ints
    delay: Ints
    gate: Ints
    trained: NDArray[np.bool_]
    biased: NDArray[np.bool_]
    steps: int = 1
    tables: dict[str, Ints] = field(default_factory=dict)
    seed: int = 200

    @property
    def units(self) -> int:
        """How many units there are, the inputs included."""
        return len(self.activations)

    @property
    def links(self) -> int:
        """How many links there are."""
        return len(self.source)

    @functools.cached_property
    def first(self) -> list[int]:
        """Where the links of each unit begin, and the number of links at the end."""
        return [int(k) for k in np.searchsorted(self.target, np.arange(self.units + 1))]

    @functools.cached_property
    def level(self) -> Ints:
        """The longest path from an input, of every unit of a net without delays."""
        level = np.zeros(self.units, np.int64)
        for unit in range(self.inputs, self.units):
            level[unit] = 1 + level[self.source[self.first[unit] : self.first[unit + 1]]].max()
        return level

    @property
    def work(self) -> int:
        """The links of one sample, unrolled in time: those into the outputs count once, constants never."""
        read = np.isin(self.target, self.outputs)
        return self.steps * int((self.trained & ~read).sum()) + int((self.trained & read).sum())

    def parameters(self, weights: Floats, biases: Floats) -> Floats:
        """Return the vector of what is trained, from an entry per link and one per unit: links, then units."""
        return np.concatenate([weights[self.trained], biases[self.biased]])

    def data(self, samples: int) -> tuple[Floats, Floats]:
        """Return samples [N, inputs], or sequences [N, steps, inputs], and targets [N, outputs]."""
        r = np.random.default_rng(self.seed)
        if self.steps > 1:
            x = r.standard_normal((self.steps, samples, self.inputs)).transpose(1, 0, 2)
            return np.ascontiguousarray(x), r.standard_normal((samples, len(self.outputs)))
        return r.standard_normal((samples, self.inputs)), np.tanh(r.standard_normal((samples, len(self.outputs))))


# Nets without delays. ------------------------------------------------------------------------------------------------


def _feed_forward(name: str, inputs: int, edges: Ints, activations: list[str | None], outputs: Ints) -> Recipe:
    """Return the recipe of links [E, 2], with weights of variance 1 / fan-in and biases of deviation 0.1."""
    source, target = edges[np.lexsort((edges[:, 0], edges[:, 1]))].T
    units, links = len(activations), len(edges)
    r = np.random.default_rng(100)
    weights = r.standard_normal(links) / np.sqrt(np.bincount(target, minlength=units)[target])
    biases = 0.1 * r.standard_normal(units)
    biases[:inputs] = 0.0
    return Recipe(
        name=name,
        inputs=inputs,
        activations=activations,
        source=np.ascontiguousarray(source),
        target=np.ascontiguousarray(target),
        weights=weights,
        biases=biases,
        outputs=outputs,
        delay=np.zeros(links, np.int64),
        gate=np.full(links, NONE),
        trained=np.ones(links, bool),
        biased=np.arange(units) >= inputs,
    )


def sparse(
    name: str, inputs: int, neurons: int, depth: int, fan_in: int, outputs: int, seed: int, near: float | None = None
) -> Recipe:
    """Return a random net of tanh neurons, spread over `depth` levels of which the last is the outputs.

    A neuron has 1 + Poisson(fan_in - 1) links: one from the level below, so that the depth is exact, the others from
    anywhere below or, with `near`, from a level that is Geometric(near) lower. Who would feed nobody gets one link up.
    """
    r = np.random.default_rng(seed)
    width, rest = divmod(neurons - outputs, depth - 1)
    widths = [inputs, *(width + (i < rest) for i in range(depth - 1)), outputs]
    begin = [0, *itertools.accumulate(widths)]  # level L is the units begin[L] to begin[L + 1] - 1
    links: list[tuple[int, int]] = []
    for level in range(1, depth + 1):
        below = begin[level]
        for unit in range(below, begin[level + 1]):
            more = min(int(r.poisson(fan_in - 1)), below - 1)
            sources = {int(r.integers(begin[level - 1], below))}
            if near is None:
                sources.update(r.integers(0, below, size=more).tolist())
            else:
                lower = level - np.minimum(r.geometric(near, size=more), level)
                sources.update(int(r.integers(begin[k], begin[k + 1])) for k in lower)
            links.extend((source, unit) for source in sources)
    units = begin[-1]
    feeds = np.bincount([source for source, _ in links], minlength=units) > 0
    idle = np.flatnonzero(~feeds[: units - outputs]).tolist()
    links += [(unit, int(r.integers(begin[bisect.bisect_right(begin, unit)], units))) for unit in idle]
    activations: list[str | None] = [None] * inputs + ["tanh"] * neurons
    return _feed_forward(name, inputs, np.array(links), activations, np.arange(units - outputs, units))


def layered(name: str, *sizes: int) -> Recipe:
    """Return a net of full layers, tanh but for the last, which is linear."""
    begin = [0, *itertools.accumulate(sizes)]
    layers = [np.arange(a, b) for a, b in itertools.pairwise(begin)]
    edges = [np.array(list(itertools.product(low, high))) for low, high in itertools.pairwise(layers)]
    activations: list[str | None] = [None] * sizes[0] + ["tanh"] * sum(sizes[1:-1]) + ["linear"] * sizes[-1]
    return _feed_forward(name, sizes[0], np.concatenate(edges), activations, layers[-1])


def evolved(name: str, inputs: int, hidden: int, outputs: int, seed: int) -> Recipe:
    """Return a net grown as NEAT grows one: split a link, add a link, with activations of five kinds.

    It begins as all inputs to all outputs; a split link is kept half of the time.
    """
    r = np.random.default_rng(seed)
    first_output, end = inputs, inputs + outputs
    height = [0.0] * inputs + [1.0] * outputs  # links lead up, so there are no cycles
    links = set(itertools.product(range(inputs), range(first_output, end)))
    for new in range(end, end + hidden):
        source, target = sorted(links)[r.integers(len(links))]
        height.append((height[source] + height[target]) / 2 + 1e-9 * new)
        if r.random() < 0.5:
            links.remove((source, target))
        links |= {(source, new), (new, target)}
        for _ in range(20):
            a, b = r.integers(0, new + 1, 2).tolist()
            if height[a] < height[b] and (a, b) not in links and b >= inputs and not first_output <= a < end:
                links.add((a, b))
                break
    order = sorted(range(inputs, end + hidden), key=lambda unit: (height[unit], unit))
    number = {unit: i for i, unit in enumerate([*range(inputs), *order])}
    kinds = ("tanh", "sigmoid", "relu", "sin", "gaussian")
    activations: list[str | None] = [None] * inputs + [kinds[k] for k in r.integers(0, len(kinds), outputs + hidden)]
    places = np.array([number[unit] for unit in range(first_output, end)])
    for place in places:
        activations[place] = "tanh"
    edges = np.array([(number[a], number[b]) for a, b in links])
    return _feed_forward(name, inputs, edges, activations, places)


# Recurrent nets. -----------------------------------------------------------------------------------------------------


def recurrent(name: str, cells: int, steps: int, gated: bool, inputs: int = 8, outputs: int = 2) -> Recipe:
    """Return a recurrent net with linear outputs: tanh units, or LSTM cells with a forget gate.

    The rows of units that take x(t) and h(t - 1) are h themselves or, `gated`, the gates i, f, the candidate g and the
    gate o. Then c(t) = f c(t - 1) + i g, s = tanh(c) and h = o s are neurons whose links weigh 1 for ever.
    """
    rows = (4 if gated else 1) * cells
    r = np.random.default_rng(7)
    bound = 1.0 / np.sqrt(cells)
    shapes = {"x": (rows, inputs), "h": (rows, cells), "bias": (rows,), "out": (outputs, cells), "out bias": (outputs,)}
    drawn = {key: r.uniform(-bound, bound, shape) for key, shape in shapes.items()}
    numbers = itertools.count()

    def units_of(count: int) -> Ints:
        return np.array(list(itertools.islice(numbers, count)))

    links: list[tuple[int, int, float, int, int, bool]] = []  # source, target, weight, delay, gate, trained

    def full(sources: Ints, targets: Ints, weights: Floats, delay: int = 0) -> None:
        for (row, target), (column, source) in itertools.product(enumerate(targets), enumerate(sources)):
            links.append((source, target, weights[row, column], delay, NONE, True))

    def one_to_one(sources: Ints, targets: Ints, gates: Ints | None = None, delay: int = 0) -> None:
        for k, (source, target) in enumerate(zip(sources, targets, strict=True)):
            links.append((source, target, 1.0, delay, NONE if gates is None else gates[k], False))

    x, into = units_of(inputs), units_of(rows)
    if gated:
        i, f, g, o = np.split(into, 4)
        c, s, h = (units_of(cells) for _ in range(3))
        one_to_one(c, c, gates=f, delay=1)
        one_to_one(g, c, gates=i)
        one_to_one(c, s)
        one_to_one(s, h, gates=o)
        kinds = ["sigmoid", "sigmoid", "tanh", "sigmoid", "linear", "tanh", "linear"]  # of i, f, g, o, c, s, h
    else:
        h, kinds = into, ["tanh"]
    y = units_of(outputs)
    full(x, into, drawn["x"])
    full(h, into, drawn["h"], delay=1)
    full(h, y, drawn["out"])
    links.sort(key=lambda link: link[1])  # stable: of a unit x comes first, then h
    source, target, weight, delay, gate, trained = (np.array(column) for column in zip(*links, strict=True))
    biases, biased = np.zeros(y[-1] + 1), np.zeros(y[-1] + 1, bool)
    biases[into], biases[y] = drawn["bias"], drawn["out bias"]
    biased[into] = biased[y] = True
    of_rows = np.flatnonzero(np.isin(target, into)).reshape(rows, inputs + cells)
    return Recipe(
        name=name,
        inputs=inputs,
        activations=[*[None] * inputs, *(kind for kind in kinds for _ in range(cells)), *["linear"] * outputs],
        source=source,
        target=target,
        weights=weight,
        biases=biases,
        outputs=y,
        delay=delay,
        gate=gate,
        trained=trained,
        biased=biased,
        steps=steps,
        tables={
            "x": of_rows[:, :inputs],
            "h": of_rows[:, inputs:],
            "out": np.flatnonzero(np.isin(target, y)).reshape(outputs, cells),
        },
        seed=8,
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "dag1k": lambda: sparse("dag1k", 64, 1000, depth=50, fan_in=16, outputs=10, seed=1),
    "dag100k": lambda: sparse("dag100k", 784, 100_000, depth=50, fan_in=16, outputs=10, seed=2),
    "deep1000": lambda: sparse("deep1000", 4, 4000, depth=1000, fan_in=4, outputs=2, seed=3, near=0.5),
    "neat50": lambda: evolved("neat50", 2, 47, 1, seed=6),
    "mlp": lambda: layered("mlp", 784, 128, 64, 10),
    "rnn": lambda: recurrent("rnn", 64, steps=100, gated=False),
    "lstm": lambda: recurrent("lstm", 32, steps=50, gated=True),
}


def reference(net: Recipe, x: Floats, y: Floats) -> tuple[float, Floats]:
    """Return the loss and its gradient by `Recipe.parameters`: neuron by neuron, step by step, in doubles."""
    loss, by_weight, by_bias = 0.0, np.zeros(net.links), np.zeros(net.units)
    lead = int(net.delay.max())  # steps before the first, where every phi is 0
    sequences = x.reshape(len(x), net.steps, net.inputs).transpose(1, 2, 0)  # [steps, inputs, N]
    moments = range(lead, lead + net.steps)
    gated = net.gate != NONE
    for begin in range(0, len(x), BLOCK):
        block = slice(begin, begin + BLOCK)
        phi = np.zeros((lead + net.steps, net.units, len(x[block])))
        phi[lead:, : net.inputs] = sequences[:, :, block]
        a, delta = np.zeros_like(phi), np.zeros_like(phi)

        def taken(t: int, links: slice, phi: Floats = phi) -> tuple[Floats, Floats]:
            """Return what the links carry at t, before their weights, and what their gates let through."""
            through = np.where(gated[links, None], phi[t, net.gate[links]], 1.0) if gated[links].any() else 1.0
            return phi[t - net.delay[links], net.source[links]], np.asarray(through)

        for t in moments:
            for unit in range(net.inputs, net.units):
                links = slice(net.first[unit], net.first[unit + 1])
                carried, through = taken(t, links)
                a[t, unit] = net.biases[unit] + net.weights[links] @ (carried * through)
                phi[t, unit] = BY_HAND[str(net.activations[unit])][0](a[t, unit])
        error = phi[-1, net.outputs] - y[block].T
        loss += 0.5 * float((error * error).sum())
        delta[-1, net.outputs] = error
        for t in reversed(moments):
            for unit in reversed(range(net.inputs, net.units)):
                # Until here delta was dL/dphi. No unit has two links from one source at one delay, or of one gate.
                delta[t, unit] *= BY_HAND[str(net.activations[unit])][1](a[t, unit], phi[t, unit])
                links = slice(net.first[unit], net.first[unit + 1])
                carried, through = taken(t, links)
                by_weight[links] += (carried * through) @ delta[t, unit]
                by_bias[unit] += delta[t, unit].sum()
                back = net.weights[links, None] * delta[t, unit]
                delta[t - net.delay[links], net.source[links]] += back * through
                if gated[links].any():
                    some = gated[links]
                    delta[t, net.gate[links][some]] += (back * carried)[some]
    return loss / len(x), net.parameters(by_weight, by_bias) / len(x)
