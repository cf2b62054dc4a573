"""Dimensions that are merged for one operation and apart for another, and masks of dropout."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from beside_torch import check, loops, numbers, with_gradient

from shoal.trainable.losses import key_of
from shoal.trainable.losses.stackable.dropout import mask

LANES, ROWS, TIMES, WIDTH, HEADS = 21, 24, 5, 4, 2


def attends(v: Any, w: Any, x: Any) -> Any:
    """Layers of rows and times together, and an attention of times in each row and head."""
    y = (x.reshape(-1, WIDTH) @ v.T).reshape(x.shape)
    q = (y @ w).reshape(len(x), -1, HEADS, WIDTH // HEADS).transpose(1, 2)
    shares = torch.softmax(q @ y.reshape(q.transpose(1, 2).shape).permute(0, 2, 3, 1), -1)
    made = (shares @ q).transpose(1, 2).reshape(x.shape) + x
    return (made.mean(1) * torch.arange(1.0, WIDTH + 1, dtype=x.dtype)).sin().mean()


def normed(v: Any, w: Any, x: Any) -> Any:
    """Each channel by its own mean and variance, over rows and times."""
    y = (x.reshape(-1, WIDTH) @ v).tanh().reshape(x.shape).transpose(1, 2)
    return (torch.nn.functional.batch_norm(y, None, None, w[0], w[1], True) ** 3).mean()


def windows(v: Any, w: Any, x: Any) -> Any:
    """Times in pairs, which are merged with the numbers of each."""
    pairs = x[:, :4].reshape(len(x), 2, 2 * WIDTH)
    by = torch.cat([v, w])
    return ((pairs @ by).tanh().reshape(-1, WIDTH) @ v).reshape(len(x), -1).sin().mean()


@pytest.mark.parametrize("loss", [attends, normed, windows])
def test_merged_dimensions_are_loops_over_the_rows(loss: Any) -> None:
    """With the gradient."""
    x = numbers(ROWS, TIMES, WIDTH)
    lanes = [0.5 * numbers(LANES, WIDTH, WIDTH, seed=seed) for seed in (1, 2)]
    both = with_gradient(loss, 2)
    assert [axis.size for axis in loops(both, lanes, [x]).long] == [ROWS]
    check(both, lanes, [x])


PARTS: dict[str, Any] = {
    "and one place": lambda h: h.reshape(3, 4).sin().sum(0).exp().sum() + h[7] * h[11].exp(),
    "two ways": lambda h: (
        h.reshape(3, 4).sum(1).sin().sum() + (h.reshape(4, 3) ** 3).sum(1)
    ).sum(),
    "and the whole": lambda h: (h.reshape(2, 6).softmax(1).reshape(-1) * h).sum() + h.cos().sum(),
    "in turn": lambda h: (h.reshape(2, 6).sum(0).reshape(2, 3).exp().sum(1) ** 2).sum() + h.sum(),
}


@pytest.mark.parametrize("name", PARTS)
def test_what_a_fit_has_is_read_by_parts(name: str) -> None:
    """Of one and the same, and it as a whole, or one place of it; with the gradient, but where
    that puts parts side by side, or adds some that are divided in two ways."""

    def loss(w: Any) -> Any:
        return PARTS[name](w.tanh() * 2)

    alone = name in ("two ways", "and one place")
    function = (lambda w: (loss(w),)) if alone else with_gradient(loss, 1)
    check(function, [numbers(LANES, 12)], [])


def test_one_number_for_all_is_a_number() -> None:
    """Of ones, a mean of zeros, and -0, whose sign counts."""
    x, ones, zeros = (
        numbers(ROWS, 3),
        torch.ones(ROWS, dtype=torch.float64),
        -torch.zeros(3).double(),
    )

    def function(w: Any, x: Any, ones: Any, zeros: Any) -> tuple[Any, ...]:
        return (x @ w * ones).sum(), (w * w + 1) / zeros

    lanes = [numbers(LANES, 3)]
    assert len(loops(function, lanes, [x, ones, zeros]).data) == 1
    check(function, lanes, [x, ones, zeros])
    both = torch.tensor([0.0, -0.0, 0.0], dtype=torch.float64)
    check(lambda w, zeros: ((w * w + 1) / zeros,), lanes, [both])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(7, 3), (ROWS, 3, 1)])
def test_masks_are_those_of_dropout(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    """Of any seed, update and probability, number for number."""

    def kept(low: Any, high: Any, step: Any, x: Any) -> tuple[torch.Tensor, ...]:
        made = [mask((low, high), step, call, torch.Size(shape), p) for call, p in draws]
        return tuple((one * x).flatten() for one in made)

    draws = [(1, 0.5), (2, 0.1), (3, 0.999)]
    seeds = torch.tensor([0, 1, 2**24 - 1, 2**24, 2**48 - 1, *range(5, 50, 3)])
    steps = torch.arange(len(seeds), dtype=dtype) * 700_000 % 2**24
    lanes = [*(part.to(dtype) for part in key_of(seeds)), steps]
    check(kept, lanes, [torch.rand(shape, dtype=dtype) + 1])
