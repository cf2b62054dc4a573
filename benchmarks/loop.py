"""The bare loop: the lanes of a finished search, fitted again without the search.

    python benchmarks/loop.py runs/first --workers 2

A process per core, `trainable` alone: no Ray, no Optuna, no disk. Each takes every n-th lane of the
search's table, hyperparameters and all, so diverged lanes are as many as there; it fits them as one
pack, with the search's block, reporting steps and program. All begin together, once each has its
program ready and has fitted a first block. Prints JSON: lanes, updates done, and the seconds of the
slowest process.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import time
import tomllib
from pathlib import Path
from typing import Any

import torch

from shoal.trainable.fitting import Plan, fit
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.program import Program

Columns = dict[str, torch.Tensor]

PATIENCE_SECONDS = 600


def read(folder: Path) -> tuple[dict[str, Any], Columns]:
    """Return what was asked, and the table's key, seeds and learning rates."""
    import pandas

    asked = tomllib.loads((folder / "search.toml").read_text(encoding="utf-8"))
    if asked["problem"] != "cubic-sine" or list(asked["space"]) != ["lr"]:
        raise SystemExit(f"loop: {folder} is not a search of the default problem and space")
    table = pandas.read_parquet(folder / "trials.parquet")
    columns = {
        "trial": torch.tensor(table["trial"].to_numpy()),
        "replicate": torch.tensor(table["replicate"].to_numpy()),
        "lr": torch.tensor(table["lr"].to_numpy()),
    }
    return asked, columns


def lanes_of(columns: Columns, seed: int) -> Lanes:
    """The lanes of some rows."""
    return Lanes(
        trial=columns["trial"],
        replicate=columns["replicate"],
        seed=seed + columns["replicate"],
        values={"lr": columns["lr"]},
        shape={"optimizer": "sgd"},
    )


def build(asked: dict[str, Any], plan: Plan, program: str) -> Program:
    """The search's program, or another one."""
    more = {"compiled": True, "unroll": asked["unroll"]} if program == "compiled" else {}
    return Program(
        find(asked["problem"]).load(),
        optimizer="sgd",
        shape={},
        defaults={"lr": 1e-6},
        block=asked["block"],
        device="cpu",
        **more,
    )


def work(asked: dict[str, Any], columns: Columns, program: str, start: Any, told: Any) -> None:
    """Fit the rows; put (updates, seconds, diverged, notes)."""
    torch.set_num_threads(1)
    plan = Plan(
        steps=asked["steps"], report=asked["report"], diverge_factor=asked["diverge_factor"]
    )
    ready = build(asked, plan, program)
    first = {name: column[: asked["block"]] for name, column in columns.items()}
    fit(ready, lanes_of(first, asked["seed"]), plan)
    start.wait()
    began = time.perf_counter()
    fitted = fit(ready, lanes_of(columns, asked["seed"]), plan)
    seconds = time.perf_counter() - began
    assert fitted is not None
    diverged = int((~torch.isfinite(fitted.loss)).sum())
    told.put((int(fitted.steps.sum()), seconds, diverged, ready.told()[0]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="run folder of a search of the default problem")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--program", help="eager or compiled  [as the search]")
    given = parser.parse_args()
    asked, columns = read(given.folder)
    program = given.program or asked["program"]
    context = multiprocessing.get_context("spawn")
    start, told = context.Barrier(given.workers), context.Queue()
    shares = [
        {name: column[i :: given.workers].clone() for name, column in columns.items()}
        for i in range(given.workers)
    ]
    processes = [
        context.Process(target=work, args=(asked, share, program, start, told)) for share in shares
    ]
    for process in processes:
        process.start()
    results = [told.get(timeout=PATIENCE_SECONDS) for _ in processes]
    for process in processes:
        process.join()
    lanes, seconds = len(columns["lr"]), max(result[1] for result in results)
    print(
        json.dumps(
            {
                "lanes": lanes,
                "updates": sum(result[0] for result in results),
                "diverged": sum(result[2] for result in results),
                "seconds": seconds,
                "rate": lanes / seconds if seconds else math.nan,
                "program": program,
                "block": asked["block"],
                "notes": sorted({note for result in results for note in result[3]}),
            }
        )
    )


if __name__ == "__main__":
    main()
