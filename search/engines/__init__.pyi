from .alone import Death
from .engine import Desk, Trust
from .inhand import InHand, left_behind
from .options import CHECKPOINT_SECONDS, RunOptions
from .threads import run_inline

__all__ = [
    "CHECKPOINT_SECONDS",
    "Death",
    "Desk",
    "InHand",
    "RunOptions",
    "Trust",
    "left_behind",
    "run_inline",
]
