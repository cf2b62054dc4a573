from . import checkpoint
from .block import Block, Plan
from .checkpoint import CheckpointKeeper, Saving
from .fit import fit

__all__ = [
    "Block",
    "CheckpointKeeper",
    "Plan",
    "Saving",
    "checkpoint",
    "fit",
]
