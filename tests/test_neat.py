"""Nets of neat-python: the same answers as its own networks, the gradient of those, and the way back."""

import copy
import math
import random
import subprocess
import sys

import neat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neat.activations import ActivationFunctionSet
from neat.aggregations import AggregationFunctionSet
from neat.export.json_format import get_function_info

from autograd import Net, ops
from autograd.neat import ACTIVATIONS, AGGREGATIONS, FORMULAS, from_genome, from_network, to_genome, to_network

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60)
SLOW = settings(PROPERTY, max_examples=25)
BUILT_IN = ActivationFunctionSet().functions
SMOOTH = ["sigmoid", "tanh", "sin", "gauss", "softplus", "identity", "square", "exp"]

CONFIG = """
[NEAT]
pop_size = 10
fitness_criterion = max
fitness_threshold = 1
reset_on_extinction = False
no_fitness_termination = False
[DefaultGenome]
num_inputs = {inputs}
num_outputs = {outputs}
num_hidden = {hidden}
feed_forward = {feed_forward}
initial_connection = partial_direct 0.6
compatibility_disjoint_coefficient = 1
compatibility_weight_coefficient = 1
conn_add_prob = 0.7
conn_delete_prob = 0.15
node_add_prob = 0.4
node_delete_prob = 0.1
single_structural_mutation = False
structural_mutation_surer = False
enabled_default = True
enabled_mutate_rate = 0.03
enabled_rate_to_true_add = 0
enabled_rate_to_false_add = 0
activation_default = random
activation_mutate_rate = 0.1
activation_options = {activations}
aggregation_default = random
aggregation_mutate_rate = 0.1
aggregation_options = {aggregations}
bias_init_mean = 0
bias_init_stdev = 0.7
bias_init_type = gaussian
bias_max_value = 3
bias_min_value = -3
bias_mutate_power = 0.5
bias_mutate_rate = 0.5
bias_replace_rate = 0.1
response_init_mean = 1
response_init_stdev = 0.3
response_init_type = gaussian
response_max_value = 2
response_min_value = -2
response_mutate_power = 0.1
response_mutate_rate = 0.3
response_replace_rate = 0.1
weight_init_mean = 0
weight_init_stdev = 0.8
weight_init_type = gaussian
weight_max_value = 2
weight_min_value = -2
weight_mutate_power = 0.4
weight_mutate_rate = 0.5
weight_replace_rate = 0.1
time_constant_init_mean = 1
time_constant_init_stdev = 0
time_constant_init_type = gaussian
time_constant_replace_rate = 0
time_constant_mutate_rate = 0
time_constant_mutate_power = 0
time_constant_max_value = 10
time_constant_min_value = 0.01
[DefaultSpeciesSet]
compatibility_threshold = 3
[DefaultStagnation]
species_fitness_func = max
max_stagnation = 20
species_elitism = 0
[DefaultReproduction]
elitism = 0
survival_threshold = 0.2
min_species_size = 2
"""


@pytest.fixture(scope="module")
def make_config(tmp_path_factory):
    path = tmp_path_factory.mktemp("neat") / "config"

    def make(recurrent=False, inputs=3, outputs=2, hidden=2, activations=BUILT_IN, aggregations=AGGREGATIONS):
        text = CONFIG.format(
            inputs=inputs,
            outputs=outputs,
            hidden=hidden,
            feed_forward=not recurrent,
            activations=" ".join(sorted(activations)),
            aggregations=" ".join(sorted(aggregations)),
        )
        path.write_text(text, encoding="utf-8")
        parts = neat.DefaultGenome, neat.DefaultReproduction, neat.DefaultSpeciesSet, neat.DefaultStagnation
        config = neat.Config(*parts, path)
        config.genome_config.innovation_tracker = neat.InnovationTracker()
        return config

    return make


