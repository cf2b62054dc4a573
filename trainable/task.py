"""Tasks: what a worker is given, all packs' part and one pack's, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from shoal.trainable.fitting import Plan, Saving, checkpoint
from shoal.trainable.lanes import Fitted, Lanes
from shoal.trainable.problems import Folds, Source
from shoal.trainable.programs import Common, Program, Settled, program_of, updates
from shoal.trainable.programs import key as key_of
from shoal.trainable.pruning import Known


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all packs of a search have in common, whatever runs them.

    Attributes:
        runner: the name of what does (`shoal.trainable.runners`).
        apart: whether that has processes of its own, so that no pack ends the one it is given to.
        gpu: whether a pack has a GPU to itself.
        patience: seconds that a worker whose host is at fault waits before it says so, so that
            others take the packs.
    """

    runner: ClassVar[str]
    apart: ClassVar[bool] = False
    source: Source
    gpu: bool = False
    patience: float = 0.0

    @property
    def grace(self) -> float:
        """Seconds that a pack has to end in, once it is told to."""
        return 30.0

    @property
    def resources(self) -> dict[str, float]:
        """What Ray keeps for a pack."""
        return {"gpu": 1.0} if self.gpu else {"cpu": 1.0}

    def of_slot(self, slot: int, gpus: int) -> Recipe:
        """Return the same for one of the workers of this machine.

        Args:
            slot: its number; gpus: how many there are.
        """
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source.spec})"


@dataclass(frozen=True, kw_only=True, repr=False)
class StackedRecipe(Recipe):
    """What all packs have in common whose lanes are stacked.

    Attributes:
        program: how the step is run: ``eager`` or ``compiled``, each shape as `settled` says.
        unroll: updates of one call of a kernel (`shoal.trainable.programs.settled.updates`).
        defaults: values of the hyperparameters that lanes do not bring.
        folds: how rows are split; None: all are fitted to.
        common: what the workers of one process share.
    """

    runner: ClassVar[str] = "stacked"
    plan: Plan
    program: str
    unroll: int
    defaults: dict[str, float]
    settled: Settled = field(default_factory=Settled)
    folds: Folds | None = None
    common: Common = field(default_factory=Common, compare=False)

    def key(self, lanes: Lanes, block: int) -> str:
        """Return the hash that names the checkpoints of a pack."""
        return checkpoint.key(
            lanes,
            program=f"{self.source.sha256} {self.settled.name(lanes.shape)} {self.folds}",
            plan=self.plan,
            block=block,
            defaults=self.defaults,
        )

    def made(self, lanes: Lanes, *, block: int, device: str, kind: str) -> Program:
        """Return the program of lanes: of their shape, with the hyperparameters that they bring.

        Args:
            kind: how it is run (`shoal.trainable.programs.settled`).
        """
        return program_of(
            self.source.load(),
            lanes.shape,
            self.folds,
            defaults=self.defaults,
            block=block,
            device=device,
            kind=kind,
            metrics=self.settled.metrics.get(key_of(lanes.shape)),
            compiler=self.settled.compiler or None,
            private=True,
            unroll=updates(kind, self.unroll),
            steps=self.plan.steps,
            epochs=self.plan.epochs,
            given=tuple(lanes.values),
        )


@dataclass(frozen=True, kw_only=True)
class Task:
    """A pack to run.

    Attributes:
        block: lanes in one tensor operation.
        saving: where its checkpoints go, or None for none.
        control: a lane that has worked, to be tried where the pack fails; None: it is not tried.
        known: what other fits have reported, by which these are pruned; None: nothing is known.
    """

    lanes: Lanes
    block: int
    saving: Saving | None = None
    control: Lanes | None = None
    known: Known | None = None

    def __deepcopy__(self, memo: object) -> Task:
        """Itself, since nobody changes it; Ray Tune copies what passes through it."""
        return self

    def __repr__(self) -> str:  # Ray Tune formats what passes through it
        return f"Task({len(self.lanes)})"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a pack: its rows, or the error that ended it.

    Attributes:
        started: seconds since 1970 (UTC) when the pack was first begun.
        seconds: what fitting took this time, without making the program ready;
        before: what it took until the checkpoint.
        error: None, or one line.
        fault: None, or why this host cannot run the pack, in one line; another may.
        control: whether the pack failed and the control was tried: with a fault, it failed too;
            with an error, it worked, so that the pack is to blame.
        memory: whether the error is that memory ran out.
        stopped: whether it was told to stop and is unfinished; saved: whether it can go on.
        notes: what went wrong with checkpoints, or with the cache of compiled programs.
        details: the traceback, where there is an error.
        first: whether it was the worker's first pack, which waits for the worker to start.
    """

    fitted: Fitted | None
    node: str
    device: str
    started: float
    seconds: float
    before: float = 0.0
    error: str | None = None
    fault: str | None = None
    control: bool = False
    memory: bool = False
    stopped: bool = False
    saved: bool = False
    notes: tuple[str, ...] = ()
    details: str = ""
    first: bool = False

    @property
    def on_cpu(self) -> bool:
        """Whether it was fitted on a CPU."""
        return self.device.startswith("cpu")

    def __repr__(self) -> str:
        return f"Outcome({self.fault or self.error or 'fitted'})"
