"""Tests of the diagrams: numbers, colours, marks, layout engines good and bad, pictures, tables, verdicts."""

import itertools
import json
import math
import os
import re
import sys
import time
import xml.etree.ElementTree as ET

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import autograd
import visualize
from autograd import Value, ops
from autograd.net import Net
from visualize import Graph, draw, engines, layout, looks, scales, sources, terminal
from visualize.graph import ALIVE, DEAD, DETACHED, INPUT, LOSS, NONFINITE, UNIT, UNSWEPT
from visualize.scene import Box, Curve, Group, Run, Scene, Text, text_width
from visualize.shown import Channel
from visualize.sources import root_mean_square
from visualize.verdict import attribution, cancellation, percent, skips, stretches, strongest_paths

SVG = "{http://www.w3.org/2000/svg}"
embedded = pytest.mark.skipif(engines.embedded() is None, reason="graphviz-pure is not installed")


def fake(edges, gradients, kinds=None, names=None, **more):
    """A graph made by hand: a unit per gradient, levels by longest path."""
    n = len(gradients)
    source, target = (np.array(ends, np.intp) for ends in zip(*edges, strict=True)) if edges else ([], [])
    source, target = np.array(source, np.intp), np.array(target, np.intp)
    level = np.zeros(n, np.intp)
    for _ in range(n):
        for s, t in edges:
            level[t] = max(level[t], level[s] + 1)
    gradients = np.array(gradients, float)
    factors = np.array(more.pop("factors", np.ones(len(edges))), float)
    with np.errstate(all="ignore"):
        messages = factors * gradients[target]
    given = {"values": np.zeros(n), "outputs": np.array([n - 1]), "noun": "unit", "symbol": "δ"} | more
    return Graph(
        names=names or [f"u{i}" for i in range(n)], ops=["tanh"] * n,
        kinds=np.array(kinds if kinds is not None else [UNIT] * n, np.intp), gradients=gradients, levels=level,
        source=source, target=target, factors=factors, messages=messages, **given,
    )  # fmt: skip


def small_net():
    """The net of the labelled view: tanh, relu (dead), sigmoid, and a skip to the output."""
    net = Net()
    for name in ("x1", "x2", "x3"):
        net.input(name)
    net.neuron("h1", "tanh", {"x1": 0.9, "x2": -0.6}, bias=0.1)
    net.neuron("h2", "tanh", {"x2": 1.4, "x3": 0.8}, bias=1.0)
    net.neuron("h3", "relu", {"x1": -1.2, "x3": -0.4})
    net.neuron("h4", "sigmoid", {"h2": -1.7, "h1": 2.1}, bias=-3)
    net.neuron("h5", "sigmoid", {"h3": 1.1, "h2": 0.3}, bias=-2.2)
    net.neuron("h6", "sigmoid", {"h5": 3.2, "h4": 5.5}, bias=2.1)
    net.neuron("y", "linear", {"h6": 0.9, "x3": 0.35}, output=True)
    net.forward([1.0, -2.0, 0.5])
    net.sweep([1.03])
    return net


def logistic_chain(depth, w):
    """Sigmoids in a row with every pre-activation at 0, where the slope is 1/4: delta shrinks by w/4 a level."""
    net = Net()
    net.input("x")
    names = ["x", *(f"h{k}" for k in range(1, depth + 1))]
    for k, (source, name) in enumerate(itertools.pairwise(names)):
        net.neuron(name, "sigmoid", {source: w}, bias=-w * (0.0 if k == 0 else 0.5), output=k == depth - 1)
    net.forward([0.0])
    net.sweep([0.0])
    return net


def product():
    x = Value(3.0, name="x")
    y = x * x
    y.name = "L"
    y.backward()
    return y


def parsed(svg):
    return ET.fromstring(svg)


# Numbers. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "text"), [
    (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-2.0, "−2"), (0.5, "0.5"), (0.0361, "0.0361"), (0.01, "0.01"),
    (0.00999, "9.99e−3"), (0.009996, "0.01"), (999.4, "999"), (999.6, "1000"), (1000.0, "1000"), (1001.0, "1000"),
    (1006.0, "1.01e3"), (-0.885, "−0.885"), (2.6e-3, "2.6e−3"), (123.456, "123"), (12.345, "12.3"), (1e-300, "1e−300"),
    (5e-324, "4.94e−324"), (1.7e308, "1.7e308"), (math.inf, "∞"), (-math.inf, "−∞"), (math.nan, "NaN"),
])  # fmt: skip
def test_numbers_have_three_digits_and_a_real_minus_sign(x, text):
    assert scales.number(x) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_number_is_the_number_to_three_digits(x):
    text = scales.number(x)
    assert "-" not in text
    assert (text == "0") == (x == 0)
    back = float(text.replace("−", "-"))
    assert back == pytest.approx(x, rel=5.1e-3, abs=5e-324) or math.isinf(back)


def test_powers_of_ten_and_signed_numbers():
    assert [scales.power_of_ten(k) for k in (-6, 0, 3)] == ["10⁻⁶", "1", "10³"]
    assert [scales.signed(x, 1, plus=True) for x in (-3.24, 0.04, 2.0, -0.01)] == ["−3.2", "+0.0", "+2.0", "+0.0"]


# The scale. ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "decade"), [
    (1.0, 0), (3.1, 0), (3.2, 1), (0.33, 0), (0.31, -1), (1e-3, -3), (1e-6, -6), (1e-9, -6), (1e-320, -6), (1e6, 6),
    (1e300, 6), (math.inf, 6), (-1e-3, -3), (0.0, -6),
])  # fmt: skip
def test_classes_are_decades_clamped_to_six(x, decade):
    assert scales.Scale(1.0, "").classes(np.array([x]))[0] == decade


def test_classes_are_relative_to_the_reference_over_the_whole_range():
    assert scales.Scale(1e300, "").classes(np.array([1e-300]))[0] == -6
    assert scales.Scale(1e-300, "").classes(np.array([1e-300, 1e-298])).tolist() == [0, 2]


def test_edges_are_half_a_point_to_six_and_a_half():
    widths = scales.Scale(1.0, "").widths(np.array([1e-30, 1e-6, 1.0, 1e6, 1e30]))
    np.testing.assert_allclose(widths, [0.5, 0.5, 3.5, 6.5, 6.5])


# Graphs of Values. ---------------------------------------------------------------------------------------------------


