"""A trial of a run folder called again, with its hyperparameters and seed."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy

from shoal.search.errors import SearchError
from shoal.search.fits.calling import outcome_of
from shoal.search.fits.chosen import Chosen
from shoal.search.folder import RunFolder
from shoal.search.preparation import source_of
from shoal.search.process import own_settings
from shoal.search.rounds import call_recipe, call_task
from shoal.trainable.errors import TrainableError
from shoal.trainable.functions import Limits, files_of
from shoal.trainable.lanes import STATES


@dataclass(frozen=True, kw_only=True)
class Again:
    """A call that was done again.

    Attributes:
        numbers: what counts of its reports, by name; steps: of its last report; state: how it
            ended.
        same: whether these are the table's, bit for bit.
        notes: what the user should know; a line each.
        printed: what the call has printed.
    """

    numbers: dict[str, float]
    steps: int
    state: str
    same: bool
    notes: tuple[str, ...]
    printed: str


@own_settings()
def call_again(
    folder: RunFolder, fit: Chosen, trust: bool = False, save: Path | None = None
) -> Again:
    """Call again what a search has called.

    Args:
        trust: whether the code of the folder may be another user's.
        save: where its checkpoint goes; None: nowhere.

    Raises:
        SearchError: it cannot be loaded, or fails here.
    """
    request = folder.request
    source = source_of(folder, named=False, trust=trust, runs=True)
    temp = Path(tempfile.mkdtemp(prefix="shoal-"))
    try:
        recipe = call_recipe(request, source.at(folder.copies), temp, Limits())
        task, log, place = call_task(recipe, request, fit.row)
        outcome, printed = outcome_of(recipe, task, log)
        fitted = outcome.fitted
        if fitted is None:
            told = outcome.error or outcome.fault
            raise SearchError(f"it fails here: {told}\n{outcome.details}".rstrip())
        found = dict(zip(fitted.names, fitted.metrics[0].tolist(), strict=True))
        held = {name: math.nan if fit.row[name] is None else fit.row[name] for name in found}
        steps, state = int(fitted.steps[0]), STATES[int(fitted.state[0])]
        same = steps == fit.row["steps"] and state == fit.row["state"]
        same &= all(numpy.array_equal(found[n], held[n], equal_nan=True) for n in found)
        if save is not None:
            files = files_of(place)
            if files is None:
                raise SearchError(f"{save} is not made: the call has left no checkpoint")
            shutil.copytree(files, save, symlinks=True)
        return Again(
            numbers=found,
            steps=steps,
            state=state,
            same=same,
            notes=outcome.notes,
            printed=printed,
        )
    except TrainableError as error:
        raise SearchError(str(error)) from error
    finally:
        shutil.rmtree(temp, ignore_errors=True)
        source.release()
