"""A process for packs that may kill the one that they run in (`search.engines.alone` starts it).

The channel is a socket between the two processes: first comes the recipe, then tasks, each of which
may be followed by the word to stop; back goes an outcome for each. Where the parent goes away, the
process ends.
"""

from __future__ import annotations

import io
import os
import queue
import resource
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import torch

from shoal.trainable.halt import Halt
from shoal.trainable.task import Task
from shoal.trainable.worker import Worker

STOP = b"stop"

Tasks = queue.SimpleQueue[tuple[Task, Halt]]


def send(channel: Connection, what: object) -> None:
    """Send a recipe, a task or an outcome to the other process.

    Raises:
        OSError: it is gone.
    """
    buffer = io.BytesIO()
    torch.save(what, buffer)
    channel.send_bytes(buffer.getbuffer())


def received(message: bytes) -> Any:
    """Return what `send` has sent. Both ends are ours alone, so it is taken as it is."""
    return torch.load(io.BytesIO(message), weights_only=False)


def serve(descriptor: int) -> None:
    """Run the packs that come through the channel, until the parent is gone.

    Args:
        descriptor: of the channel.
    """
    with suppress(OSError, ValueError):  # a death is expected: it need not fill the disk
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    channel, stop = Connection(descriptor), threading.Event()
    tasks: Tasks = queue.SimpleQueue()
    worker = Worker(received(channel.recv_bytes()))
    threading.Thread(target=_listen, args=(channel, tasks, stop), daemon=True).start()
    while True:
        task, halt = tasks.get()
        outcome = worker.run(task, stop.is_set, halt)
        for stream in (sys.stdout, sys.stderr):  # what the problem has printed
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        with suppress(OSError):
            send(channel, outcome)


def _listen(channel: Connection, tasks: Tasks, stop: threading.Event) -> None:
    """Receive messages until the parent is gone."""
    halt = Halt()
    with suppress(EOFError, OSError):
        while True:
            message = channel.recv_bytes()
            if message == STOP:
                stop.set()
                halt.set()
            else:
                stop.clear()  # the word came too late for the pack before
                halt = Halt()
                tasks.put((received(message), halt))
    os._exit(1)
