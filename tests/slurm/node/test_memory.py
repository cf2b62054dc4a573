"""How often the memory limit has killed, read from cgroups of either version."""

from __future__ import annotations

from pathlib import Path

from shoal.slurm.node.memory import MemoryKills, warning

STEP = "slurm_n1/uid_0/job_7/step_0"


def test_version_1_counts_where_the_process_was(tmp_path: Path) -> None:
    """In the task's own folder; the limit is the least of those above it."""
    task = tmp_path / "memory" / STEP / "task_0"
    task.mkdir(parents=True)
    none = 9223372036854771712
    for folder, limit in ((task, none), (task.parent, 1500 << 20), (task.parent.parent, 2 << 30)):
        (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
        (folder / "memory.oom_control").write_text("under_oom 0\noom_kill 1\n")
    own = tmp_path / "own"
    own.write_text(f"9:name=systemd:/\n4:cpu,memory:/{STEP}/task_0\n0::/\n")
    kills = MemoryKills(own, tmp_path)
    assert (kills.new(), kills.limit_bytes) == (0, 1500 << 20)
    (task / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert [kills.new(), kills.new()] == [2, 0]


def test_version_2_counts_in_all_above(tmp_path: Path) -> None:
    """The nearest that counts is read; a task's own folder may have no memory controller."""
    step = tmp_path / "system.slice/job_7/step_0/user"
    (step / "task_0").mkdir(parents=True)
    (step / "memory.events").write_text("oom 0\noom_kill 0\n")
    (step / "memory.max").write_text("max\n")
    (step.parent / "memory.events").write_text("oom 9\noom_kill 9\n")
    (step.parent / "memory.max").write_text(f"{64 << 20}\n")
    own = tmp_path / "own"
    own.write_text("0::/system.slice/job_7/step_0/user/task_0\n")
    kills = MemoryKills(own, tmp_path)
    (step / "memory.events").write_text("oom 1\noom_kill 1\n")
    assert kills.new() == 1
    assert warning(kills.limit_bytes) == (
        "the job's memory limit (64 MiB) killed a process; ask for more with --mem"
    )


def test_without_cgroups_nothing_is_said(tmp_path: Path) -> None:
    """No table, an empty one, and one of folders that are not there."""
    own = tmp_path / "own"
    for text in (None, "", "0::/nowhere\n", "4:memory:/nowhere\n"):
        if text is not None:
            own.write_text(text)
        kills = MemoryKills(own, tmp_path)
        assert (kills.new(), kills.limit_bytes) == (0, None)
    assert "limit killed a process" in warning(None)
