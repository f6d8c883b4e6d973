"""Exclusive or on a net of two hidden units with skip links, neuron by neuron.

    python examples/xor.py

Builds the net by hand, looks at every delta, trains it, and shows that the same net as a graph of Values has
the same gradient.
"""

from autograd import Adam, Net

X = [[0, 0], [0, 1], [1, 0], [1, 1]]
Y = [0, 1, 1, 0]


def main() -> list[int]:
    net = Net(seed=3)
    net.input("x1")
    net.input("x2")
    net.neuron("h1", activation="tanh", sources=["x1", "x2"])
    net.neuron("h2", activation="tanh", sources=["x1", "x2", "h1"])
    net.neuron("y", activation="linear", sources=["x1", "x2", "h1", "h2"], output=True)  # x1 and x2 skip two levels
    print(net)

    print("\none sample before training, (x1, x2) = (1, 0):")
    net.forward([1, 0])
    loss = net.sweep([1], "binary_cross_entropy")
    for neuron in net:
        feeds = ", ".join(k.name for k in neuron.parents) or "the loss"
        print(f"  {neuron.name}: phi = {neuron.phi:+.4f}  delta = {neuron.delta:+.4f}  feeds {feeds}")
    w = net.weight_gradient[[link.index for link in net["h1"].links_in]]
    print(f"  dL/dw of h1 = delta_h1 * phi_j: {w[0]:+.4f}, {w[1]:+.4f}; loss {loss:.4f}")

    graph = net.to_values([1, 0], [1], "binary_cross_entropy")
    graph.loss.backward()
    difference = max(abs(v.grad - g) for v, g in zip(graph.weights, net.weight_gradient, strict=True))
    print(f"  the same net as a graph of Values: gradients differ by at most {difference:.1e}")

    history = net.fit(
        X, Y, loss="binary_cross_entropy", optimiser=Adam(0.05), epochs=300, batch_size=None, progress=False
    )
    answers = [int(a > 0) for a in net.predict(X)[:, 0]]
    print(f"\nafter {history.epochs} epochs: {[f'{a} xor {b} = {c}' for (a, b), c in zip(X, answers, strict=True)]}")
    return answers


if __name__ == "__main__":
    if main() != Y:
        raise SystemExit("the net did not learn exclusive or")
