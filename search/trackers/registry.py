"""Trackers by name; another is a module beside these and a row here."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shoal.search.errors import BadInput
from shoal.search.request import check_settings, given_path
from shoal.search.trackers.own import own_observer
from shoal.search.trackers.tracker import Tracker
from shoal.search.trackers.tracking import Tracking
from shoal.search.watching import Observer, Observers


@dataclass(frozen=True, kw_only=True)
class Known:
    """Where a tracker is.

    Attributes:
        module, cls: of this room; imported when it is needed.
        library: what it needs, as it is imported; "": nothing. The extra has the tracker's name.
    """

    module: str
    cls: str
    library: str = ""

    def make(self) -> Tracker:
        """Return the tracker; its library is imported when it begins."""
        module = importlib.import_module(f"shoal.search.trackers.{self.module}")
        made: Tracker = getattr(module, self.cls)()
        return made


TRACKERS = {
    "jsonl": Known(module="jsonlines", cls="JsonLines"),
    "mlflow": Known(module="mlflow", cls="MLflow", library="mlflow"),
    "tensorboard": Known(module="tensorboard", cls="TensorBoard", library="tensorboardX"),
    "wandb": Known(module="wandb", cls="WeightsAndBiases", library="wandb"),
}


def observing(track: str | Sequence[str] | None, observers: Sequence[Observer]) -> Observers:
    """Return the observers of a search as one: its trackers first, whose last words are shown.

    Args:
        track: one or several of ``NAME``, ``NAME:where`` and ``file.py:Class``.

    Raises:
        BadInput: it is no text, there is no such tracker, its library is missing, or a file has no
            observer.
    """
    if track is not None:
        check_settings({"track": track})
    texts = [track] if isinstance(track, str) else track or ()

    def say(message: str) -> None:
        all_.say(message)

    all_ = Observers([*(_tracker(text, say) for text in dict.fromkeys(texts)), *observers])
    return all_


def _tracker(text: str, say: Callable[[str], None]) -> Observer:
    name, _, where = text.partition(":")
    if name not in TRACKERS:
        if text.rpartition(":")[0].endswith(".py"):
            return own_observer(text)
        names = ", ".join(TRACKERS)
        raise BadInput(f"unknown tracker {text!r}; known: {names}, and file.py:Class of your own")
    known = TRACKERS[name]
    if known.library and importlib.util.find_spec(known.library) is None:
        raise BadInput(f"tracker {name} needs a package: pip install 'shoal[{name}]'")
    return Tracking(name, known.make, _absolute(where), say)


def _absolute(where: str) -> str:
    """The path that is meant, absolute, since code of the user may move the process; or an
    address."""
    path = where.removeprefix("sqlite:///")
    return where if not path or "://" in path else str(given_path("track", path))
