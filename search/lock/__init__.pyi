from . import writing
from .lock import NO_ROOM, Lock, told, why
from .writing import Writer

__all__ = [
    "NO_ROOM",
    "Lock",
    "Writer",
    "told",
    "why",
    "writing",
]
