"""The same facts as a diagram in plain text: over ssh, in logs, and where no picture can be made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visualize.graph import ALIVE, DEAD, DETACHED, LOSS, NONFINITE, UNSWEPT, Graph, short
from visualize.scales import LIMIT, Scale, classes_of, number, signed
from visualize.verdict import levels

#: Up to here each node has a line, above each level.
MOST_NODES = 200
#: Levels shown before the middle ones are left out.
MOST_LEVELS = 60
#: Letters of a name, and of the list of inputs.
MOST_NAME, MOST_INPUTS = 28, 48

WORDS = {DEAD: "dead", NONFINITE: "NaN/inf", DETACHED: "no path", UNSWEPT: "not run", ALIVE: ""}

_ASCII = str.maketrans({
    "δ": "delta", "∂": "d", "·": "-", "−": "-", "→": "->", "←": "<-", "×": "x", "÷": "/", "∞": "inf", "…": "~",
    "█": "#", "│": "|", "–": "-", "◂": "<", "▸": ">", "Σ": "S", "⁻": "^-", "⁶": "^6",
})  # fmt: skip


def text(graph: Graph, scale: Scale, title: str, verdict: str, ascii_only: bool = False) -> str:
    """Return the text view: the title, the verdict, and a table of the nodes (of the levels if there are many).

    Args:
        graph: what to show.
        scale: the decade scale.
        title: the first line.
        verdict: what stands above the table.
        ascii_only: whether only ASCII is written; other letters are spelled or replaced by "?".
    """
    parts = [title, *graph.notes, "", verdict, ""]
    parts.append(_nodes(graph, scale) if len(graph) <= MOST_NODES else _levels(graph, scale))
    lines = "\n".join(parts)
    return lines.translate(_ASCII).encode("ascii", "replace").decode() if ascii_only else lines


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


def _nodes(graph: Graph, scale: Scale) -> str:
    decades = scale.decades(graph.gradients)
    incoming: list[list[int]] = [[] for _ in range(len(graph))]
    for e, t in enumerate(graph.target.tolist()):
        incoming[t].append(e)
    rows = [("level", "name", "what", "v", graph.symbol, "log10", "10⁻⁶   1   10⁶", "from")]
    for i in np.argsort(-graph.levels, kind="stable").tolist():
        mark = int(graph.marks[i])
        what = graph.ops[i] or ("loss" if graph.kinds[i] == LOSS else "input")
        log = signed(float(decades[i]), 1, plus=True) if mark == ALIVE else WORDS[mark]
        scale_bar = bar(float(decades[i])) if mark == ALIVE else ""
        gradient = "–" if mark == UNSWEPT else number(float(graph.gradients[i]))
        sources = [_from(graph, e) for e in incoming[i]]
        rows.append((str(graph.levels[i]), short(graph.names[i], MOST_NAME), short(what, MOST_NAME),
                     number(float(graph.values[i])), gradient, log, f"{scale_bar:16}", _join(sources)))
    return align(rows, left=(1, 2, 6, 7))


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


def _levels(graph: Graph, scale: Scale) -> str:
    table = levels(graph, ref=scale.reference)
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
    head = f"log10 of |{graph.symbol}| {scale.words}, per level"
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

