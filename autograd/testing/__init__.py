"""Trust the gradient: checks, oracles and strategies for the gradients of any engine.

`check_gradient` holds the derivatives of a function, from here or from any other engine, against an independent truth;
`check_op`, `check_graph` and `check_net` do so for an operation, a graph of Values and a net of neurons.
`autograd.testing.strategies` draws points, programs, graphs and nets for Hypothesis, the pytest plugin has the fixture
``gradcheck``, and `autograd.testing.mutation` measures a suite by the wrong gradients that it notices.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from autograd.testing.check import check_gradient as check_gradient
    from autograd.testing.check import conditioning as conditioning
    from autograd.testing.graphs import check_graph as check_graph
    from autograd.testing.graphs import check_net as check_net
    from autograd.testing.report import VERDICTS as VERDICTS
    from autograd.testing.report import Finding as Finding
    from autograd.testing.report import GradientError as GradientError
    from autograd.testing.report import Report as Report
    from autograd.testing.rows import OpReport as OpReport
    from autograd.testing.rows import check_op as check_op
    from autograd.testing.rows import samples as samples

__all__ = [
    "VERDICTS",
    "Finding",
    "GradientError",
    "OpReport",
    "Report",
    "check_gradient",
    "check_graph",
    "check_net",
    "check_op",
    "conditioning",
    "samples",
]

# Imported when it is first asked for: pytest loads the plugin, and so this module, in every run.
_HOMES = {
    "check": ("check_gradient", "conditioning"),
    "graphs": ("check_graph", "check_net"),
    "report": ("VERDICTS", "Finding", "GradientError", "Report"),
    "rows": ("OpReport", "check_op", "samples"),
}


def __getattr__(name: str) -> _Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(_import_module(f"autograd.testing.{module}"), name)
    raise AttributeError(f"module 'autograd.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
