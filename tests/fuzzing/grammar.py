"""Random problems: a loss written line by line from a grammar of torch operations.

Each line is tried on the tensors of one fit before it is kept, so that what is written always runs;
the source of a problem is all that is needed to see and repeat it.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any

import torch

SIZES = (1, 1, 2, 3, 3, 4, 5)
"""Of small axes. 3 is also the number of lanes that a trace is made with."""

LONG = (33, 64, 65, 150)
"""Of points: about a kernel's tiles of 64."""

MAX_NUMBERS = 400
"""Of one value of a fit."""

_NAMES = re.compile(r"\b(?:p|d|v)\d+\b|\bown\b")

SPECIAL = ("nan", "inf", "-inf", "-0.0", "1e-40", "1e-310", "3e38")


@dataclass
class Problem:
    """A random problem.

    Attributes:
        source: of ``values(params, data, own)``, a tuple, and ``loss(params, data, own)``; params
            and data are dicts of tensors, own is a number of the fit.
        params: shape of each; data: each tensor.
        optimizer: how parameters move.
        gradient: whether updates are to be compared, or values.
    """

    seed: int
    source: str
    dtype: torch.dtype
    params: dict[str, tuple[int, ...]]
    data: dict[str, torch.Tensor]
    optimizer: str
    gradient: bool

    def function(self, name: str) -> Any:
        """Return one of the two functions."""
        names: dict[str, Any] = {"torch": torch, "inf": float("inf"), "nan": float("nan")}
        exec(compile(self.source, f"problem-{self.seed}", "exec", dont_inherit=True), names)
        return names[name]


def problem(seed: int) -> Problem:
    """Return the problem of a seed, always the same."""
    return _Writer(seed).problem()


