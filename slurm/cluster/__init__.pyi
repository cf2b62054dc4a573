from .attachment import attach as attach
from .signals import Signals as Signals
from .supervisor import Orders as Orders
from .supervisor import Supervisor as Supervisor

__all__ = [
    "Orders",
    "Signals",
    "Supervisor",
    "attach",
]
