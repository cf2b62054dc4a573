"""The problems that come with shoal, by name."""

from __future__ import annotations

from collections.abc import Mapping

PROBLEMS: Mapping[str, tuple[str, str]] = {
    "cubic-sine": ("shoal.trainable.problems.shipped.cubic_sine", "CubicSine"),
    "legendre-sine": ("shoal.trainable.problems.shipped.legendre_sine", "LegendreSine"),
    "logistic": ("shoal.trainable.problems.shipped.logistic", "Logistic"),
    "nist": ("shoal.trainable.problems.shipped.nist", "Nist"),
    "poisson": ("shoal.trainable.problems.shipped.poisson", "Poisson"),
}
"""Name of a problem: (module, class)."""

__all__ = ["PROBLEMS"]
