"""Arrays, jobs of several parts, and scripts for an environment that nobody activates."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shoal.search.command.main import main
from shoal.slurm.errors import BadInput
from shoal.slurm.queue.tasks import filled_words, own_job, task_in
from shoal.slurm.submission.submission import Submission, script

Stand = Callable[..., Path]
TASK = {"SLURM_JOB_ID": "21", "SLURM_ARRAY_JOB_ID": "19", "SLURM_ARRAY_TASK_ID": "2"}


def shell(*words: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, list(words))


def test_a_tasks_number_stands_in_out_and_seed_alone() -> None:
    """However they are written; elsewhere the mark is the user's own, and outside an array it is
    refused with what to type."""
    words = ["run", "a{task}", "--out", "x/{task}/{task}", "--seed={task}", "--space", "{task}=1"]
    told = ["run", "a{task}", "--out", "x/2/2", "--seed=2", "--space", "{task}=1"]
    assert filled_words(words, TASK) == told
    assert filled_words(["run", "--out", "x"], {}) == ["run", "--out", "x"]
    with pytest.raises(BadInput, match=r"\{task\} in x-\{task\} .* no array job.* --array=0-9"):
        filled_words(["run", "--out", "x-{task}"], {"SLURM_JOB_ID": "7"})


def test_a_process_knows_its_job_and_its_task() -> None:
    """A plain job, a task, none, and one of several parts, which is refused."""
    assert own_job({"SLURM_JOB_ID": "7"}) == ("7", "7")
    assert own_job(TASK) == ("21", "19_2")
    with pytest.raises(BadInput, match=r"submit it: sbatch slurm/search\.sbatch run"):
        own_job({})
    for name in ("SLURM_HET_SIZE", "SLURM_PACK_SIZE"):
        with pytest.raises(BadInput, match=r"job 7 is heterogeneous.*nodes of one kind"):
            own_job({"SLURM_JOB_ID": "7", name: "2"})


@pytest.mark.parametrize(
    ("job", "pattern", "path", "found"),
    [
        ("19", "/x", "/x", "19"),
        ("19", "/x", "/y", None),
        ("19_[0-3%2]", "/x-{task}", "/x-3", "19_3"),
        ("19_2", "/x-{task}", "/x-2", "19_2"),
        ("19_2", "/x-{task}", "/x-3", None),
        ("19_[0-3]", "/a+{task}/b-{task}", "/a+1/b-1", "19_1"),
        ("19_[0-3]", "/a{task}/b-{task}", "/a1/b-2", None),
        ("19_[0-3]", "/x-{task}", "/x-y", None),
    ],
)
def test_a_folder_names_its_task(job: str, pattern: str, path: str, found: str | None) -> None:
    """Of those that wait together, and of those that have begun."""
    assert task_in(job, pattern, path) == found


SQUEUE = r"""
one() { printf '\036%s\037%s\037None\0371:00\0371\037batch\037%s\037search.sbatch run %s\n' "$@"; }
one 8 COMPLETED "$HERE" "--out runs/x-1"
one 19_0 RUNNING "$HERE" ""
one 19_1 RUNNING "$HERE" "--out runs/x-{task}"
one '19_[2-9]' PENDING "$HERE" "--out runs/x-{task}"
"""


def test_status_and_cancel_know_the_tasks_of_an_array(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the job folder of a task that has begun, by the command of one that waits; a task is
    cancelled without its siblings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HERE", str(tmp_path))
    stand_in("squeue", SQUEUE)
    stand_in("sinfo", "echo n1 idle")
    stand_in("scontrol", 'echo "JobId=21 StdOut=$HERE/a.out"; echo "   StdErr=$HERE/a.err"')
    scancel = stand_in("scancel", "")
    (tmp_path / "runs/job-19_0/slurm/19_0").mkdir(parents=True)
    (tmp_path / "a.out").write_text("task 0 says\n")
    (tmp_path / "a.err").write_text("")
    for folder, job, state in (
        ("runs/job-19_0", "19_0", "running"),
        ("runs/x-1", "19_1", "running"),
        ("runs/x-7", "19_7", "pending"),
    ):
        told = shell("status", folder)
        assert f"job     {job}: {state}, 1:00 left" in told.stdout, told.output
        done = shell("cancel", folder)
        assert f"job {job} is cancelled" in done.stdout, done.output
    assert scancel.read_text() == "19_0\n19_1\n19_7\n"
    assert shell("logs", "runs/job-19_0").stdout == "task 0 says\n"


def test_an_array_is_submitted_with_a_folder_for_each_task(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its output is beside them, since SLURM makes no folders; an array with one folder for all,
    and a number without an array, are refused with nothing made."""
    monkeypatch.chdir(tmp_path)
    sbatch = stand_in("sbatch", "cat > /dev/null; echo 19")
    stand_in("squeue", "")
    array = "--sbatch=--array=0-3"
    for words, message in (
        ((array, "--", "run", "--out", "runs/x"), "a run folder of its own: --out runs/x-{task}"),
        (("--", "run", "--out", "runs/x-{task}"), "submit one by --sbatch=--array=0-9"),
        (("--", "run", "--seed={task}"), "submit one by --sbatch=--array=0-9"),
        (("--sbatch=:", "--", "run"), "submit a job for each"),
    ):
        told = shell("submit", *words)
        assert (told.exit_code, told.stderr.count("\n")) == (2, 1), told.output
        assert message in told.stderr
    assert sbatch.read_text() == ""
    assert not (tmp_path / "runs").exists()
    for out in (("--out", "runs/x-{task}/y"), ()):
        told = shell("submit", array, "--", "run", *out, "--seed", "{task}")
        assert told.exit_code == 0, told.output
        assert f"--output={tmp_path}/runs/shoal-%A_%a.out" in sbatch.read_text().splitlines()[-1]
    (kept,) = (tmp_path / "runs").iterdir()
    assert "--seed '{task}' --out 'runs/search-" in kept.read_text()


