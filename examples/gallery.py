"""The pictures of docs/gallery.md, from real nets and programs.

    python examples/gallery.py [FOLDER] [--only NAME ...] [--png]

Every picture follows the reader's system, light or dark. `--png` writes each as PNG, too; the page of the training
needs a browser and nothing else.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from connectome import build, read_worm
from sklearn.datasets import make_moons

import autograd as ag
import visualize
from autograd import Net, Value
from autograd.layers import dense, elman, lstm

XOR = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]


def deep(layers: int = 12, width: int = 6) -> Net:
    """Sigmoids in twelve layers, with a skip from the second to the ninth."""
    rng = np.random.default_rng(2)
    net = Net()
    below = [net.input(f"x{k}") for k in range(3)]
    for layer in range(1, layers + 1):
        here = [
            net.neuron(f"h{layer}.{k}", "sigmoid", {s.name: rng.normal(0, 1.2) for s in below}, bias=rng.normal(0, 0.3))
            for k in range(width)
        ]
        below = here
    for k in range(width):
        net.link(f"h2.{k}", f"h9.{k}", rng.normal(0, 1.5))
    net.neuron("y", "linear", {s.name: rng.normal() for s in below}, output=True)
    net.forward(rng.normal(size=3))
    net.sweep([0.0])
    return net


def vanishing() -> visualize.Diagram:
    return visualize.draw(deep(), title="Vanishing gradient in a 12-layer sigmoid net", theme="auto")


def dead() -> visualize.Diagram:
    """Relus that a rate much too large has switched off for good."""
    x, y = make_moons(200, noise=0.1, random_state=0)
    net = Net.layered([2, 10, 10, 10, 10, 10, 1], activation="relu", seed=0)
    net.fit(x, y, optimiser="sgd", rate=0.3, epochs=20, progress=False)
    net.forward(x)
    net.sweep(y)
    return visualize.draw(net, title="Relus that have died at a rate too large", theme="auto")


def recurrent(radius: float, activation: str, steps: int = 36, size: int = 6) -> Net:
    """A recurrent layer whose matrix has a spectral radius, with the loss at the last step alone."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(size, size))
    matrix *= radius / np.abs(np.linalg.eigvals(matrix)).max()
    net = Net(seed=0)
    layer = list(elman(net, "h", size, net.input("x"), activation))
    for i, target in enumerate(layer):
        for j, source in enumerate(layer):
            net.set_weight(source, target, matrix[i, j])
    net.output(*layer)
    net.forward(rng.normal(0, 0.05, (steps, 1)))
    net.sweep(rng.normal(size=size), at="last")
    return net


def through_time() -> visualize.Strips:
    nets = {
        "tanh, spectral radius 0.6": recurrent(0.6, "tanh"),
        "tanh, spectral radius 1.0": recurrent(1.0, "tanh"),
        "linear, spectral radius 1.5": recurrent(1.5, "linear"),
    }
    return visualize.strips(nets, title="Backpropagation through time", theme="auto")


def memory() -> visualize.Diagram:
    """An LSTM that has learnt to say at the end what it saw first."""
    rng = np.random.default_rng(0)
    net = Net(seed=1)
    cells = lstm(net, "memory", 4, net.input("x"), forget_bias=5.0)
    net.output(*dense(net, "y", 1, cells, "linear"))
    x = rng.normal(size=(128, 40, 1))
    net.fit(x, x[:, 0], at="last", epochs=60, rate=0.02, progress=False)
    net.forward(x)
    net.sweep(x[:, 0], at="last")
    return visualize.draw(net, title="An LSTM that remembers its first input for 40 steps", theme="auto")


def worm() -> visualize.Diagram:
    """The neurons of C. elegans by class, each link a step of delay, after one sweep through six steps."""
    neurons, links = read_worm()
    net = build(neurons, links, seed=0, delay=1)
    kind = {name: c for c, names in neurons.items() for name in names}
    rng = np.random.default_rng(0)
    net.forward(np.repeat(rng.uniform(size=(20, 1, 64)), 6, axis=1))
    net.sweep(rng.integers(0, 10, size=20), "softmax_cross_entropy", at="last")

    def group(node: visualize.Node) -> str:
        return kind.get(node.name) or ("pixels" if node.name.startswith("pixel") else "outputs")

    return visualize.draw(net, group=group, title="A net wired like C. elegans", theme="auto")


