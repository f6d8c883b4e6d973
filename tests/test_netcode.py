"""The native code of nets against the plain sweep: every kind of unit, of block, of row, and what a call may meet."""

import itertools
import math
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import machine, netcode, netkernel, netsweep, nettables, ops, primitive, rowcode
from autograd.net import Net
from autograd.netgraph import Activation, find_activation
from autograd.op import ABSENT

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60)
SMOOTH = ("tanh", "sigmoid", "linear", "sin", "relu", "gaussian", "softplus")


def swept(net, x, y, loss="mse", **options):
    """Return loss and gradient by the plain sweep."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Net, "_natively", lambda self, call: None)
        return net.loss_and_gradient(x, y, loss, **options)


def agree(found, expected, tolerance=1e-12):
    scale = max(1.0, float(np.abs(expected[1]).max(initial=0.0)))
    np.testing.assert_allclose(found[0], expected[0], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found[1], expected[1], rtol=tolerance, atol=tolerance * scale)


def mixed(rng, delays=0, activations=SMOOTH):
    """Return a net of sparse neurons and layers by turns: dense groups of many sizes read and feed all kinds."""
    net = Net(seed=rng)
    units = [net.input(f"x{i}").name for i in range(rng.integers(1, 6))]
    layers = []
    for layer in range(rng.integers(1, 5)):
        if rng.random() < 0.5:
            size, sources = rng.integers(1, 9), list(rng.choice(units, rng.integers(1, len(units) + 1), replace=False))
            new = [f"d{layer}_{i}" for i in range(size)]
            for name in new:
                net.neuron(name, activations[rng.integers(len(activations))], sources, bias=rng.normal())
            if delays and rng.random() < 0.7:
                delay = int(rng.integers(1, delays + 1))
                for name in new:
                    for other in new:
                        net.link(other, name, delay=delay)
        else:
            new = [f"s{layer}_{i}" for i in range(rng.integers(1, 6))]
            for name in new:
                sources = rng.choice(units, rng.integers(0, len(units) + 1), replace=False)
                net.neuron(name, activations[rng.integers(len(activations))], list(sources), bias=rng.normal())
        units += new
        layers.append(new)
    net.output(*rng.choice(units, rng.integers(1, len(units) + 1), replace=False))
    return net


def data(rng, net, samples, steps=None):
    shape = (samples,) if steps is None else (samples, steps)
    return rng.normal(size=(*shape, len(net.inputs))), rng.normal(size=(*shape, len(net.outputs)))


# The numbers. --------------------------------------------------------------------------------------------------------


@PROPERTY
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 15, 16, 17, 33, 70]))
def test_nets_of_sparse_neurons_and_layers(seed, samples):
    rng = np.random.default_rng(seed)
    net = mixed(rng)
    x, y = data(rng, net, samples)
    agree(net.loss_and_gradient(x, y), swept(net, x, y))
    np.testing.assert_allclose(net.predict(x), net.forward(x), rtol=1e-12, atol=1e-12)


@PROPERTY
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 40]), st.booleans(), st.sampled_from([None, 3]))
def test_the_loss_at_the_last_step_that_counts(seed, samples, again, truncate):
    """Most stretches and windows then see no loss."""
    rng = np.random.default_rng(seed)
    net = mixed(rng, delays=2)
    if not net.max_delay:
        return
    steps = int(rng.integers(1, 30))
    x, y = data(rng, net, samples, steps)
    options = {"at": "last", "lengths": rng.integers(1, steps + 1, samples), "truncate": truncate}
    with pytest.MonkeyPatch.context() as patch:
        if again:
            patch.setattr(netcode, "MOST_ROOM", 1)
        agree(net.loss_and_gradient(x, y[:, 0], **options), swept(net, x, y[:, 0], **options))


@PROPERTY
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 40]), st.booleans())
def test_layers_over_time(seed, samples, again):
    """Again: with so little memory that states are computed again."""
    rng = np.random.default_rng(seed)
    net = mixed(rng, delays=3)
    if not net.max_delay:
        return
    x, y = data(rng, net, samples, steps=int(rng.integers(1, 30)))
    with pytest.MonkeyPatch.context() as patch:
        if again:
            patch.setattr(netcode, "MOST_ROOM", 1)
        agree(net.loss_and_gradient(x, y, at="all"), swept(net, x, y, at="all"))
        np.testing.assert_allclose(net.predict(x), net.forward(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sizes", [[3, 5, 2], [40, 33, 17, 10], [7, 4, 4, 4], [300, 140, 7]])
@pytest.mark.parametrize("samples", [1, 50])
def test_a_layered_net_is_its_matrix_notation(sizes, samples):
    rng = np.random.default_rng(1)
    net = Net.layered(sizes, activation="sigmoid", seed=2)
    x, y = rng.normal(size=(samples, sizes[0])), rng.normal(size=(samples, sizes[-1]))
    value, gradient = net.loss_and_gradient(x, y)
    expected, matrices = net.matrix_gradient(x, y)
    assert math.isclose(value, expected, rel_tol=1e-13)
    weights = np.concatenate([w.ravel() for w, _ in matrices])
    biases = np.concatenate([b for _, b in matrices])
    np.testing.assert_allclose(gradient, np.concatenate([weights, biases]), rtol=1e-11, atol=1e-14)
    # All links are in dense groups where there are enough neurons.
    tables = net._native._codes[next(iter(net._native._codes))].tables
    assert sum(g.links.size for g in tables.groups) == sum(
        a * b for a, b in itertools.pairwise(sizes) if a >= nettables.GROUP and b >= nettables.GROUP
    )


@pytest.mark.parametrize("seed", range(6))
def test_in_float32_the_digits_are_fewer(seed):
    rng = np.random.default_rng(seed)
    net = mixed(rng, delays=2 * (seed % 2))
    x, y = data(rng, net, 37, steps=5 if net.max_delay else None)
    options = {"at": "all"} if net.max_delay else {}
    exact, rough = swept(net, x, y, **options), net.loss_and_gradient(x, y, dtype=np.float32, **options)
    agree(rough, exact, 3e-5)
    assert rough[1].dtype == np.float64
    assert net.predict(x, dtype=np.float32).dtype == np.float32
    np.testing.assert_allclose(net.predict(x, dtype="float32"), net.forward(x), rtol=1e-4, atol=1e-4)


def test_more_delay_than_a_stretch_of_the_sequence():
    net = Net()
    net.input("x")
    net.neuron("h", "tanh", {"x": 0.7}, output=True)
    net.link("h", "h", 0.9, delay=4)
    rng = np.random.default_rng(0)
    x, y = data(rng, net, 5, steps=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(netcode, "MOST_ROOM", 1)
        for steps in (3, 17, 40):  # the first is not worth cutting
            part = x[:, :steps], y[:, :steps]
            agree(net.loss_and_gradient(*part, at="all"), swept(net, *part, at="all"))


def test_memory_does_not_grow_with_the_samples():
    net = Net.random(5, 300, 3, seed=0)
    rng = np.random.default_rng(0)
    sizes = []
    for samples in (200, 20_000):
        net.loss_and_gradient(*data(rng, net, samples), threads=1)
        sizes.append(sum(code._own.room.memory.nbytes for code in net._native._codes.values()))
    assert sizes[0] == sizes[1] < 4 * 8 * len(net) * netkernel.Shape("double").samples


def test_a_loss_of_no_output_and_of_part_of_them():
    net = Net.layered([2, 4, 3], seed=1)
    x, y = np.ones((4, 2)), np.zeros((4, 3))
    assert net.loss_and_gradient(x, y, lambda phi, y: 2.5)[0] == 2.5
    assert not net.loss_and_gradient(x, y, lambda phi, y: 2.5)[1].any()
    agree(net.loss_and_gradient(x, y, lambda phi, y: phi[1] * y[0]), swept(net, x, y, lambda phi, y: phi[1] * y[0]))


# Rows. ---------------------------------------------------------------------------------------------------------------


def along(code, *arrays):
    """Run code over arrays, which it may write to."""
    import ctypes

    kinds = [ctypes.c_void_p] * len(arrays) + [ctypes.c_int64]
    ctypes.CFUNCTYPE(None, *kinds)(code.address)(*[a.ctypes.data for a in arrays], len(arrays[0]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [name for name, op in ops.TABLE.items() if op.arity == 1])
def test_an_activation_is_its_row(name, dtype):
    sigma, scalar = find_activation(name), "double" if dtype == np.float64 else "float"
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=403), 30 * rng.normal(size=100), rng.uniform(-1, 1, 100), [0.0, 1.0, -1.0]])
    a = x.astype(dtype)
    both, alone = rowcode.activation_code(sigma, rowcode.activation_programs(sigma, scalar), scalar)
    phi, slope, only = a.copy(), np.empty_like(a), a.copy()
    along(both, phi, slope)
    along(alone, only, slope.copy())
    exact = a.astype(np.float64)
    with np.errstate(all="ignore"):
        value = sigma.value(exact)
        expected = sigma.slope(exact, value)
        there = expected != ABSENT
        expected, value = expected.astype(dtype), value.astype(dtype)
    np.testing.assert_array_equal(slope == dtype(rowcode.absent(scalar)), ~there)
    unit = np.finfo(dtype).eps
    np.testing.assert_allclose(phi, value, rtol=60 * unit, atol=30 * unit)
    np.testing.assert_allclose(only, value, rtol=60 * unit, atol=30 * unit)
    np.testing.assert_allclose(slope[there], expected[there], rtol=400 * unit, atol=100 * unit)


@pytest.mark.parametrize("name", ["tanh", "sin", "cos", "softplus"])
def test_value_and_slope_together_are_as_good_as_apart(name):
    """Relative to their own size, until tanh' is no longer a normal number."""
    sigma = find_activation(name)
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=2000) * s for s in (1e-8, 1e-3, 1.0, 20.0, 80.0)])
    x = x[np.abs(x) < 350.0]
    both, _ = rowcode.activation_code(sigma, rowcode.activation_programs(sigma, "double"), "double")
    phi, slope = x.copy(), np.empty_like(x)
    along(both, phi, slope)
    value = sigma.value(x)
    np.testing.assert_array_max_ulp(phi, value, 4)
    expected = sigma.slope(x, value)
    np.testing.assert_array_max_ulp(slope, expected, 10)
    edge = np.array([0.0, -0.0, math.inf, -math.inf, math.nan, 800.0, -800.0])
    phi, slope = edge.copy(), np.empty_like(edge)
    along(both, phi, slope)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(phi, sigma.value(edge))
        expected = sigma.slope(edge, phi)
    np.testing.assert_array_equal(slope, expected)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 16, 19])
