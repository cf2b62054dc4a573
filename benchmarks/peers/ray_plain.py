"""Ray Tune as it comes: a function trainable, random search, a process for each trial.

Nothing is set but the number of CPUs and where its files go.
"""

from __future__ import annotations

from course import SPACES, arguments, fit, tell
from local_ray import local_ray


def main() -> None:
    """Run the search."""
    given = arguments(__doc__)
    with local_ray(given.workers) as storage:
        from ray import tune

        steps, form = given.steps, given.form

        def course(config: dict[str, float]) -> None:
            import torch

            torch.set_num_threads(1)
            tune.report({"loss": fit(config, steps, form)})

        space = {
            name: (tune.loguniform if log else tune.uniform)(low, high)
            for name, (low, high, log) in SPACES[given.space].items()
        }
        results = tune.Tuner(
            course,
            param_space=space,
            tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=given.trials),
            run_config=tune.RunConfig(storage_path=storage),
        ).fit()
        best = results.get_best_result().metrics
        assert best is not None
        tell(len(results) - results.num_errors, best["loss"])


if __name__ == "__main__":
    main()
