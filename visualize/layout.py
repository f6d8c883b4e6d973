"""Where nodes go and how edges run: asked from a layout engine, or worked out here when there is none.

`arrange` takes a `Plan` and gives a `Layout`, by the first engine that can, else by the layout of our own. That is the
one of Sugiyama: nodes in columns by level, long edges broken up at each level between, each column ordered by the mean
place of its neighbours, then every node as near to its neighbours as the order allows.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from visualize.engines import BUILTIN, Engine, EngineError, EngineTimeoutError, working
from visualize.scales import Floats, Ints
from visualize.scene import Point, quote, straight, text_width

#: Joints of long edges before the layout of our own draws them straight instead.
MOST_JOINTS = 20_000
#: Rounds of ordering and of placing; more change nothing that is seen.
ROUNDS = 12
#: More edges than this run straight, because engines take long to find curves around nodes.
MOST_CURVES = 1600
#: How far an edge that leads back runs above its nodes.
OVER = 9.0
#: Size of the text of labels and the height of a line.
LABEL, LABEL_LINE = 9.0, 10.5


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is to be laid out: nodes of known size, in columns by level, and the edges between them.

    Args:
        levels: [n], of each node; an edge leads to a higher one.
        source: [m], where each edge leads from.
        target: [m], where it leads to.
        widths: [n], of the nodes, in points.
        heights: [n], of the nodes.
        gap: least room between columns, beside that for labels.
        apart: least room between the nodes of a column.
        shapes: [n], the outlines at which edges end: "box", "ellipse" or "octagon"; () if all are ellipses.
        arrows: [m], length of each arrowhead, or None for none.
        labels: [m], the lines of text on each edge; () for none.
        columns: whether each level has a column of its own. Else nodes may stand in any that keeps edges rightward.
        routed: whether edges go around nodes. Else all are straight, which is much quicker.
    """

    levels: Ints
    source: Ints
    target: Ints
    widths: Floats
    heights: Floats
    gap: float = 36.0
    apart: float = 20.0
    shapes: Sequence[str] = ()
    arrows: Floats | None = None
    labels: Sequence[Sequence[str]] = ()
    columns: bool = False
    routed: bool = True

    @property
    def label_size(self) -> tuple[float, float]:
        """The width and height of the largest label, (0, 0) if there is none."""
        wide = max((text_width(line, LABEL) for lines in self.labels for line in lines), default=0.0)
        return wide, LABEL_LINE * max(map(len, self.labels), default=0)

    @property
    def dot(self) -> str:
        """The plan as DOT, with nodes n0, n1, ... and edges with the ids e0, e1, ...; sizes only, nothing is painted.

        The subset on which engines agree: no records, ports, concentrated edges or right angles.
        """
        # The search for few crossings takes most of the time. In a crowd a part of it finds all but a few per cent.
        many = len(self.source)
        how = (f"splines=none mclimit={min(0.3, 1000 / max(many, 1)):.3f}" if not self.routed else
               "splines=line" if many > MOST_CURVES else "splines=true")
        shapes = self.shapes or ["ellipse"] * len(self.levels)
        arrows = [0.0] * many if self.arrows is None else self.arrows.tolist()
        labels = self.labels or [()] * many
        lines = [
            "digraph {",
            f"graph [rankdir=LR nodesep={self.apart / 72:.4f} ranksep={self.gap / 72:.4f} {how}]",
            'node [fixedsize=true margin=0 label=""]',
            f"edge [fontname=Helvetica fontsize={LABEL:g}]",
        ]
        for i, (shape, w, h) in enumerate(zip(shapes, self.widths.tolist(), self.heights.tolist(), strict=True)):
            lines.append(f"n{i} [shape={shape} width={w / 72:.4f} height={h / 72:.4f}]")
        ends = zip(self.source.tolist(), self.target.tolist(), arrows, labels, strict=True)
        for e, (s, t, arrow, label) in enumerate(ends):
            head = f"arrowsize={arrow / 10:.3f}" if arrow else "arrowhead=none"  # an arrow of size 1 is 10 points long
            text = f" label={quote(label)}" if label else ""
            lines.append(f"n{s} -> n{t} [id=e{e} {head}{text}]")
        if self.columns:
            first = ""
            for level in np.unique(self.levels).tolist():
                here = [f"n{i}" for i in np.flatnonzero(self.levels == level).tolist()]
                lines.append(f"{{ rank=same {' '.join(here)} }}")
                if first:  # keeps the levels in order even if no edge between them is drawn
                    lines.append(f"{first} -> {here[0]} [style=invis weight=0]")
                first = here[0]
        return "\n".join([*lines, "}\n"])