def test_a_value_graph_has_messages_and_levels_counted_to_the_loss():
    x, w = Value(2.0, name="x"), Value(3.0, name="w")
    hidden = x * w
    loss = hidden.tanh() * x
    loss.backward()
    g = visualize.from_value(loss)
    at = {name: i for i, name in enumerate(g.names)}
    assert g.levels[at["w"]] == g.levels[at["x"]] == 0
    assert len(g) == 5
    assert g.edges == 5
    for s, t, factor, message in zip(g.source, g.target, g.factors, g.messages, strict=True):
        assert message == factor * g.gradients[t]
        assert g.levels[t] > g.levels[s]
    arrived = np.zeros(len(g))
    np.add.at(arrived, g.source, g.messages)
    np.testing.assert_allclose(arrived[:-1], g.gradients[:-1])


def test_a_shared_operand_has_two_edges():
    g = visualize.from_value(product())
    assert g.edges == 2
    assert g.source.tolist() == [0, 0]
    assert draw(product(), engine="builtin").svg.count('class="edges"') == 1
    assert len(re.findall(r'<g id="e\d+"', draw(product(), engine="builtin").svg)) == 2


def test_plain_numbers_are_part_of_the_label():
    x = Value(2.0, name="x")
    labels = sources.operations((x + 3, 2 - x, x**2, -x, x / 4, abs(x), ops.clip(x, 0.0, 1.0), x * x))
    assert labels == ["+ 3", "2 −", "^ 2", "neg", "÷ 4", "abs", "clip(·, 0, 1)", "×"]


def test_names_that_are_missing_or_taken_are_made_up():
    g = visualize.from_value(Value(1.0, name="x") * Value(2.0, name="x"))
    assert g.names[0] == "x"
    assert g.names[1].startswith("x #")
    assert len(set(g.names)) == 3
    assert g.names[2] == "#2"
    assert g.unnamed == {2}


def test_gradients_of_several_sweeps_are_announced():
    x = Value(2.0, name="x")
    y = x * 3
    y.backward()
    assert visualize.from_value(y).notes == ()
    y.backward()
    assert "more than one sweep" in visualize.from_value(y).notes[0]


# Graphs of nets. -----------------------------------------------------------------------------------------------------


def test_a_net_has_the_loss_as_one_more_node():
    net = small_net()
    g = visualize.from_net(net)
    assert (len(g), g.edges) == (11, 15)
    assert g.names[-1] == "L"
    assert g.kinds[-1] == LOSS
    assert g.values[-1] == net.loss
    assert g.messages[-1] == net["y"].delta
    assert g.level_name(0) == "input"
    assert g.level_name(g.last_level) == "output"
    for e in range(14):
        assert g.messages[e] == net.weights[e] * net.delta[net.target[e], 0]
        assert g.weight_gradients[e] == net.weight_gradient[e]


def test_several_samples_are_shown_by_their_root_mean_square():
    net = Net.layered([2, 3, 1], seed=4)
    net.forward([[1.0, 2.0], [0.5, -1.0], [0.1, 0.2]])
    net.sweep([[1.0], [0.0], [0.5]])
    g = visualize.from_net(net)
    np.testing.assert_allclose(g.gradients[:-1], np.sqrt((net.delta**2).mean(axis=1)))
    assert "3 samples" in draw(net, engine="builtin").caption
    assert (np.sign(g.messages[:9]) == np.sign(net.weights)).all()


def test_a_small_gradient_does_not_square_to_a_dead_one():
    assert root_mean_square(np.array([[1e-200, -1e-200]]))[0] == pytest.approx(1e-200)
    assert root_mean_square(np.array([[1e200, 1e200]]))[0] == pytest.approx(1e200)
    assert root_mean_square(np.array([[0.0, 0.0]]))[0] == 0
    assert math.isnan(root_mean_square(np.array([[math.nan, 1.0]]))[0])


def test_an_output_that_feeds_others_gets_only_its_own_part_from_the_loss():
    net = Net()
    net.input("x")
    net.neuron("y", "tanh", {"x": 0.7}, output=True)
    net.neuron("z", "linear", {"y": 2.0}, output=True)
    net.forward([0.5])
    net.sweep([0.1, 0.2])
    g = visualize.from_net(net)
    slope = 1 - net["y"].phi ** 2
    from_z = slope * 2.0 * net["z"].delta
    assert g.messages[2] == pytest.approx(net["y"].delta - from_z)


def test_references():
    g = visualize.from_net(small_net())
    assert g.scale().reference == abs(small_net()["y"].delta)
    assert g.scale("absolute").reference == 1
    assert g.scale("loss").reference == small_net().loss
    assert g.scale(0.5).reference == 0.5
    for bad in ("mean", 0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="ref is 'output'"):
            g.scale(bad)
    with pytest.raises(ValueError, match="ref='loss' needs"):
        fake([], [1.0]).scale("loss")


def test_what_is_no_graph_is_refused():
    with pytest.raises(TypeError, match=r"expected a Value, a Net, a compiled function or a visualize.Graph, got list"):
        draw([1.0])


# Marks. --------------------------------------------------------------------------------------------------------------


def odd_graph():
    """A graph with every mark: dead, not finite, no path by a branch not taken, no path of a constant."""
    a, b, c = Value(2.0, name="a"), Value(-1.0, name="b"), Value(0.0, name="c")
    d = Value(1.0, name="d")
    k = autograd.constant(3.0, "k")
    loss = ops.where(a > 0, a * a, b) + ops.sqrt(c) * k + d * 0.0 + a
    loss.name = "L"
    return loss


def test_marks():
    loss = odd_graph()
    loss.backward()
    g = visualize.from_value(loss)
    marks = dict(zip(g.names, g.marks.tolist(), strict=True))
    assert marks["a"] == marks["L"] == ALIVE
    assert marks["b"] == marks["k"] == DETACHED
    assert marks["c"] == NONFINITE
    assert marks["d"] == DEAD
    svg = draw(loss, engine="builtin").svg
    assert "<polygon class=\"f-alarm s-alarm\"" in svg
    assert 's-line" x=' in svg
    assert "stroke-dasharray=\"6 3\"" in svg
    assert "s-faint dotted" in svg
    assert "g = 0  dead" in svg
    assert "g = 0  no path" in svg
    assert "g = ∞" in svg


def test_before_a_sweep_nodes_are_hollow_and_say_so():
    loss = odd_graph()
    g = visualize.from_value(loss)
    assert set(g.marks.tolist()) == {UNSWEPT, DETACHED}
    diagram = draw(loss, engine="builtin")
    assert diagram.verdict == "L.backward() has not run: there is no gradient to judge"
    assert "backward() not run" in diagram.svg
    assert "vanishing" not in diagram.svg
    assert "not run" in diagram.text
    net = Net.layered([2, 2, 1])
    assert "sweep() not run" in draw(net, engine="builtin").svg
    net.forward([1.0, 2.0])
    assert "has not run" in visualize.verdict(net)


