"""From what was asked to a request: fill in defaults, check everything, touch nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from shoal.search.errors import BadInput
from shoal.search.folder import RunFolder, reserved, stands
from shoal.search.known import known_with
from shoal.search.preparation.amending import amended
from shoal.search.preparation.beginning import begin
from shoal.search.preparation.calls import check_said
from shoal.search.preparation.declared import default_values
from shoal.search.preparation.prepared import Prepared
from shoal.search.preparation.resuming import check_own, check_owner, source_of, unreadable
from shoal.search.preparation.updates import WORDS, Updates, known_of
from shoal.search.process import own_settings
from shoal.search.programs import Meanwhile
from shoal.search.request import Asked, Request
from shoal.search.samplers import SAMPLERS
from shoal.search.space import Dimension
from shoal.trainable.errors import TrainableError
from shoal.trainable.memory import Generated
from shoal.trainable.problems import hyperparameters

OWN = ("tpe", "qmc", "random")
"""Samplers that reckon with coordinates, and so take ranges of any width."""


@own_settings()
def prepare(
    asked: Asked,
    out: Path | None,
    trust: bool = False,
    meanwhile: Meanwhile | None = None,
    generated: Generated | None = None,
) -> Prepared:
    """Return the search that `asked` describes, new or in the run folder `out`.

    The programs of a new one are compiled where that is worth while, so that the request says how
    each is run. No code of a folder is run here: `load` does that, where there is something left to
    do.

    Args:
        asked: what is not said takes its default, or what the folder holds.
        trust: whether the code of a folder may run that another user could have written.
        meanwhile: what is seen to while compiling takes long.
        generated: the problem, where it is a class in memory.

    Raises:
        BadInput: it cannot be done; one line says why. Nothing was made or changed.
    """
    asked = asked.without_auto()
    space = asked.dimensions
    if out is not None and stands(out) and not reserved(out):
        return _go_on(asked, space, RunFolder.open(out), trust, generated)
    new = begin(
        asked.resolved(),
        space,
        meanwhile or Meanwhile(),
        generated,
        asked,
        lambda draft: _with_points(draft, asked),
    )
    return replace(new, named=out is not None)


def _with_points(new: Prepared, asked: Asked) -> Prepared:
    """A new search with the points that it begins with, and what its sampler knows."""
    request = new.request
    _check_widths(request)
    if request.sampler not in SAMPLERS:
        from shoal.search.samplers.studies import check_sampler  # it loads Optuna

        sampling = check_sampler(request.sampler, request.space, request.seed)
        request = replace(request, sampling=sampling)
    known = known_with(asked, request, out=None)
    if (least := known.run(request.goal.name)) > request.trials:
        raise BadInput(
            f"there are {least} points to try, and {request.trials} trials asked for: give "
            f"--trials {least} or more"
        )
    return replace(
        new,
        request=replace(request, **known.more),
        known=known.content,
        notes=(*new.notes, *known.notes),
    )


def _check_widths(request: Request) -> None:
    """Check that a sampler of Optuna's has no range whose width is no float.

    Raises:
        BadInput: it has.
    """
    for name, dimension in request.space.items():
        if math.isinf(dimension.high - dimension.low) and request.sampler not in OWN:
            raise BadInput(
                f"{name}={dimension.shown}: the ends are too far apart for {request.sampler}; "
                f"choose {', '.join(OWN)}, or nearer ends"
            )


def load(prepared: Prepared, done: int) -> Prepared:
    """Return a search that goes on, with what its problem's code declares, if it is not whole.

    Args:
        done: rows that are there; where these are all, no code runs.

    Raises:
        RunFolderError: a copy is not what was written.
        BadInput: a hyperparameter has no value.
    """
    request = prepared.request
    if prepared.folder is None or done == request.lanes:
        return prepared
    if request.called:
        return replace(prepared, shape_names=tuple(request.space))
    try:
        problem = prepared.source.load()
        declared, known = hyperparameters(problem), known_of(problem)
    except TrainableError as error:
        raise unreadable(error, prepared.source) from error
    return replace(
        prepared,
        defaults=default_values(declared, Updates.of(request.space, known), request.space),
        shape_names=tuple(name for name in request.space if name in (*WORDS, *declared.shape)),
    )


def _go_on(
    asked: Asked,
    space: dict[str, Dimension],
    folder: RunFolder,
    trust: bool,
    generated: Generated | None,
) -> Prepared:
    """The search that `folder` holds, if it is the one asked for."""
    if folder.earlier is not None:
        raise BadInput(
            f"{folder.path} was written by an earlier version of shoal (format {folder.earlier}): "
            "it can be read, not gone on with; choose another --out"
        )
    check_own(folder)
    request = folder.request
    check_said(asked, request.kind)
    known = known_with(asked, request, folder.path)
    request, told = amended(asked, space, request, folder.path, known)
    more = request != folder.request
    runs = more or not folder.whole
    if request.without_momentum and runs:
        raise BadInput(
            f"{folder.path} was begun by an earlier version of shoal, whose sgd had no momentum: "
            "it can be read, not gone on with; choose another --out"
        )
    named = asked.problem is not None
    source = source_of(folder, named=named, trust=trust, generated=generated, more=more)
    if runs and request.sampler not in SAMPLERS:
        from shoal.search.samplers.studies import check_sampler, files_of  # it loads Optuna

        check_owner(folder, files_of(request.sampler), trust)
        if check_sampler(request.sampler, request.space, request.seed) != request.sampling:
            raise BadInput(
                f"{folder.path} was begun with another version of the sampler {request.sampler}; "
                "put it back, or choose another --out"
            )
    began, notes = source.world, told
    if began.gone and runs:
        notes = (
            *told,
            f"{began.folder}, where this search began, is not there: it goes on with the copies "
            "of its code",
        )
    return Prepared(
        request=request,
        source=source,
        folder=folder,
        known=known.content,
        notes=(*notes, *known.notes),
    )