@dataclass
class _Writer:
    seed: int
    lines: list[str] = field(default_factory=list)
    known: dict[str, torch.Tensor] = field(default_factory=dict)
    of_fit: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)

    def problem(self) -> Problem:
        self.draw = random.Random(self.seed)
        self.generator = torch.Generator().manual_seed(self.seed)
        self.dtype = self.draw.choice([torch.float32, torch.float32, torch.float64])
        sizes = [self.draw.choice(SIZES) for _ in range(3)]
        points = self.draw.choice(LONG)
        params = {
            f"p{i}": tuple(self.draw.choice(sizes) for _ in range(self.draw.choice([0, 1, 1, 2])))
            for i in range(self.draw.randint(1, 3))
        }
        data = {
            f"d{i}": self._tensor(sizes, points) for i in range(self.draw.choice([0, 1, 2, 2, 3]))
        }
        for name, shape in params.items():
            self._know(name, torch.randn(shape, generator=self.generator, dtype=self.dtype), True)
        for name, tensor in data.items():
            self._know(name, tensor, False)
        self._know("own", torch.tensor(0.7, dtype=self.dtype), True)
        wanted, tries = self.draw.randint(3, 12), 0
        while wanted and tries < 200:
            tries += 1
            wanted -= self._add(self.draw.choice(_RULES))
        self._end()
        named = [*(f"    {name} = params[{name!r}]" for name in params)]
        named += [*(f"    {name} = data[{name!r}]" for name in data)]
        source = ["def values(params, data, own):", *named, *self.lines, self._values()]
        source += ["", "def loss(params, data, own):", *named, *self.lines, self._loss(), ""]
        return Problem(
            seed=self.seed,
            source="\n".join(source),
            dtype=self.dtype,
            params=params,
            data=data,
            optimizer=self.draw.choice(["sgd", "sgd", "momentum", "adam"]),
            gradient=self.seed % 2 == 1,
        )

    # what a line is made of

    def _tensor(self, sizes: list[int], points: int) -> torch.Tensor:
        """Data: of 0 to 3 dimensions, of several dtypes, in order in memory or not."""
        rank = self.draw.choice([0, 1, 1, 1, 2, 2, 3])
        shape = [self.draw.choice([*sizes, points]) for _ in range(rank)]
        if rank == 3:
            shape = [min(size, 5) for size in shape[:2]] + shape[2:]
        if sum(size == points for size in shape) > 1:
            shape[0] = self.draw.choice(sizes)
        kind = self.draw.choice(["real"] * 6 + ["bool", "integer"])
        if kind == "bool":
            return torch.rand(shape, generator=self.generator) < 0.5
        if kind == "integer":
            return torch.randint(-3, 4, shape, generator=self.generator)
        way = self.draw.choice(["plain", "plain", "turned", "strided", "expanded"])
        if way == "turned":
            made = torch.randn(shape[::-1], generator=self.generator, dtype=self.dtype)
            made = made.permute(list(range(rank - 1, -1, -1)))
        elif way == "strided":
            made = torch.randn([2 * s for s in shape], generator=self.generator, dtype=self.dtype)
            made = made[tuple(slice(None, None, 2) for _ in shape)]
        elif way == "expanded" and rank:
            made = torch.randn([1, *shape[1:]], generator=self.generator, dtype=self.dtype)
            return made.expand(shape)
        else:
            made = torch.randn(shape, generator=self.generator, dtype=self.dtype)
        if self.draw.random() < 0.12 and made.numel() and made.is_contiguous():
            places = torch.randint(0, made.numel(), (2,), generator=self.generator)
            for place in places.tolist():
                made.view(-1)[place] = float(self.draw.choice(SPECIAL))
        return made

    def _know(self, name: str, value: torch.Tensor, of_fit: bool) -> None:
        self.known[name] = value
        if of_fit:
            self.of_fit.add(name)

    def pick(self, *, dtype: str = "real", rank: int | None = None, fit: bool = False) -> str:
        """The name of a value, a later one more often.

        Raises:
            LookupError: there is none.
        """
        names = [
            name
            for name, value in self.known.items()
            if (not fit or name in self.of_fit)
            and (rank is None or value.dim() == rank)
            and (
                value.dtype == torch.bool
                if dtype == "bool"
                else dtype == "any" or value.dtype == self.dtype
            )
        ]
        if not names:
            raise LookupError(dtype)
        weights = [1 + i for i in range(len(names))]
        return self.draw.choices(names, weights)[0]

    def number(self) -> str:
        """A Python number."""
        return self.draw.choice(["0.5", "-0.3", "2", "1", "0", "1.5", "-1", "True", "0.1"])

    def operand(self) -> str:
        """A value or a number."""
        return self.number() if self.draw.random() < 0.2 else self.pick()

    def dim(self, name: str) -> int:
        """A dimension of a value, counted from either end."""
        rank = self.known[name].dim()
        return self.draw.randrange(-rank, rank)

    # lines

    def _add(self, rule: Any) -> bool:
        """Try a line; keep it where it runs and stays small."""
        try:
            text = rule(self)
        except (LookupError, ValueError):
            return False
        return self._keep(text)

    def _keep(self, text: str) -> bool:
        try:
            made = eval(text, {"torch": torch, "inf": float("inf")}, dict(self.known))
        except (RuntimeError, IndexError, TypeError, ValueError, NotImplementedError):
            return False
        if not isinstance(made, torch.Tensor) or made.dtype not in (self.dtype, torch.bool):
            return False
        points = max([1, *(size for size in made.shape if size in LONG)])
        if not 0 < made.numel() // points <= MAX_NUMBERS or made.numel() > 20_000:
            return False
        name = f"v{len(self.lines)}"
        self.lines.append(f"    {name} = {text}")
        used = set(_NAMES.findall(text)) & self.known.keys()
        self.used |= used
        self._know(name, made, bool(used & self.of_fit))
        return True

    def _end(self) -> None:
        """Make real numbers, without points, of what no line has used."""
        for name in [n for n in self.known if n in self.of_fit - self.used and n[0] == "v"]:
            value, last = self.known[name], name
            if value.dtype == torch.bool:
                other = self.draw.choice(["own", "2.0", "own * own"])
                self._keep(f"torch.where({name}, {other}, -0.25 * own)")
                last = f"v{len(self.lines) - 1}"
            long = [i for i, size in enumerate(self.known[last].shape) if size in LONG]
            if long:
                how = self.draw.choice(["sum", "mean", "sum", "amax"])
                self._keep(f"{last}.{how}({tuple(long)})")

    def _sinks(self) -> list[str]:
        """The values that no line uses, and the parameters."""
        return [
            name
            for name, value in self.known.items()
            if name in self.of_fit
            and name not in self.used
            and value.dtype == self.dtype
            and not any(size in LONG for size in value.shape)
        ]

    def _values(self) -> str:
        return f"    return ({', '.join([*self._sinks(), 'own * own'])},)"

    def _loss(self) -> str:
        """The sum of what is finite at the first try."""
        terms = ["own * own"]
        for name in self._sinks():
            if bool(torch.isfinite(self.known[name].sum())):
                how = self.draw.choice(["({0}).sum()", "({0}).mean()", "({0} * {0}).sum()"])
                terms.append(how.format(name))
        return f"    return {' + '.join(terms)}"


