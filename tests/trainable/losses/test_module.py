"""Fits of modules against plain training loops of the same; and which modules are refused."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # as torch's own documentation calls it
from torch import nn

from shoal.trainable.errors import ContractError
from shoal.trainable.feeding.batches import Batches
from shoal.trainable.fitting import Plan, fit
from shoal.trainable.lanes import Fitted, Lanes
from shoal.trainable.losses import key_of
from shoal.trainable.losses.stackable import Functions
from shoal.trainable.losses.stackable.dropout import mask
from shoal.trainable.programs import EAGER, SEQUENTIAL, SINGLE, Program

ROWS, BATCH, STEPS, CLASSES = 22, 6, 9, 3


class Problem:
    """Rows of a module's input, and a class for each."""

    batch = BATCH
    inputs: Any = torch.float64, (ROWS, 5)

    def data(self) -> Any:
        generator = torch.Generator().manual_seed(1)
        dtype, shape = self.inputs
        if dtype == torch.int64:
            x = torch.randint(0, 7, shape, generator=generator)
        else:
            x = torch.randn(shape, generator=generator, dtype=dtype)
        return x, torch.randint(0, CLASSES, (ROWS,), generator=generator)

    def loss(self, predict: Any, data: Any, l2: Any = 0.0) -> Any:
        x, y = data
        weights = sum((w * w).sum() for w in predict.parameters.values())
        return F.cross_entropy(predict(x), y) + l2 * weights

    def metrics(self, predict: Any, rows: Any) -> Any:
        x, y = rows
        return {"error": F.cross_entropy(predict(x), y)}


class Last(nn.Module):
    """The last output of a recurrent module."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(x)[0][:, -1]


class Attends(nn.Module):
    """An attention of a sequence to itself."""

    def __init__(self, **how: Any) -> None:
        super().__init__()
        self.part = nn.MultiheadAttention(4, 2, batch_first=True, **how)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(x, x, x)[0].mean(1)


class Tied(nn.Module):
    """One layer, used twice under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 5)
        self.second = self.first
        self.last = nn.Linear(5, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x)))))


