"""Time nets of neurons beside their rivals: loss and full gradient, over samples or sequences.

    python benchmarks/nets.py                                    all nets
    python benchmarks/nets.py dag1k mlp --samples 64 1024
    python benchmarks/nets.py dag1k --float32 --threads 2 --rivals numpy torch

The nets are made from seeds in `recipes.py`. Every engine computes the same loss and gradient, which are compared with
the definition, neuron by neuron in doubles, before anything is timed: a difference above 1e-12 of the largest entry
(1e-3 for float32) makes the program fail. Engines run in turn, in one process, in every round. The unit is nanoseconds
per link and sample, links unrolled in time, the least of the rounds and their median; with one thread it is the CPU
time of the process, pinned to one core, with more it is time on the clock. *Prepared in* is the time on the clock from
the arrays of the recipe to the first answer, less that of a later call; a later number of samples may find what the
first has compiled. A rival that is not installed, or would take too long or too much memory, is named and left out.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import gc
import importlib
import itertools
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from recipes import BY_HAND, RECIPES, Floats, Ints, Recipe, reference

Call = Callable[[], Any]
SAMPLES = {"dag1k": (64, 1024), "dag100k": (64,), "deep1000": (64,), "neat50": (1, 64, 1024), "mlp": (64, 1024)}
SAMPLES |= {"rnn": (1, 64, 1024), "lstm": (1, 64, 1024)}
TOLERANCE = {"float64": 1e-12, "float32": 1e-3}
MOST_BYTES = 4e9
MOST_LEVELS = 100  # of which XLA makes one program in a minute
MOST_LINKS = 200  # of an expression graph with a Python object per operation and sample
SECONDS = 0.05  # at least, of each engine in a round


class Left(Exception):
    """Why an engine is left out of a net."""


class Task(NamedTuple):
    """A net with its samples, in the precision that is timed."""

    net: Recipe
    x: Floats
    y: Floats
    threads: int


class Contestant(NamedTuple):
    """An engine ready to run.

    Args:
        call: the work that is timed.
        read: makes the loss and its gradient, as `Recipe.parameters` orders it, of what a call returned; the gradient
            is None where the engine has none.
        samples: how many of the samples a call takes, the first ones; None for all.
    """

    call: Call
    read: Callable[[Any], tuple[float, Floats | None]]
    samples: int | None = None


class Engine(NamedTuple):
    """A way to compute a net; `packages` must be there, the first is its name for ``--rivals``."""

    name: str
    packages: tuple[str, ...]
    prepare: Callable[[Task], Contestant]
    nets: tuple[str, ...]


# dagrad. -------------------------------------------------------------------------------------------------------------


def half_squares(phi: Sequence[Any], y: Sequence[Any]) -> Any:
    """The loss of a sample."""
    import autograd as ag

    return 0.5 * ag.sum([(p - t) ** 2 for p, t in zip(phi, y, strict=True)])


def objective_of(task: Task) -> tuple[Any, Floats]:
    """Return our objective of a task, and the parameters."""
    from autograd import Net

    net, x, _, threads = task
    if net.steps > 1:
        made = unrolled(net)
    else:
        made = Net.from_edges(
            np.stack([net.source, net.target], axis=1),
            activations=net.activations,
            inputs=range(net.inputs),
            outputs=net.outputs,
            weights=net.weights,
            biases=net.biases,
        )
    return made.objective(half_squares, threads=threads, dtype=x.dtype), made.parameters


def dagrad(task: Task) -> Contestant:
    """A call of an objective, as optimisers make it, with all its checks."""
    objective, vector = objective_of(task)
    return Contestant(lambda: objective(vector, (task.x, task.y)), lambda found: found)


def dagrad_prepared(task: Task) -> Contestant:
    """An objective prepared for its data, of which a call is the native code and little more."""
    objective, vector = objective_of(task)
    call = objective.prepare((task.x, task.y))
    return Contestant(lambda: call(vector), lambda found: found)


def unrolled(net: Recipe) -> Any:
    """Return the recurrent net, made link by link."""
    from autograd import Net

    made: Any = Net()
    names = [f"u{unit}" for unit in range(net.units)]
    for name in names[: net.inputs]:
        made.input(name)
    outputs = set(net.outputs.tolist())
    for unit in range(net.inputs, net.units):
        made.neuron(
            names[unit],
            activation=net.activations[unit],
            bias=float(net.biases[unit]),
            output=unit in outputs,
            trainable=bool(net.biased[unit]),
        )
    for k in range(net.links):
        made.link(
            names[net.source[k]],
            names[net.target[k]],
            float(net.weights[k]),
            delay=int(net.delay[k]),
            gate=None if net.gate[k] < 0 else names[net.gate[k]],
            trainable=bool(net.trained[k]),
        )
    return made


# Rivals for nets of any shape: level by level. ------------------------------------------------------------------------


class Level(NamedTuple):
    """The units of one level; *places* count the inputs first, then level by level, equal activations together."""

    start: int  # the places are start to stop - 1
    stop: int
    units: Ints  # their numbers in the recipe
    links: Ints  # the numbers of their links, unit by unit
    source: Ints  # the place that each of the links comes from
    row: Ints  # the unit that it leads to, counted from start
    fan_in: Ints
    kinds: list[tuple[str, slice]]  # activations, with rows of the level

    @property
    def offsets(self) -> Ints:
        """Where the links of each unit begin, and their number at the end."""
        return np.concatenate([[0], np.cumsum(self.fan_in)])

    def padded(self, filler: int) -> tuple[Ints, Ints]:
        """Return sources and links as matrices with a row per unit; the padding is (place 0, link `filler`)."""
        source = np.zeros((len(self.units), self.fan_in.max()), np.int64)
        link = np.full_like(source, filler)
        column = np.arange(len(self.links)) - self.offsets[self.row]
        source[self.row, column], link[self.row, column] = self.source, self.links
        return source, link


def in_levels(net: Recipe) -> tuple[list[Level], Ints]:
    """Return the levels of a net above its inputs, and the places of the outputs."""
    kinds = np.array([kind or "" for kind in net.activations])
    order = np.lexsort((np.arange(net.units), kinds, net.level))
    place = np.argsort(order)
    levels, start = [], net.inputs
    for depth in range(1, int(net.level.max()) + 1):
        units = order[start : start + int((net.level == depth).sum())]
        spans = [np.arange(net.first[unit], net.first[unit + 1]) for unit in units]
        links, fan_in = np.concatenate(spans), np.array([len(span) for span in spans])
        found, begin = np.unique(kinds[units], return_index=True)
        slices = [slice(a, b) for a, b in zip(begin, [*begin[1:], len(units)], strict=True)]
        levels.append(
            Level(
                start=start,
                stop=start + len(units),
                units=units,
                links=links,
                source=place[net.source[links]],
                row=np.repeat(np.arange(len(units)), fan_in),
                fan_in=fan_in,
                kinds=list(zip(found.tolist(), slices, strict=True)),
            )
        )
        start += len(units)
    return levels, place[net.outputs]


def must_fit(task: Task, numbers: float) -> None:
    """Refuse an engine that keeps too many numbers a sample."""
    size = numbers * len(task.x) * task.x.itemsize
    if size > MOST_BYTES:
        raise Left(f"it would take about {size / 1e9:.0f} GB")


def scipy_levels(task: Task) -> Contestant:
    """The sweep by hand: a sparse matrix per level, and back by one of only the columns that the level uses."""
    csr_matrix: Any = importlib.import_module("scipy.sparse").csr_matrix
    net, x, y, _ = task
    must_fit(task, 3 * net.units)
    levels, outputs = in_levels(net)
    w, b = net.weights.astype(x.dtype), net.biases.astype(x.dtype)
    laid = []
    for level in levels:
        used, column = np.unique(level.source, return_inverse=True)
        numbers, height = w[level.links], len(level.units)  # both matrices see the same numbers
        matrix = csr_matrix((numbers, level.source, level.offsets), shape=(height, level.start))
        back = csr_matrix((numbers, column, level.offsets), shape=(height, len(used))).T
        laid.append((level, used, numbers, matrix, back))
    phi, a, delta = (np.zeros((net.units, len(x)), x.dtype) for _ in range(3))
    phi[: net.inputs] = x.T
    targets = np.ascontiguousarray(y.T)
    by_weight, by_bias = np.zeros_like(w), np.zeros_like(b)
    piece = max(1, 2**17 // len(x))  # links whose samples stay in the cache

    def call() -> tuple[float, Floats, Floats]:
        for level, _, numbers, matrix, _ in laid:
            numbers[:] = w[level.links]
            here = slice(level.start, level.stop)
            np.add(matrix @ phi[: level.start], b[level.units, None], out=a[here])
            for kind, rows in level.kinds:
                phi[here][rows] = BY_HAND[kind][0](a[here][rows])
        error = phi[outputs] - targets
        delta[:] = 0.0
        delta[outputs] = error / len(x)
        for level, used, _, _, back in reversed(laid):
            here = slice(level.start, level.stop)
            d = delta[here]
            for kind, rows in level.kinds:
                d[rows] *= BY_HAND[kind][1](a[here][rows], phi[here][rows])
            for begin in range(0, len(level.links), piece):
                part = slice(begin, begin + piece)
                by_weight[level.links[part]] = np.einsum("kn,kn->k", phi[level.source[part]], d[level.row[part]])
            by_bias[level.units] = d.sum(axis=1)
            delta[used] += back @ d
        return 0.5 * float((error * error).sum()) / len(x), by_weight, by_bias

    return Contestant(call, lambda found: (found[0], net.parameters(found[1], found[2])))


def by_hand_in_c(task: Task) -> Contestant:
    """The sweep in C, compiled here with all that the compiler knows of this machine, in blocks of 16 or of 32."""
    net, x, y, _ = task
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Left("there is no C compiler here")
    if x.dtype != np.float64 or len(x) % 32:
        raise Left("it is written for doubles and blocks of 32 samples")
    folder = Path(tempfile.mkdtemp())
    kinds = ["linear", "tanh", "sigmoid", "relu", "sin", "gaussian"]
    integers = [net.outputs, net.first, net.source, [kinds.index(kind or "linear") for kind in net.activations]]
    tables = [np.ascontiguousarray(table, np.int64) for table in integers]
    by_weight, by_bias = np.zeros(net.links), np.zeros(net.units)
    state = [np.zeros(net.units * 32) for _ in range(3)]
    arrays = [*tables, net.weights, net.biases, x, y]
    calls = []
    for block in (16, 32):
        library = folder / f"nets{block}.so"
        source = Path(__file__).with_name("nets.c")
        flags = ["-O3", "-march=native", "-ffast-math", f"-DBLOCK={block}", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, source, "-o", library, "-lm"], check=True)
        sweep = ctypes.CDLL(library).sweep
        sweep.restype = ctypes.c_double
        given = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        room = [ctypes.c_void_p(array.ctypes.data) for array in (*state, by_weight, by_bias)]
        sizes = [ctypes.c_long(n) for n in (net.units, net.inputs, len(net.outputs))]
        calls.append(functools.partial(sweep, *sizes, *given, ctypes.c_long(len(x)), *room))

    def call(sweep: Call) -> tuple[float, Floats, Floats]:
        by_weight[:] = by_bias[:] = 0.0
        loss = sweep()
        return loss / len(x), by_weight / len(x), by_bias / len(x)

    # Which block is better depends on the machine: the faster one competes.
    spent = []
    for sweep in calls:
        begin = time.process_time()
        call(sweep)
        spent.append(time.process_time() - begin)
    best = calls[spent.index(min(spent))]
    kept = arrays, state
    return Contestant(lambda: (call(best), kept)[0], lambda found: (found[0], net.parameters(found[1], found[2])))


def torch_contestant(net: Recipe, w: Any, b: Any, loss: Call) -> Contestant:
    """Return torch's reverse sweep of a loss of the tensors w and b."""

    def call() -> Any:
        w.grad = b.grad = None
        found = loss()
        found.backward()
        return found

    return Contestant(call, lambda found: (found.item(), net.parameters(w.grad.numpy(), b.grad.numpy())))


