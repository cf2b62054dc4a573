"""In which dtype torch computes: our rules of promotion against torch's own."""

from __future__ import annotations

import itertools

import pytest
import torch

from shoal.trainable.fused.loops.types import Kind, floating, of_number, promoted

DTYPES = (torch.bool, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64)

OPERANDS = [
    *(torch.ones(2, dtype=dtype) for dtype in DTYPES),
    *(torch.ones((), dtype=dtype) for dtype in DTYPES),
    True,
    2,
    0.5,
]


def kind(operand: torch.Tensor | bool | int | float) -> Kind:
    """What promotion looks at."""
    if isinstance(operand, torch.Tensor):
        return Kind(operand.dtype, 2 if operand.dim() else 1)
    return Kind(of_number(operand), 0)


def test_pairs_are_promoted_as_torch_promotes_them() -> None:
    """Tensors with and without dimensions, and Python's numbers, of every kind."""
    for one, other in itertools.product(OPERANDS, OPERANDS):
        if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
            assert promoted([kind(one), kind(other)]) == torch.result_type(one, other)


def test_three_are_promoted_together() -> None:
    """As torch.addcmul does it, in any order."""
    tensors = [o.to("meta") for o in OPERANDS[1:12] if isinstance(o, torch.Tensor)]
    for given in itertools.product(tensors, tensors, tensors):
        assert promoted(map(kind, given)) == torch.addcmul(*given).dtype


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_functions_make_floating_point_numbers_of_integers(default: torch.dtype) -> None:
    """Of torch's default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        for dtype in DTYPES:
            assert floating(dtype) == torch.sqrt(torch.ones(2, dtype=dtype)).dtype
    finally:
        torch.set_default_dtype(before)
