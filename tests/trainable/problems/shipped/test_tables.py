"""Tables of scikit-learn: what its own functions read, without it being imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sklearn import datasets

from shoal.trainable.errors import ContractError
from shoal.trainable.problems.shipped import tables


@pytest.mark.parametrize("moved", [False, True], ids=["by its file", "its files are elsewhere"])
@pytest.mark.parametrize("file", tables.READERS)
def test_a_table_is_what_scikit_learn_reads(
    file: str, moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit."""
    with monkeypatch.context() as changed:
        if moved:
            changed.setattr(Path, "is_file", lambda _: False)
        x, y = tables.table(file)
    known = getattr(datasets, tables.READERS[file])(return_X_y=True)
    for mine, theirs in zip((x, y), known, strict=True):
        assert mine.dtype is torch.float64
        assert mine.is_contiguous()
        assert torch.equal(mine, torch.tensor(theirs, dtype=torch.float64))


def test_to_read_imports_no_scikit_learn() -> None:
    """It takes two seconds, of each worker."""
    program = (
        "import sys\n"
        "from shoal.trainable.problems.shipped.tables import READERS, table\n"
        "assert [len(table(file)[1]) for file in READERS] == [1797, 569]\n"
        "sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    monkeypatch.setattr(tables, "find_spec", lambda _: None)
    with pytest.raises(ContractError, match=r"pip install 'shoal\[data\]'"):
        tables.table("digits.csv.gz")
