"""A search on three hosts of a real SLURM against one host with as many workers.

    python benchmarks/cluster.py --trials 65536

The hosts are those of ``make cluster``: namespaces on this machine, so that both searches have the
same cores underneath and only the cluster differs. Needs root and Debian's SLURM; elsewhere it says
so. Both run as batch jobs, with the compiled programs of ``$SHOAL_CACHE`` on the shared disk.
Prints JSON: each job's trials, seconds of the search and of its start-up.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "cluster"))

import hosts
import three_hosts

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 3
JOB_SECONDS = 300.0


def job(cluster: Any, home: Path, nodes: int, trials: int, index: int) -> dict[str, Any]:
    """Run a search as a batch job of `nodes` nodes and three workers in all."""
    out = f"runs/{nodes}-{index}"
    options = [f"--nodes={nodes}", f"--cpus-per-task={WORKERS // nodes}", "--mem=3G"]
    command = ["run", "--trials", trials, "--out", out, "--json", "--workers", WORKERS]
    name = cluster.sbatch(
        *options, "slurm/search.sbatch", *command, cwd=home, SHOAL_CACHE=str(home / "cache")
    )
    began = time.monotonic()
    fields = cluster.wait(name, timeout=JOB_SECONDS)
    wall = time.monotonic() - began
    if fields["JobState"] != "COMPLETED":
        errors = (home / f"shoal-{name}.err").read_text()
        raise SystemExit(f"cluster: job of {nodes} nodes is {fields['JobState']}: {errors[-2000:]}")
    told = json.loads((home / f"shoal-{name}.out").read_text().splitlines()[-1])
    seconds = told["seconds"]
    nodes_seen = _hosts_of(home / out)
    return {
        "nodes": nodes,
        "trials": trials,
        "job": wall,
        "search": sum(seconds.values()),
        "start-up": seconds["start-up"],
        "hosts": nodes_seen,
        "seconds": seconds,
    }


def _hosts_of(folder: Path) -> dict[str, int]:
    """Lanes of each host."""
    import pandas

    rows = pandas.read_parquet(folder / "trials.parquet", columns=["node"])
    return {str(node): int(count) for node, count in rows["node"].value_counts().items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=65536)
    parser.add_argument("--turns", type=int, default=1)
    given = parser.parse_args()
    reason = three_hosts.missing()
    if reason is not None:
        print(json.dumps({"skipped": reason}))
        return
    process, facts = three_hosts.start()
    try:
        cluster = hosts.Cluster(facts)
        home = cluster.shared / "benchmark"
        home.mkdir()
        shutil.copytree(ROOT / "slurm", home / "slurm")
        warm = os.environ.get("SHOAL_CACHE")
        if warm is not None:  # a host's /tmp is its own: what lies there is not seen from others
            shutil.copytree(warm, home / "cache")
        jobs = [
            job(cluster, home, nodes, given.trials, turn)
            for turn in range(given.turns)
            for nodes in ((3, 1) if turn % 2 else (1, 3))
        ]
    finally:
        process.stdin.close()
        process.wait(30)
    print(json.dumps({"workers": WORKERS, "jobs": jobs}))


if __name__ == "__main__":
    main()
