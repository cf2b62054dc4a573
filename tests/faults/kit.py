"""The fault kit: what can be done to a search, and the proof that nothing came of it.

A `Trial` is one run folder with the command that fills it; faults strike it at moments that a
seeded generator chooses, and the same command is given again until it ends. A `Witness` reads the
folder all the while, as a user would: what it has read once must stay as it is. In the end the
table, and the kept parameters, must be those of a search that was never disturbed.

    python tests/faults/campaign.py kill-driver --count 100
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas

import shoal

PLACE_AND_TIME = ["node", "device", "seconds", "started"]
"""Columns that may differ between two runs of one search."""

SEARCH = (
    f"{Path(__file__).parent.parent / 'sides.py'}:Sides",
    "--trials",
    "120",
    "--folds",
    "2",
    "--select",
    "best",
    "--keep",
    "3",
    "--steps",
    "1500",
    "--program",
    "eager",
    "--pack",
    "12",
    "--round",
    "24",
    "--replicates",
    "1",
    "--report",
    "250",
    "--seed",
    "3",
)
"""What is searched: 20 packs in five rounds of TPE, with metrics, folds, fits that diverge, and
parameters that are kept."""

NET_SEARCH = (
    f"{Path(__file__).parent.parent / 'net.py'}:Net",
    "--trials",
    "48",
    "--folds",
    "2",
    "--replicates",
    "2",
    "--select",
    "best",
    "--keep",
    "3",
    "--epochs",
    "80",
    "--pack",
    "12",
    "--round",
    "12",
    "--seed",
    "3",
)
"""The same of a module with minibatches, and conditions: packs of four shapes in four rounds."""

DISK_SEARCH = (
    "disk.py:Line",
    "--trials",
    "96",
    "--steps",
    "1500",
    "--program",
    "eager",
    "--pack",
    "4",
    "--round",
    "24",
    "--seed",
    "3",
    "--sampler",
    "random",
)
"""Packs of four shapes, each of which reads a file of a disk that can go."""

DISK_PROBLEM = """
import os
from pathlib import Path
import torch

class Line:
    space = {"lr": "1e-4:1e-2:log", "degree": [1, 2, 3, 4]}

    def __init__(self, degree):
        self.degree = degree

    def data(self):
        text = (Path(os.environ["SHOAL_TEST_DISK"]) / "data").read_text()
        return torch.tensor([float(word) for word in text.split()])

    def initial(self, seed):
        return {"w": torch.ones(self.degree + 1)}

    def loss_and_gradient(self, params, data):
        powers = torch.stack([data ** k for k in range(self.degree + 1)])
        r = params["w"] @ powers - torch.sin(data)
        return (r * r).sum(), {"w": 2 * (powers @ r)}
"""

SHIM = Path(__file__).with_name("shim.c")


def rows_of(out: Path) -> pandas.DataFrame:
    """The rows that a user sees now, without place and time."""
    rows = shoal.load(out).trials.drop(columns=PLACE_AND_TIME)
    if "best_step" in rows:  # whole numbers only as long as none is missing
        rows["best_step"] = rows["best_step"].astype(float)
    return rows.set_index([name for name in ("trial", "replicate", "fold") if name in rows])


def kept_of(out: Path) -> dict[str, bytes]:
    """The files of kept parameters."""
    return {file.name: file.read_bytes() for file in (out / "parameters").iterdir()}


class Witness:
    """Reads a run folder all the while; what it has seen once must never change."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._seen: pandas.DataFrame | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)
        self.readings = 0
        self.complaints: list[str] = []

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.3):
            self.look()

    def look(self) -> None:
        """Read once, if there is something to read."""
        if not (self._out / "search.toml").exists():
            return
        try:
            now = rows_of(self._out)
        except Exception as error:  # a reader must never meet anything but a good table
            self.complaints.append(f"{type(error).__name__}: {error}")
            return
        self.readings += 1
        if not now.index.is_unique:
            self.complaints.append("a trial is there twice")
        elif self._seen is not None:
            lost = self._seen.index.difference(now.index)
            if len(lost):
                self.complaints.append(f"rows are gone: {list(lost)[:5]}")
            elif not now.loc[self._seen.index].equals(self._seen):
                self.complaints.append("a row has changed")
        self._seen = now


