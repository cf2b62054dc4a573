"""The driver: from a prepared search to a whole run folder."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from shoal.search.driver.budget import Budget
from shoal.search.driver.columns import Columns
from shoal.search.driver.equipping import equipped
from shoal.search.driver.outcomes import FAULT_SECONDS, Hosts, Mishaps, of_rows
from shoal.search.driver.parts import parameters_of, part_of
from shoal.search.driver.report import Report
from shoal.search.driver.unwritten import Unwritten
from shoal.search.engines import Death, RunOptions, Trust, engine_of
from shoal.search.errors import RunFolderError
from shoal.search.folder import Writer
from shoal.search.folder.tables import known_tables
from shoal.search.preparation import Prepared, load
from shoal.search.process import Stop, listening
from shoal.search.request import ALL, Request
from shoal.search.rounds import CallTasks, Pack, Rounds, idle
from shoal.search.watching import Best, Observer, Status
from shoal.trainable.task import Outcome, Task

LATEST = 16
"""How many of the last packs tell how long the next one takes."""


class Driver:
    """Runs one search into its run folder. It answers what engines ask (`EngineCallbacks`)."""

    def __init__(
        self,
        prepared: Prepared,
        writer: Writer,
        options: RunOptions,
        observer: Observer,
        began: float,
    ) -> None:
        self._request, self._writer = prepared.request, writer
        self._observer = observer
        self._engine = engine_of(options, prepared.request)
        self._budget = Budget(began, label=self._engine.label)
        request, folder = prepared.request, writer.folder
        prepared = load(prepared, len(finished := folder.trials()))
        known = known_tables(folder.path, request)
        self.recipe, self._tasks = equipped(
            prepared,
            folder,
            options,
            block_of=self._block_of,
            stays=lambda trial: self.rounds.stays(trial),
        )
        self._columns = Columns(self.say)
        self.rounds = Rounds(request, prepared.shape_names, finished, known, folder.curves)
        self.mishaps = Mishaps(request, finished, self.rounds, self._tasks, writer, self.say)
        if not self.rounds.whole:
            self._tasks.control = of_rows(request, prepared.shape_names, finished)
        self._stop = Stop(began, options.budget_seconds)
        self._begun = self.rounds.done
        self._saved = 0
        self._best = Best(request.goal)
        self._best.note(finished, self.rounds.leader)
        self._unwritten = Unwritten(writer, self.rounds, self._tasks.done)
        self._first_pack: float | None = None
        self._held: deque[float] = deque(maxlen=LATEST)
        self._told, self._said = list[str](), set[str]()

    def run(self) -> Report:
        """Run until every lane is told, or told to stop; merge; say where the time went."""
        try:
            if not self.rounds.whole:
                self.rounds.start()
                with listening(self._stop) as self.listen:
                    self._engine.run(self)
        except BaseException:
            self.rounds.stop()
            with suppress(RunFolderError):  # what went wrong first is told
                self._write()
                self._writer.merge()
            raise
        self.rounds.stop()
        self._note_end()
        self._write()
        with self._budget.writing():
            self._writer.merge()
        if self.rounds.whole:
            self._tasks.clear()
            self._keep()
        return Report(
            engine=self._engine.name,
            seconds=self._budget.seconds(),
            fresh=self.rounds.done - self._begun,
            saved=self._saved,
            reason=None if self.rounds.whole else self._stop.reason or self._stop.due,
            number=self._stop.number,
            notes=self._told,
        )

    @property
    def request(self) -> Request:
        """What was asked."""
        return self._request

    @property
    def notes(self) -> tuple[Path, int]:
        """Where packs in hand are noted, and which writer of the run folder this is."""
        return self._writer.folder.packs, self._writer.number

    @property
    def suspects(self) -> Set[str]:
        """Names of packs over which an earlier driver died."""
        return self.mishaps.suspects

    def suspect(self, packs: Set[str]) -> None:
        """An earlier driver died while it had these packs in hand."""
        self.mishaps.suspect(packs)

    def use_cluster(self, gpu: bool, hosts: Callable[[], set[str]]) -> None:
        """Packs run on a cluster that was there before."""
        gpu = gpu and not self.recipe.apart
        self.recipe = replace(self.recipe, gpu=gpu, patience=FAULT_SECONDS)
        self.mishaps.hosts = Hosts(hosts)

    def warn_idle(self, workers: int) -> None:
        """Tell the user if so many workers are more than there is work for."""
        if told := idle(self._request, workers):
            self.say(told)

    def _say_once(self, about: str, message: str) -> None:
        """Tell what many packs may have to tell."""
        if about not in self._said:
            self.say(message)
        self._said.add(about)

    def say(self, message: str) -> None:
        """Tell the user something that matters."""
        self._told.append(message)
        self._observer.say(message)

    def stopped(self) -> bool:
        """Whether workers are to save what they have in hand and to give it back."""
        return self._stop.asked()

    def task(self, pack: Pack) -> Task:
        """Return a pack as a worker gets it; a worker takes it now."""
        if self._first_pack is None:
            self._first_pack = time.monotonic()
        self._budget.take()
        self.mishaps.hosts.takes(pack.name)
        return self._tasks.of(pack)

    def tick(self, slots: int) -> None:
        """Some time has passed; there are so many slots."""
        self._writer.check()
        self._budget.asking = self.rounds.asking
        self._budget.slots(slots)
        self._observer.status(self._status())
        if self._unwritten.due:
            self._write()
        if (warning := self.rounds.warning) is not None:
            self._say_once("warning", warning)
        self._note_end()
        self.mishaps.check()
        if self._stop.asked():
            self._halt()
            if self._stop.reason is not None:
                self._say_once("stop", self._stop.told)
            return
        usual = statistics.median(self._held) if self._held else 0.0
        if not (self._tasks.saved or self._stop.fits(usual)):
            self._halt()  # another pack would end too late, and could not be saved

    def _halt(self) -> None:
        self.rounds.halt()
        self.mishaps.let_go()

    def given(self, pack: Pack, outcome: Outcome, held: float) -> None:
        """A pack came back: keep its rows, or try it again."""
        self._budget.give(outcome.seconds, held, outcome.first)
        self.mishaps.hosts.gives(pack.name)
        if outcome.fault is not None:
            self.mishaps.faulty(pack, outcome, self._stop.asked())
            return
        self.mishaps.hosts.works(outcome.node)
        if self.recipe.gpu and outcome.on_cpu and not self._request.settled.programs:
            told = f"{outcome.node} counts GPUs but torch finds no CUDA there: it fits on the CPU"
            self._say_once(outcome.node, told)
        for note in outcome.notes:
            self._say_once(note, f"{pack.told}: {note}")
        if outcome.stopped:
            self._saved += outcome.saved
            self.rounds.give_back(pack)
            return
        if outcome.memory and self._block_of(pack) > 1:
            self._halve(pack)
            self.rounds.give_back(pack)
            return
        if outcome.error is not None:
            if self.mishaps.failed(pack, outcome):
                self._end(pack, outcome)
            return
        self._held.append(held)
        self._end(pack, outcome)
        self.mishaps.worked(pack)

    def died(self, pack: Pack, held: float, node: bool) -> None:
        """The worker of a pack died, of its own or with its node."""
        self._ended(pack, held, self.mishaps.died(pack, node))

    def trust(self, pack: Pack) -> Trust:
        """Where a pack may run, here."""
        return Trust.FULL if self.recipe.apart else self.mishaps.trust(pack)

    def fell(self, pack: Pack, held: float, death: Death) -> None:
        """A process that was started for packs died over one."""
        self._ended(pack, held, self.mishaps.fell(pack, death))

    def _ended(self, pack: Pack, held: float, final: Outcome | None) -> None:
        """A pack came to an end without an outcome; `final`: what is kept of it now."""
        self._budget.give(0.0, held, first=False)
        self.mishaps.hosts.gives(pack.name)
        if final is not None:
            self._end(pack, final)

    def _halve(self, pack: Pack) -> None:
        """Memory ran out: from this pack's round on, the block is half as large."""
        self._tasks.done(pack)  # what the larger block has left is of another program
        before = self._block_of(pack)
        self._request = self._request.halve(pack.round, pack.lanes.shape)
        self._writer.record(self._request)
        whose = f"fits of pack {pack.name}: memory ran out; from round {pack.round} on"
        self.say(f"{whose}, a block has {self._block_of(pack)} fits instead of {before}")

    def _block_of(self, pack: Pack) -> int:
        return self._request.block_of(pack.round, pack.lanes.shape)

    def _end(self, pack: Pack, outcome: Outcome) -> None:
        """What came of a pack is final; where columns are not known yet, it waits for them."""
        known, ended = self._columns.take(self._request, pack, outcome)
        if known is not self._request:
            self._request = known
            self._writer.settle(known)
        for each in ended:
            self._finish(*each)

    def _finish(self, pack: Pack, outcome: Outcome) -> None:
        """Keep the rows of a pack."""
        part = part_of(self._request, pack, outcome)
        if outcome.fitted is None and isinstance(self._tasks, CallTasks):
            self._tasks.failed(pack)
        self.rounds.finish(part)
        self._best.note(part, self.rounds.leader)
        self._observer.rows(part)
        self._unwritten.add(pack, part, parameters_of(pack, outcome))
        if self._unwritten.due:
            self._write()

    def _write(self) -> None:
        """Write the rows that wait."""
        with self._budget.writing():
            self._unwritten.write()

    def _note_end(self) -> None:
        """Write down what ends the search before it has all of its trials, if something does."""
        if (ended := self.rounds.ended) != self._request.ended:
            self._request = replace(self._request, ended=ended)
            self._writer.record(self._request)

    def _keep(self) -> None:
        """Leave the parameters of the best trials alone."""
        keeping = self._writer.keeping
        if self._request.called:  # the checkpoints of calls are kept by their tasks
            return
        with self._budget.writing():
            if self._request.keep == ALL:
                keeping.settle(self.rounds.contends)
                return
            missing = keeping.end(self.rounds.best)
        if missing:
            self.say(
                f"parameters of trial {missing[0]} are not all there; shoal fit makes them again"
            )

    def _status(self) -> Status:
        return Status(
            done=self.rounds.done,
            total=self._request.lanes,
            begun=self._begun,
            unit="trials" if self._request.fits == 1 else "fits",
            best=self._best,
            seconds=0.0 if self._first_pack is None else time.monotonic() - self._first_pack,
        )
