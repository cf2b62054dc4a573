"""benchmarks/oracles.py runs, and says which nets are worse by more than a point."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("sklearn")

FILE = Path(__file__).parent.parent.parent / "benchmarks" / "oracles.py"


@pytest.fixture(scope="module")
def oracles() -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("oracles", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_two_trials_of_three_epochs_make_a_table(
    oracles: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row for scikit-learn's net and one for the net that is named; what is returned is told."""
    worse = oracles.main(["mlp", "--trials", "2", "--epochs", "3"])
    said = capsys.readouterr().out
    rows = re.findall(r"^\| (\S+) \| lr .*\| (0\.\d+) \| (0\.\d+) \| (\S+) to (\S+) \|", said, re.M)
    assert [name for name, *_ in rows] == ["MLPClassifier", "`mlp`"]
    for _, validation, mean, least, most in rows:
        assert 0.1 < float(validation) < 1
        assert float(least) <= float(mean) <= float(most)
    theirs, ours = (float(mean) for _, _, mean, *_ in rows)
    assert worse == (ours < theirs - 0.01)
    assert f"worse by more than a point: {'mlp' if worse else 'none'}\n" in said
