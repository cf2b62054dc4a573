"""Ray Tune with OptunaSearch, tuned.

At its best known settings: a class trainable whose actors are reused (a process for each trial
costs two seconds), ``max_concurrent_trials`` set (else any searcher gets one pending trial at a
time), loggers, checkpoints and experiment snapshots off, one report a trial.
"""

from __future__ import annotations

import os

from course import SPACES, arguments, fit, tell
from local_ray import local_ray


def main() -> None:
    """Run the search."""
    given = arguments(__doc__)
    os.environ.update(
        RAY_AIR_NEW_OUTPUT="0",
        TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
        TUNE_GLOBAL_CHECKPOINT_S="1000000000",
    )
    with local_ray(given.workers) as storage:
        import optuna
        import torch
        from ray import tune
        from ray.tune.search.optuna import OptunaSearch

        steps, form = given.steps, given.form

        class Course(tune.Trainable):
            def setup(self, config: dict[str, float]) -> None:
                torch.set_num_threads(1)
                self.values = config

            def reset_config(self, new_config: dict[str, float]) -> bool:
                self.values = new_config
                return True

            def step(self) -> dict[str, object]:
                return {"loss": fit(self.values, steps, form), "done": True}

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space = {
            name: (tune.loguniform if log else tune.uniform)(low, high)
            for name, (low, high, log) in SPACES[given.space].items()
        }
        results = tune.Tuner(
            tune.with_resources(Course, {"cpu": 1}),
            param_space=space,
            tune_config=tune.TuneConfig(
                metric="loss",
                mode="min",
                num_samples=given.trials,
                reuse_actors=True,
                search_alg=OptunaSearch(seed=given.seed),
                max_concurrent_trials=given.workers,
            ),
            run_config=tune.RunConfig(
                storage_path=storage,
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()
        best = results.get_best_result().metrics
        assert best is not None
        tell(len(results) - results.num_errors, best["loss"])


if __name__ == "__main__":
    main()
