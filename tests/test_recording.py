"""What a recording keeps of a training, and that the training is the same with it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import SGD, Adam, Net
from autograd.diagnose import QUANTILES, Watch, diagnose
from autograd.layers import dense, lstm
from autograd.learn import LOOKED_AT, Training
from autograd.netsweep import Sweep
from visualize.graph import ALIVE, DEAD, DETACHED, NONFINITE
from visualize.recording import LEAST, MOST, Course, Recording, course_of, record
from visualize.sources import root_mean_square

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
ODD = np.array([0.0, 1.0, 1.0, 0.0])


def net(seed=0):
    return Net.random(2, 12, 1, seed=seed)


def data(samples=40, seed=0):
    x = np.random.default_rng(seed).normal(size=(samples, 2))
    return x, np.sin(x[:, 0]) * x[:, 1]


def recorded(epochs=20, options=None, **more):
    """A trained net and the recording of its training."""
    trained = net()
    recording = record(trained, **(options or {}))
    trained.fit(*data(), epochs=epochs, diagnose=recording, progress=False, **more)
    return trained, recording


def parameters_after(epochs, **more):
    """What a training without a recording has reached after so many epochs."""
    if not epochs:
        return net().parameters
    return net().fit(*data(), epochs=epochs, progress=False, **more).state.parameters


# The training. -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", ["adam", "rprop", "lbfgs", "lm"])
def test_a_training_is_the_same_with_a_recording(optimiser):
    plain, watched = net(), net()
    recording = record(watched)
    expected = plain.fit(*data(), epochs=6, optimiser=optimiser)
    history = watched.fit(*data(), epochs=6, optimiser=optimiser, diagnose=recording)
    assert history == expected
    assert history.flow == []
    np.testing.assert_array_equal(watched.parameters, plain.parameters)
    assert recording.epochs.tolist() == list(range(history.epochs + 1))
    np.testing.assert_array_equal(recording.loss[1:], history.loss)


def test_no_sweep_is_made_before_somebody_looks(monkeypatch):
    trained = net()
    recording = record(trained)
    monkeypatch.setattr(Sweep, "backward", None)
    trained.fit(*data(), epochs=50, diagnose=recording)
    assert len(recording) == 51
    with pytest.raises(TypeError):
        recording.flow(0)


def test_a_look_is_at_the_weights_after_its_epoch():
    _, recording = recorded(7, {"every": 3}, optimiser="adam")
    assert recording.epochs.tolist() == [0, 3, 6, 7]
    for k, epoch in enumerate(recording.epochs.tolist()):
        there = net()
        there.parameters = parameters_after(epoch, optimiser="adam")
        assert recording.flow(k) == diagnose(there, *data())
        np.testing.assert_array_equal(recording.net_at(k).parameters, there.parameters)


def test_many_samples_are_drawn_once():
    trained = net()
    recording = record(trained)
    x, y = data(500)
    trained.fit(x, y, epochs=2, diagnose=recording)
    assert {recording.flow(k).samples for k in range(3)} == {LOOKED_AT}
    assert recording.flow(0) == diagnose(net(), x, y, most=LOOKED_AT)
    assert recording.net_at(1).phi.shape == (len(trained), LOOKED_AT)


def test_the_validation_loss_is_kept():
    trained = net()
    recording = record(trained)
    history = trained.fit(*data(), epochs=4, validation=0.25, diagnose=recording)
    assert math.isnan(recording.validation_loss[0])
    np.testing.assert_array_equal(recording.validation_loss[1:], history.validation_loss)
    assert np.isnan(recorded(3)[1].validation_loss).all()


def test_a_recording_is_what_fit_asks_for():
    assert isinstance(record(net()), Watch)


# How far the weights move. -------------------------------------------------------------------------------------------


def test_update_is_the_step_over_the_weights_that_lead_into_a_level():
    rate = 0.01
    _, recording = recorded(5, optimiser=SGD(rate), batch_size=None)
    assert np.isnan(recording.update[0]).all()  # no step has been made
    for k in range(1, 6):
        there = net()
        there.parameters = parameters_after(k - 1, optimiser=SGD(rate), batch_size=None)
        there.forward(data()[0])
        there.sweep(data()[1])
        for level in range(there.depth + 1):
            into = there.level[there.target] == level
            if not into.any():
                assert np.isnan(recording.update[k, level])
                continue
            ratio = rate * np.linalg.norm(there.weight_gradient[into]) / np.linalg.norm(there.weights[into])
            assert recording.update[k, level] == pytest.approx(np.log10(ratio), abs=1e-9)


def test_update_is_of_the_last_batch_alone():
    seen = []

    class Spy:
        def init(self, w):
            return None

        def step(self, w, gradient, state):
            moved = w - 0.05 * gradient
            seen.append((w.copy(), moved.copy()))
            return moved, state

    trained = Net.from_edges([("x", "y", 0.5)])
    recording = record(trained)
    trained.fit(data()[0][:, :1], data()[1], epochs=3, batch_size=8, optimiser=Spy(), diagnose=recording)
    assert len(seen) == 15
    for epoch in (1, 2, 3):
        before, after = seen[5 * epoch - 1]
        expected = np.log10(abs(after[0] - before[0]) / abs(before[0]))
        assert recording.update[epoch, 1] == pytest.approx(expected, rel=1e-12)


def test_weights_that_stay_and_weights_that_cannot_move():
    trained = Net.layered([2, 3, 1], seed=1)
    trained.freeze("y1")
    recording = record(trained)
    trained.fit(XOR, ODD, epochs=2, optimiser=SGD(0.0 + 1e-320), diagnose=recording)
    assert recording.update[2, 1] == -math.inf
    assert np.isnan(recording.update[2, [0, 2]]).all()


# What is kept. -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 90), st.integers(2, 12))
@settings(derandomize=True, deadline=None, max_examples=25)
def test_looks_are_even_few_and_reach_the_end(epochs, most):
    _, recording = recorded(epochs, {"most": most}, optimiser=SGD(0.01), batch_size=None)
    found = recording.epochs.tolist()
    assert found[0] == 0
    assert found[-1] == epochs
    assert len(found) == len(recording) <= most + 1
    steps = set(np.diff(found[:-1]).tolist())
    assert len(steps) <= 1
    for step in steps:
        assert step & (step - 1) == 0  # a power of 2
        assert found[-1] - found[-2] <= step
        assert step == 1 or len(found) > most // 2


def test_by_default_any_number_where_every_is_given():
    assert len(recorded(3 * MOST, {"every": 1}, optimiser=SGD(0.01), batch_size=None)[1]) == 3 * MOST + 1
    assert len(recorded(3 * MOST, optimiser=SGD(0.01), batch_size=None)[1]) <= MOST + 1


def test_memory_is_bounded():
    trained = net()
    size = 16 * len(trained.parameters)
    recording = record(trained, every=1, memory=5 * size)
    trained.fit(*data(), epochs=40, diagnose=recording)
    assert recording.epochs.tolist() == [0, 16, 32, 40]


def test_long_sequences_have_fewer_looks():
    rng = np.random.default_rng(0)
    over_time = Net(seed=0)
    over_time.input("x")
    over_time.output(*dense(over_time, "y", 1, lstm(over_time, "m", 4, ["x"]), "linear"))
    recording = record(over_time)
    over_time.fit(rng.normal(size=(3, 300, 1)), rng.normal(size=3), at="last", epochs=40, diagnose=recording)
    assert LEAST / 2 <= len(recording) <= LEAST + 1


def test_a_look_stays_when_the_net_changes():
    trained, recording = recorded(4)
    before = [recording.flow(k) for k in range(5)]
    again = recorded(4)
    again[0].neuron("new", "tanh", {"x1": 1.0}, output=True)
    assert [again[1].flow(k) for k in range(5)] == before
    assert again[1].graph(2).names == recording.graph(2).names
    trained.parameters = np.zeros(len(trained.parameters))
    assert not np.array_equal(recording.net_at(4).parameters, trained.parameters)


def test_a_look_stays_when_the_data_change():
    x, y = np.array([[0.5, 1.0]]), np.array([[1.0]])
    recording, expected = record(net()), diagnose(net(), x, y)
    recording.look(x, y)
    x[:], y[:] = 7.0, -7.0
    assert recording.flow(0) == expected


# Several trainings. --------------------------------------------------------------------------------------------------


def test_a_second_training_continues_the_first():
    trained, recording = recorded(5)
    second = trained.fit(*data(), epochs=3, optimiser=Adam(1e-4), diagnose=recording)
    assert recording.epochs.tolist() == list(range(9))
    np.testing.assert_array_equal(recording.loss[6:], second.loss)
    assert recording.course.best == 5 + second.best_epoch
    assert recording.course.loss_epochs.tolist() == list(range(1, 9))


def test_a_training_that_is_resumed_goes_on_in_the_same_recording():
    whole = recorded(9)[1]
    trained = net()
    recording = record(trained)
    state = trained.fit(*data(), epochs=4, diagnose=recording).state
    trained.fit(*data(), epochs=7, diagnose=recording, resume=state)
    trained.fit(*data(), epochs=9, diagnose=recording, resume=state)  # from the same place once more
    assert recording.epochs.tolist() == list(range(10))
    np.testing.assert_array_equal(recording.loss, whole.loss)
    assert all(recording.flow(k) == whole.flow(k) for k in range(10))


def test_a_new_recording_of_a_training_that_is_resumed_begins_there(tmp_path):
    trained = net()
    trained.fit(*data(), epochs=4, checkpoint=tmp_path / "training.json")
    recording = record(trained)
    state = Training.load(tmp_path / "training.json")
    trained.fit(*data(), epochs=6, diagnose=recording, resume=state)
    assert recording.epochs.tolist() == [4, 5, 6]
    assert recording.course.loss_epochs.tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(recording.loss[0], state.history.loss[-1])


def test_a_recording_is_of_one_net():
    trained, recording = recorded(2)
    with pytest.raises(ValueError, match="this recording is of another net"):
        net().fit(*data(), epochs=1, diagnose=recording)
    trained.freeze("y1")
    with pytest.raises(ValueError, match="not the one that the recording began with"):
        trained.fit(*data(), epochs=1, diagnose=recording)
    assert recording.epochs.tolist() == [0, 1, 2]


# By hand. ------------------------------------------------------------------------------------------------------------


def test_looking_by_hand_is_what_fit_does():
    trained = net()
    recording, expected = record(trained), recorded(4, optimiser=SGD(0.01), batch_size=None)[1]
    x, y = data()
    recording.look(x, y, epoch=0)
    for epoch in range(1, 5):
        before = trained.parameters
        _, gradient = trained.loss_and_gradient(x, y)
        trained.parameters = before - 0.01 * gradient
        recording.look(x, y, before=before)
        assert recording.epochs[-1] == epoch
    assert len(recording) == 5
    np.testing.assert_allclose(recording.quantiles, expected.quantiles, rtol=1e-9)
    np.testing.assert_allclose(recording.update, expected.update, rtol=1e-6)
    np.testing.assert_allclose(recording.loss, expected.loss, rtol=1e-9)
    assert recording.course.best == -1


def test_looks_by_hand_go_forward_and_thin_out():
    recording = record(net(), most=4)
    x, y = data()
    for epoch in range(0, 40, 2):
        recording.look(x, y, epoch=epoch)
    assert len(recording) <= 5
    assert recording.epochs[0] == 0
    assert recording.epochs[-1] == 38
    for wrong in (38, 5):
        with pytest.raises(ValueError, match=f"epoch={wrong} is not after 38"):
            recording.look(x, y, epoch=wrong)
    with pytest.raises(ValueError, match=r"before holds the \d+ parameters"):
        recording.look(x, y, before=[1.0])
    with pytest.raises(ValueError, match="finite"):
        recording.look(x * math.nan, y)
    assert recording.epochs[-1] == 38


# Graphs and nets. ----------------------------------------------------------------------------------------------------


def test_graphs_of_all_looks_have_the_same_nodes_and_edges():
    trained, recording = recorded(6)
    first = recording.graph(0)
    for k in range(len(recording)):
        graph, there = recording.graph(k), recording.net_at(k)
        assert graph.names == first.names
        np.testing.assert_array_equal(graph.source, first.source)
        np.testing.assert_array_equal(graph.target, first.target)
        n = len(trained)
        np.testing.assert_array_equal(graph.gradients[:n], root_mean_square(there.delta))
        np.testing.assert_array_equal(graph.values[:n], there.phi.mean(axis=1))
        np.testing.assert_array_equal(graph.factors[: len(trained.source)], there.weights)
        assert graph.loss == pytest.approx(recording.flow(k).loss, rel=1e-12)
    np.testing.assert_array_equal(recording.graph(-1).values, recording.graph(len(recording) - 1).values)


def test_steps_are_looks_for_a_slider():
    recording = recorded(30)[1]
    labels, graphs = zip(*recording.steps(4), strict=True)
    assert labels == ("epoch 0", "epoch 10", "epoch 20", "epoch 30")
    np.testing.assert_array_equal(graphs[1].gradients, recording.graph(10).gradients)
    assert len(recording.steps()) == 31
    assert record(net()).steps() == []


@pytest.mark.parametrize("at", ["all", "last"])
@pytest.mark.parametrize("some", [False, True])
def test_a_look_at_a_net_over_time(at, some):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, 6, 1))
    y = rng.normal(size=(5, 6, 2) if at == "all" else (5, 2))
    lengths = rng.integers(1, 7, 5) if some else None
    over_time = Net.from_edges(
        [("x", "h"), ("h", "h", 0.5), ("h", "y"), ("x", "z", 1.0)], delays=[0, 1, 0, 2], outputs=["y", "z"],
        activations="tanh", seed=2,
    )  # fmt: skip
    expected = diagnose(over_time, x, y, lengths=lengths, at=at)
    recording = record(over_time)
    over_time.fit(x, y, lengths=lengths, at=at, epochs=2, diagnose=recording)
    assert recording.flow(0) == expected
    there = recording.net_at(0)
    assert there.loss == pytest.approx(expected.loss, rel=1e-12)
    assert there.delta.shape == (4, 5, 6)
    counted = np.arange(6) < (np.full(5, 6) if lengths is None else lengths)[:, None]
    np.testing.assert_allclose(np.sqrt((there.delta[:, counted] ** 2).mean(axis=1)), expected.delta_rms, rtol=1e-12)
    assert recording.graph(1).over_time.shape == (5, 6)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "binary_cross_entropy", lambda phi, y: (phi[0] - y[0]) ** 2])
def test_a_look_through_other_losses(loss):
    x = data()[0]
    wide = loss == "softmax_cross_entropy"
    y = (x[:, 0] > 0).astype(int)
    trained = Net.layered([2, 3, 3 if wide else 1], seed=1)
    recording = record(trained)
    trained.fit(x, y, loss=loss, epochs=2, diagnose=recording)
    for k in range(3):
        assert recording.net_at(k).loss == pytest.approx(recording.flow(k).loss, rel=1e-12)


# The course. ---------------------------------------------------------------------------------------------------------


def test_quantiles_are_of_the_units_of_a_level():
    trained = Net.layered([2, 5, 4, 1], seed=3)
    recording = record(trained)
    trained.fit(*data(), epochs=3, diagnose=recording)
    course = recording.course
    assert list(course.levels) == ["input", "level 1", "level 2", "output"]
    assert course.units.tolist() == [2, 5, 4, 1]
    for k in range(4):
        flow = recording.flow(k)
        for level in range(4):
            sizes = flow.delta_rms[flow.level == level]
            np.testing.assert_array_equal(course.quantiles[k, level], np.quantile(sizes, QUANTILES))
        assert course.reference[k] == flow.delta_rms[-1]
    assert (course.decades[:, 3] == 0).all()
    assert (course.marks == ALIVE).all()
    assert course is recording.course


def test_dead_units_are_counted_and_dead_levels_marked():
    dying = Net()
    dying.input("x")
    dying.neuron("alive", "relu", {"x": 1.0}, bias=1.0)
    dying.neuron("dead", "relu", {"x": 1.0}, bias=-9.0)
    dying.neuron("y", "linear", {"alive": 1.0, "dead": 1.0}, output=True)
    dying.neuron("loose", "tanh", {"y": 1.0})
    recording = record(dying)
    recording.look([[0.1], [0.2]], [0.0, 0.0])
    dying["alive"].bias = -9.0
    recording.look([[0.1], [0.2]], [1.0, 1.0])  # y is 0
    assert recording.dead.tolist() == [[0, 1, 0, 0], [1, 2, 0, 0]]
    assert recording.course.marks.tolist() == [[ALIVE, ALIVE, ALIVE, DETACHED], [DEAD, DEAD, ALIVE, DETACHED]]
    dying["alive"].bias = 1.0
    dying.set_weight("alive", "y", 1e200)
    recording.look([[0.1], [0.2]], [0.0, 0.0], loss=lambda phi, y: phi[0] ** 2 * phi[0])
    assert recording.course.marks[2, :3].tolist() == [NONFINITE] * 3
    assert math.isnan(recording.course.reference[2])


def test_a_history_with_looks_has_a_course():
    trained = net()
    history = trained.fit(*data(), epochs=6, diagnose=2)
    course, expected = course_of(history), recorded(6, {"every": 2})[1].course
    assert isinstance(course, Course)
    assert course_of(course) is course
    for name in ("epochs", "units", "quantiles", "marks", "dead", "reference", "loss_epochs", "loss"):
        np.testing.assert_array_equal(getattr(course, name), getattr(expected, name))
    assert course.levels == expected.levels
    assert course.best == expected.best == history.best_epoch
    assert np.isnan(course.update).all()
    with pytest.raises(ValueError, match="this history has no looks"):
        course_of(net().fit(*data(), epochs=1))
    with pytest.raises(TypeError, match="expected a Recording or the History"):
        course_of(net())


# Edges. --------------------------------------------------------------------------------------------------------------


def test_an_empty_recording_says_what_to_do():
    recording = record(net())
    assert len(recording) == 0
    assert repr(recording) == "<Recording: no look yet>"
    assert recording._repr_mimebundle_() == {"text/plain": "<Recording: no look yet>"}
    for what in (lambda: recording.course, lambda: recording.loss, recording.draw):
        with pytest.raises(ValueError, match=r"train with net\.fit\(\.\.\., diagnose=recording\)"):
            what()
    for what in (recording.flow, recording.graph, recording.net_at):
        with pytest.raises(IndexError, match="there is no look 0"):
            what(0)


def test_looks_out_of_range():
    recording = recorded(3)[1]
    assert recording.flow(-4) == recording.flow(0)
    for k in (4, -5):
        with pytest.raises(IndexError, match=f"there is no look {k}; they are 0 to 3"):
            recording.graph(k)


def test_a_recording_shows_itself():
    recording = recorded(3)[1]
    assert repr(recording).startswith("<Recording: 4 looks at epochs 0 to 3, loss ")
    bundle = recording._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    one = record(net())
    one.look(*data())
    assert repr(one) == "<Recording: 1 look at epoch 0>"


@pytest.mark.parametrize(("options", "error"), [
    ({"every": 0}, "every is a whole number of at least 1"), ({"every": 1.5}, "every"), ({"most": 1}, "at least 2"),
    ({"memory": 0}, "memory"), ({"most": True}, "most"),
])  # fmt: skip
def test_options_out_of_range_are_refused(options, error):
    with pytest.raises(ValueError, match=error):
        record(net(), **options)


def test_only_nets_are_recorded():
    with pytest.raises(TypeError, match="record takes the Net that will be trained, got list"):
        record([1, 2])
    assert isinstance(record(net()), Recording)


# Mistakes made by hand, which the tests above did not notice (tests/mutants.py). --------------------------------------


def test_a_level_of_dead_units_and_units_without_a_path_is_dead():
    mixed = Net()
    mixed.input("x")
    mixed.neuron("dead", "relu", {"x": 1.0}, bias=-9.0)
    mixed.neuron("loose", "tanh", {"x": 1.0})
    mixed.neuron("y", "linear", {"dead": 1.0, "x": 0.5}, output=True)
    recording = record(mixed)
    recording.look([[0.1], [0.2]], [0.0, 0.0])
    assert recording.course.marks.tolist() == [[ALIVE, DEAD, ALIVE]]


@pytest.mark.parametrize(("epochs", "every", "expected"), [(7, 3, [0, 3, 6, 7]), (6, 3, [0, 3, 6]), (2, 5, [0, 2])])
def test_the_last_epoch_is_a_look_and_one_only(epochs, every, expected):
    recording = recorded(epochs, {"every": every})[1]
    assert recording.epochs.tolist() == expected
    assert len(recording) == len(expected)


def test_the_reference_is_the_median_of_the_outputs():
    wide = Net.layered([2, 3, 4], seed=2)
    recording = record(wide)
    recording.look([[1.0, 2.0], [0.5, -1.0]], [[1.0, 2.0, 3.0, 9.0], [0.0, 1.0, 0.0, 5.0]])
    sizes = recording.flow(0).delta_rms[-4:]
    assert recording.course.reference[0] == pytest.approx(np.median(np.abs(sizes)), rel=1e-14)


@pytest.mark.parametrize("first", [0, 3, 5])
def test_the_first_look_is_kept_whatever_its_epoch(first):
    looked = net()
    recording = record(looked, most=4)
    for epoch in range(first, 21):
        recording.look(*data(), epoch=epoch)
    assert recording.epochs[0] == first
    assert recording.epochs[-1] == 20
    assert len(recording) <= 5


def test_the_step_before_a_training_was_resumed_is_known():
    whole = recorded(7)[1]
    trained = net()
    recording = record(trained)
    state = trained.fit(*data(), epochs=4, diagnose=recording).state
    trained.fit(*data(), epochs=7, diagnose=recording, resume=state)
    np.testing.assert_array_equal(recording.update, whole.update)
