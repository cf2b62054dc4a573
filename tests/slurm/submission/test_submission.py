"""The batch scripts: those that lie in slurm/, and those that need no clone, of one source."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from shoal.slurm.submission.kinds import KINDS, TEMPLATES
from shoal.slurm.submission.submission import HERE, Submission, script, sites
from shoal.slurm.submission.template import render

NONE = "nowhere does not exist; give a run folder, as shoal run makes them"
GOLDEN = Path(__file__).parent / "golden"
ODD = ("run", "--out", 'runs/it\'s "ö" $HOME\n%j', "--trials", "64")
RENDERED = {
    **{f"{kind}-plain.sbatch": script(kind, "plain") for kind in KINDS},
    "search-hpc2n.sbatch": script("search", "hpc2n"),
    "search-uppmax.sbatch": script("search", "uppmax", ("run", "--trials", "4096")),
    "search-odd.sbatch": script("search", "plain", ODD),
}
SOURCES = sorted([*HERE.glob("*.sbatch"), *HERE.glob("sites/*.sh")])


@pytest.mark.parametrize("name", RENDERED)
def test_rendered_scripts_are_the_golden_ones(name: str) -> None:
    """Whole; to accept a change: SHOAL_GOLDEN=write pytest tests/slurm/submission."""
    golden = GOLDEN / name
    if os.environ.get("SHOAL_GOLDEN") == "write":
        golden.write_text(RENDERED[name], encoding="utf-8")
    assert RENDERED[name] == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_the_scripts_of_a_clone_are_the_rendered_ones(kind: str) -> None:
    """Whole; what all four share is changed once, in slurm/submission, and SHOAL_GOLDEN=write
    writes them."""
    file, text = HERE / f"{kind}.sbatch", render(TEMPLATES[kind])
    if os.environ.get("SHOAL_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_every_script_of_a_clone_has_a_template() -> None:
    """No fifth one stands aside."""
    assert {file.stem for file in HERE.glob("*.sbatch")} == set(KINDS)


def test_words_of_the_user_stay_as_they_are() -> None:
    """Also where they look like the script's own lines."""
    words = ("run", "--out", "slurm/search.sbatch", "exec python -P", "[--site NAME_OR_FILE]")
    text = script("search", "plain", words, "/my/python")
    assert f"set -- {shlex.join(words)}\n" in text
    assert "\nexec /my/python -P -m shoal.slurm supervise" in text


def test_no_golden_file_is_left_over() -> None:
    """Each is compared with something."""
    assert {file.name for file in GOLDEN.iterdir()} == {*RENDERED, "dry-run.txt"}


@pytest.mark.parametrize("name", [*RENDERED, *(str(f.relative_to(HERE)) for f in SOURCES)])
def test_scripts_are_sound(name: str, tmp_path: Path) -> None:
    """By bash and by shellcheck."""
    file = tmp_path / "script.sh"
    text = RENDERED.get(name) or (HERE / name).read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    subprocess.run(["bash", "-n", file], check=True)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    told = subprocess.run(
        [shellcheck, "--shell=bash", "--exclude=SC1090,SC1091,SC2016,SC2034", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout


def test_words_reach_the_command_as_they_are(tmp_path: Path) -> None:
    """Spaces, quotes, dollars, newlines and letters that are not ASCII."""
    fake = tmp_path / "python"
    fake.write_text('#!/bin/bash\nprintf "%s\\0" "$@"\n')
    fake.chmod(0o755)
    done = subprocess.run(
        ["bash", "-s"],
        input=RENDERED["search-odd.sbatch"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(tmp_path)},
    )
    words = done.stdout.split("\0")[:-1]
    assert words[words.index("shoal") + 1 :] == list(ODD)


def test_a_site_file_that_fails_ends_the_job_at_its_line(tmp_path: Path) -> None:
    """With what it said and the line; whatever comes after it in the file is not run."""
    site = tmp_path / "mine.sh"
    site.write_text('echo "loading ÅÄÖ" >&2\nls /no/such/module\necho after >&2\n')
    for text in (script("search", str(site)), (HERE / "search.sbatch").read_text("utf-8")):
        done = subprocess.run(
            ["bash", "-s", "--", "--site", str(site)],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(tmp_path)},
        )
        assert done.returncode == 2
        assert "loading ÅÄÖ" in done.stderr
        assert f"site file {site} failed at: ls /no/such/module" in done.stderr
        assert "after" not in done.stderr


def test_sites_are_known() -> None:
    """Those of the centres, and a plain one."""
    assert sites() == ["hpc2n", "plain", "uppmax"]


def test_a_dry_run_explains_every_flag() -> None:
    """Script and command, whole; percent signs of a folder are not SLURM's."""
    job = Submission(
        text=RENDERED["search-uppmax.sbatch"],
        flags=("--nodes=3", "--time=1:00:00", "--qos=x"),
        out=Path("/scratch/100%"),
    )
    golden = GOLDEN / "dry-run.txt"
    if os.environ.get("SHOAL_GOLDEN") == "write":
        golden.write_text(job.explained(), encoding="utf-8")
    assert job.explained() == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("submit", "--", "run"),
            "sbatch is not on this machine: go to a SLURM login node, or "
            "search on this machine: shoal run",
        ),
        (
            ("submit", "--", "fly"),
            "say run, fit, cluster or doctor after --, as in: shoal submit "
            "--nodes 2 -- run --trials 4096",
        ),
        (
            ("submit", "--site", "mars", "--", "run"),
            "no site file mars; give one of hpc2n, plain, uppmax, or the path of your own",
        ),
        (
            ("attach", "7"),
            "srun is not on this machine: go to a SLURM login node, or search on "
            "this machine: shoal run",
        ),
        (("status", "nowhere"), NONE),
        (
            ("cancel", "nowhere"),
            "scancel is not on this machine: go to a SLURM login node, or "
            "press Ctrl-C where the search runs",
        ),
        (("logs", "nowhere"), NONE),
    ],
)
def test_without_slurm_one_line_says_what_to_do(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    """Exit code 2, and nothing is made."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "shoal", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (2, f"shoal: {message}\n")
    assert not list(tmp_path.iterdir())


def test_the_parts_of_slurm_need_a_job(tmp_path: Path) -> None:
    """Called by hand, they say how to submit."""
    for part, name in (("supervise", "search"), ("doctor", "doctor")):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "shoal.slurm", part],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": str(tmp_path)},
        )
        assert done.returncode == 2
        assert f"sbatch slurm/{name}.sbatch" in done.stderr