def torch_levels(task: Task, total: Callable[[Any, Level, Any], Callable[[Any, Any], Any]], numbers: int) -> Contestant:
    """Return torch with autograd over the levels.

    Args:
        task: the net.
        total: of torch, a level and the links' number, a function of the weights and the phi of all lower places that
            gives the sums of the level.
        numbers: kept a sample, besides the phi below each level.
    """
    t: Any = importlib.import_module("torch")
    net, x, y, threads = task
    levels, outputs = in_levels(net)
    must_fit(task, numbers + sum(level.stop for level in levels))
    t.set_num_threads(threads)
    sigma = {"linear": lambda a: a, "tanh": t.tanh, "sigmoid": t.sigmoid, "relu": t.relu, "sin": t.sin}
    sigma["gaussian"] = lambda a: t.exp(-a * a)
    w, b = (t.tensor(v.astype(x.dtype), requires_grad=True) for v in (net.weights, net.biases))
    inputs, targets = t.tensor(x.T.copy()), t.tensor(y.T.copy())
    laid = [(total(t, level, net.links), t.tensor(level.units), level.kinds) for level in levels]
    seen = t.tensor(outputs)

    def loss() -> Any:
        phi = inputs
        for sums, units, kinds in laid:
            a = sums(w, phi) + b[units, None]
            phi = t.cat([phi, *(sigma[kind](a[rows]) for kind, rows in kinds)])
        return 0.5 * ((phi[seen] - targets) ** 2).sum() / len(x)

    return torch_contestant(net, w, b, loss)


