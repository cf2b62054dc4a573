"""An observer of the user's own: a class of a file, ``my.py:Observer``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from shoal.search.errors import BadInput
from shoal.search.request import given_path
from shoal.search.watching import Observer


def own_observer(text: str) -> Observer:
    """Return an observer, made from ``file.py:Class`` without arguments.

    Raises:
        BadInput: there is no such file or class, or making it fails.
    """
    name, _, cls = text.rpartition(":")
    file = Path(given_path("track", name))
    if not file.is_file():
        raise BadInput(f"track {text}: there is no file {name}")
    spec = importlib.util.spec_from_file_location(f"shoal_track_{file.stem}", file)
    assert spec is not None  # of a file that ends in .py there is one
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.append(str(file.parent))  # for modules that lie beside it, while it is imported
    try:
        spec.loader.exec_module(module)
        made = getattr(module, cls)()
    except AttributeError as error:
        raise BadInput(f"track {text}: {error}") from error
    except Exception as error:
        raise BadInput(f"track {text}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(file.parent))
    if not isinstance(made, Observer):
        raise BadInput(f"track {text}: {cls} must be a subclass of shoal.Observer")
    return made
