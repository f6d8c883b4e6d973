"""A net in motion: one SVG that shows how the gradient flows through it from look to look of its training.

The nodes stay where they are. What changes is in the style sheet, as CSS key frames without transitions; so it plays
wherever a browser shows an SVG, in an <img> too, and runs no script. Who asks for less motion sees the last frame.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from visualize.charts import SIZE, epoch_axis, epochs_of, loss_panel
from visualize.diagrams import Diagram
from visualize.graph import INPUT, LOSS, Graph, short
from visualize.layout import Layout
from visualize.looks import Look, Stroke, counts, edge_tip, looks_of, strokes_of
from visualize.picture import Picture, check_choice, format_of
from visualize.recording import Course, Recording
from visualize.scales import DARK, LIGHT, THEMES, Floats, number
from visualize.scene import DASHES, Box, Curve, Group, Point, Run, Scene, Text, straight, text_width
from visualize.sheet import LEAST, MARGIN, Sheet, edge_legend, mark_legend

#: Larger nets are not to be seen in motion.
MOST_NODES, MOST_EDGES = 200, 600
#: With more nodes than this they are small and have no names.
NAMED = 60
#: The size of the drawn net at most.
WIDEST, HIGHEST = 560.0, 380.0
LOSS_HEIGHT = 84.0

#: What of an element changes: CSS property by property.
Style = Mapping[str, str]


def animate(
    recording: Recording, *, seconds: float = 8.0, frames: int = 40, title: str = "training",
    ref: float | str = "output", format: str | None = None, path: str | os.PathLike[str] | None = None,
    theme: str = "auto", engine: str | os.PathLike[str] | None = None, timeout: float = 10.0,
) -> Animation:  # fmt: skip
    """Draw a net in motion: the flow of the gradient at the looks of a recording, one frame each, over and over.

    Of many looks those are shown between which the loss curve is equally long, so that the picture does not stand still
    where the training does.

    Args:
        recording: what `visualize.record` made, after the training.
        seconds: how long a round takes; the last frame stands for a quarter of it.
        frames: how many there are at most.
        title: the bold part of the title line.
        ref: the gradient that counts as healthy, as for `visualize.draw`: "output" (in every frame its own), "loss"
            (so, too), "absolute" or a number.
        format: "svg" (the animation), "png" or "pdf" (its last frame) or "text": what is made at once; default that of
            `path`, else "svg".
        path: a file to save it in.
        theme: "light", "dark", or "auto" for an SVG that follows the reader's system.
        engine: what lays the net out and makes PNG and PDF, as for `visualize.draw`.
        timeout: seconds that this may take.

    Raises:
        TypeError: if it is no recording.
        ValueError: if there are fewer than two looks, the net is too large, or an option is none of those above.
        EngineError: if no engine makes the format.
    """
    if not isinstance(recording, Recording):
        raise TypeError(f"animate takes a recording, visualize.record(net), got {type(recording).__name__}: "
                        f"{recording!r:.80}")
    check_choice("theme", theme, THEMES)
    if not 0 < seconds < 3600:
        raise ValueError(f"seconds is how long a round takes, above 0 and below 3600; got {seconds!r}")
    if isinstance(frames, bool) or not isinstance(frames, int) or frames < 2:
        raise ValueError(f"frames is a whole number of at least 2, got {frames!r}")
    if len(recording) < 2:
        raise ValueError(f"there is nothing in motion: the recording has {len(recording)} look"
                         f"{'s' * (len(recording) != 1)}; train with fit(..., diagnose=recording)")
    net = recording.net
    if len(net) > MOST_NODES or len(net.source) > MOST_EDGES:
        raise ValueError(f"an animation shows nets of up to {MOST_NODES} units and {MOST_EDGES} links, and this has "
                         f"{len(net):,} and {len(net.source):,}; recording.draw() shows nets of any size")
    if format is None:
        format = format_of(path, Animation.FORMATS) if path is not None else "svg"
    animation = Animation(recording, float(seconds), frames, short(title), ref, format, theme, engine, timeout)
    animation.render(format)
    if path is not None:
        animation.save(path, format)
    return animation


class Animation(Picture):
    """A net in motion. Its SVG moves; PNG and PDF are its last frame. Made by `animate`.

    Attributes:
        course: the training in numbers.
        looks: which looks of the recording are shown.
        graphs: the net at each of them.
        seconds: how long a round takes.
    """

    def __init__(
        self, recording: Recording, seconds: float, frames: int, title: str, ref: float | str, format: str, theme: str,
        engine: str | os.PathLike[str] | None, timeout: float,
    ) -> None:  # fmt: skip
        super().__init__(title, format, theme, engine, timeout)
        self.course: Course = recording.course
        self.seconds = seconds
        self.losses: Floats = recording.loss
        self.looks = _chosen(self.course, self.losses, frames)
        self.graphs = [recording.graph(k) for k in self.looks]
        self._diagrams = [Diagram(graph, "circles", ref=ref, engine=engine, timeout=timeout) for graph in self.graphs]

    @cached_property
    def scene(self) -> Scene:
        """The last frame."""
        return _Composed(self, [len(self.looks) - 1]).scene

    @cached_property
    def svg(self) -> str:
        """The animation as an SVG document."""
        composed = _Composed(self, range(len(self.looks)))
        return composed.scene.svg(self.theme).replace("</style>", composed.css + "</style>", 1)

    @cached_property
    def text(self) -> str:
        """The last frame in words."""
        return f"{self.title} · {self.clock(-1)}\n\n{self._diagrams[-1].text}"

    def clock(self, k: int) -> str:
        """Return what is said of frame k: its epoch and its loss."""
        look = self.looks[k]
        return f"epoch {self.course.epochs[look]:,} of {self.course.epochs[-1]:,} · loss {number(self.losses[look])}"

    def __repr__(self) -> str:
        return f"<Animation of {self.title}: {counts(self.graphs[0])}, {len(self.looks)} frames>"


def _chosen(course: Course, losses: Floats, frames: int) -> list[int]:
    """Return the looks to show: the first, the last, and between them those at equal distances along the loss curve."""
    if len(losses) <= frames:
        return list(range(len(losses)))
    with np.errstate(all="ignore"):
        height = np.log10(losses) if (losses > 0).all() else losses
    height = np.where(np.isfinite(height), height, 0.0)
    x, y = (values - values.min() for values in (course.epochs.astype(float), height))
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x) / x.max(), np.diff(y) / (y.max() or 1.0)))])
    wanted = np.linspace(0.0, along[-1], frames)
    return sorted({0, len(losses) - 1, *np.abs(along[:, None] - wanted).argmin(axis=0).tolist()})


class _Composed:
    """The scene with all that moves in the state of its last frame, and the style sheet that moves it."""

    def __init__(self, animation: Animation, frames: Sequence[int]) -> None:
        self.animation, self.frames = animation, frames
        self.rules: dict[tuple[tuple[float, str], ...], list[str]] = {}
        self.roles: set[str] = set()
        last, course = animation._diagrams[-1], animation.course
        placed, graph = last.layout, last.graph
        assert placed is not None
        sheet = Sheet(LEAST, f"{animation.title} · {counts(graph)}", f"{last.verdict}\n{_CAPTION}")
        self.sheet = sheet
        sheet.heading(animation.title, counts(graph))
        self._clock()
        at, radius = _enlarged(placed, graph)
        at += [MARGIN + (sheet.width - at[:, 0].max()) / 2, sheet.y + radius + 18]
        self._edges(graph, placed, at)
        self._nodes(graph, at, radius)
        sheet.y = float(at[:, 1].max()) + radius + 4
        if np.isfinite(course.loss).any():
            sheet.y += 22
            epochs = epochs_of(course, MARGIN + 56, MARGIN + sheet.width - 118)
            where = loss_panel(sheet, course, epochs, LOSS_HEIGHT, animation.losses[animation.looks])
            epoch_axis(sheet, epochs)
            self._dot([(epochs(float(course.epochs[k])), where(float(animation.losses[k]))) for k in animation.looks])
        channel = last.nodes
        same = ", in the same frame" if len({diagram.scale.reference for diagram in animation._diagrams}) > 1 else ""
        sheet.legend(f"colour: {channel.title}{same}", channel.ends,
                     [edge_legend(graph, channel, last.edges, signs=True), _marks(animation._diagrams)])
        self.scene = sheet.finish(_CAPTION)

    def _clock(self) -> None:
        """Add the epoch and the loss, a text for each frame, of which one is shown."""
        sheet, many = self.sheet, len(self.frames)
        sheet.y += 14
        for place, k in enumerate(self.frames):
            sheet.put(Text(MARGIN, sheet.y, (Run(self.animation.clock(k)),), 12.0), name=f"clock{place}")
            states = [{"visibility": "visible" if frame == place else "hidden"} for frame in range(many)]
            self._move(f"#clock{place}", states)

    def _edges(self, graph: Graph, placed: Layout, at: Floats) -> None:
        several = [strokes_of(diagram.edges) for diagram in self.animation._diagrams]
        scale = (at.max(axis=0) - at.min(axis=0)) / np.maximum(placed.at.max(axis=0) - placed.at.min(axis=0), 1e-9)
        shift = at.min(axis=0) - placed.at.min(axis=0) * scale
        for e, (s, t) in enumerate(zip(graph.source.tolist(), graph.target.tolist(), strict=True)):
            a, b = _point(at[s]), _point(at[t])
            points: tuple[Point, ...] = straight(a, b)
            if graph.levels[t] - graph.levels[s] > 1 and len(placed.routes[e].points) > 4:
                points = (a, *(_point(np.array(p) * scale + shift) for p in placed.routes[e].points[1:-1]), b)
            stroke = several[-1][e]
            curve = Curve(points, stroke.line, _pen(stroke), stroke.dash)
            self.sheet.scene.back.append(Group(f"e{e}", [curve], edge_tip(graph, e)))
            self._move(f"#e{e} path", [self._stroke(strokes[e]) for strokes in several])

    def _nodes(self, graph: Graph, at: Floats, radius: float) -> None:
        several = [looks_of(diagram.nodes) for diagram in self.animation._diagrams]
        for i, (x, y) in enumerate(at.tolist()):
            look, kind = several[-1][i], graph.kinds[i]
            r = radius * (0.85 if kind == INPUT else 1.0)
            shape = "box" if kind == INPUT else "ellipse"
            shapes: list[Box | Curve | Text] = []
            if kind == LOSS:
                shapes.append(Box(x - r - 3, y - r - 3, 2 * r + 6, 2 * r + 6, "paper", look.line, "ellipse", look.pen))
            shapes.append(Box(x - r, y - r, 2 * r, 2 * r, look.fill, look.line, shape, look.pen, look.dash))
            name = short(graph.names[i], 24)
            if len(graph) <= NAMED and text_width(name, SIZE) <= 2 * r - 3:
                shapes.append(Text(x, y + 0.35 * SIZE, (Run(name, look.ink),), SIZE, "middle"))
            self.sheet.put(*shapes, name=f"n{i}", tip=f"{short(graph.names[i], 200)} · {graph.ops[i]}".rstrip(" ·"))
            if kind != LOSS:
                tag = "rect" if kind == INPUT else "ellipse"
                self._move(f"#n{i} {tag}", [self._fill(looks[i]) for looks in several])
                self._move(f"#n{i} text", [{"fill": self._colour(looks[i].ink)} for looks in several])

    def _dot(self, at: Sequence[Point]) -> None:
        """Add the dot that runs along the loss curve."""
        (x, y), r = at[-1], 4.0
        self.sheet.put(Box(x - r, y - r, 2 * r, 2 * r, "paper", "ink", "ellipse", 2.0), name="dot")
        self._move("#dot", [{"transform": f"translate({a - x:.1f}px,{b - y:.1f}px)"} for a, b in at])

    def _colour(self, role: str) -> str:
        self.roles.add(role)
        return f"var(--{role})"

    def _fill(self, look: Look) -> Style:
        return {"fill": self._colour(look.fill), "stroke": self._colour(look.line), "stroke-width": f"{look.pen:g}",
                "stroke-dasharray": DASHES[look.dash] or "none"}

    def _stroke(self, stroke: Stroke) -> Style:
        return {"stroke": self._colour(stroke.line), "stroke-width": f"{_pen(stroke):.2f}",
                "stroke-dasharray": DASHES[stroke.dash] or "none",
                "stroke-linecap": "round" if stroke.dash == "dotted" else "butt"}

    def _move(self, selector: str, states: Sequence[Style]) -> None:
        """Let an element go through states, one a frame; what stays the same all the time is left out."""
        varying = [name for name in states[0] if len({state[name] for state in states}) > 1]
        if not varying:
            return
        written = [";".join(f"{name}:{state[name]}" for name in varying) for state in states]
        steps = tuple((self._start(k), style) for k, style in enumerate(written) if not k or style != written[k - 1])
        self.rules.setdefault(steps, []).append(selector)

    def _start(self, k: int) -> float:
        """Return when frame k begins, in per cent of a round, a quarter of which is the last frame's."""
        return round(75.0 * k / max(len(self.animation.looks) - 1, 1), 2)

    @property
    def css(self) -> str:
        """The colours by name and what changes when."""
        theme, roles = self.animation.theme, sorted(self.roles)

        def named(palette: Mapping[str, str]) -> str:
            return f".dagrad{{{''.join(f'--{role}:{palette[role]};' for role in roles)}}}"

        colours = named(DARK if theme == "dark" else LIGHT)
        if theme == "auto":
            colours += f"@media (prefers-color-scheme:dark){{{named(DARK)}}}"
        hidden = f"[id^=clock]{{visibility:hidden}}#clock{len(self.frames) - 1}{{visibility:visible}}"
        moves = []
        for k, (steps, selectors) in enumerate(self.rules.items()):
            moves.append(f"@keyframes k{k}{{{''.join(f'{at:g}%{{{style}}}' for at, style in steps)}}}"
                         f"{','.join(selectors)}{{animation:k{k} {self.animation.seconds:g}s step-end infinite}}")
        return f"{colours}{hidden}@media (prefers-reduced-motion:no-preference){{{''.join(moves)}}}"


