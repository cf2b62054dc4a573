"""Who may know whom: packages, rooms (the folders in them) and faces (what a room exports)."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pytest

import shoal

ROOT = Path(__file__).parent.parent
PACKAGES = ("search", "trainable", "slurm")
MODULES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
ROOMS = sorted(
    ".".join(face.parent.relative_to(ROOT).parts)
    for package in PACKAGES
    for face in (ROOT / package).rglob("__init__.py")
    if face.parent.parent != ROOT
)

MAX_MODULES, MAX_LINES = 9, 300

ARROWS = {
    "search.api": (
        "search.driver search.engines search.errors search.fits search.folder search.preparation "
        "search.request search.results search.samplers.studies search.trackers search.watching "
        "trainable.errors trainable.memory trainable.modules"
    ),
    "search.command": (
        "search.api search.command.arguments search.command.pages search.command.runs "
        "search.command.terminal search.driver search.engines search.errors search.explaining "
        "search.fits search.folder search.process search.request search.results search.space "
        "search.watching slurm.cluster slurm.doctor slurm.errors slurm.files slurm.jobfolder "
        "slurm.queue slurm.submission slurm.wire"
    ),
    "search.command.arguments": (
        "search.command.runs search.errors search.request search.space slurm.queue slurm.wire"
    ),
    "search.command.pages": "search.api search.errors search.report search.request search.watching",
    "search.command.runs": (
        "search.api search.command.terminal search.errors search.folder search.lock "
        "search.process search.request search.results search.studies search.watching slurm.errors "
        "slurm.queue slurm.wire trainable.problems"
    ),
    "search.command.terminal": "search.errors search.process",
    "search.driver": (
        "search.driver.outcomes search.engines search.errors search.folder search.folder.tables "
        "search.machine search.preparation search.process search.request search.rounds "
        "search.watching trainable.columns trainable.errors trainable.lanes trainable.modules "
        "trainable.task"
    ),
    "search.driver.outcomes": (
        "search.engines search.errors search.folder search.request search.rounds trainable.lanes "
        "trainable.programs trainable.task"
    ),
    "search.engines": (
        "search.errors search.machine search.process search.programs search.request search.rounds "
        "search.space trainable.disk trainable.functions trainable.halt trainable.hosts "
        "trainable.task trainable.worker"
    ),
    "search.engines.ray_tune": (
        "search.engines search.errors search.machine search.process search.rounds slurm.node "
        "trainable.hosts trainable.modules trainable.process trainable.task"
    ),
    "search.errors": "slurm.errors slurm.wire",
    "search.explaining": (
        "search.errors search.preparation search.process search.programs search.request "
        "search.rounds trainable.compiling trainable.errors trainable.fused trainable.halt "
        "trainable.programs"
    ),
    "search.fits": (
        "search.errors search.folder search.machine search.newfile search.preparation "
        "search.process search.request search.rounds search.space trainable.checking "
        "trainable.columns trainable.errors trainable.fitting trainable.functions trainable.lanes "
        "trainable.losses trainable.problems trainable.programs trainable.task trainable.worker"
    ),
    "search.folder": (
        "search.errors search.folder.tables search.lock search.process search.request slurm.wire "
        "trainable.columns trainable.disk trainable.modules trainable.problems"
    ),
    "search.folder.tables": "search.errors search.request trainable.disk",
    "search.known": (
        "search.errors search.folder search.folder.tables search.request "
        "search.request.amendments search.samplers search.space"
    ),
    "search.lock": "search.errors search.process slurm.files trainable.disk",
    "search.newfile": "search.errors",
    "search.plots": "search.request trainable.lanes",
    "search.preparation": (
        "search.errors search.folder search.known search.process search.programs search.request "
        "search.request.amendments search.samplers search.samplers.studies search.space "
        "trainable.checking trainable.columns trainable.errors trainable.functions "
        "trainable.memory trainable.modules trainable.optimizers trainable.problems "
        "trainable.process trainable.programs trainable.pruning"
    ),
    "search.process": "search.errors slurm.wire trainable.errors trainable.process",
    "search.programs": (
        "search.errors search.machine search.request search.request.amendments search.space "
        "trainable.columns trainable.compiling trainable.errors trainable.fused trainable.lanes "
        "trainable.optimizers trainable.problems trainable.programs trainable.programs.comparing"
    ),
    "search.report": (
        "search.errors search.folder search.folder.tables search.plots search.request "
        "search.results search.space search.watching trainable.disk trainable.lanes"
    ),
    "search.request": (
        "search.errors search.request.amendments search.space trainable.columns "
        "trainable.errors trainable.modules trainable.process trainable.programs "
        "trainable.pruning"
    ),
    "search.request.amendments": "search.errors search.space",
    "search.results": (
        "search.errors search.fits search.folder search.folder.tables search.plots search.request "
        "search.space search.studies search.watching trainable.lanes"
    ),
    "search.rounds": (
        "search.errors search.folder.tables search.request search.request.amendments "
        "search.samplers search.space trainable.columns trainable.fitting trainable.functions "
        "trainable.lanes trainable.optimizers trainable.problems trainable.pruning "
        "trainable.task"
    ),
    "search.samplers": "search.process search.space trainable.private",
    "search.samplers.studies": (
        "search.errors search.process search.samplers search.space trainable.errors "
        "trainable.problems"
    ),
    "search.space": "search.errors",
    "search.studies": (
        "search.errors search.folder search.folder.tables search.machine search.newfile "
        "search.process search.request search.space trainable.problems"
    ),
    "search.trackers": (
        "search.errors search.folder search.folder.tables search.process search.request "
        "search.results search.watching"
    ),
    "search.watching": "search.process search.request",
    "slurm.__main__": (
        "slurm.cluster slurm.doctor slurm.errors slurm.jobfolder slurm.node slurm.queue slurm.wire"
    ),
    "slurm.cluster": "slurm.errors slurm.files slurm.jobfolder slurm.node slurm.queue slurm.wire",
    "slurm.doctor": "slurm.errors slurm.node slurm.queue slurm.wire",
    "slurm.jobfolder": "slurm.causes slurm.errors slurm.files slurm.wire",
    "slurm.node": "slurm.errors slurm.files slurm.jobfolder slurm.queue slurm.wire",
    "slurm.queue": "slurm.errors slurm.jobfolder slurm.wire",
    "slurm.submission": "slurm.errors slurm.files slurm.queue slurm.wire",
    "trainable.checking": (
        "trainable.checking.gradient trainable.errors trainable.feeding trainable.fused "
        "trainable.lanes trainable.losses trainable.optimizers trainable.private "
        "trainable.problems trainable.process trainable.programs"
    ),
    "trainable.checking.gradient": "trainable.problems",
    "trainable.compiling": "trainable.disk trainable.errors trainable.private trainable.process",
    "trainable.disk": "trainable.errors",
    "trainable.feeding": "trainable.errors trainable.problems",
    "trainable.fitting": (
        "trainable.columns trainable.disk trainable.errors trainable.halt trainable.lanes "
        "trainable.optimizers trainable.problems trainable.programs trainable.pruning version"
    ),
    "trainable.functions": (
        "trainable.errors trainable.halt trainable.lanes trainable.modules trainable.problems "
        "trainable.process trainable.pruning trainable.task"
    ),
    "trainable.functions.inside": (
        "trainable.errors trainable.functions trainable.modules trainable.process"
    ),
    "trainable.fused": (
        "trainable.compiling trainable.fused.cpp trainable.fused.loops "
        "trainable.fused.operations trainable.fused.windows trainable.halt trainable.private"
    ),
    "trainable.fused.cpp": (
        "trainable.compiling trainable.fused.cpp.dialect trainable.fused.cpp.writing "
        "trainable.fused.loops trainable.halt"
    ),
    "trainable.fused.cpp.dialect": "trainable.fused.loops",
    "trainable.fused.cpp.writing": "trainable.fused.cpp.dialect trainable.fused.loops",
    "trainable.fused.operations": "trainable.fused.loops trainable.private",
    "trainable.fused.pieces": (
        "trainable.compiling trainable.fused trainable.fused.loops trainable.fused.operations "
        "trainable.halt trainable.private"
    ),
    "trainable.fused.windows": "trainable.fused.loops trainable.fused.operations",
    "trainable.hosts": (
        "trainable.compiling trainable.errors trainable.halt trainable.programs trainable.task "
        "trainable.worker"
    ),
    "trainable.lanes": "trainable.columns trainable.transport",
    "trainable.losses": (
        "trainable.errors trainable.losses.stackable trainable.problems trainable.process"
    ),
    "trainable.losses.stackable": "trainable.errors trainable.problems",
    "trainable.memory": "trainable.errors trainable.modules",
    "trainable.modules": "trainable.errors",
    "trainable.optimizers": (
        "trainable.errors trainable.optimizers.methods trainable.problems trainable.process"
    ),
    "trainable.optimizers.methods": "trainable.private trainable.problems",
    "trainable.problems": (
        "trainable.disk trainable.errors trainable.memory trainable.modules trainable.private "
        "trainable.process"
    ),
    "trainable.problems.shipped": "trainable.errors trainable.problems",
    "trainable.problems.shipped.digits": "trainable.problems trainable.problems.shipped",
    "trainable.process": "trainable.disk trainable.errors trainable.modules trainable.private",
    "trainable.programs": (
        "trainable.columns trainable.compiling trainable.errors trainable.feeding trainable.fused "
        "trainable.fused.loops trainable.fused.pieces trainable.halt trainable.lanes "
        "trainable.losses trainable.optimizers trainable.private trainable.problems "
        "trainable.process trainable.programs.runs"
    ),
    "trainable.programs.runs": (
        "trainable.compiling trainable.errors trainable.feeding trainable.fused"
    ),
    "trainable.programs.comparing": (
        "trainable.lanes trainable.optimizers trainable.problems trainable.programs"
    ),
    "trainable.pruning": "trainable.errors trainable.transport",
    "trainable.runners": (
        "trainable.errors trainable.fitting trainable.fused trainable.halt trainable.modules "
        "trainable.process trainable.programs trainable.task"
    ),
    "trainable.task": (
        "trainable.fitting trainable.lanes trainable.problems trainable.programs trainable.pruning"
    ),
    "trainable.worker": "trainable.halt trainable.runners trainable.task",
}
"""Room or single module: what it may import of the others, each by its face."""


@cache
def tree_of(file: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imports(file: Path) -> tuple[tuple[str, str], ...]:
    """The modules that a file imports, anywhere in it, each with the name that it takes."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            found += ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            found += ((str(node.module), alias.name) for alias in node.names)
    return tuple(found)


