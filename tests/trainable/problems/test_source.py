"""Where a problem comes from."""

from __future__ import annotations

import importlib
import inspect
import os
import pickle
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from shoal.trainable.errors import SourceError
from shoal.trainable.modules.claims import claimed
from shoal.trainable.modules.files import File
from shoal.trainable.problems.finding import find
from shoal.trainable.problems.registry import PROBLEMS


def test_names_modules_and_files_give_the_same_class(tmp_path: Path) -> None:
    """A name, its module:Class, and a copy of its file."""
    named = find("cubic-sine").load()
    assert find("shoal.trainable.problems.shipped.cubic_sine:CubicSine").load() is named
    import shoal.trainable.problems.shipped.cubic_sine as module

    copy = tmp_path / "copy.py"
    copy.write_bytes(Path(module.__file__).read_bytes())
    loaded = find(f"{copy}:CubicSine").load()
    assert loaded.__name__ == "CubicSine"
    assert find(f"{copy}:CubicSine").sha256 == find("cubic-sine").sha256


def test_every_name_of_the_table_loads() -> None:
    """Each problem of the table is there."""
    for name in PROBLEMS:
        assert callable(find(name).load())


def test_a_file_that_changed_is_not_loaded(tmp_path: Path) -> None:
    """What a worker loads is what was hashed when the search began, or nothing."""
    file = tmp_path / "mine.py"
    file.write_text("class A: pass\n")
    source = find(f"{file}:A")
    copies = tmp_path / "copies"
    copies.mkdir()
    shutil.copy(file, copies)
    sent = pickle.dumps([source, source.at(copies)])
    source.release()  # as in another process
    original, copied = pickle.loads(sent)
    file.write_text("class A: x = 1\n")
    with pytest.raises(SourceError, match=r"/mine\.py has changed since the search began"):
        original.load()
    cls = copied.load()
    assert not hasattr(cls, "x")
    assert inspect.getfile(cls) == str(file)
    copied.release()


def test_a_module_where_the_user_stands_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``module:Class`` also names a module in that folder, and ``sys.path`` stays as it was."""
    (tmp_path / "beside_me.py").write_text("class A: pass\n")
    monkeypatch.chdir(tmp_path)
    before, names = list(sys.path), set(sys.modules)
    source = find("beside_me:A")
    assert inspect.getfile(source.load()) == str(tmp_path / "beside_me.py")
    assert [file.module for file in source.files] == ["beside_me"]
    source.release()
    assert sys.path == before
    assert not [name for name in sys.modules.keys() - names if "beside_me" in name]


def project(folder: Path, **files: str) -> Path:
    """Write files, named as in ``pkg__mod`` for ``pkg/mod.py``; return the folder."""
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def value(spec: object) -> tuple[object, list[str]]:
    """What the problem's ``value`` gives, and the modules that were taken with it."""
    source = find(str(spec))
    cls: Any = source.load()
    found = cls().value()
    modules = [file.module for file in source.complete().files]
    source.release()
    return found, modules


WAYS = {
    "import helper": "import helper",
    "from a module": "from helper import V",
    "an alias": "import helper as h; V = h.V",
    "a submodule": "import pkg.sub; V = pkg.sub.V",
    "an alias of a submodule": "import pkg.sub as s; V = s.V",
    "a submodule from its package": "from pkg import sub; V = sub.V",
    "a name from a submodule": "from pkg.sub import V",
    "through the package": "from pkg import V",
    "a star": "from helper import *",
    "a namespace": "import ns.deep.mod; V = ns.deep.mod.V",
    "a name from a namespace": "from ns.deep import mod; V = mod.V",
    "by its name": "import importlib; V = importlib.import_module('helper').V",
    "by a name from importlib": "from importlib import import_module as i; V = i('pkg.sub').V",
    "a file": "import importlib.util as u, os\ns = u.spec_from_file_location('x y', "
    "os.path.join(os.path.dirname(__file__), 'helper.py'))\nm = u.module_from_spec(s)\n"
    "s.loader.exec_module(m)\nV = m.V",
    "the builtin with a list": "V = __import__('pkg.sub', fromlist=['V']).V",
    "the builtin": "V = __import__('helper').V",
    "if it is there": "try:\n    import helper\nexcept ImportError:\n    pass",
    "relative": "from .helper import V",
}


