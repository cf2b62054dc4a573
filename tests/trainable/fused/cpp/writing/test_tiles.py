"""Kernels that take several rows of the data, and several results, at a time."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest
import torch

from shoal.trainable.fused import LANES, lower
from shoal.trainable.fused.cpp.compiled import FLAGS
from shoal.trainable.fused.cpp.kernel import KernelRun
from shoal.trainable.fused.cpp.writing.emission import source
from shoal.trainable.fused.cpp.writing.tiles import Shape, shape_of
from shoal.trainable.fused.loops import Loops
from shoal.trainable.programs.tracing import traced

ONE_BY_ONE = Shape(registers=1)
TILED = Shape(registers=1, tiled=True)


def net(
    w: torch.Tensor, v: torch.Tensor, x: torch.Tensor, t: torch.Tensor, m: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """An update of a net 5-7-3 with whatever a tile may meet; lanes in front, then rows.

    Args:
        w: (B, 7, 5); v: (B, 3, 7); x: (n, 5); t: (n, 3), one-hot; m: (n,), bool.
    """
    a = torch.tanh(x @ w.transpose(1, 2))  # (B, n, 7)
    z = a @ v.transpose(1, 2)  # (B, n, 3)
    z = z - z.amax(2, keepdim=True)
    p = z.exp() / z.exp().sum(2, keepdim=True)
    g = torch.where(m[:, None], p - t, 0.5 * z)
    loss = -((z - z.exp().sum(2, keepdim=True).log()) * t).sum((1, 2))
    back = (g @ v) * (1 - a * a)
    joined = torch.cat([z, back], 2)  # (B, n, 10)
    return (
        loss,
        joined.mean(1),
        back.amax(1),
        (g * a[..., :3]).sum(1),
        (a > 0.2).to(a.dtype).sum((1, 2)),
        w - 0.01 * (back.transpose(1, 2) @ x),
        v - 0.01 * (g.transpose(1, 2) @ a),
    )


def loops_of(rows: int, dtype: torch.dtype) -> tuple[Loops, list[torch.Tensor]]:
    """The loops of `net`, and what they take of 37 fits."""
    generator = torch.Generator().manual_seed(rows)
    x = torch.randn(rows, 5, generator=generator, dtype=dtype)
    t = torch.nn.functional.one_hot(torch.arange(rows) % 3, 3).to(dtype)
    data = [x, t, torch.arange(rows) % 4 != 1]
    given = [
        torch.randn(37, *shape, generator=generator, dtype=dtype) for shape in ((7, 5), (3, 7))
    ]
    graph = traced(net, [*(tensor[:LANES].clone() for tensor in given), *data])
    return lower(graph, 2, data), given


def built(loops: Loops, shape: Shape, folder: Path) -> KernelRun:
    """The kernel of one shape, for three updates."""
    text, made = folder / "kernel.cpp", folder / f"{shape.registers}{shape.tiled}.so"
    text.write_text(source(loops, 2, shape), encoding="utf-8")
    subprocess.run(["g++", *FLAGS, "-o", str(made), str(text), "-lm"], check=True)
    return KernelRun(ctypes.CDLL(str(made)).run, loops, 3)


@pytest.mark.parametrize(("rows", "dtype"), [(61, torch.float32), (4171, torch.float64)])
def test_a_tile_changes_no_bit(rows: int, dtype: torch.dtype, tmp_path: Path) -> None:
    """Rows that are no whole tiles, and results that are no whole blocks."""
    loops, given = loops_of(rows, dtype)
    assert [axis.size for axis in loops.long] == [rows]
    plain = built(loops, ONE_BY_ONE, tmp_path)(given)
    tiled = built(loops, TILED, tmp_path)(given)
    assert [torch.equal(one, other) for one, other in zip(tiled, plain, strict=True)] == [True] * 7


def test_a_net_is_tiled_and_a_line_is_not() -> None:
    """Few numbers are in registers whatever the rows."""
    loops, _ = loops_of(61, torch.float32)
    assert shape_of(loops) == TILED
    x = torch.randn(50)
    line = traced(
        lambda a, b, x: ((a[:, None] + b[:, None] * x).square().sum(1),),
        [torch.zeros(LANES), torch.zeros(LANES), x],
    )
    assert shape_of(lower(line, 2, [x])) == Shape(registers=4)


def test_what_is_too_much_for_the_stack_by_tiles_is_taken_row_by_row() -> None:
    """Five thousand numbers of each row."""
    x = torch.randn(40, 5000)
    wide = traced(
        lambda w, x: (((w[:, None] * x).exp() * x).sum(1),), [torch.zeros(LANES, 5000), x]
    )
    assert not shape_of(lower(wide, 1, [x])).tiled
