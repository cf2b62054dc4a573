"""Fitted parameters in a run folder, as safetensors: ``parameters/``.

    trial-000017.safetensors            one fit, under the problem's names; with replicates or folds
                                        their numbers follow: trial-000017-replicate-0-fold-2
    r000001-p000002.HASH.safetensors    fits of one pack, stacked along a first axis, while it is
                                        not known yet which are kept, and where all are

What the problem has learnt from its data (``prepare``) stands beside, under ``prepared/NAME``. The
file's description (``__metadata__``) has the numbers of trial, replicate and fold, and the names in
the problem's order, all in one entry: safetensors gives tensors, and several entries, in any order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray
from safetensors.numpy import load, save

from shoal.search.request import Request
from shoal.trainable.columns import FOLD

FOLDER = "parameters"

OF_FIT = re.compile(r"trial-\d{6,}(?:-replicate-\d+)?(?:-fold-\d+)?\.safetensors")
OF_PACK = re.compile(r"(r\d{6}-p\d{6})\.([0-9a-f]{16})\.safetensors")

_PREPARED, _FITS, _NAMES = "prepared/", "fits", "names"
_KEY = ("trial", "replicate", FOLD)

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Parameters of m fits of one shape.

    Attributes:
        trial, replicate, fold: shape (m,), int64.
        named: each parameter, shape (m, ...); prepared: the same of all.
    """

    trial: NDArray[numpy.int64]
    replicate: NDArray[numpy.int64]
    fold: NDArray[numpy.int64]
    named: Arrays
    prepared: Arrays

    def __len__(self) -> int:
        return len(self.trial)

    def only(self, chosen: NDArray[numpy.bool_]) -> Stack:
        """Return those that are `chosen`."""
        return Stack(
            trial=self.trial[chosen],
            replicate=self.replicate[chosen],
            fold=self.fold[chosen],
            named={name: values[chosen] for name, values in self.named.items()},
            prepared=self.prepared,
        )

    @classmethod
    def joined(cls, stacks: Sequence[Stack]) -> Stack:
        """Return all of these, which are of one pack, in its order, each fit once."""
        columns = {
            name: numpy.concatenate([getattr(stack, name) for stack in stacks]) for name in _KEY
        }
        keys = numpy.stack([columns["trial"], columns["replicate"]], axis=1)
        _, order = numpy.unique(keys, axis=0, return_index=True)
        named = {
            name: numpy.concatenate([stack.named[name] for stack in stacks])[order]
            for name in stacks[0].named
        }
        return cls(
            **{name: column[order] for name, column in columns.items()},
            named=named,
            prepared=stacks[0].prepared,
        )

    def at(self, trial: int, replicate: int, fold: int) -> int | None:
        """Return where a fit stands; None: it is not there."""
        here = (self.trial == trial) & (self.replicate == replicate) & (self.fold == fold)
        found = numpy.flatnonzero(here)
        return int(found[0]) if len(found) else None

    def key(self, index: int) -> tuple[int, int, int]:
        """Return trial, replicate and fold of one of them."""
        return int(self.trial[index]), int(self.replicate[index]), int(self.fold[index])

    def one(self, index: int) -> One:
        """Return one of them."""
        return One(
            named={name: numpy.asarray(values[index]) for name, values in self.named.items()},
            prepared=self.prepared,
        )

    def to_bytes(self) -> bytes:
        """Return them as safetensors."""
        return _saved(
            self.named, self.prepared, {name: getattr(self, name).tolist() for name in _KEY}
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Stack:
        """The inverse of `to_bytes`.

        Raises:
            ValueError: it is none.
        """
        key = described(raw)
        one = One.from_bytes(raw)
        columns = [numpy.asarray(key[name], dtype=numpy.int64).reshape(-1) for name in _KEY]
        trial, replicate, fold = columns
        if any(len(each) != len(trial) for each in (*columns, *one.named.values())):
            raise ValueError("its parameters are not of as many fits as its description says")
        return cls(
            trial=trial, replicate=replicate, fold=fold, named=one.named, prepared=one.prepared
        )


@dataclass(frozen=True, kw_only=True)
class One:
    """The parameters of one fit by name, and what the problem has prepared."""

    named: Arrays
    prepared: Arrays

    def to_bytes(self, trial: int, replicate: int, fold: int) -> bytes:
        """Return them as safetensors."""
        key = dict(zip(_KEY, (trial, replicate, fold), strict=True))
        return _saved(self.named, self.prepared, key)

    @classmethod
    def from_bytes(cls, raw: bytes) -> One:
        """The inverse of `to_bytes`.

        Raises:
            ValueError: it is none.
        """
        try:
            held = load(raw)
        except Exception as error:  # safetensors has an error of its own, an Exception
            raise ValueError(str(error)) from error
        order = described(raw)[_NAMES]
        if sorted(order) != sorted(held):
            raise ValueError("its tensors are not those of its description")
        names = {name: name.removeprefix(_PREPARED) for name in order}
        return cls(
            named={name: held[name] for name, short in names.items() if short == name},
            prepared={short: held[name] for name, short in names.items() if short != name},
        )


def described(raw: bytes) -> dict[str, Any]:
    """Return what the description of a file says: trial, replicate, fold, and names in order.

    Raises:
        ValueError: it is no such file.
    """
    try:
        size = int.from_bytes(raw[:8], "little")
        held = json.loads(json.loads(raw[8 : 8 + size])["__metadata__"][_FITS])
        return {name: held[name] for name in (*_KEY, _NAMES)}
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it has no description of ours: {error}") from error


def file_names(request: Request, trial: int, replicate: int, fold: int) -> list[str]:
    """The names that one fit's file may have: what it is called, and what it was called while each
    trial had one replicate."""
    end = (f"-fold-{fold}" if request.folds > 1 else "") + ".safetensors"
    name, number = f"trial-{trial:06d}", f"-replicate-{replicate}"
    names = [name + (number if request.replicates > 1 else "") + end]
    if request.replicates > 1 == request.first["replicates"] and not replicate:
        names.append(name + end)
    return names


def _saved(named: Arrays, prepared: Arrays, key: Mapping[str, Any]) -> bytes:
    arrays = {**named, **{f"{_PREPARED}{name}": values for name, values in prepared.items()}}
    metadata = {_FITS: json.dumps({**key, _NAMES: list(arrays)})}
    content: bytes = save({n: numpy.asarray(a, order="C") for n, a in arrays.items()}, metadata)
    return content
