"""Trust the gradient: checks, oracles and strategies for the gradients of any engine.

`check_gradient` holds the derivatives of a function, from here or from any other engine, against an independent truth;
`check_op`, `check_graph` and `check_net` do so for an operation, a graph of Values and a net of neurons.
`autograd.testing.strategies` draws points, programs, graphs and nets for Hypothesis, the pytest plugin has the fixture
``gradcheck``, and `autograd.testing.mutation` measures a suite by the wrong gradients that it notices.
"""

from autograd.testing.check import check_gradient, conditioning
from autograd.testing.graphs import check_graph, check_net
from autograd.testing.report import VERDICTS, Finding, GradientError, Report
from autograd.testing.rows import OpReport, check_op, samples

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
