"""Optuna's distributions as dimensions: one for each hyperparameter of a study, whatever its trials
had."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from shoal.search.errors import BadInput
from shoal.search.space import COLUMNS, Condition, Dimension, Space, Value, parse


@dataclass(frozen=True, kw_only=True)
class Column:
    """A hyperparameter of a study as one of a search.

    Attributes:
        name: in the study.
        choices: what each choice of the study is called in the search, where it has choices.
        note: what is not as it was in the study, or nothing.
    """

    name: str
    dimension: Dimension
    choices: dict[Any, Value]
    note: str

    def value(self, trial: FrozenTrial) -> Value | None:
        """Return the value in a trial, or None where it has none."""
        if self.name not in trial.params:
            return None
        given = trial.params[self.name]
        if self.choices:
            return self.choices[_key(given)]
        return int(given) if self.dimension.column == "int" else float(given)


def columns_of(trials: Sequence[FrozenTrial]) -> dict[str, Column]:
    """Return the hyperparameters of these trials, by their names in the search.

    Raises:
        BadInput: one cannot be one of a search.
    """
    met: dict[str, dict[str, BaseDistribution]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            met.setdefault(name, {}).setdefault(repr(distribution), distribution)
    found: dict[str, Column] = {}
    for name, each in met.items():
        own = _name(name)
        if own in found:
            raise BadInput(f"two hyperparameters of the study would both be called {own}")
        found[own] = _column(name, own, list(each.values()))
    return found


def space_of(columns: dict[str, Column], trials: Sequence[FrozenTrial]) -> Space:
    """Return the space, in which a hyperparameter that some trials lack has a condition where
    another one's choice tells whether a trial has it."""
    told = [trial for trial in trials if trial.state is not TrialState.FAIL] or trials
    conditions = {}
    for own, column in columns.items():
        has = [column.name in trial.params for trial in told]
        if all(has):
            continue
        for parent, of in columns.items():
            values = [of.value(trial) for trial in told]
            with_it = {value for value, there in zip(values, has, strict=True) if there}
            without = {value for value, there in zip(values, has, strict=True) if not there}
            known = frozenset(value for value in with_it if value is not None)
            if of.choices and known and None not in with_it | without and not with_it & without:
                conditions[own] = ((Condition(parent=parent, values=known),),)
                break
    return Space([column.dimension for column in columns.values()], conditions)


def _column(name: str, own: str, each: list[BaseDistribution]) -> Column:
    """The hyperparameter of these distributions: one for each that a trial had.

    Raises:
        BadInput: they are no dimension.
    """
    renamed = f"{name!r} is called {own}" if own != name else ""
    categorical = [d for d in each if isinstance(d, CategoricalDistribution)]
    if categorical:
        choices, note = _choices(own, list(categorical[0].choices))
        dimension = parse(own, list(choices.values()))
        kept = dict(zip(choices, dimension.choices, strict=True))
        said = _joined((renamed, note))
        return Column(name=name, dimension=dimension, choices=kept, note=said)
    ranges = [d for d in each if isinstance(d, (IntDistribution, FloatDistribution))]
    low, high = min(d.low for d in ranges), max(d.high for d in ranges)
    integer = all(isinstance(d, IntDistribution) for d in ranges)
    stepped = any(d.step not in (None, 1) for d in ranges)
    notes = (
        renamed,
        f"{own} had other ranges in other trials: {low} to {high} holds them all"
        if len({(d.low, d.high) for d in ranges}) > 1
        else "",
        f"{own} had a step, which is left out" if stepped else "",
    )
    if low == high:
        dimension = parse(own, int(low) if integer else float(low))
        kept = {_key(low): dimension.choices[0]}
        return Column(name=name, dimension=dimension, choices=kept, note=_joined(notes))
    log = low > 0 and any(d.log for d in ranges)
    dimension = Dimension(name=own, low=low, high=high, log=log, integer=integer)
    return Column(name=name, dimension=dimension, choices={}, note=_joined(notes))


def _choices(own: str, choices: list[Any]) -> tuple[dict[Any, Value], str]:
    """What each choice is called, and what there is to say of it."""
    try:
        parse(own, choices)
    except BadInput:
        words = {_key(choice): _word(choice) for choice in choices}
        return dict(
            words
        ), f"{own} has choices that are written as words: {', '.join(words.values())}"
    return {_key(choice): choice for choice in choices}, ""


def _key(choice: Any) -> Any:
    """What tells choices apart: 1, 1.0 and True are several."""
    return type(choice).__name__, choice


def _word(choice: Any) -> str:
    """A word for a choice, which is read as itself."""
    word = re.sub(r"\W+", "_", str(choice)).strip("_")
    return word if re.match(r"[^\W\d]", word) and word not in ("True", "False") else f"is_{word}"


def _name(name: str) -> str:
    """The name in the search: one that Python could have."""
    own = re.sub(r"\W+", "_", name).strip("_")
    if not own.isidentifier():
        own = f"h_{own}"
    return f"{own}_" if own in COLUMNS else own


def _joined(notes: Sequence[str]) -> str:
    return "; ".join(note for note in notes if note)
