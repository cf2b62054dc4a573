"""``python -P -m shoal.slurm``: what the batch scripts and the supervisor call on the nodes."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from shoal.slurm import wire
from shoal.slurm.errors import BadInput, SlurmError


def main(words: list[str]) -> int:
    """Run a role; return its exit code."""
    parser = argparse.ArgumentParser(prog=f"python -P -m {wire.MODULE}", description=__doc__)
    roles = parser.add_subparsers(dest="part", required=True)
    batch = roles.add_parser(
        wire.SUPERVISE, help="in a batch script: a cluster, and a command on it"
    )
    batch.add_argument("--prefix", default=os.environ.get(wire.PREFIX_VARIABLE, ""))
    batch.add_argument("--interface", default=os.environ.get(wire.INTERFACE_VARIABLE, ""))
    batch.add_argument("--ports", default=os.environ.get(wire.PORTS_VARIABLE, ""))
    batch.add_argument("command", nargs=argparse.REMAINDER)
    node = roles.add_parser(wire.AGENT, help="in a step: Ray on one node")
    node.add_argument("--role", choices=(wire.HEAD_ROLE, wire.WORKER_ROLE), required=True)
    node.add_argument("--folder", type=Path, required=True)
    node.add_argument("--node", required=True)
    node.add_argument("--job", required=True)
    node.add_argument("--interface")
    node.add_argument("--ports", default="")
    for name in ("life", "cpus", "gpus", "memory", "expected"):
        node.add_argument(f"--{name}", type=int, required=True)
    look = roles.add_parser(wire.DOCTOR, help="in a batch script: look at every node")
    look.add_argument("--prefix", default="")
    look.add_argument("--interface", default="")
    look.add_argument("--ports", default=os.environ.get(wire.PORTS_VARIABLE, ""))
    look.add_argument(wire.OUT_OPTION, type=Path, default=Path("."))
    one = roles.add_parser(wire.EXAMINE, help="in a step: look at one node")
    one.add_argument("--node", required=True)
    one.add_argument(wire.OUT_OPTION, type=Path, required=True)
    one.add_argument("--interface")
    one.add_argument("--ports", default="")
    one.add_argument("--towards")
    one.add_argument("--gres", default="")
    one.add_argument("--marker", type=Path)
    for name in ("cpus", "gpus", "memory"):
        one.add_argument(f"--{name}", type=int, required=True)
    asked = parser.parse_args(words)
    part = {
        wire.SUPERVISE: _supervise,
        wire.AGENT: _agent,
        wire.DOCTOR: _doctor,
        wire.EXAMINE: _examine,
    }
    try:
        return part[asked.part](asked)
    except SlurmError as error:
        print(f"shoal: {error}", file=sys.stderr, flush=True)
        return error.exit_code


def _supervise(asked: argparse.Namespace) -> int:
    from shoal.slurm.cluster import Orders, Signals, Supervisor
    from shoal.slurm.jobfolder import JobFolder, place
    from shoal.slurm.node import parse_range
    from shoal.slurm.queue import commands, filled_words, own_job, parse

    number, job = own_job(os.environ)
    signals = Signals()
    command = asked.command[1:] if asked.command[:1] == ["--"] else asked.command
    command = filled_words(command, os.environ)
    prefix = shlex.split(asked.prefix)
    if command[:1] == ["python"] and not prefix:  # of a container it is its own
        command[0] = sys.executable
    allocation = parse(commands.show_job(number))
    if not allocation.shares:
        raise SlurmError(f"SLURM names no nodes of job {number}")
    node = os.environ.get("SLURMD_NODENAME", "")
    if not any(share.node == node for share in allocation.shares):
        raise BadInput(
            f"this shell is on no node of job {number}, and Ray's driver needs one; "
            "go there, and type it again: srun --overlap --nodes=1 --ntasks=1 --pty bash"
        )
    where = place(command, job)
    life = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
    folder = JobFolder.make(where.absolute(), life)
    folder.publish(wire.JOB, {name: allocation.fields.get(name) for name in wire.STREAMS})
    os.environ[wire.OUT_VARIABLE] = str(where.parent.parent)
    orders = Orders(
        command=command,
        prefix=prefix,
        interface=asked.interface or None,
        ports=parse_range(asked.ports),
    )
    return Supervisor(allocation, folder, orders, signals, node=node, job=job).run()


def _agent(asked: argparse.Namespace) -> int:
    from shoal.slurm.jobfolder import JobFolder
    from shoal.slurm.node import Agent, Role, parse_range, translate
    from shoal.slurm.queue import Share

    translate(os.environ)
    share = Share(node=asked.node, cpus=asked.cpus, gpus=asked.gpus, memory_bytes=asked.memory)
    role = Role(
        head=asked.role == wire.HEAD_ROLE,
        share=share,
        expected=asked.expected,
        job=asked.job,
        interface=asked.interface,
        ports=parse_range(asked.ports),
    )
    return Agent(role, JobFolder(asked.folder, asked.life)).run()


def _doctor(asked: argparse.Namespace) -> int:
    from shoal.slurm.doctor import look_at_job
    from shoal.slurm.node import parse_range

    ports = parse_range(asked.ports)
    return look_at_job(asked.out, shlex.split(asked.prefix), asked.interface or None, ports)


def _examine(asked: argparse.Namespace) -> int:
    from shoal.slurm.doctor import look_for_job, node_context
    from shoal.slurm.node import parse_range
    from shoal.slurm.queue import Share

    share = Share(
        node=asked.node,
        cpus=asked.cpus,
        gpus=asked.gpus,
        memory_bytes=asked.memory,
        gres=asked.gres,
    )
    ports = parse_range(asked.ports)
    context = node_context(share, asked.out, asked.towards, asked.interface, asked.marker, ports)
    look_for_job(context)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
