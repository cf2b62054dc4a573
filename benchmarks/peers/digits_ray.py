"""Ray Tune with OptunaSearch, tuned, on a net.

At its best known settings, as in ray_optuna.py: a class trainable whose actors are reused,
``max_concurrent_trials`` set, loggers, checkpoints and experiment snapshots off, one report a
trial; each actor reads the rows once.
"""

from __future__ import annotations

import os

from digits import SPACE, WIDTHS, Torch, arguments, read, tell, told
from local_ray import local_ray


def main() -> None:
    """Run the search."""
    given = arguments(__doc__)
    if told(given, lambda points: list(map(Torch(read(given.given)).accuracy, points))):
        return
    os.environ.update(
        RAY_AIR_NEW_OUTPUT="0",
        TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
        TUNE_GLOBAL_CHECKPOINT_S="1000000000",
    )
    with local_ray(given.workers) as storage:
        import optuna
        from ray import tune
        from ray.tune.search.optuna import OptunaSearch

        file = given.given.resolve()

        class Digits(tune.Trainable):
            def setup(self, config: dict[str, float]) -> None:
                self.fits = Torch(read(file))
                self.values = config

            def reset_config(self, new_config: dict[str, float]) -> bool:
                self.values = new_config
                return True

            def step(self) -> dict[str, object]:
                return {"accuracy": self.fits.accuracy(self.values), "done": True}

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space = {
            name: (tune.loguniform if log else tune.uniform)(low, high)
            for name, (low, high, log) in SPACE.items()
        }
        results = tune.Tuner(
            tune.with_resources(Digits, {"cpu": 1}),
            param_space={**space, "width": tune.choice(WIDTHS)},
            tune_config=tune.TuneConfig(
                metric="accuracy",
                mode="max",
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
        tell(len(results) - results.num_errors, best["accuracy"])


if __name__ == "__main__":
    main()
