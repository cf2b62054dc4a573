"""The hyperparameters of a problem and of its updates: their names and default values."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.preparation.updates import WORDS, Updates
from shoal.search.request import Objective
from shoal.search.space import COLUMNS, Space, plain
from shoal.trainable.columns import LOSS
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
    declared: Hyperparameters, updates: Updates, given: Mapping[str, Any]
) -> dict[str, float]:
    """Return the values of the lane's hyperparameters that `given` lacks.

    Raises:
        BadInput: one has no default.
    """
    every: dict[str, Any] = {**declared.own, **updates.hyperparameters}
    for name in updates.differing:  # a program has its optimizer's own default where this has none
        every.pop(name, None)
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
    names: Mapping[str, Any] | Space, declared: Hyperparameters, updates: Updates
) -> None:
    """Check that the problem, or one of the optimizers or schedules, has each hyperparameter.

    Raises:
        BadInput: one is unknown, or the problem calls one as an optimizer or a column is called.
    """
    of_updates = updates.hyperparameters
    for name in (*declared.shape, *declared.own):
        where = declared.method_of(name)
        if name in (*of_updates, *WORDS):
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
    known = list(dict.fromkeys([*WORDS, *of_updates, *declared.shape, *declared.own]))
    for name in names:
        if name not in known:
            of = f"this problem and {updates.text}"
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


def check_epochs(problem: type, epochs: int, of_an_epoch: int) -> None:
    """Check that epochs can be counted, where they are asked for.

    Args:
        of_an_epoch: batches of an epoch; 0: there are none.

    Raises:
        BadInput: they cannot.
    """
    if epochs and not of_an_epoch:
        raise BadInput(
            f"epochs counts minibatches, and {problem.__name__} takes all rows in each update; "
            "give steps, or write batch = 128 in the class"
        )


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
