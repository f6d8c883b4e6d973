"""Training: losses, optimisers and `fit`.

A *loss* is a formula of the outputs phi and the targets y of one sample, in the engine's own operations; what
it sends back to the outputs is derived from it, never typed in. An *optimiser* is a small pure step over a
flat vector. An *objective* is ``(weights, rows) -> (value, gradient)``, the one shape in which both meet, and
which `scipy.optimize.minimize(objective, w, args=(rows,), jac=True)` takes as well.
"""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import batch, ops
from autograd.net import as_count, as_floats
from autograd.op import did_you_mean

if TYPE_CHECKING:
    from autograd.net import Net

Floats = NDArray[np.float64]

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
            y: [N, q]; for one sample also [q]; for one output also [N]; class labels [N] where the loss takes
                them; any [N, k] for a user's formula.
            samples: N.
            outputs: q.

        Raises:
            ValueError: for a wrong shape, data that is not finite, or targets that the loss does not take.
        """
        labels = self._labels(y, samples, outputs)
        rows = as_floats(y, "Y") if labels is None else labels
        shape = rows.shape
        if rows.ndim == 0 or (rows.ndim == 1 and (samples == 1 or outputs == 1 or not self._known)):
            # One sample is one row; otherwise each number is the one target of a sample.
            rows = rows.reshape(1, -1) if samples == 1 else rows.reshape(-1, 1)
        width = outputs if self._known else rows.shape[-1]
        if rows.shape != (samples, width):
            raise ValueError(
                f"Y must have shape ({samples}, {width}), a row per sample and a column per output, to go "
                f"with X; got "
                f"shape {shape}"
                + (
                    "; class labels must be integers: use Y.astype(int)"
                    if self._takes_labels and rows.ndim == 1
                    else ""
                )
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
    def _known(self) -> bool:
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
        if labels.dtype.kind not in "iu" or labels.size != samples or labels.ndim > 2:
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


def accuracy(phi: Floats, y: ArrayLike) -> float:
    """Return the share of samples whose class is right.

    Args:
        phi: outputs [N, q]; with several, the class is the largest; with one, it is whether the output is
            above 0, as that of a logit or a hinge score should be.
        y: class labels [N], or rows as the loss takes them [N, q].
    """
    labels = np.asarray(y)
    if phi.ndim == 1:
        phi = phi.reshape(1, -1)
    if phi.shape[1] == 1:
        return float(np.mean((phi[:, 0] > 0) == (labels.reshape(len(phi)) > 0)))
    classes = labels.argmax(axis=1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.reshape(len(phi))
    return float(np.mean(phi.argmax(axis=1) == classes))


METRICS: dict[str, Callable[[Floats, ArrayLike], float]] = {"accuracy": accuracy}


# Optimisers. ------------------------------------------------------------------------------------------------


class Optimiser(Protocol):
    """What `fit` needs of an optimiser: two pure functions, the state being the caller's."""

    def init(self, w: Floats) -> Any:
        """Return the state before the first step from the weights w."""
        ...

    def step(self, w: Floats, gradient: Floats, state: Any) -> tuple[Floats, Any]:
        """Return the weights and the state after a step; the arguments stay as they are."""
        ...


