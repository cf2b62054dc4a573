"""`load` and `fit`: a search that is there, and one fit, from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shoal.search.fits import Fit, fit_once
from shoal.search.folder import RunFolder
from shoal.search.request import given_path
from shoal.search.results import Result


def load(path: str | Path) -> Result:
    """Return the result of the run folder `path`, finished or not.

    Raises:
        BadInput: it is no run folder.
        RunFolderError: a file of it is damaged; the message names it.
    """
    result = Result(RunFolder.open(given_path("path", path)))
    _ = result.ended  # read now, so that damage is told here
    return result


def fit(
    problem: str = "cubic-sine",
    /,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    report: int | None = None,
    **hyperparameters: Any,
) -> Fit:
    """Fit once, here and now, without a run folder.

    >>> import shoal
    >>> fit = shoal.fit("cubic-sine", lr=1e-6, steps=500)
    >>> fit.curve["step"].tolist()
    [99, 199, 299, 399, 499]
    >>> fit.loss < min(fit.curve["loss"].tolist())
    True

    Args:
        problem: a name, ``module:Class`` or ``file.py:Class``.
        steps: updates, 2000 if absent; epochs: instead of them, times through the rows, where the
            problem takes batches.
        seed: of the initial parameters.
        report: updates between two points of the curve, 100 if absent; with `epochs`: epochs, 1.
        hyperparameters: a value each, such as ``lr=1e-6, optimizer="adam"``; the others have their
            defaults.

    Raises:
        BadInput: the problem or a hyperparameter is wrong.
        SearchError: the fit diverged.
    """
    return fit_once(problem, hyperparameters, steps=steps, epochs=epochs, seed=seed, report=report)
