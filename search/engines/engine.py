"""The interface of an engine, and what an engine may ask of the driver.

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
    """Where a pack may run if the driver's own process runs packs."""

    FULL = "in a thread"
    SOME = "in another process, with others before and after it"
    NONE = "in another process that has it alone"


class Engine(Protocol):
    """Runs packs, in threads or in processes.

    Attributes:
        name: as ``--engine`` has it; label: of its own share of the time, in the summary.
    """

    name: ClassVar[str]
    label: ClassVar[str]

    def check(self) -> None:
        """Check that the engine can run; nothing was created yet.

        Raises:
            BadInput: it cannot, such as where no Ray is at the address.
        """

    def run(self, driver: EngineCallbacks) -> None:
        """Run the driver's packs until every fit has ended, or the search is told to stop.

        Raises:
            EngineError: the engine went away.
        """


class EngineCallbacks(Protocol):
    """What an engine may ask of the driver."""

    @property
    def request(self) -> Request:
        """The request of this search."""

    @property
    def notes(self) -> tuple[Path, int]:
        """Where running packs are noted, and the number of this writer of the run folder."""

    @property
    def suspects(self) -> Set[str]:
        """Names of packs that were running when an earlier driver died."""

    def suspect(self, packs: Set[str]) -> None:
        """Record that an earlier driver died while it ran these packs."""

    def warn_idle(self, workers: int) -> None:
        """Tell the user if there is work for fewer workers than this."""

    def use_cluster(self, gpu: bool, hosts: Callable[[], set[str]]) -> None:
        """Record that packs run on a cluster that this search did not start.

        Args:
            gpu: whether workers have GPUs; hosts: gives the names of those that live.
        """

    @property
    def rounds(self) -> Rounds:
        """Where packs come from."""

    @property
    def recipe(self) -> Recipe:
        """What all packs have in common."""

    def task(self, pack: Pack) -> Task:
        """Return what a worker gets for a pack; a worker takes it now."""

    def given(self, pack: Pack, outcome: Outcome, held: float) -> None:
        """Record that a worker returned a pack, after `held` seconds."""

    def died(self, pack: Pack, held: float, node: bool) -> None:
        """Record that the worker of a pack died; `node`: because its node did."""

    def trust(self, pack: Pack) -> Trust:
        """Return where a pack may run, relative to the driver's own process."""

    def fell(self, pack: Pack, held: float, death: Death) -> None:
        """Record that a child process for packs died while it ran one."""

    def tick(self, slots: int) -> None:
        """Record that time has passed, and how many slots there are."""

    def say(self, message: str) -> None:
        """Tell the user something."""

    def stopped(self) -> bool:
        """Whether workers are to save and return their packs. Cheap to ask."""

    def listen(self) -> None:
        """Set the signal handlers again, after other code has set its own."""
