"""``shoal status`` and ``shoal logs``: what the folder says, with SLURM, without, and with it dead.

SLURM's commands are stand-ins on PATH that answer with what stands in files.
"""

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
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.search.command.main import main
from shoal.search.lock.lock import Lock

Said = Callable[..., tuple[int, str, str]]
SPACE = {"lr": "1e-8:1e-6:log"}
DOWN = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"


def searched(out: Path, **asked: Any) -> Path:
    """A search's run folder."""
    shoal.run("cubic-sine", space=SPACE, engine="inline", program="eager", out=out, **asked)
    return out


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that is whole."""
    return searched(tmp_path_factory.mktemp("done") / "run", trials=8, steps=20)


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A search that has ended with all of its fits left."""
    return searched(tmp_path / "run", trials=64, steps=2000, time_budget=0.001)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run the command line here; return its exit code and what it printed."""

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit, match=r"^\d+$") as ended:
            main.main(args=[str(word) for word in words])
        assert isinstance(ended.value.code, int)
        return (ended.value.code, *capsys.readouterr())

    return run


class Slurm:
    """Stand-ins for SLURM's commands in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, name: str, script: str) -> None:
        """Put a command there."""
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def has(
        self, job: str, state: str, out: Path, reason: str = "None", left: str = "9:59"
    ) -> None:
        """``squeue`` knows one job."""
        words = (job, state, reason, left, "1", "main", "/home", f"x run --out {out}")
        (self.folder / "listed").write_text("\x1e" + "\x1f".join(words) + "\n")
        self.command("squeue", f"cat {self.folder}/listed")

    def is_down(self, how: str) -> None:
        """The controller is."""
        for name in ("squeue", "scontrol", "sinfo"):
            self.command(name, how)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """A SLURM without a job."""
    folder = tmp_path / "slurm-commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    slurm = Slurm(folder)
    slurm.command("squeue", "exit 0")
    slurm.command("sinfo", "echo n1 idle")
    slurm.command("scontrol", "echo slurm_load_jobs error: Invalid job id specified >&2; exit 1")
    return slurm


@pytest.fixture
def no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of SLURM's commands is there."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


def work_in(out: Path, job: str, life: int = 0, **published: dict[str, object]) -> Path:
    """What a job leaves in a run folder."""
    place = out / "slurm" / job
    place.mkdir(parents=True)
    for name, values in {"life": {}, **published}.items():
        (place / f"{name}.json").write_text(json.dumps({**values, "life": life}))
    return place


@pytest.fixture
def living(begun: Path) -> Iterator[Path]:
    """A search whose writer is this process."""
    lock = Lock.take(begun, print)
    yield begun
    lock.release()


@pytest.mark.usefixtures("no_slurm")
def test_a_search_without_slurm_is_told_by_its_folder(done: Path, living: Path, said: Said) -> None:
    """Whole: 0; running: 3. No SLURM is spoken of where there is none."""
    code, out, err = said("status", done)
    assert (code, err) == (0, "")
    assert out.startswith("search  8 of 8 fits done, best loss ")
    code, out, err = said("status", living)
    assert (code, err) == (3, "")
    assert out == (
        f"run     process {os.getpid()} on this machine is running\nsearch  0 of 64 fits done\n"
    )
    code, out, err = said("logs", living)
    assert (code, out) == (3, "")
    assert "has no log: no batch job has worked there" in err


@pytest.mark.usefixtures("no_slurm")
def test_a_search_that_has_ended_or_was_killed_says_how_to_go_on(begun: Path, said: Said) -> None:
    """Both: 1, since fits are left."""
    assert said("status", begun)[:2] == (1, "search  0 of 64 fits done\n")
    take = (
        "import os, sys, pathlib\nfrom shoal.search.lock.lock import Lock\n"
        "Lock.take(pathlib.Path(sys.argv[1]), print)\nos.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", take, begun], check=False)
    assert killed.returncode == -signal.SIGKILL
    code, out, _ = said("status", begun)
    assert code == 1
    assert f"on this machine was killed; shoal run --out {begun} goes on\n" in out


@pytest.mark.usefixtures("no_slurm")
def test_errors_of_fits_are_the_log_of_a_search_without_slurm(
    tmp_path: Path, begun: Path, said: Said
) -> None:
    """Printed as they are."""
    (begun / "errors.log").write_text("fits of pack 0: ValueError: no\n")
    assert said("logs", begun)[1] == "fits of pack 0: ValueError: no\n"
    code, _, err = said("status", tmp_path / "none")
    assert (code, err) == (
        2,
        f"shoal: {tmp_path}/none does not exist; give a run folder, as shoal run makes them\n",
    )


