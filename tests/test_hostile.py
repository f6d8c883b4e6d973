"""Hostile input: any name, any number, any graph gives a picture that is well formed and has no markup but our own."""

import hashlib
import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import Phase, given, settings

from autograd import Value
from autograd.net import Net
from visualize import Graph, draw, engines
from visualize.graph import INPUT, LOSS, UNIT
from visualize.scales import number_at

SVG = "{http://www.w3.org/2000/svg}"
embedded = pytest.mark.skipif(engines.embedded() is None, reason="graphviz-pure is not installed")

VIEWS = ("labels", "circles", "levels", "groups")
NASTY = [
    "", " ", '"', "'", "\\", "\\N", "\\l", "\\\"", "<b>bold</b>", "<script>alert(1)</script>", "</text>", "</svg>",
    "&amp;", "&lt;b&gt;", "&#60;", "&", "<", ">", "]]>", "<![CDATA[", "<!--", "-->", "<?xml?>", "javascript:alert(1)",
    '" onload="alert(1)', "' onclick='x", "}", "{", "} digraph {", "n1", "e0", "graph", "node", "->", ";", "=",
    "a\nb", "a\r\nb", "\t", "\x00", "a\x00b", "\x1b[31mred", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\ud800",
    "\udfffx", "🙂", "👩‍👩‍👧‍👦", "名前", "שלום", "\u202eevil", "e\u0301" * 20, "Z̸̢͍a̷l̶g̸o̵", "δ", "𝔘", "x" * 1000,
    "long word " * 100, "<" * 1000, "a.b.c", "/", "../../x", "%s%n", "{0}", "$x", "`x`", "url(#a)", "*/", "}</style>",
]  # fmt: skip
#: An engine is a process, so these get fewer examples, and those that fail are not shrunk.
slow = settings(max_examples=settings.default.max_examples // 4, phases=[Phase.explicit, Phase.reuse, Phase.generate])
names = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=()), max_size=20)
numbers = st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1.7e308, 1.0, -1.0])

#: What may be in a picture. No links, no scripts, nothing from outside, no style but the one block.
ELEMENTS = {"svg", "title", "desc", "style", "g", "rect", "ellipse", "polygon", "path", "text", "tspan"}
ATTRIBUTES = {
    "class", "id", "role", "width", "height", "viewBox", "x", "y", "rx", "ry", "cx", "cy", "d", "points", "fill",
    "opacity", "stroke-width", "stroke-dasharray", "font-size", "font-weight", "text-anchor",
}  # fmt: skip


@st.composite
def graphs(draw_, most=6):
    """A graph of any shape with any names and any numbers."""
    called = draw_(st.lists(names, min_size=0, max_size=most, unique=True))
    n = len(called)
    levels = np.array(draw_(st.lists(st.integers(0, 5), min_size=n, max_size=n)), np.intp)
    possible = [(s, t) for s in range(n) for t in range(n) if levels[s] < levels[t]]
    edges = draw_(st.lists(st.sampled_from(possible), max_size=10)) if possible else []
    m = len(edges)

    def floats(count):
        return np.array(draw_(st.lists(numbers, min_size=count, max_size=count)), float)

    def bools(count):
        return np.array(draw_(st.lists(st.booleans(), min_size=count, max_size=count)), bool)

    return Graph(
        names=called, ops=draw_(st.lists(names, min_size=n, max_size=n)),
        kinds=np.array(draw_(st.lists(st.sampled_from([INPUT, UNIT, LOSS]), min_size=n, max_size=n)), np.intp),
        values=floats(n), gradients=floats(n), levels=levels, source=np.array([s for s, _ in edges], np.intp),
        target=np.array([t for _, t in edges], np.intp), factors=floats(m), messages=floats(m),
        weight_gradients=draw_(st.none() | st.just(floats(m))), open=draw_(st.none() | st.just(bools(m))),
        outputs=np.flatnonzero(bools(n)), swept=draw_(st.booleans()), samples=draw_(st.sampled_from([1, 3])),
        call=draw_(names), noun=draw_(st.sampled_from(["unit", "node"])), symbol=draw_(st.sampled_from("δg")),
        loss=draw_(st.none() | numbers), notes=tuple(draw_(st.lists(names, max_size=2))),
    )  # fmt: skip


