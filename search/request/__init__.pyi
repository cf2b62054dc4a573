from .paths import PathGiven as PathGiven
from .paths import check_standing as check_standing
from .paths import given_path as given_path
from .paths import shown as shown
from .request import FORMAT as FORMAT
from .request import Request as Request
from .request import check_numbers as check_numbers
from .sizes import in_flight as in_flight
from .sizes import lanes_of_a_round as lanes_of_a_round

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
