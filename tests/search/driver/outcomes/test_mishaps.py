"""Packs that do not work: whose doing it is, and that what a run cannot do is not final."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

import shoal
from shoal.search.command.summary import results_table
from shoal.search.driver.outcomes.mishaps import ATTEMPTS, Mishaps
from shoal.search.folder.placing import create
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.tables import rows
from shoal.search.folder.writer import Writer
from shoal.search.rounds.packs import Pack
from shoal.search.rounds.tasks import Tasks
from shoal.trainable.errors import is_told_to_end
from shoal.trainable.fitting import Plan
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.task import Outcome, StackedRecipe
from shoal.trainable.worker import Worker

SameTable = Callable[[Path, Path], None]

PROBLEM = """
import os, signal
from pathlib import Path
import torch

WORLD = Path({world!r})

class Line:
    space = {{"lr": "1e-4:1e-3:log", "scale": "0.5:1.5", "degree": [1, 2, 3]}}

    def __init__(self, degree):
        self.degree = degree

    def data(self):
        x = torch.tensor([float(word) for word in (WORLD / "data").read_text().split()])
        if (WORLD / "no-cubes").exists() and self.degree == 3:
            raise ValueError("no cubes")
        return x

    def initial(self, seed, scale):
        if (WORLD / "hook").exists():
            exec((WORLD / "hook").read_text(), {{**globals(), "scale": scale}})
        return {{"w": scale * torch.ones(self.degree + 1)}}

    def loss_and_gradient(self, params, data):
        w = params["w"]
        powers = torch.stack([data ** k for k in range(self.degree + 1)])
        r = w @ powers - torch.sin(data)
        return (r * r).sum(), {{"w": 2 * (powers @ r)}}
