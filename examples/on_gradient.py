"""The source document, G. Galvan, "On Gradient" (2015), equation by equation, each checked by numbers.

    python examples/on_gradient.py

Every derivative is compared with finite differences of the loss, which know nothing of the chain rule. Two misprints of
the document are named where they stand, and the corrected form is what the numbers confirm.
"""

import numpy as np

from autograd import Net
from autograd.batch import differentiate
from autograd.ops import sigmoid

R = np.random.default_rng(0)
failures: list[str] = []


def check(number: str, text: str, found, expected, tolerance: float = 1e-12) -> None:
    """Print one equation with the largest difference of its two sides."""
    difference = float(np.max(np.abs(np.asarray(found, float) - np.asarray(expected, float))))
    good = difference <= tolerance
    print(f"({number:>4}) {'holds' if good else 'FAILS'}  {difference:.0e}  {text}")
    if not good:
        failures.append(number)


def finite_difference(f, w: np.ndarray) -> np.ndarray:
    """Gradient of f by central differences of two widths, which cancels their h^2 term."""
    out = np.zeros_like(w)
    for i in np.ndindex(w.shape):
        slopes = []
        for h in (1e-3, 5e-4):
            e = np.zeros_like(w)
            e[i] = h
            slopes.append((f(w + e) - f(w - e)) / (2 * h))
        out[i] = (4 * slopes[1] - slopes[0]) / 3
    return out


def any_shape() -> None:
    print("Section 1.1, a net of any shape: x1, x2 -> h1, h2 -> y1, y2, links skipping levels, y1 feeding y2\n")
    net = Net(seed=1)
    for name in ("x1", "x2"):
        net.input(name)
    net.neuron("h1", activation="sigmoid", sources=["x1", "x2"])
    net.neuron("h2", activation="sigmoid", sources=["x2", "h1"])
    net.neuron("y1", activation="sigmoid", sources=["h1", "h2", "x1"], output=True)
    net.neuron("y2", activation="sigmoid", sources=["h2", "y1"], output=True)
    samples, q = 5, 2
    x, y = R.normal(size=(samples, 2)), R.uniform(size=(samples, q))  # (1): D = {x^(i), y^(i)}
    weights = net.weights.copy()

    def loss_of(w: np.ndarray, rows: slice = slice(None)) -> float:
        net.weights = w
        value = float(np.mean((net.predict(x[rows]) - y[rows]) ** 2))
        net.weights = weights
        return value

    net.forward(x)
    loss = net.sweep(y, "mse")
    each = [loss_of(weights, slice(i, i + 1)) for i in range(samples)]
    check("2", "L = 1/N sum_i L^(i)", loss, np.mean(each))

    w = {(net.names[j], net.names[k]): v for j, k, v in zip(net.source, net.target, weights, strict=True)}
    phi = {neuron.name: neuron.phi for neuron in net}
    a = {neuron.name: neuron.a for neuron in net}
    delta = {neuron.name: neuron.delta for neuron in net}
    hidden = ["h1", "h2", "y1", "y2"]
    sums = [sum(w[j, k] * phi[j] for j in phi if (j, k) in w) + net[k].bias for k in hidden]
    check("3", "a_l = sum_j w_lj phi_j (+ a bias, the weight of a source that is 1)", [a[k] for k in hidden], sums)
    check("4", "phi_l = sigma(a_l)", [phi[k] for k in hidden], [1 / (1 + np.exp(-a[k])) for k in hidden])

    slopes = finite_difference(loss_of, weights)
    products = [np.mean(delta[net.names[k]] * phi[net.names[j]]) for j, k in zip(net.source, net.target, strict=True)]
    check("5", "dL/dw_lj = mean over i of delta_l phi_j, where delta_l = dL^(i)/da_l", products, slopes, 1e-9)
    check("5", "the same from the sweep of the engine", net.weight_gradient, slopes, 1e-9)

    parents = {name: {k for (j, k) in w if j == name} for name in phi}
    check("6", "P(l) = {k: there is a link from l to k}: the neurons that l feeds",
          [parents[n] == {k.name for k in net[n].parents} for n in phi], True)  # fmt: skip

    def slope(name: str) -> np.ndarray:
        return sigmoid(a[name]) * sigmoid(-a[name])

    for name in ("h1", "h2"):
        back = sum(delta[k] * w[name, k] for k in parents[name])
        what = f"delta_{name} = sigma'(a) * sum over k in P({name}) of delta_k w_kl"
        check("7", what, delta[name], slope(name) * back)
    print("         (misprint: (6) calls the weight of the link from l to k w_lk, (7) writes w_kl; it is one weight,")
    print("         in this package w_kl, from l to k, as in (3))")
    for u, name in enumerate(("y1", "y2")):
        (from_loss,) = differentiate(lambda p, u=u: (p - y[:, u]) ** 2 / q, phi[name])[1]
        back = sum((delta[k] * w[name, k] for k in parents[name]), np.zeros(samples))
        what = "from the loss alone, no weight needed" if name == "y2" else "the loss's term, and (7): y1 feeds y2"
        check("out", f"delta_{name}: {what}", delta[name], slope(name) * (from_loss + back))


