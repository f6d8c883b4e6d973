"""Tests of the page of a diagram, in a real browser: what it shows is what Python counts, and it needs nothing else."""

import base64
import dataclasses
import itertools
import json
import math
import re
from collections.abc import Iterator

import browser as driver
import hypothesis.strategies as st
import numpy as np
import pytest
from browser import Browser, BrowserError
from hypothesis import given

import autograd
from autograd import Value
from autograd.net import Net
from visualize import Graph, attribution, draw, from_net, from_value, levels, pages, scales, shown
from visualize.graph import ALIVE, BLANK, DEAD, DETACHED, INPUT, LOSS, NONFINITE, UNIT
from visualize.looks import edge_lines, looks_of, node_lines
from visualize.scales import DARK, LIGHT
from visualize.verdict import percent, verdict

NO_BROWSER = f"no Chromium here, so the page of a diagram was not tested in a browser; {driver.STEP}"


class _Notice:
    """Says at the end of a run what was not tested."""

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.write_line(f"SKIPPED: {NO_BROWSER}", yellow=True, bold=True)


@pytest.fixture(scope="module")
def process(request) -> Iterator[Browser]:
    if driver.program() is None:
        request.config.pluginmanager.register(_Notice(), "no-browser")
        pytest.skip(NO_BROWSER)
    with Browser() as running:
        yield running


@pytest.fixture
def tab(process, tmp_path) -> Iterator:
    """Return a function that opens a page in the browser and returns the browser. Nothing may complain, or be asked."""
    opened = []

    def show(html: str) -> Browser:
        path = tmp_path / f"page{len(opened)}.html"
        path.write_text(html, encoding="utf-8")
        opened.append(path.as_uri())
        process.open(path)
        return process

    process.prefer(color_scheme="light", reduced_motion="reduce")
    yield show
    if opened:
        assert process.complaints == []
        assert process.requests == [opened[-1]]


def small_net(seed: float = 0.0) -> Net:
    """A net with tanh, sigmoid, a dead relu, and a skip."""
    net = Net()
    for name in ("x1", "x2", "x3"):
        net.input(name)
    net.neuron("h1", "tanh", {"x1": 0.9, "x2": -0.6}, bias=0.1 + seed)
    net.neuron("h2", "tanh", {"x2": 1.4, "x3": 0.8}, bias=1.0)
    net.neuron("h3", "relu", {"x1": -1.2, "x3": -0.4})
    net.neuron("h4", "sigmoid", {"h2": -1.7, "h1": 2.1}, bias=-3)
    net.neuron("h5", "sigmoid", {"h3": 1.1, "h2": 0.3}, bias=-2.2)
    net.neuron("h6", "sigmoid", {"h5": 3.2, "h4": 5.5}, bias=2.1)
    net.neuron("y", "linear", {"h6": 0.9, "x3": 0.35}, output=True)
    net.forward([1.0, -2.0, 0.5])
    net.sweep([1.03])
    return net


def swept(net: Net, x, y) -> Graph:
    net.forward(x)
    net.sweep(y)
    return from_net(net)


def small_steps() -> list[tuple[str, Graph]]:
    """Three sweeps of one net at different samples and targets: the sign of delta flips, and h3 comes to life."""
    net = small_net()
    return [("start", swept(net, [1.0, -2.0, 0.5], [1.03])), ("middle", swept(net, [1.0, 2.0, -0.5], [0.2])),
            ("end", swept(net, [-1.0, 2.0, -0.5], [0.9]))]