class Trial:
    """One run folder, and the command that fills it, given again and again.

    Args:
        folder: where the run folder ``out`` is made, and where the command runs.
        words: of ``shoal run``, but for ``--out``.
        environment: more of it.
    """

    def __init__(
        self, folder: Path, words: Sequence[str] = SEARCH, environment: dict[str, str] | None = None
    ) -> None:
        self.folder, self.out = folder, folder / "out"
        self._words, self._environment = words, environment or {}
        self.process: subprocess.Popen[str] | None = None
        self.peak_mib = 0.0
        self._started: list[int] = []

    def start(self, *more: str) -> subprocess.Popen[str]:
        """Give the command, in a session of its own."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shoal", "run", *self._words, *more, "--quiet", "--out", "out"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self._environment},
            start_new_session=True,
        )
        self._started.append(self.process.pid)
        return self.process

    def end(self, timeout: float = 300) -> tuple[int, str]:
        """Wait until the command has ended; return its exit code and what it said."""
        assert self.process is not None
        said, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, said + errors

    def measure(self) -> None:
        """Note the most memory that the command's own process has had, while it runs."""
        assert self.process is not None
        with suppress(OSError, StopIteration):
            status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            peak = next(line for line in status if line.startswith("VmHWM"))
            self.peak_mib = max(self.peak_mib, int(peak.split()[1]) / 1024)

    @property
    def writers(self) -> int:
        """How many commands have begun to write the folder."""
        names = (entry.name.partition("-")[0] for entry in self.out.glob(".lock/*"))
        return max((int(name) for name in names if name.isdigit()), default=0)

    def processes(self) -> dict[int, str]:
        """The command lines of the processes that belong to any of the commands given."""
        parents, lines = {}, {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError, IndexError, ValueError):
                if entry.name.isdigit():
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                    if stat[0] != "Z":
                        parents[int(entry.name)] = int(stat[1])
                        line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                        lines[int(entry.name)] = line.decode(errors="replace")
        mine = {
            pid
            for pid, line in lines.items()
            if pid in self._started or any(f"/shoal-{p}-" in line for p in self._started)
        }
        while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
            mine |= more
        return {pid: lines[pid] for pid in mine if pid in lines}

    def check(self, whole: Path, witness: Witness | None = None) -> None:
        """Prove that nothing came of what was done.

        Args:
            whole: the run folder of the same search, undisturbed.
        """
        expected, found = rows_of(whole), rows_of(self.out)
        pandas.testing.assert_frame_equal(found, expected, check_exact=True)
        pandas.testing.assert_frame_equal(
            shoal.load(self.out).curves, shoal.load(whole).curves, check_exact=True
        )
        expected_files, files = kept_of(whole), kept_of(self.out)
        assert files.keys() == expected_files.keys()
        assert [name for name in files if files[name] != expected_files[name]] == []
        assert not list((self.out / "parts").iterdir())
        assert not list((self.out / "packs").iterdir())
        assert len(list((self.out / ".lock").iterdir())) == 1
        stray = {entry.name for entry in self.out.iterdir()}
        assert stray <= {entry.name for entry in whole.iterdir()} | {"errors.log", "slurm"}, stray
        if witness is not None:
            witness.look()
            assert witness.complaints == [], witness.complaints[0]
        deadline = time.monotonic() + 240
        while left := self.processes():
            assert time.monotonic() < deadline, left
            time.sleep(0.1)


def with_disk(folder: Path) -> Trial:
    """A search that reads a file of a disk: the folder ``disk``."""
    (folder / "disk").mkdir()
    (folder / "disk" / "data").write_text("0.0 0.25 0.5 0.75 1.0")
    (folder / "disk.py").write_text(DISK_PROBLEM)
    return Trial(folder, DISK_SEARCH, {"SHOAL_TEST_DISK": str(folder / "disk")})


def undisturbed(
    folder: Path, words: Sequence[str] = SEARCH, engine: str = "ray"
) -> tuple[Path, float, float]:
    """Run the search in one go; return its run folder, its seconds, its driver's MiB."""
    trial = with_disk(folder) if words is DISK_SEARCH else Trial(folder, words)
    began = time.monotonic()
    workers = ("--workers", "2") if engine == "ray" else ()
    process = trial.start("--engine", engine, *workers)
    while process.poll() is None:
        trial.measure()
        time.sleep(0.02)
    code, said = trial.end()
    assert code == 0, said
    return trial.out, time.monotonic() - began, trial.peak_mib


Fault = Callable[[Trial, random.Random], None]
"""Strikes a search that runs. Where it has ended already, nothing happens."""


def kill_driver(trial: Trial, chance: random.Random) -> None:
    """As a power cut does to the process that writes: no handler runs."""
    assert trial.process is not None
    with suppress(ProcessLookupError):
        os.kill(trial.process.pid, signal.SIGKILL)


def kill_worker(trial: Trial, chance: random.Random) -> None:
    """One of Ray's workers, in the middle of its pack, or idle."""
    _kill_one(trial, chance, "ray::", "train")


