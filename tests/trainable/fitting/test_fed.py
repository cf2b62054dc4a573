"""Kernels whose updates take batches or noise, against torch stacked and one fit at a time."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from shoal.trainable.compiling import compiler
from shoal.trainable.feeding import held
from shoal.trainable.fitting import Block, Plan, fit
from shoal.trainable.halt import Halt
from shoal.trainable.lanes import COMPLETE, Fitted, Lanes
from shoal.trainable.problems import Folds
from shoal.trainable.programs import EAGER, KERNEL, SEQUENTIAL, SINGLE, Common, Program

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

ROWS, INPUTS, HIDDEN, CLASSES, WORDS = 45, 4, 3, 3, 5


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Net:
    """Classes of rows, from integers: cross-entropy of a small net, in float64."""

    batch: Any = 7
    drop_last = False

    def data(self) -> Any:
        x = normal(1, ROWS, INPUTS)
        y = (x[:, :CLASSES] + 0.1 * normal(2, ROWS, CLASSES)).argmax(1)
        return {"x": x, "y": y, "words": torch.arange(2 * ROWS).view(ROWS, 2) ** 2 % WORDS}

    def initial(self, seed: int) -> Any:
        return {
            "w": normal(seed, INPUTS, HIDDEN),
            "b": torch.zeros(HIDDEN, dtype=torch.float64),
            "v": normal(seed + 99, HIDDEN, CLASSES),
        }

    def loss(self, params: Any, data: Any, l2: Any = 0.0) -> Any:
        hidden = torch.tanh(data["x"] @ params["w"] + params["b"])
        penalty = l2 * (params["w"] ** 2).sum()
        return functional.cross_entropy(hidden @ params["v"], data["y"]) + penalty

    def metrics(self, params: Any, rows: Any) -> Any:
        hidden = torch.tanh(rows["x"] @ params["w"] + params["b"])
        return {"right": ((hidden @ params["v"]).amax(1) > 0.5).double().mean()}


class Dropped(Net):
    """With noise: units that are left out, of each row and of all."""

    def noise(self, seed: int, step: int) -> Any:
        generator = torch.Generator().manual_seed(1000 * seed + step)
        kept = torch.rand(self.batch, HIDDEN, generator=generator) < 0.7
        return {"kept": kept, "scale": 1 + 0.1 * torch.rand(1, generator=generator).double()}

    def loss(self, params: Any, data: Any, l2: Any = 0.0, *, noise: Any = None) -> Any:
        hidden = torch.tanh(data["x"] @ params["w"] + params["b"])
        if noise is not None:
            hidden = hidden * noise["kept"][: len(hidden)] / 0.7 * noise["scale"]
        return (
            functional.cross_entropy(hidden @ params["v"], data["y"])
            + l2 * (params["v"] ** 2).sum()
        )


class NoiseAlone(Dropped):
    """All rows in each update."""

    batch = None

    def noise(self, seed: int, step: int) -> Any:
        one = 0.1 * normal(1000 * seed + step, INPUTS)
        return (one, one) if step == 0 else (one, one.flip(0))

    def loss(self, params: Any, data: Any, l2: Any = 0.0, *, noise: Any = None) -> Any:
        x = data["x"] if noise is None else data["x"] + noise[0] * noise[1]
        return Net.loss(self, params, {**data, "x": x}, l2)


class Embedded(Net):
    """Rows of a table of parameters, looked up from both ends."""

    def initial(self, seed: int) -> Any:
        return {"table": normal(seed, WORDS, INPUTS), **super().initial(seed)}

    def loss(self, params: Any, data: Any, l2: Any = 0.0) -> Any:
        one = functional.embedding(data["words"][:, 0], params["table"])
        other = params["table"][data["words"][:, 1] - WORDS]
        return Net.loss(self, params, {**data, "x": data["x"] * one + other}, l2)


class Weighed(Net):
    """A weight for each row, written as an integer, and targets as their encoding."""

    def data(self) -> Any:
        every = super().data()
        return every["x"], every["y"], (torch.arange(ROWS) % 3).to(torch.int32), every["y"] > 0

    def loss(self, params: Any, data: Any, l2: Any = 0.0, *, step: Any = None) -> Any:
        x, y, weight, late = data
        hidden = torch.tanh(x @ params["w"] + params["b"])
        truth = (y.unsqueeze(1) == torch.arange(CLASSES)).double()
        off = ((hidden @ params["v"]).softmax(1) - truth) ** 2
        off = torch.where(late.unsqueeze(1), off, 0.5 * off)
        return (weight * off.sum(1)).sum() / (1 + weight.sum()) + l2 * 0.9**step

    def metrics(self, params: Any, rows: Any) -> Any:
        return super().metrics(params, {"x": rows[0]})


class ByHand(Net):
    """The gradient by hand, of a line."""

    def loss_and_gradient(self, params: Any, data: Any, l2: Any = 0.0) -> Any:
        x, w = data["x"], params["w"]
        off = x @ w - x[:, :HIDDEN]
        loss = (off * off).mean() + l2 * (w * w).sum()
        gradient = 2 * x.T @ off / off.numel() + 2 * l2 * w
        return loss, {"w": gradient, "b": 0 * params["b"], "v": 0 * params["v"]}


OPTIONS: dict[str, dict[str, float]] = {
    "sgd": {"momentum": 0.9, "nesterov": 1.0, "weight_decay": 0.01, "clip_norm": 0.5},
    "adam": {"ema": 0.9, "warmup": 0.3, "clip_value": 0.3},
    "adamw": {"weight_decay": 0.1},
}

HOW: dict[str, Any] = {"defaults": OPTIONS["sgd"], "shape": {"schedule": "constant"}}

PLAN = Plan(
    steps=24, report=5, diverge_factor=50.0, metrics=("right",), objective="right", keep=3, fits=2
)


def lanes_of(count: int, replicates: int = 2, optimizer: str = "sgd") -> Lanes:
    at = torch.arange(count)
    return Lanes(
        trial=at // replicates,
        replicate=at % replicates,
        seed=3 + at % replicates,
        values={
            "lr": torch.logspace(-3, -0.5, count, dtype=torch.float64),
            "l2": torch.logspace(-4, -2, count, dtype=torch.float64).flip(0),
        },
        shape={"optimizer": optimizer},
    )


def program_of(problem: type, kind: str, **how: Any) -> Program:
    usual = {"optimizer": "sgd", "shape": {}, "defaults": {}, "block": 16, "unroll": 4, "steps": 24}
    how = {**usual, **how}
    how["unroll"] = how["unroll"] if kind in (KERNEL, SEQUENTIAL) else 1
    return Program(problem, device="cpu", kind=kind, **how)


def fitted(program: Program, lanes: Lanes, plan: Plan = PLAN) -> Fitted:
    found = fit(program, lanes, plan)
    assert found is not None
    return found


def alike(one: Fitted, other: Fitted, rtol: float = 1e-8) -> None:
    """The same numbers, to rounding."""
    for name in ("state", "steps", "best_step", "curve_lane", "curve_step"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
    done = one.state == COMPLETE
    torch.testing.assert_close(one.loss[done], other.loss[done], rtol=rtol, atol=0)
    torch.testing.assert_close(one.metrics[done], other.metrics[done], rtol=rtol, atol=1e-12)
    torch.testing.assert_close(one.curve_loss, other.curve_loss, rtol=rtol, atol=0)
    kept, same = one.parameters, other.parameters
    assert kept is not None
    assert same is not None
    assert kept.lane.tolist() == same.lane.tolist()
    for name, tensor in kept.named.items():
        torch.testing.assert_close(tensor, same.named[name], rtol=rtol, atol=1e-10)


def bits(found: Fitted) -> list[Any]:
    parameters = found.parameters
    assert parameters is not None
    held = [found.loss, found.metrics, found.state, found.steps, found.best_step]
    held += [found.curve_lane, found.curve_step, found.curve_loss, found.curve_metrics]
    held += [parameters.lane, *parameters.named.values()]
    return [tensor.clone().view(torch.uint8).tolist() for tensor in held]


@pytest.mark.parametrize(
    ("problem", "optimizer", "schedule", "kind"),
    [
        pytest.param(Net, "adam", "constant", EAGER, marks=pytest.mark.long),
        pytest.param(Dropped, "sgd", "constant", SINGLE, marks=pytest.mark.long),
        (NoiseAlone, "rmsprop", "cosine", EAGER),
        pytest.param(Embedded, "adamw", "step", SINGLE, marks=pytest.mark.long),
        pytest.param(Weighed, "sgd", "linear", EAGER, marks=pytest.mark.long),
        pytest.param(ByHand, "lion", "constant", SINGLE, marks=pytest.mark.long),
    ],
)
def test_kernels_have_the_numbers_of_torch(
    problem: type, optimizer: str, schedule: str, kind: str
) -> None:
    """Stacked, or of one fit at a time: losses, curves, metrics, states and parameters."""
    lanes = lanes_of(9, optimizer=optimizer)
    how: dict[str, Any] = {"optimizer": optimizer, "defaults": OPTIONS.get(optimizer, {})}
    how["shape"] = {"schedule": schedule}
    found = fitted(program_of(problem, KERNEL, **how), lanes)
    assert found.parameters is not None
    alike(found, fitted(program_of(problem, kind, **how), lanes))


class Whole(Net):
    """All rows in each update, and nothing besides."""

    batch = None


@pytest.mark.parametrize("problem", [Net, Whole, Dropped, NoiseAlone, Weighed, ByHand])
def test_recorded_fits_one_after_the_other_have_the_bits_of_the_code(problem: type) -> None:
    """However many updates a call does, with batches, noise and metrics."""
    lanes, plan = lanes_of(5), replace(PLAN, steps=20)
    expected = bits(fitted(program_of(problem, SINGLE, block=1, **HOW), lanes, plan))
    for unroll in (1, 5):
        program = program_of(problem, SEQUENTIAL, block=1, unroll=unroll, **HOW)
        assert bits(fitted(program, lanes, plan)) == expected


def test_a_call_of_several_updates_is_given_up_between_them() -> None:
    program, halt, lanes = program_of(Net, SEQUENTIAL, block=1, unroll=5), Halt(), lanes_of(1)
    block = Block(program, lanes, PLAN)
    with torch.no_grad():
        block.prepare()
        program.heed(halt)
        halt.set()
        assert block.advance() is None
        kept = block.snapshot()
        assert kept["done"] == 0


def test_so_they_have_with_batches_folds_and_plans_as_they_come() -> None:
    draw = random.Random(4)
    for batch, drop_last in [(1, False), (45, False), (44, True), (44, False), (22, True)]:
        fold = None
        if batch < 30 and draw.random() < 0.7:
            fold = Folds(count=3, seed=0).of(draw.randint(0, 2))
        problem: Any = type("Made", (ByHand,), {"batch": batch, "drop_last": drop_last})
        steps = draw.randint(3, 30)
        plan = replace(PLAN, steps=steps, report=draw.randint(1, steps), best=draw.random() < 0.5)
        how: dict[str, Any] = {"fold": fold, "steps": steps, "block": draw.choice([1, 3, 16])}
        lanes = lanes_of(7, draw.choice([1, 2, 3]))
        found = fitted(
            program_of(problem, KERNEL, unroll=draw.choice([1, 3, 50]), **how), lanes, plan
        )
        alike(found, fitted(program_of(problem, EAGER, **how), lanes, plan))


def test_a_fit_has_the_same_bits_alone_among_others_and_however_calls_are_cut() -> None:
    lanes = lanes_of(11)
    whole = fitted(program_of(Dropped, KERNEL, **HOW), lanes)
    for block, unroll in ((1, 4), (2, 1), (5, 3), (16, 100)):
        again = fitted(program_of(Dropped, KERNEL, block=block, unroll=unroll, **HOW), lanes)
        assert bits(again) == bits(whole), (block, unroll)


def test_a_snapshot_at_any_update_goes_on_with_the_same_bits() -> None:
    """In the middle of an epoch, between reporting steps and between replicates."""
    lanes, plan = lanes_of(5), replace(PLAN, best=True)
    whole = fitted(program_of(Dropped, KERNEL, unroll=3, block=2, **HOW), lanes, plan)
    pauses = 0
    program = program_of(Dropped, KERNEL, unroll=3, block=2, **HOW)
    with torch.no_grad():
        block = Block(program, lanes, plan)
        block.prepare()
        while block.occupied():
            block.advance(lambda: True)
            kept = block.snapshot()
            block = Block(program, lanes, plan)
            block.restore(kept)
            pauses += 1
        found = block.fitted()
    assert pauses > 20
    assert bits(found) == bits(whole)


def test_a_call_ends_where_the_next_batch_is_smaller_and_at_reporting_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """45 rows in batches of 7: six of them and one of three."""
    program = program_of(Dropped, KERNEL, unroll=5, **HOW)
    calls: list[int] = []
    chunk = program.chunk

    def counted(*given: Any) -> Any:
        calls.append(len(given[3].updates))
        return chunk(*given)

    monkeypatch.setattr(program, "chunk", counted)
    fitted(program, lanes_of(2, 1), replace(PLAN, steps=16, report=8))
    assert calls == [5, 1, 1, 1, 5, 1, 2]


def test_what_updates_take_is_made_once_for_all_blocks_of_a_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If it has room; and otherwise the numbers are the same."""
    lanes, asked = lanes_of(9), list[tuple[int, int]]()
    program = program_of(Dropped, KERNEL, block=2, **HOW)
    fetch = program.feed.at

    def at(seed: int, step: int) -> list[torch.Tensor]:
        asked.append((seed, step))
        return fetch(seed, step)

    monkeypatch.setattr(program.feed, "at", at)
    plan = replace(PLAN, diverge_factor=float("inf"))
    found = fitted(program, lanes, plan)
    assert asked == [(seed, step) for seed in (3, 4) for step in range(24)]
    monkeypatch.setattr(held, "MAX_BYTES", 0)
    assert bits(fitted(program_of(Dropped, KERNEL, block=2, **HOW), lanes, plan)) == bits(found)