def test_rows_of_any_length_and_nothing_beyond(count):
    sigma = find_activation("sigmoid")
    both, _ = rowcode.activation_code(sigma, rowcode.activation_programs(sigma, "double"), "double")
    phi, slope = np.full(24, 7.0), np.full(24, 8.0)
    phi[:count] = np.linspace(-2, 2, count)
    expected = sigma.value(phi[:count])
    along(both, phi[:count], slope[:count])
    np.testing.assert_allclose(phi[:count], expected, rtol=1e-15)
    assert (phi[count:] == 7.0).all()
    assert (slope[count:] == 8.0).all()


# Formulas. -----------------------------------------------------------------------------------------------------------


def test_formulas_are_read_again_when_what_they_read_has_changed():
    width = 1.0
    net = Net(init=0.5)
    net.input("x")
    net.neuron("h", lambda a: ops.tanh(width * a), ["x"])
    net.neuron("y", "linear", ["h"], output=True)
    x, y = [[1.0], [2.0]], [0.3, 0.4]
    before = net.loss_and_gradient(x, y)
    width = 3.0
    after = net.loss_and_gradient(x, y)
    assert after[0] != before[0]
    agree(after, swept(net, x, y))
    scale = 1.0
    loss = lambda phi, y: scale * (phi[0] - y[0]) ** 2
    assert net.loss_and_gradient(x, y, loss)[0] == pytest.approx(after[0])
    scale = 2.0
    assert net.loss_and_gradient(x, y, loss)[0] == pytest.approx(2 * after[0])


