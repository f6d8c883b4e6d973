"""Hypothesis strategies for what a gradient is taken of: points, programs, graphs and nets.

    @given(programs())
    def test_my_engine(program):
        assert my_gradient(program, program.point) == pytest.approx(grad(program)(program.point))

A random *program* is straight-line code. An operand is drawn as a distance back, so that sharing and x * x come by
themselves and a failure shrinks to a short chain. Everything is drawn by value: the code is evaluated while it is
drawn, and only a row of the table that is smooth at its operands comes next. So nothing is ever rejected, and no
property meets a pole or a kink by chance. The rows are those of the table, yours from `autograd.primitive` included.

A failure is printed as Python that can be pasted and run.
"""

from __future__ import annotations

import itertools
import keyword
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

try:
    from hypothesis import note
    from hypothesis import strategies as st
except ImportError:
    raise ImportError("the strategies are for Hypothesis: pip install 'dagrad[testing]'") from None

from autograd import ops as table
from autograd.op import VARIADIC, Op
from autograd.value import Value, constant

if TYPE_CHECKING:
    from autograd.net import Net

__all__ = ["NetCase", "Program", "Step", "cases", "graphs", "nets", "points", "programs"]

# A failure shrinks by deleting a few choices at a time. So an operation, an input, a neuron or a link is at most five
# of them, and what a choice means never depends on whether it fits.

Interval = tuple[float, float]
R: Interval = (-math.inf, math.inf)

#: How far a program keeps from kinks and from the edges of domains.
_MARGIN = 1e-3
#: Rows whose kinks are a pole, a point or a cut: a little away from these they are as smooth as any.
_SINGULAR = frozenset({table.div, table.hypot, table.atan2})
#: Rows that Python has operators for.
_OPERATORS = frozenset(
    {table.add, table.sub, table.mul, table.div, table.neg, table.pow, table.floordiv, table.mod}
)


def _rows(given: Iterable[Op | str] | None, kinked: bool = False) -> list[Op]:
    """Return rows by name, or those of the table as it is now that are smooth."""
    if given is None:
        smooth = [op for op in table.TABLE.values() if kinked or op.kinks is None or op in _SINGULAR]
        return [op for op in smooth if op is not table.where]
    listed = [given] if isinstance(given, str | Op) else given
    rows = [table.lookup("identity" if op == "linear" else op) if isinstance(op, str) else op for op in listed]
    for op in rows:
        if not isinstance(op, Op):
            raise TypeError(f"an operation is a row of the table or its name, got {op!r}")
    if not rows:
        raise ValueError("the list of operations is empty; leave it out for all smooth ones")
    return list(dict.fromkeys(rows))


def _span(given: Any, least: int, what: str, at_most: bool = False) -> tuple[int, int]:
    """Read a number, or a pair of the least and the most."""
    low, high = given if isinstance(given, tuple) else (least if at_most else given, given)
    if not (isinstance(low, int) and isinstance(high, int) and least <= low <= high):
        raise ValueError(f"{what} is a whole number from {least} on, or a pair (least, most); got {given!r}")
    return low, high


