"""`objective`: a function of parameters and a row, added up or averaged over the rows of a table, with its gradient.

The rows are the batch, the parameters are shared by it, and the gradient is added up as it is computed: that of a row
is never stored. What depends on the parameters alone is computed once a call: before the rows, as far as rows need it;
after them, from the added adjoints of what the rows needed on to the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import machine, ops, workers
from autograd.codegen import Kernel
from autograd.compiler import (
    MOST_VARIANTS,
    Kind,
    Mode,
    Variant,
    as_numbers,
    check_mode,
    known_or_new,
    record_at,
    reference,
    required,
    watch,
    watched_leaves,
)
from autograd.lower import halved_sum, lowered, program_of
from autograd.record import Symbol, both, gradient, long_lists, order, tangent
from autograd.tape import TapeKernel
from autograd.value import watching

Floats = NDArray[Any]


class _Code(NamedTuple):
    """The pieces of a kind of call; a tape has the first and the last in itself."""

    before: Kernel | None  # from the parameters: what the rows need, and whether the guards on the parameters hold
    rows: Kernel  # from rows and what they need: the sums of the value, and of the adjoints of what they need
    after: Kernel | None  # from parameters, sums (lane by lane) and what they are multiplied by: value and gradient
    unsure: bool  # whether there are guards on the parameters
    guarded: bool  # whether rows have guards

    def needed(self, inputs: Floats) -> tuple[Floats, bool]:
        """Return what the rows need, and whether the guards on the parameters hold."""
        if self.before is None:
            return inputs, True
        needed = np.empty(self.before.program.groups_out[0])
        if not self.unsure:
            self.before([inputs], [needed], stop=1)
            return needed, True
        held = np.empty(1)
        self.before([inputs], [needed, held], stop=1)
        return needed, bool(held[0])

    def total(self, inputs: Floats, sums: Floats, share: float, count: int) -> tuple[float, Floats]:
        """Return the value and its gradient by so many parameters, from sums [summed, lanes]."""
        if self.after is None:
            added = sums.sum(axis=1) * share
            return float(added[0]), added[1:]
        found = np.empty(1 + count)
        self.after([inputs, sums.reshape(-1), np.array((share,))], [found], stop=1)
        return float(found[0]), found[1:]


class _RowVariant(Variant):
    """A recording of a function of parameters and a row.

    Args:
        parameters: how many of the inputs, the first ones, are parameters.
        widths: how many numbers a row takes of every array; -1 for one that is a single number.
    """

    def __init__(self, variant: Variant, parameters: int, widths: tuple[int, ...]) -> None:
        super().__init__(variant.recording, variant.inputs, variant.results, variant.single)
        self.parameters, self.widths = parameters, widths
        self._code: dict[Any, _Code] = {}

    def code(self, kind: Kind, dtype: Any, mode: Mode, free: bool = False) -> _Code:
        """Return native code for "value", "gradient" (and value) or "hvp"; free leaves the guards out."""
        key = kind, dtype, free
        if key not in self._code:
            with long_lists():
                self._code[key] = self._write(kind, dtype, mode, free)
        return self._code[key]

    def _write(self, kind: Kind, dtype: Any, mode: Mode, free: bool) -> _Code:
        shared, rows = list(self.inputs[: self.parameters]), self.inputs[self.parameters :]
        y, by = self.results[0], list(shared)
        if kind == "hvp":
            directions = [self.recording.input(0.0) for _ in shared]
            y = tangent(y, shared, directions)
            shared += directions
        groups = tuple([abs(w) for w in self.widths])
        if self.on_tape(mode):
            every = 1.0 if free else self.held()
            ends = None if kind == "value" else (len(rows), len(rows) + len(by))
            tape = TapeKernel([*rows, *shared], [y], ends, (1,), every, groups, len(shared), summed=True, dtype=dtype)
            return _Code(None, tape, None, False, isinstance(every, Symbol))
        guards = [] if free else self.recording.guards.items()
        conditions = [condition if taken else ~condition for condition, taken in guards]
        varying = _varying(rows, [y, *conditions])

        # What the rows need: made of the parameters alone, used by what is not.
        needed = _edge(varying, [y, *(x for x in conditions if x in varying)])
        slopes = [] if kind == "value" else gradient(y, needed)
        reached = [(x, a) for x, a in zip(needed, slopes, strict=bool(slopes)) if type(a.absent) is not float]
        return self._pieces(kind, dtype, groups, shared, rows, by, y, conditions, varying, reached)

    def _pieces(
        self, kind: Kind, dtype: Any, groups: tuple[int, ...], shared: list[Symbol], rows: list[Symbol],
        by: list[Symbol], y: Any, conditions: list[Any], varying: set[Symbol], reached: list[Any],
    ) -> _Code:  # fmt: skip
        # An adjoint that may be absent is counted, so that it is no zero where it was absent in every row.
        counted = [a.absent for _, a in reached if a.absent is not None]
        sums = [y, *(a.value for _, a in reached), *(ops.where(absent, 0.0, 1.0) for absent in counted)]
        held: Any = 1.0
        always: Any = 1.0
        for condition in conditions:
            if condition in varying:
                held = both(held, condition)
            else:
                always = both(always, condition)
        guarded = isinstance(held, Symbol)
        results = [*sums, held] if guarded else sums
        low = lowered(results, known={x: x for x in (*rows, *shared)})
        low_varying = _varying(rows, low)
        edge = _edge(low_varying, low)
        body = program_of(
            [*rows, *edge], low, shared=len(edge), summed=len(sums), groups_in=groups,
            groups_out=(1,) if guarded else (),
        )  # fmt: skip
        kernel = Kernel(body, 0, dtype)
        before = program_of(shared, [*edge, always] if isinstance(always, Symbol) else edge,
                            groups_out=(len(edge), 1) if isinstance(always, Symbol) else (len(edge),))  # fmt: skip
        lanes = [[self.recording.input(0.0) for _ in range(kernel.lanes)] for _ in sums]
        share = self.recording.input(1.0)
        value, *seeds = [halved_sum(parts) for parts in lanes]
        total: Any = 0.0
        counts = iter(seeds[len(reached) :])
        for seed, (x, a) in zip(seeds, reached, strict=False):
            term = seed * share * x
            total = total + (term if a.absent is None else ops.where(next(counts) == 0.0, 0.0, term))
        slopes = [] if kind == "value" else [g.value for g in gradient(total, by)]
        ends = program_of([*shared, *(x for parts in lanes for x in parts), share], [value * share, *slopes],
                          groups_in=(len(shared), len(sums) * kernel.lanes, 1))  # fmt: skip
        return _Code(Kernel(before, 1), kernel, Kernel(ends, 1), isinstance(always, Symbol), guarded)


def _varying(rows: Sequence[Symbol], results: Sequence[Any]) -> set[Symbol]:
    """Return the symbols that depend on rows."""
    varying = set(rows)
    for v in order(results):
        if any(x in varying for x in v.operands if type(x) is Symbol):
            varying.add(v)
    return varying


def _edge(varying: set[Symbol], results: Sequence[Any]) -> list[Symbol]:
    """Return the symbols that do not vary and are used by such that do, or are results."""
    edge: dict[Symbol, None] = {x: None for x in results if isinstance(x, Symbol) and x not in varying}
    for v in order(results):
        if v in varying:
            edge |= {x: None for x in v.operands if type(x) is Symbol and x not in varying}
    return list(edge)


class CompiledObjective:
    """A function of parameters and a row, added up or averaged over rows; made by `objective`."""

    def __init__(self, f: Callable[..., Any] | None, mean: bool, mode: Mode, threads: int | None) -> None:
        self._f, self._mean, self._mode, self._threads = f, mean, mode, threads
        self._variants: list[_RowVariant] = []
        self._name = str(getattr(f, "__name__", f))
        self._names = required(f) if f is not None else []
        if f is not None:
            update_wrapper(self, f)

    def __call__(self, w: ArrayLike, *rows: ArrayLike) -> tuple[float, NDArray[np.float64]]:
        """Return the value and its gradient by the parameters.

        Args:
            w: the parameters [n].
            rows: as many arrays as the function takes after the parameters: [N, k], or [N] for one number a row. They
                may also come as one tuple, as `scipy.optimize.minimize(objective, w, args=((X, y),), jac=True)` gives
                them. If all are float32, rows are computed in float32.

        Returns:
            The sum or mean over the rows, and its gradient [n].

        Raises:
            ValueError: for arrays that do not go together, or the mean of no rows.
        """
        value, gradient = self._total("gradient", w, rows)
        return value, gradient

    def value(self, w: ArrayLike, *rows: ArrayLike) -> float:
        """Return the value alone."""
        return float(self._total("value", w, rows)[0])

    def hvp(self, w: ArrayLike, v: ArrayLike, *rows: ArrayLike) -> NDArray[np.float64]:
        """Return the Hessian times the vector v [n]."""
        product: NDArray[np.float64] = self._total("hvp", w, rows, v)[1]
        return product

    def hessian(self, w: ArrayLike, *rows: ArrayLike) -> NDArray[np.float64]:
        """Return the Hessian [n, n], by a pass over the rows for every parameter."""
        unit = np.eye(np.size(w))
        return np.array([self.hvp(w, v, *rows) for v in unit])

    @property
    def variants(self) -> int:
        """How many recordings there are; see `jit`."""
        return len(self._variants)

    def __repr__(self) -> str:
        kind = "mean" if self._mean else "sum"
        return f"<{kind} of {self._name} over rows, {self.variants} variant{'s' * (self.variants != 1)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        f = reference(self._f, f"objective: {self._name}", self._variants)
        plain = [(v.plain(), v.parameters, v.widths) for v in self._variants]
        return _restored, (f, self._mean, self._mode, self._threads, self._name, self._names, plain)

    def _total(self, kind: Kind, w: Any, rows: Sequence[Any], v: Any = None) -> tuple[float, Any]:
        w, arrays, widths = self._arguments(w, rows)
        if v is not None:
            v = np.ascontiguousarray(v, np.float64)
            if v.shape != w.shape:
                raise ValueError(f"objective: the vector goes with parameters of shape {w.shape}, got shape {v.shape}")
        if watching():
            self._watch(kind, w, arrays, widths)
        share = 1.0 / max(len(arrays[0]), 1) if self._mean else 1.0
        inputs = w if v is None else np.concatenate([w, v])
        value, slopes = 0.0, np.zeros(0 if kind == "value" else len(w))

        def add(code: _Code, needed: Floats, arrays: list[Floats], outputs: list[Floats]) -> None:
            nonlocal value, slopes
            shared = needed.astype(arrays[0].dtype, copy=False)
            sums = workers.run_sums(code.rows, arrays, outputs, shared, self._threads)
            if outputs and not outputs[0].any():
                return  # none of the rows belongs here
            part, by = code.total(inputs, sums, share, len(slopes))
            value, slopes = value + part, slopes + by

        tried = 0
        while len(arrays[0]):
            variant, sure = self._variant(tried, w, arrays, widths)
            tried += 1
            with machine.locked():
                code = variant.code(kind, arrays[0].dtype, self._mode)
            needed, always = code.needed(inputs)
            if not (always or sure):
                continue
            if not code.guarded:
                add(code, needed, arrays, [])
                break
            held = np.empty((len(arrays[0]), 1), arrays[0].dtype)
            add(code, needed, arrays, [held])
            good = held[:, 0] != 0.0
            if sure and not good[0]:
                # The recording is of this row, whatever the last digits say.
                with machine.locked():
                    free = variant.code(kind, arrays[0].dtype, self._mode, free=True)
                add(free, free.needed(inputs)[0], [a[:1] for a in arrays], [])
                good[0] = True
            arrays = [a[~good] for a in arrays]
        return value, slopes

    def _arguments(self, w: Any, rows: Sequence[Any]) -> tuple[Floats, list[Floats], tuple[int, ...]]:
        """Return parameters [n], arrays [N, k] of rows, and how many numbers a row takes of each, or -1."""
        if len(rows) == 1 and isinstance(rows[0], tuple):
            rows = rows[0]
        wanted = len(self._names) - 1
        if len(rows) != wanted:
            raise TypeError(f"objective: {self._name} takes parameters and {wanted} arrays of rows, got {len(rows)}")
        w = np.ascontiguousarray(as_numbers([w], self._name)[0], np.float64)
        if w.ndim != 1:
            raise ValueError(f"objective: the parameters of {self._name} are one array [n], got shape {w.shape}")
        arrays = as_numbers(rows, self._name)
        samples = {len(a) if 1 <= a.ndim <= 2 else -1 for a in arrays}
        if len(samples) != 1 or -1 in samples:
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise ValueError(
                f"objective: rows are arrays [N, k], or [N] for one number a row, all of one N; got shapes {shapes}"
            )
        if self._mean and not len(arrays[0]):
            raise ValueError(f"objective: the mean of {self._name} over no rows is no number; give rows")
        widths = tuple([a.shape[1] if a.ndim == 2 else -1 for a in arrays])
        return w, [a if a.ndim == 2 else a.reshape(-1, 1) for a in arrays], widths

    def _variant(
        self, tried: int, w: Floats, arrays: list[Floats], widths: tuple[int, ...]
    ) -> tuple[_RowVariant, bool]:
        """Return the next variant to try, and whether it is known to be that of the first row."""
        with machine.locked():
            known = [v for v in self._variants if v.parameters == len(w) and v.widths == widths]
            if tried < len(known):
                return known[tried], False
            if len(known) >= MOST_VARIANTS:
                raise RuntimeError(
                    f"objective: {self._name} branches in more than {MOST_VARIANTS} ways on these data; write choices "
                    "as autograd.where"
                )
            if self._f is None:
                raise RuntimeError(
                    f"objective: {self._name} came from a pickle without its Python, and some row branches as none of "
                    f"its {self.variants} recordings does; define it at the top of a module"
                )
            variant = self._record(w, arrays, widths)
            return known_or_new(variant, known, self._variants), True

    def _record(self, w: Floats, arrays: list[Floats], widths: tuple[int, ...]) -> _RowVariant:
        assert self._f is not None
        variant = record_at(self._f, [w.tolist(), *_as_rows([a[0].tolist() for a in arrays], widths)], self._name)
        if not variant.single:
            raise TypeError(f"objective: {self._name} must return one number, got {variant.results!r}")
        return _RowVariant(variant, len(w), widths)

    def _watch(self, kind: Kind, w: Floats, arrays: list[Floats], widths: tuple[int, ...]) -> None:
        if self._f is None:
            raise RuntimeError(f"objective: {self._name} came from a pickle without its Python, and cannot be watched")
        f = self._f
        for r in range(len(arrays[0])):
            leaves = watched_leaves([f"{self._names[0]}[{k}]" for k in range(len(w))], [w.reshape(1, -1)], 0)
            row = _as_rows([a[r].tolist() for a in arrays], widths)
            wanted = leaves if kind != "value" else []
            watch(partial(_with_row, f, row), leaves, wanted, f"{self._name}, row {r}")


def _with_row(f: Callable[..., Any], row: list[Any], w: Any) -> Any:
    return f(w, *row)


def _as_rows(parts: Sequence[list[Any]], widths: tuple[int, ...]) -> list[Any]:
    return [part if width >= 0 else part[0] for part, width in zip(parts, widths, strict=True)]


def _restored(
    f: Any, mean: bool, mode: Mode, threads: int | None, name: str, names: list[str], plain: list[Any]
) -> CompiledObjective:
    restored = CompiledObjective(f, mean, mode, threads)
    restored._name, restored._names = name, names
    restored._variants = [_RowVariant(Variant.from_plain(p), n, widths) for p, n, widths in plain]
    return restored


def objective(
    f: Callable[..., Any], *, mean: bool = True, mode: Mode = "auto", threads: int | None = None
) -> CompiledObjective:
    """Compile a function of parameters and a row to its mean or sum over the rows of a table, and that one's gradient.

    Args:
        f: a function of the list of parameters, and of one row of each table: a list of k numbers for an array [N, k],
            one number for an array [N]. It is written in operators and autograd's operations, and returns a number.
        mean: whether to average over the rows, or add up.
        mode: as for `jit`.
        threads: the most to use; default as many as there are processors. The sums do not depend on it.

    Returns:
        A function ``(w, *rows) -> (value, gradient)``, the shape that optimisers take, `scipy.optimize.minimize` with
        ``jac=True`` among them. Part of the rows is a mini-batch: pass ``X[chosen], y[chosen]``.

    >>> loss = objective(lambda w, x, y: (w[0] * x[0] + w[1] - y) ** 2)
    >>> loss([1.0, 0.0], [[1.0], [2.0]], [2.0, 4.0])
    (2.5, array([-5., -3.]))
    """
    if not callable(f):
        raise TypeError(f"objective takes a function of parameters and a row, got {f!r}")
    if len(required(f)) < 2:
        name = getattr(f, "__name__", f)
        raise TypeError(f"objective: {name} must take the parameters and then a row, got {signature(f)}")
    check_mode(mode, "objective")
    workers.check(threads)
    return CompiledObjective(f, mean, mode, threads)
