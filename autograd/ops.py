"""The table of operations: every value and every derivative, once, one row each.

A partial is one line of mathematics, written with these same operations: `x`, or `a` and `b`, are the arguments, `y`
the result. Given floats a line gives a float, given nodes a node (which makes the higher derivatives), given arrays an
array. Each line is in the form that keeps the digits over the whole range: tanh' is not 1 - y*y, which cancels.
`ABSENT` marks a branch that was not taken; a constant there would be multiplied. To add an operation, add a row.
"""

# mypy: disable-error-code="has-type"
# (lines of the table use rows that come after them)
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from autograd import special
from autograd.op import ABSENT, VARIADIC, Op, did_you_mean, one_sequence, power
from autograd.special import inf, libm, nan

#: Every row by name.
TABLE: dict[str, Op] = {}

R = (-inf, inf)
POSITIVE = (0.0, inf)
PI, LN2, LN10 = math.pi, math.log(2.0), math.log(10.0)
LOG2_E, LOG10_E = 1 / LN2, 1 / LN10
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(PI)
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def row(name: str, value: Callable[..., Any], *partials: Callable[..., Any], **about: Any) -> Op:
    """Make a row and enter it in the table. See `Op` for the arguments; the arity is the number of partials."""
    about.setdefault("arity", len(partials))
    about.setdefault("domain", (R,) * about["arity"])
    if about["arity"] == VARIADIC:
        partials = partials[0]  # type: ignore[assignment]
    if name in TABLE:
        raise ValueError(f"there is an operation {name!r} already; choose another name")
    TABLE[name] = operation = _kind(name)(name, value, partials, **about)
    return operation


def lookup(name: str) -> Op:
    """Return the row of this name; a KeyError names the rows that are spelled like it."""
    try:
        return TABLE[name]
    except KeyError:
        hint = did_you_mean(name, TABLE) or "; autograd.ops.TABLE lists them"
        raise KeyError(f"no operation is called {name!r}{hint}") from None


# Native code for a row exists only as far as it was made from this very text; a changed row runs as Python until the
# package is built again.
_native: dict[str, type[Op]] = {}


def _kind(name: str) -> type[Op]:
    return _native.get(name, Op)


def _load_native() -> None:
    import importlib

    try:
        native: Any = importlib.import_module("autograd._native")
    except ImportError:
        return
    import hashlib

    source = __loader__.get_data(__file__)  # type: ignore[name-defined]
    if native.DIGEST == hashlib.sha256(source).hexdigest():
        _native.update(native.ROWS)


_load_native()


# Arithmetic. --------------------------------------------------------------------------------------------------------

add = row("add", lambda a, b: a + b, lambda a, b, y: 1.0, lambda a, b, y: 1.0, form="{0} + {1}")
sub = row("sub", lambda a, b: a - b, lambda a, b, y: 1.0, lambda a, b, y: -1.0, form="{0} - {1}")
mul = row("mul", lambda a, b: a * b, lambda a, b, y: b, lambda a, b, y: a, form="{0} * {1}")
div = row("div", lambda a, b: a / b, lambda a, b, y: 1.0 / b, lambda a, b, y: -y / b, form="{0} / {1}",
          kinks=lambda a, b: b == 0, note="1/0 is inf and 0/0 is nan, as in IEEE 754")
neg = row("neg", lambda x: -x, lambda x, y: -1.0, form="-{0}")
pow = row("pow", power,
          lambda a, b, y: where((a == 0.0) & (b == 0.0), 0.0, b * pow(a, b - 1.0)),
          lambda a, b, y: where((y == 0.0) | ((a == 0.0) & (b == 0.0)), 0.0, y * log(a)),
          domain=(POSITIVE, R), form="{0} ** {1}",
          note="a negative base with a broken exponent is nan; d(x**0) = 0 also at 0; "
               "both partials are 0 at (0, 0), and at (0, b) the one of b > 0")
floordiv = row("floordiv", special.floordiv, lambda a, b, y: ABSENT, lambda a, b, y: ABSENT, form="{0} // {1}",
               kinks=lambda a, b: special.mod(a, b) == 0, domain=(R, POSITIVE),
               exact=lambda m, a, b: m.floor((a - m.mod(a, b)) / b + 0.5), note="derivatives are 0; x // 0 is nan")
