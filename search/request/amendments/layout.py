"""The rounds of a search: which trials and replicates each has.

    trials      drawn by the sampler, each with the replicates that are asked for by then
    given       trials whose points were given, as far as these say: the sampler draws the rest
    replicates  more of them for trials that are there: nothing is drawn

A round of trials is drawn whole, whatever of it is asked for: what is left of it comes first where
there are to be more trials, and is what it would have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray

from shoal.search.request.amendments.amendment import Stage
from shoal.search.request.amendments.sizes import fits_of_pack, starts_of, trials_of_round

MAX_DRAWN = 1 << 16
"""Of a round of more trials only those are drawn that are asked for, which bounds memory."""

Ints = NDArray[numpy.int64]


class Span(NamedTuple):
    """A round.

    Attributes:
        number: its number.
        first, stop: its trials are from `first` on, and below `stop`.
        drawn: how many trials are drawn from `first` on; 0: they are there.
        low, high: its replicates are from `low` on, and below `high`.
        pack: fits of a pack, of one fold.
        given: whether points were given for its trials.
    """

    number: int
    first: int
    stop: int
    drawn: int
    low: int
    high: int
    pack: int
    given: bool = False

    @property
    def trials(self) -> slice:
        """Its trials."""
        return slice(self.first, self.stop)

    @property
    def replicates(self) -> int:
        """How many replicates it has of each trial."""
        return self.high - self.low


@dataclass(frozen=True, kw_only=True)
class _Segment:
    """Rounds one after the other, from the number `number` on.

    Attributes:
        starts: the first trial of each, and where the last would end were it not cut.
        stop: where it ends.
        drawn: whether they are drawn; given: whether points were given for them.
    """

    number: int
    starts: Ints
    stop: int
    low: int
    high: int
    drawn: bool
    given: bool = False

    def __len__(self) -> int:
        return len(self.starts) - 1

    def has(self, trial: Ints, replicate: Ints) -> NDArray[numpy.bool_]:
        """Which lanes are of it."""
        inside: NDArray[numpy.bool_] = (trial >= self.starts[0]) & (trial < self.stop)
        return inside & (replicate >= self.low) & (replicate < self.high)


class Layout:
    """All rounds of a search, by number."""

    def __init__(self, segments: Sequence[_Segment], pack: int | None, whole: bool) -> None:
        self._segments, self._pack, self._whole = segments, pack, whole

    def __len__(self) -> int:
        return sum(map(len, self._segments))

    def __getitem__(self, number: int) -> Span:
        for each in self._segments:
            if 0 <= (place := number - each.number) < len(each):
                first, end = int(each.starts[place]), int(each.starts[place + 1])
                stop = min(end, each.stop)
                drawn = min(end - first, max(stop - first, MAX_DRAWN)) if self._whole else 0
                fits = (end - first) * (each.high - each.low)
                return Span(
                    number=number,
                    first=first,
                    stop=stop,
                    drawn=(drawn or stop - first) if each.drawn else 0,
                    low=each.low,
                    high=each.high,
                    pack=min(self._pack or fits_of_pack(fits), fits),
                    given=each.given,
                )
        raise IndexError(f"there is no round {number}")

    @property
    def asks(self) -> bool:
        """Whether the sampler draws in each round."""
        return all(each.drawn for each in self._segments)

    def trials(self) -> Ints:
        """Return how many trials each round has."""
        return numpy.concatenate(
            [numpy.diff(numpy.minimum(each.starts, each.stop)) for each in self._segments]
        )

    def replicates(self) -> Ints:
        """Return how many replicates each round has of each trial."""
        return numpy.concatenate(
            [numpy.full(len(each), each.high - each.low) for each in self._segments]
        )

    def of(self, trial: Any, replicate: Any) -> Ints:
        """Return the round of each lane; -1: it is of none."""
        found = numpy.full(len(trial), -1, dtype=numpy.int64)
        for each in self._segments:
            here = each.has(trial, replicate)
            place = numpy.searchsorted(each.starts, trial[here], side="right") - 1
            found[here] = each.number + place
        return found

    def known(self, number: int) -> Ints:
        """Return how many replicates each trial has of the rounds before this one; of trials that
        are drawn later, nothing."""
        found = numpy.zeros(0, dtype=numpy.int64)
        for each in self._segments:
            if (rounds := min(number - each.number, len(each))) <= 0:
                break
            stop = min(int(each.starts[rounds]), each.stop)
            if each.drawn:
                new = numpy.full(stop - int(each.starts[0]), each.high)
                found = numpy.concatenate([found, new])
            else:
                found[:stop] = each.high
        return found


def layout_of(
    stages: Sequence[Stage], *, size: int | None, pack: int | None, whole: bool
) -> Layout:
    """Return the rounds of a search.

    Args:
        stages: what there is, request after request.
        size: trials of a round; pack: fits of one pack; None: by a trial's number.
        whole: whether rounds are drawn whole, so that more trials go on with the last one.
    """
    segments: list[_Segment] = []
    trials, replicates = 0, stages[0].replicates

    def add(
        first: int,
        stop: int,
        low: int,
        high: int,
        own: int | None,
        drawn: bool,
        given: bool = False,
    ) -> None:
        segments.append(
            _Segment(
                number=sum(map(len, segments)),
                starts=starts_of(first, stop, own),
                stop=stop,
                low=low,
                high=high,
                drawn=drawn,
                given=given,
            )
        )

    for wanted, copies, given in stages:
        if copies != replicates:
            add(0, trials, replicates, copies, size or trials_of_round(trials - 1), False)
            replicates = copies
        if given:
            add(trials, trials + given, 0, replicates, given, True, given=True)
            trials += given
        if wanted != trials:
            first = trials
            if whole and segments and segments[-1].drawn and not segments[-1].given:
                first = int(segments.pop().starts[0])
            add(first, wanted, 0, replicates, size, True)
            trials = wanted
    return Layout(segments, pack, whole)
