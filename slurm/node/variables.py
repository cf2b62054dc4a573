"""The environment of a cluster's processes: Ray's settings, and which of SLURM's are left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shoal.slurm.node.devices import translate

RAY = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # a cut link is noticed in 9 s; Ray's own values take 65 s
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
    "RAY_grpc_keepalive_time_ms": "5000",
    "RAY_grpc_keepalive_timeout_ms": "5000",
    # a worker lives for its packs: none is started on suspicion, a second of CPU each
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
    # SLURM limits the memory of the job; Ray looks at the whole host's
    "RAY_memory_monitor_refresh_ms": "0",
}
"""Settings of Ray in every process of a cluster; they override the user's environment."""

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy", "grpc_proxy")

KEPT = (
    "SLURM_CONF",
    "SLURM_JOB_ID",
    "SLURM_JOBID",
    "SLURM_JOB_NODELIST",
    "SLURM_JOB_NAME",
    "SLURM_JOB_USER",
    "SLURM_JOB_UID",
    "SLURM_JOB_PARTITION",
    "SLURM_JOB_ACCOUNT",
    "SLURM_RESTART_COUNT",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_CLUSTER_NAME",
    "SLURM_SUBMIT_DIR",
    "SLURM_SUBMIT_HOST",
    "SLURMD_NODENAME",
)
"""SLURM's variables that a step inherits. The others hold options of sbatch: srun would read them
as its own, and cut a step's share of the node."""


def for_ray(inherited: Mapping[str, str], token: Path) -> dict[str, str]:
    """Return the environment of Ray's processes.

    Args:
        token: the file with the cluster's token; what it holds goes into no environment.
    """
    kept = {
        name: value
        for name, value in inherited.items()
        if name.lower() not in PROXIES and not name.startswith("RAY_")
    }
    translate(kept)
    return {**kept, **RAY, "RAY_AUTH_TOKEN_PATH": str(token)}


def for_step(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of srun, without variables that it would read as its options."""
    return {
        name: value
        for name, value in environment.items()
        if name in KEPT or not name.startswith(("SLURM_", "SRUN_", "SBATCH_"))
    }
