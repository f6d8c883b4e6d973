"""Tests of what colours show: gradients, values, gradients of weights, update ratios, the difference of two sweeps."""

import dataclasses
import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import visualize
from autograd import Value
from autograd.net import Net
from visualize import sheet
from visualize.graph import ALIVE, BLANK, DEAD, DETACHED, INPUT, LOSS, NONFINITE, UNIT, UNSWEPT, Graph
from visualize.looks import FLIPPED_PEN, looks_of
from visualize.scales import Scale
from visualize.scene import Run, text_width
from visualize.shown import EDGES, FILLS, Channel, difference, of_edges, of_nodes, same_structure

sizes = st.floats(1e-12, 1e12) | st.just(0.0)
signed = st.builds(lambda x, s: s * x, sizes, st.sampled_from([1.0, -1.0]))


def net_of(w=2.0, x=(1.0, -2.0), y=0.5):
    """x1, x2 -> h (tanh) -> y (linear), after a sweep."""
    net = Net()
    net.input("x1")
    net.input("x2")
    net.neuron("h", "tanh", {"x1": 0.3, "x2": -0.2})
    net.neuron("y", "linear", {"h": w, "x1": 0.0}, output=True)
    net.forward(list(x))
    net.sweep([y])
    return net


def chain(gradients):
    """A graph made by hand: units in a row."""
    n = len(gradients)
    gradients = np.array(gradients, float)
    return Graph(
        names=[f"u{i}" for i in range(n)], ops=["tanh"] * n, kinds=np.full(n, UNIT), values=np.zeros(n),
        gradients=gradients, levels=np.arange(n), source=np.arange(n - 1), target=np.arange(1, n),
        factors=np.ones(n - 1), messages=gradients[1:], outputs=np.array([n - 1]), noun="unit", symbol="δ",
    )  # fmt: skip


def test_delta_is_the_gradient_of_the_sweep_and_the_loss_is_off_the_scale():
    graph = visualize.from_net(net_of())
    nodes = of_nodes(graph, "delta")
    assert np.array_equal(nodes.values, graph.gradients)
    assert nodes.marks[graph.kinds == LOSS].tolist() == [BLANK]
    assert nodes.title == "|δ| relative to the output δ"
    y = graph.names.index("y")
    assert nodes.decades[y] == 0
    assert nodes.classes[y] == 0


def test_the_gradient_of_a_unit_is_the_norm_over_the_links_that_lead_in():
    net = net_of()
    graph = visualize.from_net(net)
    nodes = of_nodes(graph, "gradient")
    h = net["h"]
    expected = math.hypot(h.delta * 1.0, h.delta * -2.0)
    assert nodes.values[graph.names.index("h")] == pytest.approx(expected, rel=1e-14)
    assert (nodes.marks[graph.kinds == INPUT] == BLANK).all()


def test_the_update_ratio_is_rate_times_gradient_over_weight():
    net = net_of()
    graph = visualize.from_net(net)
    edges = of_edges(graph, "update", rate=0.1)
    link = int(np.flatnonzero((graph.source == graph.names.index("h")) & (graph.target == graph.names.index("y")))[0])
    expected = 0.1 * abs(net["y"].delta * net["h"].phi) / 2.0
    assert edges.values[link] == pytest.approx(expected, rel=1e-14)
    assert edges.scale.reference == 1e-3
    assert edges.ends == ("slow", "usual", "fast")
    zero = int(np.flatnonzero((graph.source == graph.names.index("x1")) & (graph.target == graph.names.index("y")))[0])
    assert math.isinf(edges.values[zero])  # a weight of 0 that has a gradient
    assert edges.marks[zero] == NONFINITE
    nodes = of_nodes(graph, "update", rate=0.1)
    y = graph.names.index("y")
    both = 0.1 * math.hypot(net["y"].delta * net["h"].phi, net["y"].delta * 1.0) / 2.0
    assert nodes.values[y] == pytest.approx(both, rel=1e-14)


def test_without_a_gradient_there_is_no_update():
    graph = visualize.from_net(net_of())
    still = dataclasses.replace(graph, weight_gradients=np.where(np.isnan(graph.weight_gradients), np.nan, 0.0))
    nodes = of_nodes(still, "update", rate=0.1)
    assert nodes.marks[still.kinds == UNIT].tolist() == [DEAD, DEAD]


