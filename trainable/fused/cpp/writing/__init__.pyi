from .emission import source
from .tiles import Shape

__all__ = [
    "Shape",
    "source",
]
