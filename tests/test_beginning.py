"""The command from its first moment to its last: a signal is one line, and an exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ENDS = {
    signal.SIGINT: (130, "shoal: interrupted\n"),
    signal.SIGTERM: (143, "shoal: interrupted\n"),
    signal.SIGHUP: (129, "shoal: interrupted\n"),
    signal.SIGUSR1: (76, "shoal: told to save before anything had begun\n"),
}


def struck(where: Path, module: str, number: int, *command: str) -> tuple[int, str]:
    """Give a command that is sent a signal as it imports a module; return its exit code and what it
    says of it.

    Args:
        command: of Python; none: ``-m shoal``.
    """
    (where / f"{module}.py").write_text(
        f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(60)\n"
    )
    path = os.pathsep.join([str(where), *sys.path])
    done = subprocess.run(
        [sys.executable, *(command or ("-m", "shoal")), "run"],
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
        cwd=where,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("module", ["lazy_loader", "click"])
@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
def test_a_signal_before_anything_is_imported_is_one_line(
    tmp_path: Path, number: signal.Signals, module: str
) -> None:
    """Python's own traceback would be forty."""
    assert struck(tmp_path, module, number) == ENDS[number]


def test_the_installed_command_begins_in_the_same_way(tmp_path: Path) -> None:
    """``shoal`` is what pyproject.toml says, and calls it as this does."""
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["shoal"]
    module, _, function = script.partition(":")
    code = f"import sys; from {module} import {function}; sys.exit({function}())"
    told = struck(tmp_path, "lazy_loader", signal.SIGINT, "-c", code)
    assert told == ENDS[signal.SIGINT]


def test_a_signal_after_the_end_is_one_line(tmp_path: Path) -> None:
    """While Python tidies up."""
    code = (
        "import atexit, os, signal, sys\nfrom shoal.__main__ import main\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGUSR1)\n"
        "sys.argv[1:] = ['--version']\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == ENDS[signal.SIGINT]
    assert done.stdout.startswith("shoal, version")
