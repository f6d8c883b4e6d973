"""Evolved nets: networks of neat-python as Nets, trained by their gradient, and sent back.

NEAT (K. O. Stanley and R. Miikkulainen, Evolutionary Computation 10, 2002) evolves the shape and the weights of a
network together. `from_genome` reads what it found, `Net.fit` trains the weights, `to_genome` writes them back, so that
evolution goes on from there. A node k of neat-python (version 2) is

    phi_k = sigma(bias + response * aggregation(w_kj phi_j)),

a neuron of a `Net` whose name is the node's number as a text: "-1" the first input, "0" the first output. In neat's
`RecurrentNetwork` every node reads the inputs of the same step and all nodes, itself included, as they were one step
ago (0 before the first): links of delay 0 from the inputs and of delay 1 from the others.

The activations are neat's own and not the rows of the same name: its sigmoid is 1 / (1 + exp(-5 z)), its tanh is
tanh(2.5 z), and most of them hold their argument within bounds, outside which the derivative is 0. (The name alone, as
in the files that `neat.export` writes, does not tell.)
"""

from __future__ import annotations

import importlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from autograd import ops
from autograd.net import Link, Net, Neuron
from autograd.netgraph import NAMED, Activation, ActivationLike, find_activation
from autograd.op import Op, did_you_mean


def _within(z: Any, bound: float) -> Any:
    return ops.clip(z, -bound, bound)


#: neat-python's activations by its own names (`neat/activations.py`), digit by digit: where a formula cancels, such
#: as exp(z) - 1, so does neat's. Where neat raises OverflowError, a net has inf.
FORMULAS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda z: ops.sigmoid(_within(5.0 * z, 60.0)),
    "tanh": lambda z: ops.tanh(_within(2.5 * z, 60.0)),
    "sin": lambda z: ops.sin(_within(5.0 * z, 60.0)),
    "gauss": lambda z: ops.exp(-5.0 * ops.square(_within(z, 3.4))),
    "relu": ops.relu,
    "elu": lambda z: ops.where(z > 0.0, z, ops.exp(z) - 1.0),
    "lelu": lambda z: ops.where(z > 0.0, z, 0.005 * z),
    "selu": lambda z: ops.SELU_SCALE * ops.where(z > 0.0, z, ops.SELU_ALPHA * (ops.exp(z) - 1.0)),
    "softplus": lambda z: 0.2 * ops.log(1.0 + ops.exp(_within(5.0 * z, 60.0))),
    "identity": ops.identity,
    "clamped": lambda z: _within(z, 1.0),
    "inv": lambda z: ops.where(z == 0.0, 0.0, ops.reciprocal(z)),
    "log": lambda z: ops.log(ops.maximum(z, 1e-7)),
    "exp": lambda z: ops.exp(_within(z, 60.0)),
    "abs": ops.abs,
    "hat": lambda z: ops.relu(1.0 - ops.abs(z)),
    "square": ops.square,
    "cube": lambda z: z * z * z,
}

# Files hold a formula by its name: "neat.sigmoid".
NAMED.update({f"neat.{name}": formula for name, formula in FORMULAS.items() if not isinstance(formula, Op)})

#: The same as what a `Net` takes.
ACTIVATIONS: dict[str, Activation] = {
    name: find_activation(f if isinstance(f, Op) else f"neat.{name}") for name, f in FORMULAS.items()
}

AGGREGATIONS = frozenset({"sum", "product", "max", "min", "mean", "maxabs"})

#: Where a formula given for an activation of the user's is compared with it.
PROBES = (-40.0, -3.0, -1.25, -0.5, 0.0, 0.25, 0.75, 2.0, 40.0)


