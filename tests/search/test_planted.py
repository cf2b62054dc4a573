"""Links, pipes and other odd things in a run folder: one line, at once, no file of others changed."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import search
from search.command import main

SECONDS = 20.0
"""A command that waits for a pipe would never end; one that does not takes a moment."""

FILES = ("search.toml", "digests.json", "trials.parquet", "curves.parquet", "environment.json",
         "problem/good.py")  # fmt: skip
FOLDERS = ("parts", "packs", ".lock", "problem")
PART = "parts/r000000-p000000.0123456789abcdef.parquet"


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of which a part was left unmerged, and is missing some rows."""
    place = tmp_path_factory.mktemp("half")
    problem = place / "good.py"
    problem.write_text(
        "import torch\n\nclass Good:\n    space = {'lr': '1e-3:1e-1:log'}\n\n"
        "    def data(self):\n        return torch.linspace(0, 1, 10)\n\n"
        "    def initial(self, seed):\n        return (torch.ones(()),)\n\n"
        "    def loss_and_gradient(self, params, data):\n"
        "        r = params[0] * data - 1\n"
        "        return (r * r).sum(), ((2 * r * data).sum(),)\n"
    )
    search.run(
        f"{problem}:Good", trials=8, steps=5, out=place / "out", engine="inline", program="eager"
    )
    return place / "out"


@pytest.fixture
def out(half: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, ``out`` in the folder stood in, beside a stranger's files."""
    monkeypatch.chdir(tmp_path)
    theirs = Path("theirs")
    theirs.mkdir()
    (theirs / "000001").mkdir()
    for name in ("000001/owner.json", "resnet-50.pt", "beat", "new-folder", "gone-1", ".a-b.pt.c"):
        (theirs / name).write_text("theirs")
    (theirs / f"{'0' * 24}-000000.pt").write_text("theirs")
    return Path(shutil.copytree(half, "out"))


def everything(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {str(f): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def clear(path: Path) -> None:
    """Remove what is there."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def link(path: Path) -> None:
    """A link to what was there, moved to a stranger."""
    target = Path("theirs", path.name)
    if path.exists():
        path.rename(target)
    path.symlink_to(target.absolute())


def pipe(path: Path) -> None:
    """A pipe that nobody writes."""
    clear(path)
    os.mkfifo(path)


def plug(path: Path) -> None:
    """A socket."""
    clear(path)
    before = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as it:
            it.bind(path.name)
    finally:
        os.chdir(before)


def device(path: Path) -> None:
    """A device without end."""
    clear(path)
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("making a device needs root")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """The exit code of a command, and what it says."""
    began = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        main.main(args=list(words))
    assert time.monotonic() - began < SECONDS
    return str(ended.value.code), capsys.readouterr().err


PLANTED: dict[str, tuple[Callable[[Path], None], str]] = {
    "link": (link, "it is a symbolic link"),
    "pipe": (pipe, "it is a pipe"),
    "socket": (plug, "it is a socket"),
    "device": (device, "it is a device"),
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("name", [*FILES, *FOLDERS, PART])
def test_what_is_no_file_of_ours_is_refused_in_one_line(
    out: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str
) -> None:
    """Reading and going on; a stranger's files stay as they are, whatever they are called."""
    plant, what = PLANTED[kind]
    plant(out / name)
    before = everything(Path("theirs"))
    for command in (["results", "out"], ["run", "--out", "out", "--engine", "inline"]):
        code, line = said(capsys, *command)
        if command[0] == "results" and not line:  # it reads none of these
            assert name in ("packs", ".lock", "environment.json", "problem", "problem/good.py")
            continue
        assert code == "1", line
        assert line.count("\n") == 1
        assert name.rpartition("/")[2] in line
        assert name == "environment.json" or what in line
    assert everything(Path("theirs")) == before
