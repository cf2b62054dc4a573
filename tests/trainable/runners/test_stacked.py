"""The runner of stacked fits: the programs that it keeps."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

import shoal.trainable.programs.program as program
from shoal.trainable import task as tasks
from shoal.trainable.compiling import compiler, identity
from shoal.trainable.fitting import Plan
from shoal.trainable.fused import target_of
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.programs import EAGER, KERNEL, Settled, key, program_of
from shoal.trainable.task import StackedRecipe, Task
from shoal.trainable.worker import Worker

SHAPE = {"optimizer": "sgd"}


def lanes_of(count: int) -> Lanes:
    at, rate = torch.arange(count), torch.full((count,), 1e-6, dtype=torch.float64)
    return Lanes(trial=at, replicate=0 * at, seed=at, values={"lr": rate}, shape=SHAPE)


def recipe_of(kind: str) -> StackedRecipe:
    return StackedRecipe(
        source=find("cubic-sine"),
        plan=Plan(steps=4, report=2, diverge_factor=1e9),
        program="compiled",
        unroll=2,
        defaults={},
        settled=Settled(
            programs={key(SHAPE): kind},
            compiler=identity(),
            flags=" ".join(target_of("cpu").flags),
        ),
    )


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
@pytest.mark.parametrize(("kind", "made"), [(KERNEL, 1), (EAGER, 2)])
def test_one_kernel_serves_packs_of_all_sizes(
    kind: str, made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What torch computes has other last digits in blocks of another size, and has a program for
    each."""
    programs = list[int]()

    def counted(*given: Any, **how: Any) -> Any:
        programs.append(how["block"])
        return program_of(*given, **how)

    monkeypatch.setattr(tasks, "program_of", counted)
    worker = Worker(recipe_of(kind))
    losses = []
    for block in (16, 4, 16):
        outcome = worker.run(Task(lanes=lanes_of(5), block=block))
        assert outcome.error is None
        assert outcome.fitted is not None
        losses.append(outcome.fitted.loss.tolist())
    assert programs == [16, 4][:made]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert losses[2] == losses[0]


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
def test_threads_find_out_once_what_a_program_is_compiled_as(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that ask meanwhile wait, and have the same losses; another process begins anew."""
    asked, chosen = list[str](), program.chosen

    def counted(stacked: Any, kind: str, *given: Any, **how: Any) -> Any:
        asked.append(kind)
        return chosen(stacked, kind, *given, **how)

    monkeypatch.setattr(program, "chosen", counted)
    recipe = recipe_of(KERNEL)

    def run(number: int) -> list[float]:
        outcome = Worker(recipe).run(Task(lanes=lanes_of(5 + number), block=16))
        assert outcome.fitted is not None
        return outcome.fitted.loss.tolist()

    with ThreadPoolExecutor(4) as pool:
        losses = list(pool.map(run, range(4)))
    assert asked == [KERNEL]
    assert all(each[:5] == losses[0] for each in losses)
    elsewhere = pickle.loads(pickle.dumps(recipe))  # as Ray takes it there
    outcome = Worker(elsewhere).run(Task(lanes=lanes_of(5), block=16))
    assert asked == [KERNEL, KERNEL]
    assert outcome.fitted is not None
    assert outcome.fitted.loss.tolist() == losses[0]
