"""Nets over time, with gates, aggregations, shared and constant weights, against definitions that stand alone."""

import contextlib
import copy
import itertools
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import visualize
from autograd import files, netgraph, netsweep, ops
from autograd import net as net_module
from autograd.net import Net

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60)


@contextlib.contextmanager
def computed(natively):
    """Compute natively as always, or by the sweep in NumPy that stands in where there is no code, in small blocks."""
    with pytest.MonkeyPatch.context() as patch:
        if not natively:
            patch.setattr(Net, "_natively", lambda self, call: None)
            patch.setattr(netsweep, "BLOCK", 64)
        yield


def close(x, y, tolerance=1e-12):
    np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


@st.composite
def recurrent(draw):
    """Draw a net over time with its data: gates, aggregations, responses, shared weights, constants, learned states.

    Sizes are drawn so that a failure shrinks; all else comes from a seeded generator, which reaches more shapes, and
    numbers of which no two are equal.
    """
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    inputs, neurons, longest = draw(st.integers(1, 2)), draw(st.integers(1, 4)), draw(st.integers(0, 3))

    def one_of(*choices):
        return choices[rng.integers(len(choices))]

    net = Net(seed=rng)
    names = [f"x{i}" for i in range(inputs)] + [f"h{i}" for i in range(neurons)]
    for name in names[:inputs]:
        net.input(name)
    for name in names[inputs:]:
        net.neuron(
            name,
            one_of("tanh", "sigmoid", "linear", "sin", "relu"),
            bias=rng.normal(),
            aggregation=one_of("sum", *netgraph.AGGREGATIONS),
            response=one_of(1.0, 1.0, 0.5),
            initial=rng.normal(),
            trainable=one_of(True, True, False),
        )
    for i, name in enumerate(names[inputs:], inputs):
        for _ in range(rng.integers(4)):
            delay = int(rng.integers(longest + 1))
            share = one_of(None, None, "s")
            net.link(
                # Without a delay only what was made before may be read.
                one_of(*names) if delay else one_of(*names[:i]),
                name,
                None if share else rng.normal(),
                delay=delay,
                gate=one_of(None, None, *names[:i]),
                share=share,
                trainable=share is not None or one_of(True, True, False),
            )
    net.output(*rng.choice(names, rng.integers(1, min(3, len(names)) + 1), replace=False).tolist())
    net.learn_initial(*(name for name in names if one_of(True, False)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 5)))[: 1 + bool(net.graph.max_delay)]
    return net, rng.normal(size=(*shape, inputs)), rng.normal(size=(*shape, len(net.outputs)))


def by_values(net, x, y, at=None):
    """The mean loss, the gradient and the deltas from the net written out as Values, sample by sample."""
    total, deltas, by = 0.0, [], [np.zeros(len(net.weights)), np.zeros(len(net)), np.zeros(len(net))]
    for one, target in zip(x, y, strict=True):
        values = net.to_values(one, target, at=at)
        values.loss.backward()
        total += values.loss.data
        frames = values.a if net.graph.max_delay else [values.a]
        deltas.append([[v.grad for v in frame] for frame in frames])
        by[0] += [v.grad for v in values.weights]
        by[1] += [0.0 if v is None else v.grad for v in values.biases]
        by[2] += [v.grad for v in values.initial]
    count = len(x)
    return total / count, [part / count for part in by], np.array(deltas) * (y.shape[1] if at == "all" else 1)


@PROPERTY
@given(recurrent(), st.sampled_from(["all", "last"]))
def test_the_sweep_is_the_value_expansion(case, at):
    net, x, y = case
    if not net.graph.max_delay:
        at = None
    elif at == "last":
        y = y[:, -1]
    loss, by, deltas = by_values(net, x, y, at)
    net.forward(x)
    close(net.sweep(y, at=at), loss)
    close(net.weight_gradient, by[0])
    close(net.bias_gradient, by[1])
    deltas = deltas.transpose(2, 0, 1)
    close(net.delta, deltas if net.graph.max_delay else deltas[:, :, 0])
    if net.graph.max_delay:
        close(net.initial_gradient, by[2])
    for natively in (True, False):
        with computed(natively):
            value, flat = net.loss_and_gradient(x, y, at=at)
        close(value, loss)
        close(flat, net._collect(*by))


@PROPERTY
@given(recurrent())
def test_the_first_samples_loss_by_finite_differences(case):
    net, x, y = case
    _, gradient = net.loss_and_gradient(x, y, at="all" if net.graph.max_delay else None)
    w, objective = net.parameters, net.objective(**({"at": "all"} if net.graph.max_delay else {}))

    def slope(i, h):
        step = np.zeros_like(w)
        step[i] = h
        return (objective(w + step, (x, y))[0] - objective(w - step, (x, y))[0]) / (2 * h)

    found = [(4 * slope(i, 1e-4) - slope(i, 2e-4)) / 3 for i in range(len(w))]
    np.testing.assert_allclose(gradient, found, rtol=1e-6, atol=1e-7)
    assert len(net.parameter_names()) == len(set(net.parameter_names())) == len(w)


@PROPERTY
@given(recurrent())
def test_expand_and_collect_are_transposes(case):
    net, _, _ = case
    rng = np.random.default_rng(0)
    v = net.parameters
    at = net._expand(v)
    for part, own in zip(at, (net.weights, net.biases, net.initial), strict=True):
        np.testing.assert_array_equal(part, own)
    step = rng.normal(size=len(v))
    moved = [b - a for a, b in zip(at, net._expand(v + step), strict=True)]
    cotangent = [rng.normal(size=len(part)) for part in at]
    close(sum(m @ c for m, c in zip(moved, cotangent, strict=True)), step @ net._collect(*cotangent), 1e-10)
    net.parameters = v + step
    close(net.parameters, v + step)


