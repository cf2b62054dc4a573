"""The first update of one fit as it is checked: loss and gradient, however they are written."""

from __future__ import annotations

from typing import Any

import torch

from shoal.trainable.feeding import Feed
from shoal.trainable.losses import KEY, ByHand, Given, loss_of
from shoal.trainable.problems import Hyperparameters, Params, leaves, like, names


class Update:
    """The first update of fits of one instance.

    Attributes:
        problem: the instance; loss: its own.
        of_an_epoch: batches of an epoch; 0: it takes all rows.
        data: the rows that it takes; noise: likewise, None where there is none.
        last: rows and noise of the last batch of an epoch, and how many rows these are; None: it
            has as many as the others.
    """

    def __init__(self, problem: Any, declared: Hyperparameters, data: Any) -> None:
        """Prepare.

        Raises:
            ContractError: it takes batches, and there are none such.
        """
        self.problem = problem
        self.loss = loss_of(problem, declared)
        feed = Feed(problem, data, fold=0, device=torch.device("cpu"))
        self.data, self.noise = feed.taken(feed.at(0, 0))
        self.of_an_epoch = feed.batches.of_an_epoch if feed.batches else 0
        self.last: tuple[Any, Any, int] | None = None
        self._all = data
        if feed.batches and (count := feed.batches.of_the_last) < feed.batches.size:
            self.last = *feed.taken(feed.at(0, self.of_an_epoch - 1)), count

    @property
    def by_hand(self) -> bool:
        """Whether the gradient is."""
        return isinstance(self.loss, ByHand)

    def of_all(self, params: Params, own: dict[str, torch.Tensor]) -> Any:
        """Return the loss over all rows, as it judges a fit."""
        zero = torch.zeros((), dtype=leaves(params)[0].dtype)
        return self.loss.value(params, self._all, Given(own=own, step=zero))

    def returned(
        self, params: Params, own: dict[str, torch.Tensor], data: Any = None, noise: Any = None
    ) -> Any:
        """Return what the problem does: (loss, gradient); or the loss alone, where it is no number.

        Args:
            own: hyperparameters; data, noise: None: those of this update.
        """
        zero = torch.zeros((), dtype=leaves(params)[0].dtype)
        key = (zero,) * len(KEY) if self.loss.draws else ()
        given = Given(own=own, step=zero, noise=self.noise if noise is None else noise, key=key)
        rows = self.data if data is None else data
        if isinstance(self.loss, ByHand):
            return self.loss.returned(params, rows, given)
        value = self.loss.value(params, rows, given)  # as it is called: writing in place is seen
        if not isinstance(value, torch.Tensor) or value.shape != ():
            return value, None
        made = self.loss.made(params, rows, given)
        trained = self.loss.trained(params)
        if all(trained):
            return made.loss, like(params, made.gradient)
        kept = [name for name, is_one in zip(names(params), trained, strict=True) if is_one]
        return made.loss, dict(zip(kept, made.gradient, strict=True))
