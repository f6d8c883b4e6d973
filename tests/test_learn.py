"""Losses against their textbook forms, and what `fit` promises however it ends."""

import json
import math
import re
import sys
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_softmax
from sklearn.metrics import log_loss, mean_squared_error

from autograd import files, learn, ops
from autograd.learn import LOSSES, SGD, Adam, History, Training, accuracy, find_loss, fit, output_jacobian
from autograd.net import Net
from autograd.optimise import LBFGS, AdamW, Cosine, LevenbergMarquardt, RMSprop, Rprop, Warmup

PROPERTY = settings(derandomize=True, deadline=None, max_examples=80)


def textbook(name, phi, y):
    """The mean loss of outputs [N, q] as the textbooks print it."""
    e = np.abs(phi - y)
    return {
        "mse": lambda: mean_squared_error(y, phi),
        "binary_cross_entropy": lambda: -np.mean(y * np.log(expit(phi)) + (1 - y) * np.log(expit(-phi))),
        "softmax_cross_entropy": lambda: -np.mean(np.sum(y * log_softmax(phi, axis=1), axis=1)),
        "hinge": lambda: np.mean(np.maximum(0, 1 - y * phi)),
        "huber": lambda: np.mean(np.where(e <= 1, e**2 / 2, e - 0.5)),
    }[name]()


def targets_for(name, rng, samples, outputs):
    y = rng.normal(size=(samples, outputs)) * 2
    if name == "binary_cross_entropy":
        return expit(y)
    if name == "softmax_cross_entropy":
        return np.exp(log_softmax(y, axis=1))
    return np.where(y > 0, 1.0, -1.0) if name == "hinge" else y


@PROPERTY
@given(st.sampled_from(sorted(LOSSES)), st.integers(2, 5), st.integers(1, 6), st.integers(0, 2**20))
def test_losses_and_their_slopes(name, outputs, samples, seed):
    rng = np.random.default_rng(seed)
    phi, y = rng.normal(size=(samples, outputs)) * 2, targets_for(name, rng, samples, outputs)
    loss = find_loss(name)
    columns = loss.targets(y, samples, outputs)
    values, slopes = loss.value_and_slopes(phi.T.copy(), columns)
    assert values.shape == (samples,)
    assert values.mean() == pytest.approx(textbook(name, phi, y), rel=1e-12)
    h = 1e-6
    for i in range(outputs):
        step = h * np.eye(outputs)[i]
        up, down = (loss.value_and_slopes((phi + s).T.copy(), columns)[0] for s in (step, -step))
        np.testing.assert_allclose(slopes[i], (up - down) / (2 * h), atol=1e-7)


@pytest.mark.parametrize(("name", "y"), [("mse", 0.3), ("huber", 0.3), ("hinge", 1.0), ("hinge", -1.0)])
def test_slopes_are_0_at_a_minimum_that_is_hit_exactly(name, y):
    values, slopes = find_loss(name).value_and_slopes(np.full((2, 3), y), np.full((2, 3), y))
    assert values.tolist() == [0.0] * 3
    assert slopes.tolist() == [[0.0] * 3] * 2


def test_every_loss_is_tested():
    assert set(LOSSES) == {"mse", "binary_cross_entropy", "softmax_cross_entropy", "hinge", "huber"}


def test_losses_from_logits_are_right_where_the_textbook_form_overflows():
    phi = np.array([[-1000.0, 1000.0, 40.0]])
    values, slopes = find_loss("binary_cross_entropy").value_and_slopes(phi, np.array([[1.0, 1.0, 0.0]]))
    assert values.tolist() == [1000.0, 0.0, 40.0]
    np.testing.assert_allclose(slopes, [[-1.0, 0.0, 1.0]], atol=1e-15)
    values, slopes = find_loss("softmax_cross_entropy").value_and_slopes(
        np.array([[1000.0], [-1000.0]]), np.array([[0.0], [1.0]])
    )
    assert values.tolist() == [2000.0]
    assert slopes.tolist() == [[1.0], [-1.0]]


def test_class_labels_are_one_hot_rows():
    rng = np.random.default_rng(0)
    net, x, labels = Net.layered([3, 4, 3], seed=0), rng.normal(size=(7, 3)), rng.integers(0, 3, 7)
    value, gradient = net.loss_and_gradient(x, labels, "softmax_cross_entropy")
    again, same = net.loss_and_gradient(x, np.eye(3)[labels], "softmax_cross_entropy")
    assert (
        value
        == again
        == pytest.approx(log_loss(labels, np.exp(log_softmax(net.predict(x), axis=1)), labels=[0, 1, 2]))
    )
    np.testing.assert_array_equal(gradient, same)
    net.forward(x[0])
    assert net.sweep(2, "softmax_cross_entropy") == net.sweep([0, 0, 1], "softmax_cross_entropy")


def test_class_labels_may_be_a_column_and_of_one_sample_a_scalar():
    loss = find_loss("softmax_cross_entropy")
    for y, samples in (([2, 0, 1, 1], 4), ([[2], [0], [1], [1]], 4), (2, 1), ([2], 1), ([[2]], 1)):
        assert loss.targets(y, samples, 3).argmax(axis=0).tolist() == [2, 0, 1, 1][:samples]
    for y in ([[2, 0], [1, 1]], [[2, 0, 1, 1]]):
        with pytest.raises(ValueError, match=r"Y must have shape \(4, 3\).*; class labels have shape \(4,\)"):
            loss.targets(y, 4, 3)
    with pytest.raises(ValueError, match=r"Y must have shape \(1, 3\)"):
        loss.targets([[[2]]], 1, 3)


def test_a_users_loss_with_targets_of_its_own_width():
    net = Net.from_edges([("x", "y", 2.0)])

    def weighted(phi, y):
        return y[1] * ops.square(phi[0] - y[0])

    net.forward([[1.0], [1.0]])
    assert net.sweep([[1.0, 3.0], [0.0, 10.0]], weighted) == (3.0 + 40.0) / 2
    assert net["y"].delta.tolist() == [6.0, 40.0]


@pytest.mark.parametrize(
    ("loss", "outputs", "y", "message"),
    [
        ("mse", 2, [1.0, 2.0, 3.0], r"Y must have shape \(3, 2\)"),
        ("mse", 1, [[1.0, 2.0]] * 3, r"Y must have shape \(3, 1\)"),
        ("softmax_cross_entropy", 2, [0.0, 1.0, 1.0], "class labels must be integers"),
        ("softmax_cross_entropy", 2, [[0, 1, 1]], r"got shape \(1, 3\); class labels have shape \(3,\)"),
        ("softmax_cross_entropy", 2, [[[0]], [[1]], [[1]]], r"shape \(3, 1, 1\); class labels have shape \(3,\)"),
        ("softmax_cross_entropy", 2, [[0.0], [1.0], [1.0]], "class labels must be integers"),
        ("softmax_cross_entropy", 2, [0, 2, 1], r"Y\[1\] is the class 2, but the net has 2 outputs"),
        ("softmax_cross_entropy", 2, [[0.5, 0.6]] * 3, "add up to 1"),
        ("softmax_cross_entropy", 1, [0, 0, 0], "use binary_cross_entropy"),
        ("binary_cross_entropy", 1, [0, 1, 2], r"probabilities from 0 to 1; got Y\[2\]"),
        ("hinge", 1, [0, 1, 1], r"-1 or \+1; got Y\[0\]"),
        ("huber", 1, [0, math.nan, 1], r"Y\[1, 0\] .* is nan"),
    ],
)
def test_targets_that_do_not_fit_are_refused(loss, outputs, y, message):
    with pytest.raises(ValueError, match=message):
        Net.layered([2, outputs]).loss_and_gradient(np.ones((3, 2)), y, loss)