def torch_gather(task: Task) -> Contestant:
    """Each level as a batch of small products of gathered rows, padded to the largest fan-in."""

    def total(t: Any, level: Level, links: int) -> Callable[[Any, Any], Any]:
        source, link = (t.tensor(table) for table in level.padded(links))

        def sums(w: Any, phi: Any) -> Any:
            taken = phi.index_select(0, source.ravel()).view(*source.shape, -1)
            padded = t.cat([w, w.new_zeros(1)])[link]
            return t.bmm(padded[:, None], taken)[:, 0]

        return sums

    levels, _ = in_levels(task.net)
    return torch_levels(task, total, sum(len(level.units) * int(level.fan_in.max()) for level in levels))


def torch_bags(task: Task) -> Contestant:
    """Each level as one embedding_bag with a weight per link."""

    def total(t: Any, level: Level, links: int) -> Callable[[Any, Any], Any]:
        source, link, offsets = (t.tensor(table) for table in (level.source, level.links, level.offsets[:-1]))
        bag = functools.partial(t.nn.functional.embedding_bag, mode="sum")
        return lambda w, phi: bag(source, phi, offsets, per_sample_weights=w[link])

    return torch_levels(task, total, 0)


def jax_contestant(net: Recipe, loss: Callable[..., Any], parameters: Any, data: Any, read: Any) -> Contestant:
    """Return XLA's program for a loss(parameters, data) and its gradient."""
    j: Any = importlib.import_module("jax")
    f = j.jit(j.value_and_grad(loss))
    parameters, data = (j.tree.map(j.numpy.asarray, given) for given in (parameters, data))
    return Contestant(
        lambda: j.block_until_ready(f(parameters, data)),
        lambda found: (float(found[0]), net.parameters(*read(j.tree.map(np.asarray, found[1])))),
    )


