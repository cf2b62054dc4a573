"""What is computed of data that change: again for each update, never decided by their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from shoal.trainable.fused import LANES, lower
from shoal.trainable.fused.loops import Loops, NotLowered
from shoal.trainable.programs import decomposed
from shoal.trainable.programs.tracing import traced

ROWS, PLACES = 6, 4

Loss = Callable[..., torch.Tensor]


def lowered(loss: Loss, fed: list[torch.Tensor], fixed: int = 0) -> Loops:
    """The loops of stacked losses of a (4, 3) tensor of each lane and of these data."""
    given = [torch.randn(LANES, PLACES, 3, generator=torch.Generator().manual_seed(0))]

    def stacked(*flat: torch.Tensor) -> Any:
        made = torch.vmap(torch.func.grad(loss), in_dims=(0, *[None] * len(fed)))
        return (made(*flat),)

    return lower(decomposed(traced(stacked, [*given, *fed]), 1), 1, fed, fixed=fixed)


def rows(seed: int) -> torch.Tensor:
    return torch.randn(ROWS, PLACES, generator=torch.Generator().manual_seed(seed))


def words(seed: int, below: int = PLACES) -> torch.Tensor:
    return torch.randint(0, below, (ROWS,), generator=torch.Generator().manual_seed(seed))


def entropy(w: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(x @ w, y)


def expanded(w: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Look-ups by numbers, from the start and from the end, in what is stacked and what is not."""
    one, other = w[y - PLACES], functional.embedding(y, w)
    weight = (x > 0).to(x.dtype) + x[torch.arange(ROWS), y].unsqueeze(1)
    return ((one + other).tanh() * weight.sum(1, keepdim=True)).square().sum()


def by_place(w: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x @ w)[torch.arange(ROWS), y % 3].square().sum()


@pytest.mark.parametrize("loss", [entropy, expanded, by_place])
def test_data_of_another_update_are_as_if_it_had_been_the_first(loss: Loss) -> None:
    """Each tensor that the loops take, bit for bit."""
    made = lowered(loss, [rows(1), words(1, 3)])
    assert made.fed is not None
    for seed in (1, 2):
        again = lowered(loss, [rows(seed), words(seed, 3)])
        found = made.fed.compute(rows(seed), words(seed, 3))
        assert len(found) == len(again.data)
        for ours, (_, theirs) in zip(found, again.data, strict=True):
            assert torch.equal(ours, theirs)
            assert ours.is_contiguous()
            assert ours.dtype == theirs.dtype == torch.float32


def test_rows_as_they_are_fed_are_not_copied() -> None:
    made = lowered(lambda w, x: (x.unsqueeze(2) * w).square().sum(), [rows(1)])
    x = rows(2)
    assert made.fed is not None
    assert [tensor.data_ptr() for tensor in made.fed.compute(x)] == [x.data_ptr()]


def test_what_never_changes_is_computed_once() -> None:
    """Rows, where noise alone changes; and what is of no tensor at all."""

    def loss(w: torch.Tensor, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return ((x.exp() @ w) * noise * torch.arange(3.0)).square().sum()

    made = lowered(loss, [rows(1), torch.randn(3)], fixed=1)
    assert made.fed is not None
    one, other = (made.fed.compute(rows(1), torch.full((3,), value)) for value in (1.0, 2.0))
    same = [a is b for a, b in zip(one, other, strict=True)]
    assert sorted(same) == [False, *[True] * (len(same) - 1)]


def test_a_tensor_that_is_given_twice_is_two() -> None:
    """It may be two at the next update."""
    x = rows(1)
    made = lowered(lambda w, x, y: ((x @ w) + (y @ w).exp()).square().sum(), [x, x])
    assert made.fed is not None
    found = made.fed.compute(rows(1), rows(2))
    for wanted in (rows(1), rows(2)):
        assert any(tensor.shape == wanted.shape and torch.equal(tensor, wanted) for tensor in found)


@pytest.mark.parametrize("number", [PLACES, -1, 1 << 40])
def test_an_index_that_is_not_there_raises(number: int) -> None:
    """In an operation of lanes, and of data alone; also where it counts from the end."""
    fed, wrong = [rows(1), words(1)], words(2)
    wrong[3] = number
    for loss, one in (
        (lambda w, x, y: functional.embedding(y, w).square().sum(), wrong),
        (lambda w, x, y: w[y].square().sum(), torch.where(wrong < 0, -PLACES - 1, wrong)),
        (lambda w, x, y: (x[:, :1].gather(0, y[:, None]) * w[0]).sum(), 2 * wrong),
        (lambda w, x, y: torch.gather(w, 0, y.view(2, 3)).square().sum(), wrong),
    ):
        made = lowered(loss, fed)
        assert made.fed is not None
        assert made.fed.compute(rows(2), words(2))
        with pytest.raises((IndexError, RuntimeError), match=r"out of (bounds|range)"):
            made.fed.compute(rows(2), one)


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (lambda w, x, y: (x[y > 1][:1] @ w).sum(), "index, whose shape follows from values"),
        (
            lambda w, x, y: (torch.nonzero(y)[:1].float() * w).sum(),
            "nonzero, whose shape follows from values",
        ),
        (
            lambda w, x, y: (torch.where(w[0] > 0, y[:3], 1) * w[0]).sum(),
            "where is computed in int64",
        ),
        (lambda w, x, y: w[y, y % 3].square().sum(), "a look-up by several indices at once"),
    ],
)
def test_what_values_decide_is_no_kernel(loss: Loss, why: str) -> None:
    """Though it is one where they never change, or would fail."""
    with pytest.raises(NotLowered, match=why):
        lowered(loss, [rows(1), words(1)])