class Frozen(nn.Sequential):
    """A layer that stays as it was built, before one that is fitted, with running means between."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, CLASSES))
        self[0].requires_grad_(False)


FLAT = torch.float64, (ROWS, 5)
SEQUENCE = torch.float64, (ROWS, 4, 4)
IMAGE = torch.float64, (ROWS, 1, 6, 6)
MODULES: dict[str, tuple[Any, Any]] = {
    "linear": (FLAT, lambda: nn.Linear(5, CLASSES)),
    "batch norm": (
        FLAT,
        lambda: nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, CLASSES)),
    ),
    "layer norm": (
        FLAT,
        lambda: nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.GELU(), nn.Linear(4, CLASSES)),
    ),
    "embedding": (
        (torch.int64, (ROWS, 3)),
        lambda: nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, CLASSES)),
    ),
    "convolutions": (
        IMAGE,
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 3),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(12, CLASSES),
        ),
    ),
    "1-d convolution": (
        SEQUENCE,
        lambda: nn.Sequential(nn.Conv1d(4, 3, 3), nn.SiLU(), nn.Flatten(), nn.Linear(6, CLASSES)),
    ),
    "lstm": (
        SEQUENCE,
        lambda: nn.Sequential(Last(nn.LSTM(4, 5, batch_first=True)), nn.Linear(5, 3)),
    ),
    "gru": (SEQUENCE, lambda: nn.Sequential(Last(nn.GRU(4, 5, batch_first=True)), nn.Linear(5, 3))),
    "rnn": (SEQUENCE, lambda: nn.Sequential(Last(nn.RNN(4, 5, batch_first=True)), nn.Linear(5, 3))),
    "attention": (SEQUENCE, lambda: nn.Sequential(Attends(), nn.Linear(4, CLASSES))),
    "transformer": (
        SEQUENCE,
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True),
            nn.Flatten(),
            nn.Linear(16, CLASSES),
        ),
    ),
    "tied": (FLAT, Tied),
    "frozen": (FLAT, Frozen),
    "keys added": (
        SEQUENCE,
        lambda: nn.Sequential(Attends(add_bias_kv=True), nn.Linear(4, CLASSES)),
    ),
}


def problem_of(inputs: Any, module: Any) -> type:
    """A problem with this module in float64."""
    return type("Made", (Problem,), {"inputs": inputs, "module": lambda self: module().double()})


def lanes_of(count: int, replicates: int) -> Lanes:
    at = torch.arange(count)
    return Lanes(
        trial=at // replicates,
        replicate=at % replicates,
        seed=4 + at % replicates,
        values={
            "lr": torch.logspace(-2, -0.5, count, dtype=torch.float64),
            "l2": torch.logspace(-4, -1, count, dtype=torch.float64).flip(0),
        },
        shape={"optimizer": "sgd"},
    )


def fitted(problem: type, lanes: Lanes, block: int, kind: str = EAGER) -> Fitted:
    program = Program(
        problem, optimizer="sgd", shape={}, defaults={}, block=block, device="cpu", kind=kind
    )
    plan = Plan(
        steps=STEPS, report=2, diverge_factor=1e9, metrics=("error",), keep=len(lanes), fits=2
    )
    made = fit(program, lanes, plan)
    assert made is not None
    return made


def plainly(problem: type, lanes: Lanes, lane: int) -> tuple[float, float, list[float], Any]:
    """Train one module by torch's own optimizer; loss of all rows, metric, curve, and state."""
    one: Any = problem()
    x, y = one.data()
    seed, lr, l2 = int(lanes.seed[lane]), *(float(lanes.values[n][lane]) for n in ("lr", "l2"))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = one.module()
    moved = torch.optim.SGD(module.parameters(), lr=lr)
    batches = Batches(rows=ROWS, size=BATCH)

    def loss_of(rows: torch.Tensor) -> torch.Tensor:
        weights = sum((w * w).sum() for w in module.parameters())
        return F.cross_entropy(module(x[rows]), y[rows]) + l2 * weights

    curve = []
    for step in range(STEPS):
        loss = loss_of(batches.at(seed, step))
        moved.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types there
        moved.step()
        curve.append(loss.item())
    module.eval()
    with torch.no_grad():
        everything = torch.arange(ROWS)
        error = F.cross_entropy(module(x), y)
        return loss_of(everything).item(), error.item(), curve, module.state_dict()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_trained_as_torch_trains_it(name: str) -> None:
    """With batches, and with buffers in training and evaluation; to rounding in float64."""
    problem, lanes = problem_of(*MODULES[name]), lanes_of(6, 2)
    found = fitted(problem, lanes, block=4)
    parameters = found.parameters
    assert parameters is not None
    assert parameters.lane.tolist() == list(range(6))
    for lane in range(6):
        loss, error, curve, state = plainly(problem, lanes, lane)
        assert float(found.loss[lane]) == pytest.approx(loss, rel=1e-10)
        assert float(found.metrics[lane, 0]) == pytest.approx(error, rel=1e-10)
        mine = found.curve_loss[found.curve_lane == lane].tolist()
        assert mine == pytest.approx([curve[step] for step in (1, 3, 5, 7, 8)], rel=1e-10)
        for key, held in parameters.named.items():
            torch.testing.assert_close(held[lane], state[key], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["batch norm", "convolutions", "lstm", "attention"])
def test_a_module_among_others_is_as_alone(name: str) -> None:
    """In blocks of other sizes, and called one at a time."""
    problem, lanes = problem_of(*MODULES[name]), lanes_of(6, 2)
    usual = fitted(problem, lanes, block=4)
    for block, kind in ((1, EAGER), (16, EAGER), (1, SINGLE), (1, SEQUENTIAL)):
        other = fitted(problem, lanes, block, kind)
        torch.testing.assert_close(usual.loss, other.loss, rtol=1e-12, atol=0)
        torch.testing.assert_close(usual.metrics, other.metrics, rtol=1e-12, atol=0)


