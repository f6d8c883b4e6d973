"""A program as a text of C99 that needs nothing but `math.h`, for use where there is no Python.

Operators and functions of the C library are written as such. The others stand in `FUNCTIONS`, by the algorithms of
`special`, and come along with a program that uses them.
"""

from __future__ import annotations

import ctypes
import math
import re
from functools import cache

import numpy as np

from autograd import special
from autograd.codegen import BINARY, COMPARISONS, LOGIC, Program, Step

_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==",
          "ne": "!=", "and": "&&", "or": "||"}  # fmt: skip


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Functions of numbers that C99 has, each in float too, with an f behind its name. `gamma` is none of them: some
#: libraries have that name, and mean the logarithm.
LIBRARY = _words(
    "acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs fdim floor fma "
    "fmax fmin fmod hypot lgamma log log10 log1p log2 logb nearbyint nextafter pow remainder rint round sin sinh sqrt "
    "tan tanh tgamma trunc"
)

_KEYWORDS = _words(
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"
)

#: Rows that C lacks, as functions of C called dagrad_name. They are written for double; the text for float has other
#: types, suffixes and numbers: a name behind $ is a number that depends on the format, or a list of them.
FUNCTIONS: dict[str, str] = {
    "maximum": """
static double dagrad_maximum(double a, double b)
{
    return a != a || a > b ? a : b;
}
""",
    "minimum": """
static double dagrad_minimum(double a, double b)
{
    return a != a || a < b ? a : b;
}
""",
    "sigmoid": """
static double dagrad_sigmoid(double x)
{
    return (x >= 0.0 ? 1.0 : exp(x)) / (1.0 + exp(-fabs(x)));
}
""",
    "softplus": """
static double dagrad_softplus(double x)
{
    return x > 0.0 ? x + log1p(exp(-x)) : log1p(exp(x));
}
""",
    "logsigmoid": """
static double dagrad_logsigmoid(double x)
{
    return -dagrad_softplus(-x);
}
""",
    "gaussian": """
static double dagrad_gaussian(double x)
{
    return dagrad_bell(x, 1.0);
}
""",
    "normal_pdf": """
static double dagrad_normal_pdf(double x)
{
    return dagrad_bell(x, 0.5) / $ROOT_2PI;
}
""",
    "normal_cdf": """
/* erfc(-x/sqrt 2)/2, with the rounding of x/sqrt 2 put back in first order: the tail multiplies it by x^2. */
static double dagrad_normal_cdf(double x)
{
    double t, hi, error;
    if (!(fabs(x) < 40.0))
        return x != x ? x : x > 0.0 ? 1.0 : 0.0;
    t = -x * $ROOT_HALF;
    hi = floor(x * $SPLIT) / $SPLIT;
    error = (hi * $ROOT_HALF_HI + t) + (x - hi) * $ROOT_HALF_HI + x * $ROOT_HALF_MID + x * $ROOT_HALF_LO;
    return 0.5 * (erfc(t) + error * 2.0 / $ROOT_PI * dagrad_bell(t, 1.0));
}
""",
    "mod": """
/* The remainder with the sign of b. */
static double dagrad_mod(double a, double b)
{
    double rest = fmod(a, b);
    if (rest == 0.0)
        return copysign(0.0, b);
    return (rest < 0.0) != (b < 0.0) ? rest + b : rest;
}
""",
    "floordiv": """
/* The quotient rounded down; of the exact one, hence by way of the remainder. */
static double dagrad_floordiv(double a, double b)
{
    double rest = fmod(a, b), quotient = (a - rest) / b, whole;
    if (rest != 0.0 && (rest < 0.0) != (b < 0.0))
        quotient -= 1.0;
    if (quotient == 0.0)
        return copysign(0.0, a / b);
    whole = floor(quotient);
    return quotient - whole > 0.5 ? whole + 1.0 : whole;
}
""",
    "lgamma": """
/* log |gamma(x)|; near its roots 1 and 2 by the Taylor series, with the coefficients (zeta(k) - 1)/k. */
static double dagrad_lgamma(double x)
{
    static const double series[] = {$ZETA};
    if (x > 0.5 && x < 2.5) {
        const double t = x < 1.5 ? x - 1.0 : x - 2.0;
        double y = 0.0;
        int k;
        for (k = $ZETA_LAST; k >= 0; k--)
            y = series[k] - t * y;
        y = t * $ONE_MINUS_EULER + t * t * y;
        return x < 1.5 ? y - log1p(t) : y;
    }
    if (x >= 2.5 && x < 4.5)
        return log(x - 1.0) + dagrad_lgamma(x - 1.0);
    return lgamma(x);
}
""",
    "digamma": """
/* The derivative of lgamma; nan at 0, -1, -2, ... and at -inf. */
static double dagrad_digamma(double x)
{
    static const double bernoulli[] = {$BERNOULLI};
    double sum[2] = {0.0, 0.0}, w, power;
    int k;
    if (x <= 0.0) {
        if (x == floor(x))
            return NAN;
        return dagrad_digamma(1.0 - x) - $PI / tan($PI * (x - floor(x + 0.5)));
    }
    if (x > 1.0 && x < 3.0)
        return dagrad_digamma_near_root(x);
    for (; x < 20.0; x += 1.0)
        dagrad_add(sum, -1.0 / x);
    dagrad_add(sum, log(x));
    dagrad_add(sum, -0.5 / x);
    power = w = 1.0 / (x * x);
    for (k = 1; k <= 10; k++, power *= w)
        dagrad_add(sum, -bernoulli[k - 1] * power / (2.0 * k));
    return dagrad_total(sum);
}
""",
    "polygamma": """
/* The n-th derivative of digamma, for whole n >= 0 with a finite factorial; nan for other n and at the poles. */
static double dagrad_polygamma(double n, double x)
{
    const double s = n + 1.0, sign = fmod(n, 2.0) == 1.0 ? 1.0 : -1.0;
    double sum[2] = {0.0, 0.0}, half, above;
    if (n == 0.0)
        return dagrad_digamma(x);
    if (!(n > 0.0 && n <= $MOST_ORDER && n == floor(n)) || x != x || x < -1000.0 || (x <= 0.0 && x == floor(x)))
        return NAN;
    if (x > 0.0 && !isfinite(x))
        return 0.0;
    /* The recurrence lifts x above zero. */
    for (; x <= 0.0; x += 1.0)
        dagrad_add(sum, sign * (tgamma(s) / pow(x, s)));
    /* In two halves, as x^-s may be too small where the result is not. */
    half = pow(x, -0.5 * s);
    above = sign * (tgamma(s) * half * dagrad_scaled_zeta(s, x) * half);
    if (sum[0] == 0.0)
        return above;
    dagrad_add(sum, above);
    return dagrad_total(sum);
}
""",
}

