"""A small search with trials of each kind, for the tests of this folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from optuna.trial import FrozenTrial

from shoal.search.request import Objective
from shoal.search.space import Condition, Space, parse
from shoal.search.studies import frozen

SPACE = Space(
    [
        parse("lr", "1e-6:1:log"),
        parse("width", "8:64:int"),
        parse("optimizer", "sgd,adam"),
        parse("bias", "True,False"),
        parse("beta1", "0.5:0.99"),
    ],
    {"beta1": ((Condition(parent="optimizer", values=frozenset(["adam"])),),)},
)
INF, NAN = float("inf"), float("nan")
LR = [0.1, 0.25, 1e-3, 0.5, 1e-6]
LOSS = [1.5, 0.25, INF, INF, 2.0]
STATES = ["complete", "complete", "diverged", "failed", "pruned"]


def _rows() -> pa.Table:
    """Five trials of one fit: two complete, one of them with a hyperparameter that the other lacks;
    one diverged, one failed, one pruned."""
    return pa.table(
        {
            "trial": list(range(5)),
            "replicate": [0] * 5,
            "lr": LR,
            "width": [8, 16, 32, 64, 9],
            "optimizer": ["sgd", "adam", "adam", "sgd", "sgd"],
            "bias": [True, False, True, True, False],
            "beta1": pa.array([None, 0.9, 0.5, None, None], pa.float64()),
            "loss": LOSS,
            "state": STATES,
            "seconds": [0.5, 1.25, 0.0, 2.0, 1e-3],
            "started": pa.array(
                [datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)] * 5, pa.timestamp("us", tz="UTC")
            ),
        }
    )


def _curves() -> pa.Table:
    """Three reporting steps of each but the failed one; what is reported need not be finite."""
    trial = [t for t in (0, 1, 2, 4) for _ in range(3)]
    return pa.table(
        {
            "trial": trial,
            "replicate": [0] * len(trial),
            "step": [9, 19, 29] * 4,
            "loss": [3.0, 2.0, 1.75, 1.0, 0.5, 0.3, 1e9, INF, NAN, 2.5, -INF, 2.0],
        }
    )


@dataclass(frozen=True)
class Searched:
    """Its tables, and what was searched for."""

    rows: pa.Table
    curves: pa.Table
    goal: Objective

    def trials(self, fits: int = 1, **more: Any) -> list[FrozenTrial]:
        """Its trials as Optuna's."""
        return frozen(self.rows, self.curves, SPACE, self.goal, fits, **more)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where local time, which Optuna keeps, is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EST+5")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def searched() -> Searched:
    """The search."""
    return Searched(_rows(), _curves(), Objective())
