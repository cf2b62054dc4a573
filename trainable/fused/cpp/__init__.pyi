from .target import CPP

__all__ = [
    "CPP",
]
