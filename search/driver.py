"""The driver: from a prepared search to a whole run folder."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy
import pyarrow as pa
import torch

from search import environment, rows
from search.budget import Budget
from search.errors import Interrupted, SearchFailed
from search.folder import RunFolder
from search.means import Means, cores
from search.packs import Pack
from search.preparation import Prepared
from search.progress import Progress, Status
from search.rounds import Rounds
from trainable.fit import Plan
from trainable.worker import Outcome, Recipe

ATTEMPTS = 2
"""How often a pack is tried that ends with an error of its problem."""

ALIKE = 2
"""How many packs end a search by failing with the same error before any lane has worked."""

DEATHS = 2
"""How often a pack is begun anew after its workers died as often as Tune bears."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run of the driver did.

    Attributes:
        seconds: where the wall time went; sums to it.
        fresh: lanes that this run added.
    """

    engine: str
    seconds: Mapping[str, float]
    fresh: int
    notes: list[str] = field(default_factory=list)


class Driver:
    """Runs one search into its run folder."""

    def __init__(
        self, prepared: Prepared, folder: RunFolder, means: Means, progress: Progress, began: float
    ) -> None:
        self._request, self._folder, self._means = prepared.request, folder, means
        self._progress = progress
        self._budget = Budget(began)
        request = prepared.request
        self._gpus = torch.cuda.device_count() if means.ray_address is None else 0
        self._recipe = Recipe(
            source=folder.source() or prepared.source,
            plan=Plan(
                steps=request.steps, report=request.report, diverge_factor=request.diverge_factor
            ),
            block=request.block,
            defaults=prepared.defaults,
            gpu=self._gpus > 0,
        )
        finished, _ = folder.tables()
        self._rounds = Rounds(request, prepared.shape_names, finished)
        self._begun = self._rounds.done
        self._best = math.inf
        self._best_lr: float | None = None
        self._note_best(finished)
        self._failures: list[str] = []
        self._unwritten: dict[str, pa.Table] = {}
        self._first_pack: float | None = None
        self._notes: list[str] = []
        self._without_cuda: set[str] = set()

    def run(self) -> Report:
        """Run until every lane is told; merge the folder; say where the time went."""
        engine = self._means.choose(self._request)
        if self._rounds.whole:
            with self._budget.writing():
                self._folder.merge()
            return Report(engine=engine, seconds=self._budget.seconds(), fresh=0)
        self._rounds.start()
        try:
            if engine == "inline":
                self._run_inline()
            else:
                self._run_on_ray()
        finally:
            self._rounds.stop()
            with self._budget.writing():
                self._folder.merge()
        return Report(
            engine=engine,
            seconds=self._budget.seconds(),
            fresh=self._rounds.done - self._begun,
            notes=self._notes,
        )

    def _run_inline(self) -> None:
        from search.inline import run_inline

        run_inline(self._rounds, self._recipe, take=self._take, given=self._given, tick=self._tick)

    def _run_on_ray(self) -> None:
        from search.cluster import connected

        means = self._means
        workers = means.workers or self._gpus or cores()
        with connected(means.ray_address, workers, self._gpus) as cluster:
            from search.tuning import run_on_ray

            if means.ray_address is not None:
                self._recipe = replace(self._recipe, gpu=cluster.slots(gpu=True) > 0)
            limit = means.workers if means.ray_address is not None else workers
            self._warn_idle(min(cluster.slots(self._recipe.gpu), limit or 1 << 30))
            run_on_ray(
                self._rounds,
                self._recipe,
                cluster,
                workers=limit,
                take=self._take,
                given=self._given,
                tick=self._tick,
                say=self._say,
            )

    def _warn_idle(self, workers: int) -> None:
        request = self._request
        lanes = min(2 * request.round * request.replicates, request.lanes)
        packs = -(-lanes // request.pack)
        if workers > packs:
            flight = "1 pack is" if packs == 1 else f"{packs} packs are"
            self._say(
                f"{workers - packs} of {workers} workers will stand idle: {flight} in "
                f"flight at a time; a smaller --pack than {request.pack} "
                f"or a larger --round than {request.round} helps"
            )

    def _warn_without_cuda(self, outcome: Outcome) -> None:
        if self._recipe.gpu and outcome.on_cpu and outcome.node not in self._without_cuda:
            self._without_cuda.add(outcome.node)
            self._say(
                f"{outcome.node} counts GPUs but torch finds no CUDA there: it fits on the CPU"
            )

    def _say(self, message: str) -> None:
        self._notes.append(message)
        self._progress.say(message)

    def _take(self) -> None:
        if self._first_pack is None:
            self._first_pack = time.monotonic()
        self._budget.take()

    def _tick(self, slots: int) -> None:
        self._budget.asking = self._rounds.asking
        self._budget.slots(slots)
        self._progress.update(self._status())

    def _given(self, pack: Pack, outcome: Outcome | None, held: float) -> None:
        """A pack came back: keep its rows, or try it again."""
        if outcome is not None:
            self._budget.give(outcome.seconds, held, outcome.first)
            self._warn_without_cuda(outcome)
        else:
            self._budget.give(0.0, held, first=False)
        if outcome is None:
            again = replace(pack, deaths=pack.deaths + 1)
            if again.deaths <= DEATHS:
                self._say(f"pack {pack.name}: its worker died again and again; trying on")
                self._rounds.give_back(again)
                return
            outcome = _died()
        elif outcome.error is not None and pack.attempt + 1 < ATTEMPTS:
            self._rounds.give_back(replace(pack, attempt=pack.attempt + 1))
            return
        part = rows.part(self._request.space, pack, outcome)
        self._rounds.finish(part)
        self._note_best(part)
        if outcome.error is not None:
            self._note_failure(pack, outcome.error, outcome.details)
        self._unwritten[pack.name] = part
        if self._rounds.done > self._rounds.failed:
            with self._budget.writing():
                while self._unwritten:
                    name, part = self._unwritten.popitem()
                    self._folder.add(name, part)

    def _note_failure(self, pack: Pack, error: str, details: str) -> None:
        """A pack failed for good; where nothing has ever worked, end the search.

        Failed rows are not written until something works, so that after a mend of what broke
        everything, the same command runs it all.
        """
        self._failures.append(error)
        file = self._folder.log_error(pack.name, details or error)
        if len(self._failures) == 1:
            self._say(f"pack {pack.name} failed: {error} (each failure in full: {file})")
        if self._rounds.done > self._rounds.failed:
            return
        if self._rounds.whole or self._failures == [error] * ALIKE:
            raise SearchFailed(f"every pack so far failed; the last with {error} (in full: {file})")

    def _note_best(self, table: pa.Table) -> None:
        loss = table["loss"].to_numpy()
        if not len(loss):
            return
        at = int(numpy.argmin(loss))
        if loss[at] < self._best:
            self._best = float(loss[at])
            if "lr" in table.schema.names:
                self._best_lr = float(table["lr"][at].as_py())

    def _status(self) -> Status:
        return Status(
            done=self._rounds.done,
            total=self._request.lanes,
            begun=self._begun,
            unit="trials" if self._request.replicates == 1 else "lanes",
            best=self._best,
            best_lr=self._best_lr,
            seconds=0.0 if self._first_pack is None else time.monotonic() - self._first_pack,
        )


def run_prepared(
    prepared: Prepared, out: Path, means: Means, progress: Progress, began: float
) -> tuple[RunFolder, Report]:
    """Run a prepared search into the run folder `out`, which is made if need be.

    Raises:
        SearchError: one of its kinds; what is done already stays.
    """
    if means.ray_address is not None:
        from search.cluster import check_address

        check_address(means.ray_address)
    with ExitStack() as stack:
        folder = prepared.folder or RunFolder.create(out, prepared.request, prepared.source)
        folder.lock()
        stack.callback(folder.unlock)
        folder.recover()
        now = environment.entry()
        earlier = folder.note_environment(now)
        stack.callback(progress.end)
        for change in environment.differences(earlier[-1], now) if earlier else []:
            progress.say(f"this run folder was begun with {change}: last digits may differ")
        try:
            report = Driver(prepared, folder, means, progress, began).run()
        except KeyboardInterrupt:
            command = f"shoal run --out {shlex.quote(str(folder.path))}"
            raise Interrupted(f"interrupted; {command} goes on") from None
    return folder, report


def _died() -> Outcome:
    return Outcome(
        fitted=None,
        node="",
        device="",
        started=time.time(),
        seconds=0.0,
        error="its worker died each time (out of memory, or killed)",
    )
