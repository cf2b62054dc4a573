"""How long to fit, when to look, what to look for, and what to keep."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shoal.trainable.columns import LOSS
from shoal.trainable.pruning import Pruner


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Number of updates, reporting interval, threshold of divergence, and objective.

    Attributes:
        steps: updates of each lane; report: updates between two reporting steps.
        epochs: whether these two count epochs, and not updates.
        diverge_factor: a lane whose loss exceeds this many times its first has diverged.
        metrics: names of the problem's metrics.
        objective: the metric, or the loss, that is searched for.
        maximize: whether a larger one is better.
        best: whether the reporting step with the best objective counts, and not the last.
        patience: reporting steps without a better objective after which a lane ends; 0: any number.
        keep: of how many trials of a pack the fitted parameters are kept, the best ones.
        fits: lanes of each trial in the search, over replicates and folds.
        pruner: what ends lanes that are behind, at the reports `rungs`; None: nothing does.
    """

    steps: int
    report: int
    diverge_factor: float
    metrics: tuple[str, ...] = ()
    objective: str = LOSS
    maximize: bool = False
    best: bool = False
    patience: int = 0
    keep: int = 0
    fits: int = 1
    epochs: bool = False
    pruner: Pruner | None = None
    rungs: tuple[int, ...] = ()

    def in_updates(self, of_an_epoch: int) -> Plan:
        """Return the same, counted in updates, of which an epoch has so many."""
        if not self.epochs:
            return self
        return replace(
            self, steps=self.steps * of_an_epoch, report=self.report * of_an_epoch, epochs=False
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The numbers of a fit at a reporting step: the loss, and the metrics."""
        return (LOSS, *self.metrics)

    @property
    def watches(self) -> bool:
        """Whether the objective at each reporting step matters."""
        return self.best or self.patience > 0
