"""Ray on the nodes of a job: a node of it started, and those that are alive; by private interfaces.

    ray._raylet.GcsClient                        asks which nodes there are
    services.start_api_server                    starts the dashboard
    scripts.get_ray_client_dependency_error      says that the server of Ray Client can start

Tried with ray 2.60.0.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
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


def start(words: Sequence[str]) -> None:
    """Run ``ray start``, without the dashboard and without the server of Ray Client.

    Of these the first costs a second of processor time. The second is there where grpcio is
    installed, as some trackers have it, and listens at one and the same port of every node, outside
    the range that a site leaves open; no option leaves it out.
    """
    from ray import _private
    from ray.scripts import scripts

    services: Any = _private.services
    services.start_api_server = lambda *words, **named: ("", None)
    cli: Any = scripts
    cli.get_ray_client_dependency_error = lambda: ImportError("it is not wanted")
    cli.cli(["start", *words])


if __name__ == "__main__":
    start(sys.argv[1:])
