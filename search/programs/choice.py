"""The programs of a new search: whether to compile, and how each shape is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from shoal.search.errors import BadInput
from shoal.search.programs.case import Case, count_of, shapes_of
from shoal.search.programs.costs import costs_of
from shoal.search.programs.meanwhile import Meanwhile
from shoal.search.programs.running import INSTEAD, Running, choose, pack_of
from shoal.search.programs.settling import MAX_CAPTURED, MAX_KERNELS, captured, settle
from shoal.search.request import Resolved
from shoal.search.space import Space
from shoal.trainable.problems import Folds
from shoal.trainable.programs import SINGLE, Settled, Work


@dataclass(frozen=True, kw_only=True)
class Programs:
    """What is known of them.

    Attributes:
        names: the shape hyperparameters of `space`.
        defaults: values of the hyperparameters that are not in the space; points: to try.
        report: updates between two reporting steps.
        pack: lanes that one device runs together, at the most; together: in most of the packs.
        device: ``cpu`` or ``cuda``.
        folds: how rows are split; None: they are not.
        single: whether fits have to run one at a time.
        fed: whether each update takes other rows, or noise.
    """

    problem: type
    space: Space
    names: Sequence[str]
    defaults: Mapping[str, float]
    points: Sequence[Mapping[str, float]]
    report: int
    pack: int
    together: int
    device: str
    folds: Folds | None = None
    single: bool = False
    fed: bool = False

    @property
    def count(self) -> float:
        """How many there are: one for each combination of shape hyperparameters."""
        return count_of(self.space, self.names)


def programs_of(
    asked: Resolved, works: Sequence[Work], programs: Programs, meanwhile: Meanwhile
) -> tuple[Running, Settled]:
    """Return how packs are run, and how each shape is.

    Args:
        asked: what was asked for, with its defaults.
        works: what one update of one lane does, of each shape that was tried.

    Raises:
        BadInput: a compiled program is asked for that cannot be had.
    """
    chosen = partial(
        choose,
        block=asked.block,
        works=works,
        device=programs.device,
        programs=programs.count,
        lanes=asked.trials * asked.replicates * asked.folds,
        steps=asked.steps,
        report=programs.report,
        pack=programs.pack,
        together=programs.together,
        fed=programs.fed,
    )
    required = asked.program == "compiled"
    if programs.single or (programs.fed and programs.device == "cuda"):
        why = "fits run one at a time" if programs.single else "minibatches or noise on a GPU"
        if required:
            raise BadInput(f"--program compiled: {why}, which is not compiled; leave it out")
        running = chosen("eager")
        if programs.single:
            alone = costs_of(works[0], 1, device=programs.device, pack=programs.pack)
            seconds = asked.steps * alone.eager
            running = replace(running, block=1, lane_seconds=seconds, pack=pack_of(seconds))
            return running, Settled(usual=SINGLE)
        return running, Settled(usual=running.usual)
    running = chosen(asked.program)
    if running.program == "eager":
        return running, Settled(usual=running.usual)
    most = MAX_CAPTURED if programs.device == "cuda" else MAX_KERNELS
    if programs.count > most:
        many = (
            f"{programs.count:,.0f} combinations of shape hyperparameters are too many to compile, "
            f"{most} at the most"
        )
        if required:
            raise BadInput(f"{many}; give fewer values, or leave out --program compiled")
        running = chosen("eager")
        note = f"{many}: {INSTEAD[running.usual]}"
        return replace(running, notes=(note,)), Settled(usual=running.usual)
    shapes = shapes_of(programs.space, programs.names, asked.folds)
    if programs.device == "cuda":
        return running, captured(shapes)
    case = Case(
        problem=programs.problem,
        defaults=programs.defaults,
        points=programs.points,
        seed=asked.seed,
        steps=asked.steps,
        block=running.block,
        unroll=running.unroll,
        required=required,
        folds=programs.folds,
    )
    costs = partial(costs_of, block=asked.block, device=programs.device, pack=programs.pack)
    settled, notes = settle(case, shapes, costs, meanwhile)
    if not settled.programs:
        running = chosen("eager")
        settled = Settled(usual=running.usual)
    return replace(running, notes=(*running.notes, *notes)), settled
