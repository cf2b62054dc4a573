"""Run folders of earlier versions: they are read, and those before format 6 not gone on with.

format 3    the first; truth values were words
format 4    how each shape's step is run, and the user's own files, stand in ``search.toml``
format 5    ``rule`` is called ``optimizer``
format 6    an objective, metrics, folds and fitted parameters; gone on with
format 7    the same, where hyperparameters are not active in every trial
format 8    the same, of a function or a program that is called for each fit
format 9    rounds by a trial's number, drawn whole, so that more trials go on with them;
            conditions in the space, and ranges with steps; or a study of Optuna's that was
            imported, which is not gone on with
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shoal.search.request import CALLED, CONDITIONAL, FORMAT, STEERED, mark_of

WRITTEN = (FORMAT, CONDITIONAL, CALLED, STEERED)
"""Formats that are written, and gone on with."""

READ = (3, 4, 5, *WRITTEN)
"""Formats that can be read."""

RENAMED, RENAMED_IN = {"rule": "optimizer"}, 5
"""Hyperparameters that were called otherwise before that format."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a run folder is written.

    Attributes:
        version: its format; mark: tells its parts from those of other searches.
    """

    version: int
    mark: bytes

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Form:
        """The form of a folder, by its ``search.toml``."""
        return cls(version=plain["format"], mark=mark_of(plain).encode())

    @property
    def written(self) -> bool:
        """Whether this version of shoal writes it."""
        return self.version in WRITTEN

    def upgraded(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        """What ``search.toml`` holds, in today's words."""
        if self.version >= RENAMED_IN:
            return dict(plain)
        return {key: _renamed(value) for key, value in plain.items()}

    def columns(self, names: Sequence[str]) -> list[str]:
        """What columns of these names are called in the folder."""
        if self.version >= RENAMED_IN:
            return list(names)
        before = {new: old for old, new in RENAMED.items()}
        return [before.get(name, name) for name in names]


def _renamed(value: Any) -> Any:
    """The same with today's names of hyperparameters, at any depth: in the space, in shapes."""
    if isinstance(value, Mapping):
        return {RENAMED.get(key, key): _renamed(inner) for key, inner in value.items()}
    return [_renamed(inner) for inner in value] if isinstance(value, list) else value
