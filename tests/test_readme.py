"""README.md and docs/: commands and Python, word by word, in the order in which they stand; links.

CONTRIBUTING.md's example is followed in a copy of the project. `make` commands are what `.ci/run`
runs.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy
import pandas
import pytest
import torch
from safetensors.torch import load_file

import shoal

Commands = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).parent.parent
SETTINGS, RESULTS = ROOT / "docs/settings.md", ROOT / "docs/results.md"
PAGES = [
    ROOT / "README.md",
    SETTINGS,
    ROOT / "docs/problem.md",
    RESULTS,
    *sorted(set(ROOT.glob("docs/*.md")) - {SETTINGS, ROOT / "docs/problem.md", RESULTS}),
]
"""In the order in which their commands run."""

LINKING = [*PAGES, *(ROOT / f"{name}.md" for name in ("CONTRIBUTING", "SECURITY", "CHANGELOG"))]

FLOOR = 8.817165410
LARGEST_STABLE = 3.5579469e-6


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of code of a page in some language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)


NAMED = re.compile(r"# (\S+\.py)\n")
"""Begins a block that is a whole file."""

MORE = re.compile(r"class \w+:\n")
"""Begins a block with more members of a class."""


def steps(page: Path) -> list[tuple[str, str]]:
    """The blocks of Python and of commands of a page, each with its language, in their order."""
    text = page.read_text("utf-8")
    return re.findall(r"```(python|console)\n(.*?)```", text, flags=re.DOTALL)


def written(block: str, folder: Path, classes: dict[str, Path]) -> Path | None:
    """Write a block of Python that belongs to a file; return the file.

    One whose first line names a file is that file. One that begins with a class has members of the
    class that ends a file before it: added at its end, they replace those of the same name.

    Args:
        classes: the line of each class that ends a file, and the file; what is written is added.
    """
    if named := NAMED.match(block):
        file = folder / named[1]
        file.write_text(block.partition("\n")[2], encoding="utf-8")
        for last in re.findall(r"^class .*\n", block, flags=re.MULTILINE)[-1:]:
            classes[last] = file
        return file
    if more := MORE.match(block):
        assert more[0] in classes, f"members of no class: {block}"
        file = classes[more[0]]
        text = file.read_text("utf-8")
        file.write_text(f"{text}\n{block.partition(more[0])[2]}", encoding="utf-8")
        return file
    return None


def scripts(page: Path) -> list[str]:
    """The blocks of Python that belong to no file."""
    return [
        block for block in blocks(page, "python") if not (NAMED.match(block) or MORE.match(block))
    ]


@pytest.fixture(scope="module")
def printed(
    tmp_path_factory: pytest.TempPathFactory, commands: Commands
) -> tuple[Path, dict[str, str]]:
    """The folder in which all commands of the pages ran, and what each printed.

    The first is a new process, by a shell; what else is a plain ``shoal`` command is forked.
    """
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", folder / "examples")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said: dict[str, str] = {}
    for page in PAGES:
        classes: dict[str, Path] = {}
        for language, block in steps(page):
            if language == "python":
                written(block, folder, classes)
                continue
            for command in (line.removeprefix("$ ") for line in block.splitlines()):
                assert command not in said, f"{page.name} repeats a command: {command}"
                words = shlex.split(command)
                if words[0] == "shoal" and said:
                    done = commands(words[1:], folder, timeout=300)
                else:
                    done = subprocess.run(
                        command,
                        shell=True,
                        cwd=folder,
                        env={**os.environ, "PATH": path},
                        capture_output=True,
                        text=True,
                        check=False,
                        timeout=300,
                    )
                assert done.returncode == 0, f"{page.name}: {command}\n{done.stderr}"
                said[command] = done.stdout + done.stderr
    return folder, said


@pytest.mark.long
def test_the_default_search_finds_the_best_learning_rate(
    printed: tuple[Path, dict[str, str]],
) -> None:
    """The first command: 1,024 trials, the floor, and where the time went. Ray Tune has all trials
    too."""
    folder, said = printed
    text = said["shoal run --out runs/first"]
    trials = pandas.read_parquet(folder / "runs" / "first" / "trials.parquet")
    assert trials["trial"].tolist() == list(range(1024))
    best = trials.loc[trials["loss"].idxmin()]
    assert FLOOR * (1 - 1e-6) < best["loss"] <= 8.8172
    assert best["lr"] < LARGEST_STABLE
    assert set(trials["state"]) == {"complete", "diverged"}
    assert 'pandas.read_parquet("runs/first/trials.parquet")' in text
    (spent,) = re.findall(r"^time +(.*)$", text, re.MULTILINE)
    parts = [int(percent) for percent in re.findall(r"(\d+)%", spent)]
    assert sum(parts) == pytest.approx(100, abs=4)
    (ray,) = (shlex.split(command) for command in said if "--engine ray" in command)
    whole = pandas.read_parquet(folder / ray[ray.index("--out") + 1] / "trials.parquet")
    assert len(whole) == int(ray[ray.index("--trials") + 1])
    for chatter in ("ray::", "WARNING", "Warning", "Trial ", "View detailed"):
        assert chatter not in text
    assert not list((folder / "runs" / "first" / "parts").iterdir())


@pytest.mark.long
def test_the_problem_of_the_readme_is_chosen_by_validation(
    printed: tuple[Path, dict[str, str]],
) -> None:
    """Its best penalty is inside its range; what is saved, kept and predicted are one model's."""
    folder, said = printed
    result = shoal.load(folder / "runs" / "linear")
    assert 0.05 < result.best["l2"] < 0.5
    assert result.best["validation_loss"] < 1.2
    lines = said["shoal results runs/linear --best 5"].splitlines()
    assert lines[0].split()[:3] == ["trial", "validation_loss", "loss"]
    assert "bit for bit" in said["shoal fit runs/linear --trial best --save best.safetensors"]
    w = load_file(folder / "best.safetensors")["w"]
    assert torch.equal(w, result.parameters("best")["w"])
    predicted = pandas.read_csv(folder / "predicted.csv")["prediction"]
    assert predicted.tolist() == pytest.approx(w[:2].tolist())


