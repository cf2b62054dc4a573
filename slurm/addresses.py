"""The addresses of nodes: one's own, and whether another answers."""

from __future__ import annotations

import socket

from slurm import commands
from slurm.errors import ClusterError, SlurmError


def own_address(interface: str | None, towards: str | None = None) -> str:
    """Return the address of this node that others reach it by.

    The kernel's route decides, never the name of the host, which may resolve to 127.0.1.1.

    Args:
        interface: the network interface to use, such as ``ib0``; None: the route's.
        towards: HOST:PORT that must reach it; None: SLURM's controller, else anywhere.

    Raises:
        ClusterError: there is none.
    """
    if interface is not None:
        return _interface_address(interface)
    target = towards or _controller() or "192.0.2.1:9"
    host, _, port = target.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, int(port)))  # UDP: nothing is sent
            found = str(probe.getsockname()[0])
        except OSError:
            found = ""
    if not found or found.startswith("127."):
        raise ClusterError("this node has no address but its own loopback; name an interface")
    return found


def _interface_address(name: str) -> str:
    """Return the address of a network interface, such as ``ib0``.

    Raises:
        ClusterError: there is none of this name, or it has no address.
    """
    import fcntl
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            packed = fcntl.ioctl(probe, 0x8915, struct.pack("256s", name.encode()[:15]))
        except OSError as error:
            known = ", ".join(name for _, name in socket.if_nameindex())
            raise ClusterError(f"no address on interface {name}; known: {known}") from error
    return socket.inet_ntoa(packed[20:24])


def _controller() -> str | None:
    """SLURM's controller as HOST:PORT."""
    try:
        told = commands.ask("scontrol", "show", "config")
    except SlurmError:
        return None
    for line in told.splitlines():
        if line.startswith("SlurmctldHost[0]"):
            host = line.partition("=")[2].strip()
            inside = host.partition("(")[2].rstrip(")") or host
            try:
                return f"{socket.gethostbyname(inside)}:9"
            except OSError:
                return None
    return None


def answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2.0).close()
    except OSError:
        return False
    return True
