"""Folds: each row is left out once, parts are alike, and the split is that of a seed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.problems.folds import Folds


@pytest.mark.parametrize("stratify", [None, "y"])
@pytest.mark.parametrize(("rows", "count"), [(10, 2), (23, 5), (7, 7), (100, 3)])
def test_each_row_is_left_out_of_one_fold_and_in_all_others(
    rows: int, count: int, stratify: str | None
) -> None:
    """In the data's own order, with sizes that differ by one at the most."""
    data = {"x": torch.arange(rows).view(-1, 1) * 1.0, "y": torch.arange(rows) % 2}
    left_out, sizes = [], set()
    for index in range(count):
        train, rest = Folds(count=count, seed=5).of(index).split(data, stratify)
        for part in (train, rest):
            order = part["x"].flatten()
            assert bool((order[1:] > order[:-1]).all())
            assert torch.equal(part["y"], part["x"].flatten().long() % 2)
        together = torch.cat([train["x"], rest["x"]]).flatten()
        assert torch.equal(together.sort().values, data["x"].flatten())
        left_out.append(rest["x"].flatten())
        sizes.add(len(rest["x"]))
    assert torch.equal(torch.cat(left_out).sort().values, data["x"].flatten())
    assert max(sizes) - min(sizes) <= 1


def test_each_fold_has_its_share_of_each_value() -> None:
    """9 of one kind and 30 of another in 3 folds: 3 and 10 in each; not so without."""
    y = torch.tensor([1] * 9 + [0] * 30)
    data = (torch.arange(39.0), y)
    for index in range(3):
        _, (_, kinds) = Folds(count=3, seed=2).of(index).split(data, 1)
        assert int(kinds.sum()) == 3
    plain = [int(Folds(count=3, seed=2).of(i).split(data, None)[1][1].sum()) for i in range(3)]
    assert set(plain) != {3}


def test_another_seed_is_another_split() -> None:
    """The same seed is the same one."""
    x = torch.arange(50.0)
    first, again, other = (Folds(count=5, seed=s).of(0).split(x, None)[1] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("data", "stratify", "told"),
    [
        ((torch.ones(3), torch.ones(4)), None, r"data\(\)\[0\] has 3, data\(\)\[1\] has 4"),
        ({"x": torch.ones(3), "s": torch.ones(())}, None, r"data\(\)\['s'\] has none"),
        (torch.ones(1), None, r"data\(\) has 1 rows, too few for folds=2"),
        ((torch.ones(3), torch.ones(3)), "y", r"stratify is 'y', .*: there is data\(\)\[0\], data"),
    ],
)
def test_what_cannot_be_split_is_told(data: Any, stratify: Any, told: str) -> None:
    """In one line."""
    with pytest.raises(ContractError, match=told):
        Folds(count=2, seed=0).of(0).split(data, stratify)