def _marks(diagrams: Sequence[Diagram]) -> list[tuple[str, str]]:
    """Return the legend entries of the marks that occur in any frame."""
    found = [entry for diagram in diagrams for entry in mark_legend(diagram.graph, diagram.nodes)]
    return [("heading", "nodes"), *dict.fromkeys(found)] if found else []


_CAPTION = "one frame per look at the training; |δ| of a unit is its root mean square over the same samples every time"


def _enlarged(placed: Layout, graph: Graph) -> tuple[Floats, float]:
    """Return the places of the nodes [n, 2] on the room there is, from (0, 0) on, and the radius of a node."""
    at = placed.at - placed.at.min(axis=0)
    wide, high = np.maximum(at.max(axis=0), 1e-9)
    radius = 14.0 if len(graph) <= NAMED else 8.0
    # As far apart as the picture is wide; one above the other no closer than they can be told apart.
    rows = [np.diff(np.sort(at[graph.levels == level, 1])) for level in np.unique(graph.levels)]
    closest = min((float(gaps.min()) for gaps in rows if len(gaps)), default=high)
    factor = min(max(2.5 * radius / max(closest, 1e-9), 0.5), HIGHEST / high)
    return at * [min(WIDEST / wide, 4.0), factor], radius


def _pen(stroke: Stroke) -> float:
    return 0.4 + 0.55 * stroke.pen


def _point(at: Any) -> Point:
    return float(at[0]), float(at[1])
