"""The module that is written for a class in memory."""

from __future__ import annotations

import linecache
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
import torch

from shoal.trainable.errors import SourceError
from shoal.trainable.memory import Generated, given_problem
from shoal.trainable.memory.values import Tensors
from shoal.trainable.problems import made


def written_of(cell: Any, name: str = "P") -> Generated:
    """The module of a class of a notebook."""
    found = given_problem(cell.names[name])
    assert isinstance(found, Generated)
    return found


Again = Callable[[Any], Any]


@pytest.fixture
def again() -> Iterator[Again]:
    """Returns a class, made again from its text, as a search does."""
    sources = []

    def make(given: Any) -> Any:
        found = given_problem(given)
        assert isinstance(found, Generated)
        sources.append(made(found))
        return sources[-1].load()

    yield make
    for source in sources:
        source.release()


CLASS = "class P:\n    def f(self, *given):\n        return {}\n"


@pytest.mark.parametrize(
    "before, expression, result",
    [
        ("import math", "math.pi", math.pi),
        ("import os.path", "os.path.basename('a/b')", "b"),
        ("import xml.dom.minidom", "xml.dom.minidom.__name__", "xml.dom.minidom"),
        ("import xml.dom.minidom as m", "m.__name__", "xml.dom.minidom"),
        ("import numpy as np", "int(np.arange(3).sum())", 3),
        ("from math import *", "(sin(0.0), pi, floor(2.5))", (0.0, math.pi, 2)),
        ("from numpy import sin", "float(sin(0.0))", 0.0),
        ("from math import sqrt as root", "root(4)", 2.0),
        ("import torch.nn.functional as F", "F.__name__", "torch.nn.functional"),
        ("from torch import relu as act", "act.__name__", "relu"),
        ("from typing import Any", "str(Any)", "typing.Any"),
        ("from pathlib import Path\nD = Path('a')", "str(D / 'b')", "a/b"),
        ("K = 2", "K", 2),
        ("K = 2\nK = 3", "K", 3),
        ("K = 2", "[K * n for n in range(3)]", [0, 2, 4]),
        ("K = 2", "(lambda x: x * K)(4)", 8),
        ("K = 2", "f'{K + 1:>{K}}'", " 3"),
        ("K = 2", "sum(x * K for x in (1, 2))", 6),
        ("Größe = 7", "Größe", 7),
        ("K = (1, [2, {3: None}], {4}, frozenset(), b'x', -0.0, 1e400, 2j)", "repr(K)", None),
        ("K = [1, 2]", "K", [1, 2]),
        ("K = float('nan')", "repr(K)", "nan"),
        ("K = 10 ** 5000", "K % 1000007", 10**5000 % 1000007),
        ("import torch\nT = torch.float64", "str(T)", "torch.float64"),
        ("import torch\nT = {'relu': torch.relu}", "T['relu'].__name__", "relu"),
        ("def one(x):\n    return x + K\nK = 5\nT = [one]", "T[0](1)", 6),
        ("one = lambda x: x + K\nK = 5", "one(1)", 6),
        ("f = lambda x: x + 1; one = lambda x: x + 2", "one(1) + f(1)", 5),
        ("one: object = lambda x: x + 1", "one(1)", 2),
        ("from enum import Enum\nclass Kind(Enum):\n    A = 1\n    B = 2", "Kind.B.value", 2),
        ("from dataclasses import dataclass\n@dataclass\nclass C:\n    a: int = 3", "C().a", 3),
        ("import torch\n@torch.no_grad()\ndef h(x):\n    return x + 1", "h(1)", 2),
        ("import torch\nclass N(torch.nn.Module):\n    def forward(self, x):\n        return x + 1", "N()(1)", 2),
        ("def h(x):\n    return x + 1\ng = h", "g(1) + h(1)", 4),
        ("def h(x):\n    return 1\ndef h(x):\n    return 2", "h(0)", 2),
        ("def a(n):\n    return n and b(n - 1)\ndef b(n):\n    return n and a(n - 1)", "a(9)", 0),
        ("K = 3\ndef h(x, k=K):\n    return k\nL = K", "h(0) + L", 6),
        ("def outer():\n    def inner():\n        return K\n    return inner()\nK = 4", "outer()", 4),
        ("class Q:\n    K = 4\nclass R(Q):\n    pass", "R.K", 4),
        ("def abs(x):\n    return 'mine'", "abs(1)", "mine"),
        ("import functools\n@functools.lru_cache\ndef h(x):\n    return x + 1", "h(1)", 2),
        (
            "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(x):\n"
            "        return 2 * f(x)\n    return g\n@twice\ndef h(x):\n    return x + K\nK = 1",
            "h(1)",
            4,
        ),
        (
            "def twice(f):\n    def g(x):\n        return 2 * f(x)\n    return g\n"
            "@twice\ndef h(x):\n    return x + 1",
            "h(1)",
            4,
        ),
        ("def deco(f):\n    return late(f)\ndef late(f):\n    return f\n@deco\ndef h():\n    return 3", "h()", 3),
        ("T = '''a\n   b'''\ndef h():\n    return '''x\n  y'''", "T + h()", "a\n   bx\n  y"),
    ],
)  # fmt: skip  # one row a line
def test_a_method_has_what_it_uses_of_its_notebook(
    cell: Any, again: Again, before: str, expression: str, result: Any
) -> None:
    """By import, by value or by its text: what it returns is what it returned in the notebook."""
    cell(before)
    cell(CLASS.format(expression))
    there = cell.names["P"]().f()
    assert again(cell.names["P"])().f() == there
    assert result is None or there == result


