from .asked import asked_of, of_a_search
from .numbered import Numbered, OrWord
from .options import of_settings

__all__ = [
    "Numbered",
    "OrWord",
    "asked_of",
    "of_a_search",
    "of_settings",
]
