"""Tests of the layout engines: their order, good and bad ones, what is said of those passed over, our own layout."""

import itertools
import os
import re
import stat
import sys
import time
import xml.etree.ElementTree as ET

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from autograd.net import Net
from visualize import EngineError, EngineTimeoutError, draw, engines, layout, scales
from visualize.layout import Plan
from visualize.scene import quote, text_width

SVG = "{http://www.w3.org/2000/svg}"
embedded = pytest.mark.skipif(engines.embedded() is None, reason="graphviz-pure is not installed")


def small_net():
    """Eleven nodes with the loss, 3 inputs, two hidden layers, an output."""
    net = Net.layered([3, 4, 2, 1], seed=2)
    net.forward([1.0, -2.0, 0.5])
    net.sweep([1.03])
    return net


def plan(**more):
    """Four nodes: a and b feed c, c and a feed d."""
    return Plan(**{
        "levels": np.array([0, 0, 1, 2]), "source": np.array([0, 1, 2, 0]), "target": np.array([2, 2, 3, 3]),
        "widths": np.full(4, 40.0), "heights": np.array([20.0, 30.0, 20.0, 20.0]),
    } | more)  # fmt: skip


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Return a function that writes a fake layout engine and returns its path."""
    monkeypatch.setattr(engines, "SMOKE_TIMEOUT", 3.0)

    def make(body, name="fake-dot"):
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\nimport json, os, re, subprocess, sys, time\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


# An engine that passes the smoke test and puts all nodes of a graph in a row.
ROW = """
dot = sys.stdin.read()
names = list(dict.fromkeys(re.findall(r"^\\t*(n\\d+) \\[", dot, re.M))) or ["a", "b"]
edges = re.findall(r"(n\\d+) -> (n\\d+) \\[.*?id=(e\\d+)", dot)
at = {n: (50.0 + 90 * k, 20.0) for k, n in enumerate(names)}
print(json.dumps({
    "bb": f"0,0,{100 * len(names)},40",
    "objects": [{"name": n, "pos": f"{x},{y}"} for n, (x, y) in at.items()],
    "edges": [{"id": i, "pos": "e,1,1 " + " ".join(f"{x},{y}" for x, y in (at[s], at[s], at[t], at[t]))}
              for s, t, i in edges],
}))
"""


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine without any engine; those in tmp_path are on its PATH."""

    def not_installed(name):
        raise engines.metadata.PackageNotFoundError(name)

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("GRAPHVIZ_DOT", raising=False)
    monkeypatch.setattr(engines, "embedded", lambda: None)
    monkeypatch.setattr(engines.metadata, "version", not_installed)
    engines.complaint.cache_clear()
    yield
    engines.complaint.cache_clear()


# Which engine. -------------------------------------------------------------------------------------------------------


def test_the_order_of_the_engines(engine, bare, monkeypatch):
    env, dot = engine(ROW, "from-env"), engine(ROW, "dot")
    monkeypatch.setenv("GRAPHVIZ_DOT", env)
    monkeypatch.setattr(engines.metadata, "version", lambda _: "2.0")
    monkeypatch.setattr(engines, "embedded", lambda: env)
    assert [e.name for e in engines.working("json0").there()] == ["from-env", "dot", "graphviz-pure", "pygraphviz"]
    assert draw(small_net()).layout.engine == "from-env"
    monkeypatch.delenv("GRAPHVIZ_DOT")
    assert draw(small_net()).layout.engine == "dot"
    assert draw(small_net(), engine=env).layout.engine == "from-env"
    os.remove(dot)
    assert draw(small_net()).layout.engine == "graphviz-pure"


def test_an_engine_that_does_not_work_is_passed_over(engine, bare, monkeypatch):
    for k, body in enumerate(("sys.exit('no such option')", "print('garbage')", "os.kill(os.getpid(), 11)",
                              "print(json.dumps({'objects': []}))")):
        path = engine(body, f"dot{k}")
        monkeypatch.setenv("GRAPHVIZ_DOT", path)
        assert draw(small_net()).layout.engine == "builtin"


