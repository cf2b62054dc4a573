"""Checkpoints: a pack that was stopped goes on with the numbers that it would have had."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from shoal.trainable.errors import CheckpointError
from shoal.trainable.fitting import Plan, checkpoint, fit
from shoal.trainable.fitting.checkpoint import (
    CheckpointKeeper,
    Saving,
    attempts,
    key,
    load,
    remove,
    save,
)
from shoal.trainable.lanes import Fitted, Lanes
from shoal.trainable.optimizers.registry import OPTIMIZERS
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.program import Program
from shoal.trainable.task import StackedRecipe, Task
from shoal.trainable.worker import Worker

PLAN = Plan(steps=60, report=7, diverge_factor=1000.0)
DEFAULTS = {"lr": 1e-6, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
FIRST_ORDER = [name for name, one in OPTIMIZERS.items() if not one.needs_residuals]
NEVER = float("inf")


def lanes(optimizer: str, n: int = 11) -> Lanes:
    """Lanes of which some diverge, more than a block holds."""
    return Lanes(
        trial=torch.arange(n),
        replicate=torch.zeros(n, dtype=torch.int64),
        seed=torch.arange(n),
        values={"lr": torch.logspace(-7, -4.5, n, dtype=torch.float64)},
        shape={"optimizer": optimizer},
    )


def program(optimizer: str, block: int = 4) -> Program:
    """The course's problem."""
    problem = find("cubic-sine").load()
    return Program(
        problem, optimizer=optimizer, shape={}, defaults=DEFAULTS, block=block, device="cpu"
    )


def saving(folder: Path, attempt: int = 0, resume: str | None = None) -> Saving:
    """Where a test's checkpoints go."""
    return Saving(
        folder=str(folder),
        key="k" * 24,
        attempt=attempt,
        resume=resume,
        period_seconds=NEVER,
    )


class AfterSome:
    """Says stop after so many updates, and ever after."""

    def __init__(self, updates: int) -> None:
        self._left = 2 * updates  # it is asked once for itself and once for due()

    def __call__(self) -> bool:
        self._left -= 1
        return self._left < 0


def keeper(at: Saving | None, stop: Any) -> CheckpointKeeper:
    """A keeper of a pack that begins now."""
    return CheckpointKeeper(at, stop, device="cpu", began=0.0)


def same(one: Fitted, other: Fitted) -> bool:
    """Whether all columns are the same, bit for bit."""

    def alike(a: Any, b: Any) -> bool:
        if isinstance(a, torch.Tensor):
            return torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)
        if isinstance(a, dict):
            return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
        if a is None or isinstance(a, tuple):
            return bool(a == b)
        return alike(vars(a), vars(b))

    return alike(vars(one), vars(other))


@pytest.mark.parametrize("optimizer", FIRST_ORDER)
@pytest.mark.parametrize("seed", range(4))
def test_stopped_again_and_again_it_gives_the_same_bits(
    optimizer: str, seed: int, tmp_path: Path
) -> None:
    """In a new program each time, as in a new process; stopped anywhere in a chunk of steps."""
    whole = fit(program(optimizer), lanes(optimizer), PLAN)
    chance = random.Random(seed)
    fitted, resume, attempt = None, None, 0
    while fitted is None:
        at = saving(tmp_path, attempt, resume)
        kept = keeper(at, AfterSome(chance.randint(1, 90)))
        fitted = fit(program(optimizer), lanes(optimizer), PLAN, kept)
        if fitted is None:
            assert kept.saved
            assert kept.notes == []
        resume, attempt = at.file.name, attempt + 1
    assert attempt > 1
    assert whole is not None
    assert same(whole, fitted)


def test_a_checkpoint_on_a_period_changes_nothing(tmp_path: Path) -> None:
    """One at every update."""
    whole = fit(program("adam"), lanes("adam"), PLAN)
    often = replace(
        saving(tmp_path),
        period_seconds=0.0,
    )
    kept = keeper(often, lambda: False)
    fitted = fit(program("adam"), lanes("adam"), PLAN, kept)
    assert whole is not None
    assert fitted is not None
    assert same(whole, fitted)
    assert attempts(tmp_path, often.key) == [0]


def test_the_key_is_of_all_that_decides_the_numbers() -> None:
    """Another lane, program, plan, block or default gives another key; order of names does not."""
    given: dict[str, Any] = {"program": "abc eager", "plan": PLAN, "block": 4, "defaults": DEFAULTS}
    mine = lanes("sgd")
    keys = {
        key(mine, **given),
        key(replace(mine, seed=mine.seed + 1), **given),
        key(replace(mine, values={"lr": mine.values["lr"] * 2}), **given),
        key(replace(mine, shape={"optimizer": "adam"}), **given),
        key(mine, **{**given, "program": "abd eager"}),
        key(mine, **{**given, "plan": replace(PLAN, steps=61)}),
        key(mine, **{**given, "block": 8}),
        key(mine, **{**given, "defaults": {**DEFAULTS, "momentum": 0.8}}),
    }
    assert len(keys) == 8
    turned = dict(reversed(DEFAULTS.items()))
    assert key(mine, **given) == key(mine, **{**given, "defaults": turned})


