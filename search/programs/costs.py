"""What an update of a fit costs a usual core, by how it is run: from counts, never from a clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from shoal.search.request.amendments import power_of_two
from shoal.trainable.programs import EAGER, KERNEL, PIECES, SEQUENTIAL, Work

OPERATION_SECONDS, BYTES_A_SECOND = 3e-6, 24e9
"""What an eager step costs: a call for each operation, and writing what each makes."""

PRODUCTS_A_SECOND = 25e9
"""Multiplications, each with an addition, of matrix products and convolutions by a library."""

FUSED_SECONDS = 7e-12
"""What a number costs in a fused kernel."""

FUSED_BLOCK = 128
"""Lanes of a kernel's block: it lets go of slots that are empty."""

BLOCK_BYTES = {"cpu": 1 << 19, "cuda": 1 << 28}
"""Bytes of the largest tensor of a block that is written to memory: half of a core's second-level
cache of 1 MiB (beyond it a step costs up to three times as much); on a GPU enough to fill it."""

MAX_BLOCK = {"cpu": 1024, "cuda": 1 << 15}


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds of an update of one lane; infinite: it cannot be run so.

    Attributes:
        kernel, pieces, eager, sequential: by how it is run (`shoal.trainable.programs.settled`).
        products: what matrix products take by a library, however they are called.
        block: lanes in one operation of torch that all of a block go through together.
        kernel_block: lanes of a kernel's block.
    """

    kernel: float
    pieces: float
    eager: float
    sequential: float
    products: float
    block: int
    kernel_block: int

    @property
    def uncompiled(self) -> str:
        """How it is run where nothing is compiled."""
        return SEQUENTIAL if self.sequential < self.eager else EAGER

    @property
    def best(self) -> str:
        """How it is run where there is a compiler: as a kernel where it can be one."""
        if math.isfinite(self.kernel):
            return KERNEL
        return PIECES if self.pieces < min(self.eager, self.sequential) else self.uncompiled

    @property
    def compiled(self) -> float:
        """Where it is compiled."""
        return self.kernel if math.isfinite(self.kernel) else self.pieces


def costs_of(work: Work, block: int | None, *, device: str, pack: int) -> Costs:
    """Return the costs of a step.

    Args:
        work: what one update of one lane does.
        block: lanes in one tensor operation; None: as many as pay.
        device: ``cpu`` or ``cuda``.
        pack: lanes that one device runs together, at the most.
    """
    pays = min(MAX_BLOCK[device], max(1, power_of_two(BLOCK_BYTES[device] // work.widest_bytes)))
    stacked = min(block or pays, pack)
    fused = min(block or FUSED_BLOCK, pack)
    kernels = max(1, work.fused) * FUSED_SECONDS
    between = min(fused, stacked)
    calls = len(work.calls) * OPERATION_SECONDS / between + work.called_bytes / BYTES_A_SECOND
    alone = device == "cpu" and work.alone_operations and (block or 1) == 1
    return Costs(
        kernel=math.inf if work.unfused else kernels,
        pieces=kernels + calls if work.calls else math.inf,
        eager=seconds_of(work.operations / stacked, work.moved_bytes),
        sequential=seconds_of(work.alone_operations, work.alone_bytes) if alone else math.inf,
        products=work.alone_products / PRODUCTS_A_SECOND,
        block=stacked,
        kernel_block=between if work.calls else fused,
    )


def seconds_of(operations: float, moved: int) -> float:
    """Return what so many operations of torch take that write so many bytes."""
    return operations * OPERATION_SECONDS + moved / BYTES_A_SECOND