# rules: each returns a line's right side


def _infix(w: _Writer) -> str:
    a, b = w.pick(), w.operand()
    if w.draw.random() < 0.3:
        a, b = b, a
    return f"{a} {w.draw.choice('+-*/')} {b}"


def _function(w: _Writer) -> str:
    name = w.draw.choice(
        [
            "exp",
            "expm1",
            "log1p",
            "sin",
            "cos",
            "tanh",
            "atan",
            "erf",
            "sigmoid",
            "relu",
            "abs",
            "sign",
            "sqrt",
            "rsqrt",
            "square",
            "reciprocal",
            "neg",
            "log",
            "log2",
            "tan",
        ]
    )
    return f"torch.{name}({w.pick()})"


def _later(w: _Writer) -> str:
    """Functions that only those kernels have that call them."""
    a, b = w.pick(), w.pick()
    names = ["sinh", "cosh", "asinh", "exp2", "erfc", "floor", "ceil", "trunc", "round", "lgamma"]
    if w.draw.random() < 0.7:
        name = w.draw.choice(names)
        if name in ("sinh", "cosh"):  # torch's give inf or not near the end, by the place in memory
            a = f"{a}.clamp(-600, 600)"
        return f"torch.{name}({a})"
    return w.draw.choice(
        [
            f"torch.log10({a} * {a} + 0.1)",
            f"torch.asin(torch.sin({a}) * 0.9)",
            f"torch.acos({a} / ({a} * {a} + 1))",
            f"torch.acosh({a} * {a} + 1.5)",
            f"torch.atanh({a} / ({a} * {a} + 1))",
            f"torch.digamma({a})",
            f"torch.atan2({a}, {b})",
            f"torch.hypot({a}, {b})",
            f"torch.fmod({a}, 0.7)",
            f"torch.remainder({a}, {b})",
            f"torch.fmax({a}, {b})",
            f"torch.fmin({a}, {b})",
            f"torch.where(torch.isinf({a}), {b}, {a})",
        ]
    )


def _composed(w: _Writer) -> str:
    """Functions that torch makes of others."""
    a, b = w.pick(), w.pick()
    of, by = "torch.nn.functional.", w.draw.choice(["mean", "sum"])
    names = [
        "elu",
        "selu",
        "celu",
        "leaky_relu",
        "gelu",
        "silu",
        "mish",
        "softplus",
        "hardtanh",
        "hardswish",
        "logsigmoid",
    ]
    names += ["softshrink", "hardshrink", "softsign", "relu6"]
    every = [f"{of}{w.draw.choice(names)}({a})"] * 4
    every += [f"torch.logaddexp({a}, {b})", f"torch.lerp({a}, {b}, 0.3)", f"torch.nan_to_num({a})"]
    losses = ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"]
    losses += ["binary_cross_entropy_with_logits", "poisson_nll_loss"]
    if w.known[a].shape == w.known[b].shape:
        every += [f"{of}{w.draw.choice(losses)}({a}, {b}, reduction={by!r})"] * 4
    if w.known[a].dim():
        dim = w.dim(a)
        every += [
            f"torch.softmax({a}, {dim})",
            f"torch.log_softmax({a}, {dim})",
            f"torch.logsumexp({a}, {dim})",
            f"torch.var({a}, {dim}, correction=0)",
            f"torch.linalg.vector_norm({a}, dim={dim})",
            f"{of}normalize({a}, dim={dim})",
            f"{of}layer_norm({a}, {tuple(w.known[a].shape[-1:])})",
        ]
    return w.draw.choice(every)


