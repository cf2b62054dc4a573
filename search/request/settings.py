"""The settings of a search, one row each: what can be asked, of which type, within which bounds.

From this table the command line has its options, Python its checks, TOML its keys and the
documents their table. A setting of the group ``table`` decides the numbers of a search and is
written into its ``search.toml``; one of the group ``run`` says on what this run is done, and
changes no number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from reprlib import repr as short
from typing import Any, Literal

from shoal.search.errors import BadInput

MAX_INTEGER = 2**31 - 1
"""Upper bound of every integer setting (int32)."""

MAX_FACTOR = 1e300
MAX_WORKERS = 100_000

Kind = Literal["integer", "number", "text", "choice", "duration", "path", "flag", "many"]
"""`many` is a whole number, or ``all``."""

ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        name: in Python and TOML; with hyphens, the command line's option.
        help: in one sentence.
        default: the value where none is given; None: it depends, as `shown` says.
        shown: the default in words; "": as `default` is written.
        least, most: bounds of a number, both included; choices: of a choice, all of them.
    """

    name: str
    kind: Kind
    help: str
    group: Literal["table", "run"] = "table"
    default: Any = None
    shown: str = ""
    least: float = 1
    most: float = MAX_INTEGER
    choices: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """What is typed: ``--diverge-factor``."""
        return "--" + self.name.replace("_", "-")

    @property
    def default_text(self) -> str:
        """The default in words."""
        return self.shown or str(self.default)

    @property
    def row(self) -> str:
        """The setting's row in the documents' table: option, default, what it is."""
        allowed = f" One of {', '.join(f'`{each}`' for each in self.choices)}."
        text = self.help + (allowed if self.choices else "")
        return f"| `{self.option}` | {self.default_text} | {text} |"

    def check(self, value: Any) -> None:
        """Check a value's type and bounds.

        Raises:
            BadInput: it is not one of this setting's.
        """
        if self.kind == "integer":
            self._check_integer(value)
        elif self.kind == "number":
            self._check_number(value)
        elif self.kind == "many" and value != ALL:
            self._check_integer(value)
        elif self.kind == "choice" and value not in self.choices:
            raise BadInput(f"unknown {self.name} {value!r}; known: {', '.join(self.choices)}")

    def _check_integer(self, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            other = f", or {ALL}" if self.kind == "many" else ""
            raise BadInput(f"{self.name} must be a whole number{other}, not {short(value)}")
        if value < self.least:
            raise BadInput(f"{self.name} must be at least {self.least}, not {value}")
        if value > self.most:
            raise BadInput(f"{self.name} must be at most {self.most}")

    def _check_number(self, value: Any) -> None:
        real = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not real or not value > self.least:
            raise BadInput(f"{self.name} must be a number above {self.least}, not {value!r}")
        if self.most < value < math.inf:
            raise BadInput(f"{self.name} must be at most {self.most}, or inf")


SETTINGS: tuple[Setting, ...] = (
    Setting(name="trials", kind="integer", help="Sets of hyperparameters to try.", default=1024),
    Setting(name="steps", kind="integer", help="Updates of each fit.", default=2000),
    Setting(
        name="epochs",
        kind="integer",
        help="Instead of steps, for minibatches: times that each fit goes through the rows.",
        default=0,
        shown="0: steps counts",
        least=0,
    ),
    Setting(
        name="seed",
        kind="integer",
        help="Decides, with the other arguments, the whole table.",
        default=0,
        least=0,
    ),
    Setting(
        name="sampler",
        kind="choice",
        help="What proposes the trials.",
        default="tpe",
        choices=("tpe", "optuna-tpe", "qmc", "random"),
    ),
    Setting(
        name="replicates",
        kind="integer",
        help="Fits of each trial, from as many initial seeds.",
        default=1,
    ),
    Setting(
        name="objective",
        kind="text",
        help="What is searched for: NAME, NAME:min or NAME:max, loss or one of the metrics.",
        shown="the problem's, else loss:min",
    ),
    Setting(
        name="select",
        kind="choice",
        help="Which reporting step of a fit counts: its last, or the best by the objective.",
        default="last",
        choices=("last", "best"),
    ),
    Setting(
        name="patience",
        kind="integer",
        help="Reporting steps without a better objective after which a fit ends; 0: none does.",
        default=0,
        least=0,
    ),
    Setting(
        name="folds",
        kind="integer",
        help="Parts of the rows; each is left out of one fit of a trial, to judge it by.",
        default=1,
        shown="1: none is left out",
        most=1000,
    ),
    Setting(
        name="keep",
        kind="many",
        help="Trials whose fitted parameters are kept, the best ones; or all.",
        default=10,
        least=0,
    ),
    Setting(
        name="report",
        kind="integer",
        help="Updates, or epochs where these are given, between two points of a curve.",
        shown="steps or epochs / 20",
    ),
    Setting(
        name="round",
        kind="integer",
        help="Trials asked of the sampler at once.",
        shown="from trials",
    ),
    Setting(
        name="pack", kind="integer", help="Fits that one worker runs together.", shown="from trials"
    ),
    Setting(
        name="block",
        kind="integer",
        help="Fits in one tensor operation.",
        shown="from the device",
    ),
    Setting(
        name="program",
        kind="choice",
        help="How a step is run; compiled: as machine code.",
        default="auto",
        choices=("auto", "eager", "compiled"),
    ),
    Setting(
        name="diverge_factor",
        kind="number",
        help="A fit whose loss is so many times its first has diverged.",
        default=1000.0,
        shown="1000",
        most=MAX_FACTOR,
    ),
    Setting(
        name="out",
        kind="path",
        group="run",
        help="Run folder, new or to go on with.",
        shown="runs/PROBLEM-TIME",
    ),
    Setting(
        name="workers",
        kind="integer",
        group="run",
        help="Packs of fits that run at once.",
        shown="one per GPU, else one per core",
        most=MAX_WORKERS,
    ),
    Setting(
        name="engine",
        kind="choice",
        group="run",
        help="Where fits run; inline: in threads of this process.",
        default="auto",
        choices=("auto", "ray", "inline"),
    ),
    Setting(
        name="address",
        kind="text",
        group="run",
        help="HOST:PORT of a running Ray, or auto.",
        shown="$RAY_ADDRESS",
    ),
    Setting(
        name="checkpoint",
        kind="duration",
        group="run",
        help="Time between checkpoints, or off.",
        default="5m",
    ),
    Setting(
        name="time_budget",
        kind="duration",
        group="run",
        help="How long it may take, as in 90s, 10m or 1h30m.",
        shown="until it is done",
    ),
    Setting(
        name="trust",
        kind="flag",
        group="run",
        help="Run the code of a run folder that another user could have written.",
        default=False,
        shown="no",
    ),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}

OF_TABLE = tuple(setting for setting in SETTINGS if setting.group == "table")
"""Those that decide a search's table."""

OF_RUN = tuple(setting for setting in SETTINGS if setting.group == "run")


def check_settings(given: dict[str, Any]) -> None:
    """Check the types and bounds of those values that are there.

    Raises:
        BadInput: one is wrong.
    """
    for setting in SETTINGS:
        if setting.name in given:
            setting.check(given[setting.name])