def jax_activations(j: Any) -> dict[str, Callable[[Any], Any]]:
    np_, nn = j.numpy, j.nn
    sigma = {"linear": lambda a: a, "tanh": np_.tanh, "sigmoid": nn.sigmoid, "relu": nn.relu, "sin": np_.sin}
    return sigma | {"gaussian": lambda a: np_.exp(-a * a)}


def jax_neurons(task: Task) -> Contestant:
    """Each neuron as a product, all neurons in one program."""
    net, x, y, _ = task
    if net.links > MOST_LINKS:
        raise Left(f"XLA takes minutes to compile {net.links} links one neuron at a time")
    j: Any = importlib.import_module("jax")
    sigma = jax_activations(j)

    def loss(parameters: Any, data: Any) -> Any:
        (w, b), (inputs, targets) = parameters, data
        phi = list(inputs)
        for unit in range(net.inputs, net.units):
            links = slice(net.first[unit], net.first[unit + 1])
            sources = j.numpy.stack([phi[k] for k in net.source[links]])
            phi.append(sigma[str(net.activations[unit])](b[unit] + w[links] @ sources))
        return 0.5 * ((j.numpy.stack([phi[k] for k in net.outputs]) - targets) ** 2).sum() / len(x)

    parameters = net.weights.astype(x.dtype), net.biases.astype(x.dtype)
    return jax_contestant(net, loss, parameters, (x.T, y.T), lambda gradient: gradient)


def jax_levels(task: Task) -> Contestant:
    """Each level as a product of gathered rows, padded to the largest fan-in; all levels in one program."""
    net, x, y, _ = task
    levels, outputs = in_levels(net)
    if len(levels) > MOST_LEVELS:
        raise Left(f"XLA takes minutes to compile {len(levels)} levels")
    must_fit(task, 3 * net.units + 2 * sum(len(level.units) * int(level.fan_in.max()) for level in levels))
    j: Any = importlib.import_module("jax")
    np_, sigma = j.numpy, jax_activations(j)

    def loss(parameters: Any, data: Any) -> Any:
        (w, b), (inputs, targets, tables) = parameters, data
        w = np_.concatenate([w, np_.zeros(1, w.dtype)])
        phi = np_.zeros((net.units, len(x)), inputs.dtype).at[: net.inputs].set(inputs)
        for level, (source, link) in zip(levels, tables, strict=True):
            a = np_.einsum("mk,mkn->mn", w[link], phi[source]) + b[level.units, None]
            new = np_.concatenate([sigma[kind](a[rows]) for kind, rows in level.kinds])
            phi = j.lax.dynamic_update_slice(phi, new, (level.start, 0))
        return 0.5 * ((phi[outputs] - targets) ** 2).sum() / len(x)

    parameters = net.weights.astype(x.dtype), net.biases.astype(x.dtype)
    data = x.T, y.T, [level.padded(net.links) for level in levels]
    return jax_contestant(net, loss, parameters, data, lambda gradient: gradient)


# Rivals that go neuron by neuron, a sample at a time. ----------------------------------------------------------------


def neat(task: Task) -> Contestant:
    """neat-python's own evaluation; it has no gradient."""
    network: Any = importlib.import_module("neat.nn").FeedForwardNetwork
    net, x, y, _ = task
    if x.dtype != np.float64:
        raise Left("it computes in doubles only")
    sigma: dict[str, Callable[[float], float]] = {
        "linear": lambda a: a,
        "tanh": math.tanh,
        "sigmoid": lambda a: 1.0 / (1.0 + math.exp(-a)),
        "relu": lambda a: a if a > 0.0 else 0.0,
        "sin": math.sin,
        "gaussian": lambda a: math.exp(-a * a),
    }
    source, weights, biases = net.source.tolist(), net.weights.tolist(), net.biases.tolist()
    weighted = list(zip(source, weights, strict=True))
    nodes = []
    for unit in range(net.inputs, net.units):
        links = weighted[net.first[unit] : net.first[unit + 1]]
        nodes.append((unit, sigma[str(net.activations[unit])], sum, biases[unit], 1.0, links))
    ready = network(list(range(net.inputs)), net.outputs.tolist(), nodes)
    sample, target = x[0].tolist(), y[0]
    return Contestant(
        lambda: ready.activate(sample), lambda found: (0.5 * float(((found - target) ** 2).sum()), None), samples=1
    )