def random_genome(config, seed, mutations=12):
    """A genome made by neat-python's own mutations."""
    random.seed(seed)
    genome = neat.DefaultGenome(0)
    genome.configure_new(config.genome_config)
    for _ in range(mutations):
        genome.mutate(config.genome_config)
    return genome


def network_of(genome, config):
    kind = neat.nn.FeedForwardNetwork if config.genome_config.feed_forward else neat.nn.RecurrentNetwork
    return kind.create(genome, config)


def answers(network, x):
    """What neat-python answers to a sequence of inputs; shorter where it raises OverflowError."""
    if isinstance(network, neat.nn.RecurrentNetwork):
        network.reset()
    result = []
    for row in x:
        try:
            result.append(network.activate(row.tolist()))
        except OverflowError:
            break
    return np.array(result).reshape(-1, len(network.output_nodes))


def rounded(network, rng):
    """The same network with every weight and bias moved by a rounding error or so."""
    other = copy.copy(network)
    nudge = lambda v: float(v * (1.0 + rng.integers(-4, 5) * 2.0**-52))
    other.node_evals = [
        (node, f, g, nudge(bias), nudge(response), [(i, nudge(w)) for i, w in links])
        for node, f, g, bias, response, links in network.node_evals
    ]
    return other


def assert_same(ours, network, x):
    """Compare with neat-python to 1e-12, or to what the rounding of its weights alone makes of its answers."""
    theirs, rng = answers(network, x), np.random.default_rng(0)
    nudged = [answers(rounded(network, rng), x) for _ in range(6)]
    steps = min(len(theirs), *map(len, nudged))
    theirs, ours = theirs[:steps], np.asarray(ours)[:steps]
    spread = np.max([np.abs(y[:steps] - theirs) for y in nudged], axis=0) if steps else np.zeros_like(theirs)
    assert np.all(np.abs(ours - theirs) <= 1e-12 * (1e-3 + np.abs(theirs)) + 8.0 * spread), (ours, theirs, spread)


def inputs_for(config, seed, steps=6):
    return np.random.default_rng(seed).normal(size=(steps, config.genome_config.num_inputs))


# Activations. ---------------------------------------------------------------------------------------------------------


def test_every_activation_and_aggregation_of_neat_python_is_known():
    assert set(FORMULAS) == set(ACTIVATIONS) == set(BUILT_IN)
    assert set(AggregationFunctionSet().functions) == AGGREGATIONS | {"median"}


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_activation_has_neats_values_and_their_slope(name):
    function, sigma = BUILT_IN[name], ACTIVATIONS[name]
    z = np.concatenate([np.linspace(-80, 80, 641), np.linspace(-4, 4, 333), [-1e-9, 1e-9, -1e-300, 1e-300, -1e9, 1e9]])
    expected = np.array([function(float(v)) for v in z])
    tolerance = {"rtol": 2e-14, "atol": 2e-15 if name in ("elu", "selu", "softplus") else 0.0}  # where neat's cancel
    np.testing.assert_allclose(sigma.value(z), expected, **tolerance)
    np.testing.assert_allclose([float(sigma.function(float(v))) for v in z], expected, **tolerance)
    h, z = 1e-5, np.append(np.linspace(-4, 4, 97) + 0.0391, [-70.1, -20.1, 20.1, 70.1])  # away from the kinks
    central = [(function(v + h) - function(v - h)) / (2 * h) for v in z.tolist()]
    slope = sigma.slope(z, sigma.value(z))
    np.testing.assert_allclose(slope, central, rtol=2e-7, atol=1e-8)


def test_the_names_alone_would_not_do(make_config):
    """neat-python's file format says "sigmoid" and not how steep; a reader that takes the word is wrong."""
    config = make_config(inputs=2, outputs=1, hidden=0, activations=["sigmoid"], aggregations=["sum"])
    genome, x = random_genome(config, 4), np.array([[0.3, -0.7]])
    network = network_of(genome, config)
    function = network.node_evals[-1][1]
    assert get_function_info(function) == {"name": "sigmoid", "custom": False}
    net = from_genome(genome, config)
    assert_same(net.predict(x), network, x)
    for neuron in net:
        if not neuron.is_input:
            neuron.activation = "sigmoid"
    assert abs(net.predict(x) - answers(network, x)).max() > 0.01


