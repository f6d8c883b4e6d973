"""`jit` and `objective`: functions and their derivatives as native code over batches of samples.

A function is recorded once and its derivatives are written out (`record`), lowered to steps with native code (`lower`)
and compiled for whole vectors of samples (`codegen`). Each sample is checked against the guards of the recording; those
that would have branched elsewhere run on another recording, a *variant*, made at the first of them and kept. A loop
whose length depends on the data is right thereby.
"""

from __future__ import annotations

import itertools
import math
import numbers
import pickle
from collections.abc import Callable, Sequence
from functools import cached_property, update_wrapper
from inspect import signature
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd import calculus, invoke, machine, ops, workers
from autograd.codegen import BINARY, COMPARISONS, LOGIC, VECTORS, Kernel, Program, Step
from autograd.csource import FUNCTIONS, c_source
from autograd.lower import program_of
from autograd.record import CONDITIONS, Recording, Symbol, both, gradient, is_condition, long_lists, order, tangent
from autograd.tape import TapeKernel, prefers_tape
from autograd.value import AnomalyError, Value, detect_anomaly, watching

Floats = NDArray[Any]

#: How many recordings of one function are kept before it is refused: each costs a compilation.
MOST_VARIANTS = 256

#: Operations under all results together up to which a Jacobian, or under all slopes a Hessian, is written out.
MOST_TOGETHER = 30_000

#: Numbers of workspace up to which a call at one point takes the short way.
MOST_ON_STACK = 16_384

_DOUBLE = np.dtype(np.float64)

#: What is computed: a gradient comes with the value, and so does a jvp.
KINDS = ("value", "gradient", "jacobian", "hessian", "hvp", "jvp")
Kind = str
Mode = Literal["auto", "line", "tape"]


