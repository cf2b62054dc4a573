"""Mishaps: whose doing it is that a pack did not work, and what becomes of the pack.

    the pack's own     its rows are ``failed``: it raises an error, or kills its process, again and
                       again, where a lane that has worked (the control) still does
    its worker's       it runs again, somewhere else
    the run's          nothing has ever worked, or what has worked does not any more: the search
                       ends with the error, and the same command does all of it once that is mended

So what a run cannot do is not final, and a row that is written is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from shoal.search.driver.outcomes import control
from shoal.search.driver.outcomes.hosts import Hosts, lost
from shoal.search.engines import Death, Trust
from shoal.search.errors import SearchFailed
from shoal.search.folder import Writer
from shoal.search.request import Request
from shoal.search.rounds import CallTasks, Pack, Rounds, Tasks, dead
from shoal.trainable.task import Outcome

ATTEMPTS = 2
"""How often a pack is tried that ends with an error of its problem."""

ALIKE = 2
"""How many packs end a search by failing with the same error before any has worked."""

DEATHS = 6
"""How many workers may die over a pack that gets no further, on nodes that live."""

CALL_DEATHS = 2
"""The same for a call of a function or a program, which is tried again in its worker already."""

CRASHED = "processes of its own died over it"
"""What the rows of a pack say that killed its process."""


class Mishaps:
    """Judges packs that did not work.

    Attributes:
        hosts: what is known of those that packs run on.
        suspects: names of packs that may kill the process that they run in.
    """

    def __init__(
        self,
        request: Request,
        finished: pa.Table,
        rounds: Rounds,
        tasks: Tasks | CallTasks,
        writer: Writer,
        say: Callable[[str], None],
    ) -> None:
        self.hosts = Hosts()
        self._finished = finished
        self.suspects: set[str] = set()
        self._crashed = pc.any(pc.match_substring(finished["error"], CRASHED)).as_py() is True
        self._attempts, self._alike, self._deaths = (
            (1, request.layout[0].stop, CALL_DEATHS)
            if request.called
            else (ATTEMPTS, ALIKE, DEATHS)
        )
        self._settled, self._rounds, self._tasks = request.settled, rounds, tasks
        self._amended = bool(request.amendments)
        self._writer, self._say = writer, say
        self._said: set[str] = set()
        self._failures: list[str] = []
        self._unproven: list[Pack] = []  # failed before anything has worked
        self._losses: Counter[str] = Counter()
        self._last = ""

    def suspect(self, packs: Set[str]) -> None:
        """A driver died that had packs of these names in hand; those whose rows are there already
        had ended."""
        columns = [self._finished[name].to_numpy() for name in ("round", "pack")]
        for name in packs:
            place = [int(digits) for digits in re.findall(r"\d+", name)]
            there = ((columns[0] == place[0]) & (columns[1] == place[1])).any()
            # of a search that has more trials now, they may be a part of the pack
            if not there or (self._amended and self._rounds.unfinished(place[0])):
                self.suspects.add(name)

    def trust(self, pack: Pack) -> Trust:
        """Where a pack may run: while it is not known which one has killed a driver, and once one
        has killed its process, none runs in this process, which others would die with."""
        if pack.name in self.suspects:
            return Trust.NONE
        return Trust.SOME if self.suspects or self._crashed else Trust.FULL

    def worked(self, pack: Pack) -> None:
        """A pack has worked; those that failed before anything had are tried once more."""
        self.suspects.discard(pack.name)
        if self._tasks.control is None:
            self._tasks.control = control.of_pack(pack)
            self.let_go()

    def let_go(self) -> None:
        """Give back what waits for something to work."""
        while self._unproven:
            self._rounds.give_back(self._unproven.pop())

    def faulty(self, pack: Pack, outcome: Outcome, stopping: bool) -> None:
        """A host cannot run a pack: others may.

        Raises:
            ProgramLost: none can have its program.
            SearchFailed: on none does any more what has worked.
        """
        why = str(outcome.fault)
        self._rounds.give_back(pack)
        file = self._log(pack, why, outcome.details) if outcome.control else ""
        if self.hosts.fails(outcome.node, why) and not stopping:
            if outcome.control:
                raise SearchFailed(
                    f"what has worked before fails now: {why} (in full: {file}); mend that and "
                    "the same command goes on"
                )
            raise lost(self._settled, pack.lanes.shape, why)
        if f"{outcome.node} {why}" not in self._said:
            self._said.add(f"{outcome.node} {why}")
            self._say(f"{outcome.node} gives its fits to others: {why}")

    def failed(self, pack: Pack, outcome: Outcome) -> bool:
        """A pack ended with an error; return whether that is final.

        Raises:
            SearchFailed: nothing works.
        """
        error = str(outcome.error)
        if pack.attempt + 1 < self._attempts:
            self._rounds.give_back(replace(pack, attempt=pack.attempt + 1))
            return False
        if self._tasks.control is not None and not outcome.control:
            self._rounds.give_back(pack)  # it began before there was a control
            return False
        self._fail(pack, error, outcome.details)
        return self._proven(pack, error)

    def died(self, pack: Pack, node: bool) -> Outcome | None:
        """The worker of a pack died, of its own or with its node; return what is final, or None.

        The pack is to blame only for deaths on living nodes that have brought it no further.

        Raises:
            SearchFailed: nothing works.
        """
        whose = "its" if pack.called else "their"
        what = f"{whose} node was lost" if node else f"{whose} worker died"
        return self._blame(pack, what, dead(self._deaths), blameless=node)

    def fell(self, pack: Pack, death: Death) -> Outcome | None:
        """The process that a pack had to itself died; return what is final, or None.

        Raises:
            SearchFailed: nothing works, or the process is always killed from outside.
        """
        what = f"their process died ({death.how})"
        if not death.counts:
            self._losses[pack.name] = 0 if self._tasks.gained(pack) else self._losses[pack.name] + 1
            if self._losses[pack.name] >= DEATHS:
                self._rounds.give_back(pack)
                raise SearchFailed(
                    f"fits of pack {pack.name}: {DEATHS} processes ended over them, the last by "
                    f"{death.how}, which is not counted as their own doing; mend that (more "
                    "memory, say) and the same command goes on"
                )
        self.suspects.add(pack.name)
        self._crashed |= death.counts
        final = dead(DEATHS, f"{CRASHED} ({death.how})")
        return self._blame(pack, what, final, blameless=not death.counts)

    def check(self) -> None:
        """Some time has passed.

        Raises:
            SearchFailed: all that was asked has failed, and nothing else can be.
        """
        if self._unproven and self._rounds.stuck(len(self._unproven)):
            self._nothing_works(self._failures[-1])

    def _blame(self, pack: Pack, what: str, final: Outcome, *, blameless: bool) -> Outcome | None:
        blameless = blameless or self._tasks.gained(pack)
        again = pack if blameless else replace(pack, deaths=pack.deaths + 1)
        if again.deaths < self._deaths:
            self._say(f"{pack.told}: {what}; {'it runs' if pack.called else 'they run'} again")
            self._rounds.give_back(again)
            return None
        error = str(final.error)
        self._fail(pack, error, "")
        return final if self._proven(pack, error) else None

    def _proven(self, pack: Pack, error: str) -> bool:
        """Whether the pack is known to be to blame; else it waits for something to work."""
        if self._tasks.control is not None:
            self.suspects.discard(pack.name)
            return True
        self._unproven.append(pack)
        if self._failures == [error] * self._alike or self._rounds.stuck(len(self._unproven)):
            self._nothing_works(error)
        return False

    def _nothing_works(self, error: str) -> None:
        raise SearchFailed(
            f"every fit so far failed; the last with {error} (in full: {self._last})"
        )

    def _fail(self, pack: Pack, error: str, details: str) -> None:
        """Note that a pack failed for good."""
        file = self._log(pack, error, details)
        self._failures.append(error)
        if len(self._failures) == 1:
            self._say(f"{pack.told} failed: {error} (each failure in full: {file})")

    def _log(self, pack: Pack, error: str, details: str) -> str:
        self._last = str(self._writer.log_error(pack.told, details or error))
        return self._last
