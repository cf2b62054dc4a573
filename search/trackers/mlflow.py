"""MLflow: a run for the search, with the objective of each trial; one below it for each of the best
trials, with hyperparameters, curves and the fitted parameters.

What is there is asked first: of the search's run the steps of its metrics, and the runs below it by
the trial's number; one of these that was not finished is deleted and made anew.
"""

from __future__ import annotations

import importlib
import logging
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shoal.search.process import quiet
from shoal.search.request import shown
from shoal.search.results import Result
from shoal.search.trackers.rows import Row
from shoal.search.trackers.tracker import BEST, NotHandedOver, Tracked

SEARCH, TRIAL, PARENT = "shoal.search", "shoal.trial", "mlflow.parentRunId"
"""Tags of runs."""

MAX_METRICS, MAX_PARAMETERS, MAX_TEXT = 1000, 100, 6000
"""Of one call, and of a parameter's text, as MLflow has them."""

SQLITE, FILE = "sqlite:///", "mlflow.db"


class MLflow:
    """Speaks to a tracking server, or to a database of SQLite."""

    def begin(self, search: Tracked) -> None:
        """Find the run of the search, or make it."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self._tracking: Any = importlib.import_module("mlflow.tracking")
        self._entities: Any = importlib.import_module("mlflow.entities")
        self._search = search
        with quiet("mlflow", logging.WARNING):  # it tells of each table that it makes
            self._open(search)

    def _open(self, search: Tracked) -> None:
        self._place, artifacts = _place(search)
        self._client = self._tracking.MlflowClient(tracking_uri=self._place)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or search.request.problem
        there = self._client.get_experiment_by_name(name)
        self._experiment = (
            self._client.create_experiment(name, artifact_location=artifacts)
            if there is None
            else there.experiment_id
        )
        found = self._runs(f"tags.`{SEARCH}` = '{search.identity}'")
        self._run = found[0] if found else self._begun(search)
        self._goal = search.request.goal.name
        history = self._client.get_metric_history(self._run.info.run_id, self._goal)
        self._known = {metric.step for metric in history}
        self._waiting: dict[int, list[Row]] = {}

    def add(self, rows: Sequence[Row]) -> None:
        """Log the means over the fits of each trial whose fits are all there, its number as the
        step; those that are not finite are left out."""
        metrics = []
        for row in rows:
            trial = row.key[0]
            fits = self._waiting.setdefault(trial, [])
            fits.append(row)
            if len(fits) < self._search.request.fits or trial in self._known:
                continue
            del self._waiting[trial]
            when = _milliseconds(row.started + (row.values["seconds"] or 0.0))
            names = [n for n in row.numbers if all(n in fit.finite for fit in fits)]
            means = {n: sum(fit.numbers[n] for fit in fits) / len(fits) for n in names}
            metrics += [self._entities.Metric(n, mean, when, trial) for n, mean in means.items()]
        self._log(self._run, metrics)

    def end(self, result: Result, rows: Iterator[Row]) -> None:
        """If the search is whole, add the runs of its best trials."""
        if result.ended < result.asked:
            return
        below = f"tags.`{PARENT}` = '{self._run.info.run_id}'"
        there = {run.data.tags.get(TRIAL): run for run in self._runs(below)}
        for number, row in enumerate(result.leading(BEST)):
            self._best(result, row, there.get(str(row["trial"])))
            if number == 0:
                self._client.set_tag(self._run.info.run_id, "shoal.best", str(row["trial"]))
                self._client.log_metric(
                    self._run.info.run_id, f"best_{self._goal}", row[self._goal]
                )
        self._client.set_terminated(self._run.info.run_id)

    def told(self) -> str:
        """What to type, or where it is."""
        if not self._place.startswith(SQLITE):
            return f"runs of MLflow: {self._place}"
        file = shown(Path(self._place.removeprefix(SQLITE)))
        return f"mlflow ui --backend-store-uri {shlex.quote(SQLITE + file)}"

    def _runs(self, which: str) -> list[Any]:
        found: list[Any] = list(
            self._client.search_runs([self._experiment], filter_string=which, max_results=1000)
        )
        return found

    def _begun(self, search: Tracked) -> Any:
        """The run of the search, made now."""
        tags = {SEARCH: search.identity, "shoal.folder": str(search.folder)}
        run = self._client.create_run(self._experiment, tags=tags, run_name=search.name)
        self._parameters(run, search.asked())
        return run

    def _best(self, result: Result, row: Mapping[str, Any], there: Any) -> None:
        """Add the run of a trial, unless it is whole there."""
        if there is not None:
            if there.info.status == "FINISHED":
                return
            self._client.delete_run(there.info.run_id)
        began = _milliseconds(row["started"].timestamp())
        tags = {PARENT: self._run.info.run_id, TRIAL: str(row["trial"])}
        run = self._client.create_run(
            self._experiment, start_time=began, tags=tags, run_name=f"trial {row['trial']}"
        )
        active = {n: row[n] for n in self._search.request.space if row[n] is not None}
        self._parameters(run, active)
        self._log(run, list(self._metrics(result, row, began)))
        for file in sorted((result.path / "parameters").glob(f"trial-{row['trial']:06d}[-.]*")):
            self._client.log_artifact(run.info.run_id, str(file), "model")
        self._client.set_terminated(run.info.run_id)

    def _metrics(self, result: Result, row: Mapping[str, Any], began: int) -> Iterator[Any]:
        """The curves of a trial, means over its fits, and the numbers that count as
        ``final_NAME``."""
        curves = result.curves[result.curves["trial"] == row["trial"]]
        for step, means in curves.groupby("step")[list(result.numbers)].mean().iterrows():
            for name, value in means.items():
                if abs(value) < float("inf"):
                    yield self._entities.Metric(name, float(value), began, int(step))
        for name in result.numbers:
            if abs(row[name]) < float("inf"):
                yield self._entities.Metric(f"final_{name}", float(row[name]), began, 0)

    def _parameters(self, run: Any, values: Mapping[str, Any]) -> None:
        texts = [(name, str(value)) for name, value in values.items() if str(value)]
        made = [self._entities.Param(name, text[:MAX_TEXT]) for name, text in texts]
        for at in range(0, len(made), MAX_PARAMETERS):
            self._client.log_batch(run.info.run_id, params=made[at : at + MAX_PARAMETERS])

    def _log(self, run: Any, metrics: list[Any]) -> None:
        for at in range(0, len(metrics), MAX_METRICS):
            self._client.log_batch(run.info.run_id, metrics=metrics[at : at + MAX_METRICS])


def _place(search: Tracked) -> tuple[str, str | None]:
    """The address of the server or of the database, and of a database where files go.

    Raises:
        NotHandedOver: it is a folder, which MLflow has given up.
    """
    address = search.where or os.environ.get("MLFLOW_TRACKING_URI", "")
    if "://" in address and not address.startswith(SQLITE):
        return address, None
    path = address.removeprefix(SQLITE)
    file = Path(path).absolute() if path else search.place(FILE)
    if file.is_dir():
        told = f"{shown(file)} is a folder; MLflow keeps runs in a database"
        raise NotHandedOver(f"{told}: mlflow:{shown(file / FILE)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    return f"{SQLITE}{file}", (file.parent / "mlflow-artifacts").as_uri()


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
