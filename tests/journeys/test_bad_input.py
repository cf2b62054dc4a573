"""Bad input: one line on standard error, exit code 2, and nothing made or changed."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import click
import pytest
from optuna import distributions

import shoal
from shoal.search.command.main import main
from shoal.search.request.request import STEERED

SAMPLERS_KNOWN = "known: tpe, optuna-tpe, qmc, random, or MODULE.CLASS or FILE.py:FACTORY"

UNKNOWN = click.NoSuchOption("--nonsense", possibilities=["--seed"]).format_message()
"""In click's words, which are others before 8.4."""

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

class OddOptimizer(Good):
    space = {"optimizer": "newton"}

class Wrong(Good):
    def loss_and_gradient(self, params, data, l2=0.0):
        w, = params
        r = w * data - 1
        return (r * r).sum(), ((r * data).sum(),)

class Needs(Good):
    def __init__(self, width):
        self.width = width

class NoMethods:
    pass

class NoSelf(Good):
    def data():
        return torch.ones(10)

class NoSeed(Good):
    def initial(self):
        return (torch.ones(()),)

class NeedsMore(Good):
    def data(self, rows):
        return torch.ones(rows)

class AnyName(Good):
    def loss_and_gradient(self, params, data, **own):
        return super().loss_and_gradient(params, data)

class TwoMeanings(Good):
    def loss_and_gradient(self, params, data, width=1.0):
        return super().loss_and_gradient(params, data)

class Builtin(Good):
    data = dict

class WordDefault(Good):
    def loss_and_gradient(self, params, data, l2="small"):
        return super().loss_and_gradient(params, data)

class HugeDefault(Good):
    def loss_and_gradient(self, params, data, l2=10**400 - 1):
        return super().loss_and_gradient(params, data)

class Fails(Good):
    def data(self):
        raise OSError("no\\ndata")

class Exits(Good):
    def data(self):
        raise SystemExit(0)

class ExitsLater(Good):
    def loss_and_gradient(self, params, data):
        raise SystemExit(0)

class Counts(Good):
    def initial(self, seed, step=0):
        return super().initial(seed)

class Seeded(Good):
    def loss_and_gradient(self, params, data, seed=0):
        return super().loss_and_gradient(params, data)

class Batched(Good):
    batch = 11

class Halves(Good):
    batch = 2.5

class Ragged(Good):
    batch = 2

    def data(self):
        return torch.zeros(4), torch.zeros(3)

class Net:
    space = {"lr": "1e-3:1e-1:log"}

    def data(self):
        return torch.zeros(10, 2)

    def module(self):
        return torch.nn.Sequential(torch.nn.LazyLinear(3))

    def loss(self, predict, data):
        return predict(data).sum()

class Twice(Good):
    def loss(self, params, data, l2=0.0):
        return 2 * self.loss_and_gradient(params, data, l2)[0]

class Noisy(Good):
    def loss(self, params, data, noise=None):
        return self.loss_and_gradient(params, data)[0]
"""

JUDGED = """
import torch

class Judged:
    space = {"lr": "1e-2:1e-1:log"}
    inputs = ("x",)

    def data(self):
        x = torch.linspace(0, 1, 10)
        return x, 2 * x

    def validation(self):
        x = torch.linspace(0.05, 0.95, 6)
        return x, 2 * x

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data, l2=0.0):
        (w,), (x, y) = params, data
        r = w * x - y
        return (r * r).sum() + l2 * w * w, ((2 * r * x).sum() + 2 * l2 * w,)

    def metrics(self, params, validation):
        (w,), (x, y) = params, validation
        return {"off": (w * x - y).abs().mean(), "worst": (w * x - y).abs().max()}

    def predict(self, params, x):
        return params[0] * x[:, 0]

class BadGoal(Judged):
    objective = "accuracy"

class OddGoal(Judged):
    objective = "off:best"

class NoGoal(Judged):
    objective = None

class Floats(Judged):
    def metrics(self, params, validation):
        return {"off": 0.5}

class Empty(Judged):
    def metrics(self, params, validation):
        return {}

class Wide(Judged):
    def metrics(self, params, validation):
        return {"off": params[0] * validation[0]}

class Complex(Judged):
    def metrics(self, params, validation):
        return {"off": torch.complex(params[0], params[0])}

class Changes(Judged):
    calls = 0
    def metrics(self, params, validation):
        Changes.calls += 1
        return {"off": params[0] + Changes.calls}

class Renames(Judged):
    def metrics(self, params, validation):
        Changes.calls += 1
        return {f"off{Changes.calls}": params[0]}

class Draws(Judged):
    def metrics(self, params, validation):
        return {"off": params[0] + torch.rand(())}

class Steps(Judged):
    def metrics(self, params, validation):
        return {"steps": params[0]}

class L2(Judged):
    def metrics(self, params, validation):
        return {"l2": params[0]}

class Lr(Judged):
    def metrics(self, params, validation):
        return {"lr": params[0]}

class Spaced(Judged):
    def metrics(self, params, validation):
        return {"the error": params[0]}

class NoMetrics(Judged):
    metrics = None

class OddRows(Judged):
    def data(self):
        x = torch.linspace(0, 1, 10)
        return x, 2 * x[:1]

class NoRows(Judged):
    def data(self):
        x = torch.linspace(0, 1, 10)
        return x, torch.tensor(2.0)

class OddValidation(Judged):
    def validation(self):
        return 5

class OddStratify(Judged):
    stratify = "side"

class OddPrepare(Judged):
    def prepare(self):
        return [1]

class Plain:
    space = {"lr": "1e-2:1e-1:log"}
    data, initial, loss_and_gradient = Judged.data, Judged.initial, Judged.loss_and_gradient

class OnlyValidation(Plain):
    validation = Judged.validation

class NoPredict(Plain):
    metrics, validation = Judged.metrics, Judged.validation

class NoInputs(NoPredict):
    predict = Judged.predict

class ScalarPredict(Judged):
    def predict(self, params, x):
        return params[0]

class FailsPredict(Judged):
    def predict(self, params, x):
        raise ValueError("no\\nluck")
