"""Elementary functions as LLVM IR over vectors: what a batch of samples needs where a loop over libm is too slow.

Each function is a short formula of mathematics on `Vec`, a vector of floats that is being computed by the code under
construction. `declare` puts a formula into a module as a function, `emit` puts it in line:

    exp = declare(module, "exp", "double", 8)       # define internal <8 x double> @dagrad.exp.v8f64(<8 x double>)
    y = builder.call(exp, [x])

The IR is portable (no target's intrinsics) and in SSA form; infinities, nan, signed zeros, denormal arguments and
results, overflow and underflow come out as C99 has them. A lane never sees its neighbours. `Function.ulps` is the
bound on the error, in units of the last place of the exact result, that the tests assert over the whole range.
Functions that are not here (`has` tells) are the C library's, lane by lane.

Coefficients are polynomials through the Chebyshev points of the stated intervals; the tests derive them anew.
Literature for the methods: Muller, Elementary Functions (argument reduction, Cody and Waite's constants);
Dekker, A floating-point technique for extending the available precision (1971), for sums and products with remainder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from autograd.special import inf, nan

# Vectors under construction. ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: its LLVM type, the bits of its fraction and exponent, its place in a table."""

    name: str
    tag: str
    type: Any
    fraction: int
    exponent: int
    column: int

    @property
    def bits(self) -> int:
        """Width in bits."""
        return 1 + self.exponent + self.fraction

    @property
    def bias(self) -> int:
        """What is added to an exponent; the largest exponent too."""
        return (1 << self.exponent - 1) - 1


FORMATS = {
    "double": Format("double", "f64", ir.DoubleType(), 52, 11, 0),
    "float": Format("float", "f32", ir.FloatType(), 23, 8, 1),
}


class _Splat(ir.Constant):  # type: ignore[misc]
    """A constant vector of equal elements, in LLVM's short form: text is what takes time to compile."""

    def __init__(self, type: Any, text: str) -> None:
        self.type, self.constant = type, text

    def _get_reference(self) -> str:
        return self.constant


class Lanes:
    """The vectors of one format, length and function body: the source of their constants and instructions."""

    def __init__(self, builder: Any, format: Format, lanes: int, fma: bool) -> None:
        self.builder, self.format, self.lanes, self.fma = builder, format, lanes, fma
        self.type = ir.VectorType(format.type, lanes)
        self.integers = ir.VectorType(ir.IntType(format.bits), lanes)

    def number(self, x: float) -> Vec:
        """The constant x in every lane."""
        text = ir.Constant(self.format.type, x).get_reference()
        return Vec(self, _Splat(self.type, f"splat ({self.format.name} {text})"))

    def integer(self, n: int) -> Bits:
        """The integer n in every lane."""
        return Bits(self, _Splat(self.integers, f"splat (i{self.format.bits} {n})"))

    def call(self, name: str, *args: Vec) -> Vec:
        """Call an intrinsic of LLVM on vectors."""
        kind = ir.FunctionType(self.type, [self.type] * len(args))
        function = _function(self.builder.module, f"llvm.{name}.v{self.lanes}{self.format.tag}", kind)
        return Vec(self, self.builder.call(function, [x.value for x in args]))

    def cast(self, x: Vec) -> Vec:
        """Convert the other format's vector to this one, or return x."""
        if x.at.format is self.format:
            return x
        convert = self.builder.fpext if x.at.format.bits < self.format.bits else self.builder.fptrunc
        return Vec(self, convert(x.value, self.type))


class Vec:
    """A vector of floats under construction; numbers beside it stand for themselves in every lane."""

    __slots__ = ("at", "value")

    def __init__(self, at: Lanes, value: Any) -> None:
        self.at, self.value = at, value

    def of(self, x: Vec | float) -> Vec:
        """Return x as a vector like this one."""
        return x if isinstance(x, Vec) else self.at.number(x)

    def __add__(self, x: Vec | float) -> Vec:
        return Vec(self.at, self.at.builder.fadd(self.value, self.of(x).value))

    def __radd__(self, x: float) -> Vec:
        return self.of(x) + self

    def __sub__(self, x: Vec | float) -> Vec:
        return Vec(self.at, self.at.builder.fsub(self.value, self.of(x).value))

    def __rsub__(self, x: float) -> Vec:
        return self.of(x) - self

    def __mul__(self, x: Vec | float) -> Vec:
        return Vec(self.at, self.at.builder.fmul(self.value, self.of(x).value))

    def __rmul__(self, x: float) -> Vec:
        return self.of(x) * self

    def __truediv__(self, x: Vec | float) -> Vec:
        return Vec(self.at, self.at.builder.fdiv(self.value, self.of(x).value))

    def __rtruediv__(self, x: float) -> Vec:
        return self.of(x) / self

    def __neg__(self) -> Vec:
        return Vec(self.at, self.at.builder.fneg(self.value))

    def __abs__(self) -> Vec:
        return self.at.call("fabs", self)

    def _compare(self, relation: str, x: Vec | float) -> Mask:
        return Mask(self.at, self.at.builder.fcmp_ordered(relation, self.value, self.of(x).value))

    def __lt__(self, x: Vec | float) -> Mask:
        return self._compare("<", x)

    def __le__(self, x: Vec | float) -> Mask:
        return self._compare("<=", x)

    def __gt__(self, x: Vec | float) -> Mask:
        return self._compare(">", x)

    def __ge__(self, x: Vec | float) -> Mask:
        return self._compare(">=", x)

    def equals(self, x: Vec | float) -> Mask:
        """Where both are the same number; nan equals nothing."""
        return self._compare("==", x)

    def differs(self, x: Vec | float) -> Mask:
        """Where they are different numbers or one is nan."""
        return Mask(self.at, self.at.builder.fcmp_unordered("!=", self.value, self.of(x).value))

    def is_nan(self) -> Mask:
        """Where it is not a number."""
        return self.differs(self)

    def bits(self) -> Bits:
        """The representation."""
        return Bits(self.at, self.at.builder.bitcast(self.value, self.at.integers))

    def sign(self) -> Bits:
        """The sign bit, alone."""
        return self.bits() & (1 << (self.at.format.bits - 1))


class Bits:
    """A vector of integers as wide as the floats."""

    __slots__ = ("at", "value")

    def __init__(self, at: Lanes, value: Any) -> None:
        self.at, self.value = at, value

    def _apply(self, instruction: Callable[[Any, Any], Any], n: Bits | int) -> Bits:
        other = n if isinstance(n, Bits) else self.at.integer(n)
        return Bits(self.at, instruction(self.value, other.value))

    def __add__(self, n: Bits | int) -> Bits:
        return self._apply(self.at.builder.add, n)

    def __sub__(self, n: Bits | int) -> Bits:
        return self._apply(self.at.builder.sub, n)

    def __and__(self, n: Bits | int) -> Bits:
        return self._apply(self.at.builder.and_, n)

    def __or__(self, n: Bits | int) -> Bits:
        return self._apply(self.at.builder.or_, n)

    def __xor__(self, n: Bits | int) -> Bits:
        return self._apply(self.at.builder.xor, n)

    def __lshift__(self, n: int) -> Bits:
        return self._apply(self.at.builder.shl, n)

    def __rshift__(self, n: int) -> Bits:
        """Shift zeros in from the left."""
        return self._apply(self.at.builder.lshr, n)

    def differs(self, n: int) -> Mask:
        """Where it is not n."""
        return Mask(self.at, self.at.builder.icmp_unsigned("!=", self.value, self.at.integer(n).value))

    def floats(self) -> Vec:
        """The floats with this representation."""
        return Vec(self.at, self.at.builder.bitcast(self.value, self.at.type))