"""

ASKED: dict[str, Any] = {
    "trials": 24,
    "steps": 10,
    "round": 12,
    "pack": 2,
    "program": "eager",
    "sampler": "random",
    "engine": "inline",
    "workers": 1,
}


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """The folder of what the problem reads: a disk that can be there or not."""
    (tmp_path / "world").mkdir()
    (tmp_path / "world" / "data").write_text("0.0 0.25 0.5 1.0")
    (tmp_path / "line.py").write_text(PROBLEM.format(world=str(tmp_path / "world")))
    return tmp_path / "world"


def run(world: Path, out: str, **more: Any) -> shoal.Result:
    """The search, in the run folder of this name."""
    problem = f"{world.parent / 'line.py'}:Line"
    return shoal.run(problem, out=world.parent / out, **{**ASKED, **more})


def at_fit(world: Path, number: int, action: str) -> None:
    """Let the `number`-th fit that begins from now on in the run folder ``out`` do something."""
    (world / "count").write_text("0")
    (world / "hook").write_text(
        "if (WORLD.parent / 'out' / 'search.toml').exists():\n"
        "    n = int((WORLD / 'count').read_text()) + 1; (WORLD / 'count').write_text(str(n))\n"
        f"    if n {'<=' if number < 0 else '=='} {abs(number)}:\n        {action}\n"
    )


def states(out: Path) -> dict[str, int]:
    """The rows that are there, by state."""
    return {state: n for state, n in shoal.load(out).states().items() if n}


def test_what_a_run_cannot_do_is_not_final(world: Path, same_table: SameTable) -> None:
    """Data that is gone when a search goes on, or goes in its middle while other shapes are
    left, ends it with that error; once it is back, the table is as if nothing had been."""
    run(world, "whole")
    out = world.parent / "out"
    at_fit(world, 5, "os.kill(os.getpid(), signal.SIGINT)")
    with pytest.raises(shoal.Interrupted, match="interrupted"):
        run(world, "out")
    (world / "hook").unlink()
    before = states(out)
    assert sum(before.values()) in range(1, 24)
    (world / "data").rename(world / "unmounted")
    for _ in range(2):
        with pytest.raises(shoal.SearchFailed, match="worked before fails now: FileNotFoundError"):
            run(world, "out")
        assert states(out) == before
    (world / "unmounted").rename(world / "data")
    at_fit(world, 1, "(WORLD / 'data').rename(WORLD / 'unmounted')")
    with pytest.raises(shoal.SearchFailed, match=r"FileNotFoundError.*same command goes on"):
        run(world, "out")
    assert set(states(out)) == set(before)
    assert "FileNotFoundError" in (out / "errors.log").read_text()
    (world / "unmounted").rename(world / "data")
    (world / "hook").unlink()
    run(world, "out")
    same_table(out, world.parent / "whole")


def test_hyperparameters_that_cannot_be_fitted_are_failed_rows(world: Path) -> None:
    """A shape that raises where the others work is that shape's doing: its rows are final, also
    where the run that goes on has nothing else to do."""
    at_fit(world, 1, "(WORLD / 'no-cubes').touch()")
    result = run(world, "out")
    cubes = result.trials["degree"] == 3
    assert 0 < cubes.sum() < 24
    assert (result.trials["state"][cubes] == "failed").all()
    assert (result.trials["state"][~cubes] == "complete").all()
    assert result.trials["error"][cubes].str.startswith("ValueError: no cubes").all()


ODD_ERRORS = {
    "BadText": (
        "raise type('BadText', (Exception,), {'__str__': lambda self: 1 / 0})",
        "BadText: it does not say what it is (ZeroDivisionError)",
    ),
    "not UTF-8": (r"raise ValueError('x\\udcff')", r"ValueError: x\udcff"),
    "endless": ("raise ValueError('x' * 10**6)", "ValueError: " + "x" * 988 + "..."),
    "of its own": ("raise type('Own', (BaseException,), {})('own')", "Own: own"),
    "an interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "GeneratorExit": ("raise GeneratorExit", "GeneratorExit"),
}


@pytest.mark.parametrize("kind", ODD_ERRORS)
def test_whatever_a_fit_raises_is_an_error_of_it(world: Path, kind: str) -> None:
    """It fails its own pack, in one line that a table can hold."""
    action, told = ODD_ERRORS[kind]
    begun = "(WORLD.parent / 'out' / 'search.toml').exists()"
    (world / "hook").write_text(f"if {begun} and scale > 1.2:\n    {action}\n")
    trials = run(world, "out", trials=12, round=12, pack=1, space={"degree": 2}).trials
    failed = trials["scale"] > 1.2
    assert 0 < failed.sum() < 12
    assert (trials["state"] == "failed").equals(failed)
    assert set(trials["error"][failed]) == {f"{told} (in full: errors.log)"}


def test_a_process_that_is_told_to_end_is_no_error_of_its_fit() -> None:
    """What Ray's worker raises of SIGTERM, and what Ctrl-C raises, end the process."""
    by_ray = SystemExit(1)
    by_ray.ray_terminate_msg = b"The process receives a SIGTERM."  # type: ignore[attr-defined]  # Ray sets it
    assert is_told_to_end(by_ray)
    assert is_told_to_end(KeyboardInterrupt())
    assert not is_told_to_end(SystemExit(1))
    with ThreadPoolExecutor() as pool:  # where no signal is heard
        assert not pool.submit(is_told_to_end, KeyboardInterrupt()).result()


def test_packs_that_failed_before_anything_worked_are_tried_again(
    world: Path, same_table: SameTable
) -> None:
    """The first pack fails, and fails again, while nothing has worked yet; it is run once more when
    another has worked."""
    run(world, "whole")
    at_fit(world, -2, "raise OSError(f'not yet: {n}')")
    run(world, "out")
    same_table(world.parent / "out", world.parent / "whole")


def test_a_search_in_which_nothing_works_ends_without_rows(world: Path) -> None:
    """Also where no two packs fail with the same error: once all that could be asked has failed."""
    at_fit(world, -(10**6), "raise RuntimeError(f'error {n}')")
    for trials in (1, 24):
        with pytest.raises(shoal.SearchFailed, match=r"every fit so far failed.*error"):
            run(world, "out", trials=trials, round=6)
        assert shoal.load(world.parent / "out").ended == 0
        (world.parent / "out").rename(world.parent / f"out-{trials}")


