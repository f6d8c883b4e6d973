"""The net against its definition: per-neuron loops, Value expansion, finite differences, matrix notation."""

import base64
import copy
import json
import math
import operator
import pickle
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import files, ops
from autograd import net as net_module
from autograd.net import Net
from autograd.netgraph import find_activation
from autograd.testing.strategies import cases, nets

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60)
SMOOTH = ["linear", "tanh", "sigmoid", "sin", "gaussian", "softplus"]
ACTIVATIONS = [*SMOOTH, "relu", "leaky_relu"]


# The definition. --------------------------------------------------------------------------------------------

SIGMA = {
    "linear": (lambda a: a, lambda a: 1.0),
    "tanh": (math.tanh, lambda a: 1 - math.tanh(a) ** 2),
    "sigmoid": (lambda a: 1 / (1 + math.exp(-a)), lambda a: math.exp(-a) / (1 + math.exp(-a)) ** 2),
    "sin": (math.sin, math.cos),
    "gaussian": (lambda a: math.exp(-a * a), lambda a: -2 * a * math.exp(-a * a)),
    "softplus": (lambda a: math.log1p(math.exp(a)), lambda a: 1 / (1 + math.exp(-a))),
    "relu": (lambda a: max(a, 0.0), lambda a: float(a > 0)),
    "leaky_relu": (lambda a: a if a > 0 else 0.01 * a, lambda a: 1.0 if a > 0 else 0.01),
}


def by_hand(net, x, y):
    """The document's equations in plain Python for one sample under mse: loss, a, phi, delta, dw, db."""
    n, links = (
        len(net),
        list(zip(net.source.tolist(), net.target.tolist(), net.weights.tolist(), strict=True)),
    )
    a, phi, delta = [0.0] * n, [0.0] * n, [0.0] * n
    for i, v in zip(net.inputs, x, strict=True):
        a[i] = phi[i] = float(v)
    order = [int(i) for i in np.argsort(net.level, kind="stable")]
    for i in order:
        if net.activation_names[i]:
            a[i] = float(net.biases[i]) + sum(w * phi[s] for s, t, w in links if t == i)
            phi[i] = SIGMA[net.activation_names[i]][0](a[i])
    q, loss = len(net.outputs), 0.0
    for k, i in enumerate(net.outputs):
        loss += (phi[i] - y[k]) ** 2 / q
        delta[i] += 2 * (phi[i] - y[k]) / q
    for i in reversed(order):
        delta[i] += sum(delta[t] * w for s, t, w in links if s == i)
        if net.activation_names[i]:
            delta[i] *= SIGMA[net.activation_names[i]][1](a[i])
    dw = [delta[t] * phi[s] for s, t, _ in links]
    db = [d if name else 0.0 for d, name in zip(delta, net.activation_names, strict=True)]
    return loss, a, phi, delta, dw, db


def close(x, y, tolerance=1e-12):
    np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


# The sweep is the definition. -------------------------------------------------------------------------------


@PROPERTY
@given(cases(ACTIVATIONS))
def test_sweep_is_the_documents_equations(case):
    net, x, y = case
    net.forward(x)
    net.sweep(y)
    expected = [by_hand(net, *sample) for sample in zip(x, y, strict=True)]
    loss, a, phi, delta, dw, db = (np.array(part) for part in zip(*expected, strict=True))
    close(net.a, a.T)
    close(net.phi, phi.T)
    close(net.delta, delta.T)
    close(net.loss, loss.mean())
    close(net.weight_gradient, dw.mean(axis=0))
    inputs = net.inputs
    close(np.delete(net.bias_gradient, inputs), np.delete(db.mean(axis=0), inputs))


@PROPERTY
@given(cases(kinked=True), st.sampled_from(["mse", "huber", "binary_cross_entropy"]))
def test_sweep_is_the_value_expansion(case, loss):
    net, x, y = case
    y = 1 / (1 + np.exp(-y))
    gradient = np.zeros_like(net.parameters)
    deltas = []
    total = 0.0
    for sample, target in zip(x, y, strict=True):
        values = net.to_values(sample, target, loss)
        if not isinstance(values.loss, float):
            values.loss.backward()
        gradient += [v.grad for v in values.weights] + [b.grad for b in values.biases if b is not None]
        deltas.append([v.grad for v in values.a])
        total += values.loss.data
    net.forward(x)
    close(net.sweep(y, loss), total / len(x))
    close(net.delta.T, deltas)
    value, flat = net.loss_and_gradient(x, y, loss)
    close(value, total / len(x))
    close(flat, gradient / len(x))


@PROPERTY
@given(cases(SMOOTH))
def test_gradient_is_the_finite_difference(case):
    net, x, y = case
    _, gradient = net.loss_and_gradient(x, y)
    w, objective = net.parameters, net.objective()

    def slope(i, h):
        step = np.zeros_like(w)
        step[i] = h
        return (objective(w + step, (x, y))[0] - objective(w - step, (x, y))[0]) / (2 * h)

    richardson = [(4 * slope(i, 5e-4) - slope(i, 1e-3)) / 3 for i in range(len(w))]
    scale = 1 + np.abs(gradient).max(initial=0.0)
    np.testing.assert_allclose(gradient / scale, np.array(richardson) / scale, atol=1e-8)


@PROPERTY
@given(cases(kinked=True))
def test_objective_is_the_sweep_and_leaves_the_net_alone(case):
    net, x, y = case
    net.forward(x)
    net.sweep(y)
    kept = net.delta.copy(), net.parameters
    value, gradient = net.objective("mse")(net.parameters, (x, y))
    close(value, net.loss)
    biased = np.delete(net.bias_gradient, net.inputs)
    close(gradient, np.concatenate([net.weight_gradient, biased]))
    net.objective("mse")(net.parameters + 1, (x, y))
    np.testing.assert_array_equal(net.delta, kept[0])
    np.testing.assert_array_equal(net.parameters, kept[1])


@PROPERTY
@given(cases(kinked=True))
def test_delta_of_a_neuron_is_the_derivative_by_its_bias_and_of_an_input_by_its_value(case):
    net, x, y = case
    net.forward(x)
    net.sweep(y)
    for neuron in net:
        if not neuron.is_input:
            close(neuron.bias_gradient, np.mean(neuron.delta))
    for j, i in enumerate(net.inputs):
        for sample in range(len(x)):
            # A link of weight 1 from a bias-only neuron in place of the input has the input's delta.
            h = 1e-6
            up, down = x[sample].copy(), x[sample].copy()
            up[j] += h
            down[j] -= h
            slope = (net.loss_and_gradient(up, y[sample])[0] - net.loss_and_gradient(down, y[sample])[0]) / (
                2 * h
            )
            np.testing.assert_allclose(net.delta[i, sample], slope, rtol=1e-4, atol=1e-4)


def relabelled(net, new, order):
    """The same net with unit i as unit new[i], other names, and the links in another order."""
    old = np.argsort(new)
    edges = np.stack([new[net.source], new[net.target]], axis=1)[order].reshape(-1, 2)
    return Net.from_edges(
        edges,
        inputs=new[net.inputs],
        outputs=new[net.outputs],
        weights=net.weights[order],
        biases=net.biases[old],
        activations=[net.activations[i] for i in old],
        names=[f"v{i}" for i in range(len(net))],
    )


