"""Compiles one traced function, for `shoal.trainable.compiling.inductor`.

``python -m shoal.trainable.compiling.build FILE``

The file is JSON: the function's code, the shapes of its arguments, the file of its constants and
the file to make.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path

import torch

from shoal.trainable.private import compiled_ahead

NAMES = {
    "torch": torch,
    "device": torch.device,
    "inf": math.inf,
    "nan": math.nan,
    "NoneType": type(None),
}
"""Global names that the code of a traced function uses."""

OPTIONS = {
    "cpp.threads": 1,
    "cpp.vec_isa_ok": True,  # by the flags of the processor, without trial programs
    "cpp.enable_floating_point_contract_flag": "fast",  # a b + c in one instruction
    "aot_inductor.package": False,
}
"""Of ``torch._inductor.config``."""


def main() -> None:
    """Compile what the file asks for."""
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    function = rebuilt(asked["code"], torch.load(asked["constants"], weights_only=True))
    arguments = [torch.zeros(s, dtype=getattr(torch, dtype)) for s, dtype in asked["shapes"]]
    shutil.copyfile(compile_library(function, arguments), asked["made"])


def rebuilt(code: str, constants: dict[str, torch.Tensor]) -> torch.nn.Module:
    """Return the module of a traced function's code."""
    names = dict(NAMES)
    # written by `shoal.trainable.programs.tracing` a moment ago
    exec(compile(code, "<traced>", "exec", dont_inherit=True), names)
    module: torch.nn.Module = type("Traced", (torch.nn.Module,), {"forward": names["forward"]})()
    for name, tensor in constants.items():
        module.register_buffer(name, tensor)
    return module


def compile_library(function: torch.nn.Module, arguments: list[torch.Tensor]) -> str:
    """Return the file of the compiled function, for one thread."""
    torch.set_num_threads(1)
    with torch.no_grad():
        return compiled_ahead(function, arguments, OPTIONS)


if __name__ == "__main__":
    main()
