from .packs import Pack as Pack
from .rounds import Rounds as Rounds
from .tasks import Tasks as Tasks
from .tasks import dead as dead
from .tasks import recipe_of as recipe_of

__all__ = [
    "Pack",
    "Rounds",
    "Tasks",
    "dead",
    "recipe_of",
]
