"""Tests of the views of large graphs: groups by name or by a function, levels, what flows between boxes."""

import itertools
import math
import re
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import autograd
import visualize
from autograd import Value
from autograd.net import Net
from visualize import Graph, Node, by_prefix
from visualize.graph import UNIT
from visualize.groups import HIGH, WIDE, _arrows, _box, _columns, _order, _placed, grouped
from visualize.scales import fill_role
from visualize.scene import Box, Curve


def layers(widths=(3, 4, 4, 2), seed=0):
    """A layered net after a sweep."""
    net = Net.layered(list(widths), seed=seed)
    rng = np.random.default_rng(seed)
    net.forward(rng.normal(size=widths[0]))
    net.sweep(rng.normal(size=widths[-1]))
    return net


def scalar_layer(samples=3, width=4):
    """Products and sums of Values with names like those of a program."""
    w = [Value(0.1 * (k + 1), name=f"layer/w[{k}]") for k in range(width)]
    total = []
    for n in range(samples):
        xs = [Value(1.0 + n - k, name=f"inputs[{n}][{k}]") for k in range(width)]
        terms = []
        for k in range(width):
            term = w[k] * xs[k]
            term.name = f"layer/product {n}.{k}"
            terms.append(term)
        total.append(autograd.tanh(autograd.sum(terms)))
    y = autograd.sum(total)
    y.name = "L"
    y.backward()
    return y


@pytest.mark.parametrize(("name", "group"), [
    ("h12", "h"), ("h", "h"), ("w[3][14]", "w"), ("conv_1_2", "conv"), ("encoder/h3", "encoder/h"),
    ("b1.weight", "b1.weight"),
    ("x (7)", "x"), ("loss!", "loss!"), ("a-b", "a-b"), ("Ж9", "Ж"),
])  # fmt: skip
def test_groups_by_name_leave_out_the_numbers_at_its_end(name, group):
    assert by_prefix(Node(name, "tanh", 0)) == group


def test_nodes_without_letters_are_grouped_by_their_operation():
    x = Value(2.0)
    y = autograd.tanh(x * 0.5 + 3) * x ** 2
    y.backward()
    names = set(grouped(visualize.from_value(y), None).names)
    assert names == {"inputs", "×", "+", "tanh", "^"}
    assert by_prefix(Node("17", "relu", 2)) == "relu"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12), st.integers(1, 6))
def test_every_part_has_one_place_and_none_overlap(pairs, n):
    edges = {(a % n, b % n): 1 for a, b in pairs if a % n != b % n}
    assert sorted(_order(n, edges)) == list(range(n))
    assert sorted(itertools.chain(*_columns(n, edges))) == list(range(n))
    names = [f"{'ab'[k % 2]}/{k}" if k % 3 else f"g{k}" for k in range(n)]
    corners, _, _ = _placed(names, edges)
    for (ax, ay), (bx, by) in itertools.combinations(corners, 2):
        assert abs(ax - bx) >= WIDE or abs(ay - by) >= HIGH


def test_without_circles_values_flow_to_the_right():
    edges = {(0, 1): 5, (1, 2): 5, (0, 3): 1, (3, 2): 9}
    place = {part: k for k, column in enumerate(_columns(4, edges)) for part in column}
    assert all(place[a] < place[b] for a, b in edges)


def test_what_only_feeds_one_group_stands_under_it():
    # inputs -> products <- weights, products -> sums: the weights are under the products.
    assert _columns(4, {(0, 2): 9, (1, 2): 9, (2, 3): 9}) == [[0], [2, 1], [3]]
    assert _columns(2, {(1, 0): 9}, entered={0}) == [[0, 1]]


def test_the_boxes_count_every_node_once_and_a_histogram_has_them_all():
    y = scalar_layer()
    graph = visualize.from_value(y)
    groups = grouped(graph, None)
    assert len(groups.of) == len(graph)
    sizes = dict(zip(groups.names, np.bincount(groups.of).tolist(), strict=True))
    assert sizes == {"inputs": 12, "layer/w": 4, "layer/product": 12, "sum": 3, "tanh": 3, "L": 1}
    svg = visualize.draw(y, "groups").svg
    for name, size in sizes.items():
        assert f">{name.split('/')[-1]}</text>" in svg
        assert re.search(rf">{size} nodes? · median ", svg)
    assert ">layer</text>" in svg
    assert "shown as 6 groups" in svg


def test_arrows_count_the_edges_and_have_the_median_of_what_they_carry():
    y = scalar_layer()
    diagram = visualize.draw(y, "groups", format="text")
    graph, groups = diagram.graph, grouped(diagram.graph, None)
    found = {(groups.names[a.source], groups.names[a.target]): a for a in _arrows(diagram, groups.of)}
    assert {pair: a.edges for pair, a in found.items()} == {
        ("inputs", "layer/product"): 12, ("layer/w", "layer/product"): 12, ("layer/product", "sum"): 12,
        ("sum", "tanh"): 3, ("tanh", "L"): 3,
    }
    for (source, target), arrow in found.items():
        between = [e for e in range(graph.edges) if groups.names[groups.of[graph.source[e]]] == source
                   and groups.names[groups.of[graph.target[e]]] == target and graph.messages[e] != 0]
        expected = np.median(np.log10(np.abs(graph.messages[between])))
        assert arrow.median == pytest.approx(expected, abs=1e-12)