@pytest.mark.parametrize("exact", [False, True])
@PROPERTY
@given(st.data())
def test_names_and_order_do_not_matter(exact, data):
    net, x, y = data.draw(cases(exact=True) if exact else cases(kinked=True))
    new = np.array(data.draw(st.permutations(range(len(net)))))
    order = np.array(data.draw(st.permutations(range(len(net.source)))), int)
    other = relabelled(net, new, order)
    agree = np.testing.assert_array_equal if exact else close
    agree(other.forward(x), net.forward(x))
    agree(other.sweep(y), net.sweep(y))
    agree(other.delta[new], net.delta)
    agree(other.weight_gradient, net.weight_gradient[order])
    agree(other.bias_gradient[new], net.bias_gradient)


class Dual:
    """A fraction with a derivative."""

    def __init__(self, value, slope=0):
        self.value, self.slope = Fraction(value), Fraction(slope)

    def __add__(self, other):
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other):
        return Dual(self.value * other.value, self.value * other.slope + self.slope * other.value)


def exact_loss(net, x, y, weights):
    """The mean squared error in fractions, of a net of linear, relu and square units with given weights."""
    total = Dual(0)
    for row, target in zip(x.tolist(), y.tolist(), strict=True):
        phi = dict(zip(net.inputs.tolist(), map(Dual, row), strict=True))
        for i in np.argsort(net.level, kind="stable").tolist():
            if i not in phi:
                a = Dual(net.biases[i])
                for e in np.flatnonzero(net.target == i).tolist():
                    a += weights[e] * phi[int(net.source[e])]
                kind = net.activation_names[i]
                phi[i] = a * a if kind == "square" else Dual(0) if kind == "relu" and a.value <= 0 else a
        for i, t in zip(net.outputs.tolist(), target, strict=True):
            off = phi[i] + Dual(-t)
            total += off * off
    return total * Dual(Fraction(1, y.size))


@PROPERTY
@given(cases(exact=True), st.data())
def test_a_shared_weight_has_the_sum_of_the_gradients_of_its_links(case, data):
    net, x, y = case
    links = range(len(net.source))
    shared = data.draw(st.sets(st.sampled_from(links), min_size=min(2, len(links)))) if links else set()
    net.weights[list(shared)] = data.draw(st.sampled_from([1.0, 2.0, -1.0]))
    value, gradient = net.loss_and_gradient(x, y)
    true = exact_loss(net, x, y, [Dual(w, e in shared) for e, w in enumerate(net.weights.tolist())])
    assert Fraction(value) == true.value
    assert sum(map(Fraction, gradient[list(shared)].tolist())) == true.slope


ODD = ["linear", "tanh", "sin", "atan", "asinh", "erf", "softsign"]


@PROPERTY
@given(cases(ODD), st.data())
def test_the_signs_of_an_odd_neuron_may_be_turned(case, data):
    net, x, y = case
    turned = [data.draw(st.booleans()) and not neuron.is_output and not neuron.is_input for neuron in net]
    sign = np.where(turned, -1.0, 1.0)
    value, _ = net.loss_and_gradient(x, y)
    net.forward(x)
    net.sweep(y)
    other = copy.deepcopy(net)
    other.weights *= sign[net.source] * sign[net.target]
    other.biases *= sign
    other.forward(x)
    close(other.sweep(y), value)
    close(other.phi, sign[:, None] * net.phi)
    close(other.delta, sign[:, None] * net.delta)
    close(other.weight_gradient, sign[net.source] * sign[net.target] * net.weight_gradient)
    close(other.bias_gradient, sign * net.bias_gradient)


@PROPERTY
@given(cases(exact=True), st.data())
def test_split_links_and_repeated_samples_in_whole_numbers(case, data):
    net, x, y = case
    value, gradient = net.loss_and_gradient(x, y)
    again, same = net.loss_and_gradient(np.tile(x, (4, 1)), np.tile(y, (4, 1)))
    assert again == value
    np.testing.assert_array_equal(same, gradient)
    links = len(net.source)
    split = sorted(data.draw(st.sets(st.sampled_from(range(links))))) if links else []
    for e in split:
        link = net.links[e]
        link.weight /= 2
        net.link(link.source.name, link.target.name, link.weight)
    again, halves = net.loss_and_gradient(x, y)
    assert again == value
    np.testing.assert_array_equal(halves[:links], gradient[:links])
    np.testing.assert_array_equal(halves[links : len(net.source)], gradient[split])
    np.testing.assert_array_equal(halves[len(net.source) :], gradient[links:])


@PROPERTY
@given(cases(kinked=True))
def test_delta_is_the_derivative_by_the_bias_of_each_sample_alone(case):
    net, x, y = case
    net.forward(x)
    net.sweep(y)
    delta = net.delta
    for n in range(len(x)):
        net.forward(x[n])
        net.sweep(y[n])
        close(delta[:, n], net.delta[:, 0])
        biased = np.delete(np.arange(len(net)), net.inputs)
        np.testing.assert_array_equal(net.bias_gradient[biased], net.delta[biased, 0])


@PROPERTY
@given(cases(kinked=True), st.integers(2, 5))
def test_duplicated_samples_change_nothing(case, times):
    net, x, y = case
    value, gradient = net.loss_and_gradient(x, y)
    again, same = net.loss_and_gradient(np.tile(x, (times, 1)), np.tile(y, (times, 1)))
    close(again, value)
    close(same, gradient)


@PROPERTY
@given(cases(kinked=True), st.integers(0, 2**20))
def test_a_link_split_into_parallel_halves(case, seed):
    net, x, y = case
    links = net.links
    if not links:
        return
    link = links[seed % len(links)]
    value, gradient = net.loss_and_gradient(x, y)
    link.weight = link.weight / 2
    net.link(link.source.name, link.target.name, link.weight)
    again, halves = net.loss_and_gradient(x, y)
    close(again, value)
    close(halves[link.index], gradient[link.index])
    close(halves[len(links)], gradient[link.index])


@PROPERTY
@given(cases(kinked=True))
def test_one_sample_is_a_batch_of_one(case):
    net, x, y = case
    batch = net.forward(x[:1])
    value = net.sweep(y[:1])
    delta, gradient = net.delta, net.weight_gradient
    one = net.forward(x[0])
    assert one.shape == (len(net.outputs),)
    np.testing.assert_array_equal(one, batch[0])
    assert net.sweep(y[0]) == value
    np.testing.assert_array_equal(net.delta, delta)
    np.testing.assert_array_equal(net.weight_gradient, gradient)
    assert isinstance(net[0].phi, float)
    assert isinstance(net[0].delta, float)


@PROPERTY
@given(cases(kinked=True))
def test_blocks_of_samples_add_up(case):
    net, x, y = case
    many, targets = np.tile(x, (300, 1)), np.tile(y, (300, 1))  # more than one block of 512
    value, gradient = net.loss_and_gradient(x, y)
    again, same = net.loss_and_gradient(many, targets)
    close(again, value)
    close(same, gradient)
    close(net.predict(many), np.tile(net.forward(x), (300, 1)))
    net.forward(many)
    close(net.sweep(targets), value)
    assert net.delta.shape == (len(net), len(many))


