"""Layers: rows of ordinary neurons and links that are added to a `Net`.

Nothing here is more than `Net.neuron` and `Net.link` in a loop. A recurrent layer reads itself through links with
delay 1, and the gates of an LSTM or GRU are gates of links. So a layer can be looked at neuron by neuron, be pruned,
grown and frozen, stand beside neurons that are in no layer, and the one sweep of all nets differentiates it.

In the equations, x are the sources and all is at time t but for what is marked (t-1); * is the product element by
element. W, U and b are parameters, the weights drawn as the net draws them; weights and biases that are not written
are constants. torch has the same equations (its GRU those with `reset_after`), but two biases where one is enough.

>>> net = Net(seed=1)
>>> x = net.input("x")
>>> memory = lstm(net, "memory", 8, x)
>>> answer = dense(net, "y", 1, [memory, x], "linear")
>>> net.output(*answer)
>>> net
<Net: 1 input, 57 neurons, 1 output, 329 links (264 recurrent, 24 gated), depth 5>
>>> net.predict([[0.5], [0.25], [0.125]]).shape
(3, 1)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from autograd.net import Net, Neuron, as_count
from autograd.netgraph import ActivationLike


@dataclass(frozen=True, slots=True)
class Layer:
    """The names of a layer's neurons; it stands for its outputs, the row h, where sources are asked for.

    ``len(layer)`` is the number of outputs, ``list(layer)`` are their names, and ``layer["f"]`` are those of another
    row of the layer's equations, such as the forget gates.

    Args:
        rows: the names of the neurons by the letter of their row. Neuron 2 of the row f is called NAME_f2, but output
            2 is NAME_2.
    """

    rows: Mapping[str, Sequence[str]]

    def __getitem__(self, letter: str) -> Sequence[str]:
        if letter not in self.rows:
            raise KeyError(f"the layer has no row {letter!r}; it has {', '.join(self.rows)}")
        return self.rows[letter]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows["h"])

    def __len__(self) -> int:
        return len(self.rows["h"])


#: What a layer may read: inputs and neurons, or their names, and layers.
Source: TypeAlias = str | Neuron | Layer
Sources: TypeAlias = Source | Iterable[Source]


# The layers. ------------------------------------------------------------------------------------------------


def dense(net: Net, name: str, size: int, sources: Sources, activation: ActivationLike = "tanh") -> Layer:
    """Add a layer of which every neuron reads all sources.

        h = sigma(W x + b)

    Args:
        net: the net.
        name: the layer's name; its neurons are called name_1, name_2, ...
        size: number of neurons.
        sources: what it reads: an input, a neuron, or the name of one; a layer; or a list of these.
        activation: sigma, as for `Net.neuron`.

    Returns:
        The layer, of the row h.

    Raises:
        ValueError: if a name is taken, a source comes twice, or an activation is unknown. The net is as before then.
    """
    x = _names_of(sources)
    layer = _add_rows(net, name, size, h=_Row(activation))
    _join(net, x, layer["h"])
    return layer


def elman(net: Net, name: str, size: int, sources: Sources, activation: ActivationLike = "tanh") -> Layer:
    """Add a layer that also reads its own outputs of the step before.

        h = sigma(W x + U h(t-1) + b)

    The simple recurrent net of J. Elman, "Finding Structure in Time", Cognitive Science 14 (1990).

    Args:
        net: the net.
        name: the layer's name; its neurons are called name_1, name_2, ...
        size: number of neurons.
        sources: what it reads, as for `dense`.
        activation: sigma, as for `Net.neuron`.

    Returns:
        The layer, of the row h.

    Raises:
        ValueError: as `dense`.
    """
    layer = dense(net, name, size, sources, activation)
    _join(net, layer["h"], layer["h"], delay=1)
    return layer


def lstm(
    net: Net,
    name: str,
    size: int,
    sources: Sources,
    *,
    forget: bool = True,
    peepholes: bool = False,
    block: int = 1,
    input_bias: float = 0.0,
    forget_bias: float = 1.0,
    output_bias: float = 0.0,
    activation: ActivationLike = "tanh",
    squash: ActivationLike = "tanh",
) -> Layer:
    """Add a layer of long short-term memory: cells that keep a number until their gates say otherwise.

        i = sigmoid(W_i x + U_i h(t-1) + b_i)       the input gates
        f = sigmoid(W_f x + U_f h(t-1) + b_f)       the forget gates
        o = sigmoid(W_o x + U_o h(t-1) + b_o)       the output gates
        g = activation(W_g x + U_g h(t-1) + b_g)    the candidates
        c = f * c(t-1) + i * g                      the cells
        s = squash(c)
        h = o * s                                   the outputs

    S. Hochreiter and J. Schmidhuber ("Long Short-Term Memory", Neural Computation 9, 1997) have no forget gates:
    c = c(t-1) + i * g, so that a cell and its gradient stay as they are for ever. (Their gates are fed by the gates of
    the step before, too.) F. Gers, J. Schmidhuber and F. Cummins ("Learning to Forget", Neural Computation 12, 2000)
    added them, with a bias above 0 at the beginning; 1 is the advice of R. Jozefowicz, W. Zaremba and I. Sutskever
    (ICML 2015). Through the peepholes of F. Gers and J. Schmidhuber ("Recurrent Nets that Time and Count", IJCNN 2000)
    the gates see the cells: i and f read c(t-1), o reads c.

    Args:
        net: the net.
        name: the layer's name; its outputs are called name_1, name_2, ..., the other neurons name_i1, name_f1, ...
        size: number of cells.
        sources: what it reads, as for `dense`.
        forget: whether there are forget gates.
        peepholes: whether gates see the cells that they are the gates of.
        block: how many cells have their gates in common, the memory cell blocks of 1997.
        input_bias: what b_i begins with; below 0 the cells begin protected.
        forget_bias: what b_f begins with. A cell then keeps the share sigmoid(forget_bias) of itself a step, 0.73 at 1;
            to be remembered for T steps, take about log T (C. Tallec, Y. Ollivier, ICLR 2018), or no forget gates.
        output_bias: what b_o begins with; below 0 the cells begin hidden.
        activation: of the candidates, as for `Net.neuron`.
        squash: of the cells, as for `Net.neuron`.

    Returns:
        The layer, of the rows i, f (if any), o, g, c, s, h. With blocks, its rows of gates have a name per block.

    Raises:
        ValueError: as `dense`, and if the cells do not make whole blocks.
    """
    x = _names_of(sources)
    if as_count(size, "size") % as_count(block, "block"):
        raise ValueError(f"{size} cells do not make blocks of {block}; let size be a multiple of block")
    blocks = size // block
    rows = {
        "i": _Row("sigmoid", input_bias, size=blocks),
        "f": _Row("sigmoid", forget_bias, size=blocks),
        "o": _Row("sigmoid", output_bias, size=blocks),
        "g": _Row(activation),
        "c": _Row("linear", trainable=False),
        "s": _Row(squash, trainable=False),
        "h": _Row("linear", trainable=False),
    }
    if not forget:
        del rows["f"]
    layer = _add_rows(net, name, size, **rows)
    c, s, g, h = (layer[row] for row in "csgh")
    # By cell: cells of one block have one gate.
    i, f, o = ([gate for gate in layer.rows.get(row, ()) for _ in range(block)] for row in "ifo")
    for row in filter(rows.__contains__, "ifog"):
        _join(net, x, layer[row])
        _join(net, h, layer[row], delay=1)
    for gates, delay in ((i, 1), (f, 1), (o, 0)) if peepholes else ():
        for cell, gate in zip(c, gates, strict=False):  # there may be no f
            net.link(cell, gate, delay=delay)
    _pass_on(net, c, c, delay=1, gates=f)  # c = f * c(t-1)
    _pass_on(net, g, c, gates=i)  # + i * g
    _pass_on(net, c, s)
    _pass_on(net, s, h, gates=o)
    return layer


def gru(
    net: Net,
    name: str,
    size: int,
    sources: Sources,
    *,
    reset_after: bool = False,
    update_bias: float = 0.0,
    reset_bias: float = 0.0,
    activation: ActivationLike = "tanh",
) -> Layer:
    """Add a layer of gated recurrent units.

        z = sigmoid(W_z x + U_z h(t-1) + b_z)             the update gates
        r = sigmoid(W_r x + U_r h(t-1) + b_r)             the reset gates
        n = activation(W_n x + U_n (r * h(t-1)) + b_n)    the candidates
        h = z * h(t-1) + (1 - z) * n                      the outputs

    So K. Cho et al. ("Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014, equations 5 to 8), where
    the reset gates stand before the matrix: each is the gate of all links that lead from its unit to candidates. With
    `reset_after` they stand behind it, as in torch and cuDNN:

        m = U_n h(t-1) + b_m
        n = activation(W_n x + r * m + b_n)

    Args:
        net: the net.
        name: the layer's name; its outputs are called name_1, name_2, ..., the other neurons name_z1, name_r1, ...
        size: number of units.
        sources: what it reads, as for `dense`.
        reset_after: whether the reset gates stand behind the matrix U_n.
        update_bias: what b_z begins with; above 0 the units begin to keep what they hold.
        reset_bias: what b_r begins with.
        activation: of the candidates, as for `Net.neuron`.

    Returns:
        The layer, of the rows z, r, m (with `reset_after`), n, h.

    Raises:
        ValueError: as `dense`.
    """
    x = _names_of(sources)
    rows = {
        "z": _Row("sigmoid", update_bias),
        "r": _Row("sigmoid", reset_bias),
        "m": _Row("linear"),
        "n": _Row(activation),
        "h": _Row("linear", trainable=False),
    }
    if not reset_after:
        del rows["m"]
    layer = _add_rows(net, name, size, **rows)
    z, r, n, h = (layer[row] for row in "zrnh")
    for row in (z, r, n):
        _join(net, x, row)
    for row in (z, r):
        _join(net, h, row, delay=1)
    if reset_after:
        _join(net, h, layer["m"], delay=1)
        _pass_on(net, layer["m"], n, gates=r)
    else:
        _join(net, h, n, delay=1, gates=r)
    _pass_on(net, h, h, delay=1, gates=z)  # h = z * h(t-1)
    _pass_on(net, n, h)  # + n
    _pass_on(net, n, h, weight=-1.0, gates=z)  # - z * n
    return layer


# Rows and what joins them. ----------------------------------------------------------------------------------


class _Row(NamedTuple):
    """What the neurons of a row have in common; `size` is their number, if it is not that of the layer."""

    activation: ActivationLike
    bias: float = 0.0
    trainable: bool = True
    size: int | None = None


def _add_rows(net: Net, name: str, size: int, **rows: _Row) -> Layer:
    """Add the neurons of a layer, after a look at all that could be refused."""
    if not isinstance(name, str) or not name:
        raise TypeError(f"a layer's name is a text that is not empty, got {name!r}")
    as_count(size, "size")
    names = {
        letter: [f"{name}_{letter if letter != 'h' else ''}{k + 1}" for k in range(row.size or size)]
        for letter, row in rows.items()
    }
    trial = Net()
    sigma = {x: trial.neuron(f"{name}_{x}", row.activation, bias=row.bias).activation for x, row in rows.items()}
    for taken in filter(net.__contains__, itertools.chain.from_iterable(names.values())):
        raise ValueError(f"there is a neuron named {taken!r} already; give the layer another name than {name!r}")
    for letter, row in rows.items():
        for neuron in names[letter]:
            net.neuron(neuron, sigma[letter], bias=row.bias, trainable=row.trainable)
    return Layer(names)


def _names_of(sources: Sources) -> list[str]:
    """Return the names that sources stand for, in order."""
    if isinstance(sources, str | Neuron | Layer) or not isinstance(sources, Iterable):
        sources = [sources]
    names: dict[str, None] = {}
    for source in sources:
        for name in source if isinstance(source, Layer) else [source.name if isinstance(source, Neuron) else source]:
            if not isinstance(name, str) or not name:
                raise TypeError(f"a source is an input, a neuron, the name of one, or a layer; got {name!r}")
            if name in names:
                raise ValueError(f"the source {name!r} comes twice; list each once")
            names[name] = None
    return list(names)


def _join(
    net: Net, sources: Sequence[str], targets: Sequence[str], *, delay: int = 0, gates: Sequence[str] | None = None
) -> None:
    """Link all sources to all targets, each link with a weight to be learned; `gates` has one for each source."""
    for target in targets:
        for k, source in enumerate(sources):
            net.link(source, target, delay=delay, gate=gates[k] if gates else None)


def _pass_on(
    net: Net,
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    weight: float = 1.0,
    delay: int = 0,
    gates: Sequence[str] | None = None,
) -> None:
    """Link each source to the target at its place, with a constant weight; `gates` has one for each link."""
    for k, (source, target) in enumerate(zip(sources, targets, strict=True)):
        net.link(source, target, weight, delay=delay, gate=gates[k] if gates else None, trainable=False)
