"""Training: losses, `fit`, and trainings that are saved and go on.

A *loss* is a formula of the outputs phi and the targets y of one sample, in the engine's own operations; what
it sends back to the outputs is derived from it, never typed in. An *optimiser* (`autograd.optimise`) is a small
pure step over a flat vector. An *objective* is ``(weights, rows) -> (value, gradient)``, the one shape in which both
meet, and which `scipy.optimize.minimize(objective, w, args=(rows,), jac=True)` takes as well.
"""

from __future__ import annotations

import base64
import copy
import dataclasses
import errno
import fnmatch
import hashlib
import json
import math
import numbers
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import batch, files, ops
from autograd.diagnose import Flow, Probe, Watch
from autograd.net import as_count, as_floats, unmasked
from autograd.op import did_you_mean
from autograd.optimise import LBFGS as LBFGS
from autograd.optimise import OPTIMISERS as OPTIMISERS
from autograd.optimise import SGD as SGD
from autograd.optimise import Adam as Adam
from autograd.optimise import AdamW as AdamW
from autograd.optimise import LevenbergMarquardt as LevenbergMarquardt
from autograd.optimise import Optimiser as Optimiser
from autograd.optimise import Rate, Solver, check_positive, check_share, check_within
from autograd.optimise import RMSprop as RMSprop
from autograd.optimise import Rprop as Rprop
from autograd.optimise import find_optimiser as find_optimiser

if TYPE_CHECKING:
    from autograd.net import Net

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Data as `fit` holds it: (X, Y) or (X, Y, lengths), arrays with an entry per sample.
Rows = tuple[NDArray[Any], ...]

#: Samples that `fit` looks at the flow of the gradient with: enough for its size, few enough to cost little.
LOOKED_AT = 64

#: A loss as a user writes it: formula(phi, y) -> the loss of a sample, phi and y being lists with an entry
#: per column.
Formula = Callable[[Sequence[Any], Sequence[Any]], Any]


# Losses. ----------------------------------------------------------------------------------------------------


def mse(phi: Sequence[Any], y: Sequence[Any]) -> Any:
    """Return the mean over the outputs of (phi - y)^2, scikit-learn's mean_squared_error (no 1/2)."""
    return ops.mean([ops.square(p - t) for p, t in zip(phi, y, strict=True)])


def binary_cross_entropy(phi: Sequence[Any], y: Sequence[Any]) -> Any:
    """Return the mean over the outputs of -y log(sigmoid(phi)) - (1 - y) log(1 - sigmoid(phi)).

    The outputs are logits (use linear output neurons), the targets are probabilities from 0 to 1. In the form
    softplus(phi) - y phi no logit is too large.
    """
    return ops.mean([ops.softplus(p) - t * p for p, t in zip(phi, y, strict=True)])


def softmax_cross_entropy(phi: Sequence[Any], y: Sequence[Any]) -> Any:
    """Return -sum over the outputs of y log(softmax(phi)) = logsumexp(phi) - sum y phi.

    The outputs are logits (use linear output neurons). The targets are class labels, integers from 0 to q - 1
    [N], or probabilities that add up to 1 in every row [N, q].
    """
    return ops.logsumexp(list(phi)) - ops.sum([t * p for p, t in zip(phi, y, strict=True)])


def hinge(phi: Sequence[Any], y: Sequence[Any]) -> Any:
    """Return the mean over the outputs of max(0, 1 - y phi); the targets are -1 or +1."""
    return ops.mean([ops.relu(1.0 - t * p) for p, t in zip(phi, y, strict=True)])


def huber(phi: Sequence[Any], y: Sequence[Any]) -> Any:
    """Return the mean over the outputs of e^2 / 2 where e = |phi - y| is at most 1, and e - 1/2 beyond."""
    errors = [ops.abs(p - t) for p, t in zip(phi, y, strict=True)]
    return ops.mean([ops.where(e <= 1.0, 0.5 * ops.square(e), e - 0.5) for e in errors])


#: The losses by name. `softmax_cross_entropy` takes class labels as targets, too.
LOSSES: dict[str, Formula] = {
    formula.__name__: formula for formula in (mse, binary_cross_entropy, softmax_cross_entropy, hinge, huber)
}

