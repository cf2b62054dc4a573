"""The contract: each way to break it is one line, with the line of the user's file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from shoal.trainable.checking.contract import check
from shoal.trainable.errors import ContractError
from shoal.trainable.problems.finding import find

GOOD = """\
import numpy, torch
class P:
    def __init__(self):
        self.calls = 0
    def data(self):
        return torch.linspace(-1, 1, 50), torch.ones(50)
    def initial(self, seed):
        g = torch.Generator().manual_seed(seed)
        return {"a": torch.randn((), generator=g), "b": torch.randn(2, generator=g)}
    def loss_and_gradient(self, params, data, l2=0.0):
        a, b = params["a"], params["b"]
        x, y = data
        r = a * x + b[0] - b[1] * x * x - y
        loss = (r * r).sum() + l2 * a * a
        ga = (2 * r * x).sum() + 2 * l2 * a
        gb = torch.stack([(2 * r).sum(), -(2 * r * x * x).sum()])
        return loss, {"a": ga, "b": gb}
"""
"""A problem that keeps the contract; each case below breaks one line of it."""

CASES = {
    # name: (line of GOOD, what stands there instead, the line told, what is told)
    "data missing": (5, "    def dota(self):", None, "P has no data(); a problem has data()"),
    "data is a list": (6, "        return [1, 2]", 5, "P.data: returns a list, not a tensor"),
    "data has a float": (
        6,
        "        return torch.ones(2), 1.0",
        5,
        "returns a tuple, not a tensor",
    ),
    "data is random": (
        6,
        "        return torch.rand(50), torch.ones(50)",
        5,
        "something else each time",
    ),
    "initial is random": (
        9,
        "        return {'a': torch.randn(()), 'b': torch.ones(2)}",
        7,
        "something else each time",
    ),
    "initial takes no seed": (
        7,
        "    def initial(self):",
        None,
        "P.initial takes 0 arguments besides self, not 1",
    ),
    "initial is a tensor": (
        9,
        "        return torch.ones(2)",
        7,
        "P.initial: returns float32 of shape (2,), not a tuple or dict",
    ),
    "initial is integer": (
        9,
        "        return {'a': torch.tensor(1), 'b': torch.ones(2)}",
        7,
        "parameter a is int64 of shape (), not a floating-point",
    ),
    "initial is a float": (
        9,
        "        return {'a': 1.0, 'b': torch.ones(2)}",
        7,
        "parameter a is a float, not a floating-point tensor",
    ),
    "several dtypes": (
        9,
        "        return {'a': torch.ones(()), 'b': torch.ones(2).double()}",
        7,
        "the parameters have several dtypes",
    ),
    "raises": (13, "        raise ValueError('too\\nbad')", 13, "ValueError: too"),
    "loss is a float": (
        17,
        "        return 1.0, {'a': ga, 'b': gb}",
        10,
        "the loss is a float, not a tensor of shape ()",
    ),
    "loss has a shape": (
        14,
        "        loss = (r * r).sum(0, keepdim=True)",
        10,
        "the loss is float32 of shape (1,), not float32 of shape ()",
    ),
    "loss is double": (
        14,
        "        loss = (r * r).sum().double()",
        10,
        "the loss is float64 of shape (), not float32",
    ),
    "nothing returned": (17, "        return None", 10, "returns a NoneType, not (loss, gradient)"),
    "gradient lacks one": (
        17,
        "        return loss, {'a': ga}",
        10,
        "the gradient is a dict of a, not a dict of a, b",
    ),
    "gradient is a tuple": (
        17,
        "        return loss, (ga, gb)",
        10,
        "the gradient is a tuple of 2, not a dict of a, b",
    ),
    "gradient of other shape": (
        16,
        "        gb = (2 * r).sum()",
        10,
        "the gradient of parameter b is float32 of shape (), not float32 of shape (2,)",
    ),
    "gradient is double": (
        15,
        "        ga = ((2 * r * x).sum() + 2 * l2 * a).double()",
        10,
        "the gradient of parameter a is float64",
    ),
    "gradient is off": (
        15,
        "        ga = (r * x).sum() + 2 * l2 * a",
        10,
        "the gradient of parameter a is off",
    ),
    "gradient has a sign off": (
        16,
        "        gb = torch.stack([(2 * r).sum(), (2 * r * x * x).sum()])",
        10,
        "the gradient of parameter b is off",
    ),
    "gradient forgets l2": (
        15,
        "        ga = (2 * r * x).sum()",
        10,
        "the gradient of parameter a is off",
    ),
    "item": (
        13,
        "        r = a.item() * x + b[0] - b[1] * x * x - y",
        13,
        "it calls .item(), float() or int()",
    ),
    "float": (
        13,
        "        r = float(a) * x + b[0] - b[1] * x * x - y",
        13,
        "it calls .item(), float() or int()",
    ),
    "if on a tensor": (
        13,
        "        r = (a if a > 0 else a) * x + b[0] - b[1] * x * x - y",
        13,
        "`if` or `while` on a tensor",
    ),
    "boolean mask": (
        14,
        "        loss = (r * r)[r * r > -1].sum() + l2 * a * a",
        14,
        "a shape that depends on values",
    ),
    "numpy": (13, "        r = a * x + b[0] - b[1] * x * x - y; numpy.sin(a.numpy())", 13, "numpy"),
    "random": (
        13,
        "        r = a * x + b[0] - b[1] * x * x - y + torch.randn(50)",
        10,
        "something else each time",
    ),
    "backward": (
        14,
        "        loss = (r * r).sum() + l2 * a * a; loss.backward()",
        14,
        "it calls .backward()",
    ),
    "in place on a parameter": (
        13,
        "        a.mul_(1.0); r = a * x + b[0] - b[1] * x * x - y",
        10,
        "writes into parameter a in place",
    ),
    "in place on the data": (
        13,
        "        x.mul_(1.0); r = a * x + b[0] - b[1] * x * x - y",
        10,
        "writes into the data in place",
    ),
    "counts its calls": (
        14,
        "        self.calls += 1; loss = (r * r).sum() + l2 * a * a + self.calls",
        10,
        "something else each time",
    ),
    "extra arguments": (
        10,
        "    def loss_and_gradient(self, params, data, **own):",
        None,
        "name each hyperparameter",
    ),
    "a name that means two things": (
        3,
        "    def __init__(self, l2=0):",
        None,
        "l2 cannot be a parameter both of __init__",
    ),
}


def write(folder: Path, line: int | None = None, text: str = "") -> type:
    """Write the problem with one line replaced, and load it."""
    lines = GOOD.splitlines()
    if line is not None:
        lines[line - 1] = text
    file = folder / "problem.py"
    file.write_text("\n".join(lines) + "\n")
    return find(f"{file}:P").load()


POINT = {"lr": 1e-3, "l2": 0.5}


@pytest.mark.parametrize("case", CASES)
def test_each_breach_is_one_line_that_names_the_line_of_the_file(tmp_path: Path, case: str) -> None:
    """What is wrong in one line, with the file and the line where it is (or its method begins)."""
    line, text, told, message = CASES[case]
    with pytest.raises(ContractError, match=re.escape(message)) as caught:
        check(
            write(tmp_path, line, text), updates=[("sgd", "constant")], shapes=[{}], points=[POINT]
        )
    assert "\n" not in str(caught.value)
    if told is not None:
        assert str(caught.value).startswith(f"{tmp_path / 'problem.py'}:{told}: ")


def test_a_problem_that_keeps_the_contract_passes_with_every_optimizer(tmp_path: Path) -> None:
    """The problem that the cases break, unbroken, under each optimizer and at several points."""
    point = {**POINT, "momentum": 0.9, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8}
    optimizers = ["sgd", "momentum", "adam"]
    found = check(
        write(tmp_path),
        updates=[(optimizer, "constant") for optimizer in optimizers],
        shapes=[{}],
        points=[point, {**point, "l2": 0.0, "lr": 1e-5}],
    )
    assert found.works[0].widest_bytes == 4 * 50


class Network:
    """A hidden layer, its gradient by torch.func.grad: shapes from the constructor."""

    def __init__(self, hidden: int = 3) -> None:
        self.hidden = hidden

    def data(self) -> torch.Tensor:
        return torch.linspace(-1, 1, 30)

    def initial(self, seed: int, scale: float = 1.0) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(seed)
        return tuple(scale * torch.randn(self.hidden, generator=generator) for _ in range(2))

    def loss_and_gradient(self, params, data):  # type: ignore[no-untyped-def]  # as a user writes
        def loss(params):  # type: ignore[no-untyped-def]  # the same
            u, v = params
            r = torch.tanh(data[:, None] * u) @ v - torch.sin(data)
            return (r * r).sum()

        return loss(params), torch.func.grad(loss)(params)


def test_shapes_scales_and_gradients_of_torch_func_are_fine() -> None:
    """A tuple of parameters whose shapes come from the constructor, with ``torch.func.grad``."""
    found = check(
        Network,
        updates=[("adam", "constant")],
        shapes=[{"hidden": 2}, {"hidden": 7}],
        points=[{"lr": 1e-2, "scale": 0.5, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8}],
    )
    assert found.works[1].widest_bytes == 4 * 30 * 7


def test_double_precision_parameters_are_fine(tmp_path: Path) -> None:
    """Whoever wants float64 gives parameters and data in it."""
    source = GOOD.replace("generator=g)", "generator=g, dtype=torch.float64)").replace(
        "torch.ones(50)", "torch.ones(50).double()"
    )
    (tmp_path / "double.py").write_text(source)
    problem = find(f"{tmp_path / 'double.py'}:P").load()
    assert (
        check(problem, updates=[("sgd", "constant")], shapes=[{}], points=[POINT])
        .works[0]
        .widest_bytes
        == 8 * 50
    )
