"""A setting: a name, a type, bounds, and what it is for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from reprlib import repr as short
from typing import Any, Literal

from shoal.search.errors import BadInput
from shoal.search.request.amendments import ends_of, points_of
from shoal.trainable.errors import PrunerError

MAX_INTEGER = 2**31 - 1
"""Upper bound of every integer setting (int32)."""

MAX_COUNT = 10**18
MAX_FACTOR = 1e300
MAX_WORKERS = 100_000

Kind = Literal[
    "amount",
    "choice",
    "count",
    "duration",
    "ends",
    "flag",
    "integer",
    "many",
    "number",
    "path",
    "paths",
    "patterns",
    "points",
    "pruner",
    "size",
    "text",
    "texts",
]
"""`many` is a whole number, or ``all``; `amount` a number that may be its least; `patterns` are
regular expressions by name; `size` is one of memory; `count` a whole number that may be written as
1e9; `ends` and `points` are lists that `shoal.search.request.amendments` reads; `texts` is a text
or several; `pruner` is one of `shoal.trainable.pruning`, with its parameters."""

ALL = "all"


_NAMED = re.compile(r"[^:]+:[^\W\d]\w*|[^\W\d]\w*(\.[^\W\d]\w*)+")
"""MODULE.NAME, MODULE:NAME or FILE.py:NAME."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        name: in Python and TOML; with hyphens, the command line's option.
        typed: what the option is called instead.
        help: in one sentence.
        default: the value where none is given; None: it depends, as `shown` says.
        shown: the default in words; "": as `default` is written.
        open: whether a choice may be another name, of a module or a file.
        least, most: bounds of a number, both included; choices: of a choice, all of them.
    """

    name: str
    kind: Kind
    help: str
    typed: str = ""
    group: Literal["table", "run"] = "table"
    default: Any = None
    shown: str = ""
    least: float = 1
    most: float = MAX_INTEGER
    choices: tuple[str, ...] = ()
    open: bool = False

    @property
    def option(self) -> str:
        """What is typed: ``--diverge-factor``."""
        return "--" + (self.typed or self.name.replace("_", "-"))

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
        if self.kind in ("integer", "count"):
            self._check_integer(value)
        elif self.kind == "ends":
            ends_of(value)
        elif self.kind == "points":
            points_of(value)
        elif self.kind == "paths" and not _are_texts(value):
            raise BadInput(f"{self.option} takes the paths of run folders, not {short(value)}")
        elif self.kind == "number":
            self._check_number(value)
        elif self.kind == "amount":
            self._check_amount(value)
        elif self.kind == "patterns":
            self._check_patterns(value)
        elif self.kind == "pruner":
            self._check_pruner(value)
        elif self.kind == "texts":
            self._check_texts(value)
        elif self.kind == "text" and not isinstance(value, str):
            raise BadInput(f"{self.name} must be text, not {short(value)}")
        elif self.kind == "many" and value != ALL:
            self._check_integer(value)
        elif self.kind == "choice" and value not in self.choices and not self._named(value):
            other = ", or MODULE.CLASS or FILE.py:FACTORY" if self.open else ""
            known = f"{', '.join(self.choices)}{other}"
            raise BadInput(f"unknown {self.name} {value!r}; known: {known}")

    def _named(self, value: Any) -> bool:
        """Whether a value is the name of something in a module or a file."""
        return self.open and isinstance(value, str) and bool(_NAMED.fullmatch(value))

    def _check_integer(self, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            other = f", or {ALL}" if self.kind == "many" else ""
            raise BadInput(f"{self.name} must be a whole number{other}, not {short(value)}")
        if value < self.least:
            raise BadInput(f"{self.name} must be at least {self.least}, not {value}")
        if value > self.most:
            raise BadInput(f"{self.name} must be at most {self.most}")

    def _check_amount(self, value: Any) -> None:
        real = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not real or not self.least <= value <= self.most:
            raise BadInput(f"{self.name} must be a number from {self.least:g} on, not {value!r}")
        if value > 1 and value != int(value):
            raise BadInput(f"{self.name} must be a share below 1, or a whole number, not {value!r}")

    def _check_pruner(self, value: Any) -> None:
        from shoal.trainable.pruning import pruner_of  # not before: it loads torch

        try:
            pruner_of(value)
        except PrunerError as error:
            raise BadInput(str(error)) from error

    def _check_patterns(self, value: Any) -> None:
        words = isinstance(value, Mapping) and all(
            isinstance(word, str) for pair in value.items() for word in pair
        )
        if not words or not all(name.isidentifier() for name in value):
            raise BadInput(
                f"{self.name} must be names and regular expressions, as "
                f"loss='loss: ([0-9.e+-]+)', not {short(value)}"
            )

    def _check_texts(self, value: Any) -> None:
        each = [value] if isinstance(value, str) else value
        if not isinstance(each, (list, tuple)) or not all(isinstance(text, str) for text in each):
            raise BadInput(f"{self.name} must be text, or a list of texts, not {short(value)}")

    def _check_number(self, value: Any) -> None:
        real = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not real or not value > self.least:
            raise BadInput(f"{self.name} must be a number above {self.least}, not {value!r}")
        if self.most < value < math.inf:
            raise BadInput(f"{self.name} must be at most {self.most}, or inf")


def _are_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)
