"""The contract of a loss alone, of residuals, of modules, and of what an update takes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

from shoal.trainable.checking import check
from shoal.trainable.checking.contract import Checked
from shoal.trainable.errors import ContractError

POINT = {"lr": 1e-3, "l2": 1e-2}


class Line:
    """A line through points: in several ways."""

    def data(self) -> Any:
        x = torch.linspace(-1, 1, 12)
        return torch.stack([x, x * x], 1), x.sin()

    def initial(self, seed: int) -> Any:
        return {"w": torch.randn(2, generator=torch.Generator().manual_seed(seed))}


def loss(self: Any, params: Any, data: Any, l2: Any = 0.0) -> Any:
    x, y = data
    r = x @ params["w"] - y
    return (r * r).sum() + l2 * (params["w"] ** 2).sum()


def by_hand(self: Any, params: Any, data: Any, l2: Any = 0.0) -> Any:
    x, y = data
    r = x @ params["w"] - y
    return loss(self, params, data, l2), {"w": 2 * (r @ x) + 2 * l2 * params["w"]}


def residuals(self: Any, params: Any, data: Any) -> Any:
    x, y = data
    return x @ params["w"] - y


def squares(self: Any, params: Any, data: Any) -> Any:
    r = residuals(self, params, data)
    return (r * r).sum(), {"w": 2 * (r @ data[0])}


def of_module(self: Any, predict: Any, data: Any) -> Any:
    x, y = data
    return ((predict(x)[:, 0] - y) ** 2).mean()


def checked(**methods: Any) -> Checked:
    problem = type("Made", (Line,), methods)
    if "module" in methods:
        problem = type("Made", (), {"data": Line.data, **methods})
    return check(problem, updates=[("sgd", "constant")], shapes=[{}], points=[POINT])


@pytest.mark.parametrize(
    "methods",
    [
        {"loss": loss},
        {"residuals": residuals},
        {"loss_and_gradient": by_hand, "loss": loss},
        {"loss_and_gradient": squares, "residuals": residuals},
        {"loss": loss, "batch": 5},
        {"module": lambda self: nn.Linear(2, 1), "loss": of_module},
        {"module": lambda self: nn.Linear(2, 1), "loss": of_module, "batch": 5},
        {
            "module": lambda self: nn.Sequential(
                nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)
            ),
            "loss": of_module,
            "batch": 5,
        },
    ],
    ids=[
        "loss",
        "residuals",
        "both",
        "squares by hand",
        "batches",
        "module",
        "module in batches",
        "batch norm",
    ],
)
def test_each_way_to_write_a_fit_keeps_the_contract(methods: dict[str, Any]) -> None:
    """Without a note, and stacked."""
    found = checked(**methods)
    assert found.notes == ()
    assert not found.single
    assert found.of_an_epoch == (3 if "batch" in methods else 0)


def in_place(self: Any, params: Any, data: Any) -> Any:
    params["w"] += 1.0
    return loss(self, params, data)


def several(self: Any, params: Any, data: Any) -> Any:
    return (data[0] @ params["w"] - data[1]) ** 2


def other(self: Any, params: Any, data: Any, l2: Any = 0.0) -> Any:
    return 2 * loss(self, params, data, l2)


def drawn(self: Any, params: Any, data: Any) -> Any:
    return loss(self, params, data) + torch.randn(())


class Counts(nn.Linear):
    def __init__(self) -> None:
        super().__init__(2, 1)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(x) * self.calls


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "in place": ({"loss": in_place}, "it writes in place; make a new tensor"),
    "a loss for each row": (
        {"loss": several},
        "the loss is float32 of shape (12,), not float32 of",
    ),
    "no tensor": ({"loss": lambda s, p, d: 3.0}, "the loss is a float, not a tensor of shape ()"),
    "draws": ({"loss": drawn}, "gives something else each time (it draws random numbers: randn"),
    "two losses": (
        {"loss_and_gradient": by_hand, "loss": other},
        "where loss_and_gradient gives the loss",
    ),
    "residuals of another loss": (
        {"loss_and_gradient": by_hand, "residuals": lambda s, p, d: 3 * residuals(s, p, d)},
        "the sum of its squares is",
    ),
    "a module and initial": (
        {"loss": of_module, "module": lambda self: nn.Linear(2, 1), "initial": Line.initial},
        "has initial() and module(); leave out one of them",
    ),
    "a module by hand": (
        {"loss_and_gradient": by_hand, "module": lambda self: nn.Linear(2, 1)},
        "write def loss(self, predict, data) instead",
    ),
    "a module that counts": (
        {"loss": of_module, "module": lambda self: Counts()},
        "gives something else each time",
    ),
    "noise that is not there": (
        {"loss": lambda self, params, data, noise=None: loss(self, params, data)},
        "takes noise, and Made has no noise()",
    ),
    "noise that is not taken": (
        {"loss": loss, "noise": lambda self, seed, step: torch.zeros(())},
        "does not take noise; add it: noise=None",
    ),
    "noise of as many rows as the first batch has": (
        {
            "loss": lambda self, params, data, noise=None: (
                loss(self, params, data) if noise is None else ((data[1] + noise) ** 2).sum()
            ),
            "noise": lambda self, seed, step: torch.zeros(5),
            "batch": 5,
        },
        "(in the last batch of an epoch, of 2 rows: take any number of rows, or leave that batch "
        "out, by drop_last = True)",
    ),
    "a batch norm of one row": (
        {
            "loss": of_module,
            "module": lambda self: nn.Sequential(
                nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)
            ),
            "batch": 11,
        },
        "(in the last batch of an epoch, of 1 row: ",
    ),
    "no noise for all rows": (
        {
            "loss": lambda self, params, data, noise=None: loss(self, params, data) + noise,
            "noise": lambda self, seed, step: torch.zeros(()),
        },
        "(in the loss over all rows, by which a fit is judged; noise is None there)",
    ),
    "another loss without noise": (
        {
            "loss": lambda self, params, data, noise=None: (
                params["w"] if noise is None else loss(self, params, data)
            ),
            "noise": lambda self, seed, step: torch.zeros(()),
        },
        "the loss is float32 of shape (2,), not a tensor of shape () (in the loss over all rows",
    ),
    "too large a batch": ({"loss": loss, "batch": 13}, "batch is 13, and there are 12 rows"),
    "a module with a hyperparameter": (
        {"loss": of_module, "module": lambda self, width=3: nn.Linear(2, 1)},
        "takes width; take it in __init__",
    ),
}


def test_a_last_batch_that_is_left_out_need_not_be_taken() -> None:
    """And one that is as large as the others is none of its own."""

    def blurred(self: Any, params: Any, data: Any, noise: Any = None) -> Any:
        x, y = data
        return loss(self, params, data if noise is None else (x, y + noise))

    for methods in ({"batch": 5, "drop_last": True}, {"batch": 6}):
        noise = torch.zeros(methods["batch"])
        found = checked(loss=blurred, noise=lambda self, seed, step, n=noise: n, **methods)
        assert found.of_an_epoch == 2
        assert found.noisy


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_the_contract_is_one_line(name: str) -> None:
    """That says what is wrong, and what to write."""
    methods, message = REFUSED[name]
    with pytest.raises(ContractError, match=re.escape(message)) as caught:
        checked(**methods)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_stacked_runs_one_fit_at_a_time() -> None:
    """And the user is told so, with the line and the way out."""

    def branches(self: Any, params: Any, data: Any) -> Any:
        found = loss(self, params, data)
        return found if found > 1 else found * 2

    def fills(self: Any, params: Any, data: Any) -> Any:
        x, y = data
        made = torch.zeros(len(y))
        for i in range(len(y)):
            made[i] = x[i] @ params["w"]
        return ((made - y) ** 2).sum()

    for method in (branches, fills):
        found = checked(loss=method)
        assert found.single
        (note,) = found.notes
        assert "until then fits run one at a time" in note
        assert re.match(r".*test_forms.py:\d+: ", note)
