"""What is sent between processes arrives as it was, bit for bit, and can be written to."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch

from shoal.trainable.lanes import Fitted, Lanes, Parameters
from shoal.trainable.pruning import Known
from shoal.trainable.transport import LARGE_BYTES

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64]
LARGE = torch.arange(LARGE_BYTES, dtype=torch.float64)


def tensors(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Tensors of each kind of shape and layout."""
    some = torch.tensor([[0, 1, 2], [3, 0, 5]]).to(dtype)
    odd = some.conj() if dtype.is_complex else some
    wide = some[0, :1].expand(4)
    return {
        "one for all": some[:1, :1].expand(1, 1),
        "wide": wide,
        "flat": some[0],
        "turned": some.T,
        "none": some[:0],
        "one": some[1, 2],
        "conj": odd,
    }


def back(value: Any) -> Any:
    """It, after the way that Ray takes: arrays apart from the rest, read only."""
    apart: list[pickle.PickleBuffer] = []
    data = pickle.dumps(value, protocol=5, buffer_callback=apart.append)
    return pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in apart])


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether both have the same type and shape, and the same numbers or NaN."""
    return one.dtype == other.dtype and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_arrive_as_they_were(dtype: torch.dtype) -> None:
    named = tensors(dtype) | {"large": LARGE}
    sent = Parameters(lane=torch.arange(2), named=named, prepared={})
    came = back(sent)
    assert list(came.named) == list(named)
    for name, tensor in named.items():
        assert same(came.named[name], tensor), name
        came.named[name].zero_()  # without a warning that it must not be


def test_lanes_arrive_as_they_were() -> None:
    number = torch.arange(3)
    rate = torch.tensor([1e-300, -0.0, torch.nan], dtype=torch.float64)
    sent = Lanes(
        trial=number, replicate=number, seed=number, values={"lr": rate}, shape={"k": 2, "o": "sgd"}
    )
    came = back(sent)
    assert came.shape == sent.shape
    assert same(came.values["lr"], rate)
    assert torch.signbit(came.values["lr"][1])
    assert len(came) == 3


def test_what_others_reported_arrives_as_it_was() -> None:
    """Tuples of tensors, by replicate."""
    came = back(Known(earlier={1: (torch.ones(2, 0), torch.ones(2, 3))}))
    assert [tuple(rung.shape) for rung in came.earlier[1]] == [(2, 0), (2, 3)]
    assert came.scores.shape == (0, 0, 0)


def test_an_outcome_is_sent_in_fewer_bytes_than_torchs_way_takes() -> None:
    """And no tensor in it is left to torch."""
    one = torch.zeros(1, dtype=torch.float64)
    columns = {
        name: one for name in Fitted.__dataclass_fields__ if name not in ("parameters", "names")
    }
    data = pickle.dumps(Fitted(**columns))
    assert b"_rebuild_tensor" not in data
    assert back(Fitted(**columns)).parameters is None
