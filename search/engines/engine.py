"""What an engine is, and what it may ask of the driver.

An engine is made from the options of a run (`shoal.search.engines.registry`). `check` is called
first, before anything is made on disk; then `run`, once, which returns when every fit is told, or
the driver has said to stop. It takes packs from ``driver.rounds``, turns each into a task by
``driver.task``, and tells the driver what came of it: `given`, `died` or `fell`.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from enum import Enum
from pathlib import Path
from typing import ClassVar, Protocol

from shoal.search.engines.alone import Death
from shoal.search.request import Request
from shoal.search.rounds import Pack, Rounds
from shoal.trainable.task import Outcome, Recipe, Task


class Trust(Enum):
    """Where a pack may run that the driver's own process is to run."""

    FULL = "in a thread"
    SOME = "in another process, with others before and after it"
    NONE = "in another process that has it alone"


class Engine(Protocol):
    """Where packs run.

    Attributes:
        name: as ``--engine`` has it; label: of its own share of the time, in the summary.
    """

    name: ClassVar[str]
    label: ClassVar[str]

    def check(self) -> None:
        """Check that it can run at all; nothing was made yet.

        Raises:
            BadInput: it cannot, such as where no Ray is at the address.
        """

    def run(self, driver: EngineCallbacks) -> None:
        """Run the driver's packs until every fit is told, or told to stop.

        Raises:
            EngineError: the engine went away.
        """


class EngineCallbacks(Protocol):
    """What an engine may ask of the driver."""

    @property
    def request(self) -> Request:
        """What was asked."""

    @property
    def notes(self) -> tuple[Path, int]:
        """Where packs in hand are noted, and which writer of the run folder this is."""

    @property
    def suspects(self) -> Set[str]:
        """Names of packs over which an earlier driver died."""

    def suspect(self, packs: Set[str]) -> None:
        """An earlier driver died while it had these packs in hand."""

    def warn_idle(self, workers: int) -> None:
        """Tell the user if so many workers are more than there is work for."""

    def use_cluster(self, gpu: bool, hosts: Callable[[], set[str]]) -> None:
        """Packs run on a cluster that was there before.

        Args:
            gpu: whether workers have GPUs; hosts: gives the names of those that live.
        """

    @property
    def rounds(self) -> Rounds:
        """The source of packs."""

    @property
    def recipe(self) -> Recipe:
        """What all packs have in common."""

    def task(self, pack: Pack) -> Task:
        """Return a pack as a worker gets it; a worker takes it now."""

    def given(self, pack: Pack, outcome: Outcome, held: float) -> None:
        """A worker gave a pack back, having held it for `held` seconds."""

    def died(self, pack: Pack, held: float, node: bool) -> None:
        """The worker of a pack died; `node`: and its node with it."""

    def trust(self, pack: Pack) -> Trust:
        """Where a pack may run, here."""

    def fell(self, pack: Pack, held: float, death: Death) -> None:
        """A process that was started for packs died over one."""

    def tick(self, slots: int) -> None:
        """Some time has passed; there are so many slots."""

    def say(self, message: str) -> None:
        """Tell the user something that matters."""

    def stopped(self) -> bool:
        """Whether workers are to save what they have in hand and to give it back. Quick."""

    def listen(self) -> None:
        """Handle signals, again where something else has set handlers of its own."""