def test_a_folder_of_failed_rows_alone_can_be_read_and_gone_on_with(
    world: Path, tmp_path: Path
) -> None:
    """Merged: results, a study, and the command that goes on, which has nothing to do."""
    whole = run(world, "whole")
    folder = RunFolder.open(whole.path)
    table = folder.trials()
    failed = pc.if_else(pc.is_valid(table["state"]), "failed", "failed")
    table = table.set_column(table.schema.get_field_index("state"), "state", failed)
    empty = [
        pa.array([[]] * len(table), type=pa.list_(kind)) for kind in (pa.int64(), pa.float64())
    ]
    table = table.append_column("curve_step", empty[0]).append_column("curve_loss", empty[1])
    part = table.cast(rows.part_schema(folder.request)).replace_schema_metadata(
        {rows.SEARCH: folder.request.mark}
    )
    source = find(f"{world.parent / 'line.py'}:Line").complete()
    writer = Writer(create(tmp_path / "failed", folder.request, source), print)
    writer.add("r000000-p000000", part.slice(0, 12))
    writer.merge()
    writer.add("r000000-p000001", part.slice(12))
    writer.merge()
    writer.close()
    result = shoal.load(tmp_path / "failed")
    assert result.states()["failed"] == 24
    assert result.best_row is None
    with pytest.raises(LookupError, match="no trial that has ended without failure"):
        _ = result.best
    assert result.ranking.empty
    assert result.curves.empty
    assert {trial.state.name for trial in result.study().trials} == {"FAIL"}
    assert "without failure" in results_table(result, 10)
    assert shoal.run(out=result.path, engine="inline").states()["failed"] == 24
    assert not list((result.path / "parts").iterdir())


@pytest.mark.long
@pytest.mark.usefixtures("one_ray")
def test_on_ray_too_what_a_run_cannot_do_is_not_final(world: Path, same_table: SameTable) -> None:
    """The data goes in the middle; two workers that have it go on, and the shapes that are still
    to come end the search."""
    run(world, "whole")
    at_fit(world, 1, "(WORLD / 'data').rename(WORLD / 'unmounted')")
    with pytest.raises(shoal.SearchFailed, match="FileNotFoundError"):
        run(world, "out", engine="ray")
    assert "failed" not in states(world.parent / "out")
    (world / "unmounted").rename(world / "data")
    (world / "hook").unlink()
    run(world, "out")
    same_table(world.parent / "out", world.parent / "whole")


def test_a_pack_that_began_before_anything_had_worked_is_tried_beside_the_control() -> None:
    """It fails when a control is known, which was not tried with it: that is not final yet."""
    again: list[Pack] = []
    rounds: Any = SimpleNamespace(give_back=again.append)
    tasks: Any = SimpleNamespace(control=object())
    writer: Any = SimpleNamespace(log_error=lambda pack, text: Path("errors.log"))
    request: Any = SimpleNamespace(settled=None, called=False, amendments=())
    none = pa.table({"error": pa.array([], pa.string())})
    judge = Mishaps(request, none, rounds, tasks, writer, print)
    lanes: Any = None
    pack = Pack(round=0, index=0, lanes=lanes, columns={}, attempt=ATTEMPTS - 1)
    for tried in (False, True):
        outcome = Outcome(
            fitted=None, node="", device="", started=0.0, seconds=0.0, error="x", control=tried
        )
        assert judge.failed(pack, outcome) is tried
    assert again == [pack]


def test_the_control_is_tried_with_a_pack_that_has_failed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time the pack alone is at fault; the second time, here, the control fails too."""

    def fail(*asked: object) -> None:
        raise ValueError("all fail")

    monkeypatch.setattr("shoal.trainable.runners.stacked.fit", fail)
    at, rate = torch.arange(1), torch.full((1,), 1e-6, dtype=torch.float64)
    lanes = Lanes(trial=at, replicate=at, seed=at, values={"lr": rate}, shape={"optimizer": "sgd"})
    recipe = StackedRecipe(
        source=find("cubic-sine"),
        plan=Plan(steps=1, report=1, diverge_factor=1e9),
        program="eager",
        unroll=1,
        defaults={},
    )
    tasks = Tasks(recipe, tmp_path, None, lambda round_: 1)
    tasks.control = lanes
    error = "ValueError: all fail"
    for attempt, told in ((0, (error, None, False)), (1, (None, error, True))):
        pack = Pack(round=0, index=0, lanes=lanes, columns={}, attempt=attempt)
        outcome = Worker(recipe).run(tasks.of(pack))
        found = [text and text.partition(" (")[0] for text in (outcome.error, outcome.fault)]
        assert (*found, outcome.control) == told
