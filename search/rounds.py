"""Rounds: asks the sampler ahead of the workers, cuts lanes into packs, keeps what is told.

Round k is asked once round k-2 is whole, with round k-1 as running, whatever of it has ended; so
two rounds are in flight, and what is asked depends on finished rows alone. A thread asks, while
workers fit.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy
import pyarrow as pa
import pyarrow.compute as pc

from search.errors import RunFolderError
from search.packs import Pack, cut
from search.request import Request
from search.sampler import RoundSampler
from search.space import Value
from trainable.lanes import Lanes

STOP_SECONDS = 10.0
"""How long an ask may take to notice that it is to stop; its thread ends with the process."""


class Rounds:
    """The source of packs, and the memory of what came of them. Safe to use from two threads."""

    def __init__(self, request: Request, shape_names: tuple[str, ...], finished: pa.Table) -> None:
        """Begin, or go on.

        Args:
            finished: the rows there are already, as ``trials.parquet`` has them.
        """
        self._request, self._shape_names = request, shape_names
        self._sampler = RoundSampler(request.sampler, request.seed, request.space)
        size = (request.trials, request.replicates)
        self._loss = numpy.full(size, numpy.nan)  # told values; NaN: not known
        self._known = numpy.zeros(size, dtype=bool)
        self._failed = numpy.zeros(size, dtype=bool)
        self._params: dict[int, dict[str, list[Value]]] = {}  # columns of each asked round
        self._told: deque[Any] = deque()
        self._ready: deque[Pack] = deque()
        self._changed = threading.Condition()
        self._out = 0
        self._asking = self._all_asked = self._halted = False
        self._stop = threading.Event()
        self.error: BaseException | None = None  # what ended the asking
        self._finished = finished
        self._tell(finished["trial"], finished["replicate"], finished["loss"], finished["state"])
        self._thread = threading.Thread(target=self._ask_all, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin asking, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def halt(self) -> None:
        """Ask no more and hand out no more; what is out may still come back."""
        with self._changed:
            self._halted = self._all_asked = True
            self._ready.clear()
            self._stop.set()
            self._changed.notify_all()

    def take(self, timeout: float = 0.0) -> Pack | None:
        """Return the next pack, or None if none is ready within `timeout` seconds.

        Raises:
            RunFolderError: the rows of the folder are not of this search.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self.error or self.over, timeout)
            if self.error is not None:
                raise self.error
            if not self._ready:
                return None
            self._out += 1
            return self._ready.popleft()

    def give_back(self, pack: Pack) -> None:
        """Put a pack back that did not run; it comes first."""
        with self._changed:
            self._out -= 1
            if not self._halted:
                self._ready.appendleft(pack)
            self._changed.notify_all()

    def finish(self, part: pa.Table) -> None:
        """Tell the rows of a pack that was taken."""
        with self._changed:
            self._out -= 1
            self._tell(part["trial"], part["replicate"], part["loss"], part["state"])
            self._changed.notify_all()

    @property
    def ready(self) -> int:
        """Packs that wait for a worker."""
        return len(self._ready)

    @property
    def whole(self) -> bool:
        """Whether every lane is told."""
        return bool(self._known.all())

    @property
    def halted(self) -> bool:
        """Whether the search ends before it is whole."""
        return self._halted

    @property
    def over(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.whole or (self._halted and self._out == 0)

    @property
    def exhausted(self) -> bool:
        """Whether no pack is left to hand out, now or later, unless one comes back."""
        with self._changed:
            known = int(self._known.sum())
            return not self._ready and (known == self._known.size or self._all_asked)

    @property
    def asking(self) -> bool:
        """Whether the sampler is at work."""
        return self._asking

    @property
    def done(self) -> int:
        """Lanes told."""
        return int(self._known.sum())

    @property
    def failed(self) -> int:
        """Lanes told as failed."""
        return int(self._failed.sum())

    def _ask_all(self) -> None:
        try:
            for round_ in range(self._request.rounds):
                with self._changed:
                    self._changed.wait_for(lambda k=round_: self._stop.is_set() or self._may_ask(k))  # type: ignore[misc]
                    if self._stop.is_set():
                        return
                    self._asking = True
                packs = self._ask(round_)
                with self._changed:
                    self._asking = False
                    if self._halted:
                        return
                    self._ready.extend(packs)
                    self._all_asked = round_ == self._request.rounds - 1
                    self._changed.notify_all()
        except BaseException as error:  # it is raised again where packs are taken
            with self._changed:
                self._asking, self.error = False, error
                self._changed.notify_all()

    def _may_ask(self, round_: int) -> bool:
        return round_ < 2 or bool(self._known[self._span(round_ - 2)].all())

    def _span(self, round_: int) -> slice:
        first = round_ * self._request.round
        return slice(first, min(first + self._request.round, self._request.trials))

    def _ask(self, round_: int) -> list[Pack]:
        span = self._span(round_)
        count = span.stop - span.start
        if self._known[span].all():
            self._params[round_] = self._columns_of(span)
            packs = []
        else:
            earlier = self._earlier(round_) if self._sampler.learns else []
            columns = self._sampler.ask(round_, span.start, count, earlier, self._stop)
            if self._stop.is_set():
                return []
            self._params[round_] = columns
            self._compare(span, columns)
            cut_packs = cut(self._request, self._shape_names, round_, span.start, columns)
            packs = [pack for pack in cut_packs if not self._is_known(pack.lanes)]
        told = len(self._told) // self._request.round if self._sampler.learns else round_
        for old in [k for k in self._params if k < min(told, round_)]:
            del self._params[old]
        return packs

    def _earlier(self, round_: int) -> list[Any]:
        """Rounds up to `round_` - 2 as told, `round_` - 1 as running."""
        while len(self._told) < self._span(max(round_ - 1, 0)).start:
            told = len(self._told) // self._request.round
            params, span = self._params[told], self._span(told)
            for i in range(span.stop - span.start):
                failed = self._failed[span.start + i].any()
                loss = None if failed else float(self._loss[span.start + i].mean())
                self._told.append(self._sampler.told({k: v[i] for k, v in params.items()}, loss))
        if round_ == 0:
            return []
        params = self._params[round_ - 1]
        count = len(next(iter(params.values())))
        running = [
            self._sampler.running({k: v[i] for k, v in params.items()}) for i in range(count)
        ]
        return [*self._told, *running]

    def _columns_of(self, span: slice) -> dict[str, list[Value]]:
        """The hyperparameters of a round whose rows are all there."""
        rows = self._rows_of(span)
        first = rows.filter(pc.equal(rows["replicate"], 0)).sort_by("trial")
        return {name: first[name].to_pylist() for name in self._request.space}

    def _rows_of(self, span: slice) -> pa.Table:
        trial = self._finished["trial"]
        inside = pc.and_(pc.greater_equal(trial, span.start), pc.less(trial, span.stop))
        return self._finished.filter(inside)

    def _compare(self, span: slice, columns: Mapping[str, list[Value]]) -> None:
        """Check that rows of an unfinished round are of the lanes that are asked again."""
        for row in self._rows_of(span).to_pylist():
            for name, values in columns.items():
                asked = values[row["trial"] - span.start]
                if asked != row[name]:
                    raise RunFolderError(
                        f"trial {row['trial']} has {name}={row[name]!r} in the run folder and "
                        f"{asked!r} when asked again: another version of Optuna made it; "
                        "choose another --out"
                    )

    def _is_known(self, lanes: Lanes) -> bool:
        return bool(self._known[lanes.trial.numpy(), lanes.replicate.numpy()].all())

    def _tell(self, trial: Any, replicate: Any, loss: Any, state: Any) -> None:
        where = (trial.to_numpy(), replicate.to_numpy())
        self._loss[where] = loss.to_numpy()
        self._known[where] = True
        self._failed[where] = pc.equal(state, "failed").to_numpy()
