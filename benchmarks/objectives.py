"""Objectives of known optimum for the sampling benchmark, each a function of whole columns.

Every loss is a float64 array of the columns' length; +inf where a lane diverges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float64]
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A function to minimise over `space`; `floor` is its least value, or a bound below it."""

    name: str
    space: Mapping[str, str]
    loss: Callable[[Columns], Floats]
    floor: float


def _course_problem() -> tuple[Floats, Floats, Floats, float]:
    """Eigenvalues of the default problem's Hessian, θ₀ and θ* in its basis, and the floor.

    θ₀ is what torch.manual_seed(0) and four randn give.
    """
    x = numpy.linspace(-math.pi, math.pi, 2000)
    X = numpy.stack([x**0, x, x**2, x**3])
    eigenvalues, basis = numpy.linalg.eigh(2 * X @ X.T)
    best = numpy.linalg.solve(X @ X.T, X @ numpy.sin(x))
    floor = float(((best @ X - numpy.sin(x)) ** 2).sum())
    start = numpy.array([1.54099607, -0.29342890, -2.17878938, 0.56843126])
    return eigenvalues, basis.T @ start, basis.T @ best, floor


EIGENVALUES, START, BEST, FLOOR = _course_problem()


def learning_rate(columns: Columns) -> Floats:
    """L* + ½ Σ λᵢ (1 - lr λᵢ)^(2T) cᵢ² after T = 2000 updates; +inf where lr λ_max > 2."""
    lr = columns["lr"][:, None]
    shrink = 1 - lr * EIGENVALUES
    excess = 0.5 * (EIGENVALUES * numpy.abs(shrink) ** 4000.0 * (START - BEST) ** 2).sum(1)
    return numpy.where(numpy.abs(shrink).max(1) > 1, numpy.inf, FLOOR + excess)


def heavy_ball(columns: Columns) -> Floats:
    """The same fit by 100 updates of v ← μ v + g, p ← p - lr v, from `scale` times θ₀."""
    lr, momentum = columns["lr"][:, None], columns["momentum"][:, None]
    error = columns["scale"][:, None] * START - BEST
    velocity = numpy.zeros_like(error)
    for _ in range(100):
        velocity = momentum * velocity + EIGENVALUES * error
        error = error - lr * velocity
    excess = 0.5 * (EIGENVALUES * error**2).sum(1)
    return numpy.where(excess < 1e9, FLOOR + excess, numpy.inf)


def legendre_sine(columns: Columns) -> Floats:
    """a + b P₃(c + d x) fitted to sin on 50 points by 100 updates with momentum, `d` its start.

    The sums are weighted to be those of 2000 points.
    """
    x = numpy.linspace(-math.pi, math.pi, 50)[:, None]
    y = numpy.sin(x)
    lr, momentum = 40 * columns["lr"], columns["momentum"]
    n = len(lr)
    p = numpy.stack([numpy.zeros(n), -numpy.ones(n), numpy.zeros(n), columns["d"]])
    velocity = numpy.zeros_like(p)
    for _ in range(100):
        u = p[2] + p[3] * x
        cubic = 0.5 * (5 * u * u - 3) * u
        g = 2 * (p[0] + p[1] * cubic - y)
        gu = g * p[1] * (7.5 * u * u - 1.5)
        gradient = numpy.stack([g.sum(0), (g * cubic).sum(0), gu.sum(0), (gu * x).sum(0)])
        velocity = momentum * velocity + gradient
        p = p - lr * velocity
    u = p[2] + p[3] * x
    loss = 40 * ((p[0] + p[1] * 0.5 * (5 * u * u - 3) * u - y) ** 2).sum(0)
    return numpy.where(loss < 1e9, loss, numpy.inf)


def sphere(columns: Columns) -> Floats:
    """Σ (x - 0.3)² over five dimensions."""
    return numpy.asarray(sum((x - 0.3) ** 2 for x in columns.values()))


def rosenbrock(columns: Columns) -> Floats:
    """(1 - x)² + 100 (y - x²)²."""
    x, y = columns["x"], columns["y"]
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def branin(columns: Columns) -> Floats:
    """Branin's function, three minima of 0.39789."""
    x, y = columns["x"], columns["y"]
    bowl = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * math.pi)) * numpy.cos(x) + 10


_ALPHA = numpy.array([1.0, 1.2, 3.0, 3.2])
_A = numpy.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P = 1e-4 * numpy.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(columns: Columns) -> Floats:
    """Hartmann's function of six dimensions, least value -3.32237."""
    x = numpy.stack(list(columns.values()), axis=1)
    inner = (_A * (x[:, None, :] - _P) ** 2).sum(2)
    return -(_ALPHA * numpy.exp(-inner)).sum(1)


