"""The fits that are compared: each a problem as a user of shoal writes it, and a plain loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Row:
    """A problem, its plain loop, and how much faster than that shoal is to be.

    Attributes:
        file: beside this one; cls: the problem in it; plain: the loop in it.
        steps: updates of a fit, or epochs where `epochs`; report: likewise, between two reports.
        goal: the ratio with AVX-512, and with AVX2; None: at least 1.
        fits: how many are stacked; shape: arguments of the problem's constructor.
    """

    name: str
    file: str
    cls: str
    plain: str = "plain"
    steps: int = 100
    report: int = 20
    epochs: bool = False
    goal: tuple[float, float] | None = None
    fits: int = 128
    shape: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> str:
        """The problem, as ``shoal run`` takes it."""
        return f"{HERE / self.file}.py:{self.cls}"


def _net(name: str, cls: str, goal: tuple[float, float], width: int) -> Row:
    plain = "by_adam" if cls == "ByModule" else "by_sgd"
    return Row(
        name=name,
        file="digits_net",
        cls=cls,
        plain=plain,
        steps=5,
        report=1,
        epochs=True,
        goal=goal,
        shape={"width": width},
    )


def _module(
    name: str,
    cls: str,
    *,
    steps: int = 100,
    fits: int = 128,
    goal: tuple[float, float] | None = None,
) -> Row:
    return Row(
        name=name,
        file="modules",
        cls=cls,
        plain="trained",
        steps=steps,
        report=steps // 5,
        fits=fits,
        goal=goal,
    )


ROWS = (
    Row(
        name="cubic",
        file="cubic",
        cls="Cubic",
        plain="course",
        steps=2000,
        report=100,
        goal=(200, 200),
        fits=512,
    ),
    Row(
        name="cubic, tuned loop",
        file="cubic",
        cls="Cubic",
        plain="tuned",
        steps=2000,
        report=100,
        fits=512,
    ),
    _net("digits net by hand", "ByHand", (15, 8), 16),
    _net("digits net", "ByLoss", (15, 8), 16),
    _net("digits net by hand, width 32", "ByHand", (10, 5), 32),
    _net("digits net, width 32", "ByLoss", (10, 5), 32),
    _net("digits module, adam", "ByModule", (10, 5), 16),
    _net("digits module, adam, width 32", "ByModule", (10, 5), 32),
    Row(name="digits softmax", file="softmax", cls="Softmax", goal=(3, 2)),
    Row(name="digits softmax, class weights", file="softmax", cls="Weighted"),
    Row(
        name="logistic with metrics",
        file="logistic",
        cls="Cancer",
        plain="validated",
        steps=500,
        report=25,
        goal=(30, 20),
    ),
    Row(
        name="logistic, 100,000 rows",
        file="logistic",
        cls="Large",
        steps=20,
        report=10,
        goal=(6, 4),
        fits=64,
    ),
    Row(name="poisson", file="regressions", cls="Poisson", plain="poisson", goal=(50, 40)),
    Row(name="huber", file="regressions", cls="Huber", plain="huber", goal=(50, 40)),
    Row(name="pinball", file="regressions", cls="Pinball", plain="pinball", goal=(50, 40)),
    Row(name="class weights", file="regressions", cls="Classes", plain="classes", goal=(50, 40)),
    Row(name="student t", file="student_t", cls="StudentT", goal=(20, 12)),
    Row(name="matrix factorisation", file="factorisation", cls="Factorisation", goal=(5, 4)),
    Row(
        name="lotka-volterra",
        file="lotka_volterra",
        cls="LotkaVolterra",
        steps=20,
        report=10,
        goal=(10, 8),
    ),
    Row(name="recurrent net", file="recurrent", cls="Recurrent", steps=40, goal=(8, 5)),
    Row(name="convolution, 1-d", file="convolutions", cls="One", plain="one", goal=(15, 10)),
    Row(name="convolution, 2-d", file="convolutions", cls="Two", plain="two", goal=(4, 3)),
    Row(name="k-means", file="k_means", cls="KMeans", goal=(10, 8)),
    Row(name="cox", file="cox", cls="Cox", goal=(10, 8)),
    Row(name="cholesky", file="dense", cls="Covariance", plain="covariance", steps=40),
    Row(name="eigenvalues", file="dense", cls="Spectrum", plain="spectrum", steps=40),
    Row(name="sort", file="dense", cls="Quantiles", plain="quantiles"),
    Row(name="fft", file="dense", cls="Filter", plain="filtered"),
    Row(name="ridge", file="textbook", cls="Ridge", plain="ridge"),
    Row(name="mixture", file="textbook", cls="Mixture", plain="mixture"),
    Row(name="ar(2)", file="textbook", cls="Series", plain="series"),
    Row(name="components", file="textbook", cls="Components", plain="components"),
    Row(name="kalman", file="sequences", cls="Kalman", plain="kalman", steps=20, report=10),
    Row(name="implicit steps", file="sequences", cls="Implicit", plain="implicit", steps=20),
    Row(name="gaussian process", file="gaussian_process", cls="GaussianProcess", steps=40),
    _module("lstm", "Series"),
    _module("transformer layer", "Attention"),
    _module("batch norm", "Normed"),
    _module("images, 12 x 12", "Images"),
    _module("residual blocks", "Residual", steps=50),
    _module("net 784-256-128-10", "LargeNet", fits=8, goal=(0.9, 0.9)),
    _module("images, 28 x 28", "LargeImages", steps=50, fits=4, goal=(0.9, 0.9)),
)
