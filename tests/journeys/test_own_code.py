"""The user's own code under a search: hashed, copied, and run as it was when the search began."""

from __future__ import annotations

import importlib
import os
import pwd
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.search.command.main import main
from shoal.search.folder.placing import create
from shoal.search.folder.reader import RunFolder
from shoal.search.preparation import resuming
from shoal.search.preparation.preparation import prepare
from shoal.search.request.asked import Asked

Shell = Callable[..., "subprocess.CompletedProcess[str]"]

PROBLEM = """
import pathlib

import torch

import helper
from tools import shapes


class P:
    space = {"lr": "1e-3:1e-1:log"}

    def data(self):
        import lazy

        number = float((pathlib.Path(__file__).parent / "number.txt").read_text())
        return torch.linspace(0, lazy.END, 10) * number

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - helper.TARGET
        return shapes.total(r * r), (shapes.total(2 * r * data),)
"""

FILES = {
    "prob.py": PROBLEM,
    "helper.py": "TARGET = 1.0\n",
    "lazy.py": "END = 1.0\n",
    "tools/__init__.py": "",
    "tools/shapes.py": "from .sums import total\n",
    "tools/sums.py": "def total(x):\n    return x.sum()\n",
    "tools/unused.py": "",
    "stranger.py": "raise SystemExit('nobody has imported this')\n",
    "number.txt": "1.0",
}

COPIES = [
    "helper.py",
    "lazy.py",
    "prob.py",
    "tools/__init__.py",
    "tools/shapes.py",
    "tools/sums.py",
]

