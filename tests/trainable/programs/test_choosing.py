"""The choice of a compiler, and what is told of a step that no fused kernel takes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from shoal.trainable.errors import CompileError
from shoal.trainable.fused import LANES as THREE
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.program import Program

ONE = torch.zeros(1, dtype=torch.int64)

LANES = Lanes(trial=ONE, replicate=ONE, seed=ONE, values={"lr": torch.full((1,), 1e-3)}, shape={})


class Sorted:
    """The mean square of sorted numbers: a sort is no loop over named axes."""

    def data(self) -> torch.Tensor:
        return torch.linspace(0.0, 1.0, 5)

    def initial(self, seed: int) -> tuple[torch.Tensor, ...]:
        return (torch.ones(()),)

    def loss_and_gradient(self, params: Any, data: torch.Tensor) -> Any:
        residual = (params[0] * data).sort().values - data
        return (residual**2).mean(), (2 * (residual * data).mean(),)


def program(problem: type, **how: Any) -> tuple[Program, tuple[Any, ...]]:
    """A program, and tensors of three fits."""
    made = Program(
        problem, optimizer="sgd", shape={}, defaults={}, block=3, device="cpu", unroll=3, **how
    )
    which = torch.zeros(THREE, dtype=torch.int64)
    return made, (*made.initial(LANES, which), made.values(LANES, which))


def test_a_step_that_is_not_fused_says_why_to_whoever_asks() -> None:
    """To the cost model, to who has left the choice open, and to who has asked for a kernel."""
    line = Sorted.loss_and_gradient.__code__.co_firstlineno + 1
    why = f"sort has no fused operator (test_choosing.py:{line})"
    with torch.no_grad():
        open_, given = program(Sorted, compiled=True)
        assert open_.count(*given).unfused == why
        assert len(open_.codes(*given)) == 4  # before and after, of the update and of the loss
        assert (open_.kind, open_.unfused) == ("pieces", why)
        asked, given = program(Sorted, kind="kernel")
        with pytest.raises(CompileError, match=re.escape(f"it cannot be fused: {why}")):
            asked.codes(*given)


def test_a_step_that_is_fused_says_nothing() -> None:
    """The default problem, whoever chooses."""
    with torch.no_grad():
        made, given = program(find("cubic-sine").load(), compiled=True)
        assert made.count(*given).unfused == ""
        assert len(made.codes(*given)) == 2
    assert (made.kind, made.unfused) == ("kernel", "")


def test_a_program_that_was_not_prepared_says_so() -> None:
    """An error with its remedy."""
    made, (params, state, values) = program(Sorted)
    with pytest.raises(RuntimeError, match=r"^prepare\(\) the program before it is run$"):
        made.chunk(params, state, values)
    with pytest.raises(RuntimeError, match=r"^prepare\(\) the program"):
        made.compiled(1)
