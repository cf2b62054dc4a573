"""Points in parameter space with loss and gradients, and directional derivatives at them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import torch

from shoal.trainable.checking.gradient.differences import Slope, slope
from shoal.trainable.problems import Leaves, Params, leaves, like

COARSE = 1e-4
"""Largest relative error of a gradient by hand over one parameter, where autograd alone judges."""

FINE = 1e-6
"""The same for one element beside its parameter's largest: more is looked into by differences."""

ROUNDING = 5e3
"""What the loss is taken to be known to, in units of its dtype's rounding error."""

MOVES = ((0.1, False), (1.0, True), (-1.0, True), (5.0, True), (25.0, True))
"""Generic places: how far from the start, and whether in units of the parameters' own size. A
negative distance is the one before it, to the other side."""

FAR = (0.0, 0.01, 0.1, -0.1, 0.3, -0.3, 1.0, -1.0, 2.0, -2.0, 5.0, -5.0, 30.0, -30.0)
"""More of them, to tell what a wrong gradient is like."""

SHRINK = (1.0, 0.1, 1e-2, 1e-3, 1e-4)
"""Where the loss is not finite at a place, one nearer to the start is taken."""

Function = Callable[[Params], tuple[torch.Tensor, Params]]
"""Loss and gradient of parameters."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A point in parameter space, with the loss and the gradients there.

    Attributes:
        truth: the gradient by autograd; None where there is none.
    """

    x: Leaves
    loss: float
    given: Leaves
    truth: Leaves | None

    @property
    def autograd(self) -> Leaves:
        """The gradient by autograd; NaN where it gives none."""
        if self.truth is not None:
            return self.truth
        return tuple(torch.full_like(leaf, math.nan) for leaf in self.x)


@dataclass(frozen=True, kw_only=True)
class Along:
    """A directional derivative, by finite differences, by the hand-written gradient, by autograd.

    Attributes:
        at: the parameter and its element (flat), where the direction is that of one element.
    """

    at: tuple[int, int] | None
    slope: Slope
    given: float
    truth: float
    slack: float

    @property
    def right(self) -> bool:
        """Whether the hand-written gradient agrees with finite differences."""
        return abs(self.given - self.slope.value) <= self.slack

    @property
    def autograd_right(self) -> bool:
        """Whether autograd agrees with finite differences."""
        return abs(self.truth - self.slope.value) <= self.slack

    def kinked(self, least: float) -> bool:
        """Whether a kink of the loss may explain why gradient and finite differences disagree.

        Args:
            least: how far apart the slopes to the two sides are at the least, in units of that
                difference (2, where the gradient by hand is a one-sided slope or between them).
        """
        apart = abs(self.slope.right - self.slope.left)
        off = abs(self.given - self.slope.value)
        return self.slope.kinked and (not math.isfinite(off) or apart > least * off)