def test_a_value_that_never_reaches_the_loss_has_no_path():
    net = Net()
    net.input("x")
    net.input("unused")
    net.neuron("y", "linear", {"x": 1.0}, output=True)
    net.neuron("end", "tanh", {"x": 1.0})
    net.forward([1.0, 1.0])
    net.sweep([0.0])
    g = visualize.from_net(net)
    assert [g.names[i] for i in np.flatnonzero(g.marks == DETACHED)] == ["unused", "end"]
    assert "left out: 2 units with no path to the loss: unused, end" in visualize.verdict(net)


# Diagrams. -----------------------------------------------------------------------------------------------------------


def test_the_svg_is_xml_with_a_text_alternative_and_tooltips():
    for diagram in (draw(small_net()), draw(small_net(), view="circles"), draw(small_net(), view="levels")):
        root = parsed(diagram.svg)
        assert root.tag == SVG + "svg"
        assert root.get("role") == "img"
        assert root[0].tag == SVG + "title"
        assert "net.sweep()" in root[0].text
        assert root[1].tag == SVG + "desc"
        assert diagram.verdict in root[1].text
        tips = [e.text for e in root.iter(SVG + "title")]
        assert len(tips) > 5
        width, height = (float(root.get(k).removesuffix("pt")) for k in ("width", "height"))
        assert root.get("viewBox") == f"0 0 {width:g} {height:g}"


def test_every_text_is_on_the_page():
    for view in ("labels", "circles", "levels"):
        diagram = draw(small_net(), view, engine="builtin")
        scene = diagram.scene
        for group in scene.front:
            for shape in group.shapes:
                if isinstance(shape, Text):
                    assert shape.left >= 0
                    assert shape.left + shape.width <= scene.width
                    assert 0 < shape.y < scene.height


def test_nodes_show_name_value_and_gradient_edges_weight_and_its_gradient():
    svg = draw(small_net(), engine="builtin").svg
    for text in ("h3 · relu", "δ = 0  dead", "h6 · sigmoid", "v = 0.5", "w −1.7", "∂w 0.0846"):
        assert f">{text}<" in svg
    assert len(re.findall(r'<g id="n\d+"', svg)) == 11
    svg = draw(product(), engine="builtin").svg
    assert svg.count(">∂ 3<") == svg.count(">← 3<") == 2


def test_views_by_size():
    assert draw(fake([], [1.0] * 60), engine="builtin").view == "labels"
    assert draw(fake([], [1.0] * 61), engine="builtin").view == "circles"
    assert draw(fake([], [1.0] * 2001), engine="builtin").view == "levels"
    assert draw(fake([], [1.0] * 61), "labels", engine="builtin").view == "labels"
    assert "view 'levels'" in draw(fake([], [1.0] * 2001)).caption
    dense = [(s, t) for s in range(20) for t in range(20, 40)]
    assert draw(fake(dense, [1.0] * 40), engine="builtin").view == "circles"


def test_the_strip_counts_units_per_decade():
    g = fake([(0, 2), (1, 2), (2, 3)], [1e-3, 2e-3, 0.0, 1.0])
    texts = [s.runs[0].text for group in draw(g, "circles", engine="builtin").scene.front
             for s in group.shapes if isinstance(s, Text)]
    assert "2" in texts  # both inputs in the class 10⁻³
    assert "0 (dead)" in texts
    assert "10⁻³" in texts


def test_the_levels_view_of_many_nodes():
    rng = np.random.default_rng(0)
    levels, wide = 120, 200
    n = levels * wide
    source = np.arange(n - wide)
    gradients = 10.0 ** (-0.05 * (levels - np.repeat(np.arange(levels), wide)) + rng.normal(0, 0.3, n))
    g = Graph(
        names=[f"u{i}" for i in range(n)], ops=["tanh"] * n, kinds=np.full(n, UNIT), values=np.zeros(n),
        gradients=gradients, levels=np.repeat(np.arange(levels), wide), source=source, target=source + wide,
        factors=np.ones(n - wide), messages=gradients[wide:], outputs=np.arange(n - wide, n), noun="unit", symbol="δ",
    )  # fmt: skip
    diagram = draw(g, engine="/nowhere")  # needs no engine
    assert diagram.view == "levels"
    assert "shown as 40 groups of 3 levels" in diagram.svg
    assert "lose 0.05 decades per level" in diagram.verdict
    assert len(diagram.svg) < 200_000
    assert "more levels" in diagram.text


def test_empty_and_lonely_graphs():
    lonely = Value(2.0, name="x")
    three = fake([], [1.0, 0.0, math.nan], kinds=[INPUT, UNIT, UNIT])
    for diagram in (draw(lonely), draw(lonely, engine="builtin"), draw(three)):
        parsed(diagram.svg)
        assert "0 edges" in diagram.text
    empty = fake([], [], outputs=np.empty(0, np.intp))
    for view in ("labels", "circles", "levels"):
        parsed(draw(empty, view).svg)


def test_dark_and_auto_themes():
    net = small_net()
    light, dark, auto = (draw(net, theme=theme, engine="builtin").svg for theme in ("light", "dark", "auto"))
    assert "#0d1117" in dark
    assert "#0d1117" not in light
    assert "prefers-color-scheme:dark" in auto
    assert scales.LIGHT["paper"] in auto
    assert scales.DARK["paper"] in auto
    assert 'class="f-m3 s-line"' in light


NASTY = ['<b>"q"\\N</b>', "a & b", "tab\tnew\nline", "naïve δ 名前 🙂", "\\l\\", "<", "", "nul\x00\x1b\ud800",
         "long " * 60, "]]>", "n0", "graph", "-->"]  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_any_name_can_be_drawn(name):
    x = Value(1.0, name=name)
    y = (x * 2).tanh()
    y.name = name
    y.backward()
    for engine_ in ("builtin", None):
        diagram = draw(y, engine=engine_)
        root = parsed(diagram.svg)
        assert root is not None
        assert "\x1b" not in diagram.text
        assert "<b>" not in diagram.dot.source.replace('"  <b>', "").replace('<b>\\"', "").replace('label="<b>', "")


