"""What the sampler is told of trials that get more fits later."""

from __future__ import annotations

from typing import Any

import numpy
import pyarrow as pa
import pytest

from shoal.search.errors import RunFolderError
from shoal.search.folder.tables import rows
from shoal.search.preparation.preparation import prepare
from shoal.search.request.asked import Asked
from shoal.search.rounds.told import Told

ASKED: dict[str, Any] = {"trials": 4, "round": 4, "steps": 1, "space": {"lr": "1e-8:1e-6:log"}}


def told(*lanes: tuple[int, int, float]) -> Told:
    """Four trials, of which each gets a second fit before there are two more; rounds 0, 1, 2."""
    request = prepare(Asked.of(ASKED), None).request.amended(4, 2).amended(6, 2)
    schema = rows.trials_schema(request)
    listed = [
        {
            "trial": trial,
            "replicate": replicate,
            "loss": loss,
            "state": "failed" if numpy.isnan(loss) else "complete",
        }
        for trial, replicate, loss in lanes
    ]
    found = Told(request)
    table = [{name: row.get(name) for name in schema.names} for row in listed]
    found.take(pa.Table.from_pylist(table, schema=schema))
    return found


FIRST = [(0, 0, 1.0), (1, 0, 2.0), (2, 0, numpy.inf), (3, 0, 4.0)]
SECOND = [(0, 1, 3.0), (1, 1, numpy.nan), (2, 1, 5.0), (3, 1, 6.0)]


def test_a_score_is_the_mean_of_the_fits_that_earlier_rounds_have() -> None:
    """Whatever is known of later ones already."""
    found = told(*FIRST, *SECOND)
    assert found.scores(0).tolist() == []
    assert found.scores(1).tolist() == [1.0, 2.0, numpy.inf, 4.0]
    assert found.scores(2)[[0, 2, 3]].tolist() == [2.0, numpy.inf, 5.0]
    assert numpy.isnan(found.scores(2)[1])
    assert told(*FIRST, SECOND[3]).scores(1).tolist() == [1.0, 2.0, numpy.inf, 4.0]


def test_what_is_left_is_counted_by_round() -> None:
    """And a trial leads once all of its fits are there."""
    assert told().left.tolist() == [4, 4, 4]
    found = told(*FIRST, SECOND[0], (4, 1, 0.5))
    assert found.left.tolist() == [0, 3, 3]
    assert (found.done, found.failures) == (6, 0)
    assert found.leaders.first == (0, 2.0)
    assert found.ended(numpy.arange(3)).tolist() == [True, False, False]
    assert told(*FIRST, *SECOND).failures == 1


@pytest.mark.parametrize("lane", [(6, 0, 1.0), (0, 2, 1.0), (-1, 0, 1.0)])
def test_rows_of_another_search_are_refused(lane: tuple[int, int, float]) -> None:
    """They are of no round."""
    with pytest.raises(RunFolderError, match="rows that are not of its search"):
        told(lane)
