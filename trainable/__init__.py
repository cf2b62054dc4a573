"""What runs on a device: problems, rules and the lane loop. Needs torch alone.

`trainable.pack`, the Ray Tune trainable, is the one module that imports Ray; it is not imported
from here.
"""

from __future__ import annotations

from trainable.block import Plan
from trainable.claims import claimed
from trainable.contract import Checked, check
from trainable.errors import CheckpointError, ContractError, SourceError, TrainableError
from trainable.files import File
from trainable.finding import changed, find, installed, lying_now
from trainable.fit import fit
from trainable.lanes import STATES, Fitted, Lanes
from trainable.problem import Hyperparameters, Problem, hyperparameters
from trainable.problems import PROBLEMS
from trainable.program import Program
from trainable.rules import RULES, Rule
from trainable.source import Source

__all__ = [
    "PROBLEMS",
    "RULES",
    "STATES",
    "Checked",
    "CheckpointError",
    "ContractError",
    "File",
    "Fitted",
    "Hyperparameters",
    "Lanes",
    "Plan",
    "Problem",
    "Program",
    "Rule",
    "Source",
    "SourceError",
    "TrainableError",
    "changed",
    "check",
    "claimed",
    "find",
    "fit",
    "hyperparameters",
    "installed",
    "lying_now",
]
