from .packs import Pack
from .rounds import Rounds
from .tasks import Tasks, dead, lanes_of, recipe_of

__all__ = [
    "Pack",
    "Rounds",
    "Tasks",
    "dead",
    "lanes_of",
    "recipe_of",
]
