"""DeepHyper's centralised Bayesian optimisation with its process evaluator.

At its best known settings: processes forked once torch is loaded, no CSV of the history on the
way; a forest of 10 trees, and the acquisition function looked at in 1,000 points, which cost a
fiftieth of its defaults. ``--sampler random`` is its random search. A fit that diverged is told as
a failure, as its documentation has it.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import warnings

import torch
from course import BAD, SPACES, arguments, fit, tell
from deephyper.evaluator import Evaluator, RunningJob
from deephyper.hpo import CBO, HpProblem, RandomSearch


def course(job: RunningJob, steps: int, form: str) -> float | str:
    """Fit once; DeepHyper maximises."""
    torch.set_num_threads(1)
    loss = fit(dict(job.parameters), steps, form)
    return "F_diverged" if loss >= BAD else -loss


def main() -> None:
    """Run the search."""
    given = arguments(__doc__, ("cbo", "random"))
    warnings.simplefilter("ignore")
    multiprocessing.set_start_method("fork", force=True)
    problem = HpProblem()
    for name, (low, high, log) in SPACES[given.space].items():
        problem.add_hyperparameter((low, high, "log-uniform" if log else "uniform"), name)
    evaluator = Evaluator.create(
        course,
        method="process",
        method_kwargs={
            "num_workers": given.workers,
            "run_function_kwargs": {"steps": given.steps, "form": given.form},
        },
    )
    with tempfile.TemporaryDirectory(prefix="peer-", dir="/tmp") as folder:
        common = {
            "random_state": given.seed,
            "log_dir": folder,
            "checkpoint_history_to_csv": False,
        }
        if given.sampler == "random":
            search = RandomSearch(problem, **common)
        else:
            search = CBO(
                problem,
                acq_optimizer="sampling",
                acq_optimizer_kwargs={"n_points": 1000},
                surrogate_model_kwargs={"n_estimators": 10},
                **common,
            )
        rows = search.search(evaluator, max_evals=given.trials)
    losses = -rows["objective"][~rows["objective"].astype(str).str.startswith("F")].astype(float)
    tell(len(rows), float(losses.min()))


if __name__ == "__main__":
    main()
