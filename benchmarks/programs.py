"""Four scalar programs of the public GradBench suite, and seeded inputs of any size for them.

Each takes a namespace `m` of exp, log, sqrt, sin, cos, tanh and maximum, and numbers that know + - * / and negation:
floats with `FLOATS`, or those of any engine. What is differentiated comes as one flat list.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import pairwise
from operator import add
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

WIDTH = 14  # bits of a character
CAMERA, OBSERVED = 11, 15  # numbers of a camera; those of an observation that are differentiated
FLOATS = SimpleNamespace(
    exp=math.exp, log=math.log, sqrt=math.sqrt, sin=math.sin, cos=math.cos, tanh=math.tanh, maximum=max
)


def total(xs: Iterable[Any]) -> Any:
    return reduce(add, xs)


def squares(xs: Iterable[Any]) -> Any:
    return total(x * x for x in xs)


# Log-sum-exp.


def log_sum_exp(m: Any, x: Sequence[Any]) -> Any:
    """Return log(sum(exp(x))), the largest taken out of it."""
    top = reduce(m.maximum, x)
    return top + m.log(total(m.exp(v - top) for v in x))


def lse_input(n: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=n)


# A Gaussian mixture: k components in d dimensions, the inverse factor of a covariance lower triangular, with exp(q) on
# its diagonal and l below, column by column. The parameters are weights [k], means [k, d], q [k, d], l [k, d(d-1)/2].


def gmm_lengths(d: int, k: int) -> list[int]:
    """Return how many parameters there are of each sort."""
    return [k, k * d, k * d, k * d * (d - 1) // 2]


class Shared(NamedTuple):
    """What every row needs of the parameters; the lists of `means`, `scales` and `lower` have an entry a component."""

    weights: Sequence[Any]  # of the components, each with the logarithm of its determinant
    means: list[Sequence[Any]]
    scales: list[Sequence[Any]]
    lower: list[Sequence[Any]]

    def flat(self) -> list[Any]:
        """Return all the numbers in one list."""
        return [*self.weights, *(v for part in self[1:] for own in part for v in own)]

    @staticmethod
    def of(numbers: Sequence[Any], d: int, k: int) -> Shared:
        """Return the flat numbers in their places."""
        ends = np.cumsum([0, *gmm_lengths(d, k)])
        weights, *rest = [numbers[a:b] for a, b in pairwise(ends)]
        cut = [[part[i * len(part) // k : (i + 1) * len(part) // k] for i in range(k)] for part in rest]
        return Shared(weights, *cut)


def gmm_shared(m: Any, params: Sequence[Any], d: int, k: int) -> Shared:
    """Return what the rows need."""
    raw = Shared.of(params, d, k)
    weights = [a + total(q) for a, q in zip(raw.weights, raw.scales, strict=True)]
    return Shared(weights, raw.means, [[m.exp(v) for v in q] for q in raw.scales], raw.lower)


def gmm_row(m: Any, shared: Shared, row: Sequence[Any]) -> Any:
    """Return the log density at a row, without its constants."""
    d, densities = len(row), []
    for weight, mean, scale, lower in zip(*shared, strict=True):
        away = [x - c for x, c in zip(row, mean, strict=True)]
        white = [s * v for s, v in zip(scale, away, strict=True)]
        below = iter(lower)
        for column in range(d):
            for i in range(column + 1, d):
                white[i] = white[i] + next(below) * away[column]
        densities.append(weight - 0.5 * squares(white))
    return log_sum_exp(m, densities)


def gmm_term(m: Any, params: Sequence[Any], row: Sequence[Any], k: int) -> Any:
    """Return what a row adds to the log posterior."""
    return gmm_row(m, gmm_shared(m, params, len(row), k), row)


def gmm_prior(m: Any, params: Sequence[Any], d: int, k: int, n: int, extra: int = 0, gamma: float = 1.0) -> Any:
    """Return all of the log posterior but the terms of the n rows: constants, normalised weights, a Wishart prior.

    Args:
        m: the namespace.
        params: the parameters.
        d: dimensions.
        k: components.
        n: rows.
        extra: degrees of freedom of the prior beyond d + 1.
        gamma: the scale of the prior.
    """
    weights, _, logs, lower = Shared.of(params, d, k)
    penalty = 0.0
    for q, below in zip(logs, lower, strict=True):
        frobenius = squares([*(m.exp(v) for v in q), *below])
        penalty = penalty + 0.5 * gamma * gamma * frobenius - extra * total(q)
    return gmm_constant(d, k, n, extra, gamma) - n * log_sum_exp(m, weights) - penalty


def gmm_constant(d: int, k: int, n: int, extra: int = 0, gamma: float = 1.0) -> float:
    """Return what depends on no parameter."""
    freedom = d + extra + 1
    log_gamma = 0.25 * d * (d - 1) * math.log(math.pi) + sum(math.lgamma(0.5 * (freedom - i)) for i in range(d))
    wishart = freedom * d * (math.log(gamma) - 0.5 * math.log(2.0)) - log_gamma
    return -0.5 * n * d * math.log(2.0 * math.pi) + k * wishart


def gmm(m: Any, params: Sequence[Any], rows: Any, k: int, extra: int = 0, gamma: float = 1.0) -> Any:
    """Return the log posterior."""
    n, d = np.shape(rows)
    shared = gmm_shared(m, params, d, k)
    terms = total(gmm_row(m, shared, row) for row in np.asarray(rows).tolist())
    return terms + gmm_prior(m, params, d, k, n, extra, gamma)


def gmm_input(d: int, k: int, n: int, seed: int = 0) -> tuple[Any, Any]:
    """Return parameters, and rows [n, d]."""
    r = np.random.default_rng(seed)
    weights, means, logs, lower = gmm_lengths(d, k)
    params = [r.normal(size=weights), r.uniform(size=means), r.normal(size=logs), r.normal(size=lower)]
    return np.concatenate(params), r.normal(size=(n, d))


# Bundle adjustment. An observation is a row: rotation vector (3), centre (3), focal length, principal point (2) and
# radial distortion (2) of the camera, the point (3), the weight, and then the measured feature (2), which is data.


def ba(m: Any, row: Sequence[Any]) -> list[Any]:
    """Return the weighted reprojection error of an observation; its rotation is not zero."""
    turn, centre, (focal, *principal, k1, k2), point = row[:3], row[3:6], row[6:CAMERA], row[CAMERA:14]
    weight, feature = row[14], row[OBSERVED:]
    angle = m.sqrt(squares(turn))
    cos, sin = m.cos(angle), m.sin(angle)
    axis = [v / angle for v in turn]
    seen = [p - c for p, c in zip(point, centre, strict=True)]
    along = (1.0 - cos) * total(a * s for a, s in zip(axis, seen, strict=True))
    across = [axis[i - 2] * seen[i - 1] - axis[i - 1] * seen[i - 2] for i in range(3)]
    x, y, z = (cos * s + sin * c + along * a for s, c, a in zip(seen, across, axis, strict=True))
    flat = [x / z, y / z]
    radius = squares(flat)
    bend = 1.0 + radius * (k1 + radius * k2)
    return [weight * (v * bend * focal + c - f) for v, c, f in zip(flat, principal, feature, strict=True)]


def ba_input(n: int, seed: int = 0) -> Any:
    """Return observations [n, 17], the points well before the cameras."""
    r = np.random.default_rng(seed)
    parts = [
        r.normal(size=(n, 3)) * 0.3,
        r.normal(size=(n, 3)),
        r.uniform(0.5, 1.5, size=(n, 1)),
        r.normal(size=(n, 2)),
        r.normal(size=(n, 2)) * 0.01,
        r.normal(size=(n, 3)) + np.array([0.0, 0.0, 8.0]),
        r.uniform(0.5, 1.5, size=(n, 1)),
        r.normal(size=(n, 2)),
    ]
    return np.concatenate(parts, axis=1)


# A recurrent net of long short-term memory, every matrix diagonal. The parameters are, layer by layer, weights [4, b]
# and biases [4, b] of forget, input, output and change, then weights [b] of the input, weights [b] and biases [b] of
# the output. The state is [layers, 2, b], hidden and cell; the sequence is [c, b].


def lstm(m: Any, params: Sequence[Any], state: Any, sequence: Any) -> Any:
    """Return the mean negative log likelihood of the next character's bits."""
    c, b = np.shape(sequence)
    layers = len(state)
    blocks = [params[i : i + b] for i in range(0, len(params), b)]
    taken, given, offset = blocks[8 * layers :]
    hidden, cell = ([list(map(float, part[s])) for part in state] for s in (0, 1))
    text = np.asarray(sequence).tolist()
    likelihood = 0.0
    for now, following in pairwise(text):
        x = [v * w for v, w in zip(now, taken, strict=True)]
        for layer in range(layers):
            weights, biases = blocks[8 * layer : 8 * layer + 4], blocks[8 * layer + 4 : 8 * layer + 8]
            x = [
                _lstm_unit(m, x[i], hidden[layer], cell[layer], i, [w[i] for w in weights], [v[i] for v in biases])
                for i in range(b)
            ]
        y = [v * w + o for v, w, o in zip(x, given, offset, strict=True)]
        norm = m.log(total(m.exp(v) for v in y) + 2.0)
        likelihood = likelihood + total(t * (v - norm) for t, v in zip(following, y, strict=True))
    return -likelihood / (b * (c - 1))


def _lstm_unit(m: Any, x: Any, hidden: list[Any], cell: list[Any], i: int, w: list[Any], bias: list[Any]) -> Any:
    """Move unit i of a layer on by a step, and return what it gives."""
    forget = 1.0 / (1.0 + m.exp(-(x * w[0] + bias[0])))
    take = 1.0 / (1.0 + m.exp(-(hidden[i] * w[1] + bias[1])))
    give = 1.0 / (1.0 + m.exp(-(x * w[2] + bias[2])))
    change = m.tanh(hidden[i] * w[3] + bias[3])
    cell[i] = cell[i] * forget + take * change
    hidden[i] = give * m.tanh(cell[i])
    return hidden[i]


def lstm_input(layers: int, c: int, seed: int = 0, b: int = WIDTH) -> tuple[Any, Any, Any]:
    """Return parameters, state [layers, 2, b], and a sequence [c, b] of bits."""
    r = np.random.default_rng(seed)
    params = r.uniform(-1.0, 1.0, (8 * layers + 3) * b)
    return params, r.uniform(-1.0, 1.0, (layers, 2, b)), r.integers(0, 2, (c, b)).astype(float)
