from .alone import Death
from .engine import Engine, EngineCallbacks, Trust
from .inhand import left_behind
from .options import CHECKPOINT_SECONDS, GRACE_SECONDS, RunOptions
from .registry import engine_of

__all__ = [
    "CHECKPOINT_SECONDS",
    "GRACE_SECONDS",
    "Death",
    "Engine",
    "EngineCallbacks",
    "RunOptions",
    "Trust",
    "engine_of",
    "left_behind",
]
