"""One requeue a life, however many agents notice that the batch host is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shoal.search.engines.ray_tune.tuning import idle_seconds
from shoal.slurm.errors import ClusterError
from shoal.slurm.jobfolder import JobFolder
from shoal.slurm.queue import requeue
from shoal.slurm.queue.requeue import end_job, go_on, put_back
from shoal.slurm.queue.turn import Turn, pause_seconds

Stand = Callable[..., Path]

SCONTROL = """
case "$1 $2" in
"requeue "*)
    if mkdir "$STATE/requeued" 2>/dev/null; then exit 0; fi
    echo "scontrol: error: Job is pending execution" >&2; exit 1;;
*)
    if test -d "$STATE/requeued"; then echo "JobId=7 JobState=PENDING Restarts=$((LIFE + 1))"
    else echo "JobId=7 JobState=RUNNING BatchFlag=${BATCH:-1} Restarts=$LIFE"; fi;;
esac
"""
"""A controller that puts a job back once, and refuses what is pending."""


def life(tmp_path: Path, number: int) -> JobFolder:
    """The folder of a job, as a life of it begins."""
    folder = JobFolder.make(tmp_path / "runs" / "slurm" / "7", number)
    folder.leave()
    return folder


def ask_at_once(count: int, ask: Callable[[], object]) -> list[int]:
    """Fork so many processes that ask in the same moment; return their exit codes."""
    start, go = os.pipe()
    children = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            code = 9
            try:
                os.close(go)
                os.read(start, 1)
                ask()
                code = 0
            except ClusterError:
                code = 1
            finally:
                os._exit(code)
        children.append(pid)
    os.close(start)
    os.close(go)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]


@pytest.mark.parametrize("agents", [3, 7, 15, pytest.param(99, marks=pytest.mark.long)])
def test_all_agents_of_a_large_job_put_it_back_once_and_cancel_nothing(
    agents: int, tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each life all agents ask: one requeue, until five in a row are enough; then the job is
    ended, once. Everyone else goes without an error."""
    scontrol, scancel = stand_in("scontrol", SCONTROL), stand_in("scancel", "")
    for number in (0, 5):
        if number:
            (tmp_path / "runs/slurm/7/requeues").write_text(f"{requeue.MAX_REQUEUES} 4\n")
        state = tmp_path / f"state-{number}"
        state.mkdir()
        monkeypatch.setenv("STATE", str(state))
        monkeypatch.setenv("LIFE", str(number))
        scontrol.write_text("")
        folder = life(tmp_path, number)
        codes = ask_at_once(
            agents,
            lambda at=folder: put_back(  # type: ignore[misc]  # a lambda
                "7", at, "the batch host is lost", nodes=1, otherwise=lambda: end_job("7")
            ),
        )
        asked = [line for line in scontrol.read_text().splitlines() if line.startswith("requeue")]
        enough = number == 5
        assert len(asked) == (0 if enough else 1)
        assert sorted(codes) == [0] * (agents - enough) + [1] * enough
        assert scancel.read_text() == ("7\n" if enough else "")


def test_who_dies_in_its_turn_loses_it_after_a_while(tmp_path: Path) -> None:
    """Another takes over, one alone; once it is done nobody gets it any more in this life."""
    folder = life(tmp_path, 0)
    first, second, third = (Turn(folder, "x", 60.0, 3) for _ in range(3))
    assert first.take()
    assert not second.take()
    past = time.time() - 61
    os.utime(folder.path / "turn-x-0-1", (past, past))
    assert second.take()
    assert not third.take()
    second.finish()
    assert not third.wait()
    os.utime(folder.path / "turn-x-0-2", (past, past))
    assert not first.take()
    assert Turn(folder, "another", 60.0, 3).take()
    later = life(tmp_path, 1)
    assert not Turn(folder, "yet another", 60.0, 3).take()
    assert Turn(later, "x", 60.0, 3).take()


def test_of_two_that_see_a_free_turn_one_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other takes it between the first one's look and its own file."""
    folder, listdir = life(tmp_path, 0), os.listdir
    first, second = (Turn(folder, "x", 60.0, 2) for _ in range(2))
    taken: list[bool] = []

    def listed(path: Path) -> list[str]:
        names = listdir(path)
        monkeypatch.setattr(os, "listdir", listdir)
        taken.append(second.take())
        return names

    monkeypatch.setattr(os, "listdir", listed)
    assert not first.take()
    assert taken == [True]


def test_a_late_word_does_not_put_the_next_life_back(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that was frozen asks again when the next life runs already, on a disk that has not
    said so: SLURM's own count of restarts is looked at first."""
    scontrol = stand_in("scontrol", SCONTROL)
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LIFE", "1")
    assert "is back in the queue" in put_back("7", life(tmp_path, 0), "the batch host is lost")
    assert "requeue" not in scontrol.read_text()


def test_an_allocation_of_a_shell_is_neither_put_back_nor_cancelled(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever typed salloc keeps it, with what else runs there."""
    scontrol, scancel = stand_in("scontrol", SCONTROL), stand_in("scancel", "")
    for name, value in (("STATE", str(tmp_path / "none")), ("LIFE", "0"), ("BATCH", "0")):
        monkeypatch.setenv(name, value)
    folder = life(tmp_path, 0)
    with pytest.raises(ClusterError, match=r"lost; job 7 is a shell's .*type the command again"):
        put_back("7", folder, "the head is lost", otherwise=lambda: end_job("7"))
    with pytest.raises(ClusterError, match="type the command again"):
        go_on("7", life(tmp_path, 0), "time limit: saved", gained=True)
    assert "requeue" not in scontrol.read_text()
    assert scancel.read_text() == ""


def test_a_refusal_is_told_with_what_to_type(tmp_path: Path, stand_in: Stand) -> None:
    """In SLURM's own words; and it is told to the folder, and the job is ended once."""
    stand_in(
        "scontrol",
        'test "$1" = show || { echo "requeue is disabled" >&2; exit 1; }\n'
        "echo JobId=7 JobState=RUNNING",
    )
    ended: list[str] = []
    with pytest.raises(ClusterError, match=r"does not requeue it .*disabled.*; submit it again"):
        put_back("7", life(tmp_path, 0), "lost", otherwise=lambda: ended.append("7"))
    assert ended == ["7"]


def test_waiting_nodes_look_ten_times_a_second_together_at_the_most() -> None:
    """However many there are; few of them look often enough each. An idle worker, which looks at
    the driver's memory, sleeps a second at the most."""
    for nodes in (1, 3, 20, 100, 1000):
        pauses = [pause_seconds(nodes, 0.2) for _ in range(200)]
        assert nodes / min(pauses) <= max(10.0, nodes / 0.2 if nodes == 1 else 10.0)
        assert min(pauses) >= 0.2
    assert [idle_seconds(workers) for workers in (0, 1, 4, 50, 5000)] == [0.02, 0.02, 0.08, 1, 1]
    assert len({pause_seconds(100, 0.2) for _ in range(9)}) == 9