# What the targets of a loss must be: (accepted, in words).
_TARGETS: dict[Any, tuple[Callable[[Floats], NDArray[np.bool_]], str]] = {
    binary_cross_entropy: (lambda y: (y >= 0) & (y <= 1), "probabilities from 0 to 1"),
    softmax_cross_entropy: (lambda y: (y >= 0) & (y <= 1), "class labels, or probabilities that add up to 1"),
    hinge: (lambda y: np.abs(y) == 1, "-1 or +1"),
}


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss ready for batches.

    Args:
        name: its name.
        formula: ``formula(phi, y)``, of lists with an entry per column, for one sample.
    """

    name: str
    formula: Formula

    def targets(self, y: ArrayLike, samples: int, outputs: int) -> Floats:
        """Return the targets as columns [k, N] after checking them.

        Args:
            y: [N, q]; for one sample also [q]; for one output also [N]; class labels [N] or [N, 1] (one sample:
                also a scalar) where the loss takes them; any [N, k] for a user's formula.
            samples: N.
            outputs: q.

        Raises:
            ValueError: for a wrong shape, data that is not finite, or targets that the loss does not take.
        """
        labels = self._labels(y, samples, outputs)
        rows = as_floats(y, "Y") if labels is None else labels
        shape = rows.shape
        if rows.ndim == 0 or (rows.ndim == 1 and (samples == 1 or outputs == 1 or not self.known)):
            # One sample is one row; otherwise each number is the one target of a sample.
            rows = rows.reshape(1, -1) if samples == 1 else rows.reshape(-1, 1)
        width = outputs if self.known else rows.shape[-1]
        if rows.shape != (samples, width):
            hint = ""
            if self._takes_labels:
                whole = np.asarray(y).dtype.kind in "iu"
                fits = f"have shape ({samples},)" if whole else "must be integers: use Y.astype(int)"
                hint = f"; class labels {fits}"
            raise ValueError(
                f"Y must have shape ({samples}, {width}), a row per sample and a column per output, to go with X; "
                f"got shape {shape}{hint}"
            )
        if not np.isfinite(rows).all():
            i, j = np.argwhere(~np.isfinite(rows))[0]
            raise ValueError(
                f"Y[{i}, {j}] (row {i}, column {j}) is {rows[i, j]}; targets must be finite: fill or drop "
                "such rows first"
            )
        if self.formula in _TARGETS:
            accepted, words = _TARGETS[self.formula]
            wrong = ~accepted(rows)
            if self._takes_labels:
                wrong |= (np.abs(rows.sum(axis=1) - 1) > 1e-6)[:, None]
            if wrong.any():
                i, j = np.argwhere(wrong)[0]
                raise ValueError(f"the targets of {self.name} are {words}; got Y[{i}] = {rows[i].tolist()}")
        return np.ascontiguousarray(rows.T)

    @property
    def known(self) -> bool:
        """Whether it is one of `LOSSES`."""
        return self.formula in LOSSES.values()

    @property
    def _takes_labels(self) -> bool:
        return self.formula is softmax_cross_entropy

    def _labels(self, y: ArrayLike, samples: int, outputs: int) -> Floats | None:
        """Return the rows that class labels stand for (a 1 in the label's column), or None if y are none."""
        if not self._takes_labels:
            return None
        if outputs < 2:
            raise ValueError(
                "softmax_cross_entropy needs an output per class, at least 2; with one output use "
                "binary_cross_entropy"
            )
        labels = np.asarray(y)
        shapes = [(samples,), (samples, 1)] + [()] * (samples == 1)
        if labels.dtype.kind not in "iu" or labels.shape not in shapes:
            return None
        labels = labels.reshape(samples)
        wrong = np.flatnonzero((labels < 0) | (labels >= outputs))
        if len(wrong):
            raise ValueError(
                f"Y[{wrong[0]}] is the class {labels[wrong[0]]}, but the net has {outputs} outputs, one "
                f"per class: labels go from 0 to {outputs - 1}"
            )
        rows: Floats = np.eye(outputs)[labels]
        return rows

    def value_and_slopes(self, phi: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the loss of every sample [N] and dL^(i)/dphi of every output and sample [q, N].

        Args:
            phi: the outputs [q, N].
            y: the targets [k, N].
        """
        columns = list(y)
        with np.errstate(all="ignore"):
            losses, slopes = batch.differentiate(lambda *outputs: self.formula(list(outputs), columns), *phi)
        return np.broadcast_to(np.asarray(losses, float), phi.shape[1:]), np.stack(slopes)


def find_loss(loss: Any) -> Loss:
    """Return the `Loss` for a name or a formula.

    Args:
        loss: a name in `LOSSES`, a callable ``formula(phi, y)`` of lists with an entry per column, in the
            engine's operations, or a `Loss`.

    Raises:
        ValueError: if no loss has this name; close names are suggested.
        TypeError: if it is none of these.
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ValueError(
                f"unknown loss {loss!r}{did_you_mean(loss, LOSSES)}; there are {', '.join(LOSSES)}, or "
                "give a formula such as lambda phi, y: (phi[0] - y[0])**2"
            )
        return Loss(loss, LOSSES[loss])
    if not callable(loss):
        raise TypeError(f"a loss is a name or a formula of (phi, y), got {loss!r}")
    return Loss(getattr(loss, "__name__", type(loss).__name__), loss)


# Metrics. ---------------------------------------------------------------------------------------------------


def accuracy(phi: ArrayLike, y: ArrayLike) -> float:
    """Return the share of samples, or of steps of sequences, whose class is right.

    Args:
        phi: outputs [..., q], such as [N, q] or [N, T, q]; with several, the class is the largest; with one, it is
            whether the output is above 0, as that of a logit or a hinge score should be.
        y: class labels [...] or [..., 1], or rows as the loss takes them [..., q].

    Raises:
        ValueError: if y has another shape.
    """
    outputs, labels = np.atleast_2d(np.asarray(phi)), np.asarray(y)
    *several, q = outputs.shape
    if q > 1 and labels.shape == outputs.shape:
        classes = labels.argmax(axis=-1)
    elif labels.shape in (tuple(several), (*several, 1)) or labels.size == 1 == math.prod(several):
        classes = labels.reshape(several)
    else:
        raise ValueError(
            f"outputs of shape {outputs.shape} go with class labels of shape {tuple(several)}, or with rows of shape "
            f"{outputs.shape}; got Y of shape {labels.shape}"
        )
    found = outputs.argmax(axis=-1) if q > 1 else outputs[..., 0] > 0
    return float(np.mean(found == (classes if q > 1 else classes > 0)))


METRICS: dict[str, Callable[[Floats, ArrayLike], float]] = {"accuracy": accuracy}


# Training. --------------------------------------------------------------------------------------------------


@dataclass
class History:
    """What happened in a training.

    Attributes:
        loss: mean loss on the training data after every epoch, without penalties and with all links.
        validation_loss: loss on the validation data after every epoch; empty without such data.
        metrics: the metric after every epoch, on the validation data (without such: the training data); empty
            without one.
        best_epoch: the epoch, counted from 1, whose weights the net now has (0: those before the first).
        stopped: why it ended: "epochs" (all were done), "converged" (a solver found no better), "patience" (no
            better for so many), "interrupted" (Ctrl-C), "diverged" (loss or gradient were no longer finite),
            "callback" (it returned True).
        message: the same in a sentence.
        flow: pairs (epoch, how the gradient flowed after it, a `Flow` on the same samples each time), if ``diagnose``
            was given; 0 is before the first epoch.
        state: where the training stands, for ``fit(..., resume=history.state)``; set when it ends.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: list[float] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "epochs"
    message: str = ""
    flow: list[tuple[int, Flow]] = field(default_factory=list)
    state: Training | None = field(default=None, repr=False, compare=False)

    @property
    def epochs(self) -> int:
        """The number of epochs that were completed."""
        return len(self.loss)

    def __repr__(self) -> str:
        facts = [f"{self.epochs} epoch{'s' * (self.epochs != 1)}"]
        for what, values in (
            ("loss", self.loss),
            ("validation loss", self.validation_loss),
            ("metric", self.metrics),
        ):
            if values:
                facts.append(f"{what} {values[0]:.4g} -> {values[-1]:.4g}")
        return (
            f"<History: {', '.join([*facts, f'best epoch {self.best_epoch}', f'stopped: {self.stopped}'])}>"
        )


def fit(
    net: Net,
    x: ArrayLike,
    y: ArrayLike,
    *,
    lengths: ArrayLike | None = None,
    at: str | None = None,
    truncate: int | None = None,
    loss: Any = "mse",
    optimiser: Any = "adam",
    rate: Rate | None = None,
    groups: Mapping[str, Mapping[str, float]] | None = None,
    epochs: int = 100,
    batch_size: int | str | None = "auto",
    seed: Any = 0,
    l1: float = 0.0,
    l2: float = 0.0,
    dropout: float = 0.0,
    clip: float | None = None,
    clip_value: float | None = None,
    validation: Any = None,
    patience: int | None = None,
    metric: str | Callable[[Floats, ArrayLike], float] | None = None,
    progress: bool = True,
    callback: Callable[[int, History], Any] | None = None,
    resume: Training | str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 10,
    diagnose: int | Watch | None = None,
) -> History:
    """Train a net by steps along the gradient of batches, and leave it with its best weights.

    *Best* is the lowest validation loss; without validation data, the lowest loss on the training data, penalties
    included. However it ends, also by Ctrl-C or when the loss explodes, the net has the best weights so far and
    the history says why.

    Args:
        net: the net; only its parameters change.
        x: samples [N, p]; sequences [N, T, p], or one of them [T, p], for a net with delays.
        y: targets, as for `Net.sweep`.
        lengths: number of valid steps of every sequence [N].
        at: at which steps of a sequence the loss is taken, as for `Net.loss_and_gradient`.
        truncate: how many steps the gradient goes back in time, as for `Net.loss_and_gradient`.
        loss: a name of `LOSSES` or a formula ``loss(phi, y)``.
        optimiser: a name of `autograd.optimise.OPTIMISERS`, an instance of any `Optimiser`, or a solver: "lbfgs"
            (with scipy) and, for the loss "mse" and few parameters, "lm". An epoch of a solver is an iteration.
        rate: the size of the steps, a number or a schedule such as ``0.1 * Cosine(1000)``, for an optimiser given
            by name; None is its default.
        groups: settings for some of the parameters: ``{"h1_*": {"rate": 0.1, "l2": 1e-4}, "biases": {"rate": 2}}``.
            A pattern (of `fnmatch`) stands for the links into the neurons with such names and for their biases,
            "weights", "biases" and "initial" (states) for all of one kind; the last that fits counts. "rate" is a
            factor on every step, 0 for no step at all; "l1" and "l2" are as below, and touch what is no weight only
            under the name of its kind.
        epochs: how often to go through the samples at most, those before a resumption included.
        batch_size: samples per step; None takes all; "auto" takes 32, or all for optimisers that need all, such as
            "rprop", which compares gradients of one function. For these fewer are refused.
        seed: of the shuffling, of the choice of validation samples and of the links dropped.
        l1: penalty l1 * sum |w| over the weights of links, added to the loss that is minimised; at w = 0 its slope
            is 0.
        l2: penalty l2 / 2 * sum w^2 over the weights of links, so that its gradient is l2 * w.
        dropout: the chance that a link is dropped from a batch; the others are scaled by 1 / (1 - dropout)
            (DropConnect: L. Wan et al., 2013). Losses and metrics are taken with all links.
        clip: the largest norm of a gradient; a longer one is shortened to it (R. Pascanu et al., 2013).
        clip_value: the largest size of a part of a gradient; taken before `clip`.
        validation: data (X, Y) or (X, Y, lengths), or the share of the samples to set apart, above 0 and below 1.
        patience: stop after so many epochs without a better loss.
        metric: "accuracy" or a function (outputs, Y) -> float, recorded after every epoch. Outputs [M, q] and Y,
            [M] or [M, k] as it was given, are those of the samples; of sequences those of the steps that count for
            the loss alone: the last of each, or all valid ones, sequence after sequence.
        progress: show a bar, if standard error is a terminal.
        callback: called as callback(epoch, history) after every epoch; returning True ends the training. `fit` owns
            the parameters until it returns: the net shows those from before the training, and what a callback sets is
            overwritten by the best ones. A callback that changes the structure of the net, or what is trainable,
            ends it with a RuntimeError.
        resume: a `Training`, or the file of one, to go on with: given the same net, data and options, the weights
            are bit by bit those of a training that was never interrupted. `seed` is not looked at again.
        checkpoint: a file that the `Training` is written to after every `every` epochs and at the end.
        every: epochs from one checkpoint to the next.
        diagnose: epochs from one look at the flow of the gradient to the next, kept in ``history.flow``: of the mean
            loss without penalties, with all links and through all steps, on up to `LOOKED_AT` of the training samples,
            drawn once. The training itself is the same with it. A look is a plain sweep, no native code: every 10
            epochs it adds about 5 % to a training on some thousand samples, and more on sequences; look less often
            there. None does not look. It may be an `autograd.diagnose.Watch` instead, such as a recording that
            `visualize.record` makes, which is told of every epoch and looks when it likes; ``history.flow`` stays
            empty then.

    Returns:
        The history: losses, the best epoch, why it stopped.

    Raises:
        ValueError: for wrong shapes, data that is not finite, unknown names, options out of range or that do not
            go together, a file that is not ours or is damaged, a training of another net, data or options; for
            parameters that are not finite before the training, and for a schedule whose rate is no number of at
            least 0.
        FileNotFoundError: if there is no file to resume from.
        RuntimeError: if a callback changed the net; the best weights are in ``history.state.best`` then.

    >>> from autograd.net import Net
    >>> xor = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> net = Net.layered([2, 8, 1], seed=1)
    >>> history = fit(net, xor, [0, 1, 1, 0], epochs=300, rate=0.05)
    >>> np.round(net.predict(xor)[:, 0]) + 0.0
    array([0., 1., 1., 0.])
    """
    net._require_outputs()
    chosen, formula, measure = find_optimiser(optimiser, rate), find_loss(loss), _find_metric(metric)
    as_count(epochs, "epochs")
    as_count(every, "every")
    watch = diagnose if isinstance(diagnose, Watch) and not isinstance(diagnose, type) else None
    looks = None if diagnose is None or watch is not None else _epochs_between(diagnose)
    if patience is not None:
        as_count(patience, "patience")
    for limit, what in ((clip, "clip"), (clip_value, "clip_value")):
        if limit is not None:
            check_positive(limit, what)
    check_share(dropout, "dropout")
    if checkpoint is not None and not Path(checkpoint).parent.is_dir():
        raise ValueError(f"checkpoint: there is no folder {str(Path(checkpoint).parent)!r}; make it first")
    before = Training.load(resume) if isinstance(resume, str | os.PathLike) else resume
    if not (before is None or isinstance(before, Training)):
        raise TypeError(f"resume is a Training, such as history.state, or the file of one; got {before!r}")
    rng = np.random.default_rng(seed) if before is None else _generator(before.start)
    start = copy.deepcopy(rng.bit_generator.state)
    options = {k: v for k, v in (("at", at), ("truncate", truncate)) if v is not None}
    rows, held_out, options = _split_rows(net, (x, y, lengths), formula, options, validation, rng)
    samples = len(rows[0])
    size = _batch_size(chosen, batch_size, samples)
    settings = _Settings.of(net, groups, l1, l2, float(dropout), clip, clip_value)
    if isinstance(chosen, Solver):
        _refuse_for_solver(chosen, settings, before is not None or checkpoint is not None)
    problem = _Problem(net, formula, options, rows, settings)
    probe = None if diagnose is None else _probe(net, formula, options, rows)
    setup = _setup(net, chosen, formula, rows, held_out, batch_size=size, settings=settings, options=options)

    if before is None:
        w = best = _finite_parameters(net)
        best_loss, history = problem.judge(w, held_out), History()
        if probe is not None and looks is not None:
            history.flow.append((0, probe(w)))
    else:
        _same_setup(before.setup, setup)
        if before.history.epochs > epochs:
            raise ValueError(
                f"epochs={epochs} counts from the start, and the training to resume has done "
                f"{before.history.epochs} already; give a larger number"
            )
        w, best, best_loss, history = before.parameters, before.best, before.best_loss, _copied(before.history)
        history.stopped, history.message = "epochs", ""
        rng = _generator(before.random)
    state = None if isinstance(chosen, LBFGS) else chosen.init(w)
    if before is not None:
        state = _shaped_like(state, before.state)
    if watch is not None and probe is not None:
        watch.begin(probe, w, history)
    record = _Record(
        problem,
        held_out,
        history,
        best,
        best_loss,
        rng,
        start,
        setup,
        measure,
        patience,
        callback,
        checkpoint=None if checkpoint is None else Path(checkpoint),
        every=every,
        probe=probe,
        diagnose=looks,
        watch=watch,
        bar=_Bar(epochs, progress, done=history.epochs),
    )
    record.boundary(w, state)
    advice = ""
    try:
        record.check_patience()  # a training that is resumed may have run out of it
        if isinstance(chosen, LBFGS):
            _run_lbfgs(chosen, problem, record, w, epochs)
        elif isinstance(chosen, LevenbergMarquardt):
            _run_levenberg_marquardt(chosen, problem, record, w, state, epochs)
        else:
            _run_steps(chosen, problem, record, w, state, rng, size, epochs)
        history.message = f"all {epochs} epochs were done"
    except _Stopped as stop:
        history.stopped, history.message, advice = stop.args
    except KeyboardInterrupt:
        history.stopped, history.message = "interrupted", f"interrupted in epoch {history.epochs + 1}"
    finally:
        record.bar.close()
        if problem.fits_net:
            net.parameters = record.best
        else:
            history.state = record.training()
    record.refuse_changed_net()  # Ctrl-C may have come after the change
    history.message += f"; the net has the weights of epoch {history.best_epoch}{advice}"
    history.state = record.training()
    if record.checkpoint is not None:
        history.state.save(record.checkpoint)
    return history


class _Stopped(Exception):
    """The end of a training before all epochs are done: (why, in a sentence, a sentence of advice or "")."""

    def __init__(self, why: str, message: str, advice: str = "") -> None:
        super().__init__(why, message, advice and f". {advice}")


# How the weights move from epoch to epoch. ------------------------------------------------------------------


def _run_steps(
    optimiser: Optimiser,
    problem: _Problem,
    record: _Record,
    w: Floats,
    state: Any,
    rng: np.random.Generator,
    size: int,
    epochs: int,
) -> None:
    """Go through the samples in batches, in an order of its own in every epoch."""
    samples, rates = len(problem.rows[0]), problem.settings.rates
    for _ in range(record.history.epochs, epochs):
        order, before = rng.permutation(samples), w
        for at in range(0, samples, size):
            value, gradient = problem(w, order[at : at + size], rng)
            if not (math.isfinite(value) and np.isfinite(gradient).all()):
                raise record.diverged(w)
            before = w
            with np.errstate(all="ignore"):  # an overflow shows as a divergence
                moved, state = optimiser.step(w, problem.settings.clipped(gradient), state)
                w = moved if rates is None else w + rates * (moved - w)
        record.epoch(w, state, before)


def _run_lbfgs(solver: LBFGS, problem: _Problem, record: _Record, w: Floats, epochs: int) -> None:
    try:
        _, why = solver.minimise(problem, w, iterations=epochs, after=lambda w: record.epoch(w, None))
    except FloatingPointError:
        raise record.diverged(w) from None
    if why:
        raise _Stopped("converged", f"{why} after {record.history.epochs} epochs")


def _run_levenberg_marquardt(
    solver: LevenbergMarquardt, problem: _Problem, record: _Record, w: Floats, state: Any, epochs: int
) -> None:
    residuals, jacobian = _least_squares(problem, solver.memory)
    for _ in range(record.history.epochs, epochs):
        try:
            w, state = solver.step(residuals, jacobian, w, state)
        except FloatingPointError:
            raise record.diverged(w) from None
        if state.converged:
            raise _Stopped("converged", f"no step lowers the loss after {record.history.epochs} epochs")
        record.epoch(w, state)


def _least_squares(
    problem: _Problem, memory: int
) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """Return r [m] and dr/dw [m, P] as functions of w: |r|^2 is the loss "mse" with the l2 penalty."""
    net, (x, y), settings = problem.net, problem.rows[:2], problem.settings
    if x.ndim > 2 or getattr(net, "max_delay", 0) > 0:
        raise ValueError(
            "Levenberg-Marquardt does not go back in time; choose optimiser='lbfgs' for a net with delays"
        )
    if problem.formula.formula is not mse:
        raise ValueError(
            f"Levenberg-Marquardt minimises the loss 'mse', a sum of squares, not {problem.formula.name!r}; choose "
            "optimiser='lbfgs' for it"
        )
    twin = copy.copy(net)  # so that the net goes on showing its last sweep
    targets = problem.formula.targets(y, len(x), len(net.outputs)).T
    decayed = np.flatnonzero(settings.l2)
    roots = np.sqrt(settings.l2[decayed] / 2.0)
    m, p = targets.size, len(net.parameters)
    # The Jacobian, a product for one output while it is made, and three matrices of the normal equations.
    need = 8 * p * (m + len(decayed) + len(x) + 3 * p)
    if need > memory:
        raise ValueError(
            f"Levenberg-Marquardt would need {need:,} bytes for the Jacobian of {m} residuals by {p} parameters, and "
            f"memory={memory:,} is its limit; choose optimiser='lbfgs', train on fewer samples, or give "
            "LevenbergMarquardt(memory=...) more"
        )
    scale = 1.0 / math.sqrt(m)

    def residuals(w: Floats) -> Floats:
        errors = (net.predict(x, parameters=w) - targets) * scale
        return np.concatenate([errors.ravel(), roots * w[decayed]])

    def jacobian(w: Floats) -> Floats:
        twin.parameters = w
        result = np.zeros((m + len(decayed), p))
        result[:m] = output_jacobian(twin, x).reshape(m, p)
        result[:m] *= scale
        result[m + np.arange(len(decayed)), decayed] = roots
        return result

    return residuals, jacobian


def output_jacobian(net: Net, x: ArrayLike) -> Floats:
    """Return dphi_k/dw of every sample, output k and parameter [N, q, P], by a sweep for each output.

    The sweep of the loss phi_k makes the deltas dphi_k/da; then dphi_k/dw_lj = delta_l phi_j and dphi_k/db_l =
    delta_l, (6) of the source document before the mean over the samples. Like `Net.sweep` it leaves its a, phi and
    delta in the net.

    Args:
        net: a net without delays.
        x: samples [N, p].

    Raises:
        ValueError: for a net whose neurons do not add up what they receive.
    """
    outputs = np.atleast_2d(net.forward(x))
    (samples, q), layout, gated = outputs.shape, net._parameter_layout(), net.gates >= 0
    biases = slice(layout.count, layout.count + len(layout.biases))
    jacobian = np.zeros((samples, q, len(net.parameters)))
    for k in range(q):
        with np.errstate(all="ignore"):
            net.sweep(np.zeros((samples, 1)), lambda phi, y, k=k: phi[k])
            phi, delta, gradient = cast(tuple[Floats, ...], (net.phi, net.delta, net.weight_gradient))
            product = delta[net.target] * phi[net.source] * net.response[net.target, None]
            product[gated] *= phi[net.gates[gated]]
            product[delta[net.target] == 0.0] = 0.0  # what does not reach the output, even where phi is not finite
            off = np.abs(product.mean(axis=1) - gradient) > 1e-8 * np.abs(product).max(initial=0.0)
        if off.any():  # other aggregations have other rules; rather than a wrong number, say so
            raise ValueError(
                "the Jacobian is there for neurons that add up what they receive (aggregation='sum'), and "
                f"{net.names[net.target[np.flatnonzero(off)[0]]]!r} does not; choose optimiser='lbfgs' for this net"
            )
        weights = jacobian[:, k, : layout.count].T
        if layout.places is None:
            weights[:] = product
        else:
            free = layout.places >= 0
            np.add.at(weights, layout.places[free], product[free])
        jacobian[:, k, biases] = delta[layout.biases].T
    return jacobian


# What is minimised. -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Settings:
    """What is set for each parameter [P], and what is done to gradients.

    `rates` is None where no group sets one; `is_weight` tells the weights of links from the rest.
    """

    is_weight: NDArray[np.bool_]
    l1: Floats
    l2: Floats
    rates: Floats | None
    dropout: float
    clip: float | None
    clip_value: float | None

    @classmethod
    def of(
        cls, net: Net, groups: Any, l1: float, l2: float, dropout: float, clip: Any, clip_value: Any
    ) -> _Settings:
        owner, kind = parameter_kinds(net)
        is_weight = kind == KINDS.index("weights")
        values = {"rate": np.ones(len(owner))}
        for what, x in (("l1", l1), ("l2", l2)):
            values[what] = np.where(is_weight, _at_least_0(x, what), 0.0)
        given: set[str] = set()
        for pattern, group in (groups or {}).items():
            if pattern in KINDS:
                if pattern in net:
                    raise ValueError(f"groups: {pattern!r} means all {pattern}, but a neuron has this name; rename it")
                chosen = penalised = kind == KINDS.index(pattern)
            else:
                chosen = np.array([fnmatch.fnmatchcase(name, pattern) for name in net.names], bool)[owner]
                penalised = chosen & is_weight
            if not chosen.any():
                raise ValueError(
                    f"groups: {pattern!r} fits no neuron with parameters to train"
                    f"{did_you_mean(pattern, [*net.names, *KINDS])}"
                )
            for what, x in group.items():
                if what not in values:
                    raise ValueError(
                        f"groups: {pattern!r} sets {what!r}{did_you_mean(what, values)}; there are "
                        f"{', '.join(values)}"
                    )
                values[what][chosen if what == "rate" else penalised] = _at_least_0(x, f"groups: {what} of {pattern!r}")
                given.add(what)
        rates = values["rate"] if "rate" in given else None
        return cls(is_weight, values["l1"], values["l2"], rates, dropout, clip, clip_value)

    def clipped(self, gradient: Floats) -> Floats:
        if self.clip_value is not None:
            gradient = np.clip(gradient, -self.clip_value, self.clip_value)
        if self.clip is not None:
            largest = np.abs(gradient).max(initial=0.0)
            if largest > 0.0:  # divided by it, no square overflows
                factor = self.clip / largest / float(np.linalg.norm(gradient / largest))
                gradient = gradient * min(1.0, factor)
        return gradient


#: What a parameter may be: the weight of a link, a bias, the state of a unit before the first step.
KINDS = ("weights", "biases", "initial")


def parameter_kinds(net: Net) -> tuple[Ints, Ints]:
    """Return for every parameter the position of its neuron [P], and its kind [P], a position in `KINDS`.

    A link belongs to the neuron that it leads to; a weight that is shared belongs to that of its first link.
    """
    layout = net._parameter_layout()
    links = np.arange(len(net.target)) if layout.links is None else layout.links
    owners = [net.target[links], layout.biases, layout.initial]
    return np.concatenate(owners), np.repeat(np.arange(len(KINDS)), [len(owner) for owner in owners])


class _Problem:
    """What a training minimises: the mean loss of a net over rows, with penalties and links dropped."""

    def __init__(
        self, net: Net, formula: Loss, options: dict[str, Any], rows: Rows, settings: _Settings
    ) -> None:
        self.net, self.formula, self.options, self.rows, self.settings = net, formula, options, rows, settings
        self.objective: Any = net.objective(formula, **options)
        x, y, *lengths = rows
        self.on_batch = net._batches(x, y, formula, lengths=lengths[0] if lengths else None, **options)
        self.penalised = bool(settings.l1.any() or settings.l2.any())
        self._layout = net._parameter_layout()

    @property
    def fits_net(self) -> bool:
        """Whether the net still has the structure and the parameters that it had at first."""
        return self.net._layout is self._layout

    def __call__(
        self, w: Floats, chosen: Ints | None = None, rng: np.random.Generator | None = None
    ) -> tuple[float, Floats]:
        """Return value and gradient on the chosen samples, or all; with a generator links are dropped, if so set."""
        settings, at = self.settings, w
        if rng is not None and settings.dropout:
            kept = (rng.random(len(w)) >= settings.dropout) / (1.0 - settings.dropout)
            kept[~settings.is_weight] = 1.0
            at = w * kept
        value, gradient = self.objective(at, self.rows) if chosen is None else self.on_batch(at, chosen)
        if at is not w:
            gradient = gradient * kept
        if self.penalised:
            with np.errstate(all="ignore"):
                value += self.penalty(w)
                gradient = gradient + settings.l1 * np.sign(w) + settings.l2 * w
        return value, gradient

    def penalty(self, w: Floats) -> float:
        if not self.penalised:
            return 0.0
        return float(self.settings.l1 @ np.abs(w) + self.settings.l2 @ np.square(w) / 2.0)

    def mean_loss(self, w: Floats, rows: Rows) -> float:
        """Return the mean loss without penalties and with all links: the one place where it is evaluated."""
        x, y = rows[:2]
        if x.ndim > 2 or self.options:
            return float(self.objective(w, rows)[0])
        outputs = self.net.predict(x, parameters=w)
        losses, _ = self.formula.value_and_slopes(outputs.T, self.formula.targets(y, *outputs.shape))
        with np.errstate(all="ignore"):  # inf - inf is nan, and shows as a divergence
            return float(losses.mean())

    def judge(self, w: Floats, held_out: Rows | None, loss: float | None = None) -> float:
        """Return what decides whether weights are better; `loss` is that of the training data, if known."""
        if held_out is not None:
            return self.mean_loss(w, held_out)
        with np.errstate(all="ignore"):
            return (self.mean_loss(w, self.rows) if loss is None else loss) + self.penalty(w)

    def measured(self, w: Floats, rows: Rows) -> tuple[Floats, NDArray[Any]]:
        """Return outputs [M, q] and targets, [M] or [M, k], of what the loss sees: samples, or steps of sequences."""
        x, y, *lengths = rows
        extra: dict[str, Any] = {"lengths": lengths[0]} if lengths else {}
        if self.options.get("at") != "all":
            return self.net.predict(x, parameters=w, at=self.options.get("at"), **extra), y
        counted = np.ones(x.shape[:2], bool)
        if lengths:
            counted = np.arange(x.shape[1]) < lengths[0][:, None]
        return self.net.predict(x, parameters=w, **extra)[counted], y[counted]

    def not_finite(self, w: Floats) -> str:
        """Say in a sentence what is not finite at the weights that a training starts from."""
        with np.errstate(all="ignore"):
            value, gradient = self(w)
        what = "the loss or a derivative of it is not finite"  # with the links of one batch, or for one sample
        if not math.isfinite(value):
            what = f"the loss is {value}"
        elif not np.isfinite(gradient).all():
            i = int(np.flatnonzero(~np.isfinite(gradient))[0])
            what = f"the slope of the loss by the parameter {self.net.parameter_names()[i]!r} is {gradient[i]}"
        return f"{what} before the first step"


# What is noted after every epoch. ---------------------------------------------------------------------------


@dataclass
class _Record:
    """The course of a training: its history, its best weights, where it stands, when it is to stop."""

    problem: _Problem
    held_out: Rows | None
    history: History
    best: Floats
    best_loss: float
    rng: np.random.Generator
    start: Mapping[str, Any]
    setup: dict[str, str]
    measure: Callable[[Floats, ArrayLike], float] | None
    patience: int | None
    callback: Callable[[int, History], Any] | None
    checkpoint: Path | None
    every: int
    probe: Probe | None
    diagnose: int | None
    watch: Watch | None
    bar: _Bar

    def __post_init__(self) -> None:
        if not math.isfinite(self.best_loss):
            self.best_loss = math.inf  # then any epoch with a finite loss is better

    def epoch(self, w: Floats, state: Any, before: Floats | None = None) -> None:
        """Note an epoch that is done; raise `_Stopped` if it is the last.

        Args:
            w: the parameters after it.
            state: that of the optimiser.
            before: the parameters before its last step; None where an epoch is one step.
        """
        problem, history, epoch = self.problem, self.history, self.history.epochs + 1
        now = problem.mean_loss(w, problem.rows)
        if not math.isfinite(now):
            raise self.diverged(w)
        judged = problem.judge(w, self.held_out, now)
        rows = self.held_out or problem.rows
        metric = None if self.measure is None else float(self.measure(*problem.measured(w, rows)))
        flow = None if self.probe is None or self.diagnose is None or epoch % self.diagnose else self.probe(w)
        before = self._at[0] if before is None else before
        # All is known; from here on nothing is half done when Ctrl-C comes.
        history.loss.append(now)
        if self.held_out is not None:
            history.validation_loss.append(judged)
        if metric is not None:
            history.metrics.append(metric)
        if flow is not None:
            history.flow.append((epoch, flow))
        if judged < self.best_loss:
            self.best, self.best_loss, history.best_epoch = w, judged, epoch
        self.boundary(w, state)
        if self.watch is not None:
            self.watch.epoch(w, before, history)
        self.bar.show(history)
        if self.checkpoint is not None and epoch % self.every == 0:
            self.training().save(self.checkpoint)
        if self.callback is not None:
            wanted = self.callback(epoch, history)
            self.refuse_changed_net()
            if wanted is True:
                raise _Stopped("callback", f"the callback ended it after epoch {epoch}")
        self.check_patience()

    def refuse_changed_net(self) -> None:
        """Refuse to go on where the weights no longer belong to the net."""
        if not self.problem.fits_net:
            raise RuntimeError(
                f"the net's structure, or what is trainable in it, was changed during its training, in epoch "
                f"{self.history.epochs}, by a callback perhaps; the best weights, of the net as it was, are in "
                "history.state.best. Change the net when fit has returned, and call fit again"
            )

    def check_patience(self) -> None:
        if self.patience is not None and self.history.epochs - self.history.best_epoch >= self.patience:
            raise _Stopped("patience", f"no better loss for {self.patience} epochs")

    def diverged(self, w: Floats) -> _Stopped:
        """Return the end of a training at weights where something is not finite, be it from the start."""
        if w is self._at[0] and not self.history.epochs:
            return _Stopped("diverged", self.problem.not_finite(w), "No rate helps: scale the data or change the init")
        message = f"the loss or its gradient became nan or inf in epoch {self.history.epochs + 1}"
        return _Stopped("diverged", message, "Try a smaller rate, scaled data or another init")

    def boundary(self, w: Floats, state: Any) -> None:
        """Note where the training stands between two epochs."""
        self._at = w, state, self.rng.bit_generator.state

    def training(self) -> Training:
        w, state, random = self._at
        history = _copied(self.history)
        return Training(w, state, self.best, self.best_loss, history, random, self.start, self.setup)


# Trainings that go on. --------------------------------------------------------------------------------------

FORMAT, VERSION = "dagrad-training", 1


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """A training between two epochs: all that `fit` needs to go on as if it had never stopped.

    ``history.state`` is one, and ``fit(..., checkpoint=path)`` writes one.

    Attributes:
        parameters: the weights that the next epoch starts from [P].
        state: the state of the optimiser.
        best: the best weights so far [P].
        best_loss: the loss that made them the best.
        history: what happened so far.
        random: the state of the random generator.
        start: the same before the validation samples were chosen.
        setup: what must be the same when the training goes on, in words and digests.
    """

    parameters: Floats
    state: Any
    best: Floats
    best_loss: float
    history: History
    random: Mapping[str, Any]
    start: Mapping[str, Any]
    setup: dict[str, str]

    def __repr__(self) -> str:
        return f"<Training: {len(self.parameters)} parameters after {self.history.epochs} epochs>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the training to a file: JSON with a version and a digest, exact to the last bit.

        The file appears whole or not at all: it is written beside the place under another name, then renamed.

        Args:
            path: where to; an existing file is replaced.

        Raises:
            TypeError: if the state of the user's own optimiser holds what a file cannot hold.
        """
        parts = _fields(self)
        parts["history"] = {name: getattr(self.history, name) for name in _HISTORY}
        parts["history"]["flow"] = [(epoch, _fields(flow)) for epoch, flow in self.history.flow]
        body = _packed(parts)
        text = json.dumps({"format": FORMAT, "version": VERSION, "digest": files.digest(body), "training": body})
        files.write(path, f"{text}\n".encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Training:
        """Read a training that `save` wrote. Nothing in the file is ever executed.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if the file is not ours, cut short, damaged, or of a newer version.
        """
        try:
            file = json.loads(Path(path).read_bytes())
        except FileNotFoundError:
            raise FileNotFoundError(
                errno.ENOENT,
                f"no training to resume from; fit(..., checkpoint={str(path)!r}) or history.state.save writes one",
                str(path),
            ) from None
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{path} is not a saved training, or is cut short: it does not read as JSON ({error}); resume from "
                "another copy, or start anew"
            ) from None
        if not isinstance(file, dict) or file.get("format") != FORMAT:
            raise ValueError(f'{path} is not a training that fit saved: it has no "format": "{FORMAT}"')
        version = file.get("version")
        if not isinstance(version, int) or version > VERSION:
            raise ValueError(
                f"{path} has version {version!r} of the format, this package reads up to {VERSION}; update dagrad"
            )
        body = file.get("training")
        if not isinstance(body, dict) or file.get("digest") != files.digest(body):
            raise ValueError(
                f"{path} is damaged: its digest does not fit its content; resume from another copy, or start anew"
            )
        try:
            parts = _unpacked(body)
            history = parts.pop("history")
            history["flow"] = [(epoch, Flow(**flow)) for epoch, flow in history["flow"]]
            training = cls(history=History(**{name: history[name] for name in _HISTORY}), **parts)
            _generator(training.random)
            _generator(training.start)
            fits = len(training.parameters) == len(training.best) and isinstance(training.setup, dict)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error!r} while reading it; start anew") from None
        if not fits:
            raise ValueError(f"{path} is damaged: its parts do not fit together; start anew")
        return training


#: What a file keeps of a history.
_HISTORY = ("loss", "validation_loss", "metrics", "best_epoch", "stopped", "message", "flow")


def _copied(history: History) -> History:
    return History(*(copy.copy(getattr(history, name)) for name in _HISTORY))


def _fields(x: Any) -> dict[str, Any]:
    return {f.name: getattr(x, f.name) for f in dataclasses.fields(x)}


def _packed(x: Any) -> Any:
    """Return numbers, texts, arrays, tuples, lists and mappings of them as JSON holds them; tuples become lists."""
    if isinstance(x, np.ndarray) and x.dtype.kind in "fiub":
        data = base64.b64encode(np.ascontiguousarray(x).tobytes()).decode("ascii")
        return {"dtype": x.dtype.str, "shape": list(x.shape), "base64": data}
    if isinstance(x, np.bool_ | np.integer | np.floating):
        return x.item()
    if isinstance(x, Mapping) and all(isinstance(key, str) for key in x):
        return {key: _packed(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [_packed(value) for value in x]
    if x is None or isinstance(x, bool | int | float | str):
        return x
    raise TypeError(
        f"a file holds numbers, texts, arrays, tuples and mappings of them, and the state of the optimiser has {x!r}"
    )


def _unpacked(x: Any) -> Any:
    if isinstance(x, dict) and set(x) == {"dtype", "shape", "base64"}:
        dtype = np.dtype(x["dtype"])
        if dtype.kind not in "fiub":
            raise ValueError(f"an array of {dtype}")
        return np.frombuffer(base64.b64decode(x["base64"], validate=True), dtype).reshape(x["shape"]).copy()
    if isinstance(x, dict):
        return {key: _unpacked(value) for key, value in x.items()}
    return [_unpacked(value) for value in x] if isinstance(x, list) else x


def _shaped_like(template: Any, saved: Any) -> Any:
    """Return a saved state with the tuples that a file turned into lists, after the example of a first state."""
    if isinstance(template, tuple):
        parts = [_shaped_like(t, s) for t, s in zip(template, saved, strict=True)]
        return type(template)(*parts) if hasattr(template, "_fields") else tuple(parts)
    return saved


def _generator(state: Mapping[str, Any]) -> np.random.Generator:
    """Return a random generator that goes on from a state."""
    kind = state["bit_generator"]
    if kind not in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"):
        raise ValueError(f"the random generator {kind!r} is none of numpy's; give fit a seed that is a whole number")
    generator = getattr(np.random, kind)()
    generator.state = state
    return np.random.Generator(generator)


def _setup(net: Net, chosen: Any, formula: Loss, rows: Rows, held_out: Rows | None, **more: Any) -> dict[str, str]:
    """Return what a training and its resumption must have in common."""
    layout = net._parameter_layout()
    # Constants count, too: the weights of a training are no good beside others.
    constant = [np.where(net.trainable, 0.0, net.weights), net.biases.copy(), net.initial.copy()]
    constant[1][layout.biases] = constant[2][layout.initial] = 0.0
    links = (net.source, net.target, net.delays, net.gates, net.shares, net.trainable)
    units = (net.outputs, net.response, layout.biases, layout.initial)
    names = [net.names, net.activation_names, net.aggregations]
    digest = files.digest([names, _described((*links, *units, *constant))])[:16]
    return {
        "net": f"{len(net)} units, {len(net.source)} links, {len(net.parameters)} parameters, digest {digest}",
        "data": _described(rows),
        "validation": _described(held_out),
        "optimiser": _described(chosen),
        "loss": formula.name,
        "batch_size": str(more["batch_size"]),
        "options": _described(more["options"]),
        "groups, l1, l2, dropout, clip": _described(more["settings"]),
    }


def _described(x: Any) -> str:
    """Return a text that is equal for equal settings, in this process or another."""
    if isinstance(x, np.ndarray):
        return f"{x.dtype.str}{list(x.shape)} {hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()[:16]}"
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        return f"{type(x).__name__}({', '.join(f'{k}={_described(v)}' for k, v in _fields(x).items())})"
    if isinstance(x, tuple | list):
        return f"({', '.join(map(_described, x))})"
    if isinstance(x, Mapping):
        return _described([(k, x[k]) for k in sorted(x)])
    if isinstance(x, bool | str) or x is None:
        return repr(x)
    if isinstance(x, numbers.Real):
        return repr(float(x))
    named = x if hasattr(x, "__qualname__") else type(x)
    return f"{named.__module__}.{named.__qualname__}"


def _same_setup(before: dict[str, str], now: dict[str, str]) -> None:
    for what in now:
        if before.get(what) != now[what]:
            raise ValueError(
                f"the training to resume had another {what}: {before.get(what)}, and this call has {now[what]}; a "
                "training goes on with the same net, data and options (epochs, patience, callback may change). To "
                "train on with others, call fit without resume: the net keeps its weights"
            )


# Reading what users give. -----------------------------------------------------------------------------------


def _batch_size(chosen: Any, given: Any, samples: int) -> int:
    full = getattr(chosen, "full_batch", False)
    if isinstance(given, str):
        if given != "auto":
            raise ValueError(f"batch_size is a whole number, None for all samples, or 'auto'; got {given!r}")
        given = None if full else 32
    if given is None:
        return samples
    size = as_count(given, "batch_size")
    if isinstance(chosen, Solver) or (full and size < samples):
        raise ValueError(
            f"{type(chosen).__name__} works on all samples at once: leave out batch_size={given!r}, or choose an "
            "optimiser such as 'adam'"
        )
    return min(size, samples)


def _refuse_for_solver(solver: Solver, settings: _Settings, keeps: bool) -> None:
    """Refuse what a solver, which decides on its steps itself, cannot honour."""
    kind = type(solver).__name__
    for wrong, what, why in (
        (settings.clip is not None or settings.clip_value is not None, "clip", "needs gradients as they are"),
        (settings.dropout, "dropout", "needs the same function in every iteration"),
        (settings.l1.any(), "l1", "needs a function without kinks; l2 has none"),
        (settings.rates is not None, "groups with a rate", "has no rate"),
        (keeps and isinstance(solver, LBFGS), "resume and checkpoint", "has its memory inside scipy, out of reach"),
    ):
        if wrong:
            raise ValueError(f"{kind} {why}: leave out {what}, or choose an optimiser such as 'adam'")


def _split_rows(
    net: Net,
    data: tuple[Any, Any, Any],
    formula: Loss,
    options: dict[str, Any],
    validation: Any,
    rng: np.random.Generator,
) -> tuple[Rows, Rows | None, dict[str, Any]]:
    """Check all the data, before any work; return the rows to train on, those to judge by, and the options for both.

    With sequences the options say at which steps the loss is taken, also where the user left it to the shape of Y.
    """
    train, options = _rows(net, data, formula, options, "")
    if validation is None:
        return train, None, options
    if isinstance(validation, tuple | list):
        if len(validation) not in (2, 3):
            raise ValueError(f"validation is (X, Y), (X, Y, lengths) or a share, got {len(validation)} things")
        return train, _rows(net, (*validation, None)[:3], formula, options, "validation: ")[0], options
    if isinstance(validation, bool) or not isinstance(validation, float) or not 0 < validation < 1:
        raise ValueError(
            f"validation is a pair (X, Y), or the share of the samples to set apart, above 0 and below 1; "
            f"got {validation!r}"
        )
    samples = len(train[0])
    apart = max(1, round(validation * samples))
    if apart >= samples:
        raise ValueError(
            f"validation={validation} of {samples} samples leaves none to train on; give more samples, a "
            "smaller share, or validation=(X, Y)"
        )
    order = rng.permutation(samples)
    kept, held_out = order[apart:], order[:apart]
    return tuple(array[kept] for array in train), tuple(array[held_out] for array in train), options


def _rows(
    net: Net, data: Any, formula: Loss, options: dict[str, Any], what: str
) -> tuple[Rows, dict[str, Any]]:
    """Return X, Y and perhaps lengths as arrays with an entry per sample, and the options with `at` made out."""
    x, y, lengths = data
    try:
        if net.max_delay:
            return _sequences(net, x, y, lengths, formula, options)
        if lengths is not None or options:
            raise ValueError(
                f"{', '.join([*options, *['lengths'] * (lengths is not None)])} goes with sequences, X [N, T, p], and "
                f"this is a batch of shape {np.shape(x)} for a net without delays; leave it out"
            )
        rows, _ = net._samples(x)
        formula.targets(y, len(rows), len(net.outputs))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}{error}") from None
    targets = np.asarray(unmasked(y, "Y"))
    wide = targets.ndim == 2 or targets.size != len(rows)
    return (rows, targets.reshape(len(rows), -1) if wide else targets.reshape(len(rows))), options


def _sequences(
    net: Net, x: ArrayLike, y: ArrayLike, lengths: ArrayLike | None, formula: Loss, options: dict[str, Any]
) -> tuple[Rows, dict[str, Any]]:
    """Return what `_rows` does for sequences [N, T, p], or one of them [T, p]."""
    data = net._data(x, lengths)
    samples, steps, _ = data.x.shape
    net._seen(y, formula, data.lengths, options.get("at"), steps, data.one)  # which checks the targets
    targets = np.asarray(unmasked(y, "Y"))
    targets = targets[None] if data.one and targets.ndim < 3 else targets
    at = net._when(targets, formula, options.get("at"), samples, steps, len(net.outputs))
    rows = (data.x, targets) if lengths is None else (data.x, targets, data.lengths)
    return rows, {**options, "at": at}


def _finite_parameters(net: Net) -> Floats:
    """Return the parameters of a net that can be trained from them."""
    w = net.parameters
    for i in np.flatnonzero(~np.isfinite(w))[:1]:
        raise ValueError(
            f"the parameter {net.parameter_names()[i]!r} is {w[i]} before the training; set net.parameters to finite "
            "numbers, or make the net anew"
        )
    return w


def _probe(net: Net, formula: Loss, options: Mapping[str, Any], rows: Rows) -> Probe:
    """Return what looks at the flow of the gradient during a training, always on the same samples."""
    lengths = rows[2] if len(rows) > 2 else None
    return Probe.of(net, rows[0], rows[1], loss=formula, lengths=lengths, at=options.get("at"), most=LOOKED_AT)


def _epochs_between(looks: Any) -> int:
    try:
        return as_count(looks, "diagnose")
    except ValueError:
        raise ValueError(
            "diagnose is a whole number of at least 1, or a watch with the methods begin and epoch, such as "
            f"visualize.record(net); got {looks!r}"
        ) from None


def _at_least_0(x: Any, what: str) -> float:
    check_within(x, what, 0.0, math.inf, least_too=True, most_too=False)
    return float(x)


def _find_metric(metric: Any) -> Callable[[Floats, ArrayLike], float] | None:
    if metric is None or callable(metric):
        return metric  # type: ignore[no-any-return]
    if metric not in METRICS:
        raise ValueError(
            f"unknown metric {metric!r}{did_you_mean(str(metric), METRICS)}; there are "
            f"{', '.join(METRICS)}, or give a function of (outputs, Y)"
        )
    return METRICS[metric]


class _Bar:
    """The progress bar of a training, or nothing where nobody would see it."""

    def __init__(self, epochs: int, wanted: bool, done: int = 0) -> None:
        self._bar: Any = None
        if wanted and sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

            self._bar = tqdm(total=epochs, initial=done, unit="epoch", leave=True)

    def show(self, history: History) -> None:
        if self._bar is not None:
            losses = {"loss": history.loss, "validation": history.validation_loss, "metric": history.metrics}
            self._bar.set_postfix({k: f"{v[-1]:.4g}" for k, v in losses.items() if v}, refresh=False)
            self._bar.update()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
