"""Charts and animations of trainings: their axes, what they show, and how they move in a real browser."""

import itertools
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from browser import STEP, Browser, program
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import Net
from visualize import charts, engines, scales
from visualize.animation import MOST_NODES, Animation, animate
from visualize.charts import MOST_ROWS, Axis, Chart, curves, decades, thinned, ticks
from visualize.graph import ALIVE, DEAD, DETACHED, NONFINITE
from visualize.looks import looks_of
from visualize.picture import Picture, check_choice, format_of, spelled
from visualize.recording import Course, record
from visualize.scene import Text, text_width
from visualize.sheet import Sheet

SVG = "{http://www.w3.org/2000/svg}"
PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)
embedded = pytest.mark.skipif(engines.embedded() is None, reason="graphviz-pure is not installed")
XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
ODD = np.array([0.0, 1.0, 1.0, 0.0])


def xor(epochs=200, sizes=(2, 4, 1), options=None, **more):
    """The recording of a net that learns exclusive or."""
    net = Net.layered(sizes, seed=1)
    recording = record(net, **(options or {}))
    net.fit(XOR, ODD, epochs=epochs, rate=0.05, batch_size=None, diagnose=recording, progress=False, **more)
    return recording


def course(looks=6, levels=3, epochs=None, loss=None, **more):
    """A course made by hand; the median of level j is 10^-j of the output, counted from there."""
    epochs = np.arange(looks) * 10 if epochs is None else np.array(epochs)
    looks = len(epochs)
    sizes = 10.0 ** -np.arange(levels)[::-1]
    quantiles = np.broadcast_to(sizes[:, None] * [0.01, 0.1, 1.0, 10.0, 100.0], (looks, levels, 5))
    shown = np.arange(1, epochs[-1] + 1)
    given = {
        "epochs": epochs, "levels": [f"level {k}" for k in range(levels - 1)] + ["output"],
        "units": np.full(levels, 4), "reference": np.ones(looks), "quantiles": quantiles,
        "marks": np.full((looks, levels), ALIVE), "dead": np.zeros((looks, levels), int),
        "update": np.full((looks, levels), -3.0), "loss_epochs": shown,
        "loss": 1.0 / shown if loss is None else np.array(loss, float), "validation": np.full(len(shown), math.nan),
        "best": int(shown[-1]),
    }  # fmt: skip
    return Course(**(given | more))


def parsed(svg):
    return ET.fromstring(svg)


def texts(svg):
    return ["".join(text.itertext()) for text in parsed(svg).iter(f"{SVG}text")]


def tips(svg):
    return [title.text for title in parsed(svg).iter(f"{SVG}title")]


# Axes. ---------------------------------------------------------------------------------------------------------------


@PROPERTY
@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 12))
def test_ticks_are_round_few_and_within(low, span, most):
    span = max(span, 1e-5 * abs(low))
    high = low + span
    found = ticks(low, high, most)
    assert len(found) <= most
    assert all(low - 1e-6 * span <= x <= high + 1e-6 * span for x in found)
    if len(found) > 1:
        step = found[1] - found[0]
        digits = f"{step:.3e}".split("e")[0]
        assert float(digits) in (1.0, 2.0, 5.0)
        assert np.allclose(np.diff(found), step)
    if most >= 5 and abs(low) < 1e6 * span:
        assert len(found) >= 2


@pytest.mark.parametrize(("low", "high", "most", "expected"), [
    (0, 2000, 6, [0, 500, 1000, 1500, 2000]), (0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0, 3, 6, [0, 1, 2, 3]),
    (-0.15, 0.15, 4, [-0.1, 0, 0.1]), (7, 7, 4, [7]), (0, 0.3, 4, [0, 0.1, 0.2, 0.3]),
])  # fmt: skip
def test_ticks_for_example(low, high, most, expected):
    assert ticks(low, high, most) == expected


@PROPERTY
@given(st.floats(-300, 300), st.floats(1e-3, 40))
def test_ticks_of_a_logarithmic_axis_lie_within_it(low, span):
    found = decades(low, low + span)
    assert len(found) <= 6
    assert all(low - 1e-6 <= x <= low + span + 1e-6 for x in found)
    assert found == sorted(found)
    assert len(found) >= 2 or span < 0.5 or low + span > 290 or low < -290


