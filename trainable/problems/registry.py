"""The problems that come with shoal, by name."""

from __future__ import annotations

from collections.abc import Mapping

PROBLEMS: Mapping[str, tuple[str, str]] = {
    "convnet": ("shoal.trainable.problems.shipped.digits.convnet", "ConvNet"),
    "cubic-sine": ("shoal.trainable.problems.shipped.cubic_sine", "CubicSine"),
    "legendre-sine": ("shoal.trainable.problems.shipped.legendre_sine", "LegendreSine"),
    "logistic": ("shoal.trainable.problems.shipped.logistic", "Logistic"),
    "matrix-factorisation": (
        "shoal.trainable.problems.shipped.matrix_factorisation",
        "MatrixFactorisation",
    ),
    "mlp": ("shoal.trainable.problems.shipped.digits.mlp", "Mlp"),
    "mlp-module": ("shoal.trainable.problems.shipped.digits.mlp_module", "MlpModule"),
    "nist": ("shoal.trainable.problems.shipped.nist", "Nist"),
    "poisson": ("shoal.trainable.problems.shipped.poisson", "Poisson"),
    "softmax": ("shoal.trainable.problems.shipped.digits.softmax", "Softmax"),
}
"""Name of a problem: (module, class)."""

__all__ = ["PROBLEMS"]
