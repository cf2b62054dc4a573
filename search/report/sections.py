"""The sections of a search's page."""

from __future__ import annotations

from itertools import combinations

import numpy

from shoal.search.plots import (
    Trials,
    contours,
    curves,
    history,
    importance,
    metrics,
    parallel,
    slices,
    text,
)
from shoal.search.report.page import Section
from shoal.search.report.places import at_once, ended, time_table
from shoal.search.report.telling import asked, environment, failures, found, going_on
from shoal.search.results import Result

MAX_SLICES, MAX_PAIRED = 24, 4


def sections(result: Result) -> list[Section]:
    """Return them; each is there, also where there is nothing to show in it yet."""
    trials = result.drawn
    ranked = trials.ranked[:MAX_SLICES]
    pairs = list(combinations(ranked[:MAX_PAIRED], 2))
    names = trials.searched
    left_out = len(names) - min(len(names), MAX_SLICES)
    more = f"<p class='note'>{left_out} more hyperparameters are not drawn.</p>" if left_out else ""
    return [
        Section(name="found", title="Found", html=found(result)),
        Section(
            name="history",
            title="History",
            html=_drawn(trials),
            figures={"all": history(trials)},
            wide=True,
        ),
        Section(
            name="curves",
            title="Curves",
            html="<p class='note'>The objective at the reporting steps: the best trials, the "
            "middle of all that came to their end, and some of those that did not.</p>",
            figures={"all": curves(trials)},
            wide=True,
        ),
        Section(
            name="hyperparameters",
            title="Hyperparameters",
            html="<p class='note'>The most important first. Crosses at the edge are trials that "
            f"diverged or failed.</p>{more}",
            figures={str(i): slices(trials, [name]) for i, name in enumerate(ranked)},
        ),
        Section(
            name="pairs",
            title="Pairs",
            html="<p class='note'>The mean of the objective around each point.</p>"
            if pairs
            else "<p class='note'>Fewer than two hyperparameters have several values.</p>",
            figures={f"{i}": contours(trials, pair) for i, pair in enumerate(pairs)},
        ),
        Section(
            name="importance",
            title="Importance",
            html="<p class='note'>What tells the best tenth of the trials from all, by Optuna's "
            "PED-ANOVA.</p>",
            figures={"all": importance(trials)},
            wide=True,
        ),
        Section(
            name="parallel",
            title="Parallel coordinates",
            html="<p class='note'>A line is a trial, and the brightest is the best. Drag along an "
            "axis to choose some.</p>",
            figures={"all": parallel(trials)},
            wide=True,
        ),
        Section(name="metrics", title="Metrics", figures={"all": metrics(trials, 2)}, wide=True),
        Section(
            name="time",
            title="Where the time went",
            html=time_table(trials.rows),
            figures={"ended": ended(trials.rows)},
            wide=True,
        ),
        Section(
            name="devices",
            title="Nodes and devices",
            html="<p class='note'>How many groups of fits ran at once on each device.</p>",
            figures={"all": at_once(trials.rows)},
            wide=True,
        ),
        Section(name="failures", title="Failures", html=failures(result)),
        Section(name="on", title="How to go on", html=going_on(result)),
        Section(name="asked", title="What was searched", html=asked(result) + environment(result)),
    ]


def _drawn(trials: Trials) -> str:
    """How many trials are drawn, where not all are."""
    if len(trials) <= 2000:
        return ""
    diverged = int(numpy.isposinf(trials.score).sum())
    return (
        f"<p class='note'>Of {len(trials):,} trials ({diverged:,} diverged) some thousands are "
        f"drawn here and below, the best among them; {text('the best so far')} is of all.</p>"
    )
