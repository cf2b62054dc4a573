"""Packs: the lanes of a round, grouped by shape hyperparameters and cut to size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from search.request import Request
from search.space import Value
from trainable.lanes import Lanes
from trainable.rules import RULES


@dataclass(frozen=True, kw_only=True)
class Pack:
    """The lanes that one device runs together.

    Attributes:
        round, index: which round, and which pack in it.
        columns: the hyperparameters of the lanes, as the results have them.
        attempt: how often it ran before and ended with an error.
        deaths: how many workers died over it.
    """

    round: int
    index: int
    lanes: Lanes
    columns: Mapping[str, list[Value]]
    attempt: int = 0
    deaths: int = 0

    @property
    def name(self) -> str:
        """Names its part in the run folder."""
        return f"r{self.round:06d}-p{self.index:06d}"


def cut(
    request: Request,
    shape_names: tuple[str, ...],
    round_: int,
    first: int,
    columns: Mapping[str, list[Value]],
) -> list[Pack]:
    """Return the packs of a round; a pack has one value of each shape hyperparameter.

    Args:
        shape_names: which columns are shape hyperparameters.
        first: number of the round's first trial.
        columns: the values of each hyperparameter, one for each trial of the round.
    """
    groups: dict[tuple[tuple[str, Value], ...], list[tuple[int, int]]] = {}
    for i in range(len(next(iter(columns.values())))):
        shape = tuple((name, columns[name][i]) for name in shape_names)
        groups.setdefault(shape, []).extend((i, r) for r in range(request.replicates))
    pieces = [
        (shape, groups[shape][start : start + request.pack])
        for shape in sorted(groups, key=str)
        for start in range(0, len(groups[shape]), request.pack)
    ]
    return [
        _pack(request, round_, index, first, columns, dict(shape), lanes)
        for index, (shape, lanes) in enumerate(pieces)
    ]


def _pack(
    request: Request,
    round_: int,
    index: int,
    first: int,
    columns: Mapping[str, list[Value]],
    shape: dict[str, Value],
    chosen: list[tuple[int, int]],
) -> Pack:
    """The pack of the lanes `chosen`: pairs of a trial's position in the round and a replicate."""
    own = {name: [values[i] for i, _ in chosen] for name, values in columns.items()}
    replicate = torch.tensor([r for _, r in chosen])
    lanes = Lanes(
        trial=torch.tensor([first + i for i, _ in chosen]),
        replicate=replicate,
        seed=request.seed + replicate,
        values={
            name: torch.tensor(values, dtype=torch.float64)
            for name, values in own.items()
            if name not in shape
        },
        shape={"rule": next(iter(RULES)), **shape},
    )
    return Pack(round=round_, index=index, lanes=lanes, columns=own)
