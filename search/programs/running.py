"""How packs are run: eager or compiled, and in which blocks.

All of it comes from the arguments, what a step does, and the kind of device; never from a clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shoal.search.errors import BadInput
from shoal.search.request.amendments import power_of_two
from shoal.trainable.compiling import NONE, compiler
from shoal.trainable.programs import MAX_UNROLL, Work

OPERATION_SECONDS, BYTES_A_SECOND = 3e-6, 24e9
"""What an eager step costs a usual core: a call for each operation, and writing what each makes."""

UNCOMPILED = "it runs uncompiled, which is slower"
"""How a search without a kernel is run, in a note."""

WORTH_SECONDS, FUSED_WORTH_SECONDS = 8.0, 0.5
"""Eager work of one program from which on it is told that there is no compiler, and from which on
it is compiled: half a second of a core the first time on a machine."""

COMPILED_BYTES_A_SECOND = 300e9
"""The same bytes, where torch's compiler for GPUs keeps them in registers."""

FUSED_SECONDS = 7e-12
"""What a number costs in a fused kernel."""

FUSED_BLOCK, FUSED_CHUNK_SECONDS = 128, 4e-3
"""A kernel's calls may do any number of updates, and its block lets go of slots that are empty."""

BLOCK_BYTES = {"cpu": 1 << 19, "cuda": 1 << 28}
"""Bytes of the largest tensor of a block that is written to memory: half of a core's second-level
cache of 1 MiB (beyond it a step costs up to three times as much); on a GPU enough to fill it."""

MAX_BLOCK = {"cpu": 1024, "cuda": 1 << 15}


@dataclass(frozen=True, kw_only=True)
class Running:
    """How packs are run.

    Attributes:
        program: ``eager`` or ``compiled``.
        block: lanes in one tensor operation; unroll: updates in one call.
        lane_seconds: about what a lane costs a usual core, by the count of its operations.
        notes: what the user should know.
    """

    program: str
    block: int
    unroll: int
    lane_seconds: float
    notes: tuple[str, ...] = ()


def choose(
    program: str,
    block: int | None,
    work: Work,
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
        work: what one update of one lane does.
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
    eager = min(MAX_BLOCK[device], max(1, power_of_two(BLOCK_BYTES[device] // work.widest_bytes)))
    eager = min(block or eager, pack)
    usual = min(eager, together or pack)
    seconds = work.operations * OPERATION_SECONDS / usual + work.moved_bytes / BYTES_A_SECOND
    size = min(block or FUSED_BLOCK, pack)
    if work.calls:
        size = min(size, eager)
    update = max(1, work.fused) * FUSED_SECONDS
    update += len(work.calls) * OPERATION_SECONDS / size + work.called_bytes / BYTES_A_SECOND
    pays = not work.unfused or (bool(work.calls) and update < seconds)
    enough = lanes * steps * seconds / programs >= FUSED_WORTH_SECONDS
    worth = device == "cpu" and pays and enough
    if program == "compiled" and device == "cpu" and compiler() is None:
        raise BadInput(f"{NONE}; install one, or leave out --program compiled")
    if program == "auto" and worth and compiler() is None:
        if lanes * steps * seconds >= WORTH_SECONDS:
            notes = (f"{NONE}: it runs uncompiled, which can be twenty times slower",)
        worth = False
    if program == "auto" and device == "cpu" and work.unfused and not worth:
        notes = (*notes, f"it cannot be fused: {work.unfused}; {UNCOMPILED}")
    if program == "eager" or (program == "auto" and not worth):
        return Running(
            program="eager", block=eager, unroll=1, lane_seconds=steps * seconds, notes=notes
        )
    if device == "cpu":
        most = int(FUSED_CHUNK_SECONDS / (size * update))
        return Running(
            program="compiled",
            block=size,
            unroll=max(1, min(most, report)) if fed else _updates(steps, report, most),
            lane_seconds=steps * update,
        )
    size = MAX_BLOCK[device]  # a launch costs the same for any number of lanes
    if work.widest_dense_bytes:
        size = min(size, max(1, power_of_two(BLOCK_BYTES[device] // work.widest_dense_bytes)))
    return Running(
        program="compiled",
        block=min(block or size, pack),
        unroll=_updates(steps, report, MAX_UNROLL),
        lane_seconds=steps * work.moved_bytes / COMPILED_BYTES_A_SECOND,
    )


def _updates(steps: int, report: int, most: int) -> int:
    """How many updates a call does, so that calls end at each reporting step; at most `most`."""
    beat = math.gcd(report, steps)
    return next(n for n in range(max(1, min(most, beat)), 0, -1) if beat % n == 0)
