"""Private interfaces of Ray that a search uses, and what each is for; tested with ray 2.60.0.

Workers use ``ray.experimental.internal_kv`` (`shoal.trainable.hosts.ray_tune`), the nodes of a
batch job ``ray._raylet.GcsClient`` (`shoal.slurm.node.ray_nodes`); nothing else is private.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def connecting(handler: Callable[[object], None], name: str) -> Iterator[None]:
    """Connect to Ray without its SIGTERM handler, and without our command line in its records.

    Ray's handler raises wherever the main thread happens to be, inside a lock of ``logging``, say,
    which is never released then.

    Args:
        handler: takes the place of the function that sets the handler.
        name: what Ray calls our command.
    """
    from ray._private import utils

    before = utils.set_sigterm_handler, utils.get_entrypoint_name
    utils.set_sigterm_handler, utils.get_entrypoint_name = handler, lambda: name
    try:
        yield
    finally:
        utils.set_sigterm_handler, utils.get_entrypoint_name = before


def read_environment() -> None:
    """Read the environment variables again that Ray reads only once, at import."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def gcs_client(address: str) -> Any:
    """Return a client of the Ray at `address`, without connecting this process to it."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled

    return GcsClient(address=address)