def micrograd(task: Task) -> Contestant:
    """A graph of Values, anew for every sample; micrograd has relu, the other activations are added in its own way."""
    net, x, y, _ = task
    if net.links > MOST_LINKS:
        raise Left("it takes some 10 us per link and sample")
    if x.dtype != np.float64:
        raise Left("it computes in doubles only")
    Value: Any = importlib.import_module("micrograd.engine").Value
    sys.setrecursionlimit(10_000)  # its sweep is recursive

    def function(f: Callable[[float], float], slope: Callable[[float, float], float]) -> Callable[[Any], Any]:
        def apply(a: Any) -> Any:
            made = Value(f(a.data), (a,))

            def back() -> None:
                a.grad += slope(a.data, made.data) * made.grad

            made._backward = back
            return made

        return apply

    sigma: dict[str, Callable[[Any], Any]] = {
        "tanh": function(math.tanh, lambda a, phi: 1.0 - phi * phi),
        "sigmoid": function(lambda a: 1.0 / (1.0 + math.exp(-a)), lambda a, phi: phi * (1.0 - phi)),
        "relu": Value.relu,
        "sin": function(math.sin, lambda a, phi: math.cos(a)),
        "gaussian": function(lambda a: math.exp(-a * a), lambda a, phi: -2.0 * a * phi),
    }
    source, first, weights, biases = net.source.tolist(), net.first, net.weights.tolist(), net.biases.tolist()
    sample, target, outputs = x[0].tolist(), y[0].tolist(), net.outputs.tolist()

    def call() -> Any:
        w, b = [Value(v) for v in weights], [Value(v) for v in biases]
        phi = [Value(v) for v in sample]
        for unit in range(net.inputs, net.units):
            a = b[unit]
            for k in range(first[unit], first[unit + 1]):
                a = a + w[k] * phi[source[k]]
            phi.append(sigma[str(net.activations[unit])](a))
        loss = sum(((phi[o] - t) ** 2 for o, t in zip(outputs, target, strict=True)), Value(0.0)) * 0.5
        loss.backward()
        return loss, w, b

    def read(found: Any) -> tuple[float, Floats]:
        loss, w, b = found
        return loss.data, net.parameters(np.array([v.grad for v in w]), np.array([v.grad for v in b]))

    return Contestant(call, read, samples=1)


# Rivals for full layers. ---------------------------------------------------------------------------------------------


def matrices(net: Recipe, dtype: Any) -> tuple[list[Floats], list[Floats]]:
    """Return the weights [out, in] and the biases of every layer of a layered net."""
    ends = [net.inputs, *(net.inputs + np.flatnonzero(np.diff(net.level[net.inputs :])) + 1).tolist(), net.units]
    layers = list(itertools.pairwise(ends))
    weights = [net.weights[net.first[a] : net.first[b]].reshape(b - a, -1).astype(dtype) for a, b in layers]
    return weights, [net.biases[a:b].astype(dtype) for a, b in layers]


def joined(net: Recipe, by_weights: Iterable[Floats], by_biases: Iterable[Floats]) -> tuple[Floats, Floats]:
    """Return the gradients of layers by link and by unit."""
    return np.concatenate([np.ravel(g) for g in by_weights]), np.concatenate([np.zeros(net.inputs), *by_biases])


def numpy_layers(task: Task) -> Contestant:
    net, x, y, _ = task
    weights, biases = matrices(net, x.dtype)

    def call() -> tuple[float, list[Floats], list[Floats]]:
        phi = [x]
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            a = phi[-1] @ w.T
            a += b
            phi.append(np.tanh(a, out=a))
        delta = phi[-1] @ weights[-1].T + biases[-1] - y
        loss = 0.5 * float((delta * delta).sum()) / len(x)
        delta /= len(x)
        by_weights, by_biases = [], []
        for k in reversed(range(len(weights))):
            by_weights.append(delta.T @ phi[k])
            by_biases.append(delta.sum(axis=0))
            if k:
                delta = (delta @ weights[k]) * (1.0 - phi[k] * phi[k])
        return loss, by_weights[::-1], by_biases[::-1]

    return Contestant(call, lambda found: (found[0], net.parameters(*joined(net, found[1], found[2]))))


def torch_layers(task: Task) -> Contestant:
    t: Any = importlib.import_module("torch")
    net, x, y, threads = task
    t.set_num_threads(threads)
    weights, biases = ([t.tensor(v, requires_grad=True) for v in given] for given in matrices(net, x.dtype))
    inputs, targets = t.tensor(x), t.tensor(y)
    linear = t.nn.functional.linear

    def call() -> Any:
        for parameter in (*weights, *biases):
            parameter.grad = None
        phi = inputs
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            phi = t.tanh(linear(phi, w, b))
        loss = 0.5 * ((linear(phi, weights[-1], biases[-1]) - targets) ** 2).sum() / len(x)
        loss.backward()
        return loss

    def read(loss: Any) -> tuple[float, Floats]:
        gradients = [[v.grad.numpy() for v in given] for given in (weights, biases)]
        return loss.item(), net.parameters(*joined(net, *gradients))

    return Contestant(call, read)


