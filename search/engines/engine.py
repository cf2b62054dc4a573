"""What an engine asks of the driver while it runs packs."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from shoal.search.engines.alone import Death
from shoal.search.rounds import Pack, Rounds
from shoal.trainable.task import Outcome, Recipe, Task


class Trust(Enum):
    """Where a pack may run that the driver's own process is to run."""

    FULL = "in a thread"
    SOME = "in another process, with others before and after it"
    NONE = "in another process that has it alone"


class Desk(Protocol):
    """Where packs come from and outcomes go."""

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

    def note(self, slot: int, pack: str) -> None:
        """A slot of this process has a pack of this name in hand now, or none (empty)."""

    def tick(self, slots: int) -> None:
        """Some time has passed; there are so many slots."""

    def say(self, message: str) -> None:
        """Tell the user something that matters."""

    def stopped(self) -> bool:
        """Whether workers are to save what they have in hand and to give it back. Quick."""

    def listen(self) -> None:
        """Handle signals, again where something else has set handlers of its own."""
