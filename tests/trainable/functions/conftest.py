"""Calls of functions that a test writes, by a worker and without a search."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from shoal.trainable.functions.command import Command
from shoal.trainable.functions.declared import declared
from shoal.trainable.functions.recipe import CallRecipe, Limits, log_of
from shoal.trainable.functions.reports import Aim
from shoal.trainable.lanes import STATES, Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.problems.source import Source
from shoal.trainable.process.world import World
from shoal.trainable.task import Outcome, Task
from shoal.trainable.worker import Worker


def never() -> bool:
    """Stop nothing."""
    return False


class Caller:
    """Calls one function, or program, in a folder of its own."""

    def __init__(self, recipe: CallRecipe, folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.worker = Worker(recipe)

    def __call__(
        self,
        trial: int = 0,
        seed: int = 0,
        stop: Callable[[], bool] = never,
        at_once: Callable[[], bool] = never,
        **values: Any,
    ) -> Outcome:
        """Call it with these hyperparameters."""
        lanes = Lanes(
            trial=torch.tensor([trial]),
            replicate=torch.tensor([0]),
            seed=torch.tensor([seed]),
            values={},
            shape=values,
        )
        return self.worker.run(Task(lanes=lanes, block=1), stop, at_once=at_once)

    def log(self, trial: int = 0) -> str:
        """What a trial has printed."""
        return (self.recipe.logs / log_of(trial, 0)).read_bytes().decode()


def lives(process: int) -> bool:
    """Whether a process lives, and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def numbers(outcome: Outcome) -> tuple[str, dict[str, float], list[int]]:
    """The state of a call, what counts of its reports, and the steps of all."""
    assert outcome.fitted is not None, outcome.error
    fitted = outcome.fitted
    found = dict(zip(fitted.names, fitted.metrics[0].tolist(), strict=True))
    return STATES[int(fitted.state[0])], found, fitted.curve_step.tolist()


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Callable[..., Caller]]:
    """Make a caller of ``train`` in a text, with limits such as ``grace``."""
    made: list[tuple[Caller, Source]] = []

    def make(text: str, *, aim: Aim | None = None, cpus: int = 1, **limits: Any) -> Caller:
        file = tmp_path / f"own{len(made)}.py"
        file.write_text(textwrap.dedent(text))
        source = find(f"{file}:train")
        found = declared(source.named())
        recipe = CallRecipe(
            source=source.complete(),
            aim=aim or Aim(objective="loss"),
            names=("lr", "width", "name"),
            asks=found.asks,
            cpus=cpus,
            limits=Limits(**limits),
            folder=str(tmp_path),
            visible="",
        )
        made.append((Caller(recipe, tmp_path), source))
        return made[-1][0]

    yield make
    for one, source in made:
        one.worker.close()
        source.release()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Caller]]:
    """Make a caller of a command."""
    made: list[Caller] = []

    def make(text: str, reads: dict[str, str], **limits: Any) -> Caller:
        command = Command(text=text, reads=reads)
        command.check()
        world = replace(World(), folder=str(tmp_path))
        source = Source(spec="program", cls="", module="", sha256="", world=world)
        recipe = CallRecipe(
            source=source,
            aim=Aim(objective="loss", metrics=tuple(n for n in reads if n != "step")),
            command=command,
            names=("lr",),
            asks=tuple(name for name in command.names if name != "lr"),
            limits=Limits(**limits),
            folder=str(tmp_path),
            visible="",
        )
        made.append(Caller(recipe, tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.worker.close()
