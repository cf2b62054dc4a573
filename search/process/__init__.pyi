from . import loggers, processes, streams
from .encoding import print_anything
from .handlers import stand_for_default
from .loggers import quiet
from .settings import own_settings
from .stopping import Reason, Stop, listen_early, listening
from .streams import lasting, tell

__all__ = [
    "Reason",
    "Stop",
    "lasting",
    "listen_early",
    "listening",
    "loggers",
    "own_settings",
    "print_anything",
    "processes",
    "quiet",
    "stand_for_default",
    "streams",
    "tell",
]