def check_svg(svg):
    """Parse a picture and check that it holds nothing but what we draw."""
    root = ET.fromstring(svg.encode())
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in ELEMENTS, element.tag
        assert set(element.keys()) <= ATTRIBUTES, element.attrib
        if "id" in element.attrib:
            assert re.fullmatch(r"[a-z]+\d+", element.get("id")), element.attrib
        if element.tag != SVG + "style":
            assert "<" not in "".join(element.attrib.values())
    (style,) = root.iter(SVG + "style")
    assert re.fullmatch(r"(?:@media \(prefers-color-scheme:dark\)\{|[.\w -]+\{[-\w:#;,' ]*\}|\})*", style.text)
    numbers_ = [v for e in root.iter() for k, v in e.attrib.items() if k in ("x", "y", "width", "height", "cx", "cy")]
    assert all(math.isfinite(float(v.removesuffix("pt"))) for v in numbers_)
    return root


# Names and numbers. --------------------------------------------------------------------------------------------------


@given(graphs(), st.sampled_from(VIEWS), st.sampled_from(["light", "auto"]), names)
def test_any_graph_can_be_drawn(graph, view, theme, title):
    diagram = draw(graph, view, theme=theme, title=title, engine="builtin")
    check_svg(diagram.svg)
    for text in (diagram.text, diagram.verdict, diagram.caption, diagram.ascii):
        text.encode()  # no lone surrogates: it can be printed and saved
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", text)
    assert diagram.ascii.isascii()
    diagram.dot.source.encode()


@embedded
@slow
@given(graphs(4), st.sampled_from(["labels", "circles"]))
def test_the_dot_of_any_graph_is_good_and_a_name_is_only_text(graph, view):
    dot = draw(graph, view, engine="builtin").dot.source
    drawn = engines.named("graphviz-pure").run(dot, ["-Kdot", "-Tsvg"], 20).decode()
    kinds = {e.tag.removeprefix(SVG) for e in ET.fromstring(drawn.encode()).iter()}
    assert kinds <= {"svg", "g", "title", "polygon", "path", "ellipse", "text", "a", "polyline"}
    assert "href=" not in re.sub(r'xmlns:xlink="[^"]*"', "", drawn).replace("xlink:title", "")
    found = [e.get("class") for e in ET.fromstring(drawn.encode()).iter(SVG + "g")]
    assert found.count("node") == len(graph)


@embedded
def test_all_hostile_names_in_one_graph_make_good_dot():
    n = len(NASTY)
    graph = Graph(
        names=NASTY, ops=NASTY[::-1], kinds=np.full(n, UNIT), values=np.ones(n), gradients=np.ones(n),
        levels=np.zeros(n, np.intp), source=np.zeros(0, np.intp), target=np.zeros(0, np.intp), factors=np.zeros(0),
        messages=np.zeros(0), outputs=np.arange(n),
    )  # fmt: skip
    dot = draw(graph, "labels", engine="builtin").dot.source
    drawn = ET.fromstring(engines.named("graphviz-pure").run(dot, ["-Kdot", "-Tsvg"], 20))
    shown = {" ".join("".join(e.itertext()).split()) for e in drawn.iter(SVG + "text")}
    for name, op in zip(NASTY, NASTY[::-1], strict=True):
        if all(text.strip() and text.isprintable() and len(text) <= 20 for text in (name, op)):
            assert " ".join(f"{name} · {op}".split()) in shown


@embedded
@slow
@given(graphs(4), st.sampled_from(VIEWS))
def test_any_graph_is_laid_out_and_rasterised_by_an_engine(graph, view):
    diagram = draw(graph, view, engine="graphviz-pure")
    check_svg(diagram.svg)
    assert diagram.layout is None or diagram.layout.engine == "graphviz-pure" or not len(graph)
    assert diagram.png().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NASTY)
def test_a_hostile_name_is_shown_as_text(name):
    x = Value(1.0, name=name)
    y = (x * 2).tanh()
    y.backward()
    root = check_svg(draw(y, engine="builtin").svg)
    if name.strip() and name.isprintable() and len(name) <= 20:
        shown = ["".join(e.itertext()) for e in root.iter(SVG + "text")]
        assert " ".join(name.split()) in [" ".join(s.split()) for s in shown]


@pytest.mark.parametrize("name", [n for n in NASTY if n])
def test_units_of_a_net_can_have_any_name(name):
    net = Net()
    net.input("in")
    net.neuron(name, "tanh", {"in": 0.5})
    net.neuron("out", "linear", {name: 1.0}, output=True)
    net.forward([1.0])
    net.sweep([0.0])
    for view in VIEWS:
        check_svg(draw(net, view, engine="builtin").svg)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("view", VIEWS)
