"""History: the objective of each trial in the order of their numbers, and the best so far."""

from __future__ import annotations

import numpy

from shoal.search.plots.axis import Axis, of_objective
from shoal.search.plots.panels import (
    ORANGE,
    Figure,
    Panel,
    Trace,
    dots,
    empty,
    figure,
    is_pruned,
    without_number,
)
from shoal.search.plots.trials import Trials

MAX_POINTS = 4000


def history(trials: Trials) -> Figure:
    """Return the figure."""
    if not len(trials):
        return empty("no trial has ended")
    y = of_objective(trials)
    number = trials.number.astype(float)
    x = Axis(name="trial", values=number, low=0.0, high=max(float(number[-1]), 1.0))
    at = trials.sample(MAX_POINTS)
    drawn, *star = dots(trials, x, y, at)
    hover = f"trial %{{x}}<br>{y.name} %{{y{y.hover}}}<extra></extra>"
    drawn["hovertemplate"] = hover
    marks = [drawn, *without_number(trials, x, y, at), *best_so_far(trials, y), *star]
    return figure([Panel(data=marks, x=x.layout, y=y.layout)])


def best_so_far(
    trials: Trials, y: Axis, color: str = ORANGE, name: str = "best so far"
) -> list[Trace]:
    """Return the best objective of all trials up to each, as a line of steps."""
    counts = numpy.isfinite(trials.score) & ~is_pruned(trials)
    score = numpy.where(counts, trials.score, numpy.inf)
    least = numpy.minimum.accumulate(score)
    better = numpy.flatnonzero(least < numpy.concatenate([[numpy.inf], least[:-1]]))
    if not len(better):
        return []
    at = numpy.append(better, len(least) - 1)
    value = -least[at] if trials.request.goal.maximize else least[at]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": trials.number[at].astype(float),
            "y": value,
            "line": {"shape": "hv", "color": color, "width": 2},
            "hovertemplate": f"{name}: trial %{{x}}<br>{y.name} %{{y{y.hover}}}<extra></extra>",
        }
    ]
