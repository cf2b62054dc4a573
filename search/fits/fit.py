"""One fit that was done by itself, and what its model predicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shoal.search.fits.prediction import Predicted, predicted_by
from shoal.search.process import own_settings

if TYPE_CHECKING:  # pandas takes half a second: not before somebody looks
    import pandas
    import torch


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """What `shoal.fit` returns.

    Attributes:
        problem: as it was named.
        hyperparameters: every one that the fit had, the defaults among them.
        loss: after the last update; metrics: likewise, by name.
        steps: updates that were done.
        parameters: the fitted ones by name, each of the shape that ``initial()`` gives.
        notes: what the user should know of the problem; a line each.
        description: the problem's own words for the parameters, or their names and values.
    """

    problem: str
    hyperparameters: dict[str, Any]
    loss: float
    metrics: dict[str, float]
    steps: int
    parameters: dict[str, torch.Tensor] = field(repr=False)
    notes: tuple[str, ...] = field(repr=False)
    description: str = field(repr=False)
    _curve: dict[str, Any] = field(repr=False)
    _cls: type = field(repr=False)
    _shape: dict[str, Any] = field(repr=False)
    _prepared: dict[str, torch.Tensor] = field(repr=False)

    @property
    def curve(self) -> pandas.DataFrame:
        """One row per reporting step: step, the loss before that step's update, and the metrics
        after it."""
        import pandas

        return pandas.DataFrame(self._curve)

    @own_settings()
    def predict(self, x: Any) -> Predicted:
        """Return what the problem's ``predict(params, x)`` returns for the fitted parameters.

        Args:
            x: rows first: a tensor, an array, or a DataFrame with the problem's ``inputs``.

        Returns:
            an array with a row for each of `x`, or a dict of them.

        Raises:
            BadInput: the problem has no ``predict``, or it does not take `x`.
        """
        return predicted_by(self._cls, self._shape, self._prepared, self.parameters, x)
