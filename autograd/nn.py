"""Layered nets of scalar Values, with the classes of micrograd: programs written for it run with the import changed.

Here every weight and every product is a node, so a whole net can be looked at. For data sets of any size
use `autograd.Net`, which computes the same gradients on arrays.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from autograd.value import Value


class Module:
    """Something with parameters."""

    def parameters(self) -> list[Value]:
        """Return the leaves that training changes."""
        return []

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0, as before each sweep of training."""
        for p in self.parameters():
            p.grad = 0.0


class Neuron(Module):
    """One neuron: relu(sum over j of w_j x_j + b), or the sum alone.

    Args:
        nin: number of inputs.
        nonlin: whether relu is applied.

    Weights start uniform in (-1, 1), from the global generator of `random`; the bias starts at 0.
    """

    def __init__(self, nin: int, nonlin: bool = True) -> None:
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0.0)
        self.nonlin = nonlin

    def __call__(self, x: Sequence[Any]) -> Value:
        """Return the output for one sample of nin numbers or Values."""
        if len(x) != len(self.w):
            raise ValueError(f"{self!r} takes {len(self.w)} inputs, got {len(x)}")
        a: Value = sum((w * xi for w, xi in zip(self.w, x, strict=True)), self.b)
        return a.relu() if self.nonlin else a

    def parameters(self) -> list[Value]:
        """Return the weights and the bias."""
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """Neurons side by side on the same inputs.

    Args:
        nin: number of inputs.
        nout: number of neurons.
        kwargs: for each `Neuron`.
    """

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def __call__(self, x: Sequence[Any]) -> Any:
        """Return the list of outputs; for one neuron the output itself."""
        out = [n(x) for n in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self) -> list[Value]:
        """Return the parameters of all neurons."""
        return [p for n in self.neurons for p in n.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers in a row, relu in all but the last.

    Args:
        nin: number of inputs.
        nouts: number of neurons of each layer.

    >>> MLP(2, [2, 1])
    MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]
    """

    def __init__(self, nin: int, nouts: Sequence[int]) -> None:
        sizes = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [Layer(sizes[i], sizes[i + 1], nonlin=i != last) for i in range(len(nouts))]

    def __call__(self, x: Any) -> Any:
        """Return the output for one sample."""
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> list[Value]:
        """Return the parameters of all layers, first to last."""
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
