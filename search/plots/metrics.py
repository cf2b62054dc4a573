"""The loss and the metrics against each other; and which hyperparameters matter."""

from __future__ import annotations

import numpy

from shoal.search.plots.axis import of_number, text
from shoal.search.plots.panels import BLUE, Figure, Panel, dots, empty, figure
from shoal.search.plots.trials import Trials

MAX_POINTS, MAX_PANELS, COLUMNS = 2000, 9, 3


def metrics(trials: Trials, columns: int = COLUMNS) -> Figure:
    """Return the figure: the objective over each other number of a fit."""
    goal = trials.request.goal.name
    others = [name for name in trials.request.columns if name != goal][:MAX_PANELS]
    if not len(trials):
        return empty("no trial has ended")
    if not others:
        return empty(f"there is no other number than {text(goal)}")
    y = of_number(trials, goal)
    panels = []
    for name in others:
        x = of_number(trials, name)
        at = trials.sample(MAX_POINTS, among=x.has & y.has)
        panels.append(Panel(data=dots(trials, x, y, at), x=x.layout, y=y.layout))
    return figure(panels, columns)


def importance(trials: Trials) -> Figure:
    """Return the figure: a bar for each hyperparameter, the most important at the top."""
    shares = trials.importance
    if not any(shares.values()):
        return empty("too few trials tell apart which hyperparameters matter")
    names = list(reversed(shares))
    values = numpy.array([shares[name] for name in names])
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": values,
        "y": [text(name) for name in names],
        "marker": {"color": BLUE},
        "text": [f"{value:.0%}" for value in values],
        "textposition": "auto",
        "hovertemplate": "%{y}: %{x:.3f}<extra></extra>",
    }
    x = {"title": {"text": "share of the importance (PED-ANOVA)"}, "range": [0, 1]}
    made = figure([Panel(data=[bars], x=x, y={"type": "category"})])
    made["layout"]["height"] = 120 + 32 * len(names)
    return made
