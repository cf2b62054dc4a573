"""Which rows each update takes, and what noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.feeding import Feed
from shoal.trainable.feeding.batches import Batches

CPU = torch.device("cpu")


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (7, 3), (12, 3), (12, 12), (13, 12), (13, 1)])
@pytest.mark.parametrize("drop_last", [False, True])
def test_each_epoch_takes_each_row_once(rows: int, size: int, drop_last: bool) -> None:
    """In batches of the size, and a last one that is smaller or left out."""
    batches = Batches(rows=rows, size=size, drop_last=drop_last)
    full, left = divmod(rows, size)
    assert batches.of_an_epoch == full + (left > 0 and not drop_last)
    for epoch in range(3):
        first = epoch * batches.of_an_epoch
        taken = [batches.at(5, first + i) for i in range(batches.of_an_epoch)]
        assert [len(rows) for rows in taken[:full]] == [size] * full
        assert len(taken[-1]) == batches.of_the_last
        every = torch.cat(taken).tolist()
        assert len(set(every)) == len(every) == (full * size if drop_last else rows)


def test_the_order_follows_from_seed_fold_and_epoch_alone() -> None:
    """Whatever was asked for before, and in whatever order."""
    one, other = (Batches(rows=50, size=8) for _ in range(2))
    steps = [0, 30, 6, 7, 13, 14, 0]
    forward = {step: one.at(3, step).tolist() for step in steps}
    for seed in (9, 3, 4):  # other seeds between
        for step in reversed(steps):
            if seed == 3:
                assert other.at(seed, step).tolist() == forward[step]
            else:
                other.at(seed, step)
    orders = {
        (seed, fold, epoch): tuple(
            torch.cat(
                [Batches(rows=50, size=8, fold=fold).at(seed, epoch * 7 + i) for i in range(7)]
            ).tolist()
        )
        for seed in (0, 1)
        for fold in (0, 1)
        for epoch in (0, 1)
    }
    assert len(set(orders.values())) == len(orders)
    assert orders[0, 0, 0] != tuple(range(50))


class Problem:
    batch: Any = 4

    def data(self) -> Any:
        return {"x": torch.arange(10.0), "y": torch.arange(10) * 2}


def test_rows_of_all_items_are_taken_together() -> None:
    """In the structure of the data."""
    problem = Problem()
    feed = Feed(problem, problem.data(), fold=0, device=CPU)
    given = feed.at(1, 3)
    rows, noise = feed.taken(given)
    assert noise is None
    assert torch.equal(rows["y"], (rows["x"] * 2).long())
    assert len(rows["x"]) == 4
    assert feed.together


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 11}, "Made.batch is 11, and there are 10 rows to fit to"),
        ({"batch": 0}, "Made.batch is 0, not a number of rows"),
        ({"batch": True}, "Made.batch is True, not a number of rows"),
        ({"batch": 2.5}, "Made.batch is 2.5, not a number of rows"),
        ({"drop_last": 1}, "Made.drop_last is 1; write True or False"),
        (
            {"data": lambda self: (torch.zeros(10), torch.zeros(3))},
            "data()[0] has 10, data()[1] has 3",
        ),
        ({"data": lambda self: (torch.zeros(10), torch.zeros(()))}, "data()[1] has none"),
    ],
)
def test_batches_that_cannot_be_are_refused(change: dict[str, Any], message: str) -> None:
    """In one line that says what is allowed."""
    problem: Any = type("Made", (Problem,), change)()
    with pytest.raises(ContractError) as caught:
        Feed(problem, problem.data(), fold=0, device=CPU)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_noise_is_asked_for_by_seed_and_step() -> None:
    """And comes in the structure that it was returned in."""

    class Noisy:
        def data(self) -> torch.Tensor:
            return torch.arange(3.0)

        def noise(self, seed: int, step: int) -> Any:
            return {"shift": torch.tensor(float(seed)), "scale": torch.full((3,), float(step))}

    problem = Noisy()
    feed = Feed(problem, problem.data(), fold=0, device=CPU)
    rows, noise = feed.taken(feed.at(7, 5))
    assert torch.equal(rows, torch.arange(3.0))
    assert noise["shift"].item() == 7
    assert noise["scale"].tolist() == [5.0, 5.0, 5.0]
    assert feed.together


def test_noise_that_is_no_tensor_is_refused() -> None:
    """With the line of its method."""

    class Wrong:
        def data(self) -> torch.Tensor:
            return torch.arange(3.0)

        def noise(self, seed: int, step: int) -> Any:
            return 0.5

    problem = Wrong()
    feed = Feed(problem, problem.data(), fold=0, device=CPU)
    with pytest.raises(ContractError, match=r"test_batches.py:\d+: .*noise: returns a float"):
        feed.at(0, 0)
