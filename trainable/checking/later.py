"""What the first update does not show: the last batch of an epoch, and the loss over all rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from shoal.trainable.checking.trial import First, Trial
from shoal.trainable.errors import ContractError
from shoal.trainable.problems import kind


def check_later(trial: Trial, first: First) -> None:
    """Check that the loss takes a last batch that is smaller than the others, and all rows, for
    which there is no noise.

    Raises:
        ContractError: it does not.
    """
    update = trial.update
    if update.last is not None:
        rows, noise, count = update.last
        _taken(
            trial,
            lambda: update.returned(first.params, first.own, rows, noise)[0],
            f"in the last batch of an epoch, of {count} row{'s' if count > 1 else ''}: take any "
            "number of rows, or leave that batch out, by drop_last = True",
        )
    if update.of_an_epoch or update.noise is not None:
        none = "; noise is None there" if update.noise is not None else ""
        _taken(
            trial,
            lambda: update.of_all(first.params, first.own),
            f"in the loss over all rows, by which a fit is judged{none}",
        )


def _taken(trial: Trial, call: Callable[[], Any], where: str) -> None:
    try:
        with torch.no_grad():
            found = trial.guard(trial.method, call)
    except ContractError as error:
        raise ContractError(f"{error} ({where})") from error
    if not isinstance(found, torch.Tensor) or found.shape != ():
        trial.fail(trial.method, f"the loss is {kind(found)}, not a tensor of shape () ({where})")