class Mask:
    """A truth value per lane."""

    __slots__ = ("at", "value")

    def __init__(self, at: Lanes, value: Any) -> None:
        self.at, self.value = at, value

    def __and__(self, m: Mask) -> Mask:
        return Mask(self.at, self.at.builder.and_(self.value, m.value))

    def __or__(self, m: Mask) -> Mask:
        return Mask(self.at, self.at.builder.or_(self.value, m.value))

    def __xor__(self, m: Mask) -> Mask:
        return Mask(self.at, self.at.builder.xor(self.value, m.value))

    def any(self) -> Any:
        """Whether it holds in some lane: an i1."""
        truth = ir.VectorType(ir.IntType(1), self.at.lanes)
        name = f"llvm.vector.reduce.or.v{self.at.lanes}i1"
        function = _function(self.at.builder.module, name, ir.FunctionType(ir.IntType(1), [truth]))
        return self.at.builder.call(function, [self.value])


def _function(module: Any, name: str, kind: Any) -> Any:
    return module.globals.get(name) or ir.Function(module, kind, name)


def select(mask: Mask, a: Vec | float, b: Vec | float) -> Vec:
    """Return a where the mask holds, else b."""
    a, b = (x if isinstance(x, Vec) else mask.at.number(x) for x in (a, b))
    return Vec(mask.at, mask.at.builder.select(mask.value, a.value, b.value))


def fma(a: Vec, b: Vec | float, c: Vec | float) -> Vec:
    """a*b + c, rounded once where the target has the instruction, else twice."""
    return a.at.call("fma", a, a.of(b), a.of(c)) if a.at.fma else a * b + c


def xor_sign(x: Vec, sign: Bits) -> Vec:
    """Flip the sign of x where the sign bit is set."""
    return (x.bits() ^ sign).floats()


def with_sign(x: Vec, of: Vec) -> Vec:
    """The x >= 0 given, or nan, with the sign of the other."""
    return (x.bits() | of.sign()).floats()


def at_most(x: Vec, bound: float) -> Vec:
    """The smaller one; nan stays."""
    return select(x.of(bound) < x, bound, x)


def at_least(x: Vec, bound: float) -> Vec:
    """The larger one; nan stays."""
    return select(x.of(bound) > x, bound, x)


def two_sum(a: Vec, b: Vec) -> tuple[Vec, Vec]:
    """The rounded sum and its error, exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def fast_two_sum(a: Vec, b: Vec) -> tuple[Vec, Vec]:
    """The rounded sum and its error, exactly where a = 0 or |a| >= |b| (Dekker)."""
    s = a + b
    return s, b - (s - a)


def two_product(a: Vec, b: Vec | float) -> tuple[Vec, Vec]:
    """The rounded product and its error: exact while the error is no denormal and, without fma, |a|, |b| < 2^990."""
    b = a.of(b)
    p = a * b
    if a.at.fma:
        return p, fma(a, b, -p)
    splitter = 2.0 ** ((a.at.format.fraction + 2) // 2) + 1.0

    def halves(x: Vec) -> tuple[Vec, Vec]:
        t = splitter * x
        high = t - (t - x)
        return high, x - high

    (ah, al), (bh, bl) = halves(a), halves(b)
    return p, al * bl - (((p - ah * bh) - al * bh) - ah * bl)


def polynomial(name: str, x: Vec) -> Vec:
    """The polynomial of this name in `POLYNOMIALS`: even and odd powers side by side, which halves the waiting."""
    coefficients = POLYNOMIALS[name][x.at.format.column]
    square = x * x

    def horner(c: Sequence[float]) -> Vec:
        total = x.of(c[-1])
        for term in c[-2::-1]:
            total = fma(total, square, term)
        return total

    return fma(horner(coefficients[1::2]), x, horner(coefficients[::2]))


# Constants. ---------------------------------------------------------------------------------------------------------

LN2 = Fraction("0.6931471805599453094172321214581765680755001343602552541206800094933936219696947")
LN10 = Fraction("2.302585092994045684017991454684364207601101488628772976033327900967572609677352")
PI = Fraction(  # enough for the largest double
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706"
    "7982148086513282306647093844609550582231725359408128481117450284102701938521105559644622948954930381"
    "9644288109756659334461284756482337867831652712019091456485669234603486104543266482133936072602491412"
    "7372458700660631558817488152092096282925409171536436789259036001133053054882046652138414695194151160"
    "94330572704"
)

ROOT_HALF = Fraction("0.7071067811865475244008443621048490392848359376884740365883398689953662392310536")
ROOT_2PI = Fraction("2.506628274631000502415765284811045253006986740609938316629923576342293654607841")


@cache
def parts(x: Fraction, *digits: int) -> tuple[float, ...]:
    """Split x into doubles that add up to it, each short of so many binary digits: Cody and Waite's constants."""
    result = []
    for n in digits:
        power = x.denominator.bit_length() - x.numerator.bit_length() + n  # |x| 2^power is about 2^n
        if abs(x) * Fraction(2) ** power >= 2**n:
            power -= 1
        result.append(float(round(x * Fraction(2) ** power) / Fraction(2) ** power))
        x -= Fraction(result[-1])
    return tuple(result)


#: name: (coefficients for double, for float), the constant term first.
POLYNOMIALS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "exp": (
        (0.5000000000000001, 0.16666666666666669, 0.041666666666624164, 0.008333333333330065,
         0.0013888888917196719, 0.00019841269863040545, 2.4801521322368692e-05, 2.7557268480310024e-06,
         2.7620075879983367e-07, 2.5100375832561234e-08),
        (0.5, 0.166665778, 0.0416665561, 0.00836317334, 0.00139261759),
    ),
    "exp2": (
        (0.6931471805599453, 0.24022650695910097, 0.0555041086648216, 0.009618129107606888,
         0.0013333558146416936, 0.0001540353044173605, 1.525273382983612e-05, 1.321544258792169e-06,
         1.0178062445845774e-07, 7.072585949269223e-09, 4.4549605981865186e-10),
        (0.693147182, 0.240226507, 0.0555035695, 0.00961808302, 0.00133908633, 0.000154531634),
    ),
    "log": (
        (0.666666666666667, 0.39999999999899505, 0.28571428625975487, 0.2222221113479508, 0.18182889125261723,
         0.15331721600556042, 0.14616449685043406),
        (0.666666865, 0.3998878, 0.295799494),
    ),
    "log1p": (
        (0.6666666666666666, 0.40000000000014585, 0.2857142856710876, 0.22222222717427864, 0.18181789436132859,
         0.15385570064958623, 0.13314144209654935, 0.12001072809590713, 0.08800738486144674, 0.1616404561194353),
        (0.666666687, 0.399997056, 0.28592357, 0.217065752, 0.232243299),
    ),
    "atanh": (
        (0.20000000000000012, 0.1428571428566928, 0.11111111135538725, 0.09090904125803699,
         0.07692787250229415, 0.06642983636945307, 0.06456748033401576),
        (),
    ),
    "sin": (
        (-0.16666666666666666, 0.008333333333330948, -0.00019841269836758574, 2.755731610255244e-06,
         -2.5051131845003624e-08, 1.5918129294866608e-10),
        (-0.166666642, 0.00833274797, -0.000195878907),
    ),
    "cos": (
        (0.041666666666666664, -0.0013888888888887398, 2.480158729876569e-05, -2.7557317271729793e-07,
         2.08761462684032e-09, -1.1382632425521717e-11),
        (0.0416666642, -0.00138883025, 2.45479423e-05),
    ),
    "atan": (
        (-0.3333333333333333, 0.1999999999999552, -0.14285714284666542, 0.11111111015256361,
         -0.09090904578123903, 0.07692183190826087, -0.06664511447381948, 0.0585814891280221,
         -0.0508544973794026, 0.03923165829558719, -0.01917688711906226),
        (-0.333333313, 0.199995399, -0.142639562, 0.107437313, -0.0645192787),
    ),
    "asin": (
        (0.16666666666666669, 0.07499999999998433, 0.04464285714635543, 0.030381944138531247,
         0.02237217294214989, 0.017352392720869973, 0.013971212973552933, 0.011479177415184906,
         0.01032281435018578, 0.005457506718640358, 0.01740087944269402, -0.014851887071247204,
         0.028757851367421566),
        (0.166666731, 0.0749885514, 0.0450013801, 0.0265545417, 0.0380850248),
    ),
    "erf": (
        (0.12837916709551256, -0.37612638903183543, 0.11283791670945006, -0.02686617064323777,
         0.0052239776071164225, -0.0008548325975389692, 0.00012055294904839707, -1.492473690741966e-05,
         1.6447424703317362e-06, -1.6208483801871705e-07, 1.3720064546777686e-08, -7.795898827002142e-10),
        (),
    ),
    "erfc": (
        (0.6265040291348648, -0.0678105530622906, -0.02378114717672535, 0.06482257935138101,
         -0.059636831707655893, 0.03415401367197217, -0.01188525745926819, 0.0012646959081675584,
         0.0009443451782001028, -0.00038991613574593974, -5.257988004472589e-05, 6.254966379318036e-05,
         2.4745857238016663e-06, -1.0050188056553044e-05, -3.6502754412849936e-07, 1.735808338296787e-06,
         1.76346629206499e-07, -3.0731731707127087e-07, -6.716156204725646e-08, 4.938719037470336e-08,
         1.71164953989113e-08, -5.3298144036966015e-09, -2.162685359553639e-09),
        (),
    ),
    "cbrt": (
        (0.4233077964235478, 1.0479306955437162, -0.8201573094839348, 0.4955390366404781, -0.172186919831943,
         0.02556608271860522),
        (),
    ),
}