def from_genome(
    genome: Any,
    config: Any,
    recurrent: bool | None = None,
    *,
    activations: Mapping[str, ActivationLike] | None = None,
) -> Net:
    """Make a Net of the network that neat-python makes of a genome.

    It has the nodes and links that neat-python itself evaluates: enabled ones from which an output can be reached.
    Weights and biases can be trained; a response is a constant of its neuron.

    Args:
        genome: a `neat.DefaultGenome` (or a class derived from it).
        config: the `neat.Config` that it was evolved under.
        recurrent: whether it stands for a `neat.nn.RecurrentNetwork`, rather than a `neat.nn.FeedForwardNetwork`;
            None: unless the config says ``feed_forward = True``.
        activations: for activations that were added to the config, by name, the formula in the engine's operations
            (or a row's name).

    Returns:
        The net. Its `predict` is the network's `activate`, of a recurrent one for a whole sequence from a reset on,
        and its `step` one call of it.

    Raises:
        ValueError: if a node aggregates by "median" or by a function of the user's; if an activation of the user's
            has no formula, or one with other values; if the genome has a cycle and `recurrent` is false.
    """
    functions, formulas = config.genome_config.activation_defs.functions, activations or {}
    for name in formulas:
        if name not in functions:
            raise ValueError(
                f"activations names {name!r}, which the config does not have{did_you_mean(name, functions)}; add it "
                "there with config.genome_config.add_activation"
            )
    return _net(_network(genome, config, recurrent), formulas, {f: name for name, f in functions.items()})


def from_network(network: Any, *, activations: Mapping[Any, ActivationLike] | None = None) -> Net:
    """Make a Net of a network of neat-python; its state, if it is recurrent, is not taken over.

    Args:
        network: a `neat.nn.FeedForwardNetwork` or `neat.nn.RecurrentNetwork`.
        activations: formulas of activations that are not neat-python's own, by the function or its ``__name__``.

    Returns:
        The net; see `from_genome`.

    Raises:
        TypeError: for a network of another kind.
        ValueError: as `from_genome` does.
    """
    return _net(network, activations or {}, {})


def _net(network: Any, formulas: Mapping[Any, ActivationLike], names: Mapping[Any, str]) -> Net:
    """Make the net of a network, given formulas by function or name, and the names that functions go by."""
    recurrent, inputs = _is_recurrent(network), set(network.input_nodes)
    net = Net()
    for i in network.input_nodes:
        net.input(str(i))
    for node, function, aggregation, bias, response, links in network.node_evals:
        for i, _ in links:
            if not recurrent and str(i) not in net:
                raise ValueError(
                    f"node {node} reads node {i} before it is evaluated, which a feed-forward network cannot; "
                    "make a neat.nn.RecurrentNetwork of its genome"
                )
        sigma = _activation(node, function, formulas, names.get(function, _name(function)))
        how = _aggregation(node, aggregation)
        bias += _empty(how, response, links)
        net.neuron(str(node), sigma, bias=bias, aggregation=how, response=response)
        for i, w in links:
            net.link(str(i), str(node), w, delay=_delay(i, inputs, recurrent))
    for i in _unevaluated(network):
        if not recurrent:
            raise ValueError(
                f"the output {i} is never evaluated, as the genome has a cycle on the way to it: neat-python "
                "answers 0.0 whatever the inputs; give recurrent=True, or break the cycle"
            )
        net.neuron(str(i), "linear", trainable=False)
    net.output(*(str(i) for i in network.output_nodes))
    return net


def to_genome(net: Net, genome: Any, config: Any, recurrent: bool | None = None) -> None:
    """Write the weights, biases and responses of a net into the genome that it was made of.

    The network that neat-python then makes of the genome has the outputs of the net. Genes that are not expressed, and
    the fitness, stay as they are. A trained number may lie outside the bounds of the config: neat-python draws it
    back in when it next mutates that gene.

    Args:
        net: the net of `from_genome`, trained.
        genome: that genome, or a copy.
        config: as for `from_genome`.
        recurrent: as for `from_genome`.

    Raises:
        ValueError: if the net has other neurons, links or functions than the genome; the genome is then untouched.
    """
    network = _network(genome, config, recurrent)
    to_network(net, network)
    for node, _, _, bias, response, links in network.node_evals:
        genome.nodes[node].bias, genome.nodes[node].response = bias, response
        for i, w in links:
            genome.connections[i, node].weight = w