SMALL: dict[str, Any] = {"trials": 8, "steps": 5, "engine": "inline"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a problem of several files."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path


def begun(out: str = "out", **asked: Any) -> Path:
    """A run folder in which nothing is done yet."""
    given = {"problem": "prob.py:P", "trials": 8, "steps": 5, **asked}
    prepared = prepare(Asked.of(given), None)
    create(Path(out), prepared.request, prepared.source)
    prepared.source.release()
    return Path(out)


def loss(out: Path | str = "out") -> float:
    """The loss of a finished search's first trial."""
    return float(shoal.load(out).trials["loss"][0])


def copies(out: Path) -> list[str]:
    """The files in its ``problem/``."""
    found = [file for file in (out / "problem").rglob("*") if file.is_file()]
    return sorted(str(file.relative_to(out / "problem")) for file in found)


@pytest.mark.parametrize("problem", ["prob.py:P", "prob:P"])
def test_all_that_a_problem_imports_goes_with_the_folder_and_nothing_else(
    place: Path, problem: str
) -> None:
    """Copies byte for byte, with which a search goes on where the files are gone."""
    shoal.run(problem, **SMALL, out="whole")
    out = begun(problem=problem)
    assert copies(out) == COPIES
    assert {name: (out / "problem" / name).read_text() for name in COPIES} == {
        name: FILES[name] for name in COPIES
    }
    for name in COPIES:  # the data beside them stay
        (place / name).unlink()
    shoal.run(out=out, engine="inline")
    assert loss(out) == loss("whole")


@pytest.mark.long
def test_workers_of_ray_run_the_copies(place: Path, one_ray: None) -> None:
    """Other processes, whose ``sys.path`` has the folder with files that have changed since."""
    shoal.run("prob.py:P", **SMALL, out="whole")
    out = begun()
    for name in COPIES:
        (place / name).write_text("raise SystemExit('not the copy')\n")
    shoal.run(out=out, engine="ray", workers=2)
    assert loss(out) == loss("whole")


@pytest.mark.parametrize("name", [name for name in COPIES if name != "tools/__init__.py"])
def test_going_on_with_another_version_of_any_file_is_refused_with_its_name(
    place: Path, name: str
) -> None:
    """Where the problem is named again; without its name, the copies go on."""
    out = begun()
    (place / name).write_text(FILES[name] + "# another version\n")
    with pytest.raises(shoal.BadInput, match=rf"^out was made with another .* now: .*/{name}\)"):
        shoal.run("prob.py:P", **SMALL, out=out)
    (place / name).unlink()
    with pytest.raises(shoal.BadInput, match=rf", gone now: .*/{name}\)"):
        shoal.run("prob.py:P", **SMALL, out=out)
    assert not shoal.load(out).ended
    shoal.run(out=out, engine="inline")


def test_a_project_that_was_moved_goes_on_by_the_same_words(place: Path) -> None:
    """Named from its new place, the files there are compared."""
    project = place / "project"
    project.mkdir()
    for name in FILES:
        (project / name).parent.mkdir(exist_ok=True)
        (place / name).rename(project / name)
    os.chdir(project)
    begun()
    os.chdir(place)
    project.rename("moved")
    os.chdir("moved")
    Path("helper.py").write_text("TARGET = 2.0\n")
    with pytest.raises(shoal.BadInput, match=r"another version of .*/moved/helper\.py\)"):
        shoal.run("prob.py:P", **SMALL, out="out")
    Path("helper.py").write_text(FILES["helper.py"])
    shoal.run("prob.py:P", **SMALL, out="out")  # with the data that lie there now
    assert shoal.load("out").states()["complete"] == 8


def _problems() -> set[str]:
    """The modules of problems that are loaded in this process."""
    return {name for name in sys.modules if name.startswith("shoal_problem")}


@pytest.mark.parametrize("problem", ["prob.py:P", "prob:P"])
def test_each_search_of_a_process_runs_what_is_on_disk_when_it_begins(
    place: Path, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    """As in a notebook: edit the helper, run again. The notebook's own module stays."""
    before = _problems()
    monkeypatch.syspath_prepend(str(place))
    own = importlib.import_module("helper")
    losses, sources, path = [], [], list(sys.path)
    for target in ("1.0", "2.0", "1.0"):
        (place / "helper.py").write_text(f"TARGET = {target}\n")
        out = Path(f"out{len(losses)}")
        shoal.run(problem, **SMALL, out=out)
        assert (out / "problem" / "helper.py").read_text() == f"TARGET = {target}\n"
        losses.append(loss(out))
        sources.append(RunFolder.open(out).request.source)
    assert losses[0] == losses[2] != losses[1]
    assert sources[0] == sources[2] != sources[1]
    assert importlib.import_module("helper") is own
    assert sys.path == path
    assert _problems() == before
    del sys.modules["helper"]


def test_searches_at_the_same_time_need_the_same_version(place: Path) -> None:
    """With another one the second is refused, and makes nothing; with the same one both run."""
    go = threading.Event()

    class Waits(shoal.Observer):
        """Holds its search at the first rows."""

        def rows(self, table: Any) -> None:
            go.wait()

    threads = [
        threading.Thread(
            target=lambda i=i: shoal.run("prob.py:P", **SMALL, out=f"out{i}", observers=[Waits()])
        )
        for i in range(2)
    ]
    for thread in threads:
        thread.start()
    while not all((place / f"out{i}" / "environment.json").exists() for i in range(2)):
        pass
    (place / "helper.py").write_text("TARGET = 2.0\n")
    with pytest.raises(shoal.BadInput, match=r"has another version of .*/helper\.py; wait for"):
        shoal.run("prob.py:P", **SMALL, out="other")
    assert not Path("other").exists()
    go.set()
    for thread in threads:
        thread.join()
    assert loss("out0") == loss("out1")
    shoal.run("prob.py:P", **SMALL, out="other")
    assert loss("other") != loss("out0")


@pytest.mark.parametrize("name", COPIES)
def test_nothing_runs_of_a_folder_whose_copies_are_not_what_was_written(
    place: Path, shell: Shell, name: str
) -> None:
    """Exit code 1 and the file's name; the copy that was put there is not executed."""
    out = begun()
    copy = out / "problem" / name
    for text in ("open('executed', 'w')\n", None):
        copy.write_text(text) if text else copy.unlink()
        ran = shell("run", "--out", out, "--engine", "inline")
        assert ran.returncode == 1
        assert ran.stderr.count("\n") == 1
        assert f"{copy}" in ran.stderr
        assert not Path("executed").exists()
        assert not shoal.load(out).ended


def test_nothing_runs_of_a_finished_folder(place: Path, shell: Shell) -> None:
    """Its rows are there; the problem that has an effect when it is loaded has none."""
    (place / "prob.py").write_text("open('executed', 'w').close()\n" + PROBLEM)
    shoal.run("prob.py:P", **SMALL, out="out")
    (place / "executed").unlink()
    for words in (
        ["run", "--out", "out"],
        ["run", "prob.py:P", "--out", "out"],
        ["results", "out"],
    ):
        ran = shell(*words)
        assert ran.returncode == 0, ran.stderr
    shoal.load("out").best  # noqa: B018  # a property that reads
    shoal.run(out="out")
    assert not (place / "executed").exists()


@pytest.fixture
def other_user() -> pwd.struct_passwd:
    """Another user of this machine."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    return pwd.getpwnam("nobody")


@pytest.mark.parametrize("what", ["the folder", "problem", "problem/helper.py", "search.toml"])
def test_the_code_of_another_user_runs_only_if_you_say_so(
    place: Path, capsys: pytest.CaptureFixture[str], other_user: pwd.struct_passwd, what: str
) -> None:
    """Exit code 2, whose it is and what to type, and nothing changed; with trust it runs."""
    out = begun()
    given = out if what == "the folder" else out / what
    os.chown(given, other_user.pw_uid, other_user.pw_gid)
    before = sorted(out.rglob("*"))
    for words in ([], ["prob.py:P", "--trials", "8", "--steps", "5"]):
        with pytest.raises(SystemExit, match="2"):
            main.main(args=["run", *words, "--out", "out", "--engine", "inline"])
        told = capsys.readouterr().err
        assert told.startswith("shoal: out would run code of user nobody as user root (")
        assert told.count("\n") == 1
        assert "--trust" in told
    assert sorted(out.rglob("*")) == before
    assert not shoal.load(out).ended
    shutil.copytree(out, "again")
    os.chown(Path("again", given.relative_to(out)), other_user.pw_uid, other_user.pw_gid)
    with pytest.raises(shoal.BadInput, match=r"code of user nobody .* \(in Python trust=True\)"):
        shoal.run(out="again", engine="inline")
    shoal.run(out="again", engine="inline", trust=True)
    with pytest.raises(SystemExit, match="0"):
        main.main(args=["run", "--out", "out", "--engine", "inline", "--trust"])
    assert loss(out) == loss("again")
    shoal.run(out=out)  # it is finished: no code runs


def test_code_that_anybody_may_have_written_runs_only_if_you_say_so(place: Path) -> None:
    """A copy, or a folder of copies, that is open to all."""
    out = begun()
    (out / "problem" / "tools").chmod(0o777)
    with pytest.raises(shoal.BadInput, match=r"\(out/problem/tools is open to all\); look at"):
        shoal.run(out=out, engine="inline")
    (out / "problem" / "tools").chmod(0o775)
    shoal.run(out=out, engine="inline")


def test_a_folder_of_another_user_without_code_needs_no_trust(
    place: Path, other_user: pwd.struct_passwd
) -> None:
    """A problem of shoal's own is not the folder's."""
    out = begun(problem="cubic-sine")
    os.chown(out, other_user.pw_uid, other_user.pw_gid)
    shoal.run(out=out, engine="inline")


def test_a_failed_fit_shows_the_lines_that_ran(place: Path) -> None:
    """The traceback in ``errors.log``, though the file has been edited since."""
    out = begun()
    for name in ("tools/sums.py", "helper.py"):
        (place / name).write_text("# edited\n" * 9)
    (place / "number.txt").write_text("no number")
    (place / "prob.py").write_text("# edited\n" * 40)
    with pytest.raises(shoal.SearchFailed, match="could not convert string to float"):
        shoal.run(out=out, engine="inline")
    log = (out / "errors.log").read_text()
    assert f'File "{place}/prob.py", line 16, in data' in log
    assert "number = float((pathlib.Path(__file__)" in log
    assert "# edited" not in log


TO_ITS_OWN = "import os\nos.chdir(os.path.dirname(__file__))\n"
LATER = "        import lazy, os\n        os.chdir(os.path.dirname(__file__))\n"

CHANGES: dict[str, Callable[[str], str]] = {
    "when it is loaded": lambda text: TO_ITS_OWN + text,
    "by a relative path": lambda text: "import os\nos.chdir('project')\n" + text,
    "in data": lambda text: text.replace("        import lazy\n", LATER),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_problem_may_move_to_its_own_folder(place: Path, shell: Shell, change: str) -> None:
    """The run folder is where it was asked for, from where the user stood; so is going on."""
    project = place / "project"
    project.mkdir()
    for name in FILES:
        (project / name).parent.mkdir(exist_ok=True)
        (place / name).rename(project / name)
    beside = '(pathlib.Path(__file__).parent / "number.txt")'
    text = PROBLEM.replace(beside, 'pathlib.Path("number.txt")')
    (project / "prob.py").write_text(CHANGES[change](text))
    words = ["--trials", 8, "--steps", 5, "--engine", "inline", "--workers", 1]
    ran = shell("run", "project/prob.py:P", *words, "--out", "runs/a")
    assert ran.returncode == 0, ran.stderr
    prepared = prepare(Asked.of({"problem": "project/prob.py:P", "trials": 8, "steps": 5}), None)
    os.chdir(place)
    create(Path("runs/b"), prepared.request, prepared.source)
    prepared.source.release()
    ran = shell("run", "--out", "runs/b", "--engine", "inline")
    assert ran.returncode == 0, ran.stderr
    found = sorted(str(file.relative_to(place)) for file in place.rglob("search.toml"))
    assert found == ["runs/a/search.toml", "runs/b/search.toml"]
    assert loss("runs/a") == loss("runs/b")
    shoal.run("project/prob.py:P", **SMALL, out="runs/c")
    assert Path.cwd() == place
    assert loss("runs/c") == loss("runs/a")


def test_the_settings_of_a_folder_serve_as_a_config(place: Path, shell: Shell) -> None:
    """``search.toml`` with its list of files is still one for ``--config``."""
    shoal.run("prob.py:P", **SMALL, out="out")
    ran = shell("run", "--config", "out/search.toml", "--out", "again", "--engine", "inline")
    assert ran.returncode == 0, ran.stderr
    assert loss("again") == loss()


def test_a_problem_from_a_folder_that_is_not_utf_8(place: Path) -> None:
    """Its path is in ``search.toml`` as a URI, and the data beside it are found."""
    odd = Path(os.fsdecode(os.fsencode(place) + b"/caf\xe9"))
    shutil.copytree(place, odd)
    os.chdir(odd)
    out = begun()
    assert "file:///" in (out / "search.toml").read_text()
    shoal.run(out=out, engine="inline")
    os.chdir(place)
    shoal.run("prob.py:P", **SMALL, out="plain")
    assert loss(odd / "out") == loss("plain")


def test_a_dataclass_may_use_the_types_of_its_fields(place: Path) -> None:
    """Annotations are objects unless the file itself says otherwise."""
    (place / "helper.py").write_text(
        "import dataclasses\n\n\n@dataclasses.dataclass\nclass C:\n    target: float = 1.0\n\n\n"
        "TARGET = {f.name: f.type('1.0') for f in dataclasses.fields(C)}['target']\n"
    )
    shoal.run("prob.py:P", **SMALL, out="out")
    assert shoal.load("out").states()["complete"] == 8


def test_files_that_lie_elsewhere_are_told_apart(place: Path) -> None:
    """Beside the problem comes before where the user stands; both are the user's own."""
    beside = place / "sub"
    beside.mkdir()
    shutil.copy("prob.py", beside)
    shutil.copy("number.txt", beside)
    (beside / "helper.py").write_text("TARGET = 2.0\n")
    out = begun(problem="sub/prob.py:P")
    assert copies(out) == COPIES
    assert (out / "problem" / "helper.py").read_text() == "TARGET = 2.0\n"
    (place / "helper.py").unlink()
    shoal.run(out=out, engine="inline")
    (place / "lazy.py").write_text("END = 3.0\n")
    with pytest.raises(shoal.BadInput, match=r"another version of .*/lazy\.py\)"):
        shoal.run("sub/prob.py:P", **SMALL, out=out)


def test_another_folder_to_go_on_from_changes_nothing(place: Path, tmp_path: Path) -> None:
    """A file there, or one that came beside the problem, that is called as what is installed."""
    (place / "prob.py").write_text(PROBLEM.replace("import lazy", "import lazy, colorsys, runpy"))
    out = begun().absolute()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file in (place / "colorsys.py", elsewhere / "runpy.py", elsewhere / "helper.py"):
        file.write_text("raise SystemExit('not this one')\n")
    os.chdir(elsewhere)
    shoal.run(out=out, engine="inline")
    assert shoal.load(out).states()["complete"] == 8


def test_a_mistake_leaves_nothing_behind(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No folder, no module, no version that a later search would be held to."""
    before = set(sys.modules)
    (place / "helper.py").write_text("TARGET = 'no number'\n")
    with pytest.raises(SystemExit, match="2"):
        main.main(args=["run", "prob.py:P", "--trials", "8", "--out", "out"])
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("out").exists()
    assert not [name for name in sys.modules.keys() - before if name.startswith("shoal_problem")]
    (place / "helper.py").write_text(FILES["helper.py"])
    shoal.run("prob.py:P", **SMALL, out="out")


def test_an_installed_problem_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No copy of it is in the folder, so its hash alone tells."""
    out, installed = tmp_path / "out", resuming.installed
    shoal.run("cubic-sine", trials=4, steps=5, out=out, engine="inline", program="eager")
    monkeypatch.setattr(
        resuming, "installed", lambda spec: replace(installed(spec), sha256="0" * 64)
    )
    with pytest.raises(shoal.BadInput, match=r"another version of cubic-sine .*, 00000000 now"):
        shoal.run(out=out, engine="inline")


def test_files_that_are_not_those_of_the_search_are_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their list and the hash of all of them stand in ``search.toml``, which must fit together."""
    folder = RunFolder.open(begun())
    assert folder.source() is not None
    monkeypatch.setattr(folder, "request", replace(folder.request, source="0" * 64))
    with pytest.raises(shoal.RunFolderError, match="files and source do not fit together"):
        folder.source()