def test_garbage_after_a_passed_smoke_test_is_passed_over_too(engine, bare, monkeypatch):
    bodies = [f"{ROW}\nif len(names) > 2: print('rubbish')", ROW.replace('names = ', 'cut = 9\nnames = ').replace(
        "for n, (x, y) in at.items()]", "for n, (x, y) in list(at.items())[:cut]]"), ROW.replace("e,1,1 ", "e,1,x ")]
    for k, body in enumerate(bodies):
        path = engine(body, f"bad{k}")
        monkeypatch.setenv("GRAPHVIZ_DOT", path)
        assert draw(small_net()).layout.engine == "builtin"
        with pytest.raises(EngineError, match=r"is no layout|left out"):
            draw(small_net(), engine=path)


def test_an_engine_asked_for_that_fails_raises(engine):
    with pytest.raises(EngineError, match="there is no program '/no/such/dot'"):
        draw(small_net(), engine="/no/such/dot")
    with pytest.raises(EngineError, match=r"was asked for and does not work: .* \(exit status 1\): no such option"):
        draw(small_net(), engine=engine("sys.exit('no such option')"))
    with pytest.raises(EngineError, match=r"does not work: .* wrote b'hello"):
        draw(small_net(), engine=engine("print('hello')", "talker"))


@pytest.mark.parametrize(("body", "why"), [
    ("sys.exit('no such option')", "failed (exit status 1): no such option"),
    ("print('hello')", r"wrote b'hello\n' when asked for json0"),
    ("sys.stdin.close(); print(json.dumps({'objects': []}))", "wrote b'{\"objects\": []}\\n' when asked for json0"),
    (f"{ROW}\nif len(names) > 2: print('rubbish')", "wrote something that is no layout: b'{\"bb\": "),
    (f"{ROW}\nif len(names) > 2: sys.exit('too hard')", "failed (exit status 1): too hard"),
])  # fmt: skip
def test_what_is_passed_over_is_said_with_the_reason(engine, bare, body, why):
    engine(body, "dot")
    placed = layout.arrange(plan())
    assert placed.engine == "builtin"
    (said,) = placed.passed
    assert said.startswith(f"dot {why}")
    assert placed.credit == f"builtin ({said})"


def test_the_next_engine_takes_over_and_all_that_failed_are_named(engine, bare, monkeypatch):
    monkeypatch.setenv("GRAPHVIZ_DOT", "/no/such/dot")
    engine("sys.exit('broken')", "dot")
    good = engine(ROW, "good")
    monkeypatch.setattr(engines, "embedded", lambda: good)
    assert layout.arrange(plan()).credit == (
        "graphviz-pure (GRAPHVIZ_DOT='/no/such/dot' is not there; dot failed (exit status 1): broken)")
    os.remove(good)
    placed = layout.arrange(plan())
    assert placed.engine in ("graphviz-pure", "builtin")
    monkeypatch.delenv("GRAPHVIZ_DOT")
    engine(ROW, "dot")
    engines.complaint.cache_clear()
    assert layout.arrange(plan()).credit == "dot"


def test_engines_that_are_not_there_are_not_missed(bare):
    placed = layout.arrange(plan())
    assert placed.passed == ()
    assert placed.credit == "builtin"


def test_one_engine_by_two_ways_is_tried_once(engine, bare, monkeypatch):
    monkeypatch.setenv("GRAPHVIZ_DOT", engine("sys.exit('broken')", "dot"))
    assert layout.arrange(plan()).passed == ("dot failed (exit status 1): broken",)


def test_an_engine_that_hangs_is_waited_for_once(engine, bare, tmp_path):
    log = tmp_path / "log"
    engine(f"open({str(log)!r}, 'a').write('x')\ntime.sleep(60)", "dot")
    for _ in range(2):
        assert layout.arrange(plan()).passed == ("dot did not finish the smoke test in 3 s",)
    for kind in ("png", "pdf"):
        with pytest.raises(EngineError, match=f"cannot make a {kind.upper()}: dot did not finish the smoke test"):
            engines.picture(kind, "digraph {}")
    assert log.read_text() == "x"