def to_network(net: Net, network: Any) -> None:
    """Write the weights, biases and responses of a net into the network that it was made of; see `to_genome`.

    A recurrent network keeps its state: ``network.reset()`` forgets it.

    Args:
        net: the net of `from_network` (or `from_genome`), trained.
        network: that network, or one of the same shape.

    Raises:
        TypeError: for a network of another kind.
        ValueError: if the net has other neurons, links or functions; the network is then untouched.
    """
    recurrent, inputs, unfed = _is_recurrent(network), set(network.input_nodes), _unevaluated(network)
    _same("inputs", [net.names[i] for i in net.inputs], network.input_nodes)
    _same("outputs", [net.names[i] for i in net.outputs], network.output_nodes)
    nodes = [*network.input_nodes, *(node for node, *_ in network.node_evals), *unfed]
    _same("units", sorted(net.names), sorted(nodes, key=str))
    incoming: dict[str, list[Link]] = defaultdict(list)
    for link in net.links:
        if link.gate is not None:
            raise _differs(f"the link {link.source.name} -> {link.target.name} has a gate, which neat-python has not")
        incoming[link.target.name].append(link)
    for i in np.flatnonzero(net.initial)[: int(recurrent)]:
        raise _differs(f"{net.names[i]} is {net.initial[i]:g} before the first step, in neat-python 0")
    evals = []
    for node, function, aggregation, _, _, links in network.node_evals:
        neuron, found = net[str(node)], incoming[str(node)]
        if (how := _departure(_sigma(neuron), function)) is not None:
            raise _differs(
                f"the activation of neuron {node} is {_sigma(neuron).name!r}, in neat-python {_name(function)!r}: {how}"
            )
        if neuron.aggregation != (joined := _aggregation(node, aggregation)):
            raise _differs(f"the aggregation of neuron {node} is {neuron.aggregation!r}, in neat-python {joined!r}")
        expected = [(str(i), _delay(i, inputs, recurrent)) for i, _ in links]
        _same(f"links (source, delay) into {node}", sorted((x.source.name, x.delay) for x in found), sorted(expected))
        # The links of one source in the order of their making, as `from_network` made them in neat's order.
        weights = {name: [x.weight for x in found if x.source.name == name] for name, _ in expected}
        trained = [(i, weights[str(i)].pop(0)) for i, _ in links]
        bias = neuron.bias - _empty(joined, neuron.response, links)
        evals.append((node, function, aggregation, bias, neuron.response, trained))
    for i in unfed:
        if incoming[str(i)] or net[str(i)].bias != 0.0 or _sigma(net[str(i)]) != ACTIVATIONS["identity"]:
            raise _differs(f"no enabled connection leads to node {i}, which makes it the constant 0 in neat-python")
    network.node_evals[:] = evals


# What neat-python means. ----------------------------------------------------------------------------------------------


def _network(genome: Any, config: Any, recurrent: bool | None) -> Any:
    """Return neat-python's own network of a genome: it alone decides which genes are expressed."""
    nn = _neat("nn")
    if recurrent is None:
        recurrent = not config.genome_config.feed_forward
    return (nn.RecurrentNetwork if recurrent else nn.FeedForwardNetwork).create(genome, config)


def _neat(module: str) -> Any:
    try:
        return importlib.import_module(f"neat.{module}")
    except ImportError as error:
        raise ImportError(
            "autograd.neat needs neat-python to read and write its networks: pip install neat-python"
        ) from error


def _is_recurrent(network: Any) -> bool:
    nn = _neat("nn")
    if not isinstance(network, nn.FeedForwardNetwork | nn.RecurrentNetwork):
        raise TypeError(
            "a Net is made of a neat.nn.FeedForwardNetwork or a neat.nn.RecurrentNetwork, got "
            f"{type(network).__module__}.{type(network).__qualname__}"
        )
    return isinstance(network, nn.RecurrentNetwork)


