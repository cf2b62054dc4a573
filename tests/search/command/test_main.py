"""The command line, as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

import shoal
from shoal.search.command.main import main

Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.long
def test_json_is_one_object_and_nothing_else(shell: Shell, tmp_path: Path) -> None:
    """``--json`` prints one object on standard output; its seconds sum to the wall time. What
    matters is told all the same: how many workers stand idle, and what to type. A temp folder whose
    path is too long for sockets, a home folder that is not there and a proxy do not matter."""
    long = tmp_path / ("x" * 100)
    long.mkdir()
    odd = {"TMPDIR": str(long), "HOME": "/nonexistent", "http_proxy": "http://127.0.0.1:9"}
    before = set(Path("/tmp").glob("shoal-*"))
    began = time.monotonic()
    done = shell(
        "run",
        "--trials",
        40,
        "--steps",
        20,
        "--out",
        "out",
        "--json",
        "--engine",
        "ray",
        "--workers",
        3,
        "--pack",
        8,
        "--round",
        8,
        **odd,
    )
    new = set(Path("/tmp").glob("shoal-*")) - before  # others may be at work beside this test
    assert [f for f in new if not Path("/proc", f.name.split("-")[1]).exists()] == []
    wall = time.monotonic() - began
    told = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    idle = (
        "1 of 3 workers will stand idle: there is work for 2 at a time; "
        "a smaller --pack than 8 or a larger --round than 8 helps"
    )
    assert done.stderr.splitlines() == told["notes"]
    assert told["notes"][0] == idle  # on a busy machine it says besides that workers are late
    assert told["states"]["complete"] + told["states"]["diverged"] == 40
    assert (told["fresh"], told["engine"], told["folder"]) == (40, "ray", "out")
    assert 0.5 * wall < sum(told["seconds"].values()) < wall
    assert set(told["seconds"]) == {
        "start-up",
        "sampling",
        "fitting",
        "Ray Tune",
        "run folder",
        "waiting",
    }
    again = json.loads(shell("run", "--out", "out", "--json").stdout)
    assert again["fresh"] == 0
    assert again["best"] == told["best"]


def test_quiet_is_silent_on_standard_error(shell: Shell) -> None:
    """``--quiet`` leaves the result and nothing else."""
    done = shell("run", "--trials", 16, "--steps", 5, "--quiet")
    assert done.stderr == ""
    assert done.stdout.startswith("best ")


def test_the_line_under_the_best_fits_it_again(shell: Shell, tmp_path: Path) -> None:
    """What it says is typed as it stands."""
    done = shell("run", "--trials", 8, "--steps", 5, "--out", "my runs/out", "--quiet")
    best, refit, *_ = done.stdout.splitlines()
    assert best.startswith("best    loss ")
    words = shlex.split(refit.removeprefix("refit   shoal "))
    again = shell(*words)
    assert again.returncode == 0, again.stderr
    assert "the same numbers, bit for bit" in again.stdout
    assert (tmp_path / "best.safetensors").is_file()


def test_a_terminal_sees_a_live_line(tmp_path: Path) -> None:
    """On a terminal one line changes in place: trials, best loss, rate, time left."""
    reader, writer = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "shoal",
        "run",
        "--trials",
        "96",
        "--program",
        "eager",
        "--out",
        "out",
    ]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=writer, env=environment
    )
    os.close(writer)
    seen = b""
    while chunk := _read(reader):
        seen += chunk
    os.close(reader)
    assert process.stdout is not None
    process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0
    text = seen.decode()
    assert re.search(
        r"\d+/96 trials, best loss [\d.e+]+ at lr [\d.e-]+, [\d,.]+ fits/(s|min)", text
    )
    assert "\x1b[2K" in text  # the line is erased and written anew


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 65536)
    except OSError:  # the other end of a terminal was closed
        return b""


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_ctrl_c_ends_with_a_line_and_the_same_command_goes_on(
    shell: Shell, tmp_path: Path, same_table: Callable[[Path, Path], None], engine: str
) -> None:
    """SIGINT in mid-search: one line, exit code 130, rows kept, no process left; then the table of
    a search that was never stopped."""
    arguments = [
        "run",
        "--trials",
        "96",
        "--steps",
        "1500",
        "--pack",
        "8",
        "--round",
        "16",
        "--sampler",
        "random",
        "--engine",
        engine,
        "--program",
        "eager",
        "--out",
        "out",
        "--quiet",
    ]
    command = [sys.executable, "-m", "shoal", *arguments]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    parts = tmp_path / "out" / "parts"
    while process.poll() is None and not list(parts.glob("r*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors
    assert processes_with(f"shoal-{process.pid}-") == []
    assert re.fullmatch(
        r"(no worker has started in .*\n)?"  # a busy machine
        r"interrupted: saving what is in flight; Ctrl-C again: at once\n"
        r"shoal: interrupted(, fits of \d workers? saved)?; shoal run --out out goes on\n",
        errors,
    )
    kept = len(shoal.load(tmp_path / "out").trials)
    assert 8 <= kept < 96
    done = shell("run", "--out", "out", "--engine", "inline", "--json")
    assert json.loads(done.stdout)["fresh"] == 96 - kept
    assert not list((tmp_path / "out" / "packs").iterdir())
    shoal.run(
        trials=96,
        steps=1500,
        pack=8,
        round=16,
        sampler="random",
        out=tmp_path / "whole",
        engine="inline",
        program="eager",
    )
    same_table(tmp_path / "whole", tmp_path / "out")


def processes_with(text: str) -> list[str]:
    """Command lines of live processes that have `text` in them."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if text in line:
            found.append(line)
    return found