def kill_raylet(trial: Trial, chance: random.Random) -> None:
    """The Ray of this machine: on one machine the search ends, and says how to go on."""
    _kill_one(trial, chance, "raylet/raylet")


def crash(trial: Trial, chance: random.Random) -> None:
    """As a fault in native code does to the driver, or to a process that packs have there."""
    assert trial.process is not None
    alone = [p for p, line in trial.processes().items() if "shoal.trainable.hosts.alone" in line]
    with suppress(ProcessLookupError):
        os.kill(chance.choice([trial.process.pid, *sorted(alone)]), signal.SIGSEGV)


def unmount(trial: Trial, chance: random.Random) -> None:
    """The disk with the data goes, for a moment or until `mount`."""
    with suppress(FileNotFoundError):
        (trial.folder / "disk").rename(trial.folder / "away")
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0.0, 1.0))
        mount(trial)


def mount(trial: Trial) -> None:
    """The disk is there again, if it was gone."""
    with suppress(FileNotFoundError):
        (trial.folder / "away").rename(trial.folder / "disk")


def freeze_driver(trial: Trial, chance: random.Random) -> None:
    """For a moment, as a suspended laptop does."""
    assert trial.process is not None
    with suppress(ProcessLookupError):
        os.kill(trial.process.pid, signal.SIGSTOP)
        time.sleep(chance.uniform(0.1, 2.0))
        os.kill(trial.process.pid, signal.SIGCONT)


def interrupt(trial: Trial, chance: random.Random) -> None:
    """Ctrl-C, a batch job's end, or the near end of its time; sometimes twice."""
    assert trial.process is not None
    number = chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
    for _ in range(chance.choice([1, 1, 2])):
        with suppress(ProcessLookupError):
            os.kill(trial.process.pid, number)
        time.sleep(chance.uniform(0.0, 0.3))


def rival(trial: Trial, chance: random.Random) -> None:
    """The same command once more, while the first writes: it is refused, or has nothing to do."""
    done = subprocess.run(
        [sys.executable, "-m", "shoal", "run", "--engine", "inline", "--quiet", "--out", "out"],
        cwd=trial.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0 or "is being written by" in done.stderr, done.stderr


def plant(trial: Trial, chance: random.Random) -> None:
    """A stranger's link, pipe and file where checkpoints lie: none of them is touched."""
    packs, key = trial.out / "packs", f"{chance.getrandbits(96):024x}"
    theirs = trial.folder / "theirs"
    theirs.write_text("theirs")
    planted = [packs / f"{key}-000000.pt", packs / f"{key}-000001.pt", packs / "resnet-50.pt"]
    planted[0].symlink_to(theirs)
    os.mkfifo(planted[1])
    planted[2].write_text("theirs")
    time.sleep(chance.uniform(0.0, 2.0))
    assert all(os.path.lexists(path) for path in planted)
    assert theirs.read_text() == planted[2].read_text() == "theirs"
    for path in planted:
        path.unlink()


def _kill_one(trial: Trial, chance: random.Random, *having: str) -> None:
    there = [p for p, line in trial.processes().items() if all(word in line for word in having)]
    if there:
        with suppress(ProcessLookupError):
            os.kill(chance.choice(sorted(there)), signal.SIGKILL)


class Shim:
    """The disk's slowness and the clock of the processes that are started with it.

    A library that is loaded before all others delays fsync and rename, and adds to the time of day;
    both can be changed while the processes run.
    """

    def __init__(self, folder: Path) -> None:
        library, control = folder / "shim.so", folder / "shim.control"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM), "-ldl"], check=True
        )
        control.write_bytes(bytes(16))
        self._file = open(control, "r+b")  # noqa: SIM115  # held as long as the processes live
        self._map = mmap.mmap(self._file.fileno(), 16)
        self.environment = {"LD_PRELOAD": str(library), "SHOAL_SHIM": str(control)}

    def set(self, *, delay_us: int = 0, clock_s: int = 0) -> None:
        """Delay each write to the disk, and move the clock."""
        self._map[:] = struct.pack("qq", delay_us, clock_s)

    def close(self) -> None:
        """Let go of the control file."""
        self._map.close()
        self._file.close()


@contextmanager
def small_disk(at: Path, kib: int) -> Iterator[Callable[[str], None]]:
    """A disk of its own; yields what changes it: ``size=64m``, ``ro`` or ``rw``.

    Raises:
        PermissionError: mounting needs root.
    """
    if os.geteuid() != 0:
        raise PermissionError("mounting a small disk needs root")
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(at)], check=True)
    try:
        yield lambda how: subprocess.run(
            ["mount", "-o", f"remount,{how}", str(at)], check=False
        ).check_returncode()
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)