def made(layers: int, width: int, seed: int = 0, ins: int = 4, names=None) -> Graph:
    """A layered graph made by hand, every unit with `ins` inputs, with random gradients over many decades."""
    rng = np.random.default_rng(seed)
    n = layers * width
    target = np.repeat(np.arange(width, n), ins)
    source = (target // width - 1) * width + rng.integers(0, width, len(target))
    gradients = rng.normal(size=n) * 10.0 ** rng.uniform(-7, 3, n)
    factors = rng.normal(size=len(target))
    return Graph(
        names=names or [f"unit {k}" for k in range(n)], ops=["tanh"] * n,
        kinds=np.where(np.arange(n) < width, INPUT, UNIT), values=rng.normal(size=n), gradients=gradients,
        levels=np.arange(n) // width, source=source, target=target, factors=factors,
        messages=factors * gradients[target], weight_gradients=rng.normal(size=len(target)),
        outputs=np.arange(n - width, n), noun="unit", symbol="δ",
    )  # fmt: skip


def js(value) -> str:
    """Return a JavaScript expression of a list of numbers, with NaN and infinities."""
    return json.dumps(value)


# What Python packs. --------------------------------------------------------------------------------------------------


def unpacked(text: str, n: int) -> np.ndarray:
    raw = np.frombuffer(base64.b64decode(text), np.uint8).reshape(n, -1)
    return np.pad(raw, ((0, 0), (0, 8 - raw.shape[1]))).copy().view(">f8").astype(float).ravel()


@given(st.lists(st.floats(), max_size=20), st.sampled_from([3, 4, 8]))
def test_a_packed_number_prints_as_the_whole_and_is_near_it(x, size):
    back = unpacked(pages.packed(np.array(x, float), size), len(x)) if x else np.empty(0)
    assert [scales.number(v) for v in back.tolist()] == [scales.number(v) for v in x]
    for v, kept in zip(x, back.tolist(), strict=True):
        if math.isfinite(v) and v != 0:
            assert abs(kept / v - 1) <= 2.0 ** (12 - 8 * size)  # a double has 12 bits of sign and exponent


@pytest.mark.parametrize("x", [5e-324, 1.7976931348623157e308, -0.0, 0.0, 1.125, 2.675, math.nan, math.inf, -math.inf])
def test_numbers_at_the_ends_of_the_range_are_kept(x):
    back = unpacked(pages.packed(np.array([x]), 3), 1)[0]
    assert scales.number(back) == scales.number(x)


def test_a_page_is_the_same_for_the_same_diagram():
    one, two = (pages.page(draw(small_net()), steps=small_steps()) for _ in range(2))
    assert one == two


def test_a_page_names_the_step_that_does_not_fit():
    steps = [*small_steps(), ("odd", made(3, 4))]
    with pytest.raises(ValueError, match=r"step 'odd' does not fit the diagram.*11 nodes"):
        pages.page(draw(small_net()), steps=steps)
    with pytest.raises(ValueError, match="against does not fit"):
        pages.page(draw(small_net()), against=made(3, 4))


def test_views_without_places_refuse_steps_and_say_what_to_do():
    with pytest.raises(ValueError, match="view='circles'"):
        pages.page(draw(small_net(), "levels"), steps=small_steps())
    (_, before), _, (_, now) = small_steps()
    with pytest.raises(ValueError, match="view='circles'"):
        pages.page(draw(now, "levels"), against=before)
    assert "relative to the other sweep" in draw(now, "levels", against=before).html


def test_two_thousand_nodes_and_eight_thousand_edges_stay_under_a_megabyte():
    graph = made(50, 40, names=[f"a unit of some name {k}" for k in range(2000)])
    assert len(graph) == 2000
    assert graph.edges == 7840
    assert len(pages.page(draw(graph, "circles", engine="builtin")).encode()) < 600_000


def test_fifty_steps_of_two_hundred_nodes_stay_under_a_megabyte_and_say_what_is_left_out():
    steps = [(f"epoch {k}", made(10, 20, seed=k, ins=16)) for k in range(50)]
    for _, graph in steps[1:]:
        graph.source[:] = steps[0][1].source
    html = pages.page(draw(steps[-1][1], "circles", engine="builtin"), steps=steps)
    assert len(html.encode()) < 1_000_000
    assert "edges have their factors and ∂w at the last step only" in html
    few = pages.page(draw(steps[-1][1], "circles", engine="builtin"), steps=steps[-3:])
    assert "at the last step only" not in few


HOSTILE = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", '"><svg onload=alert(3)>', "a\nb\tc",
           "'; alert(4); '", "\u2028\u2029", "🎉 emoji", "n" * 1000, "${alert(5)}", "&lt;b&gt;", "$title $", "<!--",
           "__proto__", "constructor", "]]>", "\x00\x07\ud800"]  # fmt: skip


def hostile_graph() -> Graph:
    n = len(HOSTILE)
    numbers = np.resize(np.array([math.nan, math.inf, -math.inf, 0.0, 1e-300, -2.0, 5e-324]), n)
    line = np.arange(n - 1)
    return Graph(
        names=HOSTILE, ops=["<b>op</b>"] * n, kinds=np.array([INPUT, *[UNIT] * (n - 2), LOSS]), values=numbers,
        gradients=numbers[::-1].copy(), levels=np.arange(n), source=line, target=line + 1, factors=numbers[1:],
        messages=numbers[:-1], outputs=np.array([n - 1]), call="<i>backward</i>()",
    )  # fmt: skip


def ordinary_graph() -> Graph:
    """The same graph with ordinary numbers."""
    numbers = np.linspace(0.1, 2.0, len(HOSTILE))
    return dataclasses.replace(hostile_graph(), values=numbers, gradients=numbers, messages=numbers[1:])


def test_edges_are_drawn_at_as_many_steps_as_there_is_room_for():
    size = 4 * 100 + 30
    for room, at in ((2 * size, [2, 5]), (3 * size, [1, 3, 5]), (5 * size, [1, 3, 5]), (6 * size, range(6)), (0, [5])):
        packs = [{"apart": k == 6} for k in range(7)]
        room += len(json.dumps(packs, separators=(",", ":"))) + size  # the sweep apart has its edges in any case
        notes = pages._add_edges(packs, [{"messages": np.ones(100), "factors": np.ones(100)}] * 7, room)
        assert [k for k, pack in enumerate(packs) if "messages" in pack] == [*at, 6]
        assert [k for k, pack in enumerate(packs) if "factors" in pack] == [5]
        assert ("drawn anew" in notes[0]) == (len(at) < 6)
    assert [pages._ordinal(n) for n in (2, 3, 4, 11, 21)] == ["2nd", "3rd", "4th", "11th", "21st"]


def test_hostile_names_do_not_end_the_elements_they_stand_in():
    html = pages.page(draw(hostile_graph(), "labels", title="<b>&</b>"), steps=[("</script>", hostile_graph())])
    assert html.count("<script") == html.count("</script>") == 2
    assert "<img" not in html
    assert "<b>" not in html
    assert "\u2028" not in html


# In the browser. -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["labels", "circles", "levels", "groups"])
@pytest.mark.parametrize("swept_", [True, False])
def test_a_page_opens_from_a_file_without_requests_and_complaints(tab, view, swept_):
    net = small_net()
    if not swept_:
        net = Net()
        net.input("x")
        net.neuron("y", "tanh", {"x": 1.0}, output=True)
    page = tab(pages.page(draw(net, view)))
    assert page.run("document.getElementById('stage').hidden") is False
    assert page.run("stage.offsetHeight") >= 200


