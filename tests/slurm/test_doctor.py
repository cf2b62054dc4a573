"""The doctor on one node."""

from __future__ import annotations

import os
import resource
import shutil
import socket
from pathlib import Path

import pytest

from slurm.allocation import Share
from slurm.checks import BAD, GOOD, WARNING, Bed, Finding, as_line, examine, from_line
from slurm.doctor import look_here
from slurm.marker import Marker


def findings(bed: Bed) -> dict[str, Finding]:
    """By the check's name."""
    return {found.check: found for found in examine(bed)}


def test_a_sound_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a check, and nothing is left in the folder."""
    (tmp_path / "runs").mkdir()
    assert look_here(tmp_path / "runs" / "new") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == socket.gethostname()
    assert len(lines) == 15
    assert not any(line.startswith("  bad") for line in lines)
    assert not list((tmp_path / "runs").iterdir())


def test_what_is_wrong_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More CPUs and GPUs than there are, a closed port, a small home, a long TMPDIR, a token, a
    proxy, no compiler, few files."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{probe.getsockname()[1]}"
    home = tmp_path / "home"
    long = tmp_path / ("t" * 120)
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text("secret")
    long.mkdir()
    for name, value in {
        "HOME": str(home), "http_proxy": "http://127.0.0.1:9", "TMPDIR": str(long),
        "PATH": str(tmp_path), "CUDA_VISIBLE_DEVICES": "",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(long))
    had = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, had[1]))
    try:
        share = Share(node="n1", cpus=4096, gpus=2, memory=0)
        found = findings(Bed(share=share, folder=home, towards=closed))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, had)
    levels = {name: one.level for name, one in found.items()}
    assert levels["route"] == BAD
    assert [levels[n] for n in ("CPUs", "GPUs", "home", "open files", "compiler")] == [WARNING] * 5
    assert "too long for sockets" in found["temp folder"].text
    assert "auth_token is there, and not used" in found["token"].text
    assert "secret" not in found["token"].text
    assert "http_proxy" in found["proxies"].text
    assert "ulimit -n" in found["open files"].text


def test_a_folder_that_cannot_be_written_and_too_little_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would stop a search."""
    plain = shutil.disk_usage
    monkeypatch.setattr(
        "shutil.disk_usage",
        lambda p: plain(p)._replace(free=1 << 20) if p == "/dev/shm" else plain(p),
    )
    found = findings(Bed(share=None, folder=tmp_path / "gone"))
    assert found["/dev/shm"].level == BAD
    assert found["run folder"].level == BAD
    assert "disk that all nodes see" in found["run folder"].text
    assert found["versions"].level == GOOD


def test_a_node_that_does_not_see_the_batch_hosts_disk(tmp_path: Path) -> None:
    """Found on the node by the marker, on the batch host by the node's word in it."""
    share = Share(node="n2", cpus=1, gpus=0, memory=0)
    with Marker.laid(tmp_path) as marker:
        assert marker is not None
        bed = Bed(share=share, folder=tmp_path, marker=marker)
        assert findings(bed)["run folder"].level == GOOD
        assert marker.answered("n2")
        assert not marker.answered("n3")
    gone = findings(bed)["run folder"]
    assert gone.level == BAD
    assert gone.text.startswith(f"n2 does not see {tmp_path}: give an --out on a disk that all")
    assert not list(tmp_path.iterdir())
    with Marker.laid(tmp_path / "nowhere") as none:
        assert none is None


def test_findings_travel_as_one_line() -> None:
    """There and back."""
    one = [Finding(check="CPUs", level=GOOD, text="8 å\n9")]
    assert "\n" not in as_line(one)
    assert from_line(as_line(one)) == one
    assert os.linesep not in as_line(one)
