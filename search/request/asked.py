"""What a user asks for, as typed values: from the command line, from Python, from TOML."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import PurePath
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.request.amendments import Point, ends_of, points_of, totals
from shoal.search.request.objective import Objective
from shoal.search.request.paths import given_path
from shoal.search.request.settings import BY_NAME, check_settings
from shoal.search.space import Dimension, named, of_names, plain
from shoal.trainable.modules import path_written

WRITTEN = (
    "format",
    "source",
    "files",
    "began",
    "unroll",
    "lane_seconds",
    "metrics",
    "settled",
    "halved",
    "amendments",
    "ended",
    "known",
    "sampling",
    "conditions",
    "kind",
    "asks",
)
"""What ``search.toml`` has besides; taken no notice of where such a file is read as a config."""

DEFAULT_PROBLEM = "cubic-sine"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What decides a table, where the user says it; None where nothing is said.

    The attributes are the settings of the group ``table`` (`shoal.search.request.SETTINGS`), the
    problem, and the space: hyperparameters, each with its values as text, number, list or Optuna
    distribution.
    """

    problem: str | None = None
    space: Mapping[str, Any] | None = None
    trials: int | None = None
    steps: int | None = None
    epochs: int | None = None
    seed: int | None = None
    sampler: str | None = None
    replicates: int | None = None
    objective: str | None = None
    select: str | None = None
    patience: int | None = None
    pruner: str | None = None
    stop_when: str | Sequence[str] | None = None
    max_updates: float | None = None
    tries: Sequence[str | Mapping[str, Any]] | str | Mapping[str, Any] | None = None
    from_: str | PurePath | Sequence[str | PurePath] | None = None
    folds: int | None = None
    keep: int | str | None = None
    report: int | None = None
    round: int | None = None
    pack: int | None = None
    block: int | None = None
    program: str | None = None
    diverge_factor: float | None = None
    exec: str | None = None
    read: Mapping[str, str] | None = None
    cpus: int | None = None
    gpus: float | None = None

    def __post_init__(self) -> None:
        """Take numbers of numpy, pandas and torch as Python's, and check them.

        Raises:
            BadInput: a value is of another type, or out of bounds.
        """
        for each in fields(self):
            if each.name != "space":
                object.__setattr__(self, each.name, plain(getattr(self, each.name)))
        if self.stop_when is not None:
            object.__setattr__(self, "stop_when", ends_of(self.stop_when))
        if self.tries is not None:
            object.__setattr__(self, "tries", points_of(self.tries))
        if self.from_ is not None:
            object.__setattr__(self, "from_", _paths(self.from_))
        if isinstance(self.sampler, str) and ".py:" in self.sampler:
            file, _, name = self.sampler.rpartition(":")
            object.__setattr__(self, "sampler", f"{os.fspath(given_path('sampler', file))}:{name}")
        if isinstance(self.max_updates, float) and self.max_updates.is_integer():
            object.__setattr__(self, "max_updates", int(self.max_updates))
        if isinstance(self.problem, str):
            object.__setattr__(self, "problem", path_written(self.problem))
        elif self.problem is not None:
            allowed = "a name, module:Class or file.py:Class"
            raise BadInput(f"problem must be {allowed}, not {self.problem!r}")
        if self.space is not None and not isinstance(self.space, Mapping):
            raise BadInput(f"space must be a table of names and values, not {self.space!r}")
        if self.objective is not None:
            Objective.parse(self.objective)
        check_settings(self.given)
        if self.steps is not None and self.epochs:
            raise BadInput("steps and epochs say the same in two ways; give one of them")
        if self.exec is not None and self.problem is not None:
            raise BadInput(f"exec is called instead of a problem: leave it out, or {self.problem}")
        if self.read is not None and self.problem is not None:
            raise BadInput("read finds numbers in what a program prints: give exec too")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Asked:
        """What a table of names and values asks for, such as a TOML file.

        Raises:
            BadInput: a name is unknown, or a value is wrong.
        """
        if "from" in given:  # which Python has for itself
            given = {**{n: v for n, v in given.items() if n != "from"}, "from_": given["from"]}
        known = [each.name for each in fields(cls)]
        for name, value in given.items():
            if name not in (*known, *WRITTEN):
                allowed = ", ".join("from" if each == "from_" else each for each in known)
                raise BadInput(f"unknown setting {name!r}; known: {allowed}")
            if value is None and name not in WRITTEN:
                raise BadInput(f"{name} must have a value")
        left = {*WRITTEN, *(["problem"] if "format" in given and "exec" in given else [])}
        given = {**given, **totals(given)}
        return cls(**{name: value for name, value in given.items() if name not in left})

    @property
    def given(self) -> dict[str, Any]:
        """What is said, by name; the space apart."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {n: v for n, v in values.items() if v is not None and n != "space"}

    def over(self, other: Asked) -> Asked:
        """What both ask for; where both say something, this one wins, and in the space each
        hyperparameter by itself."""
        both = {**other.given, **self.given}
        for one, instead in (("steps", "epochs"), ("epochs", "steps")):
            if one in self.given and instead not in self.given:
                both.pop(instead, None)
        spaces = [dict(of.space) for of in (other, self) if of.space is not None]
        if spaces:
            both["space"] = {named(n): v for space in spaces for n, v in space.items()}
        return Asked.of(both)

    @property
    def dimensions(self) -> dict[str, Dimension]:
        """The space that is said.

        Raises:
            BadInput: a hyperparameter's values make no sense.
        """
        return of_names(self.space or {})

    def without_auto(self) -> Asked:
        """The same, where ``auto`` says nothing about the program."""
        return replace(self, program=None) if self.program == "auto" else self

    def resolved(self) -> Resolved:
        """The same with defaults, but for what follows from the problem."""
        names = {each.name for each in fields(Resolved)}
        defaults = {n: s.default for n, s in BY_NAME.items() if n in names}
        name = DEFAULT_PROBLEM
        if self.exec is not None:  # its word for the run folder
            name = PurePath(self.exec.split()[0] if self.exec.split() else "program").stem
        return Resolved(**{"problem": name, **defaults, **self.given})


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What is asked for, with defaults; None: it follows from the problem and the machine."""

    problem: str
    trials: int
    steps: int
    epochs: int
    seed: int
    sampler: str
    replicates: int
    objective: str | None
    select: str
    patience: int
    pruner: str
    stop_when: tuple[str, ...] | None
    max_updates: int
    tries: tuple[Point, ...] | None
    from_: tuple[str, ...] | None
    folds: int
    keep: int | str
    report: int | None
    round: int | None
    pack: int | None
    block: int | None
    program: str
    diverge_factor: float
    exec: str | None
    read: Mapping[str, str] | None
    cpus: int
    gpus: float


def _paths(given: Any) -> tuple[str, ...]:
    """Paths of run folders, absolute, each once.

    Raises:
        BadInput: one is no path.
    """
    each = given if isinstance(given, (list, tuple)) else [given]
    return tuple(dict.fromkeys(os.fspath(given_path("--from", path)) for path in each))