# Outputs. -------------------------------------------------------------------------------------------------------------


@PROPERTY
@given(seed=st.integers(0, 2**20), mutations=st.integers(0, 25))
def test_feed_forward_net_answers_as_neat_python_does(make_config, seed, mutations):
    config = make_config()
    genome = random_genome(config, seed, mutations)
    net, network, x = from_genome(genome, config), network_of(genome, config), inputs_for(config, seed)
    assert_same(net.predict(x), network, x)
    assert_same(from_network(network).predict(x), network, x)
    assert_same([net.predict(row) for row in x], network, x)
    assert [net.names[i] for i in net.inputs] == ["-1", "-2", "-3"]
    assert [net.names[i] for i in net.outputs] == ["0", "1"]
    assert set(net.names[3:]) == {str(node) for node, *_ in network.node_evals}


@PROPERTY
@given(seed=st.integers(0, 2**20), mutations=st.integers(0, 20))
def test_recurrent_net_answers_as_neat_python_does(make_config, seed, mutations):
    config = make_config(recurrent=True)
    genome = random_genome(config, seed, mutations)
    net, network, x = from_genome(genome, config), network_of(genome, config), inputs_for(config, seed)
    assert_same(net.predict(x), network, x)
    assert_same(from_network(network).predict(x), network, x)
    net.reset()
    assert_same([net.step(row) for row in x], network, x)
    net.reset()
    assert_same([net.step(row) for row in x[1:]], network, x[1:])


def test_sequences_are_apart(make_config):
    config = make_config(recurrent=True, activations=SMOOTH)
    genome = random_genome(config, 3)
    x = np.random.default_rng(0).normal(size=(4, 5, 3))
    got, network = from_genome(genome, config).predict(x), network_of(genome, config)
    assert got.shape == (4, 5, 2)
    for ours, sequence in zip(got, x, strict=True):
        assert_same(ours, network, sequence)


def hand_made(kind, nodes, inputs=(-1, -2), outputs=(0,)):
    """A network of neat-python from rows (node, activation, aggregation, bias, response, links)."""
    joined = AggregationFunctionSet().functions
    evals = [(node, BUILT_IN[f], joined[g], bias, response, links) for node, f, g, bias, response, links in nodes]
    return kind(list(inputs), list(outputs), evals)


FEED_FORWARD, RECURRENT = neat.nn.FeedForwardNetwork, neat.nn.RecurrentNetwork


@pytest.mark.parametrize("aggregation", sorted(AGGREGATIONS))
@pytest.mark.parametrize("links", [[], [(-1, 2.0)], [(-1, 2.0), (-2, -2.0)], [(-2, -2.0), (-1, 2.0)], [(-1, 1.0)] * 3])
def test_aggregation_of_few_links_and_of_ties(aggregation, links):
    network = hand_made(FEED_FORWARD, [(0, "identity", aggregation, 0.5, -1.5, links)])
    x = np.array([[1.0, 1.0], [1.0, -1.0], [0.0, 2.0], [0.0, 0.0], [-3.0, 0.25]])
    np.testing.assert_array_equal(from_network(network).predict(x), answers(network, x))


def test_every_node_of_a_recurrent_network_reads_the_step_before():
    network = hand_made(
        RECURRENT,
        [
            (5, "identity", "sum", 0.0, 1.0, [(-1, 1.0), (5, 0.5)]),
            (6, "identity", "sum", 0.0, 1.0, [(5, 1.0)]),
            (0, "identity", "sum", 0.0, 1.0, [(6, 1.0), (-2, 1.0)]),
        ],
    )
    x = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 8.0], [0.0, 0.0]])
    expected = [[0.0], [0.0], [1.0 + 8.0], [0.5]]  # two links from x1 to the output, none from x2
    net = from_network(network)
    assert net.predict(x).tolist() == answers(network, x).tolist() == expected
    assert [(link.source.name, link.target.name, link.delay) for link in net.links] == [
        ("-1", "5", 0), ("5", "5", 1), ("5", "6", 1), ("6", "0", 1), ("-2", "0", 0)
    ]  # fmt: skip