@embedded
@pytest.mark.parametrize("name", NASTY)
def test_any_name_makes_good_dot(name):
    x = Value(1.0, name=name)
    y = x * x
    y.backward()
    found = engines.named("graphviz-pure").run(draw(y, engine="builtin").dot.source, ["-Kdot", "-Tjson0"], 10)
    assert len(json.loads(found)["edges"]) == 2


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5))
def test_text_of_any_letters_stays_xml(words):
    scene = Scene(100.0, 50.0, "".join(words), "d")
    scene.front.append(Group("g", [Text(0, 10, tuple(Run(w) for w in words)), Box(0, 0, 5, 5, tip=words[0])], words[0]))
    parsed(scene.svg("auto"))


def test_pictures_and_dot_are_the_same_bytes_again():
    for view in ("labels", "circles", "levels"):
        assert draw(small_net(), view).svg == draw(small_net(), view).svg
        assert draw(small_net(), view).dot.source == draw(small_net(), view).dot.source


def test_the_dot_is_a_digraph_of_plain_attributes():
    dot = draw(small_net()).dot
    assert dot.source.startswith("digraph")
    assert len(re.findall(r"^\tn\d+ \[", dot.source, re.M)) == 11
    assert dot.source.count("->") == 15
    assert "record" not in dot.source
    assert "=<" not in dot.source
    assert re.search(r"style=.?filled,rounded,dashed", dot.source)
    assert "doublecircle" in dot.source
    assert set(re.findall(r"fontname=(\S+)", dot.source.replace("]", ""))) == {"Helvetica"}


def test_unknown_options_are_refused():
    net = small_net()
    for option in ({"format": "gif"}, {"view": "treemap"}, {"theme": "pink"}):
        ((what, given),) = option.items()
        with pytest.raises(ValueError, match=f"{what}='{given}' is not known; it is one of "):
            draw(net, **option)
    with pytest.raises(ValueError, match="timeout is a positive number"):
        draw(net, timeout=0)
    with pytest.raises(ValueError, match=r"does not end as a picture does: use .svg"):
        draw(net, path="picture.bmp")
    with pytest.raises(ValueError, match="format='gif' is not known"):
        draw(net).save("picture", "gif")


def test_notebooks_get_svg_and_text():
    diagram = draw(small_net())
    bundle = diagram._repr_mimebundle_()
    assert bundle["image/svg+xml"] == diagram.svg
    assert bundle["text/plain"] == diagram.text
    assert repr(diagram) == "<Diagram of net.sweep(): 11 nodes · 15 edges, view 'labels'>"
    assert draw(small_net(), title="My net").title == "My net"


def test_text_format_lays_nothing_out(monkeypatch):
    monkeypatch.setattr(engines, "working", lambda *_: pytest.fail("an engine was looked for"))
    assert "h3" in draw(small_net(), format="text").text
    assert "digraph" in draw(small_net(), format="dot").dot.source


# Files. --------------------------------------------------------------------------------------------------------------


def test_save_takes_the_format_from_the_suffix(tmp_path):
    diagram = draw(small_net(), engine="builtin")
    assert diagram.save(tmp_path / "a.svg").read_text() == diagram.svg
    assert diagram.save(tmp_path / "a.txt").read_text() == diagram.text + "\n"
    assert diagram.save(tmp_path / "a.gv").read_text() == diagram.dot.source
    assert diagram.save(tmp_path / "b.xyz", "svg").read_text() == diagram.svg
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gv", "a.svg", "a.txt", "b.xyz"]
    draw(small_net(), path=tmp_path / "c.txt")
    assert (tmp_path / "c.txt").read_text() == diagram.text + "\n"


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.svg"
    path.write_text("old")

    def no(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", no)
    with pytest.raises(OSError, match="disk full"):
        draw(small_net(), engine="builtin").save(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.svg"]


# The layout of our own. ----------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0.5, 20)), min_size=1, max_size=12))
def test_nearest_keeps_the_order_without_overlaps(things):
    want, size = (np.array(x) for x in zip(*things, strict=True))
    places = layout.nearest(want, size)
    gaps = np.diff(places) - (size[1:] + size[:-1]) / 2
    assert (gaps > -1e-6).all()
    if (np.diff(want) >= (size[1:] + size[:-1]) / 2).all():
        np.testing.assert_allclose(places, want, atol=1e-6)


@given(st.integers(2, 14), st.randoms(use_true_random=False))
def test_our_layout_has_no_overlaps_and_ends_edges_at_their_nodes(n, random):
    edges = [(s, t) for t in range(1, n) for s in range(t) if random.random() < 0.3]
    g = fake(edges, [1.0] * n)
    w, h = np.full(n, 60.0), np.array([random.choice([20.0, 40.0]) for _ in range(n)])
    placed = layout.layered(g.levels, g.source, g.target, w, h, arrows=8.0)
    for i, j in itertools.combinations(range(n), 2):
        dx, dy = np.abs(placed.at[i] - placed.at[j])
        assert dx >= 60 or dy >= (h[i] + h[j]) / 2
    for (s, t), route in zip(edges, placed.routes, strict=True):
        assert route.points[0][0] == pytest.approx(placed.at[s, 0] + 30)
        assert route.head[0] == pytest.approx(placed.at[t, 0] - 30)
        assert abs(route.head[1] - placed.at[t, 1]) <= h[t] / 2
    assert (placed.at >= 0).all()
    assert (placed.at <= [placed.width, placed.height]).all()


def test_our_layout_untangles_what_can_be():
    edges = [(0, 5), (1, 4), (2, 3)]
    g = fake(edges, [1.0] * 6)
    placed = layout.layered(g.levels, g.source, g.target, np.full(6, 10.0), np.full(6, 10.0))
    rank = placed.at[:, 1]
    assert rank[0] == pytest.approx(rank[5])
    assert rank[2] == pytest.approx(rank[3])


# Verdicts. -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("w", "words"), [
    (1.0, "the gradient vanishes: levels 20 to 1 lose 0.6 decades per level (×0.25), 11.4 in all"),
    (0.4, "the gradient vanishes: levels 20 to 1 lose 1.0 decades per level (×0.1), 19.0 in all"),
    (40.0, "the gradient explodes: levels 20 to 1 gain 1.0 decades per level (×10), 19.0 in all"),
    (4.0, "the gradient keeps its size: the medians of all levels lie within 0.0 decades"),
])  # fmt: skip
def test_the_verdict_on_a_chain_is_that_of_the_closed_form(w, words):
    net = logistic_chain(20, w)
    assert visualize.verdict(net) == words
    rows = visualize.levels(net)
    assert [r.name for r in rows] == ["input", *(f"level {k}" for k in range(1, 20)), "output"]
    for row in rows[1:]:
        assert row.median == pytest.approx((20 - row.level) * math.log10(w / 4), abs=1e-9)
        assert row.count == 1
        assert row.low == row.median == row.high