def test_scipy_takes_the_objective():
    x, y = data(40)
    net = Net.layered([2, 5, 1], seed=0)
    found = minimize(net.objective("mse"), net.parameters, args=((x, y),), jac=True, method="L-BFGS-B")
    assert found.fun < 0.1 * net.loss_and_gradient(x, y)[0]
    net.parameters = found.x
    assert net.loss_and_gradient(x, y)[0] == found.fun


# Training. --------------------------------------------------------------------------------------------------


def data(samples, seed=0):
    x = np.random.default_rng(seed).normal(size=(samples, 2))
    return x, np.sin(x[:, 0]) * x[:, 1]


def small(seed=0):
    return Net.random(2, 12, 1, seed=seed)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimiser": "sgd", "rate": 0.05},
        {"optimiser": SGD(0.05, 0.9)},
        {"batch_size": None, "epochs": 300},
        {"optimiser": RMSprop(0.01)},
        {"optimiser": "adamw", "rate": 0.02 * Warmup(5) * Cosine(240)},
        {"optimiser": Rprop()},
        {"optimiser": LBFGS()},
        {"optimiser": LevenbergMarquardt(), "epochs": 20},
        {"dropout": 0.05, "l1": 1e-5, "clip": 1.0, "groups": {"h*": {"rate": 0.5}}},
        {"loss": "huber"},
        {"loss": lambda phi, y: ops.square(phi[0] - y[0])},
    ],
)
def test_training_lowers_the_loss_and_repeats_itself(options):
    x, y = data(120)
    options = {"epochs": 60, "rate": 0.02, **options}
    if not isinstance(options.get("optimiser", ""), str):
        del options["rate"]
    net, twin = small(), small()
    history, again = net.fit(x, y, **options), fit(twin, x, y, **options)
    assert history.epochs == options["epochs"]
    assert min(history.loss) < 0.7 * history.loss[0]
    assert history == again
    np.testing.assert_array_equal(net.parameters, twin.parameters)
    loss = net.loss_and_gradient(x, y, options.get("loss", "mse"))[0]
    assert loss == pytest.approx(min(history.loss), rel=1e-12)
    assert history.loss[history.best_epoch - 1] == min(history.loss)


def test_training_classifies():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 150)
    x = np.array([[2, 0], [-2, 1], [0, -2]])[labels] + rng.normal(size=(150, 2)) * 0.4
    net = Net.layered([2, 8, 3], seed=0)
    history = net.fit(x, labels, loss="softmax_cross_entropy", epochs=40, metric="accuracy", validation=0.2)
    assert history.metrics[-1] > 0.9
    assert accuracy(net.predict(x), labels) > 0.9
    assert len(history.validation_loss) == 40
    assert "metric" in repr(history)


def test_accuracy():
    assert accuracy(np.array([[1.0, 2], [3, 0]]), [1, 1]) == 0.5
    assert accuracy(np.array([[1.0, 2], [3, 0]]), [[0, 1], [1, 0]]) == 1.0
    assert accuracy(np.array([[1.0], [-3]]), [1, 0]) == 1.0
    assert accuracy(np.array([[0.25], [-0.25]]), [1, 0]) == 1.0
    assert accuracy(np.array([[1.0], [-3]]), [-1, -1]) == 0.5
    assert accuracy(np.array([1.0, 2]), 1) == accuracy(np.array([1.0, 2]), [[0, 1]]) == 1.0


def test_accuracy_over_time():
    phi = np.array([[[1.0, 2, 0], [3, 0, 0]], [[0, 0, 1], [0, 1, 0]]])
    classes = np.array([[1, 0], [2, 0]])
    for y in (classes, classes[..., None], np.eye(3)[classes]):
        assert accuracy(phi, y) == 0.75
    assert accuracy(phi[..., :1], classes - 1) == 0.25
    for y in (classes.ravel(), classes[:1], np.eye(3)[:2]):
        with pytest.raises(ValueError, match=r"of shape \(2, 2, 3\) go with class labels of shape \(2, 2\)"):
            accuracy(phi, y)


class Uphill:
    """An optimiser that walks away from any minimum, and counts its steps in the state."""

    def init(self, w):
        return 0

    def step(self, w, gradient, state):
        return w + 1000.0, state + 1


def watched(monkeypatch, samples=10, **options):
    """Train a net on y = 100 + x and return the batches (x, weights), the history, the net, the weights before."""
    batches = []

    def watch(self, x, y, loss, original=Net._batches, **options):
        on_batch = original(self, x, y, loss, **options)

        def watching(w, rows):
            value, gradient = on_batch(w, rows)
            of_these, slopes = self.loss_and_gradient(x[rows], 100 + x[rows, 0], loss, parameters=w)
            assert value == pytest.approx(of_these, rel=1e-12)
            np.testing.assert_allclose(gradient, slopes, rtol=1e-12)
            batches.append((x[rows, 0].tolist(), w.copy()))
            return value, gradient

        return watching

    x = np.arange(float(samples))[:, None]
    net = Net.layered([1, 1], seed=1)
    before = net.parameters
    with monkeypatch.context() as patch:
        patch.setattr(Net, "_batches", watch)
        history = net.fit(x, 100 + x[:, 0], **{"optimiser": Uphill(), "epochs": 2, "batch_size": 4, **options})
    return batches, history, net, before


