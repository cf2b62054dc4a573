"""Slices: the objective over each hyperparameter."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.search.plots.axis import of_hyperparameter, of_objective
from shoal.search.plots.panels import Figure, Panel, dots, empty, figure, without_number
from shoal.search.plots.trials import Trials

MAX_POINTS, MAX_PANELS, COLUMNS = 2000, 24, 3


def slices(trials: Trials, names: Sequence[str] | None = None, columns: int = COLUMNS) -> Figure:
    """Return the figure.

    Args:
        names: of hyperparameters; None: the searched ones, the most important first.
    """
    chosen = trials.ranked[:MAX_PANELS] if names is None else names
    if not len(trials):
        return empty("no trial has ended")
    if not chosen:
        return empty("every hyperparameter has one value")
    return figure([_panel(trials, name) for name in chosen], columns)


def _panel(trials: Trials, name: str) -> Panel:
    """Trials in which it is not active are not there."""
    x, y = of_hyperparameter(trials, name), of_objective(trials)
    at = trials.sample(MAX_POINTS, among=x.has)
    data = [*dots(trials, x, y, at), *without_number(trials, x, y, at)]
    return Panel(data=data, x=x.layout, y=y.layout)
