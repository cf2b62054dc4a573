"""Check of the first step: shapes and dtypes of loss and gradient, and that they are finite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from shoal.trainable.checking import inputs
from shoal.trainable.checking.trial import First, NotTheSame, Trial
from shoal.trainable.errors import ContractError
from shoal.trainable.private import version
from shoal.trainable.problems import (
    Params,
    describe,
    kind,
    labelled,
    leaves,
    names,
    structure,
    tensors,
)
from shoal.trainable.process import generators


def first_step(trial: Trial, point: Mapping[str, float]) -> First:
    """Run the first step of one fit and check what it returns.

    Raises:
        ContractError: it fails, writes in place, or returns something else than it should.
    """
    params = trial.initial(point)
    own = trial.own(point, leaves(params)[0].dtype)
    loss, gradient = _of_form(_run(trial, params, own), trial, params, own)
    return First(point=point, params=params, own=own, loss=loss, gradient=gradient)


def _run(trial: Trial, params: Params, own: dict[str, torch.Tensor]) -> Any:
    """Call the problem's loss and gradient, and check that no tensor is changed in place."""
    parts = {f"parameter {name}": t for name, t in zip(names(params), leaves(params), strict=True)}
    data = tensors(trial.update.data)
    watched = [*parts.values(), *data, *own.values()]
    called = [*parts, *(["the data"] * len(data)), *(["a hyperparameter"] * len(own))]
    before = [version(tensor) for tensor in watched]
    try:
        with torch.no_grad():
            result = trial.twice(trial.method, lambda: trial.update.returned(params, own))
    except NotTheSame:
        raise
    except ContractError as error:
        told = _other_dtype(trial, "it fails", params, own)
        if told is None:
            raise
        raise ContractError(f"{trial.where(trial.method)}: {told}") from error
    for which, tensor, first in zip(called, watched, before, strict=True):
        if version(tensor) != first:
            trial.fail(
                trial.method,
                f"writes into {which} in place; make a new tensor, as by x = x + 1 for x += 1",
            )
    return result


def _of_form(
    result: Any, trial: Trial, params: Params, own: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, Params]:
    """Check that the loss has shape () and the gradient the form of the parameters; return both."""
    by_hand = trial.update.by_hand
    if by_hand and (not isinstance(result, tuple) or len(result) != 2):
        way = "end it with return loss, gradient"
        trial.fail(trial.method, f"returns {kind(result)}, not (loss, gradient): {way}")
    loss, gradient = result
    dtype = leaves(params)[0].dtype
    what = f"the loss is {kind(loss)}"
    if not isinstance(loss, torch.Tensor):
        way = "compute it from the parameters by torch"
        trial.fail(trial.method, f"{what}, not a tensor of shape (); {way}")
    if loss.shape != ():
        way = "reduce it, by .sum() or .mean()"
        trial.fail(trial.method, f"{what}, not {describe((), dtype)}; {way}")
    if loss.dtype != dtype:
        told = _other_dtype(trial, what, params, own)
        way = f"something made in {trial.method} or on self has that dtype; give it dtype="
        trial.fail(trial.method, told or f"{what}, not {describe((), dtype)}; {way}{dtype}")
    if not by_hand:
        return loss, gradient
    if type(gradient) is not type(params) or names(gradient) != names(params):
        trial.fail(
            trial.method,
            f"the gradient is {structure(gradient)}, not {structure(params)} like the parameters",
        )
    for name, g, p in zip(names(params), leaves(gradient), leaves(params), strict=True):
        what = f"the gradient of parameter {name} is {kind(g)}"
        if not isinstance(g, torch.Tensor) or g.shape != p.shape:
            trial.fail(trial.method, f"{what}, not {describe(p.shape, p.dtype)} like the parameter")
        if g.dtype != p.dtype:
            told = _other_dtype(trial, what, params, own)
            usual = f"{what}, not {describe(p.shape, p.dtype)} like the parameter"
            trial.fail(trial.method, told or usual)
    return loss, gradient


