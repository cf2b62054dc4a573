"""Whether a compiled program gives what the plain step gives, tried before a search starts.

Several updates of several fits, from their initial parameters and from others away from these, with
hyperparameters of all of the space; each number is judged by
`shoal.trainable.programs.comparing.accuracy`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch
from torch.fx import GraphModule

from shoal.trainable.lanes import Lanes
from shoal.trainable.optimizers import State
from shoal.trainable.problems import Leaves
from shoal.trainable.programs import KERNEL, LaneValues, Program, Tried, decomposed
from shoal.trainable.programs.comparing.accuracy import Step, Verdict, verdicts

FITS, MIN_FITS = 36, 8
"""Fits that are compared: in single precision more than two registers full, so that a kernel's wide
form is tried, and then some of them by its narrow form."""

UPDATES = 3

MAX_NUMBERS = 1 << 21
"""Bound on the elements of a tensor with one for each fit and each number of the data."""

AWAY = 0.5
"""Standard deviation of the perturbed parameters, relative to 1 + |p|."""

Start = tuple[Leaves, State]


def difference(compiled: Program, lanes: Lanes) -> str | None:
    """Return in one line how a program differs from the plain step; None: it does not.

    Args:
        compiled: a program that is prepared.
        lanes: a few fits, with hyperparameters across the space; they are repeated.
    """
    return _told(compiled, lanes, compiled.data, _step_and_loss)


def metrics_difference(compiled: Program, lanes: Lanes) -> str | None:
    """Return likewise how a kernel of the metrics differs from these as torch computes them."""
    if compiled.compiled_metrics is None:
        return None
    return _told(compiled, lanes, compiled.validation, _Trial.metrics)


def _step_and_loss(trial: _Trial, params: Leaves, state: State) -> str | None:
    return trial.updates(params, state) or trial.loss(params, state)


def _told(
    compiled: Program,
    lanes: Lanes,
    rows: Sequence[torch.Tensor],
    compare: Callable[[_Trial, Leaves, State], str | None],
) -> str | None:
    widest = max((tensor.numel() for tensor in rows), default=1)
    count = compiled.block
    if compiled.elastic:
        count = max(MIN_FITS, min(FITS, MAX_NUMBERS // max(1, widest)))
    with torch.no_grad(), _one_thread():
        which = torch.arange(count) % len(lanes)
        start = compiled.initial(lanes, which)
        values = compiled.values(lanes, which)
        trial = _Trial(compiled, values, start)
        for params, state in (start, trial.away(start)):
            told = compare(trial, params, state)
            if told is not None:
                return told
    return None


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread, as fits are run; operations this small are slower in several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Trial:
    def __init__(self, program: Program, values: LaneValues, start: Start) -> None:
        self._program, self._values = program, values
        self._tried, self._loss_run = program.compiled(UPDATES)
        given = [*start[0], *start[1], *values]
        self._steps = [
            program.traced(program.flat_step, given, tried.rows[0])[0] for tried in self._tried
        ]
        judged = program.judged_with(start[1], values)
        self._loss, _ = program.traced(program.flat_loss, [*start[0], *judged])

    def away(self, start: Start) -> Start:
        """Return parameters away from the initial ones, and the state after an update."""
        params, state = start
        generator = torch.Generator().manual_seed(0)
        moved = tuple(
            p + AWAY * (1 + p.abs()) * torch.randn(p.shape, generator=generator, dtype=p.dtype)
            for p in params
        )
        made = self._steps[0](*moved, *state, *self._values, *self._program.sample)
        return moved, tuple(made[1 + len(params) :])

    def updates(self, params: Leaves, state: State) -> str | None:
        """Tell what differs after several updates, by each kernel that does some."""
        names = [f"parameter {name}" for name in self._program.parameter_names]
        names += self._program.state_names
        for tried, step in zip(self._tried, self._steps, strict=True):
            updates = len(tried.rows)
            after = "1 update" if updates == 1 else f"{updates} updates"
            if tried is not self._tried[0]:
                after += " with the last batch of an epoch"
            compared = _Compared(
                names=[f"{name} after {after}" for name in ("the loss", *names)],
                tried=tried,
                graph=step,
                exact=lambda given: self._program.flat_step(*given),
                carried=len(params) + len(state),
            )
            told = self._told(compared, [*params, *state, *self._values])
            if told is not None:
                return told
        return None

    def loss(self, params: Leaves, state: State) -> str | None:
        """Tell what differs in the loss alone."""
        compared = _Compared(
            names=["the loss"],
            tried=Tried(self._loss_run, [self._program.data]),
            graph=self._loss,
            exact=lambda given: self._program.flat_loss(*given),
            carried=0,
        )
        return self._told(compared, [*params, *self._program.judged_with(state, self._values)])

    def metrics(self, params: Leaves, _: State) -> str | None:
        """Tell what differs in the metrics, where they are a kernel."""
        program, run = self._program, self._program.compiled_metrics
        if run is None:
            return None
        given = [*params, *self._values]
        compared = _Compared(
            names=[f"the metric {name}" for name in program.metric_names],
            tried=Tried(run, [program.validation]),
            graph=program.traced(program.flat_metrics, given, program.validation)[0],
            exact=lambda given: program.flat_metrics(*given),
            carried=0,
        )
        return self._told(compared, given)

    def _told(self, compared: _Compared, own: list[torch.Tensor]) -> str | None:
        """Tell what differs for inputs `own` of each fit."""
        found = compared.tried(own)
        few = decomposed(compared.graph, len(own))
        every = self._verdicts(found, compared, few, own)
        for name, ours, verdict in zip(compared.names, found, every, strict=True):
            if bool(verdict.wrong.any()):
                place = tuple(torch.nonzero(verdict.wrong)[0].tolist())
                right = float(verdict.exact[place])
                return f"{name} is {float(ours[place]):.8g}, not {right:.8g}"
        if self._program.kind == KERNEL:
            less = compared.tried([tensor[: MIN_FITS // 2] for tensor in own])
            for name, ours, theirs in zip(compared.names, less, found, strict=True):
                if not _same(ours, theirs[: len(ours)]):
                    return f"{name} depends on how many fits there are"
        return None

    def _verdicts(
        self,
        found: Sequence[torch.Tensor],
        compared: _Compared,
        few: GraphModule,
        own: list[torch.Tensor],
    ) -> list[Verdict]:
        for exact in (compared.exact, None):
            with suppress(RuntimeError):  # a fit that is bound to its own dtype
                return verdicts(
                    found,
                    compared.graph,
                    exact,
                    own,
                    compared.tried.rows,
                    carried=compared.carried,
                    few=few,
                )
        raise AssertionError("the plain step works")


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """A compiled function, and the same as torch runs it (`accuracy.verdicts`)."""

    names: Sequence[str]
    tried: Tried
    graph: GraphModule
    exact: Step
    carried: int


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
