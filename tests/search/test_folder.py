"""The run folder: each row once, whatever was interrupted, and never half a file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pandas
import pyarrow.parquet as pq
import pytest

import search
from search.folder import RunFolder
from search.rows import trials_schema

SPACE = {"lr": "1e-8:1e-4:log"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search of 64 trials in 8 packs."""
    out = tmp_path_factory.mktemp("whole") / "out"
    search.run(
        space=SPACE, trials=64, steps=40, round=16, pack=8, sampler="random", out=out,
        engine="inline",
    )  # fmt: skip
    return out


def unmerged(whole: Path, out: Path) -> RunFolder:
    """Make `out` a copy of `whole` whose rows are all in parts, as if nothing were merged."""
    shutil.copytree(whole, out)
    folder = RunFolder.open(out)
    trials, curves = (pq.read_table(whole / f"{name}.parquet") for name in ("trials", "curves"))
    steps = curves.group_by(["trial", "replicate"], use_threads=False).aggregate(
        [("step", "list"), ("loss", "list")]
    )
    steps = steps.sort_by([("trial", "ascending"), ("replicate", "ascending")])
    for name in ("trials", "curves"):
        pq.write_table(
            pq.read_table(whole / f"{name}.parquet").slice(0, 0), out / f"{name}.parquet"
        )
    for pack in range(8):
        rows = trials.slice(pack * 8, 8)
        lists = steps.slice(pack * 8, 8)
        part = rows.append_column("curve_step", lists["step_list"]).append_column(
            "curve_loss", lists["loss_list"]
        )
        pq.write_table(part, out / "parts" / f"r{pack // 2:06d}-p{pack % 2:06d}.parquet")
    return folder


def test_parts_and_tables_give_the_same_rows(whole: Path, tmp_path: Path) -> None:
    """A search reads the same from its parts as from its merged tables."""
    unmerged(whole, tmp_path / "out")
    loaded, expected = search.load(tmp_path / "out"), search.load(whole)
    pandas.testing.assert_frame_equal(loaded.trials, expected.trials, check_exact=True)
    pandas.testing.assert_frame_equal(loaded.curves, expected.curves, check_exact=True)


@pytest.mark.parametrize("moment", ["curves written", "trials written", "some parts removed"])
def test_a_merge_that_was_interrupted_loses_and_doubles_nothing(
    whole: Path, tmp_path: Path, moment: str
) -> None:
    """After a merge that ended at any of its steps each row is there once; the next run mends."""
    out = tmp_path / "out"
    unmerged(whole, out)
    shutil.copy(whole / "curves.parquet", out / "curves.parquet")
    if moment != "curves written":
        shutil.copy(whole / "trials.parquet", out / "trials.parquet")
    if moment == "some parts removed":
        for part in sorted((out / "parts").iterdir())[:3]:
            part.unlink()
    expected = search.load(whole)
    for _ in range(2):
        result = search.load(out)
        pandas.testing.assert_frame_equal(result.trials, expected.trials, check_exact=True)
        pandas.testing.assert_frame_equal(result.curves, expected.curves, check_exact=True)
        search.run(out=out, engine="inline")  # mends it; nothing is left to do
    assert not list((out / "parts").iterdir())


def test_a_reader_during_merges_sees_each_row_once(whole: Path, tmp_path: Path) -> None:
    """Reading while a writer merges gives each row once, each time."""
    out = tmp_path / "out"
    folder = unmerged(whole, out)
    folder.recover()
    stop = threading.Event()
    problems: list[str] = []

    def read() -> None:
        while not stop.is_set():
            rows = search.load(out).trials
            if rows["trial"].tolist() != list(range(64)):
                problems.append(f"{len(rows)} rows")

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(30):
        folder.merge()
        shutil.rmtree(out / "parts")
        unmerged_again = unmerged(whole, tmp_path / "next")
        (tmp_path / "next" / "parts").rename(out / "parts")
        (tmp_path / "next" / "curves.parquet").replace(out / "curves.parquet")
        (tmp_path / "next" / "trials.parquet").replace(out / "trials.parquet")
        assert unmerged_again.path.exists()
        shutil.rmtree(tmp_path / "next")
        folder = RunFolder.open(out)
        folder.recover()
    stop.set()
    reader.join()
    assert problems == []


