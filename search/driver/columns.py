"""The columns of a search whose calls say what they report.

They are those of the first trial that reports anything, by number. Until that one has ended, what
has come of others waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shoal.search.errors import SearchFailed
from shoal.search.request import Request, pruning_of
from shoal.search.rounds import Pack
from shoal.trainable.lanes import Fitted
from shoal.trainable.task import Outcome


class Columns:
    """What waits until the columns are known."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Begin with nothing.

        Args:
            say: tells the user what the first trial shows of the others.
        """
        self._say, self._looked = say, False
        self._waiting: dict[int, list[tuple[Pack, Outcome]]] = {}

    def take(
        self, request: Request, pack: Pack, outcome: Outcome
    ) -> tuple[Request, list[tuple[Pack, Outcome]]]:
        """Take what is final of a pack; return the request, with its columns once they are known,
        and what need not wait any more.

        Raises:
            SearchFailed: the objective is none of the columns.
        """
        if not request.called:
            return request, [(pack, outcome)]
        if not self._looked and outcome.fitted is not None:
            self._look(request, pack, outcome.fitted)
        if not request.open:
            return request, [(pack, _in_order(request, outcome))]
        self._waiting.setdefault(int(pack.lanes.trial[0]), []).append((pack, outcome))
        if (first := self._first()) is None:
            return request, []
        known = _settled(request, first.names)
        waiting = [each for trial in sorted(self._waiting) for each in self._waiting[trial]]
        self._waiting.clear()
        return known, [(pack, _in_order(known, outcome)) for pack, outcome in waiting]

    def _look(self, request: Request, pack: Pack, first: Fitted) -> None:
        """Say so, where a pruner has nothing to judge."""
        self._looked = True
        if pruning_of(request)[0] is not None and len(first.curve_step) == 1:
            self._say(
                f"trial {int(pack.lanes.trial[0])} gave one report: pruner {request.pruner} judges "
                "between reports, and stops none; yield more of them, or leave --pruner out"
            )

    def _first(self) -> Fitted | None:
        """What came of the first trial that reports anything; None while one before it runs."""
        for trial in range(max(self._waiting) + 1):
            for _, outcome in self._waiting.get(trial, []):
                if outcome.fitted is not None:
                    return outcome.fitted
            if trial not in self._waiting:
                break
        return None


def _settled(request: Request, names: tuple[str, ...]) -> Request:
    """Return the request with its columns.

    Raises:
        SearchFailed: the objective is none of them.
    """
    if request.goal.name not in names:
        raise SearchFailed(
            f"calls report {', '.join(names)}, and not the objective {request.goal.name}; choose "
            f"another --out, and one of these, as in --objective {names[0]}:max"
        )
    return replace(request, metrics=names)


def _in_order(request: Request, outcome: Outcome) -> Outcome:
    """Return what came of a call, with its numbers in the order of the columns; where it has not
    those that all have, it has failed."""
    fitted = outcome.fitted
    if fitted is None or fitted.names == request.metrics:
        return outcome
    lacks = [name for name in request.metrics if name not in fitted.names]
    more = [name for name in fitted.names if name not in request.metrics]
    if lacks or more:
        parts = [
            *([f"lack {', '.join(lacks)}"] if lacks else []),
            *([f"have {', '.join(more)} too many"] if more else []),
        ]
        each = ", ".join(request.metrics)
        error = f"its reports {' and '.join(parts)}; those of other trials have {each}"
        return replace(outcome, fitted=None, error=error)
    order = [fitted.names.index(name) for name in request.metrics]
    fitted = replace(
        fitted,
        names=request.metrics,
        metrics=fitted.metrics[:, order],
        curve_metrics=fitted.curve_metrics[:, order],
    )
    return replace(outcome, fitted=fitted)
