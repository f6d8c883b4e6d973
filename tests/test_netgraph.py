"""The net by positions: order, levels, what reaches the loss, and the units that stand for gates and aggregations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import ops
from autograd.netgraph import AGGREGATIONS, FOLDS, LINEAR, Activation, Lists, find_activation, make_graph, maxabs

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60)


def graph(links, inputs=("x",), outputs=("y",), **options):
    """A graph of linear units from links (source, target, delay, gate), by names; and the positions of the names."""
    rows = [(*link, 0, None)[:4] if len(link) < 3 else (*link, None)[:4] for link in links]
    names = list(dict.fromkeys([*inputs, *(n for s, t, _, g in rows for n in (s, t, g) if n), *outputs]))
    at = {name: i for i, name in enumerate(names)}
    given = {key: {at[name]: how for name, how in value.items()} for key, value in options.items() if key != "response"}
    response = None
    if "response" in options:
        response = np.array([options["response"].get(name, 1.0) for name in names])
    made = make_graph(
        names,
        [None if name in inputs else LINEAR for name in names],
        np.array([at[name] for name in inputs], np.intp),
        np.array([at[name] for name in outputs], np.intp),
        np.array([at[s] for s, *_ in rows], np.intp),
        np.array([at[t] for _, t, *_ in rows], np.intp),
        np.array([d for *_, d, _ in rows], np.intp),
        np.array([-1 if g is None else at[g] for *_, g in rows], np.intp),
        response=response,
        **given,
    )
    return made, at


def is_in_order(made):
    """Whether every unit comes after all that it reads at the same step."""
    place = {int(i): k for k, i in enumerate([*made.inputs, *made.order])}
    assert len(place) == made.size
    now = made.delay == 0
    reads = list(zip(made.source[now].tolist(), made.target[now].tolist(), strict=True))
    pairs = made.pairs
    for unit, x, d, y in zip(pairs.unit, pairs.x, pairs.x_delay, pairs.y, strict=True):
        reads += [(int(y), int(unit))] + [(int(x), int(unit))] * int(d == 0)
    return all(place[s] < place[t] for s, t in reads)


def test_levels_are_longest_paths_through_links_without_delay():
    made, at = graph([("x", "a"), ("a", "b"), ("x", "b"), ("b", "y"), ("y", "a", 1), ("y", "y", 3)])
    assert [int(made.level[at[name]]) for name in "xaby"] == [0, 1, 2, 3]
    assert made.max_delay == 3
    assert is_in_order(made)
    assert made.size == 4
    assert len(made.pairs.unit) == 0


def test_a_gate_counts_as_a_source_and_becomes_a_product():
    made, at = graph([("x", "g"), ("g", "h"), ("x", "y", 2, "h"), ("x", "y")])
    assert made.level[at["y"]] == 3
    product = int(made.pairs.unit[0])
    assert (made.source[2], made.target[2], made.delay[2]) == (product, at["y"], 0)
    assert (made.pairs.x[0], made.pairs.x_delay[0], made.pairs.y[0]) == (at["x"], 2, at["h"])
    assert made.pairs.functions == (ops.mul,)
    assert made.activations[product] is None
    assert made.max_delay == 2
    assert is_in_order(made)


def test_links_with_one_source_delay_and_gate_have_one_product():
    made, _ = graph([("x", "g"), ("x", "y", 1, "g"), ("x", "z", 1, "g"), ("x", "y", 2, "g"), ("z", "y")])
    assert len(made.pairs.unit) == 2
    assert is_in_order(made)


@pytest.mark.parametrize("how", FOLDS)
def test_a_fold_is_a_chain_of_pairs(how):
    made, at = graph([("a", "y"), ("b", "y", 1), ("c", "y")], inputs="abc", aggregation={"y": how})
    assert len(made.pairs.unit) == 2
    assert made.pairs.functions == (FOLDS[how],)
    assert made.size == 4 + 3 + 2
    assert made.constants.tolist() == [1.0]
    assert (made.source[3], made.target[3]) == (made.pairs.unit[1], at["y"])
    assert made.pairs.x[1] == made.pairs.unit[0]
    assert is_in_order(made)


def test_a_mean_divides_and_a_response_multiplies():
    made, _ = graph([("a", "y"), ("b", "y")], inputs="ab", aggregation={"y": "mean"}, response={"y": 3.0})
    assert made.constants.tolist() == [1.5]
    made, _ = graph([("a", "y"), ("b", "y")], inputs="ab", response={"y": 3.0})
    assert made.constants.tolist() == [3.0]
    made, _ = graph([("a", "y")], inputs="a", outputs=["y", "z"], aggregation={"z": "max"}, response={"z": 2.0})
    assert made.size == 3


def test_what_reaches_the_loss_also_does_so_later_and_through_gates():
    made, at = graph([("x", "g"), ("x", "m", 1), ("m", "y", 2, "g"), ("x", "dead"), ("y", "deader", 1)])
    assert [name for name in at if not made.reaches[at[name]]] == ["dead", "deader"]


@pytest.mark.parametrize(
    ("links", "walk"),
    [
        ([("x", "a"), ("a", "b"), ("b", "a")], "(a -> b -> a|b -> a -> b)"),
        ([("x", "y"), ("y", "y")], "y -> y"),
        ([("x", "g"), ("g", "y"), ("x", "g", 1, "y")], "(g -> y -> g|y -> g -> y)"),
    ],
)
def test_a_cycle_within_a_step_is_named(links, walk):
    with pytest.raises(ValueError, match=rf"the links form a cycle: {walk}; .*net\.link\(\.\.\., delay=1\)"):
        graph(links)


@pytest.mark.parametrize("delay", [0, 1])
def test_of_a_cycle_that_gates_close_it_says_so_and_advises_no_useless_delay(delay):
    with pytest.raises(ValueError, match=r"cycle: y -> y; the step 'y' -> 'y' is a gate: gates act in the") as seen:
        graph([("y", "y", 1, "y")] if delay else [("x", "y", 0, "y")])
    assert "net.link(" not in str(seen.value)
    with pytest.raises(ValueError, match=r"cycle: (a -> b -> a|b -> a -> b); the step '[ab]' -> '[ab]' is a") as seen:
        graph([("x", "a", delay, "b"), ("x", "b", delay, "a"), ("a", "y")])
    assert "net.link(" not in str(seen.value)
    with pytest.raises(ValueError, match=r"the step 'b' -> 'a' is a gate.* that are no gates give one a delay") as seen:
        graph([("a", "b"), ("x", "a", delay, "b"), ("a", "y")])
    assert "net.link(..., delay=1)" in str(seen.value)
    # Where a link leads the same way as the gate, the link is named.
    with pytest.raises(ValueError, match="cycle: y -> y; within one time step"):
        graph([("x", "y", 0, "y"), ("y", "y")])


@PROPERTY
@given(st.data())
def test_any_net_without_such_a_cycle_has_an_order(data):
    n = data.draw(st.integers(1, 6))
    names = [f"h{i}" for i in range(n)]
    links = []
    for i, name in enumerate(names):
        before = ["x", *names[:i]]
        for _ in range(data.draw(st.integers(0, 3))):
            delay = data.draw(st.integers(0, 2))
            source = data.draw(st.sampled_from(["x", *names] if delay else before))
            links.append((source, name, delay, data.draw(st.sampled_from([None, *before]))))
    hows = {name: data.draw(st.sampled_from(AGGREGATIONS)) for name in names}
    made, at = graph(links, outputs=names, aggregation={k: v for k, v in hows.items() if v != "sum"})
    assert is_in_order(made)
    assert made.max_delay == max([d for _, _, d, _ in links], default=0)
    assert made.reaches[[at[name] for name in names]].all()
    # A pair is evaluated with its reader, and none of the net's own units is one.
    assert (made.pairs.unit >= len(at)).all()
    assert len(made.constants) == len(made.source) - len(links)


@PROPERTY
@given(st.lists(st.integers(0, 5), max_size=20), st.lists(st.integers(0, 5), max_size=5))
def test_lists_are_the_positions_of_their_keys_in_order(keys, asked):
    lists = Lists.by(np.array(keys, np.intp), 6)
    expected = [[k for k, key in enumerate(keys) if key == i] for i in range(6)]
    assert [lists.of(i).tolist() for i in range(6)] == expected
    assert lists.gather(np.array(asked, np.intp)).tolist() == [k for i in asked for k in expected[i]]


def test_activations_have_a_name_for_files_or_not():
    assert find_activation("tanh").has_name
    assert find_activation(ops.tanh) == find_activation("tanh")
    assert find_activation("linear") is LINEAR
    own = find_activation(lambda a: a * a)
    assert not own.has_name
    assert own != Activation("formula", lambda a: a * a)
    assert hash(own) == hash(Activation("formula", own.function))


def test_maxabs_keeps_the_sign_and_at_a_tie_the_first():
    assert maxabs(2.0, -3.0) == -3.0
    assert maxabs(-2.0, 1.0) == -2.0
    assert maxabs(-2.0, 2.0) == -2.0
