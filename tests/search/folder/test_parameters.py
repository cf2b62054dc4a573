"""Fitted parameters in a run folder: their form, damage, and what is removed when."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy
import pytest

import shoal
from shoal.search.folder import RunFolder, Writer
from shoal.search.folder.parameters import One, Stack, described


def stack_of(trials: list[int], value: float = 1.0) -> Stack:
    trial = numpy.array(trials)
    return Stack(
        trial=trial,
        replicate=0 * trial,
        fold=0 * trial,
        named={"w": value * numpy.ones((len(trial), 2), numpy.float32), "b": trial * value},
        prepared={"mean": numpy.array(3.0)},
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search of eight trials that keeps three."""
    out = tmp_path_factory.mktemp("finished") / "out"
    shoal.run(trials=8, steps=4, keep=3, engine="inline", program="eager", out=out)
    return out


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"


def test_what_is_written_is_read() -> None:
    """Of a pack, and of one fit; shapes without dimensions too."""
    stack = stack_of([4, 7])
    again = Stack.from_bytes(stack.to_bytes())
    assert again.trial.tolist() == [4, 7]
    assert again.at(7, 0, 0) == 1
    assert again.at(7, 1, 0) is None
    one = again.one(1)
    raw = one.to_bytes(7, 0, 0)
    names = ["w", "b", "prepared/mean"]
    assert described(raw) == {"trial": 7, "replicate": 0, "fold": 0, "names": names}
    back = One.from_bytes(raw)
    assert list(back.named) == ["w", "b"]
    assert back.named["b"].shape == ()
    assert back.named["b"] == 7.0
    assert back.prepared["mean"].shape == ()
    assert raw == one.to_bytes(7, 0, 0), "the same bytes each time"


def test_names_keep_the_problems_order() -> None:
    """Which a problem may count on, and which makes a tuple of ``0``, ``1``, … ``10`` a tuple."""
    shapes = {"w": numpy.float32, "b": numpy.float64, "a": numpy.float32}
    many = {str(i): numpy.float32 for i in range(11)}
    for names in (shapes, many):
        trial = numpy.array([3])
        named = {name: numpy.zeros((1, 2), dtype) for name, dtype in names.items()}
        stack = Stack(trial=trial, replicate=trial, fold=trial, named=named, prepared=named)
        again = Stack.from_bytes(stack.to_bytes())
        one = One.from_bytes(again.one(0).to_bytes(3, 3, 3))
        for held in (again.named, again.prepared, one.named, one.prepared):
            assert list(held) == list(names)


def test_nothing_pickled_is_read() -> None:
    """It is no safetensors, whatever its name is."""
    for raw in (pickle.dumps({"w": 1}), b"", b"\xff" * 64, stack_of([1]).to_bytes()[:-3]):
        with pytest.raises(ValueError, match=r"description|header|incomplete"):
            Stack.from_bytes(raw)


def test_a_description_that_does_not_fit_is_refused() -> None:
    """More trials than rows."""
    raw = stack_of([1, 2]).to_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    held = header["__metadata__"]
    held["fits"] = held["fits"].replace("[1, 2]", "[1, 2, 3]")
    text = json.dumps(header).encode()
    with pytest.raises(ValueError, match="not of as many fits"):
        Stack.from_bytes(len(text).to_bytes(8, "little") + text + raw[8 + size :])


def test_a_file_that_was_changed_is_named(out: Path) -> None:
    """And no other is."""
    best = shoal.load(out).ranking["trial"].head(2).tolist()
    file = out / "parameters" / f"trial-{best[0]:06d}.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    with pytest.raises(shoal.RunFolderError, match=rf"{file.name} is damaged"):
        shoal.load(out).parameters(best[0])
    assert shoal.load(out).parameters(best[1])


def test_files_of_packs_go_when_none_of_their_trials_can_be_among_the_best(out: Path) -> None:
    """At the end each fit has its own file, and what lies there of others stays."""
    folder = RunFolder.open(out)
    (out / "parameters" / "mine.txt").write_text("mine")
    writer = Writer(folder, print)
    try:
        keeping = writer.keeping
        keeping.add("r000000-p000000", stack_of([0, 1]))
        keeping.add("r000000-p000000", stack_of([0, 1], value=2.0))
        assert len(folder.parameter_files()) == 1, "a pack has one file"
        keeping.add("r000000-p000001", stack_of([5]))
        keeping.prune(lambda trials: numpy.isin(trials, [1]))
        assert [name[:15] for name in folder.parameter_files()] == ["r000000-p000000"]
        assert keeping.end([1, 6]) == [6], "those of trial 6 are nowhere"
    finally:
        writer.close()
    names = sorted(file.name for file in (out / "parameters").iterdir())
    assert names == ["mine.txt", "trial-000001.safetensors"]
    one = RunFolder.open(out).parameters(1, 0, 0)
    assert one is not None
    assert one.named["w"].tolist() == [2.0, 2.0]


def test_where_all_are_kept_the_files_do_not_tell_when_they_were_written(out: Path) -> None:
    """Of a pack with two files, as a killed writer leaves them, and with a trial that counts no
    more; a pack of which none counts has no file."""
    folder = RunFolder.open(out)
    writer = Writer(folder, print)
    try:
        keeping = writer.keeping
        keeping.add("r000000-p000000", stack_of([0, 1, 2]))
        (before,) = folder.parameter_files()
        raw = (out / "parameters" / before).read_bytes()
        keeping.add("r000000-p000000", stack_of([0, 1]))
        keeping.add("r000000-p000001", stack_of([5, 6]))
        keeping.add("r000000-p000002", stack_of([7]))
    finally:
        writer.close()
    (out / "parameters" / before).write_bytes(raw)
    writer = Writer(folder, print)
    try:
        writer.keeping.settle(lambda trials: numpy.isin(trials, [0, 5, 6]))
    finally:
        writer.close()
    stacks = [folder.stack(name) for name in folder.parameter_files()]
    assert [stack.trial.tolist() for stack in stacks if stack is not None] == [[0], [5, 6]]


def test_a_link_in_the_place_of_the_folder_is_not_followed(out: Path, tmp_path: Path) -> None:
    """Nobody else's files are touched."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    kept = theirs / "trial-000001.safetensors"
    kept.write_bytes(b"x")
    shutil.rmtree(out / "parameters")
    (out / "parameters").symlink_to(theirs)
    with pytest.raises(shoal.RunFolderError, match="parameters"):
        Writer(RunFolder.open(out), print)
    assert kept.read_bytes() == b"x"