def test_what_no_connection_leads_to_is_0_in_a_recurrent_network_and_its_bias_in_a_feed_forward_one(make_config):
    config = make_config(inputs=1, outputs=1, hidden=1, activations=["sigmoid"], aggregations=["sum"])
    genome = random_genome(config, 0, mutations=0)
    for key in list(genome.connections):
        del genome.connections[key]
    genome.nodes[0].bias = 0.3
    x = np.ones((2, 1))
    for recurrent, expected in ((False, 1 / (1 + math.exp(-1.5))), (True, 0.0)):
        net = from_genome(genome, config, recurrent)
        kind = RECURRENT if recurrent else FEED_FORWARD
        assert answers(kind.create(genome, config), x) == pytest.approx(np.full((2, 1), expected), rel=1e-15)
        assert net.predict(x) == pytest.approx(np.full((2, 1), expected), rel=1e-14)
        to_genome(net, genome, config, recurrent)
        assert genome.nodes[0].bias == 0.3


# The gradient. --------------------------------------------------------------------------------------------------------


def neats_loss(genome, config, x, y):
    """Half of the test is that this is neat-python's own arithmetic."""
    return np.mean((answers(network_of(genome, config), x) - y) ** 2)


@pytest.mark.parametrize("recurrent", [False, True])
@SLOW
@given(seed=st.integers(0, 2**20))
def test_gradient_is_the_finite_difference_of_neats_own_network(make_config, recurrent, seed):
    config = make_config(recurrent, activations=set(SMOOTH) - {"exp", "square"})
    genome = random_genome(config, seed)
    x = inputs_for(config, seed, steps=4)
    y = np.random.default_rng(seed + 1).normal(size=(4, 2))
    net = from_genome(genome, config)
    value, gradient = net.loss_and_gradient(x, y)
    assert value == pytest.approx(neats_loss(genome, config, x, y), rel=1e-11)

    def slope(i, h):
        values = []
        for step in (h, -h):
            moved, changed = copy.deepcopy(genome), copy.copy(net)
            vector = net.parameters
            vector[i] += step
            changed.parameters = vector
            to_genome(changed, moved, config)
            values.append(neats_loss(moved, config, x, y))
        return (values[0] - values[1]) / (2 * h)

    scale = 1.0 + np.abs(gradient).max(initial=0.0)
    richardson = np.array([(4 * slope(i, 1e-4) - slope(i, 2e-4)) / 3 for i in range(len(gradient))])
    np.testing.assert_allclose(gradient / scale, richardson / scale, atol=2e-8)


@SLOW
@given(seed=st.integers(0, 2**20))
def test_gradient_is_that_of_the_net_as_values(make_config, seed):
    config = make_config(activations=SMOOTH)
    net = from_genome(random_genome(config, seed), config)
    x, y = inputs_for(config, seed, steps=1)[0], np.array([0.5, -0.5])
    graph = net.to_values(x, y)
    graph.loss.backward()
    value, gradient = net.loss_and_gradient(x, y)
    expected = [v.grad for v in graph.weights] + [b.grad for b in graph.biases if b is not None]
    assert value == pytest.approx(graph.loss.data, rel=1e-12)
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12 * (1 + np.abs(gradient).max(initial=0.0)))


# The way back. --------------------------------------------------------------------------------------------------------


def moved(net, seed):
    """The net with other weights and biases, as training leaves it."""
    vector = net.parameters
    net.parameters = vector + np.random.default_rng(seed).normal(size=len(vector)) * 0.3
    return net