# The table of functions. --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    """One function: its formula, how many arguments, the bound on its error, which formats compute it natively."""

    name: str
    formula: Callable[..., Vec]
    arity: int
    ulps: float
    native_float: bool


#: Every function by name, the most wanted first.
FUNCTIONS: dict[str, Function] = {}


def _entry(
    ulps: float, native_float: bool = False, arity: int = 1
) -> Callable[[Callable[..., Vec]], Callable[..., Vec]]:
    """Enter a formula in the table. What is not native in float32 is computed in double and rounded."""

    def enter(formula: Callable[..., Vec]) -> Callable[..., Vec]:
        FUNCTIONS[formula.__name__] = Function(formula.__name__, formula, arity, ulps, native_float)
        return formula

    return enter


# The exponential family. --------------------------------------------------------------------------------------------
#
# x = n ln 2 + r with n whole and |r| <= ln(2)/2, then e^x = 2^n (1 + p), p = expm1(r) = r + r^2 q(r).
# n comes from adding and subtracting 3/2 2^52, which rounds to whole numbers and leaves n in the low bits of the sum.
# 2^n is the product of s1 = 2^(n >> 1) and s2 = 2^(n - (n >> 1)), so that results near overflow and denormal results
# are rounded once, by the last multiplication. The added constant carries the two biases of s1 and s2.


def _ln2(f: Format) -> tuple[float, ...]:
    """log(2) in two parts, the first so short that its products with exponents are exact."""
    return parts(LN2, f.fraction + 1 - f.exponent, 53)


def _reduced_exp(x: Vec, low: Vec | None = None, exact: bool = True) -> tuple[Vec, Vec]:
    """Return p and t = 3/2 2^52 + 2 bias + n with exp(x + low) = (1 + p) 2^n, for x not far out of range.

    Exact: the rounding of r is put back.
    """
    f = x.at.format
    high, rest = _ln2(f)
    magic = 1.5 * 2.0**f.fraction + 2 * f.bias
    t = fma(x, float(1 / LN2), magic)
    n = t - magic
    whole = fma(n, -high, x)  # exact: n high is, and it is close to x
    c = fma(n, -rest, low) if low is not None else n * -rest
    r = whole + c
    square_q = (r * r) * polynomial("exp", r)
    if exact:
        square_q = square_q + ((whole - r) + c)
    return r + square_q, t


def _exp_parts(x: Vec, low: Vec | None = None, exact: bool = True) -> tuple[Vec, Vec, Vec]:
    """Return p, s1, s2 with exp(x + low) = (1 + p) s1 s2. What is clamped overflows or vanishes."""
    f = x.at.format
    x = at_most(at_least(x, -(f.bias + f.fraction + 5) * 0.6931), (f.bias + 4) * 0.6931)
    p, t = _reduced_exp(x, low, exact)
    return p, *_two_powers(t)


def _two_powers(t: Vec) -> tuple[Vec, Vec]:
    """2^(n >> 1) and 2^(n - (n >> 1)) for t = 3/2 2^52 + 2 bias + n."""
    f = t.at.format
    bits = t.bits()
    half = bits >> 1
    return (half << f.fraction).floats(), ((bits - half) << f.fraction).floats()


@_entry(1.2, native_float=True)
def exp(x: Vec) -> Vec:
    """(1 + p) s1 s2, as above."""
    p, s1, s2 = _exp_parts(x, exact=False)
    return fma(p, s1, s1) * s2


def _expm1(x: Vec) -> tuple[Vec, Vec, Vec, Vec]:
    """expm1 up to the sign of zero, with the parts of exp."""
    p, s1, s2 = _exp_parts(x)
    one_over_s2 = (x.at.integer(2 * x.at.format.bias << x.at.format.fraction) - s2.bits()).floats()
    return fma(p, s1, s1 - one_over_s2) * s2, p, s1, s2


@_entry(1.8, native_float=True)
def expm1(x: Vec) -> Vec:
    """2^n p + (2^n - 1): the bracket is exact until it no longer matters. Below -50 the result is -1."""
    y, *_ = _expm1(at_least(x, -50.0))
    return with_sign(abs(y), x)


@_entry(1.5, native_float=True)
def exp2(x: Vec) -> Vec:
    """The same with whole n in x = n + r, so r is exact: 2^n (1 + r P(r))."""
    f = x.at.format
    x = at_most(at_least(x, -(f.bias + f.fraction + 5.0)), f.bias + 4.0)
    magic = 1.5 * 2.0**f.fraction + 2 * f.bias
    t = x + magic
    r = x - (t - magic)
    s1, s2 = _two_powers(t)
    return fma(r * polynomial("exp2", r), s1, s1) * s2


@_entry(2.2, native_float=True)
def tanh(x: Vec) -> Vec:
    """-E/(2 + E) with E = expm1(-2|x|), which has no overflow and no cancellation.

    Where that is above 1/2, 1 - 2e/(1 + e) with e = E + 1, whose errors count less. Below -50 in E the result is 1.
    """
    a = abs(x)
    p, t = _reduced_exp(at_least(a * -2.0, -50.0))
    s = ((t.bits() - x.at.format.bias) << x.at.format.fraction).floats()
    e = fma(p, s, s - 1.0)
    above = a > 0.55
    q = select(above, fma(p, s + s, s + s), abs(e)) / (2.0 + e)
    return with_sign(select(above, 1.0 - q, q), x)


@_entry(2.0, native_float=True)
def sigmoid(x: Vec) -> Vec:
    """1/(1 + e) for x >= 0, e/(1 + e) below, with e = exp(-|x|): nothing overflows."""
    e = exp(-abs(x))
    return select(x >= 0.0, 1.0, e) / (1.0 + e)


@_entry(2.2, native_float=True)
def sinh(x: Vec) -> Vec:
    """(E + E/(1 + E))/2 with E = expm1|x|; beyond 22 it is e^|x|/2, halved before the last scaling."""
    e, p, s1, s2 = _expm1(abs(x))
    large = fma(p, s1, s1) * (s2 * 0.5)
    return with_sign(select(abs(x) > 22.0, large, 0.5 * (e + e / (1.0 + e))), x)


