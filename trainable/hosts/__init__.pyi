from .alone import STOP as STOP
from .alone import received as received
from .alone import send as send
from .ray_tune import IDLE as IDLE
from .ray_tune import Pack as Pack
from .ray_tune import ring as ring

__all__ = [
    "IDLE",
    "STOP",
    "Pack",
    "received",
    "ring",
    "send",
]
