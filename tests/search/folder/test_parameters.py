"""Fitted parameters in a run folder: their form, damage, and what is removed when."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy
import pytest

import shoal
from shoal.search.folder import RunFolder, Writer, ledger
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


def told_otherwise(raw: bytes, **fits: object) -> bytes:
    """A file whose description says something else."""
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    held = header["__metadata__"]
    held["fits"] = json.dumps({**json.loads(held["fits"]), **fits})
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + raw[8 + size :]


THREE = [1, 2, 3]


@pytest.mark.parametrize(
    ("fits", "why"),
    [
        ({"trial": THREE, "replicate": THREE, "fold": THREE}, "not of as many fits"),
        ({"trial": [1]}, "not of as many fits"),
        ({"replicate": THREE}, "not of as many fits"),
        ({"fold": [0]}, "not of as many fits"),
        ({"names": ["w", "prepared/mean"]}, "not those of its description"),
        ({"names": ["w", "b", "b", "prepared/mean"]}, "not those of its description"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(fits: dict[str, object], why: str) -> None:
    """More trials than rows, or fewer; names of other tensors."""
    raw = stack_of([1, 2]).to_bytes()
    assert Stack.from_bytes(told_otherwise(raw)).trial.tolist() == [1, 2]
    with pytest.raises(ValueError, match=why):
        Stack.from_bytes(told_otherwise(raw, **fits))


@pytest.mark.parametrize("held", [b"3", b"null", b"[]", b'"x"', b"{}", b"[" * 100_000])
def test_a_description_of_another_form_is_none_of_ours(held: bytes) -> None:
    """Whatever JSON it is."""
    header = b'{"__metadata__":{"fits":' + json.dumps(held.decode()).encode() + b"}}"
    with pytest.raises(ValueError, match="it has no description of ours"):
        described(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="it has no description of ours"):
        described(len(held).to_bytes(8, "little") + held)


def test_fits_are_found_and_chosen_by_all_of_their_key() -> None:
    """Trial, replicate and fold; each keeps its own parameters."""
    keys = [(t, r, f) for t in (4, 7) for r in (0, 1) for f in (0, 1)]
    trial, replicate, fold = (numpy.array(column) for column in zip(*keys, strict=True))
    number = numpy.arange(len(keys), dtype=numpy.float64)
    both = numpy.stack([number, -number])  # read along its other dimension
    stack = Stack(trial=trial, replicate=replicate, fold=fold, named={"w": both.T}, prepared={})
    again = Stack.from_bytes(stack.to_bytes())
    assert [again.at(*key) for key in keys] == list(range(len(keys)))
    assert again.named["w"].tolist() == both.T.tolist()
    chosen = numpy.array([False, True, False, False, True, True, False, True])
    few = again.only(chosen)
    assert [few.key(i) for i in range(4)] == [key for key, c in zip(keys, chosen, strict=True) if c]
    assert few.named["w"][:, 0].tolist() == number[chosen].tolist()
    assert few.at(4, 0, 0) is None


def test_what_a_pack_has_written_already_stays(out: Path) -> None:
    """Also where it comes a second time, as after a life that died between file and rows."""
    folder = RunFolder.open(out)
    writer = Writer(folder, print)
    try:
        for _ in range(2):
            writer.keeping.add("r000000-p000000", stack_of([0, 1]))
            assert len(folder.parameter_files()) == 1
    finally:
        writer.close()


def test_a_fit_whose_file_is_damaged_is_missing_at_the_end(out: Path) -> None:
    """It is told, and the others stay; the ledger has what is there, and nothing else."""
    first, second, _ = shoal.load(out).ranking["trial"].head(3).tolist()
    damaged = out / "parameters" / f"trial-{first:06d}.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    writer = Writer(RunFolder.open(out), print)
    try:
        other = 9  # of a pack
        writer.keeping.add("r000000-p000000", stack_of([other]))
        assert writer.keeping.end([first, second, other]) == [first]
    finally:
        writer.close()
    files = {f"parameters/trial-{trial:06d}.safetensors" for trial in (second, other)}
    assert {f"parameters/{file.name}" for file in (out / "parameters").iterdir()} == files
    assert {name for name in ledger.read(out) if name.startswith("parameters/")} == files
    assert "trials.parquet" in ledger.read(out)


def test_files_of_other_names_stay_beside_those_of_fits(out: Path) -> None:
    """Whatever they begin with."""
    place = out / "parameters"
    (place / "trial-000099.safetensors").write_bytes(b"of an earlier end")
    theirs = {place / "trial-notes.txt", place / "trial-000001.safetensors.bak"}
    for file in theirs:
        file.write_text("theirs")
    writer = Writer(RunFolder.open(out), print)
    try:
        writer.keeping.add("r000000-p000000", stack_of([9]))
        assert writer.keeping.end([9]) == []
    finally:
        writer.close()
    assert set(place.iterdir()) == {*theirs, place / "trial-000009.safetensors"}


def test_a_trial_is_missing_if_one_of_its_fits_is(tmp_path: Path) -> None:
    """Of two replicates the pack had one."""
    out = tmp_path / "out"
    asked = {"trials": 2, "steps": 2, "keep": 1, "replicates": 2}
    shoal.run(**asked, engine="inline", program="eager", out=out)  # type: ignore[arg-type]  # numbers
    writer = Writer(RunFolder.open(out), print)
    try:
        writer.keeping.add("r000000-p000000", stack_of([5]))
        assert writer.keeping.end([5]) == [5]
    finally:
        writer.close()


def test_two_files_of_a_pack_become_one_where_all_of_its_trials_count(out: Path) -> None:
    """A killed writer has left both."""
    folder = RunFolder.open(out)
    for trials in ([0, 1], [0]):
        writer = Writer(folder, print)
        try:
            writer.keeping.add("r000000-p000000", stack_of(trials))
        finally:
            writer.close()
        (name,) = folder.parameter_files()
        kept = (out / "parameters" / name).read_bytes()
        if trials == [0, 1]:
            before = name, kept
    (out / "parameters" / before[0]).write_bytes(before[1])
    assert len(folder.parameter_files()) == 2
    writer = Writer(folder, print)
    try:
        writer.keeping.settle(lambda trials: numpy.ones(len(trials), dtype=bool))
    finally:
        writer.close()
    assert len(folder.parameter_files()) == 1


def test_a_file_that_was_changed_or_lost_is_named(out: Path) -> None:
    """And no other is; what makes it again is told, since no row is lost with it."""
    best = shoal.load(out).ranking["trial"].head(2).tolist()
    file = out / "parameters" / f"trial-{best[0]:06d}.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    again = rf"put it back; shoal fit --trial {best[0]} makes it again"
    with pytest.raises(shoal.RunFolderError, match=rf"{file.name} is damaged: .*{again}"):
        shoal.load(out).parameters(best[0])
    file.unlink()
    with pytest.raises(shoal.RunFolderError, match=rf"{file.name} is missing; {again}"):
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
