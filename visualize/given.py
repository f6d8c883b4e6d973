"""What a user gives to be drawn, as a `Graph`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from visualize.graph import Graph
from visualize.programs import from_program, is_program
from visualize.sources import from_net, from_value


@runtime_checkable
class Recorded(Protocol):
    """A training that has left the graph at several times, as `visualize.record` does."""

    def graph(self, k: int) -> Graph:
        """Return the graph at look k."""

    def steps(self) -> Sequence[tuple[str, Graph]]:
        """Return looks as pairs (label, graph)."""


def as_graph(x: Any, at: Any = None) -> Graph:
    """Return the `Graph` of a Value, a Net, a compiled function or a Graph.

    Args:
        x: the node on which backward() was called, a net after a sweep, a function made by `autograd.jit`, or a Graph.
        at: the samples [N, p] at which a compiled function is looked at; default none, so that there are no gradients.

    Raises:
        TypeError: if it is none of these, or `at` is given for what has its numbers already.
    """
    if is_program(x):
        return from_program(x, at)
    if at is not None:
        raise TypeError(f"at= tells where a compiled function is drawn; {type(x).__name__} has its numbers already")
    if isinstance(x, Graph):
        return x
    if hasattr(x, "operands") and hasattr(x, "partials"):
        return from_value(x)
    if hasattr(x, "activation_names") and hasattr(x, "weights"):
        return from_net(x)
    raise TypeError(f"expected a Value, a Net, a compiled function or a visualize.Graph, got {type(x).__name__}: "
                    f"{x!r:.80}; for a list of results, draw the one on which backward() was called")
