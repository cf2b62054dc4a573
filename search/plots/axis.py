"""An axis: numbers or choices as coordinates, and how Plotly draws them."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from typing import Any

import numpy
import pyarrow as pa
from numpy.typing import NDArray

from shoal.search.plots.trials import Trials

Numbers = NDArray[numpy.float64]

WIDE = 50.0
"""How many times the smallest of positive numbers the largest is where the axis is logarithmic."""

PAD = 0.04
"""Room at both ends, a share of the axis."""

STRIP = 0.14
"""Room beyond the worst number for trials that have none, a share of the axis."""

MIN_NUMBERS, NEARLY_ALL, FAR = 20, 0.9, 4.0
"""Where the worst of so many is so many times as far from the best as the worst of nearly all, what
is far worse is not on the axis."""

MAX_CHOICES = 24
"""Of numbers that are drawn at even distances."""

MAX_TEXT = 24
"""Characters of a choice beside an axis."""


def text(shown: object, most: int | None = None) -> str:
    """Return text of a user as Plotly draws it: no part of it is markup."""
    plain = str(shown)
    if most is not None and len(plain) > most:
        plain = f"{plain[: most - 1]}…"
    return html.escape(plain, quote=False)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis, and where the trials are on it.

    Attributes:
        name: as text of Plotly. values: of each trial, shape (n,); NaN: it has none. A choice's
            is its position.
        log: whether the axis is logarithmic. choices: as text of Plotly; none: of numbers.
        low, high: the ends of what is drawn.
        strip: whether there is room at one end for trials without a number; below: at the low one.
    """

    name: str
    values: Numbers
    low: float
    high: float
    log: bool = False
    choices: tuple[str, ...] = ()
    strip: bool = False
    below: bool = False
    title: str = field(default="")

    @property
    def has(self) -> NDArray[numpy.bool_]:
        """Which trials have a value, shape (n,)."""
        return numpy.isfinite(self.values)

    def linear(self, values: Numbers) -> Numbers:
        """Return values where 0 and 1 are the ends of what is drawn, whatever the scale."""
        low, high = self._ends
        scaled = numpy.log10(values) if self.log else values
        found: Numbers = (scaled / 2 - low / 2) / (high / 2 - low / 2)  # without an overflow
        return found

    def value(self, linear: Numbers) -> Numbers:
        """Return the inverse of `linear`."""
        low, high = self._ends
        scaled = low + linear * (high - low)
        found: Numbers = 10.0**scaled if self.log else scaled
        return found

    def in_strip(self, share: Numbers) -> Numbers:
        """Return coordinates in the strip of trials without a number.

        Args:
            share: how far from its inner end, from 0 to 1.
        """
        beyond = PAD + STRIP * (0.25 + 0.6 * share)
        return self.value(-beyond if self.below else 1 + beyond)

    @property
    def layout(self) -> dict[str, Any]:
        """The axis for Plotly."""
        low, high = self._ends
        width = high - low
        more = (PAD + STRIP) if self.strip else PAD
        ends = [low - (more if self.below else PAD) * width]
        ends.append(high + (PAD if self.below else more) * width)
        layout: dict[str, Any] = {"title": {"text": self.title or self.name}, "range": ends}
        if self.log:
            layout |= {"type": "log", "exponentformat": "power"}
            if width > 2:
                layout["dtick"] = max(1, round(width / 5))
        elif self.choices:
            layout |= {
                "tickvals": list(range(len(self.choices))),
                "ticktext": list(self.choices),
            }
        return layout

    @property
    def hover(self) -> str:
        """How a value is written where the mouse is, but for the variable's name."""
        return "" if self.choices else ":.6g"

    @property
    def _ends(self) -> tuple[float, float]:
        if not self.log:
            return self.low, self.high
        return math.log10(self.low), math.log10(self.high)


def of_hyperparameter(trials: Trials, name: str) -> Axis:
    """Return the axis of a hyperparameter."""
    dimension = trials.request.space[name]
    column = trials.hyperparameter(name)
    if 0 < len(dimension.choices) <= MAX_CHOICES or dimension.column == "str":
        is_number = dimension.column in ("int", "float")
        choices = sorted(dimension.choices, key=float) if is_number else dimension.choices
        values = _places(column, {choice: place for place, choice in enumerate(choices)})
        shown = tuple(text(choice, MAX_TEXT) for choice in choices)
        return Axis(name=text(name), values=values, low=-0.5, high=len(shown) - 0.5, choices=shown)
    values = column.cast(pa.float64()).to_numpy().astype(float)
    if dimension.choices:
        numbers = [float(choice) for choice in dimension.choices]
        low, high = min(numbers), max(numbers)
        return Axis(name=text(name), values=values, low=low, high=high, log=_is_wide(low, high))
    return Axis(
        name=text(name), values=values, low=dimension.low, high=dimension.high, log=dimension.log
    )


def of_objective(trials: Trials) -> Axis:
    """Return the axis of the objective, with room beyond the worst for trials without a number.

    Of an axis that is not logarithmic, some are beyond that are far worse than nearly all others.
    """
    goal = trials.request.goal
    score = numpy.where(numpy.isfinite(trials.score), trials.score, numpy.nan)
    values = -score if goal.maximize else score
    known = score[trials.best_first]
    if len(known) >= MIN_NUMBERS and not _is_wide(
        values[trials.best_first].min(), values[trials.best_first].max()
    ):
        nearly = known[int(NEARLY_ALL * len(known))] - known[0]
        if 0 < FAR * nearly < known[-1] - known[0]:
            values = numpy.where(score - known[0] > 2 * nearly, numpy.nan, values)
    strip = bool(len(values)) and not bool(numpy.isfinite(values).all())
    return of_numbers(goal.name, values, strip=strip, below=goal.maximize)


def of_number(trials: Trials, name: str) -> Axis:
    """Return the axis of the loss or a metric."""
    return of_numbers(name, trials.mean(name))


def of_numbers(name: str, values: Numbers, *, strip: bool = False, below: bool = False) -> Axis:
    """Return the axis of numbers, logarithmic where they are positive and far apart.

    Args:
        name: of the numbers. strip, below: as `Axis` has them.
    """
    finite = values[numpy.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    log = _is_wide(low, high)
    if not log and not high - low > 1e-12 * max(abs(low), abs(high)):
        room = 0.5 * abs(low) or 0.5
        low, high = low - room, high + room
    if not math.isfinite(high - low):  # the width is not to overflow
        low, high = max(low, -8e307), min(high, 8e307)
    name = text(name)
    return Axis(name=name, values=values, low=low, high=high, log=log, strip=strip, below=below)


def _is_wide(low: float, high: float) -> bool:
    return low > 0 and high / low > WIDE


def _places(column: pa.ChunkedArray, places: dict[Any, int]) -> Numbers:
    """The position of each value among the choices; NaN: null, or none of them."""
    coded = column.combine_chunks().dictionary_encode()
    known = [places.get(value, numpy.nan) for value in coded.dictionary.to_pylist()]
    indices = coded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
    found: Numbers = numpy.array([*known, numpy.nan], float)[indices.astype(int)]
    return found
