"""Taking a lock, in every order in which the steps of two and three processes can come."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from shoal.search.lock.held import Held
from shoal.search.lock.taking import take
from shoal.trainable.disk.directory import Directory

Tree = tuple[tuple[str, "Tree | bytes"], ...]
"""A folder as it can be compared: names with their folders or contents."""

TABLE = "trials.parquet"


NEW = object()


class NextStep(BaseException):
    """The process has come to a step that it has not done yet."""


@dataclass(frozen=True)
class Failed:
    """What a step has told that failed."""

    number: int


class Again(Exception):
    """The process tries once more, and remembers nothing."""


class Alive(Exception):
    """The writer lives: this process gives up."""


class World:
    """A disk, who has died, and what is only known to the test.

    Attributes:
        folders: by number, each with names of folders (numbers) and contents of files; 0: the run
            folder.
        steps: by process, what each of its steps in this stage has told it.
        at: by process, its stage, the lock that it has, and how many names it has made.
        newest: the highest number of a writer so far.
        begun: by process, how many beats it has begun; beats: that were done in full.
        watched: by process, for the writer that it follows, the beats begun then.
    """

    def __init__(self) -> None:
        self.folders: dict[int, dict[str, int | bytes]] = {0: {}}
        self.steps: dict[str, tuple[Any, ...]] = {}
        self.at: dict[str, tuple[int, Lock, int]] = {}
        self.over: dict[str, str] = {}
        self.newest = 0
        self.begun: dict[str, int] = {}
        self.beats: dict[str, int] = {}
        self.watched: dict[str, dict[str, int]] = {}

    def copy(self) -> World:
        """Another world that is the same so far."""
        new = World()
        new.folders = {number: dict(names) for number, names in self.folders.items()}
        new.steps, new.at = dict(self.steps), dict(self.at)
        new.over, new.newest = dict(self.over), self.newest
        new.begun, new.beats = dict(self.begun), dict(self.beats)
        new.watched = {name: dict(beats) for name, beats in self.watched.items()}
        return new

    def tree(self, number: int = 0) -> Tree:
        """What lies in a folder, numbers of folders left out."""
        return tuple(
            (name, self.tree(what) if isinstance(what, int) else what)
            for name, what in sorted(self.folders[number].items())
        )

    @property
    def key(self) -> object:
        """Two worlds with the same go on in the same ways."""
        return (
            tuple(frozenset(names.items()) for names in self.folders.values()),
            tuple(self.over.get(n) or (self.at[n], steps) for n, steps in self.steps.items()),
            frozenset(self.begun.items()),
            frozenset(self.beats.items()),
            frozenset((who, *beats.items()) for who, beats in self.watched.items()),
        )

    @property
    def writer(self) -> str:
        """Whose name the folder of the lock has; empty before the first."""
        locks = self.folders[0].get(".lock")
        names = self.folders[locks] if isinstance(locks, int) else {}
        last = max((name for name in names if name[:6].isdigit()), default="")
        return last.partition("-")[2][:1]


class Process:
    """One process, run again from the beginning of its stage until a step that is new.

    Args:
        see_dead: whether it can tell that another has died, as on one machine.
        fine: whether others may come between all of its steps, or not before those that only write
            what has a name that nobody knows yet, or tidy up.
    """

    def __init__(self, world: World, name: str, see_dead: bool, fine: bool) -> None:
        self.world, self.name, self._see_dead, self.fine = world, name, see_dead, fine
        self._told = iter(world.steps[name])
        self._fresh = 1
        self.wrong = ""
        self._names = world.at[name][2]

    def step(self, do: Callable[[], Any], *, free: bool = False) -> Any:
        """Do one step, or tell again what it has told.

        Args:
            free: it is no step of the disk, and happens with the one before.
        """
        told = next(self._told, NEW)
        if told is NEW:
            if not (free and self._fresh >= 0):
                self._fresh -= 1
                if self._fresh < 0:
                    raise NextStep
            try:
                told = do()
            except OSError as error:
                told = Failed(error.errno)
            self.world.steps[self.name] += (told,)
        if isinstance(told, Failed):
            raise OSError(told.number, os.strerror(told.number))
        return told

    def await_death(self, said: bytes | None, look: Callable[[], bytes | None]) -> None:
        """As `shoal.search.lock.taking.Judge` has it; any time may pass between two looks."""
        writer = (said or b"").decode()
        self.step(lambda: self._note_watch(writer), free=True)
        if self._see_dead and self.step(lambda: self.world.over.get(writer) == "dead"):
            return
        if look() != look():
            raise Alive("it lives")

    def _note_watch(self, writer: str) -> None:
        self.world.watched[self.name] = {writer: self.world.begun.get(writer, 0)}

    def new_name(self) -> str:
        """One that nobody has had; its first letter tells whose it is."""
        self._names += 1
        return f"{self.name}{self._names:015x}"

    def pause(self) -> None:
        """The others' steps are the time that passes."""
        raise Again

    def go(self, stages: list[Stage]) -> None:
        """Do one step more."""
        stage, lock, _ = self.world.at[self.name]
        try:
            lock = stages[stage](self, Folder(self, 0), lock)
        except NextStep:
            return
        except Again:
            self.world.at[self.name] = stage, lock, self._names
        except Alive:
            self.world.over[self.name] = "refused"
        except FileNotFoundError:
            assert self.world.writer != self.name, "a writer is told that it is none"
            self.world.over[self.name] = "followed"
        else:
            self.world.at[self.name] = stage + 1, lock, self._names
            if stage + 1 == len(stages):
                self.world.over[self.name] = "done"
        finally:
            assert not self.wrong, self.wrong
        self.world.steps[self.name] = ()


