"""A net wired like a worm learns digits, beside a control whose wiring is shuffled.

    python examples/connectome.py [--quick] [--seeds N] [--epochs N] [--picture FOLDER]

The chemical synapses of the worm C. elegans (`data/README.md` says whose figures they are) become the links of a net.
Pixels of scikit-learn's handwritten digits enter at its sensory neurons, ten outputs read its motor neurons. Does this
wiring learn better than another? The control has the same neurons, each with as many links in and out as in the worm,
but who feeds whom is random. Both are trained by one recipe,

(a) without time: neurons in an order from sensory to motor, links that lead back are left out and counted;
(b) in time: all links, each a step of delay, the digit in view for six steps and judged at the last.

A seed draws the split of the data, the pixel that a sensory neuron sees, the weights and the shuffle; worm and control
share it. The last lines follow from a paired t-test over the seeds.
"""

import argparse
import csv
import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from scipy.stats import ttest_rel
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import visualize
from autograd import Adam, Net
from autograd.learn import accuracy

DATA = Path(__file__).parent / "data"
CLASSES = ("sensory", "inter", "motor")
LOSS = "softmax_cross_entropy"
PIXELS, STEPS = 64, 6
ALPHA = 0.05 / 2  # the two comparisons share a chance of 5 % to see a difference where there is none

Links = list[tuple[str, str]]
Wiring = dict[str, list[str]]  # the neurons of each class


def read_worm() -> tuple[Wiring, Links]:
    """Return the neurons and the links among them, without the pharynx, into which no sensory neuron leads."""
    with open(DATA / "celegans_neurons.csv", newline="") as file:
        kind = {row["neuron"]: row["class"] for row in csv.DictReader(file)}
    with open(DATA / "celegans_synapses.csv", newline="") as file:
        links = [(row["source"], row["target"]) for row in csv.DictReader(file)]
    neurons = {c: [name for name in kind if kind[name] == c] for c in CLASSES}
    return neurons, [(s, t) for s, t in links if kind[s] in CLASSES and kind[t] in CLASSES]


def few_back(names: Iterable[str], links: Links) -> list[str]:
    """Return the names in an order in which few of the links among them lead back.

    The heuristic of P. Eades, X. Lin and W. F. Smyth, "A fast and effective heuristic for the feedback arc set
    problem" (1993): sinks go to the end and sources to the front; when there are none, the neuron whose links out
    outnumber its links in by most goes to the front. Links without a cycle all lead forward.
    """
    rest = sorted(names)
    front: list[str] = []
    end: list[str] = []
    links = [(s, t) for s, t in links if s in rest and t in rest and s != t]
    while rest:
        out, into = Counter(s for s, _ in links), Counter(t for _, t in links)
        sink = next((name for name in rest if not out[name]), None)
        source = next((name for name in rest if not into[name]), None)
        name = sink or source or max(rest, key=lambda name: out[name] - into[name])
        (end if name == sink else front).append(name)
        rest.remove(name)
        links = [link for link in links if name not in link]
    return front + end[::-1]


def shuffled(links: Links, allowed: Callable[[str, str], bool], rng: np.random.Generator) -> Links:
    """Return links among the same neurons, each with as many in and out as before, but otherwise random.

    Two links a -> b and c -> d become a -> d and c -> b where both are `allowed` and new, tried twenty times a link
    (S. Maslov and K. Sneppen, "Specificity and stability in topology of protein networks", 2002).
    """
    links, known = list(links), set(links)
    for i, j in rng.integers(len(links), size=(20 * len(links), 2)).tolist():
        (a, b), (c, d) = links[i], links[j]
        if allowed(a, d) and allowed(c, b) and not known & {(a, d), (c, b)}:
            known -= {links[i], links[j]}
            links[i], links[j] = (a, d), (c, b)
            known |= {links[i], links[j]}
    return links


def build(neurons: Wiring, links: Links, seed: int, delay: int) -> Net:
    """Make the net: every sensory neuron sees one pixel, every output reads all motor neurons."""
    net = Net(seed=seed)
    for p in range(PIXELS):
        net.input(f"pixel{p}")
    for name in itertools.chain(*neurons.values()):
        net.neuron(name)
    pixels = itertools.cycle(np.random.default_rng(seed).permutation(PIXELS).tolist())
    for name, p in zip(neurons["sensory"], pixels, strict=False):
        net.link(f"pixel{p}", name)
    for source, target in links:
        net.link(source, target, delay=delay)
    for digit in range(10):
        net.neuron(f"is{digit}", "linear", neurons["motor"], output=True)
    return net


def train(net: Net, seed: int, epochs: int, steps: int) -> float:
    """Train the net and return the share of the digits never seen that it gets right."""
    pixels, digit = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(pixels / 16, digit, test_size=0.25, random_state=seed, stratify=digit)
    if steps > 1:  # the digit stays in view
        x, x_test = (np.repeat(rows[:, None], steps, axis=1) for rows in (x, x_test))
    net.fit(x, y, loss=LOSS, optimiser=Adam(3e-3), epochs=epochs, batch_size=64, seed=seed)
    return accuracy(net.predict(x_test, at="last" if steps > 1 else None), y_test)


