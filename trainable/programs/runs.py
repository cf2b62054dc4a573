"""Functions of stacked tensors, as a program holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch.fx import GraphModule

from shoal.trainable.compiling import Run
from shoal.trainable.errors import ContractError
from shoal.trainable.feeding import Feed, Held
from shoal.trainable.fused import FusedRun
from shoal.trainable.optimizers import State
from shoal.trainable.problems import Leaves
from shoal.trainable.programs.step import LaneValues, Step


def prepared(run: Run | None) -> Run:
    """What `prepare` has made.

    Raises:
        RuntimeError: it was not called.
    """
    if run is None:
        raise RuntimeError("prepare() the program before it is run")
    return run


def interpreted(graph: GraphModule, _: object = None) -> Run:
    """A trace, run operation by operation; like `Captured` it is given the arguments too.

    What it gives lies in memory as what it was traced with: it is given some of it again, and a
    ``view`` in it would fail.
    """
    return lambda arguments: [made.contiguous() for made in graph(*arguments)]


def one_by_one(function: Callable[..., Sequence[torch.Tensor]], own: int) -> Run:
    """A function of one lane's tensors as one of several lanes, called for one after the other.

    Args:
        own: how many of its arguments, the first, have lanes.
    """

    def all_of(arguments: list[torch.Tensor]) -> Sequence[torch.Tensor]:
        lanes, shared = len(arguments[0]), arguments[own:]
        made = [
            function(*(tensor[lane].clone() for tensor in arguments[:own]), *shared)
            for lane in range(lanes)
        ]
        return [torch.stack(parts) for parts in zip(*made, strict=True)]

    return all_of


def singly(
    step: Step, params: Leaves, state: State, values: LaneValues
) -> tuple[Run, Run, Run | None]:
    """The update, loss and metrics of one lane, called for one lane after the other."""
    own = len(params) + len(values)
    judged = len(params) + len(step.judged_with(state, values))
    update = one_by_one(step.lane_flat_step, own + len(state))
    metrics = one_by_one(step.lane_flat_metrics, own) if step.measured else None
    return update, one_by_one(step.lane_flat_loss, judged), metrics


def in_blocks(run: Run, block: int, own: int) -> Run:
    """A function of `block` lanes as one of any number of them, a few at a time.

    The last are filled up: what torch makes of a lane may depend on how many there are.

    Args:
        own: how many of its arguments, the first, have lanes.
    """

    def all_of(arguments: list[torch.Tensor]) -> Sequence[torch.Tensor]:
        lanes = len(arguments[0])
        made = []
        for first in range(0, lanes, block):
            which = torch.arange(first, first + block).clamp(max=lanes - 1)
            few = [tensor[which] for tensor in arguments[:own]]
            made.append(run([*few, *arguments[own:]]))
        return [torch.cat(parts)[:lanes] for parts in zip(*made, strict=True)]

    return all_of


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


class Feeds:
    """What updates take that kernels do, held for later fits of the same seed."""

    def __init__(
        self,
        feed: Feed,
        runs: Sequence[Run | None],
        samples: Sequence[Sequence[torch.Tensor] | None],
    ) -> None:
        """Begin with none.

        Args:
            runs: the kernel of most updates, and that of the last one of an epoch, where it takes
                fewer rows; samples: what the first update of each takes.
        """
        self._feed, self._held = feed, Held()
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
        run, form = self._runs[is_last], self._forms[is_last]
        updates = []
        for each in range(step, step + count):
            data = self._held.get(seed, each)
            if data is None:
                fed = self._feed.at(seed, each)
                if _form(fed) != form:
                    raise ContractError(
                        f"noise() returns tensors of other shapes or dtypes at step {each} than at "
                        "the first, and what is compiled takes only these: return the same at each "
                        "step, or run with --program eager"
                    )
                data = run.data_of(fed)
                self._held.put(seed, each, data)
            updates.append(data)
        return Taken(updates, run)

    def forget(self) -> None:
        """Hold nothing any more."""
        self._held = Held()

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