def test_a_net_full_of_what_is_no_number_can_be_drawn(bad, view):
    net = Net.layered([2, 3, 1], seed=1)
    net.weights[0] = bad
    net.forward([1.0, 1.0])
    net.sweep([0.0])
    diagram = draw(net, view, engine="builtin")
    check_svg(diagram.svg)
    assert "NaN" in diagram.verdict


def test_nothing_and_next_to_nothing_can_be_drawn():
    none, no = np.zeros(0), np.zeros(0, np.intp)
    empty = Graph([], [], no, none, none, no, no, no, none, none)
    lonely = Graph(["x"], [""], np.array([UNIT]), np.ones(1), np.ones(1), np.zeros(1, np.intp), no, no, none, none)
    for graph in (empty, lonely):
        for view in ("auto", *VIEWS):
            for engine in ("builtin", None):
                diagram = draw(graph, view, engine=engine)
                check_svg(diagram.svg)
                assert diagram.text
                assert "digraph" in diagram.dot.source


# Graphs that are none. ------------------------------------------------------------------------------------------------


def three(**more):
    """A chain of three nodes, a to b to c, or one that is spoiled."""
    return Graph(**{
        "names": ["a", "b", "c"], "ops": ["", "tanh", "tanh"], "kinds": [INPUT, UNIT, UNIT], "values": [1.0, 2.0, 3.0],
        "gradients": [1.0, 2.0, 3.0], "levels": [0, 1, 2], "source": [0, 1], "target": [1, 2], "factors": [1.0, 1.0],
        "messages": [2.0, 3.0], "outputs": [2],
    } | more)  # fmt: skip


def test_lists_are_taken_for_arrays():
    graph = three()
    assert graph.gradients.dtype == float
    assert graph.levels.dtype == np.intp
    check_svg(draw(graph, engine="builtin").svg)


@pytest.mark.parametrize(("spoiled", "words"), [
    ({"values": [1.0, 2.0]}, r"values has the shape \(2,\), expected \(3,\): one per node, and names has 3"),
    ({"gradients": [[1.0, 2.0, 3.0]]}, r"gradients has the shape \(1, 3\), expected \(3,\)"),
    ({"ops": ["tanh"]}, r"ops has the shape \(1,\), expected \(3,\)"),
    ({"target": [1]}, r"target has the shape \(1,\), expected \(2,\): one per edge, and source has 2"),
    ({"messages": [1.0, 2.0, 3.0]}, r"messages has the shape \(3,\), expected \(2,\)"),
    ({"weight_gradients": [1.0]}, r"weight_gradients has the shape \(1,\), expected \(2,\)"),
    ({"open": [True]}, r"open has the shape \(1,\), expected \(2,\)"),
    ({"source": [0, 3]}, "edge 1 leads from node 3, but there are 3 nodes, counted from 0"),
    ({"target": [-1, 2]}, "edge 0 leads to node -1, but there are 3 nodes"),
    ({"outputs": [3]}, "output 0 is node 3, but there are 3 nodes"),
    ({"levels": [0, 1, 1]}, "edge 1 leads from 'b' at level 1 to 'c' at level 1, not to a higher one; levels are the"),
    ({"source": [0, 2], "target": [1, 0]}, "edge 1 leads from 'c' at level 2 to 'a' at level 0, not to a higher one"),
    ({"levels": [-1, 1, 2]}, "node 0 has level -1; the lowest is 0"),
    ({"levels": [0.0, 1.0, 2.0]}, r"levels holds whole numbers, got float64: \[0.0, 1.0, 2.0\]"),
    ({"values": ["a", "b", "c"]}, "values holds numbers, got <U1: "),
    ({"kinds": [0, 1, 7]}, "node 2 is of kind 7; kinds are INPUT, UNIT and LOSS"),
    ({"names": ["a", "b", "a"]}, "nodes 0 and 2 are both called 'a'; names are unique"),
])  # fmt: skip
def test_a_graph_whose_parts_do_not_fit_is_refused(spoiled, words):
    with pytest.raises(ValueError, match=words):
        three(**spoiled)


def test_edges_with_a_delay_may_lead_back():
    graph = three(source=[0, 1, 2], target=[1, 2, 0], factors=[1.0] * 3, messages=[1.0] * 3, delayed=[0, 0, 1])
    for view in VIEWS:
        check_svg(draw(graph, view, engine="builtin").svg)


