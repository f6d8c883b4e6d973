"""What a diagnosis says of nets whose flow is known, and that it leaves them as they are."""

import copy
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import files, netsweep, ops
from autograd.diagnose import EXPLODING, SATURATED, VANISHING, Flow, Probe, Watch, diagnose
from autograd.learn import LOOKED_AT, LOSSES, Training
from autograd.net import Net

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60)


def output(phi, y):
    """The loss that is the output itself: its delta at a linear output is 1."""
    return phi[0] + 0.0 * y[0]


def chain(depth, weight, activation="linear", bias=0.0):
    """Neurons in a row, the first of which reads x with weight 1 and has no bias."""
    net = Net()
    net.input("x")
    for k in range(1, depth + 1):
        source, w = ("x", 1.0) if k == 1 else (f"h{k - 1}", weight)
        net.neuron(f"h{k}", activation, {source: w}, bias if k > 1 else 0.0, output=k == depth)
    return net


# Levels. -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.5, 1.0, 2.0, 4.0, -8.0, 16.0, 64.0])
def test_delta_shrinks_by_a_quarter_of_the_weight_along_sigmoids_at_0(weight):
    net = chain(8, weight, "sigmoid", bias=-weight / 2)
    flow = diagnose(net, [[0.0]], [1.0], loss=output)
    factor, levels = abs(weight) / 4, flow.levels
    assert flow.phi_mean[1:].tolist() == [0.5] * 8
    assert flow.delta_rms[1:].tolist() == [0.25 * factor**k for k in range(7, -1, -1)]
    assert flow.delta_rms[0] == flow.delta_rms[1]  # the input: its delta is dL/dx, by a weight of 1
    np.testing.assert_allclose(levels.ratio[1:-1], factor, rtol=1e-14)
    np.testing.assert_allclose(levels.relative[1:], [factor**k for k in range(7, -1, -1)], rtol=1e-13)
    expected = [
        "vanishing" if factor**k < VANISHING else "exploding" if factor**k > EXPLODING else "healthy"
        for k in range(7, -1, -1)
    ]
    assert levels.verdict.tolist() == ["", *expected]
    assert (expected[0] == "healthy") == (factor == 1.0)


@pytest.mark.parametrize("weight", [2.0, -0.5, 1.5, 1.0])
def test_delta_is_a_power_of_the_weight_along_a_linear_chain(weight):
    net = chain(12, weight)
    flow = diagnose(net, [[1.0], [-3.0], [0.0]], [0.0] * 3, loss=output)
    powers = [abs(weight) ** k for k in range(11, -1, -1)]
    assert flow.delta_rms[1:].tolist() == flow.delta_mean[1:].tolist() == powers
    assert flow.zero.tolist() == [0.0] * 13
    np.testing.assert_allclose(flow.levels.rms[1:], powers, rtol=1e-13)
    np.testing.assert_allclose(flow.levels.ratio[1:-1], abs(weight), rtol=1e-13)
    assert math.isnan(flow.levels.ratio[-1])
    # The mean loss by the weight into h_k is mean(phi) delta, by the bias delta.
    np.testing.assert_allclose(flow.bias_gradient[1:], powers, rtol=1e-15)
    np.testing.assert_allclose(flow.weight_gradient[1], powers[0] * 2 / 3, rtol=1e-15)
    assert flow.weight_norm.tolist() == [0.0, 1.0, *[abs(weight)] * 11]
    np.testing.assert_allclose(flow.gradient_ratio[1:], flow.weight_gradient[1:] / flow.weight_norm[1:], rtol=1e-15)
    assert math.isnan(flow.gradient_ratio[0])


def test_a_gradient_that_has_nearly_vanished_is_not_dead():
    flow = diagnose(chain(6, 1e-60), [[1.0]], [0.0], loss=output)
    np.testing.assert_allclose(flow.delta_rms[1:], [10.0 ** (-60 * k) for k in range(5, -1, -1)], rtol=1e-13)
    np.testing.assert_allclose(flow.levels.ratio[1:-1], 1e-60, rtol=1e-13)
    np.testing.assert_allclose(flow.weight_gradient[1], 1e-300, rtol=1e-13)
    assert not flow.dead.any()
    gone = diagnose(chain(7, 1e-60), [[1.0]], [0.0], loss=output)  # 1e-360 is 0
    assert gone.dead.tolist() == [True, True, *[False] * 6]
    assert gone.levels.verdict.tolist() == ["", "dead", *["vanishing"] * 5, "healthy"]
    assert gone.levels.dead.tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


