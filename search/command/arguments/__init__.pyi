from .asked import asked_of, of_a_search, tracked_of
from .numbered import Numbered, OrWord
from .options import of_settings

__all__ = [
    "Numbered",
    "OrWord",
    "asked_of",
    "of_a_search",
    "of_settings",
    "tracked_of",
]
