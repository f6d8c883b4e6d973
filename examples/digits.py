"""The main job: train a net of irregular shape on real data, check its gradient, see where it flows.

    python examples/digits.py [FOLDER]

Scikit-learn's handwritten digits, 8 x 8 pixels, on a net of 120 hidden neurons in six levels whose links skip levels at
will. Trains to at least 96 % on digits that it has not seen, compares the gradient of 50 weights with finite
differences, writes the gradient-flow picture to FOLDER (default `out`) and says where the gradient vanishes.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import visualize
from autograd import Adam, Net
from autograd.learn import accuracy

LOSS = "softmax_cross_entropy"


def finite_difference(net: Net, x: np.ndarray, y: np.ndarray, i: int) -> tuple[float, float]:
    """Return the derivative of the loss by parameter i from values alone, and an estimate of its error."""
    objective, start = net.objective(LOSS), net.parameters.copy()

    def slope(h: float) -> float:
        loss = []
        for step in (h, -h):
            moved = start.copy()
            moved[i] += step
            loss.append(objective(moved, (x, y))[0])
        return (loss[0] - loss[1]) / (2 * h)

    wide, narrow = slope(2e-4), slope(1e-4)
    # The error of a central difference falls with h^2, so a third of the change is left; rounding adds its own.
    return narrow + (narrow - wide) / 3, abs(narrow - wide) + 1e-11


def main(folder: Path) -> float:
    pixels, digit = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(pixels / 16, digit, test_size=0.25, random_state=0, stratify=digit)

    net = Net.random(64, 120, 10, fan_in=24, depth=7, activation="softsign", seed=1)
    print(net)
    history = net.fit(
        x, y, loss=LOSS, optimiser=Adam(3e-3), epochs=40, batch_size=32, validation=0.1, patience=12, metric="accuracy"
    )
    print(history)
    score = accuracy(net.predict(x_test), y_test)
    print(f"digits never seen: {score:.1%} of {len(y_test)} right")

    sample, target = x_test[:64], y_test[:64]
    net.forward(sample)
    net.sweep(target, LOSS)
    gradient = net.objective(LOSS)(net.parameters, (sample, target))[1]
    chosen = np.random.default_rng(0).choice(len(net.weights), 50, replace=False)
    worst = 0.0
    for i in chosen:
        expected, error = finite_difference(net, sample, target, i)
        worst = max(worst, abs(gradient[i] - expected))
        if abs(gradient[i] - expected) > 10 * error:
            link = f"{net.names[net.source[i]]} -> {net.names[net.target[i]]}"
            raise SystemExit(f"dL/dw of {link} is {gradient[i]}, finite differences say {expected} +- {error}")
    print(f"50 random weights: the sweep and finite differences agree, the largest difference is {worst:.1e}")

    net.forward(sample)
    net.sweep(target, LOSS)
    print("\nWhere does the gradient flow?\n")
    print(visualize.levels(net))
    print(visualize.verdict(net))
    folder.mkdir(exist_ok=True)
    for name in ("digits.svg", "digits.png"):
        print(f"picture: {visualize.draw(net, title='Digits on an irregular net').save(folder / name)}")
    return score


if __name__ == "__main__":
    if main(Path(sys.argv[1] if len(sys.argv) > 1 else "out")) < 0.96:
        raise SystemExit("the net did not reach 96 %")