def jax_layers(task: Task) -> Contestant:
    j: Any = importlib.import_module("jax")
    net, x, y, _ = task

    def loss(parameters: Any, data: Any) -> Any:
        (weights, biases), (phi, targets) = parameters, data
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            phi = j.numpy.tanh(phi @ w.T + b)
        return 0.5 * ((phi @ weights[-1].T + biases[-1] - targets) ** 2).sum() / len(x)

    return jax_contestant(net, loss, matrices(net, x.dtype), (x, y), lambda gradient: joined(net, *gradient))


# Rivals for recurrent nets. ------------------------------------------------------------------------------------------


class Cell(NamedTuple):
    """The parameters of a recurrent net: of the rows on x(t) and on h(t - 1), and of the outputs on h."""

    x: Any
    h: Any
    bias: Any
    out: Any
    out_bias: Any


def cell(net: Recipe, dtype: Any) -> Cell:
    w, b, tables = net.weights.astype(dtype), net.biases.astype(dtype), net.tables
    rows = slice(net.inputs, net.inputs + len(tables["x"]))
    return Cell(w[tables["x"]], w[tables["h"]], b[rows], w[tables["out"]], b[net.outputs])


def in_order(net: Recipe, gradient: Iterable[Any]) -> Floats:
    """Return a gradient, given as a Cell has it, by `Recipe.parameters`."""
    found = Cell(*gradient)
    by_weight, by_bias = np.zeros(net.links), np.zeros(net.units)
    for key, g in (("x", found.x), ("h", found.h), ("out", found.out)):
        by_weight[net.tables[key]] = g
    by_bias[net.inputs : net.inputs + len(found.bias)], by_bias[net.outputs] = found.bias, found.out_bias
    return net.parameters(by_weight, by_bias)


def sigmoid(a: Floats) -> Floats:
    return BY_HAND["sigmoid"][0](a)


def numpy_through_time(task: Task) -> Contestant:
    """Backpropagation through time by hand, the products with x in one piece."""
    net, x, y, _ = task
    p, n, steps = cell(net, x.dtype), len(x), net.steps
    rows, cells = p.h.shape
    gated = rows != cells
    inputs = np.ascontiguousarray(x.transpose(1, 0, 2)).reshape(steps * n, -1)
    must_fit(task, steps * (2 * rows + 3 * cells))
    h, c = (np.zeros((steps + 1, n, cells), x.dtype) for _ in range(2))
    s = np.zeros((steps, n, cells), x.dtype)
    i, f, g, o = (slice(k * cells, (k + 1) * cells) for k in range(4))

    def call() -> tuple[float, Cell]:
        a = inputs @ p.x.T
        a += p.bias
        phi = a.reshape(steps, n, rows)
        for t in range(steps):
            z = phi[t]
            z += h[t] @ p.h.T
            if not gated:
                np.tanh(z, out=h[t + 1])
                continue
            z[:, : 2 * cells], z[:, g], z[:, o] = sigmoid(z[:, : 2 * cells]), np.tanh(z[:, g]), sigmoid(z[:, o])
            c[t + 1] = z[:, f] * c[t] + z[:, i] * z[:, g]
            np.tanh(c[t + 1], out=s[t])
            h[t + 1] = z[:, o] * s[t]
        error = h[steps] @ p.out.T + p.out_bias - y
        loss, error = 0.5 * float((error * error).sum()) / n, error / n
        by_h, by_c = error @ p.out, np.zeros((n, cells), x.dtype)
        delta = np.empty_like(phi)
        for t in reversed(range(steps)):
            d, z = delta[t], phi[t]
            if gated:
                by_c += by_h * z[:, o] * (1.0 - s[t] * s[t])
                d[:, i] = by_c * z[:, g] * z[:, i] * (1.0 - z[:, i])
                d[:, f] = by_c * c[t] * z[:, f] * (1.0 - z[:, f])
                d[:, g] = by_c * z[:, i] * (1.0 - z[:, g] * z[:, g])
                d[:, o] = by_h * s[t] * z[:, o] * (1.0 - z[:, o])
                by_c *= z[:, f]
            else:
                np.multiply(by_h, 1.0 - h[t + 1] * h[t + 1], out=d)
            by_h = d @ p.h
        flat = delta.reshape(steps * n, rows)
        before = h[:steps].reshape(steps * n, cells)
        return loss, Cell(flat.T @ inputs, flat.T @ before, flat.sum(axis=0), error.T @ h[steps], error.sum(axis=0))

    return Contestant(call, lambda found: (found[0], in_order(net, found[1])))


