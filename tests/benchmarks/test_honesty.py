"""The benchmark compares like with like, and its table says what was measured. Nothing is timed."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from shoal.trainable.fitting import Plan, fit
from shoal.trainable.lanes import Lanes
from shoal.trainable.programs.program import Program

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
NAMES = ("course", "environments", "figures", "picture", "record", "scaled", "series", "table")


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, Any]]:
    """The benchmark's modules by name: scripts, which find each other beside themselves."""
    folders = [str(BENCHMARKS), str(BENCHMARKS / "peers")]
    sys.path[:0] = folders
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        for folder in folders:
            sys.path.remove(folder)
        for name in NAMES:
            del sys.modules[name]


@pytest.mark.parametrize("form", ["text", "matrix"])
def test_a_peer_fits_what_shoal_fits(modules: dict[str, Any], form: str) -> None:
    """The same hyperparameters give the same loss, and the same fits diverge."""
    lr, momentum, scale = [2.72e-6, 1e-7, 5e-5], [0.88, 0.5, 0.9], [0.14, 3.0, 1.0]
    values = {"lr": lr, "momentum": momentum, "scale": scale}
    lanes = Lanes(
        trial=torch.arange(3),
        replicate=torch.zeros(3, dtype=torch.int64),
        seed=torch.zeros(3, dtype=torch.int64),
        shape={"optimizer": "momentum"},
        values={name: torch.tensor(v, dtype=torch.float64) for name, v in values.items()},
    )
    program = Program(
        modules["scaled"].ScaledCubic,
        optimizer="momentum",
        shape={},
        defaults={},
        block=3,
        device="cpu",
    )
    fitted = fit(program, lanes, Plan(steps=100, report=5, diverge_factor=1000.0))
    assert fitted is not None
    course = modules["course"]
    told = [
        course.fit({name: column[i] for name, column in values.items()}, 100, form)
        for i in range(3)
    ]
    assert told[2] == course.BAD
    assert torch.isinf(fitted.loss[2])
    assert told[:2] == pytest.approx(fitted.loss[:2].tolist(), rel=1e-5)


def test_a_peer_goes_on_at_the_rate_between_its_two_sizes(modules: dict[str, Any]) -> None:
    """Ten seconds of start-up and two trials a second."""
    line = modules["record"].Line(10, 15.0, 50, 35.0)
    assert (line.rate, line.start_up, line.seconds(100)) == (2.0, 10.0, 60.0)


def test_a_figure_is_met_only_where_it_is(modules: dict[str, Any]) -> None:
    """A peer of half a trial a second, twenty-fold; and what was not measured is said so."""
    kept = {"space": "course", "cache": "warm", "seed": 0}
    spent = {"start-up": 2.0, "fitting": 6.0, "waiting": 2.0}
    ours = {"best": {"loss": 9.0}, "seconds": spent}
    runs = [{"key": "shoal", "trials": 100, "seconds": 10.0, "told": ours, **kept}]
    for n in (5, 10):
        told = {"trials": n, "best": 9.0}
        runs.append({"key": "ray", "trials": n, "seconds": 2.0 * n, "told": told, **kept})
    record = modules["record"].Record(
        {"runs": runs, "settings": {"sizes": [10, 50, 100], "workers": 2}}
    )
    against, _, plain, fitting, *rest = modules["figures"].figures(record)
    assert against.measured == "20 × (10 against 0.5 trials/s: Ray Tune as it comes)"
    assert (against.verdict, plain.verdict) == ("**not met**", "**not met**")
    assert (fitting.measured, fitting.verdict) == ("75%", "**not met**")
    assert {figure.verdict for figure in rest} == {"not measured"}


def test_table_and_picture_are_those_of_what_was_measured(modules: dict[str, Any]) -> None:
    """results/ holds what table.json gives, and nothing typed by hand."""
    results = BENCHMARKS / "results"
    record = modules["record"].Record(json.loads((results / "table.json").read_text("utf-8")))
    assert modules["table"].render(record) == (results / "table.md").read_text("utf-8")
    assert modules["picture"].draw(record) == (results / "cost.svg").read_text("utf-8")


def test_the_pages_show_the_figures_as_they_were_measured() -> None:
    """docs/how-fast.md has the table of goals, line by line; README.md has some of its lines, and
    says how many goals are not met."""
    table = (BENCHMARKS / "results" / "table.md").read_text("utf-8")
    figures = table[table.index("| figure |") : table.index("### Searches")].strip()
    assert figures in (BENCHMARKS.parent / "docs/how-fast.md").read_text("utf-8")
    readme = (BENCHMARKS.parent / "README.md").read_text("utf-8")
    shown = [line for line in readme.splitlines() if line.endswith(("| met |", "**not met** |"))]
    assert len(shown) >= 3
    assert set(shown) <= set(figures.splitlines())
    missed, rows = figures.count("**not met**"), len(figures.splitlines()) - 2
    assert f"{missed} of {rows} goals are not met" in readme
