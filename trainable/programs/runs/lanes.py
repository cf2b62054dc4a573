"""Functions of stacked tensors, as a program holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.fx import GraphModule

from shoal.trainable.compiling import Run


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


def one_by_one(function: Callable[..., Sequence[torch.Tensor]], own: int, *, copied: bool) -> Run:
    """A function of one lane's tensors as one of several lanes, called for one after the other.

    Args:
        own: how many of its arguments, the first, have lanes.
        copied: whether it is given copies of these, since it may change them.
    """

    def of(lane: int, arguments: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        given = [tensor[lane] for tensor in arguments[:own]]
        if copied:
            given = [tensor.clone() for tensor in given]
        return function(*given, *arguments[own:])

    def all_of(arguments: list[torch.Tensor]) -> Sequence[torch.Tensor]:
        lanes = len(arguments[0])
        if lanes == 1:
            return [made.contiguous()[None] for made in of(0, arguments)]
        made = [of(lane, arguments) for lane in range(lanes)]
        return [torch.stack(parts) for parts in zip(*made, strict=True)]

    return all_of


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
