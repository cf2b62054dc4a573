"""`shoal.fit`: one fit without a run folder has the numbers of a search and of the command line."""

from __future__ import annotations

import doctest
import gc
import sys
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
import torch

import shoal
from shoal.search import api

MINE = """
import helper_of_mine
import torch


class Line:
    inputs = ("x",)
    space = {"lr": "1e-3:1:log", "l2": 0.0, "scale": [1, 2]}

    def __init__(self, scale=1):
        self.scale = scale

    def prepare(self):
        return {"mean": torch.tensor(0.5)}

    def data(self):
        x = torch.linspace(0, 1, 10) - self.prepared["mean"]
        return x, self.scale * helper_of_mine.SLOPE * x

    def initial(self, seed):
        return {"w": torch.full((), float(seed))}

    def loss_and_gradient(self, params, data, l2=0.0):
        x, y = data
        r = params["w"] * x - y
        slope = 2 * (r * x).mean() + 2 * l2 * params["w"]
        return (r * r).mean() + l2 * params["w"] ** 2, {"w": slope}

    def metrics(self, params, rows):
        x, y = rows
        return {"worst": (params["w"] * x - y).abs().amax()}

    def predict(self, params, x):
        import helper_of_mine

        assert helper_of_mine.SLOPE == 3.0
        return params["w"] * (x - self.prepared["mean"])
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A problem of the user's own, with a module beside it."""
    (tmp_path / "line.py").write_text(MINE)
    (tmp_path / "helper_of_mine.py").write_text("SLOPE = 3.0\n")
    return f"{tmp_path / 'line.py'}:Line"


def test_it_has_the_numbers_of_a_search_of_one_trial(mine: str, tmp_path: Path) -> None:
    """Loss, metrics, curve and parameters, bit for bit."""
    fit = shoal.fit(mine, lr=0.5, l2=1e-3, scale=2, steps=45, seed=4, report=10)
    space = {"lr": 0.5, "l2": 1e-3, "scale": 2}
    out = tmp_path / "out"
    asked: dict[str, Any] = {"trials": 1, "steps": 45, "seed": 4, "report": 10}
    result = shoal.run(mine, space=space, **asked, engine="inline", program="eager", out=out)
    row = result.best
    assert (fit.loss, fit.metrics, fit.steps) == (row["loss"], {"worst": row["worst"]}, 45)
    pandas.testing.assert_frame_equal(
        fit.curve, result.curves[["step", "loss", "worst"]], check_exact=True
    )
    held = result.parameters("best")
    assert held.keys() == fit.parameters.keys()
    assert all(torch.equal(held[name], fit.parameters[name]) for name in held)
    assert fit.hyperparameters == {"optimizer": "sgd", **space}
    x = pandas.DataFrame({"x": [0.0, 0.5, 2.0]})
    assert numpy.array_equal(fit.predict(x), result.predict("best", x))


def test_it_predicts_as_long_as_it_is_there_and_then_its_modules_go(mine: str) -> None:
    """What the problem imports later is found too."""
    before = set(sys.modules)
    fit = shoal.fit(mine, lr=0.5, steps=200, seed=1)
    assert fit.predict(torch.tensor([0.5, 1.5])) == pytest.approx([0.0, 3.0], abs=1e-4)
    del fit
    gc.collect()
    assert [name for name in set(sys.modules) - before if "helper_of_mine" in name] == []


def test_the_session_keeps_its_settings(mine: str) -> None:
    """And they change nothing."""
    usual = shoal.fit(mine, lr=0.5, steps=20, seed=1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(7)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    try:
        again = shoal.fit(mine, lr=0.5, steps=20, seed=1)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert again.loss == usual.loss
    assert again.parameters["w"].dtype == torch.float32


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"lr": [0.1, 0.2]}, "lr=0.1,0.2: fit takes one value; shoal run searches"),
        ({"lr": "1e-3:1:log"}, "lr=0.001:1.0:log: fit takes one value; shoal run searches"),
        ({"rate": 0.1}, "unknown hyperparameter 'rate'; this problem and sgd have: "),
        ({"optimizer": "adma"}, "unknown optimizer 'adma'; known: sgd, momentum, adam"),
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"steps": 2.5}, "steps must be a whole number, not 2.5"),
        ({"lr": "fast"}, "lr=fast: lr takes a number"),
        ({"lr": True}, "lr=True: lr takes a number"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(mine: str, given: Any, told: str) -> None:
    """As on the command line."""
    with pytest.raises(shoal.BadInput) as caught:
        shoal.fit(mine, **given)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


def test_a_fit_that_diverges_raises() -> None:
    """It has no parameters."""
    with pytest.raises(shoal.SearchError, match=r"^the fit diverged by step 50; try a smaller lr$"):
        shoal.fit("cubic-sine", lr=1.0, steps=60, report=50)


def test_its_example_runs() -> None:
    """The one of its docstring."""
    (example,) = doctest.DocTestFinder().find(api.fit, "fit", globs={})
    assert doctest.DocTestRunner().run(example) == (0, 4)
