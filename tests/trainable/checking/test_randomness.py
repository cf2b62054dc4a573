"""What a problem gives is the same each time; its data can be fitted to; else one line says why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shoal.trainable.checking.contract import Checked, check
from shoal.trainable.errors import ContractError
from shoal.trainable.problems.finding import find

GOOD = """\
import itertools, os, random, time
import numpy, torch
COUNT = itertools.count()
class P:
    def __init__(self):
        self.calls = 0
        self.target = torch.zeros(())
    def data(self):
        return torch.linspace(-1, 1, 50)
    def initial(self, seed):
        return {"w": torch.ones(())}
    def loss_and_gradient(self, params, data, l2=0.0):
        w = params["w"]
        r = w - data
        return (r * r).mean() + l2 * w * w, {"w": 2 * r.mean() + 2 * l2 * w}
"""

PLACES = {
    "init": "        self.target = torch.zeros(())",
    "data": "        return torch.linspace(-1, 1, 50)",
    "initial": '        return {"w": torch.ones(())}',
    "loss": "        r = w - data",
}

RANDOM = {
    # name: (where, what stands there instead, what is told)
    "random batches": (
        "loss",
        "        r = w - data[torch.randint(0, 50, (10,))]",
        "draws random numbers: randint in line 14); for random batches write batch",
    ),
    "shuffled rows": (
        "loss",
        "        r = w - data[torch.randperm(50)[:10]]",
        "randperm in line 14",
    ),
    "dropout": (
        "loss",
        "        r = torch.nn.functional.dropout(w - data)",
        "bernoulli in line 14",
    ),
    "numpy": (
        "loss",
        "        r = w - data * numpy.random.rand()",
        "numpy.random); for random batches",
    ),
    "the module random": (
        "loss",
        "        r = w - data * random.random()",
        "Python's module random",
    ),
    "of the system": (
        "loss",
        "        r = w - data * os.urandom(1)[0]",
        "something else each time",
    ),
    "time": (
        "loss",
        "        r = w - data * (time.time_ns() % 1000003)",
        "something else each time",
    ),
    "a generator that goes on": (
        "loss",
        "        self.g = getattr(self, 'g', torch.Generator()); r = w - data * torch.rand((), generator=self.g)",
        "something else each time",
    ),
    "seeded by a counter": (
        "loss",
        "        self.calls += 1; r = w - data * torch.rand((), generator=torch.Generator().manual_seed(self.calls))",
        "something else each time",
    ),
    "every fifth call": (
        "loss",
        "        self.calls += 1; r = w - data - self.calls // 5",
        "it keeps something between calls on self",
    ),
    "every fiftieth call": (
        "loss",
        "        self.calls += 1; r = w - data - self.calls // 50",
        "does not give the same each time: it counts on self",
    ),
    "data by numpy": (
        "data",
        "        return torch.as_tensor(numpy.random.rand(50)).float()",
        "numpy.random); draw with torch.Generator().manual_seed(0)",
    ),
    "data by the second": (
        "data",
        "        return torch.rand(50, generator=torch.Generator().manual_seed(int(time.time())))",
        "the data are others for each new P",
    ),
    "made in __init__": ("init", "        self.target = torch.randn(())", None),
    "data made in __init__": (
        "init",
        "        self.x = torch.randn(50); self.data = lambda: self.x",
        "P.__init__: the data are others for each new P",
    ),
    "a class counter": ("init", "        self.target = torch.ones(()) * next(COUNT)", None),
    "initial of torch": (
        "initial",
        '        return {"w": torch.randn(())}',
        "randn in line 11); draw with torch.Generator().manual_seed(seed)",
    ),
    "initial of what was before": (
        "initial",
        '        self.seed = max(seed, getattr(self, "seed", 0)); return {"w": torch.ones(()) * self.seed}',
        "does not give the same for the same seed",
    ),
}


def tried(folder: Path, *changes: tuple[str, str], own: float = 0.5) -> Checked:
    """Check the problem with lines replaced."""
    text = GOOD
    for where, line in changes:
        text = text.replace(PLACES[where], line)
    file = folder / "problem.py"
    file.write_text(text)
    points = [{"lr": 1e-3, "l2": own}, {"lr": 1e-3, "l2": 0.0}]
    return check(
        find(f"{file}:P").load(), updates=[("sgd", "constant")], shapes=[{}], points=points
    )


@pytest.mark.parametrize("case", RANDOM)
def test_what_differs_from_time_to_time_is_refused(tmp_path: Path, case: str) -> None:
    """Whatever it comes from, and however seldom; it is told where that can be known."""
    where, line, message = RANDOM[case]
    changes = [(where, line)]
    if message is None:  # what __init__ makes does harm where the loss uses it
        changes.append(("loss", "        r = w - data - self.target"))
        message = "does not give the same for the same parameters: __init__ makes something else"
    with pytest.raises(ContractError, match=re.escape(message)) as caught:
        tried(tmp_path, *changes)
    assert "\n" not in str(caught.value)


def test_the_seed_that_initial_saw_last_makes_no_difference(tmp_path: Path) -> None:
    """A target of each seed, kept on self, would be that of the last seed for all fits."""
    kept = (
        "initial",
        '        self.target = torch.tensor(float(seed)); return {"w": torch.ones(())}',
    )
    with pytest.raises(ContractError, match="same for the same parameters: it keeps something"):
        tried(tmp_path, kept, ("loss", "        r = w - data - self.target"))


def test_a_count_of_calls_is_a_note(tmp_path: Path) -> None:
    """What changes on self and has no effect is told, since a search makes few calls."""
    notes = tried(tmp_path, ("loss", "        self.calls += 1; r = w - data")).notes
    assert len(notes) == 1
    assert "self.calls changes with each call" in notes[0]


def test_a_fixed_seed_is_fine_and_the_generators_go_on_as_before(tmp_path: Path) -> None:
    """A generator seeded where it is drawn from; those of torch, numpy and random are put back."""
    import random

    import numpy
    import torch

    before = torch.get_rng_state(), str(numpy.random.get_state()), random.getstate()
    seeded = "torch.rand(50, generator=torch.Generator().manual_seed(3))"
    kept = "if not hasattr(self, 'm'): self.m = data.mean()\n        r = w - data"
    notes = tried(tmp_path, ("data", f"        return {seeded}"), ("loss", f"        {kept}")).notes
    assert notes == ()  # what is kept once and stays is no harm
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (str(numpy.random.get_state()), random.getstate())


DATA = {
    # what data() returns: what is told
    "None": "returns a NoneType, not a tensor or a tuple or dict of tensors: end data() with a return of tensors",
    "numpy.ones(50)": "returns an ndarray, not a tensor or a tuple or dict of tensors: write torch.as_tensor(x, dtype=torch.float32), or torch.from_numpy(x).float()",
    "(torch.ones(5), numpy.ones(5))": "data()[1] is an ndarray; write torch.as_tensor(x, dtype=torch.float32), or torch.from_numpy(x).float()",
    "{'x': torch.ones(5), 'n': 5}": "data()['n'] is an int; write torch.tensor(5)",
    "[torch.ones(5), torch.ones(5)]": "returns a list, not a tensor or a tuple or dict of tensors: write a tuple, (x, y) for [x, y], or torch.stack",
    "((torch.ones(5),), torch.ones(5))": "data()[0] is a tuple; tuples and dicts are not nested",
    "()": "returns an empty tuple, not a tensor or a tuple or dict of tensors: return at least one tensor",
    "'text'": "returns a str, not a tensor",
    "torch.ones(0, 3)": "data() is empty (shape (0, 3))",
    "torch.eye(3).to_sparse()": "data() is a sparse_coo tensor; make it dense, as by .to_dense()",
    "torch.ones(5, device='meta')": "data() is on the device meta, where tensors have no values",
    "torch.ones(5, requires_grad=True)": "data() requires a gradient, and data have none; return it with .detach()",
    "torch.tensor([1.0, float('nan'), float('inf')])": "P.data: the first loss is already NaN: look at data(): data() has 1 NaN and 1 infinite in 3 values",
    "torch.ones(5, dtype=torch.float64)": "the loss is float64 of shape (): data() is float64 and the parameters (w) float32; write .float() in data(), or dtype=torch.float64 in initial()",
    "torch.ones(5) * 1e30": "the first loss is already infinite (at l2=0.5, and at all else that was tried): it is 1e+60 in float64, so it is too large",
    "torch.rand(5, generator=iter([]))": "TypeError",
}


@pytest.mark.parametrize("data", DATA)
def test_data_that_cannot_be_fitted_to_are_told_with_the_way_out(tmp_path: Path, data: str) -> None:
    """One line: which tensor, what it is, and what to write."""
    with pytest.raises(ContractError, match=re.escape(DATA[data])) as caught:
        tried(tmp_path, ("data", f"        return {data}"))
    assert "\n" not in str(caught.value)


LOSSES = {
    # lines of the loss, with data X (4, 3) float64, y (4) float32, n int64: what is told
    "r = data[0] @ w.expand(3) - data[1]": "data()[0] is float64 and the parameters (w) float32; write .float() in data()",
    "r = w * data[2]; r = torch.mean(data[2]) * w - data[1]": "it takes the mean of whole numbers or truth values",
}


@pytest.mark.parametrize("line", LOSSES)
def test_data_of_another_dtype_are_told_of_where_they_do_harm(tmp_path: Path, line: str) -> None:
    """Data that a product refuses are named, and the mean of whole numbers."""
    three = "torch.eye(4, 3).double(), torch.ones(4), torch.arange(4)"
    changes = ("data", f"        return {three}"), ("loss", f"        {line}")
    with pytest.raises(ContractError, match=re.escape(LOSSES[line])) as caught:
        tried(tmp_path, *changes)
    assert "\n" not in str(caught.value)


def test_float64_data_that_are_only_compared_are_fine(tmp_path: Path) -> None:
    """They choose, and make nothing float64."""
    data = "return torch.linspace(-1, 1, 4).double(), torch.ones(4)"
    chosen = "r = torch.where(w + 3 > data[0], w - data[1], w)"
    assert tried(tmp_path, ("data", f"        {data}"), ("loss", f"        {chosen}")).notes == ()


def test_a_first_loss_that_is_nan_in_the_tails_alone_is_a_note(tmp_path: Path) -> None:
    """Fits that diverge in the tails of the space are usual; all of them are not."""
    bad = ("loss", "        r = w - data; r = torch.where(l2 > 0.4, r / 0.0, r)")
    (note,) = tried(tmp_path, bad).notes
    assert "the first loss is nan at l2=0.5: such fits diverge at once" in note


def test_initial_values_that_are_nan_are_told(tmp_path: Path) -> None:
    """The parameter is named."""
    nan = ("initial", '        return {"w": torch.tensor(float("nan"))}')
    with pytest.raises(ContractError, match=r"look at initial\(\): parameter w has 1 NaN in 1 "):
        tried(tmp_path, nan)


def test_a_loss_that_is_nan_by_itself_is_told(tmp_path: Path) -> None:
    """With data and parameters that are finite."""
    root = ("loss", "        r = (w - data).sqrt() + (data - w - 1).log()")
    with pytest.raises(
        ContractError, match=r"already NaN \(at l2=0\.5, .* data\(\) and initial\(\) are"
    ):
        tried(tmp_path, root)


def test_what_a_problem_raises_by_itself_is_not_explained(tmp_path: Path) -> None:
    """A message that has the words of one of torch's own stays as it is."""
    own = ("loss", "        raise ValueError('no in-place random numpy forest')")
    with pytest.raises(ContractError, match="14: ValueError: no in-place random numpy forest"):
        tried(tmp_path, own)
