"""How each shape's step is run, settled before a search begins and written into its request.

For each combination of shape hyperparameters the libraries are made, loaded and compared with the
plain step: a fused kernel, else several with calls of torch between them where that pays, else it
runs eager, or one fit after the other. So a broken compiler, a full disk or a wrong kernel is known
before there is a row, and a table has one program for each shape. A shape whose own code fails is
left eager. The user is told why a shape has no kernel.

On a GPU programs are recorded by the worker that has it, since another process on it would take its
memory: they are settled as captured without a trial, and a worker that cannot record one gives its
pack back.
"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from shoal.search.errors import BadInput, SearchError
from shoal.search.machine import cores
from shoal.search.programs.case import LANES, Begun, Case
from shoal.search.programs.costs import Costs
from shoal.search.programs.meanwhile import Meanwhile
from shoal.search.programs.running import INSTEAD
from shoal.trainable.compiling import Place, cache_folder, check_compiler, identity, loaded, make
from shoal.trainable.errors import CompileError, CompilerHangs, one_line
from shoal.trainable.fused import target_of
from shoal.trainable.programs import (
    CAPTURED,
    EAGER,
    KERNEL,
    PIECES,
    Program,
    Settled,
    Work,
    key,
    words,
)
from shoal.trainable.programs.comparing import difference, metrics_difference

MAX_KERNELS, MAX_CAPTURED = 256, 32
"""Shapes that are compiled at the most: as kernels, a second of a core each; by torch's compiler
for GPUs, half a minute. With more, what compiling costs outgrows what it saves."""

MAX_TOGETHER = 16
"""Shapes whose data are in memory at the same time."""


TELL_SECONDS = 5.0
"""How often the user is told that it takes a while."""


def captured(shapes: Sequence[Mapping[str, Any]]) -> Settled:
    """Return programs that are recorded on a GPU."""
    programs = {key(shape): CAPTURED for shape in shapes}
    return Settled(programs=programs, compiler=f"torch {torch.__version__}")


def settle(
    case: Case,
    shapes: Sequence[Mapping[str, Any]],
    costs: Callable[[Work], Costs],
    meanwhile: Meanwhile,
) -> tuple[Settled, tuple[str, ...]]:
    """Return how each shape is run, and what the user should know; no programs: none is compiled.

    Args:
        costs: of an update, by what it does.

    Raises:
        BadInput: one is required to be compiled and cannot be, or time is up.
    """
    settling = _Settling(case, shapes, meanwhile)
    try:
        settling.all_as(KERNEL)
        settling.weigh(costs)
        settling.all_as(PIECES)
    except CompileError as error:  # none can be had
        settling.give_up(str(error))
    return settling.result()


class _Settling:
    """What has been settled so far."""

    def __init__(
        self, case: Case, shapes: Sequence[Mapping[str, Any]], meanwhile: Meanwhile
    ) -> None:
        self._case, self._shapes, self._meanwhile = case, shapes, meanwhile
        self._programs: dict[str, str] = {}
        self._costs: dict[str, Costs] = {}  # of those that are no kernel
        self._metrics: dict[str, str] = {}
        self._measured: set[str] = set()  # why metrics are not fused
        self._why: dict[str, str] = {}  # why a shape has no kernel, or no program at all
        self._checked = False
        self._told = time.monotonic()

    def all_as(self, kind: str) -> None:
        """Try the shapes that have no program yet as one of this kind.

        Raises:
            CompileError: nothing can be compiled here.
        """
        compiler, folder = identity(), cache_folder()
        left = self._left()
        together = min(cores(), MAX_TOGETHER)
        for first in range(0, len(left), together):
            if first:
                gc.collect()  # the data of those before, also where nobody else collects
            trials = list(self._begun(left[first : first + together], kind))
            places = {
                key(each.shape): [Place(code, folder, compiler) for code in each.codes]
                for each in trials
            }
            made = make(list(itertools.chain(*places.values())), self._over, most=cores())
            if made is None:
                raise BadInput(
                    "the time budget is used before the programs are compiled; give more time, "
                    "or --program eager"
                )
            for each in trials:
                runs = places[key(each.shape)]
                try:
                    each.program.take([loaded(place, made[place]) for place in runs])
                except CompileError as error:
                    self._check(error)
                    self._fail(each.shape, str(error))
                else:
                    self._compare(each.shape, each.program, kind)

    def weigh(self, costs: Callable[[Work], Costs]) -> None:
        """Count what the shapes cost that are no kernel, and run those uncompiled of which torch
        would do too much between kernels.

        Args:
            costs: of an update, by what it does.
        """
        for shape in self._left():
            few = replace(self._case, block=LANES).program(shape, EAGER)
            lanes, which = self._case.lanes(shape), torch.arange(LANES)
            with torch.no_grad():
                params, state = few.initial(lanes, which)
                found = costs(few.count(params, state, few.values(lanes, which)))
            self._costs[key(shape)] = found
            if found.best != PIECES and not self._case.required:
                self._programs[key(shape)] = found.uncompiled

    def _left(self) -> list[Mapping[str, Any]]:
        """The shapes that have no program yet."""
        return [shape for shape in self._shapes if key(shape) not in self._programs]

    def _block(self, shape: Mapping[str, Any]) -> int:
        """Lanes in one operation of torch."""
        costs = self._costs.get(key(shape))
        return self._case.block if costs is None else min(costs.block, self._case.block)

    def _begun(self, shapes: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Begun]:
        """Shapes with their programs, and what of each is to be compiled."""
        for shape in shapes:
            try:
                with torch.no_grad():
                    case = replace(self._case, block=self._block(shape))
                    program = case.program(shape, kind)
                    lanes, which = self._case.lanes(shape), torch.arange(LANES)
                    params, state = program.initial(lanes, which)
                    codes = program.codes(params, state, program.values(lanes, which))
            except CompileError as error:
                self._fail(shape, str(error))
            except SearchError:
                raise
            except Exception as error:  # of the user's code: no compiler would mend it
                self._programs[key(shape)] = EAGER
                self._fail(shape, f"its program cannot be made ({one_line(error)})")
            else:
                yield Begun(shape, program, codes)

    def _compare(self, shape: Mapping[str, Any], program: Program, kind: str) -> None:
        try:
            what = difference(program, self._case.lanes(shape))
        except RuntimeError as error:
            if kind == KERNEL:
                raise
            self._fail(shape, f"in pieces it does not run ({one_line(error)})")
            return
        if what is None:
            self._programs[key(shape)] = kind
            self._compare_metrics(shape, program)
            return
        maker = "the kernel" if kind == KERNEL else "what it is in pieces"
        self._fail(shape, f"{maker} differs from the plain step: {what}")

    def _compare_metrics(self, shape: Mapping[str, Any], program: Program) -> None:
        """Metrics that a kernel computes otherwise than torch are torch's."""
        if not program.measured:
            return
        what = metrics_difference(program, self._case.lanes(shape))
        if what is not None:
            self._measured.add(f"the kernel of the metrics differs: {what}; torch computes them")
        fused = program.metrics_kind == KERNEL and what is None
        self._metrics[key(shape)] = KERNEL if fused else EAGER

    def _fail(self, shape: Mapping[str, Any], why: str) -> None:
        before = self._why.get(key(shape), why)  # of the kernel, where pieces fail too
        self._why[key(shape)] = why if before == why else f"{before}; {why}"

    def _check(self, error: CompileError) -> None:
        """Something was not compiled: see whether anything can be."""
        if isinstance(error, CompilerHangs):
            raise error
        if not self._checked:
            try:
                check_compiler(self._over)
            except CompileError:
                raise error from None
        self._checked = True

    def give_up(self, why: str) -> None:
        """Nothing can be compiled here: all run eager, also what was compiled a moment ago."""
        self._programs.clear()
        self._costs.clear()
        self._metrics.clear()
        self._why = {key(shape): why for shape in self._shapes}

    def result(self) -> tuple[Settled, tuple[str, ...]]:
        """Return what came of it.

        Raises:
            BadInput: not all are compiled, and all must be.
        """
        left = self._left()
        if left and self._case.required:
            of = "" if len(self._shapes) == 1 else f" for {words(left[0])}"
            raise BadInput(
                f"it cannot be compiled{of}: {self._why[key(left[0])]}; mend that, or leave out "
                "--program compiled"
            )
        for shape in left:
            costs = self._costs.get(key(shape))
            self._programs[key(shape)] = EAGER if costs is None else costs.uncompiled
        programs = {key(shape): self._programs[key(shape)] for shape in self._shapes}
        notes = (*self._notes(programs), *sorted(self._measured))
        if len(set(programs.values())) == 1 and not {KERNEL, PIECES} & {*programs.values()}:
            return Settled(), notes
        blocks = {
            key(shape): self._block(shape)
            for shape in self._shapes
            if programs[key(shape)] in (EAGER, PIECES) and self._block(shape) < self._case.block
        }
        settled = Settled(programs=programs, metrics=self._metrics, blocks=blocks)
        if {KERNEL, PIECES} & {*programs.values()}:
            flags = " ".join(target_of("cpu").flags)
            settled = replace(settled, compiler=identity(), flags=flags)
        return settled, notes

    def _notes(self, programs: Mapping[str, str]) -> Iterator[str]:
        """Why shapes are no kernels: a line for each reason."""
        reasons: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for shape in self._shapes:
            if (kind := programs[key(shape)]) != KERNEL:
                reasons.setdefault((self._why[key(shape)], kind), []).append(shape)
        for (why, kind), shapes in reasons.items():
            more = f" and {len(shapes) - 1} more" if len(shapes) > 1 else ""
            of = f"{words(shapes[0])}{more}: " if len(shapes) < len(self._shapes) else ""
            yield f"{of}{why}; {INSTEAD[kind]}"

    def _over(self) -> bool:
        """Whether time is up; the user is told now and then how far it is."""
        now = time.monotonic()
        if now - self._told > TELL_SECONDS:
            self._told = now
            self._meanwhile.say(
                f"compiling: {len(self._programs)} of {len(self._shapes)} programs are ready"
            )
        return now > self._meanwhile.until