def test_an_epoch_goes_through_all_samples_once_in_an_order_of_its_own(monkeypatch):
    batches, history, net, before = watched(monkeypatch)
    assert [len(xs) for xs, _ in batches] == [4, 4, 2, 4, 4, 2]
    first, second = ([x for xs, _ in part for x in xs] for part in (batches[:3], batches[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert len({tuple(first), tuple(second), tuple(range(10))}) == 3
    other = watched(monkeypatch, seed=1)[0]
    assert [xs for xs, _ in other] != [xs for xs, _ in batches]
    for step, (_, w) in enumerate(batches):  # each gradient is that of the weights of the step before
        np.testing.assert_allclose(w, before + 1000.0 * step, rtol=1e-15)
    assert history.best_epoch == 0
    np.testing.assert_array_equal(net.parameters, before)


def test_the_state_of_an_optimiser_goes_on_from_step_to_step(monkeypatch):
    states = []

    class Counting(Uphill):
        def step(self, w, gradient, state):
            states.append(state)
            return super().step(w, gradient, state)

    watched(monkeypatch, optimiser=Counting())
    assert states == list(range(6))


def test_samples_set_apart_judge_and_do_not_train(monkeypatch):
    batches, history, net, before = watched(
        monkeypatch, validation=0.3, optimiser=SGD(1e-12), metric=lambda outputs, y: float(np.sum(y - 100))
    )
    trained = {x for xs, _ in batches for x in xs}
    apart = np.array([x for x in range(10) if x not in trained], float)[:, None]
    assert (len(trained), len(apart)) == (7, 3)
    assert history.metrics == [apart.sum()] * 2
    kept = np.array(sorted(trained))[:, None]
    for x, losses in ((apart, history.validation_loss), (kept, history.loss)):
        value, _ = net.loss_and_gradient(x, 100 + x[:, 0], parameters=before)
        assert losses == pytest.approx([value] * 2, rel=1e-6)
    assert watched(monkeypatch, metric=lambda outputs, y: float(np.sum(y - 100)))[1].metrics == [45.0] * 2


def test_the_best_weights_by_validation_come_back():
    x, y = data(60)
    seen = []
    net = small()
    history = net.fit(
        x,
        y + np.random.default_rng(0).normal(size=60),
        validation=data(30, 5),
        epochs=80,
        rate=0.1,
        callback=lambda epoch, history: seen.append(epoch),
    )
    assert seen == list(range(1, 81))
    assert net.loss_and_gradient(*data(30, 5))[0] == pytest.approx(min(history.validation_loss), rel=1e-12)
    assert history.best_epoch == 1 + int(np.argmin(history.validation_loss)) < 80


def test_any_finite_loss_is_better_than_a_start_without_one():
    class Home:
        init = staticmethod(np.zeros_like)
        step = staticmethod(lambda w, gradient, state: (np.zeros_like(w), state))

    edges = [("x", "a", 1.0), ("x", "b", 1.0), ("a", "y", 1.0), ("b", "y", -1.0)]
    net = Net.from_edges(edges, activations="exp")
    assert math.isnan(net.predict([1000.0])[0])  # inf - inf
    history = net.fit([[0.0]], [1.0], validation=([[1000.0]], [2.0]), optimiser=Home(), epochs=2)
    assert (history.validation_loss, history.best_epoch) == ([4.0, 4.0], 1)
    assert not net.parameters.any()


def test_patience_stops_early():
    x, y = data(40)
    history = small().fit(
        x, y + np.random.default_rng(0).normal(size=40), validation=0.25, epochs=5000, rate=0.05, patience=7
    )
    assert history.stopped == "patience"
    assert history.epochs == history.best_epoch + 7
    assert "7 epochs" in history.message


def interrupt(epoch, history):
    if epoch == 5:
        raise KeyboardInterrupt


def test_ctrl_c_keeps_the_best_weights():
    x, y = data(40)
    net, twin = small(), small()
    history = net.fit(x, y, epochs=100, callback=interrupt)
    assert history.stopped == "interrupted"
    assert history.epochs == 5
    assert "interrupted" in repr(history)
    twin.fit(x, y, epochs=5)
    np.testing.assert_array_equal(net.parameters, twin.parameters)


def test_ctrl_c_in_the_middle_of_an_epoch(monkeypatch):
    x, y = data(64)
    net, twin, steps = small(), small(), []

    def step(self, w, gradient, state, original=Adam.step):
        steps.append(1)
        if len(steps) == 6:  # 2 batches an epoch: in the third
            raise KeyboardInterrupt
        return original(self, w, gradient, state)

    twin.fit(x, y, epochs=2)
    monkeypatch.setattr(Adam, "step", step)
    history = net.fit(x, y, epochs=100)
    assert (history.stopped, history.epochs) == ("interrupted", 2)
    np.testing.assert_array_equal(net.parameters, twin.parameters)


@pytest.mark.parametrize("batch_size", [None, 16])
def test_divergence_says_so_and_keeps_the_best(batch_size):
    x, y = data(64)
    net = Net.layered([2, 8, 1], activation="relu", seed=0)
    before = net.loss_and_gradient(x, y)[0]
    history = net.fit(x, y, optimiser=SGD(1e6), epochs=50, batch_size=batch_size)
    assert history.stopped == "diverged"
    assert "smaller rate" in history.message
    assert history.epochs < 50
    assert net.loss_and_gradient(x, y)[0] <= before


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs", "lm"])
def test_parameters_that_are_not_finite_are_named_before_the_training(optimiser):
    net = Net.from_edges([("x", "h", 0.5), ("h", "y", 0.5)])
    for i, name in ((1, "w y <- h"), (2, "b h")):
        w = np.full(4, 0.5)
        w[i] = math.nan
        net.parameters = w
        with pytest.raises(ValueError, match=f"the parameter '{name}' is nan before the training; set net.parameters"):
            net.fit([[1.0]], [1.0], optimiser=optimiser)


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs", "lm"])
def test_a_loss_that_is_not_finite_from_the_start_is_not_blamed_on_the_rate(optimiser):
    net = Net.from_edges([("x", "h", 800.0), ("h", "y", 1.0)], activations={"h": "exp"})
    history = net.fit([[1.0], [0.0]], [1.0, 1.0], optimiser=optimiser)
    assert (history.stopped, history.epochs) == ("diverged", 0)
    assert history.message.startswith("the loss is inf before the first step; the net has the weights of epoch 0")
    assert history.message.endswith(". No rate helps: scale the data or change the init")


def test_a_slope_that_is_not_finite_from_the_start_is_named():
    def steep(phi, y):
        return ops.sqrt(ops.abs(phi[0]))  # 0 at 0, with a slope of inf

    net = Net.from_edges([("x", "y", 0.0)], activations="linear")
    history = net.fit([[1.0]], [1.0], loss=steep)
    assert history.stopped == "diverged"
    assert re.match(r"the slope of the loss by the parameter 'w y <- x' is (nan|inf) before", history.message)


@pytest.mark.parametrize("option", ["structure", "activation", "freeze", "cycle", "interrupt", "own error"])
def test_a_callback_that_changes_the_net_ends_it_and_loses_no_weights(option):
    net, twin, histories = small(), small(), []

    def change(epoch, history):
        histories.append(history)
        if epoch < 3:
            return
        if option == "activation":
            net["h1"].activation = "relu"
        elif option == "freeze":
            net.freeze("y1")
        elif option == "cycle":
            net.link("y1", "h1", 0.5)
        else:
            net.link("x1", "y1", 0.5)
        if option == "interrupt":
            raise KeyboardInterrupt
        if option == "own error":
            raise LookupError("mine")

    with pytest.raises(LookupError if option == "own error" else RuntimeError) as caught:
        net.fit(*data(40), epochs=9, callback=change)
    twin.fit(*data(40), epochs=3)
    assert len(histories) == 3
    if option == "own error":
        assert str(caught.value) == "mine"
    else:
        assert re.search("was changed during its training, in epoch 3", str(caught.value))
        assert caught.value.__context__ is None or option == "interrupt"
    np.testing.assert_array_equal(histories[0].state.best, twin.parameters)


def test_a_callback_that_sets_weights_sets_nothing():
    net, twin = small(), small()

    def set_weights(epoch, history):
        net.parameters = np.zeros(len(net.parameters))

    assert net.fit(*data(40), epochs=5, callback=set_weights) == twin.fit(*data(40), epochs=5)
    np.testing.assert_array_equal(net.parameters, twin.parameters)


def test_a_net_without_outputs_is_refused_before_anything_else():
    net = Net()
    net.input("x")
    net.neuron("h", sources=["x"])
    with pytest.raises(ValueError, match=r"the net has no outputs; declare them with net.output\(name\)"):
        net.fit("no data", None, loss="no loss", optimiser="none")


def test_a_schedule_that_returns_nonsense_is_named():
    with pytest.raises(ValueError, match=r"the schedule .*<lambda> returned nan at step 3"):
        small().fit(*data(40), rate=lambda step: math.nan if step == 3 else 0.1)


def test_an_error_in_a_callback_leaves_the_best_weights():
    def fail(epoch, history):
        raise RuntimeError("mine")

    net = small()
    with pytest.raises(RuntimeError, match="mine"):
        net.fit(*data(40), callback=fail)
    assert np.isfinite(net.parameters).all()


def test_a_callback_can_end_it():
    history = small().fit(*data(40), callback=lambda epoch, history: epoch == 3)
    assert (history.stopped, history.epochs) == ("callback", 3)


def test_the_bar_shows_only_on_a_terminal(capsys, monkeypatch):
    small().fit(*data(10), epochs=2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    small().fit(*data(10), epochs=2)
    assert "loss=" in capsys.readouterr().err
    small().fit(*data(10), epochs=2, progress=False)
    assert capsys.readouterr().err == ""


def test_a_history_in_a_line():
    history = History([0.5, 0.25], [0.6, 0.3], [], 2, "epochs")
    assert repr(history) == (
        "<History: 2 epochs, loss 0.5 -> 0.25, validation loss 0.6 -> 0.3, best epoch 2, stopped: epochs>"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimiser": "adm"}, "unknown optimiser 'adm'; did you mean 'adam'"),
        ({"optimiser": SGD(0.1), "rate": 0.2}, "has a rate of its own"),
        ({"rate": -1.0}, "rate is a number above 0"),
        ({"loss": "mee"}, "unknown loss"),
        ({"epochs": 0}, "epochs is a whole number"),
        ({"batch_size": 0}, "batch_size is a whole number"),
        ({"patience": 0.5}, "patience is a whole number"),
        ({"metric": "acuracy"}, "unknown metric 'acuracy'; did you mean 'accuracy'"),
        ({"validation": 1.5}, "above 0 and below 1"),
        ({"validation": 0.999}, "leaves none to train on"),
        ({"validation": ([[1.0, 2.0]], [math.nan])}, r"validation: Y\[0, 0\]"),
        ({"validation": ([[1.0]], [1.0])}, "validation: the net has 2 inputs"),
        ({"validation": ([[1.0]],)}, r"validation is \(X, Y\), \(X, Y, lengths\) or a share, got 1 things"),
        ({"batch_size": "all"}, "None for all samples, or 'auto'; got 'all'"),
        ({"l1": -1.0}, "l1 is a number from 0"),
        ({"l2": math.nan}, "l2 is a number from 0"),
        ({"dropout": 1.0}, "dropout is a number from 0 to below 1"),
        ({"clip": 0.0}, "clip is a number above 0"),
        ({"clip_value": -1.0}, "clip_value is a number above 0"),
        ({"every": 0}, "every is a whole number"),
        ({"checkpoint": "no/such/folder/x.json"}, "checkpoint: there is no folder"),
        ({"groups": {"h99": {"rate": 0.5}}}, "groups: 'h99' fits no neuron .*; did you mean 'h9'"),
        ({"groups": {"x1": {"rate": 0.5}}}, "groups: 'x1' fits no neuron"),
        ({"groups": {"h1": {"rat": 0.5}}}, "'h1' sets 'rat'; did you mean 'rate'"),
        ({"groups": {"h1": {"l2": -1.0}}}, "groups: l2 of 'h1' is a number from 0"),
        ({"lengths": [3] * 10}, "lengths goes with sequences"),
        ({"at": "last", "truncate": 3}, "at, truncate goes with sequences"),
        ({"optimiser": "lbfgs", "batch_size": 5}, "LBFGS works on all samples at once: leave out batch_size=5"),
        ({"optimiser": "rprop", "batch_size": 5}, "Rprop works on all samples at once: leave out batch_size=5"),
        ({"optimiser": "lm", "clip": 1.0}, "LevenbergMarquardt needs gradients as they are: leave out clip"),
        ({"optimiser": "lbfgs", "clip_value": 1.0}, "leave out clip"),
        ({"optimiser": "lbfgs", "dropout": 0.5}, "LBFGS needs the same function in every iteration"),
        ({"optimiser": "lbfgs", "l1": 0.5}, "without kinks"),
        ({"optimiser": "lm", "groups": {"h1": {"rate": 0.5}}}, "LevenbergMarquardt has no rate"),
        ({"optimiser": "lbfgs", "checkpoint": "x.json"}, "inside scipy, out of reach: leave out resume"),
        ({"optimiser": "lm", "loss": "huber"}, "a sum of squares, not 'huber'; choose optimiser='lbfgs'"),
        ({"optimiser": LevenbergMarquardt(memory=10**4)}, "would need 73,216 bytes for .* 10 residuals by 52 par"),
    ],
)
def test_bad_options_are_refused_before_any_work(options, message):
    net = small()
    before = net.parameters
    with pytest.raises(ValueError, match=message):
        net.fit(*data(10), **options)
    np.testing.assert_array_equal(net.parameters, before)


def test_an_optimisers_class_is_not_an_optimiser():
    with pytest.raises(TypeError, match="an instance such as"):
        small().fit(*data(10), optimiser=Adam)


def test_an_optimiser_for_all_samples_takes_a_batch_of_all():
    net, twin = small(), small()
    assert net.fit(*data(10), optimiser="rprop", batch_size=10, epochs=3) == twin.fit(
        *data(10), optimiser="rprop", epochs=3
    )


def test_what_is_no_training_is_not_resumed(tmp_path):
    with pytest.raises(TypeError, match="resume is a Training"):
        small().fit(*data(10), resume=3)
    nope = tmp_path / "nope.json"
    message = r"no training to resume from; fit\(..., checkpoint='.*nope.json'\)"
    with pytest.raises(FileNotFoundError, match=message) as caught:
        small().fit(*data(10), resume=nope)
    assert caught.value.filename == str(nope)


# Solvers. ---------------------------------------------------------------------------------------------------


def test_the_jacobian_is_the_gradient_of_every_output_of_every_sample():
    x, _ = data(5)
    net = Net.random(2, 9, 3, activation="softplus", seed=3)
    net.link("x1", "y1", 0.5)  # a second, parallel link
    net.biases[2:] = np.linspace(-1, 1, len(net) - 2)
    jacobian = output_jacobian(net, x)
    assert jacobian.shape == (5, 3, len(net.parameters))
    for i, row in enumerate(x):
        for k in range(3):
            _, gradient = net.loss_and_gradient(row, [0.0], lambda phi, y, k=k: phi[k])
            np.testing.assert_allclose(jacobian[i, k], gradient, rtol=1e-12, atol=1e-15)
    assert output_jacobian(net, x[0]).shape == (1, 3, len(net.parameters))


def test_the_jacobian_with_gates_responses_and_shared_and_constant_weights():
    x, _ = data(6)
    net = Net(seed=1)
    net.input("x1"), net.input("x2")
    net.neuron("g", "sigmoid", ["x1", "x2"], bias=0.3)
    net.neuron("h", "tanh", ["x1"], response=1.7, bias=-0.2)
    net.neuron("k", "softplus", ["x2", "h"], trainable=False)
    net.link("x1", "k", 0.4, share="both")
    net.link("h", "y", 0.4, share="both")
    net.link("k", "y", 1.3, gate="g")
    net.link("x2", "y", -0.7, trainable=False)
    net.neuron("y", "linear", output=True)
    net.neuron("z", "tanh", ["g", "y"], output=True)
    net.freeze("h")
    jacobian = output_jacobian(net, x)
    assert jacobian.shape == (6, 2, len(net.parameters))
    for i, row in enumerate(x):
        for k in range(2):
            _, gradient = net.loss_and_gradient(row, [0.0], lambda phi, y, k=k: phi[k])
            np.testing.assert_allclose(jacobian[i, k], gradient, rtol=1e-12, atol=1e-15)
    net.fit(x, np.zeros((6, 2)), optimiser="lm", epochs=3)
    assert net.weight("x1", "k") == net.weight("h", "y") != 0.4
    assert net.weight("x2", "y") == -0.7


def test_the_jacobian_of_what_does_not_reach_is_0():
    """exp(800) is infinite, but the relu that it feeds is dead."""
    edges = [("x", "h", 800.0), ("h", "r", -1.0), ("r", "y", 1.0), ("x", "y", 1.0)]
    net = Net.from_edges(edges, activations={"h": "exp", "r": "relu"})
    np.testing.assert_array_equal(output_jacobian(net, [[1.0]])[0, 0], [0, 0, 0, 1, 0, 0, 1])


@pytest.mark.parametrize("aggregation", ["product", "max", "mean"])
def test_a_net_whose_jacobian_follows_other_rules_is_refused(aggregation):
    net = Net(seed=0)
    net.input("x1"), net.input("x2")
    net.neuron("h", "tanh", ["x1", "x2"])
    net.neuron("odd", "tanh", ["h", "x2"], aggregation=aggregation)
    net.neuron("y", "linear", ["odd"], output=True)
    with pytest.raises(ValueError, match="'odd' does not; choose optimiser='lbfgs'"):
        net.fit(*data(10), optimiser="lm")


@pytest.mark.parametrize("optimiser", ["lbfgs", "lm"])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_solvers_on_a_linear_net_are_linear_regression(optimiser, l2):
    """With l2 it is ridge regression: l2 / 2 |w|^2 beside the mean of squares, and nothing on the bias."""
    x, y = data(50)
    y = np.stack([y, 1 - 3 * x[:, 1]], axis=1) + 7
    net = Net.layered([2, 2], seed=0)
    history = net.fit(x, y, optimiser=optimiser, l2=l2, epochs=300)
    assert history.stopped == "converged"
    assert "; the net has the weights of epoch" in history.message
    centred = x - x.mean(axis=0)
    # mean over samples and both outputs: 1/(2N) |X w - y|^2 + l2/2 |w|^2 for each output
    w = np.linalg.solve(centred.T @ centred / 50 + l2 * np.eye(2), centred.T @ (y - y.mean(axis=0)) / 50)
    np.testing.assert_allclose(net.weights.reshape(2, 2), w.T, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(net.biases[2:], y.mean(axis=0) - x.mean(axis=0) @ w, rtol=1e-7)
    assert history.loss[-1] == pytest.approx(np.mean((x @ w + net.biases[2:] - y) ** 2), rel=1e-7)


def test_levenberg_marquardt_gets_far_with_few_iterations():
    x, y = data(120)
    net, twin = small(), small()
    before = twin.forward(x)
    assert net.fit(x, y, optimiser="lm", epochs=40).loss[-1] < 0.01
    fit(twin, x, y, optimiser="lm", epochs=40)
    np.testing.assert_array_equal(twin.parameters, net.parameters)
    np.testing.assert_array_equal(twin.phi[twin.outputs].T, before)  # the net still shows what it showed


@pytest.mark.parametrize("optimiser", ["lbfgs", "lm"])
def test_solvers_stop_as_optimisers_do(optimiser):
    x, y = data(40)
    noisy = y + np.random.default_rng(0).normal(size=40)
    history = small().fit(x, noisy, optimiser=optimiser, validation=0.25, epochs=500, patience=5)
    assert (history.stopped, history.epochs) == ("patience", history.best_epoch + 5)
    net, twin = small(), small()
    history = net.fit(x, y, optimiser=optimiser, callback=interrupt)
    assert (history.stopped, history.epochs) == ("interrupted", 5)
    assert twin.fit(x, y, optimiser=optimiser, epochs=5).stopped == "epochs"
    np.testing.assert_array_equal(net.parameters, twin.parameters)
    net = small()
    net.parameters = np.full(len(net.parameters), 1e308)
    history = net.fit(x, y, optimiser=optimiser)
    assert (history.stopped, history.epochs) == ("diverged", 0)
    assert (net.parameters == 1e308).all()


# Penalties, limits, groups, links dropped. ------------------------------------------------------------------


class Noted:
    """An optimiser that keeps the gradients it is given, and steps by -gradient."""

    def __init__(self):
        self.gradients = []

    def init(self, w):
        return 0

    def step(self, w, gradient, state):
        self.gradients.append(gradient)
        return w - gradient, state


def first_gradient(net, x, y, **options):
    noted = Noted()
    history = net.fit(x, y, optimiser=noted, epochs=1, batch_size=None, **options)
    return noted.gradients[0], history


def biased():
    """A net all of whose parameters differ, and none is 0."""
    net = Net.layered([2, 3, 1], seed=4)
    net.biases[2:] = [0.5, -1.0, 2.0, 0.25]
    return net


def test_penalties_pull_at_weights_and_not_at_biases():
    x, y = data(30)
    net = biased()
    w, links = net.parameters, len(net.weights)
    _, plain = net.loss_and_gradient(x, y)
    gradient, history = first_gradient(biased(), x, y, l1=0.5, l2=0.25)
    pull = np.where(np.arange(len(w)) < links, 0.5 * np.sign(w) + 0.25 * w, 0.0)
    np.testing.assert_allclose(gradient, plain + pull, rtol=1e-12)
    # The history has the loss without them.
    net.parameters = w - gradient
    assert history.loss == [pytest.approx(net.loss_and_gradient(x, y)[0], rel=1e-12)]


@pytest.mark.parametrize("penalty", [{"l1": 0.5}, {"l2": 0.5}])
def test_the_best_weights_are_those_of_the_loss_with_its_penalty(penalty):
    """From weights that fit perfectly, a penalty must lead away, and the better loss must not call them back."""
    x = data(30)[0]
    net = biased()
    target = net.predict(x)
    start = net.parameters
    history = net.fit(x, target, epochs=30, **penalty)
    assert history.best_epoch > 20
    assert history.loss[-1] > 1e-3
    assert np.abs(net.weights).sum() < np.abs(start[: len(net.weights)]).sum()


def test_l2_is_the_gradient_of_its_penalty():
    net, (x, y) = biased(), data(20)
    problem_loss = []
    for step in (1e-6, -1e-6):
        moved = biased()
        moved.weights[3] += step
        value = moved.loss_and_gradient(x, y)[0] + 0.5 * np.abs(moved.weights).sum() + 0.125 * (moved.weights**2).sum()
        problem_loss.append(value)
    gradient, _ = first_gradient(net, x, y, l1=0.5, l2=0.25)
    assert gradient[3] == pytest.approx((problem_loss[0] - problem_loss[1]) / 2e-6, abs=1e-7)


def test_gradients_are_clipped():
    x, y = data(30)
    _, plain = biased().loss_and_gradient(x, 100 * y)
    norm = np.linalg.norm(plain)
    np.testing.assert_allclose(first_gradient(biased(), x, 100 * y, clip=norm / 3)[0], plain / 3, rtol=1e-12)
    np.testing.assert_allclose(first_gradient(biased(), x, 100 * y, clip=norm * 1.01)[0], plain, rtol=1e-12)
    limit = float(np.median(np.abs(plain)))
    cut = np.clip(plain, -limit, limit)
    np.testing.assert_allclose(first_gradient(biased(), x, 100 * y, clip_value=limit)[0], cut, rtol=1e-12)
    both, _ = first_gradient(biased(), x, 100 * y, clip_value=limit, clip=limit)
    np.testing.assert_allclose(both, cut * limit / np.linalg.norm(cut), rtol=1e-12)
    huge, _ = first_gradient(Net.layered([2, 1]), 1e10 * x, 1e150 * y, clip=1.0)  # 1e160, whose square overflows
    assert np.linalg.norm(huge) == pytest.approx(1.0, rel=1e-12)


def test_groups_set_the_rate_and_the_penalties_of_neurons():
    x, y = data(30)
    net = biased()
    links = [(net.names[s], net.names[t]) for s, t in zip(net.source, net.target, strict=True)]
    names = [t for _, t in links] + [net.names[i] for i in range(2, len(net))]
    is_bias = np.arange(len(names)) >= len(links)
    first = np.array([name in ("h1_1", "h1_2") for name in names])
    groups = {"h1_[12]": {"rate": 0.5, "l2": 0.25}, "y1": {"rate": 0}, "biases": {"rate": 3, "l1": 0.125}}
    w = net.parameters
    _, plain = net.loss_and_gradient(x, y)
    l2 = np.where(is_bias, 0.0, np.where(first, 0.25, 0.5))
    expected = plain + l2 * w + np.where(is_bias, 0.125 * np.sign(w), 0.0)
    rate = np.where(is_bias, 3.0, np.where(first, 0.5, np.where(np.array(names) == "y1", 0.0, 1.0)))
    seen = []
    gradient, history = first_gradient(net, x, y, l2=0.5, groups=groups, callback=lambda *a: seen.append(a))
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)
    np.testing.assert_allclose(history.state.parameters, w - rate * expected, rtol=1e-12)
    # "weights" are the links, and what comes later counts.
    groups = {"weights": {"rate": 0.5, "l2": 1.0}, "*": {"rate": 0.25}}
    gradient, history = first_gradient(biased(), x, y, groups=groups)
    np.testing.assert_allclose(gradient, plain + np.where(is_bias, 0.0, w), rtol=1e-12)
    np.testing.assert_allclose(history.state.parameters, w - 0.25 * gradient, rtol=1e-12)


def test_groups_know_shared_and_constant_weights_and_initial_states():
    net = Net(seed=0)
    net.input("x")
    net.neuron("h", "tanh", bias=0.5)
    net.link("x", "h", 0.3, share="s")
    net.link("h", "h", 0.2, delay=1)
    net.neuron("y", "linear", bias=0.25, output=True)
    net.link("x", "y", 0.3, share="s")
    net.link("h", "y", -0.4, trainable=False)
    net.link("x", "y", 0.7, delay=2)
    net.learn_initial("h")
    assert net.parameter_names() == ["share s", "w h <- h (t-1)", "w y <- x (t-2)", "b h", "b y", "initial h"]
    x, y = np.linspace(-1, 1, 12).reshape(2, 6, 1), np.ones((2, 6, 1))
    w, (_, plain) = net.parameters, net.loss_and_gradient(x, y)
    groups = {"h": {"rate": 0.5, "l2": 1.0}, "y": {"rate": 0.25}, "initial": {"rate": 2.0, "l1": 3.0}}
    gradient, history = first_gradient(net, x, y, groups=groups)
    pull = np.array([w[0], w[1], 0.0, 0.0, 0.0, 3.0 * np.sign(w[5])])
    np.testing.assert_allclose(gradient, plain + pull, rtol=1e-12)
    moved = w - np.array([0.5, 0.5, 0.25, 0.5, 0.25, 2.0]) * gradient
    np.testing.assert_allclose(history.state.parameters, moved, rtol=1e-12)


def test_a_neuron_may_not_have_the_name_of_all_biases():
    net = Net.from_edges([("x", "biases"), ("biases", "y")])
    with pytest.raises(ValueError, match="a neuron has this name"):
        net.fit([[1.0]], [1.0], groups={"biases": {"rate": 0.5}})


@pytest.mark.parametrize("optimiser", [Adam(0.1), AdamW(0.1), RMSprop(0.1, momentum=0.5), SGD(0.1, 0.9), Rprop()])
def test_a_factor_on_the_rate_is_another_rate(optimiser):
    x, y = data(30)
    net, twin = biased(), biased()
    net.fit(x, y, optimiser=optimiser, epochs=1, batch_size=None, groups={"*": {"rate": 0.5}})
    twin.fit(x, y, optimiser=replace(optimiser, rate=optimiser.rate / 2), epochs=1, batch_size=None)
    assert (net.parameters != biased().parameters).any()
    np.testing.assert_allclose(net.parameters, twin.parameters, rtol=1e-12)


def test_links_are_dropped_batch_by_batch(monkeypatch):
    seen = []

    def watch(self, x, y, loss, original=Net._batches, **options):
        on_batch = original(self, x, y, loss, **options)

        def watching(w, rows):
            value, gradient = on_batch(w, rows)
            seen.append((w.copy(), gradient))
            return value, gradient

        return watching

    monkeypatch.setattr(Net, "_batches", watch)
    net = Net.layered([2, 40, 1], seed=0)
    net.biases[2:] = 0.5
    w, links = net.parameters, len(net.weights)
    noted = Noted()
    x, y = data(40)
    history = net.fit(x, y, optimiser=noted, epochs=1, batch_size=20, dropout=0.25)
    factors = []
    for (at, inner), outer in zip(seen, noted.gradients, strict=True):
        np.testing.assert_array_equal(at[links:], w[links:])
        factor = at[:links] / w[:links]
        dropped = factor == 0.0
        np.testing.assert_allclose(factor[~dropped], 1 / 0.75, rtol=1e-12)
        assert 0.1 < dropped.mean() < 0.4
        np.testing.assert_allclose(outer[:links], inner[:links] * factor, rtol=1e-12)
        np.testing.assert_array_equal(outer[links:], inner[links:])
        factors.append(factor)
        w = w - outer
    assert len(factors) == 2
    assert (factors[0] != factors[1]).any()
    net.parameters = w
    outputs = net.predict(x)[:, 0]
    assert history.loss == [pytest.approx(np.mean((outputs - y) ** 2), rel=1e-12)]  # with all links


# Trainings that go on. --------------------------------------------------------------------------------------


class Pair(NamedTuple):
    counts: tuple[int, float]
    facts: dict[str, np.ndarray]


class Winding:
    """An optimiser of a user's, whose state holds all that a file can: nested tuples, a mapping, integers, text."""

    def init(self, w):
        return Pair((0, 0.5), {"before": np.zeros_like(w), "count": np.zeros(2, int)}), "text", None, [True]

    def step(self, w, gradient, state):
        pair, *rest = state
        assert isinstance(pair, Pair)
        assert isinstance(pair.counts, tuple)
        count, share = pair.counts
        before = share * pair.facts["before"] + gradient
        facts = {"before": before, "count": pair.facts["count"] + [1, np.int64(2)]}
        return w - 0.02 / (1 + count) * before, (Pair((count + 1, np.float64(share)), facts), *rest)


GOING_ON = {
    "adam": {},
    "sgd": {"optimiser": SGD(0.02, 0.9, nesterov=True)},
    "rmsprop": {"optimiser": RMSprop(0.01, momentum=0.5, centred=True)},
    "schedule": {"optimiser": AdamW(0.05 * Warmup(9) * Cosine(20, restarts=True))},
    "rprop": {"optimiser": "rprop"},
    "lm": {"optimiser": "lm"},
    "user": {"optimiser": Winding()},
    "all": {"l1": 1e-4, "l2": 1e-3, "dropout": 0.2, "clip": 0.5, "groups": {"h1*": {"rate": 0.5}}, "validation": 0.25},
    "metric": {"validation": 0.25, "metric": lambda outputs, y: float(outputs.sum())},
    "patience": {"validation": 0.25, "patience": 4, "rate": 0.2},
    "generator": {"validation": 0.25, "seed": lambda: np.random.Generator(np.random.MT19937(3))},
}


def option(options):
    return {k: v() if k == "seed" else v for k, v in options.items()}


@pytest.mark.parametrize("options", GOING_ON.values(), ids=GOING_ON)
@pytest.mark.parametrize("kept", ["file", "memory"])
def test_a_training_goes_on_as_if_it_had_never_stopped(options, kept, tmp_path):
    x, y = data(50)
    y = y + np.random.default_rng(0).normal(size=50)
    whole, parts = small(), small()
    expected = whole.fit(x, y, epochs=12, **option(options))
    state = parts.fit(x, y, epochs=5, **option(options)).state
    assert (state.history.epochs, repr(state)) == (5, f"<Training: {len(parts.parameters)} parameters after 5 epochs>")
    if kept == "file":
        state.save(tmp_path / "training.json")
        state = tmp_path / "training.json"
    fresh = small(seed=0)
    again = fresh.fit(x, y, epochs=12, resume=state, **{**option(options), "seed": 77})
    assert again == expected
    np.testing.assert_array_equal(fresh.parameters, whole.parameters)
    for ours, theirs in zip(
        (again.state.parameters, again.state.best, again.state.best_loss, again.state.random),
        (expected.state.parameters, expected.state.best, expected.state.best_loss, expected.state.random),
        strict=True,
    ):
        np.testing.assert_equal(ours, theirs)
    assert again.epochs == (12 if "patience" not in options else expected.epochs)


def test_the_state_stays_where_the_training_stood(monkeypatch):
    """Neither Ctrl-C in the middle of an epoch nor a training that goes on moves it."""
    x, y = data(64)
    expected = small()
    expected.fit(x, y, epochs=6)
    steps, original = [], Adam.step

    def step(self, w, gradient, state):
        steps.append(1)
        if len(steps) == 6:  # 2 batches an epoch: in the third
            raise KeyboardInterrupt
        return original(self, w, gradient, state)

    with monkeypatch.context() as patch:
        patch.setattr(Adam, "step", step)
        state = small().fit(x, y, epochs=6).state
    for _ in range(2):
        assert state.history.epochs == 2
        net = small()
        history = net.fit(x, y, epochs=6, resume=state)
        assert (history.epochs, history.stopped) == (6, "epochs")
        np.testing.assert_array_equal(net.parameters, expected.parameters)


def test_patience_that_has_run_out_is_not_given_another_epoch():
    x, y = data(40)
    options = {"validation": 0.25, "rate": 0.05, "epochs": 5000}
    y = y + np.random.default_rng(0).normal(size=40)
    history = small().fit(x, y, patience=7, **options)
    again = small().fit(x, y, patience=7, resume=history.state, **options)
    assert again == history
    longer = small().fit(x, y, patience=20, resume=history.state, **options)
    assert longer == small().fit(x, y, patience=20, **options)
    assert longer.epochs > history.epochs


def test_a_training_that_is_killed_goes_on_from_its_checkpoint(tmp_path):
    class KilledError(Exception):
        pass

    def kill(epoch, history):
        if epoch == 8:
            raise KilledError

    (x, y), path = data(50), tmp_path / "training.json"
    with pytest.raises(KilledError):
        small().fit(x, y, epochs=12, checkpoint=path, every=3, callback=kill)
    assert Training.load(path).history.epochs == 6
    net, whole = small(), small()
    history = net.fit(x, y, epochs=12, checkpoint=path, every=5, resume=path)
    assert history == whole.fit(x, y, epochs=12)
    np.testing.assert_array_equal(net.parameters, whole.parameters)
    assert Training.load(path).history == history  # written at the end, too
    assert list(tmp_path.iterdir()) == [path]
    net.fit(x, y, epochs=12, resume=str(path))
    np.testing.assert_array_equal(net.parameters, whole.parameters)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    (x, y), path = data(20), tmp_path / "training.json"
    small().fit(x, y, epochs=2, checkpoint=path)
    kept = path.read_bytes()

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(learn.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        small().fit(x, y, epochs=3, checkpoint=path)
    assert path.read_bytes() == kept
    assert list(tmp_path.iterdir()) == [path]


def change(path, **parts):
    """Write a file whose digest fits, with other content."""
    file = json.loads(path.read_text())
    file["training"].update(parts)
    file["digest"] = files.digest(file["training"])
    path.write_text(json.dumps(file))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "cut short"),
        (lambda path: path.write_bytes(b"\x80\x04K\x01."), "does not read as JSON"),
        (lambda path: path.write_text("[1]"), "not a training that fit saved"),
        (lambda path: small().save(path), "not a training that fit saved"),
        (lambda path: path.write_text(path.read_text().replace('"version": 1', '"version": 2')), "reads up to 1"),
        (lambda path: path.write_text(path.read_text().replace('"best_epoch": 3', '"best_epoch": 2')), "digest"),
        (lambda path: change(path, state={"dtype": "|O", "shape": [1], "base64": "AAAAAAAAAAA="}), "array of object"),
        (lambda path: change(path, best=[1.0]), "do not fit together"),
        (lambda path: change(path, history={}), "KeyError"),
        (lambda path: change(path, random={"bit_generator": "seed"}), "none of numpy's"),
        (lambda path: change(path, more=1), "unexpected keyword"),
    ],
)
def test_damaged_and_foreign_files_are_refused(damage, message, tmp_path):
    (x, y), path = data(20), tmp_path / "training.json"
    small().fit(x, y, epochs=3, checkpoint=path)
    assert Training.load(path).history.best_epoch == 3
    damage(path)
    net = small()
    with pytest.raises(ValueError, match=message):
        net.fit(x, y, epochs=9, resume=path)
    np.testing.assert_array_equal(net.parameters, small().parameters)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"optimiser": Adam(0.02)}, "another optimiser"),
        ({"optimiser": SGD()}, "another optimiser"),
        ({"loss": "huber"}, "another loss"),
        ({"batch_size": 7}, "another batch_size"),
        ({"l2": 0.5}, "another groups, l1, l2, dropout, clip"),
        ({"groups": {"h1": {"rate": 0.5}}}, "another groups"),
        ({"validation": 0.5}, "another data"),
        ({"validation": data(5)}, "another validation"),
        ({"epochs": 2}, "has done 3 already; give a larger number"),
    ],
)
def test_a_training_goes_on_with_the_same_options(options, what):
    x, y = data(20)
    state = small().fit(x, y, epochs=3).state
    with pytest.raises(ValueError, match=what):
        small().fit(x, y, **{"epochs": 5, "resume": state, **options})
    with pytest.raises(ValueError, match="another net"):
        small(seed=1).fit(x, y, epochs=5, resume=state)
    with pytest.raises(ValueError, match="another data"):
        small().fit(x, y + 1e-9, epochs=5, resume=state)


