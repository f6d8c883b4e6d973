"""Net: neurons joined in any shape without cycles, and the delta sweep that differentiates it.

The notation is that of G. Galvan, "On Gradient" (2015). Link weights w_lj lead *from j to l*, and

    a_l     = sum over j of w_lj phi_j  (+ b_l)                          (3)
    phi_l   = sigma(a_l)                                                 (4)
    delta_l = dL/da_l                                                    (5)
    delta_l = sigma'(a_l) * sum over k in P(l) of delta_k w_kl           (7)

where P(l), the *parents* of l, are the neurons that l feeds. (The document's (7) writes w_kl for the weight
that its (6) calls w_lk: the weight of the link from l to k.) The sweep itself is `delta_sweep` in `netcode.py`,
where (3) and (4) are `forward_pass`.

A `Net` keeps its topology in arrays, a `Neuron` or `Link` is a light view of one place in them.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import math
import numbers
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd.netcode import (
    Activation,
    ActivationLike,
    Floats,
    Ints,
    Plan,
    Work,
    block_size,
    blocks,
    delta_sweep,
    find_activation,
    forward_pass,
    input_deltas,
    make_plan,
)
from autograd.op import ABSENT, did_you_mean
from autograd.value import Value, constant

if TYPE_CHECKING:
    from autograd.learn import History


#: Activations whose inputs are drawn wider, because they throw about half of them away (K. He et al., 2015).
RELU_FAMILY = frozenset({"relu", "leaky_relu", "elu", "selu", "silu", "gelu", "softplus"})
INITS = ("xavier", "he", "uniform")

FORMAT, VERSION = "dagrad-net", 1


# Views. -----------------------------------------------------------------------------------------------------


@dataclass(slots=True, repr=False, eq=False)
class Link:
    """A view of one link of a net: its source j, its target l, the weight w_lj and its gradient.

    Args:
        net: the net.
        index: the position in ``net.source``, ``net.target`` and ``net.weights``.
    """

    net: Net
    index: int

    @property
    def source(self) -> Neuron:
        """The neuron j that it leads from."""
        return Neuron(self.net, int(self.net.source[self.index]))

    @property
    def target(self) -> Neuron:
        """The neuron l that it leads to."""
        return Neuron(self.net, int(self.net.target[self.index]))

    @property
    def weight(self) -> float:
        """The weight w_lj; may be set."""
        return float(self.net.weights[self.index])

    @weight.setter
    def weight(self, w: float) -> None:
        self.net.weights[self.index] = _finite(w, f"weight of {self.source.name!r} -> {self.target.name!r}")

    @property
    def gradient(self) -> float | None:
        """dL/dw_lj = mean over the samples of delta_l phi_j, of the last sweep; None before one."""
        gradient = self.net.weight_gradient
        return None if gradient is None else float(gradient[self.index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Link) and self.net is other.net and self.index == other.index

    def __hash__(self) -> int:
        return hash((id(self.net), self.index))

    def __repr__(self) -> str:
        tail = "" if self.gradient is None else f", gradient {self.gradient:.6g}"
        return f"<link {self.source.name} -> {self.target.name}: weight {self.weight:.6g}{tail}>"


@dataclass(slots=True, repr=False, eq=False)
class Neuron:
    """A view of one neuron l (or input) of a net.

    Args:
        net: the net.
        index: the position in ``net.names``.
    """

    net: Net
    index: int

    @property
    def name(self) -> str:
        """Its name."""
        return self.net.names[self.index]

    @property
    def is_input(self) -> bool:
        """Whether it is an input, which has neither activation nor bias."""
        return self.net.activations[self.index] is None

    @property
    def is_output(self) -> bool:
        """Whether the loss sees it."""
        return self.name in self.net._output_names

    @property
    def a(self) -> Any:
        """The pre-activation a_l (3) of the last forward: a float for one sample, else an array [N]."""
        return self.net._shown(self.net.a, self.index)

    @property
    def phi(self) -> Any:
        """The output phi_l = sigma(a_l) (4) of the last forward, shaped as `a`."""
        return self.net._shown(self.net.phi, self.index)

    @property
    def delta(self) -> Any:
        """delta_l = dL/da_l (5) of the last sweep, per sample, shaped as `a`; an input's is dL/dx."""
        return self.net._shown(self.net.delta, self.index)

    @property
    def activation(self) -> Activation | None:
        """The function sigma; None at an input. It may be set, as in ``net.neuron``."""
        return self.net.activations[self.index]

    @activation.setter
    def activation(self, given: ActivationLike) -> None:
        self._refuse_input("activation")
        self.net._activations[self.index] = find_activation(given)
        self.net._changed()

    @property
    def bias(self) -> float:
        """The bias b_l, 0 at an input; may be set."""
        return float(self.net.biases[self.index])

    @bias.setter
    def bias(self, b: float) -> None:
        self._refuse_input("bias")
        self.net.biases[self.index] = _finite(b, f"bias of {self.name!r}")

    @property
    def bias_gradient(self) -> float | None:
        """dL/db_l = mean over the samples of delta_l, of the last sweep; None before one and at an input."""
        gradient = self.net.bias_gradient
        return None if gradient is None or self.is_input else float(gradient[self.index])

    @property
    def level(self) -> int:
        """The length of the longest path that leads here: 0 at an input, 1 at a neuron without sources."""
        return int(self.net.level[self.index])

    @property
    def links_in(self) -> list[Link]:
        """The links that lead here, in the order in which they were made."""
        return [Link(self.net, int(e)) for e in self.net._links_at("target", self.index)]

    @property
    def links_out(self) -> list[Link]:
        """The links that lead from here, in the order in which they were made."""
        return [Link(self.net, int(e)) for e in self.net._links_at("source", self.index)]

    @property
    def sources(self) -> list[Neuron]:
        """The neurons that feed this one, each once."""
        return list(dict.fromkeys(link.source for link in self.links_in))

    @property
    def parents(self) -> list[Neuron]:
        """P(l): the neurons that this one feeds (6), each once."""
        return list(dict.fromkeys(link.target for link in self.links_out))

    def _refuse_input(self, what: str) -> None:
        if self.is_input:
            raise AttributeError(f"{self.name!r} is an input, it has no {what}; only neurons have")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Neuron) and self.net is other.net and self.index == other.index

    def __hash__(self) -> int:
        return hash((id(self.net), self.index))

    def __repr__(self) -> str:
        kind = "input" if self.is_input else "output" if self.is_output else "neuron"
        facts = [] if self.activation is None else [self.activation.name, f"bias {self.bias:.6g}"]
        for label in ("a", "phi", "delta"):
            x = getattr(self, label)
            if x is not None and (label != "a" or not self.is_input):
                facts.append(f"{label} {x:.6g}" if isinstance(x, float) else f"{label} of {len(x)} samples")
        return f"<{kind} {self.name}: {', '.join(facts)}>" if facts else f"<{kind} {self.name}>"


@dataclass(frozen=True, slots=True)
class Expansion:
    """A net written out as a graph of `Value`s for one sample; see `Net.to_values`.

    Attributes:
        inputs: a Value per input.
        weights: a Value per link; after ``loss.backward()`` its ``.grad`` is dL/dw.
        biases: a Value per neuron, None for an input.
        a: a Value per neuron, the pre-activation; after the sweep its ``.grad`` is delta. An input's is the
            input.
        phi: a Value per neuron, the output.
        outputs: the phi of the output neurons.
        loss: the loss, or None when no target was given.
    """

    inputs: list[Value]
    weights: list[Value]
    biases: list[Value | None]
    a: list[Value]
    phi: list[Value]
    outputs: list[Value]
    loss: Value | None