@pytest.mark.long
def test_the_steps_of_a_problem_end_as_the_page_says(printed: tuple[Path, dict[str, str]]) -> None:
    """The smallest penalty has the lowest loss, validation chooses another one, and what is
    fitted predicts sines."""
    folder, said = printed
    three, validated, worst, early, patient, folds = (
        shoal.load(folder / "runs" / name)
        for name in ("three", "validated", "worst", "early", "patient", "folds")
    )
    assert three.best["l2"] == 0
    assert 0.7 < validated.best["l2"] < 2.8
    assert (str(validated.objective), str(worst.objective)) == ("validation_loss:min", "worst:min")
    assert validated.metrics == ("validation_loss", "worst")
    assert "bit for bit" in said["shoal fit runs/scaled --trial best --save cubic.safetensors"]
    held = load_file(folder / "cubic.safetensors")
    assert set(held) == {*"abcd", "prepared/mean", "prepared/std"}
    x, y = (pandas.read_csv(folder / name).iloc[:, 0] for name in ("points.csv", "sines.csv"))
    assert numpy.abs(y - numpy.sin(x)).max() < 0.5
    assert "best_step" in early.trials
    complete = patient.trials[patient.trials["state"] == "complete"]
    assert (complete["steps"] < early.trials["steps"].max()).any()
    assert set(folds.trials["fold"]) == set(range(5))
    assert folds.best["accuracy"] > 0.96