def test_a_level_is_the_geometric_mean_of_those_that_are_alive():
    net = Net()
    net.input("x")
    for name, weight in {"a": 1e-3, "b": 0.1, "c": 1.0, "dead": 0.0, "apart": 1.0}.items():
        net.neuron(name, "linear", {"x": 1.0})
        if name != "apart":
            net.link(name, "y", weight)
    net.neuron("y", "linear", output=True)
    flow = diagnose(net, [[1.0], [2.0]], [0.0, 0.0], loss=output)
    levels = flow.levels
    assert levels.units.tolist() == [1, 5, 1]
    assert levels.dead.tolist() == [0, 1, 0]
    assert levels.detached.tolist() == [0, 1, 0]
    assert flow.detached == ["apart"]
    assert flow.dead[net["dead"].index]
    assert not flow.dead[net["apart"].index]
    assert levels.rms[1] == pytest.approx(1e-4 ** (1 / 3), rel=1e-14)
    np.testing.assert_allclose(levels.quantiles[1], [1e-3, 0.0505, 0.1, 0.55, 1.0], rtol=1e-13)
    assert levels.ratio[1] == pytest.approx(1e-4 ** (1 / 3), rel=1e-14)


def test_the_rate_past_a_dead_level_is_that_per_level():
    net = Net()
    net.input("x")
    net.neuron("a", "linear", {"x": 1.0})
    net.neuron("b", "relu", {"a": 1.0}, bias=-100.0)
    net.neuron("y", "linear", {"a": 16.0, "b": 1.0}, output=True)
    levels = diagnose(net, [[1.0]], [0.0], loss=output).levels
    assert levels.verdict.tolist() == ["", "healthy", "dead", "healthy"]
    np.testing.assert_array_equal(levels.rms, [16.0, 16.0, math.nan, 1.0])
    np.testing.assert_array_equal(levels.ratio, [1.0, 4.0, math.nan, math.nan])


def test_what_is_not_finite_is_said():
    net = chain(4, 1e200)
    flow = diagnose(net, [[1.0]], [0.0], loss=output)
    assert flow.levels.verdict.tolist() == ["", "not finite", "not finite", "exploding", "healthy"]
    assert "not finite" in str(flow)
    assert "2 levels not finite" in repr(flow)
    flow = diagnose(net, [[1.0]], [0.0])  # the loss itself overflows
    assert set(flow.levels.verdict.tolist()[1:]) == {"not finite"}
    assert flow.loss == math.inf


# Dead and saturated. -------------------------------------------------------------------------------------------------


def test_a_relu_that_never_fires_is_dead_and_so_is_what_feeds_it_alone():
    net = Net()
    net.input("x")
    net.neuron("fed", "linear", {"x": 1.0})
    net.neuron("relu", "relu", {"fed": 1.0}, bias=-5.0)
    net.neuron("half", "relu", {"x": 1.0})
    net.neuron("y", "linear", {"relu": 1.0, "half": 1.0}, output=True)
    flow = diagnose(net, [[-1.0], [-2.0], [1.0], [2.0]], [0.0] * 4, loss=output)
    at = {name: i for i, name in enumerate(net.names)}
    assert [name for name in net.names if flow.dead[at[name]]] == ["fed", "relu"]
    assert flow.saturated[at["relu"]] == 1.0  # it died by itself
    assert flow.saturated[at["fed"]] == 0.0  # it was what it feeds
    assert flow.zero[at["half"]] == flow.saturated[at["half"]] == 0.5
    assert math.isnan(flow.saturated[at["x"]])
    assert flow.levels.dead.tolist() == [0, 1, 1, 0]
    assert "dead: fed, relu" in str(flow)
    assert "2 dead neurons" in repr(flow)
    net["relu"].bias = 0.0
    assert not diagnose(net, [[-1.0], [1.0]], [0.0] * 2).dead.any()


EDGE = math.atanh(math.sqrt(1 - SATURATED))  # tanh'(EDGE) = SATURATED