mod = row("mod", special.mod, lambda a, b, y: 1.0, lambda a, b, y: -floordiv(a, b), form="{0} % {1}",
          kinks=lambda a, b: special.mod(a, b) == 0, domain=(R, POSITIVE),
          exact=lambda m, a, b: m.mod(a, b),
          note="has the sign of the divisor, as Python's %; x % 0 is nan; at its jumps the derivative to the right")
fmod = row("fmod", special.fmod,
           lambda a, b, y: 1.0, lambda a, b, y: -sign(a) * sign(b) * floordiv(abs(a), abs(b)),
           kinks=lambda a, b: special.fmod(a, b) == 0, domain=(R, POSITIVE),
           note="has the sign of the dividend, as C's fmod; x fmod 0 is nan")
identity = row("identity", lambda x: x, lambda x, y: 1.0)
square = row("square", lambda x: x * x, lambda x, y: 2.0 * x)
reciprocal = row("reciprocal", lambda x: 1.0 / x, lambda x, y: -y * y, domain=(POSITIVE,))

# Exponentials, logarithms, roots. -----------------------------------------------------------------------------------

exp = row("exp", libm(math.exp, inf), lambda x, y: y)
exp2 = row("exp2", libm(math.exp2, inf), lambda x, y: y * LN2)
expm1 = row("expm1", libm(math.expm1, inf), lambda x, y: exp(x))
log = row("log", libm(math.log, pole={0.0: -inf}), lambda x, y: 1.0 / x, domain=(POSITIVE,),
          note="log(0) = -inf, log(-1) = nan")
log2 = row("log2", libm(math.log2, pole={0.0: -inf}), lambda x, y: LOG2_E / x, domain=(POSITIVE,))
log10 = row("log10", libm(math.log10, pole={0.0: -inf}), lambda x, y: LOG10_E / x, domain=(POSITIVE,))
log1p = row("log1p", libm(math.log1p, pole={-1.0: -inf}), lambda x, y: 1.0 / (1.0 + x), domain=((-1.0, inf),))
sqrt = row("sqrt", libm(math.sqrt), lambda x, y: 0.5 / y, domain=(POSITIVE,), note="sqrt'(0) = inf")
cbrt = row("cbrt", libm(math.cbrt), lambda x, y: 1.0 / (3.0 * (y * y)), domain=(POSITIVE,), note="cbrt'(0) = inf")
logaddexp = row("logaddexp",
                lambda a, b: where(a == b, a + LN2, maximum(a, b) + log1p(exp(-abs(a - b)))),
                lambda a, b, y: sigmoid(a - b), lambda a, b, y: sigmoid(b - a),
                exact=lambda m, a, b: (a if m.positive(a - b) else b) + m.log1p(m.exp(-m.fabs(a - b))))

# Circular and hyperbolic functions. ---------------------------------------------------------------------------------

sin = row("sin", libm(math.sin), lambda x, y: cos(x))
cos = row("cos", libm(math.cos), lambda x, y: -sin(x))
tan = row("tan", libm(math.tan), lambda x, y: 1.0 + y * y, domain=((-PI / 2, PI / 2),))
asin = row("asin", libm(math.asin), lambda x, y: 1.0 / sqrt((1.0 - x) * (1.0 + x)), domain=((-1.0, 1.0),),
           note="inf at +-1, nan outside")
acos = row("acos", libm(math.acos), lambda x, y: -1.0 / sqrt((1.0 - x) * (1.0 + x)), domain=((-1.0, 1.0),),
           note="-inf at +-1, nan outside")
atan = row("atan", libm(math.atan), lambda x, y: square(1.0 / hypot(1.0, x)))
atan2 = row("atan2", libm(math.atan2),
            lambda a, b, y: where((a == 0.0) & (b == 0.0), 0.0, b / hypot(a, b) / hypot(a, b)),
            lambda a, b, y: where((a == 0.0) & (b == 0.0), 0.0, -a / hypot(a, b) / hypot(a, b)),
            kinks=lambda a, b: (a == 0) & (b <= 0), note="both partials are 0 at (0, 0)")
hypot = row("hypot", libm(math.hypot, inf),
            lambda a, b, y: where(y == 0.0, 0.0, a / y), lambda a, b, y: where(y == 0.0, 0.0, b / y),
            kinks=lambda a, b: (a == 0) & (b == 0), note="both partials are 0 at (0, 0)")
