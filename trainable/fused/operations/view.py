"""A tensor of the trace, as loops have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from shoal.trainable.fused.loops import Dim, Kind, NotLowered, Operand, size


@dataclass(frozen=True)
class View:
    """A tensor of the trace: an operand, and which axes its dimensions are.

    Attributes:
        dtype: the tensor's own.
        number: whether it is no tensor but a Python number.
    """

    operand: Operand
    dims: tuple[Dim, ...]
    dtype: torch.dtype
    number: bool = False

    @property
    def kind(self) -> Kind:
        """What promotion looks at."""
        return Kind(self.dtype, 0 if self.number else min(2, 1 + len(self.dims)))

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return tuple(size(dim) for dim in self.dims)

    def having(self, dims: Sequence[Dim]) -> View:
        """Return the view with other dimensions."""
        return replace(self, dims=tuple(dims))


@dataclass(frozen=True)
class Opaque:
    """A tensor of the trace that one operation alone can take, perhaps in another shape: what
    another one was computed of, or whether it is 0 (truth values).

    Attributes:
        source: that.
    """

    source: View


def as_number(number: float, dtype: torch.dtype) -> float:
    """Return the number that `number` is in a dtype, as a kernel writes it.

    Raises:
        NotLowered: it is none.
    """
    held = torch.tensor(number, dtype=dtype)
    if held.is_complex():
        raise NotLowered("complex numbers")
    return float(held)
