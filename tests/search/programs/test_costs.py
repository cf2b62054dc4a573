"""Which way is the fastest where nothing is compiled, as counts have it, beside what was measured.

Measured on one core of an AMD EPYC with AVX-512 (torch 2.13): microseconds of an update of a fit,
stacked in blocks of half a megabyte, and alone. Far apart they must be chosen rightly; where they
are close either is right.
"""

from __future__ import annotations

import math

import pytest

from shoal.search.programs.costs import Costs, costs_of
from shoal.trainable.programs import EAGER, KERNEL, PIECES, SEQUENTIAL
from shoal.trainable.programs.tracing import Work

CLOSE = 1.25

MEASURED = {
    # operations, bytes moved, the largest tensor; alone: operations, bytes; microseconds of both
    "net 16-16-10, 32 rows": (52, 33_000, 2_048, 23, 19_000, 13.4, 114.1),
    "net 64-64-10, 128 rows": (52, 351_000, 32_768, 23, 209_000, 99.7, 179.2),
    "net 64-256-10, 128 rows": (52, 1_269_000, 131_072, 23, 775_000, 299.6, 316.3),
    "net 256-256-10, 32 rows": (52, 1_334_000, 262_144, 23, 957_000, 328.9, 253.0),
    "net 256-256-10, 128 rows": (52, 2_056_000, 262_144, 23, 1_365_000, 684.4, 588.5),
    "images 12 x 12, 8 channels": (81, 648_000, 51_200, 39, 288_000, 211.1, 603.3),
    "images 28 x 28, 8 channels": (81, 4_648_000, 346_112, 39, 2_064_000, 1878.2, 1512.9),
    "images 16 x 16, 16 channels": (81, 5_169_000, 401_408, 39, 2_287_000, 1845.8, 1376.3),
    "attention of 16 to 16": (119, 377_000, 8_192, 67, 220_000, 71.8, 440.9),
    "attention of 16 to 16, width 32": (119, 1_347_000, 32_768, 67, 756_000, 320.6, 553.1),
    "sort of 2,000": (20, 104_000, 16_384, 20, 104_000, 38.8, 115.8),
}


def costs(work: Work, block: int | None = None, device: str = "cpu", pack: int = 512) -> Costs:
    return costs_of(work, block, device=device, pack=pack)


def measured(name: str) -> Work:
    operations, moved, widest, alone, alone_bytes, _, _ = MEASURED[name]
    return Work(
        operations=operations,
        moved_bytes=moved,
        widest_bytes=widest,
        unfused="it is too large",
        alone_operations=alone,
        alone_bytes=alone_bytes,
    )


@pytest.mark.parametrize("name", MEASURED)
def test_the_faster_way_is_taken(name: str) -> None:
    stacked, alone = MEASURED[name][5:]
    if max(stacked, alone) > CLOSE * min(stacked, alone):
        assert costs(measured(name)).uncompiled == (EAGER if stacked < alone else SEQUENTIAL)


def test_what_is_asked_for_is_done() -> None:
    """A block of several fits is one; on a GPU, and where it is not known, fits are stacked."""
    large = measured("images 28 x 28, 8 channels")
    assert costs(large).uncompiled == costs(large, block=1).uncompiled == SEQUENTIAL
    assert costs(large, block=2).uncompiled == EAGER
    assert costs(large, device="cuda").uncompiled == EAGER
    assert costs(Work(operations=3, unfused="so")).uncompiled == EAGER


def test_a_kernel_is_the_best_and_pieces_where_they_pay() -> None:
    work = measured("net 64-64-10, 128 rows")
    assert costs(Work(operations=3, fused=10)).best == KERNEL
    assert costs(work).best == EAGER
    few = {"fused": 1_000_000, "calls": ("sort",), "called_bytes": 1000}
    assert costs(Work(**{**vars(work), **few})).best == PIECES
    many = {**few, "fused": 10**9}
    made = costs(Work(**{**vars(work), **many}))
    assert made.best == EAGER
    assert math.isinf(made.kernel)
    assert math.isfinite(made.pieces)
