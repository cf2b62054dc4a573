"""What goes through the channel to the process of calls, as plain values.

Nothing is pickled: a function travels as the files that define it, by their hashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shoal.trainable.functions.command import Command
from shoal.trainable.functions.cutoffs import Cutoffs
from shoal.trainable.functions.reports import Aim
from shoal.trainable.modules import File
from shoal.trainable.problems import Source
from shoal.trainable.process import World


@dataclass(frozen=True, kw_only=True)
class Common:
    """What all calls of a search have in common.

    Attributes:
        source: of the function; command: of the program, where one is called instead.
        cpus: threads of a call.
    """

    source: Source
    aim: Aim
    cpus: int = 1
    command: Command | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        source = self.source
        texts = ("spec", "cls", "module", "sha256", "copies", "token")
        return {
            "source": {
                **{name: getattr(source, name) for name in texts},
                "files": [file.as_dict() for file in source.files],
                "world": source.world.as_dict(),
            },
            "aim": self.aim.as_dict(),
            "cpus": self.cpus,
            "command": None if self.command is None else self.command.as_dict(),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Common:
        """The inverse of `as_dict`."""
        source, command = dict(plain["source"]), plain["command"]
        source["files"] = tuple(map(File.from_dict, source["files"]))
        source["world"] = World.from_dict(source["world"])
        return cls(
            source=Source(**source),
            aim=Aim.from_dict(plain["aim"]),
            cpus=plain["cpus"],
            command=None if command is None else Command.from_dict(command),
        )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One call.

    Attributes:
        values: hyperparameters by name; seed: of the call.
        log: the file for what it prints.
        place: the folder for its checkpoints; None: it asks for none.
        cutoffs: from which scores on it is behind others.
    """

    values: Mapping[str, Any]
    seed: int
    log: str
    place: str | None = None
    cutoffs: Cutoffs = field(default_factory=Cutoffs)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "values": dict(self.values), "cutoffs": self.cutoffs.as_dict()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Asked:
        """The inverse of `as_dict`."""
        return cls(**{**plain, "cutoffs": Cutoffs.from_dict(plain["cutoffs"])})
