"""Detection of non-determinism: global random generators, the clock, state kept between calls."""

from __future__ import annotations

import random
import sys
import time
import traceback
import types
from collections.abc import Callable
from typing import Any

import torch

from shoal.trainable.private import DispatchMode, version
from shoal.trainable.process import generators

_CLOCKS = frozenset(("time", "time_ns", "now", "utcnow", "today"))
"""Names of functions that tell the time, as code of a problem has them."""


def source(call: Callable[[], Any], file: str | None) -> str | None:
    """Return which global random generator `call` draws from, for a message; None: none was found.

    Args:
        file: the user's file, a line of which is named.
    """
    with generators.alone:
        return _source(call, _Watch(file))


def _source(call: Callable[[], Any], watch: _Watch) -> str | None:
    numpy: Any = sys.modules.get("numpy.random")
    plain, arrays = random.getstate(), str(numpy.get_state()) if numpy else ""
    try:
        with watch:
            call()
    except Exception:  # it was called before, and what it raised then has been told
        return None
    if watch.found is not None:
        return watch.found
    if random.getstate() != plain:
        return "Python's module random"
    if numpy and str(numpy.get_state()) != arrays:
        return "numpy.random"
    return None


class _Watch(DispatchMode):
    """Records the first operation that draws from a global generator of random numbers."""

    def __init__(self, file: str | None) -> None:
        super().__init__()
        self._file = file
        self.found: str | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if self.found is None and torch.Tag.nondeterministic_seeded in func.tags:
            lines = [f.lineno for f in traceback.extract_stack() if f.filename == self._file]
            name = str(func).removeprefix("aten.").partition(".")[0].rstrip("_")
            self.found = f"{name}" + (f" in line {lines[-1]}" if lines else "")
        return func(*args, **(kwargs or {}))


def tells_time(cls: type) -> bool:
    """Whether the code of the class or of its module reads the clock."""
    module = sys.modules.get(cls.__module__)
    values = [*vars(cls).values(), *(vars(module).values() if module else ())]
    return any(
        isinstance(value, types.FunctionType)
        and value.__module__ == cls.__module__
        and _asks(value.__code__)
        for value in values
    )


def _asks(code: types.CodeType) -> bool:
    nested = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return bool(_CLOCKS.intersection(code.co_names)) or any(map(_asks, nested))


def await_next_second() -> None:
    """Wait until the clock shows another second: a seed made of the time then differs."""
    time.sleep(1.01 - time.time() % 1)


def fingerprint(instance: Any) -> dict[str, Any]:
    """Return a value for each attribute of an instance, which changes when the attribute does."""
    return {name: _print(value) for name, value in getattr(instance, "__dict__", {}).items()}


def _print(value: Any) -> Any:
    if isinstance(value, torch.Generator):
        return value.get_state().numpy().tobytes()
    if isinstance(value, torch.Tensor):
        return id(value), version(value)
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, (list, set, dict)):
        return id(value), len(value)
    if isinstance(value, (bool, int, float, str, bytes)):
        return value
    bits = getattr(value, "bit_generator", None)  # of a generator of numpy
    return str(bits.state) if bits is not None else id(value)
