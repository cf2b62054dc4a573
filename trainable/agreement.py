"""Whether a compiled program gives what the plain step gives."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainable.lanes import Lanes
from trainable.program import Program

TOLERANCE = 1e-2
"""Largest difference over the lane's largest number, after many updates."""


def difference(compiled: Program, lanes: Lanes) -> str | None:
    """Return how one chunk of `compiled` differs from as many plain steps; None: it does not.

    Lanes whose loss grows are left out, since what rounds otherwise grows with it.

    Args:
        compiled: a program that is prepared.
        lanes: a few; they are repeated, where the program takes a fixed number.
    """
    count = len(lanes) if compiled.elastic else compiled.block
    with torch.no_grad():
        which = torch.arange(count) % len(lanes)
        params, state = compiled.initial(lanes, which)
        values = compiled.values(lanes, which)
        first = compiled.stacked_step(params, state, values)[0]
        loss, moved, _ = compiled.chunk(params, state, values)
        plain, plain_state = params, state
        for _ in range(compiled.unroll):
            plain_loss, plain, plain_state = compiled.stacked_step(plain, plain_state, values)
        steady = plain_loss <= first + 1e-3 * first.abs()
        if not bool(steady.any()):
            return None
        after = f"after {compiled.unroll} updates"
        pairs = {"the loss": ((loss,), (plain_loss,)), "a parameter": (moved, plain)}
        for name, pair in pairs.items():
            one, other = (_rows(leaves, steady) for leaves in pair)
            off = (one - other).abs().amax(1)
            if not bool((off <= TOLERANCE * other.abs().amax(1) + 1e-6).all()):
                return f"{name} {after} is off by {float(off.max()):.3g}"
    return None


def _rows(leaves: Sequence[torch.Tensor], chosen: torch.Tensor) -> torch.Tensor:
    """All numbers of each lane: what a lane's small parameters are, its large ones decide."""
    count = int(chosen.sum())
    return torch.cat([leaf[chosen].reshape(count, -1) for leaf in leaves], dim=1)
