"""Contours: the objective over two hyperparameters, smoothed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy

from shoal.search.plots.axis import Axis, Numbers, of_hyperparameter, of_objective
from shoal.search.plots.panels import (
    COLORSCALE,
    RED,
    Figure,
    Panel,
    Trace,
    dots,
    empty,
    figure,
)
from shoal.search.plots.trials import Indices, Trials

MAX_POINTS, GRID = 1500, 36

FARTHEST = 2.0
"""From a trial, in widths of the kernel: beyond, nothing is drawn."""


def contours(trials: Trials, names: Sequence[str] | None = None, columns: int = 2) -> Figure:
    """Return the figure: a panel for each pair.

    Args:
        names: of hyperparameters; None: the two most important.
    """
    chosen = list(trials.ranked[:2] if names is None else names)
    if not len(trials.best_first):
        return empty("no trial has ended with a finite objective")
    if len(chosen) < 2:
        return empty("fewer than two hyperparameters have several values")
    goal = of_objective(trials)
    colors = _colors(goal)
    panels = [_panel(trials, goal, colors, pair) for pair in combinations(chosen, 2)]
    return figure(panels, columns)


def _panel(trials: Trials, goal: Axis, colors: dict[str, Any], names: tuple[str, str]) -> Panel:
    x, y = (of_hyperparameter(trials, name) for name in names)
    at = trials.sample(MAX_POINTS, among=x.has & y.has)
    diverged = at[numpy.isposinf(trials.score[at])]
    data: list[Trace] = []
    finite = at[numpy.isfinite(trials.score[at])]
    if len(finite):
        data.append(_smoothed(trials, x, y, goal, finite) | {"coloraxis": "coloraxis"})
    drawn, *star = dots(trials, x, y, finite, color="rgba(255,255,255,0.55)", size=4)
    line = {"width": 0.6, "color": "rgba(0,0,0,0.6)"}
    drawn["marker"] = {**drawn["marker"], "opacity": 1, "line": line}
    data += [drawn, *star]
    if len(diverged):
        (cross,) = dots(trials, x, y, diverged, color=RED)[:1]
        cross["marker"] |= {"symbol": "x-thin", "size": 5, "line": {"width": 1, "color": RED}}
        data.append({**cross, "name": "diverged"})
    return Panel(data=data, x=x.layout, y=y.layout, layout={"coloraxis": colors})


def _smoothed(trials: Trials, x: Axis, y: Axis, goal: Axis, at: Indices) -> Trace:
    """Means of the objective (of its logarithm) around each point of a grid, weighed by a Gaussian
    kernel (Nadaraya 1964, Watson 1964)."""
    width = min(max(0.35 * len(at) ** (-1 / 4), 0.02), 0.12)
    (xs, wx), (ys, wy) = (_weights(axis, at, width) for axis in (x, y))
    score = trials.score[at]
    z = numpy.clip(goal.linear(-score if goal.below else score), 0, 1)
    weight = wy @ wx.T
    with numpy.errstate(invalid="ignore", divide="ignore"):
        mean = (wy * z) @ wx.T / weight
    mean[weight < numpy.exp(-(FARTHEST**2))] = numpy.nan
    even = not (x.choices or y.choices)
    lines = {"contours": {"coloring": "fill"}, "ncontours": 16, "line": {"width": 0.4}}
    return {
        "type": "contour" if even else "heatmap",
        "x": xs,
        "y": ys,
        "z": mean.astype(numpy.float32),
        "hoverinfo": "skip",
        **(lines if even else {}),
    }


def _weights(axis: Axis, at: Indices, width: float) -> tuple[Numbers, Numbers]:
    """Points of a grid on an axis, shape (g,), and how near each trial is, shape (g, n)."""
    values = axis.values[at]
    if axis.choices:
        points = numpy.arange(len(axis.choices), dtype=float)
        return points, (points[:, None] == values[None, :]).astype(float)
    linear = numpy.linspace(0, 1, GRID)
    apart = (linear[:, None] - axis.linear(values)[None, :]) / width
    return axis.value(linear), numpy.exp(-0.5 * apart * apart)


def _colors(goal: Axis) -> dict[str, Any]:
    """The scale of colours, by the objective's place on its axis; the best is the brightest."""
    places = numpy.linspace(0, 1, 5)
    texts = [f"{value:.3g}" for value in goal.value(places)]
    best_is_high = goal.below
    return {
        "colorscale": COLORSCALE,
        "reversescale": not best_is_high,
        "cmin": 0,
        "cmax": 1,
        "colorbar": {
            "title": {"text": goal.name, "side": "right"},
            "tickvals": places.tolist(),
            "ticktext": texts,
            "thickness": 12,
        },
    }