@pytest.mark.long
def test_the_steps_to_the_net_end_as_the_page_says(printed: tuple[Path, dict[str, str]]) -> None:
    """Each search finds a net that tells validation rows; what it fits tells those to test."""
    folder, said = printed
    digits, batches, net, noisy, cosine, blurred = (
        shoal.load(folder / "runs" / name)
        for name in ("digits", "batches", "net", "noisy", "cosine", "blurred")
    )
    for result in (digits, batches, net, noisy, cosine, blurred):
        assert result.best["accuracy"] > 0.9
        assert set(result.trials["state"]) == {"complete"}
    assert set(digits.trials["steps"]) == {10 * 9}  # 1,077 rows, of which the last batch has 53
    of_a_batch = batches.trials.groupby("batch")["steps"].unique()
    assert {size: steps.tolist() for size, steps in of_a_batch.items()} == {64: [85], 256: [25]}
    assert noisy.trials["sigma"].nunique() == 8
    assert set(cosine.trials["schedule"]) == {"constant", "cosine"}
    for command in ("python tested.py", "python examples/digits.py runs/blurred"):
        right = re.fullmatch(r"right: (0\.\d+) of 360 test rows\n", said[command])
        assert right is not None
        assert float(right[1]) > 0.9


@pytest.mark.long
def test_going_on_with_a_finished_search_repeats_nothing(
    printed: tuple[Path, dict[str, str]],
) -> None:
    """The command that goes on with a finished search finds nothing to do, and says so."""
    assert "nothing was left to do" in printed[1]["shoal run --out runs/mine"]


@pytest.mark.long
def test_the_python_of_the_pages_runs(printed: tuple[Path, dict[str, str]]) -> None:
    """What is no file and no part of one runs as one script a page."""
    steering = ROOT / "docs/steering.md"
    assert {page for page in PAGES if scripts(page)} == {RESULTS, steering}
    script = printed[0] / "steering.py"
    script.write_text("\n".join(scripts(steering)), encoding="utf-8")
    subprocess.run([sys.executable, script], cwd=printed[0], check=True, timeout=300)
    script = printed[0] / "page.py"
    known = (
        "assert len(trials) == 256 and len(result.curves) and again.same is True\n"
        "assert len(fit.curve) == 4 and fit.metrics['accuracy'] > 0.9"
    )
    script.write_text("\n".join([*scripts(RESULTS), known]), encoding="utf-8")
    subprocess.run([sys.executable, script], cwd=printed[0], check=True, timeout=300)


@pytest.mark.long
def test_the_example_script_runs(printed: tuple[Path, dict[str, str]]) -> None:
    """examples/learning_rate.py prints the best learning rate of its search."""
    done = subprocess.run(
        [sys.executable, "examples/learning_rate.py"],
        cwd=printed[0],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    best = re.search(r"best learning rate: (\S+)", done.stdout)
    assert best is not None
    assert float(best[1]) < LARGEST_STABLE
    assert "128 trials in the study" in done.stdout


@pytest.mark.long
def test_the_columns_are_those_of_the_table(printed: tuple[Path, dict[str, str]]) -> None:
    """Every column of the results stands in the table of docs/results.md, and no other."""
    text = RESULTS.read_text("utf-8")
    table = text.partition("| column of `trials` | |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", re.sub(r"\| [^|]*\|$", "|", table, flags=re.MULTILINE)))
    found = [
        set(pandas.read_parquet(printed[0] / "runs" / run / "trials.parquet"))
        for run in ("first", "folds", "early")
    ]
    assert named == set.union(*found) - {"lr", "l2", "validation_loss", "accuracy"}
    assert found[1] ^ found[2] == {"fold", "best_step"}


def test_the_options_are_those_of_the_help() -> None:
    """Every option of ``shoal run`` stands in the tables of docs/settings.md once, and no other."""
    help_ = subprocess.run(
        [sys.executable, "-m", "shoal", "run", "--help"], capture_output=True, text=True, check=True
    ).stdout
    given = re.findall(r"^  (?:-\w, )?(--[\w-]+)", help_, flags=re.MULTILINE)
    rows = re.findall(r"^\| `(--[\w-]+)", SETTINGS.read_text("utf-8"), flags=re.MULTILINE)
    assert sorted(rows) == sorted(given)


