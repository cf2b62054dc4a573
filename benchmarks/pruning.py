"""Searches with and without a pruner: what they find, and what it costs.

    python benchmarks/pruning.py --seeds 20
    python benchmarks/pruning.py --seeds 5 --problems cubic-sine mlp --pruners halving median

Both searches of a pair have the same arguments and the same seed, so the same first trials. Regret
is the objective of the best trial, as a difference from the best that any of the searches of the
problem has found; a ratio above 1 is a search that has found less with the pruner. A difference
that no longer means anything is added to both sides (`Case.least`): where both have found the best
there is, the ratio is 1. Updates, processor seconds of this process, the sampler and the judging
among them, and wall seconds are of a pruned search over those of its pair.

Medians over seeds, the quartiles of the regret ratio in brackets.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported

import json
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy

import shoal


@dataclass(frozen=True)
class Case:
    """A search that is tried.

    Attributes:
        least: a difference of the objective below which two searches have found the same.
    """

    problem: str
    trials: int
    least: float


CASES = {
    case.problem: case
    for case in (
        Case("cubic-sine", 512, 1e-4),  # a hundred roundings of float32
        Case("mlp", 128, 1e-3),  # of 357 validation rows one is 2.8e-3
        Case("nist", 256, 1e-8),
        Case("softmax", 256, 1e-6),
    )
}


@dataclass(frozen=True)
class Found:
    """What one search came to.

    Attributes:
        score: the best objective, negative where a larger one is better.
        updates: of all of its fits; cpu: seconds of this process; wall: seconds.
    """

    problem: str
    pruner: str
    seed: int
    score: float
    updates: int
    cpu: float
    wall: float


def search(case: Case, pruner: str, seed: int) -> Found:
    """Run one search, in this process and one thread."""
    folder = Path(tempfile.mkdtemp(prefix="pruning-"))
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        result = shoal.run(
            case.problem,
            trials=case.trials,
            seed=seed,
            pruner=pruner,
            engine="inline",
            workers=1,
            progress=False,
            out=folder / "out",
        )
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        best = float(result.best[result.objective.name])
        return Found(
            problem=case.problem,
            pruner=pruner,
            seed=seed,
            score=-best if result.objective.maximize else best,
            updates=int(result.trials["steps"].sum()),
            cpu=cpu,
            wall=wall,
        )
    finally:
        shutil.rmtree(folder)


def print_table(found: Iterable[Found]) -> None:
    """Print a row for each problem and pruner."""
    every = list(found)
    print("| problem | pruner | seeds | regret | updates | processor | wall |")
    print("|---|---|---|---|---|---|---|")
    for problem in dict.fromkeys(each.problem for each in every):
        own = [each for each in every if each.problem == problem]
        least, floor = CASES[problem].least, min(each.score for each in own)
        plain = {each.seed: each for each in own if each.pruner == "none"}
        for pruner in dict.fromkeys(each.pruner for each in own if each.pruner != "none"):
            pairs = [(o, plain[o.seed]) for o in own if o.pruner == pruner and o.seed in plain]
            ratios = [(o.score - floor + least) / (p.score - floor + least) for o, p in pairs]
            low, middle, high = numpy.quantile(ratios, [0.25, 0.5, 0.75])
            shares = [
                float(numpy.median([getattr(o, what) / getattr(p, what) for o, p in pairs]))
                for what in ("updates", "cpu", "wall")
            ]
            told = " | ".join(f"{share:.2f}" for share in shares)
            regret = f"{middle:.2f} ({low:.2f} to {high:.2f})"
            print(f"| `{problem}` | `{pruner}` | {len(pairs)} | {regret} | {told} |")


def main() -> None:
    """Run the searches, seed by seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--problems", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--pruners", nargs="+", default=["halving"])
    parser.add_argument("--keep", type=Path, help="file to add each search to, a JSON line each")
    given = parser.parse_args()
    for problem in given.problems:  # what is compiled, and imported, is no part of a pair
        search(Case(problem, 64, 0.0), "none", 0)
    found = []
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        for problem in given.problems:
            for pruner in ("none", *given.pruners):
                found.append(search(CASES[problem], pruner, seed))
                if given.keep is not None:
                    with given.keep.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(found[-1])) + "\n")
    print_table(found)


if __name__ == "__main__":
    main()
