"""The command that tells how a search would be run: ``shoal explain``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoal.search.command.arguments import asked_of, of_a_search
from shoal.search.command.terminal import moving, printed
from shoal.search.process import streams
from shoal.search.request import check_standing

if TYPE_CHECKING:
    from shoal.search.explaining import Explained, Explanation

KINDS = {
    "kernel": "a kernel: fits side by side in vector registers",
    "pieces": "kernels, and calls of torch between them",
    "captured": "compiled by torch, and recorded on the GPU",
    "eager": "operations of torch, each on all fits of a block",
    "sequential": "operations of torch, one fit after the other: they are large",
    "single": "operations of torch, one fit at a time",
}
"""How a step is run (`shoal.trainable.programs.settled`), in words."""

COUNTED = {"pieces": ", by the kernels", "sequential": ", by matrix products"}
"""What a share of the core's peak counts, where it is not all of a step."""


@click.command()
@of_a_search
@click.option("--measure", is_flag=True, help="Measure the time of an update: seconds a program.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def explain(
    problem: str | None,
    space: tuple[str, ...],
    config: Path | None,
    measure: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Tell how the fits of a search would be run: as kernels or not, why, and about how fast.

    It takes what shoal run takes. No run folder is made.
    """
    check_standing()
    with moving("starting"), streams.printing():
        from shoal.search.explaining import explain as explained

        told = explained(asked_of(problem, space, config, settings), measure=measure)
    printed(json.dumps(asdict(told)) if as_json else "\n".join(_lines(told)))


def _lines(told: Explanation) -> Iterator[str]:
    request = told.request
    fits = f"{request.lanes:,} fit" + "s" * (request.lanes != 1)
    length = f"{request.steps:,} updates" + (f", {request.epochs} epochs" * (request.epochs > 0))
    yield f"problem   {request.problem}: {fits} of {length}"
    for each in told.shapes:
        yield from _of_shape(each, alone=told.count == 1)
    if told.count > len(told.shapes):
        yield f"          and {told.count - len(told.shapes)} programs more"
    many = f"{request.block} fits in each operation" + (
        f", {request.unroll} updates in each call" * (request.unroll > 1)
    )
    yield f"blocks    {many}"
    if request.steps:
        seconds = _time(request.lane_seconds / request.steps)
        yield f"estimate  {seconds} of a core for an update of a fit"
    for note in told.notes:
        yield f"note      {note}"


def _of_shape(each: Explained, *, alone: bool) -> Iterator[str]:
    names = " ".join(f"{name}={value}" for name, value in each.shape.items())
    of = "" if alone else f"{names}: "
    yield f"step      {of}{KINDS[each.kind]}"
    if each.operations:
        yield f"          {each.operations} operations of torch in an update of a fit"
    if each.why and not each.calls:
        yield f"          no kernel: {each.why}"
    for why, count in Counter(each.calls).items():
        yield f"          torch: {why}" + (f", {count} times" if count > 1 else "")
    if each.metrics:
        why = f", since {each.why_metrics}" if each.why_metrics else ""
        yield f"metrics   {of}" + (KINDS["kernel"] if each.metrics == "kernel" else f"torch's{why}")
    if each.measured is not None:
        plain, seconds = each.measured.plain, each.measured.seconds
        yield (
            f"measured  {of}{_time(seconds)} of a core for an update of a fit; "
            f"{_time(plain)} one fit at a time"
        )
        if each.measured.share is not None:
            share = f"{100 * each.measured.share:.0f} % of the core's peak of multiply-adds"
            yield f"          {share}{COUNTED.get(each.kind, '')}"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