#: What the functions above share.
_PARTS = {
    "bell": """
/* exp(-scale x^2) for scale a power of two: hi is short, so its square is exact, and the rest is small. */
static double dagrad_bell(double x, double scale)
{
    double hi;
    x = fabs(x);
    if (!(x < 60.0))
        return x != x ? x : 0.0;
    hi = floor(x * $SPLIT) / $SPLIT;
    return exp(-scale * (hi * hi)) * exp(-scale * (x - hi) * (x + hi));
}
""",
    "add": """
/* Adds x to sum[0], and the rounding error of that to sum[1]. */
static void dagrad_add(double *sum, double x)
{
    const double t = sum[0] + x;
    sum[1] += fabs(sum[0]) >= fabs(x) ? (sum[0] - t) + x : (x - t) + sum[0];
    sum[0] = t;
}
""",
    "total": """
static double dagrad_total(const double *sum)
{
    return isfinite(sum[0]) ? sum[0] + sum[1] : sum[0];
}
""",
    "digamma_near_root": """
/* (x - r) S for the root r, S the sum of 1/((k + x)(k + r)) over k >= 0. Its tail from k = 20 is the difference of the
   asymptotic series at both points, divided by x - r term by term. */
static double dagrad_digamma_near_root(double x)
{
    static const double bernoulli[] = {$BERNOULLI};
    const double root = $DIGAMMA_ROOT, d = (x - root) - $DIGAMMA_ROOT_LO;
    const double a = 20.0 + x, b = 20.0 + root, u = 1.0 / (a * a), v = 1.0 / (b * b), ratio = d / b;
    double sum[2] = {0.0, 0.0}, power = 1.0, powers = 1.0;
    int k;
    for (k = 0; k < 20; k++)
        dagrad_add(sum, 1.0 / ((k + x) * (k + root)));
    dagrad_add(sum, (ratio != 0.0 ? log1p(ratio) / ratio : 1.0) / b);
    dagrad_add(sum, 0.5 / (a * b));
    /* powers is (u^k - v^k)/(u - v). */
    for (k = 1; k <= 10; k++, power *= v, powers = u * powers + power)
        dagrad_add(sum, bernoulli[k - 1] / (2.0 * k) * powers * ((a + b) * u * v));
    return d * dagrad_total(sum);
}
""",
    "scaled_zeta": """
/* x^s times the sum of (k + x)^-s over k >= 0, for s > 1 and x > 0, by Euler and Maclaurin. */
static double dagrad_scaled_zeta(double s, double x)
{
    static const double bernoulli[] = {$BERNOULLI};
    const double first = x;
    double sum[2] = {0.0, 0.0}, term, factor;
    int k;
    for (; x < 20.0 + s; x += 1.0)
        dagrad_add(sum, pow(first / x, s));
    term = pow(first / x, s);
    dagrad_add(sum, term * x / (s - 1.0));
    dagrad_add(sum, 0.5 * term);
    factor = s * term / x / 2.0;
    for (k = 1; k <= 10; k++) {
        dagrad_add(sum, bernoulli[k - 1] * factor);
        factor *= (s + (2.0 * k - 1.0)) * (s + 2.0 * k) / (x * x) / ((2.0 * k + 1.0) * (2.0 * k + 2.0));
    }
    return dagrad_total(sum);
}
""",
}


