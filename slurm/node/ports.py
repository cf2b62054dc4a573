"""The ports of Ray on one node, out of a range that a firewall leaves open.

    SHOAL_PORTS=20000-20999     in the site file

Without a range every process of Ray listens where the system lets it. With one each gets a port of
its own from it. Two jobs on a node must not take the same: what one has chosen, Ray opens seconds
later. So a port is claimed by an abstract socket of its name, which the kernel keeps for each
network, for all users, and takes back when its owner ends, whatever way.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from shoal.slurm import wire
from shoal.slurm.errors import BadInput, ClusterError
from shoal.slurm.node.addresses import join

OWN = (
    "node-manager",
    "object-manager",
    "runtime-env-agent",
    "metrics-export",
    "dashboard-agent-listen",
    "dashboard-agent-grpc",
)
"""Processes of Ray on every node; the last three are there with ``ray[default]`` alone."""

SPARE = 2
"""Spare ports: for drivers, and for workers that start before others have exited."""


def parse_range(text: str) -> range | None:
    """Return the ports of ``LOW-HIGH``, or None: no range is given.

    Raises:
        BadInput: it is no range.
    """
    if not text.strip():
        return None
    found = re.fullmatch(r"\s*(\d{1,5})\s*[-:]\s*(\d{1,5})\s*", text, re.ASCII)
    if found is not None:
        low, high = int(found[1]), int(found[2])
        if 1024 <= low <= high <= 65535:
            return range(low, high + 1)
    raise BadInput(
        f"{wire.PORTS_VARIABLE}={text} is no range of ports from 1024 to 65535; write LOW-HIGH, "
        f"as in {wire.PORTS_VARIABLE}=20000-20999"
    )


def as_text(ports: range | None) -> str:
    """Return the text of a range, as `parse_range` reads it."""
    return "" if ports is None else f"{ports[0]}-{ports[-1]}"


def needed(slots: int, *, head: bool) -> int:
    """Return the minimum number of ports that a node needs.

    Args:
        slots: workers that run at once.
    """
    return int(head) + len(OWN) + slots + SPARE


@contextmanager
def claimed(ports: range, min_count: int, max_count: int) -> Iterator[list[int]]:
    """Claim free ports of a range, released at the end of the context or of the process.

    Raises:
        ClusterError: fewer than `min_count` are free.
    """
    with ExitStack() as kept:
        mine: list[int] = []
        for port in ports:
            if len(mine) == max_count:
                break
            try:
                claim = kept.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            except OSError:  # as many files are open as may be
                break
            try:
                claim.bind(f"\0shoal-port-{port}")
            except OSError:  # another job's
                claim.close()
                continue
            if _is_free(port):
                mine.append(port)
            else:
                claim.close()
        if len(mine) < min_count:
            raise ClusterError(
                f"{wire.PORTS_VARIABLE}={as_text(ports)} has {len(mine)} free ports on "
                f"{socket.gethostname()}, and {min_count} are needed: give a wider range in the "
                "site file, or ask for fewer CPUs"
            )
        yield mine


@contextmanager
def for_node(ports: range | None, slots: int, *, head: bool) -> Iterator[list[str]]:
    """Claim this node's ports and yield the options of ``ray start`` for them.

    Args:
        ports: the range, or None: the system chooses.
        slots: workers that run at once.

    Raises:
        ClusterError: the range has too few that are free.
    """
    if ports is None:
        first = ["--port=0"] if head else []
        anywhere = ("min-worker", "max-worker", "dashboard-agent-listen")
        yield [*first, *(f"--{name}-port=0" for name in anywhere)]
        return
    least = needed(slots, head=head)
    with claimed(ports, least, least + slots) as mine:
        yield flags(mine, head=head)


def flags(mine: Sequence[int], *, head: bool) -> list[str]:
    """Return the options of ``ray start`` that give each process its port."""
    left = list(mine)
    options = [f"--port={left.pop(0)}"] if head else []
    options += [f"--{name}-port={left.pop(0)}" for name in OWN]
    return [*options, f"--worker-port-list={','.join(map(str, left))}"]


@contextmanager
def door(host: str, ports: range | None) -> Iterator[str]:
    """Listen at a free port of this node, of the range if there is one; yield HOST:PORT.

    Raises:
        ClusterError: none of the range is free.
        OSError: the address is not this node's.
    """
    with ExitStack() as kept:
        port = 0 if ports is None else kept.enter_context(claimed(ports, 1, 1))[0]
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=128)
        kept.enter_context(listener)
        yield join(host, listener.getsockname()[1])


def _is_free(port: int) -> bool:
    """Whether the port can be bound at every address of this node."""
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((host, port))
        except OSError:
            if family == socket.AF_INET or _has_ipv6():
                return False
    return True


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True
