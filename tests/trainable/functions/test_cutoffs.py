"""What a call is told of others: it ends where the judge of a pack would end it."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy
import pytest
import torch

from shoal.trainable.functions.cutoffs import Cutoffs
from shoal.trainable.functions.messages import Asked
from shoal.trainable.functions.recipe import CallRecipe
from shoal.trainable.functions.reports import PRUNED, Aim, Report
from shoal.trainable.problems.source import Source
from shoal.trainable.process.world import World
from shoal.trainable.pruning import Judge, Known, pruner_of

REPORTS = 20


@pytest.mark.parametrize("best", [False, True])
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "halving",
        "halving:factor=2,start=1",
        "median:known=3",
        "threshold:worst=0.3",
        "threshold:worst=0.4,start=4",
    ],
)
def test_a_call_ends_where_a_judge_would_end_it(text: str, maximize: bool, best: bool) -> None:
    """By what it is sent, which is exact."""
    pruner = pruner_of(text)
    assert pruner is not None
    chance = numpy.random.default_rng(7)
    rungs = pruner.rungs(1, 0)
    count = sum(rung < REPORTS for rung in rungs)
    shape = (1 + pruner.ahead, 9)
    scores = [numpy.sort(chance.normal(0, 0.5, shape), axis=1) for _ in range(count)]
    known = Known(earlier={0: tuple(map(torch.from_numpy, scores))})
    aim = Aim(objective="loss", maximize=maximize, best=best)
    source = Source(spec="", cls="", module="", sha256="", world=World())
    recipe = CallRecipe(source=source, aim=aim, pruner=pruner, rungs=rungs)
    asked = Asked(values={}, seed=0, log="", cutoffs=recipe.cutoffs(known, 0))
    asked = Asked.from_dict(json.loads(json.dumps(asked.as_dict())))
    ends = []
    for _ in range(40):
        values = chance.normal(0, 0.4, REPORTS).round(1)
        judge = Judge(
            pruner,
            rungs or tuple(range(pruner.first(1), REPORTS)),
            maximize=maximize,
            best=best,
            trial=torch.tensor([9]),
            replicate=torch.tensor([0]),
            known=known,
        )
        told: list[Report] = []
        for number, value in enumerate(values.tolist(), 1):
            told.append(Report(step=number, values={"loss": value}))
            if number == REPORTS:
                break
            report, score = torch.tensor([number]), -value if maximize else value
            judge.note(torch.tensor([0]), report, torch.tensor([score], dtype=torch.float64))
            behind = number < REPORTS and bool(judge.behind(torch.tensor([0]), report))
            assert (aim.verdict(told, asked.cutoffs) == PRUNED) == behind
            if behind:
                break
        ends.append(len(told))
    assert best or min(ends) < max(ends)


def test_what_is_not_known_prunes_nothing() -> None:
    """No report, no cutoff; and a score that is not finite is where it is."""
    assert not Cutoffs().behind([])
    assert not Cutoffs().behind([1.0])
    cutoffs: Any = Cutoffs(at={2: (1.0, 1.0)})
    assert not cutoffs.behind([5.0])
    assert cutoffs.behind([5.0, 5.0])
    assert not cutoffs.behind([5.0, 2.0])  # it is heading to -1
    assert cutoffs.behind([math.inf, 2.0])
