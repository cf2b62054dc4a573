"""Which fit of a run folder is meant: a trial, its replicate, and its fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from numpy.typing import NDArray

from shoal.search.errors import BadInput
from shoal.search.folder import RunFolder
from shoal.search.space import plain

BEST = "best"

ALL_ROWS = "all"
"""In the place of a fold: none is left out."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One fit of a run folder.

    Attributes:
        fold: from 0; None: of a search with folds, no rows are left out.
        row: its row of the table, or that of the trial's first fold where no rows are left out.
    """

    trial: int
    replicate: int
    fold: int | None
    row: dict[str, Any]

    @property
    def name(self) -> str:
        """For the user: ``trial 17, replicate 1``."""
        more = f", replicate {self.replicate}" if self.replicate else ""
        fold = f", fold {self.fold}" if "fold" in self.row and self.fold is not None else ""
        return f"trial {self.trial}{more}{fold}"

    @property
    def options(self) -> str:
        """What is typed: ``--trial 17 --replicate 1``."""
        more = f" --replicate {self.replicate}" if self.replicate else ""
        fold = f" --fold {self.fold}" if "fold" in self.row else ""
        return f"--trial {self.trial}{more}{fold}"


def chosen(
    folder: RunFolder, best: int | None, trial: Any, replicate: Any = 0, fold: Any = None
) -> Chosen:
    """Return the fit that is meant.

    Args:
        best: the number of the best trial, if there is one.
        trial: a number, or ``best``; fold: a number, or ``all`` for no rows left out.

    Raises:
        BadInput: there is no such fit, or not yet.
    """
    request = folder.request
    if trial == BEST:
        if best is None:
            raise BadInput(f"{folder.path} has no trial that has ended without failure")
        trial = best
    number = _number("trial", trial, request.trials, f", or {BEST}")
    copy = _number("replicate", replicate, request.replicates, "")
    part = None
    if request.folds > 1 and fold is None:
        raise BadInput(
            f"each trial of {folder.path} has {request.folds} fits, a fold left out of each: say "
            f"which, --fold 0 to {request.folds - 1}, or --fold {ALL_ROWS} to fit to all rows (in "
            f'Python fold=0, or fold="{ALL_ROWS}")'
        )
    if request.folds == 1 and fold not in (None, 0):
        raise BadInput(f"{folder.path} has no folds, so none is {fold!r}; leave out the fold")
    if fold != ALL_ROWS:
        part = _number("fold", fold or 0, request.folds, f", or {ALL_ROWS}")
    rows = folder.trials()
    here = (rows["trial"].to_numpy() == number) & (
        request.fit_numbers(rows) == copy * request.folds + (part or 0)
    )
    found = numpy.flatnonzero(here)
    if not len(found):
        raise BadInput(f"trial {number} of {folder.path} has not been fitted yet")
    (row,) = rows.slice(int(found[0]), 1).to_pylist()
    fit = Chosen(trial=number, replicate=copy, fold=part, row=row)
    if row["state"] == "failed":
        raise BadInput(f"{fit.name} of {folder.path} failed: {row['error']}")
    return fit


def _number(name: str, value: Any, count: int, other: str) -> int:
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        numbers = f"a number from 0 to {count - 1}" if count > 1 else "0"
        raise BadInput(f"{name} must be {numbers}{other}, not {value!r}")
    return value


def tensors_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    """Return arrays as tensors of their own."""
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
