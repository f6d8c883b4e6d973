"""Numbers of a picture belong together: edges add up to gradients, and where they do not, the picture says so."""

import itertools
import math
import warnings

import numpy as np
import pytest

import autograd as ag
import visualize
from autograd import Net, Value, ops
from visualize import draw
from visualize.graph import ALIVE, DEAD, UNIT, Graph
from visualize.shown import difference, of_nodes
from visualize.verdict import changes


def arrived(graph):
    """What the edges carry back to each node."""
    return np.bincount(graph.source, graph.messages, len(graph))


def chain(gradients):
    """A graph made by hand: units in a row."""
    n, gradients = len(gradients), np.array(gradients, float)
    return Graph(
        names=[f"u{i}" for i in range(n)], ops=["tanh"] * n, kinds=np.full(n, UNIT), values=np.ones(n),
        gradients=gradients, levels=np.arange(n), source=np.arange(n - 1), target=np.arange(1, n),
        factors=np.ones(n - 1), messages=gradients[:-1], outputs=np.array([n - 1]), noun="unit", symbol="δ",
    )  # fmt: skip


# Values. -------------------------------------------------------------------------------------------------------------


def test_one_leaf_of_several_sweeps_is_one_leaf():
    x = Value(3.0)
    y = x * x
    y.backward()
    y.backward()
    assert visualize.from_value(y).notes == (
        "1 leaf holds gradients of more than one sweep (zero_grad() starts afresh)",)


def test_an_inner_node_that_another_result_has_swept_since_is_announced():
    a = Value(2.0)
    h = a * 3
    first, second = h * h, h * 5
    first.backward()
    second.backward()
    graph = visualize.from_value(first)
    assert graph.gradients[1] == 5.0 != arrived(graph)[1]
    assert graph.notes[0] == "1 inner node shows the gradient of a later sweep, from another result"
    assert all("inner" not in note for note in visualize.from_value(second).notes)


@pytest.mark.parametrize("f", [lambda w: w * w * w, lambda w: w + 1.0, lambda w: 1.0 / w, ag.log])
@pytest.mark.parametrize("sweep", [True, False])
def test_leaves_that_have_changed_since_are_announced(f, sweep):
    w = Value(2.0)
    y = f(w)
    if sweep:
        y.backward()
    assert visualize.from_value(y).notes == ()
    w.data = 0.0
    [note] = visualize.from_value(y).notes
    assert note.startswith("leaves were given new values after this was computed")


def test_a_row_that_refuses_the_new_values_is_announced_as_well(monkeypatch):
    def root(x):
        if x < 0:
            raise ValueError("no root")
        return math.sqrt(x)

    w = Value(2.0)
    monkeypatch.setattr(ops, "TABLE", dict(ops.TABLE))
    y = ops.primitive("root", root, lambda x, y: 0.5 / y)(w)
    y.backward()
    w.data = -1.0
    assert visualize.from_value(y).notes[0].startswith("leaves were given new values")


def test_sums_that_overflow_make_no_warning():
    x = Value(1e308)
    y = x * 1e308
    y.backward()
    y.backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "∞" in draw(y).text


# Nets. ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "response", "gate", "delay"), [*itertools.product(
    ["sum", "mean", "product", "max", "min", "maxabs"], [1.0, 2.5], [None, "x1"], [0, 1])])
def test_the_messages_of_every_aggregation_add_up_to_the_gradients(how, response, gate, delay):
    rng = np.random.default_rng(0)
    net = Net()
    for name in ("x1", "x2", "x3"):
        net.input(name)
    for name in "abc":
        net.neuron(name, "linear", dict(zip(("x1", "x2", "x3"), rng.normal(size=3), strict=True)), bias=0.1)
    net.neuron("h", "tanh", bias=0.1, aggregation=how, response=response)
    for name in "abc":
        net.link(name, "h", rng.normal(), gate=gate if name == "b" else None)
    if delay:
        net.link("c", "h", 0.3, delay=delay)
    net.neuron("y", "linear", {"h": 1.3, "a": 0.4}, output=True)
    # A last step alone has all of its gradient from its own step, so that a delay changes nothing in the sums.
    net.forward(rng.normal(size=(1, 3)) if delay else rng.normal(size=3))
    net.sweep([1.0])
    graph = visualize.from_net(net)
    linear = [graph.names.index(name) for name in ("x1", "x2", "x3", "a", "b", "c", "y")]
    sums = np.bincount(graph.source, graph.messages * ~graph.delayed, len(graph))
    np.testing.assert_allclose(sums[linear], graph.gradients[linear], rtol=1e-12, atol=1e-15)


def test_several_samples_have_the_root_mean_square_of_each_message():
    net = Net()
    net.input("x1")
    net.input("x2")
    net.neuron("h", "tanh", {"x1": 0.5, "x2": -0.7}, aggregation="product", response=1.5)
    net.neuron("y", "linear", {"h": 1.0}, output=True)
    x, y = np.array([[0.3, 2.0], [-1.0, 0.4], [0.1, 0.2]]), np.array([1.0, -1.0, 0.5])
    single = []
    for row, target in zip(x, y, strict=True):
        net.forward(row)
        net.sweep([target])
        single.append(visualize.from_net(net).messages)
    net.forward(x)
    net.sweep(y)
    messages = visualize.from_net(net).messages
    np.testing.assert_allclose(np.abs(messages), np.sqrt(np.mean(np.square(single), axis=0)))
    assert np.sign(messages).tolist() == [1, -1, 1, 1]  # of the weights


