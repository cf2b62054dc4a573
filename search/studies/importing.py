"""A stored study as a run folder: read, compared and begun from like one of a search, and not gone
on with, since nothing tells how a trial of it was made."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import optuna
import pyarrow as pa
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from shoal.search import machine
from shoal.search.errors import BadInput
from shoal.search.folder import Writer, create, ledger, stands
from shoal.search.folder.tables import rows
from shoal.search.request import LEFT_OUT, STUDY, Objective, Request
from shoal.search.space import COLUMNS
from shoal.search.studies.distributions import Column, columns_of, space_of
from shoal.search.studies.memory import quiet_optuna
from shoal.search.studies.places import Place
from shoal.search.studies.storing import OBJECTIVE
from shoal.trainable.problems import Source

VALUE = "value"
"""The objective's name where nothing tells another: Optuna's own."""


def import_study(
    storage: str, out: Path, name: str | None = None, objective: str | None = None
) -> tuple[Path, list[str]]:
    """Make a run folder of a study; return it, and what is not as it was in the study.

    Args:
        storage: ``journal:FILE`` or ``sqlite:///FILE``, which is read alone.
        out: where nothing is yet.
        name: of the study; None: the only one.
        objective: its name; None: as the study says, which shoal has exported, else ``value``.

    Raises:
        BadInput: there is no such study, or none that a run folder can hold.
        RunFolderError: the disk does not take it.
    """
    place = Place.parse(storage)
    if stands(out):
        raise BadInput(f"{out} is there already; choose another --out")
    with quiet_optuna():
        study = _study(place, name)
        trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
        left = len(study.get_trials(deepcopy=False)) - len(trials)
    if not trials:
        raise BadInput(f"study {study.study_name!r} of {place.file} has no trial that has ended")
    columns = columns_of(trials)
    goal = _goal(study, objective, columns)
    request = Request(
        problem=study.study_name,
        source=ledger.digest_of(place.file),
        space=space_of(columns, trials),
        sampler="random",
        trials=len(trials),
        replicates=1,
        seed=0,
        round=len(trials),
        objective=str(goal),
        metrics=(goal.name,),
        kind=STUDY,
        **LEFT_OUT,
    )
    source = Source(spec=request.problem, cls="", module="", sha256=request.source)
    folder = create(out, request, source)
    try:
        writer = Writer(folder, lambda _: None)
        try:
            writer.note_environment({**machine.entry(), "imported": str(place)})
            writer.add("r000000-p000000", _part(request, columns, trials))
            writer.merge()
        finally:
            writer.close()
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)  # it was not there before
        raise
    notes = [column.note for column in columns.values() if column.note]
    if left:
        notes.append(
            f"trials that have not ended are left out: {left:,}; those after have other numbers"
        )
    return folder.path, notes


def _study(place: Place, name: str | None) -> optuna.Study:
    """The study of that name, or the only one.

    Raises:
        BadInput: there is none.
    """
    storage = place.there()
    names = [study.study_name for study in storage.get_all_studies()]
    if not names:
        raise BadInput(f"{place.file} has no study")
    known = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    if name is None and len(names) > 1:
        raise BadInput(f"{place.file} has {len(names)} studies; choose one by --study: {known}")
    if name is not None and name not in names:
        raise BadInput(f"{place.file} has no study {name!r}; known: {known}")
    study = optuna.load_study(study_name=name or names[0], storage=storage)
    if len(study.directions) > 1:
        raise BadInput(
            f"study {study.study_name!r} has {len(study.directions)} objectives; shoal has one"
        )
    return study


def _goal(study: optuna.Study, given: str | None, columns: dict[str, Column]) -> Objective:
    """What was searched for, in the study's own direction.

    Raises:
        BadInput: that is no name, or one that another column has.
    """
    maximize = study.direction is StudyDirection.MAXIMIZE
    said = study.user_attrs.get(OBJECTIVE)
    usual = VALUE
    if isinstance(said, str) and said.partition(":")[0].isidentifier():
        usual = said
    name = Objective.parse(usual if given is None else given).name
    taken = {column for column in COLUMNS if column != "loss"} | set(columns)
    if name in taken:
        raise BadInput(
            f"the objective cannot be called {name}, as another column; give --objective"
        )
    return Objective(name=name, maximize=maximize)


def _part(request: Request, columns: dict[str, Column], trials: Sequence[FrozenTrial]) -> pa.Table:
    """The rows of all trials."""
    n, goal = len(trials), request.goal.name
    states = [_state(trial) for trial in trials]
    reports = [sorted(trial.intermediate_values.items()) for trial in trials]
    made: dict[str, list[Any]] = {
        "trial": list(range(n)),
        "replicate": [0] * n,
        **{own: [column.value(trial) for trial in trials] for own, column in columns.items()},
        goal: [
            trial.value if state == "complete" else None
            for trial, state in zip(trials, states, strict=True)
        ],
        "state": states,
        "steps": [reported[-1][0] if reported else 0 for reported in reports],
        "round": [0] * n,
        "pack": [0] * n,
        "node": [""] * n,
        "device": [""] * n,
        "seconds": [_seconds(trial) for trial in trials],
        "started": [
            None if t.datetime_start is None else t.datetime_start.astimezone(UTC) for t in trials
        ],
        "error": [_error(trial) for trial in trials],
        rows.curve("step"): [[step for step, _ in reported] for reported in reports],
        rows.curve(goal): [[value for _, value in reported] for reported in reports],
    }
    schema = rows.part_schema(request).with_metadata({rows.SEARCH: request.mark})
    return pa.table(
        {name: pa.array(made[name], schema.field(name).type) for name in schema.names}, schema
    )


def _state(trial: FrozenTrial) -> str:
    if trial.state is TrialState.PRUNED:
        return "pruned"
    if trial.state is TrialState.FAIL or trial.value is None:
        return "failed"
    return "complete" if math.isfinite(trial.value) else "diverged"


def _seconds(trial: FrozenTrial) -> float:
    return 0.0 if trial.duration is None else max(0.0, trial.duration.total_seconds())


def _error(trial: FrozenTrial) -> str | None:
    why = trial.system_attrs.get("fail_reason")  # where a returned value was none
    return why if trial.state is TrialState.FAIL and isinstance(why, str) else None
