from .amendments import STEERED
from .asked import Asked, Resolved
from .kinds import FUNCTION, LEFT_OUT, PROGRAM, ROUND, STACKED, STUDY
from .objective import Objective
from .paths import PathGiven, check_standing, given_path, shown
from .pruning import check_pruner, pruner_text, pruning_of
from .readings import mark_of
from .request import CALLED, CONDITIONAL, FORMAT, Request
from .setting import ALL, Setting
from .settings import BY_NAME, OF_RUN, OF_TABLE, check_settings

__all__ = [
    "ALL",
    "BY_NAME",
    "CALLED",
    "CONDITIONAL",
    "FORMAT",
    "FUNCTION",
    "LEFT_OUT",
    "OF_RUN",
    "OF_TABLE",
    "PROGRAM",
    "ROUND",
    "STACKED",
    "STEERED",
    "STUDY",
    "Asked",
    "Objective",
    "PathGiven",
    "Request",
    "Resolved",
    "Setting",
    "check_pruner",
    "check_settings",
    "check_standing",
    "given_path",
    "mark_of",
    "pruner_text",
    "pruning_of",
    "shown",
]
