"""One fit of a problem, without Ray and without a run folder: ``shoal fit PROBLEM``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch

from shoal.search.errors import BadInput, SearchError
from shoal.search.preparation import (
    WORDS,
    Updates,
    check_names,
    default_values,
    known_of,
    load_source,
)
from shoal.search.request import check_settings
from shoal.search.space import parse, parse_assignments
from shoal.trainable.checking import check
from shoal.trainable.errors import TrainableError
from shoal.trainable.fitting import Block, Plan
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems import hyperparameters
from shoal.trainable.programs import program_of


def fit_once(
    problem: str,
    assignments: Iterable[str],
    *,
    steps: int,
    seed: int,
    report: int,
    say: Callable[[str], None] = lambda note: None,
) -> Iterator[str]:
    """Fit one lane; yield a line at each reporting step, and last the result.

    The line is ``STEP LOSS``, and each metric's name and value.

    Args:
        say: is told what the user should know of the problem.

    Raises:
        BadInput: the problem or a hyperparameter is wrong.
    """
    check_settings({"steps": steps, "seed": seed, "report": report})
    given = {name: parse(name, text) for name, text in parse_assignments(assignments).items()}
    for name, dimension in given.items():
        if not dimension.fixed:
            raise BadInput(f"{name}={dimension.shown}: fit takes one value; shoal run searches")
    try:
        source = load_source(problem)
        cls = source.load()
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
        for note in checked.notes:
            say(note)
        program = program_of(
            cls,
            {**shape, **updates.words},
            None,
            defaults={**defaults, **values},
            block=1,
            steps=steps,
            device="cuda" if torch.cuda.is_available() else "cpu",
        )
    except TrainableError as error:
        raise BadInput(str(error)) from error
    lane = Lanes(
        trial=torch.zeros(1, dtype=torch.int64),
        replicate=torch.zeros(1, dtype=torch.int64),
        seed=torch.tensor([seed]),
        values={},
        shape={},
    )
    plan = Plan(
        steps=steps,
        report=min(report, steps),
        diverge_factor=float("inf"),
        metrics=checked.metrics,
    )
    torch.set_num_threads(1)
    with torch.no_grad():
        block = Block(program, lane, plan)
        block.prepare()
        while block.occupied():
            if (reported := block.advance()) is not None:
                told = zip(checked.metrics, reported.metrics[0].tolist(), strict=True)
                numbers = [float(reported.losses), *(f"{name} {value}" for name, value in told)]
                yield " ".join(map(str, [int(reported.steps), *numbers]))
        fitted = block.fitted()
        if fitted.state[0] != 0:
            raise SearchError(f"the fit diverged by step {int(fitted.steps[0])}; try a smaller lr")
        yield program.describe(block.evaluated)