def test_a_row_of_the_users_that_only_python_knows():
    row = primitive("netcode_cube", lambda a: math.pow(a, 3.0), lambda a, y: 3.0 * a * a)
    net = Net(init=0.5)
    net.input("x")
    net.neuron("h", row, ["x"])
    net.neuron("y", "linear", ["h"], output=True)
    x, y = np.linspace(-1, 1, 20)[:, None], np.zeros(20)
    try:
        agree(net.loss_and_gradient(x, y), swept(net, x, y))
    finally:
        del ops.TABLE["netcode_cube"]


def test_what_cannot_be_recorded_runs_on_the_sweep_and_says_so():
    net = Net.layered([1, 2, 1], seed=0)
    x, y = [[1.0], [2.0]], [0.5, 0.25]
    shares = np.array([1.0, 3.0])  # a number per sample, which a formula of one sample does not have
    with pytest.warns(RuntimeWarning, match=r"the loss gives ndarray.*; it runs on the plain sweep"):
        value, _ = net.loss_and_gradient(x, y, lambda phi, y: shares * (phi[0] - y[0]) ** 2)
    outputs = net.predict(x)[:, 0]
    assert value == pytest.approx(float((shares * (outputs - y) ** 2).mean()))


def test_not_finite_is_what_the_sweep_says():
    net = Net()
    net.input("x")
    net.neuron("big", "exp", {"x": 1000.0})  # inf, but nothing reads it with a weight that counts
    net.neuron("off", "relu", {"big": -1.0})
    net.neuron("y", "linear", {"off": 1.0, "x": 1.0}, output=True)
    found = net.loss_and_gradient([[1.0]], [0.0])
    agree(found, swept(net, [[1.0]], [0.0]))
    assert np.isfinite(found[1]).all()


