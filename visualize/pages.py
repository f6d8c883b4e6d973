"""One self-contained HTML page of a diagram: zoom, search, paths of a node, steps of a training, two sweeps compared.

Python lays the graph out and packs the numbers; the script of the page (page.js) draws them and answers the reader. The
page needs no server and asks for nothing: a content security policy forbids it every request.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from visualize import shown
from visualize.graph import Graph, short
from visualize.looks import counts, node_lines, sizes
from visualize.scales import DARK, LIGHT, Floats, Ints
from visualize.verdict import verdict
from visualize.views import CALM, CROWD, MOST_EDGES, STRONGEST, skip_words

if TYPE_CHECKING:
    from visualize.diagrams import Diagram
    from visualize.layout import Route

#: Bytes of a page: numbers of edges at earlier steps that make it larger are left out, and it says so.
BUDGET = 990_000
#: Bytes kept of each number: at nodes a relative error of 10^-6, at edges of 10^-4. What is printed is exact.
NODE_BYTES, EDGE_BYTES = 4, 3


def page(diagram: Diagram, steps: Sequence[tuple[str, Graph]] = (), against: Graph | None = None) -> str:
    """Return a diagram as one HTML page that works from a file, without a server or a network.

    The layout is that of the diagram, at every step. In a view without a place for each node (levels, groups) the page
    shows the picture of the diagram itself, with zoom and search.

    Args:
        diagram: what `visualize.draw` returned. The theme "dark" makes the page dark; otherwise it follows the
            reader's system. A button changes it.
        steps: a label and the graph at that time, in order: the page gets a slider over them. The graph of the diagram
            itself is added as the last step if it is not there.
        against: another sweep of the same graph; the page opens with the change from it. A view without places shows
            the sweep that the diagram itself was drawn against, and no other.

    Returns:
        The HTML, the same for the same diagram.

    Raises:
        ValueError: if a step or `against` has other nodes or edges than the diagram, or the view has no place for each
            node and so cannot show them.
    """
    states = _states(diagram, steps, against)
    style, script = _asset("page.css") + _colours(), _asset("page.js")
    data: dict[str, Any]
    picture, notes = "", list[str]()
    if diagram.layout is None:
        picture, width, height = _body(diagram)
        data = {"view": "picture", "width": width, "height": height}
    else:
        data = {"view": diagram.view, **_network(diagram), "compare": against is not None,
                "many": any(state.graph.samples > 1 for state in states)}
        around = len("".join([style, script, diagram.text, _json(data), _asset("page.html")]).encode())
        data["states"], notes = _packed_states(diagram, states, BUDGET - around)
    policy = (f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
              "base-uri 'none'; form-action 'none'")
    return Template(_asset("page.html")).substitute(
        theme=' data-theme="dark"' if diagram.theme == "dark" else "",
        policy=policy,
        title=escape(short(diagram.title)),
        counts=escape(counts(diagram.graph)),
        verdict=escape(diagram.verdict),
        caption=escape(" · ".join([diagram.caption, *notes])),
        text=escape(diagram.text),
        picture=picture,
        style=style.strip("\n"),
        script=script.strip("\n"),
        data=_json(data),
    )


# Steps. --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _State:
    """A graph at one time.

    Args:
        label: what the page calls it.
        graph: the numbers.
        apart: whether it is no step, but another sweep to compare with.
    """

    label: str
    graph: Graph
    apart: bool = False


def _states(diagram: Diagram, steps: Sequence[tuple[str, Graph]], against: Graph | None) -> list[_State]:
    """Return what the page can show, the slider's steps first and in order."""
    if diagram.layout is None and (len(steps) or (against is not None and against is not diagram.against)):
        raise ValueError(f"the view {diagram.view!r} has no place for each node, so its page cannot show steps or the "
                         "change between two sweeps; draw the graph with view='circles' or view='labels'")
    for name, graph in [*((f"step {label!r}", graph) for label, graph in steps),
                        *([("against", against)] if against is not None else [])]:
        try:
            shown.same_structure(diagram.graph, graph)
        except ValueError as error:
            raise ValueError(f"{name} does not fit the diagram: {error}") from None
    states = [_State(short(str(label), 80), graph) for label, graph in steps]
    if not states or not _same_numbers(states[-1].graph, diagram.graph):
        states.append(_State("as drawn" if states else "this sweep", diagram.graph))
    if against is not None:
        states.append(_State("the other sweep", against, apart=True))
    return states


def _same_numbers(a: Graph, b: Graph) -> bool:
    return all(np.array_equal(x, y, equal_nan=True)
               for x, y in ((a.values, b.values), (a.gradients, b.gradients), (a.messages, b.messages)))