@pytest.mark.parametrize(
    "text",
    [
        "class P(Base):\n    pass",
        "class P:\n    rate = K\n    both = [K, TABLE['a']]",
        "class P:\n    K = K\n    f = [K for _ in range(2)]",
        "@mark\nclass P:\n    pass",
        "class P:\n    @keep\n    def f(self, k=K):\n        return k",
        "class P:\n    class Inner(Base):\n        rate = K",
        "class P(Base):\n    def f(self):\n        return super().g() + __class__.rate",
        "from dataclasses import dataclass, field\n@dataclass\nclass P:\n    a: int = K",
        "from __future__ import annotations\nclass P:\n    def f(self, x: Unknown = K): return x",
        "class P:\n    x = property(lambda self: K)\n    @staticmethod\n    def s(): return K",
        "import functools\nclass P:\n    @functools.cached_property\n    def g(self): return K\n    def f(self): return self.g",
        "import torch\nclass P:\n    w = torch.tensor([float('nan'), 1j])\n    b = torch.ones(2) > 0\n    z = torch.zeros(())",
        "import pandas\nclass P:\n    w = pandas.DataFrame({'a': [1.5, float('nan')]})\n    s = pandas.Series([K])",
        "class P:\n    __slots__ = ('a',)\n    def f(self): return K",
        "class P:\n    __hidden = K\n    def f(self):\n        return self.__hidden",
    ],
)
def test_what_a_class_needs_while_it_is_made_stands_above_it(
    cell: Any, again: Again, text: str
) -> None:
    """Base classes, decorators, defaults and what stands in its body."""
    cell("class Base:\n    rate = 5\n    def g(self):\n        return 1")
    cell("K = 3\nTABLE = {'a': 7}")
    cell("def mark(cls):\n    cls.marked = help(cls)\n    return cls\ndef keep(f):\n    return f")
    cell("def help(cls):\n    return K")
    cell(text)
    there, made_again = cell.names["P"], again(cell.names["P"])
    for name, value in vars(there).items():
        if isinstance(value, (int, list)):
            assert getattr(made_again, name) == value
    if callable(getattr(there, "f", None)):
        assert made_again().f() == there().f()


