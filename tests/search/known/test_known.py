"""A search whose sampler knows the trials of others."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy
import optuna
import pytest

import shoal
from shoal.search.folder.reader import RunFolder
from shoal.search.known.folders import trials_of
from shoal.search.request.objective import Objective
from shoal.search.space.space import Space, parse
from shoal.search.studies.importing import import_study

FUNCTION = """
def train(x: float, y: float = 0.0, kind: str = "a", seed: int = 0):
    return {"loss": float("inf") if x > 0.9 else (x - 0.3) ** 2 + y, "accuracy": x}
"""


EXEC = {"exec": "true {x} {z}", "read": {"loss": "(.*)"}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a function, and the run folder of a search of it; not to be changed."""
    folder = tmp_path_factory.mktemp("known")
    (folder / "own.py").write_text(FUNCTION)
    space = {"x": "0:1", "y": "0:0.5", "kind": "a,b"}
    search(folder, "old", space=space, trials=12, replicates=2)
    return folder


def search(folder: Path, out: str, **asked: Any) -> shoal.Result:
    """A search of the function, with one worker."""
    return shoal.run(f"{folder / 'own.py'}:train", **asked, out=folder / out, workers=1)


def space_of(**texts: Any) -> Space:
    """A space."""
    return Space(parse(name, text) for name, text in texts.items())


def test_the_trials_that_fit_are_known_with_their_mean_objective(place: Path) -> None:
    """In another range, and without those whose value of what is fixed now is another; of what a
    search knows nothing is left out because of a loss."""
    old = shoal.load(place / "old").trials
    space = space_of(x="0.2:2", y="0:1", kind="a")
    found, note = trials_of(place / "old", space, Objective())
    fits = old.query("x >= 0.2 and kind == 'a'").groupby("trial")["loss"]
    wanted = fits.apply(lambda loss: float(numpy.mean(loss.to_numpy())))
    assert [point["loss"] for point in found] == wanted.fillna(math.inf).tolist()
    assert any(math.isinf(point["loss"]) for point in found)
    assert note.startswith(f"{len(wanted)} of 12 trials of ")
    assert {frozenset(point) for point in found} == {frozenset({"x", "y", "kind", "loss"})}


def test_a_sampler_that_knows_something_begins_where_it_is_good(place: Path) -> None:
    """What was read stays in the run folder, so that it goes on when the other is gone; and the
    trials that are known are not done again."""
    shutil.copytree(place / "old", place / "gone")
    asked: dict[str, Any] = {"space": {"x": "0:1", "y": "0:0.5"}, "from_": place / "gone"}
    new = search(place, "new", **asked, trials=6)
    shutil.rmtree(place / "gone")
    plain = search(place, "plain", space=asked["space"], trials=6)
    assert new.trials["loss"].mean() < plain.trials["loss"].mean() / 2
    more = search(place, "new", **asked, trials=9)
    assert more.ended == 9
    request = RunFolder.open(place / "new").request
    assert request.from_ == (str(place / "gone"),)
    file = place / "new" / "known" / f"{request.known[:16]}.parquet"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(shoal.RunFolderError, match=r"cannot be read: it is not what shoal"):
        search(place, "new", **asked, trials=10)


def test_points_with_their_objective_are_known_and_no_trials(place: Path) -> None:
    """Also of an objective that is maximised, and later; they come with more trials."""
    known = [{"x": x, "accuracy": 5.0 if x == 0.5 else 0.0} for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    asked: dict[str, Any] = {"space": {"x": "0:1"}, "objective": "accuracy:max"}
    result = search(place, "points", **asked, trials=4, tries=[*known, {"x": 0.25}])
    assert result.ended == 4
    assert result.trials["x"][0] == 0.25
    assert numpy.abs(result.trials["x"][1:] - 0.5).median() < 0.15
    again = search(place, "points", **asked, tries=known)  # they are there already
    assert again.ended == 4
    other = {"x": 0.05, "accuracy": 9.0}
    with pytest.raises(
        shoal.BadInput, match=r"and what the sampler is to know comes after these: "
    ):
        search(place, "points", **asked, tries=[other])
    more = shoal.extend(place / "points", trials=8, tries=[other], workers=1)
    assert more.trials["x"][4:].min() < 0.1


def test_an_imported_study_is_known_too(place: Path) -> None:
    """Whatever its objective is called."""
    storage = f"sqlite:///{place / 'study.db'}"
    study = optuna.create_study(storage=storage)
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1) - 0.3) ** 2, n_trials=5)
    import_study(storage, place / "imported")
    found, _ = trials_of(place / "imported", space_of(x="0:1"), Objective())
    assert [point["loss"] for point in found] == [trial.value for trial in study.trials]
    with pytest.raises(
        shoal.BadInput, match="it has no loss, which this search is for; it has val"
    ):
        trials_of(place / "imported", space_of(x="0:1"), Objective(maximize=True))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"space": {"x": "2:3"}}, "none of its trials fits into this space (their values are oth"),
        ({"space": {"x": "0:1"}, "objective": "f1"}, "it has no f1, which this search is for; it"),
        ({"space": {"x": "0:1"}, "from_": "none"}, "none does not exist; give a run folder"),
        ({"space": {"x": "0:1"}, "sampler": "qmc"}, "the sampler qmc learns from no trial"),
        ({"space": {"x": 1, "z": "0:1"}, **EXEC}, "it shares no hyperparameter with this search"),
        ({"space": {"x": "0:1", "z": "0:1"}, **EXEC}, "this space (it has no z)"),
        ({"space": {"x": "0:1"}, "trials": 1, "tries": ["x=0.1", "x=0.2"]}, "give --trials 2 or"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], told: str
) -> None:
    """One line, and no folder is made."""
    monkeypatch.chdir(place)
    if "exec" not in asked:
        asked = {"problem": "own.py:train", **asked}
    with pytest.raises(shoal.BadInput, match=re.escape(told)) as caught:
        shoal.run(**{"from_": "old", **asked}, out="other")
    assert "\n" not in str(caught.value)
    assert not (place / "other").exists()