@_entry(1.5, native_float=True)
def cosh(x: Vec) -> Vec:
    """e/2 + 1/(2e) with e = e^|x|, halved before the last scaling."""
    p, s1, s2 = _exp_parts(abs(x))
    half = fma(p, s1, s1) * (s2 * 0.5)
    return half + 0.25 / half


# Logarithms. --------------------------------------------------------------------------------------------------------
#
# x = 2^k m with m in [sqrt(1/2), sqrt(2)), f = m - 1 (exact), s = f/(2 + f). Then log(m) = 2 atanh(s) = 2s + s R(s^2),
# and 2s = f - s f, s f = f^2/2 - s f^2/2, so log(m) = f - (f^2/2 - s (f^2/2 + R)): a small correction of the exact f.


def _split_exponent(x: Vec) -> tuple[Vec, Vec]:
    """Return k and m in [sqrt(1/2), sqrt(2)) with x = 2^k m, for positive finite x."""
    f = x.at.format
    shift, top = f.fraction + 2, 2.0**f.fraction
    tiny = x < 2.0 ** (1 - f.bias)
    u = select(tiny, x * 2.0**shift, x).bits() + ((f.bias << f.fraction) - _ROOT_HALF_BITS[f.name])
    exponent = ((u >> f.fraction) | ((f.bias + f.fraction) << f.fraction)).floats()
    k = exponent - select(tiny, top + f.bias + shift, top + f.bias)
    m = ((u & ((1 << f.fraction) - 1)) + _ROOT_HALF_BITS[f.name]).floats()
    return k, m


_ROOT_HALF_BITS = {"double": 0x3FE6A09E667F3BCD, "float": 0x3F3504F3}


def _log_correction(f: Vec, coefficients: str = "log") -> tuple[Vec, Vec, Vec]:
    """Return s, f^2/2 and s (f^2/2 + R), so that log(1 + f) = f - (f^2/2 - s (f^2/2 + R))."""
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    return s, half, s * fma(z, polynomial(coefficients, z), half)


def _log_edges(x: Vec, y: Vec) -> Vec:
    """Logarithm's values at inf, zero, below zero and at nan."""
    y = select(x.equals(inf), inf, y)
    return select(x > 0.0, y, select(x.equals(0.0), -inf, nan))


@_entry(0.9, native_float=True)
def log(x: Vec) -> Vec:
    """The sum of m's logarithm and k times that of 2, the low part of which and the correction of f come first."""
    high, low = _ln2(x.at.format)
    k, m = _split_exponent(x)
    f = m - 1.0
    _, half, sr = _log_correction(f)
    return _log_edges(x, fma(k, high, f - (half - fma(k, low, sr))))


def _scaled_log(x: Vec, one_over_base: Fraction, log_2: Fraction) -> Vec:
    """log(x) * one_over_base, where log_2 = log(2) * one_over_base: in twice the digits, as the factor loses some."""
    digits = x.at.format.fraction + 1
    k, m = _split_exponent(x)
    f = m - 1.0
    _, half, sr = _log_correction(f)
    h, rest = fast_two_sum(f, sr - half)
    c, c_low = parts(one_over_base, digits, 53)
    p, e = two_product(h, c)
    e = e + fma(h, c_low, rest * c)
    high, low = parts(log_2, digits - x.at.format.exponent, 53)
    s, t = fast_two_sum(k * high, p)
    return _log_edges(x, s + (t + fma(k, low, e)))


@_entry(0.9, native_float=True)
def log2(x: Vec) -> Vec:
    """k + log(m)/log(2); exact for powers of two."""
    return _scaled_log(x, 1 / LN2, Fraction(1))


@_entry(0.9, native_float=True)
def log10(x: Vec) -> Vec:
    """The same to base 10."""
    return _scaled_log(x, 1 / LN10, LN2 / LN10)


def _log1p(x: Vec, doublings: Vec | None = None) -> Vec:
    """log((1 + x) 2^doublings) up to the sign of zero.

    1 + x = u + e exactly; u = 2^k m gives f, and e 2^-k/(1 + f) is added to its logarithm, where
    1/(1 + f) = (1 - s)/(1 + s) = (1 - s)(1 - s + s^2) + ... is close enough. Where k = 0, f is x itself.
    """
    form = x.at.format
    high, low = _ln2(form)
    u, e = two_sum(x.of(1.0), x)
    k, m = _split_exponent(u)
    near = k.equals(0.0)
    f = select(near, x, m - 1.0)
    s, half, sr = _log_correction(f)
    # 2^-k from the bits of k + 3/2 2^52; beyond 2^(2 fraction) e no longer matters, and would be out of its range.
    t = (form.bias + 1.5 * 2.0**form.fraction) - k
    e = e * (t.bits() << form.fraction).floats() * ((1.0 - s) * fma(s, s, 1.0 - s))
    e = select(near, 0.0, select(u < 2.0 ** (2 * form.fraction), e, 0.0))
    if doublings is not None:
        k = k + doublings
    return _log_edges(u, fma(k, high, f - (half - (fma(k, low, sr) + e))))


@_entry(0.9, native_float=True)
def log1p(x: Vec) -> Vec:
    """log(1 + x), x itself where that is zero."""
    return select(x.equals(0.0), x, _log1p(x))


@_entry(1.8, native_float=True)
def softplus(x: Vec) -> Vec:
    """max(x, 0) + log(1 + e) with e = exp(-|x|) in [0, 1], where one polynomial serves log(1 + e)."""
    e = exp(-abs(x))
    _, half, sr = _log_correction(e, "log1p")
    return select(x > 0.0, x, 0.0) + (e - (half - sr))


@_entry(1.8, native_float=True)
def logsigmoid(x: Vec) -> Vec:
    """log(1/(1 + e^-x)) = -softplus(-x)."""
    return -softplus(-x)


# Circular functions. ------------------------------------------------------------------------------------------------
#
# |x| = n pi/2 + r + low with |r| <= pi/4, pi/2 in three parts of full length (Cody and Waite). |x| - n P1 is exact, as
# both are whole multiples of one ulp of P1 or of x and the difference is small; the rest is summed with remainders,
# since r may be as small as 2^-60 near a multiple of pi/2.

_CIRCULAR_LIMIT = {"double": 2.0**30, "float": 2.0**15}


def _reduce_circular(x: Vec) -> tuple[Vec, Vec, Bits]:
    """Return r, low and n (its low bits) for x >= 0."""
    p1, p2, p3 = parts(PI / 2, *[x.at.format.fraction + 1] * 3)
    magic = 1.5 * 2.0**x.at.format.fraction
    t = fma(x, float(2 / PI), magic)
    n = t - magic
    if x.at.fma:
        first = fma(n, -p1, x)
    else:
        p, e = two_product(n, p1)
        first = (x - p) - e
    p, e = two_product(n, p2)
    s, error = two_sum(first, -p)
    fast: tuple[Any, ...] = (*fast_two_sum(s, fma(n, -p3, error - e)), t.bits())

    # Larger arguments are rare: this block runs if some lane holds one.
    at, b = x.at, x.at.builder
    limit = _CIRCULAR_LIMIT[at.format.name]
    before, large, after = b.block, b.append_basic_block("large"), b.append_basic_block("reduced")
    b.cbranch((x > limit).any(), large, after).set_weights([1, 2000])
    b.position_at_end(large)
    slow: tuple[Any, ...] = _reduce_large(x) if at.format.name == "double" else _reduce_wider(x)
    mask = (x > limit).value
    chosen = [b.select(mask, y.value, z.value) for y, z in zip(slow, fast, strict=True)]
    b.branch(after)
    large = b.block
    b.position_at_end(after)
    merged = []
    for y, z in zip(fast, chosen, strict=True):
        merged.append(b.phi(z.type))
        merged[-1].add_incoming(y.value, before)
        merged[-1].add_incoming(z, large)
    return Vec(at, merged[0]), Vec(at, merged[1]), Bits(at, merged[2])


