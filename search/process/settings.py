"""Settings of torch, numpy and loggers during a search, whatever they are in the session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from shoal.search.errors import BadInput
from shoal.search.process import blas, loggers
from shoal.search.process.together import Together
from shoal.trainable.errors import SourceError
from shoal.trainable.process import ambient

_shared = (Together(loggers.kept), Together(blas.one_thread))


@contextmanager
def own_settings() -> Iterator[None]:
    """Run with the settings of a fresh process; restore the previous ones at the end.

    Raises:
        BadInput: the problem of another search of this process changes them.
    """
    with ExitStack() as stack:
        for context in _shared:
            stack.enter_context(context())
        try:
            stack.enter_context(ambient.session())
        except SourceError as error:
            raise BadInput(str(error)) from error
        yield