class Folder:
    """A second `trainable.disk.Directory`: a folder of the world, as one process has it."""

    def __init__(self, process: Process, number: int) -> None:
        self.process, self.number = process, number

    @property
    def _world(self) -> World:
        return self.process.world

    def _names(self, number: int | None = None) -> dict[str, int | bytes]:
        return self._world.folders[self.number if number is None else number]

    def _at(self, name: str) -> tuple[dict[str, int | bytes], str]:
        folder, (*above, last) = self.number, name.split("/")
        for part in above:
            below = self._names(folder).get(part)
            if not isinstance(below, int):
                raise FileNotFoundError(errno.ENOENT, "No such file or directory")
            folder = below
        return self._names(folder), last

    def _there(self, name: str) -> int | bytes:
        names, last = self._at(name)
        if last not in names:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return names[last]

    def names(self) -> list[str]:
        """What lies here. Folders may be renamed meanwhile, which hides both their names."""
        free = not (self.process.fine or self.number == 1)
        there = self.process.step(lambda: tuple(sorted(self._names())), free=free)
        if any(name[:6].isdigit() for name in there):
            after = self.process.step(lambda: tuple(self._names()))
            return [name for name in there if name in after]
        return list(there)

    def kind(self, name: str) -> int:
        """The mode."""

        def look() -> int:
            names, last = self._at(name)
            kinds = {int: stat.S_IFDIR, bytes: stat.S_IFREG}
            return kinds[type(names[last])] if last in names else 0

        try:
            return int(self.process.step(look))
        except FileNotFoundError:
            return 0

    def folder(self, name: str) -> Self:
        """A folder in it."""
        return type(self)(self.process, self.process.step(lambda: self._there(name)))

    def read(self, name: str, most: int) -> bytes:
        """A file's content."""
        content: bytes = self.process.step(lambda: self._there(name))
        return content

    def write(self, name: str, content: bytes) -> None:
        """A new file."""

        def make() -> None:
            if name in self._names():
                raise FileExistsError(errno.EEXIST, "File exists")
            self._names()[name] = content

        self.process.step(make, free=not self.process.fine and not name.endswith(".json"))

    def overwrite(self, name: str, content: bytes) -> None:
        """Another content."""

        def write() -> None:
            self._there(name)
            self._names()[name] = content
            self._world.begun[self.process.name] = self._world.begun.get(self.process.name, 0) + 1

        self.process.step(write)

    def mkdir(self, name: str) -> None:
        """A new folder."""

        def make() -> None:
            number = max(self._world.folders) + 1
            self._world.folders[number] = {}
            self._names()[name] = number

        self.process.step(make)

    def rename(self, name: str, to: Self, new: str) -> None:
        """Move it, and see whose right it is."""

        def move() -> None:
            what = self._there(name)
            names, last = self._at(name)
            target, new_last = to._at(new)
            there = target.get(new_last)
            if isinstance(there, int) and self._names(there):
                raise OSError(errno.ENOTEMPTY, "Directory not empty")
            wrong = _judge(self.process, self._world.writer, new)
            self.process.wrong = self.process.wrong or wrong
            del names[last]
            target[new_last] = what

        self.process.step(move)

    def unlink(self, name: str) -> bool:
        """Remove a file."""

        def remove() -> bool:
            names, last = self._at(name)
            return names.pop(last, None) is not None

        try:
            return bool(self.process.step(remove, free=not self.process.fine))
        except FileNotFoundError:
            return False

    def rmdir(self, name: str) -> None:
        """Remove a folder."""

        def remove() -> None:
            number = self._there(name)
            assert isinstance(number, int)
            if self._names(number):
                raise OSError(errno.ENOTEMPTY, "Directory not empty")
            del self._names()[name]

        self.process.step(remove)

    def close(self) -> None:
        """Nothing."""