def begins_finite(trial: Trial) -> None:
    """Check that the first loss and gradient are finite for at least one of the points.

    Raises:
        ContractError: they are nowhere.
    """
    bad = [first for first in trial.firsts if not _finite(first.loss)]
    if bad and len(bad) < len(trial.firsts):
        trial.notes.append(
            f"{trial.where(trial.method)}: the first loss is {float(bad[0].loss):g}"
            f"{_at(trial, bad[0])}: such fits diverge at once; narrow the space to leave them out"
        )
    if len(bad) == len(trial.firsts):
        _explain(trial, bad[0])
    finite = [first for first in trial.firsts if _finite(first.loss)]
    sick = [first for first in finite if not all(map(_finite, leaves(first.gradient)))]
    if sick:
        parts = zip(names(sick[0].gradient), leaves(sick[0].gradient), strict=True)
        told = inputs.not_finite({f"that of parameter {name}": g for name, g in parts})[0]
        way = "guard it, as by clamp(min=…) where it divides or takes a root or logarithm"
        if len(sick) == len(finite):
            trial.fail(
                trial.method, f"the first loss is finite and its gradient is not: {told}; {way}"
            )
        trial.notes.append(
            f"{trial.where(trial.method)}: the first gradient is not finite{_at(trial, sick[0])} "
            f"where the loss is: {told}; {way}"
        )


def _at(trial: Trial, first: First) -> str:
    """Format the hyperparameters for a message: `` at NAME=VALUE, …``; empty if there are none."""
    own = [f"{name}={first.point[name]:g}" for name in trial.declared.own]
    return f" at {', '.join(own)}" if own else ""


def _explain(trial: Trial, first: First) -> None:
    """Return a likely reason for a first loss that is NaN or infinite, for the error message."""
    value = "NaN" if bool(first.loss.isnan()) else "infinite"
    begun = f"the first loss is already {value}"
    told = inputs.not_finite(labelled(trial.data))
    if told:
        trial.fail("data", f"{begun}: look at data(): {'; '.join(told)}")
    start = dict(zip(names(first.params), leaves(first.params), strict=True))
    told = inputs.not_finite({f"parameter {name}": leaf for name, leaf in start.items()})
    if told:
        trial.fail("initial", f"{begun}: look at initial(): {'; '.join(told)}")
    at = _at(trial, first)
    where = f" ({at.strip()}, and at all else that was tried)" if at else ""
    double = trial.double_loss(first.point)
    if math.isfinite(double) and leaves(first.params)[0].dtype != torch.float64:
        trial.fail(
            trial.method,
            f"{begun}{where}: it is {double:.3g} in float64, so it is too large for the "
            "parameters' dtype on the way; scale the data, or use dtype=torch.float64 throughout",
        )
    trial.fail(
        trial.method,
        f"{begun}{where}, and data() and initial() are finite: look for a division by 0, a root "
        "or logarithm of what is not above 0, or an exp of something large",
    )


def _other_dtype(
    trial: Trial, what: str, params: Params, own: dict[str, torch.Tensor]
) -> str | None:
    """Return the message if data of another dtype than the parameters' are the cause, or None."""
    dtype = leaves(params)[0].dtype

    def works(data: Any) -> bool:
        try:
            with torch.no_grad(), generators.seeded(1):
                loss, gradient = trial.update.returned(params, own, data)
            return all(tensor.dtype == dtype for tensor in (loss, *leaves(gradient)))
        except Exception:
            return False

    found, whole = inputs.culprits(trial.update.data, dtype, works)
    if not whole:
        return None
    mine = str(dtype).removeprefix("torch.")
    items = labelled(trial.update.data)
    theirs = sorted({str(items[name].dtype).removeprefix("torch.") for name in found})
    way = ".float()" if dtype == torch.float32 else f".to(torch.{mine})"
    return (
        f"{what}: {' and '.join(found)} {'are' if len(found) > 1 else 'is'} {' and '.join(theirs)} "
        f"and the parameters ({', '.join(names(params))}) {mine}; write {way} in data(), or "
        f"dtype=torch.{theirs[0]} in initial()"
    )


def _finite(leaf: torch.Tensor) -> bool:
    return bool(leaf.isfinite().all())
