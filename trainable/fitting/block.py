"""The slots of a block while a pack passes through it.

Lanes take the slots. At each reporting step the lanes that ended (all updates done, or diverged)
leave their slots, and the pack's next lanes take them. Slots without a lane are padding and go on
computing, so that shapes never change; a program that takes any number of lanes lets go of them.

Between any two updates the block can be paused, and its snapshot, tensors and numbers alone, makes
a block that goes on as if nothing had been.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from shoal.trainable.halt import Halted
from shoal.trainable.lanes import COMPLETE, DIVERGED, Fitted, Lanes
from shoal.trainable.optimizers import State
from shoal.trainable.problems import Leaves
from shoal.trainable.programs import Program, Values, never

NO_LANE = -1

HANDFUL = 16
"""Empty slots that are worth letting go of."""

LARGEST = sys.float_info.max
"""Any loss above it is not finite."""

Snapshot = dict[str, Any]
"""A block between two updates: tensors, tuples of tensors, and numbers."""

Reported = tuple[torch.Tensor, torch.Tensor]
"""Steps (int64) and losses (float64) of some lanes."""

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


class Block:
    """The slots of one block, and what has come of the pack's lanes so far."""

    params: Leaves
    state: State
    values: Values
    _to_go: int  # updates that the oldest lane has before it

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
        self._fresh = True  # whether a lane may be before its first update
        self._lane[: self._next] = torch.arange(self._next)
        seated = self._lane.clamp(min=0)  # padding copies lane 0
        self.params, self.state = program.initial(lanes, seated)
        self.values = program.values(lanes, seated)
        self._seated()

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
        self._fresh = self._done == 0
        self._limits()
        self._seated()
        self._stretch = int(self._left.min()), int(self._left.max())

    def occupied(self) -> bool:
        """Return whether any slot holds a lane."""
        return self._held is None or bool(self._held.any())

    def prepare(self, stop: Callable[[], bool] = never) -> bool:
        """Make the program ready for this block; return False where `stop` came first."""
        return self._program.prepare(self.params, self.state, self.values, stop)

    def advance(self, pause: Callable[[], bool] = never) -> Reported | None:
        """Run to the next reporting step; return the steps and losses of the lanes there.

        Args:
            pause: asked after each chunk of updates; where it says so, `advance` returns None at
                once, and the next call goes on. It does so too where a call was given up.
        """
        try:
            if self._done == 0:
                self._begin()
            if not self._update(pause):
                return None
            return self._report()
        except Halted:
            return None

    def _report(self) -> Reported:
        """Be at the reporting step; nothing changes before the last call that can be given up."""
        age, to_go = self._age + self._left, self._to_go - self._plan.report
        loss = _finite(self._reported)
        diverged, held = self._over(loss), self._held
        ended = final = None
        if to_go <= 0 or held is not None or bool(diverged.any()):
            here = self._lane != NO_LANE
            diverged &= here
            ended = diverged | ((age == self._plan.steps) & here)
            if bool((ended & ~diverged).any()):
                final = _finite(self._program.loss(self.params, self.values))
        self._age, self._to_go, self._done = age, to_go, 0
        lane, steps, losses = self._lane, self._age - 1, loss
        if held is not None:
            lane, steps, losses = lane[held], steps[held], losses[held]
        self._curves.append((lane, steps, losses))
        if ended is not None and bool(ended.any()):
            self._end(ended, diverged, final)
        return steps, losses

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

    def _seated(self) -> None:
        """Note what follows from which lanes are in the slots."""
        held = self._lane != NO_LANE
        self._held = None if bool(held.all()) else held
        ages = self._age if self._held is None else self._age[held]
        self._to_go = self._plan.steps - int(ages.max()) if len(ages) else 0  # of the oldest

    def _begin(self) -> None:
        """Begin the updates to the next reporting step."""
        plan, held = self._plan, self._held
        if self._fresh:
            fresh = (self._age == 0) & (self._lane != NO_LANE)
            first = self._program.loss(self.params, self.values).to("cpu", torch.float64)
            self._fresh = False
            self._first = torch.where(fresh, first, self._first)
            self._limits()
        if self._to_go >= plan.report:
            self._left = torch.full_like(self._age, plan.report)
            self._stretch = plan.report, plan.report
            return
        self._left = torch.clamp(plan.steps - self._age, max=plan.report)
        if held is not None:  # padding goes along and decides nothing
            self._left[~held] = self._left[held].max()
        self._stretch = int(self._left.min()), int(self._left.max())

    def _update(self, pause: Callable[[], bool]) -> bool:
        """Do each slot's updates to the reporting step; return False where paused before it."""
        program, values, (shortest, longest) = self._program, self.values, self._stretch
        while self._done < longest:
            until, seats = longest, None
            if shortest < longest:
                moving = self._done < self._left
                until = int(self._left[moving].min())
                seats = None if bool(moving.all()) else moving.to(program.device)
            while self._done < until:
                loss, params, state = program.chunk(self.params, self.state, values)
                if seats is not None:  # some lanes have done their last update: they stand still
                    loss = torch.where(seats, loss, self._reported.to(program.device))
                    params = _where(seats, params, self.params)
                    state = _where(seats, state, self.state)
                self._reported, self.params, self.state = loss, params, state
                self._done += program.unroll
                if pause() and self._done < longest:
                    return False
        return True

    def _over(self, loss: torch.Tensor) -> torch.Tensor:
        """Where a lane has diverged: a loss not finite, or far over a first that was positive."""
        return torch.logical_not(loss <= self._limit)  # also where one is not a number

    def _limits(self) -> None:
        """The largest loss of each slot that is not diverged; none, where its first was."""
        factor = self._plan.diverge_factor
        limit = torch.where(self._first > 0, self._first * factor, LARGEST).clamp(max=LARGEST)
        self._limit = torch.where(torch.isfinite(self._first), limit, -torch.inf)

    def _end(self, ended: torch.Tensor, diverged: torch.Tensor, final: torch.Tensor | None) -> None:
        """Keep what came of the lanes that ended, and give their slots to the next.

        Args:
            final: losses after the last update, where some lanes have done all of theirs.
        """
        complete = ended & ~diverged
        if final is not None:
            diverged |= complete & self._over(final)
            complete &= ~diverged
            self._loss[self._lane[complete]] = final[complete]
        self._ended[self._lane[diverged]] = DIVERGED
        self._steps[self._lane[ended]] = self._age[ended]
        self._refill(ended)

    def _refill(self, ended: torch.Tensor) -> None:
        free = torch.nonzero(ended).flatten()
        coming = torch.arange(self._next, min(self._next + len(free), len(self._lanes)))
        self._next += len(coming)
        self._lane = self._lane.masked_fill(ended, NO_LANE)  # the curves have the old one
        self._age = self._age.masked_fill(ended, 0)
        if len(coming):
            self._fill(free[: len(coming)], coming)
        elif self._program.elastic:
            self._shrink()
        self._seated()

    def _fill(self, slots: torch.Tensor, coming: torch.Tensor) -> None:
        """Put lanes into slots."""
        self._fresh = True
        self._lane[slots] = coming
        seats = slots.to(self._program.device)
        params, state = self._program.initial(self._lanes, coming)
        self.params = _put(self.params, seats, params)
        self.state = _put(self.state, seats, state)
        self.values = _put(self.values, seats, self._program.values(self._lanes, coming))

    def _shrink(self) -> None:
        """Let go of the empty slots, where they are many: no lane is to come."""
        held = torch.nonzero(self._lane != NO_LANE).flatten()
        if not len(held) or len(self._lane) - len(held) < HANDFUL:
            return
        for name in _SLOTS:
            setattr(self, f"_{name}", getattr(self, f"_{name}")[held])
        for name in _DEVICE:
            setattr(self, name, tuple(leaf[held] for leaf in getattr(self, name)))
        self._limit = self._limit[held]


def _finite(losses: torch.Tensor) -> torch.Tensor:
    """The losses on the CPU in float64, +inf where they are not finite."""
    losses = losses.to("cpu", torch.float64)
    return losses.nan_to_num(nan=math.inf, posinf=math.inf, neginf=math.inf)


def _where(moving: torch.Tensor, new: Leaves, old: Leaves) -> Leaves:
    return tuple(
        torch.where(moving.view(-1, *[1] * (a.dim() - 1)), a, b)
        for a, b in zip(new, old, strict=True)
    )


def _put(whole: Leaves, seats: torch.Tensor, part: Leaves) -> Leaves:
    return tuple(a.index_copy(0, seats, b) for a, b in zip(whole, part, strict=True))