def test_a_grouping_function_is_told_name_operation_and_level():
    net = layers()
    told = []
    visualize.draw(net, group=lambda node: told.append(node) or "all")
    graph = visualize.from_net(net)
    units = [i for i in range(len(graph)) if graph.units[i]]
    assert told == [Node(graph.names[i], graph.ops[i], graph.levels[i]) for i in units]
    diagram = visualize.draw(net, group=lambda node: f"part {node.level // 2}/level {node.level}")
    assert diagram.view == "groups"
    assert ">part 1</text>" in diagram.svg
    assert diagram.svg.count(">level ") == 4


def test_groupings_that_do_not_work_are_refused():
    net = layers()
    with pytest.raises(TypeError, match=r"returned None for Node\(name='x1'.*returns the name of a group"):
        visualize.draw(net, group=lambda node: None)
    y = autograd.sum([Value(1.0, name=f"x{k}y") for k in range(500)])
    y.backward()
    with pytest.raises(ValueError, match=r"501 groups are more than a picture can show .* group by less with group="):
        visualize.draw(y, "groups")


def test_any_group_name_can_be_drawn_and_is_no_markup():
    hostile = '</text><script>alert("1")</script>/&\n"'
    svg = visualize.draw(layers(), group=lambda node: hostile).svg
    assert "<script" not in svg


def test_levels_share_boxes_where_there_are_many():
    x = y = Value(1.0)
    for _ in range(200):
        y = y * 0.9
    y.backward()
    diagram = visualize.draw(y, "levels")
    assert x.grad == pytest.approx(0.9**200)
    assert "groups of 5 levels" in diagram.svg
    assert "levels 0–4" in diagram.svg


def test_dead_and_nonfinite_nodes_are_counted_in_their_boxes():
    n = 4
    graph = Graph(
        names=[f"h{k}" for k in range(n)], ops=["relu"] * n, kinds=np.full(n, UNIT), values=np.zeros(n),
        gradients=np.array([0.0, math.nan, math.inf, 1.0]), levels=np.array([0, 0, 0, 1]), source=np.arange(3),
        target=np.full(3, 3), factors=np.ones(3), messages=np.array([0.0, math.nan, math.inf]),
        outputs=np.array([3]), noun="unit", symbol="δ",
    )  # fmt: skip
    svg = visualize.draw(graph, "groups").svg
    assert "1 dead · 2 NaN/∞" in svg


def test_arrows_end_at_their_boxes():
    diagram = visualize.draw(scalar_layer(), "groups")
    boxes = {g.name: g.shapes[0] for g in diagram.scene.front if g.name.startswith("group")}
    curves = [s for g in diagram.scene.back for s in g.shapes if isinstance(s, Curve) and s.head]
    assert len(curves) == 5
    for curve in curves:
        for x, y in (curve.points[0], curve.head):
            assert any(isinstance(b, Box) and b.x - 0.01 <= x <= b.x + b.width + 0.01
                       and b.y - 0.01 <= y <= b.y + b.height + 0.01 for b in boxes.values())


# Mistakes made by hand, which the tests above did not notice (tests/mutants.py). --------------------------------------

magnitudes = st.sampled_from([0.0, math.nan, 1e-9, 1e-4, 3e-3, 0.1, 1.0, 20.0, 1e5])


def flat(gradients, messages=()):
    """Units without levels above one another, of which the first feed one more; all numbers made by hand."""
    n, m = len(gradients), len(messages)
    return Graph(
        names=[f"h{k}" for k in range(n)] + ["y"], ops=["tanh"] * (n + 1), kinds=np.full(n + 1, UNIT),
        values=np.zeros(n + 1), gradients=np.array([*gradients, 1.0]), levels=np.array([0] * n + [1]),
        source=np.arange(m), target=np.full(m, n), factors=np.ones(m), messages=np.array(messages, float),
        outputs=np.array([n]), noun="unit", symbol="δ",
    )  # fmt: skip


@given(st.lists(magnitudes, min_size=1, max_size=12))
def test_a_box_has_the_colour_of_its_median_and_a_bar_per_decade(sizes):
    diagram = visualize.draw(flat(sizes, [1.0] * len(sizes)), "groups", format="text")
    shapes = _box(diagram, "h", np.arange(len(sizes)), (0.0, 0.0))
    logs = [math.log10(x) for x in sizes if x > 0]
    if not logs:
        assert shapes[1].fill == "cell"
        return
    median = float(np.median(logs))
    assert shapes[1].fill == fill_role(max(min(math.floor(median + 0.5), 6), -6))
    counts = Counter(max(min(math.floor(x + 0.5), 6), -6) for x in logs)
    bars = {box.fill: box.height for box in shapes[2:] if isinstance(box, Box) and box.height != 0.5}  # not the floor
    tallest = max(counts.values())
    assert bars == {fill_role(k): pytest.approx(max(28.0 * count / tallest, 1.5)) for k, count in counts.items()}


@given(st.lists(magnitudes, min_size=1, max_size=9))
def test_an_arrow_has_the_median_of_what_is_alive(messages):
    diagram = visualize.draw(flat([1.0] * len(messages), messages), "groups", format="text")
    of = np.array([0] * len(messages) + [1])
    (arrow,) = _arrows(diagram, of)
    logs = [math.log10(x) for x in messages if x > 0]
    assert (arrow.source, arrow.target, arrow.edges) == (0, 1, len(messages))
    assert arrow.median == pytest.approx(float(np.median(logs)) if logs else math.nan, nan_ok=True)


def test_a_part_stands_after_all_that_lead_to_it():
    for edges in ({(0, 1): 1, (1, 2): 1, (0, 2): 1}, {(0, 1): 1, (1, 2): 1, (3, 2): 1, (3, 4): 1}):
        place = {part: k for k, column in enumerate(_columns(5, edges)) for part in column}
        assert all(place[a] < place[b] for a, b in edges)
