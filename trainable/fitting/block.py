"""The training loop of a block: the fits (lanes) of a pack pass through its slots.

At each reporting step the lanes that ended (all updates done, diverged, not improving any more, or
behind others: `judging`) leave their slots, and the pack's next lanes take them (`slots`). A
program that takes any number of lanes drops the slots that stay empty. Where updates take batches
of rows, all lanes in the slots have one seed and are at one step, so that a batch is fetched once
for all of them.

Between any two updates the block can be paused, and its snapshot, tensors and numbers alone, makes
a block that goes on as if nothing had been.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from shoal.trainable.fitting.judging import Judging
from shoal.trainable.fitting.kept import Kept
from shoal.trainable.fitting.plan import Plan
from shoal.trainable.fitting.record import Record
from shoal.trainable.fitting.selection import Selection, finite, scores
from shoal.trainable.fitting.slots import NO_LANE, Slots, moved, put
from shoal.trainable.halt import Halted, never
from shoal.trainable.lanes import Fitted, Lanes, Parameters
from shoal.trainable.optimizers import State
from shoal.trainable.problems import Leaves
from shoal.trainable.programs import LaneValues, Program, Taken
from shoal.trainable.pruning import Known

Snapshot = dict[str, Any]
"""A block between two updates: tensors, tuples of tensors, and numbers."""


class Reported(NamedTuple):
    """What some lanes report, b of them.

    Attributes:
        steps: shape (b,), int64; losses: (b,), float64; metrics: (b, M), float64.
    """

    steps: torch.Tensor
    losses: torch.Tensor
    metrics: torch.Tensor


class _Now(NamedTuple):
    """The block at a reporting step.

    Attributes:
        values: shape (B, C), float64, loss and metrics after the update (`Plan.columns`); the loss
            is NaN where it was not asked for.
        score: shape (B,), float64; better: (B,), bool: whether it is the best so far of a lane.
        ended, diverged, pruned: shape (B,), bool.
    """

    values: torch.Tensor
    score: torch.Tensor
    better: torch.Tensor
    ended: torch.Tensor
    diverged: torch.Tensor
    pruned: torch.Tensor


_DEVICE = ("params", "state", "values")


class Block:
    """One block: tensors of the lanes in its slots, and the loop that updates them.

    Attributes:
        params, state, values: of the lanes in the slots (`shoal.trainable.programs.stacked`).
    """

    params: Leaves
    state: State
    values: LaneValues

    def __init__(
        self, program: Program, lanes: Lanes, plan: Plan, known: Known | None = None
    ) -> None:
        self._judging = Judging(lanes, plan, known)
        self._program, self._lanes, self._plan = program, lanes, plan
        size = min(program.block, len(lanes)) if program.elastic else program.block
        self._slots = Slots(size, lanes, plan, together=program.feed.together)
        self._record = Record(len(lanes), len(plan.metrics))
        self._kept = Kept(lanes, plan)
        self._done = 0  # updates since the last reporting step
        self._seat()

    def _seat(self) -> None:
        """Put the initial tensors of lanes into all slots."""
        self._selection = Selection(len(self._slots), self._plan)
        seated = self._slots.lane.clamp(min=0)  # padding copies lane 0
        self.params, self.state = self._program.initial(self._lanes, seated)
        self.values = self._program.values(self._lanes, seated)

    @property
    def evaluated(self) -> Leaves:
        """The parameters that the fits are judged by: the optimizer's average, if it has one."""
        return self._program.evaluated(self.params, self.state)

    def snapshot(self) -> Snapshot:
        """Return what `restore` needs, on the CPU."""
        kept: Snapshot = {"done": self._done}
        for name in _DEVICE:
            kept[name] = tuple(leaf.cpu().clone() for leaf in getattr(self, name))
        for part in ("selection", "kept"):
            kept[part] = getattr(self, f"_{part}").snapshot()
        return {**kept, **self._slots.snapshot(), **self._record.snapshot()}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from a snapshot of a block of the same program, lanes and plan."""
        self._done = int(kept["done"])
        self._slots.restore(kept, fresh=self._done == 0)
        self._record.restore(kept)
        self._judging.restore(self._record.curves)
        self._selection.restore(kept["selection"], self._program.device)
        self._kept.restore(kept["kept"])
        for name in _DEVICE:
            setattr(self, name, tuple(leaf.to(self._program.device) for leaf in kept[name]))

    def occupied(self) -> bool:
        """Return whether any slot holds a lane."""
        return self._slots.any()

    def fitted(self) -> Fitted:
        """Return the results of all lanes."""
        self._kept.end()
        names = self._program.parameter_names
        parameters = Parameters(
            lane=self._kept.lane,
            named=dict(zip(names, self._kept.params, strict=True)) if self._kept.params else {},
            prepared=self._program.prepared,
        )
        return self._record.fitted(parameters if len(parameters.lane) else None)

    def prepare(self, stop: Callable[[], bool] = never) -> bool:
        """Compile the program for this block; return False where `stop` came first."""
        return self._program.prepare(self.params, self.state, self.values, stop)

    def advance(self, pause: Callable[[], bool] = never) -> Reported | None:
        """Run to the next reporting step; return what the lanes report there.

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

    def _begin(self) -> None:
        """Begin the updates to the next reporting step."""
        if self._slots.fresh:
            loss = self._program.loss(self.evaluated, self.state, self.values)
            self._slots.start(loss.to("cpu", torch.float64))
        self._slots.aim()

    def _update(self, pause: Callable[[], bool]) -> bool:
        """Do each slot's updates to the reporting step; return False where paused before it."""
        program, values, slots = self._program, self.values, self._slots
        shortest, longest = slots.stretch
        while self._done < longest:
            until, seats = longest, None
            if shortest < longest:
                moving = self._done < slots.left
                until = int(slots.left[moving].min())
                seats = None if bool(moving.all()) else moving.to(program.device)
            while self._done < until:
                taken = self._taken(until - self._done)
                loss, params, state = program.chunk(self.params, self.state, values, taken)
                if seats is not None:  # some lanes have done their last update: they stand still
                    loss = torch.where(seats, loss, slots.reported.to(program.device))
                    params = moved(seats, params, self.params)
                    state = moved(seats, state, self.state)
                slots.reported, self.params, self.state = loss, params, state
                self._done += program.unroll if taken is None else len(taken.updates)
                if pause() and self._done < longest:
                    return False
        return True

    def _taken(self, most: int) -> Taken | None:
        """What the next updates take, of the seed and at the step that all lanes are; None: what
        every update takes."""
        program, slots = self._program, self._slots
        if not program.feed.together:
            return None
        first = int(torch.nonzero(slots.lane != NO_LANE)[0])
        seed = int(self._lanes.seed[slots.lane[first]])
        return program.taken(seed, int(slots.age[first]) + self._done, most)

    def _report(self) -> Reported:
        """Report losses and metrics, and end lanes.

        The last call that can be given up comes before the first change of anything.
        """
        slots, plan = self._slots, self._plan
        loss, occupied = finite(slots.reported), slots.occupied
        now = self._now(loss)
        slots.arrive()
        self._done = 0
        lane, steps, losses, metrics = slots.lane, slots.age - 1, loss, now.values[:, 1:]
        if plan.watches:
            self._selection.take(now.better, now.score, steps, now.values, self.evaluated)
        if occupied is not None:
            lane, steps, losses, metrics = (
                column[occupied] for column in (lane, steps, losses, metrics)
            )
        self._record.report(lane, steps, losses, metrics)
        if bool(now.ended.any()):
            self._end(now)
        return Reported(steps, losses, metrics)

    def _now(self, loss: torch.Tensor) -> _Now:
        """Look at the lanes, and change nothing.

        Args:
            loss: shape (B,), before the last update.
        """
        slots, plan, program = self._slots, self._plan, self._program
        values = torch.full((len(slots), len(plan.columns)), math.nan, dtype=torch.float64)
        here = slots.lane != NO_LANE
        diverged = slots.diverged(loss) & here
        if plan.metrics:
            found = program.metrics(self.evaluated, self.values)
            for i, name in enumerate(plan.metrics, 1):
                values[:, i] = found[name].to("cpu", torch.float64)
        if plan.watches:
            values[:, 0] = finite(program.loss(self.evaluated, self.state, self.values))
        ended = diverged | ((slots.age + slots.left == plan.steps) & here)
        score = better = ended  # of no use but to what watches
        if plan.watches:
            score = scores(values, plan)
            better = self._selection.better(score)
            ended |= self._selection.spent(better) & here
        pruned = self._judging.behind(slots.lane, slots.age + slots.left, loss, values) & ~ended
        ended |= pruned
        if bool((ended & ~diverged).any()):
            if not plan.watches:
                values[:, 0] = finite(program.loss(self.evaluated, self.state, self.values))
            diverged |= ended & slots.diverged(values[:, 0])
        return _Now(values, score, better, ended, diverged, pruned & ~diverged)

    def _end(self, now: _Now) -> None:
        """Record the results of the lanes that ended, and give their slots to the next."""
        slots, record, selection = self._slots, self._record, self._selection
        complete = now.ended & ~now.diverged & ~now.pruned
        if bool(complete.any()):
            lane = slots.lane[complete]
            values, steps, params = now.values, slots.age - 1, self.evaluated
            if self._plan.best:
                values, steps, params = selection.values, selection.step, selection.params
            record.complete(lane, values[complete], steps[complete])
            if self._plan.keep:
                at = complete.to(self._program.device)
                score = scores(values[complete], self._plan)
                self._kept.add(lane, score, tuple(leaf[at] for leaf in params))
        record.prune(slots.lane[now.pruned], now.values[now.pruned])
        record.diverge(slots.lane[now.diverged])
        record.steps[slots.lane[now.ended]] = slots.age[now.ended]
        filled, coming = slots.refill(now.ended)
        selection.forget(torch.nonzero(now.ended).flatten())
        if slots.waiting:
            slots.seat()
            self._seat()
        elif len(coming):
            self._fill(filled, coming)
        elif self._program.elastic:
            self._shrink()

    def _fill(self, slots: torch.Tensor, coming: torch.Tensor) -> None:
        """Put the initial tensors of lanes into slots."""
        seats = slots.to(self._program.device)
        params, state = self._program.initial(self._lanes, coming)
        self.params = put(self.params, seats, params)
        self.state = put(self.state, seats, state)
        self.values = put(self.values, seats, self._program.values(self._lanes, coming))

    def _shrink(self) -> None:
        """Drop the tensors of empty slots, where these are many: no lane is to come."""
        kept = self._slots.shrink()
        if kept is not None:
            self._selection.shrink(kept)
            for name in _DEVICE:
                setattr(self, name, tuple(leaf[kept] for leaf in getattr(self, name)))
