"""A time limit that is moved while the job runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shoal.search.process import stopping
from shoal.search.process.stopping import Reason, Stop
from shoal.slurm.cluster import limit as module
from shoal.slurm.cluster import supervisor
from shoal.slurm.cluster.command import Orders
from shoal.slurm.cluster.limit import Limit, environment, pause_seconds, without
from shoal.slurm.cluster.supervisor import Supervisor
from shoal.slurm.jobfolder import JobFolder
from shoal.slurm.queue.allocation import parse

Stand = Callable[..., Path]


def told(end: float | None) -> str:
    """SLURM's word of a job that ends then."""
    moment = "Unknown" if end is None else time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(end))
    return f"JobId=7 JobState=RUNNING EndTime={moment}\n"


def test_a_limit_that_is_moved_reaches_the_search(
    tmp_path: Path,
    stand_in: Stand,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Raised, it is not stopped at the old one; lowered, at the new one; without one, never. A
    controller that does not answer changes nothing."""
    word = tmp_path / "word"
    calls = stand_in("scontrol", f'cat "{word}"')
    now = time.time()
    folder = JobFolder.make(tmp_path / "7", 0)
    limit = Limit(parse(told(now + 60)), folder)
    for name, value in environment(folder.path, now + 60).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(stopping, "LOOK_SECONDS", 0.0)
    stop = Stop(time.monotonic(), None)
    assert stop.fits(10)
    assert not stop.fits(30)  # 45 s before the limit it saves
    for end, fits in ((now + 7200, 7000), (None, 1e9), (now + 3600, 3500)):
        word.write_text(told(end))
        limit.ask()
        assert not stop.asked()
        assert stop.fits(fits)
    said = capsys.readouterr().err
    assert said.count("shoal: the time limit was moved to 20") == 2
    assert said.count("shoal: the time limit was moved: there is none now") == 1
    word.write_text("error")
    limit.ask()
    assert stop.fits(3500)
    word.write_text(told(now + 30))
    limit.ask()
    assert stop.asked()
    assert stop.reason is Reason.LIMIT
    asked = len(calls.read_text().splitlines())
    limit.look()
    assert len(calls.read_text().splitlines()) == asked


def test_the_limit_is_looked_at_again_while_the_job_runs(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time that the batch host looks at its command, once it is time to ask."""
    word, now = tmp_path / "word", float(int(time.time()))
    stand_in("scontrol", f'cat "{word}"')
    word.write_text(told(now + 7200))
    monkeypatch.setattr(module, "MAX_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.0)
    folder = JobFolder.make(tmp_path / "7", 0)
    quiet: Any = SimpleNamespace(stop=None, save_at=None)
    orders = Orders(command=["run"], prefix=[], interface=None)
    at = Supervisor(parse(told(now + 60)), folder, orders, quiet, node="n1", job="7")
    ends: list[str] = []

    class Command:
        """It runs while it is looked at twice, and has ended at the third look."""

        failed = False

        @property
        def code(self) -> int | None:
            ends.append((folder.path / "limit").read_text())
            return 0 if len(ends) == 3 else None

    head = SimpleNamespace(process=SimpleNamespace(poll=lambda: None))
    agents: Any = SimpleNamespace(head=head, workers=[], look_after=lambda: None)
    command: Any = Command()
    at._agents, at._command = agents, command
    at._watch()
    assert (ends[0], ends[-1]) == (f"{now + 60:.0f}\n", f"{now + 7200:.0f}\n")


def test_slurm_is_asked_seldom() -> None:
    """A job of a day some hundreds of times, and at most thrice a minute near its end."""
    assert [pause_seconds(left) for left in (None, 86400, 3600, 400, 60, -5)] == [
        300,
        300,
        180,
        20,
        20,
        20,
    ]
    left, asked = 86400.0, 0
    while left > 0:
        left -= pause_seconds(left)
        asked += 1
    assert asked < 400


def test_the_limit_of_another_job_is_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who submits from within a job does not hand its limit on; no file says nothing."""
    inherited = {"SHOAL_END": "1", "SHOAL_END_FILE": "/x", "PATH": "/bin"}
    assert without(inherited) == {"PATH": "/bin"}
    assert environment(Path("/j"), None) == {"SHOAL_END_FILE": "/j/limit"}
    monkeypatch.setenv("SHOAL_END_FILE", "/no/such/file")
    monkeypatch.setenv("SHOAL_END", str(time.time() + 100))
    stop = Stop(time.monotonic(), None)
    assert stop.fits(50)
    assert not stop.fits(60)