def test_too_many_gpus_for_one_host_say_what_to_write(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--gpus`` is of all hosts; where SLURM refuses it for one, the line says so."""
    monkeypatch.chdir(tmp_path)
    stand_in(
        "sbatch", 'echo "sbatch: error: Requested node configuration is not available" >&2\nexit 1'
    )
    for flags in (("--gpus=4",), ("--sbatch=--gpus=4",)):
        told = shell("submit", *flags, "--", "run", "--out", "runs/x")
        assert told.exit_code == 2
        assert "--gpus=4 is of all hosts together: say how many by --nodes N, or" in told.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("kind", ["search", "cluster", "fit", "doctor"])
def test_a_wheel_that_is_not_activated_runs_by_its_own_interpreter(
    kind: str, tmp_path: Path, stand_in: Stand
) -> None:
    """Wherever ``python`` on PATH is another; in a container it is the container's."""
    own = tmp_path / "my env" / "python"
    own.parent.mkdir()
    own.write_text('#!/bin/sh\necho "own $@"\n')
    own.chmod(0o755)
    stand_in("python", 'echo "stranger $@"')
    stand_in("apptainer", 'echo "inside $@"')
    site = tmp_path / "site.sh"

    def run(text: str) -> str:
        return subprocess.run(
            ["bash", "-s"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(tmp_path)},
        ).stdout

    site.write_text("true\n")
    text = script(kind, str(site), ("lr=1",), str(own))
    assert run(text).startswith("own -P -m ")
    shellcheck = Path(sys.executable).with_name("shellcheck")
    file = tmp_path / "script.sh"
    file.write_text(text)
    subprocess.run([shellcheck, "--shell=bash", "--exclude=SC2034,SC2154", file], check=True)
    site.write_text('SHOAL_PREFIX="apptainer exec"\n')
    said = run(script(kind, str(site), ("lr=1",), str(own)))
    assert said.startswith("inside exec python" if kind == "fit" else "own -P -m shoal.slurm")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("fit", "lr=1e-6", "--seed", "3"), "set -- lr=1e-6 --seed 3"),
        (("cluster",), "slurm supervise"),
    ],
)
def test_a_fit_and_a_cluster_can_be_submitted(
    words: Sequence[str],
    line: str,
    tmp_path: Path,
    stand_in: Stand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They have no run folder: their output is where the script says."""
    monkeypatch.chdir(tmp_path)
    sbatch = stand_in("sbatch", f'cat > "{tmp_path}/taken"; echo 7')
    stand_in("squeue", "")
    told = shell("submit", "--time=1:00", "--", *words)
    assert told.exit_code == 0, told.output
    assert "it writes shoal-7.out and shoal-7.err" in told.stdout
    assert sbatch.read_text() == "--parsable --nodes=1 --time=1:00\n"
    assert line in (tmp_path / "taken").read_text()
    assert sys.executable in (tmp_path / "taken").read_text()
    assert Submission(text="", flags=(), out=None).place is None