def test_sweeps_do_not_add_up_and_a_second_is_the_same():
    net = Net.random(3, 10, 2, seed=5)
    net.forward(np.ones((4, 3)))
    first = net.sweep(np.zeros((4, 2))), net.delta, net.weight_gradient
    net.sweep(np.ones((4, 2)), "huber")
    assert net.sweep(np.zeros((4, 2))) == first[0]
    np.testing.assert_array_equal(net.delta, first[1])
    np.testing.assert_array_equal(net.weight_gradient, first[2])


def test_an_output_that_feeds_others_gets_both_terms():
    net = Net.from_edges([("x", "y1", 2.0), ("y1", "y2", 3.0)], activations="linear", outputs=["y1", "y2"])
    net.forward([1.0])
    net.sweep([0.0, 0.0])  # L = (y1^2 + y2^2) / 2 = (2^2 + 6^2) / 2
    assert net.loss == 20.0
    assert net["y2"].delta == 6.0
    assert net["y1"].delta == 2.0 + 6.0 * 3.0
    assert net["x"].delta == 2.0 * 20.0


def test_what_reaches_no_output_has_delta_exactly_0_even_where_a_slope_is_infinite():
    net = Net.from_edges(
        [("x", "y", 1.0), ("x", "dead", 0.0), ("dead", "deader", 1.0)], activations="sqrt", outputs=["y"]
    )
    net.forward([4.0])  # sqrt'(0) is inf, and 0 * inf would be nan
    net.sweep([0.0])
    assert net["dead"].delta == net["deader"].delta == 0.0
    assert net.weight_gradient.tolist() == [2 * 4.0 * 4.0, 0.0, 0.0]


def test_what_reaches_no_output_has_gradient_0_even_where_its_source_is_infinite():
    net = Net.from_edges(
        [("x", "huge", 1.0), ("huge", "dead", 1.0), ("x", "y", 1.0)], activations="exp", outputs=["y"]
    )
    net.forward([1000.0])
    net.sweep([0.0])
    assert net["huge"].phi == math.inf
    assert net.weight_gradient.tolist() == [0.0, 0.0, 2e6]


def test_a_link_that_passes_nothing_on_has_gradient_0_even_from_infinity():
    net = Net.from_edges([("x", "huge", 1.0), ("huge", "off", -1.0), ("off", "y", 1.0), ("x", "y", 1.0)])
    net["huge"].activation, net["off"].activation = "exp", "relu"
    net.forward([[1000.0], [0.0]])
    net.sweep([[0.0], [0.0]])
    assert net.phi[net["huge"].index].tolist() == [math.inf, 1.0]
    assert net.weight_gradient.tolist() == [0.0, 0.0, 0.0, 1e6]


def test_unit_orders_that_meet_infinity():
    net = Net()
    net.neuron("first", "linear", {"huge": 1.0})  # the place that a careless padding would read
    net.neuron("wide", "linear", {"h": 1.0, "x": 1.0, "huge": 0.5})
    net.neuron("narrow", "linear", {"h": 1.0}, output=True)
    net.input("x")
    net.neuron("huge", "exp", {"x": 1.0})
    net.neuron("h", "linear", {"x": 1.0})
    assert net.forward([1000.0]) == [1000.0]


def test_an_input_that_is_an_output_gets_both_terms():
    net = Net.from_edges([("x", "y", 3.0)], activations="linear", outputs=["y", "x"])
    assert net.forward([2.0]).tolist() == [6.0, 2.0]
    net.sweep([0.0, 0.0])
    assert net["x"].delta == 6.0 * 3.0 + 2.0
    assert net.bias_gradient.tolist() == [0.0, 6.0]


def test_a_slope_that_is_absent_passes_nothing_on_even_from_infinity():
    net = Net.from_edges([("x", "h", 1.0), ("h", "y", 1.0)], activations={"h": "relu", "y": "sqrt"})
    net.forward([-1.0])  # sqrt'(0) = inf arrives at relu, whose input does not reach the output
    net.sweep([1.0])
    assert net["y"].delta == -math.inf
    assert net["h"].delta == 0.0


def test_a_parent_that_passes_nothing_on_does_not_silence_another():
    links = [("x", "h", 1.0), ("h", "off", -1.0), ("h", "y", 2.0), ("off", "y", 1.0)]
    net = Net.from_edges(links, activations="linear")
    net["off"].activation = "relu"
    net.forward([1.0])
    net.sweep([0.0])
    assert net.delta[:, 0].tolist() == [8.0, 8.0, 0.0, 4.0]
    assert net.weight_gradient.tolist() == [8.0, 0.0, 4.0, 0.0]


def test_floor_passes_nothing_on():
    net = Net.from_edges([("x", "h", 1.0), ("h", "y", 1.0)], activations={"h": "floor"})
    assert net.forward([2.5]) == [2.0]
    net.sweep([0.0])
    assert net["h"].delta == 0.0


# Activations. -----------------------------------------------------------------------------------------------