def test_after_a_layout_that_takes_too_long_no_other_engine_is_tried(engine, bare, monkeypatch):
    slow = f"{ROW}\nif len(names) > 2: time.sleep(60)"
    engine(slow, "dot")
    good = engine(ROW, "good")
    monkeypatch.setattr(engines, "embedded", lambda: good)
    assert layout.arrange(plan(), timeout=0.5).credit == "builtin (dot did not finish in 0.5 s)"
    with pytest.raises(EngineTimeoutError, match=r"the layout engine dot did not finish in 0.5 s; give it longer"):
        layout.arrange(plan(), "dot", timeout=0.5)


def test_an_old_pygraphviz_is_named(engine, bare, monkeypatch, tmp_path):
    (tmp_path / "pygraphviz.py").write_text("__version__ = '1.14'")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(engines.metadata, "version", lambda _: "1.14")
    assert layout.arrange(plan()).passed == ("pygraphviz failed (exit status 1): version 1.14 is older than 2",)


def test_what_pygraphviz_is_told(bare, monkeypatch, tmp_path):
    # The child reads DOT from stdin and passes program, options and format on, as those of dot come.
    (tmp_path / "pygraphviz.py").write_text("""
import json
__version__ = "2.0"
class AGraph:
    def __init__(self, string): self.string = string
    def draw(self, format, prog, args):
        assert self.string.startswith("digraph {")
        if format == "json0":
            where = {"objects": [{"name": "n%d" % k, "pos": "%d,20" % (20 + 100 * k)} for k in range(self.string.count(
                " [shape") or 2)], "edges": [], "bb": "0,0,400,40"}
            return json.dumps(where).encode()
        return ("%%PDF-%s %s %s" % (format, prog, args)).encode()
""")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(engines.metadata, "version", lambda _: "2.0")
    assert layout.arrange(plan(routed=False)).credit == "pygraphviz"
    assert engines.picture("pdf", "digraph {}") == b"%PDF-pdf nop2 "


def test_missing_packages_are_named_with_what_to_install(bare):
    with pytest.raises(EngineError, match=r"pygraphviz is not installed; pip install 'dagrad\[pdf\]'"):
        layout.arrange(plan(), "pygraphviz")
    with pytest.raises(EngineError, match=r"graphviz-pure is not installed; pip install graphviz-pure"):
        layout.arrange(plan(), "graphviz-pure")
    with pytest.raises(EngineError, match=r"cannot make a PDF: no engine here writes PDF. pip install 'dagrad\[pdf\]' "
                       r"\(pygraphviz >= 2, .*\), or install Graphviz itself \(apt install graphviz, .* SVG needs no"):
        engines.picture("pdf", "digraph {}")


# Engines that fail. --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_engine_that_crashes_is_named_with_its_signal(engine):
    with pytest.raises(EngineError, match=r"failed \(signal 11\): without a word"):
        draw(small_net(), engine=engine("os.kill(os.getpid(), 11)"))


def test_an_engine_that_hangs_is_ended_with_all_that_it_started(engine, bare, monkeypatch):
    # The grandchild holds the pipes open: ending the child alone would wait for it.
    hang = f"""
dot = sys.stdin.read()
if "n0" in dot:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    time.sleep(60)
sys.stdin = __import__("io").StringIO(dot)
{ROW}
"""
    path = engine(hang, "sleeper")
    start = time.monotonic()
    with pytest.raises(EngineTimeoutError, match=r"did not finish in 0.5 s; give it longer with timeout="):
        draw(small_net(), engine=path, timeout=0.5)
    assert time.monotonic() - start < 10
    monkeypatch.setenv("GRAPHVIZ_DOT", path)
    assert draw(small_net(), timeout=0.5).layout.engine == "builtin"


def test_an_engine_that_moves_what_is_pinned_makes_no_pictures(engine):
    path = engine(ROW, "mover")
    assert engines.complaint(engines.named(path), "json0") == ""
    with pytest.raises(EngineError, match="mover does not keep nodes in their places"):
        draw(small_net(), engine=path, format="png")


def test_without_any_engine_there_are_pictures_and_a_clear_error_for_png(bare):
    diagram = draw(small_net())
    assert diagram.layout.engine == "builtin"
    ET.fromstring(diagram.svg)
    with pytest.raises(EngineError, match=r"cannot make a PNG: no engine here writes PNG. pip install graphviz-pure"):
        diagram.png()
    with pytest.raises(EngineError, match=r"cannot make a PDF: .* print the SVG from a browser"):
        draw(small_net(), format="pdf")


