"""Reports of one call: read from what it gives, judged, and what counts of them.

Needs no torch: the process that the call runs in has only what the user's code imports.
"""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shoal.trainable.functions.cutoffs import Cutoffs

LOSS, STEP = "loss", "step"

DIVERGED, PRUNED, ENOUGH = "diverged", "pruned", "enough"
"""Why a call ends between two reports: its objective is not finite, is behind others, or has not
become better."""


class ReportError(Exception):
    """What a call has given is no report; the message is one line for the user."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The numbers of one report.

    Attributes:
        step: told by the call, or else which report it is, from 1 on.
    """

    step: int
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What is asked of reports.

    Attributes:
        objective: the number that is searched for; maximize: whether a larger one is better.
        best: whether the report with the best objective counts, not the last one.
        patience: reports without a better objective after which a call is ended; 0: any number.
        metrics: the names that each report has; none: those of the first.
        taken: names that no number of a report may have.
    """

    objective: str
    maximize: bool = False
    best: bool = False
    patience: int = 0
    metrics: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Aim:
        """The inverse of `as_dict`."""
        lists = {name: tuple(plain[name]) for name in ("metrics", "taken")}
        return cls(**{**plain, **lists})

    def counts(self, reports: Sequence[Report]) -> int:
        """Return the place of the report that counts: the first with the best objective, or the
        last."""
        if not self.best:
            return len(reports) - 1
        sign = -1.0 if self.maximize else 1.0
        scores = [sign * report.values[self.objective] for report in reports]
        return scores.index(min(scores))

    def verdict(self, reports: Sequence[Report], cutoffs: Cutoffs | None = None) -> str | None:
        """Return why a call with these reports is ended; None: it goes on.

        Args:
            cutoffs: from which scores on it is behind others; None: it has come to its end.
        """
        if not reports:
            return None
        if not math.isfinite(reports[-1].values[self.objective]):
            return DIVERGED
        if cutoffs is not None and cutoffs.behind(self._scores(reports)):
            return PRUNED
        if self.patience:
            best = Aim(objective=self.objective, maximize=self.maximize, best=True).counts(reports)
            if len(reports) - 1 - best >= self.patience:
                return ENOUGH
        return None

    def _scores(self, reports: Sequence[Report]) -> list[float]:
        """The objective at each report, or the best until there, where the best one counts; lower
        is better."""
        sign = -1.0 if self.maximize else 1.0
        scores = [sign * report.values[self.objective] for report in reports]
        return list(itertools.accumulate(scores, min)) if self.best else scores


class Reports:
    """The reports of one call, each checked when it comes.

    Args:
        told: those of an earlier attempt, from whose checkpoint the call goes on.
        stepped: whether each has to say its step.
    """

    def __init__(self, aim: Aim, told: Sequence[Report] = (), *, stepped: bool = False) -> None:
        self._aim, self._stepped = aim, stepped
        self.all = list(told)
        self._last = self.all[-1].step if self.all else None
        self._step: int | None = None  # of the last report of this attempt

    def add(self, given: Any, *, final: bool = False) -> Report | None:
        """Take what a call has given; return None if an earlier attempt has told that already.

        Args:
            final: whether it was returned, and so may come without a step.

        Raises:
            ReportError: it is no report.
        """
        values = _numbers(given)
        step = values.pop(STEP, None)
        number = self._numbered(step, final)
        self._check_names(list(values))
        if self._last is not None and number <= self._last:
            return None
        report = Report(step=number, values={name: _number(name, values[name]) for name in values})
        self.all.append(report)
        return report

    def _numbered(self, step: Any, final: bool) -> int:
        """The step of a report."""
        if step is None:
            if self._stepped and not final:
                raise ReportError(
                    "a report has no step, which it needs where the function takes checkpoint: "
                    'write yield {"step": epoch, ...}, with a larger whole number each time'
                )
            self._step = max(self._step or 0, self._last or 0) + 1
            return self._step
        if isinstance(step, bool) or not isinstance(step, numbers.Integral) or step < 0:
            raise ReportError(f"step must be a whole number, not {step!r}")
        if self._step is not None and step <= self._step:
            raise ReportError(f"step {step} comes after {self._step}; it must be larger each time")
        self._step = int(step)
        return self._step

    def _check_names(self, names: list[str]) -> None:
        """Check that a report has the names that all have."""
        first = self.all[0].values if self.all else self._aim.metrics
        wanted = list(first)
        if wanted:
            lacks = [name for name in wanted if name not in names]
            more = [name for name in names if name not in wanted]
            if lacks or more:
                raise ReportError(differing(wanted, lacks, more))
        if self._aim.objective not in names:
            raise ReportError(
                f"the report has {', '.join(names) or 'nothing'}, and not the objective "
                f"{self._aim.objective}; choose one of these, as in "
                f"--objective {names[0] if names else 'loss'}:max"
            )
        for name in names:
            if name in self._aim.taken or name.startswith("curve_"):
                raise ReportError(
                    f"{name!r} is the name of another column; call the number otherwise, as "
                    f"own_{name}"
                )


def differing(wanted: Sequence[str], lacks: Sequence[str], more: Sequence[str]) -> str:
    """Say in what the names of a report are not those that all have."""
    parts = [
        *([f"lacks {', '.join(lacks)}"] if lacks else []),
        *([f"has {', '.join(more)} too many"] if more else []),
    ]
    return f"the report {' and '.join(parts)}; each has {', '.join(wanted)}"


def _numbers(given: Any) -> dict[str, Any]:
    """The numbers of a report by name; one without a name is the loss."""
    if not isinstance(given, Mapping):
        return {LOSS: _number(LOSS, given)}
    for name in given:
        if not isinstance(name, str) or not name.isidentifier():
            raise ReportError(f"{name!r} cannot be the name of a number; call it accuracy, say")
    return dict(given)


def _number(name: str, value: Any) -> float:
    """A number of any library: Python's, numpy's, or a tensor with one element."""
    if isinstance(value, (str, bytes)) or value is None:
        raise ReportError(f"{name} is {value!r}, not a number")
    try:
        return float(value)
    except Exception as error:  # of any library
        kind = type(value).__name__
        raise ReportError(f"{name} is no number (a {kind}); give float(...) of one") from error
