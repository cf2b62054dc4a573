"""The table and the kept parameters of a search depend on its seed and arguments alone.

One search has everything: metrics, replicates, folds, the best reporting step, patience.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import shoal

Same = Callable[[Path, Path], None]
Whole = Callable[[str], Path]

SIDES, NET = (Path(__file__).parent.parent / name for name in ("sides.py", "net.py"))
STRIKING = Path(__file__).with_name("striking.py")

KEPT = 2
COMPILED = pytest.mark.skipif(
    shutil.which("c++") is None, reason="needs a C++ compiler: apt-get install g++"
)
LONG_COMPILED = pytest.param("compiled", marks=[pytest.mark.long, COMPILED])
LONG_NET = pytest.param("net", marks=pytest.mark.long)


def arguments(program: str) -> dict[str, Any]:
    """A search of three rounds of four packs; some fits of a trial diverge and others do not.

    The net has minibatches, a module with running means and dropout, and a hyperparameter that one
    of its optimizers does not have; its steps take long, and it has fewer of them, in two rounds.
    """
    net = program == "net"
    return {
        "problem": f"{NET}:Net" if net else f"{SIDES}:Sides",
        "trials": 12 if net else 18,
        "replicates": 2,
        "folds": 2,
        "select": "best",
        "patience": 4,
        "keep": KEPT,
        "steps": 30 if net else 200,
        "report": 5 if net else 10,
        "diverge_factor": 1.5,
        "seed": 4,
        "round": 6,
        "pack": 6,
        "block": 4,
        "program": "eager" if net else program,
        "engine": "inline",
        **({"space": {"schedule": ["constant", "cosine"]}} if net else {}),
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The run folder of the search with each program, by one thread and in one go."""
    made: dict[str, Path] = {}

    def folder(program: str) -> Path:
        if program not in made:
            made[program] = tmp_path_factory.mktemp("whole") / program
            shoal.run(**arguments(program), workers=1, out=made[program])
        return made[program]

    return folder


def test_the_best_trials_are_kept_and_nothing_else(whole: Whole) -> None:
    """A file for each fit of the three best trials; a trial of which a fit has diverged is none."""
    result = shoal.load(whole("eager"))
    mixed = result.trials.groupby("trial")["state"].nunique()
    assert (mixed == 2).any()
    names = {
        f"trial-{trial:06d}-replicate-{replicate}-fold-{fold}.safetensors"
        for trial in result.ranking["trial"].head(KEPT)
        for replicate in range(2)
        for fold in range(2)
    }
    assert {file.name for file in (whole("eager") / "parameters").iterdir()} == names


@pytest.mark.parametrize("program", ["eager", LONG_NET, LONG_COMPILED])
@pytest.mark.usefixtures("one_ray")
def test_threads_and_ray_keep_the_same(
    tmp_path: Path, same_folder: Same, whole: Whole, program: str
) -> None:
    """By two threads, and by two workers of Ray Tune; the net runs there operation by operation
    too."""
    for engine in ("inline", "ray") if program != "eager" else ("inline",):
        asked = {**arguments(program), "engine": engine, "workers": 2}
        shoal.run(**asked, out=tmp_path / engine)
        same_folder(whole(program), tmp_path / engine)


@pytest.mark.parametrize("program", ["eager", LONG_NET, pytest.param("compiled", marks=COMPILED)])
def test_an_interrupted_search_goes_on_to_keep_the_same(
    tmp_path: Path, same_folder: Same, whole: Whole, program: str
) -> None:
    """Told to stop as each life's first rows come, it saves what is in hand, and goes on."""
    out = tmp_path / "out"

    class Stop(shoal.Observer):
        def rows(self, table: Any) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    def lives() -> Iterator[str]:
        while True:
            try:
                shoal.run(**arguments(program), workers=2, out=out, observers=[Stop()])
            except shoal.Interrupted as error:
                yield str(error)
            else:
                return

    said = list(lives())
    assert len(said) >= 2
    assert any("saved" in line for line in said), said
    same_folder(whole(program), out)


@pytest.mark.long
@pytest.mark.parametrize("program", ["eager", pytest.param("compiled", marks=COMPILED)])
def test_a_search_that_is_killed_while_it_writes_goes_on_to_keep_the_same(
    tmp_path: Path, same_folder: Same, whole: Whole, program: str
) -> None:
    """By SIGKILL, life after life: between a pack's parameters and its rows, and elsewhere. (A net
    that is killed: `tests/faults`.)"""
    strike("lives", tmp_path, program)
    same_folder(whole(program), tmp_path / "out")


@pytest.mark.long
def test_a_search_that_is_killed_at_its_end_goes_on_to_keep_the_same(
    tmp_path: Path, same_folder: Same, whole: Whole
) -> None:
    """By SIGKILL, at each step from the packs' files to those of the best trials; and as each has
    left the folder, the parameters are there to be read."""
    steps = strike("end", tmp_path, "eager")["steps"]
    assert steps > 2 * 4 * KEPT  # each file is written and then moved
    for at in range(1, steps + 2):
        same_folder(whole("eager"), tmp_path / f"step-{at:02}")


def strike(how: str, folder: Path, program: str) -> dict[str, int]:
    """Run the script that strikes the search."""
    done = subprocess.run(
        [sys.executable, STRIKING, how, folder, json.dumps(arguments(program))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, int] = json.loads(done.stdout)
    return told