@pytest.mark.parametrize("graph", [made(1, 0), made(1, 1), from_value(Value(2.0, name="x"))])
@pytest.mark.parametrize("view", ["labels", "circles"])
def test_empty_and_single_graphs_open(tab, graph, view):
    page = tab(pages.page(draw(graph, view)))
    assert page.run("document.querySelectorAll('.node').length") == len(graph)
    page.run("svg.focus()")
    for key in ("Enter", "0", "+", "ArrowLeft", "Escape"):
        page.key(key)


@pytest.mark.parametrize("view", ["labels", "circles", "levels"])
def test_hostile_names_are_text_and_nothing_else(tab, view):
    graph = hostile_graph()
    page = tab(pages.page(draw(graph, view, title=HOSTILE[1]), steps=[(HOSTILE[0], graph)] * 2 * (view != "levels")))
    assert page.run("document.querySelectorAll('img, b, script').length") == 2
    if view != "levels":
        page.run("byId('nodes').open = true")
        page.run("new Promise(requestAnimationFrame)")
        names = page.run("[...document.querySelectorAll('#node-table tbody th')].map(e => e.textContent)")
        assert names == [pages.short(name) for name in reversed(HOSTILE)]
        for i in range(len(HOSTILE)):
            page.run(f"select({i}, true)")
        page.run("byId('search').focus()")
        page.type("<img")
        assert page.run("document.querySelector('#results .name').textContent") == HOSTILE[1]
        # Names in tips, table and results are elements by now; none of them became an image or a script.
        assert page.run("document.querySelectorAll('img, script').length") == 2
    assert page.run("document.title") == HOSTILE[1]


def test_numbers_are_printed_as_python_prints_them(tab):
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 2**63, 4000, np.uint64)
    ties = [f"{k}.{d}5" for k in (0, 1, 2, 12, 99, 112) for d in range(10)] + [f"1.{k:02}5" for k in range(100)]
    x = [*bits.view(np.float64).tolist(), *map(float, ties), *(10.0**k for k in range(-20, 20)), 0.0, -0.0, 1.125,
         -9.995, 999.5, 0.00999, 0.009996, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan]  # fmt: skip
    x += (rng.normal(size=2000) * 10.0 ** rng.uniform(-5, 5, 2000)).tolist()
    page = tab(pages.page(draw(small_net())))
    assert page.run(f"{js(x)}.map(number)") == [scales.number(v) for v in x]
    logs = [*np.arange(-8, 8, 0.125).tolist(), *rng.normal(size=500).tolist(), -0.04, math.inf]
    for digits, plus in itertools.product((1, 2), (True, False)):
        found = page.run(f"{js(logs)}.map(x => signed(x, {digits}, {js(plus)}))")
        assert found == [scales.signed(v, digits, plus) for v in logs]
    shares = [0.001, 0.1225, 0.5, 0.9991, 0.99, 1.0, *rng.uniform(0.001, 1, 500).tolist()]
    assert page.run(f"{js(shares)}.map(percent)") == [percent(v) for v in shares]
    assert page.run("[-6, -1, 0, 3, 6].map(powerOfTen)") == [scales.power_of_ten(k) for k in (-6, -1, 0, 3, 6)]
    widths = [-9.0, -6.0, -0.3, 0.0, 2.5, 7.0, math.inf, -math.inf]
    assert page.run(f"{js(widths)}.map(widthOf)") == pytest.approx(scales.widths_of(np.array(widths)).tolist())
    assert page.run(f"{js(widths)}.map(classOf)") == scales.classes_of(np.array(widths)).tolist()


def fills(page: Browser) -> list[str]:
    """The roles of the fills of the nodes."""
    return page.run("drawnNodes.map(node => /f-(\\w+)/.exec(node.shape.getAttribute('class'))[1])")


@pytest.mark.parametrize("view", ["labels", "circles"])
@pytest.mark.parametrize("graph", [small_steps()[0][1], small_steps()[2][1], hostile_graph(), made(8, 5)])
def test_nodes_have_the_colours_that_python_gives_them(tab, view, graph):
    diagram = draw(graph, view)
    page = tab(pages.page(diagram))
    assert fills(page) == [look.fill for look in looks_of(diagram.nodes)]
    dashes = page.run("drawnNodes.map(n => (/dashed|dotted/.exec(n.shape.getAttribute('class')) || ['solid'])[0])")
    assert dashes == [look.dash for look in looks_of(diagram.nodes)]


@pytest.mark.parametrize("view", ["labels", "circles"])
@pytest.mark.parametrize("choice", [
    {"fill": "value"}, {"fill": "gradient"}, {"fill": "update", "rate": 0.1}, {"edges": "weight"},
    {"edges": "update", "rate": 0.1}, {"ref": "absolute"}, {"ref": 1e-6}, {"ref": "loss"},
])  # fmt: skip
def test_colours_and_words_follow_what_the_diagram_shows(tab, view, choice):
    diagram = draw(small_net(), view, **choice)
    page = tab(pages.page(diagram))
    assert fills(page) == [look.fill for look in looks_of(diagram.nodes)]
    alive = np.flatnonzero(diagram.edges.marks == ALIVE).tolist()
    decades = page.run(f"{js(alive)}.map(e => classOf(seen.edgeDecades[e]))")
    assert decades == diagram.edges.classes[alive].tolist()
    if view == "labels":
        assert page.run("nodes.names.map((_, i) => linesOf(i))") == [
            node_lines(diagram.graph, diagram.nodes, i) for i in range(len(diagram.graph))]
    assert page.run("document.querySelector('#legend h2').textContent").endswith(f": {diagram.nodes.title}")


def value_graph() -> Graph:
    x, w, c = Value(1.5, name="x"), Value(-0.25, name="w"), Value(2.0, name="c")
    root = autograd.where(x > 0, (x * w).tanh() * 3.0, c * c)
    root.name = "L"
    root.backward()
    return from_value(root)


