"""The Ray that a search uses: one that it starts on this machine, or a running one.

A Ray of our own keeps its files in a closed temp folder of the search, and goes with it. Its
processes talk to each other by this machine's own address, and yet listen on all of its addresses,
whatever they are told; who has not the search's token is refused.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shoal
from shoal.search.engines.ray_tune import private
from shoal.search.engines.ray_tune.surroundings import set_for_ray
from shoal.search.engines.ray_tune.temp import temp_folder
from shoal.search.errors import BadInput, EngineError
from shoal.search.process import loggers
from shoal.slurm.node import split
from shoal.trainable.modules import INSTALLED, is_utf8

OBJECT_STORE_BYTES = 256 << 20
"""Lanes and results are small; Ray would take a third of the memory."""

STARTS = 3
"""How often a Ray of our own is started at the most: each time takes 30 s to fail."""

LATE = "timed out during startup"
"""What Ray says where its raylet, or the agents that it waits for, did not come in time."""

PORT_SECONDS, PROBE_SECONDS = 3.0, 11.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Ray to which this process is connected.

    Attributes:
        own: whether it is ours, and ends with the search.
        temp: closed folder for Tune's disposable files.
    """

    own: bool
    temp: Path

    def slots(self, needs: Mapping[str, float]) -> int:
        """Return how many packs can run at the same time, now.

        Args:
            needs: what each does, as Ray Tune has it: ``cpu``, ``gpu``, ``memory`` in bytes.
        """
        import ray

        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray has no types
        return sum(_room(node["Resources"], needs) for node in nodes if node["Alive"])

    def hosts(self, needs: Mapping[str, float]) -> set[str]:
        """Return the names of the hosts where packs can run, now."""
        import ray

        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray has no types
        return {
            str(node["NodeManagerHostname"])
            for node in nodes
            if node["Alive"] and _room(node["Resources"], needs) > 0
        }

    @property
    def gone(self) -> str | None:
        """Which process of a Ray of our own has ended, and how; None: none, or it is not ours.

        Without them Ray's own code waits for a minute, and then ends this process.
        """
        for name, process in private.started().items() if self.own else ():
            code = process.poll()
            if code is not None:
                how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
                return f"its process {name} has ended ({how})"
        return None

    def end(self) -> None:
        """Disconnect, and end a Ray of our own."""
        import ray

        if self.gone is not None:  # none of the others would answer
            for process in private.started().values():
                process.kill()
        ray.shutdown()

    def free(self, needs: Mapping[str, float]) -> str:
        """Say how many of its slots are free."""
        import ray

        kind = "GPU" if "gpu" in needs else "CPU"
        free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]  # Ray has no types
        return f"{free.get(kind, 0):g} of {self.slots(needs)} {kind}s"


def _room(has: Mapping[str, float], needs: Mapping[str, float]) -> int:
    """How many packs a node has room for.

    Args:
        has: its resources, as Ray has them.
    """
    called = {"cpu": "CPU", "gpu": "GPU"}
    return min(int(has.get(called.get(n, n), 0.0) / need + 1e-9) for n, need in needs.items())


def check_address(address: str) -> None:
    """Check, within 15 s, that a Ray answers at `address` and takes our token.

    Raises:
        BadInput: it does not.
    """
    if address in ("auto", "local"):
        return
    if "://" in address:
        raise BadInput(f"--address {address}: Ray Client is not supported; give HOST:PORT")
    try:
        place = split(address)
    except ValueError as error:
        raise BadInput(f"--address {error}, nor auto") from None
    try:
        socket.create_connection(place, timeout=PORT_SECONDS).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise BadInput(f"no Ray answers at {address} ({why}); is the cluster up?") from error
    token = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if token and not os.access(token, os.R_OK):
        raise BadInput(f"the token file {token} (RAY_AUTH_TOKEN_PATH) cannot be read")
    command = [sys.executable, "-P", "-m", "shoal.search.engines.ray_tune.probe", address]
    try:  # in a process of its own, since Ray's C++ ends the process on some errors
        probe = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise BadInput(f"what listens at {address} does not answer as a Ray") from None
    if probe.returncode == 0:
        return
    if "AuthenticationError" in probe.stdout:
        raise BadInput(
            f"the Ray at {address} refuses our token; "
            "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to the cluster's token file"
        )
    raise BadInput(f"what listens at {address} does not answer as a Ray")


