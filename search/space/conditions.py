"""Conditions: a hyperparameter that is active only where others have certain values.

    momentum  0:0.99 if optimizer=sgd              where it is not, a trial has no momentum
    width2    8:64:int if layers>=2 and bias=True
    eps       1e-8,1e-4 if optimizer in adam,adamw or lr<1e-3

A hyperparameter has alternatives (``or``), each a list of conditions (``and``); it is active where
all conditions of one alternative hold. A condition holds where its parent, too, is active:

    NAME = VALUE    NAME in VALUE,…        one of these (``NAME = VALUE,…`` is the same)
    NAME != VALUE   NAME not in VALUE,…    none of these
    NAME < VALUE    <=   >   >=            of numbers

Those that follow from a search's optimizers stand in ``search.toml`` by themselves:

    [[conditions.beta2]]                # an alternative
    optimizer = ["adam", "adamw"]       # a condition: the parent, and its values
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoal.search.errors import BadInput
from shoal.search.space.plain import MAX_WHOLE, Value, named, read, sort_of, written

if TYPE_CHECKING:
    from shoal.search.space.dimension import Dimension

IF = " if "
"""What stands between the values of a hyperparameter and its condition."""

SYNTAX = "write NAME=VALUE, !=, <, <=, >, >=, NAME in A,B or NAME not in A,B, with and, or between"

ONE_OF, NONE_OF = "in", "not in"

_RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
"""Of a number to another; the longer signs come first where they are looked for."""

_TEST = re.compile(r"\s*(\w+)\s*(<=|>=|!=|==|=|<|>|\bnot\s+in\b|\bin\b)(.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Holds where the hyperparameter `parent` is active and its value is allowed.

    Attributes:
        relation: ``in``, ``not in``, or a sign; values: one of them, where it is a sign.
    """

    parent: str
    values: frozenset[Value]
    relation: str = ONE_OF

    def allows(self, value: Value) -> bool:
        """Whether the parent may have this value."""
        if self.relation in _RELATIONS:
            (bound,) = self.values
            return _RELATIONS[self.relation](value, bound)
        return (value in self.values) == (self.relation == ONE_OF)

    @property
    def ordered(self) -> bool:
        """Whether it says that a number is above or below another."""
        return self.relation in _RELATIONS

    def only(self, value: Value) -> Condition:
        """Return the condition that the parent has this value."""
        return Condition(parent=self.parent, values=frozenset({value}))

    @property
    def text(self) -> str:
        """As it is written."""
        words = ",".join(_short(value) for value in sorted(self.values))
        if self.ordered:
            return f"{self.parent}{self.relation}{words}"
        if len(self.values) == 1:
            return f"{self.parent}{'=' if self.relation == ONE_OF else '!='}{words}"
        return f"{self.parent} {self.relation} {words}"


Alternatives = tuple[tuple[Condition, ...], ...]
"""Active where all conditions of one of them hold."""

ALWAYS: Alternatives = ((),)

MAX_ALTERNATIVES = 4096
"""Of one hyperparameter, where those of its parents are counted too."""

NEVER: Alternatives = ()


def condition_of(name: str, text: str) -> Alternatives:
    """Return what the condition of a hyperparameter says.

    Raises:
        BadInput: it is none.
    """
    try:
        return tuple(
            tuple(dict.fromkeys(_test(test) for test in re.split(r"\s+and\s+", alternative)))
            for alternative in re.split(r"\s+or\s+", text.strip())
        )
    except BadInput as error:
        raise BadInput(f"{name}: the condition {text.strip()!r}: {error}") from error


def text_of(alternatives: Alternatives) -> str:
    """Return a condition as it is written; the inverse of `condition_of`."""
    return " or ".join(" and ".join(test.text for test in each) for each in alternatives)


def _test(test: str) -> Condition:
    found = _TEST.fullmatch(test)
    if found is None or not (parent := named(found[1])).isidentifier():
        raise BadInput(f"{test.strip()!r} is no comparison; {SYNTAX}")
    sign = " ".join(found[2].split())
    words = [word.strip() for word in found[3].split(",")]
    if not all(words) or (sign in _RELATIONS and len(words) > 1):
        raise BadInput(f"{test.strip()!r} needs a value; {SYNTAX}")
    values = [read(word) for word in words]
    for value in values:
        if isinstance(value, str) and not _is_word(value):
            raise BadInput(f"{test.strip()!r} is no comparison; {SYNTAX}")
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput("a value must be a finite number")
    if len({sort_of(value) for value in values}) > 1:
        raise BadInput(f"the values of {parent} must be of one kind")
    relation = {"=": ONE_OF, "==": ONE_OF, "!=": NONE_OF}.get(sign, sign)
    return Condition(parent=parent, values=frozenset(values), relation=relation)


