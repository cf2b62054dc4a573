"""How packs are run: eager or compiled, and in which blocks.

All of it comes from the arguments, what a step does, and the kind of device; never from a clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from shoal.search.errors import BadInput
from shoal.search.programs.costs import (
    BLOCK_BYTES,
    MAX_BLOCK,
    Costs,
    costs_of,
    seconds_of,
)
from shoal.search.request.amendments import MIN_PACK, power_of_two
from shoal.trainable.compiling import NONE, compiler
from shoal.trainable.programs import EAGER, KERNEL, MAX_UNROLL, PIECES, SEQUENTIAL, Work

INSTEAD = {
    PIECES: "torch does that between kernels",
    EAGER: "it runs uncompiled, which is slower",
    SEQUENTIAL: "fits this large run one after the other, by torch",
}
"""How a step is run that is not a kernel alone, in a note."""

WORTH_SECONDS, FUSED_WORTH_SECONDS = 8.0, 0.5
"""Eager work of one program from which on it is told that there is no compiler, and from which on
it is compiled: half a second of a core the first time on a machine."""

COMPILED_BYTES_A_SECOND = 300e9
"""The bytes that operations write, where torch's compiler for GPUs keeps them in registers."""

PACK_SECONDS = 4.0
"""Of a pack whose fits run one after the other: many workers have something to do, and none is
asked for more very often."""

CHUNK_SECONDS = 16e-3
"""Of one call that does several updates."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """How packs are run.

    Attributes:
        program: ``eager`` or ``compiled``.
        block: lanes in one tensor operation; unroll: updates in one call.
        lane_seconds: about what a lane costs a usual core, by the count of its operations.
        usual: where nothing is compiled, how all shapes are run
            (`shoal.trainable.programs.settled`).
        pack: fits of a pack, where these run one after the other and take long; None: no matter.
        notes: what the user should know.
    """

    program: str
    block: int
    unroll: int
    lane_seconds: float
    usual: str = EAGER
    pack: int | None = None
    notes: tuple[str, ...] = ()


def choose(
    program: str,
    block: int | None,
    works: Sequence[Work],
    *,
    device: str,
    programs: float,
    lanes: int,
    steps: int,
    report: int,
    pack: int,
    together: int | None = None,
    fed: bool = False,
) -> Running:
    """Resolve what was asked.

    Args:
        program: ``auto``, ``eager`` or ``compiled``; block: None: choose.
        works: what one update of one lane does, of each shape that was tried.
        device: ``cpu`` or ``cuda``.
        programs: how many there may be: one for each combination of shape hyperparameters.
        report: updates between two reporting steps.
        pack: lanes that one device runs together, at the most; together: in most of the packs, by
            which work is estimated; None: as many.
        fed: whether each update takes other rows, or noise: then a call does as many updates as it
            is told to.

    Raises:
        BadInput: a compiled program is asked for that cannot be had.
    """
    notes: tuple[str, ...] = ()
    most = reduce(Work.most, works)
    every = [costs_of(work, block, device=device, pack=pack) for work in works]
    costs = costs_of(most, block, device=device, pack=pack)
    usual = min(costs.block, together or pack)
    seconds = seconds_of(most.operations / usual, most.moved_bytes)
    pays = [each for each in every if each.best in (KERNEL, PIECES)]
    enough = lanes * steps * seconds / programs >= FUSED_WORTH_SECONDS
    worth = device == "cpu" and bool(pays) and enough
    if program == "compiled" and device == "cpu" and compiler() is None:
        raise BadInput(f"{NONE}; install one, or leave out --program compiled")
    if program == "auto" and worth and compiler() is None:
        if lanes * steps * seconds >= WORTH_SECONDS:
            notes = (f"{NONE}: it runs uncompiled, which can be twenty times slower",)
        worth = False
    if program == "auto" and device == "cpu" and most.unfused and not worth:
        notes = (*notes, f"it cannot be fused: {most.unfused}; {INSTEAD[costs.uncompiled]}")
    if program == "eager" or (program == "auto" and not worth):
        if costs.uncompiled == SEQUENTIAL:
            update = costs.sequential + costs.products
            return Running(
                program="eager",
                block=1,
                unroll=_unroll(update, steps, report, fed),
                lane_seconds=steps * update,
                usual=SEQUENTIAL,
                pack=pack_of(steps * update),
                notes=notes,
            )
        seconds += costs.products
        return Running(
            program="eager", block=costs.block, unroll=1, lane_seconds=steps * seconds, notes=notes
        )
    if device == "cpu":
        return _compiled(pays or every, steps, report, fed)
    size = MAX_BLOCK[device]  # a launch costs the same for any number of lanes
    if most.widest_dense_bytes:
        size = min(size, max(1, power_of_two(BLOCK_BYTES[device] // most.widest_dense_bytes)))
    return Running(
        program="compiled",
        block=min(block or size, pack),
        unroll=_updates(steps, report, MAX_UNROLL),
        lane_seconds=steps * most.moved_bytes / COMPILED_BYTES_A_SECOND,
    )


def pack_of(seconds: float) -> int | None:
    """Return how many fits a pack has that run one after the other, each so long; None: as many as
    it has anyway."""
    fits = max(1, int(PACK_SECONDS / seconds)) if seconds else MIN_PACK
    return fits if fits < MIN_PACK else None


def _compiled(every: Sequence[Costs], steps: int, report: int, fed: bool) -> Running:
    """As kernels, of the steps that can be."""
    size = max(each.kernel_block for each in every)
    update = max((each.compiled for each in every if math.isfinite(each.compiled)), default=1.0)
    return Running(
        program="compiled",
        block=size,
        unroll=_unroll(size * update, steps, report, fed),
        lane_seconds=steps * update,
    )


def _unroll(seconds: float, steps: int, report: int, fed: bool) -> int:
    """Updates in one call, of which each takes so long."""
    most = int(CHUNK_SECONDS / seconds)
    return max(1, min(most, report)) if fed else _updates(steps, report, most)


def _updates(steps: int, report: int, most: int) -> int:
    """How many updates a call does, so that calls end at each reporting step; at most `most`."""
    beat = math.gcd(report, steps)
    return next(n for n in range(max(1, min(most, beat)), 0, -1) if beat % n == 0)
