"""Diagnosis of a wrong gradient: scaled by a constant, clipped, with weight decay, and so on.

    G, T, X   gradient by hand, derivative, parameters: a vector for each parameter at each place

Each likeness is tried over all places at once, so that none is found by chance, for all parameters
together first and then for each that is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from shoal.trainable.problems import Leaves

ALIKE, EXACTLY = 1e-4, 1e-6
"""Largest relative difference of what counts as the same."""

MIN_PLACES = 3


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Parameters x at one point, with the problem's gradient and the true derivative."""

    x: Leaves
    given: Leaves
    truth: Leaves


Vectors = list[torch.Tensor]
"""Vectors that belong together, in the same order as the others' are."""


def named(samples: Sequence[Sample], names: Sequence[str], wrong: int) -> str | None:
    """Return the diagnosis with its remedy, for the error message; None if there is none.

    Args:
        wrong: the number of a parameter whose gradient is wrong.
    """
    if len(samples) < MIN_PLACES:
        return None
    if not any(bool(leaf.any()) for sample in samples for leaf in sample.truth):
        return (
            "the loss is constant piece by piece (sign, round, comparisons), and its derivative 0; "
            "for a straight-through estimator write x + (round(x) - x).detach() in the loss"
        )
    every = tuple(range(len(names)))
    for chosen in dict.fromkeys((every, (wrong,))):
        told = _likeness(*_vectors(samples, chosen))
        told = told or _shortened(*_vectors(samples, chosen, joined=True)[:2])
        told = told or (_transposed(samples, chosen[0]) if len(chosen) == 1 else None)
        if told is not None:
            which = "" if chosen == every else f" of parameter {names[chosen[0]]}"
            return f"the gradient{which} {told}"
    return None


def _vectors(
    samples: Sequence[Sample], chosen: Sequence[int], joined: bool = False
) -> tuple[Vectors, Vectors, Vectors]:
    """G, T and X of the parameters `chosen`; `joined`: of all of them one vector for each place."""

    def vectors(columns: Sequence[Leaves]) -> Vectors:
        places = [[leaves[i].double().flatten() for i in chosen] for leaves in columns]
        if joined:
            return [torch.cat(place) for place in places]
        return [vector for place in places for vector in place if vector.numel()]

    given, truth, x = ([getattr(s, of) for s in samples] for of in ("given", "truth", "x"))
    return vectors(given), vectors(truth), vectors(x)


def _likeness(G: Vectors, T: Vectors, X: Vectors) -> str | None:
    tried: list[str | None] = [_multiple(G, T), _signs(G, T), _clipped(G, T), _decayed(G, T, X)]
    return next((told for told in tried if told is not None), None)


def _same(A: Vectors, B: Vectors, within: float = EXACTLY) -> bool:
    """Whether two vectors are equal at each point, relative to the largest element there."""
    return all(
        bool((a - b).abs().max() <= within * torch.maximum(a.abs().max(), b.abs().max()))
        for a, b in zip(A, B, strict=True)
        if a.numel()
    )


def _multiple(G: Vectors, T: Vectors) -> str | None:
    if all(not bool(g.any()) for g in G):
        return "is 0 everywhere: return the derivative of the loss"
    weights = [
        torch.maximum(g.abs().max(), t.abs().max()).clamp(min=1e-300)
        for g, t in zip(G, T, strict=True)
    ]
    g, t = (torch.cat([v / w for v, w in zip(V, weights, strict=True)]) for V in (G, T))
    square = float(t @ t)
    factor = float(g @ t) / square if square > 0 else 0.0
    if factor == 0 or abs(factor - 1) <= ALIKE or not _same(G, [factor * t for t in T]):
        return None
    factor = _rounded(factor)
    if factor == -1:
        return "has the wrong sign: it is -1 times the derivative; update rules subtract it"
    return (
        f"is {factor:.6g} times the derivative: multiply it by {_rounded(1 / factor):.6g}, "
        f"or the loss by {factor:.6g}"
    )


