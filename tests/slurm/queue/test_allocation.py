"""What ``scontrol show job -d`` says of an allocation."""

from __future__ import annotations

import pytest

from shoal.slurm.errors import SlurmError
from shoal.slurm.queue.allocation import Share, expand, parse

JOB = """\
JobId=17 ArrayJobId=15 ArrayTaskId=2 JobName=it's a = job
   UserId=alice(4001) GroupId=alice(4001) MCS_label=N/A
   Requeue=1 Restarts=3 BatchFlag=1 Reboot=0 ExitCode=0:0
   JobState=RUNNING Reason=None Dependency=(null)
   StartTime=2026-11-24T08:00:00 EndTime=2026-11-24T09:00:00 Deadline=N/A
   NodeList=n[1-3]
   NumNodes=3 NumCPUs=11 NumTasks=3 CPUs/Task=1
     Nodes=n1 CPU_IDs=0-3,6 Mem=3500 GRES=gpu:l40s:2(IDX:0-1)
     Nodes=n[2-3] CPU_IDs=0,2-3 Mem=0 GRES=shard:4(IDX:0),gpu:1(IDX:1)
   Command=/home/alice/my folder/NumNodes=9.sbatch
   WorkDir=/home/alice/my folder
"""


def test_uneven_shares_are_read_node_by_node() -> None:
    """CPUs by their numbers, GPUs of any type, memory in bytes, nodes in groups."""
    found = parse(JOB)
    assert found.shares == (
        Share(node="n1", cpus=5, gpus=2, memory_bytes=3500 << 20),
        Share(node="n2", cpus=3, gpus=1, memory_bytes=0),
        Share(node="n3", cpus=3, gpus=1, memory_bytes=0),
    )
    assert (found.job, found.state, found.user) == ("17", "RUNNING", "alice")
    assert found.fields["NumNodes"] == "3"
    assert found.fields["WorkDir"] == "/home/alice/my folder"


def test_moments_are_read_where_there_are_any() -> None:
    """The end of the limit, and whether the nodes are wanted by another job; also of no limit."""
    found = parse(JOB)
    assert found.ends is not None
    assert found.ends - found.started == 3600
    assert not found.preempted
    for told in ("PreemptTime=None", "PreemptTime=N/A"):
        assert not parse(f"{JOB}   {told}\n").preempted
    assert parse(f"{JOB}   PreemptEligibleTime=x PreemptTime=2026-11-24T08:30:00\n").preempted
    assert parse(JOB.replace("2026-11-24T09:00:00", "Unknown")).ends is None


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        ("n1", ["n1"]),
        ("n[1-2,07],login", ["n1", "n2", "n07", "login"]),
        ("b-cn[0098-0101]", ["b-cn0098", "b-cn0099", "b-cn0100", "b-cn0101"]),
        ("r[1-2]c[1-2]x,z", ["r1c1x", "r1c2x", "r2c1x", "r2c2x", "z"]),
    ],
)
def test_host_lists(nodes: str, names: list[str]) -> None:
    """Ranges, leading zeros, several brackets."""
    assert expand(nodes) == names


def test_no_job_is_an_error() -> None:
    """Text without a job is none."""
    with pytest.raises(SlurmError, match="nothing of a job"):
        parse("slurm_load_jobs error")
