"""What longer searches find, where rounds grow with a trial's number.

    python benchmarks/growth.py --seeds 5 --jobs 2

The best loss minus the floor after so many trials, medians over seeds, on surfaces that are
evaluated directly through shoal's sampler. Searches differ in how many trials a round has:

    by number   as `shoal run` has it: by the number of the round's first trial, so that a search
                begins with the trials of a shorter one
    by total    a 32nd of all trials, or a 16th of more than 2,048: each search is one of its own

Then the largest ratio of what 2 n trials find to what n trials find, over surfaces and n: above 1 a
longer search has ended worse. Below `LEAST`, differences are of the last digits alone.
"""

from __future__ import annotations

import argparse
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy
from objectives import SURFACES, Objective

from shoal.search.request.amendments.amendment import Stage
from shoal.search.request.amendments.layout import layout_of
from shoal.search.samplers.rounds import Earlier, RoundSampler
from shoal.search.space.space import Space, parse

TRIALS = (256, 512, 1024, 2048, 4096)
RULES = ("by number", "by total")
LEAST = 1e-12


def size_by_total(trials: int) -> int:
    """A round's trials by the number of all trials, as they were for kernels."""
    fine = -(-trials // 32)
    return max(4, fine if fine <= 64 else -(-trials // 16))


def found(objective: Objective, trials: int, seed: int, size: int | None) -> list[float]:
    """Search as `shoal run` does; return the loss of each trial.

    Args:
        size: trials of a round; None: by the number of its first.
    """
    space = Space(parse(*item) for item in objective.space.items())
    sampler = RoundSampler("tpe", seed, space)
    columns, losses = sampler.empty(trials), numpy.full(trials, numpy.nan)
    layout = layout_of([Stage(trials, 1, 0)], size=size, pack=None, whole=True)
    for k in range(len(layout)):
        span = layout[k]
        told = len(layout.known(max(0, k - 1)))
        earlier = Earlier(
            columns={name: column[: span.first] for name, column in columns.items()},
            scores=losses[:told],
        )
        asked = sampler.ask(k, span.first, span.drawn, earlier, threading.Event())
        count = span.stop - span.first
        asked = {name: column[:count] for name, column in asked.items()}
        for name, column in asked.items():
            columns[name][span.trials] = column
        losses[span.trials] = objective.loss(sampler.values(asked, count))
    return losses.tolist()


def run(job: tuple[int, str, int]) -> dict[tuple[int, str, int], float]:
    """Search one surface from one seed; return the best after each number of trials."""
    which, rule, seed = job
    objective = SURFACES[which]
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if rule == "by number":
            losses = found(objective, TRIALS[-1], seed, None)
            every = {trials: losses[:trials] for trials in TRIALS}
        else:
            every = {n: found(objective, n, seed, size_by_total(n)) for n in TRIALS}
    return {(which, rule, n): min(losses) - objective.floor for n, losses in every.items()}


def worst(medians: Sequence[float]) -> float:
    """The largest ratio of one number to the one before it, of those that are not tiny."""
    pairs = zip(medians[1:], medians[:-1], strict=True)
    return max(max(later, LEAST) / max(before, LEAST) for later, before in pairs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=RULES)
    given = parser.parse_args()
    print(f"best loss minus the floor: medians over {given.seeds} seeds")
    print(f"{'':26}" + "".join(f"{n:>10,}" for n in TRIALS) + "     2n / n")
    most = dict.fromkeys(given.rules, 0.0)
    with ProcessPoolExecutor(given.jobs) as pool:
        for which, objective in enumerate(SURFACES):
            every: dict[tuple[int, str, int], list[float]] = {}
            for part in pool.map(run, product([which], given.rules, range(given.seeds))):
                for key, loss in part.items():
                    every.setdefault(key, []).append(loss)
            for rule in given.rules:
                medians = [float(numpy.median(every[which, rule, n])) for n in TRIALS]
                most[rule] = max(most[rule], worst(medians))
                cells = "".join(f"{median:10.1e}" for median in medians)
                line = f"{objective.name:14}{rule:12}{cells}{worst(medians):11.2f}"
                print(line, flush=True)
    print("the largest of these: " + ", ".join(f"{rule} {most[rule]:.2f}" for rule in given.rules))


if __name__ == "__main__":
    main()
