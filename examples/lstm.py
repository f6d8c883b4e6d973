"""Long short-term memory on two problems of its first paper, which need a memory of many steps.

    python examples/lstm.py            seconds
    python examples/lstm.py --full     the sizes of the paper, about ten minutes

S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997), experiments 4 and 6. An LSTM is
an ordinary net here (`autograd.layers`), trained by the gradient through all steps. The paper took one sequence at a
time and a truncated gradient; here it is Adam on batches of 25, with gradients clipped at norm 1.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autograd import Adam, Net
from autograd.layers import Layer, dense, elman, lstm
from autograd.optimise import Cosine

BATCH = 25


@dataclass
class Sequences:
    """Sequences x [N, T, p], how many steps of each count [N], and what is to be said at the last."""

    x: np.ndarray
    lengths: np.ndarray
    y: np.ndarray


def adding(count: int, steps: int, rng: np.random.Generator) -> Sequences:
    """Experiment 4: numbers go by, two are marked, one of the first ten and another in the first half.

    Every step has a number from -1 to 1 and a marker: 1 at the two, -1 at the ends (where the number is 0 if it was to
    be one of them), else 0. At the end the net says 0.5 + (their sum) / 4, and is right if it errs by less than 0.04.
    """
    lengths = rng.integers(steps, steps + steps // 10, count, endpoint=True)
    x = np.zeros((count, lengths.max(), 2))
    x[:, :, 0] = rng.uniform(-1, 1, x.shape[:2])
    rows = np.arange(count)
    first, second = rng.integers(10, size=count), rng.integers(steps // 2 - 1, size=count)
    second += second >= first  # another one
    x[rows[(first == 0) | (second == 0)], 0, 0] = 0.0
    total = x[rows, first, 0] + x[rows, second, 0]
    x[rows, first, 1] = x[rows, second, 1] = 1.0
    x[rows, 0, 1] = x[rows, lengths - 1, 1] = -1.0
    return Sequences(x, lengths, 0.5 + total / 4)


def order(count: int, steps: int, marks: int, rng: np.random.Generator) -> Sequences:
    """Experiment 6: symbols go by, two (6a) or three (6b) of them are X or Y; say at the end in which order they came.

    A sequence begins with E, ends with B, and in between has a, b, c and d at random. Its class is one of 4 or 8.
    """
    lengths = rng.integers(steps, steps + steps // 10, count, endpoint=True)
    symbols = rng.integers(2, 6, (count, lengths.max()))  # a to d
    rows, y = np.arange(count), np.zeros(count, int)
    symbols[:, 0], symbols[rows, lengths - 1] = 0, 1  # E and B
    for begin in {2: (0.1, 0.5), 3: (0.1, 0.33, 0.66)}[marks]:
        at = int(begin * steps) + rng.integers(steps // 10, size=count, endpoint=True)
        came = rng.integers(2, size=count)
        symbols[rows, at] = 6 + came  # X or Y
        y = 2 * y + came
    return Sequences(np.eye(8)[symbols], lengths, y)


def train(net: Net, data: Sequences, loss: str, epochs: int, rate: float = 0.02) -> str:
    """Train on the last step of every sequence; return how long it took."""
    began = time.perf_counter()
    steps = epochs * len(data.x) // BATCH
    history = net.fit(
        data.x, data.y, lengths=data.lengths, at="last", loss=loss, optimiser=Adam(rate * Cosine(steps, end=0.01)),
        epochs=epochs, batch_size=BATCH, clip=1.0, seed=1, progress=False,
    )  # fmt: skip
    return f"{history.epochs} epochs, {time.perf_counter() - began:.0f} s"


def add_numbers(steps: int, size: int, sequences: int, epochs: int, rate: float, block: int = 1) -> float:
    """Print what three layers make of the adding problem; return the mean squared error of the last."""
    rng = np.random.default_rng(1)
    data, unseen = adding(sequences, steps, rng), adding(2000, steps, rng)
    print(
        f"adding, {steps} to {steps + steps // 10} steps, {size} cells, {sequences} sequences to learn from\n"
        f"  of 2000 never seen; the squared error of the best constant is {np.var(unseen.y):.4f}"
    )
    kinds: dict[str, Callable[[Net, list[str]], Layer]] = {
        "recurrent layer": lambda net, x: elman(net, "memory", size, x),
        "LSTM, forget gates of bias 1": lambda net, x: lstm(net, "memory", size, x, input_bias=-3.0, block=block),
        "LSTM of 1997, no forget gates": lambda net, x: lstm(
            net, "memory", size, x, input_bias=-3.0, block=block, forget=False
        ),
    }
    error = np.inf
    for what, add in kinds.items():
        net = Net(seed=1)
        net.input("number")
        net.input("marker")
        net.output(*dense(net, "sum", 1, add(net, ["number", "marker"]), "linear"))
        took = train(net, data, "mse", epochs, rate)
        wrong = net.predict(unseen.x, lengths=unseen.lengths, at="last")[:, 0] - unseen.y
        error, right = float(np.mean(wrong**2)), np.mean(np.abs(wrong) < 0.04)
        print(f"  {what:<31} squared error {error:.6f}, {right:6.1%} right ({took})")
    return error


def tell_order(steps: int, size: int, marks: int, sequences: int, epochs: int, block: int = 1) -> int:
    """Print how many of 512 sequences are told right; return it."""
    rng = np.random.default_rng(1)
    data, unseen = order(sequences, steps, marks, rng), order(512, steps, marks, rng)
    net = Net(seed=1)
    symbols = [net.input(symbol) for symbol in "EBabcdXY"]
    memory = lstm(net, "memory", size, symbols, forget=False, input_bias=-3.0, block=block)
    net.output(*dense(net, "class", 2**marks, memory, "linear"))
    print(f"order, {steps} to {steps + steps // 10} steps, {size} cells, {sequences} sequences to learn from")
    took = train(net, data, "softmax_cross_entropy", epochs)
    said = net.predict(unseen.x, lengths=unseen.lengths, at="last").argmax(axis=1)
    right = int(np.sum(said == unseen.y))
    print(f"  LSTM of 1997                    {right} of 512 never seen are right ({took})")
    return right


def main(full: bool) -> bool:
    if full:
        error = add_numbers(steps=1000, size=4, sequences=2000, epochs=40, rate=0.01, block=2)
        right = tell_order(steps=100, size=6, marks=3, sequences=2000, epochs=60, block=2)
    else:
        error = add_numbers(steps=100, size=8, sequences=2000, epochs=10, rate=0.02)
        right = tell_order(steps=50, size=4, marks=2, sequences=1000, epochs=20)
    return error < 0.001 and right == 512


if __name__ == "__main__":
    if not main(full="--full" in sys.argv[1:]):
        raise SystemExit("the memory was not learned")
