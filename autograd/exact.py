"""The rows on further kinds of numbers: mpmath's of any precision, complex ones for one step, FLINT's balls.

A program in operators and rows is generic in its numbers. Given `Exact` numbers it computes at the working precision
of mpmath, given `Complex` ones it carries a derivative in the imaginary part, given `Ball`s it encloses every rounding
and carries a power series. What a row means there is its column `exact`, or its own formula where that is one of
operators and rows; its derivatives play no part. A `Value` among them is the number that it has.

The rows take mpmath's own ``mpf`` and FLINT's ``arb`` too, and give the same kind back.
"""

from __future__ import annotations

import cmath
import functools
import math
import numbers
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Self

from autograd import ops
from autograd.op import Op, register
from autograd.value import _NUMPY_NAMES, Value

#: Beyond 2**HUGE (and below its inverse) a number of unlimited range becomes an infinity (or 0): towers of
#: exponentials end there, as they do in doubles.
HUGE = 20_000


class NoExactForm(TypeError):
    """A row has no meaning on this kind of number."""


class Uncertain(ArithmeticError):
    """A comparison of balls that overlap."""


class Overrun(ArithmeticError):
    """More operations than `at_most` allows, such as a loop that waits for two numbers of 50 digits to be equal."""


_left: ContextVar[list[int] | None] = ContextVar("how many operations are left", default=None)


@contextmanager
def at_most(operations: int) -> Iterator[None]:
    """Context in which a program on these numbers raises `Overrun` after so many operations, rather than hang."""
    token = _left.set([operations])
    try:
        yield
    finally:
        _left.reset(token)


def _count() -> None:
    left = _left.get()
    if left is not None:
        left[0] -= 1
        if left[0] < 0:
            raise Overrun("the program does not come to an end on these numbers")


# The C library's functions at any precision. --------------------------------------------------------------------------

#: Functions that not every library has, in terms of others.
COMPOSED: dict[str, Callable[..., Any]] = {
    "exp2": lambda m, x: m.exp(x * m.log(2)),
    "expm1": lambda m, x: m.exp(x) - 1,
    "log1p": lambda m, x: m.log(1 + x),
    "log2": lambda m, x: m.log(x) / m.log(2),
    "log10": lambda m, x: m.log(x) / m.log(10),
    "cbrt": lambda m, x: m.exp(m.log(x) / 3) if m.positive(x) else -m.exp(m.log(-x) / 3),
    "hypot": lambda m, a, b: m.sqrt(a * a + b * b),
    "atan2": lambda m, a, b: (
        m.atan(a / b) + (0 if m.positive(b) else m.pi if m.positive(a) else -m.pi)
        if m.positive(m.fabs(b) - m.fabs(a))
        else (m.pi if m.positive(a) else -m.pi) / 2 - m.atan(b / a)
    ),
    "sinh": lambda m, x: (m.exp(x) - m.exp(-x)) / 2,
    "cosh": lambda m, x: (m.exp(x) + m.exp(-x)) / 2,
    "tanh": lambda m, x: 1 - 2 / (m.exp(2 * x) + 1),
    "asinh": lambda m, x: m.log(x + m.sqrt(x * x + 1)),
    "acosh": lambda m, x: m.log(x + m.sqrt(x * x - 1)),
    "atanh": lambda m, x: (m.log(1 + x) - m.log(1 - x)) / 2,
    "fsum": lambda m, xs: functools.reduce(operator.add, xs, 0),
    "fprod": lambda m, xs: functools.reduce(operator.mul, xs, 1),
}


class _Functions:
    """The functions of one kind of number, by their names in C: what `Op.exact` may call.

    A function is the class's own, else the library's, else composed of others.
    """

    kind = "number"

    def __getattr__(self, name: str) -> Any:
        function = self._library(name) or (name in COMPOSED and functools.partial(COMPOSED[name], self))
        if not function:
            raise NoExactForm(f"there is no {name} for a {self.kind}")
        setattr(self, name, function)
        return function

    def _library(self, name: str) -> Any:
        raise NotImplementedError

    def fabs(self, x: Any) -> Any:
        return x if self.positive(x) else -x

    def mod(self, a: Any, b: Any) -> Any:
        return a - b * self.floor(a / b)

    def fmod(self, a: Any, b: Any) -> Any:
        rest = self.mod(self.fabs(a), self.fabs(b))
        return rest if self.positive(a) else -rest

    def pow(self, a: Any, b: Any) -> Any:
        return a**b


