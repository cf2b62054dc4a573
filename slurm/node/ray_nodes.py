"""The alive nodes of a running Ray cluster and their total resources."""

from __future__ import annotations

from typing import Any

from shoal.slurm import wire

RESOURCES = {
    wire.CPU_KEY: "CPU",
    wire.GPU_KEY: "GPU",
    wire.MEMORY_KEY: "memory",
    wire.STORE_KEY: "object_store_memory",
}
"""Keys of a node's resources, each with Ray's name of the resource."""


def count_nodes(address: str) -> dict[str, Any] | None:
    """Return the alive nodes with their CPUs, GPUs and bytes of memory; None: no answer."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled

    try:
        nodes = GcsClient(address=address).get_all_node_info(timeout=5)
    except Exception:  # the head may be going: the caller looks at its process
        return None
    found = {}
    for info in nodes.values():
        if info.state == 0:  # alive
            have = dict(info.resources_total)
            found[f"{info.node_manager_hostname} {info.node_manager_address}"] = {
                key: int(have.get(name, 0)) for key, name in RESOURCES.items()
            }
    return {wire.NODES_KEY: found}
