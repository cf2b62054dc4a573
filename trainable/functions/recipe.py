"""The recipe of functions and programs: what all their calls have in common."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import torch

from shoal.trainable.functions.command import Command
from shoal.trainable.functions.cutoffs import Cutoffs
from shoal.trainable.functions.messages import Common
from shoal.trainable.functions.reports import Aim
from shoal.trainable.functions.saving import FOLDER
from shoal.trainable.pruning import Known, Pruner
from shoal.trainable.task import Recipe

LOGS = "logs"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What calls may take in this run of a search; nothing here changes their numbers.

    Attributes:
        memory: bytes that Ray keeps for each; 0: it is not told.
        fresh: whether each has a new process.
        grace: seconds that one has to end in, once it is told to.
        timeout: seconds that one may take; inf: any number.
    """

    memory: int = 0
    fresh: bool = False
    grace: float = 20.0
    timeout: float = math.inf


@dataclass(frozen=True, kw_only=True, repr=False)
class CallRecipe(Recipe):
    """What all calls of a function or of a program have in common.

    Attributes:
        aim: what is asked of reports.
        pruner: what ends calls that are behind at the reports `rungs`; None: nothing does.
        command: of a program; None: it is a function.
        names: hyperparameters of the space; asks: what the call asks for by a reserved name.
        cpus: threads of a call; gpus: GPUs, or a share of one.
        limits: of this run.
        folder: the run folder.
        visible: the GPUs that calls see, as CUDA_VISIBLE_DEVICES has them; None: those of the
            worker.
    """

    runner: ClassVar[str] = "calls"
    apart: ClassVar[bool] = True
    aim: Aim
    pruner: Pruner | None = None
    rungs: tuple[int, ...] = ()
    command: Command | None = None
    names: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    cpus: int = 1
    gpus: float = 0.0
    limits: Limits = field(default_factory=Limits)
    folder: str = ""
    visible: str | None = None

    @property
    def common(self) -> Common:
        """What the process of calls is told of it."""
        return Common(source=self.source, aim=self.aim, command=self.command, cpus=self.cpus)

    @property
    def logs(self) -> Path:
        """Where calls print."""
        return Path(self.folder, LOGS)

    @property
    def checkpoints(self) -> Path:
        """Where calls save."""
        return Path(self.folder, FOLDER)

    @property
    def grace(self) -> float:
        """Seconds that a call has to end in, once it is told to."""
        return self.limits.grace

    @property
    def resources(self) -> dict[str, float]:
        """What Ray keeps for a call."""
        gpus = {"gpu": self.gpus} if self.gpus else {}
        memory = {"memory": float(self.limits.memory)} if self.limits.memory else {}
        return {"cpu": float(self.cpus), **gpus, **memory}

    def cutoffs(self, known: Known | None, replicate: int) -> Cutoffs:
        """Return from which scores on a call is behind.

        Args:
            known: what others have reported; replicate: of the call.
        """
        if self.pruner is None:
            return Cutoffs()
        at = {}
        earlier = known.earlier.get(replicate, ()) if known is not None else ()
        for report, scores in zip(self.rungs, earlier, strict=False):
            others = scores.shape[1]
            place = int(self.pruner.places(torch.tensor([others])))
            if place <= others:
                at[report] = tuple(scores[:, place - 1].tolist())
        limit = self.pruner.limit(self.aim.maximize)
        return Cutoffs(at=at, first=self.pruner.first(1), limit=limit)

    def of_slot(self, slot: int, gpus: int) -> CallRecipe:
        """Return the same, with its own of the GPUs of this machine."""
        names = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        there = [name for name in names.split(",") if name] or [str(n) for n in range(gpus)]
        if not self.gpus or not there:
            return replace(self, visible="")
        if self.gpus < 1:
            own = [int(slot * self.gpus) % len(there)]
        else:
            own = [(slot * int(self.gpus) + k) % len(there) for k in range(int(self.gpus))]
        return replace(self, visible=",".join(there[k] for k in own))


def log_of(trial: int, replicate: int) -> str:
    """The name of the log of a fit."""
    return f"{trial}.log" if not replicate else f"{trial}-{replicate}.log"
