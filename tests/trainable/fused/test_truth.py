"""What holds of any number, and of all."""

from __future__ import annotations

import math
from typing import Any

import torch
from beside_torch import check, numbers


def test_any_and_all_along_dimensions_and_of_everything() -> None:
    """Of truth values, and of numbers, of which NaN is not 0; true, false and mixed ones."""
    w = numbers(5, 4, 3)
    w[0, 1, 1], w[1], w[2], w[3, 2] = math.nan, 0.0, 5.0, 0.0

    def function(w: Any) -> Any:
        above, below = w > 0.2, w < 0.9
        found = [above.any(), above.all(), above.any(0), above.all(0), below.all(1), below.any(1)]
        found += [w.any(0), w.all(0), w.all(1), above.any(1, keepdim=True)]
        return (*(one.to(w.dtype) for one in found), torch.where(below.all(), w.sum(), -1.0))

    check(function, [w], [])


def test_any_and_all_of_rows_of_the_data() -> None:
    """Along rows, and within each."""

    def function(w: Any, x: Any) -> Any:
        z = x @ w.T
        within = (z > -2.0).all(1).to(w.dtype).mean()
        return ((z > 3.0).any(0).to(w.dtype), (z > -6.0).all(0).to(w.dtype), within)

    check(function, [numbers(9, 4, 3)], [numbers(150, 3, seed=1)])
