"""Parallel coordinates: each trial as a line through its hyperparameters and its objective."""

from __future__ import annotations

from typing import Any

import numpy

from shoal.search.plots.axis import Axis, of_hyperparameter, of_objective
from shoal.search.plots.panels import COLORSCALE, Figure, empty
from shoal.search.plots.trials import Indices, Trials

MAX_LINES, MAX_AXES, TICKS = 1000, 14, 5

INACTIVE = "inactive"


def parallel(trials: Trials) -> Figure:
    """Return the figure, of trials with a finite objective; the best are the brightest."""
    if not len(trials.best_first):
        return empty("no trial has ended with a finite objective")
    at = trials.sample(MAX_LINES, among=numpy.isfinite(trials.score))
    goal = of_objective(trials)
    axes = [of_hyperparameter(trials, name) for name in trials.ranked[: MAX_AXES - 1]]
    place = numpy.empty(len(trials))
    place[trials.best_first] = numpy.linspace(1, 0, len(trials.best_first))
    lines = {
        "type": "parcoords",
        "dimensions": [_dimension(axis, at) for axis in (*axes, goal)],
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


def _dimension(axis: Axis, at: Indices) -> dict[str, Any]:
    """An axis from 0 to 1; below it are those that have no value."""
    linear = axis.linear(axis.values[at])
    without = ~numpy.isfinite(linear)
    if axis.choices:
        count = len(axis.choices)
        ticks = axis.linear(numpy.arange(count, dtype=float)).tolist()
        texts = list(axis.choices)
    else:
        ticks = numpy.linspace(0, 1, TICKS).tolist()
        texts = [f"{value:.3g}" for value in axis.value(numpy.array(ticks))]
    if without.any():
        ticks, texts = [-0.15, *ticks], [INACTIVE, *texts]
    return {
        "label": axis.name,
        "values": numpy.where(without, -0.15, linear).astype(numpy.float32),
        "range": [-0.15 if without.any() else 0, 1],
        "tickvals": ticks,
        "ticktext": texts,
    }
