"""Syne Tune's Python backend: a process for each trial.

At its best known settings: it starts a process for each trial whatever one sets, so the settings
are about the time between: ``sleep_time`` of 10 ms instead of 5 s, results kept in memory
(``callbacks=[]``), no snapshot of the tuner, nothing printed; random search, its cheapest.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from course import BAD, SPACES, arguments, tell


def course(steps: int, form: str, **values: float) -> None:
    """Fit once in a process of its own. Syne Tune sends this function without its module."""
    import torch
    from course import fit
    from syne_tune import Reporter

    torch.set_num_threads(1)
    Reporter()(loss=fit(values, steps, form))


def main() -> None:
    """Run the search."""
    given = arguments(__doc__)
    with tempfile.TemporaryDirectory(prefix="peer-", dir="/tmp") as folder:
        os.environ["SYNETUNE_FOLDER"] = folder
        os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # for the trials
        from syne_tune import StoppingCriterion, Tuner
        from syne_tune.backend import PythonBackend
        from syne_tune.config_space import loguniform, uniform
        from syne_tune.optimizer.baselines import RandomSearch
        from syne_tune.tuner_callback import TunerCallback

        losses: list[float] = []

        class Losses(TunerCallback):
            def on_trial_complete(self, trial: object, result: dict[str, float]) -> None:
                losses.append(result["loss"])

        logging.getLogger().setLevel(logging.ERROR)
        space = {
            name: (loguniform if log else uniform)(low, high)
            for name, (low, high, log) in SPACES[given.space].items()
        }
        space.update(steps=given.steps, form=given.form)
        Tuner(
            trial_backend=PythonBackend(tune_function=course, config_space=space),
            scheduler=RandomSearch(space, metrics=["loss"], random_seed=given.seed),
            stop_criterion=StoppingCriterion(max_num_trials_finished=given.trials),
            n_workers=given.workers,
            sleep_time=0.01,
            results_update_interval=1e9,
            print_update_interval=1e9,
            save_tuner=False,
            callbacks=[Losses()],
        ).run()
        tell(len(losses), min(losses, default=BAD))


if __name__ == "__main__":
    main()
