"""Inductor: torch's ahead-of-time compiler, for traced functions that cannot be fused.

It takes every function, and ten to twenty seconds of a core for it, in a process of its own
(`shoal.trainable.compiling.build`); what it makes loads in a millisecond, without any compiler.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch.fx import GraphModule

from shoal.trainable.compiling.building import Run
from shoal.trainable.compiling.toolchain import command, identity, is_gnu
from shoal.trainable.errors import CompileError
from shoal.trainable.private import loaded_ahead

UNCALLED = re.compile(r"aten\._?linalg_(?!vector_norm|cross)")
"""Operations that a library of torch's cannot call by itself: factorisations. (It would look for a
table of Python's operators beside it.)"""

VERSION = 3
"""Cache-key version: increment it when `shoal.trainable.compiling.build` compiles otherwise."""


class Inductor:
    """A traced function of tensors of fixed shapes."""

    seconds = 900.0

    def __init__(self, graph: GraphModule, arguments: Sequence[torch.Tensor]) -> None:
        """Take what `programs.tracing.traced` gave for tensors of the shapes of `arguments`.

        Raises:
            CompileError: it has an operation that such a library cannot call.
        """
        for node in graph.graph.nodes:
            if node.op == "call_function" and UNCALLED.match(str(node.target)):
                name = str(node.target).split(".")[1]
                raise CompileError(f"torch's ahead-of-time compiler cannot call {name}")
        self._graph = graph
        self._shapes = [(tuple(a.shape), str(a.dtype).removeprefix("torch.")) for a in arguments]

    def key(self) -> str:
        """The operations, the shapes, the constants and torch's version."""
        constants = [
            (name, tensor.shape, tensor.dtype, _digest(tensor))
            for name, tensor in sorted(self._graph.named_buffers())
        ]
        return repr((VERSION, self._graph.code, self._shapes, constants, str(torch.__version__)))

    def command(self, folder: Path, made: Path) -> Sequence[str]:
        """Return the command; it finds what to compile beside `made`."""
        constants = folder / "constants.pt"
        torch.save(dict(self._graph.named_buffers()), constants)
        asked = {
            "code": self._graph.code,
            "shapes": self._shapes,
            "constants": str(constants),
            "made": str(made),
        }
        (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
        return [
            sys.executable,
            "-P",
            "-m",
            "shoal.trainable.compiling.build",
            str(folder / "asked.json"),
        ]

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Return its settings, and the compiler as torch takes one: a single word, whose name says
        of which make it is."""
        return {
            "CXX": str(_one_word(folder)),
            "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
            "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no pool of processes
            "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",  # twice the time, for one use
        }

    def load(self, file: str) -> Run:
        """Return the compiled function."""
        return loaded_ahead(file)


def _one_word(folder: Path) -> Path:
    """A script that calls the compiler with its options."""
    try:
        name = "g++" if is_gnu(identity()) else "clang++"
    except CompileError:  # which is told where the library is looked for
        name = "c++"
    script = folder / name
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n', encoding="utf-8")
    script.chmod(0o700)
    return script


def _digest(tensor: torch.Tensor) -> str:
    content = tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(content).hexdigest()
