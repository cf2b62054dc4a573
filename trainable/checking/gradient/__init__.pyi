from .check import GradientCheck

__all__ = [
    "GradientCheck",
]
