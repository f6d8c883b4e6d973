"""dagrad: scalar autograd over a computation graph, for programs and for neuron nets of any shape.

The front door. A derivative is one line in `autograd.ops`; the two sweeps are in `autograd.value`.

For pytest, which would rewrite the assertions of a package that brings a plugin: PYTEST_DONT_REWRITE.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from autograd import ops
from autograd.calculus import derivative, grad, gradients, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from autograd.op import ABSENT, Op
from autograd.ops import (
    abs,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cbrt,
    ceil,
    clip,
    cos,
    cosh,
    digamma,
    dot,
    elu,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    floor,
    fmod,
    gaussian,
    gelu,
    hypot,
    identity,
    leaky_relu,
    lgamma,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logsigmoid,
    logsumexp,
    maximum,
    mean,
    minimum,
    norm,
    normal_cdf,
    normal_pdf,
    polygamma,
    pow,
    primitive,
    prod,
    reciprocal,
    relu,
    selu,
    sigmoid,
    sign,
    silu,
    sin,
    sinh,
    softplus,
    softsign,
    sqrt,
    square,
    sum,
    tan,
    tanh,
    where,
)
from autograd.value import (
    AnomalyError,
    Value,
    constant,
    detect_anomaly,
    no_grad,
    print_graph,
    program,
    topological_order,
)

if _TYPE_CHECKING:
    from autograd.compiler import jit as jit
    from autograd.diagnose import Flow as Flow
    from autograd.learn import Training as Training
    from autograd.learn import fit as fit
    from autograd.net import Net as Net
    from autograd.net import Neuron as Neuron
    from autograd.objectives import objective as objective
    from autograd.optimise import LBFGS as LBFGS
    from autograd.optimise import SGD as SGD
    from autograd.optimise import Adam as Adam
    from autograd.optimise import AdamW as AdamW
    from autograd.optimise import LevenbergMarquardt as LevenbergMarquardt
    from autograd.optimise import RMSprop as RMSprop
    from autograd.optimise import Rprop as Rprop

__all__ = [
    "ABSENT",
    "LBFGS",
    "SGD",
    "Adam",
    "AdamW",
    "AnomalyError",
    "Flow",
    "LevenbergMarquardt",
    "Net",
    "Neuron",
    "Op",
    "RMSprop",
    "Rprop",
    "Training",
    "Value",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "clip",
    "compiled",
    "constant",
    "cos",
    "cosh",
    "derivative",
    "detect_anomaly",
    "digamma",
    "dot",
    "elu",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fit",
    "floor",
    "fmod",
    "gaussian",
    "gelu",
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "hypot",
    "identity",
    "jacobian",
    "jit",
    "jvp",
    "leaky_relu",
    "lgamma",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logsigmoid",
    "logsumexp",
    "maximum",
    "mean",
    "minimum",
    "no_grad",
    "norm",
    "normal_cdf",
    "normal_pdf",
    "objective",
    "ops",
    "polygamma",
    "pow",
    "primitive",
    "print_graph",
    "prod",
    "program",
    "reciprocal",
    "relu",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "softplus",
    "softsign",
    "sqrt",
    "square",
    "sum",
    "tan",
    "tanh",
    "topological_order",
    "value_and_grad",
    "vjp",
    "where",
]

__version__ = "0.1.0"

#: Whether the scalar core runs as native code, or as the same source in plain Python.
compiled: bool = not (_import_module("autograd.value").__file__ or "").endswith(".py")

# What needs NumPy is imported when it is first asked for.
_LATER = {
    "Net": "net",
    "Neuron": "net",
    "Flow": "diagnose",
    "fit": "learn",
    "Training": "learn",
    "SGD": "optimise",
    "RMSprop": "optimise",
    "Adam": "optimise",
    "AdamW": "optimise",
    "Rprop": "optimise",
    "LBFGS": "optimise",
    "LevenbergMarquardt": "optimise",
    "jit": "compiler",
    "objective": "objectives",
}
_MODULES = ("batch", "diagnose", "exact", "layers", "learn", "neat", "net", "nn", "optimise", "testing")


def __getattr__(name: str) -> _Any:
    if name in _LATER:
        return getattr(_import_module(f"autograd.{_LATER[name]}"), name)
    if name in _MODULES:
        return _import_module(f"autograd.{name}")
    raise AttributeError(f"module 'autograd' (dagrad) has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])


def _warn_of_namesake() -> None:
    """Say so if PyPI's other package of this name has put its files beside ours."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        other = distribution("autograd")
    except PackageNotFoundError:
        return
    import warnings

    warnings.warn(
        f"dagrad and the distribution 'autograd' {other.version} (HIPS) are installed in one environment, and both "
        "own the folder 'autograd': the files of one have overwritten those of the other. Keep one: "
        "pip uninstall autograd dagrad, then install the one you want.",
        RuntimeWarning,
        stacklevel=3,
    )


_warn_of_namesake()
