"""Exclusive or: the shape by evolution, the weights by the gradient.

    python examples/neat_xor.py

neat-python evolves a small population until its champion is about right. As a Net the champion is trained on, and its
weights are sent back; the fitnesses printed are all of neat-python's own networks. It takes pip install neat-python.
"""

import tempfile
from pathlib import Path
from typing import Any

import neat

from autograd.neat import from_genome, to_genome

X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
Y = [0.0, 1.0, 1.0, 0.0]

CONFIG = """
[NEAT]
pop_size = 100
fitness_criterion = max
fitness_threshold = 3.5
reset_on_extinction = True
no_fitness_termination = False

[DefaultGenome]
num_inputs = 2
num_outputs = 1
num_hidden = 0
feed_forward = True
initial_connection = full_direct
activation_default = sigmoid
activation_options = sigmoid tanh
activation_mutate_rate = 0.1
aggregation_default = sum
aggregation_options = sum
aggregation_mutate_rate = 0
bias_init_mean = 0
bias_init_stdev = 1
bias_init_type = gaussian
bias_min_value = -30
bias_max_value = 30
bias_mutate_rate = 0.7
bias_mutate_power = 0.5
bias_replace_rate = 0.1
response_init_mean = 1
response_init_stdev = 0
response_init_type = gaussian
response_min_value = -30
response_max_value = 30
response_mutate_rate = 0
response_mutate_power = 0
response_replace_rate = 0
weight_init_mean = 0
weight_init_stdev = 1
weight_init_type = gaussian
weight_min_value = -30
weight_max_value = 30
weight_mutate_rate = 0.8
weight_mutate_power = 0.5
weight_replace_rate = 0.1
time_constant_init_mean = 1
time_constant_init_stdev = 0
time_constant_init_type = gaussian
time_constant_min_value = 0.01
time_constant_max_value = 10
time_constant_mutate_rate = 0
time_constant_mutate_power = 0
time_constant_replace_rate = 0
enabled_default = True
enabled_mutate_rate = 0.01
enabled_rate_to_true_add = 0
enabled_rate_to_false_add = 0
conn_add_prob = 0.5
conn_delete_prob = 0.3
node_add_prob = 0.3
node_delete_prob = 0.2
single_structural_mutation = False
structural_mutation_surer = default
compatibility_disjoint_coefficient = 1
compatibility_weight_coefficient = 0.5

[DefaultSpeciesSet]
compatibility_threshold = 3

[DefaultStagnation]
species_fitness_func = max
max_stagnation = 20
species_elitism = 2

[DefaultReproduction]
elitism = 2
survival_threshold = 0.2
min_species_size = 2
"""


def configuration() -> Any:
    with tempfile.TemporaryDirectory() as folder:  # neat-python reads a configuration from a file
        path = Path(folder, "config")
        path.write_text(CONFIG, encoding="utf-8")
        return neat.Config(
            neat.DefaultGenome, neat.DefaultReproduction, neat.DefaultSpeciesSet, neat.DefaultStagnation, path
        )


def fitness(genome: Any, config: Any) -> float:
    network = neat.nn.FeedForwardNetwork.create(genome, config)
    return 4.0 - sum((network.activate(x)[0] - y) ** 2 for x, y in zip(X, Y, strict=True))


def evaluate(genomes: Any, config: Any) -> None:
    for _, genome in genomes:
        genome.fitness = fitness(genome, config)


def main() -> tuple[float, float]:
    config = configuration()
    population = neat.Population(config, seed=2)
    champion = population.run(evaluate, 100)
    before = fitness(champion, config)
    print(f"generation {population.generation}: the champion has fitness {before:.4f} of 4")

    net = from_genome(champion, config)
    print(f"as a net: {net}")
    for neuron in net:
        if not neuron.is_input:
            print(f"  {neuron.name}: {neuron.activation.name}, fed by {', '.join(j.name for j in neuron.sources)}")

    history = net.fit(X, Y, epochs=500, rate=0.02, batch_size=None, progress=False)
    to_genome(net, champion, config)
    after = fitness(champion, config)
    print(f"trained for {history.epochs} epochs and sent back: fitness {after:.4f}")

    network = neat.nn.FeedForwardNetwork.create(champion, config)
    for x in X:
        print(f"  {x[0]:.0f} xor {x[1]:.0f} = {network.activate(x)[0]:.3f}")
    return before, after


if __name__ == "__main__":
    before, after = main()
    if not 3.99 < after >= before:
        raise SystemExit("the champion did not learn exclusive or")