@pytest.mark.parametrize(
    ("activation", "edge"),
    [("tanh", EDGE), ("sigmoid", 2 * EDGE), (lambda a: ops.tanh(2.0 * a), EDGE / 2), (ops.tanh, EDGE)],
)
def test_a_neuron_is_saturated_where_its_slope_is_a_hundredth_of_its_largest(activation, edge):
    net = Net()
    net.input("x")
    net.neuron("h", activation, {"x": 1.0})
    net.neuron("y", "linear", {"h": 1.0}, output=True)
    for x, share in [([0.0, 1.01, -1.01, 0.99, -0.99], 0.4), ([3.0, -1.5], 1.0), ([0.5], 0.0)]:
        flow = diagnose(net, edge * np.array(x)[:, None], np.zeros(len(x)), loss=output)
        assert flow.saturated[1] == pytest.approx(share, rel=1e-15)
        assert flow.saturated[2] == 0.0
        assert not flow.dead.any()
        assert ("always saturated: h" in str(flow)) == (share == 1.0)


@pytest.mark.parametrize(
    ("activation", "a", "saturated"),
    [
        ("sign", 0.5, True),  # flat everywhere
        ("linear", 1e9, False),
        ("exp", -20.0, True),
        ("exp", 0.0, False),
        ("sqrt", 0.0, False),  # an infinite slope
        ("gelu", -6.0, True),
        ("relu", -1.0, True),
        (lambda a: ops.where(a > 0.0, a, 1.0), -1.0, True),  # a path that is not there
    ],
)
def test_saturation_of_other_activations(activation, a, saturated):
    net = Net()
    net.input("x")
    net.neuron("h", activation, {"x": 1.0}, output=True)
    flow = diagnose(net, [[a]], [0.0], loss=output)
    assert flow.saturated.tolist()[1:] == [float(saturated)]


# Over time. ----------------------------------------------------------------------------------------------------------


def over_time(activation, weight, **options):
    net = Net()
    net.input("x")
    net.neuron("h", activation, {"x": 1.0}, output=True, **options)
    net.link("h", "h", weight, delay=1)
    return net


def test_a_latched_neuron_forgets_by_its_slope_at_the_fixed_point():
    phi = 0.9
    for _ in range(200):
        phi = math.tanh(1.25 * phi)
    net, x = over_time("tanh", 1.25, initial=phi), np.zeros((21, 1))
    flow = diagnose(net, x, [0.0], loss=output, at="last")
    assert flow.lag_factor == pytest.approx(0.619144, abs=1e-6)
    assert flow.lag_factor == pytest.approx(1.25 * (1 - phi * phi), rel=1e-12)
    np.testing.assert_allclose(flow.lag_rms, (1 - phi * phi) * flow.lag_factor ** np.arange(21), rtol=1e-9)
    assert flow.lag_verdict == "vanishing"
    assert "x0.6191 a step over 20 (vanishing)" in str(flow)
    # With a loss at every step, the flow of the last one is the same, and delta itself is not.
    every = diagnose(net, x, np.zeros(21), loss=output, at="all")
    np.testing.assert_array_equal(every.lag_rms, flow.lag_rms)
    assert every.delta_rms[1] > 2 * flow.delta_rms[1]


@pytest.mark.parametrize(
    ("weight", "verdict"), [(1.0, "healthy"), (0.5, "vanishing"), (-2.0, "exploding"), (0.0, ""), (1e-60, "vanishing")]
)
def test_the_factor_of_a_linear_memory_is_its_weight(weight, verdict):
    flow = diagnose(over_time("linear", weight), np.ones((3, 9, 1)), np.zeros(3), loss=output)
    assert flow.lag_verdict == verdict
    if verdict:  # of 1e-60 the first six: what comes then has lost its digits or is 0
        np.testing.assert_allclose(flow.lag_rms, abs(weight) ** np.arange(9.0), rtol=1e-14)
        assert flow.lag_factor == pytest.approx(abs(weight), rel=1e-14)
    else:
        assert flow.lag_rms.tolist() == [0.0] * 9  # no neuron carries anything back
        assert "nothing to compare" in repr(flow)


def test_lags_count_from_the_end_of_each_sequence():
    net = over_time("linear", 0.5)
    net.neuron("z", "linear", {"h": 3.0}, output=True)  # at lag 0 alone: it carries nothing back
    x, lengths = np.ones((2, 6, 1)), [2, 5]
    x[0, 2:], x[1, 5:] = math.nan, math.nan  # beyond the ends
    flow = diagnose(net, x, np.zeros((2, 2)), loss=lambda phi, y: phi[1] + 0.0 * y[0], lengths=lengths)
    np.testing.assert_allclose(flow.lag_rms, 3.0 * 0.5 ** np.arange(5), rtol=1e-15)
    assert flow.zero[2] == 1 - 2 / 7
    # Of two sequences at lags 0 and 1, and one after that.
    weighted = diagnose(
        net, x, [[1.0, 0.0], [2.0, 0.0]], loss=lambda phi, y: y[0] * phi[1], lengths=lengths, at="last"
    )
    sizes = [math.sqrt(2.5)] * 2 + [2.0] * 3
    np.testing.assert_allclose(weighted.lag_rms, 3.0 * np.array(sizes) * 0.5 ** np.arange(5), rtol=1e-15)


