"""One fit of a problem, without Ray and without a run folder: `shoal.fit`."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from shoal.search.errors import BadInput, SearchError
from shoal.search.fits.fit import Fit
from shoal.search.preparation import (
    WORDS,
    Updates,
    check_epochs,
    check_names,
    default_values,
    known_of,
    load_source,
)
from shoal.search.process import own_settings
from shoal.search.request import check_settings
from shoal.search.space import Dimension, of_names
from shoal.trainable.checking import check
from shoal.trainable.columns import LOSS
from shoal.trainable.errors import TrainableError
from shoal.trainable.fitting import Block, Plan
from shoal.trainable.lanes import COMPLETE, Lanes
from shoal.trainable.problems import hyperparameters
from shoal.trainable.programs import SEQUENTIAL, SINGLE, program_of

Reported = Callable[[int, float, dict[str, float]], None]
"""Is told step, loss and metrics at each reporting step."""


class Sizes(NamedTuple):
    """How long a fit is.

    Attributes:
        length: updates, or epochs where `epochs` is above 0; report: likewise, between two points
            of the curve.
    """

    length: int
    epochs: int
    seed: int
    report: int

    @classmethod
    def of(cls, steps: int | None, epochs: int | None, seed: int, report: int | None) -> Sizes:
        """Return them, with defaults.

        Raises:
            BadInput: one is out of bounds, or both steps and epochs are given.
        """
        given = {"steps": steps, "epochs": epochs, "seed": seed, "report": report}
        check_settings({name: value for name, value in given.items() if value is not None})
        if epochs and steps is not None:
            raise BadInput("steps and epochs say the same in two ways; give one of them")
        usual = 1 if epochs else 100
        length = epochs or (2000 if steps is None else steps)
        return cls(length, epochs or 0, seed, usual if report is None else report)


@own_settings()
def fit_once(
    problem: str,
    values: Mapping[str, Any],
    *,
    steps: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    report: int | None = None,
    say: Callable[[str], None] = lambda note: None,
    reported: Reported = lambda step, loss, metrics: None,
) -> Fit:
    """Fit once.

    Args:
        problem: a name, ``module:Class`` or ``file.py:Class``.
        values: hyperparameters, each a number, a word, or text as it is typed.
        steps: updates, 2000 if absent; epochs: instead of them, times through the rows.
        report: updates between two points of the curve, 100 if absent; with epochs: epochs, 1.
        say: is told what the user should know of the problem, before the fit begins.

    Raises:
        BadInput: the problem or a hyperparameter is wrong.
        SearchError: the fit diverged.
    """
    sizes = Sizes.of(steps, epochs, seed, report)
    given = of_names(values)
    for name, dimension in given.items():
        if not (dimension.fixed and dimension.always):
            raise BadInput(f"{name}={dimension.shown}: fit takes one value; shoal run searches")
    source, threads = load_source(problem), torch.get_num_threads()
    torch.set_num_threads(1)  # sums would depend on it
    try:
        made = _fit(problem, source.load, given, sizes, say, reported)
    except BaseException:
        source.release()
        raise
    finally:
        torch.set_num_threads(threads)
    weakref.finalize(made, source.release)  # its modules stay as long as it may predict
    return made


def _fit(
    problem: str,
    load: Callable[[], type],
    given: Mapping[str, Dimension],
    sizes: Sizes,
    say: Callable[[str], None],
    reported: Reported,
) -> Fit:
    try:
        cls = load()
        declared = hyperparameters(cls)
        chosen = {name: given[name].choices[0] for name in WORDS if name in given}
        updates = Updates.of(chosen, known_of(cls))
        check_names(given, declared, updates)
        shape = {name: given[name].choices[0] for name in declared.shape if name in given}
        values = {
            name: float(dimension.choices[0])
            for name, dimension in given.items()
            if name not in WORDS and name not in shape and dimension.column in ("int", "float")
        }
        words = given.keys() - values.keys() - shape.keys() - set(WORDS)
        if words:
            name = sorted(words)[0]
            raise BadInput(f"{name}={given[name].shown}: {name} takes a number")
        defaults = default_values(declared, updates, given)
        point = {**defaults, **values}
        checked = check(cls, updates=updates.pairs, shapes=(shape,), points=(point,))
        check_epochs(cls, sizes.epochs, checked.of_an_epoch)
        for note in checked.notes:
            say(note)
        program = program_of(
            cls,
            {**shape, **updates.words},
            None,
            defaults={**defaults, **values},
            block=1,
            steps=sizes.length,
            epochs=sizes.epochs > 0,
            device="cuda" if torch.cuda.is_available() else "cpu",
            kind=SINGLE if checked.single else SEQUENTIAL,
        )
    except TrainableError as error:
        raise BadInput(str(error)) from error
    lane = Lanes(
        trial=torch.zeros(1, dtype=torch.int64),
        replicate=torch.zeros(1, dtype=torch.int64),
        seed=torch.tensor([sizes.seed]),
        values={},
        shape={},
    )
    plan = Plan(
        steps=sizes.length,
        report=min(sizes.report, sizes.length),
        epochs=sizes.epochs > 0,
        diverge_factor=float("inf"),
        metrics=checked.metrics,
        keep=1,
    )
    with torch.no_grad():
        block = Block(program, lane, plan.in_updates(checked.of_an_epoch))
        block.prepare()
        while block.occupied():
            if (now := block.advance()) is not None:
                told = dict(zip(checked.metrics, now.metrics[0].tolist(), strict=True))
                reported(int(now.steps), float(now.losses), told)
        fitted = block.fitted()
        if fitted.state[0] != COMPLETE:
            raise SearchError(f"the fit diverged by step {int(fitted.steps[0])}; try a smaller lr")
        held = fitted.parameters
        if held is None:
            raise RuntimeError("a fit that is complete has parameters")
        used = (*declared.own, *program.optimizer.hyperparameters)
        usual = {name: value for name, value in defaults.items() if name in used}
        columns = zip(checked.metrics, fitted.curve_metrics.numpy().T, strict=True)
        return Fit(
            problem=problem,
            hyperparameters={**updates.words, **shape, **usual, **values},
            loss=float(fitted.loss[0]),
            metrics=dict(zip(checked.metrics, fitted.metrics[0].tolist(), strict=True)),
            steps=int(fitted.steps[0]),
            parameters={name: leaf[0].clone() for name, leaf in held.named.items()},
            notes=checked.notes,
            description=program.describe(block.evaluated),
            _curve={
                "step": fitted.curve_step.numpy(),
                LOSS: fitted.curve_loss.numpy(),
                **dict(columns),
            },
            _cls=cls,
            _shape=shape,
            _prepared={name: leaf.cpu() for name, leaf in program.prepared.items()},
        )
