"""Settings of torch and numpy while a search runs: its own, whatever the session has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from search.errors import BadInput
from trainable import ambient
from trainable.errors import SourceError


@contextmanager
def own_settings() -> Iterator[None]:
    """Run what is within under the settings of a fresh process, and put back those that were.

    Raises:
        BadInput: the problem of another search of this process changes them.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(ambient.session())
        except SourceError as error:
            raise BadInput(str(error)) from error
        yield