@PROPERTY
@given(recurrent(), st.data())
def test_sequences_of_several_lengths_are_each_alone(case, data):
    net, x, y = case
    if not net.graph.max_delay:
        return
    samples, steps = y.shape[:2]
    lengths = [data.draw(st.integers(1, steps)) for _ in range(samples)]
    padded, targets = x.copy(), y.copy()
    for i, length in enumerate(lengths):
        padded[i, length:], targets[i, length:] = math.nan, math.nan  # what must not count
    value, gradient = net.loss_and_gradient(padded, targets, lengths=lengths, at="all")
    alone = [net.loss_and_gradient(x[i, :t], y[i, :t], at="all") for i, t in enumerate(lengths)]
    close(value, np.average([v for v, _ in alone], weights=lengths))
    close(gradient, np.average([g for _, g in alone], weights=lengths, axis=0))
    last = np.stack([y[i, t - 1] for i, t in enumerate(lengths)])
    value, gradient = net.loss_and_gradient(padded, last, lengths=lengths, at="last")
    alone = [net.loss_and_gradient(x[i, :t], last[i], at="last") for i, t in enumerate(lengths)]
    close(value, np.mean([v for v, _ in alone]))
    close(gradient, np.mean([g for _, g in alone], axis=0))
    out = net.predict(padded, lengths=lengths, at="last")
    net.forward(padded, lengths=lengths)
    net.sweep(last, at="last")
    close(net.loss, value)
    for i, t in enumerate(lengths):
        close(out[i], net.predict(x[i, :t], at="last"))
        close(out[i], net.predict(x[i, :t])[-1])
    state = net.last_state
    for i, t in enumerate(lengths):
        net.forward(x[i, :t])
        np.testing.assert_array_equal(state[i], net.last_state)


@PROPERTY
@given(recurrent(), st.integers(1, 4))
def test_steps_and_parts_are_the_whole(case, cut):
    net, x, _ = case
    whole = net.predict(x)
    close(net.forward(x), whole)
    if not net.graph.max_delay:
        close(net.step(x), whole)
        return
    net.reset()
    close(np.stack([net.step(x[:, t]) for t in range(x.shape[1])], axis=1), whole)
    net.reset()
    close(np.stack([net.step(row) for row in x[0]]), whole[0])
    if cut < x.shape[1]:
        first = net.forward(x[:, :cut])
        close(np.concatenate([first, net.predict(x[:, cut:], state=net.last_state)], axis=1), whole)


@pytest.mark.parametrize("natively", [True, False])
@PROPERTY
@given(recurrent(), st.integers(1, 6))
def test_truncated_windows_hand_on_the_state_and_no_gradient(natively, case, window):
    net, x, y = case
    if not net.graph.max_delay:
        return
    steps, value, gradient, state = x.shape[1], 0.0, 0.0, None
    for t in range(0, steps, window):
        part = slice(t, t + window)
        v, g = net.loss_and_gradient(x[:, part], y[:, part], at="all", state=state)
        length = x[:, part].shape[1]
        value, gradient = value + v * length / steps, gradient + g * length / steps
        net.forward(x[:, part], state=state)
        state = net.last_state
    with computed(natively):
        found = net.loss_and_gradient(x, y, at="all", truncate=window)
    close(found[0], value)
    close(found[1], gradient)
    net.forward(x)
    close(net.sweep(y, at="all", truncate=window), value)
    close(net._collect(net.weight_gradient, net.bias_gradient, net.initial_gradient), gradient)