def compare(neurons: Wiring, links: Links, place: dict[str, int] | None, seeds: int, epochs: int) -> tuple[str, Net]:
    """Train the worm and its control with every seed and print what they reach.

    Args:
        neurons: the neurons by class.
        links: the links of the worm.
        place: the place of each neuron in the order that links follow; None: any order, each link takes a step.
        seeds: how many pairs are trained.
        epochs: how often a training goes through the digits.

    Returns:
        What follows, in words; and the last worm.
    """
    allowed = (lambda s, t: s != t) if place is None else (lambda s, t: place[s] < place[t])
    loops = [(s, t) for s, t in links if s == t]  # a link of a neuron to itself stays with its neuron
    others = [(s, t) for s, t in links if s != t]
    right: dict[str, list[float]] = {"worm": [], "shuffled": []}
    common = 0
    for seed in range(seeds):
        control = shuffled(others, allowed, np.random.default_rng(seed))
        common += len(set(control) & set(others))
        nets = {
            name: build(neurons, wired + loops, seed, delay=int(place is None))
            for name, wired in (("worm", others), ("shuffled", control))
        }
        for name, net in nets.items():
            right[name].append(train(net, seed, epochs, STEPS if place is None else 1))
    print(f"    {'wiring':<10}{'parameters':>10}{'mean':>9}{'spread':>9}{'worst':>9}{'best':>9}")
    for name, shares in right.items():
        figures = (np.mean(shares), np.std(shares, ddof=1), min(shares), max(shares))
        print(f"    {name:<10}{len(nets[name].parameters):10}" + "".join(f"{x:9.2%}" for x in figures))
        if np.mean(shares) < 0.5:
            raise SystemExit(f"{name} did not learn, so that there is nothing to compare")
    print(f"    a shuffle has {common / seeds / len(others):.0%} of its links from the worm by chance\n")
    return verdict(right["worm"], right["shuffled"]), nets["worm"]


def verdict(worm: list[float], control: list[float]) -> str:
    """Say what a paired t-test makes of two lists of shares."""
    test = ttest_rel(worm, control)
    low, high = test.confidence_interval(1 - ALPHA)
    found = f"{'better' if low > 0 else 'worse'} than" if test.pvalue < ALPHA else "not shown to differ from"
    return (
        f"the worm's wiring is {found} its shuffle: worm - shuffled = "
        f"{100 * np.mean(np.subtract(worm, control)):+.2f} points, p = {test.pvalue:.2g}, "
        f"{1 - ALPHA:.1%} interval {100 * low:+.2f} to {100 * high:+.2f}"
    )


def draw(net: Net, folder: Path) -> None:
    """Write the picture of the gradient in a trained net without time."""
    x, y = load_digits(return_X_y=True)
    net.forward(x[:64] / 16)
    net.sweep(y[:64], LOSS)
    folder.mkdir(parents=True, exist_ok=True)
    print(f"picture: {visualize.draw(net, title='Digits on the wiring of C. elegans').save(folder / 'connectome.svg')}")


def main(seeds: int, epochs: int, picture: Path | None) -> None:
    neurons, links = read_worm()
    order = [name for c in CLASSES for name in few_back(neurons[c], links)]
    place = {name: i for i, name in enumerate(order)}
    forward = [(s, t) for s, t in links if place[s] < place[t]]
    sizes = ", ".join(f"{len(neurons[c])} {c}" for c in CLASSES)
    print(f"C. elegans without its pharynx: {sizes} neurons, {len(links)} links")
    print(f"Share of the digits never seen that are right, {seeds} seeds, {epochs} epochs:\n")

    loops = sum(s == t for s, t in links)
    back = f"{len(links) - loops - len(forward)} that lead back and {loops} from a neuron to itself"
    print(f"(a) without time: {len(forward)} links that lead forward; {back} are left out")
    first, worm = compare(neurons, forward, place, seeds, epochs)
    print(f"(b) in time: {len(links)} links, {STEPS} steps")
    second, _ = compare(neurons, links, None, seeds, epochs)
    print(f"(a) {first}\n(b) {second}")
    if picture is not None:
        draw(worm, picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three seeds and three epochs, to see that it runs")
    parser.add_argument("--seeds", type=int, default=10, help="pairs of trainings, at least 2 (default 10)")
    parser.add_argument("--epochs", type=int, default=20, help="of each training (default 20)")
    parser.add_argument("--picture", type=Path, metavar="FOLDER", help="where to write the gradient-flow picture")
    given = parser.parse_args()
    seeds, epochs = (3, 3) if given.quick else (given.seeds, given.epochs)
    if seeds < 2:
        parser.error(f"a spread needs at least 2 seeds, got {seeds}")
    main(seeds, epochs, given.picture)
