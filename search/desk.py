"""What an engine asks of the driver while it runs packs."""

from __future__ import annotations

from typing import Protocol

from search.alone import Death
from search.packs import Pack
from search.rounds import Rounds
from trainable.worker import Outcome, Recipe, Task


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

    def alone(self, pack: Pack) -> bool:
        """Whether a pack is to have a process to itself, since it may kill the one it runs in."""

    def fell(self, pack: Pack, held: float, death: Death) -> None:
        """The process that a pack had to itself died."""

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
