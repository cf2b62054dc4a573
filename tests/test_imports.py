"""A command imports what it needs, since torch, Ray, Optuna and pandas take seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "ray", "optuna", "pandas", "numpy", "pyarrow", "scipy", "rich"}


def imported(*words: str, cwd: Path) -> set[str]:
    """Run a command in a process of its own; return the packages that it has imported."""
    code = (
        "import sys\n"
        "from shoal.search.command.main import main\n"
        "try:\n"
        f"    main.main(args={list(words)!r}, prog_name='shoal')\n"
        "finally:\n"
        "    print('imported', *sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, check=False
    )
    *_, line = done.stderr.splitlines()
    assert line.startswith("imported "), done.stderr
    return {name.partition(".")[0] for name in line.split()[1:]}


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["submit", "--help"],
        ["status", "--help"],
        ["doctor", "--help"],
        ["status", "runs/nothing"],
    ],
    ids=" ".join,
)
def test_help_and_the_commands_of_jobs_import_none_of_the_heavy_packages(
    words: list[str], tmp_path: Path
) -> None:
    """So ``shoal --help`` answers at once, also from a cold network disk."""
    assert imported(*words, cwd=tmp_path) & HEAVY == set()


def test_a_search_without_ray_does_not_import_it(tmp_path: Path) -> None:
    """Nor what shows the live line of a terminal."""
    words = ["run", "--trials", "4", "--steps", "2", "--quiet", "--out", "out"]
    there = imported(*words, cwd=tmp_path)
    assert "torch" in there
    assert there & {"ray", "rich"} == set()
