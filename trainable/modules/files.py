"""The user's own source files in a search, one for each module."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote_from_bytes, unquote_to_bytes

URI = "file://"
"""Heads an original's path that is not UTF-8, which TOML cannot hold as it is."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One of the user's own files, or a folder without ``__init__.py`` that is a package.

    Attributes:
        module: the dotted name by which the problem's code imports it.
        copy: its place in the run folder's ``problem/``; empty for a folder.
        original: absolute path where it lay when the search began.
        sha256: of its bytes, in hexadecimal; empty for a folder.
    """

    module: str
    copy: str
    original: str
    sha256: str

    @classmethod
    def of(cls, module: str, original: Path, content: bytes | None, package: bool) -> File:
        """Return the entry of a module's file, or of a folder that is a package (no content)."""
        copy = ""
        if content is not None:
            suffix = original.name[original.name.find(".", 1) :]  # .py, .cpython-311-….so, .pyc
            suffix = ".py" if suffix.endswith(".py") else suffix
            stem = module.replace(".", "/")
            copy = f"{stem}/__init__{suffix}" if package else f"{stem}{suffix}"
        return cls(
            module=module,
            copy=copy,
            original=str(original),
            sha256="" if content is None else hashlib.sha256(content).hexdigest(),
        )

    @property
    def package(self) -> bool:
        """Whether it is a package."""
        return not self.copy or PurePosixPath(self.copy).name.startswith("__init__.")

    @property
    def top(self) -> Path:
        """The folder from which it is imported."""
        above = Path(self.original).parents
        return above[min(self.module.count(".") + bool(self.package and self.copy), len(above) - 1)]

    def as_dict(self) -> dict[str, str]:
        """Plain values, as TOML has them."""
        plain = {"module": self.module, "original": path_written(self.original)}
        return plain | ({"copy": self.copy, "sha256": self.sha256} if self.copy else {})

    @classmethod
    def from_dict(cls, plain: Mapping[str, str]) -> File:
        """The inverse of `as_dict`.

        Raises:
            ValueError: it is none, or its copy would lie outside of ``problem/``.
        """
        if not all(isinstance(plain.get(name, ""), str) for name in plain):
            raise TypeError("module, copy, original and sha256 of a file are text")
        if not plain["module"] or not plain["original"]:
            raise ValueError("a file has a module and an original")
        copy = PurePosixPath(plain.get("copy", ""))
        if copy.is_absolute() or ".." in copy.parts or "\0" in str(copy):
            raise ValueError(f"{str(copy)!r} is no place of a copy")
        return cls(
            module=plain["module"],
            copy=plain.get("copy", ""),
            original=path_read(plain["original"]),
            sha256=plain.get("sha256", ""),
        )


def digest(files: Sequence[File]) -> str:
    """Return the sha256 of the names and contents of files, wherever they are.

    Of one file it is that of its bytes.
    """
    if len(files) == 1:
        return files[0].sha256
    lines = sorted(f"{file.sha256} {file.module} {file.copy}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def is_utf8(text: str) -> bool:
    """Whether a path or a name can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def path_written(path: str) -> str:
    """Return a path as TOML can hold it."""
    return path if is_utf8(path) else URI + quote_from_bytes(os.fsencode(path))


def path_read(text: str) -> str:
    """The inverse of `path_written`."""
    return os.fsdecode(unquote_to_bytes(text[len(URI) :])) if text.startswith(URI) else text