def numpys_mask(seed: int, step: int, call: int, shape: tuple[int, ...], p: float) -> Any:
    """The rule of `losses.stackable.dropout` in numpy's own whole numbers of 32 bits."""

    def mixed(h: Any) -> Any:
        h = numpy.asarray(h, dtype=numpy.uint32)
        h = h ^ (h >> numpy.uint32(16))
        h = h * numpy.uint32(0x85EBCA6B)
        h = h ^ (h >> numpy.uint32(13))
        h = h * numpy.uint32(0xC2B2AE35)
        return h ^ (h >> numpy.uint32(16))

    with numpy.errstate(over="ignore"):
        begun = numpy.uint32(call)
        for part in (seed & 0xFFFFFF, (seed >> 24) & 0xFFFFFF, step):
            begun = mixed(begun + numpy.uint32(part))
        element = numpy.arange(numpy.prod(shape), dtype=numpy.uint32)
        return (mixed(mixed(element ^ begun) + begun) >= int(p * 2**32)).reshape(shape)


def test_masks_follow_from_seed_step_and_call() -> None:
    """As written down in another way; half a million draws are as even as chance has them."""
    shape, p = torch.Size([50, 40]), 0.3
    kept = 0
    for seed in (0, 7, 2**24 + 5, 2**31 - 1):
        for step in (0, 1, 5000):
            for call in (1, 2):
                key = key_of(torch.tensor(seed))
                found = mask(key, torch.tensor(float(step)), call, shape, p)
                assert numpy.array_equal(found.numpy(), numpys_mask(seed, step, call, (50, 40), p))
                kept += int(found.sum())
    draws = 4 * 3 * 2 * 2000
    assert abs(kept - 0.7 * draws) < 4 * (draws * 0.21) ** 0.5


