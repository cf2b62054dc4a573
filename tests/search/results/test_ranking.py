"""The ranking against a plain loop over trials."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from shoal.search.request import Objective
from shoal.search.results.ranking import ranking

STATES = ("complete", "complete", "complete", "diverged", "failed")


def request(fits: int, maximize: bool) -> Any:
    """What of a request the ranking asks for."""
    goal = Objective(name="score", maximize=maximize)
    return SimpleNamespace(fits=fits, columns=("loss", "score"), goal=goal)


@pytest.mark.parametrize("seed", range(30))
def test_it_is_as_a_plain_loop_says(seed: int) -> None:
    """Trials with failed fits, or with some of them missing, have no rank; of equals the first."""
    chance = random.Random(seed)
    fits, maximize = chance.choice([1, 2, 3]), chance.random() < 0.5
    rows: list[dict[str, Any]] = []
    for trial in range(25):
        for replicate in range(fits if chance.random() < 0.8 else chance.randrange(fits + 1)):
            state = chance.choice(STATES)
            whole = state == "complete"
            score = float(chance.randrange(3)) if whole else None
            loss = float(chance.randrange(3)) if whole else math.inf
            rows.append(
                {
                    "trial": trial,
                    "replicate": replicate,
                    "state": state,
                    "loss": loss,
                    "score": score,
                }
            )
    rows = [row for row in rows if chance.random() < 0.95]  # also the first of all
    expected = []
    for trial in range(25):
        own = [row for row in rows if row["trial"] == trial]
        if len(own) == fits and all(row["state"] != "failed" for row in own):
            found = [row["score"] for row in own]
            mean = None if None in found else sum(found) / fits
            worth = math.inf if mean is None else -mean if maximize else mean
            expected.append((worth, trial, sum(row["loss"] for row in own) / fits, mean))
    expected.sort()
    table = pa.Table.from_pylist(
        rows,
        schema=pa.schema(
            [
                ("trial", pa.int64()),
                ("replicate", pa.int64()),
                ("state", pa.string()),
                ("loss", pa.float64()),
                ("score", pa.float64()),
            ]
        ),
    )
    firsts, means = ranking(table, request(fits, maximize))
    assert table["trial"].take(firsts).to_pylist() == [trial for _, trial, _, _ in expected]
    assert means["loss"].tolist() == pytest.approx([loss for _, _, loss, _ in expected])
    right = [math.nan if mean is None else mean for _, _, _, mean in expected]
    assert means["score"].tolist() == pytest.approx(right, nan_ok=True)


def test_of_no_rows_there_is_no_ranking() -> None:
    """As at the beginning of a search."""
    schema = pa.schema(
        [("trial", pa.int64()), ("state", pa.string())]
        + [(name, pa.float64()) for name in ("loss", "score")]
    )
    firsts, means = ranking(schema.empty_table(), request(2, False))
    assert len(firsts) == 0
    assert [len(column) for column in means.values()] == [0, 0]