@pytest.mark.parametrize("graph", [small_steps()[0][1], small_steps()[2][1], value_graph(), made(3, 3)])
def test_words_in_nodes_and_on_edges_are_those_of_the_picture(tab, graph):
    diagram = draw(graph, "labels")
    page = tab(pages.page(diagram))
    found = page.run("nodes.names.map((_, i) => linesOf(i))")
    assert found == [node_lines(graph, diagram.nodes, i) for i in range(len(graph))]
    drawn = page.run("drawnNodes.map(node => node.lines.map(line => line.textContent).filter(Boolean))")
    assert drawn == found
    found = page.run("edges.source.map((_, e) => edgeLines(e))")
    assert found == [edge_lines(graph, e) for e in range(graph.edges)]


def places(page: Browser) -> object:
    return page.run("drawnNodes.map(node => node.group.getAttribute('transform'))")


@pytest.mark.parametrize("view", ["labels", "circles"])
def test_the_slider_changes_colours_and_words_and_no_place(tab, view):
    steps = small_steps()
    diagram = draw(steps[-1][1], view)
    page = tab(pages.page(diagram, steps=steps))
    assert page.run("byId('step').max") == "2"
    assert page.run("byId('step-label').textContent").startswith("end  ·  3 of 3  ·  loss ")
    where = places(page)
    page.run("byId('step').focus()")
    for k in (1, 0):
        page.key("ArrowLeft")
        graph = steps[k][1]
        nodes = shown.of_nodes(graph, "delta")
        assert page.run("shown.step") == k
        assert fills(page) == [look.fill for look in looks_of(nodes)]
        assert page.run("byId('verdict').textContent") == verdict(graph)
        assert page.run("byId('step').getAttribute('aria-valuetext')").startswith(steps[k][0])
        if view == "labels":
            assert page.run("linesOf(3)") == node_lines(graph, nodes, 3)
        assert places(page) == where
    page.key("End")
    assert fills(page) == [look.fill for look in looks_of(diagram.nodes)]


def test_the_graph_of_the_diagram_is_the_last_step_if_it_is_none_yet(tab):
    steps = small_steps()
    page = tab(pages.page(draw(steps[2][1]), steps=steps[:2]))
    assert page.run("data.states.map(s => s.label)") == ["start", "middle", "as drawn"]


def test_play_goes_through_the_steps_and_stops_at_the_end(tab):
    page = tab(pages.page(draw(small_steps()[-1][1]), steps=small_steps()))
    page.run("byId('play').click()")
    assert page.run("byId('play').getAttribute('aria-label')") == "Pause"
    seen = page.run("""new Promise(done => {
        const seen = [shown.step];
        const watch = setInterval(() => {
            if (seen[seen.length - 1] !== shown.step) seen.push(shown.step);
            if (!playing) { clearInterval(watch); done(seen); }
        }, 10);
    })""")
    assert seen == [0, 1, 2]
    assert page.run("byId('play').getAttribute('aria-label')") == "Play the steps"


def test_steps_that_leave_out_edges_show_those_of_the_last(tab, monkeypatch):
    monkeypatch.setattr(pages, "BUDGET", 0)
    steps = small_steps()
    html = pages.page(draw(steps[-1][1]), steps=steps)
    assert "edges are drawn anew at every 3rd step, the last among them" in html
    assert "edges have their factors and ∂w at the last step only" in html
    page = tab(html)
    page.run("goTo(0)")
    assert page.run("edgeLines(0)") == edge_lines(steps[-1][1], 0)
    assert "at “end”" in page.run("edgeTip(0).lines")
    assert fills(page) == [look.fill for look in looks_of(shown.of_nodes(steps[0][1], "delta"))]


# Two sweeps. ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["labels", "circles"])
def test_the_change_between_two_sweeps_has_the_classes_and_the_sign_flips_of_python(tab, view):
    (_, before), (_, middle), (_, now) = small_steps()
    page = tab(pages.page(draw(now, view), steps=small_steps()))
    for k, other in ((0, before), (1, middle)):
        page.run(f"byId('before').value = '{k}'; byId('before').dispatchEvent(new Event('change'))")
        channel = shown.difference(shown.of_nodes(now, "delta"), shown.of_nodes(other, "delta"), many=False)
        assert fills(page) == [look.fill for look in looks_of(channel)]
        assert channel.flipped is not None
        flipped = np.flatnonzero(channel.flipped).tolist()
        assert flipped
        badges = page.run("drawnNodes.map((node, i) => node.badge.getAttribute('display') !== 'none' ? i : -1)"
                          ".filter(i => i >= 0)")
        assert badges == flipped
        assert f"{len(flipped)} unit{'s' * (len(flipped) != 1)} changed sign (±)" in page.run(
            "byId('verdict').textContent")
        line = shown.difference(shown.of_edges(now, "message"), shown.of_edges(other, "message"), many=False)
        alive = np.flatnonzero(line.marks == ALIVE)
        decades = page.run(f"{js(alive.tolist())}.map(e => classOf(seen.edgeDecades[e]))")
        assert decades == line.classes[alive].tolist()
    page.run("goTo(1)")  # the slider moves the end of the comparison
    channel = shown.difference(shown.of_nodes(middle, "delta"), shown.of_nodes(middle, "delta"), many=False)
    assert fills(page) == [look.fill for look in looks_of(channel)]
    page.run("byId('after').value = '2'; byId('after').dispatchEvent(new Event('change'))")
    assert page.run("byId('step').value") == "2"
    page.run("byId('compare').click()")
    assert fills(page) == [look.fill for look in looks_of(shown.of_nodes(now, "delta"))]


