"""The cache of compiled libraries: what is taken from it, and what goes wrong with it."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch

from shoal.trainable.compiling.building import Run, digest
from shoal.trainable.compiling.library import Place, cache_folder, functions, loaded, make
from shoal.trainable.compiling.loading import Library, whole
from shoal.trainable.compiling.toolchain import command, identity
from shoal.trainable.disk.temporary import private_folder
from shoal.trainable.disk.trust import check_folder
from shoal.trainable.errors import CompileError
from shoal.trainable.fused.cpp.compiled import FLAGS

Eventually = Callable[..., None]
StrangeCompiler = Callable[[Path, str], str]

SOURCE = 'extern "C" int run() {{ return {number}; }}\n'


class Number:
    """A library whose function returns a number."""

    seconds = 60.0

    def __init__(self, number: int, source: str = SOURCE) -> None:
        self._source = source.format(number=number)

    def key(self) -> str:
        """Its source."""
        return self._source

    def command(self, folder: Path, made: Path) -> Sequence[str]:
        """The same as of a kernel."""
        file = folder / "kernel.cpp"
        file.write_text(self._source)
        return [*command(), *FLAGS, "-o", str(made), str(file)]

    def environment(self, folder: Path) -> Mapping[str, str]:
        """None."""
        return {}

    def load(self, file: str) -> Run:
        """The function, as one of lists of tensors."""
        run = ctypes.CDLL(file).run
        return lambda arguments: [torch.tensor(run())]


def number_of(code: Number, private: bool = False, compiler: str | None = None) -> int:
    """What its function returns."""
    made = functions([code], compiler, lambda: False, private)
    assert made is not None
    return int(made[0][0]([])[0])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SHOAL_CACHE", str(folder))
    monkeypatch.delenv("CXX", raising=False)
    return folder


def test_the_compiler_is_in_the_key(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other options it is made anew; with the same by another path it is not."""
    assert number_of(Number(1)) == 1
    assert len(list(cache.glob("*.so"))) == 1
    monkeypatch.setenv("CXX", f"{command()[0]} -O1")
    assert number_of(Number(1)) == 1
    assert len(list(cache.glob("*.so"))) == 2
    other = cache.parent / "g++"
    other.symlink_to(shutil.which("g++") or "")
    monkeypatch.setenv("CXX", str(other))
    assert number_of(Number(1)) == 1
    assert len(list(cache.glob("*.so"))) == 2


