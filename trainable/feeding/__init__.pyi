from .batches import Batches, batch_of
from .feed import Feed

__all__ = [
    "Batches",
    "Feed",
    "batch_of",
]
