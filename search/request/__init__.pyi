from .asked import Asked, Resolved
from .kinds import FUNCTION, LEFT_OUT, PROGRAM, ROUND, STACKED
from .objective import Objective
from .paths import PathGiven, check_standing, given_path, shown
from .request import CALLED, CONDITIONAL, FORMAT, STEERED, Request, mark_of
from .setting import ALL, Setting
from .settings import BY_NAME, OF_RUN, OF_TABLE, check_settings
from .sizes import as_resolved, idle, lanes_of_a_round

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
    "Asked",
    "Objective",
    "PathGiven",
    "Request",
    "Resolved",
    "Setting",
    "as_resolved",
    "check_settings",
    "check_standing",
    "given_path",
    "idle",
    "lanes_of_a_round",
    "mark_of",
    "shown",
]