FORMULAS = {
    "tanh": lambda a: (1 - ops.exp(-2 * a)) / (1 + ops.exp(-2 * a)),
    "sigmoid": lambda a: 1 / (1 + ops.exp(-a)),
    "relu": lambda a: ops.where(a > 0, a, 0.0),
    "square": lambda a: a * a,
    "linear": lambda a: a,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_users_formula_is_as_good_as_the_row(name):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    nets = [Net.random(3, 12, 2, activation=sigma, init="xavier", seed=3) for sigma in (name, FORMULAS[name])]
    for net in nets:
        net.forward(x)
        net.sweep(y)
    close(nets[0].delta, nets[1].delta)
    close(nets[0].weight_gradient, nets[1].weight_gradient)
    close(nets[0].to_values(x[0], y[0]).loss.data, nets[1].to_values(x[0], y[0]).loss.data)


@pytest.mark.parametrize("name", [name for name, op in ops.TABLE.items() if op.arity == 1])
def test_every_one_argument_row_is_an_activation(name):
    ((low, high),) = ops.TABLE[name].domain
    x = max(low + 0.4, -0.6) if high == math.inf or low > -math.inf else 0.4
    net = Net.from_edges([("x", "y", 1.0)], output_activation=name)
    values = net.to_values([x], [0.3])
    values.loss.backward()
    close(net.forward([x])[0], values.outputs[0].data)
    net.sweep([0.3])
    close(net["y"].delta, values.a[1].grad)


@pytest.mark.parametrize("row", [ops.identity, ops.tanh, ops.sigmoid, ops.relu], ids=lambda row: row.name)
def test_an_activation_on_arrays_is_its_row(row):
    sigma = find_activation(row)
    edges = [0.0, -0.0, 1e-300, 350.0, -350.0, 800.0, -800.0, 1e308, -math.inf, math.inf, math.nan]
    a = np.concatenate([np.linspace(-40, 40, 2001), edges])
    with np.errstate(all="ignore"):
        phi = sigma.value(a)
        slopes = sigma.slope(a, phi)
    assert slopes.shape == a.shape
    for x, y, s in zip(a.tolist(), phi.tolist(), slopes.tolist(), strict=True):
        assert y == pytest.approx(row(x), rel=1e-15, abs=0, nan_ok=True)
        assert s == pytest.approx(row.slopes([x], row(x))[0], rel=2e-15, abs=1e-300, nan_ok=True)


class Swish:
    """A formula with state, and with an equality that leaves it without a hash."""

    def __call__(self, a):
        return a * a.sigmoid()

    def __eq__(self, other):
        return True


def test_a_formula_may_be_any_callable():
    row, own = (Net.layered([2, 3, 1], activation=sigma, init=0.3) for sigma in ("silu", Swish()))
    close(row.forward([1.0, 2.0]), own.forward([1.0, 2.0]))
    assert own.activation_names[2] == "Swish"


def test_activations_by_row_and_names():
    net = Net()
    net.input("x")
    net.neuron("a", ops.tanh, ["x"])
    net.neuron("b", "identity", ["a"])
    net.neuron("c", FORMULAS["square"], ["b"], output=True)
    assert net.activation_names == ["", "tanh", "linear", "formula"]
    assert net["a"].activation is net.activations[1]
    net["c"].activation = "relu"
    assert net.activation_names[3] == "relu"
    assert net.forward([0.0]).shape == (1,)


# Layers. ----------------------------------------------------------------------------------------------------


@PROPERTY
@given(
    st.lists(st.integers(1, 7), min_size=2, max_size=5),
    st.integers(0, 2**20),
    st.integers(1, 5),
    st.sampled_from(
        ["mse", "huber", lambda phi, y: ops.sum([ops.exp(p - t) for p, t in zip(phi, y, strict=True)])]
    ),
)
def test_layered_is_the_matrix_form(sizes, seed, samples, loss):
    rng = np.random.default_rng(seed)
    activations = rng.choice(ACTIVATIONS, len(sizes) - 2).tolist()
    net = Net.layered(sizes, activation=activations, output_activation="sigmoid", seed=seed)
    net.biases[len(net.inputs) :] = rng.normal(size=sum(sizes[1:]))
    x, y = rng.normal(size=(samples, sizes[0])), rng.normal(size=(samples, sizes[-1]))
    value, gradient = net.matrix_gradient(x, y, loss)
    again, flat = net.loss_and_gradient(x, y, loss)
    close(again, value)
    close(flat[: len(net.weights)], np.concatenate([w.ravel() for w, _ in gradient]))
    close(flat[len(net.weights) :], np.concatenate([b for _, b in gradient]))
    for (w, b), below, here in zip(net.matrices(), sizes, sizes[1:], strict=False):
        assert w.shape == (here, below)
        assert b.shape == (here,)


def test_matrix_form_of_a_shuffled_layered_net():
    rng = np.random.default_rng(0)
    net = Net(seed=1)
    for name, inputs in [("y2", "ba"), ("a", "pq"), ("q", ""), ("y1", "ab"), ("b", "qp"), ("p", "")]:
        net.neuron(name, "sigmoid" if name == "a" else "tanh", list(inputs)) if inputs else net.input(name)
    net.output("y1", "y2")
    x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    net.forward(x)
    net.sweep(y)
    value, gradient = net.matrix_gradient(x, y)
    close(value, net.loss)
    bias = np.concatenate([b for _, b in gradient])
    close(bias, net.bias_gradient[np.concatenate(net.layers[1:])])
    for (w, _), below, here in zip(gradient, net.layers, net.layers[1:], strict=False):
        for i, to in enumerate(here):
            for j, of in enumerate(below):
                e = np.flatnonzero((net.source == of) & (net.target == to))[0]
                close(w[i, j], net.weight_gradient[e])


def test_matrix_form_with_columns_in_another_order_than_the_units():
    edges = np.array([(0, 2), (1, 2), (0, 3), (1, 3), (2, 4), (3, 4), (2, 5), (3, 5)])
    net = Net.from_edges(edges, inputs=[1, 0], outputs=[5, 4], seed=3)
    x, y = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[0.0, 1.0], [2.0, 3.0]])
    value, gradient = net.matrix_gradient(x, y)
    net.forward(x)
    close(value, net.sweep(y))
    close(gradient[0][0].ravel(), net.weight_gradient[:4])
    close(gradient[1][0].ravel(), net.weight_gradient[4:])


def test_matrix_form_is_refused_where_there_is_none():
    with pytest.raises(ValueError, match="not layered: the link 'x1' -> 'y1' leads from level 0 to level 2"):
        Net.layered([2, 2, 1], skip=True).matrices()
    with pytest.raises(ValueError, match="layer 1 has 3 links where 2 neurons with 2 sources have 4"):
        Net.from_edges([("x1", "h1"), ("x2", "h1"), ("x1", "h2"), ("h1", "y"), ("h2", "y")]).matrices()
    with pytest.raises(ValueError, match="outputs are not the last layer"):
        Net.from_edges([("x", "h"), ("h", "y")], outputs=["h"]).matrices()


@pytest.mark.parametrize(
    "build",
    [
        lambda: Net.layered([20, 30, 25, 5], skip=True, seed=1),
        lambda: Net.random(10, 800, 7, fan_in=9, seed=2),
        lambda: Net.random(500, 30, 3, fan_in=90, depth=2, activation="relu", seed=3),
    ],
)
def test_tiles_products_and_padding_agree_with_the_definition(build):
    net = build()
    rng = np.random.default_rng(0)
    net.biases = np.where(np.isin(np.arange(len(net)), net.inputs), 0.0, rng.normal(size=len(net)))
    x, y = rng.normal(size=(2, len(net.inputs))), rng.normal(size=(2, len(net.outputs)))
    net.forward(x)
    net.sweep(y)
    loss, _, _, delta, dw, _ = (
        np.array(p) for p in zip(*(reference(net, *xy) for xy in zip(x, y, strict=True)), strict=True)
    )
    close(net.loss, loss.mean())
    close(net.delta, delta.T)
    close(net.weight_gradient, dw.mean(axis=0))


def reference(net, x, y):
    """As `by_hand`, with a NumPy sum per neuron, for nets of thousands of links."""
    n, q = len(net), len(net.outputs)
    a, phi, delta, dw = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(len(net.weights))
    phi[net.inputs] = x
    order = np.argsort(net.level, kind="stable")
    for i in order:
        if net.activation_names[i]:
            e = np.flatnonzero(net.target == i)
            a[i] = net.biases[i] + net.weights[e] @ phi[net.source[e]]
            phi[i] = SIGMA[net.activation_names[i]][0](a[i])
    delta[net.outputs] = 2 * (phi[net.outputs] - y) / q
    for i in order[::-1]:
        e = np.flatnonzero(net.source == i)
        delta[i] += net.weights[e] @ delta[net.target[e]]
        if net.activation_names[i]:
            delta[i] *= SIGMA[net.activation_names[i]][1](a[i])
        dw[e] = delta[net.target[e]] * phi[i]
    return ((phi[net.outputs] - y) ** 2).mean(), a, phi, delta, dw, delta


# Building. --------------------------------------------------------------------------------------------------


