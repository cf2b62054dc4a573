"""shoal against Ray Tune with OptunaSearch, side by side in one run.

    python benchmarks/against_ray_tune.py --trials 4096 --peer-trials 512

Both search the learning rate of the course's fit: log-uniform over [1e-8, 1e-4], 2,000 steps over
2,000 points, the gradient by hand, float32. Both run as whole processes, start-up included, with
the same number of workers of one CPU and one thread each. The peer may run fewer trials; then
rates are compared.

The peer runs at its best known settings: a class trainable whose actors are reused (a process for
each trial costs two seconds), ``max_concurrent_trials`` set (else any searcher gets one pending
trial at a time), loggers, checkpoints and experiment snapshots off, one report a trial. A diverged
loss is reported as a large number, since Optuna refuses NaN.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import secrets
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

SPACE = "lr=1e-8:1e-4:log"
BAD = 1e30


def fit(lr: float, steps: int) -> float:
    """The course's loop: one fit, in plain tensors."""
    import torch

    x = torch.linspace(-math.pi, math.pi, 2000)
    y = torch.sin(x)
    torch.manual_seed(0)
    a, b, c, d = (torch.randn(()) for _ in range(4))
    for _ in range(steps):
        r = a + b * x + c * x**2 + d * x**3 - y
        g = 2.0 * r
        a = a - lr * g.sum()
        b = b - lr * (g * x).sum()
        c = c - lr * (g * x**2).sum()
        d = d - lr * (g * x**3).sum()
    loss = (a + b * x + c * x**2 + d * x**3 - y).pow(2).sum().item()
    return loss if math.isfinite(loss) else BAD


def peer(trials: int, workers: int, steps: int) -> None:
    """Search with Ray Tune and OptunaSearch; print the best loss as JSON."""
    with tempfile.TemporaryDirectory(prefix="peer-", dir="/tmp") as temp:
        token = Path(temp) / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ.update(
            RAY_AUTH_MODE="token",
            RAY_AUTH_TOKEN_PATH=str(token),
            RAY_USAGE_STATS_ENABLED="0",
            RAY_AIR_NEW_OUTPUT="0",
            TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
            TUNE_GLOBAL_CHECKPOINT_S="1000000000",
        )
        import optuna
        import ray
        import torch
        from ray import tune
        from ray.tune.search.optuna import OptunaSearch

        class Course(tune.Trainable):
            def setup(self, config: dict) -> None:
                torch.set_num_threads(1)
                self.lr = config["lr"]

            def reset_config(self, new_config: dict) -> bool:
                self.lr = new_config["lr"]
                return True

            def step(self) -> dict:
                with torch.inference_mode():
                    return {"loss": fit(self.lr, steps), "done": True}

        ray.init(
            address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False,
            logging_level="ERROR", _node_ip_address="127.0.0.1", _temp_dir=f"{temp}/ray",
        )  # fmt: skip
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space = {"lr": tune.loguniform(1e-8, 1e-4)}
        results = tune.Tuner(
            tune.with_resources(Course, {"cpu": 1}),
            param_space=space,
            tune_config=tune.TuneConfig(
                metric="loss", mode="min", search_alg=OptunaSearch(seed=0), num_samples=trials,
                max_concurrent_trials=workers, reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="peer", storage_path=f"{temp}/storage", verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()  # fmt: skip
        print(json.dumps({"loss": results.get_best_result().metrics["loss"]}))
        ray.shutdown()


def timed(command: list[str], folder: str) -> tuple[float, dict]:
    """Run a process; return its seconds and the JSON of its last line."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr}")
    return seconds, json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=4096, help="of shoal")
    parser.add_argument("--peer-trials", type=int, default=512, help="of the peer (0: the same)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    peer_trials = given.peer_trials or given.trials
    if given.peer:
        peer(peer_trials, given.workers, given.steps)
        return
    common = ["--workers", str(given.workers), "--steps", str(given.steps)]
    itself = [sys.executable, str(Path(__file__).resolve()), "--peer"]
    shoal = [sys.executable, "-m", "search", "run", "--space", SPACE, "--engine", "ray", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            "shoal run": (
                given.trials,
                timed([*shoal, *common, "--trials", str(given.trials)], folder),
            ),
            "Ray Tune + OptunaSearch": (
                peer_trials,
                timed([*itself, *common, "--peer-trials", str(peer_trials)], folder),
            ),
        }
    cores = len(os.sched_getaffinity(0))
    packages = ", ".join(f"{name} {version(name)}" for name in ("ray", "optuna", "torch"))
    print(f"{platform.machine()}, {cores} cores, {given.workers} workers; {packages}\n")
    print("| search | trials | seconds | trials/s | best loss |\n|---|---|---|---|---|")
    rates = []
    for name, (trials, (seconds, told)) in runs.items():
        loss = told["best"]["loss"] if "best" in told else told["loss"]
        rates.append(trials / seconds)
        print(f"| {name} | {trials:,} | {seconds:.1f} | {rates[-1]:.1f} | {loss:.7f} |")
    print(f"\nratio of the rates: {rates[0] / rates[1]:.1f}")


if __name__ == "__main__":
    main()
