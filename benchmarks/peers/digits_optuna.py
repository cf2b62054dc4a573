"""Optuna in processes that share a JournalStorage, on a net.

At its best known settings, as in optuna_journal.py: JournalFileBackend, its default TPE sampler,
processes forked once torch and the rows are loaded, logs off, one thread each.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path

import optuna
from digits import SPACE, WIDTHS, Torch, arguments, read, tell, told
from optuna.storages.journal import JournalFileBackend

NAME = "digits"


def storage(file: str) -> optuna.storages.JournalStorage:
    """The log that all processes append to."""
    return optuna.storages.JournalStorage(JournalFileBackend(file))


def work(file: str, fits: Torch, trials: int, seed: int) -> None:
    """Ask, fit and tell until this process has done its trials."""

    def objective(trial: optuna.Trial) -> float:
        values = {n: trial.suggest_float(n, a, b, log=log) for n, (a, b, log) in SPACE.items()}
        return fits.accuracy({**values, "width": trial.suggest_categorical("width", WIDTHS)})

    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.load_study(study_name=NAME, storage=storage(file), sampler=sampler)
    study.optimize(objective, n_trials=trials)


def main() -> None:
    """Run the search."""
    given = arguments(__doc__)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    fits = Torch(read(given.given))
    if told(given, lambda points: [fits.accuracy(point) for point in points]):
        return
    with tempfile.TemporaryDirectory(prefix="peer-", dir="/tmp") as folder:
        file = str(Path(folder) / "journal")
        optuna.create_study(study_name=NAME, storage=storage(file), direction="maximize")
        share, more = divmod(given.trials, given.workers)
        context = multiprocessing.get_context("fork")
        processes = [
            context.Process(
                target=work, args=(file, fits, share + (i < more), 1000 * given.seed + i)
            )
            for i in range(given.workers)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        study = optuna.load_study(study_name=NAME, storage=storage(file))
        complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        tell(len(complete), study.best_value)


if __name__ == "__main__":
    main()
