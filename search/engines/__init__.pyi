from .alone import Death as Death
from .engine import Desk as Desk
from .engine import Trust as Trust
from .options import CHECKPOINT_SECONDS as CHECKPOINT_SECONDS
from .options import Means as Means
from .options import cores as cores
from .options import seconds_of as seconds_of
from .threads import run_inline as run_inline

__all__ = [
    "CHECKPOINT_SECONDS",
    "Death",
    "Desk",
    "Means",
    "Trust",
    "cores",
    "run_inline",
    "seconds_of",
]
