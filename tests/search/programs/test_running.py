"""How packs are run: from the arguments, what a step does and the kind of device alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shoal.search.errors import BadInput
from shoal.search.programs.running import Running, choose
from shoal.trainable.programs.tracing import Work

COURSE = Work(operations=29, moved_bytes=96_552, widest_bytes=8000, fused=34_013)
"""A step of the default problem."""

UNFUSED = replace(COURSE, unfused="it is too large")
"""The same, if no kernel could say it."""

PIECES = replace(UNFUSED, fused=20_000, calls=("sort", "sort"), called_bytes=200)
"""The same, if kernels could say most of it."""


LARGE = Work(
    operations=52,
    moved_bytes=4_000_000,
    widest_bytes=500_000,
    unfused="a matrix product so large that BLAS is faster",
    alone_operations=23,
    alone_bytes=1_400_000,
    alone_products=100_000_000,
)
"""A step of a large net: 4 ms."""


def chosen(work: Work = COURSE, program: str = "auto", **given: Any) -> Running:
    """The choice for a search of 1,024 lanes, but for what is given."""
    usual = {
        "device": "cpu",
        "programs": 1,
        "lanes": 1024,
        "steps": 2000,
        "report": 100,
        "pack": 64,
    }
    return choose(program, None, [work], **{**usual, **given})


def test_small_searches_never_compile_and_large_ones_do() -> None:
    """By the work of one program: lanes, steps, what a step does, how many programs share it."""
    for work, least in ((COURSE, 64), (PIECES, 64)):
        assert chosen(work, lanes=least).program == "compiled"
        assert chosen(work, lanes=least // 16).program == "eager"
        assert chosen(work, lanes=least, steps=100).program == "eager"
        assert chosen(work, lanes=least, programs=16).program == "eager"
        assert chosen(work, lanes=least, programs=float("inf")).program == "eager"
    assert chosen(Work(operations=3, moved_bytes=24, widest_bytes=8)).program == "eager"
    assert chosen(UNFUSED, lanes=10**6).program == "eager"
    assert chosen(replace(PIECES, called_bytes=10**6), lanes=10**6).program == "eager"
    assert chosen(program="eager", lanes=10**6).program == "eager"
    assert chosen(program="compiled", lanes=1).program == "compiled"


def test_what_no_kernel_can_say_is_told_where_it_runs_eager() -> None:
    """Also in a small search; not where it was asked for, or where kernels do most of it."""
    told = ("it cannot be fused: it is too large; it runs uncompiled, which is slower",)
    assert chosen(UNFUSED, lanes=4).notes == told
    assert chosen(UNFUSED, lanes=4, program="eager").notes == ()
    assert chosen(COURSE, lanes=4).notes == ()
    assert chosen(UNFUSED, lanes=1024).notes == told
    assert chosen(PIECES, lanes=1024).notes == ()
    assert chosen(UNFUSED, lanes=4, device="cuda").notes == ()


def test_large_fits_run_one_after_the_other_and_packs_of_them_are_short() -> None:
    """So that there is work for many workers; by counts alone, and not where a pack is short."""
    for program in ("auto", "eager"):
        found = chosen(LARGE, program, lanes=10**4)
        assert (found.program, found.usual, found.block, found.unroll) == (
            "eager",
            "sequential",
            1,
            2,
        )
        assert found.lane_seconds == pytest.approx(2000 * 4.127e-3, rel=1e-3)
        assert found.pack == 1
    assert [chosen(LARGE, steps=steps).pack for steps in (1000, 100, 20, 10)] == [1, 9, 48, None]
    (note,) = chosen(LARGE).notes
    assert note.endswith("BLAS is faster; fits this large run one after the other, by torch")
    assert chosen(UNFUSED).pack is None


@pytest.mark.parametrize(("report", "unroll"), [(100, 100), (7, 7), (2000, 1050)])
def test_a_kernel_that_is_fed_ends_its_calls_where_it_is_told_to(report: int, unroll: int) -> None:
    """No number of updates has to divide another."""
    assert chosen(report=report, fed=True).unroll == unroll


@pytest.mark.parametrize(
    ("work", "steps", "report", "unroll"),
    [
        (COURSE, 2000, 100, 100),
        (COURSE, 2000, 2000, 1000),
        (COURSE, 2000, 7, 1),
        (replace(COURSE, fused=10**8), 2000, 100, 1),
        (PIECES, 2000, 100, 100),
        (PIECES, 2000, 7, 1),
        (PIECES, 96, 36, 12),
        (PIECES, 1, 1, 1),
    ],
)
def test_calls_of_a_compiled_program_end_at_reporting_steps(
    work: Work, steps: int, report: int, unroll: int
) -> None:
    """Also at the last, which may come sooner; and they are short enough to be paused between."""
    assert chosen(work, program="compiled", steps=steps, report=report).unroll == unroll
    assert chosen(work, program="eager", steps=steps, report=report).unroll == 1


def test_blocks_fit_caches_where_tensors_are_written_and_calls_where_they_are_not() -> None:
    """Powers of two, never above the pack; what torch writes between kernels counts too."""
    assert chosen(program="eager", pack=4096).block == 64  # 64 × 8,000 bytes: half a megabyte
    assert chosen(pack=4096).block == 128
    assert chosen(pack=48).block == chosen(UNFUSED, pack=48).block == 48
    assert chosen(PIECES, pack=4096).block == 64
    assert chosen(replace(PIECES, widest_bytes=80), pack=4096).block == 128
    product = replace(UNFUSED, widest_dense_bytes=1 << 20)
    assert chosen(product, "compiled", pack=4096, device="cuda").block == 256


def test_work_is_estimated_by_the_fits_that_run_together_and_the_block_is_not() -> None:
    """Of a search whose rounds are small yet, the block is that of a longer one."""
    light = Work(operations=30, moved_bytes=2400, widest_bytes=80, unfused="it is too large")
    few, many = (chosen(light, "eager", pack=4096, together=n) for n in (8, 4096))
    assert few.block == many.block == 1024
    assert few.lane_seconds > 10 * many.lane_seconds


def test_on_a_gpu_it_compiles_only_where_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """In large blocks, and without a C++ compiler of one's own."""
    monkeypatch.setenv("CXX", "no-such-c++")
    assert chosen(device="cuda", lanes=10**6).program == "eager"
    assert chosen(device="cuda", lanes=10**6).notes == ()
    assert chosen(device="cuda", pack=10**6).block == 32768
    compiled = chosen(program="compiled", device="cuda", pack=10**6)
    assert (compiled.program, compiled.block, compiled.unroll) == ("compiled", 32768, 10)


def test_without_a_compiler_it_is_told_once_and_asking_for_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A small search has no need to hear of it."""
    monkeypatch.setenv("CXX", "no-such-c++")
    assert chosen().program == "eager"
    assert "there is no C++ compiler" in chosen().notes[0]
    assert chosen(lanes=64).notes == ()
    with pytest.raises(BadInput, match=r"there is no C\+\+ compiler .*; install one"):
        chosen(program="compiled")
