from . import commands as commands
from . import queue as queue
from .allocation import Allocation as Allocation
from .allocation import Share as Share
from .allocation import parse as parse
from .queue import Standing as Standing
from .requeue import MOST_REQUEUES as MOST_REQUEUES
from .requeue import end_job as end_job
from .requeue import go_on as go_on
from .requeue import put_back as put_back
from .requeue import try_again as try_again
from .states import GONE as GONE
from .states import UNKNOWN as UNKNOWN
from .states import Phase as Phase
from .states import is_held as is_held
from .states import is_over as is_over
from .steps import on_node as on_node
from .tasks import MARK as MARK
from .tasks import filled as filled
from .tasks import filled_words as filled_words
from .tasks import has_mark as has_mark
from .tasks import own_job as own_job
from .turn import Turn as Turn
from .turn import pause_seconds as pause_seconds

__all__ = [
    "GONE",
    "MARK",
    "MOST_REQUEUES",
    "UNKNOWN",
    "Allocation",
    "Phase",
    "Share",
    "Standing",
    "Turn",
    "commands",
    "end_job",
    "filled",
    "filled_words",
    "go_on",
    "has_mark",
    "is_held",
    "is_over",
    "on_node",
    "own_job",
    "parse",
    "pause_seconds",
    "put_back",
    "queue",
    "try_again",
]
