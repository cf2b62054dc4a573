"""Random damage to a run folder: told in one line, or without effect; never a changed row."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shoal
from shoal.search.driver.driver import Driver
from shoal.search.engines.options import RunOptions
from shoal.search.folder import ledger
from shoal.search.folder.placing import create
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.writer import Writer
from shoal.search.lock import lock
from shoal.search.preparation.preparation import prepare
from shoal.search.request.asked import Asked
from shoal.search.watching.terminal import Silent
from shoal.trainable.problems.finding import find

PartOf = Callable[[Path, pa.Array], pa.Table]
ASKED = {
    "space": {"lr": "1e-8:1e-4:log"},
    "trials": 16,
    "steps": 20,
    "round": 8,
    "pack": 4,
    "sampler": "random",
}
PLACE_AND_TIME = ["node", "device", "seconds", "started"]
KEY = ["trial", "replicate"]


class Worlds:
    """Run folders to damage, and what an undisturbed search gives.

    Attributes:
        folders: ``finished``, and ``half``: two packs in parts, and a checkpoint of a third.
        other: the finished folder of another search.
    """

    def __init__(self, place: Path, part_of: PartOf) -> None:
        finished, self.other = place / "finished", place / "other"
        shoal.run(**ASKED, out=finished, engine="inline")
        shoal.run(**ASKED, seed=1, out=self.other, engine="inline")
        self.trials = shoal.load(finished).trials
        self.curves = shoal.load(finished).curves
        half = place / "half"
        create(half, RunFolder.open(finished).request, find("cubic-sine"))
        writer = Writer(RunFolder.open(half), print)
        for pack in range(2):
            chosen = pa.array([trial // 4 == pack for trial in range(16)])
            writer.add(f"r000000-p{pack:06d}", part_of(finished, chosen))
        leave_checkpoint(half, writer)
        writer.close()
        self.folders = {"finished": finished, "half": half}


def leave_checkpoint(half: Path, writer: Writer) -> None:
    """Let the next pack begin and be told to stop after seven updates."""
    prepared = prepare(Asked.of({}), half)
    driver = Driver(prepared, writer, RunOptions(engine="inline"), Silent(), 0.0)
    driver.rounds.start()
    pack = driver.rounds.take(timeout=120)
    assert pack is not None
    task = driver.task(pack)
    asked = iter([False] * 7)
    from shoal.trainable.worker import Worker

    outcome = Worker(driver.recipe).run(task, lambda: next(asked, True))
    assert outcome.saved
    driver.rounds.stop()


@pytest.fixture(scope="module", autouse=True)
def _short_waits() -> Iterator[None]:
    """A second for a file that may just be replaced, and 20 for an owner that may be alive, would
    be most of an hour here: nobody else writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "PAUSE_SECONDS", 0.001)
        patch.setattr(lock, "WATCH_SECONDS", 0.1)
        yield


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory, part_of: PartOf) -> Worlds:
    """Made once, damaged in copies."""
    return Worlds(tmp_path_factory.mktemp("worlds"), part_of)


def files_of(folder: Path) -> list[Path]:
    """The files of a run folder, in a fixed order of their kinds, parts and checkpoints first."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return sorted(files, key=lambda file: (file.parent.name == folder.name, str(file)))


places = st.floats(0, 1, exclude_max=True)
DAMAGE = [
    "flip",
    "truncate",
    "delete",
    "duplicate",
    "swap",
    "append",
    "foreign",
    "empty",
    "zero",
    "folder",
]


def damage(folder: Path, other: Path, kind: str, which: float, where: float) -> str:
    """Damage one file of a run folder; return what was done."""
    files = files_of(folder)
    file = files[int(which * len(files))]
    content = file.read_bytes() if file.is_file() else b""
    at = int(where * max(1, len(content)))
    second = files[int(where * len(files))]
    if kind == "flip" and content:
        changed = bytes([content[at] ^ 1 << at % 8])
        file.write_bytes(content[:at] + changed + content[at + 1 :])
    elif kind == "truncate":
        file.write_bytes(content[:at])
    elif kind == "delete":
        file.unlink()
    elif kind == "duplicate":
        copies = [file.with_name(f"copy-{file.name}"), second.with_name(file.name)]
        copies.append(file.with_name(file.name.replace("0", "1", 1)))
        copy = copies[at % 3]
        if copy != file:
            copy.write_bytes(content)
    elif kind == "swap":
        content_of_second = second.read_bytes()
        second.write_bytes(content)
        file.write_bytes(content_of_second)
    elif kind == "append":
        file.write_bytes(content + b"\0more"[: 1 + at % 5])
    elif kind == "foreign":
        theirs = files_of(other)
        same = [f for f in theirs if f.name == file.name] or theirs
        file.write_bytes(same[at % len(same)].read_bytes())
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "zero":
        file.write_bytes(bytes(len(content)))
    elif kind == "folder":
        file.unlink()
        file.mkdir()
    return f"{kind} {file.relative_to(folder)}"


def compared(frame: pandas.DataFrame) -> pandas.DataFrame:
    """The columns that two runs of one search have alike."""
    return frame.drop(columns=PLACE_AND_TIME)


def check_rows(result: shoal.Result, worlds: Worlds, whole: bool) -> None:
    """Every row is as an undisturbed search has it, once; and if `whole`, all are there."""
    keys = result.trials[KEY].itertuples(index=False, name=None)
    wanted = compared(worlds.trials).set_index(KEY).loc[list(keys)].reset_index()
    pandas.testing.assert_frame_equal(compared(result.trials), wanted, check_exact=True)
    present = worlds.curves["trial"].isin(result.trials["trial"])
    curves = worlds.curves[present].reset_index(drop=True)
    pandas.testing.assert_frame_equal(result.curves, curves, check_exact=True)
    assert result.trials[KEY].duplicated().sum() == 0
    if whole:
        assert len(result.trials) == len(worlds.trials)


def check_error(error: shoal.SearchError, out: Path, damaged: list[str]) -> None:
    """One line that names a file of the folder, or the folder."""
    assert "\n" not in str(error)
    assert str(out) in str(error), damaged


@pytest.mark.long
@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(["finished", "half"]),
    damages=st.lists(st.tuples(st.sampled_from(DAMAGE), places, places), min_size=1, max_size=2),
)
def test_random_damage_is_told_or_changes_no_row(
    worlds: Worlds, name: str, damages: list[tuple[str, float, float]]
) -> None:
    """Reading and going on each work, with the rows of an undisturbed search, or say one line."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place, "out")
        shutil.copytree(worlds.folders[name], out)
        done = [damage(out, worlds.other, *one) for one in damages]
        try:
            check_rows(shoal.load(out), worlds, whole=False)
        except shoal.SearchError as error:
            check_error(error, out, done)
        try:
            check_rows(shoal.run(out=out, engine="inline"), worlds, whole=True)
        except shoal.SearchError as error:
            check_error(error, out, done)


def test_without_damage_both_folders_go_on_to_the_whole_table(worlds: Worlds) -> None:
    """What the test of damage begins with is in order, and its checkpoint is gone on from."""
    for name, folder in worlds.folders.items():
        with tempfile.TemporaryDirectory() as place:
            out = Path(shutil.copytree(folder, Path(place, "out")))
            assert len(list((out / "packs").iterdir())) == (name == "half")
            check_rows(shoal.run(out=out, engine="inline"), worlds, whole=True)
            assert not list((out / "packs").iterdir())
