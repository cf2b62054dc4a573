"""Check of ``metrics()`` and ``validation()``: names, scalar shapes, dtypes, determinism."""

from __future__ import annotations

from typing import Any

import torch

from shoal.trainable.checking import inputs
from shoal.trainable.checking.trial import First, Trial
from shoal.trainable.checking.update import Update
from shoal.trainable.private import version
from shoal.trainable.problems import (
    METRICS,
    Folds,
    kind,
    leaves,
    names,
    rows_of,
    same,
    tensors,
    validation_of,
)
from shoal.trainable.process import generators

_METHOD = "def metrics(self, params, validation)"


def check_metrics(trial: Trial, folds: Folds | None) -> tuple[str, ...]:
    """Check ``metrics()``, and return the metrics' names.

    Args:
        folds: how the rows are split; None: they are not.

    Raises:
        ContractError: a promise is not kept.
    """
    own = hasattr(trial.cls, "validation")
    if own:
        _check_validation(trial)
    if trial.declared.metrics is None:
        if own:
            trial.fail("validation", f"validation() without metrics(): add {_METHOD}")
        if folds is not None:
            trial.fail("data", f"folds without metrics(): add {_METHOD}, or leave out the folds")
        return ()
    fold = None if folds is None else folds.of(0)
    rows = trial.guard("data", lambda: rows_of(trial.problem, fold))[1]
    if folds is not None and own:
        trial.notes.append(
            f"{trial.where('validation')}: not used, since with folds a fit is judged by the rows "
            "that are left out"
        )
    if folds is None and not own:
        trial.notes.append(
            f"{trial.where(METRICS)}: metrics are of the training data: there is no validation(); "
            "add it, or use --folds"
        )
    found = [_metrics(trial, first, rows) for first in trial.firsts]
    for other in found[1:]:
        if other != found[0]:
            trial.fail(
                METRICS,
                f"returns {', '.join(found[0])} once and {', '.join(other)} another time; return "
                "the same names, in the same order, whatever the hyperparameters",
            )
    return found[0]


def _check_validation(trial: Trial) -> None:
    """Check what ``validation()`` returns."""
    with generators.seeded(1):
        rows = trial.guard("validation", lambda: validation_of(trial.problem))
    told = inputs.complaint(rows, "validation")
    if told is not None:
        trial.fail("validation", told)
    with generators.seeded(2):
        trial.same("validation", rows, lambda: validation_of(trial.problem))
        trial.same("validation", rows, lambda: validation_of(trial.other.problem))
    if same(rows, trial.data):
        trial.notes.append(
            f"{trial.where('validation')}: returns the training data, so its metrics say nothing "
            "of rows that were not fitted to"
        )


def _metrics(trial: Trial, first: First, rows: Any) -> tuple[str, ...]:
    """Call ``metrics()`` for the initial parameters; return the names."""
    dtype = leaves(first.params)[0].dtype
    own = {
        name: torch.tensor(first.point[name], dtype=dtype) for name in trial.declared.metrics or ()
    }
    parts = [f"parameter {name}" for name in names(first.params)]
    watched = [*leaves(first.params), *tensors(rows), *own.values()]
    called = [
        *parts,
        *["the validation rows"] * len(tensors(rows)),
        *["a hyperparameter"] * len(own),
    ]
    before = [version(tensor) for tensor in watched]

    def call(update: Update) -> Any:
        with torch.no_grad():
            return update.loss.metrics(first.params, rows, own)

    with generators.seeded(1):
        made = trial.guard(METRICS, lambda: call(trial.update))
    for which, tensor, number in zip(called, watched, before, strict=True):
        if version(tensor) != number:
            trial.fail(
                METRICS,
                f"writes into {which} in place; make a new tensor, as by x = x + 1 for x += 1",
            )
    for seed, update in ((2, trial.update), (3, trial.other)):
        with generators.seeded(seed):
            trial.same(METRICS, made, lambda update=update: call(update))  # type: ignore[misc]  # a lambda
    if not isinstance(made, dict) or not made:
        what = "an empty dict" if made == {} else kind(made)
        trial.fail(
            METRICS, f'returns {what}, not a dict of names and numbers: {{"accuracy": share}}'
        )
    for name, value in made.items():
        what = f"the metric {name!r} is {kind(value)}"
        if not isinstance(name, str) or not name.isidentifier():
            trial.fail(METRICS, f"a metric is called {name!r}; give it a name of letters and _")
        if not isinstance(value, torch.Tensor):
            trial.fail(METRICS, f"{what}, not a tensor of shape (); compute it by torch")
        if value.shape != ():
            trial.fail(METRICS, f"{what}, not of shape (); reduce it, by .sum() or .mean()")
        if value.is_complex():
            trial.fail(METRICS, f"{what}, not a real number; take its .real or .abs()")
    return tuple(made)