def test_what_goes_to_a_terminal_moves_no_cursor():
    x = Value(1.0, name="\x1b[2Jx")
    y = x * 2
    y.name = "\x1b]0;owned\x07"
    for text in (draw(y, engine="builtin").text, draw(three(notes=("\x1b[31m",)), engine="builtin").text):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", text)


# Many edges. ---------------------------------------------------------------------------------------------------------


def bundle(count, fan):
    """`count` edges between two nodes, or from as many nodes into one."""
    n = count + 1 if fan else 2
    source = np.arange(count) if fan else np.zeros(count, np.intp)
    return Graph(
        names=[f"u{i}" for i in range(n)], ops=["tanh"] * n, kinds=np.full(n, UNIT), values=np.zeros(n),
        gradients=np.ones(n), levels=np.array([0] * (n - 1) + [1]), source=source, target=np.full(count, n - 1),
        factors=np.ones(count), messages=np.linspace(1.0, 2.0, count), outputs=np.array([n - 1]), noun="unit",
    )  # fmt: skip


@pytest.mark.parametrize("fan", [False, True])
def test_a_hundred_thousand_edges_into_one_node_are_drawn_as_what_can_be_seen(fan):
    diagram = draw(bundle(100_000, fan))
    check_svg(diagram.svg)
    assert len(diagram.svg) < 200_000
    assert "100,000 edges" in diagram.text


# Files. --------------------------------------------------------------------------------------------------------------


def small():
    x = Value(3.0, name="x")
    y = x * x
    y.backward()
    return y


@pytest.mark.parametrize(("make", "error"), [
    (lambda p: p / "no" / "a.svg", FileNotFoundError),
    (lambda p: p / "file.svg" / "a.svg", NotADirectoryError),
    (lambda p: p / "folder.svg", (IsADirectoryError, PermissionError)),
    (lambda p: p / ("x" * 300 + ".svg"), OSError),
    (lambda p: p / "nul\x00.svg", ValueError),
])  # fmt: skip
def test_what_cannot_be_written_raises_and_leaves_nothing(tmp_path, make, error):
    (tmp_path / "file.svg").write_text("old")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(error):
        draw(small(), path=make(tmp_path), engine="builtin")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file.svg", "folder.svg"]
    assert (tmp_path / "file.svg").read_text() == "old"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_named(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="locked"):
        draw(small(), path=folder / "a.svg", engine="builtin")


@pytest.mark.parametrize("path", ["a", "a.", ".svg", "a.gif", "a.svg.zip", ""])
def test_a_path_without_a_known_suffix_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="does not end as a picture does"):
        draw(small(), path=path, engine="builtin")
    assert list(tmp_path.iterdir()) == []


# The same bytes. -----------------------------------------------------------------------------------------------------

PROGRAM = """
import hashlib, sys
import numpy as np
from autograd import Value
from autograd.net import Net
from visualize import draw
net = Net.layered([5, 30, 30, 3], seed=3)
net.forward(np.linspace(-1, 1, 5)); net.sweep([0.0, 1.0, 2.0])
xs = [Value(0.1 * k, name=f"x{k}") for k in range(8)]
y = sum((x * z).tanh() for x in xs for z in xs[:3]); y.backward()
for x in (net, y):
    for view in ("labels", "circles", "levels", "groups"):
        for engine in ("builtin", None):
            d = draw(x, view, engine=engine, theme="auto")
            for whole in (d.svg, d.dot.source, d.text, d.ascii):
                print(hashlib.sha256(whole.encode()).hexdigest())
"""


def test_two_processes_draw_the_same_bytes():
    def run(seed):
        done = subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONHASHSEED": seed},
                              capture_output=True, text=True, check=True)  # fmt: skip
        return done.stdout.split()

    first, second = run("0"), run("1")
    assert len(first) == 2 * 4 * 2 * 4
    assert first == second


@given(graphs(), st.sampled_from(VIEWS))
def test_any_picture_is_the_same_bytes_again(graph, view):
    digests = {hashlib.sha256(draw(graph, view, engine="builtin").svg.encode()).hexdigest() for _ in range(2)}
    assert len(digests) == 1


def test_numbers_beyond_the_range_of_a_double_have_their_power():
    shown = [number_at(x) for x in (-2.0, 0.0, 2.5, 400.5, -400.0, math.inf, -math.inf, math.nan)]
    assert shown == ["0.01", "1", "316", "3.16e400", "1e−400", "∞", "0", "NaN"]