class Variant:
    """One recording of a function, and the native code that was made from it.

    Args:
        recording: what was recorded.
        inputs: its inputs.
        results: symbols and floats.
        single: whether the function gave one number, and no list.
    """

    def __init__(self, recording: Recording, inputs: Sequence[Symbol], results: list[Any], single: bool) -> None:
        self.recording, self.inputs, self.results, self.single = recording, list(inputs), results, single
        recording.done = True
        self._large: dict[Kind, bool] = {}
        self._wanted: dict[Kind, tuple[list[Symbol], list[list[Any]]]] = {}
        self._kernels: dict[Any, Kernel] = {}

    @property
    def guarded(self) -> bool:
        """Whether some sample might not belong here."""
        return bool(self.recording.guards)

    def held(self) -> Any:
        """Return the condition that a sample belongs here."""
        held: Any = 1.0
        for condition, taken in self.recording.guards.items():
            held = both(held, condition if taken else ~condition)
        return held

    def wanted(self, kind: Kind) -> tuple[list[Symbol], list[list[Any]]]:
        """Return the further inputs of a kind of call, and its results by the arrays that they go to."""
        if kind not in self._wanted:
            with long_lists():
                self._wanted[kind] = self._write_out(kind)
        return self._wanted[kind]

    def _write_out(self, kind: Kind) -> tuple[list[Symbol], list[list[Any]]]:
        if kind == "value":
            return [], [self.results]
        if kind in ("hvp", "jvp"):
            directions, slopes = self._along
            if kind == "jvp":
                return directions, [self.results, slopes]
            return directions, [[g.value for g in gradient(slopes[0], self.inputs)]]
        rows = [g.value for y in self.results for g in gradient(y, self.inputs)]
        if kind == "hessian":
            return [], [[h.value for g in rows for h in gradient(g, self.inputs)]]
        return [], [rows] if kind == "jacobian" else [self.results, rows]

    @cached_property
    def _along(self) -> tuple[list[Symbol], list[Any]]:
        """The inputs of a direction, and the derivatives of the results along it."""
        directions = [self.recording.input(0.0) for _ in self.inputs]
        return directions, [tangent(y, self.inputs, directions) for y in self.results]

    def program(self, kind: Kind, groups: tuple[int, ...] = (), native: frozenset[str] = VECTORS) -> Program:
        """Return the program of a kind of call; if the variant is guarded, last whether the guards hold."""
        more, wanted = self.wanted(kind)
        if self.guarded:
            wanted = [*wanted, [self.held()]]
        sizes = tuple(len(group) for group in wanted)
        inputs = [*self.inputs, *more]
        with long_lists():
            results = [x for group in wanted for x in group]
            return program_of(inputs, results, native, groups_in=groups or (-1,), groups_out=sizes)

    def kernel(self, kind: Kind, groups: tuple[int, ...], lanes: int, dtype: Any, mode: Mode) -> Kernel:
        """Return native code for a kind of call; groups are how many inputs come from each array."""
        key = kind, groups, lanes, dtype, mode
        if key not in self._kernels:
            self._kernels[key] = self._compile(kind, groups, lanes, dtype, mode)
        return self._kernels[key]

    def _compile(self, kind: Kind, groups: tuple[int, ...], lanes: int, dtype: Any, mode: Mode) -> Kernel:
        if not self.on_tape(mode, kind):
            return Kernel(self.program(kind, groups), lanes, dtype)
        by = None if kind in ("value", "jvp") else (0, len(self.inputs))
        m = len(self.results)
        values = {"value": (m,), "gradient": (m,), "jvp": (m, m)}.get(kind, ())
        with long_lists():
            results, more = self.results, list[Symbol]()
            if kind in ("hvp", "jvp"):
                more, slopes = self._along
                results = slopes if kind == "hvp" else [*results, *slopes]
            return TapeKernel(
                [*self.inputs, *more], results, by, values, self.held(), groups or (-1,), lanes=lanes, dtype=dtype
            )  # fmt: skip

    def on_tape(self, mode: Mode, kind: Kind = "gradient") -> bool:
        """Whether the recording is too large to be written out, with this kind of derivatives, as one line of code."""
        if mode != "auto":
            return mode == "tape"
        kind = kind if kind == "jacobian" else "gradient"
        if kind not in self._large:
            with machine.locked():
                large = prefers_tape(self.inputs, self.results)
                self._large[kind] = large or (kind == "jacobian" and _too_many(self.results))
        return self._large[kind]

    def by_products(self, mode: Mode) -> bool:
        """Whether a Hessian is too large to be written out, and is made of products with unit vectors."""
        if mode != "auto" or self.on_tape(mode):
            return self.on_tape(mode)
        if "hessian" not in self._large:
            with machine.locked():
                self._large["hessian"] = _too_many(self.wanted("jacobian")[1][0])
        return self._large["hessian"]

    @property
    def path(self) -> Any:
        """What tells recordings apart: two of one path are one."""
        return self.program("value")

    # As plain data, for pickles.

    def plain(self) -> tuple[Any, ...]:
        """Return the recording as names of operations and places of operands."""
        nodes = order([*self.results, *self.recording.guards])
        place: dict[Any, int] = {x: i for i, x in enumerate(self.inputs)}
        steps = []
        for v in nodes:
            if v.op is not None:
                name = f"?{v.op.name}" if is_condition(v) else v.op.name
                steps.append((name, tuple([place[x] if type(x) is Symbol else x for x in v.operands])))
                place[v] = len(place)
        results = [place[x] if isinstance(x, Symbol) else x for x in self.results]
        guards = [(place[x], taken) for x, taken in self.recording.guards.items()]
        return [x.here for x in self.inputs], steps, results, guards, self.single

    @classmethod
    def from_plain(cls, plain: tuple[Any, ...]) -> Variant:
        """Return the recording that `plain` wrote."""
        here, steps, results, guards, single = plain
        recording = Recording()
        inputs = [recording.input(x) for x in here]
        values: list[Any] = list(inputs)
        with long_lists():
            for name, operands in steps:
                op = CONDITIONS[name[1:]] if name.startswith("?") else ops.lookup(name)
                values.append(recording.make(op, [values[x] if type(x) is int else x for x in operands]))
        recording.guards = {values[x]: taken for x, taken in guards}
        return cls(recording, inputs, [values[x] if type(x) is int else x for x in results], single)


def _too_many(results: Sequence[Any]) -> bool:
    """Whether the derivatives of all results together are too many operations to be written out."""
    count = 0
    for y in results:
        count += len(order([y]))
        if count > MOST_TOGETHER:
            return True
    return False


def record_at(f: Callable[..., Any], parts: Sequence[float | Sequence[float]], name: str) -> Variant:
    """Record a function at a point.

    Args:
        f: the function.
        parts: for every parameter a number, or a list of numbers.
        name: of the function, for errors.
    """
    recording = Recording()
    with long_lists():
        symbols = [[recording.input(x) for x in (part if isinstance(part, Sequence) else (part,))] for part in parts]
        # The lists are the function's own: it may change them.
        y = f(*[list(s) if isinstance(part, Sequence) else s[0] for s, part in zip(symbols, parts, strict=True)])
    single, results = results_of(name, y)
    return Variant(recording, [x for part in symbols for x in part], results, single)


def known_or_new(variant: Any, known: Sequence[Any], variants: list[Any]) -> Any:
    """Return the one of known that took the same path, or add a variant to all variants."""
    for other in known:  # a comparison that is decided by the last digits leads here again and again
        if other.guarded and other.path == variant.path:
            return other
    variants.append(variant)
    return variant