def c_source(program: Program, name: str, about: str, scalar: str = "double") -> str:
    """Return a program as standalone C99: ``void name(const double *x, double *y)`` for one sample.

    Several such texts may stand in one file, one after another.

    Args:
        program: what to write.
        name: of the function.
        about: the comment above it.
        scalar: the type of all numbers, "double" or "float".

    Returns:
        The text: the comment, the functions that C lacks as far as the program uses them, and the function.

    Raises:
        TypeError: if a step calls Python code that is not of a row in `FUNCTIONS`, or a function that C lacks.
        ValueError: if name cannot be that of a function, or scalar is neither of the two types.
    """
    if not (name.isidentifier() and name.isascii()) or name.startswith("dagrad_"):
        raise ValueError(f"c_source: the name of a function in C is an identifier, got {name!r}")
    if name in _KEYWORDS | LIBRARY or name.removesuffix("f") in LIBRARY:
        raise ValueError(f"c_source: the name of the function is an identifier that is free in C, got {name!r}")
    if scalar not in ("double", "float"):
        raise ValueError(f'c_source: scalar is "double" or "float", got {scalar!r}')
    used = _used(program)
    lines = [f"const {scalar} v{i} = x[{i}];" for i in range(program.inputs) if i in used]
    if not lines:
        lines.append("(void)x;")  # compilers warn of what is not used
    needed: dict[str, None] = {}
    for place, step in enumerate(program.steps, program.inputs):
        if place in used:
            kind = "int" if program.is_condition(place) else scalar
            lines.append(f"const {kind} v{place} = {_expression(program, step, scalar)};")
            if step.name in FUNCTIONS:
                _need(step.name, needed)
    lines += [f"y[{j}] = {_number(x, scalar)};" for j, x in enumerate(program.outputs)]
    about = about.replace("*/", "* /").replace("/*", "/ *")
    functions = "".join(_guarded(k, scalar) for k in needed)
    body = "\n".join(f"    {line}" for line in lines)
    head = f"void {name}(const {scalar} *x, {scalar} *y)"
    return f"/* {about} */\n#include <math.h>\n\n{functions}{head}\n{{\n{body}\n}}\n"


def _used(program: Program) -> set[int]:
    """Return the places that the outputs need."""
    used = {x for x in program.outputs if type(x) is int}
    for place in range(program.inputs + len(program.steps) - 1, program.inputs - 1, -1):
        if place in used:
            used.update(x for x in program.steps[place - program.inputs].operands if type(x) is int)
    return used


def _expression(program: Program, step: Step, scalar: str) -> str:
    """Return the right side of a step."""
    name = step.name
    xs = [_number(x, scalar) for x in step.operands]
    if name in BINARY or name == "neg":
        # Truth values are whole numbers in C, of which 0/0 is no nan and -0 no negative zero.
        for i, x in enumerate(step.operands):
            if type(x) is int and program.is_condition(x):
                xs[i] = f"({scalar}){xs[i]}"
    if name in BINARY or name in COMPARISONS or name in LOGIC:
        return f"{xs[0]} {_SIGNS[name]} {xs[1]}"
    if name == "where":
        return f"{xs[0]} ? {xs[1]} : {xs[2]}"
    if name in ("neg", "not"):
        return f"{'-' if name == 'neg' else '!'}{xs[0]}"
    # No other row can have the name of one in the table, so the name tells that the Python code is that one's.
    if name in FUNCTIONS:
        name = f"dagrad_{name}"
    elif step.python is not None:
        raise TypeError(f"c_source: the operation {name} is code in Python, and C has none of this name")
    elif name not in LIBRARY:
        raise TypeError(f"c_source: C has no function {name}")
    return f"{name}{'f' * (scalar == 'float')}({', '.join(xs)})"


