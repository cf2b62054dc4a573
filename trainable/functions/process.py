"""A process for calls, with all that these start in its process group."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

from shoal.trainable.functions.messages import Asked
from shoal.trainable.functions.recipe import CallRecipe

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
"""Variables that libraries take their number of threads from."""

_CHILD = """
import sys
sys.path[:] = {path!r}
from shoal.trainable.functions.inside.host import serve
serve({descriptor})
"""


class Process:
    """A process for calls; one at a time.

    Attributes:
        memory: bytes in use after its first call; 0: there was none.
    """

    def __init__(self, recipe: CallRecipe, log: str) -> None:
        """Start it.

        Args:
            log: the file for what is printed before the first call, as by an import.

        Raises:
            OSError: it cannot be started.
        """
        self.memory = 0
        ours, theirs = Pipe()
        with theirs:
            code = _CHILD.format(path=sys.path, descriptor=theirs.fileno())
            try:
                handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
                try:
                    self._child = subprocess.Popen(
                        [sys.executable, "-P", "-c", code],
                        stdin=subprocess.DEVNULL,
                        stdout=handle,
                        stderr=handle,
                        pass_fds=(theirs.fileno(),),
                        process_group=0,
                        env={**os.environ, **environment(recipe)},
                    )
                finally:
                    os.close(handle)
            except OSError:
                ours.close()
                raise
        self._channel: Connection = ours
        self._send(recipe.common.as_dict())

    def ask(self, asked: Asked) -> None:
        """Have it begin a call."""
        self._send(asked.as_dict())

    def stop(self) -> None:
        """Tell it that the call is to end."""
        self._send({"stop": True})

    def heard(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message; None: there was none for so long.

        Raises:
            EOFError, OSError: the process is gone.
        """
        if not self._channel.poll(seconds):
            if self._child.poll() is not None and not self._channel.poll():
                raise EOFError  # what the call has started may hold the channel open
            return None
        message: dict[str, Any] = json.loads(self._channel.recv_bytes())
        return message

    def _send(self, what: Mapping[str, Any]) -> None:
        with suppress(OSError):  # it has died, which is seen where it is to answer
            self._channel.send_bytes(json.dumps(what).encode(errors="backslashreplace"))

    def end(self) -> str:
        """Kill it, and all that it has started; return how it died, in words."""
        with suppress(OSError):
            os.killpg(self._child.pid, signal.SIGKILL)
        code = self._child.wait()
        self._channel.close()
        if code >= 0:
            return f"exit code {code}"
        try:
            return signal.Signals(-code).name
        except ValueError:  # a real-time signal
            return f"signal {-code}"

    def died(self) -> str:
        """Return how it died by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(1.0)
        return self.end()


def environment(recipe: CallRecipe) -> dict[str, str]:
    """Return the variables that a process of calls is given."""
    found = dict.fromkeys(THREADS, str(recipe.cpus))
    if "PYTHONHASHSEED" not in os.environ:
        found["PYTHONHASHSEED"] = "0"  # the order of sets is the same in each process
    if recipe.visible is not None:
        found["CUDA_VISIBLE_DEVICES"] = recipe.visible
    return found
