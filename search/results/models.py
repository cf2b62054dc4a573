"""The fitted models of a search: their parameters, fitted again, and what they predict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.search.folder import One, RunFolder

if TYPE_CHECKING:
    import torch

    from shoal.search.fits import Again, Chosen, Refit


class Models(ABC):
    """The fits of a run folder, one at a time.

    Attributes:
        path: the run folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.path: Path = folder.path
        self._folder = folder

    @property
    @abstractmethod
    def best_row(self) -> dict[str, Any] | None:
        """The row of the best trial as plain values, or None: no trial counts."""

    @property
    def called(self) -> bool:
        """Whether its fits are calls of a function or of a program."""
        return self._folder.request.called

    def fit(self, trial: int | str = "best", replicate: int = 0, fold: Any = None) -> Chosen:
        """Return which fit is meant.

        Args:
            trial: its number, or ``best``.
            fold: its number; ``all``: with no rows left out; needed where there are folds.

        Raises:
            BadInput: there is no such fit.
        """
        from shoal.search.fits import chosen

        first = self.best_row if trial == "best" else None
        best = None if first is None else int(first["trial"])
        return chosen(self._folder, best, trial, replicate, fold)

    def parameters(
        self, trial: int | str = "best", replicate: int = 0, fold: int | None = None
    ) -> dict[str, torch.Tensor]:
        """Return the fitted parameters of a fit, by name, as they were kept.

        Raises:
            BadInput: there is no such fit, or it is none of those that are kept.
        """
        from shoal.search.fits import kept, tensors_of

        return tensors_of(kept(self._folder, self.fit(trial, replicate, fold)).named)

    def checkpoint(self, trial: int | str = "best", replicate: int = 0) -> Path:
        """Return the folder with what a call has left in its ``checkpoint``.

        Raises:
            BadInput: there is no such fit, or its checkpoint is not kept.
        """
        from shoal.search.fits import checkpoint_of

        return checkpoint_of(self._folder, self.fit(trial, replicate))

    def refit(
        self,
        trial: int | str = "best",
        replicate: int = 0,
        fold: int | str | None = None,
        *,
        trust: bool = False,
        save: Path | None = None,
    ) -> Refit | Again:
        """Fit any trial again, with the program, block and seed of the search; or call again what
        the search has called.

        Args:
            fold: ``all``: with no rows left out.
            trust: whether the code of the run folder may be another user's.
            save: a new folder, for the checkpoint of a call.

        Raises:
            SearchError: there is no such fit, or it does not work here.
        """
        from shoal.search.fits import call_again, refit

        fit, folder = self.fit(trial, replicate, fold), self._folder
        return call_again(folder, fit, trust, save) if self.called else refit(folder, fit, trust)

    def predict(
        self,
        trial: int | str,
        x: Any,
        replicate: int = 0,
        fold: int | str | None = None,
        *,
        trust: bool = False,
    ) -> Any:
        """Return what the fitted model says of rows `x`: the problem's ``predict(params, x)``.

        Where the parameters are not kept, the trial is fitted again.

        Args:
            trial: its number, or ``best``.
            x: rows first: a tensor, an array, or a DataFrame with the problem's ``inputs``.
            fold: needed where there are folds; ``all``: fitted with no rows left out.
            trust: whether the code of the run folder may be another user's.

        Returns:
            an array with a row for each of `x`, or a dict of them.

        Raises:
            BadInput: the problem has no ``predict``, or it does not take `x`.
        """
        from shoal.search.fits import predict

        fit = self.fit(trial, replicate, fold)
        return predict(self._folder, fit, self._one(fit, trust), x, trust)

    def model(
        self,
        trial: int | str = "best",
        replicate: int = 0,
        fold: int | str | None = None,
        *,
        trust: bool = False,
    ) -> torch.nn.Module:
        """Return the problem's module with the parameters of a fit, in evaluation mode.

        Where they are not kept, the trial is fitted again.

        Args:
            fold: needed where there are folds; ``all``: fitted with no rows left out.
            trust: whether the code of the run folder may be another user's.

        Raises:
            BadInput: there is no such fit, or the problem has no ``module``.
        """
        from shoal.search.fits import model

        fit = self.fit(trial, replicate, fold)
        return model(self._folder, fit, self._one(fit, trust), trust)

    def _one(self, fit: Chosen, trust: bool) -> One:
        """The parameters of a fit, kept or made again."""
        from shoal.search.fits import check_stacked, held, refit

        check_stacked(self._folder, "model")
        one = held(self._folder, fit)
        return refit(self._folder, fit, trust).one if one is None else one
