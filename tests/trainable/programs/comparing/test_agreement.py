"""What differs between a compiled program and the plain step, before a search starts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from shoal.trainable.compiling.library import functions
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.halt import never
from shoal.trainable.lanes import Lanes
from shoal.trainable.optimizers.registry import OPTIMIZERS
from shoal.trainable.optimizers.schedules import SCHEDULES
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.comparing.accuracy import Verdict, judged, verdicts
from shoal.trainable.programs.comparing.agreement import difference
from shoal.trainable.programs.program import Program
from shoal.trainable.programs.tracing import traced

Function = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

FIT = """
import torch


class Fit:
    space = {}
    own = torch.tensor([[0.5, 1.0], [0.25, 2.0]])

    def data(self):
        x = torch.linspace(-1, 1, 80)
        return torch.stack([x, x * x]), torch.sin(3 * x), x > 0.2

    def initial(self, seed):
        return {"w": torch.zeros(2) + 0.1 * seed, "b": torch.zeros(())}

    def loss_and_gradient(self, params, data, l2=0.0):
        (X, y, late), w, b = data, params["w"], params["b"]
        r = (self.own @ w) @ X + b - y
        r = torch.where(late + (r > 2.0), r, 0.5 * r)
        g = torch.where(late + (r > 2.0), r, 0.5 * r)
        return (r * r).sum() + l2 * (w * w).sum(), {
            "w": 2 * (self.own.T @ (X @ g)) + 2 * l2 * w,
            "b": 2 * g.sum(),
        }