def test_values_are_shown_as_they_are():
    graph = visualize.from_net(net_of())
    nodes = of_nodes(graph, "value")
    assert np.array_equal(nodes.values, graph.values)
    assert nodes.scale.reference == 1
    x = Value(0.0, name="x")
    y = x * 3.0
    assert of_nodes(visualize.from_value(y), "value").marks.tolist() == [DEAD, DEAD]
    assert of_nodes(visualize.from_value(y), "value").word(0) == "exactly 0"
    net = Net()
    net.input("x")
    net.neuron("y", "linear", {"x": 1.0}, output=True)
    assert (of_nodes(visualize.from_net(net), "value").marks == UNSWEPT).all()


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("view", ["labels", "circles", "levels", "groups"])
def test_every_view_draws_every_choice(fill, edges, view):
    diagram = visualize.draw(net_of(), view, fill=fill, edges=edges, rate=0.1, engine="builtin")
    assert diagram.nodes.name == fill
    assert diagram.nodes.title in diagram.svg
    assert ("slow" in diagram.svg) == (fill == "update")


def test_choices_that_are_not_there_are_refused():
    net = net_of()
    x = Value(1.0)
    y = x * x
    y.backward()
    with pytest.raises(ValueError, match=r"fill='size' is not known; it is one of 'delta', 'gradient', 'value', 'upd"):
        visualize.draw(net, fill="size")
    with pytest.raises(ValueError, match=r"edges='delta' is not known; it is one of 'message', 'weight', 'update'"):
        visualize.draw(net, edges="delta")
    with pytest.raises(ValueError, match=r"needs rate=, the size of a step, got None"):
        visualize.draw(net, fill="update")
    with pytest.raises(ValueError, match=r"needs rate=, the size of a step, got -1"):
        visualize.draw(net, edges="update", rate=-1)
    with pytest.raises(ValueError, match=r"fill='update' needs dL/dw of a net after a sweep, .* its edges have no w"):
        visualize.draw(y, fill="update", rate=0.1)
    unswept = Net()
    unswept.input("x")
    unswept.neuron("y", "linear", {"x": 1.0}, output=True)
    with pytest.raises(ValueError, match=r"edges='weight' needs dL/dw of a net after a sweep, .* sweep it first"):
        visualize.draw(unswept, edges="weight")
    assert of_nodes(visualize.from_value(y), "gradient").name == "gradient"  # there g is the gradient


# Two sweeps. ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(signed, signed), min_size=2, max_size=8))
def test_a_difference_is_the_ratio_of_the_sizes(pairs):
    now, before = chain([a for a, _ in pairs]), chain([b for _, b in pairs])
    found = difference(of_nodes(now, "delta"), of_nodes(before, "delta"), many=False)
    for i, (a, b) in enumerate(pairs):
        if a == 0:
            assert found.marks[i] in (DEAD, DETACHED)
        elif b == 0:
            assert found.decades[i] == math.inf
            assert found.classes[i] == 6
        else:
            assert found.decades[i] == pytest.approx(math.log10(abs(a / b)), abs=1e-9)
            assert found.flipped[i] == (a * b < 0)


def test_a_difference_turned_round_is_its_negative():
    a, b = visualize.from_net(net_of()), visualize.from_net(net_of(w=-1.0, x=(0.2, 1.0)))
    one, other = (difference(of_nodes(x, "delta"), of_nodes(y, "delta"), many=False) for x, y in ((a, b), (b, a)))
    assert np.allclose(one.decades, -other.decades, atol=1e-12)
    assert np.array_equal(one.flipped, other.flipped)
    assert one.flipped.any()


def test_means_over_samples_have_no_signs_to_flip():
    net, other = net_of(), net_of()
    for n, sign in ((net, 1.0), (other, -1.0)):
        n.forward([[1.0, 2.0], [0.5, -1.0]])
        n.sweep([[9.0 * sign], [9.0 * sign]])
    diagram = visualize.draw(net, against=visualize.from_net(other), engine="builtin")
    assert not diagram.nodes.flipped.any()


