"""The same facts as a diagram in plain text: over ssh, in logs, and where no picture can be made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visualize.graph import ALIVE, LOSS, UNSWEPT, Graph, short
from visualize.scales import LIMIT, classes_of, number, signed
from visualize.shown import Channel
from visualize.verdict import table_of

#: Up to here each node has a line, above each level.
MOST_NODES = 200
#: Levels shown before the middle ones are left out.
MOST_LEVELS = 60
#: Letters of a name, and of the list of inputs.
MOST_NAME, MOST_INPUTS = 28, 48


def text(graph: Graph, nodes: Channel, title: str, verdict: str) -> str:
    """Return the text view: the title, the verdict, and a table of the nodes (of the levels if there are many).

    Args:
        graph: what to show.
        nodes: what is shown of the nodes on the scale.
        title: the first line.
        verdict: what stands above the table.
    """
    parts = [title, *graph.notes, "", verdict, ""]
    parts.append(_nodes(graph, nodes) if len(graph) <= MOST_NODES else _levels(graph, nodes))
    return "\n".join(parts)


def bar(decade: float) -> str:
    """Return log10 as a bar from the middle of a scale from 10^-6 to 10^6; past the end it has an arrow.

    >>> bar(-2.4), bar(0.0), bar(9.0)
    ('    ██│      ', '      │      ', '      │█████▸')
    """
    size = abs(int(classes_of(np.array(decade))))
    filled = "█" * size
    if abs(decade) >= LIMIT + 0.5:
        filled = "◂" + filled[1:] if decade < 0 else filled[:-1] + "▸"
    return f"{filled:>{LIMIT}}│{'':{LIMIT}}" if decade < 0 else f"{'':{LIMIT}}│{filled:<{LIMIT}}"


def _nodes(graph: Graph, nodes: Channel) -> str:
    incoming: list[list[int]] = [[] for _ in range(len(graph))]
    for e, t in enumerate(graph.target.tolist()):
        incoming[t].append(e)
    rows = [("level", "name", "what", "v", graph.symbol, "log10", "10⁻⁶   1   10⁶", "from")]
    for i in np.argsort(-graph.levels, kind="stable").tolist():
        alive, decade = nodes.marks[i] == ALIVE, float(nodes.decades[i])
        what = graph.ops[i] or ("loss" if graph.kinds[i] == LOSS else "input")
        log = signed(decade, 1, plus=True) if alive else nodes.word(i)
        scale_bar = bar(decade) if alive else ""
        gradient = "–" if graph.marks[i] == UNSWEPT else number(float(graph.gradients[i]))
        sources = [_from(graph, e) for e in incoming[i]]
        value = "–" if np.isnan(graph.values[i]) and not graph.swept else number(float(graph.values[i]))
        rows.append((str(graph.levels[i]), short(graph.names[i], MOST_NAME), short(what, MOST_NAME), value, gradient,
                     log, f"{scale_bar:16}", _join(sources)))
    table = align(rows, left=(1, 2, 6, 7))
    return table if nodes.name == "delta" else f"log10 and bar: {nodes.title}\n{table}"


def _from(graph: Graph, e: int) -> str:
    name = short(graph.names[int(graph.source[e])], MOST_NAME)
    if graph.weight_gradients is None or np.isnan(graph.weight_gradients[e]):
        return name
    return f"{name} × {number(float(graph.factors[e]))}"


def _join(parts: list[str]) -> str:
    """Return a list cut at `MOST_INPUTS` letters, and say how many are not shown."""
    shown = ""
    for k, part in enumerate(parts):
        longer = f"{shown}, {part}" if shown else part
        if len(longer) > MOST_INPUTS and k > 0:
            return f"{shown} and {len(parts) - k} more"
        shown = longer
    return shown


def _levels(graph: Graph, nodes: Channel) -> str:
    table = table_of(graph, nodes)
    rows = [("level", "nodes", "median", "min", "max", "", "dead", "NaN/inf", "no path")]
    for row in reversed(table.rows):
        logs = ["–" if np.isnan(x) else signed(x, 1, plus=True) for x in (row.median, row.low, row.high)]
        counts = [str(c) if c else "·" for c in (row.dead, row.nonfinite, row.detached)]
        drawn = "" if np.isnan(row.median) else bar(row.median)
        rows.append((row.name, f"{row.count:,}", *logs, f"{drawn:13}", *counts))  # type: ignore[arg-type]
    hidden = len(rows) - 1 - MOST_LEVELS
    if hidden > 0:
        half = MOST_LEVELS // 2
        rows[1 + half : 1 + half + hidden] = [(f"… {hidden:,} more levels", *[""] * 8)]  # type: ignore[list-item]
    head = f"log10 of {nodes.title}, per level"
    return head + "\n" + align(rows, left=(0, 5))


def align(rows: Sequence[Sequence[str]], left: tuple[int, ...] = ()) -> str:
    """Return rows as a table with aligned columns.

    Args:
        rows: the cells; all rows have the same number.
        left: the columns that stand left; the others stand right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if k in left else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)

