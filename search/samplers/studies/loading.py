"""Samplers of Optuna's by name: a class, or what makes one of a seed.

    optuna.samplers.CmaEsSampler    a class of a module
    my.py:make_sampler              a function of a file, or a class there
    mine.samplers:make_sampler      of a module

It is called with the seed, as ``seed`` where it has such an argument.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from shoal.search.errors import BadInput
from shoal.search.process import quiet
from shoal.trainable.errors import TrainableError, one_line
from shoal.trainable.problems import Source, find

WAY = "name a class, as optuna.samplers.CmaEsSampler, or FILE.py:FACTORY, which takes a seed"


def made(name: str, seed: int) -> BaseSampler:
    """Return the sampler of this name.

    Raises:
        BadInput: there is none, or it cannot be made of a seed alone; or it has constraints.
    """
    factory = _factory(name)
    with quiet("optuna", logging.WARNING), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            taken = inspect.signature(factory).parameters
            found = factory(seed=seed) if "seed" in taken else factory(seed)
        except Exception as error:
            raise BadInput(_told(name, error)) from error
    if not isinstance(found, BaseSampler):
        raise BadInput(f"{name} makes no sampler of Optuna's, but {type(found).__name__}; {WAY}")
    if getattr(found, "_constraints_func", None) is not None:
        raise BadInput(
            f"the sampler {name} has a constraints_func: a search has no constraints; leave it out"
        )
    return found


def source_of(name: str) -> Source | None:
    """Return the user's own files that make the sampler; None: it is installed.

    Raises:
        BadInput: they cannot be loaded.
    """
    if ":" not in name:
        return None
    try:
        source = find(name)
        source.named()
        source = source.complete()
    except TrainableError as error:
        raise BadInput(f"sampler {name}: {error}") from error
    return source if source.files else None


def files_of(name: str) -> list[Path]:
    """Return the user's own file in which the sampler's name is; none where it is installed."""
    file = name.rpartition(":")[0]
    return [Path(file)] if file.endswith(".py") else []


def name_of(given: Any) -> str:
    """Return the name of a sampler's class, or of a function that makes one.

    Raises:
        BadInput: it has none by which another process would find it.
    """
    module, name = getattr(given, "__module__", ""), getattr(given, "__qualname__", "")
    if isinstance(given, type) and getattr(optuna.samplers, name, None) is given:
        return f"optuna.samplers.{name}"
    if callable(given) and name.isidentifier() and module != "__main__":
        held = importlib.import_module(module)
        if getattr(held, name, None) is given:
            return f"{module}:{name}"
    raise BadInput(
        "a sampler is a name, or a class or function of a module, which takes a seed: one that is "
        f"made already, or that no file has, could not be made again; not {given!r}"
    )


def _factory(name: str) -> Callable[..., Any]:
    if ":" in name:
        try:
            found = find(name).named()
        except TrainableError as error:
            raise BadInput(f"sampler {name}: {error}") from error
    else:
        module, _, own = name.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), own)
        except (ImportError, AttributeError, ValueError) as error:
            raise BadInput(f"there is no sampler {name}; {WAY}") from error
    if not callable(found):
        raise BadInput(f"{name} is no class and no function; {WAY}")
    factory: Callable[..., Any] = found
    return factory


def _told(name: str, error: Exception) -> str:
    """What went wrong with a sampler, in a line."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the sampler {name} needs the package {error.name}: pip install {error.name}"
    return f"the sampler {name} cannot be used: {one_line(error)}"


def refused(name: str, error: Exception) -> BadInput:
    """Return what it is to the user that a sampler fails in a space."""
    return BadInput(_told(name, error))
