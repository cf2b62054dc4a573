"""The commands on run folders that are there."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

import shoal
from shoal.search.command.runs.completing import SHELLS

Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def runs(finished: Path, tmp_path: Path) -> Path:
    """A folder ``runs`` with two copies of a finished search and one that was stopped before it had
    a row, beside what is no run folder."""
    place = tmp_path / "runs"
    for name in ("one", "two"):
        shutil.copytree(finished, place / name)
    (place / "else").mkdir()
    return place


def test_run_folders_are_listed_with_their_state(runs: Path, shell: Shell) -> None:
    """Those of the working folder and of its runs/; or of the folders given; one that is damaged
    too."""
    search = (runs / "two" / "search.toml").read_text()
    (runs / "two" / "search.toml").write_text(search.replace("trials = 8", "trials = 9"))
    done = shell("list")
    head, one, two = done.stdout.splitlines()
    assert head.split() == ["run", "state", "trials", "best", "age"]
    assert one.split()[:4] == ["runs/one", "done", "8", "loss"]
    assert two.split()[:2] == ["runs/two", "damaged:"]
    assert done.returncode == 0
    assert shell("list", "runs/one").stdout.splitlines()[1].startswith("runs/one  done")
    nothing = shell("list", "runs/else")
    assert (nothing.stdout, nothing.returncode) == ("", 0)
    assert nothing.stderr == "no run folder in runs/else\n"


def test_a_run_folder_says_what_it_is(runs: Path, shell: Shell) -> None:
    """What was asked, what came of it, when, where, with what versions, its size, and what its
    tables say of themselves; as JSON too."""
    lines = {line.split()[0]: line for line in shell("show", "runs/one").stdout.splitlines()}
    assert list(lines) == ["what", "lr", "state", "best", "when", "where", "with", "size", "table"]
    assert "Good: 8 trials" in lines["what"]
    assert "done: 8 of 8 fits" in lines["state"]
    assert "torch" in lines["with"]
    assert "files, runs/one" in lines["size"]
    told = json.loads(shell("show", "runs/one", "--json").stdout)
    assert told["tables"]["trials.parquet"]["rows"] == 8
    assert told["tables"]["trials.parquet"]["asked"]["trials"] == 8
    assert told["bytes"] == sum(f.stat().st_size for f in (runs / "one").rglob("*") if f.is_file())
    assert sum(told["places"].values()) == 8


def test_searches_are_compared(runs: Path, shell: Shell) -> None:
    """What was asked otherwise, what came of each, and what they have in common."""
    shoal.run("cubic-sine", trials=4, steps=5, seed=1, out=runs / "three", engine="inline")
    done = shell("compare", "runs/one", "runs/two", "runs/three")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["runs/one", "runs/two", "runs/three"]
    told = {line.split()[0]: line.split() for line in lines[1:-2]}
    assert told["trials"] == ["trials", "8", "8", "4"]
    assert told["seed"] == ["seed", "0", "0", "1"]
    assert "steps" not in told
    assert told["fits"][1:4] == ["8", "of", "8"]
    assert lines[-2] == "runs/two: 8 fits in common, all with the same loss"
    assert lines[-1] == "runs/three: no trial in common"
    assert "give two run folders or more" in shell("compare", "runs/one").stderr


def test_a_run_folder_is_removed_and_nothing_else(runs: Path, shell: Shell) -> None:
    """Not without being told to, not what holds something else, no link, no other folder."""
    for name, line in {
        "runs/one/notes.txt": "runs/one holds what shoal has not made: notes.txt; move it away",
        "runs/one/problem/mine.py": "runs/one holds what shoal has not made: problem/mine.py; ",
        "runs/one/parts/x.parquet": "runs/one holds what shoal has not made: parts/x.parquet; ",
        "runs/one/more/a": "runs/one holds what shoal has not made: more/; move it away",
    }.items():
        file = runs.parent / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
        refused = shell("remove", "runs/two", "runs/one", "--yes")
        assert refused.returncode == 2
        assert line in refused.stderr
        file.unlink()
    (runs / "one" / "more").rmdir()
    (runs / "link").symlink_to("one")
    assert "runs/link is a link" in shell("remove", "runs/link", "--yes").stderr
    assert "runs/else is not a run folder" in shell("remove", "runs/else", "--yes").stderr
    unasked = shell("remove", "runs/one")
    assert unasked.returncode == 2
    assert "type --yes to remove without being asked" in unasked.stderr
    done = shell("remove", "runs/one", "--yes")
    assert (done.stdout, done.stderr, done.returncode) == ("removed runs/one\n", "", 0)
    assert sorted(entry.name for entry in runs.iterdir()) == ["else", "link", "two"]


def test_a_run_folder_that_is_written_is_not_removed(runs: Path, shell: Shell) -> None:
    """This process writes it."""
    from shoal.search.folder import RunFolder, Writer

    writer = Writer(RunFolder.open(runs / "one"), lambda _: None)
    try:
        refused = shell("remove", "runs/one", "--yes")
    finally:
        writer.close()
    assert refused.returncode == 2
    assert "runs/one is in use, by process" in refused.stderr
    assert shell("remove", "runs/one", "--yes").returncode == 0


@pytest.mark.parametrize(("answer", "left"), [(b"y\n", False), (b"n\n", True), (b"\n", True)])
def test_it_asks_before_it_removes(runs: Path, answer: bytes, left: bool) -> None:
    """What would go is told; anything but a yes leaves it."""
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "shoal", "remove", "runs/one"],
        cwd=runs.parent,
        stdin=writer,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    os.write(reader, answer)
    out, errors = process.communicate(timeout=240)
    os.close(reader)
    assert process.returncode == left
    assert (runs / "one").exists() == left
    assert b"runs/one: 8 of 8 fits, " in errors
    assert b"remove it? [y/N]" in errors
    assert out == (b"" if left else b"removed runs/one\n")
    assert (b"nothing was removed" in errors) == left


def test_a_search_goes_to_optuna_and_comes_back(runs: Path, shell: Shell) -> None:
    """As a file that is not there yet; what is there is told in a line, and stays."""
    for storage in ("sqlite:///x.db", "journal:x.log"):
        done = shell("export", "runs/one", "--storage", storage, "--reports", 2)
        assert done.stdout == f"8 trials in study 'one' of {storage}\n"
        again = shell("export", "runs/one", "--storage", storage)
        assert (again.returncode, again.stdout) == (2, "")
        name = storage.rpartition("/")[2].removeprefix("journal:")
        assert (
            again.stderr == f"shoal: {name} is there already; choose another name, or remove it\n"
        )
        back = shell("import", storage, "--out", f"runs/{name}")
        assert back.stdout == f"8 trials in runs/{name}\n"
        told = shell("compare", "runs/one", f"runs/{name}").stdout.splitlines()
        assert told[-1].endswith("8 fits in common, all with the same loss")
    best = shell("export", "runs/one", "--storage", "journal:b.log", "--best", 3, "--study", "top")
    assert best.stdout == "3 trials in study 'top' of journal:b.log\n"
    backend = optuna.storages.journal.JournalFileBackend(str(runs.parent / "b.log"))
    (study,) = optuna.storages.JournalStorage(backend).get_all_studies()
    assert study.study_name == "top"


def test_results_are_drawn(runs: Path, shell: Shell) -> None:
    """The curve of the best trial, and all losses over the first hyperparameter."""
    done = shell("results", "runs/one", "--plot", COLUMNS="60", PYTHONIOENCODING="utf-8")
    curve, losses = done.stdout.split("\n\n")
    assert "step, trial" in curve.splitlines()[-1]
    assert "lr" in losses.splitlines()[-1]
    assert max(map(len, done.stdout.splitlines())) <= 60


def test_excel_gets_its_own_csv(runs: Path, shell: Shell) -> None:
    """With a mark by which it knows UTF-8, and times without a zone; of a file alone."""
    assert shell("results", "runs/one", "--csv", "x.csv", "--excel").returncode == 0
    text = (runs.parent / "x.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbftrial,")
    assert re.search(rb",20\d\d-\d\d-\d\d \d\d:\d\d:\d\d,", text)
    for words in (["--excel"], ["--excel", "--csv", "-"]):
        refused = shell("results", "runs/one", *words)
        assert refused.returncode == 2
        assert "--excel is of a file; add one" in refused.stderr
    assert "leave out --json" in shell("results", "runs/one", "--plot", "--json").stderr


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("shoal show ", ["runs/one", "runs/two"]),
        ("shoal show runs/o", ["runs/one"]),
        ("shoal run ml", ["mlp", "mlp-module"]),
        ("shoal run --sampler optuna", ["optuna-tpe"]),
        ("shoal export runs/one --storage sq", ["sqlite:///"]),
        ("shoal comp", ["compare", "completion"]),
    ],
)
def test_a_shell_completes_values(runs: Path, words: str, wanted: list[str]) -> None:
    """Run folders, problems, choices, storages, commands."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv = ['shoal']\nimport shoal.__main__ as m; m.main()",
        ],
        cwd=runs.parent,
        env={
            **os.environ,
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(f"{words}|".split()) - 1),
            "_SHOAL_COMPLETE": "bash_complete",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == wanted


def test_the_text_for_a_shell_is_printed(shell: Shell) -> None:
    """For each of three; another is told in a line."""
    for name in SHELLS:
        assert f"_SHOAL_COMPLETE={name}_complete" in shell("completion", name).stdout
    done = shell("completion", "csh")
    assert (done.returncode, done.stderr) == (
        2,
        "shoal: unknown shell 'csh'; known: bash, zsh, fish\n",
    )
