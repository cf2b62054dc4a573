"""Which hyperparameters matter, by Optuna's PED-ANOVA."""

from __future__ import annotations

import math
import warnings

import numpy
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import TrialState, create_trial

from shoal.search.plots import Trials
from shoal.search.space import plain
from shoal.search.studies import study_of
from shoal.trainable.lanes import PRUNED

MAX_TRIALS = 2000
"""Trials that are looked at; taken evenly."""


def importance(trials: Trials) -> dict[str, float]:
    """Return the share of each searched hyperparameter, the largest first; they sum to 1.

    It says what tells the best tenth of the trials from all (Watanabe, Bansal & Hutter 2023). That
    looks at ranks alone, so a trial that was pruned counts as one that is worse than those that
    came to their end, and one that diverged as one that is worse than all others.
    Where too few trials are there, or they are equal, all shares are 0.
    """
    names = trials.searched
    counts = numpy.flatnonzero(~numpy.isnan(trials.score))
    if len(counts) > MAX_TRIALS:
        counts = counts[numpy.linspace(0, len(counts) - 1, MAX_TRIALS).round().astype(int)]
    scores = trials.score[counts]
    finite = scores[numpy.isfinite(scores)]
    if len(counts) < 2 or not len(finite) or not names:
        return dict.fromkeys(names, 0.0)
    lost = (trials.state[counts] == PRUNED) & numpy.isfinite(scores)
    keys = numpy.stack([numpy.where(numpy.isposinf(scores), 2, lost), scores])
    ranks = numpy.unique(keys, axis=1, return_inverse=True)[1].ravel().astype(float)
    columns = {name: trials.hyperparameter(name).take(counts).to_pylist() for name in names}
    distributions = {name: trials.request.space[name].distribution for name in names}
    made = []
    for row, rank in enumerate(ranks.tolist()):
        has = [name for name in names if columns[name][row] is not None]
        made.append(
            create_trial(
                state=TrialState.COMPLETE,
                value=rank,
                params={name: plain(columns[name][row]) for name in has},
                distributions={name: distributions[name] for name in has},
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that too few trials are there: the shares are 0 then
        found = PedAnovaImportanceEvaluator().evaluate(study_of(made, maximize=False))
    known = {name: value for name, value in found.items() if math.isfinite(value)}
    total = sum(known.values())
    shares = {name: known.get(name, 0.0) / total if total > 0 else 0.0 for name in names}
    return dict(sorted(shares.items(), key=lambda pair: -pair[1]))
