"""Drawings in text: points in a field of characters, each of which has two by four dots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from shoal.search.command.terminal.text import cut

DOTS = numpy.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bits of a character of Unicode's Braille patterns, by row and column of its dots."""

BLANK = 0x2800
HEIGHT = 12
"""Lines of a drawing, axes aside."""

MIN_WIDTH = 8
SPAN = 100.0
"""A log axis is taken where the largest value is so many times the smallest."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a drawing.

    Attributes:
        name: what it shows; values: of the points; log: its scale, None: by the values.
    """

    name: str
    values: NDArray[Any]
    log: bool | None = None


def drawn(x: Axis, y: Axis, width: int, plain: bool = False) -> str:
    """Return points as lines of text, at the most `width` characters wide.

    What is not finite is left out; how many these are stands in the first line.

    Args:
        plain: whether characters of ASCII are to be used alone.
    """
    there = numpy.isfinite(x.values) & numpy.isfinite(y.values)
    across, down = x.values[there].astype(float), y.values[there].astype(float)
    out = len(there) - len(across)
    told = f" ({out:,} of {len(there):,} are not finite and left out)" if out else ""
    x_log, y_log = _is_log(across, x.log), _is_log(down, y.log)
    scale = ", log" if y_log else ""
    head = cut(f"{y.name}{scale}{told}", width)
    if not len(across):
        return f"{head}\nno points"
    ends = [f"{end:.4g}" for end in (down.max(), down.min())]
    margin = max(map(len, ends))
    columns = max(MIN_WIDTH, width - margin - 2)
    field = numpy.zeros((HEIGHT, columns), dtype=int)
    right = _places(across, x_log, 2 * columns)
    below = 4 * HEIGHT - 1 - _places(down, y_log, 4 * HEIGHT)
    numpy.bitwise_or.at(field, (below // 4, right // 2), DOTS[below % 4, right % 2])
    lines = [head]
    for i, row in enumerate(field):
        label = ends[0] if i == 0 else ends[1] if i == HEIGHT - 1 else ""
        dots = "".join(_character(dot, plain) for dot in row)
        lines.append(f"{label.rjust(margin)} {'|' if plain else '┤'}{dots}".rstrip())
    lines.append(f"{' ' * margin} {'+' if plain else '└'}{('-' if plain else '─') * columns}")
    low, high = f"{across.min():.4g}", f"{across.max():.4g}"
    name = f"{x.name}{', log' if x_log else ''}"
    room = columns - len(low) - len(high)
    middle = cut(name, room - 2).center(room) if room > 4 else " "
    lines.append(f"{' ' * margin}  {low}{middle}{high}")
    return "\n".join(lines)


def _is_log(values: NDArray[numpy.float64], log: bool | None) -> bool:
    if not len(values) or values.min() <= 0:
        return False
    ratio = numpy.log(values.max()) - numpy.log(values.min())
    return bool(ratio >= numpy.log(SPAN)) if log is None else log


def _places(values: NDArray[numpy.float64], log: bool, count: int) -> NDArray[numpy.int64]:
    """Which of `count` dots each value is, shape (points,)."""
    largest = numpy.abs(values).max() or 1.0  # so that no difference overflows
    scaled = numpy.log(values) if log else values / largest
    low, high = scaled.min(), scaled.max()
    share = (scaled - low) / (high - low) if high > low else numpy.full(len(scaled), 0.5)
    return numpy.minimum((share * count).astype(numpy.int64), count - 1)


def _character(dots: int, plain: bool) -> str:
    if plain:
        return "*" if dots else " "
    return chr(BLANK + dots) if dots else " "