def torch_module(task: Task) -> Contestant:
    """nn.RNN or nn.LSTM, with a linear layer."""
    t: Any = importlib.import_module("torch")
    net, x, y, threads = task
    t.set_num_threads(threads)
    p = Cell(*(t.tensor(v) for v in cell(net, x.dtype)))
    rows, cells = p.h.shape
    module = (t.nn.RNN if rows == cells else t.nn.LSTM)(net.inputs, cells, dtype=p.x.dtype)
    out = t.nn.Linear(cells, len(net.outputs), dtype=p.x.dtype)
    given = {"weight_ih_l0": p.x, "weight_hh_l0": p.h, "bias_ih_l0": p.bias, "bias_hh_l0": t.zeros_like(p.bias)}
    module.load_state_dict(given)
    out.load_state_dict({"weight": p.out, "bias": p.out_bias})
    parameters = [module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0, out.weight, out.bias]
    inputs, targets = t.tensor(x.transpose(1, 0, 2).copy()), t.tensor(y)

    def call() -> Any:
        module.zero_grad()
        out.zero_grad()
        h, _ = module(inputs)
        loss = 0.5 * ((out(h[-1]) - targets) ** 2).sum() / len(x)
        loss.backward()
        return loss

    return Contestant(call, lambda loss: (loss.item(), in_order(net, (v.grad.numpy() for v in parameters))))


def jax_scan(task: Task) -> Contestant:
    j: Any = importlib.import_module("jax")
    net, x, y, _ = task
    tanh, sigma = j.numpy.tanh, j.nn.sigmoid
    rows, cells = cell(net, x.dtype).h.shape

    def loss(p: Cell, data: Any) -> Any:
        inputs, targets = data

        def step(state: Any, from_x: Any) -> Any:
            h, c = state
            z = from_x + h @ p.h.T
            if rows == cells:
                return (tanh(z), c), None
            i, f, g, o = j.numpy.split(z, 4, axis=1)
            c = sigma(f) * c + sigma(i) * tanh(g)
            return (sigma(o) * tanh(c), c), None

        start = j.numpy.zeros((len(x), cells), inputs.dtype)
        (h, _), _ = j.lax.scan(step, (start, start), inputs @ p.x.T + p.bias)
        return 0.5 * ((h @ p.out.T + p.out_bias - targets) ** 2).sum() / len(x)

    data = x.transpose(1, 0, 2), y
    contestant = jax_contestant(net, loss, cell(net, x.dtype), data, None)
    return contestant._replace(read=lambda found: (float(found[0]), in_order(net, map(np.asarray, found[1]))))


# Measuring. ----------------------------------------------------------------------------------------------------------

