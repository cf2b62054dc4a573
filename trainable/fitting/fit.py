"""Fitting the lanes of a pack: from its beginning, or from where a checkpoint left it."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from shoal.trainable.fitting.block import Block, Snapshot
from shoal.trainable.fitting.plan import Plan
from shoal.trainable.halt import never
from shoal.trainable.lanes import Fitted, Lanes
from shoal.trainable.programs import Program
from shoal.trainable.pruning import Known


class Keeper(Protocol):
    """Keeps snapshots of a pack in flight, and knows whether to stop."""

    def begin(self) -> Snapshot | None:
        """Return the snapshot to go on from, if there is one."""

    def refuse(self) -> None:
        """That snapshot is of another form."""

    def due(self) -> bool:
        """Whether a snapshot is to be kept now; asked after each chunk of updates."""

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a snapshot."""

    def stopped(self) -> bool:
        """Whether to end now, and leave the rest for another time."""


def fit(
    program: Program,
    lanes: Lanes,
    plan: Plan,
    keeper: Keeper | None = None,
    known: Known | None = None,
) -> Fitted | None:
    """Fit all `lanes` and return their losses, states and curves.

    Args:
        known: what other fits have reported, by which these are pruned; None: nothing is known.
        keeper: keeps snapshots on the way; where it tells to stop, None is returned, and the same
            call goes on from the last snapshot with the same numbers as in one go.
    """
    with torch.no_grad():
        batches = program.feed.batches
        plan = plan.in_updates(batches.of_an_epoch if batches else 1)
        block = Block(program, lanes, plan, known)
        if not block.prepare(never if keeper is None else keeper.stopped):
            return None
        if keeper is None:
            while block.occupied():
                block.advance()
            return block.fitted()
        kept = keeper.begin()
        if kept is not None and not _alike(kept, block.snapshot()):
            keeper.refuse()
        elif kept is not None:
            block.restore(kept)
        while block.occupied():
            block.advance(keeper.due)
            if keeper.due() and block.occupied():
                keeper.keep(block.snapshot())
                if keeper.stopped():
                    return None
        return block.fitted()


def _alike(one: Any, other: Any) -> bool:
    """Whether two snapshots, or parts of them, have one form; how many fits there are is not asked,
    nor of which there are none yet."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, tuple) and one and other:
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, torch.Tensor):
        forms = [(leaf.is_floating_point(), leaf.shape[1:]) for leaf in (one, other)]
        return forms[0] == forms[1]
    return True
