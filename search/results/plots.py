"""Plots of a result: figures of Plotly, which the extra ``plots`` brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoal.search.errors import BadInput
from shoal.search.plots import (
    Figure,
    Trials,
    contours,
    curves,
    history,
    importance,
    metrics,
    slices,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Drawn


class Plots:
    """Figures of a search, made when they are asked for.

    Of many trials a few thousand are drawn, the best among them. Numbers are means over a trial's
    fits.

    Raises:
        BadInput: each method, where Plotly is missing, or there is no such hyperparameter.
    """

    def __init__(self, trials: Trials) -> None:
        self._trials = trials

    def history(self) -> Drawn:
        """The objective of each trial in the order of their numbers, and the best so far."""
        return _drawn(history(self._trials))

    def slice(self, *names: str) -> Drawn:
        """The objective over each hyperparameter; what diverged or failed is at the edge.

        Args:
            names: of hyperparameters; none: all that have several values, the most important first.
        """
        return _drawn(slices(self._trials, self._known(names) or None))

    def contour(self, *names: str) -> Drawn:
        """The objective over two hyperparameters, smoothed; of more than two, over each pair.

        Args:
            names: of hyperparameters; none: the two most important.
        """
        return _drawn(contours(self._trials, self._known(names) or None))

    def curves(self) -> Drawn:
        """The objective over the steps: of the best trials, of all, of what was cut short."""
        return _drawn(curves(self._trials))

    def importance(self) -> Drawn:
        """The share of each hyperparameter in what is good, by Optuna's PED-ANOVA."""
        return _drawn(importance(self._trials))

    def metrics(self) -> Drawn:
        """The objective over each other number of a fit."""
        return _drawn(metrics(self._trials))

    def _known(self, names: tuple[str, ...]) -> tuple[str, ...]:
        space = self._trials.request.space
        for name in names:
            if name not in space:
                raise BadInput(f"{name!r} is no hyperparameter here; known: {', '.join(space)}")
        return names


def _drawn(figure: Figure) -> Any:
    try:
        from plotly.graph_objects import Figure as Drawn
    except ImportError as error:
        raise BadInput('plots need Plotly; type: pip install "shoal[plots]"') from error
    return Drawn(figure).update_layout(template="plotly_white")
