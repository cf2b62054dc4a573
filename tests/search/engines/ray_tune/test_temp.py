"""Temp folders of searches on Ray: whose they are is told by a lock, and by no number."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shoal.search.engines.ray_tune.temp import temp_folder
from shoal.slurm.node import temp
from shoal.slurm.node.temp import LOCK, YOUNG_SECONDS

HOLDS = """
import sys, time
from pathlib import Path
from shoal.slurm.node import temp

print(temp.create("shoal-4194304-", Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temp folder, for this test."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_search_has_left_goes_where_its_number_lives_again(parent: Path) -> None:
    """As a process that came later has it: this one."""
    left = parent / f"shoal-{os.getpid()}-abcdefgh"
    left.mkdir(mode=0o700)
    (left / LOCK).touch()
    with temp_folder(short=False) as folder:
        assert folder.parent == parent
        assert not left.exists()
    assert list(parent.iterdir()) == []


def test_what_is_in_use_stays_where_its_number_says_nothing(parent: Path) -> None:
    """As in a container that has process numbers of its own."""
    command = [sys.executable, "-c", HOLDS, str(parent)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        used = Path(holder.stdout.readline().strip())
        with temp_folder(short=False):
            assert used.exists()
        holder.kill()
    with temp_folder(short=False):
        assert not used.exists()


def test_a_strangers_folder_stays(parent: Path) -> None:
    """Of another name, a link, and one without a lock that may be about to get one."""
    (parent / "shoal-notes-of-mine").mkdir()
    (parent / "shoal-1-abcdefgh").symlink_to(parent / "shoal-notes-of-mine")
    young = parent / "shoal-4194304-abcdefgh"
    young.mkdir(mode=0o700)
    with temp_folder(short=False):
        assert len(list(parent.iterdir())) == 4
    past = time.time() - 2 * YOUNG_SECONDS
    os.utime(young, (past, past))
    with temp_folder(short=False):
        assert not young.exists()


def test_what_another_search_removes_meanwhile_is_passed_over(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that start at the same time see the same folder of a killed one."""
    left = parent / "shoal-4194304-abcdefgh"
    left.mkdir(mode=0o700)
    seen = temp.is_left_over

    def late(folder: Path) -> bool:
        left.rmdir()
        return seen(folder)

    monkeypatch.setattr(temp, "is_left_over", late)
    with temp_folder(short=False) as folder:
        assert list(parent.iterdir()) == [folder]


def test_a_lock_is_held_before_it_can_be_found(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or who looks in between would remove the folder."""
    lock, held = fcntl.flock, []

    def look(handle: int, how: int) -> None:
        held.append(list(parent.glob(f"*/{LOCK}")))
        lock(handle, how)

    monkeypatch.setattr("fcntl.flock", look)
    with temp_folder(short=False) as folder:
        assert held == [[]]
        assert [*folder.iterdir()] == [folder / LOCK]
