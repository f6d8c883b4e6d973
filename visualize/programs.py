"""Graphs of compiled functions: what `autograd.jit` or `autograd.objective` recorded, with numbers at samples.

A recording has every expression once, so its graph is what is computed rather than what is written. It is evaluated
here operation by operation, by the rows of `autograd.ops`, on whole columns of samples; nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd.op import ABSENT, VARIADIC
from visualize import sources
from visualize.graph import INPUT, LOSS, UNIT, Graph
from visualize.scales import Floats, Ints, number

if TYPE_CHECKING:
    from autograd.compiler import Variant
    from autograd.record import Symbol

#: Numbers, one per node or edge and sample, that are held at a time.
ROOM = 2**25
#: Guards that a note spells out.
MOST_GUARDS = 3


def is_program(x: Any) -> bool:
    """Whether something is a function that `autograd.jit` or `autograd.objective` made."""
    return type(x).__module__ in ("autograd.compiler", "autograd.objectives") and hasattr(x, "variants")


def from_program(f: Any, at: Any = None) -> Graph:
    """Return the graph of a compiled function: its operations, each once, with values and gradients at samples.

    The names are those of ``f.listing("value")``, as far as that has the operations of the function; a formula such as
    sigmoid, which the listing writes out, is one node here. A value is the mean over the samples, a gradient the root
    mean square of dy/dv over them, and so are factors and messages of edges; of one sample they are what they are,
    with their signs, exactly as the eager engine has them.

    Where the function branches, the recording of most samples is drawn. Its guards, the conditions of the branches,
    pass nothing on and are left out; a note names the first. A condition of ``where`` is a node without a path.

    Args:
        f: what `autograd.jit` or `autograd.objective` returned.
        at: the samples. For a function of a list, one point [n] or samples [N, n]; for one of several parameters the
            same, with a number for each; for one of one number also a number or [N]. For an objective the tuple of its
            arguments, ``(w, *rows)``: a sample is a row, and the gradients are those of single rows. None draws the
            structure of the first recording, without numbers.

    Raises:
        TypeError: if f is no compiled function, or returns several numbers, which have no one gradient.
        ValueError: if the samples do not fit the function, or are missing and nothing was recorded yet.

    >>> from autograd import jit
    >>> g = from_program(jit(lambda x: x[0] * x[1] + x[0]), at=[3.0, 4.0])
    >>> for name, op, value, gradient in zip(g.names, g.ops, g.values, g.gradients):
    ...     print(f"{name:4} {op:1} {value:4.0f} {gradient:4.0f}")
    x[0]      3    5
    x[1]      4    3
    v0   ×   12    1
    v1   +   15    1
    """
    if not is_program(f):
        raise TypeError(f"expected what autograd.jit or autograd.objective returned, got {type(f).__name__}: {f!r:.80}")
    program = _objective(f, at) if type(f).__module__ == "autograd.objectives" else _function(f, at)
    return _graph(program)


class _Found(NamedTuple):
    """A recording to draw, and the samples that take its branches."""

    variant: Variant
    names: list[str]  # of the inputs
    call: str
    samples: Floats | None  # [N, inputs]
    notes: list[str]


# Which recording. ----------------------------------------------------------------------------------------------------


def _function(f: Any, at: Any) -> _Found:
    """Choose the recording of a function that `jit` compiled."""
    samples = None
    if at is None:
        variant, notes = _first(f)
    else:
        samples = _table(f, at)
        columns = np.hsplit(samples, samples.shape[1]) if f._scalars else [samples]
        width = samples.shape[1]
        variant, samples, notes = _most(samples, lambda k, chosen: f._variant(k, [a[chosen] for a in columns], width))
        if not variant.single:
            raise TypeError(
                f"{_name(f)} returns {len(variant.results)} numbers, which have no one gradient: compile one of them, "
                "or their sum; without at= the structure is drawn"
            )
    arguments = f._parameters if f._scalars else f._parameters[:1] or ["x"]
    return _Found(variant, f._names(variant, "value"), f"{_name(f)}.value_and_grad({', '.join(arguments)})", samples,
                  notes)  # fmt: skip


def _objective(f: Any, at: Any) -> _Found:
    """Choose the recording of an objective, whose samples are its rows with the parameters."""
    call = f"{_name(f)}({', '.join(f._names)})"
    if at is None:
        variant, notes = _first(f)
        return _Found(variant, _row_names(f, variant.parameters, variant.widths), call, None, notes)
    if not isinstance(at, tuple) or not at:
        raise ValueError(f"at is the tuple of the arguments of the objective {_name(f)}, ({', '.join(f._names)}); "
                         f"got {at!r:.80}")  # fmt: skip
    w, arrays, widths = f._arguments(at[0], at[1:])
    if not len(arrays[0]):
        raise ValueError(f"at has no rows for {_name(f)}; leave it out to draw the structure alone")
    arrays = [a.astype(float) for a in arrays]
    samples = np.hstack([np.broadcast_to(w, (len(arrays[0]), len(w))), *arrays])
    variant, samples, notes = _most(samples, lambda k, chosen: f._variant(k, w, [a[chosen] for a in arrays], widths))
    if len(samples) > 1:
        notes.append("gradients are those of single rows, not of their mean")
    return _Found(variant, _row_names(f, len(w), widths), call, samples, notes)


def _name(f: Any) -> str:
    return f._name if f._name.isidentifier() else "f"


def _row_names(f: Any, parameters: int, widths: Sequence[int]) -> list[str]:
    names = [f"{f._names[0]}[{k}]" for k in range(parameters)]
    for name, width in zip(f._names[1:], widths, strict=True):
        names += [name] if width < 0 else [f"{name}[{k}]" for k in range(width)]
    return names


def _first(f: Any) -> tuple[Any, list[str]]:
    if not f._variants:
        raise ValueError(f"{_name(f)} has no recording yet: call it once, or draw it at samples with at=")
    more = [f"the first of {f.variants} recordings; at= chooses by samples"] if f.variants > 1 else []
    return f._variants[0], more


def _table(f: Any, at: ArrayLike) -> Floats:
    """Return the samples [N, n] for a function; what is no such table is refused by name."""
    from autograd.compiler import as_numbers

    try:
        (samples,) = as_numbers([at], _name(f))
    except ValueError:
        raise ValueError(f"at is one sample [n] or samples [N, n] of numbers, got {at!r:.80}") from None
    samples = samples.astype(float)
    if samples.ndim == 0 and not f._variants and len(f._parameters) == 1:
        f._scalars = True  # as a first call with a number would show
    takes = ", ".join(f._parameters)
    if f._scalars and len(f._parameters) == 1 and samples.ndim < 2:
        samples = samples.reshape(-1, 1)
    fits = 1 <= samples.ndim <= 2 and samples.shape[-1] and (not f._scalars or samples.shape[-1] == len(f._parameters))
    if not fits:
        wanted = f"[n] or [N, n] with n = {len(f._parameters)}" if f._scalars else "one sample [n] or samples [N, n]"
        raise ValueError(f"at for {_name(f)}({takes}) is {wanted}, got the shape {samples.shape}")
    if not samples.size:
        raise ValueError(f"at has no samples for {_name(f)}; leave it out to draw the structure alone")
    return samples.reshape(-1, samples.shape[-1])


def _most(
    samples: Floats, variant_of: Callable[[int, Ints], tuple[Any, bool]]
) -> tuple[Any, Floats, list[str]]:
    """Return the recording that most samples belong to, these samples, and a note on the others.

    Args:
        samples: [N, inputs].
        variant_of: called with k and the samples that no recording before the k-th fits; returns the k-th, and whether
            it was made for the first of these samples just now.
    """
    todo = np.arange(len(samples))
    best: tuple[Any, Ints] = None, todo[:0]
    ways = tried = 0
    while len(todo):
        variant, sure = variant_of(tried, todo)
        tried += 1
        held = _belongs(variant, samples[todo])
        held[0] |= sure  # the recording is of this sample, whatever the last digits say
        here, todo = todo[held], todo[~held]
        ways += bool(len(here))
        if len(here) > len(best[1]):
            best = variant, here
    variant, here = best
    others = len(samples) - len(here)
    if not others:
        return variant, samples, []
    return variant, samples[here], [
        f"{others:,} of {len(samples):,} samples branch otherwise ({ways - 1} other way{'s' * (ways > 2)}) and are not "
        "in this picture"
    ]


def _belongs(variant: Any, samples: Floats) -> NDArray[np.bool_]:
    """Return which samples meet the guards of a recording."""
    guards = variant.recording.guards
    held = np.ones(len(samples), bool)
    if guards:
        tape = _Tape(variant.inputs, list(guards))
        for start, block in _blocks(samples, len(tape)):
            values = tape.values(block)
            for condition, taken in guards.items():
                held[start : start + len(block)] &= (np.asarray(values[condition]) != 0) == taken
    return held


# Numbers. ------------------------------------------------------------------------------------------------------------


class _Tape:
    """The operations under some results, in order, with places for the numbers of nodes and edges.

    Args:
        inputs: the symbols that are inputs, which come first, used or not.
        results: symbols and floats.
    """

    def __init__(self, inputs: Sequence[Symbol], results: Sequence[Any]) -> None:
        from autograd.record import Symbol, order

        self.results = list(results)
        self.nodes = [*inputs, *(v for v in order(results) if v.op is not None)]
        self.place: dict[Any, int] = {v: i for i, v in enumerate(self.nodes)}
        ends = [(self.place[x], i) for i, v in enumerate(self.nodes) for x in v.operands if type(x) is Symbol]
        self.source, self.target = (np.array([e[k] for e in ends], np.intp) for k in (0, 1))
        self._wanted = [[type(x) is Symbol for x in v.operands] for v in self.nodes]

    def __len__(self) -> int:
        return len(self.nodes)

    def values(self, samples: Floats) -> dict[Any, Any]:
        """Return the value of every node at samples [k, inputs]: an array [k], or the float of one sample."""
        from autograd import batch

        one = len(samples) == 1
        values: dict[Any, Any] = dict(zip(self.nodes, samples[0].tolist() if one else samples.T, strict=False))
        for v, wanted in zip(self.nodes, self._wanted, strict=True):
            if v.op is not None:
                xs = [values[x] if is_node else x for x, is_node in zip(v.operands, wanted, strict=True)]
                values[v] = v.op.call(xs) if one else batch.evaluate(v.op, xs)
        return values

    def sweep(self, values: dict[Any, Any], k: int) -> tuple[Floats, Floats, Floats]:
        """Return gradients [nodes, k], and partials and messages [edges, k]; `ABSENT` is where nothing passes.

        Args:
            values: of the nodes.
            k: the number of samples.
        """
        from autograd import batch
        from autograd.value import reverse_sweep

        partials = np.empty((len(self.source), k))
        adjoints = np.full((len(self), k), ABSENT)
        known: dict[Any, _Known] = {}
        with np.errstate(all="ignore"):
            e = 0
            for v, wanted in zip(self.nodes, self._wanted, strict=True):
                xs = [values[x] if is_node else x for x, is_node in zip(v.operands, wanted, strict=True)]
                slopes = v.op.slopes(xs, values[v], wanted) if v.op is not None else []
                ends = [known[x] if is_node else None for x, is_node in zip(v.operands, wanted, strict=True)]
                known[v] = _Known(ends, slopes)
                for p, is_node in zip(slopes, wanted, strict=True):
                    if is_node:
                        partials[e] = p
                        e += 1
            root = self.place.get(self.results[0])
            if root is not None:
                # On arrays a sample may be absent beside one that is not.
                rules = (None, batch.times, batch.plus) if k > 1 else ()
                nodes = list(known.values())[: root + 1]
                found = reverse_sweep(nodes, np.ones(k) if k > 1 else 1.0, lambda _: None, *rules)
                for i, node in enumerate(nodes):
                    adjoints[i] = found.get(id(node), ABSENT)
            passed = (partials != ABSENT) & (adjoints[self.target] != ABSENT)
            messages = np.where(passed, partials * adjoints[self.target], ABSENT)
        return adjoints, partials, messages


class _Known:
    """A node for the sweep whose partials are known already: it is its own operation.

    Args:
        operands: nodes, and None for plain numbers.
        partials: one per operand.
    """

    __slots__ = ("operands", "partials")

    def __init__(self, operands: list[_Known | None], partials: list[Any]) -> None:
        self.operands, self.partials = operands, partials

    @property
    def op(self) -> _Known | None:
        return self if self.operands else None

    def slopes(self, *_: Any) -> list[Any]:
        return self.partials


def _blocks(samples: Floats, width: int) -> Iterator[tuple[int, Floats]]:
    """Yield the samples in blocks for which there is room, with the place of the first."""
    size = max(1, ROOM // max(width, 1))
    for start in range(0, len(samples), size):
        yield start, samples[start : start + size]


class _Numbers(NamedTuple):
    """What is drawn of nodes and edges; open tells whether an edge lets a gradient through at any sample."""

    values: Floats
    gradients: Floats
    factors: Floats
    messages: Floats
    open: NDArray[np.bool_]


def _numbers(tape: _Tape, samples: Floats) -> _Numbers:
    """Return the means and root mean squares over samples [N, inputs]."""
    parts: list[tuple[int, _Numbers]] = []
    for _, block in _blocks(samples, 2 * len(tape) + 2 * len(tape.source)):
        try:
            parts.append((len(block), _of_block(tape, block)))
        except (TypeError, ValueError):
            if len(block) == 1:
                raise
            # A row of the user's that is code on floats: sample by sample then.
            parts += [(1, _of_block(tape, sample[None])) for sample in block]
    if len(parts) == 1:
        return parts[0][1]
    sizes = np.array([size for size, _ in parts], float)
    shares = sizes / sizes.sum()
    columns = zip(*(part for _, part in parts), strict=True)
    values, gradients, factors, messages, passed = (np.stack(x, axis=1) for x in columns)
    spread = np.sqrt(shares * len(parts))
    with np.errstate(all="ignore"):
        counted = np.where(passed, factors, 0.0)  # an edge that was open nowhere in a block counts there as 0
        opened: NDArray[np.bool_] = np.logical_or.reduce(passed, axis=1)
        return _Numbers(
            (values * shares).sum(axis=1), sources.root_mean_square(gradients * spread),
            np.where(opened, (counted * shares).sum(axis=1), np.nan), sources.root_mean_square(messages * spread),
            opened,
        )  # fmt: skip


def _of_block(tape: _Tape, samples: Floats) -> _Numbers:
    values = tape.values(samples)
    gradients, partials, messages = tape.sweep(values, len(samples))
    opened = (partials != ABSENT).any(axis=1)
    columns = np.empty(gradients.shape)
    for i, v in enumerate(tape.nodes):
        columns[i] = values[v]
    with np.errstate(all="ignore"):
        return _Numbers(
            columns.mean(axis=1), sources.root_mean_square(_present(gradients)),
            np.where(opened, _present(partials).mean(axis=1), np.nan), sources.root_mean_square(_present(messages)),
            opened,
        )  # fmt: skip


def _present(x: Floats) -> Floats:
    """Return numbers with 0 for what is absent."""
    return np.where(x == ABSENT, 0.0, x)


# The graph. ----------------------------------------------------------------------------------------------------------


def _graph(found: _Found) -> Graph:
    from autograd import machine
    from autograd.record import long_lists

    variant, samples = found.variant, found.samples
    with machine.locked(), long_lists():
        guards = variant.recording.guards
        # The listing counts the guards among its operations.
        listed = _Tape(variant.inputs, [*variant.results, *([variant.held()] if guards else [])])
        tape = _Tape(variant.inputs, variant.results)
    names = _names_of(listed, found.names)
    n, ends = len(tape), [x for x in variant.results if type(x) is not float]
    outputs = [tape.place[x] for x in ends]
    shown = [names[v] for v in tape.nodes]
    ops = sources.operations(tape.nodes)
    kinds = np.array([INPUT if v.op is None else UNIT for v in tape.nodes], np.intp)
    if samples is None:
        missing = np.full(len(tape.source), np.nan)
        numbers = _Numbers(np.full(n, np.nan), np.full(n, np.nan), missing, missing, np.ones(len(missing), bool))
    else:
        with long_lists():
            numbers = _numbers(tape, samples)
    levels = _levels(tape, outputs)
    values, gradients = numbers.values, numbers.gradients
    if variant.single and not outputs:  # a constant, which has nothing to do with the inputs
        shown, ops, kinds = [*shown, "result"], [*ops, "constant"], np.append(kinds, UNIT)
        values, gradients = np.append(values, variant.results[0]), np.append(gradients, 1.0)
        levels, outputs = np.append(levels, 1), [n]
    if variant.single:
        kinds[outputs] = LOSS
    notes = [*found.notes]
    if guards:
        notes.append(_guarded(guards, names))
    count = 1 if samples is None else len(samples)
    if count > 1:
        notes.append(f"{count:,} samples: g is the root mean square, v the mean")
    return Graph(
        names=sources.unique(shown)[0], ops=ops, kinds=kinds, values=values, gradients=gradients, levels=levels,
        source=tape.source, target=tape.target, factors=numbers.factors, messages=numbers.messages, open=numbers.open,
        outputs=np.unique(np.array(outputs, np.intp)), swept=samples is not None,
        samples=count, call=found.call,
        loss=float(values[outputs[0]]) if samples is not None else None, notes=tuple(notes),
    )  # fmt: skip


def _names_of(tape: _Tape, inputs: Sequence[str]) -> dict[Any, str]:
    """Return the name of each node as in a listing."""
    steps = len(tape) - len(inputs)
    return dict(zip(tape.nodes, [*inputs, *(f"v{k}" for k in range(steps))], strict=True))


def _levels(tape: _Tape, outputs: Sequence[int]) -> Ints:
    """Return the levels: steps to the results by the longest way, counted from there; what is not used stands first."""
    depth = [-1] * len(tape)
    for i in outputs:
        depth[i] = max(depth[i], 0)
    for s, t in zip(reversed(tape.source.tolist()), reversed(tape.target.tolist()), strict=True):
        # The edges are sorted by target, so backwards every target is final when it passes its depth on.
        depth[s] = max(depth[s], depth[t] + 1)
    deepest = max(depth, default=0)
    return np.array([deepest - d if d >= 0 else 0 for d in depth], np.intp)


def _guarded(guards: dict[Any, bool], names: dict[Any, str]) -> str:
    """Return the note on the guards: how many, and the first of them as they are here."""
    def operand(x: Any) -> str:
        return number(x) if type(x) is float else names.get(x, "·")

    said = []
    for condition, taken in list(guards.items())[:MOST_GUARDS]:
        op = condition.op
        words = op.form.format(*map(operand, condition.operands)) if op.arity != VARIADIC else names[condition]
        said.append(words if taken else f"not {words}")
    more = "" if len(guards) <= MOST_GUARDS else ", …"
    return f"holds where {', '.join(said)}{more} ({len(guards):,} guard{'s' * (len(guards) != 1)}, not drawn)"
