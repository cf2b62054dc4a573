"""The result of a search, in pandas."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from shoal.search.folder import RunFolder
from shoal.search.results.ranking import ranking
from shoal.search.space import Space, plain

if TYPE_CHECKING:  # pandas takes half a second: not before somebody looks
    import optuna
    import pandas


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

    @cached_property
    def _rows(self) -> pa.Table:
        return self._folder.trials()

    @cached_property
    def _ranking(self) -> tuple[Any, Any]:
        return ranking(self._rows, self._folder.request.replicates)

    @cached_property
    def _curves(self) -> pa.Table:
        return self._folder.tables()[1]

    @cached_property
    def trials(self) -> pandas.DataFrame:
        """One row per fit: trial, replicate, a column per hyperparameter, loss, state and so on."""
        return _frame(self._rows)

    @cached_property
    def curves(self) -> pandas.DataFrame:
        """One row per lane and reported step: trial, replicate, step, loss."""
        return _frame(self._curves)

    @cached_property
    def ranking(self) -> pandas.DataFrame:
        """One row per trial, the best first: its first row, with the mean loss of its replicates.

        A trial counts if none of its replicates failed and all are there.
        """
        return self._ranked(None)

    def _ranked(self, most: int | None) -> pandas.DataFrame:
        rows, losses = (column[:most] for column in self._ranking)
        return _frame(self._rows.take(rows)).assign(loss=losses)

    @property
    def best_row(self) -> dict[str, Any] | None:
        """The row of the best trial as plain values, or None: no trial counts."""
        rows, losses = self._ranking
        if not len(rows):
            return None
        (row,) = self._rows.slice(rows[0], 1).to_pylist()
        return {**row, "loss": float(losses[0])}

    @property
    def best(self) -> pandas.Series:
        """The row of the best trial; its loss is the mean of its replicates.

        Raises:
            LookupError: no trial has ended.
        """
        first = self._ranked(1)
        if first.empty:
            raise LookupError(f"{self.path} has no trial that has ended without failure")
        return first.iloc[0]

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

        Values are means over replicates (+inf: diverged), and so are the intermediate values, one
        per reported step. Failed trials are there as FAIL. ``user_attrs["states"]`` has the states.
        """
        import pandas
        from optuna.trial import TrialState, create_trial

        from shoal.search.samplers import study_of

        distributions = {name: d.distribution for name, d in self.space.items()}
        curves = _frame(self._curves).groupby(["trial", "step"])["loss"].mean()
        steps = {
            trial: dict(zip(group.index.get_level_values("step").tolist(), group, strict=True))
            for trial, group in curves.groupby(level="trial")
        }
        trials = []
        for number, group in _frame(self._rows).groupby("trial", sort=True):
            failed = bool((group["state"] == "failed").any())
            row = group.iloc[0]
            start = row["started"].to_pydatetime().replace(tzinfo=None)
            trial = create_trial(
                state=TrialState.FAIL if failed else TrialState.COMPLETE,
                value=None if failed else float(group["loss"].mean()),
                params={name: plain(row[name]) for name in distributions},
                distributions=distributions,
                intermediate_values=steps.get(number, {}),
                user_attrs={"trial": int(row["trial"]), "states": group["state"].tolist()},
            )
            trial.datetime_start = start
            trial.datetime_complete = start + pandas.Timedelta(
                seconds=float(group["seconds"].sum())
            )
            trials.append(trial)
        return study_of(trials)

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
