"""What a check says: a finding per derivative, and a report of all of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from autograd.testing.oracles import Slope

#: What can be said of a derivative, the worst first; a check fails on "wrong" alone.
VERDICTS = ("wrong", "invalid", "undecidable", "subgradient", "ok")

_ULP = 2.0**-53
#: The note where an oracle found nothing.
NONE = "there is no derivative here: the function jumps, is vertical or is not defined"
#: A tolerance above this part of the derivative decides nothing.
DECIDED = 1e-3


class GradientError(AssertionError):
    """A derivative that an independent truth contradicts; `report` has the whole finding."""

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True)
class Finding:
    """One number, what it should be, and the verdict.

    Attributes:
        path: which derivative, such as ``x['w'][2]``; "value" for the function's value.
        mode: how the number was computed: "reverse", "forward", "gradient" (a claimed one), ...
        claimed: the number under test.
        expected: what the oracle found.
        error: how far the oracle itself may be off.
        tolerance: how far the two may be apart: `error` and the rounding of `claimed`, from its conditioning.
        slopes: the slopes to the left and to the right.
        verdict: one of `VERDICTS`.
        note: more about the verdict.
    """

    path: str
    mode: str
    claimed: float
    expected: float
    error: float
    tolerance: float
    slopes: tuple[float, float]
    verdict: str
    note: str = ""

    @property
    def off(self) -> float:
        """How far the claim is from the truth."""
        return abs(self.claimed - self.expected)

    def __str__(self) -> str:
        text = f"{self.path} ({self.mode}): {self.claimed!r}"
        if self.verdict == "invalid" and not self.note:
            text += ", not finite"
        elif self.verdict == "subgradient":
            text += f", at a kink with slopes {self.slopes[0]:.6g} and {self.slopes[1]:.6g}"
        elif not math.isnan(self.expected):
            text += f", expected {self.expected:.15g} +- {self.error:.1g}"
            if self.verdict == "wrong":
                text += f", off by {self.off:.3g}, allowed {self.tolerance:.1g}"
            elif self.verdict == "undecidable":
                text += f", rounding leaves {self.tolerance:.1g}"
        return text + f"; {self.note}" * bool(self.note)


@dataclass(frozen=True)
class Report:
    """What a check found. `print` shows it.

    Attributes:
        name: of the function, operation, net or graph.
        point: where the check was made.
        value: the function's value there.
        oracle: the truth that was compared with.
        findings: one per number that was checked.
        notes: what limits the check, such as an oracle that could not be used.
    """

    name: str
    point: Any
    value: float
    oracle: str
    findings: tuple[Finding, ...] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The verdict on the whole: the worst of all."""
        verdicts = {x.verdict for x in self.findings}
        return next((v for v in VERDICTS if v in verdicts), "ok")

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """The numbers that the truth contradicts, the grossest first."""
        found = [x for x in self.findings if x.verdict == "wrong"]
        return tuple(sorted(found, key=lambda x: -_times(x.off, x.tolerance)))

    def __bool__(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    def __str__(self) -> str:
        counts = Counter(x.verdict for x in self.findings)
        tally = ", ".join(f"{counts[v]} {v}" for v in reversed(VERDICTS) if counts[v])
        lines = [f"{self.name} = {self.value!r} at {shortened(self.point)}: {self.verdict}"]
        lines.append(f"  {tally}, against {self.oracle}")
        lines += [f"  {note}" for note in self.notes]
        shown = sorted((x for x in self.findings if x.verdict != "ok"), key=lambda x: VERDICTS.index(x.verdict))
        lines += [f"  {x.verdict:11} {x}" for x in shown[:12]]
        if len(shown) > 12:
            lines.append(f"  and {len(shown) - 12} more")
        tight = [x for x in self.findings if x.verdict == "ok" and x.tolerance > 0 and math.isfinite(x.tolerance)]
        if tight:
            x = max(tight, key=lambda x: x.off / x.tolerance)
            lines.append(f"  the nearest to its tolerance: {x}, off by {x.off:.1g} of {x.tolerance:.1g} allowed")
        return "\n".join(lines)

    def check(self) -> Report:
        """Return the report if nothing is wrong, else raise `GradientError`."""
        if not self.wrong:
            return self
        x, more = self.wrong[0], len(self.wrong) - 1
        what = self.name if x.path == "value" else f"d{self.name}/d{x.path}"
        of = "the derivative of " if x.mode.startswith("second") else ""
        raise GradientError(
            f"{of}{what} is {x.claimed!r} ({x.mode}), expected {x.expected:.15g} +- {x.error:.1g}: off by "
            f"{x.off:.3g}{f' ({x.note})' * bool(x.note)}, at x = {shortened(self.point)}"
            + f" (and {more} more)" * (more > 0),
            self,
        )


def _times(off: float, tolerance: float) -> float:
    return math.inf if math.isnan(off) or not tolerance else off / tolerance


def shortened(x: Any, most: int = 300) -> str:
    """Return a text, or the repr of a point, cut where it is long."""
    text = x if isinstance(x, str) else repr(x)
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"


def judge(path: str, mode: str, claimed: float, slope: Slope, rounding: float = 0.0) -> Finding:
    """Hold a claimed derivative against an oracle's.

    Args:
        path: which derivative.
        mode: how it was computed.
        claimed: the claim.
        slope: the oracle's answer.
        rounding: how far rounding alone may carry the claim, from the conditioning of its computation.
    """
    tolerance = slope.error + rounding + 64.0 * (_ULP * abs(claimed) + 5e-324)

    def finding(verdict: str, note: str = "") -> Finding:
        sides = (slope.left, slope.right)
        return Finding(path, mode, claimed, slope.value, slope.error, tolerance, sides, verdict, note)

    if slope.kind == "none":
        return finding("undecidable" if math.isfinite(claimed) else "invalid", NONE)
    if not slope.is_smooth:
        sides = [s for s in (slope.left, slope.right) if not math.isnan(s)]
        inside = min(sides) - tolerance <= claimed <= max(sides) + tolerance
        note = "one side is outside the domain" if slope.kind == "edge" else ""
        return finding("subgradient", note) if inside else finding("wrong", "outside of both slopes")
    off = abs(claimed - slope.value)
    size = max(abs(slope.value), slope.size)
    known = slope.error <= DECIDED * size
    if claimed == slope.value or off <= 64.0 * _ULP * abs(slope.value):
        return finding("ok" if known or claimed == slope.value else "undecidable")
    if not math.isfinite(claimed):
        return finding("wrong" if known else "invalid")
    if math.isnan(tolerance) or tolerance == math.inf:
        return finding("undecidable")
    if off > tolerance:
        return finding("wrong")
    return finding("ok" if tolerance <= DECIDED * size else "undecidable")