def _judge(process: Process, writer: str, new: str) -> str:
    """What is wrong with a renaming, by what the test knows of all processes; empty: nothing."""
    world, mine = process.world, process.name
    if new == TABLE and writer != mine:
        return f"{mine} writes while {writer} is the writer"
    number, _, name = new.removeprefix(".lock/").partition("-")
    if not number.isdigit():
        return ""
    if int(number) != world.newest + 1:
        return "a number comes again"
    if name[0] != mine:
        return "a process takes a number for another"
    world.newest += 1
    if writer in ("", mine) or writer in world.over:
        return ""
    watched = world.watched[mine].get(writer)
    lives = watched is not None and watched < world.beats.get(writer, 0)
    return f"{writer} lives and is followed" if lives else ""


def taking(process: Process, top: Folder, lock: Lock) -> Lock:
    """Becomes the writer."""
    held = take(top, process.name.encode(), process, process.new_name)
    return held.number, held._name, held.own.number, 0


def held_by(top: Folder, lock: Lock) -> Held[Folder]:
    """The lock that a process has."""
    number, name, own, beats = lock
    held = Held(top, Folder(top.process, own), number, name)
    held._beats = beats
    return held


def writing(process: Process, top: Folder, lock: Lock) -> Lock:
    """Replaces a file of the run folder by way of the lock's folder."""
    held, staged = held_by(top, lock), f"{process.new_name()}.staged"
    held.own.write(staged, process.name.encode())
    held.move(staged, top, TABLE)
    return lock


def beating(process: Process, top: Folder, lock: Lock) -> Lock:
    """Says that it lives."""
    held, world = held_by(top, lock), process.world
    held.beat()
    world.beats[process.name] = world.begun[process.name]
    return held.number, *lock[1:3], lock[3] + 1


def releasing(process: Process, top: Folder, lock: Lock) -> Lock:
    """Ends."""
    held_by(top, lock).release()
    return lock


Lock = tuple[int, str, int, int]
"""Number, name and folder of a lock that is held, and the beats so far."""

NOTHING = (0, (0, "", 0, 0), 0)

Stage = Callable[[Process, "Folder", Lock], Lock]


def begun() -> World:
    """A run folder with a lock that nobody has had."""
    world = World()
    world.folders = {0: {".lock": 1}, 1: {"000000": 2}, 2: {}}
    return world


def go(world: World, name: str, stages: list[Stage], see_dead: bool, fine: bool) -> World:
    """The world after a process's next step."""
    after = world.copy()
    Process(after, name, see_dead, fine).go(stages)
    return after


def explore(
    world: World, all_stages: dict[str, list[Stage]], see_dead: bool, deaths: int, fine: bool = True
) -> list[World]:
    """Go every way, and return the worlds in which all is over.

    From each world on the way, a process that comes when all others are dead gets the lock.
    """
    world.steps = dict.fromkeys(all_stages, ())
    world.at = dict.fromkeys(all_stages, NOTHING)
    met: set[object] = set()
    disks: dict[Tree, World] = {}
    ends, left = [], [(world, deaths)]
    while left:
        now, may_die = left.pop()
        if (key := (now.key, may_die)) in met:
            continue
        met.add(key)
        disks.setdefault(now.tree(), now)
        going = [name for name in all_stages if name not in now.over]
        if not going:
            ends.append(now)
        for name in going:
            left.append((go(now, name, all_stages[name], see_dead, fine), may_die))
            if may_die:
                dead = now.copy()
                dead.over[name] = "dead"
                left.append((dead, may_die - 1))
    for disk in disks.values():
        assert comes_late(disk) == "done"
    assert len(disks) > 50
    return ends


def comes_late(world: World) -> str:
    """How a process ends that is alone from now on."""
    world = world.copy()
    world.over = dict.fromkeys(world.steps, "dead")
    world.steps["d"], world.at["d"] = (), NOTHING
    for _ in range(100):
        if "d" in world.over:
            break
        world = go(world, "d", SHORT, see_dead=False, fine=True)
    return world.over["d"]


SHORT = [taking, writing]
LONG = [taking, writing, beating, writing, releasing]


@pytest.mark.parametrize(
    ("see_dead", "stages"), [(True, LONG), (False, LONG[:4])], ids=["one machine", "two"]
)
def test_two_take_it_in_every_order_and_either_may_die_at_any_step(
    see_dead: bool, stages: list[Stage]
) -> None:
    """One of them lives on and beats: whoever comes meanwhile is refused, or has followed a writer
    that stood still."""
    ends = explore(begun(), {"a": stages, "b": SHORT}, see_dead, deaths=1)
    ways = {(end.over["a"], end.over["b"]) for end in ends}
    assert {("done", "done"), ("done", "refused"), ("followed", "done"), ("dead", "done")} <= ways
    assert ("refused", "refused") not in ways


