"""Addresses of a running Ray: used, or refused in one line within seconds."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import ray

import shoal
from shoal.search.engines.ray_tune.cluster import connected
from shoal.search.errors import EngineError

Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def accept() -> None:
            kept = []
            server.settimeout(0.1)
            while not stop.is_set():
                try:
                    kept.append(server.accept()[0])
                except TimeoutError:
                    continue
            for connection in kept:
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join()


def test_a_port_that_is_no_ray_is_told_within_seconds(
    tmp_path: Path, shell: Shell, silent_port: int
) -> None:
    """What listens but is no Ray is told in one line, within 15 s."""
    done = shell("run", "--address", f"127.0.0.1:{silent_port}", timeout=120)
    assert done.returncode == 2
    assert done.stderr == (
        f"shoal: what listens at 127.0.0.1:{silent_port} does not answer as a Ray\n"
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
@pytest.mark.usefixtures("one_ray")
def test_a_ray_that_refuses_our_token_is_told(shell: Shell, tmp_path: Path) -> None:
    """A running Ray whose token we lack, or have wrong: one line, exit code 2, no folder."""
    address = ray.get_runtime_context().gcs_address
    wrong = tmp_path / "token"
    wrong.write_text("ab" * 32)
    missing = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "no-token")}
    for environment, message in (
        ({"RAY_AUTH_MODE": "disabled"}, f"the Ray at {address} refuses our token; set"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(wrong)}, "refuses our token"),
        (missing, "no-token (RAY_AUTH_TOKEN_PATH) cannot be read"),
    ):
        done = shell("run", "--address", address, timeout=120, **environment)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
@pytest.mark.usefixtures("one_ray")
def test_a_running_ray_is_used_by_its_address(tmp_path: Path, shell: Shell) -> None:
    """RAY_ADDRESS, as ``--address``, searches on a running Ray, which goes on running."""
    address = ray.get_runtime_context().gcs_address
    small = ["run", "--trials", "32", "--steps", "5", "--out", "out", "--json"]
    done = shell(*small, RAY_ADDRESS=address)
    assert '"engine": "ray"' in done.stdout, done.stderr
    assert len(shoal.load(tmp_path / "out").trials) == 32
    assert ray.cluster_resources()["CPU"] == 4


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize("times", [1, 3])
def test_a_ray_that_came_too_late_is_started_again(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its disk is warm then; after the third time the search ends with Ray's words."""
    start, failed = ray.init, []

    def late(*words: object, **named: object) -> object:
        if len(failed) < times:
            failed.append(named)
            raise Exception("The current node timed out during startup. This could happen")
        return start(*words, **named)

    monkeypatch.setattr(ray, "init", late)
    with ExitStack() as stack:
        if times == 3:
            stack.enter_context(pytest.raises(EngineError, match=r"^Ray did not start: The curr"))
        stack.enter_context(connected(None, 1, 0))
        assert ray.cluster_resources()["CPU"] == 1
    assert len(failed) == times


@pytest.mark.usefixtures("no_ray")
def test_a_ray_that_cannot_start_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no matter of time comes at once."""
    failed = []

    def broken(**named: object) -> None:
        failed.append(named)
        raise ValueError("no such resource")

    monkeypatch.setattr(ray, "init", broken)
    with pytest.raises(EngineError, match="no such resource"), connected(None, 1, 0):
        pass
    assert len(failed) == 1
