"""Net: neurons joined in any shape, now and over time, and the delta sweep that differentiates it.

The notation is that of G. Galvan, "On Gradient" (2015). Link weights w_lj lead *from j to l*, and

    a_l     = sum over j of w_lj phi_j  (+ b_l)                          (3)
    phi_l   = sigma(a_l)                                                 (4)
    delta_l = dL/da_l                                                    (5)
    delta_l = sigma'(a_l) * sum over k in P(l) of delta_k w_kl           (7)

where P(l), the *parents* of l, are the neurons that l feeds. (The document's (7) writes w_kl for the weight
that its (6) calls w_lk: the weight of the link from l to k.) The equations themselves are in `netsweep.py`.

A link may have a *delay* d and then reads its source d time steps back, which makes a net recurrent; its data are
sequences. A *gate* is a neuron whose phi multiplies a link. So an LSTM is a net like any other (`autograd.layers`).

A `Net` keeps its topology in arrays, a `Neuron` or `Link` is a light view of one place in them.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import itertools
import json
import math
import numbers
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import files, netsweep, ops
from autograd.netgraph import (
    AGGREGATIONS,
    FOLDS,
    Activation,
    ActivationLike,
    Bools,
    Floats,
    Graph,
    Ints,
    find_activation,
    make_graph,
)
from autograd.netsweep import Parameters, Seen, State, Sweep
from autograd.op import ABSENT, did_you_mean
from autograd.value import Value, constant

if TYPE_CHECKING:
    from autograd.diagnose import Flow
    from autograd.learn import History
    from autograd.netcode import NetCode, Places, _AtOnce


#: Activations whose inputs are drawn wider, because they throw about half of them away (K. He et al., 2015).
RELU_FAMILY = frozenset({"relu", "leaky_relu", "elu", "selu", "silu", "gelu", "softplus"})
INITS = ("xavier", "he", "uniform")

Number = TypeVar("Number", bound=np.generic)

FORMAT, VERSION = "dagrad-net", 2

#: The longest delay: a net keeps phi of all units over so many steps.
MAX_DELAY = 2**24
_LONGEST = f"a delay is at most {MAX_DELAY} (2**24), since the states of so many steps are kept"

#: The arrays of a net with an entry per link, in the order of `Net._append_links`, and per unit.
_PER_LINK = ("_source", "_target", "_weights", "_delay", "_gate", "_share", "_trainable")
_PER_UNIT = ("_biases", "_response", "_initial", "_bias_trainable", "_initial_learned")


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
        """The weight w_lj; may be set, also for all that share it."""
        return float(self.net.weights[self.index])

    @weight.setter
    def weight(self, w: float) -> None:
        w = _finite(w, f"weight of {self.source.name!r} -> {self.target.name!r}")
        self.net.weights[self.net._sharing(self.index)] = w

    @property
    def delay(self) -> int:
        """How many time steps back the source is read."""
        return int(self.net.delays[self.index])

    @property
    def gate(self) -> Neuron | None:
        """The neuron whose phi multiplies the link; None without."""
        gate = int(self.net.gates[self.index])
        return None if gate < 0 else Neuron(self.net, gate)

    @property
    def share(self) -> str | None:
        """The name of the weight that it has in common with others; None without."""
        group = int(self.net.shares[self.index])
        return None if group < 0 else self.net._share_names[group]

    @property
    def trainable(self) -> bool:
        """Whether the weight is a parameter, not a constant; may be set, also for all that share it."""
        return bool(self.net.trainable[self.index])

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        what = f"trainable of {self.source.name!r} -> {self.target.name!r}"
        self.net._trainable[self.net._sharing(self.index)] = _flag(trainable, what)
        self.net._layout = None

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
        facts = f", delay {self.delay}" * (self.delay > 0)
        facts += "" if self.gate is None else f", gate {self.gate.name}"
        return f"<link {self.source.name} -> {self.target.name}: weight {self.weight:.6g}{facts}{tail}>"


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
        return self.net._names[self.index]

    @property
    def is_input(self) -> bool:
        """Whether it is an input, which has neither activation nor bias."""
        return self.net._activations[self.index] is None

    @property
    def is_output(self) -> bool:
        """Whether the loss sees it."""
        return self.name in self.net._output_names

    @property
    def a(self) -> Any:
        """The pre-activation a_l (3) of the last forward: a float, [N] for a batch; over time [T] or [N, T]."""
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
        return self.net._activations[self.index]

    @activation.setter
    def activation(self, given: ActivationLike) -> None:
        self._refuse_input("activation")
        self.net._activations[self.index] = find_activation(given)
        self.net._changed()

    @property
    def aggregation(self) -> str:
        """What is done with the weighted sources, a name of `netgraph.AGGREGATIONS`; may be set."""
        return self.net._aggregation.get(self.index, "sum")

    @aggregation.setter
    def aggregation(self, given: str) -> None:
        self._refuse_input("aggregation")
        self.net._aggregate(self.index, _aggregation(given))
        self.net._changed()

    @property
    def response(self) -> float:
        """The factor on the aggregated sources; may be set."""
        return float(self.net.response[self.index])

    @response.setter
    def response(self, factor: float) -> None:
        self._refuse_input("response")
        self.net._settle_units()
        self.net._response[self.index] = _finite(factor, f"response of {self.name!r}")
        self.net._changed()

    @property
    def initial(self) -> float:
        """phi before the first time step, which delayed links read; may be set."""
        return float(self.net.initial[self.index])

    @initial.setter
    def initial(self, phi: float) -> None:
        self.net.initial[self.index] = _finite(phi, f"initial of {self.name!r}")

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
        facts += [self.aggregation] if self.aggregation != "sum" else []
        for label in ("a", "phi", "delta"):
            x = getattr(self, label)
            if x is not None and (label != "a" or not self.is_input):
                facts.append(f"{label} {x:.6g}" if isinstance(x, float) else f"{label} of {self.net._extent(x)}")
        return f"<{kind} {self.name}: {', '.join(facts)}>" if facts else f"<{kind} {self.name}>"


@dataclass(frozen=True, slots=True)
class Expansion:
    """A net written out as a graph of `Value`s for one sample; see `Net.to_values`.

    Of a net with delays, inputs, a, phi and outputs are lists of such lists, one per time step.

    Attributes:
        inputs: a Value per input.
        weights: a Value per link; after ``loss.backward()`` its ``.grad`` is dL/dw.
        biases: a Value per neuron, None for an input.
        a: a Value per neuron, the pre-activation; after the sweep its ``.grad`` is delta. An input's is the
            input.
        phi: a Value per neuron, the output.
        outputs: the phi of the output neurons.
        loss: the loss, or None when no target was given.
        initial: a Value per unit, phi before the first time step.
    """

    inputs: list[Any]
    weights: list[Value]
    biases: list[Value | None]
    a: list[Any]
    phi: list[Any]
    outputs: list[Any]
    loss: Value | None
    initial: list[Value]


@dataclass(frozen=True, slots=True)
class Objective:
    """The mean loss of a net as a function of its parameters.

    It is called as ``objective(vector, (X, Y)) -> (value, gradient)``, which
    `scipy.optimize.minimize(objective, net.parameters, args=((X, Y),), jac=True)` accepts as it is. It leaves
    the net's own parameters and everything that the net shows untouched.

    Args:
        net: the net.
        loss: a name of `autograd.learn.LOSSES` or a formula ``loss(phi, y)``.
        options: `at`, `truncate`, `dtype` and `threads`, as for `Net.loss_and_gradient`.
    """

    net: Net
    loss: Any = "mse"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from autograd.learn import find_loss

        object.__setattr__(self, "loss", find_loss(self.loss))  # one object: its formula is read once

    def __call__(self, vector: ArrayLike, rows: Sequence[Any]) -> tuple[float, Floats]:
        """Return the mean loss and its gradient, both at the parameters in `vector`.

        Args:
            vector: the parameters.
            rows: (X, Y), or (X, Y, lengths) for sequences that differ in length.
        """
        if not isinstance(rows, tuple | list) or len(rows) not in (2, 3):
            raise ValueError("the rows of an objective are (X, Y), or (X, Y, lengths) for sequences of many lengths")
        x, y, *lengths = rows
        options = {**self.options, "lengths": lengths[0]} if lengths else self.options
        return self.net.loss_and_gradient(x, y, self.loss, parameters=vector, **options)

    def prepare(self, rows: Sequence[Any]) -> Callable[[ArrayLike], tuple[float, Floats]]:
        """Return the objective on certain rows as a function of the parameters alone, for many calls.

        All checks are done here, once, so that a call takes a few microseconds beside the net itself. The data must
        stay as they are; what is no parameter, frozen weights say, is read here and not again.

        Args:
            rows: (X, Y), or (X, Y, lengths).

        >>> net = Net.layered([2, 3, 1])
        >>> f = net.objective().prepare(([[0.0, 1.0]], [1.0]))
        >>> value, gradient = f(net.parameters)
        """
        if not isinstance(rows, tuple | list) or len(rows) not in (2, 3):
            raise ValueError("the rows of an objective are (X, Y), or (X, Y, lengths) for sequences of many lengths")
        x, y, *lengths = rows
        return self.net._prepared(x, y, self.loss, lengths[0] if lengths else None, self.options)


# The net. ---------------------------------------------------------------------------------------------------


class Net:
    """A net of neurons of any shape; only a cycle within one time step is refused.

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
        self._aggregation: dict[int, str] = {}  # of the neurons that do not just sum
        # Per unit.
        self._biases: Floats = np.empty(0)
        self._response: Floats = np.empty(0)
        self._initial: Floats = np.empty(0)
        self._bias_trainable: Bools = np.empty(0, bool)
        self._initial_learned: Bools = np.empty(0, bool)
        # Per link; gates are positions or -1, shares positions in the names or -1.
        self._source: Ints = np.empty(0, np.intp)
        self._target: Ints = np.empty(0, np.intp)
        self._weights: Floats = np.empty(0)
        self._delay: Ints = np.empty(0, np.intp)
        self._gate: Ints = np.empty(0, np.intp)
        self._share: Ints = np.empty(0, np.intp)
        self._trainable: Bools = np.empty(0, bool)
        self._share_names: list[str] = []
        self._live: Floats | None = None  # phi of the last D steps of `step`, [N, D, n]
        # What was added since the arrays were made; `_settle` moves it there.
        self._new_units: list[tuple[float, float, float, bool]] = []  # bias, response, initial, trainable
        self._new_links: list[_NewLink] = []
        # Of every name that links share: the first link in the arrays, or the weight and whether it is trainable.
        self._shared: dict[str, int | tuple[float | None, bool]] | None = None
        self._changed()

    def _changed(self) -> None:
        """Forget what followed from the structure, and what the last forward and sweep left."""
        self._graph: Graph | None = None
        self._passes: Sweep | None = None
        self._layout: _Layout | None = None
        self._native: NetCode | None = None
        self._native_of: _Layout | None = None
        self._shown_names: tuple[str, ...] | None = None
        self._shown_activations: tuple[Activation | None, ...] | None = None
        self._forget()
        self.reset()

    def _forget(self) -> None:
        #: Pre-activations a and outputs phi of the last `forward`, [n, N] or, of a net with delays, [n, N, T];
        #: None before one.
        self.a: Floats | None = None
        self.phi: Floats | None = None
        #: dL^(i)/da per neuron and sample, shaped as a, of the last `sweep` (an input's is dL^(i)/dx); None before.
        self.delta: Floats | None = None
        #: dL^(i)/dphi of the outputs by the loss itself, [q, N] or [q, N, T]; None before a sweep.
        self.output_slopes: Floats | None = None
        #: Gradient of the mean loss by the weights [E] and by the biases [n], and the loss; None before.
        self.weight_gradient: Floats | None = None
        self.bias_gradient: Floats | None = None
        #: Gradient by the states before the first time step [n]; None before a sweep.
        self.initial_gradient: Floats | None = None
        self.loss: float | None = None
        self._one_sample = False
        self._forwarded: _Forwarded | None = None

    # Building. ----------------------------------------------------------------------------------------------

    def input(self, name: str) -> Neuron:
        """Add an input.

        Args:
            name: its name; the columns of the data follow the order in which the inputs were added. An int, as the
                ids of other packages are, is the text that it is written as: -1 becomes "-1".

        Raises:
            ValueError: if the name is taken.
        """
        i = self._add(name, None)
        self._inputs.append(i)
        return Neuron(self, i)

    def neuron(
        self,
        name: str,
        activation: ActivationLike = "tanh",
        sources: Mapping[str, float] | Iterable[str] = (),
        bias: float = 0.0,
        output: bool = False,
        *,
        aggregation: str = "sum",
        response: float = 1.0,
        initial: float = 0.0,
        trainable: bool = True,
    ) -> Neuron:
        """Add a neuron.

        Args:
            name: its name; an int becomes a text, as in `input`.
            activation: sigma: "linear", the name of a one-argument row, a row, or a formula of one argument.
            sources: the neurons and inputs that feed it: a mapping of names to weights, or names alone, whose
                weights are drawn (see `Net`). They may be made later.
            bias: b.
            output: whether the loss sees it; the same as ``net.output(name)`` afterwards.
            aggregation: what is done with the w_j phi_j: "sum", "mean", "product", "max", "min" or "maxabs" (the one
                of the largest magnitude, with its sign). Then a = bias + response * aggregation, as in NEAT. A neuron
                without links has a = bias whatever its aggregation.
            response: a constant factor.
            initial: phi before the first time step, which delayed links read then.
            trainable: whether the bias is a parameter, not a constant.

        Raises:
            ValueError: if the name is taken, or the activation or aggregation is unknown.
            TypeError: if a number, a name or a bool is none.
        """
        name, sigma = _name(name), find_activation(activation)
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
        aggregation = _aggregation(aggregation)
        trainable = _flag(trainable, f"trainable of {name!r}")
        if _flag(output, f"output of {name!r}"):
            self._new_outputs([name])
        bias, response = _finite(bias, f"bias of {name!r}"), _finite(response, f"response of {name!r}")
        initial = _finite(initial, f"initial of {name!r}")
        i = self._add(name, sigma, bias, response, initial, trainable)
        self._aggregate(i, aggregation)
        for s, w in links:
            self.link(s, name, w)
        if output:
            self.output(name)
        return Neuron(self, i)

    def link(
        self,
        source: str,
        target: str,
        weight: float | None = None,
        *,
        delay: int = 0,
        gate: str | None = None,
        trainable: bool = True,
        share: str | None = None,
    ) -> None:
        """Add a link; a second one between the same neurons is a parallel link, with a weight of its own.

        Args:
            source: name of the neuron or input that it leads from; may be made later.
            target: name of the neuron that it leads to; may be made later.
            weight: the weight; None draws it (see `Net`), or takes that of the links that share it.
            delay: how many time steps back the source is read. Cycles are nets over time if a link of theirs has one.
            gate: name of a neuron or input whose phi, at the time of the target, multiplies the link:
                w * phi_source(t - delay) * phi_gate(t). It may be made later.
            trainable: whether the weight is a parameter, not a constant.
            share: a name; all links with this name have one weight, which is one parameter.

        Raises:
            ValueError: if the link leads to an input, the delay is negative or more than 2**24, or links that share a
                weight are given several, or are constants in part.
            TypeError: if a number, a name or a bool is none.
        """
        source, target = _name(source), _name(target)
        if weight is not None:
            weight = _finite(weight, f"weight of {source!r} -> {target!r}")
        delay = as_count(delay, f"the delay of {source!r} -> {target!r}", least=0)
        if delay > MAX_DELAY:
            raise ValueError(f"the delay of {source!r} -> {target!r} is {delay}; {_LONGEST}")
        trainable = _flag(trainable, f"trainable of {source!r} -> {target!r}")
        if target in self._index and self._activations[self._index[target]] is None:
            raise ValueError(_into_input(source, target))
        new = _NewLink(source, target, weight, delay, None if gate is None else _name(gate), trainable, share)
        if share is not None:
            new = self._join(new, share)
        self._new_links.append(new)
        self._changed()

    def _join(self, new: _NewLink, share: str) -> _NewLink:
        """Return the new link with the weight of those that share it, after checking that they agree."""
        if not isinstance(share, str) or not share:
            raise TypeError(f"share is the name of a weight that links have in common, got {share!r}")
        if self._shared is None:
            groups, first = np.unique(self._share, return_index=True)
            of = zip(groups.tolist(), first.tolist(), strict=True)
            self._shared = {self._share_names[group]: e for group, e in of if group >= 0}
            self._shared |= {
                link.share: (link.weight, link.trainable)
                for link in sorted(self._new_links, key=lambda link: link.weight is not None)
                if link.share is not None and link.share not in self._shared
            }
        known = self._shared.get(share, (None, new.trainable))
        if isinstance(known, int):
            known = float(self._weights[known]), bool(self._trainable[known])
        weight, trainable = known
        if trainable != new.trainable:
            raise ValueError(
                f"the link {new.source!r} -> {new.target!r} shares the weight {share!r}, which is "
                f"{'trainable' if trainable else 'a constant'}; give trainable={trainable} here too"
            )
        if weight is None:
            weight = new.weight
        elif new.weight not in (None, weight):
            raise ValueError(
                f"the link {new.source!r} -> {new.target!r} shares the weight {share!r}, which is {weight!r}, but is "
                f"given {new.weight!r}; leave out the weight, or set it for all: net.links[e].weight = {new.weight!r}"
            )
        if not isinstance(self._shared.get(share), int):
            self._shared[share] = weight, trainable
        return new._replace(weight=weight)

    def unlink(self, source: str, target: str, which: int | None = None) -> None:
        """Remove the link between two neurons, also one that names a unit which was never made.

        Args:
            source: name of the neuron it leads from.
            target: name of the neuron it leads to.
            which: which of several parallel links, counted from 0.
        """
        ends = _name(source), _name(target)
        waiting = [k for k, link in enumerate(self._new_links) if (link.source, link.target) == ends]
        if any(self._missing(self._new_links[k]) is not None for k in waiting):
            # It has no position, so it is looked for among those that wait; the others come before it.
            s, t = (self._index.get(end, -1) for end in ends)
            settled = np.flatnonzero((self._source == s) & (self._target == t))
            e = _which(len(settled) + len(waiting), *ends, which)
            if e >= len(settled):
                del self._new_links[waiting[e - len(settled)]]
                self._shared = None
                self._changed()
                return
            place = int(settled[e])
        else:
            place = self._link(source, target, which)  # which may settle the arrays first
        self._keep_links(np.arange(len(self._source)) != place)

    def relink(
        self, source: str, target: str, which: int | None = None, *, to: str | None = None, of: str | None = None
    ) -> None:
        """Let a link lead elsewhere, with its weight and all else that it has.

        Args:
            source: name of the neuron it leads from.
            target: name of the neuron it leads to.
            which: which of several parallel links, counted from 0.
            to: name of the neuron that it shall lead to.
            of: name of the neuron or input that it shall lead from.
        """
        e = self._link(source, target, which)
        s, t = self._find(source if of is None else of), self._find(target if to is None else to)
        if self._activations[t] is None:
            raise ValueError(_into_input(self._names[s], self._names[t]))
        self._source[e], self._target[e] = s, t
        self._changed()

    def remove(self, *names: str) -> None:
        """Remove neurons or inputs with all links that lead to them, lead from them, or have them as gates.

        All other parameters stay as they are. What no longer reaches the loss is listed by `unreachable`.

        Args:
            names: their names; also that of an output which was declared but never made.
        """
        self._settle()
        gone = np.zeros(len(self), bool)
        removed = {_name(name): None for name in names}
        gone[[self._find(name) for name in removed if name in self._index or name not in self._output_names]] = True
        kept = np.flatnonzero(~gone).tolist()
        # All is made before anything changes: a net that is half renumbered would compute with wrong units.
        links = self._links_where(~(gone[self._source] | gone[self._target] | (self._gate >= 0) & gone[self._gate]))
        place = np.cumsum(~gone) - 1
        source, target, gate = links["_source"], links["_target"], links["_gate"]
        left = {
            **links,
            **{key: getattr(self, key)[~gone] for key in _PER_UNIT},
            "_source": place[source],
            "_target": place[target],
            "_gate": np.where(gate < 0, -1, place[gate]) if len(gate) else gate,
            "_inputs": [int(place[i]) for i in self._inputs if not gone[i]],
            "_aggregation": {int(place[i]): how for i, how in self._aggregation.items() if not gone[i]},
            "_output_names": [name for name in self._output_names if name not in removed],
            "_names": [self._names[i] for i in kept],
            "_activations": [self._activations[i] for i in kept],
            "_index": {self._names[i]: k for k, i in enumerate(kept)},
        }
        self.__dict__.update(left)
        self._shared = None
        self._changed()

    def prune(self, *names: str, below: float | None = None) -> int:
        """Remove weak links, or neurons.

        Args:
            names: with `below`, the neurons whose links are looked at, default all; without it, neurons to `remove`.
            below: links whose weight is smaller in magnitude are removed.

        Returns:
            How many links were removed.
        """
        links = len(self.source)
        if below is None:
            if not names:
                raise ValueError("prune needs below=, a least magnitude of weights, or names of neurons to remove")
            self.remove(*names)
        else:
            weak = np.abs(self._weights) < _finite(below, "below")
            if names:
                weak &= np.isin(self._target, [self._find(name) for name in names])
            self._keep_links(~weak)
        return links - len(self._source)

    def _keep_links(self, kept: Bools) -> None:
        self.__dict__.update(self._links_where(kept))
        self._shared = None
        self._changed()

    def _links_where(self, kept: Bools) -> dict[str, NDArray[Any]]:
        """Return the arrays of the links that are kept, by attribute."""
        return {key: getattr(self, key)[kept] for key in _PER_LINK}

    def freeze(self, *names: str) -> None:
        """Make the weights of the links into these neurons, and their biases, constants.

        A weight that is shared becomes a constant everywhere. The state before the first step, if `learn_initial` made
        it a parameter, stays one.

        Args:
            names: names of neurons.
        """
        self._set_trainable(names, False)

    def unfreeze(self, *names: str) -> None:
        """Make the weights of the links into these neurons, and their biases, parameters again; see `freeze`."""
        self._set_trainable(names, True)

    def _set_trainable(self, names: Iterable[str], trainable: bool) -> None:
        units = [self._find(name) for name in names]
        for i in units:
            Neuron(self, i)._refuse_input("weights and no bias")
        self._settle()
        links = np.isin(self._target, units)
        self._trainable[links | np.isin(self._share, self._share[links & (self._share >= 0)])] = trainable
        self._bias_trainable[units] = trainable
        self._layout = None

    def learn_initial(self, *names: str, learned: bool = True) -> None:
        """Make the states of units before the first time step parameters, or (learned=False) constants again.

        Args:
            names: names of neurons or inputs.
            learned: whether they are parameters.
        """
        units, learned = [self._find(name) for name in names], _flag(learned, "learned")
        self._settle_units()
        self._initial_learned[units] = learned
        self._layout = None

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

    def _add(
        self,
        name: str,
        sigma: Activation | None,
        bias: float = 0.0,
        response: float = 1.0,
        initial: float = 0.0,
        trainable: bool = True,
    ) -> int:
        name = _name(name)
        if name in self._index:
            raise ValueError(
                f"there is a neuron named {name!r} already; choose another name, "
                f"or look at it with net[{name!r}]"
            )
        self._index[name] = i = len(self._names)
        self._names.append(name)
        self._activations.append(sigma)
        self._new_units.append((bias, response, initial, trainable))
        self._changed()
        return i

    def _aggregate(self, i: int, aggregation: str) -> None:
        if aggregation == "sum":
            self._aggregation.pop(i, None)
        else:
            self._aggregation[i] = aggregation

    def _settle_units(self) -> None:
        """Move the units that were added into the arrays."""
        if self._new_units:
            biases, response, initial, trainable = zip(*self._new_units, strict=True)
            self._append_units(np.array(biases), np.array(response), np.array(initial), np.array(trainable))
            self._new_units = []

    def _append_units(self, biases: Floats, response: Floats, initial: Floats, trainable: Bools) -> None:
        self._biases = np.concatenate([self._biases, biases])
        self._response = np.concatenate([self._response, response])
        self._initial = np.concatenate([self._initial, initial])
        self._bias_trainable = np.concatenate([self._bias_trainable, trainable])
        self._initial_learned = np.concatenate([self._initial_learned, np.zeros(len(biases), bool)])

    def _settle(self) -> None:
        """Move what was added into the arrays, now that names should be known, and draw missing weights."""
        self._settle_units()
        if not self._new_links:
            return
        for link in self._new_links:
            s, t, name = link.source, link.target, self._missing(link)
            if name is not None:
                what = "gate of the link" if name not in (s, t) else "link"
                raise ValueError(
                    f"the {what} {s!r} -> {t!r} names {name!r}, which does not exist"
                    f"{did_you_mean(name, self._names)}; make it with net.neuron({name!r}, ...), or take the link back "
                    f"with net.unlink({s!r}, {t!r})"
                )
            if self._activations[self._index[t]] is None:
                raise ValueError(_into_input(s, t))
        new, index = self._new_links, self._index
        groups = {name: i for i, name in enumerate(self._share_names)}
        share = [-1 if link.share is None else groups.setdefault(link.share, len(groups)) for link in new]
        self._append_links(
            np.array([index[link.source] for link in new], np.intp),
            np.array([index[link.target] for link in new], np.intp),
            np.array([math.nan if link.weight is None else link.weight for link in new]),
            np.array([link.delay for link in new], np.intp),
            np.array([-1 if link.gate is None else index[link.gate] for link in new], np.intp),
            np.array(share, np.intp),
            np.array([link.trainable for link in new], bool),
        )
        self._share_names, self._new_links, self._shared = list(groups), [], None

    def _missing(self, link: _NewLink) -> str | None:
        """Return the first unit that a link names and that does not exist; None if there are all."""
        ends = (link.source, link.target) if link.gate is None else (link.source, link.target, link.gate)
        return next((name for name in ends if name not in self._index), None)

    def _append_links(
        self, source: Ints, target: Ints, weights: Floats, delay: Ints, gate: Ints, share: Ints, trainable: Bools
    ) -> None:
        """Append links given by positions; a weight nan is drawn, for the fan-in that the net then has."""
        missing = np.isnan(weights)
        if missing.any():
            weights = weights.copy()
            weights[missing] = self._draw(source, target, missing)
        sharing = np.flatnonzero(share >= 0)
        if len(sharing):  # the first that is given counts, else the first that was drawn
            given_first = sharing[np.argsort(missing[sharing], kind="stable")]
            _, first, group = np.unique(share[given_first], return_index=True, return_inverse=True)
            weights[given_first] = weights[given_first[first[group]]]
        new = source, target, weights, delay, gate, share, trainable
        pairs = zip(_PER_LINK, new, strict=True)
        self.__dict__.update({key: np.concatenate([getattr(self, key), more]) for key, more in pairs})

    def _sharing(self, e: int) -> Ints:
        """Return the positions of the links with the weight of link e."""
        group = self.shares[e]
        return np.array([e]) if group < 0 else np.flatnonzero(self._share == group)

    def _draw(self, source: Ints, target: Ints, missing: Bools) -> Floats:
        """Draw the weights that are missing of links that come to the net; see `Net` for what `init` means."""
        n = len(self._names)
        into = np.bincount(self._target, minlength=n) + np.bincount(target, minlength=n)
        out_of = np.bincount(self._source, minlength=n) + np.bincount(source, minlength=n)
        source, target = source[missing], target[missing]
        fan_in: Ints = into[target]
        fan_out: Ints = out_of[source]
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
        delays: ArrayLike | None = None,
        gates: Sequence[Any] | NDArray[Any] | None = None,
        trainable: ArrayLike | None = None,
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
            delays: [E] how many time steps back each link reads its source; None is 0. Of `delays`, `gates` and
                `trainable` see `link`.
            gates: [E] names (positions, for an array of edges) of the links' gates, None (-1) where there is none.
            trainable: [E] whether each weight is a parameter; None is all.
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
        net._append_units(_spread_biases(biases, net._index, is_input), np.ones(n), np.zeros(n), np.ones(n, bool))
        links = len(source)
        net._append_links(
            source,
            target,
            own,
            np.zeros(links, np.intp) if delays is None else _delays(delays, links),
            np.full(links, -1, np.intp) if gates is None else net._gates_of(gates, links, positions),
            np.full(links, -1, np.intp),
            np.ones(links, bool) if trainable is None else _flags(trainable, links),
        )
        _ = net.graph  # finds cycles
        return net

    def _gates_of(self, gates: Iterable[Any], links: int, positions: bool) -> Ints:
        """Return the positions of the gates of `from_edges`, -1 where there is none."""
        given = gates.tolist() if isinstance(gates, np.ndarray) else list(gates)
        if len(given) != links:
            raise ValueError(f"gates lists {len(given)} for {links} edges; give one per edge, None where there is none")
        result = np.full(links, -1, np.intp)
        for e, gate in enumerate(given):
            if gate is not None and not (positions and isinstance(gate, numbers.Integral) and gate == -1):
                (result[e],) = self._places([gate], "gate", positions)
        return result

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
        start, skip = np.concatenate([[0], np.cumsum(sizes)]), _flag(skip, "skip")
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
        depth = as_count(depth, "depth", least=0)
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
        dead = np.flatnonzero(np.bincount(source, minlength=n)[: start[-2]] == 0)
        source = np.concatenate([source, dead])
        target = np.concatenate([target, rng.integers(start[level[dead] + 1], n)])
        links = np.sort(target * n + source)
        target, source = np.divmod(links[np.diff(links, prepend=-1) > 0], n)  # each once
        names = [f"x{i + 1}" for i in range(inputs)] + [f"h{i + 1}" for i in range(hidden)]
        return cls.from_edges(
            np.stack([source, target], axis=1),
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
    def names(self) -> tuple[str, ...]:
        """The names of all units, inputs included, in the order in which they were made."""
        if self._shown_names is None:
            self._shown_names = tuple(self._names)
        return self._shown_names

    @property
    def inputs(self) -> Ints:
        """Positions of the inputs, in the order of the columns of the data."""
        return np.array(self._inputs, np.intp)

    @property
    def outputs(self) -> Ints:
        """Positions of the outputs, in the order of the columns of the result."""
        for name in self._output_names:
            if name not in self._index:
                raise UnknownNameError(
                    f"the net has no neuron named {name!r}, which is an output{did_you_mean(name, self._names)}; make "
                    f"it with net.neuron({name!r}, ...), or take the output back with net.remove({name!r})"
                )
        return np.array([self._index[name] for name in self._output_names], np.intp)

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
    def initial(self) -> Floats:
        """phi of the units before the first time step [n]; ``net.initial[i] = phi``, ``net.initial = array`` set it."""
        self._settle_units()
        return self._initial

    @initial.setter
    def initial(self, given: ArrayLike) -> None:
        self.initial[:] = _vector(given, len(self), "initial", "one per unit")

    @property
    def response(self) -> Floats:
        """The factor on the aggregated sources of every neuron [n]; set it by ``net[name].response``."""
        self._settle_units()
        return _read_only(self._response)

    @property
    def delays(self) -> Ints:
        """How many time steps back each link reads its source [E]."""
        self._settle()
        return _read_only(self._delay)

    @property
    def gates(self) -> Ints:
        """Positions of the neurons whose phi multiplies the links [E], -1 where there is none."""
        self._settle()
        return _read_only(self._gate)

    @property
    def shares(self) -> Ints:
        """Which links share a weight [E]: those with one number; -1 where a link has its own."""
        self._settle()
        return _read_only(self._share)

    @property
    def trainable(self) -> Bools:
        """Whether each weight is a parameter [E]; see `freeze`, or set it by a link."""
        self._settle()
        return _read_only(self._trainable)

    @property
    def aggregations(self) -> list[str]:
        """The aggregation of each unit, "" for an input."""
        of = self._aggregation
        return ["" if sigma is None else of.get(i, "sum") for i, sigma in enumerate(self._activations)]

    @property
    def activations(self) -> tuple[Activation | None, ...]:
        """The activation of each unit, None for an input; set one by ``net[name].activation``."""
        if self._shown_activations is None:
            self._shown_activations = tuple(self._activations)
        return self._shown_activations

    @property
    def activation_names(self) -> list[str]:
        """The name of each unit's activation, "" for an input."""
        return ["" if sigma is None else sigma.name for sigma in self._activations]

    @property
    def level(self) -> Ints:
        """Per unit [n] the longest path to it without delays: 0 at inputs, at least 1 at neurons."""
        return self.graph.level[: len(self)]

    @property
    def max_delay(self) -> int:
        """D, the longest delay of a link; 0 for a net without delays."""
        return self.graph.max_delay

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
    def graph(self) -> Graph:
        """The net as the sweep sees it; made when first needed and again after a change of the structure.

        Raises:
            ValueError: if links without delay and gates form a cycle, naming its neurons.
        """
        if self._graph is None:
            self._settle()
            self._graph = make_graph(
                self._names,
                self._activations,
                self.inputs,
                self.outputs,
                self._source,
                self._target,
                self._delay if self._delay.any() else None,
                self._gate if (self._gate >= 0).any() else None,
                self._aggregation,
                self._response,
            )
        return self._graph

    @property
    def unreachable(self) -> list[str]:
        """Names of the neurons from which no path leads to an output: their gradient is 0."""
        return [
            name
            for name, reaches, sigma in zip(self._names, self.graph.reaches.tolist(), self._activations, strict=False)
            if sigma is not None and not reaches
        ]

    @property
    def neurons(self) -> list[Neuron]:
        """Views of all units, inputs included, in order."""
        return [Neuron(self, i) for i in range(len(self))]

    @property
    def links(self) -> list[Link]:
        """Views of all links, in the order in which they were made."""
        return [Link(self, e) for e in range(len(self.source))]

    def __getitem__(self, name: str | int) -> Neuron:
        """Return the view of a neuron, by name or by position.

        A text is a name, an int is a position in `names`, from the end if it is negative. So of a net whose names came
        as the ints of another package, such as neat-python's ids -1, 0, 1, the neuron with id 0 is ``net["0"]``. All
        methods that take names, `link` say, take the int for the name.
        """
        if isinstance(name, numbers.Integral):
            if not -len(self) <= int(name) < len(self):
                raise IndexError(f"no unit {name}: the net has {len(self)}")
            return Neuron(self, int(name) % len(self))
        return Neuron(self, self._find(name))

    def __contains__(self, name: object) -> bool:
        """Return whether ``net[name]`` finds a neuron: by name, or for an int by position."""
        if isinstance(name, numbers.Integral):
            return -len(self) <= int(name) < len(self)
        return (name.name if isinstance(name, Neuron) else name) in self._index

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
        return int(found[_which(len(found), source, target, which)])

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
        Link(self, self._link(source, target, which)).weight = weight

    # Evaluation. --------------------------------------------------------------------------------------------

    def forward(self, x: ArrayLike, *, lengths: ArrayLike | None = None, state: ArrayLike | None = None) -> Floats:
        """Compute every neuron's a and phi, (3) and (4), and keep them to look at and for `sweep`.

        It keeps 2 numbers per neuron, sample and time step; `predict` keeps none.

        Args:
            x: one sample [p], or a batch with a sample per row [N, p]. Of a net with delays one sequence [T, p], or a
                batch of them [N, T, p].
            lengths: [N] how many steps of each sequence count; default all. What comes after is computed all the same.
            state: phi of all units in the steps before the first, the oldest first: [D, n], or [N, D, n] for a batch,
                where D is the longest delay. It takes the place of the neurons' `initial`. See `last_state`.

        Returns:
            The outputs: [q] for one sample, [N, q] for a batch; of a net with delays [T, q] and [N, T, q].

        Raises:
            ValueError: for wrong shapes and for data that is not finite, naming row and input.
            MemoryError: if the states are larger than the machine's memory.
        """
        data = self._data(x, lengths, state)
        passes, at = self._evaluable(), self._current()
        samples, steps, _ = data.x.shape
        _refuse_too_large(
            2 * passes.graph.size * samples * (steps + passes.graph.max_delay),
            "forward keeps a and phi of every unit, sample and step",
            "give it fewer samples at a time; predict and loss_and_gradient take any number of them",
        )
        self._forget()
        before = passes.frames(at.initial, samples, data.state)
        kept = passes.forward(at, data.x.transpose(1, 2, 0), before)
        at = Parameters(*(part.copy() for part in at))
        self._forwarded = _Forwarded(at, kept, data.lengths, data.state is not None)
        self.a, self.phi = self._by_unit(kept.a), self._by_unit(kept.phi[passes.graph.max_delay :])
        self._one_sample = data.one
        return self._shaped(kept.phi[passes.graph.max_delay :, passes.graph.outputs].transpose(2, 0, 1), data.one)

    def sweep(
        self,
        y: ArrayLike,
        loss: Any = "mse",
        *,
        lengths: ArrayLike | None = None,
        at: str | None = None,
        truncate: int | None = None,
    ) -> float:
        """Sweep back from the loss: every delta, (5) and (7), and the gradient of the mean loss (2).

        Afterwards `delta`, `weight_gradient`, `bias_gradient`, `initial_gradient` and `loss` are there to look at.

        Args:
            y: targets for the samples of the last `forward`: [q] or [N, q] (q = 1: also [N]; class labels:
                see `autograd.learn.softmax_cross_entropy`). For sequences one per time step, [T, q] or [N, T, q], or
                one for the last step, [q] or [N, q].
            loss: a name of `autograd.learn.LOSSES` or a formula ``loss(phi, y)`` of the outputs and the
                targets.
            lengths: [N] how many steps of each sequence count; default those given to `forward`.
            at: "all" or "last": the steps that the loss sees; default by the shape of Y.
            truncate: let no gradient pass from one window of so many steps to the one before (truncated
                back-propagation through time); None passes it through all steps.

        Returns:
            The mean loss L over the samples; with a loss at every step, over all steps that count.

        Raises:
            RuntimeError: if there was no forward, or the parameters changed since.
            ValueError: for wrong shapes and for targets that are not finite.
        """
        if self._forwarded is None:
            raise RuntimeError(
                "sweep needs the a and phi of a forward pass of the net as it is; call net.forward(X) "
                "first, or net.loss_and_gradient(X, Y) which does both"
            )
        done, passes = self._forwarded, self._evaluable()
        if not all(np.array_equal(x, y, True) for x, y in zip(done.at, self._current(), strict=True)):
            raise RuntimeError(
                "the weights or biases changed since net.forward(X), so its a and phi no longer belong "
                "to them; call net.forward(X) again, then sweep"
            )
        (steps, _, samples), back = done.state.a.shape, passes.graph.max_delay
        self._refuse_without_delays("lengths", lengths)
        counted = done.lengths if lengths is None else self._lengths(lengths, samples, steps)
        seen = self._seen(y, loss, counted, at, steps, self._one_sample)
        window = self._window(truncate, steps)
        delta, total = np.empty_like(done.state.a), 0.0
        sent = np.empty((steps, len(passes.graph.outputs), samples))
        gradient = Parameters(*map(np.zeros_like, done.at))
        for part in netsweep.slices(steps, window):
            state = State(done.state.a[part], done.state.phi[part.start : part.stop + back])
            losses, sent[part] = seen.part(slice(0, samples), part).losses(state.phi[back:, passes.graph.outputs])
            within, add = passes.backward(done.at, state, sent[part])
            delta[part], total = within[back:], total + losses
            gradient = Parameters(
                gradient.weights + add.weights,
                gradient.biases + add.biases,
                add.initial if part.start == 0 and not done.given_state else gradient.initial,
            )
        self.delta, self.output_slopes = self._by_unit(delta), self._by_unit(sent)
        self.loss = total / len(seen.row)
        self.weight_gradient, self.bias_gradient, self.initial_gradient = (x / len(seen.row) for x in gradient)
        return self.loss

    def predict(
        self,
        x: ArrayLike,
        *,
        parameters: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        at: str | None = None,
        state: ArrayLike | None = None,
        dtype: Any = np.float64,
    ) -> Floats:
        """Return the outputs as `forward` does, keeping nothing: memory stays bounded for any N.

        Args:
            x: samples [N, p], or one [p]; of a net with delays sequences [N, T, p], or one [T, p].
            parameters: evaluate at this vector instead of the net's own.
            lengths: [N] how many steps of each sequence count; what comes after is computed all the same.
            at: "last" returns the outputs at the last step that counts alone, [N, q] or [q].
            state: see `forward`.
            dtype: float64, or float32, which is faster.
        """
        data = self._data(x, lengths, state)
        self._require_outputs()
        self._check_at(at)
        found = self._natively(lambda code: code.predict(
            self._vector(parameters), self._fixed(code), data.x, state=data.state, dtype=_dtype(dtype)
        ))  # fmt: skip
        out: Floats = found
        if found is None:
            out = netsweep.predict(self._evaluable(), self._at(parameters), data.x, data.state)
        if at == "last":
            out = out[np.arange(len(out)), data.lengths - 1]
            return out[0] if data.one else out
        return self._shaped(out, data.one)

    def loss_and_gradient(
        self,
        x: ArrayLike,
        y: ArrayLike,
        loss: Any = "mse",
        *,
        parameters: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        at: str | None = None,
        truncate: int | None = None,
        state: ArrayLike | None = None,
        dtype: Any = np.float64,
        threads: int | None = None,
    ) -> tuple[float, Floats]:
        """Return the mean loss and its gradient by `parameters`, block by block of samples, as native code.

        It keeps nothing and changes nothing that the net shows. The numbers are those of `forward` and `sweep`, added
        in another order. Memory stays bounded however many the samples: every thread takes about three numbers per
        unit, time step and sample of a block, which are 16 to 64. Where that were more than 256 MB, for long
        sequences, the states are kept at some steps alone and computed again between them.

        Args:
            x: samples [N, p], or one [p]; of a net with delays sequences [N, T, p], or one [T, p].
            y: targets, as for `sweep`.
            loss: a name of `autograd.learn.LOSSES` or a formula ``loss(phi, y)``.
            parameters: evaluate at this vector instead of the net's own.
            lengths: see `forward`.
            at: see `sweep`.
            truncate: see `sweep`; memory then stays bounded however long the sequences.
            state: see `forward`.
            dtype: float64; or float32, in which a net takes half the time. The gradient is added up in float64 then,
                too, and returned in it.
            threads: how many threads at most; None: one for every processor, if there is work for them. The result
                does not depend on it.

        Returns:
            The loss and the gradient, in the order of `parameters`.
        """
        self._require_outputs()
        data, kind = self._data(x, lengths, state), _dtype(dtype)
        steps = data.x.shape[1]
        seen = self._seen(y, loss, data.lengths, at, steps, data.one)
        window = self._window(truncate, steps)
        found: tuple[float, Floats] | None = self._natively(lambda code: code.loss_and_gradient(
            self._vector(parameters), self._fixed(code), data.x, seen, code.loss(seen), state=data.state,
            truncate=window if window < steps else None, dtype=kind, threads=threads,
        ))  # fmt: skip
        if found is not None:
            return found
        # Where something is not finite, the sweep tells what there is from what a path that is not there would give.
        _refuse_too_large(
            3 * self.graph.size * (window + self.max_delay),
            "a sweep through time needs a, phi and delta of every unit and step",
            "cut the sequences, or say truncate=100 for windows of 100 steps",
        )
        total, gradient = netsweep.loss_and_gradient(
            self._evaluable(), self._at(parameters), data.x, seen, data.state, window if window < steps else None
        )
        return total, self._collect(*gradient)

    def _prepared(
        self, x: ArrayLike, y: ArrayLike, loss: Any, lengths: ArrayLike | None, options: Mapping[str, Any]
    ) -> Callable[[ArrayLike], tuple[float, Floats]]:
        """Return `loss_and_gradient` on the same data as a function of the parameters; see `Objective.prepare`."""
        options = {**options, "lengths": lengths}
        # Once in full: everything is checked, and the code is made.
        self.loss_and_gradient(x, y, loss, **options)
        made_for = self._parameter_layout()
        data, kind = self._data(x, lengths), _dtype(options.get("dtype", np.float64))
        seen = self._seen(y, loss, data.lengths, options.get("at"), data.x.shape[1], data.one)
        call = None
        if options.get("truncate") is None:
            call = self._natively(lambda code: code.prepared_for(
                self._fixed(code), data.x, seen, code.loss(seen), kind, options.get("threads")
            ))  # fmt: skip

        def evaluate(vector: ArrayLike) -> tuple[float, Floats]:
            if self._layout is not made_for:
                raise RuntimeError(
                    "the net has changed since the objective was prepared (its structure, an activation, or what is "
                    "trainable); call prepare again"
                )
            flat = self._vector(vector)
            found: tuple[float, Floats] | None = None if call is None else call(flat)
            return found if found is not None else self.loss_and_gradient(x, y, loss, parameters=flat, **options)

        return evaluate

    def _batches(
        self, x: ArrayLike, y: ArrayLike, loss: Any, *, lengths: ArrayLike | None = None, at: str | None = None,
        truncate: int | None = None, dtype: Any = np.float64, threads: int | None = None,
    ) -> Callable[[ArrayLike, Ints], tuple[float, Floats]]:  # fmt: skip
        """Return `loss_and_gradient` of some of the samples as a function of parameters and rows: checked once."""
        self._require_outputs()
        data, kind = self._data(x, lengths), _dtype(dtype)
        samples, steps, _ = data.x.shape
        seen = self._seen(y, loss, data.lengths, at, steps, data.one)
        window = self._window(truncate, steps)
        start = np.searchsorted(seen.row, np.arange(samples + 1))
        simple = len(seen.row) == samples
        # Batches have their numbers of rows in common; where all see the last step alone, their calls, too.
        calls: dict[int, _AtOnce | None] = {}
        alike = simple and bool((seen.step == steps - 1).all())

        def evaluate(vector: ArrayLike, rows: Ints) -> tuple[float, Floats]:
            if simple:
                some = Seen(seen.loss, np.arange(len(rows)), seen.step[rows], seen.targets[:, rows])
            else:
                counts = start[rows + 1] - start[rows]
                row = np.repeat(np.arange(len(rows)), counts)
                places = start[rows][row] + np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
                some = Seen(seen.loss, row, seen.step[places], seen.targets[:, places])
            flat, part = self._vector(vector), data.x[rows]
            truncated = window if window < steps else None

            def native(code: NetCode) -> tuple[float, Floats] | None:
                call = calls.get(len(rows))
                if call is not None and call.net is code:
                    return call.with_data(part, some)(flat)
                fixed, program = self._fixed(code), code.loss(seen)
                if alike and truncated is None and not code.reads_formulas:
                    call = calls[len(rows)] = code.prepared_for(fixed, part, some, program, kind, threads)
                    if call is not None:
                        return call(flat)
                return code.loss_and_gradient(
                    flat, fixed, part, some, program, truncate=truncated, dtype=kind, threads=threads
                )

            found: tuple[float, Floats] | None = self._natively(native)
            if found is not None:
                return found
            total, gradient = netsweep.loss_and_gradient(
                self._evaluable(), self._expand(flat), part, some, None, truncated
            )
            return total, self._collect(*gradient)

        return evaluate

    def _natively(self, call: Callable[[NetCode], Any]) -> Any:
        """Return the result of a call of the net's native code; None, with a warning, where a formula has none."""
        from autograd.netcode import NetCode, Places
        from autograd.rowcode import NoCodeError

        layout = self._parameter_layout()
        if self._native is None or self._native_of is not layout:
            places = layout.in_vector(len(self._weights), len(self), Places)
            self._native, self._native_of = NetCode(self.graph, places, self._native), layout
        try:
            return call(self._native)
        except NoCodeError as error:
            warnings.warn(f"{error}; it runs on the plain sweep, which is slower", RuntimeWarning, stacklevel=4)
            return None

    def _vector(self, parameters: ArrayLike | None) -> Floats:
        if parameters is None:
            return self.parameters
        flat, layout = np.asarray(unmasked(parameters, "parameters")), self._parameter_layout()
        if flat.shape != (layout.size,) or flat.dtype.kind not in "fiub":
            self._expand(parameters)  # which says what is wrong
        return np.ascontiguousarray(flat, float)

    def _fixed(self, code: NetCode) -> Floats:
        return code.fixed(self._weights, self._biases, self._initial)

    def objective(self, loss: Any = "mse", **options: Any) -> Objective:
        """Return the mean loss as a function of the parameters: ``(vector, (X, Y)) -> (value, gradient)``.

        Args:
            loss: a name of `autograd.learn.LOSSES` or a formula ``loss(phi, y)``.
            options: `at`, `truncate`, `dtype`, `threads` of `loss_and_gradient`. The rows may be (X, Y, lengths), too.
        """
        unknown = set(options) - {"at", "truncate", "dtype", "threads"}
        if unknown:
            raise TypeError(
                f"objective has no option {sorted(unknown)[0]!r}; there are at, truncate, dtype and threads"
            )
        return Objective(self, loss, options)

    # Live. --------------------------------------------------------------------------------------------------

    def step(self, x: ArrayLike) -> Floats:
        """Advance the net live by one time step, from the state in which the last step left it.

        Args:
            x: the inputs of this step: [p], or [N, p] for N streams side by side.

        Returns:
            The outputs [q], or [N, q].

        >>> net = Net()
        >>> x, total = net.input("x"), net.neuron("total", "linear", {"x": 1.0}, output=True)
        >>> net.link("total", "total", 1.0, delay=1)
        >>> [net.step([x]).item() for x in (1.0, 2.0, 3.0)]
        [1.0, 3.0, 6.0]
        """
        rows, one = self._checked(x, over_time=False)
        self._require_outputs()
        state = self._live
        if state is not None and len(state) != len(rows):
            raise ValueError(
                f"step got {len(rows)} streams, but the state is that of {len(state)}; call net.reset() to begin anew"
            )
        found = self._natively(lambda code: code.step(self.parameters, self._fixed(code), rows[:, None], state))
        if found is None:
            passes, at = self._evaluable(), self._current()
            before = passes.frames(at.initial, len(rows), state)
            phi = passes.forward(at, rows.T[None], before).phi
            found = phi[-1, self.graph.outputs].T, phi[1:, : len(self)].transpose(2, 0, 1)
        out: Floats
        out, self._live = found
        return out[0] if one else out

    def reset(self) -> None:
        """Forget the state that `step` keeps: the next step is the first again."""
        self._live = None

    @property
    def last_state(self) -> Floats | None:
        """phi of all units in the last D steps of the last `forward`, to go on from there with ``state=``.

        [D, n] for one sequence, [N, D, n] for a batch; of each the last steps that count. None before a forward.
        """
        if self._forwarded is None:
            return None
        phi, lengths = self._forwarded.state.phi, self._forwarded.lengths
        frames = lengths[:, None] + np.arange(self.graph.max_delay)
        state: Floats = phi[frames, : len(self), np.arange(len(lengths))[:, None]]
        return state[0] if self._one_sample else state

    # Parameters. --------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Floats:
        """All that can be trained as one vector, a copy: weights, biases of the neurons, learned initial states.

        The weights are in the order of the links, without constants; one that is shared is there once, at the first of
        its links. Setting the vector sets them.
        """
        at, layout = self._current(), self._parameter_layout()
        weights = at.weights if layout.links is None else at.weights[layout.links]
        return np.concatenate([weights, at.biases[layout.biases], at.initial[layout.initial]])

    @parameters.setter
    def parameters(self, vector: ArrayLike) -> None:
        self._weights[:], self._biases[:], self._initial[:] = self._expand(vector)

    def parameter_names(self) -> list[str]:
        """Return what each parameter is: "w h1 <- x1", "share name", "b h1", "initial h1".

        >>> Net.from_edges([("x", "h"), ("h", "y")]).parameter_names()
        ['w h <- x', 'w y <- h', 'b h', 'b y']
        """
        layout, names = self._parameter_layout(), self._names
        links = np.arange(len(self._source)) if layout.links is None else layout.links
        ends = zip(self._target[links].tolist(), self._source[links].tolist(), strict=True)
        result = [f"w {names[t]} <- {names[s]}" for t, s in ends]
        delay, gate, share = self._delay[links], self._gate[links], self._share[links]
        for k in np.flatnonzero(delay > 0).tolist():
            result[k] += f" (t-{delay[k]})"
        for k in np.flatnonzero(gate >= 0).tolist():
            result[k] += f" * {names[gate[k]]}"
        for k in np.flatnonzero(share >= 0).tolist():
            result[k] = f"share {self._share_names[share[k]]}"
        if len(set(result)) < len(result):  # parallel links
            seen = dict[str, int]()
            for k, name in enumerate(result):
                seen[name] = seen.get(name, 0) + 1
                result[k] = name if seen[name] == 1 else f"{name} #{seen[name]}"
        result += [f"b {names[i]}" for i in layout.biases.tolist()]
        return result + [f"initial {names[i]}" for i in layout.initial.tolist()]

    def _parameter_layout(self) -> _Layout:
        if self._layout is None:
            self._settle()
            links: Ints | None = None
            places: Ints | None = None
            count = len(self._weights)
            if not self._trainable.all() or (self._share >= 0).any():
                # Every link stands for itself but those that share a weight: these for the first of them.
                _, at, back = np.unique(self._share, return_index=True, return_inverse=True)
                first = np.where(self._share >= 0, at[back], np.arange(count))
                links = np.flatnonzero(self._trainable & (first == np.arange(count)))
                own = np.full(count, -1, np.intp)
                own[links] = np.arange(len(links))
                places = np.where(self._trainable, own[first], -1)
                count = len(links)
            biased = self._bias_trainable.copy()
            biased[self._inputs] = False
            self._layout = _Layout(
                links, places, count, np.flatnonzero(biased), np.flatnonzero(self._initial_learned)
            )
        return self._layout

    def _expand(self, vector: ArrayLike) -> Parameters:
        """Return the weights [E], biases [n] and initial states [n] that a vector of parameters stands for.

        nan may be in it, as in a diverging search.
        """
        flat, layout = as_floats(vector, "parameters"), self._parameter_layout()
        counts = layout.count, len(layout.biases), len(layout.initial)
        if flat.shape != (sum(counts),):
            more = f" and {counts[2]} initial states" * (counts[2] > 0)
            raise ValueError(
                f"the net has {counts[0]} weights and {counts[1]} biases{more}, so parameters is a vector of "
                f"{sum(counts)}; got an array of shape {flat.shape}"
            )
        weights, own, learned = np.split(flat, np.cumsum(counts[:2]).tolist())
        if layout.places is not None:
            weights = np.where(layout.places >= 0, np.append(weights, 0.0)[layout.places], self._weights)
        biases, initial = self._biases.copy(), self._initial.copy()
        biases[layout.biases], initial[layout.initial] = own, learned
        return Parameters(weights, biases, initial)

    def _collect(self, by_weight: Floats, by_bias: Floats, by_initial: Floats) -> Floats:
        """Return the gradient by the vector of parameters: what `_expand` is the linear map of, transposed."""
        layout = self._parameter_layout()
        if layout.places is not None:
            free = layout.places >= 0
            by_weight = np.bincount(layout.places[free], by_weight[free], layout.count).astype(float, copy=False)
        return np.concatenate([by_weight, by_bias[layout.biases], by_initial[layout.initial]])

    def _current(self) -> Parameters:
        """Return the net's own parameters, after a look at whether weights that are shared are equal."""
        at = Parameters(self.weights, self.biases, self.initial)
        if self._share_names:
            sharing = np.flatnonzero(self._share >= 0)
            value = np.zeros(len(self._share_names))
            value[self._share[sharing[::-1]]] = at.weights[sharing[::-1]]
            first, own = value[self._share[sharing]], at.weights[sharing]
            for e in sharing[(first != own) & ~(np.isnan(first) & np.isnan(own))][:1]:  # nan: a search that diverged
                one, other = value[self._share[e]], at.weights[e]
                raise ValueError(
                    f"links that share the weight {self._share_names[self._share[e]]!r} have the weights {one:.6g} "
                    f"and {other:.6g}; set one for all: net.links[{e}].weight = {one:.6g}"
                )
        return at

    def _at(self, parameters: ArrayLike | None) -> Parameters:
        return self._current() if parameters is None else self._expand(parameters)

    def diagnose(self, x: ArrayLike, y: ArrayLike, **options: Any) -> Flow:
        """Return where the gradient vanishes, explodes or dies; see `autograd.diagnose.diagnose` for the options."""
        from autograd.diagnose import diagnose

        return diagnose(self, x, y, **options)

    def fit(self, x: ArrayLike, y: ArrayLike, **options: Any) -> History:
        """Train the net; see `autograd.learn.fit` for the options."""
        from autograd.learn import fit

        return fit(self, x, y, **options)

    def _samples(self, x: ArrayLike, lengths: ArrayLike | None = None) -> tuple[Floats, bool]:
        """Return the data as floats [N, p], of a net with delays [N, T, p], and whether it was one sample."""
        data = self._data(x, lengths)
        return data.x if self.graph.max_delay else data.x[:, 0], data.one

    def _data(self, x: ArrayLike, lengths: ArrayLike | None = None, state: ArrayLike | None = None) -> _Data:
        """Return data sets of all kinds as [N, T, p] after checking them."""
        back, n = self.graph.max_delay, len(self)
        self._refuse_without_delays("lengths", lengths)
        self._refuse_without_delays("state", state)
        rows, one = self._checked(x, bool(back), lengths)
        rows = rows if back else rows[:, None]
        samples, steps = rows.shape[:2]
        counted = self._lengths(lengths, samples, steps)
        before = None if state is None else as_floats(state, "state")
        if before is not None:
            before = before[None] if one and before.ndim == 2 else before
            if before.shape != (samples, back, n):
                raise ValueError(
                    f"state is phi of the {n} units in the {back} step{'s' * (back != 1)} before the first, of shape "
                    f"({samples}, {back}, {n}); got shape {before.shape}"
                )
            if not np.isfinite(before).all():
                i, d, k = np.argwhere(~np.isfinite(before))[0]
                raise ValueError(f"state[{i}, {d}, {k}] (unit {self._names[k]!r}) is {before[i, d, k]}, not finite")
        return _Data(rows, counted, one, before)

    def _checked(self, x: ArrayLike, over_time: bool, lengths: ArrayLike | None = None) -> tuple[Floats, bool]:
        """Return data as [N, p], over time [N, T, p], and whether it was one sample; its numbers are finite."""
        rows, p = as_floats(x, "X"), len(self._inputs)
        least = 1 + over_time
        if rows.ndim not in (least, least + 1) or rows.shape[-1] != p:
            plural = "s" * (p != 1)
            if over_time:
                what = f"one sequence of shape (T, {p}) or a batch of shape (N, T, {p}); it has delays"
                hint = "; for one input use X[..., None]" if p == 1 and rows.ndim in (1, 2) else ""
            else:
                what = f"one sample of shape ({p},) or a batch of shape (N, {p})"
                hint = (
                    "; one input per column: for a batch of samples of one input use X.reshape(-1, 1)"
                    if p == 1 and rows.ndim == 1
                    else "; a net without delays takes no sequences"
                    if rows.ndim == 3
                    else ""
                )
            raise ValueError(f"the net has {p} input{plural}, so X is {what}; got shape {rows.shape}{hint}")
        one = rows.ndim == least
        rows = rows[None] if one else rows
        if not len(rows):
            raise ValueError(f"X has no samples: its shape is {np.shape(x)}; give at least one row")
        if over_time and not rows.shape[1]:
            raise ValueError(f"X has no time steps: its shape is {np.shape(x)}; give at least one")
        finite = np.isfinite(rows)
        if finite.all():
            return rows, one
        wrong = ~finite
        if over_time:
            counted = self._lengths(lengths, *rows.shape[:2])
            wrong &= (np.arange(rows.shape[1]) < counted[:, None])[:, :, None]
        for i, *t, j in np.argwhere(wrong)[:1]:
            where = (
                f"X[{i}, {t[0]}, {j}] (sequence {i}, step {t[0]}, " if over_time else f"X[{i}, {j}] (row {i}, "
            )
            raise ValueError(
                f"{where}input {self._names[self._inputs[j]]!r}) is {rows[(i, *t, j)]}; data "
                "must be finite: fill or drop such rows first"
            )
        return np.where(finite, rows, 0.0), one  # what comes after a sequence's end is as if 0 stood there

    def _lengths(self, lengths: ArrayLike | None, samples: int, steps: int) -> Ints:
        """Return how many steps of each sequence count [N]."""
        if lengths is None:
            return np.full(samples, steps)
        given = np.asarray(unmasked(lengths, "lengths"))
        given = given.reshape(1) if given.ndim == 0 else given
        if given.shape != (samples,) or given.dtype.kind not in "iu":
            raise ValueError(
                f"lengths has a whole number per sequence, of shape ({samples},); "
                f"got {given.dtype} of shape {given.shape}"
            )
        for i in np.flatnonzero((given < 1) | (given > steps))[:1]:
            raise ValueError(
                f"sequence {i} has length {given[i]}, but X has {steps} step{'s' * (steps != 1)}; a length is from 1 "
                f"to {steps}"
            )
        return given.astype(np.intp)

    def _window(self, truncate: int | None, steps: int) -> int:
        self._refuse_without_delays("truncate", truncate)
        return steps if truncate is None else as_count(truncate, "truncate")

    def _check_at(self, at: Any) -> None:
        self._refuse_without_delays("at", at)
        if at not in (None, "all", "last"):
            raise ValueError(f'at is "all" or "last", the steps that count, got {at!r}')

    def _refuse_without_delays(self, what: str, given: Any) -> None:
        if given is not None and not self.graph.max_delay:
            raise ValueError(
                f"{what}= goes with sequences, but the net has no delays; leave it out, or give a link a delay"
            )

    def _seen(self, y: ArrayLike, loss: Any, lengths: Ints, at: str | None, steps: int, one: bool) -> Seen:
        """Return what the loss sees, with the targets after checking them."""
        from autograd.learn import find_loss

        formula, samples, q, y = find_loss(loss), len(lengths), len(self._output_names), unmasked(y, "Y")
        rows = np.arange(samples)
        self._check_at(at)
        if not self.graph.max_delay:
            return Seen(formula, rows, np.zeros(samples, np.intp), formula.targets(y, samples, q))
        as_floats(y, "Y")  # numbers of a kind that everyone takes; labels stay integers
        given = np.asarray(y)
        given = given[None] if one and given.ndim < 3 else given
        at = self._when(given, formula, at, samples, steps, q)
        if at == "last":
            return Seen(formula, rows, lengths - 1, formula.targets(given, samples, q))
        row, step = np.nonzero(np.arange(steps) < lengths[:, None])
        places = given[row, step]
        for m, *k in np.argwhere(~np.isfinite(places))[:1]:
            raise ValueError(
                f"Y[{row[m]}, {step[m]}] (sequence {row[m]}, step {step[m]}) is {places[(m, *k)]}; targets must be "
                "finite: fill or drop such rows first"
            )
        try:
            return Seen(formula, row, step, formula.targets(places, len(row), q))
        except ValueError as error:
            raise ValueError(f"{error} (rows are the {len(row)} steps that count, sequence after sequence)") from None

    def _when(self, y: NDArray[Any], loss: Any, at: str | None, samples: int, steps: int, q: int) -> str:
        """Return whether targets are for all steps or for the last: by their shape, if not by word."""
        from autograd.learn import LOSSES

        known = loss.formula in LOSSES.values()
        labels = known and loss.formula is LOSSES["softmax_cross_entropy"] and y.dtype.kind in "iu"
        single = y.shape == (samples, steps) and (q == 1 or labels or not known)
        fits = {
            "all": single or (y.ndim == 3 and y.shape[:2] == (samples, steps)),
            "last": y.shape == (samples,) or (y.ndim == 2 and len(y) == samples and (y.shape[1] == q or not known)),
        }
        found = [when for when, fit in fits.items() if fit and at in (None, when)]
        if len(found) == 2 and steps == 1:
            found = ["last"]
        if not found:
            raise ValueError(
                f"Y has a row per step and sequence, shape ({samples}, {steps}, {q}), or one for the last of each, "
                f"shape ({samples}, {q}); got shape {y.shape}" + (f' with at="{at}"' if at else "")
            )
        if len(found) == 2:
            raise ValueError(
                f'Y of shape {y.shape} may be targets for all steps or for the last; say at="all" or at="last"'
            )
        return found[0]

    def _require_outputs(self) -> None:
        if not len(self.graph.outputs):
            raise ValueError(
                "the net has no outputs; declare them with net.output(name), or output=True in net.neuron"
            )

    def _evaluable(self) -> Sweep:
        self._require_outputs()
        if self._passes is None:
            self._passes = Sweep(self.graph)
        return self._passes

    def _by_unit(self, states: Floats) -> Floats:
        """Return states [T, size, N] of the net's own units as they are shown: [n, N], with delays [n, N, T]."""
        shown: Floats = states[:, : len(self)].transpose(1, 2, 0)
        return shown if self.graph.max_delay else shown[:, :, 0]

    def _shaped(self, out: Floats, one: bool) -> Floats:
        """Return outputs [N, T, q] in the shape that goes with X."""
        out = np.ascontiguousarray(out if self.graph.max_delay else out[:, 0])
        return out[0] if one else out

    def _shown(self, state: Floats | None, i: int) -> Any:
        if state is None:
            return None
        shown = state[i, 0] if self._one_sample else state[i]
        return float(shown) if np.ndim(shown) == 0 else shown

    def _extent(self, shown: Floats) -> str:
        """Return in words how many numbers a view shows."""
        what = "samples" if not self.graph.max_delay else "steps" if self._one_sample else "sequences"
        return f"{len(shown)} {what if len(shown) != 1 else what[:-1]}"

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
        self._require_outputs()
        source, target, level, layers = self.source, self.target, self.level, self.layers
        if self._delay.any() or (self._gate >= 0).any() or self._aggregation or (self._response != 1.0).any():
            raise ValueError(
                "the net is not layered: it has delays, gates, or neurons that do not just sum; use sweep, which takes "
                "any shape"
            )
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

        matrices, formula = self.matrices(), find_loss(loss)
        rows, _ = self._samples(x)
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

    def to_values(
        self, x: ArrayLike, y: ArrayLike | None = None, loss: Any = "mse", *, at: str | None = None
    ) -> Expansion:
        """Write the net out as the equal graph of `Value`s for one sample: for teaching, drawing, checking.

        It follows the definitions of links, gates and aggregations and shares no code with the sweep. Over time it is
        unrolled: the weights are the same nodes at every step.

        Args:
            x: one sample [p], or one sequence [T, p] of a net with delays.
            y: its target, as for `sweep`; without one there is no loss.
            loss: as for `sweep`.
            at: as for `sweep`.

        Returns:
            The nodes; ``.loss.backward()`` then makes the ``.grad`` of the a the deltas.
        """
        self._require_outputs()
        data = self._data(x)
        if not data.one:
            what = ("sample", f"({len(self._inputs)},)") if not self.graph.max_delay else ("sequence", "(T, p)")
            raise ValueError(
                f"to_values takes one {what[0]} of shape {what[1]}, got a batch of {len(data.x)}; take a row of it"
            )
        names, sigmas, own = self._names, self._activations, self._current()
        weights = [
            Value(w, name=f"w_{names[t]}_{names[s]}")
            for w, s, t in zip(own.weights.tolist(), self.source.tolist(), self.target.tolist(), strict=True)
        ]
        biases = [
            None if sigma is None else Value(b, name=f"b_{name}")
            for name, sigma, b in zip(names, sigmas, own.biases.tolist(), strict=True)
        ]
        initial = [Value(v, name=f"initial_{name}") for name, v in zip(names, own.initial.tolist(), strict=True)]
        links_into: list[list[int]] = [[] for _ in names]
        for e, t in enumerate(self.target.tolist()):
            links_into[t].append(e)
        order = [i for i in self.graph.order.tolist() if i < len(self)]
        inputs, a, phi = list[list[Value]](), list[list[Any]](), list[list[Any]]()
        for now, row in enumerate(data.x[0].tolist()):
            inputs.append([Value(v, name=names[i]) for i, v in zip(self._inputs, row, strict=True)])
            a.append([None] * len(self))
            phi.append([None] * len(self))
            for i, v in zip(self._inputs, inputs[now], strict=True):
                a[now][i] = phi[now][i] = v
            for i in order:
                sigma, b = sigmas[i], biases[i]
                assert sigma is not None
                assert b is not None
                terms = [self._contribution(e, weights[e], now, phi, initial) for e in links_into[i]]
                a[now][i] = self._aggregated(i, b, terms)
                phi[now][i] = _as_node(sigma.function(a[now][i]))
        outputs = [[frame[i] for i in self.graph.outputs] for frame in phi]
        end = None
        if y is not None:
            seen = self._seen(y, loss, data.lengths, at, len(outputs), True)
            losses = [
                _as_node(seen.loss.formula(outputs[step], target))
                for step, target in zip(seen.step.tolist(), seen.targets.T.tolist(), strict=True)
            ]
            end = losses[0] if len(losses) == 1 else ops.mean(losses)
        if self.graph.max_delay:
            return Expansion(inputs, weights, biases, a, phi, outputs, end, initial)
        return Expansion(inputs[0], weights, biases, a[0], phi[0], outputs[0], end, initial)

    def _contribution(self, e: int, w: Value, now: int, phi: list[list[Any]], initial: list[Value]) -> Any:
        """Return w_lj phi_j(t - d), times phi of the gate if there is one, as a Value."""
        then, source, gate = now - int(self._delay[e]), int(self._source[e]), int(self._gate[e])
        term = w * (phi[then][source] if then >= 0 else initial[source])
        return term if gate < 0 else term * phi[now][gate]

    def _aggregated(self, i: int, bias: Value, terms: list[Any]) -> Any:
        """Return a = bias + response * aggregation as a Value of its own."""
        how, response = self._aggregation.get(i, "sum"), float(self._response[i])
        if not terms:
            return bias + 0.0
        if how == "sum" and response == 1.0:
            return sum(terms, bias)
        if how in FOLDS:
            total = functools.reduce(FOLDS[how], terms)
        else:
            total = ops.mean(terms) if how == "mean" else ops.sum(terms)
        return bias + response * total

    # Copies and files. --------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        self._settle_if_possible()
        return {**self.__dict__, "_graph": None, "_passes": None, "_layout": None, "_native": None, "_native_of": None}

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
        Parameters that are not finite, of a training that diverged, are saved as they are, and `load` gives them back:
        before saving a net for use, check ``numpy.isfinite(net.parameters).all()``.

        Args:
            path: where to; an existing file is replaced.

        Raises:
            ValueError: if an activation is a formula of the user's, which no file can hold.
        """
        _ = self.graph  # a net that cannot be evaluated is refused here rather than when it is read
        self._current()
        for name, sigma in zip(self._names, self._activations, strict=True):
            if sigma is not None and not sigma.has_name:
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
            "aggregation": sorted(self._aggregation.items()),
            "share_names": self._share_names,
            **{key: _pack(getattr(self, f"_{key}"), dtype) for key, dtype in _LATER.items()},
        }
        text = json.dumps(
            {"format": FORMAT, "version": VERSION, "digest": files.digest(body), "net": body}, indent=1
        )
        files.write(path, f"{text}\n".encode())

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
            more = "; import autograd.neat first" * any(str(s).startswith("neat.") for s in body["activations"])
            raise ValueError(
                f"{path}: {error}; a row of your own must be registered with autograd.primitive "
                f"before the net is loaded{more}"
            ) from error
        net._output_names = [names[i] for i in body["outputs"]]
        net._aggregation = {int(i): how for i, how in body["aggregation"]}
        net._share_names = body["share_names"]
        for key in ("source", "target", "weights", "biases", *_LATER):
            setattr(net, f"_{key}", body[key])
        _ = net.graph
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
        waiting = self._new_links
        kinds = [
            (int((self._delay > 0).sum()) + sum(link.delay > 0 for link in waiting), "recurrent"),
            (int((self._gate >= 0).sum()) + sum(link.gate is not None for link in waiting), "gated"),
        ]
        special = ", ".join(f"{count} {kind}" for count, kind in kinds if count)
        text += f" ({special})" if special else ""
        try:
            return f"<Net: {text}, depth {self.depth}>"
        except ValueError:  # a link to a neuron not yet made, or a cycle: a repr never raises
            return f"<Net: {text}, under construction>"


class _NewLink(NamedTuple):
    """A link by names, before it is moved into the arrays."""

    source: str
    target: str
    weight: float | None
    delay: int
    gate: str | None
    trainable: bool
    share: str | None


class _Data(NamedTuple):
    """A data set after checking: x [N, T, p], lengths [N], whether it was one sample, phi before it [N, D, n]."""

    x: Floats
    lengths: Ints
    one: bool
    state: Floats | None


class _Forwarded(NamedTuple):
    """What the last forward leaves to the sweep: the parameters, a and phi of all units, lengths."""

    at: Parameters
    state: State
    lengths: Ints
    given_state: bool


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the parameters stand in their vector.

    Attributes:
        links: per weight in the vector the first link that has it; None if these are all links in order.
        places: per link the place of its weight in the vector, -1 for constants; None as before.
        count: how many weights there are.
        biases: positions of the units whose biases follow.
        initial: positions of the units whose initial states follow.
    """

    links: Ints | None
    places: Ints | None
    count: int
    biases: Ints
    initial: Ints

    @property
    def size(self) -> int:
        """How many parameters there are."""
        return self.count + len(self.biases) + len(self.initial)

    def in_vector(self, links: int, n: int, make: Callable[..., Places]) -> Places:
        """Return the place in the vector of every weight, bias and initial state, -1 for constants."""
        biases, initial = np.full(n, -1), np.full(n, -1)
        first = self.count + len(self.biases)
        biases[self.biases] = np.arange(self.count, first)
        initial[self.initial] = first + np.arange(len(self.initial))
        places = np.arange(links) if self.places is None else self.places
        return make(places, biases, initial, first + len(self.initial))


def _as_node(x: Any) -> Value:
    """Return a formula's result as a Value, also where the formula does not use its argument."""
    return x if isinstance(x, Value) else constant(x)


class UnknownNameError(KeyError, ValueError):
    """A name that the net does not know."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the quoted repr


# Reading what users give. -----------------------------------------------------------------------------------


def as_floats(given: ArrayLike, what: str) -> Floats:
    """Return data as an array of doubles, without a copy where it is one; refuse what is not real numbers.

    A masked array is one of numbers only if nothing is masked: what stands under the mask must not be computed with.
    """
    try:
        array = np.asarray(unmasked(given, what))
    except ValueError as error:
        raise ValueError(f"{what} is not a table of numbers: {error}; rows must have one length") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{what} must hold real numbers, got an array of {array.dtype} (for example {_sample(array)}); "
            "convert it with numpy.asarray(..., float)"
        )
    return array.astype(float, copy=False)


def unmasked(given: Any, what: str) -> Any:
    """Return what is given; refuse a `numpy.ma` array, or a list of such rows, of which something is masked."""
    if isinstance(given, list | tuple):
        for i, row in enumerate(given):
            if isinstance(row, np.ma.MaskedArray) and row is not np.ma.masked:
                unmasked(row, f"{what}[{i}]")
    elif isinstance(given, np.ma.MaskedArray):
        for place in np.argwhere(np.ma.getmaskarray(given))[:1].tolist():
            raise ValueError(
                f"{what}{place if place else ''} is masked; fill or drop what is masked first, "
                "with numpy.ma.filled or numpy.ma.compress_rows"
            )
    return given


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
    try:
        number = float(x)
    except OverflowError:  # an int beyond all doubles
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{what}: expected a finite number, got {repr(x)[:40]}")
    return number


def _flag(x: Any, what: str) -> bool:
    if not isinstance(x, bool | np.bool_):
        raise TypeError(f"{what}: expected True or False, got {x!r}")
    return bool(x)


def _which(count: int, source: str, target: str, which: Any) -> int:
    """Return which of several parallel links is meant, counted from 0."""
    if which is None and count > 1:
        raise ValueError(
            f"there are {count} parallel links {source!r} -> {target!r}; say which=0 to which={count - 1}"
        )
    place = 0 if which is None else as_count(which, "which", least=0)
    if place >= count:
        raise ValueError(f"which={which}: {count} link(s) lead {source!r} -> {target!r}, counted from 0")
    return place


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


def _aggregation(given: Any) -> str:
    if not isinstance(given, str) or given not in AGGREGATIONS:
        raise ValueError(
            f"unknown aggregation {given!r}{did_you_mean(str(given), AGGREGATIONS)}; "
            f"there are {', '.join(AGGREGATIONS)}"
        )
    return str(given)


def _delays(given: ArrayLike, links: int) -> Ints:
    array = np.asarray(unmasked(given, "delays"))
    if array.shape != (links,) or (array.dtype.kind not in "iu" and array.size):
        raise ValueError(
            f"delays has a whole number per edge, shape ({links},); got {array.dtype} of shape {array.shape}"
        )
    for e in np.flatnonzero(array < 0)[:1]:
        raise ValueError(f"delays[{e}] is {array[e]}; a delay is a whole number of at least 0")
    for e in np.flatnonzero(array > MAX_DELAY)[:1]:
        raise ValueError(f"delays[{e}] is {array[e]}; {_LONGEST}")
    return array.astype(np.intp)


def _flags(given: ArrayLike, links: int) -> Bools:
    array = np.asarray(unmasked(given, "trainable"))
    if array.shape != (links,) or (array.dtype.kind != "b" and array.size):
        raise ValueError(f"trainable has a bool per edge, shape ({links},); got {array.dtype} of shape {array.shape}")
    return array.astype(bool)


def _dtype(given: Any) -> np.dtype[Any]:
    kind: np.dtype[Any] = np.dtype(given)
    if kind not in (np.float64, np.float32):
        raise ValueError(f"dtype is float64 or float32, in which a net is computed; got {given!r}")
    return kind


def _refuse_too_large(numbers: int, what: str, way_on: str) -> None:
    """Refuse to fill more memory than the machine has, where it can be asked."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return
    if 8 * numbers > memory:
        raise MemoryError(
            f"{what}, here {8 * numbers / 1e9:.2g} GB, and the machine has {memory / 1e9:.2g} GB; {way_on}"
        )


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


def _read_only(array: NDArray[Number]) -> NDArray[Number]:
    view = array.view()
    view.flags.writeable = False
    return view


def _read_edges(
    edges: Any, weights: ArrayLike | None, names: Sequence[str] | None, inputs: Iterable[Any] | None
) -> tuple[Ints, Ints, Floats, list[str]]:
    """Return source, target, weights (nan: to be drawn) and names of `Net.from_edges`."""
    edges = unmasked(edges, "edges")
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


#: Arrays of the second version of the format, by their dtype in the file.
_LATER = {
    "delay": "<i8",
    "gate": "<i8",
    "share": "<i8",
    "trainable": "|b1",
    "response": "<f8",
    "initial": "<f8",
    "bias_trainable": "|b1",
    "initial_learned": "|b1",
}


def _pack(array: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(array.astype(dtype).tobytes()).decode("ascii")


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
    if not isinstance(body, dict) or file.get("digest") != files.digest(body):
        raise ValueError(
            f"{path} is damaged: its digest does not fit its content; restore it from a copy, or save "
            "the net again"
        )
    try:
        names, inputs, outputs = body["names"], body["inputs"], body["outputs"]
        if version == 1:
            body = {**_of_first_version(body), **body}
        arrays = {
            key: np.frombuffer(base64.b64decode(body[key], validate=True), dtype).copy()
            for key, dtype in {"source": "<i8", "target": "<i8", "weights": "<f8", "biases": "<f8", **_LATER}.items()
        }
        n, links = len(names), len(arrays["source"])
        units = np.concatenate([arrays["source"], arrays["target"], np.array([*inputs, *outputs], np.intp)])
        fits = (
            all(isinstance(x, str) and x for x in names)
            and len(set(names)) == n
            and len(set(inputs)) == len(inputs)
            and len(set(outputs)) == len(outputs)
            and ((units >= 0) & (units < n)).all()
            and all(len(arrays[key]) == links for key in ("target", "weights", "delay", "gate", "share", "trainable"))
            and all(len(arrays[k]) == n for k in ("biases", "response", "initial", "bias_trainable", "initial_learned"))
            and np.isfinite(arrays["response"]).all()
            and ((arrays["delay"] >= 0) & (arrays["delay"] <= MAX_DELAY)).all()
            and ((arrays["gate"] >= -1) & (arrays["gate"] < n)).all()
            and ((arrays["share"] >= -1) & (arrays["share"] < len(body["share_names"]))).all()
            and all(isinstance(x, str) and x for x in body["share_names"])
            and len(set(body["share_names"])) == len(body["share_names"])
            and all(i in range(n) and i not in inputs and how in AGGREGATIONS for i, how in body["aggregation"])
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


def _of_first_version(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what files of version 1 do not have: there were no delays, gates and constants."""
    n, links = len(body["names"]), len(base64.b64decode(body["source"], validate=True)) // 8
    values = {
        "delay": np.zeros(links),
        "gate": np.full(links, -1),
        "share": np.full(links, -1),
        "trainable": np.ones(links),
        "response": np.ones(n),
        "initial": np.zeros(n),
        "bias_trainable": np.ones(n),
        "initial_learned": np.zeros(n),
    }
    later = {key: _pack(values[key], dtype) for key, dtype in _LATER.items()}
    return {"aggregation": [], "share_names": [], **later}
