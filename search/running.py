"""How packs are run: eager or compiled, and in which blocks.

All of it comes from the arguments, what a step does, and the kind of device; never from a clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from search.errors import BadInput
from trainable.block import Plan
from trainable.library import compiler
from trainable.tracing import Work

OPERATION_SECONDS, BYTES_A_SECOND = 3e-6, 24e9
"""What an eager step costs a usual core: a call for each operation, and writing what each makes."""

WORTH_SECONDS = 8.0
"""Eager work of one program from which on it is compiled, which takes some ten seconds of a core
the first time on a machine."""

FUSED_BYTES_A_SECOND = 300e9
"""The same bytes, where a compiler keeps them in registers."""

CHUNK_SECONDS = 500e-6
"""What one call of a compiled program should take: twenty times the call itself, and short, since
smaller blocks leave fewer slots empty at a pack's end."""

BLOCK_BYTES = {"cpu": 1 << 19, "cuda": 1 << 28}
"""Bytes of the largest tensor of a block that is written to memory: half of a core's second-level
cache of 1 MiB (beyond it a step costs up to three times as much); on a GPU enough to fill it."""

MOST_BLOCK = {"cpu": 1024, "cuda": 1 << 15}
LEAST_COMPILED_BLOCK = 16


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
    program: str, block: int | None, work: Work,
    *, device: str, programs: float, lanes: int, steps: int, report: int, pack: int,
) -> Running:  # fmt: skip
    """Resolve what was asked.

    Args:
        program: ``auto``, ``eager`` or ``compiled``; block: None: choose.
        work: what one update of one lane does.
        device: ``cpu`` or ``cuda``.
        programs: how many there may be: one for each combination of shape hyperparameters.

    Raises:
        BadInput: a compiled program is asked for that cannot be had.
    """
    notes: tuple[str, ...] = ()
    eager = min(MOST_BLOCK[device], max(1, power_of_two(BLOCK_BYTES[device] // work.widest)))
    seconds = work.operations * OPERATION_SECONDS / eager + work.moved / BYTES_A_SECOND
    worth = device == "cpu" and lanes * steps * seconds / programs >= WORTH_SECONDS
    if program == "compiled" and device == "cpu" and compiler() is None:
        raise BadInput(
            "there is no C++ compiler to compile with (looked for $CXX, then g++); "
            "install one, or leave out --program compiled"
        )
    if program == "auto" and worth and compiler() is None:
        notes = (
            "there is no C++ compiler (looked for $CXX, then g++): it runs uncompiled, which can "
            "be twenty times slower",
        )
        worth = False
    if program == "eager" or (program == "auto" and not worth):
        return Running(
            program="eager", block=min(block or eager, pack), unroll=1,
            lane_seconds=steps * seconds, notes=notes,
        )  # fmt: skip
    unroll = Plan(steps=steps, report=report, diverge_factor=2.0).unroll
    fitting = int(CHUNK_SECONDS * FUSED_BYTES_A_SECOND / (unroll * max(1, work.moved)))
    fused = min(MOST_BLOCK[device], max(LEAST_COMPILED_BLOCK, power_of_two(fitting)))
    if device == "cuda":  # a launch costs the same for any number of lanes
        fused = MOST_BLOCK[device]
    if work.widest_dense:
        fused = min(fused, max(1, power_of_two(BLOCK_BYTES[device] // work.widest_dense)))
    return Running(
        program="compiled", block=min(block or fused, pack), unroll=unroll,
        lane_seconds=steps * work.moved / FUSED_BYTES_A_SECOND,
    )  # fmt: skip


def power_of_two(number: int) -> int:
    """The largest power of two that is not above `number` (0 for 0)."""
    return 1 << (number.bit_length() - 1) if number > 0 else 0