sinh = row("sinh", libm(math.sinh, inf), lambda x, y: cosh(x))
cosh = row("cosh", libm(math.cosh, inf), lambda x, y: sinh(x))
tanh = row("tanh", libm(math.tanh), lambda x, y: 4.0 * sigmoid(2.0 * x) * sigmoid(-2.0 * x))
asinh = row("asinh", libm(math.asinh), lambda x, y: 1.0 / hypot(1.0, x))
acosh = row("acosh", libm(math.acosh), lambda x, y: 1.0 / (sqrt(x - 1.0) * sqrt(x + 1.0)), domain=((1.0, inf),),
            note="inf at 1, nan below")
atanh = row("atanh", libm(math.atanh, pole={1.0: inf, -1.0: -inf}), lambda x, y: 1.0 / ((1.0 - x) * (1.0 + x)),
            domain=((-1.0, 1.0),))

# Special functions. -------------------------------------------------------------------------------------------------

gaussian = row("gaussian", special.gaussian, lambda x, y: -2.0 * (x * y), exact=lambda m, x: m.exp(-x * x),
               note="exp(-x*x)")
normal_pdf = row("normal_pdf", special.normal_pdf, lambda x, y: -x * y,
                 exact=lambda m, x: m.exp(-x * x / 2) / m.sqrt(2 * m.pi))
normal_cdf = row("normal_cdf", special.normal_cdf, lambda x, y: normal_pdf(x),
                 exact=lambda m, x: m.erfc(-x / m.sqrt(2)) / 2)
erf = row("erf", libm(math.erf), lambda x, y: TWO_OVER_SQRT_PI * gaussian(x))
erfc = row("erfc", libm(math.erfc), lambda x, y: -TWO_OVER_SQRT_PI * gaussian(x))
lgamma = row("lgamma", special.lgamma, lambda x, y: digamma(x), domain=(POSITIVE,), exact=lambda m, x: m.lgamma(x),
             note="log of abs(gamma); inf at 0, -1, -2, ...; relative accuracy holds for x > 0")
digamma = row("digamma", special.digamma, lambda x, y: polygamma(1.0, x), domain=(POSITIVE,),
              exact=lambda m, x: m.digamma(x),
              note="nan at 0, -1, -2, ...")
polygamma = row("polygamma", special.polygamma, lambda n, x, y: nan, lambda n, x, y: polygamma(n + 1.0, x),
                domain=((0.0, 20.0), POSITIVE), exact=lambda m, n, x: m.psi(int(n), x),
                note="the order n is a whole number >= 0 and has no derivative")

# Pieces and choices. ------------------------------------------------------------------------------------------------

abs = row("abs", special.fabs, lambda x, y: sign(x), kinks=lambda x: x == 0, note="abs'(0) = 0")
sign = row("sign", lambda x: where(x > 0.0, 1.0, where(x < 0.0, -1.0, x)), lambda x, y: ABSENT,
           kinks=lambda x: x == 0, note="sign(0) = 0, sign' = 0")
floor = row("floor", special.floor, lambda x, y: ABSENT, kinks=lambda x: x == special.floor(x), note="floor' = 0")
ceil = row("ceil", special.ceil, lambda x, y: ABSENT, kinks=lambda x: x == special.floor(x), note="ceil' = 0")
maximum = row("maximum",
              lambda a, b: where(a > b, a, where(a <= b, b, a + b)),
              lambda a, b, y: where(a > b, 1.0, where(a == b, 0.5, ABSENT)),
              lambda a, b, y: where(b > a, 1.0, where(a == b, 0.5, ABSENT)),
              kinks=lambda a, b: a == b, note="ties share half and half; nan if either is nan")
minimum = row("minimum",
              lambda a, b: where(a < b, a, where(a >= b, b, a + b)),
              lambda a, b, y: where(a < b, 1.0, where(a == b, 0.5, ABSENT)),
              lambda a, b, y: where(b < a, 1.0, where(a == b, 0.5, ABSENT)),
              kinks=lambda a, b: a == b, note="ties share half and half; nan if either is nan")
clip = row("clip",
           lambda x, lo, hi: where(x > hi, hi, where(x < lo, lo, x)),
           lambda x, lo, hi, y: where((x < lo) | (x > hi), ABSENT, 1.0),
           lambda x, lo, hi, y: where((x < lo) & (x <= hi), 1.0, ABSENT),
           lambda x, lo, hi, y: where(x > hi, 1.0, ABSENT),
           kinks=lambda x, lo, hi: (x == lo) | (x == hi), note="at the bounds the derivative is that of the inside, 1")
