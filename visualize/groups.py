"""The views of large graphs: nodes in groups, a box with a histogram each, by level or by what a user groups by."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from visualize.graph import ALIVE, DEAD, DETACHED, NONFINITE, Graph, short
from visualize.layout import swing
from visualize.looks import counts
from visualize.scales import CLASSES, LIMIT, Ints, classes_of, edge_role, fill_role, ink_role, number_at, power_of_ten
from visualize.scene import Box, Curve, Group, Point, Run, Scene, Text, straight
from visualize.sheet import MARGIN, Sheet

if TYPE_CHECKING:
    from visualize.diagrams import Diagram

#: Boxes of a picture; more levels share boxes, more groups than this are refused.
MOST_BOXES, BOXES_A_ROW, MOST_GROUPS = 48, 8, 400
#: Arrows between groups; the weakest of more are left out.
MOST_ARROWS = 160
#: The size of a box, and the gaps beside and below it.
WIDE, HIGH, GAP, DROP = 140.0, 88.0, 40.0, 36.0
#: The gap between boxes that stand under one another in a column.
STACKED = 24.0
#: The width of a picture of groups, before they go on in a new row.
ACROSS = 1920.0
#: Room around the boxes of a cluster, and for its heading.
PAD, HEADING = 10.0, 20.0


class Node(NamedTuple):
    """What a grouping function is told of a node.

    Attributes:
        name: its name; "" for a Value without one.
        op: its operation or activation, "" for an input.
        level: its level.
    """

    name: str
    op: str
    level: int


#: What is between and around the numbers at the end of a name.
_NUMBERS = "0123456789[](){}<>_.,:;-#/ "
_DIGIT = re.compile("[0-9]")

#: Tells the group of a node; "hidden 1/weights" is the group "weights" in the cluster "hidden 1".
Grouping = Callable[[Node], str]


def by_prefix(node: Node) -> str:
    """Return the group of a node by its name: all but the numbers at its end; without letters the operation.

    >>> [by_prefix(Node(name, "tanh", 1)) for name in ("h12", "encoder/h_3", "w[0][12]", "bias", "7", "")]
    ['h', 'encoder/h', 'w', 'bias', 'tanh', 'tanh']
    """
    name = node.name
    stem = name.rstrip(_NUMBERS)
    if stem:
        return stem if _DIGIT.search(name, len(stem)) else name
    # The plain numbers among the operands are no part of an operation's name: "× 0.5" is "×".
    return re.sub(r"\s*−?\d[\d.e−]*", "", node.op).strip() or "inputs"


class Groups(NamedTuple):
    """Nodes in groups.

    Attributes:
        of: the group of each node, -1 for the loss of a net, which is in none [n].
        names: of the groups.
    """

    of: Ints
    names: list[str]


def grouped(graph: Graph, group: Grouping | None) -> Groups:
    """Return the groups of a graph, in the order of the values' flow.

    Args:
        graph: the graph.
        group: the grouping function; default `by_prefix`.

    Raises:
        TypeError: if the function returns no string.
        ValueError: if there are more groups than a picture can show.
    """
    group = by_prefix if group is None else group
    number_of: dict[str, int] = {}
    of = np.full(len(graph), -1, np.intp)
    units, levels = graph.units.tolist(), graph.levels.tolist()
    for i, (name, op, level) in enumerate(zip(graph.names, graph.ops, levels, strict=True)):
        if not units[i]:
            continue
        node = Node("" if i in graph.unnamed else name, op, level)
        found = group(node)
        if not isinstance(found, str):
            name = getattr(group, "__name__", group)
            raise TypeError(f"group={name} returned {found!r:.80} for {node}; it returns the name of a group")
        of[i] = number_of.setdefault(found, len(number_of))
    if len(number_of) > MOST_GROUPS:
        some = ", ".join(map(repr, itertools.islice(number_of, 3)))
        raise ValueError(f"{len(number_of):,} groups are more than a picture can show (at most {MOST_GROUPS}): {some}, "
                         "...; group by less with group=, or draw view='levels'")
    names = list(number_of)
    inside = of >= 0
    total = np.bincount(of[inside], graph.levels[inside], len(names))
    mean = total / np.bincount(of[inside], minlength=len(names))
    order = sorted(range(len(names)), key=lambda k: (mean[k], k))
    place = np.empty(len(names) + 1, np.intp)
    place[order] = np.arange(len(names))
    place[-1] = -1
    return Groups(place[of], [names[k] for k in order])


# Where boxes go. -----------------------------------------------------------------------------------------------------

Pair = tuple[int, int]


class _Part(NamedTuple):
    """Something that takes room: a box, or a cluster of boxes at their places in it."""

    width: float
    height: float
    boxes: list[tuple[int, float, float]]
    heading: str = ""


_Frame = tuple[_Part, Point]


def _order(parts: int, edges: Mapping[Pair, int]) -> list[int]:
    """Return the parts in topological order, those given first first; of a circle, the first given opens it."""
    before: list[set[int]] = [set() for _ in range(parts)]
    after: list[set[int]] = [set() for _ in range(parts)]
    for (a, b), count in edges.items():
        if count > edges.get((b, a), 0):  # most edges tell the direction
            before[b].add(a)
            after[a].add(b)
    order: list[int] = []
    waiting = dict.fromkeys(range(parts))
    while waiting:
        part = next((k for k in waiting if not before[k]), next(iter(waiting)))
        del waiting[part]
        order.append(part)
        for k in after[part]:
            before[k].discard(part)
    return order


def _columns(parts: int, edges: Mapping[Pair, int], entered: Container[int] = ()) -> list[list[int]]:
    """Return the parts in columns, each after the parts that lead to it.

    What nothing leads to, and what leads to one part alone, as weights do, stands under that part.

    Args:
        parts: how many there are.
        edges: how many edges lead from part to part.
        entered: the parts that something from elsewhere leads to.
    """
    order = _order(parts, edges)
    place = {part: k for k, part in enumerate(order)}
    forward = sorted((place[a], place[b]) for a, b in edges if place[a] < place[b])
    targets: dict[int, set[int]] = {}
    for a, b in forward:
        targets.setdefault(a, set()).add(b)
    led_to = {b for _, b in forward}
    under = {a: next(iter(found)) for a, found in targets.items() if len(found) == 1 and a not in led_to}
    host = set(under.values())
    # Of several that would stand alone under one part, the first keeps a column of its own: something is before it.
    for b in host:
        guests = [a for a in under if under[a] == b]
        if order[b] not in entered and all(a in under for a, t in forward if t == b):
            del under[guests[0]]
    rank = [0] * parts
    for a, b in forward:
        if a not in under:
            rank[b] = max(rank[b], rank[a] + 1)
    columns: dict[int, list[int]] = {}
    for k, part in enumerate(order):
        if k not in under:
            column = columns.setdefault(rank[k], [])
            column += [part, *(order[a] for a in sorted(under) if under[a] == k)]
    return [columns[k] for k in sorted(columns)]


def _corners(parts: Sequence[_Part], columns: Sequence[Sequence[int]], gap: float, drop: float) -> list[Point]:
    """Return the corner of each part: column after column from left to right, in rows no wider than `ACROSS`."""
    corners: list[Point] = [(0.0, 0.0)] * len(parts)
    x = y = lowest = 0.0
    for column in columns:
        wide = max(parts[k].width for k in column)
        if x > 0 and x + wide > ACROSS:
            x, y = 0.0, lowest + drop
        top = y
        for k in column:
            corners[k] = (x + (wide - parts[k].width) / 2, top)
            top += parts[k].height + drop
        lowest = max(lowest, top - drop)
        x += wide + gap
    return corners


def _placed(names: Sequence[str], edges: Mapping[Pair, int]) -> tuple[list[Point], list[float], list[_Frame]]:
    """Return the corner of every box, the top of what it stands in, and the frames of the clusters."""
    cluster_of = [name.split("/", 1)[0] if "/" in name else "" for name in names]
    owners: dict[str, int] = {}
    owner = [owners.setdefault(c or f"\0{k}", len(owners)) for k, c in enumerate(cluster_of)]
    parts = []
    for part in range(len(owners)):
        boxes = [k for k in range(len(names)) if owner[k] == part]
        inner = {k: j for j, k in enumerate(boxes)}
        within = {(inner[a], inner[b]): n for (a, b), n in edges.items() if a in inner and b in inner}
        single = [_Part(WIDE, HIGH, [])] * len(boxes)
        heading = cluster_of[boxes[0]]
        pad, head = (PAD, HEADING) if heading else (0.0, 0.0)
        entered = {inner[b] for a, b in edges if b in inner and a not in inner}
        corners = _corners(single, _columns(len(boxes), within, entered), GAP, STACKED)
        at = [(k, x + pad, y + pad + head) for k, (x, y) in zip(boxes, corners, strict=True)]
        parts.append(_Part(max(x for _, x, _ in at) + WIDE + pad, max(y for _, _, y in at) + HIGH + pad, at, heading))
    outer: dict[Pair, int] = {}
    for (a, b), n in edges.items():
        if owner[a] != owner[b]:
            outer[owner[a], owner[b]] = outer.get((owner[a], owner[b]), 0) + n
    corners = _corners(parts, _columns(len(parts), outer), GAP, DROP)
    boxes_at: list[Point] = [(0.0, 0.0)] * len(names)
    tops = [0.0] * len(names)
    for part_, (left, top) in zip(parts, corners, strict=True):
        for k, x, y in part_.boxes:
            boxes_at[k], tops[k] = (left + x, top + y), top
    return boxes_at, tops, [(p, c) for p, c in zip(parts, corners, strict=True) if p.heading]


# Between boxes. ------------------------------------------------------------------------------------------------------


class _Arrow(NamedTuple):
    """All edges from one box to another."""

    source: int
    target: int
    edges: int
    median: float


def _arrows(diagram: Diagram, of: Ints) -> list[_Arrow]:
    """Return what flows between boxes: how many edges, and the median log10 of what they carry (nan for nothing)."""
    graph, edges = diagram.graph, diagram.edges
    a, b = of[graph.source], of[graph.target]
    between = np.flatnonzero((a != b) & (a >= 0) & (b >= 0))
    if not len(between):
        return []
    carried = np.where(edges.marks[between] == ALIVE, edges.decades[between], math.inf)
    key = a[between] * (int(of.max()) + 1) + b[between]
    order = np.lexsort((carried, key))
    key, carried = key[order], carried[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    sizes = np.diff(starts, append=len(key))
    alive = np.add.reduceat(np.isfinite(carried), starts)
    first, second = starts + (np.maximum(alive, 1) - 1) // 2, starts + np.maximum(alive, 1) // 2
    with np.errstate(invalid="ignore"):
        median = np.where(alive > 0, (carried[first] + carried[np.minimum(second, len(key) - 1)]) / 2, math.nan)
    ends = order[starts]
    return [_Arrow(*row) for row in zip(a[between][ends].tolist(), b[between][ends].tolist(), sizes.tolist(),
                                        median.tolist(), strict=True)]  # fmt: skip


def _drawn(diagram: Diagram, arrow: _Arrow, start: Point, end: Point, top: float) -> Curve:
    """Return an arrow between the corners of two boxes; the second stands in something whose top is given."""
    known = math.isfinite(arrow.median)
    line = edge_role(int(classes_of(np.array([arrow.median]))[0])) if known else "faint"
    pen = min(1.0 + 1.1 * math.log10(arrow.edges), 7.0)
    what = f"median {number_at(arrow.median)} {diagram.edges.scale.words}" if known else "nothing flows"
    tip = f"{arrow.edges:,} edge{'s' * (arrow.edges != 1)}, {what}"
    points, head = _way(start, end, top)
    return Curve(points, line, pen, "solid" if known else "dotted", head, tip=tip)


#: How long an arrowhead is.
ARROW = 9.0


def _way(start: Point, end: Point, top: float) -> tuple[tuple[Point, ...], Point]:
    """Return how an arrow runs between the corners of two boxes, to the base of its head, and the point of the head."""
    (x0, y0), (x1, y1) = start, end
    if abs(x0 - x1) < WIDE / 2:  # above one another
        down = y1 > y0
        from_, head = (x0 + WIDE / 2, y0 + HIGH * down), (x1 + WIDE / 2, y1 + HIGH * (not down))
        return straight(from_, (head[0], head[1] + (-ARROW if down else ARROW))), head
    if x1 < x0 and top > y0 + HIGH:  # on in a row below, by the gap above it
        lane, head = top - DROP / 2, (x1 + WIDE / 2, y1)
        stops = ((x0 + WIDE, y0 + HIGH / 2), (x0 + WIDE + GAP / 2, y0 + HIGH / 2), (x0 + WIDE + GAP / 2, lane),
                 (head[0], lane), (head[0], y1 - ARROW))
        pieces = [straight(a, b) for a, b in itertools.pairwise(stops)]
        return (stops[0], *(point for piece in pieces for point in piece[1:])), head
    right = x1 > x0
    from_, head = (x0 + WIDE * right, y0 + HIGH / 2), (x1 + WIDE * (not right), y1 + HIGH / 2)
    return swing(from_, (head[0] + (-ARROW if right else ARROW), head[1])).points, head


# The box. ------------------------------------------------------------------------------------------------------------


def _box(diagram: Diagram, name: str, here: Ints, corner: Point) -> list[Box | Curve | Text]:
    """Return a box with a header in the colour of the median, counts, and the histogram by decade."""
    graph, nodes = diagram.graph, diagram.nodes
    marks = nodes.marks[here]
    x, y = corner
    alive = nodes.decades[here][marks == ALIVE]
    median = float(np.median(alive)) if len(alive) else math.nan
    fill = fill_role(int(classes_of(np.array([median]))[0])) if len(alive) else "cell"
    ink = ink_role(fill) if len(alive) else "muted"
    nothing = "no gradient" if nodes.name in ("delta", "difference") else "nothing to show"
    words = f"{len(here):,} {graph.noun}{'s' * (len(here) != 1)} · " + (
        f"median {number_at(median)}" if len(alive) else nothing)
    shapes: list[Box | Curve | Text] = [
        Box(x, y, WIDE, HIGH, "paper", "line"),
        Box(x + 0.5, y + 0.5, WIDE - 1, 17, fill),
        Text(x + WIDE / 2, y + 12.5, (Run(short(name, 24), ink, bold=True),), 10.0, "middle"),
        Text(x + 5, y + 28, (Run(words),), 9.0),
    ]
    # All classes in every box, at the same places as in the legend: a glance along the boxes sees the bars move.
    bins = np.bincount(classes_of(alive) + LIMIT, minlength=len(CLASSES)).tolist()
    tallest = max([*bins, 1])
    left, floor, cell = x + 6, y + HIGH - 14, (WIDE - 12) / len(CLASSES)
    shapes.append(Box(left, floor, WIDE - 12, 0.5, "faint"))
    for k, (decade, count) in enumerate(zip(CLASSES, bins, strict=True)):
        if count:
            height = max(28.0 * count / tallest, 1.5)
            bar = Box(left + k * cell, floor - height, cell - 1, height, fill_role(decade), "faint", pen=0.4)
            shapes.append(bar)
    for decade, sign, at, anchor in ((-LIMIT, "≤", 0.0, "start"), (-3, "", 3.5, "middle"), (0, "", 6.5, "middle"),
                                     (3, "", 9.5, "middle"), (LIMIT, "≥", 13.0, "end")):
        tick = (Run(sign + power_of_ten(decade), "muted"),)
        shapes.append(Text(left + at * cell, y + HIGH - 4, tick, 8.5, anchor))
    lost = [(DEAD, "dead" if nodes.name == "delta" else "zero"), (NONFINITE, "NaN/∞"), (DETACHED, "no path")]
    said = " · ".join(f"{int((marks == m).sum()):,} {word}" for m, word in lost if (marks == m).any())
    if said:
        shapes.append(Text(x + WIDE - 5, y + 39, (Run(said, "warm", bold=True),), 8.5, "end"))
    return shapes


def _legend(page: Sheet, diagram: Diagram, left_out: int) -> None:
    nodes, graph = diagram.nodes, diagram.graph
    arrows = "width: the number of edges, colour: the median of what they carry"
    if left_out:
        arrows += f"; {left_out:,} weaker ones are not drawn"
    ends = None if (nodes.marks[graph.units] > DETACHED).all() and not graph.swept else nodes.ends
    bars = f"{graph.noun}s per decade, scaled within each box"
    if np.isin(nodes.marks[graph.units], (DEAD, NONFINITE, DETACHED)).any():
        bars += "; orange letters count those without a bar"
    page.legend(f"colour: {nodes.title}", ends, [
        [("heading", "header"), ("", f"median {_letter(diagram)}")], [("heading", "bars"), ("", bars)],
        [("heading", "arrows"), ("width", arrows)]])


def _letter(diagram: Diagram) -> str:
    """Return what the medians are of."""
    return {"delta": f"|{diagram.graph.symbol}|", "value": "|v|"}.get(diagram.nodes.name, diagram.nodes.title)


def _members(of: Ints, groups: int) -> list[Ints]:
    """Return the nodes of each group."""
    order = np.argsort(of, kind="stable")
    starts = np.searchsorted(of[order], np.arange(groups + 1))
    return [order[a:b] for a, b in itertools.pairwise(starts.tolist())]


# The views. ----------------------------------------------------------------------------------------------------------


def compose_levels(diagram: Diagram) -> Scene:
    """Return the picture of the levels, in rows: a box per level, or per bunch of levels."""
    graph = diagram.graph
    table = diagram.table
    bunch = max(1, math.ceil(len(table) / MOST_BOXES))
    boxes = [table.rows[k : k + bunch] for k in range(0, len(table), bunch)]
    a_row = min(BOXES_A_ROW, len(boxes)) or 1
    lane = GAP / 2 + 2 if len(boxes) > a_row else 0.0  # where arrows go down to the next row
    page = Sheet.of(diagram, a_row * (WIDE + GAP) - GAP + lane)
    box_of = np.zeros(int(graph.levels.max(initial=0)) + 1, np.intp)
    for k, rows in enumerate(boxes):
        box_of[[row.level for row in rows]] = k
    size = "one level" if bunch == 1 else f"{bunch} levels"
    page.head(diagram.title, f"{counts(graph)} · shown as {len(boxes)} groups of {size}", diagram.verdict)
    of = np.where(graph.units, box_of[graph.levels] if len(graph) else 0, -1)
    corners = [(MARGIN + (k % a_row) * (WIDE + GAP), page.y + (k // a_row) * (HIGH + DROP)) for k in range(len(boxes))]
    for arrow in _arrows(diagram, of):
        if arrow.target == arrow.source + 1:
            end = corners[arrow.target]
            curve = _drawn(diagram, arrow, corners[arrow.source], end, end[1])
            page.scene.back.append(Group("", [curve]))
    for k, (rows, here) in enumerate(zip(boxes, _members(of, len(boxes)), strict=True)):
        name = rows[0].name if len(rows) == 1 else f"levels {rows[0].level}–{rows[-1].level}"
        page.put(*_box(diagram, name, here, corners[k]), name=f"level{k}",
                 tip="\n".join([name, f"{len(here):,} {graph.noun}s"]))
    page.y += math.ceil(len(boxes) / a_row) * (HIGH + DROP) - DROP
    _legend(page, diagram, 0)
    return page.finish(diagram.caption)


def compose_groups(diagram: Diagram) -> Scene:
    """Return the picture of the groups, from left to right as the values flow, those of a cluster in a frame."""
    graph = diagram.graph
    groups = grouped(graph, diagram.group)
    arrows = _arrows(diagram, groups.of)
    boxes, tops, clusters = _placed(groups.names, {(a.source, a.target): a.edges for a in arrows})
    right = max((x + WIDE + (PAD if clusters else 0) for x, _ in boxes), default=0.0)
    down = [boxes[a.source][0] for a in arrows if boxes[a.target][0] < boxes[a.source][0]
            and tops[a.target] > boxes[a.source][1] + HIGH]  # these have a lane beside their box
    page = Sheet.of(diagram, max([right, *(x + WIDE + GAP / 2 + 4 for x in down)]))
    many = f"{len(boxes)} group{'s' * (len(boxes) != 1)}"
    page.head(diagram.title, f"{counts(graph)} · shown as {many}", diagram.verdict)
    top = page.y
    corners = [(MARGIN + x, top + y) for x, y in boxes]
    for part, (x, y) in clusters:
        # Without a fill: the engines that rasterise draw the arrows first.
        frame = Box(MARGIN + x, page.y + y, part.width, part.height, "", "faint", "round", 0.8)
        heading = Text(MARGIN + x + PAD + 2, page.y + y + 19, (Run(short(part.heading, 60)),), 11.0)
        page.scene.back.append(Group("", [frame, heading]))
    kept = sorted(arrows, key=lambda a: (-a.edges, a.source, a.target))[:MOST_ARROWS]
    for arrow in sorted(kept):
        ends = corners[arrow.source], corners[arrow.target]
        page.scene.back.append(Group("", [_drawn(diagram, arrow, *ends, top + tops[arrow.target])]))
    for k, (name, here) in enumerate(zip(groups.names, _members(groups.of, len(boxes)), strict=True)):
        tip = "\n".join([short(name), f"{len(here):,} {graph.noun}s"])
        page.put(*_box(diagram, name.split("/", 1)[-1], here, corners[k]), name=f"group{k}", tip=tip)
    page.y += max((y + HIGH + PAD for _, y in boxes), default=0.0)
    _legend(page, diagram, len(arrows) - len(kept))
    return page.finish(diagram.caption)