def cyclic(change=lambda net: None, **link):
    """A net in which one thing may be otherwise while names, links and the number of parameters stay."""
    net = Net(seed=0)
    net.input("x")
    net.neuron("h", "tanh", {"x": 0.5}, bias=0.5)
    net.neuron("g", "sigmoid", {"x": 0.5}, bias=0.25)
    net.neuron("y", "linear", {"g": 0.5}, bias=0.25, output=True)
    net.link("h", "y", 0.3, **{"delay": 1, "gate": "g", "share": "s", **link})
    net.link("x", "y", 0.3, delay=1, share="s")
    net.link("x", "y", 0.7, delay=1, trainable=False)
    net.learn_initial("h")
    change(net)
    return net


@pytest.mark.parametrize(
    "other",
    [
        lambda: cyclic(delay=2),
        lambda: cyclic(gate=None),
        lambda: cyclic(gate="h"),
        lambda: cyclic(lambda net: (net.link("h", "h", 0.1, delay=1), net.unlink("h", "h"), net.unlink("x", "h"))),
        lambda: cyclic(lambda net: setattr(net["h"], "aggregation", "max")),
        lambda: cyclic(lambda net: setattr(net["h"], "response", 2.0)),
        lambda: cyclic(lambda net: (net.learn_initial("h", learned=False), net.learn_initial("g"))),
        lambda: cyclic(lambda net: setattr(net.links[-1], "weight", 0.8)),
        lambda: cyclic(lambda net: setattr(net["g"], "initial", 0.5)),
        lambda: cyclic(lambda net: [setattr(link, "trainable", not link.trainable) for link in net.links[-1:]]),
    ],
)
def test_a_training_goes_on_with_the_same_net(other):
    x, y = np.linspace(-1, 1, 12).reshape(2, 6, 1), np.ones((2, 6, 1))
    state = cyclic().fit(x, y, epochs=2).state
    with pytest.raises(ValueError, match="another net"):
        other().fit(x, y, epochs=4, resume=state)
    net, whole = cyclic(), cyclic()
    net.parameters = np.full(len(net.parameters), 9.0)  # parameters may be others: they are those of the training
    net.fit(x, y, epochs=4, resume=state)
    whole.fit(x, y, epochs=4)
    np.testing.assert_array_equal(net.parameters, whole.parameters)