where = row("where", special.choose,
            lambda c, a, b, y: ABSENT,
            lambda c, a, b, y: where(c, 1.0, ABSENT),
            lambda c, a, b, y: where(c, ABSENT, 1.0),
            kinks=lambda c, a, b: False, note="the branch not taken contributes nothing, not even nan * 0")

# Activations of neurons. --------------------------------------------------------------------------------------------

relu = row("relu", lambda x: where(x <= 0.0, 0.0, x), lambda x, y: where(x <= 0.0, ABSENT, 1.0),
           kinks=lambda x: x == 0, note="relu'(0) = 0")
leaky_relu = row("leaky_relu", lambda x: where(x <= 0.0, 0.01 * x, x), lambda x, y: where(x <= 0.0, 0.01, 1.0),
                 kinks=lambda x: x == 0, note="slope 0.01 below zero, and at 0")
elu = row("elu", lambda x: where(x <= 0.0, expm1(x), x), lambda x, y: where(x <= 0.0, exp(x), 1.0),
          kinks=lambda x: x == 0, note="alpha = 1; its second derivative at 0 is that of the left side, 1")
selu = row("selu", lambda x: SELU_SCALE * where(x <= 0.0, SELU_ALPHA * expm1(x), x),
           lambda x, y: SELU_SCALE * where(x <= 0.0, SELU_ALPHA * exp(x), 1.0),
           kinks=lambda x: x == 0, note="at 0 the derivative of the left side")
softplus = row("softplus", lambda x: where(x > 0.0, x + log1p(exp(-x)), log1p(exp(x))), lambda x, y: sigmoid(x))
sigmoid = row("sigmoid", lambda x: where(x >= 0.0, 1.0, exp(x)) / (1.0 + exp(-abs(x))),
              lambda x, y: y * sigmoid(-x))
logsigmoid = row("logsigmoid", lambda x: -softplus(-x), lambda x, y: sigmoid(-x))
silu = row("silu", lambda x: x * sigmoid(x), lambda x, y: sigmoid(x) * (1.0 + x * sigmoid(-x)))
gelu = row("gelu", lambda x: x * normal_cdf(x), lambda x, y: normal_cdf(x) + x * normal_pdf(x),
           note="the exact form, x * normal_cdf(x)")
softsign = row("softsign", lambda x: x / (1.0 + abs(x)), lambda x, y: square(1.0 / (1.0 + abs(x))),
               note="its second derivative at 0 is 0, by abs'(0) = 0")

# Sums over sequences: one node each, however long. ------------------------------------------------------------------


def _pair(*args: Any) -> list[Any]:
    if len(args) != 2 or any(getattr(x, "ndim", 1) > 1 for x in args):
        raise TypeError("dot() takes two sequences of numbers; for matrices use the @ of arrays of Values")
    xs, ys = map(one_sequence, args)
    if len(xs) != len(ys):
        raise ValueError(f"dot() takes two sequences of one length, got {len(xs)} and {len(ys)} numbers")
    return xs + ys


