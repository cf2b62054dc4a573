"""A job to submit: its complete batch script, and the sbatch command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shoal.slurm import wire
from shoal.slurm.errors import BadInput, SlurmError
from shoal.slurm.files import opened, own_folder
from shoal.slurm.queue import MARK, commands
from shoal.slurm.submission.kinds import TEMPLATES
from shoal.slurm.submission.template import Inlined, render

HERE = Path(__file__).parent.parent

MEANING = {
    "--parsable": "print the job's id and nothing else",
    "--nodes": "hosts; each gets a Ray of its own, and all are one cluster",
    "--gpus": "GPUs of all hosts together",
    "--gpus-per-node": "GPUs of each host; fits run on each",
    "--cpus-per-task": "CPU cores of each host; without GPUs fits run on each",
    "--mem": "memory of each host",
    "--time": "limit, hours:minutes:seconds",
    "--account": "the project that pays",
    "--partition": "the queue",
    "--constraint": "the kind of host or GPU, in the site's words",
    "--output": "what the search prints",
    "--error": "what goes wrong, and when nodes come and go",
}
"""What sbatch's flags are for, as ``--dry-run`` tells."""


def sites() -> list[str]:
    """The names of the site files that come with shoal."""
    return sorted(file.stem for file in (HERE / "sites").glob("*.sh"))


def site_text(site: str) -> str:
    """Return the text of a site file.

    Args:
        site: a name, or a path.

    Raises:
        BadInput: there is none.
    """
    named = site in sites()
    file = HERE / "sites" / f"{site}.sh" if named else Path(os.path.expanduser(site))
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        known = ", ".join(sites())
        raise BadInput(
            f"no site file {site}; give one of {known}, or the path of your own"
        ) from None


def script(
    kind: str, site: str, words: Sequence[str] | None = None, python: str | None = None
) -> str:
    """Return a batch script with the site file in it, which needs no clone.

    Args:
        kind: search, cluster, fit or doctor.
        words: what to run, written into the script; None: its own arguments.
        python: the interpreter to run; None: the one that the site file activates.

    Raises:
        BadInput: kind or site is unknown.
    """
    if kind not in TEMPLATES:
        raise BadInput(f"no script {kind!r}; known: {', '.join(TEMPLATES)}")
    inlined = Inlined(
        site=site,
        site_text=site_text(site),
        words=None if words is None else tuple(words),
        python=python,
    )
    return render(TEMPLATES[kind], inlined)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A job as it will be submitted.

    Attributes:
        flags: sbatch's, each ``--name=value``.
        out: the run folder, of an array with ``{task}``; None: the job has none of its own, and
            writes beside where it is submitted, as its script says.
    """

    text: str
    flags: tuple[str, ...]
    out: Path | None

    def __post_init__(self) -> None:
        if ":" in self.flags:
            raise BadInput("a heterogeneous job has several allocations; submit a job for each")
        if self.out is None:
            return
        if self._array and MARK not in str(self.out):
            raise BadInput(
                f"each task of an array needs a run folder of its own: --out {self.out}-{MARK}"
            )
        if not self._array and MARK in str(self.out):
            raise BadInput(
                f"{MARK} in --out {self.out} is the number of an array's task: submit one by "
                "--sbatch=--array=0-9"
            )

    @property
    def _array(self) -> bool:
        return is_array(self.flags)

    @property
    def place(self) -> Path | None:
        """The folder of its output and its script; all tasks of an array share one."""
        if self.out is None:
            return None
        if not self._array:
            return self.out / wire.SLURM_FOLDER
        return next(path for path in self.out.parents if MARK not in str(path))

    @property
    def command(self) -> list[str]:
        """The sbatch command; it reads the script from its standard input."""
        files: list[str] = []
        if self.place is not None:
            logs = str(self.place.absolute()).replace("%", "%%")
            output, error = (
                wire.file_beside("%A_%a", ending) if self._array else wire.file_within("%j", ending)
                for ending in (wire.OUTPUT_ENDING, wire.ERROR_ENDING)
            )
            files = [f"--output={logs}/{output}", f"--error={logs}/{error}"]
        return ["sbatch", "--parsable", *self.flags, *files]

    def explained(self) -> str:
        """The script and the command, each flag with what it is for."""
        lines = []
        for flag in self.command[1:]:
            meaning = MEANING.get(flag.partition("=")[0], "as you gave it")
            lines.append(f"#   {shlex.quote(flag):40} {meaning}")
        told = "\n".join(lines)
        return f"{self.text}\n# sbatch reads the script above from its standard input:\n#\n" + (
            f"# {shlex.join(self.command)}\n#\n{told}\n"
        )

    def submit(self) -> str:
        """Submit; return the job's id. Where SLURM refuses, nothing is left behind.

        Raises:
            BadInput: SLURM refuses it; the message has its words.
        """
        folder = self.place
        if folder is None:
            return self._ask([])
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"cannot make {folder}: {error.strerror}; give another --out") from error
        job = self._ask(made)
        if self._array:
            self._keep(folder / wire.file_beside(job, wire.SCRIPT_ENDING))
            return job
        own_folder(folder / job)
        self._keep(folder / job / wire.SCRIPT_FILE)
        return job

    def _keep(self, file: Path) -> None:
        """Write the script beside what comes of it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(opened(file, flags), "w", encoding="utf-8") as script:
            script.write(self.text)

    def _ask(self, made: Sequence[Path]) -> str:
        """Ask sbatch for the job's id; where it refuses, remove what was `made` for it."""
        try:
            told = commands.ask(*self.command, text=self.text)
        except SlurmError as error:
            for path in made:
                path.rmdir()
            raise BadInput(f"{error}{self._hint(str(error))}") from None
        return told.strip().partition(";")[0]

    def _hint(self, refusal: str) -> str:
        """What to write instead of a number of GPUs that no one host has."""
        total = next((flag for flag in self.flags if flag.startswith("--gpus=")), None)
        if total is None or "node configuration" not in refusal:
            return ""
        return f"; {total} is of all hosts together: say how many by --nodes N, or --gpus-per-node"


def is_array(flags: Sequence[str]) -> bool:
    """Whether sbatch's flags make an array of tasks."""
    return any(flag.startswith(("--array", "-a")) for flag in flags)