def room_of(module: str) -> str:
    """The room that a module of ours lies in; a module beside the rooms is one of its own."""
    words = module.split(".")
    heads = [".".join(words[:n]) for n in range(len(words), 1, -1)]
    return next((head for head in heads if head in ROOMS), ".".join(words[:2]))


def name_of(file: Path) -> str:
    """A module's name within shoal."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def failures(check: Callable[[Path], object], files: Iterable[Path] = MODULES) -> list[str]:
    """What is wrong with each module: all of it in one list."""
    found = []
    for file in files:
        try:
            check(file)
        except AssertionError as error:
            found.append(f"{name_of(file)}: {error}")
    return found


OF_SCIKIT_LEARN = ("trainable.problems.shipped.tables",)
"""Modules whose data scikit-learn has."""


def test_each_module_imports_only_what_its_package_may() -> None:
    """trainable knows torch, Ray in hosts/ray_tune.py alone, and scikit-learn in the problem that
    takes its data; slurm knows neither of the other packages; Optuna is known in search alone, and
    there where samplers and studies are."""
    assert failures(_of_package) == []


def _of_package(file: Path) -> None:
    package, name = file.relative_to(ROOT).parts[0], name_of(file)
    known = {module.partition(".")[0] for module, _ in imports(file)}
    if package == "trainable":
        assert not (found := known & {"optuna", "pandas", "numpy", "pyarrow", "click"}), found
        assert "ray" not in known or name == "trainable.hosts.ray_tune", "ray"
        assert "sklearn" not in known or name in OF_SCIKIT_LEARN, "sklearn"
    elif package == "slurm":
        assert not (found := known & {"optuna", "torch", "pandas"}), found
        assert "ray" not in known or name == "slurm.node.ray_nodes", "ray"
        text = file.read_text(encoding="utf-8")  # also in what it gives Python to run
        other = re.search(r"^\s*(from|import) (shoal\.(search|trainable)|torch)\b", text, re.M)
        assert not other, other
    elif "ray" in known:
        assert name.startswith("search.engines.ray_tune."), "ray"
    elif "optuna" in known:
        assert room_of(name) in (
            "search.samplers",
            "search.samplers.studies",
            "search.results",
            "search.space",
            "search.studies",
        ), "optuna"


PRIVATE_OF_RAY = {
    "search.engines.ray_tune.private": {
        "set_sigterm_handler",
        "get_entrypoint_name",
        "Config",
        "AuthenticationTokenLoader",
        "GcsClient",
        "_private",
        "worker",
        "usage",
    },
    "trainable.hosts.ray_tune": {"_internal_kv_put", "_internal_kv_exists"},
    "slurm.node.ray_nodes": {"GcsClient", "_private"},
}


def test_private_interfaces_of_ray_are_used_in_one_module_of_each_package() -> None:
    """And only those names; what they are, and the versions tried, is told there."""
    assert failures(_private_of_ray) == []


def _private_of_ray(file: Path) -> None:
    for module, name in imports(file):
        if module.startswith("ray.") and any(
            word[:1] == "_" for word in (*module.split("."), name)
        ):
            may = PRIVATE_OF_RAY.get(name_of(file), set())
            assert name in (may | {"utils"} if may else may), f"{module}.{name}"


def test_each_module_reaches_others_by_their_faces_and_only_those_that_it_may() -> None:
    """What a room's ``__init__`` exports is what others may use of it."""
    assert failures(_by_faces) == []


