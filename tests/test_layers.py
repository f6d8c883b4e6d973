"""Layers against the papers' equations, written out once more in NumPy, and against closed forms over time."""

import math

import numpy as np
import pytest

from autograd.layers import Layer, dense, elman, gru, lstm
from autograd.net import Net


def close(x, y, tolerance=1e-12):
    np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


# The equations, for one sequence x [T, p]. ------------------------------------------------------------------


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def matrix(net, sources, targets, delay=0):
    """The trainable weights that lead from sources to targets, a row per target, 0 where there is no link."""
    place = {name: k for k, name in enumerate(net.names)}
    by_ends = {
        (net.source[e], net.target[e], net.delays[e]): net.weights[e] for e in np.flatnonzero(net.trainable).tolist()
    }
    return np.array([[by_ends.get((place[s], place[t], delay), 0.0) for s in sources] for t in targets])


def bias(net, names):
    return np.array([net[name].bias for name in names])


def row_by_row(net, layer, inputs):
    """W x + U h(t-1) + b of a row of the layer, as a function."""
    of = {r: (matrix(net, inputs, layer[r]), matrix(net, layer, layer[r], 1), bias(net, layer[r])) for r in layer.rows}

    def affine(row, x, h):
        w, u, b = of[row]
        return w @ x + u @ h + b

    return affine


def elman_by_hand(net, layer, inputs, x):
    affine, h = row_by_row(net, layer, inputs), np.zeros(len(layer))
    for now in x:
        h = np.tanh(affine("h", now, h))
        yield h


def lstm_by_hand(net, layer, inputs, x):
    affine, cells = row_by_row(net, layer, inputs), layer["c"]
    block = len(cells) // len(layer["i"])
    seen = {r: matrix(net, cells, layer[r], delay=0 if r == "o" else 1) for r in ("i", "f", "o") if r in layer.rows}
    h = c = np.zeros(len(cells))
    for now in x:
        before = c
        i = np.repeat(sigmoid(affine("i", now, h) + seen["i"] @ before), block)
        f = np.repeat(sigmoid(affine("f", now, h) + seen["f"] @ before), block) if "f" in seen else 1.0
        c = f * before + i * np.tanh(affine("g", now, h))
        o = np.repeat(sigmoid(affine("o", now, h) + seen["o"] @ c), block)
        h = o * np.tanh(c)
        yield h


def gru_by_hand(net, layer, inputs, x):
    affine, h = row_by_row(net, layer, inputs), np.zeros(len(layer))
    w, u, b = matrix(net, inputs, layer["n"]), matrix(net, layer, layer["n"], 1), bias(net, layer["n"])
    for now in x:
        z, r = sigmoid(affine("z", now, h)), sigmoid(affine("r", now, h))
        n = np.tanh(w @ now + b + (r * affine("m", now, h) if "m" in layer.rows else u @ (r * h)))
        h = z * h + (1 - z) * n
        yield h


LAYERS = {
    "elman": (elman, {}, elman_by_hand),
    "lstm": (lstm, {}, lstm_by_hand),
    "lstm of 1997": (lstm, {"forget": False}, lstm_by_hand),
    "lstm in blocks": (lstm, {"block": 2}, lstm_by_hand),
    "lstm with peepholes": (lstm, {"peepholes": True}, lstm_by_hand),
    "lstm of 1997 in blocks with peepholes": (lstm, {"forget": False, "peepholes": True, "block": 2}, lstm_by_hand),
    "gru": (gru, {}, gru_by_hand),
    "gru, reset after": (gru, {"reset_after": True}, gru_by_hand),
}


def make(kind, size, inputs, seed):
    add, options, by_hand = LAYERS[kind]
    net = Net(seed=seed)
    x = [net.input(f"x{k}").name for k in range(inputs)]
    layer = add(net, "m", size, x, **options)
    net.output(*layer)
    rng = np.random.default_rng(seed)
    net.parameters = rng.normal(size=len(net.parameters))
    return net, layer, x, by_hand, rng


@pytest.mark.parametrize(("size", "inputs", "steps"), [(2, 1, 1), (4, 3, 6)])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_is_its_equations(kind, size, inputs, steps):
    net, layer, names, by_hand, rng = make(kind, size, inputs, 7)
    x = rng.normal(size=(2, steps, inputs))
    expected = [list(by_hand(net, layer, names, one)) for one in x]
    close(net.predict(x), expected)
    close(net.forward(x), expected)


