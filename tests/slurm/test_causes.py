"""What the end of a log tells: causes, not frames. ``logs/`` has what Ray 2.60 has written."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from shoal.slurm.causes import MAX_CHARACTERS, told
from shoal.slurm.cluster.signals import Signals
from shoal.slurm.jobfolder import JobFolder

LOGS = Path(__file__).parent / "logs"


def log(name: str) -> str:
    """A log as it was written."""
    return (LOGS / f"{name}.log").read_text(encoding="utf-8")


def test_a_python_error_is_told_without_its_frames() -> None:
    """Twenty frames of click's and Ray's own, and one line that tells."""
    assert told(log("too-few-gpus")) == [
        "ValueError: Attempting to start raylet with 2 GPU, but CUDA_VISIBLE_DEVICES contains "
        "['0']."
    ]


def test_an_error_of_rays_c_plus_plus_is_told_with_its_check() -> None:
    """A port that another process has."""
    lines = told(log("port-in-use"), 4)
    assert len(lines) == 4
    assert lines[1] == "RuntimeError: Failed to start GCS.  Last 1 lines of error files:"
    assert (
        "Check failed: server_ Failed to start the grpc server. The specified port is" in lines[2]
    )
    assert all(len(line) <= MAX_CHARACTERS + 1 for line in lines)
    assert not any("File " in line or "^^^" in line for line in lines)


def test_a_signal_is_told_where_there_is_nothing_else_or_it_is_the_cause() -> None:
    """SIGTERM is how everything ends; a segmentation fault is an error."""
    assert told(log("sigterm")) == ["SIGTERM received"]
    assert told(log("sigsegv")) == ["SIGSEGV received", "Fatal Python error: Segmentation fault"]
    assert told(log("sigterm") + "shoal: n1: ended by signal 15\n") == [
        "shoal: n1: ended by signal 15"
    ]


def test_a_cause_that_much_was_said_after_is_told_first() -> None:
    """And what is said again and again is told once."""
    text = "ray.exceptions.RaySystemError: no room\n" + "".join(f"line {i}\n" for i in range(40))
    assert told(text, 3) == ["ray.exceptions.RaySystemError: no room", "line 38", "line 39"]
    assert told("the same\n" * 30) == ["the same"]
    assert told("") == []
    assert told("\n \n") == []


def test_the_end_of_a_nodes_log_is_read_from_a_job_folder(tmp_path: Path) -> None:
    """Indented; of a log of many megabytes the end alone; of none nothing."""
    folder = JobFolder.make(tmp_path / "slurm" / "1", 0)
    folder.log("n1").write_text("x" * (9 << 20) + "\n" + log("too-few-gpus"))
    tail = folder.tail("n1").splitlines()
    assert tail[-1].startswith("    ValueError: Attempting to start raylet with 2 GPU")
    assert sum(map(len, tail)) < 1000
    assert folder.tail("n2") == ""


@pytest.mark.parametrize(
    ("left", "preempted", "cause"),
    [
        (110.0, False, "time limit"),
        (590.0, False, "time limit"),
        (7200.0, False, "SIGUSR1"),
        (None, False, "SIGUSR1"),
        (7200.0, True, "preempted"),
    ],
)
def test_why_a_life_ends_that_was_to_save(left: float | None, preempted: bool, cause: str) -> None:
    """A SIGUSR1 is the time limit's near it alone; without one the command has seen the limit."""
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    try:
        signals = Signals()
        ends = None if left is None else time.time() + left
        assert signals.cause(ends, preempted) == ("preempted" if preempted else "time limit")
        signal.raise_signal(signal.SIGUSR1)
        assert signals.cause(ends, preempted) == cause
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