def test_stretches_are_split_where_the_slope_changes():
    medians = [-6.0, -6.0, -6.0, -4.0, -2.0, 0.0, 0.0, 0.0]
    found = stretches(range(8), medians)
    assert [(s.start, s.end, s.per_level) for s in found] == [(7, 5, 0.0), (5, 2, -2.0), (2, 0, 0.0)]
    assert sum(s.total for s in stretches(range(8), medians, stray=0.01)) == pytest.approx(-6.0)
    assert stretches([3], [1.0]) == []


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=40))
def test_stretches_join_and_never_stray(medians):
    found = stretches(range(len(medians)), medians)
    assert found[0].start == len(medians) - 1
    assert found[-1].end == 0
    for a, b in itertools.pairwise(found):
        assert a.end == b.start
    for s in found:
        line = [medians[s.start] + s.per_level * (s.start - k) for k in range(s.end, s.start + 1)]
        assert np.abs(np.array(line) - medians[s.end : s.start + 1]).max() <= 0.5 + 1e-9


def test_dead_and_nonfinite_nodes_are_counted_and_named():
    assert "1 dead unit (gradient exactly 0): h3" in visualize.verdict(small_net())
    g = fake([(0, 1), (1, 2), (2, 3)], [math.nan, math.inf, 1.0, 1.0])
    assert "2 units with a gradient of NaN or infinity; nearest to the loss: u1" in visualize.verdict(g)
    g = fake([(k, 20) for k in range(20)], [0.0] * 20 + [1.0])
    assert "20 dead units (gradient exactly 0): u0, u1, u2, u3, u4, u5 and 14 more" in visualize.verdict(g)


def test_the_table_prints_and_counts():
    g = fake([(0, 2), (1, 2), (2, 3)], [1e-3, 0.0, math.inf, 1.0], kinds=[INPUT, INPUT, UNIT, UNIT])
    table = visualize.levels(g)
    assert [(r.count, r.dead, r.nonfinite) for r in table] == [(2, 1, 0), (1, 0, 1), (1, 0, 0)]
    assert table[0].median == pytest.approx(-3)
    assert math.isnan(table[1].median)
    lines = str(table).splitlines()
    assert lines[1].split() == ["level", "nodes", "median", "min", "max", "dead", "NaN/inf", "no", "path"]
    assert lines[2].split() == ["input", "2", "−3.00", "−3.00", "−3.00", "1", "·", "·"]
    assert len(table[1:]) == 2


@given(st.lists(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=6), min_size=1, max_size=5))
def test_medians_per_level_are_medians(sizes):
    levels = np.repeat(np.arange(len(sizes)), [len(s) for s in sizes])
    g = fake([], [x for s in sizes for x in s])
    object.__setattr__(g, "levels", levels)
    object.__setattr__(g, "outputs", np.arange(len(levels)))
    for row, here in zip(visualize.levels(g, ref=1.0), sizes, strict=True):
        assert row.median == pytest.approx(np.median(np.log10(here)), abs=1e-9)
        assert row.low == pytest.approx(math.log10(min(here)), abs=1e-9)
        assert row.high == pytest.approx(math.log10(max(here)), abs=1e-9)


def test_attribution_traces_a_gradient_to_the_loss_by_the_size_of_the_messages():
    # 0 feeds 1 and 2 with messages 3 and -1, 1 feeds the loss by two ways.
    edges = [(0, 1), (0, 2), (1, 3), (1, 4), (2, 4), (3, 4)]
    g = fake(edges, [1.0] * 5, kinds=[INPUT, UNIT, UNIT, UNIT, LOSS], factors=[3.0, -1.0, 0.5, -0.5, 1.0, 9.0])
    flow = attribution(g)
    np.testing.assert_allclose(flow.edges, [0.75, 0.25, 0.375, 0.375, 0.25, 0.375])
    np.testing.assert_allclose(flow.nodes, [1.0, 0.75, 0.25, 0.375, 1.0])
    np.testing.assert_allclose(attribution(g, [2]).edges, [0, 0, 0, 0, 1, 0])


@given(st.integers(2, 10), st.randoms(use_true_random=False))
def test_all_of_an_attributed_gradient_comes_from_the_loss(n, random):
    edges = [(s, t) for t in range(1, n) for s in range(t) if t == n - 1 or random.random() < 0.3]
    g = fake(edges, [random.uniform(0.1, 1) for _ in range(n)], kinds=[INPUT] + [UNIT] * (n - 2) + [LOSS],
             factors=[random.choice([-1, 1]) * 10.0 ** random.uniform(-9, 9) for _ in edges])
    assert attribution(g).nodes[-1] == pytest.approx(1.0)


def every_path(graph, i):
    """All ways from a node to the loss: (edges, share) with the shares multiplied one by one."""
    out = np.flatnonzero(graph.source == i)
    total = np.abs(graph.messages[out]).sum()
    if i in graph.roots:
        yield (), 1.0
    for e in out.tolist():
        for rest, share in every_path(graph, int(graph.target[e])):
            yield (e, *rest), share * abs(graph.messages[e]) / total if total else 0.0


@given(st.integers(2, 8), st.randoms(use_true_random=False))
def test_the_strongest_path_is_the_best_of_all(n, random):
    edges = [(i, j) for i in range(n) for j in range(i + 1, n) if random.random() < 0.6]
    gradients = [random.choice([-2.0, -0.3, 0.0, 0.7, 1.0]) for _ in range(n)]
    kinds = [INPUT if not any(t == i for _, t in edges) else UNIT for i in range(n - 1)] + [LOSS]
    graph = fake(edges, gradients, kinds, factors=[random.choice([-3.0, -0.5, 0.0, 0.1, 1.0]) for _ in edges])
    mass = sum(abs(gradients[i]) for i in range(n) if kinds[i] == INPUT)
    paths = strongest_paths(graph, n)
    assert [p.share for p in paths] == sorted((p.share for p in paths), reverse=True)
    found = {p.nodes[0]: p for p in paths}
    for i in range(n):
        ways = dict(every_path(graph, i)) if kinds[i] == INPUT else {}
        best = max(ways.values(), default=0.0)
        assert (i in found) == (best * abs(gradients[i]) > 0)
        if i in found:
            path = found[i]
            assert path.share == pytest.approx(best * abs(gradients[i]) / mass, rel=1e-12)
            assert ways[path.edges] == pytest.approx(best, rel=1e-12)
            assert path.nodes == (i, *(int(graph.target[e]) for e in path.edges))


