from .generated import PLACE, Generated
from .given import given_problem

__all__ = ["PLACE", "Generated", "given_problem"]
