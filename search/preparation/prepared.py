"""What a search needs to start."""

from __future__ import annotations

from dataclasses import dataclass, field

from shoal.search.folder import RunFolder
from shoal.search.request import Request
from shoal.trainable.problems import Source


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A search that can start.

    Attributes:
        folder: the run folder of a search that goes on, or None for a new one.
        defaults: values of the hyperparameters that are not in the space.
        named: whether the user has named the run folder.
        known: the table of what the sampler knows from now on; empty: nothing else.
        notes: what the user should know of the choices made.
    """

    request: Request
    source: Source
    defaults: dict[str, float] = field(default_factory=dict)
    shape_names: tuple[str, ...] = ()
    folder: RunFolder | None
    named: bool = True
    known: bytes = b""
    notes: tuple[str, ...] = ()
