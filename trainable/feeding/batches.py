"""Minibatches: which rows each update takes.

The rows of an epoch are in an order that the fit's seed, its fold and the epoch's number decide,
and are taken from it in turn, each once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.problems import BATCH, labelled, tensors

DROP_LAST = "drop_last"

MAX_EPOCHS_HELD = 2
"""Orders that are kept at hand: fits of a pack are at the same epoch, or at the next."""


def batch_of(problem: Any) -> int | None:
    """Return how many rows an update of a problem's instance takes; None: all.

    Raises:
        ContractError: it is no number of rows.
    """
    size = getattr(problem, BATCH, None)
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ContractError(
            f"{type(problem).__name__}.batch is {size!r}, not a number of rows: write batch = 128"
        )
    return size


@dataclass(frozen=True, kw_only=True)
class Batches:
    """The batches of a fit.

    Attributes:
        rows: of the data; size: of a batch.
        drop_last: whether the last batch of an epoch is left out where it is smaller.
        fold: the fold that is left out; 0 where there are none.
    """

    rows: int
    size: int
    drop_last: bool = False
    fold: int = 0
    _orders: dict[tuple[int, int], torch.Tensor] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, problem: Any, data: Any, fold: int) -> Batches | None:
        """Return the batches of a problem's instance; None: each update takes all rows.

        Args:
            data: the rows that it is fitted to.

        Raises:
            ContractError: there are no such batches.
        """
        size = batch_of(problem)
        if size is None:
            return None
        rows = rows_of_batches(data)
        if size > rows:
            name = type(problem).__name__
            raise ContractError(
                f"{name}.batch is {size}, and there are {rows} rows to fit to: a batch has at most "
                f"all of them; leave out batch, or write batch = {rows}"
            )
        drop_last = getattr(problem, DROP_LAST, False)
        if not isinstance(drop_last, bool):
            raise ContractError(
                f"{type(problem).__name__}.drop_last is {drop_last!r}; write True or False"
            )
        return cls(rows=rows, size=size, drop_last=drop_last, fold=fold)

    @property
    def of_an_epoch(self) -> int:
        """How many there are."""
        full, left = divmod(self.rows, self.size)
        return full + (1 if left and not self.drop_last else 0)

    @property
    def of_the_last(self) -> int:
        """How many rows the last of an epoch has."""
        left = self.rows % self.size
        return self.size if self.drop_last or not left else left

    def alike(self, step: int, most: int) -> tuple[int, bool]:
        """Return how many batches from an update on have as many rows as its own, `most` at the
        most; and whether it is a last one, with fewer than the others."""
        if self.of_the_last == self.size:
            return most, False
        left = self.of_an_epoch - 1 - step % self.of_an_epoch
        return (min(most, left), False) if left else (1, True)

    def at(self, seed: int, step: int) -> torch.Tensor:
        """Return the numbers of the rows of an update, int64.

        Args:
            seed: of the fit; step: updates done before.
        """
        epoch, place = divmod(step, self.of_an_epoch)
        return self._order(seed, epoch)[place * self.size : (place + 1) * self.size]

    def _order(self, seed: int, epoch: int) -> torch.Tensor:
        """The order of the rows in an epoch, shape (rows,)."""
        held = self._orders.get((seed, epoch))
        if held is not None:
            return held
        text = f"rows {seed} {self.fold} {epoch}"
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
        order = torch.randperm(self.rows, generator=torch.Generator().manual_seed(number))
        while len(self._orders) >= MAX_EPOCHS_HELD:
            self._orders.pop(next(iter(self._orders)))
        self._orders[seed, epoch] = order
        return order


def rows_of_batches(data: Any) -> int:
    """Return the common first dimension of the data.

    Raises:
        ContractError: there is none.
    """
    items = labelled(data)
    sizes = {n: item.shape[0] if item.dim() else None for n, item in items.items()}
    if not tensors(data) or None in sizes.values() or len(set(sizes.values())) != 1:
        told = ", ".join(f"{n} has {'none' if s is None else s}" for n, s in sizes.items())
        raise ContractError(
            "with batch, rows are the first dimension of each tensor of data(), and as many in "
            f"each: {told}; keep what is no row on self, or in prepare()"
        )
    return int(next(iter(sizes.values())) or 0)