@PROPERTY
@given(recurrent())
def test_a_saved_net_over_time_comes_back_exactly(tmp_path_factory, case):
    net, x, _ = case
    path = tmp_path_factory.mktemp("net") / "net.json"
    net.save(path)
    for back in (Net.load(path), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert back.names == net.names
        assert back.aggregations == net.aggregations
        assert back.parameter_names() == net.parameter_names()
        arrays = "source target weights biases delays gates shares trainable response initial level"
        for part in arrays.split():
            np.testing.assert_array_equal(getattr(back, part), getattr(net, part))
        np.testing.assert_array_equal(back.forward(x), net.forward(x))


@pytest.mark.parametrize("natively", [True, False])
@PROPERTY
@given(recurrent(), st.integers(2, 40))
def test_blocks_of_sequences_add_up(natively, case, times):
    net, x, y = case
    at = "all" if net.graph.max_delay else None
    # Each sample has its own target, and comes out as it does alone.
    many, targets = np.concatenate([x] * times), np.concatenate([y + k for k in range(times)])
    parts = [net.loss_and_gradient(x, y + k, at=at) for k in range(times)]
    with computed(natively):
        value, gradient = net.loss_and_gradient(many, targets, at=at)
        out = net.predict(many)
    close(value, np.mean([v for v, _ in parts]))
    close(gradient, np.mean([g for _, g in parts], axis=0))
    close(out, np.concatenate([net.forward(x)] * times))


# Closed forms. -------------------------------------------------------------------------------------------------------


def chain_over_time(activation, weight, **options):
    """A neuron that reads itself one step back, and whatever x brings."""
    net = Net()
    net.input("x")
    net.neuron("h", activation, {"x": 1.0}, output=True, **options)
    net.link("h", "h", weight, delay=1)
    return net


def last_by_first(net, x):
    """d phi_last / d x_first: the mean loss is the output itself."""
    net.forward(x)
    net.sweep([0.0], lambda phi, y: phi[0] + 0.0 * y[0], at="last")
    return net["x"].delta[0]


def test_a_latched_neuron_forgets_by_its_slope_at_the_fixed_point():
    phi = 0.9
    for _ in range(200):
        phi = math.tanh(1.25 * phi)
    factor = 1.25 * (1 - phi * phi)
    assert factor == pytest.approx(0.619144, abs=1e-6)
    net = chain_over_time("tanh", 1.25, initial=phi)
    steps = 21
    there = last_by_first(net, np.zeros((steps, 1)))
    assert there == pytest.approx((1 - phi * phi) * factor**20, rel=1e-9)
    assert net["h"].delta[-1] / net["h"].delta[0] == pytest.approx(1 / factor**20, rel=1e-9)
    assert factor**20 == pytest.approx(6.852e-5, rel=1e-3)


def test_a_cell_carries_its_gradient_over_a_hundred_steps():
    net = chain_over_time("linear", 1.0)
    assert last_by_first(net, np.ones((101, 1))) == 1.0
    assert net["h"].delta.tolist() == [1.0] * 101
    assert net["h"].phi[-1] == 101.0


def test_a_forget_gate_of_bias_1_forgets_by_its_sigmoid():
    net = Net()
    net.input("x")
    net.neuron("forget", "sigmoid", bias=1.0)
    net.neuron("cell", "linear", {"x": 1.0}, output=True)
    net.link("cell", "cell", 1.0, delay=1, gate="forget")
    keep = 1 / (1 + math.exp(-1))
    assert keep == pytest.approx(0.7311, abs=1e-4)
    for steps in (1, 2, 30):
        assert last_by_first(net, np.zeros((steps + 1, 1))) == pytest.approx(keep**steps, rel=1e-12)


@pytest.mark.parametrize("rho", [0.8, 1.0, 1.1])
def test_an_orthogonal_recurrent_layer_scales_by_its_gain(rho):
    rng = np.random.default_rng(3)
    q, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    net = Net()
    names = [f"h{i}" for i in range(6)]
    for i, name in enumerate(names):
        net.input(f"x{i}")
        net.neuron(name, "linear", {f"x{i}": 1.0}, output=True)
    for i, j in itertools.product(range(6), repeat=2):
        net.link(names[j], names[i], rho * q[i, j], delay=1)
    steps, send = 15, rng.normal(size=6)
    net.forward(np.zeros((steps, 6)))
    net.sweep(np.zeros(6), lambda phi, y: ops.sum([s * p for s, p in zip(send.tolist(), phi, strict=True)]), at="last")
    size = np.linalg.norm(net.delta[net.outputs, 0], axis=0)
    np.testing.assert_allclose(size, np.linalg.norm(send) * rho ** np.arange(steps - 1, -1, -1), rtol=1e-12)


@pytest.mark.parametrize("w", [1.0, 4.0])
def test_a_chain_of_logistic_neurons_loses_a_quarter_a_level(w):
    depth = 12
    net = Net()
    net.input("x")
    for i in range(depth):
        # The bias moves every pre-activation to 0, where the slope of the logistic function is 1/4.
        net.neuron(f"h{i}", "sigmoid", {f"h{i - 1}" if i else "x": w}, bias=-w / 2 if i else 0.0)
    net.output(f"h{depth - 1}")
    net.forward([0.0])
    net.sweep([0.0], lambda phi, y: phi[0])
    assert net["x"].delta == pytest.approx((w / 4) ** depth, rel=1e-12)


def test_the_longest_delay_beyond_the_sequence_reads_the_initial_state():
    net = Net()
    net.input("x")
    net.neuron("h", "linear", {"x": 1.0}, initial=3.0)
    net.neuron("y", "linear", output=True)
    net.link("h", "y", 2.0, delay=4)
    assert net.predict([[10.0], [20.0]]).tolist() == [[6.0], [6.0]]
    assert net.predict([[10.0]] * 5)[-1].tolist() == [20.0]
    net.learn_initial("h")
    _, gradient = net.loss_and_gradient([[10.0], [20.0]], [[0.0], [0.0]])
    assert net.parameter_names()[-1] == "initial h"
    assert gradient[-1] == 2 * 6.0 * 2.0  # both steps read it; the loss is their mean
    state = np.full((4, 3), 0.0)
    state[:, 1] = [1.0, 2.0, 3.0, 4.0]
    assert net.predict([[0.0]] * 4, state=state)[:, 0].tolist() == [2.0, 4.0, 6.0, 8.0]
    assert net.loss_and_gradient([[0.0]] * 4, [[0.0]] * 4, state=state)[1][-1] == 0.0


@pytest.mark.parametrize("natively", [True, False])
def test_only_the_first_window_gives_the_initial_state_a_gradient(natively):
    net = chain_over_time("linear", 0.5, initial=1.0)
    net.learn_initial("h")
    x, y = np.zeros((4, 1)), np.zeros((4, 1))
    # phi is 1/2, 1/4, 1/8, 1/16; of the mean of their squares the first two are seen by the first window.
    expected = (2 * 0.5 * 0.5 + 2 * 0.25 * 0.25) / 4
    with computed(natively):
        assert net.loss_and_gradient(x, y, truncate=2)[1][-1] == expected
    net.forward(x)
    net.sweep(y, truncate=2)
    assert net.initial_gradient[1] == expected


def test_what_flows_before_the_first_step_ends_there():
    net = chain_over_time("linear", 0.5, initial=1.0)
    net.neuron("y", "linear", output=True)
    net.link("h", "y", 1.0, delay=1, gate="x")
    net.link("h", "y", 0.25, delay=2)
    net.forward([[3.0]])
    net.sweep([0.0, 0.0], lambda phi, y: phi[1])
    assert net.initial_gradient.tolist() == [0.0, 3.0 + 0.25, 0.0]


# Aggregations and gates. ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "expected"),
    [("sum", 1.0), ("mean", 1.0), ("product", -24.0), ("max", 4.0), ("min", -3.0), ("maxabs", 4.0)],
)
def test_aggregations(how, expected):
    net = Net()
    net.input("x")
    net.neuron("x1", "linear", {"x": 1.0})
    net.neuron("y", "linear", {"x": 2.0, "x1": -3.0}, bias=0.5, output=True, aggregation=how, response=2.0)
    net.link("x", "y", 4.0 if how != "sum" else 2.0)
    assert net.forward([1.0]) == pytest.approx([0.5 + 2.0 * expected])
    assert net["y"].aggregation == how
    assert net["y"].response == 2.0
    net["y"].aggregation, net["y"].response = "sum", 1.0
    assert net.forward([1.0]) == pytest.approx([0.5 + (1.0 if how == "sum" else 3.0)])
    assert net.aggregations == ["", "sum", "sum"]


