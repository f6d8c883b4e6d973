"""micrograd's classes: its programs run with the import changed."""

import random

import pytest

from autograd import Value, nn


def test_the_weights_are_those_that_micrograd_draws() -> None:
    random.seed(7)
    expected = [random.uniform(-1, 1) for _ in range(3 * 4 + 4 * 1)]
    random.seed(7)
    model = nn.MLP(3, [4, 1])
    drawn = [p.data for layer in model.layers for n in layer.neurons for p in n.w]
    assert drawn == expected
    assert all(n.b.data == 0 for layer in model.layers for n in layer.neurons)


def test_parameters_and_reprs() -> None:
    model = nn.MLP(2, [16, 16, 1])
    assert len(model.parameters()) == 337
    assert repr(model.layers[-1]) == "Layer of [LinearNeuron(16)]"
    assert repr(model.layers[0].neurons[0]) == "ReLUNeuron(2)"


def test_zero_grad_and_a_step_lower_the_loss() -> None:
    random.seed(1)
    model = nn.MLP(2, [4, 1])
    x, target = [1.0, -2.0], 0.5

    def loss() -> Value:
        return (model(x) - target) ** 2

    before = loss()
    before.backward()
    before.backward()
    doubled = [p.grad for p in model.parameters()]
    model.zero_grad()
    loss().backward()
    assert [2 * p.grad for p in model.parameters()] == doubled
    for p in model.parameters():
        p.data -= 0.01 * p.grad
    assert loss() < before


def test_an_output_of_one_neuron_is_bare_and_of_several_a_list() -> None:
    assert isinstance(nn.Layer(2, 1)([1, 2]), Value)
    assert len(nn.Layer(2, 3)([1, 2])) == 3


def test_a_neuron_computes_the_weighted_sum() -> None:
    neuron = nn.Neuron(2, nonlin=False)
    neuron.w[0].data, neuron.w[1].data, neuron.b.data = 2.0, -3.0, 0.5
    assert neuron([4.0, 1.0]) == 5.5
    assert nn.Neuron(1)([0.0]).op.name == "relu"


def test_the_wrong_number_of_inputs_is_refused() -> None:
    with pytest.raises(ValueError, match="takes 2 inputs, got 3"):
        nn.Neuron(2)([1, 2, 3])