def test_powers_of_ten_come_first():
    assert decades(-4.2, 0.3) == [-4.0, -3.0, -2.0, -1.0, 0.0]
    assert decades(-0.5, 0.5) == pytest.approx([math.log10(x) for x in (0.5, 1, 2)])
    assert decades(0.0, math.log10(1.2)) == pytest.approx([math.log10(x) for x in (1, 1.05, 1.1, 1.15, 1.2)])


@pytest.mark.parametrize("log", [False, True])
def test_an_axis_goes_from_its_start_to_its_end(log):
    axis = Axis(3, 1003, 50.0, 450.0, log, origin=3)
    assert (axis(3), axis(1003)) == (50.0, 450.0)
    places = [axis(x) for x in np.linspace(3, 1003, 50)]
    assert places == sorted(places)
    assert axis(-5) == 50.0
    assert axis(2000) == 450.0
    assert all(3 <= x <= 1003 for x in axis.ticks(8))
    assert len(axis.ticks(8)) <= 8
    assert axis.ticks(8)[0] == (3 if log else 200)


@PROPERTY
@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)), min_size=1, max_size=2000))
def test_a_thinned_line_keeps_its_ends_and_extremes(y):
    y = np.array(y)
    kept = thinned(y, 60)
    assert len(kept) <= 70
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert (kept[0], kept[-1]) == (0, len(y) - 1)
    if np.isfinite(y).any():
        assert np.nanmax(y[kept]) == np.nanmax(y)
        assert np.nanmin(y[kept]) == np.nanmin(y)
    assert np.isnan(y[kept]).any() == np.isnan(y).any()


@PROPERTY
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12))
def test_labels_are_parted_as_little_as_can_be(x):
    x = np.array(x)
    found = charts._ascending(x)
    assert (np.diff(found) >= 0).all()
    assert found.mean() == pytest.approx(x.mean(), abs=1e-9)
    # The nearest ascending numbers: no other is nearer, such as the sorted ones or their mean.
    for other in (np.sort(x), np.full(len(x), x.mean()), np.maximum.accumulate(x)):
        assert ((found - x) ** 2).sum() <= ((other - x) ** 2).sum() + 1e-9


# The chart. ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", scales.THEMES)
@pytest.mark.parametrize("axis", charts.AXES)
@pytest.mark.parametrize("spread", [False, True])
def test_a_chart_is_well_formed_and_deterministic(theme, axis, spread):
    one, other = (curves(xor(60), theme=theme, axis=axis, spread=spread) for _ in range(2))
    assert one.svg == other.svg
    root = parsed(one.svg)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}desc").text == f"{one.verdict}\n{one.caption}"
    assert ("prefers-color-scheme" in one.svg) == (theme == "auto")
    width, height = (float(v) for v in root.get("viewBox").split()[2:])
    for shape in root.iter(f"{SVG}rect"):
        left, top = float(shape.get("x", 0)), float(shape.get("y", 0))
        assert left >= 0
        assert left + float(shape.get("width")) <= width + 0.5
        assert top + float(shape.get("height")) <= height + 0.5


@pytest.mark.parametrize("more", [{}, {"levels": 60}, {"levels": 7}, {"dead": np.full((6, 3), 2)}, {"best": 1}])
def test_texts_are_large_enough_and_do_not_touch(more):
    boxes = []
    for text in parsed(curves(course(**more)).svg).iter(f"{SVG}text"):
        size = float(text.get("font-size"))
        assert size >= 8.5
        wide = text_width("".join(text.itertext()), size)
        left = float(text.get("x")) - wide * {"middle": 0.5, "end": 1.0}.get(text.get("text-anchor"), 0.0)
        boxes.append((left, left + wide, float(text.get("y")) - 0.75 * size, float(text.get("y"))))
    assert min(left for left, *_ in boxes) >= 0
    for (a, b, top, base), (c, d, other_top, other_base) in itertools.combinations(boxes, 2):
        assert min(b, d) <= max(a, c) + 0.5 or min(base, other_base) <= max(top, other_top) + 0.5


