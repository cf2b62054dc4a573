"""An instance of a problem, and the rows that it is fitted to and judged by."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.problems.calls import data_of, validation_of, where
from shoal.trainable.problems.folds import Fold
from shoal.trainable.problems.problem import Params, leaves, names
from shoal.trainable.problems.signatures import BATCH
from shoal.trainable.problems.values import describe, kind
from shoal.trainable.process import made, within

MAX_SHOWN = 1000
"""Numbers of a parameter that are told; of more, their shape."""

PREPARED = "prepared"
"""The attribute that has what ``prepare()`` returns."""


def instance_of(
    cls: type, shape: Mapping[str, Any], prepared: Mapping[str, torch.Tensor] | None = None
) -> Any:
    """Return an instance, made by its shape hyperparameters and prepared.

    Args:
        prepared: what ``prepare()`` has returned before; None: it is called, where there is one.

    Raises:
        ContractError: what it returns is no dict of tensors.
    """
    own = dict(shape)
    batch = own.pop(BATCH, None) if not _takes_batch(cls) else None
    instance = made(cls, own)
    if batch is not None:
        setattr(instance, BATCH, batch)
    if hasattr(cls, "prepare"):
        setattr(instance, PREPARED, _prepared(instance) if prepared is None else dict(prepared))
    return instance


def prepared_of(problem: Any) -> dict[str, torch.Tensor]:
    """Return what ``prepare()`` has returned; nothing where there is no such method."""
    return dict(getattr(problem, PREPARED, {})) if hasattr(type(problem), "prepare") else {}


def rows_of(problem: Any, fold: Fold | None) -> tuple[Any, Any]:
    """Return the data to fit to, and those to judge by.

    The latter are what the fold leaves out, or else what ``validation()`` returns, or the data
    themselves where there is no such method.

    Raises:
        ContractError: the data have no rows to split (`Fold.split`).
    """
    data = data_of(problem)
    if fold is not None:
        return fold.split(data, getattr(problem, "stratify", None))
    return data, validation_of(problem) if hasattr(problem, "validation") else data


def described(problem: Any, params: Params) -> str:
    """Return the problem's own words for the parameters of one fit; else name and values."""
    if hasattr(problem, "describe"):
        with within(problem):
            return str(problem.describe(params))
    parts = zip(names(params), leaves(params), strict=True)
    return "\n".join(f"{name} = {_value(leaf)}" for name, leaf in parts)


def _value(leaf: torch.Tensor) -> str:
    return str(leaf.tolist()) if leaf.numel() <= MAX_SHOWN else describe(leaf.shape, leaf.dtype)


def _prepared(instance: Any) -> dict[str, torch.Tensor]:
    with within(instance, draws=True):
        found = instance.prepare()
    if not isinstance(found, dict):
        told = kind(found)
    else:
        odd = [f"{n!r} is {kind(v)}" for n, v in found.items() if not _is_tensor(n, v)]
        if not odd:
            return found
        told = f"a dict in which {odd[0]}"
    raise ContractError(
        f"{where(type(instance), 'prepare')}: returns {told}, not a dict of names and tensors: "
        'write {"mean": mean}'
    )


def _takes_batch(cls: type) -> bool:
    return BATCH in inspect.signature(cls).parameters


def _is_tensor(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, torch.Tensor)
