"""Options of srun for a step on one node with all the resources that the job has there."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.slurm.queue.allocation import Share

_GUARD = 'test "${SLURMD_NODENAME-}" = "$0" || exit 0; exec "$@"'
"""In a step over two nodes: only the named one runs the command."""


def on_node(share: Share, shares: Sequence[Share]) -> tuple[list[str], list[str]]:
    """Return srun's options for a step on a node, and the words to put before its command.

    A step of a job that asked by ``--gpus`` is refused with ``--gres``, and without any option;
    ``--gpus`` does for all ways of asking. SLURM (22.05) also refuses a step that wants more GPUs
    than the job's first node has; over both nodes it gives each its own, and the first does
    nothing.

    Args:
        shares: of all nodes of the job, in SLURM's order.
    """
    first = shares[0]
    if share.gpus <= first.gpus or share.gres:
        gpus = f"--gpus={share.gpus}" if share.gpus else "--gres=none"
        if share.gres:  # parts of GPUs are no GPUs to SLURM
            gpus = f"--gres={share.gres}"
        options = [f"--nodelist={share.node}", "--nodes=1", "--ntasks=1", gpus]
        return [*options, f"--cpus-per-task={share.cpus}"], []
    both = f"{first.node},{share.node}"
    gpus = f"--gpus={first.gpus + share.gpus}"
    options = [f"--nodelist={both}", "--nodes=2", "--ntasks=2", "--wait=0", gpus]
    if share.cpus <= first.cpus:
        options.append(f"--cpus-per-task={share.cpus}")
    return options, ["sh", "-c", _GUARD, share.node]
