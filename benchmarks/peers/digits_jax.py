"""JAX on a net: fits side by side by vmap, all updates in one scan, under jit; random search.

At its best known settings: all fits of one width in stacks of `STACK`, one program for each
width, compiled once and kept in the folder that JAX_COMPILATION_CACHE_DIR names. The last batch of
an epoch is filled up with rows that have no weight. JAX takes all cores by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy
from digits import BATCH, WIDTHS, Given, Values, arguments, drawn, read, tell, told

STACK = 64
"""Fits side by side: on two cores 32 and 64 are about as fast, 16 and 256 slower."""

NAMES = ("lr", "momentum", "weight_decay")


def batches(given: Given) -> tuple[Any, Any, Any]:
    """Of each update rows (S, 128, 64), digits (S, 128) and the rows' weights (S, 128)."""
    numbers, weights = [], []
    for order in given["orders"]:
        for first in range(0, len(order), BATCH):
            which = order[first : first + BATCH]
            left = BATCH - len(which)
            numbers.append(numpy.concatenate([which, which[:1].repeat(left)]))
            ones = numpy.ones(len(which), numpy.float32) / len(which)
            weights.append(numpy.concatenate([ones, numpy.zeros(left, numpy.float32)]))
    rows = numpy.stack(numbers)
    return jnp.asarray(given["x"][rows]), jnp.asarray(given["y"][rows]), jnp.stack(weights)


def logits(params: Any, x: Any) -> Any:
    """z = tanh(x W1ᵀ + b1) W2ᵀ + b2."""
    w1, b1, w2, b2 = params
    return jnp.tanh(x @ w1.T + b1) @ w2.T + b2


def loss(params: Any, batch: Any) -> Any:
    """Mean cross entropy of the rows that have weight."""
    x, y, weight = batch
    log_p = jax.nn.log_softmax(logits(params, x))
    return -(jnp.take_along_axis(log_p, y[:, None], axis=1)[:, 0] * weight).sum()


def accuracy(hyper: Any, params: Any, fed: Any, validation: Any) -> Any:
    """Fit once; the accuracy of the validation rows."""
    lr, momentum, decay = hyper

    def step(carried: Any, batch: Any) -> tuple[Any, None]:
        params, velocity = carried
        gradient = jax.grad(loss)(params, batch)
        velocity = tuple(
            momentum * v + g + decay * p for v, g, p in zip(velocity, gradient, params, strict=True)
        )
        return (tuple(p - lr * v for p, v in zip(params, velocity, strict=True)), velocity), None

    velocity = tuple(jnp.zeros_like(p) for p in params)
    (params, _), _ = jax.lax.scan(step, (params, velocity), fed)
    u, v = validation
    return (logits(params, u).argmax(axis=1) == v).mean()


@jax.jit
def stacked(hyper: Any, params: Any, fed: Any, validation: Any) -> Any:
    """Fit side by side.

    Args:
        hyper: shape (3, n), the numbers of each fit.
    """
    side_by_side: Callable[..., Any] = jax.vmap(accuracy, in_axes=(1, None, None, None))
    return side_by_side(hyper, params, fed, validation)


def accuracies(given: Given, points: Sequence[Values]) -> list[float]:
    """Fit at these points, those of a width together."""
    fed = batches(given)
    validation = jnp.asarray(given["u"]), jnp.asarray(given["v"])
    found = numpy.zeros(len(points))
    for width in WIDTHS:
        of_width = [i for i, point in enumerate(points) if point["width"] == width]
        params = tuple(jnp.asarray(given[f"{width}/{name}"]) for name in ("w1", "b1", "w2", "b2"))
        for first in range(0, len(of_width), STACK):
            which = of_width[first : first + STACK]
            filled = [*which, *[which[0]] * (STACK - len(which))]  # one program for all
            columns = [[points[i][name] for i in filled] for name in NAMES]
            hyper = jnp.asarray(columns, dtype=jnp.float32)
            found[which] = stacked(hyper, params, fed, validation)[: len(which)]
    return [float(value) for value in found]


def main() -> None:
    """Run the search."""
    asked = arguments(__doc__)
    if folder := os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    given = read(asked.given)
    if told(asked, lambda points: accuracies(given, points)):
        return
    found = accuracies(given, drawn(asked.trials, asked.seed))
    tell(len(found), max(found))


if __name__ == "__main__":
    main()