"""

FILES = {
    "good.py": GOOD,
    "judged.py": JUDGED,
    "raises.py": "import torch\n\nraise ValueError('no\\nluck')\n",
    "syntax.py": "class A:\n    def f(:\n",
    "exits.py": "import sys\nsys.exit(0)\n",
    "empty.py": "",
    "file": "text",
    "bad.toml": "trials = \n",
    "twice.toml": "trials = 1\ntrials = 2\n",
    "deep.toml": "trials = " + "[" * 5000,
    "unknown.toml": "trails = 5\n",
    "means.toml": "workers = 2\n",
    "word.toml": 'trials = "many"\n',
    "float.toml": "trials = 8.0\n",
    "flag.toml": "seed = true\n",
    "problem.toml": "problem = 5\n",
    "sampler.toml": "sampler = []\n",
    "program.toml": 'program = "fast"\n',
    "factor.toml": f"diverge_factor = 1{'0' * 400}\n",
    "space.toml": "space = 3\n",
    "seed.toml": "seed = 1\n",
    "true.toml": "[space]\nlr = true\n",
    "none.toml": "[space]\nlr = []\n",
    "mixed.toml": '[space]\nlr = [1, "a"]\n',
    "nested.toml": "[space]\nlr = [[1]]\n",
    "table.toml": "[space]\nlr = {low = 1}\n",
    "date.toml": "[space]\nlr = 2026-01-01\n",
}


def fill(folder: Path) -> None:
    """Put problems, configs, run folders and things that are none of these into `folder`."""
    for name, text in FILES.items():
        problems = text in (GOOD, JUDGED)  # a file of the same hash is loaded once
        comment = f"# {folder}\n" if problems else ""
        (folder / name).write_text(text + comment)
    (folder / "latin.toml").write_bytes(b'problem = "\xff"\n')
    (folder / "plain").mkdir()
    (folder / "folder.py").mkdir()
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    formats = {"format-1": "format = 1\n", "format-99": "format = 99\n", "no-format": ""}
    for name, line in formats.items():
        toml = shutil.copytree(folder / "done", folder / name) / "search.toml"
        toml.write_text(toml.read_text().replace(f"format = {STEERED}\n", line))
    (shutil.copytree(folder / "done", folder / "no-toml") / "search.toml").unlink()


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below `folder`: its mode, and of files when they changed and their content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if "__pycache__" not in path.parts:
            about, plain = path.lstat(), path.is_file()
            content = path.read_bytes() if plain else b""
            found[str(path.relative_to(folder))] = (
                about.st_mode,
                about.st_mtime_ns if plain else 0,
                content,
            )
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder of 8 trials."""
    out = tmp_path_factory.mktemp("finished") / "done"
    shoal.run("cubic-sine", trials=8, steps=5, out=out, engine="inline")
    return out


