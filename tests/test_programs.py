"""Tests of the graphs of compiled functions: every number against the eager engine, samples, branches, bad input."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
import visualize
from autograd import Value, compiler, ops
from autograd.op import Op
from autograd.record import CONDITIONS
from autograd.testing.strategies import programs
from visualize import programs as drawn
from visualize.graph import DEAD, DETACHED, INPUT, LOSS, NONFINITE, UNIT, UNSWEPT
from visualize.programs import from_program
from visualize.sources import from_value

FEW = settings(max_examples=40)


def replayed(f, point):
    """What a recording was made of, done again on Values: {name in the picture: Value}, conditions left out."""
    inputs, steps, (result,), *_ = f._variants[0].plain()
    made = [Value(x) for x in point]
    assert len(made) == len(inputs)
    for name, operands in steps:
        xs = [made[x] if type(x) is int else x for x in operands]
        if name.startswith("?"):
            made.append(CONDITIONS[name[1:]].call([x.data if isinstance(x, Value) else x for x in xs]))
        else:
            op = ops.lookup(name)
            made.append(op(xs) if op.arity < 0 and op is not ops.dot else
                        op(xs[: len(xs) // 2], xs[len(xs) // 2 :]) if op is ops.dot else op(*xs))  # fmt: skip
    made[result].backward()
    names = [*(f"x[{k}]" for k in range(len(point))), *(f"v{k}" for k in range(len(steps)))]
    return dict(zip(names, made, strict=True))


def rows_near(program, n):
    rng = np.random.default_rng(n)
    rows = np.array(program.point) * (1.0 + 1e-3 * rng.uniform(-1, 1, (n, len(program.point))))
    rows[0] = program.point
    return rows


def branching():
    return ag.jit(lambda x: ag.sqrt(x[0]) * x[1] if x[0] > 0 else -x[1])


# Numbers. ------------------------------------------------------------------------------------------------------------


@FEW
@given(programs())
def test_every_node_of_one_sample_is_what_the_eager_engine_has(program):
    f = ag.jit(lambda x: program(x))
    graph = from_program(f, program.point)
    made = [replayed(f, program.point)[name] for name in graph.names]
    assert graph.values.tolist() == [v.data if isinstance(v, Value) else v for v in made]
    gradients = [v.grad if isinstance(v, Value) else 0.0 for v in made]
    np.testing.assert_allclose(graph.gradients, gradients, 1e-11, 1e-12)  # sums may be in another order
    n = len(program.point)
    value, gradient = ag.value_and_grad(program)(program.point)
    assert graph.loss == pytest.approx(value, rel=1e-12, abs=1e-13)
    np.testing.assert_allclose(graph.gradients[:n], gradient, 1e-10, 1e-12)
    np.testing.assert_allclose(graph.gradients[:n], f.value_and_grad(program.point)[1], 1e-10, 1e-12)


@FEW
@given(programs(exact=True))
def test_where_no_sum_is_rounded_every_gradient_is_the_eager_one_to_the_last_bit(program):
    f = ag.jit(lambda x: program(x))
    graph = from_program(f, program.point)
    made = [replayed(f, program.point)[name] for name in graph.names]
    assert graph.gradients.tolist() == [v.grad if isinstance(v, Value) else 0.0 for v in made]
    assert graph.gradients[: len(program.point)].tolist() == ag.grad(program)(program.point)


@FEW
@given(programs())
def test_the_messages_of_the_edges_add_up_to_the_gradients_of_their_sources(program):
    graph = from_program(ag.jit(lambda x: program(x)), program.point)
    arrived = np.zeros(len(graph))
    np.add.at(arrived, graph.source, graph.messages)
    last = graph.kinds == LOSS
    assert last.sum() == 1
    np.testing.assert_allclose(arrived[~last], graph.gradients[~last], 1e-9, 1e-9)
    open_ = graph.open
    assert np.array_equal(graph.messages[open_], (graph.factors * graph.gradients[graph.target])[open_])
    assert np.isnan(graph.factors[~open_]).all()
    assert (graph.messages[~open_] == 0).all()
    assert (graph.levels[graph.source] < graph.levels[graph.target]).all()


@FEW
@given(programs(), st.integers(2, 9))
def test_several_samples_are_means_and_root_mean_squares_of_single_ones(program, n):
    rows = rows_near(program, n)
    f = ag.jit(lambda x: program(x))
    graph = from_program(f, rows)
    each = [from_program(f, row) for row in rows]
    if graph.samples != n:  # a perturbed sample may branch otherwise at a condition that a power of it decides
        assert "branch otherwise" in graph.notes[0]
        return
    stack = lambda name: np.array([getattr(g, name) for g in each])
    np.testing.assert_allclose(graph.values, stack("values").mean(axis=0), 1e-11, 1e-11)
    np.testing.assert_allclose(graph.gradients, np.sqrt((stack("gradients") ** 2).mean(axis=0)), 1e-9, 1e-11)
    np.testing.assert_allclose(graph.messages, np.sqrt((stack("messages") ** 2).mean(axis=0)), 1e-9, 1e-11)
    np.testing.assert_allclose(graph.factors, stack("factors").mean(axis=0), 1e-9, 1e-11)
    assert f"{n} samples: g is the root mean square, v the mean" in graph.notes


@FEW
@given(programs(), st.integers(2, 9), st.integers(1, 40))
def test_the_size_of_the_blocks_makes_no_difference(program, n, room):
    rows, f = rows_near(program, n), ag.jit(lambda x: program(x))
    whole = from_program(f, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn, "ROOM", room)
        parts = from_program(f, rows)
    for name in ("values", "gradients", "factors", "messages"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), 1e-9, 1e-11)
    assert np.array_equal(parts.open, whole.open)


def test_a_program_that_shares_nothing_is_the_graph_of_its_values():
    def f(x):
        return ag.tanh(x[0] * x[1] + 3.0) / ag.exp(x[2])

    point = [0.5, -3.0, 0.25]
    root = f([Value(x) for x in point])
    root.backward()
    eager, graph = from_value(root), from_program(ag.jit(f), point)
    facts = lambda g: sorted(zip(g.ops, g.kinds, g.values, g.gradients, g.levels, strict=True))
    edges = lambda g: sorted(zip(g.factors, g.messages, g.levels[g.source], g.levels[g.target], strict=True))
    assert facts(graph) == facts(eager)
    assert edges(graph) == edges(eager)
    assert graph.loss == eager.loss


def test_the_names_and_operations_are_those_of_the_listing():
    f = ag.jit(lambda x: ag.exp(x[0]) * x[1] + ag.exp(x[0]))
    graph = from_program(f, [1.0, 2.0])
    assert graph.names == ["x[0]", "x[1]", "v0", "v1", "v2"]
    assert graph.ops == ["", "", "exp", "×", "+"]
    assert f.listing("value").splitlines()[:3] == ["v0 = exp(x[0])", "v1 = v0 * x[1]", "v2 = v1 + v0"]
    assert graph.gradients[2] == 3.0  # shared by two
    guarded = from_program(branching(), [4.0, 3.0])
    assert guarded.names == ["x[0]", "x[1]", "v1", "v2"]  # v0 is the guard
    assert guarded.notes == ("holds where x[0] > 0 (1 guard, not drawn)",)


def test_kinds_levels_and_words():
    graph = from_program(ag.jit(lambda x: (x[0] * x[1]) ** 0.5 + x[0]), at=[[4.0, 9.0]])
    assert graph.kinds.tolist() == [INPUT, INPUT, UNIT, UNIT, LOSS]
    assert graph.levels.tolist() == [0, 0, 1, 2, 3]
    assert graph.ops[3] == "^ 0.5"
    assert (graph.swept, graph.samples, graph.outputs.tolist()) == (True, 1, [4])
    assert graph.call == "f.value_and_grad(x)"
    assert graph.notes == ()
    assert visualize.draw(graph).text.startswith("f.value_and_grad(x) · 5 nodes")


def test_an_edge_may_carry_a_gradient_twice():
    graph = from_program(ag.jit(lambda x: x[0] * x[0]), [3.0])
    assert (graph.source.tolist(), graph.messages.tolist(), graph.gradients[0]) == ([0, 0], [3.0, 3.0], 6.0)


def test_sizes_whose_squares_are_no_doubles_are_averaged_all_the_same():
    for size in (1e-200, 1e200):
        graph = from_program(ag.jit(lambda x, size=size: x[0] * size), [[1.0], [2.0]])
        assert graph.gradients[0] == pytest.approx(size)
        assert graph.messages[0] == pytest.approx(size)


def test_what_is_not_finite_is_marked():
    graph = from_program(ag.jit(lambda x: ag.sqrt(x[0]) * x[1]), [[0.0, 1.0], [4.0, 1.0]])
    assert graph.marks[0] == NONFINITE
    assert graph.gradients[1] == pytest.approx(math.sqrt(2.0))


def test_of_a_choice_only_the_branch_taken_passes_a_gradient():
    f = ag.jit(lambda x: ag.where(x[0] > 0.0, x[0] * 2.0, ag.log(0.0 * x[1])))
    graph = from_program(f, [1.0, 1.0])
    at = {name: i for i, name in enumerate(graph.names)}
    condition, log = (i for i, op in enumerate(graph.ops) if op in ("> 0", "log"))
    assert graph.marks[[at["x[1]"], condition, log]].tolist() == [DETACHED] * 3
    assert graph.gradients[at["x[0]"]] == 2.0
    assert not graph.open[(graph.source == log) | (graph.source == condition)].any()

    # With samples of both kinds both are open, and the mean counts 0 where a branch was not taken.
    g = ag.jit(lambda x: ag.where(x[0] > 0.0, x[0] * 2.0, x[0] * 6.0))
    both = from_program(g, [[1.0], [-1.0], [2.0], [3.0]])
    last = both.target == len(both) - 1
    assert both.factors[last & both.open].tolist() == [0.75, 0.25]
    assert both.gradients[0] == pytest.approx(math.sqrt((3 * 4.0 + 36.0) / 4))
    # 0 * inf of a branch that was not taken is nothing.
    h = ag.jit(lambda x: ag.where(x[0] > 0.0, ag.sqrt(x[0]), x[0]))
    assert from_program(h, [[4.0], [0.0]]).gradients[0] == pytest.approx(math.sqrt((1 / 16 + 1) / 2))


def test_a_row_that_is_code_on_floats_is_taken_sample_by_sample():
    def value(x):
        return math.exp(x) if x > 0 else x + 1.0

    def partial(x, y):
        return y if x > 0 else 1.0

    op = Op("bend", value, (partial,))
    graph = from_program(ag.jit(lambda x: op(x[0]) * 2.0), [[-1.0], [1.0]])
    assert graph.values[1] == pytest.approx(math.e / 2)
    assert graph.gradients[0] == pytest.approx(math.sqrt((4.0 + 4.0 * math.e**2) / 2))


def test_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(compiler, "Kernel", None)
    monkeypatch.setattr(compiler, "TapeKernel", None)
    assert from_program(branching(), [[4.0, 3.0], [-1.0, 2.0]]).loss == 6.0


def test_a_long_loop_is_drawn_by_level():
    def f(x):
        y = x[0]
        for _ in range(3000):
            y = ag.sin(y) + x[1]
        return y

    graph = from_program(ag.jit(f), [[0.3, 0.5], [0.2, 0.4]])
    assert len(graph) == 6002
    assert int(graph.levels.max()) == 6000
    assert visualize.draw(graph).view == "levels"


# Branches. -----------------------------------------------------------------------------------------------------------


def test_the_branch_of_most_samples_is_drawn():
    f = branching()
    most = from_program(f, [[-1.0, 3.0], [4.0, 3.0], [1.0, 2.0]])
    assert f.variants == 2
    assert most.ops[2:] == ["sqrt", "×"]
    assert (most.samples, most.loss) == (2, 4.0)
    assert most.notes[0] == "1 of 3 samples branch otherwise (1 other way) and are not in this picture"
    other = from_program(f, [[-1.0, 3.0], [-4.0, 5.0], [1.0, 2.0]])
    assert other.ops[2:] == ["neg"]
    assert other.loss == -4.0
    assert "holds where not x[0] > 0 (1 guard, not drawn)" in other.notes


@FEW
@given(st.lists(st.sampled_from([1.5, 2.5, 900.0, -2.0]), min_size=1, max_size=12))
def test_samples_of_a_loop_are_counted_by_the_way_they_take(xs):
    def root(a: float):
        if a < 0:
            return a
        x = a
        while abs(x * x - a) > 1e-12 * a:
            x = (x + a / x) / 2
        return x

    f = ag.jit(root)
    graph = from_program(f, xs)
    ways = {x: len(from_program(ag.jit(root), x)) for x in set(xs)}
    counted = {size: sum(ways[x] == size for x in xs) for size in ways.values()}
    assert graph.samples == max(counted.values()) == counted[len(graph)]
    taken = [x for x in xs if ways[x] == len(graph)]
    assert graph.loss == pytest.approx(np.mean([x if x < 0 else math.sqrt(x) for x in taken]))


def test_many_guards_are_counted():
    def f(x):
        return x[0] * sum(1.0 for v in x if v > 0.0) + x[1]

    graph = from_program(ag.jit(f), [1.0, -2.0, 3.0, 4.0, 5.0])
    assert graph.notes == (
        "holds where x[0] > 0, not x[1] > 0, x[2] > 0, … (5 guards, not drawn)",
    )


# Without samples. ----------------------------------------------------------------------------------------------------


def test_without_samples_the_structure_is_drawn():
    f = branching()
    f([[4.0, 3.0], [-1.0, 3.0]])
    graph = from_program(f)
    assert not graph.swept
    assert set(graph.marks.tolist()) == {UNSWEPT}
    assert np.isnan(graph.values).all()
    assert graph.loss is None
    assert graph.notes[0] == "the first of 2 recordings; at= chooses by samples"
    picture = visualize.draw(graph)
    assert "f.value_and_grad(x) has not run" in picture.verdict
    assert "value_and_grad(x) not run" in picture.svg
    with pytest.raises(ValueError, match="f has no recording yet: call it once, or draw it at samples with at="):
        from_program(branching())


def test_several_results_are_drawn_without_samples_only():
    f = ag.jit(lambda x: [x[0] * x[1], ag.exp(x[1])])
    f([1.0, 2.0])
    graph = from_program(f)
    assert [graph.names[i] for i in graph.outputs] == ["v0", "v1"]
    assert LOSS not in graph.kinds
    with pytest.raises(TypeError, match=r"f returns 2 numbers, which have no one gradient"):
        from_program(f, [1.0, 2.0])


# Functions of other kinds. -------------------------------------------------------------------------------------------


def test_parameters_have_their_names_and_a_column_each():
    @ag.jit
    def reach(speed, angle):
        return speed * speed * ag.sin(2 * angle) / 9.81

    one = from_program(reach, [20.0, 0.7])
    assert one.names[:2] == ["speed", "angle"]
    assert one.call == "reach.value_and_grad(speed, angle)"
    assert one.gradients[:2].tolist() == list(ag.grad(lambda p: reach.__wrapped__(*p))([20.0, 0.7]))
    two = from_program(reach, [[20.0, 0.7], [10.0, 0.1]])
    assert two.values[:2].tolist() == pytest.approx([15.0, 0.4])


def test_a_function_of_a_number_takes_numbers():
    square = ag.jit(lambda x: x * x)
    assert from_program(square, 3.0).gradients.tolist() == [6.0, 1.0]
    assert from_program(square, 3.0).names == ["x", "v0"]

    @ag.jit
    def cube(x: float):
        return x * x * x

    assert from_program(cube, [1.0, 2.0]).loss == 4.5
    assert from_program(cube, [[1.0], [2.0]]).loss == 4.5


@pytest.mark.parametrize("function", [lambda x: 3.0, lambda x: x[1], lambda x: x[0] * 0.0 + 1.0])
def test_results_that_are_hardly_computed(function):
    graph = from_program(ag.jit(function), [1.0, 2.0, 5.0])
    assert graph.loss == function([1.0, 2.0, 5.0])
    assert graph.gradients[graph.outputs].tolist() == [1.0]
    assert (graph.kinds == LOSS).sum() == 1
    assert graph.marks[2] == DETACHED  # no one uses x[2]
    assert graph.levels[2] == 0
    assert visualize.draw(graph).svg


def test_a_dead_input_is_no_detached_one():
    graph = from_program(ag.jit(lambda x: x[0] * x[1]), [3.0, 0.0])
    assert graph.marks.tolist()[:2] == [DEAD, 0]


def test_an_objective_is_drawn_over_its_rows():
    loss = ag.objective(lambda w, x, y: (w[0] * ag.tanh(x[0]) + w[1] - y) ** 2)
    w, x, y = [1.0, 0.5], np.array([[0.0], [1.0], [2.0]]), np.array([0.5, 1.0, 1.5])
    graph = from_program(loss, (w, x, y))
    assert graph.names[:4] == ["w[0]", "w[1]", "x[0]", "y"]
    assert graph.call == "f(w, x, y)"
    value, _ = loss(w, x, y)
    assert graph.loss == pytest.approx(value, rel=1e-14)
    rows = np.array([loss(w, x[k : k + 1], y[k : k + 1])[1] for k in range(3)])
    np.testing.assert_allclose(graph.gradients[:2], np.sqrt((rows**2).mean(axis=0)), 1e-13)
    assert "gradients are those of single rows, not of their mean" in graph.notes
    one = from_program(loss, (w, x[1:2], y[1:2]))
    np.testing.assert_allclose(one.gradients[:2], rows[1], 1e-13)
    assert one.notes == ()
    assert not from_program(loss).swept


def test_an_objective_that_branches_is_drawn_for_most_rows():
    loss = ag.objective(lambda w, x: w[0] * x if x > 0 else w[0] * w[0])
    graph = from_program(loss, ([3.0], [1.0, -1.0, 2.0]))
    assert (graph.samples, graph.loss) == (2, 4.5)
    assert "1 of 3 samples branch otherwise" in graph.notes[0]


def _pickled(x):
    return ag.exp(x[0]) * x[1]


def test_a_function_from_a_pickle_is_drawn():
    f = ag.jit(_pickled)
    f([1.0, 2.0])
    back = pickle.loads(pickle.dumps(f))
    assert from_program(back, [0.0, 2.0]).gradients[:2].tolist() == [2.0, 1.0]


def test_arrays_of_float32_are_computed_in_float64():
    graph = from_program(ag.jit(lambda x: x[0] / 3.0), np.array([[1.0]], np.float32))
    assert graph.loss == 1.0 / 3.0


# Bad input. ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (3.0, r"at for g\(speed, angle\) is \[n\] or \[N, n\] with n = 2, got the shape \(\)"),
        ([1.0, 2.0, 3.0], r"with n = 2, got the shape \(3,\)"),
        (np.zeros((2, 2, 2)), r"got the shape \(2, 2, 2\)"),
        (np.zeros((0, 2)), r"at has no samples for g"),
        ([[1.0, 2.0], [3.0]], r"at is one sample \[n\] or samples \[N, n\] of numbers"),
    ],
)
def test_samples_that_do_not_fit_are_refused(at, message):
    @ag.jit
    def g(speed, angle):
        return speed * angle

    with pytest.raises(ValueError, match=message):
        from_program(g, at)
    assert g.variants == 0


def test_what_is_no_sample_is_refused():
    f = ag.jit(lambda x: x[0])
    with pytest.raises(ValueError, match=r"got the shape \(0,\)"):
        from_program(f, [])
    with pytest.raises(TypeError, match="takes numbers"):
        from_program(f, ["a"])
    with pytest.raises(TypeError, match="complex"):
        from_program(f, [1j])
    with pytest.raises(TypeError, match="compiled code on floats, got Values"):
        from_program(f, [Value(1.0)])


def test_arguments_of_an_objective_that_do_not_fit_are_refused():
    loss = ag.objective(lambda w, x: w[0] * x)
    with pytest.raises(ValueError, match=r"at is the tuple of the arguments of the objective f, \(w, x\); got \[1"):
        from_program(loss, [1.0, 2.0])
    with pytest.raises(TypeError, match="takes parameters and 1 arrays of rows, got 2"):
        from_program(loss, ([1.0], [2.0], [3.0]))
    with pytest.raises(ValueError, match="no rows"):
        from_program(loss, ([1.0], []))
    total = ag.objective(lambda w, x: w[0] * x, mean=False)
    with pytest.raises(ValueError, match="at has no rows for f"):
        from_program(total, ([1.0], []))
    with pytest.raises(ValueError, match="no recording yet"):
        from_program(loss)


@pytest.mark.parametrize("thing", [lambda x: x, 3.0, Value(1.0), "f", type("Fake", (), {"variants": 1})()])
def test_other_things_are_refused(thing):
    assert not drawn.is_program(thing)
    with pytest.raises(TypeError, match=r"expected what autograd\.jit or autograd\.objective returned, got"):
        from_program(thing)


# Mistakes made by hand, which the tests above did not notice (tests/mutants.py). --------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_blocks_of_different_sizes_count_by_their_samples(size):
    f = ag.jit(lambda x: ops.tanh(x[0] * x[1]) + x[0])
    rows = np.random.default_rng(0).normal(size=(5, 2)) * [[3.0, 1.0], [0.1, 1.0], [1.0, 1.0], [9.0, 1.0], [0.5, 2.0]]
    whole = from_program(f, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn, "ROOM", size * (2 * len(whole) + 2 * whole.edges))
        parts = from_program(f, rows)
    for name in ("values", "gradients", "factors", "messages"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12)