def test_every_variable_of_the_code_is_documented() -> None:
    """What the code reads of the environment, and every SHOAL_ name, is in docs/environment.md."""
    read = set()
    for file in (f for part in ("search", "trainable", "slurm") for f in (ROOT / part).rglob("*")):
        if file.suffix in (".sbatch", ".sh"):
            read |= set(re.findall(r"\bSHOAL_\w+", file.read_text("utf-8")))
        elif file.suffix == ".py":
            tree = ast.parse(file.read_text("utf-8"))
            texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
            pattern = (
                r"(SHOAL|SLURM)_[A-Z]+(_[A-Z]+)*|CXX|NO_COLOR|TMPDIR|HOME|RAY_AUTH_\w+|\w+_HOME"
            )
            read |= {t for t in texts if isinstance(t, str) and re.fullmatch(pattern, t)}
            read |= set(re.findall(r"environ(?:\.get\(|\[)\"(\w+)\"", file.read_text("utf-8")))
    kept = (ROOT / "slurm/node/variables.py").read_text("utf-8")
    kept_alone = set(re.findall(r'"(SLURM\w+)"', kept.partition("KEPT = (")[2].partition(")")[0]))
    text = (ROOT / "docs/environment.md").read_text("utf-8")
    named = set(re.findall(r"\b[A-Z][A-Z_]+\b", text))
    assert {"SHOAL_CACHE", "SHOAL_PORTS", "SLURM_JOB_ID", "CXX"} <= read
    assert read - kept_alone <= named
    assert {name for name in named if name.startswith("SHOAL_")} <= read


def heading(line: str) -> str:
    """The anchor that a heading gets where pages are shown."""
    return re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Files and folders of the project, and headings in them."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert there.is_relative_to(ROOT.resolve()), target
        if anchor:
            found = re.findall(r"^#+ (.*)$", there.read_text("utf-8"), flags=re.MULTILINE)
            assert anchor in map(heading, found), target


def test_every_page_is_reached_from_the_index() -> None:
    """docs/index.md links each page beside it."""
    text = (ROOT / "docs/index.md").read_text("utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert page.name == "index.md" or f"]({page.name})" in text


def test_the_rooms_of_the_architecture_are_those_of_the_code() -> None:
    """Every folder of the code stands in docs/architecture.md's tables, and no other."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    for part in ("search", "trainable", "slurm"):
        table = text.partition(f"\n| {part}/ | purpose |\n")[2].partition("\n\n")[0]
        names = {name for row in table.splitlines() for name in re.findall(r"`([\w/]+)`", row)}
        folders = {
            f"{file.parent.relative_to(ROOT / part)}/"
            for file in ROOT.glob(f"{part}/**/__init__.py")
        }
        for folder in folders - {"./"}:
            assert folder in names or f"{Path(folder).name}/" in names, folder
        for name in names:
            file = ROOT / part / name
            assert (
                file.is_dir()
                or file.with_suffix(".py").is_file()
                or list(ROOT.glob(f"{part}/*/{name}"))
            ), name


@pytest.mark.long
def test_the_optimizer_of_contributing_is_added_as_it_says(tmp_path: Path) -> None:
    """Followed word by word in a copy of the project: its tests pass, and a search uses it. The
    tests of the other optimizers run where they stand."""
    page = ROOT / "CONTRIBUTING.md"
    for name in ("search", "trainable", "slurm", "src", "tests/trainable"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=ignored)
    (block,) = (block for block in blocks(page, "python") if NAMED.match(block))
    made = written(block, tmp_path, {})
    assert made == tmp_path / "trainable/optimizers/methods/adadelta.py"
    (diff,) = blocks(page, "diff")
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "src"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CEILING_DIRECTORIES": str(tmp_path.parent),
    }
    subprocess.run(["git", "apply", "-"], input=diff, text=True, cwd=tmp_path, check=True)
    text = page.read_text("utf-8")
    (commands,) = re.findall(r"```\n(python -m pytest .*?)```", text, flags=re.DOTALL)
    for command in commands.splitlines():
        words = command.replace("shoal run", "python -m shoal run")
        words = words.replace(
            "pytest tests",
            "pytest -k adadelta -p no:cacheprovider --import-mode=importlib tests",
        )
        done = subprocess.run(
            words,
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    trials = pandas.read_parquet(tmp_path / "runs" / "adadelta" / "trials.parquet")
    assert set(trials["optimizer"]) == {"adadelta"}
    assert "complete" in set(trials["state"])
