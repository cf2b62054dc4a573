"""The result of a search as an Optuna study."""

from __future__ import annotations

import optuna
import pandas
from optuna.trial import TrialState, create_trial

from shoal.search.request import Objective
from shoal.search.samplers import study_of
from shoal.search.space import Space, plain


def study(
    rows: pandas.DataFrame, curves: pandas.DataFrame, space: Space, goal: Objective
) -> optuna.Study:
    """Return a study in memory with every trial that has ended in it.

    Args:
        rows: one for each fit; curves: one for each fit and reporting step.
        goal: what was searched for.
    """
    distributions = {name: dimension.distribution for name, dimension in space.items()}
    means = curves.groupby(["trial", "step"])[goal.name].mean()
    steps = {
        trial: dict(zip(group.index.get_level_values("step").tolist(), group, strict=True))
        for trial, group in means.groupby(level="trial")
    }
    trials = []
    conditional = space.conditional
    for number, group in rows.groupby("trial", sort=True):
        failed = bool((group["state"] == "failed").any())
        row = group.iloc[0]
        has = [n for n in distributions if n not in conditional or not pandas.isna(row[n])]
        score = goal.scores(group[goal.name].to_numpy()).mean()
        start = row["started"].to_pydatetime().replace(tzinfo=None)
        trial = create_trial(
            state=TrialState.FAIL if failed else TrialState.COMPLETE,
            value=None if failed else goal.value(float(score)),
            params={name: plain(row[name]) for name in has},
            distributions={name: distributions[name] for name in has},
            intermediate_values=steps.get(number, {}),
            user_attrs={"trial": int(row["trial"]), "states": group["state"].tolist()},
        )
        trial.datetime_start = start
        trial.datetime_complete = start + pandas.Timedelta(seconds=float(group["seconds"].sum()))
        trials.append(trial)
    return study_of(trials, goal.maximize)