def _looked_up(w: _Writer) -> str:
    """Look-ups by integers of the data."""
    names = [name for name, value in w.known.items() if value.dtype == torch.int64]
    a = w.pick()
    names = [name for name in names if w.known[name].dim()]
    if not names or not w.known[a].dim():
        raise LookupError("integers")
    index, dim = w.draw.choice(names), w.dim(a)
    rows, places = w.known[index].shape, w.known[a].shape[dim]
    every = [f"{a}.select({dim}, 0)"] if places in LONG else []
    if len(rows) == 1:
        many = "(own * torch.linspace(-1, 1, 40, dtype=own.dtype)).sin()"
        every += [f"{many}[{index} % 40]"]
        if w.known[a].dim() == 1 and w.known[a].shape == rows:
            every += [f"torch.zeros(40, dtype=own.dtype).index_add(0, {index} % 40, {a}).sin()"]
    if places in LONG and len(rows) == 1:
        every += [f"{a}.index_select({dim}, {index} % {places})"]
    if len(rows) == 1 and places not in LONG:
        every += [
            f"{a}.index_select({dim}, {index} % {places})",
            f"torch.zeros_like({a}).index_add(0, {index} % {w.known[a].shape[0]}, {a})",
        ]
    if places not in LONG:
        every += [f"{a}.movedim({dim}, 0)[{index} % {places}]"]
    if w.known[a].dim() == 2 and len(rows) == 1 and rows[0] == w.known[a].shape[0]:
        classes = w.known[a].shape[1]
        if classes not in LONG:
            every += [
                f"torch.nn.functional.cross_entropy({a}, {index} % {classes})",
                f"{a}.gather(1, ({index} % {classes})[:, None])",
                f"{a}[torch.arange({rows[0]}), {index} % {classes}]",
            ] * 2
    return w.draw.choice(every)


def _safe(w: _Writer) -> str:
    a = w.pick()
    return w.draw.choice(
        [
            f"torch.log({a} * {a} + 0.1)",
            f"torch.sqrt({a} * {a} + 1e-3)",
            f"{a} / ({a} * {a} + 1)",
            f"torch.exp(-{a} * {a})",
        ]
    )


def _power(w: _Writer) -> str:
    numbers = ["2", "3", "4", "0.5", "-1", "-2", "1.7", "0", "1", "-0.5"]
    exponent = w.draw.choice([*numbers, w.pick()])
    base = w.pick()
    every = [f"{base} ** {exponent}", f"2.0 ** {base}", f"({base}.abs() + 0.1) ** {exponent}"]
    return w.draw.choice([*every, every[0]])


def _comparison(w: _Writer) -> str:
    sign = w.draw.choice(["<", "<=", ">", ">=", "==", "!="])
    other = w.operand() if w.draw.random() < 0.7 else w.pick(dtype="any")
    return f"{w.pick(dtype=w.draw.choice(['real', 'real', 'any']))} {sign} {other}"


def _truth(w: _Writer) -> str:
    a, b = w.pick(dtype="bool"), w.pick(dtype="bool")
    kind = w.draw.choice(
        [
            "{0} + {1}",
            "{0} * {1}",
            "{0} & {1}",
            "{0} | {1}",
            "{0} ^ {1}",
            "~{0}",
            "{0} < {1}",
            "{0} <= {1}",
            "{0} > {1}",
            "{0} >= {1}",
            "{0} == {1}",
            "{0} != {1}",
            "torch.logical_and({0}, {1})",
            "torch.logical_or({0}, {2})",
            "torch.logical_not({2})",
            "torch.logical_xor({2}, {1})",
            "torch.maximum({0}, {1})",
            "torch.minimum({0}, {1})",
            "torch.where({0}, {1}, ~{1})",
            "{0} + True",
            "{0} * False",
            "{0}.clone()",
            "torch.isnan({2})",
            "torch.isfinite({2})",
            "{2}.bool()",
            "{0}.masked_fill({1}, True)",
        ]
    )
    return kind.format(a, b, w.pick())


def _mixed(w: _Writer) -> str:
    """Truth values and integers among real numbers."""
    mask, real = w.pick(dtype="bool"), w.pick()
    kind = w.draw.choice(
        [
            "{0} * {1}",
            "{1} + {0}",
            "{1} - {0}",
            "{1} / ({0} + 1.0)",
            "{0}.to({1}.dtype)",
            "torch.where({0}, {1}, {2})",
            "torch.where({0}, {1}, {2})",
            "torch.where({0}, {2}, {1})",
            "{1}.masked_fill({0}, {3})",
            "torch.maximum({1}, {0})",
            "({0} + {0}).to({1}.dtype) * {1}",
            "{4} * {1}",
            "{1} + {4}",
            "{1} - {4}",
            "{1} / ({4} + 0.5)",
            "torch.maximum({1}, {4})",
            "{1} ** {4}",
            "torch.where({4} > 0, {1}, {2})",
            "{1} * ({4} + {4})",
            "{0}.to({1}.dtype) * {1}",
        ]
    )
    return kind.format(mask, real, w.operand(), w.number(), w.pick(dtype="any"))


