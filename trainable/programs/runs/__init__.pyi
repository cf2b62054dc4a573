from .common import Common
from .feeds import Feeds, Taken, Tried
from .lanes import in_blocks, interpreted, one_by_one, prepared

__all__ = [
    "Common",
    "Feeds",
    "Taken",
    "Tried",
    "in_blocks",
    "interpreted",
    "one_by_one",
    "prepared",
]
