"""The request: everything that decides a search's table, fully resolved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from reprlib import repr as short
from typing import Any

from numpy.typing import NDArray

from shoal.search.errors import BadInput
from shoal.search.request.amendments import STEERED, Steered
from shoal.search.request.kinds import KINDS, STACKED
from shoal.search.request.objective import Objective
from shoal.search.request.readings import arguments_of, is_number, mark_of, plain_of
from shoal.search.request.setting import ALL, Setting
from shoal.search.request.settings import check_settings
from shoal.search.space import Space
from shoal.trainable.columns import FOLD, LOSS
from shoal.trainable.modules import File
from shoal.trainable.process import World
from shoal.trainable.programs import Settled
from shoal.trainable.pruning import NONE

FORMAT, CONDITIONAL, CALLED = 6, 7, 8
"""Versions of the run folder's form before `STEERED`, in which all is written now. The second has
conditional hyperparameters, in the third functions or programs are called."""

MAX_LANES = 100_000_000
"""Of a search: the driver remembers each in ten bytes of its own."""


@dataclass(frozen=True, kw_only=True)
class Request(Steered):
    """A search, as ``search.toml`` holds it.

    Attributes:
        problem: as the user named it; source: sha256 of what defines it.
        files: the user's own files that it consists of, as `File` has them in TOML.
        began: where the user stood, and what of the import path was theirs.
        objective: what is searched for, a metric or the loss; metrics: names of all of them.
        select: the reporting step that counts, ``last`` or ``best``; patience: reporting steps with
            no better objective after which a lane ends, 0: any number.
        pruner: what ends lanes that are behind, with all its parameters.
        folds: lanes of each replicate, each with another part of the rows left out; 1: with none.
        keep: of how many trials fitted parameters are kept, or ``all``.
        steps: updates of each lane; report: updates between two reporting steps.
        epochs: where above 0, how often each lane goes through the rows; then `steps` is about how
            many updates that is, and `report` counts epochs.
        block: lanes in one tensor operation, at the most.
        program: ``eager`` or ``compiled``; unroll: updates in one call of it.
        settled: how each shape is run, where it is compiled.
        lane_seconds: about what a lane costs a usual core, by the count of its operations.
        kind: of the problem (`shoal.search.request.kinds`); of functions and programs alone are:
        exec: the program's command; read: a pattern for each number that it prints.
        asks: what is given to a call besides hyperparameters.
        cpus: threads of a call; gpus: GPUs, or a share of one.
        diverge_factor: a lane whose loss exceeds this many times its first has diverged.
        sampling: sha256 of the user's own files that make the sampler; "": there are none.
        halved: (round, block) where memory ran out: from that round on the block is smaller.
    """

    problem: str
    source: str
    space: Space
    sampler: str
    steps: int
    report: int
    seed: int
    block: int
    program: str
    unroll: int
    lane_seconds: float
    diverge_factor: float
    objective: str = "loss:min"
    select: str = "last"
    patience: int = 0
    pruner: str = NONE
    folds: int = 1
    keep: int | str = 0
    epochs: int = 0
    kind: str = STACKED
    exec: str = ""
    read: Mapping[str, str] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    cpus: int = 1
    gpus: float = 0.0
    metrics: tuple[str, ...] = ()
    settled: Settled = field(default_factory=Settled)
    halved: tuple[tuple[int, int], ...] = ()
    sampling: str = ""
    files: tuple[File, ...] = ()
    began: World = field(default_factory=World)

    def __post_init__(self) -> None:
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        sizes = [name for name in ("round", "pack") if given[name] is None]
        if sizes and not self.nested:
            raise BadInput(f"{sizes[0]} is missing")
        check_settings({name: value for name, value in given.items() if name not in sizes})
        Setting(name="unroll", kind="integer", help="").check(self.unroll)
        for name in ("problem", "source"):
            if not isinstance(getattr(self, name), str):
                raise BadInput(f"{name} must be text, not {short(getattr(self, name))}")
        seconds = self.lane_seconds
        if not is_number(seconds) or not 0 <= seconds < math.inf:
            raise BadInput(f"lane_seconds must be a number of seconds, not {short(seconds)}")
        if self.lanes > MAX_LANES:
            what = "trials times replicates" + (" times folds" if self.folds > 1 else "")
            raise BadInput(f"{what} must be at most {MAX_LANES}, not {self.lanes}")
        if not all(isinstance(name, str) for name in self.metrics):
            raise BadInput(f"metrics must be names, not {short(self.metrics)}")
        if self.kind not in KINDS:
            raise BadInput(f"unknown kind {short(self.kind)}; known: {', '.join(KINDS)}")
        if not self.open and self.goal.name not in self.columns:
            raise BadInput(f"objective {self.objective!r} is none of {', '.join(self.columns)}")
        for each in (self.stop_when, *(more.stop_when or () for more in self.amendments)):
            self.goal.check_ends(each)

    @property
    def lanes(self) -> int:
        """Lanes of the whole search."""
        return self.there * self.fits

    @property
    def fits(self) -> int:
        """Lanes of each trial."""
        return self.replicates * self.folds

    @property
    def goal(self) -> Objective:
        """What is searched for."""
        return Objective.parse(self.objective)

    @property
    def aim(self) -> str:
        """The name of the objective."""
        return self.goal.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The numbers of a lane: the loss, and the metrics; of a call those that it reports."""
        if self.called:
            return self.metrics or (self.goal.name,)
        return (LOSS, *self.metrics)

    @property
    def called(self) -> bool:
        """Whether a function or a program is called for each fit, and nothing is stacked."""
        return self.kind != STACKED

    @property
    def open(self) -> bool:
        """Whether it is not known yet what calls report besides the objective: no table is
        written."""
        return self.called and not self.metrics

    @property
    def kept(self) -> int:
        """Of how many trials fitted parameters are kept, at the most."""
        return self.trials if self.keep == ALL else min(int(self.keep), self.trials)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that name a lane."""
        return ("trial", "replicate", FOLD) if self.folds > 1 else ("trial", "replicate")

    def fit_numbers(self, table: Any) -> NDArray[Any]:
        """Return the number of each row's lane among those of its trial, int64.

        Args:
            table: rows with the columns of `key`.
        """
        number: NDArray[Any] = table["replicate"].to_numpy()
        return number * self.folds + table[FOLD].to_numpy() if self.folds > 1 else number

    def block_of(self, round_: int, shape: Mapping[str, Any]) -> int:
        """Lanes of a shape in one tensor operation in a round: no more than a pack has, but where
        its program takes no fewer."""
        size = next((size for first, size in reversed(self.halved) if first <= round_), self.block)
        size = self.settled.block(shape, size)
        if not self.nested:
            return size
        return min(size, self.layout[round_].pack)

    def halve(self, round_: int, shape: Mapping[str, Any]) -> Request:
        """Return the search with half the block of a shape from a round on."""
        kept = tuple((first, size) for first, size in self.halved if first < round_)
        return replace(self, halved=(*kept, (round_, max(1, self.block_of(round_, shape) // 2))))

    @cached_property
    def mark(self) -> str:
        """Tells the rows of this search from those of all others."""
        return mark_of(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as TOML has them; the space and the place last."""
        return {"format": self.form or STEERED, **plain_of(self)}

    @property
    def without_momentum(self) -> bool:
        """Whether it was begun where ``sgd`` had no momentum, whatever the space says."""
        optimizers = self.space["optimizer"].choices if "optimizer" in self.space else ()
        return self.form == FORMAT and "momentum" in self.space and "sgd" in optimizers

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Request:
        """The inverse of `as_dict`.

        Raises:
            BadInput: it is none; the message names the key.
        """
        try:
            return cls(**arguments_of(plain))
        except TypeError as error:  # a key is missing, or unknown
            raise BadInput(str(error).rpartition("__init__() ")[2]) from error