def test_against_opens_the_page_with_the_change(tab):
    (_, before), _, (_, now) = small_steps()
    diagram = draw(now, against=before)
    page = tab(diagram.html)
    assert page.run("byId('compare').checked") is True
    assert page.run("byId('time').hidden") is True
    assert fills(page) == [look.fill for look in looks_of(diagram.nodes)]
    assert "from “the other sweep” to “this sweep”" in page.run("byId('verdict').textContent")
    page.run("byId('compare').click()")
    assert page.run("byId('verdict').textContent") == verdict(now)
    assert page.run("document.querySelector('#legend h2').textContent") == "colour: |δ| relative to the output δ"


# Pointer and keys. ---------------------------------------------------------------------------------------------------


def middle_of(page: Browser, i: int) -> tuple[float, float]:
    x, y = page.run(f"(r => [r.x + r.width / 2, r.y + r.height / 2])(drawnNodes[{i}].shape.getBoundingClientRect())")
    return x, y


def test_hovering_shows_the_numbers_and_where_they_came_from(tab):
    graph = small_steps()[0][1]
    page = tab(pages.page(draw(graph)))
    i = list(graph.names).index("h2")
    page.move(*middle_of(page, i))
    text = page.run("tip.hidden ? '' : tip.textContent")
    assert text.startswith("h2 · tanh")
    assert f"v = {scales.number(graph.values[i])}" in text
    assert f"δ = {scales.number(graph.gradients[i])}" in text
    assert "level 1" in text
    outgoing = np.flatnonzero(graph.source == i)
    best = outgoing[np.argmax(np.abs(graph.messages[outgoing]))]
    assert (f"{len(outgoing)} outgoing, strongest message from {graph.names[graph.target[best]]}: "
            f"{scales.number(graph.messages[best])}") in text
    page.move(5, 5)
    assert page.run("tip.hidden") is True


@pytest.mark.parametrize("view", ["labels", "circles"])
def test_hovering_an_edge_shows_its_numbers(tab, view):
    graph = small_steps()[0][1]
    page = tab(pages.page(draw(graph, view)))
    e = next(e for e in range(graph.edges) if graph.names[graph.source[e]] == "h6")
    x, y = page.run(f"""(p => {{
        const box = stage.getBoundingClientRect();
        const k = 2 * Math.floor(p.length / 4);
        const [u, v] = k ? [p[k], p[k + 1]] : [0, 0];
        const mid = p.length === 4 ? [(p[0] + p[2]) / 2, (p[1] + p[3]) / 2] : [u, v];
        return [box.left + 1 + camera.x + camera.k * mid[0], box.top + 1 + camera.y + camera.k * mid[1]];
    }})(polylineOf({e}))""")
    page.move(x, y)
    text = page.run("tip.hidden ? '' : tip.textContent")
    assert text.startswith("h6 → y")
    assert f"message {scales.number(graph.messages[e])}" in text


def camera(page: Browser) -> tuple[float, float, float]:
    x, y, k = page.run("[camera.x, camera.y, camera.k]")
    return x, y, k


def test_wheel_drag_buttons_and_keys_move_the_picture(tab):
    page = tab(pages.page(draw(small_net())))
    start = camera(page)
    x, y = middle_of(page, 0)
    page.wheel(x, y, -200)
    page.run("new Promise(done => setTimeout(done, 50))")
    assert camera(page)[2] > start[2]
    assert middle_of(page, 0) == pytest.approx((x, y), abs=1)  # the place under the pointer stays
    page.run("byId('zoom-fit').click()")
    assert camera(page) == start
    page.run("byId('zoom-in').click()")
    assert camera(page)[2] == pytest.approx(1.25 * start[2])
    page.run("byId('zoom-out').click()")
    assert camera(page) == pytest.approx(start)
    left, top = page.run("(r => [r.x, r.y])(stage.getBoundingClientRect())")
    page.press(left + 8, top + 8, to=(left + 48, top + 28))
    assert camera(page) == pytest.approx((start[0] + 40, start[1] + 20, start[2]))
    assert page.run("shown.selected") == -1
    page.run("svg.focus()")
    page.key("0")
    for key, moved in (("ArrowLeft", (60, 0)), ("ArrowRight", (-60, 0)), ("ArrowUp", (0, 60)), ("ArrowDown", (0, -60))):
        page.key("0")
        page.key(key)
        assert camera(page) == pytest.approx((start[0] + moved[0], start[1] + moved[1], start[2]))
    page.key("0")
    page.key("+")
    assert camera(page)[2] == pytest.approx(1.25 * start[2])
    page.key("-")
    assert camera(page) == pytest.approx(start)


def test_two_fingers_zoom(tab):
    page = tab(pages.page(draw(small_net())))
    start = camera(page)
    x, y = middle_of(page, 5)

    def touch(kind, *points):
        page.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": px, "y": py, "id": k}
                                                                     for k, (px, py) in enumerate(points)])

    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 40, y), (x + 40, y))
    touch("touchEnd")
    assert camera(page)[2] == pytest.approx(2 * start[2])
    assert page.run("shown.selected") == -1


def test_a_click_selects_and_a_click_beside_lets_go(tab):
    graph = small_steps()[0][1]
    page = tab(pages.page(draw(graph)))
    i = list(graph.names).index("h4")
    page.press(*middle_of(page, i))
    assert page.run("shown.selected") == i
    assert page.run("panel.hidden") is False
    assert page.run("panel.querySelector('h2').textContent") == "h4 · sigmoid"
    page.run("panel.querySelector('li button').click()")  # the strongest edge that its gradient came from
    assert page.run("nodes.names[shown.selected]") == "h6"
    left, top = page.run("(r => [r.x, r.y])(stage.getBoundingClientRect())")
    page.press(left + 4, top + 4)
    assert page.run("shown.selected") == -1
    assert page.run("panel.hidden") is True


