from . import writing as writing
from .lock import NO_ROOM as NO_ROOM
from .lock import Lock as Lock
from .lock import told as told
from .lock import why as why
from .writing import Writer as Writer

__all__ = [
    "NO_ROOM",
    "Lock",
    "Writer",
    "told",
    "why",
    "writing",
]
