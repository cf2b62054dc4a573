"""Checkpoint folders: commits are whole or absent, and later attempts shut earlier ones out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from shoal.trainable.functions import saving as module
from shoal.trainable.functions.reports import Report
from shoal.trainable.functions.saving import Saving, Superseded, committed, files_of

REPORTS = [Report(step=1, values={"loss": 0.1})]


def test_an_attempt_goes_on_from_the_last_commit(tmp_path: Path) -> None:
    """With its files, its reports, to the last digit, and whether it had ended."""
    first = Saving(tmp_path / "0-0")
    assert (first.told, first.done, list(first.folder.iterdir())) == ([], False, [])
    (first.folder / "deep").mkdir()
    (first.folder / "deep/model").write_text("one")
    assert first.commit(REPORTS)
    (first.folder / "deep/model").write_text("lost")
    second = Saving(tmp_path / "0-0")
    assert (second.folder / "deep/model").read_text() == "one"
    assert second.told == REPORTS
    assert not second.done
    assert not first.folder.exists()


def test_what_has_not_changed_is_not_committed_again(tmp_path: Path) -> None:
    """Neither is an empty folder; a file of the same size is seen by its time."""
    saving = Saving(tmp_path / "0-0")
    assert not saving.commit(REPORTS)
    (saving.folder / "model").write_text("one")
    assert saving.commit(REPORTS)
    assert not saving.commit(REPORTS)
    (saving.folder / "model").write_text("two")
    assert saving.commit(REPORTS, done=True)
    saved = [path.name for path in (tmp_path / "0-0").iterdir() if path.name.startswith("saved")]
    assert saved == ["saved-0-2"]
    assert Saving(tmp_path / "0-0").done


def test_an_earlier_attempt_commits_nothing_more(tmp_path: Path) -> None:
    """A worker that was thought dead, say."""
    first = Saving(tmp_path / "0-0")
    (first.folder / "model").write_text("one")
    assert first.commit(REPORTS)
    Saving(tmp_path / "0-0")
    first.folder.mkdir()
    (first.folder / "model").write_text("late")
    with pytest.raises(Superseded):
        first.commit(REPORTS)
    files = files_of(tmp_path / "0-0")
    assert files is not None
    assert (files / "model").read_text() == "one"


@pytest.mark.parametrize("at", ["copytree", "rename", "_sync"])
def test_a_commit_that_is_cut_off_is_never_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Wherever it is: the one before stays the last."""
    saving = Saving(tmp_path / "0-0")
    (saving.folder / "model").write_text("one")
    saving.commit(REPORTS)
    (saving.folder / "model").write_text("three")

    def cut(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        target: Any = {"copytree": shutil, "rename": Path, "_sync": module}[at]
        patch.setattr(target, at, cut)
        with pytest.raises(KeyboardInterrupt):
            saving.commit(REPORTS)
    last = committed(tmp_path / "0-0")
    assert last is not None
    assert last.name == "saved-0-1"
    again = Saving(tmp_path / "0-0")
    assert (again.folder / "model").read_text() == "one"
    (again.folder / "model").write_text("two")
    assert again.commit(REPORTS)
    left = {path.name for path in (tmp_path / "0-0").iterdir()}
    assert left == {"attempt-1", "saved-1-1"}


def test_what_is_written_meanwhile_is_not_taken_for_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a program that goes on writing."""
    saving = Saving(tmp_path / "0-0")
    (saving.folder / "model").write_text("one")
    copytree = shutil.copytree

    def slow(*given: Any, **named: Any) -> Any:
        done = copytree(*given, **named)
        (saving.folder / "model").write_text("other")
        return done

    monkeypatch.setattr(shutil, "copytree", slow)
    assert not saving.commit(REPORTS, quiet=False)
    monkeypatch.undo()
    assert committed(tmp_path / "0-0") is None
    assert saving.commit(REPORTS, quiet=False)


def test_links_are_copied_as_links(tmp_path: Path) -> None:
    """What they lead to stays where it is."""
    (tmp_path / "far").write_text("far")
    saving = Saving(tmp_path / "0-0")
    (saving.folder / "link").symlink_to(tmp_path / "far")
    assert saving.commit(REPORTS)
    files = files_of(tmp_path / "0-0")
    assert files is not None
    assert (files / "link").is_symlink()


def test_an_attempt_that_has_saved_nothing_leaves_nothing(tmp_path: Path) -> None:
    """Not even a folder."""
    saving = Saving(tmp_path / "0-0")
    (saving.folder / "model").write_text("one")
    saving.end()
    assert not (tmp_path / "0-0").exists()