def test_a_damaged_or_foreign_checkpoint_is_named_and_not_used(tmp_path: Path) -> None:
    """Every byte matters; a whole one of another pack, device or torch is none of ours either."""
    at = saving(tmp_path)
    kept = keeper(at, AfterSome(10))
    assert fit(program("sgd"), lanes("sgd"), PLAN, kept) is None
    good = at.file.read_bytes()
    for position in (0, 40, len(good) // 2, len(good) - 1):
        at.file.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(CheckpointError, match="is damaged"):
            load(at.file, of=at.key, device="cpu")
    at.file.write_bytes(good[:-1])
    with pytest.raises(CheckpointError, match="is damaged"):
        load(at.file, of=at.key, device="cpu")
    at.file.write_bytes(good)
    with pytest.raises(CheckpointError, match="of another key"):
        load(at.file, of="j" * 24, device="cpu")
    with pytest.raises(CheckpointError, match=r"of another device \(cpu, not cuda\)"):
        load(at.file, of=at.key, device="cuda")
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        load(tmp_path / "none.pt", of=at.key, device="cpu")

    at.file.write_bytes(good[:100])
    again = keeper(saving(tmp_path, 1, at.file.name), lambda: False)
    fitted = fit(program("sgd"), lanes("sgd"), PLAN, again)
    whole = fit(program("sgd"), lanes("sgd"), PLAN)
    assert fitted is not None
    assert whole is not None
    assert same(whole, fitted)
    assert again.notes == [f"{at.file} is damaged; its fits begin anew"]


@pytest.mark.parametrize(
    "other",
    [
        lambda snapshot: snapshot.pop("reported"),
        lambda snapshot: snapshot.update(more=0),
        lambda snapshot: snapshot.update(params=tuple(p.long() for p in snapshot["params"])),
        lambda snapshot: snapshot.update(state=snapshot["state"][:-1]),
        lambda snapshot: snapshot["selection"].pop("since"),
    ],
    ids=["one less", "one more", "other numbers", "a state less", "one less within"],
)
def test_a_checkpoint_of_another_form_costs_time_and_no_numbers(
    tmp_path: Path, other: Callable[[dict[str, Any]], object]
) -> None:
    """Such as another version of shoal may have left: an error would be the fits' own."""
    at = saving(tmp_path)
    assert fit(program("adam"), lanes("adam"), PLAN, keeper(at, AfterSome(10))) is None
    held = load(at.file, of=at.key, device="cpu")["snapshot"]
    other(held)
    save(at, held, device="cpu", seconds=0.0, began=0.0)
    again = keeper(saving(tmp_path, 1, at.file.name), lambda: False)
    fitted = fit(program("adam"), lanes("adam"), PLAN, again)
    whole = fit(program("adam"), lanes("adam"), PLAN)
    assert fitted is not None
    assert whole is not None
    assert same(whole, fitted)
    assert again.notes == [f"{at.file} is of another version of shoal; its fits begin anew"]


def test_a_checkpoint_of_another_version_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers may be others."""
    at = saving(tmp_path)
    assert fit(program("sgd"), lanes("sgd"), PLAN, keeper(at, AfterSome(10))) is None
    monkeypatch.setattr(checkpoint, "__version__", "0.0.1")
    with pytest.raises(CheckpointError, match=r"of another shoal \(.*, not 0.0.1\)"):
        load(at.file, of=at.key, device="cpu")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    """Only tensors and numbers are loaded, whatever the hash says."""
    import hashlib
    import io

    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.system, (f"touch {tmp_path}/ran",)

    buffer = io.BytesIO()
    torch.save({"key": Evil()}, buffer)
    body = buffer.getvalue()
    file = tmp_path / "evil.pt"
    file.write_bytes(hashlib.sha256(body).digest() + body)
    with pytest.raises(CheckpointError, match="is no checkpoint of fits"):
        load(file, of="k", device="cpu")
    assert not (tmp_path / "ran").exists()


def test_a_disk_that_takes_no_checkpoint_costs_no_numbers(tmp_path: Path) -> None:
    """The pack goes on, and tells; nothing is left half-written."""
    gone = replace(
        saving(tmp_path / "none"),
        period_seconds=0.0,
    )
    kept = keeper(gone, lambda: False)
    assert fit(program("sgd"), lanes("sgd", 2), PLAN, kept) is not None
    assert "No such file or directory; the fits go on without" in kept.notes[0]
    with pytest.raises(CheckpointError, match="cannot write"):
        save(gone, {}, device="cpu", seconds=0.0, began=0.0)


def test_a_worker_told_to_stop_gives_the_pack_back_and_another_ends_it(tmp_path: Path) -> None:
    """Seconds add up, the beginning stays; afterwards all checkpoints of the pack can go."""
    source = find("cubic-sine")
    recipe = StackedRecipe(source=source, plan=PLAN, program="eager", unroll=1, defaults=DEFAULTS)
    name = recipe.key(lanes("sgd"), 4)
    at = replace(saving(tmp_path), key=name)
    task = Task(lanes=lanes("sgd"), block=4, saving=at)
    first = Worker(recipe).run(task, AfterSome(20))
    assert (first.stopped, first.saved, first.fitted, first.error) == (True, True, None, None)
    later = replace(task, saving=replace(at, attempt=1, resume=at.file.name))
    second = Worker(recipe).run(later)
    assert second.fitted is not None
    assert (second.stopped, second.notes) == (False, ())
    assert second.started == first.started
    assert second.before >= 0.5 * first.seconds > 0
    whole = Worker(recipe).run(replace(task, saving=None)).fitted
    assert whole is not None
    assert same(whole, second.fitted)
    (tmp_path / f".{at.file.name}.n1.7").touch()
    remove(tmp_path, name)
    assert not list(tmp_path.iterdir())
