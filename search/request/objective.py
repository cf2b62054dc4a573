"""The objective: the number of a fit that is searched for, and in which direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from shoal.search.errors import BadInput
from shoal.search.request.amendments import ABOVE, BELOW, End
from shoal.trainable.columns import LOSS

MIN, MAX = "min", "max"


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A column of the results, and whether a larger number is better."""

    name: str = LOSS
    maximize: bool = False

    @classmethod
    def parse(cls, text: Any, usual: Objective | None = None) -> Objective:
        """Return what ``NAME``, ``NAME:min`` or ``NAME:max`` says.

        Args:
            usual: has the direction where none is said, if it is of that name; else it is min.

        Raises:
            BadInput: it says none of them.
        """
        if not isinstance(text, str):
            raise BadInput(f"objective must be NAME, NAME:min or NAME:max, not {text!r}")
        name, colon, direction = text.partition(":")
        if not name.isidentifier() or (colon and direction not in (MIN, MAX)):
            raise BadInput(
                f"objective {text!r} is not NAME, NAME:min or NAME:max, as in accuracy:max"
            )
        if not colon and usual is not None and usual.name == name:
            return usual
        return cls(name=name, maximize=direction == MAX)

    def __str__(self) -> str:
        return f"{self.name}:{MAX if self.maximize else MIN}"

    def scores(self, values: NDArray[Any]) -> NDArray[numpy.float64]:
        """Return numbers of which lower ones are better; +inf where the objective is not finite,
        since what has overflowed is the best in no direction.

        Args:
            values: the objective of each fit; NaN: it has none.
        """
        return numpy.where(numpy.isfinite(values), -values if self.maximize else values, numpy.inf)

    def check_ends(self, stop_when: Sequence[str]) -> None:
        """Check that what ends a search is of this direction.

        Raises:
            BadInput: one end would come with the worst trials.
        """
        for end in map(End.parse, stop_when):
            if end.kind == (BELOW if self.maximize else ABOVE):
                other = ABOVE if self.maximize else BELOW
                raise BadInput(
                    f"{end} would end the search with its worst trials, since {self} is searched "
                    f"for; write {other}:{end.shown}"
                )

    def value(self, score: float) -> float:
        """Return the objective that has a score."""
        return -score if self.maximize else score
