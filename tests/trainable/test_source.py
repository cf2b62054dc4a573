"""Where a problem comes from."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from trainable import PROBLEMS, SourceError, find


def test_names_modules_and_files_give_the_same_class(tmp_path: Path) -> None:
    """A name, its module:Class, and a copy of its file."""
    named = find("cubic-sine").load()
    assert find("trainable.problems.cubic_sine:CubicSine").load() is named
    import trainable.problems.cubic_sine as module

    copy = tmp_path / "copy.py"
    copy.write_bytes(Path(module.__file__).read_bytes())
    loaded = find(f"{copy}:CubicSine").load()
    assert loaded.__name__ == "CubicSine"
    assert find(f"{copy}:CubicSine").sha256 == find("cubic-sine").sha256


def test_every_name_of_the_table_loads() -> None:
    """Each problem of the table is there."""
    for name in PROBLEMS:
        assert callable(find(name).load())


def test_a_file_that_changed_is_not_loaded(tmp_path: Path) -> None:
    """What a worker loads is what was hashed when the search began, or nothing."""
    file = tmp_path / "mine.py"
    file.write_text("class A: pass\n")
    source = pickle.loads(pickle.dumps(find(f"{file}:A")))
    other = tmp_path / "copy.py"
    other.write_text("class A: pass\n")
    assert source.at(other).load().__name__ == "A"
    file.write_text("class A: x = 1\n")
    with pytest.raises(SourceError, match=r"mine\.py has changed since the search began"):
        source.load()


def test_a_module_beside_the_user_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``module:Class`` also names a module in the folder in which the user stands."""
    (tmp_path / "beside_me.py").write_text("class A: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    source = find("beside_me:A")
    assert source.load().__module__ == "beside_me"
    assert source.search_path == str(tmp_path)
