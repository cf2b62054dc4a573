from . import checkpoint
from .block import Block
from .checkpoint import CheckpointKeeper, Saving
from .fit import fit
from .plan import Plan

__all__ = [
    "Block",
    "CheckpointKeeper",
    "Plan",
    "Saving",
    "checkpoint",
    "fit",
]
