"""A real SLURM of three hosts on one machine, for the tests and for ``make cluster``.

Everything lives in namespaces of its own: one process, the keeper, is the login host and process 1
of a process namespace; n1, n2 and n3 are network, mount and host name namespaces beneath it, joined
by a bridge. Each host has its own address, host name, /tmp, /dev/shm and two counted GPUs, and its
own name resolves to 127.0.1.1, as Debian has it. Nothing of the machine's own network, mounts or
users is touched: when the keeper ends, or whoever started it dies, the kernel takes all of it.

    python tests/cluster/three_hosts.py      # a shell on the login host
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

HOSTS = ("n1", "n2", "n3")
USERS = {"alice": 4001, "bob": 4002}
CPUS, MEMORY_MIB, GPUS = 8, 6000, 2
NEEDED = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "munged": "munge",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
READY_SECONDS = 60.0
CHECKOUT = Path(__file__).resolve().parent.parent.parent


def missing() -> str | None:
    """Why this machine cannot have such a cluster, with what to type, or None."""
    if os.name != "posix" or not sys.platform.startswith("linux"):
        return "a cluster of namespaces needs Linux"
    if os.geteuid() != 0:
        return "a cluster of namespaces needs root"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = sorted(
        {package for tool, package in NEEDED.items() if not shutil.which(tool, path=path)}
    )
    return f"apt-get install {' '.join(lacking)}" if lacking else None


def address(host: str) -> str:
    """The address of a host on the bridge."""
    return f"10.211.0.{10 + int(host[1:])}" if host != "login" else "10.211.0.1"


class Keeper:
    """The login host: sets everything up, and takes everything down when its input ends."""

    def __init__(self, folder: Path, bound: list[Path]) -> None:
        self._folder, self._bound = folder, bound
        self._hosts: dict[str, int] = {}

    def up(self) -> None:
        """Set up; returns when every host is idle.

        Raises:
            RuntimeError: a daemon did not come up; the message has its log.
        """
        ctypes.CDLL(None).prctl(36, 1)  # orphans come to us, and end with us
        _run("hostname", "login")
        _run("mount", "--make-rprivate", "/")
        self._write_users()
        for path in self._bound:
            self._open_way_to(path)
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", "bridge", "type", "bridge")
        _run("ip", "address", "add", f"{address('login')}/24", "dev", "bridge")
        _run("ip", "link", "set", "bridge", "up")
        self._write_configuration()
        _run("munged", "--force", *self._munge_flags())
        for host in HOSTS:
            self._start_host(host)
        log = self._folder / "log" / "slurmctld"
        self._daemon(["slurmctld", "-D", "-i"], log)
        deadline = time.monotonic() + READY_SECONDS
        while self._states() != ["idle"] * len(HOSTS):
            if time.monotonic() > deadline:
                logs = "\n".join(f.read_text()[-2000:] for f in (self._folder / "log").iterdir())
                raise RuntimeError(f"the cluster did not come up: {self._states()}\n{logs}")
            time.sleep(0.1)

    @property
    def facts(self) -> dict[str, object]:
        """What the tests need to reach it."""
        return {"folder": str(self._folder), "hosts": self._hosts}

    def down(self) -> None:
        """End every process of this namespace but this one, and remove what lies on disk."""
        os.kill(-1, signal.SIGKILL)
        with suppress(ChildProcessError):
            while True:
                os.wait()
        for host in HOSTS:
            for top in Path("/sys/fs/cgroup").glob(f"*/slurm_{host}"):
                for folder, _, _ in os.walk(top, topdown=False):
                    with suppress(OSError):
                        os.rmdir(folder)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _states(self) -> list[str]:
        told = subprocess.run(
            ["sinfo", "-h", "-N", "-p", "main", "-o", "%T"],
            capture_output=True,
            text=True,
            check=False,
        )
        return told.stdout.split()

    def _daemon(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        with open(log, "ab") as handle:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=handle, stderr=handle, env=os.environ
            )

    def _munge_flags(self) -> list[str]:
        munge = self._folder / "munge"
        return [
            f"--socket={munge}/socket",
            f"--key-file={munge}/key",
            f"--pid-file={munge}/pid",
            f"--log-file={munge}/log",
            f"--seed-file={munge}/seed",
        ]

    def _write_users(self) -> None:
        folder = self._folder / "etc"
        folder.mkdir()
        for name, line in (("passwd", "{0}:x:{1}:{1}::{2}:/bin/bash"), ("group", "{0}:x:{1}:")):
            text = Path("/etc", name).read_text()
            more = [line.format(user, n, self._folder / "home" / user) for user, n in USERS.items()]
            (folder / name).write_text(text.rstrip() + "\n" + "\n".join(more) + "\n")
            _run("mount", "--bind", str(folder / name), f"/etc/{name}")
        for user, number in USERS.items():
            home = self._folder / "home" / user
            home.mkdir(parents=True)
            os.chown(home, number, number)

    def _open_way_to(self, path: Path) -> None:
        """Let the users reach `path` although a folder above it is closed to them, as /root is: in
        these namespaces a closed folder is covered by an empty one that holds only this way."""
        closed = [folder for folder in path.parents if not folder.stat().st_mode & 0o001]
        if not closed:
            return
        cover = self._folder / "cover"
        cover.mkdir(exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(cover))
        way = cover / path.relative_to(closed[-1])
        way.mkdir(parents=True)
        _run("mount", "--rbind", str(path), str(way))
        _run("mount", "--move", str(cover), str(closed[-1]))

    def _write_configuration(self) -> None:
        folder = self._folder
        for name in ("munge", "state", "spool", "log", "gpu", "shared"):
            (folder / name).mkdir()
        (folder / "shared").chmod(0o1777)
        (folder / "munge").chmod(0o755)
        key = folder / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(64))
        for index in range(GPUS):
            os.mknod(folder / "gpu" / f"gpu{index}", 0o20666, os.makedev(1, 3))
        cgroups = Path("/sys/fs/cgroup/freezer").exists() and Path("/sys/fs/cgroup/memory").exists()
        processes = (
            "ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup"
            if cgroups
            else "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none"
        )
        nodes = "\n".join(
            f"NodeName={h} NodeAddr={address(h)} CPUs={CPUS} RealMemory={MEMORY_MIB} "
            f"Gres=gpu:{GPUS},shard:{4 * GPUS} State=UNKNOWN"
            for h in HOSTS
        )
        (folder / "slurm.conf").write_text(f"""\