def _by_faces(file: Path) -> None:
    here = room_of(name_of(file))
    for module, name in imports(file):
        if not module.startswith("shoal."):
            continue
        target = module.removeprefix("shoal.")
        target = f"{target}.{name}" if target in PACKAGES else target
        room = room_of(target)
        if room == here:
            continue
        assert target == room, f"{target} lies in {room}: import {name} from shoal.{room}"
        assert room in ARROWS.get(here, "").split(), f"{here} may not import {room}"


def test_no_arrow_leads_back() -> None:
    """The rooms stand in an order in which each imports only earlier ones."""
    left = {room: set(arrows.split()) for room, arrows in ARROWS.items()}
    done = {room for arrows in left.values() for room in arrows} - left.keys()
    while left:
        ready = {room for room, arrows in left.items() if arrows <= done}
        assert ready, f"a circle among {sorted(left)}"
        done |= ready
        left = {room: arrows for room, arrows in left.items() if room not in ready}


def test_a_room_is_small_and_its_face_is_documented() -> None:
    """Nine modules at the most; whatever is exported exists, says what it is, and is used."""
    faces = [ROOT / room.replace(".", "/") / "__init__.py" for room in ROOMS]
    assert failures(_room, faces) == []


def _room(init: Path) -> None:
    room, folder = name_of(init), init.parent
    modules = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
    assert len(modules) <= MAX_MODULES, f"{len(modules)} modules"
    face = importlib.import_module(f"shoal.{room}")
    exported = set(getattr(face, "__all__", ()))
    for name in exported:
        thing = getattr(face, name)
        assert not (inspect.isclass(thing) or inspect.isroutine(thing)) or thing.__doc__, name
    used = {
        name
        for file in MODULES
        for module, name in imports(file)
        if module == f"shoal.{room}" and room_of(name_of(file)) != room
    }
    assert not (unused := exported - used - {*shoal.__all__, "main"}), f"nobody uses {unused}"


