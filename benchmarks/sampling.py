"""shoal's sampler against Optuna's: what is found, and what it costs.

    python benchmarks/sampling.py --seeds 20 --jobs 2

The best loss minus the floor after 64, 256 and 1,024 trials; quartiles over seeds. Searches differ
in who draws the trials:

    shoal       in rounds, as `shoal run` does: round k sees the losses of rounds up to k - 2
    optuna      Optuna's TPE with its defaults, one trial at a time: it sees every loss
    in rounds   Optuna's TPE asked in shoal's rounds (`--sampler optuna-tpe`)

Then the CPU time of a round of shoal's sampler, in one thread.
"""

from __future__ import annotations

import argparse
import threading
import time
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy
import optuna
from objectives import OBJECTIVES, Objective

from shoal.search.request.amendments.layout import layout_of
from shoal.search.samplers.rounds import Earlier, RoundSampler
from shoal.search.space.space import Space, parse

TRIALS = (64, 256, 1024)
SEARCHES = ("shoal", "optuna", "in rounds")
SIZES = (
    (1, 28_672, 4096),
    (3, 28_672, 4096),
    (6, 28_672, 4096),
    (1, 875_000, 125_000),
    (3, 875_000, 125_000),
)
"""Axes, trials told, lanes of the round."""


def by_rounds(objective: Objective, trials: Iterable[int], seed: int, name: str) -> list[float]:
    """Search as `shoal run` does; return the best loss minus the floor after so many trials."""
    space = Space(parse(*item) for item in objective.space.items())
    sampler = RoundSampler(name, seed, space)
    layout = layout_of([(max(trials), 1)], size=None, pack=None, whole=True)
    columns, losses = sampler.empty(max(trials)), numpy.empty(max(trials))
    for k in range(len(layout)):
        span = layout[k]
        earlier = Earlier(
            columns={name: column[: span.first] for name, column in columns.items()},
            scores=losses[: len(layout.known(max(0, k - 1)))],
        )
        count = span.stop - span.first
        asked = sampler.ask(k, span.first, span.drawn, earlier, threading.Event())
        asked = {name: column[:count] for name, column in asked.items()}
        for column in asked:
            columns[column][span.trials] = asked[column]
        losses[span.trials] = objective.loss(sampler.values(asked, count))
    return [float(losses[:n].min()) - objective.floor for n in trials]


def one_by_one(objective: Objective, trials: Iterable[int], seed: int) -> list[float]:
    """Ask and tell Optuna's TPE; return the best loss minus the floor after so many trials."""
    distributions = {n: parse(n, text).distribution for n, text in objective.space.items()}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    best, found = numpy.inf, []
    for number in range(1, max(trials) + 1):
        trial = study.ask(distributions)
        columns = {n: numpy.array([value]) for n, value in trial.params.items()}
        loss = float(objective.loss(columns)[0])
        study.tell(trial, loss)
        best = min(best, loss)
        if number in trials:
            found.append(best - objective.floor)
    return found


def run(job: tuple[int, str, int]) -> dict[tuple[int, str, int], float]:
    """Run one search of one objective, from one seed; return the best after so many trials."""
    which, search, seed = job
    objective = OBJECTIVES[which]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if search == "optuna":
            found = one_by_one(objective, TRIALS, seed)
        else:
            name = "tpe" if search == "shoal" else "optuna-tpe"
            found = by_rounds(objective, TRIALS, seed, name)
    return {(which, search, trials): loss for trials, loss in zip(TRIALS, found, strict=True)}


def print_cost() -> None:
    """Print the CPU time of rounds after many trials, a third of them diverged."""
    print("\nCPU time of one round\naxes  told     lanes    seconds  ms a lane")
    for axes, told, lanes in SIZES:
        space = Space(parse(f"x{i}", "0:1") for i in range(axes))
        rng = numpy.random.default_rng(0)
        columns = {name: rng.random(told + lanes) for name in space}
        loss = numpy.asarray(sum((x[:told] - 0.3) ** 2 for x in columns.values()))
        loss[columns["x0"][:told] > 0.64] = numpy.inf
        earlier = Earlier(columns=columns, scores=loss)
        sampler = RoundSampler("tpe", 0, space)
        began = time.process_time()
        sampler.ask(9, told + lanes, lanes, earlier, threading.Event())
        took = time.process_time() - began
        print(f"{axes:4}  {told:7}  {lanes:7}  {took:7.3f}  {1000 * took / lanes:9.4f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=SEARCHES)
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    print(f"best loss minus the floor: quartiles over {given.seeds} seeds from {seeds.start}")
    print(f"{'':14}{'trials':>7}" + "".join(f"{search:^32}" for search in given.searches))
    with ProcessPoolExecutor(given.jobs) as pool:
        for which, objective in enumerate(OBJECTIVES):
            found: dict[tuple[int, str, int], list[float]] = {}
            for part in pool.map(run, product([which], given.searches, seeds)):
                for key, loss in part.items():
                    found.setdefault(key, []).append(loss)
            for trials in TRIALS:
                cells = []
                for search in given.searches:
                    losses = found[which, search, trials]
                    low, middle, high = numpy.quantile(losses, (0.25, 0.5, 0.75))
                    cells.append(f"{low:10.1e}{middle:10.1e}{high:10.1e}  ")
                print(f"{objective.name:14}{trials:7}" + "".join(cells), flush=True)
    print_cost()


if __name__ == "__main__":
    main()
