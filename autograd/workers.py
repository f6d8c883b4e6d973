"""Threads over a batch: native code holds no lock of the interpreter, so that the samples go to all processors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, partial
from typing import Any

import numpy as np

#: Seconds that a share of the work should take at least: below, the threads cost more than they bring.
LEAST_SHARE = 5e-4

#: Seconds that a step of a program takes for a sample, about: the guess that decides how many threads there are.
STEP = 1.5e-10

#: Samples that are added up together, and the most such blocks.
BLOCK, MOST_BLOCKS = 2048, 512

_pools: dict[int, ThreadPoolExecutor] = {}


@cache
def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check(threads: int | None) -> None:
    """Refuse what is no number of threads."""
    if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        raise ValueError(f"threads must be a whole number of at least 1, or None for all processors, got {threads!r}")


def count(kernel: Any, samples: int, threads: int | None) -> int:
    """Return how many threads a batch is worth."""
    most = int(samples * kernel.steps * STEP / LEAST_SHARE)
    return 1 if most < 2 else min(processors() if threads is None else threads, most)


def run(kernel: Any, inputs: Sequence[Any], outputs: Sequence[Any], threads: int | None) -> None:
    """Run a kernel over all samples of arrays [N, k]."""
    samples = len(inputs[0])
    parts = count(kernel, samples, threads)
    if parts == 1:
        kernel(inputs, outputs)
        return
    size = -(-samples // (parts * kernel.lanes)) * kernel.lanes
    run_all([partial(kernel, inputs, outputs, start=i, stop=min(i + size, samples)) for i in range(0, samples, size)])


def run_sums(kernel: Any, inputs: Sequence[Any], outputs: Sequence[Any], shared: Any, threads: int | None) -> Any:
    """Run a kernel that adds up over samples, and return the sums [summed, lanes] in float64.

    The samples are added in blocks whose size does not depend on the number of threads, so that neither do the sums.
    """
    samples = len(inputs[0])
    if samples <= BLOCK:
        few = np.zeros((kernel.summed, kernel.lanes), kernel.dtype)
        kernel(inputs, outputs, shared, few)
        return few.astype(np.float64, copy=False)
    size = max(BLOCK, -(-samples // MOST_BLOCKS))
    size = -(-size // kernel.lanes) * kernel.lanes
    starts = range(0, samples, size)
    sums = np.zeros((len(starts), kernel.summed, kernel.lanes), kernel.dtype)
    parts = min(count(kernel, samples, threads), len(starts))

    def work(first: int) -> None:
        for b in range(first, len(starts), parts):
            kernel(inputs, outputs, shared, sums[b], starts[b], min(starts[b] + size, samples))

    run_all([partial(work, first) for first in range(parts)])
    return sums.sum(axis=0, dtype=np.float64)


def run_all(jobs: Sequence[Any]) -> None:
    """Run jobs side by side, the first in this thread, and wait for all of them whatever happens."""
    if len(jobs) == 1:
        jobs[0]()
        return
    pool = _pools.get(os.getpid())  # a fork has the pool without its threads
    if pool is None or pool._max_workers < len(jobs) - 1:
        pool = _pools[os.getpid()] = ThreadPoolExecutor(max(len(jobs), processors()), "dagrad")
    others = [pool.submit(job) for job in jobs[1:]]
    try:
        jobs[0]()
    finally:
        wait(others)
    for other in others:
        other.result()
