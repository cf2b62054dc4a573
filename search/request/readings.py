"""Values of a ``search.toml``, read with care."""

from __future__ import annotations

from collections.abc import Callable
from reprlib import repr as short
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.request.amendments import amendments_of
from shoal.search.request.kinds import LEFT_OUT, STACKED
from shoal.search.request.setting import MAX_INTEGER
from shoal.search.space import Space, of_plain, parse
from shoal.trainable.modules import File
from shoal.trainable.process import World
from shoal.trainable.programs import Settled


def listed(value: Any) -> list[Any]:
    """Return a value that is a list.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, list):
        raise TypeError(f"must be a list, not {short(value)}")
    return value


def is_number(value: Any) -> bool:
    """Whether a value is a number, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def halved(value: Any) -> tuple[tuple[int, int], ...]:
    """Return rounds, each with a block.

    Raises:
        TypeError, ValueError: it is none.
    """
    pairs = tuple(tuple(listed(pair)) for pair in listed(value))
    for pair in pairs:
        if (
            len(pair) != 2
            or not all(type(n) is int and 0 <= n <= MAX_INTEGER for n in pair)
            or not pair[1]
        ):
            raise ValueError(f"must be pairs of a round and a block, not {short(value)}")
    return pairs


def space_of(value: Any) -> Space:
    """Return a space.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, dict) or not value:
        raise TypeError(f"must be a table of names and values, not {short(value)}")
    return Space(parse(name, text) for name, text in value.items())


def arguments_of(plain: dict[str, Any]) -> dict[str, Any]:
    """Return what a ``search.toml`` says, as `Request` takes it.

    Raises:
        BadInput: it is none; the message names the key.
    """
    called = plain.get("kind", STACKED) != STACKED
    known = {**LEFT_OUT, **plain} if called else dict(plain)
    known["form"] = known.pop("format", 0)
    readings: dict[str, Callable[[Any], Any]] = {
        "halved": halved,
        "metrics": lambda names: tuple(map(str, listed(names))),
        "asks": lambda names: tuple(map(str, listed(names))),
        "amendments": lambda plain: amendments_of(plain, known),
        "files": lambda files: tuple(map(File.from_dict, listed(files))),
        "settled": Settled.from_dict,
        "conditions": of_plain,
        "space": space_of,
        "began": World.from_dict,
    }
    for name, read in readings.items():
        if name in known:
            try:
                known[name] = read(known[name])
            except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
                raise BadInput(f"{name}: {error}") from error
    known |= {each.name: each.number for each in known.get("amendments", ())}
    conditions = known.pop("conditions", None)
    if conditions and "space" in known:
        known["space"] = Space(known["space"].values(), conditions)
    return known
