"""Check of what ``data()`` and ``validation()`` return: dense CPU tensors, in tuples or dicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from shoal.trainable.problems import kind, labelled

ALLOWED = "not a tensor or a tuple or dict of tensors"


def complaint(data: Any, method: str = "data") -> str | None:
    """Return why the data cannot be used and what to write instead, in one line; None: they can.

    Args:
        method: the name of the method that returned them.
    """
    if not isinstance(data, (torch.Tensor, tuple, dict)):
        return f"returns {kind(data)}, {ALLOWED}: {_way_out(data, method)}"
    items = labelled(data, method)
    if not items:
        return f"returns an empty {type(data).__name__}, {ALLOWED}: return at least one tensor"
    for name, item in items.items():
        if not isinstance(item, torch.Tensor):
            return (
                f"returns {kind(data)}, {ALLOWED}: {name} is {kind(item)}; {_way_out(item, method)}"
            )
        told = _of_tensor(name, item)
        if told is not None:
            return told
    return None


def _of_tensor(name: str, tensor: torch.Tensor) -> str | None:
    if tensor.is_nested or tensor.layout != torch.strided:
        layout = "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
        way = "torch.nested.to_padded_tensor(…, 0.0)" if tensor.is_nested else ".to_dense()"
        return f"{name} is a {layout} tensor; make it dense, as by {way}"
    if tensor.is_quantized:
        return f"{name} is quantized; return it as numbers, by .dequantize()"
    if tensor.device.type == "meta":
        return f"{name} is on the device meta, where tensors have no values; return it with values"
    if tensor.device.type != "cpu":
        return (
            f"{name} is on {tensor.device}; return it on the CPU, by .cpu(): "
            "it is moved to where the fits run"
        )
    if tensor.requires_grad:
        return f"{name} requires a gradient, and data have none; return it with .detach()"
    if tensor.numel() == 0:
        shape = tuple(tensor.shape)
        return f"{name} is empty (shape {shape}); return values to fit to, or leave it out"
    return None


def _way_out(value: Any, method: str) -> str:
    """Return how to make a tensor of a value, for the message."""
    module = type(value).__module__.partition(".")[0]
    if value is None:
        return f"end {method}() with a return of tensors"
    if module == "numpy":
        return "write torch.as_tensor(x, dtype=torch.float32), or torch.from_numpy(x).float()"
    if module in ("pandas", "polars", "pyarrow"):
        return "write torch.tensor(x.to_numpy(), dtype=torch.float32) for a column or table x"
    if isinstance(value, (bool, int, float, complex)):
        return f"write torch.tensor({value!r})"
    if isinstance(value, list) and value and all(isinstance(v, torch.Tensor) for v in value):
        return "write a tuple, (x, y) for [x, y], or torch.stack"
    if isinstance(value, list):
        return "write torch.tensor(x) for a list x of numbers, and (x, y) for [x, y]"
    if isinstance(value, (tuple, dict)):
        return "tuples and dicts are not nested; give each tensor a place of its own"
    if isinstance(value, (str, bytes)):
        return "encode text as numbers in a tensor, or keep it on self"
    if isinstance(value, torch.utils.data.Dataset) or hasattr(value, "__next__"):
        return "put all rows into tensors, as by torch.stack; a step takes all of them"
    return "put its numbers into a tensor, as by torch.tensor"


def not_finite(tensors: Mapping[str, Any]) -> list[str]:
    """Return a line for each tensor with NaN or infinite values: ``x has 1 NaN in 50 values``."""
    found = []
    for name, tensor in tensors.items():
        if not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        nan, inf = int(tensor.isnan().sum()), int(tensor.isinf().sum())
        counts = [f"{nan} NaN"] * (nan > 0) + [f"{inf} infinite"] * (inf > 0)
        if counts:
            found.append(f"{name} has {' and '.join(counts)} in {tensor.numel()} values")
    return found


def culprits(
    data: Any, dtype: torch.dtype, works: Callable[[Any], bool]
) -> tuple[tuple[str, ...], bool]:
    """Return the floating-point tensors whose dtype is not `dtype` and causes the failure.

    Args:
        works: whether the problem keeps to `dtype` with the data given.

    Returns:
        their names, and whether it works with all of the data in `dtype`.
    """
    items = labelled(data)
    others = [n for n, t in items.items() if t.is_floating_point() and t.dtype != dtype]
    cast = {name: t.to(dtype) if name in others else t for name, t in items.items()}
    if not others or not works(_like(data, cast)):
        return (), False
    harmful = [n for n in others if not works(_like(data, {**cast, n: items[n]}))]
    return tuple(harmful or others), True


def _like(data: Any, items: Mapping[str, torch.Tensor]) -> Any:
    values = tuple(items.values())
    if isinstance(data, torch.Tensor):
        return values[0]
    return dict(zip(data, values, strict=True)) if isinstance(data, dict) else values
