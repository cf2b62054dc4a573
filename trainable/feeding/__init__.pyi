from .feed import Feed
from .held import Held

__all__ = [
    "Feed",
    "Held",
]
