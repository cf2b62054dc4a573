"""``shoal`` commands, each in a fork of one process that has imported what they need.

Importing torch takes seconds of a core, most of what a small command takes. Nothing is computed
before a fork, and no thread is started: what a command does, it does in a process of its own.

    python forking.py      # reads a JSON object a line: argv, cwd, environment, stdout, stderr;
                           # writes a process id and its exit code, a line each
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

import pandas  # noqa: F401  # imported once, for all commands

from shoal.search import api  # noqa: F401  # likewise
from shoal.search.command import fits, jobs, summary, watch  # noqa: F401  # likewise
from shoal.search.command import main as command
from shoal.search.driver import execution  # noqa: F401  # likewise


def run(asked: dict[str, Any]) -> None:
    """Do what a new process does with the command; ends this process."""
    for stream, file in ((1, asked["stdout"]), (2, asked["stderr"])):
        to = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(to, stream)
        os.close(to)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = asked["argv"]
    sys.modules["shoal.search.command.main"].BEGAN = time.monotonic()  # type: ignore[attr-defined]  # a module
    command()


def serve() -> None:
    """Run commands, one at a time, until standard input ends."""
    assert threading.active_count() == 1
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
            return
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