@pytest.mark.parametrize("recurrent", [False, True])
@PROPERTY
@given(seed=st.integers(0, 2**20))
def test_what_is_written_back_answers_as_the_net_does(make_config, recurrent, seed):
    config = make_config(recurrent)
    genome = random_genome(config, seed)
    genome.fitness = 7.0
    before, network, x = copy.deepcopy(genome), network_of(genome, config), inputs_for(config, seed)
    net = moved(from_genome(genome, config), seed)
    to_genome(net, genome, config)
    assert_same(net.predict(x), network_of(genome, config), x)
    to_network(net, network)
    np.testing.assert_array_equal(answers(network, x), answers(network_of(genome, config), x))
    np.testing.assert_allclose(from_genome(genome, config).parameters, net.parameters, rtol=1e-15, atol=1e-15)
    # What is not expressed is as it was.
    expressed = {(link.source.name, link.target.name) for link in net.links}
    assert genome.fitness == 7.0
    assert list(genome.connections) == list(before.connections)
    for (i, k), gene in genome.connections.items():
        assert gene.enabled == before.connections[i, k].enabled
        assert (str(i), str(k)) in expressed or gene.weight == before.connections[i, k].weight
    for k, node in genome.nodes.items():
        old = before.nodes[k]
        assert (node.response, node.activation, node.aggregation) == (old.response, old.activation, old.aggregation)
        assert str(k) in net or node.bias == old.bias


def test_a_net_that_was_not_trained_leaves_the_genome_as_it_was(make_config):
    for recurrent in (False, True):
        config = make_config(recurrent)
        for seed in range(20):
            genome = random_genome(config, seed)
            before = copy.deepcopy(genome)
            to_genome(from_genome(genome, config), genome, config)
            assert genome.distance(before, config.genome_config) < 1e-15


def test_links_of_one_source_are_written_back_in_their_order():
    network = hand_made(FEED_FORWARD, [(0, "identity", "sum", 0.0, 1.0, [(-1, 1.0), (-2, 2.0), (-1, 3.0)])])
    net = from_network(network)
    net.weights = [4.0, 5.0, 6.0]
    to_network(net, network)
    assert network.node_evals[0][-1] == [(-1, 4.0), (-2, 5.0), (-1, 6.0)]


def test_exclusive_or_is_trained_and_sent_back(make_config):
    config = make_config(inputs=2, outputs=1, hidden=3, activations=["sigmoid"], aggregations=["sum"])
    genome = random_genome(config, 1, mutations=0)
    for i in (-1, -2):
        for k in (1, 2, 3):
            genome.add_connection(config.genome_config, i, k, 0.3 * k * (-1) ** (i * k), True)
    for k in (1, 2, 3):
        genome.add_connection(config.genome_config, k, 0, 0.5 * (k - 2.2), True)
    x, y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0.0, 1.0, 1.0, 0.0])
    net = from_genome(genome, config)
    net.fit(x, y, epochs=250, rate=0.1, batch_size=None, progress=False)
    to_genome(net, genome, config)
    assert abs(answers(network_of(genome, config), x)[:, 0] - y).max() < 0.05


def test_a_saved_net_keeps_neats_activations(make_config, tmp_path):
    config = make_config(hidden=30)
    genome, x = random_genome(config, 2), inputs_for(config, 0)
    net = from_genome(genome, config)
    names = {sigma.name for sigma in net.activations if sigma}
    assert "neat.sigmoid" in names
    net.save(tmp_path / "net")
    read = Net.load(tmp_path / "net")
    np.testing.assert_array_equal(read.predict(x), net.predict(x))
    assert read.activations == net.activations
    to_genome(moved(read, 1), genome, config)
    assert_same(read.predict(x), network_of(genome, config), x)


# Functions of the user's. ---------------------------------------------------------------------------------------------