@dataclass(frozen=True, slots=True)
class Objective:
    """The mean loss of a net as a function of its parameters.

    It is called as ``objective(vector, (X, Y)) -> (value, gradient)``, which
    `scipy.optimize.minimize(objective, net.parameters, args=((X, Y),), jac=True)` accepts as it is. It leaves
    the net's own parameters and everything that the net shows untouched.

    Args:
        net: the net.
        loss: a name of `autograd.learn.LOSSES` or a formula ``loss(phi, y)``.
    """

    net: Net
    loss: Any = "mse"

    def __call__(self, vector: ArrayLike, rows: tuple[ArrayLike, ArrayLike]) -> tuple[float, Floats]:
        """Return the mean loss over the rows (X, Y) and its gradient, both at the parameters in `vector`."""
        x, y = rows
        return self.net.loss_and_gradient(x, y, self.loss, parameters=vector)


# The net. ---------------------------------------------------------------------------------------------------


class Net:
    """A net of neurons of any acyclic shape.

    Build it neuron by neuron in any order (`input`, `neuron`, `link`, `output`), from a list of links
    (`from_edges`), in layers (`layered`) or at random (`random`). Then `forward` computes every neuron's a
    and phi, `sweep` every delta and the gradient of the mean loss; ``net["h1"]`` looks at one neuron.

    Args:
        init: how weights that are not given are drawn: "xavier" (normal, variance 2 / (fan-in of the target +
            fan-out of the source)), "he" (normal, variance 2 / fan-in), "uniform" (within +-1/sqrt(fan-in)),
            a number that they all get, or None: "he" for links into relu and its relatives, "xavier" for all
                others.
        seed: of the drawing: an int or a numpy Generator.

    >>> net = Net()
    >>> x1, x2 = net.input("x1"), net.input("x2")
    >>> h = net.neuron("h", activation="relu", sources={"x1": 1.0, "x2": -2.0}, bias=0.5)
    >>> y = net.neuron("y", activation="linear", sources={"h": 3.0, "x1": 1.0}, output=True)
    >>> net.forward([1.0, 0.5])
    array([2.5])
    >>> net.sweep([2.0])
    0.25
    >>> h.delta, x1.delta
    (3.0, 4.0)
    """

    def __init__(self, *, init: Any = None, seed: Any = 0) -> None:
        self._init = _check_init(init)
        self._random = np.random.default_rng(seed)
        self._names: list[str] = []
        self._index: dict[str, int] = {}
        self._activations: list[Activation | None] = []
        self._inputs: list[int] = []
        self._output_names: list[str] = []
        self._biases: Floats = np.empty(0)
        self._source: Ints = np.empty(0, np.intp)
        self._target: Ints = np.empty(0, np.intp)
        self._weights: Floats = np.empty(0)
        # What was added since the arrays were made; `_settle` moves it there.
        self._new_biases: list[float] = []
        self._new_links: list[tuple[str, str, float | None]] = []
        self._changed()

    def _changed(self) -> None:
        """Forget what followed from the structure: the plan, and what the last forward and sweep left."""
        self._plan: Plan | None = None
        self._forget()

    def _forget(self) -> None:
        #: Pre-activations a [n, N] and outputs phi [n, N] of the last `forward`; None before one.
        self.a: Floats | None = None
        self.phi: Floats | None = None
        #: dL^(i)/da per neuron and sample [n, N] of the last `sweep` (an input's is dL^(i)/dx); None before.
        self.delta: Floats | None = None
        #: Gradient of the mean loss by the weights [E] and by the biases [n], and the loss; None before.
        self.weight_gradient: Floats | None = None
        self.bias_gradient: Floats | None = None
        self.loss: float | None = None
        self._one_sample = False
        self._forward_at: tuple[Floats, Floats] | None = None

    # Building. ----------------------------------------------------------------------------------------------

    def input(self, name: str) -> Neuron:
        """Add an input.

        Args:
            name: its name; the columns of the data follow the order in which the inputs were added.

        Raises:
            ValueError: if the name is taken.
        """
        i = self._add(name, None, 0.0)
        self._inputs.append(i)
        return Neuron(self, i)

    def neuron(
        self,
        name: str,
        activation: ActivationLike = "tanh",
        sources: Mapping[str, float] | Iterable[str] = (),
        bias: float = 0.0,
        output: bool = False,
    ) -> Neuron:
        """Add a neuron.

        Args:
            name: its name.
            activation: sigma: "linear", the name of a one-argument row, a row, or a formula of one argument.
            sources: the neurons and inputs that feed it: a mapping of names to weights, or names alone, whose
                weights are drawn (see `Net`). They may be made later.
            bias: b.
            output: whether the loss sees it; the same as ``net.output(name)`` afterwards.

        Raises:
            ValueError: if the name is taken, or the activation is unknown.
        """
        sigma = find_activation(activation)
        if isinstance(sources, str):
            raise TypeError(
                f"neuron {name!r}: sources is a mapping or a list of names, got the text {sources!r}; "
                f"write [{sources!r}]"
            )
        links = [(s, sources[s] if isinstance(sources, Mapping) else None) for s in sources]
        # All is looked at before anything changes.
        for s, w in links:
            _name(s)
            if w is not None:
                _finite(w, f"weight of {s!r} -> {name!r}")
        if output:
            self._new_outputs([name])
        i = self._add(name, sigma, _finite(bias, f"bias of {name!r}"))
        for s, w in links:
            self.link(s, name, w)
        if output:
            self.output(name)
        return Neuron(self, i)

    def link(self, source: str, target: str, weight: float | None = None) -> None:
        """Add a link; a second one between the same neurons is a parallel link, with a weight of its own.

        Args:
            source: name of the neuron or input that it leads from; may be made later.
            target: name of the neuron that it leads to; may be made later.
            weight: the weight; None draws it (see `Net`).
        """
        source, target = _name(source), _name(target)
        if weight is not None:
            weight = _finite(weight, f"weight of {source!r} -> {target!r}")
        if target in self._index and self._activations[self._index[target]] is None:
            raise ValueError(_into_input(source, target))
        self._new_links.append((source, target, weight))
        self._changed()

    def unlink(self, source: str, target: str, which: int | None = None) -> None:
        """Remove the link between two neurons.

        Args:
            source: name of the neuron it leads from.
            target: name of the neuron it leads to.
            which: which of several parallel links, counted from 0.
        """
        e = self._link(source, target, which)
        self._source, self._target = np.delete(self._source, e), np.delete(self._target, e)
        self._weights = np.delete(self._weights, e)
        self._changed()

    def output(self, *names: str) -> None:
        """Declare neurons as outputs, which the loss sees, in this order; an output may also feed others.

        Args:
            names: names of neurons; they may be made later.

        Raises:
            ValueError: if a neuron is an output already.
        """
        self._output_names += self._new_outputs(names)
        self._changed()

    def _new_outputs(self, names: Iterable[str]) -> list[str]:
        new: list[str] = []
        for name in map(_name, names):
            if name in self._output_names or name in new:
                raise ValueError(f"{name!r} is an output already; each neuron is one at most once")
            new.append(name)
        return new

    def _add(self, name: str, sigma: Activation | None, bias: float) -> int:
        name = _name(name)
        if name in self._index:
            raise ValueError(
                f"there is a neuron named {name!r} already; choose another name, "
                f"or look at it with net[{name!r}]"
            )
        self._index[name] = i = len(self._names)
        self._names.append(name)
        self._activations.append(sigma)
        self._new_biases.append(bias)
        self._changed()
        return i

    def _settle(self) -> None:
        """Move what was added into the arrays, now that names should be known, and draw missing weights."""
        if self._new_biases:
            self._biases = np.concatenate([self._biases, self._new_biases])
            self._new_biases = []
        if not self._new_links:
            return
        for s, t, _ in self._new_links:
            for name in (s, t):
                if name not in self._index:
                    raise ValueError(
                        f"the link {s!r} -> {t!r} names {name!r}, which does not exist"
                        f"{did_you_mean(name, self._names)}; make it with net.neuron({name!r}, ...)"
                    )
            if self._activations[self._index[t]] is None:
                raise ValueError(_into_input(s, t))
        source = np.array([self._index[s] for s, _, _ in self._new_links], np.intp)
        target = np.array([self._index[t] for _, t, _ in self._new_links], np.intp)
        weights = np.array([math.nan if w is None else w for _, _, w in self._new_links])
        self._append_links(source, target, weights)
        self._new_links = []

    def _append_links(self, source: Ints, target: Ints, weights: Floats) -> None:
        """Append links given by positions; a weight nan is drawn, for the fan-in that the net then has."""
        self._source = np.concatenate([self._source, source])
        self._target = np.concatenate([self._target, target])
        missing = np.isnan(weights)
        if missing.any():
            s, t = source[missing], target[missing]
            weights = weights.copy()
            weights[missing] = self._draw(s, t)
        self._weights = np.concatenate([self._weights, weights])

    def _draw(self, source: Ints, target: Ints) -> Floats:
        """Draw weights for links of the net; see `Net` for what `init` means."""
        n = len(self._names)
        fan_in = np.bincount(self._target, minlength=n)[target]
        fan_out = np.bincount(self._source, minlength=n)[source]
        if isinstance(self._init, float):
            return np.full(len(source), self._init)
        if self._init == "uniform":
            return self._random.uniform(-1.0, 1.0, len(source)) / np.sqrt(fan_in)
        he = 2.0 / fan_in
        variance = he if self._init == "he" else 2.0 / (fan_in + fan_out)
        if self._init is None:
            wide = np.array([s is not None and s.name in RELU_FAMILY for s in self._activations])[target]
            variance = np.where(wide, he, variance)
        return self._random.standard_normal(len(source)) * np.sqrt(variance)

    # Other ways to build. -----------------------------------------------------------------------------------

    @classmethod
    def from_edges(
        cls,
        edges: Any,
        *,
        activations: Any = "tanh",
        output_activation: ActivationLike = "linear",
        inputs: Iterable[Any] | None = None,
        outputs: Iterable[Any] | None = None,
        weights: ArrayLike | None = None,
        biases: Any = 0.0,
        names: Sequence[str] | None = None,
        init: Any = None,
        seed: Any = 0,
    ) -> Net:
        """Make a net from its links.

        Args:
            edges: tuples (source, target) or (source, target, weight) of names; or an integer array [E, 2] of
                positions, which builds a net of a million links in seconds.
            activations: one activation for all neurons but the outputs; or a mapping of names to activations,
                in which a neuron that is not named gets "tanh" (an output: `output_activation`); or a list
                with one per unit, None for inputs.
            output_activation: that of the outputs.
            inputs: names (positions, for an array of edges) of the inputs; default: what nothing leads to.
            outputs: names (positions) of the outputs; default: the neurons that lead nowhere.
            weights: [E], for edges that have none; drawn if None.
            biases: one number, a mapping of names to numbers (else 0), or a list with one per unit.
            names: for an array of edges, the names by position; default "0", "1", ...
            init: see `Net`.
            seed: see `Net`.

        Raises:
            ValueError: naming the cycle, the unknown or duplicate name, the wrong shape or position.

        >>> net = Net.from_edges([("x", "h", 0.5), ("h", "y", 2.0), ("x", "y", 1.0)])
        >>> net
        <Net: 1 input, 2 neurons, 1 output, 3 links, depth 2>
        """
        net = cls(init=init, seed=seed)
        source, target, own, all_names = _read_edges(edges, weights, names, inputs)
        n = len(all_names)
        net._names, net._index = all_names, {name: i for i, name in enumerate(all_names)}
        if len(net._index) != n:
            twice = next(name for name in all_names if all_names.count(name) > 1)
            raise ValueError(f"the name {twice!r} comes twice in names; names are unique")
        positions = isinstance(edges, np.ndarray)
        # An edge array numbers the units, so a unit that it leaves out is an input.
        fed = np.bincount(target, minlength=n) > 0
        feeds = np.bincount(source, minlength=n) > 0
        net._inputs = (
            np.flatnonzero(~fed).tolist() if inputs is None else net._places(inputs, "input", positions)
        )
        is_input = np.zeros(n, bool)
        is_input[net._inputs] = True
        for s, t in zip(source[is_input[target]][:1], target[is_input[target]][:1], strict=True):
            raise ValueError(_into_input(all_names[s], all_names[t]))
        out = (
            np.flatnonzero(~feeds & ~is_input).tolist()
            if outputs is None
            else net._places(outputs, "output", positions)
        )
        net._output_names = [all_names[i] for i in out]
        net._activations = _spread_activations(activations, output_activation, net._index, is_input, out)
        net._biases = _spread_biases(biases, net._index, is_input)
        net._append_links(source, target, own)
        _ = net.plan  # finds cycles
        return net

    def _places(self, given: Iterable[Any], what: str, positions: bool) -> list[int]:
        """Return the positions of inputs or outputs given by name, or (for an array of edges) by position."""
        places = []
        for x in given.tolist() if isinstance(given, np.ndarray) else given:
            if positions and isinstance(x, numbers.Integral):
                if not 0 <= int(x) < len(self._names):
                    raise ValueError(f"{what} {x} does not exist: the units are 0 to {len(self._names) - 1}")
                places.append(int(x))
            else:
                places.append(self._find(x))
        if len(set(places)) != len(places):
            twice = next(i for i in places if places.count(i) > 1)
            raise ValueError(f"the {what} {self._names[twice]!r} comes twice; list each once")
        return places

    @classmethod
    def layered(
        cls,
        sizes: Sequence[int],
        *,
        activation: Any = "tanh",
        output_activation: ActivationLike = "linear",
        skip: bool = False,
        init: Any = None,
        seed: Any = 0,
    ) -> Net:
        """Make a layered net: every neuron of a layer is fed by the whole layer before.

        Args:
            sizes: number of inputs, of neurons per hidden layer, of outputs.
            activation: of all hidden neurons, or a list with one per hidden layer.
            output_activation: of the outputs.
            skip: whether every layer feeds all later ones, not only the next.
            init: see `Net`.
            seed: see `Net`.

        Inputs are named x1, x2, ..., hidden neurons h1_1 (layer, place), ..., outputs y1, y2, ...

        >>> Net.layered([4, 16, 3], activation="relu")
        <Net: 4 inputs, 19 neurons, 3 outputs, 112 links, depth 2>
        """
        sizes = [as_count(size, "a layer's size") for size in sizes]
        if len(sizes) < 2:
            raise ValueError(
                f"sizes needs at least the inputs and the outputs, such as [4, 16, 3]; got {sizes}"
            )
        hidden = len(sizes) - 2
        listed = list(activation) if isinstance(activation, list | tuple) else [activation] * hidden
        if len(listed) != hidden:
            raise ValueError(
                f"activation lists {len(listed)} for {hidden} hidden layers; give one per hidden layer"
            )
        sigmas = [find_activation(s) for s in [*listed, output_activation]]
        names = [f"x{i + 1}" for i in range(sizes[0])]
        for layer, size in enumerate(sizes[1:-1], 1):
            names += [f"h{layer}_{i + 1}" for i in range(size)]
        names += [f"y{i + 1}" for i in range(sizes[-1])]
        start = np.concatenate([[0], np.cumsum(sizes)])
        edges = []
        for layer in range(1, len(sizes)):
            below = np.arange(0 if skip else start[layer - 1], start[layer])
            here = np.arange(start[layer], start[layer + 1])
            edges.append(np.stack([np.tile(below, len(here)), np.repeat(here, len(below))], axis=1))
        per_unit: list[Any] = [None] * sizes[0]
        for sigma, size in zip(sigmas, sizes[1:], strict=True):
            per_unit += [sigma] * size
        return cls.from_edges(
            np.concatenate(edges),
            activations=per_unit,
            inputs=range(sizes[0]),
            outputs=range(start[-2], start[-1]),
            names=names,
            init=init,
            seed=seed,
        )

    @classmethod
    def random(
        cls,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        fan_in: float = 4.0,
        depth: int | None = None,
        activation: ActivationLike = "tanh",
        output_activation: ActivationLike = "linear",
        init: Any = None,
        seed: Any = 0,
    ) -> Net:
        """Make an irregular net with links that skip levels and no dead neuron, the same for the same seed.

        Args:
            inputs: number of inputs, x1, x2, ...
            hidden: number of hidden neurons, h1, h2, ..., spread over the levels.
            outputs: number of outputs, y1, y2, ..., the last level.
            fan_in: mean number of links into a neuron: one from the level just below (which makes the depth
                exact), the others from anywhere below.
            depth: number of levels above the inputs; default about the square root of the number of neurons.
            activation: of the hidden neurons.
            output_activation: of the outputs.
            init: see `Net`.
            seed: of the topology and of the weights.

        >>> Net.random(3, 10, 2, depth=4, seed=1).depth
        4
        """
        inputs, outputs = as_count(inputs, "inputs"), as_count(outputs, "outputs")
        hidden = as_count(hidden, "hidden", least=0)
        if not 1 <= fan_in < math.inf:
            raise ValueError(f"fan_in is a mean number of links, at least 1; got {fan_in!r}")
        if depth is None:
            depth = 1 + min(hidden, round(math.sqrt(hidden)))
        if not min(2, hidden + 1) <= depth <= hidden + 1:
            raise ValueError(
                f"{hidden} hidden neurons make a depth of {min(2, hidden + 1)} to {hidden + 1}, "
                f"got {depth}; every level needs a neuron"
            )
        rng = np.random.default_rng(seed)
        each, rest = divmod(hidden, max(depth - 1, 1))
        sizes = [inputs, *(each + (i < rest) for i in range(depth - 1)), outputs]
        start = np.concatenate([[0], np.cumsum(sizes)])
        n = int(start[-1])
        level = np.repeat(np.arange(depth + 1), sizes)
        neuron = np.arange(inputs, n)
        below, first = start[level[neuron]], start[level[neuron] - 1]
        more = np.minimum(rng.poisson(fan_in - 1, len(neuron)), below - 1)
        source = np.concatenate([rng.integers(first, below), rng.integers(0, np.repeat(below, more))])
        target = np.concatenate([neuron, np.repeat(neuron, more)])
        dead = np.setdiff1d(np.arange(start[-2]), source)
        source = np.concatenate([source, dead])
        target = np.concatenate([target, rng.integers(start[level[dead] + 1], n)])
        edges = np.unique(np.stack([target, source], axis=1), axis=0)[:, ::-1]
        names = [f"x{i + 1}" for i in range(inputs)] + [f"h{i + 1}" for i in range(hidden)]
        return cls.from_edges(
            edges,
            activations=activation,
            output_activation=output_activation,
            inputs=range(inputs),
            outputs=range(start[-2], n),
            names=names + [f"y{i + 1}" for i in range(outputs)],
            init=init,
            seed=rng,
        )

    # What it is made of. ------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """The names of all units, inputs included, in the order in which they were made."""
        return self._names

    @property
    def inputs(self) -> Ints:
        """Positions of the inputs, in the order of the columns of the data."""
        return np.array(self._inputs, np.intp)

    @property
    def outputs(self) -> Ints:
        """Positions of the outputs, in the order of the columns of the result."""
        return np.array([self._find(name) for name in self._output_names], np.intp)

    @property
    def source(self) -> Ints:
        """Positions [E] of the neurons that the links lead from, in the order of their making."""
        self._settle()
        return _read_only(self._source)

    @property
    def target(self) -> Ints:
        """Positions [E] of the neurons that the links lead to."""
        self._settle()
        return _read_only(self._target)

    @property
    def weights(self) -> Floats:
        """The weights [E]; ``net.weights[e] = w`` and ``net.weights = array`` set them."""
        self._settle()
        return self._weights

    @weights.setter
    def weights(self, given: ArrayLike) -> None:
        self.weights[:] = _vector(given, len(self.weights), "weights", "one per link")

    @property
    def biases(self) -> Floats:
        """The biases [n], 0 and unused at inputs; ``net.biases[i] = b``, ``net.biases = array`` set them."""
        self._settle()
        return self._biases

    @biases.setter
    def biases(self, given: ArrayLike) -> None:
        given = _vector(given, len(self), "biases", "one per unit, inputs included")
        if given[self._inputs].any():
            name = self._names[self._inputs[int(np.flatnonzero(given[self._inputs])[0])]]
            raise ValueError(f"the input {name!r} has no bias; leave 0 there")
        self.biases[:] = given

    @property
    def activations(self) -> list[Activation | None]:
        """The activation of each unit, None for an input."""
        return self._activations

    @property
    def activation_names(self) -> list[str]:
        """The name of each unit's activation, "" for an input."""
        return ["" if sigma is None else sigma.name for sigma in self._activations]

    @property
    def level(self) -> Ints:
        """Per unit [n] the length of the longest path to it: 0 at inputs, at least 1 at neurons."""
        return self.plan.level

    @property
    def depth(self) -> int:
        """The longest path, in links."""
        return int(self.level.max(initial=0))

    @property
    def layers(self) -> list[Ints]:
        """The positions of the units by level; of a layered net, its layers with the inputs first."""
        order = np.argsort(self.level, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.level))[:-1])

    @property
    def plan(self) -> Plan:
        """The order of evaluation; made when first needed and again after a change of the structure.

        Raises:
            ValueError: if the links form a cycle, naming its neurons.
        """
        if self._plan is None:
            self._settle()
            self._plan = make_plan(
                self._source, self._target, self.inputs, self.outputs, self._activations, self._names
            )
        return self._plan

    @property
    def neurons(self) -> list[Neuron]:
        """Views of all units, inputs included, in order."""
        return [Neuron(self, i) for i in range(len(self))]

    @property
    def links(self) -> list[Link]:
        """Views of all links, in the order in which they were made."""
        return [Link(self, e) for e in range(len(self.source))]

    def __getitem__(self, name: str | int) -> Neuron:
        """Return the view of a neuron, by name or by position."""
        if isinstance(name, numbers.Integral):
            if not -len(self) <= int(name) < len(self):
                raise IndexError(f"no unit {name}: the net has {len(self)}")
            return Neuron(self, int(name) % len(self))
        return Neuron(self, self._find(name))

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[Neuron]:
        return iter(self.neurons)

    def __len__(self) -> int:
        """Return the number of units, inputs included."""
        return len(self._names)

    def _find(self, name: Any) -> int:
        name = _name(name)
        if name not in self._index:
            raise UnknownNameError(f"the net has no neuron named {name!r}{did_you_mean(name, self._names)}")
        return self._index[name]

    def _links_at(self, end: str, i: int) -> Ints:
        return np.flatnonzero((self.source if end == "source" else self.target) == i)

    def _link(self, source: str, target: str, which: int | None) -> int:
        """Return the position of the link between two neurons."""
        s, t = self._find(source), self._find(target)
        found = np.flatnonzero((self.source == s) & (self.target == t))
        if not len(found):
            fed_by = ", ".join(repr(x.name) for x in Neuron(self, t).sources[:8]) or "nothing"
            raise UnknownNameError(
                f"there is no link {source!r} -> {target!r}; {target!r} is fed by {fed_by}"
            )
        if which is None and len(found) > 1:
            raise ValueError(
                f"there are {len(found)} parallel links {source!r} -> {target!r}; "
                f"say which=0 to which={len(found) - 1}"
            )
        if which is not None and not 0 <= which < len(found):
            raise ValueError(
                f"which={which}: {len(found)} link(s) lead {source!r} -> {target!r}, counted from 0"
            )
        return int(found[which or 0])

    def weight(self, source: str, target: str, which: int | None = None) -> float:
        """Return the weight of the link from source to target.

        Args:
            source: name of the neuron it leads from.
            target: name of the neuron it leads to.
            which: which of several parallel links, counted from 0.
        """
        place = self._link(source, target, which)  # which may settle the arrays first
        return float(self._weights[place])

    def set_weight(self, source: str, target: str, weight: float, which: int | None = None) -> None:
        """Set the weight of the link from source to target; see `weight` for the arguments."""
        e = self._link(source, target, which)
        self._weights[e] = _finite(weight, f"weight of {source!r} -> {target!r}")

    # Evaluation. --------------------------------------------------------------------------------------------

    def forward(self, x: ArrayLike) -> Floats:
        """Compute every neuron's a and phi, (3) and (4), and keep them to look at and for `sweep`.

        It keeps 2 numbers per neuron and sample; `predict` keeps none.

        Args:
            x: one sample [p], or a batch with a sample per row [N, p].

        Returns:
            The outputs: [q] for one sample, [N, q] for a batch.

        Raises:
            ValueError: for wrong shapes and for data that is not finite, naming row and input.
        """
        rows, one = self._samples(x)
        plan = self._evaluable()
        self._forget()
        a, phi = np.empty((len(self), len(rows))), np.empty((len(self), len(rows)))
        work = Work(plan, self.weights, self.biases, block_size(len(self), len(rows)))
        for block in blocks(len(rows), work.size):
            state = work.state(block.stop - block.start)
            forward_pass(plan, work, rows[block].T, state)
            a[:, block], phi[:, block] = state.a, state.phi[:-1]
        self.a, self.phi, self._one_sample = a, phi, one
        self._forward_at = (self.weights.copy(), self.biases.copy())
        return phi[plan.outputs, 0] if one else phi[plan.outputs].T.copy()

    def sweep(self, y: ArrayLike, loss: Any = "mse") -> float:
        """Sweep back from the loss: every delta, (5) and (7), and the gradient of the mean loss (2).

        Afterwards `delta`, `weight_gradient`, `bias_gradient` and `loss` are there to look at.

        Args:
            y: targets for the samples of the last `forward`: [q] or [N, q] (q = 1: also [N]; class labels:
                see `autograd.learn.softmax_cross_entropy`).
            loss: a name of `autograd.learn.LOSSES` or a formula ``loss(phi, y)`` of the outputs and the
                targets.

        Returns:
            The mean loss L over the samples.

        Raises:
            RuntimeError: if there was no forward, or the parameters changed since.
            ValueError: for wrong shapes and for targets that are not finite.
        """
        from autograd.learn import find_loss

        if self.a is None or self.phi is None or self._forward_at is None:
            raise RuntimeError(
                "sweep needs the a and phi of a forward pass of the net as it is; call net.forward(X) "
                "first, or net.loss_and_gradient(X, Y) which does both"
            )
        weights, biases = self._forward_at
        if not (np.array_equal(weights, self.weights, True) and np.array_equal(biases, self.biases, True)):
            raise RuntimeError(
                "the weights or biases changed since net.forward(X), so its a and phi no longer belong "
                "to them; call net.forward(X) again, then sweep"
            )
        formula, plan, samples = find_loss(loss), self.plan, self.a.shape[1]
        targets = formula.targets(y, samples, len(plan.outputs))
        delta, total = np.empty_like(self.a), 0.0
        work = Work(plan, weights, biases, block_size(len(self), samples))
        for block in blocks(samples, work.size):
            state = work.state(block.stop - block.start)
            state.a[:], state.phi[:-1] = self.a[:, block], self.phi[:, block]
            losses, seeds = formula.value_and_slopes(state.phi[plan.outputs], targets[:, block])
            delta_sweep(plan, work, seeds, state)
            input_deltas(plan, work, state)
            delta[:, block] = state.delta[:-1]
            total += float(losses.sum())
        self.delta, self.loss = delta, total / samples
        self.weight_gradient, self.bias_gradient = work.gradients(samples)
        return self.loss

    def predict(self, x: ArrayLike, *, parameters: ArrayLike | None = None) -> Floats:
        """Return the outputs as `forward` does, keeping nothing: memory stays bounded for any N.

        Args:
            x: samples [N, p], or one [p].
            parameters: evaluate at this vector instead of the net's own.
        """
        rows, one = self._samples(x)
        plan = self._evaluable()
        weights, biases = (self.weights, self.biases) if parameters is None else self._split(parameters)
        out = np.empty((len(rows), len(plan.outputs)))
        work = Work(plan, weights, biases, block_size(len(self), len(rows)))
        for block in blocks(len(rows), work.size):
            state = work.state(block.stop - block.start)
            forward_pass(plan, work, rows[block].T, state)
            out[block] = state.phi[plan.outputs].T
        return out[0] if one else out

    def loss_and_gradient(
        self, x: ArrayLike, y: ArrayLike, loss: Any = "mse", *, parameters: ArrayLike | None = None
    ) -> tuple[float, Floats]:
        """Return the mean loss and its gradient by `parameters`, block by block of samples.

        It keeps nothing and changes nothing that the net shows; memory stays bounded however many the
        samples.

        Args:
            x: samples [N, p], or one [p].
            y: targets, as for `sweep`.
            loss: a name of `autograd.learn.LOSSES` or a formula ``loss(phi, y)``.
            parameters: evaluate at this vector instead of the net's own.

        Returns:
            The loss and the gradient [E + neurons], in the order of `parameters`.
        """
        from autograd.learn import find_loss

        rows, _ = self._samples(x)
        plan, formula = self._evaluable(), find_loss(loss)
        targets = formula.targets(y, len(rows), len(plan.outputs))
        weights, biases = (self.weights, self.biases) if parameters is None else self._split(parameters)
        work, total = Work(plan, weights, biases, block_size(len(self), len(rows))), 0.0
        for block in blocks(len(rows), work.size):
            state = work.state(block.stop - block.start)
            forward_pass(plan, work, rows[block].T, state)
            losses, seeds = formula.value_and_slopes(state.phi[plan.outputs], targets[:, block])
            delta_sweep(plan, work, seeds, state)
            total += float(losses.sum())
        weight_gradient, bias_gradient = work.gradients(len(rows))
        return total / len(rows), np.concatenate([weight_gradient, bias_gradient[self._biased]])

    def objective(self, loss: Any = "mse") -> Objective:
        """Return the mean loss as a function ``(vector, (X, Y)) -> (value, gradient)`` of the parameters.

        Args:
            loss: a name of `autograd.learn.LOSSES` or a formula ``loss(phi, y)``.
        """
        return Objective(self, loss)

    @property
    def parameters(self) -> Floats:
        """All that can be trained as one vector, a copy: the weights [E], then the biases of the neurons.

        Setting it sets them.
        """
        return np.concatenate([self.weights, self.biases[self._biased]])

    @parameters.setter
    def parameters(self, vector: ArrayLike) -> None:
        self._weights[:], self._biases[:] = self._split(vector)

    @property
    def _biased(self) -> NDArray[np.bool_]:
        biased = np.ones(len(self), bool)
        biased[self._inputs] = False
        return biased

    def _split(self, vector: ArrayLike) -> tuple[Floats, Floats]:
        """Return (weights, biases) of a vector of parameters; nan may be in it, as in a diverging search."""
        flat, links, biased = np.asarray(vector, float), len(self.weights), self._biased
        if flat.shape != (links + int(biased.sum()),):
            raise ValueError(
                f"the net has {links} weights and {biased.sum()} biases, so parameters is a vector of "
                f"{links + biased.sum()}; got an array of shape {flat.shape}"
            )
        biases = np.zeros(len(self))
        biases[biased] = flat[links:]
        return flat[:links], biases

    def fit(self, x: ArrayLike, y: ArrayLike, **options: Any) -> History:
        """Train the net; see `autograd.learn.fit` for the options."""
        from autograd.learn import fit

        return fit(self, x, y, **options)

    def _samples(self, x: ArrayLike) -> tuple[Floats, bool]:
        """Return the data as rows [N, p] of floats, and whether it was one sample."""
        rows, p = as_floats(x, "X"), len(self._inputs)
        if rows.ndim not in (1, 2) or rows.shape[-1] != p:
            hint = (
                "; one input per column: for a batch of samples of one input use X.reshape(-1, 1)"
                if p == 1 and rows.ndim == 1
                else ""
            )
            raise ValueError(
                f"the net has {p} input{'s' * (p != 1)}, so X is one sample of shape ({p},) or a batch "
                f"of shape (N, {p}); got shape {rows.shape}{hint}"
            )
        one = rows.ndim == 1
        rows = rows.reshape(-1, p) if p else rows.reshape(1 if one else len(rows), 0)
        if not len(rows):
            raise ValueError(f"X has no samples: its shape is {rows.shape}; give at least one row")
        if not np.isfinite(rows).all():
            i, j = np.argwhere(~np.isfinite(rows))[0]
            raise ValueError(
                f"X[{i}, {j}] (row {i}, input {self._names[self._inputs[j]]!r}) is {rows[i, j]}; data "
                "must be finite: fill or drop such rows first"
            )
        return rows, one

    def _evaluable(self) -> Plan:
        plan = self.plan
        if not len(plan.outputs):
            raise ValueError(
                "the net has no outputs; declare them with net.output(name), or output=True in net.neuron"
            )
        return plan

    def _shown(self, state: Floats | None, i: int) -> Any:
        return None if state is None else float(state[i, 0]) if self._one_sample else state[i]

    # Matrix notation. ---------------------------------------------------------------------------------------

    def matrices(self) -> list[tuple[Floats, Floats]]:
        """Return [(W_1, b_1), ...] of a layered net: W_i [p(i), p(i-1)] leads from layer i-1 to layer i.

        Rows and columns follow `layers`; layer 0 are the inputs. (The document counts the inputs as layer 1.)

        Raises:
            ValueError: if the net is not layered: if a link skips a layer, is missing, or runs parallel to
                another, or the outputs are not the last layer.
        """
        return [(self._weights[links], self._biases[layer]) for links, layer in self._matrix_links()]

    def _matrix_links(self) -> list[tuple[Ints, Ints]]:
        """Return per layer above the inputs a matrix of the links' positions, and the units."""
        self._evaluable()
        source, target, level, layers = self.source, self.target, self.level, self.layers
        skips = np.flatnonzero(level[target] != level[source] + 1)
        if len(skips):
            s, t = source[skips[0]], target[skips[0]]
            raise ValueError(
                f"the net is not layered: the link {self._names[s]!r} -> {self._names[t]!r} leads from "
                f"level {level[s]} to level {level[t]}; use sweep, which takes any shape"
            )
        if set(self.outputs) != set(layers[-1]):
            raise ValueError(
                "the net is not layered: the outputs are not the last layer; use sweep, which takes any shape"
            )
        place = np.empty(len(self), np.intp)
        for layer in layers:
            place[layer] = np.arange(len(layer))
        result = []
        for i, (below, layer) in enumerate(itertools.pairwise(layers), 1):
            links = np.flatnonzero(level[target] == i)
            matrix = np.full((len(layer), len(below)), -1, np.intp)
            matrix[place[target[links]], place[source[links]]] = links
            if len(links) != matrix.size or (matrix < 0).any():
                raise ValueError(
                    f"the net is not layered: layer {i} has {len(links)} links where {len(layer)} neurons "
                    f"with {len(below)} sources have {matrix.size}, one each; use sweep"
                )
            result.append((matrix, layer))
        return result

    def matrix_gradient(
        self, x: ArrayLike, y: ArrayLike, loss: Any = "mse"
    ) -> tuple[float, list[tuple[Floats, Floats]]]:
        """Return the mean loss of a layered net and [(dL/dW_1, dL/db_1), ...], by matrix notation.

        It shares no code with `sweep` and serves to show that both are one: equations (8) to (13) as they
        stand, columns being samples. The document's (13) prints sigma(Delta_i) where sigma'(a_i) is meant.

        Args:
            x: samples [N, p], or one [p].
            y: targets, as for `sweep`.
            loss: as for `sweep`.
        """
        from autograd.learn import find_loss

        rows, _ = self._samples(x)
        matrices, formula = self.matrices(), find_loss(loss)
        samples, layers = len(rows), self.layers
        with np.errstate(all="ignore"):
            x_layer = rows.T[np.argsort(self._inputs)]  # the columns in the order of the layer
            phi, a = [x_layer], [x_layer]  # (8)
            for (w, b), layer in zip(matrices, layers[1:], strict=True):
                a.append(w @ phi[-1] + b[:, None])  # (9)
                phi.append(self._by_activation(layer, Activation.value, a[-1]))  # (10)
            place = np.searchsorted(layers[-1], self.outputs)  # of each output in the last layer
            losses, slopes = formula.value_and_slopes(
                phi[-1][place], formula.targets(y, samples, len(self._output_names))
            )
            upstream = np.empty_like(slopes)
            upstream[place] = slopes
            gradient = []
            for i in range(len(matrices), 0, -1):
                slope = self._by_activation(layers[i], Activation.slope, a[i], phi[i])
                delta = np.where(slope == ABSENT, 0.0, upstream * slope)  # (12), (13)
                gradient.append((delta @ phi[i - 1].T / samples, delta.mean(axis=1)))  # (11)
                upstream = matrices[i - 1][0].T @ delta  # the W^T Delta of (13), for the layer below
        return float(losses.mean()), gradient[::-1]

    def _by_activation(self, layer: Ints, what: Callable[..., Floats], *states: Floats) -> Floats:
        """Apply the value or the slope of each neuron's activation to its row of the states [p(i), N]."""
        result = np.empty_like(states[0])
        for place, unit in enumerate(layer):
            result[place] = what(self._activations[unit], *(x[place] for x in states))
        return result

    # The same net as scalar nodes. --------------------------------------------------------------------------

    def to_values(self, x: ArrayLike, y: ArrayLike | None = None, loss: Any = "mse") -> Expansion:
        """Write the net out as the equal graph of `Value`s for one sample: for teaching, drawing, checking.

        Args:
            x: one sample [p].
            y: its target [q]; without one there is no loss.
            loss: as for `sweep`.

        Returns:
            The nodes; ``.loss.backward()`` then makes the ``.grad`` of the a the deltas.
        """
        from autograd.learn import find_loss

        rows, one = self._samples(x)
        if not one:
            raise ValueError(
                f"to_values takes one sample of shape ({rows.shape[1]},), got a batch of {len(rows)}; "
                "take a row of it"
            )
        plan, names = self._evaluable(), self._names
        source, target = self.source.tolist(), self.target.tolist()
        weights = [
            Value(w, name=f"w_{names[t]}_{names[s]}")
            for w, s, t in zip(self.weights.tolist(), source, target, strict=True)
        ]
        sigmas = self._activations
        biases = [
            None if sigmas[i] is None else Value(b, name=f"b_{names[i]}")
            for i, b in enumerate(self.biases.tolist())
        ]
        links_into: list[list[int]] = [[] for _ in names]
        for e, t in enumerate(target):
            links_into[t].append(e)
        a: list[Any] = [None] * len(self)
        phi: list[Any] = [None] * len(self)
        inputs = [Value(v, name=names[i]) for i, v in zip(self._inputs, rows[0].tolist(), strict=True)]
        for i, v in zip(self._inputs, inputs, strict=True):
            a[i] = phi[i] = v
        for i in np.argsort(plan.level, kind="stable").tolist():
            sigma = sigmas[i]
            if sigma is not None:
                a[i] = biases[i]
                for e in links_into[i]:
                    a[i] = a[i] + weights[e] * phi[source[e]]
                a[i] = a[i] + 0.0 if a[i] is biases[i] else a[i]
                phi[i] = _as_node(sigma.function(a[i]))
        outputs = [phi[i] for i in plan.outputs]
        end = None
        if y is not None:
            formula = find_loss(loss)
            end = _as_node(formula.formula(outputs, formula.targets(y, 1, len(outputs))[:, 0].tolist()))
        return Expansion(inputs, weights, biases, a, phi, outputs, end)

    # Copies and files. --------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        self._settle_if_possible()
        return {**self.__dict__, "_plan": None}

    def _settle_if_possible(self) -> None:
        with contextlib.suppress(
            ValueError
        ):  # a net under construction has links that lead to neurons yet to come
            self._settle()

    def __copy__(self) -> Net:
        """Return an independent net: a copy that shared its arrays would train together with the original."""
        import copy

        return copy.deepcopy(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the net to a file: JSON with a version and a digest, exact to the last bit.

        The file appears whole or not at all: it is written beside the place under another name, then renamed.

        Args:
            path: where to; an existing file is replaced.

        Raises:
            ValueError: if an activation is a formula of the user's, which no file can hold.
        """
        _ = self.plan  # a net that cannot be evaluated is refused here rather than when it is read
        for name, sigma in zip(self._names, self._activations, strict=True):
            if sigma is not None and not sigma.is_row:
                raise ValueError(
                    f"the activation {sigma.name!r} of {name!r} is a formula, which a file cannot hold; "
                    "register it as a row with autograd.primitive(name, value, partial), use that as the "
                    "activation, then save"
                )
        body = {
            "names": self._names,
            "activations": [None if sigma is None else sigma.name for sigma in self._activations],
            "inputs": self._inputs,
            "outputs": self.outputs.tolist(),
            "source": _pack(self.source, "<i8"),
            "target": _pack(self.target, "<i8"),
            "weights": _pack(self.weights, "<f8"),
            "biases": _pack(self.biases, "<f8"),
        }
        text = json.dumps(
            {"format": FORMAT, "version": VERSION, "digest": _digest(body), "net": body}, indent=1
        )
        path = Path(path)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            with open(part, "x", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Net:
        """Read a net that `save` wrote. Nothing in the file is ever executed.

        Args:
            path: the file.

        Raises:
            ValueError: if the file is not ours, cut short, damaged, of a newer version, or uses an activation
                that is not in the table here.
        """
        body = _read_body(path)
        names, index = body["names"], {name: i for i, name in enumerate(body["names"])}
        net = cls()
        net._names, net._index, net._inputs = names, index, body["inputs"]
        try:
            net._activations = [
                None if sigma is None else find_activation(sigma) for sigma in body["activations"]
            ]
        except ValueError as error:
            raise ValueError(
                f"{path}: {error}; a row of your own must be registered with autograd.primitive "
                "before the net is loaded"
            ) from error
        net._output_names = [names[i] for i in body["outputs"]]
        net._source, net._target = body["source"], body["target"]
        net._weights, net._biases = body["weights"], body["biases"]
        _ = net.plan
        return net

    def __repr__(self) -> str:
        p, q = len(self._inputs), len(self._output_names)
        counts = [
            (p, "input"),
            (len(self) - p, "neuron"),
            (q, "output"),
            (len(self._source) + len(self._new_links), "link"),
        ]
        text = ", ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counts)
        try:
            return f"<Net: {text}, depth {self.depth}>"
        except ValueError:  # a link to a neuron not yet made, or a cycle: a repr never raises
            return f"<Net: {text}, under construction>"


def _as_node(x: Any) -> Value:
    """Return a formula's result as a Value, also where the formula does not use its argument."""
    return x if isinstance(x, Value) else constant(x)


class UnknownNameError(KeyError, ValueError):
    """A name that the net does not know."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the quoted repr


# Reading what users give. -----------------------------------------------------------------------------------


def as_floats(given: ArrayLike, what: str) -> Floats:
    """Return data as an array of doubles, without a copy where it is one; refuse what is not real numbers."""
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{what} is not a table of numbers: {error}; rows must have one length") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{what} must hold real numbers, got an array of {array.dtype} (for example {_sample(array)}); "
            "convert it with numpy.asarray(..., float)"
        )
    return array.astype(float, copy=False)


def _sample(array: NDArray[Any]) -> str:
    return repr(array.flat[0])[:40] if array.size else "nothing"


def _vector(given: ArrayLike, size: int, what: str, meaning: str) -> Floats:
    array = as_floats(given, what)
    if array.shape != (size,):
        raise ValueError(f"{what} has shape ({size},), {meaning}; got shape {array.shape}")
    if not np.isfinite(array).all():
        i = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{what}[{i}] is {array[i]}; {what} must be finite")
    return array


def _finite(x: Any, what: str) -> float:
    if isinstance(x, bool) or not isinstance(x, numbers.Real):
        raise TypeError(f"{what}: expected a number, got {x!r}")
    if not math.isfinite(x):
        raise ValueError(f"{what}: expected a finite number, got {x!r}")
    return float(x)


def as_count(x: Any, what: str, least: int = 1) -> int:
    """Return a whole number of any type as an int; refuse what is none, or below `least`."""
    if isinstance(x, bool) or not isinstance(x, numbers.Integral) or x < least:
        raise ValueError(f"{what} is a whole number of at least {least}, got {x!r}")
    return int(x)


def _name(name: Any) -> str:
    """Return a unit's name; the int ids of other packages become text."""
    if isinstance(name, str) and name:
        return name
    if isinstance(name, numbers.Integral) and not isinstance(name, bool):
        return str(name)
    if isinstance(name, Neuron):
        return name.name
    raise TypeError(f"a neuron's name is a text that is not empty (or an int), got {name!r}")


def _into_input(source: str, target: str) -> str:
    return (
        f"the link {source!r} -> {target!r} leads to an input, whose value is given; make {target!r} a "
        "neuron instead, or link to another"
    )


def _check_init(init: Any) -> Any:
    if init is None or (isinstance(init, str) and init in INITS):
        return init
    if isinstance(init, str):
        raise ValueError(
            f"unknown init {init!r}{did_you_mean(init, INITS)}; there are {', '.join(INITS)}, a number, "
            "and None which chooses by activation"
        )
    return _finite(init, "init")


def _read_only(array: Ints) -> Ints:
    view = array.view()
    view.flags.writeable = False
    return view


def _read_edges(
    edges: Any, weights: ArrayLike | None, names: Sequence[str] | None, inputs: Iterable[Any] | None
) -> tuple[Ints, Ints, Floats, list[str]]:
    """Return source, target, weights (nan: to be drawn) and names of `Net.from_edges`."""
    if isinstance(edges, np.ndarray):
        if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
            raise ValueError(
                "an array of edges has integers and shape (E, 2), a row (source, target) per link; got "
                f"{edges.dtype} and shape {edges.shape}; give the weights as weights="
            )
        n = max(int(edges.max(initial=-1)) + 1, len(names or ()))
        if names is not None and len(names) < n:
            raise ValueError(
                f"names lists {len(names)}, but an edge leads to or from unit {n - 1}; name every unit"
            )
        if edges.min(initial=0) < 0:
            raise ValueError(f"a unit of an array of edges is a position from 0 on, got {edges.min()}")
        all_names = [str(i) for i in range(n)] if names is None else [_name(x) for x in names]
        source, target = edges[:, 0].astype(np.intp), edges[:, 1].astype(np.intp)
        own = np.full(len(edges), math.nan)
    else:
        if names is not None:
            raise ValueError("names= goes with an array of positions; these edges bring their own names")
        index: dict[str, int] = {}
        for x in inputs or ():
            index.setdefault(_name(x), len(index))
        s, t, w = [], [], []
        for edge in edges:
            if not isinstance(edge, tuple | list) or len(edge) not in (2, 3):
                raise ValueError(f"an edge is (source, target) or (source, target, weight), got {edge!r}")
            a, b = _name(edge[0]), _name(edge[1])
            s.append(index.setdefault(a, len(index)))
            t.append(index.setdefault(b, len(index)))
            w.append(_finite(edge[2], f"weight of {a!r} -> {b!r}") if len(edge) == 3 else math.nan)
        all_names = list(index)
        source, target, own = np.array(s, np.intp), np.array(t, np.intp), np.array(w, float)
    if weights is not None:
        if not np.isnan(own).all():
            raise ValueError("weights are given twice: in the edges and as weights=; give them once")
        own = _vector(weights, len(source), "weights", "one per edge")
    return source, target, own, all_names


def _spread_activations(
    given: Any, of_outputs: Any, index: Mapping[str, int], is_input: NDArray[np.bool_], outputs: Sequence[int]
) -> list[Activation | None]:
    """Return the activation of every unit, None for inputs; see `Net.from_edges`."""
    if isinstance(given, list | tuple):
        if len(given) != len(index):
            raise ValueError(
                f"activations lists {len(given)} for {len(index)} units; give one per unit, None for inputs"
            )
        made: dict[Any, Activation] = {}
        result: list[Activation | None] = []
        for (name, i), sigma in zip(index.items(), given, strict=True):
            if (sigma is None) != bool(is_input[i]):
                raise ValueError(
                    f"{name!r} is {'an input' if is_input[i] else 'a neuron'}, so its activation is "
                    f"{'None' if is_input[i] else 'a name or a formula'}; got {sigma!r}"
                )
            key = sigma if isinstance(sigma, str) else id(sigma)
            if sigma is not None and key not in made:
                made[key] = find_activation(sigma)
            result.append(None if sigma is None else made[key])
        return result
    common = find_activation("tanh" if isinstance(given, Mapping) else given)
    result = [None if i else common for i in is_input.tolist()]
    of_output = find_activation(of_outputs)
    for i in outputs:
        result[i] = None if is_input[i] else of_output
    for name, sigma in given.items() if isinstance(given, Mapping) else ():
        unit = index.get(_name(name))
        if unit is None or is_input[unit]:
            what = (
                "is an input, which has none"
                if unit is not None
                else "does not exist" + did_you_mean(name, index)
            )
            raise ValueError(f"activations names {name!r}, which {what}")
        result[unit] = find_activation(sigma)
    return result


def _spread_biases(given: Any, index: Mapping[str, int], is_input: NDArray[np.bool_]) -> Floats:
    """Return the bias of every unit, 0 for inputs; see `Net.from_edges`."""
    if isinstance(given, Mapping):
        biases = np.zeros(len(index))
        for name, b in given.items():
            i = index.get(_name(name))
            if i is None:
                raise ValueError(
                    f"biases names {name!r}, which does not exist{did_you_mean(_name(name), index)}"
                )
            biases[i] = _finite(b, f"bias of {name!r}")
    elif isinstance(given, numbers.Real):
        return np.where(is_input, 0.0, _finite(given, "biases"))
    else:
        biases = _vector(given, len(index), "biases", "one per unit, inputs included").copy()
    for i in np.flatnonzero(is_input & (biases != 0))[:1]:
        raise ValueError(f"biases: {list(index)[i]!r} is an input, which has none; leave 0 there")
    return biases


# Files. -----------------------------------------------------------------------------------------------------


def _pack(array: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(array.astype(dtype).tobytes()).decode("ascii")


def _digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _read_body(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a saved net and check everything that the rest relies on; arrays come back unpacked."""
    try:
        file = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not a saved net, or is cut short: it does not read as JSON ({error}); "
            "save it again with net.save"
        ) from None
    if not isinstance(file, dict) or file.get("format") != FORMAT:
        raise ValueError(f'{path} is not a net that net.save wrote: it has no "format": "{FORMAT}"')
    version = file.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise ValueError(
            f"{path} has version {version!r} of the format, this package reads up to {VERSION}; update dagrad"
        )
    body = file.get("net")
    if not isinstance(body, dict) or file.get("digest") != _digest(body):
        raise ValueError(
            f"{path} is damaged: its digest does not fit its content; restore it from a copy, or save "
            "the net again"
        )
    try:
        names, inputs, outputs = body["names"], body["inputs"], body["outputs"]
        arrays = {
            k: np.frombuffer(base64.b64decode(body[k], validate=True), "<i8").astype(np.intp)
            for k in ("source", "target")
        }
        arrays |= {
            k: np.frombuffer(base64.b64decode(body[k], validate=True), "<f8").astype(float)
            for k in ("weights", "biases")
        }
        n, links = len(names), len(arrays["source"])
        units = np.concatenate([arrays["source"], arrays["target"], np.array([*inputs, *outputs], np.intp)])
        fits = (
            all(isinstance(x, str) and x for x in names)
            and len(set(names)) == n
            and len(set(inputs)) == len(inputs)
            and len(set(outputs)) == len(outputs)
            and ((units >= 0) & (units < n)).all()
            and len(arrays["target"]) == len(arrays["weights"]) == links
            and len(arrays["biases"]) == n
            and all(x is None or isinstance(x, str) for x in body["activations"])
            and [i for i, x in enumerate(body["activations"]) if x is None] == sorted(inputs)
            and len(body["activations"]) == n
            and not np.isin(arrays["target"], inputs).any()
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged: {error!r} while reading its arrays; save the net again"
        ) from None
    if not fits:
        raise ValueError(f"{path} is damaged: its arrays do not fit together; save the net again")
    return {**body, **arrays}
