from . import outlook
from .commands import COMMANDS
from .completing import RunGiven, complete_problem
from .outlook import Code, Outlook

__all__ = [
    "COMMANDS",
    "Code",
    "Outlook",
    "RunGiven",
    "complete_problem",
    "outlook",
]
