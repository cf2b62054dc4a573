from .asked import Asked, Resolved
from .objective import Objective
from .paths import PathGiven, check_standing, given_path, shown
from .request import CONDITIONAL, FORMAT, Request, mark_of
from .settings import ALL, BY_NAME, OF_RUN, OF_TABLE, Setting, check_settings
from .sizes import as_resolved, in_flight, lanes_of_a_round

__all__ = [
    "ALL",
    "BY_NAME",
    "CONDITIONAL",
    "FORMAT",
    "OF_RUN",
    "OF_TABLE",
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
    "in_flight",
    "lanes_of_a_round",
    "mark_of",
    "shown",
]