ANY_SHAPE, FULL, RECURRENT = ("dag1k", "dag100k", "deep1000", "neat50"), ("mlp",), ("rnn", "lstm")
ENGINES = [
    Engine("dagrad", ("autograd",), dagrad, ANY_SHAPE + FULL + RECURRENT),
    Engine("dagrad, prepared", ("autograd",), dagrad_prepared, ("neat50", "mlp", "rnn", "lstm")),
    Engine("C by hand, rows of links", ("ctypes",), by_hand_in_c, ANY_SHAPE),
    Engine("scipy by hand, a sparse matrix per level", ("numpy", "scipy"), scipy_levels, ANY_SHAPE),
    Engine("torch, a padded gather per level", ("torch",), torch_gather, ANY_SHAPE),
    Engine("torch, an embedding_bag per level", ("torch",), torch_bags, ANY_SHAPE),
    Engine("jax.jit, a padded gather per level", ("jax",), jax_levels, ANY_SHAPE),
    Engine("jax.jit, neuron by neuron", ("jax",), jax_neurons, ("neat50",)),
    Engine("neat-python, a sample at a time, no gradient", ("neat",), neat, ANY_SHAPE),
    Engine("micrograd, a sample at a time", ("micrograd",), micrograd, ("neat50",)),
    Engine("numpy by hand", ("numpy",), numpy_layers, FULL),
    Engine("torch, linear layers", ("torch",), torch_layers, FULL),
    Engine("jax.jit", ("jax",), jax_layers, FULL),
    Engine("numpy by hand", ("numpy",), numpy_through_time, RECURRENT),
    Engine("torch.nn.RNN or LSTM", ("torch",), torch_module, RECURRENT),
    Engine("jax.lax.scan", ("jax",), jax_scan, RECURRENT),
]
COLUMNS = ("ns per link and sample", "median", "by the clock", "times dagrad", "us a call", "prepared in", "difference")
RIVALS = sorted({engine.packages[0] for engine in ENGINES} - {"autograd"})
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def fix_threads(threads: int) -> None:
    """Start this program anew if thread pools, which read their sizes when they are loaded, have another size."""
    wanted = dict.fromkeys(POOLS, str(threads)) | {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    if threads == 1:
        wanted["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | wanted)
    if threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def difference(found: tuple[float, Floats | None], truth: tuple[float, Floats]) -> float:
    """Return how far loss and gradient are from the truth, relative to the largest entry of each; nan is infinite."""
    pairs = [(np.array([found[0]]), np.array([truth[0]]))]
    if found[1] is not None:
        pairs.append((found[1], truth[1]))
    worst = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    return math.inf if math.isnan(worst) else worst


class Times(NamedTuple):
    """Seconds a call, a round each."""

    cpu: list[float]
    wall: list[float]


def measure(calls: dict[str, Call], rounds: int) -> dict[str, Times]:
    """Time the calls in turn."""
    times = {name: Times([], []) for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()  # with what the engine before left in the caches
            done, cpu, wall = 0, time.process_time(), time.perf_counter()
            while not done or time.perf_counter() - wall < SECONDS:
                call()
                done += 1
            times[name].wall.append((time.perf_counter() - wall) / done)
            times[name].cpu.append((time.process_time() - cpu) / done)
    return times


def prepare(engine: Engine, task: Task) -> tuple[Contestant, Any, float]:
    """Return an engine ready to run, its first answer and the seconds that these took.

    Raises:
        Left: if the engine is left out.
    """
    for package in engine.packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise Left(f"it is not installed ({error})") from None
    start = time.perf_counter()
    contestant = engine.prepare(task)
    found = contestant.call()
    return contestant, found, time.perf_counter() - start


def contest(net: Recipe, samples: int, options: argparse.Namespace) -> bool:
    """Check and time the engines on a net, print a table, and return whether all agree."""
    dtype = np.dtype("float32" if options.float32 else "float64")
    neurons = net.units - net.inputs
    print(f"\n### {net.name}: {net.links} links, {neurons} neurons, {samples} samples, {dtype}\n", flush=True)
    x, y = net.data(samples)
    task = Task(net, x.astype(dtype), y.astype(dtype), options.threads)
    truths: dict[int, tuple[float, Floats]] = {}
    ready: dict[str, Contestant] = {}
    until_first: dict[str, float] = {}
    off: dict[str, float] = {}
    for engine in ENGINES:
        if net.name not in engine.nets or engine.packages[0] not in ("autograd", *options.rivals):
            continue
        try:
            contestant, found, seconds = prepare(engine, task)
        except Left as reason:
            print(f"{engine.name} is left out: {reason}\n", flush=True)
            continue
        count = contestant.samples or samples
        if count not in truths:
            truths[count] = reference(net, x[:count], y[:count])
        off[engine.name] = difference(contestant.read(found), truths[count])
        ready[engine.name], until_first[engine.name] = contestant, seconds
    gc.collect()
    times = measure({name: contestant.call for name, contestant in ready.items()}, options.rounds)
    per_call = {name: t.cpu if options.threads == 1 else t.wall for name, t in times.items()}
    unit = {name: 1e9 / net.work / (contestant.samples or samples) for name, contestant in ready.items()}
    ours = min(per_call["dagrad"]) * unit["dagrad"] if "dagrad" in ready else math.nan
    print(f"| engine | {' | '.join(COLUMNS)} |\n{'|---' * (1 + len(COLUMNS))}|")
    for name, t in times.items():
        best, typical = min(per_call[name]), statistics.median(per_call[name])
        numbers = [best * unit[name], typical * unit[name], min(t.wall) * unit[name], best * 1e6]
        cells = [f"{number:.4g}" for number in numbers]
        cells.insert(3, f"{best * unit[name] / ours:.3g}" if "dagrad" in ready else "")
        prepared = max(0.0, until_first[name] - min(t.wall))
        print(f"| {name} | {' | '.join(cells)} | {prepared:.2f} s | {off[name]:.0e} |", flush=True)
    wrong = [name for name, d in off.items() if not d <= TOLERANCE[dtype.name]]
    for name in wrong:
        print(f"\n{name} disagrees with the definition by {off[name]:.1e} of the largest entry")
    return not wrong


def facts(threads: int) -> None:
    """Print what this was run on."""
    import llvmlite.binding as llvm

    import autograd as ag
    from autograd.machine import vector_lanes

    versions = [f"dagrad {ag.__version__}", f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    for package in ("scipy", "torch", "jax"):
        try:
            versions.append(f"{package} {importlib.import_module(package).__version__}")
        except ImportError:
            versions.append(f"{package} is not installed")
    lanes = f"{vector_lanes()} doubles a vector"
    print(f"{', '.join(versions)}; {llvm.get_host_cpu_name()}, {os.cpu_count()} cores, {lanes}, {threads} threads used")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="net", help=f"of {', '.join(RECIPES)}; all if none is given")
    parser.add_argument("--samples", type=int, nargs="+", help="numbers of samples; default: those usual for a net")
    parser.add_argument("--float32", action="store_true", help="compute in float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rivals", nargs="*", default=RIVALS, choices=RIVALS, help="none after it: dagrad alone")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    for name in options.nets:
        if name not in RECIPES:
            parser.error(f"there is no net {name!r}; there are {', '.join(RECIPES)}")
    for what in ("threads", "rounds"):
        if getattr(options, what) < 1:
            parser.error(f"--{what} is at least 1")
    if min(options.samples or [1]) < 1:
        parser.error("--samples are at least 1")
    fix_threads(options.threads)
    os.environ.setdefault("DAGRAD_CACHE", "off")  # so that preparing is what it is the first time
    facts(options.threads)
    agreed = True
    for name in options.nets or RECIPES:
        net = RECIPES[name]()
        for samples in options.samples or SAMPLES[name]:
            agreed &= contest(net, samples, options)
    raise SystemExit(0 if agreed else 1)


if __name__ == "__main__":
    main()
