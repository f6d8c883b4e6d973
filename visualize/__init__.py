"""Gradient-flow diagrams, tables and verdicts of scalar graphs and neuron nets. The front door: names only.

For pytest, which would rewrite the assertions of a distribution that brings a plugin: PYTEST_DONT_REWRITE.
"""

from visualize.diagrams import Diagram, draw
from visualize.engines import EngineError, EngineTimeoutError
from visualize.graph import Graph, as_graph, from_net, from_value
from visualize.verdict import Level, Levels, attribution, cancellation, levels, verdict

__all__ = [
    "Diagram",
    "EngineError",
    "EngineTimeoutError",
    "Graph",
    "Level",
    "Levels",
    "as_graph",
    "attribution",
    "cancellation",
    "draw",
    "from_net",
    "from_value",
    "levels",
    "verdict",
]
