"""A disk that takes no more, at any of the writes: one line, and after room is made it goes on."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import shoal
from shoal.search.command.main import main

Shell = Callable[..., "subprocess.CompletedProcess[str]"]

PROBLEM = """
import torch

class Filler:
    '''Fits whose rows take room; those of one width fail, which no check before the search sees.'''

    space = {"lr": "1e-3:1e-1:log", "width": "1:4:int"}
    size = 8

    def __init__(self, width=1):
        if width == 3:
            raise ValueError("three")

    def data(self):
        return torch.linspace(0, 1, 10)

    def initial(self, seed):
        return (torch.ones(self.size),)

    def loss_and_gradient(self, params, data):
        r = params[0] - 1.5
        return (r * r).sum(), (2 * r,)

class Large(Filler):
    size = 1 << 15
"""
SMALL = [
    "--trials",
    "16",
    "--steps",
    "60",
    "--report",
    "1",
    "--round",
    "8",
    "--pack",
    "4",
    "--sampler",
    "random",
    "--engine",
    "inline",
    "--quiet",
]
PAGE = 4096
"""What a disk of the test grows by: its smallest piece."""


def mount(*words: object) -> bool:
    """Run ``mount``; whether it worked."""
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def disk(disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small disk, beside a problem."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "filler.py").write_text(PROBLEM)
    return disk.relative_to(tmp_path)


def code_of(*arguments: object, problem: str = "Filler") -> int:
    """Run ``shoal run`` here; return its exit code."""
    with pytest.raises(SystemExit, match=r"^[012]$") as ended:
        main.main(args=["run", f"filler.py:{problem}", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def sizes(option: str) -> Iterator[str]:
    """Ever larger disks: by a page of room, or by one file."""
    for number in itertools.count(2):
        room = PAGE * number if option == "size" else 1 << 24
        yield f"remount,size={room},nr_inodes={number if option == 'nr_inodes' else 10_000}"


PLACES = ["make", ".lock", "environment.json", "parts/", "errors.log", "curves.parquet"]
"""What is written in the order in which a search writes it first."""


@pytest.mark.parametrize("option", ["size", pytest.param("nr_inodes", marks=pytest.mark.long)])
def test_a_disk_that_is_full_at_any_write_is_one_line_and_with_room_it_goes_on(
    disk: Path,
    capsys: pytest.CaptureFixture[str],
    same_table: Callable[[Path, Path], None],
    option: str,
) -> None:
    """On ever larger disks, by room or by files, a search gets ever further, until it is whole."""
    assert code_of(*SMALL, "--out", "undisturbed") == 0
    capsys.readouterr()
    command = [*SMALL, "--checkpoint", "off", "--out", disk / "out"]
    lines: list[str] = []
    for size in sizes(option):
        shutil.rmtree(disk / "out", ignore_errors=True)
        assert not list(disk.iterdir())
        assert mount("-o", size, disk)
        code = code_of(*command)
        err = capsys.readouterr().err
        if code == 0:
            same_table(disk / "out", Path("undisturbed"))
            break
        assert code == 1, err
        *notes, line = err.splitlines()
        assert re.fullmatch(
            r"shoal: cannot (make|write) disk/out\S*: No space left on device; "
            r"make room and run the same command again(: it goes on)?",
            line,
        )
        assert all(" failed: ValueError: three " in note for note in notes)
        if line in lines:
            continue
        lines.append(line)
        assert mount("-o", "remount,size=16m,nr_inodes=10000", disk)
        assert code_of(*command) == 0
        same_table(disk / "out", Path("undisturbed"))
        capsys.readouterr()
    for place in PLACES:
        assert any(place in line for line in lines), f"never full at {place}: {lines}"


def test_a_disk_without_room_for_checkpoints_takes_a_search_without(
    disk: Path, same_table: Callable[[Path, Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint that cannot be written is told of and missed by nobody."""
    alone = ["--keep", "0", "--checkpoint", "0.001"]
    assert code_of(*SMALL, *alone, "--out", "undisturbed", problem="Large") == 0
    capsys.readouterr()
    assert mount("-o", "remount,size=180k", disk)
    loud = [word for word in SMALL if word != "--quiet"]
    assert code_of(*loud, *alone, "--out", disk / "out", problem="Large") == 0
    assert re.search(
        r"cannot write \S+/packs/\S+\.pt: No space left on device; the fits go on without",
        capsys.readouterr().err,
    )
    same_table(disk / "out", Path("undisturbed"))
    assert not list((disk / "out" / "packs").iterdir())


def test_a_disk_without_room_for_parameters_ends_a_search_that_goes_on_with_room(
    disk: Path, same_table: Callable[[Path, Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """They are asked for, unlike checkpoints; in the end the same ones are kept."""
    command = [*SMALL, "--keep", "3", "--checkpoint", "off"]
    assert code_of(*command, "--out", "undisturbed", problem="Large") == 0
    capsys.readouterr()
    assert mount("-o", "remount,size=180k", disk)
    assert code_of(*command, "--out", disk / "out", problem="Large") == 1
    assert re.search(
        r"cannot write \S+/parameters/\S+: No space left on device", capsys.readouterr().err
    )
    assert mount("-o", "remount,size=8m", disk)
    assert code_of(*command, "--out", disk / "out", problem="Large") == 0
    same_table(disk / "out", Path("undisturbed"))
    kept = [
        {file.name: file.read_bytes() for file in (out / "parameters").iterdir()}
        for out in (disk / "out", Path("undisturbed"))
    ]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 3


def test_a_disk_that_becomes_read_only_is_one_line_and_it_goes_on(
    disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    same_table: Callable[[Path, Path], None],
) -> None:
    """What is done stays, and after the disk is mended the same command does what is left."""
    long = [*SMALL, "--trials", "96"]
    assert code_of(*long, "--out", "undisturbed") == 0

    def shut() -> None:
        while len(list((disk / "out" / "parts").glob("*.parquet"))) < 1:
            time.sleep(0.002)
        while not mount("-o", "remount,ro", disk):  # busy while a file is open
            pass

    def no_note(*_: object) -> None:
        raise OSError("a note of what runs is open all the time, and the disk busy")

    capfd.readouterr()
    thread = threading.Thread(target=shut)
    with monkeypatch.context() as patched:
        patched.setattr("shoal.search.engines.inhand._new", no_note)
        thread.start()
        assert code_of(*long, "--out", disk / "out") == 1
    thread.join()
    *notes, line = capfd.readouterr().err.splitlines()
    assert re.fullmatch(
        r"shoal: cannot write disk/out/\S+: Read-only file system; "
        r"mend that and run the same command again: it goes on",
        line,
    )
    assert all(" failed: ValueError: three " in note for note in notes)
    assert 0 < len(shoal.load(disk / "out").trials) < 96
    assert mount("-o", "remount,rw", disk)
    assert code_of(*long, "--out", disk / "out") == 0
    same_table(disk / "out", Path("undisturbed"))
