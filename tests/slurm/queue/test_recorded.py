"""What SLURM from 22.05 to 25.11 prints, read: jobs, resources, states.

``recorded/`` has the texts, each with where it comes from in its first lines.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal.slurm.queue import gres
from shoal.slurm.queue.allocation import Allocation, Share, parse
from shoal.slurm.queue.states import Phase, is_held, is_over, node_works, phase
from shoal.slurm.queue.steps import on_node

RECORDED = Path(__file__).parent / "recorded"
GIB = 1 << 30


def job(name: str) -> Allocation:
    """A recorded job, read."""
    lines = (RECORDED / f"{name}.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    return parse("".join(line for line in lines if not line.startswith("#")))


def test_a_job_that_uses_one_thread_of_each_core_has_the_cpus_that_slurm_counts() -> None:
    """CPU_IDs has both threads of a core; a step that asked for 16 would be refused."""
    assert job("22.05-one-thread-a-core").shares == (
        Share(node="inti6015", cpus=8, gpus=0, memory_bytes=15000 << 20),
    )


def test_a_gpu_with_a_long_name() -> None:
    """The fields of 25.05 around it; standard output and errors in one file."""
    found = job("25.05-gpu")
    assert found.shares == (Share(node="server2", cpus=8, gpus=1, memory_bytes=10 * GIB),)
    assert found.ends is not None
    assert found.ends - found.started == 1800
    assert (
        found.fields["StdOut"] == found.fields["StdErr"] == "/data/jobs/GPU-job/job_output_13.txt"
    )


def test_shares_of_gpus_are_gpus_and_a_step_asks_for_the_shares() -> None:
    """Each node counts the GPUs of which the job has a part; srun is asked for shards."""
    found = job("25.05-shard")
    assert found.shares == (
        Share(node="n1", cpus=4, gpus=1, memory_bytes=10 * GIB, gres="shard:a100:4"),
        Share(node="n2", cpus=4, gpus=2, memory_bytes=10 * GIB, gres="shard:a100:4"),
    )
    for share in found.shares:
        options, guard = on_node(share, found.shares)
        assert "--gres=shard:a100:4" in options
        assert not any(option.startswith("--gpus") for option in options)
        assert not guard


def test_what_a_user_calls_a_job_or_says_of_it_is_no_field() -> None:
    """A name, a comment and other free text may look like fields; folders may hold spaces."""
    found = job("25.05-shard")
    assert (found.job, found.state, found.user) == ("88", "RUNNING", "alice")
    assert found.fields["NumNodes"] == "2"
    assert found.fields["Command"] == "/home/alice/search.sbatch run --out runs/a b"
    assert found.fields["JobName"] == "a JobState=FAILED job"
    assert found.fields["ArrayTaskThrottle"] == "4"
    assert not found.preempted


def test_no_limit_and_no_moment_are_none() -> None:
    """UNLIMITED, Unknown; a moment that has passed is one."""
    over = job("25.05-unlimited")
    assert (over.state, over.fields["TimeLimit"], over.shares) == ("CANCELLED", "UNLIMITED", ())
    assert over.ends is not None
    held = job("25.11-held")
    assert (held.state, held.ends, held.fields["Reason"]) == ("PENDING", None, "JobHeldUser")


def test_of_several_jobs_the_first_is_read() -> None:
    """The tasks of an array are told one after the other."""
    held = job("25.11-held")
    assert (held.job, held.user, held.shares) == ("248197", "alice", ())
    assert held.fields["StdErr"] == ""


@pytest.mark.parametrize("moment", ["NONE", "None", "N/A", "Unknown", "(null)", ""])
def test_what_is_no_moment_is_none(moment: str) -> None:
    """As the versions write it."""
    assert parse(f"JobId=1 JobName=x\n   StartTime=Unknown EndTime={moment}\n").ends is None


def test_a_list_of_cpus_that_scontrol_cuts_off_is_filled_up() -> None:
    """Its buffer is 128 bytes: the last number may be half of one."""
    ids = ",".join(str(number) for number in range(0, 400, 2))[:127]
    text = (
        "JobId=1 JobName=x\n   NumNodes=2 NumCPUs=204\n"
        f"     Nodes=n1 CPU_IDs={ids} Mem=0 GRES=\n"
        "     Nodes=n2 CPU_IDs=0-3 Mem=0 GRES=\n"
    )
    assert [share.cpus for share in parse(text).shares] == [200, 4]


@pytest.mark.parametrize(
    ("text", "gpus", "asked"),
    [
        ("", 0, ""),
        ("(null)", 0, ""),
        ("gpu:2(IDX:0-1)", 2, ""),
        ("gpu:2080ti:1(IDX:3)", 1, ""),
        ("gpu:a100_3g.20gb:2(IDX:1-2),gpu:a100:1(IDX:0)", 3, ""),
        ("gpu(IDX:0,2-3)", 3, ""),
        ("gpu(CNT:2)", 2, ""),
        ("gpu:tesla(CNT:2)", 2, ""),
        ("gpu:l40s", 1, ""),
        ("gpu:0", 0, ""),
        ("tmp:844", 0, ""),
        ("gpu:1(IDX:1),tmp:100", 1, ""),
        ("shard:4(IDX:0)", 1, "shard:4"),
        ("shard:4(4/8,0/8)", 1, "shard:4"),
        ("shard:l40s:5000(2500/24000,2500/24000)", 2, "shard:l40s:5000"),
        ("shard:2", 1, "shard:2"),
        ("mps:50(0/100,50/100)", 1, "mps:50"),
        ("gpu:1(IDX:1),shard:4(4/8,0/8)", 1, ""),
    ],
)
def test_resources_of_a_node(text: str, gpus: int, asked: str) -> None:
    """Counted, with brackets of every version; parts of GPUs as srun asks for them."""
    assert (gres.gpus(text), gres.shares(text)) == (gpus, asked)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("PENDING REQUEUED REQUEUE_HOLD SPECIAL_EXIT RESV_DEL_HOLD CONFIGURING", Phase.WAITING),
        ("RUNNING SUSPENDED STOPPED COMPLETING RESIZING SIGNALING STAGE_OUT", Phase.LIVING),
        (
            "COMPLETED FAILED CANCELLED TIMEOUT NODE_FAIL OUT_OF_MEMORY PREEMPTED BOOT_FAIL "
            "DEADLINE REVOKED GONE",
            Phase.OVER,
        ),
        ("UNKNOWN ?", Phase.UNKNOWN),
    ],
)
def test_states_of_jobs(states: str, expected: Phase) -> None:
    """A job whose state hides behind a flag is not over; a word of a later version neither."""
    for state in states.split():
        assert phase(state) is expected
        assert is_over(state) == (expected is Phase.OVER)
    assert is_over("CANCELLED by 1000")
    assert is_held("REQUEUE_HOLD")
    assert not is_held("PENDING")


def test_states_of_nodes() -> None:
    """Nodes that are powered down serve; those that do not answer, drain or fail do not."""
    for state in ("idle", "mixed", "allocated+", "idle~", "idle#", "mixed-", "planned", "idle$"):
        assert node_works(state)
    for state in (
        "down*",
        "idle*",
        "drained",
        "draining@",
        "fail",
        "failing*",
        "inval",
        "unk*",
        "powered_down",
        "future",
        "boot^",
    ):
        assert not node_works(state)
