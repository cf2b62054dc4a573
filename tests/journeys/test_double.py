"""float64 from end to end, where the initial parameters are float64."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import shoal
from shoal.trainable.programs.starts import begun

PROBLEM = """
import torch


class P:
    space = {"lr": "0.01:0.3", "scale": "0.1:1", "l2": "1e-3:1:log"}

    def data(self):
        return torch.linspace(0, 1, 7, dtype=torch.float64)

    def initial(self, seed, scale=1.0):
        return {"w": torch.ones(3, dtype=DTYPE) * 0.7 * scale * scale}

    def loss_and_gradient(self, params, data, l2=0.0):
        w = params["w"]
        r = w - data.to(w.dtype)[:3]
        return (r * r).sum() + l2 * (w * w).sum(), {"w": 2 * r + 2 * l2 * w}
"""

STEPS = 20


def by_hand(lr: float, scale: float, l2: float) -> float:
    """The loss after all updates, in Python's floats."""
    w, x = [0.7 * scale * scale] * 3, [k / 6 for k in range(3)]
    for _ in range(STEPS):
        w = [a - lr * (2 * (a - b) + 2 * l2 * a) for a, b in zip(w, x, strict=True)]
    return sum((a - b) ** 2 + l2 * a * a for a, b in zip(w, x, strict=True))


def losses(tmp_path: Path, dtype: str, program: str) -> tuple[list[float], list[float]]:
    """Losses of a search, and the same by hand."""
    (tmp_path / "p.py").write_text(PROBLEM.replace("DTYPE", dtype))
    result = shoal.run(
        f"{tmp_path / 'p.py'}:P",
        trials=24,
        steps=STEPS,
        seed=3,
        engine="inline",
        program=program,
        out=tmp_path / "out",
    )
    rows = result.trials
    hand = [by_hand(*row) for row in zip(rows["lr"], rows["scale"], rows["l2"], strict=True)]
    return rows["loss"].tolist(), hand


@pytest.mark.parametrize("program", ["eager", "compiled"])
def test_float64_parameters_have_hyperparameters_of_float64(program: str, tmp_path: Path) -> None:
    """Those of `initial`, of the loss and of the optimizer: 14 digits, where float32 has 7."""
    found, hand = losses(tmp_path, "torch.float64", program)
    assert found == pytest.approx(hand, rel=1e-13)


def test_float32_parameters_stay_float32(tmp_path: Path) -> None:
    """The default: seven digits, and no more."""
    found, hand = losses(tmp_path, "torch.float32", "eager")
    assert found == pytest.approx(hand, rel=1e-4)
    assert found != pytest.approx(hand, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_initial_is_called_with_the_dtype_of_what_it_returns(dtype: torch.dtype) -> None:
    """Where it makes float64 of float32, it is called again; a number alone stays float32."""
    seen: list[torch.dtype] = []

    def initial(seed: int, scale: torch.Tensor) -> Any:
        assert seed == 5
        seen.append(scale.dtype)
        return (torch.ones(2, dtype=dtype) * scale,)

    (made,) = begun(loss(initial), 5, {"scale": 0.1})
    assert made.dtype == dtype
    assert seen[-1] == (torch.float64 if dtype == torch.float64 else torch.float32)
    if dtype == torch.float64:
        assert made.tolist() == [0.1, 0.1]
    stacks = loss(lambda seed, scale: (torch.stack([scale]),))
    assert begun(stacks, 0, {"scale": 0.1})[0].dtype == torch.float32


def loss(initial: Any) -> Any:
    """As far as its initial parameters go."""
    return SimpleNamespace(initial=lambda seed, own: initial(seed, **own))


@pytest.mark.parametrize("wrong", [None, 3, [], (), ("a",), {"w": 1.0}])
def test_what_is_no_parameters_is_returned_as_it_is(wrong: Any) -> None:
    """For the contract to refuse."""
    assert begun(loss(lambda seed, scale: wrong), 0, {"scale": 0.1}) is wrong
