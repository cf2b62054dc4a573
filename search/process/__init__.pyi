from . import loggers as loggers
from . import processes as processes
from . import streams as streams
from .encoding import print_anything as print_anything
from .loggers import quiet as quiet
from .settings import own_settings as own_settings
from .stopping import Reason as Reason
from .stopping import Stop as Stop
from .stopping import listen_early as listen_early
from .stopping import listening as listening
from .streams import lasting as lasting
from .streams import tell as tell

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