def test_neuron_by_neuron_in_any_order():
    net = Net()
    net.neuron("y", "linear", {"h1": 2.0, "x1": 0.5}, output=True)
    net.neuron("h1", sources={"x1": 0.5, "x2": -1.0}, bias=0.1)
    net.input("x1")
    net.input("x2")
    a = 0.5 * 3.0 - 1.0 * 1.0 + 0.1
    close(net.forward([3.0, 1.0]), [2 * math.tanh(a) + 1.5])
    assert [n.name for n in net["h1"].sources] == ["x1", "x2"]
    assert [n.name for n in net["x1"].parents] == ["y", "h1"]
    assert net.weight("x2", "h1") == -1.0
    net.set_weight("x2", "h1", 4.0)
    assert net["h1"].links_in[1].weight == 4.0
    assert net["x2"].links_out[0].target == net["h1"]
    assert net.level.tolist() == [2, 1, 0, 0]
    assert "h1" in net
    assert len(net) == 4


def test_views_show_what_the_sweep_found():
    net = Net.layered([2, 3, 1], seed=2)
    assert net.a is net.phi is net.delta is net.weight_gradient is net.bias_gradient is net.loss is None
    h = net["h1_2"]
    assert h.a is h.delta is h.bias_gradient is h.links_in[0].gradient is None
    net.forward(np.ones((5, 2)))
    net.sweep(np.ones(5))
    assert h.a.shape == h.phi.shape == h.delta.shape == (5,)
    close(h.links_in[0].gradient, np.mean(h.delta * 1.0))
    assert net["x1"].bias_gradient is None
    assert net["y1"].is_output
    assert "5 samples" in repr(h)
    net.forward([1.0, 2.0])
    assert net.delta is None  # of another forward
    assert repr(net["x1"]) == "<input x1: phi 1>"


def test_a_change_of_the_structure_shows_everywhere():
    net = Net.from_edges([("x", "y", 2.0)], activations="linear")
    assert net.forward([3.0]) == [6.0]
    net.neuron("z", "linear", {"x": 1.0, "y": 1.0}, bias=1.0)
    assert net.phi is None
    assert net.forward([3.0]) == [6.0]
    net.output("z")
    assert net.forward([3.0]).tolist() == [6.0, 10.0]
    net.link("x", "z", 10.0)
    assert net.forward([3.0]).tolist() == [6.0, 40.0]
    net.unlink("x", "z", which=0)
    assert net.forward([3.0]).tolist() == [6.0, 37.0]
    net["z"].activation = lambda a: -a
    assert net.forward([3.0]).tolist() == [6.0, -37.0]


def test_inits():
    wide = Net.layered([400, 300, 2], activation="relu", seed=0)
    assert wide.weights[:120_000].std() == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    xavier = Net.layered([400, 300, 2], seed=0)
    assert xavier.weights[:120_000].std() == pytest.approx(math.sqrt(2 / 700), rel=0.02)
    uniform = Net.layered([100, 50, 2], init="uniform", seed=0).weights[:5000]
    assert 0.099 < np.abs(uniform).max() <= 0.1
    assert set(Net.layered([2, 2], init=0.25).weights) == {0.25}
    np.testing.assert_array_equal(xavier.weights, Net.layered([400, 300, 2], seed=0).weights)
    assert (xavier.weights != Net.layered([400, 300, 2], seed=1).weights).all()
    net = Net(seed=0)
    net.input("x")
    net.neuron("y", sources=["x"], output=True)
    assert net.weights[0] != 0


@pytest.mark.parametrize(
    ("p", "hidden", "q", "options"),
    [
        (3, 0, 2, {}),
        (5, 40, 2, {"depth": 9}),
        (50, 10, 1, {"fan_in": 1}),
        (1, 200, 3, {"fan_in": 12}),
    ],
)
def test_random_nets_have_their_shape_and_no_dead_neuron(p, hidden, q, options):
    net = Net.random(p, hidden, q, seed=4, **options)
    assert (len(net.inputs), len(net.outputs), len(net)) == (p, q, p + hidden + q)
    assert net.depth == options.get("depth", net.depth)
    feeds = np.bincount(net.source, minlength=len(net)) > 0
    fed = np.bincount(net.target, minlength=len(net)) > 0
    assert (feeds | np.isin(np.arange(len(net)), net.outputs)).all()
    assert (fed | np.isin(np.arange(len(net)), net.inputs)).all()
    again = Net.random(p, hidden, q, seed=4, **options)
    np.testing.assert_array_equal(net.source, again.source)
    np.testing.assert_array_equal(net.weights, again.weights)


def test_edges_by_position_and_by_name_make_one_net():
    edges = [(0, 2), (1, 2), (2, 3), (0, 3)]
    by_name = Net.from_edges(edges, inputs=[0, 1], seed=1)
    by_place = Net.from_edges(np.array(edges), seed=1)
    assert by_name.names == by_place.names == ("0", "1", "2", "3")
    np.testing.assert_array_equal(by_name.weights, by_place.weights)
    assert by_place.outputs.tolist() == [3]


def test_parameters_are_weights_then_biases_of_neurons():
    net = Net.from_edges([("x", "h", 1.0), ("h", "y", 2.0)], biases={"y": 4.0, "h": 3.0})
    assert net.parameters.tolist() == [1.0, 2.0, 3.0, 4.0]
    net.parameters = [5, 6, 7, 8]
    assert (net.weights.tolist(), net.biases.tolist()) == ([5, 6], [0, 7, 8])


def test_a_chain_of_ten_thousand_neurons_needs_no_recursion():
    n = 10_000
    net = Net.from_edges(np.stack([np.arange(n), np.arange(1, n + 1)], 1), activations="linear", init=1.0)
    assert net.depth == n
    assert net.forward([2.0]) == [2.0]
    net.sweep([1.0])
    assert (net.delta == 2.0).all()
    assert len(pickle.dumps(net)) > n
    loop = np.stack([np.arange(n), np.roll(np.arange(n), -1)], 1)
    with pytest.raises(ValueError, match=r"cycle: .* -> \.\.\. \(9990 more\) \.\.\. -> "):
        Net.from_edges(loop)


def test_a_large_net_builds_and_evaluates_in_seconds():
    begin = time.perf_counter()
    net = Net.random(784, 20_000, 10, fan_in=15, depth=50, seed=1)
    assert len(net.source) > 290_000
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 784)), rng.normal(size=(20, 10))
    value, gradient = net.loss_and_gradient(x, y)
    assert time.perf_counter() - begin < 20
    step = rng.normal(size=gradient.shape) * 1e-6
    up, down = (net.objective()(net.parameters + s, (x, y))[0] for s in (step, -step))
    assert (up - down) / 2 == pytest.approx(gradient @ step, rel=1e-5)
    assert math.isfinite(value)


# Copies and files. ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_independent(make):
    net = Net.random(3, 8, 2, seed=1)
    net.forward([1.0, 2.0, 3.0])
    before = net.predict([1.0, 2.0, 3.0])
    twin = make(net)
    np.testing.assert_array_equal(twin.phi, net.phi)
    twin.weights[:] = 0.5
    twin.neuron("extra", sources=["h1"], output=True)
    np.testing.assert_array_equal(net.predict([1.0, 2.0, 3.0]), before)
    assert len(twin.forward([1.0, 2.0, 3.0])) == 3
    assert "extra" not in net


