"""Fits that kill the process that they run in: they cost their own pack and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.search.driver.outcomes import mishaps
from shoal.search.engines.alone import Death, _death
from shoal.search.engines.inhand import InHand, left_behind

SameTable = Callable[[Path, Path], None]

PROBLEM = """
import os, signal, time
from pathlib import Path
import torch

HERE = Path({here!r})

class Crash:
    space = {{"lr": "1e-4:1e-3:log", "scale": "0.5:1.5"}}

    def data(self):
        return torch.linspace(0, 1, 20)

    def initial(self, seed, scale):
        if seed == 5 and (HERE / "strike").exists():
            with open(HERE / "deaths", "a") as deaths:
                deaths.write("x")
            exec((HERE / "strike").read_text(), globals())
        return {{"w": scale * torch.ones(2)}}

    def loss_and_gradient(self, params, data):
        w = params["w"]
        r = w[0] + w[1] * data - 1
        return (r * r).sum(), {{"w": torch.stack([2 * r.sum(), 2 * (r * data).sum()])}}
"""

WORDS = (
    "--trials",
    "2",
    "--replicates",
    "8",
    "--pack",
    "1",
    "--round",
    "2",
    "--steps",
    "2000",
    "--program",
    "eager",
    "--sampler",
    "random",
    "--engine",
    "inline",
)
"""16 packs of one fit, of which those with seed 5 strike."""


ASKED: dict[str, Any] = {
    "trials": 2,
    "replicates": 8,
    "pack": 1,
    "round": 2,
    "steps": 2000,
    "program": "eager",
    "sampler": "random",
    "engine": "inline",
}
"""The same in Python."""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The folder of the problem, whose fits strike as ``strike`` says."""
    (tmp_path / "crash.py").write_text(PROBLEM.format(here=str(tmp_path)))
    return tmp_path


def command(here: Path, *more: str) -> subprocess.Popen[str]:
    """The search in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "shoal", "run", "crash.py:Crash", *WORDS, "--out", "out", *more],
        cwd=here,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )


def deaths(here: Path) -> int:
    """How often a fit has struck."""
    return len((here / "deaths").read_text()) if (here / "deaths").exists() else 0


def test_a_fit_that_kills_its_process_is_failed_and_the_search_goes_on(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two workers' packs in hand only the guilty ones are blamed, in processes of their own,
    after the usual number of deaths; each other fit has its row, and the driver dies only once."""
    (here / "strike").write_text("os.kill(os.getpid(), signal.SIGSEGV)")
    first = command(here, "--workers", "2")
    said = first.communicate()[1]
    assert first.returncode == -signal.SIGSEGV, said
    monkeypatch.setattr(mishaps, "DEATHS", 2)
    shoal.run(out=here / "out", engine="inline", workers=2)
    table = shoal.load(here / "out").trials
    guilty = table["replicate"] == 5
    assert (table["state"][guilty] == "failed").all()
    assert (table["state"][~guilty] == "complete").all()
    assert (table["error"][guilty] == "2 processes of its own died over it (SIGSEGV)").all()
    assert deaths(here) in (5, 6)  # in the driver there may have been two at once
    assert list((here / "out" / "packs").iterdir()) == []


