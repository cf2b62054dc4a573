"""Calls of functions and programs as tasks, and what of them is left in the run folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from shoal.search.request import PROGRAM, Request, pruning_of
from shoal.search.rounds.packs import Pack
from shoal.search.space import COLUMNS
from shoal.trainable.columns import LOSS
from shoal.trainable.functions import (
    Aim,
    CallRecipe,
    Command,
    Limits,
    committed,
    log_of,
    place_of,
)
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems import Source
from shoal.trainable.task import Task

LAST = 8
"""Trials whose logs are kept, of those that have ended last."""


def call_recipe(request: Request, source: Source, folder: Path, limits: Limits) -> CallRecipe:
    """Return what all calls of a search have in common.

    Args:
        folder: the run folder.
    """
    goal, (pruner, rungs) = request.goal, pruning_of(request)
    taken = (*(name for name in COLUMNS if name not in (LOSS, "step")), *request.space)
    command = Command(text=request.exec, reads=dict(request.read))
    return CallRecipe(
        source=source,
        aim=Aim(
            objective=goal.name,
            maximize=goal.maximize,
            best=request.select == "best",
            patience=request.patience,
            metrics=request.metrics,
            taken=taken,
        ),
        pruner=pruner,
        rungs=rungs,
        command=command if request.kind == PROGRAM else None,
        names=tuple(request.space),
        asks=request.asks,
        cpus=request.cpus,
        gpus=request.gpus,
        limits=limits,
        folder=str(folder.absolute()),
        visible=None if request.gpus else "",
    )


def call_task(
    recipe: CallRecipe, request: Request, row: Mapping[str, Any]
) -> tuple[Task, Path, Path]:
    """Return the task of a row of the table, the file that it prints to, and its checkpoint's
    folder."""
    trial, replicate = row["trial"], row["replicate"]
    lanes = Lanes(
        trial=torch.tensor([trial]),
        replicate=torch.tensor([replicate]),
        seed=torch.tensor([request.seed + replicate]),
        values={},
        shape={name: row[name] for name in request.space if row[name] is not None},
    )
    log = recipe.logs / log_of(trial, replicate)
    return Task(lanes=lanes, block=1), log, recipe.checkpoints / place_of(trial, replicate)


class CallTasks:
    """Makes the tasks of calls, and removes checkpoints and logs that are needed no more.

    Attributes:
        control: whether a call has worked; its lane is not run again.
    """

    def __init__(self, recipe: CallRecipe, stays: Callable[[int], bool]) -> None:
        """Begin.

        Args:
            stays: whether a trial may be among those whose checkpoints are kept, or has not ended.
        """
        self._recipe, self._stays = recipe, stays
        self._begun: dict[str, Path | None] = {}
        self._ended: list[tuple[int, Path]] = []
        self._failed: set[Path] = set()
        self.control: Lanes | None = None

    @property
    def saved(self) -> bool:
        """Whether a call that is told to stop may go on later."""
        return "checkpoint" in self._recipe.asks

    def of(self, pack: Pack) -> Task:
        """Return the task of a pack."""
        self._begun[pack.name] = committed(self._place(pack))
        return Task(lanes=pack.lanes, block=1, known=pack.known)

    def gained(self, pack: Pack) -> bool:
        """Whether the last attempt at a pack has saved something."""
        return committed(self._place(pack)) not in (None, self._begun.get(pack.name))

    def failed(self, pack: Pack) -> None:
        """A trial has failed: its log is kept."""
        self._failed.add(self._log(pack))

    def done(self, pack: Pack) -> None:
        """The rows of a pack are in: what is needed no more goes."""
        self._begun.pop(pack.name, None)
        self._ended.append((int(pack.lanes.trial[0]), self._log(pack)))
        last = {log for _, log in self._ended[-LAST:]}
        for trial, log in list(self._ended):
            if log not in last and not self._stays(trial):
                self._ended.remove((trial, log))
                if log not in self._failed:
                    with suppress(OSError):
                        log.unlink()
        with suppress(OSError):
            if not self._log(pack).stat().st_size:
                self._log(pack).unlink()
        self._prune()

    def clear(self) -> None:
        """The search is whole: checkpoints of the best trials stay."""
        self._prune()

    def _prune(self) -> None:
        """Remove the checkpoints of trials that are none of the best."""
        if self._recipe.checkpoints.is_symlink():  # not made by shoal
            return
        with suppress(FileNotFoundError):
            for name in os.listdir(self._recipe.checkpoints):
                trial = name.partition("-")[0]
                if trial.isdigit() and not self._stays(int(trial)):
                    shutil.rmtree(self._recipe.checkpoints / name, ignore_errors=True)
            with suppress(OSError):  # there are others
                self._recipe.checkpoints.rmdir()

    def _place(self, pack: Pack) -> Path:
        return self._recipe.checkpoints / place_of(*_key(pack))

    def _log(self, pack: Pack) -> Path:
        return self._recipe.logs / log_of(*_key(pack))


def _key(pack: Pack) -> tuple[int, int]:
    return int(pack.lanes.trial[0]), int(pack.lanes.replicate[0])
