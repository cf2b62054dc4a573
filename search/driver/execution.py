"""From a prepared search to its run folder: one run of the driver, and how it ends."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path

from shoal.search import machine
from shoal.search.driver.driver import Driver
from shoal.search.driver.report import Report
from shoal.search.engines import RunOptions, engine_of
from shoal.search.errors import BadInput, Interrupted, Suspended
from shoal.search.folder import RunFolder, Taken, Writer, create, free
from shoal.search.preparation import Prepared
from shoal.search.process import Reason, own_settings
from shoal.search.request import shown
from shoal.search.watching import Observer
from shoal.trainable.errors import TrainableError
from shoal.trainable.modules import claimed


@own_settings()
def run_prepared(
    prepared: Prepared, out: Path, options: RunOptions, observer: Observer, began: float
) -> tuple[RunFolder, Report]:
    """Run a prepared search into the run folder `out`, which is made if need be.

    Raises:
        SearchError: one of its kinds; what is done already stays.
    """
    with ExitStack() as stack:
        stack.callback(observer.end)
        stack.callback(prepared.source.release)
        engine = engine_of(options, prepared.request)
        engine.check()
        try:
            stack.enter_context(claimed(prepared.source.files))
        except TrainableError as error:
            raise BadInput(str(error)) from error
        folder = prepared.folder or _begin(prepared, out)
        observer.begin(prepared.request, folder.path)
        for note in prepared.notes:
            observer.say(note)
        writer = Writer(folder, observer.say)
        stack.callback(writer.close)
        if prepared.folder is not None:
            writer.amend(prepared.request, prepared.known)
        now = machine.entry()
        earlier = writer.note_environment(now)
        for change in machine.differences(earlier[-1], now) if earlier else []:
            observer.say(f"this run folder was begun with {change}: last digits may differ")
        command = f"shoal run --out {shlex.quote(shown(folder.path))}"
        observer.doing(f"starting {engine.label}")
        try:
            report = Driver(prepared, writer, options, observer, began).run()
        except KeyboardInterrupt as error:  # Ctrl-C twice, or a handler of the host program's
            raise Interrupted(f"interrupted; {command} goes on", by=error) from None
        _end_early(report, command)
    return folder, report


def _begin(prepared: Prepared, out: Path) -> RunFolder:
    """Make the folder of a new search. Of two that begin at once in a folder that the user has
    named, the second goes on with what the first has made; else it takes another name.

    Raises:
        BadInput: the place cannot be written, or the first is another search.
    """
    wanted = out
    while True:
        try:
            return create(out, prepared.request, prepared.source, prepared.known)
        except Taken:
            if prepared.named:
                break
            out = free(wanted)
    there = RunFolder.open(out)
    if there.request.mark != prepared.request.mark:
        raise BadInput(f"{out} was taken by another search in this moment; choose another --out")
    return there


def _end_early(report: Report, command: str) -> None:
    """Raise what a search that ended early ends with.

    Raises:
        Interrupted, Suspended: as asked. A time budget that is used up is no error.
    """
    reason = report.reason
    if reason in (None, Reason.BUDGET):
        return
    workers = "1 worker" if report.saved == 1 else f"{report.saved} workers"
    saved = f", fits of {workers} saved" if report.saved else ""
    message = f"{reason.value}{saved}; {command} goes on"
    if reason in (Reason.LIMIT, Reason.SAVE):
        gained = report.fresh > 0 or report.saved > 0
        raise Suspended(message, gained=gained, number=report.number)
    raise Interrupted(message, by=report.number)