def test_the_strongest_path_is_said_and_drawn_on_top(monkeypatch):
    net = small_net()
    (path,) = strongest_paths(net, 1)
    assert "the strongest path, x3 → y, carries 9" in visualize.verdict(net)
    monkeypatch.setattr(visualize.views, "CROWD", 3)
    diagram = draw(net, "circles")
    drawn = [g.name for g in diagram.scene.back if g.name.startswith("e")]
    assert set(drawn[-len(path.edges):]) <= {f"e{e}" for p in strongest_paths(net) for e in p.edges}
    assert "on top the strongest path to each of 3 inputs" in diagram.svg


def test_attribution_survives_huge_tiny_and_nonfinite_messages():
    for size in (1e308, 1e-308):
        g = fake([(0, 1), (0, 2), (1, 2)], [1.0, 1.0, 1.0], kinds=[INPUT, UNIT, LOSS], factors=[size, size, 1.0])
        np.testing.assert_allclose(attribution(g).edges, [0.5, 0.5, 0.5])
    g = fake([(0, 1), (0, 2), (1, 2)], [1.0, 1.0, 1.0], kinds=[INPUT, UNIT, LOSS], factors=[math.inf, 1.0, 1.0])
    np.testing.assert_allclose(attribution(g).edges, [0.0, 1.0, 0.0])


def test_cancellation_is_reported_apart():
    g = fake([(0, 1), (0, 2), (1, 3), (2, 3)], [1e-12, -1.0, 1.0, 1.0], kinds=[INPUT, UNIT, UNIT, UNIT])
    np.testing.assert_allclose(cancellation(g), [1.0, 0.0, 0.0, 0.0])
    negative = fake([(0, 1), (0, 2), (1, 3), (2, 3)], [-1.0, -2.0, 1.0, 1.0], kinds=[INPUT, UNIT, UNIT, UNIT])
    np.testing.assert_allclose(cancellation(negative)[0], 1 - 1 / 3)
    assert "at 1 unit over 99 % of the arriving gradient cancels: u0" in visualize.verdict(g)
    net = Net.layered([2, 3, 1])
    net.forward([[1.0, 2.0], [3.0, 4.0]])
    net.sweep([[1.0], [2.0]])
    with pytest.raises(ValueError, match="messages of 2 samples have no common sign"):
        cancellation(net)


def test_a_skip_that_carries_the_gradient_is_named():
    # A chain that shrinks by 100 per level, with a link over two levels that does not.
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (1, 4)]
    factors = [1.0, 1e-2, 1e-2, 1e-2, 1.0, 0.01]
    g = fake(edges, [1.0, 1.0, 1e-2, 1e-2, 1.0, 1.0], kinds=[INPUT, *[UNIT] * 5], factors=factors)
    (skip,) = skips(g)
    assert (skip.level, skip.count, skip.edges.tolist()) == (1, 1, [5])
    assert skip.share == pytest.approx(1 / 1.01)  # messages 10^-2 along the link and 10^-4 along the chain
    words = "1 skip edge carries 99 % of the gradient that reaches level 1"
    assert f"{words} (shares of absolute flow)" in visualize.verdict(g)
    assert words in draw(g, "circles", engine="builtin").svg
    assert [percent(x) for x in (1.0, 0.99999, 0.992, 0.5)] == ["100 %", "over 99.9 %", "99.2 %", "50 %"]


@pytest.mark.parametrize("engine", ["builtin", pytest.param("graphviz-pure", marks=embedded)])
def test_labels_of_edges_lie_on_no_node_and_no_other_label(engine):
    net = Net.layered([3, 4, 3, 1], seed=0)
    net.forward([1.0, -2.0, 0.5])
    net.sweep([0.0])
    diagram = draw(net, engine=engine)
    nodes = [max((s for s in g.shapes if isinstance(s, Box)), key=lambda b: b.width) for g in diagram.scene.front
             if re.fullmatch(r"n\d+", g.name)]  # fmt: skip
    labels = [Box(t.left, t.y - 7, t.width, 8) for g in diagram.scene.front for t in g.shapes
              if isinstance(t, Text) and re.match("w |∂w ", t.runs[0].text) and t.size == 9]  # fmt: skip
    assert len(labels) == 2 * 27
    for a, b in itertools.chain(itertools.product(labels, nodes), itertools.combinations(labels, 2)):
        assert (a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y), (a, b)


def test_a_label_gives_way_to_an_edge_through_its_place():
    plan = layout.Plan(np.array([0, 1, 0, 1]), np.array([0, 2]), np.array([1, 3]), np.full(4, 10.0), np.full(4, 10.0),
                       labels=[["w 0.5"], []])  # fmt: skip
    at = np.array([[0.0, 50.0], [200.0, 50.0], [0.0, 38.0], [200.0, 38.0]])
    own, other = layout.line((0, 50), (200, 50)), layout.line((0, 38), (200, 38))
    routes = [layout.Route(own.points, None, (100.0, 40.0)), other]
    placed = layout.Layout(at, routes, 200.0, 100.0, "")
    (x, y) = layout.clear_labels(plan, placed, routes)[0].label
    assert 50 < y - 4 < y < 66  # on the free side of its own edge, and near it
    assert 0 < x < 200
    assert layout.clear_labels(plan, placed, routes[1:]) == routes[1:]  # nothing to move


def test_weak_edges_of_a_dense_net_are_left_out_and_counted(monkeypatch):
    monkeypatch.setattr(visualize.views, "MOST_EDGES", 7)
    diagram = draw(small_net(), "circles")
    assert len(re.findall(r'<g id="e\d+"', diagram.svg)) == 7
    assert "left out: 6 weaker, 2 that carry exactly 0" in diagram.svg
    assert len({round(float(x)) for x in diagram.layout.at[:, 0]}) == 6  # the levels keep their columns


def test_a_deep_chain_needs_no_recursion_and_little_time():
    x = Value(0.5, name="x")
    y = x
    for _ in range(20_000):
        y = y * 0.9999
    y.backward()
    start = time.monotonic()
    diagram = draw(y)
    assert diagram.view == "levels"
    assert time.monotonic() - start < 10


# Text. ---------------------------------------------------------------------------------------------------------------


def test_the_text_view_has_the_numbers_of_the_picture():
    text = draw(small_net(), engine="builtin").text
    assert text.startswith("net.sweep() · 11 nodes · 15 edges\n")
    row = next(line for line in text.splitlines() if " h3  " in line)
    assert row.split() == ["1", "h3", "relu", "0", "0", "dead", "x1", "×", "−1.2,", "x3", "×", "−0.4"]
    row = next(line for line in text.splitlines() if " x3 " in line and " input " in line)
    assert "0.0296" in row


