from .alone import STOP, received, send
from .ray_tune import IDLE, Pack, ring

__all__ = [
    "IDLE",
    "STOP",
    "Pack",
    "received",
    "ring",
    "send",
]
