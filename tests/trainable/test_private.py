"""Private interfaces of torch: each that is used exists, and does what it is used for."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import shoal
from shoal.trainable import private

ROOT = Path(shoal.__file__).parent

MODULES = [
    file
    for package in ("trainable", "search")
    for file in sorted((ROOT / package).resolve().rglob("*.py"))
    if file != Path(private.__file__).resolve()
]

USED = (
    "torch.utils._python_dispatch.TorchDispatchMode",
    "torch.utils._python_dispatch.TorchDispatchMode._should_skip_dynamo",
    "torch.utils._pytree.tree_map",
    "torch._decomp.core_aten_decompositions",
    "torch._decomp.decomposition_table",
    "torch._GLOBAL_DEVICE_CONTEXT",
    "torch.Tensor._version",
    "torch._dynamo",
    "torch._dynamo.compiled_autograd._disable",
    "torch._functorch.eager_transforms._autograd_grad",
    "torch.quasirandom.SobolEngine.MAXBIT",
)
"""Private names, and public ones of private modules."""


def found(name: str) -> Any:
    """What a dotted name of torch stands for."""
    import importlib

    at: Any = torch
    walked = "torch"
    for part in name.split(".")[1:]:
        walked = f"{walked}.{part}"
        if not hasattr(at, part):
            importlib.import_module(walked)
        at = getattr(at, part)
    return at


@pytest.mark.parametrize("name", USED)
def test_what_is_used_exists(name: str) -> None:
    """In the installed torch."""
    assert found(name) is not None


def test_the_docstring_names_what_is_used_and_the_version_that_was_tried() -> None:
    """Another version of torch calls for another look at this module."""
    tried = re.findall(r"Tried with torch ([\d.]+\d)", str(private.__doc__))
    assert str(torch.__version__).partition("+")[0] in tried
    for name in USED:
        last = name.rpartition(".")[2] if "SobolEngine" not in name else "_first_point"
        first = name.removeprefix("torch.").partition(".")[0]
        assert last in str(private.__doc__) or first in str(private.__doc__), name


def reached(file: Path) -> Iterator[str]:
    """Private parts of torch that a module imports, or takes by an attribute."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        else:
            continue
        for name in names:
            private_ = re.search(r"^torch\.(?!ops\.)(.*\.)?_(?!_)", name)
            if private_ or name.endswith(("._version", "._first_point")):
                yield name


def test_no_other_module_reaches_into_torch() -> None:
    """Names of operators, ``torch.ops.aten._…``, are no interface but data."""
    assert len(MODULES) > 100
    assert [(str(file), name) for file in MODULES for name in reached(file)] == []


def test_each_operation_below_vmap_is_seen() -> None:
    """As a plain operation on the stacked tensor."""
    seen = []

    class Mode(private.DispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
        ) -> Any:
            seen.append((str(func), [a.shape for a in args if isinstance(a, torch.Tensor)]))
            return func(*args, **(kwargs or {}))

    x = torch.ones(3)
    with Mode():
        torch.vmap(lambda x: x.sin() + 1)(x)
    assert [each for each in seen if "sin" in each[0]] == [("aten.sin.default", [(3,)])]
    assert [each for each in seen if "add" in each[0]] == [("aten.add.Tensor", [(3,), ()])]


def test_versions_count_writes_in_place_and_default_devices_are_told() -> None:
    """Also through a view; no device is not the CPU."""
    x = torch.zeros(4)
    before = private.version(x)
    _ = x + 1
    assert private.version(x) == before
    x[1:].add_(1)
    assert private.version(x) > before
    assert private.default_device() is None
    torch.set_default_device("meta")
    try:
        assert private.default_device() == torch.device("meta")
    finally:
        torch.set_default_device(None)
    assert private.mapped(lambda n: n + 1, (1, [2, {"a": 3}])) == (2, [3, {"a": 4}])


LIGHT = """
import sys
import torch
from shoal.trainable.private import light_gradients

def found():
    x = torch.linspace(-1, 1, 7, dtype=torch.float64)
    cubed = lambda at: (at**3 * x).sum()
    def one(at):
        gradient, loss = torch.func.grad_and_value(cubed)(at)
        return gradient, loss, torch.func.vjp(cubed, at)[1](loss)[0]
    several = torch.vmap(one)(torch.stack([x, x + 1]))
    return [each.tolist() for each in (*several, torch.func.jacrev(torch.func.grad(cubed))(x))]

light_gradients()
light_gradients()
light = found()
assert "torch._dynamo" not in sys.modules
import torch._dynamo
calls = []
usual = torch._dynamo.compiled_autograd._disable
torch._dynamo.compiled_autograd._disable = lambda: calls.append(1) or usual()
assert found() == light
assert calls
print(light)
"""


def test_gradients_leave_the_compiler_alone_until_others_have_imported_it() -> None:
    """With the numbers that torch has without us."""
    light, plain = (
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
        for text in (LIGHT, LIGHT.partition("light_gradients()\nlight")[0] + "print(found())")
    )
    assert light.returncode == 0, light.stderr
    assert light.stdout == plain.stdout != ""
