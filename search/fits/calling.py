"""A function called once, with hyperparameters that are given, without a run folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal.search.errors import BadInput, SearchError
from shoal.search.preparation import load_source, prepare
from shoal.search.process import own_settings
from shoal.search.request import Asked
from shoal.search.rounds import call_recipe, call_task
from shoal.search.space import of_names
from shoal.trainable.errors import TrainableError
from shoal.trainable.functions import CallRecipe, Declared, Limits, declared
from shoal.trainable.lanes import STATES
from shoal.trainable.task import Outcome, Task
from shoal.trainable.worker import Worker


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of a function.

    Attributes:
        reports: of each report its step and its numbers by name.
        numbers: those of the report that counts; state: how the call has ended.
        printed: what it has printed, and the traceback where it has failed with an error.
        error: why it has failed, in one line.
    """

    reports: list[tuple[int, dict[str, float]]]
    numbers: dict[str, float]
    state: str
    printed: str
    error: str | None = None


def function_of(problem: str) -> Declared | None:
    """Return what a function declares, or None where a problem's class is meant; its file is
    executed.

    Raises:
        BadInput: there is no such thing, or it cannot be called.
    """
    source = load_source(problem)
    try:
        named = source.named()
        return None if isinstance(named, type) else declared(named)
    except TrainableError as error:
        raise BadInput(str(error)) from error
    finally:
        source.release()


@own_settings()
def call_once(problem: str, found: Declared, values: Mapping[str, Any], seed: int = 0) -> Call:
    """Call a function once, in a process of its own, as a search would.

    Args:
        problem: ``module:function`` or ``file.py:function``; found: what it declares.
        values: hyperparameters, each a number, a word, or text as it is typed; those that are left
            out have the function's own defaults.

    Raises:
        BadInput: a hyperparameter is wrong or missing. SearchError: it cannot be called here.
    """
    given = of_names(values)
    for name, dimension in given.items():
        if not (dimension.fixed and dimension.always):
            raise BadInput(f"{name}={dimension.shown}: fit takes one value; shoal run searches")
    for name in found.needed:
        if name not in given:
            raise BadInput(f"{found.name} has no default for {name}; add {name}=VALUE")
    prepared = prepare(Asked(problem=problem, space=values, trials=1, seed=seed), None)
    source, request = prepared.source, prepared.request
    temp = Path(tempfile.mkdtemp(prefix="shoal-"))
    try:
        recipe = call_recipe(request, source, temp, Limits())
        one = {n: given[n].choices[0] if n in given else None for n in request.space}
        task, log, _ = call_task(recipe, request, {"trial": 0, "replicate": 0, **one})
        outcome, printed = outcome_of(recipe, task, log)
        fitted = outcome.fitted
        if fitted is None:
            printed = f"{printed}{outcome.details}"
            error = outcome.error or outcome.fault
            return Call(reports=[], numbers={}, state="failed", printed=printed, error=error)
        curve = fitted.curve_metrics.tolist()
        return Call(
            reports=[
                (step, dict(zip(fitted.names, numbers, strict=True)))
                for step, numbers in zip(fitted.curve_step.tolist(), curve, strict=True)
            ],
            numbers=dict(zip(fitted.names, fitted.metrics[0].tolist(), strict=True)),
            state=STATES[int(fitted.state[0])],
            printed=printed,
        )
    except TrainableError as error:
        raise SearchError(str(error)) from error
    finally:
        shutil.rmtree(temp, ignore_errors=True)
        source.release()


def outcome_of(recipe: CallRecipe, task: Task, log: Path) -> tuple[Outcome, str]:
    """Run a call in a worker of this process; return what came of it, and what it has printed.

    Args:
        log: the file that it prints to.
    """
    worker = Worker(recipe)
    try:
        outcome = worker.run(task)
    finally:
        worker.close()
    there = log.exists()
    return outcome, log.read_text(encoding="utf-8", errors="replace") if there else ""
