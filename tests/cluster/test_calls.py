"""A search whose trials are calls of a function of scikit-learn, on three hosts that are struck."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
import pytest

import shoal

OWN = """
import time
import joblib
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

EAT = {eat}

def train(max_features, leaf=1, *, seed=0, checkpoint):
    images, labels = load_digits(return_X_y=True)
    file, first = checkpoint / "forest.joblib", 0
    forest = RandomForestClassifier(max_features=max_features, min_samples_leaf=leaf,
                                    random_state=seed, warm_start=True, n_jobs=1)
    if file.exists():
        forest, first = joblib.load(file)
    eaten = [bytes(b"x") * (64 << 20) for _ in range(EAT if leaf == 7 else 0)]
    for trees in range(first + 1, 13):
        forest.set_params(n_estimators=trees).fit(images[:500], labels[:500])
        joblib.dump((forest, trees), file)
        yield {{"step": trees, "accuracy": forest.score(images[500:], labels[500:])}}
        time.sleep(0.25)
"""

ASKED: dict[str, Any] = {
    "space": {"max_features": "0.05:1", "leaf": "1:7:int"},
    "objective": "accuracy:max",
    "trials": 18,
    "sampler": "random",
    "seed": 7,
}
GREEDY = 7
"""A leaf of so many rows belongs to a trial that takes more memory than its node may give."""


@pytest.mark.long
def test_calls_outlive_two_requeues_a_lost_node_and_a_greedy_one(
    cluster: Any, home: Path, tmp_path: Path
) -> None:
    """Each goes on from its last commit, on any host; the table is that of one machine, but for the
    trials that took too much memory, which cost themselves alone."""
    limited = "cgroup" in Path(cluster.conf).read_text()
    (home / "own.py").write_text(OWN.format(eat=64 if limited else 0))
    words = [f"--space={name}={text}" for name, text in ASKED["space"].items()]
    words += [f"--{name}={ASKED[name]}" for name in ("objective", "trials", "sampler", "seed")]
    job = cluster.sbatch(
        "--nodes=3",
        "--cpus-per-task=1",
        "--mem=2500",
        "slurm/search.sbatch",
        "run",
        "own.py:train",
        *words,
        "--grace=2s",
        "--quiet",
        "--out",
        "runs/calls",
        cwd=home,
    )
    log, folder = home / f"shoal-{job}.err", home / "runs/calls"
    for life in (1, 2):
        cluster.eventually(lambda life=life: log.read_text().count("3 of 3 nodes up") == life)
        done = len(nodes_of(folder))
        cluster.eventually(lambda done=done: len(nodes_of(folder)) > done)
        cluster.eventually(lambda: set(nodes_of(folder)) == {"n1", "n2", "n3"})
        cluster.run("scancel", "--batch", "--signal=USR1", job, check=True)
        cluster.eventually(lambda life=life: cluster.job(job)["Restarts"] == str(life))
    cluster.eventually(lambda: log.read_text().count("3 of 3 nodes up") == 3)
    lost = cluster.nodes(job)[-1]
    cluster.eventually(lambda: in_hand(cluster, lost))
    cluster.power_off(lost)
    try:
        cluster.eventually(lambda: f"Ray lost {lost}" in log.read_text())
        cluster.eventually(lambda: cluster.job(job)["JobState"] != "RUNNING", seconds=300)
    finally:
        cluster.power_on(lost)
    fields = cluster.wait(job)
    assert (fields["JobState"], fields["Restarts"]) == ("COMPLETED", "2"), log.read_text()
    (tmp_path / "own.py").write_text(OWN.format(eat=0))
    alone = shoal.run(f"{tmp_path}/own.py:train", **ASKED, engine="inline", out=tmp_path / "alone")
    found = shoal.load(folder)
    greedy = found.trials["leaf"] == GREEDY
    assert 0 < greedy.sum() < 6
    if limited:
        assert set(found.trials["state"][greedy]) == {"failed"}
    dropped = ["node", "device", "seconds", "started"]
    for one, other in ((alone.trials, found.trials), (alone.curves, found.curves)):
        kept = [
            table[~table["trial"].isin(found.trials["trial"][greedy])]
            .drop(columns=dropped, errors="ignore")
            .reset_index(drop=True)
            for table in (one, other)
        ]
        pandas.testing.assert_frame_equal(kept[0], kept[1], check_exact=True)


def nodes_of(folder: Path) -> list[str]:
    """The node of each trial that has a row."""
    try:
        nodes: list[str] = shoal.load(folder).trials["node"].tolist()
    except shoal.SearchError:
        return []
    return nodes


def in_hand(cluster: Any, host: str) -> bool:
    """Whether a call runs on a host."""
    return bool(cluster.processes(host, "shoal.trainable.functions.inside"))