def test_of_terms_that_are_equal_a_maximum_shares_and_a_maxabs_takes_the_first():
    for how, expected in (("max", [0.5, 0.5]), ("maxabs", [1.0, 0.0])):
        net = Net()
        net.input("x")
        net.neuron("y", "linear", aggregation=how, output=True)
        net.link("x", "y", 1.0)
        net.link("x", "y", 1.0)
        net.forward([1.0])
        net.sweep([0.0], lambda phi, y: phi[0])
        assert net.weight_gradient.tolist() == expected


@pytest.mark.parametrize("how", netgraph.AGGREGATIONS)
def test_an_aggregation_of_nothing_is_the_bias(how):
    net = Net()
    net.neuron("y", "linear", bias=3.0, output=True, aggregation=how, response=5.0)
    assert net.forward(np.empty((1, 0))) == [[3.0]]
    net.sweep([[0.0]])
    assert net.bias_gradient.tolist() == [6.0]


def test_what_a_maximum_does_not_take_passes_nothing_on_not_even_infinity():
    for how in ("max", "maxabs"):
        net = Net()
        net.input("x")
        net.neuron("root", "sqrt", {"x": 1.0})
        net.neuron("y", "sqrt", {"root": 1.0}, output=True, aggregation=how)
        net.link("x", "y", 1.0)
        net.neuron("z", "linear", output=True, aggregation=how)
        net.link("root", "z", 1.0)
        net.link("x", "z", -1.0, gate="x")
        net.forward([0.0])
        net.sweep([0.0, 0.0], lambda phi, y: phi[0])
        assert net["z"].delta == 0.0
    net = Net()
    net.input("x")
    net.neuron("root", "sqrt", {"x": 1.0})
    net.neuron("big", "linear", bias=9.0)
    net.neuron("y", "linear", {"root": 1.0, "big": 1.0}, aggregation="maxabs", output=True)
    net.forward([0.0])
    net.sweep([0.0])
    assert net.delta[:, 0].tolist() == [0.0, 0.0, 18.0, 18.0]


def test_a_gate_is_read_at_the_time_of_the_target():
    net = Net()
    net.input("x")
    net.input("g")
    net.neuron("y", "linear", output=True)
    net.link("x", "y", 2.0, delay=1, gate="g")
    net.forward([[1.0, 10.0], [5.0, 100.0]])
    assert net["y"].phi.tolist() == [0.0, 200.0]
    net.sweep([0.0], lambda phi, y: phi[0], at="last")
    assert net["g"].delta.tolist() == [0.0, 2.0]
    assert net["x"].delta.tolist() == [200.0, 0.0]
    assert net.links[0].gate == net["g"]
    assert net.links[0].delay == 1
    assert repr(net.links[0]) == "<link x -> y: weight 2, delay 1, gate g, gradient 100>"


# Shared and constant weights, surgery. -------------------------------------------------------------------------------


def twins():
    net = Net(seed=1)
    net.input("x")
    net.neuron("a", "tanh")
    net.neuron("b", "tanh", trainable=False)
    net.link("x", "a", share="w")
    net.link("x", "b", 0.5, share="w")
    net.link("b", "a", 3.0, trainable=False, delay=1)
    net.output("a", "b")
    return net


def test_a_shared_weight_is_one_parameter_and_a_constant_is_none():
    net = twins()
    assert net.weights.tolist() == [0.5, 0.5, 3.0]
    assert net.parameter_names() == ["share w", "b a"]
    assert net.parameters.tolist() == [0.5, 0.0]
    net.parameters = [2.0, 1.0]
    assert net.weights.tolist() == [2.0, 2.0, 3.0]
    net.links[1].weight = 4.0
    assert net.weights.tolist() == [4.0, 4.0, 3.0]
    assert (net.links[0].share, net.links[2].share) == ("w", None)
    net.set_weight("x", "a", 5.0)
    assert net.weights.tolist() == [5.0, 5.0, 3.0]
    net.link("a", "b", share="w", delay=1)
    assert net.weights.tolist() == [5.0, 5.0, 3.0, 5.0]
    net.weights[1] = 7.0
    with pytest.raises(ValueError, match=r"share the weight 'w' have the weights 5 and 7; set one for all"):
        net.predict([[1.0]])
    with pytest.raises(ValueError, match=r"share the weight 'w'"):
        _ = net.parameters


def test_weights_that_are_shared_must_agree():
    net = twins()
    with pytest.raises(ValueError, match=r"shares the weight 'w', which is 0\.5, but is given 0\.7"):
        net.link("x", "b", 0.7, share="w")
    with pytest.raises(ValueError, match=r"'w', which is trainable; give trainable=True"):
        net.link("x", "b", share="w", trainable=False)
    with pytest.raises(TypeError, match="share is the name"):
        net.link("x", "b", share=3)
    assert len(net.links) == 3


def test_weights_drawn_for_links_that_share_are_one():
    net = Net(seed=3)
    net.input("x")
    for name in "abc":
        net.neuron(name)
        net.link("x", name, share="w")
    assert len(set(net.weights)) == 1
    assert net.weights[0] != 0.0


def test_what_is_given_for_a_shared_weight_counts_wherever_it_is_given():
    net = Net(seed=3)
    net.input("x")
    for name in "abcd":
        net.neuron(name)
    net.link("x", "a", share="w")
    with pytest.raises(ValueError, match=r"'w', which is trainable; give trainable=True"):
        net.link("x", "b", share="w", trainable=False)
    net.link("x", "b", 5.0, share="w")
    with pytest.raises(ValueError, match=r"'w', which is 5\.0, but is given 0\.7"):
        net.link("x", "c", 0.7, share="w")
    net.link("x", "c", share="w")
    assert net.weights.tolist() == [5.0, 5.0, 5.0]
    net.links[2].weight = 7.0
    net.link("x", "d", share="w")
    assert net.weights.tolist() == [7.0] * 4
    net.unlink("x", "a")
    net.link("x", "a", 1.5, share="v")
    net.link("x", "a", share="w")
    net.unlink("x", "a", which=0)
    net.link("x", "b", share="v")  # nothing shares it any more
    assert net.weights[:4].tolist() == [7.0] * 4
    assert net.weights[4] not in (7.0, 1.5)


