"""Time the diagrams beside other ways to draw a graph, and what a recording costs a training.

    python benchmarks/diagrams.py [--rounds N]

Each way draws the same scalar graph as SVG, the ways in turn, round after round; that every node and edge is in the
picture is checked. All that lay out by Graphviz use the engine of the wheel graphviz-pure. micrograd has no drawing in
its package; its notebook's is made here anew on its nodes: a record a value, a node an operation.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import graphviz
import numpy as np

import visualize
from autograd import Net, Value
from autograd.layers import dense, lstm
from visualize import engines

#: Operations of the programs, and nodes: what the result does not depend on is not drawn.
SIZES = {34: 50, 620: 500, 2720: 2000}
MILLION = 1_382_000


def program(make: Callable[[float], Any], operations: int, seed: int = 0) -> Any:
    """A straight-line program of sums and products of the last few numbers, the same for every engine."""
    r = random.Random(seed)
    nodes = [make(r.uniform(0.5, 1.5)) for _ in range(max(operations // 10, 4))]
    for k in range(operations - len(nodes)):
        a, b = nodes[-r.randrange(1, min(40, len(nodes)))], nodes[-r.randrange(1, min(40, len(nodes)))]
        nodes.append(a * b if k % 2 else a + b)
    total = nodes[-1]
    for x in nodes[-20:-1]:
        total = total + x
    return total


# The ways. -----------------------------------------------------------------------------------------------------------


def ours(operations: int, view: str) -> Callable[[], int]:
    y = program(Value, operations)
    y.backward()
    graph = visualize.from_value(y)

    def draw() -> int:
        svg = visualize.draw(y, view).svg
        assert svg.count('<g id="n') == len(graph), "a node is missing"
        assert svg.count('<g id="e') == graph.edges, "an edge is missing"
        return len(svg)

    return draw


def as_micrograd(operations: int) -> Callable[[], int]:
    y = program(import_module("micrograd.engine").Value, operations)
    y.backward()

    def draw() -> int:
        dot, seen, edges = graphviz.Digraph(format="svg", graph_attr={"rankdir": "LR"}), set(), 0
        todo = [y]
        while todo:
            v = todo.pop()
            if v in seen:
                continue
            seen.add(v)
            dot.node(str(id(v)), label=f"{{ data {v.data:.4f} | grad {v.grad:.4f} }}", shape="record")
            if v._op:
                dot.node(f"{id(v)}{v._op}", label=v._op)
                dot.edge(f"{id(v)}{v._op}", str(id(v)))
                edges += 1
            for x in v._prev:
                dot.edge(str(id(x)), f"{id(v)}{v._op}")
                todo.append(x)
                edges += 1
        svg = dot.pipe().decode()
        assert svg.count('class="edge"') == edges, "an edge is missing"
        return len(svg)

    return draw


def torchviz(operations: int) -> Callable[[], int]:
    torch, viz = import_module("torch"), import_module("torchviz")
    y = program(lambda x: torch.tensor(x, dtype=torch.float64, requires_grad=True), operations)

    def draw() -> int:
        svg = viz.make_dot(y).pipe("svg").decode()
        assert svg.count('class="node"') > operations / 8, "nodes are missing"
        return len(svg)

    return draw


def matplotlib(operations: int) -> Callable[[], int]:
    plot, nx = import_module("matplotlib.pyplot"), import_module("networkx")
    plot.switch_backend("svg")
    y = program(Value, operations)
    y.backward()
    graph = visualize.from_value(y)

    def draw() -> int:
        g = nx.MultiDiGraph()
        for i, level in enumerate(graph.levels.tolist()):
            g.add_node(i, level=level)
        g.add_edges_from(zip(graph.source.tolist(), graph.target.tolist(), strict=True))
        figure = plot.figure(figsize=(20, 12))
        at = nx.multipartite_layout(g, subset_key="level")
        nx.draw(g, at, node_size=60, node_color=np.log10(np.abs(graph.gradients) + 1e-300), cmap="coolwarm")
        out = BytesIO()
        figure.savefig(out, format="svg")
        plot.close(figure)
        return len(out.getvalue())

    return draw


def ways(operations: int) -> dict[str, Callable[[], int]]:
    """Return what can be timed here; who is missing is named."""
    found = {}
    makers: dict[str, Callable[[], Callable[[], int]]] = {
        "dagrad, labels": lambda: ours(operations, "labels"),
        "dagrad, circles": lambda: ours(operations, "circles"),
        "micrograd's notebook": lambda: as_micrograd(operations),
        "torchviz (no gradients)": lambda: torchviz(operations),
        "networkx and matplotlib": lambda: matplotlib(operations),
    }
    for name, make in makers.items():
        if operations > 700 and name == "dagrad, labels":
            continue  # so many labels nobody reads; draw() takes circles
        try:
            found[name] = make()
        except ImportError as error:
            print(f"{name}: left out, {error}")
    return found


def drawings(rounds: int) -> None:
    print("\n### To SVG\n\n| way |" + "".join(f" {n} nodes, s |" for n in SIZES.values()) + " times dagrad |\n|---|"
          + "---|" * (len(SIZES) + 1))  # fmt: skip
    times: dict[str, dict[int, float]] = {}
    for size in SIZES:
        taken: dict[str, list[float]] = {}
        drawers = ways(size)
        for _ in range(rounds):
            for name, draw in drawers.items():
                start = time.perf_counter()
                try:
                    draw()
                except Exception as error:
                    print(f"{name}, {SIZES[size]} nodes: {type(error).__name__}: {error!s:.100}", file=sys.stderr)
                    continue
                taken.setdefault(name, []).append(time.perf_counter() - start)
        for name, seconds in taken.items():
            times.setdefault(name, {})[size] = statistics.median(seconds)
    own = {n: times.get("dagrad, labels" if n <= 40 else "dagrad, circles", {}).get(n) for n in SIZES}
    for name, by_size in times.items():
        ratios = [f"{by_size[n] / base:.1f}" if (base := own[n]) and n in by_size else "" for n in SIZES]
        cells = [f"{by_size[n]:.2f}" if n in by_size else "" for n in SIZES]
        print(f"| {name} | {' | '.join(cells)} | {' / '.join(r or '–' for r in ratios)} |")


def million() -> None:
    """A graph of a million nodes by levels, in a process of its own, whose memory is measured."""
    start = time.perf_counter()
    y = program(Value, MILLION)
    y.backward()
    built, before = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    start = time.perf_counter()
    diagram = visualize.draw(y, "levels")
    seconds, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{len(diagram.graph):,} nodes and {diagram.graph.edges:,} edges: built and swept in {built:.1f} s "
          f"({before:.2f} GB), drawn by levels in {seconds:.1f} s; {peak:.2f} GB at the most")


def page() -> None:
    net = Net.random(8, 1990, 2, fan_in=4, depth=30, seed=0)
    net.forward(np.random.default_rng(0).normal(size=8))
    net.sweep([0.0, 0.0])
    start = time.perf_counter()
    html = visualize.draw(net, "circles").html
    graph = visualize.from_net(net)
    print(f"a page of {len(graph):,} nodes and {graph.edges:,} edges: {len(html.encode()) / 1000:.0f} kB, "
          f"made in {time.perf_counter() - start:.1f} s")


def recordings(rounds: int) -> None:
    """What `diagnose=record(net)` adds to a training, in CPU time, with and without in turn."""
    rng = np.random.default_rng(0)
    digits = rng.normal(size=(1500, 64)), rng.integers(0, 10, size=1500)
    sequences = rng.normal(size=(64, 20, 1))

    def recurrent() -> Net:
        net = Net(seed=0)
        net.output(*dense(net, "y", 1, lstm(net, "m", 16, net.input("x")), "linear"))
        return net

    trainings: dict[str, tuple[Callable[[], Net], tuple[Any, Any], dict[str, Any]]] = {
        "XOR 2-8-1, 2 000 epochs": (
            lambda: Net.layered([2, 8, 1], seed=0), ([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]), {"epochs": 2000}),
        "64-64-10, 1 500 samples, 60 epochs": (
            lambda: Net.layered([64, 64, 10], seed=0), digits, {"epochs": 60, "loss": "softmax_cross_entropy"}),
        "LSTM of 16 cells, 64 sequences of 20, 120 epochs": (
            recurrent, (sequences, sequences[:, 0]), {"epochs": 120, "at": "last"}),
    }  # fmt: skip
    print("\n### A training with `diagnose=record(net)`\n")
    print("| training | without, s | with, s | more |\n|---|---|---|---|")
    for name, (make, data, options) in trainings.items():
        taken: dict[bool, list[float]] = {False: [], True: []}
        for turn in range(2 * rounds + 2):
            with_record = turn % 2 == 1
            net = make()
            recording = visualize.record(net) if with_record else None
            start = time.process_time()
            net.fit(*data, **options, diagnose=recording, progress=False)
            if turn > 1:  # the first of each compiles
                taken[with_record].append(time.process_time() - start)
        without, with_ = (statistics.median(taken[k]) for k in (False, True))
        print(f"| {name} | {without:.3f} | {with_:.3f} | {100 * (with_ / without - 1):+.1f} % |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--million", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.million:
        million()
        return
    embedded = engines.embedded()
    if embedded is None:
        sys.exit("the diagrams are timed with the engine of graphviz-pure: pip install graphviz-pure")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "dot").symlink_to(embedded)
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
        drawings(options.rounds)
    print()
    sys.stdout.flush()
    subprocess.run([sys.executable, __file__, "--million"], check=True)
    page()
    recordings(2 * options.rounds + 1)


if __name__ == "__main__":
    main()