def test_both_may_die() -> None:
    """And who comes then gets it."""
    ends = explore(begun(), {"a": SHORT, "b": SHORT}, see_dead=True, deaths=2)
    assert ("dead", "dead") in {tuple(end.over.values()) for end in ends}


def test_the_lock_is_made_by_two_at_once() -> None:
    """Where there is only an empty folder, or one that was left half made."""
    for folders in (
        {0: {".lock": 1}, 1: {}},
        {0: {".lock-0123456789abcdef": 1}, 1: {"000000": 2}, 2: {}},
    ):
        world = World()
        world.folders = folders  # type: ignore[assignment]  # names and numbers
        ends = explore(world, {"a": [taking], "b": [taking]}, see_dead=True, deaths=0, fine=False)
        assert {"done"} <= {how for end in ends for how in end.over.values()}


def test_three_take_it_in_every_order_and_one_may_die_at_any_step() -> None:
    """Each gets it, or is told who has it, or loses it only when it stands still."""
    for stages, deaths, ways in (
        ([taking], 1, {"done", "refused", "dead"}),
        (SHORT, 0, {"done", "refused", "followed"}),
    ):
        ends = explore(begun(), dict.fromkeys("abc", stages), False, deaths, fine=False)
        assert {how for end in ends for how in end.over.values()} == ways


class Stalls:
    """A judge that stands still once it has judged, as a process does that is stopped there.

    Args:
        meanwhile: what the others do.
    """

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile, self._judged = meanwhile, 0

    def await_death(self, said: bytes | None, look: Callable[[], bytes | None]) -> None:
        """At first the writer is dead; afterwards it lives."""
        self._judged += 1
        if self._judged > 1:
            raise Alive("it lives")
        self._meanwhile()

    def pause(self) -> None:
        """Nothing."""


def test_who_has_stalled_does_not_come_by_an_old_number(tmp_path: Path) -> None:
    """On a real disk: another came and went, a third writes; the first one's look is long ago."""
    top, names = Directory.at(tmp_path), iter(f"{number:016x}" for number in range(100))
    first = take(top, b"0", Stalls(lambda: None), lambda: next(names))
    numbers, third = [first.number], []

    def meanwhile() -> None:
        for _ in range(2):
            held = take(top, b"1", Stalls(lambda: None), lambda: next(names))
            numbers.append(held.number)
            if len(numbers) < 3:
                held.release()
            third[:] = [held]

    with pytest.raises(Alive, match="it lives"):
        take(top, b"2", Stalls(meanwhile), lambda: next(names))
    assert numbers == [1, 2, 3]
    (held,) = third
    assert held.stands()
    assert not first.stands()
    assert [place.name[:6] for place in (tmp_path / ".lock").iterdir()] == ["000003"]
    held.beat()
    assert held.number == 3


def test_a_writer_that_finds_a_claim_gets_away(tmp_path: Path) -> None:
    """Then it has the next number, and the claim is gone; who has followed it cannot be fled."""
    top, names = Directory.at(tmp_path), iter(f"{number:016x}" for number in range(100))
    held = take(top, b"0", Stalls(lambda: None), lambda: next(names))
    held.own.write("f" * 16 + ".json", b"claim")
    held.beat()
    assert held.number == 2
    assert held.stands()
    assert not list(tmp_path.glob(".lock/*/ffff*"))
    take(top, b"1", Stalls(lambda: None), lambda: next(names))
    assert not held.stands()
    with pytest.raises(FileNotFoundError, match="No such file"):
        held.beat()


def test_of_two_writers_folders_the_later_one_counts(tmp_path: Path) -> None:
    """As where a disk shows the old name beside the new one: no number comes again."""
    top, names = Directory.at(tmp_path), iter(f"{number:016x}" for number in range(100))
    for number in (1, 5, 3):
        (tmp_path / ".lock" / f"{number:06d}-{number:016x}").mkdir(parents=True)
    assert take(top, b"0", Stalls(lambda: None), lambda: next(names)).number == 6


def test_a_copy_made_of_links_takes_no_sign_of_life_from_the_writer(tmp_path: Path) -> None:
    """A backup (``cp -al``) of a search that runs keeps the number that it has got."""
    top = Directory.at(tmp_path)
    held = take(top, b"0", Stalls(lambda: None), lambda: f"{7:016x}")
    (file,) = tmp_path.glob(".lock/*/*.beat")
    os.link(file, tmp_path / "backup")
    before = file.read_bytes()
    held.beat()
    assert file.read_bytes() != before
    assert (tmp_path / "backup").read_bytes() == before
    held.beat()
    assert held.number == 1