@embedded
def test_the_embedded_engine_has_no_pdf_and_says_so(bare, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(EngineError, match=r"engine='graphviz-pure' was asked for and does not work: the layout engine "
                       r"graphviz-pure failed \(exit status 1\): Format: .pdf. not recognized"):
        engines.picture("pdf", "digraph {}", "graphviz-pure")


@embedded
def test_the_embedded_engine_lays_out_and_makes_png(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))  # scripts are often not on the PATH
    monkeypatch.delenv("GRAPHVIZ_DOT", raising=False)
    diagram = draw(small_net())
    assert diagram.layout.engine == "graphviz-pure"
    for view in ("labels", "circles", "levels"):
        diagram = draw(small_net(), view, format="png")
        png = diagram.png()
        assert png.startswith(b"\x89PNG")
        width, height = (int.from_bytes(png[k : k + 4], "big") for k in (16, 20))
        # The PNG is the composed picture, so it has the size of the SVG.
        assert width == pytest.approx(diagram.scene.width * 2, abs=8)
        assert height == pytest.approx(diagram.scene.height * 2, abs=8)
        assert diagram._repr_mimebundle_()["image/png"] == png


@embedded
def test_png_and_svg_have_the_same_content():
    diagram = draw(small_net())
    pinned = diagram.scene.dot(scales.LIGHT)
    drawn = engines.named("graphviz-pure").run(pinned, [engines.PINNED, "-Tsvg"], 10).decode()

    def letters(svg):
        whole = "".join("".join(e.itertext()) for e in ET.fromstring(svg).iter(SVG + "text"))
        return sorted(re.sub(r"\s", "", whole))

    assert letters(drawn) == letters(diagram.svg)


@embedded
@given(st.lists(st.text(max_size=8), min_size=1, max_size=3))
def test_quoted_text_is_only_text(lines):
    label = quote(lines)
    drawn = engines.named("graphviz-pure").run(f"digraph {{ a [label={label}] }}", ["-Kdot", "-Tsvg"], 10).decode()
    shown = "".join("".join(e.itertext()) for e in ET.fromstring(drawn).iter(SVG + "text"))
    letters = re.sub(r"\s", "", "".join(lines))
    assert re.sub(r"\s", "", shown) == re.sub("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", letters)


@pytest.mark.parametrize(("name", "bold"), [("graphviz-pure", "Helvetica-Bold"), ("dot", "Arial Bold")])
def test_every_engine_is_given_its_own_name_of_the_bold_font(name, bold, monkeypatch):
    asked = []
    monkeypatch.setattr(engines.Engine, "run", lambda self, dot, *_: asked.append(dot) or b"\x89PNG\r\n")
    monkeypatch.setattr(engines, "working", lambda kind, engine: [engines.Engine(name, ())])
    engines.picture("png", draw(small_net(), engine="builtin").scene.dot(scales.LIGHT))
    (dot,) = asked
    assert f'fontname="{bold}"' in dot
    assert dot.count("Bold") == dot.count(bold)


def test_entities_in_a_name_stay_as_they_are():
    assert quote(["a &lt; b & c"]) == '"a &amp;lt; b &amp; c"'


# Plans. --------------------------------------------------------------------------------------------------------------


