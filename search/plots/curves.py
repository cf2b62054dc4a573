"""Curves: the objective at the reporting steps: of the best trials, of all, of those cut short."""

from __future__ import annotations

import warnings

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.search.plots.axis import Numbers, of_numbers
from shoal.search.plots.panels import (
    BLUE,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    Figure,
    Panel,
    Trace,
    empty,
    figure,
    is_pruned,
)
from shoal.search.plots.trials import Indices, Trials

MAX_CURVES, MAX_BEST, MAX_ENDED = 1500, 10, 24
"""Of how many trials curves are read; lines of the best, and of those that were cut short."""

STEPS = 80
"""Points of the band."""


class Curves:
    """The curves of some trials, each the mean over its fits.

    Attributes:
        steps, values: of all points, ordered by trial and step, shape (m,).
    """

    def __init__(self, trials: Trials, at: Indices) -> None:
        """Read those of the trials that stand at `at`."""
        goal = trials.request.goal
        table = trials.curves().select(["trial", "step", goal.name])
        chosen = table.filter(pc.is_in(table["trial"], pa.array(trials.number[at])))
        means = chosen.group_by(["trial", "step"]).aggregate([(goal.name, "mean")])
        means = means.sort_by([("trial", "ascending"), ("step", "ascending")])
        number = means["trial"].to_numpy()
        self.steps = means["step"].to_numpy().astype(float)
        values = means[f"{goal.name}_mean"].to_numpy().astype(float)
        self.values = numpy.where(numpy.isfinite(values), values, numpy.nan)
        bounds = numpy.searchsorted(number, trials.number[at], side="left")
        ends = numpy.searchsorted(number, trials.number[at], side="right")
        both = zip(bounds.tolist(), ends.tolist(), strict=True)
        self._bounds = dict(zip(at.tolist(), both, strict=True))

    def of(self, index: int) -> tuple[Numbers, Numbers]:
        """Return the steps and values of the trial that stands there."""
        begin, end = self._bounds[index]
        return self.steps[begin:end], self.values[begin:end]

    def at_steps(self, at: Indices, grid: Numbers) -> NDArray[numpy.float64]:
        """Return the values of trials at steps, shape (trials, steps); NaN beyond their ends."""
        rows = []
        for index in at.tolist():
            steps, values = self.of(index)
            known = numpy.isfinite(values)
            if known.any():
                rows.append(
                    numpy.interp(grid, steps[known], values[known], left=numpy.nan, right=numpy.nan)
                )
        return numpy.array(rows).reshape(len(rows), len(grid))


def curves(trials: Trials) -> Figure:
    """Return the figure."""
    at = trials.sample(MAX_CURVES)
    read = Curves(trials, at)
    if not numpy.isfinite(read.values).any():
        return empty("no curve has been reported")
    goal = trials.request.goal
    best = trials.best_first[:MAX_BEST]
    pruned = is_pruned(trials)
    ended = ~numpy.isfinite(trials.score) | pruned
    whole = at[~ended[at]]
    steps = numpy.unique(read.steps)
    grid = steps if len(steps) <= STEPS else numpy.linspace(steps[0], steps[-1], STEPS)
    data = _cut_short(trials, read, at[ended[at]], pruned)
    band = read.at_steps(whole, grid)
    data += _band(grid, band)
    data += [_line(trials, read, i, place) for place, i in reversed(list(enumerate(best.tolist())))]
    drawn = numpy.concatenate([numpy.ravel(trace["y"]) for trace in data] or [read.values])
    shown = drawn[numpy.isfinite(drawn)]
    y = of_numbers(goal.name, shown)
    x = of_numbers("step", steps)
    plain = {**x.layout, "type": "linear", "range": [0, float(steps[-1]) * 1.02 or 1.0]}
    plain.pop("dtick", None)
    return figure([Panel(data=data, x=plain, y=y.layout)])


def _line(trials: Trials, read: Curves, index: int, place: int) -> Trace:
    steps, values = read.of(index)
    name = "best trial" if place == 0 else f"next {MAX_BEST - 1}"
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": steps,
        "y": values,
        "line": {"color": ORANGE, "width": 2.5 if place == 0 else 1},
        "opacity": 1 if place == 0 else 0.6,
        "hovertemplate": f"trial {trials.number[index]}<br>step %{{x}}: %{{y:.6g}}<extra></extra>",
    }


def _band(grid: Numbers, values: NDArray[numpy.float64]) -> list[Trace]:
    """The median of all trials that came to their end, and where four of five are."""
    if len(values) < 3:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a step that none has reported
        low, middle, high = numpy.nanquantile(values, [0.1, 0.5, 0.9], axis=0)
    there = numpy.isfinite(middle)
    grid, low, middle, high = grid[there], low[there], middle[there], high[there]
    line = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    fill = "rgba(74,144,201,0.22)"
    return [
        {**line, "x": grid, "y": low, "line": {"width": 0}},
        {
            **line,
            "name": "10 % to 90 %",
            "x": grid,
            "y": high,
            "line": {"width": 0},
            "fill": "tonexty",
            "fillcolor": fill,
        },
        {
            **line,
            "name": "median",
            "x": grid,
            "y": middle,
            "line": {"color": BLUE, "width": 2},
            "hoverinfo": "all",
            "hovertemplate": "median, step %{x}: %{y:.6g}<extra></extra>",
        },
    ]


def _cut_short(
    trials: Trials, read: Curves, at: Indices, pruned: NDArray[numpy.bool_]
) -> list[Trace]:
    """Lines of trials that diverged, failed, or were ended since they were behind."""
    kinds = (
        ("pruned", pruned, PURPLE),
        ("diverged", numpy.isposinf(trials.score) & ~pruned, RED),
        ("failed", numpy.isnan(trials.score), GREY),
    )
    traces = []
    for name, which, color in kinds:
        of_these = at[which[at]]
        for index in of_these[:: max(1, -(-len(of_these) // MAX_ENDED))].tolist():
            steps, values = read.of(index)
            if not numpy.isfinite(values).any():
                continue
            hover = f"trial {trials.number[index]}, {name}<br>step %{{x}}: %{{y:.6g}}"
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": name,
                    "x": steps,
                    "y": values,
                    "opacity": 0.45,
                    "line": {"color": color, "width": 1},
                    "marker": {"size": 3},
                    "hovertemplate": f"{hover}<extra></extra>",
                }
            )
    return traces
