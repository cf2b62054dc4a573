"""The process that one pack has to itself (`search.alone` starts it): the child's side.

The channel is a socket between the two processes: first come the recipe and the task, then at most
one message, to stop; back goes the outcome. Where the parent goes away, the child ends.
"""

from __future__ import annotations

import io
import os
import resource
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

import torch

from trainable.worker import Worker

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
"""The parent hears them, and tells what is to be done."""


def serve(descriptor: int) -> None:
    """Run the pack that comes through the channel, and end the process.

    Args:
        descriptor: of the channel.
    """
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError, ValueError):  # a death is expected: it need not fill the disk
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    channel, stop = Connection(descriptor), threading.Event()
    recipe, task = torch.load(io.BytesIO(channel.recv_bytes()), weights_only=False)
    threading.Thread(target=_listen, args=(channel, stop), name="stop", daemon=True).start()
    outcome = Worker(recipe).run(task, stop.is_set)
    buffer = io.BytesIO()
    torch.save(outcome, buffer)
    for stream in (sys.stdout, sys.stderr):  # what the problem has printed
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    with suppress(OSError):
        channel.send_bytes(buffer.getbuffer())
    os._exit(0)


def _listen(channel: Connection, stop: threading.Event) -> None:
    """Hear that the pack is to be saved, or that the parent is gone."""
    with suppress(EOFError, OSError):
        while channel.recv_bytes():
            stop.set()
    os._exit(1)
