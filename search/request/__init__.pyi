from .paths import PathGiven, check_standing, given_path, shown
from .request import FORMAT, Request, check_numbers
from .sizes import in_flight, lanes_of_a_round

__all__ = [
    "FORMAT",
    "PathGiven",
    "Request",
    "check_numbers",
    "check_standing",
    "given_path",
    "in_flight",
    "lanes_of_a_round",
    "shown",
]
