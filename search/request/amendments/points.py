"""Points that a user knows of: values of hyperparameters, and what came of them where it is known.

lr=2e-6,momentum=0.9            as text; what is not named is as the sampler would have it
{"lr": 2e-6, "momentum": 0.9}   the same
{"lr": 2e-6, "loss": 8.9}       its objective is known: the sampler is told, and nothing is run
"""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as short
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.space import Value, named, plain, read

Point = dict[str, Value]

WAY = "--try NAME=VALUE,NAME=VALUE, as --try lr=2e-6,momentum=0.9"


def points_of(given: Any) -> tuple[Point, ...]:
    """Return points as plain values, each once, in their order.

    Args:
        given: one, or a list of them; each text or a table of names and values.

    Raises:
        BadInput: one is none.
    """
    each = [given] if isinstance(given, (str, Mapping)) else given
    if not isinstance(each, (list, tuple)):
        raise BadInput(f"tries must be a list of points, as [{{'lr': 2e-6}}], not {short(given)}")
    found: list[Point] = []
    for item in each:
        point = _point(item)
        if not any(same(point, other) for other in found):
            found.append(point)
    return tuple(found)


def same(one: Point, other: Point) -> bool:
    """Whether two points are written alike: 1 and 1.0 are, and True is another."""
    return one == other and all(
        isinstance(value, bool) == isinstance(other[name], bool) for name, value in one.items()
    )


def _point(given: Any) -> Point:
    if isinstance(given, str):
        pairs = [pair.partition("=") for pair in given.split(",")]
        if not all(equals and name.strip() and text.strip() for name, equals, text in pairs):
            raise BadInput(f"{given!r} is no point to try; write {WAY}")
        names = [named(name) for name, _, _ in pairs]
        if len(set(names)) < len(names):
            raise BadInput(f"the point {given!r} names a hyperparameter twice")
        return {name: read(text.strip()) for name, (_, _, text) in zip(names, pairs, strict=True)}
    if not isinstance(given, Mapping) or not given:
        raise BadInput(f"{short(given)} is no point to try; write {WAY}, or {{'lr': 2e-6}}")
    found: Point = {}
    for name, value in given.items():
        value = plain(value)
        if not isinstance(value, (bool, int, float, str)):
            raise BadInput(f"a point to try has {name}={short(value)}: that is no value")
        found[named(str(name))] = read(value) if isinstance(value, str) else value
    return found