def _bounded(w: _Writer) -> str:
    a = w.pick()
    return w.draw.choice(
        [
            f"{a}.clamp({w.number()}, {w.number()})",
            f"{a}.clamp(min={w.operand()})",
            f"{a}.clamp(max={w.number()})",
            f"torch.maximum({a}, {w.pick()})",
            f"torch.minimum({a}, {w.pick()})",
            f"torch.clamp({a}, {w.pick()}, {w.pick()})",
            f"torch.maximum(torch.log({a}), {w.operand()} * own)",
            f"torch.sqrt({a}).clamp(min=0.1)",
            f"torch.minimum(own, torch.log({a}))",
            f"torch.relu(torch.rsqrt({a}))",
            f"torch.clamp_min({a}, {w.number()})",
            f"torch.clamp_max({a}, {w.number()})",
        ]
    )


def _reduction(w: _Writer) -> str:
    a = w.pick()
    if not w.known[a].dim():
        raise ValueError("nothing to reduce")
    how = w.draw.choice(["sum", "sum", "mean", "mean", "amax", "amin"])
    keep = w.draw.choice(["", ", keepdim=True"])
    every = [f"{a}.{how}({w.dim(a)}{keep})", f"{a}.{how}()"]
    if w.known[a].dim() > 1:
        every.append(f"{a}.{how}((0, 1){keep})")
    return w.draw.choice(every)


def _view(w: _Writer) -> str:
    a = w.pick(dtype=w.draw.choice(["real", "real", "real", "bool"]))
    rank = w.known[a].dim()
    every = [f"{a}.unsqueeze({w.draw.randint(-rank - 1, rank)})", f"{a}[None]", f"{a}.reshape(-1)"]
    if rank:
        dim = w.dim(a)
        size = w.known[a].shape[dim]
        every += [
            f"{a}.squeeze()",
            f"{a}[..., None]",
            f"{a}.select({dim}, {w.draw.randrange(size)})",
            f"{a}.expand({w.draw.choice(SIZES)}, *{tuple(w.known[a].shape)})",
            f"{a}.narrow({dim}, {w.draw.randrange(size)}, 1)",
            f"{a}.unbind({dim})[{w.draw.randrange(size)}]",
        ]
        if size not in LONG and size > 1:
            first = w.draw.randrange(size - 1)
            every += [f"{a}.narrow({dim}, {first}, {w.draw.randint(1, size - first)})"]
    if rank > 1:
        every += [f"{a}.T" if rank == 2 else f"{a}.transpose({w.dim(a)}, {w.dim(a)})"] * 2
        every += [f"{a}.permute({', '.join(map(str, w.draw.sample(range(rank), rank)))})"]
        every += [f"{a}.flatten()", f"{a}.reshape({w.known[a].shape[0]}, -1)"]
    return w.draw.choice(every)


def _product(w: _Writer) -> str:
    a, b = w.pick(), w.pick()
    return w.draw.choice(
        [
            f"{a} @ {b}",
            f"{a} @ {b}",
            f"{a} @ {b}.T",
            f"{a}.T @ {b}",
            f"torch.outer({a}, {b})",
            f"torch.dot({a}, {b})",
            f"torch.einsum('ij,j->i', {a}, {b})",
            f"torch.einsum('i,i->', {a}, {b})",
            f"torch.addmv({w.pick()}, {a}, {b})",
            f"{a}[:, None] * {b}[None, :]",
            f"({a} * {b}).sum(-1)",
            f"torch.addcmul({a}, {b}, {b}, value=0.3)",
            f"torch.addcdiv({a}, {b}, {b} * {b} + 1, value=-0.5)",
            f"torch.add({a}, {b}, alpha=3)",
            f"torch.sub({a}, {b}, alpha=0.5)",
        ]
    )


