"""Tests of the view of recurrent nets: cells, steps, rates back in time, groups, strips of several nets."""

import dataclasses
import itertools
import math
import re
import xml.etree.ElementTree as ET

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from autograd import Value
from autograd.layers import dense, elman, gru, lstm
from autograd.net import Net
from visualize import Graph, as_graph, draw, overtime, scales
from visualize.graph import ALIVE, BLANK, DEAD, DETACHED, INPUT, LOSS, NONFINITE, UNIT
from visualize.overtime import MOST_CELLS, MOST_COLUMNS, MOST_ROWS, Strips, strips, table
from visualize.scene import Box, Text
from visualize.steps import Steps, over_time_words, rate

SVG = "{http://www.w3.org/2000/svg}"


def recurrent(size=3, activation="tanh", matrix=None, seed=0, readout=True):
    """A layer that reads itself, with a linear output or (without one) as the output itself."""
    net = Net(seed=seed)
    layer = elman(net, "h", size, net.input("x"), activation)
    net.output(*(dense(net, "y", 1, layer, "linear") if readout else layer))
    if matrix is not None:
        for i, target in enumerate(layer):
            for j, source in enumerate(layer):
                net.set_weight(source, target, matrix[i, j])
    return net


def swept(net, steps=8, samples=2, at="last", lengths=None, seed=0):
    rng = np.random.default_rng(seed)
    net.forward(rng.normal(size=(samples, steps, len(net.inputs))), lengths=lengths)
    shape = (samples, steps, len(net.outputs)) if at == "all" else (samples, len(net.outputs))
    net.sweep(rng.normal(size=shape) + 2.0, at=at)
    return net


def rotation(gain, size=6, seed=0):
    return gain * np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def by_hand(over_time, losses, kinds=None, names=None, levels=None):
    """A graph over time made by hand: units without edges, all of them outputs, and the loss."""
    n, steps = np.shape(over_time)
    rows = np.vstack([np.array(over_time, float), np.array(losses, float)])
    gradients = np.nan_to_num(np.abs(rows[:, -1]), nan=1.0)
    nothing = np.empty(0, np.intp)
    return Graph(
        names=[*(names or [f"u{i}" for i in range(n)]), "L"], ops=["tanh"] * n + [""],
        kinds=np.array([*(kinds or [UNIT] * n), LOSS]), values=np.zeros(n + 1), gradients=gradients,
        levels=np.array([*(levels or [1] * n), 9]), source=np.arange(n), target=np.full(n, n), factors=np.ones(n),
        messages=np.ones(n), outputs=np.arange(n) if n else nothing, symbol="δ", noun="unit", over_time=rows,
        samples=steps,
    )  # fmt: skip


def shapes(scene, kind):
    return [shape for group in scene.front for shape in group.shapes if isinstance(shape, kind)]


def cells(scene):
    """What is drawn at each step of each row: {(name, step): fill}, from the tooltips."""
    found = {}
    for box in shapes(scene, Box):
        match = re.match(r"(.*) · steps? ([\d,]+)(?: to ([\d,]+))? of", box.tip)
        if match:
            first, last = (int((x or match[2]).replace(",", "")) for x in match.groups()[1:])
            for step in range(first, last + 1):
                assert (match[1], step) not in found
                found[match[1], step] = box.fill
    return found


def words_of(scene):
    return ["".join(run.text for run in text.runs) for text in shapes(scene, Text)]


def rms(x):
    return np.sqrt(np.mean(np.square(x)))


# Cells. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("at", ["last", "all"])
def test_a_cell_has_the_class_of_its_rms_delta(seed, at):
    rng = np.random.default_rng(seed)
    size, steps, samples = rng.integers(1, 6), rng.integers(1, 30), rng.integers(1, 4)
    matrix = rng.normal(size=(size, size)) * 10.0 ** rng.uniform(-1.5, 1)
    net = swept(recurrent(int(size), "tanh", matrix, seed=seed), int(steps), int(samples), at, seed=seed)
    diagram = draw(net, "time")
    found = cells(diagram.scene)
    carriers = [i for i, name in enumerate(net.names) if name.startswith("h")]
    if at == "last" and steps > 1:
        reference = rms([rms(net.delta[i, :, -1]) for i in carriers])
    elif at == "last":
        reference = rms([rms(net.delta[i, :, -1]) for i in range(len(net)) if net.names[i] != "x"])
    else:
        reference = diagram.scale.reference
    scale = scales.Scale(reference, "")
    for i, name in enumerate(net.names):
        for t in range(steps):
            size_ = rms(net.delta[i, :, t])
            decade = float(scale.decades(np.array([size_]))[0])
            if size_ and abs(decade + 0.5 - round(decade + 0.5)) < 1e-9:
                continue  # on the edge between two classes
            expected = scales.fill_role(int(scale.classes(np.array([size_]))[0])) if size_ else "paper"
            assert found[name, t + 1] == expected
    assert len(found) == len(net) * steps


