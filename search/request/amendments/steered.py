"""What was asked of a search, request after request, and the rounds that it makes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

from shoal.search.request.amendments.amendment import (
    REPLICATES,
    TRIALS,
    Amendment,
    Stage,
    ends_at,
    first_of,
    stages_of,
)
from shoal.search.request.amendments.ends import Ended, Ends
from shoal.search.request.amendments.layout import Layout, Span, layout_of
from shoal.search.request.amendments.points import Point

STEERED = 9
"""The format of what is begun now, whose rounds are drawn whole."""


@dataclass(frozen=True, kw_only=True)
class Steered(ABC):
    """The part of a request that may have more later.

    Attributes:
        trials: hyperparameter sets; replicates: lanes of each, from seeds `seed`, `seed` + 1, …;
            of all that was asked for, the amendments with it.
        round: trials asked of the sampler at once; pack: lanes that one device runs together; None:
            by the trial's number (`shoal.search.request.amendments`).
        stop_when, max_updates: what ends the first request before it has all of its trials.
        tries: points of the first request: its first trials, and those whose objective is known.
        from_: run folders from which the sampler knew something then; known: sha256 of what it knew
            (`shoal.search.known`), "": nothing.
        amendments: what was asked for after the first request; ended: the requests that ended
            before they had all of their trials.
        form: the format of the ``search.toml`` that it was read from; 0: it was not.
    """

    trials: int
    replicates: int
    round: int | None = None
    pack: int | None = None
    stop_when: tuple[str, ...] = ()
    max_updates: int = 0
    tries: tuple[Point, ...] = ()
    from_: tuple[str, ...] = ()
    known: str = ""
    amendments: tuple[Amendment, ...] = ()
    ended: tuple[Ended, ...] = ()
    form: int = field(default=0, compare=False)

    @property
    @abstractmethod
    def aim(self) -> str:
        """The name of the objective."""

    @property
    def there(self) -> int:
        """Trials of the whole search: those that are asked for, but for what an end left out."""
        return self.stages[-1].trials

    @property
    def nested(self) -> bool:
        """Whether a search of more trials begins with the very trials of this one; those of
        earlier formats have rounds by the number of all trials, and end with a smaller one."""
        return self.form in (0, STEERED)

    @property
    def first(self) -> dict[str, int]:
        """Trials and replicates of the first request."""
        return first_of(self.trials, self.replicates, self.amendments)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """What there is, request after request."""
        given = [len(self.tried(number)) for number in range(len(self.amendments) + 1)]
        return stages_of(self.trials, self.replicates, self.amendments, self.ended, given)

    @cached_property
    def layout(self) -> Layout:
        """The rounds of the whole search."""
        return layout_of(self.stages, size=self.round, pack=self.pack, whole=self.nested)

    def request_of(self, span: Span) -> int:
        """Return the number of the request that a round of trials is of, 0 for the first one."""
        return next(n for n, stage in enumerate(self.stages) if span.first < stage.trials)

    def ends(self, number: int) -> Ends:
        """Return what ends a request before it has all of its trials."""
        first = Ends(stop_when=self.stop_when, max_updates=self.max_updates, since=0)
        return ends_at(first, self.amendments[:number], self.stages, self.ended)

    def tried(self, number: int) -> tuple[Point, ...]:
        """Return the points of a request that are trials."""
        points = self.amendments[number - 1].tries if number else self.tries
        return tuple(point for point in points if self.aim not in point)

    @property
    def every_try(self) -> tuple[Point, ...]:
        """The points of all requests."""
        return (*self.tries, *(point for each in self.amendments for point in each.tries))

    @property
    def every_from(self) -> tuple[str, ...]:
        """The run folders from which the sampler knows something."""
        return (*self.from_, *(path for each in self.amendments for path in each.from_))

    @property
    def knowing(self) -> dict[int, str]:
        """What the sampler knows from without the search: the sha256 of what came with a request,
        by its number."""
        every = (self.known, *(each.known for each in self.amendments))
        return {number: digest for number, digest in enumerate(every) if digest}

    def ended_by(self, span: Span, ends: tuple[str, ...]) -> Self:
        """Return the search, of which the request of a round ends before that round."""
        ended = Ended(request=self.request_of(span), trials=span.first, ends=ends)
        return replace(self, ended=(*self.ended, ended))

    def amended(self, trials: int, replicates: int, **more: Any) -> Self:
        """Return the search with so many trials, and then so many replicates of each.

        Args:
            more: what comes with the new trials, as `Amendment` has it.

        Raises:
            BadInput: these are too many.
        """
        now, wanted = self, {TRIALS: trials, REPLICATES: replicates}
        for name, number in wanted.items():
            before, given = getattr(now, name), more if name == TRIALS else {}
            if before != number or given:
                new = Amendment(name=name, before=before, number=number, **given)
                own: dict[str, Any] = {name: number, "amendments": (*now.amendments, new)}
                now = replace(now, **own)
        return now