def test_the_text_view_can_be_ascii(monkeypatch):
    diagram = draw(odd_graph(), engine="builtin")
    assert diagram.ascii.isascii()
    assert "delta" in draw(small_net(), engine="builtin").ascii

    class Old:
        encoding = "ascii"

    monkeypatch.setattr(sys, "stdout", Old())
    assert str(diagram).isascii()
    Old.encoding = "utf-8"
    assert str(diagram) == diagram.text


def test_bars_follow_the_classes():
    assert terminal.bar(0.4) == "      │      "
    assert terminal.bar(-2.5) == "    ██│      "
    assert terminal.bar(3.0) == "      │███   "
    assert terminal.bar(-30) == "◂█████│      "


def test_text_widths_grow_with_the_text():
    assert text_width("W", 10) > text_width("i", 10)
    assert text_width("abc", 10, bold=True) > text_width("abc", 10)
    assert text_width("名", 10) == 10
    assert Curve(((0, 0), (1, 1), (2, 2), (3, 3)), "ink").head is None


def test_gates_feed_what_they_gate():
    net = Net(init=0.5)
    x, h = net.input("x"), net.neuron("h", "tanh", ["x"])
    net.neuron("g", "sigmoid", ["x"])
    net.neuron("y", "linear", output=True)
    net.link("h", "y", 2.0, delay=1, gate="g")
    net["h"].net.link("h", "h", 0.5, delay=1)
    rng = np.random.default_rng(0)
    net.forward(rng.normal(size=(3, 5, 1)))
    net.sweep(rng.normal(size=(3, 5, 1)))
    graph = visualize.from_net(net)
    (edge,) = graph.gates
    assert graph.names[graph.source[edge]] == "g"
    assert graph.names[graph.target[edge]] == "y"
    read = np.concatenate([np.zeros((3, 1)), h.phi[:, :-1]], axis=1)
    assert graph.factors[edge] == pytest.approx((2.0 * read).mean())
    sent = 2.0 * read * net["y"].delta
    assert graph.messages[edge] == pytest.approx(np.sqrt((sent**2).mean()))
    # What comes to the gate, times sigma', is its delta: there is no other way.
    g = net["g"]
    np.testing.assert_allclose(g.delta, sent * g.phi * (1 - g.phi), rtol=1e-12)
    assert graph.connected[net._find("g")]
    assert "no path" not in str(visualize.verdict(net))
    assert x.is_input


# Mistakes made by hand, which the tests above did not notice (tests/mutants.py). --------------------------------------


@given(st.floats(-5000, 5000).filter(lambda x: abs(x) >= 300))
def test_powers_beyond_a_double_are_those_of_exact_arithmetic(decade):
    digits, power = scales.number_at(decade).replace("−", "-").split("e")
    off = math.log10(float(digits)) + int(power) - decade
    assert abs(10.0**off - 1) < 5.1e-3
    assert 1 <= float(digits) < 10


@given(st.floats(-300, 300), st.floats(-300, 300))
def test_decades_are_the_difference_of_the_logarithms(size, reference):
    found = scales.Scale(10.0**reference, "").decades(np.array([10.0**size, -(10.0**size)]))
    np.testing.assert_allclose(found, size - reference, atol=1e-9)


def test_halves_go_to_the_upper_class():
    assert scales.classes_of(np.arange(-7.5, 8)).tolist() == [-6, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 6, 6]


def test_a_dash_is_the_sign_of_the_number_and_not_of_its_logarithm():
    values = np.array([-200.0, 200.0, -1e-3, 1e-3])
    edges = Channel("message", "w·δ", values, np.full(4, ALIVE), scales.Scale(1.0, "absolute"))
    strokes = looks.strokes_of(edges)
    assert [stroke.dash for stroke in strokes] == ["dashed", "solid", "dashed", "solid"]
    assert [stroke.line for stroke in strokes] == ["ep2", "ep2", "em3", "em3"]


def test_a_text_stands_where_its_anchor_says():
    for anchor, part in (("start", 0.0), ("middle", 0.5), ("end", 1.0)):
        text = Text(100.0, 10.0, (Run("some"), Run(" words", bold=True)), 12.0, anchor)
        assert text.left + part * text.width == pytest.approx(100.0)


def test_the_dot_of_a_scene_counts_upwards():
    curve = Curve(((10.0, 5.0), (20.0, 5.0), (30.0, 5.0), (40.0, 8.0)), "ink", head=(45.0, 9.0))
    scene = Scene(100.0, 50.0, "", "", [Group("", [curve])], [Group("", [Box(10.0, 0.0, 20.0, 10.0, "ink")])])
    dot = scene.dot(scales.LIGHT)
    assert 'pos="e,45,41 10,45 20,45 30,45 40,42"' in dot
    assert 'pos="20,45" width="0.27778" height="0.13889"' in dot


def blocks_of(n):
    """All ways to cut n things in a row into blocks, as lists of (first, end)."""
    for cuts in itertools.product([False, True], repeat=n - 1):
        ends = [0, *(k + 1 for k, cut in enumerate(cuts) if cut), n]
        yield list(itertools.pairwise(ends))


@given(st.lists(st.tuples(st.floats(-20, 20), st.floats(0.5, 20)), min_size=1, max_size=7))
def test_nearest_is_the_best_of_all_ways_to_pool(things):
    want, size = (np.array(x) for x in zip(*things, strict=True))
    offset = np.cumsum(size) - size / 2
    best = math.inf
    for blocks in blocks_of(len(want)):
        means = [float(np.mean((want - offset)[a:b])) for a, b in blocks]
        if all(x <= y for x, y in itertools.pairwise(means)):
            row = np.repeat(means, [b - a for a, b in blocks]) + offset
            best = min(best, float(np.square(row - want).sum()))
    assert float(np.square(layout.nearest(want, size) - want).sum()) == pytest.approx(best, rel=1e-9, abs=1e-9)


@given(st.integers(2, 6), st.integers(3, 6), st.randoms(use_true_random=False))
def test_shuffled_chains_come_out_side_by_side(chains, columns, random):
    order = [random.sample(range(chains), chains) for _ in range(columns)]
    edges = [(k * chains + order[k].index(c), (k + 1) * chains + order[k + 1].index(c))
             for k in range(columns - 1) for c in range(chains)]  # fmt: skip
    g = fake(edges, [1.0] * (chains * columns))
    size = np.full(len(g), 10.0)
    y = layout.layered(g.levels, g.source, g.target, size, size).at[:, 1]
    for c in range(chains):
        assert len({round(y[k * chains + order[k].index(c)], 6) for k in range(columns)}) == 1


