"""Who may know whom."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import shoal

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    file for room in ("search", "trainable", "slurm") for file in (ROOT / room).rglob("*.py")
)


def imports(file: Path) -> set[str]:
    """The packages that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("file", MODULES, ids=[str(file.relative_to(ROOT)) for file in MODULES])
def test_each_module_imports_only_what_its_room_may(file: Path) -> None:
    """trainable/ knows torch, and Ray in hosts/ray_tune.py alone; slurm/ knows neither of the other
    rooms; Optuna is known in search/ alone."""
    room, known = file.relative_to(ROOT).parts[0], imports(file)
    if room == "trainable":
        assert not known & {"search", "slurm", "optuna", "pandas", "numpy", "pyarrow"}
        assert "ray" not in known or file.name == "ray_tune.py"
    elif room == "slurm":
        assert not known & {"search", "trainable", "optuna", "torch", "pandas"}
        text = file.read_text(encoding="utf-8")  # also in what it gives Python to run
        assert not re.search(r"^\s*(from|import) (search|trainable|torch)\b", text, re.MULTILINE)


@pytest.mark.parametrize("file", MODULES, ids=[str(file.relative_to(ROOT)) for file in MODULES])
def test_each_module_is_small_and_says_what_it_is(file: Path) -> None:
    """A module is one noun of at most 300 lines, with a docstring, and unpickles nothing."""
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    assert ast.get_docstring(ast.parse(text))
    assert not imports(file) & {"pickle", "dill", "cloudpickle"}


def test_the_public_face_offers_what_it_names() -> None:
    """Every name in ``shoal.__all__`` is there, sorted, and has a docstring."""
    ignoring_case = sorted(shoal.__all__, key=lambda name: (name[0].islower(), name))
    assert shoal.__all__ == ignoring_case
    for name in shoal.__all__:
        assert getattr(shoal, name).__doc__
