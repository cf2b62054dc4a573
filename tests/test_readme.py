"""README.md: its commands and its Python, word by word, in the order in which they stand.

Its `make` commands are what `.ci/run` runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line[2:]
    for block in re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
]
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)

FLOOR = 8.817165410
LARGEST_STABLE = 3.5579469e-6


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder in which all commands of README.md ran, and what each printed."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", folder / "examples")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = {}
    for command in COMMANDS:
        done = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        said[command] = done.stdout + done.stderr
    return folder, said


def test_the_default_search_finds_the_best_learning_rate(
    printed: tuple[Path, dict[str, str]],
) -> None:
    """The first command: 1,024 trials, the floor, and where the time went. The second is one for
    Ray Tune."""
    folder, said = printed
    text = said[COMMANDS[0]]
    trials = pandas.read_parquet(folder / "runs" / "first" / "trials.parquet")
    assert trials["trial"].tolist() == list(range(1024))
    best = trials.loc[trials["loss"].idxmin()]
    assert FLOOR * (1 - 1e-6) < best["loss"] <= 8.8172
    assert best["lr"] < LARGEST_STABLE
    assert set(trials["state"]) == {"complete", "diverged"}
    assert 'pandas.read_parquet("runs/first/trials.parquet")' in text
    spent = re.search(r"time +([\d.]+) s: (.*)", text)
    assert spent is not None
    parts = [float(seconds) for seconds in re.findall(r"([\d.]+) s \(", spent[2])]
    assert sum(parts) == pytest.approx(float(spent[1]), rel=0.05)
    assert "Ray Tune" in said[COMMANDS[1]]
    for chatter in ("ray::", "WARNING", "Warning", "Trial ", "View detailed"):
        assert chatter not in text
    assert not list((folder / "runs" / "first" / "parts").iterdir())


def test_going_on_with_a_finished_search_repeats_nothing(
    printed: tuple[Path, dict[str, str]],
) -> None:
    """The command that goes on with a finished search finds nothing to do, and says so."""
    assert "nothing was left to do" in printed[1]["shoal run --out runs/mine"]


def test_the_python_of_the_readme_runs(printed: tuple[Path, dict[str, str]]) -> None:
    """The problem is the example's, word by word; the other blocks run as one script."""
    problem, *scripts = PYTHON
    assert problem in (ROOT / "examples" / "ridge.py").read_text()
    script = printed[0] / "readme.py"
    script.write_text("\n".join([*scripts, "assert len(trials) == 256 and len(result.curves)"]))
    subprocess.run([sys.executable, script], cwd=printed[0], check=True, timeout=300)


def test_the_example_script_runs(printed: tuple[Path, dict[str, str]]) -> None:
    """examples/learning_rate.py prints the best learning rate of its search."""
    done = subprocess.run(
        [sys.executable, "examples/learning_rate.py"],
        cwd=printed[0],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    best = re.search(r"best learning rate: (\S+)", done.stdout)
    assert best is not None
    assert float(best[1]) < LARGEST_STABLE
    assert "128 trials in the study" in done.stdout


def test_the_columns_are_those_of_the_table(printed: tuple[Path, dict[str, str]]) -> None:
    """Every column of the results stands in README.md's table, and no other."""
    table = README.partition("| column of `trials` | |")[2].partition("`curves` has")[0]
    named = set(re.findall(r"`(\w+)`", re.sub(r"\| [^|]*\|$", "|", table, flags=re.MULTILINE)))
    trials = pandas.read_parquet(printed[0] / "runs" / "first" / "trials.parquet")
    assert named == set(trials) - {"lr"}
