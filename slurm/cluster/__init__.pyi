from .attachment import attach
from .command import Orders
from .signals import Signals
from .supervisor import Supervisor

__all__ = [
    "Orders",
    "Signals",
    "Supervisor",
    "attach",
]