@PROPERTY
@given(nets(kinked=True))
def test_a_saved_net_comes_back_exactly(tmp_path_factory, net):
    path = tmp_path_factory.mktemp("net") / "net.json"
    if len(net.weights):
        net.weights[0] = 0.1 + 0.2
    net.save(path)
    back = Net.load(path)
    assert back.names == net.names
    assert back.activations == net.activations
    for part in ("inputs", "outputs", "source", "target", "weights", "biases", "level"):
        np.testing.assert_array_equal(getattr(back, part), getattr(net, part))
    x = np.ones((2, len(net.inputs)))
    np.testing.assert_array_equal(back.forward(x), net.forward(x))
    assert [p.name for p in path.parent.iterdir()] == ["net.json"]


@pytest.fixture
def saved(tmp_path):
    Net.layered([2, 3, 1]).save(tmp_path / "net.json")
    return tmp_path / "net.json"


def test_a_file_cut_short_is_refused(saved):
    whole = saved.read_bytes()
    for size in range(0, len(whole) - 2, 37):
        saved.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="cut short"):
            Net.load(saved)


def test_a_damaged_file_is_refused(saved):
    text = saved.read_text()
    for i in range(text.index('"net"'), len(text) - 5, 11):
        if text[i].isalnum():
            saved.write_text(text[:i] + ("A" if text[i] != "A" else "B") + text[i + 1 :])
            with pytest.raises(ValueError, match=r"damaged|cut short"):
                Net.load(saved)