@pytest.mark.parametrize("kind", LAYERS)
def test_its_gradient_is_that_of_the_equations(kind):
    net, layer, names, by_hand, rng = make(kind, 2, 1, 5)
    x, y = rng.normal(size=(4, 1)), rng.normal(size=(4, 2))
    loss, gradient = net.loss_and_gradient(x, y)
    values = net.to_values(x, y)
    values.loss.backward()
    close(loss, values.loss.data)
    initial = np.zeros(len(net))
    by_bias = np.array([0.0 if b is None else b.grad for b in values.biases])
    close(gradient, net._collect(np.array([w.grad for w in values.weights]), by_bias, initial))

    w = net.parameters

    def by_equations(step):
        net.parameters = w + step
        return np.mean((np.array(list(by_hand(net, layer, names, x))) - y) ** 2)

    def slope(i, h):
        step = np.zeros_like(w)
        step[i] = h
        return (by_equations(step) - by_equations(-step)) / (2 * h)

    found = [(4 * slope(i, 1e-3) - slope(i, 2e-3)) / 3 for i in range(len(w))]
    np.testing.assert_allclose(gradient, found, rtol=1e-6, atol=1e-7)


def test_dense_layers_are_the_layered_net():
    net = Net()
    x = [net.input(f"x{k + 1}") for k in range(3)]
    hidden = dense(net, "h1", 4, x, "relu")
    net.output(*dense(net, "y", 2, hidden, "linear"))
    same = Net.layered([3, 4, 2], activation="relu")
    assert net.activation_names == same.activation_names
    assert net.source.tolist() == same.source.tolist()
    assert net.target.tolist() == same.target.tolist()
    assert hidden.rows["h"] == ["h1_1", "h1_2", "h1_3", "h1_4"]


# What is a parameter. ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "weights", "biases"),
    [
        ("elman", 4 * (3 + 4), 4),
        ("lstm", 16 * (3 + 4), 16),
        ("lstm of 1997", 12 * (3 + 4), 12),
        ("lstm in blocks", (3 * 2 + 4) * (3 + 4), 3 * 2 + 4),
        ("lstm with peepholes", 16 * (3 + 4) + 12, 16),
        ("gru", 12 * (3 + 4), 12),
        ("gru, reset after", 12 * (3 + 4), 16),
    ],
)
def test_the_weights_and_biases_of_the_equations_are_the_parameters(kind, weights, biases):
    net, *_ = make(kind, 4, 3, 0)
    assert net.trainable.sum() == weights
    assert len(net.parameters) == weights + biases
    assert set(np.abs(net.weights[~net.trainable])) <= {1.0}


def test_all_else_is_one_neuron_a_term_and_one_link_a_product():
    net = Net()
    layer = lstm(net, "m", 3, net.input("x"))
    net.output(*layer)
    assert list(layer.rows) == ["i", "f", "o", "g", "c", "s", "h"]
    assert (layer["c"], list(layer)) == (["m_c1", "m_c2", "m_c3"], ["m_1", "m_2", "m_3"])
    constants = [net.links[e] for e in np.flatnonzero(~net.trainable)]
    assert {(s.source.name, s.target.name, s.delay, s.gate and s.gate.name) for s in constants} == {
        link
        for k in "123"
        for link in (
            (f"m_c{k}", f"m_c{k}", 1, f"m_f{k}"),
            (f"m_g{k}", f"m_c{k}", 0, f"m_i{k}"),
            (f"m_c{k}", f"m_s{k}", 0, None),
            (f"m_s{k}", f"m_{k}", 0, f"m_o{k}"),
        )
    }


def test_gates_begin_where_they_are_told_to():
    net = Net()
    memory = lstm(net, "m", 4, net.input("x"), block=2, input_bias=-3.0, output_bias=-2.0)
    assert [net[name].bias for row in "ifogcsh" for name in memory[row]] == [-3] * 2 + [1] * 2 + [-2] * 2 + [0] * 16
    unit = gru(net, "u", 1, "x", update_bias=2.0, reset_bias=-1.0)
    assert [net[name].bias for row in "zrnh" for name in unit[row]] == [2, -1, 0, 0]


def test_other_activations():
    net = Net()
    net.input("x")
    cells = lstm(net, "m", 1, "x", activation="sin", squash="linear")
    elman(net, "e", 1, "x", activation="relu")
    gru(net, "u", 1, "x", activation="softsign")
    kinds = {name: net[name].activation.name for name in (*cells["g"], *cells["s"], "e_1", "u_n1", "u_z1")}
    assert list(kinds.values()) == ["sin", "linear", "relu", "softsign", "sigmoid"]
    formula = dense(net, "d", 3, "x", lambda a: a * a)
    assert len({id(net[name].activation) for name in formula}) == 1


# How the gradient travels. ----------------------------------------------------------------------------------


