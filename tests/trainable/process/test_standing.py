"""Where the process stands while a problem's code runs."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from shoal.trainable.process import standing
from shoal.trainable.process.standing import absolute, entered, home, made, settle, within
from shoal.trainable.process.world import World

LONG = 120.0
"""Seconds that no wait takes, unless something waits for ever."""


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """Where the process stands, and two others."""
    made = tuple(tmp_path / name for name in ("here", "one", "two"))
    for folder in made:
        folder.mkdir()
    monkeypatch.chdir(made[0])
    return made[0], made[1], made[2]


def test_calls_that_want_one_folder_run_side_by_side_and_others_wait(
    folders: tuple[Path, Path, Path],
) -> None:
    """Two of a folder meet inside; one of another, and one that moves, come after them."""
    here, one, two = folders
    meet, order = threading.Barrier(2, timeout=LONG), list[str]()
    inside = threading.Event()

    def call(folder: Path, moves: bool, meets: bool) -> None:
        with entered(World(folder=str(folder)), moves):
            if meets:
                meet.wait()
                inside.set()
                meet.wait()
            assert Path.cwd() == folder
            order.append(folder.name)
            if moves:
                os.chdir("/")

    threads = [threading.Thread(target=call, args=(one, False, True)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert inside.wait(LONG)
    assert home() == str(here)
    assert absolute("x") == str(here / "x")
    more = [threading.Thread(target=call, args=(two, True, False)) for _ in range(3)]
    for thread in more:
        thread.start()
    for thread in [*threads, *more]:
        thread.join(LONG)
        assert not thread.is_alive()
    assert order == ["one"] * 2 + ["two"] * 3
    assert Path.cwd() == here


class Problem:
    """One that looks where it is."""

    def __init__(self, to: str = "") -> None:
        if to:
            os.chdir(to)

    def where(self) -> str:
        """The working folder."""
        return os.getcwd()


def test_what_the_constructor_does_holds_for_its_instance(folders: tuple[Path, Path, Path]) -> None:
    """A method's own move ends with it, and the caller may move on between the calls."""
    here, one, two = folders
    settle(Problem, World(folder=str(one)), None, moves=True)
    plain, moved = made(Problem, {}), made(Problem, {"to": "../two"})
    for instance, folder in ((plain, one), (moved, two), (plain, one)):
        with within(instance):
            assert instance.where() == str(folder)
            os.chdir("/")
        with pytest.raises(FileNotFoundError, match=f"'{folder}/x'"), within(instance):
            Path("x").read_text()
        assert Path.cwd() == here
    os.chdir(two)
    with within(plain):
        pass
    assert Path.cwd() == two
    standing._known.pop(Problem)


def test_an_error_leaves_the_process_where_it_was(folders: tuple[Path, Path, Path]) -> None:
    """Also where the folder of a search is gone, which the error then tells."""
    here, one, _ = folders
    one.rmdir()
    told = f"the search began in {one}, which is not there"
    gone = World(folder=str(one))
    with pytest.raises(FileNotFoundError, match=told) as caught, entered(gone, False):
        Path("number.txt").read_text()
    assert caught.value.filename == str(one / "number.txt")
    with entered(World(folder=str(one)), False):
        assert os.listdir() == []
    assert Path.cwd() == here


def test_a_caller_whose_own_folder_is_gone_stays_there(folders: tuple[Path, Path, Path]) -> None:
    """What is no folder by name any more is gone back to all the same."""
    here, one, _ = folders
    here.rmdir()
    with entered(World(folder=str(one)), False):
        assert Path.cwd() == one
    with pytest.raises(FileNotFoundError, match="No such file"):
        os.getcwd()
    os.chdir(one)


def test_the_import_path_is_the_users_part_and_lasts_as_long(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands before and after the interpreter's own; what is there already stays as it is."""
    here, one, two = folders
    own = [entry for entry in sys.path if "python3" in entry]
    monkeypatch.setattr(sys, "path", ["", str(one), *own, "../two", str(here / "nothing")])
    world = World.here()
    assert (world.first, world.last) == ((str(here), str(one)), (str(two),))
    assert World.from_dict(world.as_dict()) == world
    monkeypatch.setattr(sys, "path", [str(two), *own])
    with entered(world, False):
        assert sys.path == [str(here), str(one), str(two), *own]
        sys.path.append("/more")
    assert sys.path == [str(two), *own, "/more"]
    monkeypatch.setattr(sys, "path", list(own))
    with entered(world, False):
        assert sys.path == [str(here), str(one), *own, str(two)]
    assert sys.path == own
    with pytest.raises(ValueError, match="must be absolute"):
        World.from_dict({"folder": "relative"})
