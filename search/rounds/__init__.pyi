from .packs import Pack
from .rounds import Rounds
from .tasks import Tasks, dead, recipe_of

__all__ = [
    "Pack",
    "Rounds",
    "Tasks",
    "dead",
    "recipe_of",
]
