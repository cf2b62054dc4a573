"""Parallel coordinates: each trial as a line through its hyperparameters and its objective."""

from __future__ import annotations

from html import unescape
from typing import Any

import numpy

from shoal.search.plots.axis import Axis, of_hyperparameter, of_objective
from shoal.search.plots.panels import COLORSCALE, Figure, empty, is_pruned
from shoal.search.plots.trials import Indices, Trials

MAX_LINES, MAX_AXES, TICKS = 1000, 14, 5

INACTIVE, WORSE = "inactive", "far worse"


def parallel(trials: Trials) -> Figure:
    """Return the figure, of trials that came to a finite objective; the best are the brightest."""
    if not len(trials.best_first):
        return empty("no trial has ended with a finite objective")
    at = trials.sample(MAX_LINES, among=numpy.isfinite(trials.score) & ~is_pruned(trials))
    goal = of_objective(trials)
    axes = [of_hyperparameter(trials, name) for name in trials.ranked[: MAX_AXES - 1]]
    place = numpy.empty(len(trials))
    place[trials.best_first] = numpy.linspace(1, 0, len(trials.best_first))
    lines = {
        "type": "parcoords",
        "dimensions": [*(_dimension(axis, at) for axis in axes), _dimension(goal, at, WORSE)],
        "line": {
            "color": place[at].astype(numpy.float32),
            "colorscale": COLORSCALE,
            "cmin": 0,
            "cmax": 1,
        },
        "unselected": {"line": {"opacity": 0.05}},
    }
    layout = {"height": 420, "margin": {"l": 70, "r": 70, "t": 60, "b": 30}}
    return {"data": [lines], "layout": layout}


def _dimension(axis: Axis, at: Indices, without_value: str = INACTIVE) -> dict[str, Any]:
    """An axis from 0 to 1; at one end of it are those that have no value."""
    linear = axis.linear(axis.values[at])
    without = ~numpy.isfinite(linear)
    place = 1.15 if axis.strip and not axis.below else -0.15
    ends = (min(place, 0), max(place, 1)) if without.any() else (0, 1)
    if axis.choices:
        count = len(axis.choices)
        ticks = axis.linear(numpy.arange(count, dtype=float)).tolist()
        texts = [unescape(choice) for choice in axis.choices]  # no markup is looked for here
    else:
        ticks = numpy.linspace(0, 1, TICKS).tolist()
        texts = [f"{value:.3g}" for value in axis.value(numpy.array(ticks))]
    if without.any():
        ticks, texts = [place, *ticks], [without_value, *texts]
    return {
        "label": axis.name,
        "values": numpy.where(without, place, linear).astype(numpy.float32),
        "range": list(ends),
        "tickvals": ticks,
        "ticktext": texts,
    }
