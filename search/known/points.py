"""Points as a search has them: in its space, with values of its own types."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy

from shoal.search.errors import BadInput
from shoal.search.request import Objective
from shoal.search.request.amendments import Point
from shoal.search.space import Dimension, Space, Value, sort_of, text_of


def checked(point: Point, space: Space, goal: Objective) -> Point:
    """Return a point with values of the space, in its order; the objective last, if it is known.

    Raises:
        BadInput: a name is unknown, a value is not in the space, a hyperparameter is named that is
            not active there; or the objective is known, and a hyperparameter is missing.
    """
    told = ",".join(f"{name}={value}" for name, value in point.items())
    for name in point:
        if name != goal.name and name not in space:
            raise BadInput(
                f"the point {told} has {name}, which is not in the space; known: {', '.join(space)}"
            )
    found: Point = {}
    for name, dimension in space.items():
        if name in point:
            value = value_in(dimension, point[name])
            if value is None:
                raise BadInput(f"the point {told} is not in the space: {name} is {dimension.shown}")
            found[name] = value
    if not any(not space[name].fixed for name in found):
        raise BadInput(f"the point {told} names no hyperparameter that is searched")
    for name in found:
        if not active(space, name, found):
            raise BadInput(
                f"the point {told} has no {name} where {text_of(space.when(name))} does not hold; "
                "name that too, or leave it out"
            )
    if goal.name in point:
        value = point[goal.name]
        if sort_of(value) != "number" or math.isnan(float(value)):
            raise BadInput(f"the point {told}: {goal.name} must be a number")
        for name, dimension in space.items():
            if name not in found and not dimension.fixed and active(space, name, found):
                raise BadInput(
                    f"the point {told} has a {goal.name}, and so needs a value of each "
                    f"hyperparameter: {name} is missing"
                )
        found[goal.name] = float(value)
    return found


def value_in(dimension: Dimension, value: Value) -> Value | None:
    """Return a value as a dimension has it; None: it is none of them."""
    if dimension.choices:
        alike = (c for c in dimension.choices if sort_of(c) == sort_of(value) and c == value)
        return next(alike, None)
    if sort_of(value) != "number" or not dimension.low <= float(value) <= dimension.high:
        return None
    number = float(value)
    if dimension.integer and not number.is_integer():
        return None
    if dimension.step:
        axis = dimension.axis
        (near,) = axis.of_ranks(axis.ranks(numpy.array([number]))).tolist()
        if not math.isclose(near, number, rel_tol=1e-9, abs_tol=1e-9 * dimension.step):
            return None
        number = near
    return int(number) if dimension.integer else number


def active(space: Space, name: str, point: Mapping[str, Value]) -> bool:
    """Whether a hyperparameter is active at a point, as far as it is known."""
    return any(
        all(each.parent in point and each.allows(point[each.parent]) for each in alternative)
        for alternative in space.when(name)
    )
