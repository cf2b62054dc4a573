"""Optuna in processes that share a JournalStorage, as its documentation has it for one machine.

At its best known settings: JournalFileBackend (ask and tell cost a tenth of SQLite's), its default
TPE sampler (multivariate, constant liar), processes forked once torch is loaded, logs off, one
thread each.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path

import optuna
import torch
from course import SPACES, arguments, fit, tell
from optuna.storages.journal import JournalFileBackend

NAME = "course"


def storage(file: str) -> optuna.storages.JournalStorage:
    """The log that all processes append to."""
    return optuna.storages.JournalStorage(JournalFileBackend(file))


def work(file: str, index: int, trials: int, steps: int, form: str, space: str, seed: int) -> None:
    """Ask, fit and tell until this process has done its trials."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    bounds = SPACES[space]

    def objective(trial: optuna.Trial) -> float:
        values = {n: trial.suggest_float(n, a, b, log=log) for n, (a, b, log) in bounds.items()}
        return fit(values, steps, form)

    sampler = optuna.samplers.TPESampler(seed=1000 * seed + index)
    study = optuna.load_study(study_name=NAME, storage=storage(file), sampler=sampler)
    study.optimize(objective, n_trials=trials)


def main() -> None:
    """Run the search."""
    given = arguments(__doc__)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="peer-", dir="/tmp") as folder:
        file = str(Path(folder) / "journal")
        optuna.create_study(study_name=NAME, storage=storage(file))
        share, more = divmod(given.trials, given.workers)
        context = multiprocessing.get_context("fork")
        processes = [
            context.Process(
                target=work,
                args=(
                    file,
                    i,
                    share + (i < more),
                    given.steps,
                    given.form,
                    given.space,
                    given.seed,
                ),
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
