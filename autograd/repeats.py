"""Repeated structure in a long list of operations: loops over time steps or data points, found without being told.

A stretch of operations repeats another if the operations are the same one by one, and their operands are the same
distances back, as far as these are no longer than the stretch. What comes from farther outside may differ: those are
the stretch's arguments. Stretches of a fixed length
are compared by a rolling hash (R. Karp, M. Rabin, 1987), the longest first; what is taken is out of the running.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Lengths of stretches that are looked for.
LENGTHS = (512, 256, 128, 64, 32, 16, 8, 4)

#: How often a stretch must occur, and operations of all that are different, at most: each is compiled.
LEAST, MOST_DIFFERENT = 4, 6_000

#: What share of all operations a kind of stretch must cover, if it is short and if it is long.
SHORT, LEAST_SHARE_SHORT, LEAST_SHARE = 8, 0.02, 0.001

_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
_INVERSE = pow(_BASE, -1, 2**64)


def stretches(
    kinds: NDArray[np.int64], starts: NDArray[np.int64], operands: NDArray[np.int64]
) -> list[tuple[int, NDArray[np.int64]]]:
    """Find stretches that occur again and again, none overlapping another.

    Args:
        kinds: of every operation [T].
        starts: where the operands of each begin in `operands` [T + 1].
        operands: the operations that made them; negative for what no operation made.

    Returns:
        Length and positions of every stretch.
    """
    count = len(kinds)
    owners = np.repeat(np.arange(count), np.diff(starts))
    which = (np.arange(len(operands)) - starts[owners]).astype(np.uint64)
    distances = np.where(operands >= 0, owners - operands, 0)
    taken = np.zeros(count, bool)
    found: list[tuple[int, NDArray[np.int64]]] = []
    different = 0
    with np.errstate(over="ignore"):
        powers, inverses = _powers(_BASE, count + 1), _powers(_INVERSE, count + 1)
        for length in LENGTHS:
            if count < LEAST * length:
                continue
            near = np.where(distances <= length, distances, 0).astype(np.uint64)
            tokens = _mixed(kinds.astype(np.uint64) + np.uint64(7))
            tokens += np.add.reduceat(_mixed(near * np.uint64(31) + which + np.uint64(1 << 40)), starts[:-1])
            sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(tokens * powers[:count])])
            windows = (sums[length:] - sums[:-length]) * inverses[: count - length + 1]
            before = np.concatenate([[0], np.cumsum(taken)])
            free = np.flatnonzero(before[length:] == before[:-length])
            for positions in _groups(windows, free):
                if different + length > MOST_DIFFERENT:
                    break
                chosen = _apart(positions[~(taken[positions] | taken[positions + length - 1])], length)
                share = LEAST_SHARE_SHORT if length <= SHORT else LEAST_SHARE
                if len(chosen) < LEAST or len(chosen) * length < share * count:
                    continue
                found.append((length, chosen))
                different += length
                taken[(chosen[:, None] + np.arange(length)).ravel()] = True
    return found


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    """Return 1, base, base^2, ... modulo 2^64."""
    powers = np.full(count, base, np.uint64)
    powers[0] = 1
    result: NDArray[np.uint64] = np.multiply.accumulate(powers)
    return result


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread numbers over 64 bits (the finaliser of splitmix64, G. Steele and others, 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _groups(windows: NDArray[np.uint64], free: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the positions of every window that is often enough, what occurs most first."""
    if len(free) < LEAST:
        return []
    order = free[np.argsort(windows[free], kind="stable")]
    edges = np.flatnonzero(np.diff(windows[order])) + 1
    bounds = np.concatenate([[0], edges, [len(order)]])
    counts = np.diff(bounds)
    often = np.flatnonzero(counts >= LEAST)
    first = order[bounds[often]]
    ranked = often[np.lexsort((first, -counts[often]))]
    return [order[bounds[g] : bounds[g + 1]] for g in ranked]


def _apart(positions: NDArray[np.int64], length: int) -> Any:
    """Return positions, in order, that are at least a length apart."""
    if len(positions) < 2 or np.diff(positions).min() >= length:
        return positions
    chosen = []
    end = -1
    for p in positions.tolist():
        if p >= end:
            chosen.append(p)
            end = p + length
    return np.array(chosen)
