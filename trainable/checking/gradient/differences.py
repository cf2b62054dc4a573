"""Numerical derivative of a function of one variable, by extrapolated central differences.

Central differences D(h) = (f(h) - f(-h)) / 2h at steps h that shrink fourfold, extrapolated to
h = 0 (Richardson; C. Ridders, Advances in Engineering Software 4 (1982) 75). The error is the
change from one extrapolation to the next, plus what rounding of f makes of D. Where f has a kink,
its slopes to the two sides differ by as much at every step; where it is smooth, by less and less.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

FIRST_STEP = 0.0739
"""The first step, of the scale of the parameters. No round number, lest it is a period of f."""

SHRINK, MAX_STEPS = 4.0, 22
"""At the most down to a step of 1e-14, for functions that vary over lengths as small."""

MIN_STEPS = 3
"""Steps before an extrapolation is believed."""

ENOUGH = 1e-8
"""Relative error at which no smaller step is tried."""


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A numerical derivative at 0, with its error and the one-sided derivatives.

    Attributes:
        value: the central slope; error: how far it may be off.
        left, right: slopes to the two sides at the smallest step that counts.
        kinked: whether these two do not come closer as the step shrinks.
    """

    value: float
    error: float
    left: float
    right: float
    kinked: bool

    def between(self, slope: float) -> bool:
        """Whether `slope` lies between the one-sided derivatives."""
        low, high = sorted((self.left, self.right))
        slack = 1e-6 * max(abs(low), abs(high)) + self.error
        return low - slack <= slope <= high + slack


def slope(f: Callable[[float], float], *, epsilon: float) -> Slope | None:
    """Estimate the derivative of `f` at 0; None if `f` has too few finite values.

    Args:
        f: a function of the position on the line, in units of the parameters' scale.
        epsilon: relative rounding error of `f`.
    """
    middle = f(0.0)
    if not math.isfinite(middle):
        return None
    best: Slope | None = None
    row: list[float] = []
    step, gap_before, taken = FIRST_STEP, math.inf, 0
    for _ in range(MAX_STEPS):
        ahead, behind = f(step), f(-step)
        if not (math.isfinite(ahead) and math.isfinite(behind)):
            row, taken, gap_before, step = [], 0, math.inf, step / SHRINK
            continue
        rounding = 4 * epsilon * max(abs(ahead), abs(behind), abs(middle)) / step
        new, error = _extrapolated(row, (ahead - behind) / (2 * step))
        right, left = (ahead - middle) / step, (middle - behind) / step
        taken += 1
        if taken >= MIN_STEPS and (best is None or error[0] + rounding <= best.error):
            gap = abs(right - left)
            best = Slope(
                value=error[1],
                error=error[0] + rounding,
                left=left,
                right=right,
                kinked=gap > 4 * rounding and gap > 0.5 * gap_before,
            )
        row, gap_before = new, abs(right - left)
        if best is not None and (rounding >= best.error or best.error <= ENOUGH * abs(best.value)):
            break
        step /= SHRINK
    return best


def _extrapolated(row: list[float], first: float) -> tuple[list[float], tuple[float, float]]:
    """Return the next row of the extrapolation, its least error and the value with that error."""
    new, found = [first], (math.inf, first)
    factor = SHRINK**2
    for j, earlier in enumerate(row):
        new.append(new[j] + (new[j] - earlier) / (factor - 1))
        error = max(abs(new[j + 1] - new[j]), abs(new[j + 1] - earlier))
        if error <= found[0]:
            found = (error, new[j + 1])
        factor *= SHRINK**2
    return new, found
