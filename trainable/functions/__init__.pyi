from .command import Command
from .cutoffs import Cutoffs
from .declared import RESERVED, Declared, declared
from .messages import Asked, Common
from .recipe import CallRecipe, Limits, log_of
from .reports import DIVERGED, PRUNED, STEP, Aim, Report, ReportError, Reports
from .saving import FOLDER, Saving, Superseded, Unsaved, committed, files_of, place_of

__all__ = [
    "DIVERGED",
    "FOLDER",
    "PRUNED",
    "RESERVED",
    "STEP",
    "Aim",
    "Asked",
    "CallRecipe",
    "Command",
    "Common",
    "Cutoffs",
    "Declared",
    "Limits",
    "Report",
    "ReportError",
    "Reports",
    "Saving",
    "Superseded",
    "Unsaved",
    "committed",
    "declared",
    "files_of",
    "log_of",
    "place_of",
]