def test_a_helper_that_is_defined_again_after_the_class_counts_as_it_is_now(
    cell: Any, again: Again
) -> None:
    """As Python itself has it: a name is looked up when it is used."""
    cell("def h():\n    return 1")
    cell(CLASS.format("h()"))
    cell("def h():\n    return 2")
    assert cell.names["P"]().f() == again(cell.names["P"])().f() == 2


@pytest.mark.parametrize(
    "cells, told",
    [
        (["class B:\n    pass", "class P(B):\n    def f(self): pass", "class B:\n    pass"], "the base class B of P"),
        (["K = 1", "class P:\n    rate = K\n    def f(self): pass", "K = 2"], "P.rate is not what"),
        (["K = 1", "class P:\n    def f(self, k=K): pass", "K = 2"], "P.f is not what"),
        (["K = 1", "def h(k=K): pass", "class P:\n    def f(self): h()", "K = 2"], "h is not what"),
        (["class P:\n    def f(self): return 1", "P.f = lambda self: 2"], "P.f is not what"),
        (["class P:\n    def f(self): return 1", "P.rate = 2"], "P.rate is not what"),
        (["import torch\nclass P:\n    w = torch.randn(3)\n    def f(self): pass"], "P.w is not what"),
        (["import torch\nclass P:\n    w = torch.nn.Linear(2, 2)\n    def f(self): pass"], "P.w is not what"),
        (["import torch\nclass P:\n    w = torch.zeros(2) > 1\n    def f(self): pass", "P.w[0] = True"], "P.w is not what"),
        (["import torch\nclass P:\n    w = torch.zeros(2)\n    def f(self): pass", "P.w[0] = -0.0"], "P.w is not what"),
        (["import pandas\nclass P:\n    w = pandas.DataFrame({'a': range(999)})\n    def f(self): pass", "P.w.loc[500, 'a'] = 1"], "P.w is not what"),
        (["import numpy\nclass P:\n    w = numpy.zeros(9999)\n    def f(self): pass", "P.w[5000] = 1"], "P.w is not what"),
        (["import types\nclass P:\n    w = types.SimpleNamespace(a=[1])\n    def f(self): pass", "P.w.a.append(2)"], "P.w is not what"),
        (["def h(): return h.k\nh.k = 1", "class P:\n    def f(self): return h()"], "h is not what"),
        (["class P:\n    seen = []\n    def f(self): pass", "P.seen.append(1)"], "P.seen is not what"),
        (["def d(f): return f", "class P:\n    @d\n    def f(self): pass",
          "def d(f):\n    return lambda self: f(self)"], "P.f is not what"),
    ],
)  # fmt: skip  # one row a line
def test_what_was_changed_after_the_class_was_made_is_told(
    cell: Any, again: Again, cells: list[str], told: str
) -> None:
    """Its text would make another class; no number is made of that."""
    for each in cells:
        cell(each)
    with pytest.raises(SourceError, match=rf"^{told}.* its text makes now; run the cell of "):
        again(cell.names["P"])


