"""All operations of torch that have a lowering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shoal.trainable.fused.loops import has_operator
from shoal.trainable.fused.operations import METHODS, VIEWS, name_of
from shoal.trainable.fused.windows import WINDOWED

EVERY: Mapping[str, Callable[..., Any]] = {**METHODS, **WINDOWED}
"""Those that are neither views nor elementwise, by name."""


def lowers(target: Any) -> bool:
    """Whether there is a lowering for an operation of torch, with some of its arguments."""
    name = name_of(target)
    plain = name.removesuffix("_")
    return name == "getitem" or name in VIEWS or plain in EVERY or has_operator(plain)
