"""The result of a search, in pandas."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from shoal.search.folder import RunFolder
from shoal.search.folder.tables import rows
from shoal.search.request import Objective
from shoal.search.results.models import Models
from shoal.search.results.ranking import ranking
from shoal.search.space import Space

if TYPE_CHECKING:  # pandas takes half a second: not before somebody looks
    import optuna
    import pandas

    from shoal.search.plots import Trials
    from shoal.search.results.plots import Plots


class Result(Models):
    """What a run folder holds, read when it is asked for.

    The frames are the caller's to sort and to change: what else it tells comes from the rows as
    they were read.

    Attributes:
        path: the run folder.
        space: the dimensions that were searched.
    """

    def __init__(self, folder: RunFolder, tables: tuple[pa.Table, pa.Table] | None = None) -> None:
        """Read nothing yet.

        Args:
            tables: trials and curves, where somebody has read them.
        """
        super().__init__(folder)
        self._tables = tables
        self.space: Space = folder.request.space

    @property
    def asked(self) -> int:
        """How many fits were asked for: a row each, once the search is whole."""
        return self._folder.request.lanes

    @property
    def end(self) -> str | None:
        """What has ended the search before it had all trials that were asked for, such as
        ``"stalled:200"``; None: nothing has, or it went on since."""
        request = self._folder.request
        last = request.ended[-1] if request.ended else None
        if last is None or last.request < len(request.amendments):
            return None
        return " ".join(last.ends)

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
    def numbers(self) -> tuple[str, ...]:
        """The names of all numbers of a fit: the loss and the metrics, or what calls report."""
        return self._folder.request.columns

    @cached_property
    def _rows(self) -> pa.Table:
        return self._folder.trials() if self._tables is None else self._tables[0]

    @cached_property
    def _ranking(self) -> tuple[Any, dict[str, Any]]:
        return ranking(self._rows, self._folder.request)

    @cached_property
    def _curves(self) -> pa.Table:
        return (self._folder.tables() if self._tables is None else self._tables)[1]

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
        return next(iter(self.leading(1)), None)

    def leading(self, most: int) -> list[dict[str, Any]]:
        """The rows of the best trials as plain values, the best first."""
        rows, means = self._ranking
        plain = self._rows.take(rows[:most]).to_pylist()
        shown = {name: column[:most].tolist() for name, column in means.items()}
        return [
            {**row, **{name: column[place] for name, column in shown.items()}}
            for place, row in enumerate(plain)
        ]

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

    @cached_property
    def plot(self) -> Plots:
        """Figures of Plotly: ``history()``, ``slice()``, ``contour()``, ``curves()``,
        ``importance()``, ``metrics()``."""
        from shoal.search.results.plots import Plots

        return Plots(self.drawn)

    @cached_property
    def drawn(self) -> Trials:
        """The trials as figures need them: a row for each, with means over its fits."""
        from shoal.search.plots import Trials

        def shares() -> dict[str, float]:
            with warnings.catch_warnings():  # tqdm's, where a notebook has no widgets
                warnings.simplefilter("ignore")
                from shoal.search.results.importance import importance

            return importance(trials)

        trials = Trials(self._folder.request, self._rows, lambda: self._curves, shares)
        return trials

    def __repr__(self) -> str:
        return f"Result({str(self.path)!r}: {self.ended} fits)"

    def _repr_html_(self) -> str:
        from shoal.search.results.notebook import summary

        goal, best = self.objective, self.best_row
        names = [*self.space, *(name for name in self.numbers if name != goal.name)]
        return summary(str(self.path), goal, best, names, self.states(), self.asked)


def _frame(rows: pa.Table) -> pandas.DataFrame:
    """Rows as a frame of their own, which may be changed."""
    frame: pandas.DataFrame = rows.to_pandas()
    return frame.copy()
