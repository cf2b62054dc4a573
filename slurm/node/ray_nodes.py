"""What a running Ray counts: its living nodes and their resources."""

from __future__ import annotations

from typing import Any


def count_nodes(address: str) -> dict[str, Any] | None:
    """Return the living nodes that Ray counts, with CPUs, GPUs and bytes, or None: no answer."""
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
                name.lower(): int(have.get(name, 0))
                for name in ("CPU", "GPU", "memory", "object_store_memory")
            }
    return {"nodes": found}