def _unevaluated(network: Any) -> list[Any]:
    """Return the outputs and sources that the network never evaluates, so that they are 0 at every step."""
    sources = [i for *_, links in network.node_evals for i, _ in links]
    evaluated = {*network.input_nodes, *(node for node, *_ in network.node_evals)}
    return [i for i in dict.fromkeys([*network.output_nodes, *sources]) if i not in evaluated]


def _delay(source: Any, inputs: set[Any], recurrent: bool) -> int:
    return int(recurrent and source not in inputs)


def _empty(aggregation: str, response: float, links: Any) -> float:
    """Return what neat-python adds to the bias of a node without links: a product of nothing is 1, in a Net 0."""
    return response if aggregation == "product" and not links else 0.0


def _activation(node: Any, function: Any, formulas: Mapping[Any, ActivationLike], name: str) -> Activation:
    """Return the Activation for a function of neat-python, or of the user's, which goes by this name."""
    formula = formulas.get(function, formulas.get(name, _own(function)))
    if formula is None:
        raise ValueError(
            f"node {node} has the activation {name!r}, which is not one of neat-python's own; say what it computes in "
            f"the engine's operations: activations={{{name!r}: lambda a: ...}}"
        )
    sigma = find_activation(formula)
    if not sigma.has_name:
        sigma = Activation(name, sigma.function)
    if (how := _departure(sigma, function)) is not None:
        raise ValueError(f"the formula given for the activation {name!r} is not neat-python's function: {how}")
    return sigma


def _own(function: Any) -> Activation | None:
    """Return the Activation of a function of neat-python's own."""
    known = _neat("activations").ActivationFunctionSet().functions
    return next((ACTIVATIONS.get(name) for name, f in known.items() if f is function), None)


def _departure(sigma: Activation, function: Callable[[float], float]) -> str | None:
    """Say where an Activation has another value than a function of neat-python's; None if at no point tried."""
    if sigma == _own(function):
        return None
    for z, value in zip(PROBES, sigma.value(np.array(PROBES)).tolist(), strict=True):
        try:
            expected = function(z)
        except (ArithmeticError, ValueError):  # outside its domain
            continue
        if not (math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-12) or math.isnan(expected)):
            return f"at {z} it is {value:.6g}, and should be {expected:.6g}"
    return None


def _sigma(neuron: Neuron) -> Activation:
    assert neuron.activation is not None, "not an input"
    return neuron.activation


def _aggregation(node: Any, function: Any) -> str:
    """Return the name of an aggregation of neat-python."""
    own = {f: known for known, f in _neat("aggregations").AggregationFunctionSet().functions.items()}
    name: str = own.get(function, "")
    if name not in AGGREGATIONS:
        raise ValueError(
            f"node {node} aggregates by {name or _name(function)!r}, which a Net cannot; it can by "
            f"{', '.join(sorted(AGGREGATIONS))}: set genome.nodes[{node}].aggregation, or aggregation_options of the "
            "config before evolution"
        )
    return name


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", function))


def _same(what: str, ours: list[Any], theirs: Iterable[Any]) -> None:
    """Refuse a net whose parts are not neat-python's."""
    theirs = [x if isinstance(x, tuple) else str(x) for x in theirs]
    if ours != theirs:
        more, fewer = [x for x in ours if x not in theirs], [x for x in theirs if x not in ours]
        if not more and not fewer:
            raise _differs(f"{what}: {ours}, not {theirs}")
        raise _differs(f"{what}: the net alone has {more[:8]}, neat-python alone {fewer[:8]}")


def _differs(how: str) -> ValueError:
    return ValueError(
        f"the net is not of the shape it is to be written into; {how}. Change the genome in the same way, or make a "
        "net of it anew with from_genome"
    )
