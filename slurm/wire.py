"""Names, exit codes and numbers that batch scripts, nodes and a search share, each defined once.

    batch script ──variables, roles──▶ supervisor ──variables──▶ the search (its command)
         ▲                                │    ▲                        │
         └───────── a site file           ▼    └───── exit codes ───────┘
                                    job folder: files, records ◀──▶ agents of the nodes

A word of SLURM's own (``SLURM_JOB_ID``, ``StdOut``), of Ray's or of sbatch's is not ours to name.
"""

from __future__ import annotations

EXIT_SAVED = 75
"""Exit code of a command that has saved and got further: started again it goes on (EX_TEMPFAIL)."""

EXIT_NOTHING_GAINED = 76
"""Exit code of a command that was told to stop before anything at all was gained."""

PREFIX_VARIABLE = "SHOAL_PREFIX"
"""Set by a site file: what to put before each process on a node, such as a container."""

INTERFACE_VARIABLE = "SHOAL_INTERFACE"
"""Set by a site file: the network interface between the nodes."""

PORTS_VARIABLE = "SHOAL_PORTS"
"""Set by a site file: the range of ports that a firewall leaves open, ``LOW-HIGH``."""

OUT_VARIABLE = "SHOAL_OUT"
"""Set by the supervisor: the run folder, so that the job and its search share it."""

END_VARIABLE = "SHOAL_END"
"""Set by the supervisor: when the job's time limit ends it, in seconds since 1970."""

END_FILE_VARIABLE = "SHOAL_END_FILE"
"""Set by the supervisor: a file that says it too, since the limit may be moved meanwhile."""

NODE_TEMP_VARIABLE = "SHOAL_NODE_TEMP"
"""Marks each process that an agent has started; its value is the temp folder on that node."""

OUT_OPTION, SEED_OPTION = "--out", "--seed"
"""Options of a search of which a job knows too: its run folder, where the job has its own folder;
and in both may stand the number of an array's task."""

MODULE = "shoal.slurm"
"""The module that is run on the nodes: ``python -P -m MODULE ROLE``."""

SUPERVISE, AGENT, DOCTOR, EXAMINE = "supervise", "agent", "doctor", "examine"
"""The roles of that module."""

HEAD_ROLE, WORKER_ROLE = "head", "worker"
"""The roles of an agent's Ray."""

SLURM_FOLDER = "slurm"
"""Folder in a run folder for what batch jobs leave there, a job folder for each."""

SCRIPT_FILE = "script.sbatch"
"""The batch script that was submitted, in the job folder."""

OUTPUT_ENDING, ERROR_ENDING, SCRIPT_ENDING = "out", "err", "sbatch"
"""Endings of the files with a job's standard output and standard error, and of its script."""

TOKEN_FILE, ALIVE_FILE, LIMIT_FILE = "token", "alive", "limit"
"""Files of a job folder: Ray's token; touched while the batch host lives; the time limit."""

REQUEUES_COUNT, IDLE_COUNT = "requeues", "idle"
"""Files of a job folder that count lives: those that lost their cluster, those without a gain."""

HEAD, CLUSTER, JOB, LIFE, END = "head", "cluster", "job", "life", "end"
"""Records of a job folder (``NAME.json``), as `shoal.slurm.jobfolder` publishes them."""

LIFE_KEY = "life"
"""In each record: how often the job was started before."""

ADDRESS_KEY, NODE_KEY = "address", "node"
"""In `HEAD`: HOST:PORT of Ray's head, and the name of its node."""

NODES_KEY = "nodes"
"""In `CLUSTER`: the nodes that Ray counts, each with its resources."""

CPU_KEY, GPU_KEY, MEMORY_KEY, STORE_KEY = "cpu", "gpu", "memory", "object_store_memory"
"""The resources of a node there; of the last two, bytes."""

WHY_KEY, WHEN_KEY = "why", "when"
"""In `END`: why a life ended, and when."""

STREAMS = ("StdOut", "StdErr")
"""In `JOB`: where a job's output and its errors go, by SLURM's own names for them."""

KILLS_KEY, LIMIT_KEY = "kills", "limit"
"""In the record of a node's memory: processes that its limit has killed, and that limit, bytes."""


def log_file(node: str) -> str:
    """The file of a job folder with what the agent and Ray say on one node."""
    return f"node-{node}.log"


def memory(node: str) -> str:
    """The record of one node's memory."""
    return f"memory-{node}"


def turn(what: str, life: int | str) -> str:
    """How the files begin that say whose turn it is to do one thing in a life of a job."""
    return f"turn-{what}-{life}"


def file_beside(job: str, ending: str) -> str:
    """The file of a job, such as its output, in a folder that is not its own: the one that it was
    submitted from, or the one that the tasks of an array share."""
    return f"shoal-{job}.{ending}"


def file_within(job: str, ending: str) -> str:
    """The file of a job, such as its output, in the folder `SLURM_FOLDER` of its run folder."""
    return f"{job}.{ending}"


def own_out(job: str) -> str:
    """The run folder of a job whose command names none."""
    return f"runs/job-{job}"


def clone_script(kind: str) -> str:
    """The batch script of a kind, from the top of a clone."""
    return f"slurm/{kind}.{SCRIPT_ENDING}"