def results_of(name: str, y: Any) -> tuple[bool, list[Any]]:
    """Return whether a function gave one number, and its numbers."""
    if y is None:
        raise TypeError(f"jit: {name} returned None; does it lack a return?")
    several = isinstance(y, list | tuple) or (hasattr(y, "ndim") and y.ndim > 0)
    found = [*(y.ravel().tolist() if hasattr(y, "ravel") else y)] if several else [y]
    for k, x in enumerate(found):
        if is_condition(x):
            found[k] = ops.where(x, 1.0, 0.0)
        elif not isinstance(x, Symbol | float | int | np.floating | np.integer | np.bool_):
            raise TypeError(f"jit: {name} must return a number or a flat list of them, got {x!r}")
    return not several, [x if isinstance(x, Symbol) else float(x) for x in found]


class Compiled:
    """A function that `jit` compiles, variant by variant, as calls need them."""

    def __init__(self, f: Callable[..., Any] | None, scalars: bool, mode: Mode, threads: int | None) -> None:
        self._f, self._scalars, self._mode, self._threads = f, scalars, mode, threads
        self._takes_numbers = scalars  # as declared; the first call may show it too
        self._variants: list[Variant] = []  # for any number of inputs, in the order of their making
        self._points: dict[tuple[Kind, int], Kernel | None] = {}  # for one point, where the short way is open
        self._name = str(getattr(f, "__name__", f))
        self._parameters = required(f) if f is not None else []
        if f is not None:
            update_wrapper(self, f)

    def __call__(self, *args: ArrayLike, out: Any = None) -> Any:
        """Return f at one point, or at every row of a batch.

        Args:
            args: an array [n], or a batch [N, n]; numbers, or arrays [N], if f takes several parameters. Arrays of
                float32 are computed in float32, all else in float64.
            out: an array [N], or [N, m] if f gives m numbers, to write to.
        """
        if out is None:
            found = self._at_point("value", args)
            if found is not None:
                return found[0]
        return self._call("value", args, None if out is None else (out,))[0]

    def value_and_grad(self, *args: ArrayLike, out: Any = None) -> tuple[Any, Any]:
        """Return f and its gradient, at one point or at every row of a batch.

        Args:
            args: as for a call.
            out: two arrays to write to, [N] and [N, n].

        Returns:
            The value and the gradient [n], or [N] and [N, n]. If f takes several parameters, the gradient is a tuple
            with an entry for each.

        Raises:
            TypeError: if f gives more than one number; `jacobian` is for several.
        """
        if out is None:
            found = self._at_point("gradient", args)
            if found is not None:
                return (found[0], tuple(found[1].tolist())) if self._scalars else found
        value, slopes = self._call("gradient", args, out)
        if self._scalars and out is None:
            return value, tuple(slopes.T) if slopes.ndim > 1 else tuple(slopes.tolist())
        return value, slopes

    def jacobian(self, *args: ArrayLike, out: Any = None) -> Any:
        """Return the derivatives of every result by every number: [m, n], or [N, m, n] for a batch."""
        return self._call("jacobian", args, None if out is None else (out,))[0]

    def hessian(self, *args: ArrayLike, out: Any = None) -> Any:
        """Return the second derivatives of the one result: [n, n], or [N, n, n] for a batch.

        That of a large function is made of n products with unit vectors, so that beside an infinite entry the others
        of its row are nan.
        """
        return self._call("hessian", args, None if out is None else (out,))[0]

    def hvp(self, *args: ArrayLike, out: Any = None) -> Any:
        """Return the Hessian times a vector, without the Hessian: [n], or [N, n] for a batch.

        Args:
            args: the arguments, and then likewise the vector: ``f.hvp(x, v)``, ``f.hvp(a, b, va, vb)``.
            out: an array to write to.
        """
        return self._call("hvp", args, None if out is None else (out,))[0]

    def jvp(self, *args: ArrayLike, out: Any = None) -> tuple[Any, Any]:
        """Return f, and its derivative along a direction.

        Args:
            args: the arguments, and then likewise the direction: ``f.jvp(x, v)``, ``f.jvp(a, b, va, vb)``.
            out: two arrays to write to.
        """
        value, slope = self._call("jvp", args, out)
        return value, slope

    # What was compiled.

    def prepare(self, *args: ArrayLike, kind: Kind = "gradient") -> Compiled:
        """Record at the first sample and compile, without running; a call does so by itself when it needs to.

        Args:
            args: arguments like those that will come.
            kind: as for `listing`.
        """
        arrays, _ = self._arrays(kind, args)
        width = len(self._parameters) if self._scalars else arrays[0].shape[1]
        variant = self._first(arrays, width)
        _check_single(variant, kind, self._name)
        groups = tuple([a.shape[1] for a in arrays])
        self._kernel(variant, kind, groups, 1 if len(arrays[0]) == 1 else 0, arrays[0].dtype)
        return self

    def listing(self, kind: Kind = "gradient", variant: int = 0) -> str:
        """Return what is compiled, one operation a line.

        Args:
            kind: "value", "gradient", "jacobian", "hessian", "hvp" or "jvp".
            variant: which recording, counted from 0.

        >>> f = jit(lambda x: x[0] * ops.exp(x[1]))
        >>> _ = f([1.0, 2.0])
        >>> print(f.listing())
        v0 = exp(x[1])
        v1 = x[0] * v0
        return v1, v0, v1
        """
        found = self._recorded(variant, kind)
        with machine.locked():
            program = found.program(kind)
        return _listing(program, self._names(found, kind), found.guarded)

    def c_source(self, name: str = "f", variant: int = 0, kind: Kind = "gradient", scalar: str = "double") -> str:
        """Return a program as standalone C99, ``void name(const double *x, double *y)`` for one sample.

        y receives the results, their derivatives, and last, if there is more than one variant to expect, 1 where the
        guards of this one hold, else 0.

        Args:
            name: of the C function.
            variant: which recording, counted from 0.
            kind: as for `listing`.
            scalar: "double" or "float".
        """
        if not name.isidentifier():
            raise ValueError(f"c_source: the name of a function in C is an identifier, got {name!r}")
        found = self._recorded(variant, kind)
        about = f"{self._name}: {kind}{', and whether the guards hold' * found.guarded}, of variant {variant}"
        with machine.locked():
            program = found.program(kind, native=frozenset(FUNCTIONS))
        return c_source(program, name, about.replace("*/", "* /"), scalar)

    def llvm(self, kind: Kind = "gradient", variant: int = 0, lanes: int = 0) -> str:
        """Return a program in LLVM's language, as it is compiled.

        Args:
            kind: as for `listing`.
            variant: which recording, counted from 0.
            lanes: samples at a time; default what a vector of the host holds.
        """
        found = self._recorded(variant, kind)
        return self._kernel(found, kind, (), lanes, np.float64).text()

    def workspace(self, kind: Kind = "gradient", variant: int = 0, lanes: int = 0) -> int:
        """Return how many bytes a thread needs to compute, beside arguments and results, however large the batch.

        Args:
            kind: as for `listing`.
            variant: which recording, counted from 0.
            lanes: samples at a time; default what a vector of the host holds, as for batches.
        """
        found = self._recorded(variant, kind)
        return 8 * self._kernel(found, kind, (), lanes, np.float64).workspace

    @property
    def variants(self) -> int:
        """How many recordings there are: one, and one more for every way of branching that has been met."""
        return len(self._variants)

    def __repr__(self) -> str:
        return f"<compiled {self._name}, {self.variants} variant{'s' * (self.variants != 1)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        f = reference(self._f, f"jit: {self._name}", self._variants)
        with machine.locked():
            plain = [variant.plain() for variant in self._variants]
        return _restored, (f, self._scalars, self._mode, self._threads, self._name, self._parameters, plain)

    def _kernel(self, variant: Variant, kind: Kind, groups: tuple[int, ...], lanes: int, dtype: Any) -> Kernel:
        with machine.locked():
            return variant.kernel(kind, groups, lanes, dtype, self._mode)

    def _recorded(self, variant: int, kind: Kind) -> Variant:
        if not 0 <= variant < len(self._variants):
            raise IndexError(
                f"jit: {self._name} has {self.variants} recordings, and none has the number {variant}; a call records"
            )
        found = self._variants[variant]
        _check_single(found, kind, self._name)
        return found

    def _names(self, variant: Variant, kind: Kind) -> list[str]:
        n = len(variant.inputs)
        if self._scalars:
            names = self._parameters[:n]
        else:
            names = [f"{self._parameters[0] if self._parameters else 'x'}[{k}]" for k in range(n)]
        return [*names, *(f"d{name}" for name in names)] if kind in ("hvp", "jvp") else names

    # Calls.

    def _arrays(self, kind: Kind, args: Sequence[Any]) -> tuple[list[Floats], bool]:
        """Return the arguments as arrays [N, k] of one type of float, and whether they are one point."""
        if not self._scalars and not self._variants and args and all(isinstance(x, float | int) for x in args):
            self._scalars = True  # the first call shows that f takes a number and no list
        if len(args) == 1 and not self._scalars and _plain_batch(args[0]):
            return [args[0]], False
        double = kind in ("hvp", "jvp")
        takes = "numbers, or arrays [N] for a batch" if self._scalars else "one array [n], or [N, n] for a batch"
        if len(args) != (len(self._parameters) if self._scalars else 1) * (1 + double):
            then = "; then the direction likewise" if double else ""
            raise TypeError(f"jit: {self._name} takes {takes}{then}; got {len(args)} arguments")
        arrays = as_numbers(args, self._name)
        most = 1 if self._scalars else 2
        for a in arrays:
            if not most - 1 <= a.ndim <= most:
                raise ValueError(f"jit: {self._name} takes {takes}; got shape {a.shape}")
        one = all(a.ndim < most for a in arrays)
        if not self._scalars:
            arrays = [a if a.ndim == 2 else a.reshape(1, -1) for a in arrays]
        else:
            arrays = [a.reshape(-1, 1) for a in arrays]
        if len(arrays) > 1:
            samples = {len(a) for a in arrays if len(a) != 1} or {1}
            if len(samples) > 1 or len({a.shape[1] for a in arrays}) > 1:
                shapes = ", ".join(str(np.shape(a)) for a in args)
                raise ValueError(f"jit: the arguments of {self._name} must go together, got shapes {shapes}")
            n = samples.pop()
            arrays = [a if len(a) == n else np.broadcast_to(a, (n, a.shape[1])) for a in arrays]
        return arrays, one

    def _call(self, kind: Kind, args: Sequence[Any], out: Any) -> list[Any]:
        """Return the results of a kind of call, shaped for the caller."""
        arrays, one = self._arrays(kind, args)
        if watching():
            self._watch(kind, arrays, one)
        n, width = len(arrays[0]), arrays[0].shape[1]
        if self._scalars:
            width = len(self._parameters)
        first = self._first(arrays, width)
        _check_single(first, kind, self._name)
        shapes = _shapes(kind, len(first.results), width, first.single)
        if out is None:
            # A column of numbers lies side by side, as the vectors of samples do.
            columns = [np.empty((math.prod(shape), n), arrays[0].dtype) for shape in shapes]
            self._run(kind, arrays, width, [y.T for y in columns])
            results = [_shaped(y, shape, n) for y, shape in zip(columns, shapes, strict=True)]
            return [y[0] if y.ndim > 1 else float(y[0]) for y in results] if one else results
        given, targets = _buffers(out, [s if one else (n, *s) for s in shapes], n, arrays[0].dtype, self._name)
        if any(np.may_share_memory(y, a) for y in targets for a in arrays):
            targets = [y.copy() for y in targets]  # what is written must not be read as an argument
        self._run(kind, arrays, width, targets)
        for y, found in zip(given, targets, strict=True):
            if not np.may_share_memory(y, found):
                y[...] = found.reshape(y.shape)
        return given

    def _first(self, arrays: list[Floats], width: int) -> Variant:
        """Return a variant for so many inputs, made at the first sample if there is none; at 1 where there is none."""
        for variant in self._variants:
            if len(variant.inputs) == width:
                return variant
        with machine.locked():
            return (self._made_for(width) or self._new_variant(first_sample(arrays, width) or [1.0] * width))[0]

    def _run(self, kind: Kind, arrays: list[Floats], width: int, targets: list[Floats]) -> None:
        """Compute every sample by the variant whose guards it meets."""
        n, dtype = len(arrays[0]), arrays[0].dtype
        if not n:
            return
        if kind == "hessian" and self._first(arrays, width).by_products(self._mode):
            targets[0][...] = self._hessian_by_products(arrays, width)
            return
        groups = tuple([a.shape[1] for a in arrays])
        todo: NDArray[np.int64] | None = None  # all
        for tried in itertools.count():
            here = arrays if todo is None else [a[todo] for a in arrays]
            variant, sure = self._variant(tried, here, width)
            kernel = self._kernel(variant, kind, groups, 1 if n == 1 else 0, dtype)
            outputs = targets if todo is None else [np.empty((y.shape[1], len(todo)), dtype).T for y in targets]
            if not variant.guarded:
                workers.run(kernel, here, outputs, self._threads)
                if todo is not None:
                    _scatter(targets, todo, outputs, slice(None))
                return
            held = np.empty((1, len(here[0])), dtype)
            workers.run(kernel, here, [*outputs, held.T], self._threads)
            if sure:
                held[0, 0] = 1.0  # the recording is of this sample, whatever the last digits say
            good = held[0] != 0.0
            if todo is not None:
                _scatter(targets, todo, outputs, good)
            if good.all():
                return
            todo = np.flatnonzero(~good) if todo is None else todo[~good]

    def _made_for(self, n: int) -> list[Variant]:
        return [v for v in self._variants if len(v.inputs) == n]

    def _variant(self, tried: int, arrays: list[Floats], width: int) -> tuple[Variant, bool]:
        """Return the next variant to try, and whether it is known to be that of the first sample."""
        with machine.locked():
            known = self._made_for(width)
            return (known[tried], False) if tried < len(known) else self._new_variant(first_sample(arrays, width))

    def _new_variant(self, point: list[float]) -> tuple[Variant, bool]:
        """Return the variant of a point by recording it there."""
        known = self._made_for(len(point))
        if len(known) >= MOST_VARIANTS:
            raise RuntimeError(
                f"jit: {self._name} branches in more than {MOST_VARIANTS} ways on these data; write choices as "
                "autograd.where, or leave it uncompiled"
            )
        if self._f is None:
            raise RuntimeError(
                f"jit: {self._name} came from a pickle without its Python, and at {point} it branches as none of its "
                f"{self.variants} recordings does; define it at the top of a module, or record such points before"
            )
        try:
            variant = record_at(self._f, point if self._scalars else [point], self._name)
        except BaseException:
            self._scalars = self._scalars and (bool(self._variants) or self._takes_numbers)
            raise
        if known and (variant.single, len(variant.results)) != (known[0].single, len(known[0].results)):
            raise TypeError(
                f"jit: {self._name} returns {_many(known[0])} on one branch and {_many(variant)} on another, at "
                f"{point}; all branches must return as many"
            )
        return known_or_new(variant, known, self._variants), True

    def _at_point(self, kind: Kind, args: Sequence[Any]) -> tuple[float, Any] | None:
        """Return the value, and the gradient if it is asked for, at one point: the short way.

        It is for the first variant, of functions with one result, and gives None where that is not the case at hand.
        """
        x: Any = args if self._scalars else args[0] if len(args) == 1 else None
        get = invoke.GET.get(type(x))
        if get is None:
            if type(x) is not np.ndarray or x.ndim != 1 or x.dtype is not _DOUBLE:
                return None
            if not x.flags.aligned or x.strides[0] % 8:
                return None
            get = 0
        n = len(x)
        kernel = self._points.get((kind, n)) or self._short_way(kind, n)
        if kernel is None or watching():
            return None
        if kind == "value":
            value = invoke.point(kernel.address, get, x, n, kernel.workspace)
            return None if value is None else (value, None)
        slopes = np.empty(n)
        value = invoke.point(kernel.address, get, x, n, kernel.workspace, slopes)
        return None if value is None else (value, slopes)

    def _short_way(self, kind: Kind, n: int) -> Kernel | None:
        """Return the kernel for one point if the short way is open."""
        if not n or (kind, n) in self._points or (self._scalars and n != len(self._parameters)):
            return None
        with machine.locked():
            known = self._made_for(n)
            if not known:
                return None
            variant = known[0]
            kernel = variant.kernel(kind, (n,), 1, _DOUBLE, self._mode) if variant.single else None
            # Its workspace is on the stack, and it keeps the interpreter's lock.
            if kernel is None or kernel.calls_python or not kernel.any_room or kernel.workspace > MOST_ON_STACK:
                kernel = None
            self._points[kind, n] = kernel
            return kernel

    def _hessian_by_products(self, arrays: list[Floats], n: int) -> Floats:
        """Return Hessians [N, n * n], row by row."""
        points = np.concatenate([np.repeat(a, n, axis=0) for a in arrays], axis=1)
        found: list[Floats] = [np.empty((n, len(points)), points.dtype).T]
        units = np.tile(np.eye(n, dtype=points.dtype), (len(arrays[0]), 1))
        self._run("hvp", [points, units], n, found)
        return found[0].reshape(len(arrays[0]), n * n)

    # Anomalies.

    def _watch(self, kind: Kind, arrays: list[Floats], one: bool) -> None:
        if self._f is None:
            raise RuntimeError(f"jit: {self._name} came from a pickle without its Python, and cannot be watched")
        f = self._f
        arrays = arrays[: len(arrays) // 2] if kind in ("hvp", "jvp") else arrays
        for r in range(len(arrays[0])):
            leaves = watched_leaves(self._point_names(sum(a.shape[1] for a in arrays)), arrays, r)
            where = self._name if one else f"{self._name}, sample {r}"
            watch(lambda xs: f(*xs) if self._scalars else f(xs), leaves, leaves if kind != "value" else [], where)

    def _point_names(self, n: int) -> list[str]:
        return self._parameters[:n] if self._scalars else [f"{self._parameters[0]}[{k}]" for k in range(n)]


def required(f: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that a function must be given, by position."""
    positional = [p for p in signature(f).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [p.name for p in positional if p.default is p.empty] or [p.name for p in positional[:1]]


def _shapes(kind: Kind, m: int, n: int, single: bool) -> list[tuple[int, ...]]:
    """Return the shapes of the results of a kind of call, for one sample."""
    values: tuple[int, ...] = () if single else (m,)
    shapes: dict[Kind, list[tuple[int, ...]]] = {
        "value": [values], "gradient": [values, (n,)], "jacobian": [(m, n)], "hessian": [(n, n)], "hvp": [(n,)],
        "jvp": [values, values],
    }  # fmt: skip
    return shapes[kind]


def _shaped(columns: Floats, shape: tuple[int, ...], n: int) -> Any:
    """Return columns [numbers, N] as an array [N, *shape], without a copy."""
    if not shape:
        return columns[0]
    return columns.T if len(shape) == 1 else columns.reshape(*shape, n).transpose(2, 0, 1)


def first_sample(arrays: list[Floats], width: int) -> list[float]:
    """Return the first sample of arrays [N, k], without a direction that comes after."""
    return [x for a in arrays for x in a[0].tolist()][:width] if len(arrays[0]) else []


def watched_leaves(names: Sequence[str], arrays: Sequence[Floats], r: int) -> list[Value]:
    """Return sample r of arrays [N, k] as leaves."""
    return [Value(x, name) for x, name in zip((x for a in arrays for x in a[r].tolist()), names, strict=True)]


def watch(f: Callable[[Any], Any], leaves: Any, wanted: Sequence[Value], where: str) -> None:
    """Run a function eagerly under `detect_anomaly`, and its gradient by what is wanted; errors say where."""
    try:
        with detect_anomaly():
            y = f(leaves)
            for result in [y] if isinstance(y, Value) else y if isinstance(y, list | tuple) else []:
                if wanted and isinstance(result, Value):
                    calculus.gradients(result, wanted)
    except AnomalyError as error:
        raise AnomalyError(f"{where}: {error}", error.node) from None


def _many(variant: Variant) -> str:
    return "a number" if variant.single else f"a list of {len(variant.results)}"


def _check_single(variant: Variant, kind: Kind, name: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
    if variant.single or kind in ("value", "jacobian", "jvp"):
        return
    what = {"gradient": "gradient; use jacobian", "hessian": "Hessian; compile one of them", "hvp": "Hessian"}
    raise TypeError(f"jit: {name} returns several numbers, which have no {what[kind]}")


def as_numbers(args: Sequence[Any], name: str) -> list[Floats]:
    """Return arguments as arrays of one type of float: float32 if all that are arrays are, else float64."""
    if all(type(a) is np.ndarray and a.dtype is _DOUBLE and a.flags.carray for a in args):
        return list(args)
    arrays = [np.asarray(a) for a in args]
    for a, given in zip(arrays, args, strict=True):
        if a.dtype.kind == "c":
            raise TypeError(f"{name}: complex numbers are not compiled, got {given!r}; give real and imaginary parts")
        if a.dtype.kind == "O" and any(isinstance(x, Value) for x in a.ravel()):
            raise TypeError(
                f"{name} is compiled code on floats, got Values; call the function itself, or give their .data"
            )
        strange = [x for x in a.ravel() if not isinstance(x, numbers.Real)] if a.dtype.kind == "O" else [given]
        if strange and a.dtype.kind not in "fiub":
            raise TypeError(f"{name} takes numbers and arrays of numbers, got {strange[0]!r}")
    own = [a.dtype for a, given in zip(arrays, args, strict=True) if isinstance(given, np.ndarray)]
    single = bool(own) and all(dtype == np.float32 for dtype in own)
    dtype = np.dtype(np.float32 if single else np.float64)
    return [as_floats(a, dtype) for a in arrays]


def _plain_batch(x: Any) -> bool:
    """Whether an argument is an array [N, k] as kernels take it: the common case, told quickly."""
    return type(x) is np.ndarray and x.dtype is _DOUBLE and x.ndim == 2 and x.flags.c_contiguous and x.flags.aligned


def as_floats(a: Any, dtype: Any) -> Floats:
    """Return an array of a type of float whose strides are whole numbers of elements; a copy only where needed."""
    floats: Floats = np.asarray(a, dtype=dtype)
    if not floats.flags.aligned or any(s % floats.itemsize for s in floats.strides):
        return floats.copy()
    return floats


def _buffers(
    out: Any, shapes: list[tuple[int, ...]], n: int, dtype: Any, name: str
) -> tuple[list[Floats], list[Floats]]:
    """Return the caller's arrays, and views of them [N, numbers] to write to (or new ones where there is no view)."""
    given = list(out) if isinstance(out, tuple | list) else [out]
    if len(given) != len(shapes):
        raise TypeError(f"{name}: out must be {len(shapes)} arrays, got {len(given)}")
    flat = []
    for y, shape in zip(given, shapes, strict=True):
        if not isinstance(y, np.ndarray) or y.shape != shape or y.dtype != dtype:
            about = f"{y.dtype} array of shape {y.shape}" if isinstance(y, np.ndarray) else repr(y)
            raise ValueError(f"{name}: out must be a {dtype} array of shape {shape}, got {about}")
        if not y.flags.writeable:
            raise ValueError(f"{name}: out is a read-only array; give one that may be written to")
        view = y.reshape(n, y.size // n if n else 0)
        flat.append(view if y.flags.aligned and all(s % y.itemsize == 0 for s in view.strides) else view.copy())
    return given, flat


def _scatter(targets: list[Floats], todo: Any, outputs: list[Floats], good: Any) -> None:
    for y, found in zip(targets, outputs, strict=True):
        y[todo[good]] = found[good]


def reference(f: Any, name: str, variants: Sequence[Variant]) -> Any:
    """Return a function if it can be pickled, as a reference to its module; None if recordings must stand for it."""
    try:
        pickle.dumps(f)
    except Exception:  # whatever keeps it from being pickled, the recordings can be
        f = None
    if f is None and not variants:
        raise pickle.PicklingError(
            f"{name} cannot be pickled itself, and it has no recording yet; call it once before, or define it at the "
            "top of a module"
        )
    return f


def check_mode(mode: str, name: str) -> None:
    """Refuse what is no way of making native code."""
    if mode not in ("auto", "line", "tape"):
        raise ValueError(f'{name}: mode is "auto", "line" or "tape", got {mode!r}')


def _restored(
    f: Any, scalars: bool, mode: Mode, threads: int | None, name: str, parameters: list[str], plain: list[Any]
) -> Compiled:
    compiled = Compiled(f, scalars, mode, threads)
    compiled._name, compiled._parameters = name, parameters
    compiled._variants = [Variant.from_plain(p) for p in plain]
    return compiled


def _listing(program: Program, inputs: list[str], guarded: bool) -> str:
    names = [*inputs, *(f"v{i}" for i in range(len(program.steps)))]

    def shown(x: int | float) -> str:
        return names[x] if type(x) is int else repr(x)

    lines = [f"v{i} = {_printed(step, [shown(x) for x in step.operands])}" for i, step in enumerate(program.steps)]
    outputs = program.outputs
    if guarded:
        lines.append(f"guard {shown(outputs[-1])}")
        outputs = outputs[:-1]
    return "\n".join([*lines, f"return {', '.join(map(shown, outputs))}"])


def _printed(step: Step, xs: list[str]) -> str:
    signs = {*BINARY, *COMPARISONS, *LOGIC, "neg", "not"}
    if step.python is None and step.name in signs:
        op = CONDITIONS.get(step.name) or ops.TABLE[step.name]
        return op.form.format(*xs)
    return f"{step.name}({', '.join(xs)})"


def jit(f: Callable[..., Any], *, mode: Mode = "auto", threads: int | None = None) -> Compiled:
    """Compile a function of numbers, and its derivatives, to vector code over batches.

    Args:
        f: written in operators and autograd's operations. With several parameters it is given one number each. With
            one, it is given a list of n numbers (for arrays, begin with ``x = np.array(x)``), or one number if the
            parameter is annotated as float or the first call is with a number. It returns a number, or a list or array
            of numbers. What else it reads is read when it is recorded.
        mode: how a recording becomes native code. "line" writes all of it out, which is fastest to run; "tape" writes
            out what repeats once, and goes through a list of calls, which is fast to prepare; "auto" decides by size.
        threads: the most to use for a large batch; default as many as there are processors.

    Returns:
        A function of an array [n], or of a batch [N, n] (numbers, or arrays [N], for several parameters), with
        `value_and_grad`, `jacobian`, `hessian`, `hvp` and `jvp`.

    >>> f = jit(lambda x: x[0] * ops.exp(-x[1]) if x[0] > 0 else x[1])
    >>> f.value_and_grad([[2.0, 0.0], [-1.0, 5.0]])
    (array([2., 5.]), array([[ 1., -2.],
           [ 0.,  1.]]))
    >>> f.variants
    2
    """
    if not callable(f):
        raise TypeError(f"jit takes a function, got {f!r}")
    check_mode(mode, "jit")
    workers.check(threads)
    names = required(f)
    if not names:
        raise TypeError(f"jit: {getattr(f, '__name__', f)} takes no argument, so there is nothing to differentiate by")
    annotations = [signature(f).parameters[name].annotation for name in names]
    return Compiled(f, len(names) > 1 or annotations[0] in (float, "float"), mode, threads)
