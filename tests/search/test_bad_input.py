"""Bad input: one line on standard error, exit code 2, and nothing made or changed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import search
from search.command import main

Shoal = Callable[..., "subprocess.CompletedProcess[str]"]

GOOD = """
import torch

class Good:
    space = {"lr": "1e-3:1e-1:log"}

    def __init__(self, width=4, name="x"):
        self.width = width

    def data(self):
        return torch.linspace(0, 1, 10)

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data, l2=0.0):
        w, = params
        r = w * data - 1
        return (r * r).sum() + l2 * w * w, ((2 * r * data).sum() + 2 * l2 * w,)

class NoSpace(Good):
    space = {}

class Clash(Good):
    def loss_and_gradient(self, params, data, lr=0.0):
        return super().loss_and_gradient(params, data)

class BadSpace(Good):
    space = {"lr": "1:0"}

class OddSpace(Good):
    space = "lr"

class Wrong(Good):
    def loss_and_gradient(self, params, data, l2=0.0):
        w, = params
        r = w * data - 1
        return (r * r).sum(), ((r * data).sum(),)

class Needs(Good):
    def __init__(self, width):
        self.width = width
"""


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` and its content."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b""
        for p in sorted(folder.rglob("*"))
        if "__pycache__" not in p.parts
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder of 8 trials."""
    out = tmp_path_factory.mktemp("finished") / "done"
    search.run("cubic-sine", trials=8, steps=5, out=out, engine="inline")
    return out


