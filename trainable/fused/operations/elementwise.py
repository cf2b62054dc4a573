"""Elementwise operations of torch, lowered by the dtype that torch computes them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from shoal.trainable.fused.loops import (
    COPY,
    TRUTH,
    Dim,
    NotLowered,
    Operand,
    Operator,
    Value,
    floating,
    mapped,
    on_truth_values,
    promoted,
)
from shoal.trainable.fused.operations.assembly import Assembly, named
from shoal.trainable.fused.operations.view import View, as_number


def elementwise(
    assembly: Assembly, target: Any, name: str, args: Sequence[Any], keywords: Mapping[str, Any]
) -> View:
    """Add an operation of torch; return the view of what it gives.

    Args:
        target: the operation itself, and its name.

    Raises:
        NotLowered: there is no operator for it, or not in the dtype that torch computes it in.
    """
    operator, given = mapped(name, args, keywords)
    kept: torch.dtype | None = None
    views = [assembly.view(operand) for operand in given]
    if not operator.any_dtype:
        which = operator.selected or range(len(views))
        dtype = promoted([views[i].kind for i in which])
        dtype = floating(dtype) if operator.floating else dtype
        if dtype == torch.int64 and _is_whole(assembly, operator, [views[i] for i in which]):
            pass
        elif dtype == torch.bool:
            operator = on_truth_values(name, operator)
        elif dtype != assembly.dtype:
            raise NotLowered(f"{name} is computed in {named(dtype)}")
        if any(views[i].dtype != torch.bool for i in operator.conditions):
            raise NotLowered(f"{name} with a condition that is not bool")
        kept = torch.int64 if dtype == torch.int64 and not operator.truth else None
    views, dims = assembly.views.lined_up(views)
    if all(not isinstance(view.operand.value, Value) for view in views):
        return _folded(target, args, keywords, dims)
    return assembly.map(operator, views, dims, kept)


_WHOLE = (
    *("absolute", "clamp", "copy", "masked_fill", "maximum", "minimum", "sign", "where"),
    *("equal", "unequal", "less", "less_equal", "greater", "greater_equal"),
)
"""Operators that give one of the integers that they are given, or one that is no larger, or only
compare them."""


def _is_whole(assembly: Assembly, operator: Operator, views: Sequence[View]) -> bool:
    """Whether integers come out of an operator exactly where they are kept as real numbers."""
    largest = _largest_whole(assembly)
    return operator.name in _WHOLE and all(_size(assembly, view) <= largest for view in views)


def _largest_whole(assembly: Assembly) -> float:
    """The integers up to which all are exact as real numbers of the lanes."""
    return 1 / torch.finfo(assembly.dtype).eps


def _size(assembly: Assembly, view: View) -> float:
    """A bound on integers; those that operators have made are known to be exact."""
    value = view.operand.value
    if not isinstance(value, Value):
        return abs(value)
    if not value.shared:
        return 0.0
    tensor = assembly.shared.tensor(value)
    if tensor.dtype != torch.bool and assembly.shared.changes(tensor):
        return float(torch.iinfo(tensor.dtype).max)
    return float(tensor.abs().max()) if tensor.numel() and tensor.dtype != torch.bool else 1.0


def converted(
    assembly: Assembly, view: View, dtype: torch.dtype | None = None, **keywords: Any
) -> View:
    """Add a conversion to another dtype."""
    dtype = dtype or view.dtype
    if not isinstance(view.operand.value, Value):
        return replace(view, operand=Operand(as_number(view.operand.value, dtype)), dtype=dtype)
    whole = dtype == torch.int64 and view.dtype in (torch.bool, torch.int64)
    if whole and _size(assembly, view) > _largest_whole(assembly):
        raise NotLowered("integers that may be larger than the dtype holds exactly")
    return assembly.map(
        TRUTH if dtype == torch.bool else COPY, [view], view.dims, dtype if whole else None
    )


def _folded(
    target: Any, args: Sequence[Any], keywords: Mapping[str, Any], dims: Sequence[Dim]
) -> View:
    """An operation whose result is one number for all lanes and places."""
    made = target(*map(_plain, args), **keywords)
    return View(Operand(float(made)), tuple(dims), made.dtype)


def _plain(argument: Any) -> Any:
    """An argument whose tensors have one number, as torch takes it."""
    if isinstance(argument, torch.Tensor):  # all of it is one number
        return argument.flatten()[:1]
    if not isinstance(argument, View):
        return argument
    if isinstance(argument.operand.value, Value):
        raise TypeError("only operations on numbers alone are computed here")
    return torch.full((1,), argument.operand.value, dtype=argument.dtype)
