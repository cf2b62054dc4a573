"""Network addresses: this node's own, and whether another node accepts connections.

IPv4 and IPv6; with a port an IPv6 address stands in brackets, as in ``[fd00::2]:6379``, which
is how Ray writes and reads it too.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from shoal.slurm.errors import ClusterError, SlurmError
from shoal.slurm.queue import commands

ANYWHERE = (("192.0.2.1", 9), ("2001:db8::1", 9))
"""Addresses reserved for documentation: the kernel's route to them is the default route."""

_GLOBAL = "00"
"""Global scope, in the kernel's table of addresses."""


def join(host: str, port: int) -> str:
    """Return HOST:PORT."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split(address: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT.

    Raises:
        ValueError: it is none, or an IPv6 address without brackets, whose port nobody can tell.
    """
    host, _, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(
            f"{address} is not HOST:PORT (an IPv6 address stands in brackets), as in [fd00::2]:6379"
        )
    digits = port.isascii() and port.isdigit()
    if not host or not digits or not 0 < int(port) < 65536:
        raise ValueError(f"{address} is not HOST:PORT, as in 10.0.0.1:6379 or [fd00::2]:6379")
    return host, int(port)


def own_address(interface: str | None, towards: str | None = None) -> str:
    """Return the address of this node that others reach it by, IPv4 where it has both.

    The kernel's route decides, never the name of the host, which may resolve to 127.0.1.1.

    Args:
        interface: the network interface to use, such as ``ib0``; None: the route's.
        towards: HOST:PORT that must reach it; None: SLURM's controller, else anywhere.

    Raises:
        ClusterError: there is none.
    """
    if interface is not None:
        return _interface_address(interface)
    told = split(towards) if towards is not None else _controller()
    for host, port in [told] if told is not None else ANYWHERE:
        for family in (socket.AF_INET, socket.AF_INET6):
            found = _towards(host, port, family)
            if found is not None:
                return found
    raise ClusterError("this node has no address but its own loopback; name an interface")


def _towards(host: str, port: int, family: socket.AddressFamily) -> str | None:
    """The source address of the kernel's route to a host; None: there is no route."""
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        for *_, target in socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM):
            probe.connect(target)  # UDP: nothing is sent
            found = str(probe.getsockname()[0])
            if not ip_address(found).is_loopback and not ip_address(found).is_link_local:
                return found
    return None


def _interface_address(name: str) -> str:
    """Return the address of a network interface, such as ``ib0``.

    Raises:
        ClusterError: there is none of this name, or it has no address.
    """
    import fcntl
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        packed = fcntl.ioctl(probe, 0x8915, struct.pack("256s", name.encode()[:15]))
        return socket.inet_ntoa(packed[20:24])
    with suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines():
            digits, _, _, scope, _, interface = line.split()
            if (interface, scope) == (name, _GLOBAL):
                return str(ip_address(bytes.fromhex(digits)))
    known = ", ".join(name for _, name in socket.if_nameindex())
    raise ClusterError(f"no address on interface {name}; known: {known}")


def _controller() -> tuple[str, int] | None:
    """The host of SLURM's controller, and a port."""
    try:
        told = commands.ask("scontrol", "show", "config")
    except SlurmError:
        return None
    for line in told.splitlines():
        if line.startswith("SlurmctldHost[0]"):
            host = line.partition("=")[2].strip()
            inside = host.partition("(")[2].rstrip(")") or host
            try:
                socket.getaddrinfo(inside, 9)
            except OSError:
                return None
            return inside, 9
    return None


def answers(address: str) -> bool:
    """Whether HOST:PORT accepts connections."""
    try:
        socket.create_connection(split(address), timeout=2.0).close()
    except (OSError, ValueError):
        return False
    return True