# Calls. --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.setattr(netcode, "PART", 1)


@pytest.mark.parametrize("delays", [0, 2])
def test_threads_do_not_change_a_bit(parts, delays):
    rng = np.random.default_rng(0)
    net = Net.layered([3, 8, 6, 2], seed=1)
    if delays:
        net.link("h1_1", "h1_2", delay=delays, gate="h1_3")
    x, y = data(rng, net, 700, steps=4 if net.max_delay else None)
    one = net.loss_and_gradient(x, y, threads=1)
    for threads in (2, 3, None):
        other = net.loss_and_gradient(x, y, threads=threads)
        assert other[0] == one[0]
        np.testing.assert_array_equal(other[1], one[1])
    agree(one, swept(net, x, y))


def test_calls_from_several_threads_at_once(parts):
    net = Net.random(3, 40, 2, seed=1)
    rng = np.random.default_rng(0)
    x, y = data(rng, net, 300)
    vectors = [net.parameters * s for s in (0.5, 1.0, 1.5, 2.0)]
    expected = [net.loss_and_gradient(x, y, parameters=v) for v in vectors]
    prepared = net.objective().prepare((x, y))
    wrong = []

    def work(k):
        for _ in range(20):
            for call in (lambda v: net.loss_and_gradient(x, y, parameters=v), prepared):
                value, gradient = call(vectors[k])
                if value != expected[k][0] or not np.array_equal(gradient, expected[k][1]):
                    wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_prepared_objective():
    net = Net.random(3, 12, 2, seed=1)
    rng = np.random.default_rng(0)
    for samples in (1, 30):
        x, y = data(rng, net, samples)
        objective = net.objective("huber")
        call = objective.prepare((x, y))
        for scale in (1.0, 0.3):
            vector = scale * net.parameters
            agree(call(vector), objective(vector, (x, y)), 1e-15)
    with pytest.raises(ValueError, match="parameters is a vector of"):
        call([1.0])
    with pytest.raises(ValueError, match="the rows of an objective"):
        objective.prepare(x)
    agree(call([math.nan] * len(net.parameters)), objective([math.nan] * len(net.parameters), (x, y)))


