"""Damaged run folders: one line that names the file, exit code 1, and not a row changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas
import pytest

import shoal
from shoal.search.command.main import main

Damage = Callable[[Path], None]


@pytest.fixture
def out(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, ``out`` in the folder stood in."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(finished, "out"))


def put(name: str, text: str) -> Damage:
    """Put a file with this text in the place of what is there."""

    def damage(out: Path) -> None:
        remove(name)(out)
        (out / name).write_text(text)

    return damage


def remove(name: str) -> Damage:
    """Remove a file or a folder."""

    def damage(out: Path) -> None:
        shutil.rmtree(out / name) if (out / name).is_dir() else (out / name).unlink(missing_ok=True)

    return damage


def folder(name: str) -> Damage:
    """Put a folder in the place of a file."""

    def damage(out: Path) -> None:
        remove(name)(out)
        (out / name).mkdir()

    return damage


def change(name: str, before: str, after: str) -> Damage:
    """Change a text in a file."""

    def damage(out: Path) -> None:
        text = (out / name).read_text()
        assert before in text
        (out / name).write_text(text.replace(before, after))

    return damage


PART = "parts/r000000-p000000.0123456789abcdef.parquet"
NOT_WRITTEN = "it is not what shoal has written; put it back, or choose another --out"
AGAIN = "run the same command again"

DAMAGED = [
    # name, damage, line of `shoal results` (None: it works), line of `shoal run` (None: the same)
    (
        "seed edited",
        change("search.toml", "seed = 0", "seed = 1"),
        f"out/search.toml is damaged: {NOT_WRITTEN}",
        None,
    ),
    (
        "torn toml",
        change("search.toml", "[space]", "[spa"),
        "out/search.toml is damaged: Expected ']' at the end of a table declaration (at line 28, column 5); put it back, or choose another --out",
        None,
    ),
    (
        "toml a folder",
        folder("search.toml"),
        "out/search.toml cannot be read: Is a directory",
        None,
    ),
    (
        "no ledger",
        remove("digests.json"),
        "out/digests.json is missing; put it back, or choose another --out",
        None,
    ),
    (
        "ledger of garbage",
        put("digests.json", "garbage"),
        "out/digests.json is damaged; put it back, or choose another --out",
        None,
    ),
    (
        "ledger a list",
        put("digests.json", "[]"),
        "out/digests.json is damaged; put it back, or choose another --out",
        None,
    ),
    (
        "ledger of words",
        put("digests.json", '{"search.toml": "ab"}'),
        "out/digests.json is damaged; put it back, or choose another --out",
        None,
    ),
    (
        "ledger of null",
        put("digests.json", '{"search.toml": null}'),
        "out/digests.json is damaged; put it back, or choose another --out",
        None,
    ),
    (
        "ledger too deep",
        put("digests.json", "[" * 100_000),
        "out/digests.json is damaged; put it back, or choose another --out",
        None,
    ),
    ("ledger empty", put("digests.json", "{}"), f"out/search.toml is damaged: {NOT_WRITTEN}", None),
    (
        "ledger a folder",
        folder("digests.json"),
        "out/digests.json cannot be read: Is a directory",
        None,
    ),
    (
        "no trials",
        remove("trials.parquet"),
        "out/trials.parquet is missing; put it back, or choose another --out",
        None,
    ),
    (
        "trials of garbage",
        put("trials.parquet", "PAR1"),
        f"out/trials.parquet is damaged: {NOT_WRITTEN}",
        None,
    ),
    (
        "trials a folder",
        folder("trials.parquet"),
        "out/trials.parquet cannot be read: Is a directory",
        None,
    ),
    (
        "no curves",
        remove("curves.parquet"),
        "out/curves.parquet is missing; put it back, or choose another --out",
        None,
    ),
    (
        "curves a folder",
        folder("curves.parquet"),
        "out/curves.parquet cannot be read: Is a directory",
        None,
    ),
    (
        "a stray file",
        put("parts/notes.txt", "x"),
        "out/parts/notes.txt is no part of this search; move it away",
        None,
    ),
    (
        "a damaged part",
        put(PART, "x"),
        f"out/{PART} is damaged; remove it and {AGAIN}: its fits are done again",
        None,
    ),
    ("a part a folder", folder(PART), f"out/{PART} cannot be read: Is a directory", None),
    (
        "parts a file",
        put("parts", "x"),
        "out/parts cannot be read: Not a directory",
        f"out/parts is no folder; remove it and {AGAIN}",
    ),
    ("packs a file", put("packs", "x"), None, f"out/packs is no folder; remove it and {AGAIN}"),
    ("lock a file", put(".lock", "x"), None, f"out/.lock is no folder; remove it and {AGAIN}"),
    (
        "environment of garbage",
        put("environment.json", "x"),
        None,
        f"out/environment.json is damaged; remove it (it holds no rows) and {AGAIN}",
    ),
    (
        "environment a dict",
        put("environment.json", "{}"),
        None,
        f"out/environment.json is damaged; remove it (it holds no rows) and {AGAIN}",
    ),
    (
        "environment too deep",
        put("environment.json", "[" * 100_000),
        None,
        f"out/environment.json is damaged; remove it (it holds no rows) and {AGAIN}",
    ),
    (
        "environment a folder",
        folder("environment.json"),
        None,
        f"out/environment.json is damaged; remove it (it holds no rows) and {AGAIN}",
    ),
    (
        "problem edited",
        change("problem/good.py", "10", "11"),
        None,
        "PLACE/out/problem/good.py has changed since the search began; put it back, or choose another --out",
    ),
    (
        "no problem",
        remove("problem"),
        None,
        "cannot read PLACE/out/problem/good.py: No such file or directory; put it back, or choose another --out",
    ),
    (
        "problem a folder",
        folder("problem/good.py"),
        None,
        "cannot read PLACE/out/problem/good.py: Is a directory; put it back, or choose another --out",
    ),
]


def kept(out: Path) -> dict[str, bytes]:
    """What no run may change in a folder that it refuses: all but the lock and the environment."""
    return {
        str(file): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.is_file() and ".lock" not in file.parts and file.name != "environment.json"
    }


@pytest.mark.parametrize(
    ("damage", "read", "written"),
    [case[1:] for case in DAMAGED],
    ids=[case[0] for case in DAMAGED],
)
def test_damage_is_one_line_that_names_the_file(
    out: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Damage,
    read: str | None,
    written: str | None,
) -> None:
    """Reading and going on each end with exactly the expected line, exit code 1."""
    damage(out)
    before = kept(out)
    lines = {"results": read, "run": written or read}
    for command, line in lines.items():
        with pytest.raises(SystemExit, match="0" if line is None else "1"):
            main.main(args=[command, "out"] if command == "results" else ["run", "--out", "out"])
        err = capsys.readouterr().err
        assert err == (f"shoal: {line}\n".replace("PLACE", str(Path.cwd())) if line else "")
    assert kept(out) == before


MENDED = {
    "no parts": remove("parts"),
    "no packs": remove("packs"),
    "no lock": remove(".lock"),
    "no environment": remove("environment.json"),
    "an odd environment": put("environment.json", '[{"packages": 5}]'),
    "an odd lock": put(".lock/²", "x"),
    "a checkpoint that is a folder": folder("packs/0123456789abcdef01234567-000000.pt"),
    "a hidden file among the parts": put("parts/.nfs0001", "x"),
}


@pytest.mark.parametrize("damage", MENDED.values(), ids=MENDED)
def test_what_a_search_can_do_without_is_made_again(
    finished: Path, out: Path, damage: Damage
) -> None:
    """A search whose rows are all there goes on without what holds no rows."""
    damage(out)
    expected = shoal.load(finished).trials
    for result in (shoal.load(out), shoal.run(out=out, engine="inline")):
        pandas.testing.assert_frame_equal(result.trials, expected, check_exact=True)


def last_writer(out: Path) -> Path:
    """Where the last writer says who it is, if it did not release the lock."""
    (place,) = (out / ".lock").iterdir()
    return place / f"{place.name.partition('-')[2]}.json"


def test_an_owner_that_cannot_be_read_counts_as_alive_while_its_number_changes(out: Path) -> None:
    """Garbage in the lock: while something writes there the folder is refused, in one line."""
    owner = last_writer(out)
    owner.write_text("garbage")
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.1):
            owner.with_suffix(".beat").write_text(f"{time.monotonic()}\n")

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(
            shoal.BadInput,
            match=r"^out is being written by another process; wait for it, or choose another --out$",
        ):
            shoal.run(out=out, engine="inline")
    finally:
        stop.set()
        thread.join()


def test_an_owner_that_cannot_be_read_and_is_silent_is_followed(finished: Path, out: Path) -> None:
    """Garbage in the lock whose number stands still for 20 s: the next writer takes over."""
    last_writer(out).write_text('["garbage"]')
    result = shoal.run(out=out, engine="inline")
    assert result.trials["trial"].tolist() == list(range(8))


def test_a_folder_that_another_process_writes_is_refused(out: Path) -> None:
    """While one process holds the folder another gets a line that names it; then it may."""
    hold = (
        "import pathlib, sys; from shoal.search.lock.lock import Lock;"
        "Lock.take(pathlib.Path('out'), print); print('held', flush=True);"
        "sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(shoal.BadInput, match=f"out is being written by process {holder.pid} on"):
        shoal.run(out="out")
    holder.kill()
    holder.communicate()
    assert len(shoal.run(out="out").trials) == 8


@pytest.fixture
def ordinary() -> Iterator[Path]:
    """A folder stood in by a user whom permissions bind, also where root runs the tests."""
    place, before = Path(tempfile.mkdtemp()), Path.cwd()
    root = os.geteuid() == 0
    if root:
        os.chown(place, 65534, 65534)
        os.seteuid(65534)
    os.chdir(place)
    try:
        yield place
    finally:
        os.chdir(before)
        if root:
            os.seteuid(0)
        for found in (place, *place.rglob("*")):
            if found.is_dir():
                found.chmod(0o700)
        shutil.rmtree(place)


SHUT = [
    # what is shut, its mode, exit code and line of `shoal results` and of `shoal run`
    (
        "above/out",
        0o000,
        2,
        "above/out/search.toml cannot be read: Permission denied; choose another",
        2,
        "above/out/search.toml cannot be read: Permission denied; choose another",
    ),
    (
        "above",
        0o000,
        2,
        "above/out cannot be read: Permission denied; choose another",
        2,
        "above/out cannot be read: Permission denied; choose another",
    ),
    (
        "above/out",
        0o500,
        0,
        "",
        1,
        f"cannot write above/out/environment.json: Permission denied; mend that and {AGAIN}: it goes on",
    ),
    (
        "above/out/.lock",
        0o500,
        0,
        "",
        1,
        f"cannot write above/out/.lock: Permission denied; mend that and {AGAIN}: it goes on",
    ),
    (
        "above/out/trials.parquet",
        0o000,
        1,
        "above/out/trials.parquet cannot be read: Permission denied",
        1,
        "above/out/trials.parquet cannot be read: Permission denied",
    ),
    (
        "above/out/parts",
        0o000,
        1,
        "above/out/parts cannot be read: Permission denied",
        1,
        "above/out/parts cannot be read: Permission denied",
    ),
]


@pytest.mark.parametrize(
    ("what", "mode", "read_code", "read", "run_code", "run"),
    SHUT,
    ids=[f"{case[0]} {case[1]:o}" for case in SHUT],
)
def test_a_folder_that_may_not_be_read_or_written_is_told(
    ordinary: Path,
    capsys: pytest.CaptureFixture[str],
    what: str,
    mode: int,
    read_code: int,
    read: str,
    run_code: int,
    run: str,
) -> None:
    """Whatever permission is missing, one line says which; reading needs no right to write."""
    shoal.run("cubic-sine", trials=8, steps=5, out="above/out", engine="inline")
    Path(what).chmod(mode)
    for command, code, line in (
        (["results", "above/out"], read_code, read),
        (["run", "--out", "above/out"], run_code, run),
    ):
        with pytest.raises(SystemExit, match=str(code)):
            main.main(args=command)
        assert capsys.readouterr().err == (f"shoal: {line}\n" if line else "")


def test_a_new_folder_where_none_may_be_made_is_told(
    ordinary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No right to write where the folder would be: one line, exit code 2."""
    Path("above").mkdir(mode=0o500)
    with pytest.raises(SystemExit, match="2"):
        main.main(args=["run", "--trials", "2", "--steps", "2", "--out", "above/new/out"])
    line = "shoal: cannot make above/new/out: Permission denied; choose another --out\n"
    assert capsys.readouterr().err == line
    assert not list(Path("above").iterdir())