def test_many_links_with_one_share_or_many_shares_are_made_in_a_moment(monkeypatch):
    net = Net()
    net.input("x")
    net.neuron("h", output=True)
    looks = [0]

    class Counted(list):
        def __iter__(self):
            looks[0] += len(self)
            return super().__iter__()

    monkeypatch.setattr(net, "_new_links", Counted())
    for k in range(400):
        net.link("x", "h", 0.5 if k == 0 else None, share="w")
        net.link("x", "h", share=f"w{k}")
    assert looks[0] < 2000  # links are not looked through for each link
    assert net.weights[::2].tolist() == [0.5] * 400
    assert len(set(net.weights[1::2])) == 400
    assert len(net.parameters) == 402


def test_a_refused_removal_leaves_the_net_as_it_was():
    net = Net.from_edges([("x", "h", 1.0), ("h", "k", 2.0), ("k", "y", 3.0), ("x", "y", 4.0)])
    with pytest.raises(ValueError, match="no neuron named 'kk'; did you mean 'k'"):
        net.remove("h", "kk")
    assert net.predict([0.5]) == 3.0 * math.tanh(2.0 * math.tanh(0.5)) + 2.0


def test_an_output_still_to_be_made_does_not_disturb_a_removal():
    net = Net.from_edges([("x", "h", 1.0), ("x", "k", 2.0), ("h", "y", 5.0), ("k", "y", 3.0)])
    net.output("later")
    net.remove("h")
    net.neuron("later", "linear", {"k": 1.0})
    assert net.predict([0.5]).tolist() == [3.0 * math.tanh(1.0), math.tanh(1.0)]
    net.output("never")
    with pytest.raises(ValueError, match=r"'never', which is an output; make it .* back with net\.remove\('never'\)"):
        net.predict([0.5])
    net.remove("never", "later")
    assert net.predict([0.5]).tolist() == [3.0 * math.tanh(1.0)]


def test_a_link_to_what_was_never_made_can_be_taken_back():
    net = Net.from_edges([("x1", "y", 1.0), ("x1", "y", 2.0)])
    net.link("zz", "y", 3.0)
    with pytest.raises(ValueError, match=r"names 'zz', .* or take the link back with net\.unlink\('zz', 'y'\)"):
        net.predict([1.0])
    net.unlink("zz", "y")
    assert net.predict([1.0]) == 3.0
    net.link("y", "y", 9.0, delay=1)
    net.link("x1", "y", 4.0)
    net.link("x1", "y", 8.0, gate="g")
    with pytest.raises(ValueError, match=r"'g', .*net\.unlink\('x1', 'y'\)"):
        _ = net.weights
    with pytest.raises(ValueError, match="4 parallel links 'x1' -> 'y'; say which=0 to which=3"):
        net.unlink("x1", "y")
    net.unlink("x1", "y", which=0)
    net.unlink("x1", "y", which=2)
    assert net.weights.tolist() == [2.0, 9.0, 4.0]
    net.link("y", "nowhere", share="w")
    net.link("y", "nowhere", share="w")
    with pytest.raises(ValueError, match="which=2: 2 link"):
        net.unlink("y", "nowhere", which=2)
    net.unlink("y", "nowhere", which=1)
    net.unlink("y", "nowhere")
    net.link("x1", "y", 0.5, share="w", trainable=False)
    assert net.weights.tolist() == [2.0, 9.0, 4.0, 0.5]
    with pytest.raises(ValueError, match="no neuron named 'nowhere'"):
        net.unlink("y", "nowhere")


def test_a_training_that_diverged_is_saved_and_read_exactly(tmp_path):
    net = twins()
    net.link("b", "a", 0.5, delay=1)
    net.learn_initial("a")
    net.parameters = np.where(np.arange(len(net.parameters)) % 2, math.inf, math.nan)
    assert np.isnan(net.weights[net.shares >= 0]).all()
    net.save(tmp_path / "net.json")
    back = Net.load(tmp_path / "net.json")
    assert back.parameters.tobytes() == net.parameters.tobytes()
    assert back.initial.tobytes() == net.initial.tobytes()
    assert not np.isfinite(back.predict(np.ones((2, 3, 1)))).all()


def test_freezing_and_unfreezing():
    net = Net.from_edges([("x", "h", 1.0), ("h", "y", 2.0), ("x", "y", 3.0)])
    net.freeze("h")
    assert net.parameter_names() == ["w y <- h", "w y <- x", "b y"]
    assert net.trainable.tolist() == [False, True, True]
    net.parameters = [7.0, 8.0, 9.0]
    assert net.weights.tolist() == [1.0, 7.0, 8.0]
    assert net.biases.tolist() == [0.0, 0.0, 9.0]
    _, gradient = net.loss_and_gradient([1.0], [0.0])
    assert len(gradient) == 3
    net.unfreeze("h")
    assert len(net.parameters) == 5
    net.links[1].trainable = False
    assert net.parameter_names() == ["w h <- x", "w y <- x", "b h", "b y"]
    shared = twins()
    shared.freeze("b")  # its weight is that of a
    assert shared.parameter_names() == ["b a"]
    with pytest.raises(AttributeError, match="'x' is an input"):
        shared.freeze("x")


def test_surgery_keeps_all_other_parameters():
    net = Net.random(3, 12, 2, seed=2)
    net.link("h3", "h3", 0.5, delay=1)
    net.link("h1", "y1", 0.25, gate="h2")
    net.link("h1", "y2", 0.125, gate="h4")
    net.biases[3:] = np.arange(len(net) - 3) / 8
    net["h5"].initial, net["h5"].aggregation = 0.75, "max"
    weights = {(link.source.name, link.target.name, link.gate is None): link.weight for link in net.links}
    biases = {neuron.name: neuron.bias for neuron in net}
    net.remove("h2", "x2")
    assert "h2" not in net
    assert len(net.inputs) == 2
    # The link that h2 gated went with it.
    assert [link.gate.name for link in net.links if link.gate is not None] == ["h4"]
    for link in net.links:
        assert weights[link.source.name, link.target.name, link.gate is None] == link.weight
    assert {n.name: n.bias for n in net} == {k: v for k, v in biases.items() if k not in ("h2", "x2")}
    assert (net["h5"].initial, net["h5"].aggregation) == (0.75, "max")
    assert net["h5"].index == net.names.index("h5")
    assert net.predict(np.zeros((2, 4, 2))).shape == (2, 4, 2)
    net.remove("y1")
    assert [net.names[i] for i in net.outputs] == ["y2"]