def test_weights_that_changed_are_seen():
    net = Net.random(2, 6, 1, seed=1)
    rng = np.random.default_rng(0)
    x, y = data(rng, net, 9)
    net.loss_and_gradient(x, y)
    net.weights[:] *= 0.5
    net.freeze(net.names[-1])
    agree(net.loss_and_gradient(x, y), swept(net, x, y))
    net.weights[:] *= 0.5  # frozen ones, too
    agree(net.loss_and_gradient(x, y), swept(net, x, y))


def test_a_copy_and_a_pickle_make_their_own_code():
    net = Net.random(2, 6, 1, seed=1)
    x, y = np.ones((3, 2)), np.ones((3, 1))
    expected = net.loss_and_gradient(x, y)
    agree(pickle.loads(pickle.dumps(net)).loss_and_gradient(x, y), expected, 0.0)


@pytest.mark.parametrize(("option", "match"), [
    ({"dtype": np.int64}, "dtype is float64 or float32"),
    ({"threads": 0}, "threads must be a whole number of at least 1"),
])  # fmt: skip
def test_wrong_options(option, match):
    net = Net.layered([1, 1])
    with pytest.raises(ValueError, match=match):
        net.loss_and_gradient([[1.0]], [[1.0]], **option)


def test_a_net_that_the_tables_cannot_hold_is_refused(monkeypatch):
    net = Net.layered([1, 1])
    graph = net.graph
    shape = netkernel.Shape("double")
    object.__setattr__(graph, "max_delay", 2**27)
    with pytest.raises(MemoryError, match="with delays up to 134217728 is too large"):
        nettables.Tables(graph, shape, {})


def test_groups_are_told_apart_even_if_their_marks_agree(monkeypatch):
    rng = np.random.default_rng(5)
    net = Net(seed=rng)
    for i in range(8):
        net.input(f"x{i}")
    for i in range(8):
        net.neuron(f"h{i}", "tanh", [f"x{(i // 2 + k) % 8}" for k in range(4)])
    net.output(*[f"h{i}" for i in range(8)])
    x, y = data(rng, net, 20)
    expected = swept(net, x, y)
    monkeypatch.setattr(nettables, "_marks", lambda numbers: np.ones(len(numbers), np.uint64))
    agree(net.loss_and_gradient(x, y), expected)


@pytest.mark.skipif(machine.vector_lanes() < 2, reason="this machine has no vectors")
def test_rows_ahead_are_fetched_where_a_net_is_large(monkeypatch):
    monkeypatch.setattr(netcode, "LARGE", 0)
    rng = np.random.default_rng(2)
    net = mixed(rng)
    x, y = data(rng, net, 40)
    agree(net.loss_and_gradient(x, y), swept(net, x, y))
    assert any(ahead for _, _, ahead in net._native._codes)


def test_an_activation_that_decides_by_if_has_no_code():
    with pytest.raises(rowcode.NoCodeError, match="decides by if"):
        rowcode.activation_programs(Activation("step", lambda a: a if a > 0 else 0.0), "double")
    with pytest.raises(rowcode.NoCodeError, match="gives list"):
        rowcode.loss_program(lambda phi, y: phi, 1, 1)


