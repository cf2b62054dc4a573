"""The program: the step of a problem and an optimizer (`stacked`, `alone`), ready to run.

It runs as it is told to (`settled`) or not at all, since numbers differ in their last digits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch.fx import GraphModule

from shoal.trainable.columns import FOLD
from shoal.trainable.compiling import Captured, Code, Run, functions
from shoal.trainable.fused import FusedRun
from shoal.trainable.halt import Halt, Halted, never
from shoal.trainable.optimizers import State
from shoal.trainable.problems import Fold, Folds, Leaves
from shoal.trainable.programs.alone import Alone
from shoal.trainable.programs.choosing import Choice, chosen
from shoal.trainable.programs.runs import (
    Common,
    Feeds,
    Taken,
    Tried,
    in_blocks,
    interpreted,
    prepared,
)
from shoal.trainable.programs.settled import CAPTURED, EAGER, KERNEL, ONE_BY_ONE, SEQUENTIAL
from shoal.trainable.programs.stacked import Stacked
from shoal.trainable.programs.step import LaneValues, Stepped


class Program(Stacked):
    """A problem and an optimizer, ready to run blocks of `block` lanes on `device`.

    Attributes:
        unroll: updates that one call of `chunk` does.
        kind: how it is run (`shoal.trainable.programs.settled`).
        metrics_kind: how its metrics are: ``kernel`` or as torch does them, once it is prepared.
        unfused: why it is no fused kernel, once that was tried; empty: it is one.
        feeds: what the updates of a call are fed, if they are and there may be several.
        common: what others may share, and have found out: set it before it is prepared.
    """

    unfused = ""
    _halt: Halt | None = None

    def __init__(
        self,
        problem: type,
        *,
        optimizer: str,
        shape: dict[str, Any],
        defaults: dict[str, float],
        block: int,
        device: str,
        compiled: bool = False,
        kind: str | None = None,
        metrics: str | None = None,
        compiler: str | None = None,
        private: bool = False,
        unroll: int = 1,
        fold: Fold | None = None,
        steps: int = 1,
        epochs: bool = False,
        given: Collection[str] = (),
    ) -> None:
        """Build the program.

        Args:
            shape: the constructor's arguments (the shape hyperparameters but for the optimizer).
            defaults: values of the hyperparameters that lanes do not bring.
            compiled: run it as machine code, as it can be; else operation by operation.
            kind: how it is run, whatever `compiled` says.
            metrics: how they are run beside a kernel, ``kernel`` or ``eager``; None: as can be.
            compiler: the identity of the compiler that has made it elsewhere; None: the one here.
            private: whether it may be made in a temporary folder, if the cache does not serve.
            fold: the rows that are left out, to judge by; None: all are fitted to.
            steps, epochs, given: as `Step` has them.
        """
        super().__init__(
            problem,
            optimizer=optimizer,
            shape=shape,
            defaults=defaults,
            block=block,
            device=device,
            fold=fold,
            steps=steps,
            epochs=epochs,
            given=given,
        )
        self.unroll = unroll
        self._key = optimizer, repr(sorted(shape.items())), repr(fold), unroll
        usual = CAPTURED if self.device.type == "cuda" else None  # None: a kernel if it can be
        self.kind = kind or (usual if compiled and not (usual and self.feed.together) else EAGER)
        self._compiler, self._private, self.metrics_kind = compiler, private, metrics
        self._chunk: Run | None = None
        self._loss: Run | None = None
        self._metrics: Run | None = None
        self._last: Run | None = None  # the last update of an epoch, if it takes fewer rows
        self.feeds: Feeds | None = None
        self.common = Common()
        self._chunks: dict[tuple[torch.Size, ...], Run] = {}  # by what an update is fed
        self._first: tuple[Leaves, LaneValues] = (), ()  # of one lane
        self._alone: Alone | None = None
        self._choice = Choice(kind=EAGER, functions=[])
        self._notes: list[str] = []
        self._preparing = 0.0  # seconds

    @property
    def elastic(self) -> bool:
        """Whether it takes any number of lanes: a kernel computes no empty slots."""
        return self.kind == KERNEL

    def prepare(
        self, params: Leaves, state: State, values: LaneValues, stop: Callable[[], bool] = never
    ) -> bool:
        """Trace it, and compile it if need be; return False where `stop` came first.

        It is done once; the tensors given stand for all others of their shapes.

        Raises:
            CompileError: it cannot be run as it is to be.
        """
        began = time.perf_counter()
        try:
            return self._chunk is not None or self._prepare(params, state, values, stop)
        finally:
            self._preparing += time.perf_counter() - began

    def told(self) -> tuple[list[str], float]:
        """Return notes for the user, and the seconds that `prepare` took; each is returned once."""
        told, self._notes, self._preparing = (self._notes, self._preparing), [], 0.0
        return told

    def _prepare(
        self, params: Leaves, state: State, values: LaneValues, stop: Callable[[], bool]
    ) -> bool:
        if self.kind in ONE_BY_ONE:
            alone = Alone(self, params, state, values, recorded=self.kind == SEQUENTIAL)
            self._chunk, self._loss = alone.update(self.sample), alone.loss()
            self._alone, self._metrics = alone, alone.metrics() if self.measured else None
            if self.kind == SEQUENTIAL and self.feed.together:
                self.feeds = Feeds(self.feed, [], [], self.common.held, self)
            return True
        if self.kind in (EAGER, CAPTURED):
            several = partial(self.flat_step, updates=self.unroll)
            chunk = self.traced(several, [*params, *state, *values], self.sample)
            loss = self.traced(self.flat_loss, [*params, *self.judged_with(state, values)])
            run = Captured if self.kind == CAPTURED else interpreted
            self._chunk, self._loss = run(*chunk), run(*loss)
            if self.measured:
                self._metrics = run(*self._traced_metrics(params, values))
            return True
        made = functions(self.codes(params, state, values), self._compiler, stop, self._private)
        if made is not None:
            self._notes += made[1]
            self.take(made[0])
        return made is not None

    def _traced_metrics(
        self, params: Leaves, values: LaneValues
    ) -> tuple[GraphModule, list[torch.Tensor]]:
        return self.traced(self.flat_metrics, [*params, *values], self.validation)

    def codes(self, params: Leaves, state: State, values: LaneValues) -> list[Code]:
        """Return what is to be compiled for `take`.

        Raises:
            CompileError: it cannot be of the kind that it is to be.
        """
        forms = [(tensor.shape[1:], tensor.dtype) for tensor in (*params, *state, *values)]
        key = *self._key, self.kind, self.metrics_kind, self.elastic or self.block, *forms
        how = self.kind, self.unroll, self.metrics_kind
        make = partial(chosen, self, *how, params=params, state=state, values=values)
        self._choice = choice = self.common.made(key, make)
        self.kind, self.unfused, self.metrics_kind = choice.kind, choice.unfused, choice.metrics
        self.metric_names = choice.metric_names or self.metric_names
        self._first = tuple(leaf[:1] for leaf in params), tuple(leaf[:1] for leaf in values)
        return [code for function in choice.functions for code in function.codes]

    def take(self, runs: Sequence[Run]) -> None:
        """Use the compiled functions of `codes`."""
        left = iter(runs)
        self._chunk, self._loss, *fused = (one.loaded(left) for one in self._choice.functions)
        if self.last is not None:
            self._last, *fused = fused
        if self.feed.together:
            kernels, samples = (self._chunk, self._last), (self.sample, self.last)
            self.feeds = Feeds(self.feed, kernels, samples, self.common.held, self._choice)
        if fused:
            (self._metrics,) = fused
        elif self.measured:
            params, values = (
                tuple(leaf.expand(self.block, *leaf.shape[1:]) for leaf in part)
                for part in self._first
            )
            graph, _ = self._traced_metrics(params, values)
            self._metrics = in_blocks(interpreted(graph), self.block, len(params) + len(values))
        if self._halt is not None:
            self.heed(self._halt)

    def heed(self, halt: Halt) -> None:
        """Let `halt` cancel `chunk` and `loss`, which then raise Halted; only kernels can."""
        self._halt = halt
        for run in (self._chunk, self._last, self._loss, self._metrics):
            if isinstance(run, FusedRun):
                run.halt = halt

    def compiled(self, updates: int) -> tuple[list[Tried], Run]:
        """Return what was compiled: updates, each with what they take; and losses.

        Args:
            updates: how many are wanted, which kernels do.
        """
        chunk, loss = prepared(self._chunk), prepared(self._loss)
        if self._alone is not None:
            return [Tried(chunk, [self.sample])], loss
        if self.feeds is not None:
            return self.feeds.tried(updates), loss
        if isinstance(chunk, FusedRun):
            return [Tried(chunk.doing(updates), [self.data] * updates)], loss
        return [Tried(chunk, [self.data] * self.unroll)], loss

    @property
    def compiled_metrics(self) -> Run | None:
        """The kernel of the metrics, if they are one."""
        return self._metrics if isinstance(self._metrics, FusedRun) else None

    def chunk(
        self, params: Leaves, state: State, values: LaneValues, taken: Taken | None = None
    ) -> Stepped:
        """Do some updates; return the losses (B,) before the last of them, and the new params and
        state.

        Args:
            taken: what they take (`taken`); None: `unroll` updates, each with what the first takes.
        """
        if taken is None:
            taken = Taken([self.sample] * (self.unroll if self.kind == SEQUENTIAL else 1))
        moved = [*params, *state]
        if taken.run is not None:
            loss, *moved = taken.run.over([*moved, *values], taken.updates)
        else:
            for i, fed in enumerate(taken.updates):
                if i and self._halt is not None and self._halt.is_set:
                    raise Halted
                given = [*moved, *values]
                loss, *moved = self._chunk_of(given, fed)([*given, *fed])
        return loss, tuple(moved[: len(params)]), tuple(moved[len(params) :])

    def taken(self, seed: int, step: int, most: int) -> Taken | None:
        """Return what the next updates take, those of one call of `chunk`; None: what each takes.

        Args:
            seed: of the fits; step: updates done before; most: how many there may be.
        """
        if self.feeds is not None:
            return self.feeds.at(seed, step, min(most, self.unroll))
        return Taken([self.feed.at(seed, step)]) if self.feed.together else None

    def _chunk_of(self, given: list[torch.Tensor], fed: Sequence[torch.Tensor]) -> Run:
        """The function that does updates of this shape: the last batch of an epoch has its own."""
        shapes = tuple(tensor.shape for tensor in fed)
        if not self.feed.together or shapes == tuple(tensor.shape for tensor in self.sample):
            return prepared(self._chunk)
        if shapes not in self._chunks and self._alone is not None:
            self._chunks[shapes] = self._alone.update(fed)
        elif shapes not in self._chunks:
            several = partial(self.flat_step, updates=self.unroll)
            self._chunks[shapes] = interpreted(*self.traced(several, given, fed))
        return self._chunks[shapes]

    def loss(self, params: Leaves, state: State, values: LaneValues) -> torch.Tensor:
        """Return the losses (B,) of `params`, of all rows."""
        return prepared(self._loss)([*params, *self.judged_with(state, values), *self.data])[0]

    def metrics(self, params: Leaves, values: LaneValues) -> dict[str, torch.Tensor]:
        """Return the metrics of `params` by name, each (B,), in the parameters' dtype."""
        made = prepared(self._metrics)([*params, *values, *self.validation])
        return dict(zip(self.metric_names, made, strict=True))


def program_of(problem: type, shape: Mapping[str, Any], folds: Folds | None, **how: Any) -> Program:
    """Return the program of a shape as lanes have it.

    Args:
        shape: the shape hyperparameters, the optimizer, and the fold where there are folds.
        how: what else `Program` takes.
    """
    own = dict(shape)
    optimizer, index = own.pop("optimizer"), own.pop(FOLD, None)
    fold = None if folds is None else folds.of(index)
    return Program(problem, optimizer=optimizer, shape=own, fold=fold, **how)
