from .emission import source

__all__ = [
    "source",
]
