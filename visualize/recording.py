"""Recordings: what a training leaves for pictures of it.

A recording keeps the parameters of some epochs and nothing else, which costs a training next to nothing: `fit` has made
these arrays anyway. How the gradient flowed at a look is worked out from them when somebody wants to see it, on the
same samples at every look. So looks need no economy in time, only in memory; there are at most `most` of them, evenly
over the epochs however many these come to be, because whenever there are too many, every second one is dropped.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd.diagnose import Flow, Probe, norms
from autograd.learn import KINDS, LOOKED_AT, History, parameter_kinds
from autograd.net import Net, as_count
from visualize.graph import ALIVE, DEAD, DETACHED, NONFINITE, Graph, typical
from visualize.scales import Floats, Ints, number
from visualize.sources import from_net

if TYPE_CHECKING:
    from visualize.animation import Animation
    from visualize.charts import Chart

#: Looks that a recording keeps if it may choose: so many, or as many as go through a unit, at a step, so often in all
#: (which takes some seconds when they are worked out); but not fewer than these.
MOST, SWEPT, LEAST = 128, 30_000, 16
#: Bytes of parameters that it keeps.
MEMORY = 2**28


@dataclass(frozen=True, eq=False)
class Course:
    """The course of a training in numbers: at each of S looks, for each of K levels of the net, the inputs first.

    What is said of |delta| is said of its root mean square over the samples of a look, per unit.

    Attributes:
        epochs: the epoch of each look, ascending; 0 is before the first [S].
        levels: what each level is called: "input", "level 1", ..., "output" [K].
        units: how many units it has [K].
        reference: median |delta| of the outputs at each look, what is healthy; nan where there is none [S].
        quantiles: `autograd.diagnose.QUANTILES` of |delta| of a level; nan where no unit has any [S, K, 5].
        marks: `ALIVE`, or why a level has no quantiles, or not all: `DEAD`, `DETACHED`, `NONFINITE` [S, K].
        dead: units whose delta is exactly 0 for all samples, although a path leads from them to the loss [S, K].
        update: log10(|w' - w| / |w|) over the trainable weights that lead into a level, of the last step before the
            look; -inf where none moved, nan where there are none or no step is known [S, K].
        loss_epochs: the epochs with a loss [E].
        loss: mean loss on the training data after these [E].
        validation: the same on validation data; nan where there was none [E].
        best: the epoch whose weights the net was left with; -1 if nothing is known of it.
    """

    epochs: Ints
    levels: Sequence[str]
    units: Ints
    reference: Floats
    quantiles: Floats
    marks: Ints
    dead: Ints
    update: Floats
    loss_epochs: Ints
    loss: Floats
    validation: Floats
    best: int = -1

    @cached_property
    def decades(self) -> Floats:
        """log10 of the median |delta| of each level relative to that of the outputs [S, K]."""
        with np.errstate(all="ignore"):
            return np.asarray(np.log10(self.quantiles[:, :, 2]) - np.log10(self.reference)[:, None])

    @classmethod
    def of(cls, looks: Sequence[tuple[int, Flow]], update: Floats, losses: Sequence[tuple[int, History]]) -> Course:
        """Put looks together.

        Args:
            looks: epoch and flow of each, all of one net.
            update: as `Course` has it.
            losses: histories, with the epoch that each began after.
        """
        flows = [flow for _, flow in looks]
        first = flows[0]
        marks = np.stack([_marks(flow) for flow in flows])
        shown = [(start + 1 + k, loss, history.validation_loss[k] if history.validation_loss else math.nan)
                 for start, history in losses for k, loss in enumerate(history.loss)]
        epochs, loss, validation = (np.array(column) for column in zip(*shown, strict=True)) if shown else (
            np.empty(0, np.intp), np.empty(0), np.empty(0))
        return cls(
            np.array([epoch for epoch, _ in looks], np.intp), _level_names(first), first.levels.units,
            np.array([typical(flow.delta_rms[flow.is_output]) for flow in flows]),
            np.stack([flow.levels.quantiles for flow in flows]), marks,
            np.stack([flow.levels.dead for flow in flows]), update, epochs, loss, validation,
            losses[-1][0] + losses[-1][1].best_epoch if losses else -1,
        )  # fmt: skip


def course_of(x: Any) -> Course:
    """Return the course of a recording, or of the history of a training with looks.

    Args:
        x: a `Recording`, a `Course`, or what ``fit(..., diagnose=10)`` returned.

    Raises:
        TypeError: if it is none of these.
        ValueError: if there was no look.
    """
    if isinstance(x, Course):
        return x
    if isinstance(x, Recording):
        return x.course
    if isinstance(x, History):
        if not x.flow:
            raise ValueError("this history has no looks at the gradient; train with fit(..., diagnose=10), or with "
                             "fit(..., diagnose=visualize.record(net)) and draw the recording")
        levels = len(x.flow[0][1].levels.units)
        return Course.of(x.flow, np.full((len(x.flow), levels), math.nan), [(0, x)])
    raise TypeError(f"expected a Recording or the History of a training, got {type(x).__name__}: {x!r:.80}; "
                    "visualize.record(net) makes a recording for fit(..., diagnose=recording)")


class _Look(NamedTuple):
    """The parameters at an epoch, and before the last step to it (None: not known), and how to look at them."""

    epoch: int
    parameters: Floats
    before: Floats | None
    probe: Probe


class Recording:
    """What a training leaves for pictures; made by `record`. Looks are counted from 0; ``len`` is their number.

    Its arrays are those of `Course`, with which they are described: `epochs`, `loss`, `quantiles` and others. They are
    worked out when first asked for, with one plain sweep per look. A notebook shows the chart.

    Args:
        net: the net.
        every: epochs from one look to the next; None doubles them as needed.
        most: looks that are kept; None for any number, or where `every` is None for as many as are soon worked out.
        memory: bytes of parameters that are kept.
    """

    def __init__(self, net: Net, every: int | None, most: int | None, memory: int) -> None:
        self.net = net
        self._every = every or 1
        self._most = most
        self._chooses = most is None and every is None
        self._room = max(2, memory // (16 * max(len(net.parameters), 1)))
        self._kept: list[_Look] = []
        self._latest: _Look | None = None
        self._probe: Probe | None = None
        self._histories: list[tuple[int, History]] = []
        self._flows: dict[int, Flow] = {}
        self._course: Course | None = None

    # What `fit` calls; see `autograd.diagnose.Watch`. ----------------------------------------------------------------

    def begin(self, probe: Probe, parameters: Floats, history: History) -> None:
        """Take note of a training that begins or goes on; a second training of the net continues the first."""
        if probe.net is not self.net:
            raise ValueError("this recording is of another net; make one for this: diagnose=visualize.record(net)")
        self._follow(probe)
        start = self._histories[-1][0] if self._histories else 0
        if history.epochs:  # it is resumed: what came after that is forgotten
            self._histories = [*self._histories[:-1], (start, history)]
            self._forget_after(start + history.epochs)
        else:
            start = self._looks[-1].epoch if self._looks else 0
            self._histories.append((start, history))
        epoch = start + history.epochs
        if not self._looks or self._looks[-1].epoch < epoch:
            self._keep(_Look(epoch, parameters, None, self._probe_now))

    def epoch(self, parameters: Floats, before: Floats, history: History) -> None:
        """Take note of an epoch that is done."""
        look = _Look(self._histories[-1][0] + history.epochs, parameters, before, self._probe_now)
        self._latest, self._course = look, None
        if look.epoch % self._every == 0:
            self._keep(look)

    # By hand. --------------------------------------------------------------------------------------------------------

    def look(
        self, x: ArrayLike, y: ArrayLike, *, loss: Any = "mse", lengths: ArrayLike | None = None, at: str | None = None,
        epoch: int | None = None, before: ArrayLike | None = None,
    ) -> None:  # fmt: skip
        """Look at the net as it is now: for those who train with a loop of their own.

        Args:
            x: samples [N, p], of a net with delays sequences [N, T, p]; of many, 64 are drawn, always the same.
            y: targets, as for `Net.sweep`.
            loss: a name of `autograd.learn.LOSSES` or a formula ``loss(phi, y)``.
            lengths: number of steps of every sequence that count [N]; default all.
            at: at which steps of a sequence the loss is taken, as for `Net.sweep`.
            epoch: the epoch or step that is over; default one more than at the look before.
            before: the parameters before the last step, for the update ratio.

        Raises:
            ValueError: for wrong shapes, data that is not finite, an epoch that is not after that of the look before,
                and if the structure of the net has changed since.
        """
        last = self._looks[-1].epoch if self._looks else -1
        now = as_count(last + 1 if epoch is None else epoch, "epoch", 0)
        if now <= last:
            raise ValueError(f"looks go forward in time: epoch={now} is not after {last}, that of the look before")
        parameters = self.net.parameters
        probe = Probe.of(self.net, x, y, loss=loss, lengths=lengths, at=at, most=LOOKED_AT)
        earlier = None if before is None else np.array(before, float)
        if earlier is not None and earlier.shape != parameters.shape:
            raise ValueError(f"before holds the {len(parameters)} parameters of the net before the last step; got an "
                             f"array of shape {earlier.shape}")
        self._follow(probe)
        self._latest = _Look(now, parameters, earlier, self._probe_now)
        if not self._kept or now % self._every == 0:
            self._keep(self._latest)

    # What is kept. ---------------------------------------------------------------------------------------------------

    def _follow(self, probe: Probe) -> None:
        """Look through a probe from now on: at copies of its net and data, which stay as they are when these change."""
        twin = copy.copy(probe.net)
        if self._probe is not None and not _alike(self._probe.net, twin):
            raise ValueError("the net is not the one that the recording began with: its units, links or what is "
                             "trainable have changed; record what follows by itself: visualize.record(net)")
        if self._chooses and self._most is None:
            self._most = int(np.clip(SWEPT // (twin.graph.size * probe.x.shape[1]), LEAST, MOST))
        seen = dataclasses.replace(probe.seen, targets=probe.seen.targets.copy())
        self._probe, self._course = dataclasses.replace(probe, net=twin, x=probe.x.copy(), seen=seen), None

    @property
    def _probe_now(self) -> Probe:
        assert self._probe is not None
        return self._probe

    def _keep(self, look: _Look) -> None:
        self._kept.append(look)
        self._course = None
        while len(self._kept) > min(self._most or self._room, self._room):
            self._every *= 2
            self._kept = [kept for k, kept in enumerate(self._kept) if k == 0 or kept.epoch % self._every == 0]
            self._flows = {look.epoch: self._flows[look.epoch] for look in self._kept if look.epoch in self._flows}

    def _forget_after(self, epoch: int) -> None:
        self._kept = [look for look in self._kept if look.epoch <= epoch]
        self._flows = {at: flow for at, flow in self._flows.items() if at <= epoch}
        self._latest = None

    @property
    def _looks(self) -> list[_Look]:
        """The looks kept, and the last epoch."""
        latest = self._latest
        if latest is None or (self._kept and self._kept[-1].epoch >= latest.epoch):
            return self._kept
        return [*self._kept, latest]

    def __len__(self) -> int:
        return len(self._looks)

    # Looking. --------------------------------------------------------------------------------------------------------

    def flow(self, k: int) -> Flow:
        """Return how the gradient flowed at look k; negative numbers count from the last.

        Raises:
            IndexError: if there is no such look.
        """
        look = self._at(k)
        if look.epoch not in self._flows:
            self._flows[look.epoch] = look.probe(look.parameters)
        return self._flows[look.epoch]

    def net_at(self, k: int) -> Net:
        """Return the net of look k, after `Net.forward` and `Net.sweep` on the samples of the look.

        Raises:
            IndexError: if there is no such look.
        """
        look = self._at(k)
        net, probe = copy.copy(look.probe.net), look.probe
        net.parameters = look.parameters
        (samples, steps, _), seen = probe.x.shape, probe.seen
        if not net.max_delay:
            net.forward(probe.x[:, 0])
            net.sweep(seen.targets.T, seen.loss)
            return net
        net.forward(probe.x, lengths=probe.lengths)
        if len(seen.row) == samples and np.array_equal(seen.step, probe.lengths - 1):
            net.sweep(seen.targets.T, seen.loss, at="last")
        else:
            targets = np.zeros((samples, steps, len(seen.targets)))
            targets[seen.row, seen.step] = seen.targets.T
            net.sweep(targets, seen.loss, at="all")
        return net

    def graph(self, k: int) -> Graph:
        """Return the `Graph` of look k, to draw; nodes and edges are the same ones in the same order at every look.

        Raises:
            IndexError: if there is no such look.
        """
        return from_net(self.net_at(k))

    def steps(self, most: int = 40) -> list[tuple[str, Graph]]:
        """Return looks as pairs (label, graph), evenly chosen, as the slider of a page shows them.

        Args:
            most: how many at most; the first and the last look are among them.
        """
        many = len(self)
        chosen = sorted({round(k) for k in np.linspace(0, many - 1, min(many, as_count(most, "most", 2)))})
        return [(f"epoch {self.epochs[k]:,}", self.graph(k)) for k in chosen]

    def _at(self, k: int) -> _Look:
        looks = self._looks
        if not -len(looks) <= k < len(looks):
            raise IndexError(f"there is no look {k}; " + (f"they are 0 to {len(looks) - 1}" if looks else _EMPTY))
        return looks[k]

    @property
    def course(self) -> Course:
        """All looks in numbers.

        Raises:
            ValueError: if there was no look.
        """
        looks = self._looks
        if not looks:
            raise ValueError(f"there is no look; {_EMPTY}")
        if self._course is None:
            flows = [(look.epoch, self.flow(k)) for k, look in enumerate(looks)]
            self._course = Course.of(flows, np.stack([_update(look) for look in looks]), self._histories)
        return self._course

    @property
    def epochs(self) -> Ints:
        """The epoch of each look [S]."""
        return np.array([look.epoch for look in self._looks], np.intp)

    @property
    def loss(self) -> Floats:
        """The training loss at each look [S]; where none is known (epoch 0), that of the samples looked at."""
        course = self.course
        known = dict(zip(course.loss_epochs.tolist(), course.loss.tolist(), strict=True))
        return np.array([known.get(at, self.flow(k).loss) for k, at in enumerate(course.epochs.tolist())])

    @property
    def validation_loss(self) -> Floats:
        """The validation loss at each look, nan where there is none [S]."""
        course = self.course
        known = dict(zip(course.loss_epochs.tolist(), course.validation.tolist(), strict=True))
        return np.array([known.get(at, math.nan) for at in course.epochs.tolist()])

    @property
    def quantiles(self) -> Floats:
        """Quantiles of |delta| per level: least, quarter, median, three quarters, largest [S, K, 5]."""
        return self.course.quantiles

    @property
    def update(self) -> Floats:
        """log10 of |change of the weights| / |weights| per level, of the last step before each look [S, K]."""
        return self.course.update

    @property
    def dead(self) -> Ints:
        """The number of dead units per level [S, K]."""
        return self.course.dead

    # Showing. --------------------------------------------------------------------------------------------------------

    def draw(self, **options: Any) -> Chart:
        """Return the chart of the training; see `visualize.curves` for the options."""
        from visualize.charts import curves

        return curves(self, **options)

    def animate(self, path: str | os.PathLike[str] | None = None, **options: Any) -> Animation:
        """Return the net in motion, an SVG; see `visualize.animate` for the options."""
        from visualize.animation import animate

        return animate(self, path=path, **options)

    def __repr__(self) -> str:
        looks = self._looks
        if not looks:
            return "<Recording: no look yet>"
        losses = [loss for _, history in self._histories for loss in history.loss]
        course = f", loss {number(losses[0])} → {number(losses[-1])}" if losses else ""
        several = f"{len(looks)} looks at epochs {looks[0].epoch:,} to {looks[-1].epoch:,}"
        return f"<Recording: {several if len(looks) > 1 else f'1 look at epoch {looks[0].epoch:,}'}{course}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self.draw()._repr_mimebundle_(include, exclude) if len(self) else {"text/plain": repr(self)}


_EMPTY = "train with net.fit(..., diagnose=recording), or call recording.look(x, y)"


def record(net: Net, *, every: int | None = None, most: int | None = None, memory: int = MEMORY) -> Recording:
    """Return a recording of a training to come: ``net.fit(X, Y, diagnose=recording)``.

    It keeps parameters alone, so it takes next to no time of the training; see `Recording` for what it then knows.
    The first look is before the first epoch and the last one after the last.

    Args:
        net: the net that will be trained.
        every: epochs from one look to the next. None begins with 1 and doubles it as often as `most` asks for.
        most: looks that are kept; of more, every second is dropped. Default any number where `every` is given, else up
            to 128, and fewer for large nets and long sequences, whose looks take time when they are drawn.
        memory: bytes of parameters that are kept; where `most` looks are more, fewer looks.

    Raises:
        TypeError: if it is no net.
        ValueError: for options below 1 (`most`: 2).

    >>> net = Net.layered([2, 8, 1], seed=1)
    >>> recording = record(net, every=100)
    >>> history = net.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], epochs=300, rate=0.05, diagnose=recording)
    >>> recording.epochs
    array([  0, 100, 200, 300])
    >>> recording.quantiles.shape
    (4, 3, 5)
    """
    if not isinstance(net, Net):
        raise TypeError(f"record takes the Net that will be trained, got {type(net).__name__}: {net!r:.80}")
    if every is not None:
        every = as_count(every, "every")
    if most is not None:
        most = as_count(most, "most", 2)
    return Recording(net, every, most, as_count(memory, "memory"))


# Numbers of a look. --------------------------------------------------------------------------------------------------


def _update(look: _Look) -> Floats:
    """Return log10(|w' - w| / |w|) of the trainable weights by the level that they lead into [K]."""
    net = look.probe.net
    count = int(net.level.max(initial=-1)) + 1
    if look.before is None:
        return np.full(count, math.nan)
    owner, kind = parameter_kinds(net)
    chosen = np.flatnonzero(kind == KINDS.index("weights"))
    level = net.level[owner[chosen]]
    with np.errstate(all="ignore"):
        moved, size = (norms(x[chosen], level, count) for x in (look.parameters - look.before, look.before))
        ratio = np.log10(moved) - np.log10(size)
    return np.where(np.bincount(level, minlength=count) > 0, ratio, math.nan)


def _marks(flow: Flow) -> Ints:
    """Return what the deltas of every level are, beside numbers [K]."""
    levels = flow.levels
    count = len(levels.units)
    broken = np.bincount(flow.level[flow.reaches & ~np.isfinite(flow.delta_rms)], minlength=count) > 0
    return np.select(
        [broken, levels.detached == levels.units, levels.dead + levels.detached == levels.units],
        [NONFINITE, DETACHED, DEAD],
        ALIVE,
    ).astype(np.intp)


def _level_names(flow: Flow) -> list[str]:
    """Return what each level is called, as `Graph.level_name` does."""
    names = [f"level {k}" for k in range(len(flow.levels.units))]
    names[-1] = "output"
    for k in np.unique(flow.level[flow.is_input]).tolist():
        if flow.is_input[flow.level == k].all():
            names[k] = "input"
    return names


def _alike(one: Net, other: Net) -> bool:
    """Whether two nets have the same units, links and parameters, whatever the values of these."""
    def parts(net: Net) -> list[NDArray[Any]]:
        layout = net._parameter_layout()
        return [net.source, net.target, net.delays, net.gates, net.shares, net.trainable, net.inputs, net.outputs,
                layout.biases, layout.initial]

    return (one.names == other.names and one.activation_names == other.activation_names
            and one.aggregations == other.aggregations
            and all(map(np.array_equal, parts(one), parts(other))))
