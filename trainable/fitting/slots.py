"""Slots: which fit (lane) occupies which slot of a block, and how far it is.

B       slots of the block
n       lanes of the pack; they take the slots in order

Slots without a lane are padding: they go on computing, so that shapes never change, and decide
nothing.

Lanes that go together (`Feed.together`) have one seed and are at one step: they take the slots in
the order of their seeds, and all slots anew once none is occupied any more.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch

from shoal.trainable.fitting.plan import Plan
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems import Leaves

NO_LANE = -1

MIN_EMPTY_SLOTS = 16
"""Shrink the block once at least so many slots are empty: fewer are not worth the copies."""

MAX_LOSS = sys.float_info.max
"""Any loss above it is not finite."""

_COLUMNS = ("lane", "age", "first", "left", "reported")


class Slots:
    """The occupancy of a block. Everything here is on the CPU, but for `reported`.

    Attributes:
        lane: shape (B,), int64, position of the lane in each slot; `NO_LANE` where it is empty.
        age: shape (B,), int64, updates of that lane at the last reporting step.
        first: shape (B,), float64, its loss before any update.
        left: shape (B,), int64, its updates to the next reporting step.
        reported: shape (B,), its loss before the last of them.
        fresh: whether a lane may be before its first update.
        occupied: shape (B,), bool, which slots hold a lane; None: all do.
        to_go: updates that the oldest lane has before it.
        stretch: the smallest and the largest of `left`.
    """

    def __init__(self, size: int, lanes: Lanes, plan: Plan, *, together: bool = False) -> None:
        """Fill `size` slots with the first of n lanes.

        Args:
            together: whether they have to have one seed and to be at one step.
        """
        self._plan, self._size, self._together = plan, size, together
        self._order, self._groups = _queue(lanes, together)
        self._next = 0  # the next lane to take a slot, by its place in the order
        self.seat()

    def seat(self) -> None:
        """Fill all slots, as many as there were at first, with the next lanes."""
        size = self._size
        self.lane = torch.full((size,), NO_LANE)
        self.age = torch.zeros(size, dtype=torch.int64)
        self.first = torch.zeros(size, dtype=torch.float64)
        self.left = torch.zeros(size, dtype=torch.int64)
        self.reported = torch.zeros(size, dtype=torch.float64)
        self.fresh = True
        coming = self._coming(size)
        self.lane[: len(coming)] = coming
        self._limit = _limits(self.first, self._plan)
        self.stretch = 0, 0
        self._recount()

    def __len__(self) -> int:
        return len(self.lane)

    def _coming(self, most: int) -> torch.Tensor:
        """The next lanes to take slots, `most` at the most."""
        end = next((end for end in self._groups if end > self._next), self._next)
        coming = self._order[self._next : min(self._next + most, end)]
        self._next += len(coming)
        return coming

    @property
    def waiting(self) -> bool:
        """Whether lanes are to come that take all slots anew, since none is occupied."""
        return self._together and not self.any() and self._next < len(self._order)

    def snapshot(self) -> dict[str, Any]:
        """Return what `restore` needs, on the CPU."""
        columns = {name: getattr(self, name).cpu().clone() for name in _COLUMNS}
        return {"next": self._next, **columns}

    def restore(self, kept: Mapping[str, Any], *, fresh: bool) -> None:
        """Go on from a snapshot of the same lanes and plan.

        Args:
            fresh: whether a lane may be before its first update.
        """
        self._next, self.fresh = int(kept["next"]), fresh
        for name in _COLUMNS:
            setattr(self, name, kept[name].clone())
        self._limit = _limits(self.first, self._plan)
        self._recount()
        self.stretch = int(self.left.min()), int(self.left.max())

    def any(self) -> bool:
        """Return whether any slot holds a lane."""
        return self.occupied is None or bool(self.occupied.any())

    def _recount(self) -> None:
        """Recompute the occupancy mask and the remaining updates."""
        occupied = self.lane != NO_LANE
        self.occupied = None if bool(occupied.all()) else occupied
        ages = self.age if self.occupied is None else self.age[occupied]
        self.to_go = self._plan.steps - int(ages.max()) if len(ages) else 0

    def start(self, loss: torch.Tensor) -> None:
        """Take the first loss (B,) of the lanes that are before their first update."""
        fresh = (self.age == 0) & (self.lane != NO_LANE)
        self.first = torch.where(fresh, loss, self.first)
        self.fresh = False
        self._limit = _limits(self.first, self._plan)

    def aim(self) -> None:
        """Count the updates of each lane to the next reporting step: fewer, if it ends before."""
        report = self._plan.report
        if self.to_go >= report:
            self.left = torch.full_like(self.age, report)
            self.stretch = report, report
            return
        self.left = torch.clamp(self._plan.steps - self.age, max=report)
        if self.occupied is not None:  # padding goes along and decides nothing
            self.left[~self.occupied] = self.left[self.occupied].max()
        self.stretch = int(self.left.min()), int(self.left.max())

    def arrive(self) -> None:
        """Be at the reporting step."""
        self.age, self.to_go = self.age + self.left, self.to_go - self._plan.report

    def diverged(self, loss: torch.Tensor) -> torch.Tensor:
        """Return which slots' losses have diverged (B,): not finite, or over their limit."""
        return torch.logical_not(loss <= self._limit)  # also where one is not a number

    def refill(self, ended: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Empty the slots `ended` (B,) and fill them with the pack's next lanes.

        Returns:
            the slots that were filled, and the positions of the lanes that are in them now.
        """
        free = torch.nonzero(ended).flatten()
        coming = self._order[:0] if self._together else self._coming(len(free))
        free = free[: len(coming)]
        self.lane = self.lane.masked_fill(ended, NO_LANE)  # the curves have the old one
        self.age = self.age.masked_fill(ended, 0)
        self.lane[free] = coming
        self.fresh = self.fresh or len(coming) > 0
        self._recount()
        return free, coming

    def shrink(self) -> torch.Tensor | None:
        """Remove the empty slots once there are `MIN_EMPTY_SLOTS`; return which are kept, if so."""
        kept = torch.nonzero(self.lane != NO_LANE).flatten()
        if not len(kept) or len(self) - len(kept) < MIN_EMPTY_SLOTS:
            return None
        for name in _COLUMNS:
            setattr(self, name, getattr(self, name)[kept])
        self._limit = self._limit[kept]
        self._recount()
        return kept


def _queue(lanes: Lanes, together: bool) -> tuple[torch.Tensor, list[int]]:
    """In which order lanes take slots (int64), and where in it each group of lanes ends that may be
    in slots at once."""
    if not together:
        return torch.arange(len(lanes)), [len(lanes)]
    order = torch.argsort(lanes.seed, stable=True)
    _, counts = torch.unique_consecutive(lanes.seed[order], return_counts=True)
    return order, counts.cumsum(0).tolist()


def _limits(first: torch.Tensor, plan: Plan) -> torch.Tensor:
    """The largest loss of each slot that has not diverged; -inf, where its first had.

    A first loss that is not positive gives no scale: then any finite loss is good.
    """
    limit = torch.where(first > 0, first * plan.diverge_factor, MAX_LOSS).clamp(max=MAX_LOSS)
    return torch.where(torch.isfinite(first), limit, -torch.inf)


def moved(moving: torch.Tensor, new: Leaves, old: Leaves) -> Leaves:
    """Tensors of all slots: the new ones in the slots that are `moving` (B,), else the old ones."""
    return tuple(
        torch.where(moving.view(-1, *[1] * (a.dim() - 1)), a, b)
        for a, b in zip(new, old, strict=True)
    )


def put(whole: Leaves, seats: torch.Tensor, part: Leaves) -> Leaves:
    """Tensors of all slots, with those of a part of them in their places `seats` (int64)."""
    return tuple(a.index_copy(0, seats, b) for a, b in zip(whole, part, strict=True))
