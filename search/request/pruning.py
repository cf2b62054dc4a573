"""Which fits a search ends early: its pruner, and at which reports it looks."""

from __future__ import annotations

from shoal.search.errors import BadInput
from shoal.search.request.request import Request
from shoal.trainable.errors import PrunerError
from shoal.trainable.pruning import NONE, Pruner, before_the_last, pruner_of


def pruner_text(text: str) -> str:
    """Return a pruner as a ``search.toml`` has it, with all of its parameters.

    Raises:
        BadInput: there is none of this name, or it has no such parameter.
    """
    try:
        pruner = pruner_of(text)
    except PrunerError as error:
        raise BadInput(str(error)) from error
    return NONE if pruner is None else str(pruner)


def check_pruner(text: str, report: int, length: int) -> None:
    """Check that fits can be judged before their end.

    Args:
        report: steps, or epochs, between two reports; length: of a fit.

    Raises:
        BadInput: they cannot.
    """
    pruner = pruner_of(text)
    if pruner is None:
        return
    last = before_the_last(report, length)
    if not last:
        raise BadInput(
            f"pruner {pruner.name} judges fits at reports before their last, and each has one "
            f"report alone; give --report below {length}"
        )
    if not pruner.rungs(report, length):
        raise BadInput(
            f"pruner {pruner.name} judges no fit: start must be at most {last * report}, the last "
            f"report before the end, not {pruner.start}"
        )


def pruning_of(request: Request) -> tuple[Pruner | None, tuple[int, ...]]:
    """Return what prunes the fits of a search, and the reports at which it judges them, from 1 on;
    None: nothing does."""
    pruner = pruner_of(request.pruner)
    if pruner is None:
        return None, ()
    length = 0 if request.called else request.epochs or request.steps
    return pruner, pruner.rungs(request.report, length)