def _side_by_side(w: _Writer) -> str:
    a, b = w.pick(), w.pick()
    return w.draw.choice(
        [
            f"torch.stack([{a}, {b}])",
            f"torch.cat([{a}, {b}])",
            f"torch.stack([{a}, {b}], -1)",
            f"torch.cat([{a}.reshape(-1), {b}.reshape(-1)])",
            f"torch.cat([{a}, {a}, {b}], -1)",
            f"torch.stack([{a}, {a} * 2]).sum(0)",
            f"torch.cat([{a}, {b}.to({a}.dtype)], 0)",
            f"torch.cat([{a}.reshape(-1), {w.pick(dtype='any')}.reshape(-1)])",
        ]
    )


def _made(w: _Writer) -> str:
    a = w.pick(fit=True)
    return w.draw.choice(
        [
            f"torch.zeros_like({a}) + {a}",
            f"torch.where({a} > 0, {a}, torch.zeros_like({a}))",
            f"{a} * torch.ones_like({a}) / 3",
            f"torch.full_like({a}, 0.25) * {a}",
            f"{a} - torch.ones_like({a} > 0).to({a}.dtype)",
            f"torch.ones_like({a} > 0) + ({a} > 0)",
        ]
    )


def _placed(w: _Writer) -> str:
    """Numbers at other places, and sums up to each."""
    a = w.pick()
    if not w.known[a].dim():
        raise ValueError("no places")
    dim = w.dim(a)
    every = [
        f"{a}.cumsum({dim})",
        f"{a}.flip({dim})",
        f"{a}.flip({dim}).cumsum({dim})",
        f"{a}.movedim({dim}, 0)[::2]",
        f"{a}.movedim({dim}, 0)[1::3]",
        f"{a}.diff(dim={dim})",
        f"{a}.roll(1, {dim})",
        f"torch.nn.functional.pad({a}, (1, 2))",
        f"torch.nn.functional.pad({a}, (2, -1), value=0.5)",
    ]
    if w.known[a].numel() % 2 == 0:
        every += [f"{a}.reshape(2, -1)", f"{a}.reshape(-1, 2)"]
    if w.known[a].dim() == 2:
        every += [f"{a}.diagonal()", f"{a}.diagonal(1)", f"torch.diag_embed({a}[0])", f"{a}.tril()"]
    return w.draw.choice(every)


def _window(w: _Writer) -> str:
    """Convolutions and pooling."""
    of, x = "torch.nn.functional.", w.pick()
    rank = w.known[x].dim()
    if rank == 1:
        x = f"{x}[None]"
    elif rank != 2:
        raise ValueError("no windows")
    how = w.draw.choice(["", ", padding=1", ", stride=2", ", dilation=2"])
    names = [name for name in w.of_fit if w.known[name].dtype == w.dtype]
    vectors = sorted(name for name in names if w.known[name].dim() == 1)
    matrices = sorted(name for name in names if w.known[name].dim() == 2)
    every = [
        f"{of}{w.draw.choice(['avg', 'max'])}_pool1d({x}[:, None], 2)[:, 0]",
        f"{of}max_pool1d({x}[:, None], 2, stride=1)[:, 0]",
        f"{of}conv1d({x}[:, None].tanh(), {x}[:1, None, :2], stride=3)[:, 0]",
    ]
    if vectors:
        k = w.draw.choice(vectors)
        every += [f"{of}conv1d({x}[:, None], {k}[None, None]{how})[:, 0]"] * 3
    if matrices:
        k = w.draw.choice(matrices)
        every += [
            f"{of}conv1d({x}[:, None], {k}[:, None]{how}).sum(1)",
            f"{of}conv2d({x}[None, None], {k}[None, None], padding=1)[0, 0]",
        ]
    return w.draw.choice(every)


