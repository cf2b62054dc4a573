"""The root of the command line: a mistake is one line, and each end has its exit code."""

from __future__ import annotations

import atexit
import errno
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click

from shoal.search.command.overview import write_commands
from shoal.search.errors import Interrupted, SearchError
from shoal.search.process import listen_early, print_anything, streams
from shoal.slurm.errors import SlurmError

UNPRINTED = (errno.ENOSPC, errno.EBADF, errno.EIO, errno.EDQUOT, errno.EFBIG)
"""What can be wrong with standard output."""


class Group(click.Group):
    """A group whose mistakes are one line on standard error."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_commands(formatter)

    def invoke(self, ctx: click.Context) -> Any:
        listen_early()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:  # not for click, which has a word of its own
            if not isinstance(error, Interrupted):
                error = Interrupted("interrupted", by=error)
                if error.number is signal.SIGUSR1:
                    error.args = ("told to save before anything had begun",)
            raise Ended(str(error), error.exit_code) from None
        except BrokenPipeError as error:  # click would end by 1
            raise Ended("", 141) from error

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command of ``sys.argv``, and end the process."""
        kwargs["standalone_mode"] = False
        print_anything()
        streams.begin(data=_is_data(sys.argv[1:]))
        interrupted = False
        try:
            code = super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            code = 2
        except click.UsageError as error:
            code = _told(error.format_message(), 2)
        except click.ClickException as error:
            code = _told(error.format_message(), error.exit_code)
        except (SearchError, SlurmError) as error:
            code = _told(str(error), error.exit_code)
        except Ended as error:
            interrupted = True
            code = _told(str(error), error.exit_code) if str(error) else error.exit_code
        except (click.Abort, KeyboardInterrupt):
            code = _told("interrupted", 130)
        except OSError as error:
            if error.filename is not None or error.errno not in UNPRINTED:
                raise
            code = _told(f"cannot write to standard output: {error.strerror}", 1)
        except Exception as error:  # a fault of ours: Python tells of it
            _give(f"{type(error).__name__}: {error}", 1)
            raise
        finally:
            gc.freeze()  # nothing is looked through again at the end
            streams.end()
        if interrupted:
            _end_at_once(code)
        sys.exit(code if isinstance(code, int) else 0)


class Ended(Exception):
    """Told to end by a signal; or without a word, since who reads what is printed has gone."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def _end_at_once(code: int) -> None:
    """End the process where threads are left in a call of the problem, without their end."""
    main = threading.main_thread()
    if any(thread is not main and not thread.daemon for thread in threading.enumerate()):
        atexit._run_exitfuncs()
        os._exit(code)


def _is_data(args: Sequence[str]) -> bool:
    """Whether a command prints data alone, to be read by another program."""
    return args[:1] == ["results"] or (args[:1] == ["run"] and "--json" in args)


def _told(message: str, code: int) -> int:
    """Tell of an error in a line, and as the JSON object that is printed instead of a result."""
    message = " ".join(message.split())
    streams.tell(f"shoal: {message}")
    _give(message, code)
    return code


def _give(error: str, code: int) -> None:
    """Print the JSON object of an error, where one is wanted."""
    if streams.for_data() and "--json" in sys.argv:
        with suppress(OSError):
            click.echo(json.dumps({"error": error, "exit_code": code}), file=streams.output())
