"""One random problem: fused, as torch runs it stacked, and in a plain loop, compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from fuzzing.grammar import Problem
from torch.fx import GraphModule

from shoal.trainable.compiling import Run
from shoal.trainable.compiling.library import functions
from shoal.trainable.fused import target_of
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.fused.cpp.writing.tiles import MAX_ROWS, Shape
from shoal.trainable.fused.loops.loops import Loops
from shoal.trainable.fused.loops.operators import NotLowered
from shoal.trainable.fused.lowering import LANES, lower
from shoal.trainable.fused.pieces import PiecesRun, calls_of, partitioned
from shoal.trainable.halt import never
from shoal.trainable.optimizers.composed import composed
from shoal.trainable.optimizers.methods.optimizer import Clock, Function
from shoal.trainable.programs.comparing.accuracy import Verdict, iterated, verdicts
from shoal.trainable.programs.decomposing import decomposed
from shoal.trainable.programs.tracing import traced

FITS = 41
"""More than two registers of single precision, so that both widths of a kernel are used."""

NARROW = 4
"""Fits that a kernel takes by its narrow form, in either precision."""

PLAIN = slice(0, FITS, 8)
"""The fits that are also run in a plain loop."""

UPDATES = 3

H = {"lr": 1e-2, "momentum": 0.9, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8}


@dataclass
class Result:
    """What came of a problem.

    Attributes:
        refused: why it is not fused, or None.
        pieces: whether it is fused in pieces.
        wrong: what differs, one line each.
        compared, unsettled: numbers that were compared, and those that tell nothing.
    """

    seed: int
    refused: str | None = None
    pieces: bool = False
    wrong: list[str] = field(default_factory=list)
    compared: int = 0
    unsettled: int = 0


Step = Callable[[list[torch.Tensor]], Sequence[torch.Tensor]]


class Trial:
    """A problem with the fits that it is tried on."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._function = problem.function("loss" if problem.gradient else "values")
        self._optimizer = composed(problem.optimizer, given=(), steps=UPDATES)
        generator = torch.Generator().manual_seed(problem.seed + 1)
        self._params = [
            torch.randn((FITS, *shape), generator=generator, dtype=problem.dtype)
            * torch.tensor([1.0, 1.0, 1e-2, 10.0])[torch.arange(FITS) % 4]
            .to(problem.dtype)
            .view(-1, *[1] * len(shape))
            for shape in problem.params.values()
        ]
        self.own = torch.randn(FITS, generator=generator, dtype=problem.dtype) * 2
        state = torch.vmap(self._optimizer.init)(tuple(self._params)) if problem.gradient else ()
        if problem.gradient and self._optimizer.needs_clock:
            state = (torch.zeros(FITS, dtype=problem.dtype), *state)
        self._state = [tensor.contiguous() for tensor in state]
        self.data = [tensor.contiguous() for tensor in problem.data.values()]
        self.fed = problem.gradient and problem.seed % 4 == 1 and bool(self.data)

    @property
    def given(self) -> list[torch.Tensor]:
        """What changes from update to update, and what stays."""
        return [*self._params, *self._state, self.own, *self.data]

    @property
    def rows(self) -> list[list[torch.Tensor]]:
        """What each update takes of the data: the same, or, where they are fed, other rows."""
        every = [self.data] * self.updates
        if not self.fed:
            return every
        return [[t.flip(0) if t.dim() and i % 2 else t for t in one] for i, one in enumerate(every)]

    @property
    def lane_inputs(self) -> int:
        """How many of `given` have fits."""
        return len(self._params) + len(self._state) + 1

    @property
    def carried(self) -> int:
        """How many of `given` change."""
        return len(self._params) + len(self._state) if self.problem.gradient else 0

    @property
    def updates(self) -> int:
        """How many updates are done."""
        return UPDATES if self.problem.gradient else 1

    def one(self, *flat: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One update, or the values, of one fit."""
        n, s = len(self._params), len(self._state)
        leaves, state, own = flat[:n], flat[n : n + s], flat[n + s]
        data = dict(zip(self.problem.data, flat[n + s + 1 :], strict=True))

        def of(leaves: Any) -> Any:
            return self._function(dict(zip(self.problem.params, leaves, strict=True)), data, own)

        if not self.problem.gradient:
            return tuple(of(leaves))

        def loss_and_gradient(at: Any) -> Any:
            gradient, loss = torch.func.grad_and_value(of)(at)
            return loss, gradient

        function = Function(loss_and_gradient=loss_and_gradient, residuals=lambda at: at[0])
        values = {name: torch.tensor(value, dtype=own.dtype) for name, value in H.items()}
        values["lr"] = own * own * 1e-3
        if not self._optimizer.needs_clock:
            loss, moved, state = self._optimizer.step(function, leaves, state, values, None)
            return (loss, *moved, *state)
        clock = Clock(state[0])
        loss, moved, state = self._optimizer.step(function, leaves, state[1:], values, clock)
        return (loss, *moved, clock.after, *state)

    def stacked(self, *flat: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The same of many fits."""
        own, data = flat[: self.lane_inputs], flat[self.lane_inputs :]
        step = torch.vmap(lambda *lane: self.one(*lane, *data))
        made: tuple[torch.Tensor, ...] = step(*own)
        return made

    def loop(self, held: list[torch.Tensor]) -> list[torch.Tensor]:
        """The same in a plain loop over the fits."""
        own, data = held[: self.lane_inputs], held[self.lane_inputs :]
        rows = [self.one(*(tensor[i] for tensor in own), *data) for i in range(len(own[0]))]
        return [torch.stack(column) for column in zip(*rows, strict=True)]

    def is_torchs(self) -> bool:
        """Whether torch itself can do it: some formulas of gradients fail on truth values."""
        try:
            self.stacked(*self.given)
        except RuntimeError:
            return False
        return True

    def kernel(self, kind: type[Kernel] = Kernel) -> Kernel:
        """Return its kernel.

        Raises:
            NotLowered: there is none.
        """
        with torch.no_grad():
            return self._kernel(kind)

    def _kernel(self, kind: type[Kernel]) -> Kernel:
        few = [tensor[:LANES] for tensor in self.given[: self.lane_inputs]]
        graph = decomposed(traced(self.stacked, [*few, *self.data]), len(few))
        loops = lower(graph, len(few), self.data, fixed=0 if self.fed else None)
        return kind(loops, self.carried, self.updates, self._shape(loops))

    def pieces(self) -> Run:
        """Return it in pieces.

        Raises:
            NotLowered: it cannot be.
        """
        target, own = target_of("cpu"), self.given[: self.lane_inputs]
        few, every = (
            decomposed(traced(self.stacked, [*(t[:count] for t in own), *self.data]), len(own))
            for count in (LANES, FITS)
        )
        fixed = 0 if self.fed else None
        partition = partitioned(few, len(own), self.data, target.limits, fixed, like=every)
        codes = [target.code(loops) for loops in partition.loops]
        made = functions(codes, None, never, private=False) if codes else ([], [])
        assert made is not None
        return PiecesRun(
            partition,
            calls_of(every, partition),
            made[0],
            self.data,
            carried=self.carried,
            updates=self.updates,
            fed=self.fed,
        )

    def _shape(self, loops: Loops) -> Shape | None:
        """Tiles of rows for every other problem that can have them, though few are worth them."""
        enough = loops.long and all(axis.size >= MAX_ROWS for axis in loops.long)
        return Shape(registers=1, tiled=True) if enough and self.problem.seed % 2 else None


def tried(problem: Problem, kind: type[Kernel] = Kernel) -> Result:
    """Run a problem in every way, and compare."""
    with torch.no_grad():
        return _tried(Trial(problem), kind)


def _tried(trial: Trial, kind: type[Kernel]) -> Result:
    result = Result(trial.problem.seed)
    try:
        kernel = trial.kernel(kind)
    except NotLowered as error:
        return _in_pieces(result, trial, str(error))
    except RuntimeError as error:
        if trial.is_torchs():
            raise
        result.refused = f"torch cannot: {str(error)[:60]}"
        return result
    made = functions([kernel], None, never, private=False)
    assert made is not None
    ((run,), _) = made
    given, own = trial.given, trial.lane_inputs
    rows = [tensor for one in trial.rows for tensor in one] if trial.fed else []
    found = run([*given[:own], *rows])
    _judge(result, trial, "kernel", found, given)
    _compare_forms(result, run, given[:own], rows, found)
    few = [*(tensor[PLAIN].contiguous() for tensor in given[:own]), *given[own:]]
    raw = trial.rows if trial.fed else [list(trial.problem.data.values())] * trial.updates
    plain = iterated(trial.loop, few[:own], raw, trial.carried)
    _judge(result, trial, "plain loop", plain, few)
    return result


def _in_pieces(result: Result, trial: Trial, why: str) -> Result:
    """What no kernel alone can do."""
    try:
        run = trial.pieces()
    except NotLowered:
        result.refused = why
        return result
    except RuntimeError as error:
        if trial.is_torchs():
            raise
        result.refused = f"torch cannot: {str(error)[:60]}"
        return result
    given, result.pieces = trial.given, True
    rows = [tensor for one in trial.rows for tensor in one] if trial.fed else []
    found = run([*given[: trial.lane_inputs], *rows])
    _judge(result, trial, "pieces", found, given)
    return result


def _compare_forms(
    result: Result,
    run: Run,
    given: list[torch.Tensor],
    rows: list[torch.Tensor],
    found: Sequence[torch.Tensor],
) -> None:
    """Compare the bits that a fit has among many, and among few."""
    for first in range(0, FITS, NARROW):
        few = slice(first, first + NARROW)
        narrow = run([*(tensor[few] for tensor in given), *rows])
        for i, (ours, theirs) in enumerate(zip(narrow, found, strict=True)):
            if not torch.allclose(ours, theirs[few], rtol=0, atol=0, equal_nan=True):
                result.wrong.append(f"output {i} of fits {first}-: other digits among few")
                return


def _judge(
    result: Result,
    trial: Trial,
    way: str,
    found: Sequence[torch.Tensor],
    given: list[torch.Tensor],
) -> None:
    """Compare what came of one way with the stacked function as torch runs it."""
    exact = trial.loop if trial.problem.dtype != torch.float64 else None
    graph = traced(trial.stacked, given)
    every = verdicts(
        found,
        graph,
        exact,
        given[: trial.lane_inputs],
        trial.rows,
        carried=trial.carried,
        few=decomposed(graph, trial.lane_inputs),
    )
    left = _left(trial, graph, given)
    for i, verdict in enumerate(every):
        result.compared += verdict.wrong.numel()
        result.unsettled += int((verdict.unsettled | verdict.wrong & _along(left, verdict)).sum())
        wrong = verdict.wrong & ~_along(left, verdict)
        if bool(wrong.any()):
            place = tuple(torch.nonzero(wrong)[0].tolist())
            result.wrong.append(f"output {i} at {place}: {float(found[i][place])!r} by the {way}")


def _left(trial: Trial, graph: GraphModule, given: list[torch.Tensor]) -> torch.Tensor:
    """Which fits have parameters before their last update whose products are no numbers, where
    there are convolutions: a kernel adds them up in another order, and multiplies them with the
    zeros around and between, which torch skips."""
    own = given[: trial.lane_inputs]
    left = torch.zeros(len(own[0]), dtype=torch.bool)
    if trial.updates == 1 or "conv" not in trial.problem.source:
        return left
    made = iterated(lambda held: graph(*held), own, trial.rows[:-1], trial.carried)
    for tensor in made[len(made) - trial.carried :]:
        most = torch.finfo(tensor.dtype).max ** 0.25
        left |= ~(tensor.reshape(len(left), -1).abs() < most).all(1)
    return left


def _along(left: torch.Tensor, verdict: Verdict) -> torch.Tensor:
    """Fits, for each number of theirs."""
    return left.view(-1, *[1] * (verdict.wrong.dim() - 1))
