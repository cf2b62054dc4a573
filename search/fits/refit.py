"""A trial of a run folder fitted again, with the program, block and seed of its search."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy
import pyarrow as pa
import torch

from shoal.search import machine
from shoal.search.errors import SearchError
from shoal.search.fits.chosen import Chosen, tensors_of
from shoal.search.fits.prediction import loaded, shape_of
from shoal.search.folder import One, RunFolder
from shoal.search.preparation import Prepared, load, source_of
from shoal.search.process import own_settings
from shoal.search.rounds import lanes_of, recipe_of
from shoal.trainable.columns import FOLD
from shoal.trainable.lanes import COMPLETE, Fitted, Lanes
from shoal.trainable.problems import Calls, described
from shoal.trainable.programs import Settled
from shoal.trainable.task import StackedRecipe, Task
from shoal.trainable.worker import Worker


@dataclass(frozen=True, kw_only=True)
class Refit:
    """A fit that was done again.

    Attributes:
        numbers: its loss and metrics by name; steps: updates done.
        one: its parameters.
        same: whether loss and metrics are the table's, bit for bit; None: the table has no such
            fit, or it was pruned there.
        notes: what the user should know; a line each.
        words: the problem's own words for the parameters.
    """

    numbers: dict[str, float]
    steps: int
    one: One
    same: bool | None
    notes: tuple[str, ...]
    words: str


@own_settings()
def refit(folder: RunFolder, fit: Chosen, trust: bool = False) -> Refit:
    """Fit again.

    With no rows left out, and none from ``validation()`` to judge by, the last step counts.

    A fit alone has the numbers that it had among others. Where an operation of torch makes others
    (some depend on how many rows they are given), all fits that ran with it are fitted again.
    One that was pruned goes to its end.

    Args:
        trust: whether the code of the folder may be another user's.

    Raises:
        SearchError: its code cannot be loaded, or it does not work here.
    """
    request = folder.request
    if request.without_momentum and fit.row["optimizer"] == "sgd":
        raise SearchError(
            f"{folder.path} was begun by an earlier version of shoal, whose sgd had no momentum: "
            "this one cannot do its fits by sgd again"
        )
    source = source_of(folder, named=False, trust=trust, runs=True)
    try:
        prepared = load(Prepared(request=request, source=source, folder=folder), 0)
        gpu = fit.row["device"].startswith("cuda")
        recipe = recipe_of(request, source.at(folder.copies), prepared.defaults, gpu=gpu)
        whole = replace(recipe.plan, keep=request.trials, fits=1, pruner=None, rungs=())
        recipe = replace(recipe, plan=whole)
        rows = pa.Table.from_pylist([fit.row])
        lanes = lanes_of(request, prepared.shape_names, rows)
        block = request.block_of(fit.row["round"], lanes.shape)
        if fit.fold is None and request.folds > 1:
            every = replace(lanes, shape={n: v for n, v in lanes.shape.items() if n != FOLD})
            usual = Settled(usual=recipe.settled.usual)
            recipe = replace(recipe, folds=None, settled=usual, program="eager", unroll=1)
            told = []
            if not hasattr(source.load(), "validation"):  # nothing is left to judge a step by
                recipe = replace(recipe, plan=replace(recipe.plan, best=False, patience=0))
                told.append(
                    "no rows are left out: the metrics are of the rows that were fitted to, and "
                    "the fit goes to its last step"
                )
            return _told(recipe, fit, _fitted(recipe, every, block), 0, None, tuple(told))
        fitted = _fitted(recipe, lanes, block)
        place = 0
        if fit.row["state"] == "pruned":
            note = f"{fit.name} was pruned at step {fit.row['steps']}: it is fitted to its end here"
            return _told(recipe, fit, fitted, place, None, (note,))
        if not _same(fitted, place, fit, request.metrics):
            among = _with(folder, fit)
            lanes = lanes_of(request, prepared.shape_names, among)
            again = _fitted(recipe, lanes, block)
            where = int(numpy.flatnonzero(_is(among, fit))[0])
            if _same(again, where, fit, request.metrics):
                fitted, place = again, where
        same = _same(fitted, place, fit, request.metrics)
        changes = _changes(folder, fit)
        notes = [f"the search ran with {change}: last digits may differ" for change in changes]
        if not same:
            notes.append(_difference(fit, fitted, place, request.metrics))
            if not changes:
                notes.append(f"it ran on {fit.row['node']}: another kind of processor, perhaps")
        return _told(recipe, fit, fitted, place, same, tuple(notes))
    finally:
        source.release()


def _fitted(recipe: StackedRecipe, lanes: Lanes, block: int) -> Fitted:
    """Fit some lanes.

    Raises:
        SearchError: they do not work here.
    """
    outcome = Worker(recipe).run(Task(lanes=lanes, block=block))
    if outcome.fitted is None:
        raise SearchError(f"it cannot be fitted here: {outcome.error or outcome.fault}")
    return outcome.fitted


def _with(folder: RunFolder, fit: Chosen) -> pa.Table:
    """The rows of the fits that one worker ran together with it, in their order."""
    rows = folder.trials()
    here = (rows["round"].to_numpy() == fit.row["round"]) & (
        rows["pack"].to_numpy() == fit.row["pack"]
    )
    return rows.filter(pa.array(here))


def _is(rows: pa.Table, fit: Chosen) -> Any:
    here = (rows["trial"].to_numpy() == fit.trial) & (rows["replicate"].to_numpy() == fit.replicate)
    return here & (rows[FOLD].to_numpy() == fit.fold) if FOLD in rows.schema.names else here


def _numbers(fitted: Fitted, place: int, names: tuple[str, ...]) -> dict[str, float]:
    metrics = fitted.metrics[place].tolist()
    return {"loss": float(fitted.loss[place]), **dict(zip(names, metrics, strict=True))}


def _same(fitted: Fitted, place: int, fit: Chosen, names: tuple[str, ...]) -> bool:
    """Whether a fit has the numbers of its row."""
    found = _numbers(fitted, place, names)
    held = {name: math.nan if fit.row[name] is None else fit.row[name] for name in found}
    alike = all(numpy.array_equal(found[name], held[name], equal_nan=True) for name in found)
    return alike and int(fitted.steps[place]) == fit.row["steps"]


def _changes(folder: RunFolder, fit: Chosen) -> list[str]:
    """What is other here than where the table was made, and may change last digits."""
    try:
        entries = json.loads((folder.path / "environment.json").read_text(encoding="utf-8"))
        changes = machine.differences(entries[-1], machine.entry())
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        changes = []
    if fit.row["device"].startswith("cuda") and not torch.cuda.is_available():
        changes.append(f"{fit.row['device']} -> cpu")
    return changes


def _difference(fit: Chosen, fitted: Fitted, place: int, names: tuple[str, ...]) -> str:
    """In what a fit is not as its row says."""
    found = {**_numbers(fitted, place, names), "steps": int(fitted.steps[place])}
    name = next((n for n, value in found.items() if value != fit.row[n]), "loss")
    return f"{fit.name} has {name} {fit.row[name]!r} in the table, and {found[name]!r} here"


def _told(
    recipe: StackedRecipe,
    fit: Chosen,
    fitted: Fitted,
    place: int,
    same: bool | None,
    notes: tuple[str, ...],
) -> Refit:
    """What came of it.

    Raises:
        SearchError: it has no parameters.
    """
    if int(fitted.state[place]) != COMPLETE:
        steps = int(fitted.steps[place])
        raise SearchError(f"the fit diverged by step {steps}, so it has no parameters")
    held = fitted.parameters
    at = [] if held is None else torch.nonzero(held.lane == place).flatten().tolist()
    if held is None or not at:
        raise SearchError(f"its objective {recipe.plan.objective} is not a finite number")
    one = One(
        named={name: leaf[at[0]].numpy() for name, leaf in held.named.items()},
        prepared={name: leaf.numpy() for name, leaf in held.prepared.items()},
    )
    return Refit(
        numbers=_numbers(fitted, place, recipe.plan.metrics),
        steps=int(fitted.steps[place]),
        one=one,
        same=same,
        notes=notes,
        words=_words(recipe, fit, one),
    )


def _words(recipe: StackedRecipe, fit: Chosen, one: One) -> str:
    """The problem's own words for its parameters."""
    cls = recipe.source.load()
    held = tensors_of(one.prepared), tensors_of(one.named)
    loss, params = loaded(cls, shape_of(cls, fit), *held)
    return str(Calls(cls).guard("describe", lambda: described(loss.problem, params)))