@pytest.mark.long
def test_a_process_that_others_kill_is_not_its_packs_doing(
    here: Path, same_table: SameTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pack that was in hand when its driver was killed has a process to itself. Where that is
    killed from outside each time, as where memory is short, the run ends and writes nothing of the
    pack; told to stop, it saves the pack; and in the end the table is that of a quiet search."""
    monkeypatch.setattr(mishaps, "DEATHS", 2)
    shoal.run(f"{here / 'crash.py'}:Crash", **ASKED, out=here / "whole")
    (here / "strike").write_text("os.kill(os.getpid(), signal.SIGKILL)")
    first = command(here)
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    packs = here / "out" / "packs"
    assert [note.name for note in packs.iterdir()] == ["hand-1-0"]
    with pytest.raises(shoal.SearchFailed, match=r"2 processes ended over them, .* by SIGKILL"):
        shoal.run(out=here / "out", engine="inline")
    assert "failed" not in set(shoal.load(here / "out").trials["state"])
    assert [note.name for note in packs.iterdir()] == ["hand-2-0"]
    (here / "strike").write_text(
        "for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1): os.kill(os.getpid(), n)\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "time.sleep(1)\n"
    )
    with pytest.raises(shoal.Interrupted, match="interrupted, fits of 1 worker saved"):
        shoal.run(out=here / "out", engine="inline")
    assert sorted(file.name[-3:] for file in packs.iterdir()) == [".pt", "3-0"]
    (here / "strike").unlink()
    shoal.run(out=here / "out", engine="inline")
    same_table(here / "out", here / "whole")
    assert list(packs.iterdir()) == []


@pytest.mark.long
def test_a_process_ends_with_its_driver(here: Path) -> None:
    """Also where the driver is killed: nothing goes on without it."""
    (here / "strike").write_text("os.kill(os.getpid(), signal.SIGKILL)")
    command(here).communicate()
    (here / "strike").write_text("(HERE / 'pid').write_text(str(os.getpid())); time.sleep(600)")
    driver = command(here)
    while not (here / "pid").exists() or not (here / "pid").read_text():
        assert driver.poll() is None
        time.sleep(0.05)
    child = int((here / "pid").read_text())
    assert child != driver.pid
    driver.kill()
    driver.communicate()
    while Path(f"/proc/{child}").exists():
        time.sleep(0.05)


def test_notes_are_of_their_writer_and_odd_files_stay(tmp_path: Path) -> None:
    """A writer reads the notes of the dead once, and never its own; what no driver has written is
    left where it is."""
    with InHand(tmp_path, 3, 2, set()) as living, InHand(tmp_path, 2, 2, set()) as dead:
        living.note(0, "r000000-p000001")
        dead.note(0, "r000001-p000002")
        dead.note(1, "r000001-p000003")
        dead.note(1, "")
        (tmp_path / "hand-1-0").symlink_to("hand-3-0")
        os.mkfifo(tmp_path / "hand-1-1")
        (tmp_path / "hand-1-2").write_bytes(b"\xff" * 9)
        assert left_behind(tmp_path, 3) == {"r000001-p000002"}
        assert left_behind(tmp_path, 3) == set()
        left = {file.name for file in tmp_path.iterdir()}
        assert left == {"hand-3-0", "hand-3-1", "hand-1-0", "hand-1-1"}
    assert {file.name for file in tmp_path.iterdir()} == {"hand-1-0", "hand-1-1"}
    with InHand(tmp_path / "gone", 1, 1, {"r000000-p000000"}) as nowhere:
        nowhere.note(0, "r000000-p000000")
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "hand-4-0").symlink_to("theirs")
    with InHand(tmp_path, 4, 1, set()) as linked:
        linked.note(0, "r000000-p000000")
    assert (tmp_path / "theirs").read_text() == "theirs"


@pytest.mark.parametrize(
    ("code", "how", "counts"),
    [
        (-signal.SIGSEGV, "SIGSEGV", True),
        (-signal.SIGBUS, "SIGBUS", True),
        (-signal.SIGABRT, "SIGABRT", True),
        (-signal.SIGILL, "SIGILL", True),
        (-signal.SIGFPE, "SIGFPE", True),
        (-signal.SIGKILL, "SIGKILL", False),
        (-signal.SIGTERM, "SIGTERM", False),
        (-signal.SIGXCPU, "SIGXCPU", False),
        (-(signal.SIGRTMIN + 1), f"signal {signal.SIGRTMIN + 1}", False),
        (0, "exit code 0", False),
        (137, "exit code 137", False),
    ],
)
def test_a_pack_is_blamed_for_signals_of_its_own_doing_alone(
    code: int, how: str, counts: bool
) -> None:
    """Not for those that others send, nor for an exit, which a library may call for memory."""
    assert _death(code) == Death(how, counts)


def test_notes_are_written_to_no_file_but_the_drivers_own(tmp_path: Path) -> None:
    """Where a pipe, a link or somebody else's file has the name of a note, the driver neither waits
    nor writes there, and the other slots have their notes."""
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    packs = tmp_path / "packs"
    packs.mkdir()
    os.mkfifo(packs / "hand-2-0")
    (packs / "hand-2-1").symlink_to(theirs)
    os.link(theirs, packs / "hand-2-2")
    with InHand(packs, 2, 4, {f"r000000-p00000{n}" for n in range(4)}) as in_hand:
        for slot in range(4):
            in_hand.note(slot, f"r000001-p00000{slot}")
        assert (packs / "hand-2-2").read_text().strip() == "r000001-p000002"
        assert (packs / "hand-2-3").read_text().strip() == "r000001-p000003"
    assert theirs.read_text() == "theirs"
    assert (packs / "hand-2-0").is_fifo()
    assert (packs / "hand-2-1").is_symlink()
    assert left_behind(packs, 3) == {"r000000-p000002", "r000000-p000003"}
