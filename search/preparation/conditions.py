"""The conditions of a space, checked: each says something, and what is inactive has a default."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.preparation.updates import OPTIMIZER, USUAL, WORDS, Updates
from shoal.search.space import (
    Condition,
    Dimension,
    Searched,
    Space,
    Value,
    plain,
    sort_of,
    text_of,
)
from shoal.trainable.optimizers import SCHEDULE
from shoal.trainable.problems import Hyperparameters

_KINDS = {"truth": "True or False", "word": "words", "number": "numbers"}


def check_conditions(space: Space, given: Collection[str]) -> None:
    """Check that each condition that was written says something.

    Args:
        given: hyperparameters that the user has asked for; the conditions of the others are the
            problem's own, and may be on what the user has fixed.

    Raises:
        BadInput: one is on what is not sampled, or on values that do not occur.
    """
    for name, dimension in space.items():
        for condition in itertools.chain(*dimension.condition):
            parent = space[condition.parent]
            if not parent.fixed or name in given:
                _check(name, condition, parent)
        if not dimension.always and name in given and not space.when(name):
            raise BadInput(
                f"{name} is never active: no trial has {text_of(dimension.condition)} and what "
                "that needs; leave it out, or change its condition"
            )


def _check(name: str, condition: Condition, parent: Dimension) -> None:
    what = f"{name} has the condition {condition.text}, but {parent.name} is {parent.shown}"
    if parent.fixed:
        raise BadInput(f"{what}, in every trial that has it: leave the condition or {name} out")
    kind = sort_of(parent.choices[0]) if parent.choices else "number"
    if any(sort_of(value) != kind for value in condition.values):
        raise BadInput(f"{what}: compare it with {_KINDS[kind]}")
    if condition.ordered and kind != "number":
        raise BadInput(f"{what}: write =, != or in")
    if not condition.ordered:
        if math.isinf(parent.count):
            raise BadInput(f"{what}, where hardly a trial has exactly this number: write < or >=")
        for value in sorted(condition.values):
            if not parent.allowed([condition.only(value)]):
                raise BadInput(f"{what}, which is never {value}")
    if not parent.allowed([condition]):
        raise BadInput(f"{what}, so that it never holds")


def check_defaults(declared: Hyperparameters, updates: Updates, space: Space) -> None:
    """Check that a fit has a default for each hyperparameter that is not active in some trials.

    Raises:
        BadInput: it has none, or every trial must have the hyperparameter.
    """
    for name, dimension in space.items():
        if dimension.always or name not in space.conditional:
            continue
        if name in WORDS:
            raise BadInput(f"{name} has a condition, but each trial needs one: leave it out")
        own: Mapping[str, Any] = {**declared.shape, **declared.own}
        if name in own:
            default = plain(own[name])
            if default is None or (name in declared.own and not is_number(default)):
                value, where = dimension.samples()[0], declared.method_of(name)
                raise BadInput(
                    f"{name} has a condition, and where it does not hold {where} needs a default: "
                    f"write {name}={value!r} in its signature"
                )
            continue
        for optimizer, schedule in _inactive(name, updates, space):
            if updates.known.hyperparameters(optimizer, schedule).get(name, 0.0) is None:
                raise BadInput(
                    f"{name} has a condition, and where it does not hold {optimizer} has no "
                    f"default for it: leave the condition out"
                )


def _inactive(name: str, updates: Updates, space: Space) -> list[tuple[str, str]]:
    """The optimizers and schedules of trials in which a hyperparameter is not active."""
    values: dict[str, tuple[Value, ...]] = {
        word: space[word].choices for word in WORDS if word in space
    }
    values[name] = space[name].samples()[:1]
    found = Searched(space).combinations(values)
    return [
        (str(each.get(OPTIMIZER, USUAL[OPTIMIZER])), str(each.get(SCHEDULE, USUAL[SCHEDULE])))
        for each in found
        if name not in each
    ]


def is_number(value: object) -> bool:
    """Whether a value is a number, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
