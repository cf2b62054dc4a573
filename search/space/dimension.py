"""A dimension: the values that one hyperparameter may take."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import numpy

from shoal.search.errors import BadInput
from shoal.search.space.activity import Ranks, common, ranks_from
from shoal.search.space.axes import NARROW, Axis, Counts
from shoal.search.space.conditions import ALWAYS, IF, ONE_OF, Alternatives, Condition, text_of
from shoal.search.space.plain import (
    MAX_WHOLE,
    Value,
    as_float,
    is_too_large,
    read,
    sort_of,
    written,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

ColumnType = Literal["float", "int", "bool", "str"]

COLUMNS = (
    "trial",
    "replicate",
    "fold",
    "loss",
    "best_step",
    "state",
    "steps",
    "round",
    "pack",
    "node",
    "device",
    "seconds",
    "started",
    "error",
    "step",
)
"""Columns of the results that no hyperparameter may be called."""

WHOLE = f"whole numbers reach from -{MAX_WHOLE} to {MAX_WHOLE}"

MAX_SHOWN = 100
"""Characters of choices in a message."""

SYNTAX = (
    "write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, LOW:HIGH:STEP[:int], a,b,c or "
    "one value"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dimension:
    """The values of one hyperparameter: a range, or choices (one choice: fixed).

    Two are equal if they are written alike: 1 and 1.0 and True are different choices.

    Attributes:
        step: distance of a range's values; 0: any number, or any whole one.
        condition: when it is active, as the user wrote it.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False
    step: float = 0.0
    choices: tuple[Value, ...] = ()
    condition: Alternatives = ALWAYS

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise BadInput(f"{self.name!r} is no name for a hyperparameter: use letters, digits, _")
        if self.name in COLUMNS:
            raise BadInput(f"{self.name} is a column of the results and no hyperparameter's name")
        if self.choices:
            self._check_choices()
        elif not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise BadInput(f"{self.name}={self.text}: both ends must be finite numbers")
        elif self.low >= self.high:
            raise BadInput(f"{self.name}={self.text}: the low end must be below the high end")
        elif self.log and self.low <= 0:
            raise BadInput(f"{self.name}={self.text}: with log the low end must be above 0")
        elif self.integer and max(-self.low, self.high) > MAX_WHOLE:
            raise BadInput(f"{self.name}={self.text}: {WHOLE}")
        elif self.step and not math.isfinite(self.high - self.low):
            raise BadInput(f"{self.name}={self.text}: with a step the ends are too far apart")
        else:
            object.__setattr__(self, "low", float(self.low) + 0.0)  # 0.0 for -0.0
            object.__setattr__(self, "high", float(self.high) + 0.0)
            if self.step:
                self._check_step()

    def _check_step(self) -> None:
        step = float(self.step)
        object.__setattr__(self, "step", step)
        if not (math.isfinite(step) and step > 0):
            raise BadInput(f"{self.name}={self.shown}: a step is a number above 0")
        if self.log:
            raise BadInput(
                f"{self.name}={self.shown}: a step does not go with log; list the values"
            )
        if self.integer and not step.is_integer():
            raise BadInput(f"{self.name}={self.shown}: with int the step must be a whole number")
        low, high, by = (Decimal(repr(value)) for value in (self.low, self.high, step))
        if high - low < by:
            raise BadInput(f"{self.name}={self.shown}: the step is longer than the range")
        if (high - low) / by >= MAX_WHOLE:
            raise BadInput(f"{self.name}={self.shown}: the step is too short for the range")
        steps = int((high - low) / by)
        if low + steps * by != high:
            ends = [self._number(float(low + n * by)) for n in (steps, steps + 1)]
            raise BadInput(
                f"{self.name}={self.shown}: steps from the low end do not reach the high end; "
                f"write {ends[0]} or {ends[1]} for it"
            )
        if self.integer and step == 1:
            object.__setattr__(self, "step", 0.0)

    def _number(self, value: float) -> str:
        """An end or a step as it is written."""
        return written(int(value) if self.integer and float(value).is_integer() else value)

    def _check_choices(self) -> None:
        if len({sort_of(choice) for choice in self.choices}) > 1:
            raise BadInput(
                f"{self.name}={self.shown}: choices are all numbers, all words or all truth values "
                "(True,False)"
            )
        for word in self.choices:
            if isinstance(word, str) and not _is_word(word):
                raise BadInput(f"{self.name}: {word!r} is no word; {_instead(word)}")
        if any(is_too_large(choice) for choice in self.choices):
            raise BadInput(f"{self.name}: {WHOLE}")
        if len(set(self.choices)) < len(self.choices):
            raise BadInput(f"{self.name}={self.shown}: a choice is named twice")
        if any(isinstance(c, float) and not math.isfinite(c) for c in self.choices):
            raise BadInput(f"{self.name}={self.shown}: a value must be a finite number")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dimension):
            return NotImplemented
        return (self.name, self.text) == (other.name, other.text)

    def __hash__(self) -> int:
        return hash((self.name, self.text))

    @property
    def count(self) -> float:
        """How many values it may take; inf for a range of floats."""
        if self.choices:
            return len(self.choices)
        return self.axis.size or math.inf

    @property
    def always(self) -> bool:
        """Whether it has no condition of its own."""
        return self.condition == ALWAYS

    @property
    def fixed(self) -> bool:
        """Whether there is one value only."""
        return len(self.choices) == 1

    @functools.cached_property
    def text(self) -> str:
        """The dimension as it is written, with its condition."""
        return self.values_text + ("" if self.always else IF + text_of(self.condition))

    @property
    def values_text(self) -> str:
        """The values as they are written, without the condition."""
        if self.choices:
            return ",".join(written(choice) for choice in self.choices)
        return ":".join(
            [
                *map(self._number, (self.low, self.high)),
                *([self._number(self.step)] if self.step else []),
                *(["int"] if self.integer else []),
                *(["log"] if self.log else []),
            ]
        )

    @property
    def shown(self) -> str:
        """The same for a message, where a long list is cut short."""
        if len(self.values_text) <= MAX_SHOWN:
            return self.text
        short = f"{self.values_text[:MAX_SHOWN]}... ({len(self.choices)} choices)"
        return self.text.replace(self.values_text, short, 1)

    @property
    def column(self) -> ColumnType:
        """The type of its column in the results."""
        if not self.choices:
            return "int" if self.integer else "float"
        (kind, *others) = {type(choice) for choice in self.choices}
        names: dict[type, ColumnType] = {bool: "bool", int: "int", str: "str"}
        return "float" if others else names.get(kind, "float")

    @property
    def distribution(self) -> BaseDistribution:
        """The dimension as Optuna has it."""
        from optuna import distributions as d

        if self.choices:
            return d.CategoricalDistribution(self.choices)
        log = self.log and self.high / self.low > NARROW
        if self.integer:
            step = int(self.step) or 1
            return d.IntDistribution(int(self.low), int(self.high), log=log, step=step)
        return d.FloatDistribution(self.low, self.high, log=log, step=self.step or None)

    @functools.cached_property
    def axis(self) -> Axis:
        """The dimension as a coordinate, active everywhere."""
        if self.choices:
            return Axis(choices=len(self.choices))
        step = self.step or float(self.integer)
        return Axis(low=self.low, high=self.high, log=self.log, step=step)

    def allowed(self, conditions: Iterable[Condition]) -> Ranks:
        """Return the ranks of the values that all of some conditions on it allow."""
        ranks: Ranks = (0, self.axis.count)
        for condition in conditions:
            ranks = common(ranks, self._allowed(condition))
        return ranks

    def _allowed(self, condition: Condition) -> Ranks:
        if self.choices:
            places = [i for i, choice in enumerate(self.choices) if condition.allows(choice)]
            return ranks_from((i, i + 1) for i in places)
        axis, bounds = self.axis, [as_float(v) for v in condition.values if not isinstance(v, str)]
        if condition.ordered:
            (bound,) = bounds
            place = axis.below(bound, included=condition.relation in ("<=", ">"))
            below = condition.relation in ("<", "<=")
            return ranks_from([(0, place) if below else (place, axis.count)])
        there = [[axis.below(v, included=included) for included in (False, True)] for v in bounds]
        ranks = ranks_from((first, last) for first, last in there if first < last)
        if condition.relation == ONE_OF:
            return ranks
        return ranks_from([(0, axis.count), *zip(ranks[::2], ranks[1::2], strict=True)])

    def samples(self) -> tuple[Value, ...]:
        """A few values across the dimension: the ends and the middle, or every choice."""
        if self.choices:
            return self.choices
        middle = self.low / 2 + self.high / 2
        if self.log:
            middle = math.sqrt(self.low) * math.sqrt(self.high)
        elif self.step:
            (half,) = self.axis.of_ranks(numpy.array([self.axis.size // 2], numpy.uint64))
            middle = float(half)
        values = (self.low, min(max(middle, self.low), self.high), self.high)
        return tuple(int(value) for value in values) if self.integer else values

    def every(self) -> tuple[Value, ...]:
        """All values, where they can be listed: of choices, or of a range with steps."""
        return self.choices or self.at(numpy.arange(self.axis.size, dtype=numpy.uint64))

    def at(self, ranks: Counts) -> tuple[Value, ...]:
        """Return the values of ranks (`Axis.ranks`)."""
        values = self.axis.of_ranks(ranks).tolist()
        if self.choices:
            return tuple(self.choices[place] for place in values)
        return tuple(map(int, values)) if self.integer else tuple(values)


def _is_word(text: str) -> bool:
    """Whether `text` is read as itself where it is written as a choice."""
    return (
        text.isprintable()
        and text == text.strip()
        and not set(text) & set(",:")
        and IF not in f" {text} "
        and (bool(text) and isinstance(read(text), str))
    )


def _instead(text: str) -> str:
    """What to write for text that is no word."""
    value = read(text)
    if isinstance(value, str):
        return "a word has no comma, no colon and no if in it"
    return f"write {value!r}, without quotes"
