"""The default problem on one device, most of all a GPU: needs torch and this checkout, no more.

    python benchmarks/gpu.py --device cuda
    python benchmarks/gpu.py --device cpu --steps 100 --blocks 64,512     # whether it works

On a GPU it is unmeasured so far: no figure in docs/how-fast.md is of one.

For each block size: lanes a second through `shoal.trainable.fitting.fit`, the share of the device's
float32 multiply-add rate (of a large matrix product, measured here, TF32 off) that the counted
operations make (peak.py), the memory that was taken, the ratio to the course's own loop on the same
device, one fit after the other, and the largest error against the closed form in float64. Prints a
table,
and with `--json` an object.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from peak import MULTIPLY_ADDS, POINTS

from shoal.trainable.fitting import Plan, fit
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems.finding import find
from shoal.trainable.programs.program import Program

UNROLL = 10
"""Updates that torch.compile is given at once."""

LOW, HIGH = 1e-8, 3.4e-6
"""Learning rates that do not diverge: every lane does all of its updates."""

TUTORIAL_STEPS = 200


def wait(device: torch.device) -> float:
    """The time, once the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def tutorial(device: torch.device) -> float:
    """Seconds of one update of the course's loop, as the tutorial has it."""
    x = torch.linspace(-math.pi, math.pi, POINTS, device=device)
    y = torch.sin(x)
    a, b, c, d = torch.randn(4, device=device)
    began = 0.0
    for step in range(TUTORIAL_STEPS + 20):
        if step == 20:
            began = wait(device)
        r = a + b * x + c * x**2 + d * x**3 - y
        g = 2.0 * r
        a = a - 1e-6 * g.sum()
        b = b - 1e-6 * (g * x).sum()
        c = c - 1e-6 * (g * x**2).sum()
        d = d - 1e-6 * (g * x**3).sum()
    return (wait(device) - began) / TUTORIAL_STEPS


def multiply_add_rate(device: torch.device) -> float:
    """Multiply-adds a second of a large float32 matrix product."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = torch.randn(n, n, device=device), torch.randn(n, n, device=device)
    a @ b
    best = math.inf
    for _ in range(5):
        began = wait(device)
        a @ b
        best = min(best, wait(device) - began)
    return n**3 / best


def closed_form(lr: torch.Tensor, start: torch.Tensor, steps: int) -> torch.Tensor:
    """L* + ½ Σ λᵢ (1 - lr λᵢ)^(2T) cᵢ², in float64."""
    x = torch.linspace(-math.pi, math.pi, POINTS, dtype=torch.float64)
    X = torch.stack([x**0, x, x**2, x**3])
    target = torch.linalg.solve(X @ X.T, X @ torch.sin(x))
    eigenvalues, basis = torch.linalg.eigh(2 * X @ X.T)
    c = basis.T @ (start.double() - target)
    floor = ((target @ X - torch.sin(x)) ** 2).sum()
    shrink = (1 - lr[:, None] * eigenvalues) ** (2 * steps)
    return floor + 0.5 * (eigenvalues * shrink * c**2).sum(1)


def measure(device: torch.device, block: int, packs: int, steps: int, program: str) -> Any:
    """One block size."""
    n = packs * block
    lr = torch.logspace(math.log10(LOW), math.log10(HIGH), n, dtype=torch.float64)
    lanes = Lanes(
        trial=torch.arange(n),
        replicate=torch.zeros(n, dtype=torch.int64),
        seed=torch.zeros(n, dtype=torch.int64),
        values={"lr": lr},
        shape={"optimizer": "sgd"},
    )
    plan = Plan(steps=steps, report=max(1, steps // 20), diverge_factor=1000.0)
    more = {"compiled": True, "unroll": UNROLL} if program == "compiled" else {}
    problem = find("cubic-sine").load()
    ready = Program(
        problem,
        optimizer="sgd",
        shape={},
        defaults={"lr": 1e-6},
        block=block,
        device=str(device),
        **more,
    )
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    began = wait(device)
    fit(ready, lanes, Plan(steps=2 * plan.report, report=plan.report, diverge_factor=1000.0))
    first = wait(device) - began
    began = wait(device)
    fitted = fit(ready, lanes, plan)
    seconds = wait(device) - began
    assert fitted is not None
    start = torch.stack(list(problem().initial(0).values()))
    exact = closed_form(lr, start, steps)
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return {
        "block": block,
        "lanes": n,
        "seconds": seconds,
        "rate": n / seconds,
        "multiply_adds": MULTIPLY_ADDS * POINTS * steps * n / seconds,
        "first": first,
        "memory_mib": memory / 2**20,
        "error": float(((fitted.loss - exact) / exact).abs().max()),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--blocks", default="256,1024,4096,16384,65536")
    parser.add_argument("--packs", type=int, default=2, help="lanes of each slot")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--program", choices=("eager", "compiled"), default="eager")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit("gpu: torch finds no CUDA here; --device cpu tries the script out")
    device = torch.device(given.device)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(1)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "one core of the CPU"
    one, peak = tutorial(device) * given.steps, multiply_add_rate(device)
    rows = [
        measure(device, int(block), given.packs, given.steps, given.program)
        for block in given.blocks.split(",")
    ]
    if given.json:
        print(json.dumps({"device": name, "tutorial": one, "peak": peak, "rows": rows}))
        return
    print(f"{name}, torch {torch.__version__}, {given.program}, {given.steps} updates a lane")
    print(f"the course's loop: {1 / one:.2f} fits/s; matrix product: {peak:.3g} multiply-adds/s\n")
    print("| block | lanes/s | share of multiply-adds | over the course's loop | MiB | error |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['block']:,} | {row['rate']:,.0f} | {row['multiply_adds'] / peak:.1%} "
            f"| {row['rate'] * one:,.0f} × | {row['memory_mib']:,.0f} | {row['error']:.1e} |"
        )


if __name__ == "__main__":
    main()
