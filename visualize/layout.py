"""Where nodes go and how edges run: asked from a layout engine, or worked out here when there is none.

The layout of our own is that of Sugiyama: nodes in columns by level, long edges broken up at each level between, each
column ordered by the mean place of its neighbours, then every node as near to its neighbours as the order allows.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visualize.engines import Engine, EngineError
from visualize.scales import Floats, Ints
from visualize.scene import Point, straight

#: Joints of long edges before the layout of our own draws them straight instead.
MOST_JOINTS = 20_000
#: Rounds of ordering and of placing; more change nothing that is seen.
ROUNDS = 12


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
    """

    at: Floats
    routes: Sequence[Route]
    width: float
    height: float
    engine: str


# By an engine. -------------------------------------------------------------------------------------------------------


def ask(engine: Engine, dot: str, nodes: int, edges: int, timeout: float) -> Layout:
    """Return the layout that an engine gives DOT source with nodes n0, n1, ... and edges with the ids e0, e1, ...

    Args:
        engine: one that passed the smoke test.
        dot: the source.
        nodes: how many nodes it has.
        edges: how many edges.
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
            if "id" in item:  # one that only keeps levels in order has none
                routes[int(item["id"][1:])] = _read_route(item, left, top)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise EngineError(f"the layout engine {engine.name} wrote something that is no layout: {out[:60]!r}") from error
    if np.isnan(at).any() or any(route is None for route in routes):
        raise EngineError(f"the layout engine {engine.name} left out nodes or edges")
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


@dataclass(slots=True)
class _Columns:
    """Nodes and joints in columns: item i is node i below n, else a joint of a long edge."""

    column: Ints
    size: Floats
    below: list[list[int]]
    above: list[list[int]]
    chains: list[list[int]]
    order: list[list[int]]


def layered(
    levels: Ints, source: Ints, target: Ints, widths: Floats, heights: Floats, *,
    gap: float = 90.0, apart: float = 16.0, arrows: float = 0.0, label: float = 0.0,
) -> Layout:  # fmt: skip
    """Lay out in columns by level, with no engine.

    Args:
        levels: of each node; an edge leads to a higher one.
        source: where each edge leads from.
        target: where it leads to.
        widths: of each node.
        heights: of each node.
        gap: between columns.
        apart: between the nodes of a column.
        arrows: length of the arrowheads, 0 for none.
        label: height of the labels of edges, 0 for none.
    """
    n = len(levels)
    if n == 0:
        return Layout(np.zeros((0, 2)), [], 0.0, 0.0, "builtin")
    columns = _columns(levels, source, target, heights + apart, apart / 2)
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
    y = y - top
    leaves = _ports([chain[0] for chain in columns.chains], [chain[1] for chain in columns.chains], y, heights)
    arrives = _ports([chain[-1] for chain in columns.chains], [chain[-2] for chain in columns.chains], y, heights)
    routes = []
    for e, chain in enumerate(columns.chains):
        s, t = chain[0], chain[-1]
        stops = [(x[s] + widths[s] / 2, leaves[e]), *((x[j], y[j]) for j in chain[1:-1]),
                 (x[t] - widths[t] / 2, arrives[e])]
        routes.append(_smooth([(float(a), float(b)) for a, b in stops], arrows))
    if label:
        # The label is in the middle of the route, so in the gap after the column of that piece.
        gaps = [int(levels[chain[0]]) + (len(chain) - 2) // 2 for chain in columns.chains]
        routes = _part_labels(routes, gaps, label)
    at = np.stack([x[:n], y[:n]], axis=1)
    return Layout(at, routes, float(middle[-1] + wide[-1] / 2), float(bottom - top), "builtin")


def _columns(levels: Ints, source: Ints, target: Ints, heights: Floats, thin: float) -> _Columns:
    n = len(levels)
    spans = levels[target] - levels[source]
    with_joints = int((spans - 1).sum()) <= MOST_JOINTS
    column, size = levels.tolist(), heights.tolist()
    chains: list[list[int]] = []
    for s, t in zip(source.tolist(), target.tolist(), strict=True):
        chain = [s]
        for level in range(int(levels[s]) + 1, int(levels[t])) if with_joints else ():
            chain.append(len(column))
            column.append(level)
            size.append(thin)
        chains.append([*chain, t])
    below: list[list[int]] = [[] for _ in column]
    above: list[list[int]] = [[] for _ in column]
    for chain in chains:
        for a, b in itertools.pairwise(chain):
            below[b].append(a)
            above[a].append(b)
    order: list[list[int]] = [[] for _ in range(int(levels.max()) + 1)]
    for i in [*range(n), *range(n, len(column))]:
        order[column[i]].append(i)
    return _Columns(np.array(column, np.intp), np.array(size), below, above, chains, order)


def _order(columns: _Columns) -> None:
    """Sort each column by the mean place of the neighbours in the columns done before, there and back."""
    place = np.zeros(len(columns.column))
    for column in columns.order:
        place[column] = (np.arange(len(column)) + 0.5) / max(len(column), 1)
    for turn in range(ROUNDS):
        forth = turn % 2 == 0
        neighbours = columns.below if forth else columns.above
        for k in range(len(columns.order)) if forth else reversed(range(len(columns.order))):
            column = columns.order[k]
            want = [float(place[neighbours[i]].mean()) if neighbours[i] else float(place[i]) for i in column]
            ranked = sorted(range(len(column)), key=lambda j, want=want: want[j])  # type: ignore[misc]
            columns.order[k] = [column[j] for j in ranked]
            place[columns.order[k]] = (np.arange(len(column)) + 0.5) / len(column)


def _place(columns: _Columns) -> Floats:
    """Return heights near those of the neighbours, in the order of each column and without overlaps."""
    y = np.zeros(len(columns.column))
    for column in columns.order:
        ends = np.cumsum(columns.size[column])
        y[column] = ends - columns.size[column] / 2 - ends[-1] / 2
    for turn in range(ROUNDS):
        forth = turn % 2 == 0
        neighbours = columns.below if forth else columns.above
        for column in columns.order if forth else reversed(columns.order):
            want = np.array([float(y[neighbours[i]].mean()) if neighbours[i] else float(y[i]) for i in column])
            y[column] = nearest(want, columns.size[np.array(column)])
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
