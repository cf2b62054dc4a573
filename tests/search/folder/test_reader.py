"""The run folder: each row once, whatever was interrupted, and never half a file."""

from __future__ import annotations

import json
import shutil
import threading
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shoal
from shoal.search.folder.placing import create
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.tables.rows import SEARCH, trials_schema
from shoal.search.folder.writer import Writer
from shoal.trainable.problems.finding import find

PartOf = Callable[[Path, pa.Array], pa.Table]
SPACE = {"lr": "1e-8:1e-4:log"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search of 64 trials in 8 packs."""
    out = tmp_path_factory.mktemp("whole") / "out"
    shoal.run(
        space=SPACE,
        trials=64,
        steps=40,
        round=16,
        pack=8,
        sampler="random",
        out=out,
        engine="inline",
    )
    return out


def eight(pack: int) -> pa.Array:
    """Chooses the rows of one pack of eight."""
    return pa.array([trial // 8 == pack for trial in range(64)])


def unmerged(part_of: PartOf, whole: Path, out: Path) -> Writer:
    """Make `out` the run folder of `whole` with all rows in parts, as if nothing were merged."""
    request = RunFolder.open(whole).request
    create(out, request, find("cubic-sine"))
    writer = Writer(RunFolder.open(out), print)
    for pack in range(8):
        writer.add(f"r{pack // 2:06d}-p{pack % 2:06d}", part_of(whole, eight(pack)))
    writer.close()
    return writer


def test_parts_and_tables_give_the_same_rows(whole: Path, tmp_path: Path, part_of: PartOf) -> None:
    """A search reads the same from its parts as from its merged tables."""
    unmerged(part_of, whole, tmp_path / "out")
    loaded, expected = shoal.load(tmp_path / "out"), shoal.load(whole)
    pandas.testing.assert_frame_equal(loaded.trials, expected.trials, check_exact=True)
    pandas.testing.assert_frame_equal(loaded.curves, expected.curves, check_exact=True)


@pytest.mark.parametrize(
    "moment", ["ledger written", "curves written", "trials written", "some parts removed"]
)
def test_a_merge_that_was_interrupted_loses_and_doubles_nothing(
    whole: Path, tmp_path: Path, part_of: PartOf, moment: str
) -> None:
    """After a merge that ended at any of its steps each row is there once; the next run mends."""
    out, merged = tmp_path / "out", tmp_path / "merged"
    unmerged(part_of, whole, out)
    shutil.copytree(out, merged)
    shoal.run(out=merged, engine="inline")  # nothing but the merge is left to do
    shutil.copy(merged / "digests.json", out / "digests.json")
    if moment != "ledger written":
        shutil.copy(merged / "curves.parquet", out / "curves.parquet")
    if moment in ("trials written", "some parts removed"):
        shutil.copy(merged / "trials.parquet", out / "trials.parquet")
    if moment == "some parts removed":
        for part in sorted((out / "parts").iterdir())[:3]:
            part.unlink()
    expected = shoal.load(whole)
    for _ in range(2):
        result = shoal.load(out)
        pandas.testing.assert_frame_equal(result.trials, expected.trials, check_exact=True)
        pandas.testing.assert_frame_equal(result.curves, expected.curves, check_exact=True)
        shoal.run(out=out, engine="inline")  # mends it; nothing is left to do
    assert not list((out / "parts").iterdir())


def test_a_part_that_is_lost_while_the_search_runs_is_told(
    whole: Path, tmp_path: Path, part_of: PartOf
) -> None:
    """Else the search would end well, without its rows; they are done again."""
    out = tmp_path / "out"
    create(out, RunFolder.open(whole).request, find("cubic-sine"))
    writer = Writer(RunFolder.open(out), print)
    for pack in range(8):
        writer.add(f"r{pack // 2:06d}-p{pack % 2:06d}", part_of(whole, eight(pack)))
    lost = sorted((out / "parts").iterdir())[3]
    lost.unlink()
    again = "is gone; run the same command again: its fits are done again"
    with pytest.raises(shoal.RunFolderError, match=f"{lost.name} {again}"):
        writer.merge()
    writer.close()
    assert len(shoal.load(out).trials) == 56
    shoal.run(out=out, engine="inline")
    pandas.testing.assert_frame_equal(
        shoal.load(out).trials.drop(columns=["node", "device", "seconds", "started"]),
        shoal.load(whole).trials.drop(columns=["node", "device", "seconds", "started"]),
        check_exact=True,
    )


@pytest.mark.long
def test_a_reader_during_merges_sees_each_row_once(
    whole: Path, tmp_path: Path, part_of: PartOf
) -> None:
    """Reading while a writer merges gives each row once, each time."""
    out = tmp_path / "out"
    request = RunFolder.open(whole).request
    create(out, request, find("cubic-sine"))
    writer = Writer(RunFolder.open(out), print)
    stop = threading.Event()
    seen: list[int] = []
    problems: list[str] = []

    def read() -> None:
        while not stop.is_set():
            rows = shoal.load(out).trials["trial"].tolist()
            if rows != list(range(len(rows))) or len(rows) < max(seen, default=0):
                problems.append(f"{rows}")
            seen.append(len(rows))

    reader = threading.Thread(target=read)
    reader.start()
    for trial in range(64):
        writer.add(
            f"r000000-p{trial:06d}", part_of(whole, pa.array([t == trial for t in range(64)]))
        )
        writer.merge()
    stop.set()
    reader.join()
    writer.close()
    assert problems == []
    assert len(set(seen)) > 3, "the reader saw nothing of the merges"


def test_a_damaged_file_is_named(whole: Path, tmp_path: Path, part_of: PartOf) -> None:
    """Torn and foreign files are errors that name the file; nothing is passed over in silence."""
    out = tmp_path / "out"
    unmerged(part_of, whole, out)
    part = sorted((out / "parts").iterdir())[2]
    content = part.read_bytes()
    part.write_bytes(content[: len(content) // 2])
    with pytest.raises(shoal.RunFolderError, match=f"{part.name} is damaged; remove it"):
        shoal.load(out)
    part.write_bytes(content)
    copy = out / "parts" / part.name.replace("r000001", "r000009")
    shutil.copy(part, copy)  # the same rows twice are the same rows
    assert len(shoal.load(out).trials) == 64
    copy.unlink()
    stray = out / "parts" / "notes.txt"
    stray.touch()
    with pytest.raises(shoal.RunFolderError, match=r"notes\.txt is no part of this search; move"):
        shoal.load(out)
    stray.unlink()
    other = tmp_path / "other"
    request = replace(RunFolder.open(whole).request, seed=1)
    create(other, request, find("cubic-sine"))
    writer = Writer(RunFolder.open(other), print)
    mark = {SEARCH: request.mark}
    writer.add("r000000-p000000", part_of(whole, eight(0)).replace_schema_metadata(mark))
    writer.close()
    (foreign,) = (other / "parts").iterdir()
    shutil.copy(foreign, out / "parts")
    with pytest.raises(shoal.RunFolderError, match=f"{foreign.name} is of another search; move"):
        shoal.load(out)
    (out / "parts" / foreign.name).unlink()
    (out / "trials.parquet").unlink()
    with pytest.raises(shoal.RunFolderError, match=r"trials\.parquet is missing; put it back"):
        shoal.load(out)


@pytest.mark.parametrize("name", ["trials.parquet", "curves.parquet", "search.toml"])
def test_a_file_that_is_not_what_was_written_is_never_read_nor_replaced(
    whole: Path, tmp_path: Path, name: str
) -> None:
    """Also where what stands there is a good file of its kind: another seed, another table."""
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    if name == "search.toml":
        text = (out / name).read_text().replace("seed = 0", "seed = 1")
        (out / name).write_text(text)
    else:
        pq.write_table(pq.read_table(out / name).slice(1), out / name)
    before = (out / name).read_bytes()
    with pytest.raises(shoal.RunFolderError, match=f"{name} is damaged: it is not what shoal has"):
        shoal.load(out)
    with pytest.raises(shoal.RunFolderError, match=f"{name} is damaged"):
        shoal.run(out=out, engine="inline")
    assert (out / name).read_bytes() == before


def test_an_empty_search_has_its_columns_and_types(whole: Path, tmp_path: Path) -> None:
    """From the first moment the tables have every column with its type, as in the end."""
    request = RunFolder.open(whole).request
    folder = create(tmp_path / "new", request, find("cubic-sine"))
    empty = pandas.read_parquet(folder.path / "trials.parquet")
    full = pandas.read_parquet(whole / "trials.parquet")
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert pq.read_schema(folder.path / "trials.parquet").names == trials_schema(request).names
    assert shoal.load(folder.path).trials.empty


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
    shoal.run(space=SPACE, **given, out=again, engine="inline")
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
    shoal.run(f"{problem}:Mine", trials=6, steps=4, out=tmp_path / "out", engine="inline")
    problem.unlink()
    (tmp_path / "out").rename(tmp_path / "moved")
    result = shoal.run(out=tmp_path / "moved", engine="inline")
    assert result.states()["complete"] == 6