def test_the_sweep_is_not_made_where_it_is_not_needed():
    net = Net.layered([2, 3, 1])
    net.loss_and_gradient(np.ones((2, 2)), np.ones((2, 1)))
    net.predict(np.ones((2, 2)))
    assert net._passes is None
    assert isinstance(net._evaluable(), netsweep.Sweep)


def test_windows_and_learned_states():
    net = Net(seed=1)
    net.input("x")
    net.neuron("g", "sigmoid", {"x": 0.5})
    net.neuron("h", "tanh", {"x": 0.7}, initial=0.3, output=True)
    net.link("h", "h", 0.9, delay=2, gate="g")
    net.link("h", "g", 0.4, delay=1)
    net.link("h", "h", 0.2, delay=1)
    net.learn_initial("h")
    rng = np.random.default_rng(0)
    x, y = data(rng, net, 20, steps=11)
    for options in ({}, {"truncate": 4}, {"truncate": 1}, {"state": rng.normal(size=(20, 2, len(net)))}):
        agree(net.loss_and_gradient(x, y, at="all", **options), swept(net, x, y, at="all", **options))


def test_an_absent_slope_passes_nothing_on_however_large():
    net = Net()
    net.input("x")
    net.neuron("off", "relu", {"x": -1.0})
    net.neuron("y", "linear", {"off": 1e300}, output=True)
    for samples in (1, 5):
        _, gradient = net.loss_and_gradient(np.ones((samples, 1)), np.zeros(samples), lambda phi, y: phi[0])
        assert gradient.tolist() == [0.0, 0.0, 0.0, 1.0]


def test_what_lies_behind_the_data_is_not_read():
    net = Net.layered([2, 1], init=0.5)
    behind = np.full((64, 2), math.inf)
    behind[:5] = 1.0
    found = net.loss_and_gradient(behind[:5], np.zeros(5))
    seen = net._seen(np.zeros(5), "mse", np.ones(5, int), None, 1, False)
    native = net._natively(
        lambda code: code.loss_and_gradient(
            net.parameters, net._fixed(code), behind[:5, None], seen, code.loss(seen), threads=1
        )
    )
    agree(native, found, 0.0)


def test_sequences_of_many_lengths_take_the_memory_of_the_longest():
    rng = np.random.default_rng(0)
    net = Net(seed=3)
    net.input("x")
    net.neuron("h", "tanh", {"x": 0.7}, output=True)
    net.link("h", "h", 0.9, delay=2)
    x, y = data(rng, net, 20, steps=30)
    prepared = net.objective(at="all").prepare((x[:, :9], y[:, :9]))
    for steps in (9, 30, 4, 17, 1):
        part = x[:, :steps], y[:, :steps]
        agree(net.loss_and_gradient(*part, at="all"), swept(net, *part, at="all"))
        agree(prepared(net.parameters), swept(net, x[:, :9], y[:, :9], at="all"))
    (code,) = net._native._codes.values()
    assert code._own.room.steps == 30


def test_code_that_gave_way_to_other_code_leaves_nothing_behind():
    """Two kinds of numbers, blocks of one and of many samples, a formula that changes, in turn."""
    rng = np.random.default_rng(1)
    slope = 1.0
    net = Net.layered([3, 20, 1], activation=lambda a: ops.tanh(slope * a), seed=2)
    x, y = data(rng, net, 50)
    for k in range(12):
        slope = 1.0 + k // 3
        rows = slice(0, (1, 50)[k % 2])
        expected = swept(net, x[rows], y[rows])
        agree(net.loss_and_gradient(x[rows], y[rows]), expected)
        agree(net.loss_and_gradient(x[rows], y[rows], dtype=np.float32), expected, 1e-4)


def test_parallel_links_into_a_layer():
    net = Net(seed=1)
    net.input("x")
    net.neuron("h", "tanh", {"x": 1.0})
    net.neuron("g", "tanh", {"x": 0.5})
    for k in range(6):
        net.neuron(f"u{k}", "tanh", ["h", "g", "h", "x"])
    net.neuron("y", "linear", [f"u{k}" for k in range(6)], output=True)
    rng = np.random.default_rng(0)
    for samples in (1, 5):
        x, y = data(rng, net, samples)
        agree(net.loss_and_gradient(x, y), swept(net, x, y))


