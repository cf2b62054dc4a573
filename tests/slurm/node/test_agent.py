"""The node agent, without a Ray."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shoal.slurm import wire
from shoal.slurm.errors import ClusterError
from shoal.slurm.jobfolder import JobFolder
from shoal.slurm.node import agent
from shoal.slurm.queue import Share


def test_a_worker_whose_head_stays_out_of_reach_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a host that was cut off: SLURM reaches it no more, and it must not run for ever."""
    monkeypatch.setattr(agent, "own_address", lambda interface, towards: "127.0.0.1")
    monkeypatch.setattr(agent, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(agent, "GIVE_UP_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:  # nobody listens there afterwards
        head = f"127.0.0.1:{server.getsockname()[1]}"
    folder = JobFolder.make(tmp_path / "slurm" / "5", 0)
    folder.publish(wire.HEAD, {wire.ADDRESS_KEY: head, wire.NODE_KEY: "n1"})
    share = Share(node="n2", cpus=1, gpus=0, memory_bytes=1 << 30)
    role = agent.Role(head=False, share=share, expected=2, job="5", interface=None)
    stands_in = [sys.executable, "-c", "import time; time.sleep(600)"]
    started: list[subprocess.Popen[bytes]] = []

    class OfAStandIn(agent.Agent):
        def _start(self, command: object) -> subprocess.Popen[bytes]:
            started.append(super()._start(stands_in))
            return started[-1]

    try:
        with pytest.raises(ClusterError, match=f"the head at {head} has been out of reach"):
            OfAStandIn(role, folder)._worker(tmp_path)
        assert started[0].poll() is None
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_agent_also_where_what_it_raises_is_lost(number: signal.Signals) -> None:
    """As in a callback of an import: it would run on until SLURM kills it, and leave its folder."""
    text = f"""
import os, time
from shoal.slurm.node.processes import Leave

class Lost:
    def __del__(self):
        os.kill(os.getpid(), {int(number)})
        time.sleep(0.2)

leave = Leave(lambda number: print("told", number))
try:
    Lost()
    print("it runs on", flush=True)
    time.sleep(60)
finally:
    leave.no_more()
    os.kill(os.getpid(), {int(number)})
    time.sleep(1.0)  # longer than until the next time
    print("tidied up", flush=True)
"""
    process = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=240
    )
    assert process.returncode == 128 + number, process.stderr
    assert process.stdout.splitlines() == [f"told {int(number)}", "it runs on", "tidied up"]
