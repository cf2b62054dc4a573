"""What checkpoints cost: packs with and without them, turn about, in one process.

    python benchmarks/checkpoints.py

A pack of the default problem is fitted without a keeper and with one that is asked after each
update, as every search has; then it is saved some times, for the share of the default period.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from shoal.search.engines.options import CHECKPOINT_SECONDS
from shoal.trainable.fitting import Block, Plan, fit
from shoal.trainable.fitting.checkpoint import CheckpointKeeper, Saving, save
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.program import Program

DEFAULTS = {"lr": 1e-6}


def lanes(n: int) -> Lanes:
    """Lanes over the stable learning rates."""
    return Lanes(
        trial=torch.arange(n),
        replicate=torch.zeros(n, dtype=torch.int64),
        seed=torch.zeros(n, dtype=torch.int64),
        values={"lr": torch.logspace(-8, -5.5, n, dtype=torch.float64)},
        shape={"optimizer": "sgd"},
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", type=int, default=4096)
    parser.add_argument("--block", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=9)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    problem = find("cubic-sine").load()
    program = Program(
        problem, optimizer="sgd", shape={}, defaults=DEFAULTS, block=asked.block, device="cpu"
    )
    plan = Plan(steps=asked.steps, report=max(1, asked.steps // 20), diverge_factor=1000.0)
    pack = lanes(asked.lanes)

    def seconds(keeper: CheckpointKeeper | None) -> float:
        began = time.process_time()  # of this process alone, whatever else the machine does
        assert fit(program, pack, plan, keeper) is not None
        return time.process_time() - began

    with tempfile.TemporaryDirectory() as folder:
        at = Saving(
            folder=folder,
            key="k",
            attempt=0,
            resume=None,
            period_seconds=CHECKPOINT_SECONDS,
        )

        def asked_keeper() -> CheckpointKeeper:
            return CheckpointKeeper(at, lambda: False, device="cpu", began=0.0)

        seconds(None)
        ratios = []
        for turn in range(asked.pairs):  # each comes first as often as the other
            if turn % 2:
                kept, plain = seconds(asked_keeper()), seconds(None)
            else:
                plain, kept = seconds(None), seconds(asked_keeper())
            ratios.append(kept / plain)
        print(f"asked after each update: {statistics.median(ratios) - 1:+.2%} (median of pairs)")
        print(f"    pairs: {', '.join(f'{ratio - 1:+.2%}' for ratio in sorted(ratios))}")
        with torch.no_grad():
            block = Block(program, pack, plan)
            for _ in range(20):
                block.advance()
            times = []
            for _ in range(20):
                began = time.perf_counter()
                save(at, block.snapshot(), device="cpu", seconds=0.0, began=0.0)
                times.append(time.perf_counter() - began)
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        cost = statistics.median(times)
        print(f"a save: {cost * 1000:.1f} ms, {size >> 10} KiB, {asked.lanes} lanes")
        print(
            f"share of the default period of {CHECKPOINT_SECONDS:.0f} s: "
            f"{cost / CHECKPOINT_SECONDS:.4%}"
        )


if __name__ == "__main__":
    main()
