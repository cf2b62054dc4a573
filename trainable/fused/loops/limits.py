"""The limits of a kernel's size, beyond which a function is not lowered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a target can hold and does well; the defaults are those of a core of a CPU.

    Attributes:
        min_long: length from which on an axis may be a long one (a loop over rows of the data).
        max_numbers: numbers of a lane that one value may have along its small axes;
            max_numbers_together: and all values. A CPU has them on its stack, 256 bytes for each,
            and more would not stay in a cache.
        max_product: multiplications of a matrix product for one point of the long axis; beyond it
            a library is faster (BLAS).
    """

    min_long: int = 32
    max_numbers: int = 512
    max_numbers_together: int = 4096
    max_product: int = 2048
