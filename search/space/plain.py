"""Plain values: what Python, numpy, pandas and torch hold, as Python's own types have it.

numpy's numbers look like Python's and are none: a ``numpy.bool_`` is no ``bool``, a
``numpy.float64`` is written ``np.float64(0.1)``, a ``numpy.int64`` is no ``int``.
"""

from __future__ import annotations

import math
import numbers
import unicodedata
from contextlib import suppress
from typing import Any

Value = bool | int | float | str

MAX_WHOLE = 2**53
"""Up to here each whole number is a float too, as hyperparameters of a lane are."""

MAX_CHOICES = 1_000_000
"""Items of a list of choices."""


def plain(given: Any) -> Any:
    """Return a truth value, number or word as Python's own; anything else as it is.

    Args:
        given: of Python, or a scalar, an array or a tensor of no dimensions.
    """
    if isinstance(given, bool):
        return given
    for kind in (int, float, str):  # also where it is of a class that was made from one of these
        if isinstance(given, kind):
            return str.__str__(given) if isinstance(given, str) else kind(given)
    if getattr(given, "shape", None) != () or getattr(_dtype(given), "kind", "") in tuple("mM"):
        return given  # an array; a date is no number, though numpy makes one of it
    with suppress(Exception):  # a tensor without data, say
        item = given.item()
        if type(item) is not type(given):
            return plain(item)
        if isinstance(given, numbers.Real):  # numpy.longdouble
            return float(given)
    return given


def named(text: str) -> str:
    """Return a name as Python reads it, in its normal form NFKC: µ (U+00B5) is μ (U+03BC)."""
    return unicodedata.normalize("NFKC", text.strip())


def items(given: Any) -> list[Any] | None:
    """Return the items of a list, tuple, range, Series, Index, or array or tensor of one dimension.

    Returns:
        plain values; None where `given` is none of these, or has more than `MAX_CHOICES`.
    """
    if not (isinstance(given, (list, tuple, range)) or getattr(given, "ndim", None) == 1):
        return None
    return None if len(given) > MAX_CHOICES else [plain(item) for item in given]


def read(text: str) -> Value:
    """Return the number, truth value or word that is written."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.strip().casefold(), text)


def sort_of(value: Value) -> str:
    """``truth``, ``word`` or ``number``; Python itself counts truth values among numbers."""
    if isinstance(value, bool):
        return "truth"
    return "word" if isinstance(value, str) else "number"


def is_too_large(value: Value) -> bool:
    """Whether a whole number is one of those that not all have a float of their own."""
    return isinstance(value, int) and abs(value) > MAX_WHOLE


def as_float(value: Value) -> float:
    """Return a number as a float, infinite where it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if int(value) > 0 else -math.inf


def written(value: Value) -> str:
    """Return a value as it is written."""
    return value if isinstance(value, str) else repr(value)


def _dtype(given: Any) -> Any:
    return getattr(given, "dtype", None)