def test_a_net_within_itself():
    net = Net.layered([1, 5, 1], seed=2)
    x = np.linspace(-1, 1, 5)[:, None]
    expected = net.loss_and_gradient(x, x)
    depth = 0

    def look(p):
        nonlocal depth
        if not depth:
            depth += 1
            net.loss_and_gradient(7 * x, x)
            net.predict(7 * x)
            depth -= 1
        return float(p)

    row = primitive("netcode_look", look, lambda p, y: 1.0)
    try:
        agree(net.loss_and_gradient(x, x, lambda phi, y: (row(phi[0]) - y[0]) ** 2), expected)
    finally:
        del ops.TABLE["netcode_look"]


@pytest.mark.parametrize("loss", ["mse", "softmax_cross_entropy", "huber"])
def test_losses_of_many_outputs(loss):
    net = Net.layered([3, 4, 400], seed=1)
    rng = np.random.default_rng(0)
    for samples in (1, 21):
        x = rng.normal(size=(samples, 3))
        y = rng.integers(0, 400, samples) if loss == "softmax_cross_entropy" else rng.normal(size=(samples, 400))
        agree(net.loss_and_gradient(x, y, loss), swept(net, x, y, loss))


def test_a_prepared_objective_of_a_net_that_changed_since():
    net = Net.layered([1, 2, 1])
    call = net.objective().prepare(([[1.0]], [1.0]))
    net["h1_1"].activation = "relu"
    with pytest.raises(RuntimeError, match="the net has changed since the objective was prepared"):
        call(net.parameters)


def test_data_beyond_float32():
    net = Net.layered([2, 1])
    x = np.array([[1.0, 2.0], [1e300, 3.0]])
    with pytest.raises(ValueError, match=r"X holds 1e\+300, which is beyond float32"):
        net.predict(x, dtype=np.float32)
    with np.errstate(all="raise"):
        net.loss_and_gradient(x * 1e-300, [1e-300, 0.0], dtype=np.float32)


def test_batches_are_rows_of_checked_data():
    rng = np.random.default_rng(0)
    net = mixed(np.random.default_rng(8), delays=2)
    assert net.max_delay
    x, y = data(rng, net, 12, steps=6)
    lengths = rng.integers(1, 7, 12)
    for options in ({"at": "all"}, {"at": "all", "lengths": lengths}, {"at": "all", "truncate": 2}):
        call = net._batches(x, y, "mse", **options)
        for rows in (np.array([3]), np.array([7, 1, 11, 0])):
            own = {**options, "lengths": lengths[rows]} if "lengths" in options else options
            for _ in range(3):  # the first time as any call, then by one that is kept
                agree(call(net.parameters, rows), net.loss_and_gradient(x[rows], y[rows], **own))
                rows = (rows + 5) % 12
                own = {**own, "lengths": lengths[rows]} if "lengths" in own else own
    for counted in (lengths, None):
        call = net._batches(x, y[:, 0], "mse", at="last", lengths=counted)
        for rows in (np.array([5, 2]), np.array([0, 7]), np.array([3, 1])):
            own = {} if counted is None else {"lengths": counted[rows]}
            agree(call(net.parameters, rows), net.loss_and_gradient(x[rows], y[rows, 0], at="last", **own))


def test_freezing_keeps_the_tables():
    net = Net.layered([2, 5, 1], seed=0)
    x, y = np.ones((3, 2)), np.ones((3, 1))
    net.loss_and_gradient(x, y)
    (tables,) = [tables for tables, _ in net._native._tables.values()]
    net.freeze("h1_1")
    agree(net.loss_and_gradient(x, y), swept(net, x, y))
    assert [found for found, _ in net._native._tables.values()] == [tables]
