"""Folds: the rows of the data split into parts, of which a fit leaves one out.

n       rows of the data
k       folds
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.problems.values import labelled, rebuilt, tensors


@dataclass(frozen=True, kw_only=True)
class Folds:
    """How rows are split: into `count` parts, by `seed`."""

    count: int
    seed: int

    def of(self, index: int) -> Fold:
        """Return one of them; `index` is from 0."""
        return Fold(index=index, count=self.count, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One of `count` parts: number `index`, from 0. Which rows it has depends on `seed`."""

    index: int
    count: int
    seed: int

    def split(self, data: Any, stratify: str | int | None) -> tuple[Any, Any]:
        """Return the rows of all other parts, and those of this one; both in the data's order.

        Each part has as many rows, give or take one, and as many of each value of what it is
        stratified by, likewise.

        Args:
            data: tensors whose first dimension is n.
            stratify: the item of the data whose values the parts share evenly, or None.

        Raises:
            ContractError: there are no such rows, or fewer than parts.
        """
        items = tensors(data)
        n = _rows(data)
        if n < self.count:
            raise ContractError(
                f"data() has {n} rows, too few for folds={self.count}: each part needs one"
            )
        part = _parts(n, self, None if stratify is None else _labels(data, stratify))
        inside = part == self.index
        return (
            rebuilt(data, [item[~inside] for item in items]),
            rebuilt(data, [item[inside] for item in items]),
        )


def _rows(data: Any) -> int:
    """The common first dimension."""
    sizes = {name: item.shape[0] if item.dim() else None for name, item in labelled(data).items()}
    if None in sizes.values() or len(set(sizes.values())) != 1:
        told = ", ".join(f"{n} has {'none' if s is None else s}" for n, s in sizes.items())
        raise ContractError(
            f"with folds, rows are the first dimension of each tensor of data(), and as many in "
            f"each: {told}"
        )
    return int(next(iter(sizes.values())) or 0)


def _parts(n: int, fold: Fold, labels: torch.Tensor | None) -> torch.Tensor:
    """The part of each row, shape (n,), int64: dealt round, label after label."""
    generator = torch.Generator().manual_seed(fold.seed)
    order = torch.randperm(n, generator=generator)
    if labels is not None:
        order = order[torch.argsort(labels[order], stable=True)]
    part = torch.empty(n, dtype=torch.int64)
    part[order] = torch.arange(n) % fold.count
    return part


def _labels(data: Any, stratify: str | int) -> torch.Tensor:
    """A number for each value of an item, shape (n,)."""
    items = labelled(data)
    name = f"data()[{stratify!r}]"
    if name not in items:
        raise ContractError(
            f"stratify is {stratify!r}, so it shares the values of {name}, which is not there: "
            f"there is {', '.join(items)}"
        )
    item = items[name]
    rows = item.reshape(len(item), -1)
    labels: torch.Tensor = torch.unique(rows, dim=0, return_inverse=True)[1]
    return labels