def test_sharing_is_part_of_the_net_that_goes_on():
    """Of three links two share a weight: which two shows in no number of weights or links."""

    def shared(first, second):
        names = ["s" if i in (first, second) else None for i in range(3)]
        net = Net(seed=0)
        net.input("x")
        net.neuron("y", "linear", output=True)
        for delay, name in enumerate(names):
            net.link("x", "y", 0.5, delay=delay, share=name)
        return net

    x, y = np.linspace(-1, 1, 12).reshape(2, 6, 1), np.ones((2, 6, 1))
    state = shared(0, 1).fit(x, y, epochs=2).state
    shared(0, 1).fit(x, y, epochs=4, resume=state)
    with pytest.raises(ValueError, match="another net: 2 units, 3 links, 3 parameters, digest"):
        shared(0, 2).fit(x, y, epochs=4, resume=state)


def test_a_state_that_no_file_can_hold_is_refused(tmp_path):
    class Odd(Uphill):
        def init(self, w):
            return {1, 2}

        def step(self, w, gradient, state):
            return w, state

    history = small().fit(*data(10), optimiser=Odd(), epochs=1)
    with pytest.raises(TypeError, match=r"the state of the optimiser has \{1, 2\}"):
        history.state.save(tmp_path / "training.json")
    assert list(tmp_path.iterdir()) == []