def test_keys_select_nodes_and_a_screen_reader_hears_it(tab):
    graph = small_steps()[0][1]
    page = tab(pages.page(draw(graph)))
    page.run("svg.focus(); select(nodes.names.indexOf('y'), true)")
    page.key("ArrowLeft", shift=True)
    assert page.run("nodes.names[shown.selected]") == "h6"  # to which y sends its strongest message
    page.key("ArrowLeft", shift=True)
    assert page.run("nodes.names[shown.selected]") == "h4"
    column = page.run("['h4', 'h5'].sort((a, b) => nodes.y[nodes.names.indexOf(a)] - nodes.y[nodes.names.indexOf(b)])")
    for key, name in (("ArrowUp", column[0]), ("ArrowDown", column[1]), ("ArrowDown", column[1])):
        page.key(key, shift=True)
        assert page.run("nodes.names[shown.selected]") == name
    for _ in range(2):
        page.key("ArrowRight", shift=True)
    assert page.run("nodes.names[shown.selected]") == "y"
    said = page.run("byId('live').textContent")
    assert said.startswith("y · linear; v = ")
    assert f"δ = {scales.number(graph.gradients[list(graph.names).index('y')])}" in said
    page.key("Escape")
    assert page.run("shown.selected") == -1
    page.key("Enter")
    assert page.run("shown.selected") >= 0


@pytest.mark.parametrize("graph", [small_steps()[0][1], made(6, 8)])
def test_paths_and_their_shares_are_those_of_the_attribution(tab, graph):
    page = tab(pages.page(draw(graph, "circles")))
    i = int(np.flatnonzero(graph.levels == 2)[1])
    page.run(f"select({i})")
    below, above, todo = {i}, {i}, None
    for found, ends in ((below, (graph.source, graph.target)), (above, (graph.target, graph.source))):
        todo = [i]
        while todo:
            here = todo.pop()
            for j in ends[1][ends[0] == here].tolist():
                if j not in found:
                    found.add(j)
                    todo.append(j)
    assert sorted(page.run("[...shown.paths.down]")) == sorted(below - {i})
    assert sorted(page.run("[...shown.paths.up]")) == sorted(above - {i})
    shaded = page.run("[...document.querySelectorAll('.node.shaded')].map(node => Number(node.dataset.node))")
    assert shaded == sorted(set(range(len(graph))) - below - above)
    shares = page.run("[...shown.paths.share]")
    flow = attribution(graph, [i]).nodes
    for j in below:
        assert shares[j] == pytest.approx(flow[j], abs=1e-3)
    for j in above - {i}:
        assert shares[j] == pytest.approx(attribution(graph, [j]).nodes[i], abs=1e-3)
    page.run("select(-1)")
    assert page.run("document.querySelectorAll('.shaded').length") == 0


def test_search_finds_and_selects_with_the_keyboard_alone(tab):
    graph = made(40, 20)
    page = tab(pages.page(draw(graph, "circles", engine="builtin")))
    page.key("/")
    assert page.run("document.activeElement.id") == "search"
    page.type("UNIT 77")
    assert page.run("[...document.querySelectorAll('#results .name')].map(e => e.textContent)") == [
        "unit 77", *(f"unit 77{k}" for k in range(9))]  # fmt: skip
    assert page.run("document.querySelector('#results li:last-child').textContent") == "and 1 more"
    page.key("ArrowDown")
    assert page.run("byId('search').getAttribute('aria-activedescendant')") == "result-1"
    page.key("Enter")
    assert page.run("nodes.names[shown.selected]") == "unit 770"
    assert page.run("byId('results').hidden") is True
    x, y = middle_of(page, 770)
    box = page.run("(r => [r.x + r.width / 2, r.y + r.height / 2])(svg.getBoundingClientRect())")
    assert (x, y) == pytest.approx(tuple(box), abs=2)
    assert page.run("[...document.querySelectorAll('.names text')].some(e => e.textContent === 'unit 770')")
    page.run("byId('search').value = ''")
    page.type("no such")
    assert page.run("byId('results').textContent") == "nothing of this name"
    page.key("Escape")
    assert page.run("byId('search').value") == ""


def test_motion_is_left_out_for_readers_who_prefer_that(tab):
    page = tab(pages.page(draw(small_net())))
    goal = page.run("select(0, true), [camera.x, camera.y, camera.k]")
    page.run("fit()")
    page.prefer(reduced_motion="no-preference")
    at_once = page.run("lookAt(nodes.x[0], nodes.y[0]), [camera.x, camera.y, camera.k]")
    assert at_once != goal
    page.run("new Promise(done => setTimeout(done, 400))")
    assert list(camera(page)) == pytest.approx(goal)


