"""Files of the user's that have the names of our folders, or of Python's: they disturb nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import shoal

SameTable = Callable[[Path, Path], None]

NAMES = ("search", "trainable", "slurm", "test", "shoal")
"""The last one could only hide us where Python looks before it looks at what is installed."""

PROBLEM = """
import torch
import {name}


class Fit:
    space = {{"lr": "1e-3:1e-1:log"}}

    def data(self):
        return torch.linspace(0, 1, 10) * {name}.FACTOR

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - 1
        return (r * r).sum(), ((2 * r * data).sum(),)
"""

SMALL = {"trials": 8, "steps": 5, "program": "eager"}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The search with a helper of a usual name."""
    place = tmp_path_factory.mktemp("usual")
    (place / "helper.py").write_text("FACTOR = 2.0\n")
    (place / "fit.py").write_text(PROBLEM.format(name="helper"))
    shoal.run(f"{place / 'fit.py'}:Fit", **SMALL, engine="inline", out=place / "out")
    return place / "out"


def run(code: str, cwd: Path, *, safe: bool = True, **environment: str) -> None:
    """Run Python in a process of its own."""
    flags = ["-P"] if safe else []
    done = subprocess.run(
        [sys.executable, *flags, "-c", code],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.long)])
@pytest.mark.parametrize("name", NAMES[:-1])
def test_a_helper_may_have_the_name_of_one_of_our_folders(
    name: str,
    engine: str,
    usual: Path,
    tmp_path: Path,
    same_table: SameTable,
    one_ray: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside the problem, in the current folder: the user's problem has theirs, we have ours."""
    (tmp_path / f"{name}.py").write_text("FACTOR = 2.0\n")
    (tmp_path / "fit.py").write_text(PROBLEM.format(name=name))
    monkeypatch.chdir(tmp_path)
    shoal.run("fit.py:Fit", **SMALL, engine=engine, workers=1, out="out")
    same_table(tmp_path / "out", usual)


@pytest.mark.long
@pytest.mark.parametrize("where", ["current folder", "PYTHONPATH"])
def test_a_stranger_of_such_a_name_is_never_run(
    where: str, usual: Path, tmp_path: Path, same_table: SameTable
) -> None:
    """Wherever Python looks before it looks at what is installed, in driver and workers."""
    place, strangers = tmp_path / "place", tmp_path / "strangers"
    strangers.mkdir()
    for name in NAMES[:-1]:
        (strangers / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\n")
    if where == "current folder":
        strangers.rename(place)
    else:
        place.mkdir()
    (place / "helper.py").write_text("FACTOR = 2.0\n")
    (place / "fit.py").write_text(PROBLEM.format(name="helper"))
    path = os.environ.get("PYTHONPATH", "")
    environment = {"PYTHONPATH": f"{strangers}:{path}"} if where == "PYTHONPATH" else {}
    for engine in ("inline", "ray"):
        asked = f"**{SMALL}, engine={engine!r}, workers=1, out={engine!r}"
        run(f"import shoal; shoal.run('fit.py:Fit', {asked})", place, safe=False, **environment)
        same_table(place / engine, usual)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", NAMES[:-1])
def test_a_script_may_have_such_a_name(
    name: str, usual: Path, tmp_path: Path, same_table: SameTable
) -> None:
    """Of one's own, which searches."""
    (tmp_path / "helper.py").write_text("FACTOR = 2.0\n")
    script = tmp_path / f"{name}.py"
    script.write_text(
        "import shoal\n"
        + PROBLEM.format(name="helper")
        + "\nif __name__ == '__main__':\n"
        + f"    shoal.run(__file__ + ':Fit', **{SMALL}, engine='inline', out='out')\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    same_table(tmp_path / "out", usual)


def test_a_file_that_hides_shoal_itself_is_told(tmp_path: Path) -> None:
    """Python says which file it has imported; `shoal` is found beside it no more."""
    (tmp_path / "shoal.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", "import shoal; shoal.run()"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "module 'shoal' has no attribute 'run'" in done.stderr
    installed = subprocess.run(
        [sys.executable, "-P", "-m", "shoal", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0
