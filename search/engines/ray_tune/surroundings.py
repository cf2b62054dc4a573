"""This process's environment variables while Ray is connected: set for Ray, then restored."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shoal.slurm.node import translated
from shoal.trainable.process import absolute

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output is silent at verbose=0
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the command line handles Ctrl-C
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # the run folder is the only truth
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_enable_worker_prestart": "0",  # a worker lives for its packs: none on suspicion
    "RAY_prestart_worker_first_driver": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""What Ray and Tune are told, unless the user's environment says otherwise."""

SET_BY_RAY = ("RAY_", "TUNE_", "PYTHONBREAKPOINT")
"""How the names begin of what Ray sets in the environment while it is connected."""


@contextmanager
def set_for_ray(own: Path | None) -> Iterator[None]:
    """Set the environment variables that Ray reads; restore the previous ones at the end.

    Args:
        own: closed folder for the token of a Ray of our own, or None.
    """
    changes: dict[str, str | None] = {k: v for k, v in ENVIRONMENT.items() if not os.environ.get(k)}
    changes.update(translated(os.environ))  # Ray refuses to run with ROCR_VISIBLE_DEVICES
    for name, value in os.environ.items():
        if not value and name.startswith(("RAY_", "TUNE_")):
            changes.setdefault(name, None)  # Ray would read a number there
    if own is not None:
        token = own / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32), encoding="ascii")
        changes.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token))
        if cache := os.environ.get("SHOAL_CACHE"):  # its workers stand elsewhere
            changes["SHOAL_CACHE"] = absolute(os.path.expanduser(cache))
    before = _changing(changes)
    _set(changes)
    try:
        yield
    finally:
        _set({**dict.fromkeys(_changing(changes)), **before})


def _changing(changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return the environment variables that we change, or Ray does."""
    return {k: v for k, v in os.environ.items() if k in changes or k.startswith(SET_BY_RAY)}


def _set(values: Mapping[str, str | None]) -> None:
    """Set environment variables; None removes one."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
