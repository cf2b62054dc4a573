"""The result of a search as an Optuna study, in memory or in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoal.search.results.result import Result
from shoal.search.studies import frozen, store, study_of

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


def study(result: Result) -> optuna.Study:
    """Return a study in memory with every trial that has ended."""
    return study_of(_trials(result, None, None), result.objective.maximize)


def export(
    result: Result,
    storage: str,
    name: str | None = None,
    best: int | None = None,
    reports: int | None = None,
) -> int:
    """Write the study of `Result.study` into a new file, and return how many trials it has.

    Args:
        storage: ``journal:FILE`` or ``sqlite:///FILE``.
        name: of the study; that of the run folder if absent.
        best: how many trials are taken, the best ones; all of them if absent.
        reports: intermediate values of a trial at the most; all of them if absent.

    Raises:
        BadInput: the file is there already, or cannot be written.
    """
    return store(
        storage, name or result.path.name, lambda: _trials(result, best, reports), result.objective
    )


def _trials(result: Result, best: int | None, reports: int | None) -> list[FrozenTrial]:
    only = None if best is None else result._ranked(best)["trial"].tolist()
    rows, curves = result._rows, result._curves
    return frozen(rows, curves, result.space, result.objective, result.fits, only, reports)
