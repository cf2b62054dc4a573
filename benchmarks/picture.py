"""The picture of a run: seconds against trials, both logarithmic, as SVG.

python benchmarks/picture.py benchmarks/results/table.json > benchmarks/results/cost.svg
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

from record import Record
from series import BY_KEY

WIDTH, HEIGHT = 960, 560
LEFT, RIGHT, TOP, BOTTOM = 84, 270, 50, 60
INK, FAINT = "#222222", "#dddddd"
OURS = "#c1121f"
COLOURS = (
    "#0072b2",
    "#009e73",
    "#56b4e9",
    "#e69f00",
    "#6a4c93",
    "#8d6e63",
    "#5f6b7a",
    "#b5179e",
    "#7a8b00",
)  # told apart with any colour vision by their labels as well
LABEL_GAP = 16

Points = Sequence[tuple[float, float]]


class Axes:
    """Places of trials and seconds on the sheet."""

    def __init__(self, points: Points) -> None:
        trials, seconds = zip(*points, strict=True)
        self.low = (math.floor(math.log10(min(trials))), math.floor(math.log10(min(seconds))))
        self.high = (math.log10(max(trials)) + 0.05, math.ceil(math.log10(max(seconds))))

    def x(self, trials: float) -> float:
        """From the left."""
        share = (math.log10(trials) - self.low[0]) / (self.high[0] - self.low[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, seconds: float) -> float:
        """From the top."""
        share = (math.log10(seconds) - self.low[1]) / (self.high[1] - self.low[1])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> list[str]:
        """Lines and numbers at the powers of ten."""
        parts = []
        for power in range(self.low[0], math.floor(self.high[0]) + 1):
            x = self.x(10**power)
            parts.append(stroke(x, TOP, x, HEIGHT - BOTTOM, FAINT))
            parts.append(label(x, HEIGHT - BOTTOM + 18, f"{10**power:,}", anchor="middle"))
        for power in range(self.low[1], self.high[1] + 1):
            y = self.y(10**power)
            parts.append(stroke(LEFT, y, WIDTH - RIGHT, y, FAINT))
            parts.append(label(LEFT - 8, y + 4, f"{10.0**power:,g}", anchor="end"))
        middle = TOP + (HEIGHT - TOP - BOTTOM) / 2
        parts.append(label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, "trials", anchor="middle"))
        parts.append(
            f'<text x="18" y="{middle:.1f}" text-anchor="middle" fill="{INK}" '
            f'transform="rotate(-90 18 {middle:.1f})">seconds, start-up included</text>'
        )
        return parts


def head(title: str, axes: Axes) -> list[str]:
    """The sheet, its title and its grid."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="Helvetica, Arial, sans-serif" '
        f'font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        label(LEFT, 28, title, size=16),
        *axes.grid(),
    ]


def draw(record: Record) -> str:
    """The whole file."""
    measured: dict[str, list[tuple[float, float]]] = {}
    for key in ("shoal", *BY_KEY):
        points = [(n, s) for n in record.sizes(key) if (s := record.seconds(key, n)) is not None]
        if points:
            measured[key] = points
    ahead = {
        key: (record.large, line.seconds(record.large))
        for key in measured
        if key != "shoal" and (line := record.line(key)) and line.large < record.large
    }
    axes = Axes([p for points in measured.values() for p in points] + list(ahead.values()))
    machine = record.all["machine"]
    title = f"The course's fit, searched: {machine['processor']}, {machine['cores']} cores"
    parts = head(title, axes)
    ends = []
    for index, (key, points) in enumerate(measured.items()):
        colour = OURS if key == "shoal" else COLOURS[(index - 1) % len(COLOURS)]
        wide = 3.0 if key == "shoal" else 1.8
        places = [(axes.x(n), axes.y(s)) for n, s in points]
        parts.append(polyline(places, colour, wide))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        if key in ahead:
            places = [places[-1], (axes.x(ahead[key][0]), axes.y(ahead[key][1]))]
            parts.append(polyline(places, colour, 1.2, dash="4 4"))
        name = "shoal" if key == "shoal" else BY_KEY[key].label
        ends.append((places[-1][0], places[-1][1], name, colour))
    parts += labels(ends)
    note = "dots: measured; dashed: at the rate between a peer's two sizes"
    parts.append(label(WIDTH - 12, HEIGHT - 16, note, anchor="end", size=11))
    return "\n".join([*parts, "</svg>", ""])


def labels(ends: list[tuple[float, float, str, str]]) -> list[str]:
    """A label right of the sheet for each line's end, none over another."""
    ends = sorted(ends, key=lambda end: end[1])
    places = [end[1] for end in ends]
    for _ in range(200):
        for i in range(len(places) - 1):
            lacking = LABEL_GAP - (places[i + 1] - places[i])
            if lacking > 0:
                places[i] -= lacking / 2
                places[i + 1] += lacking / 2
    x = WIDTH - RIGHT + 22
    parts = []
    for place, (from_x, from_y, name, colour) in zip(places, ends, strict=True):
        parts.append(stroke(from_x + 5, from_y, x - 4, place, colour, 0.7))
        weight = "bold" if name == "shoal" else "normal"
        parts.append(label(x, place + 4, name, colour=colour, weight=weight))
    return parts


def stroke(x1: float, y1: float, x2: float, y2: float, colour: str, wide: float = 1.0) -> str:
    """A straight line."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{wide}"/>'
    )


def polyline(places: Points, colour: str, wide: float, dash: str = "none") -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{wide}" '
        f'stroke-dasharray="{dash}"/>'
    )


def label(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: int = 13,
    colour: str = INK,
    weight: str = "normal",
) -> str:
    """A text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'font-weight="{weight}" fill="{colour}">{escape(text)}</text>'
    )


if __name__ == "__main__":
    read = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.stdout.write(draw(Record(read)))