"""
"""A fit with a tensor of its own in single precision, truth values, and parameters that start at
zero."""


def lanes() -> Lanes:
    """Fits with hyperparameters of both tails of a space."""
    at = torch.arange(6)
    values = {"lr": torch.logspace(-6, 0, 6).double(), "l2": torch.logspace(0, -6, 6).double()}
    return Lanes(trial=at, replicate=0 * at, seed=at, values=values, shape={})


def program(
    folder: Path,
    optimizer: str,
    pattern: str = "",
    instead: str = "",
    schedule: str = "constant",
    defaults: dict[str, float] | None = None,
) -> Program:
    """The fit, compiled; with a pattern, from a source in which that is replaced."""
    (folder / "fit.py").write_text(FIT)
    made = Program(
        find(f"{folder / 'fit.py'}:Fit").load(),
        optimizer=optimizer,
        shape={"schedule": schedule},
        defaults=defaults or {},
        steps=5,
        block=8,
        device="cpu",
        compiled=True,
        unroll=5,
    )
    given, which = lanes(), torch.arange(6)
    with torch.no_grad():
        params, state = made.initial(given, which)
        codes = made.codes(params, state, made.values(given, which))
    if pattern:
        changed = 0
        for code in codes:
            assert isinstance(code, Kernel)
            code.source, count = re.subn(pattern, instead, code.source)
            changed += count
        assert changed
    built = functions(codes, None, never, private=False)
    assert built is not None
    made.take(built[0])
    return made


@pytest.mark.parametrize(
    "optimizer", [name for name, one in OPTIMIZERS.items() if not one.needs_residuals]
)
def test_what_is_right_does_not_differ(optimizer: str, tmp_path: Path) -> None:
    """Under each optimizer, diverging fits among them."""
    assert difference(program(tmp_path, optimizer), lanes()) is None


OPTIONS = {"momentum": 0.9, "nesterov": 1.0, "weight_decay": 0.1, "lr_decay": 0.2}
OPTIONS |= {"clip_value": 0.5, "clip_norm": 0.4, "ema": 0.9, "warmup": 0.5}


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        pytest.param(*pair, marks=pytest.mark.long) if number % 2 else pair
        for number, pair in enumerate(
            zip(["adam", "sgd", "adamw", "rmsprop", "adagrad", "lion"], SCHEDULES, strict=True)
        )
    ],
)
def test_what_is_right_does_not_differ_with_all_options(
    optimizer: str, schedule: str, tmp_path: Path
) -> None:
    """Schedules and modifiers are fused with the rest of the step."""
    assert difference(program(tmp_path, optimizer, "", "", schedule, OPTIONS), lanes()) is None


@pytest.mark.parametrize(
    ("pattern", "instead", "told"),
    [
        (r"T\(0x1\.0+p-1\)", "T(0.51)", "the loss after 3 updates is .*, not"),
        (r" \| (?=truth|v)", " ^ ", "after 3 updates is .*, not"),
        (r"\{0\} = \{1\};|(?<=    )p1 = v\d+;", "", "after 3 updates is .*, not"),
        (r"some<4>\(first, fits", "some<4>(first + 1, fits", "after 3 updates is .*, not"),
        (r"some<1>\(first, fits", "some<1>(first, fits - 1", "depends on|is .*, not"),
    ],
    ids=["a number", "an operator", "a parameter stands still", "the wide form", "the narrow form"],
)
def test_what_is_wrong_is_told_with_what_differs(
    pattern: str, instead: str, told: str, tmp_path: Path
) -> None:
    """A number, an operator, an update, or one of the forms that a kernel has."""
    found = difference(program(tmp_path, "momentum", pattern, instead), lanes())
    assert found is not None
    assert re.search(told, found), found


def test_a_number_that_rounding_decides_is_left_out() -> None:
    """Where a last digit changes it by more than it means; the others are judged."""
    eager = torch.tensor([[1.0, 2.0], [1.0, 5.0]])
    exact = eager.double()
    moved = torch.tensor([[1.0, 2.0], [1.0, -5.0]])
    verdict = judged(torch.tensor([[1.0, 2.1], [1.0, 7.0]]), eager, exact, [moved])
    assert verdict.wrong.tolist() == [[False, True], [False, False]]
    assert verdict.unsettled.tolist() == [[False, False], [False, True]]


def test_numbers_that_are_none_must_be_so_in_both() -> None:
    """NaN and infinities of either sign."""
    nan, inf = float("nan"), float("inf")
    eager = torch.tensor([nan, inf, -inf, 1.0])
    for found, wrong in (
        ([nan, inf, -inf, 1.0], [False] * 4),
        ([1.0, nan, inf, nan], [True] * 4),
    ):
        verdict = judged(torch.tensor(found), eager, eager.double(), [eager])
        assert verdict.wrong.tolist() == wrong


CANCELLED: dict[str, tuple[Function, Function]] = {
    "add": (
        lambda a, b, c: torch.add(a - 3 * b, b, alpha=3),
        lambda a, b, c: (a - 3 * b) + 3 * b,
    ),
    "sub": (
        lambda a, b, c: torch.sub(a + 0.3 * b, b, alpha=0.3),
        lambda a, b, c: (a + 0.3 * b) - 0.3 * b,
    ),
    "rsub": (
        lambda a, b, c: torch.rsub(b, a + 0.3 * b, alpha=0.3),
        lambda a, b, c: (a + 0.3 * b) - 0.3 * b,
    ),
    "addcmul": (
        lambda a, b, c: torch.addcmul(a - 0.3 * (b * c), b, c, value=0.3),
        lambda a, b, c: (a - 0.3 * (b * c)) + 0.3 * b * c,
    ),
    "addcdiv": (
        lambda a, b, c: torch.addcdiv(a - 0.3 * (b / c), b, c, value=0.3),
        lambda a, b, c: (a - 0.3 * (b / c)) + 0.3 * b / c,
    ),
    "lerp": (
        lambda a, b, c: torch.lerp(b, a - b, 0.5),
        lambda a, b, c: 0.5 * b + 0.5 * (a - b),
    ),
    "tanh_backward": (
        lambda a, b, c: torch.ops.aten.tanh_backward(b, 1 - a),
        lambda a, b, c: b - b * (1 - a) ** 2,
    ),
}
"""Operations that round a product inside and then subtract nearly the same, and the same in words
that round it elsewhere."""


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CANCELLED)
def test_where_an_operation_rounds_inside_is_no_fault(name: str, dtype: torch.dtype) -> None:
    """Though what cancels makes it a thousand times as large; a true error beyond that is one."""
    given = torch.randn(3, 64, 5, generator=torch.Generator().manual_seed(1), dtype=dtype).abs()
    a, b, c = 1e-3 * given[0], given[1] + 0.1, given[2] + 0.1
    one, other = CANCELLED[name]
    graph = traced(lambda *tensors: (one(*tensors),), [a, b, c])
    exact = (lambda held: (one(*held),)) if dtype != torch.float64 else None

    def judge(found: torch.Tensor) -> Verdict:
        (verdict,) = verdicts([found], graph, exact, [a, b, c], [()], carried=0)
        return verdict

    verdict = judge(other(a, b, c))
    assert not verdict.wrong.any()
    assert not verdict.unsettled.any()
    assert judge(other(a, b, c) * (1 + 2e7 * torch.finfo(dtype).eps)).wrong.any()


@pytest.mark.parametrize("other", [float("nan"), float("inf")])
def test_a_number_of_a_lane_that_only_float64_loses_judges_none_of_its_others(other: float) -> None:
    """The others are compared as they are: neither called wrong nor let off."""
    eager = torch.tensor([[1.0, 2.0, 3.0]])
    exact = torch.tensor([[1.0, 2.0, other]], dtype=torch.float64)
    found = torch.tensor([[1.0, 2.1, 3.0]])
    verdict = judged(found, eager, exact, [eager, eager])
    assert verdict.wrong.tolist() == [[False, True, False]]
    assert verdict.unsettled.tolist() == [[False, False, True]]


ROUNDED: dict[str, tuple[Function, Function, Function]] = {
    "add": (
        lambda x, b, c: torch.add(x, b, alpha=3),
        lambda a, b, c: a - 3 * b,
        lambda a, b, c: 3 * b,
    ),
    "sub": (
        lambda x, b, c: torch.sub(x, b, alpha=0.3),
        lambda a, b, c: a + 0.3 * b,
        lambda a, b, c: 0.3 * b,
    ),
    "rsub": (
        lambda x, b, c: torch.rsub(b, x, alpha=0.3),
        lambda a, b, c: a + 0.3 * b,
        lambda a, b, c: 0.3 * b,
    ),
    "addcmul": (
        lambda x, b, c: torch.addcmul(x, b, c, value=0.3),
        lambda a, b, c: a - 0.3 * b * c,
        lambda a, b, c: 0.3 * b * c,
    ),
    "addcdiv": (
        lambda x, b, c: torch.addcdiv(x, b, c, value=0.3),
        lambda a, b, c: a - 0.3 * b / c,
        lambda a, b, c: 0.3 * b / c,
    ),
    "lerp": (
        lambda x, b, c: torch.lerp(b, x, 0.5),
        lambda a, b, c: a - b,
        lambda a, b, c: 0.5 * b,
    ),
    "tanh_backward": (
        lambda x, b, c: torch.ops.aten.tanh_backward(b, x),
        lambda a, b, c: 1 - a,
        lambda a, b, c: b,
    ),
}
"""Operations that make a product inside, what they are given so that it cancels, and that
product."""


@pytest.mark.parametrize("name", ROUNDED)
def test_the_last_digit_of_a_product_inside_is_no_fault(name: str) -> None:
    """Where nothing but the operation itself rounds: neither what it is given, nor, in double
    precision, what counts as exact, tells how large the product was."""
    given = torch.randn(3, 64, 5, generator=torch.Generator().manual_seed(1)).double().abs()
    a, b, c = 1e-3 * given[0], given[1] + 0.1, given[2] + 0.1
    one, cancelling, product = ROUNDED[name]
    held = [cancelling(a, b, c), b, c]
    graph = traced(lambda *tensors: (one(*tensors),), held)
    assert len([node for node in graph.graph.nodes if node.op == "call_function"]) == 1
    eps = torch.finfo(torch.float64).eps
    found = one(*held) + eps * product(a, b, c)
    (verdict,) = verdicts([found], graph, None, held, [()], carried=0)
    assert not verdict.wrong.any()
    assert not verdict.unsettled.any()


class Fed:
    """A line, with a batch of all but a few rows and a smaller one of these."""

    batch = 40

    def data(self) -> torch.Tensor:
        return torch.stack([torch.linspace(-1, 1, 90), torch.linspace(0, 2, 90).sin()], 1)

    def initial(self, seed: int) -> dict[str, torch.Tensor]:
        return {"w": torch.zeros(()) + 0.1 * seed}

    def noise(self, seed: int, step: int) -> torch.Tensor:
        return torch.full((), 0.1 * step)

    def loss(
        self,
        params: dict[str, torch.Tensor],
        data: torch.Tensor,
        noise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        x = data[:, 0] if noise is None else data[:, 0] + noise
        return ((x * params["w"] - data[:, 1]) ** 2).sum()


@pytest.mark.parametrize(
    ("kernel", "pattern", "instead", "what"),
    [
        (0, "", "", None),
        (0, r"data\[update \* \d+ \+", "data[", r"after 2 updates is"),
        (2, r"data\[0\]", "data[1]", r"after 1 update with the last batch of an epoch is"),
    ],
    ids=["right", "first batch again", "other data"],
)
def test_kernels_are_tried_with_the_batches_that_they_take(
    kernel: int, pattern: str, instead: str, what: str | None
) -> None:
    """Several updates, each with its own, and the last one of an epoch."""
    made = Program(
        Fed, optimizer="sgd", shape={}, defaults={}, block=8, device="cpu", compiled=True, unroll=5
    )
    at = torch.arange(8)
    given = Lanes(
        trial=at,
        replicate=0 * at,
        seed=at,
        values={"lr": torch.logspace(-6, -2, 8).double()},
        shape={},
    )
    with torch.no_grad():
        params, state = made.initial(given, at)
        codes = made.codes(params, state, made.values(given, at))
    assert len(codes) == 3
    wrong = codes[kernel]
    assert isinstance(wrong, Kernel)
    if pattern:
        wrong.source, count = re.subn(pattern, instead, wrong.source)
        assert count, wrong.source
    built = functions(codes, None, never, private=False)
    assert built is not None
    made.take(built[0])
    found = difference(made, given)
    if what is None:
        assert found is None
    else:
        assert re.search(what, found or ""), found
