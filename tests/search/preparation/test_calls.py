"""Functions and programs that cannot be called as is asked: one line, before anything is made."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.search.preparation.calls import programmed
from shoal.search.request import Asked, Request
from shoal.trainable.functions.recipe import CallRecipe
from shoal.trainable.functions.reports import Aim
from shoal.trainable.problems.source import Source

OWN = """
def train(lr, width=32):
    return lr

def nothing():
    return 1.0

async def asynchronous(lr):
    return 1

def star(*lr):
    return 1

def declared(lr):
    return {"a": lr, "b": 1}

declared.metrics = ["a", "b"]
declared.space = {"lr": "0:1"}

def odd(lr):
    return 1

odd.metrics = "loss"

def clash(lr):
    return 1

clash.metrics = ["loss", "lr"]

value = 3
"""
LR = {"lr": "0:1"}
READ = {"loss": "x"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with functions, and a program."""
    (tmp_path / "own.py").write_text(OWN)
    program = tmp_path / "simulate"
    program.write_text("#!/bin/sh\necho x\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"problem": "own.py:train"}, "lr has no value; give one, as in --space lr="),
        ({"problem": "own.py:train", "space": {"x": 1}}, "own.py:2: train has: lr, width"),
        ({"problem": "own.py:train", "space": LR, "steps": 9}, "steps is of problems that shoal"),
        ({"problem": "own.py:train", "space": LR, "program": "eager"}, "program is of problems"),
        ({"problem": "own.py:train", "space": LR, "folds": 3}, "a function has to split its own"),
        ({"problem": "own.py:train", "space": {**LR, "seed": 1}}, "seed is a name of what shoal"),
        ({"problem": "own.py:train", "space": {**LR, "step": 1}}, "step"),
        ({"problem": "own.py:nothing"}, "there is nothing to search; give --space"),
        ({"problem": "own.py:asynchronous", "space": LR}, "own.py:8: asynchronous is async"),
        ({"problem": "own.py:star", "space": LR}, "own.py:11: star takes *lr"),
        ({"problem": "own.py:value", "space": LR}, "no class or function value; it has train,"),
        ({"problem": "own.py:declared"}, "unknown objective 'loss'; known: a, b; choose one"),
        ({"problem": "own.py:odd", "space": LR}, "its metrics must be a list of names"),
        ({"problem": "own.py:clash", "space": LR}, "the metric 'lr' is called like another"),
        ({"problem": "own.py:train", "space": LR, "cpus": 0}, "cpus must be at least 1, not 0"),
        ({"problem": "own.py:train", "space": LR, "gpus": 1.5}, "a share below 1, or a whole"),
        ({"problem": "own.py:train", "space": LR, "gpus": 99}, "gpus=99: torch finds"),
        ({"problem": "own.py:train", "space": LR, "memory": "much"}, "give a size, as 512M or 4G"),
        ({"problem": "own.py:train", "space": LR, "grace": "0s"}, "grace=0s: give a duration"),
        ({"problem": "own.py:train", "space": LR, "read": READ}, "give exec too"),
        ({"problem": "own.py:train", "exec": "./simulate"}, "leave it out, or own.py:train"),
        ({"problem": "cubic-sine", "cpus": 2}, "cpus is of functions and programs"),
        ({"exec": "./simulate {lr}", "space": LR}, "--exec needs --read"),
        ({"exec": "./simulate {lr}", "read": {"a b": "x"}, "space": LR}, "names and regular"),
        ({"exec": "./simulate {lr}", "read": READ, "space": {"w": 1}}, "--exec has: lr"),
        ({"exec": "./simulate {lr}", "read": READ}, "lr has no value"),
        ({"exec": "./simulate {lr}", "read": {"a": "x"}, "space": LR}, "known: a; choose one"),
        ({"exec": "./nothing {lr}", "read": READ, "space": LR}, "./nothing is no program here"),
    ],
)
def test_what_cannot_be_called_is_one_line_and_makes_nothing(
    place: Path, asked: dict[str, Any], told: str
) -> None:
    """It says what is wrong, and what to type."""
    with pytest.raises(shoal.BadInput, match=re.escape(told)) as error:
        shoal.run(**asked, out="out")
    assert "\n" not in str(error.value)
    assert not (place / "out").exists()


def inside() -> Callable[[float], float]:
    """A function that has no name of its own."""

    def train(lr: float) -> float:
        return lr

    return train


class Model:
    """Something with a method."""

    def train(self, lr: float) -> float:
        """No function."""
        return lr


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda lr: lr, "a lambda cannot be found by its name"),
        (inside(), "a function inside of another cannot"),
        (Model().train, "a bound method cannot"),
        (functools.partial(inside(), 1), "a partial cannot"),
    ],
)
def test_a_function_that_no_worker_can_import_is_refused_with_its_line(
    place: Path, function: Any, told: str
) -> None:
    """Nothing is pickled instead."""
    inner = function.func if isinstance(function, functools.partial) else function
    line = f"{__file__}:{inner.__code__.co_firstlineno}: {told}"
    with pytest.raises(shoal.BadInput, match=f"^{re.escape(line)}"):
        shoal.run(function, space=LR, out="out")


def test_a_function_of_a_cell_goes_into_the_run_folder(place: Path, cell: Any) -> None:
    """With what it uses."""
    cell("SHIFT = 3.0\n\ndef helped(x):\n    return x + SHIFT\n")
    cell("def train(lr):\n    yield helped(lr)\n")
    result = shoal.run(cell.names["train"], space=LR, trials=4, out="out")
    assert result.trials["loss"].tolist() == (result.trials["lr"] + 3).tolist()


def test_a_request_is_read_as_it_was_written(place: Path) -> None:
    """Of a program; and as a config it asks for the same."""
    asked = Asked(exec="./simulate {lr} {seed}", read=READ, space=LR, gpus=0.5, round=6)
    request = programmed(asked.resolved(), asked.dimensions).request
    plain = request.as_dict()
    assert Request.from_dict(plain) == request
    assert (plain["kind"], plain["asks"], request.metrics) == ("program", ["seed"], ("loss",))
    assert "steps" not in plain
    again = Asked.of(plain)
    assert programmed(again.resolved(), again.dimensions).request == request


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        (0.5, ["a", "a", "b", "b", "a"]),
        (1, ["a", "b", "a", "b", "a"]),
        (2, ["a,b"] * 5),
        (0, [""] * 5),
    ],
)
def test_gpus_are_shared_out_among_the_workers_of_a_machine(
    monkeypatch: pytest.MonkeyPatch, gpus: float, expected: list[str]
) -> None:
    """Those that this process sees."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "a,b")
    source = Source(spec="own.py:train", cls="train", module="own", sha256="")
    recipe = CallRecipe(source=source, aim=Aim(objective="loss"), gpus=gpus)
    assert [recipe.of_slot(slot, 2).visible for slot in range(5)] == expected