def test_a_difference_is_drawn_and_said():
    before = visualize.from_net(net_of())
    after = net_of(y=90.0)
    diagram = visualize.draw(after, against=before, engine="builtin")
    assert diagram.verdict.startswith("against the other sweep: the median unit has a gradient ×")
    assert "signs flipped" in diagram.verdict
    assert "sign flipped" in diagram.svg
    assert "as before" in diagram.svg
    assert 'stroke-width="3"' in diagram.svg  # a mark that is no colour
    same = visualize.draw(before, against=before, engine="builtin")
    assert "as large as before" in same.verdict
    assert "signs flipped" not in same.verdict


def test_only_sweeps_of_one_graph_are_compared():
    a, net = visualize.from_net(net_of()), net_of()
    with pytest.raises(ValueError, match=r"one has 5 nodes and 5 edges, the other 2 and 1"):
        same_structure(a, chain([1.0, 1.0]))
    renamed = dataclasses.replace(a, names=["x1", "x2", "h", "out", "L"])
    with pytest.raises(ValueError, match=r"here 'y' stands where the other has 'out'"):
        visualize.draw(a, against=renamed)
    rewired = dataclasses.replace(a, source=a.source[[1, 0, 2, 3, 4]])
    with pytest.raises(ValueError, match=r"the same nodes and other edges"):
        visualize.draw(a, against=rewired)
    fresh = Net()
    for name in ("x1", "x2"):
        fresh.input(name)
    fresh.neuron("h", "tanh", {"x1": 0.3, "x2": -0.2})
    fresh.neuron("y", "linear", {"h": 2.0, "x1": 0.0}, output=True)
    before = dataclasses.replace(a, swept=False)
    with pytest.raises(ValueError, match=r"two sweeps are compared, and against has none"):
        visualize.draw(net, against=before)


def test_what_was_dead_and_lives_is_as_large_as_can_be_and_says_so():
    diagram = visualize.draw(chain([1.0, 1.0, 1.0]), "labels", against=chain([0.0, 1.0, 1.0]), engine="builtin")
    assert ">was 0<" in diagram.svg
    back = visualize.draw(chain([0.0, 1.0, 1.0]), "labels", against=chain([1.0, 1.0, 1.0]), engine="builtin")
    assert back.nodes.marks.tolist() == [DEAD, ALIVE, ALIVE]
    assert ">is 0<" in back.svg


# Mistakes made by hand, which the tests above did not notice (tests/mutants.py). --------------------------------------

marked = st.sampled_from([(ALIVE, 0.5), (ALIVE, -2.0), (ALIVE, 40.0), (DEAD, 0.0), (NONFINITE, math.nan),
                          (DETACHED, 0.0), (BLANK, 1.0)])  # fmt: skip


def channel(entries, reference=1.0):
    values, marks = (np.array([entry[k] for entry in entries]) for k in (1, 0))
    return Channel("delta", "|δ| absolute", values.astype(float), marks.astype(np.intp), Scale(reference, "absolute"))


@given(st.lists(st.tuples(marked, marked), min_size=1, max_size=9), st.sampled_from([1.0, 0.01, 300.0]), st.booleans())
def test_a_difference_is_what_two_entries_say_one_by_one(pairs, reference, many):
    now, before = channel([a for a, _ in pairs], reference), channel([b for _, b in pairs], 7.0)
    found = difference(now, before, many)
    for i, ((mark, x), (was, y)) in enumerate(pairs):
        there = mark == ALIVE and was in (ALIVE, DEAD)
        assert found.marks[i] == (mark if mark != ALIVE or there else was)
        assert found.flipped[i] == (not many and there and x * y < 0)
        if there:
            ratio = x / y if y else math.inf
            assert found.values[i] == pytest.approx(abs(ratio) if many else ratio, rel=1e-12)


def test_a_weight_of_nothing_without_a_gradient_does_not_move():
    graph = visualize.from_net(net_of())
    still = dataclasses.replace(graph, weight_gradients=np.where(graph.factors == 0, 0.0, graph.weight_gradients))
    edges = of_edges(still, "update", rate=0.1)
    zero = int(np.flatnonzero(still.factors == 0)[0])
    assert (edges.values[zero], edges.marks[zero]) == (0.0, DEAD)


