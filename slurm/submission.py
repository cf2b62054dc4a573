"""A job to submit: the script, whole, and the sbatch command that takes it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm import commands
from slurm.errors import BadInput, SlurmError
from slurm.files import opened, own_folder

HERE = Path(__file__).parent
KINDS = ("search", "cluster", "fit", "doctor")

MEANING = {
    "--parsable": "print the job's id and nothing else",
    "--nodes": "hosts; each gets a Ray of its own, and all are one cluster",
    "--gpus-per-node": "GPUs of each host; one pack of fits runs on each",
    "--cpus-per-task": "CPU cores of each host; without GPUs one pack of fits runs on each",
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


def script(kind: str, site: str, words: Sequence[str] | None = None) -> str:
    """Return a batch script with the site file in it, which needs no checkout.

    Args:
        kind: search, cluster, fit or doctor.
        words: what to run, written into the script; None: its own arguments.

    Raises:
        BadInput: kind or site is unknown.
    """
    if kind not in KINDS:
        raise BadInput(f"no script {kind!r}; known: {', '.join(KINDS)}")
    text = (HERE / f"{kind}.sbatch").read_text(encoding="utf-8")
    set_words = "" if words is None else f"set -- {shlex.join(words)}\n"
    begin = text.index("site=plain\n")
    end = text.index("\nfi\n", text.index("! -r")) + len("\nfi\n")
    text = f"{text[:begin]}{set_words}site={shlex.quote(site)}\n{text[end:]}"
    inlined = f"# the site file {site}\n{site_text(site).rstrip()}\n"
    text = re.sub(r'^source "\$site".*\n', lambda _: inlined, text, flags=re.MULTILINE)
    return text.replace(" [--site NAME_OR_FILE]", "").replace(f"slurm/{kind}.sbatch", "THIS_FILE")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A job as it will be submitted.

    Attributes:
        flags: sbatch's, each ``--name=value``.
        out: the run folder.
    """

    text: str
    flags: tuple[str, ...]
    out: Path

    @property
    def command(self) -> list[str]:
        """The sbatch command; it reads the script from its standard input."""
        logs = str((self.out / "slurm").absolute()).replace("%", "%%")
        files = [f"--output={logs}/%j.out", f"--error={logs}/%j.err"]
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
        folder = self.out / "slurm"
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"cannot make {folder}: {error.strerror}; give another --out") from error
        try:
            told = commands.ask(*self.command, text=self.text)
        except SlurmError as error:
            for path in made:
                path.rmdir()
            raise BadInput(str(error)) from None
        job = told.strip().partition(";")[0]
        place = folder / job
        own_folder(place)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(opened(place / "script.sbatch", flags), "w", encoding="utf-8") as file:
            file.write(self.text)
        return job
