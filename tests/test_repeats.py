"""Repeated stretches: planted ones are found, and what is claimed to repeat does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import repeats
from autograd.repeats import LEAST, LENGTHS, MOST_DIFFERENT, stretches


@pytest.fixture(autouse=True, scope="module")
def however_few():
    """What short stretches cover is no matter here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "LEAST_SHARE_SHORT", 0.0)
        yield


def listing(operations):
    """Kinds, starts and operands of a list of (kind, operands)."""
    kinds = np.array([kind for kind, _ in operations], np.int64)
    starts = np.cumsum([0, *(len(xs) for _, xs in operations)])
    operands = np.array([x for _, xs in operations for x in xs], np.int64)
    return kinds, starts, operands


def inner(operations, first, length):
    """What a stretch is: its operations, and the places in it of operands that it made."""
    return [
        (kind, [x - first if x >= first else None for x in xs]) for kind, xs in operations[first : first + length]
    ]  # fmt: skip


def checked(operations):
    """The stretches, having checked that each is one and that none overlaps another."""
    found = stretches(*listing(operations))
    taken = np.zeros(len(operations), bool)
    for length, positions in found:
        assert length in LENGTHS
        assert len(positions) >= LEAST
        assert (np.diff(positions) >= length).all()
        pattern = inner(operations, int(positions[0]), length)
        for p in positions.tolist():
            assert 0 <= p <= len(operations) - length
            assert not taken[p : p + length].any()
            taken[p : p + length] = True
            assert inner(operations, p, length) == pattern
    assert sum(length for length, _ in found) <= MOST_DIFFERENT
    return found, taken


def body(rng, length, first_kind=0):
    """A loop body of operations that are all different: kinds, and how many steps back operands are, or None."""
    return [
        (first_kind + i, [int(rng.integers(1, i + 1)) if i and rng.random() < 0.7 else None for _ in range(2)])
        for i in range(length)
    ]


def noise(rng, count, operations):
    """Add operations that occur once."""
    for _ in range(count):
        n = len(operations)
        operations.append((10_000 + n, rng.integers(-3, max(n, 1), rng.integers(1, 4)).tolist()))


def repeated(rng, pattern, operations):
    """Add a loop body; what is from outside is anything that was there before it and is not near."""
    first = len(operations)
    for i, (kind, backs) in enumerate(pattern):
        far = [int(x) for x in rng.integers(-4, max(first + i - max(LENGTHS), 0), len(backs))]
        operations.append((kind, [x if b is None else first + i - b for b, x in zip(backs, far, strict=True)]))


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(4, 700), st.integers(4, 12), st.integers(1, 9))
def test_planted_repeats_are_found(seed, length, times, between):
    rng = np.random.default_rng(seed)
    pattern, operations, places = body(rng, length), [], np.zeros(0, int)
    noise(rng, 5, operations)
    for _ in range(times):
        places = np.append(places, np.arange(len(operations), len(operations) + length))
        repeated(rng, pattern, operations)
        noise(rng, int(rng.integers(1, between + 1)), operations)
    found, taken = checked(operations)
    assert taken[places].sum() == times * (length - length % 4)  # the rest is shorter than any stretch
    assert taken.sum() == taken[places].sum()
    assert all(len(positions) == times for _, positions in found)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.lists(st.integers(4, 90), min_size=2, max_size=4))
def test_several_patterns_among_each_other(seed, lengths):
    rng = np.random.default_rng(seed)
    patterns, operations = [body(rng, n, 100 * k) for k, n in enumerate(lengths)], []
    for _ in range(6):
        for k in rng.permutation(len(patterns)):
            repeated(rng, patterns[k], operations)
            noise(rng, 1, operations)
    assert checked(operations)[1].sum() == 6 * sum(n - n % 4 for n in lengths)


@settings(max_examples=60)
@given(
    st.integers(0, 10**6), st.integers(1, 400), st.integers(1, 4), st.integers(1, 30),
)  # fmt: skip
def test_whatever_is_found_is_true(seed, count, sorts, reach):
    rng = np.random.default_rng(seed)
    operations = [
        (int(rng.integers(sorts)), rng.integers(max(-2, i - reach), max(i, 1), rng.integers(1, 4)).tolist())
        for i in range(count)
    ]  # fmt: skip
    operations = [(kind, [x if x < i else -1 for x in xs]) for i, (kind, xs) in enumerate(operations)]
    checked(operations)


def test_a_loop_is_found_whole():
    rng = np.random.default_rng(1)
    pattern, operations = body(rng, 64), []
    for _ in range(32):
        repeated(rng, pattern, operations)
    found, taken = checked(operations)
    assert taken.all()
    assert len(found) <= 2


def test_a_longer_loop_is_of_no_more_kinds():
    counts = []
    for times in (200, 400, 800):
        rng = np.random.default_rng(3)
        pattern, operations = body(rng, 37), []
        for _ in range(times):
            repeated(rng, pattern, operations)
        found, taken = checked(operations)
        assert taken.mean() > 0.95
        counts.append(len(found))
    assert max(counts) <= min(counts) + 2


def test_other_distances_are_other_stretches():
    # a chain, and the same operations, each of the one before the last
    chain = [(i % 4, [i - 1]) for i in range(64)]
    assert checked(chain)[1].sum() >= 52
    same = [*chain, *((i % 4, [64 + i - 2]) for i in range(64))]
    found, taken = checked(same)
    assert taken.sum() >= 100
    assert all(not (p[0] < 64 - length and p[-1] >= 64) for length, p in found)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 15, 16, 17])
def test_tiny_lists(count):
    for kinds in (1, count):
        found, taken = checked([(i % kinds, [-1]) for i in range(count)])
        assert taken.any() == (count >= 16 and kinds == 1)
        assert len(found) <= 1


def test_an_empty_list_has_no_stretches():
    assert stretches(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64)) == []


def test_without_repeats_there_is_nothing():
    assert checked([(i, [i - 1, -1]) for i in range(3000)])[0] == []
    rng = np.random.default_rng(2)
    operations = [(int(rng.integers(1000)), [int(rng.integers(-2, max(i, 1)))]) for i in range(2000)]
    assert not checked([(k, [min(x, i - 1) for x in xs]) for i, (k, xs) in enumerate(operations)])[1].any()


def test_the_same_every_time():
    rng = np.random.default_rng(7)
    pattern, operations = body(rng, 50), []
    for _ in range(20):
        repeated(rng, pattern, operations)
        noise(rng, 3, operations)
    first, second = (stretches(*listing(operations)) for _ in range(2))
    assert [(n, p.tolist()) for n, p in first] == [(n, p.tolist()) for n, p in second]
