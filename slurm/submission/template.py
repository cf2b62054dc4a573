"""A kind of batch script as data, and its text: the script of a clone, or one that needs none.

The script of a clone (``sbatch slurm/search.sbatch``) takes its command as arguments and reads the
site file that ``--site`` names. One that needs no clone has the site file in it, and may have the
command and the interpreter too.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from shoal.slurm import wire

COMMENT_COLUMN = 39
"""Where the comments behind sbatch's options begin."""


@dataclass(frozen=True)
class Option:
    """An option of sbatch, with what it is for.

    Attributes:
        flag: ``--name=value``.
        off: whether it is a comment, for its user to switch on.
    """

    flag: str
    meaning: str
    off: bool = False

    def line(self) -> str:
        """The line of the script."""
        sign = "##SBATCH" if self.off else "#SBATCH"
        return f"{f'{sign} {self.flag}':{COMMENT_COLUMN}}# {self.meaning}"


@dataclass(frozen=True, kw_only=True)
class Template:
    """A kind of batch script.

    Attributes:
        name: of the kind.
        options: sbatch's.
        usage: how it is called, behind its file's name and ``--site``.
        role: the part of `shoal.slurm` that runs it on all nodes (`shoal.slurm.wire`); None: its
            command runs here, in one process.
        command: words of the shell: what the role, or this process, runs.
        warned: whether SLURM warns of the time limit by SIGUSR1.
    """

    name: str
    options: tuple[Option, ...]
    usage: str
    role: str | None
    command: str
    warned: bool = False

    @property
    def file(self) -> str:
        """The script of a clone, from its top."""
        return wire.clone_script(self.name)


@dataclass(frozen=True, kw_only=True)
class Inlined:
    """What is written into a script so that it needs no clone.

    Attributes:
        site: the name of the site file.
        site_text: what stands in it.
        words: what to run; None: the script's own arguments.
        python: the interpreter to run; None: the one that the site file activates.
    """

    site: str
    site_text: str
    words: tuple[str, ...] | None = None
    python: str | None = None


def render(template: Template, inlined: Inlined | None = None) -> str:
    """Return the text of a batch script.

    Args:
        inlined: what is written into it; None: the script of a clone.
    """
    parts = (_head(template, inlined), _begin(template, inlined), _site(template, inlined))
    return "\n\n".join((*parts, _run(template, inlined))) + "\n"


THIS_FILE = "THIS_FILE"
"""What a script that needs no clone calls itself: only its user knows its name."""


def _head(template: Template, inlined: Inlined | None) -> str:
    """The options of sbatch, and how the script is called."""
    options = "\n".join(option.line() for option in template.options)
    file = f"{template.file} [--site NAME_OR_FILE]" if inlined is None else THIS_FILE
    return f"""#!/bin/bash
{options}

# sbatch {file}{template.usage}
# Options of sbatch, before the script's name, win over the lines above."""


def _begin(template: Template, inlined: Inlined | None) -> str:
    """Which site file it is, and what the script runs."""
    lines = ["set -euo pipefail"]
    if template.warned:
        lines.append(
            "trap '' USR1           # until the supervisor listens: it knows the limit too"
        )
    if inlined is None:
        lines.append(_CHOOSE_SITE)
    else:
        if inlined.words is not None:
            lines.append(f"set -- {shlex.join(inlined.words)}")
        lines.append(f"site={shlex.quote(inlined.site)}")
    return "\n".join(lines)


_CHOOSE_SITE = """\
site=plain
if [[ "${1-}" == --site ]]; then site="${2-}"; shift 2; fi
if [[ "$site" != */* && "$site" != *.sh ]]; then site="$SLURM_SUBMIT_DIR/slurm/sites/$site.sh"; fi
if [[ ! -r "$site" ]]; then
    echo "shoal: no site file $site; submit from the clone, or name one: --site FILE.sh" >&2
    exit 2
fi"""

_PREFIX = (
    f'{wire.PREFIX_VARIABLE}=""        # what a site file may set: a container to run in, as in '
    '"apptainer exec --nv IMAGE"'
)
_NETWORK = f"""\
{wire.INTERFACE_VARIABLE}=""     # the network interface between the nodes, as in ib0
export {wire.PORTS_VARIABLE}=""  # and the ports that a firewall leaves open between them, as in \
20000-20999"""


def _site(template: Template, inlined: Inlined | None) -> str:
    """The settings of the site: what is set up before anything runs."""
    settings = _PREFIX if template.role is None else f"{_PREFIX}\n{_NETWORK}"
    source = 'source "$site"'
    if inlined is not None:
        text = inlined.site_text.replace(template.file, THIS_FILE)  # as it tells how to submit
        source = f"# the site file {inlined.site}\n{text.rstrip()}"
    return f"""{settings}
# module files use variables that are not set; the line of the site file that fails ends the job
set +u
trap 'echo "shoal: site file $site failed at: $BASH_COMMAND" >&2; exit 2' ERR
{source}
trap - ERR
set -u"""


def _run(template: Template, inlined: Inlined | None) -> str:
    """The last command, which takes the place of the shell."""
    python = None if inlined is None or inlined.python is None else shlex.quote(inlined.python)
    if template.role is not None:
        options = f'--prefix "${wire.PREFIX_VARIABLE}" --interface "${wire.INTERFACE_VARIABLE}"'
        module = f"{python or 'python'} -P -m {wire.MODULE}"
        return f"exec {module} {template.role} {options} {template.command}"
    lines = []
    own = "python"
    if python is not None:
        own = '"$python"'
        lines = [
            f"python={python}",
            f'if [[ -n "${wire.PREFIX_VARIABLE}" ]]; then python=python; fi'
            "  # a container has its own",
        ]
    lines.append("# shellcheck disable=SC2086  # the prefix is several words")
    lines.append(f"exec ${wire.PREFIX_VARIABLE} {own} {template.command}")
    return "\n".join(lines)