def _turns(n: int, first: int) -> Iterator[int]:
    """Yield all places from the first on; not in a row, or what comes after rows that seldom fit came too often."""
    stride = next(k for k in itertools.count(1 + n // 3) if math.gcd(k, n) == 1)
    return ((first + k * stride) % n for k in range(n))


def _smooth(op: Op, xs: Sequence[float], bound: float) -> float | None:
    """Return the value of a row where it is smooth round about, and neither large nor steep; else None.

    Only values are looked at, no partials: a wrong one must not hide itself.
    """
    if any(not low + _MARGIN < x < high - _MARGIN for x, (low, high) in zip(xs, op.domain, strict=False)):
        return None
    if op.kinks is not None and op.kinks(*xs):
        return None
    try:
        y = op.call(list(xs))
        if not abs(y) <= bound:
            return None
        for k, x in enumerate(xs):
            up, down = (op.call([*xs[:k], z, *xs[k + 1 :]]) for z in (x + _MARGIN, x - _MARGIN))
            # A kink within the margin makes a second difference of the margin's size, not of its square's.
            if not abs(up - down) <= 2 * _MARGIN * bound or not abs(up - 2 * y + down) <= (_MARGIN * bound) ** 2:
                return None
    except (ArithmeticError, ValueError):
        return None
    return y


# Points. ------------------------------------------------------------------------------------------------------------

_ROUND = (0.0, 1.0, -1.0, 2.0, 0.5, -2.0, -0.5, 3.0, -3.0, 10.0, -10.0, 0.1, -0.1, 0.25, -7.5, -0.0)
_POWERS = tuple(sign * 2.0**k for k in (*range(-1, -21, -1), *range(1, 11)) for sign in (1, -1))
_ENDS = tuple(s * x for x in (sys.float_info.max, sys.float_info.min, 5e-324) for s in (1, -1))
#: Points are mostly drawn within this, or as near to it as their interval comes.
_WINDOW = 10.0


def points(
    f: Op | str | Callable[..., Any],
    domain: Interval | Sequence[Interval] | None = None,
    n: int | None = None,
    *,
    extremes: bool = False,
    kinks: bool = False,
) -> st.SearchStrategy[list[float]]:
    """Draw arguments at which a function is differentiable.

    There are uniform ones, some that lie log-uniformly near 0 and near the ends of an interval, round ones (0.0, -0.0,
    1.0, few decimals, powers of two), and arguments that are equal. At the arguments of a row its value is finite, and
    no kink lies there.

    Args:
        f: a row of the table or its name, which brings its domain and kinks; or any function, with its `domain`.
        domain: the open intervals (low, high) of the arguments, or one interval for all of them. Default: the row's.
        n: how many arguments, where neither the row nor `domain` tells; a variadic row's are 1 to 5 by default. Those
            of `dot` are both sequences, one after the other.
        extremes: also draw arguments up to the largest and down to the smallest double; then values may be infinite.
        kinks: draw points exactly on the row's kinks instead, where a convention stands in for the derivative.

    Raises:
        KeyError: if no row has the name.
        ValueError: if an interval is empty, the number of arguments is unknown or wrong, or the row has no kinks.
    """
    row = table.lookup(f) if isinstance(f, str) else f if isinstance(f, Op) else None
    name = row.name if row is not None else getattr(f, "__name__", repr(f))
    if kinks and (row is None or row.kinks is None):
        raise ValueError(f"points: {name} has no kinks (the column `kinks` of its row tells where they are)")
    counts, intervals = _arguments(row, name, domain, n)
    numbers = [_inside(low, high, extremes) for low, high in intervals]
    # An int is a tie with an argument before.
    numbers[1:] = [st.one_of(x, st.integers(0, 2)) for x in numbers[1:]]
    raw = st.one_of([st.tuples(*numbers[:k]) for k in counts])

    @st.composite
    def point(draw: st.DrawFn) -> list[float]:
        xs = _tied(draw(raw), intervals)
        if row is None:
            return xs
        if kinks:
            return _on_a_kink(row, xs, intervals, draw(st.integers(0, 63)))
        return _off_kinks(row, xs, intervals, extremes)

    return point()


def _arguments(row: Op | None, name: str, domain: Any, n: int | None) -> tuple[list[int], list[Interval]]:
    """Return how many arguments there may be, and the interval of each."""
    variadic = row is not None and row.arity == VARIADIC
    arity = n if row is None or variadic else row.arity
    if domain is None:
        if row is None:
            raise ValueError(f"points: {name} is no row of the table; give domain=[(low, high), ...], one per argument")
        domain = row.domain or R
    if isinstance(domain[0], tuple | list):
        given, arity = list(domain), arity or len(domain)
    elif arity is None and not variadic:
        raise ValueError(f"points: give n, the number of arguments of {name}, or an interval for each")
    else:
        given = [domain] * (arity or 5)
    step = 2 if row is table.dot else 1
    if n not in (None, arity) or (arity is not None and (arity != len(given) or arity < 1 or arity % step)):
        takes = f"{arity} arguments" if step == 1 else "two sequences of one length"
        raise ValueError(f"points: {name} takes {takes}; got n={n} and {len(given)} intervals")
    for low, high in given:
        if not _holds(low, high):
            raise ValueError(f"points: the interval ({low}, {high}) of {name} holds no number inside")
    counts = [arity] if arity else list(range(step, len(given) + 1, step))
    return counts, [(float(low), float(high)) for low, high in given]


def _holds(low: float, high: float) -> bool:
    """Whether there is a number inside of an open interval."""
    return math.nextafter(low, math.inf) < high


def _tied(raw: Sequence[float | int], intervals: Iterable[Interval], alone: float = 1.0) -> list[float]:
    """Return numbers with ties resolved: an int is a copy from so far back, as near as its own interval has it.

    `alone` stands for a copy where there is nothing to copy yet.
    """
    xs: list[float] = []
    for x, interval in zip(raw, intervals, strict=False):
        xs.append(_clamped(xs[-1 - x % len(xs)] if xs else alone, *interval) if isinstance(x, int) else x)
    return xs


def _clamped(x: float, low: float, high: float) -> float:
    """Return the number of the open interval that is nearest to x."""
    if low < x < high:
        return x
    return math.nextafter(low, math.inf) if x <= low else math.nextafter(high, -math.inf)


def _inside(low: float, high: float, extremes: bool) -> st.SearchStrategy[Any]:
    """Draw a number of an open interval; it shrinks to the roundest."""
    a, b = max(low, -_WINDOW), min(high, _WINDOW)
    if not a < b:  # the interval lies beyond the window
        a, b = (low, min(high, 2 * low)) if low > 0 else (max(low, 2 * high), high)

    def among(xs: Sequence[float]) -> list[st.SearchStrategy[float]]:
        found = [x for x in xs if low < x < high]
        return [st.sampled_from(found)] if found else []

    def few_digits(scale: int) -> list[st.SearchStrategy[float]]:
        first, last = math.floor(a * scale) + 1, math.ceil(b * scale) - 1
        return [st.integers(first, last).map(lambda k: k / scale)] if first <= last else []

    middle, half = a / 2 + b / 2, b / 2 - a / 2
    uniform = st.integers(1 - 2**40, 2**40 - 1).map(lambda k: _clamped(middle + half * (k / 2**40), low, high))
    branches = [*among(_ROUND), *few_digits(10), *few_digits(1000), *among(_POWERS), uniform]
    ends = [(end, inward) for end, inward in ((low, 1.0), (high, -1.0)) if math.isfinite(end)]
    ends += [(0.0, sign) for sign in (1.0, -1.0) if low < 0.0 < high]
    if ends:
        width = min(1.0, high - low)
        far = st.integers(1, 200).map(lambda k: width * 10.0 ** (-k / 10))
        near = st.tuples(st.sampled_from(ends), far)
        branches.append(near.map(lambda drawn: _clamped(drawn[0][0] + drawn[0][1] * drawn[1], low, high)))
    if extremes:
        signs = st.sampled_from([1.0] * (high > 0.0) + [-1.0] * (low < 0.0))
        size = st.integers(-3230, 3080).map(lambda k: 10.0 ** (k / 10))
        branches.append(st.tuples(signs, size).map(lambda drawn: _clamped(drawn[0] * drawn[1], low, high)))
        branches += among(_ENDS)
    return st.one_of(branches)


def _value(op: Op, xs: Sequence[float]) -> float:
    """Return a row's value; nan where its formula raises."""
    try:
        return op.call(list(xs))
    except (ArithmeticError, ValueError):
        return math.nan


def _off_kinks(op: Op, xs: list[float], intervals: Sequence[Interval], extremes: bool) -> list[float]:
    """Return a point as it is, or with as few arguments moved as takes it off a kink and to a finite value."""

    def good(xs: Sequence[float]) -> bool:
        y = _value(op, xs)
        return (math.isfinite(y) or (extremes and y == y)) and not (op.kinks and op.kinks(*xs))

    others = [_others(x, *interval) for x, interval in zip(xs, intervals, strict=False)]
    one = ([*xs[:k], x, *xs[k + 1 :]] for k in reversed(range(len(xs))) for x in others[k])
    several = map(list, itertools.islice(itertools.product(*others), 10_000))
    for moved in itertools.chain([xs], one, several):
        if good(moved):
            return moved
    raise ValueError(f"points: near {xs} there is no point where {op.name} is finite and off its kinks; give a domain")


def _others(x: float, low: float, high: float) -> list[float]:
    """Return numbers to take the place of x, near ones first."""
    near = [x + s * d for d in (0.5, 0.125, 0.03125) for s in (1, -1)]
    near += [float(round(x)), math.floor(x) + 1.0] if abs(x) < 2**52 else []
    far = [0.7, -0.7, 1.3, 0.3, *_ROUND, low / 2 + high / 2 if math.isfinite(high - low) else 1.7]
    return [y for y in (*near, *far) if low < y < high and y != x]


def _on_a_kink(op: Op, xs: list[float], intervals: Sequence[Interval], which: int) -> list[float]:
    """Return a point on a kink, made from another by zeros, ties, whole numbers and multiples."""
    found = [
        ys
        for ys in _special(xs)
        if op.kinks is not None
        and op.kinks(*ys)
        and all(low < y < high for y, (low, high) in zip(ys, intervals, strict=True))
    ]
    if not found:
        raise ValueError(f"points: no kink of {op.name} was found near {xs}; draw its kinks yourself")
    return found[which % len(found)]


def _special(xs: list[float]) -> Iterator[list[float]]:
    """Yield points like this one where something special holds."""
    for k, x in enumerate(xs):
        rest = [(y, abs(x / y) < 2**52) for y in (*xs[:k], *xs[k + 1 :]) if y]
        multiples = [y * round(x / y) for y, few in rest if few]
        for y in (float(math.floor(x)) if abs(x) < 2**52 else x, *_ROUND, *xs[:k], *xs[k + 1 :], *multiples):
            yield [*xs[:k], y, *xs[k + 1 :]]
        yield [0.0 if i == k else -abs(y) for i, y in enumerate(xs)]
    yield [0.0 for _ in xs]


# Programs. ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One operation of a program.

    Args:
        op: the row. `where` with the operands (i, a, b) means ``where(x_i > 0, a, b)``.
        operands: an int is the place of an input or of an earlier result, counted from the first input; a float is a
            plain number.
    """

    op: Op
    operands: tuple[int | float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "operands", tuple(self.operands))

    @property
    def uses(self) -> tuple[int, ...]:
        """The places that a gradient may flow to; the condition of `where` is none."""
        return tuple(x for x in self.operands[self.op is table.where :] if isinstance(x, int))


@dataclass(frozen=True, repr=False)
class Program:
    """A straight-line program with the point that it was drawn at; call it with numbers of any kind.

    Everything that nothing uses is added up at the end, so no result is dead.

    Args:
        inputs: the numbers of the point.
        steps: the operations, in order.

    Raises:
        ValueError: if there is no input, or a step uses what comes after it, or has a wrong number of operands.

    >>> from autograd import ops
    >>> program = Program([3.0], [Step(ops.mul, (0, 0))])
    >>> program([2.0]), program(program.point)
    (4.0, 9.0)
    >>> print(program)
    def f(x):
        [x0] = x
        x1 = x0 * x0
        return x1
    <BLANKLINE>
    print(f([3.0]))
    """

    inputs: tuple[float, ...]
    steps: tuple[Step, ...]
    __name__ = "f"

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(map(float, self.inputs)))
        object.__setattr__(self, "steps", tuple(self.steps))
        if not self.inputs:
            raise ValueError("a program has at least one input")
        for i, step in enumerate(self.steps, len(self.inputs)):
            op, n = step.op, len(step.operands)
            if op.arity not in (n, VARIADIC) or (op is table.dot and n % 2):
                takes = "an even number" if op is table.dot else op.arity
                raise ValueError(f"x{i} = {op.name}(...) takes {takes} of operands, got {n}")
            for x in step.operands:
                if isinstance(x, int) and not 0 <= x < i:
                    raise ValueError(f"x{i} = {op.name}(...) uses x{x}, which is not computed before it")

    @property
    def point(self) -> list[float]:
        """The point that it was drawn at: smooth, and in the domain of every operation."""
        return list(self.inputs)

    @cached_property
    def sinks(self) -> tuple[int, ...]:
        """The places that nothing uses, the last result among them; the program returns their sum."""
        used = {place for step in self.steps for place in step.uses}
        return tuple(i for i in range(len(self.inputs) + len(self.steps)) if i not in used)

    def __call__(self, xs: Iterable[Any]) -> Any:
        """Return the result for as many numbers as the program has inputs: floats, Values, arrays, mpmath's, ..."""
        return self.trace(xs)[-1]

    def trace(self, xs: Iterable[Any], apply: Callable[[Op, Sequence[Any]], Any] | None = None) -> list[Any]:
        """Return everything that the program computes, the inputs first and the result last.

        Args:
            xs: a number per input.
            apply: computes ``apply(op, arguments)``; default: the row itself.
        """
        made = list(xs)
        if len(made) != len(self.inputs):
            raise ValueError(f"the program has {len(self.inputs)} inputs, got {len(made)} numbers")
        apply = apply or _call
        for step in self.steps:
            arguments = [made[x] if isinstance(x, int) else x for x in step.operands]
            if step.op is table.where:
                arguments[0] = arguments[0] > 0
            made.append(apply(step.op, arguments))
        total, *rest = self.sinks
        for i in rest:
            made.append(apply(table.add, [made[total], made[i]]))
            total = len(made) - 1
        return made

    def graph(self) -> tuple[list[Value], Value]:
        """Return leaves at the point and the result of them, all nodes named x0, x1, ... as in the listing."""
        leaves = [Value(x) for x in self.inputs]
        made = self.trace(leaves)
        for i, v in enumerate(made):
            v.name = f"x{i}"
        return leaves, made[-1]

    def source(self) -> str:
        """Return it as Python that runs: a function of a list, and its call at the point."""
        import autograd

        names, imported, looked_up = {}, [], []
        for op in dict.fromkeys(step.op for step in self.steps if step.op not in _OPERATORS):
            names[op] = op.name
            if getattr(autograd, op.name, None) is op:
                imported.append(op.name)
            else:  # a row of somebody's own, whose name may be taken here
                taken = keyword.iskeyword(op.name) or re.fullmatch(r"x\d*|f|print|lookup", op.name)
                names[op] = f"{op.name}_" if taken else op.name
                looked_up.append(f"{names[op]} = lookup({op.name!r})")
        lines = [f"from autograd import {', '.join(sorted(imported))}"] * bool(imported)
        lines += ["from autograd.ops import lookup", "", *looked_up] if looked_up else []
        lines += [""] * bool(lines)
        lines += ["def f(x):", f"    [{', '.join(f'x{i}' for i in range(len(self.inputs)))}] = x"]
        lines += [f"    x{i} = {_printed(step, names)}" for i, step in enumerate(self.steps, len(self.inputs))]
        lines += [f"    return {' + '.join(f'x{i}' for i in self.sinks)}", "", f"print(f({self.point!r}))"]
        return "\n".join(lines)

    __repr__ = __str__ = source

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(_set_apart(self.source(), printer))


def _call(op: Op, xs: Sequence[Any]) -> Any:
    """Call a row with its arguments in the way that it takes them."""
    if op.arity != VARIADIC:
        return op(*xs)
    return op(xs[: len(xs) // 2], xs[len(xs) // 2 :]) if op is table.dot else op(xs)


def _printed(step: Step, names: dict[Op, str]) -> str:
    """Return a step as an expression of Python."""
    op, texts = step.op, [f"x{x}" if isinstance(x, int) else repr(x) for x in step.operands]
    if op in _OPERATORS:
        return op.form.format(*(f"({text})" if text.startswith("-") else text for text in texts))
    if op is table.where:
        texts[0] += " > 0"
    elif op.arity == VARIADIC:
        half = len(texts) // 2 if op is table.dot else len(texts)
        texts = [f"[{', '.join(part)}]" for part in (texts[:half], texts[half:]) if part]
    return f"{names[op]}({', '.join(texts)})"


def _set_apart(source: str, printer: Any) -> str:
    """Return a source as a pretty printer is to show it: inside of something else, on lines of its own."""
    return f"\n{source}\n" if getattr(printer, "indentation", 0) else source


# Drawing programs. --------------------------------------------------------------------------------------------------

#: How far back an operand lies: mostly near, so that chains grow.
_BACK = (0, 1, 0, 2, 1, 0, 3, 4, 0, 5, 2, 1)
#: Plain numbers among the operands, and among those of exact programs.
_LITERALS, _EXACT_LITERALS = (2.0, 0.5, -1.0, 1.5), (2.0, 0.5, -1.0, 3.0)
#: Rows of exact programs, the first five by default: whether the sizes of the operands add up (1) or multiply (2).
_EXACT = {
    table.add: 1, table.sub: 1, table.mul: 2, table.neg: 1, table.identity: 1,
    table.sum: 1, table.square: 2, table.prod: 2, table.dot: 2,
}  # fmt: skip


def programs(
    ops: Iterable[Op | str] | None = None,
    inputs: int | tuple[int, int] | st.SearchStrategy[Sequence[float]] = (1, 4),
    nodes: int | tuple[int, int] = 12,
    *,
    exact: bool = False,
    wheres: bool = False,
    kinked: bool = False,
    bound: float = 20.0,
) -> st.SearchStrategy[Program]:
    """Draw programs: straight-line code of rows, smooth at the point that comes with it.

    Every operation is in its domain and off its kinks, by 1/2000 at least; its value and slopes are at most `bound`,
    its curvatures at most `bound` squared. That is measured on values; no rule for a derivative is used.

    Args:
        ops: rows or their names; default all smooth ones of the table. Where none of them fits the numbers at hand, the
            program is shorter, down to the mere sum of its inputs.
        inputs: how many inputs, or the least and the most; or a strategy for the point, a list of floats.
        nodes: the most operations, or the least and the most. What nothing uses is added up besides.
        exact: only sums, products, negation and halving of small whole numbers. No result, gradient or Hessian of them
            needs more than 53 bits, in whatever order it is computed: compare with ``==``. `ops` may then name add,
            sub, mul, neg, identity, square, sum, prod and dot; `kinked` and `bound` do not apply.
        wheres: also choices ``where(x > 0, a, b)``.
        kinked: also rows with kinks, such as abs and maximum, at points off these.
        bound: see above. Only the final sum may be larger.

    Raises:
        KeyError: if no row has a name.
        ValueError: if the number of inputs or nodes or the bound is not one, or a row does not go with `exact`.
    """
    if not 0 < bound < math.inf:
        raise ValueError(f"programs: bound is a positive number, got {bound!r}")
    rows = list(_EXACT)[:5] if exact and ops is None else _rows(ops, kinked)
    rows += [table.where] * (wheres and table.where not in rows)
    for op in rows:
        if exact and op not in _EXACT and op is not table.where:
            raise ValueError(f"programs: {op.name} rounds; exact=True takes {', '.join(op.name for op in _EXACT)}")
    if isinstance(inputs, st.SearchStrategy):
        point = inputs.map(lambda xs: list(map(float, xs)))
    else:
        fewest, largest = _span(inputs, 1, "programs: inputs")
        size = min(3.0, bound)
        ties = st.integers(0, 3)
        if exact:
            number: st.SearchStrategy[Any] = st.sampled_from([1.0, 0.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0, 1])
        else:  # also where a demanding row is at home
            domains = {interval for op in rows for interval in op.domain} - {R} if ops is not None else set()
            homes = sorted({(max(low, -bound), min(high, bound)) for low, high in domains})
            number = st.one_of(_numbers(size), *(_inside(*home, False) for home in homes if _holds(*home)), ties)
        point = st.lists(number, min_size=fewest, max_size=largest)
        point = point.map(lambda raw: _tied(raw, itertools.repeat(R), alone=min(1.0, size)))
    least, most = _span(nodes, 1, "programs: nodes", at_most=True)
    literals = _EXACT_LITERALS if exact else [x for x in _LITERALS if abs(x) <= bound]
    listing = _many(_codes(_choices(rows), literals), least, most)
    drawing = _ExactDrawing if exact else _Drawing

    @st.composite
    def program(draw: st.DrawFn) -> Program:
        return drawing(draw(point), bound).run(draw(listing))

    return program()


def _numbers(size: float) -> st.SearchStrategy[float]:
    """Draw numbers up to a size, at most 3; they shrink to small whole ones, first of all to 1.

    (At 0 too many a wrong rule is right.)
    """
    scale = 1.0 if size >= 3.0 else size / 3.0
    # One code for all: a number of many digits shrinks into one of few.
    return st.one_of([st.integers(0, most).map(lambda k: _number(k) * scale) for most in (6, 69, 699, 7 * 10**12)])


def _number(code: int) -> float:
    """Return 1, 0, -1, 2, -2, -3, -0 by the code modulo 7, plus the decimals that its other digits make reversed."""
    whole, digits = (1, 0, -1, 2, -2, -3, 0)[code % 7], str(code // 7)[::-1]
    scale: int = 10 ** len(digits)
    return (whole * scale + int(digits)) / scale if code % 7 < 6 else -(int(digits) / scale)


def _many(element: st.SearchStrategy[Any], least: int, most: int) -> st.SearchStrategy[list[Any]]:
    """Draw a list that is long where it may be; those of `st.lists` seldom have more than about six elements."""
    sizes = [(max(0, min(12, least - i)), min(12, most - i)) for i in range(0, most, 12)]
    parts = st.tuples(*(st.lists(element, min_size=low, max_size=high) for low, high in sizes))
    return parts.map(lambda lists: list(itertools.chain(*lists)))


#: Rows with one number of operands, which of them is tried first, and how many operands.
_Choice = tuple[list[Op], int, int]


def _choices(rows: Sequence[Op]) -> list[_Choice]:
    """Return what an operation is drawn from: the number of operands first, then the row.

    However many rows there are, those of one argument come with a weight of 9 at most, of two with 6, of more with 3.
    """
    families: dict[int, list[Op]] = {}
    for op in sorted(rows, key=lambda op: op is not table.identity):  # the first can be deleted without any trace
        families.setdefault(op.arity, []).append(op)
    found: list[_Choice] = []
    for arity, family in sorted(families.items(), key=lambda item: (item[0] == VARIADIC, item[0])):
        counts = (2, 3, 4) if arity == VARIADIC else (arity,)
        choices = [(family, i, n) for i in range(len(family)) for n in counts]
        weight = min(len(family), {1: 9, 2: 6}.get(arity, 3))
        found += choices * max(1, round(12 * weight / len(choices)))
    return found


#: What is drawn of an operation: a choice, and raw operands: an int is a distance back, a float a plain number.
_Code = tuple[_Choice, list[int | float]]


def _codes(choices: list[_Choice], literals: Sequence[float]) -> st.SearchStrategy[_Code]:
    """Draw one operation."""
    choice = st.sampled_from(choices)
    back, operand = st.sampled_from(_BACK), st.sampled_from((*_BACK, *literals))

    @st.composite
    def code(draw: st.DrawFn) -> _Code:
        drawn = draw(choice)
        n = drawn[2]
        return drawn, [draw(operand) for _ in range(n)] if n > 1 else [draw(back)]

    return code()


class _Drawing:
    """A program while it is drawn, with the value of every place, which decides what may come next.

    Args:
        point: the numbers of the inputs.
        bound: of values and slopes.
    """

    def __init__(self, point: Sequence[float], bound: float) -> None:
        self.point = tuple(point)
        self.bound = bound
        self.values = list(point)
        self.steps: list[Step] = []

    def run(self, codes: Iterable[_Code]) -> Program:
        """Return the program that codes stand for."""
        for (family, first, _), raw in codes:
            self._step(family, first, raw)
        return Program(self.point, tuple(self.steps))

    def _step(self, family: Sequence[Op], first: int, raw: Sequence[int | float]) -> None:
        """Add the first row that fits the operands; if none does, look further back for some, and turn them round."""
        orders = itertools.permutations(raw)
        for order, shift, k in itertools.product(orders, range(len(self.values)), _turns(len(family), first)):
            operands = self._operands(family[k], order, shift)
            y = self._result(family[k], operands)
            if y is not None:
                self.values.append(y)
                self.steps.append(Step(family[k], operands))
                return

    def _operands(self, op: Op, raw: Sequence[int | float], shift: int) -> tuple[int | float, ...]:
        n = len(self.values)
        places = [n - 1 - (x + shift) % n if isinstance(x, int) else x for x in raw]
        begin = int(op is table.where)
        # A condition is no plain number, and an operation on plain numbers alone is no node.
        if begin and isinstance(places[0], float):
            places[0] = n - 1 - shift
        if not any(isinstance(x, int) for x in places[begin:]):
            places[begin] = n - 1 - shift
        return tuple(places + places[-1:] * (op is table.dot and len(places) % 2))

    def _result(self, op: Op, operands: Sequence[int | float]) -> float | None:
        """Return the value of a step, or None if it may not come here."""
        xs = [self.values[x] if isinstance(x, int) else x for x in operands]
        if op is table.where:
            return None if abs(xs[0]) < _MARGIN else xs[1] if xs[0] > 0 else xs[2]
        return _smooth(op, xs, self.bound)


class _ExactDrawing(_Drawing):
    """A program on whole numbers and their halves in which every number fits into a double.

    A place has a size s and a depth d. Its value is a sum of products of inputs and literals, a multiple of 2**-d;
    sizes add up and multiply as the numbers would if all signs were plus and each input and literal at least 2. So the
    value is a polynomial of degree log2(s) at most, every number on the way to its gradient is at most s log2(s), and
    to its Hessian s log2(s)**2: with the limits here less than 2**40 units of 2**-10.
    """

    SIZE, DEPTH = 2.0**30, 10

    def __init__(self, point: Sequence[float], bound: float) -> None:
        super().__init__(point, bound)
        for x in point:
            if x != math.floor(x) or abs(x) > 2**20:
                raise ValueError(f"programs: exact=True needs inputs that are small whole numbers, got {x!r}")
        self.sizes = [self._size(x) for x in point]

    @staticmethod
    def _size(x: float) -> tuple[float, int]:
        return max(2.0, abs(x)), int(x != math.floor(x))

    def _result(self, op: Op, operands: Sequence[int | float]) -> float | None:
        xs = [self.values[x] if isinstance(x, int) else x for x in operands]
        measured = [self.sizes[x] if isinstance(x, int) else self._size(x) for x in operands]
        sizes, depths = zip(*(measured * 2 if op is table.square else measured), strict=True)
        if _EXACT.get(op) == 2:
            size, depth = math.prod(sizes), int(math.fsum(depths))
        else:
            size, depth = math.fsum(sizes), max(depths)
        # All sizes together, since all results may end up in the final sum.
        if size + math.fsum(s for s, _ in self.sizes) > self.SIZE or depth > self.DEPTH:
            return None
        if op is table.where:
            if not xs[0]:
                return None
            xs[0] = float(xs[0] > 0)
        self.sizes.append((size, depth))
        return op.call(xs)


# Graphs. ------------------------------------------------------------------------------------------------------------


def graphs(
    ops: Iterable[Op | str] | None = None,
    inputs: int | tuple[int, int] | st.SearchStrategy[Sequence[float]] = (1, 4),
    nodes: int | tuple[int, int] = 12,
    **options: Any,
) -> st.SearchStrategy[Value]:
    """Draw graphs of Values: results of `programs`, with named leaves, shared nodes, constants and plain numbers.

    The first input is always a leaf; others may be constants. Inner nodes may have names, as the leaves have.

    Args:
        ops: as for `programs`.
        inputs: as for `programs`.
        nodes: as for `programs`.
        options: as for `programs`.

    Returns:
        A strategy for roots. A failing test also prints the program of its graph.
    """
    strategy = programs(ops, inputs, nodes, **options)

    @st.composite
    def graph(draw: st.DrawFn) -> Value:
        program = draw(strategy)
        n = len(program.inputs)
        fixed = [i for i in range(1, n) if draw(st.booleans())]
        made = program.trace((constant if i in fixed else Value)(x) for i, x in enumerate(program.inputs))
        for i, v in enumerate(made):
            if i < n or not draw(st.booleans()):
                v.name = f"x{i}"
        note(program)
        if fixed:
            note(f"constants: {', '.join(f'x{i}' for i in fixed)}")
        root: Value = made[-1]
        return root

    return graph()


# Nets. --------------------------------------------------------------------------------------------------------------

#: Weights, biases and data of nets, the simplest first.
_FEW_DIGITS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, *(k / 10 for k in range(-25, 26) if k % 5))
_WHOLE = (0.0, 1.0, -1.0, 2.0, -2.0)


@dataclass(frozen=True, repr=False, eq=False)
class NetCase:
    """A net with samples and targets, which prints as the Python that builds it; ``net, x, y = case`` takes it apart.

    Args:
        net: the net.
        x: samples [N, p], or None.
        y: targets [N, q], or None.
    """

    net: Net
    x: Any = None
    y: Any = None

    def __iter__(self) -> Iterator[Any]:
        return iter((self.net, self.x, self.y))

    def source(self) -> str:
        """Return it as Python that runs: the net is built, and its loss and gradient are printed."""
        net = self.net
        lines = ["from autograd import Net", "", "net = Net()"]
        for name, sigma, bias in zip(net.names, net.activations, net.biases.tolist(), strict=True):
            if sigma is None:
                lines.append(f"net.input({name!r})")
            else:  # a formula goes by the name that it has wherever it was written
                given = repr(sigma.name) if sigma.has_name else sigma.name
                lines.append(f"net.neuron({name!r}, {given}{f', bias={bias!r}' if bias else ''})")
        for s, t, w in zip(net.source, net.target, net.weights.tolist(), strict=True):
            lines.append(f"net.link({net.names[s]!r}, {net.names[t]!r}, {w!r})")
        lines += [f"net.output({', '.join(repr(net.names[i]) for i in net.outputs)})"] * bool(len(net.outputs))
        lines += ["", f"x = {self.x.tolist()!r}"] if self.x is not None else []
        lines += [f"y = {self.y.tolist()!r}", "print(net.loss_and_gradient(x, y))"] if self.y is not None else []
        return "\n".join(lines)

    __repr__ = __str__ = source

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(_set_apart(self.source(), printer))


def nets(
    activations: Iterable[Op | str] | None = None,
    inputs: int | tuple[int, int] = (0, 4),
    neurons: int | tuple[int, int] = 8,
    *,
    fan_in: int = 4,
    outputs: int = 3,
    exact: bool = False,
    kinked: bool = False,
) -> st.SearchStrategy[Net]:
    """Draw nets of any acyclic shape.

    Units and links are listed in any order. There are shared sources, parallel links, neurons without sources, neurons
    that reach no output, outputs that feed others and outputs that are inputs.

    Args:
        activations: one-argument rows, their names, or "linear"; default all smooth ones of the table that are defined
            everywhere and grow no faster than their argument, so that the net takes any data.
        inputs: how many inputs, or the least and the most.
        neurons: the most neurons, or the least and the most.
        fan_in: the most links into a neuron.
        outputs: the most outputs.
        exact: as for `cases`.
        kinked: also activations with kinks, such as relu.

    Returns:
        A strategy for nets. A failing test also prints the code that builds its net.
    """
    if activations is None and not exact:
        activations = [op for op in _rows(None, kinked) if op.arity == 1 and _is_tame(op)]
    strategy = cases(activations, inputs, neurons, fan_in=fan_in, outputs=outputs, exact=exact, kinked=kinked)

    @st.composite
    def net(draw: st.DrawFn) -> Net:
        case = NetCase(draw(strategy).net)
        note(case)
        return case.net

    return net()


def _is_tame(op: Op) -> bool:
    """Whether a row is defined everywhere and grows at most linearly."""
    return op.domain == (R,) and all(abs(op.call([x])) <= 2.0 + 2.0 * abs(x) for x in (0.0, 10.0, -10.0, 1e3, -1e3))


def cases(
    activations: Iterable[Op | str] | None = None,
    inputs: int | tuple[int, int] = (0, 4),
    neurons: int | tuple[int, int] = 8,
    *,
    samples: int = 4,
    fan_in: int = 4,
    outputs: int = 3,
    exact: bool = False,
    kinked: bool = False,
    bound: float = 20.0,
) -> st.SearchStrategy[NetCase]:
    """Draw nets as `nets` does, with samples and targets of few digits.

    They are drawn by value: at every sample each activation is smooth and in its domain, as in `programs`. A bias moves
    where that is needed; a neuron that no bias helps loses its links.

    Args:
        activations: one-argument rows, their names, or "linear"; default all smooth ones of the table.
        inputs: how many inputs, or the least and the most.
        neurons: the most neurons, or the least and the most.
        samples: the most samples.
        fan_in: the most links into a neuron.
        outputs: the most outputs.
        exact: only linear, relu and square units (`activations` may leave out some), off the kink of relu, and small
            whole numbers. The numbers of samples and outputs are 1, 2 or 4, so that means are exact too: loss and
            gradient under "mse" are the same in whatever order they are computed.
        kinked: also activations with kinks, such as relu, at points off these.
        bound: of the values and slopes of activations.

    Returns:
        A strategy for cases (net, x, y).

    Raises:
        KeyError: if no row has a name.
        ValueError: if a number is not one, or an activation takes several arguments or does not go with `exact`.
    """
    exact_rows = [table.identity, table.square, table.relu]
    rows = exact_rows if exact and activations is None else _rows(activations, kinked)
    for op in rows if activations is not None else []:
        if op.arity != 1 or (exact and op not in exact_rows):
            known = "linear, square and relu" if exact else "rows of one argument"
            raise ValueError(f"cases: {op.name} is no activation here; take {known}")
    # The simplest neuron first: a failure shrinks to it.
    rows = sorted((op for op in rows if op.arity == 1), key=lambda op: op is not table.identity)
    number = st.sampled_from(_WHOLE if exact else _FEW_DIGITS)
    # The numbers of an input or output at the samples; those that are not drawn are 0.
    column = st.lists(number, max_size=_span(samples, 1, "cases: samples")[1])
    place = st.integers(0, 7)
    fewest, largest = _span(inputs, 0, "cases: inputs")
    of_inputs = st.lists(st.tuples(place, column), min_size=fewest, max_size=largest)
    links = st.lists(st.tuples(st.integers(0, 63), number), max_size=_span(fan_in, 0, "cases: fan_in")[1])
    fewest, largest = _span(neurons, 1, "cases: neurons", at_most=True)
    neuron = st.tuples(st.integers(0, len(rows) - 1), number, place, links)
    of_neurons = st.lists(neuron, min_size=fewest, max_size=largest)
    of_outputs = st.lists(st.tuples(place, column), min_size=1, max_size=_span(outputs, 1, "cases: outputs")[1])
    sketching = _ExactSketch if exact else _Sketch

    @st.composite
    def case(draw: st.DrawFn) -> NetCase:
        import numpy as np

        # Sorted by their keys, the inputs stand as they are listed.
        listed, hidden, seen = sorted(draw(of_inputs), key=lambda drawn: drawn[0]), draw(of_neurons), draw(of_outputs)
        n = len(listed) + len(hidden)
        targets: dict[int, list[float]] = {}
        for back, drawn in seen:
            targets.setdefault(n - 1 - back % n, drawn)
        if exact:
            targets = dict(list(targets.items())[: _power_of_two(len(targets))])
        columns = [*(column for _, column in listed), *targets.values()]
        count = max(1, *map(len, columns))
        count = _power_of_two(count) if exact else count
        filled = [[*column[:count], *[0.0] * (count - len(column))] for column in columns]
        x, y = filled[: len(listed)], filled[len(listed) :]
        sketch = sketching([key for key, _ in listed], x, count, bound)
        for raw in hidden:
            sketch.neuron(rows, *raw)
        return NetCase(sketch.net(targets), np.array(x).reshape(-1, count).T, np.array(y).T)

    return case()


def _power_of_two(n: int) -> int:
    """Return the largest power of two that is not above n."""
    return 1 << (n.bit_length() - 1)


class _Sketch:
    """A net while it is drawn, with the outputs of its units at every sample.

    Args:
        keys: of the inputs: units and links are listed by their keys, and as they were drawn where these are equal.
        x: the inputs [p, N] at the samples.
        samples: N.
        bound: of values and slopes.
    """

    #: How a bias is moved until an activation fits: as little as possible.
    MOVES = (0.0, *(sign * 2.0**k for k in range(-2, 6) for sign in (1, -1)))

    def __init__(self, keys: Sequence[int], x: list[list[float]], samples: int, bound: float) -> None:
        self.bound = bound
        self.samples = range(samples)
        self.p = len(x)
        self.phi = x[:]
        self.names = [f"x{i}" for i in range(1, len(x) + 1)]
        self.listing: list[tuple[int, str, tuple[Any, ...]]] = [
            (key, "input", (name,)) for key, name in zip(keys, self.names, strict=True)
        ]

    def neuron(self, rows: Sequence[Op], first: int, bias: float, key: int, raw: Sequence[tuple[int, float]]) -> None:
        """Add a neuron with the first activation that fits at some bias; if none does, with fewer links."""
        n = len(self.names)
        links = [(n - 1 - code % 8 % n, weight, code // 8) for code, weight in raw] if n else []
        while not self._fitted(rows, first, bias, key, links):
            if not links:
                names = ", ".join(op.name for op in rows)
                raise ValueError(f"cases: at no bias near {bias} does {names} stay within the bound {self.bound}")
            links.pop()

    def _fitted(
        self, rows: Sequence[Op], first: int, bias: float, key: int, links: Sequence[tuple[int, float, int]]
    ) -> bool:
        sums = [math.fsum(w * self.phi[s][i] for s, w, _ in links) for i in self.samples]
        for k, move in itertools.product(_turns(len(rows), first), self.MOVES):
            op, b = rows[k], round(bias + move, 3)
            phi = self._outputs(op, b, links, [b + a for a in sums])
            if phi is not None:
                name = f"h{len(self.names) - self.p + 1}"
                self.listing.append((key, "neuron", (name, "linear" if op is table.identity else op.name, (), b)))
                self.listing += [(place, "link", (self.names[s], name, w)) for s, w, place in links]
                self.names.append(name)
                self.phi.append(phi)
                return True
        return False

    def _outputs(
        self, op: Op, bias: float, links: Sequence[tuple[int, float, int]], a: Sequence[float]
    ) -> list[float] | None:
        """Return the outputs at every sample, or None if the activation does not fit one of them."""
        phi: list[float] = []
        for x in a:
            y = _smooth(op, [x], self.bound)
            if y is None:
                return None
            phi.append(y)
        return phi

    def net(self, outputs: Iterable[int]) -> Net:
        """Return the net."""
        from autograd.net import Net

        net = Net()
        for _, kind, arguments in sorted(self.listing, key=lambda entry: entry[0]):
            getattr(net, kind)(*arguments)
        net.output(*(self.names[i] for i in outputs))
        return net


class _ExactSketch(_Sketch):
    """A net on whole numbers; sizes are those of `_ExactDrawing`, weights and biases being inputs too."""

    SIZE = 2.0**16
    MOVES = (0.0, 1.0, -1.0, 2.0, -2.0)

    def __init__(self, keys: Sequence[int], x: list[list[float]], samples: int, bound: float) -> None:
        super().__init__(keys, x, samples, bound)
        self.sizes = [2.0] * len(keys)

    def _outputs(
        self, op: Op, bias: float, links: Sequence[tuple[int, float, int]], a: Sequence[float]
    ) -> list[float] | None:
        size = max(2.0, abs(bias)) + math.fsum(max(2.0, abs(w)) * self.sizes[s] for s, w, _ in links)
        size = size * size if op is table.square else size
        if size > self.SIZE or (op.kinks is not None and any(map(op.kinks, a))):
            return None
        self.sizes.append(size)
        return [op.call([x]) for x in a]
