"""A gradient that vanishes, a dead unit, and the skip link that saves an input: the picture of README.md.

    python examples/vanishing.py [FILE]

Two saturated sigmoid units stand between most of the net and the loss, a relu unit is off, and one link goes round them
all. The verdict says so in words; the picture is written to FILE (default `out/vanishing.svg`).
"""

import sys
from pathlib import Path

import visualize
from autograd import Net


def main(file: Path) -> str:
    net = Net()
    for name in ("x1", "x2", "x3"):
        net.input(name)
    net.neuron("h1", activation="tanh", sources={"x1": 0.9, "x2": -0.6}, bias=0.1)
    net.neuron("h2", activation="tanh", sources={"x2": 1.4, "x3": 0.8}, bias=1.0)
    net.neuron("h3", activation="relu", sources={"x1": -1.2, "x3": -0.4}, bias=-0.3)
    net.neuron("h4", activation="sigmoid", sources={"h1": 2.1, "h2": -1.7}, bias=-3.0)
    net.neuron("h5", activation="sigmoid", sources={"h2": 0.3, "h3": 1.1}, bias=-2.2)
    net.neuron("h6", activation="sigmoid", sources={"h4": 5.5, "h5": 3.2}, bias=2.0)
    net.neuron("y", activation="linear", sources={"h6": 0.9, "x3": 0.35}, output=True)
    net.forward([1.0, -2.0, 0.5])
    net.sweep([1.04], "mse")
    diagram = visualize.draw(net, title="A gradient that vanishes", theme="auto")
    print(diagram)
    file.parent.mkdir(parents=True, exist_ok=True)
    print(f"picture: {diagram.save(file)}")
    return diagram.verdict


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/vanishing.svg"))
