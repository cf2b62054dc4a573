"""Conditions: a hyperparameter that is active only where others have certain values.

    momentum is active where optimizer is sgd or momentum
    beta2    is active where optimizer is adam; where it is not, a trial has no beta2

A hyperparameter has alternatives, each a list of conditions; it is active where all conditions of
one alternative hold. A condition holds where its parent, too, is active. In ``search.toml``:

    [[conditions.beta2]]                # an alternative
    optimizer = ["adam", "adamw"]       # a condition: the parent, and its values
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.space.dimension import Dimension
from shoal.search.space.plain import Value, sort_of


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Holds where the hyperparameter `parent` is active and has one of `values`."""

    parent: str
    values: frozenset[Value]

    def allows(self, value: Value) -> bool:
        """Whether the parent may have this value."""
        return value in self.values


Alternatives = tuple[tuple[Condition, ...], ...]
"""Active where all conditions of one of them hold."""

ALWAYS: Alternatives = ((),)

NEVER: Alternatives = ()


def simplified(
    name: str, dimensions: Mapping[str, Dimension], conditions: Mapping[str, Alternatives]
) -> Alternatives:
    """Return when a hyperparameter is active, said of parents that are searched.

    Conditions on what is fixed hold or not; those of a parent are said beside the condition on it.

    Raises:
        BadInput: the conditions go in a circle, or are on what is not in the space.
    """
    return _simplified(name, dimensions, conditions, ())


def _simplified(
    name: str,
    dimensions: Mapping[str, Dimension],
    conditions: Mapping[str, Alternatives],
    below: tuple[str, ...],
) -> Alternatives:
    if name in below:
        circle = " on ".join([*below[below.index(name) :], name])
        raise BadInput(f"the conditions go in a circle: {circle}")
    found: list[tuple[Condition, ...]] = []
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
                own = ALWAYS if condition.allows(parent.choices[0]) else NEVER
            above = _simplified(condition.parent, dimensions, conditions, (*below, name))
            joined = tuple(
                tuple(dict.fromkeys((*one, *two, *three)))
                for one in joined
                for two in above
                for three in own
            )
        found += joined
    return ALWAYS if () in found else tuple(dict.fromkeys(found))


def as_plain(conditions: Mapping[str, Alternatives]) -> dict[str, Any]:
    """Return conditions as TOML has them."""
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
