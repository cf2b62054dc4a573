"""A call of a kernel that takes long is given up when told so, and nothing is lost by it."""

from __future__ import annotations

import threading
from multiprocessing.connection import Pipe
from typing import Any

import pytest
import torch

from shoal.trainable.compiling.toolchain import compiler
from shoal.trainable.fitting import Block, Plan
from shoal.trainable.halt import Halt
from shoal.trainable.hosts import alone, ray_tune
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.problems.problem import Params
from shoal.trainable.programs.program import Program
from shoal.trainable.programs.settled import KERNEL
from shoal.trainable.task import StackedRecipe, Task
from shoal.trainable.worker import Worker

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


class Few:
    """2,000 points: an update of a handful of fits takes microseconds."""

    points = 2000

    def data(self) -> Any:
        x = torch.linspace(-1, 1, self.points)
        return x, torch.sin(3 * x)

    def initial(self, seed: int) -> Params:
        return (torch.full((), 0.01 * seed),)

    def loss_and_gradient(self, params: Params, data: Any) -> tuple[torch.Tensor, Params]:
        (w,), (x, y) = params, data
        r = torch.tanh(w * x) - y
        return (r * r).sum(), ((r * x).sum(),)


class Many(Few):
    """Five million: an update of 128 fits takes seconds."""

    points = 5_000_000


def block_of(problem: type, steps: int, report: int) -> tuple[Program, Block]:
    program = Program(
        problem,
        optimizer="sgd",
        shape={},
        defaults={},
        block=128,
        device="cpu",
        kind=KERNEL,
        unroll=report,
    )
    number = torch.arange(128)
    lanes = Lanes(
        trial=number,
        replicate=torch.zeros_like(number),
        seed=number,
        values={"lr": torch.full((128,), 1e-5, dtype=torch.float64)},
        shape={},
    )
    block = Block(program, lanes, Plan(steps=steps, report=report, diverge_factor=1e9))
    block.prepare()
    return program, block


def test_a_call_over_five_million_points_is_given_up_in_its_midst() -> None:
    """It would take a day. The block is as it was before the call."""
    with torch.no_grad():
        program, block = block_of(Many, 100_000, 100_000)
        halt, told = Halt(), []
        program.heed(halt)
        before = block.snapshot()
        thread = threading.Thread(target=lambda: told.append(block.advance()), daemon=True)
        thread.start()
        thread.join(1.0)
        assert thread.is_alive()
        halt.set()
        thread.join(120)
        assert told == [None]
        after = block.snapshot()
    assert before["done"] == after["done"] == 0
    assert all(map(torch.equal, before["params"], after["params"]))


@pytest.mark.parametrize("at", ["the first loss", "an update", "the last loss"])
def test_what_was_given_up_is_done_again_with_the_same_numbers(at: str) -> None:
    """Wherever it was, from the block itself and from its snapshot."""
    with torch.no_grad():
        program, block = block_of(Few, 40, 20)
        while block.occupied():
            block.advance()
        whole = block.fitted()
        program, block = block_of(Few, 40, 20)
        if at == "an update":
            block.advance()
        if at == "the last loss":
            block.advance()
            assert block.advance(_in_turn(program)) is None
        else:
            program.heed(_up())
            assert block.advance() is None
        _, again = block_of(Few, 40, 20)
        again.restore(block.snapshot())
        program.heed(Halt())
        for each in (block, again):
            while each.occupied():
                each.advance()
            found = each.fitted()
            assert torch.equal(found.loss, whole.loss)
            assert torch.equal(found.steps, whole.steps)
            assert torch.equal(found.curve_loss, whole.curve_loss)


def _up() -> Halt:
    halt = Halt()
    halt.set()
    return halt


def _in_turn(program: Program) -> Any:
    """Asked after the last update, it has the loss given up that follows."""

    def pause() -> bool:
        program.heed(_up())
        return False

    return pause


def is_up(halt: Halt) -> bool:
    """What machine code reads."""
    return bool(halt.address.contents.value)


def test_a_workers_program_heeds_the_flag_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of no run before."""
    heeded: list[Halt] = []
    monkeypatch.setattr(Program, "heed", lambda self, halt: heeded.append(halt))
    recipe = StackedRecipe(
        source=find("cubic-sine"),
        plan=Plan(steps=1, report=1, diverge_factor=1e9),
        program="eager",
        unroll=1,
        defaults={},
    )
    at = torch.arange(1)
    values = {"lr": torch.full((1,), 1e-6, dtype=torch.float64)}
    lanes = Lanes(trial=at, replicate=at, seed=at, values=values, shape={"optimizer": "sgd"})
    worker, flags = Worker(recipe), [Halt(), Halt()]
    for halt in flags:
        assert worker.run(Task(lanes=lanes, block=1), halt=halt).fitted is not None
    assert heeded == flags


def test_the_word_to_stop_raises_the_flag_of_the_pack_in_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a process for one pack; the next has a flag of its own, which is down."""
    monkeypatch.setattr(alone.os, "_exit", lambda code: None)
    ours, theirs = Pipe()
    stop, tasks = threading.Event(), alone.Tasks()
    alone.send(ours, "first")
    ours.send_bytes(alone.STOP)
    with ours:
        alone.send(ours, "second")
    with theirs:
        alone._listen(theirs, tasks, stop)
    told = [tasks.get() for _ in range(2)]
    assert [(task, is_up(halt)) for task, halt in told] == [("first", True), ("second", False)]


def test_the_bell_raises_the_flag_of_rays_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no thread of Python can stop hears it too."""
    monkeypatch.setattr(ray_tune, "BELL_SECONDS", 0.0)
    monkeypatch.setattr(ray_tune, "_internal_kv_exists", lambda key, namespace: True)
    bell = ray_tune.Bell("search")
    for thread in threading.enumerate():
        if thread.name == "bell":
            thread.join()
    assert bell.rung()
    assert is_up(bell.halt)
