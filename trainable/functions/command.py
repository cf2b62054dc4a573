"""The command line of a program that is called for each trial, and how its output is read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal.trainable.errors import SourceError
from shoal.trainable.functions.reports import STEP

RESERVED = ("seed", "checkpoint")
"""What a command may name besides hyperparameters."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program, without a shell.

    Attributes:
        text: as the user wrote it, with ``{lr}`` in the place of a hyperparameter, or ``{lr=0.1}``
            with what stands there in a trial that has none; ``{{`` is ``{``.
        reads: a pattern for each number that it prints; its first group is the number.
    """

    text: str
    reads: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"text": self.text, "reads": dict(self.reads)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Command:
        """The inverse of `as_dict`."""
        return cls(**plain)

    @property
    def names(self) -> list[str]:
        """What stands in braces, each once.

        Raises:
            SourceError: the command cannot be read.
        """
        found = [name for name, _, _ in self._fields]
        for name in found:
            if not name.isidentifier():
                raise SourceError(
                    f"--exec {self.text!r}: {{{name}}} is no name of a hyperparameter; write {{lr}}"
                    ", or {{ for a brace"
                )
        return list(dict.fromkeys(found))

    @property
    def defaults(self) -> dict[str, str]:
        """What stands in the place of hyperparameters that a trial does not have.

        Raises:
            SourceError: the command cannot be read, or says two things for one name.
        """
        found: dict[str, str] = {}
        for name, equals, default in self._fields:
            if equals and found.setdefault(name, default) != default:
                raise SourceError(
                    f"--exec {self.text!r}: {name} is {found[name]!r} and {default!r} in a trial "
                    "without it; write the same in both places"
                )
        return found

    @property
    def _fields(self) -> list[tuple[str, str, str]]:
        """What stands in braces: the name, and what is behind an equals sign."""
        try:
            parts = [part for word in self._split() for part in string.Formatter().parse(word)]
        except ValueError as error:
            raise SourceError(
                f"--exec {self.text!r}: {error}; write {{lr}} for a hyperparameter, {{{{ for a "
                "brace"
            ) from error
        return [field.partition("=") for _, field, _, _ in parts if field is not None]

    def check(self) -> None:
        """Check the command and the patterns.

        Raises:
            SourceError: one of them makes no sense.
        """
        _ = self.names, self.defaults
        if not self.reads:
            raise SourceError(
                "--exec needs --read, which finds numbers in the output, as in "
                "--read loss='loss: ([0-9.e+-]+)'"
            )
        if set(self.reads) == {STEP}:
            raise SourceError("--read finds nothing but step; add another number, as loss=...")
        for name, pattern in self.reads.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise SourceError(
                    f"--read {name}={pattern}: {error}; give a regular expression, as "
                    f"{name}='{name}: ([0-9.e+-]+)'"
                ) from error

    def words(self, values: Mapping[str, Any]) -> list[str]:
        """Return the arguments of a call, the program's own name first."""
        every = {**self.defaults, **values}
        return [_Formatter().vformat(word, (), every) for word in self._split()]

    def _split(self) -> list[str]:
        try:
            words = shlex.split(self.text)
        except ValueError as error:
            raise SourceError(f"--exec {self.text!r}: {error}") from error
        if not words:
            raise SourceError("--exec is empty; give a command, as './simulate --lr {lr}'")
        return words

    def hashed(self, folder: str) -> str:
        """Return the sha256 of the command, and of the files that its words name.

        Args:
            folder: where it is called.

        Raises:
            SourceError: there is no such program.
        """
        first, *rest = self._split()
        if os.sep in first:
            if not os.access(Path(folder, first), os.X_OK) or Path(folder, first).is_dir():
                raise SourceError(
                    f"--exec: {first} is no program here; give its path, and chmod +x it"
                )
        elif shutil.which(first) is None:
            raise SourceError(f"--exec: there is no program {first}; is it in PATH, or ./{first}?")
        found = {word: _digest(Path(folder, word)) for word in [first, *rest] if "{" not in word}
        plain = [self.text, sorted(self.reads.items()), sorted(found.items())]
        return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


class _Formatter(string.Formatter):
    """Of fields that are a name, with or without what stands there by default."""

    def get_field(
        self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Any, str]:
        """Return the value of a field, and its name."""
        name = field_name.partition("=")[0]
        return kwargs[name], name

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return a value as its format says; a default is read as a number where that needs one."""
        try:
            return str(super().format_field(value, format_spec))
        except ValueError:
            number = float(value)
            whole = int(number) if number.is_integer() else number
            return str(super().format_field(whole, format_spec))


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    except OSError:
        return ""
