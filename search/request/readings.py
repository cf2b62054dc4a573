"""Values of a ``search.toml``, read with care."""

from __future__ import annotations

from reprlib import repr as short
from typing import Any

from shoal.search.request.setting import MAX_INTEGER
from shoal.search.space import Space, parse


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
