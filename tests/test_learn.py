"""Losses and optimisers against their textbook forms, and what `fit` promises however it ends."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_softmax
from sklearn.metrics import log_loss, mean_squared_error

from autograd import ops
from autograd.learn import LOSSES, SGD, Adam, History, accuracy, find_loss, fit
from autograd.net import Net

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


# Optimisers. ------------------------------------------------------------------------------------------------


def descend(optimiser, steps, w):
    state = optimiser.init(w)
    for _ in range(steps):
        before = w.copy()
        new, state = optimiser.step(w, 2 * (w - 3), state)
        np.testing.assert_array_equal(w, before)  # a step is pure
        w = new
    return w


def test_steps_are_the_textbooks():
    w, g = np.array([1.0, -2.0]), np.array([0.5, 4.0])
    sgd = SGD(0.1, momentum=0.9)
    w1, v = sgd.step(w, g, sgd.init(w))
    np.testing.assert_allclose(w1, w - 0.1 * g)
    np.testing.assert_allclose(sgd.step(w1, g, v)[0], w1 - 0.1 * (0.9 * g + g))
    adam = Adam(0.01)
    w1, state = adam.step(w, g, adam.init(w))
    # The first step is the rate, whatever the size of the gradient.
    np.testing.assert_allclose(w1, w - 0.01 * np.sign(g), rtol=1e-6)
    g2 = -g
    mean, square = (
        (0.9 * 0.1 * g + 0.1 * g2) / (1 - 0.9**2),
        (0.999 * 0.001 * g**2 + 0.001 * g2**2) / (1 - 0.999**2),
    )
    np.testing.assert_allclose(adam.step(w1, g2, state)[0], w1 - 0.01 * mean / (np.sqrt(square) + 1e-8))


def test_eps_of_adam_is_added_to_the_root_after_the_correction():
    adam, g = Adam(0.01, betas=(0.5, 0.75), eps=0.1), np.array([0.5, -1e-3])
    w, state = adam.step(np.zeros(2), g, adam.init(np.zeros(2)))
    np.testing.assert_allclose(w, -0.01 * g / (np.abs(g) + 0.1), rtol=1e-14)
    again, _ = adam.step(w, 3 * g, state)
    mean, square = (0.25 * g + 0.5 * 3 * g) / 0.75, (0.1875 * g**2 + 0.25 * 9 * g**2) / 0.4375
    np.testing.assert_allclose(again, w - 0.01 * mean / (np.sqrt(square) + 0.1), rtol=1e-14)


@pytest.mark.parametrize("optimiser", [SGD(0.1), SGD(0.05, 0.9), Adam(0.1)])
def test_optimisers_find_the_bottom(optimiser):
    np.testing.assert_allclose(descend(optimiser, 500, np.array([-5.0, 10.0])), [3.0, 3.0], atol=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(0.0),
        lambda: SGD(math.nan),
        lambda: SGD(0.1, 1.0),
        lambda: Adam(-1.0),
        lambda: Adam(0.1, (0.9, 1.0)),
        lambda: Adam(0.1, eps=0.0),
    ],
)
def test_optimisers_refuse_what_cannot_work(make):
    with pytest.raises(ValueError, match="is a number"):
        make()


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


class Uphill:
    """An optimiser that walks away from any minimum, and counts its steps in the state."""

    def init(self, w):
        return 0

    def step(self, w, gradient, state):
        return w + 1000.0, state + 1


def watched(monkeypatch, samples=10, **options):
    """Train a net on y = 100 + x and return the batches (x, y, weights), the history, the net, the weights before."""
    batches, original = [], Net.loss_and_gradient

    def watch(self, x, y, loss="mse", *, parameters=None):
        batches.append((x[:, 0].tolist(), y.tolist(), parameters.copy()))
        return original(self, x, y, loss, parameters=parameters)

    x = np.arange(float(samples))[:, None]
    net = Net.layered([1, 1], seed=1)
    before = net.parameters
    with monkeypatch.context() as patch:
        patch.setattr(Net, "loss_and_gradient", watch)
        history = net.fit(x, 100 + x[:, 0], **{"optimiser": Uphill(), "epochs": 2, "batch_size": 4, **options})
    return batches, history, net, before


def test_an_epoch_goes_through_all_samples_once_in_an_order_of_its_own(monkeypatch):
    batches, history, net, before = watched(monkeypatch)
    assert [len(xs) for xs, _, _ in batches] == [4, 4, 2, 4, 4, 2]
    assert all(ys == [100 + x for x in xs] for xs, ys, _ in batches)
    first, second = ([x for xs, _, _ in part for x in xs] for part in (batches[:3], batches[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert len({tuple(first), tuple(second), tuple(range(10))}) == 3
    other = watched(monkeypatch, seed=1)[0]
    assert [xs for xs, _, _ in other] != [xs for xs, _, _ in batches]
    for step, (_, _, w) in enumerate(batches):  # each gradient is that of the weights of the step before
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
    trained = {x for xs, _, _ in batches for x in xs}
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
