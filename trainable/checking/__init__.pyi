from .contract import check as check

__all__ = [
    "check",
]