@dataclass(frozen=True, slots=True)
class SGD:
    """Gradient descent with momentum: v <- momentum v + gradient, w <- w - rate v.

    Args:
        rate: the size of the steps.
        momentum: share of the last step's v that goes on, from 0 to below 1.

    >>> sgd = SGD(rate=0.1)
    >>> w = np.array([1.0])
    >>> w, state = sgd.step(w, 2 * w, sgd.init(w))
    >>> w
    array([0.8])
    """

    rate: float = 0.01
    momentum: float = 0.0

    def __post_init__(self) -> None:
        _positive(self.rate, "rate")
        _share(self.momentum, "momentum")

    def init(self, w: Floats) -> Floats:
        """Return the velocity before the first step, 0."""
        return np.zeros_like(w)

    def step(self, w: Floats, gradient: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Return the weights and the velocity after a step."""
        velocity = self.momentum * state + gradient
        return w - self.rate * velocity, velocity


class Moments(NamedTuple):
    """The state of `Adam`: number of steps, mean of the gradients, mean of their squares."""

    steps: int
    mean: Floats
    square: Floats


@dataclass(frozen=True, slots=True)
class Adam:
    """Adam (D. Kingma, J. Ba, 2015): steps of the mean gradient over the root of its mean square.

    Args:
        rate: the size of the steps.
        betas: how slowly the two means forget, each from 0 to below 1.
        eps: added to the root.
    """

    rate: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _positive(self.rate, "rate")
        _positive(self.eps, "eps")
        for beta in self.betas:
            _share(beta, "betas")

    def init(self, w: Floats) -> Moments:
        """Return the state before the first step."""
        return Moments(0, np.zeros_like(w), np.zeros_like(w))

    def step(self, w: Floats, gradient: Floats, state: Moments) -> tuple[Floats, Moments]:
        """Return the weights and the state after a step."""
        b1, b2 = self.betas
        t = state.steps + 1
        mean = b1 * state.mean + (1 - b1) * gradient
        square = b2 * state.square + (1 - b2) * gradient**2
        # The means start at 0; dividing by the share that they have seen removes that bias.
        step = mean / (1 - b1**t) / (np.sqrt(square / (1 - b2**t)) + self.eps)
        return w - self.rate * step, Moments(t, mean, square)


OPTIMISERS: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam}


def find_optimiser(optimiser: Any, rate: float | None = None) -> Optimiser:
    """Return the optimiser for a name ("sgd", "adam") with this rate, or the given instance.

    Raises:
        ValueError: for an unknown name, or a rate beside an instance, which has its own.
        TypeError: for what is neither.
    """
    if isinstance(optimiser, str):
        if optimiser not in OPTIMISERS:
            raise ValueError(
                f"unknown optimiser {optimiser!r}{did_you_mean(optimiser, OPTIMISERS)}; there are "
                f"{', '.join(OPTIMISERS)}, or give an instance such as SGD(0.1, momentum=0.9)"
            )
        kind = OPTIMISERS[optimiser]
        return kind() if rate is None else kind(rate=rate)
    if isinstance(optimiser, type) or not (hasattr(optimiser, "init") and hasattr(optimiser, "step")):
        raise TypeError(f"an optimiser is a name or an instance such as Adam(0.01), got {optimiser!r}")
    if rate is not None:
        raise ValueError(f"{optimiser!r} has a rate of its own; leave out rate={rate}")
    result: Optimiser = optimiser
    return result


# Training. --------------------------------------------------------------------------------------------------


@dataclass
class History:
    """What happened in a training.

    Attributes:
        loss: mean loss on the training data after every epoch.
        validation_loss: loss on the validation data after every epoch; empty without such data.
        metrics: the metric after every epoch, on the validation data (without such: the training data); empty
            without one.
        best_epoch: the epoch, counted from 1, whose weights the net now has (0: those before the first).
        stopped: why it ended: "epochs" (all were done), "patience" (no better for so many), "interrupted"
            (Ctrl-C), "diverged" (loss or gradient were no longer finite), "callback" (it returned True).
        message: the same in a sentence.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: list[float] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "epochs"
    message: str = ""

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
    loss: Any = "mse",
    optimiser: Any = "adam",
    rate: float | None = None,
    epochs: int = 100,
    batch_size: int | None = 32,
    seed: Any = 0,
    validation: tuple[ArrayLike, ArrayLike] | float | None = None,
    patience: int | None = None,
    metric: str | Callable[[Floats, ArrayLike], float] | None = None,
    progress: bool = True,
    callback: Callable[[int, History], Any] | None = None,
) -> History:
    """Train a net by steps along the gradient of batches, and leave it with its best weights.

    *Best* is the lowest validation loss; without validation data, the lowest loss on the training data.
    However it ends, also by Ctrl-C or when the loss explodes, the net has the best weights so far and the
    history says why.

    Args:
        net: the net; only its parameters change.
        x: samples [N, p].
        y: targets, as for `Net.sweep`.
        loss: a name of `LOSSES` or a formula ``loss(phi, y)``.
        optimiser: "adam", "sgd", or an instance of any `Optimiser`.
        rate: the size of the steps, for an optimiser given by name; None is its default.
        epochs: how often to go through the samples at most.
        batch_size: samples per step; None takes all.
        seed: of the shuffling and of the choice of validation samples.
        validation: data (X, Y), or the share of the samples to set apart, above 0 and below 1.
        patience: stop after so many epochs without a better loss.
        metric: "accuracy" or a function (outputs [N, q], Y) -> float, recorded after every epoch.
        progress: show a bar, if standard error is a terminal.
        callback: called as callback(epoch, history) after every epoch; returning True ends the training.

    Returns:
        The history: losses, the best epoch, why it stopped.

    Raises:
        ValueError: for wrong shapes, data that is not finite, unknown names, options out of range.

    >>> from autograd.net import Net
    >>> xor = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> net = Net.layered([2, 8, 1], seed=1)
    >>> history = fit(net, xor, [0, 1, 1, 0], epochs=300, rate=0.05)
    >>> np.round(net.predict(xor)[:, 0]) + 0.0
    array([0., 1., 1., 0.])
    """
    rng = np.random.default_rng(seed)
    chosen = find_optimiser(optimiser, rate)
    formula = find_loss(loss)
    as_count(epochs, "epochs")
    if patience is not None:
        as_count(patience, "patience")
    measure = _find_metric(metric)
    train, held_out = _split_rows(net, x, y, formula, validation, rng)
    samples = len(train[0])
    size = samples if batch_size is None else min(as_count(batch_size, "batch_size"), samples)
    objective = net.objective(formula)

    history = History()
    w = best = net.parameters
    best_loss = _mean_loss(net, w, held_out or train, formula)
    if not math.isfinite(best_loss):
        best_loss = math.inf  # then any epoch with a finite loss is better
    state = chosen.init(w)
    bar = _Bar(epochs, progress)
    try:
        for epoch in range(1, epochs + 1):
            order = rng.permutation(samples)
            finite = True
            for at in range(0, samples, size):
                rows = order[at : at + size]
                value, gradient = objective(w, (train[0][rows], train[1][rows]))
                finite = math.isfinite(value) and bool(np.isfinite(gradient).all())
                if not finite:
                    break
                with np.errstate(all="ignore"):  # an overflow shows as a divergence
                    w, state = chosen.step(w, gradient, state)
            judged = now = _mean_loss(net, w, train, formula) if finite else math.nan
            if not math.isfinite(now):
                history.stopped = "diverged"
                history.message = (
                    f"the loss or its gradient became nan or inf in epoch {epoch}; the net has the "
                    f"weights of epoch {history.best_epoch}. Try a smaller rate, scaled data or "
                    "another init"
                )
                break
            history.loss.append(now)
            if held_out is not None:
                judged = _mean_loss(net, w, held_out, formula)
                history.validation_loss.append(judged)
            if judged < best_loss:
                best, best_loss, history.best_epoch = w, judged, epoch
            if measure is not None:
                on_x, on_y = held_out or train
                history.metrics.append(float(measure(net.predict(on_x, parameters=w), on_y)))
            bar.show(history)
            if callback is not None and callback(epoch, history) is True:
                history.stopped = "callback"
                history.message = f"the callback ended it after epoch {epoch}"
                break
            if patience is not None and epoch - history.best_epoch >= patience:
                history.stopped = "patience"
                history.message = (
                    f"no better loss for {patience} epochs; the net has the weights of epoch "
                    f"{history.best_epoch}"
                )
                break
        else:
            history.message = (
                f"all {epochs} epochs were done; the net has the weights of epoch {history.best_epoch}"
            )
    except KeyboardInterrupt:
        history.stopped = "interrupted"
        history.message = (
            f"interrupted in epoch {history.epochs + 1}; the net has the weights of epoch "
            f"{history.best_epoch}"
        )
    finally:
        net.parameters = best
        bar.close()
    return history