def _reduce_wider(x: Vec) -> tuple[Vec, Vec, Bits]:
    """The same in double for floats."""
    wide = Lanes(x.at.builder, FORMATS["double"], x.at.lanes, x.at.fma)
    r, low, n = _reduce_circular(wide.cast(x))
    high = x.at.cast(r)
    return high, x.at.cast((r - wide.cast(high)) + low), Bits(x.at, x.at.builder.trunc(n.value, x.at.integers))


def _reduce_large(x: Vec) -> tuple[Vec, Vec, Bits]:
    """The same for doubles of any size (Payne and Hanek): n and the fraction x 2/pi - n are integers, lane by lane."""
    b = x.at.builder
    turns = _quarter_turns(b.module)
    columns = [ir.Constant(t, ir.Undefined) for t in (x.at.type, x.at.type, x.at.integers)]
    for i in range(x.at.lanes):
        lane = ir.Constant(ir.IntType(32), i)
        result = b.call(turns, [b.extract_element(x.value, lane)])
        columns = [b.insert_element(c, b.extract_value(result, k), lane) for k, c in enumerate(columns)]
    high, low = Vec(x.at, columns[0]), Vec(x.at, columns[1])
    p1, p2 = parts(PI / 2, 53, 53)
    r, e = two_product(high, p1)
    r, e = fast_two_sum(r, e + fma(high, p2, low * p1))
    return r + (x - x), e, Bits(x.at, columns[2])  # inf - inf is nan


def _quarter_turns(module: Any) -> Any:
    """A function of a double x >= 2^30: x 2/pi mod 4 as a whole number n and a fraction in [-1/2, 1/2], in two parts.

    Smaller x, the other lanes of a vector, give some number.

    x = M 2^E with a whole M < 2^53. Of the digits of 2/pi, those in front of the 192 from 2^(1-E) on give multiples of
    4, those behind less than 2^-137; near a multiple of pi/2 the fraction begins with at most 62 zeros.
    """
    title = "dagrad.quarter_turns"
    if title in module.globals:
        return module.globals[title]
    real, word, wide = ir.DoubleType(), ir.IntType(64), ir.IntType(192)
    digits = int(2 / PI * 2**1280)
    words = [word((digits >> 64 * k) % 2**64) for k in range(22)]  # the last ones are zero
    table = ir.GlobalVariable(module, ir.ArrayType(word, len(words)), "dagrad.two_over_pi")
    table.linkage, table.global_constant = "internal", True
    table.initializer = ir.Constant(table.value_type, words)
    function = ir.Function(module, ir.FunctionType(ir.LiteralStructType([real, real, word]), [real]), title)
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("cold")
    b = ir.IRBuilder(function.append_basic_block())
    bits = b.bitcast(function.args[0], word)
    exponent = b.lshr(bits, word(52))  # E + 1075
    m = b.or_(b.and_(bits, word(2**52 - 1)), word(2**52))
    position = b.sub(word(1280 - 190 + 1075), exponent)
    position = b.select(b.icmp_unsigned("<", position, word(64 * 18)), position, word(64 * 18))
    first, shift = b.lshr(position, word(6)), b.and_(position, word(63))
    four = [b.load(b.gep(table, [word(0), b.add(first, word(k))]), typ=word) for k in range(4)]
    funnel = _function(module, "llvm.fshr.i64", ir.FunctionType(word, [word] * 3))
    window = wide(0)
    for k in range(3):
        piece = b.zext(b.call(funnel, [four[k + 1], four[k], shift]), wide)
        window = b.or_(window, b.shl(piece, wide(64 * k)))
    product = b.mul(b.zext(m, wide), window)  # x 2/pi mod 4, times 2^190
    n = b.trunc(b.lshr(b.add(product, wide(2**189)), wide(190)), word)
    fraction = b.shl(product, wide(2))
    negative = b.icmp_signed("<", fraction, wide(0))
    size = b.select(negative, b.neg(fraction), fraction)
    zeros = b.ctlz(size, ir.IntType(1)(0))
    size = b.shl(size, zeros)
    scale = b.shl(b.sub(word(1023 - 53), b.trunc(zeros, word)), word(52))
    scale = b.or_(scale, b.shl(b.zext(negative, word), word(63)))
    result = ir.Constant(function.return_value.type, ir.Undefined)
    for k, down in enumerate((0, 53)):
        piece = b.and_(b.trunc(b.lshr(size, wide(192 - 53 - down)), word), word(2**53 - 1))
        unit = b.bitcast(b.sub(scale, word(down << 52)), real)
        result = b.insert_value(result, b.fmul(b.uitofp(piece, real), unit), k)
    b.ret(b.insert_value(result, n, 2))
    return function


def _sin_near_0(r: Vec, low: Vec) -> Vec:
    z = r * r
    return r + fma(low, fma(z, -0.5, 1.0), z * r * polynomial("sin", z))


def _cos_near_0(r: Vec, low: Vec) -> Vec:
    z = r * r
    half = z * 0.5
    w = 1.0 - half
    return w + (((1.0 - w) - half) + fma(z * z, polynomial("cos", z), -(r * low)))


def _odd(n: Bits) -> Mask:
    return (n & 1).differs(0)


def _second_bit_as_sign(n: Bits) -> Bits:
    return (n & 2) << (n.at.format.bits - 2)


@_entry(0.9, native_float=True)
def sin(x: Vec) -> Vec:
    """The sine or cosine of r by the quadrant; the sign is that of x times the half-turn's."""
    r, low, n = _reduce_circular(abs(x))
    y = select(_odd(n), _cos_near_0(r, low), _sin_near_0(r, low))
    return xor_sign(y, _second_bit_as_sign(n) ^ x.sign())


@_entry(0.9, native_float=True)
def cos(x: Vec) -> Vec:
    """As the sine, one quadrant further."""
    r, low, n = _reduce_circular(abs(x))
    y = select(_odd(n), _sin_near_0(r, low), _cos_near_0(r, low))
    return xor_sign(y, _second_bit_as_sign(n + 1))


@_entry(2.2, native_float=True)
def tan(x: Vec) -> Vec:
    """sin r/cos r in even quadrants, -cos r/sin r in odd ones."""
    r, low, n = _reduce_circular(abs(x))
    s, c, odd = _sin_near_0(r, low), _cos_near_0(r, low), _odd(n)
    y = select(odd, c, s) / select(odd, s, c)
    return xor_sign(y, (n << (n.at.format.bits - 1)) ^ x.sign())


# Inverse circular functions. ----------------------------------------------------------------------------------------

_TAN_EIGHTH, _TAN_THREE_EIGHTHS = 0.41421356237309503, 2.414213562373095  # tan(pi/8), tan(3 pi/8)


def _constant(x: Vec, value: Fraction) -> tuple[float, float]:
    """The value as a number of the format, and what it lacks."""
    high, low = parts(value, x.at.format.fraction + 1, 53)
    return high, low


def _atan_near_0(q: Vec) -> Vec:
    """q^3 P(q^2), what atan(q) adds to q, for |q| <= tan(pi/8)."""
    z = q * q
    return z * q * polynomial("atan", z)


