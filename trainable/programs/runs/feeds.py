"""What updates take, and the functions that take it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import torch

from shoal.trainable.compiling import Run
from shoal.trainable.errors import ContractError
from shoal.trainable.feeding import Feed, Held
from shoal.trainable.fused import FusedRun


class Taken(NamedTuple):
    """What the updates of one call take, and the kernel that does them, if one does.

    Attributes:
        updates: of each, its tensors, as the kernel has them (`FusedRun.data_of`); without one, as
            the feed has them.
    """

    updates: Sequence[Sequence[torch.Tensor]]
    run: FusedRun | None = None


class Tried(NamedTuple):
    """A compiled function that does updates, to be tried.

    Attributes:
        rows: of each of its updates, what it takes.
    """

    run: Run
    rows: Sequence[Sequence[torch.Tensor]]

    def __call__(self, own: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Run it, for these inputs of each lane."""
        fed = isinstance(self.run, FusedRun) and self.run.fed
        rows = self.rows if fed else self.rows[:1]
        return self.run([*own, *(tensor for one in rows for tensor in one)])


MAX_BYTES = 1 << 22
"""Of what one call takes for several updates that no kernel does."""


class Feeds:
    """What updates take that are done several in a call, held for later fits of the same seed."""

    def __init__(
        self,
        feed: Feed,
        runs: Sequence[Run | None],
        samples: Sequence[Sequence[torch.Tensor] | None],
        held: Held,
        taker: Hashable,
    ) -> None:
        """Begin.

        Args:
            runs: the kernel of most updates, and that of the last one of an epoch, where it takes
                fewer rows; none: no kernel does them.
            samples: what the first update of each takes.
            held: where it is held, with what others hold there; taker: whose it is.
        """
        self._feed, self._held, self._taker = feed, held, taker
        self._runs = [run for run in runs if isinstance(run, FusedRun)]
        self._forms = [_form(sample or ()) for sample in samples]

    def at(self, seed: int, step: int, most: int) -> Taken:
        """Return what the next updates take that one call does.

        Args:
            seed: of the fits; step: updates done before; most: how many there may be.

        Raises:
            ContractError: noise is of another form than at the first step.
        """
        count, is_last = self._feed.alike(step, most)
        run = self._runs[is_last] if self._runs else None
        updates: list[Sequence[torch.Tensor]] = []
        for each in range(step, step + count):
            data = self._held.get((self._taker, seed), each)
            if data is None:
                fed = self._feed.at(seed, each)
                data = fed if run is None else self._of_kernel(run, fed, is_last, each)
                self._held.put((self._taker, seed), each, data)
            updates.append(data)
            if run is None and sum(t.nbytes for t in data) * len(updates) >= MAX_BYTES:
                break
        return Taken(updates, run)

    def _of_kernel(
        self, run: FusedRun, fed: Sequence[torch.Tensor], is_last: bool, step: int
    ) -> Sequence[torch.Tensor]:
        """What an update takes, as a kernel has it.

        Raises:
            ContractError: it is not what the kernel was written for.
        """
        if _form(fed) != self._forms[is_last]:
            raise ContractError(
                f"noise() returns tensors of other shapes or dtypes at step {step} than at the "
                "first, and what is compiled takes only these: return the same at each step, or "
                "run with --program eager"
            )
        return run.data_of(fed)

    def tried(self, updates: int) -> list[Tried]:
        """Return each kernel, with what its first updates take."""
        usual = range(self._feed.alike(0, updates)[0])
        tried = [Tried(self._runs[0], [self._feed.at(0, step) for step in usual])]
        batches = self._feed.batches
        if batches is not None and len(self._runs) > 1:
            tried.append(Tried(self._runs[1], [self._feed.at(0, batches.of_an_epoch - 1)]))
        return tried


def _form(tensors: Sequence[torch.Tensor]) -> list[tuple[torch.Size, torch.dtype]]:
    """What a kernel is written for."""
    return [(tensor.shape, tensor.dtype) for tensor in tensors]
