"""Tasks: packs as workers get them, each with the place of its checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy
import pyarrow as pa
import torch

from shoal.search.request import Request, pruning_of
from shoal.search.rounds.packs import Pack
from shoal.trainable.columns import FOLD
from shoal.trainable.fitting import Plan, Saving, checkpoint
from shoal.trainable.lanes import Lanes
from shoal.trainable.optimizers import OPTIMIZERS
from shoal.trainable.problems import Folds, Source
from shoal.trainable.task import Outcome, StackedRecipe, Task


def folds_of(request: Request) -> Folds | None:
    """Return how the rows of a search are split; None: they are not."""
    return Folds(count=request.folds, seed=request.seed) if request.folds > 1 else None


def recipe_of(
    request: Request, source: Source, defaults: dict[str, float], gpu: bool
) -> StackedRecipe:
    """Return what all packs of a search have in common.

    Args:
        defaults: values of the hyperparameters that are not in the space.
        gpu: whether a pack has a GPU to itself.
    """
    goal, (pruner, rungs) = request.goal, pruning_of(request)
    plan = Plan(
        steps=request.epochs or request.steps,
        epochs=request.epochs > 0,
        report=request.report,
        diverge_factor=request.diverge_factor,
        metrics=request.metrics,
        objective=goal.name,
        maximize=goal.maximize,
        best=request.select == "best",
        patience=request.patience,
        keep=request.kept,
        fits=request.fits,
        pruner=pruner,
        rungs=rungs,
    )
    return StackedRecipe(
        source=source,
        plan=plan,
        program=request.program,
        unroll=request.unroll,
        defaults=defaults,
        settled=request.settled,
        folds=folds_of(request),
        gpu=gpu,
    )


def lanes_of(request: Request, shape_names: Sequence[str], rows: pa.Table) -> Lanes:
    """Return the lanes of some rows, which have one shape.

    Args:
        shape_names: which hyperparameters are of the shape.
        rows: as ``trials.parquet`` has them.
    """
    (row,) = rows.slice(0, 1).to_pylist()
    replicate = torch.tensor(rows["replicate"].to_pylist())
    values = {
        name: torch.tensor(
            rows[name].cast(pa.float64()).fill_null(numpy.nan).to_pylist(), dtype=torch.float64
        )
        for name in request.space
        if name not in shape_names
    }
    return Lanes(
        trial=torch.tensor(rows["trial"].to_pylist()),
        replicate=replicate,
        seed=request.seed + replicate,
        values=values,
        shape={
            "optimizer": next(iter(OPTIMIZERS)),
            **{name: row[name] for name in shape_names if row[name] is not None},
            **({FOLD: row[FOLD]} if request.folds > 1 else {}),
        },
    )


def dead(deaths: int, how: str = "workers died over it (out of memory, or killed)") -> Outcome:
    """Return the outcome of a pack that nothing has come back with."""
    return Outcome(
        fitted=None, node="", device="", started=time.time(), seconds=0.0, error=f"{deaths} {how}"
    )


class Tasks:
    """Makes the tasks of a search, and removes the checkpoints of packs that are done.

    An attempt has a number that none had before, in any life of the search, and goes on from the
    checkpoint of the last one: a worker that was thought dead may go on writing its own.

    Attributes:
        control: a lane that has worked, for packs that have failed once; None: none is known.
    """

    def __init__(
        self,
        recipe: StackedRecipe,
        folder: Path,
        period: float | None,
        block_of: Callable[[Pack], int],
    ) -> None:
        """Begin.

        Args:
            folder: ``packs/`` of the run folder.
            period: seconds between checkpoints of a pack; None: none are written.
            block_of: the block of a pack.
        """
        self._recipe, self._folder, self._period = recipe, folder, period
        self._block_of = block_of
        self._handed: dict[str, int] = {}
        self.control: Lanes | None = None

    @property
    def saved(self) -> bool:
        """Whether a pack that is told to stop can go on later."""
        return self._period is not None

    def of(self, pack: Pack) -> Task:
        """Return the task of a pack."""
        block = self._block_of(pack)
        control = self.control if pack.attempt else None
        if self._period is None:
            return Task(lanes=pack.lanes, block=block, control=control, known=pack.known)
        key = self._recipe.key(pack.lanes, block)
        there = checkpoint.attempts(self._folder, key)
        attempt = max([*there, self._handed.get(key, -1)]) + 1
        self._handed[key] = attempt
        resume = checkpoint.file_name(key, there[-1]) if there else None
        saving = Saving(
            folder=str(self._folder),
            key=key,
            attempt=attempt,
            resume=resume,
            period_seconds=self._period,
        )
        return Task(lanes=pack.lanes, block=block, saving=saving, control=control, known=pack.known)

    def gained(self, pack: Pack) -> bool:
        """Whether the last attempt at a pack has left a checkpoint."""
        key = self._recipe.key(pack.lanes, self._block_of(pack))
        last = self._handed.get(key)
        return last is not None and last in checkpoint.attempts(self._folder, key)

    def done(self, pack: Pack) -> None:
        """Remove the checkpoints of a pack whose rows are in."""
        key = self._recipe.key(pack.lanes, self._block_of(pack))
        self._handed.pop(key, None)
        with suppress(OSError):  # it costs room, and is never read again
            checkpoint.remove(self._folder, key)

    def clear(self) -> None:
        """Remove every checkpoint, since the search is whole."""
        with suppress(OSError):
            checkpoint.remove(self._folder)
