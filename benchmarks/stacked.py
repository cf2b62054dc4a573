"""Fits of one row as shoal runs them, and by its plain loop; both in this process."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import torch
from rows import HERE, Row

from shoal.search.errors import BadInput
from shoal.search.preparation import Updates, default_values, known_of, prepare
from shoal.search.programs import Meanwhile
from shoal.search.request import Asked
from shoal.search.rounds import recipe_of
from shoal.search.space import Dimension, of_names
from shoal.trainable.fitting import Plan, fit
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems import find, hyperparameters
from shoal.trainable.programs import EAGER, KERNEL, SINGLE, program_of
from shoal.trainable.task import Recipe, Task
from shoal.trainable.worker import Worker

SEARCH = 4096 * 2000
"""Updates, or epochs, of the search whose program is measured: 4,096 trials of 2,000."""

SEED = 0
DIVERGE_FACTOR = 1000.0

FEW = torch.arange(3)
"""Fits that a step is traced with."""

Values = dict[str, float]


class Ours:
    """A pack of a search of this row, which a worker fits as often as it is asked.

    Attributes:
        values: the hyperparameters of each fit.
        program: how it is run; metrics: how these are, beside a kernel.
        why: why it is no kernel, empty if it is one.
        block: lanes in one tensor operation.
        updates_of_an_epoch: 1 where steps are no epochs.
    """

    def __init__(
        self, row: Row, steps: int, report: int, fits: int, compile_seconds: float
    ) -> None:
        """Prepare the search.

        Args:
            steps, report: in epochs where the row has these.
            compile_seconds: after which it is run eager instead.
        """
        asked = Asked(
            problem=row.spec,
            space={name: [value] for name, value in row.shape.items()},
            trials=SEARCH // steps,
            pack=fits,
            report=report,
            seed=SEED,
            **{"epochs" if row.epochs else "steps": steps},
        )
        late = ""
        try:
            until = time.monotonic() + compile_seconds
            prepared = prepare(asked, None, meanwhile=Meanwhile(until=until))
        except BadInput as error:
            if "before the programs are compiled" not in str(error):
                raise
            late = f"compiling took over {compile_seconds:.0f} s"
            prepared = prepare(replace(asked, program="eager"), None)
        request = prepared.request
        recipe = recipe_of(request, prepared.source, prepared.defaults, gpu=False)
        space = {name: request.space[name] for name in request.space}
        self.values, self._lanes = lanes_of(space, prepared.shape_names, fits)
        self._worker = Worker(recipe)
        self._task = Task(lanes=self._lanes, block=request.block)
        self.block = request.block
        self.program = recipe.settled.of(self._lanes.shape)
        self.metrics = recipe.settled.metrics.get(next(iter(recipe.settled.programs), ""), "")
        self.updates_of_an_epoch = request.steps // steps if row.epochs else 1
        self.why = "" if self.program == KERNEL else _why(recipe, self._lanes, prepared.notes, late)

    def fit(self) -> tuple[float, list[list[float]]]:
        """Return the seconds, and of each fit the losses reported and the last.

        Raises:
            RuntimeError: the pack did not work.
        """
        began = time.perf_counter()
        outcome = self._worker.run(self._task)
        seconds = time.perf_counter() - began
        fitted = outcome.fitted
        if fitted is None:
            raise RuntimeError(outcome.error or outcome.fault)
        return seconds, losses_of(fitted, len(self._lanes))


def _why(recipe: Recipe, lanes: Lanes, notes: Sequence[str], late: str) -> str:
    """Why fits have no kernel: what the search says, or else what a trace of three fits does."""
    if notes or recipe.settled.usual == SINGLE:
        return "; ".join([*notes, *([late] if late else [])])
    program = recipe.made(lanes, block=len(FEW), device="cpu", kind=EAGER)
    with torch.no_grad():
        params, state = program.initial(lanes, FEW)
        unfused = program.count(params, state, program.values(lanes, FEW)).unfused
    return "; ".join(filter(None, [unfused, late])) or "it is not worth compiling"


def lanes_of(
    space: Mapping[str, Dimension], shape_names: tuple[str, ...], fits: int
) -> tuple[list[Values], Lanes]:
    """Draw the hyperparameters of some fits from their space, with a fixed seed."""
    generator = torch.Generator().manual_seed(SEED)
    columns = {}
    for name, dimension in space.items():
        if name in shape_names:
            continue
        u = torch.rand(fits, generator=generator, dtype=torch.float64)
        low, high = dimension.low, dimension.high
        columns[name] = low * (high / low) ** u if dimension.log else low + (high - low) * u
    shape: dict[str, Any] = {"optimizer": "sgd"}
    shape |= {name: space[name].choices[0] for name in shape_names}
    lanes = Lanes(
        trial=torch.arange(fits),
        replicate=torch.zeros(fits, dtype=torch.int64),
        seed=torch.full((fits,), SEED),
        values=columns,
        shape=shape,
    )
    values = [{name: float(column[i]) for name, column in columns.items()} for i in range(fits)]
    return values, lanes


def losses_of(fitted: Any, fits: int) -> list[list[float]]:
    """The losses that each fit reports, and its last."""
    order = torch.argsort(fitted.curve_lane, stable=True)
    curves = fitted.curve_loss[order].split(fitted.curve_lane.bincount(minlength=fits).tolist())
    return [[*curve.tolist(), float(fitted.loss[i])] for i, curve in enumerate(curves)]


def single(row: Row, steps: int, fits: int) -> tuple[list[Values], list[list[float]]]:
    """Hyperparameters and losses of a few updates, one fit at a time and unprepared."""
    problem = find(row.spec).load()
    space = {**of_names(problem.space), **of_names({n: [v] for n, v in row.shape.items()})}
    declared = hyperparameters(problem)
    names = tuple(name for name in space if name == "optimizer" or name in declared.shape)
    values, lanes = lanes_of(space, names, fits)
    updates = Updates.of(space, known_of(problem))
    program = program_of(
        problem,
        lanes.shape,
        None,
        defaults=default_values(declared, updates, space),
        block=fits,
        device="cpu",
        kind=SINGLE,
        steps=steps,
        given=tuple(lanes.values),
    )
    fitted = fit(program, lanes, Plan(steps=steps, report=1, diverge_factor=DIVERGE_FACTOR))
    assert fitted is not None
    return values, losses_of(fitted, fits)


class Plain:
    """The plain loop of a row."""

    def __init__(self, row: Row, steps: int, report: int) -> None:
        """Make the problem and its data, which all its fits share.

        Args:
            steps, report: in updates.
        """
        module = loaded(row.file)
        problem = getattr(module, row.cls)(**row.shape)
        for name in ("data", "validation"):
            if hasattr(problem, name):
                setattr(problem, name, _held(getattr(problem, name)()))
        self._loop = getattr(module, row.plain)
        self._problem, self._steps, self._report = problem, steps, report

    def fit(self, values: Values) -> list[float]:
        """Fit once; return the losses reported and the last."""
        found: list[float] = self._loop(self._problem, SEED, self._steps, self._report, **values)
        return found


def _held(value: Any) -> Callable[[], Any]:
    return lambda: value


def loaded(name: str) -> ModuleType:
    """A file of fits/, as a module of this process, which finds others beside itself."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