@pytest.mark.usefixtures("no_slurm")
def test_a_writer_on_another_host_is_watched_for_some_seconds(
    begun: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It beats: 3; it does not: 4, since its host may be out of sight."""
    place = next((begun / ".lock").iterdir())
    _, _, name = place.name.partition("-")
    owner = {"process": 7, "host": "n9", "machine": "another", "since": "1", "job": None, "life": 0}
    (place / (f"{name}.json" if name else "owner.json")).write_text(json.dumps(owner))
    beat = place / (f"{name}.beat" if name else "beat")
    beat.write_text("1\n")
    monkeypatch.setattr("shoal.search.lock.writing.WATCH_SECONDS", 0.5)
    code, out, _ = said("status", begun)
    monkeypatch.setattr("shoal.search.lock.writing.WATCH_SECONDS", 120.0)
    assert code == 4
    assert "run     process 7 on n9 gives no sign of life" in out
    stop = threading.Event()

    def keep_beating() -> None:
        count = 1
        while not stop.wait(0.3):
            count += 1
            beat.write_text(f"{count}\n")

    thread = threading.Thread(target=keep_beating)
    thread.start()
    try:
        code, out, _ = said("status", begun)
    finally:
        stop.set()
        thread.join()
    assert code == 3
    assert "run     process 7 on n9 is running" in out


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("PENDING", 3),
        ("RUNNING", 3),
        ("SUSPENDED", 3),
        ("COMPLETING", 3),
        ("REQUEUE_HOLD", 3),
        ("STOPPED", 3),
        ("COMPLETED", 1),
        ("NODE_FAIL", 1),
        ("BOOT_FAIL", 1),
        ("CANCELLED", 1),
    ],
)
def test_the_exit_code_tells_the_state_of_the_job(
    slurm: Slurm, begun: Path, said: Said, state: str, code: int
) -> None:
    """Of a search with fits left; ``logs`` has the same."""
    slurm.has("12", state, begun)
    work_in(begun, "12")
    told = said("status", begun)
    assert told[0] == said("logs", begun)[0] == code
    assert told[1].startswith(f"job     12: {state.lower()}")
    assert ("9:59 left" in told[1]) == (code == 3)
    assert ("scontrol release 12" in told[1]) == (state == "REQUEUE_HOLD")


def test_a_suspended_jobs_life_goes_on(slurm: Slurm, begun: Path, said: Said) -> None:
    """Its nodes are told, and no life has ended but the one before."""
    slurm.has("12", "SUSPENDED", begun, left="UNLIMITED")
    end = {"why": "time limit: saved", "when": "2026-01-01T00:00:00+0100"}
    nodes = {"nodes": {"n1 10.0.0.1": {"cpu": 2, "gpu": 0}, "n2 10.0.0.2": {"cpu": 2, "gpu": 1}}}
    place = work_in(begun, "12", 1, cluster=nodes)
    (place / "end.json").write_text(json.dumps({**end, "life": 0}))
    code, out, _ = said("status", begun)
    assert code == 3
    assert out == (
        "job     12: suspended\n"
        "nodes   n1, n2: 4 CPUs, 1 GPUs\n"
        "lives   2 (last: time limit: saved, 2026-01-01T00:00:00+0100)\n"
        "search  0 of 64 fits done\n"
    )


def test_a_whole_search_is_done_whatever_became_of_its_job(
    slurm: Slurm, done: Path, said: Said
) -> None:
    """Also while SLURM still tidies up, and when it has forgotten the job."""
    for state in ("COMPLETING", "FAILED"):
        slurm.has("12", state, done)
        assert said("status", done)[0] == 0
        assert said("logs", done)[0] == 0


@pytest.mark.parametrize("how", [f"echo '{DOWN}' >&2; exit 1", "exec sleep 600"])
def test_without_a_controller_the_folder_is_told_within_seconds(
    slurm: Slurm, done: Path, living: Path, said: Said, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It refuses, or says nothing for ever: a line tells, and what else is known is shown."""
    monkeypatch.setattr("shoal.search.command.runs.outlook.ASK_SECONDS", 1.0)
    slurm.is_down(how)
    work_in(living, "12", cluster={"nodes": {"n1 10.0.0.1": {"cpu": 2, "gpu": 0}}})
    began = time.monotonic()
    code, out, err = said("status", living)
    assert time.monotonic() - began < 60
    assert (code, err) == (3, "")
    why = "no answer in 1 s" if "sleep" in how else "Unable to contact slurm controller"
    first, *rest = out.splitlines()
    assert first.startswith("job     12: SLURM does not answer (")
    assert first.endswith("): what follows is what the folder says")
    assert why in first
    assert rest == [
        f"run     process {os.getpid()} on this machine is running",
        "nodes   n1: 2 CPUs, 0 GPUs",
        "lives   1",
        "search  0 of 64 fits done",
    ]
    if "sleep" not in how:
        assert said("status", done)[0] == 0


def test_without_a_controller_nobody_knows_whether_a_job_waits(
    slurm: Slurm, begun: Path, tmp_path: Path, said: Said
) -> None:
    """Nobody writes the folder: 4. A folder that is not there may be one that will be made."""
    slurm.is_down(f"echo '{DOWN}' >&2; exit 1")
    work_in(begun, "12")
    assert said("status", begun)[0] == 4
    code, _, err = said("status", tmp_path / "none")
    assert code == 2
    assert "does not exist, and SLURM does not answer (Unable to contact" in err


def test_logs_are_found_as_slurm_says_or_as_the_job_has_noted(
    slurm: Slurm, begun: Path, tmp_path: Path, said: Said
) -> None:
    """In one file: once. Without SLURM: the same. Unknown: where submit puts them."""
    slurm.has("12", "FAILED", begun)
    log = tmp_path / "100%.log"
    log.write_text("all is lost ö\n")
    slurm.command(
        "scontrol",
        f"echo 'JobId=12 JobName=x'; echo '   StdErr='; echo '   StdOut={tmp_path}/100%%.log'",
    )
    place = work_in(begun, "12")
    assert said("logs", begun)[:2] == (1, "all is lost ö\n")
    slurm.is_down("exit 1")
    assert said("logs", begun)[:2] == (4, "")
    (place.with_suffix(".err")).write_text("by submit\n")
    assert said("logs", begun)[1] == "by submit\n"
    noted = {"StdOut": str(log), "StdErr": str(log), "life": 0}
    (place / "job.json").write_text(json.dumps(noted))
    assert said("logs", begun)[1] == "all is lost ö\n"


@pytest.mark.usefixtures("no_slurm")
def test_odd_files_of_a_job_are_passed_over(begun: Path, said: Said) -> None:
    """Pipes, links, folders and what is no JSON: nothing is waited for, nothing raised."""
    place = work_in(begun, "12", cluster={"nodes": 7})
    os.mkfifo(place / "end.json")
    os.mkfifo(place.with_suffix(".out"))
    (place / "job.json").mkdir()
    (place / "life.json").write_text("[" * 100_000)
    assert said("status", begun)[0] == 4
    assert said("logs", begun)[:2] == (4, "")


Followed = Callable[[Path, Callable[[], None]], tuple[int, str]]


@pytest.fixture
def followed(said: Said, monkeypatch: pytest.MonkeyPatch) -> Followed:
    """Follow the log of a run folder, where something happens after a second; return exit code and
    what was printed."""
    monkeypatch.setattr("shoal.search.command.watch.POLL_SECONDS", 0.5)

    def follow(folder: Path, then: Callable[[], None]) -> tuple[int, str]:
        later = threading.Timer(1.0, then)
        later.start()
        code, out, _ = said("logs", "-f", folder)
        later.join()
        return code, out

    return follow


def test_following_ends_when_the_search_is_over_and_tells_how(
    slurm: Slurm, begun: Path, followed: Followed
) -> None:
    """Each line once; a log that a job's next life begins anew is read from its beginning."""
    slurm.has("12", "RUNNING", begun)
    log = work_in(begun, "12").with_suffix(".out")
    log.write_text("first life, a long line\n")

    def go_on() -> None:
        log.write_text("second\n")
        slurm.has("12", "TIMEOUT", begun)

    assert followed(begun, go_on) == (1, "first life, a long line\nsecond\n")


def test_following_goes_on_until_a_whole_searchs_job_has_said_its_last(
    slurm: Slurm, done: Path, tmp_path: Path, followed: Followed
) -> None:
    """Its best is said once every fit is done, before the job ends."""
    whole = tmp_path / "whole"
    shutil.copytree(done, whole)
    slurm.has("12", "RUNNING", whole)
    log = work_in(whole, "12").with_suffix(".out")
    log.write_text("fits\n")

    def end() -> None:
        with log.open("a") as text:
            text.write("best\n")
        slurm.has("12", "COMPLETED", whole)

    assert followed(whole, end) == (0, "fits\nbest\n")