def cell_deltas(steps, **options):
    """The deltas of a cell under a loss that is its last value, of an LSTM that listens to nothing."""
    net = Net(init=0.0)
    memory = lstm(net, "m", 1, net.input("x"), **options)
    net.output(*memory["c"])
    net.forward(np.ones((steps + 1, 1)))
    net.sweep([0.0], lambda phi, y: phi[0] + 0.0 * y[0], at="last")
    return net["m_c1"].delta


def test_without_a_forget_gate_the_gradient_of_a_cell_stays_one():
    assert cell_deltas(300, forget=False).tolist() == [1.0] * 301


@pytest.mark.parametrize(("b", "keep"), [(1.0, 0.7310585786300049), (0.0, 0.5), (3.0, 1 / (1 + math.exp(-3)))])
def test_with_one_it_shrinks_by_the_gate_at_every_step(b, keep):
    close(cell_deltas(40, forget_bias=b), keep ** np.arange(40.0, -1, -1))


# Stacking, and what is refused. -----------------------------------------------------------------------------


def test_layers_stand_on_layers_and_beside_neurons():
    net = Net(seed=2)
    x = net.input("x")
    first = lstm(net, "a", 2, x)
    net.neuron("lone", "sin", ["x"])
    second = gru(net, "b", 3, [first, "lone", x])
    net.output(*dense(net, "y", 1, second, "linear"))
    assert {s.name for s in net["b_z2"].sources} == {"a_1", "a_2", "lone", "x", "b_1", "b_2", "b_3"}
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 6, 1)), rng.normal(size=(5, 6, 1))
    before, gradient = net.loss_and_gradient(x, y)
    net.parameters = net.parameters - 0.01 * gradient
    assert net.loss_and_gradient(x, y)[0] < before - 0.009 * (gradient @ gradient)


def test_blocks_of_one_are_no_blocks():
    a, b = Net(seed=1), Net(seed=1)
    for net, options in ((a, {}), (b, {"block": 1})):
        net.output(*lstm(net, "m", 3, net.input("x"), **options))
    assert a.names == b.names
    assert a.parameters.tolist() == b.parameters.tolist()


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda net: dense(net, "h", 0, "x"), ValueError, "size is a whole number of at least 1, got 0"),
        (lambda net: dense(net, "", 2, "x"), TypeError, "a layer's name is a text that is not empty, got ''"),
        (lambda net: dense(net, "h", 2, ["x", "x"]), ValueError, "the source 'x' comes twice"),
        (lambda net: dense(net, "h", 2, [Layer({"h": ["x"]}), net["x"]]), ValueError, "the source 'x' comes twice"),
        (lambda net: dense(net, "h", 2, 3), TypeError, "a source is an input, a neuron, the name of one, or a"),
        (lambda net: dense(net, "h", 2, [3.5]), TypeError, "a source is an input, a neuron, the name of one, or a"),
        (lambda net: dense(net, "h", 2, "x", "tahn"), ValueError, "did you mean"),
        (lambda net: lstm(net, "h", 2, "x", squash="tahn"), ValueError, "did you mean"),
        (lambda net: lstm(net, "h", 2, "x", forget_bias=math.inf), ValueError, "bias of 'h_f'.* finite number"),
        (lambda net: lstm(net, "h", 3, "x", block=2), ValueError, "3 cells do not make blocks of 2; let size be"),
        (lambda net: lstm(net, "h", 2, "x", block=0), ValueError, "block is a whole number of at least 1, got 0"),
        (lambda net: gru(net, "taken", 2, "x"), ValueError, "neuron named 'taken_2' already; give the layer another"),
        (lambda net: elman(net, "taken", 2, "x"), ValueError, "neuron named 'taken_2' already; give the layer another"),
    ],
)
def test_what_is_wrong_is_refused_before_the_net_changes(act, error, message):
    net = Net()
    net.input("x")
    net.neuron("taken_2", sources=["x"], output=True)
    with pytest.raises(error, match=message):
        act(net)
    assert net.names == ("x", "taken_2")
    assert len(net.links) == 1


def test_a_row_that_a_layer_does_not_have():
    net = Net()
    layer = lstm(net, "m", 1, net.input("x"), forget=False)
    with pytest.raises(KeyError, match="the layer has no row 'f'; it has i, o, g, c, s, h"):
        layer["f"]


def test_sources_may_be_made_later():
    net = Net(seed=1)
    layer = dense(net, "h", 2, "x")
    net.output(*layer)
    net.input("x")
    assert net.predict([[1.0]]).shape == (1, 2)
    assert net["h_1"].sources == [net["x"]]
