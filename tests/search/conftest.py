"""What the tests of the search share: rows of a finished search as packs give them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from search.folder import RunFolder
from search.rows import SEARCH

PartOf = Callable[[Path, pa.Array], pa.Table]


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
