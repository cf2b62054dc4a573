"""What is a report, what is none, and which of them counts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy
import pytest
import torch

from shoal.trainable.functions.reports import DIVERGED, ENOUGH, Aim, Report, ReportError, Reports

LOSS = Aim(objective="loss")


def values(*given: Any, aim: Aim = LOSS) -> list[tuple[int, dict[str, float]]]:
    """Steps and numbers of the reports of a call."""
    reports = Reports(aim)
    for one in given:
        reports.add(one)
    return [(report.step, dict(report.values)) for report in reports.all]


def test_a_number_of_any_library_is_the_loss() -> None:
    """Python's, numpy's, and a tensor with one element."""
    given = [1, 0.5, numpy.float32(0.25), numpy.array(2), torch.tensor(3.0), torch.tensor([4.0])]
    expected = [1.0, 0.5, 0.25, 2.0, 3.0, 4.0]
    assert values(*given) == [(n + 1, {"loss": value}) for n, value in enumerate(expected)]


def test_reports_are_numbered_or_say_their_step() -> None:
    """Steps may leave some out."""
    assert [step for step, _ in values({"loss": 1}, {"loss": 2})] == [1, 2]
    assert [step for step, _ in values({"loss": 1, "step": 0}, {"loss": 2, "step": 7})] == [0, 7]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["x"], "loss is 'x', not a number"),
        ([None], "loss is None, not a number"),
        ([[1, 2]], "loss is no number (a list)"),
        ([{"loss": torch.ones(2)}], "loss is no number (a Tensor)"),
        ([{1: 2}], "1 cannot be the name of a number"),
        ([{"a b": 2}], "'a b' cannot be the name"),
        ([{"accuracy": 1}], "the report has accuracy, and not the objective loss"),
        ([{}], "the report has nothing, and not the objective loss"),
        ([{"loss": 1, "lr": 2}], "'lr' is the name of another column"),
        ([{"loss": 1, "curve_x": 2}], "'curve_x' is the name of another column"),
        ([{"loss": 1, "a": 2}, {"loss": 1}], "the report lacks a; each has loss, a"),
        ([1, {"loss": 1, "b": 2}], "the report has b too many; each has loss"),
        ([{"loss": 1, "step": 2}, {"loss": 1, "step": 2}], "step 2 comes after 2"),
        ([{"loss": 1, "step": 1.5}], "step must be a whole number, not 1.5"),
        ([{"loss": 1, "step": True}], "step must be a whole number, not True"),
        ([{"loss": 1, "step": -1}], "step must be a whole number, not -1"),
    ],
)
def test_what_is_no_report_is_told(given: Sequence[Any], told: str) -> None:
    """In one line that names it."""
    with pytest.raises(ReportError, match=re.escape(told)) as error:
        values(*given, aim=Aim(objective="loss", taken=("lr",)))
    assert "\n" not in str(error.value)


def test_declared_metrics_are_asked_of_the_first_report() -> None:
    """Before anything else is known."""
    with pytest.raises(ReportError, match="lacks accuracy"):
        values({"loss": 1}, aim=Aim(objective="loss", metrics=("loss", "accuracy")))


def test_where_a_step_is_needed_only_what_is_returned_may_lack_it() -> None:
    """It is the last in any case."""
    reports = Reports(LOSS, stepped=True)
    with pytest.raises(ReportError, match="needs where the function takes checkpoint"):
        reports.add(0.5)
    reports.add({"step": 4, "loss": 1})
    assert reports.add(0.5, final=True) == Report(step=5, values={"loss": 0.5})


def test_what_an_earlier_attempt_has_told_is_dropped() -> None:
    """And what comes then goes on."""
    told = [Report(step=step, values={"loss": 1.0}) for step in (1, 2, 3)]
    reports = Reports(LOSS, told, stepped=True)
    assert reports.add({"step": 2, "loss": 9}) is None
    assert reports.add({"step": 3, "loss": 9}) is None
    assert reports.add({"step": 4, "loss": 0.5}) == Report(step=4, values={"loss": 0.5})
    assert [report.values["loss"] for report in reports.all] == [1, 1, 1, 0.5]
    assert Reports(LOSS, told, stepped=True).add(7, final=True) == Report(
        step=4, values={"loss": 7.0}
    )


def of(*losses: float) -> list[Report]:
    """Reports of these losses."""
    return [Report(step=n, values={"loss": loss}) for n, loss in enumerate(losses, 1)]


def test_the_last_report_counts_or_the_first_of_the_best() -> None:
    """By the objective, in its direction."""
    reports = of(3, 1, 2, 1)
    assert Aim(objective="loss").counts(reports) == 3
    assert Aim(objective="loss", best=True).counts(reports) == 1
    assert Aim(objective="loss", best=True, maximize=True).counts(reports) == 0


def test_a_call_ends_where_it_diverges_or_is_not_better_for_so_long() -> None:
    """NaN and both infinities; patience counts reports since the best."""
    assert LOSS.verdict([]) is None
    assert LOSS.verdict(of(1, 2, 3)) is None
    for odd in (math.nan, math.inf, -math.inf):
        assert LOSS.verdict(of(1, odd)) == DIVERGED
    patient = Aim(objective="loss", patience=2)
    assert patient.verdict(of(3, 1, 2)) is None
    assert patient.verdict(of(3, 1, 2, 1)) == ENOUGH
    assert patient.verdict(of(3, 1, 2, 0.5)) is None
