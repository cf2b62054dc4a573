"""Types: in which dtype torch computes an operation, by torch's rules of promotion.

Tensors with dimensions go before tensors without, and these before Python's numbers: what comes
later only counts where it is of a higher kind (bool < integer < floating point). Source: PyTorch's
documentation of tensor attributes, "type promotion".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Kind:
    """What promotion looks at.

    Attributes:
        rank: 2 for a tensor with dimensions, 1 for one without, 0 for a Python number.
    """

    dtype: torch.dtype
    rank: int = 2


def of_number(number: bool | int | float) -> torch.dtype:
    """The dtype that a Python number counts as."""
    if isinstance(number, bool):
        return torch.bool
    return torch.int64 if isinstance(number, int) else torch.get_default_dtype()


def promoted(kinds: Iterable[Kind]) -> torch.dtype:
    """Return the dtype in which operands of these kinds are computed.

    Raises:
        ValueError: there are none.
    """
    ranks: dict[int, torch.dtype] = {}
    for kind in kinds:
        before = ranks.get(kind.rank)
        ranks[kind.rank] = kind.dtype if before is None else torch.promote_types(before, kind.dtype)
    if not ranks:
        raise ValueError("no operands")
    dtypes = [ranks[rank] for rank in sorted(ranks)]
    found = dtypes[0]
    for higher in dtypes[1:]:
        found = _combined(higher, found)
    return found


def _combined(higher: torch.dtype, lower: torch.dtype) -> torch.dtype:
    """The dtype of an operand that goes before another one."""
    if higher.is_floating_point or higher.is_complex:
        return higher
    if higher == torch.bool or lower.is_floating_point or lower.is_complex:
        return torch.promote_types(higher, lower)
    return higher


def floating(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype in which a function that gives floating-point numbers is computed."""
    return dtype if dtype.is_floating_point else torch.get_default_dtype()