def test_edges_leave_a_node_in_the_order_of_their_ends():
    g = fake([(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)], [1.0] * 5)
    placed = layout.layered(g.levels, g.source, g.target, np.full(5, 40.0), np.full(5, 40.0))
    for ends, others, at in ((g.target, slice(0, 3), 0), (g.source, slice(3, 6), -1)):
        far = placed.at[ends[others], 1].tolist()
        near = [route.points[at][1] for route in placed.routes[others]]
        assert np.argsort(far).tolist() == np.argsort(near).tolist()
        assert len(set(near)) == 3


@given(st.integers(3, 9), st.randoms(use_true_random=False))
def test_labels_between_the_same_columns_are_parted(n, random):
    edges = [(s, t) for t in range(1, n) for s in range(t) if t == s + 1 or random.random() < 0.4]
    g = fake(edges, [1.0] * n)
    size = np.full(n, 40.0)
    placed = layout.layered(g.levels, g.source, g.target, size, size, gap=90.0, label=20.0)
    for a, b in itertools.combinations([route.label for route in placed.routes], 2):
        if (a[0] - 20) // 130 == (b[0] - 20) // 130:  # columns are 40 wide and 90 apart
            assert abs(a[1] - b[1]) >= 20 - 1e-6


@given(st.lists(st.sampled_from([0.0, -0.3, 1.0, 2.5, -40.0, math.nan, math.inf]), min_size=1, max_size=6))
def test_the_reference_is_the_median_size_of_the_outputs_that_have_one(gradients):
    graph = fake([], gradients, outputs=np.arange(len(gradients)))
    known = [abs(x) for x in gradients if math.isfinite(x) and x]
    assert graph.scale().reference == pytest.approx(float(np.median(known)) if known else 1.0)


def test_a_negative_loss_has_a_size_too():
    assert fake([], [1.0], loss=-2.5).scale("loss").reference == 2.5


def test_of_equal_ways_the_path_takes_the_first():
    g = fake([(0, 1), (0, 2), (1, 3), (2, 3)], [1.0] * 4, kinds=[INPUT, UNIT, UNIT, LOSS])
    (path,) = strongest_paths(g, 1)
    assert (path.nodes, path.edges) == ((0, 1, 3), (0, 2))
    assert path.share == 0.5


def test_a_level_without_a_gradient_parts_what_is_said():
    gradients = [1e-6, 1e-4, 1e-2, 0.0, 1.0, 1.0, 1.0]
    g = fake([(k, k + 1) for k in range(6)], gradients)
    assert "levels 2 to 0 lose 2.0 decades per level (×0.01), 4.0 in all" in visualize.verdict(g)
    flat = fake([(k, k + 1) for k in range(6)], [1e-4, 1e-4, 1e-4, 0.0, 1.0, 1.0, 1.0])
    said = visualize.verdict(flat)
    assert "less than a decade at a stretch, yet the medians of all levels lie within 4.0 " in said


def test_the_text_view_begins_with_the_loss():
    lines = draw(small_net(), engine="builtin").text.splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith("level"))
    rows = [int(line.split()[0]) for line in lines[first + 1 :] if line.strip()]
    assert rows == sorted(rows, reverse=True)
    assert lines[first + 1].split()[1] == "L"


@given(st.lists(st.sampled_from([0.0, -3.0, 0.2, 7.0, 1e-9, math.nan]), min_size=1, max_size=8), st.integers(1, 8))
def test_the_strongest_edges_are_drawn_and_the_strongest_last(messages, most):
    m = len(messages)
    g = fake([(k, m) for k in range(m)], [1.0] * (m + 1), factors=messages)
    strength = [math.inf if math.isnan(x) else abs(x) for x in messages]
    drawn = visualize.views.drawn_edges(g, most).tolist()
    assert [strength[e] for e in drawn] == sorted(strength)[-most:]
    assert len(set(drawn)) == len(drawn)


def test_the_values_of_several_samples_are_their_means():
    net = Net.layered([2, 3, 1], seed=4)
    net.forward([[1.0, 2.0], [0.5, -1.0], [0.1, 0.2]])
    net.sweep([[1.0], [0.0], [0.5]])
    np.testing.assert_allclose(visualize.from_net(net).values[:-1], net.phi.mean(axis=1), rtol=1e-14)


def test_the_strongest_edges_of_a_crowd_stand_out(monkeypatch):
    monkeypatch.setattr(visualize.views, "CROWD", 3)
    monkeypatch.setattr(visualize.views, "STRONGEST", 20)
    net = Net.layered([3, 4, 4, 2], seed=5)
    net.forward([1.0, -2.0, 0.5])
    net.sweep([3.0, -1.0])
    graph = visualize.from_net(net)
    on_top = {e for path in strongest_paths(graph, 3) for e in path.edges}
    groups = draw(graph, "circles", engine="builtin").scene.back
    drawn = {int(group.name[1:]): group.shapes[0].opacity for group in groups if re.fullmatch(r"e\d+", group.name)}
    opacities = [drawn[e] for e in np.argsort(np.abs(graph.messages)).tolist() if e not in on_top]
    assert opacities == sorted(opacities)
    assert opacities[0] < opacities[-1]


def test_a_gated_link_carries_what_its_gate_lets_through():
    net = Net()
    net.input("x")
    net.neuron("h", "tanh", {"x": 0.7})
    net.neuron("g", "sigmoid", {"x": 0.4})
    net.neuron("y", "linear", output=True)
    net.link("h", "y", 2.0, gate="g")
    net.forward([[0.5], [-1.0], [3.0]])
    net.sweep([[3.0], [1.0], [0.2]])
    graph = visualize.from_net(net)
    at = {name: i for i, name in enumerate(graph.names)}
    (link,) = np.flatnonzero((graph.source == at["h"]) & (graph.target == at["y"]))
    sent = 2.0 * net["g"].phi * net["y"].delta
    assert abs(graph.messages[link]) == pytest.approx(np.sqrt((sent**2).mean()), rel=1e-12)


def test_the_numbers_of_the_strip_add_up_to_the_units():
    diagram = draw(small_net(), "circles", engine="builtin")
    words = [shape.runs[0].text for group in diagram.scene.front if not group.name for shape in group.shapes
             if isinstance(shape, Text) and shape.size == 9.0]  # fmt: skip
    assert sum(int(text) for text in words if re.fullmatch(r"[0-9]+", text)) == 10
