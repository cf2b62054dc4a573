"""Which program runs each shape: chosen once for a search, and the same for each of its fits.

kernel      a fused kernel of ours (`trainable.fused`)
pieces      fused kernels, and between them calls of torch that no kernel can do
captured    compiled by torch and recorded, on a GPU
eager       operation by operation
sequential  likewise, one fit after the other: they are so large that stacking them does not pay
single      likewise, since its code cannot be stacked
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shoal.trainable.errors import CompileError

KERNEL, PIECES, CAPTURED, EAGER = "kernel", "pieces", "captured", "eager"
SEQUENTIAL, SINGLE = "sequential", "single"

KINDS = (KERNEL, PIECES, CAPTURED, EAGER, SEQUENTIAL)
"""What the program of one shape may be; all of a search may be `SINGLE`."""

USUAL = (EAGER, SEQUENTIAL, SINGLE)
"""What all of a search may be, where nothing is compiled."""

ONE_BY_ONE = (SEQUENTIAL, SINGLE)
"""Those whose operations have one fit each."""

PAST = "inductor"
"""What it may have been in an earlier version: its results are read, and it does not go on."""

MAX_UNROLL = 10
"""Updates that torch's compiler is given at once: more make compiling longer, and the loop no
faster (5 to 20 measured)."""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Programs of a search, as ``search.toml`` has them.

    Attributes:
        programs: one of `KINDS` by `key` of the shape; none: all run as `usual` says.
        metrics: ``kernel`` or ``eager`` likewise, for shapes whose step is a kernel and that have
            metrics.
        blocks: the most lanes in one tensor operation of it likewise, where it is not all that a
            block has.
        usual: one of `USUAL`, where there are no `programs`.
        compiler: identity of the C++ compiler that made the libraries; flags: of the kernels.
    """

    programs: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    blocks: Mapping[str, int] = field(default_factory=dict)
    compiler: str = ""
    flags: str = ""
    usual: str = EAGER

    def of(self, shape: Mapping[str, Any]) -> str:
        """Return how a shape is run.

        Raises:
            CompileError: it is not said.
        """
        if not self.programs:
            return self.usual
        try:
            kind = self.programs[key(shape)]
        except KeyError:
            raise CompileError(f"search.toml does not say how {words(shape)} is run") from None
        if kind == PAST:
            raise CompileError(
                "the search began with an earlier version of shoal, by torch's ahead-of-time "
                "compiler; install that version"
            )
        return kind

    def block(self, shape: Mapping[str, Any], most: int) -> int:
        """Return how many lanes of a shape are in one tensor operation, `most` at the most."""
        kind = self.programs.get(key(shape), EAGER) if self.programs else self.usual
        return 1 if kind in ONE_BY_ONE else min(most, self.blocks.get(key(shape), most))

    def takes_any(self, shape: Mapping[str, Any]) -> bool:
        """Whether one program of a shape serves blocks of any number of lanes: all of it is
        kernels, whose numbers do not depend on how many there are."""
        metrics = self.metrics.get(key(shape), KERNEL)
        return self.programs.get(key(shape)) == metrics == KERNEL

    def name(self, shape: Mapping[str, Any]) -> str:
        """Name a shape's program among all that a search may have had."""
        kind = self.programs.get(key(shape), EAGER) if self.programs else self.usual
        if kind in USUAL:
            return kind
        metrics = self.metrics.get(key(shape), "")
        return f"{kind} {self.compiler} {self.flags} {metrics}".rstrip()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as TOML has them."""
        programs = [
            {"program": kind}
            | ({"metrics": self.metrics[shape]} if shape in self.metrics else {})
            | ({"block": self.blocks[shape]} if shape in self.blocks else {})
            | {"shape": json.loads(shape)}
            for shape, kind in self.programs.items()
        ]
        plain = {"compiler": self.compiler, "flags": self.flags, "programs": programs}
        return plain if self.usual == EAGER else {**plain, "usual": self.usual}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Settled:
        """The inverse of `as_dict`.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        if not isinstance(plain["programs"], list):
            raise TypeError("programs must be a list")
        programs, metrics, blocks = {}, {}, {}
        for each in plain["programs"]:
            shape, kind = each["shape"], each["program"]
            if kind not in (*KINDS, PAST):
                raise ValueError(f"a program is one of {', '.join(KINDS)}")
            if not isinstance(shape, dict) or not all(
                isinstance(value, (bool, int, float, str)) for value in shape.values()
            ):
                raise ValueError(
                    "a shape is a table; its values are numbers, words or truth values"
                )
            programs[key(shape)] = kind
            if "metrics" in each:
                if each["metrics"] not in (KERNEL, EAGER):
                    raise ValueError(f"metrics are {KERNEL} or {EAGER}")
                metrics[key(shape)] = each["metrics"]
            if "block" in each:
                if type(each["block"]) is not int or each["block"] < 1:
                    raise ValueError("a block is a number of fits")
                blocks[key(shape)] = each["block"]
        if not all(isinstance(plain[name], str) for name in ("compiler", "flags")):
            raise TypeError("compiler and flags must be text")
        if plain.get("usual", EAGER) not in USUAL:
            raise ValueError(f"usual is one of {', '.join(USUAL)}")
        return cls(
            usual=plain.get("usual", EAGER),
            programs=programs,
            metrics=metrics,
            blocks=blocks,
            compiler=plain["compiler"],
            flags=plain["flags"],
        )


def key(shape: Mapping[str, Any]) -> str:
    """Return the text that stands for a shape's values: JSON, by name."""
    return json.dumps(dict(sorted(shape.items())))


def words(shape: Mapping[str, Any]) -> str:
    """A shape in a message: ``width=8, depth=2``."""
    return ", ".join(f"{name}={value}" for name, value in shape.items())


def updates(kind: str, unroll: int) -> int:
    """Return the updates of one call of a program, where one that does several does `unroll`.

    It is a divisor of `unroll`, so that calls end at each reporting step.
    """
    if kind in (EAGER, SINGLE):
        return 1
    most = unroll if kind in (KERNEL, PIECES, SEQUENTIAL) else min(unroll, MAX_UNROLL)
    return next(n for n in range(most, 0, -1) if unroll % n == 0)