def test_programs_that_take_turns_hold_what_their_updates_take_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None lets go of another's, if all of it has room; and who takes the same finds it there."""
    together, asked = Common(), list[tuple[str, int]]()
    programs = {
        name: program_of(Dropped, KERNEL, optimizer=name.removeprefix("same "), **HOW)
        for name in ("sgd", "adam", "same sgd")
    }
    for name, program in programs.items():
        program.common, fetch = together, program.feed.at

        def at(seed: int, step: int, name: str = name, fetch: Any = fetch) -> list[torch.Tensor]:
            asked.append((name, step))
            made: list[torch.Tensor] = fetch(seed, step)
            return made

        monkeypatch.setattr(program.feed, "at", at)
    for name in ("sgd", "adam", "same sgd", "sgd", "adam"):
        fitted(programs[name], lanes_of(2, 1, optimizer=name.removeprefix("same ")))
    assert asked == [(name, step) for name in ("sgd", "adam") for step in range(24)]


def test_a_kernel_computes_no_empty_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the block may be; and the numbers are the same."""
    counts = list[int]()
    for block in (64, 3):
        program = program_of(Net, KERNEL, block=block, **HOW)
        chunk = program.chunk

        def counted(*given: Any, chunk: Any = chunk) -> Any:
            counts.append(len(given[0][0]))
            return chunk(*given)

        monkeypatch.setattr(program, "chunk", counted)
        found = fitted(program, lanes_of(3, 1))
        assert set(counts) == {3}
        assert bits(found) == bits(fitted(program_of(Net, KERNEL, block=3, **HOW), lanes_of(3, 1)))


class Missing(Embedded):
    """A batch in the middle of an epoch names a word that is not in the table."""

    word = WORDS

    def data(self) -> Any:
        made = super().data()
        made["words"][20, 1] = self.word
        return made

    def loss(self, params: Any, data: Any, l2: Any = 0.0) -> Any:
        whole = len(data["words"]) == ROWS
        words = data["words"][:, 1] % WORDS if whole else data["words"][:, 1]
        return Net.loss(self, params, {**data, "x": data["x"] + params["table"][words]}, l2)


@pytest.mark.parametrize("word", [WORDS, 1 << 40, -WORDS - 1, -(1 << 40)])
def test_an_index_out_of_bounds_raises_as_in_torch(word: int) -> None:
    """In the update that takes it, and not before."""
    problem: Any = type("Made", (Missing,), {"word": word})
    with pytest.raises(IndexError, match="out of bounds"):
        fit(program_of(problem, EAGER), lanes_of(2, 1), PLAN)
    with pytest.raises(IndexError, match="out of bounds"):
        fit(program_of(problem, KERNEL), lanes_of(2, 1), PLAN)


class Changing(Dropped):
    """Noise of another dtype after some updates."""

    def noise(self, seed: int, step: int) -> Any:
        made = super().noise(seed, step)
        return made if step < 5 else {**made, "scale": made["scale"].float()}


@pytest.mark.long
def test_noise_of_another_form_is_refused() -> None:
    """What is compiled would take its numbers for others."""
    with pytest.raises(Exception, match=r"noise\(\) returns .* dtypes at step 5 than at the first"):
        fit(program_of(Changing, KERNEL), lanes_of(2, 1), PLAN)