def edited(path, change):
    """Edit a saved net and sign it anew, as somebody might who writes such files."""
    file = json.loads(path.read_text())
    change(file)
    if isinstance(file.get("net"), dict):
        file["digest"] = files.digest(file["net"])
    path.write_text(json.dumps(file))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.update(version=99), "version 99"),
        (lambda f: f.update(version="1"), "version '1'"),
        (lambda f: f.update(format="other"), "not a net that net.save wrote"),
        (lambda f: f.pop("net"), "damaged"),
        (lambda f: f["net"].pop("names"), "damaged"),
        (lambda f: f["net"]["names"].append("more"), "do not fit"),
        (lambda f: f["net"].update(outputs=[77]), "do not fit"),
        (lambda f: f["net"].update(weights="AAAA"), "damaged"),
        (lambda f: f["net"].update(inputs=[0]), "do not fit"),
        (lambda f: f["net"].update(target=base64.b64encode(np.zeros(9, "<i8")).decode()), "do not fit"),
        (
            lambda f: f["net"]["activations"].__setitem__(2, "tanhh"),
            "unknown activation 'tanhh'; did you mean 'tanh'",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused(saved, change, message):
    edited(saved, change)
    with pytest.raises(ValueError, match=message):
        Net.load(saved)


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95", b"[]", b"[" * 100_000, b'{"a": 1}', b"null"])
def test_a_file_that_is_not_ours_is_refused(saved, content):
    saved.write_bytes(content)
    with pytest.raises(ValueError, match="not a "):
        Net.load(saved)


def test_a_save_that_fails_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        Net.layered([2, 5, 1]).save(saved)
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["net.json"]


def test_a_formula_cannot_be_saved(tmp_path):
    net = Net.from_edges([("x", "y")], output_activation=lambda a: a * a)
    with pytest.raises(ValueError, match=r"'formula' of 'y' is a formula.*autograd\.primitive"):
        net.save(tmp_path / "net.json")
    assert not list(tmp_path.iterdir())


# What is refused. -------------------------------------------------------------------------------------------


def two():
    return Net.from_edges([("x1", "y"), ("x2", "y")], inputs=["x1", "x2"])


def masked(data, mask):
    return np.ma.array(data, mask=mask)


def ready():
    net = two()
    net.forward(np.ones((3, 2)))
    return net


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Net.from_edges([("a", "b"), ("b", "c"), ("c", "b")]), r"cycle: (b -> c -> b|c -> b -> c);"),
        (lambda: Net.from_edges([("a", "a")]), r"cycle: a -> a;"),
        (lambda: Net.from_edges([("a", "b")], inputs=["b"]), "'a' -> 'b' leads to an input"),
        (lambda: Net.from_edges([("a", "b")], outputs=["c"]), "no neuron named 'c'"),
        (lambda: Net.from_edges([("a", "b")], outputs=["b", "b"]), "output 'b' comes twice"),
        (lambda: Net.from_edges([("a", "b")], activations={"bb": "tanh"}), "'bb', which does not exist"),
        (lambda: Net.from_edges([("a", "b")], biases={"a": 1.0}), "'a' is an input, which has none"),
        (lambda: Net.from_edges([("a", "b")], activations=["tanh"]), "activations lists 1 for 2 units"),
        (lambda: Net.from_edges([("a", "b")], activations=["tanh", "tanh"]), "'a' is an input"),
        (lambda: Net.from_edges([("a", "b")], weights=[1.0, 2.0]), r"got shape \(2,\)"),
        (lambda: Net.from_edges([("a", "b", 1.0)], weights=[1.0]), "given twice"),
        (
            lambda: Net.from_edges([("a", "b", math.nan)]),
            "weight of 'a' -> 'b': expected a finite number, got nan",
        ),
        (lambda: Net.from_edges(["ab"]), r"an edge is \(source, target\)"),
        (lambda: Net.from_edges(np.ones((3, 2))), "an array of edges has integers"),
        (lambda: Net.from_edges(np.array([[0, -1]])), "position from 0 on, got -1"),
        (lambda: Net.from_edges(np.array([[0, 3]]), names=["a"]), "names lists 1"),
        (lambda: Net.from_edges(np.array([[0, 1]]), names=["a", "a"]), "name 'a' comes twice"),
        (lambda: Net.from_edges(np.array([[0, 1]]), outputs=[9]), "output 9 does not exist"),
        (lambda: Net.from_edges([("a", "b")], init="heh"), "unknown init 'heh'; did you mean 'he'"),
        (lambda: Net.layered([4]), "at least the inputs and the outputs"),
        (lambda: Net.layered([4, 0, 1]), "a layer's size"),
        (lambda: Net.layered([4, 3, 1], activation=["tanh", "relu"]), "lists 2 for 1 hidden layers"),
        (lambda: Net.random(2, 3, 1, depth=9), "depth of 2 to 4, got 9"),
        (lambda: Net.random(2, 3, 1, fan_in=0), "fan_in"),
        (lambda: two().neuron("y"), "neuron named 'y' already"),
        (lambda: two().neuron("z", "thanh"), "unknown activation 'thanh'; did you mean 'tanh'"),
        (lambda: two().neuron("z", "maximum"), "takes 2 arguments"),
        (lambda: two().neuron("z", math.tanh), "'tanh' does not work as a formula"),
        (lambda: two().neuron("z", lambda a: a if a > 0 else 0.0), "does not work as a formula"),
        (lambda: two().neuron("z", bias=math.inf), "bias of 'z'"),
        (lambda: two().output("y"), "'y' is an output already"),
        (lambda: two().link("y", "x1"), "leads to an input"),
        (lambda: two().weight("y", "x1"), "there is no link 'y' -> 'x1'"),
        (lambda: two().set_weight("x1", "y", math.nan), "finite"),
        (lambda: two().set_weight("x1", "y", 1.0, which=3), "which=3"),
        (lambda: setattr(two(), "weights", [1.0]), r"weights has shape \(2,\), one per link"),
        (lambda: setattr(two(), "weights", [1.0, math.nan]), r"weights\[1\] is nan"),
        (lambda: setattr(two(), "biases", [1.0, 0, 0]), "input 'x1' has no bias"),
        (lambda: setattr(two(), "parameters", [1.0]), "2 weights and 1 biases"),
        (lambda: two().forward([1.0, 2.0, 3.0]), r"2 inputs, so X .* got shape \(3,\)"),
        (lambda: two().forward(np.ones((2, 2, 2))), "got shape"),
        (lambda: two().forward([[1.0, 2.0], [1.0]]), "one length"),
        (lambda: two().forward(np.ones((0, 2))), "no samples"),
        (lambda: two().forward([[1, 2], [3, math.nan]]), r"X\[1, 1\] \(row 1, input 'x2'\) is nan"),
        (lambda: Net.layered([1, 1]).forward([1.0, 2.0]), r"X\.reshape\(-1, 1\)"),
        (lambda: ready().sweep(np.ones((2, 1))), r"Y must have shape \(3, 1\).*got shape \(2, 1\)"),
        (lambda: ready().sweep([1.0, math.inf, 2.0]), r"Y\[1, 0\] .* is inf"),
        (lambda: ready().sweep([1.0, 2.0, 3.0], "msee"), "unknown loss 'msee'; did you mean 'mse'"),
        (lambda: two().to_values(np.ones((3, 2))), "one sample"),
        (lambda: Net().forward([]), "no outputs"),
        (lambda: two().link("x1", "y", 10**400), "weight of 'x1' -> 'y': expected a finite number, got 1000"),
        (lambda: two().link("x1", "y", delay=2**40), r"delay of 'x1' -> 'y' is 1099511627776; .* at most 16777216"),
        (lambda: two().link("x1", "y", delay=-1), "delay of 'x1' -> 'y' is a whole number of at least 0, got -1"),
        (lambda: two().link("x1", "y", delay=0.5), "delay of 'x1' -> 'y' is a whole number of at least 0, got 0.5"),
        (lambda: Net.from_edges([("a", "b")], delays=[2**24 + 1]), r"delays\[0\] is 16777217; a delay is at most"),
        (lambda: two().neuron("z", initial=math.nan), "initial of 'z': expected a finite number, got nan"),
        (lambda: two().neuron("z", response=math.inf), "response of 'z': expected a finite number, got inf"),
        (lambda: two().neuron("z", aggregation=np.array(["sum", "max"])), "unknown aggregation"),
        (lambda: two().weight("x1", "y", which=-1), "which is a whole number of at least 0, got -1"),
        (lambda: two().weight("x1", "y", which="last"), "which is a whole number of at least 0, got 'last'"),
        (lambda: Net.random(2, 3, 1, depth=2.5), "depth is a whole number of at least 0, got 2.5"),
        (lambda: two().forward(masked([1.0, 2.0], [0, 1])), r"X\[1\] is masked; fill or drop"),
        (lambda: two().predict([masked([1.0, 2.0], [0, 0]), masked([1.0, 2.0], [1, 0])]), r"X\[1\]\[0\] is masked"),
        (lambda: two().loss_and_gradient(np.ones((2, 2)), masked([1.0, 2.0], [0, 1])), r"Y\[1\] is masked"),
        (
            lambda: two().loss_and_gradient(np.ones((2, 2)), masked([1, 0], [0, 1]), "softmax_cross_entropy"),
            r"Y\[1\] is masked",
        ),
        (lambda: setattr(two(), "weights", masked([1.0, 2.0], [1, 0])), r"weights\[0\] is masked"),
        (lambda: setattr(two(), "parameters", masked([1.0, 2.0, 3.0], [0, 0, 1])), r"parameters\[2\] is masked"),
        (lambda: Net.from_edges([("a", "b")], weights=masked([1.0], [1])), r"weights\[0\] is masked"),
        (lambda: Net.from_edges(masked([[0, 1]], [[0, 1]])), r"edges\[0, 1\] is masked"),
        (lambda: Net.from_edges([("a", "b")], delays=masked([1], [1])), r"delays\[0\] is masked"),
        (lambda: Net.from_edges([("a", "b")], trainable=masked([True], [1])), r"trainable\[0\] is masked"),
        (lambda: two()["y1"], "no neuron named 'y1'"),
    ],
)
def test_bad_input_is_refused_by_name(act, message):
    with pytest.raises(ValueError, match=message):
        act()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: two().forward(["a", "b"]), "X must hold real numbers"),
        (lambda: two().forward([1j, 2]), "X must hold real numbers"),
        (lambda: two().input(1.5), "name is a text"),
        (lambda: two().neuron("z", 3), "an activation is a name"),
        (lambda: two().neuron("z", sources="x1"), r"write \['x1'\]"),
        (lambda: two().link("x1", "y", "1"), "expected a number, got '1'"),
        (lambda: ready().sweep([1.0, 2, 3], 5), "a loss is a name"),
        (lambda: two().neuron("z", trainable="no"), "trainable of 'z': expected True or False, got 'no'"),
        (lambda: two().neuron("z", output="no"), "output of 'z': expected True or False, got 'no'"),
        (lambda: two().neuron("z", initial=True), "initial of 'z': expected a number, got True"),
        (lambda: two().neuron(True), "name is a text"),
        (lambda: two().link("x1", "y", trainable=0), "trainable of 'x1' -> 'y': expected True or False, got 0"),
        (lambda: two().link("x1", "y", gate=1.5), "name is a text"),
        (lambda: two().link("x1", "y", share=""), "share is the name of a weight"),
        (lambda: setattr(two().links[0], "trainable", "no"), "trainable of 'x1' -> 'y': expected True or False"),
        (lambda: two().learn_initial("y", learned="no"), "learned: expected True or False, got 'no'"),
        (lambda: Net.layered([1, 1], skip="no"), "skip: expected True or False, got 'no'"),
        (lambda: setattr(two(), "parameters", np.ones(3, complex)), "parameters must hold real numbers"),
        (lambda: two().loss_and_gradient([1, 2], [3], parameters=[1j, 2, 3]), "parameters must hold real numbers"),
        (lambda: two().objective()(np.ones(3, complex), ([1, 2], [3])), "parameters must hold real numbers"),
        (lambda: operator.setitem(two().names, 0, "z"), "does not support item assignment"),
        (lambda: operator.setitem(two().activations, 2, None), "does not support item assignment"),
    ],
)
def test_bad_types_are_refused(act, message):
    with pytest.raises(TypeError, match=message):
        act()


def test_flags_of_numpy_and_arrays_without_anything_masked_are_taken():
    net = two()
    net.neuron("z", trainable=np.False_)
    net.link("x1", "y", 1.0, trainable=np.bool_(1), delay=np.int8(3))
    assert net.parameter_names() == ["w y <- x1", "w y <- x2", "w y <- x1 (t-3)", "b y"]
    plain = two()
    np.testing.assert_array_equal(plain.predict(masked([1.0, 2.0], [0, 0])), plain.predict([1.0, 2.0]))


