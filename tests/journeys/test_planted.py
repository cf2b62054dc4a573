"""Links, pipes and other odd things in a run folder: one line, at once, and no file changes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.search.command.main import main
from shoal.search.folder.placing import reserved
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.writer import Writer
from shoal.search.watching.printable import escaped, printable
from shoal.trainable.disk.directory import Directory
from shoal.trainable.fitting import checkpoint

SECONDS = 20.0
"""A command that waits for a pipe would never end; one that does not takes a moment."""

FILES = (
    "search.toml",
    "digests.json",
    "trials.parquet",
    "curves.parquet",
    "environment.json",
    "problem/good.py",
)
FOLDERS = ("parts", "packs", ".lock", "problem")
PART = "parts/r000000-p000000.0123456789abcdef.parquet"


@pytest.fixture
def out(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, ``out`` in the folder stood in, beside a stranger's files."""
    monkeypatch.chdir(tmp_path)
    theirs = Path("theirs")
    theirs.mkdir()
    (theirs / "000001").mkdir()
    for name in ("000001/owner.json", "resnet-50.pt", "beat", "new-folder", "gone-1", ".a-b.pt.c"):
        (theirs / name).write_text("theirs")
    (theirs / f"{'0' * 24}-000000.pt").write_text("theirs")
    return Path(shutil.copytree(finished, "out"))


