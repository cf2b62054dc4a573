"""The space: which values each hyperparameter may take, and how that is written.

    LOW:HIGH              floats, uniform           lr=0.1:0.9
    LOW:HIGH:log          floats, log-uniform       lr=1e-8:1e-4:log
    LOW:HIGH:int          integers                  width=8:64:int
    LOW:HIGH:int:log      integers, log-uniform     width=8:4096:int:log
    a,b,c                 choices                   rule=sgd,momentum,adam
    VALUE                 fixed                     lr=1e-6

The same in the command line, in TOML and in Python, where a number, a list of choices and an
Optuna distribution are understood too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from search.errors import BadInput

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = float | int | str

MOST_WHOLE = 2**53
"""Up to here each whole number is a float too, as hyperparameters of a lane are."""
ColumnType = Literal["float", "int", "str"]

COLUMNS = (
    "trial", "replicate", "loss", "state", "steps", "round", "pack",
    "node", "device", "seconds", "started", "error", "step",
)  # fmt: skip
"""Columns of the results that no hyperparameter may be called."""

WHOLE = f"whole numbers reach from -{MOST_WHOLE} to {MOST_WHOLE}"

SYNTAX = "write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, a,b,c or one value"


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """The values of one hyperparameter: a range, or choices (one choice: fixed)."""

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
        elif self.integer and max(-self.low, self.high) > MOST_WHOLE:
            raise BadInput(f"{self.name}={self.text}: {WHOLE}")
        elif not math.isfinite(self.high - self.low):
            raise BadInput(f"{self.name}={self.text}: the ends are too far apart")

    def _check_choices(self) -> None:
        if len({isinstance(choice, str) for choice in self.choices}) > 1:
            raise BadInput(
                f"{self.name}={self.text}: choices are all numbers or all words, not both"
            )
        for word in self.choices:
            if isinstance(word, str) and not _is_word(word):
                raise BadInput(f"{self.name}: {word!r} is no word; a word has no comma or colon")
        if any(isinstance(c, int) and abs(c) > MOST_WHOLE for c in self.choices):
            raise BadInput(f"{self.name}: {WHOLE}")
        if len(set(self.choices)) < len(self.choices):
            raise BadInput(f"{self.name}={self.text}: a choice is named twice")
        if any(isinstance(c, float) and not math.isfinite(c) for c in self.choices):
            raise BadInput(f"{self.name}={self.text}: a value must be a finite number")

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

    @property
    def text(self) -> str:
        """The dimension as it is written."""
        if self.choices:
            return ",".join(_number(choice) for choice in self.choices)
        ends = (int(self.low), int(self.high)) if self._whole else (self.low, self.high)
        return ":".join(
            [
                *map(_number, ends),
                *(["int"] if self.integer else []),
                *(["log"] if self.log else []),
            ]
        )

    @property
    def _whole(self) -> bool:
        return self.integer and float(self.low).is_integer() and float(self.high).is_integer()

    @property
    def column(self) -> ColumnType:
        """The type of its column in the results."""
        if not self.choices:
            return "int" if self.integer else "float"
        kinds = {type(choice) for choice in self.choices}
        return "str" if kinds == {str} else "int" if kinds == {int} else "float"

    @property
    def distribution(self) -> BaseDistribution:
        """The dimension as Optuna has it."""
        from optuna import distributions as d

        if self.choices:
            return d.CategoricalDistribution(self.choices)
        if self.integer:
            return d.IntDistribution(int(self.low), int(self.high), log=self.log)
        return d.FloatDistribution(self.low, self.high, log=self.log)

    def samples(self) -> tuple[Value, ...]:
        """A few values across the dimension: the ends and the middle, or every choice."""
        if self.choices:
            return self.choices
        middle = self.low / 2 + self.high / 2
        if self.log:
            middle = math.sqrt(self.low) * math.sqrt(self.high)
        values = (self.low, middle, self.high)
        return tuple(int(value) for value in values) if self.integer else values


class Space(Mapping[str, Dimension]):
    """The dimensions of a search by name, in the order given."""

    def __init__(self, dimensions: Iterable[Dimension]) -> None:
        self._dimensions = {dimension.name: dimension for dimension in dimensions}

    def __getitem__(self, name: str) -> Dimension:
        return self._dimensions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dimensions)

    def __len__(self) -> int:
        return len(self._dimensions)

    def texts(self) -> dict[str, str]:
        """Each dimension as it is written."""
        return {name: dimension.text for name, dimension in self.items()}

    def __repr__(self) -> str:
        return f"Space({self.texts()})"


def parse(name: str, value: object) -> Dimension:
    """Return the dimension that `value` writes: text, a number, choices or a distribution.

    Raises:
        BadInput: it writes none.
    """
    if isinstance(value, str):
        return _parse_text(name, value)
    if isinstance(value, (list, tuple)) and value:
        return Dimension(name=name, choices=_alike([_plain(name, item) for item in value]))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Dimension(name=name, choices=(value,))
    return _parse_distribution(name, value)


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """Return name and text of each ``NAME=VALUES``.

    Raises:
        BadInput: one has another form, or a name comes twice.
    """
    found: dict[str, str] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            raise BadInput(f"{assignment!r} is not NAME=VALUES, as in lr=1e-8:1e-4:log")
        if name in found:
            raise BadInput(f"the space names {name} twice")
        found[name] = text
    return found


def _parse_text(name: str, text: str) -> Dimension:
    text = text.strip()
    if not text:
        raise BadInput(f"{name}= has no values; {SYNTAX}")
    if "," in text:
        words = [word.strip() for word in text.split(",")]
        if not all(words):
            raise BadInput(f"{name}={text}: an empty choice; {SYNTAX}")
        return Dimension(name=name, choices=_alike([_word(word) for word in words]))
    parts = [part.strip() for part in text.split(":")]
    if len(parts) == 1:
        return Dimension(name=name, choices=(_word(text),))
    flags = parts[2:]
    if not set(flags) <= {"int", "log"} or len(set(flags)) < len(flags):
        raise BadInput(f"{name}={text}: {SYNTAX}")
    ends = [_word(part) for part in parts[:2]]
    if any(isinstance(end, str) for end in ends):
        raise BadInput(f"{name}={text}: {parts[0]!r} and {parts[1]!r} must be numbers; {SYNTAX}")
    low, high = (_float(end) for end in ends)
    if "int" in flags and not (low.is_integer() and high.is_integer()):
        raise BadInput(f"{name}={text}: with int both ends must be whole numbers")
    return Dimension(name=name, low=low, high=high, log="log" in flags, integer="int" in flags)


def _parse_distribution(name: str, value: object) -> Dimension:
    from optuna import distributions as d

    if isinstance(value, d.CategoricalDistribution):
        return Dimension(name=name, choices=_alike([_plain(name, c) for c in value.choices]))
    if isinstance(value, (d.FloatDistribution, d.IntDistribution)):
        integer = isinstance(value, d.IntDistribution)
        if value.step not in (None, 1):
            raise BadInput(f"{name}: a step of {value.step} is not supported; list the choices")
        if value.low == value.high:
            return Dimension(name=name, choices=(value.low,))
        return Dimension(name=name, low=value.low, high=value.high, log=value.log, integer=integer)
    raise BadInput(f"{name}: {value!r} is no dimension; {SYNTAX}, or an Optuna distribution")


def _plain(name: str, item: Any) -> Value:
    if isinstance(item, bool) or not isinstance(item, (int, float, str)):
        raise BadInput(f"{name}: {item!r} is no choice; choices are numbers or words")
    return item


def _alike(values: list[Value]) -> tuple[Value, ...]:
    """Make numbers floats where one of them is."""
    if any(isinstance(value, float) for value in values):
        return tuple(_float(v) if isinstance(v, int) else v for v in values)
    return tuple(values)


def _is_word(text: str) -> bool:
    """Whether `text` is read as itself where it is written as a choice."""
    return (
        text.isprintable()
        and text == text.strip()
        and not set(text) & set(",:")
        and (bool(text) and isinstance(_word(text), str))
    )


def _word(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _float(value: Value) -> float:
    """A number as a float, infinite where it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if int(value) > 0 else -math.inf


def _number(value: Value) -> str:
    return value if isinstance(value, str) else repr(value)
