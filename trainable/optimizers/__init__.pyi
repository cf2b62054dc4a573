from .optimizer import RULES as RULES
from .optimizer import Rule as Rule
from .optimizer import State as State

__all__ = [
    "RULES",
    "Rule",
    "State",
]
