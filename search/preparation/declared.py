"""The hyperparameters of a problem and of its optimizers: their names and default values."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.request import Objective
from shoal.search.space import COLUMNS, Dimension, Space, plain
from shoal.trainable.columns import LOSS
from shoal.trainable.optimizers import OPTIMIZERS
from shoal.trainable.problems import Hyperparameters

RESERVED = {
    "step": "it is the number of the update, which the loss alone may take",
    "seed": "what is random comes from initial(seed), whose first argument it is",
}
"""What the loss and the initial parameters cannot take as a hyperparameter, and why."""

CURVE = "curve_"
"""How columns of curves begin, in the parts of a run folder."""

HUGE = sys.float_info.max


def default_values(
    declared: Hyperparameters, optimizers: tuple[str, ...], given: Mapping[str, Any]
) -> dict[str, float]:
    """Return the values of the lane's hyperparameters that `given` lacks.

    Raises:
        BadInput: one has no default.
    """
    every: dict[str, Any] = dict(declared.own)
    of_optimizers = [OPTIMIZERS[optimizer].hyperparameters for optimizer in optimizers]
    for own in of_optimizers:
        every.update(own)
    for name in list(every):  # a program has its optimizer's own default where this has none
        if len({own[name] for own in of_optimizers if name in own}) > 1:
            del every[name]
    found = {}
    for name, declared_value in every.items():
        if name in given:
            continue
        value = plain(declared_value)
        if value is None:
            raise BadInput(f"{name} has no value; give one, as in {name}=1e-6, or a range of them")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > HUGE:
            raise BadInput(f"the default of {name} is {value!r}, not a number")
        found[name] = float(value)
    return found


def check_names(
    names: Mapping[str, Any] | Space, declared: Hyperparameters, optimizers: tuple[str, ...]
) -> None:
    """Check that the problem or one of the optimizers has each hyperparameter.

    Raises:
        BadInput: one is unknown, or the problem calls one as an optimizer or a column is called.
    """
    of_optimizers = [
        name for optimizer in optimizers for name in OPTIMIZERS[optimizer].hyperparameters
    ]
    for name in (*declared.shape, *declared.own):
        where = declared.method_of(name)
        if name in (*of_optimizers, "optimizer"):
            raise BadInput(
                f"the problem calls a hyperparameter {name}, which is the optimizer's name for its "
                f"own: the optimizer alone needs it; leave it out of {where}, or call it "
                "otherwise, as scale"
            )
        if name in RESERVED and name in declared.own:
            raise BadInput(
                f"the problem's {where} takes {name}: {RESERVED[name]}; leave it out, or call a "
                f"hyperparameter otherwise, as {name}_"
            )
    known = list(dict.fromkeys(["optimizer", *of_optimizers, *declared.shape, *declared.own]))
    for name in names:
        if name not in known:
            of = f"this problem and {'/'.join(optimizers)}"
            raise BadInput(f"unknown hyperparameter {name!r}; {of} have: {', '.join(known)}")


def objective_of(problem: type, asked: str | None, metrics: Sequence[str]) -> Objective:
    """Return what is searched for: as asked, else as the problem says, else the lowest loss.

    Raises:
        BadInput: there is no such metric.
    """
    whose = f"{problem.__name__}.objective: "
    try:
        own = Objective.parse(getattr(problem, "objective", LOSS))
    except BadInput as error:
        raise BadInput(f"{whose}{error}") from error
    objective = own if asked is None else Objective.parse(asked, usual=own)
    known = (LOSS, *metrics)
    if objective.name not in known:
        more = "" if metrics else f"; {problem.__name__} has no metrics()"
        told = "" if asked is not None else whose
        raise BadInput(
            f"{told}unknown objective {objective.name!r}; known: {', '.join(known)}{more}"
        )
    return objective


def check_metric_names(metrics: Sequence[str], declared: Hyperparameters, space: Space) -> None:
    """Check that each metric can be a column of the results.

    Raises:
        BadInput: one is called like another column.
    """
    for name in metrics:
        taken = name in COLUMNS or name.startswith(CURVE)
        if taken or name in (*declared.shape, *declared.own, *space):
            what = "a column of the results" if taken else "a hyperparameter"
            raise BadInput(
                f"the metric {name!r} is called like {what}; call it otherwise, as "
                f"validation_{name}"
            )


def optimizers_of(choice: Any) -> tuple[str, ...]:
    """Return the optimizers of a dimension or value, checked."""
    optimizers = choice.choices if isinstance(choice, Dimension) else (choice,)
    if not optimizers or any(optimizer not in OPTIMIZERS for optimizer in optimizers):
        wrong = choice.shown if isinstance(choice, Dimension) else choice
        raise BadInput(f"unknown optimizer {wrong!r}; known: {', '.join(OPTIMIZERS)}")
    return tuple(optimizers)
