"""The slots of a block while a pack passes through it.

Lanes take the slots. At each reporting step the lanes that ended (all updates done, or diverged)
leave their slots, and the pack's next lanes take them; slots without a lane are padding and go on
computing, so that shapes never change.

Between any two updates the block can be paused, and its snapshot, tensors and numbers alone, makes
a block that goes on as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from trainable.lanes import COMPLETE, DIVERGED, Fitted, Lanes
from trainable.problem import Leaves
from trainable.program import Program, Values
from trainable.rules import State

NO_LANE = -1

Snapshot = dict[str, Any]
"""A block between two updates: tensors, tuples of tensors, and numbers."""

_SLOTS = ("lane", "age", "first", "left", "reported")
_LANES = ("loss", "ended", "steps")
_DEVICE = ("params", "state", "values")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long to fit, and when to look.

    Attributes:
        steps: updates of each lane.
        report: updates between two reporting steps.
        diverge_factor: a lane whose loss exceeds this many times its first has diverged.
    """

    steps: int
    report: int
    diverge_factor: float


def never() -> bool:
    """No pause."""
    return False


class Block:
    """The slots of one block, and what has come of the pack's lanes so far."""

    params: Leaves
    state: State
    values: Values

    def __init__(self, program: Program, lanes: Lanes, plan: Plan) -> None:
        self._program, self._lanes, self._plan = program, lanes, plan
        size, n = program.block, len(lanes)
        self._lane = torch.full((size,), NO_LANE)  # which lane is in a slot
        self._age = torch.zeros(size, dtype=torch.int64)  # its updates at the last reporting step
        self._first = torch.zeros(size, dtype=torch.float64)  # its loss before any update
        self._left = torch.zeros(size, dtype=torch.int64)  # its updates to the next reporting step
        self._reported = torch.zeros(size, dtype=torch.float64)  # its loss before the last of them
        self._done = 0  # updates since the last reporting step
        self._next = min(size, n)  # the next lane to take a slot
        self._loss = torch.full((n,), float("inf"), dtype=torch.float64)
        self._ended = torch.full((n,), COMPLETE)
        self._steps = torch.zeros(n, dtype=torch.int64)
        self._curves: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self._lane[: self._next] = torch.arange(self._next)
        seated = [slot if slot < n else 0 for slot in range(size)]  # padding copies lane 0
        self.params, self.state = program.initial(lanes, seated)
        self.values = program.values(lanes, seated)

    def snapshot(self) -> Snapshot:
        """Return what `restore` needs, on the CPU."""
        kept: Snapshot = {"next": self._next, "done": self._done}
        for name in (*_SLOTS, *_LANES):
            kept[name] = getattr(self, f"_{name}").cpu().clone()
        for name in _DEVICE:
            kept[name] = tuple(leaf.cpu().clone() for leaf in getattr(self, name))
        kept["curves"] = self._columns()
        return kept

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from a snapshot of a block of the same program, lanes and plan."""
        self._next, self._done = int(kept["next"]), int(kept["done"])
        for name in (*_SLOTS, *_LANES):
            setattr(self, f"_{name}", kept[name].clone())
        for name in _DEVICE:
            setattr(self, name, tuple(leaf.to(self._program.device) for leaf in kept[name]))
        self._curves = [tuple(kept["curves"])]

    def occupied(self) -> bool:
        """Return whether any slot holds a lane."""
        return bool((self._lane != NO_LANE).any())

    def advance(self, pause: Callable[[], bool] = never) -> list[tuple[int, float]] | None:
        """Run to the next reporting step; return the (step, loss) of each lane there.

        Args:
            pause: asked after each update; where it says so, `advance` returns None at once, and
                the next call goes on.
        """
        plan = self._plan
        held = self._lane != NO_LANE
        if self._done == 0:
            self._left = torch.clamp(plan.steps - self._age, max=plan.report)
            self._left[~held] = self._left[held].max()  # padding goes along and decides nothing
        if not self._update(held, pause):
            return None
        self._age += self._left
        self._done = 0
        reported = self._reported.to("cpu", torch.float64)
        loss = torch.where(torch.isfinite(reported), reported, torch.inf)
        self._curves.append((self._lane[held], self._age[held] - 1, loss[held]))

        diverged = held & self._over(loss)
        complete = held & ~diverged & (self._age == plan.steps)
        if bool(complete.any()):
            final = self._program.loss(self.params, self.values).to("cpu", torch.float64)
            final = torch.where(torch.isfinite(final), final, torch.inf)
            diverged |= complete & self._over(final)
            complete &= ~diverged
            self._loss[self._lane[complete]] = final[complete]
        self._ended[self._lane[diverged]] = DIVERGED
        ended = diverged | complete
        self._steps[self._lane[ended]] = self._age[ended]
        result = list(zip((self._age[held] - 1).tolist(), loss[held].tolist(), strict=True))
        self._refill(ended)
        return result

    def fitted(self) -> Fitted:
        """Return what came of all lanes."""
        lane, step, loss = self._columns()
        order = torch.argsort(lane, stable=True)  # by lane; steps of a lane came in order
        return Fitted(
            loss=self._loss,
            state=self._ended,
            steps=self._steps,
            curve_lane=lane[order],
            curve_step=step[order],
            curve_loss=loss[order],
        )

    def _columns(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if not self._curves:
            none = torch.zeros(0, dtype=torch.int64)
            return none, none, torch.zeros(0, dtype=torch.float64)
        lane, step, loss = (torch.cat(column) for column in zip(*self._curves, strict=True))
        return lane, step, loss

    def _update(self, held: torch.Tensor, pause: Callable[[], bool]) -> bool:
        """Do each slot's updates to the reporting step; return False where paused before it."""
        program, values = self._program, self.values
        fresh = (self._age == 0) & held
        longest, shortest = int(self._left.max()), int(self._left.min())
        while self._done < longest:
            loss, params, state = program.step(self.params, self.state, values)
            if self._done == 0 and bool(fresh.any()):
                self._first = torch.where(fresh, loss.to("cpu", torch.float64), self._first)
            if self._done < shortest:
                self._reported, self.params, self.state = loss, params, state
            else:  # some lanes have done their last update: they stand still
                moving = (self._done < self._left).to(program.device)
                self._reported = torch.where(moving, loss, self._reported.to(program.device))
                self.params = _where(moving, params, self.params)
                self.state = _where(moving, state, self.state)
            self._done += 1
            if pause() and self._done < longest:
                return False
        return True

    def _over(self, loss: torch.Tensor) -> torch.Tensor:
        """Where a lane has diverged: a loss not finite, or far over a first that was positive."""
        limit = torch.where(self._first > 0, self._first * self._plan.diverge_factor, torch.inf)
        return ~torch.isfinite(loss) | ~torch.isfinite(self._first) | (loss > limit)

    def _refill(self, ended: torch.Tensor) -> None:
        free = torch.nonzero(ended).flatten().tolist()
        coming = list(range(self._next, min(self._next + len(free), len(self._lanes))))
        self._next += len(coming)
        self._lane[ended] = NO_LANE
        self._age[self._lane == NO_LANE] = 0
        if not coming:
            return
        slots = torch.tensor(free[: len(coming)])
        self._lane[slots] = torch.tensor(coming)
        seats = slots.to(self._program.device)
        params, state = self._program.initial(self._lanes, coming)
        self.params = _put(self.params, seats, params)
        self.state = _put(self.state, seats, state)
        self.values = _put(self.values, seats, self._program.values(self._lanes, coming))


def _where(moving: torch.Tensor, new: Leaves, old: Leaves) -> Leaves:
    return tuple(
        torch.where(moving.view(-1, *[1] * (a.dim() - 1)), a, b)
        for a, b in zip(new, old, strict=True)
    )


def _put(whole: Leaves, seats: torch.Tensor, part: Leaves) -> Leaves:
    return tuple(a.index_copy(0, seats, b) for a, b in zip(whole, part, strict=True))