def everything(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {str(f): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def clear(path: Path) -> None:
    """Remove what is there."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def link(path: Path) -> None:
    """A link to what was there, moved to a stranger."""
    target = Path("theirs", path.name)
    if path.exists():
        path.rename(target)
    path.symlink_to(target.absolute())


def pipe(path: Path) -> None:
    """A pipe that nobody writes."""
    clear(path)
    os.mkfifo(path)


def plug(path: Path) -> None:
    """A socket."""
    clear(path)
    before = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as it:
            it.bind(path.name)
    finally:
        os.chdir(before)


def device(path: Path) -> None:
    """A device without end."""
    clear(path)
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("making a device needs root")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """The exit code of a command, and what it says."""
    began = time.monotonic()
    with pytest.raises(SystemExit, match=r"^\d+$") as ended:
        main.main(args=list(words))
    assert time.monotonic() - began < SECONDS
    return str(ended.value.code), capsys.readouterr().err


PLANTED: dict[str, tuple[Callable[[Path], None], str]] = {
    "link": (link, "it is a symbolic link"),
    "pipe": (pipe, "it is a pipe"),
    "socket": (plug, "it is a socket"),
    "device": (device, "it is a device"),
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("name", [*FILES, *FOLDERS, PART])
def test_what_is_no_file_of_ours_is_refused_in_one_line(
    out: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str
) -> None:
    """Reading and going on; a stranger's files stay as they are, whatever they are called."""
    plant, what = PLANTED[kind]
    plant(out / name)
    before = everything(Path("theirs"))
    for command in (["results", "out"], ["run", "--out", "out", "--engine", "inline"]):
        code, line = said(capsys, *command)
        if command[0] == "results" and not line:  # it reads none of these
            assert name in ("packs", ".lock", "environment.json", "problem", "problem/good.py")
            continue
        assert code == "1", line
        assert line.count("\n") == 1
        assert name.rpartition("/")[2] in line
        assert name == "environment.json" or what in line
    assert everything(Path("theirs")) == before


@pytest.mark.parametrize(
    "way",
    [
        lambda there: there.read("digests.json"),
        lambda there: there.overwrite("digests.json", b"ours"),
        lambda there: there.append("digests.json").close(),
        lambda there: there.folder("parts"),
        lambda there: there.read("problem/good.py"),
    ],
    ids=["read", "overwrite", "append", "folder", "a folder above"],
)
def test_a_link_that_is_put_there_after_the_look_is_not_followed(
    out: Path, way: Callable[[Directory], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a name and its opening, where the opening alone can refuse it."""
    expect = Directory._expect

    def then_link(self: Directory, name: str, *right: Any) -> None:
        expect(self, name, *right)
        link(self.path / name)

    monkeypatch.setattr(Directory, "_expect", then_link)
    refused = pytest.raises(OSError, match=r"symbolic links|Not a directory")
    with Directory.at(out) as there, refused:
        way(there)


def test_a_run_folder_may_be_a_link_itself(out: Path) -> None:
    """As where a user's ``runs`` lead to a large disk."""
    Path("runs").symlink_to(Path.cwd())
    assert shoal.run(out="runs/out", engine="inline").ended == 8
    Path("way").symlink_to(out.absolute())
    assert shoal.run(out="way", engine="inline").ended == 8


def test_the_log_of_errors_is_appended_to_as_a_file_of_its_own(out: Path) -> None:
    """Not through a link, nor into a pipe; one that a backup has too is copied first."""
    writer = Writer(RunFolder.open(out), print)
    log = writer.log_error("fits of pack r0", "\x80first\udc80")
    os.link(log, "theirs/backup.log")
    writer.log_error("fits of pack r1", "second")
    assert Path("theirs/backup.log").read_bytes() == b"fits of pack r0\n\xc2\x80first\\udc80\n\n"
    assert log.read_bytes().endswith(b"\n\nfits of pack r1\nsecond\n\n")
    for plant, what in PLANTED.values():
        plant(log)
        before = everything(Path("theirs"))
        with pytest.raises(shoal.RunFolderError, match=f"cannot write .*errors.log: {what};"):
            writer.log_error("r2", "third")
        assert everything(Path("theirs")) == before
        clear(log)
    writer.close()


def test_a_folder_that_becomes_a_link_while_it_is_written_leads_nowhere(out: Path) -> None:
    """Rows and checkpoints do not go to where ``parts`` and ``packs`` lead now."""
    writer = Writer(RunFolder.open(out), print)
    rows = writer.folder.trials()
    link(out / "parts")
    link(out / "packs")
    before = everything(Path("theirs"))
    with pytest.raises(shoal.RunFolderError, match=r"cannot write .*: it is a symbolic link;"):
        writer.add("r000000-p000000", rows)
    writer.close()
    with pytest.raises(OSError, match="it is a symbolic link"):
        checkpoint.remove(out / "packs")
    with pytest.raises(OSError, match="it is a symbolic link"):
        checkpoint.remove(out / "packs", "0" * 24)
    assert checkpoint.attempts(out / "packs", "0" * 24) == []
    with pytest.raises(checkpoint.CheckpointError, match="it is a symbolic link"):
        checkpoint.load(out / f"packs/{'0' * 24}-000000.pt", of="0" * 24, device="cpu")
    assert everything(Path("theirs")) == before


def test_checkpoints_go_by_name_and_kind(out: Path) -> None:
    """A user's own files among them stay."""
    theirs, key = Path("theirs"), "0" * 24
    shutil.copytree(theirs, out / "packs", dirs_exist_ok=True)
    (out / "packs" / f".{key}-000001.pt.0123").write_text("half")
    (out / "packs" / f"{'1' * 24}-000000.pt").mkdir()
    (out / "packs" / f"{'1' * 24}-000001.pt").symlink_to(theirs.absolute())
    checkpoint.remove(out / "packs", key)
    assert not list((out / "packs").glob(f"*{key}*"))
    checkpoint.remove(out / "packs")
    assert {entry.name for entry in (out / "packs").iterdir()} == {
        *(entry.name for entry in theirs.iterdir() if key not in entry.name),
        *(f"{'1' * 24}-00000{n}.pt" for n in (0, 1)),
    }


def test_a_project_with_folders_of_the_same_names_is_left_alone(out: Path) -> None:
    """One with ``slurm`` and ``problem`` of the user's own, and a job's run folder with rows whose
    ``search.toml`` is gone."""
    project, problem = Path("project"), f"{shutil.copy(out / 'problem/good.py', '.')}:Good"
    for name in ("slurm", "problem"):
        (project / name).mkdir(parents=True)
        (project / name / "thesis.tex").write_text("x")
    before = everything(project)
    with pytest.raises(shoal.BadInput, match="cannot make project: Directory not empty"):
        shoal.run(problem, trials=1, out=project, engine="inline", program="eager")
    assert everything(project) == before
    (out / "slurm").mkdir()
    (out / "search.toml").unlink()
    shutil.rmtree(out / ".lock")
    before = everything(out)
    assert not reserved(out)
    with pytest.raises(shoal.BadInput, match=r"it has no search\.toml"):
        shoal.run(trials=1, steps=1, out=out, engine="inline", program="eager")
    assert everything(out) == before


def test_more_files_than_a_search_leaves_are_not_looked_through(out: Path) -> None:
    """A folder with thousands of names is refused after as many."""
    folder = Directory.at(out / "parts")
    for number in range(12):
        folder.write(f"r{number}", b"")
    assert len(folder.names(12)) == 12
    with pytest.raises(OSError, match="it holds more than 11 files"):
        folder.names(11)
    with pytest.raises(OSError, match="it is larger than 0 MiB"):
        Directory.at(out).read("trials.parquet", most=10)
    folder.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to another user needs root")
def test_an_installed_problem_of_another_users_folder_needs_trust(tmp_path: Path) -> None:
    """Its ``search.toml`` says which class is called, and with which values."""
    out = tmp_path / "out"
    shoal.run(
        "shoal.trainable.problems.shipped.cubic_sine:CubicSine",
        trials=64,
        steps=400,
        out=out,
        engine="inline",
        program="eager",
        time_budget=0.001,
    )
    os.chown(out / "search.toml", 65534, 65534)
    with pytest.raises(shoal.BadInput, match=r"would run code of user nobody .*add --trust"):
        shoal.run(out=out, engine="inline")
    assert shoal.run(out=out, engine="inline", trust=True).ended == 64


def test_what_is_printed_of_a_folder_does_not_command_the_terminal(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escapes, also those of one character, line ends in names, and turns of direction."""
    assert printable("a\x1b[2J\x9b2J\u202e\udc80µ\tb\n") == "a?[2J?2J??µ\tb\n"
    assert json.loads(escaped('{"a": "\x9b\x7f"}')) == {"a": "\x9b\x7f"}
    assert "\x9b" not in escaped('{"a": "\x9b"}')
    evil = Path("evil\x1b]0;x\x07\n\x9b")
    out.rename(evil)
    with pytest.raises(SystemExit, match="0"):
        main.main(args=["results", str(evil)])
    with pytest.raises(SystemExit, match="2"):
        main.main(args=["results", f"{evil}2"])
    told = capsys.readouterr()
    assert not set(told.out + told.err) & set("\x1b\x07\x9b")
