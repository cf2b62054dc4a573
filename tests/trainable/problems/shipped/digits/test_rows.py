"""The rows of digits: their split, and that no search sees those to test."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from shoal.trainable.errors import ContractError
from shoal.trainable.problems.shipped.digits import rows
from shoal.trainable.problems.shipped.digits.rows import Digits

sklearn = pytest.importorskip("sklearn")


def test_the_split_is_of_each_digit_in_the_order_of_the_file() -> None:
    """Counted by hand: the fifth of each digit tests, the fourth validates, and so on."""
    from sklearn.datasets import load_digits

    file = load_digits()
    assert Digits.inputs == tuple(file.feature_names)
    parts: list[list[tuple[list[float], int]]] = [[], [], []]
    seen = [0] * 10
    for pixels, digit in zip(file.data.tolist(), file.target.tolist(), strict=True):
        seen[digit] += 1
        which = {0: 2, 4: 1}.get(seen[digit] % 5, 0)
        parts[which].append(([value / 16 for value in pixels], digit))
    problem = Digits()
    for found, part in zip(
        (problem.data(), problem.validation(), problem.test()), parts, strict=True
    ):
        assert found["x"].tolist() == [pixels for pixels, _ in part]
        assert found["y"].tolist() == [digit for _, digit in part]
    assert [len(part) for part in parts] == [1085, 357, 355]


def test_each_part_has_a_fair_share_of_each_digit() -> None:
    """34 to 37 of each digit are to validate by, and as many to test."""
    problem = Digits()
    for found in (problem.validation(), problem.test()):
        counts = found["y"].bincount(minlength=10)
        assert counts.min() >= 34
        assert counts.max() <= 37


def test_the_cross_entropy_and_the_accuracy_are_torchs() -> None:
    """Also where logits are far apart, in float64."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(10, (50,), generator=generator)
    for scale in (1.0, 1e3):
        z = scale * torch.randn(50, 10, generator=generator, dtype=torch.float64)
        truth = torch.nn.functional.cross_entropy(z, y)
        torch.testing.assert_close(rows.cross_entropy(z, y), truth, rtol=1e-12, atol=0)
        found = rows.judged(z, y)
        torch.testing.assert_close(found["validation_loss"], truth, rtol=1e-12, atol=0)
        assert found["accuracy"] == (z.argmax(dim=1) == y).double().mean()


def test_without_scikit_learn_one_line_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever method is called first."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    rows._table.cache_clear()
    problem: Any = Digits()
    for method in (problem.data, problem.validation, problem.test):
        with pytest.raises(ContractError, match=r"^the data \(digits\.csv\.gz\) are taken from "):
            method()
        with pytest.raises(ContractError, match=r"not installed: pip install 'shoal\[data\]'$"):
            method()


def test_the_module_itself_does_not_import_scikit_learn() -> None:
    """It is needed for the data alone."""
    code = f"import sys, {rows.__name__}; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