@pytest.mark.parametrize(
    "before, told",
    [
        ("import sys\nK = sys.__stderr__", "P uses K, a _io.TextIOWrapper; make it in data"),
        ("import torch\nK = torch.nn.Linear(2, 2)", "P uses K, a module, Linear; make it in the"),
        ("K = (n for n in [])", "P uses K, a generator; make it in data"),
        ("import torch\nK = torch.Generator()", "P uses K, .*Generator; make it from the seed"),
        ("import pandas\nK = pandas.DataFrame()", r"P uses K, a pandas.*DataFrame; take its numbers, as by torch.tensor\(frame.to_numpy"),
        ("import pandas\nK = pandas.Series()", r"P uses K, a pandas.*Series; take its numbers"),
        ("import ctypes\nK = ctypes.c_int(3)", "P uses K, a ctypes.c_int; make it in data"),
        ("def make(k):\n    return lambda: k\nK = make(2)", "P uses K, a function that needs k of"),
        ("def make(k):\n    def f():\n        return k\n    return f\nK = make(2)", "P uses K, a function that needs k of"),
        ("class C:\n    pass\nK = C()", "P uses K, a C; make it in data"),
        ("K = [1]\nK.append(K)", "P uses K, a list that contains itself"),
        ("import sys\nK = {'a': [sys.__stderr__]}", "P uses K, a _io.TextIOWrapper"),
        ("K = list(range(10 ** 6))", "P uses K, a list of 1000000 items; make a tensor of it"),
        ("K, L = lambda: 1, 2", "the text of the function K is not kept here"),
        ("import types\nK = types.ModuleType('mine')", "P uses K, a module that cannot be imported"),
        ("import torch\nK = torch.eye(2).to_sparse()", "P uses K, a tensor of layout torch.sparse"),
        ("import torch\nK = torch.empty(2, device='meta')", r"P uses K, a tensor on meta; make it one of the CPU, by .cpu\(\)"),
        ("import numpy\nK = numpy.array(['a'])", "P uses K, a numpy array of <U1"),
        ("import numpy\nK = numpy.array([None])", "P uses K, a numpy array of object"),
        ("import threading\nK = threading.Lock()", "P uses K, a _thread.lock"),
        ("K = exec('def made(): pass') or made", "the text of the function K is not kept here"),
    ],
)  # fmt: skip  # one row a line
def test_what_cannot_be_taken_along_is_refused_by_its_name(
    cell: Any, before: str, told: str
) -> None:
    """Also where a helper uses it, one line says what it is and what to do."""
    cell(before)
    cell(CLASS.format("K"))
    with pytest.raises(SourceError, match=told) as caught:
        written_of(cell)
    assert "\n" not in str(caught.value)
    cell("def helper():\n    return K")
    cell(CLASS.format("helper()"))
    with pytest.raises(SourceError, match=told.replace("P uses", "helper uses")):
        written_of(cell)


SOURCES = {
    "a view": "torch.arange(12.0).reshape(3, 4).T[1:]",
    "float64": "torch.linspace(0, 1, 5, dtype=torch.float64)",
    "bfloat16": "torch.linspace(0, 1, 5).bfloat16()",
    "int64": "torch.arange(5)",
    "uint8": "torch.arange(5).to(torch.uint8)",
    "bool": "torch.arange(5) > 2",
    "complex": "torch.view_as_complex(torch.randn(3, 2))",
    "a conjugate": "torch.view_as_complex(torch.randn(3, 2, dtype=torch.float64)).conj()",
    "a gradient": "torch.ones(2, requires_grad=True)",
    "not a leaf": "torch.ones(2, requires_grad=True) * 2",
    "a parameter": "torch.nn.Parameter(torch.ones(2))",
    "no number": "torch.zeros(0, 3)",
    "one number": "torch.tensor(1.5)",
    "nan": "torch.tensor([float('nan'), -0.0, float('inf')])",
}


@pytest.mark.parametrize("text", SOURCES.values(), ids=SOURCES)
def test_a_tensor_that_is_used_by_name_is_saved(cell: Any, again: Again, text: str) -> None:
    """Bit for bit, with its dtype and whether it has a gradient; a view as a copy of its own."""
    cell(f"import torch\nx = {text}")
    cell(CLASS.format("x"))
    there, found = cell.names["x"], again(cell.names["P"])().f()
    assert (type(found), found.dtype, found.shape) == (type(there), there.dtype, there.shape)
    assert found.requires_grad == there.requires_grad
    assert found.is_contiguous()
    bits = [torch.view_as_real(t) if t.is_complex() else t for t in (found, there.resolve_conj())]
    raw = [t.detach().contiguous().view(torch.uint8) if t.dim() else t.detach()[None].view(torch.uint8) for t in bits]  # fmt: skip  # one row a line
    assert torch.equal(*raw)
    assert found.data_ptr() != there.data_ptr() or not len(there.shape) or not len(there)


