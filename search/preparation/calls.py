"""A new search whose fits are calls of a function or of a program."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from shoal.search.errors import BadInput
from shoal.search.preparation.conditions import check_conditions
from shoal.search.preparation.declared import CURVE
from shoal.search.preparation.prepared import Prepared
from shoal.search.request import (
    FUNCTION,
    LEFT_OUT,
    PROGRAM,
    ROUND,
    STACKED,
    Asked,
    Objective,
    Request,
    Resolved,
)
from shoal.search.space import COLUMNS, Dimension, Space, of_names
from shoal.trainable.columns import LOSS
from shoal.trainable.errors import TrainableError
from shoal.trainable.functions import RESERVED, Command, Declared, declared
from shoal.trainable.problems import Source
from shoal.trainable.process import World

EXEC = "--exec"
"""What a program is called in messages."""

OF_CALLS = ("exec", "read", "cpus", "gpus")
"""Settings that mean nothing to a problem whose fits shoal does itself."""


def check_said(asked: Asked, kind: str) -> None:
    """Check that what is asked for means something to a kind of problem.

    Raises:
        BadInput: a setting means nothing.
    """
    for name in asked.given:
        if kind == STACKED and name in OF_CALLS:
            raise BadInput(
                f"{name} is of functions and programs that are called for each fit, which this "
                "problem is not; leave it out"
            )
        if kind != STACKED and name == "folds" and asked.folds != 1:
            raise BadInput(
                f"folds split the rows of a problem that shoal fits; a {kind} has to split its "
                "own: leave it out, and report the mean of its folds"
            )
        if kind != STACKED and name in LEFT_OUT and name != "folds":
            raise BadInput(
                f"{name} is of problems that shoal fits itself; a {kind} says with its own "
                "hyperparameters how it fits: leave it out"
            )


def called(asked: Resolved, given: Mapping[str, Dimension], source: Source) -> Prepared:
    """Return a new search of a function.

    Raises:
        BadInput: it cannot be done. TrainableError: the function cannot be called.
    """
    function: Any = source.named()
    found = declared(function)
    offered = getattr(function, "space", {})
    if not isinstance(offered, Mapping):
        raise BadInput(f"{found.name}: its space must be a dict of names and values")
    space = _space({**of_names(offered), **given}, found, given)
    metrics = getattr(function, "metrics", ())
    if isinstance(metrics, str) or not isinstance(metrics, Sequence):
        raise BadInput(f"{found.name}: its metrics must be a list of names, as ['loss']")
    _check_metrics(metrics, space)
    try:
        own = Objective.parse(getattr(function, "objective", LOSS))
    except BadInput as error:
        raise BadInput(f"{found.name}: its {error}") from error
    objective = own if asked.objective is None else Objective.parse(asked.objective, usual=own)
    source = source.complete()
    return _prepared(
        asked,
        source,
        space,
        objective,
        kind=FUNCTION,
        metrics=tuple(metrics),
        asks=found.asks,
        files=source.files,
    )


def programmed(asked: Resolved, given: Mapping[str, Dimension]) -> Prepared:
    """Return a new search of a program.

    Raises:
        BadInput: it cannot be done.
    """
    world = World.here()
    command = Command(text=asked.exec or "", reads=asked.read or {})
    try:
        command.check()
        source = source_of_program(asked.problem, command, world)
    except TrainableError as error:
        raise BadInput(str(error)) from error
    names = command.names
    asks = tuple(name for name in names if name in ("seed", "checkpoint"))
    own = command.defaults
    wanted = tuple(name for name in names if name not in (*RESERVED, *own))
    space = _space(dict(given), Declared(name=EXEC, own=own, needed=wanted, asks=asks), given)
    metrics = tuple(name for name in command.reads if name != "step")
    _check_metrics(metrics, space)
    objective = Objective.parse(LOSS if asked.objective is None else asked.objective)
    return _prepared(
        asked, source, space, objective, kind=PROGRAM, metrics=metrics, asks=asks, files=()
    )


def source_of_program(name: str, command: Command, world: World) -> Source:
    """Return what stands for a program, as the source of a problem does for a class.

    Raises:
        SourceError: there is no such program.
    """
    return Source(spec=name, cls="", module="", sha256=command.hashed(world.folder), world=world)


def _space(dimensions: Mapping[str, Dimension], found: Declared, given: Collection[str]) -> Space:
    """The space, each of whose hyperparameters the function or program takes.

    Args:
        given: those that the user has asked for.

    Raises:
        BadInput: it does not, or lacks one.
    """
    for name in dimensions:
        if name in RESERVED:
            raise BadInput(
                f"{name} is a name of what shoal gives to a call, and cannot be searched; call the "
                f"hyperparameter otherwise, as {name}_"
            )
        if not found.any and name not in found.known:
            known = ", ".join(found.known) or "none"
            raise BadInput(f"unknown hyperparameter {name!r}; {found.name} has: {known}")
    for name in found.needed:
        if name not in dimensions:
            raise BadInput(f"{name} has no value; give one, as in --space {name}=1e-3:1:log")
    if not dimensions:
        raise BadInput("there is nothing to search; give --space, as in lr=1e-5:1e-1:log")
    space = Space(dimensions.values())
    check_conditions(space, given)
    for name in found.needed:
        if name in space.conditional:
            value = dimensions[name].samples()[0]
            way = f"{{{name}={value}}}" if found.name == EXEC else f"{name}={value!r}"
            raise BadInput(
                f"{name} has a condition, and where it does not hold {found.name} needs a default: "
                f"write {way} there"
            )
    return space


def _check_metrics(metrics: Collection[Any], space: Space) -> None:
    for name in metrics:
        if not isinstance(name, str) or not name.isidentifier():
            raise BadInput(f"{name!r} cannot be the name of a metric; call it accuracy, say")
        if name in taken(space) or name.startswith(CURVE):
            raise BadInput(
                f"the metric {name!r} is called like another column of the results; call it "
                f"otherwise, as own_{name}"
            )


def taken(space: Collection[str]) -> tuple[str, ...]:
    """Return the names that no number of a report may have."""
    return (*(name for name in COLUMNS if name != LOSS), *space)


def _prepared(
    asked: Resolved, source: Source, space: Space, objective: Objective, **own: Any
) -> Prepared:
    metrics = own["metrics"]
    if metrics and objective.name not in metrics:
        raise BadInput(
            f"unknown objective {objective.name!r}; known: {', '.join(metrics)}; choose one, as in "
            f"--objective {metrics[0]}:max"
        )
    request = Request(
        problem=asked.problem,
        source=source.sha256,
        began=source.world,
        space=space,
        sampler=asked.sampler,
        trials=asked.trials,
        replicates=asked.replicates,
        objective=str(objective),
        select=asked.select,
        patience=asked.patience,
        stop_when=asked.stop_when or (),
        max_updates=asked.max_updates,
        keep=asked.keep,
        seed=asked.seed,
        round=asked.round or ROUND,
        exec=asked.exec or "",
        read=asked.read or {},
        cpus=asked.cpus,
        gpus=asked.gpus,
        **{**LEFT_OUT, **own},
    )
    notes = tuple[str, ...]()
    if not asked.gpus and (there := torch.cuda.device_count()):
        notes = (f"calls see none of the {there} GPUs here; --gpus 1 gives each call one",)
    return Prepared(
        request=request, source=source, shape_names=tuple(space), folder=None, notes=notes
    )