def _number(x: int | float, scalar: str) -> str:
    """Return the name of a value, or a constant."""
    if type(x) is int:
        return f"v{x}"
    x = _rounded(x, scalar)
    if x != x:
        return "NAN"
    if math.isinf(x):
        return "INFINITY" if x > 0 else "(-INFINITY)"
    text = repr(x) if scalar == "double" else f"{np.float32(x)!s}f"
    return f"({text})" if text.startswith("-") else text


def _rounded(x: float, scalar: str) -> float:
    return float(x) if scalar == "double" else ctypes.c_float(x).value


# The functions that C lacks. -----------------------------------------------------------------------------------------


def _need(name: str, needed: dict[str, None]) -> None:
    """Enter a function, and before it those that it calls."""
    for other in re.findall(r"dagrad_(\w+)\(", _text(name)):
        if other != name:
            _need(other, needed)
    needed.setdefault(name)


def _text(name: str) -> str:
    return FUNCTIONS[name] if name in FUNCTIONS else _PARTS[name]


def _guarded(name: str, scalar: str) -> str:
    """Return a function so that it counts once in a file, however often it stands there."""
    guard = f"DAGRAD_{name}{'f' * (scalar == 'float')}".upper()
    return f"#ifndef {guard}\n#define {guard}\n{_typed(_text(name).strip(), scalar)}\n#endif\n\n"


_WORD = re.compile(r"(?P<comment>/\*.*?\*/)|(?P<constant>\$[A-Z_0-9]*[A-Z])|(?P<number>(?<![\w.])\d+\.\d+)|"
                   r"(?P<type>\bdouble\b)|\b(?P<call>\w+)(?=\()", re.DOTALL)  # fmt: skip


def _typed(text: str, scalar: str) -> str:
    """Return a function's text in a format."""

    def word(match: re.Match[str]) -> str:
        found, kind = match.group(), match.lastgroup
        if kind == "constant":
            return _constants(scalar)[found[1:]]
        if scalar == "float":
            if kind == "number":
                return f"{found}f"
            if kind == "type":
                return scalar
            if kind == "call" and (found in LIBRARY or found.startswith("dagrad_")):
                return f"{found}f"
        return found

    return _WORD.sub(word, text)


@cache
def _constants(scalar: str) -> dict[str, str]:
    """Return what stands behind $ in the functions' text."""
    double = scalar == "double"
    # A number below 60, and below 16 with float, cut behind this place has a square of at most 53, or 24, bits.
    split = 2.0**20 if double else 2.0**8
    half = _rounded(math.sqrt(0.5), scalar)
    short = 2.0**26 if double else 2.0**12
    high = math.floor(half * short) / short
    root = _rounded(special._DIGAMMA_ROOT, scalar)
    terms = 30 if double else 16
    zeta = [z / k for k, z in enumerate(special._zeta_minus_1()[:terms], 2)]
    numbers = {
        "PI": math.pi,
        "ROOT_PI": math.sqrt(math.pi),
        "ROOT_2PI": math.sqrt(2.0 * math.pi),
        "ROOT_HALF": half,
        "ROOT_HALF_HI": high,
        "ROOT_HALF_MID": half - high,
        "ROOT_HALF_LO": math.sqrt(0.5) - half + special._ROOT_HALF_LO,
        "SPLIT": split,
        "ONE_MINUS_EULER": 1.0 - special._EULER,
        "DIGAMMA_ROOT": root,
        "DIGAMMA_ROOT_LO": special._DIGAMMA_ROOT - root + special._DIGAMMA_ROOT_LO,
        "MOST_ORDER": 150.0 if double else 34.0,  # its factorial is a number of the format
    }
    texts = {name: _number(x, scalar) for name, x in numbers.items()}
    return texts | {
        "BERNOULLI": _listed(list(special._BERNOULLI), scalar),
        "ZETA": _listed(zeta, scalar),
        "ZETA_LAST": str(terms - 1),
    }


def _listed(xs: list[float], scalar: str) -> str:
    """Return numbers as the inside of an initializer, four in a line."""
    texts = [_number(x, scalar).strip("()") for x in xs]
    return ",".join("\n        " + ", ".join(texts[i : i + 4]) for i in range(0, len(texts), 4))