def test_the_flow_has_a_cell_per_look_and_level_in_the_colour_of_its_decade():
    chart = curves(course(looks=5, levels=4))
    cells = {}
    for group in parsed(chart.svg).iter(f"{SVG}g"):
        tip = group.find(f"{SVG}title")
        if tip is not None and "epoch" in tip.text:
            cells[tip.text] = group.find(f"{SVG}rect")
    assert len(cells) == 20
    heights = []
    for decade, name in enumerate(["level 0", "level 1", "level 2", "output"], start=-3):
        words = f"log10 {scales.signed(decade, 1, plus=True)}"
        row = [cells[f"{name} · epoch {epoch}\n{words}"] for epoch in range(0, 50, 10)]
        assert {cell.get("class") for cell in row} == {f"f-{scales.fill_role(decade)}"}
        heights += sorted({float(cell.get("y")) for cell in row})
    assert len(heights) == 4
    assert heights == sorted(heights, reverse=True)  # nearer to the output is higher up


def test_cells_fill_the_axis_without_gaps():
    chart = curves(course(epochs=[0, 1, 5, 40]))
    row = [group.find(f"{SVG}rect") for group in parsed(chart.svg).iter(f"{SVG}g")
           if (tip := group.find(f"{SVG}title")) is not None and (tip.text or "").startswith("output · epoch")]
    assert len(row) == 4
    ends = [(float(cell.get("x")), float(cell.get("x")) + float(cell.get("width"))) for cell in row]
    for (_, end), (start, _) in itertools.pairwise(ends):
        assert -0.5 < start - end < 1.5
    assert ends[-1][1] - ends[0][0] == pytest.approx(charts.PLOT, abs=1.5)


def test_spread_shows_the_largest_above_the_least():
    chart = curves(course(looks=2, levels=1), spread=True)
    cell = next(group for group in parsed(chart.svg).iter(f"{SVG}g")
                if (tip := group.find(f"{SVG}title")) is not None and "output · epoch 0" in tip.text)
    parts = sorted(cell.iter(f"{SVG}rect"), key=lambda part: float(part.get("y")))
    assert [part.get("class") for part in parts] == ["f-p2", "f-p0", "f-m2"]


def test_levels_that_are_dead_broken_or_loose_have_marks_and_a_legend():
    marks = np.full((6, 3), ALIVE)
    marks[3:, 0], marks[2, 1], marks[0, 0] = DEAD, NONFINITE, DETACHED
    quantiles = course().quantiles.copy()
    quantiles[marks != ALIVE] = math.nan
    chart = curves(course(marks=marks, quantiles=quantiles))
    shown = texts(chart.svg)
    assert "all of the level are dead: δ exactly 0" in shown
    assert "δ is NaN or infinite" in shown
    assert "no path to the loss" in shown
    assert "no path → dead" in shown
    assert "level 0 · epoch 30\ndead" in tips(chart.svg)
    assert "level 1 · epoch 20\nnot finite" in tips(chart.svg)
    assert not any("dead" in text for text in texts(curves(course()).svg))


def test_no_reference_is_no_colour():
    reference = np.ones(6)
    reference[2] = math.nan
    chart = curves(course(reference=reference))
    assert "level 1 · epoch 20\nthe output has no δ" in tips(chart.svg)


def test_many_levels_share_rows_and_many_looks_are_thinned():
    chart = curves(course(looks=400, levels=90))
    cells = [tip for tip in tips(chart.svg) if "· epoch" in tip]
    assert len(cells) <= charts.MOST_CELLS
    rows = {tip.split(" · ")[0] for tip in cells}
    assert len(rows) == 30 <= MOST_ROWS
    assert "levels 0–2" in rows
    assert "90 levels share 30 rows" in chart.caption
    assert re.search(r"the flow shows \d+ of 400 looks", chart.caption)
    assert {tip.split("\n")[0].split(" ")[-1] for tip in cells} >= {"0", f"{3990:,}"}


def test_the_usual_update_is_marked():
    shown = texts(curves(course()).svg)
    assert any("about 10⁻³ is usual (dashed)" in text for text in shown)
    assert "10⁻³" in shown
    assert "level 1 1e−3" in shown
    without = texts(curves(course(update=np.full((6, 3), math.nan))).svg)
    assert not any("usual" in text for text in without)
    nothing = np.full((6, 3), -math.inf)
    nothing[2, 1] = -2.0
    assert "output 0" in texts(curves(course(update=nothing)).svg)
    still = curves(course(update=np.full((6, 3), -math.inf)))
    assert "level 1 0" in texts(still.svg)
    assert "moved the weights of a level by 0 of their size (median), less than the usual" in still.verdict


