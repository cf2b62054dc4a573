"""What a sampler is, and samplers by name.

A sampler is made once for a search, from its space and its seed, and asked round after round. What
it answers follows from that and from what it is asked with alone, so that a search that goes on is
given the same trials. A new one is a module, a row in `SAMPLERS`, and a choice of the setting
``sampler``; tests/search/samplers/test_sampler.py tries each row.
"""

from __future__ import annotations

import hashlib
import importlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy
from numpy.typing import NDArray

from shoal.search.space import Floats, Searched

Column = NDArray[Any]
Columns = dict[str, Column]


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """The trials of the rounds before.

    Attributes:
        columns: of all of them, the told ones first, in order; a range's values, a choice's
            position; where a hyperparameter is not active, the first value.
        scores: of the told ones: the objective, or minus it where a larger one is better; lower is
            better, +inf: diverged, NaN: failed.
        without: how many of the told ones, the first, are of no round: they were known before.
        active: in which of them each hyperparameter is active; of those that always are, nothing.
    """

    columns: Mapping[str, Column]
    scores: Floats
    active: Mapping[str, NDArray[numpy.bool_]] = field(default_factory=dict)
    without: int = 0


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a sampler is asked for.

    Attributes:
        first: number of the round's first trial; count: how many trials.
        seed: of this round (`round_seed`).
        earlier: what has come of the rounds before; looked at only by samplers that learn.
        stop: set where the answer is not waited for any more.
    """

    first: int
    count: int
    seed: int
    earlier: Earlier
    stop: threading.Event


class Sampler(Protocol):
    """Proposes trials.

    Attributes:
        learns: whether finished trials change what is proposed.
        repeats: whether a trial may be proposed again while there are others.
        replays: whether what it proposes follows from all that it was asked and told before, so
            that a search that goes on has to ask for every round again.
    """

    learns: ClassVar[bool]
    repeats: ClassVar[bool]
    replays: ClassVar[bool]

    def __init__(self, searched: Searched, seed: int) -> None: ...

    def ask(self, question: Question) -> Sequence[Column]:
        """Return a column for each hyperparameter, of `count` values, or fewer once `stop` is set;
        of choices positions. Values of what is not active in a trial are not looked at."""


SAMPLERS: Mapping[str, tuple[str, str]] = {
    "tpe": ("shoal.search.samplers.tpe", "Tpe"),
    "optuna-tpe": ("shoal.search.samplers.studies.optuna_tpe", "OptunaTpe"),
    "qmc": ("shoal.search.samplers.sobol", "Qmc"),
    "random": ("shoal.search.samplers.uniform", "Uniform"),
}
"""Name of a sampler: (module, class). A module is imported when its sampler is asked for, since
Optuna takes most of a second."""


OTHERS = ("shoal.search.samplers.studies.replayed", "Replayed")
"""Of a name that is not in the table."""


def sampler_class(name: str) -> type[Sampler]:
    """Return the sampler of this name, or the one that asks a sampler of Optuna's that is named."""
    module, kind = SAMPLERS.get(name, OTHERS)
    found: type[Sampler] = getattr(importlib.import_module(module), kind)
    return found if name in SAMPLERS else type(kind, (found,), {"spec": name})


def may_repeat(name: str) -> bool:
    """Return whether the sampler of this name may propose a trial twice while there are others."""
    return sampler_class(name).repeats


def learns(name: str) -> bool:
    """Return whether finished trials change what the sampler of this name proposes."""
    return sampler_class(name).learns


def round_seed(seed: int, round_: int | str) -> int:
    """The seed of a round's sampler: 32 bits of sha256("seed:round")."""
    digest = hashlib.sha256(f"{seed}:{round_}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
