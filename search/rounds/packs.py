"""Packs: the lanes of a round, grouped by shape hyperparameters and cut to size."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy
import torch
from numpy.typing import NDArray

from shoal.search.request import Request
from shoal.search.request.amendments import Span
from shoal.search.space import Value
from shoal.trainable.columns import FOLD
from shoal.trainable.lanes import Lanes
from shoal.trainable.optimizers import OPTIMIZERS
from shoal.trainable.pruning import Known

Shape = tuple[tuple[str, Value], ...]


@dataclass(frozen=True, kw_only=True)
class Pack:
    """The lanes that one device runs together.

    Attributes:
        round, index: which round, and which pack in it.
        columns: the hyperparameters of the lanes, as the results have them; a masked array where
            one is not active in all of the search.
        attempt: how often it ran before and ended with an error.
        deaths: how many workers died over it.
        called: whether it is one call of a function or a program.
        known: what others have reported, by which its fits are pruned; None: nothing prunes.
    """

    round: int
    index: int
    lanes: Lanes
    columns: Mapping[str, NDArray[Any]]
    attempt: int = 0
    deaths: int = 0
    called: bool = False
    known: Known | None = None

    @property
    def told(self) -> str:
        """What messages call it."""
        return f"trial {int(self.lanes.trial[0])}" if self.called else f"fits of pack {self.name}"

    @property
    def name(self) -> str:
        """Names its part in the run folder."""
        return f"r{self.round:06d}-p{self.index:06d}"

    def knowing(self, known: Known) -> Pack:
        """Return the pack with what is known of others."""
        return replace(self, known=known)

    def only(self, chosen: NDArray[numpy.bool_]) -> Pack:
        """Return the pack without the lanes that are not `chosen`."""
        if chosen.all():
            return self
        mask, lanes = torch.from_numpy(chosen), self.lanes
        left = Lanes(
            trial=lanes.trial[mask],
            replicate=lanes.replicate[mask],
            seed=lanes.seed[mask],
            values={name: column[mask] for name, column in lanes.values.items()},
            shape=lanes.shape,
        )
        return replace(self, lanes=left, columns={n: c[chosen] for n, c in self.columns.items()})


def cut(
    request: Request,
    shape_names: tuple[str, ...],
    span: Span,
    columns: Mapping[str, NDArray[Any]],
) -> list[Pack]:
    """Return the packs of a round; a pack has one value of each shape hyperparameter, and one fold.

    A shape hyperparameter that is not active in a pack its lanes do not have.

    Args:
        shape_names: which columns are shape hyperparameters.
        columns: the values of each hyperparameter, one for each trial of the round.
    """
    count = len(next(iter(columns.values())))
    if request.called:
        each = itertools.product(range(count), range(span.low, span.high))
        return [
            _single(request, span, index, replicate, columns, place)
            for index, (place, replicate) in enumerate(each)
        ]
    groups = _groups({name: columns[name] for name in shape_names}, count)
    pieces = [
        ({**dict(shape), **fold}, trials, slice(start, start + span.pack))
        for shape, trials in sorted(groups, key=lambda group: str(group[0]))
        for fold in folds_of(request)
        for start in range(0, len(trials) * span.replicates, span.pack)
    ]
    return [
        _pack(request, shape_names, span, index, columns, shape, trials, piece)
        for index, (shape, trials, piece) in enumerate(pieces)
    ]


def _single(
    request: Request,
    span: Span,
    index: int,
    replicate: int,
    columns: Mapping[str, NDArray[Any]],
    place: int,
) -> Pack:
    """The pack of one fit that is a call: its hyperparameters travel as they are."""
    own = {name: column[place : place + 1] for name, column in columns.items()}
    return Pack(
        round=span.number,
        index=index,
        lanes=Lanes(
            trial=torch.tensor([span.first + place]),
            replicate=torch.tensor([replicate]),
            seed=torch.tensor([request.seed + replicate]),
            values={},
            shape={n: c[0].item() for n, c in own.items() if c[0] is not numpy.ma.masked},
        ),
        columns=own,
        called=True,
    )


def folds_of(request: Request) -> list[dict[str, int]]:
    """Return what each fold adds to the shape of its lanes: nothing where there are none."""
    return [{FOLD: fold} for fold in range(request.folds)] if request.folds > 1 else [{}]


def _groups(shapes: Mapping[str, NDArray[Any]], count: int) -> list[tuple[Shape, NDArray[Any]]]:
    """Return each combination of shape hyperparameters with the places of its trials, in order."""
    code = numpy.zeros(count, dtype=numpy.int64)
    for column in shapes.values():
        _, own = numpy.unique(numpy.asarray(column), return_inverse=True)
        own = numpy.where(numpy.ma.getmaskarray(column), 0, own + 1)
        # numbered anew each time, so that codes stay below the number of trials
        _, code = numpy.unique(code * (own.max() + 1) + own, return_inverse=True)
    order = numpy.argsort(code, kind="stable")
    starts = numpy.flatnonzero(numpy.diff(code[order])) + 1
    return [
        (
            tuple(
                (name, column[trials[0]].item())
                for name, column in shapes.items()
                if column[trials[0]] is not numpy.ma.masked
            ),
            trials,
        )
        for trials in numpy.split(order, starts)
    ]


def _pack(
    request: Request,
    shape_names: tuple[str, ...],
    span: Span,
    index: int,
    columns: Mapping[str, NDArray[Any]],
    shape: dict[str, Any],
    trials: NDArray[Any],
    piece: slice,
) -> Pack:
    """The pack of a piece of the lanes of `trials`, those of a trial one after the other."""
    lanes = numpy.arange(piece.start, min(piece.stop, len(trials) * span.replicates))
    chosen = trials[lanes // span.replicates]
    replicate = span.low + lanes % span.replicates
    own = {name: column[chosen] for name, column in columns.items()}
    return Pack(
        round=span.number,
        index=index,
        lanes=Lanes(
            trial=torch.from_numpy(span.first + chosen),
            replicate=torch.from_numpy(replicate),
            seed=torch.from_numpy(request.seed + replicate),
            values={
                name: torch.from_numpy(numpy.ma.filled(values.astype(numpy.float64), numpy.nan))
                for name, values in own.items()
                if name not in shape_names
            },
            shape={"optimizer": next(iter(OPTIMIZERS)), **shape},
        ),
        columns={**own, FOLD: numpy.full(len(chosen), shape[FOLD])} if FOLD in shape else own,
    )