class Dropped(nn.Module):
    """Elements and whole channels are dropped, by modules and by functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.channels = nn.Conv1d(4, 3, 3), nn.Dropout1d(0.4)
        self.some, self.last = nn.Dropout(0.25), nn.Linear(6, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.channels(torch.tanh(self.conv(x)))
        x = F.dropout(x, 0.1, self.training)
        return self.last(self.some(x.flatten(1)))


def test_dropout_is_a_plain_loop_with_its_masks() -> None:
    """In training; and nothing is dropped in the loss of all rows and in metrics."""
    problem, lanes = problem_of(SEQUENCE, Dropped), lanes_of(4, 2)
    found = fitted(problem, lanes, block=4)
    for lane in range(4):
        seed, lr = int(lanes.seed[lane]), float(lanes.values["lr"][lane])
        l2 = float(lanes.values["l2"][lane])
        one: Any = problem()
        x, y = one.data()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            module = one.module()
        moved = torch.optim.SGD(module.parameters(), lr=lr)
        batches = Batches(rows=ROWS, size=BATCH)
        for step in range(STEPS):
            rows = batches.at(seed, step)
            h, n = torch.tanh(module.conv(x[rows])), len(rows)
            for call, (shape, p) in enumerate(
                [((n, 3, 1), 0.4), ((n, 3, 2), 0.1), ((n, 6), 0.25)], 1
            ):
                kept = torch.from_numpy(numpys_mask(seed, step, call, shape, p))
                h = h.flatten(1) if call == 3 else h
                h = h * kept / (1 - p)
            loss = F.cross_entropy(module.last(h), y[rows])
            loss = loss + l2 * sum((w * w).sum() for w in module.parameters())
            moved.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types there
            moved.step()
        module.eval()
        error = F.cross_entropy(module(x), y).item()
        assert float(found.metrics[lane, 0]) == pytest.approx(error, rel=1e-10)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_recurrent_layers_own_dropout_is_of_what_it_gives_the_next(kind: Any) -> None:
    """In training alone; nothing of the last layer is dropped."""
    torch.manual_seed(0)
    whole = kind(4, 5, 2, dropout=0.3, batch_first=True, dtype=torch.float64)
    first, second = (kind(size, 5, batch_first=True, dtype=torch.float64) for size in (4, 5))
    for layer, part in enumerate((first, second)):
        state = {f"{name[:-1]}{layer}": name for name, _ in part.named_parameters()}
        part.load_state_dict({mine: whole.get_parameter(its) for its, mine in state.items()})
    x = torch.randn(ROWS, 4, 4, dtype=torch.float64)
    key, step = key_of(torch.tensor(9)), torch.tensor(2.0)
    between = first(x)[0]
    kept = mask(key, step, 1, between.transpose(0, 1).shape, 0.3).transpose(0, 1)
    expected = second(torch.where(kept, between / 0.7, 0.0))[0]
    with Functions(key, step):
        torch.testing.assert_close(whole(x)[0], expected)
    whole.eval()
    with Functions():
        torch.testing.assert_close(whole(x)[0], second(between)[0])


class Hooked(nn.Linear):
    def __init__(self) -> None:
        super().__init__(5, CLASSES)
        self.register_forward_hook(lambda *given: None)


REFUSED: dict[str, tuple[Any, str]] = {
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(3)), "0 (LazyLinear) is lazy"),
    "hooks": (Hooked, "Hooked has hooks"),
    "average": (
        lambda: nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3, momentum=None)),
        "1 (BatchNorm1d) counts its batches (momentum=None)",
    ),
    "own masks": (
        lambda: nn.MultiheadAttention(4, 2, dropout=0.5, add_bias_kv=True),
        "MultiheadAttention draws masks of its own (dropout) of keys that it adds",
    ),
    "random": (
        lambda: nn.Sequential(nn.Linear(5, 3), nn.RReLU()),
        "1 (RReLU) draws random numbers",
    ),
    "no module": (lambda: 3, "returns a int, not a torch.nn.Module"),
    "no parameters": (nn.ReLU, "the module has no parameters"),
    "dtypes": (
        lambda: nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 3).double()),
        "the parameters have several dtypes (float32, float64)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_stacked_is_refused_by_name(name: str) -> None:
    """Before anything is fitted."""
    made, message = REFUSED[name]
    problem = type("Made", (Problem,), {"module": lambda self: made()})
    program = Program(
        problem, optimizer="sgd", shape={}, defaults={"l2": 0.0}, block=2, device="cpu"
    )
    with pytest.raises(ContractError) as caught:
        program.initial(lanes_of(2, 1), torch.arange(2))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_buffer_that_is_not_saved_has_to_be_the_same_for_each_seed() -> None:
    """It would be that of the first seed for all of them."""

    class Random(nn.Linear):
        def __init__(self) -> None:
            super().__init__(5, CLASSES)
            self.register_buffer("shift", torch.randn(5), persistent=False)

    problem = type("Made", (Problem,), {"module": lambda self: Random()})
    program = Program(
        problem, optimizer="sgd", shape={}, defaults={"l2": 0.0}, block=2, device="cpu"
    )
    with pytest.raises(ContractError, match="the buffer shift is another one for each seed"):
        program.initial(lanes_of(2, 2), torch.arange(2))


def test_a_frozen_parameter_stays_as_it_was_built_and_one_has_to_move() -> None:
    """What has ``requires_grad=False`` is the seed's own, and still among `predict.parameters`; a
    module of which all has it is refused."""
    problem, lanes = problem_of(FLAT, Frozen), lanes_of(2, 2)
    parameters = fitted(problem, lanes, block=2).parameters
    assert parameters is not None
    for lane, seed in enumerate(lanes.seed.tolist()):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            built = Frozen().double()
        assert torch.equal(parameters.named["0.weight"][lane], built[0].weight)
        assert not torch.equal(parameters.named["2.weight"][lane], built[2].weight)
    still = problem_of(FLAT, lambda: nn.Linear(5, CLASSES).requires_grad_(False))
    with pytest.raises(
        ContractError, match=r"no parameter of the module requires a gradient; leave"
    ):
        fitted(still, lanes, block=2)