def test_every_control_has_a_name_and_the_keyboard_reaches_it(tab):
    page = tab(pages.page(draw(small_steps()[-1][1]), steps=small_steps()))
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in tree if node.get("role", {}).get("value") in (
        "button", "slider", "combobox", "checkbox", "application", "DisclosureTriangle", "searchbox")]
    assert len(controls) >= 10
    assert [node for node in controls if not node.get("name", {}).get("value")] == []
    reached = []
    page.run("document.activeElement.blur()")
    for _ in range(14):
        page.key("Tab")
        reached.append(page.run("document.activeElement.id || document.activeElement.tagName"))
        outline = page.run("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or reached[-1] == "BODY"
    assert {"search", "zoom-in", "zoom-fit", "zoom-out", "theme", "picture", "play", "step", "compare", "before",
            "after"} <= set(reached)  # fmt: skip


# Tables and text. ----------------------------------------------------------------------------------------------------


def test_the_table_of_levels_is_that_of_python(tab):
    graph = small_steps()[2][1]
    page = tab(pages.page(draw(graph)))
    rows = page.run("[...document.querySelectorAll('#level-table tbody tr')]"
                    ".map(row => [...row.children].slice(0, 5).map(cell => cell.textContent))")
    log = lambda x: "–" if math.isnan(x) else scales.signed(x, 2, plus=True)
    assert rows == [[row.name, str(row.count), log(row.median), log(row.low), log(row.high)]
                    for row in reversed(levels(graph).rows)]


def test_the_strip_counts_every_unit_once(tab):
    graph = made(8, 5)
    page = tab(pages.page(draw(graph, "circles")))
    found = page.run("levelsInOrder.map(levelStatistics).map(s => rowsOfStrip.map(row => countIn(s, row)))")
    assert [sum(row) for row in found] == [5] * 8
    classes = shown.of_nodes(graph, "delta").classes
    rows = page.run("rowsOfStrip.map(row => row.k)")
    assert found == [[int((classes[graph.levels == level] == k).sum()) for k in rows] for level in range(8)]


def test_the_table_of_nodes_has_all_of_them(tab):
    graph = small_steps()[0][1]
    page = tab(pages.page(draw(graph)))
    page.run("byId('nodes').open = true, new Promise(requestAnimationFrame)")
    rows = page.run("[...document.querySelectorAll('#node-table tbody tr')]"
                    ".map(row => [...row.children].map(cell => cell.textContent))")
    order = np.argsort(-graph.levels, kind="stable")
    assert [row[0] for row in rows] == [graph.names[i] for i in order]
    assert [row[3:5] for row in rows] == [
        [scales.number(graph.values[i]), scales.number(graph.gradients[i])] for i in order]
    page.run("document.querySelector('#node-table button').click()")
    assert page.run("shown.selected") == len(graph) - 1


def test_without_scripts_there_is_the_text_view(process, tmp_path):
    diagram = draw(small_net())
    path = tmp_path / "page.html"
    path.write_text(pages.page(diagram), encoding="utf-8")
    process.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        process.open(path)
        html = process.call("DOM.getOuterHTML", nodeId=process.call("DOM.getDocument")["root"]["nodeId"])["outerHTML"]
    finally:
        process.call("Emulation.setScriptExecutionDisabled", value=False)
    assert "<pre>" in html.split("<noscript>")[1]
    assert diagram.verdict.split("\n")[0] in html


# Light and dark, paper, and the policy. ------------------------------------------------------------------------------


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[k : k + 2], 16)) for k in (1, 3, 5))})"


def test_dark_mode_follows_the_system_and_the_button(tab):
    graph = small_steps()[0][1]
    page = tab(pages.page(draw(graph)))
    role = fills(page)[0]

    def colours() -> list[str]:
        return page.run("[getComputedStyle(document.body).backgroundColor, getComputedStyle(drawnNodes[0].shape).fill,"
                        " getComputedStyle(drawnNodes[0].lines[0]).fill]")

    light, dark = ([rgb(palette[name]) for name in ("paper", role, f"i{role}")] for palette in (LIGHT, DARK))
    assert colours() == light
    page.prefer(color_scheme="dark")
    assert colours() == dark
    page.run("byId('theme').click()")
    assert colours() == light
    page.prefer(color_scheme="light")
    page.run("byId('theme').click()")
    assert colours() == dark
    page.call("Emulation.setEmulatedMedia", media="print")
    assert colours() == light
    assert page.run("getComputedStyle(document.querySelector('.toolbar')).display") == "none"
    page.call("Emulation.setEmulatedMedia", media="")


def contrast(a: str, b: str) -> float:
    """Return the contrast of two colours as a browser writes them, rgb(...) or color(srgb ...)."""
    def hexadecimal(colour: str) -> str:
        numbers = [float(x) for x in re.findall(r"[\d.]+", colour)[:3]]
        return "#" + "".join(f"{round(x * (255 if 'srgb' in colour else 1)):02x}" for x in numbers)

    return scales.contrast(hexadecimal(a), hexadecimal(b))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["labels", "circles"])
def test_all_text_is_read_at_4_5_to_1(tab, scheme, view):
    steps = [("one", ordinary_graph()), ("two", hostile_graph())]
    page = tab(pages.page(draw(hostile_graph(), view), steps=steps))
    page.prefer(color_scheme=scheme, reduced_motion="reduce")
    page.run("byId('nodes').open = true; select(3); byId('search').focus()")
    page.type("a")
    page.run("new Promise(requestAnimationFrame)")
    pairs = page.run(r"""[...document.querySelectorAll('body *')]
        .filter(e => [...e.childNodes].some(c => c.nodeType === 3 && c.textContent.trim()))
        .filter(e => e.checkVisibility() && !e.closest('.shaded, script, noscript, title, option'))
        .map(e => {
            const style = getComputedStyle(e);
            if (e instanceof SVGElement) {
                const node = e.closest('.node');
                const badge = e.closest('.badge');
                const cell = e.closest('.strip') && /t-i([mp]\d|alarm)/.exec(e.getAttribute('class'));
                const under = badge ? getComputedStyle(badge.querySelector('circle')).fill
                    : node ? getComputedStyle(node.querySelector('.outline')).fill
                    : cell ? getComputedStyle(document.querySelector(`.strip .f-${cell[1]}`)).fill
                    : getComputedStyle(document.body).backgroundColor;
                return [style.fill, under, e.textContent];
            }
            let box = e;
            while (/, 0\)$|^transparent$/.test(getComputedStyle(box).backgroundColor)) box = box.parentElement;
            return [style.color, getComputedStyle(box).backgroundColor, e.textContent];
        })""")
    assert len(pairs) > 60
    assert [pair for pair in pairs if contrast(pair[0], pair[1]) < 4.5] == []


