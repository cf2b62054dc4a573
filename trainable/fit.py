"""The lane loop: fits the lanes of a pack in padded blocks.

Lanes take the slots of a block. At each reporting step the lanes that ended (all updates done, or
diverged) leave their slots, and the pack's next lanes take them; slots without a lane are padding
and go on computing, so that shapes never change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from trainable.lanes import COMPLETE, DIVERGED, Fitted, Lanes
from trainable.problem import Leaves
from trainable.program import Program, Values
from trainable.rules import State

NO_LANE = -1


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


def fit(
    program: Program,
    lanes: Lanes,
    plan: Plan,
    on_report: Callable[[int, float], None] | None = None,
) -> Fitted:
    """Fit all `lanes` and return their losses, states and curves.

    Args:
        on_report: called with (step, loss) of each reporting step of each lane as it is reached.
    """
    with torch.no_grad():
        block = Block(program, lanes, plan)
        while block.occupied():
            for step, loss in block.advance():
                if on_report is not None:
                    on_report(step, loss)
        return block.fitted()


class Block:
    """The slots of a block while a pack passes through it."""

    params: Leaves
    state: State
    values: Values

    def __init__(self, program: Program, lanes: Lanes, plan: Plan) -> None:
        self._program, self._lanes, self._plan = program, lanes, plan
        size, n = program.block, len(lanes)
        self._lane = torch.full((size,), NO_LANE)  # which lane is in a slot
        self._age = torch.zeros(size, dtype=torch.int64)  # its updates done
        self._first = torch.zeros(size, dtype=torch.float64)  # its loss before any update
        self._next = min(size, n)  # the next lane to take a slot
        self._loss = torch.full((n,), float("inf"), dtype=torch.float64)
        self._ended = torch.full((n,), COMPLETE)
        self._steps = torch.zeros(n, dtype=torch.int64)
        self._curves: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self._lane[: self._next] = torch.arange(self._next)
        seated = [slot if slot < n else 0 for slot in range(size)]  # padding copies lane 0
        self.params, self.state = program.initial(lanes, seated)
        self.values = program.values(lanes, seated)

    def occupied(self) -> bool:
        """Return whether any slot holds a lane."""
        return bool((self._lane != NO_LANE).any())

    def advance(self) -> list[tuple[int, float]]:
        """Run to the next reporting step; return the (step, loss) of each lane there."""
        plan = self._plan
        held = self._lane != NO_LANE
        left = torch.clamp(plan.steps - self._age, max=plan.report)
        left[~held] = left[held].max()  # padding goes along and decides nothing
        reported = self._chunk(left)
        self._age += left
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
        lane, step, loss = (torch.cat(column) for column in zip(*self._curves, strict=True))
        order = torch.argsort(lane, stable=True)  # by lane; steps of a lane came in order
        return Fitted(
            loss=self._loss,
            state=self._ended,
            steps=self._steps,
            curve_lane=lane[order],
            curve_step=step[order],
            curve_loss=loss[order],
        )

    def _chunk(self, left: torch.Tensor) -> torch.Tensor:
        """Run each slot for its `left` updates; return its loss before the last of them."""
        program, values = self._program, self.values
        fresh = (self._age == 0) & (self._lane != NO_LANE)
        longest, shortest = int(left.max()), int(left.min())
        reported = torch.zeros(())
        for i in range(longest):
            loss, params, state = program.step(self.params, self.state, values)
            if i == 0 and bool(fresh.any()):
                self._first = torch.where(fresh, loss.to("cpu", torch.float64), self._first)
            if i < shortest:
                reported, self.params, self.state = loss, params, state
            else:  # some lanes have done their last update: they stand still
                moving = (i < left).to(program.device)
                reported = torch.where(moving, loss, reported)
                self.params = _where(moving, params, self.params)
                self.state = _where(moving, state, self.state)
        return reported.to("cpu", torch.float64)

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
