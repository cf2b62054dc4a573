"""Values as Python text: plain ones by their ``repr``, tensors and arrays by a name in a file."""

from __future__ import annotations

import math
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import save

MAX_LETTERS = 1 << 20
"""Of one value's text; more is a case for a tensor."""

MAX_BYTES = (1 << 30) - (1 << 20)
"""Of all tensors together; with their names they are a file of 1 GiB, the most that is read."""

CALL = "_saved_tensor"
"""The function of the written module that returns a tensor by its name in the file."""

Refer = Callable[[Any], str | None]
"""Returns the name by which the module knows a class or a function; None: it cannot."""


class Untaken(Exception):
    """A value that cannot be written; the message says what it is, and what to do."""


class Tensors:
    """The tensors that are saved beside a module, by name."""

    def __init__(self) -> None:
        self._held: dict[str, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def size(self) -> int:
        """Of all of them, in bytes."""
        return sum(each.numel() * each.element_size() for each in self._held.values())

    def add(self, name: str, value: torch.Tensor) -> str:
        """Keep a contiguous copy of a tensor as it is now; return the text that reads it.

        Raises:
            Untaken: all of them together are too large.
        """
        while name in self._held:
            name += "_"
        size = value.numel() * value.element_size()
        if self.size + size > MAX_BYTES:
            raise Untaken(
                f"a tensor of {size / 2**30:.1f} GiB; at most 1 GiB is taken "
                "along: read it in data()"
            )
        if value.is_complex():
            parts = torch.view_as_real(value.detach().resolve_conj())
            self._held[name] = parts.clone(memory_format=torch.contiguous_format)
            return f"torch.view_as_complex({CALL}({name!r}))"
        plain = value.detach().resolve_neg()
        self._held[name] = plain.clone(memory_format=torch.contiguous_format)
        return f"{CALL}({name!r})"

    def to_bytes(self) -> bytes:
        """Return them as safetensors, the same bytes for the same tensors."""
        content: bytes = save(self._held)
        return content


def written(value: Any, name: str, tensors: Tensors, refer: Refer) -> str:
    """Return an expression that makes a value as it is now.

    It needs the names `CALL`, ``torch`` and ``pathlib``, where it uses them.

    Args:
        name: of the value, by which its tensors are saved.
        refer: for classes and functions in a list or a dict.

    Raises:
        Untaken: it cannot be made by an expression.
    """
    text = _Writer(tensors, refer).text(value, name)
    if len(text) > MAX_LETTERS:
        raise Untaken(f"{kind(value)} of {len(text)} letters; make a tensor of it")
    return text


def kind(value: Any) -> str:
    """Return what a value is, in words, for a message."""
    cls = type(value)
    if isinstance(value, torch.nn.Module):
        return f"a module, {cls.__name__}"
    named = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"
    named = named.removeprefix("__main__.")
    return f"{'an' if named[0] in 'aeiouAEIOU' else 'a'} {named}"


class _Writer:
    """Writes one value, and what is in it."""

    def __init__(self, tensors: Tensors, refer: Refer) -> None:
        self._tensors, self._refer = tensors, refer
        self._inside: list[int] = []

    def text(self, value: Any, name: str) -> str:
        cls = type(value)
        if value is None or value is Ellipsis or cls in (bool, str, bytes):
            return repr(value)
        if cls is int:
            return repr(value) if abs(value) < 1 << 4096 else hex(value)
        if cls is float:
            return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
        if cls is complex:
            return f"complex({self.text(value.real, name)}, {self.text(value.imag, name)})"
        if cls in (range, bytearray):
            return repr(value)
        if cls is slice:
            parts = (value.start, value.stop, value.step)
            return f"slice({', '.join(self.text(part, name) for part in parts)})"
        if cls in (list, tuple, set, frozenset, dict, torch.Size):
            return self._container(value, name)
        if cls in (torch.dtype, torch.device):
            return repr(value) if cls is torch.dtype else f"torch.{value!r}"
        if isinstance(value, pathlib.PurePath) and cls.__module__.startswith("pathlib"):
            return f"pathlib.{cls.__name__}({str(value)!r})"
        if isinstance(value, torch.Tensor):
            return self._tensor(value, name)
        numpy: Any = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
            return self._array(value, name, numpy)
        if isinstance(value, type) or callable(value):
            found = self._refer(value)
            if found is not None:
                return found
        raise Untaken(f"{kind(value)}{_advice(value)}")

    def _container(self, value: Any, name: str) -> str:
        if id(value) in self._inside:
            raise Untaken(f"{kind(value)} that contains itself; make it in data()")
        if len(value) > MAX_LETTERS // 3:
            raise Untaken(f"{kind(value)} of {len(value)} items; make a tensor of it")
        self._inside.append(id(value))
        try:
            if isinstance(value, dict):
                items = [
                    f"{self.text(key, f'{name}.key')}: {self.text(item, f'{name}.{key}')}"
                    for key, item in value.items()
                ]
                return f"{{{', '.join(items)}}}"
            items = [self.text(item, f"{name}.{n}") for n, item in enumerate(value)]
        finally:
            self._inside.pop()
        if isinstance(value, (set, frozenset)):
            inner = f"{{{', '.join(sorted(items))}}}" if items else ""
            if isinstance(value, set):
                return inner or "set()"
            return f"frozenset({inner})"
        if isinstance(value, list):
            return f"[{', '.join(items)}]"
        inner = f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
        return f"torch.Size({inner})" if isinstance(value, torch.Size) else inner

    def _tensor(self, value: torch.Tensor, name: str) -> str:
        if type(value) not in (torch.Tensor, torch.nn.Parameter):
            raise Untaken(f"{kind(value)}, a tensor of another class; make it in data()")
        if value.device.type != "cpu":
            raise Untaken(
                f"a tensor on {value.device}; make it one of the CPU, by .cpu(), and shoal moves "
                "what data() returns to the device"
            )
        if value.layout is not torch.strided or value.is_quantized:
            raise Untaken(f"a tensor of layout {value.layout}; make it in data()")
        found = self._tensors.add(name, value)
        if type(value) is torch.nn.Parameter:
            return f"torch.nn.Parameter({found}, requires_grad={value.requires_grad})"
        return f"{found}.requires_grad_()" if value.requires_grad else found

    def _array(self, value: Any, name: str, numpy: Any) -> str:
        if isinstance(value, numpy.ndarray) and type(value) is not numpy.ndarray:
            raise Untaken(f"{kind(value)}; make it in data()")
        array = numpy.array(value, order="C")
        array = array.astype(array.dtype.newbyteorder("="))
        try:
            tensor = torch.from_numpy(array)
        except TypeError:
            raise Untaken(
                f"a numpy array of {array.dtype}, which torch does not have; "
                "convert it, or read it in data()"
            ) from None
        found = f"{self._tensors.add(name, tensor)}.numpy()"
        return f"{found}[()]" if isinstance(value, numpy.generic) else found


def _advice(value: Any) -> str:
    """What to do with a value that cannot be written."""
    top = type(value).__module__.partition(".")[0]
    if top in ("pandas", "polars"):
        return "; take its numbers, as by torch.tensor(frame.to_numpy()), or read it in data()"
    if isinstance(value, torch.nn.Module):
        return "; make it in the class"
    if isinstance(value, torch.Generator):
        return "; make it from the seed, in initial(seed) or data()"
    return "; make it in data(), or write the class into a file"