def test_a_dark_diagram_has_a_dark_page(tab):
    page = tab(pages.page(draw(small_net(), theme="dark")))
    assert page.run("getComputedStyle(document.body).backgroundColor") == rgb(DARK["paper"])


def test_the_policy_lets_nothing_in_and_no_script_run(process, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(pages.page(draw(small_net())), encoding="utf-8")
    process.open(path)
    with pytest.raises(BrowserError, match="Failed to fetch"):
        process.run("fetch('https://example.org/')")
    process.run("document.body.append(html('script', {textContent: 'window.evil = 1'}))")
    assert process.run("window.evil") is None
    assert any("Content Security Policy" in text for text in process.complaints)


# Pictures without places. --------------------------------------------------------------------------------------------


def test_a_view_of_groups_is_the_picture_with_zoom_and_search(tab):
    diagram = draw(made(10, 10), "levels")
    page = tab(pages.page(diagram))
    assert page.run("document.querySelectorAll('#world text').length") == len(re.findall("<text", diagram.svg))
    start = camera(page)
    page.run("byId('search').focus()")
    page.type("level 7")
    page.key("Enter")
    assert camera(page) != start
    assert page.run("byId('live').textContent").startswith("level 7")
    page.run("svg.focus()")
    page.key("0")
    assert camera(page) == start
    fill = page.run("getComputedStyle(document.querySelector('#world .f-paper')).fill")
    assert fill == rgb(LIGHT["paper"])


def test_a_diagram_saves_its_page(tmp_path):
    path = draw(small_net()).save(tmp_path / "net.html")
    assert path.read_text(encoding="utf-8") == pages.page(draw(small_net()))


# Mistakes made by hand, which the tests above did not notice (tests/mutants.py). --------------------------------------


def test_search_ignores_case_and_has_names_that_begin_so_first(tab):
    graph = made(2, 4, names=["my output", "Output 2", "output", "b", "c", "d", "e", "f"])
    page = tab(pages.page(draw(graph, engine="builtin")))
    page.key("/")
    page.type("outPUT")
    found = page.run("[...document.querySelectorAll('#results .name')].map(e => e.textContent)")
    assert found == ["output", "Output 2", "my output"]


def test_the_script_compares_entries_as_python_does(tab):
    entries = [(ALIVE, 0.5), (ALIVE, -2.0), (ALIVE, 40.0), (DEAD, 0.0), (NONFINITE, math.nan), (DETACHED, 0.0),
               (BLANK, 1.0)]  # fmt: skip
    pairs = list(itertools.product(entries, entries))
    (now, before), (marks, marks_before) = ([[pair[k][j] for pair in pairs] for k in (0, 1)] for j in (1, 0))
    channel = shown.difference(*(
        shown.Channel("delta", "|δ|", np.array(values, float), np.array(its, np.intp), scales.Scale(1.0, "absolute"))
        for values, its in ((now, marks), (before, marks_before))), many=False)  # fmt: skip
    page = tab(pages.page(draw(small_net())))
    found = page.run(f"(r => [r.marks, r.flipped, r.decades.map(classOf)])(ratios({js(now)}, {js(before)}, {js(marks)},"
                     f" {js(marks_before)}))")
    assert found[0] == channel.marks.tolist()
    assert found[1] == channel.flipped.tolist()
    alive = np.flatnonzero(channel.marks == ALIVE)
    assert [found[2][k] for k in alive] == channel.classes[alive].tolist()


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=20), st.sampled_from([3, 4]))
def test_numbers_that_are_no_subnormal_ones_are_kept_in_few_bytes(x, size):
    for sign in (1.0, -1.0):
        assert len(base64.b64decode(pages.packed(sign * np.array(x), size))) == size * len(x)


@pytest.mark.parametrize("x", [1.0050001, 1.0149999])
def test_a_number_is_moved_to_the_neighbour_that_prints_like_it(x):
    text = pages.packed(np.array([x]), 3)
    assert len(base64.b64decode(text)) == 3
    assert scales.number(unpacked(text, 1)[0]) == scales.number(x) == "1.01"


def test_a_hostile_name_in_the_verdict_is_text():
    graph = made(2, 4, names=["<img src=x>", *(f"u{k}" for k in range(7))])
    gradients = graph.gradients.copy()
    gradients[0] = 0.0
    html = pages.page(draw(dataclasses.replace(graph, gradients=gradients), engine="builtin"))
    assert "<img" not in html
    assert "1 dead unit (gradient exactly 0): &lt;img src=x&gt;" in html


def test_a_step_without_edges_has_those_of_the_nearest_step_with_some(tab):
    steps = [(f"step {k}", made(2, 4, seed=k)) for k in range(7)]
    steps = [(label, dataclasses.replace(graph, source=steps[-1][1].source, target=steps[-1][1].target))
             for label, graph in steps]  # fmt: skip
    page = tab(pages.page(draw(steps[-1][1], engine="builtin"), steps=steps))
    there = [0, 4, 6]
    page.run(f"data.states.forEach((state, k) => {js(there)}.includes(k) || delete state.messages)")
    found = page.run("steps.map(k => edgeStateOf(k).index)")
    assert found == [min(there, key=lambda j: (abs(j - k), j)) for k in range(7)]