@pytest.mark.parametrize("where", ["at the top", "in a function"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("kind", ["file", "module"])
def test_every_way_to_import_gives_the_version_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, where: str, kind: str
) -> None:
    """Twice in one process, the files changed between; and nothing of it stays in ``sys.modules``.

    Of a module in a package nothing is relative to the top folder.
    """
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    for number in (1, 2):
        of_package = "from .sub import V\nfrom . import sub as again\nassert again.V is V\n"
        project(
            tmp_path,
            helper="from deeper import V\n",
            deeper=f"V = {number}\n",
            pkg__sub="import deeper\nV = deeper.V\n",
            ns__deep__mod="from deeper import V\n",
            unused="V = 0\n",
        )
        (tmp_path / "pkg" / "__init__.py").write_text(of_package)
        bound = "\nif 'V' not in dir(): V = helper.V\n"
        lines = f"{way}{bound}"
        inside = "".join(f"        {line}\n" for line in lines.splitlines())
        if where == "at the top":
            text = f"{lines}\nclass P:\n    def value(self):\n        return V\n"
        elif "*" in way:
            return  # Python has none inside functions
        else:
            text = f"class P:\n    def value(self):\n{inside}        return V\n"
        project(tmp_path, prob=text)
        found, modules = value(f"{tmp_path / 'prob.py'}:P" if kind == "file" else "prob:P")
        assert found == number
        assert "deeper" in modules
        assert "unused" not in modules
    assert not [name for name in sys.modules.keys() - before if name.startswith("shoal_problem")]


def test_a_class_that_looks_at_its_own_module_finds_it(tmp_path: Path) -> None:
    """Dataclasses, pickles and ``inspect`` inside a search; annotations are not ours."""
    project(
        tmp_path,
        helper="import dataclasses, pickle\n@dataclasses.dataclass\nclass C:\n    n: int = 3\n",
        prob="import inspect, pickle, sys, helper\nclass P:\n    def value(self):\n"
        "        c = pickle.loads(pickle.dumps(helper.C()))\n"
        "        assert sys.modules[helper.C.__module__] is helper\n"
        "        assert 'n: int' in inspect.getsource(helper.C)\n"
        "        return c.n, helper.C.__dataclass_fields__['n'].type, helper.__file__\n",
    )
    found, _ = value(f"{tmp_path / 'prob.py'}:P")
    assert found == (3, int, str(tmp_path / "helper.py"))


def test_the_users_own_imports_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook that has imported the helper keeps its module, whatever a search loads."""
    project(tmp_path, helper="V = 1\n", prob=f"import helper\nclass P:\n    {VALUE}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    own = importlib.import_module("helper")
    own.V = "changed by hand"
    project(tmp_path, helper="V = 2\n")
    assert value(f"{tmp_path / 'prob.py'}:P")[0] == 2
    assert value("prob:P")[0] == 2
    assert importlib.import_module("helper") is own
    assert own.V == "changed by hand"
    del sys.modules["helper"]


VALUE = "def value(self): return helper.V"


def test_a_folder_that_the_code_itself_adds_is_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the second search of a process, when ``sys.path`` has it already."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    lib = project(tmp_path / "lib", added="V = 1\n")
    text = f"import sys\nsys.path.insert(0, {str(lib)!r})\nimport added as helper\n"
    prob = project(tmp_path / "proj", prob=f"{text}class P:\n    {VALUE}\n") / "prob.py"
    assert value(f"{prob}:P") == (1, ["prob", "added"])
    project(lib, added="V = 2\n")
    assert value(f"{prob}:P") == (2, ["prob", "added"])


def test_what_is_installed_is_not_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """site-packages below the folder, the standard library, shoal; a file that has their name."""
    site = project(tmp_path / ".venv" / "lib" / "site-packages", installed="V = 5\n")
    monkeypatch.syspath_prepend(str(site))
    text = "import torch, json, shoal.trainable, installed as helper\n"
    project(tmp_path, torch=f"{text}class P:\n    {VALUE}\n")
    assert value(f"{tmp_path / 'torch.py'}:P") == (5, ["torch"])
    del sys.modules["installed"]


def test_a_file_that_only_a_name_at_run_time_tells_is_refused_after_the_start(
    tmp_path: Path,
) -> None:
    """What was not hashed when the search began is not executed; what was not there stays away."""
    project(
        tmp_path,
        late="V = 1\n",
        prob="import importlib\nclass P:\n    def value(self, name='late'):\n"
        "        return importlib.import_module(name).V\n",
    )
    source = find(f"{tmp_path / 'prob.py'}:P").complete()
    cls: Any = source.load()
    with pytest.raises(ModuleNotFoundError, match=r"'late' among the files that were hashed when"):
        cls().value()
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'nowhere'$"):
        cls().value("nowhere")
    source.release()


@pytest.mark.parametrize(
    ("helper", "told"),
    [
        ("V = 1 / 0\n", r"/helper\.py:1: ZeroDivisionError: division by zero$"),
        ("V = 1\ndef f(:\n", r"/helper\.py:2: SyntaxError: "),
        ("import nowhere\n", r"/helper\.py:1: ModuleNotFoundError: No module named 'nowhere'$"),
        ("from deeper import W\n", r"/helper\.py:1: ImportError: .* 'W' from 'deeper'"),
        ("import sys; sys.exit(3)\n", r"/helper\.py:1: SystemExit: 3$"),
    ],
)
def test_an_error_in_a_helper_is_told_with_its_line(tmp_path: Path, helper: str, told: str) -> None:
    """One line, which names the helper's file."""
    project(tmp_path, helper=helper, deeper="", prob="import helper\nclass P: pass\n")
    with pytest.raises(SourceError, match=told):
        find(f"{tmp_path / 'prob.py'}:P")


@pytest.mark.parametrize("name", ["my-prob.py", "prob.v2.py", "2.py", "class.py", "åä.py"])
def test_any_name_of_a_file_will_do(tmp_path: Path, name: str) -> None:
    """Names that no import statement could say."""
    project(tmp_path, helper="V = 1\n", prob=f"import helper\nclass P:\n    {VALUE}\n")
    (tmp_path / "prob.py").rename(tmp_path / name)
    assert value(f"{tmp_path / name}:P")[0] == 1


def test_a_link_is_loaded_as_python_would(tmp_path: Path) -> None:
    """Beside a link and beside what it stands for; a linked helper is the user's own."""
    real = project(
        tmp_path / "real", one="V = 1\n", prob=f"import one, two as helper\nclass P:\n    {VALUE}\n"
    )
    far = project(tmp_path / "far", two="V = 2\n")
    place = tmp_path / "place"
    place.mkdir()
    (place / "prob.py").symlink_to(real / "prob.py")
    (place / "two.py").symlink_to(far / "two.py")
    assert value(f"{place / 'prob.py'}:P") == (2, ["prob", "one", "two"])


def test_a_folder_that_is_not_utf_8_is_kept(tmp_path: Path) -> None:
    """Its path goes to ``search.toml`` and back; the problem is found by it."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    prob = project(folder, helper="V = 1\n", prob=f"import helper\nclass P:\n    {VALUE}\n")
    assert value(f"{prob / 'prob.py'}:P") == (1, ["prob", "helper"])
    file = File.of("helper", folder / "helper.py", b"V = 1\n", package=False)
    plain = tomllib.loads(tomli_w.dumps(file.as_dict()).encode().decode())
    assert File.from_dict(plain) == file


def test_a_copy_never_lies_outside(tmp_path: Path) -> None:
    """Of what another has written into ``search.toml`` nothing elsewhere is read."""
    file = File.of("helper", tmp_path / "helper.py", b"", package=False).as_dict()
    for place in ("../helper.py", "/etc/passwd", "a/../../b.py"):
        with pytest.raises(ValueError, match="is no place of a copy"):
            File.from_dict({**file, "copy": place})


def test_versions_at_the_same_time_must_agree(tmp_path: Path) -> None:
    """Two versions of one file at once are refused with its name; afterwards they may follow."""
    project(tmp_path, helper="V = 1\n", prob=f"import helper\nclass P:\n    {VALUE}\n")
    one = find(f"{tmp_path / 'prob.py'}:P")
    project(tmp_path, helper="V = 2\n")
    two = find(f"{tmp_path / 'prob.py'}:P")
    other = pytest.raises(SourceError, match=r"has another version of .*/helper\.py; wait for its")
    with claimed(one.files), claimed(one.files), other, claimed(two.files):
        pass
    with claimed(two.files):
        pass
    one.release()
    two.release()


def test_a_script_that_searches_itself_is_told_how(tmp_path: Path) -> None:
    """Instead of a search inside of a search inside of a search."""
    prob = tmp_path / "prob.py"
    prob.write_text(
        f"import shoal\nclass P: pass\nshoal.run({str(prob) + ':P'!r}, out='nowhere')\n"
    )
    with pytest.raises(SourceError, match=r"put that under if __name__ == \"__main__\":"):
        find(f"{prob}:P")