def test_few_levels_have_lines_with_names_and_many_a_median():
    few = texts(curves(course(levels=4)).svg)
    assert sum(text.endswith(" 1e−3") for text in few) == 4
    update = np.tile(np.linspace(-5, -1, 9), (6, 1))
    many = texts(curves(course(levels=9, update=update)).svg)
    assert "median 1e−3" in many
    assert "level 0 1e−5" in many
    assert "output 0.1" in many
    assert "level 4 1e−3" not in many


def test_dead_units_have_a_panel_where_there_are_any():
    dead = np.zeros((6, 3), int)
    dead[4:, 1] = 3
    chart = curves(course(dead=dead))
    assert "3 of 12" in texts(chart.svg)
    assert "3 of 12 units are dead at the last look, 0 at the first" in chart.verdict
    assert not any(text.startswith("dead units") for text in texts(curves(course()).svg))


@pytest.mark.parametrize("loss", [
    np.zeros(50), np.full(50, 0.3), np.full(50, math.nan), -np.arange(50.0), np.r_[1.0, np.zeros(49)],
    np.full(50, 1e300), np.r_[math.nan, 5e-324, np.full(48, 1e308)],
], ids=["zero", "constant", "nan", "negative", "falls to zero", "huge", "extreme"])  # fmt: skip
def test_any_loss_is_drawn(loss):
    chart = curves(course(loss=loss))
    assert "nan" not in chart.svg.lower().replace("nan or infinite", "")
    assert ("loss" in " ".join(texts(chart.svg))) == bool(np.isfinite(loss).any())
    assert "NaN" not in chart.verdict
    if loss[0] == 1.0 and loss[1] == 0.0:
        assert "losses of 0 are not on the logarithmic axis" in chart.caption


def test_the_best_epoch_is_marked_unless_it_is_the_last():
    assert "best: epoch 17" in texts(curves(course(best=17)).svg)
    for best in (50, -1):
        assert not any("best" in text for text in texts(curves(course(best=best)).svg))


def test_one_look_is_enough():
    net = Net.layered([2, 3, 1], seed=1)
    recording = record(net)
    recording.look(XOR, ODD)
    chart = recording.draw()
    assert "0 epochs · 1 look · 3 levels" in texts(chart.svg)[0].replace("  ", " ")
    assert "loss" not in " ".join(texts(chart.svg)[:5]).replace("to the loss", "")


def test_the_verdict_in_words():
    lines = curves(course(levels=5)).verdict.split("\n")
    assert lines[0] == "the training loss went from 1 to 0.02 in 50 epochs"
    assert lines[1] == ("at epoch 0 δ vanishes to 1e−4 of the output δ in level 0; "
                        "at epoch 50 δ vanishes to 1e−4 of the output δ in level 0")
    assert lines[2] == "the last step moved the weights of a level by 1e−3 of their size (median), about what is usual"
    assert len(lines) == 3
    validation = np.r_[np.linspace(1, 0.5, 20), np.linspace(0.5, 2, 30)]
    said = curves(course(validation=validation, update=np.full((6, 3), -6.0))).verdict
    assert "the validation loss was least after epoch 20, 0.5, and ends at 2" in said
    assert "less than the usual 10⁻³" in said
    flat = curves(course(levels=1)).verdict
    assert "at epoch 50 the medians of all levels are within half a decade of the output δ" in flat


def test_the_text_has_a_line_per_look():
    chart = curves(course(looks=3))
    assert str(chart) == chart.text
    table = chart.text.split("\n\n")[-1].split("\n")
    assert len(table) == 5
    assert table[1].split() == ["epoch", "loss", "output", "level", "1", "level", "0", "update", "dead"]
    assert table[3].split() == ["10", "0.1", "+0.0", "−1.0", "−2.0", "1e−3", "."]
    assert len(curves(course(looks=300)).text.split("\n\n")[-1].split("\n")) == 22
    assert repr(chart) == "<Chart of training: 20 epochs · 3 looks · 3 levels>"


def test_a_hostile_title_is_text():
    chart = curves(course(), title='<script>alert("x")</script> & ü \N{ROCKET}\x00')
    parsed(chart.svg)
    assert "<script" not in chart.svg


