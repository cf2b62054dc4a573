"""A Ray of this process's own, closed to others, in a folder that goes with it."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def local_ray(workers: int) -> Iterator[str]:
    """Start Ray with `workers` CPUs and no dashboard; give a folder for its storage."""
    with tempfile.TemporaryDirectory(prefix="peer-", dir="/tmp") as temp:
        token = Path(temp) / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ.update(
            RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token), RAY_USAGE_STATS_ENABLED="0"
        )
        import ray

        ray.init(
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _node_ip_address="127.0.0.1",
            _temp_dir=f"{temp}/ray",
        )
        try:
            yield f"{temp}/storage"
        finally:
            ray.shutdown()
