from . import loggers, processes, streams
from .encoding import print_anything
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
    "streams",
    "tell",
]
