"""Which of torch's functions a loss alone can be made of and still be fused, and which cannot.

Each is the loss of a small problem, with torch.func's gradient of it. What is not fused is listed
with the reason, so that a change shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # as torch's own documentation calls it
from torch.fx import GraphModule

from shoal.trainable.compiling import compiler
from shoal.trainable.compiling.library import functions
from shoal.trainable.fused import LANES, lower, lowers
from shoal.trainable.fused.cpp.compiled import FLAGS
from shoal.trainable.fused.cpp.kernel import Kernel
from shoal.trainable.fused.loops import NotLowered
from shoal.trainable.fused.operations.shared import name_of
from shoal.trainable.halt import never
from shoal.trainable.lanes import Lanes
from shoal.trainable.programs.comparing.agreement import difference
from shoal.trainable.programs.decomposing import decomposed
from shoal.trainable.programs.program import Program
from shoal.trainable.programs.tracing import traced

pytestmark = pytest.mark.filterwarnings("ignore")
"""Torch warns of some of these functions."""

POINTS = 40

_OF_ANY = [
    "exp",
    "expm1",
    "sin",
    "cos",
    "tan",
    "tanh",
    "atan",
    "erf",
    "erfc",
    "sigmoid",
    "relu",
    "abs",
    "sign",
    "square",
    "neg",
    "sinh",
    "cosh",
    "asinh",
    "exp2",
    "sinc",
    "floor",
    "ceil",
    "round",
    "trunc",
    "frac",
    "nan_to_num",
]
_OF_POSITIVE = ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "lgamma", "logit"]
_OF_SMALL = ["asin", "acos", "atanh"]
_ACTIVATIONS = [
    "relu",
    "relu6",
    "elu",
    "selu",
    "celu",
    "leaky_relu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "softsign",
    "tanhshrink",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "logsigmoid",
    "softshrink",
    "hardshrink",
]
_LOSSES = ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"]

_REDUCTIONS = ["sum", "mean", "var", "std", "amax", "amin", "max", "min", "norm"]

FUSED: Sequence[str] = (
    # elementwise; z = X @ w
    *(f"torch.{name}(z)" for name in _OF_ANY),
    *(f"torch.{name}(torch.sigmoid(z) * 0.9 + 0.05)" for name in _OF_POSITIVE),
    *(f"torch.{name}(torch.tanh(z) * 0.9)" for name in _OF_SMALL),
    "torch.acosh(z.square() + 1.5)",
    "torch.where(torch.isnan(z) | torch.isinf(z), 0.0, z)",
    "torch.atan2(z, y)",
    "torch.hypot(z, y)",
    "torch.fmod(z, 0.7)",
    "torch.remainder(z, 0.7)",
    "torch.fmax(z, y)",
    "torch.fmin(z, y)",
    "torch.maximum(z, y)",
    "torch.lerp(z, y, 0.3)",
    "torch.lerp(z, y, w[0])",
    "torch.logaddexp(z, y)",
    "torch.logaddexp2(z, y)",
    "torch.xlogy(pos, torch.sigmoid(z))",
    "torch.special.xlog1py(pos, z.square())",
    "torch.special.entr(torch.sigmoid(z))",
    "torch.special.ndtr(z)",
    "torch.pow(torch.sigmoid(z), w[0])",
    "torch.where(z > y, 0.9 * (z - y), 0.1 * (y - z))",
    "z.clamp(-0.5, 0.5)",
    # activations
    *(f"F.{name}(z)" for name in _ACTIVATIONS),
    "F.gelu(z, approximate='tanh')",
    "F.threshold(z, 0.1, 0.0)",
    "F.prelu(z, w[:1])",
    "F.glu(torch.cat([Z, y[:, None]], 1))",
    # losses
    *(f"F.{name}(z, y)" for name in _LOSSES),
    "F.huber_loss(z, y, delta=0.3)",
    "F.poisson_nll_loss(z, lab.to(z.dtype))",
    "F.poisson_nll_loss(z, lab.to(z.dtype), full=True)",
    "F.binary_cross_entropy(torch.sigmoid(z), pos)",
    "F.binary_cross_entropy_with_logits(z, pos)",
    "F.binary_cross_entropy_with_logits(z, pos, pos_weight=pos[:1] + 2.0)",
    "F.cross_entropy(Z, lab)",
    "F.cross_entropy(Z, lab, reduction='sum')",
    "F.cross_entropy(Z, lab, reduction='none') * y",
    "F.cross_entropy(Z, lab, weight=y[:3].abs() + 1.0)",
    "F.cross_entropy(Z, lab, label_smoothing=0.1)",
    "F.cross_entropy(Z, torch.softmax(X, 1))",
    "F.nll_loss(F.log_softmax(Z, 1), lab)",
    "F.kl_div(F.log_softmax(Z, 1), torch.softmax(X, 1), reduction='batchmean')",
    "F.hinge_embedding_loss(z, signs)",
    "F.margin_ranking_loss(z, y, signs)",
    "F.multilabel_soft_margin_loss(Z, (X > 0).to(z.dtype))",
    "F.cosine_similarity(Z, X, dim=1)",
    "F.cosine_embedding_loss(Z, X, signs)",
    "F.pairwise_distance(Z, X)",
    "F.triplet_margin_loss(Z, X, X.flip(0))",
    "-torch.distributions.Normal(z, w[0].exp(), validate_args=False).log_prob(y)",
    "-torch.distributions.Gamma(w[0].exp(), w[1].exp(), validate_args=False).log_prob(y + 2.0)",
    "-torch.distributions.Bernoulli(logits=z, validate_args=False).log_prob(pos)",
    "-torch.distributions.Categorical(logits=Z, validate_args=False).log_prob(lab)",
    # Student's t, of w[0].exp() degrees of freedom
    "(torch.lgamma(w[0].exp() / 2) - torch.lgamma((w[0].exp() + 1) / 2) + 0.5 * w[0]"
    " + 0.5 * (w[0].exp() + 1) * torch.log1p((z - y).square() / w[0].exp())).sum()",
    # reductions and norms
    *(f"torch.{name}(z - y) + w.square().sum()" for name in _REDUCTIONS),
    *(f"torch.linalg.vector_norm(z - y, {order})" for order in ("1", "2", "3", "torch.inf")),
    "torch.logsumexp(z, 0)",
    "torch.logsumexp(Z, 1)",
    "torch.norm(Z, dim=1)",
    "torch.var(Z, dim=1)",
    "torch.var(Z, dim=1, correction=0)",
    "sum(t.mean() for t in torch.var_mean(Z, dim=0))",
    "sum(t.mean() for t in torch.std_mean(Z, dim=0))",
    "torch.dist(z, y)",
    "torch.cdist(X, W)",
    # layers
    "F.softmax(Z, dim=1) * X",
    "F.log_softmax(Z, dim=1) * X",
    "F.softmin(Z, dim=1) * X",
    "F.normalize(Z, dim=1) * X",
    "F.linear(X, W)",
    "F.linear(X, W, W[0])",
    "torch.outer(w, w)",
    "F.linear(X[:, :2], W[:, :2], W[:, 2])",
    "F.layer_norm(Z, (3,)) * X",
    "F.batch_norm(Z, None, None, training=True) * X",
    "torch.cat([part * part.sum() for part in z.split(15)])",
    "torch.cat([part.sum(0) for part in (Z @ W).chunk(3)]) * 2",
    "F.layer_norm(Z, (3,), W[0], W[1]) * X",
    "F.rms_norm(Z, (3,)) * X",
    "F.dropout(z, training=False)",
    # look-ups by what all fits share
    "F.embedding(lab, W) * X",
    "w[lab] * y",
    "W[lab] * X",
    "Z.gather(1, lab[:, None])[:, 0] * y",
    "Z[torch.arange(40), lab] * y",
    "w.index_select(0, lab) * y",
    # look-ups by the place of an extreme, which a fit has of its own
    "Z.max(1).values",
    "W[0][Z.argmax(1)] * y",
    "z * (Z > 0.1).any(1) + y * (Z < 0.4).all(1)",
    "torch.where((z > 0.5).any(), z, 2 * z) * torch.where((w > -9).all(), 1.0, 3.0)",
    "W[Z.argmin(1)] * X",
    "w.max(0).values * z",
    "torch.take_along_dim(Z, lab[:, None], 1)[:, 0] * y",
    "torch.zeros(3, dtype=z.dtype).scatter_add(0, lab, z)",
    "torch.zeros(3, dtype=z.dtype).index_add(0, lab, z)",
    # products and views
    "torch.einsum('ni,ij->nj', X, W)",
    "torch.addmv(y, X, w)",
    "torch.addmm(X, X, W)",
    "torch.diff(w) + z.mean()",
    "w[0] * y + w[1] * y * y",
    "X[:, :2] @ w[1:]",
    "W.tril() @ X.T",
    # other places
    "torch.cumsum(z, 0)",
    "w.flip(0) * z.mean()",
    "F.pad(w, (1, 1))",
    "W.diagonal() * X",
    "torch.diff(z)",
)

UNFUSED = {
    # torch itself cannot stack it, or calls it for one fit after the other
    "F.gaussian_nll_loss(z, y, w[0].exp().expand(40))": "item",
    "F.one_hot(lab, 3).to(z.dtype) @ w": r"calls \.item",
    "torch.distributions.StudentT(w[0].exp(), z, 1.0, validate_args=False).log_prob(y)": "item",
    "F.rrelu(z)": "do not yet support",
    "torch.heaviside(z, y)": "derivative for aten::heaviside is not implemented",
    "F.soft_margin_loss(z, signs)": "an index into the stacked dimension",
    "F.multi_margin_loss(Z, lab)": "an index into the stacked dimension",
    "torch.special.log_ndtr(z)": "an index into the stacked dimension",
    # no operator
    "torch.digamma(torch.sigmoid(z))": "polygamma has no fused operator",
    "torch.polygamma(1, torch.sigmoid(z))": "polygamma has no fused operator",
    "torch.erfinv(torch.tanh(z))": "erfinv has no fused operator",
    "torch.i0(z)": "i0 has no fused operator",
    "torch.special.erfcx(z)": "special_erfcx has no fused operator",
    # no loop over axes
    "torch.cumprod(z, 0)": "cumprod has no fused operator",
    "torch.prod(z)": "prod has no fused operator",
    "torch.median(z)": "median has no fused operator",
    "w[(z[:3] > 0).long()]": "a look-up by a number that a fit has computed",
    "F.group_norm(torch.cat([Z, y[:, None]], 1), 2)": "that a reshape has merged",
    "z.sort().values * y": "sort has no fused operator",
    # too large
    "w.expand(33, 3).T.reshape(-1)[:33][w.argmax()[None]]": "that a reshape has merged",
}
"""What is not fused, and why."""

LEFT = (
    "cumprod erfinv i0 median "
    "multi_margin_loss_backward polygamma prod sort special_erfcx special_i1"
)
"""All operators of these functions that neither are lowered nor are made of others that are."""


def data() -> dict[str, torch.Tensor]:
    """Rows, targets, and classes, of which none is the first of all rows."""
    x = torch.linspace(-1.3, 1.1, POINTS)
    y = torch.sin(2.0 * x) + 0.1 * torch.cos(40.0 * x)
    pos = (y > 0).float()
    lab = (torch.arange(POINTS) * 7 + 1) % 3
    rows = torch.stack([x + 0.3, x * x - 0.2, torch.sin(3.0 * x)], 1)
    return {"X": rows, "y": y, "pos": pos, "signs": 2.0 * pos - 1.0, "lab": lab}


class Functions:
    """The sum of several functions, each of a parameter of its own: its gradient is its own."""

    space: dict[str, str] = {}
    expressions: Sequence[str] = ()

    def data(self) -> dict[str, torch.Tensor]:
        return data()

    def initial(self, seed: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        shapes = [(3, 3) if _of_matrix(text) else (3,) for text in self.expressions]
        return {
            f"of_{i}": torch.randn(shape, generator=generator) for i, shape in enumerate(shapes)
        }

    def loss(self, params: dict[str, torch.Tensor], data: dict[str, torch.Tensor]) -> Any:
        terms = [term(text, params[f"of_{i}"], data) for i, text in enumerate(self.expressions)]
        return torch.stack(terms).sum()


def _of_matrix(text: str) -> bool:
    return "W" in text or "Z" in text


def term(text: str, own: torch.Tensor, data: dict[str, torch.Tensor]) -> torch.Tensor:
    """A function as a loss: the mean of its squares, where it is not one number."""
    names: dict[str, Any] = {"torch": torch, "F": F, **data}
    X = data["X"]
    names |= {"W": own, "Z": X @ own} if own.dim() == 2 else {"w": own}
    if own.dim() == 1:
        names["z"] = X @ own
    else:
        names["z"] = data["y"]  # of its dtype
    value: torch.Tensor = eval(text, names)
    return value.square().mean() if value.dim() else value


def few(text: str) -> GraphModule:
    """The trace of a function's loss and gradient, of few operators."""
    rows = list(data().values())

    def stacked(own: torch.Tensor, *rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = dict(zip(data(), rows, strict=True))

        def one(own: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            gradient, loss = torch.func.grad_and_value(lambda at: term(text, at, given))(own)
            return loss, gradient

        made: tuple[torch.Tensor, ...] = torch.vmap(one)(own)
        return made

    shape = (LANES, 3, 3) if _of_matrix(text) else (LANES, 3)
    with torch.no_grad():
        own = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        return decomposed(traced(stacked, [own, *rows]), 1)


def left(graph: GraphModule) -> Iterator[str]:
    """The operators of a trace that are not lowered."""
    nodes = list(graph.graph.nodes)
    of_fits = {next(node for node in nodes if node.op == "placeholder")}
    for node in nodes:
        if node.op == "call_function" and not of_fits.isdisjoint(node.all_input_nodes):
            of_fits.add(node)
            if not lowers(node.target):
                yield name_of(node.target)


@pytest.mark.parametrize("text", FUSED)
def test_a_loss_of_this_function_is_fused(text: str) -> None:
    """With its gradient."""
    assert lower(few(text), 1, list(data().values())).operations


@pytest.mark.parametrize("text", UNFUSED)
def test_a_loss_of_this_function_is_not_and_the_reason_is_known(text: str) -> None:
    """A change of it shows."""
    with pytest.raises((NotLowered, RuntimeError), match=UNFUSED[text]):
        lower(few(text), 1, list(data().values()))


def test_the_operators_that_are_left_over_are_these() -> None:
    """Of all of the functions."""
    found: set[str] = set()
    for text in (*FUSED, *UNFUSED):
        try:
            found |= set(left(few(text)))
        except RuntimeError:  # torch cannot stack it
            continue
    assert " ".join(sorted(found)) == LEFT


GROUP = 6
"""Functions in one kernel."""

QUICK = tuple("-O1" if flag == "-O3" else flag for flag in FLAGS)
"""Compiled in a third of the time, to the same numbers."""


FIRSTS = range(0, len(FUSED), GROUP)


@pytest.mark.parametrize(
    "first",
    [*FIRSTS[::2], *(pytest.param(first, marks=pytest.mark.long) for first in FIRSTS[1::2])],
)
def test_kernels_of_these_functions_agree_with_torch(first: int) -> None:
    """A few in one kernel, after three updates: what differs is named."""
    if compiler() is None:
        pytest.skip("there is no compiler")
    problem = type("Group", (Functions,), {"expressions": FUSED[first : first + GROUP]})
    at = torch.arange(6)
    lr = torch.logspace(-4, -1, 6).double()
    fits = Lanes(trial=at, replicate=0 * at, seed=at, values={"lr": lr}, shape={})
    made = Program(
        problem, optimizer="sgd", shape={}, defaults={}, block=8, device="cpu", compiled=True
    )
    with torch.no_grad():
        params, state = made.initial(fits, at)
        codes = made.codes(params, state, made.values(fits, at))
    assert made.kind == "kernel", made.unfused
    for code in codes:
        assert isinstance(code, Kernel)
        code.flags = QUICK
    built = functions(codes, None, never, private=False)
    assert built is not None
    made.take(built[0])
    assert difference(made, fits) is None, problem.expressions