@pytest.fixture
def place(tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a run folder, problems, and files that are neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    subprocess.run(["cp", "-r", finished, tmp_path / "done"], check=True)
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "raises.py").write_text("import torch\n\nraise ValueError('no\\nluck')\n")
    (tmp_path / "syntax.py").write_text("class A:\n    def f(:\n")
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "plain").mkdir()
    (tmp_path / "file").write_text("text")
    (tmp_path / "bad.toml").write_text("trials = \n")
    (tmp_path / "unknown.toml").write_text("trails = 5\n")
    (tmp_path / "word.toml").write_text('trials = "many"\n')
    (tmp_path / "space.toml").write_text("space = 3\n")
    (tmp_path / "true.toml").write_text("[space]\nlr = true\n")
    future = tmp_path / "future"
    subprocess.run(["cp", "-r", finished, future], check=True)
    toml = (future / "search.toml").read_text()
    (future / "search.toml").write_text(toml.replace("format = 1", "format = 99"))
    torn = tmp_path / "torn"
    subprocess.run(["cp", "-r", finished, torn], check=True)
    (torn / "search.toml").write_text(toml[: len(toml) // 2])
    return tmp_path


CASES = [
    # the problem
    ("run nonsense", "unknown problem 'nonsense'; known: cubic-sine, legendre-sine; or"),
    ("run cubic-sin", "did you mean cubic-sine?"),
    ("run missing.py:A", "cannot read {}/missing.py: No such file or directory"),
    ("run good.py:Missing", "good.py:Missing: there is no class Missing; it has Good, NoSpace"),
    ("run good.py", "unknown problem 'good.py'"),
    ("run no_such_module:A", "cannot import no_such_module: ModuleNotFoundError"),
    ("run raises.py:A", "{}/raises.py:3: ValueError: no"),
    ("run syntax.py:A", "{}/syntax.py:2: SyntaxError: invalid syntax"),
    ("run exits.py:A", "{}/exits.py:2: SystemExit: 3"),
    ("run good.py:Wrong", "the gradient of parameter 0 is off"),
    ("run good.py:Clash", "the problem calls a hyperparameter lr"),
    ("run good.py:BadSpace", "lr=1.0:0.0: the low end must be below the high end"),
    ("run good.py:OddSpace", "OddSpace.space must be a dict"),
    ("run good.py:Needs", "width has no value; give one, as in --space width=16"),
    # the space
    ("run --space lr", "'lr' is not NAME=VALUES, as in lr=1e-8:1e-4:log"),
    ("run --space lr=1:2 --space lr=2:3", "the space names lr twice"),
    ("run --space lr=2:1", "lr=2.0:1.0: the low end must be below the high end"),
    ("run --space lr=0:1:log", "with log the low end must be above 0"),
    ("run --space lr=-1:1:log", "with log the low end must be above 0"),
    ("run --space lr=a:b", "'a' and 'b' must be numbers; write LOW:HIGH"),
    ("run --space lr=1:2:3", "write LOW:HIGH, LOW:HIGH:log"),
    ("run --space lr=fast", "lr=fast: lr takes numbers"),
    ("run --space lr=1,fast", "choices are all numbers or all words, not both"),
    ("run --space loss=1:2", "loss is a column of the results"),
    ("run --space trial=1:2", "trial is a column of the results"),
    ("run --space speed=1:2", "unknown hyperparameter 'speed'; this problem and sgd have: rule"),
    ("run --space momentum=0:1", "unknown hyperparameter 'momentum'; this problem and sgd have"),
    ("run --space rule=newton", "unknown rule 'newton'; known: sgd, momentum, adam"),
    ("run --space rule=sgd,newton", "unknown rule 'sgd,newton'"),
    ("run good.py:Good --space width=1:2", "width changes the program, so each value makes packs"),
    ("run good.py:NoSpace", "there is nothing to search; give --space, as in lr="),
    ("run good.py:NoSpace --space l2=0:1", "lr has no value; give one"),
    # numbers
    ("run --trials 0", "trials must be at least 1, not 0"),
    ("run --trials -3", "trials must be at least 1, not -3"),
    ("run --trials many", "'many' is not a valid integer"),
    ("run --trials 1.5", "'1.5' is not a valid integer"),
    ("run --steps 0", "steps must be at least 1, not 0"),
    ("run --report 0", "report must be at least 1"),
    ("run --round 0", "round must be at least 1"),
    ("run --pack 0", "pack must be at least 1"),
    ("run --block 0", "block must be at least 1"),
    ("run --replicates 0", "replicates must be at least 1"),
    ("run --workers 0", "workers must be at least 1, not 0"),
    ("run --seed -1", "seed must be a whole number from 0 to 2147483647, not -1"),
    ("run --seed 99999999999", "seed must be a whole number from 0"),
    ("run --diverge-factor 1", "diverge_factor must be a number above 1"),
    ("run --diverge-factor nan", "diverge_factor must be a number above 1"),
    ("run --sampler best", "unknown sampler 'best'; known: tpe, qmc, random"),
    ("run --engine fast", "unknown engine 'fast'; known: auto, ray, inline"),
    ("run --engine inline --workers 2", "the inline engine has one worker; use --engine ray"),
    ("run --engine inline --address 127.0.0.1:1", "an address needs Ray"),
    # TOML
    ("run --config missing.toml", "cannot read missing.toml: No such file or directory"),
    ("run --config bad.toml", "bad.toml is not TOML"),
    ("run --config unknown.toml", "unknown setting 'trails'; known: problem, sampler, trials"),
    ("run --config word.toml", "trials must be a whole number, not 'many'"),
    ("run --config space.toml", "space must be a table of names and values, not 3"),
    ("run --config space.toml --space lr=1:2", "space must be a table"),
    ("run --config true.toml", "lr: True is no dimension"),
    # run folders
    ("run --out done --trials 9", "done holds another search (trials is 8 there, 9 asked); choose"),
    ("run --out done --space lr=1:2", "lr is '1e-08:0.0001:log' there, '1.0:2.0' asked"),
    ("run --out done --seed 1 --steps 6", "seed is 0 there, 1 asked; steps is 5 there, 6 asked"),
    ("run legendre-sine --out done", "problem is 'cubic-sine' there, 'legendre-sine' asked"),
    ("run --out plain", "plain is not a run folder: it has no search.toml"),
    ("run --out file", "file is no folder; give a run folder"),
    ("run --out file/below", "file/below"),
    ("run --out future", "future/search.toml has format 99; this version of shoal reads 1"),
    ("run --out torn", "torn/search.toml"),
    ("results missing", "missing does not exist; give a run folder"),
    ("results plain", "plain is not a run folder: it has no search.toml"),
    ("results future", "has format 99"),
    ("results done --best 0", "0 is not in the range x>=1"),
    ("results done --csv missing/rows.csv", "cannot write missing/rows.csv"),
    # one fit
    ("fit nonsense lr=1", "unknown problem 'nonsense'"),
    ("fit cubic-sine", "lr has no value; give one, as in lr=1e-6"),
    ("fit cubic-sine lr=1:2", "lr=1.0:2.0: fit takes one value; shoal run searches"),
    ("fit cubic-sine lr=a", "lr=a: lr takes a number"),
    ("fit cubic-sine lr=1e-6 momentum=1", "unknown hyperparameter 'momentum'"),
    ("fit cubic-sine legendre-sine lr=1", "one problem at a time"),
    ("fit cubic-sine lr=1e-6 rule=newton", "unknown rule 'newton'"),
    ("fit cubic-sine lr=1e-6 --steps 0", "steps must be at least 1"),
    ("fit cubic-sine lr=1e-6 lr=1e-7", "names lr twice"),
    # the command line itself
    ("nonsense", "No such command 'nonsense'"),
    ("run --nonsense", "No such option '--nonsense'"),
    ("run cubic-sine more", "unexpected extra argument"),
    ("results", "Missing argument 'FOLDER'"),
    # addresses
    ("run --address nowhere", "--address nowhere is not HOST:PORT"),
    ("run --address 127.0.0.1:0", "is not HOST:PORT"),
    ("run --address ray://127.0.0.1:1", "Ray Client is not supported; give HOST:PORT"),
    ("run --address 127.0.0.1:1", "no Ray answers at 127.0.0.1:1 (Connection refused)"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), CASES, ids=[line for line, _ in CASES])
def test_a_mistake_is_one_line_and_changes_nothing(
    place: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    """Exit code 2, the expected line and no other, and not a file made or changed."""
    before = tree(place)
    with pytest.raises(SystemExit, match="2") as caught:
        main.main(args=line.split())
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    assert err.startswith("shoal: ")
    assert err.count("\n") == 1
    assert message.format(place) in err
    assert tree(place) == before


def test_a_folder_whose_problem_has_changed_is_refused(place: Path) -> None:
    """A problem file that is not what it was when the search began, told by its hash."""
    search.run("good.py:Good", trials=2, steps=3, out="mine", engine="inline")
    (place / "good.py").write_text(GOOD.replace("10)", "11)"))
    with pytest.raises(search.BadInput, match=r"another version of good\.py:Good \(sha256"):
        search.run("good.py:Good", out="mine")
    assert len(search.run(out="mine").trials) == 2  # by itself it goes on with its own copy


def test_a_folder_that_another_process_writes_is_refused(place: Path) -> None:
    """While one process holds the folder another gets a line that names it; then it may."""
    hold = (
        "import pathlib, sys; from search.lock import Lock;"
        "Lock.take(pathlib.Path('done'), print); print('held', flush=True);"
        "sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(search.BadInput, match=f"done is being written by process {holder.pid} on"):
        search.run(out="done")
    holder.kill()
    holder.communicate()
    assert len(search.run(out="done").trials) == 8


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
    place: Path, shoal: Shoal, silent_port: int
) -> None:
    """What listens but is no Ray is told in one line, within 15 s."""
    done = shoal("run", "--address", f"127.0.0.1:{silent_port}", timeout=20)
    assert done.returncode == 2
    assert done.stderr == (
        f"shoal: what listens at 127.0.0.1:{silent_port} does not answer as a Ray\n"
    )
    assert not (place / "runs").exists()


@pytest.mark.usefixtures("one_ray")
def test_a_ray_that_refuses_our_token_is_told(place: Path, shoal: Shoal, tmp_path: Path) -> None:
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
        done = shoal("run", "--address", address, timeout=20, **environment)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (place / "runs").exists()


@pytest.mark.usefixtures("one_ray")
def test_a_running_ray_is_used_by_its_address(place: Path, shoal: Shoal) -> None:
    """RAY_ADDRESS, as ``--address``, searches on a running Ray, which goes on running."""
    address = ray.get_runtime_context().gcs_address
    small = ["run", "--trials", "32", "--steps", "5", "--out", "out", "--json"]
    done = shoal(*small, RAY_ADDRESS=address)
    assert '"engine": "ray"' in done.stdout, done.stderr
    assert len(search.load(place / "out").trials) == 32
    assert ray.cluster_resources()["CPU"] == 4


words = st.one_of(
    st.sampled_from(["--trials", "--steps", "--space", "--seed", "--out", "--pack", "--block"]),
    st.sampled_from(["lr=1e-8:1e-4:log", "lr=1:0", "0", "3", "-1", "x", "rule=adam", "cubic-sine"]),
    st.text(max_size=8),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(arguments=st.lists(words, max_size=6))
def test_no_arguments_give_a_traceback(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Whatever is typed, it is a search that ends or one line."""
    small = ["run", "--engine", "inline", "--trials", "2", "--steps", "2", "--quiet"]
    with pytest.raises(SystemExit, match=r"^(0|2)$"):
        main.main(args=[*small, *arguments])
    assert "Traceback" not in capsys.readouterr().err
    assert os.path.isdir(place)