def test_a_longer_delay_sends_nothing_to_the_steps_between():
    net = Net()
    net.input("x")
    net.neuron("h", "linear", {"x": 1.0}, output=True)
    net.link("h", "h", 0.25, delay=2)
    flow = diagnose(net, np.ones((7, 1)), [0.0], loss=output)
    assert flow.lag_rms.tolist() == [1.0, 0.0, 0.25, 0.0, 0.0625, 0.0, 0.015625]
    assert flow.lag_factor == pytest.approx(0.5, rel=1e-14)


def test_a_net_without_delays_has_no_lags():
    flow = diagnose(chain(3, 1.0), [[1.0]], [0.0])
    assert flow.lag_rms.tolist() == []
    assert math.isnan(flow.lag_factor)
    assert flow.lag_verdict == ""
    assert "back in time" not in str(flow)


# Against what the net shows. -----------------------------------------------------------------------------------------


@st.composite
def nets(draw):
    """Draw a net with its data and lengths: any shape, gates, aggregations, delays."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    neurons, longest = draw(st.integers(1, 5)), draw(st.integers(0, 2))

    def one_of(*choices):
        return choices[rng.integers(len(choices))]

    net = Net(seed=rng)
    names = ["x0", "x1", *(f"h{i}" for i in range(neurons))]
    net.input("x0")
    net.input("x1")
    for i, name in enumerate(names[2:], 2):
        how = one_of("sum", "sum", "mean", "product", "max")
        net.neuron(name, one_of("tanh", "sigmoid", "linear", "relu"), bias=rng.normal(), aggregation=how)
        for _ in range(rng.integers(4)):
            delay = int(rng.integers(longest + 1))
            source = one_of(*names) if delay else one_of(*names[:i])
            net.link(source, name, rng.normal() * 2, delay=delay, gate=one_of(None, None, *names[:i]))
    net.output(*rng.choice(names, rng.integers(1, 3), replace=False).tolist())
    samples, steps = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    if not net.graph.max_delay:
        return net, rng.normal(size=(samples, 2)), rng.normal(size=(samples, len(net.outputs))), None
    lengths = rng.integers(1, steps + 1, samples)
    return net, rng.normal(size=(samples, steps, 2)), rng.normal(size=(samples, steps, len(net.outputs))), lengths


def rms(x):
    return np.sqrt(np.mean(np.square(x), axis=-1))


@PROPERTY
@given(nets(), st.sampled_from(["all", "last"]), st.sampled_from([1, 2**20]))
def test_the_statistics_are_those_of_what_the_net_shows(case, at, block):
    net, x, y, lengths = case
    over = {} if lengths is None else {"lengths": lengths}
    last = y if lengths is None else y[np.arange(len(y)), lengths - 1]
    at, y = (None, y) if lengths is None else (at, last if at == "last" else y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(netsweep, "BLOCK", block)
        flow = diagnose(net, x, y, at=at, **over)
    net.forward(x, **over)
    loss = net.sweep(y, at=at)
    counted = ... if lengths is None else np.arange(x.shape[1]) < lengths[:, None]
    a, phi, delta = (shown[:, counted].reshape(len(net), -1) for shown in (net.a, net.phi, net.delta))
    close = {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(flow.loss, loss, **close)
    np.testing.assert_allclose(flow.delta_mean, np.abs(delta).mean(axis=1), **close)
    np.testing.assert_allclose(flow.delta_rms, rms(delta), **close)
    np.testing.assert_array_equal(flow.zero, (delta == 0).mean(axis=1))
    np.testing.assert_allclose(flow.phi_mean, phi.mean(axis=1), **close)
    np.testing.assert_allclose(flow.phi_std, phi.std(axis=1), **close)
    np.testing.assert_array_equal(flow.level, net.level)
    slopes = {
        "tanh": lambda a: 1 - np.tanh(a) ** 2, "sigmoid": lambda a: 4 * np.exp(-a) / (1 + np.exp(-a)) ** 2,
        "relu": lambda a: (a > 0) * 1.0, "linear": np.ones_like, "": lambda a: a * math.nan,
    }  # fmt: skip
    for i, name in enumerate(net.activation_names):
        share = np.mean(slopes[name](a[i]) <= SATURATED) if name else math.nan
        np.testing.assert_array_equal(flow.saturated[i], share)
    for i, neuron in enumerate(net.neurons):
        gradient, weights = ([getattr(link, k) for link in neuron.links_in] for k in ("gradient", "weight"))
        np.testing.assert_allclose(flow.weight_gradient[i], np.linalg.norm(gradient), **close)
        np.testing.assert_allclose(flow.weight_norm[i], np.linalg.norm(weights), **close)
        np.testing.assert_allclose(flow.bias_gradient[i], abs(neuron.bias_gradient or 0.0), **close)
        assert flow.is_input[i] == neuron.is_input
        assert flow.is_output[i] == neuron.is_output
    unreachable = [name for name in flow.detached if not net[name].is_input]
    assert unreachable == net.unreachable
    if lengths is not None:
        net.sweep(last, at="last")
        by_lag = [net.delta[:, lengths > k, lengths[lengths > k] - 1 - k] for k in range(lengths.max())]
        carry = [i for i in range(2, len(net)) if any(part[i].any() for part in by_lag[1:])]
        found = [rms(part[carry].ravel()) if carry else 0.0 for part in by_lag]
        # Units are weighted alike, whatever the number of sequences.
        np.testing.assert_allclose(flow.lag_rms, found, **close)


def shown(net):
    states = (net.a, net.phi, net.delta, net.output_slopes, net.weight_gradient, net.bias_gradient,
              net.initial_gradient, net.loss, net.last_state, net._live, net.parameters)  # fmt: skip
    return [None if x is None else np.asarray(x).tobytes() for x in states]


@pytest.mark.parametrize("delay", [0, 1])
def test_what_the_net_shows_stays_as_it_is(delay):
    rng = np.random.default_rng(0)
    net = Net.layered([2, 5, 1], seed=0)
    shape = (7, 4, 2) if delay else (7, 2)
    if delay:
        net.link("h1_0" if "h1_0" in net else net.names[2], net.names[3], 0.5, delay=1)
    x, y = rng.normal(size=shape), rng.normal(size=shape[:-1])
    fresh = shown(net)
    diagnose(net, x, y)
    assert shown(net) == fresh
    assert net.delta is None
    net.step(x[0, 0] if delay else x[0])
    net.forward(x[:3])
    between = shown(net)
    diagnose(net, x, y)
    assert shown(net) == between
    loss = net.sweep(y[:3])
    before, twin = shown(net), copy.deepcopy(net)
    diagnose(net, x, y, loss="huber")
    with pytest.raises(ValueError, match="nan"):
        diagnose(net, x * math.nan, y)
    net.fit(x, y, epochs=1, optimiser="sgd", rate=1e-300, diagnose=1)
    assert shown(net) == before
    assert net.sweep(y[:3]) == loss == twin.sweep(y[:3])


# Samples. ------------------------------------------------------------------------------------------------------------


def test_samples_are_drawn_with_their_targets():
    net = chain(1, 1.0)  # phi = x
    x = np.arange(1000.0)
    flow = diagnose(net, x[:, None], x, most=50)
    assert flow.samples == 50
    assert flow.loss == 0.0  # each target is that of its sample
    assert flow.phi_std[0] > 200
    assert flow == diagnose(net, x[:, None], x, most=50, seed=np.random.default_rng(0))
    assert flow != diagnose(net, x[:, None], x, most=50, seed=1)
    assert diagnose(net, x[:, None], x).samples == 256
    assert diagnose(net, x[:, None], x, most=1000).phi_mean[0] == 499.5
    assert diagnose(net, x[:, None], x, most=5000).samples == 1000


@pytest.mark.parametrize("at", ["all", "last"])
def test_sequences_are_drawn_with_their_targets_and_lengths(at):
    rng = np.random.default_rng(1)
    net, lengths = over_time("linear", 0.0), rng.integers(1, 6, 300)
    x = rng.normal(size=(300, 5, 1)) + 10.0 * lengths[:, None, None]
    x[np.arange(5) >= lengths[:, None]] = math.nan
    y = np.nan_to_num(x) if at == "all" else x[np.arange(300), lengths - 1]
    flow = diagnose(net, x, y, lengths=lengths, at=at, most=40)
    assert flow.loss == 0.0
    assert flow.samples == 40


def test_class_labels():
    x, labels = np.random.default_rng(0).normal(size=(400, 2)), np.arange(400) % 3
    net = Net.layered([2, 4, 3], seed=0)
    flow = diagnose(net, x, labels, loss="softmax_cross_entropy", most=30)
    assert flow == diagnose(net, x, np.eye(3)[labels], loss="softmax_cross_entropy", most=30)
    assert 0.5 < flow.loss < 3.0
    assert set(LOSSES) >= {"softmax_cross_entropy"}


@pytest.mark.parametrize(
    ("x", "y", "options", "error", "message"),
    [
        ([[1.0]] * 999 + [[math.nan]], np.zeros(1000), {}, ValueError, r"X\[999, 0\]"),  # also of what is not drawn
        (np.zeros((1000, 1)), [0.0] * 999 + [math.inf], {}, ValueError, r"Y\[999, 0\]"),
        ([[1.0, 2.0]], [0.0], {}, ValueError, "the net has 1 input"),
        (np.zeros((0, 1)), [], {}, ValueError, "no samples"),
        ([[1.0]], [0.0], {"most": 0}, ValueError, "most is a whole number of at least 1, got 0"),
        ([[1.0]], [0.0], {"most": 2.5}, ValueError, "most is a whole number"),
        ([[1.0]], [0.0], {"loss": "mes"}, ValueError, "unknown loss 'mes'"),
        ([[1.0]], [0.0], {"at": "last"}, ValueError, "the net has no delays"),
        ([["a"]], [0.0], {}, TypeError, "real numbers"),
    ],
)
def test_bad_data_is_refused(x, y, options, error, message):
    with pytest.raises(error, match=message):
        diagnose(chain(2, 1.0), x, y, most=options.pop("most", 10), **options)


def test_a_net_without_outputs_is_refused():
    net = Net()
    net.input("x")
    with pytest.raises(ValueError, match="the net has no outputs"):
        diagnose(net, [[1.0]], [0.0])


# In words. -----------------------------------------------------------------------------------------------------------


def test_tables():
    net = Net.layered([2, 3, 1], seed=0)
    net.neuron("<lone & apart>", "tanh", {net.names[2]: 1.0})
    net.neuron("dim", "tanh", {net.names[2]: 1.0}, bias=40.0)
    net.link("dim", net.names[5], 1.0)
    x = np.random.default_rng(0).normal(size=(300, 2))
    flow = diagnose(net, x, x[:, 0])
    lines = str(flow).splitlines()
    assert lines[0].startswith("256 samples, loss ")
    assert [line.split()[0] for line in lines[2:6]] == ["3", "2", "1", "inputs"]
    assert lines[-1] == "no path to the loss: <lone & apart>"
    assert "<pre>" in flow._repr_html_()
    assert "&lt;lone &amp; apart&gt;" in flow._repr_html_()
    assert repr(flow).startswith("<Flow: 256 samples, loss ")
    table = flow.table().splitlines()
    assert len(table) == 1 + len(net)
    assert flow.table("dim", net.names[0]).splitlines()[1].split()[:2] == ["dim", "2"]
    assert table[-1].split()[1] == "0"  # the inputs come last
    assert "no path to the loss" in flow.table("<lone & apart>")
    with pytest.raises(KeyError, match="there is no unit 'dum'"):
        flow.table("dum")


def test_of_many_levels_the_ends_are_shown():
    flow = diagnose(chain(1000, 1.0), [[1.0]], [0.0])
    lines = str(flow).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["1000", "999"]
    assert "(961 more levels)" in lines[22]
    assert len(lines) == 2 + 41
    assert lines[-1].split()[0] == "inputs"


def test_an_output_that_is_an_input():
    net = Net()
    net.input("x")
    net.output("x")
    flow = diagnose(net, [[3.0], [4.0]], [0.0, 0.0])
    assert flow.levels.verdict.tolist() == [""]
    assert flow.levels.relative.tolist() == [1.0]
    assert flow.delta_rms[0] == pytest.approx(math.sqrt(50.0), rel=1e-15)
    assert "inputs" in str(flow)


def test_a_share_is_never_rounded_to_all_or_nothing():
    net = Net()
    net.input("x")
    net.neuron("h", "relu", {"x": 1.0}, output=True)
    for rare, share in [(-1.0, "<1 %"), (1.0, ">99 %")]:
        x = np.full(1000, -rare)
        x[0] = rare
        flow = diagnose(net, x[:, None], np.zeros(1000), loss=output, most=1000)
        assert share in flow.table("h")
        assert share in str(flow)


def test_equality_sees_every_number():
    net, x = Net.layered([1, 2, 1], seed=0), [[1.0], [2.0]]
    flow, other = (diagnose(net, x, [0.0, 1.0]) for _ in range(2))
    assert flow == other
    assert flow != "flow"
    other.phi_std[1] += 1e-9
    assert flow != other
    assert flow != diagnose(Net.layered([1, 2, 1], seed=1), x, [0.0, 1.0])


# Kept over a training. -----------------------------------------------------------------------------------------------


def data(samples=40, seed=0):
    x = np.random.default_rng(seed).normal(size=(samples, 2))
    return x, np.sin(x[:, 0]) * x[:, 1]


def small():
    return Net.random(2, 12, 1, seed=0)


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs", "lm"])
def test_a_training_keeps_its_flow_and_is_the_same(optimiser):
    x, y = data()
    net, plain = small(), small()
    history = net.fit(x, y, epochs=7, optimiser=optimiser, diagnose=3, patience=None)
    assert plain.fit(x, y, epochs=7, optimiser=optimiser).loss == history.loss
    np.testing.assert_array_equal(net.parameters, plain.parameters)
    assert [epoch for epoch, _ in history.flow] == [0, 3, 6]
    assert history.flow[0][1] == diagnose(small(), x, y)
    for epoch, flow in history.flow[1:]:
        stopped = small()
        stopped.fit(x, y, epochs=epoch, optimiser=optimiser)
        assert flow.loss == pytest.approx(history.loss[epoch - 1], rel=1e-12)
        if stopped.loss_and_gradient(x, y)[0] == history.loss[epoch - 1]:  # its best weights are its last
            assert flow == diagnose(stopped, x, y)
    assert small().fit(x, y, epochs=2).flow == []


def test_the_flow_is_that_of_the_weights_after_the_epoch():
    x, y = data(600)
    net = small()
    history = net.fit(x, y, epochs=4, diagnose=2, validation=0.25, seed=3)
    net.parameters = history.state.parameters  # not the best ones
    (_, first), (_, second), (epoch, third) = history.flow
    assert epoch == 4
    assert first.samples == second.samples == third.samples == LOOKED_AT == 64
    order = np.random.default_rng(3).permutation(600)[150:]
    assert third == diagnose(net, x[order], y[order], most=LOOKED_AT)


@pytest.mark.parametrize("kept", ["file", "memory"])
def test_the_flow_goes_on_with_the_training(kept, tmp_path):
    x, y = data()
    whole = small().fit(x, y, epochs=8, diagnose=2)
    state = small().fit(x, y, epochs=5, diagnose=2).state
    if kept == "file":
        state.save(tmp_path / "training.json")
        assert Training.load(tmp_path / "training.json").history == state.history
        state = tmp_path / "training.json"
    again = small().fit(x, y, epochs=8, diagnose=2, resume=state)
    assert [epoch for epoch, _ in again.flow] == [0, 2, 4, 6, 8]
    assert again == whole
    assert all(isinstance(flow, Flow) for _, flow in again.flow)
    assert str(again.flow[-1][1]) == str(whole.flow[-1][1])
    # Whether and how often one looks may change; what was seen stays.
    silent = small().fit(x, y, epochs=8, resume=state)
    assert [epoch for epoch, _ in silent.flow] == [0, 2, 4]


def test_a_file_whose_flow_is_damaged_is_refused(tmp_path):

    x, y = data()
    path = tmp_path / "training.json"
    small().fit(x, y, epochs=2, diagnose=2, checkpoint=path)
    file = json.loads(path.read_text())
    del file["training"]["history"]["flow"][0][1]["zero"]
    file["digest"] = files.digest(file["training"])
    path.write_text(json.dumps(file))
    with pytest.raises(ValueError, match="damaged"):
        Training.load(path)


def test_the_flow_of_a_training_over_time():
    rng = np.random.default_rng(0)
    net, lengths = over_time("tanh", 0.5), rng.integers(1, 6, 30)
    x, y = rng.normal(size=(30, 5, 1)), rng.normal(size=30)
    expected = diagnose(net, x, y, lengths=lengths, at="last")
    history = net.fit(x, y, lengths=lengths, at="last", epochs=3, diagnose=1, truncate=2)
    assert [epoch for epoch, _ in history.flow] == [0, 1, 2, 3]
    assert history.flow[0][1] == expected
    assert len(expected.lag_rms) == lengths.max()


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "each", True])
def test_epochs_between_two_looks_are_counted(wrong):
    with pytest.raises(ValueError, match="diagnose is a whole number of at least 1"):
        small().fit(*data(), epochs=1, diagnose=wrong)


def test_a_probe_looks_at_other_parameters():
    x, y = data()
    net, other = small(), small()
    other.parameters = other.parameters * 2.0
    before = net.parameters
    probe = Probe.of(net, x, y)
    assert probe(other.parameters) == diagnose(other, x, y)
    assert probe() == diagnose(net, x, y)
    np.testing.assert_array_equal(net.parameters, before)


# Watched. ------------------------------------------------------------------------------------------------------------


class Notes:
    """A watch that keeps what it is told, and stops the training where it is asked to."""

    def __init__(self, until=math.inf):
        self.until, self.begun, self.epochs = until, [], []

    def begin(self, probe, parameters, history):
        self.begun.append((probe, parameters, history.epochs))

    def epoch(self, parameters, before, history):
        self.epochs.append((history.epochs, parameters, before, history.loss[-1]))
        if history.epochs == self.until:
            raise RuntimeError("enough")


@pytest.mark.parametrize("optimiser", ["adam", "rprop", "lbfgs", "lm"])
def test_a_watch_is_told_of_every_epoch(optimiser):
    x, y = data()
    notes, net, plain = Notes(), small(), small()
    options = {"epochs": 5, "optimiser": optimiser, "batch_size": None}
    history = net.fit(x, y, diagnose=notes, **options)
    assert history == plain.fit(x, y, **options)
    assert history.flow == []
    ((probe, first, done),) = notes.begun
    assert done == 0
    np.testing.assert_array_equal(first, small().parameters)
    assert probe(first) == diagnose(small(), x, y)
    assert [epoch for epoch, *_ in notes.epochs] == [1, 2, 3, 4, 5]
    assert [loss for *_, loss in notes.epochs] == history.loss
    before = first
    for _, parameters, last, loss in notes.epochs:  # an epoch is one step
        np.testing.assert_array_equal(last, before)
        assert small().loss_and_gradient(x, y, parameters=parameters)[0] == pytest.approx(loss, rel=1e-12)
        before = parameters
    np.testing.assert_array_equal(before, history.state.parameters)


def test_a_watch_is_told_of_the_last_step_of_an_epoch():
    x, y = data()
    notes, steps = Notes(), []

    class Spy:
        def init(self, w):
            return None

        def step(self, w, gradient, state):
            steps.append((w, w - 0.01 * gradient))
            return steps[-1][1], state

    small().fit(x, y, epochs=3, batch_size=8, optimiser=Spy(), diagnose=notes)
    assert len(steps) == 15
    for (epoch, parameters, before, _), (own, moved) in zip(notes.epochs, steps[4::5], strict=True):
        np.testing.assert_array_equal(before, own, err_msg=str(epoch))
        np.testing.assert_array_equal(parameters, moved)


def test_a_watch_is_told_of_a_resumption_and_looks_on_at_the_same_samples():
    x, y = data(300)
    one, other = Notes(), Notes()
    state = small().fit(x, y, epochs=3, diagnose=one).state
    small().fit(x, y, epochs=5, resume=state, diagnose=other)
    ((probe, _, _),), ((again, parameters, done),) = one.begun, other.begun
    assert done == 3
    np.testing.assert_array_equal(parameters, state.parameters)
    assert [epoch for epoch, *_ in other.epochs] == [4, 5]
    assert again(parameters) == probe(parameters)
    assert again(parameters).samples == LOOKED_AT


def test_what_a_watch_raises_ends_the_training_with_its_best_weights():
    x, y = data()
    net, plain = small(), small()
    with pytest.raises(RuntimeError, match="enough"):
        net.fit(x, y, epochs=9, diagnose=Notes(until=3))
    plain.fit(x, y, epochs=3)
    np.testing.assert_array_equal(net.parameters, plain.parameters)


def test_what_is_no_watch_is_refused():
    assert isinstance(Notes(), Watch)
    for wrong in (0, -1, 1.5, True, "often", object(), Notes):
        with pytest.raises((TypeError, ValueError), match="diagnose is a whole number of at least 1, or a watch"):
            small().fit(*data(), epochs=1, diagnose=wrong)
