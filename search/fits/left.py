"""What a fit has left in its run folder: fitted parameters, or the checkpoint of a call."""

from __future__ import annotations

from pathlib import Path

from shoal.search.errors import BadInput
from shoal.search.fits.chosen import Chosen
from shoal.search.folder import One, RunFolder
from shoal.trainable.functions import FOLDER, files_of, place_of


def held(folder: RunFolder, fit: Chosen) -> One | None:
    """Return the fitted parameters of a fit; None: they are not kept."""
    if fit.fold is None:
        return None
    return folder.parameters(fit.trial, fit.replicate, fit.fold)


def kept(folder: RunFolder, fit: Chosen) -> One:
    """Return the fitted parameters of a fit.

    Raises:
        BadInput: they are not kept.
    """
    check_stacked(folder, "parameters")
    one = held(folder, fit)
    if one is None:
        raise BadInput(
            f"the parameters of {fit.name} are not kept (keep={folder.request.keep}): shoal fit "
            f"{folder.path} {fit.options} makes them again, or result.refit in Python"
        )
    return one


def check_stacked(folder: RunFolder, what: str) -> None:
    """Check that shoal itself has done the fits of a run folder.

    Raises:
        BadInput: they are calls, of whose models it knows nothing.
    """
    if folder.request.called:
        raise BadInput(
            f"{folder.path} holds calls of a {folder.request.kind}, of which shoal has no {what}; "
            "what the best has left in its checkpoint is in the folder result.checkpoint('best')"
        )


def checkpoint_of(folder: RunFolder, fit: Chosen) -> Path:
    """Return the folder with what a call has left in its checkpoint.

    Raises:
        BadInput: it is not kept.
    """
    found = files_of(folder.path / FOLDER / place_of(fit.trial, fit.replicate))
    if found is None:
        why = f"is not kept (keep={folder.request.keep})"
        if "checkpoint" not in folder.request.asks:
            why = "is not there: what is called does not take checkpoint"
        raise BadInput(
            f"the checkpoint of {fit.name} {why}; shoal fit {folder.path} {fit.options} --save "
            "FOLDER calls it again"
        )
    return found
