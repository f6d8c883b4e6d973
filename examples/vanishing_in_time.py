"""How a gradient fades or grows on its way back through time, measured in five nets, beside the formulas.

    python examples/vanishing_in_time.py

Over T steps a neuron that reads itself multiplies its delta T times by w sigma'(a), and a layer by the transpose of its
matrix (S. Hochreiter, 1991; Y. Bengio et al., 1994; R. Pascanu et al., 2013). The cell of an LSTM multiplies it by the
forget gate, or without one by 1: the constant error carousel of 1997.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

import autograd
from autograd import Net
from autograd.layers import elman, lstm

STEPS = (1, 20, 100)


def latch(w: float) -> tuple[Net, Sequence[str], float]:
    """Return a tanh neuron that holds itself at phi = tanh(w phi), its name, and the factor w sigma'."""
    phi = 1.0
    for _ in range(200):
        phi = math.tanh(w * phi)
    net = Net()
    net.input("x")
    net.neuron("h", "tanh", {"x": 1.0}, initial=phi, output=True)
    net.link("h", "h", w, delay=1)
    return net, ["h"], w * (1 - phi**2)


def rotation(gain: float, size: int = 8) -> tuple[Net, Sequence[str], float]:
    """Return a linear recurrent layer whose matrix is a gain times an orthogonal one, its names, and the gain."""
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))
    net = Net()
    layer = elman(net, "h", size, net.input("x"), "linear")
    net.output(*layer)
    for i, target in enumerate(layer):
        for j, source in enumerate(layer):
            net.set_weight(source, target, gain * q[i, j])
    return net, list(layer), gain


def cell(forget_bias: float | None) -> tuple[Net, Sequence[str], float]:
    """Return an LSTM with all weights 0, the name of its cell, and what the forget gate is."""
    net = Net(init=0.0)
    x = net.input("x")
    if forget_bias is None:
        memory, keep = lstm(net, "m", 1, x, forget=False), 1.0
    else:
        memory, keep = lstm(net, "m", 1, x, forget_bias=forget_bias), 1 / (1 + math.exp(-forget_bias))
    net.output(*memory["c"])
    return net, memory["c"], keep


def reach(net: Net, names: Sequence[str], steps: int) -> float:
    """Return by what factor delta changes on its way back over so many steps, from a loss that sees the last alone."""
    net.forward(np.zeros((steps + 1, 1)))
    net.sweep(np.zeros(len(net.outputs)), lambda phi, y: autograd.sum(phi), at="last")
    delta = np.array([net[name].delta for name in names])  # [neurons, T + 1]
    return float(np.linalg.norm(delta[:, 0]) / np.linalg.norm(delta[:, -1]))


NETS: dict[str, Callable[[], tuple[Net, Sequence[str], float]]] = {
    "tanh neuron, latched, w = 1.25": lambda: latch(1.25),
    "orthogonal layer times 0.9": lambda: rotation(0.9),
    "orthogonal layer": lambda: rotation(1.0),
    "orthogonal layer times 1.1": lambda: rotation(1.1),
    "LSTM cell, forget bias 1": lambda: cell(1.0),
    "LSTM cell, forget bias 3": lambda: cell(3.0),
    "LSTM cell of 1997": lambda: cell(None),
}


def main() -> float:
    """Print the table; return the largest relative difference between the sweep and a formula."""
    print(f"delta at step 0 over delta at step T\n{'':<32}{'factor':>10}" + "".join(f"{f'T = {t}':>24}" for t in STEPS))
    print(f"{'':<42}" + f"{'sweep':>12}{'factor^T':>12}" * len(STEPS))
    worst = 0.0
    for what, make in NETS.items():
        net, names, factor = make()
        measured, formula = [reach(net, names, t) for t in STEPS], [factor**t for t in STEPS]
        worst = max(worst, *(abs(m / f - 1) for m, f in zip(measured, formula, strict=True)))
        columns = "".join(f"{m:>12.4g}{f:>12.4g}" for m, f in zip(measured, formula, strict=True))
        print(f"{what:<32}{factor:>10.6f}{columns}")
    print(f"largest relative difference: {worst:.1e}")
    return worst


if __name__ == "__main__":
    if main() > 1e-9:
        raise SystemExit("the sweep is not the formula")
