"""The hyperparameters that a problem and its rules have: their names, and values by default."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.space import Dimension, Space, plain
from shoal.trainable.optimizers import RULES
from shoal.trainable.problems import Hyperparameters

RESERVED = {
    "step": "the number of the update is not available, and each step is the same function",
    "seed": "what is random comes from initial(seed), whose first argument it is",
}
"""What the loss and the initial parameters cannot take as a hyperparameter, and why."""

HUGE = sys.float_info.max


def default_values(
    declared: Hyperparameters, rules: tuple[str, ...], given: Mapping[str, Any]
) -> dict[str, float]:
    """Return the values of the lane's hyperparameters that `given` lacks.

    Raises:
        BadInput: one has no default.
    """
    every: dict[str, Any] = dict(declared.own)
    for rule in rules:
        every.update(RULES[rule].hyperparameters)
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
    names: Mapping[str, Any] | Space, declared: Hyperparameters, rules: tuple[str, ...]
) -> None:
    """Check that the problem or one of the rules has each hyperparameter.

    Raises:
        BadInput: one is unknown, or the problem calls one as a rule or a column is called.
    """
    of_rules = [name for rule in rules for name in RULES[rule].hyperparameters]
    for name in (*declared.shape, *declared.own):
        where = "__init__" if name in declared.shape else "loss_and_gradient"
        where = "initial" if name in declared.initial else where
        if name in (*of_rules, "rule"):
            raise BadInput(
                f"the problem calls a hyperparameter {name}, which is the rule's name for its own: "
                f"the rule alone needs it; leave it out of {where}, or call it otherwise, as scale"
            )
        if name in RESERVED and name in declared.own:
            raise BadInput(
                f"the problem's {where} takes {name}: {RESERVED[name]}; leave it out, or call a "
                f"hyperparameter otherwise, as {name}_"
            )
    known = list(dict.fromkeys(["rule", *of_rules, *declared.shape, *declared.own]))
    for name in names:
        if name not in known:
            of = f"this problem and {'/'.join(rules)}"
            raise BadInput(f"unknown hyperparameter {name!r}; {of} have: {', '.join(known)}")


def rules_of(choice: Any) -> tuple[str, ...]:
    """Return the rules of a dimension or value, checked."""
    rules = choice.choices if isinstance(choice, Dimension) else (choice,)
    if not rules or any(rule not in RULES for rule in rules):
        wrong = choice.shown if isinstance(choice, Dimension) else choice
        raise BadInput(f"unknown rule {wrong!r}; known: {', '.join(RULES)}")
    return tuple(rules)