def test_pruning():
    net = Net.from_edges([("x", "h", 0.01), ("x", "g", -0.05), ("h", "y", 1.0), ("g", "y", 0.02)])
    assert net.prune("y", below=0.03) == 1
    assert [(link.source.name, link.weight) for link in net.links] == [("x", 0.01), ("x", -0.05), ("h", 1.0)]
    assert net.unreachable == ["g"]
    assert net.prune(below=0.03) == 1
    net.forward([1.0])
    net.sweep([1.0])
    assert net.weight_gradient.tolist() == [0.0, 0.0]  # h is constant, tanh(0) = 0; g reaches no output
    assert net.prune("g") == 1
    assert net.names == ("x", "h", "y")
    with pytest.raises(ValueError, match="needs below="):
        net.prune()


def test_relinking_keeps_the_weight():
    net = Net.from_edges([("x", "h", 0.5), ("h", "y", 1.0), ("x", "y", 3.0)])
    net.relink("x", "y", of="h")
    assert [link.weight for link in net["h"].links_out] == [1.0, 3.0]
    net.relink("x", "h", to="y")
    assert net.unreachable == []
    assert net["h"].sources == []
    with pytest.raises(ValueError, match="leads to an input"):
        net.relink("x", "y", to="x")


def test_edges_with_delays_gates_and_constants():
    edges = [("x", "h", 1.0), ("h", "h", 0.5), ("h", "y", 2.0)]
    named = Net.from_edges(
        edges, delays=[0, 1, 0], gates=[None, None, "x"], trainable=[True, False, True], inputs=["x"]
    )
    places = Net.from_edges(
        np.array([(0, 1), (1, 1), (1, 2)]), weights=[1.0, 0.5, 2.0], delays=np.array([0, 1, 0]),
        gates=np.array([-1, -1, 0]), trainable=np.array([True, False, True]), names=["x", "h", "y"],
        inputs=[0], outputs=[2],
    )  # fmt: skip
    assert repr(named) == "<Net: 1 input, 2 neurons, 1 output, 3 links (1 recurrent, 1 gated), depth 2>"
    x = np.random.default_rng(0).normal(size=(2, 3, 1))
    np.testing.assert_array_equal(named.predict(x), places.predict(x))
    assert named.parameter_names() == places.parameter_names() == ["w h <- x", "w y <- h * x", "b h", "b y"]


# Data and errors. ----------------------------------------------------------------------------------------------------


def test_targets_of_all_steps_or_the_last_are_told_apart_by_their_shape():
    net = chain_over_time("tanh", 0.5)
    x = np.random.default_rng(1).normal(size=(3, 4, 1))
    every, last = np.ones((3, 4, 1)), np.ones((3, 1))
    by_all, by_last = (net.loss_and_gradient(x, y, at=at)[0] for y, at in ((every, "all"), (last, "last")))
    assert by_all != by_last
    for y, expected in ((every, by_all), (every[:, :, 0], by_all), (last, by_last), (last[:, 0], by_last)):
        assert net.loss_and_gradient(x, y)[0] == expected
    one = net.loss_and_gradient(x[0], every[0])[0]
    assert one == net.loss_and_gradient(x[0], every[0, :, 0])[0] == net.loss_and_gradient(x[:1], every[:1])[0]
    one = net.loss_and_gradient(x[0], [1.0])[0]
    assert one == net.loss_and_gradient(x[0], 1.0)[0] == net.loss_and_gradient(x[:1], [[1.0]])[0]
    assert net.objective()(net.parameters, (x, every, [4, 4, 4]))[0] == by_all
    assert net.objective("mse", at="last")(net.parameters, (x, last, [4, 4, 4]))[0] == by_last


