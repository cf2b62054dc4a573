"""A running SLURM of three hosts, as the tests and the fault campaigns use it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

OVER = (
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
)


class Cluster:
    """A running SLURM of three hosts."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.folder = Path(facts["folder"])
        self.shared = self.folder / "shared"
        self.pids: dict[str, int] = {"login": facts["login"], **facts["hosts"]}
        self.conf = str(self.folder / "slurm.conf")
        self.cut: set[str] = set()  # hosts that were out of SLURM's reach
        self._spaces = {h: os.readlink(f"/proc/{p}/ns/net") for h, p in self.pids.items()}

    def run(
        self,
        *command: object,
        host: str = "login",
        user: int | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
        check: bool = False,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host."""
        bin_folder = str(Path(sys.executable).parent)
        into = [
            "nsenter",
            "--target",
            str(self.pids[host]),
            "--mount",
            "--net",
            "--uts",
            "--pid",
            f"--wd={cwd or self.shared}",
        ]
        if user is not None:
            into += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SHOAL_"))}
        path = f"{bin_folder}:{os.environ['PATH']}:/usr/sbin:/sbin"
        done = subprocess.run(
            [*into, *map(str, command)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**kept, "PATH": path, "SLURM_CONF": self.conf, **environment},
        )
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done

    def sbatch(self, *words: object, cwd: Path, **more: Any) -> str:
        """Submit a job; return its id."""
        told = self.run("sbatch", "--parsable", *words, cwd=cwd, check=True, **more)
        return told.stdout.strip()

    def job(self, job: str) -> dict[str, str]:
        """The fields of ``scontrol show job``."""
        told = self.run("scontrol", "show", "job", "-d", job, check=True).stdout
        return dict(re.findall(r"(\w+)=(\S*)", told))

    def wait(self, job: str, *states: str, timeout: float = 180) -> dict[str, str]:
        """Wait until a job is in one of `states` (or over); return its fields."""
        deadline = time.monotonic() + timeout
        while True:
            fields = self.job(job)
            if fields["JobState"] in (states or OVER):
                return fields
            assert time.monotonic() < deadline, f"job {job} is still {fields['JobState']}"
            if states and fields["JobState"] in OVER:
                raise AssertionError(f"job {job} is {fields['JobState']}, not {states}")
            time.sleep(0.3)

    def processes(self, host: str, having: str = "") -> dict[int, str]:
        """The processes on a host whose command line has `having`."""
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and os.readlink(entry / "ns/net") == self._spaces[host]:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if having in line:
                        found[int(entry.name)] = line
        return found

    def link(self, host: str, state: str) -> None:
        """Cut (down) or mend (up) the cable of a host; then slurmd reports to the controller."""
        self.run("ip", "link", "set", f"to-{host}", state, check=True)
        self.cut.add(host)
        if state == "up":
            for pid in self.daemon(host):
                os.kill(pid, signal.SIGHUP)

    def daemon(self, host: str) -> list[int]:
        """The process of a host's slurmd; for some seconds after its death there is none."""
        return list(self.processes(host, f"slurmd -D -N {host}").keys() - {self.pids[host]})

    def power_off(self, host: str) -> None:
        """Kill every process of a host and cut its cable; the one that holds the host's namespaces,
        and starts slurmd, is frozen instead."""
        self.link(host, "down")
        os.kill(self.pids[host], signal.SIGSTOP)
        for pid in self.processes(host):
            if pid != self.pids[host]:
                os.kill(pid, signal.SIGKILL)

    def power_on(self, host: str) -> None:
        """Undo `power_off`."""
        os.kill(self.pids[host], signal.SIGCONT)
        self.link(host, "up")

    @staticmethod
    def eventually(holds: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until something holds; a file that is not there yet is no error."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(FileNotFoundError):
                if holds():
                    return
            assert time.monotonic() < deadline, holds
            time.sleep(0.3)

    def nodes(self, job: str) -> list[str]:
        """The nodes of a running job, the batch host first."""
        told = self.run("squeue", "-h", "-j", job, "-o", "%B %N", check=True).stdout.split()
        listed = self.run("scontrol", "show", "hostnames", told[1], check=True).stdout.split()
        return [told[0], *(host for host in listed if host != told[0])]

    def states(self) -> dict[str, str]:
        """SLURM's word on each host."""
        told = self.run("sinfo", "-h", "-N", "-o", "%N %T", check=True).stdout
        return dict(line.split() for line in told.splitlines())