@pytest.fixture
def place(tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a run folder, problems, and things that are neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    shutil.copytree(finished, tmp_path / "done")
    fill(tmp_path)
    return tmp_path


SHORT = {"DIGITS": "9" * 400, "LONG": "a" * 300}
"""What stands in the table for something longer; PLACE is the folder stood in."""

CASES = [
    # the problem
    (
        "run nonsense",
        "unknown problem 'nonsense'; known: convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp, mlp-module, nist, poisson, softmax; or module:Class, or file.py:Class",
    ),
    (
        "run cubic-sin",
        "unknown problem 'cubic-sin' (did you mean cubic-sine?); known: convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp, mlp-module, nist, poisson, softmax; or module:Class, or file.py:Class",
    ),
    (
        "run ''",
        "unknown problem ''; known: convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp, mlp-module, nist, poisson, softmax; or module:Class, or file.py:Class",
    ),
    (
        "run good.py",
        "unknown problem 'good.py'; known: convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp, mlp-module, nist, poisson, softmax; or module:Class, or file.py:Class",
    ),
    (
        "run good.py:",
        "unknown problem 'good.py:'; known: convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp, mlp-module, nist, poisson, softmax; or module:Class, or file.py:Class",
    ),
    (
        "run good.py:1a",
        "unknown problem 'good.py:1a'; known: convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp, mlp-module, nist, poisson, softmax; or module:Class, or file.py:Class",
    ),
    (
        "run :Good",
        "unknown problem ':Good'; known: convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp, mlp-module, nist, poisson, softmax; or module:Class, or file.py:Class",
    ),
    (
        "run ..:Good",
        "unknown problem '..:Good'; known: convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp, mlp-module, nist, poisson, softmax; or module:Class, or file.py:Class",
    ),
    (
        "run a:b:c",
        "unknown problem 'a:b:c'; known: convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp, mlp-module, nist, poisson, softmax; or module:Class, or file.py:Class",
    ),
    ("run missing.py:A", "cannot read PLACE/missing.py: No such file or directory"),
    ("run folder.py:A", "cannot read PLACE/folder.py: Is a directory"),
    (
        "run good.py:Missing",
        "good.py:Missing: there is no class or function Missing; it has Good, NoSpace, Clash, BadSpace, OddSpace, OddOptimizer, Wrong, Needs, NoMethods, NoSelf, NoSeed, NeedsMore, AnyName, TwoMeanings, Builtin, WordDefault, HugeDefault, Fails, Exits, ExitsLater, Counts, Seeded, Batched, Halves, Ragged, Net, Twice, Noisy",
    ),
    ("run empty.py:A", "empty.py:A: there is no class or function A; it has neither"),
    (
        "run no_such_module:A",
        "cannot import no_such_module: ModuleNotFoundError: No module named 'no_such_module'",
    ),
    ("run sys:A", "sys is not a module with a file"),
    ("run plain:A", "plain is not a module with a file"),
    (
        "run json:JSONDecoder",
        "JSONDecoder has no data(); a problem has data(), initial(seed) or module(), and loss_and_gradient(params, data) or loss(params, data)",
    ),
    ("run raises.py:A", "PLACE/raises.py:3: ValueError: no"),
    ("run syntax.py:A", "PLACE/syntax.py:2: SyntaxError: invalid syntax (syntax.py, line 2)"),
    ("run exits.py:A", "PLACE/exits.py:2: SystemExit: 0"),
    (
        "run good.py:Wrong",
        "PLACE/good.py:38: Wrong.loss_and_gradient: the gradient of parameter 0 is off: -1.48148 by hand, -2.96296 by autograd and by central differences; the gradient is 0.5 times the derivative: multiply it by 2, or the loss by 0.5",
    ),
    (
        "run good.py:Clash",
        "the problem calls a hyperparameter lr, which is the optimizer's name for its own: the optimizer alone needs it; leave it out of loss_and_gradient, or call it otherwise, as scale",
    ),
    (
        "run good.py:Counts",
        "the problem's initial takes step: it is the number of the update, which the loss alone may take; leave it out, or call a hyperparameter otherwise, as step_",
    ),
    (
        "fit good.py:Counts lr=1e-3",
        "the problem's initial takes step: it is the number of the update, which the loss alone may take; leave it out, or call a hyperparameter otherwise, as step_",
    ),
    (
        "run good.py:Seeded",
        "the problem's loss_and_gradient takes seed: what is random comes from initial(seed), whose first argument it is; leave it out, or call a hyperparameter otherwise, as seed_",
    ),
    ("run good.py:BadSpace", "lr=1.0:0.0: the low end must be below the high end"),
    ("run good.py:OddSpace", "OddSpace.space must be a dict of names and values"),
    (
        "run good.py:OddOptimizer",
        "unknown optimizer 'newton'; known: sgd, momentum, adam, adamw, rmsprop, adagrad, lion, lm",
    ),
    ("run good.py:Needs", "width has no value; give one, as in --space width=16"),
    (
        "run good.py:NoMethods",
        "NoMethods has no data(); a problem has data(), initial(seed) or module(), and loss_and_gradient(params, data) or loss(params, data)",
    ),
    (
        "run good.py:NoSelf",
        "PLACE/good.py:51: NoSelf.data takes no self; make it a method, def data(self)",
    ),
    (
        "run good.py:NoSeed",
        "PLACE/good.py:55: NoSeed.initial takes 0 arguments besides self, not 1: write def initial(self, seed)",
    ),
    (
        "run good.py:NeedsMore",
        "PLACE/good.py:59: NeedsMore.data: TypeError: NeedsMore.data() missing 1 required positional argument: 'rows'",
    ),
    (
        "run good.py:AnyName",
        "PLACE/good.py:63: AnyName.loss_and_gradient takes **own; name each hyperparameter instead, as l2=0.0",
    ),
    (
        "run good.py:TwoMeanings",
        "TwoMeanings: width cannot be a parameter both of __init__ (a shape hyperparameter) and of loss_and_gradient, initial or metrics",
    ),
    ("run good.py:Builtin", "<class 'dict'> has no signature; write the method in Python"),
    ("run good.py:WordDefault", "the default of l2 is 'small', not a number"),
    ("run good.py:HugeDefault", "the default of l2 is DIGITS, not a number"),
    ("run good.py:Fails", "PLACE/good.py:83: OSError: no"),
    ("run good.py:Exits", "PLACE/good.py:87: SystemExit: 0"),
    ("run good.py:ExitsLater", "PLACE/good.py:91: SystemExit: 0"),
    (
        "run good.py:Batched",
        "Batched.batch is 11, and there are 10 rows to fit to: a batch has at most all of them; leave out batch, or write batch = 10",
    ),
    (
        "run good.py:Batched --space batch=4,12",
        "Batched.batch is 12, and there are 10 rows to fit to: a batch has at most all of them; leave out batch, or write batch = 10",
    ),
    (
        "run good.py:Halves",
        "Halves.batch is 2.5, not a number of rows: write batch = 128",
    ),
    (
        "run good.py:Ragged",
        "with batch, rows are the first dimension of each tensor of data(), and as many in each: data()[0] has 4, data()[1] has 3; keep what is no row on self, or in prepare()",
    ),
    (
        "run good.py:Net",
        "PLACE/good.py:119: Net.module: 0 (LazyLinear) is lazy: its shapes are not known before it is called; give them",
    ),
    (
        "run good.py:Twice",
        "PLACE/good.py:126: Twice.loss: gives 7.03704 where loss_and_gradient gives the loss 3.51852; they have to say the same, or leave one of them out",
    ),
    (
        "run good.py:Good --epochs 3",
        "epochs counts minibatches, and Good takes all rows in each update; give steps, or write batch = 128 in the class",
    ),
    (
        "run good.py:Good --epochs 3 --steps 5",
        "steps and epochs say the same in two ways; give one of them",
    ),
    (
        "run good.py:Good --space schedule=cosin",
        "unknown schedule 'cosin'; known: constant, linear, cosine, step, exponential, one-cycle (did you mean cosine?)",
    ),
    # the space
    ("run --space lr", "'lr' is not NAME=VALUES, as in lr=1e-8:1e-4:log"),
    ("run --space ''", "'' is not NAME=VALUES, as in lr=1e-8:1e-4:log"),
    ("run --space =1", "'=1' is not NAME=VALUES, as in lr=1e-8:1e-4:log"),
    (
        "run --space lr=",
        "lr= has no values; write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, LOW:HIGH:STEP[:int], a,b,c or one value",
    ),
    (
        "run --space lr=1,,2",
        "lr=1,,2: an empty choice; write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, LOW:HIGH:STEP[:int], a,b,c or one value",
    ),
    (
        "run --space lr=1:",
        "lr=1:: '1' and '' must be numbers; write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, LOW:HIGH:STEP[:int], a,b,c or one value",
    ),
    ("run --space lr=1:2 --space lr=2:3", "the space names lr twice"),
    ("run --space lr=2:1", "lr=2.0:1.0: the low end must be below the high end"),
    ("run --space lr=1:1", "lr=1.0:1.0: the low end must be below the high end"),
    ("run --space lr=0:1:log", "lr=0.0:1.0:log: with log the low end must be above 0"),
    ("run --space lr=-1:1:log", "lr=-1.0:1.0:log: with log the low end must be above 0"),
    (
        "run --space lr=a:b",
        "lr=a:b: 'a' and 'b' must be numbers; write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, LOW:HIGH:STEP[:int], a,b,c or one value",
    ),
    (
        "run --space lr=1:2:3",
        "lr=1.0:2.0:3.0: the step is longer than the range",
    ),
    (
        "run --space lr=1:2:log:log",
        "lr=1:2:log:log: write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, LOW:HIGH:STEP[:int], a,b,c or one value",
    ),
    ("run --space lr=1.5:2.5:int", "lr=1.5:2.5:int: with int both ends must be whole numbers"),
    ("run --space lr=fast", "lr=fast: lr takes numbers"),
    (
        "run --space lr=1,fast",
        "lr=1,fast: choices are all numbers, all words or all truth values (True,False)",
    ),
    ("run --space lr=1,1.0", "lr=1.0,1.0: a choice is named twice"),
    ("run --space lr=nan", "lr=nan: a value must be a finite number"),
    ("run --space lr=1:inf", "lr=1.0:inf: both ends must be finite numbers"),
    ("run --space lr=1:DIGITS", "lr=1.0:inf: both ends must be finite numbers"),
    ("run --space lr=DIGITS", "lr: whole numbers reach from -9007199254740992 to 9007199254740992"),
    (
        "run --space lr=-1e308:1e308 --sampler optuna-tpe",
        "lr=-1e+308:1e+308: the ends are too far apart for optuna-tpe; choose tpe, qmc, random, or "
        "nearer ends",
    ),
    (
        "run --space lr=-1e308:1e308:1e300",
        "lr=-1e+308:1e+308:1e+300: with a step the ends are too far apart",
    ),
    ("run --space loss=1:2", "loss is a column of the results and no hyperparameter's name"),
    ("run --space trial=1:2", "trial is a column of the results and no hyperparameter's name"),
    ("run --space 1r=1:2", "'1r' is no name for a hyperparameter: use letters, digits, _"),
    ("run --space 'l r=1:2'", "'l r' is no name for a hyperparameter: use letters, digits, _"),
    (
        "run --space speed=1:2",
        "unknown hyperparameter 'speed'; this problem and sgd have: optimizer, schedule, lr, momentum, nesterov, weight_decay, clip_value, clip_norm, ema, warmup",
    ),
    (
        "run --space beta1=0:1",
        "unknown hyperparameter 'beta1'; this problem and sgd have: optimizer, schedule, lr, momentum, nesterov, weight_decay, clip_value, clip_norm, ema, warmup",
    ),
    (
        "run --space optimizer=newton",
        "unknown optimizer 'newton'; known: sgd, momentum, adam, adamw, rmsprop, adagrad, lion, lm",
    ),
    (
        "run --space optimizer=sgd,newton",
        "unknown optimizer 'sgd,newton'; known: sgd, momentum, adam, adamw, rmsprop, adagrad, lion, lm",
    ),
    (
        "run --space optimizer=1:2",
        "unknown optimizer '1.0:2.0'; known: sgd, momentum, adam, adamw, rmsprop, adagrad, lion, lm",
    ),
    (
        "run good.py:Good --space width=1:2",
        "width=1.0:2.0: width changes the program, and each value needs one of its own; give choices, whole numbers or a step",
    ),
    (
        "run good.py:Good --space width=1:99999999999999999999:int",
        "width=1:99999999999999999999:int: whole numbers reach from -9007199254740992 to 9007199254740992",
    ),
    ("run good.py:NoSpace", "there is nothing to search; give --space, as in lr=1e-8:1e-4:log"),
    (
        "run good.py:NoSpace --space l2=0:1",
        "lr has no value; give one, as in lr=1e-6, or a range of them",
    ),
    # numbers
    ("run --trials 0", "trials must be at least 1, not 0"),
    ("run --trials -3", "trials must be at least 1, not -3"),
    ("run --trials many", "Invalid value for '--trials': 'many' is not a valid integer."),
    ("run --trials 1.5", "Invalid value for '--trials': '1.5' is not a valid integer."),
    ("run --trials ''", "Invalid value for '--trials': '' is not a valid integer."),
    ("run --trials 2147483648", "trials must be at most 2147483647"),
    ("run --trials 100000001", "trials times replicates must be at most 100000000, not 100000001"),
    (
        "run --trials 20000 --replicates 10000",
        "trials times replicates must be at most 100000000, not 200000000",
    ),
    ("run --steps 0", "steps must be at least 1, not 0"),
    ("run --steps 2147483648", "steps must be at most 2147483647"),
    ("run --report 0", "report must be at least 1, not 0"),
    ("run --round 0", "round must be at least 1, not 0"),
    ("run --pack 0", "pack must be at least 1, not 0"),
    ("run --block 0", "block must be at least 1, not 0"),
    ("run --replicates 0", "replicates must be at least 1, not 0"),
    ("run --workers 0", "workers must be at least 1, not 0"),
    ("run --workers 100001", "workers must be at most 100000"),
    ("run --workers two", "Invalid value for '--workers': 'two' is not a valid integer."),
    ("run --seed -1", "seed must be at least 0, not -1"),
    ("run --seed 99999999999", "seed must be at most 2147483647"),
    ("run --seed 0.5", "Invalid value for '--seed': '0.5' is not a valid integer."),
    ("run --diverge-factor 1", "diverge_factor must be a number above 1, not 1.0"),
    ("run --diverge-factor nan", "diverge_factor must be a number above 1, not nan"),
    (
        "run --diverge-factor big",
        "Invalid value for '--diverge-factor': 'big' is not a valid float.",
    ),
    ("run --sampler best", f"unknown sampler 'best'; {SAMPLERS_KNOWN}"),
    ("run --engine fast", "unknown engine 'fast'; known: auto, ray, inline"),
    (
        "run --engine inline --address 127.0.0.1:1",
        "an address needs Ray; leave out --engine inline or --address",
    ),
    # durations
    ("run --checkpoint ''", "--checkpoint=: give a duration, as in 90s, 10m or 1h30m, or off"),
    ("run --checkpoint 0", "--checkpoint=0: give a duration, as in 90s, 10m or 1h30m, or off"),
    ("run --checkpoint 0m", "--checkpoint=0m: give a duration, as in 90s, 10m or 1h30m, or off"),
    ("run --checkpoint -5m", "--checkpoint=-5m: give a duration, as in 90s, 10m or 1h30m, or off"),
    (
        "run --checkpoint '1h 30m'",
        "--checkpoint=1h 30m: give a duration, as in 90s, 10m or 1h30m, or off",
    ),
    ("run --checkpoint m", "--checkpoint=m: give a duration, as in 90s, 10m or 1h30m, or off"),
    (
        "run --checkpoint 30m1h",
        "--checkpoint=30m1h: give a duration, as in 90s, 10m or 1h30m, or off",
    ),
    (
        "run --checkpoint 1.5h",
        "--checkpoint=1.5h: give a duration, as in 90s, 10m or 1h30m, or off",
    ),
    ("run --checkpoint 5x", "--checkpoint=5x: give a duration, as in 90s, 10m or 1h30m, or off"),
    ("run --checkpoint nan", "--checkpoint=nan: give a duration, as in 90s, 10m or 1h30m, or off"),
    ("run --checkpoint OFF", "--checkpoint=OFF: give a duration, as in 90s, 10m or 1h30m, or off"),
    ("run --time-budget ''", "--time-budget=: give a duration, as in 90s, 10m or 1h30m"),
    ("run --time-budget 0", "--time-budget=0: give a duration, as in 90s, 10m or 1h30m"),
    ("run --time-budget -5m", "--time-budget=-5m: give a duration, as in 90s, 10m or 1h30m"),
    ("run --time-budget off", "--time-budget=off: give a duration, as in 90s, 10m or 1h30m"),
    ("run --time-budget inf", "--time-budget=inf: give a duration, as in 90s, 10m or 1h30m"),
    ("run --time-budget 1e9", "--time-budget=1e9: give a duration, as in 90s, 10m or 1h30m"),
    ("run --time-budget 99999d", "--time-budget=99999d: give a duration, as in 90s, 10m or 1h30m"),
    # TOML
    ("run --config missing.toml", "cannot read missing.toml: No such file or directory"),
    ("run --config plain", "cannot read plain: Is a directory"),
    ("run --config bad.toml", "bad.toml is not TOML: Invalid value (at line 1, column 10)"),
    (
        "run --config twice.toml",
        "twice.toml is not TOML: Cannot overwrite a value (at line 2, column 11)",
    ),
    ("run --config deep.toml", "deep.toml is not TOML: nested too deep"),
    (
        "run --config latin.toml",
        "latin.toml is not TOML: 'utf-8' codec can't decode byte 0xff in position 11: invalid start byte",
    ),
    (
        "run --config unknown.toml",
        "unknown setting 'trails'; known: problem, space, trials, steps, epochs, seed, sampler, replicates, objective, select, patience, pruner, stop_when, max_updates, tries, from, folds, keep, report, round, pack, block, program, diverge_factor, exec, read, cpus, gpus",
    ),
    (
        "run --config means.toml",
        "unknown setting 'workers'; known: problem, space, trials, steps, epochs, seed, sampler, replicates, objective, select, patience, pruner, stop_when, max_updates, tries, from, folds, keep, report, round, pack, block, program, diverge_factor, exec, read, cpus, gpus",
    ),
    ("run --config word.toml", "trials must be a whole number, not 'many'"),
    ("run --config float.toml", "trials must be a whole number, not 8.0"),
    ("run --config flag.toml", "seed must be a whole number, not True"),
    ("run --config problem.toml", "problem must be a name, module:Class or file.py:Class, not 5"),
    ("run --config sampler.toml", f"unknown sampler []; {SAMPLERS_KNOWN}"),
    ("run --config program.toml", "unknown program 'fast'; known: auto, eager, compiled"),
    ("run --config factor.toml", "diverge_factor must be at most 1e+300, or inf"),
    ("run --config space.toml", "space must be a table of names and values, not 3"),
    ("run --config space.toml --space lr=1:2", "space must be a table of names and values, not 3"),
    ("run --config true.toml", "lr=True: lr takes numbers"),
    (
        "run --config none.toml",
        "lr: [] is no dimension; write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, LOW:HIGH:STEP[:int], a,b,c or one value, or an Optuna distribution",
    ),
    (
        "run --config mixed.toml",
        "lr=1,a: choices are all numbers, all words or all truth values (True,False)",
    ),
    ("run --config nested.toml", "lr: [1] is no choice; write numbers, words or truth values"),
    (
        "run --config table.toml",
        "lr: {'low': 1} is no dimension; write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, LOW:HIGH:STEP[:int], a,b,c or one value, or an Optuna distribution",
    ),
    (
        "run --config date.toml",
        "lr: datetime.date(2026, 1, 1) is no dimension; write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, LOW:HIGH:STEP[:int], a,b,c or one value, or an Optuna distribution",
    ),
    # run folders
    (
        "run --out done --trials 7",
        "done has 8 trials, 7 asked: there can be more, and not fewer; leave out --trials, or choose another --out",
    ),
    (
        "run --out done --space lr=1:2",
        "done holds another search (lr is '1e-08:0.0001:log' there, '1.0:2.0' asked); choose another --out; with --from done it begins from what this one has found",
    ),
    (
        "run --out done --space optimizer=sgd",
        "done holds another search (optimizer is absent there, 'sgd' asked); choose another --out; with --from done it begins from what this one has found",
    ),
    (
        "run --out done --seed 1 --steps 6",
        "done holds another search (steps is 5 there, 6 asked; seed is 0 there, 1 asked); choose another --out; with --from done it begins from what this one has found",
    ),
    (
        "run --out done --config seed.toml",
        "done holds another search (seed is 0 there, 1 asked); choose another --out; with --from done it begins from what this one has found",
    ),
    (
        "run legendre-sine --out done",
        "done holds another search (problem is 'cubic-sine' there, 'legendre-sine' asked); choose another --out; with --from done it begins from what this one has found",
    ),
    ("run --out ''", ". is not a run folder: it has no search.toml"),
    ("run --out plain", "plain is not a run folder: it has no search.toml"),
    ("run --out file", "file is no folder; give a run folder, as shoal run makes them"),
    ("run --out file/below", "cannot make file/below: Not a directory; choose another --out"),
    ("run --out dangling", "cannot make dangling: Not a directory; choose another --out"),
    ("run --out loop", "loop cannot be read: Too many levels of symbolic links; choose another"),
    ("run --out LONG", "LONG cannot be read: File name too long; choose another"),
    (
        "run --out new/folder/LONG",
        "cannot make new/folder/LONG: File name too long; choose another --out",
    ),
    (
        "run --out /proc/folder",
        "cannot make /proc/folder: No such file or directory; choose another --out",
    ),
    ("run --out format-1", "format-1/search.toml has format 1; this version of shoal reads 3 to 9"),
    (
        "run --out format-99",
        "format-99/search.toml has format 99; this version of shoal reads 3 to 9",
    ),
    (
        "run --out no-format",
        "no-format/search.toml has format None; this version of shoal reads 3 to 9",
    ),
    ("run --out no-toml", "no-toml is not a run folder: it has no search.toml"),
    ("results missing", "missing does not exist; give a run folder, as shoal run makes them"),
    ("results plain", "plain is not a run folder: it has no search.toml"),
    ("results file", "file is no folder; give a run folder, as shoal run makes them"),
    ("results dangling", "dangling does not exist; give a run folder, as shoal run makes them"),
    (
        "results format-99",
        "format-99/search.toml has format 99; this version of shoal reads 3 to 9",
    ),
    ("results LONG", "LONG cannot be read: File name too long; choose another"),
    ("results done --best 0", "Invalid value for '--best': 0 is not in the range x>=1."),
    ("results done --best all", "Invalid value for '--best': 'all' is not a valid integer range."),
    (
        "results done --csv missing/rows.csv",
        "cannot write missing/rows.csv: there is no folder missing",
    ),
    ("results done --csv plain", "cannot write plain: Is a directory"),
    # one fit
    (
        "fit nonsense lr=1",
        "unknown problem 'nonsense'; known: convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp, mlp-module, nist, poisson, softmax; or module:Class, or file.py:Class",
    ),
    ("fit sys:A lr=1", "sys is not a module with a file"),
    ("fit good.py:Exits lr=1", "PLACE/good.py:87: SystemExit: 0"),
    ("fit cubic-sine", "lr has no value; give one, as in lr=1e-6, or a range of them"),
    (
        "fit cubic-sine lr=",
        "lr= has no values; write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, LOW:HIGH:STEP[:int], a,b,c or one value",
    ),
    ("fit cubic-sine lr=1:2", "lr=1.0:2.0: fit takes one value; shoal run searches"),
    ("fit cubic-sine lr=1,2", "lr=1,2: fit takes one value; shoal run searches"),
    ("fit cubic-sine lr=a", "lr=a: lr takes a number"),
    ("fit cubic-sine lr=inf", "lr=inf: a value must be a finite number"),
    (
        "fit cubic-sine lr=DIGITS",
        "lr: whole numbers reach from -9007199254740992 to 9007199254740992",
    ),
    (
        "fit cubic-sine lr=1e-6 beta1=1",
        "unknown hyperparameter 'beta1'; this problem and sgd have: optimizer, schedule, lr, momentum, nesterov, weight_decay, clip_value, clip_norm, ema, warmup",
    ),
    (
        "fit cubic-sine legendre-sine lr=1",
        "one problem at a time, not cubic-sine and legendre-sine",
    ),
    (
        "fit cubic-sine lr=1e-6 optimizer=newton",
        "unknown optimizer 'newton'; known: sgd, momentum, adam, adamw, rmsprop, adagrad, lion, lm",
    ),
    ("fit cubic-sine lr=1e-6 --steps 0", "steps must be at least 1, not 0"),
    ("fit cubic-sine lr=1e-6 --report 0", "report must be at least 1, not 0"),
    (
        "fit cubic-sine lr=1e-6 --seed -1",
        "seed must be at least 0, not -1",
    ),
    ("fit cubic-sine lr=1e-6 lr=1e-7", "the space names lr twice"),
    # the command line itself
    ("nonsense", "No such command 'nonsense'."),
    ("--nonsense", click.NoSuchOption("--nonsense").format_message()),
    ("run --nonsense", UNKNOWN),
    ("run --trials", "Option '--trials' requires an argument."),
    ("run --checkpoint", "Option '--checkpoint' requires an argument."),
    ("run --quiet=3", "Option '--quiet' does not take a value."),
    ("run cubic-sine more", "Got unexpected extra argument (more)"),
    ("run cubic-sine more words", "Got unexpected extra arguments (more words)"),
    ("results", "Missing argument 'FOLDER'."),
    ("results done more", "Got unexpected extra argument (more)"),
    ("fit --nonsense", UNKNOWN),
    # addresses
    (
        "run --address nowhere",
        "--address nowhere is not HOST:PORT, as in 10.0.0.1:6379 or [fd00::2]:6379, nor auto",
    ),
    (
        "run --address ::1:6379",
        "--address ::1:6379 is not HOST:PORT (an IPv6 address stands in brackets), as in [fd00::2]:6379, nor auto",
    ),
    (
        "run --address 127.0.0.1:0",
        "--address 127.0.0.1:0 is not HOST:PORT, as in 10.0.0.1:6379 or [fd00::2]:6379, nor auto",
    ),
    (
        "run --address 127.0.0.1:99999",
        "--address 127.0.0.1:99999 is not HOST:PORT, as in 10.0.0.1:6379 or [fd00::2]:6379, nor auto",
    ),
    (
        "run --address ray://127.0.0.1:1",
        "--address ray://127.0.0.1:1: Ray Client is not supported; give HOST:PORT",
    ),
    (
        "run --address 127.0.0.1:1",
        "no Ray answers at 127.0.0.1:1 (Connection refused); is the cluster up?",
    ),
]


def told(place: Path, capsys: pytest.CaptureFixture[str], line: str, message: str) -> None:
    """Check that a command line ends with exit code 2 and one line, and makes or changes no file."""
    for word, meant in SHORT.items():
        line, message = line.replace(word, meant), message.replace(word, meant)
    before = tree(place)
    with pytest.raises(SystemExit, match=r"^2$"):
        main.main(args=shlex.split(line))
    out, err = capsys.readouterr()
    assert err == f"shoal: {message.replace('PLACE', str(place))}\n"
    assert out == ""
    assert tree(place) == before


@pytest.mark.parametrize(("line", "message"), CASES, ids=[line for line, _ in CASES])
def test_a_mistake_is_one_line_and_changes_nothing(
    place: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    """Exit code 2, exactly the expected line, and not a file made or changed."""
    told(place, capsys, line, message)


JUDGED_SEARCHES: dict[str, dict[str, Any]] = {
    "kept": {"keep": 1},
    "folded": {"folds": 2, "replicates": 2},
    "NoPredict": {},
    "NoInputs": {},
    "ScalarPredict": {},
    "FailsPredict": {},
}
"""Run folders, of the problem's class of that name, or of Judged."""

ROWS = {
    "rows.csv": "x,name\n1,a\n2,b\n",
    "other.csv": "y\n1\n",
    "text.csv": "x\n1\nb\n",
    "none.csv": "x\n",
    "empty.csv": "",
    "ragged.csv": "x\n1\n2,3\n",
    "junk.parquet": "junk",
    "there.safetensors": "",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folders of `JUDGED_SEARCHES`."""
    folder = tmp_path_factory.mktemp("judged")
    (folder / "judged.py").write_text(JUDGED)
    for name, asked in JUDGED_SEARCHES.items():
        cls = name if name[0].isupper() else "Judged"
        shoal.run(
            f"{folder / 'judged.py'}:{cls}",
            **{"keep": 0, **asked},
            trials=4,
            steps=3,
            engine="inline",
            program="eager",
            out=folder / name,
        )
    return folder


@pytest.fixture
def fitted(place: Path, judged: Path) -> Path:
    """The folder to stand in, with searches that have metrics, and tables of rows."""
    for name in JUDGED_SEARCHES:
        shutil.copytree(judged / name, place / name)
    for name, text in ROWS.items():
        (place / name).write_text(text)
    (place / "folder.csv").mkdir()
    return place


PREDICT = "--input rows.csv --output new.csv"

MODELS = [
    # objectives
    (
        "run judged.py:Judged --objective accuracy:max --out new",
        "unknown objective 'accuracy'; known: loss, off, worst",
    ),
    (
        "run judged.py:Judged --objective accuracy:best --out new",
        "objective 'accuracy:best' is not NAME, NAME:min or NAME:max, as in accuracy:max",
    ),
    (
        "run judged.py:Judged --objective '' --out new",
        "objective '' is not NAME, NAME:min or NAME:max, as in accuracy:max",
    ),
    (
        "run judged.py:Plain --objective off --out new",
        "unknown objective 'off'; known: loss; Plain has no metrics()",
    ),
    (
        "run judged.py:BadGoal --out new",
        "BadGoal.objective: unknown objective 'accuracy'; known: loss, off, worst",
    ),
    (
        "run judged.py:OddGoal --out new",
        "OddGoal.objective: objective 'off:best' is not NAME, NAME:min or NAME:max, as in accuracy:max",
    ),
    (
        "run judged.py:NoGoal --out new",
        "NoGoal.objective: objective must be NAME, NAME:min or NAME:max, not None",
    ),
    (
        "run --out done --objective error:max",
        "done holds another search (objective is 'loss:min' there, 'error:max' asked); choose another --out; with --from done it begins from what this one has found",
    ),
    # metrics
    (
        "run judged.py:Floats --out new",
        "PLACE/judged.py:41: Floats.metrics: the metric 'off' is a float, not a tensor of shape (); compute it by torch",
    ),
    (
        "run judged.py:Empty --out new",
        'PLACE/judged.py:45: Empty.metrics: returns an empty dict, not a dict of names and numbers: {"accuracy": share}',
    ),
    (
        "run judged.py:Wide --out new",
        "PLACE/judged.py:49: Wide.metrics: the metric 'off' is float32 of shape (6,), not of shape (); reduce it, by .sum() or .mean()",
    ),
    (
        "run judged.py:Complex --out new",
        "PLACE/judged.py:53: Complex.metrics: the metric 'off' is complex64 of shape (), not a real number; take its .real or .abs()",
    ),
    (
        "run judged.py:Changes --out new",
        "PLACE/judged.py:58: Changes.metrics: gives something else each time; compute them from params, the validation rows and hyperparameters alone",
    ),
    (
        "run judged.py:Renames --out new",
        "PLACE/judged.py:63: Renames.metrics: gives something else each time; compute them from params, the validation rows and hyperparameters alone",
    ),
    (
        "run judged.py:Draws --out new",
        "PLACE/judged.py:68: Draws.metrics: gives something else each time (it draws random numbers: rand in line 69); compute them from params, the validation rows and hyperparameters alone",
    ),
    (
        "run judged.py:Steps --out new",
        "the metric 'steps' is called like a column of the results; call it otherwise, as validation_steps",
    ),
    (
        "run judged.py:L2 --out new",
        "the metric 'l2' is called like a hyperparameter; call it otherwise, as validation_l2",
    ),
    (
        "run judged.py:Lr --out new",
        "the metric 'lr' is called like a hyperparameter; call it otherwise, as validation_lr",
    ),
    (
        "run judged.py:Spaced --out new",
        "PLACE/judged.py:84: Spaced.metrics: a metric is called 'the error'; give it a name of letters and _",
    ),
    (
        "run judged.py:NoMetrics --out new",
        "NoMetrics.metrics is no method; write def metrics(self, params, validation)",
    ),
    (
        "run judged.py:OnlyValidation --out new",
        "PLACE/judged.py:12: OnlyValidation.validation: validation() without metrics(): add def metrics(self, params, validation)",
    ),
    (
        "run judged.py:OddValidation --out new",
        "PLACE/judged.py:101: OddValidation.validation: returns an int, not a tensor or a tuple or dict of tensors: write torch.tensor(5)",
    ),
    (
        "run judged.py:OddPrepare --out new",
        'PLACE/judged.py:108: OddPrepare.prepare: returns a list, not a dict of names and tensors: write {"mean": mean}',
    ),
    # folds
    (
        "run judged.py:Plain --folds 2 --out new",
        "PLACE/judged.py:8: Plain.data: folds without metrics(): add def metrics(self, params, validation), or leave out the folds",
    ),
    (
        "run judged.py:Judged --folds 11 --out new",
        "data() has 10 rows, too few for folds=11: each part needs one",
    ),
    (
        "run judged.py:OddRows --folds 2 --out new",
        "with folds, rows are the first dimension of each tensor of data(), and as many in each: data()[0] has 10, data()[1] has 1",
    ),
    (
        "run judged.py:NoRows --folds 2 --out new",
        "with folds, rows are the first dimension of each tensor of data(), and as many in each: data()[0] has 10, data()[1] has none",
    ),
    (
        "run judged.py:OddStratify --folds 2 --out new",
        "stratify is 'side', so it shares the values of data()['side'], which is not there: there is data()[0], data()[1]",
    ),
    (
        "run judged.py:Judged --folds 2 --trials 60000000 --out new",
        "trials times replicates times folds must be at most 100000000, not 120000000",
    ),
    ("run --folds 0", "folds must be at least 1, not 0"),
    ("run --folds 1001", "folds must be at most 1000"),
    ("run --folds two", "Invalid value for '--folds': 'two' is not a valid integer."),
    # what counts and what is kept
    ("run --keep -1", "keep must be at least 0, not -1"),
    ("run --keep some", "Invalid value for '--keep': 'some' is neither a whole number nor all."),
    ("run --keep 1.5", "Invalid value for '--keep': '1.5' is neither a whole number nor all."),
    ("run --patience -1", "patience must be at least 0, not -1"),
    ("run --select first", "unknown select 'first'; known: last, best"),
    # a trial fitted again
    ("fit kept --trial 99999", "trial must be a number from 0 to 3, or best, not 99999"),
    ("fit kept --trial x", "Invalid value for '--trial': 'x' is neither a whole number nor best."),
    ("fit kept --trial best --replicate 1", "replicate must be 0, not 1"),
    ("fit kept --trial best --fold 1", "kept has no folds, so none is 1; leave out the fold"),
    ("fit kept --trial best --fold all", "kept has no folds, so none is 'all'; leave out the fold"),
    (
        "fit folded --trial best",
        'each trial of folded has 2 fits, a fold left out of each: say which, --fold 0 to 1, or --fold all to fit to all rows (in Python fold=0, or fold="all")',
    ),
    ("fit folded --trial best --fold 2", "fold must be a number from 0 to 1, or all, not 2"),
    (
        "fit folded --trial best --fold some",
        "Invalid value for '--fold': 'some' is neither a whole number nor all.",
    ),
    (
        "fit kept --trial best --save there.safetensors",
        "there.safetensors is there already; choose another name, or remove it",
    ),
    (
        "fit kept --trial best --save missing/new.safetensors",
        "cannot write missing/new.safetensors: there is no folder missing",
    ),
    ("fit --trial best", "--trial is of one run folder: shoal fit runs/mine --trial best"),
    (
        "fit cubic-sine --trial best",
        "cubic-sine does not exist; give a run folder, as shoal run makes them",
    ),
    ("fit plain --trial best", "plain is not a run folder: it has no search.toml"),
    (
        "fit kept lr=1 --trial best",
        "--trial is of one run folder: shoal fit runs/mine --trial best",
    ),
    (
        "fit kept --trial best --seed 1",
        "--seed is that of the search; leave it out, or leave out --trial",
    ),
    (
        "fit kept --trial best --steps 1",
        "--steps is that of the search; leave it out, or leave out --trial",
    ),
    ("fit kept --fold 1", "--fold is of a trial of a run folder; add --trial, as --trial best"),
    ("fit kept --trust", "--trust is of a trial of a run folder; add --trial, as --trial best"),
    ("fit kept", "kept is a run folder: say which trial of it, as --trial best"),
    (
        "fit cubic-sine lr=1e-6 --save new.safetensors",
        "--save is of a trial of a run folder; add --trial, as --trial best",
    ),
    # predictions
    (
        f"predict NoPredict {PREDICT}",
        "NoPredict has no predict(); add def predict(self, params, x) to the problem of a new search",
    ),
    (
        f"predict NoInputs {PREDICT}",
        'NoInputs does not say which columns it takes; write inputs = ("age", "height") in the class of a new search, in the order of x\'s columns, or give result.predict an array',
    ),
    (
        f"predict ScalarPredict {PREDICT}",
        "JUDGED/judged.py:125: ScalarPredict.predict: returns shape () for 2 rows; rows are the first dimension",
    ),
    (f"predict FailsPredict {PREDICT}", "JUDGED/judged.py:130: ValueError: no"),
    (
        f"predict folded {PREDICT}",
        'each trial of folded has 2 fits, a fold left out of each: say which, --fold 0 to 1, or --fold all to fit to all rows (in Python fold=0, or fold="all")',
    ),
    (f"predict kept --trial 4 {PREDICT}", "trial must be a number from 0 to 3, or best, not 4"),
    (
        f"predict missing {PREDICT}",
        "missing does not exist; give a run folder, as shoal run makes them",
    ),
    (
        "predict kept --input other.csv --output new.csv",
        "the input has no column 'x'; Judged takes x",
    ),
    (
        "predict kept --input text.csv --output new.csv",
        "the column 'x' of the input is not all numbers",
    ),
    ("predict kept --input none.csv --output new.csv", "the input has no rows"),
    (
        "predict kept --input empty.csv --output new.csv",
        "cannot read empty.csv: No columns to parse from file",
    ),
    ("predict kept --input folder.csv --output new.csv", "cannot read folder.csv: Is a directory"),
    ("predict kept --input missing.csv --output new.csv", "missing.csv does not exist"),
    ("predict kept --input file --output new.csv", "file must end in .parquet or .csv"),
    (
        "predict kept --input rows.csv --output rows.csv",
        "rows.csv is there already; choose another name, or remove it",
    ),
    ("predict kept --input rows.csv --output new.txt", "new.txt must end in .parquet or .csv"),
    (
        "predict kept --input rows.csv --output missing/new.csv",
        "cannot write missing/new.csv: there is no folder missing",
    ),
    ("predict kept --input rows.csv", "Missing option '--output'."),
]


@pytest.mark.parametrize(("line", "message"), MODELS, ids=[line for line, _ in MODELS])
def test_a_mistake_with_metrics_folds_or_models_is_one_line_and_changes_nothing(
    fitted: Path, judged: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    """As above: of metrics, objectives, folds, trials fitted again and predictions."""
    told(fitted, capsys, line, message.replace("JUDGED", str(judged)))


@pytest.mark.parametrize("file", ["ragged.csv", "junk.parquet"])
def test_a_table_that_is_none_is_told(
    fitted: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    """In one line, whatever pandas and arrow say of it."""
    before = tree(fitted)
    with pytest.raises(SystemExit, match=r"^2$"):
        main.main(args=["predict", "kept", "--input", file, "--output", "new.csv"])
    err = capsys.readouterr().err
    assert err.startswith(f"shoal: cannot read {file}: ")
    assert err.count("\n") == 1
    assert tree(fitted) == before


def test_parameters_that_are_not_kept_are_told(fitted: Path) -> None:
    """With what makes them again; and so is a trial that there is not."""
    result = shoal.load("kept")
    other = int(result.ranking["trial"].iloc[1])
    with pytest.raises(shoal.BadInput) as caught:
        result.parameters(other)
    assert str(caught.value) == (
        f"the parameters of trial {other} are not kept (keep=1): shoal fit kept --trial {other} "
        "makes them again, or result.refit in Python"
    )
    for trial in (4, -1, 1.0, True, "first", None):
        with pytest.raises(shoal.BadInput, match=r"^trial must be a number from 0 to 3, or best,"):
            result.parameters(trial)


D = "give a duration, as in 90s, 10m or 1h30m, or None"
SYNTAX = "write LOW:HIGH, LOW:HIGH:log, LOW:HIGH:int, LOW:HIGH:int:log, LOW:HIGH:STEP[:int], a,b,c or one value"
STEP = distributions.FloatDistribution(0, 1, step=0.25)

CALLS: list[tuple[dict[str, Any], str]] = [
    (
        {"problem": 5},
        "problem must be a name, module:Class, file.py:Class, a class, an instance of one, or a function, not 5",
    ),
    (
        {"problem": ""},
        "unknown problem ''; known: convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp, mlp-module, nist, poisson, softmax; or module:Class, or file.py:Class",
    ),
    ({"space": [1]}, "space must be a table of names and values, not [1]"),
    ({"space": "lr=1:2"}, "space must be a table of names and values, not 'lr=1:2'"),
    ({"space": {"lr": None}}, f"lr: None is no dimension; {SYNTAX}, or an Optuna distribution"),
    ({"space": {"lr": True}}, "lr=True: lr takes numbers"),
    ({"space": {"lr": []}}, f"lr: [] is no dimension; {SYNTAX}, or an Optuna distribution"),
    ({"space": {"lr": {}}}, f"lr: {{}} is no dimension; {SYNTAX}, or an Optuna distribution"),
    ({"space": {"lr": b"1:2"}}, f"lr: b'1:2' is no dimension; {SYNTAX}, or an Optuna distribution"),
    ({"space": {"lr": float("nan")}}, "lr=nan: a value must be a finite number"),
    (
        {"space": {"lr": 10**400}},
        "lr: whole numbers reach from -9007199254740992 to 9007199254740992",
    ),
    ({"space": {"lr": [1e400]}}, "lr=inf: a value must be a finite number"),
    ({"space": {"lr": [None]}}, "lr: None is no choice; write numbers, words or truth values"),
    (
        {"space": {"lr": {"values": STEP, "if": 2}}},
        "lr: if takes text, as 'layers>=2', not 2",
    ),
    ({"space": {5: "1:2"}}, "'5' is no name for a hyperparameter: use letters, digits, _"),
    ({"trials": 2.0}, "trials must be a whole number, not 2.0"),
    ({"trials": True}, "trials must be a whole number, not True"),
    ({"trials": "2"}, "trials must be a whole number, not '2'"),
    ({"trials": 10**400}, "trials must be at most 2147483647"),
    ({"steps": 0}, "steps must be at least 1, not 0"),
    ({"seed": 1.5}, "seed must be a whole number, not 1.5"),
    ({"seed": -1}, "seed must be at least 0, not -1"),
    ({"sampler": "best"}, f"unknown sampler 'best'; {SAMPLERS_KNOWN}"),
    ({"sampler": []}, f"unknown sampler []; {SAMPLERS_KNOWN}"),
    ({"diverge_factor": 0.5}, "diverge_factor must be a number above 1, not 0.5"),
    ({"diverge_factor": 10**400}, "diverge_factor must be at most 1e+300, or inf"),
    ({"diverge_factor": "1"}, "diverge_factor must be a number above 1, not '1'"),
    ({"workers": 0}, "workers must be at least 1, not 0"),
    ({"workers": True}, "workers must be a whole number, not True"),
    ({"workers": 1.0}, "workers must be a whole number, not 1.0"),
    ({"engine": "fast"}, "unknown engine 'fast'; known: auto, ray, inline"),
    ({"engine": None}, "unknown engine None; known: auto, ray, inline"),
    ({"engine": []}, "unknown engine []; known: auto, ray, inline"),
    (
        {"engine": "inline", "address": "127.0.0.1:1"},
        "an address needs Ray; leave out --engine inline or --address",
    ),
    ({"out": 5}, "out must be the path of a run folder, not 5"),
    ({"out": "a\0b"}, "out must be the path of a run folder, not 'a\\x00b'"),
    ({"out": b"done"}, "out must be the path of a run folder, not b'done'"),
    ({"out": "plain"}, "plain is not a run folder: it has no search.toml"),
    (
        {"out": "done", "trials": 7},
        "done has 8 trials, 7 asked: there can be more, and not fewer; leave out --trials, or choose another --out",
    ),
    ({"checkpoint": True}, f"checkpoint=True: {D}"),
    ({"checkpoint": False}, f"checkpoint=False: {D}"),
    ({"checkpoint": 0}, f"checkpoint=0: {D}"),
    ({"checkpoint": -1}, f"checkpoint=-1: {D}"),
    ({"checkpoint": float("nan")}, f"checkpoint=nan: {D}"),
    ({"checkpoint": 1e400}, f"checkpoint=inf: {D}"),
    ({"checkpoint": "5x"}, f"checkpoint=5x: {D}"),
    ({"checkpoint": "off"}, f"checkpoint=off: {D}"),
    ({"checkpoint": []}, f"checkpoint=[]: {D}"),
    ({"time_budget": True}, f"time_budget=True: {D}"),
    ({"time_budget": 0}, f"time_budget=0: {D}"),
    ({"time_budget": -1}, f"time_budget=-1: {D}"),
    ({"time_budget": float("nan")}, f"time_budget=nan: {D}"),
    ({"time_budget": 1e400}, f"time_budget=inf: {D}"),
    ({"time_budget": "5x"}, f"time_budget=5x: {D}"),
    ({"time_budget": ""}, f"time_budget=: {D}"),
    ({"time_budget": []}, f"time_budget=[]: {D}"),
    ({"time_budget": b"5m"}, f"time_budget=b'5m': {D}"),
]


@pytest.mark.parametrize(("given", "message"), CALLS, ids=[str(given) for given, _ in CALLS])
def test_a_mistake_in_python_is_a_bad_input_and_changes_nothing(
    place: Path, given: dict[str, Any], message: str
) -> None:
    """`shoal.run` raises a `BadInput`, a ValueError, of exactly the expected line."""
    before = tree(place)
    with pytest.raises(shoal.BadInput, match=r"^[^\n]*$") as caught:
        shoal.run(**given)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)
    assert caught.value.exit_code == 2
    assert tree(place) == before


@pytest.mark.parametrize("path", [5, None, b"done", "do\0ne"])
def test_a_path_that_is_none_is_told(place: Path, path: Any) -> None:
    """`shoal.load` of something that is no path is one line."""
    with pytest.raises(shoal.BadInput, match="path must be the path of a run folder, not "):
        shoal.load(path)


def test_a_problem_that_never_loads_ends_with_ctrl_c(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A problem file with an endless loop: Ctrl-C ends it with one line, exit code 130."""
    (place / "endless.py").write_text("while True:\n    pass\n")
    before = tree(place)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(SystemExit, match=r"^130$"):
        main.main(args=["run", "endless.py:A"])
    timer.join()
    assert capsys.readouterr() == ("", "shoal: interrupted\n")
    assert tree(place) == before


def test_what_a_problem_prints_changes_nothing(place: Path) -> None:
    """A problem file may print; it is fitted as any other."""
    (place / "prints.py").write_text("print('hello')\n" + GOOD)
    result = shoal.run("prints.py:Good", trials=2, steps=3, out="new", engine="inline")
    assert result.states()["complete"] == 2


def test_a_folder_whose_problem_has_changed_is_refused(place: Path) -> None:
    """A problem file that is not what it was when the search began, told by its hash."""
    shoal.run("good.py:Good", trials=2, steps=3, out="mine", engine="inline")
    (place / "good.py").write_text(GOOD.replace("10)", "11)"))
    with pytest.raises(
        shoal.BadInput, match=r"another version of good\.py:Good \(sha256 .*/good\.py\);"
    ):
        shoal.run("good.py:Good", out="mine")
    assert len(shoal.run(out="mine").trials) == 2  # by itself it goes on with its own copy
