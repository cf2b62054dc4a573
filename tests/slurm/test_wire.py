"""What crosses a wall between batch scripts, nodes and a search is spelled in one module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal.slurm import wire

ROOT = Path(__file__).parent.parent.parent
MODULES = sorted(
    file
    for package in ("search", "slurm")
    for file in (ROOT / package).rglob("*.py")
    if file != ROOT / "slurm" / "wire.py" and file.name != "__init__.py"  # a package names itself
)
NAMED = {name: value for name, value in vars(wire).items() if name.isupper()}
CODES = {value for value in NAMED.values() if isinstance(value, int)}
WHOLE = {
    wire.OUT_OPTION,
    wire.SEED_OPTION,
    wire.SLURM_FOLDER,
    wire.MODULE,
    wire.SUPERVISE,
    wire.AGENT,
    wire.EXAMINE,
}
RECORDS = {wire.HEAD, wire.CLUSTER, wire.JOB, wire.LIFE, wire.END}
FILES = {value for name, value in NAMED.items() if name.endswith(("_FILE", "_COUNT"))}
KEYS = {value for name, value in NAMED.items() if name.endswith("_KEY")}
BEGINNINGS = tuple(
    template.partition("{")[0]
    for template in ("node-{}.log", "memory-{}", "turn-{}", "runs/job-{}", "slurm/{}")
)
THEIRS = {"SHOAL_CACHE", "SHOAL_COMPLETE"}
"""Variables of `trainable`, which knows nothing of SLURM, and of click."""

ASKED = {"publish", "read", "published", "count", "forget", "write", "age_seconds", "get"}
"""Calls whose arguments name a record, a file or a key of one."""


def spelled(text: str) -> list[str]:
    """What of the wire a module spells itself, docstrings aside."""
    tree = ast.parse(text)
    told = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    meets = re.search(r"\b(JobFolder|published|count_nodes)\b", text) is not None
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in told:
            found += [repr(node.value)] if _is_ours(node.value) else []
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            begins = str(node.values[0].value)
            found += [begins] if begins.startswith(BEGINNINGS) else []
        if meets:
            names = _names(node)
            found += [name for name in names if name in RECORDS | FILES | KEYS]
    return found


def _is_ours(value: object) -> bool:
    """Whether a constant is the wire's wherever it stands."""
    if isinstance(value, int):
        return value in CODES and not isinstance(value, bool)
    if not isinstance(value, str):
        return False
    variables = set(re.findall(r"SHOAL_[A-Z_]+", value)) - THEIRS
    return value.removesuffix("=") in WHOLE or bool(variables) or f".{wire.SCRIPT_ENDING}" in value


def _names(node: ast.AST) -> Iterator[str]:
    """Texts by which something is published, or looked up."""
    at: list[ast.expr | None] = []
    if isinstance(node, ast.Subscript):
        at = [node.slice]
    elif isinstance(node, ast.Dict):
        at = list(node.keys)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):  # of paths
        at = [node.right]
    elif isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        at = list(node.args) if name in ASKED else []
    for each in at:
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_module_spells_what_the_wire_names(file: Path) -> None:
    """It takes it from `shoal.slurm.wire`; docstrings may tell of it."""
    assert spelled(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "code == 75",
        "code = 76 if told else 0",
        'os.environ["SHOAL_OUT"]',
        'f"SHOAL_PORTS={ports} is no range"',
        'out / "slurm" / job',
        'word == "--out"',
        '("--out=", "--seed=")',
        '["python", "-P", "-m", "shoal.slurm", role]',
        'message = "submit it: sbatch slurm/doctor.sbatch"',
        'f"memory-{node}"',
        'f"runs/job-{job}"',
        'JobFolder.make(out, 0).publish("head", values)',
        'published(place, name)["why"]',
        'published(place, name).get("life")',
        'JobFolder.path / "alive"',
        'def count_nodes():\n    return {"nodes": found}',
    ],
)
def test_a_spelling_is_found(text: str) -> None:
    """Whatever way it is written; in a docstring it is none."""
    assert spelled(text)
    assert not spelled(f"'''{text}'''") or "'''" in text


def test_what_lies_on_one_place_differs() -> None:
    """Two records, two files of a job folder, or two variables never have one name."""
    variables = [value for name, value in NAMED.items() if name.endswith("_VARIABLE")]
    assert len(set(variables)) == len(variables)
    assert wire.EXIT_SAVED != wire.EXIT_NOTHING_GAINED
    lying = [*(f"{name}.json" for name in RECORDS), *FILES, wire.log_file("n"), wire.turn("a", 0)]
    assert len(set(lying)) == len(lying)
