from .calls import CallTasks, call_recipe, call_task
from .flight import idle
from .packs import Pack
from .rounds import Rounds
from .tasks import Tasks, dead, folds_of, lanes_of, recipe_of

__all__ = [
    "CallTasks",
    "Pack",
    "Rounds",
    "Tasks",
    "call_recipe",
    "call_task",
    "dead",
    "folds_of",
    "idle",
    "lanes_of",
    "recipe_of",
]