def in_layers() -> None:
    print("\nSection 1.2, layers in matrix notation: 3-4-4-2\n")
    net = Net.layered([3, 4, 4, 2], activation="sigmoid", output_activation="sigmoid", seed=2)
    x, y = R.normal(size=(1, 3)), R.uniform(size=(1, 2))
    net.forward(x)
    net.sweep(y, "mse")
    matrices = net.matrices()
    phi, a = [x.T], []  # (8): phi_1 = x
    for w, b in matrices:
        a.append(w @ phi[-1] + b[:, None])  # (9)
        phi.append(1 / (1 + np.exp(-a[-1])))  # (10)
    check("8-10", "phi_1 = x, a_(i+1) = W_(i+1) phi_i, phi_(i+1) = sigma(a_(i+1))", phi[-1].T, net.predict(x))
    sigma_slope = [p * (1 - p) for p in phi[1:]]
    delta = [2 * (phi[-1] - y.T) / 2 * sigma_slope[-1]]
    for i in reversed(range(len(matrices) - 1)):
        delta.insert(0, (matrices[i + 1][0].T @ delta[0]) * sigma_slope[i])
    for i, layer in enumerate(net.layers[1:]):
        check("12", f"Delta_{i + 2} = dL/da_{i + 2}", net.delta[layer], delta[i])
    check("13", "Delta_i = W_(i+1)^T Delta_(i+1) o sigma'(a_i)", net.delta[net.layers[1]], delta[0])
    wrong = (matrices[1][0].T @ delta[1]) / (1 + np.exp(-delta[0]))
    share = np.abs(wrong / delta[0] - 1).max()
    print("         (misprint: (13) is printed with sigma(Delta_i) in place of sigma'(a_i); that is")
    print(f"         off by {share:.0%} here)")

    def loss_of(w: np.ndarray) -> float:
        before = net.parameters.copy()
        net.parameters = w
        value = float(np.mean((net.predict(x) - y) ** 2))
        net.parameters = before
        return value

    slopes = finite_difference(loss_of, net.parameters)
    _, gradients = net.matrix_gradient(x, y, "mse")
    for i, (w_gradient, _) in enumerate(gradients):
        check("11", f"dL/dW_{i + 2} = Delta_{i + 2} phi_{i + 1}^T", w_gradient, delta[i] @ phi[i].T)
    _, flat = net.loss_and_gradient(x, y, "mse")
    check("11", "and the gradient of every weight and bias is that of the sweep, link by link", flat, slopes, 1e-9)


if __name__ == "__main__":
    any_shape()
    in_layers()
    if failures:
        raise SystemExit(f"equations that failed: {failures}")
