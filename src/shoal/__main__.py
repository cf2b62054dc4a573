"""The command line, as ``shoal`` and as ``python -m shoal``.

What it imports takes a fifth of a second. A signal that comes before the command has handlers of
its own, or after it has ended, ends the process in a line, and so does one between the two.
"""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from shoal.slurm.wire import EXIT_NOTHING_GAINED

CODES = {
    signal.SIGINT: 130,
    signal.SIGTERM: 143,
    signal.SIGHUP: 129,
    signal.SIGUSR1: EXIT_NOTHING_GAINED,
}
"""Exit codes, by the signal."""


def main() -> None:
    """Run the command of ``sys.argv``, and end the process."""
    usual = (signal.SIG_DFL, signal.default_int_handler)
    taken = [number for number in CODES if signal.getsignal(number) in usual]
    for number in taken:
        signal.signal(number, _end)
    from shoal.search.command import main as command
    from shoal.search.process.handlers import stand_for_default

    stand_for_default(_end)
    try:
        if signal.SIGINT in taken:  # from here on it waits for what is to be tidied up
            signal.signal(signal.SIGINT, signal.default_int_handler)
        command()
    except KeyboardInterrupt as error:
        sys.exit(_tell(next((number for number in CODES if number in error.args), signal.SIGINT)))
    finally:  # nothing is left to be saved
        for number in taken:
            signal.signal(number, signal.SIG_IGN if number is signal.SIGUSR1 else _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End at once."""
    os._exit(_tell(signal.Signals(number)))


def _tell(number: signal.Signals) -> int:
    """Say what has ended the command; return its exit code."""
    code = CODES[number]
    save = code == EXIT_NOTHING_GAINED
    said = "told to save before anything had begun" if save else "interrupted"
    with suppress(OSError):  # standard error may be closed
        os.write(2, f"shoal: {said}\n".encode())
    return code


if __name__ == "__main__":
    main()
