from .agreement import difference, metrics_difference

__all__ = [
    "difference",
    "metrics_difference",
]