def sigmoid_activation(z):
    """The user's, though it is called as neat-python's own is."""
    return 1.0 / (1.0 + z * z)


def test_an_activation_of_the_users_is_given_as_a_formula(make_config):
    config = make_config(activations=["tanh", "sigmoid"])
    config.genome_config.add_activation("mine", lambda z: math.exp(-abs(z)))
    config.genome_config.add_activation("sigmoid", sigmoid_activation)  # in the place of neat-python's own
    genome, x = random_genome(config, 5), inputs_for(config, 5)
    for k, node in genome.nodes.items():
        node.activation = ("mine", "sigmoid")[k % 2]
    network = network_of(genome, config)
    formulas = {"mine": lambda a: ops.exp(-ops.abs(a)), "sigmoid": sigmoid_activation}
    net = from_genome(genome, config, activations=formulas)
    assert {sigma.name for sigma in net.activations if sigma} == {"mine", "sigmoid"}
    assert_same(net.predict(x), network, x)
    to_genome(moved(net, 0), genome, config)
    assert_same(net.predict(x), network_of(genome, config), x)
    by_function = {f: formulas["mine" if f is not sigmoid_activation else "sigmoid"] for _, f, *_ in network.node_evals}
    assert_same(from_network(network, activations=by_function).predict(x), network, x)
    with pytest.raises(ValueError, match=r"'sigmoid', which is not one of neat-.*activations=\{'sigmoid'"):
        from_genome(genome, config, activations={"mine": formulas["mine"]})
    network = hand_made(FEED_FORWARD, [(0, "tanh", "sum", 0.0, 1.0, [])])
    with pytest.raises(ValueError, match=r"'tanh_activation' is not .* function: at -3\.0 it is -0\.995"):
        from_network(network, activations={"tanh_activation": "tanh"})
    with pytest.raises(ValueError, match=r"'sigmoid' is not .* function: at -40.0 it is 0, and should be 0.000624"):
        from_genome(genome, config, activations=formulas | {"sigmoid": ops.gaussian})
    with pytest.raises(ValueError, match=r"names 'min', which .* does not have; did you mean .*mine"):
        from_genome(genome, config, activations=formulas | {"min": ops.tanh})


def test_median_and_aggregations_of_the_users_are_refused(make_config):
    config = make_config(aggregations=["median"])
    with pytest.raises(ValueError, match=r"aggregates by 'median', which a Net cannot; it can by max, maxabs, mean"):
        from_genome(random_genome(config, 0), config)
    config = make_config(aggregations=["sum"])
    config.genome_config.add_aggregation("sum", lambda x: max([*x, 0.0]))
    with pytest.raises(ValueError, match="aggregates by '<lambda>', which a Net cannot"):
        from_genome(random_genome(config, 0), config)


# Refusals. ------------------------------------------------------------------------------------------------------------


def test_a_cycle_in_a_feed_forward_network_is_refused(make_config):
    config = make_config(recurrent=True, inputs=1, outputs=1, hidden=1, activations=["tanh"], aggregations=["sum"])
    genome = random_genome(config, 0, mutations=0)
    for i, k in ((-1, 1), (1, 1), (1, 0)):
        genome.add_connection(config.genome_config, i, k, 1.0, True)
    assert FEED_FORWARD.create(genome, config).activate([1.0]) == [0.0]
    with pytest.raises(ValueError, match=r"output 0 is never evaluated, as the genome has a cycle .*recurrent=True"):
        from_genome(genome, config, recurrent=False)
    assert from_genome(genome, config).predict(np.ones((3, 1))).shape == (3, 1)


def test_a_feed_forward_network_that_reads_ahead_is_refused():
    nodes = [(0, "tanh", "sum", 0.0, 1.0, [(5, 1.0)]), (5, "tanh", "sum", 0.0, 1.0, [(-1, 1.0)])]
    with pytest.raises(ValueError, match="node 0 reads node 5 before it is evaluated"):
        from_network(hand_made(FEED_FORWARD, nodes))