def test_a_net_whose_weights_have_changed_since_is_drawn_as_it_was_swept():
    net = Net.layered([2, 3, 1], seed=0)
    net.forward([0.5, -1.0])
    net.sweep([1.0])
    before = visualize.from_net(net)
    assert before.notes == ()
    net.fit([[0.5, -1.0]], [[1.0]], epochs=3, progress=False)
    graph = visualize.from_net(net)
    assert graph.notes == ("weights or biases have changed since this sweep, which is shown with those that it had",)
    assert graph.messages.tolist() == before.messages.tolist()
    assert graph.factors.tolist() == before.factors.tolist()
    net.forward([0.5, -1.0])
    assert visualize.from_net(net).notes == ()


# Two sweeps. ---------------------------------------------------------------------------------------------------------


def compared(now, before, fill="delta"):
    graph, other = chain(now), chain(before)
    nodes = difference(of_nodes(graph, fill, 1.0), of_nodes(other, fill, 1.0), many=False)
    return nodes, changes(graph, nodes, fill)


def test_what_died_and_what_came_back_is_told():
    assert compared([0, 0, 1], [1, 1, 1])[1] == (
        "against the other sweep: the median unit has a gradient as large as before, 2 units went to exactly 0")
    assert compared([1, 1, 1], [0, 1, 1])[1] == (
        "against the other sweep: the median unit has a gradient as large as before, 1 unit went from exactly 0")
    assert compared([0, 1], [0, 1])[1] == "against the other sweep: the median unit has a gradient as large as before"
    assert compared([0, 0], [0, 0])[1] == "no gradient to compare with the other sweep"
    assert compared([0, 0], [1, 1])[1] == "against the other sweep: 2 units went to exactly 0"


def test_a_change_beyond_the_doubles_is_no_infinite_one():
    nodes, words = compared([5e-324, 1.0, 1e300], [1e300, 1.0, 5e-324])
    assert nodes.decades.tolist() == [-300.0, 0.0, 300.0]
    assert nodes.marks.tolist() == [ALIVE] * 3
    assert words.endswith("as large as before, 1 unit grew by a decade or more, 1 unit shrank by a decade or more")
    assert compared([0.0, 1.0], [1.0, 0.0])[0].marks.tolist() == [DEAD, ALIVE]


def test_the_words_are_of_what_is_shown():
    net = Net.layered([2, 3, 1], seed=0)
    graphs = []
    for x in ([0.5, -1.0], [2.0, 1.0]):
        net.forward(x)
        net.sweep([1.0])
        graphs.append(visualize.from_net(net))
    said = {fill: draw(graphs[0], against=graphs[1], fill=fill, rate=0.1).verdict.split(",")[0]
            for fill in ("delta", "gradient", "value", "update")}
    assert "has a gradient ×" in said["delta"]
    assert "has a gradient ×" in said["gradient"]
    assert "has a value ×" in said["value"]
    assert "has an update ratio ×" in said["update"]


@pytest.mark.parametrize("view", ["labels", "circles", "levels", "groups"])
def test_units_that_come_back_to_life_are_drawn_in_every_view(view):
    assert "<svg" in draw(chain([1, 1, 1]), view, against=chain([0, 0, 1]), engine="builtin").svg


def test_a_compiled_function_is_compared_with_a_graph_of_it():
    f = ag.jit(lambda x: x[0] * x[1])
    before = visualize.from_program(f, [1.0, 2.0])
    assert "the median node has a gradient ×" in draw(f, at=[10.0, 20.0], against=before).verdict
    assert "as large as before" in draw(f, at=[1.0, 2.0], against=f).verdict


# Recordings. ---------------------------------------------------------------------------------------------------------


def recurrent():
    net = Net()
    net.input("x")
    net.neuron("h", "tanh", {"x": 0.5})
    net.link("h", "h", 0.9, delay=1)
    net.neuron("y", "linear", {"h": 1.0}, output=True)
    recording = visualize.record(net)
    net.fit(np.ones((2, 5, 1)), np.array([1.0, 0.0]), epochs=3, diagnose=recording, progress=False)
    return recording


def test_the_recording_of_a_recurrent_net_has_a_page():
    diagram = draw(recurrent())
    assert (diagram.view, diagram.steps) == ("time", ())
    assert "the views labels and circles have a page with all of them" in diagram.text
    assert diagram.html.startswith("<!doctype html>")
    with_slider = draw(recurrent(), format="html")
    assert (with_slider.view, len(with_slider.steps)) == ("labels", 4)


@pytest.mark.parametrize("view", ["levels", "groups", "time"])
def test_a_view_without_places_leaves_the_looks_out_and_says_so(view):
    diagram = draw(recurrent(), view)
    assert diagram.html.startswith("<!doctype html>")
    assert "this is the last look of a recording" in diagram.text
