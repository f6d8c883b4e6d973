"""The gradient of a recurrent net step by step: where its loss is, how delta fades or grows back in time, in words.

Where the loss sees one step alone, delta at the steps before it shows what a recurrent net does to a gradient on its
way back through time (S. Hochreiter, 1991; Y. Bengio et al., 1994; R. Pascanu et al., 2013). Where it sees several,
delta at a step is a sum of what comes from all later ones, and its course is no rate; then the loss at the last step
alone has one.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from autograd.diagnose import EXPLODING, VANISHING, factor_per_step
from visualize.graph import ALIVE, BLANK, DEAD, DETACHED, INPUT, LOSS, NONFINITE, Graph
from visualize.scales import Floats, Ints, Scale, number, signed
from visualize.sources import root_mean_square

#: Rows of the table of steps.
MOST_STEPS = 24
#: What delta is compared with where the loss sees one step alone.
AT_LOSS = "relative to the RMS δ"


@dataclass(frozen=True, eq=False)
class Steps:
    """A recurrent net after its sweep, step by step. Made by `Steps.of`.

    Attributes:
        graph: the net.
        sizes: |delta| of each node at each step [n, T].
        marks: what each is, as in `Graph.marks`; `BLANK` at steps after the last one that the loss sees, and at the
            node of the loss itself [n, T].
        losses: the share of the sequences to which the loss sends a gradient at each step [T].
        carriers: the units that carry the gradient back in time: those with a delta before the last step of the loss.
        aligned: whether the columns are steps back from the ends of sequences that may differ in length.
    """

    graph: Graph
    sizes: Floats
    marks: Ints
    losses: Floats
    carriers: Ints
    aligned: bool = False

    @classmethod
    def of(cls, graph: Graph, aligned: bool = False) -> Steps:
        """Return the steps of a graph.

        Raises:
            ValueError: if it has none.
        """
        if graph.over_time is None:
            if not graph.swept and graph.noun == "unit":
                raise ValueError(f"there is no gradient over time, because {graph.call} has not run; call it first")
            raise ValueError("there is no gradient over time: this is no net with delays after a sweep over sequences; "
                             "draw it with view='auto'")
        sizes = np.abs(graph.over_time)
        steps = sizes.shape[1]
        seen = sizes[graph.kinds == LOSS]
        if len(seen) and np.isfinite(seen).all() and seen.any():
            losses = seen.max(axis=0)
        else:  # Nothing is known of it, as in a graph made by hand; or it sends nothing.
            losses = np.zeros(steps)
            losses[-1:] = 1.0
        marks = np.where(sizes == 0, DEAD, np.where(np.isfinite(sizes), ALIVE, NONFINITE))
        marks[~graph.connected & (sizes == 0).all(axis=1)] = DETACHED
        last = int(np.flatnonzero(losses)[-1]) if steps else 0
        marks[:, last + 1 :] = BLANK
        marks[~graph.units] = BLANK
        neurons = graph.units & (graph.kinds != INPUT)
        back = ((marks[:, :last] == ALIVE) | (marks[:, :last] == NONFINITE)).any(axis=1)
        carriers = np.flatnonzero(neurons & back)
        return cls(graph, sizes, marks, losses, carriers if len(carriers) else np.flatnonzero(neurons), aligned)

    def __len__(self) -> int:
        return int(self.sizes.shape[1])

    @property
    def sequences(self) -> int:
        """How many sequences the numbers stand for."""
        return max(self.graph.samples // max(len(self), 1), 1)

    @property
    def last(self) -> int:
        """The last step that the loss sees, counted from 0."""
        return int(np.flatnonzero(self.losses)[-1])

    @property
    def single(self) -> bool:
        """Whether the loss sees one step alone, so that delta at those before shows a rate."""
        return bool(np.count_nonzero(self.losses) == 1)

    @property
    def ragged(self) -> bool:
        """Whether the loss sees one step of each sequence, but not the same: the last, of several lengths."""
        return not self.single and bool(self.losses.sum() < 1 + 1e-9)

    @cached_property
    def alone(self) -> Steps | None:
        """The same of the loss at the last step of each sequence alone, where that is something else and is known."""
        back = self.graph.last_alone
        if self.single or back is None:
            return None
        samples = self.sequences * back.shape[1]
        return Steps.of(dataclasses.replace(self.graph, over_time=back, last_alone=None, samples=samples), aligned=True)

    def name(self, step: int) -> str:
        """Return what words call a step, counted from 0."""
        if not self.aligned:
            return f"t = {step + 1:,}"
        back = len(self) - 1 - step
        return f"{back:,} step{'s' * (back != 1)} before the last" if back else "the last step"

    @property
    def where(self) -> str:
        """Where the loss is, in words."""
        seen = np.flatnonzero(self.losses) + 1
        if len(seen) == 1:
            return f"loss at {self.name(self.last)} only"
        if self.ragged:
            return f"one loss a sequence, at t = {seen[0]:,} to {seen[-1]:,}"
        if len(seen) == len(self):
            return "loss at every step"
        if len(seen) == seen[-1] - seen[0] + 1:
            return f"loss at t = {seen[0]:,} to {seen[-1]:,}"
        return f"loss at {len(seen):,} of {len(self):,} steps"

    @cached_property
    def rms(self) -> Floats:
        """Root mean square of delta over the carriers at each step; nan after the last [T]."""
        return self.rms_of(self.carriers)

    def rms_of(self, nodes: Ints) -> Floats:
        """Return the root mean square of delta over some nodes at each step; nan after the last [T]."""
        found = np.abs(root_mean_square(self.sizes[nodes].T)) if len(nodes) else np.full(len(self), math.nan)
        found[self.last + 1 :] = math.nan
        return found

    @cached_property
    def scale(self) -> Scale:
        """The decade scale: around the RMS delta where the loss is; with several losses that of the graph."""
        reference = self.rms[self.last]
        if self.single and 0 < reference < math.inf:
            return Scale(float(reference), f"{AT_LOSS} at {self.name(self.last)}, where the loss is")
        return self.graph.scale()

    def factor(self, rms: Floats | None = None) -> float:
        """Return the factor by which delta changes per step back in time; nan where nothing can be said.

        Args:
            rms: of some nodes [T]; default that of the carriers.
        """
        # Steps back in time are steps from the end.
        return factor_per_step((self.rms if rms is None else rms)[::-1]) if self.single else math.nan

    @property
    def trend(self) -> str:
        """How delta changes back in time, in words; "" where nothing can be said.

        It shrinks or grows where that makes a hundredfold over the sequence, as `Flow.lag_verdict` has it, slowly where
        it makes tenfold.
        """
        factor = self.factor()
        if math.isnan(factor):
            return ""
        total = self.last * math.log(factor)
        size = rate(factor)
        if abs(total) < math.log(10):
            return f"gradient preserved ({size} per step)"
        slowly = "slowly " if math.log(VANISHING) <= total <= math.log(EXPLODING) else ""
        return f"gradient {'shrinks' if total < 0 else 'grows'} {slowly}{size} per step back in time"

    def words(self) -> list[str]:
        """Return what is to be said of the gradient over time; a sentence each, the most important first."""
        found = [self.trend] if self.trend else []
        if self.ragged and self.alone:
            return self.alone.words()
        if not self.single and len(self) > 1:
            if self.alone and self.alone.trend:
                found.append(f"{self.alone.trend}, for the loss at the last step alone")
            found.append(f"{self.where}: δ at a step is what comes back from all later losses, "
                         "so its course is no rate of fading")
        marks = self.marks[self.carriers, : self.last + 1]
        broken = np.flatnonzero((marks == NONFINITE).any(axis=0))
        if len(broken):
            units = int((marks == NONFINITE).any(axis=1).sum())
            found.append(f"δ of {units:,} unit{'s' * (units != 1)} is NaN or infinite, first (from the loss back) at "
                         f"{self.name(int(broken[-1]))}")
        nothing = (marks == DEAD).all(axis=0)
        if nothing.any() and len(self.carriers):
            if nothing.all():
                found.append("δ of all units is exactly 0 at every step")
            elif nothing[0]:
                before = self.name(int(np.argmin(nothing)) - 1)
                found.append(f"no gradient arrives at {before} and earlier: δ is exactly 0 there")
        return found

    def rows(self, scale: Scale | None = None) -> list[tuple[int, float]]:
        """Return (step, log10 of the RMS delta over the reference) from the last step of the loss back.

        Steps count from 1. Of many, `MOST_STEPS` are taken, the first and the last among them.

        Args:
            scale: what it is relative to; default `scale`.
        """
        decades = (scale or self.scale).decades(self.rms)
        shown = np.unique(np.round(np.linspace(0, self.last, min(self.last + 1, MOST_STEPS))).astype(int))[::-1]
        return [(t + 1, float(decades[t])) for t in shown.tolist()]

    @staticmethod
    def log(decade: float, brief: bool = False) -> str:
        """Return how a log10 is written: "−2.7", "0", "δ = 0", "NaN"; in brief "−∞" for one of a delta of 0."""
        if not math.isfinite(decade):
            return number(decade) if brief else "δ = 0" if decade < 0 else "not finite"
        text = signed(decade, 1, plus=True)
        return "0" if text == "+0.0" else text


def rate(factor: float) -> str:
    """Return a factor per step with two digits, and with three near 1, where two are too few.

    >>> rate(0.5873), rate(0.9871), rate(1.4722)
    ('×0.59', '×0.987', '×1.5')
    """
    digits = 3 if 0.9 < factor < 1.1 else 2
    return f"×{number(float(f'{factor:.{digits}g}'))}"


def over_time_words(graph: Graph) -> list[str]:
    """Return what is to be said of the gradient of a recurrent net over time; a sentence each.

    Args:
        graph: any graph; of one without time steps there is nothing to say.
    """
    return Steps.of(graph).words() if graph.over_time is not None else []