def test_networks_of_other_kinds_are_refused():
    network = neat.ctrnn.CTRNN([-1], [0], {})
    for call in (lambda: from_network(network), lambda: to_network(Net(), network)):
        with pytest.raises(TypeError, match=r"neat\.nn\.RecurrentNetwork, got neat\.ctrnn\.CTRNN"):
            call()


def an_activation(net):
    net["0"].activation = "tanh"


def a_weight_of_another_link(net):
    net.unlink("-1", "5")
    net.link("-2", "5", 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net: net.unlink("-1", "5"), r"links \(source, delay\) into 5: .*neat-python alone \[\('-1', 0\)\]"),
        (lambda net: net.link("-1", "5", 1.0), r"into 5: \[.*\], not \[.*\]"),
        (a_weight_of_another_link, r"the net alone has \[\('-2', 0\)\], neat-python alone \[\('-1', 0\)\]"),
        (lambda net: net.neuron("17"), r"units: the net alone has \['17'\], neat-python alone \[\]"),
        (lambda net: net.output("5"), r"outputs: the net alone has \['5'\]"),
        (lambda net: net.input("-3"), r"inputs: the net alone has \['-3'\]"),
        (an_activation, r"activation of neuron 0 is 'tanh', .* neat-python 'tanh_activation': at -3.0 it is"),
        (lambda net: setattr(net["5"], "aggregation", "sum"), "aggregation of neuron 5 is 'sum', in neat-python 'max'"),
    ],
)
def test_a_net_of_another_shape_is_not_written_back(change, message):
    rows = [(5, "sigmoid", "max", 0.5, 1.0, [(-1, 2.0)]), (0, "tanh", "sum", 0.0, 0.5, [(5, 1.5), (-2, 1.0)])]
    network = hand_made(FEED_FORWARD, rows)
    net, before = from_network(network), copy.deepcopy(network.node_evals)
    change(net)
    with pytest.raises(ValueError, match=message):
        to_network(net, network)
    assert network.node_evals == before


def test_what_neat_python_does_not_know_is_not_written_back():
    rows = [(5, "tanh", "sum", 0.5, 1.0, [(-1, 2.0)]), (0, "tanh", "sum", 0.0, 0.5, [(5, 1.5)])]
    network = hand_made(RECURRENT, rows)
    net = from_network(network)
    net["5"].initial = 0.25
    with pytest.raises(ValueError, match=r"5 is 0\.25 before the first step, in neat-python 0"):
        to_network(net, network)
    net = from_network(network)
    net.unlink("-1", "5")
    net.link("-1", "5", 2.0, gate="0")
    with pytest.raises(ValueError, match="the link -1 -> 5 has a gate, which neat-python has not"):
        to_network(net, network)
    assert network.node_evals == hand_made(RECURRENT, rows).node_evals


def test_a_net_of_the_other_kind_is_not_written_back():
    rows = [(5, "tanh", "sum", 0.5, 1.0, [(-1, 2.0)]), (0, "tanh", "sum", 0.0, 0.5, [(5, 1.5)])]
    net, network = from_network(hand_made(FEED_FORWARD, rows)), hand_made(RECURRENT, rows)
    with pytest.raises(ValueError, match=r"into 0: the net alone has \[\('5', 0\)\], neat-python alone \[\('5', 1\)\]"):
        to_network(net, network)
    network = hand_made(RECURRENT, rows[1:])
    for change in (
        lambda net: setattr(net["5"], "bias", 1.0),
        lambda net: setattr(net["5"], "activation", "sigmoid"),
        lambda net: net.link("-1", "5", 1.0),
    ):
        net = from_network(network)
        change(net)
        with pytest.raises(ValueError, match="no enabled connection leads to node 5, which makes it the constant 0"):
            to_network(net, network)


def test_the_module_does_not_import_neat_python():
    code = "import sys, autograd.neat; assert 'neat' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
