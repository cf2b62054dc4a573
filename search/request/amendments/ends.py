"""Ends: when a search asks for no more trials, though not all that were asked for are there.

They are looked at when a round would be asked, on the rounds up to the last but one before it, in
the order of trials. So where a search ends depends on no clock and on no number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from reprlib import repr as short
from typing import TYPE_CHECKING, Any

from shoal.search.errors import BadInput

if TYPE_CHECKING:  # the command line reads ends before numpy is there
    import numpy
    from numpy.typing import NDArray

STALLED, BELOW, ABOVE, UPDATES = "stalled", "below", "above", "max-updates"

NONE = "none"
"""In the place of ends: there are to be none."""

MAX_TRIALS = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class End:
    """One end.

    Attributes:
        kind: ``stalled``: the last `number` trials have brought nothing better; ``below`` and
            ``above``: a trial's objective is so.
    """

    kind: str
    number: float

    @classmethod
    def parse(cls, text: Any) -> End:
        """Return what ``stalled:N``, ``below:X`` or ``above:X`` says.

        Raises:
            BadInput: it says none of them.
        """
        kind, colon, number = text.partition(":") if isinstance(text, str) else ("", "", "")
        allowed = "stalled:N, below:X or above:X, as stalled:200"
        if kind not in (STALLED, BELOW, ABOVE) or not colon:
            raise BadInput(f"an end of --stop-when is {allowed}, not {short(text)}")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise BadInput(f"an end of --stop-when is {allowed}, not {short(text)}")
        if kind == STALLED and not (value.is_integer() and 1 <= value <= MAX_TRIALS):
            raise BadInput(f"{STALLED} must have a number of trials, from 1 on, not {number}")
        return cls(kind=kind, number=value)

    def __str__(self) -> str:
        return f"{self.kind}:{self.shown}"

    @property
    def shown(self) -> str:
        """The number in words."""
        return repr(self.number).removesuffix(".0")

    def come(self, scores: NDArray[numpy.float64], since: int) -> bool:
        """Return whether it has come.

        Args:
            scores: of the trials in their order: lower is better, +inf: diverged, NaN: failed.
            since: number of the first trial that counts for ``stalled``.
        """
        import numpy

        known = numpy.where(numpy.isfinite(scores), scores, numpy.inf)
        best = known.min(initial=numpy.inf)
        if self.kind != STALLED:
            bound = self.number if self.kind == BELOW else -self.number
            return bool(best < bound)
        better = 0 if best == numpy.inf else int(known.argmin()) + 1  # trials up to the best
        return len(known) - max(better, since) >= self.number


def ends_of(given: Any) -> tuple[str, ...]:
    """Return ends as they are written down: each once, in order; of ``none`` nothing.

    Args:
        given: one, or several.

    Raises:
        BadInput: one is none.
    """
    each = [given] if isinstance(given, str) else given
    if not isinstance(each, Sequence):
        raise BadInput(f"stop_when must be a list of ends, as ['stalled:200'], not {short(given)}")
    return tuple(sorted({str(End.parse(text)) for text in each if text != NONE}))


@dataclass(frozen=True, kw_only=True)
class Ends:
    """The ends that hold while a round would be asked.

    Attributes:
        stop_when: as `ends_of` returns them; max_updates: of all fits, 0: any number.
        since: number of the first trial of the request that gave `stop_when`.
    """

    stop_when: tuple[str, ...]
    max_updates: int
    since: int

    def __bool__(self) -> bool:
        return bool(self.stop_when or self.max_updates)

    def without(self, come: Sequence[str]) -> Ends:
        """Return these ends but for what has come."""
        left = tuple(text for text in self.stop_when if text not in come)
        return replace(self, stop_when=left, max_updates=0 if UPDATES in come else self.max_updates)

    def come(self, scores: NDArray[numpy.float64], updates: int) -> tuple[str, ...]:
        """Return those that have come.

        Args:
            scores: of the trials that are told, as `End.come` takes them; updates: of their fits.
        """
        come = [text for text in self.stop_when if End.parse(text).come(scores, self.since)]
        if self.max_updates and updates >= self.max_updates:
            come.append(UPDATES)
        return tuple(come)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A request that has ended before it had all of its trials.

    Attributes:
        request: its number, 0 for the first one.
        trials: how many there were then; ends: what had come.
    """

    request: int
    trials: int
    ends: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as TOML has them."""
        return {"request": self.request, "trials": self.trials, "ends": list(self.ends)}


def ended_of(plain: Any) -> tuple[Ended, ...]:
    """The inverse of `Ended.as_dict`, for a list of them.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(plain, list):
        raise TypeError(f"must be a list, not {short(plain)}")
    found: list[Ended] = []
    for each in plain:
        numbers = [each["request"], each["trials"]]
        least = found[-1].request + 1 if found else 0
        ends = [str(End.parse(text)) if text != UPDATES else text for text in each["ends"]]
        if not all(type(n) is int and n >= 0 for n in numbers) or numbers[0] < least or not ends:
            raise ValueError(f"each is a request, its trials and ends, not {short(each)}")
        found.append(Ended(request=numbers[0], trials=numbers[1], ends=tuple(ends)))
    return tuple(found)