@pytest.mark.parametrize(
    "text",
    [
        "numpy.arange(6).reshape(2, 3).T",
        "numpy.arange(6.0)[::-2]",
        "numpy.arange(3, dtype='>f4')",
        "numpy.array(2.5)",
        "numpy.float64(2.5)",
        "numpy.bool_(True)",
        "numpy.arange(3, dtype=numpy.uint16)",
        "numpy.array([1 + 2j])",
    ],
)
def test_arrays_and_numbers_of_numpy_are_saved_too(cell: Any, again: Again, text: str) -> None:
    """They are what they were, in the byte order of this machine."""
    cell(f"import numpy\nx = {text}")
    cell(CLASS.format("x"))
    there, found = cell.names["x"], again(cell.names["P"])().f()
    assert type(found) is type(there)
    assert found.dtype == there.dtype.newbyteorder("=")
    assert numpy.array_equal(found, there)


def test_tensors_in_lists_and_dicts_are_saved(cell: Any, again: Again) -> None:
    """Each by the name of what has it."""
    cell("import torch\nx = {'a': [torch.arange(3), 2], 'b': (torch.ones(2),)}")
    cell(CLASS.format("x"))
    found = again(cell.names["P"])().f()
    assert torch.equal(found["a"][0], torch.arange(3))
    assert torch.equal(found["b"][0], torch.ones(2))


def test_tensors_that_are_too_large_are_refused_with_their_size() -> None:
    """Nothing is copied first."""
    huge = torch.empty(1).expand(1 << 29)
    with pytest.raises(Exception, match=r"a tensor of 2\.0 GiB; at most 1 GiB is taken along"):
        Tensors().add("x", huge)


def test_many_tensors_are_told_with_their_size(cell: Any) -> None:
    """Each run folder has them."""
    cell("import torch\nx = torch.ones(3)")
    cell(CLASS.format("x"))
    few = written_of(cell)
    assert few.notes == ()
    many = replace(few, tensors=bytes(150 << 20))
    assert many.notes == ("the tensors that P uses are 150 MiB in the run folder",)


def test_one_object_of_two_names_stays_one(cell: Any, again: Again) -> None:
    """A list that two names stand for."""
    cell("a = [1]\nb = a")
    cell(CLASS.format("a is b"))
    assert again(cell.names["P"])().f()


def test_the_same_cell_gives_the_same_files_and_a_changed_value_others(cell: Any) -> None:
    """Text and tensors are compared; a list that has grown, or a tensor in which one bit is
    another."""
    cell("import torch\nK = [1]\nS = {'b', 'a', 'c'}\nx = torch.zeros(3)")
    cell(CLASS.format("(K, S, x)"))
    first = written_of(cell).contents
    cell(CLASS.format("(K, S, x)"))
    assert written_of(cell).contents == first
    cell("K.append(2)")
    second = written_of(cell).contents
    assert second["P-source.py"] != first["P-source.py"]
    cell("x[1] = -0.0")
    third = written_of(cell).contents
    assert third["P-source.py"] == second["P-source.py"]
    assert third["P-source.safetensors"] != second["P-source.safetensors"]


def test_lines_in_a_message_are_those_of_the_cell(cell: Any) -> None:
    """The user has never seen the module that was written."""
    cell("K = 1\n\n\ndef h():\n    return K\n")
    cell("\n\nclass P:\n    def f(self):\n        return h()\n")
    written = written_of(cell)
    lines = written.text.splitlines()
    for text, line in {"    return K": 5, "        return h()": 5, "class P:": 3}.items():
        number = lines.index(text) + 1
        told = written.told(f"/here/x.py:{number}: P.f: bad", "/here/x.py")
        assert told.startswith("<cell ")
        assert told.endswith(f">:{line}: P.f: bad")
    number, inner = lines.index("class P:") + 1, lines.index("    return K") + 1
    first, second = (each[1] for each in written.lines if each[2] in (3, 4))
    told = written.told(f"x.py:{number}: bad (rand in line {inner})", "x.py")
    assert told == f"{second}:3: bad (rand in line 5 of {first})"
    told = written.told(f"x.py:{number}: bad (rand in line {number + 1})", "x.py")
    assert told == f"{second}:3: bad (rand in line 4)"


