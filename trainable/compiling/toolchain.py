"""The C++ compiler, and what machine code depends on.

    CXX unset or empty      the first of g++, c++, clang++ that is on PATH
    CXX="ccache g++ -m64"   these words, split as a shell does; no other is looked for

Its identity is the first line of ``--version`` and the options among its words, whatever path it is
called by: what machine code may be taken for another's of.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

from shoal.trainable.errors import CompileError

USUAL = ("g++", "c++", "clang++")

VERSION_SECONDS = 30.0
"""How long a compiler may take to tell its version: on a cold network disk it is slow."""

NONE = "there is no C++ compiler (looked for $CXX, else for g++, c++ and clang++)"


def command() -> tuple[str, ...]:
    """Return the words that call the compiler; none: there is none."""
    return _command(os.environ.get("CXX", ""), os.environ.get("PATH", os.defpath))


def compiler() -> str | None:
    """The C++ compiler that would be used, as a shell takes it, if there is one."""
    return shlex.join(command()) or None


def identity() -> str:
    """Return which compiler it is, as in ``g++ (Debian 12.2.0-14) 12.2.0``, and its options.

    Raises:
        CompileError: there is none, or it does not say.
    """
    words = command()
    if not words:
        raise CompileError(NONE)
    return _identity(words, os.environ.get("PATH", os.defpath))


def is_gnu(compiler: str) -> bool:
    """Whether an identity is that of a GNU compiler."""
    return compiler.startswith("g++ ")


def _command(given: str, path: str) -> tuple[str, ...]:
    try:
        words = shlex.split(given)
    except ValueError:  # a quotation mark is not closed
        return ()
    for first in words[:1] or USUAL:
        found = shutil.which(os.path.expanduser(first), path=path)
        if found is not None:
            return (found, *words[1:])
    return ()


@cache
def _identity(words: tuple[str, ...], path: str) -> str:
    asked = [*words, "--version"]
    try:
        told = subprocess.run(
            asked,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_SECONDS,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise CompileError(f"{shlex.join(asked)} does not end") from None
    except OSError as error:
        raise CompileError(f"{shlex.join(asked)} does not run ({error.strerror})") from error
    lines = told.stdout.decode(errors="replace").split("\n")
    line = " ".join("".join(c for c in lines[0] if c.isprintable()).split())
    if told.returncode != 0 or not line:
        raise CompileError(f"{shlex.join(asked)} says nothing (exit code {told.returncode})")
    name, _, rest = line.partition(" ")
    if "++" in name and rest.startswith("("):  # GNU's tell by which name they were called
        line = f"g++ {rest}"
    first_option = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    return " ".join([line, *words[first_option:]])


@cache
def processor() -> str:
    """What machine code depends on: the architecture, the model and its instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "Features", "CPU part")
    found = dict.fromkeys(line for line in lines if line.startswith(wanted))
    return f"{platform.machine()} {' '.join(found)}"
