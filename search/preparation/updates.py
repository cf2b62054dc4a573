"""The optimizers and schedules that a search chooses from, and the hyperparameters of each."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.space import Alternatives, Condition, Dimension
from shoal.trainable.optimizers import (
    CONSTANT,
    OPTIMIZERS,
    SCHEDULE,
    SCHEDULES,
    hyperparameters_of,
    optimizers_of,
    schedules_of,
)

OPTIMIZER = "optimizer"

WORDS = (OPTIMIZER, SCHEDULE)
"""Shape hyperparameters that every problem has, whose values are words."""

USUAL = {OPTIMIZER: "sgd", SCHEDULE: CONSTANT}
"""What each is where nothing is said."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """The optimizers and schedules that may be named; a problem may bring some of its own.

    Attributes:
        hyperparameters: of an optimizer and a schedule, all that a fit with both may have, each
            with its default; None: it has none.
    """

    optimizers: Collection[str]
    schedules: Collection[str]
    hyperparameters: Callable[[str, str], Mapping[str, float | None]]


SHIPPED = Known(
    optimizers=OPTIMIZERS.keys(), schedules=SCHEDULES.keys(), hyperparameters=hyperparameters_of
)


def known_of(problem: type) -> Known:
    """Return what may be named for a problem: what ships, and what it brings.

    Raises:
        ContractError: what it brings breaks the contract.
    """
    optimizers, schedules = optimizers_of(problem), schedules_of(problem)
    return Known(
        optimizers=optimizers.keys(),
        schedules=schedules.keys(),
        hyperparameters=lambda optimizer, schedule: hyperparameters_of(
            optimizers[optimizer], schedules[schedule]
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Updates:
    """The optimizers and schedules that a search chooses from, one of each in a trial."""

    optimizers: tuple[str, ...]
    schedules: tuple[str, ...]
    known: Known = SHIPPED

    @classmethod
    def of(cls, space: Mapping[str, Any], known: Known = SHIPPED) -> Updates:
        """Return those of a space: dimensions, or values.

        Raises:
            BadInput: one is unknown.
        """
        optimizer, schedule = (space.get(word, USUAL[word]) for word in WORDS)
        return cls(
            optimizers=_checked(OPTIMIZER, optimizer, known.optimizers),
            schedules=_checked(SCHEDULE, schedule, known.schedules),
            known=known,
        )

    def each(self) -> Iterator[tuple[str, str, Mapping[str, float | None]]]:
        """Each optimizer with each schedule, and the hyperparameters of both."""
        for optimizer in self.optimizers:
            for schedule in self.schedules:
                yield optimizer, schedule, self.known.hyperparameters(optimizer, schedule)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Each optimizer, and each schedule, at least once, with another."""
        (optimizer, *_), (schedule, *others) = self.optimizers, self.schedules
        return (*((each, schedule) for each in self.optimizers), *((optimizer, s) for s in others))

    @property
    def hyperparameters(self) -> dict[str, float | None]:
        """All hyperparameters that a trial may have, with their defaults; None: one of the
        optimizers or schedules has none for it."""
        found: dict[str, float | None] = {}
        for _, _, own in self.each():
            found.update({n: None if found.get(n, 0.0) is None else v for n, v in own.items()})
        return found

    @property
    def of_others(self) -> frozenset[str]:
        """Hyperparameters of optimizers and schedules that are none of these: a problem's own space
        may name them, for those that it is usually fitted by."""
        known = self.known
        every = [
            *(known.hyperparameters(optimizer, CONSTANT) for optimizer in known.optimizers),
            *(known.hyperparameters(USUAL[OPTIMIZER], schedule) for schedule in known.schedules),
        ]
        return frozenset(name for own in every for name in own) - self.hyperparameters.keys()

    @property
    def differing(self) -> frozenset[str]:
        """Those of them that have a default with each optimizer and schedule, and not the same."""
        every = [own for _, _, own in self.each()]
        found = {n: {own[n] for own in every if n in own} for n in self.hyperparameters}
        return frozenset(n for n, values in found.items() if len(values) > 1 and None not in values)

    @property
    def words(self) -> dict[str, str]:
        """The first of both, as a shape has them; of the usual schedule nothing."""
        schedule = {} if self.schedules == (CONSTANT,) else {SCHEDULE: self.schedules[0]}
        return {OPTIMIZER: self.optimizers[0], **schedule}

    @property
    def text(self) -> str:
        """For the user: ``sgd/adam``, and schedules where there are several."""
        schedules = (
            () if self.schedules == (CONSTANT,) else (f"{SCHEDULE} {_joined(self.schedules)}",)
        )
        return " and ".join([_joined(self.optimizers), *schedules])

    def conditions(self, names: Collection[str]) -> dict[str, Alternatives]:
        """Return when hyperparameters are active that not every trial has.

        Args:
            names: of the space; those that are the problem's own are always active.
        """
        found = {}
        for name in names:
            if name in self.hyperparameters:
                having = {
                    optimizer: frozenset(
                        schedule
                        for other, schedule, own in self.each()
                        if other == optimizer and name in own
                    )
                    for optimizer in self.optimizers
                }
                if any(len(schedules) < len(self.schedules) for schedules in having.values()):
                    found[name] = self._alternatives(having)
        return found

    def _alternatives(self, having: Mapping[str, frozenset[str]]) -> Alternatives:
        """Optimizers that have something with the same schedules share an alternative."""
        together: dict[frozenset[str], list[str]] = {}
        for optimizer, schedules in having.items():
            if schedules:
                together.setdefault(schedules, []).append(optimizer)
        alternatives = []
        for schedules, optimizers in together.items():
            conditions = []
            if len(optimizers) < len(self.optimizers):
                conditions.append(Condition(parent=OPTIMIZER, values=frozenset(optimizers)))
            if len(schedules) < len(self.schedules):
                conditions.append(Condition(parent=SCHEDULE, values=schedules))
            alternatives.append(tuple(conditions))
        return tuple(alternatives)


def _checked(word: str, choice: Any, known: Collection[str]) -> tuple[str, ...]:
    """The values of a dimension, or the one value, each known."""
    values = choice.choices if isinstance(choice, Dimension) else (choice,)
    wrong = [value for value in values if value not in known]
    if wrong or not values:
        shown = choice.shown if isinstance(choice, Dimension) else choice
        near = difflib.get_close_matches(str(wrong[0]), known, 1) if wrong else []
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise BadInput(f"unknown {word} {shown!r}; known: {', '.join(known)}{meant}")
    return tuple(values)


def _joined(names: tuple[str, ...]) -> str:
    return "/".join(names)