def test_a_damaged_file_is_named(whole: Path, tmp_path: Path) -> None:
    """Torn and foreign files are errors that name the file; nothing is passed over in silence."""
    out = tmp_path / "out"
    unmerged(whole, out)
    part = sorted((out / "parts").iterdir())[2]
    content = part.read_bytes()
    part.write_bytes(content[: len(content) // 2])
    with pytest.raises(search.RunFolderError, match=part.name):
        search.load(out)
    shutil.copy(whole / "curves.parquet", part)
    with pytest.raises(search.RunFolderError, match=f"{part.name} has other columns"):
        search.load(out)
    part.write_bytes(content)
    assert len(search.load(out).trials) == 64
    (out / "trials.parquet").unlink()
    with pytest.raises(search.RunFolderError, match=r"trials\.parquet is missing"):
        search.load(out)


def test_an_empty_search_has_its_columns_and_types(whole: Path, tmp_path: Path) -> None:
    """From the first moment the tables have every column with its type, as in the end."""
    request = RunFolder.open(whole).request
    from trainable import find

    folder = RunFolder.create(tmp_path / "new", request, find("cubic-sine"))
    empty = pandas.read_parquet(folder.path / "trials.parquet")
    full = pandas.read_parquet(whole / "trials.parquet")
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert (
        pq.read_schema(folder.path / "trials.parquet").names == trials_schema(request.space).names
    )
    assert search.load(folder.path).trials.empty


def test_a_full_disk_is_one_line_and_after_room_is_made_it_goes_on(
    whole: Path, tmp_path: Path
) -> None:
    """A run folder whose disk takes no more ends the search with exit code 1; nothing is lost."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(small)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    command = [
        sys.executable, "-m", "search", "run", "--space", "lr=1e-8:1e-4:log", "--trials", "256",
        "--steps", "40", "--report", "1", "--round", "16", "--pack", "8", "--sampler", "random",
        "--engine", "inline", "--quiet", "--out", str(small / "out"),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "No space left on device" in done.stderr
        assert done.stderr.count("\n") == 1
        subprocess.run(["mount", "-o", "remount,size=16m", str(small)], check=True)
        kept = len(search.load(small / "out").trials)
        assert 0 < kept < 256
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert search.load(small / "out").trials["trial"].tolist() == list(range(256))
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_the_folder_says_what_was_asked_and_what_it_ran_on(whole: Path) -> None:
    """``search.toml`` holds the request resolved; ``environment.json`` an entry for each run."""
    asked = tomllib.loads((whole / "search.toml").read_text())
    assert asked["space"] == {"lr": "1e-08:0.0001:log"}
    assert (asked["trials"], asked["round"], asked["pack"], asked["block"]) == (64, 16, 8, 8)
    assert len(asked["source"]) == 64
    entries = json.loads((whole / "environment.json").read_text())
    assert entries[0]["packages"]["torch"] != "unknown"
    again = whole.parent / "again"
    given = {key: asked[key] for key in ("trials", "steps", "sampler", "round", "pack")}
    search.run(space=SPACE, **given, out=again, engine="inline")
    assert (again / "search.toml").read_text() == (whole / "search.toml").read_text()


def test_a_problem_file_goes_with_the_folder(tmp_path: Path) -> None:
    """A search of a file's problem goes on from the folder's own copy, wherever that is moved."""
    problem = tmp_path / "mine.py"
    problem.write_text(
        "import torch\n\nclass Mine:\n    space = {'lr': '0.01:0.1'}\n\n"
        "    def data(self):\n        return torch.ones(3)\n\n"
        "    def initial(self, seed):\n        return (torch.zeros(()),)\n\n"
        "    def loss_and_gradient(self, params, data):\n"
        "        r = params[0] * data - 1\n"
        "        return (r * r).sum(), ((2 * r * data).sum(),)\n"
    )
    search.run(f"{problem}:Mine", trials=6, steps=4, out=tmp_path / "out", engine="inline")
    problem.unlink()
    (tmp_path / "out").rename(tmp_path / "moved")
    result = search.run(out=tmp_path / "moved", engine="inline")
    assert result.states()["complete"] == 6