def ackley(columns: Columns) -> Floats:
    """Ackley's function about 0.3 in each dimension, where it is 0."""
    x = numpy.stack(list(columns.values()), axis=1) - 0.3
    near = -20 * numpy.exp(-0.2 * numpy.sqrt((x * x).mean(1)))
    return near - numpy.exp(numpy.cos(2 * math.pi * x).mean(1)) + 20 + math.e


def rastrigin(columns: Columns) -> Floats:
    """Rastrigin's function about 0.3 in each dimension, where it is 0."""
    x = numpy.stack(list(columns.values()), axis=1) - 0.3
    return numpy.asarray((x * x - 10 * numpy.cos(2 * math.pi * x) + 10).sum(1))


def levy(columns: Columns) -> Floats:
    """Levy's function, 0 where all are 1."""
    w = 1 + (numpy.stack(list(columns.values()), axis=1) - 1) / 4
    inner = (w[:, :-1] - 1) ** 2 * (1 + 10 * numpy.sin(math.pi * w[:, :-1] + 1) ** 2)
    last = (w[:, -1] - 1) ** 2 * (1 + numpy.sin(2 * math.pi * w[:, -1]) ** 2)
    return numpy.asarray(numpy.sin(math.pi * w[:, 0]) ** 2 + inner.sum(1) + last)


def valley(columns: Columns) -> Floats:
    """Rosenbrock's function of several dimensions, 0 where all are 1."""
    x = numpy.stack(list(columns.values()), axis=1)
    first, then = x[:, :-1], x[:, 1:]
    return numpy.asarray((100 * (then - first**2) ** 2 + (1 - first) ** 2).sum(1))


def mixed(columns: Columns) -> Floats:
    """A bowl in log lr, width and momentum whose place and depth hang on the rule.

    Least, 0, with rule b, width 48, lr 1e-3 and momentum 0.8.
    """
    rule = columns["rule"]
    place = numpy.select([rule == "a", rule == "b", rule == "c"], [-4.0, -3.0, -2.0], -3.5)
    depth = numpy.select([rule == "a", rule == "b", rule == "c"], [0.3, 0.0, 0.5], 1.0)
    lr = (numpy.log10(columns["lr"]) - place) ** 2
    width = numpy.log2(columns["width"] / 48) ** 2 / 4
    return lr + width + 4 * (columns["momentum"] - 0.8) ** 2 + depth + 0.2 * (columns["depth"] != 3)


OBJECTIVES = (
    Objective(name="learning rate", space={"lr": "1e-8:1e-4:log"}, loss=learning_rate, floor=FLOOR),
    Objective(
        name="heavy ball",
        space={"lr": "1e-8:1e-4:log", "momentum": "0:0.99", "scale": "0.1:10:log"},
        loss=heavy_ball,
        floor=FLOOR,
    ),
    Objective(
        name="legendre-sine",
        space={"lr": "1e-7:1e-3:log", "momentum": "0:0.99", "d": "0.1:1:log"},
        loss=legendre_sine,
        floor=10.2197,  # the least found: 10.219792
    ),
    Objective(name="sphere 5d", space={f"x{i}": "-1:1" for i in range(5)}, loss=sphere, floor=0.0),
    Objective(name="rosenbrock", space={"x": "-2:2", "y": "-2:2"}, loss=rosenbrock, floor=0.0),
    Objective(
        name="branin", space={"x": "-5:10", "y": "0:15"}, loss=branin, floor=0.39788735772973816
    ),
    Objective(
        name="hartmann 6d",
        space={f"x{i}": "0:1" for i in range(6)},
        loss=hartmann,
        floor=-3.322368011415515,
    ),
    Objective(
        name="mixed",
        space={
            "lr": "1e-5:1e-1:log",
            "width": "8:256:int:log",
            "momentum": "0:0.99",
            "depth": "1,2,3,4",
            "rule": "a,b,c,d",
        },
        loss=mixed,
        floor=0.0,
    ),
)

SURFACES = (
    *OBJECTIVES,
    Objective(name="ackley 5d", space={f"x{i}": "-5:5" for i in range(5)}, loss=ackley, floor=0.0),
    Objective(
        name="rastrigin 3d", space={f"x{i}": "-5:5" for i in range(3)}, loss=rastrigin, floor=0.0
    ),
    Objective(name="levy 6d", space={f"x{i}": "-10:10" for i in range(6)}, loss=levy, floor=0.0),
    Objective(name="valley 4d", space={f"x{i}": "-2:2" for i in range(4)}, loss=valley, floor=0.0),
)
"""These and more, by which the sizes of rounds are judged (growth.py)."""