@embedded
@pytest.mark.parametrize("who", ["graphviz-pure", "builtin"])
@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("routed", [True, False])
def test_a_plan_is_laid_out_alike_by_all(who, columns, routed):
    given_ = plan(columns=columns, routed=routed, arrows=np.array([8.0, 8, 8, 8]), shapes=["box"] * 4,
                  labels=[["w 1", "∂w 2"], ["w 3"], [], ['"']])  # fmt: skip
    placed = layout.arrange(given_, who)
    assert placed.engine == who
    x = placed.at[:, 0]
    for s, t in zip(given_.source, given_.target, strict=True):
        assert x[t] - x[s] >= 40 + given_.gap - 1
    if columns:
        assert x[0] == pytest.approx(x[1])
    for i, j in itertools.combinations(range(4), 2):
        dx, dy = np.abs(placed.at[i] - placed.at[j])
        assert dx >= 40 or dy >= (given_.heights[i] + given_.heights[j]) / 2
    assert (placed.at >= 0).all()
    assert (placed.at <= [placed.width, placed.height]).all()
    assert len(placed.routes) == 4
    for s, t, label, route in zip(given_.source, given_.target, given_.labels, placed.routes, strict=True):
        if routed:
            dx, dy = np.abs(route.head - placed.at[t]) - (20, given_.heights[t] / 2)
            assert -1 < max(dx, dy) < 2  # the arrow's point is at the outline
            assert route.label is not None or not label
        else:
            assert route.points[0] == pytest.approx(tuple(placed.at[s]))
            assert route.points[-1] == pytest.approx(tuple(placed.at[t]))
            assert route.head is None


def test_a_label_has_room_between_the_columns():
    words = "a label that is much wider than any gap"
    bare_, labelled = (layout.arrange(plan(labels=labels), "builtin") for labels in ((), [[words]] * 4))
    more = labelled.at[2, 0] - bare_.at[2, 0] - text_width(words, layout.LABEL)
    assert 8 <= more < 60  # beside it is its line


def test_an_empty_plan_needs_no_engine():
    none = np.zeros(0, np.intp)
    placed = layout.arrange(Plan(none, none, none, np.zeros(0), np.zeros(0)), "/no/such/dot")
    assert (placed.width, placed.height, placed.routes) == (0, 0, [])


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_our_layout_of_many_parallel_and_long_edges_is_finite(n, random):
    edges = sorted((s, t) for t in range(1, n) for s in range(t) for _ in range(random.randrange(3)))
    source, target = (np.array(x, np.intp) for x in zip(*edges, strict=True)) if edges else (np.zeros(0, np.intp),) * 2
    placed = layout.layered(np.arange(n), source, target, np.full(n, 9.0), np.full(n, 9.0))
    assert np.isfinite(placed.at).all()
    assert len(placed.routes) == len(edges)


def test_an_edge_that_leads_back_goes_over_its_nodes():
    # A unit that feeds itself, and one that feeds one before it.
    ends = {"source": np.array([0, 2, 2, 3]), "target": np.array([2, 2, 1, 3])}
    placed = layout.arrange(plan(arrows=np.full(4, 8.0), **ends), "builtin")
    for e in (1, 2, 3):
        (s, t), route = (ends["source"][e], ends["target"][e]), placed.routes[e]
        assert route.points[0][0] == pytest.approx(placed.at[s, 0] + 20)
        assert route.head[0] == pytest.approx(placed.at[t, 0] - 20)
        highest = min(y for _, y in layout.samples(route.points))
        assert 0 <= highest < min(placed.at[s, 1], placed.at[t, 1]) - 10
    assert layout.arrange(plan(**ends), "graphviz-pure" if engines.embedded() else "builtin").routes


def test_a_plan_is_the_same_bytes_again():
    assert plan(columns=True).dot == plan(columns=True).dot
    assert plan(columns=True).dot.splitlines() == [
        "digraph {",
        "graph [rankdir=LR nodesep=0.2778 ranksep=0.5000 splines=true]",
        'node [fixedsize=true margin=0 label=""]',
        "edge [fontname=Helvetica fontsize=9]",
        "n0 [shape=ellipse width=0.5556 height=0.2778]",
        "n1 [shape=ellipse width=0.5556 height=0.4167]",
        "n2 [shape=ellipse width=0.5556 height=0.2778]",
        "n3 [shape=ellipse width=0.5556 height=0.2778]",
        "n0 -> n2 [id=e0 arrowhead=none]",
        "n1 -> n2 [id=e1 arrowhead=none]",
        "n2 -> n3 [id=e2 arrowhead=none]",
        "n0 -> n3 [id=e3 arrowhead=none]",
        "{ rank=same n0 n1 }",
        "{ rank=same n2 }",
        "n0 -> n2 [style=invis weight=0]",
        "{ rank=same n3 }",
        "n2 -> n3 [style=invis weight=0]",
        "}",
    ]