ClusterName=shoal
SlurmctldHost=login({address("login")})
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
{processes}
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=700
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=60
KillWait=10
FirstJobId={secrets.randbelow(9000) * 1000 + 1000}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MpiDefault=none
SchedulerParameters=batch_sched_delay=0,bf_interval=5,sched_interval=2
GresTypes=gpu,shard
{nodes}
PartitionName=DEFAULT Nodes={",".join(HOSTS)} MaxTime=INFINITE State=UP
PartitionName=main Default=YES PreemptMode=OFF
PartitionName=low PreemptMode=REQUEUE GraceTime=15
PartitionName=high PriorityTier=10
""")
        (folder / "gres.conf").write_text(
            f"AutoDetect=off\nNodeName={','.join(HOSTS)} Name=gpu "
            f"File={folder}/gpu/gpu[0-{GPUS - 1}]\n"
            f"NodeName={','.join(HOSTS)} Name=shard Count={4 * GPUS}\n"
        )
        (folder / "cgroup.conf").write_text(
            "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainRAMSpace=yes\n"
        )
        os.environ["SLURM_CONF"] = str(folder / "slurm.conf")

    def _start_host(self, host: str) -> None:
        hosts = self._folder / "etc" / f"hosts.{host}"
        hosts.write_text(f"127.0.0.1 localhost\n127.0.1.1 {host}\n")
        binds = []
        for path in [self._folder, *self._bound]:
            if path.is_relative_to("/tmp"):
                within = f"/mnt/{path.relative_to('/tmp')}"
                binds.append(f"mkdir -p '{within}'\nmount --rbind '{path}' '{within}'")
        script = "\n".join(
            [
                "set -eu",
                f"hostname {host}",
                "mount --make-rprivate /",
                "mount -t tmpfs -o mode=1777 tmpfs /mnt",
                *binds,
                "mount --move /mnt /tmp",
                "mount -t tmpfs -o mode=1777,size=2g tmpfs /dev/shm",
                f"mount --bind '{hosts}' /etc/hosts",
                "read _",  # the link is there
                "set +e",  # a daemon that is killed comes back, as systemd brings it
                f"while :; do slurmd -D -N {host}; sleep 2; done",
            ]
        )
        with open(self._folder / "log" / host, "ab") as log:
            process = subprocess.Popen(
                ["unshare", "--mount", "--net", "--uts", "sh", "-c", script],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{process.pid}/ns/net") == own:
            time.sleep(0.01)
        pid = process.pid
        _run(
            "ip",
            "link",
            "add",
            f"to-{host}",
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            str(pid),
        )
        _run("ip", "link", "set", f"to-{host}", "master", "bridge", "up")
        into = ["nsenter", "--target", str(pid), "--net"]
        _run(*into, "ip", "link", "set", "lo", "up")
        _run(*into, "ip", "address", "add", f"{address(host)}/24", "dev", "eth0")
        _run(*into, "ip", "link", "set", "eth0", "up")
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
        self._hosts[host] = pid


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def start() -> tuple[subprocess.Popen[str], dict[str, object]]:
    """Start a keeper; return it and its facts. Closing its standard input ends it.

    Raises:
        RuntimeError: it did not come up.
    """
    keeper = subprocess.Popen(
        [
            "unshare",
            "--mount",
            "--net",
            "--uts",
            "--pid",
            "--fork",
            "--kill-child=KILL",
            "--mount-proc",
            sys.executable,
            __file__,
            "keep",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
    )
    assert keeper.stdout is not None
    line = keeper.stdout.readline()
    if not line:
        raise RuntimeError(f"the cluster did not come up (exit code {keeper.wait()})")
    facts = json.loads(line)
    children = Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text().split()
    facts["login"] = int(children[0])
    facts["hosts"] = {h: _outside(pid, facts["login"]) for h, pid in facts["hosts"].items()}
    return keeper, facts


def _outside(inner: int, keeper: int) -> int:
    """The process id, as seen here, of process `inner` of the keeper's namespace."""
    space = os.readlink(f"/proc/{keeper}/ns/pid")
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and os.readlink(entry / "ns/pid") == space:
                line = next(x for x in (entry / "status").read_text().splitlines() if "NSpid" in x)
                if int(line.split()[-1]) == inner:
                    return int(entry.name)
    raise RuntimeError(f"process {inner} of the cluster is gone")


def _keep() -> None:
    folder = Path(tempfile.mkdtemp(prefix="shoal-three-", dir="/tmp"))
    folder.chmod(0o755)
    prefixes = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), CHECKOUT}
    keeper = Keeper(folder, sorted(prefixes))
    try:
        keeper.up()
        print(json.dumps(keeper.facts), flush=True)
        while sys.stdin.readline():
            pass
    finally:
        keeper.down()


def _shell() -> int:
    reason = missing()
    if reason is not None:
        print(f"make cluster: {reason}", file=sys.stderr)
        return 2
    keeper, facts = start()
    conf = f"{facts['folder']}/slurm.conf"
    into = ["nsenter", "--target", str(facts["login"]), "--mount", "--net", "--uts", "--pid"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
    print(f"three hosts, n1 to n3; shared folder {facts['folder']}/shared; exit ends them")
    code = subprocess.run(
        [*into, os.environ.get("SHELL", "/bin/bash")],
        check=False,
        env={**os.environ, "SLURM_CONF": conf, "PATH": path},
    ).returncode
    assert keeper.stdin is not None
    keeper.stdin.close()
    keeper.wait()
    return code


if __name__ == "__main__":
    sys.exit(_keep() if sys.argv[1:] == ["keep"] else _shell())
