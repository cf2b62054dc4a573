"""Which compiler is used, and what it is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from shoal.trainable.compiling.compiler import command, compiler, identity
from shoal.trainable.errors import CompileError


def tool(folder: Path, name: str, then: str) -> Path:
    """An executable."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{then}\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, ["g++"]),
        ("", ["g++"]),
        ("  ", ["g++"]),
        ("clang++", ["clang++"]),
        ("ccache g++ -m64", ["ccache", "g++", "-m64"]),
        ("'g++' \"-O1 \"", ["g++", "-O1 "]),
        ("no-such-c++", []),
        ("g++ 'open", []),
    ],
)
def test_cxx_is_split_as_a_shell_does_and_empty_means_the_usual_ones(
    given: str | None, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is named and not there is none."""
    for name in ("g++", "c++", "clang++", "ccache"):
        tool(tmp_path, name, "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    if given is not None:
        monkeypatch.setenv("CXX", given)
    words = tuple([str(tmp_path / found[0]), *found[1:]] if found else [])
    assert command() == words
    assert (compiler() is None) == (not found)


@pytest.mark.parametrize("there", [["g++", "c++", "clang++"], ["c++", "clang++"], ["clang++"], []])
def test_the_first_of_the_usual_ones_is_used(
    there: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """g++, then c++, then clang++."""
    for name in there:
        tool(tmp_path, name, "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    words = tuple([str(tmp_path / there[0])] if there else [])
    assert command() == words


def test_the_identity_depends_on_version_and_options_and_on_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same compiler by another name, in another folder or through a wrapper is the same."""
    line = "(Debian 12.2.0-14) 12.2.0"
    same = [
        str(tool(tmp_path / "a", "g++", f"echo 'g++ {line}'; echo more")),
        str(tool(tmp_path / "b", "c++", f"echo 'c++ {line}'")),
        str(tool(tmp_path / "b", "x86_64-linux-gnu-g++-12", f'echo "$(basename $0) {line}"')),
        f"{tool(tmp_path / 'c', 'ccache', 'exec $@')} {tmp_path}/a/g++",
    ]
    other = [
        f"{same[0]} -m64",
        f"{same[0]} -O1",
        str(tool(tmp_path / "d", "g++", "echo 'g++ (Debian 12.2.0-14) 12.3.0'")),
        str(tool(tmp_path / "d", "clang++", "echo 'Debian clang version 14.0.6'")),
    ]
    names = []
    for words in [*same, *other]:
        monkeypatch.setenv("CXX", words)
        names.append(identity())
    assert set(names[:4]) == {f"g++ {line}"}
    assert len(set(names)) == 5
    assert f"g++ {line} -m64" in names


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ("exit 1", "says nothing"),
        ("true", "says nothing"),
        ("kill -9 $$", "says nothing"),
        ("sleep 100", "does not end"),
    ],
)
def test_a_compiler_that_does_not_say_what_it_is_cannot_be_used(
    then: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line."""
    module = sys.modules["shoal.trainable.compiling.compiler"]  # the face has a function so named
    monkeypatch.setattr(module, "VERSION_SECONDS", 0.3)
    monkeypatch.setenv("CXX", str(tool(tmp_path, "g++", f"[ -n x ] && exec sh -c '{then}'")))
    with pytest.raises(CompileError, match=why):
        identity()


def test_this_machine_has_one() -> None:
    """Without which none of the tests of kernels could run."""
    assert os.path.basename(command()[0]).endswith("++")
    assert identity()
