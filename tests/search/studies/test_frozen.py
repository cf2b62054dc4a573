"""A search's trials as Optuna's."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa
from optuna.trial import TrialState

from shoal.search.request import Objective
from shoal.search.studies import study_of

INF = float("inf")


def test_each_state_is_optunas_own_and_inactive_hyperparameters_are_unknown_to_it(
    searched: Any,
) -> None:
    """Complete and diverged fits are COMPLETE, the latter with +inf; a failed one has no value."""
    found = searched.trials()
    states = [trial.state for trial in found]
    complete = TrialState.COMPLETE
    assert states == [complete, complete, complete, TrialState.FAIL, TrialState.PRUNED]
    assert [trial.value for trial in found] == [1.5, 0.25, INF, None, 2.0]
    assert [trial.params["lr"] for trial in found] == searched.rows["lr"].to_pylist()
    assert ["beta1" in trial.params for trial in found] == [False, True, True, False, False]
    assert [type(found[0].params[name]) for name in ("width", "bias")] == [int, bool]
    assert found[1].intermediate_values == {9: 1.0, 19: 0.5, 29: 0.3}
    assert found[3].intermediate_values == {}
    assert [trial.user_attrs for trial in found] == [
        {"trial": n, "states": [state]}
        for n, state in enumerate(searched.rows["state"].to_pylist())
    ]
    began = searched.rows["started"][0].as_py()
    assert found[1].datetime_start == datetime.fromtimestamp(began.timestamp())
    assert found[1].duration is not None
    assert found[1].duration.total_seconds() == 1.25


def test_of_many_reports_some_are_taken_evenly_with_the_last(searched: Any) -> None:
    """``reports`` bounds the intermediate values; 0 leaves none."""
    for reports, steps in ((0, []), (1, [29]), (2, [9, 29]), (3, [9, 19, 29]), (9, [9, 19, 29])):
        first, *_ = searched.trials(reports=reports)
        assert list(first.intermediate_values) == steps


def test_some_trials_are_taken_and_one_that_has_not_ended_is_not(searched: Any) -> None:
    """``only`` names trials; with two fits of each trial, one with a single row has not ended; the
    values of the others are means."""
    some = searched.trials(only=[1, 4])
    assert [trial.user_attrs["trial"] for trial in some] == [1, 4]
    twice = [
        pa.concat_tables([table.slice(0, n), table.slice(0, n)])
        for table, n in ((searched.rows, 2), (searched.curves, 6))
    ]
    both, points = (
        table.set_column(
            1, "replicate", pa.array([0] * (len(table) // 2) + [1] * (len(table) // 2))
        )
        .set_column(
            table.schema.get_field_index("loss"),
            "loss",
            pa.array([v + (i >= len(table) // 2) for i, v in enumerate(table["loss"].to_pylist())]),
        )
        .sort_by([("trial", "ascending"), ("replicate", "ascending")])
        for table in twice
    )
    whole, *more = replace(searched, rows=both.slice(0, 3), curves=points).trials(2)
    assert not more
    assert whole.value == 2.0
    assert whole.intermediate_values == {9: 3.5, 19: 2.5, 29: 2.25}


def test_the_largest_is_the_best_where_it_is_searched_for(searched: Any) -> None:
    """A fit that diverged has -inf then."""
    goal = Objective(name="loss", maximize=True)
    study = study_of(replace(searched, goal=goal).trials(), maximize=True)
    assert study.best_value == 1.5
    assert study.trials[2].value == -INF
    assert [trial.number for trial in study.trials] == list(range(5))