@_entry(2.0, native_float=True)
def atan(x: Vec) -> Vec:
    """Of |x| in the middle the angle of (|x| - 1)/(|x| + 1) from pi/4, of large |x| that of -1/|x| from pi/2.

    There is one division, of selected terms.
    """
    a = abs(x)
    large, middle = a > _TAN_THREE_EIGHTHS, a > _TAN_EIGHTH
    q = select(large, -1.0, select(middle, a - 1.0, a)) / select(large, a, select(middle, a + 1.0, 1.0))
    (half, half_low), (quarter, quarter_low) = _constant(x, PI / 2), _constant(x, PI / 4)
    turn = select(large, half, select(middle, quarter, 0.0))
    turn_low = select(large, half_low, select(middle, quarter_low, 0.0))
    return with_sign(turn + (q + (_atan_near_0(q) + turn_low)), x)


@_entry(2.5, native_float=True, arity=2)
def atan2(y: Vec, x: Vec) -> Vec:
    """The angle of the smaller coordinate over the larger one, in [0, pi/4], then reflected.

    Like atan it uses (a - b)/(a + b) beyond tan(pi/8). Both zero count as 0/1, both infinite as 1/1.
    """
    u, v = abs(x), abs(y)
    steep = v > u
    small, big = select(steep, u, v), select(steep, v, u)
    infinite = small.equals(inf)
    small, big = select(infinite, 1.0, small), select(infinite, 1.0, select(big.equals(0.0), 1.0, big))
    # The sum must not overflow, the product with tan(pi/8) not lose digits.
    f = x.at.format
    scale = select(big < 2.0 ** (f.fraction + 4 - f.bias), 2.0 ** (f.fraction + 4), 1.0)
    scale = select(big > 2.0 ** (f.bias - 1), 0.5, scale)
    small, big = small * scale, big * scale
    middle = small > big * _TAN_EIGHTH
    q = select(middle, small - big, small) / select(middle, small + big, big)
    rest = _atan_near_0(q)
    # The angle is taken from pi/2 or added to it where the point is steep, taken from pi where it is behind.
    behind = x.sign().differs(0)
    away = steep ^ behind
    eighths = select(steep, 2.0, select(behind, 4.0, 0.0)) + select(middle, select(away, -1.0, 1.0), 0.0)
    high, low = parts(PI / 4, f.fraction - 2, 53)
    q, rest = select(away, -q, q), select(away, -rest, rest)
    angle = eighths * high + (q + fma(eighths, low, rest))
    return select(x.is_nan() | y.is_nan(), x + y, with_sign(angle, y))


def _asin_parts(x: Vec) -> tuple[Mask, Vec, Vec]:
    """Return where |x| > 1/2, and r + rest = asin|x| elsewhere, asin(sqrt((1 - |x|)/2)) = (pi/2 - asin|x|)/2 there."""
    a = abs(x)
    large = a > 0.5
    z = select(large, (1.0 - a) * 0.5, a * a)
    r = select(large, z.at.call("sqrt", z), a)
    return large, r, z * r * polynomial("asin", z)


@_entry(2.0, native_float=True)
def asin(x: Vec) -> Vec:
    """r + rest below 1/2, pi/2 - 2 (r + rest) above."""
    large, r, rest = _asin_parts(x)
    half, low = _constant(x, PI / 2)
    return with_sign(select(large, half - (2.0 * r + (2.0 * rest - low)), r + rest), x)


@_entry(1.5, native_float=True)
def acos(x: Vec) -> Vec:
    """2 asin(sqrt((1 - x)/2)), or pi less that of -x, or pi/2 - asin(x) in the middle."""
    large, r, rest = _asin_parts(x)
    (half, half_low), (whole, whole_low) = _constant(x, PI / 2), _constant(x, PI)
    negative = x < 0.0
    edge = select(negative, whole - (2.0 * r + (2.0 * rest - whole_low)), 2.0 * (r + rest))
    return select(large, edge, half - (x + (xor_sign(rest, x.sign()) - half_low)))


# Inverse hyperbolic functions, by log1p. ----------------------------------------------------------------------------