def test_what_another_compiler_has_made_is_used_and_not_made_by_this_one(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it lies in the cache no compiler is needed at all; else it is told which one is."""
    mine = identity()
    assert number_of(Number(1)) == 1
    monkeypatch.setenv("CXX", "no-such-c++")
    assert number_of(Number(1), compiler=mine) == 1
    with pytest.raises(CompileError, match="there is no C"):
        number_of(Number(2), compiler=mine, private=True)
    monkeypatch.delenv("CXX")
    with pytest.raises(CompileError, match=re.escape(f"the compiler here is {mine}, not g++ 1")):
        number_of(Number(1), compiler="g++ 1", private=True)


def test_two_libraries_by_the_same_number_of_a_descriptor_are_two(cache: Path) -> None:
    """One after the other: glibc takes a name that it knows for the same library."""
    places = [Place(Number(n), cache_folder(), identity()) for n in range(12)]
    made = make(places, lambda: False, most=2)
    assert made is not None
    before = len(os.listdir("/proc/self/fd"))
    runs = []
    for n in range(96):
        runs.append(loaded(places[n % 12], made[places[n % 12]]))
    assert [int(run([])[0]) for run in runs] == [n % 12 for n in range(96)]
    assert len(os.listdir("/proc/self/fd")) == before  # none is kept open


def test_where_memory_cannot_be_run_it_is_loaded_by_its_descriptor(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two as well."""
    monkeypatch.delattr(os, "memfd_create")
    assert [number_of(Number(n)) for n in (1, 2, 1, 3)] == [1, 2, 1, 3]


def test_what_is_checked_is_what_is_loaded(cache: Path) -> None:
    """Another file in its place, or fewer bytes in it, after it was looked at: nothing happens."""
    assert (number_of(Number(1)), number_of(Number(2))) == (1, 2)
    place = Place(Number(1), cache, identity())
    library = place.find()
    assert library is not None
    with open(library.file, "r+b") as handle:  # root may
        handle.truncate(1000)
    library.file.unlink()
    library.file.write_bytes(next(cache.glob("*.so")).read_bytes())
    assert int(library.load(Number(1))([])[0]) == 1


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut short": lambda content: content[: len(content) // 2],
    "one byte": lambda content: content[:-1],
    "another byte": lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
    "longer": lambda content: content + b"\0",
    "no library": lambda content: b"not ELF",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_library_is_made_anew(cache: Path, damage: str) -> None:
    """At once, without a word."""
    assert number_of(Number(5)) == 5
    (file,) = cache.glob("*.so")
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(DAMAGE[damage](content))
    file.chmod(0o500)
    assert number_of(Number(5)) == 5
    (file,) = cache.glob("*.so")
    assert digest(file.read_bytes()) == file.stem.rpartition("-")[2]


@pytest.mark.parametrize("way", ["open to others", "another user's", "a link"])
def test_a_library_that_others_can_change_is_not_loaded(cache: Path, way: str) -> None:
    """It is made anew."""
    assert number_of(Number(5)) == 5
    (file,) = cache.glob("*.so")
    if way == "open to others":
        file.chmod(0o522)
    elif way == "a link":
        beside = cache.parent / "beside.so"
        file.rename(beside)
        file.symlink_to(beside)
    else:
        if os.geteuid() != 0:
            pytest.skip("giving a file away needs root")
        os.chown(file, 1, 1)
    with pytest.raises((CompileError, OSError), match=r"others can write|not a file of|symbolic"):
        Library.read(file)


BROKEN = {
    "nothing made": ("exit 0", "made nothing"),
    "an empty file": (': > "$OUT"', "is not a whole library"),
    "half a library": ('real "$@" && truncate -s 6000 "$OUT"', "is not a whole library"),
    "no library": ('echo text > "$OUT"', "is not a whole library"),
    "no function": ('real -shared -o "$OUT" -x c++ - </dev/null', "undefined symbol: run"),
    "an error": ("echo not today >&2; exit 3", "compiling failed (not today)"),
    "an error without a word": ("exit 3", "compiling failed (exit code 3)"),
    "killed": ("kill -9 $$", "killed by signal 9"),
    "a crash": ("kill -SEGV $$", "killed by signal 11"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_compiler_is_told_in_one_line(
    how: str, cache: Path, monkeypatch: pytest.MonkeyPatch, strange_compiler: StrangeCompiler
) -> None:
    """Neither this process nor the cache suffers; a good compiler makes it afterwards."""
    does, why = BROKEN[how]
    good = os.environ.get("CXX", "")
    monkeypatch.setenv("CXX", strange_compiler(cache.parent, does))
    with pytest.raises(CompileError, match=re.escape(why)) as caught:
        number_of(Number(7))
    assert len(str(caught.value).splitlines()) == 1
    assert {f.suffix for f in cache.iterdir()} <= {".lock"}
    monkeypatch.setenv("CXX", good)
    assert number_of(Number(7)) == 7


def test_a_compiler_that_hangs_ends_with_all_that_it_has_started(
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    strange_compiler: StrangeCompiler,
    eventually: Eventually,
) -> None:
    """In the time that it is given, and it is not tried in another folder."""
    monkeypatch.setattr(Number, "seconds", 1.0)
    does = f"sleep 1000 & echo $! >> {cache.parent}/calls; exec sleep 1000"
    monkeypatch.setenv("CXX", strange_compiler(cache.parent, does))
    with pytest.raises(CompileError, match="did not end in 1 s"):
        number_of(Number(1), private=True)
    calls = [line.split()[0] for line in (cache.parent / "calls").read_text().splitlines()]
    assert len(calls) == 2  # the compiler, once, and what it has started
    eventually(lambda: all(b"sleep" not in _command_line(Path("/proc", call)) for call in calls))


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_a_process_that_holds_the_lock_and_does_nothing_is_not_waited_for_for_ever(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line."""
    monkeypatch.setattr(Number, "seconds", 0.5)
    monkeypatch.setattr("shoal.trainable.compiling.library.LONGER_SECONDS", 0.0)
    place = Place(Number(1), cache_folder(), identity())
    with open(cache / f"{place.name}.lock", "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CompileError, match=r"keeps .* and makes nothing"):
            number_of(Number(1))


def test_where_there_are_no_locks_it_is_made_all_the_same(
    cache: Path, monkeypatch: pytest.MonkeyPatch, strange_compiler: StrangeCompiler
) -> None:
    """By two at once if need be; neither takes the other's folder away."""

    def refuse(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    slow = strange_compiler(cache.parent, 'sleep 0.5; real "$@"')
    monkeypatch.setenv("CXX", slow)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(number_of(Number(3)))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    assert found == [3, 3, 3]


def mount(*words: object) -> None:
    """Mount, again while the disk is busy: what begins has our open files for a moment."""
    until = time.monotonic() + 60
    while (done := subprocess.run(["mount", *map(str, words)], check=False)).returncode:
        assert time.monotonic() < until, done
        time.sleep(0.1)


def test_a_read_only_cache_of_good_libraries_is_used(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a compiler; what is not in it is told, or made in a temporary folder."""
    monkeypatch.setenv("SHOAL_CACHE", str(disk))
    assert number_of(Number(1)) == 1
    mount("-o", "remount,ro", disk)
    mine = identity()
    with monkeypatch.context() as without:
        without.setenv("CXX", "no-such-c++")
        assert number_of(Number(1), compiler=mine) == 1
    with pytest.raises(CompileError, match=r"cannot write to .*Read-only file system.*SHOAL_CACHE"):
        number_of(Number(2))
    assert number_of(Number(2), private=True) == 2
    assert [f.suffix for f in private_folder().iterdir()].count(".so") >= 1


def test_a_cache_without_room_is_told_or_done_without(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whatever moment it is full: for the lock, the source, or the library."""
    monkeypatch.setenv("SHOAL_CACHE", str(disk))
    lines = []
    for pages in range(1, 20):
        mount("-o", f"remount,size={4096 * pages}", disk)
        for file in disk.iterdir():
            file.unlink()
        try:
            assert number_of(Number(pages)) == pages
        except CompileError as error:
            lines.append(str(error))
            assert number_of(Number(pages), private=True) == pages
        else:
            break
    assert lines
    assert all("No space left" in line or "is full" in line for line in lines), lines
    assert [f.name for f in disk.iterdir() if f.is_dir()] == []


def test_a_cache_that_vanishes_is_done_without(
    cache: Path, monkeypatch: pytest.MonkeyPatch, strange_compiler: StrangeCompiler
) -> None:
    """Before, and while it is compiled."""
    away = strange_compiler(cache.parent, f'rm -rf {cache}; real "$@"')
    monkeypatch.setenv("CXX", away)
    with pytest.raises(CompileError, match=r"compiling failed|made nothing|cannot write"):
        number_of(Number(1))
    assert number_of(Number(1), private=True) == 1


def test_a_private_folder_goes_with_its_process(tmp_path: Path) -> None:
    """It is closed to others."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from shoal.trainable.disk.temporary import private_folder as p;"
            "print(p(), oct(p().stat().st_mode & 0o777)); (p() / 'x').touch()",
        ],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    folder, mode = done.stdout.split()
    assert (Path(folder).parent, mode) == (tmp_path, "0o700")
    assert not Path(folder).exists()


def tree(root: Path) -> Path:
    """A folder in two others."""
    folder = root / "one" / "two" / "cache"
    folder.mkdir(parents=True, mode=0o700)
    return folder


@pytest.mark.parametrize("which", ["one", "one/two", "one/two/cache"])
@pytest.mark.parametrize("mode", [0o777, 0o707, 0o702])
def test_a_cache_below_a_folder_that_others_can_write_to_is_refused(
    tmp_path: Path, which: str, mode: int
) -> None:
    """Any of its parents; with the sticky bit a parent is fine, and the folder itself is not."""
    folder = tree(tmp_path)
    check_folder(folder)
    (tmp_path / which).chmod(mode)
    with pytest.raises(CompileError, match="others can write to it; set SHOAL_CACHE"):
        check_folder(folder)
    (tmp_path / which).chmod(mode | 0o1000)
    if which.endswith("cache"):
        with pytest.raises(CompileError, match="others can write to it"):
            check_folder(folder)
    else:
        check_folder(folder)


def test_each_link_on_the_way_is_looked_at(tmp_path: Path) -> None:
    """Also one in the middle, one that leads up, and a circle."""
    folder = tree(tmp_path)
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    (open_to_all / "link").symlink_to(folder.parent)
    (tmp_path / "far").symlink_to(open_to_all / "link")
    (tmp_path / "one" / "up").symlink_to("../far")
    (tmp_path / "circle").symlink_to("circle")
    way = tmp_path / "one" / "up" / "cache"
    check_folder(way)
    open_to_all.chmod(0o777)
    with pytest.raises(CompileError, match=r"open, through which .* leads,"):
        check_folder(way)
    open_to_all.chmod(0o755)
    if os.geteuid() == 0:
        os.lchown(open_to_all / "link", 12345, 12345)
        with pytest.raises(CompileError, match=r"link, through which .* leads,"):
            check_folder(way)
    with pytest.raises(CompileError, match="cannot read"):
        check_folder(tmp_path / "circle")


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder away needs root")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    """Also as a parent."""
    folder = tree(tmp_path)
    for each in (folder, folder.parent):
        os.chown(each, 12345, 12345)
        with pytest.raises(CompileError, match="is another user's"):
            check_folder(folder)
        os.chown(each, 0, 0)
    check_folder(folder)


def test_a_library_is_whole_if_all_that_it_loads_is_there(cache: Path) -> None:
    """Cut anywhere in what is mapped it is not."""
    number_of(Number(1))
    content = next(cache.glob("*.so")).read_bytes()
    assert whole(content)
    assert not any(whole(content[:size]) for size in range(0, 4096, 64))
    assert not whole(b"text" * 1000)
