"""The doctor on one node."""

from __future__ import annotations

import os
import resource
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from shoal.slurm.doctor import hardware
from shoal.slurm.doctor.checks import NodeContext, examine
from shoal.slurm.doctor.doctor import look_here
from shoal.slurm.doctor.findings import BAD, GOOD, WARNING, Finding, as_line, from_line
from shoal.slurm.doctor.marker import Marker
from shoal.slurm.queue.allocation import Share

ANY = hardware.Told()
"""What torch may have told where that is not what is looked at: asking takes seconds."""


def findings(context: NodeContext, told: hardware.Told | None = ANY) -> dict[str, Finding]:
    """By the check's name."""
    return {found.check: found for found in examine(context, told)}


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
        "HOME": str(home),
        "http_proxy": "http://127.0.0.1:9",
        "TMPDIR": str(long),
        "PATH": str(tmp_path),
        "CUDA_VISIBLE_DEVICES": "",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(long))
    had = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, had[1]))
    try:
        share = Share(node="n1", cpus=4096, gpus=2, memory_bytes=0)
        found = findings(NodeContext(share=share, folder=home, towards=closed), None)
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
    assert found["compiler"].text == (
        "there is no C++ compiler (looked for $CXX, else for g++, c++ and clang++): fits run "
        "uncompiled; load a module that has one (module load GCC)"
    )


def test_the_compiler_is_tried_as_a_search_tries_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that says its version and makes nothing is found out; one that works is named."""
    plain = hardware.compiler(hardware.ask())
    assert plain.level == GOOD
    assert ", for fits as machine code" in plain.text
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\n[ $1 = --version ] && echo 'g++ (GCC) 13.3.0' && exit\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    found = hardware.compiler(hardware.ask())
    assert found.level == WARNING
    assert "fits run uncompiled" in found.text


TWO = Share(node="n1", cpus=3, gpus=2, memory_bytes=0)
SEEN = hardware.Told(build="12.6", names=["NVIDIA L40S"] * 2)


def test_gpus_that_torch_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """All, some, none; and those that torch cannot use."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert hardware.gpus(TWO, SEEN).level == GOOD
    assert hardware.gpus(TWO, SEEN).text == "torch sees 2 (NVIDIA L40S)"
    fewer = hardware.gpus(TWO, replace(SEEN, names=["NVIDIA L40S"]))
    assert (fewer.level, fewer.text[:39]) == (
        WARNING,
        "SLURM gave 2, torch sees 1 (NVIDIA L40S)"[:39],
    )
    for build, why in (("12.6", "driver is out of reach"), (None, "a build for CPUs alone")):
        none = hardware.gpus(TWO, hardware.Told(build=build))
        assert none.level == WARNING
        assert why in none.text
    old = hardware.gpus(TWO, replace(SEEN, missing=["no kernel image is available"]))
    assert (old.level, "install a build of torch" in old.text) == (BAD, True)
    dead = hardware.Told(broken="libcudart.so.12: cannot open")
    assert hardware.gpus(TWO, dead).level == BAD
    assert hardware.compiler(dead).level == WARNING
    assert hardware.gpus(None, hardware.Told()).level == GOOD


def test_parts_of_gpus_are_counted_as_slurm_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of MIG's parts a process sees one; shards are of whole GPUs that others use too."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-5c2d,MIG-77ab")
    part = replace(SEEN, names=["NVIDIA A100-SXM4-40GB MIG 3g.20gb"])
    found = hardware.gpus(TWO, part)
    assert found.level == GOOD
    assert found.text.startswith("2 parts of GPUs (MIG), a worker each; torch sees 1 (NVIDIA A100")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    shards = replace(TWO, gpus=1, gres="shard:4")
    found = hardware.gpus(shards, replace(SEEN, names=["NVIDIA L40S"]))
    assert (found.level, found.text) == (
        GOOD,
        "torch sees 1 (NVIDIA L40S), parts of them by shard:4: other jobs use them too",
    )


def test_too_few_cpus_for_a_search_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each GPU and one more; SLURM's own default is one in all."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8))
    few = hardware.cpus(replace(TWO, cpus=1))
    assert few.level == WARNING
    assert few.text == (
        "1 of SLURM's counting for 2 GPUs: a search takes one for each GPU, and one more; ask with "
        "--cpus-per-gpu=2"
    )
    assert "fits run on one at a time" in hardware.cpus(replace(TWO, cpus=1, gpus=0)).text
    assert hardware.cpus(TWO).level == GOOD
    assert hardware.cpus(replace(TWO, cpus=2, gpus=0)).level == GOOD


def test_a_range_of_ports_is_looked_at(tmp_path: Path) -> None:
    """Enough for the node's share of Ray, or told how many are free."""
    share = Share(node="n1", cpus=2, gpus=0, memory_bytes=0)
    context = NodeContext(share=share, folder=tmp_path, ports=range(28300, 28340))
    assert findings(context)["ports"].text.startswith(
        "free ones of SHOAL_PORTS=28300-28339, 11 are needed, such as "
    )
    few = findings(replace(context, ports=range(28300, 28305)))["ports"]
    assert few.level == BAD
    assert "has 5 free ports" in few.text
    assert "11 are needed" in few.text


def test_a_folder_that_cannot_be_written_and_too_little_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would stop a search."""
    plain = shutil.disk_usage
    monkeypatch.setattr(
        "shutil.disk_usage",
        lambda p: plain(p)._replace(free=1 << 20) if p == "/dev/shm" else plain(p),
    )
    found = findings(NodeContext(share=None, folder=tmp_path / "gone"))
    assert found["/dev/shm"].level == BAD
    assert found["run folder"].level == BAD
    assert "disk that all nodes see" in found["run folder"].text
    assert found["versions"].level == GOOD


def test_a_node_that_does_not_see_the_batch_hosts_disk(tmp_path: Path) -> None:
    """Found on the node by the marker, on the batch host by the node's word in it."""
    share = Share(node="n2", cpus=1, gpus=0, memory_bytes=0)
    with Marker.laid(tmp_path) as marker:
        assert marker is not None
        context = NodeContext(share=share, folder=tmp_path, marker=marker)
        assert findings(context)["run folder"].level == GOOD
        assert marker.answered("n2")
        assert not marker.answered("n3")
    gone = findings(context)["run folder"]
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
