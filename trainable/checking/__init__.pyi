from .contract import check

__all__ = [
    "check",
]