# Sequences. -------------------------------------------------------------------------------------------------


def recurrent():
    net = Net()
    net.input("x")
    net.neuron("y", activation="linear", sources={"x": 0.1}, bias=0.2, output=True)
    net.link("y", "y", 0.5, delay=1)
    return net


def test_sequences_go_in_batches_with_their_targets_and_lengths():
    """SGD by hand, on the samples in the order of the generator."""
    x = np.random.default_rng(1).normal(size=(10, 4, 1))
    y, lengths = np.arange(10.0) / 10, np.arange(10) % 4 + 1
    net = recurrent()
    options = {"at": "last", "truncate": 2}
    history = net.fit(
        x, y, lengths=lengths, batch_size=4, epochs=2, validation=0.2, optimiser=SGD(0.1), seed=5, **options
    )
    rng = np.random.default_rng(5)
    order = rng.permutation(10)
    kept, apart = order[2:], order[:2]
    net, losses, validation_losses = recurrent(), [], []
    objective, w = net.objective(**options), net.parameters
    for _ in range(2):
        order = kept[rng.permutation(8)]
        for rows in (order[:4], order[4:]):
            w = w - 0.1 * objective(w, (x[rows], y[rows], lengths[rows]))[1]
        for rows, found in ((kept, losses), (apart, validation_losses)):
            found.append(objective(w, (x[rows], y[rows], lengths[rows]))[0])
    np.testing.assert_allclose(history.state.parameters, w, rtol=1e-12)
    assert history.loss == pytest.approx(losses, rel=1e-12)
    assert history.validation_loss == pytest.approx(validation_losses, rel=1e-12)


