"""The operations of torch that look through windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shoal.trainable.fused.windows.convolution import CONVOLUTIONS
from shoal.trainable.fused.windows.pooling import POOLING

WINDOWED: Mapping[str, Callable[..., Any]] = {**CONVOLUTIONS, **POOLING}
"""By name: each takes an `Assembly`, and torch's arguments."""
