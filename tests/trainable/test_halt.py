"""A call of a kernel that takes long is given up when told so, and nothing is lost by it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from shoal.trainable.compiling.compiler import compiler
from shoal.trainable.fitting.block import Block, Plan
from shoal.trainable.halt import Halt
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems.problem import Params
from shoal.trainable.programs.program import Program
from shoal.trainable.programs.settled import KERNEL

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
        rule="sgd",
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
        thread = threading.Thread(target=lambda: told.append(block.advance()))
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