def test_labels_over_time():
    net = Net(seed=2)
    net.input("x")
    for name in "ab":
        net.neuron(name, "linear", ["x"], output=True)
    net.link("a", "b", 0.5, delay=1)
    x, labels = np.random.default_rng(1).normal(size=(3, 4, 1)), np.array([[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
    rows = np.eye(2)[labels]
    for y, same in ((labels, rows), (labels[:, -1], rows[:, -1])):
        found, expected = (net.loss_and_gradient(x, t, "softmax_cross_entropy") for t in (y, same))
        assert found[0] == expected[0]
        np.testing.assert_array_equal(found[1], expected[1])
    with pytest.raises(ValueError, match='say at="all" or at="last"'):
        net.loss_and_gradient(x[:, :2], labels[:, :2], "softmax_cross_entropy")
    net.loss_and_gradient(x[:, :2], labels[:, :2], "softmax_cross_entropy", at="all")


def test_step_by_step_needs_as_many_streams_as_before():
    net = chain_over_time("linear", 1.0)
    assert net.step([1.0]).tolist() == [1.0]
    assert net.step([1.0]).tolist() == [2.0]
    with pytest.raises(ValueError, match=r"step got 2 streams, but the state is that of 1; call net\.reset"):
        net.step([[1.0], [2.0]])
    net.reset()
    assert net.step([[1.0], [2.0]]).tolist() == [[1.0], [2.0]]
    net.links[1].weight = 10.0
    assert net.step([[0.0], [0.0]]).tolist() == [[10.0], [20.0]]
    net.neuron("more", sources=["h"])  # another structure, another state
    assert net.step([1.0]).tolist() == [1.0]


def small():
    net = chain_over_time("tanh", 0.5)
    net.neuron("z", sources={"h": 1.0})
    return net


X = np.zeros((2, 3, 1))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: small().link("h", "z", delay=-1), "the delay of 'h' -> 'z' is a whole number of at least 0, got -1"),
        (lambda: small().link("h", "z", delay=0.5), "whole number"),
        (lambda: Net.from_edges([("a", "b")], delays=[-1]), r"delays\[0\] is -1"),
        (lambda: Net.from_edges([("a", "b")], delays=[1, 2]), r"got int64 of shape \(2,\)"),
        (lambda: Net.from_edges([("a", "b")], delays=[0.5]), "got float64"),
        (lambda: Net.from_edges([("a", "b")], gates=["c"]), "no neuron named 'c'"),
        (lambda: Net.from_edges([("a", "b")], gates=[None, None]), "gates lists 2 for 1 edges"),
        (lambda: Net.from_edges(np.array([(0, 1)]), gates=[5]), "gate 5 does not exist"),
        (lambda: Net.from_edges([("a", "b")], trainable=[1.0]), "trainable has a bool per edge"),
        (lambda: small().neuron("y", aggregation="maks"), "unknown aggregation 'maks'; did you mean 'max"),
        (lambda: small().neuron("y", response=math.inf), "response of 'y'"),
        (lambda: small().neuron("y", initial=math.nan), "initial of 'y'"),
        (lambda: setattr(small(), "initial", [0.0]), "initial has shape"),
        (lambda: small().predict([1.0]), r"one sequence of shape \(T, 1\).*got shape \(1,\); for one input use X\["),
        (lambda: small().predict(np.zeros((2, 3, 2))), "got shape"),
        (lambda: small().predict(np.zeros((0, 3, 1))), "X has no samples"),
        (lambda: small().predict(np.zeros((2, 0, 1))), "X has no time steps"),
        (lambda: small().predict([[[0.0], [math.nan]]]), r"X\[0, 1, 0\] \(sequence 0, step 1, input 'x'\) is nan"),
        (lambda: small().predict(X, lengths=[3, 0]), "sequence 1 has length 0, but X has 3 steps; .* from 1 to 3"),
        (lambda: small().predict(X, lengths=[3, 4]), "sequence 1 has length 4"),
        (lambda: small().predict(X, lengths=[3]), r"lengths has a whole number per sequence, of shape \(2,\)"),
        (lambda: small().predict(X, lengths=[3.0, 3.0]), "got float64"),
        (lambda: small().predict(X, state=np.zeros((1, 3))), r"of shape \(2, 1, 3\); got shape \(1, 3\)"),
        (lambda: small().predict(X[0], state=[[0.0, math.inf, 0.0]]), r"state\[0, 0, 1\] \(unit 'h'\) is inf"),
        (lambda: small().predict(X, at="first"), 'at is "all" or "last", the steps that count, got \'first\''),
        (lambda: small().loss_and_gradient(X, np.zeros((2, 2, 1))), "a row per step and sequence, shape .2, 3, 1., or"),
        (lambda: small().loss_and_gradient(X, np.zeros((2, 1)), at="all"), r'got shape \(2, 1\) with at="all"'),
        (lambda: small().loss_and_gradient(X, np.zeros((2, 3, 1)), at="last"), 'with at="last"'),
        (lambda: small().loss_and_gradient(X, np.full((2, 3, 1), math.inf)), r"Y\[0, 0\] \(sequence 0, step 0\) is"),
        (lambda: small().loss_and_gradient(X, np.full((2, 3, 1), 2.0), "hinge"), "-1 or .1.*rows are the 6 steps"),
        (lambda: small().loss_and_gradient(X, np.zeros((2, 1)), truncate=0), "truncate is a whole number"),
        (lambda: small().to_values(X), r"one sequence of shape \(T, p\), got a batch of 2"),
        (lambda: small().objective()(small().parameters, (X,)), r"\(X, Y\), or \(X, Y, lengths\)"),
        (lambda: small().matrices(), "it has delays, gates"),
        (lambda: two().predict(X[..., [0, 0]]), "a net without delays takes no sequences"),
        (lambda: two().predict([1.0, 2.0], lengths=[1]), "lengths= goes with sequences"),
        (lambda: two().predict([1.0, 2.0], state=[1.0]), "state= goes with sequences"),
        (lambda: two().predict([1.0, 2.0], at="last"), "at= goes with sequences"),
        (lambda: two().loss_and_gradient([1.0, 2.0], [1.0], truncate=3), "truncate= goes with sequences"),
        (lambda: two().loss_and_gradient([1.0, 2.0], [1.0], at="all"), "at= goes with sequences"),
        (lambda: small().learn_initial("q"), "no neuron named 'q'"),
        (lambda: small().remove("q"), "no neuron named 'q'"),
    ],
)
def test_bad_input_over_time_is_refused_by_name(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def two():
    return Net.from_edges([("x1", "y"), ("x2", "y")], inputs=["x1", "x2"])


def test_gates_that_are_unknown_or_close_a_cycle_are_refused():
    net = two()
    net.neuron("h", sources=["y"])
    net.link("x1", "y", gate="g")
    with pytest.raises(ValueError, match=r"the gate of the link 'x1' -> 'y' names 'g', which does not exist"):
        net.predict([1.0, 2.0])
    net.neuron("g", sources=["h"])
    with pytest.raises(ValueError, match=r"cycle: (y -> h -> g -> y|h -> g -> y -> h|g -> y -> h -> g); .* a delay"):
        net.predict([1.0, 2.0])
    assert "(1 gated), under construction" in repr(net)


def test_an_objective_knows_its_options():
    with pytest.raises(TypeError, match="no option 'length'; there are at, truncate"):
        small().objective(length=3)


def test_states_larger_than_the_machine_are_refused_before_it_begins(monkeypatch):
    net, x = small(), np.zeros((50, 100, 1))
    monkeypatch.setattr("os.sysconf", lambda key: 316)  # pages, and bytes of a page
    with pytest.raises(MemoryError, match=r"forward keeps .*, here 0\.00024 GB, .* machine has 0\.0001 GB; .* fewer"):
        net.forward(x)
    assert net.phi is None
    net.predict(x)
    net.loss_and_gradient(x, np.zeros((50, 1)))
    with computed(False):
        with pytest.raises(MemoryError, match=r"a sweep through time .*, here 0\.00014 GB, .* truncate=100"):
            net.loss_and_gradient(np.zeros((1, 2000, 1)), [[0.0]])
        net.loss_and_gradient(np.zeros((1, 2000, 1)), [[0.0]], truncate=1000)

    def unknown(key):
        raise ValueError(key)

    monkeypatch.setattr("os.sysconf", unknown)
    net.forward(x)


def test_a_net_of_the_first_version_of_the_format_is_read(tmp_path):
    net = Net.random(3, 6, 2, seed=4)
    path = tmp_path / "net.json"
    net.save(path)
    file = json.loads(path.read_text())
    assert file["version"] == 2
    first = ["names", "activations", "inputs", "outputs", "source", "target", "weights", "biases"]
    file["net"] = {key: file["net"][key] for key in first}
    file.update(version=1, digest=files.digest(file["net"]))
    path.write_text(json.dumps(file))
    back = Net.load(path)
    np.testing.assert_array_equal(back.predict(np.ones((2, 3))), net.predict(np.ones((2, 3))))
    assert back.parameter_names() == net.parameter_names()


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.update(aggregation=[[0, "max"]]),
        lambda net: net.update(aggregation=[[1, "maks"]]),
        lambda net: net.update(aggregation=[[9, "max"]]),
        lambda net: net.update(share_names=["a", "a"]),
        lambda net: net.update(delay=net_module._pack(np.array([-1, 0]), "<i8")),
        lambda net: net.update(gate=net_module._pack(np.array([7, -1]), "<i8")),
        lambda net: net.update(share=net_module._pack(np.array([0, -1]), "<i8")),
        lambda net: net.update(trainable=net_module._pack(np.ones(1), "|b1")),
        lambda net: net.update(response=net_module._pack(np.ones(9), "<f8")),
        lambda net: net.update(response=net_module._pack(np.full(2, math.nan), "<f8")),
        lambda net: net.update(initial=net_module._pack(np.zeros(9), "<f8")),
        lambda net: net.update(delay=net_module._pack(np.array([2**24 + 1, 0]), "<i8")),
        lambda net: net.pop("gate"),
    ],
)
def test_a_damaged_file_of_a_net_over_time_is_refused(tmp_path, change):
    net, path = small(), tmp_path / "net.json"
    net.unlink("h", "z")
    net.save(path)
    file = json.loads(path.read_text())
    change(file["net"])
    file["digest"] = files.digest(file["net"])
    path.write_text(json.dumps(file))
    with pytest.raises(ValueError, match="damaged"):
        Net.load(path)


