from . import checkpoint as checkpoint
from .block import Block as Block
from .block import Plan as Plan
from .checkpoint import CheckpointKeeper as CheckpointKeeper
from .checkpoint import Saving as Saving
from .fit import fit as fit

__all__ = [
    "Block",
    "CheckpointKeeper",
    "Plan",
    "Saving",
    "checkpoint",
    "fit",
]