def _packed_states(
    diagram: Diagram, states: Sequence[_State], room: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the numbers of all states in about `room` bytes, and what had to be left out."""
    packs = []
    edges = []
    for state in states:
        graph = state.graph
        nodes, lines = diagram.channels(graph)
        pack: dict[str, Any] = {
            "label": state.label,
            "apart": state.apart,
            "loss": None if graph.loss is None else repr(float(graph.loss)),
            "swept": graph.swept,
            "verdict": verdict(graph, ref=diagram.reference(graph)),
            "reference": nodes.scale.reference,
            "edgeReference": lines.scale.reference,
            "values": packed(graph.values, NODE_BYTES),
            "gradients": packed(graph.gradients, NODE_BYTES),
            "marks": _runs(graph.marks),
            "fillMarks": _runs(nodes.marks),
            "edgeMarks": _runs(lines.marks),
        }
        if nodes.values is not graph.gradients:
            pack["fills"] = packed(nodes.values, NODE_BYTES)
        if graph.open is not None:
            pack["closed"] = np.flatnonzero(~graph.open).tolist()
        fields = {"messages": graph.messages, "factors": graph.factors}
        if graph.weight_gradients is not None:
            fields["weightGradients"] = graph.weight_gradients
        if lines.values is not graph.messages:
            fields = {"strengths": lines.values} | fields
        pack["strong"] = (skip_words(graph) or ("", []))[1] if diagram.view == "circles" else []
        packs.append(pack)
        edges.append(fields)
    return packs, _add_edges(packs, edges, room)


def _add_edges(packs: Sequence[dict[str, Any]], edges: Sequence[Mapping[str, Floats]], room: int) -> list[str]:
    """Add the numbers of the edges as far as there is room, and say what is missing.

    What colours the edges comes first: at every step, or at every second, third ... that the room allows, always at the
    last. The other numbers, which are in tips and labels only, are there at all steps or at the last.
    """
    steps = [k for k, pack in enumerate(packs) if not pack["apart"]]
    apart = [k for k, pack in enumerate(packs) if pack["apart"]]
    colours, *others = edges[steps[-1]]
    each = 4 * math.ceil(EDGE_BYTES * len(edges[0][colours]) / 3) + 30
    room -= len(_json(packs))
    every = math.ceil(len(steps) / min(max(room // each - len(apart), 1), len(steps)))
    drawn = [k for k in steps if (len(steps) - 1 - k) % every == 0] + apart
    notes = [f"edges are drawn anew at every {_ordinal(every)} step, the last among them"] if every > 1 else []
    room -= each * len(drawn)
    everywhere = others if len(packs) == 1 else others[: max(room // (each * len(packs)), 0)]
    for k, (pack, fields) in enumerate(zip(packs, edges, strict=True)):
        wanted = [colours] if k in drawn else []
        for name in (*wanted, *(others if k == steps[-1] else everywhere)):
            if name in fields:
                pack[name] = packed(fields[name], EDGE_BYTES)
    missing = [{"weightGradients": "∂w"}.get(name, name) for name in others if name not in everywhere]
    if missing:
        notes.append(f"edges have their {' and '.join(missing)} at the last step only")
    return [f"to keep the page small, {'; '.join(notes)}"] if notes else []


def _ordinal(n: int) -> str:
    return f"{n}{'th' if n % 100 in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


# The network. --------------------------------------------------------------------------------------------------------


def _network(diagram: Diagram) -> dict[str, Any]:
    """Return everything that stays the same at all steps."""
    graph, placed = diagram.graph, diagram.layout
    assert placed is not None
    circles = diagram.view == "circles"
    widths, heights = sizes(graph, diagram.nodes, circles)
    fill, line = diagram.channels(graph)
    nodes = {
        "x": _rounded(placed.at[:, 0]), "y": _rounded(placed.at[:, 1]), "w": _rounded(widths), "h": _rounded(heights),
        "names": [short(name) for name in graph.names],
        "heads": [] if circles else [node_lines(graph, diagram.nodes, i)[0] for i in range(len(graph))],
        "ops": [short(op, 80) for op in graph.ops],
        "kinds": _digits(graph.kinds),
        "levels": graph.levels.tolist(),
    }
    edges = {
        "source": graph.source.tolist(), "target": graph.target.tolist(),
        "gates": [graph.gates.start, graph.gates.stop],
        "weighted": graph.weight_gradients is not None,
        **_routes(graph, placed.routes, circles),
    }
    return {
        "width": round(placed.width, 1), "height": round(placed.height, 1),
        "noun": graph.noun, "symbol": graph.symbol, "call": short(graph.call),
        "fill": fill.name, "fillTitle": fill.title, "ends": list(fill.ends), "words": fill.scale.words,
        "line": line.name, "lineTitle": line.title,
        "limits": {"calm": CALM, "crowd": CROWD, "strongest": STRONGEST, "most": MOST_EDGES},
        "levelNames": [[level, graph.level_name(level)] for level in np.unique(graph.levels).tolist()],
        "nodes": nodes, "edges": edges,
    }


def _routes(graph: Graph, routes: Sequence[Route], circles: bool) -> dict[str, Any]:
    """Return the curves of the edges that are not straight from middle to middle, their arrowheads and label places."""
    curves, heads, labels = {}, {}, {}
    spans = graph.levels[graph.target] - graph.levels[graph.source]
    for e, route in enumerate(routes):
        if circles and (spans[e] == 1 or len(graph) > CALM):
            continue
        start, rest = route.points[0], route.points[1:]
        curves[e] = f"M{_n(start[0])},{_n(start[1])}C" + " ".join(f"{_n(x)},{_n(y)}" for x, y in rest)
        if not circles:
            if route.head is not None:
                heads[e] = [round(x, 1) for x in (*route.points[-1], *route.head)]
            if route.label is not None:
                labels[e] = [round(x, 1) for x in route.label]
    return {"curves": curves, "heads": heads, "labels": labels}


def _n(x: float) -> str:
    return f"{x:.1f}".removesuffix(".0")


def _rounded(x: Floats) -> list[float]:
    return [int(v) if v == int(v) else v for v in np.round(x, 1).tolist()]


def _digits(x: Ints) -> str:
    return "".join(map(str, x.tolist()))


def _runs(x: Ints) -> str:
    """Return small numbers as runs, "0*198 3 0*2"."""
    cuts = [0, *(np.flatnonzero(np.diff(x)) + 1).tolist(), len(x)] if len(x) else []
    runs = [(int(x[a]), b - a) for a, b in itertools.pairwise(cuts)]
    return " ".join(f"{value}*{length}" if length > 1 else str(value) for value, length in runs)


def packed(x: Floats, size: int) -> str:
    """Return numbers in base64: of each double, big end first, the first `size` bytes.

    A number of which these print otherwise than the whole (see `scales.number`) is moved to a neighbour that does not;
    if there is none, as among the smallest subnormal numbers, all are kept whole. The reader tells by the length.

    Args:
        x: [n].
        size: 2 to 8.
    """
    whole = np.asarray(x, np.float64)
    bits = np.where(np.isnan(whole), np.nan, whole).view(np.uint64)
    unit = np.uint64(1 << 8 * (8 - size))
    floor = bits & ~(unit - np.uint64(1))
    with np.errstate(over="ignore"):
        nearest = (bits + (unit >> np.uint64(1))) & ~(unit - np.uint64(1))
    printed = [f"{v:.2e}" for v in whole.tolist()]
    wrong = [k for k, v in enumerate(nearest.view(np.float64).tolist()) if f"{v:.2e}" != printed[k]]
    for candidate in (floor, floor + unit):
        nearest[wrong] = candidate[wrong]
        wrong = [k for k in wrong if f"{nearest[k].view(np.float64):.2e}" != printed[k]]
    if wrong:
        nearest, size = bits, 8
    raw = nearest.astype(">u8").view(np.uint8).reshape(-1, 8)[:, :size]
    return base64.b64encode(np.ascontiguousarray(raw).tobytes()).decode()


# The page around it. -------------------------------------------------------------------------------------------------


def _body(diagram: Diagram) -> tuple[str, float, float]:
    """Return the picture of a diagram without its outer element and style, which the page has itself, and its size."""
    svg = diagram.scene.svg("light")
    start = re.search(r"</style>\s*<rect[^>]*/>", svg)
    assert start is not None
    return svg[start.end() : svg.rindex("</svg>")].strip("\n"), round(diagram.scene.width, 1), round(
        diagram.scene.height, 1)


def _colours() -> str:
    """Return the palettes as variables, and the classes that use them: f- for fills, s- for strokes, t- for text."""
    def variables(palette: Mapping[str, str]) -> str:
        return " ".join(f"--{role}: {colour};" for role, colour in palette.items())

    classes = "\n".join(f".f-{r} {{ fill: var(--{r}); background: var(--{r}); }} .s-{r} {{ stroke: var(--{r}); }} "
                        f".t-{r} {{ fill: var(--{r}); color: var(--{r}); }}" for r in LIGHT)
    return (f"\n/* The palettes. */\n\n:root {{ {variables(LIGHT)} }}\n"
            f"@media screen and (prefers-color-scheme: dark) {{\n  :root:not([data-theme=\"light\"]) "
            f"{{ {variables(DARK)} }}\n}}\n"
            f"@media screen {{\n  :root[data-theme=\"dark\"] {{ {variables(DARK)} }}\n}}\n{classes}\n")


@cache
def _asset(name: str) -> str:
    return resources.files("visualize").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """Return the source expression of a policy that allows an inline element with this text between line ends."""
    content = "\n" + text.strip("\n") + "\n"
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _json(data: object) -> str:
    """Return data as JSON that cannot end the element it stands in, nor a line of script."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
