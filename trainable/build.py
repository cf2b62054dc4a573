"""Compiles one traced function: ``python -m trainable.build``, run by `trainable.library`.

Standard input: 8 bytes of length, then the function, the shapes and the file to make. When standard
input ends, whoever asked has gone, and this process ends with all that it started.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sys
import threading
from typing import Any

import torch
import torch._dynamo  # before inductor, which leans on it
from torch._inductor import aot_compile, config


def main() -> None:
    """Compile what standard input holds."""
    source = sys.stdin.buffer
    graph, shapes, target = pickle.loads(source.read(int.from_bytes(source.read(8), "big")))
    threading.Thread(target=_end_with, args=(source.fileno(),), daemon=True).start()
    arguments = [torch.zeros(shape, dtype=getattr(torch, dtype)) for shape, dtype in shapes]
    shutil.copyfile(compile_library(graph, arguments), target)
    os.chmod(target, 0o500)


def compile_library(graph: Any, arguments: list[torch.Tensor]) -> str:
    """Return the file of the compiled function, for one thread."""
    torch.set_num_threads(1)
    with torch.no_grad():
        exported = torch.export.export(graph, tuple(arguments))
        with config.patch(
            {
                "cpp.threads": 1,
                "cpp.vec_isa_ok": True,  # by the flags of the processor, without trial programs
                "cpp.enable_floating_point_contract_flag": "fast",  # a b + c in one instruction
                "aot_inductor.package": False,
            }
        ):
            made: Any = aot_compile(exported.module(), tuple(arguments))
    return str(made)


def _end_with(source: int) -> None:
    while os.read(source, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
