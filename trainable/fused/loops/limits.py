"""The limits of a kernel's size, beyond which a function is not lowered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a target can hold and does well; the defaults are those of a core of a CPU.

    Attributes:
        min_long: length from which on an axis may be a long one (a loop over rows of the data).
        max_numbers: numbers of a lane that all values may have along their small axes. A CPU has
            them on its stack, 64 bytes for each, or fewer where a loop needs no array; what one
            loop reads of them should stay in its second cache.
        max_product: numbers of the largest factor of a product for one point of the long axis, or
            all multiplications of one without it; beyond it a library is faster (BLAS).
    """

    min_long: int = 16
    max_numbers: int = 49152
    max_product: int = 16384