def test_a_chart_of_a_history():
    net = Net.layered([2, 4, 1], seed=1)
    history = net.fit(XOR, ODD, epochs=30, diagnose=10, progress=False)
    chart = curves(history)
    assert "4 looks" in chart.text
    assert not any("update ratio" in text for text in texts(chart.svg))


@pytest.mark.parametrize(("options", "error"), [
    ({"axis": "cubic"}, "axis='cubic' is not known"), ({"theme": "pink"}, "theme='pink'"), ({"timeout": 0}, "timeout"),
    ({"format": "gif"}, "format='gif'"), ({"path": "a.bmp"}, r"use \.svg, \.png, \.pdf, \.txt, or say"),
])  # fmt: skip
def test_unknown_options_are_refused(options, error):
    with pytest.raises(ValueError, match=error):
        curves(course(), **options)


def test_only_trainings_have_curves():
    with pytest.raises(TypeError, match="expected a Recording or the History"):
        curves(Net.layered([2, 1]))


# Pictures. -----------------------------------------------------------------------------------------------------------


def test_a_chart_is_saved_whole(tmp_path):
    chart = curves(course(), path=tmp_path / "chart.svg")
    assert (tmp_path / "chart.svg").read_text() == chart.svg
    assert chart.save(tmp_path / "chart.txt").read_text() == chart.text + "\n"
    assert chart.save(tmp_path / "chart", "svg").read_text() == chart.svg
    with pytest.raises(FileNotFoundError):
        chart.save(tmp_path / "nowhere" / "chart.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chart", "chart.svg", "chart.txt"]


