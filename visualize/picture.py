"""Picture, what diagrams and charts have in common: a composed scene, given as SVG, PNG, PDF or text.

SVG is written here. PNG and PDF are made by a layout engine from the same scene, in which everything has its place
already; nothing is laid out again.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from autograd import files
from visualize import engines
from visualize.scales import DARK, LIGHT, THEMES
from visualize.scene import Scene

#: Seconds that an engine may paint.
PAINTING = 60.0
#: Suffixes that stand for a format of another name.
SUFFIXES = {"gv": "dot", "txt": "text"}


class Picture:
    """A composed picture. Notebooks show it, `print` gives it as text.

    What is drawn comes from those who inherit: `scene` and `text`, and other formats through `render` and `FORMATS`.

    Args:
        title: the bold part of the title line.
        format: what a notebook shows beside the text, one of `FORMATS`.
        theme: "light", "dark" or "auto".
        engine: the layout engine asked for, or None for the first that works.
        timeout: seconds that an engine may take.

    Raises:
        ValueError: if an option is none of those.
    """

    FORMATS: ClassVar[tuple[str, ...]] = ("svg", "png", "pdf", "text")

    def __init__(
        self, title: str, format: str = "svg", theme: str = "light", engine: str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
    ) -> None:  # fmt: skip
        check_choice("format", format, self.FORMATS)
        check_choice("theme", theme, THEMES)
        if not timeout > 0:
            raise ValueError(f"timeout is a positive number of seconds, got {timeout!r}")
        self.title = title
        self.format = format
        self.theme = theme
        self._engine = engine
        self._timeout = timeout
        self._pictures: dict[str, bytes] = {}

    @property
    def scene(self) -> Scene:
        """The composed picture."""
        raise NotImplementedError

    @property
    def text(self) -> str:
        """The same in words and tables, in Unicode."""
        raise NotImplementedError

    @property
    def ascii(self) -> str:
        """The same where a terminal knows no Unicode."""
        return spelled(self.text)

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG document."""
        return self.scene.svg(self.theme)

    def png(self) -> bytes:
        """Return the picture as PNG.

        Raises:
            EngineError: if no engine makes one; with what to install.
        """
        return self._rasterised("png")

    def pdf(self) -> bytes:
        """Return the picture as PDF.

        Raises:
            EngineError: if no engine makes one; with what to install.
        """
        return self._rasterised("pdf")

    def _rasterised(self, kind: str) -> bytes:
        """Let an engine turn the composed picture into PNG or PDF; nothing is laid out again."""
        if kind in self._pictures:
            return self._pictures[kind]
        dot = self.scene.dot(DARK if self.theme == "dark" else LIGHT)
        # A large picture takes an engine longer to paint than its layout may take.
        self._pictures[kind] = engines.picture(kind, dot, self._engine, max(self._timeout, PAINTING))
        return self._pictures[kind]

    def render(self, format: str) -> str | bytes:
        """Return the picture in a format: bytes for "png" and "pdf", else text.

        Args:
            format: one of `FORMATS`.

        Raises:
            ValueError: if it is none of them.
            EngineError: if no engine makes it.
        """
        check_choice("format", format, self.FORMATS)
        if format in ("png", "pdf"):
            return self._rasterised(format)
        return self.text + "\n" if format == "text" else self.svg

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> Path:
        """Save the picture; the file is complete or not there at all.

        Args:
            path: where; the suffix tells the format, and .txt is the text.
            format: the format, whatever the suffix.

        Returns:
            The path.

        Raises:
            ValueError: if the format is not known.
            EngineError: if no engine makes it.
            OSError: if the file cannot be written.
        """
        drawn = self.render(format or format_of(path, self.FORMATS))
        return files.write(path, drawn if isinstance(drawn, bytes) else drawn.encode())

    def __str__(self) -> str:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        try:
            "δ█−".encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return self.ascii
        return self.text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.title}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": self.text}
        if self.format == "png":
            bundle["image/png"] = self.png()
        elif self.format in ("svg", "pdf"):
            bundle["image/svg+xml"] = self.svg
        return bundle


_SPELLED = str.maketrans({
    "δ": "delta", "Δ": "D", "∂": "d", "Σ": "S", "·": "-", "−": "-", "–": "-", "→": "->", "←": "<-", "×": "x", "÷": "/",
    "∞": "inf", "…": "~", "≤": "<=", "≥": ">=", "‖": "|", "█": "#", "│": "|", "◂": "<", "▸": ">",
})  # fmt: skip
_RAISED, _DIGITS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"


def spelled(text: str) -> str:
    """Return text in ASCII: signs are spelled, so that no number changes, and other letters are "?".

    >>> spelled("δ = 2·10⁻³, log10 −2.7")
    'delta = 2-10^-3, log10 -2.7'
    """
    flat = re.sub(f"[{_RAISED}]+", lambda found: "^" + found[0].translate(str.maketrans(_RAISED, _DIGITS)), text)
    return flat.translate(_SPELLED).encode("ascii", "replace").decode("ascii")


def check_choice(what: str, given: object, known: tuple[str, ...]) -> None:
    """Refuse an option that is none of those known."""
    if given not in known:
        raise ValueError(f"{what}={given!r} is not known; it is one of {', '.join(map(repr, known))}")


def format_of(path: str | os.PathLike[str], known: tuple[str, ...]) -> str:
    """Return the format that the suffix of a path stands for.

    Args:
        path: where a picture is to be saved.
        known: the formats that it can have.

    Raises:
        ValueError: if it is none of them.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    found = SUFFIXES.get(suffix, suffix)
    if found not in known:
        endings = ", ".join({"dot": ".dot (.gv)", "text": ".txt"}.get(name, f".{name}") for name in known)
        raise ValueError(f"{os.fspath(path)!r} does not end as a picture does: use {endings}, or say format=")
    return found