def test_a_name_of_another_package_is_saved_and_its_absence_is_explained(tmp_path, monkeypatch):
    path = tmp_path / "net.json"
    monkeypatch.setitem(netgraph.NAMED, "neat.test", lambda a: a * a)
    net = Net.from_edges([("x", "y", 2.0)], output_activation="neat.test")
    net.save(path)
    assert Net.load(path).forward([3.0]) == [36.0]
    monkeypatch.delitem(netgraph.NAMED, "neat.test")
    with pytest.raises(ValueError, match=r"unknown activation 'neat\.test'.*import autograd\.neat first"):
        Net.load(path)


def test_a_change_of_the_initial_state_after_forward_is_noticed():
    net = small()
    net.forward(X)
    net["h"].initial = 1.0
    with pytest.raises(RuntimeError, match="changed since"):
        net.sweep(np.zeros((2, 1)))


def test_views_over_time():
    net = small()
    net.forward(X[0])
    net.sweep([0.0])
    assert net["h"].phi.shape == (3,)
    assert net.last_state.shape == (1, 3)
    assert "phi of 3 steps" in repr(net["h"])
    net.forward(X)
    assert net["h"].phi.shape == (2, 3)
    assert net.phi.shape == (3, 2, 3)
    assert net.last_state.shape == (2, 1, 3)
    assert "phi of 2 sequences" in repr(net["h"])
    assert net.unreachable == ["z"]


def test_a_net_over_time_is_drawn():
    net = Net()
    net.input("x")
    net.neuron("h", "tanh", {"x": 1.0}, aggregation="max")
    net.link("h", "h", 1.25, delay=1)
    net.neuron("y", "linear", {"h": 2.0}, output=True)
    net.link("y", "h", -2.5, delay=2, gate="x")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 5, 1)), rng.normal(size=(4, 1))
    net.forward(x)
    net.sweep(y)
    graph = visualize.as_graph(net)
    assert graph.samples == 20
    close(graph.gradients[1], np.sqrt(np.mean(net["h"].delta ** 2)))
    before = np.concatenate([np.zeros((4, 2)), net["y"].phi[:, :3]], axis=1)
    earlier = np.concatenate([np.zeros((4, 1)), net["h"].phi[:, :4]], axis=1)
    largest = np.argmax([x[:, :, 0], 1.25 * earlier, -2.5 * before * x[:, :, 0]], axis=0)
    back = [net["h"].delta * (largest == k) for k in range(3)]  # to the largest alone
    assert all(part.any() for part in back)
    close(graph.messages[0], np.sqrt(np.mean(back[0] ** 2)))
    close(graph.messages[1], 1.25 * np.sqrt(np.mean(back[1] ** 2)))
    close(graph.messages[3], -2.5 * np.sqrt(np.mean((back[2] * x[:, :, 0]) ** 2)))
    close(graph.messages[4], 2.5 * np.sqrt(np.mean((back[2] * before) ** 2)))
    close(graph.messages[5], np.sqrt(np.mean(net.output_slopes**2)))
    assert graph.notes[1:] == (
        "an edge from a gate has the mean of w times what comes through it as its factor",
        "an edge carries back from a unit that does not just sum w·δ times the slope of what this does",
    )
    assert "h × 1.25" in visualize.draw(net).text
    assert "<svg" in visualize.draw(net).svg
