"""Private interfaces of Ray that a search uses, and what each is for; tested with ray 2.60.0.

Workers use ``ray.experimental.internal_kv`` (`shoal.trainable.hosts.ray_tune`), and the nodes of a
batch job what `shoal.slurm.node.ray_nodes` says; nothing else is private.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any


@contextmanager
def for_a_search() -> Iterator[None]:
    """Start a Ray as a search needs it.

    - Without its dashboard, its reader of logs and its autoscaler: 3 s of processor time, of about
      7 that a Ray costs.
    - In a process group of its own: a signal to the group of this process, as ``timeout`` sends it,
      lets the search save before Ray ends. Its processes still end with this one (the kernel's
      parent-death signal, which Ray asks for).
    """
    from ray import _private

    parameter: Any = _private.parameter
    services: Any = _private.services
    before = parameter.RayParams, services.start_api_server, services.ConsolePopen
    parameter.RayParams = partial(before[0], no_monitor=True, include_log_monitor=False)
    services.start_api_server = lambda *words, **named: ("", None)
    services.ConsolePopen = partial(before[2], process_group=0)
    try:
        yield
    finally:
        parameter.RayParams, services.start_api_server, services.ConsolePopen = before


def started() -> dict[str, subprocess.Popen[bytes]]:
    """Return the processes of the Ray that this process has started, by what Ray calls them."""
    from ray._private import worker

    node: Any = worker._global_node
    every = {} if node is None else node.all_processes
    return {name: infos[0].process for name, infos in every.items()}


@contextmanager
def uncounted() -> Iterator[None]:
    """Let Tune count no callbacks for its usage statistics, which are off: for that it imports
    MLflow, Weights & Biases and the like, where they are installed, 3 s."""
    from ray.air._internal import usage

    before = usage.tag_callbacks
    usage.tag_callbacks = lambda callbacks: False
    try:
        yield
    finally:
        usage.tag_callbacks = before


@contextmanager
def asking_less() -> Iterator[None]:
    """Let Tune do without two things that take it as long, for each trial, as a short call does.

    - It looks the trainable up at Ray's head four times and unpickles it: once is enough.
    - It asks the actor for default results, which nobody reads: a trial here has one result.
    """
    from ray.tune import registry
    from ray.tune.experiment import Trial

    known: Any = registry._global_registry
    found: dict[tuple[Any, ...], Any] = {}

    def once(look: Callable[..., Any], *of: Any) -> Any:
        if (place := (look.__name__, *of)) not in found:
            if not (answer := look(*of)):  # not yet
                return answer
            found[place] = answer
        return found[place]

    def set_ray_actor(trial: Trial, actor: Any) -> None:
        trial.temporary_state.ray_actor = actor

    before = Trial.set_ray_actor
    known.get, known.contains = partial(once, known.get), partial(once, known.contains)
    Trial.set_ray_actor = set_ray_actor  # type: ignore[method-assign]  # until the search ends
    try:
        yield
    finally:
        Trial.set_ray_actor = before  # type: ignore[method-assign]  # as it was
        del known.get, known.contains


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