def test_each_module_is_small_and_says_what_it_is() -> None:
    """A module is one noun of at most 300 lines, with a docstring, and unpickles nothing."""
    assert failures(_small) == []


def _small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert (lines := len(text.splitlines())) <= MAX_LINES, f"{lines} lines"
    assert "fmt: skip" not in text, "fmt: skip"
    assert ast.get_docstring(tree_of(file)), "no docstring"
    known = {module.partition(".")[0] for module, _ in imports(file)}
    assert not (found := known & {"pickle", "dill", "cloudpickle"}), found


def test_messages_say_fit_and_worker() -> None:
    """A pack is named where its name finds its rows, and a lane never: docs/glossary.md."""
    assert failures(_messages) == []


def _messages(file: Path) -> None:
    tree = tree_of(file)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for text in [node.value for node in nodes if id(node) not in told]:
        if isinstance(text, str) and " " in text:
            told_by_name = text.removeprefix("fits of pack ")
            assert not re.search(r"(?<!-)\b(lanes?|packs?)\b", told_by_name), text


def test_the_public_face_offers_what_it_names() -> None:
    """Every name in ``shoal.__all__`` is there, sorted, and has a docstring."""
    assert shoal.__all__ == sorted(shoal.__all__)
    for name in set(shoal.__all__) - {"__version__"}:
        assert getattr(shoal, name).__doc__, name


@pytest.mark.parametrize("package", PACKAGES)
def test_a_checkouts_folders_are_no_packages_of_their_own(package: str) -> None:
    """There is one name for a module: in the checkout ``import search`` says so."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {package}"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"ImportError: this folder is a part of shoal: import shoal.{package}\n" in done.stderr
