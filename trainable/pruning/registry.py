"""Pruners by name, and as they are written: ``halving:factor=3,start=50``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from shoal.trainable.errors import PrunerError
from shoal.trainable.pruning.halving import Halving
from shoal.trainable.pruning.median import Median
from shoal.trainable.pruning.pruner import Bounds, Pruner
from shoal.trainable.pruning.threshold import Threshold

NONE = "none"

MAX_NUMBER = 1e300

PRUNERS: Mapping[str, type[Pruner]] = {kind.name: kind for kind in (Halving, Median, Threshold)}


def pruner_of(text: Any) -> Pruner | None:
    """Return the pruner that is written so; None: ``none``.

    Raises:
        PrunerError: it is none.
    """
    if not isinstance(text, str):
        raise PrunerError(f"pruner must be text, as halving:factor=3, not {text!r}")
    name, _, rest = text.partition(":")
    if text == NONE:
        return None
    if name not in PRUNERS:
        known = ", ".join([*PRUNERS, NONE])
        raise PrunerError(f"unknown pruner {name!r}; known: {known}")
    kind, given = PRUNERS[name], dict[str, Any]()
    for part in rest.split(",") if rest else ():
        key, equals, value = part.partition("=")
        if key not in kind.parameters or not equals or key in given:
            what = "twice" if key in given else f"{part!r}"
            raise PrunerError(
                f"pruner {name} has {', '.join(kind.parameters)}, each written once as "
                f"{name}:{next(iter(kind.parameters))}=3, not {what}"
            )
        given[key] = _number(f"{key} of pruner {name}", value, kind.parameters[key])
    for each in fields(kind):
        if each.name not in given and each.default is MISSING:
            raise PrunerError(f"pruner {name} needs {each.name}, as in {name}:{each.name}=0.5")
    return kind(**given)


def _number(what: str, text: str, bounds: Bounds) -> float:
    try:
        value = int(text) if bounds.whole else float(text)
    except ValueError:
        kind = "a whole number" if bounds.whole else "a number"
        raise PrunerError(f"{what} must be {kind}, not {text!r}") from None
    if not bounds.least <= value <= MAX_NUMBER:
        least = f"at least {bounds.least:g}" if bounds.least > -MAX_NUMBER else "finite"
        raise PrunerError(f"{what} must be {least}, not {text}")
    return value