class Surface:
    """The loss as a function of the parameters, in one dtype.

    Attributes:
        start: the initial parameters; scales: the size of each, which steps are in units of.
        coarse, fine, noise_level: relative errors of gradients (`COARSE`, `FINE`) and of the loss.
    """

    def __init__(self, function: Function, start: Params, dtype: torch.dtype) -> None:
        self._function, self._pattern = function, start
        self._epsilon = torch.finfo(dtype).eps
        self.coarse, self.fine = max(COARSE, 1e5 * self._epsilon), max(FINE, 1e4 * self._epsilon)
        self.noise_level = ROUNDING * self._epsilon
        self.start = tuple(leaf.detach().to(dtype) for leaf in leaves(start))
        self.scales = tuple(_size(leaf) for leaf in self.start)
        self._generator = torch.Generator().manual_seed(0)

    def moved(self) -> Iterator[Place]:
        """Yield random points where the loss is finite."""
        for distance, relative in MOVES:
            if distance > 0:
                noise = [self.noise(leaf) for leaf in self.start]
            for shrink in SHRINK:
                place = self._beside(noise, shrink * distance, relative)
                if place is not None:
                    yield place
                    break

    def far(self) -> Iterator[Place]:
        """Yield more random points, near and far, on both sides of the start."""
        for distance in FAR:
            if distance >= 0:
                noise = [self.noise(leaf) for leaf in self.start]
            place = self._beside(noise, distance, relative=True)
            if place is not None:
                yield place

    def _beside(self, noise: list[torch.Tensor], distance: float, relative: bool) -> Place | None:
        parts = zip(self.start, self.scales, noise, strict=True)
        return self.place(
            tuple(p + distance * (scale if relative else 1.0) * n for p, scale, n in parts)
        )

    def place(self, x: Leaves, careful: bool = True) -> Place | None:
        """Evaluate loss and gradients at `x`; None if the loss is not finite or raises an error."""
        truth: Leaves | None = None
        with suppress(Exception):  # what it cannot do is no fault of the problem's
            truth = self._autograd(x)
        try:
            with torch.no_grad():
                value, given = self._function(like(self._pattern, x))
        except Exception:
            if careful:
                return None
            raise
        loss = float(value)
        if not math.isfinite(loss):
            return None
        return Place(x=x, loss=loss, given=leaves(given), truth=truth)

    def _autograd(self, x: Leaves) -> Leaves | None:
        variables = tuple(leaf.detach().clone().requires_grad_() for leaf in x)
        with torch.enable_grad():
            loss, _ = self._function(like(self._pattern, variables))
            if not loss.requires_grad:
                return None
            found = torch.autograd.grad(loss, variables, allow_unused=True)
        return tuple(torch.zeros_like(p) if t is None else t for t, p in zip(found, x, strict=True))

    def noise(self, like: torch.Tensor) -> torch.Tensor:
        """Standard normal numbers of the shape and dtype of a tensor."""
        drawn = torch.randn(like.shape, generator=self._generator, dtype=torch.float64)
        return drawn.to(like.dtype)

    def along(
        self, place: Place, direction: list[torch.Tensor], at: tuple[int, int] | None
    ) -> Along | None:
        """Return the derivative along a direction scaled by the parameters' sizes; None: it has
        none.

        Args:
            at: the parameter and its element, if the direction is that of one.
        """
        scaled = [scale * part for scale, part in zip(self.scales, direction, strict=True)]

        def f(position: float) -> float:
            x = tuple(p + position * v for p, v in zip(place.x, scaled, strict=True))
            try:
                with torch.no_grad():
                    return float(self._function(like(self._pattern, x))[0])
            except Exception:  # beyond where the loss is defined
                return math.nan

        found = slope(f, epsilon=self._epsilon)
        if found is None:
            return None
        per = self.scales[at[0]] if at is not None else 1.0  # back to the gradient's own units
        found = Slope(
            value=found.value / per,
            error=found.error / per,
            left=found.left / per,
            right=found.right / per,
            kinked=found.kinked,
        )
        given, size = _product(place.given, scaled)
        truth, _ = _product(place.autograd, scaled)
        slack = (
            4 * found.error
            + 0.1 * self.coarse * max(abs(found.value), abs(given / per) if at is None else 0.0)
            + (1e-2 * self.fine * size / per if at is None else 0.0)
            + self.noise_level * abs(place.loss) / per
        )
        return Along(at=at, slope=found, given=given / per, truth=truth / per, slack=slack)


def _size(leaf: torch.Tensor) -> float:
    """Root mean square of a tensor's elements; 1 where they are all 0."""
    size = float(leaf.double().pow(2).mean().sqrt()) if leaf.numel() else 0.0
    return size if math.isfinite(size) and size > 0 else 1.0


def _product(gradient: Leaves, direction: list[torch.Tensor]) -> tuple[float, float]:
    """The inner product, and the sum of the magnitudes of its terms; what v lacks is left out."""
    total = size = 0.0
    for g, v in zip(gradient, direction, strict=True):
        terms = torch.where(v != 0, g * v, torch.zeros_like(v)).double()
        total, size = total + float(terms.sum()), size + float(terms.abs().sum())
    return total, size
