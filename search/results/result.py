"""The result of a search, in pandas."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from shoal.search.folder import One, RunFolder
from shoal.search.folder.tables import rows
from shoal.search.request import Objective
from shoal.search.results.ranking import ranking
from shoal.search.space import Space

if TYPE_CHECKING:  # pandas takes half a second: not before somebody looks
    import optuna
    import pandas
    import torch

    from shoal.search.fits import Again, Chosen, Refit


class Result:
    """What a run folder holds, read when it is asked for.

    The frames are the caller's to sort and to change: what else it tells comes from the rows as
    they were read.

    Attributes:
        path: the run folder.
        space: the dimensions that were searched.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.path: Path = folder.path
        self.space: Space = folder.request.space
        self._folder = folder

    @property
    def asked(self) -> int:
        """How many fits were asked for: a row each, once the search is whole."""
        return self._folder.request.lanes

    @property
    def objective(self) -> Objective:
        """What was searched for."""
        return self._folder.request.goal

    @property
    def fits(self) -> int:
        """How many fits each trial has: over replicates and folds."""
        return self._folder.request.fits

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the problem's metrics."""
        return self._folder.request.metrics

    @property
    def called(self) -> bool:
        """Whether its fits are calls of a function or of a program."""
        return self._folder.request.called

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of all numbers of a fit: the loss and the metrics, or what calls report."""
        return self._folder.request.columns

    @cached_property
    def _rows(self) -> pa.Table:
        return self._folder.trials()

    @cached_property
    def _ranking(self) -> tuple[Any, dict[str, Any]]:
        return ranking(self._rows, self._folder.request)

    @cached_property
    def _curves(self) -> pa.Table:
        return self._folder.tables()[1]

    @cached_property
    def trials(self) -> pandas.DataFrame:
        """One row per fit: trial, replicate, fold where there are folds, a column per
        hyperparameter (null where it is not active), loss, a column per metric, state and so
        on."""
        return self._frame(self._rows)

    @cached_property
    def curves(self) -> pandas.DataFrame:
        """One row per fit and reporting step: trial, replicate, fold where there are folds, step,
        the loss before that step's update, and the metrics after it."""
        return _frame(self._curves)

    @cached_property
    def ranking(self) -> pandas.DataFrame:
        """One row per trial, the best by the objective first: its first row, with the mean of its
        fits in the loss and in each metric.

        A trial counts if none of its fits failed and all are there.
        """
        return self._ranked(None)

    def _frame(self, trials: pa.Table) -> pandas.DataFrame:
        """Rows of trials as a frame, in which whole numbers with nulls are whole numbers."""
        return _frame(trials.replace_schema_metadata(rows.for_pandas(self._folder.request)))

    def _ranked(self, most: int | None) -> pandas.DataFrame:
        rows, means = self._ranking
        shown = {name: column[:most] for name, column in means.items()}
        return self._frame(self._rows.take(rows[:most])).assign(**shown)

    @property
    def best_row(self) -> dict[str, Any] | None:
        """The row of the best trial as plain values, or None: no trial counts."""
        rows, means = self._ranking
        if not len(rows):
            return None
        (row,) = self._rows.slice(rows[0], 1).to_pylist()
        return {**row, **{name: float(column[0]) for name, column in means.items()}}

    @property
    def best(self) -> pandas.Series:
        """The row of the best trial, without the hyperparameters that are not active in it; its
        loss and metrics are means over its fits.

        Raises:
            LookupError: no trial has ended.
        """
        import pandas

        first = self._ranked(1)
        if first.empty:
            raise LookupError(f"{self.path} has no trial that has ended without failure")
        best = first.iloc[0]
        return best.drop([name for name in self.space.conditional if pandas.isna(best[name])])

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

    def states(self) -> dict[str, int]:
        """How many lanes ended in which state."""
        from shoal.trainable.lanes import STATES

        counts = {
            count["values"]: count["counts"]
            for count in pc.value_counts(self._rows["state"]).to_pylist()
        }
        return {state: counts.get(state, 0) for state in STATES}

    def study(self) -> optuna.Study:
        """Return an Optuna study in memory, with every trial that has ended in it.

        Values are those of the objective, means over a trial's fits (+inf, or -inf where a larger
        one is better: a fit diverged), and so are the intermediate values, one per reported step.
        Failed trials are there as FAIL. A trial has the hyperparameters that are active in it.
        ``user_attrs["states"]`` has the states.
        """
        from shoal.search.results.exporting import study

        return study(self)

    @property
    def ended(self) -> int:
        """How many lanes have ended."""
        return len(self._rows)

    def __repr__(self) -> str:
        return f"Result({str(self.path)!r}: {self.ended} fits)"


def _frame(rows: pa.Table) -> pandas.DataFrame:
    """Rows as a frame of their own, which may be changed."""
    frame: pandas.DataFrame = rows.to_pandas()
    return frame.copy()
