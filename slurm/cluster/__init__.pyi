from .attachment import attach
from .signals import Signals
from .supervisor import Orders, Supervisor

__all__ = [
    "Orders",
    "Signals",
    "Supervisor",
    "attach",
]
