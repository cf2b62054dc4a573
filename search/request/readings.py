"""Values of a ``search.toml``: read with care, and as they are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from reprlib import repr as short
from typing import TYPE_CHECKING, Any

from shoal.search.errors import BadInput
from shoal.search.request.amendments import amendments_of, ended_of, ends_of, points_of
from shoal.search.request.kinds import FUNCTION, LEFT_OUT, OWN, STACKED, STUDY
from shoal.search.request.setting import MAX_INTEGER
from shoal.search.space import Space, as_plain, of_plain, parse
from shoal.trainable.modules import File
from shoal.trainable.process import World
from shoal.trainable.programs import Settled
from shoal.trainable.pruning import NONE

if TYPE_CHECKING:
    from shoal.search.request.request import Request


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
    if "from" in known:  # which Python has for itself
        known["from_"] = known.pop("from")
    readings: dict[str, Callable[[Any], Any]] = {
        "halved": halved,
        "metrics": lambda names: tuple(map(str, listed(names))),
        "asks": lambda names: tuple(map(str, listed(names))),
        "stop_when": lambda ends: ends_of(listed(ends)),
        "ended": ended_of,
        "tries": lambda points: points_of(listed(points)),
        "from_": lambda paths: tuple(map(str, listed(paths))),
        "amendments": lambda plain: amendments_of(plain, known, known.get("ended", ())),
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


def plain_of(request: Request) -> dict[str, Any]:
    """Return plain values of a request, as ``search.toml`` has them; the space and the place
    last."""
    apart = ("space", "settled", "began", "form", "amendments", "from_")
    names = ("problem", "source", *(each.name for each in fields(request)))
    plain = {name: getattr(request, name) for name in names if name not in apart}
    plain |= request.first
    for name in LEFT_OUT if request.called else OWN:
        del plain[name]
    if request.kind in (FUNCTION, STUDY):
        del plain["exec"], plain["read"]
    elif request.called:
        plain["read"] = dict(request.read)
    if request.called:
        plain["asks"] = list(request.asks)
    plain["halved"] = [list(pair) for pair in request.halved]
    plain["files"] = [file.as_dict() for file in request.files]
    plain["metrics"] = list(request.metrics)
    plain["stop_when"] = list(request.stop_when)
    plain["tries"], plain["from"] = list(request.tries), list(request.from_)
    plain["ended"] = [each.as_dict() for each in request.ended]
    for name in _NOT_EMPTY:
        if not plain.get(name, True):
            del plain[name]
    if request.pruner == NONE:
        del plain["pruner"]
    if request.settled != Settled():
        plain["settled"] = request.settled.as_dict()
    began = {"began": request.began.as_dict()} if request.began.folder else {}
    space: dict[str, Any] = {"space": request.space.texts()}
    if request.space.conditions:
        space["conditions"] = as_plain(request.space.conditions)
    more = {"amendments": [each.as_dict() for each in request.amendments]}
    return {**plain, **more, **space, **began}


_NOT_EMPTY = (
    "halved",
    "files",
    "metrics",
    "epochs",
    "round",
    "pack",
    "stop_when",
    "max_updates",
    "ended",
    "tries",
    "from",
    "known",
    "sampling",
)
"""What is left out where it says nothing."""

_UNMARKED = ("halved", "began", "amendments", "ended")
"""What may change under a search whose rows stay its own."""


def mark_of(plain: Mapping[str, Any]) -> str:
    """What tells the rows of a search from those of all others, given its ``search.toml``."""
    kept = {name: value for name, value in plain.items() if name not in _UNMARKED}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]
