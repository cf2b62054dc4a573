"""What a pack gives back, as rows and as parameters: numbers stand where they belong."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

import shoal
from shoal.search.driver.parts import parameters_of, part_of
from shoal.search.folder import RunFolder
from shoal.search.request import Request
from shoal.search.rounds import Pack
from shoal.trainable.lanes import COMPLETE, DIVERGED, Fitted, Lanes, Parameters
from shoal.trainable.task import Outcome

PROBLEM = """
import torch

class Mine:
    space = {"lr": "1e-3:1e-1:log"}
    objective = "distance"

    def data(self):
        return torch.linspace(0, 1, 12)

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - 1
        return (r * r).sum(), ((2 * r * data).sum(),)

    def metrics(self, params, rows):
        return {"distance": (params[0] * rows - 1).abs().mean()}
"""


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> Request:
    """Of a search with metrics, folds, replicates and the best step."""
    place = tmp_path_factory.mktemp("place")
    (place / "mine.py").write_text(PROBLEM)
    shoal.run(
        f"{place / 'mine.py'}:Mine",
        trials=2,
        steps=4,
        folds=2,
        replicates=2,
        select="best",
        engine="inline",
        program="eager",
        out=place / "out",
    )
    return RunFolder.open(Path(place / "out")).request


def pack() -> Pack:
    """Three fits of the second fold."""
    at = torch.tensor([4, 4, 5])
    return Pack(
        round=2,
        index=3,
        lanes=Lanes(
            trial=at,
            replicate=torch.tensor([0, 1, 0]),
            seed=at,
            values={},
            shape={"optimizer": "sgd", "fold": 1},
        ),
        columns={"lr": torch.tensor([0.1, 0.1, 0.2]).double().numpy(), "fold": at.numpy() * 0 + 1},
    )


def outcome(**other: Any) -> Outcome:
    """The second has diverged at once; the others have two points each."""
    fitted = Fitted(
        loss=torch.tensor([1.5, math.inf, 2.5], dtype=torch.float64),
        metrics=torch.tensor([[0.5], [math.nan], [0.25]], dtype=torch.float64),
        best_step=torch.tensor([1, -1, 3]),
        state=torch.tensor([COMPLETE, DIVERGED, COMPLETE]),
        steps=torch.tensor([4, 0, 2]),
        curve_lane=torch.tensor([0, 0, 2, 2]),
        curve_step=torch.tensor([1, 3, 1, 3]),
        curve_loss=torch.tensor([3.0, 2.0, 5.0, 4.0], dtype=torch.float64),
        curve_metrics=torch.tensor([[0.5], [0.6], [0.4], [0.25]], dtype=torch.float64),
        parameters=Parameters(
            lane=torch.tensor([1, 2]),
            named={"0": torch.tensor([7.0, 8.0])},
            prepared={"mean": torch.tensor(3.0)},
        ),
    )
    usual: dict[str, Any] = {
        "fitted": fitted,
        "node": "here",
        "device": "cpu",
        "started": 1_700_000_000.25,
        "seconds": 6.0,
        "before": 1.0,
    }
    return Outcome(**{**usual, **other})


def test_each_fit_has_its_own_numbers(request_: Request) -> None:
    """What a fit that is not complete lacks is null, and not a number."""
    rows = part_of(request_, pack(), outcome()).to_pylist()
    assert [row["trial"] for row in rows] == [4, 4, 5]
    assert [row["replicate"] for row in rows] == [0, 1, 0]
    assert [row["fold"] for row in rows] == [1, 1, 1]
    assert [row["loss"] for row in rows] == [1.5, math.inf, 2.5]
    assert [row["distance"] for row in rows] == [0.5, None, 0.25]
    assert {row["error"] for row in rows} == {None}
    assert [row["curve_distance"] for row in rows] == [[0.5, 0.6], [], [0.4, 0.25]]
    assert [row["best_step"] for row in rows] == [1, None, 3]
    assert [row["state"] for row in rows] == ["complete", "diverged", "complete"]
    assert [(row["round"], row["pack"]) for row in rows] == [(2, 3)] * 3
    assert [row["curve_step"] for row in rows] == [[1, 3], [], [1, 3]]
    assert [row["curve_loss"] for row in rows] == [[3.0, 2.0], [], [5.0, 4.0]]


def test_its_time_is_shared_by_steps(request_: Request) -> None:
    """All of it, that of an earlier life too; a fit that did no step has a share."""
    rows = part_of(request_, pack(), outcome()).to_pylist()
    assert [row["seconds"] for row in rows] == [4.0, 1.0, 2.0]
    began = datetime.fromtimestamp(1_700_000_000.25, tz=UTC)
    assert [row["started"] for row in rows] == [began] * 3


@pytest.mark.parametrize(("details", "more"), [("", ""), ("Traceback", " (in full: errors.log)")])
def test_a_pack_that_failed_is_rows_with_the_error(
    request_: Request, details: str, more: str
) -> None:
    """It says where all of it stands, if it stands somewhere."""
    given = outcome(fitted=None, error="ZeroDivisionError: x", details=details)
    rows = part_of(request_, pack(), given).to_pylist()
    assert {row["state"] for row in rows} == {"failed"}
    assert {row["error"] for row in rows} == {f"ZeroDivisionError: x{more}"}
    assert {row["loss"] for row in rows} == {math.inf}
    assert {row["best_step"] for row in rows} == {None}
    assert sum(row["seconds"] for row in rows) == pytest.approx(7.0)
    assert [row["curve_step"] for row in rows] == [[], [], []]


def test_parameters_are_those_of_the_fits_that_are_kept() -> None:
    """By trial, replicate and fold."""
    stack = parameters_of(pack(), outcome())
    assert stack is not None
    assert [stack.key(i) for i in range(2)] == [(4, 1, 1), (5, 0, 1)]
    assert stack.named["0"].tolist() == [7.0, 8.0]
    assert stack.prepared["mean"] == 3.0
    assert parameters_of(pack(), outcome(fitted=None, error="x")) is None
