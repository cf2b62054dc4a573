"""What an update takes besides parameters: the rows, and the noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.feeding.batches import Batches
from shoal.trainable.problems import NOISE, kind, noise_of, rebuilt, tensors, where


class Feed:
    """Rows and noise of each update of the fits of one program.

    Attributes:
        batches: None: each update takes all rows.
        all: the rows, all of them.
        together: whether fits can only be stacked that have one seed and are at one step, since an
            update takes what these decide.
    """

    def __init__(self, problem: Any, data: Any, *, fold: int, device: torch.device) -> None:
        """Prepare.

        Args:
            data: the rows to fit to, on the device; fold: that is left out, 0 if there are none.

        Raises:
            ContractError: there are no such batches.
        """
        self._problem, self._data, self._device = problem, data, device
        self.batches = Batches.of(problem, data, fold)
        self.all: list[torch.Tensor] = tensors(data)
        self._noisy = hasattr(type(problem), NOISE)
        self._noise: Any = None  # its structure
        self.together = self.batches is not None or self._noisy

    def at(self, seed: int, step: int) -> list[torch.Tensor]:
        """Return the tensors of an update, those of the rows first.

        Args:
            seed: of the fits; step: updates done before.

        Raises:
            ContractError: the noise is no tensor, and no tuple or dict of them.
        """
        rows = self.all
        if self.batches is not None:
            which = self.batches.at(seed, step).to(self._device)
            rows = [tensor[which] for tensor in self.all]
        if not self._noisy:
            return rows
        made = noise_of(self._problem, seed, step)
        if not tensors(made):
            raise ContractError(
                f"{where(type(self._problem), NOISE)}: returns {kind(made)}, not a tensor, or a "
                "tuple or dict of tensors"
            )
        self._noise = made
        return [*rows, *(tensor.contiguous().to(self._device) for tensor in tensors(made))]

    @property
    def fixed(self) -> int | None:
        """How many tensors of an update, the first, are the same at each; None: all are."""
        if not self.together:
            return None
        return len(self.all) if self.batches is None else 0

    def alike(self, step: int, most: int) -> tuple[int, bool]:
        """Return how many updates from one on take as many rows as it, `most` at the most; and
        whether it takes the last batch of an epoch, which is smaller."""
        return (most, False) if self.batches is None else self.batches.alike(step, most)

    def taken(self, given: Sequence[torch.Tensor]) -> tuple[Any, Any]:
        """Return rows and noise, as the problem has them, from the tensors of an update."""
        count = len(self.all)
        noise = rebuilt(self._noise, list(given[count:])) if self._noisy and given[count:] else None
        return rebuilt(self._data, list(given[:count])), noise