@contextmanager
def connected(
    address: str | None, workers: int, gpus: int, meanwhile: Callable[[], None] = lambda: None
) -> Iterator[Cluster]:
    """Connect to the Ray at `address`, or start one with `workers` slots and stop it at the end.

    Args:
        meanwhile: called in another thread while Ray starts, which waits for its processes.

    Raises:
        EngineError: Ray does not start.
    """
    own = address is None
    with ExitStack() as stack:
        temp = stack.enter_context(temp_folder(short=own))
        stack.enter_context(set_for_ray(temp if own else None))
        import ray

        stack.enter_context(loggers.kept())  # as the import of Ray has made them
        loading = threading.Thread(target=meanwhile, name="meanwhile", daemon=True)
        loading.start()  # once Ray itself is imported, and not before: both would wait for it
        ours = not ray.is_initialized()
        if ours:  # it may have been imported long ago
            private.read_environment()
        usual: dict[str, Any] = {
            "job_config": _job_config(),
            "log_to_driver": False,
            "logging_level": logging.ERROR,
        }
        try:
            with private.connecting(_leave_signals, "shoal"):
                if not ours:
                    pass
                elif address is not None:
                    ray.init(address=address, **usual)
                else:
                    _start(workers, gpus, temp / "ray", usual)
        except Exception as error:  # Ray has many kinds of them
            raise EngineError(f"Ray did not start: {_short(error)}") from error
        cluster = Cluster(own=ours and address is None, temp=temp)
        try:
            yield cluster
        finally:
            if ours:
                cluster.end()


def _start(workers: int, gpus: int, temp: Path, usual: Mapping[str, Any]) -> None:
    """Start a Ray of our own, and again where its processes have come too late.

    A raylet gives its agents 15 s to come and then ends, which no setting of Ray's changes: on a
    cold network disk, or a machine full of other work, they take longer the first time.
    """
    import ray

    for attempt in range(1, STARTS + 1):
        try:
            with _deaf_to_hangups(), private.for_a_search():
                ray.init(
                    address="local",
                    num_cpus=workers,
                    num_gpus=gpus,
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    _node_ip_address="127.0.0.1",
                    _temp_dir=str(temp),
                    **usual,
                )
        except Exception as error:
            if LATE not in str(error) or attempt == STARTS:
                raise
            ray.shutdown()
        else:
            return


def _job_config() -> Any:
    """Return the configuration of our Ray job: where workers find shoal.

    Ray would put the working folder on their path, where a user's own ``trainable.py`` may lie, and
    fails where that folder is gone or its name is not UTF-8. Each problem brings the folder and the
    path that its code needs (`shoal.trainable.process.standing`).
    """
    from ray.job_config import JobConfig

    root = str(Path(shoal.__file__).parent.parent)
    path = [root] if is_utf8(root) and Path(root).name not in INSTALLED else []
    return JobConfig(_client_job=True, _py_driver_sys_path=path)


@contextmanager
def _deaf_to_hangups() -> Iterator[None]:
    """Start processes that ignore SIGHUP: when the terminal closes they save first.

    What this thread blocks is blocked in them; here other threads hear it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_signals(handler: object) -> None:
    """Stands for a function of Ray that sets a signal handler, and sets none."""


def _short(error: Exception) -> str:
    """Return an error's message in one line, without the tracebacks that Ray puts into it."""
    return " ".join(str(error).partition("Traceback")[0].split())
