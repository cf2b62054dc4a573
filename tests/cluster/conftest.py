"""The cluster that the tests of this folder share."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest


def beside(name: str) -> Any:
    """A module of this folder."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hosts, three_hosts = beside("hosts"), beside("three_hosts")
Cluster = hosts.Cluster
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def keeper() -> Iterator[Any]:
    """Three hosts, up for the session."""
    reason = three_hosts.missing()
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the tests of the cluster must run here: {reason}")
        pytest.skip(reason)
    process, facts = three_hosts.start()
    try:
        yield Cluster(facts)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(240)
        assert process.stdout is not None
        process.stdout.close()
        assert not Path(facts["folder"]).exists()


@pytest.fixture
def cluster(keeper: Any) -> Iterator[Any]:
    """Three idle hosts; afterwards no Ray is left on any, and none is drained."""
    yield keeper
    for user in ("root", "alice", "bob"):
        keeper.run("scancel", f"--user={user}")
    deadline = time.monotonic() + 240
    while set(keeper.states().values()) != {"idle"}:
        if time.monotonic() > deadline:
            states = keeper.states()
            for host in ("n1", "n2", "n3"):
                keeper.run("scontrol", "update", f"nodename={host}", "state=resume")
            raise AssertionError(f"the nodes are not idle again: {states}")
        time.sleep(0.3)
    for host in keeper.cut:  # its agent has lost the head, and would give up after minutes
        for process in [*keeper.processes(host, "ray"), *keeper.processes(host, "shoal.slurm")]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    while left := [p for h in ("n1", "n2", "n3") for p in keeper.processes(h, "ray").values()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.3)
    for host in ("n1", "n2", "n3"):
        listed = _temp_folders(keeper, host)
        while listed and host not in keeper.cut and time.monotonic() < deadline:
            time.sleep(0.3)  # what ends a cancelled job removes them last
            listed = _temp_folders(keeper, host)
        if host in keeper.cut:  # the next job tidies up after what was killed
            keeper.run("rm", "-rf", *listed, host=host)
        else:
            assert not listed, f"{host} has {listed}"
    keeper.cut.clear()


def _temp_folders(keeper: Any, host: str) -> list[str]:
    """What Ray and jobs have left in a host's /tmp."""
    listed: list[str] = keeper.run(
        "sh", "-c", "ls -d /tmp/shoaljob-* /tmp/ray", host=host
    ).stdout.split()
    return listed


@pytest.fixture
def home(keeper: Any, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder on the shared disk as a clone of the project is: what people submit from."""
    place = keeper.shared / re.sub(r"\W", "_", request.node.name)[:60]
    place.mkdir()
    shutil.copytree(ROOT / "slurm", place / "slurm")
    yield place
    print(keeper.run("squeue", "--long").stdout)  # shown where the test has failed
    for log in sorted([*place.glob("shoal-*"), *place.glob("**/node-*.log")]):
        print(f"==> {log.name}\n{log.read_text()[:3000]}")
