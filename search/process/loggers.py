"""Loggers of Ray, Optuna and torch: silent during a search, and restored afterwards."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LIBRARIES = ("ray", "optuna", "torch")


@contextmanager
def kept() -> Iterator[None]:
    """Restore loggers at the end: level, handlers, and whether they propagate.

    Those of a library that is imported meanwhile are left as its import has made them.
    """
    before = {
        logger: (logger.level, logger.propagate, logger.disabled, list(logger.handlers))
        for logger in _loggers()
    }
    try:
        yield
    finally:
        for logger, (level, propagate, disabled, handlers) in before.items():
            if logger.level != level:
                logger.setLevel(level)
            logger.propagate, logger.disabled = propagate, disabled
            if logger.handlers != handlers:
                logger.handlers[:] = handlers


@contextmanager
def quiet(name: str, level: int) -> Iterator[None]:
    """Drop messages below `level` from a logger and its children."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


def _loggers() -> list[logging.Logger]:
    """Return the root logger and those of the libraries that are imported."""
    imported = sys.modules.keys() & set(LIBRARIES)
    known = list(logging.root.manager.loggerDict.items())
    ours = [
        logger
        for name, logger in known
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in imported
    ]
    return [logging.root, *ours]