@embedded
def test_a_chart_as_png(tmp_path):
    chart = curves(course(), theme="dark", path=tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    assert chart.png() is chart.png()
    assert curves(course(), format="png")._repr_mimebundle_()["image/png"] == curves(course()).png()


def test_a_notebook_shows_the_chart():
    chart = curves(course())
    assert chart._repr_mimebundle_() == {"text/plain": chart.text, "image/svg+xml": chart.svg}
    assert set(curves(course(), format="text")._repr_mimebundle_()) == {"text/plain"}


def test_a_terminal_without_unicode(monkeypatch):
    class Ascii:
        encoding = "ascii"

    chart = curves(course())
    monkeypatch.setattr("sys.stdout", Ascii())
    assert str(chart).isascii()
    assert "delta vanishes to 0.01 of the output delta in level 0" in str(chart)
    assert "by 1e-3 of their size" in str(chart)
    assert "?" not in str(chart)


def test_text_is_spelled_in_ascii():
    assert spelled("≥10⁶ ≤10⁻¹² |Δw| … ∞ ü") == ">=10^6 <=10^-12 |Dw| ~ inf ?"
    assert spelled("plain, as it is") == "plain, as it is"


def test_formats_by_suffix():
    known = ("svg", "png", "dot", "text")
    for path, expected in (("a.SVG", "svg"), ("a.gv", "dot"), ("a.b/c.txt", "text"), ("a.png", "png")):
        assert format_of(path, known) == expected
    for path in ("a", "a.pdf", "a.jpeg", ""):
        with pytest.raises(ValueError, match=r"use \.svg, \.png, \.dot \(\.gv\), \.txt, or say format="):
            format_of(path, known)
    with pytest.raises(ValueError, match="mode='c' is not known; it is one of 'a', 'b'"):
        check_choice("mode", "c", ("a", "b"))


def test_a_picture_is_drawn_by_those_who_inherit():
    picture = Picture("nothing")
    with pytest.raises(NotImplementedError):
        _ = picture.svg
    with pytest.raises(NotImplementedError):
        _ = picture.text
    assert repr(picture) == "<Picture of nothing>"
    assert issubclass(Chart, Picture)
    assert issubclass(Animation, Picture)


# Animations. ---------------------------------------------------------------------------------------------------------


def test_an_animation_is_small_well_formed_and_deterministic():
    one, other = (animate(xor(300, (2, 8, 1))) for _ in range(2))
    assert one.svg == other.svg
    assert len(one.svg.encode()) < 150_000
    root = parsed(one.svg)
    assert len(root.findall(f".//{SVG}g[@id='dot']")) == 1
    assert "<script" not in one.svg
    assert not re.search(r"(?:href|src|url\()", one.svg)
    style = root.find(f"{SVG}style").text
    assert style.index("@keyframes") > style.index("@media (prefers-reduced-motion:no-preference)")
    assert float(min(re.findall(r'font-size="([\d.]+)"', one.svg), key=float)) >= 8.5


def test_frames_are_looks_from_the_first_to_the_last():
    recording = xor(400)
    animation = animate(recording, frames=12)
    assert animation.looks[0] == 0
    assert animation.looks[-1] == len(recording) - 1
    assert animation.looks == sorted(set(animation.looks))
    assert 4 <= len(animation.looks) <= 14
    assert animation.clock(-1) == f"epoch 400 of 400 · loss {scales.number(recording.loss[-1])}"
    assert len([t for t in texts(animation.svg) if " of 400 · loss " in t]) == len(animation.looks)
    assert animate(recording, frames=1000).looks == list(range(len(recording)))
    assert repr(animation) == f"<Animation of training: 8 nodes · 13 edges, {len(animation.looks)} frames>"


def test_what_stays_the_same_does_not_move():
    recording = record(Net.from_edges([("x", "y", 0.5)]))
    for _ in range(3):
        recording.look([[1.0]], [0.0])
    animation = animate(recording)
    assert "#n0" not in animation.svg
    assert "#e0" not in animation.svg
    assert "#clock1{animation" in animation.svg


@pytest.mark.parametrize(("options", "error"), [
    ({"seconds": 0}, "seconds"), ({"seconds": math.inf}, "seconds"), ({"frames": 1}, "frames is a whole number"),
    ({"theme": "pink"}, "theme='pink'"), ({"path": "a.gif"}, "does not end as a picture"), ({"frames": 2.5}, "frames"),
])  # fmt: skip
def test_options_of_animations(options, error):
    with pytest.raises(ValueError, match=error):
        animate(xor(3), **options)


def test_what_has_no_motion_is_refused():
    recording = record(Net.layered([2, 3, 1]))
    with pytest.raises(ValueError, match="the recording has 0 looks; train with"):
        animate(recording)
    large = record(Net.layered([2, MOST_NODES, 1]))
    large.look(XOR, ODD)
    large.look(XOR, ODD)
    with pytest.raises(ValueError, match=r"up to 200 units and 600 links, and this has 203 and 600; recording\.draw"):
        animate(large)
    with pytest.raises(TypeError, match="animate takes a recording"):
        animate([])


@embedded
def test_the_last_frame_is_a_picture(tmp_path):
    animation = xor(50).animate(tmp_path / "last.png", theme="dark")
    assert (tmp_path / "last.png").read_bytes().startswith(b"\x89PNG")
    assert animation.text.startswith("training · epoch 50 of 50 · loss ")
    assert "image/svg+xml" not in animation._repr_mimebundle_()


@pytest.mark.skipif(program() is None, reason=f"no Chromium to look with: {STEP}")
def test_a_browser_shows_every_frame_in_its_colours(tmp_path):
    recording = xor(120, (2, 3, 1))
    animation = animate(recording, path=tmp_path / "xor.svg", frames=6, seconds=8.0)
    assert (tmp_path / "xor.svg").read_text() == animation.svg
    fills = ("[...document.querySelectorAll('[id^=n] > :is(rect, ellipse):last-of-type')]"
             ".map(e => getComputedStyle(e).fill)")
    clock = ("[...document.querySelectorAll('[id^=clock]')].filter(e => getComputedStyle(e).visibility == 'visible')"
             ".map(e => e.textContent.trim())")
    with Browser() as browser:
        for scheme, palette in (("light", scales.LIGHT), ("dark", scales.DARK)):
            browser.prefer(color_scheme=scheme)
            browser.open(tmp_path / "xor.svg")
            seen = set()
            for place, look in enumerate(animation.looks):
                # A millisecond into the frame; the frames before the last share three quarters of the time.
                at = 8000 * 0.75 * place / (len(animation.looks) - 1) + 1
                browser.run(f"document.getAnimations().forEach(a => {{a.pause(); a.currentTime = {at}}})")
                assert browser.run(clock) == [animation.clock(place)]
                graph = recording.graph(look)
                classes = graph.scale("output").classes(graph.gradients)[:-1]
                assert browser.run(fills)[:-1] == [_rgb(palette[scales.fill_role(d)]) for d in classes]
                seen.add(browser.screenshot())
            assert len(seen) == len(animation.looks)
        browser.prefer(reduced_motion="reduce")
        assert browser.run("document.getAnimations().length") == 0
        assert browser.run(clock) == [animation.clock(-1)]
        assert [method for method, _ in browser.events if method == "Log.entryAdded"] == []


def _rgb(colour):
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


# Mistakes made by hand, which the tests above did not notice (tests/mutants.py). --------------------------------------


def test_large_losses_and_large_steps_are_higher_up():
    epochs = charts.epochs_of(course(), 0.0, 100.0)
    for loss in (None, np.linspace(5.0, -5.0, 50)):  # on a logarithmic axis, and on a linear one
        sheet = Sheet(700.0, "", "")
        given_ = course(loss=loss)
        where = charts.loss_panel(sheet, given_, epochs)
        at = [where(float(x)) for x in given_.loss]
        assert at == sorted(at)
        assert at[0] < at[-1] <= sheet.y
    update = np.tile(np.linspace(-5, -1, 9), (6, 1))
    chart = curves(course(levels=9, update=update))
    said = {"".join(run.text for run in text.runs): text.y for group in chart.scene.front for text in group.shapes
            if isinstance(text, Text)}  # fmt: skip
    assert said["output 0.1"] < said["median 1e−3"] < said["level 0 1e−5"]


def test_every_look_is_in_its_cell():
    looks = [0, 6, 15, 40]
    chart = curves(course(epochs=looks))
    cells = {int(match[1]): group.shapes[0] for group in chart.scene.front
             if (match := re.match(r"output · epoch (\d+)", group.tip))}  # fmt: skip
    assert list(cells) == looks
    for a, b in itertools.pairwise(looks):  # cells meet halfway between their looks
        middle = (chart._epochs(a) + chart._epochs(b)) / 2
        assert cells[b].x == pytest.approx(middle, abs=0.01)
        assert cells[a].x + cells[a].width == pytest.approx(middle, abs=1.5)


def test_a_logarithmic_axis_counts_from_its_origin():
    axis = Axis(1000, 2000, 0.0, 100.0, True, 1000)
    assert axis(1009) == pytest.approx(100 * math.log(10) / math.log(1001))


def frames_of(svg):
    """What the style sheet of an animation sets: for each selector the states as (per cent, {property: value})."""
    found = {}
    for steps, selectors in re.findall(r"@keyframes k\d+\{((?:[\d.]+%\{[^}]*\})+)\}([^{}]*)\{animation", svg):
        states = [(float(at), dict(entry.split(":", 1) for entry in style.split(";")))
                  for at, style in re.findall(r"([\d.]+)%\{([^}]*)\}", steps)]
        found |= dict.fromkeys(selectors.split(","), states)
    return found


def test_every_frame_has_its_clock_and_its_colours_also_where_they_come_back():
    net = Net()
    net.input("x")
    net.neuron("h", "tanh", {"x": 0.5})
    net.neuron("y", "linear", {"h": 2.0}, output=True)
    recording = record(net)
    for weight in (2.0, 1e-4, 2.0, 0.0, 2.0, 1e-4):
        net.set_weight("h", "y", weight)
        recording.look([[1.0]], [0.3])
    animation = animate(recording)
    moves = frames_of(animation.svg)
    assert len(animation.looks) == 6
    changes = 0
    for frame, diagram in enumerate(animation._diagrams):
        now = 75.0 * frame / 5 + 0.5
        shown = {selector: [state for at, state in states if at <= now][-1] for selector, states in moves.items()}
        clocks = [k for k in range(6) if shown[f"#clock{k}"]["visibility"] == "visible"]
        assert clocks == [frame]
        for i, look in enumerate(looks_of(diagram.nodes)):
            state = next((shown[f"#n{i} {tag}"] for tag in ("rect", "ellipse") if f"#n{i} {tag}" in shown), {})
            if "fill" in state:
                assert state["fill"] == f"var(--{look.fill})"
                changes += 1
    assert changes >= 6


@pytest.mark.parametrize("peak", [1, 137, 500, 998])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_thinned_line_keeps_a_peak_of_one_point(peak, sign):
    y = np.linspace(0.0, 1e-3, 1000)
    y[peak] = sign
    kept = thinned(y, 60)
    assert peak in kept
    assert len(kept) <= 60