def test_many_cells_are_merged_where_they_are_alike_and_none_is_lost():
    net = swept(recurrent(20, "tanh", rotation(0.7, 20)), 150, 1)
    diagram = draw(net, "time")
    found = cells(diagram.scene)
    assert len(found) == 22 * 150 > MOST_CELLS
    steps = Steps.of(diagram.graph)
    classes = steps.scale.classes(steps.sizes)
    for (name, step), fill in found.items():
        i = net.names.index(name)
        dead = steps.marks[i, step - 1] == DEAD
        assert fill == ("paper" if dead else scales.fill_role(int(classes[i, step - 1])))
    assert len(shapes(diagram.scene, Box)) < MOST_CELLS


@given(st.integers(1, 7), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_steps_that_share_a_column_show_their_root_mean_square(bunch, steps, seed):
    rng = np.random.default_rng(seed)
    x = 10.0 ** rng.uniform(-200, 200, (2, steps))
    x[rng.random(x.shape) < 0.3] = 0.0
    marks = np.where(x == 0, DEAD, ALIVE)
    x[1, 0], marks[1, 0] = math.nan, NONFINITE
    sizes, merged = overtime._bunched(x, marks, bunch)
    columns = -(-steps // bunch)
    assert sizes.shape == merged.shape == (2, columns)
    for k in range(columns):  # bunches are counted from the last step
        part = x[0, max(steps - (columns - k) * bunch, 0) : steps - (columns - 1 - k) * bunch]
        top = part.max() or 1.0
        assert sizes[0, k] == pytest.approx(top * rms(part / top), rel=1e-12)
        assert merged[0, k] == (ALIVE if part.any() else DEAD)
    assert merged[1, 0] == NONFINITE
    assert (merged[1, 1:] != NONFINITE).all()


def test_a_long_sequence_shares_columns_and_the_caption_says_so():
    net = swept(recurrent(2, "linear", rotation(0.99, 2)), 1000, 1)
    scene = draw(net, "time").scene
    found = cells(scene)
    assert {step for _, step in found} == set(range(1, 1001))
    text = "\n".join(words_of(scene))
    assert "5 steps a column" in text
    assert "1,000" in text
    assert "5 steps a column" not in "\n".join(words_of(draw(swept(net, MOST_COLUMNS, 1), "time").scene))


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_quantile_rows_are_the_sizes_of_units_in_order(units, seed):
    rng = np.random.default_rng(seed)
    x = 10.0 ** rng.uniform(-5, 5, (units, 3))
    x[rng.random(x.shape) < 0.2] = 0.0
    marks = np.where(x == 0, DEAD, ALIVE)
    x[0, 2], marks[0, 2] = math.nan, NONFINITE
    rows = {row.label: row for row in overtime._quantiles(x, marks, overtime.LADDER[0])}
    for t in (0, 1):
        assert [rows[k].sizes[t] for k in ("largest", "smallest")] == [x[:, t].max(), x[:, t].min()]
        assert rows["median"].sizes[t] in np.sort(x[:, t])[(units - 1) // 2 : units // 2 + 1]
        column = [row.sizes[t] for row in rows.values()]
        assert column == sorted(column, reverse=True)
    assert rows["largest"].marks[2] == NONFINITE


def test_many_units_are_shown_by_quantiles_and_the_counts_are_said():
    net = swept(recurrent(300, "tanh", rotation(0.9, 300)), 12, 1)
    scene = draw(net, "time").scene
    text = words_of(scene)
    assert {"largest", "90 %", "median", "smallest", "y_1", "x"} <= set(text)
    assert "h  ·  300 units" in text
    assert any("quantiles" in line for line in text)
    found, steps = cells(scene), Steps.of(as_graph(net))
    h = [i for i, name in enumerate(net.names) if name.startswith("h")]
    largest = steps.scale.classes(steps.sizes[h].max(axis=0))
    assert [found["largest", t + 1] for t in range(12)] == [scales.fill_role(int(c)) for c in largest]


def test_more_groups_than_rows_are_shown_by_levels():
    n = 60
    names = [chr(97 + k % 26) * (1 + k // 26) + "x" for k in range(n)]
    graph = by_hand(np.ones((n, 4)), [0, 0, 0, 1], names=names, levels=[1 + k % 5 for k in range(n)])
    text = words_of(draw(graph, "time").scene)
    assert sum(line.startswith("level ") or line.startswith("output  ·") for line in text) == 5


# The numbers. --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [0.5, 0.9, 1.0, 1.1, 1.5])
def test_a_rotation_times_a_gain_changes_delta_by_the_gain(gain):
    net = swept(recurrent(6, "linear", rotation(gain), readout=False), 40)
    steps = Steps.of(as_graph(net))
    assert steps.factor() == pytest.approx(gain, rel=1e-9)
    back = steps.scale.decades(steps.rms)
    assert back == pytest.approx(math.log10(gain) * np.arange(39, -1, -1), abs=1e-9)


def test_a_latched_neuron_changes_delta_by_w_times_the_slope():
    w, phi = 1.25, 1.0
    for _ in range(300):
        phi = math.tanh(w * phi)
    net = Net()
    net.input("x")
    net.neuron("h", "tanh", {"x": 1.0}, initial=phi, output=True)
    net.link("h", "h", w, delay=1)
    net.forward(np.zeros((30, 1)))
    net.sweep([0.0])
    assert Steps.of(as_graph(net)).factor() == pytest.approx(w * (1 - phi**2), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_factor_is_that_of_diagnose(seed):
    rng = np.random.default_rng(seed)
    net = recurrent(4, "tanh", rng.normal(size=(4, 4)) * rng.uniform(0.2, 1.5), seed=seed)
    x, y = rng.normal(size=(3, 15, 1)), rng.normal(size=(3, 1))
    flow = net.diagnose(x, y, at="last")
    net.forward(x)
    net.sweep(y, at="last")
    steps = Steps.of(as_graph(net))
    assert steps.factor() == pytest.approx(flow.lag_factor, rel=1e-9)
    assert steps.rms[::-1] == pytest.approx(flow.lag_rms, rel=1e-9)


@pytest.mark.parametrize("at", ["last", "all"])
@pytest.mark.parametrize("seed", range(4))
def test_padded_sequences_count_where_they_have_a_step(at, seed):
    lengths = np.random.default_rng(seed).integers(1, 9, 5)
    net = swept(recurrent(3, seed=seed), 10, 5, at, lengths, seed)
    over_time = as_graph(net).over_time
    for t in range(10):
        there = lengths > t
        sees = lengths == t + 1 if at == "last" else there
        assert over_time[-1, t] == pytest.approx(sees.mean())
        for i in range(len(net)):
            if there.any():
                assert over_time[i, t] == pytest.approx(rms(net.delta[i, there, t]), rel=1e-12)
            else:
                assert math.isnan(over_time[i, t])


def test_of_one_sequence_delta_keeps_its_sign_and_small_numbers_are_not_lost():
    net = swept(recurrent(3), 6, 1)
    assert np.array_equal(as_graph(net).over_time[:-1], net.delta[:, 0])
    tiny = swept(recurrent(2, "linear", 1e-20 * np.eye(2), readout=False), 12, 3)
    assert (as_graph(tiny).over_time[1:-1] > 0).all()


def test_nets_without_delays_or_a_sweep_have_no_gradient_over_time():
    net = Net.layered([2, 3, 1], seed=0)
    net.forward([1.0, 2.0])
    net.sweep([1.0])
    assert as_graph(net).over_time is None
    assert over_time_words(as_graph(net)) == []
    later = recurrent()
    later.forward(np.zeros((4, 1)))
    assert as_graph(later).over_time is None


# Words. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gain", "words"), [
    (0.59, "gradient shrinks ×0.59 per step back in time"), (1.47, "gradient grows ×1.5 per step back in time"),
    (0.97, "gradient preserved (×0.97 per step)"), (1.0, "gradient preserved (×1 per step)"),
    (0.92, "gradient shrinks slowly ×0.92 per step back in time"),
    (1.09, "gradient grows slowly ×1.09 per step back in time"),
])  # fmt: skip
def test_the_trend_is_said(gain, words):
    back = gain ** np.arange(35, -1, -1.0)
    graph = by_hand([back, 2 * back], [0] * 35 + [1])
    assert over_time_words(graph) == [words]
    assert words in words_of(draw(graph, "time").scene)


def test_zeros_and_what_is_not_finite_are_left_out_of_the_rate_and_said():
    back = 0.5 ** np.arange(9, -1, -1.0)
    zeros = back.copy()
    zeros[:4] = 0.0
    broken = back.copy()
    broken[:3] = [math.inf, math.nan, math.nan]
    assert over_time_words(by_hand([zeros], [0] * 9 + [1])) == [
        "gradient shrinks ×0.5 per step back in time", "no gradient arrives at t = 4 and earlier: δ is exactly 0 there"]
    assert over_time_words(by_hand([broken, back], [0] * 9 + [1])) == [
        "gradient shrinks ×0.5 per step back in time",
        "δ of 1 unit is NaN or infinite, first (from the loss back) at t = 3"]
    assert over_time_words(by_hand([[0.0] * 3], [0, 0, 1])) == ["δ of all units is exactly 0 at every step"]
    assert over_time_words(by_hand([[1.0]], [1])) == []  # one step: nothing to compare


@pytest.mark.parametrize(("losses", "where"), [
    ([0, 0, 0, 1], "loss at t = 4 only"), ([0, 1, 0, 0], "loss at t = 2 only"), ([1, 1, 1, 1], "loss at every step"),
    ([1, 0.5, 0.5, 0.25], "loss at every step"), ([0, 1, 1, 0], "loss at t = 2 to 3"),
    ([1, 0, 0, 1], "loss at 2 of 4 steps"), ([0, 0.5, 0, 0.5], "one loss a sequence, at t = 2 to 4"),
    ([math.nan] * 4, "loss at t = 4 only"), ([0, 0, 0, 0], "loss at t = 4 only"),
])  # fmt: skip
def test_where_the_loss_is(losses, where):
    steps = Steps.of(by_hand(np.ones((2, 4)), losses))
    assert steps.where == where
    assert steps.single == where.endswith("only")
    assert math.isnan(steps.factor()) == (not steps.single or where == "loss at t = 1 only")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("at", "padded"), [("all", False), ("all", True), ("last", True)])
def test_several_losses_have_the_rate_of_the_last_one_alone(seed, at, padded):
    rng = np.random.default_rng(seed)
    net = recurrent(4, "tanh", rng.normal(size=(4, 4)) * rng.uniform(0.2, 1.2), seed=seed)
    lengths = np.array([12, 3, 9, 10, 12]) if padded else np.full(5, 12)
    x, y = rng.normal(size=(5, 14, 1)), rng.normal(size=(5, 14, 1) if at == "all" else (5, 1))
    x, y = (x, y) if padded else (x[:, :12], y[:, :12])
    flow = net.diagnose(x, y, at=at, lengths=lengths)
    net.forward(x, lengths=lengths)
    net.sweep(y, at=at)
    steps = Steps.of(as_graph(net))
    assert math.isnan(steps.factor())
    assert steps.alone.rms[::-1] == pytest.approx(flow.lag_rms, rel=1e-9)
    assert steps.alone.factor() == pytest.approx(flow.lag_factor, rel=1e-9)
    assert steps.alone.sequences == steps.sequences == 5
    assert steps.alone.trend in steps.words()[0]


def test_one_sequence_with_several_losses_has_the_sign_of_the_last_ones_delta():
    net = swept(recurrent(3), 7, 1, "all")
    alone = as_graph(net).last_alone
    assert alone[:-1, -1] == pytest.approx(net.delta[:, 0, -1])
    assert (np.sign(alone[0]) < 0).any() or (np.sign(alone[1]) < 0).any()
    assert as_graph(net).loss == net.loss  # the net itself is as it was


def test_the_loss_of_the_last_step_alone_is_unknown_where_it_cannot_be_swept_again():
    assert as_graph(swept(recurrent(), 7, 3)).last_alone is None  # it is what over_time shows
    net = swept(recurrent(), 7, 3, "all")
    net.set_weight("x", "h_1", 5.0)
    graph = as_graph(net)
    assert graph.last_alone is None
    assert Steps.of(graph).words() == [
        "loss at every step: δ at a step is what comes back from all later losses, so its course is no rate of fading"]
    assert "steps to end" not in words_of(draw(graph, "time").scene)


def test_losses_at_every_step_are_drawn_together_and_the_last_one_alone():
    net = swept(recurrent(), 9, 2, "all")
    diagram = draw(net, "time")
    text = words_of(diagram.scene)
    trend = Steps.of(diagram.graph).alone.trend
    assert text[1] == f"{trend}, for the loss at the last step alone"
    assert "its course is no rate of fading" in text[2]
    assert [line for line in text if line.startswith(("all losses", "the loss at"))] == [
        "all losses together  ·  relative to the output δ",
        "the loss at the last step alone  ·  relative to the RMS δ at the last step, where the loss is"]
    assert [line for line in text if line in ("time step t", "steps to end")] == ["time step t", "steps to end"]
    together = cells(diagram.scene)
    assert len(together) == 5 * 9
    expected = diagram.scale.classes(np.array([rms(net.delta[0, :, 3])]))
    assert together["x", 4] == scales.fill_role(int(expected[0]))
    assert sum("before the last" in box.tip for box in shapes(diagram.scene, Box)) >= 4 * 8


def test_sequences_of_many_lengths_are_drawn_from_their_ends():
    net = swept(recurrent(), 9, 4, lengths=[3, 5, 5, 8])
    scene = draw(net, "time").scene
    text = words_of(scene)
    assert "one loss a sequence, at t = 3 to 8" in text[0]
    assert text[1] == Steps.of(as_graph(net)).alone.trend
    assert "steps to end" in text
    assert "time step t" not in text
    assert "after the last loss" not in text
    tips = {box.tip.split("\n")[0] for box in shapes(scene, Box)}
    assert {"h_1 · the last step", "h_1 · 1 step before the last", "h_1 · 7 steps before the last"} <= tips
    assert cells(scene) == {}


def test_rates_near_one_have_three_digits():
    assert [rate(x) for x in (0.5873, 0.9871, 1.0149, 1.4722, 12.0)] == ["×0.59", "×0.987", "×1.01", "×1.5", "×12"]


# Marks. --------------------------------------------------------------------------------------------------------------


def test_marks_show_what_is_no_number():
    x = np.ones((4, 40))
    x[1, :5] = 0.0
    x[2, :5] = [math.inf, math.nan, math.nan, math.nan, math.inf]
    x[2, 20] = math.inf
    x[:, 36:] = math.nan
    losses = np.zeros(40)
    losses[35] = 1.0
    scene = draw(by_hand(x, losses), "time").scene
    boxes = {box.tip: box for box in shapes(scene, Box) if box.tip}
    dead = boxes["u1 · steps 1 to 5 of 40\nδ is exactly 0"]
    assert (dead.fill, dead.dash) == ("paper", "dashed")
    assert boxes["u2 · steps 1 to 5 of 40\nδ is NaN or infinite"].fill == "alarm"
    assert boxes["u2 · step 21 of 40\nδ is NaN or infinite"].fill == "alarm"
    assert boxes["after the last loss"].dash == "dotted"
    text = words_of(scene)
    assert {"NaN", "∞"} <= set(text)
    assert {"δ exactly 0: nothing arrives", "δ is NaN or infinite", "after the last loss"} <= set(text)
    assert not any(step > 36 for _, step in cells(scene))
    end = boxes["after the last loss"].x
    beyond = [text.runs[0].text for text in shapes(scene, Text) if text.x > end and text.anchor == "middle"]
    assert beyond == ["40"]  # the axis goes on, the RMS does not


def test_what_is_not_finite_is_seen_in_narrow_cells_too():
    x = np.ones((2, 200))
    x[0, 100] = math.nan
    scene = draw(by_hand(x, [0] * 199 + [1]), "time").scene
    black = next(box for box in shapes(scene, Box) if box.fill == "alarm" and box.tip)
    dot = next(box for box in shapes(scene, Box) if box.fill == "ialarm")
    assert black.x < dot.x < dot.x + dot.width < black.x + black.width


def test_a_unit_without_a_path_to_the_loss_is_marked():
    net = recurrent(2)
    net.neuron("idle", "tanh", {"x": 1.0})
    steps = Steps.of(as_graph(swept(net, 5)))
    assert (steps.marks[net.names.index("idle")] == DETACHED).all()
    assert (steps.marks[-1] == BLANK).all()
    assert "no path to the loss" in words_of(draw(net, "time").scene)


# Groups. -------------------------------------------------------------------------------------------------------------


def test_the_rows_of_an_lstm_have_headings():
    net = Net(seed=1)
    net.output(*dense(net, "y", 1, lstm(net, "memory", 4, net.input("x")), "linear"))
    text = words_of(draw(swept(net, 20), "time").scene)
    heads = [line.split("  ·  ") for line in text if line.startswith("memory") and "units" in line]
    assert [head[0] for head in heads] == [
        "memory", "memory_s", "memory_c", "memory_g", "memory_o", "memory_f", "memory_i"]
    said = dict(heads)
    assert said["memory_c"].startswith("cells · 4 units · ×0.")
    assert said["memory_f"].startswith("forget gates · 4 units · ×0.")
    assert text.index("y_1") < text.index("memory_c1") < text.index("x")


def test_the_rows_of_a_gru_have_headings_and_other_names_none_that_are_made_up():
    net = Net(seed=1)
    net.output(*dense(net, "y", 1, gru(net, "m", 2, net.input("x"), reset_after=True), "linear"))
    text = "\n".join(words_of(draw(swept(net, 5), "time").scene))
    for words in ("m_z  ·  update gates", "m_r  ·  reset gates", "m_n  ·  candidates", "m_m  ·  sums before"):
        assert words in text
    assert overtime._layers({"h", "h_c", "h_i"}) == {}


def test_a_grouping_function_makes_the_groups():
    net = swept(recurrent(4), 5)
    text = words_of(draw(net, "time", group=lambda node: "even" if node.name[-1] in "24" else "odd").scene)
    assert sum(line.startswith(("even  ·  2 units", "odd  ·  4 units")) for line in text) == 2


# The page. -----------------------------------------------------------------------------------------------------------


def nets():
    """The three nets of the first picture: a gradient that vanishes, one that stays, one that explodes."""
    kinds = {"radius 0.6": ("tanh", 0.6), "radius 1.0": ("tanh", 1.0), "linear, radius 1.5": ("linear", 1.5)}
    return {name: swept(recurrent(6, activation, rotation(gain)), 36, 1) for name, (activation, gain) in kinds.items()}


def lstm_pictures():
    net = Net(seed=1)
    net.output(*dense(net, "y", 1, lstm(net, "memory", 16, net.input("x")), "linear"))
    yield draw(swept(net, 60, 3), "time")
    yield draw(swept(net, 30, 4, lengths=[9, 12, 12, 20]), "time")
    yield draw(swept(net, 7, 1, "all"), "time")


def pictures():
    yield strips(nets())
    yield from lstm_pictures()
    yield draw(swept(recurrent(5), 1000, 1), "time")
    yield draw(swept(recurrent(1), 1, 1), "time")
    yield draw(swept(recurrent(60), 199, 1), "time")


def test_text_is_large_enough_on_the_page_and_numbers_do_not_touch():
    for picture in pictures():
        scene = picture.scene
        lines = {}
        for text in shapes(scene, Text):
            assert text.size >= 8.5
            assert text.left >= 0
            assert text.left + text.width <= scene.width
            assert text.size <= text.y <= scene.height
            lines.setdefault(text.y, []).append((text.left, text.left + text.width))
        for places in lines.values():
            places.sort()
            assert all(a[1] < b[0] for a, b in itertools.pairwise(places))
        for box in shapes(scene, Box):
            assert box.x >= 0
            assert box.x + box.width <= scene.width + 1e-9
            assert min(box.width, box.height) > 0


def test_rows_are_no_more_than_fit():
    for picture in pictures():
        rows = {box.y for box in shapes(picture.scene, Box) if "δ" in box.tip}
        strips_ = words_of(picture.scene).count("log10 RMS δ")
        assert 0 < len(rows) <= MOST_ROWS * min(strips_, 2)


def test_the_last_step_is_numbered_and_the_first_where_there_is_room():
    for steps in (1, 2, 3, 7, 36, 100, 199, 1000):
        strip = overtime._Strip.of("", Steps.of(by_hand(np.ones((1, steps)), [0] * (steps - 1) + [1])),
                                   scales.Scale(1.0, ""), None, bunch=-(-steps // MOST_COLUMNS))
        cell = min(900 / strip.columns, 34)
        ticks = overtime._ticks(strip, 0.0, overtime._Grid(0.0, cell, 16.0, 1.0, 0.0))
        shown = [t for t, _, _ in ticks]
        assert shown[-1] == steps
        assert shown == sorted(set(shown))
        assert all(b - a > 30 for (*_, a), (*_, b) in itertools.pairwise(ticks))
        assert shown[0] == 1 or steps < 3
        back = overtime._ticks(strip._replace(back=True), 0.0, overtime._Grid(0.0, cell, 16.0, 1.0, 0.0))
        assert all(int(label.replace(",", "")) == steps - t for t, label, _ in back)
        assert back[-1][:2] == (steps, "0")


def test_numbers_stand_below_their_columns():
    scene = draw(swept(recurrent(), 20, 1), "time").scene
    middle = {box.tip.split("\n")[0]: box.x + (box.width + 1) / 2 for box in shapes(scene, Box) if box.tip}
    places = [(text.runs[0].text, text.x) for text in shapes(scene, Text) if text.anchor == "middle"]
    for step in (1, 10, 20):
        assert (str(step), middle[f"h_1 · step {step} of 20"]) in places
    assert ("0", middle["h_1 · step 20 of 20"]) in places  # log10 of the RMS over itself


def test_pictures_are_deterministic_and_well_formed():
    for first, second in zip(pictures(), pictures(), strict=True):
        assert first.svg == second.svg
        root = ET.fromstring(first.svg)
        assert root.find(f"{SVG}desc").text


def test_the_view_of_a_net_over_time_is_the_strip():
    diagram = draw(swept(recurrent(), 6))
    assert diagram.view == "time"
    assert "loss at t = 6 only" in "\n".join(words_of(diagram.scene))


def test_a_reference_that_is_asked_for_is_kept():
    net = swept(recurrent(), 6)
    assert "relative to 0.001" not in "\n".join(words_of(draw(net, "time").scene))
    scene = draw(net, "time", ref=1e-3).scene
    assert any(line.startswith("colour: |δ|") and "relative to 1e−3" in line for line in words_of(scene))
    top = scales.Scale(1e-3, "").classes(np.array([rms(net.delta[net.names.index("y_1"), :, -1])]))
    assert cells(scene)["y_1", 6] == scales.fill_role(int(top[0]))


def test_what_cannot_be_drawn_over_time_is_refused():
    x = Value(2.0)
    y = x * x
    y.backward()
    with pytest.raises(ValueError, match="no net with delays"):
        _ = draw(y, "time").scene
    net = recurrent()
    net.forward(np.zeros((3, 1)))
    with pytest.raises(ValueError, match=r"net\.sweep\(\) has not run"):
        _ = draw(net, "time").scene
    with pytest.raises(ValueError, match=r"shows delta at every step"):
        _ = draw(swept(recurrent()), "time", fill="value").scene


# Several nets. -------------------------------------------------------------------------------------------------------


def test_strips_show_several_nets_on_one_axis():
    picture = strips(nets())
    assert picture.trends["linear, radius 1.5"] == "gradient grows ×1.5 per step back in time"
    assert picture.trends["radius 0.6"].startswith("gradient shrinks ×0.5")
    text = words_of(picture.scene)
    assert sum(line == "log10 RMS δ" for line in text) == 3
    assert sum(line == "time step t" for line in text) == 1
    assert sum(line.startswith("colour: |δ|") for line in text) == 1
    assert any(line.startswith("radius 0.6  ·  gradient shrinks") for line in text)
    assert "7 units × 36 steps  ·  loss at t = 36 only" in text[0]
    assert len(shapes(picture.scene, Box)) > 3 * 7 * 36


def test_strips_of_different_lengths_end_under_one_another():
    picture = strips({"short": swept(recurrent(2), 10, 1), "long": swept(recurrent(2), 25, 1)})
    right = {}
    for box in shapes(picture.scene, Box):
        match = re.match(r"h_1 · step (\d+) of (\d+)", box.tip)
        if match and match[1] == match[2]:
            right[match[2]] = box.x
    assert right["10"] == right["25"]
    text = words_of(picture.scene)
    assert "steps to end" in text
    assert any(line.startswith("short  ·  3 units × 10 steps  ·  loss at t = 10 only") for line in text)


def test_strips_compare_nets_by_the_loss_at_the_last_step():
    one, every = swept(recurrent(2), 12, 1), swept(recurrent(2), 12, 1, "all")
    ragged = swept(recurrent(2), 12, 3, lengths=[4, 7, 12])
    picture = strips({"one": one, "every": every, "ragged": ragged})
    factors = {name: (steps.alone or steps).factor() for name, steps in picture.steps.items()}
    text = words_of(picture.scene)
    for name in ("every", "ragged"):
        assert any(line.startswith(f"{name}  ·  ") and "of the loss at the last step alone: gradient shrinks" in line
                   and rate(factors[name]) in line for line in text)
    legend = "colour: |δ| of a unit at step t, relative to the RMS δ where the loss is"
    assert any(line.startswith(legend) for line in text)
    assert text.count("steps to end") == 1
    assert "to end  log10" in picture.text
    assert rate(factors["every"]) in picture.text


def test_strips_have_a_text_and_the_formats_of_a_picture(tmp_path):
    graph = by_hand([0.1 ** np.arange(3, -1, -1.0)], [0, 0, 0, 1])
    picture = strips({"decades": graph}, path=tmp_path / "strips.svg", theme="dark")
    assert (tmp_path / "strips.svg").read_text() == picture.svg
    assert picture.text.splitlines() == [
        "Backpropagation through time", "", "decades · 1 unit × 4 steps · loss at t = 4 only",
        "gradient shrinks ×0.1 per step back in time", "",
        "log10 of the RMS δ over 1 unit, relative to the RMS δ at t = 4, where the loss is",
        "step  log10  10⁻⁶   1   10⁶",
        "   4      0        │", "   3   −1.0       █│", "   2   −2.0      ██│", "   1   −3.0     ███│"]
    assert isinstance(picture, Strips)
    assert "text/plain" in picture._repr_mimebundle_()


def test_the_table_of_many_steps_shows_the_first_and_the_last():
    steps = Steps.of(by_hand(np.ones((1, 500)), [0] * 499 + [1]))
    rows = steps.rows()
    assert len(rows) == 24
    assert rows[0] == (500, 0.0)
    assert rows[-1] == (1, 0.0)
    assert table(steps).count("\n") == 25
    zeros = Steps.of(by_hand([[0.0, math.inf, 1.0]], [0, 0, 1]))
    assert [steps.log(d) for _, d in zeros.rows()] == ["0", "not finite", "δ = 0"]


def test_strips_refuse_what_they_cannot_draw():
    with pytest.raises(TypeError, match="by their headings"):
        strips([recurrent()])
    with pytest.raises(ValueError, match="got none"):
        strips({})
    with pytest.raises(ValueError, match="'plain': there is no gradient over time"):
        strips({"plain": Net.layered([1, 1], seed=0)})
    with pytest.raises(TypeError, match="expected a Value, a Net"):
        strips({"text": "net"})
    with pytest.raises(ValueError, match="theme"):
        strips(nets(), theme="blue")


def test_a_graph_with_inputs_alone_or_one_column_can_be_drawn():
    graph = by_hand(np.ones((2, 3)), [0, 0, 1], kinds=[INPUT, INPUT])
    assert Steps.of(graph).trend == ""
    assert "x" not in cells(draw(graph, "time").scene)
    other = dataclasses.replace(graph, over_time=graph.over_time[:, :1])
    assert len(cells(draw(other, "time").scene)) == 2


# Mistakes made by hand, which the tests above did not notice (tests/mutants.py). --------------------------------------


def test_the_row_of_the_loss_has_a_bar_where_the_loss_is():
    losses = [0.5, 0.0, 1.0, 0.25]
    scene = draw(by_hand(np.ones((2, 4)), losses), "time").scene
    bars = [box for box in shapes(scene, Box) if box.tip.startswith("the loss sees")]
    assert [box.tip.split()[3] for box in bars] == ["50", "100", "25"]
    assert [box.height for box in bars] == [5.0, 10.0, 2.5]
    places = {match[1]: box.x for box in shapes(scene, Box) if (match := re.match(r"u0 · step (\d) of 4", box.tip))}
    assert [box.x for box in bars] == [places["1"], places["3"], places["4"]]


def test_the_step_of_the_last_loss_is_still_to_be_seen():
    marks = Steps.of(by_hand(np.ones((2, 4)), [0, 0, 1, 0])).marks[:2]
    assert (marks[:, 2] == ALIVE).all()
    assert (marks[:, 3] == BLANK).all()
