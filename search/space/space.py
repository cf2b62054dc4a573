"""The space: which values each hyperparameter may take, and how that is written.

    LOW:HIGH              floats, uniform           lr=0.1:0.9
    LOW:HIGH:log          floats, log-uniform       lr=1e-8:1e-4:log
    LOW:HIGH:int          integers                  width=8:64:int
    LOW:HIGH:int:log      integers, log-uniform     width=8:4096:int:log
    a,b,c                 choices                   optimizer=sgd,momentum,adam
    True,False            truth values              bias=True,False
    VALUE                 fixed                     lr=1e-6
    LOW:HIGH:STEP         with steps, as floats     dropout=0:0.5:0.1
    LOW:HIGH:STEP:int     with steps, as integers   width=8:64:8:int
    … if CONDITION        active in some trials     width2=8:64:int if layers>=2

The same in the command line, in TOML and in Python, where a value, a list of choices (or an array,
a Series or a range) and an Optuna distribution are understood too; with a condition these are
``{"values": …, "if": "layers>=2"}``. `shoal.search.space.conditions` says what a condition is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.space.conditions import (
    ALWAYS,
    Alternatives,
    both,
    condition_of,
    simplified,
)
from shoal.search.space.dimension import MAX_SHOWN, SYNTAX, WHOLE, Dimension
from shoal.search.space.plain import (
    MAX_CHOICES,
    as_float,
    is_too_large,
    items,
    named,
    plain,
    read,
    sort_of,
)


class Space(Mapping[str, Dimension]):
    """The dimensions of a search by name, in the order given.

    Attributes:
        conditions: those that follow from the search, by name, besides what dimensions have of
            their own.
    """

    def __init__(
        self,
        dimensions: Iterable[Dimension],
        conditions: Mapping[str, Alternatives] | None = None,
    ) -> None:
        """Collect them.

        Raises:
            BadInput: the conditions go in a circle, or are on what is not there.
        """
        self._dimensions = {dimension.name: dimension for dimension in dimensions}
        self.conditions: Mapping[str, Alternatives] = dict(conditions or {})
        for name in self.conditions:
            if name not in self._dimensions:
                raise BadInput(f"there is a condition for {name}, which is not in the space")
        every = {
            name: both(self.conditions.get(name, ALWAYS), dimension.condition)
            for name, dimension in self.items()
        }
        self._when = simplified(self._dimensions, every)

    def __getitem__(self, name: str) -> Dimension:
        return self._dimensions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dimensions)

    def __len__(self) -> int:
        return len(self._dimensions)

    def when(self, name: str) -> Alternatives:
        """Return when a hyperparameter is active, said of hyperparameters that have several
        values."""
        return self._when[name]

    @property
    def conditional(self) -> tuple[str, ...]:
        """The hyperparameters that are not active in every trial."""
        return tuple(name for name in self if self.when(name) != ALWAYS)

    def texts(self) -> dict[str, str]:
        """Each dimension as it is written."""
        return {name: dimension.text for name, dimension in self.items()}

    def __repr__(self) -> str:
        more = f", {dict(self.conditions)}" if self.conditions else ""
        return f"Space({self.texts()}{more})"


def parse(name: str, value: object) -> Dimension:
    """Return the dimension that `value` writes: text, a value, choices or a distribution.

    Raises:
        BadInput: it writes none.
    """
    name, value = named(name), plain(value)
    if isinstance(value, Mapping) and set(value) == {"values", "if"}:
        dimension, condition = parse(name, value["values"]), value["if"]
        if not isinstance(condition, str):
            raise BadInput(f"{name}: if takes text, as 'layers>=2', not {condition!r}")
        if not dimension.always:
            raise BadInput(f"{name} has two conditions; write one of them")
        return replace(dimension, condition=condition_of(name, condition))
    if isinstance(value, str):
        values, *condition = _IF.split(value, maxsplit=1)
        dimension = _parse_text(name, values)
        return (
            replace(dimension, condition=condition_of(name, condition[0]))
            if condition
            else dimension
        )
    if isinstance(value, (bool, int, float)):
        return Dimension(name=name, choices=(value,))
    if choices := items(value):
        return _of_choices(name, choices)
    return _parse_distribution(name, value)


def of_names(given: Mapping[Any, object]) -> dict[str, Dimension]:
    """Return the dimensions of a table of names and values.

    Raises:
        BadInput: one is none, or a name comes twice, as Python reads names.
    """
    found: dict[str, Dimension] = {}
    for name, value in given.items():
        dimension = parse(str(name), value)
        if dimension.name in found:
            raise BadInput(f"the space names {dimension.name} twice")
        found[dimension.name] = dimension
    return found


_IF = re.compile(r"(?:^|\s)if(?:\s|$)")


def range_meant(name: str, text: str) -> str:
    """Return how a range is written, where `text` looks like one that is written otherwise."""
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        return ""
    low, high, flags = found.groups()
    return f"a range is LOW:HIGH, type {name}={low}:{high}{flags}"


_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_RANGE = re.compile(rf"{_NUMBER}\s*(?:-|–|—|\.\.\.?|…|\bto\b|;)\s*{_NUMBER}((?::int|:log)*)")


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """Return name and text of each ``NAME=VALUES``.

    Raises:
        BadInput: one has another form, or a name comes twice.
    """
    found: dict[str, str] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = named(name)
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
        return _of_choices(name, [read(word) for word in words])
    parts = [part.strip() for part in text.split(":")]
    if len(parts) == 1:
        return Dimension(name=name, choices=(read(text),))
    flags, numbers = parts[2:], parts[:2]
    if flags and sort_of(read(flags[0])) == "number":
        numbers.append(flags.pop(0))
    if not set(flags) <= {"int", "log"} or len(set(flags)) < len(flags):
        raise BadInput(f"{name}={text}: {SYNTAX}")
    ends = [read(part) for part in numbers]
    if any(sort_of(end) != "number" for end in ends):
        way = range_meant(name, text)
        raise BadInput(
            f"{name}={text}: {way}"
            if way
            else f"{name}={text}: {parts[0]!r} and {parts[1]!r} must be numbers; {SYNTAX}"
        )
    if "int" in flags and any(is_too_large(end) for end in ends):
        raise BadInput(f"{name}={text}: {WHOLE}")
    low, high, *steps = (as_float(end) for end in ends)
    if "int" in flags and not (low.is_integer() and high.is_integer()):
        raise BadInput(f"{name}={text}: with int both ends must be whole numbers")
    if 0.0 in steps:
        raise BadInput(f"{name}={text}: a step is a number above 0")
    return Dimension(
        name=name,
        low=low,
        high=high,
        log="log" in flags,
        integer="int" in flags,
        step=steps[0] if steps else 0.0,
    )


def _parse_distribution(name: str, value: object) -> Dimension:
    from optuna import distributions as d

    if isinstance(value, d.CategoricalDistribution):
        return _of_choices(name, [plain(choice) for choice in value.choices])
    if isinstance(value, (d.FloatDistribution, d.IntDistribution)):
        integer = isinstance(value, d.IntDistribution)
        if value.low == value.high:
            return Dimension(name=name, choices=(value.low,))
        return Dimension(
            name=name,
            low=value.low,
            high=value.high,
            log=value.log,
            integer=integer,
            step=value.step or 0.0,
        )
    if hasattr(value, "__len__") and len(value) > MAX_CHOICES:
        raise BadInput(f"{name}: {len(value)} choices; {MAX_CHOICES} is the most; {SYNTAX}")
    what = " ".join(repr(value).split())[:MAX_SHOWN]
    raise BadInput(f"{name}: {what} is no dimension; {SYNTAX}, or an Optuna distribution")


def _of_choices(name: str, values: list[Any]) -> Dimension:
    """The dimension of choices; numbers are floats where one of them is."""
    for value in values:
        if not isinstance(value, (bool, int, float, str)):
            what = " ".join(repr(value).split())[:MAX_SHOWN]
            raise BadInput(f"{name}: {what} is no choice; write numbers, words or truth values")
    if any(isinstance(value, float) for value in values):
        if any(is_too_large(value) for value in values):
            raise BadInput(f"{name}: {WHOLE}")  # as a float it would be another number
        values = [as_float(v) if sort_of(v) == "number" else v for v in values]
    return Dimension(name=name, choices=tuple(values))
