"""Whether a compiled function gives the numbers that torch gives, up to rounding.

The error of a compiled function is measured against the same function in float64, and compared
with what rounding does to torch's own result: its error against float64, and how far it moves where
each operation's result is changed in its last digit (Monte Carlo arithmetic; Parker 1997). A number
that moves by more than it means, such as one that hangs on a comparison of all but equal numbers,
tells nothing and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import GraphModule

from shoal.trainable.programs.comparing.noise import Noisy

Tensors = Sequence[torch.Tensor]

FACTOR, ULPS = 8.0, 16.0
"""An error is too large above so many times that of torch, and so many units in the last place."""

NOISY_RUNS = (4, 12, 32)
"""How often last digits are changed, where a number is off by more than torch's own: more often,
while one still seems wrong, since by chance none of a few changes moves a number."""

UNSETTLED = 1e-2
"""A result whose own error is more than this share of it tells nothing."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Result of an elementwise comparison.

    Attributes:
        wrong: shape as the result's, bool: where the compiled function is wrong.
        unsettled: the same, where nothing can be told.
        exact: what is right, in float64.
    """

    wrong: torch.Tensor
    unsettled: torch.Tensor
    exact: torch.Tensor


Step = Callable[[list[torch.Tensor]], Tensors]
"""One update: of what changes and what stays, in one list, what it tells and what has changed."""


def iterated(step: Step, own: Tensors, rows: Sequence[Tensors], carried: int) -> list[torch.Tensor]:
    """Return what the last of several updates gives.

    Args:
        own: inputs of each lane; rows: what follows them, of each update.
        carried: how many of `own`, the first, each update replaces by its last results.
    """
    held = list(own)
    made: Tensors = ()
    for taken in rows:
        made = step([*held, *taken])
        if carried:
            held[:carried] = [moved.contiguous() for moved in made[len(made) - carried :]]
    return list(made)


def verdicts(
    found: Tensors,
    graph: GraphModule,
    exact: Step | None,
    own: Tensors,
    rows: Sequence[Tensors],
    *,
    carried: int,
    few: GraphModule | None = None,
) -> list[Verdict]:
    """Judge what a compiled function has made of `own`, inputs of each lane, and of `rows`, what
    each update takes besides.

    Args:
        found: its results, each of shape (lanes, ...).
        graph: the trace of one update, as torch runs it.
        few: the same of few operators (`decomposed`), each of which rounds; None: `graph` itself.
        exact: the same update of float64 tensors; None: torch's own results count as exact.
    """
    eager = iterated(_of_list(graph), own, rows, carried)
    truth = eager
    if exact is not None:
        doubled = [[_double(tensor) for tensor in taken] for taken in rows]
        truth = iterated(exact, [_double(tensor) for tensor in own], doubled, carried)
    noisy: list[list[torch.Tensor]] = []
    for count in (0, *NOISY_RUNS):
        runs = [Noisy(few or graph, seed).run for seed in range(len(noisy), count)]
        noisy += [iterated(_of_list(run), own, rows, carried) for run in runs]
        every = [
            judged(ours, theirs, true, moved)
            for ours, theirs, true, *moved in zip(found, eager, truth, *noisy, strict=True)
        ]
        if not any(bool(verdict.wrong.any()) for verdict in every):
            break
    return every


def judged(
    found: torch.Tensor, eager: torch.Tensor, exact: torch.Tensor, noisy: Tensors
) -> Verdict:
    """Judge one result of shape (lanes, ...).

    Args:
        eager: what torch gives; exact: the same in float64; noisy: with last digits changed.
    """
    info = torch.finfo(eager.dtype)
    ours, theirs, true = found.double(), eager.double(), exact.double()
    moved = [run.double() for run in noisy]
    kinds = [_kind(run) for run in (theirs, true, *moved)]
    unsettled = torch.zeros_like(kinds[0], dtype=torch.bool)
    for kind in kinds[1:]:
        unsettled |= kind != kinds[0]
    finite = kinds[0] == 0
    error = (theirs - true).abs()
    for run in moved:
        error = torch.maximum(error, (run - theirs).abs())
    told = finite & ~unsettled  # a number that only some give is no measure for its lane
    error = torch.where(told, error, 0.0)
    size = torch.where(told, true.abs(), 0.0)
    # the numbers of one lane are sums of the same terms: their roundings are alike
    scale = size
    if size.numel():
        scale = size.reshape(len(size), -1).amax(1).view(-1, *[1] * (size.dim() - 1))
    unsettled |= error > UNSETTLED * scale + info.tiny
    allowed = FACTOR * error + ULPS * (info.eps * scale + info.tiny)
    wrong = torch.where(finite, ~((ours - true).abs() <= allowed), _kind(ours) != kinds[0])
    return Verdict(wrong=wrong & ~unsettled, unsettled=unsettled, exact=true)


def _of_list(run: Callable[..., Any]) -> Step:
    """A function of several tensors as one of their list."""
    return lambda held: tuple(run(*held))


def _kind(numbers: torch.Tensor) -> torch.Tensor:
    """0 where a number is finite, 1 and -1 where it is infinite, 2 where it is none."""
    kind = torch.where(torch.isinf(numbers), torch.sign(numbers), 0.0)
    return torch.where(torch.isnan(numbers), 2.0, kind)


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