def test_a_delay_may_be_as_long_as_a_delay_is():
    net = two()
    net.link("y", "y", delay=net_module.MAX_DELAY)
    assert net.max_delay == 2**24


def test_what_it_is_made_of_is_shown_and_follows_every_change():
    net = two()
    assert (net.names, net.names is net.names) == (("x1", "x2", "y"), True)
    net.neuron("z", "relu", ["x1"])
    assert net.names == ("x1", "x2", "y", "z")
    assert [sigma and sigma.name for sigma in net.activations] == [None, None, "linear", "relu"]
    net["z"].activation = "sin"
    assert net.activations[3].name == "sin"
    net.remove("x2")
    assert (net.names, len(net.activations)) == (("x1", "y", "z"), 3)


def test_an_int_is_a_position_where_a_net_is_read_and_a_name_where_it_is_built():
    net = Net()
    net.input(-1)
    net.neuron(0, sources={-1: 0.5})
    net.neuron(7, sources={0: 2.0}, output=True)
    assert net.names == ("-1", "0", "7")
    assert (net["0"], net["-1"], net["7"]) == (net[1], net[0], net[-1])
    assert net.weight(-1, 0) == net.weight("-1", "0") == 0.5
    for key in (*range(-5, 9), "-1", "0", "7", "1", "", net["7"], two()["y"], np.int64(2), np.int64(3)):
        try:
            net[key]
        except (LookupError, TypeError):
            assert key not in net, key
        else:
            assert key in net, key
    assert 1.5 not in net
    assert None not in net
    assert all(neuron in net for neuron in net)


def test_names_of_parameters_tell_all_links_apart():
    net = two()
    net.link("x1", "y", delay=2, gate="x2")
    net.link("x1", "y", share="w")
    net.link("x1", "y", gate="x2", trainable=False)
    net.link("x1", "y")
    net.link("x1", "y")
    net.link("x2", "y", share="w")
    net.learn_initial("x2")
    assert net.parameter_names() == [
        *("w y <- x1", "w y <- x2", "w y <- x1 (t-2) * x2", "share w", "w y <- x1 #2", "w y <- x1 #3"),
        *("b y", "initial x2"),
    ]


def test_links_to_neurons_never_made_are_refused_when_needed():
    net = Net()
    net.input("x1")
    net.neuron("y", sources={"x1": 1.0, "h1": 2.0}, output=True)
    assert repr(net) == "<Net: 1 input, 1 neuron, 1 output, 2 links, under construction>"
    with pytest.raises(
        ValueError, match=r"link 'h1' -> 'y' names 'h1', which does not exist; make it with net\.neuron\('h1'"
    ):
        net.forward([1.0])
    net.neuron("h1", sources={"x1": 1.0})
    assert net.forward([0.0]) == [0.0]
    net.link("y", "h1")
    with pytest.raises(ValueError, match="cycle"):
        net.forward([1.0])
    assert "under construction" in repr(net)


def test_sweep_needs_the_forward_of_the_net_as_it_is():
    net = two()
    with pytest.raises(RuntimeError, match=r"call net\.forward\(X\)"):
        net.sweep([1.0])
    net.forward([1.0, 2.0])
    net.weights[0] += 1
    with pytest.raises(RuntimeError, match="changed since"):
        net.sweep([1.0])


def test_parallel_links_are_told_apart():
    net = two()
    net.link("x1", "y", 7.0)
    with pytest.raises(ValueError, match="2 parallel links"):
        net.weight("x1", "y")
    assert net.weight("x1", "y", which=1) == 7.0


def test_an_input_has_no_bias_and_no_activation():
    with pytest.raises(AttributeError, match="'x1' is an input, it has no bias"):
        two()["x1"].bias = 1.0
    with pytest.raises(AttributeError, match="no activation"):
        two()["x1"].activation = "tanh"


def test_a_delta_that_does_not_arrive_is_not_multiplied():
    net = Net()
    net.input("x")
    net.neuron("s", activation="sqrt", sources={"x": 1.0})
    net.neuron("r", activation="relu", sources={"s": -1.0}, output=True)
    assert net.weight("x", "s") == 1.0
    net.forward([0.0])
    net.sweep([1.0])
    assert net.delta[:, 0].tolist() == [0.0, 0.0, 0.0]
    assert net.weight_gradient.tolist() == [0.0, 0.0]


def test_a_weight_can_be_read_while_building():
    net = Net()
    net.input("x")
    net.neuron("h", sources={"x": 2.0}, output=True)
    assert net.weight("x", "h") == 2.0


def test_a_refused_neuron_leaves_the_net_as_it_was():
    net = Net()
    net.input("x")
    net.output("h")
    for refused in (
        lambda: net.neuron("h", sources=["x", 3.5]),
        lambda: net.neuron("h", sources=["x"], output=True),
        lambda: net.output("a", "b", "a"),
    ):
        with pytest.raises((TypeError, ValueError)):
            refused()
        assert net.names == ("x",)
    net.neuron("h", sources={"x": 2.0}, activation="linear")
    assert net.predict([3.0]).tolist() == [6.0]


def test_padding_never_meets_the_first_unit():
    net = Net()
    net.neuron("huge", "exp", {"x": 1.0})
    net.input("x")
    net.neuron("h", "linear", {"x": 1.0})
    net.neuron("wide", "linear", {"h": 1.0, "x": 1.0, "huge": 0.5})
    net.neuron("narrow", "linear", {"h": 1.0}, output=True)
    assert net.forward([1000.0]) == [1000.0]  # 0 * exp(1000) would be nan


def test_formulas_of_one_name_are_told_apart():
    net = Net.from_edges(
        [("x", "a", 1.0), ("x", "b", 1.0), ("a", "y", 1.0), ("b", "y", 1.0)],
        activations={"a": lambda a: a * a, "b": lambda a: -a},
    )
    assert net.activation_names[1:3] == ["formula", "formula"]
    assert net.forward([3.0]) == [9.0 - 3.0]
    net.sweep([5.0])
    assert net["x"].delta == 2.0 * (6.0 - 1.0)


def test_a_change_of_a_bias_after_forward_is_noticed():
    net = two()
    net.forward([1.0, 2.0])
    net["y"].bias += 1.0
    with pytest.raises(RuntimeError, match="changed since"):
        net.sweep([1.0])


def test_matrix_form_of_dead_relus_is_exactly_0():
    net = Net.layered([2, 3, 1], activation="relu", init=-1.0)
    _, gradient = net.matrix_gradient([[1.0, 2.0]], [1.0])
    assert not any(part.any() for part in gradient[0])


def test_blocks_of_samples_have_their_own_targets():
    net, rng = Net.random(3, 10, 2, seed=5), np.random.default_rng(0)
    x, y = rng.normal(size=(700, 3)), rng.normal(size=(700, 2))  # more than one block of 512
    parts = [net.loss_and_gradient(x[i : i + 100], y[i : i + 100]) for i in range(0, 700, 100)]
    value, gradient = net.loss_and_gradient(x, y)
    close(value, np.mean([v for v, _ in parts]))
    close(gradient, np.mean([g for _, g in parts], axis=0))
    net.forward(x)
    close(net.sweep(y), value)
    delta = net.delta[:, 600:]
    net.forward(x[600:])
    net.sweep(y[600:])
    close(net.delta, delta)