@_entry(1.8, native_float=True)
def asinh(x: Vec) -> Vec:
    """log1p(|x| + x^2/(1 + sqrt(1 + x^2))); log(2|x|) where x^2 could overflow."""
    a = abs(x)
    far = a > 2.0 ** (x.at.format.fraction // 2 + 2)
    b = select(far, 1.0, a)
    square = b * b
    y = a + square / (1.0 + x.at.call("sqrt", 1.0 + square))
    return with_sign(_log1p(select(far, a - 1.0, y), doublings=select(far, 1.0, x.of(0.0))), x)


@_entry(2.5, native_float=True)
def acosh(x: Vec) -> Vec:
    """With t = x - 1, which is exact: log1p(t + sqrt(t (t + 2))); log(2x) for large x."""
    t = x - 1.0
    far = x > 2.0 ** (x.at.format.fraction // 2 + 2)
    b = select(far, 1.0, t)
    y = t + x.at.call("sqrt", b * (b + 2.0))
    return _log1p(select(x < 1.0, nan, select(far, t, y)), doublings=select(far, 1.0, x.of(0.0)))


@_entry(2.0, native_float=True)
def atanh(x: Vec) -> Vec:
    """log1p(2|x|/(1 - |x|))/2."""
    a = abs(x)
    return with_sign(0.5 * _log1p((a + a) / (1.0 - a)), x)


# The error function and the normal distribution. --------------------------------------------------------------------
#
# erf(x)/x - 1 is a polynomial of x^2 below 1. Above 1/2 erfc(x) = exp(-x^2) g/(x + 1/2), where g varies little (from
# 0.56 to 0.64) and is a polynomial of t = (x - 3)/(x + 3); beyond 28 all has vanished. The square is in two parts.


def _exp_minus_square(x: Vec, scale: float = 1.0) -> tuple[Vec, Vec, Vec]:
    """The parts of exp(-scale x^2), scale a power of two, for 0 <= x; clamped where it has vanished."""
    x = at_most(x, 64.0)
    square, low = two_product(x, x)
    return _exp_parts(square * -scale, low * -scale)


def _erf_rest(x: Vec) -> Vec:
    """What erf(x) adds to x, for |x| < 1."""
    return x * polynomial("erf", x * x)


def _erfc_over_exp(x: Vec) -> Vec:
    """erfc(x) exp(x^2) for 1/2 <= x <= 28."""
    return polynomial("erfc", (x - 3.0) / (x + 3.0)) / (x + 0.5)


def _times(parts: tuple[Vec, Vec, Vec], factor: Vec | float) -> Vec:
    """An exponential in parts, times a factor, rounded to a denormal once."""
    p, s1, s2 = parts
    return (fma(p, s1, s1) * factor) * s2


@_entry(2.0)
def erf(x: Vec) -> Vec:
    """x plus a correction below 1, 1 - erfc above."""
    a = at_most(abs(x), 28.0)
    return with_sign(select(a < 1.0, a + _erf_rest(a), 1.0 - _times(_exp_minus_square(a), _erfc_over_exp(a))), x)


@_entry(4.0)
def erfc(x: Vec) -> Vec:
    """1 - erf below 1/2, the tail above, 2 less the tail of -x on the other side."""
    a = at_most(abs(x), 28.0)
    tail = _times(_exp_minus_square(a), _erfc_over_exp(a))
    return select(a < 0.5, 1.0 - (x + _erf_rest(x)), select(x > 0.0, tail, 2.0 - tail))


@_entry(1.2, native_float=True)
def gaussian(x: Vec) -> Vec:
    """exp(-x^2)."""
    return _times(_exp_minus_square(abs(x)), 1.0)


@_entry(2.0, native_float=True)
def normal_pdf(x: Vec) -> Vec:
    """exp(-x^2/2)/sqrt(2 pi)."""
    return _times(_exp_minus_square(abs(x), 0.5), float(1 / ROOT_2PI))


@_entry(4.0)
def normal_cdf(x: Vec) -> Vec:
    """erfc(-x/sqrt 2)/2; the exponential takes x itself, so the rounding of x/sqrt 2 hardly counts."""
    a = at_most(abs(x), 39.5)
    y = a * float(ROOT_HALF)
    tail = _times(_exp_minus_square(a, 0.5), 0.5 * _erfc_over_exp(y))
    z = x * float(ROOT_HALF)
    return select(y < 0.5, 0.5 + 0.5 * (z + _erf_rest(z)), select(x < 0.0, tail, 1.0 - tail))


# Powers and roots. --------------------------------------------------------------------------------------------------


def _log_in_two_parts(x: Vec) -> tuple[Vec, Vec]:
    """log(x) of a positive finite x as a sum, with about 2^-66 of relative error.

    s = f/(2 + f) in two parts, atanh(s) = s + s w with w = z (1/3 + z P(z)), z = s^2: products and sums with remainders
    where they count, P in one.
    """
    k, m = _split_exponent(x)
    f = m - 1.0
    a, a_low = fast_two_sum(x.of(1.0), m)
    inverse = 1.0 / a
    s = f * inverse
    p, e = two_product(s, a)
    s_low = (((f - p) - e) - s * a_low) * inverse
    z, z_low = two_product(s, s)
    z_low = fma(s + s, s_low, z_low)
    third, third_low = parts(Fraction(1, 3), 53, 53)
    v, v_low = fast_two_sum(x.of(third), z * polynomial("atanh", z))
    w, w_low = two_product(z, v)
    w_low = w_low + fma(z, v_low + third_low, z_low * v)
    q, q_low = two_product(s, w)
    q_low = q_low + fma(s, w_low, s_low * w)
    half, half_low = fast_two_sum(s, q)
    half_low = half_low + (q_low + s_low)
    high, low = _ln2(x.at.format)
    total, rest = fast_two_sum(k * high, half + half)
    return fast_two_sum(total, rest + fma(k, low, half_low + half_low))


def _power(x: Vec, y: Vec) -> Vec:
    """x^y = exp(y log x) for positive finite x and finite y, the logarithm and the product in two parts.

    For floats everything in double is enough: |y log x| < 2^7 where the result is finite, which costs 7 of 29 digits.
    """
    if x.at.format.name == "float":
        wide = Lanes(x.at.builder, FORMATS["double"], x.at.lanes, x.at.fma)
        return x.at.cast(exp(wide.cast(y) * log(wide.cast(x))))
    log_high, log_low = _log_in_two_parts(x)
    p, e = two_product(y, log_high)
    return _times(_exp_parts(p, select(abs(p) < 800.0, fma(y, log_low, e), 0.0)), 1.0)


@_entry(1.2, native_float=True, arity=2)
def pow(x: Vec, y: Vec) -> Vec:
    """|x|^y, then the signs and C99's values at the edges (F.10.4.4)."""
    a = abs(x)
    r = _power(a, at_least(at_most(y, 2.0**65), -(2.0**65)))  # beyond is out of range already, unless |x| = 1
    inverted = y < 0.0
    r = select(a.equals(0.0) | a.equals(inf), select((a > 1.0) ^ inverted, inf, x.of(0.0)), r)

    size, top = abs(y), 2.0**x.at.format.fraction

    def fractional(v: Vec) -> Mask:
        return ((v + top) - top).differs(v)

    broken = fractional(size) & (size < top)
    odd = fractional(size * 0.5) & (size < 2.0 * top)  # or broken
    r = select((odd ^ broken) & odd & x.sign().differs(0), -r, r)
    r = select(broken & (x < 0.0) & (x > -inf), nan, r)
    r = select(x.is_nan() | y.is_nan(), x + y, r)
    return select(y.equals(0.0) | x.equals(1.0), 1.0, r)


@_entry(1.2, native_float=True, arity=2)
def hypot(x: Vec, y: Vec) -> Vec:
    """sqrt(x^2 + y^2), both scaled by a power of two where a square could overflow or vanish; inf wins over nan."""
    a, b = abs(x), abs(y)
    swap = a > b
    small, big = select(swap, b, a), select(swap, a, b)
    top, down, bottom, up = {"double": (500, 600, -400, 600), "float": (50, 70, -40, 100)}[x.at.format.name]
    large, little = big > 2.0**top, big < 2.0**bottom
    scale = select(large, 2.0**-down, select(little, 2.0**up, x.of(1.0)))
    back = select(large, 2.0**down, select(little, 2.0**-up, x.of(1.0)))
    small, big = small * scale, big * scale
    r = x.at.call("sqrt", fma(small, small, big * big)) * back
    return select(a.equals(inf) | b.equals(inf), inf, r)


@_entry(0.6)
def cbrt(x: Vec) -> Vec:
    """With |x| = 2^(3n + j) m: 2^n times the root of 2^j m, by a polynomial, one step of Halley and one of Newton.

    The last step takes the residual exactly, so that the result is nearly always the correctly rounded one.
    """
    f = x.at.format
    a = abs(x)
    k, m = _split_exponent(a)
    magic = 1.5 * 2.0**f.fraction + f.bias
    t = k * (1 / 3) + magic
    n = t - magic
    j = k - 3.0 * n
    root, cube = x.of(1.0), x.of(1.0)
    for step in (-1.0, 1.0):
        here = j.equals(step)
        root, cube = select(here, 2.0 ** (step / 3), root), select(here, 2.0**step, cube)
    v = m * cube
    y = polynomial("cbrt", m) * root
    y3 = y * y * y
    y = y + y * ((v - y3) / (2.0 * y3 + v))
    square, square_low = two_product(y, y)
    p, e = two_product(square, y)
    y = y + (((v - p) - e) - square_low * y) / (3.0 * square)
    y = y * (t.bits() << f.fraction).floats()
    y = select(a.equals(0.0) | a.equals(inf) | a.is_nan(), a, y)
    return with_sign(y, x)


# Instructions of the target, under the same roof. -------------------------------------------------------------------


def _intrinsic(name: str, arity: int = 1) -> None:
    def formula(x: Vec, *more: Vec) -> Vec:
        return x.at.call(name, x, *more)

    FUNCTIONS[name] = Function(name, formula, arity, 0.5, True)


_intrinsic("sqrt")
_intrinsic("floor")
_intrinsic("ceil")
_intrinsic("fabs")
_intrinsic("fma", 3)


# Functions with their derivatives. ----------------------------------------------------------------------------------


def _tanh_and_slope(x: Vec) -> tuple[Vec, Vec]:
    """As `tanh`, and 4 e/(1 + e)^2. Where e would be denormal the slope is 0."""
    f, a = x.at.format, abs(x)
    bound = (f.bias - 2) * 0.6931
    p, t = _reduced_exp(at_least(a * -2.0, -bound))
    s = ((t.bits() - f.bias) << f.fraction).floats()
    e, below = fma(p, s, s), fma(p, s, s - 1.0)
    r = 1.0 / (2.0 + below)
    above, four = a > 0.55, e * 4.0
    y = select(above, 1.0 - (e + e) * r, abs(below) * r)
    return with_sign(y, x), select(a > 0.5 * bound, 0.0, four * (r * r))


def _sin_and_slope(x: Vec) -> tuple[Vec, Vec]:
    r, low, n = _reduce_circular(abs(x))
    s, c, odd = _sin_near_0(r, low), _cos_near_0(r, low), _odd(n)
    sine = xor_sign(select(odd, c, s), _second_bit_as_sign(n) ^ x.sign())
    return sine, xor_sign(select(odd, s, c), _second_bit_as_sign(n + 1))


def _cos_and_slope(x: Vec) -> tuple[Vec, Vec]:
    sine, cosine = _sin_and_slope(x)
    return cosine, -sine


def _softplus_and_slope(x: Vec) -> tuple[Vec, Vec]:
    e = exp(-abs(x))
    _, half, sr = _log_correction(e, "log1p")
    return select(x > 0.0, x, 0.0) + (e - (half - sr)), select(x >= 0.0, 1.0, e) / (1.0 + e)


#: Functions whose derivative shares its dear part with the value: formulas of both. Native in float32, too.
WITH_SLOPE: dict[str, Callable[[Vec], tuple[Vec, Vec]]] = {
    "tanh": _tanh_and_slope, "sin": _sin_and_slope, "cos": _cos_and_slope, "softplus": _softplus_and_slope,
}  # fmt: skip


# Into a module. -----------------------------------------------------------------------------------------------------


def has(name: str) -> bool:
    """Whether there is a vector form of this function."""
    return name in FUNCTIONS


@cache
def host_has_fma() -> bool:
    """Whether this machine multiplies and adds in one instruction."""
    features = llvm.get_host_cpu_features()
    return bool(features.get("fma") or features.get("neon") or features.get("fp-armv8"))


def emit(builder: Any, name: str, args: Sequence[Any], fma: bool | None = None) -> Any:
    """Write a function's instructions where the builder stands, and return the result.

    Args:
        builder: llvmlite's IRBuilder; it may stand in another block afterwards.
        name: a key of `FUNCTIONS`.
        args: as many LLVM values as the function has arguments, vectors of double or of float of one length.
        fma: whether the target has fused multiply-add; by default as this machine.

    Raises:
        KeyError: if there is no vector form of the function; see `has`.
        TypeError: if the number or the types of the arguments do not fit.
    """
    function = _lookup(name)
    kind: Any = args[0].type if args else None
    if len(args) != function.arity or any(x.type != kind for x in args):
        raise TypeError(f"{name}() takes {function.arity} vectors of one type, got {[str(x.type) for x in args]}")
    format = next((f for f in FORMATS.values() if isinstance(kind, ir.VectorType) and kind.element == f.type), None)
    if format is None:
        raise TypeError(f"{name}() takes vectors of double or float, got {kind}")
    own = Lanes(builder, format, kind.count, host_has_fma() if fma is None else fma)
    inner = own if function.native_float else Lanes(builder, FORMATS["double"], own.lanes, own.fma)
    return own.cast(function.formula(*[inner.cast(Vec(own, x)) for x in args])).value


def declare_with_slope(module: Any, name: str, scalar: str, lanes: int, title: str) -> Any:
    """Put ``title(x, y, ...)`` into a module, which replaces the vector at x by its value and writes the slope to y.

    Args:
        module: llvmlite's Module.
        name: a key of `WITH_SLOPE`.
        scalar: "double" or "float".
        lanes: the length of the vectors.
        title: the name of the function; a third pointer that it takes is not used.
    """
    format = FORMATS[scalar]
    vector, pointer = ir.VectorType(format.type, lanes), ir.PointerType()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer] * 3), title)
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block())
    at = Lanes(builder, format, lanes, host_has_fma())
    x = builder.load(function.args[0], typ=vector, align=format.bits // 8)
    for result, place in zip(WITH_SLOPE[name](Vec(at, x)), function.args, strict=False):
        builder.store(result.value, place, align=format.bits // 8)
    builder.ret_void()
    return function


def declare(module: Any, name: str, scalar: str = "double", lanes: int = 8, fma: bool | None = None) -> Any:
    """Put a function into a module, once, and return it: ``dagrad.exp.v8f64``, from vectors to a vector.

    Args:
        module: llvmlite's Module.
        name: a key of `FUNCTIONS`.
        scalar: "double" or "float".
        lanes: the length of the vectors.
        fma: whether the target has fused multiply-add; by default as this machine.

    Raises:
        KeyError: if there is no vector form of the function; see `has`.
        ValueError: if scalar or lanes is not possible.
    """
    entry = _lookup(name)
    if scalar not in FORMATS:
        raise ValueError(f"scalar must be 'double' or 'float', got {scalar!r}")
    if not isinstance(lanes, int) or lanes < 1:
        raise ValueError(f"lanes must be a whole number of at least 1, got {lanes!r}")
    format = FORMATS[scalar]
    title = f"dagrad.{name}.v{lanes}{format.tag}"
    if title in module.globals:
        return module.globals[title]
    vector = ir.VectorType(format.type, lanes)
    function = ir.Function(module, ir.FunctionType(vector, [vector] * entry.arity), title)
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(emit(builder, name, function.args, fma))
    return function


def _lookup(name: str) -> Function:
    try:
        return FUNCTIONS[name]
    except KeyError:
        raise KeyError(f"no vector form of {name!r}; there are {', '.join(FUNCTIONS)}") from None


# One function over arrays, for tests and measurements. --------------------------------------------------------------


class Elementwise:
    """A compiled loop over arrays; `address` is a C function of (count, result, arguments...)."""

    def __init__(self, engine: Any, name: str, scalar: str, lanes: int, arity: int) -> None:
        import ctypes

        self._engine, self.lanes, self.arity = engine, lanes, arity
        self.dtype = {"double": "f8", "float": "f4"}[scalar]
        self.address: int = engine.get_function_address(name)
        self.function = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (arity + 1))(self.address)

    def __call__(self, *args: Any) -> Any:
        """Apply the function to arrays of one length; they are padded to whole vectors."""
        import numpy as np

        lengths = {len(x) for x in args}
        if len(args) != self.arity or len(lengths) != 1:
            raise ValueError(f"expected {self.arity} arrays of one length, got lengths {[len(x) for x in args]}")
        count = lengths.pop()
        padded = -count % self.lanes
        columns = [np.pad(np.asarray(x, self.dtype), (0, padded), constant_values=0.5) for x in args]
        result = np.empty(count + padded, self.dtype)
        self.function(count + padded, result.ctypes.data, *[c.ctypes.data for c in columns])
        return result[:count]


def compile_elementwise(
    name: str, scalar: str = "double", lanes: int = 8, fma: bool | None = None, cpu: str | None = None
) -> Elementwise:
    """Compile a loop that applies one function to arrays, for tests and measurements.

    Args:
        name: a key of `FUNCTIONS`.
        scalar: "double" or "float".
        lanes: the length of the vectors.
        fma: whether to use fused multiply-add; by default as this machine.
        cpu: the processor to make code for, by LLVM's name, without its optional features; by default this machine.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = ir.Module()
    arity = _lookup(name).arity
    array, count = ir.PointerType(), ir.IntType(64)
    loop = ir.Function(module, ir.FunctionType(ir.VoidType(), [count] + [array] * (arity + 1)), "loop")
    entry, body, done = (loop.append_basic_block(title) for title in ("entry", "body", "done"))
    n, result, *columns = loop.args
    b = ir.IRBuilder(entry)
    b.cbranch(b.icmp_signed(">", n, ir.Constant(count, 0)), body, done)
    b = ir.IRBuilder(body)
    i = b.phi(count)
    format = FORMATS[scalar]
    vector = ir.VectorType(format.type, lanes)

    def place(base: Any) -> Any:
        return b.gep(base, [i], source_etype=format.type)

    xs = [b.load(place(c), typ=vector, align=format.bits // 8) for c in columns]
    b.store(emit(b, name, xs, fma), place(result), align=format.bits // 8)
    after = b.add(i, ir.Constant(count, lanes))
    i.add_incoming(ir.Constant(count, 0), entry)
    i.add_incoming(after, b.block)
    b.cbranch(b.icmp_signed("<", after, n), body, done)
    ir.IRBuilder(done).ret_void()
    module.triple = llvm.get_process_triple()
    features = llvm.get_host_cpu_features().flatten() if cpu is None else ""
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu or llvm.get_host_cpu_name(), features=features, opt=1, jit=True
    )
    code = llvm.parse_assembly(str(module))
    code.verify()
    engine = llvm.create_mcjit_compiler(code, target)
    engine.finalize_object()
    return Elementwise(engine, "loop", scalar, lanes, arity)
