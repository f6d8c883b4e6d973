"""Two moons told apart by a net of scalar Values, after the demo of micrograd.

    python examples/moons.py

A net 2-16-16-1 of `autograd.nn` learns a margin between 100 points with weights kept small: every
number is a node of one graph, about a hundred thousand of them a step.
"""

import random

from sklearn.datasets import make_moons

from autograd import nn
from autograd.value import Value

STEPS = 60


def main() -> float:
    random.seed(1337)
    points, moons = make_moons(n_samples=100, noise=0.1, random_state=1)
    labels = [2 * int(m) - 1 for m in moons]
    model = nn.MLP(2, [16, 16, 1])
    print(model)
    print(f"{len(model.parameters())} parameters")

    def loss_and_accuracy() -> tuple[Value, float]:
        scores = [model(point.tolist()) for point in points]
        margins = [(1 - label * score).relu() for label, score in zip(labels, scores, strict=True)]
        small = 1e-4 * sum((p * p for p in model.parameters()), Value(0.0))
        right = sum((score > 0) == (label > 0) for label, score in zip(labels, scores, strict=True))
        return sum(margins, Value(0.0)) / len(margins) + small, right / len(labels)

    accuracy = 0.0
    for k in range(STEPS):
        loss, accuracy = loss_and_accuracy()
        model.zero_grad()
        loss.backward()
        rate = 1.0 - 0.9 * k / STEPS
        for p in model.parameters():
            p.data -= rate * p.grad
        if k % 10 == 0 or k == STEPS - 1:
            print(f"step {k:2}: loss {loss.data:.4f}, {accuracy:.0%} right")

    for row in range(12):  # the decision, from the upper left to the lower right
        x2 = 1.5 - row * 2.5 / 11
        print("".join("#" if model([-1.5 + column * 4 / 47, x2]) > 0 else "." for column in range(48)))
    return accuracy


if __name__ == "__main__":
    if main() < 0.98:
        raise SystemExit("the net did not tell the moons apart")
