"""A dimension: the values that one hyperparameter may take."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shoal.search.errors import BadInput
from shoal.search.space.plain import MAX_WHOLE, Value, is_too_large, read, sort_of, written

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

SYNTAX = "write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, a,b,c or one value"


@dataclass(frozen=True, kw_only=True, eq=False)
class Dimension:
    """The values of one hyperparameter: a range, or choices (one choice: fixed).

    Two are equal if they are written alike: 1 and 1.0 and True are different choices.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False
    choices: tuple[Value, ...] = ()

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
        elif not math.isfinite(self.high - self.low):
            raise BadInput(f"{self.name}={self.text}: the ends are too far apart")
        else:
            object.__setattr__(self, "low", float(self.low) + 0.0)  # 0.0 for -0.0
            object.__setattr__(self, "high", float(self.high) + 0.0)

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
        return self.high - self.low + 1 if self.integer else math.inf

    @property
    def fixed(self) -> bool:
        """Whether there is one value only."""
        return len(self.choices) == 1

    @functools.cached_property
    def text(self) -> str:
        """The dimension as it is written."""
        if self.choices:
            return ",".join(written(choice) for choice in self.choices)
        ends = (int(self.low), int(self.high)) if self._whole else (self.low, self.high)
        return ":".join(
            [
                *map(written, ends),
                *(["int"] if self.integer else []),
                *(["log"] if self.log else []),
            ]
        )

    @property
    def shown(self) -> str:
        """The same for a message, where a long list is cut short."""
        if len(self.text) <= MAX_SHOWN:
            return self.text
        return f"{self.text[:MAX_SHOWN]}... ({len(self.choices)} choices)"

    @property
    def _whole(self) -> bool:
        return self.integer and float(self.low).is_integer() and float(self.high).is_integer()

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

        from shoal.search.space.axes import NARROW

        if self.choices:
            return d.CategoricalDistribution(self.choices)
        log = self.log and self.high / self.low > NARROW
        if self.integer:
            return d.IntDistribution(int(self.low), int(self.high), log=log)
        return d.FloatDistribution(self.low, self.high, log=log)

    def samples(self) -> tuple[Value, ...]:
        """A few values across the dimension: the ends and the middle, or every choice."""
        if self.choices:
            return self.choices
        middle = self.low / 2 + self.high / 2
        if self.log:
            middle = math.sqrt(self.low) * math.sqrt(self.high)
        values = (self.low, min(max(middle, self.low), self.high), self.high)
        return tuple(int(value) for value in values) if self.integer else values


def _is_word(text: str) -> bool:
    """Whether `text` is read as itself where it is written as a choice."""
    return (
        text.isprintable()
        and text == text.strip()
        and not set(text) & set(",:")
        and (bool(text) and isinstance(read(text), str))
    )


def _instead(text: str) -> str:
    """What to write for text that is no word."""
    value = read(text)
    if isinstance(value, str):
        return "a word has no comma or colon"
    return f"write {value!r}, without quotes"