def _mean_loss(net: Net, w: Floats, data: tuple[Floats, Floats], formula: Loss) -> float:
    outputs = net.predict(data[0], parameters=w)
    losses, _ = formula.value_and_slopes(outputs.T, formula.targets(data[1], *outputs.shape))
    return float(losses.mean())


def _split_rows(
    net: Net, x: ArrayLike, y: ArrayLike, formula: Loss, validation: Any, rng: np.random.Generator
) -> tuple[tuple[Floats, Any], tuple[Floats, Any] | None]:
    """Check all the data, before any work, and return the rows to train on and those to judge by."""
    train = _table(net, x, y, formula, "")
    if validation is None:
        return train, None
    if isinstance(validation, tuple | list):
        if len(validation) != 2:
            raise ValueError(f"validation is a pair (X, Y) or a share, got {len(validation)} things")
        return train, _table(net, validation[0], validation[1], formula, "validation: ")
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
    return (train[0][kept], train[1][kept]), (train[0][held_out], train[1][held_out])


def _table(net: Net, x: ArrayLike, y: ArrayLike, formula: Loss, what: str) -> tuple[Floats, Any]:
    """Return X [N, p] and Y with a row per sample, as an array that batches can be taken from."""
    try:
        rows, _ = net._samples(x)
        formula.targets(y, len(rows), len(net.outputs))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}{error}") from None
    targets = np.asarray(y)
    return rows, targets.reshape(len(rows), -1) if targets.size != len(rows) else targets.reshape(len(rows))


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

    def __init__(self, epochs: int, wanted: bool) -> None:
        self._bar: Any = None
        if wanted and sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

            self._bar = tqdm(total=epochs, unit="epoch", leave=True)

    def show(self, history: History) -> None:
        if self._bar is not None:
            losses = {"loss": history.loss, "validation": history.validation_loss, "metric": history.metrics}
            self._bar.set_postfix({k: f"{v[-1]:.4g}" for k, v in losses.items() if v}, refresh=False)
            self._bar.update()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _positive(x: float, what: str) -> None:
    if not (isinstance(x, numbers.Real) and 0 < x < math.inf):
        raise ValueError(f"{what} is a number above 0, got {x!r}")


def _share(x: float, what: str) -> None:
    if not (isinstance(x, int | float) and 0 <= x < 1):
        raise ValueError(f"{what} is a number from 0 to below 1, got {x!r}")
