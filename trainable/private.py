"""Private interfaces of torch: all that shoal uses of them, behind functions of its own.

Any release of torch may change these without a word. Tried with torch 2.13.0.

    torch.utils._python_dispatch.TorchDispatchMode      sees each operation below ``torch.vmap``
        ._should_skip_dynamo                            asked by torch before it imports dynamo
    torch.utils._pytree.tree_map                        maps nested arguments of an operation
    torch._C._functorch._set_vmap_fallback_warning_enabled
                                                        warns where ``torch.vmap`` calls one by one
    torch._GLOBAL_DEVICE_CONTEXT                        the default device, if one is set
    torch.Tensor._version                               counts what was written in place
    torch._functorch.eager_transforms._autograd_grad    imports it, 2 s, to switch a part of it off
    torch._decomp.core_aten_decompositions              operators by simpler ones: the core table
    torch._decomp.decomposition_table                   all that there are; some are added to it
    impl_aten of ``torch.ops.prims``                    what torch's own references are made of
    torch._ops.OpOverload._schema                       which operations give views
    torch._decomp.decompositions_for_jvp                imported by forward mode, with a warning
    torch.quasirandom.SobolEngine._first_point          made in the default dtype of the moment

Names of ATen operators that begin with an underscore (``_to_copy``, ``_local_scalar_dense``) are
data of the traces, and stand where traces are read.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache, wraps
from types import FunctionType, SimpleNamespace
from typing import Any

import torch
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

ADDED = (
    "_log_softmax",
    "_softmax",
    "elu",
    "gelu",
    "hardtanh",
    "leaky_relu",
    "linalg_vector_norm",
    "native_batch_norm",
    "native_group_norm",
    "native_layer_norm",
)
"""Operators that torch's core table leaves as they are, and that are decomposed here as well."""


class DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types there
    """Sees each operation on tensors, in a ``__torch_dispatch__`` of its own."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types there

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)  # type: ignore[no-untyped-call]  # the same

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # dynamo is not there, and to skip it would import it


def mapped(function: Callable[[Any], Any], nested: Any) -> Any:
    """Return tuples, lists and dicts of the same structure, with `function` of each leaf."""
    return _pytree.tree_map(function, nested)


class _WithoutCompiler:
    """Torch as it is to who has not imported its compiler, with nothing of that to switch off."""

    _dynamo = SimpleNamespace(compiled_autograd=SimpleNamespace(_disable=nullcontext))

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


@cache
def light_gradients() -> None:
    """Let ``torch.func.grad`` and its like leave torch's compiler alone, from now on.

    They switch a part of it off, for which they import it: 2 s of processor time in each process.
    Where it has been imported by others they do so as before.
    """
    transforms: Any = importlib.import_module("torch._functorch.eager_transforms")
    usual = transforms._autograd_grad
    names = {**usual.__globals__, "torch": _WithoutCompiler()}
    light = FunctionType(usual.__code__, names, argdefs=usual.__defaults__)

    @wraps(usual)
    def chosen(*words: Any, **named: Any) -> Any:
        return (usual if "torch._dynamo" in sys.modules else light)(*words, **named)

    transforms._autograd_grad = chosen


@contextmanager
def unwarned() -> Iterator[None]:
    """Let ``torch.vmap`` call an operation for one after the other without a warning."""
    functorch: Any = torch._C._functorch
    functorch._set_vmap_fallback_warning_enabled(False)
    try:
        yield
    finally:
        functorch._set_vmap_fallback_warning_enabled(True)  # as it is in a new process


def version(tensor: torch.Tensor) -> int:
    """Return the version counter of a tensor: it differs once something was written in place."""
    return tensor._version


def default_device() -> torch.device | None:
    """Return the default device; None: none is set, which ``torch.get_default_device`` hides."""
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else context.device


@cache
def _decompositions() -> Mapping[Any, Callable[..., Any]]:
    """Those of the core table, and those of `ADDED`."""
    decomp: Any = torch._decomp
    table = dict(decomp.core_aten_decompositions().items())
    every = decomp.decomposition_table
    for name in ADDED:
        packet = getattr(torch.ops.aten, name)
        overloads = (getattr(packet, overload) for overload in packet.overloads())
        table.update({op: every[op] for op in overloads if op in every})
    return table


def decomposition_of(operation: Any) -> Callable[..., Any] | None:
    """Return torch's own decomposition of an operation into simpler ones; None: there is none.

    Args:
        operation: an overload, as a trace has it.
    """
    if getattr(operation, "namespace", "") == "prims":
        return getattr(operation, "impl_aten", None)
    return _decompositions().get(operation)


def is_view(operation: Any) -> bool:
    """Whether what an operation returns is a view of what it takes, which it leaves as it is."""
    schema = getattr(operation, "_schema", None)
    if schema is None:
        return False
    ends = [end.alias_info for end in schema.returns]
    return any(alias is not None and not alias.is_write for alias in ends)


def returning(operation: Any) -> Any:
    """Return the operation that returns what another one writes in place, as ``add`` for ``add_``.

    The same one, where there is no such.
    """
    name, _, overload = str(getattr(operation, "__name__", "")).partition(".")
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None)
    if not name.endswith("_") or name.endswith("__") or packet is None:
        return operation
    return getattr(packet, overload) if overload in packet.overloads() else operation


def pushed_forward(
    function: Callable[[torch.Tensor], torch.Tensor], at: torch.Tensor, tangent: torch.Tensor
) -> torch.Tensor:
    """Return the derivative of a function along a tangent, by forward mode.

    What torch imports for it, once, warns of a deprecated function that it uses itself.
    """
    if "torch._decomp.decompositions_for_jvp" not in sys.modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            importlib.import_module("torch._decomp.decompositions_for_jvp")
    pushed: torch.Tensor = torch.func.jvp(function, (at,), (tangent,))[1]
    return pushed


def sobol_engine(axes: int, seed: int) -> Any:
    """Return torch's scrambled Sobol' sequence, whatever the default dtype is.

    Torch makes the first point of its default dtype, which a problem may have changed.
    """
    engine: Any = torch.quasirandom.SobolEngine(axes, scramble=True, seed=seed)  # type: ignore[no-untyped-call]  # torch has no types there
    engine._first_point = (engine.quasi.to(torch.float32) / 2**engine.MAXBIT).reshape(1, -1)
    return engine