def _halves(xs: list[Any]) -> tuple[list[Any], list[Any]]:
    return xs[: len(xs) // 2], xs[len(xs) // 2 :]


def _products_of_others(xs: list[Any], y: Any) -> list[Any]:
    # From both ends, so that a zero factor needs no division and n partials cost 2n products.
    before, after = [1.0], [1.0]
    for x in xs[:-1]:
        before.append(before[-1] * x)
    for x in xs[:0:-1]:
        after.append(x * after[-1])
    return [b * a for b, a in zip(before, reversed(after), strict=True)] if xs else []


sum = row("sum", special.sum, lambda xs, y: [1.0] * len(xs), arity=VARIADIC, exact=lambda m, xs: m.fsum(xs))
mean = row("mean", special.mean, lambda xs, y: [1.0 / len(xs) for _ in xs], arity=VARIADIC,
           exact=lambda m, xs: m.fsum(xs) / len(xs))
dot = row("dot", lambda xs: special.dot(*_halves(xs)), lambda xs, y: xs[len(xs) // 2 :] + xs[: len(xs) // 2],
          arity=VARIADIC, pack=_pair, exact=lambda m, xs: m.fsum(a * b for a, b in zip(*_halves(xs), strict=True)))
prod = row("prod", special.prod, _products_of_others, arity=VARIADIC, exact=lambda m, xs: m.fprod(xs),
           note="no division, so zeros are no edge")
norm = row("norm", special.norm, lambda xs, y: [where(y == 0.0, 0.0, x / y) for x in xs], arity=VARIADIC,
           exact=lambda m, xs: m.sqrt(m.fsum(x * x for x in xs)), note="Euclidean; all partials are 0 at the origin")
logsumexp = row("logsumexp", special.logsumexp, lambda xs, y: [exp(x - y) for x in xs], arity=VARIADIC,
                exact=lambda m, xs: m.log(m.fsum(m.exp(x) for x in xs)), note="of an empty sequence -inf")


class Operators:
    """Python's operators as rows: base of types of number that the rows take through `register`."""

    __slots__ = ()

    __add__ = lambda a, b: add(a, b)
    __radd__ = lambda a, b: add(b, a)
    __sub__ = lambda a, b: sub(a, b)
    __rsub__ = lambda a, b: sub(b, a)
    __mul__ = lambda a, b: mul(a, b)
    __rmul__ = lambda a, b: mul(b, a)
    __truediv__ = lambda a, b: div(a, b)
    __rtruediv__ = lambda a, b: div(b, a)
    __pow__ = lambda a, b: pow(a, b)
    __rpow__ = lambda a, b: pow(b, a)
    __mod__ = lambda a, b: mod(a, b)
    __rmod__ = lambda a, b: mod(b, a)
    __neg__ = lambda a: neg(a)
    __abs__ = lambda a: abs(a)


def conventions() -> str:
    """Return the rows of this file as a Markdown table: operation, derivatives, conventions at kinks and edges."""
    import ast
    import inspect
    import sys

    lines = ["| operation | its derivatives, y the result | at kinks and edges |", "|---|---|---|"]
    for statement in ast.parse(inspect.getsource(sys.modules[__name__])).body:
        call = statement.value if isinstance(statement, ast.Assign) else None
        if isinstance(call, ast.Call) and len(call.args) > 2:
            name, _, *partials = map(ast.unparse, call.args)
            operation = TABLE[ast.literal_eval(name)]
            names = partials[0].removeprefix("lambda ").split(":")[0].split(", ")[:-1] or ["xs"]
            form = operation.form.format(*names) if operation.infix else f"{operation.name}({', '.join(names)})"
            formulas = ", ".join(f"`{p.split(': ', 1)[-1]}`" for p in partials)
            lines.append(f"| `{form}` | {formulas} | {operation.note} |".replace(" | (", r" \| ("))
    return "\n".join(lines)


def primitive(
    name: str,
    value: Callable[..., float],
    *partials: Callable[..., Any],
    domain: tuple[tuple[float, float], ...] | None = None,
    kinks: Callable[..., Any] | None = None,
    form: str = "",
    note: str = "",
    exact: Callable[..., Any] | None = None,
) -> Op:
    """Add a row of your own, with the rights of the built-in ones.

    Args:
        name: what the operation is called in listings, diagrams and saved nets.
        value: takes floats and returns a float; it may be a formula in these operations.
        partials: per argument the derivative, called with the arguments and the result, written in these operations
            so that higher derivatives follow; `autograd.ABSENT` where an argument does not reach the result.
        domain: per argument the open interval of differentiability; default the whole line.
        kinks: true at points where a convention stands in for the derivative.
        form: the printed form, such as ``"{0} @ {1}"``; default a function call.
        note: the convention at kinks and edges, for the documentation.
        exact: what the value means, one line in mpmath's functions m: ``lambda m, x: m.log(1 + m.exp(x))``. Needed for
            checks at 50 digits where the value is code on floats, such as a function of `math`.

    Returns:
        The operation: call it with numbers, nodes or arrays.

    Raises:
        TypeError: if value or a partial is not callable, or none is given.
        ValueError: if the name is taken or is not an identifier.

    >>> cube = primitive("cube", lambda x: x ** 3, lambda x, y: 3 * x ** 2)
    >>> cube(2.0)
    8.0
    >>> del TABLE["cube"]
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"an operation's name must be an identifier, got {name!r}")
    if not partials:
        raise TypeError(f"primitive({name!r}): give one partial derivative per argument after the value")
    for formula in (value, *partials):
        if not callable(formula):
            raise TypeError(f"primitive({name!r}): value and partials must be callable, got {formula!r}")
    about: dict[str, Any] = {"kinks": kinks, "form": form, "note": note, "exact": exact}
    if domain is not None:
        if len(domain) != len(partials):
            raise ValueError(f"primitive({name!r}): {len(partials)} arguments but {len(domain)} intervals in domain")
        about["domain"] = domain
    return row(name, value, *partials, **about)
