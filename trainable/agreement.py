"""Whether a compiled program gives what the plain step gives."""

from __future__ import annotations

import torch

from trainable.lanes import Lanes
from trainable.program import Program

TOLERANCE = 1e-2
"""Largest difference over the largest number: of many updates of lanes that may grow."""


def difference(compiled: Program, lanes: Lanes) -> str | None:
    """Return how one chunk of `compiled` differs from as many plain steps; None: it does not.

    Args:
        compiled: a program that is prepared.
        lanes: a few; they are repeated, where the program takes a fixed number.
    """
    count = len(lanes) if compiled.elastic else compiled.block
    with torch.no_grad():
        which = torch.arange(count) % len(lanes)
        params, state = compiled.initial(lanes, which)
        values = compiled.values(lanes, which)
        loss, moved, _ = compiled.chunk(params, state, values)
        plain, plain_state = params, state
        for _ in range(compiled.unroll):
            plain_loss, plain, plain_state = compiled.stacked_step(plain, plain_state, values)
        pairs = [("the loss", loss, plain_loss)]
        pairs += [
            (f"parameter {i}", *pair) for i, pair in enumerate(zip(moved, plain, strict=True))
        ]
        for name, one, other in pairs:
            where = torch.isfinite(other)
            off = (one - other).abs()[where]
            scale = float(other[where].abs().max()) if bool(where.any()) else 0.0
            if not bool((off <= TOLERANCE * scale + 1e-6).all()):
                return f"{name} after {compiled.unroll} updates is off by {float(off.max()):.3g}"
    return None