def program(samples: int = 310) -> Value:
    """A net 16-32-32-32-10 as one scalar program over many samples: a million nodes."""
    rng = np.random.default_rng(0)
    sizes = [16, 32, 32, 32, 10]
    weights = [
        [[Value(w, name=f"layer {k}/weights[{i}][{j}]") for j, w in enumerate(row)]
         for i, row in enumerate(rng.normal(0, 1.2 / a**0.5, (b, a)))]
        for k, (a, b) in enumerate(itertools.pairwise(sizes), 1)
    ]  # fmt: skip
    losses = []
    for n in range(samples):
        h = [Value(x, name=f"inputs[{n}][{j}]") for j, x in enumerate(rng.normal(size=sizes[0]))]
        for k, layer in enumerate(weights, 1):
            sums = []
            for i, row in enumerate(layer):
                products = [w * x for w, x in zip(row, h, strict=True)]
                for j, p in enumerate(products):
                    p.name = f"layer {k}/× products[{n}][{i}][{j}]"
                sums.append(ag.sum(products))
                sums[-1].name = f"layer {k}/Σ sums[{n}][{i}]"
            if k < len(weights):
                h = [ag.sigmoid(a) for a in sums]
                for i, phi in enumerate(h):
                    phi.name = f"layer {k}/σ activations[{n}][{i}]"
            else:
                h = sums
        losses.append(ag.norm(h))
        losses[-1].name = f"losses[{n}]"
    total = ag.mean(losses)
    total.name = "L"
    total.backward()
    return total


def million() -> visualize.Diagram:
    return visualize.draw(program(), "groups", title="A million nodes in groups", theme="auto")


def trained(epochs: int = 400) -> visualize.Recording:
    """The training of a net 2-4-4-1 on XOR."""
    net = Net.layered([2, 4, 4, 1], activation="tanh", seed=0)
    recording = visualize.record(net)
    net.fit(*XOR, epochs=epochs, optimiser="sgd", rate=0.1, diagnose=recording, progress=False)
    return recording


def motion() -> visualize.Animation:
    return visualize.animate(trained(), title="A net learns XOR")


def course() -> visualize.Chart:
    """Six layers of sigmoids learn two moons: the levels next to the inputs hardly move until late."""
    x, y = make_moons(300, noise=0.1, random_state=0)
    net = Net.layered([2, 8, 8, 8, 8, 8, 1], activation="sigmoid", seed=0)
    recording = visualize.record(net)
    net.fit(x, y, validation=0.2, epochs=300, rate=0.01, diagnose=recording, progress=False)
    return visualize.curves(recording, title="Six layers of sigmoids on two moons", theme="auto")


def before_and_after() -> visualize.Diagram:
    """What 400 epochs change in the gradient of a net that learns XOR."""
    recording = trained()
    title = "XOR after 400 epochs, against before"
    return visualize.draw(recording.graph(-1), "circles", against=recording.graph(0), title=title, theme="auto")


def page() -> visualize.Diagram:
    return visualize.draw(trained(), title="A net learns XOR", format="html", theme="auto")


PICTURES: dict[str, Callable[[], visualize.Picture]] = {
    "vanishing": vanishing, "dead": dead, "through_time": through_time, "memory": memory, "worm": worm,
    "million": million, "motion": motion, "course": course, "before_and_after": before_and_after, "page": page,
}  # fmt: skip


def main(folder: Path, only: list[str], png: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in only or PICTURES:
        start = time.perf_counter()
        picture = PICTURES[name]()
        path = picture.save(folder / f"{name}.{'html' if name == 'page' else 'svg'}")
        if png:
            picture.save(path.with_suffix(".png"))
        print(f"{path}: {path.stat().st_size / 1000:,.0f} kB in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out/gallery"), help="where the pictures go")
    parser.add_argument("--only", nargs="+", choices=sorted(PICTURES), default=[], help="make these alone")
    parser.add_argument("--png", action="store_true", help="also write PNG")
    options = parser.parse_args()
    main(options.folder, options.only, options.png)