@dataclass(frozen=True, slots=True)
class Route:
    """How an edge runs.

    Args:
        points: a chain of cubic Bezier curves: one point, then three per piece.
        head: the point of the arrowhead, or None.
        label: the middle of its label, or None.
    """

    points: tuple[Point, ...]
    head: Point | None = None
    label: Point | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of nodes (their middles) and edges, y growing downwards, with the upper left corner at the origin.

    Args:
        at: [n, 2].
        routes: one per edge.
        width: of the whole.
        height: of the whole.
        engine: who did it.
        passed: the engines that were passed over, and why.
    """

    at: Floats
    routes: Sequence[Route]
    width: float
    height: float
    engine: str
    passed: tuple[str, ...] = ()

    @property
    def credit(self) -> str:
        """Who did it, and what was passed over: "graphviz-pure (dot failed (signal 11): without a word)"."""
        return f"{self.engine} ({'; '.join(self.passed)})" if self.passed else self.engine


def arrange(plan: Plan, engine: str | os.PathLike[str] | None = None, timeout: float = 10.0) -> Layout:
    """Lay out by the first engine that can, else by ourselves.

    An engine that runs out of time has had a hard problem, since it passed the smoke test: no other is tried then.

    Args:
        plan: what.
        engine: the one that the user asks for, `engines.BUILTIN` for none.
        timeout: in seconds.

    Returns:
        The layout, with what was passed over.

    Raises:
        EngineError: if the engine that the user asks for is missing or fails.
    """
    passed: list[str] = []
    if engine != BUILTIN and len(plan.levels):
        search = working("json0", engine)
        passed = search.passed
        for candidate in search:
            try:
                placed = ask(candidate, plan.dot, len(plan.levels), len(plan.source) if plan.routed else 0, timeout)
            except EngineError as error:
                search.failed(candidate, error)
                if isinstance(error, EngineTimeoutError):
                    break
            else:
                routes = placed.routes if plan.routed else _lines(placed.at, plan.source, plan.target)
                return replace(placed, routes=clear_labels(plan, placed, routes), passed=tuple(passed))
    wide, high = plan.label_size
    arrows = 0.0 if plan.arrows is None else plan.arrows
    placed = layered(
        plan.levels, plan.source, plan.target, plan.widths, plan.heights, gap=plan.gap + (wide + 32 if wide else 0),
        apart=plan.apart, arrows=arrows, label=high + 3 if high else 0.0, routed=plan.routed,
    )  # fmt: skip
    return replace(placed, routes=clear_labels(plan, placed, placed.routes), passed=tuple(passed))


# Labels. -------------------------------------------------------------------------------------------------------------

#: Among more labels than this there is no room to find.
MOST_CLEARED = 150
#: How far a label may move from where the layout puts it: anywhere near, or along its edge. Room around it, in points.
SHIFTS = tuple((float(dx), float(dy)) for dx in (0, -12, 12, -24, 24) for dy in range(-24, 25, 4))
ALONG, ROOM = 80.0, 2.5
#: Lines are looked at in steps of so many points.
STEP = 5.0
#: What it costs to lie on a node or a label, on a point of an arrowhead (3 points of length of a line cost 1), and, by
#: the distance, to be away from one's own edge, nearer to another, or moved.
ON_THING, ON_HEAD, FAR, CONFUSED, MOVED = 200.0, 4.0, 0.1, 0.3, 0.01


def clear_labels(plan: Plan, placed: Layout, routes: Sequence[Route]) -> list[Route]:
    """Return the routes with their labels off edges, arrowheads, nodes and each other as far as there is room near.

    Engines keep room for labels, but edges bend through it. Each label in turn takes the cheapest place around its own
    or beside its edge, within the picture.

    Args:
        plan: what was laid out.
        placed: where the nodes are.
        routes: of the edges.
    """
    routes = list(routes)
    labelled = [e for e, route in enumerate(routes) if plan.labels and route.label is not None and plan.labels[e]]
    if not 0 < len(labelled) <= MOST_CLEARED:
        return routes
    lines, weights, own = _ink(routes)
    half = np.array([[max(text_width(line, LABEL) for line in plan.labels[e]) / 2 + ROOM,
                      LABEL_LINE * len(plan.labels[e]) / 2 + ROOM - 1] for e in labelled])
    at = np.array([routes[e].label for e in labelled], float)
    nodes = np.stack([plan.widths, plan.heights], axis=1) / 2
    page = np.array([placed.width, placed.height])
    for k, e in enumerate(labelled):
        route = np.array([p for p in samples(routes[e].points) if math.dist(p, at[k]) <= ALONG]).reshape(-1, 2)
        beside = half[k] * (0, 1) + (0, 2.0)
        tries = np.concatenate([at[k] + SHIFTS, route - beside, route + beside])
        moves = tries - at[k]
        reach = half[k] + np.abs(moves).max(axis=0)
        near = (np.abs(lines - at[k]) <= reach + 10).all(axis=1)
        # How far each point is from the box of the label around each place: by axis, below 0 inside.
        gap_x, gap_y = (np.abs(lines[near, axis] - tries[:, axis, None]) - half[k, axis] for axis in (0, 1))
        cost = ((gap_x < 0) & (gap_y < 0)) @ weights[near] + MOVED * np.hypot(*moves.T) ** 1.5
        for middles, sizes in ((placed.at, nodes), (np.delete(at, k, axis=0), np.delete(half, k, axis=0) - ROOM)):
            close = (np.abs(middles - at[k]) < sizes + reach).all(axis=1)
            shared = sizes[close] + half[k] - np.abs(middles[close][None, :, :] - tries[:, None, :])
            cost += ON_THING * (shared > 0).all(axis=2).sum(axis=1)
        # A label that is far from its edge, or nearer to another, is taken for that of another.
        apart = np.hypot(np.maximum(gap_x + ROOM, 0.0), np.maximum(gap_y + ROOM, 0.0))
        mine = own[near] == e
        if mine.any():
            far = apart[:, mine].min(axis=1)
            cost += FAR * far**1.5 + CONFUSED * np.maximum(far - apart[:, ~mine].min(axis=1, initial=10.0), 0.0)
        outside = np.maximum(half[k] - ROOM - tries, 0.0) + np.maximum(tries + half[k] - ROOM - page, 0.0)
        cost += ON_THING * (outside.sum(axis=1) > outside[np.abs(moves).sum(axis=1).argmin()].sum())
        at[k] = tries[cost.argmin()]
        routes[e] = replace(routes[e], label=(float(at[k, 0]), float(at[k, 1])))
    return routes


def _ink(routes: Sequence[Route]) -> tuple[Floats, Floats, Ints]:
    """Return points along all edges and in their arrowheads, what lying on each costs, and whose it is."""
    points: list[Point] = []
    weights: list[float] = []
    own: list[int] = []
    for e, route in enumerate(routes):
        length = sum(math.dist(a, b) for a, b in itertools.pairwise(route.points))
        found = samples(route.points, max(4, math.ceil(length / STEP / max(len(route.points) // 3, 1))))
        points += found
        weights += [STEP / 3] * len(found)
        if route.head is not None:
            (bx, by), (hx, hy) = route.points[-1], route.head
            nx, ny = (hy - by) * 0.6, (bx - hx) * 0.6
            points += [route.head, ((bx + hx) / 2, (by + hy) / 2), (bx + nx, by + ny), (bx - nx, by - ny)]
            weights += [ON_HEAD] * 4
        own += [e] * (len(points) - len(own))
    return np.array(points), np.array(weights), np.array(own, np.intp)


# By an engine. -------------------------------------------------------------------------------------------------------


def ask(engine: Engine, dot: str, nodes: int, edges: int, timeout: float) -> Layout:
    """Return the layout that an engine gives DOT source with nodes n0, n1, ... and edges with the ids e0, e1, ...

    Args:
        engine: one that passed the smoke test.
        dot: the source.
        nodes: how many nodes it has.
        edges: how many edges; 0 if their routes are of no interest.
        timeout: in seconds.

    Raises:
        EngineTimeoutError: if it took longer.
        EngineError: if it failed, or what it wrote is not a layout of this graph.
    """
    out = engine.run(dot, ["-Kdot", "-Tjson0"], timeout)
    try:
        drawn = json.loads(out)
        left, bottom, right, top = map(float, drawn["bb"].split(","))
        at = np.full((nodes, 2), math.nan)
        for item in drawn.get("objects", ()):
            if "pos" in item:  # a subgraph has none
                x, y = map(float, item["pos"].split(","))
                at[int(item["name"][1:])] = x - left, top - y
        routes: list[Route | None] = [None] * edges
        for item in drawn.get("edges", ()):
            if "id" in item and edges:  # one that only keeps levels in order has none
                routes[int(item["id"][1:])] = _read_route(item, left, top)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise engine.error(f"wrote something that is no layout: {out[:60]!r}") from error
    if not np.isfinite(at).all() or any(route is None for route in routes):
        raise engine.error("left out nodes or edges")
    return Layout(at, [r for r in routes if r is not None], right - left, top - bottom, engine.name)


def _read_route(item: dict[str, str], left: float, top: float) -> Route:
    points: list[Point] = []
    head = None
    # Parallel splines of one edge come apart by ";"; an edge of ours has one.
    for token in item["pos"].split(";")[0].split():
        at_end = token.startswith("e,")
        x, y = map(float, token.removeprefix("e,").split(","))
        if at_end:
            head = (x - left, top - y)
        else:
            points.append((x - left, top - y))
    if len(points) < 4 or len(points) % 3 != 1:
        raise ValueError("no chain of cubic curves")
    label = None
    if "lp" in item:
        x, y = map(float, item["lp"].split(","))
        label = (x - left, top - y)
    return Route(tuple(points), head, label)


# Without an engine. --------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Columns:
    """Nodes and joints in columns: item i is node i below n, else a joint of a long edge.

    Args:
        column: of each item.
        size: its height.
        chains: the items of each edge, from its source to its target.
        order: the items of each column, from top to bottom.
        below: per column, the links to the columns before.
        above: per column, the links to the columns after.
    """

    column: Ints
    size: Floats
    chains: list[list[int]]
    order: list[Ints]
    below: list[_Links]
    above: list[_Links]


@dataclass(slots=True, eq=False)
class _Links:
    """The links of the items of a column to the columns on one side.

    Args:
        items: of the column, sorted.
        owner: index into `items` per link.
        other: the item at the other end.
        count: links per item.
    """

    items: Ints
    owner: Ints
    other: Ints
    count: Ints

    def mean(self, place: Floats) -> Floats:
        """Return the mean place of each item's neighbours; its own if it has none."""
        total = np.bincount(self.owner, place[self.other], len(self.items))
        return np.where(self.count > 0, total / np.maximum(self.count, 1), place[self.items])


