from .lowering import LANES, lower

__all__ = [
    "LANES",
    "lower",
]