def gated_net():
    """x -> h -> y, with a gate on the last link."""
    net = Net()
    net.input("x")
    net.neuron("h", "tanh", {"x": 0.7})
    net.neuron("g", "sigmoid", {"x": 0.4})
    net.neuron("y", "linear", output=True)
    net.link("h", "y", 2.0, gate="g")
    net.forward([0.5])
    net.sweep([3.0])
    return net


def test_an_edge_from_a_gate_has_no_weight_that_could_move():
    net = gated_net()
    graph = visualize.from_net(net)
    y, (gate,) = graph.names.index("y"), graph.gates
    link = int(np.flatnonzero((graph.source == graph.names.index("h")) & (graph.target == y))[0])
    nodes = of_nodes(graph, "gradient")
    assert nodes.values[y] == pytest.approx(abs(graph.weight_gradients[link]), rel=1e-14)
    moved = of_nodes(graph, "update", rate=0.1)
    assert moved.values[y] == pytest.approx(0.1 * abs(graph.weight_gradients[link]) / 2.0, rel=1e-14)
    for shown in ("weight", "update"):
        assert of_edges(graph, shown, rate=0.1).marks[gate] == BLANK


def test_an_edge_into_what_has_no_path_is_dotted_whatever_its_source_can_reach():
    net = net_of()
    net.neuron("end", "tanh", {"h": 1.0})
    net.forward([1.0, -2.0])
    net.sweep([0.5])
    graph = visualize.from_net(net)
    edge = int(np.flatnonzero(graph.target == graph.names.index("end"))[0])
    messages = graph.messages.copy()
    messages[edge] = 1.0  # as a graph made by hand may have it
    edges = of_edges(dataclasses.replace(graph, messages=messages), "message")
    assert graph.connected[graph.source[edge]]
    assert edges.marks[edge] == DEAD
    assert (edges.marks[graph.messages != 0] == ALIVE).all()


def test_gradients_of_weights_are_relative_to_those_of_the_links_into_the_outputs():
    net = net_of()
    graph = visualize.from_net(net)
    into = [e for e in range(graph.edges) if graph.names[graph.target[e]] == "y"]
    assert len(into) == 2
    expected = np.median(np.abs(graph.weight_gradients[into]))
    assert of_edges(graph, "weight").scale.reference == pytest.approx(expected, rel=1e-14)


def test_the_legend_has_the_marks_of_what_is_shown():
    x, w = Value(0.0, name="x"), Value(2.0, name="w")
    y = x * w + w  # the values of x and of the product are 0, and no gradient is
    y.backward()
    graph = visualize.from_value(y)
    assert (graph.gradients != 0).all()
    assert [glyph for glyph, _ in sheet.mark_legend(graph, of_nodes(graph, "value"))] == ["dead"]
    assert sheet.mark_legend(graph, of_nodes(graph, "delta")) == []


def test_lines_are_broken_where_they_are_full_and_nowhere_else():
    words = "a verdict of some length that is set in lines " * 9
    lines = sheet._wrap([Run(words), Run("and ends bold", bold=True)], 12.0, 300.0)
    wide = [sum(text_width(run.text.rstrip() if run is line[-1] else run.text, 12.0, run.bold) for run in line)
            for line in lines]
    assert "".join(run.text for line in lines for run in line) == words + "and ends bold"
    assert max(wide) <= 300.0
    for k, line in enumerate(lines[1:]):  # its first word had no room in the line before
        first = line[0].text.split(" ")[0]
        assert wide[k] + text_width(f" {first}", 12.0, line[0].bold) > 300.0


def test_the_words_on_a_difference_count_and_take_the_median():
    now, before = chain([1000.0, 2.0, 1.0, 0.05, 1.0]), chain([1.0] * 5)
    words = visualize.draw(now, against=before, format="text").verdict.split("\n")[0]
    assert "the median unit has a gradient as large as before" in words
    assert "1 unit grew by a decade or more" in words
    assert "1 unit shrank by a decade or more" in words


def test_a_node_whose_sign_has_flipped_has_a_wide_outline():
    found = difference(channel([(ALIVE, 1.0), (ALIVE, -2.0)]), channel([(ALIVE, 1.0), (ALIVE, 2.0)]), many=False)
    same, flipped = looks_of(found)
    assert flipped.pen == FLIPPED_PEN > same.pen
    assert dataclasses.replace(flipped, pen=same.pen) == dataclasses.replace(same, fill=flipped.fill, ink=flipped.ink)
