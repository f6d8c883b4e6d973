"""Gradient-flow diagrams, tables and verdicts of scalar graphs and neuron nets. The front door: names only.

For pytest, which would rewrite the assertions of a distribution that brings a plugin: PYTEST_DONT_REWRITE.
"""

from typing import TYPE_CHECKING, Any

from visualize.diagrams import Diagram, draw
from visualize.engines import EngineError, EngineTimeoutError
from visualize.given import as_graph
from visualize.graph import Graph
from visualize.groups import Node, by_prefix
from visualize.overtime import Strips, strips
from visualize.picture import Picture
from visualize.programs import from_program
from visualize.sources import from_net, from_value
from visualize.verdict import Level, Levels, Path, attribution, cancellation, levels, strongest_paths, verdict

if TYPE_CHECKING:
    from visualize.animation import Animation, animate
    from visualize.charts import Chart, curves
    from visualize.recording import Recording, record

#: What follows a training, and imports what trains: loaded when it is asked for.
_LATER = {
    "Animation": "animation", "animate": "animation", "Chart": "charts", "curves": "charts", "Recording": "recording",
    "record": "recording",
}  # fmt: skip

__all__ = [
    "Animation",
    "Chart",
    "Diagram",
    "EngineError",
    "EngineTimeoutError",
    "Graph",
    "Level",
    "Levels",
    "Node",
    "Path",
    "Picture",
    "Recording",
    "Strips",
    "animate",
    "as_graph",
    "attribution",
    "by_prefix",
    "cancellation",
    "curves",
    "draw",
    "from_net",
    "from_program",
    "from_value",
    "levels",
    "record",
    "strips",
    "strongest_paths",
    "verdict",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(f"visualize.{_LATER[name]}"), name)
    raise AttributeError(f"module 'visualize' has no attribute {name!r}")
