from .optimizer import RULES, Rule, State

__all__ = [
    "RULES",
    "Rule",
    "State",
]