def sign_net():
    """Logits (-x, x) of the present step, beside a delayed link that does nothing yet."""
    net = Net()
    net.input("x")
    net.neuron("no", activation="linear", sources={"x": -1.0}, output=True)
    net.neuron("yes", activation="linear", sources={"x": 1.0}, output=True)
    net.link("x", "no", 0.0, delay=1)
    return net


@pytest.mark.parametrize("shaped", [lambda y: y, lambda y: y[..., None], lambda y: np.eye(2)[y]])
@pytest.mark.parametrize("lengths", [None, [3, 1, 4, 2, 4]])
@pytest.mark.parametrize("share", [None, 0.4])
def test_accuracy_counts_the_steps_that_the_loss_sees(shaped, lengths, share):
    x = np.random.default_rng(2).normal(size=(5, 4, 1))
    y = (x[..., 0] > 0).astype(int)
    if lengths:
        for i, n in enumerate(lengths):
            x[i, n:], y[i, n:] = math.nan, 1 - y[i, n:]
    options = {"loss": "softmax_cross_entropy", "metric": "accuracy", "optimiser": SGD(1e-9), "epochs": 2}
    history = sign_net().fit(x, shaped(y), lengths=lengths, validation=share, **options)
    assert history.metrics == [1.0, 1.0]
    history = sign_net().fit(x, shaped(1 - y), lengths=lengths, validation=share, **options)
    assert history.metrics == [0.0, 0.0]