def _is_word(text: str) -> bool:
    """Whether text may stand for a word in a condition, which is read as it is written."""
    return (
        text.isprintable() and not set(text) & set("<>=!:") and not {"and", "or"} & {*text.split()}
    )


def _short(value: Value) -> str:
    """A value as it is written in a condition, where 2 and 2.0 are one."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_WHOLE:
        return str(int(value))
    return written(value)


def both(one: Alternatives, other: Alternatives) -> Alternatives:
    """Return what is active where both say so.

    Raises:
        BadInput: together they are too many.
    """
    if len(one) * len(other) > MAX_ALTERNATIVES:
        raise BadInput(
            f"conditions have more than {MAX_ALTERNATIVES} alternatives; write fewer with or"
        )
    return tuple(dict.fromkeys(tuple(dict.fromkeys((*a, *b))) for a in one for b in other))


def simplified(
    dimensions: Mapping[str, Dimension], conditions: Mapping[str, Alternatives]
) -> dict[str, Alternatives]:
    """Return when each hyperparameter is active, said of parents that are searched.

    Conditions on what is fixed hold or not; those of a parent are said beside the condition on it.
    An alternative that no values fulfil is left out.

    Raises:
        BadInput: the conditions go in a circle, or are on what is not in the space.
    """
    found: dict[str, Alternatives] = {}
    for name in dimensions:
        _simplify(name, dimensions, conditions, (), found)
    return {
        name: tuple(each for each in alternatives if _possible(each, dimensions))
        for name, alternatives in found.items()
    }


def _simplify(
    name: str,
    dimensions: Mapping[str, Dimension],
    conditions: Mapping[str, Alternatives],
    below: tuple[str, ...],
    found: dict[str, Alternatives],
) -> Alternatives:
    """When one is active; put into `found`, as all that it hangs on."""
    if name in found:
        return found[name]
    if name in below:
        circle = " on ".join([*below[below.index(name) :], name])
        raise BadInput(f"the conditions go in a circle: {circle}")
    every: list[tuple[Condition, ...]] = []
    for alternative in conditions.get(name, ALWAYS):
        joined: Alternatives = ALWAYS
        for condition in alternative:
            parent = dimensions.get(condition.parent)
            if parent is None:
                raise BadInput(
                    f"{name} has a condition on {condition.parent}, which is not in the space; "
                    f"known: {', '.join(dimensions)}"
                )
            own: Alternatives = ((condition,),)
            if parent.fixed:
                own = ALWAYS if parent.allowed([condition]) else NEVER
            above = _simplify(condition.parent, dimensions, conditions, (*below, name), found)
            joined = both(both(joined, above), own)
        every += joined
    found[name] = ALWAYS if () in every else tuple(dict.fromkeys(every))
    return found[name]


def _possible(alternative: Iterable[Condition], dimensions: Mapping[str, Dimension]) -> bool:
    """Whether each parent has a value that all conditions on it allow."""
    return all(dimensions[parent].allowed(own) for parent, own in by_parent(alternative).items())


def by_parent(alternative: Iterable[Condition]) -> dict[str, list[Condition]]:
    """Return the conditions of an alternative, those on the same parent together."""
    found: dict[str, list[Condition]] = {}
    for condition in alternative:
        found.setdefault(condition.parent, []).append(condition)
    return found


def as_plain(conditions: Mapping[str, Alternatives]) -> dict[str, Any]:
    """Return conditions as TOML has them, each of which names values of its parent."""
    return {
        name: [
            {condition.parent: sorted(condition.values) for condition in alternative}
            for alternative in alternatives
        ]
        for name, alternatives in conditions.items()
    }


def of_plain(plain: Any) -> dict[str, Alternatives]:
    """Return the conditions that TOML has; the inverse of `as_plain`.

    Raises:
        TypeError: it has none.
    """
    if not isinstance(plain, dict) or not all(isinstance(each, list) for each in plain.values()):
        raise TypeError("must be a table of names, each with a list of alternatives")
    return {name: tuple(map(_alternative, listed)) for name, listed in plain.items()}


def _alternative(plain: Any) -> tuple[Condition, ...]:
    if not isinstance(plain, dict) or not plain:
        raise TypeError("an alternative is a table of parents and their values")
    return tuple(_condition(parent, values) for parent, values in plain.items())


def _condition(parent: str, values: Any) -> Condition:
    good = isinstance(values, list) and values
    if not good or not all(isinstance(value, (bool, int, float, str)) for value in values):
        raise TypeError(f"the values of {parent} must be a list of words, numbers or truth values")
    if len({sort_of(value) for value in values}) > 1:
        raise TypeError(f"the values of {parent} must be of one kind")
    return Condition(parent=parent, values=frozenset(values))
