from . import commands, queue
from .allocation import Allocation, Share, parse
from .queue import Standing
from .requeue import MAX_REQUEUES, end_job, go_on, put_back, try_again
from .states import GONE, UNKNOWN, Phase, is_held, is_over
from .steps import on_node
from .tasks import MARK, filled, filled_words, has_mark, own_job
from .turn import Turn, pause_seconds

__all__ = [
    "GONE",
    "MARK",
    "MAX_REQUEUES",
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
