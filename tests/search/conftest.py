"""What the tests of the search share: a finished search, and rows as packs give them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import search
from search.folder import RunFolder
from search.rows import SEARCH

PartOf = Callable[[Path, pa.Array], pa.Table]


GOOD = """
import torch


class Good:
    space = {"lr": "1e-3:1e-1:log"}

    def data(self):
        return torch.linspace(0, 1, 10)

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - 1
        return (r * r).sum(), ((2 * r * data).sum(),)
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder of 8 trials of a problem file that is gone; to be copied."""
    place = tmp_path_factory.mktemp("finished")
    problem = place / "good.py"
    problem.write_text(GOOD)
    search.run(
        f"{problem}:Good", trials=8, steps=5, out=place / "out", engine="inline", program="eager"
    )
    problem.unlink()
    return place / "out"


@pytest.fixture(scope="session")
def part_of() -> PartOf:
    """Return those rows of a finished search that a mask chooses, with their curves, as a part."""

    def part(whole: Path, chosen: pa.Array) -> pa.Table:
        trials, curves = (pq.read_table(whole / f"{name}.parquet") for name in ("trials", "curves"))
        steps = curves.group_by(["trial", "replicate"], use_threads=False).aggregate(
            [("step", "list"), ("loss", "list")]
        )
        lists = steps.sort_by([("trial", "ascending"), ("replicate", "ascending")])
        rows = trials.append_column("curve_step", lists["step_list"])
        rows = rows.append_column("curve_loss", lists["loss_list"]).filter(chosen)
        return rows.replace_schema_metadata({SEARCH: RunFolder.open(whole).request.mark})

    return part
