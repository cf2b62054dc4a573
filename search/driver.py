"""The driver: from a prepared search to a whole run folder."""

from __future__ import annotations

import statistics
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace

import torch

from search import rows
from search.budget import Budget
from search.errors import RunFolderError, SearchFailed
from search.hosts import FAULT_SECONDS, Hosts, lost
from search.inline import run_inline
from search.means import Means, cores
from search.packs import Pack
from search.preparation import load
from search.prepared import Prepared
from search.progress import Best, Progress, Status
from search.report import Report
from search.rounding import in_flight
from search.rounds import Rounds
from search.stopping import Reason, Stop, listening
from search.tasks import Tasks, dead, recipe_of
from search.unwritten import Unwritten
from search.writer import Writer
from trainable.worker import Outcome, Task

ATTEMPTS = 2
"""How often a pack is tried that ends with an error of its problem."""

ALIKE = 2
"""How many packs end a search by failing with the same error before any lane has worked."""

DEATHS = 6
"""How many workers may die over a pack that gets no further, on nodes that live."""

LATEST = 16
"""How many of the last packs tell how long the next one takes."""


class Driver:
    """Runs one search into its run folder. It is the desk of both engines."""

    def __init__(
        self, prepared: Prepared, writer: Writer, means: Means, progress: Progress, began: float
    ) -> None:
        self._request, self._writer, self._means = prepared.request, writer, means
        self._progress = progress
        self._engine = means.choose(prepared.request)
        self._budget = Budget(began, engine=self._engine)
        request, folder = prepared.request, writer.folder
        prepared = load(prepared, len(finished := folder.trials()))
        self._gpus = torch.cuda.device_count() if means.ray_address is None else 0
        self.recipe = recipe_of(
            request, prepared.source.at(folder.copies), prepared.defaults, gpu=self._gpus > 0
        )
        self._tasks = Tasks(
            self.recipe, folder.packs, means.checkpoint_seconds, lambda k: self._request.block_of(k)
        )
        self.rounds = Rounds(request, prepared.shape_names, finished)
        self.hosts = Hosts()
        self._stop = Stop(began, means.budget_seconds)
        self._begun = self.rounds.done
        self._saved = 0
        self._best = Best()
        self._best.note(finished)
        self._failures: list[str] = []
        self._unwritten = Unwritten(writer, self._tasks.done)
        self._first_pack: float | None = None
        self._held: deque[float] = deque(maxlen=LATEST)
        self._notes: list[str] = []
        self._said: set[str] = set()
        self._told_stop = False

    def run(self) -> Report:
        """Run until every lane is told, or told to stop; merge; say where the time went."""
        try:
            if not self.rounds.whole:
                self.rounds.start()
                with listening(self._stop) as self.listen:
                    self._run_inline() if self._engine == "inline" else self._run_on_ray()
        except BaseException:
            self.rounds.stop()
            with suppress(RunFolderError):  # what went wrong first is told
                self._write()
                self._writer.merge()
            raise
        self.rounds.stop()
        self._write()
        with self._budget.writing():
            self._writer.merge()
        if self.rounds.whole:
            self._tasks.clear()
        return Report(
            engine=self._engine,
            seconds=self._budget.seconds(),
            fresh=self.rounds.done - self._begun,
            saved=self._saved,
            reason=None if self.rounds.whole else self._stop.reason or self._stop.due,
            notes=self._notes,
        )

    def _run_inline(self) -> None:
        workers = self._means.threads(self._request)
        if self._means.workers is not None:
            self._warn_idle(workers)
        run_inline(self, workers)

    def _run_on_ray(self) -> None:
        from search.cluster import connected

        means = self._means
        workers = means.workers or self._gpus or cores()
        with connected(means.ray_address, workers, self._gpus, meanwhile=_load_tune) as cluster:
            self.listen()  # Ray has set a handler of its own
            from search.tuning import run_on_ray

            if means.ray_address is not None:
                gpu = cluster.slots(gpu=True) > 0
                self.recipe = replace(self.recipe, gpu=gpu, patience=FAULT_SECONDS)
                self.hosts = Hosts(lambda: cluster.hosts(gpu))
            limit = means.workers if means.ray_address is not None else workers
            self._warn_idle(min(cluster.slots(self.recipe.gpu), limit or 1 << 30))
            run_on_ray(self, cluster, workers=limit)

    def _warn_idle(self, workers: int) -> None:
        request, packs = self._request, in_flight(self._request)
        if workers > packs:
            flight = "1 pack is" if packs == 1 else f"{packs} packs are"
            self.say(
                f"{workers - packs} of {workers} workers will stand idle: {flight} in "
                f"flight at a time; a smaller --pack than {request.pack} "
                f"or a larger --round than {request.round} helps"
            )

    def _say_once(self, about: str, message: str) -> None:
        """Tell what many packs may have to tell."""
        if about not in self._said:
            self.say(message)
        self._said.add(about)

    def say(self, message: str) -> None:
        """Tell the user something that matters."""
        self._notes.append(message)
        self._progress.say(message)

    def stopped(self) -> bool:
        """Whether workers are to save what they have in hand and to give it back."""
        return self._stop.asked()

    def task(self, pack: Pack) -> Task:
        """Return a pack as a worker gets it; a worker takes it now."""
        if self._first_pack is None:
            self._first_pack = time.monotonic()
        self._budget.take()
        self.hosts.takes(pack.name)
        return self._tasks.of(pack)

    def tick(self, slots: int) -> None:
        """Some time has passed; there are so many slots."""
        self._writer.check()
        self._budget.asking = self.rounds.asking
        self._budget.slots(slots)
        self._progress.update(self._status())
        if self._unwritten.due:
            self._write()
        if self.rounds.warning is not None:
            self.say(self.rounds.warning)
            self.rounds.warning = None
        if self._stop.asked():
            self.rounds.halt()
            self._tell_stop()
            return
        usual = statistics.median(self._held) if self._held else 0.0
        if not (self._tasks.saved or self._stop.fits(usual)):
            self.rounds.halt()  # another pack would end too late, and could not be saved

    def _tell_stop(self) -> None:
        reason = self._stop.reason
        if self._told_stop or reason is None:
            return
        self._told_stop = True
        again = "; Ctrl-C again: at once" if reason is Reason.INTERRUPT else ""
        self.say(f"{reason.value}: saving what is in flight{again}")

    def given(self, pack: Pack, outcome: Outcome, held: float) -> None:
        """A pack came back: keep its rows, or try it again."""
        self._budget.give(outcome.seconds, held, outcome.first)
        self.hosts.gives(pack.name)
        if outcome.fault is not None:
            self._at_fault(pack, outcome.node, outcome.fault)
            return
        self.hosts.works(outcome.node)
        if self.recipe.gpu and outcome.on_cpu and not self._request.settled.programs:
            what = "counts GPUs but torch finds no CUDA there: it fits on the CPU"
            self._say_once(outcome.node, f"{outcome.node} {what}")
        for note in outcome.notes:
            self._say_once(note, f"pack {pack.name}: {note}")
        if outcome.stopped:
            self._saved += outcome.saved
            self.rounds.give_back(pack)
            return
        if outcome.memory and self._request.block_of(pack.round) > 1:
            self._halve(pack)
            self.rounds.give_back(pack)
            return
        if outcome.error is not None and pack.attempt + 1 < ATTEMPTS:
            self.rounds.give_back(replace(pack, attempt=pack.attempt + 1))
            return
        self._held.append(held)
        self._finish(pack, outcome)

    def _at_fault(self, pack: Pack, node: str, why: str) -> None:
        """A host cannot run a pack's program: others may.

        Raises:
            ProgramLost: none can.
        """
        self.rounds.give_back(pack)
        if self.hosts.fails(node, why) and not self._stop.asked():
            raise lost(self._request.settled, pack.lanes.shape, why)
        self._say_once(f"{node} {why}", f"{node} gives its packs to others: {why}")

    def died(self, pack: Pack, held: float, node: bool) -> None:
        """The worker of a pack died, of its own or with its node.

        The pack is to blame only for deaths on living nodes that have brought it no further.
        """
        self._budget.give(0.0, held, first=False)
        self.hosts.gives(pack.name)
        what = "its node was lost" if node else "its worker died"
        blameless = node or self._tasks.gained(pack)
        again = pack if blameless else replace(pack, deaths=pack.deaths + 1)
        if again.deaths < DEATHS:
            self.say(f"pack {pack.name}: {what}; it runs again")
            self.rounds.give_back(again)
            return
        self._finish(pack, dead(DEATHS))

    def _halve(self, pack: Pack) -> None:
        """Memory ran out: from this pack's round on, the block is half as large."""
        self._tasks.done(pack)  # what the larger block has left is of another program
        before = self._request.block_of(pack.round)
        self._request = self._request.halve(pack.round)
        self._writer.record(self._request)
        self.say(
            f"pack {pack.name}: memory ran out; from round {pack.round} on, the block has "
            f"{self._request.block_of(pack.round)} lanes instead of {before}"
        )

    def _finish(self, pack: Pack, outcome: Outcome) -> None:
        """Keep the rows of a pack."""
        part = rows.part(self._request, pack, outcome)
        self.rounds.finish(part)
        self._best.note(part)
        if outcome.error is not None:
            self._note_failure(pack, outcome.error, outcome.details)
        self._unwritten.add(pack, part)
        if self._unwritten.due:
            self._write()

    def _write(self) -> None:
        """Write the rows that wait, once something works."""
        if self.rounds.done > self.rounds.failed:
            with self._budget.writing():
                self._unwritten.write()

    def _note_failure(self, pack: Pack, error: str, details: str) -> None:
        """A pack failed for good; where nothing has ever worked, end the search.

        Failed rows are not written until something works, so that after a mend of what broke
        everything, the same command runs it all.
        """
        self._failures.append(error)
        file = self._writer.log_error(pack.name, details or error)
        if len(self._failures) == 1:
            self.say(f"pack {pack.name} failed: {error} (each failure in full: {file})")
        if self.rounds.done > self.rounds.failed:
            return
        if self.rounds.whole or self._failures == [error] * ALIKE:
            raise SearchFailed(f"every pack so far failed; the last with {error} (in full: {file})")

    def _status(self) -> Status:
        return Status(
            done=self.rounds.done,
            total=self._request.lanes,
            begun=self._begun,
            unit="trials" if self._request.replicates == 1 else "lanes",
            best=self._best,
            seconds=0.0 if self._first_pack is None else time.monotonic() - self._first_pack,
        )


def _load_tune() -> None:
    """Import Ray Tune, which takes most of a second."""
    import search.tuning  # noqa: F401  # for what it imports
