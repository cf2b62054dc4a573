"""A new search: its problem is found and checked, and what is not said is filled in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from shoal.search.errors import BadInput
from shoal.search.preparation.calls import called, check_said, programmed
from shoal.search.preparation.conditions import check_conditions, check_defaults, is_number
from shoal.search.preparation.declared import (
    check_epochs,
    check_metric_names,
    check_names,
    default_values,
    objective_of,
)
from shoal.search.preparation.prepared import Prepared
from shoal.search.preparation.updates import WORDS, Updates, known_of
from shoal.search.programs import Meanwhile, Programs, points_of, programs_of
from shoal.search.request import (
    FUNCTION,
    PROGRAM,
    STACKED,
    Asked,
    Request,
    Resolved,
    check_pruner,
    pruner_text,
)
from shoal.search.request.amendments import MAX_PACK, Stage, layout_of
from shoal.search.samplers import may_repeat
from shoal.search.space import Dimension, Searched, Space, of_names, range_meant
from shoal.trainable.checking import check
from shoal.trainable.errors import TrainableError
from shoal.trainable.memory import Generated
from shoal.trainable.modules import path_read
from shoal.trainable.problems import Folds, Source, find, hyperparameters, made

Complete = Callable[[Prepared], Prepared]

MAX_SHAPES = 16
"""Combinations of shape hyperparameters that the contract is tried with."""

MAX_COMBINED = 4096
"""Combinations of values among which these are sought."""


def load_source(spec: str) -> Source:
    """Return the source of the problem that `spec` names."""
    try:
        return find(path_read(spec))
    except TrainableError as error:
        raise BadInput(str(error)) from error


def begin(
    asked: Resolved,
    given: dict[str, Dimension],
    meanwhile: Meanwhile,
    generated: Generated | None,
    said: Asked,
    complete: Complete,
) -> Prepared:
    """Return a new search.

    Args:
        said: what the user said of `asked`.
        complete: checks what does not depend on the programs, and adds it, before any is compiled.
        given: the space that was asked for; the problem's own has the rest.
        generated: the module of a problem in memory; None: it is named.

    Raises:
        BadInput: it cannot be done.
    """
    if asked.exec is not None:
        check_said(said, PROGRAM)
        return complete(programmed(asked, given))
    if generated is None:
        source = load_source(asked.problem)
    else:
        try:
            source = made(generated)
        except TrainableError as error:
            raise BadInput(str(error)) from error
    try:
        stacked = isinstance(source.named(), type)
        check_said(said, STACKED if stacked else FUNCTION)
        if stacked:
            new = _checked(asked, given, source, meanwhile, complete)
        else:
            new = complete(called(asked, given, source))
    except BaseException as error:
        source.release()
        if isinstance(error, (TrainableError, BadInput)) and generated is not None:
            raise BadInput(generated.told(str(error), source.files[0].original)) from error
        if isinstance(error, TrainableError):
            raise BadInput(str(error)) from error
        raise
    return new if generated is None else replace(new, notes=(*generated.notes, *new.notes))


def _checked(
    asked: Resolved,
    given: dict[str, Dimension],
    source: Source,
    meanwhile: Meanwhile,
    complete: Complete,
) -> Prepared:
    """A new search of a problem that keeps the contract."""
    problem = source.load()
    declared = hyperparameters(problem)
    offered = getattr(problem, "space", {})
    if not isinstance(offered, Mapping):
        raise BadInput(f"{problem.__name__}.space must be a dict of names and values")
    dimensions = {**of_names(offered), **given}
    updates = Updates.of(dimensions, known_of(problem))
    of_others = updates.of_others - {*given, *declared.shape, *declared.own}
    dimensions = {name: d for name, d in dimensions.items() if name not in of_others}
    check_names(dimensions, declared, updates)
    space = Space(dimensions.values(), updates.conditions(dimensions))
    check_conditions(space, given)
    check_defaults(declared, updates, space)
    if not space:
        raise BadInput("there is nothing to search; give --space, as in lr=1e-8:1e-4:log")
    shape_names = tuple(name for name in space if name in (*WORDS, *declared.shape))
    for name, dimension in space.items():
        number = name not in shape_names or is_number(declared.shape.get(name))
        if number and (way := range_meant(name, dimension.values_text)):
            raise BadInput(f"{name}={dimension.shown}: {way}")
        if name not in shape_names and dimension.column in ("str", "bool"):
            raise BadInput(f"{name}={dimension.shown}: {name} takes numbers")
        if name in shape_names and math.isinf(dimension.count):
            raise BadInput(
                f"{name}={dimension.shown}: {name} changes the program, and each value needs "
                "one of its own; give choices, whole numbers or a step"
            )
    for name, default in declared.shape.items():
        if default is None and name not in space:
            raise BadInput(f"{name} has no value; give one, as in --space {name}=16")
    defaults = default_values(declared, updates, space)
    notes = tuple[str, ...]()
    if (trials := different_trials(asked.trials, asked.sampler, space)) < asked.trials:
        notes = (f"the space has {trials} different trials: the search ends after these",)
        asked = replace(asked, trials=trials)
    folds = Folds(count=asked.folds, seed=asked.seed) if asked.folds > 1 else None

    names = [name for name in shape_names if name not in WORDS]
    samples = {name: space[name].samples() for name in names}
    shapes = Searched(space).combinations(samples, most=MAX_COMBINED)[:MAX_SHAPES]
    points = points_of(space, shape_names, defaults)
    checked = check(problem, updates=updates.pairs, shapes=shapes, points=points, folds=folds)
    check_metric_names(checked.metrics, declared, space)
    objective = objective_of(problem, asked.objective, checked.metrics)
    objective.check_ends(asked.stop_when or ())
    epoch = checked.of_an_epoch
    check_epochs(problem, asked.epochs, epoch)
    length = asked.epochs or asked.steps
    report = min(asked.report or max(1, length // 20), length)
    check_pruner(asked.pruner, report, length)
    steps = asked.epochs * epoch or asked.steps
    request = Request(
        problem=asked.problem,
        source=source.sha256,
        files=source.files,
        began=source.world,
        space=space,
        sampler=asked.sampler,
        trials=asked.trials,
        replicates=asked.replicates,
        objective=str(objective),
        select=asked.select,
        patience=asked.patience,
        pruner=pruner_text(asked.pruner),
        stop_when=asked.stop_when or (),
        max_updates=asked.max_updates,
        folds=asked.folds,
        keep=asked.keep,
        metrics=checked.metrics,
        steps=steps,
        epochs=asked.epochs,
        report=report,
        seed=asked.seed,
        diverge_factor=float(asked.diverge_factor),
        program=asked.program,
        block=1,
        unroll=1,
        lane_seconds=0.0,
        round=asked.round,
        pack=asked.pack,
    )
    draft = complete(
        Prepared(
            request=request,
            source=source,
            defaults=defaults,
            shape_names=shape_names,
            folder=None,
            notes=(*notes, *checked.notes),
        )
    )
    cuda = torch.cuda.is_available()
    layout = layout_of(
        [Stage(asked.trials, asked.replicates)], size=asked.round, pack=asked.pack, whole=True
    )
    running, settled = programs_of(
        replace(asked, steps=steps),
        checked.works,
        Programs(
            problem=problem,
            space=space,
            names=shape_names,
            defaults=defaults,
            points=points,
            report=report * (epoch if asked.epochs else 1),
            pack=asked.pack or MAX_PACK,
            together=layout[len(layout) - 1].pack,
            device="cuda" if cuda else "cpu",
            folds=folds,
            single=checked.single,
            fed=epoch > 0 or checked.noisy,
        ),
        meanwhile,
    )
    source = source.complete()  # all of its code has run by now, for each shape
    request = replace(
        draft.request,
        source=source.sha256,
        files=source.files,
        program=running.program,
        block=running.block,
        unroll=running.unroll,
        lane_seconds=running.lane_seconds,
        pack=asked.pack or running.pack,
        settled=settled,
    )
    return replace(draft, request=request, source=source, notes=(*draft.notes, *running.notes))


def different_trials(trials: int, sampler: str, space: Space) -> int:
    """How many of so many trials are different ones, where what is inactive makes no difference
    and the sampler repeats none."""
    if not space.conditional:
        return trials
    most = Searched(space).count
    return trials if most is None or most >= trials or may_repeat(sampler) else most
