from .alone import STOP, received, send
from .ray_tune import IDLE, PackTrainable, ring

__all__ = [
    "IDLE",
    "STOP",
    "PackTrainable",
    "received",
    "ring",
    "send",
]
