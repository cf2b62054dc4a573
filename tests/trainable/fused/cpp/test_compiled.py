"""What compilers make of a kernel, tuned for other processors than this one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from shoal.trainable.fused.cpp import compiled
from shoal.trainable.lanes import Lanes
from shoal.trainable.programs import KERNEL, program_of
from shoal.trainable.programs.comparing import difference

NORMALS, POINTS, FITS = 4, 500, 8


class Mixture:
    """Normal distributions in the plane."""

    space = {"lr": "1e-2:0.3:log", "momentum": "0:0.8"}

    def data(self) -> Any:
        generator = torch.Generator().manual_seed(0)
        middles = 3 * torch.randn(NORMALS, 2, generator=generator)
        around = torch.randn(POINTS, 2, generator=generator)
        return middles.repeat(POINTS // NORMALS, 1) + around

    def initial(self, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        return {
            "means": 2 * torch.randn(NORMALS, 2, generator=generator),
            "scales": torch.zeros(NORMALS),
            "shares": torch.zeros(NORMALS),
        }

    def loss(self, params: Any, data: Any) -> Any:
        squares = (data[:, None] - params["means"]).square().sum(dim=2)
        log_normal = -0.5 * squares * torch.exp(-2 * params["scales"]) - 2 * params["scales"]
        joint = torch.log_softmax(params["shares"], dim=0) + log_normal
        return -torch.logsumexp(joint, dim=1).mean()


@pytest.mark.skipif(
    shutil.which("g++") is None or torch.backends.cpu.get_cpu_capability() == "DEFAULT",
    reason="needs g++ and AVX2",
)
@pytest.mark.parametrize("tuned", ["haswell", "znver3"])
def test_a_kernel_has_the_numbers_of_torch_whatever_it_is_tuned_for(
    tuned: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gcc 12 by -O3 gave half a register of fits the parameters of others, for Zen 3."""
    compiler = tmp_path / "g++"
    compiler.write_text(f'#!/bin/sh\nexec g++ "$@" -march=haswell -mtune={tuned}\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("SHOAL_CACHE", str(tmp_path / "cache"))
    at = torch.arange(FITS)
    values = {
        "lr": torch.logspace(-2, -0.52, FITS, dtype=torch.float64),
        "momentum": torch.linspace(0, 0.8, FITS, dtype=torch.float64),
    }
    shape = {"optimizer": "sgd"}
    lanes = Lanes(trial=at, replicate=0 * at, seed=at, values=values, shape=shape)
    how: dict[str, Any] = {"defaults": {}, "block": FITS, "device": "cpu", "steps": 10}
    program = program_of(Mixture, shape, None, kind=KERNEL, given=tuple(values), **how)
    params, state = program.initial(lanes, at)
    assert program.prepare(params, state, program.values(lanes, at))
    assert difference(program, lanes) is None


@pytest.mark.parametrize(
    ("told", "gnu"),
    [
        ("g++ (Debian 12.2.0-14+deb12u1) 12.2.0", True),
        ("c++ (GCC) 14.2.0", True),
        ("x86_64-linux-gnu-g++-13 (Ubuntu 13.3.0-6ubuntu2) 13.3.0", True),
        ("Debian clang version 14.0.6", False),
        ("Intel(R) oneAPI DPC++/C++ Compiler 2024.0.0 (2024.0.0.20231017)", False),
    ],
)
def test_only_gcc_is_told_what_others_refuse(
    told: str, gnu: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clang ends with an error for an option of gcc's loops."""
    monkeypatch.setattr(compiled, "command", lambda: ("cc",))
    monkeypatch.setattr(compiled, "identity", lambda: told)
    words = compiled.Compiled("").command(tmp_path, tmp_path / "made.so")
    assert (compiled.PLAIN_LOOPS in words) == gnu
