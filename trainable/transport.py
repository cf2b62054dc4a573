"""How tensors go from one process to another: as their bytes.

torch pickles each tensor with a storage of its own, which takes as long as a short call of a
function does: its outcome has ten of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

LARGE_BYTES = 1 << 16
"""From here on the copies cost more than torch's way does."""

DTYPES = {torch.float64, torch.float32, torch.int64, torch.int32, torch.uint8, torch.bool}
"""Those of columns and of most parameters; others go torch's way."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A tensor of the CPU, as it is sent."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    data: bytes


class Sent:
    """Base of what is sent: small tensors, in its dicts and tuples too, are pickled as bytes."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: _packed(value) for name, value in self.__dict__.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({name: _unpacked(value) for name, value in state.items()})


def _packed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _packed(item) for name, item in value.items()}
    if type(value) is tuple:
        return tuple(_packed(item) for item in value)
    if type(value) is not torch.Tensor or not _is_small(value):
        return value
    return Packed(value.dtype, tuple(value.shape), value.numpy().tobytes())


def _is_small(tensor: torch.Tensor) -> bool:
    """Whether its bytes say all of it."""
    plain = tensor.layout is torch.strided and tensor.dtype in DTYPES and not tensor.is_neg()
    here = tensor.device.type == "cpu" and not tensor.requires_grad
    return plain and here and tensor.nbytes < LARGE_BYTES


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unpacked(item) for name, item in value.items()}
    if type(value) is tuple:
        return tuple(_unpacked(item) for item in value)
    if not isinstance(value, Packed):
        return value
    if not value.data:
        return torch.empty(value.shape, dtype=value.dtype)
    return torch.frombuffer(bytearray(value.data), dtype=value.dtype).reshape(value.shape)