@pytest.mark.parametrize("at", [None, "last"])
def test_a_metric_of_the_last_step_is_given_the_last_step(at):
    x, lengths, seen = np.random.default_rng(2).normal(size=(5, 4, 1)), np.array([3, 1, 4, 2, 4]), []
    net = sign_net()
    outputs, options = net.predict(x), {"optimiser": SGD(1e-12), "epochs": 1, "at": at}
    for y in (np.eye(2)[[0, 1, 1, 0, 1]], np.array([0, 1, 1, 0, 1])):
        loss = "softmax_cross_entropy"
        net.fit(x, y, loss=loss, metric=lambda *given: float(seen.append(given) or 0.0), **options)
        net.fit(x, y, loss=loss, lengths=lengths, metric=lambda *given: float(seen.append(given) or 0.0), **options)
        (all_steps, first), (some_steps, second) = seen[-2:]
        np.testing.assert_allclose(all_steps, outputs[:, -1], atol=1e-9)
        np.testing.assert_allclose(some_steps, outputs[np.arange(5), lengths - 1], atol=1e-9)
        np.testing.assert_array_equal(first, y)
        np.testing.assert_array_equal(second, y)


def test_a_metric_of_all_steps_is_given_those_that_count_sequence_after_sequence():
    x, lengths, seen = np.random.default_rng(2).normal(size=(3, 4, 1)), np.array([3, 1, 4]), []
    net, y = sign_net(), np.arange(24.0).reshape(3, 4, 2)
    outputs = net.predict(x)
    options = {"optimiser": SGD(1e-12), "epochs": 1, "metric": lambda *given: float(seen.append(given) or 0.0)}
    net.fit(x, y, lengths=lengths, **options)
    sign_net().fit(x[:1], np.zeros((1, 4, 2)), validation=(x, y, lengths), **options)
    for found, targets in seen:
        np.testing.assert_allclose(found, np.concatenate([outputs[0, :3], outputs[1, :1], outputs[2]]), atol=1e-9)
        np.testing.assert_array_equal(targets, np.concatenate([y[0, :3], y[1, :1], y[2]]))
    assert len(seen) == 2
    net.fit(x[0], y[0], **options)  # one sequence
    assert [given.shape for given in seen[-1]] == [(4, 2), (4, 2)]


def test_a_training_goes_on_whether_the_steps_are_named_or_read_off():
    x, y = np.random.default_rng(3).normal(size=(5, 4, 1)), np.arange(5.0)
    state = recurrent().fit(x, y, epochs=2).state
    assert recurrent().fit(x, y, at="last", epochs=4, resume=state) == recurrent().fit(x, y, epochs=4)


def test_sequences_that_do_not_fit_are_refused():
    x, ones = np.zeros((3, 4, 1)), np.ones((3, 4, 1))
    for arguments, options, message in [
        ((x, [1.0, 2.0]), {}, r"Y has a row per step and sequence.* got shape \(2,\)"),
        ((x, [1.0, 2.0, 3.0]), {"lengths": [1, 2]}, r"lengths has a whole number per sequence, of shape \(3,\)"),
        ((x[:0], []), {}, "X has no samples"),
        ((x, [1.0, 2.0, 3.0]), {"validation": (x, [1.0])}, "validation: Y has a row per step"),
        ((x, [1.0, 2.0, 3.0]), {"validation": (x, ones)}, 'validation: Y has a row per step.* with at="last"'),
        ((ones * math.nan, ones), {"validation": (x, ones)}, r"X\[0, 0, 0\] .* is nan"),
        ((x, ones * math.nan), {"validation": (x, ones)}, r"Y\[0, 0\] .* is \[?nan"),
        ((x, [1.0, 2.0, 3.0]), {"optimiser": "lm"}, "does not go back in time"),
    ]:
        net = recurrent()
        with pytest.raises(ValueError, match=message):
            net.fit(*arguments, epochs=1, **options)
        np.testing.assert_array_equal(net.parameters, recurrent().parameters)
