"""What fits can run on here.

``python -m shoal.trainable.hosts.report`` prints it as one JSON object.

    build      the version of CUDA or ROCm that torch is built for; null: for CPUs alone
    names      the GPUs that torch sees
    missing    for each that torch cannot use, why
    called     the C++ compiler, as a shell calls it; null: there is none
    compiler   which one it is
    why        why nothing can be compiled; null: it can

Torch and the compiler are asked by the functions that a search asks.
"""

from __future__ import annotations

import json
from typing import Any

import torch

from shoal.trainable.compiling import check_compiler, compiler, identity
from shoal.trainable.errors import CompileError, one_line
from shoal.trainable.halt import never


def examined() -> dict[str, Any]:
    """Return what is printed."""
    told: dict[str, Any] = {
        "build": torch.version.cuda or torch.version.hip,
        "names": [],
        "missing": [],
        "called": compiler(),
        "compiler": None,
        "why": None,
    }
    for index in range(torch.cuda.device_count()):
        told["names"].append(torch.cuda.get_device_name(index))
        try:
            torch.ones(2, device=f"cuda:{index}").sum().item()
        except Exception as error:  # torch has many kinds of them
            told["missing"].append(one_line(error))
    try:
        told["compiler"] = identity()
        check_compiler(never)
    except CompileError as error:
        told["why"] = str(error)
    return told


if __name__ == "__main__":
    print(json.dumps(examined()))