def _rounded(number: float) -> float:
    """Replace a number that is a simple one up to rounding (such as 1/2) by that."""
    for candidate in (float(f"{number:.3g}"), float(f"{number:.6g}")):
        if abs(number - candidate) <= 1e-6 * abs(number):
            return candidate
    return number


def _signs(G: Vectors, T: Vectors) -> str | None:
    if not _same(G, [t.sign() for t in T]):
        return None
    return (
        "is the sign of the derivative: return the derivative itself; "
        "optimizer=adam takes steps as even"
    )


def _clipped(G: Vectors, T: Vectors) -> str | None:
    """G = min(max(T, low), high)."""
    g, t = torch.cat(G), torch.cat(T)
    changed = (g - t).abs() > ALIKE * torch.maximum(g.abs(), t.abs())
    above, below = changed & (g < t), changed & (g > t)
    high = g[above].max() if bool(above.any()) else None
    low = g[below].min() if bool(below.any()) else None
    if int(changed.sum()) < 2 or (bool(changed.all()) and (high is None or low is None)):
        return None
    cut = [t.clamp(min=low, max=high) for t in T]
    if not _same(G, cut):
        return None
    if high is None or low is None:
        where = " and ".join(
            f"{side} at {_rounded(float(bound)):.6g}"
            for side, bound in (("above", high), ("below", low))
            if bound is not None
        )
    else:
        where = f"to [{_rounded(float(low)):.6g}, {_rounded(float(high)):.6g}]"
    return f"is the derivative clipped {where}: {_UNCLIPPED}"


_UNCLIPPED = "return the derivative itself; a smaller lr or optimizer=adam keeps steps short"


def _shortened(G: Vectors, T: Vectors) -> str | None:
    """G = T min(1, c / |T|), the norm clipped; or G = c T / |T| everywhere."""
    g, t = (torch.stack([v.norm() for v in V]) for V in (G, T))
    if any(not bool(n > 0) for n in t):
        return None
    if not _same(G, [a * v for a, v in zip(g / t, T, strict=True)], ALIKE):
        return None
    changed = (g - t).abs() > ALIKE * t
    bound = g[changed]
    if len(bound) < 2 or bool((bound.max() - bound.min()).abs() > ALIKE * bound.max()):
        return None
    size = _rounded(float(bound.mean()))
    if bool(changed.all()) and bool((t < bound.min()).any()):
        return (
            f"is the derivative scaled to a norm of {size:.6g}: return the derivative itself; "
            "optimizer=adam takes steps whose length does not depend on it"
        )
    if bool((t[changed] < bound.max()).any()):
        return None
    return f"is the derivative with its norm clipped to {size:.6g}: {_UNCLIPPED}"


def _decayed(G: Vectors, T: Vectors, X: Vectors) -> str | None:
    """G = T + c X: weight decay that the loss does not have, or the reverse."""
    rest = [g - t for g, t in zip(G, T, strict=True)]
    r, x = torch.cat(rest), torch.cat(X)
    square = float(x @ x)
    factor = float(r @ x) / square if square > 0 else 0.0
    if factor == 0 or not _same(rest, [factor * v for v in X]):
        return None
    factor = _rounded(factor)
    if factor > 0:
        return (
            f"is the derivative plus {factor:.6g} times the parameters (weight decay): add "
            f"{_rounded(factor / 2):.6g} times their sum of squares to the loss, or leave it out"
        )
    return (
        f"lacks {-factor:.6g} times the parameters, the derivative of a penalty "
        f"{_rounded(-factor / 2):.6g} times their sum of squares in the loss"
    )


def _transposed(samples: Sequence[Sample], i: int) -> str | None:
    shape = samples[0].x[i].shape
    if len(shape) != 2 or shape[0] != shape[1]:
        return None
    G = [s.given[i].double().flatten() for s in samples]
    if _same(G, [s.truth[i].double().T.flatten() for s in samples]):
        return "is the derivative transposed: return its .T"
    return None
