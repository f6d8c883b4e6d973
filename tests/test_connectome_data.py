"""The wiring of the worm in examples/data is what its README says, and its control keeps what it must."""

import csv
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def rows(name: str) -> list[dict[str, str]]:
    with open(EXAMPLES / "data" / name, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "connectome.py"))


def degrees(links: list[tuple[str, str]]) -> tuple[Counter[str], Counter[str]]:
    return Counter(s for s, _ in links), Counter(t for _, t in links)


def test_the_neurons_are_those_of_the_readme() -> None:
    kind = {row["neuron"]: row["class"] for row in rows("celegans_neurons.csv")}
    assert len(kind) == len(rows("celegans_neurons.csv")) == 300
    assert Counter(kind.values()) == {"sensory": 83, "inter": 81, "motor": 116, "pharynx": 20}
    # White and others, 1986: touch is sensed by ALM and AVM, AVA commands, DA and VC move.
    assert [kind[x] for x in ("ALML", "AVM", "AVAL", "DA1", "VC6", "M1")] == [
        "sensory", "sensory", "inter", "motor", "motor", "pharynx",
    ]  # fmt: skip


def test_the_links_are_those_of_the_readme() -> None:
    names = {row["neuron"] for row in rows("celegans_neurons.csv")}
    sections = {(row["source"], row["target"]): int(row["sections"]) for row in rows("celegans_synapses.csv")}
    assert len(sections) == len(rows("celegans_synapses.csv")) == 3707
    assert min(sections.values()) == 1
    assert sum(sections.values()) == 20905
    assert sum(s == t for s, t in sections) == 38
    assert {name for link in sections for name in link} == names
    # A link runs from the row of the source's table to its column: AVD commands AVA, and AVA the motor neurons DA.
    assert sections["AVDL", "AVAL"] == sections["AVDL", "AVAR"] == 37
    assert ("AVAL", "DA9") in sections
    assert ("DA9", "AVAL") not in sections


def test_no_synapse_leads_into_the_pharynx_and_one_out() -> None:
    kind = {row["neuron"]: row["class"] for row in rows("celegans_neurons.csv")}
    across = [
        (row["source"], row["target"])
        for row in rows("celegans_synapses.csv")
        if (kind[row["source"]] == "pharynx") != (kind[row["target"]] == "pharynx")
    ]
    assert across == [("M1", "RIPL")]


def test_links_without_a_cycle_all_lead_forward(example: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    names = [f"n{i}" for i in rng.permutation(30)]
    links = [(names[i], names[j]) for i in range(30) for j in range(i + 1, 30) if rng.random() < 0.2]
    order = example["few_back"](names, links)
    assert sorted(order) == sorted(names)
    assert all(order.index(s) < order.index(t) for s, t in links)


def test_a_ring_gives_up_one_link(example: dict[str, Any]) -> None:
    ring = [(f"n{i}", f"n{(i + 1) % 7}") for i in range(7)]
    order = example["few_back"]({s for s, _ in ring}, [*ring, ("n3", "n3")])
    assert sum(order.index(s) > order.index(t) for s, t in ring) == 1


def test_a_shuffle_keeps_the_degrees_and_the_order(example: dict[str, Any]) -> None:
    neurons, links = example["read_worm"]()
    order = [name for c in example["CLASSES"] for name in example["few_back"](neurons[c], links)]
    place = {name: i for i, name in enumerate(order)}
    forward = [(s, t) for s, t in links if place[s] < place[t]]
    for wired, allowed in (
        (forward, lambda s, t: place[s] < place[t]),
        ([(s, t) for s, t in links if s != t], lambda s, t: s != t),
    ):
        control = example["shuffled"](wired, allowed, np.random.default_rng(1))
        assert degrees(control) == degrees(wired)
        assert len(set(control)) == len(control) == len(wired)
        assert all(allowed(s, t) for s, t in control)
        assert len(set(control) & set(wired)) < 0.2 * len(wired)
        assert control == example["shuffled"](wired, allowed, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("worm", "control", "says"),
    [
        ([0.9, 0.91, 0.92, 0.93], [0.8, 0.812, 0.82, 0.83], "is better than"),
        ([0.8, 0.812, 0.82, 0.83], [0.9, 0.91, 0.92, 0.93], "is worse than"),
        ([0.9, 0.8, 0.9, 0.8], [0.8, 0.9, 0.81, 0.89], "is not shown to differ from"),
    ],
)
def test_the_verdict_follows_from_the_numbers(
    worm: list[float], control: list[float], says: str, example: dict[str, Any]
) -> None:
    assert says in example["verdict"](worm, control)