def test_results_are_a_table_csv_and_json(shell: Shell, tmp_path: Path) -> None:
    """``shoal results``: a table of the best, or all rows as CSV and JSON."""
    shell("run", "--trials", 20, "--steps", 20, "--out", "out")
    table = shell("results", "out", "--best", 3).stdout.splitlines()
    assert table[0].split()[:3] == ["trial", "loss", "lr"]
    assert len(table) == 5
    assert table[-1] == "3 of 20 trials, out"
    trials = shoal.load(tmp_path / "out").trials
    assert int(table[1].split()[0]) == trials.loc[trials["loss"].idxmin(), "trial"]
    rows = json.loads(shell("results", "out", "--json").stdout)
    assert [row["trial"] for row in rows] == list(range(20))
    assert rows[0]["lr"] == trials["lr"][0]
    assert {row["loss"] for row in rows if row["state"] == "diverged"} == {None}
    assert shell("results", "out", "--csv", "rows.csv").returncode == 0
    written = pandas.read_csv(tmp_path / "rows.csv")
    assert written["loss"].tolist() == trials["loss"].tolist()
    assert len(shell("results", "out", "--best", 4, "--csv", "-").stdout.splitlines()) == 5


def test_fit_prints_what_the_course_prints(shell: Shell) -> None:
    """``shoal fit``: the loss every 100 steps and the polynomial, to 1e-5 of the course's."""
    lines = shell("fit", "cubic-sine", "lr=1e-6", "--seed", 0).stdout.splitlines()
    assert [int(line.split()[0]) for line in lines[:-1]] == list(range(99, 2000, 100))
    assert float(lines[-2].split()[1]) == pytest.approx(12.286677, rel=1e-5)
    assert re.fullmatch(r"Result: y = \S+ \+ \S+ x \+ \S+ x\^2 \+ \S+ x\^3", lines[-1])


@pytest.mark.parametrize(("seed", "loss"), [(1, 9.294828), (42, 9.045998), (1234, 8.922332)])
def test_one_fit_has_the_printed_loss_of_each_seed(seed: int, loss: float) -> None:
    """The loss at step 1999 with learning rate 1e-6, to 1e-5 of what the course's script prints."""
    curve = shoal.fit("cubic-sine", lr=1e-6, seed=seed).curve
    assert curve["step"].iloc[-1] == 1999
    assert curve["loss"].iloc[-1] == pytest.approx(loss, rel=1e-5)


def test_a_fit_that_diverges_says_so(shell: Shell) -> None:
    """A learning rate that is too high: the losses, then one line and exit code 1."""
    done = shell("fit", "lr=1e-4")
    assert done.returncode == 1
    assert done.stderr == "shoal: the fit diverged by step 100; try a smaller lr\n"


def test_printed_losses_stand_in_the_curves_of_a_search(shell: Shell, tmp_path: Path) -> None:
    """A lane of a search has the course's printed losses too, among other lanes."""
    shell("run", "--space", "lr=1e-7,1e-6,2e-6", "--trials", 12, "--replicates", 2, "--out", "out")
    result = shoal.load(tmp_path / "out")
    lanes = result.trials[result.trials["lr"] == 1e-6]
    assert len(lanes) >= 2
    curves = result.curves.set_index(["trial", "replicate", "step"])["loss"]
    for trial in lanes["trial"].unique():
        assert curves[trial, 0, 1999] == pytest.approx(12.286677, rel=1e-5)
        assert curves[trial, 1, 1999] == pytest.approx(9.294828, rel=1e-5)


def test_config_is_read_and_the_command_line_wins(shell: Shell, tmp_path: Path) -> None:
    """``--config``: the same settings from TOML, also a search.toml of another search."""
    (tmp_path / "search.toml").write_text(
        'problem = "legendre-sine"\ntrials = 6\nsteps = 30\n'
        '[space]\nlr = "1e-6:1e-5:log"\noptimizer = ["sgd", "adam"]\n'
    )
    assert shell("run", "--config", "search.toml", "--trials", 5, "--out", "a").returncode == 0
    one = shoal.load(tmp_path / "a")
    assert len(one.trials) == 5
    assert set(one.trials["optimizer"]) <= {"sgd", "adam"}
    assert shell("run", "--config", "a/search.toml", "--out", "b").returncode == 0
    two = shoal.load(tmp_path / "b").trials
    assert two["loss"].tolist() == one.trials["loss"].tolist()


def test_help_loads_nothing_heavy() -> None:
    """``shoal --help`` imports neither torch nor ray, pandas or optuna."""
    code = (
        "import sys\nfrom shoal.search.command.main import main\n"
        "try:\n    main(['run', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'ray', 'pandas', 'optuna', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "NAME=VALUES" in done.stdout


def test_help_names_each_command_once_in_a_line_of_its_own(shell: Shell) -> None:
    """By what they are for, none cut, in a terminal of 60 columns too."""
    done = shell("--help", COLUMNS="60")
    commands = done.stdout.partition("Search:\n")[2]
    told = re.findall(r"^  ([a-z]+) +\S", commands, re.MULTILINE)
    assert sorted(told) == sorted(main.commands)
    assert "..." not in commands
    assert max(map(len, commands.splitlines())) <= 60
