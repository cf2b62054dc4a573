"""Addresses and ports of nodes: IPv6, and a range that a firewall leaves open."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shoal.slurm.errors import BadInput, ClusterError
from shoal.slurm.jobfolder import JobFolder
from shoal.slurm.node import addresses
from shoal.slurm.node.ports import OWN, as_text, claimed, for_node, needed, parse_range

RANGE = range(28100, 28200)


def test_addresses_with_ports_are_read_and_written() -> None:
    """IPv6 in brackets, as Ray has it."""
    for host, port, text in (
        ("10.0.0.1", 6379, "10.0.0.1:6379"),
        ("n1.cluster", 1, "n1.cluster:1"),
        ("fd00::2", 65535, "[fd00::2]:65535"),
    ):
        assert addresses.join(host, port) == text
        assert addresses.split(text) == (host, port)
    assert addresses.split("[10.0.0.1]:80") == ("10.0.0.1", 80)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("::1:6379", r"brackets\), as in \[fd00::2\]:6379"),
        ("fd00::2", "brackets"),
        ("n1", "is not HOST:PORT"),
        (":6379", "is not HOST:PORT"),
        ("n1:", "is not HOST:PORT"),
        ("n1:six", "is not HOST:PORT"),
        ("n1:²", "is not HOST:PORT"),
        ("n1:0", "is not HOST:PORT"),
        ("n1:65536", "is not HOST:PORT"),
    ],
)
def test_what_is_no_address_is_told(text: str, message: str) -> None:
    """An IPv6 address without brackets could end in a port, or not."""
    with pytest.raises(ValueError, match=message):
        addresses.split(text)
    assert not addresses.answers(text)


def test_a_listener_answers_by_either_protocol() -> None:
    """Also in brackets."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as door:
                door.bind((host, 0))
                door.listen()
                address = addresses.join(host, door.getsockname()[1])
                assert addresses.answers(address)
        except OSError:
            if family == socket.AF_INET:
                raise
            continue
        assert not addresses.answers(address)


def test_the_own_address_is_of_the_network_towards_another() -> None:
    """Never the loopback; a name that resolves to nothing has no way."""
    try:
        own = addresses.own_address(None, towards="[2001:db8::1]:9")
    except ClusterError:
        pytest.skip("this machine has no IPv6 but its loopback")
    assert ":" in own
    assert not own.startswith(("fe80", "::1"))
    for towards in ("127.0.0.1:9", "[::1]:9"):
        with pytest.raises(ClusterError, match="no address but its own loopback"):
            addresses.own_address(None, towards=towards)


def test_an_interface_is_known_by_its_name() -> None:
    """One that is not there is told with those that are."""
    assert addresses.own_address("lo") == "127.0.0.1"
    with pytest.raises(ClusterError, match=r"no address on interface ib77; known: .*lo"):
        addresses.own_address("ib77")


@pytest.mark.parametrize("text", ["x", "20000", "20000-", "100-200", "3000-2000", "20000-70000"])
def test_what_is_no_range_of_ports_is_told(text: str) -> None:
    """With how one is written."""
    with pytest.raises(BadInput, match="write LOW-HIGH, as in SHOAL_PORTS=20000-20999"):
        parse_range(text)


def test_ranges_of_ports_are_read_and_written() -> None:
    """Spaces do no harm; none is none."""
    assert parse_range(" 20000-20999 ") == range(20000, 21000)
    assert parse_range("20000:20000") == range(20000, 20001)
    assert parse_range("") is None
    assert as_text(range(20000, 21000)) == "20000-20999"
    assert as_text(None) == ""


def test_two_jobs_on_one_node_take_different_ports() -> None:
    """Whoever listens or has claimed is passed over; what a killed job had is free again."""
    few = RANGE[:12]
    other = (
        "import sys, time\nfrom shoal.slurm.node.ports import claimed\n"
        f"with claimed(range({few[0]}, {few[4]}), 4, 4) as mine:\n"
        "    print(*mine, flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", other], stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        theirs = [int(word) for word in job.stdout.readline().split()]
        assert theirs == list(few[:4])
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", few[5]))
            listener.listen()
            with claimed(few, 1, 3) as mine, claimed(few, 1, 3) as more:
                assert mine == [few[4], few[6], few[7]]
                assert more == list(few[8:11])
            with (
                pytest.raises(
                    ClusterError,
                    match=f"{few[0]}-{few[11]} has 7 free ports on .*, and 8 are needed",
                ),
                claimed(few, 8, 8),
            ):
                pass
        job.send_signal(signal.SIGKILL)
    with claimed(few, 12, 12) as mine:
        assert mine == list(few)


def test_every_process_of_ray_gets_a_port_of_the_range() -> None:
    """The head one more; without a range the system chooses."""
    with for_node(RANGE, 3, head=True) as flags:
        assert flags[0] == f"--port={RANGE[0]}"
        assert [flag.partition("=")[0] for flag in flags[1:-1]] == [f"--{n}-port" for n in OWN]
        ports = [int(port) for port in re.findall(r"\d+", " ".join(flags))]
        assert len(set(ports)) == len(ports) == needed(3, head=True) + 3
        with for_node(RANGE, 3, head=False) as others:
            assert not {int(port) for port in re.findall(r"\d+", " ".join(others))} & set(ports)
    with for_node(None, 3, head=False) as flags:
        anywhere = ("min-worker", "max-worker", "dashboard-agent-listen")
        assert flags == [f"--{name}-port=0" for name in anywhere]


def listening(session: int) -> set[int]:
    """The TCP ports at which processes of a session listen, by the kernel's tables."""
    ports: dict[str, int] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                ports[f"socket:[{words[9]}]"] = int(words[1].rpartition(":")[2], 16)
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(process.name)) == session:
                files = {os.readlink(file) for file in (process / "fd").iterdir()}
                found |= {ports[file] for file in files & ports.keys()}
        except OSError:
            continue
    return found


def test_two_heads_on_one_node_listen_inside_the_range_alone(tmp_path: Path) -> None:
    """Real agents with real Rays, at the same time."""
    agents = []
    for job in ("71", "72"):
        folder = JobFolder.make(tmp_path / "slurm" / job, 0)
        folder.log("n1").touch()
        command = [
            sys.executable,
            "-P",
            "-m",
            "shoal.slurm",
            "agent",
            "--role=head",
            "--node=n1",
            "--life=0",
            f"--folder={folder.path}",
            f"--job={job}",
            "--cpus=1",
            "--gpus=0",
            "--memory=0",
            "--expected=1",
            f"--ports={as_text(RANGE)}",
        ]
        environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "PATH": "/usr/bin:/bin",
            "RAY_AUTH_TOKEN_PATH": str(folder.token),
        }
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        agents.append((process, folder))
    try:
        seen = []
        for process, folder in agents:
            deadline = time.monotonic() + 180
            while folder.read("cluster") is None:
                assert process.poll() is None, folder.log("n1").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
            seen.append(listening(process.pid))
        for ports, (_, folder) in zip(seen, agents, strict=True):
            assert len(ports) >= 3
            assert ports <= set(RANGE)
            head = folder.read("head")
            assert head is not None
            assert addresses.split(head["address"])[1] in ports
        assert not seen[0] & seen[1]
    finally:
        for process, _ in agents:
            process.terminate()
        for process, _ in agents:
            process.wait(60)