class _Mpmath(_Functions):
    """mpmath's functions."""

    kind = "number of mpmath"

    def _library(self, name: str) -> Any:
        return getattr(_mp(), name, None)

    def positive(self, x: Any) -> bool:
        return bool(x >= 0)

    def mod(self, a: Any, b: Any) -> Any:
        return a % b  # exact before it is rounded, however large the quotient

    def cbrt(self, x: Any) -> Any:
        return _mp().sign(x) * _mp().cbrt(abs(x))

    def lgamma(self, x: Any) -> Any:
        return _mp().re(_mp().loggamma(x))

    def erf(self, x: Any) -> Any:
        return _mp().erf(max(-_FAR, min(_FAR, x)))

    def erfc(self, x: Any) -> Any:
        return _mp().erfc(max(-_FAR, min(_FAR, x)))


#: Where erf differs from 1 by less than 1e-100000; beyond, mpmath would work for nothing.
_FAR = 500


class _Cmath(_Functions):
    """Functions that are analytic about the real line; where they branch, the real part decides."""

    kind = "complex number"
    pi = math.pi

    def _library(self, name: str) -> Any:
        return getattr(cmath, name, None)

    def positive(self, z: complex) -> bool:
        return z.real >= 0

    def pow(self, a: complex, b: complex) -> complex:
        return a**b if a else complex(0.0**b.real)

    def mod(self, a: complex, b: complex) -> complex:
        return a - b * (a.real // b.real)

    def floor(self, z: complex) -> complex:
        return complex(math.floor(z.real))

    def ceil(self, z: complex) -> complex:
        return complex(math.ceil(z.real))


class _Flint(_Functions):
    """FLINT's functions of balls and of power series of balls, which enclose the true result."""

    kind = "ball"

    @property
    def pi(self) -> Any:
        return _flint().arb.pi()

    def _library(self, name: str) -> Any:
        arb, series = _flint().arb, _flint().arb_series
        if not hasattr(arb, name):
            return None

        def function(x: Any, *more: Any) -> Any:
            ball = x if isinstance(x, arb | series) else arb(x)
            if not more and hasattr(ball, name):
                return getattr(ball, name)()
            if name not in COMPOSED:
                raise NoExactForm(f"there is no {name} for a power series of balls")
            return COMPOSED[name](self, ball, *more)

        return function

    def positive(self, x: Any) -> bool:
        return _certain(_head(x) >= 0, _head(x) < 0)

    def floor(self, x: Any) -> Any:
        whole = _head(x).floor().unique_fmpz()
        if whole is None:
            raise Uncertain("the floor of a ball that holds a whole number inside")
        return _flint().arb(whole)

    def ceil(self, x: Any) -> Any:
        return -self.floor(-x)


@functools.cache
def _mp() -> Any:
    try:
        from mpmath import mp
    except ImportError:
        raise ImportError("numbers of 50 digits come from mpmath: pip install 'dagrad[testing]'") from None
    return mp


@functools.cache
def _flint() -> Any:
    try:
        import flint
    except ImportError:
        raise ImportError("balls come from FLINT: pip install python-flint") from None
    return flint


def _head(x: Any) -> Any:
    """Return the constant term of a series, or a ball itself."""
    return x[0] if hasattr(x, "coeffs") else x


def _certain(yes: bool, no: bool) -> bool:
    if not yes and not no:
        raise Uncertain("a comparison of two balls that overlap; the point is too near to a branch")
    return yes


# Numbers. -----------------------------------------------------------------------------------------------------------


class Number:
    """A number on which programs of operators and rows run: base of `Exact`, `Complex` and `Ball`.

    It refuses to become a float, so that a program which leaves the rows (``math.sin``, ``float``) fails instead of
    going on with fewer digits.

    Args:
        x: the number itself, of mpmath, Python or FLINT.
    """

    __slots__ = ("x",)
    functions: ClassVar[Any]
    takes_nodes: ClassVar[bool] = True

    def __init__(self, x: Any) -> None:
        self.x = x

    @classmethod
    def lift(cls, x: Any) -> Any:
        """Return a real number of Python or NumPy, or one of this kind, as the number inside."""
        raise NotImplementedError

    @classmethod
    def made(cls, x: Any) -> Self:
        """Return a result as a number of this kind."""
        return cls(x)

    @classmethod
    def edge(cls, op: Op, xs: Sequence[Any], error: Exception) -> Any:
        """Return a row's result where the function of that kind of number raises: IEEE's, which is nan if unknown."""
        return math.nan

    @property
    def data(self) -> Self:
        """The number, for programs that look at a Value's."""
        return self

    def _with(self, other: Any, operation: Callable[[Any, Any], Any], row: Op, turned: bool = False) -> Any:
        try:
            b = self.lift(other)
        except TypeError:
            return NotImplemented
        pair = (b, self.x) if turned else (self.x, b)
        _count()
        try:
            return self.made(operation(*pair))
        except (ArithmeticError, ValueError) as error:
            if isinstance(error, Uncertain | Overrun):
                raise
            return self.made(self.edge(row, pair, error))

    def __add__(self, other: Any) -> Any:
        return self._with(other, operator.add, ops.add)

    def __sub__(self, other: Any) -> Any:
        return self._with(other, operator.sub, ops.sub)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, operator.mul, ops.mul)

    def __truediv__(self, other: Any) -> Any:
        return self._with(other, operator.truediv, ops.div)

    def __pow__(self, other: Any) -> Any:
        return self._with(other, self.functions.pow, ops.pow)

    def __radd__(self, other: Any) -> Any:
        return self._with(other, operator.add, ops.add, True)

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, operator.sub, ops.sub, True)

    def __rmul__(self, other: Any) -> Any:
        return self._with(other, operator.mul, ops.mul, True)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(other, operator.truediv, ops.div, True)

    def __rpow__(self, other: Any) -> Any:
        return self._with(other, self.functions.pow, ops.pow, True)

    def __mod__(self, other: Any) -> Any:
        return ops.mod(self, other)

    def __rmod__(self, other: Any) -> Any:
        return ops.mod(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return ops.floordiv(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return ops.floordiv(other, self)

    def __neg__(self) -> Self:
        return self.made(-self.x)

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Any:
        return ops.abs(self)

    def __floor__(self) -> Any:
        return ops.floor(self)

    def __ceil__(self) -> Any:
        return ops.ceil(self)

    def _less(self, other: Any, operation: Callable[[Any, Any], bool]) -> Any:
        try:
            return operation(self.x, self.lift(other))
        except TypeError:
            return NotImplemented

    def __lt__(self, other: Any) -> Any:
        return self._less(other, operator.lt)

    def __le__(self, other: Any) -> Any:
        return self._less(other, operator.le)

    def __gt__(self, other: Any) -> Any:
        return self._less(other, operator.gt)

    def __ge__(self, other: Any) -> Any:
        return self._less(other, operator.ge)

    def __eq__(self, other: object) -> Any:
        return self._less(other, operator.eq)

    def __ne__(self, other: object) -> Any:
        return self._less(other, operator.ne)

    def __hash__(self) -> int:
        return id(self) >> 4

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __float__(self) -> float:
        raise TypeError(
            f"a float would lose the digits of {self!r}: use autograd's function of the same name "
            "(autograd.exp instead of math.exp)"
        )

    def __index__(self) -> int:
        raise TypeError(f"{self!r} cannot be an index or a whole number")

    def __getattr__(self, name: str) -> Any:
        # Rows are methods, as they are of a Value, so that NumPy's functions work on arrays of these.
        row = ops.TABLE.get(_NUMPY_NAMES.get(name, name))
        if row is None or row.arity < 0:
            raise AttributeError(f"a number of the kind {type(self).__name__} has no attribute {name!r}")
        return functools.partial(row, self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.x})"


class Exact(Number):
    """A real number at the working precision of mpmath (``mpmath.mp.dps`` digits), with IEEE's edges.

    >>> from mpmath import mp
    >>> with mp.workdps(30):
    ...     print(ops.tanh(Exact(mp.mpf(2)) / 3))
    Exact(0.582782945347910120067639987249)
    """

    __slots__ = ()
    functions = _Mpmath()

    @classmethod
    def lift(cls, x: Any) -> Any:
        """Return a number as mpmath's."""
        if type(x) is cls:
            return x.x
        if isinstance(x, float | int):
            return _mp().mpf(x)
        if isinstance(x, _mp().mpf):
            return x
        return _mp().mpf(_real(x, cls))

    @classmethod
    def made(cls, x: Any) -> Self:
        """Return a result, which is nan where mpmath has left the real line and infinite beyond `HUGE`."""
        mp = _mp()
        if not isinstance(x, mp.mpf):
            return cls(mp.mpf(x) if isinstance(x, int | float) else mp.nan)
        _, mantissa, exponent, bits = x._mpf_
        if mantissa and not -HUGE < exponent + bits < HUGE:
            return cls(mp.mpf(0) if exponent < 0 else mp.inf * mp.sign(x))
        return cls(x)

    @classmethod
    def edge(cls, op: Op, xs: Sequence[Any], error: Exception) -> Any:
        """Return the answer at a pole, which doubles have exactly; elsewhere there is none."""
        return op.call([float(x) for x in xs]) if isinstance(error, ZeroDivisionError) else math.nan


class Complex(Number):
    """A number x + ih whose imaginary part carries h times a derivative, exactly to the last digits for tiny h.

    Squire and Trapp, Using complex variables to estimate derivatives of real functions, 1998. Comparisons look at the
    real part. It is blind to what rounds the real part alone.
    """

    __slots__ = ()
    functions = _Cmath()

    @classmethod
    def lift(cls, x: Any) -> Any:
        """Return a number as Python's complex one."""
        return x.x if type(x) is cls else complex(_real(x, cls))

    def _less(self, other: Any, operation: Callable[[Any, Any], bool]) -> Any:
        try:
            return operation(self.x.real, self.lift(other).real)
        except TypeError:
            return NotImplemented

    @classmethod
    def edge(cls, op: Op, xs: Sequence[Any], error: Exception) -> Any:
        """Return nan."""
        return complex(math.nan, math.nan)


_OPPOSITE: dict[Any, Any] = {
    operator.lt: operator.ge, operator.le: operator.gt, operator.gt: operator.le, operator.ge: operator.lt,
}  # fmt: skip


class Ball(Number):
    """A power series whose coefficients are balls that surely hold the true ones (FLINT's ``arb_series``).

    F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, 2017. Run on x + t, a program
    gives its value and its derivative with all rounding accounted for.
    """

    __slots__ = ()
    functions = _Flint()

    @classmethod
    def lift(cls, x: Any) -> Any:
        """Return a number as a ball of radius 0, or the ball or series that it is."""
        if type(x) is cls:
            return x.x
        if isinstance(x, _flint().arb | _flint().arb_series):
            return x
        return _flint().arb(_real(x, cls))

    def _less(self, other: Any, operation: Callable[[Any, Any], bool]) -> Any:
        try:
            a, b = _head(self.x), _head(self.lift(other))
        except TypeError:
            return NotImplemented
        if operation is operator.eq or operation is operator.ne:
            same = _certain(a <= b and a >= b, not a.overlaps(b))
            return same if operation is operator.eq else not same
        return _certain(operation(a, b), _OPPOSITE[operation](a, b))


def _real(x: Any, kind: type[Number]) -> float:
    if isinstance(x, Value):
        return x.data
    if isinstance(x, numbers.Real) or (getattr(x, "ndim", None) == 0 and getattr(x, "dtype", "O") != "O"):
        return float(x)
    raise TypeError(f"a number of the kind {kind.__name__} does not go together with {type(x).__name__}: {x!r}")


def meaning(op: Op, kind: type[Number], xs: Sequence[Any]) -> Any:
    """Return what a row means at numbers of a kind.

    Args:
        op: the row.
        kind: `Exact`, `Complex` or `Ball`.
        xs: the arguments, of the kind or plain numbers.

    Raises:
        NoExactForm: if the row has neither a column `exact` nor a formula in operators and rows.
    """
    _count()
    if op is ops.where:
        return xs[1] if xs[0] else xs[2]
    formula = op.exact
    if formula is None and hasattr(op.value, "c"):
        formula = _of_the_c_library(op.value.c)
    if formula is None:
        lifted = [x if isinstance(x, (Number, float)) else kind(kind.lift(x)) for x in xs]
        try:
            y = op.value(lifted) if op.arity < 0 else op.value(*lifted)
        except NoExactForm:
            raise
        except TypeError as error:
            raise NoExactForm(
                f"the operation {op.name} has no form beyond floats ({error}); write its value in autograd's "
                "operations, or give it exact=lambda m, x: ... in the functions of mpmath"
            ) from None
        return y if isinstance(y, kind) else kind.made(kind.lift(y))
    raw = [kind.lift(x) for x in xs]
    try:
        return kind.made(formula(kind.functions, raw) if op.arity < 0 else formula(kind.functions, *raw))
    except (ArithmeticError, ValueError) as error:
        if isinstance(error, Uncertain | Overrun):
            raise
        return kind.made(kind.lift(kind.edge(op, raw, error)) if kind is Exact else kind.edge(op, raw, error))


@functools.cache
def _of_the_c_library(name: str) -> Callable[..., Any]:
    return lambda m, *xs: getattr(m, name)(*xs)


def _handler(kind: type[Number]) -> Callable[[Op, tuple[Any, ...]], Any]:
    return lambda op, args: meaning(op, kind, args)


def _unwrapped(kind: type[Number]) -> Callable[[Op, tuple[Any, ...]], Any]:
    handler = _handler(kind)

    def bare(op: Op, args: tuple[Any, ...]) -> Any:
        y = handler(op, args)
        return y.x if isinstance(y, kind) and not any(isinstance(x, kind) for x in args) else y

    return bare


for _kind in (Exact, Complex, Ball):
    register(_kind, _handler(_kind))


def admit(module: str) -> None:
    """Let the rows take the numbers of a package that has been imported: "mpmath" or "flint"."""
    if module == "mpmath":
        register(_mp().mpf, _unwrapped(Exact))
    else:
        register(_flint().arb, _unwrapped(Ball))
        register(_flint().arb_series, _unwrapped(Ball))
