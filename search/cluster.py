"""The Ray that a search runs on: one of its own on this machine, or a running one.

A Ray of our own listens on 127.0.0.1 alone, asks for a token, keeps its files in a closed temp
folder of the search, and goes with it.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.errors import BadInput, EngineError
from trainable.files import is_utf8
from trainable.locating import INSTALLED
from trainable.standing import absolute

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output is silent at verbose=0
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the command line handles Ctrl-C
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # the run folder is the only truth
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""What Ray and Tune are told, unless the user's environment says otherwise."""

OBJECT_STORE_BYTES = 256 << 20
"""Lanes and results are small; Ray would take a third of the memory."""

PORT_SECONDS, PROBE_SECONDS = 3.0, 11.0

LONGEST_TEMP = 16
"""Bytes of TMPDIR that leave room for Ray's sockets: 91 of the 107 that Linux allows are ours and
Ray's (``/shoal-PID-XXXXXXXX/ray/session_DATE_TIME_MICROSECONDS_PID/sockets/plasma_store``)."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Ray that this process is connected to.

    Attributes:
        own: whether it is ours, and ends with the search.
        temp: closed folder for Tune's disposable files.
    """

    own: bool
    temp: Path

    def slots(self, gpu: bool) -> int:
        """Return how many packs can run at once, now."""
        import ray

        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return int(resources.get("GPU" if gpu else "CPU", 0))

    def hosts(self, gpu: bool) -> set[str]:
        """Return the names of the hosts that have slots, now."""
        import ray

        kind = "GPU" if gpu else "CPU"
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        return {
            str(node["NodeManagerHostname"])
            for node in nodes
            if node["Alive"] and node["Resources"].get(kind, 0) > 0
        }

    def free(self, gpu: bool) -> str:
        """Return how many of its slots are free, in words."""
        import ray

        kind = "GPU" if gpu else "CPU"
        free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
        return f"{free.get(kind, 0):g} of {self.slots(gpu)} {kind}s"


def check_address(address: str) -> None:
    """Check, within 15 s, that a Ray answers at `address` and takes our token.

    Raises:
        BadInput: it does not.
    """
    if address in ("auto", "local"):
        return
    if "://" in address:
        raise BadInput(f"--address {address}: Ray Client is not supported; give HOST:PORT")
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadInput(f"--address {address} is not HOST:PORT, as in 10.0.0.1:6379, nor auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PORT_SECONDS).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise BadInput(f"no Ray answers at {address} ({why}); is the cluster up?") from error
    token = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if token and not os.access(token, os.R_OK):
        raise BadInput(f"the token file {token} (RAY_AUTH_TOKEN_PATH) cannot be read")
    command = [sys.executable, "-P", "-m", "search.probe", address]
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
    """Connect to the Ray at `address`, or start one of `workers` slots; end what was started.

    Args:
        meanwhile: called in another thread while Ray starts, which waits for its processes.

    Raises:
        EngineError: Ray does not start.
    """
    with _temp(short=address is None) as temp, _environment(temp if address is None else None):
        import ray
        from ray._private import utils
        from ray._raylet import (  # type: ignore[attr-defined]  # compiled
            AuthenticationTokenLoader,
            Config,
        )

        loading = threading.Thread(target=meanwhile, name="meanwhile", daemon=True)
        loading.start()  # once Ray itself is imported, and not before: both would wait for it
        ours = not ray.is_initialized()
        sets_handler, utils.set_sigterm_handler = utils.set_sigterm_handler, _leave_signals
        names_entrypoint, utils.get_entrypoint_name = utils.get_entrypoint_name, lambda: "shoal"
        if ours:  # Ray reads these once, when it is imported; it may have been, long ago
            Config.initialize("")
            AuthenticationTokenLoader.instance().reset_cache()
        try:
            if not ours:
                pass
            elif address is not None:
                ray.init(
                    address=address,
                    job_config=_job_config(),
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            else:
                ray.init(
                    address="local",
                    num_cpus=workers,
                    num_gpus=gpus,
                    include_dashboard=False,
                    job_config=_job_config(),
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    object_store_memory=OBJECT_STORE_BYTES,
                    _node_ip_address="127.0.0.1",
                    _temp_dir=str(temp / "ray"),
                )
        except Exception as error:  # Ray has many kinds of them
            raise EngineError(f"Ray did not start: {_short(error)}") from error
        finally:
            utils.set_sigterm_handler = sets_handler
            utils.get_entrypoint_name = names_entrypoint
        try:
            yield Cluster(own=ours and address is None, temp=temp)
        finally:
            if ours:
                ray.shutdown()


def _job_config() -> Any:
    """The configuration of our job: where workers find shoal.

    Ray would put the working folder on their path, where a user's own ``trainable.py`` may lie, and
    fails where that folder is gone or its name is not UTF-8. Each problem brings the folder and the
    path that its code needs (`trainable.standing`).
    """
    from ray.job_config import JobConfig

    root = str(Path(__file__).parent.parent)
    path = [root] if is_utf8(root) and Path(root).name not in INSTALLED else []
    return JobConfig(_client_job=True, _py_driver_sys_path=path)


def _leave_signals(handler: object) -> None:
    """In place of Ray's own: its handler of SIGTERM raises wherever the main thread happens to be,
    inside a lock of ``logging``, say, which is never released then. Ours only notes the signal."""


def _short(error: Exception) -> str:
    """The message of `error` in one line, without the tracebacks that Ray puts into it."""
    return " ".join(str(error).partition("Traceback")[0].split())


@contextmanager
def _environment(own: Path | None) -> Iterator[None]:
    """Set what Ray reads from the environment, and put the old values back.

    Args:
        own: closed folder for the token of a Ray of our own, or None.
    """
    wanted: dict[str, str | None] = {k: v for k, v in ENVIRONMENT.items() if not os.environ.get(k)}
    for name, value in os.environ.items():
        if not value and name.startswith(("RAY_", "TUNE_")):
            wanted.setdefault(name, None)  # Ray would read a number there
    if own is not None:
        token = own / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32), encoding="ascii")
        wanted.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token))
        if cache := os.environ.get("SHOAL_CACHE"):  # its workers stand elsewhere
            wanted["SHOAL_CACHE"] = absolute(os.path.expanduser(cache))
    before = {name: os.environ.get(name) for name in wanted}
    _set(wanted)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    """Set environment variables; None unsets one."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _temp(short: bool) -> Iterator[Path]:
    """A closed temp folder, gone afterwards; those of searches that were killed go too.

    Args:
        short: whether a Ray of our own has its sockets in it.
    """
    parent = Path(tempfile.gettempdir())
    if short and len(os.fsencode(parent)) > LONGEST_TEMP:
        parent = Path("/tmp")
    for old in parent.glob("shoal-*-*"):
        _remove_if_left(old)
    temp = Path(tempfile.mkdtemp(prefix=f"shoal-{os.getpid()}-", dir=parent))
    try:
        yield temp
    finally:
        shutil.rmtree(temp, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    pid = folder.name.split("-")[1]
    try:
        if pid.isdigit() and folder.stat().st_uid == os.getuid():
            os.kill(int(pid), 0)
    except ProcessLookupError:
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return
