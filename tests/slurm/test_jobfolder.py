"""The folder where the processes of one job meet."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shoal.slurm.errors import BadInput
from shoal.slurm.files import APPEND, opened
from shoal.slurm.jobfolder import JobFolder, place, published


def test_a_later_life_supersedes_an_earlier_one(tmp_path: Path) -> None:
    """What an earlier life published is not read, and the earlier one knows that it must stop."""
    first = JobFolder.make(tmp_path / "slurm" / "5", 0)
    first.publish("head", {"address": "a:1"})
    token = first.token.read_text()
    assert not first.superseded()
    (first.path / "alive").unlink()
    second = JobFolder.make(first.path, 1)
    assert first.superseded()
    assert not second.superseded()
    assert second.read("head") is None
    assert second.token.read_text() != token


def test_what_is_counted_and_why_a_life_ended_outlast_it(tmp_path: Path) -> None:
    """Lives are counted, whoever counts and how often; a count of an older shoal is gone on with.
    A life that is superseded says nothing any more; one that has left is not waited for."""
    first = JobFolder.make(tmp_path / "5", 0)
    (first.path / "idle").write_text("1\n")
    assert [first.count("idle"), first.count("idle"), first.count("requeues")] == [2, 2, 1]
    first.note_end("time limit: saved")
    first.leave()
    second = JobFolder.make(tmp_path / "5", 1)
    end = published(tmp_path / "5", "end") or {}
    assert (end["why"], end["life"]) == ("time limit: saved", 0)
    assert second.count("idle") == 3
    second.forget("idle")
    assert second.count("idle") == 1
    first.note_end("too late")
    first.leave()
    assert published(tmp_path / "5", "end") == end
    assert (tmp_path / "5" / "alive").exists()


def test_the_folder_and_its_token_are_closed(tmp_path: Path) -> None:
    """Mode 700 and 600, whatever the umask."""
    folder = JobFolder.make(tmp_path / "5", 0)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.token.stat().st_mode & 0o777 == 0o600
    assert len(folder.token.read_text()) == 64


def test_a_torn_file_is_no_answer(tmp_path: Path) -> None:
    """Half a file reads as none."""
    folder = JobFolder.make(tmp_path / "5", 0)
    (folder.path / "head.json").write_text('{"address": "n1:')
    assert folder.read("head") is None
    assert published(folder.path, "head") is None


def test_a_place_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the way."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"cannot make .*file/5"):
        JobFolder.make(tmp_path / "file" / "5", 0)


def test_where_a_job_keeps_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beneath --out, where ``~`` is the home folder, else SHOAL_OUT, else a folder named by the
    job; a command may be empty."""
    monkeypatch.delenv("SHOAL_OUT", raising=False)
    assert place(["run", "--out", "a b"], "7") == Path("a b/slurm/7")
    assert place(["run", "--out=x"], "7") == Path("x/slurm/7")
    monkeypatch.setenv("HOME", "/home/me")
    for command in (["run", "--out", "~/x"], ["run", "--out=~/x"]):
        assert place(command, "7") == Path("/home/me/x/slurm/7")
    for command in ([], ["run"], ["run", "--out"]):
        assert place(command, "7") == Path("runs/job-7/slurm/7")
    monkeypatch.setenv("SHOAL_OUT", "mine")
    assert place(["run"], "7") == Path("mine/slurm/7")


def test_a_planted_link_or_pipe_is_not_followed(tmp_path: Path) -> None:
    """A stranger's folder keeps its mode and its files, and no reading waits."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    (theirs / "head.json").write_text("{}")
    out = tmp_path / "out" / "slurm"
    out.mkdir(parents=True)
    (out / "5").symlink_to(theirs)
    with pytest.raises(BadInput, match="5 is a link; give an --out"):
        JobFolder.make(out / "5", 0)
    (tmp_path / "way").symlink_to(out)
    with pytest.raises(BadInput, match="way is a link; give an --out"):
        JobFolder.make(tmp_path / "way" / "6", 0)
    assert theirs.stat().st_mode & 0o777 == 0o755
    assert (theirs / "head.json").read_text() == "{}"
    folder = JobFolder.make(out / "7", 0)
    for name in ("end.json", "requeues", "node-n1.log"):
        os.mkfifo(folder.path / name)
    assert published(folder.path, "end") is None
    assert folder.tail("n1") == ""
    assert folder.count("requeues") == 1
    (folder.path / "alive").unlink()
    (folder.path / "alive").symlink_to(theirs / "made")
    folder.beat()
    assert not (theirs / "made").exists()
    with pytest.raises(OSError, match="it is no file"):
        opened(folder.path / "alive", APPEND)


def test_a_link_that_is_put_there_after_the_look_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a file and its opening, where the opening alone can refuse it."""
    file, theirs, lstat = tmp_path / "head.json", tmp_path / "theirs", Path.lstat
    theirs.write_text("theirs")

    def then_link(self: Path) -> os.stat_result:
        told = lstat(self)
        file.unlink()
        file.symlink_to(theirs)
        return told

    for flags in (os.O_RDONLY, APPEND):
        file.unlink(missing_ok=True)
        file.write_text("{}")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "lstat", then_link)
            with pytest.raises(OSError, match="symbolic links"):
                opened(file, flags)
