"""Metrics under the contract: each breach is one line that names the line of the user's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shoal.trainable.checking.contract import Checked, check
from shoal.trainable.errors import ContractError
from shoal.trainable.problems.finding import find
from shoal.trainable.problems.folds import Folds

GOOD = """\
import torch
class P:
    def prepare(self):
        return {"mean": torch.ones(())}
    def data(self):
        x = torch.linspace(-1, 1, 12)
        return x - self.prepared["mean"], torch.sin(3 * x)
    def validation(self):
        x = torch.linspace(-1, 1, 5) + 0.1
        return x - self.prepared["mean"], torch.sin(3 * x)
    def initial(self, seed):
        return {"a": torch.randn((), generator=torch.Generator().manual_seed(seed))}
    def loss_and_gradient(self, params, data, l2=0.0):
        r = params["a"] * data[0] - data[1]
        loss = (r * r).sum() + l2 * params["a"] ** 2
        return loss, {"a": 2 * (r * data[0]).sum() + 2 * l2 * params["a"]}
    def metrics(self, params, rows, tolerance=0.5):
        r = params["a"] * rows[0] - rows[1]
        return {"error": (r * r).mean(), "within": (r.abs() < tolerance).sum()}
"""

POINTS = [{"lr": 1e-3, "l2": 0.0, "tolerance": 0.5}, {"lr": 1e-2, "l2": 1.0, "tolerance": 0.1}]

RETURN = 19
CASES = {
    # what is broken: (line of GOOD, what stands there instead, what is told)
    "no dict": (RETURN, "return (r * r).mean()", "P.metrics: returns float32 of shape (), not a"),
    "empty": (RETURN, "return {}", "P.metrics: returns an empty dict, not a dict of names"),
    "a float": (RETURN, 'return {"error": 1.0}', "'error' is a float, not a tensor of shape ()"),
    "one a row": (RETURN, 'return {"e": r}', "float32 of shape (5,), not of shape (); reduce it"),
    "complex": (RETURN, 'return {"e": r.sum() * 1j}', "not a real number; take its .real"),
    "no name": (RETURN, 'return {"a-b": r.sum()}', "a metric is called 'a-b'; give it a name of"),
    "random": (RETURN, 'return {"e": r.sum() + torch.rand(())}', "gives something else each time"),
    "a branch": (RETURN, 'return {"e": r.sum() if r.sum() > 0 else r.mean()}', "use torch.where"),
    "in place": (18, "r = rows[0].add_(1)", "writes into the validation rows in place"),
    "other names": (
        RETURN,
        'return {"e" if float(tolerance) > 0.2 else "f": r.sum()}',
        "returns e once and f another time",
    ),
    "keeps": (
        RETURN,
        'self.n = getattr(self, "n", 0) + 1; return {"e": r.sum() + self.n}',
        "gives something else each time",
    ),
    "no method": (
        RETURN,
        "return {}\n    metrics = 3",
        "P.metrics is no method; write def metrics",
    ),
    "takes too few": (17, "def metrics(self, params):", "takes 1 argument besides self, not 2"),
    "random rows": (9, "x = torch.rand(5)", "P.validation: gives something else each time"),
    "a list": (10, "return [1.0]", "P.validation: returns a list, not a tensor"),
    "empty rows": (10, "return x[:0], x[:0]", "validation()[0] is empty"),
    "no prepared": (4, "return 3", "P.prepare: returns an int, not a dict of names and tensors"),
    "prepared list": (4, 'return {"m": [1]}', "a dict in which 'm' is a list, not a dict of names"),
    "prepared random": (4, 'return {"mean": torch.rand(())}', "P.prepare: returns something else"),
    "raises": (18, "r = params['b']", "KeyError"),
}


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., Checked]:
    """Check a problem's text, with the lines of `instead` in the place of its own."""

    def of(text: str, folds: Folds | None = None) -> Checked:
        (tmp_path / "p.py").write_text(text)
        problem = find(f"{tmp_path / 'p.py'}:P").load()
        return check(
            problem, updates=[("sgd", "constant")], shapes=({},), points=POINTS, folds=folds
        )

    return of


def with_line(line: int, instead: str) -> str:
    lines = GOOD.splitlines()
    indent = lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]
    lines[line - 1] = indent + instead
    return "\n".join(lines) + "\n"


def without(*methods: str) -> str:
    """The problem without some of its methods."""
    kept, skipping = [], False
    for line in GOOD.splitlines():
        if line.startswith("    def "):
            skipping = line.split("(")[0].split()[-1] in methods
        if not skipping:
            kept.append(line)
    return "\n".join(kept) + "\n"


def test_what_keeps_the_contract_has_its_metrics_named_in_order(
    checked: Callable[..., Checked],
) -> None:
    """Nothing is told of it; a count is a number too."""
    found = checked(GOOD)
    assert found.metrics == ("error", "within")
    assert found.notes == ()


@pytest.mark.parametrize("case", CASES)
def test_each_breach_is_one_line(checked: Callable[..., Checked], case: str) -> None:
    """With the file and, where it is known, the line."""
    line, instead, told = CASES[case]
    with pytest.raises(ContractError) as caught:
        checked(with_line(line, instead))
    message = str(caught.value)
    assert told in message, message
    assert "\n" not in message
    assert "p.py:" in message or case == "no method"


@pytest.mark.parametrize("folds", [None, Folds(count=3, seed=0)])
def test_validation_rows_without_metrics_are_refused(
    checked: Callable[..., Checked], folds: Folds | None
) -> None:
    """They would be of no use."""
    with pytest.raises(ContractError, match=r"without metrics\(\): add def metrics\(self, params"):
        checked(without("metrics"), folds)
    if folds is not None:
        with pytest.raises(ContractError, match=r"folds without metrics\(\)"):
            checked(without("metrics", "validation"), folds)


def test_metrics_of_the_training_data_are_told(checked: Callable[..., Checked]) -> None:
    """Where there is no validation(), and where it returns what data() does."""
    (note,) = checked(without("validation")).notes
    assert "metrics are of the training data: there is no validation()" in note
    (note,) = checked(with_line(9, "return self.data()")).notes
    assert "returns the training data" in note


def test_with_folds_the_rows_left_out_are_judged(checked: Callable[..., Checked]) -> None:
    """And validation() is not used, which is told."""
    found = checked(GOOD, Folds(count=3, seed=0))
    assert found.metrics == ("error", "within")
    assert "not used, since with folds" in found.notes[0]
    assert checked(without("validation"), Folds(count=3, seed=0)).notes == ()


def test_folds_of_what_has_no_rows_are_refused(checked: Callable[..., Checked]) -> None:
    """Rows are the first dimension, as many in each tensor."""
    folds = Folds(count=3, seed=0)
    more = with_line(7, 'return x - self.prepared["mean"], torch.sin(3 * x), x[1:]')
    with pytest.raises(ContractError, match=r"\(\)\[0\] has 12, .*, data\(\)\[2\] has 11"):
        checked(more, folds)
    with pytest.raises(ContractError, match=r"data\(\) has 12 rows, too few for folds=13"):
        checked(GOOD, Folds(count=13, seed=0))
