"""Values that a problem returns: compared, converted and put into words."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch


def tensors(data: Any) -> list[torch.Tensor]:
    """The tensors of a problem's data, or none if it is not a tensor, a tuple or a dict of them."""
    if isinstance(data, torch.Tensor):
        return [data]
    if isinstance(data, dict):
        data = tuple(data.values())
    if isinstance(data, tuple) and all(isinstance(item, torch.Tensor) for item in data):
        return list(data)
    return []


def labelled(data: Any, method: str = "data") -> dict[str, Any]:
    """The items of what a method returns by what a user calls them: ``data()[0]``."""
    if isinstance(data, dict):
        return {f"{method}()[{key!r}]": value for key, value in data.items()}
    if isinstance(data, (tuple, list)):
        return {f"{method}()[{index}]": value for index, value in enumerate(data)}
    return {f"{method}()": data}


def cast(data: Any, dtype: torch.dtype) -> Any:
    """The data with its floating-point tensors in another dtype, complex ones alike."""

    def cast(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_complex():
            return tensor.to(dtype.to_complex())
        return tensor.to(dtype) if tensor.is_floating_point() else tensor

    if isinstance(data, torch.Tensor):
        return cast(data)
    if isinstance(data, dict):
        return {key: cast(value) for key, value in data.items()}
    return tuple(cast(value) for value in data)


def same(a: Any, b: Any) -> bool:
    """Whether two values of a problem are equal, tensor for tensor."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        alike = a.shape == b.shape and a.dtype == b.dtype and a.device == b.device
        return alike and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b)


def kind(value: Any) -> str:
    """What a value is, for a message."""
    if isinstance(value, torch.Tensor):
        return describe(value.shape, value.dtype)
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' or name == 'ndarray' else 'a'} {name}"


def describe(shape: Sequence[int], dtype: torch.dtype) -> str:
    """A tensor's dtype and shape, for a message."""
    return f"{str(dtype).removeprefix('torch.')} of shape {tuple(shape)}"


def structure(value: Any) -> str:
    """The structure of parameters, for a message."""
    if isinstance(value, dict):
        return f"a dict of {', '.join(map(str, value))}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return kind(value)


def doubled(instance: Any) -> Any:
    """A copy of a problem whose own floating-point tensors are float64; the tensors are copies."""
    other = copy.copy(instance)
    for name, value in getattr(instance, "__dict__", {}).items():
        other.__dict__[name] = _doubled(value)
    return other


def _doubled(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter):
        return cast(value, torch.float64)
    if type(value) in (list, tuple):
        return type(value)(map(_doubled, value))
    if type(value) is dict:
        return {key: _doubled(item) for key, item in value.items()}
    return value


def rebuilt(data: Any, parts: Sequence[torch.Tensor]) -> Any:
    """`parts` in the structure of `data`."""
    if isinstance(data, torch.Tensor):
        return parts[0]
    if isinstance(data, dict):
        return dict(zip(data, parts, strict=True))
    return tuple(parts)


def to_device(data: Any, device: torch.device) -> Any:
    """Data with its tensors on `device`, each in order in memory: what is traced fits no other."""
    return rebuilt(data, [tensor.contiguous().to(device) for tensor in tensors(data)])
