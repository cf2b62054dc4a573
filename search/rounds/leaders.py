"""The best trials so far, of those whose fits have all ended."""

from __future__ import annotations

import numpy
from numpy.typing import NDArray


class Leaders:
    """The best `most` trials by (score, number), of those with a finite score.

    Attributes:
        trials: their numbers, the best first.
    """

    def __init__(self, most: int) -> None:
        """Begin with none."""
        self._most = most
        self.trials = numpy.zeros(0, dtype=numpy.int64)
        self._scores = numpy.zeros(0)

    @property
    def first(self) -> tuple[int, float] | None:
        """The best and its score; None: there is none."""
        return (int(self.trials[0]), float(self._scores[0])) if len(self.trials) else None

    def note(self, trials: NDArray[numpy.int64], scores: NDArray[numpy.float64]) -> None:
        """These trials have ended."""
        good = scores < numpy.inf
        if not self._most or not good.any():
            return
        others = ~numpy.isin(self.trials, trials)  # a trial may be told again
        every = numpy.concatenate([self.trials[others], trials[good]])
        score = numpy.concatenate([self._scores[others], scores[good]])
        order = numpy.lexsort((every, score))[: self._most]
        self.trials, self._scores = every[order], score[order]