def layered(
    levels: Ints, source: Ints, target: Ints, widths: Floats, heights: Floats, *,
    gap: float = 90.0, apart: float = 16.0, arrows: float | Floats = 0.0, label: float = 0.0, routed: bool = True,
) -> Layout:  # fmt: skip
    """Lay out in columns by level, with no engine.

    Args:
        levels: of each node; an edge leads to a higher one. One that does not (a link with a delay) goes back over the
            nodes.
        source: where each edge leads from.
        target: where it leads to.
        widths: of each node.
        heights: of each node.
        gap: between columns.
        apart: between the nodes of a column.
        arrows: length of the arrowheads, of each or of all, 0 for none.
        label: height of the labels of edges, 0 for none.
        routed: whether long edges go around nodes and edges end at the sides of theirs. Else they are straight.
    """
    n = len(levels)
    if n == 0:
        return Layout(np.zeros((0, 2)), [], 0.0, 0.0, BUILTIN)
    columns = _columns(levels, source, target, heights + apart, apart / 2, routed)
    _order(columns)
    y = _place(columns)
    wide = np.zeros(int(levels.max()) + 1)
    np.maximum.at(wide, levels, widths)
    middle = np.cumsum(wide + gap) - gap - wide / 2
    x = middle[columns.column]
    top, bottom = (y[:n] - heights / 2).min(), (y[:n] + heights / 2).max()
    joints = y[n:]
    if len(joints):
        top, bottom = min(top, joints.min() - apart / 2), max(bottom, joints.max() + apart / 2)
    back = levels[target] <= levels[source]
    if routed and back.any():
        top -= 2 * OVER
    y = y - top
    at = np.stack([x[:n], y[:n]], axis=1)
    size = float(middle[-1] + wide[-1] / 2), float(bottom - top)
    if not routed:
        return Layout(at, _lines(at, source, target), *size, BUILTIN)
    leaves = _ports([chain[0] for chain in columns.chains], [chain[1] for chain in columns.chains], y, heights)
    arrives = _ports([chain[-1] for chain in columns.chains], [chain[-2] for chain in columns.chains], y, heights)
    routes = []
    lengths = np.broadcast_to(arrows, len(source)).tolist()
    for e, chain in enumerate(columns.chains):
        s, t = chain[0], chain[-1]
        if back[e]:
            lift = float(min(y[s] - heights[s] / 2, y[t] - heights[t] / 2)) - OVER
            routes.append(_over((float(x[s] + widths[s] / 2), float(leaves[e])),
                                (float(x[t] - widths[t] / 2), float(arrives[e])), lift, lengths[e]))
            continue
        stops = [(x[s] + widths[s] / 2, leaves[e]), *((x[j], y[j]) for j in chain[1:-1]),
                 (x[t] - widths[t] / 2, arrives[e])]
        routes.append(_smooth([(float(a), float(b)) for a, b in stops], lengths[e]))
    if label:
        # The label is in the middle of the route, so in the gap after the column of that piece.
        gaps = [int(levels[chain[0]]) + (len(chain) - 2) // 2 for chain in columns.chains]
        gaps = [~e if back[e] else gap for e, gap in enumerate(gaps)]  # those that go back have a place of their own
        routes = _part_labels(routes, gaps, label)
    return Layout(at, routes, *size, BUILTIN)


def _lines(at: Floats, source: Ints, target: Ints) -> list[Route]:
    """Return a straight route from the middle of a node to that of another for every edge."""
    return [line((ax, ay), (bx, by)) for (ax, ay), (bx, by)
            in zip(at[source].tolist(), at[target].tolist(), strict=True)]


def _columns(levels: Ints, source: Ints, target: Ints, heights: Floats, thin: float, routed: bool) -> _Columns:
    spans = levels[target] - levels[source]
    with_joints = routed and int((spans - 1).sum()) <= MOST_JOINTS
    column, size = levels.tolist(), heights.tolist()
    chains: list[list[int]] = []
    for s, t in zip(source.tolist(), target.tolist(), strict=True):
        chain = [s]
        for level in range(int(levels[s]) + 1, int(levels[t])) if with_joints else ():
            chain.append(len(column))
            column.append(level)
            size.append(thin)
        chains.append([*chain, t])
    column_of = np.array(column, np.intp)
    tail = np.array([i for chain in chains for i in chain[:-1]], np.intp)
    head = np.array([i for chain in chains for i in chain[1:]], np.intp)
    many = int(levels.max()) + 1
    order = _by_column(np.arange(len(column)), column_of, many)
    return _Columns(column_of, np.array(size), chains, order, _links(order, column_of, head, tail),
                    _links(order, column_of, tail, head))


def _by_column(things: Ints, column: Ints, many: int) -> list[Ints]:
    """Return the things in groups by the column of each."""
    sort = np.argsort(column, kind="stable")
    return np.split(things[sort], np.searchsorted(column[sort], np.arange(1, many)))


def _links(order: list[Ints], column: Ints, near: Ints, far: Ints) -> list[_Links]:
    """Return the links of every column, from the item that each is near to the one that it is far from."""
    index = np.zeros(len(column), np.intp)
    for items in order:
        index[items] = np.arange(len(items))
    links = []
    for items, here in zip(order, _by_column(np.arange(len(near)), column[near], len(order)), strict=True):
        owner = index[near[here]]
        links.append(_Links(items, owner, far[here], np.bincount(owner, minlength=len(items))))
    return links


def _order(columns: _Columns) -> None:
    """Sort each column by the mean place of the neighbours in the columns done before, there and back."""
    place = np.zeros(len(columns.column))
    for items in columns.order:
        place[items] = (np.arange(len(items)) + 0.5) / max(len(items), 1)
    for turn in range(ROUNDS):
        forth = turn % 2 == 0
        for k in range(len(columns.order)) if forth else reversed(range(len(columns.order))):
            links = (columns.below if forth else columns.above)[k]
            # Who wants the same place keeps the order.
            ranked = links.items[np.lexsort((place[links.items], links.mean(place)))]
            place[ranked] = (np.arange(len(ranked)) + 0.5) / max(len(ranked), 1)
            columns.order[k] = ranked


def _place(columns: _Columns) -> Floats:
    """Return heights near those of the neighbours, in the order of each column and without overlaps."""
    y, wish = np.zeros(len(columns.column)), np.zeros(len(columns.column))
    for items in columns.order:
        if len(items):
            ends = np.cumsum(columns.size[items])
            y[items] = ends - columns.size[items] / 2 - ends[-1] / 2
    for turn in range(ROUNDS):
        forth = turn % 2 == 0
        for k in range(len(columns.order)) if forth else reversed(range(len(columns.order))):
            links, items = (columns.below if forth else columns.above)[k], columns.order[k]
            wish[links.items] = links.mean(y)
            y[items] = nearest(wish[items], columns.size[items])
    # Columns that no edge holds are in the middle; nothing but each other holds those that are linked.
    linked = [items for items, a, b in zip(columns.order, columns.below, columns.above, strict=True)
              if len(a.other) or len(b.other)]  # fmt: skip
    if linked:
        here = np.concatenate(linked)
        y[here] -= y[here].mean()
    return y


def nearest(want: Floats, size: Floats) -> Floats:
    """Return the middles nearest to the wanted ones (least squares) for things in a row that must not overlap.

    Without the sizes it is the nearest non-decreasing row; neighbours that would overlap are pooled to their mean.

    Args:
        want: the wanted middles, in the order that is kept.
        size: how much room each takes.
    """
    offset = np.cumsum(size) - size / 2
    blocks: list[tuple[float, int]] = []  # mean of (want - offset), count
    for goal in (want - offset).tolist():
        mean, count = goal, 1
        while blocks and blocks[-1][0] > mean:
            before, more = blocks.pop()
            mean, count = (mean * count + before * more) / (count + more), count + more
        blocks.append((mean, count))
    return np.repeat([m for m, _ in blocks], [c for _, c in blocks]) + offset


def _ports(ends: Sequence[int], others: Sequence[int], y: Floats, heights: Floats) -> Floats:
    """Return where on the side of its node each edge ends: spread out, in the order of the nodes at the other ends."""
    places = y[np.array(ends, np.intp)].copy() if len(ends) else np.zeros(0)
    by_node: dict[int, list[int]] = {}
    for e, end in enumerate(ends):
        by_node.setdefault(end, []).append(e)
    for node, edges in by_node.items():
        edges.sort(key=lambda e: (y[others[e]], e))
        step = 0.7 * heights[node] / len(edges)
        for k, e in enumerate(edges):
            places[e] += (k - (len(edges) - 1) / 2) * step
    return places


def _part_labels(routes: list[Route], gaps: Sequence[int], height: float) -> list[Route]:
    """Move the labels of each gap between columns apart, up or down, as little as that needs."""
    by_gap: dict[int, list[int]] = {}
    for e, gap in enumerate(gaps):
        by_gap.setdefault(gap, []).append(e)
    parted = list(routes)
    for edges in by_gap.values():
        edges.sort(key=lambda e: (routes[e].label[1], e))  # type: ignore[index]
        want = np.array([routes[e].label[1] for e in edges])  # type: ignore[index]
        for e, place in zip(edges, nearest(want, np.full(len(edges), height)).tolist(), strict=True):
            route = routes[e]
            assert route.label is not None
            parted[e] = Route(route.points, route.head, (route.label[0], place))
    return parted


def _smooth(stops: list[Point], arrow: float) -> Route:
    """Return a curve through the stops that leaves and arrives level."""
    end = stops[-1]
    head = end if arrow else None
    if arrow:
        stops = [*stops[:-1], (end[0] - arrow, end[1])]
    points = [stops[0]]
    for (ax, ay), (bx, by) in itertools.pairwise(stops):
        bend = (bx - ax) / 2
        points += [(ax + bend, ay), (bx - bend, by), (bx, by)]
    k = (len(points) // 3 - 1) // 2 * 3
    piece = points[k : k + 4]
    label = tuple(sum(w * p[axis] for w, p in zip((0.125, 0.375, 0.375, 0.125), piece, strict=True)) for axis in (0, 1))
    return Route(tuple(points), head, (label[0], label[1]))


def _over(start: Point, end: Point, top: float, arrow: float) -> Route:
    """Return a curve from the right side of a node back over the nodes to the left side of one, or of the same."""
    (ax, ay), (bx, by) = start, end
    reach = 2 * OVER + arrow
    middle = ((ax + bx) / 2, top)
    points = (start, (ax + reach, ay), (ax + reach, top), middle, (bx - reach, top), (bx - reach, by), (bx - arrow, by))
    return Route(points, end if arrow else None, (middle[0], top))


def samples(points: Sequence[Point], each: int = 12) -> list[Point]:
    """Return points along a chain of cubic Bezier curves.

    Args:
        points: the chain: one point, then three per piece.
        each: how many per piece.
    """
    found = [points[0]]
    for k in range(0, len(points) - 1, 3):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = points[k : k + 4]
        for step in range(1, each + 1):
            t = step / each
            u = 1 - t
            a, b, c, d = u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t
            found.append((a * ax + b * bx + c * cx + d * dx, a * ay + b * by + c * cy + d * dy))
    return found


def line(a: Point, b: Point) -> Route:
    """Return a straight route without a head."""
    return Route(straight(a, b))


def swing(a: Point, b: Point) -> Route:
    """Return a route without a head that leaves and arrives level."""
    return _smooth([a, b], 0.0)