def test_a_class_in_a_cell_of_a_magic_is_found(cell: Any, again: Again) -> None:
    """IPython keeps the rest of such a cell as the magic's argument alone."""
    place, text = "<cell of a magic>", CLASS.format("K")
    call = f"get_ipython().run_cell_magic('time', '', {text!r})\n"
    linecache.cache[place] = (len(call), None, [call], place)
    cell("K = 2")
    exec(compile(text, "<timed exec>", "exec", dont_inherit=True), cell.names)
    assert again(cell.names["P"])().f() == 2
    written = written_of(cell)
    number = written.text.splitlines().index("        return K") + 1
    assert written.told(f"x.py:{number}", "x.py") == "<cell of a magic>:4"


def test_a_magic_in_a_class_is_refused_by_its_line(cell: Any) -> None:
    """IPython has made a call of it."""
    cell("get_ipython = print")
    cell("x = 1\n\nclass P:\n    def f(self):\n        get_ipython().run_line_magic('time', '')\n")
    with pytest.raises(SourceError, match=r">:5: P has a line with % or ! in it; take that line"):
        given_problem(cell.names["P"])


def test_cells_are_called_by_their_numbers(cell: Any) -> None:
    """As the notebook shows them."""
    text = CLASS.format("1")
    cell.names["In"] = ["", "x = 1", text, "y = 1"]
    cell(text)
    assert written_of(cell).lines[0][1:] == ("In[2]", 1)


def test_a_class_made_of_an_earlier_one_of_its_name_is_refused(cell: Any) -> None:
    """One module cannot have both."""
    cell(CLASS.format("1"))
    cell("class P(P):\n    def g(self): pass")
    with pytest.raises(SourceError, match="P is made of an earlier P; give the two other names"):
        written_of(cell)


def test_names_that_are_not_used_are_not_taken(cell: Any) -> None:
    """Arguments, local names, attributes, names of a class's body, builtins, and the rest."""
    cell("data = f = params = object()\nlen_ = 3")
    cell(
        "class P:\n    f = 1\n    def data(self, params=f):\n        data = params\n"
        "        return len([data for data in (data,)]), self.params\n"
    )
    assert "object" not in written_of(cell).text


def test_a_class_of_a_file_keeps_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known by module and name; a class within one of its functions is written."""
    (tmp_path / "mine_of_memory.py").write_text(
        "import math\nSCALE = 3\ndef helper():\n    return SCALE\n"
        "class P:\n    def f(self):\n        return helper()\n"
        "def make(k, half=2):\n"
        '    """Makes one."""\n'
        "    class P:\n"
        "        def f(self):\n"
        '            return math.floor(k) + helper(), """a\n  b"""\n'
        "    return P\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import mine_of_memory as module  # type: ignore[import-not-found]  # written above

    try:
        assert given_problem(module.P) == "mine_of_memory:P"
        written = given_problem(module.make(4.5))
        assert isinstance(written, Generated)
        assert "k = 4.5" in written.text
        assert "from mine_of_memory import helper" in written.text
        source = made(written)
        try:
            assert source.load()().f() == (7, "a\n  b")
            assert [file.module for file in source.files][1:] == ["mine_of_memory"]
        finally:
            source.release()
    finally:
        del sys.modules["mine_of_memory"]


def test_what_is_no_problem_is_none() -> None:
    """Numbers, frames, paths, and functions that are not written in Python."""
    for given in (5, pandas.DataFrame(), math.sin, Path("a.py"), torch.ones(2)):
        assert given_problem(given) is None
