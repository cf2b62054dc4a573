"""The lock of a run folder: one writer, whatever becomes of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

import shoal
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.writer import Writer
from shoal.search.lock.lock import Lock

HOLD = """
import pathlib, sys
from shoal.search.lock.lock import Lock
try:
    lock = Lock.take(pathlib.Path(sys.argv[1]), print, watch=6.0)
except Exception as error:
    print(error)
else:
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that tries to be the writer, and the first line that it says."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def owner(folder: Path) -> dict[str, object]:
    """What the last writer said of itself."""
    (said,) = (folder / ".lock").glob("*/*.json")
    held: dict[str, object] = json.loads(said.read_text())
    return held


def number(folder: Path) -> int:
    """How many writers there have been."""
    (place,) = (folder / ".lock").iterdir()
    return int(place.name.partition("-")[0])


def test_a_killed_writer_of_this_machine_is_followed_at_once(tmp_path: Path) -> None:
    """Its process is gone; no wait is told. Its folder goes, and no number is used twice."""
    with holder(tmp_path) as (process, said):
        assert said == "held"
        assert owner(tmp_path)["process"] == process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
        waits: list[str] = []
        lock = Lock.take(tmp_path, waits.append)
        assert waits == []
    assert number(tmp_path) == 2
    lock.release()
    assert not list((tmp_path / ".lock").glob("*/*"))
    Lock.take(tmp_path, waits.append).release()
    assert number(tmp_path) == 3


def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    """Eight processes, one lock; the others name the winner."""
    said: list[str] = []
    leave = threading.Event()

    def contend() -> None:
        with holder(tmp_path) as (process, line):
            said.append(f"{process.pid} {line}")
            leave.wait(240)

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(said) < 8:
        time.sleep(0.05)
    (winner,) = [line.split()[0] for line in said if line.endswith("held")]
    assert sum(f"is being written by process {winner} on" in line for line in said) == 7
    leave.set()
    for thread in threads:
        thread.join()


def on_another_host(folder: Path) -> Path:
    """Make the last writer one of a host that this one cannot look into; return its beat."""
    (said,) = (folder / ".lock").glob("*/*.json")
    said.write_text(json.dumps({**json.loads(said.read_text()), "machine": "other", "host": "n7"}))
    return said.with_suffix(".beat")


def test_a_writer_of_another_host_counts_as_dead_once_it_is_silent(tmp_path: Path) -> None:
    """Alive while its number changes; its clock, and ours, do not matter."""
    with holder(tmp_path) as (process, _):
        beat = on_another_host(tmp_path)
        os.utime(beat, (0, 0))
        with pytest.raises(shoal.BadInput, match=f"is being written by process {process.pid} on"):
            Lock.take(tmp_path, print)
        process.kill()
        process.wait()
        waits: list[str] = []
        Lock.take(tmp_path, waits.append, watch=4.0).release()
        assert waits == [
            f"waiting up to 4 s to see whether process {process.pid} on n7 still writes {tmp_path}"
        ]


def test_a_job_that_was_started_again_takes_over_from_its_older_life(tmp_path: Path) -> None:
    """At once, though the older life may live on a host that is cut off; never the other way."""
    older = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "1"}
    later = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "2"}
    with holder(tmp_path, **older) as (_, first), holder(tmp_path, **later) as (_, second):
        assert (first, second) == ("held", "held")
        with holder(tmp_path, **older) as (_, third):
            assert "is being written by a later life of this job; it stops here" in third


def test_a_writer_that_was_thought_dead_changes_nothing(
    tmp_path: Path, part_of: Callable[[Path, pa.Array], pa.Table]
) -> None:
    """Neither a row nor a table, nor the ledger: it is told, and the other goes on."""
    whole = tmp_path / "whole"
    shoal.run(trials=16, steps=5, sampler="random", pack=8, out=whole, engine="inline")
    rows = [part_of(whole, pa.array([t // 8 == half for t in range(16)])) for half in (0, 1)]
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    late = Writer(RunFolder.open(out), print)
    (held,) = (out / ".lock").iterdir()
    shutil.rmtree(held)  # as another writer does, once it has its own
    before = {f.name: f.read_bytes() for f in out.iterdir() if f.is_file()}
    with pytest.raises(shoal.RunFolderError, match="has another writer now"):
        late.add("r000009-p000000", rows[0])
    with pytest.raises(shoal.RunFolderError, match="has another writer now"):
        late.record(RunFolder.open(out).request.halve(0, {}))
    with pytest.raises(shoal.RunFolderError, match="has another writer now"):
        late.note_environment({})
    with pytest.raises(shoal.RunFolderError, match="has another writer now"):
        late.check()
    late.close()
    assert {f.name: f.read_bytes() for f in out.iterdir() if f.is_file()} == before
    assert not list((out / "parts").iterdir())


def test_a_search_that_was_frozen_gives_way(tmp_path: Path) -> None:
    """Stopped by SIGSTOP for so long that another took over: it ends with a line and exit code 1,
    and every trial is there once."""
    words = [
        "run",
        "--trials",
        "96",
        "--steps",
        "1500",
        "--pack",
        "8",
        "--round",
        "16",
        "--sampler",
        "random",
        "--engine",
        "inline",
        "--quiet",
        "--out",
        "out",
    ]
    frozen = subprocess.Popen(
        [sys.executable, "-m", "shoal", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    out = tmp_path / "out"
    while frozen.poll() is None and not list((out / "parts").glob("r*")):
        time.sleep(0.02)
    frozen.send_signal(signal.SIGSTOP)
    on_another_host(out)
    Lock.take(out, print, watch=3.0).release()
    done = shoal.run(out=out, engine="inline")
    frozen.send_signal(signal.SIGCONT)
    _, errors = frozen.communicate(timeout=240)
    assert frozen.returncode == 1, errors
    assert "has another writer now" in errors
    assert errors.count("\n") == 1
    assert done.trials["trial"].tolist() == list(range(96))
    assert shoal.load(out).trials["trial"].tolist() == list(range(96))