def _merged(w: _Writer) -> str:
    """Dimensions that are one for some operations and apart for others; parts of one."""
    a = w.pick()
    rank, shape = w.known[a].dim(), tuple(w.known[a].shape)
    if not rank:
        raise ValueError("nothing to merge")
    last, of = shape[-1], "torch.nn.functional."
    every = [
        f"torch.cat([part * part.mean() for part in {a}.split({w.draw.randint(1, 3)})])",
        f"torch.stack([part.sum() for part in {a}.chunk({w.draw.randint(1, 3)}, -1)])",
        f"torch.softmax({a}.reshape(-1, {last}) @ {a}.reshape(-1, {last}).T, -1)",
    ]
    if rank == 2 and shape[0] > 1:
        every += [f"{of}batch_norm({a}, None, None, training=True)"] * 2
    if rank > 1:
        whole = f"{a}.reshape(-1, {last})"
        every += [
            f"({whole} @ {whole}.T.mean(1, keepdim=True)).reshape({shape[:-1]})",
            f"({whole}.tanh() - {whole}.mean(0)).reshape({shape}).sum(-1)",
            f"{of}scaled_dot_product_attention({a}, {a}, {a}.tanh())",
        ]
    if rank > 1 and last % 2 == 0:
        apart = f"{a}.reshape(-1, {shape[-2]}, 2, {last // 2}).transpose(1, 2)"
        every += [f"(torch.softmax({apart} @ {apart}.mT, -1) @ {apart}).transpose(1, 2).flatten(2)"]
    return w.draw.choice(every)


def _judged(w: _Writer) -> str:
    """What metrics are made of: places of extremes, counts, shares, what holds anywhere."""
    a, truth = w.pick(), w.pick(dtype="bool" if w.draw.random() < 0.5 else "any")
    if not w.known[a].dim():
        raise ValueError("nothing to judge")
    dim, real = w.dim(a), f"to({a}.dtype)"
    places = w.known[a].shape[dim]
    every = [
        f"{a}.argmax({dim}).{real}",
        f"{a}.argmin({dim}).{real}",
        f"({a}.argmax({dim}) * 2 - 1).{real} * {a}.amax({dim})",
        f"{a}.max({dim}).values",
        f"{a}.min({dim}).values - {a}.max({dim}).indices",
        f"({a} > {w.pick()}).sum({dim}).{real}",
        f"({a} > 0.1).{real}.mean()",
        f"({a} > {w.number()}).any({dim})",
        f"({a} < {w.number()}).all({dim})",
        f"torch.count_nonzero({a} > own).{real}",
        f"torch.where({a} > own, 1, 0).sum().{real} / {w.known[a].numel()}",
        f"({truth} == {a}.sign()).{real}.mean()",
    ]
    integers = [name for name, value in w.known.items() if value.dtype == torch.int64]
    shape = list(w.known[a].shape)
    del shape[dim]
    for index in integers:
        if list(w.known[index].shape) == shape:
            every += [f"({a}.argmax({dim}) == {index} % {places}).{real}.mean()"] * 4
    return w.draw.choice(every)


def _called(w: _Writer) -> str:
    """What no kernel can do."""
    a = w.pick()
    if not w.known[a].dim():
        raise ValueError("nothing to sort")
    dim = w.dim(a)
    return w.draw.choice(
        [
            f"{a}.sort({dim}).values",
            f"{a}.sort({dim}, descending=True).values",
            f"{a}.tanh().cumprod({dim})",
            f"{a}.topk(1, {dim}).values",
            f"{a}.logcumsumexp({dim})",
            f"{a}.median({dim}).values",
        ]
    )


def _factored(w: _Writer) -> str:
    """Factors of matrices that have one, and solutions by triangular matrices."""
    a = w.pick(rank=2)
    n = w.known[a].shape[0]
    small = f"{a}.nan_to_num().tanh()"
    safe = f"({small} @ {small}.T + torch.eye({n}, dtype={a}.dtype))"
    matrix = f"({small}[:, :{n}] + 2 * torch.eye({n}, dtype={a}.dtype))"
    how = w.draw.choice(["upper=False", "upper=True", "upper=True, unitriangular=True"])
    if n not in LONG and w.draw.random() < 0.5:
        return f"torch.linalg.cholesky({safe})"
    if n in LONG or w.known[a].shape[1] < n:
        raise ValueError("no square")
    return f"torch.linalg.solve_triangular({matrix}, {a}, {how})"


_RULES = [
    *[_infix] * 6,
    *[_function] * 4,
    *[_safe] * 2,
    _power,
    *[_comparison] * 3,
    *[_truth] * 2,
    *[_mixed] * 4,
    *[_bounded] * 2,
    *[_reduction] * 3,
    *[_view] * 4,
    *[_product] * 3,
    *[_side_by_side] * 1,
    _made,
    *[_later] * 2,
    *[_composed] * 4,
    *[_looked_up] * 3,
    *[_placed] * 4,
    *[_window] * 3,
    *[_merged] * 3,
    *[_judged] * 3,
    _called,
    _factored,
]
